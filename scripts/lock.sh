#!/bin/sh
# Writes the locks: every package with its hashes, without the name of a registry.
set -eu
cd "$(dirname "$0")/.."
. scripts/uv.sh
find_uv

# compile FILE ARGUMENT...
compile() {
    out=$1
    shift
    "$UV" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
        --no-emit-index-url --upgrade --output-file "$out" "$@" >/dev/null
    sed -i '1i # Written by "make lock".' "$out"
}

compile requirements.txt pyproject.toml --group build
compile requirements-test.txt --group test --constraints requirements.txt
compile requirements-parties.txt --group parties --constraints requirements.txt --constraints requirements-test.txt
compile requirements-check.txt --group check --constraints requirements.txt --constraints requirements-test.txt \
    --constraints requirements-parties.txt
compile requirements-fuzz.txt --group fuzz --constraints requirements.txt --constraints requirements-test.txt
compile requirements-bench.txt --group bench --constraints requirements.txt --constraints requirements-test.txt
compile requirements-image.txt --group image --constraints requirements.txt --constraints requirements-test.txt \
    --constraints requirements-check.txt
compile requirements-delivery.txt delivery/pyproject.toml --constraints requirements.txt \
    --constraints requirements-test.txt --constraints requirements-check.txt
compile requirements-tools.txt --group tools # uv itself, for machines without it

if grep -nE '://|--index|--find-links' requirements*.txt; then
    echo "a lock contains a download location: see above" >&2
    exit 1
fi
