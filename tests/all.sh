#!/usr/bin/env bash
# Everything that can be tested in minutes, with the programs it needs: Debian's, installed here if they are missing.
# `cargo test` alone runs what needs nothing but Rust.
set -euo pipefail
cd "$(dirname "$0")/.."

need=()
missing() { # PROGRAM PACKAGE...
    if ! command -v "$1" >/dev/null; then need+=("${@:2}"); fi
}
missing chromium chromium
missing chromedriver chromium-driver
missing ffmpeg ffmpeg
missing curl curl
missing cc gcc
missing ip iproute2
missing tc iproute2
if ((${#need[@]})); then
    sudo=$([ "$(id -u)" = 0 ] || echo sudo)
    $sudo apt-get update
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${need[@]}"
fi

# What needs nothing else, side by side.
cargo test --locked
# A million accidents, and whether the faults that are made on purpose are noticed.
cargo test --locked --profile optimised --test simulation -- --seeds 0..10000
cargo test --locked --profile optimised --features sabotage --test simulation -- --sabotage
# What needs other programs. A browser and a measured link want the machine to themselves, so one after the other, and
# optimised: a camera that cannot keep its rate is no measure of a server.
cargo test --locked --profile optimised --test browser --test drivers --test relay --test server --test timing --test v4l2 \
    -- --ignored --test-threads=1
