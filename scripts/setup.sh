#!/bin/sh
# Creates .venv from the locks: setup.sh run [test] [check] [delivery]. Does nothing if the locks have not changed.
set -eu
cd "$(dirname "$0")/.."
. scripts/uv.sh

groups=$*
locks="requirements.txt"
for group in $groups; do
    [ "$group" = run ] || locks="$locks requirements-$group.txt"
done

# A stamp per set of locks contains their checksum, so that a second "make run" starts at once.
stamp=".venv/.ostiary-$(echo "$groups" | tr ' ' '-')"
wanted=$(cat $locks pyproject.toml delivery/pyproject.toml | cksum)
if [ -x .venv/bin/ostiary ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && .venv/bin/python -c '' 2>/dev/null; then
    exit 0
fi

find_uv
if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    find_python
    say "Making .venv with $("$PYTHON" --version)"
    rm -rf .venv
    "$UV" venv --quiet --python "$PYTHON" --no-python-downloads .venv
fi
say "Installing from $locks"
arguments=""
for lock in $locks; do
    arguments="$arguments --requirements $lock"
done
# The hash of every file is verified. The project itself is installed without its dependencies.
"$UV" pip install --quiet --python .venv/bin/python --require-hashes --no-deps $arguments
"$UV" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
case " $groups " in
*" delivery "*) "$UV" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable ./delivery ;;
esac
printf '%s\n' "$wanted" >"$stamp"
