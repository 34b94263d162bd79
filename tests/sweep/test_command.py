"""`copycost sweep` in this process: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from copycost.sweep.executors import EXECUTORS

COMMAND = (sys.executable, "-m", "copycost")


@pytest.fixture
def grid(values, tmp_path) -> Path:
    """The small grid as a file."""
    path: Path = tmp_path / "grid.toml"
    lines = [f"attacks = {json.dumps(values['attacks'])}", "threads = 1", "[shared]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in values["shared"].items()]
    for attack, settings in values["settings"].items():
        lines += [f"[settings.{attack}]", *(f"{k} = {v}" for k, v in settings.items())]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def copycost(copycost, grid, tmp_path):
    """`copycost sweep` over the grid."""
    return lambda *arguments: copycost(
        "sweep", str(grid), "--out", str(tmp_path / "runs"), *arguments
    )


def test_the_plan_the_sweep_and_the_plan_again(copycost, tmp_path):
    options = ("--budget", "600", "--budget", "700", "--attack", "random-noise", "--json")
    code, out, err = copycost(*options, "--dry-run")
    assert code == 0
    assert [run["state"] for run in json.loads(out)["runs"]] == ["planned"] * 2
    assert "1,300 queries to spend" in err
    assert not (tmp_path / "runs").exists()

    code, out, err = copycost(*options, "--workers", "1")
    assert code == 0, err
    result = json.loads(out)
    assert result["counts"] == {"finished": 2}
    assert Path(result["report"]).read_text().lower().startswith("<!doctype html>")
    for run, budget in zip(result["runs"], (600, 700), strict=True):
        assert (run["attack"], run["state"], run["budget"]) == ("random-noise", "finished", budget)
        assert run["error"] is None
        assert 0 <= run["result"]["agreement"] <= 1
        record = json.loads((Path(run["folder"]) / "record.json").read_text())
        assert record["id"] == run["identity"]
    assert "2 runs: 2 finished" in err
    assert "budget" in err

    code, out, err = copycost(*options, "--budget", "800", "--dry-run")
    assert [run["state"] for run in json.loads(out)["runs"]] == ["skipped"] * 2 + ["planned"]
    assert "800 queries to spend" in err


def test_a_setting_goes_over_the_files_variants_of_it(copycost, grid):
    variants = "[variants.dfme]\ndirections = [1, 4]\nstudent_steps = [1, 2]\n"
    grid.write_text(f"{grid.read_text()}\n{variants}")
    options = ("--attack", "dfme", "--seeds", "1", "--budget", "600", "--dry-run", "--json")
    code, out, err = copycost(*options, "--set", "dfme.directions=8")
    assert code == 0, err
    names = [run["name"] for run in json.loads(out)["runs"]]
    assert [name.count("student_steps") for name in names] == [1, 1]
    both = ("--set", "dfme.directions=8", "--set", "dfme.student_steps=1")
    code, out, err = copycost(*options, *both)
    assert code == 0, err
    assert len(json.loads(out)["runs"]) == 1


def test_a_pool_goes_to_the_attacks_that_take_one(copycost):
    attacks = ("--attack", "knockoff", "--attack", "random-noise", "--budget", "600")
    code, out, err = copycost(*attacks, "--pool", "house-numbers-16", "--dry-run", "--json")
    assert code == 0, err
    assert [run["attack"] for run in json.loads(out)["runs"]] == ["knockoff", "random-noise"]
    code, _, err = copycost(*attacks, "--dry-run")
    assert code == 2
    assert "pool" in err


def test_what_audits_can_be_told_of_arithmetic_and_recording_sweeps_can_too(copycost):
    given = {
        "precision": "float32",
        "estimate_precision": "tf32",
        "victim_precision": "bfloat16",
        "compile": "off",
        "record_queries": "bytes",
    }
    told = [part for name, v in given.items() for part in (f"--{name.replace('_', '-')}", v)]
    code, out, err = copycost("--attack", "random-noise", "--budget", "600", *told, "--json")
    assert code == 0, err
    (run,) = json.loads(out)["runs"]
    record = json.loads((Path(run["folder"]) / "record.json").read_text())
    assert {name: record["config"][name] for name in given} == given
    assert record["transfer"]["queries"] == 600
    code, _, err = copycost("--compile", "graphs", "--precision", "float8", "--dry-run")
    assert code == 2
    assert "precision" in err


def test_a_failed_run_is_loud_and_the_status_is_1(copycost):
    code, out, err = copycost(
        "--set", "dfme.student_lr=1e30", "--seeds", "1", "--workers", "1", "--json"
    )
    assert code == 1
    told = json.loads(out)
    assert "not on this page: dfme seed 0." in Path(told["report"]).read_text()
    failed, finished = told["runs"]
    assert (failed["state"], finished["state"]) == ("failed", "finished")
    assert "in step 1." in failed["error"]
    assert Path(failed["error_file"]).read_text().startswith("Traceback")
    assert f"FAILED    dfme seed 0: {failed['error']}" in err
    assert failed["error_file"] in err
    assert "2 runs: 1 finished, 1 failed" in err
    assert "Traceback (most recent call last)" not in err


def test_what_no_run_could_do_is_told_before_the_first(copycost, tmp_path):
    noise = ("--attack", "random-noise", "--budget", "600")
    code, _, err = copycost(*noise, "--budget", "1")
    assert code == 2
    assert "do not pay for one step" in err
    code, _, err = copycost(*noise, "--attack", "knockoff", "--pool", "npz:/nope.npz")
    assert code == 2
    assert "nope.npz" in err
    assert not (tmp_path / "runs").exists()
    (tmp_path / "runs").write_text("a file")
    code, _, err = copycost(*noise, "--victim", "digits-lenet")
    assert code == 2
    assert "expected a folder to write in" in err


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("[axes]\naccess = 3", "axes.access: expected a list, got 3."),
        ("[variants]\nrandom-noise = [1]", "variants.random-noise: expected a table, got [1]."),
    ],
)
def test_a_grid_file_of_another_shape_is_told_so(copycost, grid, lines, expected):
    grid.write_text(f'attacks = ["random-noise"]\n{lines}')
    code, out, err = copycost("--set", "random-noise.batch_size=3")
    assert (code, out) == (2, "")
    assert expected in " ".join(err.split())


def test_a_time_limit_ends_with_status_3(copycost):
    code, out, err = copycost("--max-minutes", "0", "--json")
    assert code == 3
    assert json.loads(out)["counts"] == {"stopped": 2}
    assert "Stopped by time limit" in err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--attack", "dfm"], ["Did you mean 'dfme'"]),
        (["--workers", "0", "--executor", "slrum", "--budget", "-1"],
         ["workers", "Did you mean 'slurm'", "budget"]),
        (["--with", "colour=red"], ["local.colour: there is no such setting"]),
        (["--with", "partition"], ["write NAME=VALUE"]),
        (["--set", "dfme.scheduer=cosine"], ["dfme.scheduer: there is no such setting"]),
        (["--defence-set", "rounding:x", "--defence-set", "none"], ["rounding:x needs"]),
        (["--seeds", "0"], ["seeds"]),
        (["--victim", "nobody", "--victim", "noone"], ["'nobody'", "'noone'"]),
        (["--victim", "models/typo"], ["there is no folder models/typo"]),
        (["--device", "cuda:1"], ["GPU of its own"]),
        (["--device", "cuda"], ["there is no cuda; PyTorch finds no CUDA devices"]),
        (["--device", "cuda", "--executor", "ray"], ["there is no cuda;"]),
        (["--compile", "graphs", "--device", "auto"], ["graphs needs a CUDA device"]),
        (["--compile", "graphs", "--executor", "slurm"], ["cpu has no CUDA graphs"]),
        (["--preset", "digit"], ["Did you mean 'digits'"]),
    ],
)  # fmt: skip
def test_bad_input_is_one_message_and_status_2(
    copycost, monkeypatch, tmp_path, arguments, expected
):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    code, out, err = copycost(*arguments)
    assert code == 2, err
    assert out == ""
    for text in expected:
        assert text in " ".join(err.split())
    assert "Traceback" not in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("executor", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_missing_package_is_one_line_with_the_command(copycost, monkeypatch, executor, package):
    monkeypatch.setitem(sys.modules, package, None)
    code, _, err = copycost("--executor", executor)
    assert code == 2
    assert f"needs the package {package}: pip install 'copycost[{executor}]'" in err
    assert "Traceback" not in err


def test_help_and_lists_wait_for_no_pytorch(tmp_path):
    code = (
        "import sys, copycost.cli.app, copycost.cli.listing as l, copycost.sweep.executors;"
        "l.list_command('executors', False);"
        "assert not {'torch', 'ray', 'submitit'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(EXECUTORS)


@pytest.fixture
def start(grid, tmp_path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts the command in a process of its own, over two runs of some seconds."""
    started: list[subprocess.Popen[str]] = []
    command = [
        *COMMAND, "sweep", str(grid), "--budget", "10000", "--evaluations", "50", "--seeds", "2",
        "--attack", "dfme", "--workers", "1", "--json", "--out", str(tmp_path / "runs"),
    ]  # fmt: skip

    def start() -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=150)
    assert out, err
    return dict(json.loads(out))


def wait_for_checkpoint(process: subprocess.Popen[str], out: Path) -> None:
    deadline = time.monotonic() + 100
    while not list(out.glob("dfme-*/checkpoint.safetensors")):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_workers_and_the_same_command_goes_on(start, tmp_path, number):
    first = start()
    wait_for_checkpoint(first, tmp_path / "runs")
    os.kill(first.pid, number)
    stopped = finish(first)
    assert first.returncode == 3
    assert stopped["counts"] == {"stopped": 2}
    assert 0 < stopped["runs"][0]["spent"] < 10_000
    assert stopped["runs"][1]["spent"] is None

    again = start()
    finished = finish(again)
    assert again.returncode == 0
    assert [(run["state"], run["lost"]) for run in finished["runs"]] == [("finished", 0)] * 2
    assert [run["resumed"] for run in finished["runs"]] == [1, 0]


@pytest.mark.slow
def test_two_sweeps_side_by_side_share_the_work(start):
    both = [start() for _ in range(2)]
    results = [finish(process) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    for runs in zip(*(result["runs"] for result in results), strict=True):
        assert {run["state"] for run in runs} <= {"finished", "skipped"}
        assert {(run["resumed"], run["lost"]) for run in runs} == {(0, 0)}, "done once, by one"
        assert len({run["identity"] for run in runs}) == 1


@pytest.mark.slow
def test_a_sweep_that_is_killed_leaves_no_workers_and_loses_nothing(start, tmp_path):
    first = start()
    wait_for_checkpoint(first, tmp_path / "runs")
    first.kill()
    first.communicate()
    again = start()
    finished = finish(again)
    assert again.returncode == 0
    assert [(run["state"], run["lost"]) for run in finished["runs"]] == [("finished", 0)] * 2
    assert finished["runs"][0]["resumed"] == 1
