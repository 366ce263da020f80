"""A client at a steady rate: what wrk cannot do. Prints percentiles of each kind of request as JSON.

Requests are due at fixed times, whatever the server does, and each latency counts from the time it was due: a server
that stalls cannot hide it by being asked less (no "coordinated omission"). With `--rate=0` it asks as fast as
`--connections` allow until `--requests` are answered.
"""

import argparse
import collections
import gc
import json
import random
import selectors
import socket
import time


class Connection:
    """One keep-alive connection, with at most one request under way."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.due = self.kind = None
        self.received = b""

    def send(self, path, kind, due):
        self.due, self.kind, self.received = due, kind, b""
        self.socket.send(b"GET %s HTTP/1.1\r\nHost: bench\r\n\r\n" % path)

    def receive(self):
        """Whether the answer is complete; an error when it is no success or the connection has ended."""
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError("closed")
        self.received += piece
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(head.split(b"\r\n")[0])
        lowered = head.lower()
        if b"transfer-encoding: chunked" in lowered:
            return body.endswith(b"0\r\n\r\n")
        length = int(lowered.split(b"content-length:")[1].split(b"\r\n")[0])
        return len(body) >= length


class Client:
    """Sends what is due and notes how long it took."""

    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        # Of all pollers this alone has timeouts finer than a millisecond; it takes up to 1,000 connections.
        self.selector = selectors.SelectSelector()
        self.idle = collections.deque()
        self.waiting = collections.deque()
        self.latencies = {"fast": [], "slow": []}
        self.failed = self.begun = 0
        for _ in range(options.connections):
            self.connect()

    def connect(self):
        connection = Connection(self.options.port)
        self.selector.register(connection.socket, selectors.EVENT_READ, connection)
        self.idle.append(connection)

    def choose(self):
        """A request that is due: its path and kind."""
        is_slow = self.options.slow and self.random.random() < self.options.slow_share
        self.begun += 1
        return (self.options.slow.encode(), "slow") if is_slow else (self.options.path.encode(), "fast")

    def send_waiting(self):
        while self.waiting and self.idle:
            due = self.waiting.popleft()
            self.idle.popleft().send(*self.choose(), due)

    def poll(self, timeout):
        for key, _ in self.selector.select(timeout):
            connection = key.data
            try:
                if not connection.receive():
                    continue
                self.latencies[connection.kind].append(time.perf_counter() - connection.due)
                self.idle.append(connection)
            except OSError:
                self.failed += 1
                self.selector.unregister(connection.socket)
                connection.socket.close()
                self.connect()

    def run(self):
        options, start = self.options, time.perf_counter()
        total = options.requests or int(options.rate * options.seconds)
        due_count = 0
        while due_count < total or len(self.idle) < options.connections:
            now = time.perf_counter()
            if options.rate:
                while due_count < total and start + due_count / options.rate <= now:
                    self.waiting.append(start + due_count / options.rate)
                    due_count += 1
                timeout = max(0, start + due_count / options.rate - now) if due_count < total else 1
            else:
                while due_count < total and len(self.waiting) < len(self.idle):
                    self.waiting.append(now)
                    due_count += 1
                timeout = 1
            self.send_waiting()
            self.poll(timeout)
            if now - start > options.seconds + options.patience:
                break
        return time.perf_counter() - start

    def report(self, seconds):
        unanswered = self.options.connections - len(self.idle) + len(self.waiting)
        kinds = {kind: percentiles(found) for kind, found in self.latencies.items() if found}
        return {"seconds": seconds, "failed": self.failed, "unanswered": unanswered, **kinds}


def percentiles(latencies):
    """Count and percentiles in milliseconds, by nearest rank."""
    ordered = sorted(latencies)
    at = lambda share: ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1e3  # noqa: E731
    return {"count": len(ordered), "p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99), "max_ms": ordered[-1] * 1e3}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/")
    parser.add_argument("--slow", default="", help="path of the slow requests")
    parser.add_argument("--slow-share", type=float, default=0.02)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0, help="requests a second")
    parser.add_argument("--requests", type=int, default=0, help="how many, where there is no rate")
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--patience", type=float, default=30, help="seconds to wait for the last answers")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    gc.disable()
    client = Client(options)
    seconds = client.run()
    print(json.dumps(client.report(seconds)))


if __name__ == "__main__":
    main()
