#!/usr/bin/env bash
# Whole mosaics of the sets A and C by this program and by SWarp, in turn in one session: same frames, same grid
# (ref.hdr), Lanczos3, weighted mean, no rejection, no background subtraction, two threads.
#   bench_zemosaic.sh [A] [C] [R]      (default: A C R)
# R: set A, frames scaled to one flux, bilinear, plain mean, by this program and by reproject_and_coadd (once, it is slow).
# MB_DATA: the simulated sets. MB_WORK: scratch (default target/bench-peers). MB_OUT: results (default MB_WORK/out).
# MB_RUNS: runs of each (default 3). MB_PY: a Python, with reproject for R. ZEMOSAIC: the program.
# The frames of A have TPV side-cars (.head) with flux scales beside them, which both read.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
data=$(cd "${MB_DATA:?set MB_DATA to the folder of the simulated sets, see bench/peers/README.md}" && pwd)
work=${MB_WORK:-$root/target/bench-peers}
mkdir -p "$work"
export MB_OUT=${MB_OUT:-$work/out}
python=${MB_PY:-python3}
runs=${MB_RUNS:-3}
zemosaic=${ZEMOSAIC:-${CARGO_TARGET_DIR:-$root/target}/release/zemosaic}
[ -x "$zemosaic" ] || (cd "$root" && cargo build --release --bin zemosaic)
swarp=$(command -v SWarp || command -v swarp || true)
[ -n "$swarp" ] || echo "SWarp is not installed: only our own runs are timed"

bench() { "$python" "$here/bench.py" "$@"; }

[ $# -gt 0 ] || set -- A C R
for name in "$@"; do
  case $name in
    A) mpix=125.83 scale=0.5 size=7200,8400 ;;
    C) mpix=288.0 scale=1.0 size=8400,6400 ;;
    R)
      for run in $(seq "$runs"); do
        bench "zemosaic/A/bilinear-mean/run$run" -n 1 -p 125.83 -P "rm -rf $work/zemosaic-R" -- \
          "$zemosaic mosaic $data/A/scaled -o $work/zemosaic-R --grid $data/A/ref.hdr --kernel bilinear --weights none --reject none --threads 2"
      done
      bench "reproject/A/bilinear-mean/run1" -n 1 -p 125.83 -- "$python $here/bench_reproject.py interp-bilinear 0 0 $work/reproject_A.fits"
      continue
      ;;
    *) echo "no set $name" >&2; exit 2 ;;
  esac
  frames=$data/$name/frames
  tmp=$work/swarp-tmp
  # One run of each in turn, so that what else the machine does falls on both alike.
  for run in $(seq "$runs"); do
    bench "zemosaic/$name/lanczos3/run$run" -n 1 -p $mpix -P "rm -rf $work/zemosaic-$name" -- \
      "$zemosaic mosaic $frames -o $work/zemosaic-$name --grid $data/$name/ref.hdr --kernel lanczos3 --reject none --threads 2"
    [ -n "$swarp" ] || continue
    bench "swarp/$name/lanczos3/run$run" -n 1 -p $mpix -P "rm -rf $tmp; mkdir -p $tmp" -- \
      "cd $work && $swarp $frames/${name,,}_*.fits -NTHREADS 2 -WRITE_XML N -VERBOSE_TYPE QUIET -MEM_MAX 1024 -COMBINE_BUFSIZE 256 -CENTER_TYPE MANUAL -CENTER 312.75,44.0 -PIXELSCALE_TYPE MANUAL -PIXEL_SCALE $scale -IMAGE_SIZE $size -PROJECTION_TYPE TAN -CELESTIAL_TYPE EQUATORIAL -HEADER_SUFFIX .head -RESAMPLING_TYPE LANCZOS3 -SUBTRACT_BACK N -RESAMPLE_DIR $tmp -COMBINE_TYPE WEIGHTED -DELETE_TMPFILES Y -IMAGEOUT_NAME $work/swarp_$name.fits -WEIGHTOUT_NAME $work/swarp_$name.w.fits"
  done
done

"$python" - "$MB_OUT/results.jsonl" <<'P'
import json, statistics, sys
groups = {}
for line in open(sys.argv[1]):
    row = json.loads(line)
    name, _, run = row["name"].rpartition("/run")
    if run and "wall" in row and not row["rc"]:
        groups.setdefault(name, {})[run] = row  # a later session replaces an earlier one
print(f"{'':28} best wall s  median  CPU s  peak MiB  Mpix/s")
for name, rows in groups.items():
    rows = list(rows.values())
    wall = [r["wall"] for r in rows]
    best = min(rows, key=lambda r: r["wall"])
    print(f"{name:28} {min(wall):11.1f} {statistics.median(wall):7.1f} {best['user'] + best['sys']:6.1f} {max(r['rss_mib'] for r in rows):9} {best['mpix_s']:7.1f}")
P
