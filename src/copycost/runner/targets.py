"""Targets by name: a preset, which is trained on first use, a saved model, or the user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from torch import nn

from copycost.datasets import load
from copycost.datasets.base import Dataset
from copycost.engine import Engine
from copycost.errors import ConfigError, SpecMismatch, faults_of
from copycost.files import own_name
from copycost.hashes import text_hash
from copycost.presets.victims import VICTIMS
from copycost.runner.keeper import FileKeeper, keeping
from copycost.runner.own_target import is_own, own_target
from copycost.runner.stopping import Stop
from copycost.runner.target import Target
from copycost.runner.watchers import TrainingWatcher
from copycost.training.recipe import Recipe, VictimPreset
from copycost.training.train import accuracy, train
from copycost.types import Access, InputSpec
from copycost.victims.module import ModuleVictim
from copycost.victims.saved import CARD_FILE, Card, load_model, refuse_strangers, save_model

Suits = Callable[[InputSpec, int], None]
"""Raises if a victim with these inputs and this number of classes is of no use."""


def load_target(
    victim: str,
    data: str | None,
    folder: Path,
    engine: Engine,
    *,
    seed: int = 0,
    watcher: TrainingWatcher | None = None,
    stop: Stop | None = None,
    suits: Suits | None = None,
) -> Target:
    """The target a user named: a victim preset, the folder of a saved model, or MODULE:FUNCTION.

    A preset is trained once for each data set and seed and kept under `folder`. Raises
    `ConfigError` for a name that is none of them, for a saved model without `data`, and for a
    function with it, which returns its own (`own_target`); `SpecMismatch` for data with other
    classes than the model's; and `Interrupted` if `stop` is asked during training, which the next
    call continues. `suits` is called before a preset is trained, and what it raises is passed on.
    """
    if victim and (Path(victim) / CARD_FILE).exists():
        return _saved_target(Path(victim), data, engine)
    if is_own(victim):
        return own_target(victim, data)
    preset = preset_named(victim)
    reference = data or preset.dataset
    place = victim_folder(folder, victim, reference, seed)
    if not (place / CARD_FILE).exists():
        with keeping(place, stop or Stop()) as kept:
            if not (place / CARD_FILE).exists():  # not made by another process meanwhile
                _train(preset.recipe, reference, place, engine, kept, seed, watcher, suits)
    return _target(*load_model(place), victim, reference, engine)


def preset_named(victim: str) -> VictimPreset:
    """The preset of this name; for any other name, `ConfigError` says what is wrong with it."""
    if not victim:
        raise ConfigError(
            "victim: name a preset (`copycost list victims`), the folder of a saved model, or "
            "MODULE:FUNCTION that returns a target."
        )
    if victim not in VICTIMS and Path(victim).exists():
        raise ConfigError(f"victim: {victim} is not a saved model: there is no {CARD_FILE} in it.")
    if victim not in VICTIMS and "/" in victim:
        raise ConfigError(f"victim: there is no folder {victim}.")
    if victim not in VICTIMS:
        unknown = faults_of(lambda: VICTIMS.check(victim))
        raise ConfigError(
            *[
                f"{fault} There is no folder {victim} either, for a saved model."
                for fault in unknown
            ]
        )
    return VICTIMS[victim]


def victim_folder(root: Path, name: str, data: str, seed: int) -> Path:
    """The folder that holds the victim of this preset, data set and seed."""
    return root / f"{name}-{_as_file_name(data)}-seed{seed}"


def train_victim(
    recipe: Recipe,
    data: str,
    folder: Path,
    engine: Engine,
    *,
    seed: int = 0,
    watcher: TrainingWatcher | None = None,
    stop: Stop | None = None,
) -> Card:
    """Train a victim and save it in `folder`; the card's accuracy is the last model's.

    Raises `RunError` if `folder` holds anything but a saved model, `Busy` if another process is
    training it, and `Interrupted` if `stop` is asked: the same call then goes on.
    """
    refuse_strangers(folder)
    with keeping(folder, stop or Stop()) as kept:
        return _train(recipe, data, folder, engine, kept, seed, watcher)


def _train(
    recipe: Recipe,
    data: str,
    folder: Path,
    engine: Engine,
    kept: FileKeeper,
    seed: int,
    watcher: TrainingWatcher | None,
    suits: Suits | None = None,
) -> Card:
    dataset = load(data)
    if suits is not None:
        suits(dataset.spec, dataset.classes)
    if watcher is not None:
        watcher.begins(recipe.epochs)
    on_epoch = watcher.epoch if watcher is not None else None
    with kept.until_done():
        module = train(recipe, dataset, engine.device, seed, on_epoch, kept)
        card = Card(
            architecture=recipe.architecture,
            normalised=recipe.normalise,
            spec=dataset.spec,
            classes=dataset.classes,
            class_names=dataset.class_names,
            dataset=dataset.provenance,
            recipe=asdict(recipe),
            seed=seed,
            test_accuracy=accuracy(module, dataset.test, engine.device),
        )
        return save_model(folder, module.cpu(), card)


def _saved_target(folder: Path, data: str | None, engine: Engine) -> Target:
    if data is None:
        raise ConfigError(
            f"data: say which held-out data to judge {folder} on, e.g. --data cifar10."
        )
    module, card = load_model(folder)
    return _target(module, card, own_name(folder), data, engine)


def _target(module: nn.Module, card: Card, name: str, data: str, engine: Engine) -> Target:
    dataset = load(data)
    _check_classes(card, name, dataset)
    victim = as_victim(module, card, name, engine)
    return Target(victim, dataset.test, dataset.provenance, card.architecture, dataset.origin)


def as_victim(module: nn.Module, card: Card, name: str, engine: Engine) -> ModuleVictim:
    """A loaded model, which answers on the engine's device."""
    return ModuleVictim(
        module, card.spec, card.classes, Access.LOGITS, name=name, device=engine.device
    )


def _check_classes(card: Card, name: str, dataset: Dataset) -> None:
    """Raise `SpecMismatch` if the model and the data both name their classes, and differ."""
    judged = dataset.class_names
    trained = (card.class_names or judged)[: len(judged)]  # data may lack the last classes
    named = _are_names(trained) and _are_names(judged)
    if trained != judged and (named or _are_numerals(trained + judged)):
        raise SpecMismatch(
            f"data with the classes of {name}, {_shortened(trained)}",
            f"{_shortened(judged)} in {dataset.provenance}",
            "judge it on data with its own classes in its own order, or, where only the "
            f"spelling differs, make the names in its {CARD_FILE} those of the data",
        )


def _are_names(classes: tuple[str, ...]) -> bool:
    """Whether these are names and not just 0, 1, …, which can stand for any classes."""
    return classes != tuple(str(i) for i in range(len(classes)))


def _are_numerals(classes: tuple[str, ...]) -> bool:
    """Whether all are numbers: then one left out moves the others, and 10 is sorted before 2."""
    return all(name.isdecimal() for name in classes)


def _shortened(classes: tuple[str, ...], most: int = 4) -> str:
    more = f" and {len(classes) - most:,} more" if len(classes) > most else ""
    return ", ".join(repr(name) for name in classes[:most]) + more


def _as_file_name(text: str) -> str:
    """`text` as a file name; if that changes it, a hash tells it from others with the same name."""
    name = "".join(c if c.isalnum() or c in "._-" else "-" for c in text).strip("-")
    told = "" if name == text else f"-{text_hash(text)[:8]}"
    return name + told
