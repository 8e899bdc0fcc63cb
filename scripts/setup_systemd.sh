#!/usr/bin/env bash
# Sees to it that the tests of the service have a systemd to boot: installs Debian's where it may.
set -euo pipefail

[ -x /lib/systemd/systemd ] && command -v systemd-analyze >/dev/null && exit 0
if ! command -v apt-get >/dev/null; then
    echo "The tests of the service need systemd 252 or newer; install it." >&2
    exit 1
fi
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
echo "Installing systemd, which the tests of the service boot in namespaces of its own"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends systemd >/dev/null
