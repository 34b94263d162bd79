#!/usr/bin/env bash
# The runs behind docs/detectors.md and what detectors say of them, on two CPU cores: some twenty
# minutes. Run it again to resume.
#
#   tools/detection.sh OUT   runs under OUT; what is found goes to results/detection
set -euo pipefail
out="${1:?where to: tools/detection.sh OUT}"
mkdir -p results/detection
export PYTHONPATH=".${PYTHONPATH:+:$PYTHONPATH}" # for tools.discreet

sweep() {
  copycost sweep --out "$out/$1" --seeds 3 --threads 1 --device cpu --record-queries exact "${@:2}"
}
# `confidence` needs probabilities, so runs by labels are in folders of their own. What is found
# says which commit found it, so nothing changes in the repository until all is.
detect() {
  copycost detect --detector "$1" "${@:3}" --json > "$out/$2.json"
}
# The settings of `copycost audit`, and Frugal with a fortieth of the queries.
sweep digits-cnn --preset digits --attack dfme --budget 240000
few=(--student gap-cnn --budget 6000 --evaluations 6)
both=("${few[@]}" --attack frugal --attack random-noise)
knows=("${few[@]}" --attack tools.discreet:Discreet)
sweep digits-cnn --victim digits-cnn "${both[@]}"
sweep digits-cnn --victim digits-cnn "${knows[@]}"
sweep digits-cnn-label --victim digits-cnn "${both[@]}" --access label
sweep digits-lenet --preset small
sweep digits-lenet --preset pool-digits
sweep house-numbers-16 --victim house-numbers-16 "${both[@]}"
sweep house-numbers-16 --victim house-numbers-16 "${knows[@]}"

detect prada digits-cnn "$out"/digits-cnn/*-seed* "$out"/digits-cnn-label/*-seed*
for victim in digits-lenet house-numbers-16; do
  detect prada "$victim" "$out/$victim"/*-seed*
done
for victim in digits-cnn digits-lenet house-numbers-16; do
  detect confidence "$victim-confidence" "$out/$victim"/*-seed*
done
cp "$out"/*.json results/detection/
