"""Starting, watching and ending one server under test."""
import os
import re
import signal
import subprocess
import uuid
from pathlib import Path

from . import http, processes
from .address import connect
from .waiting import until

START = 30
STOP = 15


class Server:
    """A server process with its log; `with` ends it and everything it has started."""

    recent = []  # what the report of a failed test shows the logs of

    def __init__(self, command, directory, env=None, name="server"):
        self.command = [str(word) for word in command]
        self.directory = Path(directory)
        self.mark = uuid.uuid4().hex
        self.log_path = self.directory / f"{name}-{self.mark[:6]}.log"
        self.env = clean_environment()
        self.env.update(env or {})
        self.env[processes.MARK] = self.mark
        self.process = None
        Server.recent.append(self)

    def start(self):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.directory,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def running(self):
        return self.process.poll() is None

    def wait_ready(self, *addresses, timeout=START):
        """Waits until every address takes connections."""
        for address in addresses:
            until(lambda a=address: self._answers(a), timeout, lambda a=address: f"{a} to take connections\n{self.log}")
        return self

    def wait_serving(self, address, timeout=START):
        """Waits until a request over HTTP is answered: the application is loaded."""
        self.wait_ready(address, timeout=timeout)
        return self._still_running(lambda: http.get(address, "/are-you-there", timeout=timeout))

    def _still_running(self, action):
        try:
            action()
        except (OSError, http.Broken) as problem:
            raise AssertionError(f"no answer ({problem!r}); exit code {self.process.poll()}:\n{self.log}") from None
        return self

    def _answers(self, address):
        if not self.running():
            raise AssertionError(f"the server ended with {self.process.returncode} before it was ready:\n{self.log}")
        try:
            connect(address, 5).close()
        except OSError:
            return False
        return True

    def wait_log(self, pattern, timeout=START, count=1):
        """Waits for the log to hold `count` matches of a regular expression; the last match."""

        def look():
            found = list(re.finditer(pattern, self.log, re.MULTILINE))
            return found[count - 1] if len(found) >= count else None

        return until(look, timeout, lambda: f"/{pattern}/ {count} times in the log:\n{self.log}")

    def send(self, number):
        os.kill(self.pid, number)

    def wait_exit(self, timeout=STOP):
        """The exit code."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the server did not end within {timeout} s:\n{self.log}") from None

    def stop(self, number=signal.SIGINT, timeout=STOP):
        """Sends a signal; the exit code."""
        if self.running():
            self.send(number)
        return self.wait_exit(timeout)

    def everyone(self):
        """Pids of all processes that this server has started and that still run, itself included."""
        return processes.marked(self.mark, {self.process.pid} if self.process else ())

    def assert_nothing_left(self, timeout=5):
        """No process of this server runs any more."""
        describe = lambda: "these to end: " + ", ".join(f"{pid} {processes.title(pid)}" for pid in self.everyone())
        until(lambda: not self.everyone(), timeout, describe)

    def end(self):
        """Ends it the quick way, whatever state it is in; says what a stop has left behind."""
        left = []
        if self.process is None:
            return left
        if self.running():
            self.send(signal.SIGINT)
            try:
                self.process.wait(STOP)
            except subprocess.TimeoutExpired:
                left.append(f"master {self.pid} ignored SIGINT for {STOP} s")
        try:
            self.assert_nothing_left(3)
        except AssertionError as problem:
            left.append(str(problem))
        for pid in self.everyone():
            processes.kill(pid)
        if self.running():
            self.process.kill()
        self.process.wait(STOP)
        return left

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        left = self.end()
        if left and exception[0] is None:
            raise AssertionError("left behind after the stop: " + "; ".join(left) + "\n" + self.log)


def clean_environment():
    """This process's environment without what would steer a server or its Python."""
    dropped = ("UWSGI_", "MARGRAVE", "PYTHON", "VIRTUAL_ENV", "DJANGO_", "STOCKROOM_", "PYTEST_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    return env


def run_to_end(command, directory, env=None, timeout=30):
    """Runs a command that should end by itself: (exit code, output); nothing may be left running."""
    server = Server(command, directory, env, name="run").start()
    with server:
        code = server.wait_exit(timeout)
        server.assert_nothing_left()
        return code, server.log
