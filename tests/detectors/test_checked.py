"""Whatever a detector of the user's own does, an error is told."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from copycost.detectors import DETECTORS
from copycost.detectors.base import Detector, Look, Seen, Stream
from copycost.detectors.checked import Checked
from copycost.errors import ConfigError, RunError

STREAM = [Seen(torch.zeros(5, 2), torch.zeros(5, dtype=torch.int64), None)]


class Own(Detector):
    """Suspects everybody as much."""

    suspicion: Any = torch.tensor(-0.5)

    def looks(self, stream: Stream) -> Iterator[Look]:
        """Once a batch."""
        for part in stream:
            yield Look(torch.tensor(len(part.labels)), self.suspicion)  # type: ignore[arg-type]


class Arguments(Own):
    """Cannot be made."""

    def __init__(self, more: int) -> None: ...


class Studies(Own):
    """Fails at honest customers."""

    def study(self, stream: Stream) -> None:
        """Something that raises."""
        raise OSError("no such file")


class Missing(Own):
    """Says what is no number."""

    suspicion = math.nan


class Wordy(Own):
    """Says what is no number either."""

    suspicion = "much"


class Silent(Own):
    """Forgets to say anything."""

    def looks(self, stream: Stream) -> Any:
        """Nothing."""


def judged(name: str) -> list[Look]:
    detector = Checked(f"{__name__}:{name}")
    detector.study(STREAM)
    return list(detector.looks(STREAM))


def test_only_what_studies_is_said_to() -> None:
    assert Checked(f"{__name__}:Studies").studies
    assert not Checked(f"{__name__}:Own").studies


def test_looks_are_pythons_numbers() -> None:
    (look,) = judged("Own")
    assert look == Look(5, -0.5)
    assert (type(look.queries), type(look.suspicion)) == (int, float)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Arguments", "Arguments raised TypeError: .*missing 1 required"),
        ("Studies", "Studies raised OSError: no such file"),
        ("Missing", "Missing: expected a number as the suspicion after 5 queries, got nan"),
        ("Wordy", "Wordy raised ValueError: could not convert"),
        ("Silent", "Silent raised TypeError: 'NoneType' object is not iterable"),
    ],
)
def test_faults_are_told(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"^detector {__name__}:{said}"):
        judged(name)


def test_a_fault_of_the_stream_is_not_the_detectors() -> None:
    def torn() -> Iterator[Seen]:
        yield from STREAM
        raise RunError("damaged")

    with pytest.raises(RunError, match=r"^damaged"):
        list(Checked(f"{__name__}:Own").looks(torn()))


@pytest.mark.parametrize("name", DETECTORS)
def test_each_that_is_listed_is_made(name: str) -> None:
    Checked(name)
