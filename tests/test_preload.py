"""What is built between the load of an application and the first fork, and what is let go of after it."""
import re
import signal
import textwrap

import pytest
from harness import http, processes
from harness.waiting import until

pytestmark = pytest.mark.margrave_only(reason="the zygote is Margrave's")

SITE = """
import os
from django.conf import settings
settings.configure(
    ROOT_URLCONF="urls", ALLOWED_HOSTS=["*"], SECRET_KEY="x",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(os.path.dirname(__file__), "db")}},
)
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
"""

URLS = """
import os
from django.db import connection
from django.http import HttpResponse
from django.urls import path

IMPORTED_IN = os.getpid()
with connection.cursor() as cursor:
    cursor.execute("select 1")
OPENED = connection.connection

def view(request):
    own = connection.connection is not OPENED or OPENED is None
    return HttpResponse(f"{VERSION} preloaded={IMPORTED_IN != os.getpid()} own={own}")

urlpatterns = [path("", view)]
"""


@pytest.fixture
def site(tmp_path, ini, address, serve):
    (tmp_path / "site_of_test.py").write_text(textwrap.dedent(SITE))

    class Site:
        def urls(self, text):
            (tmp_path / "urls.py").write_text(text)

        def start(self, more=""):
            path = ini(f"chdir = %d\nmodule = site_of_test\nhttp-socket = {address}\n{more}\n")
            self.server = serve("--ini", path, serving=address)
            self.server.wait_log("serves after")

        def get(self):
            return http.get(address)

    return Site()


def test_urls_of_a_django_site_are_imported_before_the_fork_and_their_connections_closed(site):
    site.urls("VERSION = 'one'\n" + URLS)
    site.start()
    assert site.get().text == "one preloaded=True own=True"


def test_urls_are_left_to_the_first_request_when_asked(site):
    site.urls("VERSION = 'one'\n" + URLS)
    site.start("preload-urls = false")
    assert "preloaded=False" in site.get().text


def test_a_reload_into_views_that_cannot_be_imported_is_rolled_back(site):
    site.urls("VERSION = 'one'\n" + URLS)
    site.start()
    site.urls("import no_such_module\n" + URLS)
    site.server.send(signal.SIGHUP)
    site.server.wait_log("the old one serves on")
    assert re.search("URL configuration `urls` did not load: it needs the module `no_such_module`", site.server.log)
    assert site.get().text.startswith("one ")
    site.urls("VERSION = 'two'\n" + URLS)
    site.server.send(signal.SIGHUP)
    site.server.wait_log("generation 3 serves")
    assert site.get().text.startswith("two ")


def test_a_site_with_broken_urls_starts_as_under_uwsgi_and_says_so(site):
    site.urls("import no_such_module\n")
    site.start()
    assert site.get().status == 500
    assert "going on, because Django reads it only at the first request" in site.server.log


def test_processes_that_wait_hold_no_pages_of_files_that_only_the_start_has_needed(site):
    site.urls("VERSION = 'one'\n" + URLS)
    site.start("processes = 1")
    master = site.server.pid
    (zygote,) = processes.children(master)
    (worker,) = processes.children(zygote)
    assert site.get().text.startswith("one")
    # The worker has touched what a request needs; the zygote has imported everything.
    until(lambda: memory(zygote, "RssFile") < memory(worker, "RssFile"), what="the zygote to let go of files")
    until(lambda: memory(master, "RssFile") * 2 < memory(master, "VmHWM"), what="the master to let go of files")
    processes.kill(worker)
    until(lambda: worker not in processes.children(zygote) and processes.children(zygote), what="another worker")
    assert site.get().text.startswith("one")
    site.urls("VERSION = 'two'\n" + URLS)
    site.server.send(signal.SIGHUP)
    site.server.wait_log("generation 2 serves")
    assert site.get().text.startswith("two")
    # The zygote of the first generation goes when its worker has gone.
    until(lambda: zygote not in processes.children(master), what="the end of the first generation")
    ((zygote, worker),) = [(pid, *processes.children(pid)) for pid in processes.children(master)]
    until(lambda: memory(zygote, "RssFile") < memory(worker, "RssFile"), what="the next zygote to let go of files")


def memory(pid, name):
    """One of the sizes in /proc/pid/status, in KiB."""
    with open(f"/proc/{pid}/status") as file:
        lines = dict(line.split(":", 1) for line in file)
    return int(lines[name].split()[0])
