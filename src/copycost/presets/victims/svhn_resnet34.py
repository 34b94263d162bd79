"""DFME's SVHN victim: ResNet-34-8x.

Source:   DFME (Truong et al., CVPR 2021, arXiv:2011.14779), whose victim has 96.2 %;
          the recipe is ours: a short one-cycle schedule
Command:  copycost train-victim svhn-resnet34
Hardware: aimed at one H100-class GPU
Time:     aimed at under five minutes; not measured
Expected: aimed at the published 96.2 %; not measured: this preset has been run here only at
          tiny size, never in full

No mirroring: a mirrored digit is another sign. The rate is half of CIFAR-10's and
rises for longer, as an untested precaution.
"""

from copycost.training.recipe import Recipe, VictimPreset

DATASET = "svhn"
RECIPE = Recipe(
    architecture="resnet34-8x",
    epochs=40,
    batch_size=512,
    peak_lr=0.2,
    warm_up=0.3,
    label_smoothing=0.1,
    crop=4,
    precision="bf16-mixed",
)
PRESET = VictimPreset(DATASET, RECIPE)
