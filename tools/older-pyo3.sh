#!/usr/bin/env bash
# Takes PyO3 0.28 into the Cargo.lock of a workspace: the last one that builds for the free-threaded CPython 3.13.
#   older-pyo3.sh [DIRECTORY]      (`git checkout Cargo.lock` takes it back)
set -euo pipefail
cd "${1:-.}"
older=0.28.3
locked() { sed -n '/^name = "pyo3-build-config"$/{n;s/^version = "\(.*\)"$/\1/p}' Cargo.lock; }

cargo update --quiet pyo3 --precise "$older"
# Ours has to be the same as PyO3's.
for version in $(locked); do
    [ "$version" = "$older" ] || cargo update --quiet "pyo3-build-config@$version" --precise "$older"
done
