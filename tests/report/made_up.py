"""Diagnoses of vanishing gradients, made up."""

from __future__ import annotations

from copycost.runner.record import Surroundings
from copycost.studies.vanishing_record import (
    DiagnosedVictim,
    DiagnosisCell,
    DiagnosisGrid,
    Moment,
    Quartiles,
    VanishingRecord,
)

AROUND = Surroundings(
    hardware="a test machine",
    device="cpu",
    threads=1,
    versions={"torch": "2.8"},
    commit="0123abc",
    arithmetic={},
)
GRID = DiagnosisGrid(moments=3, images=8, directions=(1, 10), epsilons=(1e-3, 1.0))
STEPS = {"float32": (1e-3, 1.0), "bfloat16": (1e-3, 0.4, 1.0)}
DEFAULT = {"float32": 1e-3, "bfloat16": 0.4}


def around(middle: float) -> Quartiles:
    return Quartiles(low=0.9 * middle, middle=middle, high=1.2 * middle)


def cell(arithmetic: str, epsilon: float, at: int) -> DiagnosisCell:
    drowned = arithmetic == "bfloat16" and epsilon == 1e-3
    return DiagnosisCell(
        arithmetic=arithmetic, epsilon=epsilon, default=epsilon == DEFAULT[arithmetic], images=8,
        correlation=-0.25 if drowned else 0.99 - 0.03 * at, still=0.5 if drowned else 0.0,
        cosines={1: -0.01, 10: 0.02} if drowned else {1: 0.1, 10: 0.4 - 0.01 * at},
    )  # fmt: skip


def moment(at: int) -> Moment:
    return Moment(
        queries=50_000 * at, accuracy=0.3 * at, gap=2.0 - 0.9 * at, true=around(4.0 / 10**at),
        through_victim=around(3.0), unfloored=around(4.0), estimate=around(20.0 / 10**at),
        flat=0.0, floored=0.1 * at, blind=0.25 * at, generator=20.0 / 10 ** (at / 2),
        generator_true=1.0 - 0.25 * at, generator_cosine=0.5 - 0.2 * at,
        student=0.5, exact_cosines={1: 0.1, 10: 0.4},
        cells=[cell(name, step, at) for name, steps in STEPS.items() for step in steps],
    )  # fmt: skip


def record(ended: str = "finished", seed: int = 0) -> VanishingRecord:
    victim = DiagnosedVictim(
        name="a victim", architecture="lenet", dataset="made-up digits", classes=10,
        dimensions=64, content_hash="5e", accuracy=0.99,
    )  # fmt: skip
    return VanishingRecord(
        id="made up", config={"student": "gap-cnn", "seed": seed}, grid=GRID, victim=victim,
        moments=[moment(at) for at in range(3)], budget=100_000, spent=100_000, student_hash="",
        surroundings=AROUND, seconds=2.0, measuring=1.0, started="2026-01-02T03:04:05+00:00",
        ended=ended,
    )  # fmt: skip


def seed(number: int) -> VanishingRecord:
    """A seed whose gradients are so many times longer at the end, and cosines smaller."""
    one = record(seed=number)
    first, middle, last = one.moments
    cells = [
        c.model_copy(update={"cosines": {m: x / (1 + number) for m, x in c.cosines.items()}})
        for c in last.cells
    ]
    longer = {"true": around(0.04 * (1 + number)), "gap": 0.2 * (1 + number), "cells": cells}
    last = last.model_copy(update=longer)
    return one.model_copy(update={"moments": [first, middle, last]})
