#!/usr/bin/env bash
# The runs behind docs/methods/frugal.md, on two CPU cores: about four hours, or twelve with
# CIFAR10. Run it again to resume.
#
#   tools/frugal.sh OUT [CIFAR10]   runs under OUT/…; their records go to results/frugal/…
#
# `twentieth`: DFME at a budget, and Frugal and random noise at a twentieth of it; the latter two by
# labels, with DisGUIDE at DFME's budget; and Frugal with another norm as its loss, and with more
# queries. `adjustment`: Frugal by labels, with rare classes adjusted for, on digits.
# `parts`: Frugal on digits without each of its parts, or with one more; `parts-label`: the same by
# labels; `parts-suited`, `parts-suited-label`: the same, starting from no setting given.
# `photographs`: Frugal with other kinds of images on CIFAR-10 at 16×16, if its folder is given;
# images as asked, or moved and mirrored; also by labels. `lessons`: on these photographs, on digits
# and on house numbers, how long and from which images it learns. `label-photographs`: on these
# photographs by labels, how queries are chosen. `suited`: with no setting given. `noise`: random
# noise, whose records go to results/noise. `clip`: with a student without batch norms.
set -euo pipefail
out="${1:?where to: tools/frugal.sh OUT [CIFAR10]}"
cifar10="${2:-}"

student=gap-cnn
sweep() { copycost sweep --seeds 3 --threads 1 --device cpu --student "$student" "$@"; }

whole="$out/twentieth"
# The settings of all runs below, unless they say otherwise.
plain=(--set frugal.batch_size=32 --set frugal.members=2 --set frugal.candidates=4
  --set frugal.sources=untrained,coordinates --set frugal.shift=0 --set frugal.adjustment=0
  --set frugal.clip=0 --set frugal.loss=l1)
own=("${plain[@]}" --set frugal.student_steps=32)
one=("${plain[@]}" --set frugal.members=1)
long=("${one[@]}" --set frugal.student_steps=64)
once=(--set random-noise.student_steps=1 --set random-noise.loss=l1
  --set random-noise.label_loss=l1 --set random-noise.batch_size=16
  --set random-noise.schedule=cosine --set random-noise.clip=0)
small=("${own[@]}" "${once[@]}")
for victim in house-numbers-16 fashion-mnist-16; do
  # DFME twice: at its authors' rates for CIFAR-10 in batches that a small budget can afford, and
  # with the best of a few settings tried: smaller batches, more steps and no weight decay.
  for way in "batch_size=32 student_steps=5" "batch_size=16 student_steps=9 student_weight_decay=0"; do
    chosen=(--set dfme.width=32 --set dfme.schedule=cosine)
    for setting in $way; do chosen+=(--set "dfme.$setting"); done
    sweep --out "$whole" --victim "$victim" --attack dfme --budget 120000 --evaluations 20 \
      "${chosen[@]}"
  done
  sweep --out "$whole" --victim "$victim" --attack frugal --attack random-noise --budget 6000 \
    --evaluations 6 "${small[@]}"
  sweep --out "$whole" --victim "$victim" --attack frugal --budget 6000 --evaluations 6 \
    "${own[@]}" --set frugal.loss=l2
  sweep --out "$whole" --victim "$victim" --attack frugal --attack random-noise --budget 6000 \
    --access label --evaluations 6 "${small[@]}"
  # The settings that `python -m tools.tuning twentieth` chose.
  sweep --out "$whole" --victim "$victim" --attack dfme --budget 120000 --evaluations 20 \
    --set dfme.width=16 --set dfme.schedule=cosine --set dfme.batch_size=64 \
    --set dfme.student_steps=15 --set dfme.student_weight_decay=0.0005 --set dfme.student_lr=0.1 \
    --set dfme.latent=256 --set dfme.generator_lr=0.002
  sweep --out "$whole" --victim "$victim" --attack frugal --budget 6000 --evaluations 6 "${long[@]}"
  # By labels: one student that also learns from slightly moved images; then with more candidates,
  # and with rare classes adjusted for.
  moving=("${long[@]}" --set frugal.shift=0.0625 --set frugal.balanced=false)
  told=(--victim "$victim" --attack frugal --budget 6000 --access label --evaluations 6)
  sweep --out "$whole" "${told[@]}" "${moving[@]}"
  for adjustment in 0 0.5 1; do
    sweep --out "$whole" "${told[@]}" "${moving[@]}" --set frugal.candidates=32 \
      --set "frugal.adjustment=$adjustment"
  done
  sweep --out "$whole" --victim "$victim" --attack disguide --budget 120000 --access label \
    --evaluations 20 --set disguide.batch_size=32 --set disguide.width=32 \
    --set disguide.schedule=cosine
done
for adjustment in 0 0.5 1; do
  sweep --out "$out/adjustment" --victim digits-cnn --attack frugal --budget 6000 --access label \
    --evaluations 6 "${long[@]}" --set frugal.balanced=false --set frugal.candidates=32 \
    --set "frugal.adjustment=$adjustment"
done
# DFME's run of 240,000 queries on digits is in the embedded audit, results/digits.
for access in probabilities label; do
  sweep --out "$whole" --victim digits-cnn --attack frugal --attack random-noise --budget 12000 \
    --access "$access" --evaluations 6 "${small[@]}"
done
# Four times as many queries by labels; and on digits five times as many.
sweep --out "$whole" --victim house-numbers-16 --attack frugal --budget 24000 --access label \
  --evaluations 6 "${own[@]}"
for budget in 12000 60000; do
  for loss in l1 l2; do
    sweep --out "$whole" --victim digits-cnn --attack frugal --budget $budget \
      --access probabilities --evaluations 6 "${own[@]}" --set frugal.loss=$loss
  done
done

# With no setting given, and with the defaults from before settings followed the budget.
both_ways() { # OPTION…
  for access in probabilities label; do
    "$@" --attack frugal --budget 6000 --evaluations 6 --access $access
    "$@" --attack frugal --budget 6000 --evaluations 6 --access $access "${plain[@]}" \
      --set frugal.batch_size=256 --set frugal.student_steps=16
  done
}
for victim in house-numbers-16 fashion-mnist-16 digits-cnn; do
  both_ways sweep --out "$out/suited" --victim "$victim"
done
for budget in 1500 24000; do
  for access in probabilities label; do
    sweep --out "$out/suited" --victim house-numbers-16 --attack frugal --budget $budget \
      --evaluations 6 --access $access
  done
done

# Random noise, with one training step per batch and with many.
for victim in house-numbers-16 digits-cnn; do
  for access in probabilities label; do
    noise=(--out "$out/noise" --victim "$victim" --attack random-noise --budget 6000
      --evaluations 6 --access $access)
    sweep "${noise[@]}" "${once[@]}"
    sweep "${noise[@]}"
  done
done

# With a student without batch norms, its gradients clipped and not.
for budget in 600 1500 6000; do
  for clip in 1 0; do
    student=lenet sweep --out "$out/clip" --victim digits-lenet --attack frugal --budget $budget \
      --evaluations 6 --set frugal.clip=$clip
  done
done

# One student with twice the steps, at the cost of two students, by kinds of images. On digits with
# 12,000 queries, and by labels, one run each is on record.
small_lessons() { # VICTIM BUDGET ACCESS IMAGES OPTION…
  sweep --out "$out/lessons" --victim "$1" --attack frugal --budget "$2" --access "$3" \
    --evaluations 6 "${one[@]}" --set frugal.student_steps=64 --set "frugal.sources=$4" "${@:5}"
}
for access in probabilities label; do
  for images in untrained,coordinates winners patches; do
    small_lessons house-numbers-16 6000 $access $images
    small_lessons digits-cnn 12000 $access $images
  done
done
small_lessons digits-cnn 60000 probabilities untrained,coordinates
small_lessons digits-cnn 60000 probabilities untrained,coordinates --set frugal.loss=l2

# On photographs, by kinds of images: needs CIFAR-10, as official files or as a Parquet copy.
of_photographs() {
  student=small-resnet sweep --out "$out/$1" --victim cifar10-16 --data "cifar10-16:$cifar10" \
    "${@:2}"
}
photographs() { of_photographs photographs "$@"; }
if [ -n "$cifar10" ]; then
  both_ways of_photographs suited
  photographs --attack dfme --budget 120000 --evaluations 10 \
    --set dfme.batch_size=32 --set dfme.width=32 --set dfme.schedule=cosine
  photographs --attack random-noise --budget 6000 --evaluations 3 "${once[@]}"
  kinds() {
    photographs --attack frugal --budget 6000 --evaluations 3 "${own[@]}" \
      --set "frugal.sources=$1" "${@:2}"
  }
  views=(--set frugal.shift=0.0625 --set frugal.flip=true)
  moved=("${views[@]}" --set frugal.as_asked=0)
  for images in untrained,coordinates textured; do
    kinds "$images"
    kinds "$images" "${moved[@]}"
  done
  kinds untrained,coordinates "${moved[@]}" --set frugal.loss=l2
  kinds composed "${moved[@]}"
  photographs --attack frugal --evaluations 6 --budget 24000 "${own[@]}" \
    --set frugal.sources=untrained,coordinates "${moved[@]}"
  # Of these three runs of an hour or more each, one is on record.
  photographs --attack frugal --evaluations 6 --budget 96000 "${own[@]}" \
    --set frugal.sources=untrained,coordinates "${moved[@]}"
  photographs --attack random-noise --budget 6000 --evaluations 3 --access label "${once[@]}"
  for images in untrained,coordinates textured; do
    kinds "$images" "${moved[@]}" --access label
  done
  # Some of these have a single run on record, for lack of time: the page says which.
  lessons() { # IMAGES STEPS SHARE OPTION…
    of_photographs lessons --attack frugal "${one[@]}" "${views[@]}" --set "frugal.sources=$1" \
      --set "frugal.student_steps=$2" --set "frugal.as_asked=$3" "${@:4}"
  }
  both=untrained,coordinates
  for share in 0.5 0 1; do lessons $both 64 $share --budget 6000 --evaluations 3; done
  for steps in 32 128; do lessons $both $steps 0.5 --budget 6000 --evaluations 3; done
  for images in winners patches textured; do lessons $images 64 0.5 --budget 6000 --evaluations 3; done
  for images in $both winners patches; do lessons $images 64 0.5 --budget 24000 --evaluations 6; done
  lessons patches 64 0.5 --budget 6000 --evaluations 3 --set frugal.loss=l2
  lessons patches 16 0.5 --budget 96000 --evaluations 6
  labels() { lessons "$1" "$2" 0.5 --access label --evaluations 6 --budget "$3"; }
  labels patches 64 6000
  for images in $both winners patches $both,winners $both,patches; do
    labels $images 16 24000
  done
  labels patches 16 96000
  # By labels: more candidates, classes not asked in turns, and rare ones adjusted for.
  chosen() { # BUDGET STEPS OPTION…
    of_photographs label-photographs --attack frugal --access label --evaluations 6 \
      "${one[@]}" "${views[@]}" --set "frugal.sources=$both,winners" --set frugal.balanced=false \
      --set frugal.adjustment=0.5 --set frugal.candidates=16 --budget "$1" \
      --set "frugal.student_steps=$2" "${@:3}"
  }
  for steps in 16 32; do chosen 12000 $steps; done
  for change in candidates=4 adjustment=0 balanced=true; do
    chosen 12000 32 --set "frugal.$change"
  done
  chosen 24000 64
fi

own_part() { # FOLDER OPTION…
  sweep --out "$out/$1" --victim digits-cnn --attack frugal --evaluations 3 \
    "${plain[@]}" "${@:2}"
}
part() { own_part parts --budget 3000 "$@"; }
part --set frugal.student_steps=32
for change in members=1 candidates=1 balanced=false recent=0 average_momentum=0 generated=true \
  sources=normal sources=untrained,coordinates,leaves; do
  part --set frugal.student_steps=32 --set "frugal.$change"
done
part --set frugal.student_steps=32 --set frugal.shift=0.125 --set frugal.as_asked=0
for steps in 1 8; do part --set frugal.student_steps=$steps; done
by_labels() { own_part parts-label --budget 6000 --access label "$@"; }
by_labels --set frugal.student_steps=32
for change in members=1 candidates=1 balanced=false recent=0 average_momentum=0 sources=normal; do
  by_labels --set frugal.student_steps=32 --set "frugal.$change"
done
by_labels --set frugal.student_steps=8

# The same, starting from a run with no setting given.
suited_part() { # FOLDER ACCESS CHANGE…
  local all=(sweep --out "$out/$1" --victim digits-cnn --attack frugal --evaluations 3 --budget 1500
    --access "$2")
  "${all[@]}"
  for change in "${@:3}"; do "${all[@]}" --set "frugal.$change"; done
}
changes=(sources=normal sources=untrained,coordinates candidates=1 student_steps=16 shift=0
  members=2 balanced=false average_momentum=0 recent=0 schedule=constant student_momentum=0)
suited_part parts-suited probabilities "${changes[@]}" loss=l1
suited_part parts-suited-label label "${changes[@]}" adjustment=0
