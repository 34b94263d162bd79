"""DFME on SVHN: ResNet-34 8x copied into ResNet-18 8x at 2 million queries.

Paper:    Truong et al., CVPR 2021, table 1.
Command:  copycost audit --preset dfme-svhn-2m --data svhn
Hardware: one H100-class GPU
Time:     not measured; the same nets and queries on CIFAR-10 took 3 minutes (results/frugal/full)
Expected: 95.2 % accuracy, of a victim with 96.2 % (reported; quoted second-hand,
          the victim's from memory).
"""

from __future__ import annotations

from typing import Any

PRESET: dict[str, Any] = {
    "attacks": ("dfme",),
    "settings": {
        "dfme": {
            "batch_size": 256,
            "epsilon": 1e-3,
            "generator_lr": 5e-5,
            "student_lr": 0.1,
            "schedule": "steps:0.5,0.8:0.3",
        }
    },
    "shared": {
        "victim": "svhn-resnet34",
        "student": "resnet18-8x",
        "budget": 2_000_000,
        "evaluations": 50,
    },
}
