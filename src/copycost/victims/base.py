"""The base class of victims: a victim answers batches, and declares its inputs and outputs."""

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
"""How far, relatively, the median sum of an answer may be from a value in `_SHARES`."""
_SHARES = {1: "divide each answer by its sum if they are rounded", 100: "divide by 100"}
"""Sums by which probabilities are recognised, and how to make them sum to one."""


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

        The answer is on the inputs' device, wherever the victim itself is. Raises `SpecMismatch`,
        which says that the queries are charged, if the answer is not what was declared. Its shape
        is checked every time, and so are values given on the CPU; elsewhere only the first values
        are, since reading them waits for the device.
        """
        try:
            return self._answered(x)
        except SpecMismatch as error:
            error.charge(len(x))
            raise

    def state(self) -> dict[str, Tensor]:
        """What must be saved for a resumed run to get the answers of an uninterrupted one."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:  # noqa: B027 -- stateless by default
        """Load a saved `state`."""

    def draw_anew(self, since: str) -> None:  # noqa: B027 -- nothing to draw by default
        """After a state is lost, draw new random numbers, fixed by `since` and the seed."""

    def _answered(self, x: Tensor) -> Tensor:
        # A copy, as a model that normalises in place would change what the attacker asked; and
        # contiguous, as an owner's code may flatten with `view` or pass the bytes on.
        given = self.answer(x.clone(memory_format=torch.contiguous_format)).detach()
        self._check_shape(given, len(x))
        self._check_real(given)
        answer = given.long() if self.output is Access.LABEL else given.float()
        if given.device.type == "cpu" or not self._checked:
            self._check_whole(given)
            self._check_values(answer)
            self._checked = self._checked or len(x) > 1  # one answer tells too little
        return answer.to(x.device, copy=True)  # the victim may reuse its buffer

    def _check_shape(self, answer: Tensor, n: int) -> None:
        wanted = (n,) if self.output is Access.LABEL else (n, self.classes)
        if tuple(answer.shape) != wanted:
            raise SpecMismatch(
                f"{self.output} of shape {list(wanted)} from victim {self.name!r}",
                f"shape {list(answer.shape)}",
                "check the declared number of classes and the kind of output",
            )

    def _check_real(self, given: Tensor) -> None:
        # A conversion would drop the imaginary part, with a warning at most.
        if given.is_complex():
            raise SpecMismatch(f"real numbers from victim {self.name!r}", "complex ones")

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
        """Refuse probabilities declared as logits: a second softmax makes classes look alike."""
        if len(z) < 2 or bool((z < 0).any()):
            return
        # Probabilities that are rounded, cut to the largest or in per cent need not sum to one.
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
    """Raise `SpecMismatch` unless `value` is text that a record can hold, as UTF-8.

    A record is written when all queries are paid for: too late to fail. `what` names the value,
    e.g. "the victim's name".
    """
    if not isinstance(value, str):
        raise SpecMismatch(f"text as {what}", f"{value!r:.60}", "write it out as a str")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise SpecMismatch(f"text in UTF-8 as {what}", f"{value!a:.60}") from None


def _whole(classes: SupportsIndex) -> int:
    """`classes` as an int, from NumPy's and PyTorch's integers as well; `SpecMismatch` below 2."""
    try:
        number = index(classes)
    except (TypeError, ValueError):
        raise SpecMismatch("a whole number of classes", f"{classes!r:.60}") from None
    if number < 2:
        raise SpecMismatch("at least 2 classes", str(number))
    return number


def output_of(word: Access | str) -> Access:
    """The output of a victim by its name; `SpecMismatch` for an unknown one."""
    try:
        return Access(word)
    except ValueError:
        raise SpecMismatch("an output of logits, probabilities or label", repr(word)) from None


def _mend_of(p: Tensor, sums: Tensor) -> str:
    """Advice for scores [N, K], with `sums` [N], that are no probabilities."""
    if bool((p < 0).any()):
        return "if these are logits, declare output='logits'"
    if float((sums / 100 - 1).abs().median()) < NEARLY:
        return "if these are per cent, divide them by 100"
    if float(p.max()) <= 1:
        # Divided by their sum, the largest ones would exceed what the service says.
        return (
            "if these are rounded, divide each answer by its sum; if they are only the largest, "
            "share what is missing evenly among the others, and run with top-k access"
        )
    return "if these are logits, declare output='logits'; else divide each answer by its sum"
