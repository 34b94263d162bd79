"""The auditor: judges copies on held-out data, and pays from an account of its own."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from copycost.defences.stack import defend
from copycost.errors import Interrupted
from copycost.metrics import accuracy, agreement, commonest_share, mean_kl
from copycost.nets.modes import evaluated
from copycost.oracle.ledger import Account, Ledger
from copycost.recovery import FLOOR
from copycost.runner.checkpoint import load_checkpoint, save_checkpoint
from copycost.runner.record import VictimFacts
from copycost.runner.stopping import Stop
from copycost.runner.target import Target
from copycost.types import Access
from copycost.victims.base import Victim
from copycost.victims.module import ModuleVictim

CHUNK = 512
"""Held-out inputs asked or evaluated at a time."""
APART = 64
"""Most inputs in one call when a function is asked the second time."""
KEEP_EVERY_SECONDS = 60.0
"""Time between saving the answers so far: a service may take hours to give them all."""
SEED_APART = 1_000_003
"""Added to the seed, so that the auditor's defences draw other numbers than the attacker's."""


class Auditor:
    """Asks the victim about the held-out data once, then compares every student with its answers.

    Agreement is with the undefended victim: the model that is worth copying. The API, with its
    defences on, is asked twice, to tell whether it is deterministic. A function is asked in other
    batches the second time: a net that normalises by the statistics of its batch, as in training,
    would give the same batch the same answers.
    """

    def __init__(
        self,
        target: Target,
        defences: Sequence[str],
        seed: int,
        account: Account,
        cache: Path,
        device: torch.device,
        stop: Stop | None = None,
    ) -> None:
        """Answers are kept in `cache`, so that a resumed run does not ask again.

        The answers so far are also kept if the victim fails, if `stop` is asked, which raises
        `Interrupted`, and every minute, as the process may be killed.
        """
        self.target, self._defences, self._device = target, tuple(defences), device
        self.account, self._stop = account, stop or Stop()
        self._cache, self._kept_at = cache, time.monotonic()
        saved = load_checkpoint(cache)
        self._asked: dict[str, Any] = {} if saved is None else saved.get("asked", {})
        if saved is None or "asked" in saved:
            # Answers that were paid for but not kept, as a crash came between.
            account.write_off(max(0, account.spent - account.lost - self._kept()))
            try:
                saved = self._ask_all(seed)
            except BaseException:
                if account.spent:
                    self._keep()
                raise
            account.settle()
            save_checkpoint(cache, saved)
        self._answers: dict[str, Tensor] = {k: v.to(device) for k, v in saved.items()}
        self._labels = target.held_out.labels.to(device)

    def evaluate(self, student: nn.Module) -> dict[str, float]:
        """Accuracy, agreement, KL to the victim (nats) and commonest class of `student`.

        All but KL are shares of the held-out inputs; the last is the share that gets the class
        which the student gives most often. The student runs in float32 and evaluation mode, and
        is left as it was. There is a KL only if the victim computes more than labels.
        """
        logits = self._run(student)
        chosen = logits.argmax(dim=1)
        values = {
            "accuracy": accuracy(chosen, self._labels),
            "agreement": agreement(chosen, self._answers["labels"]),
            "commonest class": commonest_share(chosen),
        }
        if "log_p" in self._answers:
            values["kl"] = mean_kl(self._answers["log_p"], logits.log_softmax(dim=1))
        return values

    @property
    def right(self) -> Tensor:
        """Which held-out inputs the victim gets right, [N], bool."""
        return self._answers["labels"] == self._labels

    def labels_of(self, x: Tensor) -> Tensor:
        """The victim's first choice, [n], int64, for inputs [n, *shape] other than held-out ones.

        Charged to the auditor's account, like everything the auditor asks.
        """
        with self.account.charging(len(x)):
            return _labels(self.target.victim, self.target.victim(x))

    def heed_stop(self) -> None:
        """Raise `Interrupted` if a stop was asked for."""
        if self._stop.reason:
            raise Interrupted

    def facts(self) -> VictimFacts:
        """The record's entry on the victim."""
        target, victim = self.target, self.target.victim
        first, second = self._answers["defended"], self._answers["defended_again"]
        return VictimFacts(
            name=victim.name,
            architecture=target.architecture,
            dataset=target.dataset,
            classes=victim.classes,
            spec=victim.spec,
            output=victim.output,
            content_hash=target.content_hash,
            accuracy=accuracy(self._answers["labels"], self._labels),
            defences=self._defences,
            defended_accuracy=accuracy(first, self._labels),
            self_agreement=agreement(first, second),
            commonest_label=commonest_share(self._labels),
        )

    def _ask_all(self, seed: int) -> dict[str, Tensor]:
        victim = self.target.victim
        scores = self._ask("plain", victim, self._together())
        answers = {"labels": _labels(victim, scores)}
        if victim.output is not Access.LABEL:
            answers["log_p"] = _log_p(victim, scores)
        api = defend(victim, self._defences, seed + SEED_APART)
        first = scores if api is victim else self._ask("defended", api, self._together())
        answers["defended"] = _labels(api, first)
        # A module is in evaluation mode, where only rounding could tell one batch from another.
        ours = isinstance(victim, ModuleVictim)
        purpose, batches = ("again", self._together()) if ours else ("apart", self._apart())
        again = _labels(api, self._ask(purpose, api, batches))
        answers["defended_again"] = again[torch.cat(batches).argsort().to(again.device)]
        return answers

    def _together(self) -> list[Tensor]:
        """The indices of the held-out inputs in each call."""
        return list(torch.split(torch.arange(len(self.target.held_out)), CHUNK))

    def _apart(self) -> list[Tensor]:
        """The indices in smaller calls, each with inputs from all over the data."""
        n = len(self.target.held_out)
        parts = min(n, max(2, math.ceil(n / APART)))
        return [torch.arange(first, n, parts) for first in range(parts)]

    def _ask(self, purpose: str, victim: Victim, batches: Sequence[Tensor]) -> Tensor:
        """The answers to all held-out data, in `batches`, going on from those already kept."""
        kept = self._asked.get(purpose, {"answers": [], "state": victim.state()})
        answers = [answer.to(self._device) for answer in kept["answers"]]
        victim.restore(kept["state"])
        try:
            for which in batches[len(answers) :]:
                self.heed_stop()
                x = self.target.held_out.floats(which, self._device)
                with self.account.charging(len(x)):
                    answers.append(victim(x))
                if time.monotonic() - self._kept_at >= KEEP_EVERY_SECONDS:
                    self._asked[purpose] = {"answers": answers, "state": victim.state()}
                    self._keep()
        finally:
            self._asked[purpose] = {"answers": answers, "state": victim.state()}
        return torch.cat(answers)

    def _kept(self) -> int:
        """How many answers there are so far."""
        return sum(len(answer) for one in self._asked.values() for answer in one["answers"])

    def _keep(self) -> None:
        """Save the answers so far, then settle the account."""
        save_checkpoint(self._cache, {"asked": self._asked})
        self.account.settle()
        self._kept_at = time.monotonic()

    @torch.no_grad()
    def _run(self, student: nn.Module) -> Tensor:
        held_out = self.target.held_out
        with evaluated(student):
            return torch.cat(
                [
                    student(held_out.floats(slice(at, at + CHUNK), self._device)).float()
                    for at in range(0, len(held_out), CHUNK)
                ]
            )


def auditors_account(ledger: Ledger, target: Target) -> Account:
    """The auditor's account in `ledger`.

    A victim that costs money is charged for each request by itself, as the attacker is.
    """
    return ledger.account("auditor", None, block=len(target.held_out) if target.victim.free else 1)


def _labels(victim: Victim, answers: Tensor) -> Tensor:
    return answers if victim.output is Access.LABEL else answers.argmax(dim=1)


def _log_p(victim: Victim, scores: Tensor) -> Tensor:
    if victim.output is Access.LOGITS:
        return scores.log_softmax(dim=1)
    return scores.clamp(min=FLOOR).log()
