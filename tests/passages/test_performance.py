"""The tables of docs/performance.md say what the records say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from copycost.benchmark.result import Benchmark, Overhead, Part, Repetition, Speed, TransferCost
from copycost.benchmark.result import summary as summarise
from tools.passages.markdown import NOT_RUN
from tools.passages.operations import operations_passage
from tools.passages.performance import (
    aim_passage,
    cpu_aim_passage,
    honesty_passage,
    kernels_passage,
    recording_passage,
    speed_passage,
)

PAIRS = ((1000, 500), (1100, 500), (900, 600))


def speed(**more: object) -> Speed:
    repetitions = [
        Repetition(queries_per_second=a, baseline_queries_per_second=b) for a, b in PAIRS
    ]
    return Speed(
        setting="digits",
        device="cpu",
        precision="float32",
        batch_size=64,
        queries_per_step=704,
        seconds=5,
        flops_per_query=1e6,
        plain_flops_per_query=2e6,
        peak_flops_per_second=1e10,
        share_of_peak=0.1,
        peak_memory_bytes=300 * 2**20,
        baseline_peak_memory_bytes=200 * 2**20,
        memory="resident",
        arithmetic={},
        **summarise(repetitions),
    ).model_copy(update=more)


def record(**more: object) -> Benchmark:
    return Benchmark(
        results=[speed(**more)],
        overhead=Overhead(
            device="cpu",
            queries_per_second=40_000,
            queries_per_step=1792,
            step_seconds=0.0448,
            parts={"account": Part(seconds_per_step=1.2e-5, share=0.00027)},
            honesty=0.0042,
            transfer=TransferCost(
                images_per_second=123_456,
                bytes_per_second=3.8e8,
                setting="digits",
                batch_size=64,
                slow_down=0.021,
                slow_down_range=(-0.01, 0.05),
            ),
        ),
        surroundings={
            "hardware": "2 x Test",
            "threads": 1,
            "versions": {"torch": "9.9"},
            "commit": "0123456789abcdef",
        },
    )


def written(results: Path, **more: object) -> Path:
    folder = results / "benchmark"
    folder.mkdir(parents=True)
    (folder / "cpu.json").write_text(record(**more).model_dump_json())
    return results


def test_a_ratio_is_the_median_of_neighbours() -> None:
    assert (speed().ratio, speed().ratio_range) == (2.0, (1.5, 2.2))
    assert (speed().queries_per_second, speed().baseline_queries_per_second) == (1000, 500)


def test_speeds(tmp_path: Path) -> None:
    text = speed_passage(written(tmp_path))
    assert "`cpu`: 2 x Test, 1 thread, PyTorch 9.9, commit `0123456789ab`." in text
    expected = "| `digits` | float32 | 64 | 1,000 | 500 | 2.00 (1.50–2.20) | 10.0% | 300 | 200 |"
    assert text.splitlines()[-1] == expected


@pytest.mark.parametrize(
    ("older", "share"),
    [
        ({}, "10.0% nominal"),
        ({"precision": "bfloat16"}, "10.0%"),
        ({"device": "cuda:0"}, "10.0%"),
    ],
)
def test_a_share_of_products_that_were_spared_is_called_nominal(
    older: dict[str, str], share: str, tmp_path: Path
) -> None:
    results = written(tmp_path, plain_flops_per_query=None, **older)
    cells = speed_passage(results).splitlines()[-1].split(" | ")
    assert cells[-3] == share


def test_what_is_computed_of_the_operations_is_told_for_what_was_timed(tmp_path: Path) -> None:
    *_, line = operations_passage(written(tmp_path)).splitlines()
    setting, precision, plain, ours, share = line.strip("| ").split(" | ")
    assert (setting, precision) == ("`digits`", "float32")
    assert float(share.rstrip("%")) == pytest.approx(100 * float(ours) / float(plain), abs=0.2)
    assert float(ours) < 0.7 * float(plain)


@pytest.mark.parametrize(
    ("rates", "verdict"),
    [((40_000, 5_000), "reached"), ((39_000, 4_000), "missed"), ((41_000, 6_000), "missed")],
)
def test_the_aim_is_a_rate_and_a_ratio(
    rates: tuple[float, float], verdict: str, tmp_path: Path
) -> None:
    ours, theirs = rates
    pair = Repetition(queries_per_second=ours, baseline_queries_per_second=theirs)
    result = speed().model_copy(
        update={"setting": "cifar-resnet34", "precision": "bfloat16", **summarise([pair])}
    )
    (tmp_path / "benchmark").mkdir()
    made = record().model_copy(update={"results": [speed(), result]})
    (tmp_path / "benchmark" / "gpu.json").write_text(made.model_dump_json())
    text = aim_passage(tmp_path)
    assert f"**{verdict}**, with {ours:,} queries a second, {ours / theirs:.2f} times" in text
    assert "`gpu`" in text


def test_the_aim_of_a_cpu_is_told_for_each_machine_and_batch_size(tmp_path: Path) -> None:
    def timed(size: int, ratio: float, **more: str) -> Speed:
        return speed().model_copy(update={"batch_size": size, "ratio": ratio, **more})

    (tmp_path / "benchmark").mkdir()
    small = [timed(1024, 1.5), timed(32, 1.499)]
    bfloat16 = {"setting": "cifar-resnet20", "precision": "bfloat16"}
    for name, hardware, results in (
        ("a", "2 x Test", [*small, timed(32, 1.9, **bfloat16)]),
        ("b", "2 x Test", [timed(64, 1.6), timed(256, 9.0, device="cuda:0")]),
        ("c", "2 x Other", [timed(64, 1.3)]),
    ):
        made = record().model_copy(update={"results": results})
        made.surroundings["hardware"] = hardware
        (tmp_path / "benchmark" / f"{name}.json").write_text(made.model_dump_json())
    assert cpu_aim_passage(tmp_path).splitlines()[2:] == [
        "- `cifar-resnet20`, bfloat16, 2 x Test: **reached** at 32 (1.90).",
        "- `digits`, float32, 2 x Other: **missed** at 64 (1.30).",
        "- `digits`, float32, 2 x Test: "
        "**reached** at 64 (1.60), 1,024 (1.50); **missed** at 32 (1.50).",
    ]


def test_kernels_are_a_line_an_attack(tmp_path: Path) -> None:
    step = {"seconds": 0.05, "busy_seconds": 0.02, "queries": 1000, "kernels": 2407.0}
    about = {"attack": "dfme", "compile": "on", "settings": {"members": 1}, "step": step}
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "gpu.txt").write_text(json.dumps(about) + "\n  1.0 ms  conv\n")
    line = kernels_passage(tmp_path).splitlines()[-1]
    assert line == "| `gpu` | DFME, `members` 1 | on | 2,407 | 50.0 | 20.0 | 20,000 | 50,000 |"


def test_honesty(tmp_path: Path) -> None:
    text = honesty_passage(written(tmp_path))
    assert "| account | 12.0 | 0.027% |" in text
    assert "share of a step of 44.8 ms" in text
    assert "**0.420%**" in text


def test_recording(tmp_path: Path) -> None:
    line = recording_passage(written(tmp_path)).splitlines()[-1]
    assert line == "| `cpu` | 123,456 | 380 | `digits`, 64 | 2.1% (-1.0% to 5.0%) |"


def test_without_records_nothing_is_claimed(tmp_path: Path) -> None:
    for passage in (
        aim_passage,
        cpu_aim_passage,
        kernels_passage,
        speed_passage,
        honesty_passage,
        recording_passage,
        operations_passage,
    ):
        assert passage(tmp_path) == NOT_RUN
