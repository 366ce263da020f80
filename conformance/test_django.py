"""More than sixty requests to the Django site on both servers, over HTTP, uwsgi packets and nginx."""
import re

import pytest
import site_flows
from harness import http, uwsgi_packets
from harness.browser import Browser
from harness.http import encode
from observe import Neutral, compare, observation, send, side_by_side

PROTOCOLS = ["http-socket", "http", "uwsgi", "nginx"]
TARGETS = [
    ("GET", "/"),
    ("HEAD", "/"),
    ("GET", "/?page=2"),
    ("GET", "/?page=8"),
    ("GET", "/?page=99"),
    ("GET", "/?page=x"),
    ("GET", "/?q=kettle"),
    ("GET", "/?q=cr%C3%A8me"),
    ("GET", "/?q=%FF%FE"),
    ("GET", "/?q=a+b&q=c"),
    ("GET", "/?category=books"),
    ("GET", "/?category=books&page=2"),
    ("GET", "/?category=none"),
    ("GET", "/items/B1001/"),
    ("HEAD", "/items/B1001/"),
    ("GET", "/items/B1001"),
    ("GET", "/items/none/"),
    ("GET", "/items/%C3%A9/"),
    ("GET", "/items/B1001%2F/"),
    ("GET", "/items/new/"),
    ("POST", "/items/B1001/"),
    ("POST", "/items/B1001/book/"),
    ("GET", "/items/B1001/book/"),
    ("GET", "/items/B1001/sheet/"),
    ("PUT", "/"),
    ("DELETE", "/"),
    ("OPTIONS", "/"),
    ("PATCH", "/"),
    ("GET", "/export.csv"),
    ("GET", "/export.csv?category=toys"),
    ("HEAD", "/export.csv"),
    ("POST", "/export.csv"),
    ("GET", "/api/items/"),
    ("GET", "/api/items/?page=3"),
    ("GET", "/api/items"),
    ("GET", "/api/items/K1060/"),
    ("HEAD", "/api/items/K1060/"),
    ("DELETE", "/api/items/K1060/"),
    ("PATCH", "/api/items/K1060/"),
    ("GET", "/api/items/none/"),
    ("GET", "/accounts/login/"),
    ("GET", "/accounts/login/?next=/items/new/"),
    ("GET", "/accounts/logout/"),
    ("GET", "/accounts/password_reset/"),
    ("GET", "/admin/"),
    ("GET", "/admin/login/"),
    ("GET", "/admin/inventory/item/"),
    ("GET", "/admin/jsi18n/"),
    ("GET", "/health/"),
    ("HEAD", "/health/"),
    ("GET", "/health"),
    ("GET", "//health/"),
    ("GET", "/./health/"),
    ("GET", "/x/../health/"),
    ("GET", "/health/?a=b;c=d"),
    ("GET", "/nowhere"),
    ("GET", "/nowhere/"),
    ("GET", "/%00"),
    ("GET", "/%"),
    ("GET", "/favicon.ico"),
    ("GET", "/static/inventory/site.css"),
    ("HEAD", "/static/inventory/site.css"),
    ("GET", "/static/inventory/mark.svg"),
    ("GET", "/static/admin/css/base.css"),
    ("GET", "/static/none.css"),
    ("GET", "/static/"),
    ("GET", "/static/../manage.py"),
    ("GET", "/static/%2e%2e/manage.py"),
    ("POST", "/static/inventory/site.css"),
]
FIELDS = [
    [("Accept-Language", "de"), ("Accept", "text/html"), ("User-Agent", "conformance/1")],
    [("Cookie", "sessionid=nothing; csrftoken=short")],
    [("If-Modified-Since", "Thu, 01 Jan 2099 00:00:00 GMT")],
    [("Host", "evil.example")],
    [("X-Forwarded-Host", "evil.example"), ("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https")],
    [("Range", "bytes=0-9")],
    [("Accept-Encoding", "gzip")],
]


def observed(pair, protocol, method, target, fields=(), body=None):
    """What both servers make of a request."""
    if protocol == "uwsgi":
        data = uwsgi_packets.encode(uwsgi_packets.variables(method, target, fields, body)) + (body or b"")
    else:
        data = encode(method, target, [*fields, ("Connection", "close")], body)
    return side_by_side(lambda address: send(address, data, method), pair.addresses(protocol))


def check(pair, group, protocol, method, target, fields=(), body=None):
    if protocol == "nginx" and "nginx" not in pair.place["uwsgi"]:
        pytest.skip("NGINX IS MISSING")
    theirs, ours = observed(pair, protocol, method, target, fields, body)
    found = compare(f"{group}/{protocol}/{method} {target}", theirs, ours, Neutral(*pair.addresses(protocol)))
    assert not found, "\n".join(["uWSGI -> Margrave", *found])


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("method, target", TARGETS, ids=[" ".join(row) for row in TARGETS])
def test_page_is_the_same(site, protocol, method, target):
    body = b"a=1" if method in ("POST", "PUT", "PATCH") else None
    check(site, "django", protocol, method, target, [("Content-Type", "application/x-www-form-urlencoded")] if body else (), body)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("fields", FIELDS, ids=[row[0][0] for row in FIELDS])
@pytest.mark.parametrize("target", ["/", "/static/inventory/site.css"])
def test_page_with_fields_is_the_same(site, protocol, fields, target):
    check(site, "django-fields", protocol, "GET", target, fields)


FLOWS = [site_flows.session_remembers, site_flows.bad_login, site_flows.csrf, site_flows.needs_login, site_flows.log_out, site_flows.search]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.__name__)
def test_visit_is_the_same(site, protocol, flow):
    """A whole visit with its cookies; every answer on the way is compared."""
    if protocol == "nginx" and "nginx" not in site.place["uwsgi"]:
        pytest.skip("NGINX IS MISSING")
    visits = []
    for address in site.addresses(protocol):
        answers = []
        module = uwsgi_packets if protocol == "uwsgi" else http

        def ask(method, target, fields, body, address=address, answers=answers, module=module):
            response = module.request(address, method, target, fields, body, host="127.0.0.1")
            answers.append((f"{method} {re.sub('[?].*', '', target)}", observation(response)))
            return response

        flow(Browser(ask))
        visits.append(answers)
    theirs, ours = visits
    assert [name for name, _ in theirs] == [name for name, _ in ours]
    neutral = Neutral(*site.addresses(protocol))
    for (name, left), (_, right) in zip(theirs, ours):
        found = compare(f"visit/{protocol}/{name}", left, right, neutral)
        assert not found, "\n".join([f"{name}: uWSGI -> Margrave", *found])
