# Installs Debian packages for missing programs: call `missing` for each program, then `install_missing`.

need=()
sudo=$([ "$(id -u)" = 0 ] || echo sudo)

missing() { # PROGRAM PACKAGE...
    if ! command -v "$1" >/dev/null; then need+=("${@:2}"); fi
}
install_missing() {
    if ((${#need[@]} == 0)); then return; fi
    $sudo apt-get update
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${need[@]}"
}
