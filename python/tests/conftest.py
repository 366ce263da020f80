"""Fixtures: a directory with an application, and a server around it."""

import contextlib
import http.client
import pathlib
import sys
import textwrap

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from fake_master import Master, app_module  # noqa: E402

try:
    import margrave._margrave  # noqa: F401
except ImportError:
    # Not built for this interpreter.
    collect_ignore_glob = ["test_*.py"]


class Served:
    """A running application."""

    def __init__(self, master, log, pids):
        self.master, self.log_path, self.pids = master, log, pids

    @property
    def log(self):
        return self.log_path.read_text()

    def request(self, method="GET", path="/", body=None, headers=None, timeout=10):
        """One request on a connection of its own; status, headers (lower-case) and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.master.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            data = answer.read()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, fields, data


@pytest.fixture
def serve(tmp_path):
    """``serve(source, **settings)`` writes ``site.py``-like source and serves it."""
    with contextlib.ExitStack() as stack:

        def start(source, workers=1, name="webapp", callable=None, **changes):
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
            log = tmp_path / "log"
            output = stack.enter_context(open(log, "ab"))
            python = {"apps": [app_module(name, callable)], **changes.pop("python", {})}
            process = {"workers": workers, **changes.pop("process", {})}
            master = stack.enter_context(Master(tmp_path, log=output, python=python, process=process, **changes))
            _, pids = master.start(workers)
            return Served(master, log, pids)

        yield start


@pytest.fixture
def zygote(tmp_path):
    """``zygote(**settings)`` starts one and returns the master; nothing is forked."""
    with contextlib.ExitStack() as stack:

        def start(files=None, **changes):
            for name, source in (files or {}).items():
                path = tmp_path / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(source if isinstance(source, bytes) else textwrap.dedent(source).encode())
            output = stack.enter_context(open(tmp_path / "log", "ab"))
            return stack.enter_context(Master(tmp_path, log=output, **changes))

        yield start
