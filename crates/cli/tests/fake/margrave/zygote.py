"""A zygote that does what a file says: `ok`, `load-failed`, `exit`, `worker-dies`, `stubborn`. Messages are postcard by hand."""

import array
import os
import select
import signal
import socket
import sys


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def take(packet, position):
    number = shift = 0
    while True:
        byte = packet[position]
        position += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, position


def text(value):
    value = value.encode()
    return varint(len(value)) + value


def zigzag(number):
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


def send(sock, packet, fds=()):
    sock.sendmsg([packet], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])


def receive(sock):
    packet, ancillary, _, _ = sock.recvmsg(65536, socket.CMSG_LEN(4 * 250))
    fds = array.array("i")
    for _, _, data in ancillary:
        fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return packet, list(fds)


def work(control, mode):
    if mode == "worker-dies":
        os._exit(3)
    worker = socket.socket(fileno=control)
    send(worker, b"\0\0")  # Ready, no applications
    while True:
        packet, _ = receive(worker)
        # Drain or Stop; the others tell a worker what to do while it serves.
        if not packet or packet[0] in (0, 1) and mode != "stubborn":
            os._exit(0)


def main():
    control = socket.socket(fileno=int(os.environ["MARGRAVE_CONTROL"]))
    signal.signal(signal.SIGINT, lambda *_: None)
    receive(control)  # Boot
    with open(os.environ["FAKE_MODE"]) as file:
        mode = file.read().strip()
    if mode == "exit":
        sys.exit(3)
    if mode == "load-failed":
        send(control, b"\1" + text("app.py did not load") + b"\0")
        sys.exit(1)
    apps = varint(1) + text("") + text("fake:application") + varint(10)
    send(control, b"\0" + text("3.x") + text(sys.prefix) + apps + varint(0))
    children = {}
    retired = False
    while not (retired and not children):
        watched = list(children) if retired else [control, *children]
        ready, _, _ = select.select(watched, [], [])
        for one in ready:
            if one is not control:
                number, pid = children.pop(one)
                status = os.waitpid(pid, 0)[1]
                send(control, b"\4" + varint(number) + zigzag(pid) + zigzag(status))
                os.close(one)
                continue
            packet, fds = receive(control)
            if not packet:
                return
            if packet[0] == 2:
                retired = True
                continue
            number, _ = take(packet, 1)
            pid = os.fork()
            if pid == 0:
                control.close()
                work(fds[0], mode)
            os.close(fds[0])
            pidfd = os.pidfd_open(pid)
            children[pidfd] = (number, pid)
            send(control, b"\2" + varint(number) + zigzag(pid), [pidfd])


main()
