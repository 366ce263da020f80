"""Middleware of the site."""
import time

try:
    import uwsgi
except ImportError:  # under `manage.py runserver` and in Django's own tests
    uwsgi = None


class ServedByMiddleware:
    """Says in the response which worker answered and how long the view took."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        start = time.perf_counter()
        response = self.get_response(request)
        response["X-Served-By"] = f"worker-{uwsgi.worker_id()}" if uwsgi else "django"
        response["Server-Timing"] = f"app;dur={(time.perf_counter() - start) * 1000:.1f}"
        return response
