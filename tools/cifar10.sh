#!/usr/bin/env bash
# CIFAR-10 at its own size on two CPU cores: a ResNet-20 trained for ten epochs, copied into a
# small residual net by Frugal, by DFME with 20 times the queries, and by random noise; and by DFME
# with other gradients for its generator. It takes about seven hours. Run it again to resume.
#
#   tools/cifar10.sh OUT DATA   DATA as for --data: cifar10:FOLDER, or parquet:FOLDER for a copy
#
# Runs lie under OUT; their records go to results/frugal/cifar10, with no setting given to
# results/frugal/suited, and of DFME with other gradients to results/precision/cifar10. The docs'
# passages are generated from these records.
set -euo pipefail
out="${1:?where to: tools/cifar10.sh OUT DATA}"
data="${2:?which data: tools/cifar10.sh OUT DATA}"
victim="$out/victims/cifar10-resnet20-10-epochs"

if [ ! -d "$victim" ]; then
  copycost train-victim cifar10-resnet20 --epochs 10 --data "$data" --out "$victim"
fi
sweep() {
  copycost sweep --out "$out" --victim "$victim" --data "$data" --student small-resnet \
    --seeds 3 --threads 1 --device cpu "$@"
}
for images in untrained,coordinates winners textured; do
  sweep --attack frugal --budget 6000 --evaluations 3 --set frugal.batch_size=32 \
    --set frugal.student_steps=32 --set frugal.members=2 --set frugal.candidates=4 \
    --set frugal.adjustment=0 --set frugal.clip=0 --set frugal.loss=l1 \
    --set frugal.shift=0.0625 --set frugal.flip=true \
    --set frugal.as_asked=0 --set "frugal.sources=$images"
done
sweep --attack dfme --budget 120000 --evaluations 10 --set dfme.batch_size=32 \
  --set dfme.width=32 --set dfme.schedule=cosine
by_hand() {
  sweep --attack dfme --evaluations 20 --set dfme.batch_size=16 --set dfme.student_steps=9 \
    --set dfme.student_weight_decay=0 --set dfme.width=32 --set dfme.schedule=cosine "$@"
}
by_hand --budget 120000
by_hand --budget 480000
by_hand --budget 480000 --set dfme.estimator=random
by_hand --budget 480000 --set dfme.generator_lr=1e-12
by_hand --budget 480000 --precision bfloat16
sweep --attack random-noise --budget 6000 --evaluations 3 --set random-noise.batch_size=16 \
  --set random-noise.schedule=cosine --set random-noise.student_steps=1 \
  --set random-noise.loss=l1 --set random-noise.label_loss=l1 --set random-noise.clip=0
for access in probabilities label; do
  sweep --attack frugal --budget 6000 --budget 24000 --evaluations 6 --access $access
done
