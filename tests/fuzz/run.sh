#!/usr/bin/env bash
# Fuzzes each target, or those named, for so many seconds: run.sh SECONDS [TARGET...]
# FUZZ_SEED, if set, has it begin alike each time. A stable compiler will do. What is found anew goes to target/new/TARGET, what breaks something to artifacts/TARGET.
set -euo pipefail
cd "$(dirname "$0")"

seconds=$1
shift
if (($# == 0)); then set -- request parts jpeg source site hub; fi
cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked --version 0.13.2

# With neither sanitizer (there is no unsafe code here) nor traced comparisons (the dictionaries know what they would
# find out), there are ten runs where there was one.
build=(--fuzz-dir . --sanitizer none --no-trace-compares)
cargo fuzz build "${build[@]}"
# Each run of `hub` makes a world and lets go of it. Memory that is kept meanwhile saves a quarter of its time.
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
    # What is kept, first: each as it is, where the fuzzer would cut the long ones.
    cargo fuzz run "${build[@]}" "$target" "corpus/$target"/* >"target/new/$target.log" 2>&1 ||
        { tail -n 50 "target/new/$target.log"; exit 1; }
    echo "fuzzing $target for $seconds s"
    cargo fuzz run "${build[@]}" "$target" "target/new/$target" "corpus/$target" -- "${options[@]}"
done
