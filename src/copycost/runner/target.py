"""What is attacked: a victim, and the held-out data that copies of it are judged on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from copycost.datasets.base import Labelled
from copycost.defences import DEFENCES
from copycost.defences.base import Defence
from copycost.errors import SpecMismatch, check_kind
from copycost.hashes import text_hash
from copycost.victims.base import Victim, check_text
from copycost.victims.module import ModuleVictim
from copycost.victims.saved import content_hash


@dataclass(frozen=True, eq=False)
class Target:
    """A victim, and what only its owner has: labelled data that it was not trained on.

    The victim is undefended, or behind a defence of its owner's own; copycost's own defences are
    named in `RunConfig.defences` instead.
    """

    victim: Victim
    held_out: Labelled
    """Labelled inputs; bytes are mapped to the range of the victim's inputs, numbers lie in it, and
    tokens in its vocabulary."""
    dataset: str
    """Provenance of the held-out data, e.g. 'CIFAR-10 (JPEG q75)'."""
    architecture: str = "unknown"
    origin: str = ""
    """The collection that the held-out data is from (`Dataset.origin`); `dataset` if ''."""

    def __post_init__(self) -> None:
        """Check that the data suits the victim; `SpecMismatch` says what differs."""
        wrap = "wrap a module in ModuleVictim(…), a function in FunctionVictim(…)"
        check_kind(self.victim, Victim, "a victim", wrap)
        check_kind(
            self.held_out,
            Labelled,
            "held-out data as copycost.Labelled(inputs, labels)",
            "images uint8 [N, C, H, W], numbers float32 [N, ...] or tokens int64 [N, ...], and "
            "labels int64 [N]; of a data set take its `.test`",
        )
        for name in ("dataset", "architecture", "origin"):
            check_text(f"the target's {name}", getattr(self, name))
        _check_undefended(self.victim)
        self._check_shape()
        # Images are bytes; the victim's spec says what range they stand for.
        object.__setattr__(self, "held_out", self._in_range())
        self._check_labels()

    def _in_range(self) -> Labelled:
        try:
            return self.held_out.in_range(self.victim.spec)
        except SpecMismatch as error:
            wanted, came = f"held-out {error.expected}", f"{error.came} in {self.dataset}"
            raise SpecMismatch(wanted, came, error.advice) from None

    def _check_shape(self) -> None:
        found, wanted = self.held_out.shape, tuple(self.victim.spec.shape)
        if found != wanted:
            raise SpecMismatch(
                f"held-out data of the victim's shape {list(wanted)}",
                f"{list(found)} in {self.dataset}",
                "judge the victim on data such as it takes (--data on the command line)",
            )

    def _check_labels(self) -> None:
        classes = self.victim.classes
        labels = self.held_out.labels
        foreign = labels[(labels < 0) | (labels >= classes)]
        if len(foreign):
            raise SpecMismatch(
                f"held-out labels from 0 to {classes - 1}, for a victim of {classes} classes",
                f"label {int(foreign[0])} in {self.dataset}",
                "judge the victim on data of its own classes",
            )

    @cached_property
    def declared_hash(self) -> str:
        """sha256 of the victim's name, its declared inputs and outputs, and the held-out labels.

        Weights do not tell what a module's code does with them: if the code changes, the owner can
        change the name. Images are left out, as libraries decode JPEGs slightly differently.
        """
        victim, held_out = self.victim, self.held_out
        takes = f"{victim.spec!r} {list(held_out.inputs.shape)}"
        said = f"{victim.name!r} {takes} {victim.classes} {victim.output}"
        labels = held_out.labels.cpu().numpy().tobytes()
        return hashlib.sha256(said.encode() + labels).hexdigest()

    @property
    def content_hash(self) -> str:
        """sha256 of the victim's weights as they are now, or of its name if they are not here.

        For a defence of the owner's own, that of its name and of the victim inside.
        """
        return _hash_of(self.victim)


def _hash_of(victim: Victim) -> str:
    """The hash includes the victim inside a defence, so that two models behind it differ."""
    if isinstance(victim, ModuleVictim):
        return content_hash(victim.module)
    said = f"name:{victim.name}"
    if isinstance(victim, Defence):
        said = f"{said!r} over {_hash_of(victim.victim)}"
    return text_hash(said)


def _check_undefended(victim: Victim) -> None:
    """Refuse defences that have names: copies are judged against the undefended victim."""
    while isinstance(victim, Defence):
        if type(victim) in DEFENCES.values():
            raise SpecMismatch(
                "a target without its defences",
                f"one behind {victim.name!r}",
                f"take the victim itself, and name it in RunConfig.defences: [{victim.name!r}]",
            )
        victim = victim.victim
