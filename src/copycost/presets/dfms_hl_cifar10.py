"""DFMS-HL on CIFAR-10 by labels: ResNet-34 8x copied into ResNet-18 8x with synthetic proxies.

Paper:    Sanyal, Addepalli, Babu, CVPR 2022 (arXiv:2204.11022).
Command:  copycost audit --preset dfms-hl-cifar10-8m --data cifar10
Hardware: one H100-class GPU
Time:     not measured
Expected: 84.51 % accuracy for this victim and student (from memory); 85.92 % of a victim with
          93.7 %, both ResNet-18, is quoted second-hand for synthetic shapes.
Caution:  the authors' student has further stages of training, before and after, which are not
          implemented: see docs/methods/dfms-hl.md.
"""

from __future__ import annotations

from typing import Any

PRESET: dict[str, Any] = {
    "attacks": ("dfms-hl",),
    "settings": {
        "dfms-hl": {
            "like": "shapes",
            "batch_size": 64,
            "student_lr": 0.01,
            "generator_lr": 2e-4,
            "diversity": 500.0,
            "schedule": "cosine",
        }
    },
    "shared": {
        "victim": "cifar10-resnet34",
        "student": "resnet18-8x",
        "access": "label",
        "budget": 8_000_000,
        "evaluations": 50,
    },
}
