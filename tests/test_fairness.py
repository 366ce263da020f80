"""Workers share the work: requests spread evenly, over kept connections and over new ones."""
import json
import time

import pytest
from harness.address import connect, free_address
from harness.http import Reader, encode
from harness.waiting import until

pytestmark = pytest.mark.margrave_only(reason="uWSGI leaves it to the kernel, which prefers one worker")

WORKERS = 4
FAIR = 1.15


@pytest.fixture
def workers(tmp_path, hello, address, serve):
    """Counts the requests that each worker answers while something runs."""
    stats = free_address()
    server = serve("--http-socket", address, "--wsgi-file", hello, "--processes", str(WORKERS), "--stats", stats, serving=address)
    server.wait_log("serves after")
    until(lambda: len(counts(stats)) == WORKERS, 10, "every worker to be there")

    def spread(action):
        before = counts(stats)
        action()
        return [after - count for after, count in zip(counts(stats), before)]

    return spread


def counts(stats):
    with connect(stats) as connection:
        data = b"".join(iter(lambda: connection.recv(65536), b""))
    return [worker["requests"] for worker in json.loads(data)["workers"] if worker["status"] != "cheap"]


def ratio(spread):
    return max(spread) / max(1, min(spread))


def test_new_connections_go_round(workers, address):
    def visit():
        for _ in range(200):
            with connect(address) as client:
                client.sendall(encode("GET", "/", fields=[("Connection", "close")]))
                assert Reader(client).response().status == 200

    # A worker that the machine keeps waiting is not idle and gets less: what is asked for is a quiet moment.
    spreads = []

    def fair():
        spreads.append(workers(visit))
        return ratio(spreads[-1]) <= FAIR

    until(fair, 30, lambda: f"fair shares, not {spreads}")


@pytest.mark.parametrize("clients", [8, 10], ids=["even", "odd"])
def test_kept_connections_are_shared_out(workers, address, clients):
    """Ten clients of four workers: the odd two go round, and nobody notices."""
    connections = [connect(address) for _ in range(clients)]
    readers = [Reader(connection) for connection in connections]

    def rounds(number):
        for _ in range(number):
            for connection, reader in zip(connections, readers):
                connection.sendall(encode("GET", "/"))
                assert reader.response().status == 200
            # A client that thinks: what is between two requests can move.
            time.sleep(0.02)

    def fair():
        return ratio(workers(lambda: rounds(100))) <= FAIR

    until(fair, 30, "fair shares")
    for connection in connections:
        connection.close()

