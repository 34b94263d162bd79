#!/usr/bin/env bash
# The runs behind docs/tables.md, on two CPU cores: about half an hour. Run it again to resume.
# COPYCOST_TEST_DATA names a folder with the spoken digits (fsdd) and the questions (trec).
#
#   tools/tables.sh OUT   runs under OUT; their records go to results/tables
set -euo pipefail
out="${1:?where to: tools/tables.sh OUT}"
export PYTHONPATH=".${PYTHONPATH:+:$PYTHONPATH}" # for tools.tables

sweep() {
  copycost sweep --out "$out/$1" --victim "tools.tables:$1" --student mlp --seeds 3 --threads 1 \
    --device cpu "${@:2}"
}
for data in cancer speech questions; do
  for model in logistic forest boosting; do
    victim="${data}_$model"
    sweep "$victim" --attack frugal --budget 300 --budget 1000 --budget 3000 --budget 10000 \
      --evaluations 3 --access probabilities --access label
    sweep "$victim" --attack random-noise --budget 3000 --evaluations 3
    # With twenty times the queries. DFME has no published settings for inputs that are no images.
    sweep "$victim" --attack dfme --budget 60000 --evaluations 3 \
      --set dfme.generator=mlp --set dfme.batch_size=64
  done
done
# Records say which commit they were made at, so nothing changes in the repository until all are.
for run in "$out"/*/*-seed*; do
  place="results/tables/$(basename "$(dirname "$run")")/$(basename "$run")"
  mkdir -p "$place"
  cp "$run/record.json" "$place/"
done
