"""What a person with a browser does: cookies, redirects, forms with their hidden fields, uploads."""
import re
import uuid
from html import unescape
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit


class Browser:
    """`send(method, target, fields, body)` makes the request, over whatever transport."""

    def __init__(self, send, origin="http://127.0.0.1"):
        self.send = send
        self.origin = origin
        self.cookies = {}
        self.target = "/"
        self.response = None

    def request(self, method, target, fields=(), body=None, follow=True):
        for _ in range(6):
            cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            extra = [("Cookie", cookies)] if cookies else []
            self.target = target
            self.response = self.send(method, target, [*fields, *extra], body)
            for line in self.response.all("Set-Cookie"):
                for name, morsel in SimpleCookie(line).items():
                    if morsel["max-age"] == "0" or not morsel.value:
                        self.cookies.pop(name, None)
                    else:
                        self.cookies[name] = morsel.coded_value
            if not follow or self.response.status not in (301, 302, 303):
                return self.response
            parts = urlsplit(urljoin(self.origin + target, self.response.get("Location")))
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            method, body, fields = "GET", None, ()
        raise AssertionError(f"too many redirects, last to {target}")

    def get(self, target, **options):
        return self.request("GET", target, **options)

    def hidden(self):
        """Hidden fields of the page shown."""
        page = self.response.text
        inputs = [dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in re.findall(r"<input[^>]*>", page)]
        return {tag["name"]: unescape(tag.get("value", "")) for tag in inputs if tag.get("type") == "hidden"}

    def post(self, target, values, page=None, **options):
        """Fills in the form on `page` (default: the target itself) and sends it."""
        self.get(page or target)
        data = urlencode({**self.hidden(), **values}).encode()
        return self.request("POST", target, self._form("application/x-www-form-urlencoded"), data, **options)

    def upload(self, target, page, name, filename, content):
        """Sends a file by a multipart form."""
        self.get(page)
        boundary = uuid.uuid4().hex
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
            for key, value in self.hidden().items()
        ]
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n".encode()
            + content
            + f"\r\n--{boundary}--\r\n".encode()
        )
        fields = self._form(f"multipart/form-data; boundary={boundary}")
        return self.request("POST", target, fields, b"".join(parts))

    def _form(self, kind):
        return [("Content-Type", kind), ("Referer", self.origin + self.target)]
