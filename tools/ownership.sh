#!/usr/bin/env bash
# What docs/ownership.md shows: copies by the runs of tools/detection.sh, which comes first, and
# innocent models, beside independent ones. On two CPU cores: about twenty minutes. Run it again to
# resume.
#
#   tools/ownership.sh OUT   that of tools/detection.sh; what is found goes to results/ownership
set -euo pipefail
out="${1:?where the runs are: tools/ownership.sh OUT}"
mkdir -p results/ownership "$out/verified"

# Innocent models: trained like the victim, with other random numbers; and copies of one of them.
# Controls have the seeds 1 to 10.
innocent() {
  for seed in 11 12 13 14 15; do
    place="$out/innocent/$1/seed-$seed"
    [ -e "$place/card.json" ] || copycost train-victim "$1" --seed "$seed" --threads 1 --out "$place" > /dev/null
  done
  copycost sweep --out "$out/innocent/$1-copies" --victim "$out/innocent/$1/seed-11" --data "$2" \
    --student gap-cnn --budget 6000 --attack frugal --evaluations 1 --seeds 3 --threads 1 --device cpu
}
verify() {
  copycost verify "${@:3}" --victim "$1" --out "$out/ownership" --threads 1 --device cpu --json \
    > "$out/verified/$2.json"
}
innocent digits-cnn digits
innocent digits-lenet digits
innocent house-numbers-16 house-numbers-16
for victim in digits-cnn digits-lenet house-numbers-16; do
  verify "$victim" "$victim" "$out/$victim"*/*-seed*
  verify "$victim" "$victim-innocent" "$out/innocent/$victim"/* "$out/innocent/$victim-copies"/*-seed*
done
cp "$out"/verified/*.json results/ownership/
