#!/bin/sh
# Makes .venv from the locks: setup.sh run [test] [check] [delivery]. Does nothing when the locks have not changed.
set -eu
cd "$(dirname "$0")/.."
. scripts/uv.sh

groups=$*
locks="requirements.txt"
for group in $groups; do
    [ "$group" = run ] || locks="$locks requirements-$group.txt"
done

# One stamp per set of locks, holding their checksum: a second "make run" starts at once.
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
# Hashes are checked for every file; the project itself is put in place without asking for anything more.
"$UV" pip install --quiet --python .venv/bin/python --require-hashes --no-deps $arguments
"$UV" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
case " $groups " in
*" delivery "*) "$UV" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable ./delivery ;;
esac
printf '%s\n' "$wanted" >"$stamp"
