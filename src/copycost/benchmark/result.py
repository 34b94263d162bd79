"""The result of a benchmark: one JSON object. Loads no PyTorch."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any, Literal

from copycost.runner.record import Facts

VERSION: Literal[1] = 1


class Repetition(Facts):
    """One window of the run, and the window of the plain loop that came right after it."""

    queries_per_second: float
    baseline_queries_per_second: float

    @property
    def ratio(self) -> float:
        """How many times as fast as the plain loop the run was."""
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
    """Floating-point operations per query of the matrix products and convolutions that the run
    executes, backward included."""
    plain_flops_per_query: float | None = None
    """The same for the plain loop. None in older records, which did not distinguish the two: their
    `flops_per_query` is the plain loop's."""
    peak_flops_per_second: float
    """Of one large matrix product on this device in this precision, measured."""
    share_of_peak: float
    """flops_per_query · queries_per_second / peak_flops_per_second."""
    peak_memory_bytes: int
    """Peak memory in the run's windows; `memory` says how it was measured."""
    baseline_peak_memory_bytes: int
    memory: str
    arithmetic: dict[str, str]
    """As in the run's record."""

    @property
    def nominal(self) -> bool:
        """Whether `share_of_peak` may count products that the run did not compute.

        Only in older records of a CPU in float32, as the engine saves products nowhere else.
        """
        where = (self.device, self.precision)
        return self.plain_flops_per_query is None and where == ("cpu", "float32")

    @property
    def how(self) -> str:
        """The arithmetic of training, and whether networks were compiled."""
        compiled = self.arithmetic.get("compile", "off")
        return self.precision if compiled == "off" else f"{self.precision}, compile {compiled}"


class Part(Facts):
    """The cost of one part, and its share of a step at `Overhead.queries_per_second`."""

    seconds_per_step: float
    share: float


class TransferCost(Facts):
    """The cost of recording every query."""

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
    """The cost of the account, the checks, the record and the display."""

    device: str
    queries_per_second: float
    queries_per_step: int
    step_seconds: float
    """Duration of a step at that rate, which shares refer to."""
    parts: dict[str, Part]
    honesty: float
    """Sum of the shares of the account, the bookkeeping and the more expensive display."""
    transfer: TransferCost | None = None


class Benchmark(Facts):
    """One call of `copycost benchmark`."""

    version: Literal[1] = VERSION
    results: list[Speed]
    overhead: Overhead | None = None
    surroundings: dict[str, Any]
    """Hardware, device, threads, versions and commit, as in a run's record."""


def summary(repetitions: list[Repetition]) -> dict[str, Any]:
    """The fields of `Speed` that come from its repetitions, of which there must be at least one."""
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
    return Benchmark.read_from(path, "is not a benchmark of this version")
