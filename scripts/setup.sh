#!/usr/bin/env bash
# Prints what this machine has for the tests, and adds what can be added without asking: as root on Debian the package
# fitsverify, and .venv with the Python packages of goldens/requirements.txt.
source "$(dirname "$0")/common.sh"

version() { "$@" 2>/dev/null | head -n 1 || true; }

apt_install() {
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing the Debian package $1"
    { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$1" ||
      { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$1"; }
    } >"$log_dir/apt-$1.log" 2>&1 || echo "that failed, see $log_dir/apt-$1.log"
  fi
}

for tool in cargo rustc; do
  command -v $tool >/dev/null || die "$tool is missing: install Rust with rustup, rust-toolchain.toml names the version"
  echo "$tool: $(version $tool --version)"
done
if command -v cargo-nextest >/dev/null; then
  echo "nextest: $(version cargo nextest --version)"
else
  echo "nextest: not found, tests run under cargo test"
fi

command -v fitsverify >/dev/null || apt_install fitsverify
if command -v fitsverify >/dev/null; then
  echo "fitsverify: $(command -v fitsverify)"
elif in_ci; then
  die "fitsverify is required when CI=true (Debian: apt-get install fitsverify)"
else
  echo "fitsverify: not found, the products check will be skipped (Debian and Ubuntu: apt-get install fitsverify)"
fi

if [ -d "$data_dir" ]; then
  echo "real data: $data_dir"
elif in_ci; then
  die "the real data are required when CI=true: $data_dir is not there (ZEMOSAIC_TEST_DATA names another folder)"
else
  skip "tests on real data: $data_dir is not there (ZEMOSAIC_TEST_DATA names another folder)"
fi

make_venv() {
  rm -rf .venv
  python3 -m venv .venv || return 1
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r goldens/requirements.txt || return 1
  .venv/bin/python -c 'import astropy, reproject' || return 1
  requirements_hash >.venv/requirements.sha256
}

if have_python; then
  echo "python: $(version $python --version) in .venv, up to date"
elif ! command -v python3 >/dev/null; then
  skip "python checks: python3 is not there"
else
  python3 -c 'import ensurepip' 2>/dev/null || apt_install python3-venv
  echo "python: $(version python3 --version), making .venv"
  if make_venv >"$log_dir/venv.log" 2>&1; then
    echo "python: .venv is ready"
  else
    tail -n 5 "$log_dir/venv.log"
    skip "python checks: .venv could not be made, see $log_dir/venv.log"
  fi
fi
