"""The zygote: loads the application once, then forks workers for the master.

Started as ``python -m margrave.zygote`` with ``MARGRAVE_CONTROL`` naming the socket to the master. Talking and forking are
native (``_margrave.Zygote``); this file prepares the interpreter, loads, and looks at what loading left behind.
"""

import gc
import json
import os
import sys
import threading
import types

from margrave import hooks, loader, preload, signals
from margrave import worker as worker_module


def main():
    """The whole life of the process; a worker returns from here as well, when it ends."""
    from margrave import _margrave

    control = os.environ.pop("MARGRAVE_CONTROL", "")
    if not control.isdigit():
        sys.exit("margrave.zygote is started by the `margrave` executable; run `margrave --help`")
    os.environ.pop("MARGRAVE_PACKAGE", None)
    zygote = _margrave.Zygote(int(control))
    settings = json.loads(zygote.settings)
    signals.leave_to_master()
    prepare_interpreter(settings)
    zygote.install_uwsgi()
    install_decorators()
    kind = "uWSGI" if settings["process"]["auto_procname"] else "margrave"
    worker_module.title(f"{kind} zygote", settings["process"])
    if not load(zygote, settings):
        sys.exit(1)
    signals.make_workers(True)
    worker = zygote.run()
    if worker is not None:
        worker_module.main(worker, settings, LOADED)


# Applications loaded before the fork.
LOADED = []


def prepare_interpreter(settings):
    """Makes the interpreter look as applications expect it: argv, path, ``__main__``."""
    python = settings["python"]
    sys.argv[:] = ["uwsgi", *python["argv"]]
    # `-m` has put the directory of the start in front.
    if sys.path and sys.path[0] in (os.getcwd(), ""):
        del sys.path[0]
    # uWSGI's order: the directory first, each `pythonpath` in front of it.
    sys.path[:0] = [".", ""]
    for entry in python["path"]:
        sys.path.insert(0, entry)
    if python["executable"]:
        sys.executable = python["executable"]
    # The module that runs is not the application's business: pickle and multiprocessing look at `__main__`.
    main_module = types.ModuleType("__main__")
    main_module.__builtins__ = __builtins__
    KEPT.append(sys.modules.get("__main__"))
    sys.modules["__main__"] = main_module


# Keeps the real `__main__` alive: its globals are those of the code that still runs.
KEPT = []


def install_decorators():
    """``import uwsgidecorators`` finds ours, without a top-level file that would collide with uWSGI's own."""
    from importlib.abc import MetaPathFinder
    from importlib.util import spec_from_file_location

    class Finder(MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name != "uwsgidecorators":
                return None
            return spec_from_file_location(name, os.path.join(os.path.dirname(__file__), "uwsgidecorators.py"))

    sys.meta_path.insert(0, Finder())


def load(zygote, settings):
    """Loads what is loaded before the fork and tells the master how that went."""
    python = settings["python"]
    before = open_sockets()
    try:
        load_all(zygote, settings)
    except hooks.HookEnd as error:
        zygote.report_failure(str(error), hook=error.code)
        return False
    except loader.LoadError as error:
        zygote.report_failure(str(error))
        return False
    warnings = list(leftovers(before))
    sys.setswitchinterval(seconds(python["switch_interval"]) or sys.getswitchinterval())
    # Without a collection before, as the documentation of `gc.freeze` advises: it would take its time out of every start, and
    # leave free places in pages that workers share, which each would fill for itself.
    gc.freeze()
    for stream in (sys.stdout, sys.stderr):
        # What is buffered now would be written by every child again.
        if stream is not None:
            stream.flush()
    zygote.report_ready(python_version(), sys.prefix, [app.report() for app in LOADED], warnings)
    return True


def python_version():
    """Which Python this is, and whether its threads run at the same time, which an import can have ended."""
    kind = "" if getattr(sys, "_is_gil_enabled", lambda: True)() else " free-threaded"
    return sys.version.split()[0] + kind


def load_all(zygote, settings):
    """Imports and applications with the hooks around them."""
    if zygote.renewed_in is not None:
        hooks.run(zygote, *hooks.OF_THE_START, directory=zygote.renewed_in)
    lazy = settings["process"]["lazy_apps"]
    if not lazy:
        hooks.run(zygote, "pre-app")
    python = settings["python"]
    for name in python["shared_imports"]:
        loader.load_import(name, "shared-import")
    loader.set_aliases(python["aliases"], "pymodule-alias")
    if not lazy:
        LOADED.extend(loader.load_configured(settings))
        loader.set_aliases(python["post_aliases"], "post-pymodule-alias")
    preload.prepare(settings, LOADED)
    zygote.prepare()
    if not lazy:
        hooks.run(zygote, "post-app")
        loader.change_directory(settings)


def seconds(duration):
    return duration["secs"] + duration["nanos"] / 1e9


def open_sockets():
    """Descriptors that are sockets, with what they are connected to."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:"):
            found[int(name)] = target
    return found


def leftovers(before):
    """Sentences about threads and sockets that the import has left and that do not survive a fork well."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            yield (
                f"thread `{thread.name}` was started at import; workers do not have it: start it in a "
                "`post_fork_hook`, or set `lazy-apps`"
            )
    unnamed = len(os.listdir("/proc/self/task")) - threading.active_count()
    if unnamed > 0:
        yield (
            f"{unnamed} native thread(s) were started at import; workers do not have them: start them in a "
            "`post_fork_hook`, or set `lazy-apps`"
        )
    for descriptor, target in open_sockets().items():
        if before.get(descriptor) != target:
            yield (
                f"{socket_name(descriptor)} was opened at import; all workers share it: open it in a "
                "`post_fork_hook`, or set `lazy-apps`"
            )


def socket_name(descriptor):
    import socket

    try:
        with socket.socket(fileno=os.dup(descriptor)) as found:
            peer = found.getpeername()
    except OSError:
        return f"a socket (descriptor {descriptor})"
    if isinstance(peer, tuple):
        return f"a connection to {peer[0]}:{peer[1]}"
    return f"a connection to {peer!r}" if peer else f"a socket pair (descriptor {descriptor})"


if __name__ == "__main__":
    # Runs from the imported module: this one gives its name up to the application.
    from margrave import zygote

    zygote.main()
