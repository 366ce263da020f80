"""Every way to start: by ini, by module, by file, by factory, by environment, by positional argument."""
import os

import pytest
from harness import http
from harness.address import free_address

pytestmark = pytest.mark.smoke
own = pytest.mark.margrave_only

SITE = {
    "mysite/__init__.py": "",
    "mysite/wsgi.py": "from mysite.code import make\napplication = make('module')\napp = make('app')\nother = make('other')\n",
    "mysite/code.py": """
def make(name):
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [name.encode()]
    return application
""",
    "factory.py": "from mysite.code import make\ndef create_app():\n    return make('factory')\ndef create_named(name='x'):\n    return make('named ' + name)\n",
    "app.py": "from mysite.code import make\napp = make('file app')\nsecond = make('file second')\n",
    "plain.py": "from mysite.code import make\napplication = make('file application')\n",
    "odd-name.py": "from mysite.code import make\napplication = make('odd name')\n",
    "classes.py": """
class Application:
    def __call__(self, environ, start_response):
        start_response("200 OK", [])
        return [b"an instance"]
application = Application()
class Iterating:
    def __init__(self, environ, start_response):
        self.start = start_response
    def __iter__(self):
        self.start("200 OK", [])
        yield b"a class"
""",
}


@pytest.fixture
def site(tmp_path):
    for name, text in SITE.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


FORMS = [
    (["--http", "{a}", "--module", "mysite.wsgi"], "module"),
    (["--http={a}", "--module=mysite.wsgi"], "module"),
    (["--http-socket", "{a}", "--module", "mysite.wsgi:app"], "app"),
    (["--http-socket", "{a}", "-w", "mysite.wsgi:other"], "other"),
    (["--http-socket", "{a}", "--wsgi", "mysite.wsgi", "--callable", "other"], "other"),
    (["--http-socket", "{a}", "--wsgi-file", "app.py", "--callable", "app"], "file app"),
    (["--http-socket", "{a}", "--file", "app.py", "--callable", "second"], "file second"),
    (["--http-socket", "{a}", "--wsgi-file", "plain.py"], "file application"),
    (["--http-socket", "{a}", "--wsgi-file", "odd-name.py"], "odd name"),
    (["--http-socket", "{a}", "--wsgi-file", "{dir}/plain.py"], "file application"),
    (["--http-socket", "{a}", "--module", "factory:create_app()"], "factory"),
    (["--http-socket", "{a}", "--module", "classes"], "an instance"),
    (["--http-socket", "{a}", "--module", "classes:Iterating"], "a class"),
    (["--http-socket", "{a}", "--mount", "/m=mysite.wsgi:app", "--module", "mysite.wsgi"], "module"),
]
SHORT_FORMS = [
    (["--http-socket", "{a}", "mysite.wsgi:application"], "module"),
    (["--http-socket", "{a}", "mysite.wsgi:other"], "other"),
    (["mysite.wsgi:application", "--http-socket", "{a}"], "module"),
    (["--http-socket", "{a}", "factory:create_app()"], "factory"),
    (["--http-socket", "{a}", "app.py"], "file app"),
    (["app.py", "--http-socket", "{a}"], "file app"),
    (["--http-socket", "{a}", "plain.py"], "file application"),
]


def start(serve, site, words):
    address = free_address()
    serve(*(word.format(a=address, dir=site) for word in words), serving=address)
    return http.get(address).text


@pytest.mark.parametrize("words, expected", FORMS, ids=[" ".join(row[0]) for row in FORMS])
def test_start_form_serves_its_application(serve, site, words, expected):
    assert start(serve, site, words) == expected


@own(reason="it takes positional arguments for configuration files")
@pytest.mark.parametrize("words, expected", SHORT_FORMS, ids=[" ".join(row[0]) for row in SHORT_FORMS])
def test_short_start_form_serves_its_application(serve, site, words, expected):
    assert start(serve, site, words) == expected


@pytest.mark.parametrize("lazy", [[], ["--lazy-apps"]], ids=["preforking", "lazy"])
def test_the_second_directory_is_for_after_the_load(serve, site, address, lazy):
    (site / "below").mkdir()
    (site / "where.py").write_text(
        "import os\nthen = os.getcwd()\ndef application(environ, start_response):\n"
        "    start_response('200 OK', [])\n    return [f'{then} {os.getcwd()}'.encode()]\n"
    )
    serve("--http-socket", address, "--master", "--chdir", site, "--wsgi-file", site / "where.py", "--chdir2", "below", *lazy, serving=address)
    assert http.get(address).text == f"{site} {site / 'below'}"


@pytest.mark.parametrize("form", ["--ini {path}", "{path}", "--ini={path}", "-i {path}", "--ini {name}", "{name}"])
def test_ini_file_is_served(serve, site, ini, address, form, under_test):
    if form.startswith("-i ") and under_test.name == "uwsgi":
        pytest.skip("uWSGI has no such short option")
    path = ini(f"http-socket = {address}\nmodule = mysite.wsgi:other\n")
    serve(*form.format(path=path, name=path.name).split(), serving=address)
    assert http.get(address).text == "other"


def test_ini_file_in_another_directory_is_served(serve, site, ini, address, tmp_path_factory):
    path = ini(f"chdir = %d\nhttp-socket = {address}\nmodule = mysite.wsgi\n")
    serve(path, serving=address, cwd=tmp_path_factory.mktemp("elsewhere"))
    assert http.get(address).text == "module"


def test_environment_options_start_a_server(serve, site, address):
    serve(env={"UWSGI_HTTP_SOCKET": address, "UWSGI_MODULE": "mysite.wsgi:app", "UWSGI_MASTER": "1"}, serving=address)
    assert http.get(address).text == "app"


def test_environment_can_name_the_ini_file(serve, site, ini, address):
    path = ini(f"http-socket = {address}\nmodule = mysite.wsgi:other\n")
    serve(env={"UWSGI_INI": str(path)}, serving=address)
    assert http.get(address).text == "other"


def test_command_line_comes_after_environment(serve, site, address):
    serve("--module", "mysite.wsgi:other", "--http-socket", address, env={"UWSGI_MODULE": "mysite.wsgi:app"}, serving=address)
    assert http.get(address).text == "other"


def test_venv_is_named_by_its_executable(serve, site, address, under_test):
    """Started by its path alone, without an activated environment."""
    serve("--http-socket", address, "--module", "mysite.wsgi", env={"PATH": "/usr/bin:/bin"}, serving=address)
    assert http.get(address).text == "module"


MOUNTS = [
    ("/one", "app", "/one", "/"),
    ("/one/", "app", "/one", "/"),
    ("/one/a/b", "app", "/one", "/a/b"),
    ("/two/x", "other", "/two", "/x"),
    ("/onemore", "application", "", "/onemore"),
    ("/else", "application", "", "/else"),
    ("/", "application", "", "/"),
]


@pytest.mark.parametrize("protocol", ["http-socket", "http"])
def test_mounts_choose_the_application_and_manage_its_script_name(serve, tmp_path, protocol, address, under_test):
    (tmp_path / "many.py").write_text("""
def named(name):
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return ["|".join([name, environ["SCRIPT_NAME"], environ["PATH_INFO"]]).encode()]
    return application
application, app, other = named("application"), named("app"), named("other")
""")
    serve(
        f"--{protocol}", address, "--mount", "/one=many:app", "--mount", "/two=many:other", "--module", "many:application",
        "--manage-script-name", serving=address,
    )  # fmt: skip
    for target, name, script, path in MOUNTS:
        if under_test.name == "uwsgi" and target in ("/one", "/onemore", "/"):
            continue  # it gives the first an empty path, tests bare prefixes, and has no default for the last
        got = http.get(address, target).text
        if target == "/one":
            assert got in (f"{name}|{script}|/", f"{name}|{script}|"), target
        else:
            assert got == f"{name}|{script}|{path}", target


def test_mount_can_name_a_file(serve, site, address):
    serve("--http-socket", address, "--mount", "/f=plain.py", "--manage-script-name", "--module", "mysite.wsgi", serving=address)
    assert http.get(address, "/f/x").text == "file application"
    assert http.get(address, "/g").text == "module"


def test_without_a_default_application_unmatched_requests_find_none(serve, site, address):
    serve("--http-socket", address, "--mount", "/f=plain.py", "--manage-script-name", "--no-default-app", serving=address)
    assert http.get(address, "/f/x").text == "file application"
    assert [http.get(address, target).status for target in ("/g", "/", "/fx")] == [500, 500, 500]


def test_without_a_default_application_one_without_mount_point_takes_the_rest(serve, site, address):
    options = ["--mount", "/f=plain.py", "--manage-script-name", "--no-default-app", "--module", "mysite.wsgi"]
    serve("--http-socket", address, *options, serving=address)
    assert [http.get(address, target).text for target in ("/f/x", "/g")] == ["file application", "module"]


def run(under_test, tmp_path, *words):
    from harness.server import run_to_end

    return run_to_end([under_test.executable, *words], tmp_path)


def test_version_is_one_line(under_test, tmp_path):
    code, output = run(under_test, tmp_path, "--version")
    assert code == 0 and len(output.strip().splitlines()) == 1
    assert any(character.isdigit() for character in output)


@own(reason="its own text")
def test_version_says_margrave(under_test, tmp_path):
    code, output = run(under_test, tmp_path, "--version")
    assert output.lower().startswith("margrave ")


def test_help_names_the_common_options(under_test, tmp_path):
    code, output = run(under_test, tmp_path, "--help")
    assert code == 0
    for name in ("--http", "--socket", "--module", "--processes", "--threads", "--harakiri", "--pidfile"):
        assert name in output, name


@own(reason="it starts without an application")
def test_started_without_anything_it_says_what_to_do(under_test, tmp_path):
    code, output = run(under_test, tmp_path)
    assert code != 0 and "margrave" in output.lower() and len(output.splitlines()) < 30
    assert os.listdir(tmp_path) == [name for name in os.listdir(tmp_path) if name.endswith(".log")]
