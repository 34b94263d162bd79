#!/usr/bin/env bash
# The runs behind docs/tables.md, on two CPU cores: about half an hour. Run it again to resume.
# COPYCOST_TEST_DATA names a folder with the spoken digits (fsdd) and the questions (trec).
#
#   tools/tables.sh OUT   runs under OUT; their records go to results/tables
set -euo pipefail
out="${1:?where to: tools/tables.sh OUT}"
export PYTHONPATH=".${PYTHONPATH:+:$PYTHONPATH}" # for tools.tables and tools.equations

sweep() {
  copycost sweep --out "$out/$1" --victim "tools.tables:$1" --student "$2" --seeds 3 \
    --threads 1 --device cpu --evaluations 3 "${@:3}"
}
for one in cancer:31 speech:81 questions:301; do # columns, and one more
  data="${one%:*}" enough="${one#*:}"
  for model in logistic forest boosting; do
    victim="${data}_$model"
    sweep "$victim" mlp --attack frugal --budget 300 --budget 1000 --budget 3000 \
      --budget 10000 --access probabilities --access label
    if [ "$model" = logistic ]; then
      sweep "$victim" linear --attack frugal --budget 100 --budget 300 --budget 1000 \
        --budget 3000 --access probabilities --access label
      sweep "$victim" linear --attack tools.equations:EquationSolving --budget "$enough" \
        --budget "$((2 * enough))"
    fi
    sweep "$victim" mlp --attack random-noise --budget 3000
    # With twenty times the queries. DFME has no published settings for inputs that are no images.
    sweep "$victim" mlp --attack dfme --budget 60000 \
      --set dfme.generator=mlp --set dfme.batch_size=64
  done
done
# Records say which commit they were made at, so nothing changes in the repository until all are.
for run in "$out"/*/*-seed*; do
  mkdir -p "results/tables/$(basename "$run")"
  cp "$run/record.json" "results/tables/$(basename "$run")/"
done
