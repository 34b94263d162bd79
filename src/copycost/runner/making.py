"""Makes the parts of a run from its configuration, alike for an attack and for a diagnosis."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import nn

from copycost.attacks.base import Attack
from copycost.devices import usable
from copycost.engine import Engine
from copycost.errors import ConfigError, for_each
from copycost.nets import ARCHITECTURES
from copycost.nets.normalised import in_its_range
from copycost.nets.seeded import build, derive
from copycost.runner.config import RunConfig, read_attack
from copycost.runner.victim_precision import check_victim_precision, in_its_precision
from copycost.types import InputSpec
from copycost.victims.base import Victim
from copycost.victims.inference import quickened


def engine_of(config: RunConfig, victim: Victim) -> Engine:
    """The run's engine; `ConfigError` if its device or precisions do not suit the run."""
    check_victim_precision(victim, config.victim_precision)
    engine = Engine(
        config.device,
        config.precision,
        config.compile,
        estimate=config.estimate_precision,
        victim=config.victim_precision,
    )
    attack = attack_of(config, engine.ranks.count)
    # With a pool, the student trains on batches of other sizes, which grow with the queries.
    engine.batch_size = None if attack.needs_pool else attack.batch_size
    return engine


def attack_of(config: RunConfig, processes: int = 1) -> Attack:
    """The attack as one of several processes carries it out, with its share of each batch."""
    return read_attack(config.attack, config.settings, config.inputs).shared_by(processes)


def check_runs(runs: Sequence[RunConfig], processes: int) -> None:
    """Raise `ConfigError`, with every fault, if `processes` cannot share one of the `runs`.

    One fault is a share of the budget that pays for no step. No victim is needed for this.
    """
    for_each(runs, partial(_check_shares, processes))


def check_devices(runs: Sequence[RunConfig]) -> None:
    """Raise `ConfigError`, with every fault, for devices that are missing or unsuitable."""
    asked = dict.fromkeys(
        (run.device, (run.precision, run.estimate_precision, run.victim_precision), run.compile)
        for run in runs
    )
    for_each(asked, lambda one: usable(*one))


def _check_shares(processes: int, config: RunConfig) -> None:
    if processes > 1 and config.record_queries != "off":
        raise ConfigError(
            "record_queries: only a run of one process keeps its queries. Start it without "
            "torchrun, or leave --record-queries out."
        )
    share = config.budget // processes
    attack_of(config, processes).check_budget(share, config.queries_per_input)


def ready_victim(victim: Victim, engine: Engine, attack: Attack) -> Victim:
    """`victim`, undefended, as `attack` asks it: made faster, and in the run's precision."""
    step = attack.estimate_step(engine, victim.spec)
    return in_its_precision(quickened(victim, engine), engine, step)


def fresh_student(config: RunConfig, spec: InputSpec, classes: int) -> nn.Module:
    """The student before the first query."""
    # A derived seed: a student must not start from the weights that a victim started from.
    return student_of(config.student, spec, classes, derive(config.seed, "student"))


def student_of(name: str, spec: InputSpec, classes: int, seed: int) -> nn.Module:
    """A student of this architecture, for inputs in the range of `spec`.

    An attacker knows the range. A student that took inputs from 0 to 255 unscaled would learn
    badly, and the victim would seem hard to copy.
    """
    module = build(ARCHITECTURES[name], spec, classes, seed)
    return in_its_range(module, spec) if maps_its_range(name, spec) else module


def maps_its_range(student: str, spec: InputSpec) -> bool:
    """Whether a student maps inputs to [0, 1] first; a user's own is given the range instead."""
    numbers = spec.vocabulary is None and (spec.low, spec.high) != (0.0, 1.0)
    return numbers and ":" not in student
