"""Configurations as people write them: each starts and answers as it says, or is refused with the line to blame."""
import grp
import json
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from configurations.cases import MORE, PATTERNS, REFUSALS
from harness import fastcgi, http, processes, scgi, uwsgi_packets
from harness.address import connect, free_port
from harness.waiting import until

HERE = Path(__file__).parent / "configurations"
TRANSPORTS = {"uwsgi": uwsgi_packets.request, "fastcgi": fastcgi.request, "scgi": scgi.request}


class Site:
    """A copy of the site, and what the tokens of the configurations stand for in it."""

    def __init__(self, directory, python):
        self.directory = directory / "site"
        shutil.copytree(HERE / "site", self.directory)
        prefix = subprocess.run([python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True)
        self.tokens = {
            "@DIR@": str(self.directory),
            "@START@": str(directory),
            "@PORT@": str(free_port()),
            "@PORT2@": str(free_port()),
            "@USER@": pwd.getpwuid(os.getuid()).pw_name,
            "@GROUP@": grp.getgrgid(os.getgid()).gr_name,
            "@VENV@": prefix.stdout.strip(),
        }
        for path in (self.directory / "parts").iterdir():
            path.write_text(self.fill(path.read_text()))

    def fill(self, value):
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        if not isinstance(value, str):
            return value
        for token, text in self.tokens.items():
            value = value.replace(token, text)
        return value

    def write(self, name):
        """The configuration of this name, filled in, beside the site."""
        target = self.directory / Path(name).name
        target.write_bytes(self.fill((HERE / name).read_bytes().decode()).encode())
        return target

    def ask(self, question):
        """One request as `protocol address target`; a `file` comes over HTTP."""
        protocol, address, target = self.fill(question).split(" ")
        return TRANSPORTS.get(protocol, http.request)(address, target=target)


@pytest.fixture
def tmp_path():
    """A short path instead of pytest's, however deep that is: the path of a UNIX socket has 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="site-") as directory:
        yield Path(directory)


@pytest.fixture
def site(tmp_path, under_test):
    return Site(tmp_path, under_test.python)


def check(under_test, *arguments, env=None, cwd=None):
    """`margrave check --json`: the first file's findings, and the exit code."""
    command = [under_test.executable, "check", "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})}, cwd=cwd, timeout=60)
    assert done.returncode in (0, 1, 2) and done.stdout, done.stderr
    return json.loads(done.stdout)["files"][0]["findings"], done.returncode


def name(case):
    return Path(case.file).name


def cases(found):
    marks = lambda case: [pytest.mark.margrave_only(reason=case.differs)] if case.differs else []
    return pytest.mark.parametrize("case", [pytest.param(case, id=name(case), marks=marks(case)) for case in found])


@cases(PATTERNS + MORE)
def test_configuration_starts_and_answers_as_it_says(case, site, serve, under_test, tmp_path):
    path = site.write(case.file)
    for beside, text in case.also.items():
        (site.directory / beside).parent.mkdir(exist_ok=True)
        (site.directory / beside).write_text(site.fill(text))
    outside = site.fill(case.outside)
    if under_test.name == "margrave":
        findings, code = check(under_test, path, env=outside, cwd=tmp_path)
        assert code < 2, findings
        for line, part in case.says:
            said = [f"{finding['reason']}; {finding['fix']}" for finding in findings if finding["line"] == line]
            assert any(part in text for text in said), (line, part, findings)
    form = "--" + {".ini": "ini", ".xml": "xml", ".yaml": "yaml", ".yml": "yaml"}.get(path.suffix, path.suffix[1:])
    server = serve(form, path, env=outside)
    is_daemon = "daemonize" in path.read_text(errors="replace")
    try:
        for question in case.ask:
            answer = until(lambda: answered(site, question, server, is_daemon), 30, lambda: f"{question}\n{server.log}")
            if question.startswith("file "):
                kind = answer.get("Content-Type", "")
                assert answer.status == 200 and "json" not in kind, answer
                continue
            assert answer.status == 200, (answer, server.log)
            expected = {"app": case.app, "workers": os.cpu_count() if case.workers == "cpus" else case.workers, "cwd": case.cwd}
            found = answer.json()
            wanted = site.fill({**expected, **case.more})
            assert {key: found[key] for key in wanted} == wanted
            for key, value in site.fill(case.env).items():
                assert found["env"].get(key) == value
    finally:
        if is_daemon:
            stop_daemon(site.directory)
        if under_test.name == "uwsgi":  # leaves workers behind when it has no master
            for pid in server.everyone():
                processes.kill(pid)


def answered(site, question, server, is_daemon):
    assert is_daemon or server.running(), f"ended with {server.process.returncode}:\n{server.log}"
    try:
        return site.ask(question)
    except (OSError, http.Broken):
        return None


def stop_daemon(directory):
    """Ends an instance that has left its session."""
    found = re.search(r"\d+", (directory / "site.pid").read_text())
    pid = int(found.group())
    os.kill(pid, 2)
    until(lambda: not Path(f"/proc/{pid}").exists(), 20, lambda: f"{pid} to end")


@pytest.mark.margrave_only(reason="uWSGI has no check")
@pytest.mark.parametrize("case", [pytest.param(case, id=name(case)) for case in REFUSALS])
def test_configuration_is_refused_with_the_line_to_blame(case, site, under_test, tmp_path):
    path = site.write(f"more/{case.file}")
    findings, code = check(under_test, path, cwd=tmp_path)
    errors = [finding for finding in findings if finding["severity"] == "error"]
    assert code == 2
    assert [(finding["line"] or 0, finding["file"]) for finding in errors] == [(case.line, str(path))], findings
    assert case.part in f"{errors[0]['reason']}; {errors[0]['fix']}"
    started = subprocess.run([under_test.executable, path], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert started.returncode == 1, started.stderr
    place = case.start or (f"{path}:{case.line}: " if case.line else "")
    assert place in started.stderr, started.stderr


def test_every_configuration_is_used():
    used = {case.file for case in PATTERNS + MORE} | {f"more/{case.file}" for case in REFUSALS}
    found = {str(path.relative_to(HERE)) for folder in ("patterns", "more") for path in (HERE / folder).iterdir()}
    assert used == found
    assert len(PATTERNS) >= 25 and len(found) >= 85
