"""ResNet-20 on CIFAR-10: MAZE's victim.

Source:   He et al. (arXiv:1512.03385), which reports 91.25 %; MAZE (Kariyappa et al., CVPR 2021,
          arXiv:2005.03161) attacks one with 92.26 % (from memory); the recipe is ours
Command:  copycost train-victim cifar10-resnet20
Hardware: aimed at one H100-class GPU
Time:     not measured in full; `--epochs 10` took 28 min on two CPU cores (torch 2.13)
Expected: aimed at 92 %; not measured in full. Ten epochs gave 84.3 % for seed 0 on the JPEG copy
          (measured here, n = 1)

A re-trained victim is not the published one: state its own accuracy beside every result.
"""

from copycost.training.recipe import Recipe, VictimPreset

DATASET = "cifar10"
RECIPE = Recipe(
    architecture="resnet20",
    epochs=100,
    batch_size=128,
    peak_lr=0.2,
    crop=4,
    flip=True,
)
PRESET = VictimPreset(DATASET, RECIPE)
