#!/usr/bin/env bash
# What needs a GPU, for a machine that is lent for half an hour: each part ends within ten minutes
# and leaves its records in $OUT. A machine with Python 3.12, PyTorch and Lightning is expected.
#
#   tools/lease.sh wheels      here, where there is a package index: what that machine lacks, in .whl
#   tools/lease.sh benchmark   there: speed in float32 and bfloat16, compiled or not, and memory
#   tools/lease.sh precision   there: the table of docs/precision.md for the ResNet pair
#   tools/lease.sh victim      there: the ResNet-34 victim on CIFAR-10; again to go on
#   tools/lease.sh attack      there: DFME at 2 million queries on that victim; again to go on
#   tools/lease.sh frugal      there: our own attack at 2 million queries on it; again to go on.
#                              SOURCES=textured says which kinds of images it draws
#   tools/lease.sh reproduce   there: the paper's figures; again to go on
#
# CIFAR-10 is in $DATA (.data): the JPEG copy as cifar10-jpeg/, else the official files as cifar10/.
# Victims and runs are kept in $WORK (/tmp/copycost) for as long as the machine is held.
set -euo pipefail
cd "$(dirname "$0")/.."
out="${OUT:-results/lease}" work="${WORK:-/tmp/copycost}" folder="${DATA:-.data}"
data="cifar10:$folder/cifar10"
if [ -d "$folder/cifar10-jpeg" ]; then data="parquet:$folder/cifar10-jpeg"; fi

if [ "${1:-}" = wheels ]; then
  python3 -m pip download -q --no-deps --only-binary=:all: --python-version 3.12 \
    --implementation cp --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
    -d .whl -c constraints.txt pydantic pydantic-core annotated-types typing-inspection
  exit
fi

mkdir -p "$out" "$work"
if [ -d .whl ]; then
  python3 -m pip install -q --no-index --no-deps --no-compile --upgrade --target "$work/site" .whl/*.whl
fi
export PYTHONPATH="$PWD/src:$work/site" PYTHONUNBUFFERED=1
copycost() { python3 -m copycost "$@"; }
records() {
  for run in "$work/runs/$1"-*/; do
    if [ -f "$run/record.json" ]; then cp "$run/record.json" "$out/$(basename "$run").json"; fi
  done
}

case "${1:-}" in
  benchmark)
    copycost benchmark --setting cifar-resnet34 --device "${DEVICE:-cuda}" \
      --precision float32 --precision bfloat16 --compile off --compile on --compile graphs \
      --repetitions 3 --seconds 5 --json >"$out/h100.json"
    copycost benchmark --setting cifar-resnet34 --device "${DEVICE:-cuda}" --precision bfloat16 \
      --compile on --batch-size 1024 --batch-size 4096 --repetitions 3 --seconds 5 \
      --no-overhead --json >"$out/h100-batches.json"
    ;;
  precision) copycost precision table --nets resnet --device "${DEVICE:-cuda}" --out "$out" ;;
  victim)
    copycost train-victim cifar10-resnet34 --data "$data" --max-minutes 9 --out "$work/victim" \
      || [ $? -eq 3 ]
    ;;
  attack)
    # 2.8 is bfloat16's own step at 3,072 values; with the paper's 1e-3 it would fall back to float32.
    for arithmetic in "float32 1e-3" "bfloat16 2.8"; do
      read -r precision epsilon <<<"$arithmetic"
      copycost audit --preset dfme-cifar10-2m --victim "$work/victim" --data "$data" \
        --precision "$precision" --set "dfme.epsilon=$epsilon" --compile on \
        --max-minutes 4.5 --out "$work/runs" || [ $? -eq 3 ]
    done
    records dfme
    ;;
  frugal)
    copycost audit --preset frugal-cifar10-2m --victim "$work/victim" --data "$data" \
      ${SOURCES:+--set "frugal.sources=$SOURCES"} \
      --precision bfloat16 --compile on --max-minutes 9 --out "$work/runs" || [ $? -eq 3 ]
    records frugal
    ;;
  reproduce)
    copycost reproduce kwon2023 --scale full --house-numbers --data "$folder" \
      --device "${DEVICE:-cuda}" --max-minutes 9 --out "$out" --work "$work/kwon2023" || [ $? -eq 3 ]
    ;;
  *) sed -n '2,16s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
