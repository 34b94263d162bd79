from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from copycost.cli.sweep import _grid_values
from copycost.errors import ConfigError
from copycost.sweep.grid import Grid, names, unique
from copycost.sweep.grid_file import read_grid_file

NOTHING: dict[str, dict[str, object]] = {"shared": {}, "axes": {}}


def test_every_combination_once(values):
    values |= {
        "seeds": 2,
        "axes": {"budget": [600, 700], "defences": [[], ["rounding:2"]]},
        "variants": {"dfme": {"student_steps": [1, 2, 3]}},
    }
    runs = Grid.read(values).runs()
    found = Counter((r.seed, r.budget, r.defences, r.attack) for r in runs)
    assert len(runs) == 2 * 2 * 2 * (3 + 1)
    assert set(found.values()) == {1, 3}
    assert found[(1, 700, ("rounding:2",), "dfme")] == 3
    assert [run.seed for run in runs] == sorted(run.seed for run in runs)
    steps = [r.settings["student_steps"] for r in runs if r.attack == "dfme"]
    assert Counter(steps) == {1: 8, 2: 8, 3: 8}


def test_axes_go_over_what_is_shared_and_variants_over_settings(values):
    values |= {"axes": {"budget": [9]}, "variants": {"dfme": {"batch_size": [4]}}}
    runs = Grid.read(values).runs()
    assert {run.budget for run in runs} == {9}
    assert {run.settings["batch_size"] for run in runs if run.attack == "dfme"} == {4}
    assert {run.settings["width"] for run in runs if run.attack == "dfme"} == {8}


def test_the_same_run_written_otherwise_is_one_run(values):
    values |= {"attacks": ("dfme",), "settings": {}, "axes": {"budget": [600, 700, 600]}}
    values["variants"] = {"dfme": {"batch_size": [128, "256", 256]}}
    default = Grid.read({**values, "variants": {}}).runs()[0]  # its batch size is 256
    runs = [*Grid.read(values).runs(), default]
    assert len(runs) == 10
    found = [(run.budget, run.in_full()["settings"]["batch_size"]) for run in unique(runs)]  # type: ignore[index,call-overload]
    assert found == [(600, 128), (600, 256), (700, 128), (700, 256)]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"axes": {"budget": []}}, ["axes.budget", "at least 1 item"]),
        ({"axes": {"budget": 600}}, ["axes.budget", "tuple"]),
        ({"axes": {"colour": ["red"], "seed": [1]}}, ["no axis colour, seed", "Known: victim"]),
        ({"axes": {"budget": [0, -1]}}, ["budget", "greater than or equal to 1", "-1"]),
        ({"axes": {"budget": [True]}, "seeds": True}, ["budget: expected a number", "seeds: exp"]),
        ({"variants": {"dfme": {"student_steps": [True]}}}, ["student_steps: expected a number"]),
        ({"axes": {"access": ["all"]}}, ["access"]),
        (
            {"variants": {"maze": {"x": [1]}}},
            ["variants: there are some of maze, which is not to be run"],
        ),
        ({"variants": {"dfme": {"colour": [1]}}}, ["dfme.colour: there is no such setting"]),
        ({"axes": {"device": ["cpu", "cuda:1"]}}, ["GPU of its own"]),
        ({"budgett": 1}, ["budgett: there is no such setting", "Known: attacks, seeds, "]),
        (
            {"shared": {"colour": 1}},
            ["colour: there is no such setting", "Known: attack, settings, "],
        ),
        (
            {"colour": 1, "seeds": 0, "attacks": ["dfm"]},
            ["colour", "seeds: ", "Did you mean 'dfme'"],
        ),
    ],
)
def test_every_fault_is_named(values, more, expected):
    with pytest.raises(ConfigError) as caught:
        Grid.read(values | more)
    text = "\n".join(caught.value.problems)
    for part in expected:
        assert part in text


def test_a_fault_of_many_runs_is_told_once(values):
    with pytest.raises(ConfigError) as caught:
        Grid.read(values | {"seeds": 5, "axes": {"student": ["no"], "budget": [0]}})
    assert len(caught.value.problems) == 2


def test_names_tell_runs_apart_and_leave_out_what_they_share(values):
    values |= {"seeds": 2, "axes": {"budget": [600, 1700], "defences": [[], ["rounding:2"]]}}
    runs = Grid.read(values).runs()
    found = names(runs)
    assert len(set(found)) == len(runs)
    assert found[0] == "dfme budget 600 defences none seed 0"
    assert found[-1] == "random-noise budget 1,700 defences rounding:2 seed 1"


def test_where_an_adaptation_has_nothing_to_do_there_is_no_run(values):
    values |= {
        "attacks": ("random-noise",),
        "settings": {},
        "axes": {
            "access": ["probabilities", "label"],
            "defences": [[], ["rounding:2"]],
            "adaptations": [[], ["invert"], ["average:2"]],
        },
    }
    runs = Grid.read(values).runs()
    found = Counter((r.access, r.defences, r.adaptations) for r in runs)
    inverted = [key for key in found if key[2] == ("invert",)]
    assert inverted == [("probabilities", ("rounding:2",), ("invert",))]
    assert len(found) == 2 * 2 * 2 + 1
    said = "random-noise access probabilities defences rounding:2 adaptations {} seed 0"
    assert {said.format(text) for text in ("none", "invert", "average:2")} < set(names(runs))


def test_where_no_adaptation_has_anything_to_do_that_is_said(values):
    axes = {"defences": [[]], "adaptations": [["invert"]]}
    with pytest.raises(ConfigError, match="invert has nothing to undo without defences"):
        Grid.read(values | {"axes": axes})


@pytest.mark.parametrize("adaptations", [[["invrt"]], [3], ["invert"], [[]]])
def test_adaptations_that_are_none_are_told_by_the_run(values, adaptations):
    axes = {"access": ["label"], "adaptations": adaptations}
    if adaptations == [[]]:
        assert Grid.read(values | {"axes": axes}).runs()
        return
    with pytest.raises(ConfigError, match="adaptations"):
        Grid.read(values | {"axes": axes})


def test_a_name_leaves_out_what_only_follows_the_budget(values):
    values |= {"attacks": ("frugal",), "settings": {}, "axes": {"budget": [600, 60_000]}}
    runs = Grid.read({**values, "variants": {"frugal": {"candidates": [1, 2]}}}).runs()
    assert names(runs)[0] == "frugal budget 600 frugal.candidates 1 seed 0"


def test_a_name_leaves_out_the_k_that_means_nothing(values):
    values |= {"attacks": ("random-noise",), "settings": {}}
    values["axes"] = {"access": ["probabilities", "top-k"], "top_k": [1, 3]}
    assert names(unique(Grid.read(values).runs())) == [
        "random-noise access probabilities seed 0",
        "random-noise access top-k top_k 1 seed 0",
        "random-noise access top-k top_k 3 seed 0",
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty: there are no runs"),
        (b"a = ", "is not a TOML file"),
        (b"\xff", "is not a TOML file"),
        (None, "cannot be read"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path, content, expected):
    path = tmp_path / "grid.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=expected) as caught:
        read_grid_file(path)
    assert len(caught.value.problems) == 1


def test_options_go_over_the_file_and_the_file_over_the_preset(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(
        """
        preset = "digits"
        seeds = 4
        [shared]
        student = "lenet"
        [axes]
        budget = [1, 2]
        device = ["cpu", "auto"]
        [settings.dfme]
        width = 32
        """
    )
    given = {"seeds": 2, "shared": {"device": "cpu"}, "axes": {"budget": [3]}}
    found = Grid.read(_grid_values(read_grid_file(path), None, given, ["dfme.latent=5"]))
    assert found.seeds == 2
    assert found.axes == {"budget": (3,)}
    assert found.shared["student"] == "lenet"
    assert found.shared["victim"] == "digits-cnn"
    assert found.shared["device"] == "cpu"
    assert found.settings["dfme"]["width"] == 32
    assert found.settings["dfme"]["student_steps"] == 9
    assert found.settings["dfme"]["latent"] == "5"


def test_options_that_name_attacks_leave_the_settings_of_others_aside(tmp_path):
    file = {"attacks": ["dfme", "random-noise"], "settings": {"random-noise": {"batch_size": 8}}}
    found = _grid_values(file, "digits", {**NOTHING, "attacks": ["dfme"]}, [])
    assert Grid.read(found).attacks == ("dfme",)


def test_a_presets_pool_is_dropped_with_the_attacks_that_take_it():
    given = {**NOTHING, "attacks": ["qedg", "random-noise"]}
    assert "pool" not in Grid.read(_grid_values({}, "small-label", given, [])).shared
    file = {"attacks": ["qedg"], "shared": {"pool": "digits"}}
    with pytest.raises(ConfigError, match="qedg takes no pool"):
        Grid.read(_grid_values(file, "small-label", NOTHING, []))


def test_a_files_settings_of_an_attack_it_does_not_run_are_an_error():
    file = {"attacks": ["dfme"], "settings": {"random-noise": {"batch_size": 8}}}
    with pytest.raises(ConfigError, match="random-noise, which is not to be run"):
        Grid.read(_grid_values(file, "digits", NOTHING, []))


@pytest.mark.parametrize(
    "file",
    [
        {"attacks": 3},
        {"shared": 3},
        {"axes": 3},
        {"settings": 3},
        {"settings": {"dfme": 3}},
        {"preset": 3},
        {"variants": 3},
    ],
)
def test_a_file_of_the_wrong_shape_is_a_clear_error(file):
    (name,) = file
    with pytest.raises(ConfigError, match=name):
        Grid.read(_grid_values(dict(file), "digits", NOTHING, []))


def test_the_grid_of_the_docs_is_a_possible_one(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text(encoding="utf-8")
    (path := tmp_path / "grid.toml").write_text(page.split("```toml\n")[1].split("```")[0])
    grid = Grid.read(_grid_values(read_grid_file(path), None, NOTHING, []))
    assert len(grid.runs()) == 3 * 2 * 2 * 3 * (2 + 1)
    assert {run.settings["width"] for run in grid.runs() if run.attack == "dfme"} == {64}
