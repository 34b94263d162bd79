"""The auditor: what it measures of a network, and that it leaves it as it was."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from copycost.attacks.ensemble import Vote
from copycost.datasets.base import Labelled
from copycost.defences.stack import defend
from copycost.errors import Interrupted
from copycost.metrics import accuracy
from copycost.nets.seeded import derive
from copycost.oracle.ledger import Ledger, spent_in
from copycost.runner.auditor import Auditor, auditors_account
from copycost.runner.copy_model import copy_model
from copycost.runner.held_out import APART
from copycost.runner.record import AccountFacts
from copycost.runner.stopping import Stop
from copycost.testing import TINY, TinyNet, tiny_victim
from copycost.types import Access
from copycost.victims.function import FunctionVictim
from tests.runner.conftest import tiny_config, tiny_target
from tests.stops import Soon


@pytest.fixture
def auditor(tmp_path) -> Auditor:
    account = Ledger().account("auditor", None)
    return Auditor(tiny_target(), (), 0, account, tmp_path / "auditor", torch.device("cpu"))


def test_the_commonest_class_is_counted(auditor):
    student = TinyNet(TINY, 4, seed=3)
    chosen = student(tiny_target().held_out.values()).argmax(1).tolist()
    share = max(chosen.count(k) for k in range(4)) / 120
    assert auditor.evaluate(student)["commonest class"] == share
    linear = nn.Linear(64, 4)
    nn.init.zeros_(linear.weight)
    constant = nn.Sequential(nn.Flatten(), linear)
    assert auditor.evaluate(constant)["commonest class"] == 1.0
    labels = tiny_target().held_out.labels.tolist()
    facts = auditor.facts()
    assert facts.commonest_label == max(labels.count(k) for k in range(4)) / 120
    assert facts.one_answer == facts.commonest_label
    assert facts.model_copy(update={"commonest_label": None}).one_answer == 1 / 4


@pytest.mark.parametrize("output", [Access.LOGITS, Access.PROBABILITIES])
def test_the_divergence_is_counted_from_the_victim(tmp_path, output):
    account, place = Ledger().account("auditor", None), tmp_path / "auditor"
    target, student = tiny_target(tiny_victim(output)), TinyNet(TINY, 4, seed=3)
    auditor = Auditor(target, (), 0, account, place, torch.device("cpu"))
    x = target.held_out.values()
    p, q = tiny_victim().module(x).softmax(1).detach(), student(x).softmax(1).detach()
    by_hand = float((p * (p / q).log()).sum(1).mean())
    assert auditor.evaluate(student)["kl"] == pytest.approx(by_hand, rel=1e-4)


def test_a_class_that_the_victim_excludes_adds_nothing_to_the_divergence(tmp_path):
    account, place = Ledger().account("auditor", None), tmp_path / "auditor"
    victim = FunctionVictim(lambda x: [[0.0, 1.0, 0.0, 0.0]] * len(x), TINY, 4, "probabilities")
    target, student = tiny_target(victim), TinyNet(TINY, 4, seed=3)
    auditor = Auditor(target, (), 0, account, place, torch.device("cpu"))
    by_hand = -float(student(target.held_out.values()).detach().log_softmax(1)[:, 1].mean())
    assert auditor.evaluate(student)["kl"] == pytest.approx(by_hand, rel=1e-4)


def test_members_of_a_vote_keep_each_its_mode(auditor):
    learning, resting = (nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 4))
                         for _ in range(2))  # fmt: skip
    resting.eval()
    before = {k: v.clone() for k, v in learning.state_dict().items()}
    auditor.evaluate(Vote([learning, resting]))
    assert learning.training
    assert learning[1].training
    assert not resting.training
    assert not resting[1].training
    assert all(torch.equal(v, before[k]) for k, v in learning.state_dict().items())


def test_what_users_see_is_told_beside_what_the_model_knows(tmp_path):
    account = Ledger().account("auditor", None)
    facts = Auditor(
        tiny_target(), ("noise:2",), 0, account, tmp_path / "auditor", torch.device("cpu")
    ).facts()
    api = defend(tiny_victim(), ["noise:2"], seed=derive(0, "auditor"))
    x, labels = tiny_target().held_out.values(), tiny_target().held_out.labels
    first, second = api(x).argmax(1), api(x).argmax(1)
    assert facts.content_hash == tiny_target().content_hash
    assert facts.accuracy == 0.9
    assert facts.defended_accuracy == accuracy(first, labels) < 0.7
    assert facts.self_agreement == accuracy(first, second) < 0.7
    assert account.spent == 2 * 120, "what defences make of an answer needs no asking"


def test_how_far_its_defences_move_the_probabilities_is_told(tmp_path):
    victim = FunctionVictim(lambda x: [[0.94, 0.02, 0.02, 0.02]] * len(x), TINY, 4, "probabilities")

    def told(*defences: str) -> float | None:
        account, place = Ledger().account("auditor", None), tmp_path / f"auditor{len(defences)}"
        cpu = torch.device("cpu")
        Auditor(tiny_target(victim), defences, 0, account, place, cpu)
        again = Auditor(tiny_target(victim), defences, 0, account, place, cpu)  # from the file
        return again.facts().perturbation

    assert told() is None
    # 0.9 and three zeros, scaled to 1: 0.06 more, and three times 0.02 less.
    assert told("rounding:1") == pytest.approx(0.12, abs=1e-5)


def test_its_defences_draw_other_numbers_than_the_attackers(tmp_path, monkeypatch):
    seeds = []

    def noted(victim, defences, seed):
        seeds.append(seed)
        return defend(victim, defences, seed)

    monkeypatch.setattr("copycost.runner.held_out.defend", noted)
    account = Ledger().account("auditor", None)
    Auditor(tiny_target(), ("noise:1",), 7, account, tmp_path / "auditor", torch.device("cpu"))
    assert len(seeds) == 1
    assert 7 not in seeds


def test_agreement_is_with_the_model_as_it_is_without_its_defences(tmp_path):
    victim = tiny_victim()
    account, place = Ledger().account("auditor", None), tmp_path / "auditor"
    auditor = Auditor(tiny_target(victim), ("noise:2",), 0, account, place, torch.device("cpu"))
    values = auditor.evaluate(victim.module)
    assert (values["agreement"], values["accuracy"]) == (1.0, 0.9)  # it is wrong on one in ten
    assert float(auditor.right.double().mean()) == 0.9
    x = tiny_target(victim).held_out.values()
    assert torch.equal(auditor.labels_of(x), victim.module(x).argmax(1))


def test_what_it_asks_besides_the_held_out_data_is_charged_to_it_as_well(auditor):
    before = auditor.account.spent
    auditor.labels_of(tiny_target().held_out.values()[:7])
    assert (auditor.account.spent, auditor.account.lost) == (before + 7, 0)


def test_a_stop_is_heeded_between_its_measurements_too(tmp_path):
    account, stop = Ledger().account("auditor", None), Stop()
    place, cpu = tmp_path / "auditor", torch.device("cpu")
    auditor = Auditor(tiny_target(), (), 0, account, place, cpu, stop)
    auditor.heed_stop()
    stop.ask("SIGTERM")
    with pytest.raises(Interrupted):
        auditor.heed_stop()


def test_what_was_answered_but_not_kept_is_lost_and_asked_again(tmp_path, monkeypatch):
    """As above; but the first answers are kept after a minute, and the kill came before."""
    monkeypatch.setattr("copycost.runner.held_out.CHUNK", 40)

    def killed(x):
        if (tmp_path / "run").exists() and not left.exists():
            asked.append(len(x))
            if len(asked) == 3:
                shutil.copytree(tmp_path / "run", left)
        return tiny_victim()(torch.from_numpy(x)).numpy()

    left, asked = tmp_path / "later" / "left", list[int]()
    target = tiny_target(FunctionVictim(killed, TINY, 4, "logits", name="service"))

    def audited(folder: Path) -> tuple[int, int]:
        with Ledger(folder / "ledger") as ledger:
            account = ledger.account("auditor", None, block=40)
            Auditor(target, (), 0, account, folder / "auditor", torch.device("cpu"))
            return account.spent, account.lost

    (tmp_path / "run").mkdir()
    assert audited(tmp_path / "run") == (240, 0)
    assert asked == [40, 40, 40]
    assert audited(left) == (120 + 240, 120)
    # All were counted and then not kept, if the kill came between.
    (tmp_path / "run" / "auditor").unlink()
    assert audited(tmp_path / "run") == (240 + 240, 240)


def test_a_stop_between_two_questions_changes_no_answer(tmp_path, monkeypatch):
    monkeypatch.setattr("copycost.runner.held_out.CHUNK", 40)

    def asked(place: str, looks: int) -> Auditor:
        account = Ledger().account("auditor", None)
        stop = Soon(looks) if looks else None
        cpu = torch.device("cpu")
        return Auditor(tiny_target(), ("noise:1",), 0, account, tmp_path / place, cpu, stop)

    for looks in (3, 3):  # of three for each of two passes; noise is drawn in both
        with pytest.raises(Interrupted):
            asked("torn", looks)
    assert asked("torn", 0).facts() == asked("whole", 0).facts()


def test_a_copy_is_judged_on_all_inputs_in_whatever_parts(auditor, monkeypatch):
    student = TinyNet(TINY, 4, seed=3)
    whole = auditor.evaluate(student)
    monkeypatch.setattr("copycost.runner.auditor.CHUNK", 17)  # of 120, which leaves one alone
    assert auditor.evaluate(student) == pytest.approx(whole)


def test_what_was_answered_before_a_kill_is_asked_no_more(tmp_path, monkeypatch):
    """A copy of the folder in the middle of a call is what a killed process leaves."""
    for name in ("CHUNK", "APART"):
        monkeypatch.setattr(f"copycost.runner.held_out.{name}", 40)
    monkeypatch.setattr("copycost.runner.held_out.KEEP_EVERY_SECONDS", 0.0)
    left, calls = tmp_path / "later" / "left", []

    def ask(x):
        calls.append(len(x))
        if len(calls) == 5 and not left.exists():  # of three for each of two passes
            shutil.copytree(tmp_path / "run", left)
        return tiny_victim()(torch.from_numpy(x)).numpy()

    config = tiny_config(attack="random-noise", settings={"batch_size": 32}, budget=320)
    target = tiny_target(FunctionVictim(ask, TINY, 4, "logits", name="service"))
    whole = copy_model(config, target, tmp_path / "run")
    calls.clear()
    record = copy_model(config, target, left)
    assert calls[:3] == [40, 40, 32]  # the two last of the held-out data's, then the attacker's
    assert record.accounts["auditor"] == AccountFacts(budget=None, spent=280 + 120, lost=40)
    assert record.victim == whole.victim


class Normed(nn.Module):
    """The tiny net of inputs that are normed by their batch, as a net's in training are."""

    def __init__(self):
        super().__init__()
        self.net = TinyNet(TINY, 4)

    def forward(self, x):
        return self.net((x - x.mean(0)) / x.std(0) + 0.5)


@pytest.mark.parametrize("few", [120, 50])
def test_a_function_that_answers_by_the_batch_contradicts_itself(tmp_path, few):
    account, net = Ledger().account("auditor", None), Normed()
    victim = FunctionVictim(lambda x: net(torch.from_numpy(x)).detach(), TINY, 4, "logits")
    target = tiny_target(victim)
    held_out = Labelled(target.held_out.inputs[:few], target.held_out.labels[:few])
    target = replace(target, held_out=held_out)
    auditor = Auditor(target, (), 0, account, tmp_path / "auditor", torch.device("cpu"))
    assert 0.5 < auditor.facts().self_agreement < 1
    assert account.spent == 2 * few


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 120, 200])
def test_a_function_that_does_not_is_true_to_itself(tmp_path, count):
    account, net, sizes = Ledger().account("auditor", None), TinyNet(TINY, 4), []

    def ask(x):
        sizes.append(len(x))
        return net(torch.from_numpy(x)).detach()

    victim = FunctionVictim(ask, TINY, 4, "logits")
    target = tiny_target(victim)
    held_out = Labelled(
        target.held_out.inputs.repeat(2, 1, 1, 1)[:count], target.held_out.labels.repeat(2)[:count]
    )
    target = replace(target, held_out=held_out)
    auditor = Auditor(target, (), 0, account, tmp_path / "auditor", torch.device("cpu"))
    assert auditor.facts().self_agreement == 1
    assert account.spent == 2 * count
    together, *apart = sizes
    assert (together, sum(apart)) == (count, count)
    assert min(apart) > 0
    assert max(apart) <= APART


def test_at_the_end_a_sample_is_compared_with_what_the_same_inputs_got(tmp_path):
    """Of 360 inputs every third, of which the first three are answered otherwise by then."""
    net, odd = TinyNet(TINY, 4), list[int]()

    def ask(x):
        answer = net(torch.from_numpy(x)).detach()
        answer[: len(odd)] = -answer[: len(odd)]
        return answer

    target = tiny_target(FunctionVictim(ask, TINY, 4, "logits"))
    held_out = target.held_out
    many = Labelled(held_out.inputs.repeat(3, 1, 1, 1), held_out.labels.repeat(3))
    account, cpu = Ledger().account("auditor", None), torch.device("cpu")
    place = tmp_path / "auditor"
    auditor = Auditor(replace(target, held_out=many), (), 0, account, place, cpu)
    odd += [1, 2, 3]
    auditor.close()
    facts = auditor.facts()
    assert (facts.asked_at_the_end, facts.changed_at_the_end) == (120, 3)


@pytest.mark.parametrize("free", [False, True])
def test_each_request_to_a_victim_that_costs_money_is_charged_by_itself(tmp_path, free):
    victim = FunctionVictim(lambda x: x, TINY, 4, "logits", name="any", free=free)
    target = replace(tiny_target(), victim=victim)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    with auditors_account(ledger, target).charging(3):
        pass
    ledger._db.close()  # as if the process had been killed before it settled
    reserved = spent_in(tmp_path / "ledger.sqlite", "auditor")
    assert reserved == (len(target.held_out) if free else 3)
