"""Exceptions in the log: the whole traceback, once, in one piece.

An application that has set ``sys.excepthook`` (error collectors do) gets it called, as uWSGI does.
"""

import sys
import traceback as _traceback


def traceback(error):
    """The traceback of ``error`` and of what caused it, as text."""
    return "".join(_traceback.format_exception(type(error), error, error.__traceback__))


def exception(error):
    """Writes the traceback of ``error`` to the log."""
    hook = sys.excepthook
    if hook is not sys.__excepthook__:
        try:
            hook(type(error), error, error.__traceback__)
            return
        except BaseException as second:  # a broken hook must not hide the error
            write(traceback(second))
    write(traceback(error))


def write(text):
    """Writes ``text`` to the log in one piece, so that several processes do not mix their lines."""
    stream = sys.stderr if sys.stderr is not None else sys.__stderr__
    if stream is not None:
        stream.write(text if text.endswith("\n") else text + "\n")
        stream.flush()
