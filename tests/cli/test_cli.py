"""The command line in this process: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from copycost import __version__
from copycost.adaptations import invert
from copycost.attacks import ATTACKS
from copycost.cli import options as cli_options
from copycost.cli.audit_run import WORTH_COMPILING, slower_than_need_be
from copycost.datasets import load
from copycost.nets import ARCHITECTURES
from copycost.presets import PRESETS
from copycost.runner.audit import AuditConfig
from copycost.runner.config import RunConfig
from copycost.victims.saved import Card, save_model

NOISE = ("--attack", "random-noise", "--set", "random-noise.student_steps=1")

TINY = (
    "audit", "--victim", "digits-lenet", "--student", "lenet", "--budget", "600",
    "--evaluations", "2", "--device", "cpu", "--threads", "1",
    "--set", "dfme.batch_size=32", "--set", "dfme.width=8", "--set", "dfme.latent=8",
    "--set", "random-noise.batch_size=32", "--set", "random-noise.student_steps=1",
)  # fmt: skip
TINY_AUDIT = (*TINY, "--attack", "dfme", *NOISE)
TINY_NOISE = (*TINY[: TINY.index("--set")], *NOISE)


@pytest.fixture(scope="module")
def runs_folder(tmp_path_factory):
    """One folder for the module, so that the victim is trained once."""
    return tmp_path_factory.mktemp("runs")


def test_the_json_contract(copycost, runs_folder):
    code, out, _ = copycost(*TINY_AUDIT, "--json", "--out", str(runs_folder))
    assert code == 0
    result = json.loads(out)
    assert 0.9 < result["victim"]["accuracy"] <= 1
    assert [run["attack"] for run in result["runs"]] == ["dfme", "random-noise"]
    for run in result["runs"]:
        assert {
            "attack", "seed", "budget", "spent", "accuracy", "agreement", "seconds", "report",
        } <= set(run)  # fmt: skip
        assert list(run["queries_to_agreement"]) == ["50%", "80%", "90%", "95%"]
        assert run["seed"] == 0
        assert run["budget"] == 600
        assert 590 <= run["spent"] <= 600
        assert 0 <= run["accuracy"] <= 1
        assert 0 <= run["agreement"] <= 1
        assert run["seconds"] > 0
        page = Path(run["report"]).read_text()
        assert page.startswith("<!doctype html>") or page.startswith("<!DOCTYPE html>")


def test_where_no_attack_is_named_ours_and_dfme_stand_beside_the_floor(copycost, runs_folder):
    few = ("--set", "frugal.student_steps=2", "--out", str(runs_folder))
    code, out, _ = copycost(*TINY, *few, "--json")
    assert code == 0
    assert [run["attack"] for run in json.loads(out)["runs"]] == ["frugal", "dfme", "random-noise"]
    (record,) = runs_folder.glob("frugal-*/record.json")
    told = json.loads(record.read_text())
    flags = [flag for flag in told["flags"] if flag["name"] == "student-hardly-trained"]
    assert flags[0]["detail"].startswith(f"the student took {told['updates']['student']} steps")


def test_finished_runs_are_not_repeated_and_more_seeds_reuse_them(copycost, runs_folder):
    copycost(*TINY_AUDIT, "--out", str(runs_folder))
    before = {p: p.stat().st_mtime_ns for p in runs_folder.glob("*-seed0-*/record.json")}
    code, out, _ = copycost(*TINY_AUDIT, "--seeds", "2", "--json", "--out", str(runs_folder))
    assert code == 0
    assert sorted((r["attack"], r["seed"]) for r in json.loads(out)["runs"]) == [
        ("dfme", 0),
        ("dfme", 1),
        ("random-noise", 0),
        ("random-noise", 1),
    ]
    after = {p: p.stat().st_mtime_ns for p in runs_folder.glob("*-seed0-*/record.json")}
    assert all(after[path] == at for path, at in before.items())


@pytest.mark.parametrize(
    ("access", "defences"),
    [("label", ["rounding:2"]), ("top-k", ["noise:0.05", "rounding:1"]), ("probabilities", [])],
)
def test_access_and_defences(copycost, runs_folder, access, defences):
    options = [part for text in defences for part in ("--defence", text)]
    code, out, err = copycost(
        *TINY_AUDIT, "--access", access, *options, "--json", "--out", str(runs_folder)
    )
    assert code == 0, err
    result = json.loads(out)
    assert result["victim"]["defences"] == defences
    assert {run["access"] for run in result["runs"]} == {access}
    assert "progress" not in out


def test_an_attacker_who_adapts(copycost, runs_folder, monkeypatch):
    monkeypatch.setattr(invert, "STEPS", 5)
    options = [*TINY_NOISE, "--defence", "noise:0.1", "--out", str(runs_folder)]
    adapted = ["--adapt", "average:2", "--adapt", "invert"]
    code, out, err = copycost(*options, *adapted, "--json")
    assert code == 0, err
    (run,) = json.loads(out)["runs"]
    assert run["adaptations"] == ["average:2", "invert"]
    assert run["spent"] <= 600
    assert "no-adaptive-attack" not in [f["name"] for f in json.loads(out)["flags"]]
    code, _, err = copycost(*options, *adapted)
    told = " ".join(err.split())
    assert "behind noise:0.1, adapting by average:2 + invert, into" in told
    assert "random noise + average:2 + invert" in told
    code, out, err = copycost(*options, "--json")
    assert json.loads(out)["runs"][0]["adaptations"] == []
    assert "no-adaptive-attack" in [f["name"] for f in json.loads(out)["flags"]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--adapt", "invert"], "invert has nothing to undo without defences"),
        (["--adapt", "average"], "needs a whole number of times, 2 or more"),
        (["--adapt", "inverse"], "There is no adaptation 'inverse'"),
        (["--adapt", "average:301"], "600 queries do not pay for one step"),
        (["--adapt", "average:601"], "an input costs 601 queries, and the budget is 600"),
        (["--defence", "mad:1", "--adapt", "invert", "--access", "label"], "only labels are"),
    ],
)
def test_adaptations_that_cannot_be_are_refused(copycost, runs_folder, words, said):
    code, _, err = copycost(*TINY_NOISE, *words, "--out", str(runs_folder))
    assert code == 2
    assert said in " ".join(err.split())


def test_the_table_and_the_place_of_the_report(copycost, runs_folder):
    code, out, err = copycost(*TINY_AUDIT, "--out", str(runs_folder))
    assert code == 0
    assert out == ""
    assert "agreement" in err
    assert "report.html" in err
    assert "random noise" in err.replace("\u00a0", " ").lower()


def test_a_time_limit_ends_with_its_own_status_and_goes_on(copycost, runs_folder, tmp_path):
    arguments = (*TINY_AUDIT, "--seeds", "1", "--first-seed", "7", "--out", str(runs_folder))
    code, _, err = copycost(*arguments, "--max-minutes", "0")
    assert code == 3
    assert "again to go on" in err
    code, out, _ = copycost(*arguments, "--max-minutes", "0", "--json")
    told = json.loads(out)
    assert (code, told["victim"], told["runs"], told["report"]) == (3, None, [], None)
    code, _, _ = copycost(*arguments)
    assert code == 0


def test_files_in_the_way_are_one_message(copycost, tmp_path):
    file, noise = tmp_path / "file", ("audit", *NOISE, "--budget", "300")
    file.write_text("")
    for options in (("--out", str(file)), ("--out", str(file / "below"))):
        code, out, err = copycost(*noise, *options)
        assert (code, out) == (2, "")
        assert str(file) in err
        assert "Traceback" not in err


def test_a_folder_that_is_no_model_is_refused_before_training(copycost, tmp_path):
    (tmp_path / "mine").write_text("")
    code, _, err = copycost("train-victim", "digits-lenet", "--out", str(tmp_path))
    assert code == 2
    assert "cannot become a saved model" in err
    assert "epoch" not in err


def test_a_model_takes_no_folder_that_one_is_in(copycost, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = copycost("train-victim", "digits-lenet", "--out", ".")
    assert code == 2
    assert "it is the folder you are in" in " ".join(err.split())
    assert "epoch" not in err


def test_names_keep_their_brackets(copycost, tmp_path):
    """Rich would read '[v2]' as a style and ':cat:' as a picture."""
    named, spec = tmp_path / "cats [v2] :cat:", load("digits").spec
    card = Card(architecture="lenet", spec=spec, classes=10)
    save_model(named, ARCHITECTURES["lenet"](spec, 10), card)
    again = [
        "audit", *NOISE, "--budget", "300", "--student", "lenet",
        "--victim", str(named), "--data", "digits", "--device", "cpu",
        "--threads", "1", "--out", str(tmp_path / "runs"), "--json",
    ]  # fmt: skip
    code, out, err = copycost(*again)
    assert code == 0, err
    assert json.loads(out)["victim"]["name"] == named.name
    assert f"Victim {named.name} on scikit-learn digits: accuracy" in " ".join(err.split())


def test_help_says_what_is_taken_where_nothing_is_said(copycost, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    code, out, _ = copycost("audit", "--help")
    assert code == 0
    unsaid, (*others, last) = RunConfig(), AuditConfig().attacks
    attacks = f"{', '.join(others)} and {last}"
    for value in (f"{unsaid.budget:,}", unsaid.student, attacks, "digits"):
        assert re.search(rf"\[default: \([^)]*{value}", out), value


def test_a_mistyped_attack_is_one_line(copycost):
    code, _, err = copycost("audit", "--attack", "dfmee")
    assert code == 2
    assert err.count("error:") == 1
    assert "Did you mean 'dfme'" in err


def test_the_version(copycost):
    code, out, _ = copycost("--version")
    assert (code, out) == (0, f"copycost {__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["sweep"],
        ["bench"],
        ["reproduce", "kwon2023"],
        ["precision", "students"],
        ["benchmark"],
        ["train-victim", "digits-lenet"],
    ],
)
def test_what_is_for_one_process_is_refused_to_several(copycost, monkeypatch, tmp_path, arguments):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "2")
    code, out, err = copycost(*arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "WORLD_SIZE is 2" in err
    assert f"Start `copycost {arguments[0]}` without torchrun, or unset WORLD_SIZE." in err
    assert not list(tmp_path.iterdir())


POOL = ("--attack", "knockoff", "--pool", "digits")


@pytest.mark.parametrize(
    ("processes", "arguments", "expected"),
    [
        (1, ["--attack", "dfme", "--budget", "6"], "6 queries do not pay for one step"),
        (2, ["--set", "dfme.batch_size=33"], "33 images cannot be shared evenly by 2 processes"),
        (2, ["--record-queries", "bytes"], "only a run of one process keeps its queries"),
        (2, [*POOL, *NOISE], "attacks with a pool run in one process"),
        (2, ["--attack", "dfme", "--budget", "20"], "10 queries do not pay for one step"),
        (
            1,
            ["--access", "logits", "--defence", "rounding:2"],
            "defences: expected a victim that computes at least logits, got one that computes "
            "probabilities; use access probabilities or lower",
        ),
    ],
)
def test_what_cannot_be_run_is_refused_before_a_victim_is_trained(
    copycost, monkeypatch, tmp_path, processes, arguments, expected
):
    monkeypatch.setattr("copycost.cli.audit_run.launched", lambda: (processes, processes))
    loaded = "copycost.cli.audit_run.load_target"
    monkeypatch.setattr(loaded, lambda *_, **__: pytest.fail("there is a victim"))
    code, out, err = copycost("audit", *arguments, "--device", "cpu", "--out", str(tmp_path))
    assert (code, out) == (2, "")
    assert expected in err
    assert err.count("error:") == 1


def test_a_time_limit_counts_from_the_start_of_the_command(copycost, runs_folder, monkeypatch):
    """Imports, and looking at data, may take a good part of a minute."""
    began = SimpleNamespace(monotonic=lambda: time.monotonic() - 120)
    monkeypatch.setattr(cli_options, "time", began)
    audit = (*TINY_AUDIT, "--out", str(runs_folder), "--first-seed", "8")
    code, _, err = copycost(*audit, "--max-minutes", "1.9")
    assert code == 3
    assert "before the attacker's first query" in err
    code, _, err = copycost(*audit, "--max-minutes", "100")
    assert code == 0, err


def test_training_a_victim_is_stopped_too_and_goes_on(copycost, tmp_path):
    victim = ("--victim", "digits-lenet", "--data", "digits", "--device", "cpu")
    attack = (*NOISE, "--budget", "400")
    audit = ("audit", *victim, *attack, "--out", str(tmp_path))
    code, _, err = copycost(*audit, "--max-minutes", "0")
    assert code == 3
    assert re.search(r"Training the victim digits-lenet: \d+ epochs", err)
    assert "Stopped by time limit before the attacker's first query" in err
    (folder,) = (tmp_path / "victims").glob(".digits-lenet-*.work")
    assert (folder / "checkpoint.safetensors").exists()

    train = ("train-victim", "digits-lenet", "--device", "cpu")
    place = tmp_path / "victims" / folder.name[1 : -len(".work")]
    code, _, err = copycost(*train, "--epochs", "2", "--out", str(place))
    assert code == 2
    assert "by another recipe" in err
    code, out, err = copycost(*train, "--max-minutes", "0", "--out", str(place))
    assert (code, out) == (3, "")
    assert "again to go on" in err
    code, out, err = copycost(*train, "--out", str(place))
    assert code == 0
    assert re.search(r"epoch (\d+)/\1  loss", err)  # the last is always told
    assert json.loads(out)["test_accuracy"] > 0.9
    assert not (folder / "checkpoint.safetensors").exists()
    code, _, err = copycost(*audit)
    assert code == 0
    assert "Training the victim" not in err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--attack", "dfm"], "Did you mean 'dfme'"),
        (["--set", "dfme.scheduer=cosine"], "dfme.scheduer: there is no such setting"),
        (["--set", "directions=4"], "ATTACK.SETTING=VALUE"),
        (["--set", "maze.directions=4"], "error: settings: there are some for maze, which is not"),
        (["--budget", "-5"], "budget"),
        (["--budget", "10"], "do not pay for one step"),
        (["--seeds", "0"], "seeds"),
        (["--student", "resnet17"], "no architecture 'resnet17'"),
        (["--victim", "nobody"], "no victim preset 'nobody'"),
        (["--victim", "nobody"], "There is no folder nobody either"),
        (["--victim", "no/such/folder"], "there is no folder no/such/folder"),
        (["--set", "dfme.direction=4"], "Known settings of dfme: batch_size, student_lr,"),
        (["--top-k", "3"], "access is not top-k"),
        (["--budget", "9" * 30], "budget"),
        (["--victim", "/"], "is not a saved model"),
        (["--data", "npz:/nowhere.npz"], "nowhere.npz"),
        (["--defence", "rounding:x"], "rounding:x needs"),
        (["--precision", "float8"], "precision"),
        (["--device", "tpu"], "device"),
        (["--device", "cuda:99"], "there is no cuda:99"),
        (["--preset", "digit"], "Did you mean 'digits'"),
    ],
)
def test_bad_input_is_one_clear_message_and_status_2(copycost, runs_folder, arguments, expected):
    code, out, err = copycost(*TINY_AUDIT, *arguments, "--out", str(runs_folder))
    assert code == 2, err
    assert out == ""
    assert expected in " ".join(err.split())
    assert "Traceback" not in err


def test_a_pool_that_is_not_there_is_told_before_anything_is_spent(copycost, runs_folder):
    more = (*NOISE, "--attack", "knockoff", "--budget", "30")
    for pool, expected in (("nope", "no data set 'nope'"), ("npz:/nope.npz", "nope.npz")):
        code, _, err = copycost("audit", *more, "--pool", pool, "--out", str(runs_folder / "none"))
        assert code == 2
        assert expected in " ".join(err.split())
    assert not (runs_folder / "none").exists()


@pytest.mark.parametrize("seed", ["-1", str(2**64)])
def test_a_seed_that_no_generator_takes_is_refused(copycost, tmp_path, seed):
    arguments = ("digits-lenet", "--seed", seed, "--out", str(tmp_path / "v"))
    code, _, err = copycost("train-victim", *arguments)
    assert (code, (tmp_path / "v").exists()) == (2, False), err


SMALL_LABEL = ("audit", "--preset", "small-label", "--student", "lenet", "--budget", "200")


def test_a_presets_pool_is_dropped_with_the_attacks_that_take_it(copycost, runs_folder):
    chosen = (*NOISE, "--out", str(runs_folder), "--json")
    code, out, err = copycost(*SMALL_LABEL, *chosen)
    assert code == 0, err
    assert [run["attack"] for run in json.loads(out)["runs"]] == ["random-noise"]
    code, _, err = copycost(*SMALL_LABEL, *chosen, "--pool", "digits")
    assert code == 2
    assert "random-noise takes no pool. Leave --pool out" in " ".join(err.split())


def test_so_it_is_in_a_comparison(copycost):
    labels = ("bench", "--preset", "bench-digits-label", "--attack", "ideal", "--dry-run")
    code, _, err = copycost(*labels)
    assert code == 0, err
    code, _, err = copycost(*labels, "--pool", "digits")
    assert code == 2
    assert "ideal takes no pool. Leave --pool out" in " ".join(err.split())


def test_lists(copycost):
    kinds = ("attacks", "victims", "students", "generators", "datasets", "schedules", "presets")
    for kind in (*kinds, "defences", "adaptations"):
        code, out, _ = copycost("list", kind)
        assert code == 0
        assert len(out.splitlines()) >= 1
    assert json.loads(copycost("list", "attacks", "--json")[1]).keys() == dict(ATTACKS).keys()


def test_help_shows_every_option(copycost):
    code, out, _ = copycost("audit", "--help")
    assert code == 0
    for option in ("--budget", "--seeds", "--access", "--defence", "--set", "--max-minutes"):
        assert option in out


@pytest.mark.parametrize("preset", list(PRESETS))
def test_every_preset_is_a_valid_audit(preset):
    config = AuditConfig.read(dict(PRESETS[preset]))
    assert config.runs()


def test_a_victim_trained_by_hand_is_audited(copycost, tmp_path):
    folder = tmp_path / "victim"
    train = ("train-victim", "digits-lenet", "--epochs", "1", "--device", "cpu")
    code, out, err = copycost(*train, "--threads", "1", "--out", str(folder))
    assert code == 0, err
    card = json.loads(out)
    assert card["architecture"] == "lenet"
    assert sorted(p.name for p in folder.iterdir()) == ["card.json", "model.safetensors"]

    own = ("--victim", str(folder), "--out", str(tmp_path / "runs"))
    code, _, err = copycost(*TINY_AUDIT, *own)
    assert code == 2
    assert "--data" in err
    code, out, _ = copycost(*TINY_AUDIT, *own, "--data", "digits", "--json")
    assert code == 0
    assert json.loads(out)["victim"]["content_hash"] == card["content_hash"]


def test_at_a_price_reports_say_what_the_queries_cost(copycost, runs_folder, tmp_path):
    code, out, _ = copycost(*TINY_AUDIT, "--price", "2", "--json", "--out", str(runs_folder))
    assert code == 0
    runs = json.loads(out)["runs"]
    page = Path(runs[0]["report"]).read_text()
    assert any(f"<b>US$\u00a0{run['spent'] * 2 / 1000:.2f}</b>" in page for run in runs)
    (folder,) = runs_folder.glob(f"dfme-seed0-{runs[0]['id'][:12]}")
    again = tmp_path / "page.html"
    assert copycost("report", str(folder), "--out", str(again), "--price", "1000")[0] == 0
    assert f"<b>US$\u00a0{runs[0]['spent']}</b>" in again.read_text()
    assert copycost("report", str(folder), "--out", str(again), "--rate", "2")[0] == 0
    assert "to ask them at 2 queries a second" in again.read_text()


def test_an_audit_takes_a_rate_too(copycost, runs_folder):
    code, out, _ = copycost(*TINY_AUDIT, "--rate", "0.5", "--json", "--out", str(runs_folder))
    assert code == 0
    page = Path(json.loads(out)["runs"][0]["report"]).read_text()
    assert "to ask them at 0.5 queries a second" in page


@pytest.mark.parametrize("command", [TINY_AUDIT, ("report", "nowhere")])
def test_a_price_that_is_none_is_refused_before_any_work(copycost, tmp_path, command):
    code, out, err = copycost(*command, "--price", "0", "--out", str(tmp_path / "out"))
    assert (code, out) == (2, "")
    assert "price: 0.0 is not a price" in err
    assert not (tmp_path / "out").exists()


def test_a_report_from_run_folders_alone(copycost, runs_folder, tmp_path):
    copycost(*TINY_AUDIT, "--out", str(runs_folder))
    folders = [str(p.parent) for p in runs_folder.glob("*-seed0-*/record.json")]
    code, out, _ = copycost("report", *folders, "--out", str(tmp_path / "page.html"))
    assert code == 0
    assert Path(out.strip()) == tmp_path / "page.html"
    code, _, err = copycost("report", str(tmp_path))
    assert code == 2
    assert "no record" in err
    begun = tmp_path / "dfme-seed9-0"
    begun.mkdir()
    (begun / "run.json").write_text("{}")
    code, out, err = copycost("report", *folders, str(begun), "--out", str(tmp_path / "page.html"))
    assert code == 0
    assert f"Left out: {begun} has no record yet" in " ".join(err.split())
    code, _, err = copycost("report", *folders, "--out", str(tmp_path))
    assert code == 2
    assert "is a folder. Name the page" in " ".join(err.split())


def test_data_fetch_reports_progress_and_the_place(copycost, monkeypatch, tmp_path):
    seen = []

    def fetch(name, folder, progress):
        seen.append((name, folder))
        progress(50, 100)

    monkeypatch.setattr("copycost.datasets.fetch.fetch", fetch)
    code, out, err = copycost("data", "fetch", "svhn", "--folder", str(tmp_path))
    assert (code, out.strip(), seen) == (0, str(tmp_path), [("svhn", tmp_path)])
    assert "svhn" in err
    assert copycost("data", "fetch", "imagenet")[0] == 2


@pytest.mark.parametrize(
    ("device", "changes", "said"),
    [
        ("cuda", {}, True),
        ("cpu", {}, False),
        ("cuda", {"compile": "on"}, False),
        ("cuda", {"budget": WORTH_COMPILING - 1}, False),
    ],
)
def test_a_long_run_on_a_gpu_is_told_what_is_faster(
    device: str, changes: dict[str, Any], said: bool
) -> None:
    config = RunConfig.read({"budget": WORTH_COMPILING, "precision": "tf32"} | changes)
    hint = slower_than_need_be(config, device)
    assert ("--compile graphs" in hint and "than tf32 without" in hint) is said
