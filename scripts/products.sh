#!/usr/bin/env bash
# The released program simulates frames and makes a mosaic of them; `zemosaic check`, fitsverify and astropy judge the
# products. Arguments go to cargo. ZEMOSAIC_SIMULATE replaces the simulator's options.
source "$(dirname "$0")/common.sh"

work=target/products
zemosaic=$target_dir/release/zemosaic
read -ra simulate <<<"${ZEMOSAIC_SIMULATE:---preset demo}"
passed=0
failed=0

# check NAME COMMAND...: one line when it succeeds, what it printed when it fails.
check() {
  local name=$1
  shift
  if "$@" >"$log_dir/check.out" 2>&1; then
    echo "ok: $name"
    passed=$((passed + 1))
  else
    cat "$log_dir/check.out"
    echo "FAILED: $name"
    failed=$((failed + 1))
  fi
}

# fitsverify's exit status is the number of errors and warnings.
verify() { fitsverify "$1"; }

cargo build "$@" --release --bin zemosaic
rm -rf "$work"
mkdir -p "$work"
check "simulate" "$zemosaic" simulate "${simulate[@]}" -o "$work/sim"
check "mosaic" "$zemosaic" mosaic "$work/sim/frames" -o "$work/mosaic"
check "zemosaic check" "$zemosaic" check "$work/mosaic/mosaic.fits"
for codec in rice gzip; do
  check "mosaic --compress $codec" "$zemosaic" mosaic "$work/sim/frames" -o "$work/$codec" --compress $codec
  check "zemosaic check of $codec" "$zemosaic" check "$work/$codec"
done
check "run --mode classic" "$zemosaic" run "$work/sim/frames" -o "$work/classic" --mode classic --cluster-groups 2
check "zemosaic check of classic" "$zemosaic" check "$work/classic" "$work"/classic/tiles/*.fits
check "stack" "$zemosaic" stack "$work/sim/frames" -o "$work/stack.fits"

products=$(find "$work" -name '*.fits' -o -name '*.fit' -o -name '*.fz' | sort)
if command -v fitsverify >/dev/null; then
  for file in $products; do check "fitsverify ${file#"$work"/}" verify "$file"; done
elif in_ci; then
  die "fitsverify is required when CI=true"
else
  skip "fitsverify on the products: not installed"
fi

if [ "$failed" -gt 0 ]; then
  : # without a sound mosaic the next check says nothing new
elif have_python; then
  "$python" tests-py/check_products.py "$work/mosaic" "$work/sim/frames" >"$log_dir/astropy.out" || true
  sed '$d' "$log_dir/astropy.out" # its closing line is added to ours
  read -r more_passed _ more_failed _ <<<"$(tail -n 1 "$log_dir/astropy.out")"
  [[ $more_passed =~ ^[0-9]+$ && $more_failed =~ ^[0-9]+$ ]] || die "tests-py/check_products.py did not finish"
  passed=$((passed + more_passed))
  failed=$((failed + more_failed))
else
  skip "astropy on the products: no python (make setup says why)"
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
