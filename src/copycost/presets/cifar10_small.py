"""CIFAR-10 end to end on a CPU: ResNet-20 copied into a small residual net.

Paper:    none; shows the whole process on real colour images, not a strong attack.
Command:  copycost audit --preset cifar10-small --data cifar10
Hardware: two CPU cores
Time:     not measured in full
Expected: agreement above random noise; nothing near a published figure at this budget.
"""

from __future__ import annotations

from typing import Any

from copycost.presets.small import ONE_PASS

_STUDENT: dict[str, Any] = {"batch_size": 128, "schedule": "cosine"}

PRESET: dict[str, Any] = {
    "attacks": ("dfme", "random-noise"),
    "settings": {
        "dfme": {**_STUDENT, "width": 64},
        "random-noise": {**_STUDENT, **ONE_PASS},
    },
    "shared": {
        "victim": "cifar10-small",
        "student": "small-resnet",
        "budget": 100_000,
        "evaluations": 10,
    },
}
