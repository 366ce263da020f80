"""Recorded requests, replayed byte by byte to both servers: the answer and the environ must be the same."""
import json

import pytest
from conftest import HERE
from harness import fastcgi
from observe import Neutral, compare, send, send_gateway, side_by_side


def load(name):
    return json.loads((HERE / "cases" / f"{name}.json").read_text())


def parameters(name, *protocols):
    return [
        pytest.param(protocol, entry, id=f"{protocol}-{entry['case']}") for protocol in protocols for entry in load(name)
    ]


def check(pair, group, protocol, entry):
    data = entry["request"].encode("latin-1")
    theirs, ours = pair.addresses(protocol)
    method = data.split(b" ")[0].decode("latin-1") if protocol.startswith("http") else entry["case"].upper()
    observed = side_by_side(lambda address: send(address, data, "HEAD" if method == "HEAD" else "GET"), (theirs, ours))
    found = compare(f"{group}/{protocol}/{entry['case']}", *observed, Neutral(theirs, ours))
    assert not found, "\n".join(["uWSGI -> Margrave", *found])


@pytest.mark.parametrize("protocol, entry", parameters("http", "http-socket", "http", "http11-socket"))
def test_http_request_is_seen_alike(capture, protocol, entry):
    check(capture, "environ", protocol, entry)


@pytest.mark.parametrize("protocol, entry", parameters("uwsgi", "uwsgi", "unix"))
def test_uwsgi_packet_is_seen_alike(capture, protocol, entry):
    check(capture, "environ", protocol, entry)


@pytest.mark.parametrize("protocol, entry", [*parameters("fastcgi", "fastcgi"), *parameters("scgi", "scgi")])
def test_request_of_a_gateway_is_seen_alike(capture, protocol, entry):
    data = entry["request"].encode("latin-1")
    places = capture.addresses(f"{protocol}-socket")
    unwrap = fastcgi.decode if protocol == "fastcgi" else bytes
    observed = side_by_side(lambda address: send_gateway(address, data, unwrap), places)
    found = compare(f"environ/{protocol}/{entry['case']}", *observed, Neutral(*places))
    assert not found, "\n".join(["uWSGI -> Margrave", *found])


@pytest.mark.parametrize("protocol, entry", parameters("special-variables", "uwsgi"))
def test_special_variable_is_seen_alike(capture, protocol, entry):
    check(capture, "special", protocol, entry)


@pytest.mark.parametrize("entry", [pytest.param(entry, id=entry["case"]) for entry in load("http")])
def test_http_request_through_nginx_is_seen_alike(capture, entry):
    if "nginx" not in capture.place["uwsgi"]:
        pytest.skip("NGINX IS MISSING")
    check(capture, "environ", "nginx", entry)
