"""Whether convolutions are faster with channels last, by cuDNN's search, and by fewer products.

    python tools/layouts.py DEVICE [BATCH]

Times a step of ResNet-18-8x, and one of DFME's generator with and without `fewer_products`. The
engine uses channels last, lets cuDNN search for its fastest kernels, and saves products on a CPU
only. If a GPU is faster with other choices, the engine is the place to make them.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor, nn

from copycost.arithmetic import computing
from copycost.benchmark.peak import synchronise
from copycost.convolutions import fewer_products
from copycost.engine import arranged
from copycost.nets import ARCHITECTURES
from copycost.nets.dfme_generator import DFMEGenerator
from copycost.nets.seeded import build
from copycost.switches import switch_tf32
from copycost.types import InputSpec, Precision

SPEC = InputSpec((3, 32, 32))
LAYOUTS = {"channels last": torch.channels_last, "channels first": torch.contiguous_format}
GENERATORS = {"generator": lambda net: net, "generator by fewer products": fewer_products}
REPETITIONS = 5


def student_seconds(
    layout: torch.memory_format, precision: Precision, device: torch.device, n: int
) -> float:
    """Seconds of a step of the student, in one layout."""
    net = arranged(build(ARCHITECTURES["resnet18-8x"], SPEC, 10, 0), layout).to(device)
    return step_seconds(net, torch.rand(n, *SPEC.shape, device=device), precision)


def generator_seconds(
    change: Callable[[nn.Module], nn.Module], precision: Precision, device: torch.device, n: int
) -> float:
    """Seconds of a step of DFME's generator, with its layers changed by `change`."""
    generator = DFMEGenerator(SPEC)
    net = arranged(change(generator)).to(device)
    return step_seconds(net, torch.randn(n, generator.latent, device=device), precision)


def step_seconds(net: nn.Module, x: Tensor, precision: Precision) -> float:
    """Median seconds of `REPETITIONS` steps, after two to warm up."""
    device, seconds = x.device, []
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
    """Print one JSON object: seconds by arithmetic, search, and layout or kind of generator."""
    switch_tf32(False)
    found: dict[str, dict[str, float]] = {}
    for precision in (Precision.FLOAT32, Precision.BFLOAT16):
        for searched in (False, True):
            torch.backends.cudnn.benchmark = searched
            how = f"{precision}, searched" if searched else str(precision)
            found[how] = {
                name: student_seconds(layout, precision, device, n)
                for name, layout in LAYOUTS.items()
            } | {
                name: generator_seconds(change, precision, device, n)
                for name, change in GENERATORS.items()
            }
    sys.stdout.write(json.dumps({"batch": n, "device": str(device), "seconds": found}) + "\n")


if __name__ == "__main__":
    main(torch.device(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 256)
