"""What a visitor does on the example sites; each flow takes a Browser and works over any transport."""
import csv
import hashlib
import io
import json
import re
import uuid


def log_in(browser):
    page = browser.post("/accounts/login/", {"username": "demo", "password": "demo", "next": "/"})
    assert page.status == 200 and "Log out demo" in page.text
    assert "sessionid" in browser.cookies


def new_item(browser, quantity=10):
    """A fresh item, so that flows running side by side do not meet; its number."""
    sku = f"X{uuid.uuid4().hex[:10]}"
    values = {"sku": sku, "name": "Café set", "category": "1", "quantity": str(quantity), "price": "12.50", "description": "Ünïcode"}
    page = browser.post("/items/new/", values)
    assert page.status == 200 and "is on the shelf" in page.text
    return sku


def pages(browser):
    """Reads the list from front to back by its own links."""
    seen, page = [], browser.get("/")
    while True:
        seen += re.findall(r"<code>([BGKT]\d{4})</code>", page.text)
        onward = re.search(r'rel="next" href="([^"]+)"', page.text)
        if not onward:
            break
        page = browser.get("/" + onward[1].replace("&amp;", "&"))
        assert page.status == 200
    assert len(seen) == len(set(seen)) == 145


def search(browser):
    page = browser.get("/?q=cr%C3%A8me&category=kitchen")
    assert page.status == 200
    assert page.text.count("Crème brûlée set,") == 5


def bad_login(browser):
    page = browser.post("/accounts/login/", {"username": "demo", "password": "wrong"})
    assert page.status == 200 and "sessionid" not in browser.cookies
    assert "errorlist" in page.text


def csrf(browser):
    browser.get("/accounts/login/")
    page = browser.request("POST", "/accounts/login/", [("Content-Type", "application/x-www-form-urlencoded")], b"username=demo")
    assert page.status == 403 and "CSRF" in page.text


def session_remembers(browser):
    browser.get("/items/B1001/")
    browser.get("/items/T1100/")
    page = browser.get("/")
    recent = re.search(r'<ul id="recent">(.*?)</ul>', page.text)[1]
    assert "/items/B1001/" in recent and "/items/T1100/" in recent


def book(browser):
    log_in(browser)
    sku = new_item(browser)
    page = browser.post(f"/items/{sku}/book/", {"amount": "-4", "reason": "sold"}, page=f"/items/{sku}/")
    assert 'id="quantity">6<' in page.text and "Booked -4" in page.text
    page = browser.post(f"/items/{sku}/book/", {"amount": "-7", "reason": "sold"}, page=f"/items/{sku}/")
    assert 'id="quantity">6<' in page.text and "There are only 6" in page.text


def invalid_form(browser):
    log_in(browser)
    page = browser.post("/items/new/", {"sku": "", "name": "", "category": "1", "quantity": "-1", "price": "x"})
    assert page.status == 400 and "errorlist" in page.text


def needs_login(browser):
    page = browser.get("/items/new/", follow=False)
    assert page.status == 302 and page.get("Location") == "/accounts/login/?next=/items/new/"


def upload(browser, size=3 * 1024 * 1024 + 17):
    log_in(browser)
    sku = new_item(browser)
    content = hashlib.sha256(sku.encode()).digest() * (size // 32 + 1)
    page = browser.upload(f"/items/{sku}/upload/", f"/items/{sku}/", "sheet", "sheet.bin", content)
    assert hashlib.sha256(content).hexdigest() in page.text
    sheet = browser.get(f"/items/{sku}/sheet/")
    assert sheet.status == 200 and sheet.body == content
    assert sheet.get("Content-Disposition").startswith("attachment;")


def stream(browser):
    page = browser.get("/export.csv?category=books")
    assert page.status == 200 and page.get("Content-Type") == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(page.text)))
    assert len([row for row in rows if row["sku"].startswith("B")]) == 30
    assert rows[0]["name"] == "Atlas, blue"


def json_endpoint(browser):
    data = browser.get("/api/items/?category=toys&page=2").json()
    assert data["page"] == 2 and data["pages"] == 2 and data["count"] == 25 and len(data["items"]) == 5
    log_in(browser)
    sku = new_item(browser)
    token = [("X-CSRFToken", browser.cookies["csrftoken"]), ("Content-Type", "application/json")]
    patch = lambda value: browser.request("PATCH", f"/api/items/{sku}/", token, json.dumps(value).encode())
    assert patch({"amount": 5, "reason": "counted"}).json()["quantity"] == 15
    assert patch({"amount": -50, "reason": "sold"}).status == 409
    assert patch({"reason": "nothing"}).status == 422
    assert browser.request("PATCH", f"/api/items/{sku}/", token, b"{broken").status == 400
    assert browser.request("DELETE", f"/api/items/{sku}/", token).get("Allow") == "GET, PATCH"


def admin(browser):
    page = browser.post("/admin/login/", {"username": "demo", "password": "demo", "next": "/admin/inventory/item/"})
    assert page.status == 200 and "Select item to change" in page.text
    page = browser.get("/admin/inventory/movement/")
    assert page.status == 200 and "first count" in page.text
    page = browser.post("/admin/inventory/category/add/", {"name": f"N{uuid.uuid4().hex[:8]}", "slug": uuid.uuid4().hex[:8]})
    assert page.status == 200 and "was added successfully" in page.text


def log_out(browser):
    log_in(browser)
    page = browser.post("/accounts/logout/", {}, page="/")
    assert page.status == 200 and "Log in" in page.text and "sessionid" not in browser.cookies


def static(browser):
    page = browser.get("/static/inventory/site.css")
    assert page.status == 200 and page.get("Content-Type").startswith("text/css")
    assert page.text.startswith(":root") and page.get("Content-Length") == str(len(page.body))
    assert browser.get("/static/admin/css/base.css").status == 200
    assert browser.get("/static/none.css").status == 404
    head = browser.request("HEAD", "/static/inventory/site.css")
    assert head.status == 200 and head.body == b"" and head.get("Content-Length") == str(len(page.body))


def missing(browser):
    page = browser.get("/nowhere/")
    assert page.status == 404 and "not on any shelf" in page.text
    assert browser.request("POST", "/export.csv").status in (403, 405)


def head(browser):
    page = browser.request("HEAD", "/")
    assert page.status == 200 and page.body == b""
    assert page.get("Content-Type") == "text/html; charset=utf-8"


def middleware(browser):
    page = browser.get("/health/")
    assert re.fullmatch(r"worker-[12]", page.get("X-Served-By"))
    assert re.fullmatch(r"app;dur=[\d.]+", page.get("Server-Timing"))
    assert page.get("X-Frame-Options") == "DENY"


DJANGO = [
    pages, search, bad_login, csrf, session_remembers, book, invalid_form, needs_login, upload, stream, json_endpoint,
    admin, log_out, static, missing, head, middleware,
]  # fmt: skip


def write_note(browser):
    text = uuid.uuid4().hex
    page = browser.post("/write", {"name": "Zoë", "text": text}, page="/")
    assert page.status == 200 and "Thank you, Zoë." in page.text and text in page.text
    assert 'value="Zoë"' in browser.get("/").text, "the session did not keep the name"


def empty_note(browser):
    page = browser.post("/write", {"name": "Zoë", "text": ""}, page="/")
    assert page.status == 400 and "A note needs a name and a text." in page.text


def note_pages(browser):
    page = browser.get("/?page=2")
    assert page.status == 200 and page.text.count("<article>") == 5 and "page 2 of" in page.text


def notes_json(browser):
    notes = browser.get("/notes.json").json()
    assert [note["name"] for note in notes[:3]] == ["Ada", "Grace", "Tim"]


def notes_stream(browser):
    assert browser.get("/notes.txt").text.startswith("Ada: The engine weaves")


def echo(browser):
    answer = browser.request("POST", "/echo", [("Content-Type", "application/octet-stream")], b"z" * 300_000)
    assert answer.json() == {"bytes": 300_000, "type": "application/octet-stream"}


def too_large(browser):
    answer = browser.request("POST", "/echo", [("Content-Type", "application/octet-stream")], b"z" * 1_100_000)
    assert answer.status == 413


FLASK = [write_note, empty_note, note_pages, notes_json, notes_stream, echo, too_large]
