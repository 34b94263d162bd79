"""A replay memory: answers that cost one query each and are learnt many times."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from copycost.attacks.answers import room
from copycost.engine import Engine
from copycost.errors import ConfigError
from copycost.levels import dequantise, quantise
from copycost.noise import Noise
from copycost.oracle.base import Oracle
from copycost.types import Answer, InputSpec

MEBIBYTE = 2**20


class Batch(NamedTuple):
    """Inputs [N, *shape] in the spec's range, and what the oracle released for them."""

    inputs: Tensor
    answer: Answer

    def split(self, n: int) -> list[Batch]:
        """Split into batches of `n`, in order; the last may be smaller."""
        access, labels, scores = self.answer
        inputs, chosen = torch.split(self.inputs, n), torch.split(labels, n)
        told = [None] * len(inputs) if scores is None else torch.split(scores, n)
        rows = zip(inputs, chosen, told, strict=True)
        return [Batch(x, Answer(access, label, score)) for x, label, score in rows]


def _kept_as(spec: InputSpec) -> torch.dtype:
    if spec.vocabulary is not None:
        return torch.int32
    return torch.uint8 if spec.in_levels else torch.float32


class Replay:
    """The latest queried inputs and their answers: first in, first out, of bounded size.

    Images are kept as bytes, the nearest of 256 levels of their range, other inputs as they are,
    tokens in four bytes each.
    Scores stay float32: half precision cannot distinguish probabilities near the floor of 1e-7, and
    K numbers take little memory beside an image. At label access only the label is kept, as int64.

    With several ranks, each keeps the inputs of all, so that R ranks draw what one would, and
    one checkpoint serves them all.
    """

    def __init__(self, oracle: Oracle, engine: Engine, mebibytes: int) -> None:
        """Allocate `mebibytes` on the engine's device, but no more than the budget can fill.

        Raises `ConfigError` if not a single input fits.
        """
        self._spec, self._access, self._ranks = oracle.spec, oracle.access, engine.ranks
        kind = _kept_as(oracle.spec)
        row = oracle.spec.size * kind.itemsize + room(oracle, 1).nbytes
        self.capacity = min(mebibytes * MEBIBYTE // row, oracle.budget * engine.ranks.count)
        if not self.capacity:
            raise ConfigError(
                f"memory_mib: one input with its answer takes {row:,} bytes, more than "
                f"{mebibytes:,} MiB. Raise it."
            )
        self._inputs = torch.empty(
            (self.capacity, *oracle.spec.shape), dtype=kind, device=engine.device
        )
        self._answers = room(oracle, self.capacity, engine.device)
        self._put = 0

    def __len__(self) -> int:
        """Inputs held now."""
        return min(self._put, self.capacity)

    def put(self, batch: Batch) -> None:
        """Keep a batch, in place of the oldest inputs if the memory is full."""
        inputs = quantise(batch.inputs, self._spec) if self._spec.in_levels else batch.inputs
        inputs = self._ranks.rows(inputs).to(self._inputs.dtype)
        kept = self._ranks.rows(batch.answer.pack())
        first = max(0, len(inputs) - self.capacity)
        places = torch.arange(self._put + first, self._put + len(inputs), device=inputs.device)
        self._inputs[places % self.capacity] = inputs[first:]
        self._answers[places % self.capacity] = kept[first:].to(self._answers.dtype)
        self._put += len(inputs)

    def draw(self, n: int, random: Noise, recent: float = 0.0, window: int = 1) -> Batch:
        """`n` of the inputs held, uniformly and with replacement, with their answers.

        With probability `recent`, each is drawn from the latest `window` inputs instead.
        """
        which = random.integers(n, below=len(self))
        if recent:
            back = random.integers(n, below=min(window, len(self)))
            latest = (self._put - 1 - back) % self.capacity
            which = torch.where(random.uniform(n) < recent, latest, which)
        inputs = self._inputs[which]
        if self._spec.in_levels:
            inputs = dequantise(inputs, self._spec)
        if self._spec.vocabulary is not None:
            inputs = inputs.long()
        return Batch(inputs, Answer.unpack(self._access, self._answers[which]))

    def label_counts(self, classes: int) -> Tensor:
        """How many of the inputs held the victim assigned to each class: [K], int64."""
        held = Answer.unpack(self._access, self._answers[: len(self)])
        return torch.bincount(held.labels, minlength=classes)

    def state(self) -> dict[str, Any]:
        """All that is held; a checkpoint grows by its size."""
        held = len(self)
        # Inputs have the name that older checkpoints, of images alone, gave them.
        return {"images": self._inputs[:held], "answers": self._answers[:held], "put": self._put}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a saved `state`."""
        held = len(state["images"])
        self._inputs[:held] = state["images"].to(self._inputs.device)
        self._answers[:held] = state["answers"].to(self._answers.device)
        self._put = state["put"]
