"""The passages of `docs/performance.md`, from the records under `results/benchmark`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from copycost.benchmark.result import Benchmark, Overhead, Speed, read_benchmark

NOT_RUN = "*Not run yet: there is no committed record.*"
FOLDER = "benchmark"


def benchmarks(results: Path) -> dict[str, Benchmark]:
    """The records of `copycost benchmark --json` that there are, by file name."""
    paths = sorted((results / FOLDER).glob("*.json"))
    return {path.stem: read_benchmark(path) for path in paths}


def speed_passage(results: Path) -> str:
    """One table a record: ours, the plain loop, their ratio with its spread, shares of the peak."""
    return _one_each(results, lambda record: _speeds(record.results) if record.results else "")


def honesty_passage(results: Path) -> str:
    """One table a record: what each part costs a step."""
    return _one_each(results, lambda record: _parts(record.overhead) if record.overhead else "")


def _one_each(results: Path, table: Callable[[Benchmark], str]) -> str:
    """The tables of all records that have one, each under what made it."""
    tables = {name: (record, table(record)) for name, record in benchmarks(results).items()}
    found = [f"{_made(name, record)}\n\n{text}" for name, (record, text) in tables.items() if text]
    return "\n\n".join(found) or NOT_RUN


def recording_passage(results: Path) -> str:
    """One line a record: the rate of writing, and what a run loses."""
    rows = []
    for name, record in benchmarks(results).items():
        if record.overhead and (cost := record.overhead.transfer):
            low, high = cost.slow_down_range
            rows.append(
                [
                    f"`{name}`",
                    f"{cost.images_per_second:,.0f}",
                    f"{cost.bytes_per_second / 1e6:,.0f}",
                    f"`{cost.setting}`, {cost.batch_size}",
                    f"{cost.slow_down:.1%} ({low:.1%} to {high:.1%})",
                ]
            )
    head = [
        "record",
        "3×32×32 images a second",
        "MB a second",
        "run, batch",
        "speed lost, median (all repetitions)",
    ]
    return _table(head, rows) if rows else NOT_RUN


def _made(name: str, record: Benchmark) -> str:
    around = record.surroundings
    threads = around["threads"]
    return (
        f"`{name}`: {around['hardware']}, {threads} thread{'s' if threads != 1 else ''}, "
        f"PyTorch {around['versions']['torch']}, commit `{around['commit'][:12] or 'unknown'}`."
    )


def _speeds(results: Sequence[Speed]) -> str:
    head = [
        "setting",
        "precision",
        "batch",
        "queries/s",
        "plain float32 loop",
        "ratio (all repetitions)",
        "of the matrix peak",
        "memory, MiB",
        "plain, MiB",
    ]
    return _table(head, (_speed(result) for result in results))


def _speed(result: Speed) -> list[str]:
    low, high = result.ratio_range
    return [
        f"`{result.setting}`",
        result.how,
        f"{result.batch_size:,}",
        f"{result.queries_per_second:,.0f}",
        f"{result.baseline_queries_per_second:,.0f}",
        f"{result.ratio:.2f} ({low:.2f}–{high:.2f})",
        f"{result.share_of_peak:.1%}",
        f"{result.peak_memory_bytes / 2**20:,.0f}",
        f"{result.baseline_peak_memory_bytes / 2**20:,.0f}",
    ]


def _parts(overhead: Overhead) -> str:
    rows = [
        [name, f"{part.seconds_per_step * 1e6:,.1f}", f"{part.share:.3%}"]
        for name, part in overhead.parts.items()
    ]
    rows.append(
        ["**account, bookkeeping and the dearer display**", "", f"**{overhead.honesty:.3%}**"]
    )
    step = f"{overhead.step_seconds * 1e3:.1f} ms"
    return _table(["part", "µs a step", f"share of a step of {step}"], rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
