# The two commands of this repository are `make demo` and `make test`; the other targets are parts of them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: demo test setup fmt clippy layers goldens unit doctest doc products bench bench-peers clean

# CI must not change the lock file, and builds once, for no debugger: what both keep would only fill its disk.
LOCKED := $(if $(filter true,$(CI)),--locked)
ifeq ($(CI),true)
export CARGO_INCREMENTAL = 0
export CARGO_PROFILE_DEV_DEBUG = 0
export CARGO_PROFILE_RELEASE_DEBUG = 0
endif

# Simulate raw frames of a known sky, make the mosaic, compare it with the truth; prints figures and paths.
demo:
	cargo build $(LOCKED) --release --bin zemosaic
	$${CARGO_TARGET_DIR:-target}/release/zemosaic demo -o demo

# Every check, in the order below, stopping at the first that fails; ends with `N passed, N failed`.
test:
	@scripts/test.sh setup fmt clippy layers goldens unit doctest doc products

setup:
	@scripts/setup.sh

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy $(LOCKED) --workspace --all-targets -- -D warnings

layers:
	cargo xtask layers

# Reference images that only Python peers can make, written to target/goldens and kept until a script or its data change.
goldens:
	@scripts/goldens.sh

unit:
	@scripts/unit.sh $(LOCKED)

doctest:
	cargo test $(LOCKED) --workspace --doc --quiet

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc $(LOCKED) --workspace --no-deps --quiet

# The built program makes a mosaic; fitsverify and astropy judge it.
products:
	@scripts/products.sh $(LOCKED)

bench:
	cargo bench $(LOCKED) --package zemosaic-benches

# Side by side with SWarp; MB_DATA names the simulated sets (see bench/peers/README.md).
bench-peers:
	@bench/peers/bench_zemosaic.sh A C

clean:
	cargo clean
	rm -rf demo .venv
