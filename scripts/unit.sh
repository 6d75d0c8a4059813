#!/usr/bin/env bash
# Unit and integration tests, under nextest where it is installed. Arguments go to cargo.
source "$(dirname "$0")/common.sh"

if command -v cargo-nextest >/dev/null; then
  exec cargo nextest run "$@" --workspace --no-fail-fast
fi
exec cargo test "$@" --workspace --lib --bins --tests --no-fail-fast
