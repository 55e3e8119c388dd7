#!/usr/bin/env bash
# Runs the targets one after the other, FUZZ_SECONDS each, and says of each how many inputs were tried and what was found.
# With arguments, only these targets. Ends with an error if anything was found.
set -euo pipefail
cd "$(dirname "$0")"
seconds="${FUZZ_SECONDS:-600}"

if [ $# -gt 0 ]; then targets=("$@"); else mapfile -t targets < <(cd targets && printf '%s\n' *.rs | sed 's/\.rs$//'); fi

if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
  echo "fuzz: no nightly toolchain with cargo-fuzz; mutations without coverage instead" >&2
  cd ..
  # With the selection's features, so that nothing heavy is built anew; see crates/unify.
  FUZZ_SECONDS="$seconds" exec cargo test --package unify --package cupola --package fuzzing --features cupola/embed-web \
    --test it -- --nocapture --test-threads=1 --exact "${targets[@]}"
fi

# The optimised build of the targets and what they need, apart from everything else's.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}-fuzz"
host="$(rustc -vV | sed -n 's/^host: //p')"
cargo +nightly fuzz build --release --sanitizer none --fuzz-dir .
built="$CARGO_TARGET_DIR/$host/release"
"$built/seeds" -runs=0 2>/dev/null

found=0
for target in "${targets[@]}"; do
  mkdir -p "artifacts/$target"
  log="artifacts/$target.log"
  # An input may take ten seconds and half a gigabyte: whatever takes more is a finding.
  "$built/$target" "corpus/$target" -dict="corpus/$target.dict" -artifact_prefix="artifacts/$target/" \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=512 -max_len=65536 -len_control=10 \
    -print_final_stats=1 >"$log" 2>&1 && outcome="nothing found" || { outcome="FOUND something: $log"; found=1; }
  tries="$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
  echo "$target: ${tries:-?} inputs in ${seconds} s: $outcome"
done
exit "$found"
