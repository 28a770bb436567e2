#!/bin/sh
# Makes the client secrets of the homelab: make-env.sh FILE, a new file that only you can read. Never replaces one.
set -eu
file=${1:?"usage: make-env.sh FILE"}
umask 077
mkdir -p "$(dirname "$file")"
set -C # a file that is there is an error
while IFS= read -r line; do
    case $line in
        *=) echo "$line$(openssl rand -hex 32)" ;;
        *) echo "$line" ;;
    esac
done <"$(dirname "$0")/env.sample" >"$file"
