"""``py-autoreload``: reloads the instance when the source of a loaded module changes."""

import os
import sys
import threading
import time

from margrave import report


def start(interval, ignored):
    """Starts the watching thread; ``interval`` in seconds, ``ignored`` are names of modules."""
    ignored = frozenset(ignored)
    # Scanned before the thread runs: what changes from now on is seen.
    arguments = interval, ignored, scan(ignored)
    threading.Thread(target=watch, args=arguments, name="margrave-autoreload", daemon=True).start()


def watch(interval, ignored, seen):
    """Scans again and again; asks the master to reload when something has changed."""
    while True:
        time.sleep(max(interval, 0.1))
        now = scan(ignored)
        changed = [path for path, mtime in seen.items() if now.get(path, mtime) != mtime]
        if changed:
            report.write(f"py-autoreload: {changed[0]} has changed; reloading")
            sys.modules["uwsgi"].reload()
            # The master replaces this worker. Should the new code not load, the next change tries again.
        seen = {**seen, **now}


def scan(ignored):
    """Modification times of the sources of all modules loaded."""
    found = {}
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if name in ignored or not isinstance(path, str):
            continue
        if path.endswith((".pyc", ".pyo")):
            path = path[:-1]
        try:
            found[path] = os.stat(path).st_mtime_ns
        except OSError:
            continue
    return found
