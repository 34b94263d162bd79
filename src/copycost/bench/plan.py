"""The plan of a comparison: attacks × budgets × seeds on one victim, and what is left out."""

from __future__ import annotations

import json
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from copycost.attacks import ATTACKS
from copycost.attacks.base import Attack
from copycost.bench.fresh import FreshRecipe
from copycost.errors import ConfigError
from copycost.hashes import text_hash
from copycost.metrics.transferability import PGD
from copycost.runner.audit import AuditConfig, fit
from copycost.runner.config import RunConfig, read_attack, takes_pool
from copycost.runner.record import Facts
from copycost.settings import read_settings, write_settings
from copycost.types import Access

_OURS = ("attack", "budget", "record_queries", "seed", "settings")
"""Fields of `RunConfig` that a comparison sets itself."""

Plan = dict[str, dict[int, list[RunConfig]]]
"""The runs by attack and budget, one per seed."""


class Skipped(Facts):
    """An attack, or one of its budgets, that is not run."""

    attack: str
    budget: int | None
    """None: the attack is run at no budget."""
    reason: str


class BenchConfig(AuditConfig):
    """An audit's attacks and seeds at several budgets, with the settings of both measures."""

    budgets: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1)
    """Queries; each budget needs runs of its own, as schedules depend on the budget."""
    seeds: int = Field(default=3, ge=1)
    """Runs of each attack at each budget: seeds first_seed, first_seed + 1, …"""
    pgd: PGD = PGD()
    """How adversarial examples are made on the students."""
    fresh: FreshRecipe = FreshRecipe()
    """How the students of the second track are trained."""

    @model_validator(mode="after")
    def _can_be_planned(self) -> Self:
        problems = [
            f"{name}: the bench sets it itself. Leave it out of `shared`"
            for name in _OURS
            if name in self.shared
        ]
        if self.shared.get("adaptations"):
            problems.append(
                "adaptations: fresh students learn from answers as they were released. Leave them "
                "out, and compare those who adapt by copycost sweep"
            )
        for attack in self.attacks:
            try:
                read_settings(ATTACKS[attack], self._own(attack), f"{attack}.")
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ValueError("\n".join(problems))
        Access(self.access)  # raises for an unknown access
        return self

    @property
    def access(self) -> Access:
        """What the API releases."""
        return Access(str(self.shared.get("access", RunConfig.model_fields["access"].default)))

    @property
    def skipped(self) -> list[Skipped]:
        """What cannot run, and why: attacks at any budget, or at budgets that pay for no step."""
        found = []
        for attack in self.attacks:
            reason = self._unable(attack)
            if reason:
                found.append(Skipped(attack=attack, budget=None, reason=reason))
                continue
            least = self.attack(attack).least_queries
            for budget in self._budgets:
                if budget < least:
                    reason = f"one step takes at least {least:,} queries"
                    found.append(Skipped(attack=attack, budget=budget, reason=reason))
        return found

    def attack(self, name: str) -> Attack:
        """The attack of this name with its settings, as at the largest budget."""
        return read_attack(name, self._own(name), max(self.budgets))

    def plan(self) -> Plan:
        """All runs that are not skipped, by attack and rising budget, one per seed."""
        found: Plan = {}
        for run in sorted(self.runs(), key=lambda run: self.attacks.index(run.attack)):
            found.setdefault(run.attack, {}).setdefault(run.budget, []).append(run)
        return found

    def identity(self) -> str:
        """Hash of all runs and measures, hexadecimal."""
        measures = [write_settings(settings) for settings in (self.pgd, self.fresh)]
        text = json.dumps([[run.identity("") for run in self.runs()], measures], sort_keys=True)
        return text_hash(text)

    @property
    def _budgets(self) -> list[int]:
        return sorted(set(self.budgets))

    def _runs(self) -> list[dict[str, Any]]:
        """In order of seeds, then of rising budgets."""
        left_out = {(one.attack, one.budget) for one in self.skipped}
        return [
            {
                **fit(self.shared, attack),
                "attack": attack,
                "settings": self._own(attack),
                "budget": budget,
                "seed": seed,
                "record_queries": "bytes",
            }
            for seed in range(self.first_seed, self.first_seed + self.seeds)
            for budget in self._budgets
            for attack in self.attacks
            if not {(attack, None), (attack, budget)} & left_out
        ]

    def _own(self, attack: str) -> dict[str, Any]:
        return dict(self.settings.get(attack, {}))

    def _unable(self, attack: str) -> str:
        """Why an attack cannot run at any budget; '' if it can."""
        needs = ATTACKS[attack].needs
        if takes_pool(attack) and self.shared.get("pool") is None:
            return "it starts with a pool of unlabelled images, and none was given: --pool"
        if not self.access.covers(needs):
            return f"it needs {needs} access, and this API releases {self.access}"
        return ""
