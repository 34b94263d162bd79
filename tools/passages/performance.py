"""The passages of `docs/performance.md`, from the records under `results/benchmark`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from copycost.benchmark.result import Benchmark, Overhead, Speed, read_benchmark
from copycost.report.wording import attack_name
from tools.passages.markdown import NOT_RUN, short, table

FOLDER = "benchmark"
AIMED = "cifar-resnet34"
AIM_RATE, AIM_RATIO = 40_000, 8.0
"""The aim in bfloat16 on one H100: queries a second, and how many times the plain loop's."""
AIM_RATIO_CPU = 1.5
"""The aim on two CPU cores: how many times the plain loop's queries, at every batch size."""


def benchmarks(results: Path) -> dict[str, Benchmark]:
    """The committed records of `copycost benchmark --json`, by file name."""
    paths = sorted((results / FOLDER).glob("*.json"))
    return {path.stem: read_benchmark(path) for path in paths}


def speed_passage(results: Path) -> str:
    """One table per record: ours, the plain loop, their ratio with its spread, shares of the peak.

    A share that counts products which were not computed is called nominal.
    """
    return _one_each(results, lambda record: _speeds(record.results) if record.results else "")


def aim_passage(results: Path) -> str:
    """Whether one GPU reaches the aim, by its fastest record."""
    found = [
        (result, name, record)
        for name, record in benchmarks(results).items()
        for result in record.results
        if (result.setting, result.precision) == (AIMED, "bfloat16")
    ]
    if not found:
        return NOT_RUN
    best, name, record = max(found, key=lambda one: one[0].queries_per_second)
    reached = best.queries_per_second >= AIM_RATE and best.ratio >= AIM_RATIO
    return (
        f"The aim on one H100 is {AIM_RATE:,} queries a second in bfloat16, and {AIM_RATIO:g} "
        f"times the plain loop: **{'reached' if reached else 'missed'}**, with "
        f"{best.queries_per_second:,.0f} queries a second, {best.ratio:.2f} times the plain loop "
        f"and {best.share_of_peak:.1%} of the measured matrix peak ({best.how}; `{name}`, "
        f"{record.surroundings['hardware']})."
    )


def cpu_aim_passage(results: Path) -> str:
    """One line for each setting, arithmetic and CPU: where the aim is reached."""
    found: dict[str, list[Speed]] = {}
    for record in benchmarks(results).values():
        for result in record.results:
            if result.device == "cpu":
                timed = f"`{result.setting}`, {result.how}, {record.surroundings['hardware']}"
                found.setdefault(timed, []).append(result)
    lines = [f"- {setting}: {_where(timed)}." for setting, timed in sorted(found.items())]
    head = f"The aim on two CPU cores is {AIM_RATIO_CPU:g} times the plain loop, by batch sizes:"
    return "\n".join([head, "", *lines]) if lines else NOT_RUN


def _where(timed: Sequence[Speed]) -> str:
    """Batch sizes at which the aim is reached, and at which it is not, with their ratios."""
    parts = []
    for word, reached in (("reached", True), ("missed", False)):
        sizes = [
            f"{result.batch_size:,} ({result.ratio:.2f})"
            for result in sorted(timed, key=lambda result: result.batch_size)
            if (result.ratio >= AIM_RATIO_CPU) is reached
        ]
        if sizes:
            parts.append(f"**{word}** at {', '.join(sizes)}")
    return "; ".join(parts)


def kernels_passage(results: Path) -> str:
    """One line for every attack that `tools/kernels.py` profiled."""
    rows = [
        _profile(path.stem, json.loads(line))
        for path in sorted((results / "profiles").glob("*.txt"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("{")
    ]
    head = [
        "profile", "attack", "compile", "kernels a step", "ms a step", "of which the device works",
        "queries/s", "if it never waited",
    ]  # fmt: skip
    return table(head, rows) if rows else NOT_RUN


def _profile(name: str, told: dict[str, Any]) -> list[str]:
    step = told["step"]
    settings = [f"`{key}` {value}" for key, value in told["settings"].items()]
    return [
        f"`{name}`",
        ", ".join([attack_name(told["attack"]), *settings]),
        told.get("compile", "on"),  # older profiles, which do not say, were compiled
        f"{step['kernels']:,.0f}",
        f"{step['seconds'] * 1e3:.1f}",
        f"{step['busy_seconds'] * 1e3:.1f}",
        f"{step['queries'] / step['seconds']:,.0f}",
        f"{step['queries'] / step['busy_seconds']:,.0f}",
    ]


def honesty_passage(results: Path) -> str:
    """One table per record: what each part of the bookkeeping costs per step."""
    return _one_each(results, lambda record: _parts(record.overhead) if record.overhead else "")


def _one_each(results: Path, written: Callable[[Benchmark], str]) -> str:
    """The tables of all records that have one, each under its hardware and versions."""
    tables = {name: (record, written(record)) for name, record in benchmarks(results).items()}
    found = [f"{_made(name, record)}\n\n{text}" for name, (record, text) in tables.items() if text]
    return "\n\n".join(found) or NOT_RUN


def recording_passage(results: Path) -> str:
    """One line per record: the rate of writing, and the speed that a run loses."""
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
    return table(head, rows) if rows else NOT_RUN


def _made(name: str, record: Benchmark) -> str:
    around = record.surroundings
    threads = around["threads"]
    return (
        f"`{name}`: {around['hardware']}, {threads} thread{'s' if threads != 1 else ''}, "
        f"PyTorch {around['versions']['torch']}, commit `{short(around['commit']) or 'unknown'}`."
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
    return table(head, (_speed(result) for result in results))


def _speed(result: Speed) -> list[str]:
    low, high = result.ratio_range
    return [
        f"`{result.setting}`",
        result.how,
        f"{result.batch_size:,}",
        f"{result.queries_per_second:,.0f}",
        f"{result.baseline_queries_per_second:,.0f}",
        f"{result.ratio:.2f} ({low:.2f}–{high:.2f})",
        f"{result.share_of_peak:.1%}{' nominal' if result.nominal else ''}",
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
    return table(["part", "µs a step", f"share of a step of {step}"], rows)
