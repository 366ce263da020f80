"""Configuration as the server as a whole understands it; the details have their tests in crates/config."""
import re

import pytest
from conftest import APPS
from harness import http
from harness.server import run_to_end

own = pytest.mark.margrave_only


@pytest.fixture
def options(serve, address):
    """Starts the probe with these arguments; what Python sees as uwsgi.opt."""

    def start(*arguments, env=None, cwd=None):
        words = ["--http-socket", address, "--chdir", APPS, "--wsgi-file", "probe.py"]
        start.server = serve(*arguments, *words, env=env, cwd=cwd, serving=address)
        start.module = http.get(address, "/module").json()
        return start.module["opt"]

    start.address = address
    return start


def test_magic_variables_name_the_file(options, ini, tmp_path):
    path = ini("set-placeholder = dir=%d\nset-ph = name=%n\nset-ph = full=%p\nset-ph = base=%s\nset-ph = percent=100%%\n", "my.app.ini")
    opt = options("--ini", path)
    assert (opt["dir"], opt["full"], opt["base"], opt["percent"]) == (f"{tmp_path}/", str(path), "my.app.ini", "100%")
    assert opt["name"] in ("my.app", "my")


def test_placeholder_is_used_before_and_after_its_line(options, ini):
    opt = options("--ini", ini("a = %(name)-1\nname = demo\nb = %(name)-2\nc = %(a)%(b)\n"))
    assert (opt["a"], opt["b"], opt["name"]) == ("demo-1", "demo-2", "demo")


def test_environment_variable_is_expanded_and_an_unset_one_stays(options, ini):
    opt = options("--ini", ini("a = <$(COLOUR)>\nb = <$(NO_SUCH_VARIABLE)>\nc = %(a)%(b)\n"), env={"COLOUR": "teal"})
    assert (opt["a"], opt["b"]) == ("<teal>", "<$(NO_SUCH_VARIABLE)>")


def test_section_is_chosen_after_the_colon(options, ini):
    path = ini("[uwsgi]\nset-ph = where=default\n[other]\nset-ph = where=other\n", section=None)
    assert options("--ini", f"{path}:other")["where"] == "other"


def test_file_without_a_colon_means_the_section_uwsgi(options, ini):
    path = ini("[other]\nset-ph = where=other\n[uwsgi]\nset-ph = where=default\n", section=None)
    assert options("--ini", path)["where"] == "default"


def test_several_files_are_read_in_order(options, ini):
    one, two = ini("set-ph = a=1\nprocesses = 1\n", "one.ini"), ini("set-ph = b=2\nprocesses = 2\n", "two.ini")
    opt = options("--ini", one, "--ini", two, "--master")
    assert (opt["a"], opt["b"]) == ("1", "2")
    assert options.module["numproc"] == 2


def test_file_can_read_another(options, ini):
    ini("set-ph = inner=yes\n", "inner.ini")
    assert options("--ini", ini("ini = %dinner.ini\nset-ph = outer=yes\n"))["inner"] == "yes"


def test_repeated_scalar_is_the_last_one(options, ini):
    options("--ini", ini("processes = 3\nprocesses = 1\nprocesses = 2\nmaster = true\n"))
    assert options.module["numproc"] == 2


def test_command_line_follows_the_file_in_order_of_appearance(options, ini):
    path = ini("processes = 3\nmaster = true\n")
    options("--ini", path, "--processes", "1")
    assert options.module["numproc"] == 1


def test_file_after_the_command_line_option_comes_last(options, ini):
    options("--processes", "1", "--ini", ini("processes = 2\nmaster = true\n"))
    assert options.module["numproc"] == 2


def test_comments_blank_lines_and_blanks_do_not_matter(options, ini):
    opt = options("--ini", ini("; comment\n# comment\n\n   set-ph=a=1   \n\tset-ph =  b = 2 = 3\r\n; set-ph = a=no\n"))
    assert opt["a"] == "1"


@pytest.mark.parametrize("value, on", [("true", 1), ("1", 1), ("on", 1), ("yes", 1), ("", 1), ("false", 0), ("0", 0), ("off", 0), ("no", 0)])
def test_boolean_words(serve, ini, address, tmp_path, value, on):
    path = ini(f"disable-logging = {value}\nhttp-socket = {address}\nchdir = {APPS}\nwsgi-file = probe.py\n")
    server = serve("--ini", path, serving=address)
    http.get(address, "/one?in-the-log")
    http.get(address, "/errors")
    server.wait_log("^to stdout$")
    if not on:
        server.wait_log("in-the-log")
    assert ("in-the-log" in server.log) == (not on)


@own(reason="it takes them in silence")
def test_unknown_option_is_warned_of_with_place_and_suggestion(options, ini):
    options("--ini", ini("; a comment\nprocesess = 2\n"))
    line = options.server.wait_log(r"^.*app\.ini:3.*$")[0]
    assert "procesess" in line and "processes" in line


@own(reason="it takes them in silence")
def test_placeholder_of_ones_own_is_no_unknown_option(options, ini):
    options("--ini", ini("project = demo\nset-ph = x=%(project)\n"))
    assert not re.search(r"app\.ini.*project", options.server.log)


@own(reason="it has built them")
@pytest.mark.parametrize("line", ["spooler = /tmp/margrave-no-spooler", "cache2 = name=x,items=10", "mule = true"])
def test_known_option_that_is_not_built_is_warned_of_by_name(options, ini, line):
    options("--ini", ini(line + "\n"))
    name = line.split(" ")[0]
    found = options.server.wait_log(rf"^.*app\.ini:2.*{name}.*$")[0]
    assert len(found) < 400


@own(reason="it is only part of the value there")
@pytest.mark.parametrize("line", ["harakiri = 30", "procname-prefix = x", "env = A=b"])
def test_comment_behind_a_value_is_warned_of(options, ini, line):
    options("--ini", ini(f"{line} ; not a comment\n"))
    assert "app.ini:2" in options.server.log


def test_unknown_option_on_the_command_line_is_an_error(under_test, hello, tmp_path):
    code, output = run_to_end([under_test.executable, "--no-such-option", "--wsgi-file", hello], tmp_path)
    assert code != 0 and "no-such-option" in output


def test_magic_table_is_visible_to_python(options, ini, tmp_path):
    options("--ini", ini("master = 1\n"))
    table = options.module["magic_table"]
    assert table["d"] == f"{tmp_path}/" and table["n"] == "app" and table["p"] == str(tmp_path / "app.ini")
    assert "V" in table or "v" in table


def test_opt_holds_what_was_given(options, ini):
    opt = options("--ini", ini("master = true\nthreads = 2\nown-key = own value\n"))
    assert opt["threads"] == "2" and opt["own-key"] == "own value" and opt["wsgi-file"] == "probe.py"
    assert opt["http-socket"] == options.address


@own(reason="it goes on")
def test_strict_refuses_an_unknown_option(under_test, ini, hello, tmp_path):
    path = ini(f"strict = true\nno-such-key = 1\nwsgi-file = {hello}\n")
    code, output = run_to_end([under_test.executable, "--ini", path], tmp_path)
    assert code == 1 and "no-such-key" in output and "app.ini:3" in output
