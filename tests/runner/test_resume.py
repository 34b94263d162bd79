"""What survives: a clean stop, a time limit, a crash at any moment."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from copycost.adaptations import invert
from copycost.attacks.dfme import DFME
from copycost.errors import Interrupted, RunError, Unstable
from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import build
from copycost.oracle.ledger import Ledger
from copycost.runner import held_out as held_out_module
from copycost.runner import run as run_module
from copycost.runner.checkpoint import Saver, load_checkpoint, save_checkpoint
from copycost.runner.copy_model import copy_model
from copycost.runner.folder import (
    CHECKPOINT_FILE,
    LEDGER_FILE,
    ONNX_FILE,
    STUDENT_FOLDER,
    UNSTABLE_FILE,
    exclusive,
)
from copycost.runner.record import Record, read_record
from copycost.runner.run import Run
from copycost.runner.stopping import Stop
from copycost.testing import TINY, SpyVictim, tiny_victim
from copycost.victims.base import Victim
from copycost.victims.module import ModuleVictim
from copycost.victims.saved import load_model
from tests.runner.conftest import SMALL, tiny_config, tiny_target
from tests.stops import Soon, StopAt


class Crash(Exception):
    pass


class CrashAt(StopAt):
    """A watcher that ends everything without any goodbye."""

    def step(self, spent: int) -> None:
        if spent >= self.queries:
            raise Crash


def run_until(folder: Path, queries: int, **more: object) -> Record:
    stop = Stop()
    return copy_model(
        tiny_config(**more), tiny_target(), folder, stop=stop, watcher=StopAt(stop, queries)
    )


def without_time(record: Record) -> list[tuple[int, dict[str, float]]]:
    return [(point.queries, point.values) for point in record.curve]


@pytest.mark.parametrize(
    ("every", "long", "saved"),
    [
        (60.0, 60.0, 4),  # three evaluations and the end
        (60.0, 0.0, 2),  # only the first of them and the end
        (0.0, 0.0, 2),  # however short the time between two of them is set
    ],
)
def test_checkpoints_that_take_long_come_neither_with_every_evaluation_nor_with_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: float, long: float, saved: int
) -> None:
    put, saves = Saver.put, list[Path]()

    def counted(saver: Saver, path: Path, state: dict[str, Any]) -> None:
        saves.append(path)
        put(saver, path, state)

    monkeypatch.setattr(Saver, "put", counted)
    monkeypatch.setattr(run_module, "SAVE_EVERY_SECONDS", every)
    monkeypatch.setattr(run_module, "LONG_SECONDS", long)
    monkeypatch.setattr(run_module, "SAVING_SHARE", 1e-9)
    copy_model(tiny_config(), tiny_target(), tmp_path)
    assert len(saves) == saved


DEFENDED = ("noise:0.02", "rounding:3")
REPLAYING = SMALL | {"replay_steps": 1, "student_steps": 4}
_PLAYERS = {"width": 8, "latent": 8, "epochs": 1}
STUDYING = _PLAYERS | {"batch_size": 200, "synthesis_steps": 2}
PREPARING = _PLAYERS | {"batch_size": 64, "like": "shapes", "gan_steps": 4, "proxies_asked": 900}


@pytest.mark.parametrize(
    ("attack", "settings", "defences"),
    [
        ("dfme", SMALL, ()),
        ("dfme", SMALL, DEFENDED),
        ("random-noise", {"batch_size": 32, "student_steps": 1}, ()),
        ("random-noise", {"batch_size": 32, "student_steps": 1}, DEFENDED),
        ("disguide", REPLAYING, DEFENDED),
        ("dual-student", SMALL | {"average_every": 3}, ()),
        ("maze", REPLAYING | {"directions": 3}, ()),
        ("ideal", STUDYING, ()),
        ("qedg", STUDYING | {"last_epochs": 1}, ()),
        ("dfms-hl", PREPARING, ()),
    ],
)
def test_stopped_and_resumed_equals_uninterrupted(tmp_path, attack, settings, defences):
    more: dict[str, object] = {"attack": attack, "defences": defences, "settings": settings}
    whole = copy_model(tiny_config(**more), tiny_target(), tmp_path / "whole")
    for stop_at in (1, 700, 1600, 2990):
        stopped = run_until(tmp_path / "parts", stop_at, **more)
        assert stopped.spent >= stop_at or stopped.finished
    parts = copy_model(tiny_config(**more), tiny_target(), tmp_path / "parts")
    assert parts.finished
    assert parts.student_hash == whole.student_hash
    assert without_time(parts) == without_time(whole)
    assert parts.accounts == whole.accounts
    assert parts.id == whole.id


def test_who_adapts_to_defences_resumes_as_well(tmp_path, monkeypatch):
    """What is learnt of the defences is learnt again; an input costs two queries."""
    monkeypatch.setattr(invert, "STEPS", 20)
    more: dict[str, object] = {"defences": DEFENDED, "adaptations": ("average:2", "invert")}
    spy = SpyVictim(tiny_victim())
    whole = copy_model(tiny_config(**more), tiny_target(spy), tmp_path / "whole")
    assert whole.spent == spy.count - whole.accounts["auditor"].spent
    assert 0 <= whole.budget - whole.spent < 4 * DFME().queries_per_image
    for stop_at in (1, 700, 1600):
        run_until(tmp_path / "parts", stop_at, **more)
    parts = copy_model(tiny_config(**more), tiny_target(), tmp_path / "parts")
    assert parts.student_hash == whole.student_hash
    assert without_time(parts) == without_time(whole)
    assert parts.accounts["attacker"] == whole.accounts["attacker"]
    assert parts.config["adaptations"] == ["average:2", "invert"]
    assert "budget-not-spent" not in [flag.name for flag in parts.flags]
    plain = copy_model(tiny_config(defences=DEFENDED), tiny_target(), tmp_path / "plain")
    assert plain.student_hash != whole.student_hash


def test_a_finished_run_is_not_repeated(tmp_path):
    spy = SpyVictim(tiny_victim())
    first = copy_model(tiny_config(), tiny_target(spy), tmp_path)
    asked = spy.count
    assert asked == first.spent + first.accounts["auditor"].spent
    assert copy_model(tiny_config(), tiny_target(spy), tmp_path) == first
    assert spy.count == asked


def test_a_stopped_run_has_a_record_that_says_so(tmp_path):
    record = run_until(tmp_path, 1000)
    assert (record.ended, record.finished) == ("SIGTERM", False)
    assert read_record(tmp_path) == record
    assert record.accounts["attacker"].lost == 0
    assert [flag.name for flag in record.flags].count("budget-not-spent") == 1


def test_a_stop_that_comes_with_the_last_step_stops_nothing(tmp_path):
    noise = {"attack": "random-noise", "settings": {"batch_size": 32, "student_steps": 1}}
    record = run_until(tmp_path, 320, budget=320, **noise)
    assert (record.ended, record.finished, record.spent) == ("finished", True, 320)
    assert not (tmp_path / CHECKPOINT_FILE).exists()


def test_a_resumed_run_says_when_it_began_and_counts_the_seconds_of_all_sessions(tmp_path):
    stopped = run_until(tmp_path, 1000)
    saved = load_checkpoint(tmp_path / CHECKPOINT_FILE)
    assert saved is not None
    assert saved["started"] == stopped.started
    assert stopped.curve[-1].seconds <= saved["seconds"] <= stopped.seconds
    earlier = {"started": "2020-01-02T03:04:05+00:00", "seconds": 5000.0}
    save_checkpoint(tmp_path / CHECKPOINT_FILE, saved | earlier)
    record = copy_model(tiny_config(), tiny_target(), tmp_path)
    assert record.started == earlier["started"]
    assert record.seconds > 5000
    assert record.curve[-1].seconds > 5000


def test_a_run_that_goes_on_elsewhere_says_what_is_other_there(tmp_path):
    run_until(tmp_path, 1000)
    saved = load_checkpoint(tmp_path / CHECKPOINT_FILE)
    assert saved is not None
    here = saved["machine"]
    there = {"machine": here | {"torch": "1.2.3", "threads": "64", "cuda": "9.9"}}
    save_checkpoint(tmp_path / CHECKPOINT_FILE, saved | there)
    first = run_until(tmp_path, 1700).resumed[-1]
    assert first.endswith(
        f"; threads {here['threads']} instead of 64; torch {here['torch']} instead of 1.2.3; "
        f"cuda {here.get('cuda', 'none')} instead of 9.9"
    )
    assert "instead of" not in copy_model(tiny_config(), tiny_target(), tmp_path).resumed[-1]


def test_after_a_crash_nothing_charged_is_forgotten(tmp_path):
    config, spy = tiny_config(), SpyVictim(tiny_victim())
    for at in (100, 1700, 2400):
        with pytest.raises(Crash):
            copy_model(config, tiny_target(spy), tmp_path, watcher=CrashAt(Stop(), at))
    record = copy_model(config, tiny_target(spy), tmp_path)
    sent = spy.count - record.accounts["auditor"].spent
    assert sent <= record.spent <= record.budget
    assert record.accounts["attacker"].lost > 0
    assert len(record.resumed) == 3
    assert all("brought nothing" in line for line in record.resumed)
    assert "queries-lost" in [flag.name for flag in record.flags]


def test_what_was_settled_and_never_saved_is_lost_too(tmp_path, monkeypatch):
    """As by a crash while a checkpoint is being written, or before the first is there."""
    kept = 0
    for at in (100, 1700):
        with monkeypatch.context() as patched:
            patched.setattr(Saver, "put", crash)
            with pytest.raises(Crash):
                run_until(tmp_path, at)
        stopped = run_until(tmp_path, at + 300)
        assert f"went on from {kept:,} queries after a crash" in stopped.resumed[-1]
        kept = stopped.spent
    record = copy_model(tiny_config(), tiny_target(), tmp_path)
    told = [re.search(r"([\d,]+) queries charged since", line) for line in record.resumed]
    lost = sum(int(found[1].replace(",", "")) for found in told if found)
    assert record.accounts["attacker"].lost == lost > 0
    assert "queries-lost" in [flag.name for flag in record.flags]


def crash(*_: object) -> None:
    raise Crash


def test_a_crash_takes_nothing_from_the_auditor(tmp_path):
    with pytest.raises(Crash):
        copy_model(tiny_config(), tiny_target(), tmp_path, watcher=CrashAt(Stop(), 100))
    record = copy_model(tiny_config(), tiny_target(), tmp_path)
    auditor = record.accounts["auditor"]
    assert (auditor.spent, auditor.lost) == (240, 0)


@pytest.mark.parametrize(("saves", "kept"), [(0, 0), (1, 120), (2, 240)])
def test_held_out_answers_that_a_crash_came_before_are_lost(tmp_path, monkeypatch, saves, kept):
    left = iter(range(saves))

    def save(path, content):
        if next(left, None) is None:
            raise Crash
        save_checkpoint(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(held_out_module, "KEEP_EVERY_SECONDS", 0.0 if saves else 60.0)
        patched.setattr(held_out_module, "save_checkpoint", save)
        with pytest.raises(Crash):
            copy_model(tiny_config(), tiny_target(), tmp_path)
    auditor = copy_model(tiny_config(), tiny_target(), tmp_path).accounts["auditor"]
    assert (auditor.spent - auditor.lost, auditor.lost) == (240, 240 - kept)


def test_held_out_data_is_asked_about_once(tmp_path):
    spy = SpyVictim(tiny_victim())
    run_asked = []
    for at in (500, 1500, 10**6):
        stop = Stop()
        record = copy_model(
            tiny_config(), tiny_target(spy), tmp_path, stop=stop, watcher=StopAt(stop, at)
        )
        run_asked.append(record.accounts["auditor"].spent)
    assert run_asked == [240, 240, 240 + 120]  # once more at the end, to see if it has changed
    assert spy.count == 240 + 120 + record.spent


def test_a_time_limit_stops_cleanly_and_zero_minutes_does_not_hang(tmp_path):
    record = copy_model(tiny_config(), tiny_target(), tmp_path, stop=Soon(looks=3))
    assert (record.ended, record.spent) == ("time limit", 0)
    with pytest.raises(Interrupted):
        copy_model(tiny_config(), tiny_target(), tmp_path / "other", stop=Stop(max_minutes=0))
    assert copy_model(tiny_config(), tiny_target(), tmp_path).finished


def test_another_run_is_refused_in_the_same_folder(tmp_path):
    copy_model(tiny_config(), tiny_target(), tmp_path)
    with pytest.raises(RunError, match="another run"):
        copy_model(tiny_config(seed=1), tiny_target(), tmp_path)


def test_what_killed_processes_left_is_cleared_away(tmp_path):
    """A whole checkpoint for each kill while one was written would fill a disk."""
    folder = tmp_path / "run"
    copy_model(tiny_config(), tiny_target(), folder)
    whole = {path.name for path in folder.iterdir()}
    (folder / ".checkpoint.safetensors.77.partial").write_text("half")
    (folder / ".student.77.partial").mkdir()
    (folder / ".student.77.partial" / "card.json").write_text("half")
    (folder / CHECKPOINT_FILE).write_text("kept by a process that was killed after its record")
    copy_model(tiny_config(), tiny_target(), folder)
    assert {path.name for path in folder.iterdir()} == whole


def test_two_processes_never_work_on_one_run(tmp_path):
    with exclusive(tmp_path), pytest.raises(RunError, match="Another process"):
        copy_model(tiny_config(), tiny_target(), tmp_path)


def test_what_a_run_leaves(tmp_path):
    record = copy_model(tiny_config(access="probabilities"), tiny_target(), tmp_path)
    # A default that the user wrote down is among it, and no other.
    assert set(record.given) == {
        "attack", "settings", "student", "budget", "evaluations", "device", "access",
    }  # fmt: skip
    module, card = load_model(tmp_path / STUDENT_FOLDER)
    assert card.content_hash == record.student_hash
    assert card.architecture == "lenet"
    assert card.test_accuracy == record.result["accuracy"]
    assert not module.training
    runtime = pytest.importorskip("onnxruntime")
    x = tiny_target().held_out.values()
    session = runtime.InferenceSession(tmp_path / ONNX_FILE, providers=["CPUExecutionProvider"])
    (exported,) = session.run(["logits"], {"input": x.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(exported), module(x), rtol=1e-4, atol=1e-4)
    assert (tmp_path / "samples.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / CHECKPOINT_FILE).exists()
    assert not list(tmp_path.rglob("*.partial"))
    assert not list(tmp_path.rglob("*.pt")) + list(tmp_path.rglob("*.pkl"))


def test_the_student_is_the_last_one_and_the_curve_ends_with_it(tmp_path):
    record = copy_model(tiny_config(), tiny_target(), tmp_path)
    module, _ = load_model(tmp_path / STUDENT_FOLDER)
    target = tiny_target()
    chosen = module(target.held_out.values()).argmax(1)
    agreement = (chosen == target.victim(target.held_out.values()).argmax(1)).float().mean()
    assert record.result["agreement"] == pytest.approx(float(agreement), abs=1e-6)
    assert record.curve[-1].queries == record.spent
    assert record.curve[0].queries == 0
    assert "student/gradient norm" not in record.curve[0].values  # nobody has taken a step
    for name in ("student/gap", "generator/gap", "student/gradient norm", "kl"):
        assert name in record.result


@pytest.mark.parametrize(
    ("attack", "beside"),
    [
        ("disguide", {"member 2", "ensemble"}),
        ("dual-student", {"not averaged", "member 2", "ensemble"}),
    ],
)
def test_of_several_networks_the_one_that_counts_is_saved_and_all_are_scored(
    tmp_path, attack, beside
):
    config = tiny_config(attack=attack, settings=SMALL | {"student_lr": 0.01}, budget=1500)
    record = copy_model(config, tiny_target(), tmp_path)
    module, card = load_model(tmp_path / STUDENT_FOLDER)
    assert card.content_hash == record.student_hash
    target = tiny_target()
    chosen = module(target.held_out.values()).argmax(1)
    agreement = (chosen == target.victim(target.held_out.values()).argmax(1)).float().mean()
    assert record.result["agreement"] == pytest.approx(float(agreement), abs=1e-6)
    for quantity in ("accuracy", "agreement", "kl", "commonest class"):
        scored = {name for name in record.result if name.endswith(f"/{quantity}")}
        assert scored == {f"{name}/{quantity}" for name in beside}
    results = {record.result[name] for name in ("kl", *(f"{name}/kl" for name in beside))}
    assert len(results) == 1 + len(beside), "one network was scored under two names"


class Lost(ModuleVictim):
    """Answers NaN, as a model does that overflows."""

    def answer(self, x):
        return super().answer(x) * float("nan")


@pytest.mark.parametrize("attack", ["dfme", "disguide", "dual-student", "maze"])
def test_a_loss_that_is_lost_stops_the_run_and_keeps_the_last_good_state(
    tmp_path, monkeypatch, attack
):
    """As on a GPU, where a victim's later answers are not looked at."""
    monkeypatch.setattr(Victim, "_check_values", lambda *_: None)
    run_until(tmp_path, 1000, attack=attack)
    saved = (tmp_path / CHECKPOINT_FILE).read_bytes()
    folder = tmp_path.with_name(f"{tmp_path.name}-diverging")
    shutil.copytree(tmp_path, folder)
    target = tiny_target()
    whole = target.victim
    assert isinstance(whole, ModuleVictim)
    broken = Lost(whole.module, whole.spec, whole.classes, name=whole.name)
    good = load_checkpoint(folder / CHECKPOINT_FILE)
    assert good is not None
    told = rf"(generator|gap).*NaN.*in step {good['trail']['steps'] + 1}\..*last good state.*checkp"
    with pytest.raises(Unstable, match=told):
        copy_model(tiny_config(attack=attack), replace(target, victim=broken), folder)
    assert (folder / CHECKPOINT_FILE).read_bytes() == saved
    (folder / UNSTABLE_FILE).unlink()
    record = copy_model(tiny_config(attack=attack), target, folder)
    assert record.finished
    assert f"went on from {good['spent']:,} queries after a crash" in record.resumed[0]
    found = re.search(r"crash; ([\d,]+) queries charged since then", record.resumed[0])
    assert found is not None
    assert record.accounts["attacker"].lost == int(found[1].replace(",", "")) > 0


def test_a_generator_whose_batch_norms_are_lost_is_unstable_and_the_good_state_stays(
    tmp_path, monkeypatch
):
    """Its weights are finite; what it asks is not, and is refused before it is charged."""
    run_until(tmp_path, 1000)
    saved = (tmp_path / CHECKPOINT_FILE).read_bytes()
    good = load_checkpoint(tmp_path / CHECKPOINT_FILE)
    assert good is not None
    images = DFME.images

    def losing(self, s, oracle):
        generator = s.need_generator().network.eval()
        means = (buffer for name, buffer in generator.named_buffers() if "running_mean" in name)
        next(means).fill_(float("inf"))
        return images(self, s, oracle)

    monkeypatch.setattr(DFME, "images", losing)
    told = (
        rf"buffers of the generator became NaN or infinite in step {good['trail']['steps'] + 1}\."
    )
    with pytest.raises(Unstable, match=told):
        run_until(tmp_path, 1200)
    assert (tmp_path / CHECKPOINT_FILE).read_bytes() == saved
    assert (tmp_path / UNSTABLE_FILE).exists()


def test_a_lost_state_never_replaces_a_good_one(tmp_path, monkeypatch):
    """Where losses are looked at seldom, as on a GPU, they are looked at before each save."""
    run_until(tmp_path, 1000)
    saved = (tmp_path / CHECKPOINT_FILE).read_bytes()
    step = DFME.step

    def losing(self, s, oracle, n):
        return step(self, s, oracle, n) | {"student/gap": torch.tensor(float("nan"))}

    monkeypatch.setattr(DFME, "step", losing)
    monkeypatch.setattr(Run, "after_step", unchecked)
    with pytest.raises(Unstable, match="student/gap became NaN"):
        run_until(tmp_path, 1200)
    assert (tmp_path / CHECKPOINT_FILE).read_bytes() == saved


def unchecked(self, state, losses):
    """`Run.after_step` without its look at the losses, and with a stop between evaluations."""
    for name, loss in losses.items():
        self._sums[name] = self._sums.get(name, 0) + loss
    self._trail.step(self.spent)
    self.stop.ask("SIGTERM")


def test_the_ledger_holds_both_accounts(tmp_path):
    record = copy_model(tiny_config(), tiny_target(), tmp_path)
    with Ledger(tmp_path / LEDGER_FILE) as ledger:
        assert ledger.account("attacker", record.budget).spent == record.spent
        assert ledger.account("auditor", None).spent == record.accounts["auditor"].spent


def test_evaluation_leaves_the_process_random_numbers_alone(tmp_path):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    copy_model(tiny_config(), tiny_target(), tmp_path)
    assert torch.equal(torch.rand(3), expected)


def test_a_student_never_starts_from_its_victims_weights(tmp_path):
    # Equal weights give a KL of 1e-9 or so, which is above 0 as well.
    untrained = build(ARCHITECTURES["lenet"], TINY, 4, 0)
    target = tiny_target(ModuleVictim(untrained, TINY, 4, name="untrained"))
    record = copy_model(tiny_config(seed=0), target, tmp_path, stop=Soon(looks=3))
    assert record.curve[0].values["kl"] > 1e-4


def test_another_victim_is_another_run(tmp_path):
    copy_model(tiny_config(), tiny_target(), tmp_path)
    with pytest.raises(RunError, match="another victim"):
        copy_model(tiny_config(), tiny_target(tiny_victim(seed=9)), tmp_path)


UNLIMITED = {"budget": None, "spent": 500}
POINT: dict[str, Any] = {"queries": 500, "seconds": 1}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"accounts": {}}, "accounts: expected the attacker's"),
        ({"accounts": dict.fromkeys(("attacker", "auditor"), UNLIMITED)}, "accounts: expected the"),
        ({"curve": [POINT | {"values": {"agreement": 1}}]}, "curve: expected accuracy and agree"),
        ({"curve": []}, "curve: expected accuracy and agreement at its last point"),
        ({"seconds": "long"}, "seconds"),
        ({"config": {}}, "config: expected attack, settings, victim, student, budget, seed,"),
        ({"config": {"settings": None}}, "config: expected settings by their names, got None"),
    ],
)
def test_a_record_that_lacks_what_all_have_is_named(tmp_path, change, expected):
    copy_model(tiny_config(budget=500), tiny_target(), tmp_path)
    path = tmp_path / "record.json"
    whole = json.loads(path.read_text())
    if change.get("config"):
        change = {"config": whole["config"] | change["config"]}
    path.write_text(json.dumps(whole | change))
    with pytest.raises(RunError, match=f"is not a valid record: {expected}"):
        read_record(tmp_path)


def test_a_folder_in_a_records_place_is_told(tmp_path):
    path = tmp_path / "record.json"
    path.mkdir()
    for named in (tmp_path, path):
        with pytest.raises(RunError, match=f"^{path} is not a record: expected a file, got a fold"):
            read_record(named)


def test_a_file_in_a_folders_place_has_no_record(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="There is no record at"):
        read_record(tmp_path / "file" / "record.json")
