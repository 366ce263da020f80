"""The WSGI entry point: `module = stockroom.wsgi` in uwsgi.ini."""
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stockroom.settings")
application = get_wsgi_application()
