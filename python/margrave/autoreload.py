"""``py-autoreload``: reloads the instance when the source of a loaded module changes."""

import os
import sys
import threading
import time

from margrave import report


def start(interval):
    """Starts the watching thread; ``interval`` in seconds."""
    # Scanned before the thread runs: what changes from now on is seen.
    threading.Thread(target=watch, args=(interval, scan()), name="margrave-autoreload", daemon=True).start()


def watch(interval, seen):
    """Scans again and again; asks the master to reload when something has changed."""
    while True:
        time.sleep(max(interval, 0.1))
        now = scan()
        changed = [path for path, mtime in seen.items() if now.get(path, mtime) != mtime]
        if changed:
            report.write(f"py-autoreload: {changed[0]} has changed; reloading")
            sys.modules["uwsgi"].reload()
            # The master replaces this worker. Should the new code not load, the next change tries again.
        seen = {**seen, **now}


def scan():
    """Modification times of the sources of all modules loaded."""
    found = {}
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if not isinstance(path, str):
            continue
        if path.endswith((".pyc", ".pyo")):
            path = path[:-1]
        try:
            found[path] = os.stat(path).st_mtime_ns
        except OSError:
            continue
    return found
