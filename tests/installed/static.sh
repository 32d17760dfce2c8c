#!/usr/bin/env bash
# Tests the static program in a root directory that contains only /dev/null: no library, no shell, no /proc. Not part of
# tests/all.sh, because building for another target takes minutes. Needs rustup, and a kernel that allows user
# namespaces.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/support/checks.sh
source tests/support/packages.sh

missing curl curl
missing openssl openssl
missing readelf binutils
install_missing
target=$(uname -m)-unknown-linux-musl
rustup target add "$target"
cargo build --release --locked --target "$target" --bin framecast

is_static() { # PROGRAM; has no interpreter and no library
    ! readelf --wide --program-headers --dynamic "$1" | grep -E 'INTERP|NEEDED'
}
folder=$(mktemp -d)
trap 'kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; rm -r "$folder"' EXIT
pid=
mkdir --parents "$folder/root/dev"
touch "$folder/root/dev/null"
cp "${CARGO_TARGET_DIR:-target}/$target/release/framecast" "$folder/root"
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout "$folder/root/key.pem" -out "$folder/root/cert.pem" 2>/dev/null

check "it is static" is_static "$folder/root/framecast"
# Only this process has /dev/null.
alone='mount --bind /dev/null "$0/dev/null"
exec env --ignore-environment "$(command -v chroot)" "$0" /framecast "$@"'
PATH=$PATH:/usr/sbin unshare --map-root-user --mount bash -c "$alone" "$folder/root" \
    --listen http://127.0.0.1:18080 --listen https://127.0.0.1:18443 --tls-cert /cert.pem --tls-key /key.pem \
    --camera emulated=stills: --camera card='pattern:320x240?fps=10' >"$folder/output" 2>&1 &
pid=$!
check "it listens" within 10 grep -q "listening on https://127.0.0.1:18443/" "$folder/output"
check "it is healthy" "$folder/root/framecast" health http://127.0.0.1:18080
check "it sends the emulated camera" is_picture "http://127.0.0.1:18080/snapshot?camera=emulated"
check "it sends the test card" is_picture "http://127.0.0.1:18080/snapshot?camera=card"
check "it speaks TLS" is_picture https://localhost:18443/snapshot --cacert "$folder/root/cert.pem"
kill "$pid"
status=0
wait "$pid" || status=$?
check "it exits with status 0" test $status = 0
