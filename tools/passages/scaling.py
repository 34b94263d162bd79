"""What the processes of one run send each other, and how long a step takes as a result."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

from torch import nn

from copycost.attacks.dfme import DFME
from copycost.nets import ARCHITECTURES, GENERATORS
from copycost.types import InputSpec
from tools.passages.markdown import NOT_RUN, short, table

SPEC = InputSpec(shape=(3, 32, 32))
CLASSES = 10
STUDENTS = ("resnet20", "resnet18-8x", "resnet34-8x")
FLOAT = 4
"""Bytes; gradients are sent in float32 in every arithmetic."""


def bytes_table(results: Path) -> str:
    """Markdown: for each student, what one step of DFME at its defaults sends; no record needed."""
    head = [
        "student",
        "weights of the student",
        "of the generator",
        "gradients a step of the attack",
        "all-reduces of batch norm a step",
    ]
    attack, generator = DFME(), _generator(DFME())
    rows = [
        [
            f"`{name}`",
            f"{_weights(student):,}",
            f"{_weights(generator):,}",
            f"{gradient_bytes(attack, student) / 1e6:,.0f} MB",
            f"{norm_messages(attack, student)}",
        ]
        for name, student in ((name, ARCHITECTURES[name](SPEC, CLASSES)) for name in STUDENTS)
    ]
    return table(head, rows)


def predicted_passage(results: Path) -> str:
    """For each record of `tools/scaling.py`: steps of two processes, predicted and measured."""
    paths = sorted((results / "scaling").glob("*.json"))
    found = [_predicted(json.loads(path.read_bytes())) for path in paths]
    return "\n\n".join(found) or NOT_RUN


def _predicted(record: dict[str, Any]) -> str:
    around, wire = record["surroundings"], record["wire"]
    about = (
        f"{record['processes']} processes (gloo, loopback) of a thread each on "
        f"{around['hardware']}, PyTorch {around['versions']['torch']}, commit "
        f"`{short(around['commit'])}`. A message of few numbers takes "
        f"{wire['latency_seconds'] * 1e3:.2f} ms, many numbers pass at "
        f"{wire['bytes_per_second'] / 1e9:.2f} GB/s. Seconds of a step, medians of "
        f"{len(record['steps'][0]['shared']['seconds'])}:"
    )
    head = ["student", "victim", "images", *terms(record, record["steps"][0]), "sum"]
    head += ["measured (all steps)", "messages"]
    return f"{about}\n\n{table(head, (_step(record, step) for step in record['steps']))}"


def _step(record: dict[str, Any], step: dict[str, Any]) -> list[str]:
    parts, seconds = terms(record, step).values(), step["shared"]["seconds"]
    wait = step["wait_seconds"]
    return [
        f"`{step['student']}`",
        f"`{step['victim']}`" + (f", {wait:g} s a call" if wait else ""),
        f"{step['batch_size']}",
        *(f"{part:.2f}" for part in parts),
        f"{sum(parts):.2f}",
        f"{median(seconds):.2f} ({min(seconds):.2f}–{max(seconds):.2f})",
        f"{sum(step['shared']['messages'].values()):,.0f}",
    ]


def terms(record: dict[str, Any], step: dict[str, Any]) -> dict[str, float]:
    """The formula of docs/scaling.md for one measured `step`: seconds of each of its terms."""
    shared, wire, ranks = step["shared"], record["wire"], record["processes"]
    sent = gradient_bytes(DFME(), ARCHITECTURES[step["student"]](SPEC, CLASSES))
    return {
        "computing": median(step["alone"]["seconds"]),
        "gradients": 2 * sent * (ranks - 1) / ranks / wire["bytes_per_second"],
        "waiting for messages": sum(shared["messages"].values()) * wire["latency_seconds"],
        "for the victim": shared["calls"] * (step["wait_seconds"] or 0),
    }


def gradient_bytes(attack: DFME, student: nn.Module) -> int:
    """Bytes of all gradients of one step of the attack."""
    of_student = attack.student_steps * _weights(student)
    return FLOAT * (of_student + attack.generator_steps * _weights(_generator(attack)))


def _generator(attack: DFME) -> nn.Module:
    generator: nn.Module = GENERATORS[attack.generator](SPEC, attack.latent, attack.width)
    return generator


def _weights(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def norm_messages(attack: DFME, student: nn.Module) -> int:
    """All-reduces: one per batch norm and forward pass in training, one more per backward pass."""
    of_student = 2 * attack.student_steps * _norms(student)
    passes = 2 * attack.generator_steps + attack.student_steps
    return of_student + passes * _norms(_generator(attack))


def _norms(module: nn.Module) -> int:
    return sum(isinstance(m, nn.BatchNorm2d) for m in module.modules())
