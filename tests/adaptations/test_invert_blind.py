"""The way back from answers behind a defence that the attacker does not know."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from copycost.adaptations import invert_blind
from copycost.adaptations.base import Ask
from copycost.adaptations.invert import Inverse
from copycost.adaptations.invert_blind import InvertBlind, imagine_sets, suspects
from copycost.defences import DEFENCES
from copycost.defences.stack import read_defence
from copycost.oracle.rehearsal import Rehearsal
from copycost.recovery import FLOOR, mean
from copycost.types import Access, Answer, InputSpec, Modality

CPU = torch.device("cpu")
K = 5
SIZE = 64


class Trial:
    """Answers for imagined logits; it fails where the run's own defences are tried."""

    def __init__(self) -> None:
        self.tried: list[Sequence[str]] = []

    def __call__(self, logits: Tensor, /) -> Answer:
        raise AssertionError("whoever is blind cannot try the run's defences")

    def behind(self, defences: Sequence[str], seed: int) -> Ask:
        self.tried.append(defences)
        return asked(defences, seed)


def asked(defences: Sequence[str], seed: int = 0) -> Ask:
    spec = InputSpec((K,), -100, 100, Modality.TABULAR)
    return Rehearsal(spec, K, Access.PROBABILITIES, 2, defences, seed=seed)(lambda x: x)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def logits(answer: Answer) -> Tensor:
    assert answer.scores is not None
    return mean(answer.scores.clamp(min=FLOOR).log())


@pytest.fixture(scope="module")
def learnt() -> InvertBlind:
    adaptation = InvertBlind()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(invert_blind, "STEPS", 1200)
        adaptation.learn(Trial(), K, 0, CPU)
    return adaptation


def off(adaptation: InvertBlind, defences: tuple[str, ...], size: int) -> tuple[float, float]:
    """How far answers to `size` inputs at once are off: as released, and undone."""
    true = imagine_sets(512 // size, size, K, generator(7))
    ask = asked(defences, seed=3)
    undo = adaptation.through(ask)
    parts = torch.split(true, size)
    released = torch.cat([logits(ask(part)) for part in parts])
    undone = torch.cat([logits(undo(part)) for part in parts])
    return float((released - true).abs().mean()), float((undone - true).abs().mean())


@pytest.mark.parametrize(
    ("defence", "share"),
    [("rounding:1", 0.6), ("noise:0.1", 0.6), ("mad-argmax:1", 0.6), ("reverse-sigmoid:0.7", 0.9)],
)
def test_a_defence_that_nobody_named_is_undone(
    learnt: InvertBlind, defence: str, share: float
) -> None:
    released, undone = off(learnt, (defence,), SIZE)
    assert undone < share * released


def test_many_answers_together_say_more_of_a_defence_than_one(learnt: InvertBlind) -> None:
    for defences in (("mad:0.9",), ()):
        assert off(learnt, defences, SIZE)[1] < 0.8 * off(learnt, defences, 1)[1]


def test_the_runs_own_defences_are_never_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invert_blind, "STEPS", 3)
    monkeypatch.setattr(invert_blind, "EACH", 2)
    trial = Trial()
    InvertBlind().learn(trial, K, 0, CPU)
    assert len(trial.tried) == 12


def test_all_kinds_of_defences_are_suspected_and_none_too() -> None:
    found = suspects(generator(0))
    assert len(found) == 6 * invert_blind.EACH
    names = {name.partition(":")[0] for names in found for name in names}
    assert names == set(DEFENCES)
    assert () in found
    for name in {name for names in found for name in names}:
        read_defence(name)


def test_it_learns_by_sets_of_several_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    class Noted(Inverse):
        def forward(self, released: Tensor, sets: int = 1) -> Tensor:
            sizes.append(len(released) // sets)
            return super().forward(released, sets)

    monkeypatch.setattr(invert_blind, "Inverse", Noted)
    monkeypatch.setattr(invert_blind, "STEPS", 3)
    monkeypatch.setattr(invert_blind, "EACH", 2)
    InvertBlind().learn(Trial(), K, 0, CPU)
    assert sizes == list(invert_blind.SIZES)


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [
        ("rounding", 1, 3),
        ("noise", 0.01, 0.3),
        ("reverse-sigmoid", 0.05, 1),
        ("mad", 0.2, 1.2),
        ("mad-argmax", 0.2, 1.2),
    ],
)
def test_defences_are_suspected_of_the_strengths_that_the_docs_say(
    kind: str, least: float, most: float
) -> None:
    named = [name.split(":") for names in suspects(generator(0)) for name in names]
    numbers = [float(number) for name, number in named if name == kind]
    spare = 0.05 * (most - least)
    assert least <= min(numbers) < least + spare
    assert most - spare < max(numbers) <= most


def test_it_does_not_know_whether_there_is_a_defence() -> None:
    assert InvertBlind().idle(Access.PROBABILITIES, defended=False) == ""
    assert "only labels" in InvertBlind().idle(Access.LABEL, defended=True)


def test_sets_have_nothing_to_do_with_each_other() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        inverse = Inverse(K, context=8)
    p = torch.rand(12, K, generator=generator(2)).softmax(dim=1)
    inverse.measure(p)
    apart = torch.cat([inverse(p[:4]), inverse(p[4:8]), inverse(p[8:])])
    torch.testing.assert_close(inverse(p, sets=3), apart)
    assert not torch.allclose(inverse(p), apart)
    assert inverse(p[:0]).shape == (0, K)


def test_the_answers_of_a_set_are_alike() -> None:
    sure = imagine_sets(200, 50, K, generator(3)).std(dim=1).log().view(200, 50)
    assert float(sure.std(dim=1).mean()) < 0.8 * float(sure.std())
