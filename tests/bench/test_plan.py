"""What a comparison is made of, and who is left out with which words."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from copycost.attacks import ATTACKS
from copycost.bench.carry_out import Bench
from copycost.bench.plan import BenchConfig
from copycost.errors import ConfigError
from copycost.presets import BENCHES
from copycost.runner.making import attack_of
from copycost.settings import write_settings
from copycost.types import Access


def test_every_attack_runs_at_every_budget_with_every_seed_and_keeps_its_queries(values):
    many = {"seeds": 2, "first_seed": 3, "budgets": (240, 120, 500, 1000, 240)}
    config = BenchConfig.read(values | many)
    runs = [(r.attack, r.budget, r.seed, r.record_queries) for r in config.runs()]
    assert sorted(runs) == [
        (attack, budget, seed, "bytes")
        for attack in ("dfme", "random-noise")
        for budget in (120, 240, 500, 1000)
        for seed in (3, 4)
    ]
    assert [seed for _, _, seed, _ in runs] == [3] * 8 + [4] * 8  # seed by seed
    assert list(config.plan()["dfme"]) == [120, 240, 500, 1000]
    assert config.skipped == []


def test_settings_that_follow_the_budget_are_told_as_at_the_largest(values):
    asked = {"attacks": ("frugal",), "settings": {"frugal": {"members": 3}}}
    config = BenchConfig.read(values | asked | {"budgets": (60_000, 6_000)})
    assert write_settings(config.attack("frugal")) == config.runs()[-1].in_full()["settings"]
    sizes = {run.budget: attack_of(run).batch_size for run in config.runs()}
    assert sizes[6_000] < sizes[60_000] == config.attack("frugal").batch_size


def test_an_attack_without_its_pool_is_named_and_one_with_it_runs(values):
    asked = values | {"attacks": ("knockoff", "random-noise"), "settings": {}}
    (left_out,) = BenchConfig.read(asked).skipped
    assert (left_out.attack, left_out.budget) == ("knockoff", None)
    assert "--pool" in left_out.reason
    with_pool = asked | {"shared": {**values["shared"], "pool": "house-numbers-16"}}
    config = BenchConfig.read(with_pool)
    assert config.skipped == []
    pools = {run.attack: run.pool for run in config.runs()}
    assert pools == {"knockoff": "house-numbers-16", "random-noise": None}


def test_an_attack_that_needs_more_access_is_named(monkeypatch, values):
    monkeypatch.setattr(ATTACKS["dfme"], "needs", Access.PROBABILITIES)
    config = BenchConfig.read(values | {"shared": {**values["shared"], "access": "label"}})
    (left_out,) = config.skipped
    assert left_out.attack == "dfme"
    assert left_out.reason == "it needs probabilities access, and this API releases label"
    assert {run.attack for run in config.runs()} == {"random-noise"}


def test_a_budget_that_pays_for_no_step_is_named_and_the_others_run(values):
    config = BenchConfig.read(values | {"budgets": (13, 14)})
    (left_out,) = config.skipped
    assert (left_out.attack, left_out.budget) == ("dfme", 13)
    assert "at least 14 queries" in left_out.reason  # two images at seven queries
    assert {(r.attack, r.budget) for r in config.runs()} == {
        ("dfme", 14), ("random-noise", 13), ("random-noise", 14),
    }  # fmt: skip


def test_what_stopped_runs_have_spent_is_not_left(values, tmp_path):
    bench = Bench(BenchConfig.read(values), tmp_path)
    assert bench.queries_left == 2 * (120 + 240)
    record: Any = SimpleNamespace(spent=50)
    bench.results[0] = replace(bench.results[0], record=record)
    assert bench.queries_left == 2 * (120 + 240) - 50


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"budgets": ()}, "budgets"),
        ({"budgets": (0,)}, "budgets"),
        ({"settings": {"dfme": {"sped": 1}}}, "dfme.sped"),
        ({"pgd": {"steps": 0}}, "pgd.steps"),
        ({"fresh": {"epochs": 3}}, "fresh.epochs"),
        ({"shared": {"victim": "digits-cnn", "budget": 9}}, "budget: the bench sets it itself"),
        ({"shared": {"victim": "digits-cnn", "adaptations": ["average:2"]}}, "adaptations: fresh"),
        ({"shared": {"victim": "digits-cnn", "access": "all"}}, "'all' is not a valid Access"),
        ({"shared": {"victim": "digits-cnn", "pool": "digits"}}, "take no pool"),
    ],
)
def test_what_cannot_be_is_said(values, changes, words):
    with pytest.raises(ConfigError, match=words):
        BenchConfig.read(values | changes)


def test_budgets_that_are_not_given_are_missed_by_name(values):
    del values["budgets"]
    with pytest.raises(ConfigError) as raised:
        BenchConfig.read(values)
    assert raised.value.problems == ["budgets: it is not given, and there is no default."]


def test_the_identity_knows_runs_and_measures(values):
    one = BenchConfig.read(values).identity()
    assert one == BenchConfig.read(values | {"threads": 2}).identity()
    assert one != BenchConfig.read(values | {"pgd": {"steps": 3}}).identity()
    assert one != BenchConfig.read(values | {"fresh": {"passes": 3}}).identity()
    assert one != BenchConfig.read(values | {"seeds": 2}).identity()


@pytest.mark.parametrize("name", list(BENCHES))
def test_presets_are_comparisons_in_which_everybody_runs(name):
    config = BenchConfig.read(dict(BENCHES[name]))
    assert config.skipped == []
    assert len(config.runs()) == len(config.attacks) * len(config.budgets) * config.seeds
