#!/usr/bin/env bash
# Everything that needs a GPU, for a lent machine: 15 minutes in all, in calls of at most ten. The
# machine is bare: Python 3.12, PyTorch, Lightning, no network. Results are in $OUT, in few files,
# as only eight are brought back.
#
#   tools/lease.sh wheels      run here, where there is a package index, after the last commit:
#                              downloads into .whl the packages that the machine lacks, and notes
#                              the commit; .whl and .data must then be carried
#   tools/lease.sh check       there: the tests that need a GPU; two minutes
#   tools/lease.sh begin       there: check and victim at the same time, as neither is timed
#   tools/lease.sh benchmark   there: speed in bfloat16 with CUDA graphs; kernels; layouts
#   tools/lease.sh more        there: speed without graphs, with large batches and in float32, and
#                              the cost of the account
#   tools/lease.sh precision   there: the table of docs/precision.md for the ResNet pair
#   tools/lease.sh victim      there: the ResNet-34 victim on CIFAR-10; resumes if repeated.
#                              VICTIM=house-numbers-resnet34 is the stand-in for SVHN's victim
#   tools/lease.sh dfme        there: DFME on that victim, with the paper's rates and 2 million
#                              queries; resumes if repeated. PRECISION=float32 EPSILON=1e-3 is the
#                              paper's arithmetic, and slow
#   tools/lease.sh audit       there: the attack of a preset on that victim; resumes if repeated.
#                              PRESET is frugal-cifar10-2m, disguide-cifar10-20m and so on;
#                              SETTINGS="frugal.members=1 frugal.student_steps=2" and
#                              BUDGET=2000000 override it
#   tools/lease.sh attacks     there: dfme and audit at once, as each leaves the GPU idle at times
#   tools/lease.sh reproduce   there: the paper's figures; resumes if repeated. FIGURES="--figure 2
#                              --seeds 1" is one run of 18 million queries on CIFAR-10. The victims
#                              must exist: figures 2, 6 and 8 copy that of CIFAR-10, 7 and 9 that of
#                              house numbers, and 3 to 5 both
#
# One lease of 15 minutes, with its start, holds `begin benchmark` and then `attacks`. With the
# victim brought back (.data/victim.txz.*, unchanged; 64 MiB may travel) the next lease holds `check
# precision` and `more`, or attacks. A million queries take Frugal about three minutes and DFME half
# a minute, after up to a minute to start; two attacks at the same time end a tenth sooner than one
# after the other. One run of the paper, of 18 million queries, takes eight minutes with the GPU to
# itself: it fits into one call with a victim that was brought, and not into a lease if that is
# trained first. Several parts may be named; one that fails does not stop the others. Parts that can
# be resumed stop by themselves $MINUTES (9) after the first part began, and need half a minute more
# to save what they have. SEED=1 gives an attack another seed.
#
# CIFAR-10 is in $DATA (.data): the JPEG copy as cifar10-jpeg/, else the official files as cifar10/.
# Victims and runs stay in $WORK (/tmp/copycost) for as long as the machine is held. To unpack what
# was packed: cat NAME.tgz.* | tar xz, and for a victim: cat victim.txz.* | tar xJ
#
# `reproduce` continues run by run over several leases: with .data/reproduce.tgz.* and the victim
# (that of house numbers is house-numbers-resnet34.txz.*), it skips finished runs, and new ones copy
# the same weights. Two victims are too large to travel together: do the figures of one victim per
# lease, and draw figures 3 to 5 at home from both. A run that a lease interrupts starts again, as
# its checkpoint of 117 MB may not travel either, so ask only for as many runs as there is time for.
set -euo pipefail
cd "$(dirname "$0")/.."
out="${OUT:-results/lease}" work="${WORK:-/tmp/copycost}" folder="${DATA:-.data}"
device="${DEVICE:-cuda}" minutes="${MINUTES:-9}"
data="cifar10:$folder/cifar10"
if [ -d "$folder/cifar10-jpeg" ]; then data="parquet:$folder/cifar10-jpeg"; fi

wheels() {
  if ! git diff --quiet HEAD; then
    echo "commit first: records say of which commit they are" >&2
    exit 1
  fi
  rm -rf .whl
  python3 -m pip download -q --no-deps --only-binary=:all: --python-version 3.12 \
    --implementation cp --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
    -d .whl -c constraints.txt pydantic pydantic-core annotated-types typing-inspection beartype
  git rev-parse HEAD >.whl/commit
}
prepare() {
  mkdir -p "$out" "$work"
  if [ -d .whl ] && [ ! -d "$work/site" ]; then
    python3 -m pip install -q --no-index --no-deps --no-compile --target "$work/site" .whl/*.whl
  fi
  export PYTHONPATH="$PWD/src:$work/site" PYTHONUNBUFFERED=1
  if [ -f .whl/commit ]; then COPYCOST_COMMIT="$(cat .whl/commit)" && export COPYCOST_COMMIT; fi
  carried cifar10-resnet34
  carried house-numbers-resnet34
  if [ -f "$folder/reproduce.tgz.00" ] && [ ! -d "$work/pages" ]; then
    cat "$folder"/reproduce.tgz.* | tar -C "$work" -xz
  fi
}
carried() { # VICTIM: unpack it where runs look for it, if it was brought
  local packed
  packed="$(packed "$1")"
  if [ ! -f "$folder/$packed.00" ] || [ -d "$(kept "$1")" ]; then return; fi
  cat "$folder/$packed".* >"$work/$packed"
  python3 -m tarfile -e "$work/$packed" "$work"
  mkdir -p "$work/runs/victims"
  mv "$work/victim" "$(kept "$1")"
}
packed() { # VICTIM: the archive's name; CIFAR-10's, which audits copy, has the short one
  if [ "$1" = cifar10-resnet34 ]; then echo victim.txz; else echo "$1.txz"; fi
}
learnt() { # VICTIM: the data it is trained on
  if [ "$1" = cifar10-resnet34 ]; then echo "$data"; else echo house-numbers; fi
}
kept() { # VICTIM: the folder where runs look for it; cached, as finding it imports PyTorch
  local told="$work/kept-$1.txt"
  if [ ! -f "$told" ]; then
    python3 -c 'import pathlib, sys, copycost.runner.targets as t
print(t.victim_folder(pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3], 0))' \
      "$work/runs/victims" "$1" "$(learnt "$1")" >"$told.part"
    mv "$told.part" "$told"
  fi
  cat "$told"
}
copycost() { python3 -m copycost "$@"; }
left() { awk "BEGIN { m = $minutes - ($(date +%s) - $BEGAN) / 60; print (m > 0 ? m : 0) }"; }
stoppable() { "$@" || [ $? -eq 3 ]; }
parts() { split -b 15M -d - "$out/$1."; } # NAME: as $out/NAME.00 and so on, each below 16 MiB
pack() { tar -C "$work" -cz "${@:2}" | parts "$1.tgz"; } # NAME FOLDER…: within $work
records() { # NAME: pack the records of all runs, without weights
  if [ ! -d "$work/runs" ]; then return; fi
  (cd "$work" && find runs -path 'runs/*-seed*/record.json' -print0) |
    tar -C "$work" -cz --null -T - | parts "$1.tgz"
}
card() { # the device's short name, such as h100
  if [ "$device" = cpu ]; then echo cpu; return; fi
  nvidia-smi --query-gpu=name --format=csv,noheader | awk 'NR == 1 { print tolower($2) }'
}
timed() { # NAME OPTION…
  copycost benchmark --setting cifar-resnet34 --device "$device" --repetitions 3 --seconds 4 \
    "${@:2}" --json >"$out/$(card)-$1.json"
}

check() {
  local status=0 four=(python3 -m pytest -q -n 4 -p no:cacheprovider -p no:benchmark)
  four+=(-o filterwarnings=default)
  "${four[@]}" -o addopts= --import-mode=importlib -m gpu \
    tests/test_arithmetic.py tests/test_compiling.py tests/training || status=$?
  "${four[@]}" -k cuda tests/contracts
  return "$status"
}
benchmark() {
  timed graphs --precision bfloat16 --compile graphs --no-overhead
  kernels graphs dfme
  kernels graphs frugal 'sources="winners"' members=1 candidates=2 student_steps=8 batch_size=512
  python3 tools/layouts.py "$device" 1024 | tee "$out/layouts.json"
}
kernels() { python3 tools/kernels.py "$device" "$@" >>"$out/kernels.txt"; }
more() {
  timed bfloat16 --precision bfloat16 --compile on
  timed batches --precision bfloat16 --compile graphs --batch-size 1024 --batch-size 4096 \
    --no-overhead
  timed float32 --precision float32 --no-overhead
}
beside() { # SECONDS PART COMMAND…: run both at once, the part for so long at most (0: no limit)
  timeout "$1" bash tools/lease.sh "$2" >"$out/$2.txt" 2>&1 &
  "${@:3}"
  wait $! || echo "$2 failed: see $2.txt"
  tail -n 12 "$out/$2.txt"
}
begin() { beside 240 check victim; }
precision() { copycost precision table --nets resnet --device "$device" --out "$out"; }
victim() {
  local name="${VICTIM:-cifar10-resnet34}" place packed
  place="$(kept "$name")" packed="$(packed "$name")"
  if [ -d "$place" ]; then return; fi
  stoppable copycost train-victim "$name" --data "$(learnt "$name")" --device "$device" \
    --max-minutes "$(left)" --out "$place"
  if [ -d "$place" ]; then
    python3 tools/round_victim.py "$place" "$(learnt "$name")" "$device" "$work/$packed"
    parts "$packed" <"$work/$packed"
  fi
}
needs() { # VICTIM: fail without it; the command that copies it would neither round nor pack it
  if [ -d "$(kept "$1")" ]; then return; fi
  echo "no victim yet: VICTIM=$1 $0 victim, again to go on" >&2
  return 1
}
audited() { # PRESET OPTION…
  needs cifar10-resnet34 || return
  stoppable copycost audit --preset "$1" --data "$data" --device "$device" \
    --first-seed "${SEED:-0}" --compile "${COMPILE:-graphs}" --max-minutes "$(left)" \
    --out "$work/runs" "${@:2}" || return
  records "$1"
}
dfme() {
  # 2.8 is bfloat16's own step at 3,072 values; with the paper's 1e-3 it would fall back to float32.
  audited dfme-cifar10-2m --precision "${PRECISION:-bfloat16}" --evaluations 20 \
    --set "dfme.epsilon=${EPSILON:-2.8}" --set dfme.generator_lr=5e-4 \
    --set dfme.schedule=steps:0.5,0.8:0.3
}
audit() {
  local chosen=() word
  for word in ${SETTINGS:-}; do chosen+=(--set "$word"); done
  audited "${PRESET:-frugal-cifar10-2m}" --precision bfloat16 \
    ${BUDGET:+--budget "$BUDGET"} "${chosen[@]}"
}
without_graphs_if_need_be() { audit || COMPILE=on audit; }
attacks() { beside 0 dfme without_graphs_if_need_be; }
reproduce() {
  local chosen needed name status=0
  read -ra chosen <<<"${FIGURES:-}"
  needed="$(python3 tools/victims_of.py "${chosen[@]}")"
  for name in $needed; do needs "$name" || return; done
  stoppable copycost reproduce kwon2023 --scale full --house-numbers --data "$folder" \
    --device "$device" --compile "${COMPILE:-graphs}" --max-minutes "$(left)" \
    --out "$work/pages" --work "$work/runs" "${chosen[@]}" || status=$?
  pack reproduce pages # finished runs are brought back even if one failed
  return "$status"
}

if [ $# -eq 0 ]; then sed -n '2,48s/^# \{0,1\}//p' "$0" >&2; exit 2; fi
if [ "$1" = wheels ]; then wheels; exit; fi
for part in "$@"; do
  case "$part" in
    check | begin | benchmark | more | precision | reproduce) ;;
    victim | dfme | audit | attacks) ;;
    *) echo "no part is called $part; see $0 without arguments" >&2; exit 2 ;;
  esac
done
prepare
export BEGAN="${BEGAN:-$(date +%s)}"
if [ $# -gt 1 ]; then # each part in its own shell, so that a failure ends only that part
  status=0
  for part in "$@"; do bash tools/lease.sh "$part" || status=$?; done
  exit "$status"
fi
"$1"
