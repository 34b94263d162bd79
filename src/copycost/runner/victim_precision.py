"""The precision in which a victim answers, and its entry in the record."""

from __future__ import annotations

from copycost.arithmetic import Step
from copycost.engine import Engine
from copycost.errors import ConfigError
from copycost.victims.base import Victim
from copycost.victims.module import ModuleVictim

ITS_OWN = "its own"


def in_its_precision(victim: Victim, engine: Engine, step: Step | None) -> Victim:
    """`victim` in the engine's precision for victims; one not run by copycost stays as it is."""
    if not _ours(victim):
        return victim
    assert isinstance(victim, ModuleVictim)
    return victim.computed_in(engine.victim_precision(step))


def check_victim_precision(victim: Victim, chosen: str | None) -> None:
    """Raise `ConfigError` if a precision was chosen for a victim that copycost does not run."""
    if chosen is not None and not _ours(victim):
        raise ConfigError(
            f"victim_precision: {victim.name} is not a module of this process; its arithmetic "
            "cannot be chosen here."
        )


def arithmetic(engine: Engine, step: Step | None, victim: Victim) -> dict[str, str]:
    """The precision of each part of the computation, for the record."""
    used = engine.arithmetic(step)
    return used if _ours(victim) else used | {"victim": ITS_OWN}


def _ours(victim: Victim) -> bool:
    """Whether copycost itself runs the victim's module."""
    return isinstance(victim, ModuleVictim) and type(victim).answer is ModuleVictim.answer
