"""Frugal: copycost's own attack for few queries, which learns every answer many times."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field, JsonValue
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.functional import one_hot, pad

from copycost.attacks.average import WeightAverage
from copycost.attacks.ensemble import Vote
from copycost.attacks.guided import Guided
from copycost.attacks.patience import steadied, suited_lessons
from copycost.attacks.replay import Batch, Replay
from copycost.attacks.sources import (
    ShapelessSetting,
    SourcesSetting,
    knowledge_of,
    levelled,
    sparse,
)
from copycost.attacks.state import Player, State
from copycost.attacks.texts import TextsSetting, knowledge_of_texts, phrases
from copycost.attacks.untrained import Source, coordinates, of_kinds, untrained
from copycost.attacks.views import weak
from copycost.engine import Engine
from copycost.losses import disagreement, entropy
from copycost.nets.generator import squash
from copycost.noise import Noise
from copycost.oracle.base import Oracle
from copycost.oracle.rehearsal import Rehearsal
from copycost.schedules import Cosine, ScheduleSetting
from copycost.settings import SETTINGS
from copycost.types import Access, InputSpec, Modality

RECENT_BATCHES = 4
"""Batches of answers that count as recent when a lesson is drawn."""


@dataclass(frozen=True, config=SETTINGS)
class Frugal(Guided):
    """Queries cost, student steps do not: send few, choose them well, and learn long from each.

    A step makes several candidates per query by untrained networks, each used once, so that
    nothing is forgotten as it is by a generator that learns. It queries those on which the
    students disagree, taking classes in turn. Every answer goes into a memory, and each student
    takes many steps on recent and old answers before the next batch is queried.

    A setting that a run does not give has its value from `suited`. The fields' defaults keep the
    behaviour of before each field existed, for records that are older than the field.
    """

    queries_per_image: ClassVar[int] = 1
    instead_for_tokens: ClassVar[str] = "set generated to false: a generator makes no tokens"

    student_lr: float = Field(default=0.1, gt=0)
    """Learning rate of the students' SGD."""
    schedule: ScheduleSetting = Cosine()
    """Factor on all learning rates over the share of the budget spent."""
    members: int = Field(default=2, ge=1)
    """M, number of students; a single one queries what it is least sure of."""
    sources: SourcesSetting = (untrained, coordinates)
    """Kinds of candidates, equally likely, for a victim of images."""
    rows: ShapelessSetting = (levelled, sparse)
    """Kinds of candidates for a victim of other things, such as a table's rows."""
    texts: TextsSetting = (phrases,)
    """Kinds of candidates for a victim of tokens."""
    generated: bool = False
    """Whether a generator that maximises the students' disagreement makes one more kind."""
    candidates: int = Field(default=4, ge=1)
    """c, images made per query."""
    balanced: bool = True
    """Whether candidates are chosen from all classes in turn, by the students' vote."""
    student_steps: int = Field(default=16, ge=1)
    """n_S, steps of each student per batch of queries."""
    recent: float = Field(default=0.5, ge=0, le=1)
    """Probability that an image of a lesson comes from the latest four batches, not from all."""
    shift: float = Field(default=0.0, ge=0, lt=1)
    """Largest shift of a lesson's images, as a share of a side; answers are kept."""
    flip: bool = False
    """Whether half of those images are mirrored: right for photographs, wrong for digits."""
    as_asked: float = Field(default=0.5, ge=0, le=1)
    """Share of a lesson that `shift` and `flip` leave alone: the victim answered those images."""
    adjustment: float = Field(default=0.0, ge=0)
    """τ: at label access, τ · log of a class's share of all answers (`log_shares`) is added to its
    logit while students learn; 0 for none. It helped on some victims and harmed on another."""
    average_momentum: float = Field(default=0.99, ge=0, lt=1)
    """Momentum of the average of the first student's weights, which is the copy; 0: no average,
    the student is the copy."""
    clip: float = Field(default=0.0, ge=0)
    """Bound of the norm of a student's gradient, if it has no normalisation layers; 0: none."""
    memory_mib: int = Field(default=2968, ge=1)
    """Bound of the replay memory in MiB: one million CIFAR-10 images with ten probabilities."""

    def __post_init__(self) -> None:
        """Raise a validation error if there is no kind of image to query."""
        if not self.sources and not self.generated:
            raise ValueError("sources: name at least one kind of image, or set generated to true")

    @classmethod
    def suited(cls, budget: int) -> dict[str, JsonValue]:
        """Settings that copied several small victims well: "With no setting given" on its page.

        One student takes about as many steps at any budget: see `suited_lessons`.
        """
        batch, steps = suited_lessons(budget)
        return {
            "batch_size": batch,
            "members": 1,
            "sources": ["untrained", "coordinates", "winners"],
            "candidates": min(max(steps // 2, 2), 16),
            "student_steps": steps,
            "shift": 0.0625,
            "loss": "l2",
            "adjustment": 0.5,
            "clip": 1.0,
        }

    @property
    def needs_images(self) -> bool:
        """Whether inputs must be images: if a generator makes some of them."""
        return self.generated

    @property
    def takes_tokens(self) -> bool:
        """Whether inputs may be tokens: unless a generator makes some of them."""
        return not self.generated

    def assumes(self, spec: InputSpec) -> str:
        """Strictly data-free, unless a kind needs more: rules about images, words' frequencies."""
        kinds = self._named(spec)
        return knowledge_of(kinds) if spec.vocabulary is None else knowledge_of_texts(kinds)

    @property
    def generates(self) -> bool:
        """Whether a generator makes candidates; without one, images may have any size."""
        return self.generated

    def student_player(self, student: nn.Module, engine: Engine) -> Player:
        """The student as a player, trained by SGD, with its gradient bounded by `clip`."""
        return steadied(super().student_player(student, engine), self.clip)

    def start(self, student: nn.Module, oracle: Oracle, engine: Engine, seed: int) -> State:
        """M students, the average of the first, a generator if any, and an empty memory."""
        s = super().start(student, oracle, engine, seed)
        s.memory = Replay(oracle, engine, self.memory_mib)
        if self.average_momentum:
            s.averages = {"student": WeightAverage(s.student.network, self.average_momentum)}
            s.beside["not averaged"] = s.student.network
        if self.members > 1:
            s.beside |= {name: player.network for name, player in s.more.items()}
            s.beside["ensemble"] = Vote(player.network for player in self.students(s).values())
        return s

    def step(self, s: State, oracle: Oracle, n: int) -> dict[str, Tensor]:
        """n_G steps of the generator, one batch of queries, n_S steps of each student."""
        losses: dict[str, Tensor] = {}
        for _ in range(self.generator_steps if self.generated else 0):
            losses = self.climb(s, oracle, n)
        images = self._chosen(s, oracle.spec, n)
        memory = s.need_memory()
        memory.put(Batch(images, oracle(images)))
        window = RECENT_BATCHES * self.batch_size * s.engine.ranks.count
        raised = self._raised(memory, oracle)
        for _ in range(self.student_steps):
            lesson = memory.draw(self.batch_size, s.random, self.recent, window)
            losses |= self.teach(s, self._moved(s, oracle.spec, lesson), raised)
            for average in s.averages.values():
                average.follow(s.student.network)
        return losses

    def _raised(self, memory: Replay, oracle: Oracle) -> Tensor | None:
        """What is added [K] to the students' logits while they learn; None above label access."""
        if oracle.access is not Access.LABEL or not self.adjustment:
            return None
        return self.adjustment * log_shares(memory.label_counts(oracle.classes))

    def _moved(self, s: State, spec: InputSpec, lesson: Batch) -> Batch:
        """The lesson with weak views in place of some images: their answers should be close."""
        if not spec.in_levels or not (self.shift or self.flip):
            return lesson
        views = weak(lesson.inputs, spec, s.random, self.shift, self.flip)
        kept = s.random.uniform(len(views), 1, 1, 1) < self.as_asked
        return lesson._replace(inputs=torch.where(kept, lesson.inputs, views))

    @torch.no_grad()
    def _chosen(self, s: State, spec: InputSpec, n: int) -> Tensor:
        """The `n` candidates of most doubt, from all classes in turn if `balanced`.

        Several ranks choose among the candidates of all, as one would.
        """
        images, ranks = self._mixed(s, spec, n * self.candidates, s.random), s.engine.ranks
        if self.candidates == 1:
            return images
        p = self.logits(s, images).softmax(dim=2)
        doubt = ranks.rows(self.doubt(p))
        vote = ranks.rows(p.mean(dim=0).argmax(dim=1))
        turns = vote if self.balanced else torch.zeros_like(vote)
        order = by_turns(doubt, turns, p.shape[2])
        return ranks.share(ranks.rows(images)[order[: n * ranks.count]])

    def doubt(self, p: Tensor) -> Tensor:
        """How much is to be learnt [N] from candidates, if M students say [M, N, K] of them."""
        return disagreement(p) if self.members > 1 else entropy(p[0])

    def _mixed(self, s: State, spec: InputSpec, n: int, random: Noise) -> Tensor:
        """`n` images of all kinds, equally likely; ranks together draw what one alone would."""
        named = self._named(spec)
        kinds = (*named, self._made_by(s, n)) if self.generated else named
        return of_kinds(kinds, spec, n, random)

    def _named(self, spec: InputSpec) -> tuple[Source, ...]:
        if spec.vocabulary is not None:
            return self.texts
        return self.sources if spec.modality is Modality.IMAGE else self.rows

    def _made_by(self, s: State, most: int) -> Source:
        """The generator as a kind that always makes `most` images, however few are needed.

        On a GPU every new batch size would be benchmarked, compiled or captured again.
        """

        def made(spec: InputSpec, n: int, random: Noise) -> Tensor:
            latent = pad(random.normal(n, self.latent), (0, 0, 0, most - n))
            with self.feeding(s) as generator:
                return squash(generator(latent)[:n], spec)

        return made

    @torch.no_grad()
    def samples(self, s: State, oracle: Oracle, n: int) -> Tensor:
        """`n` candidates [n, C, H, W] of all kinds, from random numbers of their own."""
        return self._mixed(s, oracle.spec, n, s.engine.random(0))

    def diagnose(self, s: State, rehearsal: Rehearsal) -> dict[str, float]:
        """Spread of the generated images; nothing without a generator."""
        return super().diagnose(s, rehearsal) if self.generated else {}


def log_shares(counts: Tensor) -> Tensor:
    """The log of each class's share of `counts` [K], after adding one to each count.

    The victim hardly ever labels random images as some classes, and a student trained on such
    labels predicts those classes too rarely. With this added to its logits in training, it learns
    as if all classes were equally common (Menon et al. 2021, "Long-tail learning via logit
    adjustment").
    """
    return ((counts + 1) / (counts + 1).sum()).log()


def by_turns(doubt: Tensor, vote: Tensor, classes: int) -> Tensor:
    """Row indices [N] by falling `doubt` [N], taking the classes of `vote` [N] in turn.

    `vote` is in [0, `classes`). First comes the most doubtful row of every class, then the second
    of each, and so on; a class with no rows left is passed over.
    """
    order = doubt.argsort(descending=True, stable=True)
    turn = one_hot(vote[order], classes).cumsum(dim=0).gather(1, vote[order, None]).squeeze(1)
    return order[turn.argsort(stable=True)]
