"""How the settings of a comparison were chosen: the record that `tools/tuning.py` leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from copycost.runner.record import Facts, Surroundings, VictimFacts

TUNING_FILE = "tuning.json"
LABEL_TUNING_FILE = "tuning-label.json"


class Trial(Facts):
    """Settings of an attack, and the agreement that they reached at each seed."""

    settings: dict[str, Any]
    agreement: tuple[float, ...]


class Tuned(Facts):
    """One attack's tries, the first of which has the attack's former settings."""

    space: dict[str, tuple[Any, ...]]
    """Values from which the other tries were drawn at random."""
    trials: tuple[Trial, ...]
    budget: int | None = None
    """Its own budget, if that is not the comparison's."""
    chosen: dict[str, Any]
    """The settings with the best median agreement, of those tried at all seeds."""

    @property
    def best(self) -> Trial:
        """The trial of the chosen settings."""
        return next(trial for trial in self.trials if trial.settings == self.chosen)


class Tuning(Facts):
    """All attacks of a comparison, each tried as often as the others."""

    bench: str
    victim: VictimFacts
    budget: int
    seeds: tuple[int, ...]
    """The first for all tries, the others for the best of them; none is the comparison's."""
    attacks: dict[str, Tuned]
    surroundings: tuple[Surroundings, ...]


def read_tuning(path: Path) -> Tuning:
    """The record in the file `path`."""
    return Tuning.model_validate_json(path.read_bytes())
