"""Copies of the example sites, ready to be served: own database, own ports, all listeners."""
import shutil
import subprocess
from pathlib import Path

from . import http, uwsgi_packets
from .address import free_address
from .server import clean_environment

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"


def prepare_django(python, directory):
    """A fresh copy of the Django site with its database filled and its static files collected."""
    site = Path(directory) / "django-site"
    left_out = shutil.ignore_patterns("db.sqlite3*", "staticfiles", "media", "__pycache__", "*.sock", "*.pid")
    shutil.copytree(EXAMPLES / "django-site", site, ignore=left_out)
    for command in (["migrate", "-v0"], ["seed"], ["collectstatic", "-v0", "--noinput"]):
        subprocess.run(
            [python, "manage.py", *command], cwd=site, check=True, timeout=120, env=clean_environment(), capture_output=True
        )
    return site


class Places:
    """Where a site listens, and how to ask it over each of its transports."""

    def __init__(self, directory):
        self.http = free_address()
        self.http_socket = free_address()
        self.unix = str(Path(directory) / "uwsgi.sock")
        self.tcp = free_address()
        self.fastcgi = free_address()
        self.scgi = free_address()
        self.nginx = {}

    def direct(self):
        return (self.http, self.http_socket, self.unix, self.tcp)

    def sender(self, transport):
        """`send(method, target, fields, body)` over a transport by name."""
        if transport in ("packets-unix", "packets-tcp"):
            address = self.unix if transport.endswith("unix") else self.tcp
            return lambda *words: uwsgi_packets.request(address, *words, host="127.0.0.1")
        address = {"http": self.http, "http-socket": self.http_socket}.get(transport) or self.nginx[transport]
        return lambda *words: http.request(address, *words, host="127.0.0.1")


DIRECT = ["http", "http-socket", "packets-unix", "packets-tcp"]
THROUGH_NGINX = ["nginx-uwsgi-unix", "nginx-uwsgi-tcp", "nginx-proxy", "nginx-proxy-keepalive", "nginx-fastcgi", "nginx-scgi"]
