"""Addresses as the options write them, free ports, and connecting to them."""
import itertools
import os
import socket

# Below the ports that the kernel gives to outgoing connections; each parallel runner has its own share.
_FIRST, _SHARE = 20000, 1500
_runner = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
_candidates = itertools.cycle(
    range(_FIRST + _runner * _SHARE + os.getpid() % 500, _FIRST + (_runner + 1) * _SHARE)
)


def free_port(host="127.0.0.1"):
    """A port that nobody listens on now and that this run has not handed out lately."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in itertools.islice(_candidates, _SHARE):
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")


def free_address():
    """`127.0.0.1:PORT`, free."""
    return f"127.0.0.1:{free_port()}"


def free_abstract(name):
    """`@...`, an address in the abstract namespace that no other runner of these tests has."""
    return f"@margrave-test-{os.getpid()}-{free_port()}-{name}"


def connect(address, timeout=10):
    """A connected socket; `address` is `host:port`, `[v6]:port`, a path or `@name`."""
    if address.startswith("@"):
        try:
            return _connect(socket.AF_UNIX, "\0" + address[1:], timeout)
        except ConnectionRefusedError:  # uWSGI's own names end with a NUL
            return _connect(socket.AF_UNIX, "\0" + address[1:] + "\0", timeout)
    if "/" in address:
        return _connect(socket.AF_UNIX, address, timeout)
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    return _connect(family, (host.strip("[]") or "127.0.0.1", int(port)), timeout)


def _connect(family, target, timeout):
    link = socket.socket(family, socket.SOCK_STREAM)
    try:
        link.settimeout(timeout)
        link.connect(target)
        if family != socket.AF_UNIX:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        link.close()
        raise
    return link


def refuses(address):
    """Whether nobody takes a connection there."""
    try:
        connect(address, 1).close()
    except OSError:
        return True
    return False
