"""What each configuration of this directory must come to: where it answers, which application, how many workers.

`@DIR@` is the directory of the run with a copy of `site/`, `@PORT@` and `@PORT2@` are free ports. `differs` names why
the real uWSGI does something else with the same file; all others are run on it too (`--on uwsgi`).
"""
from dataclasses import dataclass, field

HTTP = "http 127.0.0.1:@PORT@ /"
HTTP2 = "http 127.0.0.1:@PORT2@ /"
UNIX = "uwsgi @DIR@/site.sock /"
TCP = "uwsgi 127.0.0.1:@PORT@ /"


@dataclass
class Case:
    """A configuration that starts and answers."""

    file: str
    ask: tuple = (HTTP,)
    app: str = "hello:application"
    workers: int = 1
    cwd: str = "@DIR@"
    env: dict = field(default_factory=dict)  # what the application must see
    outside: dict = field(default_factory=dict)  # what the server is started with
    more: dict = field(default_factory=dict)  # further fields of the answer
    says: tuple = ()  # (line, part of what `margrave check` says about it)
    also: dict = field(default_factory=dict)  # file -> text written beside it
    differs: str = ""


@dataclass
class Refusal:
    """A configuration that does not run: `margrave check` says why, with this line."""

    file: str
    line: int
    part: str
    start: str = ""  # what a start says instead of file and line, where the master finds out


def pattern(number_and_name, *arguments, **options):
    return Case(f"patterns/{number_and_name}", *arguments, **options)


def more(name, *arguments, **options):
    return Case(f"more/{name}", *arguments, **options)


VASSAL = "[uwsgi]\nhttp-socket = 127.0.0.1:@PORT@\nwsgi-file = %d../hello.py\npythonpath = @DIR@\n"

PATTERNS = [
    pattern("01-unix-socket-behind-nginx.ini", (UNIX,), workers=3),
    pattern("02-loopback-port.ini", (TCP,), app="hello:app", workers=2),
    pattern("03-every-interface.ini", (TCP,), workers=2, cwd="@START@"),
    pattern("04-http-router.ini", app="hello:app", workers=2),
    pattern("05-http-in-the-workers.ini", workers=2, outside={"SITE_PORT": "@PORT@"}, cwd="@START@"),
    pattern("06-two-front-doors.ini", (TCP, HTTP2), workers=2),
    pattern("07-django.ini", ("uwsgi @DIR@/mysite.sock /",), app="mysite.wsgi:application", workers=4, env={"DJANGO_SETTINGS_MODULE": "mysite.settings.production"}),
    pattern("08-flask-factory.ini", app="hello:create_app(production)", differs="a factory takes no arguments there"),
    pattern("09-background-daemon.ini", workers=2),
    pattern("10-processes-and-threads.ini", workers=2),
    pattern("11-recycling.ini", workers=2, says=((7, "; by requests"),)),
    pattern("12-time-out.ini", workers=2),
    pattern("13-adaptive.ini", workers=8),
    pattern("14-orderly-stop.ini", workers=2),
    pattern("15-safe-defaults.ini", app="mysite.wsgi:application"),
    pattern("16-distribution-package.ini", (UNIX,), workers=2),
    pattern("17-emperor.ini", workers=2, cwd="@DIR@/vassals", also={"vassals/one.ini": VASSAL, "common.ini": "[uwsgi]\nworkers = 2\n"}),
    pattern("18-template-by-file-name.ini", ("uwsgi @DIR@/18-template-by-file-name.sock /",), workers="cpus", env={"SITE_NAME": "18-template-by-file-name"}),
    pattern("19-sections.ini", app="other:main", workers=2),
    pattern("20-twelve-factor.ini", workers=3, outside={"SITE_PORT": "@PORT@", "SITE_WORKERS": "3", "SITE_STAGE": "live"}, env={"STAGE": "live"}),
    pattern("21-static-files.ini", (HTTP, "file 127.0.0.1:@PORT@ /static/site.css", "file 127.0.0.1:@PORT@ /robots.txt"), workers=1),
    pattern("22-logs.ini"),
    pattern("23-large-and-slow.ini"),
    pattern("24-companions.ini", workers=2, also={"tasks/.keep": ""}),
    pattern("25-mounts-and-routes.ini", ("http 127.0.0.1:@PORT@ /api/x",), app="hello:app", more={"script": "/api", "path": "/x"}),
]  # fmt: skip

OUTSIDE = {"SITE_PORT": "@PORT@", "SITE_MODULE": "hello", "SITE_WORKERS": "2", "SITE_STAGE": "live"}
LISTS = {"SITE_A": "1", "SITE_B": "2"}

MORE = [
    more("command-in-value.ini", env={"SITE_VERSION": "7.4", "SITE_MOTTO": "work hard"}),
    more("placeholder-arithmetic.ini", workers=5),
    more("last-wins.ini", app="hello:app", workers=2),
    more("booleans.ini", workers=2),
    more("trailing-comments.ini", workers=3, says=((1, "section"), (5, "# cores")), differs="a comment behind a section name hides the section"),
    more("quoted-values.ini", app="hello:app", workers=2, env={"SITE_NAME": "blue"}, says=((2, "quotes"), (6, "quotes")), differs="quotes are part of values"),
    more("missing-equals.ini", (HTTP, "file 127.0.0.1:@PORT@ /static/site.css"), env={"SITE_NAME": "green"}, says=((5, "`=` is missing"), (6, "`=` is missing")), differs="such lines are ignored"),
    more("windows-file.ini", workers=2, says=((1, "byte order mark"),), differs="a byte order mark hides the section"),
    more("factory-without-arguments.ini", app="hello:create_app(none)", workers=2),
    more("attribute-of-object.ini", app="hello:holder.wsgi", differs="callable is one name there"),
    more("module-and-callable.ini", app="other:main", workers=2, cwd="@START@"),
    more("relative-socket.ini", (UNIX,)),
    more("abstract-socket.ini", ("uwsgi @site-@PORT@ /",)),
    more("tilde-and-dots.ini", app="mysite.wsgi:application", env={"DJANGO_SETTINGS_MODULE": "mysite.settings"}),
    more("fastcgi.ini", ("fastcgi 127.0.0.1:@PORT@ /",), workers=2),
    more("scgi.ini", ("scgi 127.0.0.1:@PORT@ /",)),
    more("http-and-socket-path.ini", (HTTP, UNIX), workers=2),
    more("ipv6.ini", ("http [::1]:@PORT@ /",)),
    more("many-sockets.ini", (HTTP, HTTP2)),
    more("glob-loop.ini", env={"SITE_FILE": "@DIR@/static/robots.txt"}),
    more("condition-on-file.ini", workers=3, env={"SITE_STYLE": "@DIR@/static/site.css"}),
    more("condition-on-option.ini", workers=4),
    more("include-by-suffix.ini", app="other:application", workers=2),
    more("include-other-format.ini", app="other:application", workers=3),
    more("inherited-template.ini", app="other:application", workers=3),
    more("declared-option.ini", workers=3),
    more("environment-defaults.ini", workers=2, outside=OUTSIDE, env={"STAGE": "live-live"}),
    more("environment-directory.ini", env={"SITE_FROM": "directory"}),
    more("unset-environment.ini", outside={"SITE_SECRET": "x"}, env={"SITE_OPEN": "1", "SITE_SECRET": None}),
    more("argv.ini", more={"argv": ["--settings", "live", "--port", "80"]}),
    more("strict-with-comments.ini", workers=16, says=((5, "; tidy up"), (21, "; most"))),
    more("misspelt-names.ini", says=((5, "`vacuum`"), (6, "`threads`"), (7, "`processes`"), (8, "`py-autoreload`"), (9, "`logto`"))),
    more("flag-with-comment.ini", workers=2, says=((5, "counts as true"), (6, "counts as true"))),
    more("words-for-numbers.ini", workers=2, says=((5, "means off in uWSGI"),)),
    more("sizes-with-units.ini"),
    more("duplicate-sections.ini", workers=2),
    more("no-final-newline.ini", workers=2),
    more("percent-signs.ini", app="hello:application", env={"SITE_RATE": "90%"}, also={"percent-signs.py": "from hello import application\n"}),
    more("document.yaml", app="hello:app", workers=2, env={"SITE_NAME": "yaml"}),
    more("lists.yaml", app="other:application", workers=3, env=LISTS, differs="its YAML reader stops at a list and keeps quotes"),
    more("document.yml", app="mysite.wsgi:application", workers=2, cwd="@START@"),
    more("document.json", app="hello:app", workers=2, env=LISTS, differs="built without JSON"),
    more("document.xml", workers=2, env=LISTS),
    more("spaced.xml", app="hello:app", workers=2, says=((4, "blanks"), (5, "blanks")), differs="blanks are part of values"),
    more("document.toml", app="hello:app", workers=2, env=LISTS, differs="no TOML"),
    more("python2-plugin.ini", app="hello:app"),
    more("path-named-true.ini", says=((5, "a file called `true`"),)),
    more("touch-and-monitor.ini", workers=2),
    more("application-logs.ini"),
    more("standard-output.ini", workers=2),
    more("shared-import.ini", workers=2),
    more("set-and-placeholders.ini", workers=2),
    more("static-only.ini", ("file 127.0.0.1:@PORT@ /robots.txt",)),
    more("mount-at-root.ini", app="hello:app", workers=2),
    more("mount-below-path.ini", ("uwsgi @DIR@/site.sock /wiki/Start",), app="other:main", more={"script": "/wiki", "path": "/Start"}, cwd="@START@"),
    more("pyramid-style.ini", workers=2),
    more("numbers-of-options.ini", workers=2),
    more("second-mount.ini", says=((5, "no effect"),)),
    more("stats-with-words.ini", says=((3, "taken already"), (6, "--stats-http"), (7, "variable is removed"))),
]  # fmt: skip

REFUSALS = [
    Refusal("strict-with-placeholder.ini", 3, "set-placeholder"),
    Refusal("no-purpose.ini", 0, "nothing to serve"),
    Refusal("wrong-section.ini", 0, "[site]"),
    Refusal("number-expected.ini", 4, "`auto` is no number"),
    Refusal("address-without-port.ini", 2, "port"),
    Refusal("mode-too-long.ini", 3, "octal"),
    Refusal("unset-port.ini", 2, "set the environment variable"),
    Refusal("strict-unknown.ini", 5, "there is no such option"),
    Refusal("tls.ini", 3, "TLS"),
    Refusal("unended-block.ini", 3, "has no end"),
    Refusal("missing-include.ini", 4, "no such file"),
    Refusal("broken.json", 4, "JSON"),
    Refusal("broken.xml", 2, "XML"),
    Refusal("broken.yaml", 4, "YAML"),
    Refusal("missing-directory.ini", 3, "there is no directory", "chdir: cannot enter"),
    Refusal("forwarding-router.ini", 3, "proxy"),
]
