from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from copycost.defences.rounding import Rounding
from copycost.defences.stack import defend
from copycost.errors import BudgetExceeded, SpecMismatch
from copycost.oracle.access import release
from copycost.oracle.ledger import Ledger, spent_in
from copycost.oracle.meter import CountedOracle, Meter
from copycost.oracle.range_check import RangeCheck
from copycost.oracle.rehearsal import Rehearsal
from copycost.testing import TINY, ScriptedVictim, SpyVictim, tiny_victim
from copycost.types import Access


def images(n):
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(n))


def scores(answer):
    """The scores of an answer that has some."""
    assert answer.scores is not None
    return answer.scores


def test_counts_inputs_and_refuses_the_one_too_many():
    spy = SpyVictim(tiny_victim())
    oracle = CountedOracle(spy, access="logits", budget=10)
    oracle(images(7))
    with pytest.raises(BudgetExceeded):
        oracle(images(4))
    assert spy.count == oracle.spent == 7
    oracle(images(3))
    assert spy.count == oracle.spent == oracle.budget == 10


def test_wrong_inputs_are_refused_uncharged():
    spy = SpyVictim(tiny_victim())
    oracle = CountedOracle(spy, access="logits", budget=10)
    for bad in (
        torch.rand(2, 3, 8, 8),
        torch.rand(1, 8, 8),
        torch.full((2, 1, 8, 8), -0.1),
        torch.full((2, 1, 8, 8), 1.1),
        torch.full((2, 1, 8, 8), float("nan")),
        torch.ones(2, 1, 8, 8, dtype=torch.long),
    ):
        with pytest.raises(SpecMismatch):
            oracle(bad)
    assert spy.count == oracle.spent == 0


def elsewhere(*values):
    """A batch on a device that is not looked at when it is asked."""
    x = torch.tensor(values)
    return SimpleNamespace(device=SimpleNamespace(type="cuda"), aminmax=x.aminmax)


@pytest.mark.parametrize("batches", [[(-0.5, 0.5), (0.1, 0.9)], [(0.1, 1.5), (0.1, 0.9)]])
def test_off_the_cpu_the_range_is_checked_over_all_batches_and_then_anew(batches):
    check = RangeCheck(TINY)
    for batch in batches:
        check.see(elsewhere(*batch))
    with pytest.raises(SpecMismatch, match=r"inputs in \[0, 1\]"):
        check.verify()
    check.see(elsewhere(0.0, 1.0))
    check.verify()


def test_the_meter_verifies_what_its_oracle_saw():
    meter = Meter(tiny_victim(), access="logits", budget=100)
    assert isinstance(meter.oracle, CountedOracle)
    meter.oracle._range.see(elsewhere(0.1, 1.5))
    with pytest.raises(SpecMismatch, match=r"inputs in \[0, 1\]"):
        meter.verify()
    meter.verify()


def test_the_charge_is_durable_before_the_victim_is_called(tmp_path):
    path = tmp_path / "ledger.sqlite"

    class Looking(SpyVictim):
        def answer(self, x):
            self.reserved = spent_in(path, "attacker")
            return super().answer(x)

    victim = Looking(tiny_victim())
    with Ledger(path) as ledger:
        CountedOracle(victim, access="logits", budget=1000, ledger=ledger)(images(6))
    assert victim.reserved >= 6


def test_a_victim_that_fails_keeps_the_charge():
    class Failing(SpyVictim):
        def answer(self, x):
            raise ConnectionError("gone")

    oracle = CountedOracle(Failing(tiny_victim()), access="logits", budget=10)
    with pytest.raises(ConnectionError):
        oracle(images(4))
    assert (oracle.spent, oracle._account.lost) == (4, 4)


def test_paid_queries_are_written_one_request_at_a_time(tmp_path):
    with Ledger(tmp_path / "l") as ledger:
        victim = SpyVictim(tiny_victim())
        victim.free = False
        oracle = CountedOracle(victim, access="logits", budget=100_000, ledger=ledger)
        for n in (6, 1):
            oracle(images(n))
    with Ledger(tmp_path / "l") as ledger:
        assert ledger.account("attacker", 100_000).lost == 7


@pytest.mark.parametrize("budget", [0, -3])
def test_no_budget_is_refused(budget):
    with pytest.raises(SpecMismatch, match="at least 1 query"):
        CountedOracle(tiny_victim(), access="label", budget=budget)


def test_asking_nothing_costs_nothing():
    oracle = CountedOracle(tiny_victim(), access="label", budget=1)
    assert len(oracle(images(0)).labels) == 0
    assert oracle.spent == 0


def test_a_rehearsal_answers_as_the_oracle_would_and_asks_nothing():
    victim, defences = tiny_victim(), ("rounding:1",)
    meter = Meter(defend(victim, defences), access="top-k", k=2, budget=6, defences=defences)
    rehearsed = meter.rehearsal(victim.module)(images(6))
    assert meter.oracle.spent == 0
    asked = meter.oracle(images(6))
    assert torch.equal(rehearsed.labels, asked.labels)
    assert rehearsed.scores is not None
    assert asked.scores is not None
    assert torch.equal(rehearsed.scores, asked.scores)


def test_two_oracles_of_one_ledger_share_its_budget():
    ledger = Ledger()
    first, second = (
        CountedOracle(tiny_victim(), access="logits", budget=10, ledger=ledger) for _ in range(2)
    )
    first(images(6))
    assert second.spent == 6
    with pytest.raises(BudgetExceeded):
        second(images(5))
    second(images(4))
    assert first.spent == 10
    assert not first._account.lost


def test_a_crash_costs_a_free_victims_run_half_a_percent_of_the_budget_at_most(tmp_path):
    with Ledger(tmp_path / "l") as ledger:
        CountedOracle(tiny_victim(), access="logits", budget=10_000, ledger=ledger)(images(6))
    with Ledger(tmp_path / "l") as ledger:
        assert ledger.account("attacker", 10_000).lost == 50


@pytest.mark.parametrize("access", list(Access))
def test_access_only_removes_information(access):
    x = images(20)
    truth = tiny_victim()(x)
    answer = CountedOracle(tiny_victim(), access=access, budget=100, k=2)(x)
    assert torch.equal(answer.labels, truth.argmax(1))
    if access is Access.LABEL:
        assert answer.scores is None
    elif access is Access.LOGITS:
        assert torch.equal(scores(answer), truth)
    elif access is Access.PROBABILITIES:
        assert torch.equal(scores(answer), truth.softmax(1))
    else:
        assert torch.equal((scores(answer) > 0).sum(1), torch.full((20,), 2))
        assert torch.equal(scores(answer).amax(1), truth.softmax(1).amax(1))


@pytest.mark.parametrize("k", [1, 2, 5, 10])
def test_the_label_is_among_what_top_k_releases_of_equals(k):
    p = torch.tensor([[0.1] * 10, [0.0, 0.3, 0.1, 0.3, 0.3] + [0.0] * 5])
    answer = release(p, Access.PROBABILITIES, Access.TOP_K, k)
    assert answer.labels.tolist() == [0, 1]
    assert torch.equal(scores(answer).argmax(1), answer.labels)
    kept = (scores(answer) > 0).sum(1).tolist()
    assert kept == [k, min(k, 4)]


def test_the_label_is_among_what_top_k_releases_of_logits_whose_probabilities_are_equal():
    answer = release(torch.tensor([[0.0, 1e-9, -5.0]]), Access.LOGITS, Access.TOP_K, 1)
    assert answer.labels.tolist() == scores(answer).argmax(1).tolist()


def test_a_victim_of_labels_releases_them_as_they_are():
    labels = torch.tensor([3, 0, 2])
    answer = release(labels, Access.LABEL, Access.LABEL, 5)
    assert torch.equal(answer.labels, labels)
    assert answer.scores is None


def test_each_level_follows_from_the_one_above():
    x = images(30)
    answers = {a: CountedOracle(tiny_victim(), access=a, budget=99, k=4)(x) for a in Access}
    logits, p = scores(answers[Access.LOGITS]), scores(answers[Access.PROBABILITIES])
    assert torch.equal(logits.softmax(1), p)
    # With k = K, top-k is all of it.
    assert torch.equal(scores(answers[Access.TOP_K]), p)


def test_a_defence_hides_the_logits():
    defended = Rounding(tiny_victim(), 2)
    with pytest.raises(SpecMismatch, match="logits"):
        CountedOracle(defended, access="logits", budget=10)


def test_a_label_victim_cannot_release_probabilities():
    victim = ScriptedVictim(torch.tensor([0.5, 0.5]), Access.PROBABILITIES)
    victim.output = Access.LABEL
    with pytest.raises(SpecMismatch, match="use access label"):
        CountedOracle(victim, access="probabilities", budget=10)


@pytest.mark.parametrize("k", [0, 5])
def test_impossible_k_is_refused(k):
    with pytest.raises(SpecMismatch, match="k from 1 to 4"):
        CountedOracle(tiny_victim(), access="top-k", budget=10, k=k)


def test_answers_carry_no_gradient():
    x = images(3).requires_grad_()
    answer = CountedOracle(tiny_victim(), access="logits", budget=9)(x)
    assert not scores(answer).requires_grad


def public(thing):
    return {name for name in dir(thing) if not name.startswith("_")}


def test_the_attacker_sees_no_way_to_the_victim_or_past_the_account():
    oracle = Meter(tiny_victim(), access="label", budget=9).oracle
    assert public(oracle) == {"access", "affords", "budget", "classes", "spec", "spent"}


@pytest.mark.parametrize("name", ["access", "budget", "classes", "spec", "spent"])
def test_the_attacker_changes_no_terms(name):
    oracle = CountedOracle(tiny_victim(), access="label", budget=9)
    with pytest.raises(AttributeError):
        setattr(oracle, name, Access.LOGITS)


def test_a_diagnosis_sees_nothing_of_the_defences_but_what_they_do():
    assert public(Rehearsal(TINY, 4, Access.LABEL)) == {"access", "classes", "spec"}


def test_the_runner_alone_answers_for_the_account(tmp_path):
    with Ledger(tmp_path / "l") as ledger:
        meter = Meter(tiny_victim(), access="label", budget=10_000, ledger=ledger)
        meter.oracle(images(6))
        meter.forfeit(4)
        meter.settle()
        meter.write_off(5)
        assert (meter.oracle.spent, meter.lost) == (10, 9)
    assert spent_in(tmp_path / "l", "attacker") == 10
