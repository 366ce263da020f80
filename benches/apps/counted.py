"""The application that `COUNTED` names, whose instructions valgrind counts from `/count` to `/dump`."""

import ctypes
import importlib
import os

served = importlib.import_module(os.environ["COUNTED"]).application
ORDERS = {"/count": "count_instructions", "/dump": "dump_instructions"}


def application(environ, start_response):
    order = ORDERS.get(environ["PATH_INFO"])
    if order is None:
        return served(environ, start_response)
    getattr(ctypes.CDLL(None), order)()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
