"""Several applications at mount points, with `manage-script-name`."""
import pytest
from conftest import HERE
from test_environ import check, parameters


@pytest.fixture(scope="module")
def mounted(pair):
    words = ["--mount", "/app=capture.py", "--mount", "/app/deep=capture:other", "--mount", "/=capture.py", "--manage-script-name"]
    pair.start("--chdir", HERE, *words)
    return pair


@pytest.mark.parametrize("protocol, entry", [*parameters("mount-http", "http-socket", "http"), *parameters("mount-uwsgi", "uwsgi")])
def test_mounted_application_is_seen_alike(mounted, protocol, entry):
    check(mounted, "mount", protocol, entry)
