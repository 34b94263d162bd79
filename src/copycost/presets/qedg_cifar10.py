"""QEDG on CIFAR-10 by 30,000 labels.

Paper:    Pei et al., AAAI 2025.
Command:  copycost audit --preset qedg-cifar10-30k --data cifar10
Hardware: one GPU
Time:     not measured; about 93,000 student steps, with two passes through the student each
Expected: no figure was found. The budget is that of the authors' script (read first-hand).
Caution:  the authors' code names torchvision's ImageNet weights for its student, which no data-free
          attack has; here the student starts from random weights.
"""

from __future__ import annotations

from typing import Any

PRESET: dict[str, Any] = {
    "attacks": ("qedg",),
    "settings": {
        "qedg": {
            "batch_size": 512,
            "latent": 1024,
            "synthesis_steps": 100,
            "over_confidence": 1.0,
            "diversity": 0.01,
            "threshold": 0.7,
            "flip": True,
        }
    },
    "shared": {
        "victim": "cifar10-resnet34",
        "student": "resnet18-8x",
        "access": "label",
        "budget": 30_000,
        "evaluations": 50,
    },
}
