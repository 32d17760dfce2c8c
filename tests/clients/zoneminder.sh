#!/usr/bin/env bash
# Checks the pictures that ZoneMinder records from framecast, set up as the guide says. Not part of tests/all.sh, because
# it installs 280 MB of packages: ZoneMinder and its database. Run `bash tests/clients/zoneminder.sh` as root. All
# processes and mounts are in namespaces of their own and end with them; the files are in a folder that it removes.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ "${1:-}" != inside ]; then
    source tests/support/packages.sh
    missing zmc zoneminder
    missing mariadbd mariadb-server
    missing ffmpeg ffmpeg
    install_missing
    cargo build --locked --quiet --profile optimised --bin framecast
    place=$(mktemp -d)
    trap 'rm -rf "$place"' EXIT
    timeout 120 unshare --mount --pid --fork --kill-child --mount-proc bash "$0" inside "$place"
    exit
fi

place=$2
until_true() { # WHAT COMMAND...
    local tries
    for tries in $(seq 150); do
        if "${@:2}" >/dev/null 2>&1; then return; fi
        sleep 0.2
    done
    echo "not after 30 s: $1" >&2
    tail -n 30 "$place"/*.log "$place"/logs/* >&2 || true
    exit 1
}
middle() { # FILE: the red, green and blue of its middle, each as 0 or 1
    ffmpeg -v error -i "$1" -vf crop=2:2 -frames:v 1 -f rawvideo -pix_fmt rgb24 - | od -An -N3 -tu1 |
        awk '{ print ($1 > 127) ($2 > 127) ($3 > 127) }'
}

# A camera with pictures of one color each.
mkdir "$place"/{pictures,database,zm,zm/conf.d,events,logs,run,map,swap}
colours=(red lime blue)
for index in 0 1 2; do
    ffmpeg -v error -f lavfi -i "color=${colours[index]}:size=160x160" -frames:v 1 "$place/pictures/$index.jpg"
done
"${CARGO_TARGET_DIR:-target}/optimised/framecast" --listen 127.0.0.1:0 --camera "cam=stills:$place/pictures?fps=10" \
    >"$place/framecast.log" 2>&1 &
until_true "framecast listens" grep -q "listening on" "$place/framecast.log"
port=$(sed -n 's|^listening on http://127.0.0.1:\([0-9]*\)/.*|\1|p' "$place/framecast.log")

# ZoneMinder's own settings, with other paths and another database.
{
    grep -hv "^ZM_DB" /etc/zm/zm.conf
    echo "ZM_DB_TYPE=mysql"
    echo "ZM_DB_HOST=localhost:$place/socket"
    echo "ZM_DB_NAME=zm"
    echo "ZM_DB_USER=root"
    echo "ZM_DB_PASS="
} >"$place/zm/zm.conf"
{
    cat /etc/zm/conf.d/01-system-paths.conf
    echo "ZM_DIR_EVENTS=$place/events"
    echo "ZM_PATH_MAP=$place/map"
    echo "ZM_PATH_SOCKS=$place/run"
    echo "ZM_PATH_LOGS=$place/logs"
    echo "ZM_PATH_SWAP=$place/swap"
} >"$place/zm/conf.d/places.conf"
mount --bind "$place/zm" /etc/zm

mariadb-install-db --no-defaults --user=root --datadir="$place/database" --skip-test-db \
    --auth-root-authentication-method=normal >"$place/install.log" 2>&1
mariadbd --no-defaults --user=root --datadir="$place/database" --socket="$place/socket" --skip-networking \
    >"$place/mariadb.log" 2>&1 &
database=(mariadb --no-defaults --user=root --socket="$place/socket")
until_true "the database answers" "${database[@]}" -e "SELECT 1"
"${database[@]}" </usr/share/zoneminder/db/zm_create.sql

# The fields of its page for a new monitor: source type, protocol, method, host, port, path.
"${database[@]}" zm -e "INSERT INTO Monitors
    (Name, Function, Type, Protocol, Method, Host, Port, Path, Width, Height, Colours, SaveJPEGs, ImageBufferCount)
    VALUES ('cam', 'Record', 'Remote', 'http', 'simple', '127.0.0.1', '$port', '/stream', 160, 160, 4, 1, 20)"
zmc -m 1 >"$place/zmc.log" 2>&1 &
enough() { [ "$(find "$place/events" -name '*-capture.jpg' | wc -l)" -ge 40 ]; }
until_true "it has recorded 40 frames" enough

# The last file may be incomplete.
mapfile -t files < <(find "$place/events" -name '*-capture.jpg' | sort | head -n 30)
seen=$(for file in "${files[@]}"; do middle "$file"; done)
turns=$(uniq <<<"$seen" | wc -l)
if [ "$(sort -u <<<"$seen" | xargs)" != "001 010 100" ] || ((turns < 20)); then
    echo "the camera does not move:" $seen >&2
    exit 1
fi
echo "ZoneMinder $(zmc --version) recorded ${#files[@]} frames, $turns different ones in turn"
