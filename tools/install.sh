#!/usr/bin/env bash
# Puts a built Margrave and some requirements into a virtual environment; does only what is not done yet.
#   install.sh PYTHON VENV CARGO_OUTPUT REQUIREMENTS...
set -euo pipefail
python=$1 venv=$2 built=$3
shift 3

# A venv of another interpreter is made anew.
if [ "$(cat "$venv/.python" 2>/dev/null)" != "$python" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
    rm -rf "$venv"
    "$python" -m venv "$venv"
    echo "$python" >"$venv/.python"
fi

wanted=$(cat "$@" /dev/null)
if [ "$(cat "$venv/.requirements" 2>/dev/null)" != "$wanted" ]; then
    list=()
    for file in "$@"; do list+=(-r "$file"); done
    [ $# -eq 0 ] || "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --prefer-binary "${list[@]}"
    echo "$wanted" >"$venv/.requirements"
fi

# Replaced by rename: a server that runs from here keeps the files it has.
put() {
    cmp -s "$1" "$2" && return
    mkdir -p "$(dirname "$2")"
    cp -p "$1" "$2.new"
    mv -f "$2.new" "$2"
}
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
suffix=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
put "$built/margrave" "$venv/bin/margrave"
put "$built/lib_margrave.so" "$site/margrave/_margrave$suffix"
(cd python && find . -name '*.py' -o -name '*.pyi' -o -name py.typed) | while read -r file; do
    put "python/$file" "$site/$file"
done
# Modules that the source no longer has.
(cd "$site/margrave" && find . -name '*.py') | while read -r file; do
    [ -e "python/margrave/$file" ] || rm -f "$site/margrave/$file"
done
# As pip does it: else every start compiles them, where nothing may be written.
"$venv/bin/python" -m compileall -q "$site/margrave"
