#!/usr/bin/env bash
# Everything that can be tested in minutes, with the programs it needs: Debian's, installed here if they are missing.
# `cargo test` alone runs what needs nothing but Rust.
set -euo pipefail
cd "$(dirname "$0")/.."

source tests/support/packages.sh
missing chromium chromium
missing chromedriver chromium-driver
missing ffmpeg ffmpeg
missing curl curl
missing cc gcc
missing c++ g++
missing cvlc vlc-bin vlc-plugin-base
missing firefox-esr firefox-esr
missing Xvfb xvfb
missing gst-launch-1.0 gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
missing motion motion
missing nginx nginx-light
missing python3 python3 python3-venv
missing ustreamer ustreamer
missing ip iproute2
missing tc iproute2
missing faketime faketime
missing openssl openssl
missing strace strace
missing prlimit util-linux
missing script bsdutils
missing groff groff-base
missing man man-db
missing zsh zsh
missing fish fish
missing systemd-analyze systemd
missing promtool prometheus
missing lintian lintian
# GStreamer shows a window by a plugin, which is no program.
if ! dpkg-query --show gstreamer1.0-x >/dev/null 2>&1; then need+=(gstreamer1.0-x); fi
if ! /usr/bin/python3 -c "import prometheus_client" 2>/dev/null; then need+=(python3-prometheus-client); fi
missing redis-server redis-server
install_missing
if ! command -v cargo-deb >/dev/null; then cargo install cargo-deb --locked; fi
# What programs written in Python ask a camera with.
if ! target/clients/bin/python -c 'import aiohttp, cv2, requests' 2>/dev/null; then
    python3 -m venv target/clients
    target/clients/bin/pip install --quiet --disable-pip-version-check aiohttp opencv-python-headless requests
fi

# What needs nothing else, side by side.
cargo test --locked
# A million accidents, and whether the simulation notices the faults that are made on purpose.
cargo test --locked --profile optimised --test simulation -- --seeds 0..10000
cargo test --locked --profile optimised --test simulation -- --faults
# Inputs nobody has thought of yet, for a few seconds each, and alike each time: a change is judged by what it changed.
# tests/fuzz/README.md tells how to look for longer.
FUZZ_SEED=1 bash tests/fuzz/run.sh 10
# What needs other programs. A browser and a measured link want the machine to themselves, so one after the other, and
# optimised: a camera that cannot keep its rate is no measure of a server.
cargo test --locked --profile optimised --lib --test program --test clients -- --ignored --test-threads=1
# Attacks on the real server, in their short form: whatever the machine's speed, nobody may be harmed who did no harm.
cargo test --locked --profile optimised --test stress -- --short
# The package: made, installed, looked at and purged. Debian's own programs have the last word, where they are.
if command -v dpkg-deb >/dev/null; then bash tests/package.sh; fi
