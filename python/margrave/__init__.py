"""Margrave, the application server: the Python side.

The ``margrave`` executable starts ``python -m margrave.zygote``; nothing here is meant to be imported by applications,
which use the ``uwsgi`` module instead.
"""

__version__ = "0.1.0"
