"""Configuration from beyond files: addresses, databases, descriptors, commands, the executable itself."""

import contextlib
import http.server
import os
import shutil
import sqlite3
import subprocess
import threading

import pytest
from harness import http as client
from harness.server import run_to_end

TEXT = "[uwsgi]\nprint = read\nversion = true\n[other]\nprint = other\nversion = true\n"


class Pages(http.server.BaseHTTPRequestHandler):
    pages = {"/app.ini": TEXT, "/huge": "#" * (5 << 20)}
    asked = []

    def do_GET(self):
        self.asked.append((self.command, self.path))
        text = self.pages.get(self.path)
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/app.ini")
            text = ""
        elif text is None:
            self.send_response(404)
            text = "[uwsgi]\nprint = wrong\n"
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def pages():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def run(under_test, tmp_path, *words):
    return run_to_end([under_test.executable, *words], tmp_path)


@pytest.mark.parametrize("path, printed", [("/app.ini", "read"), ("/app.ini:other", "other"), ("/moved", "read")])
def test_an_address_is_read(under_test, tmp_path, pages, path, printed):
    if under_test.name == "uwsgi" and path == "/moved":
        pytest.skip("uWSGI follows no redirection")
    code, said = run(under_test, tmp_path, "--ini", pages + path)
    assert (code, said.splitlines()[-2]) == (0, printed)


@pytest.mark.parametrize("path, reason", [("/none", "status 404"), ("/huge", "larger than"), ("", "needs a path")])
def test_an_address_without_a_configuration_is_an_error_that_says_why(under_test, tmp_path, pages, path, reason):
    if under_test.name == "uwsgi":
        pytest.skip("uWSGI words its errors otherwise")
    code, said = run(under_test, tmp_path, "--ini", pages + path)
    assert code == 1 and reason in said and "wrong" not in said


def test_a_database_serves_a_site(under_test, serve, tmp_path, address):
    if under_test.name == "uwsgi":
        pytest.skip("uWSGI has SQLite in a plugin")
    (tmp_path / "hello.py").write_text("def application(e, s):\n    s('200 OK', [])\n    return [b'from a database']\n")
    rows = [("http-socket", address), ("module", "%(name)"), ("name", "hello"), ("chdir", "%d")]
    with contextlib.closing(sqlite3.connect(tmp_path / "conf.db")) as database:
        database.execute("CREATE TABLE options (place INTEGER, k TEXT, v TEXT)")
        database.executemany("INSERT INTO options VALUES (?, ?, ?)", [(n, *row) for n, row in enumerate(rows)])
        database.commit()
    serve("--sqlite", "conf.db:SELECT k, v FROM options ORDER BY place", serving=address)
    assert client.get(address, "/").text == "from a database"


def test_a_descriptor_and_a_command_are_read(under_test, tmp_path):
    (tmp_path / "app.ini").write_text(TEXT)
    with open(tmp_path / "app.ini") as file:
        command = [under_test.executable, "--ini", f"fd://{file.fileno()}:other"]
        done = subprocess.run(command, pass_fds=[file.fileno()], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "other")
    code, said = run(under_test, tmp_path, "--ini", "exec://cat app.ini")
    assert (code, said.splitlines()[-2]) == (0, "read")


def test_a_file_appended_to_the_executable_is_read(under_test, tmp_path):
    copy = tmp_path / "server"
    shutil.copy(os.path.realpath(under_test.executable), copy)
    (tmp_path / "app.ini").write_text(TEXT)
    with open(copy, "ab") as executable:
        subprocess.run([under_test.executable, "--binary-append-data", "app.ini"], cwd=tmp_path, stdout=executable, check=True)
    code, said = run_to_end([copy, "--ini", "data://0:other"], tmp_path)
    assert (code, said.splitlines()[-2]) == (0, "other")


def test_a_section_of_the_executable_is_read(under_test, tmp_path):
    if not shutil.which("objcopy"):
        pytest.skip("needs objcopy")
    (tmp_path / "app.ini").write_text(TEXT)
    copy = tmp_path / "server"
    subprocess.run(
        ["objcopy", "--add-section", "app=app.ini", os.path.realpath(under_test.executable), copy], cwd=tmp_path, check=True
    )
    code, said = run_to_end([copy, "--ini", "section://app"], tmp_path)
    assert (code, said.splitlines()[-2]) == (0, "read")


def test_an_endless_command_ends_in_an_error(under_test, tmp_path):
    if under_test.name == "uwsgi":
        pytest.skip("uWSGI reads until memory is full")
    code, said = run(under_test, tmp_path, "--ini", "exec://while true; do echo '# more and more'; done")
    assert code == 1 and "it is larger than" in said
