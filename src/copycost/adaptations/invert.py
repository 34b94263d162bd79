"""Invert: learn the way back from what defences release to what the victim said."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from copycost.adaptations.base import Adaptation, Ask, Trial
from copycost.nets.seeded import seeded
from copycost.recovery import FLOOR, mean
from copycost.types import Access, Answer

STEPS = 3000
BATCH = 512
LEARNING_RATE = 3e-3
WIDTH = 128
"""Least width of a hidden layer, for few classes."""
WIDEST = 512
SCALES = (0.5, 12.0)
"""Standard deviations of imagined logits, from a victim that is never sure to one that always
is."""
MEASURED = 20_000
"""Imagined answers that the scale of the network's inputs is measured on."""


class Invert(Adaptation):
    """Try the defences on imagined probabilities, and train a network to undo what they did.

    Defences are formulas, and an attacker is to be taken to know them (Kerckhoffs's principle);
    only their random numbers are secret. D-DAE (Chen et al., NDSS 2023) trains such a network on
    the answers of shadow models, and ModelGuard's authors on samples of a Dirichlet distribution.
    Here no data are needed either: logits are Gaussian, as sharp as they happen to be (`imagine`).
    The network learns their median given what is released. It costs no query.

    Classes are taken to be treated alike: the network sees what is released in descending order.
    """

    def __init__(self) -> None:
        """Undoes nothing until it has learnt."""
        self._inverse: Inverse | None = None

    @classmethod
    def read(cls, text: str) -> Self:
        """Nothing may follow the name."""
        if text:
            raise ValueError
        return cls()

    def idle(self, access: Access, defended: bool) -> str:
        """It needs probabilities that are not the victim's own."""
        if access is Access.LABEL:
            return "needs probabilities, and only labels are released"
        if not defended and access is not Access.TOP_K:
            return "has nothing to undo without defences"
        return ""

    def gives(self, access: Access) -> Access:
        """Probabilities of all classes, those that top-k access hides as well."""
        return Access.PROBABILITIES

    def learn(self, released: Trial, classes: int, seed: int, device: torch.device) -> None:
        """Train the network: `STEPS` steps of Adam on L1 between centred logits."""
        random = torch.Generator(device=device).manual_seed(seed)
        with seeded(seed):
            inverse = Inverse(classes)
        self._inverse = inverse.to(device)
        inverse.measure(scores_of(released(imagine(MEASURED, classes, random))))

        def gap() -> Tensor:
            logits = imagine(BATCH, classes, random)
            return l1_loss(inverse(scores_of(released(logits))), logits)

        fit(inverse, gap, STEPS)

    def through(self, ask: Ask) -> Ask:
        """What the victim probably said, as probabilities of all classes."""

        @torch.no_grad()
        def inverted(x: Tensor) -> Answer:
            assert self._inverse is not None, "it learns before anything is asked"
            p = self._inverse(scores_of(ask(x))).softmax(dim=1)
            return Answer.unpack(Access.PROBABILITIES, p)

        return inverted


class Inverse(nn.Module):
    """From what is released [N, K] to the victim's logits, with mean 0 over the classes."""

    def __init__(self, classes: int, context: int = 0) -> None:
        """K is `classes`. Answers are seen one by one, or beside `context` numbers of them all."""
        super().__init__()
        width = min(max(WIDTH, 2 * classes), WIDEST)
        self.layers = nn.Sequential(
            nn.Linear(2 * classes + context, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, classes),
        )
        self.look = _look(2 * classes, context) if context else None
        self.register_buffer("middle", torch.zeros(2 * classes))
        self.register_buffer("spread", torch.ones(2 * classes))

    def measure(self, released: Float[Tensor, "N K"]) -> None:
        """Scale inputs so that those of `released` have mean 0 and variance 1."""
        inputs = _inputs(released.sort(dim=1, descending=True).values)
        self.middle, self.spread = inputs.mean(dim=0), inputs.std(dim=0) + FLOOR

    def forward(self, released: Float[Tensor, "N K"], sets: int = 1) -> Float[Tensor, "N K"]:
        """Logits of the victim, the classes in the order of `released`.

        The answers are of so many `sets` of equal size, which have nothing to do with each other.
        """
        ordered, order = released.float().sort(dim=1, descending=True, stable=True)
        seen = (_inputs(ordered) - self.middle) / self.spread
        if self.look is not None:
            seen = torch.cat([seen, _over_sets(self.look(seen), sets)], dim=1)
        logits: Tensor = self.layers(seen)
        return mean(torch.zeros_like(logits).scatter(1, order, logits))


def _look(numbers: int, context: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(numbers, context), nn.SiLU(), nn.Linear(context, context), nn.SiLU()
    )


def fit(inverse: Inverse, gap: Callable[[], Tensor], steps: int) -> None:
    """Train `inverse` by `steps` steps of Adam down `gap`, which draws new answers each time."""
    optimizer = torch.optim.Adam(inverse.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, steps)
    for _ in range(steps):
        loss = gap()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()


def imagine(n: int, classes: int, random: torch.Generator) -> Float[Tensor, "N K"]:
    """Logits of `n` answers of a victim of which nothing is known, with mean 0 over the classes.

    They are independent Gaussian, times a scale whose logarithm is uniform over `SCALES`.
    """
    return scaled(torch.rand(n, 1, generator=random, device=random.device), classes, random)


def scaled(
    share: Float[Tensor, "N 1"], classes: int, random: torch.Generator
) -> Float[Tensor, "N K"]:
    """Gaussian logits, as far from sure as `share` in [0, 1] says: at 0 and 1 as in `SCALES`.

    Their probabilities are at least `FLOOR`, as an attack reads them.
    """
    low, high = map(math.log, SCALES)
    scale = (low + (high - low) * share).exp()
    logits = scale * torch.randn(len(share), classes, generator=random, device=random.device)
    return mean(logits.log_softmax(dim=1).clamp(min=math.log(FLOOR)))


def _over_sets(x: Float[Tensor, "N D"], sets: int) -> Float[Tensor, "N D"]:
    """For each row, the mean over its set; the rows of a set follow one another."""
    size = len(x) // sets
    return x.view(sets, size, x.shape[1]).mean(dim=1).repeat_interleave(size, dim=0)


def _inputs(ordered: Float[Tensor, "N K"]) -> Float[Tensor, "N 2K"]:
    """Probabilities and their logarithms: large ones differ in the first, small in the second."""
    return torch.cat([ordered, ordered.clamp(min=FLOOR).log()], dim=1)


def scores_of(answer: Answer) -> Tensor:
    """The scores [N, K] of an answer that has some."""
    assert answer.scores is not None, "labels are refused before"
    return answer.scores
