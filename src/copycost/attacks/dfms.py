"""Base class of the DFMS-HL attacks (Sanyal, Addepalli, Babu, CVPR 2022, arXiv:2204.11022)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass as plain_dataclass
from typing import ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.functional import softplus

from copycost.attacks.base import SMALLEST_BATCH
from copycost.attacks.lessons import Lessons, LessonState
from copycost.attacks.replay import Replay
from copycost.attacks.state import Player, State
from copycost.attacks.views import strong
from copycost.engine import Engine
from copycost.losses import class_entropy
from copycost.nets.discriminator import Discriminator
from copycost.nets.seeded import derive, seeded
from copycost.oracle.base import Oracle
from copycost.pool import Pool
from copycost.schedules import Cosine, ScheduleSetting
from copycost.settings import SETTINGS
from copycost.types import InputSpec

SHIFT = 0.125
"""Largest shift of an augmented image, as a share of a side."""


@plain_dataclass(kw_only=True)
class DFMSState(LessonState):
    """The state of a lesson, and how far the preparations with proxies have come."""

    kept: ClassVar[tuple[str, ...]] = (*LessonState.kept, "warm", "proxies", "queue")

    warm: int
    """Steps of generator and discriminator still due before the first generated query."""
    proxies: int
    """Proxy images still to be queried before generated ones."""
    queue: Tensor
    """Indices of the pool's images still to be queried, in order; empty without a pool."""
    pool: Pool | None = None


@dataclass(frozen=True, config=SETTINGS)
class DFMS(Lessons):
    """A generator makes images that the student spreads over all classes; it learns their labels.

    The generator maximises the entropy of the student's mean prediction over a batch. If there
    are proxies, images that look somewhat like the victim's data, a discriminator keeps the
    generator's images close to them, and the student first learns their labels. The defaults
    are those of the authors' scripts for CIFAR-10.
    """

    generator_momenta: ClassVar[tuple[float, float]] = (0.5, 0.999)
    """As in DCGAN, also for the discriminator."""

    batch_size: int = Field(default=64, ge=2)
    """N, images per step."""
    student_lr: float = Field(default=0.01, gt=0)
    """Learning rate of the student's SGD."""
    schedule: ScheduleSetting = Cosine()
    """Factor on all learning rates over the share of the budget spent."""
    generator_lr: float = Field(default=2e-4, gt=0)
    """Learning rate of the generator and of the discriminator."""
    latent: int = Field(default=100, ge=1)
    """Z, size of the noise the generator starts from."""
    diversity: float = Field(default=500.0, gt=0)
    """λ, weight of the entropy relative to the discriminator's loss; without a discriminator it
    changes nothing, as Adam ignores the scale of a loss."""
    augment: bool = True
    """Whether a random strong view of each generated image is queried instead of the image."""
    gan_steps: int = Field(default=156_250, ge=0)
    """Steps of generator and discriminator before the first generated query: 200 passes over
    50,000 images."""
    proxies_asked: int = Field(default=25_000, ge=0)
    """Proxies queried before generated images: at most half of the budget, and no more than the
    memory holds."""
    epochs: int = Field(default=200, ge=1)
    """Passes over the proxies' answers before the first generated query."""
    memory_mib: int = Field(default=75, ge=1)
    """Bound of the proxies' memory in MiB: 25,000 CIFAR-10 images with ten probabilities each."""

    @property
    @abstractmethod
    def contested(self) -> bool:
        """Whether there are proxies, and a discriminator that tells generated images from them."""

    @abstractmethod
    def proxies(self, s: DFMSState, spec: InputSpec, n: int) -> Tensor:
        """`n` random proxy images [n, *shape]; called only if there are proxies."""

    def next_proxies(self, s: DFMSState, spec: InputSpec, n: int) -> Tensor:
        """The next `n` proxies to query."""
        return self.proxies(s, spec, n)

    def begin(
        self, pool: Pool | None, student: nn.Module, oracle: Oracle, engine: Engine, seed: int
    ) -> DFMSState:
        """Student, generator and, with proxies, a discriminator and an empty memory."""
        s = DFMSState(
            engine=engine,
            student=self.student_player(student, engine),
            random=engine.random(derive(seed, "attack")),
            generator=self.generator_player(oracle.spec, engine, seed),
            warm=self.gan_steps if self.contested else 0,
            proxies=0,
            queue=torch.empty(0, dtype=torch.int64),
            pool=pool,
        )
        if self.contested:
            s.more["discriminator"] = self._discriminator(oracle.spec, engine, seed)
            s.memory = self.memory(s, oracle)
            s.proxies = self._proxies(s.memory, oracle, engine.ranks.count)
        return s

    def _proxies(self, memory: Replay, oracle: Oracle, ranks: int) -> int:
        """Proxies that each rank queries: no more than the memory keeps until they are learnt."""
        asked = min(self.proxies_asked, memory.capacity)
        mine = min(-(-asked // ranks), oracle.budget // 2)
        return mine if mine * ranks >= SMALLEST_BATCH else 0

    def _discriminator(self, spec: InputSpec, engine: Engine, seed: int) -> Player:
        with seeded(derive(seed, "discriminator")):
            network = Discriminator(spec, self.width // 2)
        return Player(
            engine, network, self.generator_optimizer(network.parameters()), self.schedule
        )

    def images(self, s: State, oracle: Oracle) -> int:
        """A batch, or what remains of the proxies to query or of the budget, if that is less."""
        assert isinstance(s, DFMSState)
        n = self.affordable(oracle)
        return min(n, s.proxies) if s.proxies else n

    def step(self, s: State, oracle: Oracle, n: int) -> dict[str, Tensor]:
        """Query `n` proxies; once all are done, `n` generated images, learnt at once."""
        assert isinstance(s, DFMSState)
        if s.proxies:
            self.ask(s, oracle, self.next_proxies(s, oracle.spec, n))
            s.queue, s.proxies = s.queue[n:], s.proxies - n  # only after they are answered
            if not s.proxies:
                self.begin_lesson(s, self.epochs)
            return {}
        x = self.pictures(s.need_generator()(s.normal(n, self.latent)), oracle.spec, s.random)
        gap = self.gap(s.student, oracle, self._shown(s, oracle.spec, x.detach())).mean()
        s.student.descend(gap)
        return {"student/gap": gap.detach()} | self._contest(s, oracle.spec, x, self.diversity)

    def _shown(self, s: State, spec: InputSpec, x: Tensor) -> Tensor:
        return strong(x, spec, s.random, SHIFT, flip=True) if self.augment else x

    def studies(self, s: State, oracle: Oracle) -> bool:
        """Whether, after all proxies are queried, their lesson or the GAN's warm-up goes on."""
        assert isinstance(s, DFMSState)
        return super().studies(s, oracle) or (s.warm > 0 and not s.proxies)

    def study(self, s: State, oracle: Oracle) -> dict[str, Tensor]:
        """One step of the lesson, or of the warm-up that follows it."""
        assert isinstance(s, DFMSState)
        if s.due:
            return super().study(s, oracle)
        s.warm -= 1
        x = s.need_generator()(s.normal(self.batch_size, self.latent))
        return self._contest(s, oracle.spec, self.pictures(x, oracle.spec, s.random), 0.0)

    def _contest(
        self, s: DFMSState, spec: InputSpec, x: Tensor, diversity: float
    ) -> dict[str, Tensor]:
        """One step of the generator that made `x` [N, *shape], then one of the discriminator."""
        losses, loss = {}, x.new_zeros(())
        if diversity:
            covered = self._coverage(s, x)
            loss = loss - diversity * covered
            losses["generator/coverage"] = covered.detach()
        if self.contested:
            with s.more["discriminator"].seen_through() as judge:
                caught = softplus(-judge(x).float()).mean()
            loss = loss + caught
            losses["generator/caught"] = caught.detach()
        s.need_generator().descend(loss)
        if self.contested:
            losses["discriminator/error"] = self._judge(s, spec, x.detach())
        return losses

    def _coverage(self, s: State, x: Tensor) -> Tensor:
        """Entropy of the student's mean prediction over the whole batch, 0-d."""
        with s.student.seen_through() as student:
            p = student(x).float().softmax(dim=1)
        return class_entropy(s.engine.ranks.mean_to_learn_from(p.mean(dim=0)))

    def _judge(self, s: DFMSState, spec: InputSpec, made: Tensor) -> Tensor:
        """One step of the discriminator, which tells proxies from generated images `made`."""
        critic, n = s.more["discriminator"], len(made)
        scores = critic(torch.cat([self.proxies(s, spec, n), made])).float()
        error = softplus(-scores[:n]).mean() + softplus(scores[n:]).mean()
        critic.descend(error)
        return error.detach()
