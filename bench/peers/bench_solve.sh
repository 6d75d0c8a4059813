#!/usr/bin/env bash
# Plate solving by this program and by solve-field (with its Tycho-2 indexes), in turn in one session, on the same frames.
#   bench_solve.sh [real] [B]      (default: both)
# real: the five raw Seestar frames, without their side-cars and headers' WCSs. B: 20 frames of set B, of which solve-field gets MB_FIELD.
# hinted: place and scale of the header, 2.2" to 2.6"; blind: the scale alone, any place.
# solve-field gets one call for each frame, as a user or another program would; this program one call for all of them,
# and for the real frames also one for each. It works on one thread (-j 1), as solve-field does.
# MB_DATA: the simulated sets. MB_REAL: the real frames (default ../shared/data). MB_WORK: scratch (default
# target/bench-peers). MB_OUT: results. MB_RUNS: runs of each (default 3). MB_FIELD: frames of B for solve-field (default 5).
# MB_PY: a Python with astropy. ZEMOSAIC: the program. ZEMOSAIC_CACHE: where its blind index is.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=${MB_WORK:-$root/target/bench-peers}/solve
mkdir -p "$work"
work=$(cd "$work" && pwd)
export MB_OUT=${MB_OUT:-$work/out}
python=${MB_PY:-python3}
runs=${MB_RUNS:-3}
zemosaic=${ZEMOSAIC:-${CARGO_TARGET_DIR:-$root/target}/release/zemosaic}
[ -x "$zemosaic" ] || (cd "$root" && cargo build --release --bin zemosaic)
field=$(command -v solve-field || true)
[ -n "$field" ] || echo "solve-field is not installed (apt install astrometry.net astrometry-data-tycho2): only our own runs are timed"

bench() { "$python" "$here/bench.py" "$@"; }

# field_script NAME FRAMES...: a script with one call of solve-field for each frame, hinted or blind.
field_script() {
  local name=$1 hint out
  shift
  out=$work/field-${name//\//-}
  mkdir -p "$out"
  echo "rm -f $out/*.solved $out/*.wcs"
  for frame in "$@"; do
    hint=
    [[ $name == */blind ]] || hint=$("$python" -W ignore -c "import sys; from astropy.io import fits; h = fits.getheader(sys.argv[1]); print('--ra', h['RA'], '--dec', h['DEC'], '--radius 2')" "$frame")
    echo "$field --no-plots --overwrite --no-verify --downsample 2 --scale-units arcsecperpix --scale-low 2.2 --scale-high 2.6 $hint --cpulimit 60 --new-fits none --rdls none --match none --corr none --index-xyls none --temp-axy --dir $out $frame"
  done
}

# ours FRAMES-FOLDER HOW NAME [OPTION...]: the command line of this program. That some frames are not solved (9) is no failure of the run.
ours() {
  local folder=$1 how=$2 name=$3
  shift 3
  local blind=off
  [ "$how" = hinted ] || blind=only
  echo "$zemosaic solve $folder --solver embedded --adjust off --blind $blind -j 1 --quiet --json $* >> $work/${name//\//-}.json || test \$? = 9 -o \$? = 5"
}

both() { # SET FIELD-FRAMES OPTIONS...
  local set=$1 frames=$2 how run frame
  shift 2
  for how in hinted blind; do
    [ -z "$field" ] || field_script "$set/$how" $frames > "$work/field-$set-$how.sh"
    {
      echo "rm -f $work/zemosaic-single-$set-$how.json"
      for frame in $frames; do ours "$frame" $how "zemosaic-single/$set/$how" "$@"; done
    } > "$work/single-$set-$how.sh"
    for run in $(seq "$runs"); do
      bench "zemosaic/$set/$how/run$run" -n 1 -t 300 -P "rm -f $work/zemosaic-$set-$how.json" -- "$(ours "$work/$set" $how "zemosaic/$set/$how" "$@")"
      bench "zemosaic-single/$set/$how/run$run" -n 1 -t 300 -- "bash $work/single-$set-$how.sh"
      [ -n "$field" ] || continue
      bench "solve-field/$set/$how/run$run" -n 1 -t 600 -- "bash $work/field-$set-$how.sh"
    done
  done
}

[ $# -gt 0 ] || set -- real B
for name in "$@"; do
  rm -rf "${work:?}/$name"
  mkdir -p "$work/$name"
  case $name in
    real)
      for file in "${MB_REAL:-$root/../shared/data}"/seestar_{m94,ngc7023}/*.fit.gz; do
        gunzip -c "$file" > "$work/real/$(basename "$file" .gz)"
      done
      both real "$(echo "$work"/real/*.fit)" --ignore-wcs
      ;;
    B)
      data=$(cd "${MB_DATA:?set MB_DATA to the folder of the simulated sets, see bench/peers/README.md}" && pwd)
      ls "$data"/B/nowcs/*.fit | awk 'NR % 12 == 6' | while read -r file; do ln -s "$file" "$work/B/"; done
      # The set has the stars where the catalogue has them.
      both B "$(ls "$work"/B/*.fit | awk -v n="${MB_FIELD:-5}" '(NR - 1) % int(20 / n) == 0' | head -n "${MB_FIELD:-5}" | xargs)" --catalog-epoch 2000
      ;;
    *) echo "no set $name" >&2; exit 2 ;;
  esac
done

"$python" - "$MB_OUT/results.jsonl" "$work" <<'P'
import glob, json, os, statistics, sys
groups = {}
for line in open(sys.argv[1]):
    row = json.loads(line)
    name, _, run = row["name"].rpartition("/run")
    if run and name.count("/") == 2 and "wall" in row and not row["rc"]:
        groups.setdefault(name, {})[run] = row  # a later session replaces an earlier one
work = sys.argv[2]
print(f"{'':30} frames  solved  wall s  CPU s  frames/s/core  s/frame  others' cores")
for name, rows in groups.items():
    program, kind, how = name.split("/")
    if program == "solve-field":
        frames = sum("solve-field" in line and not line.startswith("rm ") for line in open(f"{work}/field-{kind}-{how}.sh"))
        solved = str(len(glob.glob(f"{work}/field-{kind}-{how}/*.wcs")))
    else:
        lines = [json.loads(line) for line in open(f"{work}/{program}-{kind}-{how}.json")]
        lines = [line for line in lines if "outcome" in line]
        frames, solved = len(lines), str(sum(line["outcome"] != "unsolved" for line in lines))
    rows = list(rows.values())
    wall = statistics.median(r["wall"] for r in rows)
    cpu = statistics.median(r["user"] + r["sys"] for r in rows)
    others = statistics.median(x for r in rows for x in r["foreign"])
    print(f"{name:30} {frames:6} {solved:>7} {wall:7.2f} {cpu:6.2f} {frames / cpu:14.2f} {cpu / frames:8.2f} {others:9.2f}")
P
