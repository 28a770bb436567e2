# Sourced by the other scripts: finds Python and uv, or installs them as root. Sets PYTHON and UV.

say() { printf '%s\n' "$*" >&2; }

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }

# Installs Debian packages, or prints the command: apt_install "purpose" PACKAGE...
apt_install() {
    purpose=$1
    shift
    if ! can_install; then
        say "$purpose: not found. Install it, then try again:"
        say "    sudo apt-get install $*"
        return 1
    fi
    say "Installing for $purpose: $*"
    { [ -n "${APT_UPDATED:-}" ] || apt-get update -qq </dev/null >&2; } && APT_UPDATED=1
    if ! DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null >/dev/null; then
        say "$purpose: the installation failed. Make this command work, then try again:"
        say "    apt-get update && apt-get install --no-install-recommends $*"
        return 1
    fi
}

good_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# The system's Python comes first: it is built with optimisations, which self-compiled ones often lack.
system_python() { /usr/bin/python3 -c 'import ensurepip' >/dev/null 2>&1 && echo /usr/bin/python3; }

find_python() {
    for name in "${PYTHON:-}" "$(system_python)" python3 python3.13 python3.12 python3.11 python3.14; do
        [ -n "$name" ] && command -v "$name" >/dev/null 2>&1 && good_python "$name" && PYTHON=$(command -v "$name") && return
    done
    apt_install "Python 3.11 or newer" python3 python3-venv || exit 1
    good_python python3 || { say "Python 3.11 or newer is needed, but this system has $(python3 --version)"; exit 1; }
    PYTHON=$(command -v python3)
}

find_uv() {
    [ -x .venv-tools/bin/uv ] && UV=.venv-tools/bin/uv && return
    command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1 && UV=$(command -v uv) && return
    find_python
    say "Installing uv into .venv-tools"
    rm -rf .venv-tools
    if ! "$PYTHON" -m venv .venv-tools >/dev/null 2>&1; then
        rm -rf .venv-tools
        apt_install "Python's venv module" python3-venv || exit 1
        "$PYTHON" -m venv .venv-tools
    fi
    .venv-tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-tools.txt
    UV=.venv-tools/bin/uv
}
