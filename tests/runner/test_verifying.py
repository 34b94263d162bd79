"""Suspects beside independent models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from copycost.errors import ConfigError, Interrupted, SpecMismatch, VictimFailed
from copycost.oracle.ledger import spent_in
from copycost.ownership.probes import CHUNK, candidates, in_turns
from copycost.runner.stopping import Stop
from copycost.runner.suspects import Suspect
from copycost.runner.verifying import Verification, verify
from copycost.testing import TINY, SpyVictim, tiny_victim
from copycost.types import Access, InputSpec, Modality
from copycost.victims.base import Victim
from copycost.victims.function import FunctionVictim

CONTROLS = [tiny_victim(seed=seed) for seed in range(1, 6)]


def nearly(by: float) -> Victim:
    """The victim, with weights that are a little off."""
    victim = tiny_victim()
    weights = victim.module.get_parameter("second")
    with torch.no_grad():
        weights.add_(by * torch.randn(weights.shape, generator=torch.Generator().manual_seed(0)))
    return victim


def found(folder: Path, *suspects: Victim, **more: object) -> Verification:
    given = {"probes": 300, "device": "cpu"} | more
    return verify(tiny_victim(), [Suspect(one) for one in suspects], CONTROLS, folder, **given)  # type: ignore[arg-type]


def test_a_copy_is_told_from_an_independent_model(tmp_path: Path) -> None:
    verified = found(tmp_path, tiny_victim(), nearly(by=0.1), tiny_victim(seed=9))
    same, close, other = verified.suspects
    assert (same.agreement, same.copy_of) == (1.0, True)
    assert 0.9 < close.agreement <= 1
    assert close.copy_of
    assert close.p < 0.01 < other.p
    assert not other.copy_of
    assert [one.queries for one in (*verified.suspects, *verified.controls)] == [300] * 8
    assert verified.victim_queries == 1200
    assert same.content_hash == verified.victim_hash != close.content_hash
    again = Verification.read_from(verified.write_to(tmp_path / "found.json"), "is none")
    assert again == verified


def test_agreement_is_the_share_of_equal_classes_on_balanced_images(tmp_path: Path) -> None:
    victim, control = tiny_victim(), CONTROLS[0]
    drawn = candidates(TINY, 300, seed=0)
    labels = victim(drawn / 255).argmax(1)
    chosen = in_turns(labels, 4, 300)
    same = control(drawn[chosen] / 255).argmax(1) == labels[chosen]
    assert found(tmp_path).controls[0].agreement == pytest.approx(same.float().mean().item())
    assert labels[chosen].bincount(minlength=4).min() >= 60


def test_a_suspect_that_does_not_agree_more_than_every_control_is_no_copy(tmp_path: Path) -> None:
    controls = [*[tiny_victim(seed=1)] * 30, nearly(by=0.02)]
    less, more = verify(
        tiny_victim(), [Suspect(nearly(by=0.2)), Suspect(tiny_victim())], controls, tmp_path,
        probes=300, device="cpu",
    ).suspects  # fmt: skip
    assert max(less.p, more.p) < 0.01
    assert (less.copy_of, more.copy_of) == (False, True)


class Service:
    """A paid service that gives labels, and fails at one of its calls."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.calls, self.fails_at = [0], fails_at

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.calls.append(len(x))
        if len(self.calls) - 1 == self.fails_at:
            raise OSError("busy")
        return tiny_victim()(torch.from_numpy(x)).argmax(1).numpy()

    def model(self) -> FunctionVictim:
        return FunctionVictim(self, TINY, 4, "label", name="service")


def test_what_was_paid_for_is_not_asked_again(tmp_path: Path) -> None:
    failing, mended = Service(fails_at=2), Service()
    with pytest.raises(VictimFailed, match="busy"):
        found(tmp_path, failing.model(), probes=2 * CHUNK + 10)
    (one,) = found(tmp_path, mended.model(), probes=2 * CHUNK + 10).suspects
    assert mended.calls == [0, CHUNK, 10], "the first answers are kept"
    assert (one.agreement, one.queries) == (1.0, 3 * CHUNK + 10)
    (ledger,) = tmp_path.glob("asked-*/ledger.sqlite")
    assert spent_in(ledger, "auditor") == one.queries
    assert found(tmp_path, mended.model(), probes=2 * CHUNK + 10).suspects[0] == one
    assert sum(mended.calls) == CHUNK + 10, "nothing is asked again"


def test_a_stop_keeps_what_was_paid_for(tmp_path: Path) -> None:
    stop, service = Stop(), Service()

    class Stopping(Service):
        def __call__(self, x: np.ndarray) -> np.ndarray:
            stop.ask("a test")
            return super().__call__(x)

    first = Stopping()
    with pytest.raises(Interrupted):
        found(tmp_path, first.model(), probes=CHUNK + 1, stop=stop)
    (one,) = found(tmp_path, service.model(), probes=CHUNK + 1).suspects
    assert (first.calls, service.calls, one.queries) == ([0, CHUNK], [0, 1], CHUNK + 1)


def test_nothing_is_asked_of_models_that_cannot_be_compared(tmp_path: Path) -> None:
    spy = SpyVictim(tiny_victim())
    with pytest.raises(ConfigError, match="3 independent models or more, got 2"):
        verify(spy, [Suspect(spy)], CONTROLS[:2], tmp_path)
    with pytest.raises(SpecMismatch, match=r"4 classes, as .*, got inputs .* and 5 classes"):
        verify(spy, [Suspect(tiny_victim(classes=5))], CONTROLS, tmp_path)
    wide = tiny_victim(spec=InputSpec(shape=(1, 8, 9)))
    with pytest.raises(SpecMismatch, match=r"inputs \[1, 8, 9\]"):
        verify(spy, [Suspect(spy)], [*CONTROLS, wide], tmp_path)
    rows = InputSpec(shape=(5,), modality=Modality.TABULAR)
    with pytest.raises(ConfigError, match="a model of images, got one of tabular"):
        verify(tiny_victim(spec=rows), [], CONTROLS, tmp_path)
    pixels = FunctionVictim(len, InputSpec((1, 8, 8), vocabulary=256), 4, "label", name="numbers")
    with pytest.raises(ConfigError, match="a model of images, got one of tokens"):
        verify(pixels, [], CONTROLS, tmp_path)
    assert spy.count == 0


def test_ranges_of_inputs_may_differ(tmp_path: Path) -> None:
    """A copy that takes values from -1 to 1 is shown the same images."""

    def signed(x: np.ndarray) -> np.ndarray:
        return tiny_victim()(torch.from_numpy((x + 1) / 2)).argmax(1).numpy()

    spec = InputSpec(shape=(1, 8, 8), low=-1.0, high=1.0)
    copy = FunctionVictim(signed, spec, 4, Access.LABEL, free=True)
    assert found(tmp_path, copy).suspects[0].agreement > 0.99
