"""MAZE on CIFAR-10: ResNet-20 copied into WRN-22-2.

Paper:    Kariyappa et al., CVPR 2021, table 1.
Command:  copycost audit --preset maze-cifar10-30m --data cifar10
Hardware: one H100-class GPU; a run continues where it stopped, so --max-minutes can split it
Time:     not measured; other implementations took 4 to 8 hours for 20 million queries on an H200
Memory:   5.8 GiB on the device for the replay memory, and as much on the disk for a checkpoint.
Expected: 89.85 % accuracy at 30 million queries, of a victim with 92.26 % (reported; quoted
          second-hand, the victim's from memory).
Caution:  the rates are the defaults of the authors' code, which has no script for CIFAR-10. Their
          one published command, for Fashion-MNIST, has a generator rate of 1e-3.
"""

from __future__ import annotations

from typing import Any

PRESET: dict[str, Any] = {
    "attacks": ("maze",),
    "settings": {
        "maze": {
            "batch_size": 128,
            "epsilon": 1e-3,
            "generator_lr": 1e-4,
            "student_lr": 0.1,
            "schedule": "cosine",
        }
    },
    "shared": {
        "victim": "cifar10-resnet20",
        "student": "wrn-22-2",
        "budget": 30_000_000,
        "evaluations": 50,
    },
}
