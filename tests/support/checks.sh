# Shared by the tests in bash: prints a line per check, and exits at the first that fails.

check() { # WHAT COMMAND...
    local output
    if ! output=$("${@:2}" 2>&1); then
        echo "$1: failed: ${*:2}"
        echo "$output"
        exit 1
    fi
    echo "$1: ok"
}
is() { # EXPECTED COMMAND...
    local output
    output=$("${@:2}" 2>&1) || true
    [ "$output" = "$1" ] || { echo "output: $output"; return 1; }
}
is_gone() { # PATH...
    local path
    for path in "$@"; do
        if [ -e "$path" ] || [ -L "$path" ]; then echo "$path is still there"; return 1; fi
    done
}
is_picture() { # URL; whether it returns a JPEG
    local file first
    file=$(mktemp)
    curl --silent --show-error --fail --max-time 20 --output "$file" "${@:2}" "$1" || return 1
    first=$(head -c 3 "$file" | od -An -tx1)
    rm "$file"
    [ "$first" = " ff d8 ff" ] || { echo "not a JPEG:$first"; return 1; }
}
within() { # SECONDS COMMAND...; repeats the command until it succeeds
    local end=$((SECONDS + $1))
    until "${@:2}"; do
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}
