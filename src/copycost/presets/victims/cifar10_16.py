"""A small residual net on CIFAR-10 at 16x16, for a CPU.

Source:   ours; nothing is published for these images
Command:  copycost train-victim cifar10-16 --data cifar10-16:FOLDER
Hardware: one CPU core
Time:     TIME
Expected: EXPECTED
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
