"""The auditor: judges copies on held-out data, and pays from an account of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from copycost.defences.stack import defend
from copycost.errors import Interrupted
from copycost.metrics import accuracy, agreement, commonest_share, mean_kl
from copycost.oracle.ledger import Account
from copycost.recovery import FLOOR
from copycost.runner.checkpoint import load_checkpoint, save_checkpoint
from copycost.runner.record import VictimFacts
from copycost.runner.stopping import Stop
from copycost.runner.target import Target
from copycost.types import Access
from copycost.victims.base import Victim

CHUNK = 512
"""Held-out inputs asked or evaluated at a time."""
SEED_APART = 1_000_003
"""The auditor's defences draw random numbers of their own, not those the attacker will see."""


class Auditor:
    """Asks the victim about the held-out data once, then compares every student with that.

    Agreement is with the undefended victim: the model that is worth copying. What the API's
    users see, with the defences on, is asked twice, to tell whether it is deterministic.
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

        If the victim fails before all are there, those that are there are kept as well. So they
        are when `stop` is asked meanwhile, which raises `Interrupted`.
        """
        self.target, self._defences, self._device = target, tuple(defences), device
        self.account, self._stop = account, stop or Stop()
        saved = load_checkpoint(cache)
        if saved is None:  # what was paid for was not kept: a crash came between
            account.write_off(account.spent - account.lost)
        self._asked: dict[str, Any] = {} if saved is None else saved.get("asked", {})
        if saved is None or "asked" in saved:
            try:
                saved = self._ask_all(seed)
            except BaseException:
                if account.spent:
                    save_checkpoint(cache, {"asked": self._asked})
                    account.settle()
                raise
            account.settle()
            save_checkpoint(cache, saved)
        self._answers: dict[str, Tensor] = {k: v.to(device) for k, v in saved.items()}
        self._labels = target.held_out.labels.to(device)

    def evaluate(self, student: nn.Module) -> dict[str, float]:
        """Accuracy, agreement, KL to the victim (nats) and commonest class of `student`.

        All but KL are shares of the held-out inputs; the last is of those that get the class
        which the student gives most often. The student is run in float32 and evaluation mode,
        and left as it was. KL is there only if the victim computes more than labels.
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
        """The victim's first choice for inputs [n, *shape] that are not held-out ones: [n], int64.

        Charged to the auditor's account, like everything the auditor asks.
        """
        with self.account.charging(len(x)):
            return _labels(self.target.victim, self.target.victim(x))

    def heed_stop(self) -> None:
        """Raise `Interrupted` if its `stop` was asked."""
        if self._stop.reason:
            raise Interrupted

    def facts(self) -> VictimFacts:
        """What the record says of the victim."""
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
        scores = self._ask("plain", victim)
        answers = {"labels": _labels(victim, scores)}
        if victim.output is not Access.LABEL:
            answers["log_p"] = _log_p(victim, scores)
        api = defend(victim, self._defences, seed + SEED_APART)
        first = scores if api is victim else self._ask("defended", api)
        answers["defended"] = _labels(api, first)
        answers["defended_again"] = _labels(api, self._ask("again", api))
        return answers

    def _ask(self, purpose: str, victim: Victim) -> Tensor:
        """All held-out data; from where it failed, if it did."""
        kept = self._asked.get(purpose, {"answers": [], "state": victim.state()})
        answers = [answer.to(self._device) for answer in kept["answers"]]
        victim.restore(kept["state"])
        try:
            for at in range(sum(map(len, answers)), len(self.target.held_out), CHUNK):
                self.heed_stop()
                x = self.target.held_out.floats(slice(at, at + CHUNK), self._device)
                with self.account.charging(len(x)):
                    answers.append(victim(x))
        finally:
            self._asked[purpose] = {"answers": answers, "state": victim.state()}
        return torch.cat(answers)

    @torch.no_grad()
    def _run(self, student: nn.Module) -> Tensor:
        # Each part's, as a vote and its members need not be in one mode.
        were_training = {part: part.training for part in student.modules()}
        student.eval()
        held_out = self.target.held_out
        try:
            return torch.cat(
                [
                    student(held_out.floats(slice(at, at + CHUNK), self._device)).float()
                    for at in range(0, len(held_out), CHUNK)
                ]
            )
        finally:
            for part, was_training in were_training.items():
                part.training = was_training


def _labels(victim: Victim, answers: Tensor) -> Tensor:
    return answers if victim.output is Access.LABEL else answers.argmax(dim=1)


def _log_p(victim: Victim, scores: Tensor) -> Tensor:
    if victim.output is Access.LOGITS:
        return scores.log_softmax(dim=1)
    return scores.clamp(min=FLOOR).log()
