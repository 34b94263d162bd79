"""Fresh students: which queries they see, how long they learn, and how one is chosen."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from copycost.bench import work
from copycost.bench.fresh import FreshRecipe, FreshTraining, Trained, train_fresh
from copycost.bench.queries import Queries, first_queries
from copycost.errors import Interrupted, RunError, Unstable
from copycost.losses import kl
from copycost.oracle.transfer.frames import Arrays, Encoding, Layout
from copycost.oracle.transfer.reader import TransferSet
from copycost.oracle.transfer.recorder import Recorder
from copycost.recovery import recover_logits
from copycost.runner.keeper import FileKeeper
from copycost.runner.stopping import Stop
from copycost.schedules import Constant, Steps
from copycost.testing import TINY, TinyNet
from copycost.types import Access, Answer, InputSpec, Modality
from tests.stops import Soon

CPU = torch.device("cpu")
CALLS = (7, 20, 1, 12)
"""Queries in each call of the oracle."""


class Spy(nn.Module):
    """A student that remembers what it is trained on."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.net = TinyNet(TINY, 4, seed)
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.seen.append(x.detach().clone())
        answer: Tensor = self.net(x)
        return answer


@pytest.fixture(params=[Access.PROBABILITIES, Access.LABEL])
def transfer(request, tmp_path) -> TransferSet:
    """Forty queries in four calls, the first three of the third charged to a crash."""
    layout = Layout.choose(TINY, 4, request.param, Encoding.BYTES)
    random = torch.Generator().manual_seed(0)
    with Recorder(tmp_path / "transfer", layout) as recorder:
        first = 0
        for n in CALLS:
            x = torch.rand(n, 1, 8, 8, generator=random)
            p = TinyNet(TINY, 4, 9)(x).softmax(1).detach()
            scores = None if request.param is Access.LABEL else p
            recorder.put(first, x, Answer(request.param, p.argmax(1), scores))
            first += n + (3 if n == 20 else 0)
    return TransferSet(tmp_path / "transfer")


@pytest.fixture
def queries(transfer) -> Queries:
    """All of them."""
    return first_queries(transfer, 43)


# Charged before each call: 0, 7, 30, 31.
@pytest.mark.parametrize(("budget", "rows"), [(5, 5), (7, 7), (12, 12), (29, 27), (35, 32)])
def test_the_first_queries_are_those_that_the_budget_paid_for(transfer, budget, rows):
    found = first_queries(transfer, budget)
    (whole,) = transfer.chunks(1_000)
    x, answer = found.of(torch.arange(rows), CPU)
    assert len(found) == rows
    assert torch.equal(x, whole.inputs[:rows])
    assert torch.equal(answer.labels, whole.labels[:rows])
    assert (answer.scores is None) == (whole.scores is None)
    if answer.scores is not None:
        assert torch.equal(answer.scores, whole.scores[:rows])


def test_rows_are_found_in_any_order_and_their_inputs_stay_on_the_disk(transfer):
    found = first_queries(transfer, 43)
    (whole,) = transfer.chunks(1_000)
    rows = torch.tensor([39, 0, 6, 7, 26, 27, 28, 7])
    x, answer = found.of(rows, CPU)
    assert torch.equal(x, whole.inputs[rows])
    assert torch.equal(answer.labels, whole.labels[rows])
    if whole.scores is not None and answer.scores is not None:
        assert torch.equal(answer.scores, whole.scores[rows])
    assert not any(in_memory(call.inputs) for call in found._calls)


@pytest.mark.parametrize("most", [0, 1, 6, 7, 8, 12, 20, 27, 39])
def test_whole_calls_are_kept_out_where_there_are_any_so_small(transfer, most):
    queries, ends = first_queries(transfer, 43), torch.tensor(CALLS).cumsum(0)
    partings = [queries.parted(most, torch.Generator().manual_seed(seed)) for seed in range(20)]
    kept = set()
    for rows, others in partings:
        assert sorted(torch.cat([rows, others]).tolist()) == list(range(40))
        calls, rest = (torch.bucketize(some, ends, right=True) for some in (rows, others))
        assert not set(calls.tolist()) & set(rest.tolist())
        assert bool(len(rows)) == bool(most)
        assert len(rows) <= most
        kept |= set(calls.tolist())
    assert kept == {call for call, n in enumerate(CALLS) if n <= most}, "each has its chance"


@pytest.mark.parametrize("seed", range(10))
def test_a_call_that_does_not_fit_is_passed_over(seed):
    """The long ones never leave so much room unused that a short one would have fitted."""
    layout = Layout.choose(TINY, 4, Access.LABEL, Encoding.BYTES)
    calls = [
        Arrays(np.zeros((n, 1, 8, 8), np.uint8), np.zeros(n, np.int32), None)
        for n in [140] * 10 + [8] * 30
    ]
    kept, _ = Queries(layout, calls).parted(150, torch.Generator().manual_seed(seed))
    assert 150 - 8 < len(kept) <= 150


def test_rows_of_any_call_are_kept_out_where_none_is_so_small():
    layout = Layout.choose(TINY, 4, Access.LABEL, Encoding.BYTES)
    call = Arrays(np.zeros((30, 1, 8, 8), np.uint8), np.zeros(30, np.int32), None)
    kept, others = Queries(layout, [call, call]).parted(4, torch.Generator().manual_seed(0))
    assert len(kept) == 4
    assert sorted(torch.cat([kept, others]).tolist()) == list(range(60))


def in_memory(array: Any) -> bool:
    """Whether an array has memory of its own, or a view of an array that has."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return not (isinstance(array.base, memoryview) and isinstance(array.base.obj, mmap.mmap))


def test_a_student_sees_the_first_queries_and_no_other(transfer):
    recipe = FreshRecipe(passes=4, batch_size=4, kept_out=0.2, checks=2)
    spy, queries = Spy(), first_queries(transfer, 15)
    found = train_fresh(recipe, once(spy), queries, recipe.steps(15), 1, CPU)
    (whole,) = transfer.chunks(1_000)
    seen = {tuple(x.flatten().tolist()) for x in torch.cat(spy.seen)}
    first = [tuple(x.flatten().tolist()) for x in whole.inputs[:15]]
    assert (found.learnt, found.kept_out) == (12, 3)
    assert seen <= set(first)
    assert len(seen) == 12  # all that is learnt from, nothing of what is kept out


def once(spy: Spy) -> Callable[[], nn.Module]:
    """Builds the spy first, then others: the student comes before what holds the chosen one."""
    made = [spy]
    return lambda: made.pop() if made else Spy()


def test_steps_follow_the_budget_and_not_what_was_recorded(transfer):
    recipe = FreshRecipe(passes=2, batch_size=16)
    assert recipe.steps(100) == 13  # 200 / 16, rounded up
    for recorded in (20, 30):
        spy = Spy()
        train_fresh(recipe, once(spy), first_queries(transfer, recorded), 13, 0, CPU)
        assert [len(x) for x in spy.seen] == [16] * 13


def training_on(transfer, recipe: FreshRecipe, steps: int) -> FreshTraining:
    queries = first_queries(transfer, 43)
    return FreshTraining(recipe, lambda: TinyNet(TINY, 4, 3), queries, steps, 0, CPU)


def test_the_rate_follows_the_schedule(transfer):
    training = training_on(transfer, FreshRecipe(lr=0.2, schedule=Steps((0.5,), 0.1)), steps=4)
    rates = []
    while not training.finished:
        training.step()
        rates.append(training._learner._optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.2, 0.2, 0.02, 0.02])


def test_the_first_step_is_that_of_sgd_by_hand(transfer):
    recipe = FreshRecipe(lr=0.3, schedule=Constant(), weight_decay=0.05, batch_size=64, kept_out=0)
    net, queries = TinyNet(TINY, 4, 3), first_queries(transfer, 43)
    x, answer = queries.of(torch.arange(len(queries)), CPU)
    loss = kl(net(x), recover_logits(answer, 4)).mean()
    weights = list(net.parameters())
    gradients = torch.autograd.grad(loss, weights)
    wanted = [p - 0.3 * (g + 0.05 * p) for p, g in zip(weights, gradients, strict=True)]
    found = train_fresh(recipe, lambda: TinyNet(TINY, 4, 3), queries, 1, 0, CPU)
    torch.testing.assert_close(list(found.last.parameters()), wanted)


def test_a_seed_gives_the_same_student(transfer):
    queries, recipe = first_queries(transfer, 40), FreshRecipe(batch_size=8)

    def weights(seed: int) -> Tensor:
        found = train_fresh(recipe, lambda: TinyNet(TINY, 4, 3), queries, 20, seed, CPU)
        return torch.cat([p.flatten() for p in found.last.parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def dropping() -> nn.Module:
    """A student that draws random numbers of PyTorch's own."""
    return nn.Sequential(nn.Dropout(), TinyNet(TINY, 4, 3))


def test_layers_draw_by_the_seed_alone_and_leave_the_process_its_own_numbers(queries):
    found = []
    for others in (1, 2):
        torch.manual_seed(others)
        expected = torch.rand(3)
        torch.manual_seed(others)
        trained = train_fresh(FreshRecipe(batch_size=8), dropping, queries, 4, 0, CPU)
        assert torch.equal(torch.rand(3), expected)
        found.append(list(trained.last.parameters()))
    assert all(map(torch.equal, *found))


@pytest.mark.parametrize("build", [lambda: TinyNet(TINY, 4, 3), dropping])
def test_a_stopped_training_goes_on_and_ends_as_a_whole_one(tmp_path, transfer, build):
    recipe, queries = FreshRecipe(batch_size=8, kept_out=0.2, checks=4), first_queries(transfer, 43)

    def learn(keeper: FileKeeper | None = None) -> Trained:
        return train_fresh(recipe, build, queries, 20, 0, CPU, keeper)

    whole, path = learn(), tmp_path / "kept.safetensors"
    for steps in (1, 8, 4):  # the second stop is after a check
        with pytest.raises(Interrupted):
            learn(FileKeeper(path, Soon(looks=steps)))
        assert path.exists()
    found = learn(FileKeeper(path, Stop()))
    assert (found.chosen_at, found.learnt) == (whole.chosen_at, whole.learnt)
    assert found.chosen is not None
    assert whole.chosen is not None
    for one, other in ((found.last, whole.last), (found.chosen, whole.chosen)):
        for weight, wanted in zip(one.parameters(), other.parameters(), strict=True):
            assert torch.equal(weight, wanted)


def test_the_seconds_are_those_of_all_sessions(transfer):
    saved = training_on(transfer, FreshRecipe(), steps=2).state() | {"seconds": 1000.0}
    resumed = training_on(transfer, FreshRecipe(), steps=2)
    resumed.restore(saved)
    assert resumed.trained().seconds >= 1000


def test_the_chosen_student_is_the_best_on_the_queries_kept_out(monkeypatch, transfer):
    # Agreements at the four checks, made up: the third is the last of the best.
    answers = iter([0.5, 0.75, 0.75, 0.25])
    looked: list[int] = []

    def agreement(student: Tensor, victim: Tensor) -> float:
        looked.append(len(student))
        return next(answers)

    monkeypatch.setattr("copycost.bench.fresh.agreement", agreement)
    recipe = FreshRecipe(batch_size=8, kept_out=0.2, checks=4)
    queries = first_queries(transfer, 43)
    found = train_fresh(recipe, lambda: TinyNet(TINY, 4, 3), queries, 12, 0, CPU)
    assert looked == [8, 8, 8, 8]
    assert found.chosen_at == 9
    assert found.chosen is not None
    ended = dict(found.last.named_parameters())
    assert any(not torch.equal(p, ended[name]) for name, p in found.chosen.named_parameters())


def test_a_check_that_falls_between_two_steps_comes_after_them(monkeypatch, queries):
    """Of 10 steps the quarters are at 2.5, 5, 7.5 and 10; the first is made the best."""
    answers = iter([0.9, 0.1, 0.1, 0.1])
    monkeypatch.setattr("copycost.bench.fresh.agreement", lambda *_: next(answers))
    recipe = FreshRecipe(batch_size=8, kept_out=0.2, checks=4)
    found = train_fresh(recipe, lambda: TinyNet(TINY, 4, 3), queries, 10, 0, CPU)
    assert found.chosen_at == 3


def test_a_student_is_held_against_the_answers_to_the_queries_kept_out(monkeypatch, queries):
    compared = []

    def noted(student: Tensor, victim: Tensor) -> float:
        compared.append((student, victim))
        return 0.5

    monkeypatch.setattr("copycost.bench.fresh.agreement", noted)
    recipe = FreshRecipe(batch_size=8, kept_out=0.45, checks=1)
    training = FreshTraining(recipe, lambda: TinyNet(TINY, 4, 3), queries, 1, 0, CPU)
    training.step()
    x, answer = queries.of(training._kept, CPU)
    ((student, victim),) = compared
    assert len(answer.labels.unique()) > 1, "or the test could not fail"
    assert torch.equal(victim, answer.labels)
    assert torch.equal(student, training.trained().last(x).argmax(1))


def test_each_epoch_goes_over_all_that_is_learnt_from_in_an_order_of_its_own(queries):
    spy = Spy()
    train_fresh(FreshRecipe(batch_size=8, kept_out=0), once(spy), queries, 10, 0, CPU)
    one, other = torch.cat(spy.seen).flatten(1).split(40)
    assert torch.equal(one.unique(dim=0), other.unique(dim=0))
    assert not torch.equal(one, other)


def test_with_no_setting_given_the_recipe_is_the_one_results_were_made_with():
    assert FreshRecipe() == FreshRecipe(
        passes=20, batch_size=64, lr=0.05, momentum=0.9, weight_decay=5e-4
    )


def test_the_best_before_a_stop_is_still_the_best_after_it(tmp_path, monkeypatch, transfer):
    answers = iter([0.75, 0.5])
    monkeypatch.setattr("copycost.bench.fresh.agreement", lambda *_: next(answers))
    recipe, queries = FreshRecipe(batch_size=8, kept_out=0.2, checks=2), first_queries(transfer, 43)

    def learn(stop: Stop):
        keeper = FileKeeper(tmp_path / "kept.safetensors", stop)
        return train_fresh(recipe, lambda: TinyNet(TINY, 4, 3), queries, 8, 0, CPU, keeper)

    with pytest.raises(Interrupted):
        learn(Soon(looks=6))  # after the first check, at 4 of 8 steps
    assert learn(Stop()).chosen_at == 4


def test_with_few_queries_none_is_kept_out_and_none_is_chosen(transfer):
    found = train_fresh(
        FreshRecipe(), lambda: TinyNet(TINY, 4, 3), first_queries(transfer, 12), 3, 0, CPU
    )
    assert (found.learnt, found.kept_out, found.chosen, found.chosen_at) == (12, 0, None, None)


def test_what_cannot_be_learnt_from_is_said(transfer):
    def build() -> nn.Module:
        return TinyNet(TINY, 4, 3)

    assert train_fresh(FreshRecipe(), build, first_queries(transfer, 2), 3, 0, CPU).learnt == 2
    with pytest.raises(RunError, match="1 recorded"):
        train_fresh(FreshRecipe(), build, first_queries(transfer, 1), 3, 0, CPU)
    with pytest.raises(Unstable, match=r"fresh\.lr"):
        train_fresh(FreshRecipe(lr=1e38), build, first_queries(transfer, 40), 30, 0, CPU)


def test_a_last_step_too_far_is_lost_as_well():
    trained = Trained(TinyNet(TINY, 4, 3), None, None, learnt=40, kept_out=0, seconds=1.0)

    class Judge:
        def evaluate(self, network: nn.Module) -> dict[str, float]:
            return {"agreement": 0.1, "kl": float("nan")}

    with pytest.raises(Unstable, match=r"fresh\.lr"):
        work._judged(trained, 40, 3, Judge())  # type: ignore[arg-type]


def test_the_chosen_student_is_judged_by_itself():
    last, chosen = TinyNet(TINY, 4, 3), TinyNet(TINY, 4, 4)
    trained = Trained(last, chosen, 2, learnt=40, kept_out=5, seconds=1.0)

    class Judge:
        def evaluate(self, network):
            return {"agreement": 0.25 if network is last else 0.75}

    found = work._judged(trained, 40, 3, Judge())  # type: ignore[arg-type]
    assert (found.last, found.chosen) == ({"agreement": 0.25}, {"agreement": 0.75})


def test_it_learns(tmp_path: Path):
    random = torch.Generator().manual_seed(5)
    x = torch.randint(0, 256, (600, 1, 8, 8), generator=random, dtype=torch.uint8)
    p = TinyNet(TINY, 4, 9)(x.float() / 255).softmax(1).detach()
    layout = Layout.choose(TINY, 4, Access.PROBABILITIES, Encoding.BYTES)
    queries = Queries(layout, [Arrays(x.numpy(), p.argmax(1).numpy(), p.numpy())])
    found = train_fresh(FreshRecipe(), lambda: TinyNet(TINY, 4, 3), queries, 200, 0, CPU)
    unseen = torch.rand(500, 1, 8, 8, generator=random)
    agreed = (found.last(unseen).argmax(1) == TinyNet(TINY, 4, 9)(unseen).argmax(1)).float().mean()
    assert agreed > 0.7


def test_a_student_is_looked_at_as_it_will_be_used(queries):
    """A check must not count as learning: batch statistics are of what was learnt from."""

    norms = [nn.BatchNorm1d(64) for _ in range(2)]
    left = iter(norms)

    def build() -> nn.Module:
        return nn.Sequential(nn.Flatten(), next(left), nn.Linear(64, 4))

    recipe = FreshRecipe(batch_size=8, kept_out=0.2, checks=4)
    found = train_fresh(recipe, build, queries, 12, 0, CPU)
    assert found.kept_out == 8
    assert int(norms[0].num_batches_tracked or 0) == 12
    assert not any(norm.training for norm in norms)


def test_the_second_step_has_the_momentum_of_the_first(queries):
    recipe = FreshRecipe(lr=0.3, momentum=0.5, schedule=Constant(), weight_decay=0, kept_out=0)
    net = TinyNet(TINY, 4, 3)
    x, answer = queries.of(torch.arange(40), CPU)
    weights = list(net.parameters())
    speeds = [torch.zeros_like(weight) for weight in weights]
    for _ in range(2):
        gradients = torch.autograd.grad(kl(net(x), recover_logits(answer, 4)).mean(), weights)
        with torch.no_grad():
            for weight, speed, gradient in zip(weights, speeds, gradients, strict=True):
                speed *= 0.5
                speed += gradient
                weight.sub_(0.3 * speed)
    found = train_fresh(recipe, lambda: TinyNet(TINY, 4, 3), queries, 2, 0, CPU)
    torch.testing.assert_close(list(found.last.parameters()), weights)


@pytest.mark.parametrize("change", ["recipe", "queries", "answers", "steps", "seed"])
def test_another_training_is_for_another_purpose(queries, change):
    usual = {"recipe": FreshRecipe(), "queries": queries, "steps": 4, "seed": 0}
    fewer = Queries(queries.layout, queries._calls[:3])
    as_many = Queries(
        queries.layout, [call._replace(labels=(call.labels + 1) % 4) for call in queries._calls]
    )
    others = {"recipe": FreshRecipe(lr=0.01), "queries": fewer, "steps": 5, "seed": 1}
    others |= {"answers": as_many}

    def purpose(**settings: Any) -> dict[str, Any]:
        return FreshTraining(build=lambda: TinyNet(TINY, 4, 3), device=CPU, **settings).purpose

    name = "queries" if change == "answers" else change
    assert purpose(**usual | {name: others[change]}) != purpose(**usual)


def test_tokens_are_numbers_of_the_kind_that_embeddings_take():
    spec = InputSpec(shape=(6,), modality=Modality.TEXT, vocabulary=70_000)
    layout = Layout.choose(spec, 4, Access.LABEL, Encoding.EXACT)
    call = Arrays(np.full((3, 6), 69_999, np.int32), np.zeros(3, np.int32), None)
    x, _ = Queries(layout, [call]).of(torch.arange(3), CPU)
    assert x.dtype == torch.int64
    assert int(x.max()) == 69_999
