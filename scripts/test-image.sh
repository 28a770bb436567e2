#!/bin/sh
# Builds the real images and proves them: with Debian's archive, a real registry, a real second client, a real sandbox.
set -eu
cd "$(dirname "$0")/.."
. scripts/uv.sh

missing=""
for program in bwrap docker-registry skopeo mmdebstrap gpg gpgv setpriv; do
    command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
if [ -n "$missing" ]; then
    say "not found:$missing"
    apt_install "the tests of images" bubblewrap docker-registry skopeo mmdebstrap gpg gpgv util-linux debian-archive-keyring || exit 1
fi
exec timeout --kill-after=30 1800 .venv/bin/python -m pytest -p no:randomly -m image --timeout 900 delivery/tests "$@" </dev/null
