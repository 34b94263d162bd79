"""The oracle: check, write, ask, return. The one place where an attack reaches a victim."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from copycost.defences.stack import defend
from copycost.errors import RunError, SpecMismatch
from copycost.oracle.access import check_access, release
from copycost.oracle.ledger import Ledger
from copycost.oracle.rehearsal import Network, StandIn
from copycost.oracle.transfer.recorder import Recorder
from copycost.types import Access, Answer, InputSpec
from copycost.victims.base import Victim

BLOCKS_PER_BUDGET = 200
"""A crash charges a free victim's run for at most one block, half a percent of the budget, more
than was sent."""


class Oracle:
    """All an attacker may do with a victim: ask, within a budget, and see what is released.

    Counting happens here and nowhere else: one input is one query, whatever it is asked for.
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
        """`victim` comes with its defences on; `budget` is in queries; `k` is for top-k access.
        `defences` names those that it has, for `rehearsal`.

        Without a `ledger` the account is kept in memory and ends with the process. A
        `recorder` keeps what is asked and released; it is flushed here and closed by whoever
        made it. Raises `SpecMismatch` if the victim does not compute what is to be released,
        `RunError` if more has been recorded than charged.
        """
        if budget < 1:
            raise SpecMismatch("a budget of at least 1 query", str(budget))
        self.access = Access(access)
        check_access(victim.output, self.access, k, victim.classes)
        self._victim, self._k, self._defences = victim, k, tuple(defences)
        block = budget // BLOCKS_PER_BUDGET if victim.free else 1
        self._account = (ledger or Ledger()).account("attacker", budget, block)
        self._extremes: Tensor | None = None
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
        other devices the range is checked by `verify`, since looking would wait for them.
        """
        x = x.detach()
        self.spec.check_shape(x)
        self._check_range(x)
        first = self.spent
        with self._account.charging(len(x)):
            given = self._victim(x)
        answer = release(given, self._victim.output, self.access, self._k)
        if self._recorder is not None:
            self._record(self._recorder, first, x, answer)
        return answer

    def rehearsal(self, network: Network) -> Callable[[Tensor], Answer]:
        """What would be released of `network`'s logits, were it the victim. Asks nothing.

        For what an auditor wants to know of an attack, never for what the attack does: attackers
        do not know the defences.
        """
        defended = defend(StandIn(network, self.spec, self.classes), self._defences)
        return lambda x: release(defended(x), defended.output, self.access, self._k)

    def verify(self) -> None:
        """Raise `SpecMismatch` if any input since the last call was out of range."""
        if self._extremes is not None:
            extremes, self._extremes = self._extremes, None
            self.spec.check_range(extremes)

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

    def _record(self, recorder: Recorder, first: int, x: Tensor, answer: Answer) -> None:
        try:
            recorder.put(first, x, answer)
        except RunError:
            self._account.settle()
            raise

    def _check_range(self, x: Tensor) -> None:
        if x.device.type == "cpu":
            if len(x):
                self.spec.check_range(x)
            return
        extremes = torch.stack(x.aminmax())
        if self._extremes is not None:
            low = torch.minimum(extremes[0], self._extremes[0])
            high = torch.maximum(extremes[1], self._extremes[1])
            extremes = torch.stack((low, high))
        self._extremes = extremes
