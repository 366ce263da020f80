"""A guest book: one Flask application in one file, notes kept in SQLite."""
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from flask import Flask, Response, abort, flash, jsonify, redirect, render_template_string, request, session, url_for

PAGE = 5
DATABASE = Path(os.environ.get("GUESTBOOK_DB", Path(__file__).with_name("guestbook.sqlite3")))
LAYOUT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Guest book</title>
<style>
 body { max-width: 40rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 Georgia, "Liberation Serif", serif; color: #2b2118; background: #fbf7f0; }
 h1 { color: #9a3412; } form, article { background: #fff; border: 1px solid #eadfce; border-radius: 8px; padding: .75rem 1rem; margin: .75rem 0; }
 input, textarea { width: 100%; box-sizing: border-box; font: inherit; padding: .4rem; margin-bottom: .5rem; border: 1px solid #eadfce; border-radius: 5px; }
 button { font: inherit; background: #9a3412; color: #fff; border: 0; border-radius: 5px; padding: .4rem 1rem; } .flash { color: #166534; } small { color: #8a7a66; }
</style></head><body>
<h1>Guest book</h1>
{% for line in get_flashed_messages() %}<p class="flash">{{ line }}</p>{% endfor %}
<form method="post" action="{{ url_for('write') }}">
 <input name="name" placeholder="Your name" value="{{ session.name or '' }}" required maxlength="40"><textarea name="text" rows="3" placeholder="What do you want to say?" required></textarea>
 <button>Write</button></form>
{% for note in notes %}<article><b>{{ note.name }}</b> <small>no. {{ note.id }}</small><br>{{ note.text }}</article>{% endfor %}
<p>{% if page > 1 %}<a href="{{ url_for('book', page=page - 1) }}">Newer</a> {% endif %}<small>page {{ page }} of {{ pages }}</small>
{% if page < pages %}<a href="{{ url_for('book', page=page + 1) }}">Older</a>{% endif %} · <a href="{{ url_for('as_json') }}">JSON</a> · <a href="{{ url_for('as_text') }}">plain text</a></p>
</body></html>"""
WELCOME = [("Ada", "The engine weaves algebraic patterns."), ("Grace", "A ship in port is safe."), ("Tim", "This is for everyone.")] * 4


def connect():
    """A connection of its own per request; the table is made and filled the first time."""
    connection = sqlite3.connect(DATABASE, timeout=20)
    connection.row_factory = sqlite3.Row
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'note'").fetchone():
            connection.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, name TEXT NOT NULL, text TEXT NOT NULL)")
            connection.executemany("INSERT INTO note (name, text) VALUES (?, ?)", WELCOME)
    return closing(connection)


def create_app():
    """The application factory: `module = app:create_app()`."""
    app = Flask(__name__)
    app.secret_key = os.environ.get("GUESTBOOK_SECRET", "example-only-not-a-secret")
    app.config["MAX_CONTENT_LENGTH"] = 1024 * 1024

    @app.get("/")
    def book():
        with connect() as db:
            (count,) = db.execute("SELECT count(*) FROM note").fetchone()
            pages = max(1, -(-count // PAGE))
            page = min(max(request.args.get("page", 1, type=int), 1), pages)
            notes = db.execute("SELECT * FROM note ORDER BY id DESC LIMIT ? OFFSET ?", (PAGE, PAGE * (page - 1))).fetchall()
        return render_template_string(LAYOUT, notes=notes, page=page, pages=pages)

    @app.post("/write")
    def write():
        name, text = request.form.get("name", "").strip()[:40], request.form.get("text", "").strip()
        if not name or not text:
            abort(400, "A note needs a name and a text.")
        with connect() as db, db:
            db.execute("INSERT INTO note (name, text) VALUES (?, ?)", (name, text))
        session["name"] = name
        flash(f"Thank you, {name}.")
        return redirect(url_for("book"))

    @app.get("/notes.json")
    def as_json():
        with connect() as db:
            return jsonify([dict(note) for note in db.execute("SELECT * FROM note ORDER BY id")])

    @app.get("/notes.txt")
    def as_text():
        def lines():
            with connect() as db:
                for note in db.execute("SELECT * FROM note ORDER BY id"):
                    yield f"{note['name']}: {note['text']}\n"

        return Response(lines(), mimetype="text/plain")

    @app.post("/echo")
    def echo():
        upload = request.files.get("file")
        data = upload.read() if upload else request.get_data()
        return jsonify(bytes=len(data), type=request.mimetype)

    return app


application = create_app()
