"""A small residual net on the synthetic house numbers, for a CPU.

Source:   He et al. (arXiv:1512.03385) for the blocks; the recipe is ours
Command:  copycost train-victim house-numbers-small
Hardware: one CPU core
Time:     5 minutes of CPU, besides drawing the data (measured, torch 2.13)
Expected: test accuracy 99.5 % for seed 0 (measured here, n = 1)

No mirroring: a mirrored digit is another sign. No crop either: the digits at the sides are
distractors, and the class is the digit in the middle.
"""

from copycost.training.recipe import Recipe, VictimPreset

DATASET = "house-numbers"
RECIPE = Recipe(
    architecture="small-resnet",
    epochs=6,
    batch_size=128,
    peak_lr=0.2,
)
PRESET = VictimPreset(DATASET, RECIPE)
