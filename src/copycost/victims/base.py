"""What a victim is: something that answers a batch, and says what it takes and gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from operator import index
from typing import SupportsIndex, final

import torch
from torch import Tensor

from copycost.errors import SpecMismatch, check_kind
from copycost.types import Access, InputSpec

SUM_TOLERANCE = 1e-2
"""How far released probabilities may be from summing to one; loose enough for bfloat16."""

NEARLY = 0.1
"""How far the sums of most answers may be from a whole that they are thought to share out."""
_SHARES = {1: "divide each answer by its sum if they are rounded", 100: "divide by 100"}
"""Wholes that probabilities share out, and what to do where they do not sum to one."""


class Victim(ABC):
    """A model behind an API.

    The base class checks what comes back, so that a wrong declaration is an error at the
    first answer and not a strange result hours later; a subclass only answers.
    """

    free: bool = False
    """Whether asking costs no money; paid queries are written to the account one request at
    a time, free ones may be reserved ahead in larger blocks."""

    def __init__(self, spec: InputSpec, classes: int, output: Access, name: str) -> None:
        """`classes` is K >= 2; `output` is what the model computes: logits, probabilities, label.

        Raises `SpecMismatch` for a declaration that no model can meet.
        """
        check_kind(spec, InputSpec, "an InputSpec", "write InputSpec(shape=(1, 28, 28))")
        check_text("the victim's name", name)
        classes = _whole(classes)
        if output is Access.TOP_K:
            raise SpecMismatch(
                "a victim that computes logits, probabilities or labels",
                "top-k",
                "declare what the model computes; the access level cuts it down to top-k",
            )
        self.spec, self.classes, self.output, self.name = spec, classes, output, name
        self._checked = False

    @abstractmethod
    def answer(self, x: Tensor) -> Tensor:
        """Answer inputs [N, *spec.shape] in range: scores [N, K] or labels [N]."""

    @final
    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """Answer inputs [N, *spec.shape]: float32 scores [N, K], or int64 labels [N].

        They come back on the inputs' device, wherever the victim itself is.
        Raises `SpecMismatch` if the answer is not what was declared. Its shape is checked
        every time; so are its values where it was given on the CPU, but elsewhere the first time
        only: looking at values waits for the device. It says that the queries are charged.
        """
        try:
            return self._answered(x)
        except SpecMismatch as error:
            error.charge(len(x))
            raise

    def state(self) -> dict[str, Tensor]:
        """What must be saved for the answers to go on as if never interrupted."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:  # noqa: B027 -- stateless by default
        """Take up a saved `state`."""

    def draw_anew(self, since: str) -> None:  # noqa: B027 -- nothing to draw by default
        """Where a state is lost: draw other numbers than ever, fixed by `since` and the seed."""

    def _answered(self, x: Tensor) -> Tensor:
        # A copy: a model that normalises in place would change what the attacker asked. Laid out
        # as an owner's code expects, which may flatten by `view` or hand on the bytes.
        given = self.answer(x.clone(memory_format=torch.contiguous_format)).detach()
        self._check_shape(given, len(x))
        answer = given.long() if self.output is Access.LABEL else given.float()
        if given.device.type == "cpu" or not self._checked:
            self._check_whole(given)
            self._check_values(answer)
            self._checked = self._checked or len(x) > 1  # one answer tells too little
        return answer.to(x.device, copy=True)  # of a buffer, maybe, that is used again

    def _check_shape(self, answer: Tensor, n: int) -> None:
        wanted = (n,) if self.output is Access.LABEL else (n, self.classes)
        if tuple(answer.shape) != wanted:
            raise SpecMismatch(
                f"{self.output} of shape {list(wanted)} from victim {self.name!r}",
                f"shape {list(answer.shape)}",
                "check the declared number of classes and the kind of output",
            )

    def _check_values(self, answer: Tensor) -> None:
        if self.output is Access.LABEL:
            self._check_labels(answer)
            return
        if not bool(answer.isfinite().all()):
            bad = int((~answer.isfinite()).any(dim=1).sum())
            raise SpecMismatch(
                f"finite {self.output} from victim {self.name!r}",
                f"NaN or infinity in {bad} of {len(answer)} answers",
            )
        if self.output is Access.PROBABILITIES:
            self._check_probabilities(answer)
        elif not self._checked:
            self._check_logits(answer)

    def _check_whole(self, given: Tensor) -> None:
        if self.output is not Access.LABEL or not given.is_floating_point():
            return
        broken = given != given.round()  # NaN as well
        if bool(broken.any()):
            raise SpecMismatch(
                f"labels, whole numbers, from victim {self.name!r}",
                f"{float(given[broken][0]):.4g}",
                "if these are scores or probabilities, give all classes' and declare them as such",
            )

    def _check_labels(self, labels: Tensor) -> None:
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < self.classes:
            raise SpecMismatch(
                f"labels from 0 to {self.classes - 1} from victim {self.name!r}",
                f"labels from {int(labels.min())} to {int(labels.max())}",
            )

    def _check_logits(self, z: Tensor) -> None:
        """Softmax over what has been through it already makes all classes look alike."""
        if len(z) < 2 or bool((z < 0).any()):
            return
        # Rounded, cut to the largest, or in per cent, they need not sum to one exactly.
        for whole, advice in _SHARES.items():
            near = (z.sum(dim=1) / whole - 1).abs().median() < NEARLY
            if near and float(z.max()) <= 1.001 * whole:
                raise SpecMismatch(
                    f"logits from victim {self.name!r}",
                    f"{len(z)} answers that are not negative and sum to about {whole} each",
                    f"if these are probabilities, declare output='probabilities', and {advice}",
                )

    def _check_probabilities(self, p: Tensor) -> None:
        sums = p.sum(dim=1)
        off = (sums - 1).abs().max() if len(p) else sums.new_zeros(())
        if float(off) > SUM_TOLERANCE or bool((p < 0).any()):
            raise SpecMismatch(
                f"probabilities, not negative and summing to one, from victim {self.name!r}",
                f"values from {float(p.min()):.4g} to {float(p.max()):.4g}, "
                f"sums from {float(sums.min()):.4g} to {float(sums.max()):.4g}",
                _mend_of(p, sums),
            )


def check_text(what: str, value: object) -> None:
    """Raise `SpecMismatch` for what a record cannot hold as text: it is written when all is paid.

    `what` names it, e.g. "the victim's name".
    """
    if not isinstance(value, str):
        raise SpecMismatch(f"text as {what}", f"{value!r:.60}", "write it out as a str")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise SpecMismatch(f"text in UTF-8 as {what}", f"{value!a:.60}") from None


def _whole(classes: SupportsIndex) -> int:
    """NumPy's and PyTorch's whole numbers are numbers, too."""
    try:
        number = index(classes)
    except (TypeError, ValueError):
        raise SpecMismatch("a whole number of classes", f"{classes!r:.60}") from None
    if number < 2:
        raise SpecMismatch("at least 2 classes", str(number))
    return number


def output_of(word: Access | str) -> Access:
    """What a victim computes, by its word; `SpecMismatch` for one that there is not."""
    try:
        return Access(word)
    except ValueError:
        raise SpecMismatch("an output of logits, probabilities or label", repr(word)) from None


def _mend_of(p: Tensor, sums: Tensor) -> str:
    """What may be wrong with scores [N, K], sums [N], that are no probabilities."""
    if bool((p < 0).any()):
        return "if these are logits, declare output='logits'"
    if float((sums / 100 - 1).abs().median()) < NEARLY:
        return "if these are per cent, divide them by 100"
    if float(p.max()) <= 1:
        # Divided by their sum, the largest would be larger than the service says.
        return (
            "if these are rounded, divide each answer by its sum; if they are only the largest, "
            "share what is missing evenly among the others, and run with top-k access"
        )
    return "if these are logits, declare output='logits'; else divide each answer by its sum"
