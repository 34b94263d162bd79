"""The state that an attack changes while it runs; its settings never change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from copycost.attacks.average import WeightAverage
from copycost.attacks.replay import Replay
from copycost.engine import Engine, restore_optimizer
from copycost.nets.apart import each
from copycost.noise import Noise
from copycost.schedules import Schedule
from copycost.types import Compile


class Player:
    """A network that learns during an attack, with its optimiser and schedule."""

    def __init__(
        self, engine: Engine, network: nn.Module, optimizer: torch.optim.Optimizer, rate: Schedule
    ) -> None:
        """`optimizer` has the base learning rates; `rate` is a factor on them over time."""
        self.engine, self.network, self.rate = engine, network, rate
        self._base = [float(group["lr"]) for group in optimizer.param_groups]
        self.updates = 0
        """Steps its optimiser has taken."""
        self.clip = 0.0
        """Bound of the gradient's norm in a step; 0 for none."""
        self._norm: Tensor | None = None
        self.module, self.optimizer = engine.setup(network, optimizer)
        self.module.train()

    def __call__(self, x: Tensor) -> Tensor:
        """Run the network in the run's arithmetic."""
        output: Tensor = self.module(x)
        return output

    @torch.no_grad()
    def each(self, batches: list[Tensor], places: int) -> list[Tensor]:
        """The network's outputs for batches [n, ...], the same as one after the other.

        A CPU runs small batches together; `places` are the pixels of one generated image.
        """
        if self.engine.device.type == "cpu" and self.engine.compile is Compile.OFF:
            return each(self.network, self, batches, places)
        return [self(batch) for batch in batches]

    def set_time(self, t: float) -> None:
        """Set the learning rates for a share `t` of the budget spent."""
        for group, base in zip(self.optimizer.param_groups, self._base, strict=True):
            group["lr"] = base * self.rate(t)

    def set_rate(self, rate: float) -> None:
        """Set every learning rate to `rate`, whatever the schedule, until the time is set again."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def descend(self, loss: Tensor, gradient: Tensor | None = None) -> None:
        """One step of the optimiser down `loss`, or along `gradient` given for it."""
        self.optimizer.zero_grad()
        self.engine.backward(loss, gradient)
        if self.clip:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        # With CUDA graphs it is computed now: later graphs may overwrite these gradients.
        self._norm = self._norm_now() if self.engine.compile is Compile.GRAPHS else None
        self.optimizer.step()
        self.updates += 1

    @contextmanager
    def evaluating(self) -> Iterator[Player]:
        """Within the block the network is in evaluation mode; afterwards in training mode."""
        self.module.eval()
        try:
            yield self
        finally:
            self.module.train()

    @contextmanager
    def seen_through(self) -> Iterator[Callable[[Tensor], Tensor]]:
        """The network in evaluation mode with frozen weights: gradients reach its input only."""
        learning = [weight for weight in self.network.parameters() if weight.requires_grad]
        for weight in learning:
            weight.requires_grad_(False)
        try:
            with self.evaluating():
                yield self.engine.as_trained(self.module)
        finally:
            for weight in learning:
                weight.requires_grad_(True)

    def gradient_norm(self) -> Tensor:
        """Euclidean norm of the last step's gradient, over all weights; 0 before the first step."""
        return self._norm_now() if self._norm is None else self._norm

    def _norm_now(self) -> Tensor:
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        return torch.nn.utils.get_total_norm(gradients) if gradients else torch.zeros(())

    def state(self) -> dict[str, Any]:
        """Weights, buffers, optimiser, number of updates and norm of the last gradient."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "updates": self.updates,
            "gradient norm": self.gradient_norm(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a saved `state`."""
        self.network.load_state_dict(state["network"])
        restore_optimizer(self.optimizer, state["optimizer"])
        self.updates = state["updates"]
        self._norm = state["gradient norm"]


@dataclass
class State:
    """The players of one attack and its random numbers."""

    kept: ClassVar[tuple[str, ...]] = ()
    """Names of the fields of a subclass that a checkpoint holds as they are."""

    engine: Engine
    student: Player
    random: Noise
    generator: Player | None = None
    more: dict[str, Player] = field(default_factory=dict)
    """Further players by name: a second student, a discriminator."""
    memory: Replay | None = None
    """Earlier queries and answers, to be learnt again."""
    averages: dict[str, WeightAverage] = field(default_factory=dict)
    """Averages of networks over time, by the player's name."""
    beside: dict[str, nn.Module] = field(default_factory=dict)
    """Networks that are evaluated beside the copy, by name, such as 'ensemble'."""

    @property
    def judged(self) -> nn.Module:
        """The copy, which is scored and saved: the student, or its average if there is one."""
        average = self.averages.get("student")
        return self.student.network if average is None else average.network

    @property
    def players(self) -> dict[str, Player]:
        """All players by name, the student first."""
        generator = {} if self.generator is None else {"generator": self.generator}
        return {"student": self.student, **generator, **self.more}

    def need_generator(self) -> Player:
        """The generator; an `AssertionError` if the attack has none."""
        assert self.generator is not None, "this attack has no generator"
        return self.generator

    def need_memory(self) -> Replay:
        """The replay memory; an `AssertionError` if the attack has none."""
        assert self.memory is not None, "this attack has no replay memory"
        return self.memory

    def normal(self, n: int, *shape: int) -> Tensor:
        """Standard normal numbers [n, *shape] on the device, from the attack's own stream."""
        return self.random.normal(n, *shape)

    def state(self) -> dict[str, Any]:
        """All that a checkpoint needs to continue bit for bit."""
        return {
            "players": {name: player.state() for name, player in self.players.items()},
            "averages": {name: average.state() for name, average in self.averages.items()},
            "memory": None if self.memory is None else self.memory.state(),
            "random": self.random.state(),
            **{name: getattr(self, name) for name in self.kept},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a saved `state`."""
        for name, player in self.players.items():
            player.restore(state["players"][name])
        for name, average in self.averages.items():
            average.restore(state["averages"][name])
        if self.memory is not None:
            self.memory.restore(state["memory"])
        self.random.restore(state["random"])
        for name in self.kept:
            setattr(self, name, state[name])
