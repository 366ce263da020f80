#!/usr/bin/env bash
# Builds the extension for another Python version (after `make install`) and runs the tests marked `smoke` on it.
#   smoke.sh 3.9 | 3.13t | /path/to/python3
set -euo pipefail
wanted=$1

# 3.11, or 3.13t where threads run without a GIL.
version_of() {
    "$1" -c 'import ensurepip, sys, sysconfig
print("%d.%d" % sys.version_info[:2] + ("t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""))' 2>/dev/null
}

find_python() {
    local candidate
    for candidate in "python$wanted" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"${wanted%t}".*/bin/python3; do
        # A pyenv shim exists and does not run; a system Python may lack venv or headers.
        if command -v "$candidate" >/dev/null && [ "$(version_of "$candidate")" = "$wanted" ]; then
            "$candidate" -c 'import os, sys; print(os.path.realpath(sys.executable))'
            return
        fi
    done
}

case $wanted in
    */*)
        python=$(realpath "$wanted")
        version=$(version_of "$wanted") || { echo "$wanted is no Python that can make virtual environments" >&2; exit 1; }
        ;;
    *) python=$(find_python) version=$wanted ;;
esac
if [ -z "$python" ]; then
    echo "== PYTHON $version IS MISSING: Margrave was not built and not tested on it"
    exit 0
fi
echo "== Python $version ($python)"
# The executable has no Python in it: the one built already serves every version. All versions share a directory, so that
# only what knows Python is built for each.
executable=${CARGO_TARGET_DIR:-target}/release/margrave
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}/smoke")
export CARGO_TARGET_DIR PYO3_PYTHON=$python
cargo build --quiet --manifest-path "$(tools/workspace.sh "$python")/Cargo.toml" -p margrave-python --features margrave-python/extension-module
install -C -m 755 "$executable" "$CARGO_TARGET_DIR/debug/margrave"
tools/install.sh "$python" ".run/py$version" "$CARGO_TARGET_DIR/debug" examples/django-site/requirements.txt tests/requirements.txt
".run/py$version/bin/python" -m pytest -p no:cacheprovider -n 2 -m smoke tests "--margrave=.run/py$version/bin/margrave"
