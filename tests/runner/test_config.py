from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copycost.attacks.dfme import DFME
from copycost.attacks.frugal import Frugal
from copycost.errors import ConfigError
from copycost.losses import l1_sum
from copycost.runner.audit import AuditConfig
from copycost.runner.config import RunConfig
from copycost.runner.making import attack_of
from copycost.settings import write_settings
from copycost.types import Access, Precision


def test_all_faults_at_once():
    with pytest.raises(ConfigError) as caught:
        RunConfig.read(
            {
                "attack": "dfme",
                "settings": {"batch_size": 0, "scheduer": "cosine", "epsilon": -1},
                "student": "resnet17",
                "budget": 0,
                "access": "everything",
                "defences": ("rounding:2", "smoothing:1"),
                "colour": "blue",
            }
        )
    text = "\n".join(caught.value.problems)
    for expected in (
        "dfme.batch_size",
        "dfme.scheduer: there is no such setting",
        "dfme.epsilon",
        "no architecture 'resnet17'",
        "budget",
        "access",
        "no defence 'smoothing'",
        "colour: there is no such setting",
    ):
        assert expected in text


def test_no_defence_is_passed_by():
    with pytest.raises(ConfigError) as caught:
        RunConfig.read({"access": "logits", "defences": ("rounding:2", "smoothing:1")})
    first, second = caught.value.problems
    assert first.startswith("defences: expected a victim that computes at least logits")
    assert "no defence 'smoothing'" in second
    assert RunConfig(access="logits").defences == ()


def test_an_audit_reports_the_faults_of_all_its_runs_once():
    with pytest.raises(ConfigError) as caught:
        AuditConfig.read({"seeds": 3, "shared": {"budget": -1, "student": "no"}})
    assert len(caught.value.problems) == 2


def test_settings_of_an_attack_not_run_are_an_error():
    with pytest.raises(ConfigError, match="dfme, which is not to be run"):
        AuditConfig.read({"attacks": ("random-noise",), "settings": {"dfme": {}}})


def test_runs_go_seed_by_seed():
    runs = AuditConfig.read({"seeds": 2, "first_seed": 5}).runs()
    assert [(r.attack, r.seed) for r in runs] == [
        ("frugal", 5),
        ("dfme", 5),
        ("random-noise", 5),
        ("frugal", 6),
        ("dfme", 6),
        ("random-noise", 6),
    ]


def test_words_and_lists_become_what_a_record_has():
    config = RunConfig(access="label", defences=[])
    assert isinstance(config.access, Access)
    assert config == RunConfig(access=Access.LABEL)
    assert hash(RunConfig(access="probabilities", defences=["rounding:2"]).defences)


def test_k_makes_no_two_runs_of_one_where_nothing_is_cut_to_it():
    runs = [RunConfig(access=access, top_k=k) for access in ("label", "top-k") for k in (1, 3, 5)]
    assert len({run.identity("") for run in runs}) == 4
    assert [run.top_k for run in runs] == [5, 5, 5, 1, 3, 5]


@pytest.mark.parametrize("loss", [3, None, True, ["l1"]])
def test_what_can_be_no_function_is_refused_where_one_is_named(loss):
    with pytest.raises(ConfigError, match=r"dfme\.loss: expected one of l1, .*, got ") as caught:
        RunConfig.read({"attack": "dfme", "settings": {"loss": loss}})
    (problem,) = caught.value.problems
    assert problem.endswith(f"got {loss!r}")
    with pytest.raises(ValueError, match="expected one of l1, "):
        DFME(loss=loss)
    assert DFME(loss=l1_sum).loss is l1_sum


@pytest.mark.parametrize("budget", [0, 10**20, 10**40])
def test_a_budget_beyond_counting_is_a_fault(budget):
    with pytest.raises(ConfigError, match="budget"):
        RunConfig.read({"budget": budget})


def test_identity_knows_defaults_written_out_but_not_how():
    short = RunConfig.read({})
    long = RunConfig.read({"settings": {"batch_size": 256, "schedule": "steps:0.1,0.3,0.5:0.3"}})
    assert short.identity("v") == long.identity("v")
    assert short.identity("v") != short.identity("w")
    assert short.identity("v") != RunConfig.read({"seed": 1}).identity("v")


def test_what_suits_the_budget_stands_where_no_setting_is_given():
    given = {"members": 3, "sources": "winners"}
    small, large = (
        RunConfig(attack="frugal", budget=budget, settings=given) for budget in (6_000, 1_000_000)
    )
    for config in (small, large):
        full, attack = config.in_full()["settings"], attack_of(config)
        assert full == write_settings(attack)
        suited = Frugal.suited(config.budget)
        assert full == {**write_settings(Frugal()), **suited, "members": 3, "sources": ["winners"]}
    assert attack_of(small).batch_size < attack_of(large).batch_size


def test_what_suits_the_budget_written_out_is_the_same_run():
    told = RunConfig(attack="frugal", budget=6_000)
    assert told.identity("v") == told.model_copy(
        update={"settings": Frugal.suited(6_000)}
    ).identity("v")
    assert told.identity("v") != told.model_copy(
        update={"settings": Frugal.suited(24_000)}
    ).identity("v")


@given(
    budget=st.integers(1, 10**9),
    seed=st.integers(0, 2**31),
    lr=st.floats(1e-6, 10),
    loss=st.sampled_from(["l1", "kl", "l1-sum"]),
)
def test_in_full_is_json_and_reads_back_the_same(budget, seed, lr, loss):
    config = RunConfig.read(
        {"budget": budget, "seed": seed, "settings": {"student_lr": lr, "loss": loss}}
    )
    full = json.loads(json.dumps(config.in_full()))
    again = RunConfig.read(full)
    assert again.in_full() == full
    assert again.identity("v") == config.identity("v")


def test_an_attack_named_twice_is_run_once():
    audit = AuditConfig.read({"attacks": ["dfme", "random-noise", "dfme"]})
    assert [run.attack for run in audit.runs()] == ["dfme", "random-noise"]


def test_what_each_run_has_of_its_own_cannot_be_shared():
    with pytest.raises(ConfigError, match="seed, settings cannot be the same for all runs"):
        AuditConfig.read({"shared": {"seed": 9, "settings": {"batch_size": 7}}})


def test_words_for_enumerations_are_written_as_they_are_read() -> None:
    named = RunConfig(precision="tf32", victim_precision="bfloat16", compile="on")
    words = {"precision": "tf32", "victim_precision": "bfloat16", "compile": "on"}
    assert RunConfig().model_copy(update=words).model_dump_json() == named.model_dump_json()
    assert named.victim_precision is Precision.BFLOAT16
