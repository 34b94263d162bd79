"""The auditor: judges copies on held-out data, and pays from an account of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from copycost.metrics import accuracy, agreement, commonest_share, mean_kl
from copycost.nets.modes import evaluated
from copycost.oracle.ledger import Account, Ledger
from copycost.runner.held_out import CHUNK, HeldOutAnswers, labels_of
from copycost.runner.record import VictimFacts
from copycost.runner.stopping import Stop
from copycost.runner.target import Target


class Auditor:
    """Asks the victim about the held-out data once, then compares every student with its answers.

    Agreement is with the undefended victim: the model that is worth copying.
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
        """Answers are kept in the file `cache`, so that a resumed run does not ask again.

        The answers so far are also kept if the victim fails, if `stop` is asked, which raises
        `Interrupted`, and every minute, as the process may be killed. If asking costs money, the
        answers to the same questions are taken over from a run in a folder beside this one's,
        provided that the victim still gives them for a sample.
        """
        self.target, self._defences, self._device = target, tuple(defences), device
        self.account, self._stop = account, stop or Stop()
        self._answers = HeldOutAnswers(
            target, self._defences, seed, account, cache, device, self._stop
        )
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
        log_p = self._answers.get("log_p")
        if log_p is not None:
            values["kl"] = mean_kl(log_p, logits.log_softmax(dim=1))
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
            return labels_of(self.target.victim, self.target.victim(x))

    def heed_stop(self) -> None:
        """Raise `Interrupted` if a stop was asked for."""
        self._stop.heed()

    def close(self) -> None:
        """At the end of a run, ask a function again, to tell whether it has changed meanwhile."""
        self._answers.ask_at_the_end()

    def facts(self) -> VictimFacts:
        """The record's entry on the victim."""
        target, victim, answers = self.target, self.target.victim, self._answers
        first, end = answers["defended"], answers.get("end")
        before = answers["labels"][answers.sample.to(self._device)]
        return VictimFacts(
            name=victim.name,
            architecture=target.architecture,
            dataset=target.dataset,
            classes=victim.classes,
            spec=victim.spec,
            output=victim.output,
            content_hash=target.content_hash,
            accuracy=accuracy(answers["labels"], self._labels),
            defences=self._defences,
            defended_accuracy=accuracy(first, self._labels),
            perturbation=answers.distance,
            self_agreement=agreement(first, answers["defended_again"]),
            commonest_label=commonest_share(self._labels),
            answers_from=answers.lender,
            asked_at_the_end=0 if end is None else len(end),
            changed_at_the_end=0 if end is None else int((end != before).sum()),
        )

    @torch.no_grad()
    def _run(self, student: nn.Module) -> Tensor:
        held_out = self.target.held_out
        with evaluated(student):
            return torch.cat(
                [
                    student(held_out.values(slice(at, at + CHUNK), self._device)).float()
                    for at in range(0, len(held_out), CHUNK)
                ]
            )


def auditors_account(ledger: Ledger, target: Target) -> Account:
    """The auditor's account in `ledger`.

    A victim that costs money is charged for each request by itself, as the attacker is.
    """
    return ledger.account("auditor", None, block=len(target.held_out) if target.victim.free else 1)
