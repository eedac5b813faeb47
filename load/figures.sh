#!/bin/sh
# The figures of docs/performance.md that need a machine with nothing else to do, one after the other: some ten
# minutes. Each prints the load average that it met; what was lost or failed stands in its table.
set -eu
cd "$(dirname "$0")/.."
cargo build --release -p sibai --bin sibai -p load --bin load
cargo bench -p sibai --bench packets --no-run
target=${CARGO_TARGET_DIR:-target}

cargo bench -p sibai --bench packets
for run in \
    "--calls 200 --rate 50" \
    "--calls 200 --rate 50 --record" \
    "--calls 200 --rate 50 --tones" \
    "--calls 200 --rate 50 --record --junk 10000" \
    "--calls 200 --rate 50 --hold 5 --record" \
    "--calls 600 --rate 50 --record" \
    "--calls 800 --rate 50 --record" \
    "--calls 1000 --rate 50 --record"; do
    printf '\nload %s\n' "$run"
    # A run that lost something says so and is no reason to stop.
    # shellcheck disable=SC2086
    "$target/release/load" $run || true
done
