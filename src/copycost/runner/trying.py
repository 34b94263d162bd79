"""Tries a student before anything is asked: it may be of the user's own, or images too small."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from copycost.attacks.base import SMALLEST_BATCH
from copycost.errors import CopycostError, SpecMismatch
from copycost.runner.chance import own_chance
from copycost.runner.config import RunConfig
from copycost.runner.making import fresh_student
from copycost.types import InputSpec


@torch.no_grad()
def check_student(config: RunConfig, spec: InputSpec, classes: int, device: torch.device) -> None:
    """Raise `SpecMismatch` unless the run's student maps inputs of `spec` to finite logits.

    A student that is thrown away runs on `device` in both modes, on the smallest batch that a step
    may have. The numbers that layers such as dropout draw go on as if nothing had happened.
    """
    with own_chance(config.seed, device):
        student = _built(config, spec, classes).to(device)
        x = two_inputs(spec).to(device)
        for training in (False, True):
            _check(config.student, student.train(training), x, classes)


def _built(config: RunConfig, spec: InputSpec, classes: int) -> nn.Module:
    """The student, if its builder makes a module."""
    wanted, advice = f"a torch.nn.Module from the student {config.student}", "mend its builder"
    try:
        student = fresh_student(config, spec, classes)
    except CopycostError:
        raise
    except Exception as error:  # whatever its code may raise
        raise SpecMismatch(wanted, _in_short(error), advice) from error
    if not isinstance(student, nn.Module):
        raise SpecMismatch(wanted, f"a {type(student).__name__}", advice)
    return student


def _check(name: str, student: nn.Module, x: Tensor, classes: int) -> None:
    shape, mode = (len(x), classes), "training" if student.training else "evaluation"
    wanted = f"finite logits {list(shape)} from the student {name} in {mode} mode"
    given = (
        f"for {_kind(x)} {list(x.shape)}, and nothing was asked now; mend the student or name "
        "another"
    )
    try:
        logits = student(x)
    except Exception as error:  # whatever its code may raise
        raise SpecMismatch(wanted, _in_short(error), given) from error
    if not isinstance(logits, Tensor):
        raise SpecMismatch(wanted, f"a {type(logits).__name__}", given)
    if tuple(logits.shape) != shape:
        raise SpecMismatch(wanted, f"a tensor {list(logits.shape)}", given)
    if not bool(logits.isfinite().all()):
        raise SpecMismatch(wanted, "NaN or infinity", given)


def _kind(x: Tensor) -> str:
    return "inputs" if x.is_floating_point() else "tokens, int64,"


def _in_short(error: Exception) -> str:
    """The error's type and the first line of its text."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def two_inputs(spec: InputSpec) -> Tensor:
    """Two different inputs [2, *shape], which span the range, or the vocabulary from both ends."""
    shape = (SMALLEST_BATCH, *spec.shape)
    if spec.vocabulary is not None:
        # The last token tells whether a student knows the whole vocabulary.
        from_first = torch.arange(spec.size) % spec.vocabulary
        return torch.stack([from_first, spec.vocabulary - 1 - from_first]).view(shape)
    return torch.linspace(spec.low, spec.high, SMALLEST_BATCH * spec.size).view(shape)
