"""`copycost bench` in this process: what it prints and leaves, and how it ends."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from copycost.bench import figures, work
from copycost.bench.fresh import train_fresh
from copycost.bench.result import BenchRecord, read_bench
from copycost.bench.work import Measure
from copycost.cli import bench_run
from copycost.runner.record import read_record
from copycost.runner.stopping import Stop
from copycost.runner.transfers import read_transfer_set
from tests.conftest import Cli
from tests.stops import Soon
from tests.sweep.conftest import Inline

Bench = Callable[..., tuple[int, dict[str, Any], str]]
ATTACKS = ("--attack", "dfme", "--attack", "random-noise", "--attack", "knockoff")


@pytest.fixture
def executor(monkeypatch) -> Inline:
    """Does every task in this process, and nothing is drawn, which takes seconds."""
    inline = Inline()
    monkeypatch.setattr(bench_run, "Local", lambda: inline)
    monkeypatch.setattr(figures, "drawings", lambda record: [])
    monkeypatch.setattr(figures, "files", lambda record: {})
    return inline


@pytest.fixture
def bench(copycost: Cli, victim: Path, tmp_path: Path) -> Bench:
    """Three attacks, one of them without its pool, at two budgets with one seed."""

    def run(*more: str, attacks: tuple[str, ...] = ATTACKS) -> tuple[int, dict[str, Any], str]:
        own = {
            "dfme": ("batch_size=16", "width=8", "latent=8"),
            "random-noise": ("batch_size=16", "student_steps=1"),
        }
        settings = [f"{name}.{one}" for name in own if name in attacks for one in own[name]]
        measures = ["pgd.steps=2", "fresh.passes=2", "fresh.batch_size=16", "fresh.checks=2"]
        code, out, err = copycost(
            "bench", "--victim", str(victim), "--data", "digits", "--student", "lenet",
            "--device", "cpu", "--threads", "1", "--budget", "240", "--budget", "120",
            "--seeds", "1", *attacks, "--work", str(tmp_path / "work"),
            "--out", str(tmp_path / "out"),
            *(word for one in settings + measures for word in ("--set", one)), *more,
        )  # fmt: skip
        return code, json.loads(out) if out else {}, err

    return run


def record_of(found: dict[str, Any]) -> BenchRecord:
    return read_bench(Path(found["page"]).parent / "bench.json")


def folder_of(tmp_path: Path, run: dict[str, Any]) -> Path:
    (folder,) = (tmp_path / "work").glob(f"*-{run['id'][:12]}")
    return folder


def charged(folder: Path, account: str) -> int:
    """By the ledger itself."""
    with sqlite3.connect(folder / "ledger.sqlite") as ledger:
        (total,) = ledger.execute(
            "SELECT SUM(used) FROM reservations WHERE account = ?", (account,)
        ).fetchone()
    ledger.close()
    return int(total)


def test_the_json_is_what_the_runs_left(bench, executor, tmp_path):
    code, found, err = bench("--json")
    assert code == 0, err
    assert set(found) == {"victim", "access", "attacks", "skipped", "page"}
    assert found["access"] == "probabilities"
    assert found["victim"]["accuracy"] > 0.2
    (left_out,) = found["skipped"]
    assert left_out["attack"] == "knockoff"
    assert "SKIPPED   knockoff: it starts with a pool" in err
    dfme, noise = found["attacks"]
    assert (dfme["attack"], dfme["class"]) == ("dfme", "strictly data-free")
    assert (dfme["queries_per_image"], noise["queries_per_image"]) == (7, 1)
    assert set(dfme["queries_to"]["own"]) == {"50%", "80%", "90%", "95%"}
    assert [budget["budget"] for budget in dfme["budgets"]] == [120, 240]
    for attack in (dfme, noise):
        for budget in attack["budgets"]:
            (run,) = budget["runs"]
            check_run(run, budget, folder_of(tmp_path, run))
    # The same number of steps for all attacks at equal budgets.
    steps = [[b["runs"][0]["fresh"]["steps"] for b in a["budgets"]] for a in (dfme, noise)]
    assert steps == [[15, 30], [15, 30]]
    assert record_of(found).as_json()["attacks"] == found["attacks"]
    assert record_of(found).complete


def test_a_class_is_todays_whatever_the_record_says(bench, executor, tmp_path):
    few = ("batch_size=16", "members=1", "student_steps=1", "sources=patches")
    words = [word for one in few for word in ("--set", f"frugal.{one}")]
    bench("--json", *words, attacks=("--attack", "frugal"))
    for path in (tmp_path / "work").glob("frugal-*/record.json"):
        written = json.loads(path.read_text())
        assert written["knowledge"] == "procedural images"
        path.write_text(json.dumps(written | {"knowledge": "strictly data-free"}))
    _, found, _ = bench("--json", *words, attacks=("--attack", "frugal"))
    assert found["attacks"][0]["class"] == "procedural images"


def check_run(run: dict[str, Any], budget: dict[str, Any], folder: Path) -> None:
    record = read_record(folder)
    assert run["state"] == "finished"
    assert run["values"]["agreement"] == record.result["agreement"]
    assert budget["own"]["agreement"]["median"] == record.result["agreement"]
    assert run["updates"] == record.updates
    assert run["attacker"]["spent"] == record.spent == charged(folder, "attacker")
    assert record.spent <= budget["budget"]
    # What the auditor paid for the run, and then for the examples.
    transfer = run["transfer"]
    right = round(record.victim.accuracy * 445)
    assert (transfer["tried"], transfer["asked"]) == (right, 2 * right)
    assert transfer["auditor_spent"] == charged(folder, "auditor")
    assert charged(folder, "auditor") == record.accounts["auditor"].spent + 2 * right
    fresh = budget["fresh"]
    assert fresh["last"]["agreement"]["median"] == run["fresh"]["last"]["agreement"]
    assert fresh["chosen"]["kl"]["median"] == run["fresh"]["chosen"]["kl"]


def test_fresh_students_learn_from_the_largest_run_s_first_queries(
    bench, executor, tmp_path, monkeypatch
):
    given = []

    def spied(recipe, build, queries, steps, *more):
        given.append((queries.of(torch.arange(len(queries)), torch.device("cpu"))[0], steps))
        return train_fresh(recipe, build, queries, steps, *more)

    monkeypatch.setattr(work, "train_fresh", spied)
    code, found, err = bench("--json", attacks=("--attack", "random-noise"))
    assert code == 0, err
    (run,) = found["attacks"][0]["budgets"][-1]["runs"]
    (asked,) = read_transfer_set(folder_of(tmp_path, run)).chunks(1_000)
    (small, few), (large, many) = given
    assert torch.equal(small, asked.inputs[:120])
    assert torch.equal(large, asked.inputs[:240])
    assert (few, many) == (15, 30)


def test_nothing_is_repeated_and_what_is_lost_is_measured_again(bench, executor, tmp_path):
    one = ("--attack", "random-noise")
    _, before, _ = bench("--json", attacks=one)
    assert len(executor.done) == 4  # two runs, and the measures of each
    _, again, _ = bench("--json", attacks=one)
    assert len(executor.done) == 4
    runs = [budget.pop("runs")[0] for found in (before, again) for budget in
            found["attacks"][0]["budgets"]]  # fmt: skip
    assert {run["state"] for run in runs} == {"finished"}
    assert runs[:2] == runs[2:]
    assert before == again
    folder = folder_of(tmp_path, runs[1])
    spent = charged(folder, "auditor")
    (lost,) = folder.glob("fresh-120-*.json")
    lost.unlink()
    _, third, _ = bench("--json", attacks=one)
    assert executor.done[4:] == ["measures of random-noise budget 240 seed 0"]
    assert third["attacks"][0]["budgets"][0]["runs"][0]["fresh"] is not None
    assert charged(folder, "auditor") == spent  # no victim is asked for a fresh student


@pytest.mark.parametrize("content", ["", "[]", '{"budget": 1}', "\xff"])
def test_a_damaged_measure_is_one_line(bench, executor, tmp_path, content):
    one = ("--attack", "random-noise")
    bench(attacks=one)
    for kind in ("fresh-120", "transfer-rate"):
        path = next((tmp_path / "work").glob(f"*/{kind}-*.json"))
        whole = path.read_text()
        path.write_text(content, encoding="latin-1")
        code, _, err = bench(attacks=one)
        assert code == 2
        assert err.startswith(f"error: {path} is damaged: ")
        assert err.endswith(". Delete it to measure again.\n")
        assert err.count("\n") == 1
        path.write_text(whole)


def test_a_larger_comparison_takes_up_the_runs_of_a_smaller(bench, executor):
    bench(attacks=("--attack", "random-noise"))
    executor.done.clear()
    code, _, err = bench("--seeds", "2", attacks=("--attack", "random-noise"))
    assert code == 0, err
    assert len(executor.done) == 4
    assert all(name.endswith("seed 1") for name in executor.done)


def test_a_measure_that_fails_is_loud_and_the_others_are_kept(bench, executor, monkeypatch):
    def fail(*_: object) -> None:
        raise ValueError("no room")

    monkeypatch.setattr(work, "train_fresh", fail)
    code, found, err = bench("--json", attacks=("--attack", "random-noise"))
    assert code == 1
    assert "FAILED    random-noise budget 240 seed 0: ValueError: no room" in err
    small, large = (budget["runs"][0] for budget in found["attacks"][0]["budgets"])
    assert (small["state"], large["state"]) == ("finished", "failed")
    assert large["error"] == "ValueError: no room"
    assert large["transfer"] is not None
    assert not record_of(found).complete


def test_a_run_that_fails_is_loud(bench, executor):
    attacks = ("--attack", "random-noise", "--set", "random-noise.student_lr=1e30")
    code, found, err = bench("--json", attacks=attacks)
    assert code == 1
    assert "FAILED" in err
    runs = [budget["runs"][0] for budget in found["attacks"][0]["budgets"]]
    assert {run["state"] for run in runs} == {"failed"}
    assert all("NaN or infinite" in run["error"] for run in runs)
    assert found["victim"] is None


def test_a_run_that_diverges_is_counted_as_collapsed_also_in_a_later_session(bench, executor):
    wild = ("--set", "dfme.student_lr=1e30", "--json")
    code, found, err = bench(*wild, attacks=ATTACKS[:4])
    assert code == 1
    assert "became NaN or infinite in step 1." in err
    dfme, other = found["attacks"]
    for budget in dfme["budgets"]:
        assert (budget["collapse_rate"], budget["diverged"]) == (1.0, 1)
        assert budget["runs"][0]["diverged"]
        assert "seed 0 (diverged)" in Path(found["page"]).read_text()
    assert dfme["collapse_rate"] == 1.0
    assert not other["budgets"][0]["runs"][0]["diverged"]
    code, found, _ = bench(*wild, "--max-minutes", "0", attacks=ATTACKS[:4])
    assert code == 3
    assert found["attacks"][0]["collapse_rate"] == 1.0


def test_time_that_is_up_ends_with_status_3_and_says_how_to_go_on(bench, executor):
    code, found, err = bench("--max-minutes", "0", "--json")
    assert code == 3
    assert "Stopped by time limit. Run the same command again to go on." in err
    assert {b["runs"][0]["state"] for a in found["attacks"] for b in a["budgets"]} == {"stopped"}
    assert executor.done == []


def test_a_fresh_student_that_is_stopped_goes_on_and_ends_as_a_whole_one(bench, executor, tmp_path):
    one = ("--attack", "random-noise")
    executor.stop_of = lambda task: Soon(looks=11) if isinstance(task, Measure) else Stop()
    code, pieces, err = bench("--json", attacks=one)
    assert code == 0, err
    # 15 steps and then 30: what is stopped after eleven is done again, as it would be elsewhere.
    assert executor.done.count("measures of random-noise budget 240 seed 0") == 5
    folder = folder_of(tmp_path, pieces["attacks"][0]["budgets"][-1]["runs"][0])
    assert not list(folder.glob("fresh-*.safetensors"))
    for measured in folder.glob("fresh-*.json"):
        measured.unlink()
    executor.stop_of = lambda task: Stop()
    _, whole, _ = bench("--json", attacks=one)
    for stopped, other in zip(fresh_of(pieces), fresh_of(whole), strict=True):
        assert stopped.pop("seconds") > 0 < other.pop("seconds")
        assert stopped == other


def fresh_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [budget["runs"][0]["fresh"] for budget in found["attacks"][0]["budgets"]]


def test_a_dry_run_writes_nothing(bench, executor, tmp_path):
    code, found, err = bench("--dry-run", "--json")
    assert code == 0, err
    assert found["queries_left"] == 2 * (120 + 240)
    assert [(p["attack"], p["budget"], p["runs"], p["finished"]) for p in found["plan"]] == [
        ("dfme", 120, 1, 0), ("dfme", 240, 1, 0),
        ("random-noise", 120, 1, 0), ("random-noise", 240, 1, 0),
    ]  # fmt: skip
    assert (found["runs"], found["unmeasured"], found["victims_to_train"]) == (4, 4, [])
    assert "SKIPPED   knockoff" in err
    assert not (tmp_path / "work").exists()
    assert not (tmp_path / "out").exists()


def test_what_could_not_be_done_or_written_is_told_before_the_first_run(bench, executor, tmp_path):
    code, _, err = bench("--pool", "npz:/nope.npz", "--dry-run")
    assert code == 2
    assert "nope.npz" in err
    (tmp_path / "out").write_text("a file")
    code, _, err = bench()
    assert code == 2
    assert "expected a folder to write in" in err
    assert executor.done == []


def test_a_k_that_would_change_nothing_is_refused(bench, executor):
    code, _, err = bench("--top-k", "3", "--dry-run")
    assert code == 2
    assert "top-k: 3 was given, and access is not top-k. Write --access top-k" in err
    assert bench("--top-k", "3", "--access", "top-k", "--dry-run")[0] == 0


def test_when_nobody_can_run_every_reason_is_said(bench, executor):
    code, _, err = bench(attacks=("--attack", "knockoff", "--attack", "jbda"))
    assert code == 2
    assert "No attack can run with these settings:" in err
    assert "knockoff: it starts with a pool" in err
    assert "jbda: it starts with a pool" in err


@pytest.mark.slow
def test_the_whole_command_in_processes_of_its_own(bench, tmp_path):
    code, found, err = bench("--json", "--workers", "1")
    assert code == 0, err
    assert record_of(found).complete
    assert Path(found["page"]).read_text().count("<figure>") == 4
    beside = {path.name for path in Path(found["page"]).parent.iterdir()}
    assert beside == {"index.html", "bench.json", "bench.csv", "bench.svg", "bench.png"}
    code, _, err = bench("--json", "--workers", "1")
    assert code == 0
    assert "started" not in err
