"""IDEAL on CIFAR-10 by labels, each image asked once: 400 rounds of 250 queries.

Paper:    Zhang, Chen, Lyu, ICLR 2023 (arXiv:2205.11158).
Command:  copycost audit --preset ideal-cifar10-100k --data cifar10
Hardware: one GPU
Time:     not measured; 80,200 student steps
Expected: no figure to compare with. The abstract claims 5.83 points more than DFME on CIFAR-10
          with 0.02 of its queries (read first-hand), but the released code queries every image
          again in every epoch, 20.05 million queries in all in this configuration.
Caution:  victim and student are the ResNets of the other presets, not the authors' small net.
"""

from __future__ import annotations

from typing import Any

PRESET: dict[str, Any] = {
    "attacks": ("ideal",),
    "settings": {
        "ideal": {"batch_size": 250, "synthesis_steps": 5, "student_lr": 0.01, "flip": True}
    },
    "shared": {
        "victim": "cifar10-resnet34",
        "student": "resnet18-8x",
        "access": "label",
        "budget": 100_000,
        "evaluations": 50,
    },
}
