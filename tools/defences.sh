#!/usr/bin/env bash
# The runs behind docs/defences.md, on two CPU cores: about three hours. Run it again to
# resume.
#
#   tools/defences.sh OUT   runs under OUT; their records go to results/defences
set -euo pipefail
out="${1:?where to: tools/defences.sh OUT}"

sweep() {
  copycost sweep --out "$out" --seeds 3 --threads 1 --device cpu --student gap-cnn "$@"
}
frugal() { sweep --attack frugal --budget 6000 --evaluations 6 "$@"; }
sets=(--defence-set none --defence-set rounding:1 --defence-set noise:0.1
  --defence-set reverse-sigmoid:0.2 --defence-set reverse-sigmoid:0.7
  --defence-set mad-argmax:1 --defence-set mad:0.9 --defence-set mad:1)
frugal --victim digits-cnn --access probabilities --access label "${sets[@]}"
frugal --victim digits-cnn "${sets[@]}" --adapt-set invert --adapt-set invert-blind
frugal --victim digits-cnn --defence-set noise:0.1 --adapt-set average:2 --adapt-set average:2,invert
# The settings of `copycost audit`.
sweep --victim digits-cnn --attack dfme --budget 240000 --evaluations 20 "${sets[@]}" \
  --adapt-set none --adapt-set invert \
  --set dfme.batch_size=64 --set dfme.student_lr=0.03 --set dfme.student_steps=9 \
  --set dfme.schedule=cosine --set dfme.generator_lr=0.0001
# By labels, what keeps the first choice is no defence.
frugal --victim house-numbers-16 --defence-set none --defence-set rounding:1 \
  --defence-set noise:0.1 --defence-set mad-argmax:1 --defence-set mad:0.9 \
  --adapt-set none --adapt-set invert --adapt-set invert-blind
frugal --victim house-numbers-16 --access label --defence-set none --defence-set mad:0.9
