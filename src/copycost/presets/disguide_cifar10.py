"""DisGUIDE on CIFAR-10: ResNet-34 8x copied into two ResNet-18 8x, by probabilities or labels.

Paper:    Rosenthal et al., AAAI 2023.
Command:  copycost audit --preset disguide-cifar10-20m --data cifar10
          copycost audit --preset disguide-cifar10-label-20m --data cifar10
Hardware: one H100-class GPU; a run continues where it stopped, so --max-minutes can split it
Time:     not measured; other implementations took 6 to 12 hours on an H200
Memory:   2.9 GiB on the device for the replay memory, and as much on the disk for a checkpoint.
Expected: 94.02 % accuracy by probabilities (reported; quoted second-hand) and 87.93 % by labels
          (from memory), of a victim with 95.54 %. Both are for the vote of the two students:
          compare ensemble/accuracy. No figure is known for one student alone.
"""

from __future__ import annotations

from typing import Any

PRESET: dict[str, Any] = {
    "attacks": ("disguide",),
    "settings": {
        "disguide": {
            "batch_size": 256,
            "generator_lr": 1e-4,
            "student_lr": 0.03,
            "diversity": 0.2,
            "schedule": "steps:0.4,0.8:0.3",
        }
    },
    "shared": {
        "victim": "cifar10-resnet34",
        "student": "resnet18-8x",
        "budget": 20_000_000,
        "evaluations": 50,
    },
}

PRESET_LABEL: dict[str, Any] = {**PRESET, "shared": {**PRESET["shared"], "access": "label"}}
