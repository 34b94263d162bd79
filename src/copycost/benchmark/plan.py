"""What to time: a plan, and a victim and a plain loop for it, with random weights and no data."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from copycost.attacks.dfme import DFME
from copycost.benchmark.plain import PlainDFME
from copycost.benchmark.settings import CLASSES, Setting
from copycost.datasets.base import Labelled
from copycost.errors import ConfigError
from copycost.nets import ARCHITECTURES, GENERATORS
from copycost.nets.seeded import build, derive, seeded
from copycost.runner.config import RunConfig
from copycost.runner.making import fresh_student
from copycost.runner.target import Target
from copycost.settings import read_settings
from copycost.victims.module import ModuleVictim

BUDGET = 20_000_000
"""DFME's own, so that the ledger makes as many reservations as in a real run."""
STEPS_AT_LEAST = 20
"""Steps that the budget must allow."""
HELD_OUT = 64
SETTLING = 3
"""Passes of one batch of noise that set a random victim's batch statistics."""


@dataclass(frozen=True)
class Plan:
    """One thing to measure."""

    setting: Setting
    batch_size: int
    precision: str
    compile: str
    device: str
    repetitions: int
    seconds: float
    """Length of one window."""

    @property
    def attack(self) -> DFME:
        """DFME with these settings; `ConfigError` lists what is wrong with them."""
        attack: DFME = read_settings(DFME, self.setting.settings(self.batch_size))
        return attack

    def config(self, **more: object) -> RunConfig:
        """The run to be timed; `more` overrides its fields."""
        return RunConfig.read(
            {
                "attack": "dfme",
                "settings": self.setting.settings(self.batch_size),
                "victim": f"random {self.setting.victim}",
                "student": self.setting.student,
                "budget": BUDGET,
                "evaluations": 1,
                "precision": self.precision,
                "compile": self.compile,
                "device": self.device,
                **more,
            }
        )

    def check(self) -> None:
        """Raise `ConfigError` with everything that prevents this plan from being measured."""
        problems = []
        if self.repetitions < 1:
            problems.append(f"repetitions: expected at least 1, got {self.repetitions}.")
        if not self.seconds > 0:
            problems.append(f"seconds: expected a window longer than 0, got {self.seconds:g}.")
        try:
            self.config()
            step = self.batch_size * self.attack.queries_per_image
            if step * STEPS_AT_LEAST > BUDGET:
                problems.append(
                    f"batch_size: {self.batch_size:,} is too large to be timed. "
                    "Choose a smaller one."
                )
        except ConfigError as error:
            problems += error.problems
        if problems:
            raise ConfigError(*dict.fromkeys(problems))


def random_victim(setting: Setting, device: torch.device) -> ModuleVictim:
    """A victim with random weights and batch statistics of noise, as fast as a trained one."""
    module = build(ARCHITECTURES[setting.victim], setting.spec, CLASSES, derive(0, "victim"))
    noise = torch.rand(HELD_OUT, *setting.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for _ in range(SETTLING):
            module.train()(noise)
    name = f"random {setting.victim}"
    return ModuleVictim(module.eval(), setting.spec, CLASSES, name=name, device=device)


def random_target(setting: Setting, device: torch.device) -> Target:
    """The victim with a few held-out images of noise, for the evaluation outside the windows."""
    random = torch.Generator().manual_seed(2)
    shape = (HELD_OUT, *setting.shape)
    inputs = torch.randint(0, 256, shape, generator=random, dtype=torch.uint8)
    labels = torch.randint(0, CLASSES, (HELD_OUT,), generator=random)
    return Target(random_victim(setting, device), Labelled(inputs, labels), "noise")


def plain_loop(plan: Plan, victim: nn.Module, device: torch.device) -> PlainDFME:
    """The plain loop on the same networks, sizes and victim as the run."""
    spec, attack = plan.setting.spec, plan.attack
    student = fresh_student(plan.config(), spec, CLASSES)
    with seeded(derive(0, "generator")):
        generator = GENERATORS[attack.generator](spec, attack.latent, attack.width)
    return PlainDFME(victim, student, generator, attack, spec, device)
