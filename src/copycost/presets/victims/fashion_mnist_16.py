"""Three convolutions on a part of Fashion-MNIST at 16x16, for a CPU.

Source:   ours; nothing is published for these images
Command:  copycost train-victim fashion-mnist-16
Hardware: one CPU core
Time:     67 to 77 s of CPU, importing PyTorch included (measured, torch 2.13)
Expected: test accuracy 87.9 % for seed 0; seeds 1 and 2: 88.4 and 88.2 % (measured here, n = 3)
"""

from copycost.training.recipe import Recipe, VictimPreset

DATASET = "fashion-mnist-16"
RECIPE = Recipe(
    architecture="gap-cnn",
    epochs=20,
    batch_size=64,
    peak_lr=0.1,
)
PRESET = VictimPreset(DATASET, RECIPE)
