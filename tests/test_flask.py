"""The Flask application, made by its factory, over every transport."""
import pytest
import site_flows
from harness.browser import Browser
from harness.site import DIRECT, THROUGH_NGINX


@pytest.mark.parametrize("flow", site_flows.FLASK, ids=lambda flow: flow.__name__)
@pytest.mark.parametrize("transport", DIRECT)
def test_flask_flow_works_directly(flask_site, transport, flow, under_test):
    if under_test.name == "uwsgi" and flow is site_flows.too_large:
        pytest.skip("uWSGI cuts the connection when the application leaves the body unread")
    flow(Browser(flask_site.sender(transport)))


@pytest.mark.needs_nginx
@pytest.mark.parametrize("flow", site_flows.FLASK, ids=lambda flow: flow.__name__)
@pytest.mark.parametrize("transport", THROUGH_NGINX)
def test_flask_flow_works_through_nginx(flask_front, transport, flow, under_test):
    if under_test.name == "uwsgi" and flow is site_flows.too_large:
        pytest.skip("uWSGI cuts the connection when the application leaves the body unread")
    flow(Browser(flask_front.sender(transport)))
