"""Frugal on CIFAR-10 at 2 million queries: ResNet-34 8x copied into two ResNet-18 8x.

Paper:    none: copycost's own attack. See docs/methods/frugal.md.
Command:  copycost audit --preset frugal-cifar10-2m --data cifar10
Hardware: one H100-class GPU. Not run yet. It goes on where it stopped, so --max-minutes makes
          slices.
Expected: nothing is promised. The aim is 86.18 % accuracy, or 0.902 of the victim's, by the one
          student that counts: what Kwon et al. (2023) report of DFME at as many queries.
Caution:  nothing was tuned at this size. Half of the images are made by a generator, since guided
          generators are what is known to work at millions of queries. Patches did better than the
          other kinds that take no data on CIFAR-10 at 16x16; moving and mirroring half of what is
          learnt again helped there, and so did more steps (`--set frugal.student_steps=32` takes
          four times as long to learn). `--set frugal.sources=textured` did better still, and makes
          the attack one that draws procedural images: see docs/methods/frugal.md.
"""

from __future__ import annotations

from typing import Any

PRESET: dict[str, Any] = {
    "attacks": ("frugal",),
    "settings": {
        "frugal": {
            "batch_size": 256,
            "student_steps": 8,
            "sources": "patches",
            "generated": True,
            "shift": 0.0625,
            "flip": True,
        }
    },
    "shared": {
        "victim": "cifar10-resnet34",
        "student": "resnet18-8x",
        "budget": 2_000_000,
        "evaluations": 20,
    },
}
