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

# verify_in FOLDER: fitsverify judges every FITS file there.
verify_in() {
  local file
  [ -n "$have_fitsverify" ] || return 0
  while read -r file; do
    check "fitsverify ${file#"$work"/}" verify "$file"
  done < <(find "$1" -name '*.fits' -o -name '*.fit' -o -name '*.fz' | sort)
}

# product NAME COMMAND...: COMMAND makes $work/NAME. `zemosaic check` and fitsverify judge it, then it goes, so that the disk
# never holds more than one beside the frames.
product() {
  local name=$1
  shift
  mkdir "$work/$name"
  check "$name" "$zemosaic" "$@"
  mapfile -t files < <(find "$work/$name" -name '*.fits' -o -name '*.fz' | sort)
  check "zemosaic check of $name" "$zemosaic" check "${files[@]}"
  verify_in "$work/$name"
}

have_fitsverify=
if command -v fitsverify >/dev/null; then
  have_fitsverify=yes
elif in_ci; then
  die "fitsverify is required when CI=true"
else
  skip "fitsverify on the products: not installed"
fi

cargo build "$@" --release --bin zemosaic
rm -rf "$work"
mkdir -p "$work"
frames=$work/sim/frames
check "simulate" "$zemosaic" simulate "${simulate[@]}" -o "$work/sim"
verify_in "$work/sim"
for codec in rice gzip; do
  product $codec mosaic "$frames" -o "$work/$codec" --compress $codec
  rm -rf "${work:?}/$codec"
done
product classic run "$frames" -o "$work/classic" --mode classic --cluster-groups 2
rm -rf "$work/classic"
product stack stack "$frames" -o "$work/stack/stack.fits"
rm -rf "$work/stack"
product mosaic mosaic "$frames" -o "$work/mosaic" # stays, for astropy and for whoever looks

if [ "$failed" -gt 0 ]; then
  : # without a sound mosaic the next check says nothing new
elif have_python; then
  "$python" tests-py/check_products.py "$work/mosaic" "$frames" >"$log_dir/astropy.out" || true
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
