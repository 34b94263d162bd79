"""What is attacked: a victim, and the held-out data that copies of it are judged on."""

from __future__ import annotations

from dataclasses import dataclass

from copycost.datasets.base import Labelled
from copycost.victims.base import Victim


@dataclass(frozen=True, eq=False)
class Target:
    """An undefended victim with what only its owner has: labelled data it was not trained on."""

    victim: Victim
    held_out: Labelled
    dataset: str
    """Provenance of the held-out data, e.g. 'CIFAR-10 (JPEG q75)'."""
    architecture: str = "unknown"
    content_hash: str = ""
    """sha256 of the weights; '' where they cannot be seen."""

    def __post_init__(self) -> None:
        """Check that the data is what the victim takes; `SpecMismatch` says what differs."""
        self.victim.spec.check_shape(self.held_out.floats(slice(0, 1)))
