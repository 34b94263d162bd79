"""Which flags a run's outcome raises."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from copycost.flags import Flag
from copycost.runner.copy_model import copy_model
from copycost.runner.outcome import EndedRun
from copycost.runner.record import Point
from tests.runner.conftest import tiny_config, tiny_target

FINE = {"accuracy": 0.9, "agreement": 0.9, "commonest class": 0.3, "generator/spread": 0.2}


ASKS_TWICE = SimpleNamespace(budget=100, queries_per_input=2)
CHANGED = {"asked_at_the_end": 100, "changed_at_the_end": 1}


def flags(first: dict[str, float], last: dict[str, float], **more: Any) -> list[Flag]:
    """The flags of a run whose held-out inputs are of one class in 3 of 10 cases."""
    told = {"self_agreement": 1.0, "accuracy": 0.9, "defences": (), "classes": 4, "one_answer": 0.3}
    told |= {"asked_at_the_end": 0, "changed_at_the_end": 0}
    steps = more.pop("steps", 1_000)
    facts = SimpleNamespace(**told | more.pop("facts", {}))
    values: Any = {
        "config": SimpleNamespace(budget=100, queries_per_input=1),
        "attack": SimpleNamespace(least_queries=14),
        "run": SimpleNamespace(
            curve=[
                Point(
                    queries=0, seconds=0, values={"agreement": 0.25, "commonest class": 1} | first
                ),
                Point(queries=100, seconds=1, values=FINE | last),
            ]
        ),
        "auditor": SimpleNamespace(
            facts=lambda: facts, target=SimpleNamespace(held_out=range(more.pop("inputs", 100)))
        ),
        "engine": SimpleNamespace(ranks=SimpleNamespace(count=more.pop("ranks", 1))),
        "spent": 100,
        "lost": 0,
        "pool": None,
    }
    return EndedRun(**values | more)._flags(steps)


@pytest.mark.parametrize(
    ("first", "last", "more", "raised"),
    [
        ({}, {}, {}, []),
        ({}, {"accuracy": 0.36, "commonest class": 1.0}, {}, ["student-collapsed"]),
        ({}, {"accuracy": 0.5, "commonest class": 0.8}, {}, []),
        ({"agreement": 0.8}, {}, {}, ["student-knows-already"]),
        ({"agreement": 0.8}, {}, {"inputs": 5}, []),
        ({}, {"generator/spread": 0.001}, {}, ["generator-collapsed"]),
        ({"generator/spread": 0.001}, {}, {}, []),
        ({}, {"estimate/correlation": 0.1}, {}, ["estimate-drowned"]),
        ({}, {}, {"lost": 20}, ["queries-lost"]),  # they were spent
        ({}, {}, {"spent": 80}, ["budget-not-spent"]),
        ({}, {}, {"spent": 80, "ranks": 2}, []),
        ({}, {}, {"spent": 80, "config": ASKS_TWICE}, []),
        ({}, {}, {"facts": {"self_agreement": 0.9}}, ["victim-not-deterministic"]),
        ({}, {}, {"facts": {"accuracy": 0.36}}, ["victim-near-chance"]),
        ({}, {}, {"facts": CHANGED}, ["victim-changed"]),
        ({}, {}, {"facts": CHANGED | {"self_agreement": 0.9}}, ["victim-not-deterministic"]),
        ({}, {"agreement": 0.6}, {"steps": 999}, ["student-hardly-trained"]),
        ({"agreement": 0.6}, {"agreement": 0.95}, {"steps": 999}, []),
    ],
)
def test_flags_are_raised_from_the_end_of_a_run_and_one_from_its_beginning(
    first, last, more, raised
):
    assert [flag.name for flag in flags(first, last, **more)] == raised


@pytest.mark.parametrize(("defences", "who"), [((), "the victim"), (("noise:1",), "the API")])
def test_who_contradicts_itself_is_named(defences, who):
    (flag,) = flags({}, {}, facts={"self_agreement": 0.9, "defences": defences})
    assert flag.detail.startswith(who)


def test_defences_that_contradict_themselves_excuse_no_change():
    """What is asked at the end is the victim without them."""
    facts = CHANGED | {"self_agreement": 0.9, "defences": ("noise:1",)}
    assert [flag.name for flag in flags({}, {}, facts=facts)][1:] == ["victim-changed"]


def test_a_run_is_judged_by_the_steps_of_its_student_and_tells_what_was_given(tmp_path):
    """Its generator takes more of them."""
    settings = {"batch_size": 32, "width": 8, "latent": 8, "generator_steps": 3, "student_steps": 1}
    config = tiny_config(settings=settings, budget=2_000, evaluations=1)
    record = copy_model(config, tiny_target(), tmp_path)
    student, generator = record.updates["student"], record.updates["generator"]
    assert student < generator
    (detail,) = [f.detail for f in record.flags if f.name == "student-hardly-trained"]
    assert detail.startswith(f"the student took {student} steps")
    assert record.given.keys() == config.model_fields_set
    assert record.given.keys() < config.in_full().keys()
