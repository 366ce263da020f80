"""Figures for others: the stats server, `/metrics`, uWSGI's metrics, StatsD, Graphite, `uwsgitop`."""
import json
import os
import re
import select
import signal
import socket
import subprocess
import threading
import time

import pytest
from conftest import APPS
from harness import http
from harness.address import connect, free_address
from harness.http import encode, raw
from harness.waiting import until

own = pytest.mark.margrave_only
WORDS = ["--chdir", APPS, "--wsgi-file", "probe.py", "--master"]


@pytest.fixture
def probe(serve, address):
    def start(*arguments, **options):
        return serve("--http-socket", address, *WORDS, *arguments, serving=address, **options)

    return start


@pytest.fixture
def stats():
    return free_address()


def everything(address, data=b""):
    """What a client gets that sends `data` and waits for the end."""
    with connect(address) as link:
        link.sendall(data)
        answer = b""
        while piece := link.recv(65536):
            answer += piece
        return answer


def document(address):
    return json.loads(everything(address))


def samples(stats):
    """Figures of `/metrics` by name and labels, as Prometheus's own parser reads them."""
    from prometheus_client.parser import text_string_to_metric_families

    answer = http.get(stats, "/metrics")
    assert answer.status == 200 and answer.get("Content-Type").startswith("text/plain; version=0.0.4")
    found = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation and family.type in ("counter", "gauge", "histogram")
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"{key} twice"
            found[key] = sample.value
    return found


def total(found, name, **labels):
    wanted = set(labels.items())
    return sum(value for (known, its), value in found.items() if known == name and wanted <= its)


def test_stats_count_requests_and_name_what_runs(probe, address, stats):
    probe("--stats", stats, "--threads", "2")
    for _ in range(5):
        http.get(address, "/one")
    until(lambda: document(stats)["workers"][0]["requests"] >= 6, 10, "six requests")
    asking = threading.Thread(target=http.get, args=(address, "/slow?s=1.5&name=value"))
    asking.start()
    found = until(lambda: (lambda it: it if it["workers"][0]["status"] == "busy" else None)(document(stats)), 10, "a busy worker")
    asking.join()
    core = next(core for core in found["workers"][0]["cores"] if core["in_request"])
    assert {"REQUEST_METHOD=GET", "REQUEST_URI=/slow?s=1.5&name=value", "REMOTE_ADDR=127.0.0.1"} <= set(core["vars"])
    assert abs(core["req_info"]["request_start"] - time.time()) < 10
    after = document(stats)["workers"][0]
    assert after["status"] == "idle" and after["cores"][core["id"]]["vars"] == []


@own(reason="it answers the same whatever the path")
def test_http_paths_choose_what_is_answered(probe, stats):
    probe("--stats", stats, "--stats-http")
    assert http.get(stats, "/").json()["workers"] and http.get(stats, "/x?/metrics").json()["workers"]
    assert http.get(stats, "/metrics").text.startswith("# HELP margrave_info")
    head = http.request(stats, "HEAD", "/metrics")
    assert head.status == 200 and head.body == b""
    # A client that asks for nothing gets the document, as from uWSGI.
    answer = everything(stats)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and json.loads(answer.split(b"\r\n\r\n", 1)[1])["workers"]
    # One that asks slowly is waited for, one that never ends its request is left.
    with connect(stats) as link:
        link.sendall(b"GET /met")
        time.sleep(0.8)
        link.sendall(b"rics HTTP/1.1\r\n\r\n")
        assert b"margrave_info" in link.recv(65536)
    assert b"200" in everything(stats, b"GET / HTTP/1.1\r\nX: " + b"x" * 30000)


@own(reason="it knows no Prometheus")
def test_prometheus_reads_counters_and_histograms(probe, address, stats):
    server = probe("--stats", stats, "--stats-http", "--threads", "2", "--static-map", f"/files={APPS}")
    before = samples(stats)
    for _ in range(7):
        http.get(address, "/one")
    http.get(address, "/none")
    raw(address, encode("GET", "/crash", [("Connection", "close")]))
    http.get(address, "/slow?s=0.3")
    http.get(address, "/files/probe.py")
    raw(address, b"nonsense\r\n\r\n")

    def grown(name, **labels):
        return total(samples(stats), name, **labels) - total(before, name, **labels)

    until(lambda: grown("margrave_requests_total") == 11, 10, "eleven requests")
    count = "margrave_request_duration_seconds_count"
    assert [grown(count, status=status) for status in ("2xx", "4xx", "5xx")] == [8, 1, 1]
    assert grown(count, listener=address) == 10
    assert [grown(f"margrave_{name}_total") for name in ("static_requests", "exceptions", "refused")] == [1, 1, 1]
    found = samples(stats)
    assert 0.3 <= total(found, "margrave_request_duration_seconds_sum", status="2xx") < 3
    for name in ("request_duration", "queue_wait", "gil_wait"):
        for status in ("2xx", "4xx", "5xx"):
            labels = {"listener": address, "status": status}
            buckets = sorted(
                (float(dict(its)["le"]), value)
                for (known, its), value in found.items()
                if known == f"margrave_{name}_seconds_bucket" and set(labels.items()) <= its
            )
            values = [value for _, value in buckets]
            assert values == sorted(values) and buckets[-1][0] == float("inf")
            assert values[-1] == total(found, f"margrave_{name}_seconds_count", **labels) == total(found, count, **labels)
    slow = [value for (known, its), value in found.items() if known.endswith("request_duration_seconds_bucket") and {("status", "2xx"), ("le", "0.262144")} <= its]
    assert slow == [total(found, count, status="2xx") - 1]
    assert total(found, "margrave_start_time_seconds") == pytest.approx(time.time(), abs=60)
    assert total(found, "margrave_workers", state="idle") == 1 and total(found, "margrave_worker_resident_bytes") > 1e6
    # Nothing that only grows gets smaller by a reload.
    counters = {key for key in found if key[0].endswith(("_total", "_count", "_sum", "_bucket")) and "worker" not in key[0]}
    server.send(signal.SIGHUP)
    until(lambda: total(samples(stats), "margrave_generation") == 2, 20, "the reload")
    http.get(address, "/one")
    after = samples(stats)
    assert total(after, "margrave_reloads_total") == 1
    assert not [key for key in counters if after.get(key, -1) < found[key]]


@own(reason="it measures no waiting")
def test_waiting_for_a_thread_is_measured(probe, address, stats):
    probe("--stats", stats, "--stats-http")
    # On connections that the worker has already: others would wait in the backlog, where nobody sees since when.
    links = [connect(address) for _ in range(3)]
    for link in links:
        link.sendall(encode("GET", "/one"))
        assert http.Reader(link).response().status == 200
    for link in links:
        link.sendall(encode("GET", "/slow?s=0.4"))
    for link in links:
        assert http.Reader(link).response().status == 200
        link.close()
    # With one thread the second waits 0.4 s, the third 0.8 s.
    until(lambda: total(samples(stats), "margrave_queue_wait_seconds_sum") > 0.9, 10, "the waiting")
    assert total(samples(stats), "margrave_queue_wait_seconds_sum") < 3


@pytest.mark.parametrize("more", [(), ("--harakiri-kill",)], ids=["request", "worker"])
def test_requests_that_their_deadline_ends_are_counted_once(probe, address, stats, more):
    server = probe("--stats", stats, "--stats-http", "--harakiri", "1", *more)
    try:
        assert http.get(address, "/slow?s=30", timeout=20).status == 504
    except (OSError, http.Broken):
        assert more, "without harakiri-kill there is an answer"
    count = lambda: json.loads(http.get(stats).body)["workers"][0]["harakiri_count"]
    until(lambda: count() == 1, 15, lambda: f"one more, not {count()}")
    until(lambda: total(samples(stats), "margrave_harakiri_total") == 1, 15, "the total")
    server.send(signal.SIGHUP)
    server.wait_log(r"reload: generation \d+ serves")
    until(lambda: total(samples(stats), "margrave_harakiri_total") == 1, 15, "the total of both generations")


def test_metrics_have_the_names_of_uwsgi(probe, address, stats):
    probe("--stats", stats, "--enable-metrics", "--processes", "2")
    for _ in range(3):
        http.get(address, "/one")
    # A collector looks at the counters once a second in uWSGI.
    until(lambda: sum(document(stats)["metrics"][f"worker.{number}.requests"]["value"] for number in (1, 2)) >= 4, 10, "the requests")
    found = document(stats)["metrics"]
    for name, kind, oid in [
        ("core.busy_workers", 1, "5.3"), ("core.total_tx", 0, "5.100"), ("worker.0.requests", 0, "3.0.1"), ("worker.2.requests", 0, "3.2.1"),
        ("worker.1.delta_requests", 2, "3.1.2"), ("worker.1.core.0.static_requests", 0, "3.1.2.0.5"), ("socket.0.listen_queue", 1, "7.0.1"), ("rss_size", 3, "5.101"),
    ]:  # fmt: skip
        assert (found[name]["type"], found[name]["oid"]) == (kind, oid), name


def test_parts_of_the_statistics_can_be_left_out(probe, stats):
    probe("--stats", stats, "--enable-metrics", "--stats-no-cores", "--stats-no-metrics", "--stats-min")
    text = everything(stats).decode().strip()
    found = json.loads(text)
    assert "\n" not in text and "metrics" not in found and "cores" not in found["workers"][0]


def udp():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    server.settimeout(15)
    return server, "127.0.0.1:{}".format(server.getsockname()[1])


def packets(server, name, count=1):
    """The next packets about one metric."""
    found = []
    while len(found) < count:
        packet = server.recv(65536).decode()
        if name in packet:
            found.append(packet)
    return found


@own(reason="its wheel lacks the plugin")
def test_statsd_gets_metrics(probe, address):
    server, target = udp()
    with server:
        probe("--stats-push", f"statsd:{target},shop", "--stats-pusher-default-freq", "1")
        for _ in range(3):
            http.get(address, "/one")
        until(lambda: int(re.fullmatch(r"shop\.worker\.1\.requests:(\d+)\|c", packets(server, ".worker.1.requests")[0])[1]) >= 4, 15, "four requests")
        assert re.fullmatch(r"shop\.core\.idle_workers:1\|g", packets(server, "idle_workers")[0])


@own(reason="its wheel lacks the plugin")
def test_statsd_can_do_without_workers_and_counters(probe):
    server, target = udp()
    with server:
        probe("--stats-push", f"statsd:{target}", "--stats-pusher-default-freq", "1", "--statsd-no-workers", "--statsd-all-gauges")
        seen = set()
        while "uwsgi.core.routed_signals:0|g" not in seen or len(seen) < 10:
            seen.add(server.recv(65536).decode())
        assert not [packet for packet in seen if ".worker." in packet or not packet.endswith("|g")]


def test_a_socket_gets_metrics(probe):
    server, target = udp()
    with server:
        probe("--stats-push", f"socket:{target},pre", "--stats-pusher-default-freq", "1", "--enable-metrics")
        assert packets(server, "busy_workers") == ["pre.core.busy_workers 1 0"]
        assert packets(server, "worker.1.delta_requests")[0].startswith("pre.worker.1.delta_requests 2 ")


def test_graphite_gets_figures(probe, address):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        target = "127.0.0.1:{}".format(server.getsockname()[1])
        probe("--carbon", target, "--carbon-freq", "1", "--carbon-root", "top", "--carbon-id", "shop.x", "--processes", "2")
        http.get(address, "/one")
        link, _ = server.accept()
        with link:
            link.settimeout(10)
            text = link.makefile().read()
    lines = text.splitlines()
    host = re.escape(socket.gethostname())
    names = [re.fullmatch(rf"top\.{host}\.shop\.x\.(\S+) \d+ \d{{10}}", line)[1] for line in lines]
    per_worker = [f"worker{n}.{what}" for n in (1, 2) for what in ("requests", "rss_size", "vsz_size", "avg_rt", "tx", "busyness", "harakiri")]
    assert names == ["requests", *per_worker, "rss_size", "vsz_size", "avg_rt", "tx", "busyness", "active_workers", "harakiri"]


@own(reason="it fills its files with zero bytes, and its wheel has no file pusher")
def test_files_hold_figures(probe, address, tmp_path):
    directory, path = tmp_path / "metrics", tmp_path / "stats.json"
    probe("--metrics-dir", directory, "--stats-push", f"file:path={path},freq=1")
    http.get(address, "/one")
    until(lambda: (directory / "worker.1.requests").exists() and int((directory / "worker.1.requests").read_text()) >= 2, 15, "the file")
    until(lambda: path.exists() and path.read_text().count("\n") >= 2, 15, "two documents")
    assert json.loads(path.read_text().splitlines()[0])["workers"]


@own(reason="what cannot be reached there holds its master up")
def test_nobody_waits_for_those_who_get_figures(probe, address, stats):
    """Graphite takes connections and nothing else; StatsD is not there."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as server:
        target = "127.0.0.1:{}".format(server.getsockname()[1])
        nobody = free_address()
        running = probe("--stats", stats, "--carbon", target, "--carbon-freq", "1", "--stats-push", f"statsd:{nobody}", "--stats-push", "file:/nowhere/x", "--stats-pusher-default-freq", "1")
        end = time.monotonic() + 3
        while time.monotonic() < end:
            began = time.monotonic()
            assert document(stats)["workers"] and http.get(address, "/one").status == 200
            assert time.monotonic() - began < 2
        assert running.stop(signal.SIGTERM) == 0


def screen(command, seconds=20, until_seen=()):
    """What a program shows on a terminal until all of `until_seen` has been there; then it is sent `q`."""
    import fcntl
    import pty
    import struct
    import termios

    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execv(command[0], [str(word) for word in command])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
    text, end = "", time.monotonic() + seconds
    try:
        while time.monotonic() < end and not all(re.search(part, text) for part in until_seen):
            if select.select([terminal], [], [], 0.2)[0]:
                try:
                    text += os.read(terminal, 65536).decode(errors="replace")
                except OSError:
                    break
        os.write(terminal, b"q")
        ended = until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, 10, "the end of the program")
        assert ended
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    finally:
        os.close(terminal)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]", " ", text)


def test_uwsgitop_shows_the_workers(probe, address, stats, under_test):
    tool = under_test.python.parent / "uwsgitop"
    if not tool.exists():
        pytest.skip("UWSGITOP IS NOT INSTALLED: pip install -r tests/requirements.txt")
    probe("--stats", stats, "--processes", "2", "--threads", "2")
    for _ in range(5):
        http.get(address, "/one")
    pids = [str(worker["pid"]) for worker in until(lambda: (lambda it: it if all(w["pid"] and w["accepting"] for w in it) else None)(document(stats)["workers"]), 10, "both workers")]
    text = screen([under_test.python, tool, stats], until_seen=(*pids, "uwsgi-2.0.31"))
    assert "uwsgi-2.0.31" in text and all(pid in text for pid in pids), text


@own(reason="it has no such command")
def test_top_shows_the_instance(probe, address, under_test, tmp_path):
    path = tmp_path / "c.sock"
    server = probe("--control-socket", path, "--instance-name", "shop", "--threads", "2")
    for _ in range(5):
        http.get(address, "/one")
    asking = threading.Thread(target=http.get, args=(address, "/slow?s=3"))
    asking.start()
    text = screen([under_test.executable, "top", "--socket", path], until_seen=("shop", f"pid +{server.pid}", "requests/s", "/slow\\?s=3", "without the GIL"))
    asking.join()
    assert re.search("shop", text) and "busy" in text and "/slow?s=3" in text, text


@own(reason="it has no such command")
def test_top_without_a_terminal_is_a_sentence(probe, under_test, tmp_path):
    path = tmp_path / "c.sock"
    probe("--control-socket", path)
    done = subprocess.run([under_test.executable, "top", "--socket", path], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20, start_new_session=True)
    assert done.returncode == 1 and "margrave ctl --json status" in done.stderr, done
