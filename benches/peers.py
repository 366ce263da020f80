"""How each server is told to do the same work. A builder gives a command line; a peer that is missing says so."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import subprocess

APPS = pathlib.Path(__file__).resolve().parent / "apps"


class CannotDo(Exception):
    """A peer has no such feature: it is left out of the scenario, with this reason."""


@dataclasses.dataclass(frozen=True)
class Work:
    """What is asked of every server alike."""

    app: str = "hello"
    processes: int = 1
    threads: int = 1
    protocol: str = "http"
    log: bool = False
    static: bool = False
    # Keep-alive connections that all want to be served at once; 0 where each request brings its own.
    connections: int = 32
    # Further arguments for Margrave alone, where an option of its own is what is measured.
    options: tuple = ()


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a server listens, and a folder for its files."""

    folder: pathlib.Path
    port: int
    # A UNIX socket takes the port's place behind nginx.
    socket: pathlib.Path | None = None

    @property
    def address(self):
        return str(self.socket) if self.socket else f"127.0.0.1:{self.port}"

    @property
    def uri(self):
        return f"unix:{self.socket}" if self.socket else f"127.0.0.1:{self.port}"

    @property
    def log(self):
        return self.folder / "requests.log"

    @property
    def static(self):
        return self.folder / "static"


@dataclasses.dataclass(frozen=True)
class Tools:
    """What is installed where."""

    margrave: pathlib.Path
    peers: pathlib.Path
    floor: pathlib.Path | None = None
    # Margrave's executable in an environment whose Python has no GIL.
    free_threaded: pathlib.Path | None = None

    def python(self):
        return self.peers / "python"


def margrave(tools, work, place):
    listener = {"http": "http-socket", "uwsgi": "uwsgi-socket", "fastcgi": "fastcgi-socket", "scgi": "scgi-socket"}
    command = [tools.margrave, f"--{listener[work.protocol]}", place.address, "--chdir", APPS, "--module", work.app]
    command += ["--processes", work.processes, "--threads", work.threads]
    command += ["--req-logger", f"file:{place.log}"] if work.log else ["--disable-logging"]
    if work.static:
        command += ["--static-map", f"/static={place.static}"]
    return [*command, *work.options]


def margrave_free_threaded(tools, work, place):
    return margrave(dataclasses.replace(tools, margrave=tools.free_threaded), work, place)


def uwsgi(tools, work, place):
    # The socket with the least CPU time a request. With HTTP keep-alive it holds a thread for each connection, so that
    # it gets one for each: with fewer, most clients would wait for ever, and a request cost more.
    listener = {"http": "http11-socket", "uwsgi": "socket", "fastcgi": "fastcgi-socket", "scgi": "scgi-socket"}
    command = [tools.peers / "uwsgi", "--master", f"--{listener[work.protocol]}", place.address, "--chdir", APPS]
    command += ["--module", work.app, "--processes", work.processes, "--listen", "100", "--need-app", "--die-on-term"]
    threads = max(work.threads, work.connections // work.processes if work.protocol == "http" else 1)
    if threads > 1:
        command += ["--threads", threads]
    command += ["--req-logger", f"file:{place.log}"] if work.log else ["--disable-logging"]
    if work.static:
        # It sends head and content of a file apart: without this, the second waits for the acknowledgement of the first, 40 ms.
        # Elsewhere it would win nothing and cost a system call for each request.
        command += ["--static-map", f"/static={place.static}", "--tcp-nodelay"]
    return command


def gunicorn(tools, work, place):
    if work.static:
        raise CannotDo("serves no files")
    if work.protocol not in ("http", "uwsgi"):
        raise CannotDo(f"does not speak {work.protocol}")
    command = [tools.peers / "gunicorn", "--worker-class", "gthread", "--bind", place.uri, "--chdir", APPS]
    command += ["--workers", work.processes, "--threads", work.threads, "--keep-alive", 60, "--no-control-socket"]
    if work.protocol == "uwsgi":
        command += ["--protocol", "uwsgi", "--uwsgi-allow-from", "*"]
    command += ["--access-logfile", place.log] if work.log else []
    return [*command, "--log-level", "warning", f"{work.app}:application"]


def granian(tools, work, place):
    if work.protocol != "http":
        raise CannotDo(f"does not speak {work.protocol}")
    command = [tools.peers / "granian", "--interface", "wsgi", "--http", "1", "--no-ws", "--working-dir", APPS]
    command += ["--uds", place.socket] if place.socket else ["--host", "127.0.0.1", "--port", place.port]
    command += ["--workers", work.processes, "--blocking-threads", work.threads, "--log-level", "warning"]
    command += ["--backpressure", max(work.connections, work.threads)]
    command += ["--access-log"] if work.log else ["--no-access-log"]
    if work.static:
        command += ["--static-path-route", "/static", "--static-path-mount", place.static]
    return [*command, f"{work.app}:application"]


def _single_thread(tools, work, place, code):
    """A server that is a library, without threads or processes of its own."""
    if work.static or work.log or work.protocol != "http":
        raise CannotDo("speaks HTTP only, without files and logs")
    if work.processes > 1 or work.threads > 1:
        raise CannotDo("has one process and one thread")
    start = f"import sys; sys.path.insert(0, {str(APPS)!r}); from {work.app} import application; port = {place.port}; {code}"
    return [tools.python(), "-c", start]


def bjoern(tools, work, place):
    return _single_thread(tools, work, place, "import bjoern; bjoern.run(application, '127.0.0.1', port)")


def fastpysgi(tools, work, place):
    return _single_thread(tools, work, place, "import fastpysgi; fastpysgi.run(application, '127.0.0.1', port)")


def waitress(tools, work, place):
    if work.static or work.log or work.protocol != "http":
        raise CannotDo("speaks HTTP only, without files and logs")
    if work.processes > 1:
        raise CannotDo("has one process")
    code = (
        f"import sys; sys.path.insert(0, {str(APPS)!r}); from {work.app} import application; import waitress; "
        f"waitress.serve(application, host='127.0.0.1', port={place.port}, threads={work.threads}, connection_limit=2000)"
    )
    return [tools.python(), "-c", code]


def floor(tools, work, place):
    return [tools.floor, place.socket or place.port, *([work.processes] if work.processes > 1 else [])]


NGINX_CONF = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr warn; {user}
events {{ worker_connections 4096; }}
http {{
  access_log {log}; sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type application/octet-stream;
  client_max_body_size 200m; client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; uwsgi_temp_path {folder}/t3;
  fastcgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  {upstream}
  server {{ listen 127.0.0.1:{port} backlog=1024; root {folder}; location / {{ {location} }} }}
}}
"""


def nginx_command(place, location="", upstream="", log=False):
    """nginx with one location body, as a server of files or as a front."""
    path = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    conf = place.folder / "nginx.conf"
    user = "user root;" if pathlib.Path("/proc/self").stat().st_uid == 0 else ""
    target = place.log if log else "off"
    conf.write_text(
        NGINX_CONF.format(
            folder=place.folder, port=place.port, user=user, log=target, location=location, upstream=upstream
        )
    )
    return [path, "-e", "stderr", "-c", conf]


def nginx(tools, work, place):
    if not work.static:
        raise CannotDo("runs no Python")
    return nginx_command(place, log=work.log)


BUILDERS = {
    "margrave": margrave,
    "margrave free-threaded": margrave_free_threaded,
    "uWSGI": uwsgi,
    "bjoern": bjoern,
    "FastPySGI": fastpysgi,
    "granian": granian,
    "gunicorn": gunicorn,
    "waitress": waitress,
    "nginx": nginx,
    "floor": floor,
}
MODULES = {"bjoern": "bjoern", "FastPySGI": "fastpysgi", "granian": "granian", "gunicorn": "gunicorn", "waitress": "waitress"}


def missing(tools):
    """Peers that cannot take part, with the reason."""
    reasons = {}
    if not tools.margrave.exists():
        reasons["margrave"] = f"there is no {tools.margrave}"
    if problem := lacks_free_threading(tools.free_threaded):
        reasons["margrave free-threaded"] = problem
    if not (tools.peers / "uwsgi").exists():
        reasons["uWSGI"] = f"there is no uwsgi in {tools.peers}"
    for name, module in MODULES.items():
        check = [tools.python(), "-c", f"import {module}"]
        if not tools.python().exists() or subprocess.call(check, stderr=subprocess.DEVNULL):
            reasons[name] = f"{module} cannot be imported by {tools.python()}"
    if not shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"):
        reasons["nginx"] = "nginx is not installed"
    if not tools.floor:
        reasons["floor"] = "there is no C compiler"
    return reasons


def lacks_free_threading(executable):
    """Why this Margrave cannot stand for one without a GIL; `None` when it can."""
    if executable is None:
        return "none was named: --free-threaded /path/to/venv/bin/margrave (make bench FREE_THREADED=...)"
    python = executable.parent / "python"
    code = "import sys, margrave._margrave; sys.exit(getattr(sys, '_is_gil_enabled', lambda: True)())"
    if not python.exists() or subprocess.call([python, "-c", code], stderr=subprocess.DEVNULL):
        return f"{python} has a GIL, or no Margrave"
    return None


def versions(tools):
    """What was measured, by name."""
    code = (
        "import importlib.metadata as m, json; print(json.dumps({d.metadata['Name'].lower(): d.version "
        "for d in m.distributions()}))"
    )
    found = {}
    if tools.python().exists():
        installed = json.loads(subprocess.check_output([tools.python(), "-c", code], text=True))
        names = {**MODULES, "uWSGI": "uwsgi", "Django": "django"}
        found = {name: installed[module] for name, module in names.items() if module in installed}
    if not lacks_free_threading(tools.free_threaded):
        said = subprocess.check_output([tools.free_threaded.parent / "python", "-c", "import platform; print(platform.python_version())"])
        found["free-threaded CPython"] = said.decode().strip()
    said = subprocess.run([str(tools.margrave), "--version"], capture_output=True, text=True, check=False).stdout
    found["margrave"] = said.strip().removeprefix("margrave ")
    return found
