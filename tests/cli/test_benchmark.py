"""`copycost benchmark`: its JSON, its table, its complaints."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from copycost.benchmark.result import Benchmark, Speed, read_benchmark
from copycost.benchmark.settings import TIMED, Setting
from copycost.benchmark.speed import _speed
from copycost.cli import benchmark as cli_benchmark
from copycost.errors import RunError
from copycost.nets import ARCHITECTURES

TINY = Setting("tiny", (1, 8, 8), "lenet", "gap-cnn", {"width": 8, "latent": 8, "student_steps": 2})
QUICK = (
    "--setting", "tiny", "--repetitions", "2", "--seconds", "0.01", "--device", "cpu",
    "--threads", "1",
)  # fmt: skip


@pytest.fixture
def benchmark(monkeypatch, copycost):
    monkeypatch.setattr(cli_benchmark, "TIMED", {**TIMED, "tiny": TINY})
    monkeypatch.setattr("copycost.benchmark.peak.SIZE", {"cpu": 64})
    return lambda *arguments: copycost("benchmark", *arguments)


def test_the_json_contract(benchmark, tmp_path: Path) -> None:
    code, out, err = benchmark(*QUICK, "--batch-size", "8", "--batch-size", "16", "--json")
    assert code == 0, err
    result = json.loads(out)
    assert [r["batch_size"] for r in result["results"]] == [8, 16]
    for one in result["results"]:
        assert {
            "setting", "device", "precision", "batch_size", "queries_per_second",
            "baseline_queries_per_second", "ratio", "share_of_peak", "peak_memory_bytes",
        } <= set(one)  # fmt: skip
        assert (one["setting"], one["device"], one["precision"]) == ("tiny", "cpu", "float32")
        assert len(one["repetitions"]) == 2
    assert {"hardware", "versions", "commit", "threads"} <= set(result["surroundings"])
    assert result["surroundings"]["threads"] == 1
    assert torch.backends.cpu.get_cpu_capability() in result["surroundings"]["hardware"]
    assert set(result["overhead"]["parts"]) == {
        "account", "range check", "bookkeeping", "display: lines", "display: bar",
    }  # fmt: skip
    assert result["overhead"]["transfer"]["images_per_second"] > 0
    path = tmp_path / "one.json"
    path.write_text(out)
    assert read_benchmark(path) == Benchmark.model_validate(result)


def test_the_table_goes_to_standard_error(benchmark) -> None:
    code, out, err = benchmark(*QUICK, "--no-overhead")
    assert (code, out) == (0, "")
    assert "tiny" in err
    assert "queries/s" in err
    assert "bookkeeping" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("finished", "overhead"), [(0, True), (1, False), (2, True)])
def test_what_was_timed_before_a_signal_is_given(
    benchmark, monkeypatch, number: signal.Signals, finished: int, overhead: bool
) -> None:
    monkeypatch.setattr("copycost.benchmark.speed._speed", _killed_after(finished, number))
    arguments = ["--batch-size", "8", "--batch-size", "16", "--json"]
    if not overhead:
        arguments.append("--no-overhead")
    monkeypatch.setattr("copycost.benchmark.honesty.overhead", _killed_after(0, number))
    before = signal.getsignal(signal.SIGTERM)
    with _interruptible():
        code, out, err = benchmark(*QUICK, *arguments)
    assert code == 3
    assert signal.getsignal(signal.SIGTERM) is before
    result = json.loads(out)
    assert [r["batch_size"] for r in result["results"]] == [8, 16][:finished]
    assert result["overhead"] is None
    assert f"Stopped: {finished} of 2 settings are timed." in " ".join(err.split())


@contextmanager
def _interruptible() -> Iterator[None]:
    """As if started in the foreground: a shell's background jobs ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _killed_after(calls: int, number: signal.Signals) -> Callable[..., Speed]:
    """In `_speed`'s place: as it is so many times, then a signal to this process."""
    done = iter(range(calls))

    def speed(*arguments: Any) -> Speed:
        if next(done, None) is None:
            signal.raise_signal(number)
        return _speed(*arguments)

    return speed


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--setting", "digit"], "Did you mean 'digits'"),
        (["--batch-size", "1"], "'--batch-size'"),
        (["--batch-size", "100000000"], "too large"),
        (["--precision", "float8"], "precision"),
        (["--device", "cuda:99"], "there is no cuda:99"),
        (["--device", "tpu"], "device"),
        (["--seconds", "0"], "seconds"),
        (["--repetitions", "0"], "repetitions"),
    ],
)
def test_bad_input_is_one_clear_line_and_status_2(
    copycost, arguments: list[str], expected: str
) -> None:
    code, out, err = copycost("benchmark", "--device", "cpu", *arguments)
    assert code == 2
    assert out == ""
    assert expected in " ".join(err.split())
    assert "Traceback" not in err


@pytest.mark.parametrize("name", list(TIMED))
def test_every_setting_can_be_built(name: str) -> None:
    from copycost.benchmark.plan import Plan

    setting = TIMED[name]
    Plan(setting, setting.batch_size, "float32", "off", "cpu", 1, 1.0).check()
    assert setting.name == name
    assert {setting.victim, setting.student} <= set(ARCHITECTURES)


def test_another_file_is_not_a_benchmark(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for text in (
        "{}",
        "[]",
        "not json",
        '{"version": 9, "results": [], "surroundings": {}}',
        '{"version": 1, "results": 3}',
    ):
        path.write_text(text)
        with pytest.raises(RunError, match=r"x\.json is not a benchmark") as caught:
            read_benchmark(path)
        assert "\n" not in str(caught.value)
    for missing in (tmp_path / "none.json", path / "x.json", tmp_path):
        with pytest.raises(RunError, match=f"^{missing} is not a benchmark of this version: "):
            read_benchmark(missing)
