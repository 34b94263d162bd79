"""Whether convolutions are faster with channels last, and by cuDNN's search, by arithmetic.

    python tools/layouts.py DEVICE [BATCH]

Times a step of ResNet-18-8x. The engine lays everything out channels last, and lets cuDNN search
for the fastest of its kernels; if either loses in float32 without TF32 on a GPU, there is the place
to choose.
"""

from __future__ import annotations

import json
import sys
import time
from statistics import median

import torch

from copycost.arithmetic import Precision, computing, switch_tf32
from copycost.benchmark.peak import synchronise
from copycost.engine import arranged
from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import build
from copycost.types import InputSpec

SPEC = InputSpec((3, 32, 32))
LAYOUTS = {"channels last": torch.channels_last, "channels first": torch.contiguous_format}
REPETITIONS = 5


def step_seconds(
    layout: torch.memory_format, precision: Precision, device: torch.device, n: int
) -> float:
    """The median of some steps, after two that do not count."""
    net = arranged(build(ARCHITECTURES["resnet18-8x"], SPEC, 10, 0).to(device), layout)
    x = torch.rand(n, *SPEC.shape, device=device)
    seconds = []
    for _ in range(2 + REPETITIONS):
        synchronise(device)
        began = time.perf_counter()
        with computing(precision, device):
            loss = net(x).square().mean()
        loss.backward()
        synchronise(device)
        seconds.append(time.perf_counter() - began)
    return median(seconds[2:])


def main(device: torch.device, n: int) -> None:
    """Print one JSON object: seconds by arithmetic, search and layout."""
    switch_tf32(False)
    found: dict[str, dict[str, float]] = {}
    for precision in (Precision.FLOAT32, Precision.BFLOAT16):
        for searched in (False, True):
            torch.backends.cudnn.benchmark = searched
            how = f"{precision}, searched" if searched else str(precision)
            found[how] = {
                name: step_seconds(layout, precision, device, n) for name, layout in LAYOUTS.items()
            }
    sys.stdout.write(json.dumps({"batch": n, "device": str(device), "seconds": found}) + "\n")


if __name__ == "__main__":
    main(torch.device(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 256)
