"""A small residual net on CIFAR-10 at 16x16, for a CPU.

Source:   ours; nothing is published for these images
Command:  copycost train-victim cifar10-16
Hardware: one CPU core
Time:     7 min of CPU (measured, torch 2.13)
Expected: test accuracy 76.9 % for seed 0 on the JPEG copy (measured here, n = 1)
"""

from copycost.training.recipe import Recipe, VictimPreset

DATASET = "cifar10-16"
RECIPE = Recipe(
    architecture="small-resnet",
    epochs=12,
    batch_size=128,
    peak_lr=0.2,
    crop=1,
    flip=True,
)
PRESET = VictimPreset(DATASET, RECIPE)
