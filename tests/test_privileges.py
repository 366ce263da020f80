"""What needs root: memory that is never swapped out, a master that keeps its rights, another root directory."""
import grp
import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from harness import http, processes
from harness.waiting import until

pytestmark = [
    pytest.mark.margrave_only(reason="the processes are Margrave's"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may do this"),
]


@pytest.fixture
def application(tmp_path):
    (tmp_path / "who.py").write_text(
        "import os\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "    return [' '.join(map(str, [os.getpid(), *os.getresuid(), *os.getresgid()])).encode()]\n"
    )
    return tmp_path / "who.py"


def status(pid, field):
    return re.search(rf"^{field}:\s*(.*)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE).group(1)


def test_memory_of_workers_is_never_swapped_out_where_that_is_wanted(serve, application, address):
    serve("--http-socket", address, "--wsgi-file", application, "--never-swap", serving=address)
    pid = http.get(address).text.split()[0]
    locked, resident = (int(status(pid, field).split()[0]) for field in ("VmLck", "VmRSS"))
    assert locked >= resident // 2 > 0


def test_the_master_can_keep_its_rights_while_the_application_has_none_of_them(serve, application, address):
    """By its group: a user may have no right to run the interpreter that stands in somebody's home."""
    group = str(grp.getgrnam("nogroup").gr_gid)
    server = serve("--http-socket", address, "--wsgi-file", application, "--gid", "nogroup", "--master-as-root", serving=address)
    first = http.get(address).text.split()
    assert first[4:] == [group] * 3
    assert status(server.pid, "Gid").split() == ["0"] * 4
    assert {status(pid, "Gid").split()[0] for pid in processes.descendants(server.pid)} == {group}
    server.send(signal.SIGHUP)
    server.wait_log(r"reload: generation 2 serves")
    until(lambda: http.get(address).text.split()[0] != first[0], 10, "a worker of the new generation")
    assert http.get(address).text.split()[4] == group


@pytest.mark.skipif(not shutil.which("unshare"), reason="there is no unshare to mount in")
def test_an_instance_can_have_another_root_directory(serve, under_test, application, address, tmp_path):
    jail = tmp_path / "jail"
    jail.mkdir()
    # The whole machine appears there, in mounts that end with the instance.
    line = 'mount --rbind / "$1" || exit 3; shift; exec "$0" "$@"'
    words = [under_test.executable, jail, "--chroot", jail, "--http-socket", address, "--wsgi-file", application]
    server = serve("-m", "sh", "-c", line, *words, executable=shutil.which("unshare"), serving=address)
    worker = http.get(address).text.split()[0]
    roots = {os.readlink(f"/proc/{pid}/root") for pid in [worker, *processes.descendants(server.pid)]}
    assert roots == {str(jail)}
    server.send(signal.SIGHUP)
    server.wait_log(r"reload: generation 2 serves")
    until(lambda: http.get(address).text.split()[0] != worker, 10, "a worker of the new generation")
    assert server.stop(signal.SIGTERM) == 0
