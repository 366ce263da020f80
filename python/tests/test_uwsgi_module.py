"""The `uwsgi` module as applications see it."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from fake_master import app_module, fetch, wait_for

EVAL = """
import uwsgi
at_import = (uwsgi.worker_id(), uwsgi.masterpid(), uwsgi.ready(), hasattr(uwsgi, "env"))
def application(environ, start_response):
    from urllib.parse import unquote
    start_response("200 OK", [])
    try:
        result = repr(eval(unquote(environ["QUERY_STRING"])))
    except Exception as error:
        result = f"{type(error).__name__}: {error}"
    return [result.encode()]
"""


@pytest.fixture
def ask(serve):
    """``ask(expression, **settings)`` evaluates in a worker."""
    from urllib.parse import quote

    servers = {}

    def ask(expression, **changes):
        key = repr(changes)
        if key not in servers:
            servers[key] = serve(EVAL, **changes)
        served = servers[key]
        return served.request(path="/?" + quote(expression))[2].decode()

    ask.servers = servers
    return ask


def test_the_module_exists_only_inside_the_server():
    code = "import margrave\ntry:\n    import uwsgi\nexcept ImportError:\n    print('absent')"
    environment = {**os.environ}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert result.stdout.strip() == "absent"


VALUES = {
    "uwsgi.version": "b'2.0.31'",
    "uwsgi.version_info": "(2, 0, 31, 0, b'')",
    "type(uwsgi.margrave_version).__name__": "'str'",
    "uwsgi.hostname == __import__('socket').gethostname().encode()": "True",
    "uwsgi.numproc, uwsgi.cores, uwsgi.threads, uwsgi.has_threads": "(1, 2, 2, 1)",
    "uwsgi.loop, uwsgi.unbit, uwsgi.applications, uwsgi.is_a_reload": "(None, None, None, False)",
    "uwsgi.buffer_size": "65536",
    "abs(uwsgi.started_on - __import__('time').time()) < 60": "True",
    "len(uwsgi.sockets), type(uwsgi.sockets).__name__": "(1, 'list')",
    "uwsgi.SPOOL_OK, uwsgi.SPOOL_RETRY, uwsgi.SPOOL_IGNORE": "(-2, -1, 0)",
    "uwsgi.opt": "{'flag': True, 'key': b'last', 'none': b'\\xc3\\xa4'}",
    "uwsgi.magic_table": "{b'h': b'host', b'%': b'%'}",
    "uwsgi.worker_id(), uwsgi.worker_id(1, 2)": "(1, 1)",
    "uwsgi.mule_id(), uwsgi.i_am_the_spooler(), uwsgi.ready()": "(0, None, True)",
    "uwsgi.mypid() == __import__('os').getpid()": "True",
    "at_import[0], at_import[1] == uwsgi.masterpid(), at_import[2:]": "(0, True, (None, False))",
    "uwsgi.env is environ": "True",
    "uwsgi.cl()": "0",
    "uwsgi.log('a line')": "True",
    "uwsgi.log('a\\0b')": "ValueError: embedded null character",
    "uwsgi.set_logvar('key', b'value')": "None",
    "uwsgi.set_logvar('a', 'b'), uwsgi.get_logvar('a'), uwsgi.get_logvar(b'c')": "(None, b'b', None)",
    "uwsgi.set_logvar('key', 1)": "TypeError: str or bytes expected, not int",
    "uwsgi.log_this_request()": "None",
    "uwsgi.is_connected(uwsgi.connection_fd()), uwsgi.is_connected(-1)": "(True, False)",
    "uwsgi.chunked_read()": "b''",
    "[n > 0 for n in uwsgi.mem()]": "[True, True]",
    "abs(uwsgi.micros() / 1e6 - __import__('time').time()) < 60": "True",
    "hasattr(uwsgi, 'cache_get'), hasattr(uwsgi, 'websocket_recv'), hasattr(uwsgi, 'spool')": "(False, False, False)",
    "uwsgi.cache_get('x')": "AttributeError: module 'uwsgi' has no attribute 'cache_get' (this Margrave does not have it)",
    "uwsgi.lock(), uwsgi.is_locked(), uwsgi.unlock(), uwsgi.is_locked()": "(None, True, None, False)",
    "uwsgi.lock(1), uwsgi.unlock(1)": "(None, None)",
    "uwsgi.lock(2)": "ValueError: lock 2 does not exist: there are 0 to 1; `locks = 2` makes more",
    "uwsgi.unlock()": "None",
    "uwsgi.worker_id.__name__": "'worker_id'",
}


def test_values_and_errors(ask):
    changes = {
        "process": {"threads": 2, "locks": 1},
        "opt": [["key", {"Text": "first"}], ["flag", "Flag"], ["key", {"Text": "last"}], ["none", {"Text": "\u00e4"}]],
        "magic": [["h", "host"], ["%", "%"]],
    }
    got = {expression: ask(expression, **changes) for expression in VALUES}
    expected = dict(VALUES)
    # Order of options is that of first appearance.
    expected["uwsgi.opt"] = "{'key': b'last', 'flag': True, 'none': b'\\xc3\\xa4'}"
    assert got == expected
    # How it goes on depends on the version of PyO3.
    assert ask("uwsgi.log(b'bytes')", **changes).startswith("TypeError: ")
    (served,) = ask.servers.values()
    assert served.log.count("a line\n") == 1


def test_functions_on_a_request_say_so_outside_of_one(serve):
    served = serve("""
    import threading, uwsgi
    def application(environ, start_response):
        out = []
        def other():
            try:
                uwsgi.connection_fd()
            except RuntimeError as error:
                out.append(str(error))
            out.append(hasattr(uwsgi, "env"))
        thread = threading.Thread(target=other); thread.start(); thread.join()
        start_response("200 OK", [])
        return [repr(out).encode()]
    """)
    assert served.request()[2] == b"['uwsgi.connection_fd acts on a request, and this thread runs none', False]"


def test_workers_tell_of_each_application_what_uwsgi_does(zygote):
    source = """
        import time, uwsgi
        time.sleep(1.01)
        def application(environ, start_response):
            start_response("200 OK", [])
            if environ["PATH_INFO"] == "/fails":
                raise ValueError("counted")
            return [repr((id(application), [worker["apps"] for worker in uwsgi.workers()])).encode()]
    """
    apps = [app_module("site1"), app_module("site2", mountpoint="/other")]
    files = {"site1.py": source, "site2.py": source.replace("time.sleep(1.01)", "")}
    master = zygote(files, python={"apps": apps, "manage_script_name": True}, process={"workers": 2})
    master.start()
    fetch(master)
    fetch(master, "/other/fails")
    callable, workers = eval(fetch(master, "/other"))
    assert [app["requests"] for app in workers[1]] == [0, 0], "of a worker that does not run"
    own = workers[0]
    assert [(app["id"], app["mountpoint"], app["requests"], app["exceptions"]) for app in own] == [
        (0, b"", 1, 0), (1, b"/other", 2, 1)]
    assert [app["startup_time"] for app in own] == [1, 0]
    assert own[1]["callable"] == callable != own[0]["callable"]
    assert own[0]["interpreter"] == own[1]["interpreter"] > 0
    assert set(own[0]) == {
        "id", "modifier1", "mountpoint", "startup_time", "interpreter", "callable", "requests", "exceptions", "chdir"}


def test_unlocking_what_is_not_held_is_a_warning(ask):
    assert ask("uwsgi.unlock(), uwsgi.unlock()") == "(None, None)"
    (served,) = ask.servers.values()
    assert served.log.count("RuntimeWarning: lock 0 is not held by this thread, so uwsgi.unlock changes nothing") == 1


def test_workers_and_total_requests_count(ask):
    assert ask("uwsgi.total_requests()") == "0"
    assert ask("uwsgi.total_requests(), uwsgi.request_id()") == "(1, 1)"
    worker = eval(ask("uwsgi.workers()"))[0]
    assert (worker["id"], worker["requests"], worker["status"], worker["exceptions"]) == (1, 2, b"busy", 0)
    assert worker["pid"] == int(ask("uwsgi.mypid()"))
    assert worker["running_time"] > 0 and worker["tx"] > 0 and worker["last_spawn"] > 0
    assert set(worker) == {
        "id", "pid", "requests", "delta_requests", "signals", "exceptions", "status", "rss", "vsz", "running_time",
        "last_spawn", "respawn_count", "tx", "avg_rt", "apps"}


@pytest.mark.parametrize("call, number", [("reload", signal.SIGHUP), ("stop", signal.SIGQUIT)])
def test_reload_and_stop_signal_the_master(ask, call, number):
    received = threading.Event()
    previous = signal.signal(number, lambda *_: received.set())
    try:
        assert ask(f"uwsgi.{call}()") == "True"
        assert received.wait(5)
    finally:
        signal.signal(number, previous)


def test_a_lock_is_exclusive_between_workers_and_freed_by_the_death_of_its_holder(serve):
    served = serve("""
    import os, time, uwsgi
    def application(environ, start_response):
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/hold":
            uwsgi.lock()
            with open("held", "w") as file:
                file.write(str(os.getpid()))
            time.sleep(30)
        if environ["PATH_INFO"] == "/wait":
            open("waits", "w").close()
            uwsgi.lock()
            uwsgi.unlock()
        return [repr((os.getpid(), uwsgi.is_locked())).encode()]
    """, workers=2, process={"threads": 2})
    holder = socket.create_connection(("127.0.0.1", served.master.port), 5)
    holder.sendall(b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
    directory = served.log_path.parent
    wait_for(lambda: (directory / "held").exists() and (directory / "held").read_text())
    held_by = int((directory / "held").read_text())
    assert eval(served.request(path="/ask")[2])[1], "locked"
    answers = []
    waiter = threading.Thread(target=lambda: answers.append(of_a_living_worker(served, "/wait")))
    waiter.start()
    wait_for((directory / "waits").exists)
    os.kill(held_by, signal.SIGKILL)
    waiter.join(20)
    assert answers and eval(answers[0])[0] in set(served.pids) - {held_by}
    holder.close()


def test_locks_are_shared_by_two_generations(zygote):
    source = """
    import uwsgi
    def application(environ, start_response):
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/lock": uwsgi.lock(1)
        if environ["PATH_INFO"] == "/unlock": uwsgi.unlock(1)
        return [repr([uwsgi.is_locked(0), uwsgi.is_locked(1)]).encode()]
    """
    settings = {"python": {"apps": [app_module("locking")]}, "process": {"locks": 1}}
    old = zygote({"locking.py": source}, **settings)
    young = zygote(before=old, **settings)
    old.start()
    young.start()
    assert fetch(old, "/lock") == b"[False, True]"
    assert fetch(young) == b"[False, True]"
    assert fetch(old, "/unlock") == b"[False, False]"
    assert fetch(young, "/lock") == b"[False, True]"
    assert fetch(old) == b"[False, True]"


def of_a_living_worker(served, path):
    """The answer to a request that is tried again when its worker is killed."""
    for _attempt in range(20):
        try:
            return served.request(path=path)[2]
        except (OSError, http.client.HTTPException):
            pass
    raise AssertionError("no worker answers")


def test_decorators(serve):
    served = serve("""
    import uwsgi
    from uwsgidecorators import postfork, lock, thread, timer
    seen = []
    @postfork
    def everywhere(): seen.append("all")
    @postfork(2)
    def only_two(): seen.append("two")
    @lock
    def locked(): return uwsgi.is_locked()
    try:
        @timer(3)
        def tick(signum): pass
    except NotImplementedError as error:
        seen.append("no timer")
    def application(environ, start_response):
        start_response("200 OK", [])
        return [repr((seen, locked(), uwsgi.is_locked())).encode()]
    """)
    assert served.request()[2] == b"(['no timer', 'all'], True, False)"


STUCK = """
import threading, time
def application(environ, start_response):
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/sleep":
        time.sleep(60)
    if environ["PATH_INFO"] == "/loop":
        while True: pass
    return [threading.current_thread().name.encode()]
"""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("path", ["/sleep", "/loop"])
def test_a_request_past_its_deadline_gets_504_and_the_worker_lives(serve, threads, path):
    if threads > 1 and path == "/sleep":
        pytest.skip("only the main thread can be woken from a sleep")
    served = serve(STUCK, process={"threads": threads, "harakiri": {"secs": 0, "nanos": 300_000_000}})
    assert served.request(path=path)[0] == 504
    deadline = time.monotonic() + 10
    names = set()
    while len(names) < threads and time.monotonic() < deadline:
        status, _, body = served.request()
        assert status == 200
        names.add(body)
        if threads > 1:
            break
    # The client is answered first.
    words = "HARAKIRI", "webapp.py", "in application"
    wait_for(lambda: all(word in served.log for word in words))
    assert "Traceback" not in served.log
