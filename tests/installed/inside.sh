#!/usr/bin/env bash
# Runs as root on the machine that machine.sh boots: tests the package from installation to purge, as a new user would.
set -euo pipefail
cd "$(dirname "$0")"
source ./checks.sh
export DEBIAN_FRONTEND=noninteractive
# Lines for the log, which `check` would capture otherwise.
exec 3>&1

settings=/etc/default/framecast
property() { # NAME
    systemctl show --property "$1" --value framecast
}
is_active_as_another() { # PID; of the old process
    local state
    state=$(systemctl show --property MainPID,ActiveState framecast)
    [[ $state = *ActiveState=active* && ! $state =~ MainPID=(0|$1)($|$'\n') ]]
}
is_restarted_after() { # SIGNAL
    local before begun=$EPOCHREALTIME
    before=$(property MainPID)
    kill -"$1" "$before"
    within 40 is_active_as_another "$before" || return 1
    is_picture http://127.0.0.1:8080/snapshot || return 1
    echo "    $1: a new picture after $(((${EPOCHREALTIME/./} - ${begun/./}) / 1000)) ms" >&3
}
has() { # WORDS COMMAND...
    local output
    output=$("${@:2}" 2>&1) || true
    grep -qe "$1" <<<"$output" || { echo "output: $output"; return 1; }
}
journal() { # PRIORITIES, of the service's last run
    journalctl --quiet --unit framecast --output cat --priority "$1" "_SYSTEMD_INVOCATION_ID=$(property InvocationID)"
}
by_hand() { # OPTIONS...; as an ordinary user, in an empty folder
    (cd /home/ann && exec runuser -u ann -- framecast "$@" >/tmp/by-hand 2>&1) &
}

check "systemd is the first process" is systemd cat /proc/1/comm
check "it is installed" apt-get install --yes ./framecast.deb
check "it is not enabled" is disabled systemctl is-enabled framecast
check "it is not started" is inactive systemctl is-active framecast

useradd --create-home --skel /nowhere ann
by_hand
check "by hand, it listens" within 10 grep -q "listening on http://127.0.0.1:8080/" /tmp/by-hand
check "by hand, it has a page" has "<title>" curl --silent http://127.0.0.1:8080/
check "by hand, it shows a picture" is_picture http://127.0.0.1:8080/snapshot
pkill --uid ann framecast && wait
check "it leaves no file in the folder" is "" ls -A /home/ann
check "others cannot read its settings" is 600 stat --format %a $settings

modprobe vivid n_devs=1 node_types=0x1
check "there is a camera" within 10 test -c /dev/video0
echo 'FRAMECAST_CAMERA="front=/dev/video0"' >>$settings
check "it starts" systemctl enable --now framecast
check "it listens once systemd reports it as started" is ok curl --silent http://127.0.0.1:8080/healthz
check "it sends the camera's picture" is_picture http://127.0.0.1:8080/snapshot
check "/state has the camera" has '"name":"front"' curl --silent http://127.0.0.1:8080/state
main=$(property MainPID)
check "its user is a dynamic one" test "$(stat --format %u "/proc/$main")" -ge 61184
check "its driver has no privilege" is "CapEff:	0000000000000000" grep CapEff "/proc/$(pgrep --parent "$main")/status"
check "systemd rates its exposure below 2.5" systemd-analyze security --threshold=25 framecast
check "it logs its address" has "listening on" journal info..info

check "a hanging server is restarted" is_restarted_after STOP
check "a killed server is restarted" is_restarted_after KILL
pkill --parent "$(property MainPID)"
check "the end of a driver is a warning" within 10 has front journal warning..warning

before=$(property MainPID)
check "it can be reloaded" systemctl reload framecast
check "systemd follows the new process" within 10 is_active_as_another "$before"
after=$(property MainPID)
check "the old process exits" within 10 is_gone "/proc/$before"
sleep 15
check "the new process notifies the watchdog" is "$after" property MainPID
check "the new process sends pictures" is_picture http://127.0.0.1:8080/snapshot

status() { # ARGUMENTS OF CURL...
    curl --silent --output /dev/null --write-out '%{http_code}' "$@"
}
install -d -m 700 /etc/framecast
echo 'ann:a password' >/etc/framecast/users
chmod 600 /etc/framecast/users
mkdir /etc/systemd/system/framecast.service.d
{
    echo '[Service]'
    systemctl cat framecast | grep -E '^#(LoadCredential=users|Environment=FRAMECAST_AUTH_FILE)' | sed 's/^#//'
} >/etc/systemd/system/framecast.service.d/secrets.conf
systemctl daemon-reload
systemctl restart framecast
check "with a file of users it requires a password" is 401 status http://127.0.0.1:8080/healthz
check "it reads a file that only root can read" is 200 status --user 'ann:a password' http://127.0.0.1:8080/healthz
check "the health check reads the password from a variable" is ok env FRAMECAST_AUTH='ann:a password' framecast health
rm -r /etc/systemd/system/framecast.service.d /etc/framecast
systemctl daemon-reload
systemctl restart framecast
after=$(property MainPID)

check "it is installed again" apt-get install --yes --reinstall ./framecast.deb
check "this restarts it" within 10 is_active_as_another "$after"
check "this keeps the settings" grep -q /dev/video0 $settings

echo 'FRAMECAST_LISTEN=127.0.0.1:8081' >>$settings
by_hand --listen 127.0.0.1:8081
check "another server uses its address" within 10 grep -q listening /tmp/by-hand
systemctl restart framecast 2>/dev/null || true
sleep 20
check "it keeps trying" is activating systemctl is-active framecast
check "it tries at most 8 times in 20 s" test "$(property NRestarts)" -le 8
pkill --uid ann framecast && wait
check "it listens once the address is free" within 10 is_picture http://127.0.0.1:8081/snapshot

echo 'FRAMECAST_LISTEN=nowhere' >>$settings
systemctl restart framecast 2>/dev/null || true
check "invalid settings end it" within 10 is failed systemctl is-active framecast
check "without a restart" is 0 property NRestarts
check "with the reason in the journal" has "'nowhere'" journal err..err
journal err..err | sed 's/^/    /'
sed -i /FRAMECAST_LISTEN/d $settings

cat >/etc/systemd/system/framecast.socket <<'SOCKET'
[Socket]
ListenStream=127.0.0.1:8090
SOCKET
systemctl daemon-reload
systemctl reset-failed framecast
systemctl start framecast.socket
check "with a socket, it is not started" is inactive systemctl is-active framecast
check "a connection starts it" is_picture http://127.0.0.1:8090/snapshot
check "it is started" is active systemctl is-active framecast
systemctl stop framecast.socket framecast
check "it exits with success" is success property Result
rm /etc/systemd/system/framecast.socket
systemctl daemon-reload
systemctl start framecast

systemctl stop framecast
bash ./devices.sh
modprobe vivid n_devs=1 node_types=0x1
systemctl start framecast

mapfile -t files < <(dpkg --listfiles framecast | while read -r path; do [ -d "$path" ] || echo "$path"; done)
check "it is purged while it runs" apt-get purge --yes framecast
check "it does not run" is "" pgrep framecast
check "no file is left" is_gone "${files[@]}" $settings /run/framecast /etc/systemd/system/*.wants/framecast.service \
    /var/lib/systemd/deb-systemd-helper-enabled/framecast*
check "systemd does not know it" is not-found systemctl show --property LoadState --value framecast
echo "all checks passed"
