"""Static files: which path means which file, conditions, ranges, compressed neighbours, and what never gets out."""
import gzip
import os
import random
import re
import socket
import time
from email.utils import formatdate

import pytest
from harness import http, nginx, uwsgi_packets
from harness.address import connect, free_address
from harness.http import Reader, encode
from harness.waiting import until

own = pytest.mark.margrave_only
needs_nginx = pytest.mark.needs_nginx

APPLICATION = """
import os
def application(environ, start_response):
    if environ["PATH_INFO"] == "/wait":
        open(os.environ["GATE"]).read()
    start_response("200 OK", [("Content-Type", "text/x-app"), ("Content-Length", "3")])
    return [b"app"]
"""
# A whole second long ago, so that dates show it exactly and files count as settled.
MODIFIED = 1_700_000_000
DATE = formatdate(MODIFIED, usegmt=True)
EARLIER, LATER = formatdate(MODIFIED - 1, usegmt=True), formatdate(MODIFIED + 1, usegmt=True)
ALPHABET = b"abcdefghijklmnopqrstuvwxyz"

FILES = {
    "static/a.txt": ALPHABET,
    "static/empty.txt": b"",
    "static/a b+c%d.txt": b"odd name",
    "static/\u00e9.txt": "accent".encode(),
    "static/noext": b"no extension",
    "static/own.zzz": b"own type",
    "static/page.html": b"<p>page",
    "static/sub/index.html": b"index of sub",
    "static/both/index.htm": b"first index",
    "static/both/index.html": b"second index",
    "static/bare/file": b"in a directory without index",
    "static/script.py": b"skipped",
    "static/style.css": b"body { color: red }" * 20,
    "static/style.css.gz": gzip.compress(b"body { color: red }" * 20, mtime=0),
    "static/style.css.br": b"as if it were brotli",
    "static/style.css.zst": b"as if it were zstd",
    "static/only.js": b"only()",
    "static/only.js.gz": gzip.compress(b"only()", mtime=0),
    "static/page.html.gz": b"never asked for",
    "static-private/secret": b"secret",
    "tree/mapped/deep.txt": b"map2",
    "checked/robots.txt": b"checked",
    "checked/static/a.txt": b"checked comes first",
    "icon.ico": b"icon",
    "shared/linked.txt": b"shared",
    "docroot/root.txt": b"from the document root",
}


def make_files(directory):
    for name, content in FILES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    static = directory / "static"
    (static / "inside").symlink_to("a.txt")
    (static / "inside-absolute").symlink_to(static / "a.txt")
    (static / "outside").symlink_to("../static-private/secret")
    (static / "outside-absolute").symlink_to(directory / "static-private/secret")
    (static / "outside-directory").symlink_to(directory / "static-private")
    (static / "safe").symlink_to(directory / "shared/linked.txt")
    (static / "loop").symlink_to("loop")
    (static / "device").symlink_to("/dev/zero")
    os.mkfifo(static / "fifo")
    for path in directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            os.utime(path, (MODIFIED, MODIFIED))
    (directory / "types").write_text("text/x-own zzz\ntext/plain txt\ntext/css css\ntext/html html htm\ntext/javascript js\n")


def options(directory):
    """What all servers of this module share; the real uWSGI understands it without PCRE too."""
    return [
        "--static-map", f"/s={directory}/static",
        "--static-map", f"/favicon.ico={directory}/icon.ico",
        "--static-map2", f"/mapped={directory}/tree",
        "--static-index", "index.htm", "--static-index", "index.html",
        "--static-skip-ext", ".py",
        "--static-safe", f"{directory}/shared",
        "--static-gzip-ext", ".css", "--static-gzip-ext", ".js",
        "--static-expires-type", "text/css=3600", "--static-expires-type-mtime", "text/x-own=60",
        "--mime-file", f"{directory}/types",
        "--honour-range",
        "--add-header", "X-Added: yes",
    ]  # fmt: skip


class Site:
    """A server with every protocol, and the files behind it."""

    def __init__(self, directory, serve):
        self.directory = directory
        make_files(directory)
        (directory / "application.py").write_text(APPLICATION)
        self.http, self.uwsgi, self.fastcgi, self.scgi = (free_address() for _ in range(4))
        self.gate = directory / "gate"
        os.mkfifo(self.gate)
        self.server = serve(
            "--master", "--wsgi-file", "application.py", "--http-socket", self.http, "--uwsgi-socket", self.uwsgi,
            "--fastcgi-socket", self.fastcgi, "--scgi-socket", self.scgi, "--check-static", f"{directory}/checked",
            *options(directory), cwd=directory, env={"GATE": str(self.gate)}, ready=(self.uwsgi, self.fastcgi, self.scgi), serving=self.http,
        )  # fmt: skip

    def get(self, target, *fields, method="GET"):
        return http.request(self.http, method, target, fields)

    def tag(self, target, *fields):
        return self.get(target, *fields).get("ETag")


@pytest.fixture(scope="module")
def site(module_directory, serve_module):
    return Site(module_directory, serve_module)


# ---- which path means which file -------------------------------------------------------------------------------------

MEANT = {
    "/s/a.txt": (ALPHABET, "text/plain"),
    "/s//a.txt": (ALPHABET, "text/plain"),
    "/s/./a.txt": (ALPHABET, "text/plain"),
    "/s/sub/../a.txt": (ALPHABET, "text/plain"),
    "/s/a.txt?v=1": (ALPHABET, "text/plain"),
    "/s/%61.txt": (ALPHABET, "text/plain"),
    "/s/a%20b+c%25d.txt": (b"odd name", "text/plain"),
    "/s/%C3%A9.txt": (b"accent", "text/plain"),
    "/s/empty.txt": (b"", "text/plain"),
    "/s/own.zzz": (b"own type", "text/x-own"),
    "/s/page.html": (b"<p>page", "text/html"),
    "/s/sub": (b"index of sub", "text/html"),
    "/s/sub/": (b"index of sub", "text/html"),
    "/s/both/": (b"first index", "text/html"),
    "/s/inside": (ALPHABET, None),
    "/s/inside-absolute": (ALPHABET, None),
    "/s/safe": (b"shared", None),
    "/favicon.ico": (b"icon", None),
    "/mapped/deep.txt": (b"map2", "text/plain"),
    "/robots.txt": (b"checked", "text/plain"),
    "/static/a.txt": (b"checked comes first", "text/plain"),
}


@pytest.mark.parametrize("target", MEANT)
def test_a_path_leads_to_its_file(site, target):
    body, kind = MEANT[target]
    answer = site.get(target)
    assert (answer.status, answer.body) == (200, body)
    assert answer.get("Content-Length") == str(len(body))
    assert answer.get("X-Added") == "yes"
    if kind:
        assert answer.get("Content-Type") == kind


NEVER = [
    "/s/missing",
    "/s",
    "/s/",
    "/s/bare",
    "/s/bare/",
    "/s/a.txt/",
    "/s/a.txt/more",
    "/s/script.py",
    "/s/loop",
    "/s/fifo",
    "/s/device",
    "/s/../static-private/secret",
    "/s/sub/../../static-private/secret",
    "/s//../static-private/secret",
    "/s/..%5cstatic-private%5csecret",
    "/s/%252e%252e/static-private/secret",
    "/s/../../../../../../../../etc/passwd",
    "/s//etc/passwd",
    "/s/%2fetc/passwd",
    "/s/a.txt%00.py",
    "/s/%00",
    "/favicon.ico/../static-private/secret",
    "/../static-private/secret",
    "/mapped/../../static-private/secret",
]
# These get out of uWSGI, or are too long for it.
LEAKS = [
    "/s/outside",
    "/s/outside-absolute",
    "/s/outside-directory/secret",
    "/s/%2e%2e/static-private/secret",
    "/s/..%2fstatic-private/secret",
    "/s/%2E%2E%2Fstatic-private%2Fsecret",
    "/s/sub/%2e%2e/%2e%2e/static-private/secret",
    "/s/%2f../static-private/secret",
    "/s/a.txt%00",
    "/favicon.icons",
    "/" + "a" * 5000,
    "/s/" + "a/" * 1000,
]


@pytest.mark.parametrize("target", [*NEVER, *(pytest.param(target, marks=own) for target in LEAKS)], ids=lambda target: target[:60])
def test_what_is_no_file_below_its_directory_goes_to_the_application(site, target):
    answer = site.get(target)
    assert answer.status == 400 or answer.body == b"app", f"{answer.status} {answer.body[:60]!r}"


@own(reason="uWSGI compares plain prefixes, so that sibling directories leak")
@pytest.mark.parametrize("target", ["/sa.txt", "/static-private/secret", "/s-private/secret", "/s%2e%2e/static-private/secret"])
def test_a_mount_point_is_a_whole_segment(site, target):
    assert site.get(target).body == b"app"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"])
def test_other_methods_go_to_the_application(site, method):
    assert site.get("/s/a.txt", method=method).body == b"app"


@pytest.mark.parametrize("target", ["/s/a.txt", "/s/style.css", "/s/sub", "/s/empty.txt"])
def test_head_says_what_get_would(site, target):
    whole, head = site.get(target), site.get(target, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    dates = ("Date", "Expires")
    assert [one for one in head.fields if one[0] not in dates] == [one for one in whole.fields if one[0] not in dates]


def ask(serve, hello, address, directory, *options, app=None):
    """Starts a server with the files of the module and these options; a function that asks it."""
    make_files(directory)
    serve(*(app or ("--wsgi-file", hello)), "--http-socket", address, "--mime-file", f"{directory}/types", *options, cwd=directory, serving=address)
    return lambda target, *fields: http.get(address, target, list(fields))


@pytest.mark.parametrize("target, expected", [("/s/sub", None), ("/s/sub/", None), ("/s/sub/?x", None), ("/s/link.txt", None), ("/s/named.py", None),
                                              ("/s/a.txt", ALPHABET), ("/s/dir.py/a.txt", b"in"), ("/s/both/", None),
                                              ("/s/falls.txt", b"through")])  # fmt: skip
def test_what_is_skipped_is_neither_an_index_nor_behind_a_link(serve, hello, address, tmp_path, target, expected):
    for name, content in [("sub/index.py", b"source"), ("both/index.py", b"source"), ("both/later.html", b"later"), ("dir.py/a.txt", b"in")]:
        (tmp_path / "static" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "static" / name).write_bytes(content)
    for name, end in [("link.txt", "script.py"), ("named.py", "a.txt"), ("falls.txt", "script.py")]:
        (tmp_path / "static" / name).symlink_to(end)
    (tmp_path / "second").mkdir()
    (tmp_path / "second/falls.txt").write_bytes(b"through")
    get = ask(
        serve, hello, address, tmp_path, "--static-map", f"/s={tmp_path}/static", "--static-map", f"/s={tmp_path}/second",
        "--static-index", "index.py", "--static-index", "later.html", "--static-skip-ext", ".py",
    )  # fmt: skip
    for _ in range(4):  # what is asked for again comes from memory
        assert get(target).body == (b"hello" if expected is None else expected)


@pytest.mark.parametrize("target, expected", [("/app/s/a.txt", ALPHABET), ("/s/a.txt", ALPHABET), ("/app/sub/s/a.txt", ALPHABET),
                                              ("/app/app/inner/only.js", b"only()"), ("/app/both/a.txt", ALPHABET), ("/application/s/a.txt", b"hello"),
                                              ("/other/s/a.txt", b"hello"), ("/app/s/../../static-private/secret", b"hello")])  # fmt: skip
def test_a_map_is_below_the_mount_points_that_move_to_script_name(serve, hello, address, tmp_path, target, expected):
    get = ask(
        serve, hello, address, tmp_path, "--manage-script-name", "--static-map", f"/s={tmp_path}/static", "--static-map", f"/app/inner={tmp_path}/static",
        "--static-map", f"/both={tmp_path}/static", "--static-map", f"/app/both={tmp_path}/checked/static",
        app=("--mount", "/app=hello.py", "--mount", "/app/sub=hello.py"),
    )  # fmt: skip
    assert get(target).body == expected


def test_a_map_is_not_below_other_mount_points(serve, hello, address, tmp_path):
    get = ask(serve, hello, address, tmp_path, "--static-map", f"/s={tmp_path}/static", app=("--mount", "/app=hello.py"))
    assert get("/app/s/a.txt").body == b"hello"


@own(reason="uWSGI gives the whole path to the mounted application only")
def test_a_map_may_name_the_mount_point_too(serve, hello, address, tmp_path):
    get = ask(serve, hello, address, tmp_path, "--manage-script-name", "--static-map", f"/app/s={tmp_path}/static", app=("--mount", "/app=hello.py"))
    assert get("/app/s/a.txt").body == ALPHABET


@pytest.mark.parametrize("target, expected", [("/one", b"icon"), ("/one/", b"icon"), ("/one/a", b"icon"), ("/one/a/b.css", b"icon"), ("/one/a.py", None),
                                              ("/two", None), ("/two/x", None), ("/three", b"single"), ("/else", None)])  # fmt: skip
def test_a_map_to_a_file_answers_all_paths_below(serve, hello, address, tmp_path, target, expected):
    (tmp_path / "three").write_bytes(b"single")
    get = ask(
        serve, hello, address, tmp_path, "--static-map", f"/one={tmp_path}/icon.ico", "--static-map", f"/two={tmp_path}/static/script.py",
        "--static-map2", f"/three={tmp_path}", "--check-static", f"{tmp_path}/icon.ico", "--static-skip-ext", ".py",
    )  # fmt: skip
    assert get(target).body == (b"hello" if expected is None else expected)


# ---- conditions ------------------------------------------------------------------------------------------------------

# Stand for the tag that the file has, and for the same marked as weak.
TAG, WEAK = "TAG", "W/TAG"
# Fields of the request, and the status of the answer (RFC 9110, 13.2.2).
CONDITIONS = [
    ({"If-Modified-Since": DATE}, 304),
    ({"If-Modified-Since": LATER}, 304),
    ({"If-Modified-Since": EARLIER}, 200),
    ({"If-Modified-Since": "yesterday"}, 200),
    ({"If-Modified-Since": time.strftime("%A, %d-%b-%y %H:%M:%S GMT", time.gmtime(MODIFIED))}, 304),
    ({"If-Modified-Since": time.asctime(time.gmtime(MODIFIED))}, 304),
    ({"If-None-Match": TAG}, 304),
    ({"If-None-Match": WEAK}, 304),
    ({"If-None-Match": "*"}, 304),
    ({"If-None-Match": '"other", W/"more"'}, 200),
    ({"If-None-Match": '"other"', "If-Modified-Since": DATE}, 200),
    ({"If-None-Match": TAG, "If-Modified-Since": EARLIER}, 304),
    ({"If-Match": TAG}, 200),
    ({"If-Match": "*"}, 200),
    ({"If-Match": WEAK}, 412),
    ({"If-Match": '"other"'}, 412),
    ({"If-Unmodified-Since": DATE}, 200),
    ({"If-Unmodified-Since": LATER}, 200),
    ({"If-Unmodified-Since": EARLIER}, 412),
    ({"If-Match": TAG, "If-Unmodified-Since": EARLIER}, 200),
    ({"If-Match": '"other"', "If-None-Match": TAG}, 412),
    ({"If-Match": TAG, "If-None-Match": TAG}, 304),
    ({"If-Unmodified-Since": EARLIER, "If-None-Match": "*"}, 412),
    ({"If-Match": '"other"', "Range": "bytes=0-1"}, 412),
    ({"If-None-Match": TAG, "Range": "bytes=0-1"}, 304),
    ({"If-None-Match": '"other"', "Range": "bytes=0-1"}, 206),
    # Tags may hold bytes beyond ASCII (8.8.3).
    ({"If-None-Match": '"\u00e9"', "If-Modified-Since": DATE}, 200),
    ({"If-None-Match": '"\u00e9", TAG'}, 304),
    ({"If-Match": '"\u00e9"'}, 412),
    ({"If-Match": '"\u00e9", TAG'}, 200),
    ({"If-Range": '"\u00e9"', "Range": "bytes=0-1"}, 200),
]


def filled(fields, tag):
    return [(name, value.replace(TAG, tag)) for name, value in fields.items()]


@own(reason="uWSGI knows If-Modified-Since alone")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("fields, status", CONDITIONS, ids=str)
def test_preconditions_have_the_order_of_the_rfc(site, fields, status, method):
    answer = site.get("/s/a.txt", *filled(fields, site.tag("/s/a.txt")), method=method)
    # Ranges are for GET alone.
    assert answer.status == (200 if (method, status) == ("HEAD", 206) else status)
    assert answer.body == {("GET", 200): ALPHABET, ("GET", 206): b"ab"}.get((method, status), b"")
    if answer.status == 304:
        assert answer.get("ETag") == site.tag("/s/a.txt") and answer.get("Last-Modified") == DATE
        assert answer.get("Content-Length") is None and answer.get("X-Added") == "yes"


@own(reason="uWSGI sends no entity tag")
def test_an_entity_tag_is_strong_and_changes_with_the_file(site):
    path = site.directory / "static/changing.txt"
    seen = []
    for content, modified in [(b"one", MODIFIED), (b"two", MODIFIED + 1), (b"three", MODIFIED + 1), (b"three", MODIFIED + 1.5)]:
        path.write_bytes(content)
        os.utime(path, (modified, modified))
        answer = site.get("/s/changing.txt")
        assert answer.body == content
        seen.append(answer.get("ETag"))
    assert len(set(seen)) == 4 and all(re.fullmatch(r'"[^"]+"', tag) for tag in seen)
    assert site.get("/s/changing.txt", ("If-None-Match", seen[0])).status == 200
    assert site.get("/s/changing.txt", ("If-None-Match", seen[3])).status == 304


# ---- ranges ----------------------------------------------------------------------------------------------------------

ONE_RANGE = [
    ("bytes=0-0", 206, b"a", "bytes 0-0/26"),
    ("bytes=0-9", 206, b"abcdefghij", "bytes 0-9/26"),
    ("bytes=20-", 206, b"uvwxyz", "bytes 20-25/26"),
    ("bytes=-3", 206, b"xyz", "bytes 23-25/26"),
    ("bytes=20-100", 206, b"uvwxyz", "bytes 20-25/26"),
    ("bytes=25-25", 206, b"z", "bytes 25-25/26"),
    ("bytes=26-", 416, b"", "bytes */26"),
    ("bytes=99-100", 416, b"", "bytes */26"),
]
OWN_RANGE = [
    ("bytes=-100", 206, ALPHABET, "bytes 0-25/26"),
    ("BYTES=0-0", 206, b"a", "bytes 0-0/26"),
    ("bytes=0-0,99-", 206, b"a", "bytes 0-0/26"),
    ("bytes=20-99999999999999999999999", 206, b"uvwxyz", "bytes 20-25/26"),
    ("bytes=-0", 416, b"", "bytes */26"),
    ("bytes=99999999999999999999999-", 416, b"", "bytes */26"),
    ("bytes=5-2", 200, ALPHABET, None),
    ("bytes=a-b", 200, ALPHABET, None),
    ("bytes=+1-2", 200, ALPHABET, None),
    ("bytes=", 200, ALPHABET, None),
    ("bytes=0-25,0-25,0-25", 200, ALPHABET, None),
    ("bytes=" + ",".join(["0-"] * 2000), 200, ALPHABET, None),
    ("lines=0-1", 200, ALPHABET, None),
    ("0-1", 200, ALPHABET, None),
]


def check_range(site, value, status, body, content_range):
    answer = site.get("/s/a.txt", ("Range", value))
    assert (answer.status, answer.body, answer.get("Content-Range")) == (status, body, content_range)


@pytest.mark.parametrize("value, status, body, content_range", ONE_RANGE)
def test_a_range_gets_its_part(site, value, status, body, content_range):
    check_range(site, value, status, body, content_range)


@own(reason="uWSGI reads ranges loosely")
@pytest.mark.parametrize("value, status, body, content_range", OWN_RANGE, ids=lambda value: str(value)[:40])
def test_ranges_are_read_as_the_rfc_says(site, value, status, body, content_range):
    check_range(site, value, status, body, content_range)


def parts(answer):
    """Parts of a multipart/byteranges body: Content-Range and bytes."""
    boundary = re.fullmatch(r'multipart/byteranges; boundary="?([^"]+)"?', answer.get("Content-Type"))[1].encode()
    preamble, *found, end = answer.body.split(b"\r\n--" + boundary)
    assert (preamble, end) == (b"", b"--\r\n")
    for part in found:
        head, _, body = part.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().strip().split("\r\n"))
        assert fields["Content-Type"] == "text/plain"
        yield fields["Content-Range"], body


@own(reason="uWSGI gives the first of several ranges")
@pytest.mark.parametrize(
    "value, expected",
    [
        ("bytes=0-1,24-", [("bytes 0-1/26", b"ab"), ("bytes 24-25/26", b"yz")]),
        ("bytes=24-25 , 0-0", [("bytes 24-25/26", b"yz"), ("bytes 0-0/26", b"a")]),
        ("bytes=0-0,-1,5-5", [("bytes 0-0/26", b"a"), ("bytes 25-25/26", b"z"), ("bytes 5-5/26", b"f")]),
        ("bytes=0-12,13-25", [("bytes 0-12/26", ALPHABET[:13]), ("bytes 13-25/26", ALPHABET[13:])]),
    ],
)
def test_several_ranges_are_a_multipart(site, value, expected):
    for _ in range(3):  # from the file, and then from memory
        answer = site.get("/s/a.txt", ("Range", value))
        assert answer.status == 206 and answer.get("Content-Range") is None
        assert list(parts(answer)) == expected
    assert site.get("/s/a.txt", ("Range", value), method="HEAD").get("Content-Length") == "26"


@own(reason="uWSGI has no entity tags")
@pytest.mark.parametrize(
    "condition, status",
    [(TAG, 206), (WEAK, 200), ('"other"', 200), (DATE, 206), (EARLIER, 200), (LATER, 200), ("nonsense", 200)],
    ids=str,
)
def test_a_range_with_if_range_applies_to_what_the_client_has(site, condition, status):
    fields = filled({"Range": "bytes=0-1", "If-Range": condition}, site.tag("/s/a.txt"))
    assert site.get("/s/a.txt", *fields).status == status


@own(reason="uWSGI says 200 and nothing")
def test_an_empty_file_has_no_ranges(site):
    assert site.get("/s/empty.txt", ("Range", "bytes=0-")).get("Content-Range") == "bytes */0"


@own(reason="uWSGI has it off unless asked for")
def test_ranges_can_be_turned_off(serve, hello, ini, address, tmp_path):
    (tmp_path / "f.txt").write_bytes(ALPHABET)
    serve(ini(f"wsgi-file = hello.py\nhttp-socket = {address}\ncheck-static = {tmp_path}\nhonour-range = false\n"), serving=address)
    answer = http.get(address, "/f.txt", [("Range", "bytes=0-1")])
    assert (answer.status, answer.body, answer.get("Accept-Ranges")) == (200, ALPHABET, None)


# ---- compressed neighbours -------------------------------------------------------------------------------------------

CODINGS = [
    ("/s/style.css", "gzip", "gzip", ".gz"),
    ("/s/style.css", "br", "br", ".br"),
    ("/s/style.css", "gzip, deflate, br", "br", ".br"),
    ("/s/only.js", "br, gzip", "gzip", ".gz"),
    ("/s/page.html", "gzip", None, ""),
    ("/s/a.txt", "gzip", None, ""),
    ("/s/style.css", "deflate", None, ""),
]
OWN_CODINGS = [
    ("/s/style.css", "zstd", "zstd", ".zst"),
    ("/s/style.css", "gzip, deflate, br, zstd", "br", ".br"),
    ("/s/style.css", "gzip;q=1.0, br;q=0.2, zstd;q=0.5", "gzip", ".gz"),
    ("/s/style.css", "gzip;q=0", None, ""),
    ("/s/style.css", "br;q=0, gzip;q=0.001", "gzip", ".gz"),
    ("/s/style.css", "*", "br", ".br"),
    ("/s/style.css", "*;q=0", None, ""),
    ("/s/style.css", "identity;q=1, *;q=0.5", None, ""),
    ("/s/style.css", "xbr, notgzip", None, ""),
    ("/s/style.css", "GZIP", "gzip", ".gz"),
    ("/s/only.js", "br", None, ""),
]


def check_coding(site, target, accepted, coding, suffix):
    kind = site.get(target).get("Content-Type")
    for _ in range(3):  # from the file, and then from memory
        answer = site.get(target, ("Accept-Encoding", accepted))
        assert (answer.status, answer.get("Content-Encoding")) == (200, coding)
        assert answer.body == FILES["static" + target.removeprefix("/s") + suffix]
        assert answer.get("Content-Type") == kind


@pytest.mark.parametrize("target, accepted, coding, suffix", CODINGS)
def test_a_client_gets_the_neighbour_that_it_takes(site, target, accepted, coding, suffix):
    check_coding(site, target, accepted, coding, suffix)


@own(reason="uWSGI looks for the word anywhere in the field, and knows no weights")
@pytest.mark.parametrize("target, accepted, coding, suffix", OWN_CODINGS)
def test_codings_have_weights(site, target, accepted, coding, suffix):
    check_coding(site, target, accepted, coding, suffix)


@own(reason="uWSGI sends neither")
def test_codings_are_told_apart_by_caches(site):
    tags = set()
    for accepted in ("", "gzip", "br", "zstd"):
        answer = site.get("/s/style.css", ("Accept-Encoding", accepted))
        assert answer.get("Vary") == "Accept-Encoding"
        tags.add(answer.get("ETag"))
    assert len(tags) == 4
    assert site.get("/s/a.txt").get("Vary") is None
    tag = site.tag("/s/style.css", ("Accept-Encoding", "br"))
    assert site.get("/s/style.css", ("Accept-Encoding", "br"), ("If-None-Match", tag)).status == 304
    assert site.get("/s/style.css", ("Accept-Encoding", "gzip"), ("If-None-Match", tag)).status == 200
    part = site.get("/s/style.css", ("Accept-Encoding", "br"), ("Range", "bytes=0-4"))
    assert (part.status, part.body, part.get("Content-Encoding")) == (206, b"as if"[:5], "br")


@pytest.mark.parametrize("named, expected", [("static", "gzip"), ("static-private", None)])
def test_a_directory_of_compressed_files_may_be_behind_a_link(serve, hello, address, tmp_path, named, expected):
    (tmp_path / "current").symlink_to("static")
    get = ask(serve, hello, address, tmp_path, "--static-map", "/s=current", "--static-gzip-dir", f"{tmp_path.resolve()}/{named}")
    for _ in range(4):
        assert get("/s/only.js", ("Accept-Encoding", "gzip")).get("Content-Encoding") == expected


# ---- expiry ----------------------------------------------------------------------------------------------------------


def test_expiry_follows_the_media_type(site):
    before = time.time()
    answer = site.get("/s/style.css")
    expected = {formatdate(int(before) + second, usegmt=True) for second in range(3600, 3605)}
    assert answer.get("Expires") in expected
    assert site.get("/s/own.zzz").get("Expires") == formatdate(MODIFIED + 60, usegmt=True)
    assert site.get("/s/a.txt").get("Expires") is None


# Option, target, seconds behind the file's time. The first subject with a match decides.
EXPIRES = [
    (["static-expires-mtime = /e/a\\.txt$ 10"], "/e/a.txt", 10),
    (["static-expires-mtime = /e/a\\.txt$ 10"], "/e/b.txt", None),
    (["static-expires-mtime = /* 10"], "/e/b.txt", 10),
    (["static-expires-uri-mtime = \\?v=\\d 20"], "/e/a.txt?v=1", 20),
    (["static-expires-uri-mtime = \\?v=\\d 20"], "/e/a.txt", None),
    (["static-expires-path-info-mtime = ^/e/a 30"], "/e/a.txt?v=1", 30),
    (["static-expires-type-mtime = text/plain=40"], "/e/a.txt", 40),
    (["static-expires-type-mtime = text/html=40"], "/e/a.txt", None),
    (["static-expires-mtime = nothing 1", "static-expires-mtime = txt 2", "static-expires-mtime = a 3"], "/e/a.txt", 2),
    (["static-expires-type-mtime = text/plain=4", "static-expires-uri-mtime = a 3", "static-expires-path-info-mtime = a 2"], "/e/a.txt", 2),
    (["static-expires-type-mtime = text/plain=4", "static-expires-uri-mtime = a 3", "static-expires-mtime = a 1"], "/e/a.txt", 1),
]


@own(reason="the real uWSGI of the tests is built without PCRE, and would send several Expires")
@pytest.mark.parametrize("lines, target, seconds", EXPIRES, ids=str)
def test_expiry_follows_path_and_address(serve, hello, ini, address, tmp_path, lines, target, seconds):
    (tmp_path / "e").mkdir()
    for name in "ab":
        (tmp_path / f"e/{name}.txt").write_bytes(b"x")
        os.utime(tmp_path / f"e/{name}.txt", (MODIFIED, MODIFIED))
    text = "\n".join(["wsgi-file = hello.py", f"http-socket = {address}", f"check-static = {tmp_path}", *lines])
    serve(ini(text + "\n"), serving=address)
    expected = seconds and formatdate(MODIFIED + seconds, usegmt=True)
    assert http.get(address, target).get("Expires") == expected


@own(reason="the real uWSGI of the tests is built without PCRE")
def test_expiry_follows_the_real_path(serve, hello, address, tmp_path):
    (tmp_path / "current").symlink_to("static")
    get = ask(
        serve, hello, address, tmp_path, "--static-map", "/s=current", "--static-expires-mtime", f"^{tmp_path.resolve()}/static/a 10",
        "--static-expires-mtime", "current/own 20",
    )  # fmt: skip
    for name, seconds in [("a.txt", 10), ("own.zzz", 20), ("noext", None)]:
        assert get(f"/s/{name}").get("Expires") == (seconds and formatdate(MODIFIED + seconds, usegmt=True))


# ---- where the bytes come from ---------------------------------------------------------------------------------------


@own(reason="a uWSGI with one thread has nobody left to answer")
def test_files_are_answered_while_every_thread_is_busy(site):
    with connect(site.http, 20) as waiting:
        waiting.sendall(encode("GET", "/wait"))
        with open(opened_by_a_reader(site.gate), "w") as gate:
            for target in ("/s/a.txt", "/s/style.css", "/favicon.ico"):
                assert site.get(target).status == 200
            waiting.settimeout(0.2)
            with pytest.raises(socket.timeout):
                waiting.recv(1)
            gate.write("go")
        waiting.settimeout(20)
        assert Reader(waiting).response().body == b"app"


def opened_by_a_reader(gate):
    """Writing end of a FIFO, once somebody has opened it for reading."""

    def look():
        try:
            return os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return None

    return until(look, 20, lambda: "the application to open its gate")


@own(reason="uWSGI follows a link into a sibling directory")
def test_a_change_shows_at_once(site):
    path = site.directory / "static/hot.txt"
    for content in (b"first", b"second", b"longer than before", b"short"):
        path.write_bytes(content)
        os.utime(path, (MODIFIED, MODIFIED))
        for _ in range(4):
            assert site.get("/s/hot.txt").body == content
    path.unlink()
    assert site.get("/s/hot.txt").body == b"app"
    path.symlink_to(site.directory / "static-private/secret")
    assert site.get("/s/hot.txt").body == b"app"


@own(reason="a uWSGI with one thread serves nobody else meanwhile")
def test_a_large_file_reaches_a_slow_client_whole(site):
    content = random.Random(5).randbytes(8_000_000)
    (site.directory / "static/large.bin").write_bytes(content)
    with connect(site.http, 30) as link:
        link.sendall(encode("GET", "/s/large.bin", [("Connection", "close")]))
        # More than the socket's buffers hold: the rest waits for this client, and nobody else does.
        assert site.get("/s/a.txt").body == ALPHABET
        assert Reader(link).response().body == content
    part = site.get("/s/large.bin", ("Range", "bytes=1000000-6999999"))
    assert part.status == 206 and part.body == content[1_000_000:7_000_000]


@own(reason="uWSGI closes a connection of http-socket after each answer")
def test_requests_behind_a_file_on_one_connection_are_answered_in_order(site):
    wanted = [("/s/a.txt", ALPHABET), ("/s/large-enough", b"y" * 300_000), ("/app", b"app"), ("/s/style.css", FILES["static/style.css"])]
    (site.directory / "static/large-enough").write_bytes(b"y" * 300_000)
    with connect(site.http, 20) as link:
        link.sendall(b"".join(encode("GET", target) for target, _ in wanted * 3))
        reader = Reader(link)
        for _, body in wanted * 3:
            assert reader.response().body == body


# ---- protocols -------------------------------------------------------------------------------------------------------

OVER_ALL = [
    ("GET", "/s/a.txt", [], 200, ALPHABET),
    ("HEAD", "/s/a.txt", [], 200, b""),
    ("GET", "/s/style.css", [("Accept-Encoding", "gzip")], 200, FILES["static/style.css.gz"]),
    ("GET", "/s/a.txt", [("Range", "bytes=0-1")], 206, b"ab"),
    ("GET", "/s/a.txt", [("If-Modified-Since", DATE)], 304, b""),
    ("GET", "/s/large.bin", [], 200, None),
    ("POST", "/s/a.txt", [], 200, b"app"),
    ("GET", "/s/missing", [], 200, b"app"),
]


@pytest.fixture(scope="module")
def front(site, module_directory):
    (site.directory / "static/large.bin").write_bytes(random.Random(5).randbytes(8_000_000))
    locations = {
        "uwsgi": nginx.uwsgi_pass(site.uwsgi),
        "fastcgi": nginx.fastcgi_pass(site.fastcgi),
        "scgi": nginx.scgi_pass(site.scgi),
        "http": nginx.proxy_pass(site.http),
    }
    with nginx.Nginx(module_directory / "nginx-static", locations) as running:
        running.begin()
        yield running.addresses


@needs_nginx
@pytest.mark.parametrize("protocol", ["uwsgi", "fastcgi", "scgi", "http"])
@pytest.mark.parametrize("method, target, fields, status, body", OVER_ALL, ids=lambda value: str(value)[:30])
def test_files_go_out_over_every_protocol(site, front, protocol, method, target, fields, status, body):
    answer = http.request(front[protocol], method, target, fields)
    expected = (site.directory / "static/large.bin").read_bytes() if body is None else body
    assert answer.status == status and answer.body == expected


@own(reason="uWSGI gives the first of several ranges")
@needs_nginx
@pytest.mark.parametrize("protocol", ["uwsgi", "fastcgi", "scgi"])
def test_several_ranges_go_out_over_every_protocol(front, protocol):
    answer = http.get(front[protocol], "/s/a.txt", [("Range", "bytes=0-1,24-")])
    assert list(parts(answer)) == [("bytes 0-1/26", b"ab"), ("bytes 24-25/26", b"yz")]


@pytest.mark.parametrize("target, root, expected", [("/root.txt", "docroot", b"from the document root"), ("/root.txt", "", b"hello"),
                                                    ("/../static-private/secret", "docroot", b"hello")])  # fmt: skip
def test_the_front_server_s_document_root_is_looked_into(serve, hello, address, tmp_path, target, root, expected):
    make_files(tmp_path)
    serve("--wsgi-file", hello, "--socket", address, "--check-static-docroot", ready=address)
    variables = dict(uwsgi_packets.variables("GET", target))
    variables["DOCUMENT_ROOT"] = str(tmp_path / root) if root else ""
    with connect(address, 20) as link:
        link.sendall(uwsgi_packets.encode(variables.items()))
        assert Reader(link).response().body == expected


@pytest.mark.parametrize("mode, name", [("nginx", "X-Accel-Redirect"), ("x-accel-redirect", "X-Accel-Redirect"), ("x-sendfile", "X-Sendfile")])
def test_the_front_server_may_send_the_file(serve, hello, address, tmp_path, mode, name):
    (tmp_path / "f.txt").write_bytes(ALPHABET)
    serve("--wsgi-file", hello, "--http-socket", address, "--static-map", f"/s={tmp_path}", "--file-serve-mode", mode, serving=address)
    answer = http.get(address, "/s/f.txt")
    assert (answer.status, answer.body, answer.get(name)) == (200, b"", str(tmp_path / "f.txt"))
    assert http.get(address, "/s/none").body == b"hello"


@own(reason="uWSGI names the compressed file, whose coding nginx does not tell the client")
@pytest.mark.parametrize("mode, name", [("nginx", "X-Accel-Redirect"), ("x-sendfile", "X-Sendfile")])
def test_a_front_server_is_never_given_a_coding_that_it_would_hide(serve, hello, address, tmp_path, mode, name):
    get = ask(serve, hello, address, tmp_path, "--static-map", f"/s={tmp_path}/static", "--static-gzip-all", "--file-serve-mode", mode)
    answer = get("/s/style.css", ("Accept-Encoding", "gzip"))
    assert (answer.get(name), answer.get("Content-Encoding"), answer.get("Vary")) == (f"{tmp_path}/static/style.css", None, None)


# ---- configuration ---------------------------------------------------------------------------------------------------

WRONG = [
    ("static-map = nothing", "static-map"),
    ("static-expires = no-time", "static-expires"),
    ("static-expires = (unclosed 60", "static-expires"),
    ("static-expires-type = text/css", "static-expires-type"),
    ("static-expires-type = text/css=soon", "static-expires-type"),
    ("static-gzip = [", "static-gzip"),
    ("file-serve-mode = carrier-pigeon", "file-serve-mode"),
    ("static-memory = much", "static-memory"),
]


@own(reason="it speaks of files and lines")
@pytest.mark.parametrize("line, option", WRONG)
def test_a_wrong_option_is_named_with_its_line(serve, hello, ini, address, line, option):
    server = serve(ini(f"http-socket = {address}\nwsgi-file = hello.py\n{line}\n"))
    assert server.process.wait(20) != 0
    assert re.search(rf"app\.ini:4: {option}: ", server.log), server.log
