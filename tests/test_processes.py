"""Master, zygote and workers: their tree, signals, deaths, identity, files."""
import os
import re
import signal
import subprocess
import time

import pytest
from conftest import APPS
from harness import http, processes
from harness.address import connect, refuses
from harness.http import Reader, encode
from harness.load import Load
from harness.server import Server, run_to_end
from harness.waiting import until

pytestmark = pytest.mark.margrave_only(reason="the process model is Margrave's")
WORDS = ["--chdir", APPS, "--wsgi-file", "probe.py"]


@pytest.fixture
def probe(serve, address):
    def start(*arguments, **options):
        return serve(*arguments, "--http-socket", address, *WORDS, serving=address, **options)

    return start


def place(address):
    return http.get(address, "/place").json()


def zygote(server):
    """The one child of the master that has children or runs the zygote."""
    found = [pid for pid in processes.children(server.pid)]
    assert len(found) == 1, [processes.title(pid) for pid in found]
    return found[0]


def workers(server):
    return processes.children(zygote(server))


def all_workers(server, count):
    """Pids of the workers, once there are so many."""
    return until(lambda: workers(server) if len(workers(server)) == count else None, 10, f"{count} workers")


def test_tree_is_master_zygote_workers(probe, address):
    server = probe("--processes", "3")
    until(lambda: len(workers(server)) == 3, 10, "three workers")
    seen = place(address)
    assert seen["pid"] in workers(server) and seen["parent"] == zygote(server)
    assert seen["loaded"] == zygote(server), "the application is loaded once, before the fork"


def test_master_has_no_python_and_one_thread_beside_its_log(probe):
    server = probe()
    with open(f"/proc/{server.pid}/maps") as maps:
        assert "libpython" not in maps.read()
    # One decides; the other writes the log, because a disk may be slow.
    assert processes.threads(server.pid) == 2


def test_limit_of_descriptors_is_the_one_that_the_system_allows(probe):
    server = probe()
    for process in [server.pid, *processes.descendants(server.pid)]:
        with open(f"/proc/{process}/limits") as limits:
            soft, hard = next(line for line in limits if line.startswith("Max open files")).split()[3:5]
        assert soft == hard or int(soft) == 1 << 20


def test_threads_run_requests_side_by_side(probe, address):
    probe("--threads", "4")
    links = [connect(address) for _ in range(4)]
    start = time.monotonic()
    for link in links:
        link.sendall(encode("GET", "/slow?s=2", [("Connection", "close")]))
    for link in links:
        assert Reader(link).response().status == 200
        link.close()
    assert time.monotonic() - start < 4 * 2 - 0.5


def test_processes_run_requests_side_by_side(probe, address):
    probe("--processes", "2")
    links = [connect(address) for _ in range(2)]
    start = time.monotonic()
    for link in links:
        link.sendall(encode("GET", "/slow?s=4", [("Connection", "close")]))
    pids = {Reader(link).response().body for link in links}
    assert time.monotonic() - start < 2 * 4 - 0.5 and len(pids) == 2
    for link in links:
        link.close()


def test_enable_threads_lets_threads_of_the_application_run(serve, address, tmp_path):
    (tmp_path / "threaded.py").write_text("""
import threading, time
count = 0
def tick():
    global count
    while True:
        count += 1
        time.sleep(0.01)
started = False
def application(environ, start_response):
    global started
    if not started:
        started = True
        threading.Thread(target=tick, daemon=True).start()
    start_response("200 OK", [])
    return [str(count).encode()]
""")
    serve("--enable-threads", "--http-socket", address, "--wsgi-file", "threaded.py", serving=address)
    http.get(address)
    until(lambda: int(http.get(address).text) > 20, 10, "the thread to count without requests")


def test_stacks_of_threads_are_as_large_as_wanted(serve, address, tmp_path):
    (tmp_path / "deep.py").write_text(
        "import resource, threading\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [('X-Thread', threading.current_thread().name)])\n"
        "    found = [line for line in open('/proc/self/maps')]\n"
        "    sizes = [int(b, 16) - int(a, 16) for a, b in (line.split()[0].split('-') for line in found)]\n"
        "    return [b'found' if 1536 * 1024 in sizes else repr((sizes, threading.stack_size())).encode()]\n"
    )
    serve("--http-socket", address, "--wsgi-file", "deep.py", "--threads", "3", "--threads-stacksize", "1536", serving=address)
    assert http.get(address).text == "found"


@pytest.mark.parametrize("option, wanted", [("skip-atexit", ""), ("skip-atexit-teardown", "atexit "), (None, "atexit gone ")])
def test_how_much_of_the_end_of_the_interpreter_a_worker_goes_through(serve, address, tmp_path, option, wanted):
    (tmp_path / "ends.py").write_text(
        "import atexit, os, sys\n"
        "write = lambda word, f=os.open('ended', os.O_CREAT | os.O_WRONLY | os.O_APPEND), w=os.write: w(f, word)\n"
        "class Last:\n"
        "    def __del__(self, write=write):\n"
        "        write(b'gone ')\n"
        "def application(environ, start_response):\n"
        "    atexit.register(write, b'atexit ')\n"
        "    sys.last = Last()\n"
        "    start_response('200 OK', [])\n"
        "    return [b'hello']\n"
    )
    server = serve("--http-socket", address, "--wsgi-file", "ends.py", *([f"--{option}"] if option else []))
    server.wait_log("serves after")
    assert http.get(address).status == 200
    assert server.stop(signal.SIGTERM) == 0
    assert (tmp_path / "ended").read_text() == wanted


def test_lazy_apps_load_in_each_worker(probe, address):
    server = probe("--processes", "2", "--lazy-apps")
    seen = place(address)
    assert seen["loaded"] == seen["pid"] and seen["pid"] in workers(server)


# ---- signals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT], ids=lambda n: n.name)
def test_signal_ends_the_instance(probe, number):
    server = probe("--processes", "2")
    assert server.stop(number) == 0
    server.assert_nothing_left()


def test_graceful_stop_answers_requests_in_flight(probe, address):
    server = probe("--processes", "2", "--threads", "2")
    links = [connect(address) for _ in range(3)]
    for link in links:
        link.sendall(encode("GET", "/slow?s=1.0"))
    until(lambda: in_flight(address, 3), 10, "the requests to be in the application")
    server.send(signal.SIGTERM)
    for link in links:
        assert Reader(link).response().text.startswith("slept")
        link.close()
    assert server.wait_exit() == 0


def in_flight(address, count):
    """Whether `count` requests are being read or run: seen by the sockets' receive queues being empty."""
    port = f":{int(address.rpartition(':')[2]):04X}"
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    server_side = [row for row in rows if row[1].endswith(port) and row[3] == "01"]
    return len(server_side) >= count and all(row[4].endswith(":00000000") for row in server_side)


def test_stop_does_not_take_new_connections(probe, address):
    server = probe()
    with connect(address) as link:
        link.sendall(encode("GET", "/slow?s=1.0"))
        until(lambda: in_flight(address, 1), 10, "the request to be in the application")
        server.send(signal.SIGTERM)
        until(lambda: refuses(address), 5, "new connections to be refused")
        assert Reader(link).response().status == 200
    assert server.wait_exit() == 0


def test_quit_does_not_wait_for_requests(probe, address):
    server = probe()
    with connect(address) as link:
        link.sendall(encode("GET", "/slow?s=20"))
        until(lambda: in_flight(address, 1), 10, "the request to be in the application")
        start = time.monotonic()
        assert server.stop(signal.SIGQUIT) == 0
        assert time.monotonic() - start < 5


def test_second_signal_ends_a_stop_that_takes_long(probe, address):
    server = probe()
    with connect(address) as link:
        link.sendall(encode("GET", "/slow?s=60"))
        until(lambda: in_flight(address, 1), 10, "the request to be in the application")
        server.send(signal.SIGTERM)
        server.send(signal.SIGQUIT)
        assert server.wait_exit(10) == 0


def test_reload_mercy_bounds_a_stop(probe, address):
    server = probe("--reload-mercy", "1", "--worker-reload-mercy", "1")
    with connect(address) as link:
        link.sendall(encode("GET", "/slow?s=60"))
        until(lambda: in_flight(address, 1), 10, "the request to be in the application")
        start = time.monotonic()
        server.stop(signal.SIGTERM, 20)
        assert time.monotonic() - start < 10
    server.assert_nothing_left()


def test_interrupt_of_the_terminal_reaches_the_whole_group(probe, address):
    """Ctrl-C: every process of the foreground group gets SIGINT; the request in flight is answered all the same."""
    server = probe("--processes", "2")
    with connect(address) as link:
        link.sendall(encode("GET", "/slow?s=0.8"))
        until(lambda: in_flight(address, 1), 10, "the request to be in the application")
        os.killpg(server.pid, signal.SIGINT)
        assert Reader(link).response().text.startswith("slept")
    assert server.wait_exit() == 0
    assert "Traceback" not in server.log and "KeyboardInterrupt" not in server.log


def test_children_of_the_application_are_not_disturbed(serve, address, tmp_path):
    (tmp_path / "sub.py").write_text("""
import subprocess
def application(environ, start_response):
    done = subprocess.run(["sh", "-c", "exit 3"])
    start_response("200 OK", [])
    return [str(done.returncode).encode()]
""")
    serve("--http-socket", address, "--wsgi-file", "sub.py", serving=address)
    assert http.get(address).text == "3"


def test_subprocess_of_the_application_has_the_default_signals(serve, address, tmp_path):
    (tmp_path / "mask.py").write_text("""
import subprocess
def application(environ, start_response):
    text = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True).stdout
    start_response("200 OK", [])
    return ["\\n".join(line for line in text.splitlines() if line.startswith("Sig")).encode()]
""")
    serve("--http-socket", address, "--wsgi-file", "mask.py", serving=address)
    lines = dict(line.split(":") for line in http.get(address).text.splitlines())
    assert int(lines["SigBlk"], 16) == 0, "a blocked signal was inherited"
    ignored = int(lines["SigIgn"], 16)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGQUIT):
        assert not ignored >> (number - 1) & 1, f"{number.name} is ignored"


# ---- deaths ----------------------------------------------------------------------------------------------------------


def test_killed_worker_comes_back(probe, address):
    server = probe("--processes", "2")
    victim = all_workers(server, 2)[0]
    os.kill(victim, signal.SIGKILL)
    until(lambda: not processes.alive(victim) and len(workers(server)) == 2, 10, "a new worker")
    assert int(http.get(address, "/pid").text) in workers(server)
    assert re.search(rf"\b{victim}\b", server.log), "the log names the dead worker"


def test_other_worker_serves_while_one_is_replaced(probe, address):
    server = probe("--processes", "2", "--threads", "2")
    victim = all_workers(server, 2)[0]
    with Load(address, clients=4, keepalive=False) as load:
        until(lambda: len(load.answers) > 20, 10, "load")
        os.kill(victim, signal.SIGKILL)
        count = len(load.answers)
        until(lambda: len(load.answers) > count + 100, 10, "answers after the kill")
    assert len(load.failures) <= 4, load.failures  # at most what that worker had in hand


def test_worker_that_dies_at_once_is_throttled(serve, address, tmp_path):
    (tmp_path / "dying.py").write_text("""
import os
import uwsgi
def forked():
    if os.path.exists("die"):
        os._exit(9)
uwsgi.post_fork_hook = forked
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"x"]
""")
    server = serve("--http-socket", address, "--wsgi-file", "dying.py", serving=address)
    (tmp_path / "die").touch()
    os.kill(all_workers(server, 1)[0], signal.SIGKILL)
    time.sleep(3)  # the time over which the rate is looked at
    deaths = len(re.findall(r"(?i)worker 1\b.*(?:died|exit|ended|dead|status)", server.log))
    assert server.running()
    assert 2 <= deaths < 30, f"{deaths} times in three seconds"
    (tmp_path / "die").unlink()
    server.wait_serving(address)


def test_killed_zygote_is_replaced_without_losing_a_request(probe, address):
    server = probe("--processes", "2", "--threads", "2")
    old = zygote(server)
    with Load(address, clients=4) as load:
        until(lambda: len(load.answers) > 20, 10, "load")
        os.kill(old, signal.SIGKILL)
        until(lambda: any(pid != old and len(processes.children(pid)) == 2 for pid in processes.children(server.pid)), 20, "a new zygote with workers")
        count = len(load.answers)
        until(lambda: len(load.answers) > count + 50, 10, "answers after that")
    load.check()
    assert server.running()
    until(lambda: len(processes.children(server.pid)) == 1, 10, "the workers of the dead zygote to leave")


def test_killed_master_takes_everybody_along(probe):
    server = probe("--processes", "2")
    server.process.kill()
    server.process.wait(5)
    server.assert_nothing_left(10)


def test_worker_dead_by_a_signal_is_named_in_the_log(probe, address):
    server = probe("--processes", "1")
    victim = int(http.get(address, "/pid").text)
    os.kill(victim, signal.SIGSEGV)
    server.wait_log(rf"(?i)worker 1.*{victim}.*(SEGV|signal 11)|{victim}.*worker 1.*(SEGV|signal 11)")


# ---- recycling -------------------------------------------------------------------------------------------------------


def test_max_requests_recycles_workers_without_losing_any(probe, address):
    server = probe("--processes", "2", "--threads", "2", "--max-requests", "50", "--min-worker-lifetime", "0")
    with Load(address, clients=4) as load:
        until(lambda: len(load.bodies()) >= 5, 30, "five different workers")
    load.check()
    assert server.running()


def test_max_worker_lifetime_recycles(probe, address):
    probe("--processes", "1", "--max-worker-lifetime", "1", "--min-worker-lifetime", "0")
    first = http.get(address, "/pid").text
    until(lambda: http.get(address, "/pid").text != first, 15, "another worker")


def test_reload_on_rss_recycles(serve, address, tmp_path):
    (tmp_path / "eater.py").write_text("""
import os
kept = []
def application(environ, start_response):
    if environ["PATH_INFO"] == "/eat":
        kept.append(bytearray(os.urandom(1024) * 1024 * 200))
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
""")
    serve("--reload-on-rss", "120", "--min-worker-lifetime", "0", "--http-socket", address, "--wsgi-file", "eater.py", serving=address)
    first = http.get(address, "/eat").text
    until(lambda: http.get(address, "/x").text != first, 20, "a smaller worker")


# ---- harakiri --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/slow?s=30", "/spin?s=30"])
def test_harakiri_ends_the_request_and_the_worker_lives(probe, address, target):
    server = probe("--harakiri", "1", "--processes", "1")
    pid = http.get(address, "/pid").text
    start = time.monotonic()
    answer = http.get(address, target, timeout=25)
    assert answer.status == 504 and 0.8 < time.monotonic() - start < 8
    assert http.get(address, "/pid").text == pid
    assert "probe.py" in server.log and re.search("(?i)harakiri", server.log)


def test_harakiri_in_a_thread_ends_only_that_request(probe, address):
    server = probe("--harakiri", "2", "--threads", "4")
    with connect(address) as stuck, connect(address) as fine:
        stuck.sendall(encode("GET", "/spin?s=30"))
        fine.sendall(encode("GET", "/slow?s=0.5"))
        assert Reader(fine).response().status == 200
        stuck.settimeout(25)
        try:
            assert Reader(stuck).response().status == 504
        except (http.Broken, OSError):
            pass  # a request that did not yield costs its worker
    assert http.get(address, "/one").status == 200
    assert re.search("(?i)harakiri", server.log)


def test_harakiri_kill_ends_the_worker(probe, address):
    probe("--harakiri", "1", "--harakiri-kill", "--processes", "1")
    pid = http.get(address, "/pid").text
    with pytest.raises((http.Broken, OSError)):
        answer = http.get(address, "/slow?s=30", timeout=25)
        assert answer.status == 504
        raise http.Broken("a 504 before the kill is as good")
    until(lambda: http.get(address, "/pid").text != pid, 15, "a new worker")


# ---- files and identity ----------------------------------------------------------------------------------------------


def test_pidfile_holds_the_master_and_is_removed(probe, tmp_path):
    path = tmp_path / "x.pid"
    server = probe("--pidfile", path)
    assert int(path.read_text()) == server.pid
    assert server.stop() == 0
    assert not path.exists()


def test_vacuum_false_leaves_the_files(serve, hello, tmp_path):
    socket_path, pid_path = tmp_path / "x.sock", tmp_path / "x.pid"
    ini = tmp_path / "x.ini"
    ini.write_text(f"[uwsgi]\nvacuum = false\nsocket = {socket_path}\npidfile = {pid_path}\nwsgi-file = {hello}\n")
    server = serve(ini, ready=str(socket_path))
    assert server.stop() == 0
    assert socket_path.exists() and pid_path.exists()


def test_safe_pidfile_appears_once_the_application_is_loaded(serve, address, tmp_path):
    (tmp_path / "slow_load.py").write_text(
        "import time\ntime.sleep(1.5)\ndef application(e, s):\n    s('200 OK', [])\n    return [b'x']\n"
    )
    path = tmp_path / "safe.pid"
    server = serve("--safe-pidfile", path, "--http-socket", address, "--wsgi-file", "slow_load.py", ready=address)
    early = path.exists()
    server.wait_serving(address)
    until(path.exists, 5, "the pidfile")
    assert not early and int(path.read_text()) == server.pid


def command(under_test, directory, *words):
    return run_to_end([under_test.executable, *words], directory)


def test_stop_command_ends_the_instance_of_the_pidfile(probe, under_test, tmp_path):
    path = tmp_path / "x.pid"
    server = probe("--pidfile", path)
    assert command(under_test, tmp_path, "--stop", path)[0] == 0
    assert server.wait_exit() == 0


def test_reload_command_reloads_the_instance_of_the_pidfile(probe, under_test, tmp_path, address):
    path = tmp_path / "x.pid"
    server = probe("--pidfile", path)
    before = http.get(address, "/pid").text
    assert command(under_test, tmp_path, "--reload", path)[0] == 0
    until(lambda: http.get(address, "/pid").text != before, 20, "a new worker")
    assert server.running() and int(path.read_text()) == server.pid


def test_pause_and_resume_commands_reach_the_instance_of_the_pidfile(probe, under_test, tmp_path, address):
    path = tmp_path / "x.pid"
    server = probe("--pidfile", path)
    assert command(under_test, tmp_path, "--pause", path)[0] == 0
    server.wait_log("paused: no request is begun")
    assert command(under_test, tmp_path, "--resume", path)[0] == 0
    server.wait_log("the pause is over")
    assert http.get(address, "/pid").status == 200


@pytest.mark.parametrize("option", ["--stop", "--reload", "--pause"])
@pytest.mark.parametrize("content", [None, "", "nonsense", "999999999"], ids=["missing", "empty", "nonsense", "no such process"])
def test_stop_and_reload_with_a_wrong_pidfile_say_so(under_test, tmp_path, option, content):
    path = tmp_path / "wrong.pid"
    if content is not None:
        path.write_text(content)
    code, output = command(under_test, tmp_path, option, path)
    assert code == 1 and "wrong.pid" in output and len(output.strip().splitlines()) <= 2


def test_daemonize_detaches_and_logs_to_its_file(under_test, serve, tmp_path, address):
    log, pid_path = tmp_path / "daemon.log", tmp_path / "d.pid"
    server = Server(
        [under_test.executable, "--daemonize", log, "--pidfile", pid_path, "--http-socket", address, *WORDS], tmp_path
    ).start()
    try:
        assert server.process.wait(20) == 0
        until(lambda: pid_path.exists() and pid_path.read_text().strip(), 10, "the pidfile")
        daemon = int(pid_path.read_text())
        assert daemon != server.pid and processes.alive(daemon)
        until(lambda: answers(address), 20, "an answer")
        assert os.getsid(daemon) != os.getsid(0) and processes.parent(daemon) == 1 or os.getsid(daemon) == daemon
        assert os.path.realpath(f"/proc/{daemon}/fd/1") == str(log.resolve())
        http.get(address, "/one?in-the-file")
        until(lambda: "in-the-file" in log.read_text(), 5, "the request line in the file")
        assert "in-the-file" not in server.log
        assert command(under_test, tmp_path, "--stop", pid_path)[0] == 0
        until(lambda: not processes.alive(daemon), 15, "the daemon to end")
        server.assert_nothing_left()
    finally:
        for pid in server.everyone():
            processes.kill(pid)


def answers(address):
    try:
        return http.get(address, "/one").status == 200
    except (OSError, http.Broken):
        return False


def test_daemonize_reports_a_failed_start_by_its_exit_code_or_log(under_test, tmp_path, address):
    """What can be checked before detaching is."""
    log = tmp_path / "no" / "such" / "directory.log"
    code, output = command(under_test, tmp_path, "--daemonize", log, "--http-socket", address, *WORDS)
    assert code == 1 and str(log) in output


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change its group")
def test_gid_is_taken_after_binding(probe, address):
    server = probe("--gid", "65534")
    assert processes.identity(server.pid)[1] == 65534
    seen = place(address)
    assert seen["gid"] == 65534 and seen["groups"] in ([], [65534])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_uid_and_gid_are_taken_after_binding_and_the_pidfile(serve, under_test, address, tmp_path_factory):
    """Needs a Python that others may execute; one below a private home directory is not."""
    interpreter = reachable_python(under_test)
    if not interpreter:
        pytest.skip("THE INTERPRETER STANDS IN A PRIVATE DIRECTORY: dropping to another user was not tried")
    directory = tmp_path_factory.mktemp("open")
    for path in (directory, *directory.parents[:-2]):
        os.chmod(path, 0o755)
    (directory / "probe.py").write_bytes((APPS / "probe.py").read_bytes())
    sock = directory / "x.sock"
    server = serve(
        "--python", interpreter, "--uid", "nobody", "--gid", "nogroup", "--pidfile", directory / "x.pid", "--socket", sock,
        "--http-socket", address, "--chdir", directory, "--wsgi-file", "probe.py", serving=address, cwd=directory,
        env={"MARGRAVE_PACKAGE": under_test.run("import sysconfig; print(sysconfig.get_path('platlib'))")},
    )  # fmt: skip
    seen = place(address)
    assert (seen["uid"], seen["gid"]) == (65534, 65534) and 0 not in seen["groups"]
    assert processes.identity(server.pid) == (65534, 65534)
    assert int((directory / "x.pid").read_text()) == server.pid


def reachable_python(under_test):
    """An interpreter with the server's version that the user nobody can run."""
    version = under_test.run("import sys; print('%d.%d' % sys.version_info[:2])")
    for candidate in (str(under_test.python), f"/usr/bin/python{version}"):
        check = f"import sys; assert '%d.%d' % sys.version_info[:2] == {version!r}"
        nobody = {"user": 65534, "group": 65534, "extra_groups": []}
        try:
            if subprocess.run([candidate, "-c", check], capture_output=True, timeout=20, **nobody).returncode == 0:
                return candidate
        except OSError:
            continue
    return None


def test_auto_procname_names_the_processes(probe, address):
    server = probe("--auto-procname", "--processes", "2")
    until(lambda: len(workers(server)) == 2, 10, "two workers")
    titles = [processes.title(pid) for pid in workers(server)]
    assert all("worker" in title for title in titles), titles
    assert len(set(titles)) == 2, titles
    assert "master" in processes.title(server.pid)


def test_procname_prefix_stands_in_front(probe, address):
    server = probe("--auto-procname", "--procname-prefix-spaced", "shop")
    assert processes.title(server.pid).startswith("shop ")
    assert processes.title(workers(server)[0]).startswith("shop ")


def test_file_descriptors_of_the_server_do_not_leak_into_subprocesses(serve, address, tmp_path):
    (tmp_path / "leak.py").write_text("""
import subprocess
def application(environ, start_response):
    seen = subprocess.run(["ls", "-l", "/proc/self/fd"], capture_output=True, text=True, close_fds=False).stdout
    start_response("200 OK", [])
    return [seen.encode()]
""")
    serve("--http-socket", address, "--wsgi-file", "leak.py", serving=address)
    assert "socket:" not in http.get(address).text


