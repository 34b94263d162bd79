"""The embedded default: three convolutions on scikit-learn's 8x8 digits.

Source:   ours; nothing is published for this split
Command:  copycost train-victim digits-cnn
Hardware: one CPU core
Time:     some seconds of CPU, besides importing PyTorch
Expected: test accuracy about 99 % (measured here: see the records under results/)
"""

from copycost.training.recipe import Recipe, VictimPreset

DATASET = "digits"
RECIPE = Recipe(
    architecture="gap-cnn",
    epochs=20,
    batch_size=32,
    peak_lr=0.1,
)
PRESET = VictimPreset(DATASET, RECIPE)
