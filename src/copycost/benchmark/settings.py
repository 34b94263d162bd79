"""Settings to time, by name: networks, sizes and the attack's settings. Loads no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from copycost.presets.cifar10_small import PRESET as CIFAR10_SMALL
from copycost.presets.dfme_cifar10 import PRESET as DFME_CIFAR10
from copycost.presets.digits import PRESET as DIGITS_AUDIT
from copycost.registry import Entry, Registry
from copycost.types import InputSpec

CLASSES = 10


@dataclass(frozen=True)
class Setting:
    """One pair of networks and DFME's settings, to be timed with random weights and no data."""

    name: str
    shape: tuple[int, int, int]
    """(C, H, W) of one image."""
    victim: str
    """Names in `copycost list students`."""
    student: str
    dfme: dict[str, Any]
    """Settings of DFME that differ from its defaults, the batch size among them."""

    @property
    def spec(self) -> InputSpec:
        """Images of this shape in [0, 1]."""
        return InputSpec(shape=self.shape)

    @property
    def batch_size(self) -> int:
        """N if the user asks for none; by default DFME's."""
        return int(self.dfme.get("batch_size", 256))

    def settings(self, batch_size: int) -> dict[str, Any]:
        """DFME's settings at a batch size N."""
        return {**self.dfme, "batch_size": batch_size}


DIGITS = Setting("digits", (1, 8, 8), "gap-cnn", "gap-cnn", DIGITS_AUDIT["settings"]["dfme"])
CIFAR_RESNET20 = Setting(
    "cifar-resnet20", (3, 32, 32), "resnet20", "resnet20", CIFAR10_SMALL["settings"]["dfme"]
)
CIFAR_RESNET34 = Setting(
    "cifar-resnet34",
    (3, 32, 32),
    "resnet34-8x",
    "resnet18-8x",
    # Without the paper's epsilon, which holds bfloat16 back: each arithmetic takes its default.
    {name: v for name, v in DFME_CIFAR10["settings"]["dfme"].items() if name != "epsilon"},
)

_HERE = "copycost.benchmark.settings"

TIMED: Registry[Setting] = Registry(
    "benchmark setting",
    {
        "digits": Entry(f"{_HERE}:DIGITS", "the embedded audit's nets on 8x8 digits; a CPU"),
        "cifar-resnet20": Entry(
            f"{_HERE}:CIFAR_RESNET20", "ResNet-20 copied into ResNet-20 at 3x32x32; a CPU"
        ),
        "cifar-resnet34": Entry(
            f"{_HERE}:CIFAR_RESNET34", "DFME's own: ResNet-34 8x into ResNet-18 8x; a GPU"
        ),
    },
)
"""Values of `copycost benchmark --setting`."""
