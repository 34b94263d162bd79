"""The oracle: check, write, ask, return. The one place where an attack reaches a victim."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from copycost.errors import RunError, SpecMismatch
from copycost.oracle.access import check_access, release
from copycost.oracle.ledger import Ledger
from copycost.oracle.range_check import RangeCheck
from copycost.oracle.rehearsal import Rehearsal
from copycost.oracle.transfer.recorder import Recorder
from copycost.types import Access, Answer, InputSpec
from copycost.victims.base import Victim

BLOCKS_PER_BUDGET = 200
"""A crash charges a free victim's run for at most one block, half a percent of the budget, more
than was sent."""


class Oracle:
    """All an attacker may do with a victim: ask, within a budget, and see what is released.

    Counting happens here and nowhere else: one input is one query, whatever it is asked for.
    Whoever answers for the account holds a `Meter`.
    """

    def __init__(
        self,
        victim: Victim,
        *,
        access: Access | str,
        budget: int,
        ledger: Ledger | None = None,
        k: int = 5,
        recorder: Recorder | None = None,
    ) -> None:
        """`victim` comes with its defences on; `budget` is in queries; `k` is for top-k access.

        Without a `ledger` the account is kept in memory and ends with the process. A
        `recorder` keeps what is asked and released; it is flushed by a `Meter` and closed by
        whoever made it. Raises `SpecMismatch` if the victim does not compute what is to be
        released, `RunError` if more has been recorded than charged.
        """
        if budget < 1:
            raise SpecMismatch("a budget of at least 1 query", str(budget))
        self._victim, self._access, self._k = victim, Access(access), k
        check_access(victim.output, self.access, k, victim.classes)
        block = budget // BLOCKS_PER_BUDGET if victim.free else 1
        self._account = (ledger or Ledger()).account("attacker", budget, block)
        self._range = RangeCheck(victim.spec)
        self._recorder = recorder
        if recorder is not None and recorder.recorded > self.spent:
            raise RunError(
                f"{recorder.folder} holds {recorder.recorded:,} queries, and the account was "
                f"charged for {self.spent:,}: they are not of one run. Use another run folder."
            )

    @property
    def spec(self) -> InputSpec:
        """What one input must be."""
        return self._victim.spec

    @property
    def classes(self) -> int:
        """Number of classes K."""
        return self._victim.classes

    @property
    def access(self) -> Access:
        """What an answer reveals."""
        return self._access

    @property
    def budget(self) -> int:
        """Queries allowed in all."""
        assert self._account.budget is not None
        return self._account.budget

    @property
    def spent(self) -> int:
        """Queries charged so far."""
        return self._account.spent

    def affords(self, n: int) -> bool:
        """Whether `n` more queries stay within the budget."""
        return self._account.affords(n)

    def __call__(self, x: Tensor) -> Answer:
        """Ask for N inputs [N, *spec.shape] with values in the spec's range.

        Raises `BudgetExceeded` before anything is sent if the account cannot pay, and
        `SpecMismatch`, uncharged, for inputs of the wrong shape or (on the CPU) range; on
        other devices the range is checked by `Meter.verify`, since looking would wait for them.
        """
        x = x.detach()
        self.spec.check_shape(x)
        self._range.see(x)
        first = self.spent
        with self._account.charging(len(x)):
            given = self._victim(x)
        answer = release(given, self._victim.output, self.access, self._k)
        if self._recorder is not None:
            self._record(self._recorder, first, x, answer)
        return answer

    def _record(self, recorder: Recorder, first: int, x: Tensor, answer: Answer) -> None:
        try:
            recorder.put(first, x, answer)
        except RunError:
            self._account.settle()
            raise


class Meter:
    """An oracle's other side: its account and its record, in the hands of whoever runs an attack.

    The attack gets `oracle`, from which nothing public leads back here.
    """

    def __init__(
        self,
        victim: Victim,
        *,
        access: Access | str,
        budget: int,
        ledger: Ledger | None = None,
        k: int = 5,
        recorder: Recorder | None = None,
        defences: Iterable[str] = (),
    ) -> None:
        """As for `Oracle`, which it makes; `defences` names those that `victim` has."""
        oracle = Oracle(victim, access=access, budget=budget, ledger=ledger, k=k, recorder=recorder)
        self.oracle = oracle
        """What the attack holds."""
        self.rehearsal = Rehearsal(oracle.spec, oracle.classes, oracle.access, k, defences)
        """The same for any network in the victim's place, uncharged; the auditor's alone."""
        self._account, self._range, self._recorder = oracle._account, oracle._range, recorder

    def verify(self) -> None:
        """Raise `SpecMismatch` if any input since the last call was out of range."""
        self._range.verify()

    def settle(self) -> None:
        """Write down the exact number of queries spent; what is recorded is then on the disk.

        Raises `RunError`, the account settled, if something could not be recorded.
        """
        self._account.settle()
        if self._recorder is not None:
            self._recorder.flush()

    def forfeit(self, n: int) -> None:
        """Give up `n` queries unasked: they are charged, and count as lost."""
        self._account.forfeit(n)

    def write_off(self, n: int) -> None:
        """Book `n` of the queries spent as lost: answers came, and were not kept."""
        self._account.write_off(n)

    @property
    def lost(self) -> int:
        """Queries charged that brought nothing."""
        return self._account.lost
