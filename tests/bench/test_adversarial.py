"""Adversarial examples where their outcome is known: on linear models."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from copycost.bench import adversarial
from copycost.bench.adversarial import TransferTrial, transfer_rate
from copycost.datasets.base import Labelled
from copycost.engine import Engine
from copycost.errors import Interrupted, VictimFailed
from copycost.metrics.transferability import PGD
from copycost.oracle.ledger import Ledger, spent_in
from copycost.runner.auditor import Auditor
from copycost.runner.checkpoint import load_checkpoint, save_checkpoint
from copycost.runner.keeper import FileKeeper
from copycost.runner.stopping import Stop
from copycost.runner.target import Target
from copycost.testing import TINY, SpyVictim, TinyNet
from copycost.types import Access, InputSpec
from copycost.victims.module import ModuleVictim
from tests.stops import Soon

N = 80
EPSILON = 0.1


class Linear(nn.Module):
    """Logits [0, sign · (w·x - threshold)]: class 1 above the threshold."""

    def __init__(self, w: Tensor, threshold: float, sign: float = 1.0) -> None:
        super().__init__()
        self.w, self.threshold, self.sign = nn.Parameter(w), threshold, sign

    def forward(self, x: Tensor) -> Tensor:
        score = self.sign * (x.flatten(1) @ self.w - self.threshold)
        return torch.stack([torch.zeros_like(score), score], dim=1)


@pytest.fixture
def w() -> Tensor:
    """[64], no value near 0."""
    random = torch.Generator().manual_seed(1)
    values = torch.randn(64, generator=random)
    return values.sign() * (0.1 + values.abs())


@pytest.fixture
def inputs() -> Tensor:
    """[80, 1, 8, 8], uint8, so far from the ends of the range that no example is cut off."""
    random = torch.Generator().manual_seed(2)
    return torch.randint(51, 205, (N, 1, 8, 8), generator=random, dtype=torch.uint8)


def test_on_a_linear_model_every_value_ends_at_the_edge_of_its_box(w):
    random = torch.Generator().manual_seed(3)
    x = 2 * torch.rand(N, 1, 8, 8, generator=random) - 1
    start = 2 * torch.rand(x.shape, generator=random) - 1
    labels = torch.arange(N) % 2
    made = PGD(epsilon=0.05, step=0.02, steps=12).against(
        Linear(w, 0.0), x, labels, (-1.0, 1.0), start
    )
    # ε is a share of the range, here 2 wide: class 0 is left upwards, class 1 downwards.
    away = torch.where(labels == 0, 1.0, -1.0).view(N, 1, 1, 1) * w.sign().view(1, 1, 8, 8)
    assert torch.allclose(made, (x + 0.1 * away).clamp(-1, 1), atol=1e-6)


@pytest.mark.parametrize(("bounds", "moved"), [((0.0, 1.0), 0.15), ((-1.0, 3.0), 0.6)])
def test_too_few_steps_do_not_reach_the_edge(w, bounds, moved):
    x, labels = torch.full((1, 1, 8, 8), 0.5), torch.zeros(1, dtype=torch.int64)
    made = PGD(epsilon=0.2, step=0.05, steps=3).against(
        Linear(w, 0.0), x, labels, bounds, torch.zeros_like(x)
    )
    assert torch.allclose((made - x).abs(), torch.full_like(x, moved), atol=1e-6)


def test_with_no_setting_given_examples_are_made_as_by_madry_et_al():
    assert PGD() == PGD(epsilon=8 / 255, step=2 / 255, steps=20)


def test_a_search_begins_where_it_is_told_to(w):
    x, labels = torch.full((2, 1, 8, 8), 0.5), torch.zeros(2, dtype=torch.int64)
    start = torch.linspace(-0.9, 0.9, 64).view(1, 1, 8, 8).expand(2, 1, 8, 8)
    pgd = PGD(epsilon=0.2, step=0.01, steps=1)
    made = pgd.against(Linear(w, 0.0), x, labels, (0.0, 1.0), start)
    wanted = x + 0.2 * start + 0.01 * w.sign().view(1, 1, 8, 8)
    assert torch.allclose(made, wanted, atol=1e-6)


def judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: Tensor, victim: nn.Module,
    student: nn.Module, wrong: int = 0, seed: int = 0, stop: Stop | None = None,
    ledger: Ledger | None = None, spec: InputSpec = TINY,
):  # fmt: skip
    """The transfer rate, what it asked, and the account; `wrong` labels are not the victim's."""
    spy = SpyVictim(ModuleVictim(victim, spec, 2, Access.LOGITS))
    labels = victim(inputs.float() / 255).argmax(1)
    labels[:wrong] = 1 - labels[:wrong]
    target = Target(spy, Labelled(inputs, labels, spec.low, spec.high), "noise")
    account = (ledger or Ledger()).account("auditor", None, block=1_000)
    auditor = Auditor(target, (), 0, account, tmp_path / "answers", torch.device("cpu"), stop)
    monkeypatch.setattr(adversarial, "load_model", lambda folder: (student, None))
    before = spy.count
    pgd = PGD(epsilon=EPSILON, step=0.05, steps=8)
    keeper = FileKeeper(tmp_path / "trial", stop or Stop())
    with keeper.until_done():
        found = transfer_rate(tmp_path, auditor, pgd, Engine("cpu"), seed, keeper)
    return found, spy.count - before, account


def test_each_seed_begins_elsewhere(tmp_path, monkeypatch, w, inputs):
    asked, ask = list[Tensor](), Auditor.labels_of

    def noted(auditor: Auditor, x: Tensor) -> Tensor:
        asked.append(x)
        return ask(auditor, x)

    monkeypatch.setattr(Auditor, "labels_of", noted)
    for seed in (0, 0, 1):
        judged(tmp_path, monkeypatch, inputs, Linear(w, 0.0), Linear(w, 1.0), seed=seed)
    first, again, other = asked[1::2]
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_share_is_that_of_the_inputs_nearer_to_the_threshold_than_the_box_reaches(
    tmp_path, monkeypatch, w, inputs
):
    scores = inputs.float().flatten(1) / 255 @ w
    threshold = float(scores.median()) + 0.01
    victim = Linear(w, threshold)
    found, _, _ = judged(tmp_path, monkeypatch, inputs, victim, Linear(w, threshold))
    expected = float(((scores - threshold).abs() < EPSILON * w.abs().sum()).double().mean())
    assert expected > 0.2  # or the test could not fail
    assert found.on_victim == pytest.approx(expected)
    assert found.on_student == found.on_victim
    assert found.by_chance is not None
    assert found.by_chance < expected


def test_examples_of_a_student_that_is_the_victim_s_opposite_fool_nobody_but_itself(
    tmp_path, monkeypatch, w, inputs
):
    threshold = float((inputs.float().flatten(1) / 255 @ w).median())
    opposite = Linear(w, threshold, sign=-1.0)
    found, _, _ = judged(tmp_path, monkeypatch, inputs, Linear(w, threshold), opposite)
    assert (found.on_victim, found.on_student) == (0.0, 1.0)


def test_only_what_the_victim_gets_right_is_tried_and_all_of_it_is_charged(
    tmp_path, monkeypatch, w, inputs
):
    victim = Linear(w, 0.0)
    found, asked, account = judged(tmp_path, monkeypatch, inputs, victim, Linear(w, 1.0), wrong=13)
    assert found.tried == N - 13
    # One example and one change at random for each; before, the held-out inputs, twice.
    assert asked == found.asked == 2 * (N - 13)
    assert found.auditor_spent == account.spent == 2 * N + 2 * (N - 13)


@pytest.mark.parametrize("range_", [(0.0, 1.0), (-1.0, 3.0)])
def test_the_change_by_chance_is_as_large_as_an_example_may_be(
    tmp_path, monkeypatch, w, inputs, range_
):
    low, high = range_
    asked, answer = [], SpyVictim.answer

    def noted(self, x):
        asked.append(x.clone())
        return answer(self, x)

    monkeypatch.setattr(SpyVictim, "answer", noted)
    always = Linear(0 * w, -3.0)  # is right about all of them, in any range
    judged(tmp_path, monkeypatch, inputs, always, always, spec=InputSpec((1, 8, 8), low, high))
    *_, by_chance = (x for x in asked if len(x) == N)
    moved = (by_chance - low) / (high - low) - inputs.float() / 255
    assert torch.allclose(moved.abs(), torch.full_like(moved, EPSILON), atol=1e-6)
    assert float(moved.sign().mean()) == pytest.approx(0, abs=0.05)


def test_stopped_between_any_steps_it_goes_on_and_nothing_is_asked_again(
    tmp_path, monkeypatch, w, inputs
):
    monkeypatch.setattr(adversarial, "CHUNK", 16)  # five chunks of eight steps
    threshold = float((inputs.float().flatten(1) / 255 @ w).median())
    nets = Linear(w, threshold), Linear(w, threshold + 1)
    (tmp_path / "whole").mkdir()
    whole, _, _ = judged(tmp_path / "whole", monkeypatch, inputs, *nets)
    asked, ask, stops, found = list[Tensor](), Auditor.labels_of, 0, None

    def noted(auditor: Auditor, x: Tensor) -> Tensor:
        asked.append(x)
        return ask(auditor, x)

    monkeypatch.setattr(Auditor, "labels_of", noted)
    (tmp_path / "answers").write_bytes((tmp_path / "whole" / "answers").read_bytes())
    while found is None:
        try:
            # The later chunks of a session are not reached; the first always is.
            found, _, _ = judged(tmp_path, monkeypatch, inputs, *nets, stop=Soon(looks=13 + stops))
        except Interrupted:
            stops += 1
    assert stops >= 3
    assert sum(map(len, asked)) == found.asked == whole.asked
    left_out = {"auditor_spent"}  # each session has a ledger of its own
    assert found.model_dump(exclude=left_out) == whole.model_dump(exclude=left_out)
    assert not (tmp_path / "trial").exists()


@pytest.mark.parametrize("question", [3, 4, 5, 6])  # the second chunk's two, and so on
def test_what_a_crash_makes_it_ask_again_counts(tmp_path, monkeypatch, w, inputs, question):
    """A copy of the folder while the victim answers is what a killed process leaves."""
    monkeypatch.setattr(adversarial, "CHUNK", 16)
    nets = Linear(w, 0.0), Linear(w, 1.0)
    folder, left, asked, ask = tmp_path / "run", tmp_path / "left", list[int](), Auditor.labels_of
    folder.mkdir()

    def noted(auditor: Auditor, x: Tensor) -> Tensor:
        answer = ask(auditor, x)
        asked.append(len(x))
        if len(asked) == question:
            shutil.copytree(folder, left)
        return answer

    monkeypatch.setattr(Auditor, "labels_of", noted)
    with Ledger(folder / "ledger") as ledger:
        whole, _, _ = judged(folder, monkeypatch, inputs, *nets, ledger=ledger)
    with Ledger(left / "ledger") as ledger:
        found, _, account = judged(left, monkeypatch, inputs, *nets, ledger=ledger)
        assert account.lost > 0
    assert found.asked == account.spent - 2 * N > whole.asked
    counts = {"asked", "auditor_spent"}
    assert found.model_dump(exclude=counts) == whole.model_dump(exclude=counts)


def test_what_others_ask_while_it_is_put_down_does_not_count(tmp_path, monkeypatch, w, inputs):
    monkeypatch.setattr(adversarial, "CHUNK", 16)
    nets = Linear(w, 0.0), Linear(w, 1.0)
    with Ledger(tmp_path / "ledger") as ledger:
        with pytest.raises(Interrupted):
            judged(tmp_path, monkeypatch, inputs, *nets, stop=Soon(looks=20), ledger=ledger)
        with ledger.account("auditor", None).charging(9):
            pass
        found, _, account = judged(tmp_path, monkeypatch, inputs, *nets, ledger=ledger)
    assert (found.asked, account.spent) == (2 * N, 2 * N + 9 + 2 * N)


def test_a_question_that_the_victim_fails_to_answer_counts(tmp_path, monkeypatch, w, inputs):
    ask, calls = Auditor.labels_of, list[int]()

    def failing(auditor: Auditor, x: Tensor) -> Tensor:
        calls.append(len(x))
        if len(calls) == 2:
            with auditor.account.charging(len(x)):
                raise VictimFailed("no answer")
        return ask(auditor, x)

    monkeypatch.setattr(Auditor, "labels_of", failing)
    nets = Linear(w, 0.0), Linear(w, 1.0)
    with Ledger(tmp_path / "ledger") as ledger:
        with pytest.raises(VictimFailed):
            judged(tmp_path, monkeypatch, inputs, *nets, ledger=ledger)
        found, _, account = judged(tmp_path, monkeypatch, inputs, *nets, ledger=ledger)
    assert found.asked == account.spent - 2 * N == 4 * N
    (tmp_path / "whole").mkdir()
    whole, _, _ = judged(tmp_path / "whole", monkeypatch, inputs, *nets)
    assert (found.on_victim, found.by_chance) == (whole.on_victim, whole.by_chance)


def test_a_trial_that_was_stopped_by_an_older_version_goes_on(tmp_path, monkeypatch, w, inputs):
    monkeypatch.setattr(adversarial, "CHUNK", 16)
    nets = Linear(w, 0.0), Linear(w, 1.0)
    with pytest.raises(Interrupted):
        judged(tmp_path, monkeypatch, inputs, *nets, stop=Soon(looks=20))
    kept = load_checkpoint(tmp_path / "trial")
    assert kept is not None
    del kept["training"]["spent"]
    save_checkpoint(tmp_path / "trial", kept)
    found, _, _ = judged(tmp_path, monkeypatch, inputs, *nets)
    assert found.asked == 2 * N


def test_another_trial_is_for_another_purpose(tmp_path, w, inputs):
    def purpose(right: int = N, pgd: PGD | None = None, seed: int = 0) -> dict[str, Any]:
        asked: Any = SimpleNamespace(
            right=torch.arange(N) < right,
            target=SimpleNamespace(victim=SimpleNamespace(spec=InputSpec((1, 1, 2)))),
        )
        return TransferTrial(Linear(w, 0.0), asked, pgd or PGD(), Engine("cpu"), seed).purpose

    usual = purpose()
    assert purpose() == usual
    assert usual not in (purpose(right=N - 1), purpose(pgd=PGD(steps=2)), purpose(seed=1))


def test_a_stop_leaves_the_account_settled(tmp_path, monkeypatch, w, inputs):
    monkeypatch.setattr(adversarial, "CHUNK", 16)
    nets = Linear(w, 0.0), Linear(w, 1.0)
    # Two looks at the held-out data, eight at each of two chunks, and it stops in the third.
    with Ledger(tmp_path / "ledger") as ledger, pytest.raises(Interrupted):
        judged(tmp_path, monkeypatch, inputs, *nets, stop=Soon(looks=20), ledger=ledger)
    assert spent_in(tmp_path / "ledger", "auditor") == 2 * N + 2 * 2 * 16


def test_a_victim_that_is_always_wrong_leaves_nothing_to_try(tmp_path, monkeypatch, w, inputs):
    found, asked, _ = judged(tmp_path, monkeypatch, inputs, Linear(w, 0.0), Linear(w, 0.0), N)
    assert (found.tried, found.on_victim, found.by_chance, asked) == (0, None, None, 0)


def test_a_place_in_the_box_is_a_share_of_the_range_and_within_it():
    x = torch.tensor([[[[0.0, 0.95]]], [[[-0.5, -0.95]]]])
    there = PGD(epsilon=0.1).near(x, x.sign() + (x == 0), (-1.0, 1.0))
    torch.testing.assert_close(there, torch.tensor([[[[0.2, 1.0]]], [[[-0.7, -1.0]]]]))


def test_examples_are_made_where_gradients_are_switched_off():
    x, labels = torch.full((2, 1, 8, 8), 0.5), torch.zeros(2, dtype=torch.int64)
    with torch.no_grad():
        made = PGD().against(TinyNet(TINY, 4), x, labels, (0.0, 1.0), torch.zeros_like(x))
    assert not torch.equal(made, x)
