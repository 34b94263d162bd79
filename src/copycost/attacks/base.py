"""What an attack is. Counting, stopping, scoring and storing happen outside, in the runner."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Self, final

import torch
from pydantic import Field, JsonValue
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from copycost.arithmetic import Step
from copycost.attacks.state import Player, State
from copycost.engine import Engine
from copycost.errors import AccessTooLow, ConfigError, SpecMismatch
from copycost.losses import Loss, LossSetting, l1
from copycost.oracle.meter import Oracle
from copycost.oracle.rehearsal import Rehearsal
from copycost.pool import Pool
from copycost.recovery import FLOOR, CentringSetting, mean, recover_logits
from copycost.schedules import ScheduleSetting, Steps
from copycost.settings import SETTINGS
from copycost.types import Access, Answer, InputSpec, Modality

SMALLEST_BATCH = 2
"""Batch norm cannot train on one image."""
STRICTLY_DATA_FREE = "strictly data-free"
"""Class of an attacker who holds nothing but the oracle."""


@dataclass(frozen=True, config=SETTINGS)
class Attack(ABC):
    """Settings every attack has, and the arithmetic of one step, which each brings itself."""

    needs: ClassVar[Access] = Access.LABEL
    """The least access it can work with."""
    knowledge: ClassVar[str] = STRICTLY_DATA_FREE
    """What the attacker holds beside the oracle."""
    needs_pool: ClassVar[bool] = False
    """Whether it starts with a pool of unlabelled images."""

    batch_size: int = Field(default=256, ge=SMALLEST_BATCH)
    """Images a step, N."""
    student_lr: float = Field(default=0.1, gt=0)
    """Learning rate of the student's SGD."""
    student_momentum: float = Field(default=0.9, ge=0, lt=1)
    student_weight_decay: float = Field(default=5e-4, ge=0)
    schedule: ScheduleSetting = Steps()
    """Factor on all learning rates over the share of the budget spent."""
    loss: LossSetting = l1
    """Disagreement of student and victim; both players use the same."""
    recovery: CentringSetting = mean
    """How the constant is chosen that the softmax forgot."""
    floor: float = Field(default=FLOOR, gt=0, lt=0.1)
    """Probability that a released 0 stands for."""

    @classmethod
    def suited(cls, budget: int) -> dict[str, JsonValue]:
        """What a run of `budget` queries has instead of defaults where no setting was given."""
        return {}

    @property
    def needs_images(self) -> bool:
        """Whether its inputs must be images: it makes them, moves them or looks at their pixels."""
        return False

    @property
    def assumed(self) -> str:
        """What the attacker holds with these settings: `knowledge`, if they change nothing."""
        return self.knowledge

    @property
    @abstractmethod
    def queries_per_image(self) -> int:
        """Queries of one step for each image of the batch: its cost is this times N."""

    @final
    @property
    def least_queries(self) -> int:
        """Queries of the smallest step: below it a budget pays for none."""
        return SMALLEST_BATCH * self.queries_per_image

    @abstractmethod
    def start(self, student: nn.Module, oracle: Oracle, engine: Engine, seed: int) -> State:
        """Build the players around a fresh `student`. Asks nothing."""

    def start_with(
        self, pool: Pool | None, student: nn.Module, oracle: Oracle, engine: Engine, seed: int
    ) -> State:
        """`start`, with a pool where the attack takes one; `ConfigError` where it does not."""
        if pool is not None:
            raise ConfigError([f"pool: {type(self).__name__} takes none. Leave --pool out."])
        return self.start(student, oracle, engine, seed)

    @abstractmethod
    def step(self, s: State, oracle: Oracle, n: int) -> dict[str, Tensor]:
        """One step with batches of `n` images: asks n · queries_per_image, returns its losses.

        The losses are 0-d tensors, left on the device.
        """

    def images(self, s: State, oracle: Oracle) -> int:
        """Images in the next step; 0 when there is nothing more to ask, or no means to."""
        return self.affordable(oracle)

    def studies(self, s: State, oracle: Oracle) -> bool:
        """Whether work that asks nothing is due now, before the next query or after the last."""
        return False

    def study(self, s: State, oracle: Oracle) -> dict[str, Tensor]:
        """One short piece of that work; returns its losses, as `step` does."""
        raise NotImplementedError

    @final
    def done(self, s: State, oracle: Oracle) -> bool:
        """Whether there is nothing left to do."""
        return not self.studies(s, oracle) and not self.images(s, oracle)

    def diagnose(self, s: State, rehearsal: Rehearsal) -> dict[str, float]:
        """Health of the attack itself, in numbers for flags and curves.

        There is nobody to ask: what a victim would answer can be tried on stand-ins for it.
        """
        return {}

    def samples(self, s: State, oracle: Oracle, n: int) -> Tensor:
        """`n` inputs [n, *shape] like those it asks now, for people to look at. Asks nothing."""
        raise NotImplementedError

    def estimate_step(self, engine: Engine, spec: InputSpec) -> Step | None:
        """Step of its finite differences over inputs of `spec`, if it takes any."""
        return None

    @final
    def shared_by(self, ranks: int) -> Self:
        """The same attack for one of several ranks, which share each batch evenly.

        Raises `ConfigError` for a number of ranks that does not divide the batch, and for several
        where the attack has a pool.
        """
        if ranks > 1 and self.needs_pool:
            raise ConfigError(["pool: attacks with a pool run in one process, not in several."])
        if self.batch_size % ranks or self.batch_size < SMALLEST_BATCH * ranks:
            raise ConfigError(
                [
                    f"batch_size: {self.batch_size} images cannot be shared evenly by {ranks} "
                    f"processes, {SMALLEST_BATCH} or more each. Choose a multiple of {ranks}."
                ]
            )
        return replace(self, batch_size=self.batch_size // ranks)

    @final
    def check(self, oracle: Oracle) -> None:
        """Raise before the first query if this attack cannot run against this oracle at all."""
        self.check_access(oracle.access)
        self.check_spec(oracle.spec)
        self.check_budget(oracle.budget)

    @final
    def check_access(self, access: Access) -> None:
        """Raise `AccessTooLow` if it needs more than `access` reveals."""
        if not access.covers(self.needs):
            raise AccessTooLow(
                f"{type(self).__name__} needs {self.needs} access; this oracle releases only "
                f"{access}. Choose an attack for {access} access."
            )

    def check_spec(self, spec: InputSpec) -> None:
        """Raise `SpecMismatch` if it cannot ask about inputs of `spec`. Takes no memory."""
        if self.needs_images and spec.modality is not Modality.IMAGE:
            raise SpecMismatch(
                f"a victim of images for {type(self).__name__}",
                f"one of {spec.modality}",
                "choose an attack whose queries come from a pool, or random noise",
            )

    @final
    def check_budget(self, budget: int) -> None:
        """Raise `ConfigError` for a budget that pays for no step."""
        if budget < self.least_queries:
            raise ConfigError(
                [
                    f"budget: {budget:,} queries do not pay for one step; "
                    f"{type(self).__name__} needs at least {self.least_queries:,}."
                ]
            )

    @final
    def affordable(self, oracle: Oracle) -> int:
        """Images in the next step: N, or what the rest of the budget pays for; 0 at the end.

        The last two steps share what is left evenly, so that no step is so small that its
        batch statistics spoil the student.
        """
        images = (oracle.budget - oracle.spent) // self.queries_per_image
        if images < SMALLEST_BATCH:
            return 0
        if self.batch_size < images < 2 * self.batch_size:
            return (images + 1) // 2
        return min(images, self.batch_size)

    def student_player(self, student: nn.Module, engine: Engine) -> Player:
        """The student with the field's usual SGD."""
        optimizer = torch.optim.SGD(
            student.parameters(),
            lr=self.student_lr,
            momentum=self.student_momentum,
            weight_decay=self.student_weight_decay,
            fused=True,
        )
        return Player(engine, student, optimizer, self.schedule)

    def gap(self, student: Callable[[Tensor], Tensor], oracle: Oracle, x: Tensor) -> Tensor:
        """Disagreement [N] of `student` and victim on inputs [N, *shape]: asks N queries."""
        answer = oracle(x)  # first: what is refused or fails leaves the student as it was
        return self.miss(student(x), answer)

    def miss(self, scores: Tensor, answer: Answer) -> Tensor:
        """Disagreement [N] of a student's logits [N, K] with what the victim answered."""
        scores = scores.float()
        logits = recover_logits(answer, scores.shape[1], self.recovery, self.floor)
        return self.loss_at(answer.access)(scores, logits)

    def descend(self, player: Player, x: Tensor, answer: Answer) -> Tensor:
        """One step of `player` down its mean gap on inputs [N, *shape]; the gap, 0-d."""
        gap = self.miss(player(x), answer).mean()
        player.descend(gap)
        return gap.detach()

    def loss_at(self, access: Access) -> Loss:
        """The loss at an access level: `loss` at each, unless an attack has one for labels."""
        return self.loss
