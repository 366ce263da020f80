"""`import uwsgi`: what small applications use of it."""
import pytest
from concurrent.futures import ThreadPoolExecutor

from conftest import APPS
from harness import http
from harness.processes import alive
from harness.waiting import until

own = pytest.mark.margrave_only


@pytest.fixture
def probe(serve, address):
    def start(*arguments, **options):
        words = ["--master", "--http-socket", address, "--chdir", APPS, "--wsgi-file", "probe.py"]
        return serve(*arguments, *words, serving=address, **options)

    return start


def module(address):
    answer = http.get(address, "/module")
    assert answer.status == 200
    return answer.json()


def test_module_tells_about_the_instance(probe, address):
    server = probe("--processes", "2", "--threads", "1")
    seen = module(address)
    assert seen["version"].split(".")[0].isdigit()
    assert seen["numproc"] == 2
    assert seen["masterpid"] == server.pid
    assert seen["worker_id"] in (1, 2)
    assert seen["mypid"] in {worker["pid"] for worker in seen["workers"]}
    assert seen["connected"] is True
    assert seen["env_path"] == "/module"
    assert [worker["id"] for worker in seen["workers"]] == [1, 2]


def test_total_requests_counts_over_all_workers(probe, address):
    probe("--processes", "2")
    before = module(address)["total_requests"]
    for _ in range(20):
        http.get(address, "/one")
    assert until(lambda: module(address)["total_requests"] >= before + 20, 5, "20 more requests")


def test_worker_records_have_the_usual_keys(probe, address):
    probe()
    worker = module(address)["workers"][0]
    for key in ("id", "pid", "requests", "exceptions", "status", "rss", "vsz", "running_time", "last_spawn", "respawn_count", "tx", "avg_rt"):
        assert key in worker, key
    assert worker["status"] == "busy"


def test_log_writes_a_line(probe, address):
    server = probe()
    assert http.get(address, "/module/log").status == 200
    server.wait_log("from uwsgi.log$")


def test_log_variable_appears_in_the_log_format(probe, address):
    server = probe("--log-format", "%(method) %(uri) %(status) colour=%(var.colour)|%(colour)")
    assert http.get(address, "/module/logvar").text == "set"
    assert "teal" in server.wait_log(r"GET /module/logvar 200 colour=.*$")[0]


def test_reload_starts_new_workers(probe, address):
    server = probe()
    before = http.get(address, "/pid").text
    assert http.get(address, "/module/reload").text == "True"
    until(lambda: http.get(address, "/pid").text != before, 20, "a new worker")
    assert server.running()


def test_stop_ends_the_instance(probe, address):
    server = probe()
    assert http.get(address, "/module/stop").text in ("True", "None")
    assert server.wait_exit() == 0
    server.assert_nothing_left()


def test_lock_excludes_other_workers_and_threads(probe, address, tmp_path):
    probe("--processes", "2", "--threads", "2")
    counter = tmp_path / "counter"
    counter.write_text("0")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: http.get(address, f"/module/lock?path={counter}").status, range(40)))
    assert answers == [200] * 40
    assert counter.read_text() == "40"


@own(reason="its lock stays locked")
def test_lock_of_a_killed_worker_is_freed(serve, address, tmp_path):
    (tmp_path / "locker.py").write_text("""
import os, time, uwsgi
def application(environ, start_response):
    if environ["PATH_INFO"] == "/hold":
        uwsgi.lock()
        os.kill(os.getpid(), 9)
    uwsgi.lock()
    uwsgi.unlock()
    start_response("200 OK", [])
    return [b"locked and unlocked"]
""")
    serve("--master", "--processes", "2", "--http-socket", address, "--wsgi-file", "locker.py", serving=address)
    with pytest.raises((OSError, http.Broken)):
        http.get(address, "/hold")
    for _ in range(4):
        assert http.get(address, "/x").text == "locked and unlocked"


HOOKS = """
import atexit, os, sys
import uwsgi
def note(text):
    with open({path!r}, "a") as file:
        file.write(f"{{text}} {{os.getpid()}}\\n")
def forked():
    note(f"forked worker {{uwsgi.worker_id()}}")
uwsgi.post_fork_hook = forked
def ended():
    note("uwsgi.atexit")
uwsgi.atexit = ended
atexit.register(note, "python atexit")
def application(environ, start_response):
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
"""


def test_hooks_run_in_every_worker(serve, address, tmp_path):
    notes = tmp_path / "notes"
    (tmp_path / "hooked.py").write_text(HOOKS.format(path=str(notes)))
    server = serve("--master", "--processes", "2", "--http-socket", address, "--wsgi-file", "hooked.py", serving=address)
    until(lambda: notes.exists() and notes.read_text().count("forked") >= 2, 10, "both post_fork_hooks")
    forked = {line.split()[-1] for line in notes.read_text().splitlines() if line.startswith("forked")}
    assert {line.split()[2] for line in notes.read_text().splitlines() if line.startswith("forked")} == {"1", "2"}
    assert http.get(address).text in forked
    assert server.stop() == 0
    ended = {line.split()[-1] for line in notes.read_text().splitlines() if line.startswith("uwsgi.atexit")}
    assert forked <= ended
    exits = {line.split()[-1] for line in notes.read_text().splitlines() if line.startswith("python atexit")}
    assert forked <= exits
    assert not any(alive(int(pid)) for pid in forked)


@own(reason="it has its own file")
def test_uwsgidecorators_can_be_imported(serve, address, tmp_path):
    (tmp_path / "decorated.py").write_text("""
import uwsgi
from uwsgidecorators import postfork
seen = []
@postfork
def started():
    seen.append(uwsgi.worker_id())
@postfork
def started_too():
    seen.append("too")
def application(environ, start_response):
    start_response("200 OK", [])
    return [repr(seen).encode()]
""")
    serve("--http-socket", address, "--wsgi-file", "decorated.py", serving=address)
    assert http.get(address).text == "[1, 'too']"
