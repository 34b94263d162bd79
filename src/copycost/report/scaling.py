"""What the processes of one run have to send each other, from the networks themselves."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from copycost.attacks.dfme import DFME
from copycost.nets import ARCHITECTURES, GENERATORS
from copycost.types import InputSpec

SPEC = InputSpec(shape=(3, 32, 32))
CLASSES = 10
STUDENTS = ("resnet20", "resnet18-8x", "resnet34-8x")
FLOAT = 4
"""Bytes; gradients are sent in float32 in every arithmetic."""


def bytes_table(results: Path) -> str:
    """Markdown: for each student, what one step of DFME at its defaults sends; no record needed."""
    attack = DFME()
    generator = GENERATORS[attack.generator](SPEC, attack.latent, attack.width)
    rows = [
        "| student | weights of the student | of the generator | gradients a step of the attack "
        "| all-reduces of batch norm a step |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in STUDENTS:
        student = ARCHITECTURES[name](SPEC, CLASSES)
        steps = (attack.student_steps, attack.generator_steps)
        sent = FLOAT * (steps[0] * _weights(student) + steps[1] * _weights(generator))
        rows.append(
            f"| `{name}` | {_weights(student):,} | {_weights(generator):,} | {sent / 1e6:,.0f} MB "
            f"| {_norm_messages(attack, student, generator)} |"
        )
    return "\n".join(rows)


def _weights(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _norm_messages(attack: DFME, student: nn.Module, generator: nn.Module) -> int:
    """One a batch norm forwards in training mode, and one more where it is trained."""
    of_student = 2 * attack.student_steps * _norms(student)
    of_generator = (2 * attack.generator_steps + attack.student_steps) * _norms(generator)
    return of_student + of_generator


def _norms(module: nn.Module) -> int:
    return sum(isinstance(m, nn.BatchNorm2d) for m in module.modules())
