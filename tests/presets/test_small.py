"""Each attack at a small size, for real: it learns more from its queries than noise does."""

from __future__ import annotations

from functools import cache

import pytest

from copycost.attacks import ATTACKS
from copycost.engine import Engine
from copycost.presets import PRESETS
from copycost.runner.audit import FLOOR_ATTACK, AuditConfig, audit
from copycost.runner.config import RunConfig
from copycost.runner.record import Record
from copycost.runner.target import Target
from copycost.runner.targets import load_target

SMALL = ("small", "small-label", "small-label-shapes", "pool-digits", "pool-digits-k-centre")
CASES = [(preset, name) for preset in SMALL for name in PRESETS[preset]["attacks"]]
CLEARLY = 0.10


METHODS: list[tuple[str, str, dict[str, object]]] = [
    *((name, "probabilities", {}) for name in ("dfme", "maze", "disguide", "dual-student")),
    *((name, "label", {}) for name in ("disguide", "dual-student", "ideal", "qedg")),
    ("frugal", "probabilities", {}),
    ("frugal", "label", {}),
    ("dfms-hl", "label", {"like": None}),
    ("dfms-hl", "label", {"like": "shapes"}),
    ("dfms-hl-proxy", "label", {}),
    ("knockoff", "probabilities", {}),
    ("knockoff-adaptive", "probabilities", {}),
    ("active-thief", "probabilities", {"strategy": "entropy"}),
    ("active-thief", "probabilities", {"strategy": "k-centre"}),
    ("jbda", "probabilities", {}),
    ("fixmatch", "probabilities", {}),
    ("in-distribution", "probabilities", {}),
    ("random-noise", "probabilities", {}),
    ("random-noise", "label", {}),
]
"""Every method there is: an attack at an access level, in the form that the settings make."""


def test_every_attack_is_a_method():
    assert {name for name, _, _ in METHODS} == set(ATTACKS)


@pytest.mark.parametrize(("name", "access", "form"), METHODS)
def test_every_method_has_a_small_preset(name: str, access: str, form: dict[str, object]):
    runs = [planned(*case) for case in CASES]
    assert any(
        run.attack == name and run.access == access and is_in_form(run, form) for run in runs
    )


def is_in_form(run: RunConfig, form: dict[str, object]) -> bool:
    settings = run.in_full()["settings"]
    assert isinstance(settings, dict)
    return form.items() <= settings.items()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory):
    """Runs by preset and attack, each done once: the floor is compared with several."""
    folder = tmp_path_factory.mktemp("small")

    @cache
    def target(victim: str) -> Target:
        return load_target(victim, None, folder / "victims", Engine("cpu"))

    @cache
    def run(preset: str, name: str) -> Record:
        config = planned(preset, name)
        ((record, _),) = audit([config], target(config.victim), folder / "runs")
        return record

    return run


def planned(preset: str, name: str) -> RunConfig:
    runs = AuditConfig.read(dict(PRESETS[preset])).runs()
    return next(run for run in runs if run.attack == name)


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "name"), [case for case in CASES if case[1] != FLOOR_ATTACK])
def test_it_beats_random_noise_clearly(preset: str, name: str, done):
    own, floor = done(preset, name), done(preset, FLOOR_ATTACK)
    assert own.finished
    assert own.spent <= own.budget == floor.budget
    assert own.result["agreement"] >= floor.result["agreement"] + CLEARLY
