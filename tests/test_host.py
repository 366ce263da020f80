"""The instance as a program of its host: users, limits, processors, the options of sockets."""
import os

import tempfile
from pathlib import Path

import pytest
from conftest import APPS
from harness import http, processes
from harness.address import connect, free_address
from harness.server import run_to_end
from harness.waiting import until

pytestmark = pytest.mark.margrave_only(reason="the zygote is Margrave's; what is set is uWSGI's")
WORDS = ["--chdir", APPS, "--wsgi-file", "probe.py"]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def zygote(server):
    return processes.children(server.pid)[0]


def status(pid, name):
    lines = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status").read().splitlines())
    return lines[name].strip()


@pytest.fixture
def probe(serve, address):
    return lambda *words, **options: serve("--http-socket", address, *words, *WORDS, serving=address, **options)


def test_limits_are_those_of_the_application(probe):
    server = probe("--limit-as", "4096", "--limit-nproc", "5000", "--prio", "3")
    limits = open(f"/proc/{zygote(server)}/limits").read()
    assert str(4096 << 20) in next(line for line in limits.splitlines() if line.startswith("Max address space"))
    assert "5000" in next(line for line in limits.splitlines() if line.startswith("Max processes"))
    assert str(4096 << 20) not in open(f"/proc/{server.pid}/limits").read(), "the master goes on whatever the application does"
    assert os.getpriority(os.PRIO_PROCESS, zygote(server)) == 3


def test_workers_are_kept_to_processors_in_turn(probe):
    server = probe("--processes", "2", "--cpu-affinity", "1")
    workers = until(lambda: len(processes.children(zygote(server))) == 2 and processes.children(zygote(server)), 10)
    count = os.cpu_count()
    expected = [{0}, {1 % count}]
    until(lambda: sorted(map(sorted, map(os.sched_getaffinity, workers))) == sorted(map(sorted, expected)), 10)


@as_root
def test_groups_and_capabilities_are_kept_beyond_the_change_of_user(serve):
    # A child of the master tells what it got, since root's Python is closed to other users here.
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o777)
        server = serve(
            "--http-socket", f"{place}/app.sock", "--uid", "nobody", "--gid", "nogroup", "--add-gid", "12345", "--cap",
            "net_bind_service,setuid", "--exec-as-user", f"grep -E '^(Uid|Groups|CapEff)' /proc/self/status > {place}/seen", *WORDS,
        )  # fmt: skip
        until(lambda: Path(f"{place}/seen").exists() and "CapEff" in Path(f"{place}/seen").read_text(), 10, lambda: server.log)
        seen = Path(f"{place}/seen").read_text()
        assert "65534" in seen.splitlines()[0] and "12345" in next(l for l in seen.splitlines() if l.startswith("Groups"))
        assert int(next(l for l in seen.splitlines() if l.startswith("CapEff")).split()[1], 16) == (1 << 10) | (1 << 7)


def test_a_shared_socket_is_meant_by_its_number(serve):
    first, second = free_address(), free_address()
    serve("--shared-socket", first, "--shared-socket", second, "--http-socket", "=1", "--http-socket", "=0", *WORDS, serving=first)
    assert http.get(second, "/place").status == 200


@pytest.mark.parametrize("word, part", [("=0", "there is none"), ("=x", "there is none")])
def test_a_shared_socket_that_is_not_there_is_an_error(under_test, tmp_path, word, part):
    code, log = run_to_end([under_test.executable, "--http-socket", word, *map(str, WORDS)], tmp_path)
    assert code == 1 and part in log


def test_a_mapped_socket_is_served_by_its_workers_only(serve):
    first, second = free_address(), free_address()
    server = serve(
        "--http-socket", first, "--http-socket", second, "--map-socket", "1:2", "--processes", "2", *WORDS, serving=second
    )
    pids = {http.get(second, "/place").json()["pid"] for _ in range(30)}
    assert len(pids) == 1, server.log
    assert http.get(first, "/place").status == 200
    code, log = run_to_end([server.command[0], "--http-socket", free_address(), "--map-socket", "3:1", *map(str, WORDS)], server.directory)
    assert code == 1 and "there is no socket 3" in log


def test_options_of_sockets_reach_the_listener(probe, address):
    server = probe("--so-keepalive", "--socket-sndbuf", "65536", "--socket-rcvbuf", "32768", "--tcp-fast-open", "16", "--freebind")
    with connect(address) as client:
        client.sendall(b"GET /place HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(100)
        # Accepted connections have a keep-alive timer of the kernel.
        text = open("/proc/net/tcp").read()
        port = f"{int(address.rsplit(':', 1)[1]):04X}"
        timers = [line.split()[5][:2] for line in text.splitlines()[1:] if line.split()[1].endswith(":" + port) and line.split()[3] == "01"]
        assert "02" in timers, "keep-alive"
    assert http.get(address, "/place").status == 200
    assert server.running()


@as_root
def test_socket_files_belong_to_the_user_unless_an_owner_is_named(serve, under_test):
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o777)
        words = ["--uid", "nobody", "--gid", "nogroup", "--hook-as-user", f"exec:stat -c '%u %g' {place}/a.sock > {place}/owner; exit 3"]
        code, log = run_to_end([under_test.executable, "--http-socket", f"{place}/a.sock", *words, *map(str, WORDS)], place)
        assert code == 1, log
        assert Path(f"{place}/owner").read_text() == "65534 65534\n"


def test_safe_pidfiles_are_written_when_the_instance_serves(probe, tmp_path):
    server = probe("--safe-pidfile", f"{tmp_path}/one", "--safe-pidfile2", f"{tmp_path}/two")
    until(lambda: (tmp_path / "two").exists(), 10, "the pidfiles of an instance that serves")
    assert {int((tmp_path / name).read_text()) for name in ("one", "two")} == {server.pid}
    server.stop()
    assert not (tmp_path / "one").exists() and not (tmp_path / "two").exists()
