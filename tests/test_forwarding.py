"""What proxies say of the client: believed of those that `forwarded-allow` names, and plain fields otherwise."""
import pytest
from conftest import APPS
from harness import http, uwsgi_packets
from harness.address import free_address

pytestmark = pytest.mark.margrave_only(reason="it believes everybody, and knows no Forwarded")

XFP, XFS, XFF, FORWARDED = "X-Forwarded-Proto", "X-Forwarded-SSL", "X-Forwarded-For", "Forwarded"

# Options, fields, the scheme, REMOTE_ADDR.
CASES = [
    ([], [], "http", "127.0.0.1"),
    ([], [(XFP, "https")], "https", "127.0.0.1"),
    ([], [(XFS, "on")], "https", "127.0.0.1"),
    ([], [(FORWARDED, "for=9.9.9.9;proto=https")], "https", "127.0.0.1"),
    ([], [(FORWARDED, 'For="[2001:db8::9]:99";Proto=HTTPS')], "https", "127.0.0.1"),
    ([], [(XFP, "http"), (FORWARDED, "proto=https")], "http", "127.0.0.1"),
    ([], [(FORWARDED, "proto=https, for=9.9.9.9;proto=http")], "http", "127.0.0.1"),
    ([], [(FORWARDED, 'proto="https')], "http", "127.0.0.1"),
    ([], [(XFF, "9.9.9.9")], "http", "127.0.0.1"),
    (["--forwarded-remote-addr"], [(XFF, "9.9.9.9")], "http", "9.9.9.9"),
    (["--forwarded-remote-addr"], [(XFF, "1.1.1.1, 9.9.9.9, 10.0.0.1")], "http", "9.9.9.9"),
    (["--forwarded-remote-addr"], [(XFF, ",1.1.1.1, 9.9.9.9,, 10.0.0.1,")], "http", "9.9.9.9"),
    (["--forwarded-remote-addr"], [(FORWARDED, ',for=9.9.9.9;by="a\\",";proto=https,')], "https", "9.9.9.9"),
    (["--forwarded-remote-addr"], [(XFF, "unknown")], "http", "127.0.0.1"),
    (["--forwarded-remote-addr"], [(FORWARDED, "for=9.9.9.9:80;proto=https")], "https", "9.9.9.9"),
    (["--forwarded-remote-addr"], [], "http", "127.0.0.1"),
    (["--forwarded-allow", "none"], [(XFP, "https"), (XFF, "9.9.9.9"), (FORWARDED, "proto=https")], "http", "127.0.0.1"),
    (["--forwarded-allow", "10.0.0.0/8", "--forwarded-remote-addr"], [(XFP, "https"), (XFF, "9.9.9.9")], "http", "127.0.0.1"),
    (["--forwarded-allow", "*", "--forwarded-remote-addr"], [(XFF, "1.1.1.1, 9.9.9.9")], "http", "1.1.1.1"),
]  # fmt: skip


@pytest.mark.parametrize("options", sorted({tuple(row[0]) for row in CASES}), ids=" ".join)
def test_forwarding_fields_count_where_they_are_believed(serve, options):
    address = free_address()
    serve("--chdir", APPS, "--wsgi-file", "probe.py", "--http-socket", address, *options, serving=address)
    for _, fields, scheme, client in [row for row in CASES if tuple(row[0]) == options]:
        seen = http.get(address, "/environ", fields).json()["environ"]
        assert (seen["wsgi.url_scheme"], seen["REMOTE_ADDR"]) == (scheme, client), fields
        for name, value in fields:
            assert seen["HTTP_" + name.upper().replace("-", "_")] == value, "the application sees it in any case"


def test_client_of_a_trusted_front_server_is_not_believed_further(serve):
    """What the front server says of its own client holds; what that client says about others does not."""
    address = free_address()
    serve("--chdir", APPS, "--wsgi-file", "probe.py", "--socket", address, "--forwarded-remote-addr", ready=address)
    for remote, expected in (("8.8.8.8", "8.8.8.8"), ("10.0.0.7", "9.9.9.9")):
        packet = uwsgi_packets.encode([*uwsgi_packets.variables("GET", "/environ", [(XFF, "9.9.9.9")]), ("REMOTE_ADDR", remote)])
        answer = uwsgi_packets.exchange(address, packet)
        assert f'"REMOTE_ADDR": "{expected}"'.encode() in answer


def test_log_shows_the_client_that_a_believed_proxy_names(serve):
    address = free_address()
    server = serve("--chdir", APPS, "--wsgi-file", "probe.py", "--http-socket", address, "--log-x-forwarded-for",
                   serving=address)  # fmt: skip
    for fields, shown in ([(XFF, "9.9.9.9")], "9.9.9.9"), ([(FORWARDED, "for=7.7.7.7")], "7.7.7.7"), ([], "127.0.0.1"):
        target = f"/one?{shown}"
        http.get(address, target, fields)
        server.wait_log(target.replace("?", r"\?"))
        line = next(line for line in server.log.splitlines() if target in line)
        assert f" {shown} " in line, line
