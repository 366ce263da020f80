"""The Django site, as its visitors use it, over every transport."""
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import site_flows
from harness.browser import Browser
from harness.site import DIRECT, THROUGH_NGINX


@pytest.mark.parametrize("flow", site_flows.DJANGO, ids=lambda flow: flow.__name__)
@pytest.mark.parametrize("transport", DIRECT)
def test_django_flow_works_directly(django_site, transport, flow):
    flow(Browser(django_site.sender(transport)))


@pytest.mark.needs_nginx
@pytest.mark.parametrize("flow", site_flows.DJANGO, ids=lambda flow: flow.__name__)
@pytest.mark.parametrize("transport", THROUGH_NGINX)
def test_django_flow_works_through_nginx(django_front, transport, flow):
    flow(Browser(django_front.sender(transport)))


def test_ini_passes_the_environment_variable_on(django_site):
    page = Browser(django_site.sender("http")).get("/")
    assert "of the tests" in page.text


def test_pidfile_and_socket_are_named_after_the_ini(django_site):
    assert int((django_site.directory / "uwsgi.pid").read_text()) == django_site.server.pid
    assert (django_site.directory / "uwsgi.sock").stat().st_mode & 0o777 == 0o660


def test_visitors_at_the_same_time_do_not_meet(django_site):
    """Eight people book on one item at once; every booking counts."""
    first = Browser(django_site.sender("http"))
    site_flows.log_in(first)
    sku = site_flows.new_item(first, quantity=100)

    def visit(number):
        browser = Browser(django_site.sender(["http", "packets-unix"][number % 2]))
        site_flows.log_in(browser)
        for _ in range(3):
            page = browser.post(f"/items/{sku}/book/", {"amount": "-2", "reason": str(number)}, page=f"/items/{sku}/")
            assert page.status == 200 and "Booked -2" in page.text

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(visit, range(8)))
    assert 'id="quantity">52<' in first.get(f"/items/{sku}/").text


def test_stop_removes_pidfile_and_socket(django_template, serve, tmp_path, address):
    import shutil

    site = tmp_path / "site"
    shutil.copytree(django_template, site)
    text = (site / "uwsgi.ini").read_text().replace("127.0.0.1:8000", address)
    (site / "uwsgi.ini").write_text(text)
    server = serve(site / "uwsgi.ini", ready=str(site / "uwsgi.sock"), serving=address)
    assert server.stop() == 0
    assert not re.findall(r"\.(?:sock|pid)\b", " ".join(path.name for path in site.iterdir()))
