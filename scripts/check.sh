#!/bin/sh
# All static checks, and the tests of the documentation. Runs all of them and lists the failures.
set -u
cd "$(dirname "$0")/.."
bin=.venv/bin
failed=""

step() {
    name=$1
    shift
    printf '== %s\n' "$name"
    "$@" </dev/null || failed="$failed $name,"
}

step format "$bin/ruff" format --check --quiet .
step lint "$bin/ruff" check --quiet .
step types "$bin/mypy"
step types-of-tests "$bin/python" scripts/types_of_tests.py
step floors "$bin/lint-imports"
step circles "$bin/python" scripts/circles.py
step sizes "$bin/python" scripts/sizes.py
step registries "$bin/python" scripts/registries.py
step documentation "$bin/python" -m pytest -q tests/docs

if [ -n "$failed" ]; then
    printf 'failed:%s\n' "${failed%,}"
    exit 1
fi
echo "all checks passed"
