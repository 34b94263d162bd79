"""Victims that `copycost train-victim NAME` can make, one file each."""

from __future__ import annotations

from copycost.registry import Entry, Registry
from copycost.training.recipe import VictimPreset

_HERE = "copycost.presets.victims"

VICTIMS: Registry[VictimPreset] = Registry(
    "victim preset",
    {
        "digits-cnn": Entry(
            f"{_HERE}.digits_cnn:PRESET", "gap-cnn on scikit-learn's digits; 8 s on one core"
        ),
        "digits-lenet": Entry(
            f"{_HERE}.digits_lenet:PRESET", "LeNet on scikit-learn's digits; 5 s on one core"
        ),
        "digits-resnet": Entry(
            f"{_HERE}.digits_resnet:PRESET",
            "small ResNet on scikit-learn's digits; 4 s on a core",
        ),
        "house-numbers-16": Entry(
            f"{_HERE}.house_numbers_16:PRESET",
            "gap-cnn on synthetic house numbers of 16×16; a minute on a CPU",
        ),
        "house-numbers-small": Entry(
            f"{_HERE}.house_numbers_small:PRESET",
            "small ResNet on synthetic house numbers; minutes on a CPU",
        ),
        "house-numbers-resnet34": Entry(
            f"{_HERE}.house_numbers_resnet34:PRESET",
            "ResNet-34-8x on synthetic house numbers; for a GPU",
        ),
        "fashion-mnist-16": Entry(
            f"{_HERE}.fashion_mnist_16:PRESET",
            "gap-cnn on a part of Fashion-MNIST at 16×16; a minute or two on a CPU",
        ),
        "fashion-mnist-resnet18": Entry(
            f"{_HERE}.fashion_mnist_resnet18:PRESET",
            "ResNet-18-8x on Fashion-MNIST; for a GPU",
        ),
        "cifar10-16": Entry(
            f"{_HERE}.cifar10_16:PRESET",
            "small ResNet on CIFAR-10 halved to 16×16; minutes on a CPU",
        ),
        "cifar10-small": Entry(
            f"{_HERE}.cifar10_small:PRESET",
            "ResNet-20 on CIFAR-10 for two epochs; to try things end to end",
        ),
        "cifar10-resnet20": Entry(
            f"{_HERE}.cifar10_resnet20:PRESET", "ResNet-20 on CIFAR-10, MAZE's victim; for a GPU"
        ),
        "cifar10-resnet34": Entry(
            f"{_HERE}.cifar10_resnet34:PRESET",
            "ResNet-34-8x on CIFAR-10, DFME's victim; for a GPU",
        ),
        "svhn-resnet34": Entry(
            f"{_HERE}.svhn_resnet34:PRESET", "ResNet-34-8x on SVHN, DFME's victim; for a GPU"
        ),
    },
)
"""Victim presets by name. They are data and load no PyTorch."""

__all__ = ["VICTIMS"]
