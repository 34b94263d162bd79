"""Contract tests over the registry: a new attack gets its tests by being listed."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from copycost.adaptations.average import Average
from copycost.attacks import ATTACKS
from copycost.attacks.base import SMALLEST_BATCH, Attack
from copycost.engine import Engine
from copycost.errors import AccessTooLow, ConfigError, SpecMismatch
from copycost.nets.text import BagOfTokens
from copycost.oracle.adapted import AdaptedOracle
from copycost.oracle.base import Oracle
from copycost.oracle.meter import CountedOracle, Meter
from copycost.pool import Pool
from copycost.runner.extract import advance
from copycost.settings import read_settings, write_settings
from copycost.testing import TINY, SpyVictim, TinyNet, tiny_victim
from copycost.types import Access, InputSpec, Modality
from copycost.victims.module import ModuleVictim

# Small enough for thousands of steps in a test; an attack that has no such setting ignores it.
SMALL = {
    "batch_size": 16,
    "width": 8,
    "latent": 8,
    "student_lr": 0.02,
    "student_steps": 3,
    "replay_steps": 5,
    "epochs": 1,
    "last_epochs": 2,
    "ratio": 2,
    "rounds": 3,
    "seeds": 20,
    "groups": 5,
    "synthesis_steps": 2,
    "gan_steps": 4,
    "proxies_asked": 40,
}
POOL = Pool(
    torch.randint(0, 256, (1200, 1, 8, 8), generator=torch.Generator().manual_seed(3)).byte(),
    TINY,
    "noise",
)
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(params=list(ATTACKS))
def name(request) -> Any:
    return request.param


def make(name: str, **more: Any) -> Attack:
    known = {field.name for field in dataclasses.fields(ATTACKS[name])}
    chosen = {key: value for key, value in SMALL.items() if key in known} | more
    attack: Attack = read_settings(ATTACKS[name], chosen)
    return attack


def begin(attack: Attack, oracle: Oracle, *, seed: int = 1, student: int = 5, device: str = "cpu"):
    """Its state before the first query, with a pool if it takes one."""
    pool = POOL if attack.needs_pool else None
    net = TinyNet(TINY, oracle.classes, seed=student)
    return attack.start_with(pool, net, oracle, Engine(device), seed)


def run(attack: Attack, oracle: Oracle, *, steps: int | None = None, **more: Any):
    """The loop without its storage; returns the state."""
    attack.check(oracle)
    state = begin(attack, oracle, **more)
    taken = 0
    while not attack.done(state, oracle) and taken != steps:
        advance(attack, state, oracle)
        taken += 1
    return state


def weights(state) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in state.judged.parameters()])


def tensors(state: Any) -> list[Any]:
    """All that a state holds, one after the other."""
    if isinstance(state, dict):
        return [leaf for value in state.values() for leaf in tensors(value)]
    if isinstance(state, list | tuple):
        return [leaf for value in state for leaf in tensors(value)]
    return [state]


def same(one: Any, other: Any) -> bool:
    pairs = zip(tensors(one), tensors(other), strict=True)
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


def test_cost_is_what_it_says(name):
    attack = make(name)
    spy = SpyVictim(tiny_victim())
    oracle = CountedOracle(spy, access="probabilities", budget=10**6)
    run(attack, oracle, steps=1)
    assert spy.count == oracle.spent == attack.batch_size * attack.queries_per_image


@settings(max_examples=12, deadline=None)
@given(budget=st.one_of(st.integers(14, 900), st.sampled_from([97, 101, 499, 997])))
@pytest.mark.parametrize("name", list(ATTACKS))
def test_the_spy_and_the_account_agree_at_any_budget(name, budget):
    attack = make(name)
    least = SMALLEST_BATCH * attack.queries_per_image
    spy = SpyVictim(tiny_victim())
    oracle = CountedOracle(spy, access="probabilities", budget=budget)
    if budget < least:
        with pytest.raises(ConfigError, match="do not pay for one step"):
            attack.check(oracle)
        assert spy.count == 0
        return
    run(attack, oracle)
    assert spy.count == oracle.spent <= budget
    assert budget - oracle.spent < least, "what may still be spent was left"


@pytest.mark.parametrize("budget", [97 * 3, 331 * 3 + 1, 499 * 3 + 2])
def test_inputs_that_cost_several_queries_cross_no_budget(name, budget):
    attack, spy = make(name), SpyVictim(tiny_victim())
    counted = CountedOracle(spy, access="probabilities", budget=budget)
    oracle = AdaptedOracle(counted, [Average(3)])
    run(attack, oracle)
    assert spy.count == counted.spent == 3 * oracle.spent <= budget
    left = budget - counted.spent
    assert left < 3 * SMALLEST_BATCH * attack.queries_per_image + 3


def test_exactly_one_step(name):
    attack = make(name)
    budget = attack.batch_size * attack.queries_per_image
    oracle = CountedOracle(tiny_victim(), access="probabilities", budget=budget)
    run(attack, oracle)
    assert oracle.spent == budget


def test_no_step_is_much_smaller_than_a_batch(name):
    attack = make(name)
    for extra in (1, 7, attack.batch_size // 2, attack.batch_size - 1):
        budget = (3 * attack.batch_size + extra) * attack.queries_per_image
        oracle = CountedOracle(tiny_victim(), access="probabilities", budget=budget)
        sizes = []
        while n := attack.affordable(oracle):
            sizes.append(n)
            oracle._account.charge(n * attack.queries_per_image)
        assert min(sizes) >= attack.batch_size // 2
        assert max(sizes) <= attack.batch_size


def test_too_little_access_is_refused_by_name(name):
    needy = type("Needy", (ATTACKS[name],), {"needs": Access.LOGITS})
    oracle = CountedOracle(tiny_victim(), access="label", budget=10**6)
    with pytest.raises(AccessTooLow, match="Needy needs logits access"):
        needy().check(oracle)


def test_runs_at_every_access_it_does_not_refuse(name):
    for access in Access:
        attack = make(name)
        if access.covers(attack.needs):
            oracle = CountedOracle(tiny_victim(), access=access, budget=500, k=2)
            assert bool(weights(run(attack, oracle)).isfinite().all())


def test_same_seed_same_student(name):
    first, second = (
        weights(run(make(name), CountedOracle(tiny_victim(), access="probabilities", budget=600)))
        for _ in range(2)
    )
    assert torch.equal(first, second)


def test_seeds_differ(name):
    attack = make(name)
    first, second = (
        weights(
            run(attack, CountedOracle(tiny_victim(), access="probabilities", budget=200), seed=seed)
        )
        for seed in (1, 2)
    )
    assert not torch.equal(first, second)


def test_state_goes_on_bit_for_bit(name):
    attack = make(name)
    oracle = CountedOracle(tiny_victim(), access="probabilities", budget=10**6)
    through = run(attack, oracle, steps=6)
    first = CountedOracle(tiny_victim(), access="probabilities", budget=10**6)
    halfway = run(attack, first, steps=3)
    resumed = begin(attack, oracle, student=77, seed=99)
    resumed.restore(halfway.state())
    rest = CountedOracle(tiny_victim(), access="probabilities", budget=10**6)
    rest._account.charge(first.spent)
    for _ in range(3):
        advance(attack, resumed, rest)
    assert rest.spent == oracle.spent
    assert torch.equal(weights(through), weights(resumed))
    assert same(through.state(), resumed.state())


def test_diagnosis_and_samples_ask_nothing_and_change_nothing(name):
    attack = make(name)
    spy = SpyVictim(tiny_victim())
    meter = Meter(spy, access="probabilities", budget=10**6)
    state = run(attack, meter.oracle, steps=2)
    before, spent = copy.deepcopy(state.state()), spy.count
    attack.diagnose(state, meter.rehearsal)
    samples = attack.samples(state, meter.oracle, 9)
    assert samples.shape == (9, 1, 8, 8)
    meter.oracle.spec.check_range(samples)
    assert spy.count == spent
    assert same(before, state.state())


@pytest.mark.parametrize("ends", [(0.0, 0.1), (-2.1179, 2.64)])
def test_a_range_whose_ends_float32_rounds_outwards_is_one_like_any(name, ends):
    spec = InputSpec((3, 8, 12), low=ends[0], high=ends[1])
    attack, generator = make(name), torch.Generator().manual_seed(3)
    images = torch.randint(0, 256, (300, *spec.shape), generator=generator).byte()
    oracle = CountedOracle(tiny_victim(spec=spec), access="probabilities", budget=200)
    pool = Pool(images, spec, "noise") if attack.needs_pool else None
    state = attack.start_with(pool, TinyNet(spec, 4, seed=5), oracle, Engine("cpu"), 1)
    while not attack.done(state, oracle):
        advance(attack, state, oracle)
    assert bool(weights(state).isfinite().all())


@pytest.mark.parametrize("classes", [2, 1000])
def test_any_number_of_classes(name, classes):
    attack = make(name)
    victim = tiny_victim(classes=classes)
    for access in ("probabilities", "label"):
        if Access(access).covers(attack.needs):
            state = run(attack, CountedOracle(victim, access=access, budget=200))
            assert bool(weights(state).isfinite().all())


@pytest.mark.parametrize("device", DEVICES)
def test_improves_agreement_on_the_tiny_victim(name, device):
    known = {field.name for field in dataclasses.fields(ATTACKS[name])}
    pool = ATTACKS[name].needs_pool
    again = pool or "synthesis_steps" in known  # learns from all answers again and again
    # A pool of noise: what is moved by a pixel is another image, and views teach nothing.
    still = {"shift": 0, "weight": 0, "average": 0.9}
    longer = {
        "epochs": 40,
        "last_epochs": 40,
        "rounds": 1,
        "seeds": 600,
        "proxies_asked": 600,
        **still,
    }
    if again and not pool:
        longer |= {"epochs": 4, "synthesis_steps": 10, "varied": False}
    more = {key: value for key, value in longer.items() if key in known} if again else {}
    attack = make(name, schedule="cosine", batch_size=32 if again else 64, **more)
    victim = tiny_victim()
    x = torch.rand(500, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    oracle = CountedOracle(victim, access="probabilities", budget=len(POOL) if again else 40_000)

    def agreement(net: nn.Module) -> float:
        return float((net(x).argmax(1) == victim(x).argmax(1)).float().mean())

    fresh = agreement(TinyNet(TINY, 4, seed=5))
    state = run(attack, oracle, device=device)
    assert agreement(state.judged.cpu()) > max(0.6, fresh + 0.2)


def test_settings_read_back(name):
    attack = make(name)
    assert read_settings(ATTACKS[name], write_settings(attack)) == attack


def test_the_student_learns_with_the_settings_it_is_given(name):
    given = {"student_lr": 0.017, "student_momentum": 0.3, "student_weight_decay": 0.011}
    attack = make(name, **given)
    state = begin(attack, CountedOracle(tiny_victim(), access="probabilities", budget=10**4))
    (group,) = state.student.optimizer.param_groups
    found = [group[key] for key in ("lr", "momentum", "weight_decay")]
    assert found == pytest.approx(list(given.values()))


@pytest.mark.parametrize(
    ("setting", "value"),
    [("batch_size", 1), ("batch_size", "many"), ("student_lr", -1), ("scheduer", "cosine"),
     ("schedule", "linear"), ("loss", "l7"), ("floor", 0), ("student_lr", "inf"),
     ("student_lr", float("nan")), ("schedule", "steps:0.5:inf")],
)  # fmt: skip
def test_impossible_settings_are_errors(name, setting, value):
    with pytest.raises(ConfigError, match=setting):
        read_settings(ATTACKS[name], {setting: value})


def test_construction_does_no_work(name, monkeypatch):
    for builder in (nn.Module, torch.optim.Optimizer):
        monkeypatch.setattr(builder, "__init__", lambda *_: pytest.fail("something was built"))
    before = torch.random.get_rng_state()
    attack = ATTACKS[name]()
    assert torch.equal(torch.random.get_rng_state(), before)
    held = [getattr(attack, field.name) for field in dataclasses.fields(attack)]
    assert not any(isinstance(value, nn.Module | torch.Tensor) for value in held)


def test_a_victim_of_other_things_than_images_is_refused_or_attacked(name):
    spec = InputSpec((12,), modality=Modality.TABULAR)
    oracle = CountedOracle(tiny_victim(spec=spec), access="probabilities", budget=300)
    if not make(name).needs_images:
        pool = Pool(torch.rand(400, 12).mul(255).byte(), spec, "numbers")
        attack = make(name, generator="mlp") if hasattr(make(name), "generator") else make(name)
        attack.check(oracle)
        given = pool if attack.needs_pool else None
        s = attack.start_with(given, TinyNet(spec, 4, seed=5), oracle, Engine("cpu"), 1)
        while not attack.done(s, oracle):
            advance(attack, s, oracle)
        assert bool(weights(s).isfinite().all())
        return
    with pytest.raises(SpecMismatch, match="expected a victim of images"):
        make(name).check(oracle)
    assert oracle.spent == 0


def test_a_victim_of_tokens_is_refused_or_attacked(name):
    spec = InputSpec((12,), modality=Modality.TEXT, vocabulary=1_000)
    attack = make(name)
    if not attack.takes_tokens:
        refused = r"a victim of numbers for .*, got one of 1,000 tokens; choose frugal or random-no"
        with pytest.raises(SpecMismatch, match=refused):
            attack.check_spec(spec)
        return
    victim = ModuleVictim(BagOfTokens(spec, 4).eval(), spec, 4)
    oracle = CountedOracle(victim, access="probabilities", budget=300)
    attack.check(oracle)
    s = attack.start(BagOfTokens(spec, 4), oracle, Engine("cpu"), 1)
    while not attack.done(s, oracle):
        advance(attack, s, oracle)
    assert oracle.spent == 300
    assert bool(weights(s).isfinite().all())
