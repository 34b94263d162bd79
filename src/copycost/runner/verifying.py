"""Is it a copy? A suspect model beside independent ones, on images that nothing was trained for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from copycost.datasets.base import Labelled
from copycost.engine import Engine
from copycost.errors import ConfigError, SpecMismatch
from copycost.files import AnyPath
from copycost.hashes import hash_of, text_hash
from copycost.metrics import accuracy
from copycost.oracle.ledger import Account, Ledger
from copycost.ownership import PROBES, SURE
from copycost.ownership.evidence import chance, check_controls
from copycost.ownership.probes import CHUNK, candidates, in_turns
from copycost.runner.checkpoint import load_checkpoint, save_checkpoint
from copycost.runner.folder import disk_faults_told, exclusive
from copycost.runner.held_out import labels_of
from copycost.runner.record import Facts, Surroundings
from copycost.runner.stopping import Stop
from copycost.runner.surroundings import surroundings
from copycost.runner.suspects import Made, Suspect
from copycost.runner.target import Target
from copycost.victims.base import Victim

ANSWERS_FILE = "answers.safetensors"


class Compared(Facts):
    """One model beside the victim."""

    name: str
    content_hash: str
    agreement: float
    """The share of probes that it gives the victim's class."""
    queries: int
    """That it was asked, with any that were paid for in vain."""


class Suspected(Compared):
    """A model that may be a copy."""

    p: float
    """How often an independent model would agree so much: see `chance`."""
    copy_of: bool
    """Whether it agrees more than every control, and p is below `SURE`."""
    made: Made | None = None
    """For the student of a run: how it was made."""


class Verification(Facts):
    """Suspects and independent models beside one victim."""

    kind: Literal["verification"] = "verification"
    version: Literal[1] = 1
    victim: str
    victim_hash: str
    classes: int
    probes: int
    seed: int
    """Of the images."""
    victim_queries: int
    controls: list[Compared]
    suspects: list[Suspected]
    surroundings: Surroundings


def verify(
    victim: Victim,
    suspects: Sequence[Suspect],
    controls: Sequence[Victim],
    folder: AnyPath,
    *,
    probes: int = PROBES,
    seed: int = 0,
    device: str = "auto",
    stop: Stop | None = None,
) -> Verification:
    """Ask all models about the same `probes` images, and compare their classes with the victim's.

    `controls` are three or more models that were trained independently of the victim, the more
    like it the better: with the same data, architecture and recipe, and another seed. Only labels
    are compared, so a suspect may be behind any API. It is asked every image once, the victim four
    times as many. Answers of models that cost money are kept in `folder`, with an account, and the
    same call goes on after a stop (`Interrupted`). Raises `ConfigError` for too few controls, or if
    the victim is among them, and `SpecMismatch` for models with other inputs or classes.
    """
    check_controls(len(controls))
    _check(victim, [*controls, *(one.model for one in suspects)])
    asking = _Asking(Path(folder), Engine(device), stop or Stop())
    drawn = candidates(victim.spec, probes, seed)
    own = _shown(victim, drawn)
    _check_others(own, [_shown(control, drawn) for control in controls])
    labels, victim_queries = asking.ask(own)
    chosen = in_turns(labels, victim.classes, probes)
    images, labels = drawn[chosen], labels[chosen]
    beside = [asking.compare(control, images, labels) for control in controls]
    innocent = [one.agreement for one in beside]
    return Verification(
        victim=victim.name,
        victim_hash=own.content_hash,
        classes=victim.classes,
        probes=probes,
        seed=seed,
        victim_queries=victim_queries,
        controls=beside,
        suspects=[
            _judged(asking.compare(model, images, labels), innocent, made)
            for model, made in suspects
        ],
        surroundings=surroundings(asking.engine.device, {}),
    )


def _judged(found: Compared, controls: Sequence[float], made: Made | None) -> Suspected:
    p = chance(found.agreement, controls)
    above = found.agreement > max(controls)
    return Suspected(**found.model_dump(), p=p, copy_of=above and p < SURE, made=made)


def _check(victim: Victim, others: Sequence[Victim]) -> None:
    """Raise unless probes can be made for `victim`, and all `others` take them."""
    if not victim.spec.in_levels:
        kind = victim.spec.modality if victim.spec.vocabulary is None else "tokens"
        raise ConfigError(
            f"victim: expected a model of images, got one of {kind}. Probes are images."
        )
    for other in others:
        theirs, ours = (other.spec.shape, other.classes), (victim.spec.shape, victim.classes)
        if theirs != ours:
            raise SpecMismatch(
                f"a model of inputs {list(ours[0])} and {ours[1]} classes, as {victim.name}",
                f"inputs {list(theirs[0])} and {theirs[1]} classes in {other.name}",
                "leave it out: it cannot be compared with this victim",
            )


def _check_others(own: Target, controls: Sequence[Target]) -> None:
    """Raise if the victim, which is `own`, is among the `controls`: no copy would agree more."""
    ours = own.content_hash  # hashes all weights
    for control in controls:
        if control.content_hash == ours:
            raise ConfigError(
                f"controls: expected models other than the victim, got {control.victim.name}, "
                "which is the same. Name one that was trained independently."
            )


def _shown(model: Victim, images: Tensor, labels: Tensor | None = None) -> Target:
    """`model`, to be asked about `images`, whose labels are the victim's."""
    if labels is None:
        labels = torch.zeros(len(images), dtype=torch.int64)
    return Target(model, Labelled(images, labels), "images of untrained networks")


class _Asking:
    """Asks models about images; answers that cost money are kept."""

    def __init__(self, folder: Path, engine: Engine, stop: Stop) -> None:
        self.engine, self._folder, self._stop = engine, folder, stop

    def compare(self, model: Victim, images: Tensor, labels: Tensor) -> Compared:
        target = _shown(model, images, labels)
        found, queries = self.ask(target)
        return Compared(
            name=model.name,
            content_hash=target.content_hash,
            agreement=accuracy(found, target.held_out.labels),
            queries=queries,
        )

    def ask(self, target: Target) -> tuple[Tensor, int]:
        """The classes [N] of all images, and the queries charged for them."""
        self._stop.heed()
        parts = torch.split(torch.arange(len(target.held_out)), CHUNK)
        if target.victim.free:
            found = torch.cat([self._classes(target, part) for part in parts])
            return found, len(found)
        asked = hash_of(target.held_out.inputs)
        place = self._folder / f"asked-{text_hash(f'{target.content_hash} {asked}')[:12]}"
        with exclusive(place), disk_faults_told(place), Ledger(place / "ledger.sqlite") as ledger:
            return self._paid(target, parts, ledger.account("auditor", None), place / ANSWERS_FILE)

    def _paid(
        self, target: Target, parts: Sequence[Tensor], account: Account, place: Path
    ) -> tuple[Tensor, int]:
        kept: list[Tensor] = (load_checkpoint(place) or {"classes": []})["classes"]
        for part in parts[len(kept) :]:
            self._stop.heed()
            with account.charging(len(part)):
                kept.append(self._classes(target, part))
            save_checkpoint(place, {"classes": kept})
        account.settle()
        return torch.cat(kept), account.spent

    def _classes(self, target: Target, part: Tensor) -> Tensor:
        x = target.held_out.values(part, self.engine.device)
        return labels_of(target.victim, target.victim(x)).cpu()
