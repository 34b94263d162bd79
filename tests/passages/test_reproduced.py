"""The tables in the README and the docs, from no records, some, and all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from copycost.attacks import ATTACKS
from copycost.presets import PRESETS
from copycost.presets.kwon2023 import SCALES, STUDIES
from copycost.presets.study import Scale, varied
from copycost.report import wording
from copycost.reproduce.sources import sourced
from copycost.runner.config import RunConfig
from tests.reproduce.made_up import Values, measured, planned, record_of
from tools.passages.generated import PASSAGES
from tools.passages.matching import same_run
from tools.passages.published import PUBLISHED
from tools.passages.reproduced import NOT_RUN, short_passage, whole_passage

ROOT = Path(__file__).parents[2]

FIGURES = [f"figure-{number}" for number in range(2, 10)]


def commit(results: Path, scale: str, label: str, config: RunConfig, **changes: Any) -> None:
    """A record where committed ones lie."""
    folder = results / "kwon2023" / scale / "records" / config.identity("")
    record_of(config, label, **changes).write(folder)


def commit_study(
    results: Path, key: str, scale: str, seeds: int = 3, values: Values = measured, **changes: Any
) -> None:
    for label, configs in planned(key, SCALES[scale], seeds).items():
        for config in configs:
            commit(results, scale, label, config, values=values, **changes)


def cells(passage: str, start: str) -> list[list[str]]:
    """The lines whose first cell starts so, cell by cell."""
    lines = passage.replace(wording.NBSP, " ").splitlines()
    found = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [line for line in found if line[0].strip().startswith(start)]


def test_without_records_every_line_says_so(tmp_path: Path) -> None:
    short = short_passage(tmp_path)
    assert len(short.splitlines()) <= 10
    lines = short.splitlines()[2:]
    assert all(f"| {NOT_RUN} | – | – | – | – | – |" in line for line in lines)
    whole = whole_passage(tmp_path)
    assert whole.count(NOT_RUN) == 2 * len(STUDIES) + len(PUBLISHED)
    assert whole.count("small nets, stand-in data") == 1 + len(STUDIES)


def test_presets_show_what_was_published_and_how_it_is_known(tmp_path: Path) -> None:
    found = {line[0]: line[2] for line in cells(short_passage(tmp_path), "DFME, table 1")}
    assert found == {
        "DFME, table 1 (`dfme-cifar10-20m`)": "88.1 % [S]",
        "DFME, table 1 (`dfme-cifar10-2m`)": "no figure known",
        "DFME, table 1 (`dfme-svhn-2m`)": "95.2 % [S]",
    }


def test_the_docs_name_the_other_methods_presets_too(tmp_path: Path) -> None:
    lines = cells(whole_passage(tmp_path), "")
    found = {line[0].strip("| "): line[2] for line in lines if len(line) > 2}
    assert found["MAZE, table 1 (`maze-cifar10-30m`)"] == "89.85 % [S]"
    assert found["DFMS-HL (`dfms-hl-cifar10-8m`)"] == "84.51 % [M]"
    assert found["IDEAL (`ideal-cifar10-100k`)"] == "no figure known"
    assert found["DisGUIDE (`disguide-cifar10-20m`)"] == "94.02 % [S] of the vote of two students"
    assert found["JBDA, by HODA (`jbda-cifar10-50k`)"] == "41.00 % [F] of a ResNet-18"
    gpu = {name for name in PRESETS if "-cifar10-" in name or "-svhn-" in name}
    assert set(ATTACKS) - {PRESETS[name]["attacks"][0] for name in gpu} == {
        "in-distribution",
        "random-noise",
    }, "the ceiling and the floor aim at no published figure"
    ours = {name for name in gpu if name.startswith("frugal-")}
    assert not [name for name in gpu - ours if not any(f"`{name}`" in line for line in found)]
    page = (ROOT / "docs" / "methods" / "frugal.md").read_text(encoding="utf-8")
    assert ours
    assert not [name for name in ours if f"`{name}`" not in page]


def test_numbers_of_the_paper_are_lines_of_their_own_once_they_are_run(tmp_path: Path) -> None:
    commit_study(tmp_path, "figure-5", "full")
    first, second = cells(short_passage(tmp_path), "Figure 5")
    assert first == [
        "Figure 5",
        "the paper's nets; in bfloat16",
        "the student reaches 86.18% accuracy, within 1 point (CIFAR-10): 86.18 %",
        "accuracy, CIFAR-10: 81.0 % (80.0–82.0 %); agreement, CIFAR-10: 82.0 % (81.0–83.0 %); "
        "accuracy of the victim, CIFAR-10: 95.5 %",
        "**no**",
        "3",
        "17,920,000",
        "2.5",
        "a test machine, 1 thread",
    ]
    assert second[4] == "**no**"
    (others,) = cells(short_passage(tmp_path), "Figures 2–4")
    assert others[3] == "3 of 7 run", "figures 2, 3 and 4 show the same runs as figure 5"


def test_missing_seeds_are_said(tmp_path: Path) -> None:
    commit_study(tmp_path, "figure-8", "quick", seeds=1)
    line, *_ = [x for x in cells(whole_passage(tmp_path), "Figure 8") if "small nets" in x[1]]
    assert line[4:6] == ["**no**, so far", "1"]
    (counted,) = cells(short_passage(tmp_path), "Figures 2–9")
    assert counted[3:5] == [NOT_RUN, "–"]


def test_what_is_only_measured_waits_for_every_seed(tmp_path: Path) -> None:
    """A run that diverged leaves no record, and the seeds that are left would flatter."""
    commit_study(tmp_path, "modes", "quick", seeds=2)
    title = STUDIES["modes"].title
    (line,) = [x for x in cells(whole_passage(tmp_path), title) if "small nets" in x[1]]
    count = len(STUDIES["modes"].series(SCALES["quick"]))
    assert line[3] == f"{2 * count} of {3 * count} runs"
    commit_study(tmp_path, "modes", "quick")
    (line,) = [x for x in cells(whole_passage(tmp_path), title) if "small nets" in x[1]]
    assert "best: " in line[3]


def test_seeds_beyond_those_of_the_plan_are_not_counted(tmp_path: Path) -> None:
    commit_study(tmp_path, "figure-8", "quick", seeds=5)
    line, *_ = [x for x in cells(whole_passage(tmp_path), "Figure 8") if "small nets" in x[1]]
    assert line[5] == "3"
    assert "so far" not in line[4]


def test_records_of_one_study_are_of_one_arithmetic_which_is_said(tmp_path: Path) -> None:
    commit_study(tmp_path, "figure-5", "full", seeds=1)
    (line, *_) = cells(short_passage(tmp_path), "Figure 5")
    assert (line[1], line[5]) == ("the paper's nets; in bfloat16", "1")
    for label, configs in planned("figure-5", SCALES["full"], 3).items():
        for config in configs[1:]:
            fine = config.model_copy(update={"precision": "float32"})
            commit(tmp_path, "full", label, fine)
    (line, *_) = cells(short_passage(tmp_path), "Figure 5")
    assert (line[1], line[5]) == ("the paper's nets", "2"), "of seeds 1 and 2, as most are"


def test_copies_of_another_victim_of_the_same_name_are_not_among_them(tmp_path: Path) -> None:
    commit_study(tmp_path, "figure-5", "full")
    for label, configs in planned("figure-5", SCALES["full"], 1).items():
        other = configs[0].model_copy(update={"data": "cifar10:elsewhere"})
        poor: Values = lambda *_: {"accuracy": 0.2, "agreement": 0.2}  # noqa: E731
        commit(tmp_path, "full", label, other, victim={"content_hash": "0" * 64}, values=poor)
    for line in cells(short_passage(tmp_path), "Figure 5"):
        assert "20.0" not in line[3]


def test_all_figures_of_a_scale_are_counted(tmp_path: Path) -> None:
    # Backwards: runs that figures share shall have the curves that figures 2 to 4 tell apart.
    for key in reversed(FIGURES):
        commit_study(tmp_path, key, "quick")
    (counted,) = cells(short_passage(tmp_path), "Figures 2–9")
    assert "**small nets, stand-in data**; scikit-learn's digits in CIFAR-10's place" in counted[1]
    # Made-up curves: 2, 3, 4 and 6 hold; 5 is a number of other data's, 7 to 9 fail elsewhere.
    assert counted[3:7] == ["8 of 8 run", "4 of 8, 1 not comparable", "3", "120,000"]


def test_a_line_names_the_data_and_the_budget_that_it_is_about(tmp_path: Path) -> None:
    commit_study(tmp_path, "headline", "quick")
    lines = cells(whole_passage(tmp_path), "Accuracy at the budgets")
    small = [line for line in lines if "small nets" in line[1]]
    assert [line[4] for line in small] == ["not comparable"] * 4
    assert small[0][1].endswith("CIFAR-10's place; 134,000 queries in place of 20 million")
    assert small[1][1].endswith("16×16 in SVHN's place; 13,400 queries in place of 2 million")


def test_stand_ins_at_full_scale_are_named(tmp_path: Path) -> None:
    scale = sourced(SCALES["full"], None, house_numbers=True)
    for label, configs in planned("figure-9", scale).items():
        for config in configs:
            commit(tmp_path, "full", label, config)
    line, *_ = cells(whole_passage(tmp_path), "Figure 9")
    assert line[1] == "the paper's nets; synthetic house numbers in SVHN's place; in bfloat16"
    assert line[5] == "3"


def commit_on(results: Path, key: str, scale: Scale, seeds: int) -> None:
    for label, configs in planned(key, scale, seeds).items():
        for config in configs:
            commit(results, "full", label, config)


def test_neither_svhn_nor_what_stands_for_it_hides_the_other(tmp_path: Path) -> None:
    """Figures 7 and 9 have a run in common."""
    instead = sourced(SCALES["full"], None, house_numbers=True)
    for key in ("figure-7", "figure-9"):
        commit_on(tmp_path, key, instead, seeds=3)
    commit_on(tmp_path, "figure-9", SCALES["full"], seeds=1)
    place = "; synthetic house numbers in SVHN's place"
    for name in ("Figure 7", "Figure 9"):
        found = {line[1]: line[5] for line in cells(whole_passage(tmp_path), name)[:-1]}
        assert found == {
            "the paper's nets; in bfloat16": "1",
            f"the paper's nets{place}; in bfloat16": "3",
        }
    (counted,) = cells(short_passage(tmp_path), "Figures 2–4")
    assert place in counted[1]
    assert counted[3:6] == ["2 of 7 run", "0 of 2", "3"], "on house numbers, as SVHN lacks seeds"
    commit_on(tmp_path, "figure-9", SCALES["full"], seeds=3)
    (counted,) = cells(short_passage(tmp_path), "Figures 2–4")
    assert counted[3] == "2 of 7 run", "each once, and figure 9 on SVHN"


def preset_config(name: str, **changes: Any) -> RunConfig:
    preset = PRESETS[name]
    values = {**preset["shared"], "attack": "dfme", "settings": preset["settings"]["dfme"]}
    return RunConfig.read(dict(varied(values, **changes)))


def test_a_presets_record_counts_in_any_arithmetic(tmp_path: Path) -> None:
    label = PUBLISHED["dfme-cifar10-20m"].setting

    def high(label: str, seed: int, share: float) -> dict[str, float]:
        return {**measured(label, seed, share), "accuracy": 0.875}

    config = preset_config("dfme-cifar10-20m", precision="bfloat16", evaluations=7)
    commit(tmp_path, "full", label, config, values=high)
    line, other, _ = cells(short_passage(tmp_path), "DFME, table 1")
    assert line[3].startswith("accuracy, CIFAR-10, 20 million queries: 87.5 %; ")
    assert line[4:6] == ["yes, so far", "1"]
    assert other[3] == NOT_RUN


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"precision": "float32", "device": "cpu", "evaluations": 3}, True),
        ({"seed": 2}, True),
        ({"settings": {"epsilon": 0.1}}, True),
        ({"data": "parquet:/somewhere"}, True),
        ({"settings": {"generator_lr": 1e-4}}, False),
        ({"settings": {"directions": 3}}, False),
        ({"settings": {"generator_mode": "eval"}}, False),
        ({"student": "resnet20"}, False),
        ({"budget": 2_000_000}, False),
        ({"access": "logits"}, False),
        ({"victim": "svhn-resnet34"}, False),
    ],
)
def test_what_makes_two_runs_the_same(changes: dict[str, Any], same: bool) -> None:
    base = SCALES["full"].cifar10
    config = RunConfig.read(dict(base))
    record = record_of(RunConfig.read(dict(varied(base, **changes))), "a series")
    assert same_run(record, config) is same


def test_the_readme_and_the_docs_list_them() -> None:
    assert PASSAGES["reproduced"] is short_passage
    assert PASSAGES["reproduced-whole"] is whole_passage


def test_a_bar_in_a_name_cannot_end_its_cell(tmp_path: Path) -> None:
    commit_study(tmp_path, "figure-2", "quick")
    for path in (tmp_path / "kwon2023" / "quick" / "records").glob("*/record.json"):
        path.write_text(path.read_text().replace("a test machine", "a|b"))
    line, *_ = [x for x in cells(whole_passage(tmp_path), "Figure 2") if "small nets" in x[1]]
    assert line[8] == "a\\|b, 1 thread"
