#!/usr/bin/env bash
# Sees to it that tests find what pip does not bring: a systemd to boot, a browser, lnav, PostgreSQL.
# Installs Debian's where it may. Without systemd the tests cannot run; without the others some are skipped.
set -uo pipefail

missing=()
[ -x /lib/systemd/systemd ] && command -v systemd-analyze >/dev/null || missing+=(systemd)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
    command -v google-chrome >/dev/null || missing+=(chromium)
command -v lnav >/dev/null || missing+=(lnav)
command -v initdb >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null ||
    missing+=(postgresql)
[ ${#missing[@]} = 0 ] && exit 0

install() {
    command -v apt-get >/dev/null || return 1
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    export DEBIAN_FRONTEND=noninteractive
    "${as_root[@]}" apt-get update -qq &&
        "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

echo "Installing ${missing[*]}, which tests need"
install "${missing[@]}" && exit 0
echo "They cannot be installed here; install ${missing[*]} yourself to run every test." >&2
[[ " ${missing[*]} " != *" systemd "* ]]
