"""The passages of Frugal's page, from records made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from copycost.attacks.frugal import Frugal
from copycost.settings import write_settings
from tests.report.conftest import MakeRecord
from tools.passages.frugal import (
    cifar10_passage,
    photographs_passage,
    twentieth_passage,
)
from tools.passages.frugal_labels import adjustment_passage, label_photographs_passage
from tools.passages.frugal_lessons import (
    digits_aim_passage,
    lessons_passage,
    losses_passage,
)
from tools.passages.frugal_parts import label_parts_passage, parts_passage
from tools.passages.frugal_suited import suited_passage
from tools.passages.markdown import NOT_RUN


@pytest.fixture
def write(make_record: MakeRecord, tmp_path: Path):
    def write(folder: str, attack: str, agreements: list[float], budget: int, **changes) -> None:
        changes.setdefault("config", {"settings": {}})
        for seed, agreement in enumerate(agreements):
            record = make_record(attack, seed, agreement, budget=budget, **changes)
            place = tmp_path / folder / f"{attack}-{budget}-{seed}-{len(list(tmp_path.rglob('*')))}"
            place.mkdir(parents=True)
            record.write(place)

    return write


@pytest.mark.parametrize(("own", "word"), [(0.81, "reached"), (0.8, "reached"), (0.79, "missed")])
def test_the_verdict_follows_from_the_medians(own, word, write, tmp_path):
    write("frugal/twentieth", "dfme", [0.7, 0.8, 0.9], 100_000)
    write("frugal/twentieth", "frugal", [0.1, own, 0.99], 5_000)
    write("frugal/twentieth", "random-noise", [0.1, 0.11, 0.12], 5_000)
    text = twentieth_passage(tmp_path)
    assert f": **{word}**. Frugal has {own:.1%}".replace("%", " %") in text.replace("\u00a0", " ")
    assert "DFME 80.0 % with 20 times as many" in text.replace("\u00a0", " ")
    assert "11.0 %" in text.replace("\u00a0", " ")  # the floor at Frugal's own budget


@pytest.mark.parametrize(("own", "overlap"), [([0.82, 0.85], True), ([0.91, 0.95], False)])
def test_medians_whose_ranges_overlap_are_in_doubt(own, overlap, write, tmp_path):
    write("frugal/twentieth", "dfme", [0.7, 0.8, 0.9], 100_000)
    write("frugal/twentieth", "frugal", own, 5_000)
    text = twentieth_passage(tmp_path)
    assert "reached" in text
    assert ("ranges over seeds overlap, so this may be chance" in text) is overlap


def test_noise_stands_beside_each_attack_at_its_own_budget(write, tmp_path):
    write("frugal/twentieth", "dfme", [0.8], 100_000)
    write("frugal/twentieth", "frugal", [0.7], 5_000)
    write("frugal/twentieth", "random-noise", [0.11], 5_000)
    write("frugal/twentieth", "random-noise", [0.33], 100_000)
    text = twentieth_passage(tmp_path).replace("\u00a0", " ")
    rows = {line.split(" | ")[2]: line.split(" | ")[5] for line in text.splitlines() if "|" in line}
    assert (rows["DFME"], rows["Frugal"]) == ("33.0 %", "11.0 %")


def test_a_rival_of_several_settings_is_held_up_by_the_best(write, tmp_path):
    for batch, agreement in ((32, 0.5), (16, 0.8)):
        config = {"settings": {"batch_size": batch}}
        write("frugal/twentieth", "dfme", [agreement], 100_000, config=config)
    write("frugal/twentieth", "frugal", [0.7], 5_000)
    text = twentieth_passage(tmp_path)
    assert "missed" in text
    assert "reached" not in text


@pytest.mark.parametrize(
    "other",
    [
        {"student": "resnet34-8x"},
        {"victim": {"dataset": "other images"}},
        {"victim": {"defences": ("round",)}},
    ],
)
def test_copies_are_compared_with_copies_of_the_same_alone(other, write, tmp_path):
    """By the same student, of the same data and behind the same defences."""
    for changes, rival, own in (({}, 0.8, 0.7), (other, 0.5, 0.6)):
        write("frugal/twentieth", "dfme", [rival], 100_000, **changes)
        write("frugal/twentieth", "frugal", [own], 5_000, **changes)
    text = twentieth_passage(tmp_path).replace("\u00a0", " ")
    lines = [line for line in text.splitlines() if line.startswith("- ")]
    assert len(lines) == 2
    assert any("**missed**. Frugal has 70.0 %" in line and "DFME 80.0 %" in line for line in lines)
    assert any("**reached**. Frugal has 60.0 %" in line and "DFME 50.0 %" in line for line in lines)


def test_runs_with_no_setting_given_count_by_any_loss_on_victims_that_others_copied(
    write, tmp_path
):
    write("frugal/twentieth", "dfme", [0.8], 100_000)
    write("frugal/twentieth", "frugal", [0.7], 5_000)
    suited = {"settings": {"loss": "l2"}}
    write("frugal/suited", "frugal", [0.9], 5_000, config=suited)
    write("frugal/suited", "frugal", [0.6], 5_000, config=suited, victim={"name": "another"})
    text = twentieth_passage(tmp_path).replace("\u00a0", " ")
    assert "**reached**. Frugal has 90.0 % with 5,000 queries" in text
    assert "70.0 %" not in text
    assert "60.0 %" not in text


def test_rivals_at_cifar10s_own_size_are_held_against_frugal_with_no_setting_given(write, tmp_path):
    write("frugal/cifar10", "dfme", [0.4], 480_000)
    write("frugal/suited", "frugal", [0.6], 24_000, config={"settings": {"loss": "l2"}})
    text = twentieth_passage(tmp_path).replace("\u00a0", " ")
    assert "**reached**. Frugal has 60.0 % with 24,000 queries, DFME 40.0 % with 20 times" in text


@pytest.mark.parametrize(("agreement", "verdict"), [(0.991, "passed"), (0.99, "missed")])
def test_the_first_try_on_digits_is_passed_by_the_best_settings_alone(
    agreement, verdict, write, tmp_path
):
    assert digits_aim_passage(tmp_path) == NOT_RUN
    victim = {"victim": {"name": "digits-cnn"}}
    for loss, found in (("l1", [0.2]), ("l2", [0.9, agreement, 1.0])):
        config = {"settings": {"loss": loss}}
        write("frugal/lessons", "frugal", found, 60_000, config=config, **victim)
    write("frugal/lessons", "frugal", [1.0], 50_000, **victim)
    text = digits_aim_passage(tmp_path)
    assert f"is {verdict}: {agreement:.1%}".replace("%", "\u00a0%") in text
    assert "L2: the best of 2 settings" in text


def test_labels_are_held_against_labels_and_against_probabilities(write, tmp_path):
    write("frugal/twentieth", "dfme", [0.6], 100_000)
    write("frugal/twentieth", "disguide", [0.8], 100_000, access="label")
    write("frugal/twentieth", "frugal", [0.9], 5_000)
    write("frugal/twentieth", "frugal", [0.7], 5_000, access="label")
    text = twentieth_passage(tmp_path).replace("\u00a0", " ")
    lines = [line for line in text.splitlines() if line.startswith("- ")]
    assert len(lines) == 3  # nothing of probabilities against DisGUIDE's labels
    assert any("**reached**. Frugal has 90.0 %" in line for line in lines)
    assert any(
        "by labels alone: **reached**" in line and "DFME, told probabilities, 60.0 %" in line
        for line in lines
    )
    assert any(
        "by labels alone: **missed**" in line and "queries, DisGUIDE 80.0 %" in line
        for line in lines
    )


def test_labels_are_compared_by_their_adjustment_and_older_records_are_left_out(write, tmp_path):
    assert adjustment_passage(tmp_path) == NOT_RUN
    write("frugal/twentieth", "frugal", [0.99], 5_000, access="label")
    assert adjustment_passage(tmp_path) == NOT_RUN
    for folder, strength, agreement in (("twentieth", 1.0, 0.6), ("adjustment", 0.5, 0.7)):
        config = {"settings": {"adjustment": strength}}
        write(f"frugal/{folder}", "frugal", [agreement], 5_000, access="label", config=config)
        write(f"frugal/{folder}", "frugal", [0.98], 5_000, config=config)
    lines = adjustment_passage(tmp_path).replace("\u00a0", " ").splitlines()
    rows = [line.split(" | ")[1:4] for line in lines if "5,000" in line]
    assert rows == [["5,000", "0.5", "70.0 %"], ["5,000", "1", "60.0 %"]]


def test_labels_of_photographs_are_shown_with_lessons_of_the_same_victim(write, tmp_path):
    assert label_photographs_passage(tmp_path) == NOT_RUN
    chosen = {"candidates": 16, "balanced": False, "adjustment": 0.5, "student_steps": 32}
    own = {"access": "label", "victim": {"name": "photographs"}}
    write("frugal/label-photographs", "frugal", [0.7], 9_000, config={"settings": chosen}, **own)
    write("frugal/label-photographs", "frugal", [0.5], 6_000, config={"settings": chosen}, **own)
    write("frugal/lessons", "frugal", [0.6], 9_000, **own)
    write("frugal/lessons", "frugal", [0.99], 9_000, victim={"name": "photographs"})
    write("frugal/lessons", "frugal", [0.98], 9_000, access="label", victim={"name": "another"})
    lines = label_photographs_passage(tmp_path).replace("\u00a0", " ").splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| ")][2:]
    assert [(row[0], *row[3:8]) for row in rows] == [
        ("| 6,000", "16", "–", "0.5", "32", "50.0 %"),
        ("| 9,000", "4", "of classes", "0", "16", "60.0 %"),
        ("| 9,000", "16", "–", "0.5", "32", "70.0 %"),
    ]


def test_runs_with_no_setting_given_are_told_from_the_others(write, tmp_path):
    assert suited_passage(tmp_path) == NOT_RUN
    plain = write_settings(Frugal())
    suited = plain | Frugal.suited(24_000)
    some = [(0.3, plain), (0.9, suited), (0.8, suited | {"student_steps": 7})]
    for agreement, settings in some:
        write("frugal/suited", "frugal", [agreement], 24_000, config={"settings": settings})
    write("frugal/suited", "frugal", [0.5], 6_000, config={"settings": suited}, access="label")
    lines = suited_passage(tmp_path).replace("\u00a0", " ").splitlines()
    rows = [line.split(" | ")[1:5] for line in lines if ",000 |" in line]
    assert rows == [
        ["probabilities", "24,000", "two students, 16 steps for each batch of 256", "30.0 %"],
        ["probabilities", "24,000", "7 steps for each batch of 64, 16 candidates", "80.0 %"],
        ["probabilities", "24,000", "the budget's: 32 steps for each batch of 64, 16 candidates",
         "90.0 %"],
        ["label", "6,000", "32 steps for each batch of 64, 16 candidates", "50.0 %"],
    ]  # fmt: skip


def test_more_than_a_twentieth_decides_nothing(write, tmp_path):
    write("frugal/twentieth", "dfme", [0.8], 100_000)
    write("frugal/twentieth", "frugal", [0.99], 5_001)
    text = twentieth_passage(tmp_path)
    assert "reached" not in text
    assert "missed" not in text


def test_dfme_alone_or_on_another_victim_is_not_shown(write, tmp_path):
    write("digits", "dfme", [0.8], 100_000)
    assert twentieth_passage(tmp_path) == NOT_RUN
    write("frugal/twentieth", "frugal", [0.9], 5_000, victim={"name": "another"})
    assert "dfme" not in twentieth_passage(tmp_path).lower()


def test_copies_of_two_victims_are_not_held_against_each_other(write, tmp_path):
    for name in ("one", "other"):
        write("frugal/twentieth", "dfme", [0.8], 100_000, victim={"name": name})
        write("frugal/twentieth", "frugal", [0.7], 5_000, victim={"name": name})
    lines = [line for line in twentieth_passage(tmp_path).splitlines() if line[:2] == "- "]
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("passage", "folder"),
    [(photographs_passage, "frugal/photographs"), (cifar10_passage, "frugal/cifar10")],
)
def test_kinds_of_images_are_set_beside_each_other_best_first(passage, folder, write, tmp_path):
    assert passage(tmp_path) == NOT_RUN
    views = {"shift": 0.25, "flip": True}
    for agreement, kind, more in ((0.3, "untrained", {}), (0.5, "textured", views)):
        config = {"settings": {"sources": [kind], **more}}
        write(folder, "frugal", [agreement], 6_000, config=config)
    steps = {"student_steps": 9, "batch_size": 16}
    write(folder, "dfme", [0.4], 120_000, config={"settings": steps})
    rows = [line for line in passage(tmp_path).splitlines() if line[:2] == "| "][2:]
    assert [row.split(" | ")[2] for row in rows] == ["`textured`", "–", "`untrained`"]
    learnt = [row.split(" | ")[3].replace("\u00a0", " ") for row in rows]
    assert learnt == ["moved by up to 25.0 %, mirrored", "–", "as asked"]
    assert "| 9 steps for each batch of 16 | strictly data-free | 120,000 | 40.0" in rows[1]


def test_victims_of_one_recipe_that_came_out_otherwise_are_told_by_their_range(write, tmp_path):
    write("frugal/cifar10", "frugal", [0.5], 6_000, victim={"accuracy": 0.75})
    assert "of 75.0 % accuracy" in cifar10_passage(tmp_path).replace("\u00a0", " ")
    write("frugal/cifar10", "random-noise", [0.1], 6_000, victim={"accuracy": 0.775})
    assert "of 75.0 % to 77.5 % accuracy" in cifar10_passage(tmp_path).replace("\u00a0", " ")


def test_that_each_copied_its_own_victim_is_said_where_it_is_so(write, tmp_path):
    write("frugal/twentieth", "dfme", [0.8], 100_000)
    write("frugal/twentieth", "frugal", [0.7], 5_000)
    assert "two victims" not in twentieth_passage(tmp_path)
    write("frugal/twentieth", "frugal", [0.7], 5_000, victim={"content_hash": "0f" * 32})
    lines = [line for line in twentieth_passage(tmp_path).splitlines() if line[:2] == "- "]
    assert ["two victims" in line for line in lines].count(True) == 1


def test_lessons_go_from_poor_to_good_budget_by_budget_and_data_by_data(write, tmp_path):
    assert lessons_passage(tmp_path) == NOT_RUN
    moved = {"flip": True, "as_asked": 0.25, "members": 1, "student_steps": 64}
    runs: list[tuple[float, int, dict[str, Any], str, str]] = [
        (0.55, 6_000, {}, "digits", "label"),
        (0.7, 6_000, {"student_steps": 128, "sources": ["leaves"]}, "digits", "probabilities"),
        (0.5, 6_000, {}, "digits", "probabilities"),
        (0.9, 24_000, {}, "digits", "probabilities"),
        (0.6, 6_000, moved, "digits", "probabilities"),
        (0.4, 6_000, {"as_asked": 0.25}, "clothes", "probabilities"),
    ]
    for agreement, budget, settings, data, access in runs:
        told = {"sources": ["untrained"], **settings}
        victim = {"dataset": data, "architecture": f"net of {data}"}
        config = {"settings": told}
        told = {"config": config, "victim": victim, "access": access}
        write("frugal/lessons", "frugal", [agreement], budget, **told)
    text = lessons_passage(tmp_path).replace("\u00a0", " ")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line[:2] == "| "][2:]
    assert [row[:1] + row[2:7] + row[8:9] for row in rows] == [
        ["clothes", "`untrained`", "6,000", "2", "16", "100.0 %", "40.0 %"],
        ["digits", "`untrained`", "6,000", "2", "16", "100.0 %", "50.0 %"],
        ["digits", "`untrained`", "6,000", "1", "64", "25.0 %", "60.0 %"],
        ["digits", "`leaves`", "6,000", "2", "128", "100.0 %", "70.0 %"],
        ["digits", "`untrained`", "24,000", "2", "16", "100.0 %", "90.0 %"],
        ["digits", "`untrained`", "6,000", "2", "16", "100.0 %", "55.0 %"],
    ]
    assert [row[1] for row in rows] == [*["probabilities"] * 5, "label"]
    assert "clothes: victim `net of clothes`" in text
    assert "digits: victim `net of digits`" in text


def test_what_is_learnt_as_it_was_asked_is_told_if_some_is_not(write, tmp_path):
    for more in ({"flip": True, "as_asked": 0.25}, {"flip": True}, {"as_asked": 0.25}):
        config = {"settings": {"sources": ["leaves"], **more}}
        write("frugal/cifar10", "frugal", [0.5], 6_000, config=config)
    told = cifar10_passage(tmp_path).replace("\u00a0", " ")
    assert all(
        f"| {how} |" in told for how in ("25.0 % as asked, mirrored", "mirrored", "as asked")
    )


def test_losses_are_set_beside_each_other_where_all_else_is_the_same(write, tmp_path):
    assert losses_passage(tmp_path) == NOT_RUN

    def run(folder: str, agreements: list[float], **more) -> None:
        config = {"settings": {"sources": ["leaves"], **more}}
        write(f"frugal/{folder}", "frugal", agreements, 6_000, config=config)

    run("twentieth", [0.6, 0.7, 0.8])  # of old: no loss
    run("twentieth", [0.9], loss="l2", shift=0.0, flip=False)
    run("twentieth", [0.3], loss="kl")
    run("photographs", [0.2], loss="l1", flip=True)
    run("lessons", [0.1], loss="l1", student_steps=5)  # no L2 with as many steps
    rows = [line for line in losses_passage(tmp_path).splitlines() if line[:2] == "| "][2:]
    (row,) = rows
    assert row.replace("\u00a0", " ").endswith(
        "| as asked | 2 | 16 | 70.0 % (60.0–80.0 %) | 90.0 % |"
    )


def test_other_losses_stay_out_of_the_other_tables(write, tmp_path):
    write("frugal/twentieth", "frugal", [0.9], 5_000, config={"settings": {"loss": "l2"}})
    write("frugal/photographs", "frugal", [0.9], 6_000, config={"settings": {"loss": "l2"}})
    write("frugal/lessons", "frugal", [0.9], 6_000, config={"settings": {"loss": "l2"}})
    assert twentieth_passage(tmp_path) == photographs_passage(tmp_path) == NOT_RUN
    assert lessons_passage(tmp_path) == NOT_RUN


@pytest.mark.parametrize("first", [(0.9, 32, 2), (0.5, 1, 2)], ids=["the usual", "another"])
def test_parts_are_named_by_what_they_change_of_the_usual_which_most_have(first, write, tmp_path):
    assert parts_passage(tmp_path) == label_parts_passage(tmp_path) == NOT_RUN
    runs = [(0.9, 32, 2), (0.5, 1, 2), (0.8, 32, 1)]
    for agreement, steps, members in sorted(runs, key=lambda run: run != first):
        config = {"settings": {"student_steps": steps, "members": members}}
        write("frugal/parts", "frugal", [agreement], 3_000, config=config)
    rows = [line for line in parts_passage(tmp_path).splitlines() if line.startswith("| ")][2:]
    assert [row.split(" | ")[0] for row in rows] == [
        "| none",
        "| `members` 1",
        "| `student_steps` 1",
    ]
