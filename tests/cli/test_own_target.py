"""A victim of the user's own on the command line: MODULE:FUNCTION that returns a target."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.sweep.conftest import Inline

from copycost.cli import bench_run
from copycost.cli.audit_run import auditors_share
from copycost.engine import Engine
from copycost.errors import ConfigError, SpecMismatch
from copycost.oracle.access import check_access
from copycost.runner.config import RunConfig
from copycost.runner.own_target import own_hash
from copycost.runner.targets import load_target
from copycost.sweep.sweep import Sweep
from copycost.sweep.victims import OwnHome, homes_of
from copycost.types import Access

SERVICE = """
import numpy as np
from copycost import FunctionVictim, InputSpec, Target, load_dataset

made = 0
asked = []


def target():
    global made
    made += 1
    data = load_dataset("digits")
    x, y = data.train.values().flatten(1).numpy(), data.train.labels.numpy()
    means = np.stack([x[y == label].mean(axis=0) for label in range(10)])

    def nearest(x):
        asked.append(len(x))
        return -((x.reshape(len(x), 1, -1) - means) ** 2).sum(axis=2)

    victim = FunctionVictim(nearest, InputSpec((1, 8, 8)), 10, "logits", name="nearest-mean")
    return Target(victim, data.test, data.provenance)


def broken():
    raise KeyError("token")


def impossible():
    return InputSpec((8, 8))


def module():
    return target


def refused():
    return FunctionVictim(lambda x: x, InputSpec((1, 8, 8)), 1, "logits")


no_function = 3
"""
PLACE = "own_service:target"


@pytest.fixture(autouse=True)
def folder(own_modules: Callable[..., Path]) -> Iterator[Path]:
    """The folder of the user's module."""
    own_hash.cache_clear()
    yield own_modules(own_service=SERVICE)
    own_hash.cache_clear()


def words(tmp_path: Path, *more: str) -> list[str]:
    return [
        "--victim", PLACE, "--attack", "random-noise", "--student", "lenet", "--budget", "300",
        "--device", "cpu", "--seeds", "2", "--out", str(tmp_path / "runs"), "--json",
        "--set", "random-noise.student_steps=1", *more,
    ]  # fmt: skip


def test_an_audit_asks_ones_own_function(copycost, tmp_path):
    code, out, err = copycost("audit", *words(tmp_path))
    assert code == 0, err
    found = json.loads(out)
    assert found["victim"]["name"] == "nearest-mean"
    assert [run["spent"] for run in found["runs"]] == [300, 300]
    assert err.count("written authorisation") == 1
    assert "445 held-out inputs: at most 1,146 a run" in " ".join(err.split())
    first, second = (
        json.loads(next((tmp_path / "runs").glob(f"*-seed{seed}-*/record.json")).read_text())
        for seed in (0, 1)
    )
    assert (first["config"]["victim"], first["config"]["data"]) == (PLACE, None)
    audited = [record["accounts"]["auditor"]["spent"] for record in (first, second)]
    assert audited == [2 * 445 + 112, 2 * 112], "the first run's answers serve both"
    assert sum(sys.modules["own_service"].asked) == 2 * 300 + sum(audited)

    asked = list(sys.modules["own_service"].asked)
    assert copycost("audit", *words(tmp_path))[0] == 0
    assert sys.modules["own_service"].asked == asked  # finished runs are not repeated


def test_a_sweep_asks_it_in_its_workers(copycost, tmp_path):
    code, out, err = copycost("sweep", *words(tmp_path, "--workers", "1"))
    assert code == 0, err
    assert json.loads(out)["counts"] == {"finished": 2}
    assert sys.modules["own_service"].asked == []
    assert sys.modules["own_service"].made == 1  # for the victim's hash, once for all runs
    assert "written authorisation" in err
    code, out, err = copycost("sweep", *words(tmp_path))
    assert json.loads(out)["counts"] == {"skipped": 2}


def test_a_plan_asks_nothing_and_reminds_of_nothing(copycost, tmp_path):
    code, _, err = copycost("sweep", *words(tmp_path, "--dry-run"))
    assert code == 0, err
    assert "authorisation" not in err
    assert sys.modules["own_service"].asked == []


def test_a_bench_charges_each_request_to_the_auditor(copycost, tmp_path, monkeypatch):
    monkeypatch.setattr(bench_run, "Local", Inline)
    code, out, err = copycost(
        "bench", "--victim", PLACE, "--attack", "random-noise", "--student", "lenet",
        "--device", "cpu", "--threads", "1", "--budget", "128", "--seeds", "1",
        "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out"), "--json",
        "--set", "random-noise.student_steps=1", "--set", "pgd.steps=2",
        "--set", "fresh.passes=1", "--set", "fresh.checks=1",
    )  # fmt: skip
    assert code == 0, err
    assert json.loads(out)["victim"]["name"] == "nearest-mean"
    (record,) = (tmp_path / "work").glob("*/record.json")
    spent = json.loads(record.read_text())["accounts"]["auditor"]["spent"]
    own = sys.modules["own_service"].asked
    assert sum(own) > 128 + spent  # the examples made on the students too
    assert "written authorisation" in err


def runs(**more: Any) -> list[RunConfig]:
    return [RunConfig.read({"victim": PLACE, "student": "lenet", "budget": 300, **more})]


def test_data_beside_a_target_are_refused_before_the_function_is_called(tmp_path):
    for attempt in (
        lambda: load_target(PLACE, "digits", tmp_path, Engine("cpu")),
        lambda: homes_of(runs(data="digits"), tmp_path),
    ):
        with pytest.raises(ConfigError, match=re.escape("got digits too. Leave --data out")):
            attempt()
    assert sys.modules["own_service"].made == 0


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("nowhere:target", "PYTHONPATH=."),
        ("own_service:other", "no attribute 'other'"),
        ("own_service:no_function", "is no function that returns a target, but 3"),
        ("own_service:module", r"expected a copycost.Target from own_service:module\(\), got <fun"),
    ],
)
def test_what_is_no_target_is_one_clear_line(copycost, tmp_path, place, why):
    code, _, err = copycost("audit", "--victim", place, "--budget", "300", "--out", str(tmp_path))
    assert code == 2
    assert re.search(why, " ".join(err.split()))


def test_the_ceiling_needs_its_data_from_python_and_asks_nothing_before(copycost, tmp_path):
    code, _, err = copycost(
        "audit", "--victim", PLACE, "--attack", "in-distribution", "--student", "lenet",
        "--budget", "300", "--device", "cpu", "--out", str(tmp_path),
    )  # fmt: skip
    assert code == 2
    assert "from Python with RunConfig(data=…)" in " ".join(err.split())
    assert sys.modules["own_service"].asked == []


@pytest.mark.parametrize(
    ("name", "raises", "said", "kind"),
    [
        ("broken", '    raise KeyError("token")', "KeyError: 'token'", KeyError),
        (
            "impossible",
            "    return InputSpec((8, 8))",  # the user's own line, not the library's
            "ValidationError: an image's shape is (C, H, W), got (8, 8); of other inputs declare "
            "the modality, such as Modality.TEXT",
            ValidationError,
        ),
    ],
)
def test_what_the_function_raises_is_one_line_and_says_where(
    tmp_path, folder, name, raises, said, kind
):
    line = SERVICE.splitlines().index(raises) + 1
    with pytest.raises(ConfigError) as raised:
        load_target(f"own_service:{name}", None, tmp_path, Engine("cpu"))
    (problem,) = raised.value.problems
    where = f"{folder / 'own_service.py'}, line {line}"
    assert problem == f"victim: own_service:{name}() raised {said}, in {where}."
    assert isinstance(raised.value.__cause__, kind)


def test_a_file_in_the_place_of_all_runs_is_one_error_before_anything_is_asked(copycost, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    code, _, err = copycost("audit", *words(file))
    assert code == 2
    assert f"{file / 'runs'}: expected a folder to write in" in " ".join(err.split())
    assert "failed" not in err
    assert sys.modules["own_service"].asked == []


def test_of_few_held_out_inputs_no_more_than_all_are_asked_again() -> None:
    assert "about 100 held-out inputs: at most 400 a run" in auditors_share(100)


def test_a_model_that_says_labels_has_no_lower_access() -> None:
    with pytest.raises(SpecMismatch, match=r"use access label$"):
        check_access(Access.LABEL, Access.PROBABILITIES, 5, 10)


def test_what_copycost_refuses_in_the_function_is_said_as_it_is(tmp_path):
    with pytest.raises(SpecMismatch, match="at least 2 classes"):
        load_target("own_service:refused", None, tmp_path, Engine("cpu"))


def test_a_folder_is_still_a_folder(tmp_path):
    for victim in ("own/a:b", "/own/a:b"):
        with pytest.raises(ConfigError, match="there is no folder"):
            load_target(victim, None, tmp_path, Engine("cpu"))


def test_homes_tell_victims_apart(tmp_path):
    (home,) = Sweep(runs(), tmp_path)._homes
    assert home == OwnHome(PLACE)
    assert home.content_hash == home.load().content_hash
    assert Sweep(runs(), tmp_path).untrained == []
