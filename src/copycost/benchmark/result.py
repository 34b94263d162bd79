"""What a benchmark leaves: one JSON object. Loads no PyTorch."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any, Literal

from pydantic import ValidationError

from copycost.errors import RunError
from copycost.runner.record import Facts

VERSION: Literal[1] = 1


class Repetition(Facts):
    """One window of ours and the window of the plain loop that came right after it."""

    queries_per_second: float
    baseline_queries_per_second: float

    @property
    def ratio(self) -> float:
        """How many times as fast ours was."""
        return self.queries_per_second / self.baseline_queries_per_second


class Speed(Facts):
    """One setting at one batch size in one arithmetic; rates are medians over repetitions."""

    setting: str
    device: str
    precision: str
    batch_size: int
    queries_per_step: int
    seconds: float
    """Length of a window; the step in hand at its end is still counted."""
    queries_per_second: float
    baseline_queries_per_second: float
    """Of the plain loop, always in float32."""
    ratio: float
    """Median of the repetitions' own ratios: both windows of a pair saw the same machine."""
    ratio_range: tuple[float, float]
    """Smallest and largest of them."""
    repetitions: list[Repetition]
    flops_per_query: float
    """Floating-point operations of matrix products and convolutions that a step of ours executes,
    backward included."""
    plain_flops_per_query: float | None = None
    """The same of the plain loop. None in records from before the two were told apart, whose
    `flops_per_query` is the plain loop's."""
    peak_flops_per_second: float
    """Of one large matrix product on this device in this precision, measured."""
    share_of_peak: float
    """flops_per_query · queries_per_second / peak_flops_per_second."""
    peak_memory_bytes: int
    """The most held at once in our windows; `memory` says of what."""
    baseline_peak_memory_bytes: int
    memory: str
    arithmetic: dict[str, str]
    """As the run's record has it."""

    @property
    def nominal(self) -> bool:
        """Whether the share of the peak counts products that ours did not compute.

        So it may be in an older record of a CPU in float32, where alone products are spared.
        """
        where = (self.device, self.precision)
        return self.plain_flops_per_query is None and where == ("cpu", "float32")

    @property
    def how(self) -> str:
        """The arithmetic of training, and whether networks were compiled."""
        compiled = self.arithmetic.get("compile", "off")
        return self.precision if compiled == "off" else f"{self.precision}, compile {compiled}"


class Part(Facts):
    """What one part of honesty costs, beside a step at `Overhead.queries_per_second`."""

    seconds_per_step: float
    share: float


class TransferCost(Facts):
    """What it costs to record every query."""

    images_per_second: float
    """3x32x32 images written, from the device to the disk, synchronised at the end."""
    bytes_per_second: float
    setting: str
    """Setting of the two runs, one recorded and one not, that were timed in turn."""
    batch_size: int
    slow_down: float
    """Median share of its speed that the recorded run lost; below 0 is noise."""
    slow_down_range: tuple[float, float]


class Overhead(Facts):
    """What the account, the checks, the record and the display cost."""

    device: str
    queries_per_second: float
    queries_per_step: int
    step_seconds: float
    """Of a step at that rate; shares are of this."""
    parts: dict[str, Part]
    honesty: float
    """Shares of the account, the bookkeeping and the dearer display together."""
    transfer: TransferCost | None = None


class Benchmark(Facts):
    """One call of `copycost benchmark`."""

    version: Literal[1] = VERSION
    results: list[Speed]
    overhead: Overhead | None = None
    surroundings: dict[str, Any]
    """Hardware, device, threads, versions and commit, as in a run's record."""


def summary(repetitions: list[Repetition]) -> dict[str, Any]:
    """The fields of `Speed` that come from its repetitions; there must be one at least."""
    ratios = [repetition.ratio for repetition in repetitions]
    return {
        "repetitions": repetitions,
        "queries_per_second": median(r.queries_per_second for r in repetitions),
        "baseline_queries_per_second": median(r.baseline_queries_per_second for r in repetitions),
        "ratio": median(ratios),
        "ratio_range": (min(ratios), max(ratios)),
    }


def read_benchmark(path: Path) -> Benchmark:
    """Read what `copycost benchmark --json` wrote; `RunError` says what is wrong with it."""
    try:
        return Benchmark.model_validate(json.loads(path.read_bytes()))
    except (ValidationError, ValueError) as error:
        raise RunError(f"{path} is not a benchmark of this version: {error}") from None
