"""Frugal on CIFAR-10 at its own size: ResNet-34 8x copied into one ResNet-18 8x.

Paper:    none: copycost's own attack. See docs/methods/frugal.md.
Command:  copycost audit --preset frugal-cifar10-1m --data cifar10
          copycost audit --preset frugal-cifar10-2m --data cifar10
          copycost audit --preset frugal-cifar10-20m --data cifar10
          copycost audit --preset frugal-cifar10-label-8m --data cifar10
          copycost audit --preset frugal-cifar10-1m-patches --data cifar10
          with --precision bfloat16 --compile graphs on a GPU
Hardware: one H100-class GPU. The first and the last were run, on CIFAR-10's JPEG copy with one seed
          each, in minutes: records are in results/frugal/full. The others have not been run yet.
          A run continues where it stopped, so --max-minutes can split it.
Memory:   2.9 GiB on the device for the replay memory, and as much on the disk for a checkpoint.
Expected: nothing is promised. The aims, as the copy's share of the victim's accuracy: 0.902
          within 2 million queries, which is what Kwon et al. (2023) report of DFME; 0.984 within
          20 million; by labels 0.921 within 8 million. docs/methods/frugal.md says which are
          reached. The aims are for a strictly data-free attacker, as in the first four;
          `patches` are images drawn by a rule, which is another class of knowledge.
Caution:  nothing was tuned at this size. The settings are one guess from small nets, made to fit
          a short lease of a GPU: one student, flat colours that untrained networks draw, half of
          each lesson's images moved and mirrored, six steps per batch of queries, two candidates
          per query. By labels: other images as well, eight candidates, and rare classes are
          raised. More steps take longer and cost no queries. The loss is L1, as in the recorded
          run; L2, the value of a run that gives none, was not tried at this size.
"""

from __future__ import annotations

from typing import Any

PRESET_1M: dict[str, Any] = {
    "attacks": ("frugal",),
    "settings": {
        "frugal": {
            "batch_size": 512,
            "members": 1,
            "student_steps": 6,
            "candidates": 2,
            "sources": "winners",
            "loss": "l1",
            "shift": 0.0625,
            "flip": True,
            "clip": 0,
        }
    },
    "shared": {
        "victim": "cifar10-resnet34",
        "student": "resnet18-8x",
        "budget": 1_000_000,
        "evaluations": 10,
    },
}


def _with(budget: int, access: str = "probabilities", **changes: Any) -> dict[str, Any]:
    settings = {"frugal": {**PRESET_1M["settings"]["frugal"], **changes}}
    shared = {**PRESET_1M["shared"], "budget": budget, "access": access}
    return {**PRESET_1M, "settings": settings, "shared": shared}


PRESET_2M = _with(2_000_000)
PRESET_20M = _with(20_000_000)
PRESET_LABEL_8M = _with(
    8_000_000,
    "label",
    sources="untrained,coordinates,winners",
    candidates=8,
    adjustment=0.5,
)
PRESET_1M_PATCHES = _with(1_000_000, sources="patches")
