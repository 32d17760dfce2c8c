#!/usr/bin/env bash
# Tests Home Assistant, OctoPrint, Moonraker and motionEye, each with a framecast of its own. They are set up as the
# guide says, through the APIs of their own pages, and must show moving pictures. Prints one line for each.
#
# bash tests/clients/programs.sh [PROGRAM...]: home_assistant, octoprint, moonraker, motioneye, or all. Installs them in
# target/programs and their requirements from Debian: 1.5 GB and some minutes, so tests/all.sh replays their requests
# instead. Once installed, a run takes two minutes. Saves screenshots of Home Assistant and OctoPrint in target/programs.
# For Debian 12 (Python 3.11).
set -euo pipefail
cd "$(dirname "$0")/../.."

source tests/support/packages.sh
missing chromium chromium
missing chromedriver chromium-driver
missing ffmpeg ffmpeg
missing motion motion
missing python3 python3 python3-venv
# For libraries without a wheel for this machine.
missing cc gcc libc6-dev
if ! python3 -c 'import ensurepip, sysconfig; open(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null; then
    need+=(python3-venv python3-dev)
fi
install_missing

environment() { # FOLDER REQUIREMENT...; made again if the requirements have changed
    local folder=target/$1
    if [ "$(cat "$folder/requirements" 2>/dev/null)" = "${*:2}" ]; then return; fi
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check "${@:2}"
    echo "${*:2}" >"$folder/requirements"
}
# The newest versions for Debian 12's Python. Home Assistant installs more at its first start; the other names are
# libraries that it needs but does not require (its acme does not work with josepy 2).
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
    # After SIGTERM it has time to end its child processes.
    PYTHONPATH=tests/clients timeout --kill-after=60 900 target/programs/tester/bin/python -B -m programs "$program" ||
        failed+=("$program")
done
if ((${#failed[@]})); then
    echo "failed: ${failed[*]}" >&2
    exit 1
fi
