"""DisGUIDE: disagreement-guided data-free model extraction (Rosenthal et al., AAAI 2023)."""

from __future__ import annotations

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from copycost.attacks.ensemble import Vote
from copycost.attacks.guided import Guided
from copycost.attacks.replay import Replay
from copycost.attacks.state import State
from copycost.engine import Engine
from copycost.noise import Noise
from copycost.oracle.base import Oracle
from copycost.schedules import ScheduleSetting, Steps
from copycost.settings import SETTINGS
from copycost.types import InputSpec


@dataclass(frozen=True, config=SETTINGS)
class DisGUIDE(Guided):
    """Students vote; the generator seeks images that split the vote and cover all classes.

    Each answer is learnt many times: besides a fresh batch the students learn several from a
    memory. The first student is the copy; the vote, which the paper reports, is evaluated
    beside it. The defaults are those of the authors' script for CIFAR-10.
    """

    student_lr: float = Field(default=0.03, gt=0)
    """Learning rate of the students' SGD."""
    schedule: ScheduleSetting = Steps(at=(0.4, 0.8))
    """Factor on all learning rates over the share of the budget spent."""
    grey_every: int = Field(default=8, ge=0)
    """Every so many images of a batch, one has one channel's values in all channels; 0: none."""
    student_steps: int = Field(default=1, ge=1)
    """n_S, steps of each student on fresh images per step of the attack."""
    replay_steps: int = Field(default=3, ge=0)
    """n_R, further steps, each on images from the memory."""
    memory_mib: int = Field(default=2968, ge=1)
    """Bound of the replay memory in MiB: one million CIFAR-10 images with ten probabilities
    each, as many as the authors keep."""

    @property
    def queries_per_image(self) -> int:
        """n_S: one query for each student step on fresh images."""
        return self.student_steps

    def start(self, student: nn.Module, oracle: Oracle, engine: Engine, seed: int) -> State:
        """M students, the generator and an empty memory."""
        s = super().start(student, oracle, engine, seed)
        s.memory = Replay(oracle, engine, self.memory_mib)
        s.beside = {name: player.network for name, player in s.more.items()}
        s.beside["ensemble"] = Vote(player.network for player in self.students(s).values())
        return s

    def step(self, s: State, oracle: Oracle, n: int) -> dict[str, Tensor]:
        """n_G steps of the generator, then n_S of each student on fresh images, n_R on old ones."""
        for _ in range(self.generator_steps):
            losses = self.climb(s, oracle, n)
        memory = s.need_memory()
        for batch in self.asked(s, oracle, n, self.student_steps):
            memory.put(batch)
            gaps = self.teach(s, batch)
        for _ in range(self.replay_steps):
            replayed = self.teach(s, memory.draw(n, s.random))
            losses["student/replayed gap"] = replayed["student/gap"]
        return losses | gaps

    def pictures(self, x: Tensor, spec: InputSpec, random: Noise) -> Tensor:
        """Images squashed into the range, every `grey_every`-th of them grey."""
        return greyed(super().pictures(x, spec, random), self.grey_every, random)


def greyed(images: Tensor, every: int, random: Noise) -> Tensor:
    """Give one channel's values to all channels in images 0, `every`, 2 · `every`, … of a batch.

    `images` is [N, C, H, W]; the channel is drawn for each image. Its copies in the other channels
    carry no gradient, as in the authors' code. Images of one channel, or any if `every` is 0,
    are returned unchanged.
    """
    n, channels = images.shape[:2]
    if not every or channels == 1:
        return images
    chosen = random.integers(n, below=channels).view(n, 1, 1, 1)
    source = images.gather(1, chosen.expand(n, 1, *images.shape[2:]))
    own = chosen == torch.arange(channels, device=images.device).view(1, channels, 1, 1)
    grey = random.places(n).view(n, 1, 1, 1) % every == 0
    return torch.where(grey & ~own, source.detach(), images)
