#!/usr/bin/env bash
# Runs goldens/make_*.py. A script names in its comments the folder of real data it needs (`# data:`, or none), further inputs
# (`# inputs:`) and the files it writes to target/goldens (`# writes:`). It runs again only when one of its inputs changed.
source "$(dirname "$0")/common.sh"

out=target/goldens
mkdir -p "$out"

field() { sed -n "s/^# $2: *//p" "$1"; }

is_current() {
  local stamp=$1 hash=$2 file
  shift 2
  [ "$(cat "$stamp" 2>/dev/null)" = "$hash" ] || return 1
  for file in "$@"; do [ -f "$out/$file" ] || return 1; done
}

for script in goldens/make_*.py; do
  name=$(basename "$script" .py)
  read -ra inputs <<<"$(field "$script" inputs)"
  read -ra writes <<<"$(field "$script" writes)"
  [ -n "$(field "$script" data)" ] || continue # makes a small golden that is committed, see its first lines
  files=("$script" goldens/requirements.txt)
  if [ "$(field "$script" data)" != none ]; then
    data=$data_dir/$(field "$script" data)
    if [ ! -d "$data" ]; then
      in_ci && die "$name: $data is not there, and it is required when CI=true"
      skip "$name: $data is not there"
      continue
    fi
    files+=("$data"/*)
  fi
  hash=$(hash_of "${files[@]}" "${inputs[@]}")
  if is_current "$out/$name.sha256" "$hash" "${writes[@]}"; then
    echo "$name: up to date"
  elif ! have_python; then
    rm -f "$out/$name.sha256" "${writes[@]/#/$out/}" # a stale golden must not be compared with
    skip "$name: no python (make setup says why)"
  else
    rm -f "$out/$name.sha256"
    "$python" "$script" "$data_dir" "$out"
    echo "$hash" >"$out/$name.sha256"
  fi
done
