#!/usr/bin/env bash
# Builds the extension for another Python version (after `make install`) and runs the tests marked `smoke` on it.
#   smoke.sh 3.9
set -euo pipefail
version=$1

find_python() {
    local candidate
    for candidate in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python3; do
        # A pyenv shim exists and does not run; a system Python may lack venv or headers.
        if command -v "$candidate" >/dev/null && "$candidate" - "$version" 2>/dev/null <<'PY'
import ensurepip, sys
sys.exit("%d.%d" % sys.version_info[:2] != sys.argv[1])
PY
        then
            "$candidate" -c 'import os, sys; print(os.path.realpath(sys.executable))'
            return
        fi
    done
}

python=$(find_python)
if [ -z "$python" ]; then
    echo "== PYTHON $version IS MISSING: Margrave was not built and not tested on it"
    exit 0
fi
echo "== Python $version ($python)"
# The executable has no Python in it: the one built already serves every version. All versions share a directory, so that
# only what knows Python is built for each.
executable=${CARGO_TARGET_DIR:-target}/release/margrave
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/smoke PYO3_PYTHON=$python
cargo build --quiet -p margrave-python --features margrave-python/extension-module
install -C -m 755 "$executable" "$CARGO_TARGET_DIR/debug/margrave"
tools/install.sh "$python" ".run/py$version" "$CARGO_TARGET_DIR/debug" examples/django-site/requirements.txt tests/requirements.txt
".run/py$version/bin/python" -m pytest -p no:cacheprovider -n 2 -m smoke tests "--margrave=.run/py$version/bin/margrave"
