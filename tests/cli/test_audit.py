"""`copycost audit` where a run cannot start, diverges, or was done in an earlier session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from copycost.nets.lenet import gap_cnn
from copycost.oracle.ledger import spent_in
from copycost.runner.folder import LEDGER_FILE
from copycost.runner.record import RECORD_FILE, read_record
from copycost.types import InputSpec
from copycost.victims.saved import Card, save_model

NOISE = (
    "--attack", "random-noise",
    "--set", "random-noise.batch_size=32", "--set", "random-noise.student_steps=1",
)  # fmt: skip
FEW = ("--student", "gap-cnn", "--budget", "300", "--evaluations", "1", "--device", "cpu")
QUICK = ("--set", "frugal.student_steps=1", "--threads", "1", "--json")
DIVERGING = ("--attack", "dfme", "--set", "dfme.student_lr=1e30", "--set", "dfme.width=8")
TRAINED = "copycost.runner.targets.train"


def victim_of(folder: Path, shape: tuple[int, int, int], classes: int = 10) -> tuple[str, ...]:
    """A saved model that nobody trained, and data to judge it on; as options."""
    spec, random = InputSpec(shape), np.random.default_rng(0)
    card = Card(architecture="gap-cnn", spec=spec, classes=classes)
    save_model(folder / "victim", gap_cnn(spec, classes), card)
    images = random.integers(0, 256, (40, *shape), dtype=np.uint8)
    labels = np.arange(40) % classes
    data: dict[str, Any] = {
        "x_train": images,
        "y_train": labels,
        "x_test": images,
        "y_test": labels,
    }
    data |= {"x_test": images, "y_test": labels}
    np.savez(folder / "data.npz", **data)
    return ("--victim", str(folder / "victim"), "--data", f"npz:{folder / 'data.npz'}")


@pytest.fixture
def audit(copycost, tmp_path):
    """An audit of a small victim: exit status, what is printed, what is said."""
    victim = victim_of(tmp_path, (1, 8, 8))

    def run(*arguments):
        everything = (*victim, *FEW, *arguments, "--json", "--out", str(tmp_path / "runs"))
        code, out, err = copycost("audit", *everything)
        return code, json.loads(out) if out else None, " ".join(err.split())

    return run


def runs_in(told):
    return [(run["attack"], run["ended"]) for run in told["runs"]]


def test_of_attacks_that_nobody_named_those_that_cannot_run_are_left_out(copycost, tmp_path):
    arguments = (*victim_of(tmp_path, (1, 7, 5)), *FEW, *QUICK, "--out", str(tmp_path / "runs"))
    code, out, err = copycost("audit", *arguments)
    assert code == 0, err
    assert [run["attack"] for run in json.loads(out)["runs"]] == ["frugal", "random-noise"]
    (line,) = [line for line in err.split("\n") if line.startswith("Left out")]
    assert "dfme: expected images whose height and width divide by 4, got 7x5" in line
    assert "2 runs (frugal, random-noise)" in err


def test_of_those_that_were_named_all_faults_are_told_before_the_first_query(copycost, tmp_path):
    named = ("--attack", "frugal", "--attack", "dfme", "--attack", "disguide", "--top-k", "11")
    victim = victim_of(tmp_path, (1, 7, 5))
    arguments = (*victim, *FEW, *named, "--access", "top-k", "--out", str(tmp_path / "runs"))
    code, out, err = copycost("audit", *arguments)
    assert (code, out) == (2, "")
    assert err.count("error:") == 3
    for attack in ("dfme", "disguide"):
        assert f"error: {attack}: expected images whose height and width divide by 4" in err
    assert "expected k from 1 to 10 for top-k access, got 11" in err
    assert not (tmp_path / "runs").exists()


def test_where_none_can_run_nothing_is_left_out_but_refused(copycost, tmp_path):
    arguments = (*victim_of(tmp_path, (1, 2, 5)), *FEW, "--out", str(tmp_path / "runs"))
    code, out, err = copycost("audit", *arguments, "--student", "lenet")
    assert (code, out) == (2, "")
    assert "student lenet: expected images of at least 4x4 pixels, got 2x5" in err
    assert "Left out" not in err


def test_what_k_to_take_is_told_where_none_was_given(copycost, tmp_path):
    victim = victim_of(tmp_path, (1, 8, 8), classes=2)
    code, out, err = copycost("audit", *victim, *FEW, "--access", "top-k")
    assert (code, out) == (2, "")
    assert err.count("error:") == 1
    assert "got 5; the victim has 2 classes; say --top-k 2 or less" in err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--access", "top-k", "--top-k", "50"), "k from 1 to 10 for top-k access, got 50"),
        (("--access", "logits", "--defence", "rounding:2"), "at least logits"),
    ],
)
def test_what_is_known_is_told_before_a_victim_is_trained(
    copycost, tmp_path, monkeypatch, arguments, expected
):
    monkeypatch.setattr(TRAINED, lambda *_: pytest.fail("a victim is trained"))
    victim = ("--victim", "digits-lenet", "--device", "cpu", "--out", str(tmp_path))
    code, out, err = copycost("audit", *victim, *arguments)
    assert (code, out) == (2, "")
    assert err.count("error:") == 1
    assert expected in err


def test_a_run_that_diverges_is_loud_and_alone(audit, tmp_path):
    code, told, err = audit(*DIVERGING, *NOISE)
    assert code == 1
    assert runs_in(told) == [("random-noise", "finished")]
    page = Path(told["report"]).read_text()
    assert "1 run failed and is not on this page: dfme seed 0." in page.replace("\u00a0", " ")
    (failed,) = told["failed"]
    assert (failed["attack"], failed["seed"]) == ("dfme", 0)
    assert failed["error"].startswith("student/gap")
    assert err.count("error:") == 1
    assert f"error: dfme seed 0: {failed['error']}" in " ".join(err.split())
    assert "1 of 2 runs failed" in err
    assert "Stopped" not in err
    code, told, err = audit(*DIVERGING)
    assert (code, told["victim"], told["runs"], told["report"]) == (1, None, [], None)
    assert "error: dfme seed 0" in err


def test_a_folder_that_cannot_go_on_does_not_keep_the_others_from_theirs(audit, tmp_path):
    seeds = (*NOISE, "--seeds", "2")
    assert audit(*seeds)[0] == 0
    (record,) = (tmp_path / "runs").glob(f"random-noise-seed0-*/{RECORD_FILE}")
    record.write_text("{")
    code, told, err = audit(*seeds)
    assert code == 1
    assert [run["seed"] for run in told["runs"]] == [1]
    assert "error: random-noise seed 0" in err
    assert "is not a record" in err


def test_what_is_finished_is_told_however_soon_the_audit_is_stopped(audit):
    assert audit(*NOISE)[0] == 0
    code, told, err = audit(*NOISE, "--max-minutes", "0")
    assert code == 0
    assert runs_in(told) == [("random-noise", "finished")]
    assert "Stopped" not in err
    code, told, err = audit(*NOISE, "--seeds", "2", "--max-minutes", "0")
    assert code == 3
    assert [run["seed"] for run in told["runs"]] == [0]
    assert "first query" not in err
    assert "Stopped by time limit. Run the same command again to go on." in err


def test_what_was_stopped_half_way_is_told_again(audit, tmp_path):
    assert audit(*NOISE)[0] == 0
    (path,) = (tmp_path / "runs").glob("random-noise-*")
    read_record(path).model_copy(update={"ended": "SIGTERM"}).write(path)
    code, told, err = audit(*NOISE, "--max-minutes", "0")
    assert (code, runs_in(told)) == (3, [("random-noise", "SIGTERM")])
    assert "first query" not in err


def test_queries_that_left_no_record_are_not_denied(audit, tmp_path):
    """As after a crash."""
    assert audit(*NOISE)[0] == 0
    (path,) = (tmp_path / "runs").glob("random-noise-*")
    (path / RECORD_FILE).unlink()
    assert spent_in(path / LEDGER_FILE, "attacker") == 300
    code, told, err = audit(*NOISE, "--max-minutes", "0")
    assert (code, told["runs"]) == (3, [])
    assert "first query" not in err
    assert "Stopped by time limit" in err


def test_a_record_of_a_run_judged_on_other_data_is_not_taken_for_this_ones(audit, tmp_path):
    assert audit(*NOISE)[0] == 0
    (claim,) = (tmp_path / "runs").glob("random-noise-*/run.json")
    claim.write_text(json.dumps(json.loads(claim.read_text()) | {"declared": "another"}))
    code, told, _ = audit(*NOISE, "--max-minutes", "0")
    assert (code, told["runs"]) == (3, [])
