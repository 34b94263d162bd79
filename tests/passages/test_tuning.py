"""How a comparison's settings were chosen: the record, what is told of it, and what is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from copycost.attacks import ATTACKS
from copycost.presets import bench_digits
from copycost.runner.record import records_in
from copycost.settings import read_settings
from copycost.types import Access
from tests.bench.made_up import made_up
from tools.passages.bench import tuning_passage, twentieth_tuning_passage
from tools.passages.markdown import NOT_RUN
from tools.passages.tuning import TUNING_FILE, Trial, Tuned, Tuning, read_tuning

Tries = list[tuple[dict[str, Any], tuple[float, ...]]]
RESULTS = Path(__file__).parents[2] / "results" / "bench"
RECORDS = {
    "digits": bench_digits.PRESET,
    "digits-label": bench_digits.PRESET_LABEL,
    "digits-pool": bench_digits.PRESET_POOL,
}

LATER: dict[str, dict[str, Any]] = {"jbda": {"round_lr": 0.05}}
"""Settings that an attack did not have when it was tuned, as it behaved then."""


@pytest.mark.parametrize(
    "name", [name for name in RECORDS if (RESULTS / name / TUNING_FILE).exists()]
)
def test_what_is_compared_is_what_was_chosen_among_as_many_tries_for_each(name: str) -> None:
    record, preset = read_tuning(RESULTS / name / TUNING_FILE), RECORDS[name]
    assert len({len(tuned.trials) for tuned in record.attacks.values()}) == 1
    assert record.budget in preset["budgets"]
    assert not set(record.seeds) & set(range(preset["seeds"]))
    for attack, tuned in record.attacks.items():
        known = ATTACKS[attack]
        chosen = read_settings(known, LATER.get(attack, {}) | tuned.chosen)
        assert read_settings(known, preset["settings"][attack]) == chosen
        assert len(tuned.best.agreement) == len(record.seeds)


def test_a_twentieth_was_run_as_it_was_chosen_among_as_many_tries_for_each() -> None:
    folder = RESULTS.parent / "frugal" / "twentieth"
    tuning, records = read_tuning(folder / TUNING_FILE), records_in(folder)
    assert len({len(tuned.trials) for tuned in tuning.attacks.values()}) == 1
    for attack, tuned in tuning.attacks.items():
        known, budget = ATTACKS[attack], tuned.budget or tuning.budget
        chosen = read_settings(known, dict(tuned.chosen))
        seeds = {
            record.seed
            for record in records
            if (record.attack, record.victim.name) == (attack, tuning.victim.name)
            and (record.access, record.config["budget"]) == (Access.PROBABILITIES, budget)
            and read_settings(known, record.config["settings"]) == chosen
        }
        assert seeds >= {0, 1, 2}
        assert not seeds & set(tuning.seeds)


def test_there_is_a_record() -> None:
    assert (RESULTS / "digits" / TUNING_FILE).exists()


def test_the_tries_are_told(tmp_path: Path) -> None:
    assert tuning_passage(tmp_path) == NOT_RUN
    place = tmp_path / "bench" / "digits"
    place.mkdir(parents=True)
    example = made_up(0, {"accuracy": 0.5, "agreement": 0.5})
    tries: dict[str, Tries] = {
        "dfme": [({"student_lr": 0.1}, (0.3,)), ({"student_lr": 0.2}, (0.5, 0.4, 0.7))],
        "random-noise": [({}, (0.2, 0.1, 0.3)), ({"student_lr": 0.2}, (0.1, 0.1, 0.1))],
    }
    record = Tuning(
        bench="bench-digits",
        victim=example.victim,
        budget=6_000,
        seeds=(100, 101, 102),
        attacks={
            attack: tuned(some, 1 if attack == "dfme" else 0) for attack, some in tries.items()
        },
        surroundings=(example.surroundings,),
    )
    (place / TUNING_FILE).write_text(record.model_dump_json())
    told = tuning_passage(tmp_path).replace("\u00a0", " ")
    assert "| DFME | 2 | 40.0 % (30.0–50.0 %) | 30.0 % | 50.0 % (40.0–70.0 %) |" in told
    assert "| random noise | 2 | 15.0 % (10.0–20.0 %) | 20.0 % (10.0–30.0 %) | the same |" in told
    assert "6,000 queries of `digits-cnn`" in told


def test_budgets_of_their_own_are_told(tmp_path: Path) -> None:
    assert twentieth_tuning_passage(tmp_path) == NOT_RUN
    place = tmp_path / "frugal" / "twentieth"
    place.mkdir(parents=True)
    example = made_up(0, {"accuracy": 0.5, "agreement": 0.5})
    tries: Tries = [({"student_lr": 0.1}, (0.3, 0.5))]
    record = Tuning(
        bench="frugal-twentieth",
        victim=example.victim,
        budget=6_000,
        seeds=(100, 101),
        attacks={"dfme": tuned(tries, 0, budget=120_000), "frugal": tuned(tries, 0)},
        surroundings=(example.surroundings,),
    )
    (place / TUNING_FILE).write_text(record.model_dump_json())
    told = twentieth_tuning_passage(tmp_path).replace("\u00a0", " ")
    assert "6,000 queries (120,000 by DFME) of `digits-cnn`" in told
    assert read_tuning(place / TUNING_FILE) == record


def tuned(some: Tries, chosen: int, budget: int | None = None) -> Tuned:
    return Tuned(
        budget=budget,
        space={"student_lr": (0.1, 0.2)},
        trials=tuple(Trial(settings=settings, agreement=found) for settings, found in some),
        chosen=some[chosen][0],
    )
