"""ResNet-34-8x on the synthetic house numbers: DFME's victim where SVHN is not available.

Source:   DFME (arXiv:2011.14779) for the net; the recipe is ours, as for svhn-resnet34
Command:  copycost train-victim house-numbers-resnet34
Hardware: aimed at one H100-class GPU
Time:     aimed at under two minutes; not measured
Expected: not measured: this preset has been run here only at tiny size, never in full
"""

from copycost.training.recipe import Recipe, VictimPreset

DATASET = "house-numbers"
RECIPE = Recipe(
    architecture="resnet34-8x",
    epochs=60,
    batch_size=512,
    peak_lr=0.4,
    label_smoothing=0.1,
    precision="bf16-mixed",
)
PRESET = VictimPreset(DATASET, RECIPE)
