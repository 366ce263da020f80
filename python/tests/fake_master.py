"""A master in a few lines, to exercise zygote and workers without the executable.

Speaks the packets of `margrave-lifecycle`'s messages (postcard: varints, strings with their length before them).
"""

import array
import ctypes
import json
import mmap
import os
import select
import socket
import struct
import subprocess
import sys
import time


def varint(number):
    out = bytearray()
    while True:
        byte = number & 0x7F
        number >>= 7
        if number:
            out.append(byte | 0x80)
        else:
            out.append(byte)
            return bytes(out)


def zigzag(number):
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


def text(string):
    data = string.encode()
    return varint(len(data)) + data


class Reader:
    """Decodes the fields of one packet."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def varint(self):
        number = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return number

    def zigzag(self):
        number = self.varint()
        return number >> 1 if not number & 1 else -((number + 1) >> 1)

    def text(self):
        length = self.varint()
        self.at += length
        return self.data[self.at - length : self.at].decode()

    def texts(self):
        return [self.text() for _ in range(self.varint())]

    def apps(self):
        return [(self.text(), self.text(), self.varint()) for _ in range(self.varint())]


def decode_from_zygote(data):
    reader = Reader(data)
    kind = reader.varint()
    if kind == 0:
        return "ready", reader.text(), reader.text(), reader.apps(), reader.texts()
    if kind == 1:
        return "load-failed", reader.text()
    if kind == 2:
        return "forked", reader.varint(), reader.zigzag()
    if kind == 3:
        return "fork-failed", reader.varint(), reader.zigzag()
    return "exited", reader.varint(), reader.zigzag(), reader.zigzag()


def decode_from_worker(data):
    reader = Reader(data)
    return ("ready", reader.apps()) if reader.varint() == 0 else ("load-failed", reader.text())


def duration(seconds):
    return {"secs": int(seconds), "nanos": int(seconds % 1 * 1e9)}


def settings(**changes):
    """The JSON of settings: slices such as ``python={...}``. What is not named has its default."""
    process = {"workers": 1, "threads": 1, "locks": 0, **changes.get("process", {})}
    return {**changes, "process": process, "log": {"disable_requests": True, **changes.get("log", {})}}


def app_module(module, callable=None, mountpoint=""):
    return {"mountpoint": mountpoint, "target": {"Module": module}, "callable": callable, "origin": "test.ini:1"}


def app_file(path, callable=None, mountpoint=""):
    return {"mountpoint": mountpoint, "target": {"File": str(path)}, "callable": callable, "origin": "test.ini:1"}


def make_locks(count):
    """A memfd of locks that processes share and that are freed by the death of their holders."""
    library, attributes, size = ctypes.CDLL(None), ctypes.create_string_buffer(64), 40
    descriptor = os.memfd_create("locks")
    os.ftruncate(descriptor, count * size)
    library.pthread_mutexattr_init(attributes)
    library.pthread_mutexattr_setpshared(attributes, 1)
    library.pthread_mutexattr_setrobust(attributes, 1)
    with mmap.mmap(descriptor, count * size) as memory:
        for number in range(count):
            mutex = (ctypes.c_char * size).from_buffer(memory, number * size)
            library.pthread_mutex_init(mutex, attributes)
            del mutex
    return descriptor


def wait_for(condition, seconds=10):
    """Until ``condition()`` is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.01)


def fetch(master, path="/"):
    """The body of the answer to a request on a connection of its own."""
    data = b""
    with socket.create_connection(("127.0.0.1", master.port), 10) as connection:
        connection.sendall(b"GET " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while block := connection.recv(65536):
            data += block
    return data.partition(b"\r\n\r\n")[2]


def fetch_by_uwsgi(master, variables):
    """The same in the uwsgi protocol, with these variables: a dictionary, or pairs where one comes twice."""
    pairs = variables.items() if isinstance(variables, dict) else variables
    packed = b"".join(struct.pack("<H", len(text)) + text for pair in pairs for text in map(str.encode, pair))
    data = b""
    with socket.create_connection(("127.0.0.1", master.port), 10) as connection:
        connection.sendall(struct.pack("<BHB", 0, len(packed), 0) + packed)
        while block := connection.recv(65536):
            data += block
    return data.partition(b"\r\n\r\n")[2]


def listener(protocol):
    address = {"Tcp": {"host": "127.0.0.1", "port": 0}}
    return {"protocol": protocol, "address": address, "option": "socket", "origin": ""}


class Master:
    """Starts a zygote; ``fork`` makes workers. Use as a context manager. ``before`` is one with the same locks."""

    def __init__(self, directory, interpreter=sys.executable, log=None, slots=8, before=None, **changes):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        changes.setdefault("listen", {"listeners": [listener("Http")]})
        self.settings = settings(**changes)
        threads = self.settings["process"]["threads"]
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        memfd = os.memfd_create("settings")
        os.write(memfd, json.dumps(self.settings).encode())
        self.board = os.memfd_create("scoreboard")
        # More than any layout takes.
        os.ftruncate(self.board, slots * threads * 65536)
        liveness, self.liveness = os.pipe()
        self.adoption, adoption = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.locks = os.dup(before.locks) if before else make_locks(self.settings["process"]["locks"] + 1)
        boot = varint(0) + varint(1) + varint(1) + varint(0) + text(f"127.0.0.1:{self.port}")
        boot += zigzag(os.getpid()) + varint(slots) + b"\0"
        descriptors = [memfd, self.board, liveness, adoption.fileno(), self.locks, self.listener.fileno()]
        self.send(boot, descriptors)
        os.set_inheritable(theirs.fileno(), True)
        environment = {**os.environ, "MARGRAVE_CONTROL": str(theirs.fileno())}
        self.process = subprocess.Popen(
            [str(interpreter), "-m", "margrave.zygote"], cwd=directory, env=environment, close_fds=True,
            pass_fds=[theirs.fileno()], stderr=log, stdout=log,
        )
        theirs.close()
        for descriptor in (memfd, liveness):
            os.close(descriptor)
        self.next_id = 0
        self.workers = {}

    def send(self, packet, descriptors=()):
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        self.control.sendmsg([packet], ancillary)

    def receive(self, timeout=20):
        if not select.select([self.control], [], [], timeout)[0]:
            raise TimeoutError("the zygote says nothing")
        data, ancillary, _, _ = self.control.recvmsg(65536, 4096)
        for _, _, fds in ancillary:
            for descriptor in array.array("i", fds):
                os.close(descriptor)
        return decode_from_zygote(data) if data else None

    def fork(self, worker=1):
        """Forks a worker and waits until it serves; its pid."""
        self.next_id += 1
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        packet = varint(1) + varint(self.next_id) + varint(worker) + varint(self.next_id) + varint(0)
        self.send(packet, [theirs.fileno()])
        theirs.close()
        answer = self.receive()
        assert answer[0] == "forked", answer
        self.workers[answer[2]] = ours
        return answer[2]

    def worker_says(self, pid, timeout=20):
        channel = self.workers[pid]
        if not select.select([channel], [], [], timeout)[0]:
            raise TimeoutError("the worker says nothing")
        data = channel.recv(65536)
        return decode_from_worker(data) if data else None

    def drain(self, pid, mercy_ms=10_000):
        self.workers[pid].send(varint(0) + varint(mercy_ms) + b"\x00")

    def stop(self, pid):
        self.workers[pid].send(varint(1))

    def retire(self):
        self.send(varint(2))

    def start(self, workers=1):
        """Everything up: the zygote's answer and the workers' pids."""
        ready = self.receive()
        assert ready[0] == "ready", ready
        pids = []
        for number in range(1, workers + 1):
            pid = self.fork(number)
            said = self.worker_says(pid)
            assert said[0] == "ready", said
            pids.append(pid)
        return ready, pids

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Both ends of everything: workers leave by the liveness pipe, the zygote by the control socket.
        os.close(self.liveness)
        self.control.close()
        for channel in self.workers.values():
            channel.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.listener.close()
        self.adoption.close()
        os.close(self.board)
        os.close(self.locks)
