"""The victims of a sweep: where they come from, and whether they have been trained."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from copycost.datasets import DATASETS
from copycost.engine import Engine
from copycost.errors import Busy, ConfigError, for_each
from copycost.files import own_name
from copycost.runner.config import RunConfig
from copycost.runner.own_target import check_own, is_own, own_hash, own_target
from copycost.runner.stopping import Stop
from copycost.runner.target import Target
from copycost.runner.targets import load_target, preset_named, victim_folder
from copycost.victims.saved import CARD_FILE, load_card

SEED = 0
"""Seed of every victim that is trained by name, as in `copycost audit`."""
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Home(ABC):
    """Where a victim comes from, in any process."""

    name: str
    """Shown to people."""

    @property
    @abstractmethod
    def content_hash(self) -> str | None:
        """The victim's content hash; None while it is not trained."""

    @abstractmethod
    def load(self) -> Target:
        """The victim with its held-out data."""


@dataclass(frozen=True)
class OwnHome(Home):
    """A function of the user's own, named MODULE:FUNCTION, that returns a target."""

    @property
    def content_hash(self) -> str:
        """The hash of the victim that the function returned when it was first called here."""
        return own_hash(self.name)

    def load(self) -> Target:
        """What the function returns now."""
        return own_target(self.name, None)


@dataclass(frozen=True)
class SavedHome(Home):
    """The folder of a victim once it is trained, and the data to judge copies on."""

    data: str
    folder: Path
    device: str = field(default="auto", compare=False)
    """Where it is trained; the folder is the same."""

    @property
    def trained(self) -> bool:
        """Whether the trained victim is in its folder."""
        return (self.folder / CARD_FILE).exists()

    @property
    def content_hash(self) -> str | None:
        """The content hash on its card; None while it is not trained."""
        return load_card(self.folder).content_hash if self.trained else None

    def train(self, stop: Stop) -> str:
        """Train it, or wait for another process to train it; return its content hash.

        Raises `Interrupted` when `stop` is asked first.
        """
        while not self.trained:
            try:
                engine = Engine(self.device)
                load_target(self.name, self.data, self.folder.parent, engine, seed=SEED, stop=stop)
            except Busy:
                _wait(stop)
        return load_card(self.folder).content_hash

    def load(self) -> Target:
        """The trained victim with its held-out data."""
        target = load_target(str(self.folder), self.data, self.folder.parent, Engine(self.device))
        target.victim.name = self.name
        return target


def home_of(run: RunConfig, root: Path) -> Home:
    """The home of `run`'s victim; `ConfigError` for an unknown victim, or unknown or no data.

    Data that a target of the user's own would bring itself is refused too.
    """
    if is_own(run.victim):
        check_own(run.victim, run.data)
        return OwnHome(run.victim)
    return saved_home_of(run, root)


def saved_home_of(run: RunConfig, root: Path) -> SavedHome:
    """The home of a victim that is a preset or a saved model; raises as `home_of` does."""
    folder = Path(run.victim)
    if run.victim and (folder / CARD_FILE).exists():
        if run.data is None:
            raise ConfigError(f"data: say which data to judge {folder} on, e.g. --data digits.")
        return SavedHome(own_name(folder), _known(run.data), folder.resolve(), run.device)
    preset = preset_named(run.victim)
    data = _known(run.data or preset.dataset)
    folder = victim_folder(root / "victims", run.victim, data, SEED)
    return SavedHome(run.victim, data, folder, run.device)


def homes_of(runs: Sequence[RunConfig], root: Path) -> list[Home]:
    """The home of each run's victim; `ConfigError` lists every fault at once."""
    return for_each(runs, partial(home_of, root=root))


def _known(data: str) -> str:
    DATASETS.check(data.partition(":")[0])
    return data


def _wait(stop: Stop) -> None:
    time.sleep(POLL_SECONDS)
    stop.heed()
