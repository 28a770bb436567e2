#!/bin/sh
# Builds and tests the images, with Debian's archive, a registry, an independent client, and container runtimes.
set -eu
cd "$(dirname "$0")/.."
. scripts/uv.sh

missing=""
for program in bwrap docker-registry skopeo mmdebstrap gpg gpgv setpriv unshare git podman newuidmap; do
    command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
[ -x /usr/sbin/runc ] || missing="$missing runc"
[ -n "$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null)" ] || missing="$missing postgresql"
if [ -n "$missing" ]; then
    say "not found:$missing"
    apt_install "the tests of images" bubblewrap docker-registry skopeo mmdebstrap gpg gpgv util-linux git \
        podman uidmap runc postgresql debian-archive-keyring || exit 1
fi
# The whole run has a time limit, so that a hang is a failure.
exec timeout --kill-after=30 1800 .venv/bin/python -m pytest -p no:randomly -m image --timeout 900 delivery/tests "$@" </dev/null
