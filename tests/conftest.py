"""Fixtures of the end-to-end tests. `--on uwsgi` runs those that make sense there against the real uWSGI."""
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import apache as apache_module
from harness import nginx as nginx_module
from harness.address import free_address
from harness.http import request as http_request
from harness.server import Server, clean_environment
from harness.site import EXAMPLES, Places, prepare_django

ROOT = Path(__file__).resolve().parent.parent
APPS = Path(__file__).parent / "apps"


# `nohup` has its programs ignore SIGHUP, and what they start inherits that: a shell cannot trap it any more.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_addoption(parser):
    parser.addoption("--on", choices=["margrave", "uwsgi"], default="margrave", help="the server under test")
    parser.addoption("--margrave", default=os.environ.get("MARGRAVE", str(ROOT / ".venv/bin/margrave")))
    parser.addoption("--uwsgi", default=os.environ.get("UWSGI", str(ROOT / ".run/peers/bin/uwsgi")))


def pytest_configure(config):
    config.addinivalue_line("markers", "margrave_only(reason): uWSGI does otherwise, on purpose")
    config.addinivalue_line("markers", "needs_nginx: starts a real nginx")
    config.addinivalue_line("markers", "needs_apache: starts a real Apache")
    config.addinivalue_line("markers", "needs_chromium: looks at pages in headless Chromium")
    config.addinivalue_line("markers", "smoke: also run on the other Python versions")


MISSING = []


def pytest_collection_modifyitems(config, items):
    tools = {"needs_nginx": nginx_module.executable(), "needs_apache": apache_module.executable(), "needs_chromium": chromium()}
    for item in items:
        if config.getoption("--on") == "uwsgi" and (mark := item.get_closest_marker("margrave_only")):
            item.add_marker(pytest.mark.skip(reason=f"not on uWSGI: {mark.kwargs.get('reason', '')}"))
        for name, found in tools.items():
            if item.get_closest_marker(name) and not found:
                MISSING.append(f"{item.nodeid}: {name.removeprefix('needs_').upper()} IS MISSING")
                item.add_marker(pytest.mark.skip(reason=MISSING[-1]))


def pytest_terminal_summary(terminalreporter):
    for line in MISSING:
        terminalreporter.write_line(f"NOT RUN: {line}", red=True, bold=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for server in Server.recent:
            report.sections.append((f"{' '.join(server.command)} (pid {server.process and server.pid})", server.log[-12000:]))
    if report.when == "teardown":
        Server.recent[:] = [server for server in Server.recent if server.process and server.running()]
    return report


def chromium():
    """Path of a Chromium, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@dataclass
class Kind:
    """The server under test."""

    name: str
    executable: Path
    python: Path

    def run(self, code):
        """Runs Python code in the interpreter beside the executable; its output."""
        return subprocess.run(
            [self.python, "-c", code], capture_output=True, text=True, check=True, timeout=60, env=clean_environment()
        ).stdout.strip()

    def is_free_threaded(self):
        return self.run("import sys; print(getattr(sys, '_is_gil_enabled', lambda: True)())") == "False"


def kind(config, name):
    executable = Path(config.getoption(f"--{name}"))
    if not executable.is_absolute():
        executable = Path.cwd() / executable
    if not executable.exists():
        pytest.exit(f"there is no {executable}: run `make install` (or give --{name} PATH)", 2)
    return Kind(name, executable, executable.parent / "python3")


@pytest.fixture(scope="session")
def under_test(request):
    return kind(request.config, request.config.getoption("--on"))


def server_factory(under_test, directory, left):
    """A function that starts servers, and the list of those started."""
    servers = []

    def start(*arguments, ready=(), serving=None, env=None, cwd=None, executable=None):
        """`ready`: addresses that must take connections; `serving`: one that must have answered a request over HTTP."""
        server = Server([executable or under_test.executable, *arguments], cwd or directory, env)
        servers.append(server)
        server.start()
        server.wait_ready(*([ready] if isinstance(ready, str) else ready))
        return server.wait_serving(serving) if serving else server

    def end():
        for server in reversed(servers):
            left.extend(server.end())

    return start, end


@pytest.fixture
def serve(under_test, tmp_path):
    """Starts servers in the test's directory; ends them and fails when something is left."""
    left = []
    start, end = server_factory(under_test, tmp_path, left)
    yield start
    end()
    assert not left, "left behind after the stop: " + "; ".join(left)


@pytest.fixture(scope="module")
def module_directory(tmp_path_factory):
    return tmp_path_factory.mktemp("module")


@pytest.fixture(scope="module")
def serve_module(under_test, module_directory):
    """The same for all tests of a module."""
    left = []
    start, end = server_factory(under_test, module_directory, left)
    yield start
    end()
    assert not left, "left behind after the stop: " + "; ".join(left)


@pytest.fixture
def ini(tmp_path):
    """Writes an ini file into the test's directory; its path."""

    def write(text, name="app.ini", section="uwsgi"):
        path = tmp_path / name
        path.write_text((f"[{section}]\n" if section else "") + text)
        return path

    return write


@pytest.fixture
def hello(tmp_path):
    """`hello.py` in the test's directory, holding `application`."""
    path = tmp_path / "hello.py"
    path.write_text(
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "    return [b'hello']\n"
    )
    return path


@pytest.fixture
def address():
    """A free `127.0.0.1:PORT`."""
    return free_address()


@pytest.fixture
def fetch():
    """One HTTP request on a connection of its own."""
    return http_request


@pytest.fixture(scope="session")
def django_template(under_test, tmp_path_factory):
    """The Django site, migrated and filled once per session."""
    return prepare_django(under_test.python, tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="module")
def django_site(django_template, module_directory, serve_module):
    """The Django site, served from its own uwsgi.ini with other ports and two more listeners."""
    site = module_directory / "site"
    shutil.copytree(django_template, site)
    places = Places(site)
    text = (site / "uwsgi.ini").read_text()
    assert "127.0.0.1:8000" in text
    text = text.replace("127.0.0.1:8000", places.http)
    more = f"fastcgi-socket = {places.fastcgi}\nscgi-socket = {places.scgi}\n"
    (site / "uwsgi.ini").write_text(f"{text}\nhttp-socket = {places.http_socket}\nsocket = {places.tcp}\n{more}")
    places.server = serve_module(site / "uwsgi.ini", ready=places.direct(), serving=places.http, env={"STOCKROOM_OWNER": "the tests"})
    places.directory = site
    return places


@pytest.fixture(scope="module")
def flask_site(module_directory, serve_module):
    """The Flask application, its factory named on the command line."""
    site = module_directory / "flask"
    shutil.copytree(EXAMPLES / "flask-app", site, ignore=shutil.ignore_patterns("*.sqlite3*", "__pycache__"))
    places = Places(site)
    places.server = serve_module(
        "--chdir", site, "--module", "app:create_app()", "--master", "--processes", "2", "--threads", "2",
        "--socket", places.unix, "--socket", places.tcp, "--http-socket", places.http_socket, "--http", places.http,
        "--fastcgi-socket", places.fastcgi, "--scgi-socket", places.scgi, "--die-on-term", ready=places.direct(), serving=places.http_socket,
    )  # fmt: skip
    places.directory = site
    return places


def front(places, directory):
    """nginx in front of a site, one address per way to pass on."""
    locations = {
        "nginx-uwsgi-unix": nginx_module.uwsgi_pass(places.unix),
        "nginx-uwsgi-tcp": nginx_module.uwsgi_pass(places.tcp),
        "nginx-proxy": nginx_module.proxy_pass(places.http),
        "nginx-fastcgi": nginx_module.fastcgi_pass(places.fastcgi),
        "nginx-scgi": nginx_module.scgi_pass(places.scgi),
        "nginx-proxy-keepalive": nginx_module.proxy_pass(places.http_socket, keepalive=True),
    }
    return nginx_module.Nginx(directory, locations)


@pytest.fixture(scope="module")
def django_front(django_site, module_directory):
    with front(django_site, module_directory / "nginx-django") as nginx:
        nginx.begin()
        django_site.nginx = nginx.addresses
        yield django_site


@pytest.fixture(scope="module")
def flask_front(flask_site, module_directory):
    with front(flask_site, module_directory / "nginx-flask") as nginx:
        nginx.begin()
        flask_site.nginx = nginx.addresses
        yield flask_site
