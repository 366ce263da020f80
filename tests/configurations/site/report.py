"""What an application sees of the configuration that started it, as JSON."""
import json
import os
import sys

import uwsgi

SHOWN = ("DJANGO_", "SITE_", "STAGE")


def application(name):
    """A WSGI application that tells who it is and how it was started."""

    def answer(environ, start_response):
        body = {
            "app": name,
            "cwd": os.getcwd(),
            "script": environ.get("SCRIPT_NAME", ""),
            "path": environ.get("PATH_INFO", ""),
            "workers": uwsgi.numproc,
            "env": {key: value for key, value in os.environ.items() if key.startswith(SHOWN)},
            "argv": sys.argv[1:],
            "user": os.getuid(),
        }
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(body).encode()]

    return answer
