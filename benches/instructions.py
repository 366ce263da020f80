"""Instructions of a hello request, counted by callgrind: the same number on every machine and every day.

`python -m benches.instructions --margrave PATH --out FILE` prints instructions a request by library and function, and
writes them as JSON. The executable must be built with `RUSTFLAGS=--cfg=rustix_use_libc`, because valgrind hides the
vDSO that rustix would call: `make instructions` does that in a target directory of its own. The kernel is not counted.
"""

import argparse
import collections
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from . import load, peers
from .processes import free_port, running
from .rounds import answers

WARM_UP, COUNTED = 300, 1000


def take(tools, folder):
    """Text of callgrind's dump of the counted requests."""
    place = peers.Place(folder, free_port())
    library = preloaded(folder)
    # The worker's dump goes where it works. Its name cannot be told: a process that shows a title overwrites valgrind's arguments.
    work = peers.Work(app="counted", options=("--pythonpath", peers.APPS, "--chdir", folder))
    valgrind = ["valgrind", "-q", "--tool=callgrind", "--trace-children=yes", "--instr-atstart=no"]
    command = ["env", "-C", folder, f"LD_PRELOAD={library}", "COUNTED=hello", *valgrind, *peers.margrave(tools, work, place)]
    with running(command, lambda: answers(place.port, "/"), folder, core=None, patience=300, interval=0.5):
        load.paced(place.port, requests=WARM_UP, connections=4)
        answers(place.port, "/count")
        load.paced(place.port, requests=COUNTED, connections=4)
        answers(place.port, "/dump")
        dumps = sorted(folder.glob("callgrind.out.*"), key=lambda path: path.stat().st_size)
        return dumps[-1].read_text(errors="replace") if dumps else ""


def preloaded(folder):
    """The library that the servers are given."""
    library = folder / "counting.so"
    source = pathlib.Path(__file__).with_name("valgrind.c")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source], check=True, timeout=60)
    return library


def self_costs(text):
    """Instructions spent in each (library, function) itself."""
    names = {"ob": {}, "fn": {}}
    costs = collections.Counter()
    here = {"ob": "", "fn": ""}
    skip = False
    for line in text.splitlines():
        match = re.match(r"(c?)(ob|fn)=(?:\((\d+)\))?\s*(.*)", line)
        if match:
            called, kind, number, name = match.groups()
            if number and name:
                names[kind][number] = name
            if not called:
                here[kind] = names[kind].get(number, name)
        elif line.startswith("calls="):
            # The line behind it is what the called function cost.
            skip = True
        elif re.match(r"[+\-*\d]", line):
            if not skip:
                costs[pathlib.PurePath(here["ob"]).name, here["fn"]] += int(line.split()[1])
            skip = False
    return costs


def main():
    parser = argparse.ArgumentParser(prog="python -m benches.instructions", description=__doc__.partition("\n")[0])
    parser.add_argument("--margrave", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("valgrind is missing: nothing is counted; on Debian: apt-get install valgrind")
    with tempfile.TemporaryDirectory(prefix="margrave-bench-") as folder:
        text = take(peers.Tools(options.margrave.absolute(), pathlib.Path()), pathlib.Path(folder))
    costs = self_costs(text)
    if not costs:
        sys.exit("callgrind wrote nothing: no instructions were counted")
    libraries = collections.Counter()
    for (library, _), cost in costs.items():
        libraries[library] += cost
    total = sum(costs.values())
    print(f"{total / COUNTED:10,.0f}  instructions a request, the kernel's not counted")
    for library, cost in libraries.most_common(6):
        print(f"{cost / COUNTED:10,.0f}  {library}")
    print("           of these, by function:")
    top = costs.most_common(40)
    for (library, function), cost in top:
        print(f"{cost / COUNTED:10,.0f}  {function[:100]}  [{library}]")
    if options.out:
        rows = [{"library": library, "function": name, "instructions": cost / COUNTED} for (library, name), cost in top]
        content = {
            "instructions": total / COUNTED,
            "libraries": {name: cost / COUNTED for name, cost in libraries.items()},
            "functions": rows,
        }
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
