# Sourced by the other scripts: where things are, and how a check is skipped.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

data_dir=${ZEMOSAIC_TEST_DATA:-../shared/data}
target_dir=${CARGO_TARGET_DIR:-target}
log_dir=target/test-logs
python=.venv/bin/python
mkdir -p "$log_dir"

in_ci() { [ "${CI:-}" = true ]; }

die() {
  echo "FAILED: $*" >&2
  exit 1
}

# A skip is printed where it happens and once more at the end of `make test`.
skip() {
  echo "skipped: $*"
  echo "skipped: $*" >>"$log_dir/skips"
}

# The Python of .venv, only if setup completed it for the requirements of today.
have_python() {
  [ -x "$python" ] && [ "$(cat .venv/requirements.sha256 2>/dev/null)" = "$(requirements_hash)" ]
}

requirements_hash() { hash_of goldens/requirements.txt; }

# One SHA-256 over the names and contents of files.
hash_of() {
  if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi | {
    if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi
  } | cut -d' ' -f1
}
