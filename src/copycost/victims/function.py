"""A victim that is any Python callable: a scikit-learn model, a client, a script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from copycost.errors import SpecMismatch, VictimFailed
from copycost.types import Access, InputSpec
from copycost.victims.base import Victim, output_of


class FunctionVictim(Victim):
    """Any callable from a NumPy array [N, *spec.shape] to something array-like.

    Queries are assumed to cost money, so every request is written to the account by itself.
    Pass `free=True` for a function that runs in this process.

    If the function raises, the run ends, with what was learnt so far saved. The same run can go on
    from there, but the queries of that call stay charged, as they may have been answered: if a
    service fails now and then, retry within the function.
    """

    def __init__(
        self,
        predict: Callable[[np.ndarray[Any, Any]], Any],
        spec: InputSpec,
        classes: int,
        output: Access | str,
        *,
        name: str | None = None,
        free: bool = False,
    ) -> None:
        """`predict` gets float32 values in the spec's range (int64 for tokens).

        Runs are told apart by `name`, by default the function's own: two functions need two.
        """
        if not callable(predict):
            advice = "of a model give its method that predicts"
            raise SpecMismatch("a function", type(predict).__name__, advice)
        own: str = getattr(predict, "__qualname__", type(predict).__qualname__)
        super().__init__(spec, classes, output_of(output), name or own)
        self.predict, self.free = predict, free

    def answer(self, x: Tensor) -> Tensor:
        """Call the function on the host.

        Raises `VictimFailed` if the function raises, `SpecMismatch` if it gives no numbers.
        """
        try:
            answer = self.predict(x.cpu().numpy())
        except Exception as error:  # the owner's code may raise anything
            raise VictimFailed.of(self.name, error, len(x)) from error
        try:
            return _tensor_of(answer)
        except (TypeError, ValueError) as error:
            raise SpecMismatch(
                f"an array of numbers from victim {self.name!r}",
                f"{answer!r:.60}",
                f"give floats, or labels as whole numbers from 0 ({error})",
            ) from error


def _tensor_of(answer: Any) -> Tensor:
    """A function's result as a tensor, from an array of any memory layout and byte order."""
    if isinstance(answer, Tensor):
        return answer
    array = np.asarray(answer)
    return torch.as_tensor(np.require(array, array.dtype.newbyteorder("="), ["C"]))
