"""Checks that runs suit a victim's inputs and outputs, before anything is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Self

import torch

from copycost.errors import ConfigError, SpecMismatch, faults_of
from copycost.nets import ARCHITECTURES
from copycost.oracle.access import check_access
from copycost.oracle.rehearsal import Rehearsal
from copycost.runner.config import RunConfig
from copycost.runner.making import attack_of
from copycost.runner.pools import check_pool_fits
from copycost.types import Access, InputSpec
from copycost.victims.base import Victim


class Interface(NamedTuple):
    """What is known of a victim before it is asked, or even trained."""

    spec: InputSpec
    classes: int
    output: Access = Access.LOGITS
    """What it computes, undefended."""

    @classmethod
    def of(cls, victim: Victim) -> Self:
        """The interface of `victim`."""
        return cls(victim.spec, victim.classes, victim.output)


def check_fits(runs: Sequence[RunConfig], interface: Interface) -> None:
    """Raise `ConfigError`, with every fault, for runs that cannot copy such a victim."""
    problems = dict.fromkeys(fault for own in faults(runs, interface) for fault in own)
    if problems:
        raise ConfigError(*problems)


def faults(runs: Sequence[RunConfig], interface: Interface) -> list[list[str]]:
    """For each run, why it cannot copy such a victim, if so; allocates no networks."""
    found: dict[str, list[str]] = {}
    kinds = [run.model_dump_json(exclude={"seed"}) for run in runs]
    for kind, run in zip(kinds, runs, strict=True):
        if kind not in found:
            found[kind] = _faults(run, interface)
    return [found[kind] for kind in kinds]


def _faults(run: RunConfig, interface: Interface) -> list[str]:
    """The faults of one run; those of victim and student name no attack, so as not to repeat."""
    spec, classes, output = interface
    attack = attack_of(run)
    defended = Access.PROBABILITIES if run.defences and output is Access.LOGITS else output
    checks: dict[str, Callable[[], None]] = {
        "access": partial(check_access, defended, Access(run.access), run.top_k, classes),
        f"student {run.student}": partial(_check_student, run, spec, classes),
        f"{run.attack}'s pool": partial(check_pool_fits, run, spec),
        "defences": partial(_check_defences, run, spec, classes),
        run.attack: partial(attack.check_spec, spec),
        f"{run.attack}'s access": partial(attack.check_access, Access(run.access)),
    }
    return [f"{name}: {line}" for name, check in checks.items() for line in faults_of(check)]


def _check_defences(run: RunConfig, spec: InputSpec, classes: int) -> None:
    """Try them on a victim that has no preference; a user's own may raise anything."""
    defended = Rehearsal(spec, classes, Access.PROBABILITIES, defences=run.defences)
    try:
        defended(lambda x: x.new_zeros(len(x), classes))(torch.zeros(2, *spec.shape))
    except SpecMismatch as error:  # without what its message says of queries, as none was asked
        raise SpecMismatch(error.expected, error.came) from error
    except Exception as error:
        said = f"{' + '.join(run.defences)} raised {type(error).__name__}: {error}"
        raise ConfigError(said) from error


def _check_student(run: RunConfig, spec: InputSpec, classes: int) -> None:
    with torch.device("meta"):
        ARCHITECTURES[run.student](spec, classes)
