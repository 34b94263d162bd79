"""In which class of knowledge an attacker is shown."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from copycost.report.knowledge import held
from copycost.runner.record import Record

NONE, DRAWN = "strictly data-free", "procedural images"


@pytest.mark.parametrize(
    ("attack", "settings", "recorded", "shown"),
    [
        ("frugal", {"sources": ["untrained", "composed"]}, NONE, DRAWN),  # as it was written once
        ("frugal", {"sources": ["untrained", "winners"]}, NONE, NONE),
        ("frugal", {}, NONE, NONE),
        ("mine:Attack", {"sources": ["the web"]}, "pages", "pages"),
    ],
)
def test_what_frugal_held_is_said_in_todays_classes_and_of_others_as_recorded(
    make_record: Callable[..., Record],
    attack: str,
    settings: dict[str, object],
    recorded: str,
    shown: str,
) -> None:
    """A stranger's attack may have settings of the same name."""
    record = make_record(attack, knowledge=recorded, config={"settings": settings})
    assert held(record) == shown
