"""What a run is made of, from its configuration: the same for an attack and for a diagnosis."""

from __future__ import annotations

from torch import nn

from copycost.attacks import ATTACKS
from copycost.attacks.base import Attack
from copycost.engine import Engine
from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import build, derive
from copycost.ranks import Ranks
from copycost.runner.answering import answering, check_victim_precision
from copycost.runner.config import RunConfig
from copycost.settings import read_settings
from copycost.types import InputSpec
from copycost.victims.base import Victim
from copycost.victims.inference import quickened


def engine_of(config: RunConfig, victim: Victim) -> Engine:
    """The device and its arithmetic; `ConfigError` for one that `victim` cannot be asked in."""
    check_victim_precision(victim, config.victim_precision)
    engine = Engine(
        config.device,
        config.precision,
        config.compile,
        estimate=config.estimate_precision,
        victim=config.victim_precision,
    )
    attack = attack_of(config, engine.ranks)
    # Trainings on a pool have batches of a size of their own, which grows with what was asked.
    engine.batch_size = None if attack.needs_pool else attack.batch_size
    return engine


def attack_of(config: RunConfig, ranks: Ranks) -> Attack:
    """The attack as one of `ranks` carries it out, with its share of each batch."""
    attack: Attack = read_settings(ATTACKS[config.attack], dict(config.settings))
    return attack.shared_by(ranks.count)


def ready_victim(victim: Victim, engine: Engine, attack: Attack) -> Victim:
    """`victim`, undefended, as `attack` asks it: made quick, in the run's arithmetic."""
    step = attack.estimate_step(engine, victim.spec)
    return answering(quickened(victim, engine), engine, step)


def fresh_student(config: RunConfig, spec: InputSpec, classes: int) -> nn.Module:
    """The student before the first query."""
    # A seed of its own: a student must not start from the weights a victim started from.
    seed = derive(config.seed, "student")
    return build(ARCHITECTURES[config.student], spec, classes, seed)
