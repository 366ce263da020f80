"""As Django names it."""
import os

import report

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
application = report.application("mysite.wsgi:application")
