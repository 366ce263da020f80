"""Finding applications: modules, files, factories, mount points.

A failure is a ``LoadError`` whose message is one sentence with where and what to do; the traceback, if there is one,
has been written to the log by then.
"""

import ast
import importlib
import importlib.util
import os
import re
import sys
import threading
import time
import types

from margrave import report

# Tried in this order when the configuration names no callable.
DEFAULT_NAMES = ("application", "app")


class LoadError(Exception):
    """An application did not load; the message says where and what to do."""


class App:
    """A loaded application."""

    def __init__(self, mountpoint, name, target, millis):
        self.mountpoint = mountpoint
        self.name = name
        self.callable = target
        self.millis = millis

    def report(self):
        return self.mountpoint, self.name, self.millis


def load_configured(settings):
    """Loads the applications; without `need-app` a failure leaves none, and every request will get 500."""
    python = settings["python"]
    try:
        if not python["apps"] and python["need_app"] and not serves_files(settings):
            raise LoadError(
                "no application is configured; name one, such as `module = package.module:application` or `wsgi-file = app.py`"
            )
        return load_all(python)
    except LoadError as error:
        if python["need_app"]:
            raise
        report.write(f"{error}; `need-app = false`: going on without it, requests get 500")
        return []


def change_directory(settings):
    """`chdir2`: where the application works once it has been loaded."""
    path = settings["host"]["chdir_late"]
    try:
        if path is not None:
            os.chdir(path)
    except OSError as error:
        raise LoadError(f"chdir2: {path}: {error.strerror}; create the directory or correct the path") from error


def serves_files(settings):
    static = settings["static_files"]
    return bool(static["maps"] or static["check"])


def load_import(name, option):
    """Imports a module (or runs a file) that is no application; a failure is logged and not fatal, as in uWSGI."""
    target = {"File": name} if name.endswith(".py") or "/" in name else {"Module": name}
    settings = {"target": target, "callable": None, "origin": f"{option}", "mountpoint": ""}
    try:
        if "File" in target:
            load_file(name, settings)
        else:
            load_module(name, settings)
    except LoadError as error:
        report.write(str(error))


def set_aliases(aliases, option):
    """Gives modules, or files that become modules, further names."""
    for name, target in aliases:
        settings = {"origin": option}
        if "/" in target or target.endswith(".py"):
            sys.modules[name] = load_file(target, settings)[0]
        else:
            sys.modules[name] = load_module(target, settings)[0]


# One after the other: each moves the process to a directory and back.
LOADING = threading.Lock()


def load_named(wanted, name):
    """The application that the ``UWSGI_`` variables of a request ask for; ``None``, and a line in the log, if it does not load."""
    directory = wanted.get("UWSGI_CHDIR")
    home = wanted.get("UWSGI_PYHOME") or wanted.get("UWSGI_HOME")
    if home and os.path.realpath(home) != os.path.realpath(sys.prefix):
        report.write(f"margrave: application `{name}` asks for the environment {home}; it gets {sys.prefix}, as all of this instance do")
    if "UWSGI_FILE" in wanted:
        target = {"File": wanted["UWSGI_FILE"]}
    else:
        target = {"Module": wanted.get("UWSGI_MODULE") or wanted["UWSGI_SCRIPT"]}
    settings = {"target": target, "callable": wanted.get("UWSGI_CALLABLE"), "origin": f"application `{name}`", "mountpoint": name}
    with LOADING:
        before = os.getcwd()
        try:
            variable, equals, value = wanted.get("UWSGI_SETENV", "").partition("=")
            if equals:
                os.environ[variable] = value
            if directory:
                os.chdir(directory)
                sys.path.insert(0, os.getcwd())
            app = load(settings)[0]
        except (LoadError, OSError) as error:
            report.write(f"margrave: {error}")
            return None
        finally:
            os.chdir(before)
    report.write(f"margrave: application `{name}` ({app.name}) loaded in {app.millis} ms")
    return app.callable


def load_all(python):
    """Loads every application of the ``python`` part of the settings, in order."""
    apps = []
    for settings in python["apps"]:
        apps.extend(load(settings))
    return apps


def load(settings):
    """Loads one entry; ``uwsgi.applications`` can make several applications of it."""
    started = time.monotonic()
    (kind, target), = settings["target"].items()
    if kind == "Module":
        module, label, expression = load_module(target, settings)
    else:
        module, label, expression = load_file(target, settings)
    table = applications_of(module)
    if table is not None and expression is None and not settings["mountpoint"]:
        found = [(mount, *resolve_entry(module, entry, label)) for mount, entry in table.items()]
    else:
        found = [(settings["mountpoint"], *find_callable(module, label, expression, settings))]
    millis = int((time.monotonic() - started) * 1000)
    return [App(mount, f"{label}:{name}", target, millis) for mount, name, target in found]


def load_module(text, settings):
    """``pkg.mod``, ``pkg.mod:name``, ``pkg.mod:factory('x')``; an inner ``:`` belongs to the arguments."""
    name, _, expression = text.partition(":")
    where = describe(f"module `{text}`", settings)
    if not name:
        raise LoadError(f"{where} names no module; write `module = package.module:callable`")
    try:
        module = importlib.import_module(name)
    except BaseException as error:
        raise explain(error, where, name) from None
    return module, name, expression or settings.get("callable") or None


def load_file(path, settings):
    """Runs a file as a module named after its path, as uWSGI does."""
    where = describe(f"file `{path}`", settings)
    name = "uwsgi_file_" + re.sub(r"[/.]", "_", path[:-3] if path.endswith(".py") else path)
    if os.path.isdir(path):
        raise LoadError(f"{where} is a directory; name the file in it that defines `application`")
    if not os.path.isfile(path):
        raise LoadError(f"{where} does not exist (looked from {os.getcwd()}); correct the path, or `chdir` first")
    if name not in sys.modules:
        loader = importlib.machinery.SourceFileLoader(name, path)
        spec = importlib.util.spec_from_file_location(name, path, loader=loader)
        module = importlib.util.module_from_spec(spec)
        module.__file__ = path
        sys.modules[name] = module
        try:
            loader.exec_module(module)
        except BaseException as error:
            sys.modules.pop(name, None)
            raise explain(error, where, None) from None
    return sys.modules[name], path, settings.get("callable") or None


def describe(what, settings):
    origin = settings.get("origin")
    return f"{origin}: {what}" if origin else what


def explain(error, where, name):
    """Writes the traceback and makes the sentence."""
    source = compiled_source(error)
    report.write(report.traceback(strip_own_frames(error)))
    if isinstance(error, SyntaxError):
        file = error.filename or source
        place = f" in {file}" if file else ""
        place += f", line {error.lineno}" if error.lineno else ""
        return LoadError(f"{where} did not load: syntax error{place}: {error.msg}")
    if source is not None:
        # Older Pythons raise ValueError for a NUL in the source.
        return LoadError(f"{where} did not load: {source} cannot be compiled: {error}")
    if isinstance(error, ModuleNotFoundError) and name is not None and error.name is not None:
        if name == error.name or name.startswith(error.name + "."):
            return LoadError(
                f"{where} did not load: there is no module `{error.name}` in the working directory {os.getcwd()} or on "
                "the import path; correct the name, or set `chdir` or `pythonpath`"
            )
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        return LoadError(
            f"{where} did not load: it needs the module `{error.name}`, which is not installed for {sys.executable}; "
            "install it there, or set `virtualenv`"
        )
    return LoadError(f"{where} did not load: {type(error).__name__}{last_place(error)}; its traceback is above")


def compiled_source(error):
    """The file that the import system was compiling when ``error`` was raised; not every such error names it."""
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_name == "source_to_code" and code.co_filename == "<frozen importlib._bootstrap_external>":
            return traceback.tb_frame.f_locals.get("path")
        traceback = traceback.tb_next
    return None


def last_place(error):
    traceback = error.__traceback__
    if traceback is None:
        return ""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return f" in {traceback.tb_frame.f_code.co_filename}, line {traceback.tb_lineno}"


def strip_own_frames(error):
    """Frames of this file and of the import system at the top say nothing to the reader."""
    skipped = (__file__, "<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>", importlib.__file__)
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_frame.f_code.co_filename in skipped:
        traceback = traceback.tb_next
    return error.with_traceback(traceback)


def applications_of(module):
    """``uwsgi.applications`` or ``module.applications``: a table of mount points."""
    table = getattr(sys.modules.get("uwsgi"), "applications", None)
    return table if isinstance(table, dict) and table else None


def resolve_entry(module, entry, label):
    """An entry of ``uwsgi.applications``: the callable, or its name in the module."""
    if isinstance(entry, (str, bytes)):
        name = entry.decode() if isinstance(entry, bytes) else entry
        return find_callable(module, label, name, {"callable": None})
    if not callable(entry):
        raise LoadError(f"{label}: uwsgi.applications holds {type(entry).__name__}; its values must be callables")
    return getattr(entry, "__name__", type(entry).__name__), entry


def find_callable(module, label, expression, settings):
    """The application object that ``expression`` names in ``module``; the default names without one."""
    where = describe(label, settings)
    if expression is None:
        # A package's `app` can be a module in it, which is nobody's mistake.
        found = [name for name in DEFAULT_NAMES if is_object(getattr(module, name, module))]
        for name in found:
            if callable(getattr(module, name)):
                return name, getattr(module, name)
        if found:
            raise LoadError(f"{where}: {not_callable(found[0], 'is', getattr(module, found[0]))}; {choices(module)}")
        raise LoadError(f"{where} has no `application` object; {choices(module)}")
    name, arguments = parse_expression(expression, where)
    target = module
    for part in name.split("."):
        try:
            target = getattr(target, part)
        except AttributeError:
            raise LoadError(f"{where} has no object `{name}`; {choices(module)}") from None
    if arguments is not None:
        if not callable(target):
            raise LoadError(f"{where}: {not_callable(name, 'is', target)}; {choices(module)}")
        target = call_factory(target, arguments, describe(f"the factory `{label}:{expression}`", settings))
        if not callable(target):
            raise LoadError(f"{where}: {not_callable(expression, 'returned', target)}; let it return the application")
    if not callable(target):
        raise LoadError(f"{where}: {not_callable(expression, 'is', target)}; {choices(module)}")
    return expression, target


def is_object(value):
    return not isinstance(value, types.ModuleType)


def not_callable(name, verb, value):
    kind = "None" if value is None else f"of type {type(value).__name__}" if verb == "is" else type(value).__name__
    return f"`{name}` {verb} {kind}, which cannot be called"


def parse_expression(expression, where):
    """``name`` or ``name(…)`` with literal arguments: the name, and the arguments of the call or ``None``."""
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
        if not isinstance(tree, ast.Call):
            return dotted(tree), None
        positional = [ast.literal_eval(argument) for argument in tree.args]
        named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in tree.keywords if keyword.arg}
        if len(named) != len(tree.keywords):
            raise ValueError("** in a call")
        return dotted(tree.func), (positional, named)
    except (SyntaxError, ValueError):
        raise LoadError(
            f"{where}: `{expression}` is not a callable's name; write a name, or a factory with literal arguments "
            "such as `create_app('production')`"
        ) from None


def dotted(tree):
    if isinstance(tree, ast.Name):
        return tree.id
    if isinstance(tree, ast.Attribute):
        return f"{dotted(tree.value)}.{tree.attr}"
    raise ValueError("neither a name nor an attribute")


def call_factory(factory, arguments, where):
    positional, named = arguments
    try:
        return factory(*positional, **named)
    except BaseException as error:
        raise explain(error, where, None) from None


def choices(module):
    """What the module has that could be meant."""
    names = [
        name
        for name, value in sorted(vars(module).items())
        if not name.startswith("_") and is_candidate(module, value)
    ]
    if not names:
        return "it defines no callables; define `application`"
    shown = ", ".join(f"`{name}`" for name in names[:12]) + (" and others" if len(names) > 12 else "")
    return f"its callables are {shown}; name one with `callable`"


def is_candidate(module, value):
    if not callable(value) or isinstance(value, types.ModuleType):
        return False
    if isinstance(value, (type, types.FunctionType)):
        return value.__module__ == module.__name__
    return True
