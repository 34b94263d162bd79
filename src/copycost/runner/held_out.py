"""The victim's answers to the held-out data: each is paid for once, and kept on disk."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from copycost.defences.base import Defence
from copycost.defences.stack import defend
from copycost.errors import Busy, Interrupted, RunError
from copycost.flags import AT_THE_END
from copycost.hashes import hash_of, text_hash
from copycost.locks import Lock
from copycost.metrics import mean_l1
from copycost.nets.seeded import derive
from copycost.oracle.ledger import Account
from copycost.recovery import FLOOR
from copycost.runner.checkpoint import load_checkpoint, save_checkpoint
from copycost.runner.stopping import Stop
from copycost.runner.target import Target
from copycost.types import Access
from copycost.victims.base import Victim
from copycost.victims.module import ModuleVictim

CHUNK = 512
"""Held-out inputs asked at a time."""
APART = 64
"""Most inputs in one call when a function is asked the second time."""
KEEP_EVERY_SECONDS = 60.0
"""Time between saving the answers so far: a service may take hours to give them all."""
LOOK_EVERY_SECONDS = 0.5
"""Time between looking whether another run has its answers."""


class HeldOutAnswers:
    """What the victim says of the held-out data, without its defences and behind them.

    It is asked twice, the second time through the API, to tell whether that is deterministic; what
    the API makes of the first answers needs no asking. A function is asked in other batches the
    second time: a net that normalises by the statistics of its batch, as in training, would give
    the same batch the same answers.
    """

    def __init__(
        self,
        target: Target,
        defences: tuple[str, ...],
        seed: int,
        account: Account,
        cache: Path,
        device: torch.device,
        stop: Stop,
    ) -> None:
        """Ask, unless all answers are in the file `cache`; see `Auditor`."""
        self._target, self._defences, self._seed = target, defences, seed
        self._account, self._cache, self._device, self._stop = account, cache, device, stop
        self._kept_at = time.monotonic()
        saved = load_checkpoint(cache)
        self._asked: dict[str, Any] = {} if saved is None else saved.get("asked", {})
        if saved is None or "asked" in saved:
            # Answers that were paid for but not kept, as a crash came between.
            account.write_off(max(0, account.spent - account.lost - self._kept()))
            with self._turn():
                saved = self._paid_for()
        self._saved: dict[str, Any] = {
            name: value.to(device) if isinstance(value, Tensor) else value
            for name, value in saved.items()
        }

    def __getitem__(self, name: str) -> Tensor:
        """`labels`, `defended` or `defended_again`, [N], int64, on the device."""
        answers: Tensor = self._saved[name]
        return answers

    def get(self, name: str) -> Tensor | None:
        """`log_p`, [N, K], or `end`, the classes of the `sample`; None if there are none."""
        return self._saved.get(name)

    @property
    def distance(self) -> float | None:
        """Mean L1 distance between what the API releases and the victim's probabilities.

        None if there are no defences.
        """
        return self._saved.get("distance")

    @property
    def lender(self) -> str | None:
        """Folder of the run that paid for them; None if it is this run."""
        return self._saved.get("lender")

    @property
    def sample(self) -> Tensor:
        """Indices of the inputs that a function is asked about once more, all over the data."""
        n = len(self._target.held_out)
        return torch.arange(0, n, math.ceil(n / AT_THE_END))

    def ask_at_the_end(self) -> None:
        """Ask a function again about the `sample`, without defences, to tell if it has changed.

        Of a module in this process the weights are known.
        """
        victim = self._target.victim
        if isinstance(victim, ModuleVictim) or "end" in self._saved:
            return
        x = self._target.held_out.values(self.sample, self._device)
        with self._account.charging(len(x)):
            end = labels_of(victim, victim(x))
        self._saved["end"] = end
        self._keep(self._saved)

    def _turn(self) -> AbstractContextManager[object]:
        """Wait for a run beside this one that is asking the same, so that this one may borrow."""
        if self._target.victim.free:
            return nullcontext()
        place = self._cache.parent.parent / f".asking-{self._questions[:16]}.lock"
        while not self._stop.reason:
            try:
                return Lock(place, f"the held-out answers in {place.parent}")
            except Busy:
                time.sleep(LOOK_EVERY_SECONDS)
            except OSError:  # a folder that may not be written to, so no other run begins there
                return nullcontext()
        raise Interrupted

    def _paid_for(self) -> dict[str, Any]:
        """All answers, borrowed or asked, and kept; what there is so far, if asking fails."""
        account = self._account
        try:
            saved = self._borrowed() or self._ask_all()
        except BaseException:
            if account.spent:
                self._keep({"asked": self._asked})
            raise
        self._keep(saved)
        return saved

    def _borrowed(self) -> dict[str, Any] | None:
        """The answers that a run beside this one paid for, if the victim still gives them.

        Whether it does is asked about the `sample`. Answers that cost nothing are not borrowed.
        """
        victim = self._target.victim
        lent = None if victim.free or "plain" in self._asked else self._lent()
        if lent is None:
            return None
        now = labels_of(victim, self._ask("sample", victim, [self.sample]))
        before = lent["labels"][self.sample].to(now.device)
        return lent if torch.equal(now, before) else None

    def _lent(self) -> dict[str, Any] | None:
        """The latest answers to the same questions that are in a folder beside this run's."""
        places = self._cache.parent.parent.glob(f"*/{self._cache.name}")
        for place in sorted(places, key=_written_at, reverse=True):
            with suppress(RunError):  # another run's damaged file is that run's concern
                saved = load_checkpoint(place) or {}
                if saved.get("questions") == self._questions:
                    lent = {name: value for name, value in saved.items() if name != "end"}
                    return {"lender": place.parent.name} | lent
        return None

    @cached_property
    def _questions(self) -> str:
        """Hash of the victim, of the inputs and of what stands between them."""
        target, drawn = self._target, self._seed if self._defences else None
        inputs = hash_of(target.held_out.inputs)
        said = (target.content_hash, target.declared_hash, inputs, self._defences, drawn)
        return text_hash(repr(said))

    def _ask_all(self) -> dict[str, Any]:
        victim = self._target.victim
        scores = self._ask("plain", victim, self._together())
        answers: dict[str, Any] = {"labels": labels_of(victim, scores)}
        if victim.output is not Access.LABEL:
            answers["log_p"] = _log_p(victim, scores)
        api = defend(victim, self._defences, derive(self._seed, "auditor"))
        answers["defended"] = answers["labels"]
        if isinstance(api, Defence) and api is not victim:
            first = api.of(victim, scores)
            answers["defended"] = labels_of(api, first)
            answers["distance"] = mean_l1(first, answers["log_p"].exp())
        # A module is in evaluation mode, where only rounding could tell one batch from another.
        ours = isinstance(victim, ModuleVictim)
        purpose, batches = ("again", self._together()) if ours else ("apart", self._apart())
        again = labels_of(api, self._ask(purpose, api, batches))
        answers["defended_again"] = again[torch.cat(batches).argsort().to(again.device)]
        return answers if victim.free else answers | {"questions": self._questions}

    def _together(self) -> list[Tensor]:
        """The indices of the held-out inputs in each call."""
        return list(torch.split(torch.arange(len(self._target.held_out)), CHUNK))

    def _apart(self) -> list[Tensor]:
        """The indices in smaller calls, each with inputs from all over the data."""
        n = len(self._target.held_out)
        parts = min(n, max(2, math.ceil(n / APART)))
        return [torch.arange(first, n, parts) for first in range(parts)]

    def _ask(self, purpose: str, victim: Victim, batches: Sequence[Tensor]) -> Tensor:
        """The answers to all held-out data, in `batches`, going on from those already kept."""
        kept = self._asked.get(purpose, {"answers": [], "state": victim.state()})
        answers = [answer.to(self._device) for answer in kept["answers"]]
        victim.restore(kept["state"])
        try:
            for which in batches[len(answers) :]:
                self._stop.heed()
                x = self._target.held_out.values(which, self._device)
                with self._account.charging(len(x)):
                    answers.append(victim(x))
                if time.monotonic() - self._kept_at >= KEEP_EVERY_SECONDS:
                    self._asked[purpose] = {"answers": answers, "state": victim.state()}
                    self._keep({"asked": self._asked})
        finally:
            self._asked[purpose] = {"answers": answers, "state": victim.state()}
        return torch.cat(answers)

    def _kept(self) -> int:
        """How many answers there are so far."""
        return sum(len(answer) for one in self._asked.values() for answer in one["answers"])

    def _keep(self, answers: dict[str, Any]) -> None:
        """Save the `answers`, all or those so far, then settle the account.

        Not the other way round: a process killed between the two would have settled for answers
        that it does not have, and ask, and pay, again.
        """
        save_checkpoint(self._cache, answers)
        self._account.settle()
        self._kept_at = time.monotonic()


def _written_at(place: Path) -> float:
    try:
        return place.stat().st_mtime
    except OSError:  # its folder is being deleted
        return 0.0


def labels_of(victim: Victim, answers: Tensor) -> Tensor:
    """The classes that `answers` of `victim` name, [N], int64."""
    return answers if victim.output is Access.LABEL else answers.argmax(dim=1)


def _log_p(victim: Victim, scores: Tensor) -> Tensor:
    if victim.output is Access.LOGITS:
        return scores.log_softmax(dim=1)
    return scores.clamp(min=FLOOR).log()
