#!/usr/bin/env bash
# Says in which workspace cargo builds for an interpreter: in this one, or, for the free-threaded CPython 3.13, in one of
# links to it that has a lock file of its own, with an older PyO3.
#   workspace.sh PYTHON
set -euo pipefail
python=$1
here=$(cd "$(dirname "$0")/.." && pwd)

is_early() { "$python" -c 'import sys, sysconfig as s; sys.exit(not (s.get_config_var("Py_GIL_DISABLED") and sys.version_info < (3, 14)))'; }

if ! is_early; then
    echo "$here"
    exit
fi
there=$here/.run/free-threaded
if [ ! -e "$there/Cargo.lock" ] || [ "$here/Cargo.lock" -nt "$there/Cargo.lock" ] || [ "$here/Cargo.toml" -nt "$there/Cargo.lock" ]; then
    mkdir -p "$there"
    ln -sfn "$here/Cargo.toml" "$here/crates" "$here/xtask" "$there/"
    cp "$here/Cargo.lock" "$there/Cargo.lock.new"
    mv "$there/Cargo.lock.new" "$there/Cargo.lock"
    "$here/tools/older-pyo3.sh" "$there" >&2 || { rm -f "$there/Cargo.lock"; exit 1; }
    touch "$there/Cargo.lock"
fi
echo "$there"
