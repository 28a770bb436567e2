#!/bin/sh
# Runs the tests, and first installs the Debian packages that they need: PostgreSQL, a browser, a relying party, a proxy.
set -eu
cd "$(dirname "$0")/.."
. scripts/uv.sh

missing=""
[ -n "$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null)" ] || missing="$missing postgresql"
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
command -v curl >/dev/null 2>&1 || missing="$missing curl"
{ command -v gpg && command -v gpgv; } >/dev/null 2>&1 || missing="$missing gpg gpgv"
[ -x /usr/sbin/apache2 ] || missing="$missing apache2"
[ -e /usr/lib/apache2/modules/mod_auth_openidc.so ] || missing="$missing libapache2-mod-auth-openidc"
[ -x /usr/sbin/nginx ] || missing="$missing nginx-light"
command -v fail2ban-regex >/dev/null 2>&1 || missing="$missing fail2ban"
command -v openssl >/dev/null 2>&1 || missing="$missing openssl"
command -v pgrep >/dev/null 2>&1 || missing="$missing procps"
command -v systemd-analyze >/dev/null 2>&1 || missing="$missing systemd"
[ -n "$(ls /usr/lib/*/libseccomp.so.2 2>/dev/null)" ] || missing="$missing libseccomp2"
[ -n "$(ls /usr/lib/*/faketime/libfaketime.so.1 2>/dev/null)" ] || missing="$missing faketime"
{ command -v prometheus && command -v promtool; } >/dev/null 2>&1 || missing="$missing prometheus"
if [ -n "$missing" ]; then
    apt_install "the tests" $missing || exit 1
fi

# The tests start hundreds of processes, which takes half the time with compiled modules.
unset PYTHONDONTWRITEBYTECODE

# Four workers, because tests mostly wait for processes, disks and databases. The whole run has a time limit, so that a
# hang is a failure.
exec timeout --kill-after=30 1500 .venv/bin/python -m pytest -n 4 --dist loadfile "$@" </dev/null
