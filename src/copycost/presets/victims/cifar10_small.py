"""ResNet-20 on CIFAR-10 for two epochs: to try an audit end to end on a CPU.

Source:   He et al. (arXiv:1512.03385) for the net; the recipe is ours
Command:  copycost train-victim cifar10-small
Hardware: one CPU core
Time:     CF_TIME
Expected: CF_ACC

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
