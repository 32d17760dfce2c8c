#!/usr/bin/env bash
# A multi-planar device with an HDMI input whose signal changes, emulated by the kernel's vivid. Runs as root on the
# machine that machine.sh boots. Needs `framecast` in PATH.
set -euo pipefail
cd "$(dirname "$0")"
source ./checks.sh

url=http://127.0.0.1:8082
control() { # NAME VALUE; of the emulated signal
    v4l2-ctl --device /dev/video0 --set-ctrl "$1=$2"
}
preset() { # SIZE; its number in the menu dv_timings
    v4l2-ctl --device /dev/video0 --list-ctrls-menus | sed -n '/ dv_timings /,/ 0x0/p' |
        sed -n "s/^\s*\([0-9]*\): $1p.*/\1/p" | head -1
}
signal() { # SIZE
    control dv_timings "$(preset "$1")" && control dv_timings_signal_mode 4
}
resolution() {
    curl --silent --max-time 20 $url/state | grep -o '"resolution":{[^}]*}' | head -1 | tr -dc '0-9,' | tr , x
}
is_resolution() { # SIZE
    [ "$(resolution)" = "$1" ]
}

modprobe --remove vivid 2>/dev/null || true
modprobe vivid n_devs=1 node_types=0x1 multiplanar=2 num_inputs=1 input_types=0x3
within 20 test -c /dev/video0
check "the device is multi-planar" grep -q "Video Capture Multiplanar" <(v4l2-ctl --device /dev/video0 --all)
check "it is listed" grep -q /dev/video0 <(framecast cameras)
signal 1280x720
framecast --listen 127.0.0.1:8082 --camera hdmi=/dev/video0 --always-on >/tmp/hdmi 2>&1 &
server=$!
check "it sends a picture" within 60 is_picture $url/snapshot
check "the picture has the size of the signal" within 60 is_resolution 1280x720
signal 640x480
check "the size follows the signal" within 60 is_resolution 640x480
grep "signal on its input has changed" /tmp/hdmi | sed 's/^/    /'
check "without a restart of the driver" grep -q '"driver_restarts":0' <(curl --silent $url/state)
control dv_timings_signal_mode 1
check "a missing signal is reported" within 60 grep -q "no signal" /tmp/hdmi
grep "no signal" /tmp/hdmi | head -1 | sed 's/^/    /'
signal 1280x720
check "a picture again when the signal is back" within 60 is_resolution 1280x720
kill $server
wait $server
modprobe --remove vivid
