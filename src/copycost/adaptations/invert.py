"""Invert: learn the way back from what defences release to what the victim said."""

from __future__ import annotations

import math
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from copycost.adaptations.base import Adaptation, Ask
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

    def learn(self, released: Ask, classes: int, seed: int, device: torch.device) -> None:
        """Train the network: `STEPS` steps of Adam on L1 between centred logits."""
        random = torch.Generator(device=device).manual_seed(seed)
        with seeded(seed):
            inverse = Inverse(classes)
        self._inverse = inverse.to(device)
        inverse.measure(_scores(released(imagine(MEASURED, classes, random))))
        optimizer = torch.optim.Adam(inverse.parameters(), lr=LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, STEPS)
        for _ in range(STEPS):
            logits = imagine(BATCH, classes, random)
            gap = (inverse(_scores(released(logits))) - logits).abs().mean()
            optimizer.zero_grad()
            gap.backward()
            optimizer.step()
            schedule.step()

    def through(self, ask: Ask) -> Ask:
        """What the victim probably said, as probabilities of all classes."""

        @torch.no_grad()
        def inverted(x: Tensor) -> Answer:
            assert self._inverse is not None, "it learns before anything is asked"
            p = self._inverse(_scores(ask(x))).softmax(dim=1)
            return Answer.unpack(Access.PROBABILITIES, p)

        return inverted


class Inverse(nn.Module):
    """From what is released [N, K] to the victim's logits, with mean 0 over the classes."""

    def __init__(self, classes: int) -> None:
        """K is `classes`."""
        super().__init__()
        width = min(max(WIDTH, 2 * classes), WIDEST)
        self.layers = nn.Sequential(
            nn.Linear(2 * classes, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, classes),
        )
        self.register_buffer("middle", torch.zeros(2 * classes))
        self.register_buffer("spread", torch.ones(2 * classes))

    def measure(self, released: Float[Tensor, "N K"]) -> None:
        """Scale inputs so that those of `released` have mean 0 and variance 1."""
        inputs = _inputs(released.sort(dim=1, descending=True).values)
        self.middle, self.spread = inputs.mean(dim=0), inputs.std(dim=0) + FLOOR

    def forward(self, released: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        """Logits of the victim, the classes in the order of `released`."""
        ordered, order = released.float().sort(dim=1, descending=True, stable=True)
        logits = self.layers((_inputs(ordered) - self.middle) / self.spread)
        return mean(torch.zeros_like(logits).scatter(1, order, logits))


def imagine(n: int, classes: int, random: torch.Generator) -> Float[Tensor, "N K"]:
    """Logits of `n` answers of a victim of which nothing is known, with mean 0 over the classes.

    They are independent Gaussian, times a scale whose logarithm is uniform over `SCALES`. Their
    probabilities are at least `FLOOR`, as an attack reads them.
    """
    low, high = map(math.log, SCALES)
    device = random.device
    scale = (low + (high - low) * torch.rand(n, 1, generator=random, device=device)).exp()
    logits = scale * torch.randn(n, classes, generator=random, device=device)
    return mean(logits.log_softmax(dim=1).clamp(min=math.log(FLOOR)))


def _inputs(ordered: Float[Tensor, "N K"]) -> Float[Tensor, "N 2K"]:
    """Probabilities and their logarithms: large ones differ in the first, small in the second."""
    return torch.cat([ordered, ordered.clamp(min=FLOOR).log()], dim=1)


def _scores(answer: Answer) -> Tensor:
    assert answer.scores is not None, "labels are refused before"
    return answer.scores
