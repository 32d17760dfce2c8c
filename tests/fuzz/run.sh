#!/usr/bin/env bash
# Fuzzes each target, or the given ones, for a number of seconds: run.sh SECONDS [TARGET...]
# FUZZ_SEED makes the start reproducible. Stable Rust is enough. New inputs go to target/new/TARGET, failing ones to
# artifacts/TARGET.
set -euo pipefail
cd "$(dirname "$0")"

seconds=$1
shift
if (($# == 0)); then set -- request parts jpeg source site hub; fi
cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked --version 0.13.2

# No sanitizer (there is no unsafe code here) and no traced comparisons (the dictionaries replace them): ten times as many
# runs per second.
build=(--fuzz-dir . --sanitizer none --no-trace-compares)
cargo fuzz build "${build[@]}"
# Each run of `hub` allocates and frees a whole simulation. Keeping the memory saves a quarter of the time.
export MALLOC_MMAP_THRESHOLD_=1000000000 MALLOC_TRIM_THRESHOLD_=1000000000
for target; do
    options=(-seed="${FUZZ_SEED:-0}" -max_total_time="$seconds" -max_len=512 -timeout=10 -print_final_stats=1 -verbosity=0)
    if [[ $target != hub ]]; then
        case $target in
            request | site) dictionary=$target ;;
            *) dictionary=media ;;
        esac
        options+=(-dict="dictionaries/$dictionary.dict")
    fi
    mkdir -p "target/new/$target"
    # First the corpus, each input unchanged: the fuzzer would truncate long ones.
    cargo fuzz run "${build[@]}" "$target" "corpus/$target"/* >"target/new/$target.log" 2>&1 ||
        { tail -n 50 "target/new/$target.log"; exit 1; }
    echo "fuzzing $target for $seconds s"
    cargo fuzz run "${build[@]}" "$target" "target/new/$target" "corpus/$target" -- "${options[@]}"
done
