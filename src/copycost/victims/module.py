"""A victim that is a `torch.nn.Module` in this process."""

from __future__ import annotations

import copy
from itertools import chain
from typing import Self

import torch
from torch import Tensor, nn

from copycost.arithmetic import computing
from copycost.errors import SpecMismatch, VictimFailed, check_kind
from copycost.types import Access, InputSpec, Precision
from copycost.victims.base import Victim, output_of


class ModuleVictim(Victim):
    """Any `torch.nn.Module` that maps [N, *spec.shape] to logits, probabilities or labels."""

    free = True

    def __init__(
        self,
        module: nn.Module,
        spec: InputSpec,
        classes: int,
        output: Access | str = Access.LOGITS,
        *,
        name: str = "module",
        device: torch.device | str | None = None,
    ) -> None:
        """Move the module to `device` if one is given; its weights are never changed.

        It answers there, by default on the device of its first weight, whatever a run's device is.
        """
        check_kind(module, nn.Module, "a torch.nn.Module", "give a function as a FunctionVictim")
        super().__init__(spec, classes, output_of(output), name)
        self.module = module if device is None else module.to(device)
        self.device = _place_of(module) if device is None else torch.device(device)
        self.precision = Precision.FLOAT32

    def computed_in(self, precision: Precision) -> Self:
        """The same victim, sharing its module, answering in another precision."""
        other = copy.copy(self)
        other.precision = precision
        return other

    def answer(self, x: Tensor) -> Tensor:
        """Run the module, always in evaluation mode, even if its owner has since changed modes.

        Raises `VictimFailed` if the module raises, `SpecMismatch` if it gives no tensor.
        """
        if any(part.training for part in self.module.modules()):
            self.module.eval()
        try:
            with computing(self.precision, self.device):
                answer = self.module(x.to(self.device))
        except Exception as error:  # the owner's code may raise anything
            raise VictimFailed.of(self.name, error, len(x)) from error
        if not isinstance(answer, Tensor):
            raise SpecMismatch(
                f"one tensor from victim {self.name!r}",
                type(answer).__name__,
                "wrap the module in one that returns the scores or labels alone",
            )
        return answer


def _place_of(module: nn.Module) -> torch.device:
    weights = chain(module.parameters(), module.buffers())
    return next((weight.device for weight in weights), torch.device("cpu"))
