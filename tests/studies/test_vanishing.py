"""Diagnoses of vanishing gradients: what is measured is true, and measuring changes nothing."""

from __future__ import annotations

import copy
import errno
import json
import math
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.runner.conftest import SMALL, tiny_config, tiny_target
from tests.runner.test_chance import dropping
from tests.stops import Soon
from torch import Tensor, nn

from copycost.attacks.dfme import DFME
from copycost.attacks.state import State
from copycost.engine import Engine
from copycost.errors import ConfigError, RunError
from copycost.gradients.quality import true_gradient
from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import build
from copycost.oracle.meter import CountedOracle
from copycost.runner import keeper
from copycost.runner.copy_model import copy_model
from copycost.runner.record import AGAIN, RECORD_FILE, read_record
from copycost.runner.stopping import Stop
from copycost.studies.in_the_open import Game
from copycost.studies.vanishing import diagnose
from copycost.studies.vanishing_record import (
    DIAGNOSTIC_FILE,
    DiagnosisGrid,
    Moment,
    VanishingRecord,
    read_vanishing,
)
from copycost.testing import TINY, SpyVictim, TinyNet, tiny_victim
from copycost.types import Access, Precision
from copycost.victims.module import ModuleVictim

QUICK = DiagnosisGrid(moments=3, images=8, coarse_images=4, directions=(1, 4), epsilons=(1e-3, 0.1))
FLOOR = 1e-7
FLOAT32_ALONE = {"arithmetics": (Precision.FLOAT32,)}


def run_of(**more: object) -> dict[str, Any]:
    """Fields of a run of half a second."""
    return tiny_config(budget=1500, **more).model_dump()


def scaled(factor: float) -> nn.Module:
    """A tiny victim whose logits are multiplied: the larger, the more sure of itself."""
    net = TinyNet(seed=0)
    with torch.no_grad():
        net.second.mul_(factor)
    return net


def game_of(victim: nn.Module, grid: DiagnosisGrid = QUICK, **settings: Any) -> Game:
    return Game(
        attack=DFME(**{**SMALL, **settings}),
        engine=Engine("cpu"),
        victim=victim,
        spec=TINY,
        access=Access.PROBABILITIES,
        k=5,
        seed=0,
        grid=grid,
        held_out=tiny_target().held_out,
    )


def state_of(game: Game) -> State:
    student = build(ARCHITECTURES["lenet"], TINY, 4, seed=1)
    oracle = CountedOracle(tiny_victim(), access="probabilities", budget=1000)
    return game.attack.start(student, oracle, game.engine, seed=2)


def measured(victim: nn.Module, **grid: Any) -> Moment:
    game = game_of(victim, QUICK.model_copy(update=grid))
    return game.measure(state_of(game), 0)


def by_hand(student: nn.Module, victim: nn.Module, p: Tensor, floor: float = FLOOR) -> Tensor:
    """DFME's gap [N] at probability access, written out in float64."""
    images = (torch.tanh(p.double()) + 1) / 2
    shares = torch.exp(victim(images)) / torch.exp(victim(images)).sum(dim=1, keepdim=True)
    logs = torch.log(torch.where(shares < floor, torch.full_like(shares, floor), shares))
    recovered = logs - logs.sum(dim=1, keepdim=True) / logs.shape[1]
    gap: Tensor = (student(images) - recovered).abs().sum(dim=1) / logs.shape[1]
    return gap


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> VanishingRecord:
    return diagnose(run_of(), tiny_target(), tmp_path_factory.mktemp("diagnosis"), QUICK)


def test_looking_changes_nothing(record: VanishingRecord, tmp_path: Path) -> None:
    plain = copy_model(tiny_config(budget=1500), tiny_target(), tmp_path / "run")
    assert record.student_hash == plain.student_hash
    assert record.spent == plain.spent
    assert record.id == plain.id
    more = QUICK.model_copy(update={"moments": 6, "arithmetics": (Precision.FLOAT32,)})
    often = diagnose(run_of(), tiny_target(), tmp_path / "often", more)
    assert often.student_hash == plain.student_hash
    assert often.moments[0].estimate == record.moments[0].estimate


def test_a_student_that_draws_numbers_ends_as_in_a_run_also_after_a_stop(tmp_path: Path) -> None:
    config = tiny_config(student=f"{dropping.__module__}:dropping", budget=1500)
    plain = copy_model(config, tiny_target(), tmp_path / "run")
    grid = QUICK.model_copy(update=FLOAT32_ALONE)
    torch.manual_seed(plain.seed + 1)
    stopped = diagnose(config.model_dump(), tiny_target(), tmp_path / "it", grid, stop=Soon(9))
    assert not stopped.finished
    assert stopped.moments
    found = diagnose(config.model_dump(), tiny_target(), tmp_path / "it", grid)
    assert found.student_hash == plain.student_hash
    whole = diagnose(config.model_dump(), tiny_target(), tmp_path / "whole", grid)
    assert whole.student_hash == plain.student_hash
    assert whole.moments == found.moments


def test_a_look_leaves_the_players_as_they_stand() -> None:
    """Buffers, optimisers and random numbers too, which the student need not feel at once."""
    game, before = game_of(TinyNet()), BytesIO()
    state = state_of(game)
    torch.save(state.state(), before)
    modes = [part.training for p in state.players.values() for part in p.network.modules()]
    game.measure(state, 0)
    after = BytesIO()
    torch.save(state.state(), after)
    assert after.getvalue() == before.getvalue()
    assert modes == [part.training for p in state.players.values() for part in p.network.modules()]
    assert all(w.grad is None for p in state.players.values() for w in p.network.parameters())


def test_the_owner_s_module_is_left_as_it_is(tmp_path: Path) -> None:
    module = TinyNet().train()
    victim = ModuleVictim(module, TINY, 4)
    grid = QUICK.model_copy(update={"moments": 2, "arithmetics": (Precision.FLOAT32,)})
    diagnose(run_of(), tiny_target(victim), tmp_path, grid)
    assert all(p.requires_grad and p.grad is None for p in module.parameters())


def test_moments_lie_evenly_and_end_with_the_budget(record: VanishingRecord) -> None:
    start, middle, end = (moment.queries for moment in record.moments)
    step = 4 * SMALL["batch_size"]
    assert start == 0
    assert 750 <= middle < 750 + step
    assert end == record.spent <= record.budget == 1500


def test_the_last_look_is_at_the_end_also_where_a_rest_of_the_budget_pays_for_no_step(
    tmp_path: Path,
) -> None:
    grid = QUICK.model_copy(update=FLOAT32_ALONE)
    record = diagnose(run_of() | {"budget": 1503}, tiny_target(), tmp_path, grid)
    assert record.spent < record.budget
    assert len(record.moments) == 3
    assert record.moments[-1].queries == record.spent


@pytest.mark.parametrize("factor", [1.0, 12.0])
def test_the_true_gradient_is_that_of_the_gap_written_out(factor: float) -> None:
    """The second victim is sure enough for the floor to matter."""
    victim, student = scaled(factor).double(), TinyNet(seed=7).double()
    p = torch.randn(6, *TINY.shape, generator=torch.Generator().manual_seed(4))
    images = (torch.tanh(p.double()) + 1) / 2
    floored = (victim(images).softmax(dim=1) < FLOOR).any()
    assert bool(floored) == (factor > 1)

    def central(floor: float) -> Tensor:
        """Slopes along every single value, by tiny steps in float64."""
        steps = 1e-6 * torch.eye(TINY.size, dtype=torch.float64).reshape(-1, 1, *TINY.shape)
        up, down = (
            torch.stack([by_hand(student, victim, p + sign * s, floor) for s in steps])
            for sign in (1, -1)
        )
        return ((up - down) / 2e-6).T.reshape(p.shape)

    game = game_of(scaled(factor))
    single = TinyNet(seed=7)
    found = true_gradient(game.gap(single, game.victim), p)
    assert torch.allclose(found.double(), central(FLOOR), atol=1e-4)
    endless = true_gradient(game.unfloored(single), p)
    assert torch.allclose(endless.double(), central(0.0), atol=1e-4)


def test_a_victim_beyond_the_floor_leaves_the_student_s_part_alone() -> None:
    ordinary, sure = measured(scaled(1.0)), measured(scaled(100.0))
    assert ordinary.floored == ordinary.blind == 0
    assert ordinary.through_victim.middle > 0.1
    assert ordinary.unfloored.middle == pytest.approx(ordinary.true.middle, rel=1e-4)
    assert sure.floored == pytest.approx(0.75, abs=0.05)  # all but one of four classes
    assert sure.blind > 0.8
    assert sure.through_victim.middle < 1e-4
    assert 1e-3 < sure.true.middle < sure.unfloored.middle / 100


def test_a_gap_without_slope_is_flat() -> None:
    class Flat(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 0 * x.flatten(1)[:, :4]

    game = game_of(Flat())
    state = state_of(game)
    with torch.no_grad():
        for weight in state.student.network.parameters():
            weight.zero_()
    moment = game.measure(state, 0)
    assert moment.flat == 1
    assert moment.true.high == moment.generator_true == 0
    assert {cell.still for cell in moment.cells} == {1.0}
    assert {cosine for cell in moment.cells for cosine in cell.cosines.values()} == {0.0}


class Constant(nn.Module):
    """The same logits whatever it is asked."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits + 0 * x.flatten(1)[:, :4]


@pytest.mark.parametrize(
    ("logits", "floored", "blind"),
    [((0, 0, 0, 0), 0, 0), ((0, 0, -99, -99), 0.5, 0), ((0, -99, -99, -99), 0.75, 1)],
)
def test_an_answer_is_blind_where_one_class_alone_is_above_the_floor(
    logits: tuple[float, ...], floored: float, blind: float
) -> None:
    moment = measured(Constant(*logits), **FLOAT32_ALONE)
    assert (moment.floored, moment.blind) == (floored, blind)


def test_the_generator_s_true_gradient_is_that_of_its_mean_gap() -> None:
    game = game_of(TinyNet(seed=0))
    state = state_of(game)
    moment = game.measure(state, 0)
    generator = state.need_generator().network
    z = game.random("latents").normal(8, SMALL["latent"])
    student = state.student.network.eval()
    (-by_hand(student.double(), TinyNet(seed=0).double(), generator(z)).mean()).backward()
    squares = sum(float((p.grad**2).sum()) for p in generator.parameters() if p.grad is not None)
    assert moment.generator_true == pytest.approx(math.sqrt(squares), rel=1e-3)


def test_the_students_gradient_is_that_of_its_step_in_training_mode() -> None:
    game = game_of(TinyNet(seed=0), QUICK.model_copy(update=FLOAT32_ALONE))
    oracle = CountedOracle(tiny_victim(), access="probabilities", budget=1000)
    student = build(ARCHITECTURES["gap-cnn"], TINY, 4, seed=1)  # with batch norms
    state = game.attack.start(student, oracle, game.engine, seed=2)
    moment = game.measure(state, 0)
    z = game.random("latents").normal(8, SMALL["latent"])
    x = copy.deepcopy(state.need_generator().network)(z).detach()
    learning = copy.deepcopy(state.student.network).train().double()
    by_hand(learning, TinyNet(seed=0).double(), x).mean().backward()
    squares = sum(float((p.grad**2).sum()) for p in learning.parameters() if p.grad is not None)
    assert moment.student == pytest.approx(math.sqrt(squares), rel=1e-3)


def test_cosines_are_what_the_geometry_allows_and_rounding_leaves() -> None:
    directions = (1, 10, 32)
    moment = measured(TinyNet(seed=0), images=32, coarse_images=32, directions=directions)
    d = TINY.size
    assert moment.exact_cosines[1] == pytest.approx(math.sqrt(2 / (math.pi * d)), rel=0.1)
    for m in (10, 32):
        assert moment.exact_cosines[m] == pytest.approx(math.sqrt(m / (d + m - 1)), rel=0.1)
    found = {(cell.arithmetic, cell.epsilon): cell for cell in moment.cells}
    assert set(found) == {
        ("float32", 1e-3), ("float32", 0.1),
        ("tf32 (emulated)", 1e-3), ("tf32 (emulated)", 0.08), ("tf32 (emulated)", 0.1),
        ("bfloat16", 1e-3), ("bfloat16", 0.1), ("bfloat16", 0.4),
    }  # fmt: skip
    assert found["float32", 1e-3].correlation > 0.99
    assert found["float32", 1e-3].cosines == pytest.approx(moment.exact_cosines, rel=0.03)
    assert found["bfloat16", 1e-3].correlation < 0.3
    assert found["bfloat16", 1e-3].cosines[32] < 0.4 * moment.exact_cosines[32]
    assert found["bfloat16", 0.4].correlation > 0.9
    assert [cell.epsilon for cell in moment.cells if cell.default] == [1e-3, 0.08, 0.4]


def test_slow_arithmetics_are_measured_at_fewer_images(record: VanishingRecord) -> None:
    images = {cell.arithmetic: cell.images for cell in record.moments[0].cells}
    assert images == {"float32": 8, "tf32 (emulated)": 4, "bfloat16": 4}


def test_the_estimate_is_as_long_as_one_direction_makes_it() -> None:
    moment = measured(TinyNet(seed=0), images=64)
    # d·|slope|, of which half lie within 0.67 standard deviations, √d times the gradient's norm.
    ratio = moment.estimate.middle / moment.true.middle
    assert ratio == pytest.approx(0.67 * math.sqrt(TINY.size), rel=0.4)


def test_a_record_is_read_back_and_is_no_run_s(record: VanishingRecord, tmp_path: Path) -> None:
    path = record.write(tmp_path)
    assert path == tmp_path / DIAGNOSTIC_FILE
    assert read_vanishing(tmp_path) == record
    assert record.kind == "diagnostic: not an attack's result"
    assert record.surroundings.arithmetic["epsilon"] == "0.001"
    (tmp_path / RECORD_FILE).write_bytes(path.read_bytes())
    with pytest.raises(RunError):
        read_record(tmp_path)
    fields = json.loads(path.read_text())
    for change, why in (
        ({"version": 2}, "expected version 1, got 2"),
        ({"kind": "run"}, f"expected kind {record.kind!r}, got 'run'"),
        ({"more": 1}, "more: there is no such setting"),
    ):
        path.write_text(json.dumps(fields | change))
        with pytest.raises(RunError) as caught:
            read_vanishing(path)
        assert str(caught.value) == f"{path} is not a diagnosis: {why}. {AGAIN}"


def test_a_stopped_diagnosis_goes_on_to_what_it_would_have_been(
    record: VanishingRecord, tmp_path: Path
) -> None:
    lines = list[str]()
    for shown in (1, 2, 9):
        stop = Stop()

        def say(line: str, stop: Stop = stop, shown: int = shown) -> None:
            lines.append(line)
            if len(lines) == shown:
                stop.ask("time limit")

        found = diagnose(run_of(), tiny_target(), tmp_path / "d", QUICK, stop=stop, say=say)
        assert found.ended == ("finished" if shown == 9 else "time limit")
        assert read_vanishing(tmp_path / "d") == found
    assert len(lines) == 3, "nothing is looked at twice"
    assert found.moments == record.moments
    assert (found.student_hash, found.spent) == (record.student_hash, record.spent)
    assert found.seconds >= found.measuring > 0
    assert diagnose(run_of(), tiny_target(), tmp_path / "d", QUICK) == found
    assert not list(tmp_path.rglob("checkpoint*")), "what is finished needs none"


def test_what_a_full_disk_did_not_take_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(keeper, "SECONDS", 0.0)
    grid = QUICK.model_copy(update=FLOAT32_ALONE)
    with monkeypatch.context() as disk:
        disk.setattr(VanishingRecord, "write", full)
        with pytest.raises(OSError, match="No space left"):
            diagnose(run_of(), tiny_target(), tmp_path / "d", grid)
    monkeypatch.setattr(DFME, "step", full)
    assert diagnose(run_of(), tiny_target(), tmp_path / "d", grid).finished


def test_another_diagnosis_in_its_place_is_refused(tmp_path: Path) -> None:
    stop = Stop()
    stop.ask("time limit")
    diagnose(run_of(), tiny_target(), tmp_path / "d", QUICK, stop=stop)
    with pytest.raises(RunError, match="another diagnosis"):
        diagnose(run_of(seed=1), tiny_target(), tmp_path / "d", QUICK)


def test_what_cannot_be_diagnosed_is_refused_with_every_reason(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        diagnose(
            run_of(
                attack="random-noise",
                settings={},
                defences=("rounding:2",),
                adaptations=("average:2",),
            ),
            tiny_target(SpyVictim(tiny_victim())),
            tmp_path,
        )
    assert [problem.split(":")[0] for problem in refused.value.problems] == [
        "attack", "defences", "adaptations", "victim",
    ]  # fmt: skip
    probabilities = tiny_target(tiny_victim(Access.PROBABILITIES))
    trained = {**SMALL, "student_mode": "train"}
    with pytest.raises(ConfigError, match=r"(?s)student_mode.*gives logits"):
        diagnose(run_of(settings=trained), probabilities, tmp_path)
    assert not list(tmp_path.iterdir())
