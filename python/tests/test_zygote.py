"""Loading, forking, ending: the zygote and its workers, driven by a master in Python."""

import os
import signal
import socket
import sys
import time

import pytest

from fake_master import app_file, app_module, fetch, fetch_by_uwsgi, listener, wait_for

APP = """
def application(environ, start_response):
    start_response("200 OK", [])
    return [__name__.encode()]
"""


TARGETS = {
    "a module": (app_module("site1"), "site1", "site1:application"),
    "a module in a package": (app_module("pkg.wsgi"), "pkg.wsgi", "pkg.wsgi:application"),
    "a named object": (app_module("named:other"), "named", "named:other"),
    "an attribute of an object": (app_module("named:holder.inner"), "named", "named:holder.inner"),
    "a callable from the option": (app_module("named", callable="other"), "named", "named:other"),
    "the default name app": (app_module("flasky"), "flasky", "flasky:app"),
    "a factory": (app_module("factory:create_app()"), "factory plain", "factory:create_app()"),
    "a factory with arguments": (
        app_module("factory:create_app('x:y', debug=True)"), "factory x:y True", "factory:create_app('x:y', debug=True)"),
    "a factory from the option": (app_module("factory", callable="create_app()"), "factory plain", "factory:create_app()"),
    "a file": (app_file("site1.py"), "uwsgi_file_site1", "site1.py:application"),
    "a file by path": (app_file("./pkg/wsgi.py"), "uwsgi_file___pkg_wsgi", "./pkg/wsgi.py:application"),
    "a file with another suffix": (app_file("nova-api.wsgi"), "uwsgi_file_nova-api_wsgi", "nova-api.wsgi:application"),
    "a file with a callable": (app_file("named.py", callable="other"), "uwsgi_file_named", "named.py:other"),
}

FILES = {
    "site1.py": APP,
    "nova-api.wsgi": APP,
    "pkg/__init__.py": "",
    "pkg/wsgi.py": APP,
    "named.py": APP.replace("application", "other") + "class holder:\n    inner = staticmethod(other)\n",
    "flasky.py": "class Flasky:\n    def __call__(self, e, s):\n        s('200 OK', [])\n        return [b'flasky']\napp = Flasky()\n",
    "factory.py": """
        def create_app(kind="plain", debug=None):
            def application(environ, start_response):
                start_response("200 OK", [])
                return [" ".join(["factory", kind] + ([str(debug)] if debug is not None else [])).encode()]
            return application
    """,
}


@pytest.mark.parametrize("name", TARGETS)
def test_an_application_is_found_by(zygote, name):
    target, body, label = TARGETS[name]
    master = zygote(FILES, python={"apps": [target]})
    ready, _ = master.start()
    assert [app[:2] for app in ready[3]] == [("", label)]
    assert fetch(master).decode() == body


# As this Python writes it where it tells that a source is not in it.
UTF_8 = "UTF-8" if sys.version_info >= (3, 14) else "utf-8"
BROKEN = {
    "a module that is not there": ({}, app_module("absent.wsgi"), ["absent", "pythonpath"], "ModuleNotFoundError"),
    "a module with a missing dependency": (
        {"needs.py": "import nowhere_to_be_found\n"}, app_module("needs"), ["nowhere_to_be_found", "not installed"], "ModuleNotFoundError"),
    "a syntax error": ({"bad.py": "def f(:\n    pass\n"}, app_module("bad"), ["syntax error", "bad.py", "line 1"], "SyntaxError"),
    "an exception at import": (
        {"boom.py": "x = 1\nraise RuntimeError('at import')\n"}, app_module("boom"), ["RuntimeError", "boom.py, line 2"], "RuntimeError: at import"),
    "an exit at import": ({"quits.py": "import sys\nsys.exit('bye')\n"}, app_module("quits"), ["SystemExit", "quits.py, line 2"], "SystemExit: bye"),
    "a missing object": (
        {"other.py": "import os\ndef main(): pass\nclass Web: pass\n_private = main\n"}, app_module("other"),
        ["no `application` object", "`Web`", "`main`"], None),
    "a missing named object": ({"other.py": "def main(): pass\n"}, app_module("other:wrong"), ["`wrong`", "`main`"], None),
    "an object that cannot be called": ({"num.py": "application = 5\n"}, app_module("num:application"), ["int", "cannot be called"], None),
    "a default object that cannot be called": (
        {"num.py": "application = 5\n"}, app_module("num"), ["`application` is of type int", "cannot be called"], None),
    "a default object beside a module of that name": (
        {"pack/__init__.py": "import pack.app\ndef main(): pass\n", "pack/app.py": ""}, app_module("pack"),
        ["no `application` object", "`main`"], None),
    "a default object of None": ({"none.py": "app = None\n"}, app_module("none"), ["`app` is None", "cannot be called"], None),
    "a factory that is none": (
        {"fac.py": "make = 5\n"}, app_module("fac:make()"), ["`make` is of type int", "cannot be called"], None),
    "a factory that returns nothing": (
        {"fac.py": "def make(): pass\n"}, app_module("fac:make()"), ["`make()` returned None", "let it return"], None),
    "a directory for a file": ({"dir/x.py": ""}, app_file("dir"), ["`dir` is a directory"], None),
    "a NUL in its source": ({"nul.py": "x = 1\0\n"}, app_module("nul"), ["nul.py", "null bytes"], "null bytes"),
    "a NUL in a file": ({"nul.py": "x = 1\0\n"}, app_file("nul.py"), ["nul.py", "null bytes"], "null bytes"),
    "a source that is no UTF-8": ({"bad.py": "x = 1\n", "latin.py": b"x = '\xe4'\n"}, app_module("latin"), ["latin.py", UTF_8], UTF_8),
    "a module without callables": ({"empty.py": ""}, app_module("empty"), ["no callables"], None),
    "a file that is not there": ({}, app_file("gone.py"), ["gone.py", "does not exist"], None),
    "a factory that fails": (
        {"fac.py": "def make(): raise KeyError('k')\n"}, app_module("fac:make()"), ["test.ini:1: the factory `fac:make()` did not load", "KeyError"], "KeyError: 'k'"),
    "an expression that is no name": ({"other.py": APP}, app_module("other:a+b"), ["a+b", "literal"], None),
    "no application at all": ({}, None, ["no application", "module ="], None),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_failed_load_is_one_sentence_and_at_most_one_traceback(zygote, tmp_path, name):
    files, target, words, trace = BROKEN[name]
    master = zygote(files, python={"apps": [target] if target else []})
    kind, sentence = master.receive()
    assert kind == "load-failed"
    assert "\n" not in sentence
    assert "None" not in sentence.replace("is None", "").replace("returned None", "")
    for word in words:
        assert word in sentence, sentence
    if target:
        assert "test.ini:1" in sentence
    assert master.process.wait(10) != 0
    log = (tmp_path / "log").read_text()
    assert log.count("Traceback") <= 1 and "margrave/" not in log and "importlib" not in log, log
    assert (log.count(trace) == 1) if trace else log == "", log


def test_without_need_app_the_worker_answers_500_and_says_why(zygote, tmp_path):
    master = zygote({"boom.py": "raise RuntimeError('at import')\n"}, python={"apps": [app_module("boom")], "need_app": False})
    ready, _ = master.start()
    assert ready[3] == []
    assert b"Internal Server Error" in fetch(master)
    log = (tmp_path / "log").read_text()
    assert log.count("RuntimeError: at import") == 1
    assert "no application is loaded" in log


MOUNTED = {
    "one.py": "def application(e, s):\n    s('200 OK', [])\n    return [repr(('one', e['SCRIPT_NAME'], e['PATH_INFO'])).encode()]\n",
    "two.py": "def application(e, s):\n    s('200 OK', [])\n    return [repr(('two', e['SCRIPT_NAME'], e['PATH_INFO'])).encode()]\n",
}


@pytest.mark.parametrize("managed, cases", [
    (True, {"/app/x": ("one", "/app", "/x"), "/app": ("one", "/app", ""), "/application": ("one", "", "/application"),
            "/app/sub/deep": ("two", "/app/sub", "/deep"), "/%61pp/x": ("one", "/app", "/x"), "/": ("one", "", "/")}),
    (False, {"/app/x": ("one", "", "/app/x"), "/app/sub/deep": ("one", "", "/app/sub/deep")}),
])
def test_mounted_applications_are_chosen_as_by_uwsgi(zygote, managed, cases):
    apps = [app_module("one", mountpoint="/app"), app_module("two", mountpoint="/app/sub")]
    master = zygote(MOUNTED, python={"apps": apps, "manage_script_name": managed})
    ready, _ = master.start()
    assert [app[0] for app in ready[3]] == ["/app", "/app/sub"]
    for path, expected in cases.items():
        assert fetch(master, path).decode() == repr(expected)


# Variables of the front server, and what real uWSGI gave: the application, SCRIPT_NAME and PATH_INFO.
APPLICATION_IDS = [
    ({}, False, ("one", "", "/app/x")),
    ({"SCRIPT_NAME": "/app/sub"}, False, ("two", "/app/sub", "/app/x")),
    ({"UWSGI_APPID": "/app/sub"}, False, ("two", "", "/app/x")),
    ({"UWSGI_APPID": "/app/sub", "SCRIPT_NAME": "/app"}, False, ("two", "/app", "/app/x")),
    ({"UWSGI_APPID": "/nowhere", "SCRIPT_NAME": "/app/sub"}, False, ("one", "/app/sub", "/app/x")),
    ({"UWSGI_APPID": "", "SCRIPT_NAME": "/app/sub"}, False, ("two", "/app/sub", "/app/x")),
    ({}, True, ("one", "/app", "/x")),
    ({"UWSGI_APPID": "/app/sub"}, True, ("two", "/app", "/x")),
    ({"UWSGI_APPID": "/nowhere", "PATH_INFO": "/app/sub/y"}, True, ("one", "/app/sub", "/y")),
]


@pytest.mark.parametrize("managed", [False, True], ids=["as sent", "managed"])
def test_an_application_id_of_the_front_server_names_a_mount_point(zygote, managed):
    apps = [app_module("one", mountpoint="/app"), app_module("two", mountpoint="/app/sub")]
    python = {"apps": apps, "manage_script_name": managed}
    master = zygote(MOUNTED, python=python, listen={"listeners": [listener("Uwsgi")]})
    master.start()
    for sent, when, expected in APPLICATION_IDS:
        if when == managed:
            variables = {"REQUEST_METHOD": "GET", "REQUEST_URI": "/app/x", "PATH_INFO": "/app/x", **sent}
            assert eval(fetch_by_uwsgi(master, variables)) == expected, sent


def test_the_uwsgi_applications_table_makes_several_applications(zygote):
    source = """
        import uwsgi
        def make(name):
            def app(environ, start_response):
                start_response("200 OK", [])
                return [name.encode()]
            return app
        api = make("api")
        uwsgi.applications = {"": make("root"), "/api": "api"}
    """
    master = zygote({"table.py": source}, python={"apps": [app_module("table")], "manage_script_name": True})
    master.start()
    assert (fetch(master, "/"), fetch(master, "/api/x")) == (b"root", b"api")


def test_argv_path_and_main_look_as_under_uwsgi(zygote):
    source = """
        import json, sys
        seen = json.dumps([sys.argv, sys.path[:4], sys.modules["__main__"].__dict__.get("__file__"), __name__])
        def application(environ, start_response):
            start_response("200 OK", [])
            return [seen.encode()]
    """
    python = {"apps": [app_module("look")], "argv": ["a", "b c"], "path": ["/first", "/second"]}
    master = zygote({"look.py": source}, python=python)
    master.start()
    assert fetch(master).decode() == '[["uwsgi", "a", "b c"], ["/second", "/first", ".", ""], null, "look"]'


def test_lazy_apps_are_loaded_by_each_worker(zygote):
    source = "import os\npid = os.getpid()\n" + APP.replace("__name__.encode()", "str(pid == os.getpid()).encode()")
    master = zygote({"lazy.py": source}, python={"apps": [app_module("lazy")]}, process={"lazy_apps": True})
    ready = master.receive()
    assert ready[3] == []
    said = master.worker_says(master.fork())
    assert said[0] == "ready" and [app[:2] for app in said[1]] == [("", "lazy:application")]
    assert fetch(master) == b"True"


def test_a_lazy_load_that_fails_ends_the_worker_with_22(zygote):
    master = zygote({"boom.py": "1/0"}, python={"apps": [app_module("boom")]}, process={"lazy_apps": True})
    assert master.receive()[0] == "ready"
    pid = master.fork()
    kind, sentence = master.worker_says(pid)
    assert kind == "load-failed" and "ZeroDivisionError" in sentence
    kind, _, dead, status = master.receive()
    assert (kind, dead, os.waitstatus_to_exitcode(status)) == ("exited", pid, 22)


def test_threads_and_sockets_of_the_import_are_warned_about(zygote):
    source = """
        import socket, threading
        stop = threading.Event()
        threading.Thread(target=stop.wait, name="poller", daemon=True).start()
        left, right = socket.socketpair()
    """
    master = zygote({"side.py": source + APP.replace("\n", "\n        ")}, python={"apps": [app_module("side")]})
    ready, _ = master.start()
    assert any("`poller`" in warning for warning in ready[4])
    assert sum("socket pair" in warning for warning in ready[4]) == 2


def test_an_ordinary_import_is_not_warned_about(zygote):
    ready, _ = zygote(FILES, python={"apps": [app_module("site1")]}).start()
    assert ready[4] == []


HOOKS = """
import atexit, uwsgi
def note(word):
    with open("notes", "a") as file: file.write(f"{word}:{uwsgi.worker_id()} ")
note("import")
def post_fork(): note("fork"); raise ValueError("hook fails, worker lives")
uwsgi.post_fork_hook = post_fork
uwsgi.atexit = lambda: note("uwsgi.atexit")
uwsgi.after_req_hook = lambda: note("after")
atexit.register(note, "atexit")
"""


def test_hooks_run_in_their_order_and_the_worker_drains_to_exit_0(zygote, tmp_path):
    master = zygote({"hooks.py": HOOKS + APP}, python={"apps": [app_module("hooks")]})
    _, (pid,) = master.start()
    fetch(master)
    master.drain(pid)
    kind, _, dead, status = master.receive()
    assert (kind, dead, os.waitstatus_to_exitcode(status)) == ("exited", pid, 0)
    assert (tmp_path / "notes").read_text() == "import:0 fork:1 after:1 uwsgi.atexit:1 atexit:1 "
    assert (tmp_path / "log").read_text().count("hook fails") == 1 + 1  # message and source line


def test_draining_finishes_the_request_in_flight(zygote):
    source = """
        import time
        def application(environ, start_response):
            start_response("200 OK", [])
            open("begun", "w").close()
            while not __import__("os").path.exists("go"):
                time.sleep(0.01)
            return [b"finished"]
    """
    master = zygote({"slow.py": source}, python={"apps": [app_module("slow")]})
    _, (pid,) = master.start()
    with socket.create_connection(("127.0.0.1", master.port), 10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        directory = f"/proc/{pid}/cwd"
        wait_for(lambda: os.path.exists(f"{directory}/begun"))
        master.drain(pid)
        open(f"{directory}/go", "w").close()
        data = b""
        while block := connection.recv(65536):
            data += block
    assert data.endswith(b"finished")
    assert master.receive()[0] == "exited"


def test_a_thread_that_never_ends_does_not_keep_a_stopped_worker(zygote, tmp_path):
    source = HOOKS + '''
import threading
def application(environ, start_response):
    with open("begun", "a") as file: file.write("x")
    threading.Event().wait()
'''
    master = zygote({"stuck.py": source}, python={"apps": [app_module("stuck")]}, process={"threads": 2})
    _, (pid,) = master.start()
    with socket.create_connection(("127.0.0.1", master.port), 10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for((tmp_path / "begun").exists)
        master.stop(pid)
        kind, _, dead, status = master.receive()
    assert (kind, dead, os.waitstatus_to_exitcode(status)) == ("exited", pid, 0)


def test_a_killed_worker_is_reported_with_its_signal_and_a_new_one_can_be_forked(zygote):
    master = zygote(FILES, python={"apps": [app_module("site1")]})
    _, (pid,) = master.start()
    os.kill(pid, signal.SIGKILL)
    kind, _, dead, status = master.receive()
    assert (kind, dead, os.waitstatus_to_exitcode(status)) == ("exited", pid, -signal.SIGKILL)
    assert master.worker_says(master.fork())[0] == "ready"
    assert fetch(master) == b"site1"


TO_ALL = [signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2]


@pytest.mark.parametrize("number", TO_ALL, ids=lambda number: number.name)
def test_a_signal_to_the_whole_group_is_left_to_the_master(zygote, tmp_path, number):
    source = """
        import os, time
        def application(environ, start_response):
            start_response("200 OK", [])
            open("begun", "w").close()
            while not os.path.exists("go"):
                time.sleep(0.01)
            return [b"finished"]
    """
    master = zygote({"slow.py": source}, python={"apps": [app_module("slow")]})
    _, (pid,) = master.start()
    with socket.create_connection(("127.0.0.1", master.port), 10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        wait_for((tmp_path / "begun").exists)
        for process in (pid, master.process.pid):
            os.kill(process, number)
        (tmp_path / "go").touch()
        data = b""
        while block := connection.recv(65536):
            data += block
    assert data.endswith(b"finished")
    # And once more, to idle ones.
    for process in (pid, master.process.pid):
        os.kill(process, number)
    assert fetch(master) == b"finished"
    assert master.worker_says(master.fork(2))[0] == "ready"


def test_handlers_of_the_application_are_kept(zygote, tmp_path):
    source = """
        import signal
        signal.signal(signal.SIGUSR1, lambda number, frame: open("handled", "w").close())
    """
    master = zygote({"own.py": source + APP.replace("\n", "\n        ")}, python={"apps": [app_module("own")]})
    _, (pid,) = master.start()
    os.kill(pid, signal.SIGUSR1)
    fetch(master)
    wait_for((tmp_path / "handled").exists)


@pytest.mark.parametrize("place", ["import", "thread 0", "thread 1"])
def test_children_of_the_application_end_by_the_signals_that_it_sends_them(zygote, place):
    source = """
        import multiprocessing, os, signal, sys, threading, time
        def child():
            time.sleep(60)
        def ended_by():
            # A context of its own: `fork` is what inherits handlers.
            process = multiprocessing.get_context("fork").Process(target=child)
            process.start()
            process.terminate()
            process.join()
            return process.exitcode
        seen = ended_by() if PLACE == "import" else None
        barrier = threading.Barrier(2, timeout=10)
        def application(environ, start_response):
            start_response("200 OK", [])
            if PLACE == "thread 1":
                barrier.wait()
            number = seen if PLACE == "import" else ended_by()
            return [str(number).encode()]
    """
    files = {"parent.py": source.replace("PLACE", repr(place))}
    threads = 2 if place == "thread 1" else 1
    master = zygote(files, python={"apps": [app_module("parent")]}, process={"threads": threads})
    master.start()
    if threads == 2:
        with socket.create_connection(("127.0.0.1", master.port), 10) as other:
            other.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert fetch(master) == b"-15"
            assert other.recv(65536).endswith(b"-15")
    else:
        assert fetch(master) == b"-15"


def test_everything_ends_when_the_master_is_gone(zygote):
    master = zygote(FILES, python={"apps": [app_module("site1")]})
    _, pids = master.start(2)
    os.close(master.liveness)
    master.liveness = os.dup(0)
    master.control.close()
    assert master.process.wait(10) == 0
    for pid in pids:
        wait_for(lambda pid=pid: not alive(pid))


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_retired_zygote_waits_for_its_workers(zygote):
    master = zygote(FILES, python={"apps": [app_module("site1")]})
    _, (pid,) = master.start()
    master.retire()
    assert fetch(master) == b"site1"
    assert master.process.poll() is None
    master.stop(pid)
    assert master.receive()[0] == "exited"
    assert master.process.wait(10) == 0


@pytest.mark.parametrize(
    "behaviour, times", [("preload.WARM_UP_SECONDS = 60", 10), ("time.sleep(preload.WARM_UP_SECONDS)", 1), ("raise ValueError", 1)])
def test_warmup_requests_the_path_before_the_fork_while_it_takes_no_time(zygote, tmp_path, behaviour, times):
    source = HOOKS.split("note(")[0].replace("import atexit, ", "import ") + """
def application(environ, start_response):
    with open("paths", "a") as file: file.write(f"{uwsgi.worker_id()}{environ['PATH_INFO']} ")
    if "margrave.warmup" in environ: BEHAVIOUR
    start_response("200 OK", [])
    return [b"x"]
""".replace("BEHAVIOUR", behaviour)
    master = zygote({"warm.py": "import time, uwsgi\nfrom margrave import preload\n" + source[source.index("\ndef application"):]}, python={"apps": [app_module("warm")], "warmup": "/hot?x=1"})
    master.start()
    fetch(master, "/real")
    assert (tmp_path / "paths").read_text() == "0/hot " * times + "1/real "


def test_random_numbers_differ_between_workers(zygote, tmp_path):
    source = """
import random, uwsgi
def throw():
    with open(f"dice{uwsgi.worker_id()}", "w") as file: file.write(str(random.random()))
uwsgi.post_fork_hook = throw
"""
    master = zygote({"dice.py": source + APP}, python={"apps": [app_module("dice")]}, process={"workers": 2})
    master.start(2)
    assert (tmp_path / "dice1").read_text() != (tmp_path / "dice2").read_text()


def test_autoreload_hangs_the_master_up_when_a_module_changes(zygote, tmp_path):
    reloads = []
    previous = signal.signal(signal.SIGHUP, lambda *_: reloads.append(1))
    try:
        master = zygote(FILES, python={"apps": [app_module("site1")], "autoreload": {"secs": 0, "nanos": 200_000_000}})
        master.start()
        os.utime(tmp_path / "site1.py", (1, 1))
        wait_for(lambda: reloads)
    finally:
        signal.signal(signal.SIGHUP, previous)
    assert "site1.py has changed" in (tmp_path / "log").read_text()
