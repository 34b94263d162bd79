"""The way back from what defences release."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from copycost.adaptations import invert
from copycost.adaptations.invert import Inverse, Invert, imagine
from copycost.oracle.rehearsal import Rehearsal
from copycost.recovery import FLOOR, mean
from copycost.runner.adapting import learn
from copycost.runner.config import RunConfig
from copycost.types import Access, InputSpec, Modality

CPU = torch.device("cpu")
K = 5


def inverted(*defences: str, seed: int = 0, **more: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Probabilities [500, K] of imagined answers, what is released, what is made of that."""
    run = RunConfig(defences=defences, adaptations=("invert",), seed=seed, **more)
    adaptation = Invert()
    learn([adaptation], run, K, CPU)
    logits = imagine(500, K, torch.Generator().manual_seed(77))
    spec = InputSpec((K,), -100, 100, Modality.TABULAR)
    ask = Rehearsal(spec, K, Access(run.access), run.top_k, defences, seed=5)(lambda x: x)
    found = adaptation.through(ask)(logits)
    given = ask(logits)
    assert given.scores is not None
    assert found.scores is not None
    return logits.softmax(dim=1), given.scores, found.scores


def off(one: Tensor, other: Tensor) -> float:
    """Mean distance of their centred logits, as an attack takes them."""
    return float((logits(one) - logits(other)).abs().mean())


def logits(p: Tensor) -> Tensor:
    return mean(p.clamp(min=FLOOR).log())


@pytest.mark.parametrize(
    ("defences", "share"),
    [
        (("mad:0.9",), 0.2),
        (("mad-argmax:1",), 0.4),
        (("reverse-sigmoid:0.7",), 0.5),
        (("rounding:1",), 0.6),
        (("noise:0.1",), 0.6),
        (("mad:0.5", "rounding:2"), 0.6),
    ],
)
def test_what_defences_did_is_undone(
    monkeypatch: pytest.MonkeyPatch, defences: tuple[str, ...], share: float
) -> None:
    monkeypatch.setattr(invert, "STEPS", 600)
    true, released, found = inverted(*defences)
    assert off(found, true) < share * off(released, true)


def test_a_first_choice_that_was_taken_away_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invert, "STEPS", 600)
    true, released, found = inverted("mad:1")
    first = true.argmax(dim=1)
    assert float((released.argmax(dim=1) == first).float().mean()) < 0.3
    assert float((found.argmax(dim=1) == first).float().mean()) > 0.9


def test_what_top_k_hides_is_as_likely_as_it_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invert, "STEPS", 300)
    true, released, found = inverted(access="top-k", top_k=2)
    assert off(found, true) < 0.5 * off(released, true)


def test_it_depends_on_the_seed_and_on_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invert, "STEPS", 3)
    before = torch.random.get_rng_state()
    first, again, other = (inverted("rounding:1", seed=seed)[2] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_classes_are_treated_alike() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        inverse = Inverse(K)
    p = torch.rand(20, K).softmax(dim=1)
    inverse.measure(p)
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(inverse(p[:, order]), inverse(p)[:, order])


def test_inputs_that_never_differ_do_no_harm() -> None:
    inverse = Inverse(K)
    inverse.measure(torch.full((30, K), 1 / K))
    assert bool(inverse(torch.full((4, K), 1 / K)).isfinite().all())


def test_imagined_victims_are_from_unsure_to_sure() -> None:
    found = imagine(20_000, K, torch.Generator().manual_seed(1))
    p = found.softmax(dim=1)
    torch.testing.assert_close(found.mean(dim=1), torch.zeros(20_000), atol=1e-5, rtol=0)
    assert float(p.min()) > 0.9 * FLOOR
    first = p.amax(dim=1)
    assert 0.1 < float((first < 0.5).float().mean()) < 0.4
    assert 0.2 < float((first > 0.95).float().mean()) < 0.4
    shares = torch.bincount(p.argmax(dim=1), minlength=K) / 20_000
    torch.testing.assert_close(shares, torch.full((K,), 1 / K), atol=0.02, rtol=0)
    scale = found.std(dim=1).log()
    low, high = map(math.log, invert.SCALES)
    assert low - 1 < float(scale.median()) < high
