#!/usr/bin/env bash
# The runs behind docs/texts.md, on two CPU cores: about half an hour. Run it again to resume.
# COPYCOST_TEST_DATA names a folder with the questions (trec).
#
#   tools/texts.sh OUT   runs under OUT; their records go to results/texts
set -euo pipefail
out="${1:?where to: tools/texts.sh OUT}"
export PYTHONPATH=".${PYTHONPATH:+:$PYTHONPATH}" # for tools.texts
export OMP_NUM_THREADS=1                         # the recurrent net must be the same everywhere

sweep() {
  copycost sweep --out "$out/$1" --victim "tools.texts:$1" --student "$2" --seeds 3 \
    --threads 1 --device cpu --evaluations 3 "${@:3}"
}
for victim in logistic forest recurrent; do
  for kind in phrases zipfian; do
    sweep "$victim" bag-of-tokens --attack frugal --set "frugal.texts=$kind" --budget 1000 \
      --budget 3000 --budget 10000 --access probabilities --access label
  done
  sweep "$victim" bag-of-tokens --attack random-noise --budget 10000
done
for victim in logistic forest recurrent; do # further, and by a slower student
  sweep "$victim" bag-of-tokens --attack frugal --set frugal.texts=phrases --budget 30000
  sweep "$victim" text-cnn --attack frugal --set frugal.texts=phrases --budget 3000
done
# Records say which commit they were made at, so nothing changes in the repository until all are.
for run in "$out"/*/*-seed*; do
  mkdir -p "results/texts/$(basename "$run")"
  cp "$run/record.json" "results/texts/$(basename "$run")/"
done
