#!/usr/bin/env bash
# Runs all tests that take minutes, and installs missing programs from Debian's packages. `cargo test` alone needs only
# Rust. `tests/all.sh program` runs only the tests that need other programs.
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
# A plugin of GStreamer, which is no program: it opens a window.
if ! dpkg-query --show gstreamer1.0-x >/dev/null 2>&1; then need+=(gstreamer1.0-x); fi
if ! /usr/bin/python3 -c "import prometheus_client" 2>/dev/null; then need+=(python3-prometheus-client); fi
missing redis-server redis-server
install_missing
if ! command -v cargo-deb >/dev/null; then cargo install cargo-deb --locked; fi
# The libraries of Python that the clients' tests use.
if ! target/clients/bin/python -c 'import aiohttp, cv2, requests' 2>/dev/null; then
    python3 -m venv target/clients
    target/clients/bin/pip install --quiet --disable-pip-version-check aiohttp opencv-python-headless requests
fi

# A browser and a measured link need the machine to themselves: one test after the other, and optimised, because a driver
# that cannot keep its rate says nothing about the server.
test_with_programs() {
    cargo test --locked --profile optimised --lib --test program --test clients -- --ignored --test-threads=1
}
if [ "${1:-all}" = program ]; then
    test_with_programs
    exit
fi

# The tests that need only Rust.
cargo test --locked
# 10,000 seeds, and whether the simulation detects the faults that are made on purpose.
cargo test --locked --profile optimised --test simulation -- --seeds 0..10000
cargo test --locked --profile optimised --test simulation -- --faults
# New inputs for some seconds each. The seed is fixed, so that a failure comes from a change. tests/fuzz/README.md shows
# longer runs.
FUZZ_SEED=1 bash tests/fuzz/run.sh 10
test_with_programs
# Attacks on the real server in their short form, with the limits that hold on any machine.
cargo test --locked --profile optimised --test stress -- --short
# The Debian package, where Debian's programs are.
if command -v dpkg-deb >/dev/null; then bash tests/package.sh; fi
