"""A worker: what happens in Python between the fork and the end of the process."""

import atexit
import faulthandler
import os
import signal
import sys
import threading
import time

from margrave import hooks, loader, report, signals


def main(worker, settings, apps):
    """Serves until the worker ends; returning lets the interpreter finalize."""
    number = worker.number
    signals.make_workers(False)
    reset_signals()
    set_process_name(number, settings["process"])
    threading.current_thread().name = thread_name(number, 0)
    worker.start(*watch_signals(worker))
    call_hook("post_fork_hook")
    run_hooks(worker, "post-fork")
    reports = []
    if settings["process"]["lazy_apps"]:
        apps = load_here(worker, settings)
        reports = [app.report() for app in apps]
    for name in settings["python"]["imports"]:
        loader.load_import(name, "import")
    uwsgi = sys.modules["uwsgi"]
    worker.set_apps([(app.mountpoint, app.callable, app.millis) for app in apps], getattr(uwsgi, "after_req_hook", None))
    start_autoreload(number, settings)
    run_hooks(worker, *accepting_phases(worker))
    stuck = serve(worker, number, settings, reports)
    call_hook("atexit")
    if settings["python"]["skip_atexit"]:
        leave()
    if stuck or settings["python"]["skip_teardown"]:
        atexit._run_exitfuncs()
        leave()


def run_hooks(worker, *phases):
    """Runs hooks of the configuration; the worker ends with one that fails."""
    try:
        hooks.run(worker, *phases)
    except hooks.HookEnd as error:
        worker.load_failed(str(error), hook=error.code)
        sys.exit(error.code)


def accepting_phases(worker):
    """What is due before the first request, in uWSGI's order."""
    yield "accepting"
    if worker.respawn == 0:
        yield "accepting-once"
    if worker.number == 1:
        yield "accepting1"
        if worker.respawn == 0:
            yield "accepting1-once"


def load_here(worker, settings):
    """`lazy-apps`: loads the applications in this worker."""
    try:
        hooks.run(worker, "pre-app")
        apps = loader.load_configured(settings)
        loader.set_aliases(settings["python"]["post_aliases"], "post-pymodule-alias")
        hooks.run(worker, "post-app")
        loader.change_directory(settings)
        return apps
    except hooks.HookEnd as error:
        worker.load_failed(str(error), hook=error.code)
        sys.exit(error.code)
    except loader.LoadError as error:
        worker.load_failed(str(error))
        sys.exit(22)


def serve(worker, number, settings, reports):
    """One thread per core; whether one is still busy at the end.

    The main thread is core 0, so that a signal can interrupt what it runs.
    """
    others = [
        threading.Thread(target=run, args=(worker, core), name=thread_name(number, core), daemon=True)
        for core in range(1, settings["process"]["threads"])
    ]
    start_all(others, settings["process"]["stack_size"])
    worker.ready(reports)
    ending = run(worker, 0)
    # Idle threads leave at once. Busy ones had their time, or are not waited for when the worker is told to stop.
    deadline = time.monotonic() + (1.0 if ending == "drained" else 0.2)
    for thread in others:
        thread.join(max(0.0, deadline - time.monotonic()))
    return any(thread.is_alive() for thread in others)


def start_all(threads, stack_size):
    """Starts threads with stacks of so many bytes; those of the application keep the size that they have."""
    usual = threading.stack_size(stack_size or 0)
    try:
        for thread in threads:
            thread.start()
    finally:
        threading.stack_size(usual)


def leave():
    """Ends the process without the interpreter's own end, in which a thread that is still busy would wake up in ruins."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(0)


def run(worker, core):
    try:
        return worker.run(core)
    except BaseException as error:
        report.exception(error)
        report.write(f"worker {worker.number}: core {core} cannot serve; the worker ends")
        os._exit(1)


def thread_name(number, core):
    return f"uWSGIWorker{number}Core{core}"


def reset_signals():
    """An event loop that the application made at import has left its wake-up descriptor behind."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def watch_signals(worker):
    """Handlers for the watchdog: one signal writes a thread's stack to the log, one raises in the main thread, and one
    writes a thread's stack into a file of the watchdog, which is told when that is done."""
    from margrave._margrave import RequestTimeout

    stack, interrupt, collect = signal.SIGRTMIN + 3, signal.SIGRTMIN + 4, signal.SIGRTMIN + 5

    def give_up(number, frame):
        # Too late for the request that was meant: the thread is at the next one.
        if worker.is_overdue():
            raise RequestTimeout("the request has run longer than `harakiri` allows")

    faulthandler.register(stack, file=2, all_threads=False)
    signal.signal(interrupt, give_up)
    faulthandler.register(collect, file=worker.collect_stacks_on(collect), all_threads=False, chain=True)
    return stack, interrupt, collect


def set_process_name(number, process):
    """What `ps` shows: as `procname` and its relatives say, else what the process is."""
    kind = "uWSGI" if process["auto_procname"] else "margrave"
    title(process["procname"] or f"{kind} worker {number}", process)


def title(name, process):
    sys.modules["uwsgi"].setprocname(process["procname_prefix"] + name + process["procname_append"])


def call_hook(name):
    """A function that the application has put on the ``uwsgi`` module; its exceptions are logged, no more."""
    hook = sys.modules["uwsgi"].__dict__.get(name)
    if hook is None:
        return
    try:
        hook()
    except BaseException as error:
        report.exception(error)


def start_autoreload(number, settings):
    interval = settings["python"]["autoreload"]
    if number == 1 and interval is not None:
        from margrave import autoreload

        autoreload.start(interval["secs"] + interval["nanos"] / 1e9, settings["python"]["autoreload_ignore"])
