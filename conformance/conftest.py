"""Both servers side by side: the real uWSGI (`--uwsgi`) and Margrave (`--margrave`), same application, same options."""
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "tests")]

import os
import shutil

import pytest
from harness import nginx as nginx_module
from harness.address import free_address
from harness.server import Server
from harness.site import prepare_django

HERE = Path(__file__).parent
ROOT = HERE.parent
PROTOCOLS = ("uwsgi", "http", "http-socket", "http11-socket")


def pytest_addoption(parser):
    parser.addoption("--margrave", default=os.environ.get("MARGRAVE", str(ROOT / ".venv/bin/margrave")))
    parser.addoption("--uwsgi", default=os.environ.get("UWSGI", str(ROOT / ".run/peers/bin/uwsgi")))


def pytest_configure(config):
    # Tests start the servers in directories of their own.
    for name in ("margrave", "uwsgi"):
        setattr(config.option, name, str(Path(config.getoption(f"--{name}")).absolute()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed and report.when != "call":
        report.sections += [(" ".join(server.command), server.log[-8000:]) for server in Server.recent]
    return report


class Pair:
    """The same application on both servers; `place[name]` maps a protocol to its address."""

    def __init__(self, config, directory):
        self.directory, self.running = directory, []
        self.executables = {name: Path(config.getoption(f"--{name}")) for name in ("uwsgi", "margrave")}
        for name, path in self.executables.items():
            if not path.exists():
                pytest.exit(f"there is no {path}: run `make test`, or give --{name} PATH", 2)
        self.place = {"uwsgi": {}, "margrave": {}}

    def start(self, *words, cwd=None, protocols=PROTOCOLS):
        for name, executable in self.executables.items():
            places = self.place[name]
            places.update({protocol: free_address() for protocol in protocols})
            places["unix"] = str(self.directory / f"{name}.sock")
            listen = ["--socket", places["unix"], "--socket", places["uwsgi"]] if "uwsgi" in protocols else []
            for protocol in protocols:
                listen += [f"--{protocol}", places[protocol]] if protocol != "uwsgi" else []
            directory = self.directory / name
            directory.mkdir(exist_ok=True)
            command = [executable, "--master", "--enable-threads", "--threads", "2", "--need-app", *listen, *words]
            server = Server(command, cwd[name] if cwd else directory, {}, name=name).start()
            self.running.append(server)
            server.wait_ready(*places.values())
            server.wait_serving(places["http-socket"])

    def front(self):
        """nginx in front of both, over uwsgi."""
        locations = {name: nginx_module.uwsgi_pass(self.place[name]["unix"]) for name in self.place}
        nginx = nginx_module.Nginx(self.directory / "nginx", locations)
        self.running.append(nginx)
        nginx.begin()
        for name, address in nginx.addresses.items():
            self.place[name]["nginx"] = address

    def addresses(self, protocol):
        return self.place["uwsgi"][protocol], self.place["margrave"][protocol]

    def end(self):
        for server in reversed(self.running):
            server.end()


@pytest.fixture(scope="module")
def pair(request, tmp_path_factory):
    """A Pair not started yet."""
    pair = Pair(request.config, tmp_path_factory.mktemp("pair"))
    yield pair
    pair.end()


@pytest.fixture(scope="module")
def capture(pair):
    """The capture application at the root of both servers."""
    pair.start("--chdir", HERE, "--wsgi-file", "capture.py", protocols=(*PROTOCOLS, "fastcgi-socket", "scgi-socket"))
    if nginx_module.executable():
        pair.front()
    return pair


@pytest.fixture(scope="module")
def site(pair):
    """The Django site on both servers, each with a database of its own, filled alike."""
    template = prepare_django(pair.executables["margrave"].parent / "python3", pair.directory)
    directories = {}
    for name in pair.executables:
        directories[name] = pair.directory / f"site-{name}"
        shutil.copytree(template, directories[name])
    pair.start(
        "--module", "stockroom.wsgi", "--static-map", "/static=staticfiles", "--pythonpath", ".", cwd=directories,
    )  # fmt: skip
    if nginx_module.executable():
        pair.front()
    return pair
