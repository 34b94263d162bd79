"""DFME's CIFAR-10 victim: ResNet-34-8x.

Source:   DFME (Truong et al., CVPR 2021, arXiv:2011.14779), whose victim has 95.5 %;
          the recipe is ours: a short one-cycle schedule
Command:  copycost train-victim cifar10-resnet34
Hardware: one H100-class GPU
Time:     two minutes on an H100 that ran tests at the same time
Expected: aimed at the published 95.5 %, which was not measured: it was trained only on the JPEG
          copy, where the records of its copies give 91.6 % (results/frugal/full)

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
