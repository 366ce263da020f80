"""What uWSGI's ``uwsgidecorators`` offers, as far as this Margrave has the functions beneath.

Imported by applications as ``uwsgidecorators``. Decorators whose feature is not built raise ``NotImplementedError`` when
they are used, not at import.
"""

import functools
import threading

import uwsgi

_post_fork = []


def _run_post_fork():
    for function in _post_fork:
        function()


_previous = uwsgi.__dict__.get("post_fork_hook")
if _previous is not None:
    _post_fork.append(_previous)
uwsgi.post_fork_hook = _run_post_fork


def postfork(function=None, *, wid=0):
    """``@postfork`` runs a function in every new worker, ``@postfork(n)`` only in worker ``n``."""
    if isinstance(function, int):
        function, wid = None, function
    if function is None:
        return lambda function: postfork(function, wid=wid)

    @functools.wraps(function)
    def only_there():
        if not wid or uwsgi.worker_id() == wid:
            function()

    _post_fork.append(only_there)
    return function


def lock(function):
    """Runs a function under lock 0."""

    @functools.wraps(function)
    def locked(*args, **kwargs):
        uwsgi.lock()
        try:
            return function(*args, **kwargs)
        finally:
            uwsgi.unlock()

    return locked


def thread(function):
    """Each call starts a daemon thread and returns the function."""

    @functools.wraps(function)
    def started(*args, **kwargs):
        threading.Thread(target=function, args=args, kwargs=kwargs, daemon=True).start()
        return function

    return started


def harakiri(seconds):
    """Gives each call a deadline of its own."""

    def decorator(function):
        @functools.wraps(function)
        def limited(*args, **kwargs):
            uwsgi.set_user_harakiri(seconds)
            try:
                return function(*args, **kwargs)
            finally:
                uwsgi.set_user_harakiri(0)

        return limited

    return decorator


def _not_built(name):
    def decorator(*args, **kwargs):
        raise NotImplementedError(f"uwsgidecorators.{name}: this Margrave does not have the feature beneath it yet")

    decorator.__name__ = name
    return decorator


for _name in (
    "spool spoolraw spoolforever timer rbtimer mstimer cron filemon signal mulefunc mule muleloop mulemsg farm rpc erlang"
).split():
    globals()[_name] = _not_built(_name)
