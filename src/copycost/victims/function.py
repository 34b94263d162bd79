"""A victim that is any Python callable: a scikit-learn model, a client, a script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from copycost.types import Access, InputSpec
from copycost.victims.base import Victim


class FunctionVictim(Victim):
    """Any callable from a NumPy array [N, *spec.shape] to something array-like.

    Asking it is taken to cost money: every request is written to the account by itself.
    Pass `free=True` for a function that runs in this process.
    """

    def __init__(
        self,
        predict: Callable[[np.ndarray[Any, Any]], Any],
        spec: InputSpec,
        classes: int,
        output: Access | str,
        *,
        name: str = "function",
        free: bool = False,
    ) -> None:
        """`predict` gets float32 values in the spec's range (int64 for tokens)."""
        super().__init__(spec, classes, Access(output), name)
        self.predict, self.free = predict, free

    def answer(self, x: Tensor) -> Tensor:
        """Call the function, on the host."""
        return torch.as_tensor(np.asarray(self.predict(x.cpu().numpy())))
