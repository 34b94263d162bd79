"""Errors for users: each message says what was expected, what was found and what to do.

Every error that a user can cause derives from `CopycostError`; the command line prints it as
one message and exits with status 2. In Python, settings that pydantic reads raise its
`ValidationError`, which is a `ValueError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class CopycostError(Exception):
    """Base of every error that a user can cause and fix."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without calling `__init__` again, whose arguments are not the message.

        A process pool waits for ever for an error that it cannot unpickle.
        """
        return _made, (type(self), *self.args), self.__dict__


def _made(kind: type[CopycostError], *args: object) -> CopycostError:
    return kind.__new__(kind, *args)


def faults_of(attempt: Callable[[], object]) -> list[str]:
    """The lines of the `CopycostError` that `attempt` raises; none if it succeeds."""
    try:
        attempt()
    except CopycostError as error:
        return str(error).split("\n")
    return []


def for_each(things: Iterable[T], attempt: Callable[[T], R]) -> list[R]:
    """`attempt` on each of `things`; then `ConfigError` lists every fault of any of them, once."""
    found, problems = [], dict[str, None]()
    for thing in things:
        try:
            found.append(attempt(thing))
        except ConfigError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise ConfigError(*problems)
    return found


class BudgetExceeded(CopycostError):
    """A query was refused, before it was sent, because the account cannot pay for it."""

    def __init__(self, asked: int, spent: int, budget: int) -> None:
        """All are in queries: `asked` more, with `spent` of `budget` already spent."""
        super().__init__(
            f"{asked:,} more queries would cross the budget: {spent:,} of {budget:,} are spent. "
            "Nothing was sent. Ask for fewer, or start a run with a larger budget."
        )
        self.asked, self.spent, self.budget = asked, spent, budget


class AccessTooLow(CopycostError):
    """The attack needs answers that reveal more than this API releases."""


class SpecMismatch(CopycostError):
    """Something is not what it was declared to be: an input, an answer, a saved model."""

    def __init__(self, expected: str, came: str, advice: str = "") -> None:
        """`expected` and `came` complete 'expected …, got …'; `advice` says what to do."""
        super().__init__(f"expected {expected}, got {came}" + (f"; {advice}" if advice else ""))
        self.expected, self.came, self.advice = expected, came, advice
        self.charged = 0
        """Queries already charged, if the fault is in an answer; else 0."""

    def charge(self, asked: int) -> None:
        """Add to the message, once, that the `asked` queries of a faulty answer are charged."""
        if not self.charged:
            paid = f"The {asked:,} queries of this call are charged."
            self.args = (f"{self}. {paid} Mend the answers, and run again to go on.",)
            self.charged = asked


def check_kind(value: object, kind: type, wanted: str, advice: str) -> None:
    """Raise `SpecMismatch` unless `value` is of the class `kind`."""
    if not isinstance(value, kind):
        raise SpecMismatch(wanted, type(value).__name__, advice)


class ConfigError(CopycostError):
    """One or more settings cannot be used; the message lists every one of them."""

    def __init__(self, *problems: str) -> None:
        """`problems` are complete sentences or clauses, one per fault."""
        self.problems = list(problems)
        super().__init__("\n".join(problems))


class DataError(CopycostError):
    """A data set is missing, truncated or not in the expected format."""


class RunError(CopycostError):
    """A run cannot go on from what is stored: an incomplete, foreign or damaged folder."""


class Busy(RunError):
    """The file or folder is in use, in most cases by another process; it will be free later."""


class DiskFailed(RunError):
    """A run could not write to its disk, which is most likely full; `__cause__` is the fault."""


class Interrupted(Exception):
    """Stopped on request before there was a result; the same call goes on from that point."""

    def __init__(self, message: str = "") -> None:
        """The default `message` says just that."""
        super().__init__(
            message
            or "Stopped, as was asked, before there was a result. The same call goes on from here."
        )


@contextmanager
def told_as_faults(whose: str) -> Iterator[None]:
    """Within the block, what a user's own code raises becomes a `ConfigError`; `whose` names it."""
    try:
        yield
    except (CopycostError, Interrupted):
        raise
    except Exception as error:  # it may raise anything
        raise ConfigError(f"{whose} raised {type(error).__name__}: {error}") from error


class VictimFailed(CopycostError):
    """The victim's own code raised an error, which is this one's `__cause__`."""

    @classmethod
    def of(cls, victim: str, error: Exception, asked: int) -> Self:
        """Wrap `error`, which the victim of that name raised when sent `asked` queries."""
        return cls(
            f"victim {victim!r} raised {type(error).__name__}: {error}. The {asked:,} queries of "
            "this call are charged. Run again to go on."
        )


class Unstable(CopycostError):
    """A loss or a network became NaN or infinite.

    A run keeps its players as they then are beside its last good state.
    """
