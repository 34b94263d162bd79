"""DFME's CIFAR-10 victim: ResNet-34-8x.

Source:   DFME (Truong et al., CVPR 2021, arXiv:2011.14779), whose victim has 95.5 %;
          the recipe is ours: a short one-cycle schedule
Command:  copycost train-victim cifar10-resnet34
Hardware: aimed at one H100-class GPU
Time:     aimed at under five minutes; not measured
Expected: aimed at the published 95.5 %; not measured: this preset has been run here only at
          tiny size, never in full

A re-trained victim is not the published one: state its own accuracy beside every result.
"""

from copycost.training.recipe import Recipe, VictimPreset

DATASET = "cifar10"
RECIPE = Recipe(
    architecture="resnet34-8x",
    epochs=50,
    batch_size=512,
    peak_lr=0.4,
    label_smoothing=0.1,
    crop=4,
    flip=True,
    precision="bf16-mixed",
)
PRESET = VictimPreset(DATASET, RECIPE)
