#!/usr/bin/env bash
# Runs the make targets given, in order, stopping at the first that fails. Keeps their output in target/test-logs and
# ends with the skips and one line `N passed, N failed` that adds up what every test runner reported.
source "$(dirname "$0")/common.sh"

rm -f "$log_dir"/*

# Totals of nextest ("Summary [..] 9 tests run: 8 passed, 1 failed"), cargo test ("test result: ok. 8 passed; 1 failed")
# and our own checks ("8 passed, 1 failed").
total() {
  { # grep finds nothing when no runner has closed yet
    sed $'s/\e\\[[0-9;]*m//g' "$log_dir"/*.log |
      grep -E '^ *Summary \[|^test result: |^[0-9]+ passed, [0-9]+ failed$' |
      grep -oE "[0-9]+ $1"
  } | awk '{ sum += $1 } END { print sum + 0 }' || true
}

disk_free() { df -Pk . | awk 'NR == 2 { printf "%.1f GiB", $4 / 1048576 }'; }

failed_step=
for step in "$@"; do
  echo "== $step ($(disk_free) of disk free)"
  started=$SECONDS
  if ! ${MAKE:-make} --no-print-directory "$step" 2>&1 | tee "$log_dir/$step.log"; then
    failed_step=$step
    break
  fi
  echo "== $step: done in $((SECONDS - started)) s"
done

[ -f "$log_dir/skips" ] && sort -u "$log_dir/skips"
passed=$(total passed)
failed=$(total failed)
if [ -n "$failed_step" ]; then
  [ "$failed" -gt 0 ] || failed=1 # a step that is no test runner
  echo "stopped at: $failed_step (make $failed_step repeats it)"
fi
echo "$passed passed, $failed failed"
[ -z "$failed_step" ]
