"""The base class of attacks. The runner counts queries, stops the run, scores and stores."""

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
from copycost.oracle.base import Oracle
from copycost.oracle.rehearsal import Rehearsal
from copycost.pool import Pool
from copycost.recovery import FLOOR, CentringSetting, mean, recover_logits
from copycost.schedules import ScheduleSetting, Steps
from copycost.settings import SETTINGS
from copycost.types import Access, Answer, InputSpec, Modality

SMALLEST_BATCH = 2
"""Batch norm cannot train on one image."""
STRICTLY_DATA_FREE = "strictly data-free"
"""Knowledge of an attacker who has nothing but the oracle."""


@dataclass(frozen=True, config=SETTINGS)
class Attack(ABC):
    """Settings that every attack has, and the steps that each attack implements."""

    needs: ClassVar[Access] = Access.LABEL
    """The least access that the attack can work with."""
    knowledge: ClassVar[str] = STRICTLY_DATA_FREE
    """What the attacker has besides the oracle."""
    needs_pool: ClassVar[bool] = False
    """Whether the attack starts with a pool of unlabelled images."""
    instead_for_tokens: ClassVar[str] = "choose frugal or random-noise"
    """What to do where `takes_tokens` is false and inputs are tokens."""

    batch_size: int = Field(default=256, ge=SMALLEST_BATCH)
    """N, images per step."""
    student_lr: float = Field(default=0.1, gt=0)
    """Learning rate of the student's SGD."""
    student_momentum: float = Field(default=0.9, ge=0, lt=1)
    student_weight_decay: float = Field(default=5e-4, ge=0)
    schedule: ScheduleSetting = Steps()
    """Factor on all learning rates over the share of the budget spent."""
    loss: LossSetting = l1
    """Loss between student and victim; both players use the same."""
    recovery: CentringSetting = mean
    """How recovery chooses the constant that the softmax discards."""
    floor: float = Field(default=FLOOR, gt=0, lt=0.1)
    """Probability that replaces a released 0."""

    @classmethod
    def suited(cls, budget: int) -> dict[str, JsonValue]:
        """Values that replace the defaults of settings not given, for a run of `budget` queries."""
        return {}

    @property
    def needs_images(self) -> bool:
        """Whether inputs must be images: the attack makes, moves or compares them as images."""
        return False

    @property
    def takes_tokens(self) -> bool:
        """Whether inputs may be tokens: whole numbers whose size means nothing."""
        return False

    def assumes(self, spec: InputSpec) -> str:
        """What an attacker with these settings holds; `knowledge`, unless they change it."""
        return self.knowledge

    @property
    @abstractmethod
    def queries_per_image(self) -> int:
        """Queries of one step per image of the batch: a step costs this times N."""

    @final
    @property
    def least_queries(self) -> int:
        """Queries of the smallest step, the smallest budget that pays for one."""
        return SMALLEST_BATCH * self.queries_per_image

    @final
    def start_with(
        self, pool: Pool | None, student: nn.Module, oracle: Oracle, engine: Engine, seed: int
    ) -> State:
        """`start`, or `begin` if there is a `pool`.

        Raises `ConfigError` for a pool that is not needed, or is needed and not there, and
        `SpecMismatch` if the victim does not take its inputs.
        """
        if pool is None:
            return self.start(student, oracle, engine, seed)
        if not self.needs_pool:
            raise ConfigError(f"pool: {type(self).__name__} takes no pool. Leave --pool out.")
        oracle.spec.check_shape(pool.floats(torch.arange(1)))
        return self.begin(pool, student, oracle, engine, seed)

    def start(self, student: nn.Module, oracle: Oracle, engine: Engine, seed: int) -> State:
        """Build the players around a fresh `student`. Sends no query.

        An attack that needs a pool has `begin` instead, and raises `ConfigError` here.
        """
        if not self.needs_pool:
            raise NotImplementedError(f"{type(self).__name__} defines no start")
        raise ConfigError(
            f"pool: {type(self).__name__} needs a pool. Name one, e.g. --pool cifar10."
        )

    def begin(
        self, pool: Pool, student: nn.Module, oracle: Oracle, engine: Engine, seed: int
    ) -> State:
        """`start` for an attack that needs a pool, whose inputs have the victim's shape."""
        raise NotImplementedError(f"{type(self).__name__} defines no begin")

    @abstractmethod
    def step(self, s: State, oracle: Oracle, n: int) -> dict[str, Tensor]:
        """Run one step with batches of `n` images: n · queries_per_image queries.

        Returns its losses by name: 0-d tensors, left on the device.
        """

    def images(self, s: State, oracle: Oracle) -> int:
        """Images in the next step; 0 when nothing is left to query, or no budget for a step."""
        return self.affordable(oracle)

    def studies(self, s: State, oracle: Oracle) -> bool:
        """Whether training without queries is due now, before the next query or after the last."""
        return False

    def study(self, s: State, oracle: Oracle) -> dict[str, Tensor]:
        """One short piece of that training; returns its losses, as `step` does."""
        raise NotImplementedError

    @final
    def done(self, s: State, oracle: Oracle) -> bool:
        """Whether there is nothing left to do."""
        return not self.studies(s, oracle) and not self.images(s, oracle)

    def diagnose(self, s: State, rehearsal: Rehearsal) -> dict[str, float]:
        """Measurements of the attack's health, for flags and curves.

        It sends no queries: `rehearsal` answers as the oracle would, by a stand-in for the victim.
        """
        return {}

    def samples(self, s: State, oracle: Oracle, n: int) -> Tensor:
        """`n` inputs [n, *shape] like the current queries, for people to see. Sends no query."""
        raise NotImplementedError

    def estimate_step(self, engine: Engine, spec: InputSpec) -> Step | None:
        """Step of the attack's finite differences over inputs of `spec`; None if it has none."""
        return None

    @final
    def shared_by(self, ranks: int) -> Self:
        """The same attack for each of `ranks` processes, which share each batch evenly.

        Raises `ConfigError` if they cannot share the batch evenly with two or more images each,
        and for several ranks if the attack has a pool.
        """
        if ranks > 1 and self.needs_pool:
            raise ConfigError(
                "pool: attacks with a pool run in one process. Start it without torchrun."
            )
        if self.batch_size % ranks or self.batch_size < SMALLEST_BATCH * ranks:
            raise ConfigError(
                f"batch_size: {self.batch_size} images cannot be shared evenly by {ranks} "
                f"processes, {SMALLEST_BATCH} or more each. Choose a multiple of {ranks}."
            )
        return replace(self, batch_size=self.batch_size // ranks)

    @final
    def check(self, oracle: Oracle) -> None:
        """Raise, before the first query, if this attack cannot run against `oracle`."""
        self.check_access(oracle.access)
        self.check_spec(oracle.spec)
        self.check_budget(oracle.budget)

    @final
    def check_access(self, access: Access) -> None:
        """Raise `AccessTooLow` if the attack needs more than `access` reveals."""
        if not access.covers(self.needs):
            raise AccessTooLow(
                f"{type(self).__name__} needs {self.needs} access; this API releases only "
                f"{access}. Choose an attack for {access} access."
            )

    def check_spec(self, spec: InputSpec) -> None:
        """Raise `SpecMismatch` if the attack cannot query inputs of `spec`. Takes no memory."""
        if spec.vocabulary is not None and not self.takes_tokens:
            raise SpecMismatch(
                f"a victim of numbers for {type(self).__name__}",
                f"one of {spec.vocabulary:,} tokens",
                self.instead_for_tokens,
            )
        if self.needs_images and spec.modality is not Modality.IMAGE:
            raise SpecMismatch(
                f"a victim of images for {type(self).__name__}",
                f"one of {spec.modality}",
                "choose an attack whose queries come from a pool, or random noise",
            )

    @final
    def check_budget(self, budget: int, each: int = 1) -> None:
        """Raise `ConfigError` for a budget that pays for no step, if inputs cost `each` queries."""
        least = self.least_queries * each
        if budget < least:
            raise ConfigError(
                f"budget: {budget:,} queries do not pay for one step; "
                f"{type(self).__name__} needs at least {least:,}."
            )

    @final
    def affordable(self, oracle: Oracle) -> int:
        """Images in the next step: N, or what the remaining budget pays for; 0 at the end.

        The last two steps share the remaining budget evenly, so that neither is so small that
        its batch statistics harm the student.
        """
        images = (oracle.budget - oracle.spent) // self.queries_per_image
        if images < SMALLEST_BATCH:
            return 0
        if self.batch_size < images < 2 * self.batch_size:
            return (images + 1) // 2
        return min(images, self.batch_size)

    def student_player(self, student: nn.Module, engine: Engine) -> Player:
        """The student as a player, trained by SGD as is usual in the field."""
        optimizer = torch.optim.SGD(
            student.parameters(),
            lr=self.student_lr,
            momentum=self.student_momentum,
            weight_decay=self.student_weight_decay,
            fused=True,
        )
        return Player(engine, student, optimizer, self.schedule)

    def gap(self, student: Callable[[Tensor], Tensor], oracle: Oracle, x: Tensor) -> Tensor:
        """Loss [N] between `student` and victim on inputs [N, *shape]: N queries."""
        answer = oracle(x)  # first: if the query is refused or fails, the student is unchanged
        return self.miss(student(x), answer)

    def miss(self, scores: Tensor, answer: Answer) -> Tensor:
        """Loss [N] between a student's logits [N, K] and the victim's `answer`."""
        scores = scores.float()
        logits = recover_logits(answer, scores.shape[1], self.recovery, self.floor)
        return self.loss_at(answer.access)(scores, logits)

    def descend(self, player: Player, x: Tensor, answer: Answer) -> Tensor:
        """One step of `player` down its mean gap on inputs [N, *shape]; returns the gap, 0-d."""
        gap = self.miss(player(x), answer).mean()
        player.descend(gap)
        return gap.detach()

    def loss_at(self, access: Access) -> Loss:
        """The loss at an access level: `loss`, unless an attack has another one for labels."""
        return self.loss
