#!/usr/bin/env bash
# A virtual environment with the real uWSGI beside the examples' frameworks.
#   peers.sh PYTHON VENV REQUIREMENTS... [PACKAGE]
set -euo pipefail
python=$1 venv=$2
shift 2
if [ "$(cat "$venv/.python" 2>/dev/null)" != "$python" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
    rm -rf "$venv"
    "$python" -m venv "$venv"
    echo "$python" >"$venv/.python"
fi
pip() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }
[ -x "$venv/bin/uwsgi" ] || pip uwsgi==2.0.31
for one in "$@"; do
    case $one in
    *.txt) cmp -s "$one" "$venv/$(echo "$one" | tr / _)" || { pip -r "$one" && cp "$one" "$venv/$(echo "$one" | tr / _)"; } ;;
    *) "$venv/bin/python" -c "import $one" 2>/dev/null || pip "$one" || echo "THE PEER $one CANNOT BE INSTALLED (bjoern needs libev-dev): it is left out" ;;
    esac
done
