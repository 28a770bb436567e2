#!/bin/sh
# Installs the peer that npm has into .venv/bench, from its lock: integrity is checked, scripts are not run.
set -eu
cd "$(dirname "$0")/.."
target=$PWD/.venv/bench/node
wanted=$(cat bench/peers/node/* bench/peers/node/.npmrc | cksum)
[ "$(cat "$target/.stamp" 2>/dev/null)" != "$wanted" ] || exit 0
command -v openssl >/dev/null 2>&1 || { echo "bench: openssl is needed: apt-get install openssl" >&2; exit 1; }
rm -rf "$target"
mkdir -p "$target"
cp bench/peers/node/package.json bench/peers/node/package-lock.json bench/peers/node/.npmrc bench/peers/node/*.mjs "$target"
(cd "$target" && PATH="$OLDPWD/.venv/bin:$PATH" npm ci --ignore-scripts --silent </dev/null)
printf '%s\n' "$wanted" >"$target/.stamp"
