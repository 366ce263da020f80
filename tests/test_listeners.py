"""Every form of listener address, and what their options do."""
import ctypes
import os
import pwd
import socket
import stat
import sys

import pytest
from harness import http, uwsgi_packets
from harness.address import connect, free_abstract, free_port
from harness.server import run_to_end

pytestmark = pytest.mark.smoke
own = pytest.mark.margrave_only


def ask(option, address):
    """A request in the protocol of the option."""
    send = uwsgi_packets.request if "http" not in option else http.request
    return send(address).text


FORMS = {
    "ipv4": lambda directory: f"127.0.0.1:{free_port()}",
    "name": lambda directory: f"localhost:{free_port()}",
    "ipv6": lambda directory: f"[::1]:{free_port('::1')}",
    "unix": lambda directory: str(directory / "x.sock"),
    "abstract": lambda directory: free_abstract("a"),
}


@pytest.mark.parametrize("option", ["http-socket", "http11-socket", "socket", "uwsgi-socket", "http"])
@pytest.mark.parametrize("form", FORMS)
def test_listener_form_answers(serve, hello, tmp_path, option, form, under_test):
    if under_test.name == "uwsgi" and option == "http" and form != "ipv4":
        pytest.skip("uWSGI's router is tried with one form")
    address = FORMS[form](tmp_path)
    reachable = address.replace("localhost", "127.0.0.1")
    server = serve("--master", f"--{option}", address, "--wsgi-file", hello, ready=reachable)
    assert ask(option, reachable) == "hello"
    assert server.stop() in (0, -2)


@own(reason="its log reads otherwise")
@pytest.mark.parametrize("option", ["http", "http-socket", "socket"])
def test_port_zero_is_chosen_by_the_system_and_said_in_the_log(serve, hello, option):
    server = serve(f"--{option}", "127.0.0.1:0", "--wsgi-file", hello)
    port = server.wait_log(r"127\.0\.0\.1:([1-9]\d{3,4})\b")[1]
    assert ask(option, f"127.0.0.1:{port}") == "hello"


CLONE_NEWNET = 0x40000000


def in_network_of_its_own(action):
    """Runs `action` in a child process that has a network namespace with loopback only; skips where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 77
        try:
            os.close(reading)
            if libc.unshare(CLONE_NEWNET) == 0:
                import fcntl
                import struct

                with socket.socket() as link:
                    fcntl.ioctl(link, 0x8914, struct.pack("16sh", b"lo", 0x49))  # SIOCSIFFLAGS: up, running
                action()
                code = 0
        except BaseException as problem:  # noqa: BLE001 - told to the parent
            os.write(writing, repr(problem).encode()[:4000])
            code = 1
        finally:
            os._exit(code)
    os.close(writing)
    with open(reading, "rb") as told:
        message = told.read().decode()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == 77:
        pytest.skip("NO NETWORK NAMESPACES HERE: addresses without a host were not tried")
    assert code == 0, message


@pytest.mark.parametrize("option", ["http", "http-socket", "socket"])
def test_address_without_a_host_listens_on_every_interface(under_test, hello, tmp_path, option):
    from harness.server import Server

    def action():
        with Server([under_test.executable, "--master", f"--{option}", ":8123", "--wsgi-file", hello], tmp_path) as server:
            server.start().wait_ready("127.0.0.1:8123")
            assert ask(option, "127.0.0.1:8123") == "hello"
            assert ask(option, "127.0.0.9:8123") == "hello"

    in_network_of_its_own(action)


@own(reason="it listens nowhere")
def test_without_a_listener_it_serves_http_on_port_8000(under_test, hello, tmp_path):
    from harness.server import Server

    def action():
        with Server([under_test.executable, hello], tmp_path) as server:
            server.start().wait_ready("127.0.0.1:8000")
            assert http.get("127.0.0.1:8000").text == "hello"

    in_network_of_its_own(action)


def test_several_listeners_of_every_kind_at_once(serve, hello, tmp_path):
    places = {
        "socket": [str(tmp_path / "u.sock"), free_abstract("u"), f"127.0.0.1:{free_port()}"],
        "http-socket": [f"127.0.0.1:{free_port()}", f"[::1]:{free_port('::1')}", str(tmp_path / "h.sock")],
        "http11-socket": [f"127.0.0.1:{free_port()}"],
    }
    words = [word for option, addresses in places.items() for address in addresses for word in (f"--{option}", address)]
    every = [address for addresses in places.values() for address in addresses]
    serve(*words, "--master", "--processes", "2", "--wsgi-file", hello, ready=every)
    for option, addresses in places.items():
        for address in addresses:
            assert ask(option, address) == "hello", address


@pytest.mark.parametrize("word, mode", [("--chmod-socket=660", 0o660), ("--chmod-socket=666", 0o666), ("--chmod-socket", 0o666)])
def test_chmod_socket_sets_the_permissions(serve, hello, tmp_path, word, mode):
    path = tmp_path / "x.sock"
    serve("--socket", path, word, "--wsgi-file", hello, ready=str(path))
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
@pytest.mark.parametrize("value, expected", [("nobody", (65534, 0)), ("nobody:nogroup", (65534, 65534)), ("65534:0", (65534, 0))])
def test_chown_socket_sets_the_owner(serve, hello, tmp_path, value, expected):
    path = tmp_path / "x.sock"
    serve("--socket", path, f"--chown-socket={value}", "--wsgi-file", hello, ready=str(path))
    assert pwd.getpwnam("nobody").pw_uid == 65534
    status = path.stat()
    assert status.st_uid == expected[0]
    if ":" in value:
        assert status.st_gid == expected[1]


def test_socket_file_left_by_a_dead_server_is_replaced(serve, hello, tmp_path):
    path = tmp_path / "x.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    serve("--socket", path, "--wsgi-file", hello, ready=str(path))
    assert ask("socket", str(path)) == "hello"


def test_listen_sets_the_backlog(serve, hello, address):
    server = serve("--http-socket", address, "--listen", "77", "--wsgi-file", hello, serving=address)
    assert server.running()
    port = f":{int(address.rpartition(':')[2]):04X} "
    with open("/proc/net/tcp") as table:
        assert any(port in line and " 0A " in line for line in table)


@own(reason="it refuses to start")
def test_listen_beyond_the_limit_of_the_system_is_clamped_with_a_warning(serve, hello, address):
    server = serve("--http-socket", address, "--listen", "9999999", "--wsgi-file", hello, serving=address)
    assert "somaxconn" in server.log or "listen" in server.log


@own(reason="it needs vacuum")
def test_unix_sockets_are_removed_at_the_end(serve, hello, tmp_path):
    path = tmp_path / "x.sock"
    server = serve("--socket", path, "--wsgi-file", hello, ready=str(path))
    assert server.stop() == 0
    assert not path.exists()


@own(reason="it does not look")
def test_socket_file_of_a_living_server_is_not_taken_away(serve, under_test, hello, tmp_path):
    path = tmp_path / "x.sock"
    serve("--socket", path, "--wsgi-file", hello, ready=str(path))
    code, output = run_to_end([under_test.executable, "--socket", path, "--wsgi-file", hello], tmp_path)
    assert code == 1 and str(path) in output
    assert ask("socket", str(path)) == "hello"


def test_many_clients_at_once_are_all_answered(serve, hello, address):
    serve("--http-socket", address, "--master", "--processes", "2", "--wsgi-file", hello, serving=address)
    links = [connect(address) for _ in range(90)]
    try:
        for link in links:
            link.sendall(http.encode("GET", "/", [("Connection", "close")]))
        for link in links:
            assert http.Reader(link).response().body == b"hello"
    finally:
        for link in links:
            link.close()


if sys.platform != "linux":
    pytest.skip("Linux only", allow_module_level=True)
