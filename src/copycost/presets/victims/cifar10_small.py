"""ResNet-20 on CIFAR-10 for two epochs: to try an audit end to end on a CPU.

Source:   He et al. (arXiv:1512.03385) for the net; the recipe is ours
Command:  copycost train-victim cifar10-small
Hardware: one CPU core
Time:     about 8 minutes of CPU: 780 steps of 0.61 s (steps measured, torch 2.13)
Expected: not measured: this preset has been run here only at tiny size, never in full

Not a serious victim: results against it say that the tool runs, not what copying costs.
"""

from copycost.training.recipe import Recipe, VictimPreset

DATASET = "cifar10"
RECIPE = Recipe(
    architecture="resnet20",
    epochs=2,
    batch_size=128,
    peak_lr=0.2,
    flip=True,
)
PRESET = VictimPreset(DATASET, RECIPE)
