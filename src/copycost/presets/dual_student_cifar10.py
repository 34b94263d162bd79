"""Dual Student on CIFAR-10: ResNet-34 8x copied into two ResNet-18 8x.

Paper:    Beetham et al., ICLR 2023.
Command:  copycost audit --preset dual-student-cifar10-20m --data cifar10
Hardware: one H100-class GPU; a run continues where it stopped, so --max-minutes can split it
Time:     not measured
Expected: 91.34 % accuracy at 20 million queries, of a victim with 95.5 % (reported; quoted
          second-hand, the victim's from memory). Others got 88.9 % with a standard deviation of
          1.1 over three seeds (quoted second-hand).
"""

from __future__ import annotations

from typing import Any

PRESET: dict[str, Any] = {
    "attacks": ("dual-student",),
    "settings": {
        "dual-student": {
            "batch_size": 256,
            "generator_lr": 1e-4,
            "student_lr": 0.3,
            "schedule": "steps:0.1,0.3,0.5:0.3",
        }
    },
    "shared": {
        "victim": "cifar10-resnet34",
        "student": "resnet18-8x",
        "budget": 20_000_000,
        "evaluations": 50,
    },
}
