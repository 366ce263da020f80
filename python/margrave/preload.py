"""Between the load of the applications and the first fork: what every worker would build for itself is built once.

It costs less memory, and a mistake that would only show at the first request shows while the old generation still serves.
"""

import io
import os
import sys
import time

from margrave import loader, report

# `warmup`: so many requests at most, and none after so long.
WARM_UP_REQUESTS = 10
WARM_UP_SECONDS = 0.1


def prepare(settings, apps):
    """Builds what can be built; raises ``LoadError`` when a reload should not go on with what is there."""
    python = settings["python"]
    if apps and python["preload_urls"]:
        load_django_urls()
    if apps and python["warmup"]:
        warm_up(python["warmup"], apps[0].callable)
    close_django_connections()


def load_django_urls():
    """Imports the URL configuration of a Django site, and with it its views, which Django itself does at the first request.

    One that cannot be imported fails a reload, so that the old code serves on. At the start there is nothing better
    than a site of which some parts may work, as with uWSGI: the failure is logged.
    """
    if not is_django_ready():
        return
    from django.urls import get_resolver

    try:
        get_resolver().url_patterns
    except BaseException as error:
        failure = loader.explain(error, f"the URL configuration `{root_urls()}`", None)
        if is_reload():
            raise failure from None
        report.write(f"{failure}; going on, because Django reads it only at the first request")


def is_django_ready():
    """Whether Django is set up in this process; it is never imported for the question."""
    registry = getattr(sys.modules.get("django.apps"), "apps", None)
    return bool(getattr(registry, "ready", False)) and root_urls() is not None


def root_urls():
    settings = getattr(sys.modules.get("django.conf"), "settings", None)
    return getattr(settings, "ROOT_URLCONF", None) if getattr(settings, "configured", False) else None


def is_reload():
    return int(os.environ.get("UWSGI_RELOADS") or 0) > 0


def close_django_connections():
    """Closes database connections that were opened at import: workers would share them, and mix up each other's answers.

    Each opens its own at its first query.
    """
    database = sys.modules.get("django.db")
    if database is None or not is_django_ready():
        return
    try:
        database.connections.close_all()
    except Exception as error:
        report.write("the database connections that were opened at import cannot be closed; workers share them")
        report.exception(error)


def warm_up(path, application):
    """Requests ``path``, so that what the first requests build is shared by all workers.

    Several times, if they take no time: CPython rewrites the code that runs often, and each worker would for itself.
    """
    until = time.monotonic() + WARM_UP_SECONDS
    for _ in range(WARM_UP_REQUESTS):
        if not request(path, application) or time.monotonic() >= until:
            break


def request(path, application):
    """Requests ``path`` once; whether it was answered."""
    environ = {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": path,
        "PATH_INFO": path.partition("?")[0],
        "QUERY_STRING": path.partition("?")[2],
        "SCRIPT_NAME": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "margrave.warmup": True,
    }
    body = None
    try:
        body = application(environ, lambda status, headers, exc_info=None: (lambda data: None))
        for _block in body:
            pass
        return True
    except BaseException as error:
        report.write(f"warmup: the request for `{path}` failed; workers start without it")
        report.exception(error)
        return False
    finally:
        if hasattr(body, "close"):
            body.close()
