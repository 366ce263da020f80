"""What whoever starts an instance has opened for it: descriptors that ask for reloads, files that one instance holds."""
import os
import signal

import pytest
from harness import http
from harness.address import free_address
from harness.server import run_to_end
from harness.waiting import until

pytestmark = pytest.mark.margrave_only(reason="uWSGI executes itself anew, so that its descriptors are watched from the start")


@pytest.fixture
def arguments(hello, address):
    return ["--http-socket", address, "--wsgi-file", hello]


@pytest.mark.parametrize("option", ["reload-on-fd", "brutal-reload-on-fd"])
def test_a_descriptor_that_can_be_read_reloads_and_its_end_does_so_once(serve, under_test, arguments, tmp_path, option):
    os.mkfifo(tmp_path / "fifo")
    # Open in both directions, nobody waits for the other end.
    write = os.open(tmp_path / "fifo", os.O_RDWR)
    words = [under_test.executable, *arguments, f"--{option}", "9:1"]
    server = serve("-c", 'exec "$0" "$@" 9<fifo', *words, executable="/bin/sh")
    server.wait_log("serves after")
    for count in (1, 2):
        os.write(write, b"some words")
        server.wait_log(r"reload: asked for by descriptor 9", count=count)
        server.wait_log(r"reload: generation \d+ serves", count=count)
    os.close(write)
    server.wait_log(r"asked for by the end of descriptor 9, which is watched no more")
    server.wait_log(r"reload: generation \d+ serves", count=3)
    assert server.log.count("asked for by the end") == 1


@pytest.mark.parametrize("number, words", [("nine", "is no descriptor"), ("77", "descriptor 77 cannot be watched")])
def test_a_descriptor_that_is_not_there_is_an_error_of_the_start(under_test, arguments, tmp_path, number, words):
    code, output = run_to_end([under_test.executable, *arguments, "--reload-on-fd", number], tmp_path)
    assert code == 1 and words in output


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "held"
    path.touch()
    return path


@pytest.mark.parametrize("option", ["flock", "flock2"])
def test_a_file_is_held_by_one_instance_at_a_time(serve, under_test, arguments, address, file, tmp_path, option):
    first = serve(*arguments, f"--{option}", file, serving=address)
    second = [under_test.executable, "--http-socket", free_address(), "--wsgi-file", arguments[-1], f"--{option}", file]
    code, output = run_to_end(second, tmp_path)
    assert code == 1 and f"{option}: {file} is held by another instance" in output
    first.send(signal.SIGKILL)
    first.wait_exit()
    first.assert_nothing_left()
    serve(*arguments, f"--{option}", file, serving=address)


@pytest.mark.parametrize("option", ["flock-wait", "flock-wait2"])
def test_an_instance_can_wait_for_a_file_that_another_one_holds(serve, arguments, address, file, option):
    first = serve(*arguments, "--flock", file, serving=address)
    other = free_address()
    waiting = serve("--http-socket", other, "--wsgi-file", arguments[-1], f"--{option}", file)
    waiting.wait_log("waits until nobody else holds")
    assert "serves after" not in waiting.log
    assert first.stop() == 0
    assert http.get(waiting.wait_serving(other) and other).text == "hello"


def test_a_waiting_instance_can_be_told_to_stop(serve, arguments, address, file):
    serve(*arguments, "--flock", file, serving=address)
    waiting = serve("--http-socket", free_address(), "--wsgi-file", arguments[-1], "--flock-wait", file)
    waiting.wait_log("waits until nobody else holds")
    assert waiting.stop(signal.SIGTERM) == -signal.SIGTERM


def test_a_new_executable_takes_the_file_over(serve, arguments, address, file, under_test, tmp_path):
    pidfile = tmp_path / "pid"
    first = serve(*arguments, "--flock", file, "--pidfile", pidfile, serving=address)
    first.send(signal.SIGUSR2)
    assert first.wait_exit() == 0
    until(lambda: pidfile.exists() and pidfile.read_text().strip() not in ("", str(first.pid)), 10, "the pid of the new master")
    code, output = run_to_end([under_test.executable, "--http-socket", free_address(), "--wsgi-file", arguments[-1], "--flock", file], tmp_path)
    assert code == 1 and "is held by another instance" in output
    assert run_to_end([under_test.executable, "--stop", pidfile], tmp_path)[0] == 0
    first.assert_nothing_left(10)


def test_a_file_that_is_not_there_cannot_be_held(under_test, arguments, tmp_path):
    code, output = run_to_end([under_test.executable, *arguments, "--flock", tmp_path / "none"], tmp_path)
    assert code == 1 and "name a file that is there" in output
