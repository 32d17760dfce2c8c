# What the tests in bash have in common: a line for each thing that is looked at, and the end at the first that is not
# so.

check() { # WHAT COMMAND...
    local words
    if ! words=$("${@:2}" 2>&1); then
        echo "$1: no; ${*:2}"
        echo "$words"
        exit 1
    fi
    echo "$1: ok"
}
is() { # EXPECTED COMMAND...
    local said
    said=$("${@:2}" 2>&1) || true
    [ "$said" = "$1" ] || { echo "said: $said"; return 1; }
}
is_gone() { # PATH...
    local path
    for path in "$@"; do
        if [ -e "$path" ] || [ -L "$path" ]; then echo "$path is still there"; return 1; fi
    done
}
is_picture() { # URL; of which the first bytes are those of a JPEG
    local file first
    file=$(mktemp)
    curl --silent --show-error --fail --max-time 20 --output "$file" "${@:2}" "$1" || return 1
    first=$(head -c 3 "$file" | od -An -tx1)
    rm "$file"
    [ "$first" = " ff d8 ff" ] || { echo "it begins with$first"; return 1; }
}
within() { # SECONDS COMMAND...; until it is so
    local end=$((SECONDS + $1))
    until "${@:2}"; do
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}
