"""Models that may be copies, by their places."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from copycost.engine import Engine
from copycost.errors import ConfigError
from copycost.files import own_name
from copycost.runner.folder import STUDENT_FOLDER
from copycost.runner.own_target import is_own, own_target
from copycost.runner.record import RECORD_FILE, Facts, read_record
from copycost.runner.targets import as_victim
from copycost.victims.base import Victim
from copycost.victims.saved import CARD_FILE, load_model


class Made(Facts):
    """The run that made a suspect, where it is known."""

    attack: str
    adaptations: tuple[str, ...]
    defences: tuple[str, ...]
    access: str
    budget: int
    seed: int
    agreement: float
    """With the victim, on held-out data."""


class Suspect(NamedTuple):
    """A model that may be a copy, and how it was made if that is known."""

    model: Victim
    made: Made | None = None


def suspect_named(text: str, engine: Engine) -> Suspect:
    """A model by its place: a run folder, whose student is meant, a saved model, or one's own.

    One's own is MODULE:FUNCTION that returns a target. Raises `ConfigError` for anything else.
    """
    if is_own(text):
        return Suspect(own_target(text, None).victim)
    folder = Path(text)
    if (folder / STUDENT_FOLDER / CARD_FILE).exists():
        made = _made(folder) if (folder / RECORD_FILE).exists() else None
        copy = load_model(folder / STUDENT_FOLDER)
        return Suspect(as_victim(*copy, own_name(folder), engine), made)
    if (folder / CARD_FILE).exists():
        return Suspect(as_victim(*load_model(folder), own_name(folder), engine))
    raise ConfigError(
        f"{text}: expected the folder of a run or of a saved model, or MODULE:FUNCTION that "
        "returns a target."
    )


def _made(folder: Path) -> Made:
    record = read_record(folder)
    return Made(
        attack=record.attack,
        adaptations=record.adaptations,
        defences=record.victim.defences,
        access=record.access,
        budget=record.budget,
        seed=record.seed,
        agreement=record.result["agreement"],
    )
