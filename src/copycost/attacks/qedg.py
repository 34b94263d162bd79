"""QEDG: query-efficient data generation by hard labels (Pei et al., AAAI 2025)."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from copycost.attacks.base import SMALLEST_BATCH
from copycost.attacks.replay import Batch
from copycost.attacks.state import State
from copycost.attacks.synthesis import Synthesis, SynthesisState
from copycost.attacks.views import strong
from copycost.oracle.base import Oracle
from copycost.settings import SETTINGS
from copycost.types import InputSpec


@plain_dataclass(kw_only=True)
class QEDGState(SynthesisState):
    """The state of a synthesis attack, with whether the last lesson has begun."""

    kept: ClassVar[tuple[str, ...]] = (*SynthesisState.kept, "last_begun")

    last_begun: bool = False


@dataclass(frozen=True, config=SETTINGS)
class QEDG(Synthesis):
    """Few queries, of images that the student is unsure of and that differ from one another.

    The generator makes images of given classes that the student barely recognises and that
    differ within a class. The defaults are those of the authors' script for CIFAR-10.
    """

    kept_as = QEDGState

    batch_size: int = Field(default=512, ge=2)
    """N, images per round, and per step of the student."""
    student_weight_decay: float = Field(default=0.0, ge=0)
    latent: int = Field(default=1024, ge=1)
    """Z, size of the noise the generator starts from."""
    synthesis_steps: int = Field(default=100, ge=1)
    """Generator steps per round; the batch of the best step is kept."""
    over_confidence: float = Field(default=1.0, ge=0)
    """α, weight of the standard deviation over classes of the student's probabilities."""
    diversity: float = Field(default=0.01, ge=0)
    """β, weight of the likeness of images of one class."""
    varied: bool = True
    """Whether a random strong view of each generated image is queried instead of the image."""
    threshold: float = Field(default=0.7, gt=0, le=1)
    """The student's highest probability up to which an image is worth a query."""
    candidates: int = Field(default=2, ge=1)
    """Images made per query; if too few are within the threshold, the least sure of the others
    are queried too."""
    balance: float = Field(default=2.0, gt=0)
    """Weight in the student's loss of images that it gets wrong."""
    free_share: float = Field(default=0.05, ge=0, le=1)
    """Probability that an image the student is sure of is mirrored, horizontally or vertically,
    and learnt with the label of the original: free augmentation."""
    sure: float = Field(default=0.95, gt=0, le=1)
    """The student's highest probability above which it counts as sure."""
    epochs: int = Field(default=20, ge=1)
    """Length of the lesson after a round: as many steps as this many passes over all answers."""
    last_epochs: int = Field(default=1000, ge=1)
    """The same for the lesson after the last query."""

    def targets(self, s: SynthesisState, oracle: Oracle, n: int) -> Tensor:
        """Random classes [n]."""
        return s.random.integers(n, below=oracle.classes)

    def objective(self, s: State, scores: Tensor, targets: Tensor, images: Tensor) -> Tensor:
        """Cross-entropy with the targets + α · std of p + β · likeness within classes."""
        bold = scores.softmax(dim=1).std(dim=1).mean()
        alike = likeness(images, targets) if self.diversity else bold.new_zeros(())
        return cross_entropy(scores, targets) + self.over_confidence * bold + self.diversity * alike

    @torch.no_grad()
    def chosen(self, s: SynthesisState, oracle: Oracle, images: Tensor) -> Tensor:
        """As many images as in the batch, from it and further ones, the most worthwhile first."""
        n, made = len(images), [images]
        for _ in range(self.candidates - 1):
            x = s.need_generator()(s.normal(n, self.latent))
            made.append(self.pictures(x, oracle.spec, s.random))
        found = torch.cat([self._varied(s, oracle.spec, part) for part in made])
        return found[worthwhile(_confidence(s, found), self.threshold)[:n]]

    def _varied(self, s: State, spec: InputSpec, images: Tensor) -> Tensor:
        return strong(images, spec, s.random, self.shift, self.flip) if self.varied else images

    def studies(self, s: State, oracle: Oracle) -> bool:
        """Whether a lesson is due: the last one is even if the last query's answer was lost."""
        return super().studies(s, oracle) or self._last_is_left(s, oracle)

    def study(self, s: State, oracle: Oracle) -> dict[str, Tensor]:
        """One step of the student in the current lesson; begins the last lesson when it is due."""
        assert isinstance(s, QEDGState)
        if not s.due:
            self.begin_lesson(s, self.last_epochs)
            s.last_begun = True
        return super().study(s, oracle)

    def _last_is_left(self, s: State, oracle: Oracle) -> bool:
        assert isinstance(s, QEDGState)
        learnable = len(s.need_memory()) >= SMALLEST_BATCH
        return learnable and not s.last_begun and not self.images(s, oracle)

    def learn(self, s: State, lesson: Batch, spec: InputSpec) -> dict[str, Tensor]:
        """One step down the mean loss, in which wrong answers weigh more."""
        images = self._freely_augmented(s, lesson.inputs) if self.free_share else lesson.inputs
        scores = s.student(images)
        gaps = self.miss(scores, lesson.answer)
        wrong = scores.argmax(dim=1) != lesson.answer.labels
        gap = (gaps * torch.where(wrong, self.balance, 1.0)).mean()
        s.student.descend(gap)
        return {"student/gap": gaps.detach().mean()}

    @torch.no_grad()
    def _freely_augmented(self, s: State, images: Tensor) -> Tensor:
        n, sure = len(images), _confidence(s, images) > self.sure
        mirrored = (sure & (s.random.uniform(n) < self.free_share)).view(n, 1, 1, 1)
        across = (s.random.uniform(n) < 0.5).view(n, 1, 1, 1)
        return torch.where(mirrored, torch.where(across, images.flip(3), images.flip(2)), images)


def _confidence(s: State, images: Tensor) -> Tensor:
    """The student's highest probability [N] on each of `images`."""
    with s.student.evaluating() as student:
        return student(images).float().softmax(dim=1).amax(dim=1)


def likeness(images: Tensor, targets: Tensor) -> Tensor:
    """Sum of the cosines of all pairs of `images` [N, *shape] of equal target, over N; 0-d."""
    unit = normalize(images.flatten(1), dim=1)
    together = (targets[:, None] == targets[None, :]).triu(diagonal=1)
    return ((unit @ unit.T) * together).sum() / len(images)


def worthwhile(confidence: Tensor, threshold: float) -> Tensor:
    """Indices [N] of images in the order in which they are worth a query, for confidences [N].

    First those up to the threshold, in the given order; then the others, the least sure first.
    """
    return confidence.clamp(min=threshold).argsort(stable=True)
