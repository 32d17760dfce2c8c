#!/usr/bin/env bash
# Home Assistant, OctoPrint, Moonraker and motionEye themselves, each beside a framecast of its own: set up as the
# README says, by the APIs that their own pages use, and what they show must move. One line tells of each.
#
# bash tests/clients/programs.sh [PROGRAM...]: some of home_assistant, octoprint, moonraker and motioneye, or all. It
# installs them below target/programs, with what they need from Debian; that is 1.5 GB and takes some minutes, so it is
# not part of tests/all.sh, which replays what these programs ask. On what is installed, a run takes two minutes. The
# pages of Home Assistant and OctoPrint are kept there as a browser showed them. Meant for Debian 12 (Python 3.11).
set -euo pipefail
cd "$(dirname "$0")/../.."

source tests/support/packages.sh
missing chromium chromium
missing chromedriver chromium-driver
missing ffmpeg ffmpeg
missing motion motion
missing python3 python3 python3-venv
# What some of their libraries are compiled with, where there is no wheel for this machine.
missing cc gcc libc6-dev
if ! python3 -c 'import ensurepip, sysconfig; open(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null; then
    need+=(python3-venv python3-dev)
fi
install_missing

environment() { # FOLDER REQUIREMENT...; made again if it is to hold something else
    local folder=target/$1
    if [ "$(cat "$folder/requirements" 2>/dev/null)" = "${*:2}" ]; then return; fi
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check "${@:2}"
    echo "${*:2}" >"$folder/requirements"
}
# The newest for Debian 12's Python. Home Assistant installs more when it starts for the first time; what is named here
# beside it are libraries that it takes for granted (josepy 2 lacks what its acme uses).
declare -A requirements=(
    [home_assistant]="homeassistant==2024.3.3 josepy<2 numpy==1.26.0 PyTurboJPEG==1.7.1 ha-av==10.1.1"
    [octoprint]="octoprint==1.11.8"
    [moonraker]="moonraker==0.11.0"
    [motioneye]="motioneye==0.44.0"
)
programs=("${@:-home_assistant octoprint moonraker motioneye}")
read -ra programs <<<"${programs[*]}"
environment programs/tester opencv-python-headless requests
for program in "${programs[@]}"; do
    read -ra names <<<"${requirements[$program]}"
    environment "programs/$program" "${names[@]}"
done
cargo build --locked --profile optimised --bin framecast

failed=()
for program in "${programs[@]}"; do
    # Ended in its time, it ends what it has started.
    PYTHONPATH=tests/clients timeout --kill-after=60 900 target/programs/tester/bin/python -B -m programs "$program" ||
        failed+=("$program")
done
if ((${#failed[@]})); then
    echo "failed: ${failed[*]}" >&2
    exit 1
fi
