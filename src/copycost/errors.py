"""What can go wrong for a user. Each error says what was expected, what came, what to do.

Everything a user can cause derives from `CopycostError`; the command line prints those as
one message and exits with status 2. In Python, settings that pydantic reads raise its
`ValidationError`, which is a `ValueError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self


class CopycostError(Exception):
    """Base of every error that a user can cause and mend."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as it stands, for process pools, which wait for ever for an error they cannot
        read: by default it would be made again from its message, as if that were what it takes.
        """
        return _made, (type(self), *self.args), self.__dict__


def _made(kind: type[CopycostError], *args: object) -> CopycostError:
    return kind.__new__(kind, *args)


def faults_of(attempt: Callable[[], object]) -> list[str]:
    """What it cannot be done for, by line; none where it can."""
    try:
        attempt()
    except CopycostError as error:
        return str(error).split("\n")
    return []


class BudgetExceeded(CopycostError):
    """A query was refused, before it was sent, because the account cannot pay for it."""

    def __init__(self, asked: int, spent: int, budget: int) -> None:
        """All in queries: `asked` more, when `spent` of `budget` are gone."""
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
        self.expected, self.came = expected, came
        self.charged = 0
        """Queries that had been paid for when it came: those of an answer."""

    def charge(self, asked: int) -> None:
        """Say, once, that so many queries were paid for, as it is an answer that is amiss."""
        if not self.charged:
            paid = f"The {asked:,} queries of this call are charged."
            self.args = (f"{self}. {paid} Mend the answers, and run again to go on.",)
            self.charged = asked


def check_kind(value: object, kind: type, wanted: str, advice: str) -> None:
    """Raise `SpecMismatch` for what a caller has put in another's place."""
    if not isinstance(value, kind):
        raise SpecMismatch(wanted, type(value).__name__, advice)


class ConfigError(CopycostError):
    """One or more settings cannot be used; the message lists every one of them."""

    def __init__(self, problems: Iterable[str]) -> None:
        """`problems` are complete sentences or clauses, one a fault."""
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class DataError(CopycostError):
    """A data set is missing, truncated or not of the format it should be."""


class RunError(CopycostError):
    """A run cannot go on from what is stored: an incomplete, foreign or damaged folder."""


class Busy(RunError):
    """Another process is at work on it, and will be done some time."""


class Interrupted(Exception):
    """Stopped, as was asked, before there was a result; the same call goes on from where it was."""

    def __init__(self, message: str = "") -> None:
        """Without a `message`, that is what it says."""
        super().__init__(
            message
            or "Stopped, as was asked, before there was a result. The same call goes on from here."
        )


class VictimFailed(CopycostError):
    """What answers for the victim raised an error of its own, which is this one's cause."""

    @classmethod
    def of(cls, victim: str, error: Exception, asked: int) -> Self:
        """`error`, raised by the victim of that name when it was asked so many queries."""
        return cls(
            f"victim {victim!r} raised {type(error).__name__}: {error}. The {asked:,} queries of "
            "this call are charged. Run again to go on."
        )


class Unstable(CopycostError):
    """A loss became NaN or infinite; what was lost is kept beside the last good state."""
