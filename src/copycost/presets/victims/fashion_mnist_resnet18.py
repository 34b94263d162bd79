"""ResNet-18-8x on Fashion-MNIST at its own 28x28.

Source:   DFME (arXiv:2011.14779) for the net, which is its student; the recipe is ours, a short
          one-cycle schedule
Command:  copycost train-victim fashion-mnist-resnet18
Hardware: aimed at one H100-class GPU
Time:     aimed at under two minutes; not measured
Expected: not measured: this preset has been run here only at tiny size, never in full

Images are mirrored: a mirrored garment is the same garment. The rate is that of svhn-resnet34.
"""

from copycost.training.recipe import Recipe, VictimPreset

DATASET = "fashion-mnist"
RECIPE = Recipe(
    architecture="resnet18-8x",
    epochs=30,
    batch_size=512,
    peak_lr=0.2,
    warm_up=0.3,
    label_smoothing=0.1,
    crop=2,
    flip=True,
    precision="bf16-mixed",
)
PRESET = VictimPreset(DATASET, RECIPE)
