"""Contract tests over the registry: a new attack gets its tests by being listed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from copycost.attacks import ATTACKS
from copycost.attacks.base import SMALLEST_BATCH, Attack
from copycost.engine import Engine
from copycost.errors import AccessTooLow, ConfigError
from copycost.oracle.meter import Oracle
from copycost.settings import read_settings, write_settings
from copycost.testing import TINY, SpyVictim, TinyNet, tiny_victim
from copycost.types import Access

# Small enough for thousands of steps in a test; an attack that has no such setting ignores it.
SMALL = {"batch_size": 16, "width": 8, "latent": 8, "student_lr": 0.02, "student_steps": 3}
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(params=list(ATTACKS))
def name(request) -> Any:
    return request.param


def make(name: str, **more: Any) -> Attack:
    known = {field.name for field in dataclasses.fields(ATTACKS[name])}
    chosen = {key: value for key, value in SMALL.items() if key in known} | more
    attack: Attack = read_settings(ATTACKS[name], chosen)
    return attack


def run(attack: Attack, oracle: Oracle, *, steps: int | None = None, device: str = "cpu"):
    """The loop without its storage; returns the state."""
    attack.check(oracle)
    state = attack.start(TinyNet(TINY, oracle.classes, seed=5), oracle, Engine(device), seed=1)
    done = 0
    while (n := attack.affordable(oracle)) and done != steps:
        for player in state.players.values():
            player.set_time(oracle.spent / oracle.budget)
        attack.step(state, oracle, n)
        done += 1
    return state


def weights(state) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in state.student.network.parameters()])


def test_cost_is_what_it_says(name):
    attack = make(name)
    spy = SpyVictim(tiny_victim())
    oracle = Oracle(spy, access="probabilities", budget=10**6)
    run(attack, oracle, steps=1)
    assert spy.count == oracle.spent == attack.batch_size * attack.queries_per_image


@settings(max_examples=12, deadline=None)
@given(budget=st.one_of(st.integers(14, 900), st.sampled_from([97, 101, 499, 997])))
@pytest.mark.parametrize("name", list(ATTACKS))
def test_the_spy_and_the_account_agree_at_any_budget(name, budget):
    attack = make(name)
    least = SMALLEST_BATCH * attack.queries_per_image
    spy = SpyVictim(tiny_victim())
    oracle = Oracle(spy, access="probabilities", budget=budget)
    if budget < least:
        with pytest.raises(ConfigError, match="do not pay for one step"):
            attack.check(oracle)
        assert spy.count == 0
        return
    run(attack, oracle)
    assert spy.count == oracle.spent <= budget
    assert budget - oracle.spent < least, "what may still be spent was left"


def test_exactly_one_step(name):
    attack = make(name)
    budget = attack.batch_size * attack.queries_per_image
    oracle = Oracle(tiny_victim(), access="probabilities", budget=budget)
    run(attack, oracle)
    assert oracle.spent == budget


def test_no_step_is_much_smaller_than_a_batch(name):
    attack = make(name)
    for extra in (1, 7, attack.batch_size // 2, attack.batch_size - 1):
        budget = (3 * attack.batch_size + extra) * attack.queries_per_image
        oracle = Oracle(tiny_victim(), access="probabilities", budget=budget)
        sizes = []
        while n := attack.affordable(oracle):
            sizes.append(n)
            oracle._account.charge(n * attack.queries_per_image)
        assert min(sizes) >= attack.batch_size // 2
        assert max(sizes) <= attack.batch_size


def test_too_little_access_is_refused_by_name(name):
    needy = type("Needy", (ATTACKS[name],), {"needs": Access.LOGITS})
    oracle = Oracle(tiny_victim(), access="label", budget=10**6)
    with pytest.raises(AccessTooLow, match="Needy needs logits access"):
        needy().check(oracle)


def test_runs_at_every_access_it_does_not_refuse(name):
    for access in Access:
        attack = make(name)
        if access.covers(attack.needs):
            oracle = Oracle(tiny_victim(), access=access, budget=500, k=2)
            assert bool(weights(run(attack, oracle)).isfinite().all())


def test_same_seed_same_student(name):
    first, second = (
        weights(run(make(name), Oracle(tiny_victim(), access="probabilities", budget=600)))
        for _ in range(2)
    )
    assert torch.equal(first, second)


def test_seeds_differ(name):
    oracle = Oracle(tiny_victim(), access="probabilities", budget=10**6)
    attack = make(name)
    states = [
        attack.start(TinyNet(TINY, 4, seed=5), oracle, Engine("cpu"), seed) for seed in (1, 2)
    ]
    for state in states:
        attack.step(state, oracle, 16)
    assert not torch.equal(weights(states[0]), weights(states[1]))


def test_state_goes_on_bit_for_bit(name):
    attack = make(name)
    oracle = Oracle(tiny_victim(), access="probabilities", budget=10**6)
    through = run(attack, oracle, steps=6)
    halfway = run(attack, Oracle(tiny_victim(), access="probabilities", budget=10**6), steps=3)
    resumed = attack.start(TinyNet(TINY, 4, seed=77), oracle, Engine("cpu"), seed=99)
    resumed.restore(halfway.state())
    rest = Oracle(tiny_victim(), access="probabilities", budget=10**6)
    rest._account.charge(halfway_spent := 3 * 16 * attack.queries_per_image)
    assert rest.spent == halfway_spent
    for _ in range(3):
        for player in resumed.players.values():
            player.set_time(rest.spent / rest.budget)
        attack.step(resumed, rest, 16)
    assert torch.equal(weights(through), weights(resumed))


def test_diagnosis_and_samples_ask_nothing_and_change_nothing(name):
    attack = make(name)
    spy = SpyVictim(tiny_victim())
    oracle = Oracle(spy, access="probabilities", budget=10**6)
    state = run(attack, oracle, steps=2)
    before, spent = state.state(), spy.count
    attack.diagnose(state, oracle)
    samples = attack.samples(state, oracle, 9)
    assert samples.shape == (9, 1, 8, 8)
    oracle.spec.check_range(samples)
    assert spy.count == spent
    after = state.state()
    assert torch.equal(before["random"], after["random"])
    for player in before["players"]:
        for key, value in before["players"][player]["network"].items():
            assert torch.equal(value, after["players"][player]["network"][key])


@pytest.mark.parametrize("device", DEVICES)
def test_improves_agreement_on_the_tiny_victim(name, device):
    attack = make(name, schedule="cosine", batch_size=64)
    victim = tiny_victim()
    x = torch.rand(500, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    oracle = Oracle(victim, access="probabilities", budget=40_000)

    def agreement(net: nn.Module) -> float:
        return float((net(x).argmax(1) == victim(x).argmax(1)).float().mean())

    fresh = agreement(TinyNet(TINY, 4, seed=5))
    state = run(attack, oracle, device=device)
    assert agreement(state.student.network.cpu()) > max(0.6, fresh + 0.2)


def test_settings_read_back(name):
    attack = make(name)
    assert read_settings(ATTACKS[name], write_settings(attack)) == attack


@pytest.mark.parametrize(
    ("setting", "value"),
    [("batch_size", 1), ("batch_size", "many"), ("student_lr", -1), ("scheduer", "cosine"),
     ("schedule", "linear"), ("loss", "l7"), ("floor", 0)],
)  # fmt: skip
def test_impossible_settings_are_errors(name, setting, value):
    with pytest.raises(ConfigError, match=setting):
        read_settings(ATTACKS[name], {setting: value})


def test_construction_does_no_work(name):
    ATTACKS[name]()
