"""Several processes on one run (gloo, CPU): what one process with the whole batch would do."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from copycost.defences.stack import defend
from copycost.engine import Engine
from copycost.errors import ConfigError, RunError
from copycost.noise import Noise
from copycost.oracle.ledger import Ledger, spent_in
from copycost.ranks import Ranks, launched
from copycost.runner.copy_model import _api, copy_model
from copycost.runner.folder import LEDGER_FILE, STUDENT_FOLDER
from copycost.runner.making import attack_of
from copycost.runner.record import Record, read_record
from copycost.runner.target import Target
from copycost.testing import tiny_victim
from copycost.victims.saved import load_model
from tests.runner.conftest import text_target, tiny_config, tiny_target
from tests.runner.ranks import run_ranks

# A long step, so that rounding is not blown up by dividing by a short one.
SETTINGS = {"batch_size": 32, "width": 8, "latent": 8, "student_steps": 2, "epsilon": 0.1}
STEP = 32 * 4
FINISHED = ["finished", "finished"]


def weights(folder):
    module, _ = load_model(folder / STUDENT_FOLDER)
    return module.state_dict()


def both(
    folder: Path,
    config: dict[str, Any],
    atol: float = 1e-4,
    target: Callable[[], Target] = tiny_target,
) -> tuple[Record, Record]:
    """The records of one process and of two; the students' weights are alike."""
    assert run_ranks(2, folder / "two", config, target=target) == FINISHED
    one = copy_model(tiny_config(**config), target(), folder / "one")
    two = read_record(folder / "two")
    assert two.spent == one.spent == config["budget"]
    assert (one.surroundings.ranks, two.surroundings.ranks) == (1, 2)
    ours, theirs = weights(folder / "one"), weights(folder / "two")
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(theirs[name], ours[name], rtol=1e-3, atol=atol, msg=name)
    return one, two


def test_two_ranks_do_what_one_does(tmp_path):
    # Adam makes long steps of rounded gradients here, too. At this rate they moved the student by
    # 0.00003 where they moved it most; batch norms that each rank takes for itself, by 0.004.
    settings = SETTINGS | {"student_lr": 0.01}
    config = {"settings": settings, "student": "gap-cnn", "budget": 6 * STEP, "evaluations": 1}
    one, two = both(tmp_path, config, atol=5e-4)
    for name in ("student/gap", "generator/gap", "estimate/norm", "generator/gradient norm"):
        assert two.result[name] == pytest.approx(one.result[name], rel=1e-3)


# Adam makes long steps of the smallest gradients, rounded ones among them, and how sums are
# rounded hangs on the processor: two ranks end 0.0003 apart on the worst one tried. At this rate
# what DisGUIDE's generator learns moves the student by 0.05; at the default one, hardly further
# than rounding does.
@pytest.mark.parametrize(
    ("attack", "own", "rounds", "atol"),
    [
        ("disguide", {"generator_lr": 0.01}, 2, 1.5e-3),
        ("dual-student", {}, 3, 1e-4),
        ("frugal", {}, 3, 1e-4),
    ],
)
def test_two_ranks_with_several_students_do_what_one_does(tmp_path, attack, own, rounds, atol):
    settings = {"batch_size": 32, "width": 8, "latent": 8, "student_steps": 2, "student_lr": 0.01}
    config = {"attack": attack, "settings": settings | own, "student": "gap-cnn", "evaluations": 1}
    one, two = both(tmp_path, config | {"budget": rounds * 32 * 2}, atol)
    assert two.result.keys() == one.result.keys()
    quantities = ("/gap", "/replayed gap", "/disagreement", "/coverage", "kl")
    for name in [name for name in one.result if name.endswith(quantities)]:
        assert two.result[name] == pytest.approx(one.result[name], rel=3e-3), name


def test_two_ranks_copy_a_model_of_texts_as_one_does(tmp_path):
    settings = {"batch_size": 32, "student_steps": 2, "student_lr": 0.01}
    config = {"attack": "frugal", "settings": settings, "student": "bag-of-tokens"}
    one, two = both(tmp_path, config | {"budget": 3 * 32 * 2, "evaluations": 1}, target=text_target)
    for name in ("student/gap", "kl"):
        assert two.result[name] == pytest.approx(one.result[name], rel=3e-3), name


SYNTHESIS = {"synthesis_steps": 4, "epochs": 2}


# Which side of a border an image of IDEAL's falls on may hang on rounding, and each round adds to
# what hangs on it: weights that were moved by a millionth end 0.007 apart after six rounds
# (PyTorch 2.11), 0.00002 after three.
@pytest.mark.parametrize(("attack", "own", "rounds"), [("dfms-hl", {}, 6), ("ideal", SYNTHESIS, 3)])
def test_two_ranks_by_labels_do_what_one_does(tmp_path, attack, own, rounds):
    settings = {"batch_size": 32, "width": 8, "latent": 8, "student_lr": 0.01, **own}
    config = {"attack": attack, "access": "label", "settings": settings, "student": "gap-cnn"}
    one, two = both(tmp_path, config | {"budget": rounds * 32, "evaluations": 1})
    assert two.result["student/gap"] == pytest.approx(one.result["student/gap"], rel=1e-3)


def test_ranks_whose_likeness_and_choice_are_their_own_still_keep_one_account(tmp_path):
    settings = {"batch_size": 32, "width": 8, "latent": 8, "last_epochs": 1, **SYNTHESIS}
    config = {"attack": "qedg", "access": "label", "settings": settings, "budget": 3 * 32 * 2}
    assert run_ranks(2, tmp_path / "run", config) == FINISHED
    record = read_record(tmp_path / "run")
    assert record.spent == config["budget"]
    assert record.accounts["attacker"].lost == 0


def test_each_rank_has_its_share_of_a_prime_budget(tmp_path):
    folder = tmp_path / "run"
    assert run_ranks(2, folder, {"settings": SETTINGS, "budget": 3001}) == FINISHED
    record = read_record(folder)
    spent = [spent_in(folder / f"ledger{end}.sqlite", "attacker") for end in ("", "-rank1")]
    assert record.spent == sum(spent) <= 3001 == record.budget
    assert spent[0] == spent[1] > 1500 - 2 * STEP // 2
    assert record.curve[-1].queries == record.spent
    assert not [flag for flag in record.flags if flag.name == "budget-not-spent"]


def test_a_signal_to_one_rank_stops_both_and_they_go_on_bit_for_bit(tmp_path):
    config = {"settings": SETTINGS, "budget": 3000}
    assert run_ranks(2, tmp_path / "whole", config) == FINISHED
    assert run_ranks(2, tmp_path / "parts", config, 1200) == ["SIGTERM", "SIGTERM"]
    assert 1200 <= read_record(tmp_path / "parts").spent < 1200 + STEP
    assert run_ranks(2, tmp_path / "parts", config) == FINISHED
    whole, parts = read_record(tmp_path / "whole"), read_record(tmp_path / "parts")
    assert len(parts.resumed) == 1
    assert parts.student_hash == whole.student_hash
    assert parts.accounts["attacker"] == whole.accounts["attacker"]


def test_a_signal_before_the_first_query_stops_both(tmp_path):
    config = {"settings": SETTINGS, "budget": 2 * STEP}
    assert run_ranks(2, tmp_path / "run", config, 0) == ["Interrupted", "Interrupted"]
    assert run_ranks(2, tmp_path / "run", config) == FINISHED


def test_another_number_of_ranks_and_a_ledger_that_is_lost_are_refused(tmp_path):
    folder, config = tmp_path / "run", {"settings": SETTINGS, "budget": 3000}
    run_ranks(2, folder, config, 1200)
    with pytest.raises(RunError, match="begun by 2 processes"):
        copy_model(tiny_config(**config), tiny_target(), folder)
    assert not read_record(folder).finished
    (folder / "ledger-rank1.sqlite").rename(folder / "elsewhere")
    for outcome in run_ranks(2, folder, config):
        assert outcome.startswith("RunError: A rank's ledger in")
        assert "knows of 0 queries" in outcome


def test_what_one_rank_lost_in_a_crash_the_others_give_up(tmp_path):
    folder, config = tmp_path / "run", {"settings": SETTINGS, "budget": 3000}
    run_ranks(2, folder, config, 1200)
    with Ledger(folder / "ledger-rank1.sqlite") as ledger:
        ledger.account("attacker", 1500, block=100).charge(7)  # left open, as a crash leaves it
    assert run_ranks(2, folder, config) == FINISHED
    record = read_record(folder)
    spent = [spent_in(folder / f"ledger{end}.sqlite", "attacker") for end in ("", "-rank1")]
    assert spent[0] == spent[1]
    assert record.accounts["attacker"].lost == 200
    assert record.spent <= 3000
    assert "200 queries charged since then brought nothing" in record.resumed[-1]


def test_a_batch_that_cannot_be_shared_is_one_clear_line_on_each_rank(tmp_path):
    outcomes = run_ranks(2, tmp_path / "run", {"settings": SETTINGS | {"batch_size": 33}})
    assert len(outcomes) == 2
    for outcome in outcomes:
        assert outcome.startswith("ConfigError: batch_size: 33 images cannot be shared evenly by 2")


def test_a_fault_of_rank_0_alone_ends_all(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_text("{")
    first, second = run_ranks(2, folder, {"settings": SETTINGS})
    assert "is damaged" in first
    assert "Rank 0 failed" in second


def test_an_auditor_may_take_longer_than_collectives_wait(tmp_path):
    config = {"settings": SETTINGS, "budget": 2 * STEP, "evaluations": 1}
    assert run_ranks(2, tmp_path / "run", config, patience=4) == FINISHED


def test_the_mean_to_learn_from_is_that_of_all_and_its_gradient_that_of_the_own_value():
    ranks: Any = Ranks(0, 2)
    ranks.mean = lambda value: (value.detach() + 8.0) / 2  # the other rank's is 8
    value = torch.tensor(2.0, requires_grad=True)
    mean = ranks.mean_to_learn_from(value)
    assert mean.item() == 5.0
    (gradient,) = torch.autograd.grad(3 * mean, value)
    assert gradient.item() == 3.0


def test_ranks_draw_their_rows_of_one_batch():
    cpu = torch.device("cpu")
    whole = Noise(3, cpu).normal(6, 2)
    parts = [Noise(3, cpu, Ranks(rank, 3)).normal(2, 2) for rank in range(3)]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("rank", [0, 1])
def test_some_rows_of_a_stream_are_what_they_would_be_among_all(rank):
    streams = [Noise(3, torch.device("cpu"), Ranks(rank, 2)) for _ in range(2)]
    outer, inner = torch.tensor([4, 1, 2]), torch.tensor([2, 0])
    part = streams[0].of(outer, 5).of(inner, 3)
    for draw in ("normal", "uniform", "places"):
        some, whole = getattr(part, draw)(2), getattr(streams[1], draw)(5)
        assert torch.equal(some, whole[[2, 4]])
    for shape in ((), (3,)):
        some, whole = part.integers(2, 9, *shape), streams[1].integers(5, 9, *shape)
        assert torch.equal(some, whole[[2, 4]])
    assert torch.equal(part.state(), streams[1].state())
    start = Noise(3, torch.device("cpu")).state()
    part.restore(start)
    assert torch.equal(streams[0].state(), start)


def test_the_defences_of_each_rank_draw_numbers_of_their_own():
    config, seeds = tiny_config(defences=("noise:0.1",)), []
    for rank in range(3):
        engine = Engine("cpu")
        engine.ranks = Ranks(rank, 3)
        place: Any = SimpleNamespace(target=tiny_target(), engine=engine)
        seeds.append(_api(config, place, attack_of(config)).seed)  # type: ignore[attr-defined]
    alone: Any = defend(tiny_victim(), config.defences, config.seed)
    assert len(set(seeds)) == 3
    assert seeds[0] == alone.seed, "the first rank's are those of a lone run"


PLACE = {"RANK": "0", "LOCAL_RANK": "0", "MASTER_PORT": "29500"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, (1, 1)),
        ({"WORLD_SIZE": "1"}, (1, 1)),
        ({"WORLD_SIZE": "4", **PLACE}, (4, 4)),
        ({"WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4", **PLACE}, (4, 8)),
    ],
)
def test_what_torchrun_started(environment, expected):
    assert launched(environment) == expected


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"WORLD_SIZE": "7", "LOCAL_WORLD_SIZE": "4"}, "do not divide 7"),
        ({"WORLD_SIZE": "x"}, "WORLD_SIZE is 'x'; expected a number from 1"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE is '0'"),
        ({"LOCAL_WORLD_SIZE": "0"}, "LOCAL_WORLD_SIZE is '0'"),
        ({"LOCAL_RANK": "2"}, "LOCAL_RANK is 2; expected less than 2"),
        (
            {"WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4", "LOCAL_RANK": "4"},
            "LOCAL_RANK is 4; expected less than 4",
        ),
        ({"RANK": "-1"}, "RANK is '-1'"),
        ({"GROUP_RANK": "first"}, "GROUP_RANK is 'first'"),
    ],
)
def test_a_world_that_cannot_be_is_refused(environment, expected):
    with pytest.raises(ConfigError, match=expected):
        launched({"WORLD_SIZE": "2"} | PLACE | environment)


@pytest.mark.parametrize("name", PLACE)
def test_a_world_described_in_part_is_refused(name):
    environment = {"WORLD_SIZE": "2"} | PLACE
    del environment[name]
    with pytest.raises(ConfigError, match=f"torchrun: {name} is not set") as caught:
        launched(environment)
    assert len(caught.value.problems) == 1


def test_a_numbered_device_is_not_for_several_processes(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    monkeypatch.setattr("copycost.engine.launched", lambda: (2, 2))
    with pytest.raises(ConfigError, match="each of several processes has its own, got cuda:3"):
        Engine("cuda:3")


def test_a_ledger_of_one_process_is_where_it_always_was(tmp_path):
    copy_model(tiny_config(), tiny_target(), tmp_path)
    with sqlite3.connect(tmp_path / LEDGER_FILE) as db:
        assert db.execute("SELECT COUNT(*) FROM accounts").fetchone() == (2,)
