#!/usr/bin/env bash
# The Debian package. `tests/package.sh build [PROFILE]` makes it and prints its path. Without arguments, makes it with
# the profile of the other tests, installs it, checks it and purges it. Needs `cargo install cargo-deb --locked`.
set -euo pipefail
cd "$(dirname "$0")/.."
source tests/support/checks.sh

build() { # PROFILE
    cargo build --locked --quiet --profile "$1" --bin framecast
    local program="${CARGO_TARGET_DIR:-target}/$1/framecast"
    mkdir -p target/package
    "$program" --generate man >target/package/framecast.1
    "$program" --generate bash >target/package/framecast.bash
    "$program" --generate zsh >target/package/_framecast
    "$program" --generate fish >target/package/framecast.fish
    cargo deb --locked --quiet --no-build --profile "$1" --output target/package/framecast.deb >/dev/null
    echo target/package/framecast.deb
}

if [ "${1:-}" = build ]; then
    build "${2:-release}"
    exit
fi

has_no_warning() { # PAGE; man prints warnings to stderr
    local warnings
    warnings=$(man --warnings=w --local-file "$1" 2>&1 >/dev/null)
    [ -z "$warnings" ] || { echo "$warnings"; return 1; }
}
latest() { # CHANGELOG; the version in its first line
    sed -n '1s/.*(\(.*\)).*/\1/p' "$1"
}
is_hardened() { # UNIT; a threshold of 25 is an exposure of 2.5
    systemd-analyze security --offline=true --threshold=25 "$1"
}

sudo=$([ "$(id -u)" = 0 ] || echo sudo)
deb=$(build "${1:-optimised}")
if dpkg-query --show framecast >/dev/null 2>&1; then
    echo "framecast: already installed; remove it first, because this test would purge it" >&2
    exit 1
fi
version=$(dpkg-deb --field "$deb" Version)

check "lintian reports nothing" lintian --allow-root --fail-on error,warning "$deb"
check "the changelog has the version" is "$version" latest src/generate/debian/changelog
check "it is installed" $sudo dpkg --install "$deb"
trap '$sudo dpkg --purge framecast >/dev/null 2>&1' EXIT
mapfile -t files < <(dpkg --listfiles framecast | while read -r path; do [ -d "$path" ] || echo "$path"; done)
check "the program has the version" is "framecast ${version%-*}" /usr/bin/framecast --version
check "the manual page is found" man -w framecast
check "the manual page has no warning" has_no_warning /usr/share/man/man1/framecast.1.gz
unit=$(dpkg --listfiles framecast | grep '/framecast\.service$')
check "the unit is valid" systemd-analyze verify "$unit"
check "the unit is not enabled" is disabled systemctl --root=/ is-enabled framecast.service
check "the unit is hardened" is_hardened "$unit"
check "the settings are a conffile" grep -qx /etc/default/framecast /var/lib/dpkg/info/framecast.conffiles
check "bash completes it" bash -c 'source /usr/share/bash-completion/completions/framecast && complete -p framecast'
check "it is purged" $sudo dpkg --purge framecast
check "no file is left" is_gone "${files[@]}" /etc/default/framecast /var/lib/systemd/deb-systemd-helper-enabled/framecast*
