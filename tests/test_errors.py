"""Errors stay what they are wherever they go."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator

import pytest

from copycost.errors import BudgetExceeded, ConfigError, CopycostError, SpecMismatch

MADE = {
    BudgetExceeded: BudgetExceeded(3, 8, 10),
    SpecMismatch: SpecMismatch("a tensor", "none", "give one"),
    ConfigError: ConfigError("budget: too small.", "student: there is no such."),
}
"""Of those that take more than a message."""


def kinds(base: type[CopycostError] = CopycostError) -> Iterator[type[CopycostError]]:
    yield base
    for kind in base.__subclasses__():
        yield from kinds(kind)


@pytest.mark.parametrize("kind", list(kinds()))
def test_an_error_comes_through_a_pickle_as_it_was(kind: type[CopycostError]) -> None:
    error = MADE.get(kind) or kind("what went wrong")
    error.add_note("while asked")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 -- our own
        assert type(again) is kind
        assert str(again) == str(error)
        assert vars(again) == vars(error)
    assert str(copy.copy(error)) == str(error)
