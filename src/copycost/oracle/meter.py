"""The oracle, the only way in which an attack reaches a victim: check, charge, ask, release."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor

from copycost.adaptations.base import Adaptation
from copycost.errors import RunError, SpecMismatch
from copycost.oracle.access import check_access, release
from copycost.oracle.adapted import AdaptedOracle
from copycost.oracle.base import Oracle
from copycost.oracle.ledger import Ledger
from copycost.oracle.range_check import RangeCheck
from copycost.oracle.rehearsal import Rehearsal
from copycost.oracle.transfer.recorder import Recorder
from copycost.types import Access, Answer, InputSpec
from copycost.victims.base import Victim

BLOCKS_PER_BUDGET = 200
"""Blocks that the budget of a free victim is reserved in. A crash charges at most one of them,
half a percent of the budget, more than was sent."""


class CountedOracle(Oracle):
    """The oracle that asks a victim; one input asked about is one query.

    The attack's queries are counted here and nowhere else: one input is one query, whatever its
    purpose. The runner reaches the account through a `Meter`.
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
        """`victim` includes its defences; `budget` is in queries; `k` is for top-k access.

        Without a `ledger` the account is kept in memory and ends with the process. A `recorder`
        keeps the queries and what is released for them; a `Meter` flushes it, and the caller
        closes it. Raises `SpecMismatch` if the budget is below 1 or the victim does not compute
        what `access` releases, and `RunError` if more queries are recorded than charged.
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

    def __call__(self, x: Tensor) -> Answer:
        """Query N inputs [N, *spec.shape] with values in the spec's range.

        Raises `BudgetExceeded`, before anything is sent, if the account cannot pay, and
        `SpecMismatch`, without charge, for inputs of the wrong shape or (on the CPU) range; on
        other devices `Meter.verify` checks the range, since reading values waits for the device.
        `VictimFailed` and `SpecMismatch` for a faulty answer come after the charge.
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
    """The runner's side of an oracle: its account and recorder, which the attack cannot reach.

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
        adaptations: Sequence[Adaptation] = (),
    ) -> None:
        """Takes the arguments of `CountedOracle`, which it makes.

        `defences` names those of `victim`; `adaptations` are the attacker's, in the order in which
        answers pass them.
        """
        oracle = CountedOracle(
            victim, access=access, budget=budget, ledger=ledger, k=k, recorder=recorder
        )
        self.oracle: Oracle = AdaptedOracle(oracle, adaptations) if adaptations else oracle
        """What the attack holds."""
        self.budget = budget
        """Queries allowed in all; with adaptations, an input may cost several."""
        self.rehearsal = Rehearsal(
            oracle.spec, oracle.classes, oracle.access, k, defences, adaptations
        )
        """What the attack would see of any network in the victim's place, uncharged; auditor
        only."""
        self._account, self._range, self._recorder = oracle._account, oracle._range, recorder

    def verify(self) -> None:
        """Raise `SpecMismatch` if any input since the last call was out of range."""
        self._range.verify()

    def settle(self) -> None:
        """Settle the account at the exact number of queries spent, and flush the recorder.

        Raises `RunError`, after settling, if something could not be recorded.
        """
        self._account.settle()
        if self._recorder is not None:
            self._recorder.flush()

    def forfeit(self, n: int) -> None:
        """Give up `n` queries unsent: they are charged, and count as lost."""
        self._account.forfeit(n)

    def write_off(self, n: int) -> None:
        """Rebook `n` of the queries spent as lost: their answers came, and were not kept."""
        self._account.write_off(n)

    @property
    def spent(self) -> int:
        """Queries charged so far."""
        return self._account.spent

    @property
    def lost(self) -> int:
        """Queries charged that brought nothing."""
        return self._account.lost
