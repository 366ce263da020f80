"""`pip install .` gives the executable and the extension in that environment."""
import os
import subprocess
from pathlib import Path

import pytest
from harness import http
from harness.server import Server, clean_environment

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [pytest.mark.margrave_only(reason="it is about our package"), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def installed(under_test, tmp_path_factory):
    """A fresh virtual environment with Margrave installed by pip from the source tree."""
    venv = tmp_path_factory.mktemp("pip") / "venv"
    env = clean_environment()
    env["PYO3_PYTHON"] = under_test.run("import os, sys; print(os.path.realpath(sys.executable))")
    subprocess.run([under_test.python, "-m", "venv", venv], check=True, timeout=120, env=env)
    done = subprocess.run(
        [venv / "bin/python", "-m", "pip", "install", "--disable-pip-version-check", "--quiet", ROOT],
        env=env, capture_output=True, text=True, timeout=800,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return venv


def test_pip_install_gives_executable_and_extension(installed):
    output = subprocess.run([installed / "bin/margrave", "--version"], capture_output=True, text=True, timeout=20)
    assert output.returncode == 0 and output.stdout.startswith("margrave ")
    code = "import margrave._margrave as m; print(m.__file__)"
    found = subprocess.run([installed / "bin/python", "-c", code], capture_output=True, text=True, timeout=20, env=clean_environment())
    assert str(installed) in found.stdout, found.stderr


def test_installed_margrave_serves(installed, hello, tmp_path, address):
    with Server([installed / "bin/margrave", "--http-socket", address, "--wsgi-file", hello], tmp_path) as server:
        server.start().wait_serving(address)
        assert http.get(address).text == "hello"
        assert os.path.realpath(f"/proc/{server.pid}/exe") == str((installed / "bin/margrave").resolve())
