#!/usr/bin/env python3
"""Runs uWSGI and Margrave over the same configurations and compares what they print, their exit codes and what
`show-config` shows.

    run.py [--uwsgi PATH] [--margrave PATH] [NAME...]

Without paths: the environment variables UWSGI and MARGRAVE, then PATH. Nothing is started that listens.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from config_cases import CASES
from config_differences import DIFFERENCES

HERE = pathlib.Path(__file__).resolve().parent
RECORDED = HERE.parent.parent / "crates/config/testdata/uwsgi-cases.json"
TIMEOUT = 20

# Cases that start a server, write into the root directory or depend on the name of the host; the crate's own tests have them.
SKIPPED = {"root-dir", "py-magic-table", "emperor-vassal-templates", "logic-hostname", "hostname-match-pcre2"}


def recorded():
    """The recorded cases in the form of our own."""
    for case in json.loads(RECORDED.read_text())["cases"]:
        yield case["name"], {
            "files": case["files"],
            "links": case["symlinks"],
            "argv": case["argv"][1:],
            "cwd": case["cwd"],
            "env": dict(case["env"]),
            "stdin": case["stdin"],
        }


def lay_out(case, root):
    """Writes the files of a case below a directory."""
    for name, text in case["files"].items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.replace("{root}", str(root)).encode())
        if name.endswith(".sh"):
            path.chmod(0o755)
    for name, target in case.get("links", {}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target.replace("{root}", str(root)))


def execute(program, case, root):
    """Runs one program on a case: its printed lines, exit code and shown configuration."""
    argv = case["argv"].split() if isinstance(case["argv"], str) else case["argv"]
    argv = [program] + [word.replace("{root}", str(root)) for word in argv]
    cwd = case.get("cwd", "{root}").replace("{root}", str(root))
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **case.get("env", {})}
    done = subprocess.run(
        argv, cwd=cwd, env=env, input=(case.get("stdin") or "").encode(), capture_output=True, timeout=TIMEOUT, check=False
    )
    lines = done.stdout.decode(errors="replace").replace(program, "{program}").splitlines()
    if lines and lines[-1].startswith("margrave "):
        lines[-1] = lines[-1].rpartition(" ")[2].rstrip(")")
    lines = [line for line in lines if not line.startswith("T=")]
    return {"lines": lines, "code": done.returncode, "shown": shown(done.stderr.decode(errors="replace"))}


def shown(log):
    """The lines between the head and the foot of show-config."""
    lines = log.splitlines()
    if ";end of configuration" not in lines or "[uwsgi]" not in lines:
        return None
    return lines[lines.index("[uwsgi]") + 1 : lines.index(";end of configuration")]


def compare(name, case, programs):
    """The outcomes of both programs when they differ, else None."""
    outcomes = []
    for program in programs:
        with tempfile.TemporaryDirectory(prefix="config-") as directory:
            # The same path for both, since it is part of what they print.
            root = pathlib.Path(directory).resolve().parent / f"config-case-{os.getpid()}"
            root.mkdir()
            try:
                lay_out(case, root)
                outcomes.append(execute(program, case, root))
            except subprocess.TimeoutExpired:
                outcomes.append({"lines": [], "code": "timeout", "shown": None})
            finally:
                shutil.rmtree(root)
    for outcome in outcomes:
        # Every directory entry is new, so are the inode numbers.
        outcome["lines"] = ["inode" if line[:3] in ("i=<", "I=<") and line[3:] != ">" else line for line in outcome["lines"]]
    return None if outcomes[0] == outcomes[1] else (name, *outcomes)


def all_cases():
    """Every case by name, the recorded ones first."""
    cases = {**dict(recorded()), **CASES}
    return {name: case for name, case in cases.items() if name not in SKIPPED}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uwsgi", default=os.environ.get("UWSGI") or shutil.which("uwsgi"))
    parser.add_argument("--margrave", default=os.environ.get("MARGRAVE") or shutil.which("margrave"))
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    if not args.uwsgi or not args.margrave:
        parser.error("name both programs, by --uwsgi and --margrave or by UWSGI and MARGRAVE")
    programs = [str(pathlib.Path(program).resolve()) for program in (args.uwsgi, args.margrave)]
    cases = {name: case for name, case in all_cases().items() if not args.names or name in args.names}
    intended, failed = [], []
    for name, case in cases.items():
        difference = compare(name, case, programs)
        if difference and name in DIFFERENCES:
            intended.append(name)
        elif difference:
            failed.append(difference)
    for name, uwsgi, margrave in failed:
        print(f"{name}\n  uWSGI    {uwsgi}\n  Margrave {margrave}")
    print(f"{len(cases)} cases, {len(intended)} intended differences, {len(failed)} other differences")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
