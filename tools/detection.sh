#!/usr/bin/env bash
# The runs behind docs/detectors.md and what a detector says of them, on two CPU cores: about a
# quarter of an hour. Run it again to resume.
#
#   tools/detection.sh OUT   runs under OUT; what is found goes to results/detection
set -euo pipefail
out="${1:?where to: tools/detection.sh OUT}"
mkdir -p results/detection

sweep() {
  copycost sweep --out "$out/$1" --seeds 3 --threads 1 --device cpu --record-queries exact "${@:2}"
}
detect() {
  copycost detect "$out/$1"/*-seed* --json > "results/detection/$1.json"
}
# The settings of `copycost audit`, and Frugal with a fortieth of the queries.
sweep digits-cnn --preset digits --attack dfme --budget 240000
sweep digits-cnn --victim digits-cnn --student gap-cnn --budget 6000 --evaluations 6 \
  --attack frugal --attack random-noise --access probabilities --access label
detect digits-cnn
sweep digits-lenet --preset small
sweep digits-lenet --preset pool-digits
detect digits-lenet
sweep house-numbers-16 --victim house-numbers-16 --student gap-cnn --budget 6000 --evaluations 6 \
  --attack frugal --attack random-noise
detect house-numbers-16
