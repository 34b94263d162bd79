"""The victims of a sweep: where they are stored, and whether they have been trained."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from copycost.datasets import DATASETS
from copycost.engine import Engine
from copycost.errors import Busy, ConfigError, Interrupted, for_each
from copycost.files import own_name
from copycost.runner.config import RunConfig
from copycost.runner.stopping import Stop
from copycost.runner.target import Target
from copycost.runner.targets import load_target, preset_named, victim_folder
from copycost.victims.saved import CARD_FILE, load_card

SEED = 0
"""Seed of every victim that is trained by name, as in `copycost audit`."""
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Home:
    """The folder of a victim once it is trained, its name, and the data to judge copies on."""

    name: str
    data: str
    folder: Path
    device: str = "auto"

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
    """The home of `run`'s victim; `ConfigError` for an unknown victim, or unknown or no data."""
    folder = Path(run.victim)
    if run.victim and (folder / CARD_FILE).exists():
        if run.data is None:
            raise ConfigError([f"data: say which data to judge {folder} on, e.g. --data digits."])
        return Home(own_name(folder), _known(run.data), folder.resolve(), run.device)
    preset = preset_named(run.victim)
    data = _known(run.data or preset.dataset)
    folder = victim_folder(root / "victims", run.victim, data, SEED)
    return Home(run.victim, data, folder, run.device)


def homes_of(runs: Sequence[RunConfig], root: Path) -> list[Home]:
    """The home of each run's victim; `ConfigError` lists every fault at once."""
    return for_each(runs, partial(home_of, root=root))


def _known(data: str) -> str:
    DATASETS.check(data.partition(":")[0])
    return data


def _wait(stop: Stop) -> None:
    time.sleep(POLL_SECONDS)
    if stop.reason:
        raise Interrupted
