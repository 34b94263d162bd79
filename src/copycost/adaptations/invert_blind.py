"""Invert blind: learn the way back without knowing which defence there is, if any."""

from __future__ import annotations

import itertools

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import l1_loss

from copycost.adaptations.base import Trial
from copycost.adaptations.invert import BATCH, MEASURED, Inverse, Invert, fit, scaled, scores_of
from copycost.nets.seeded import derive, seeded
from copycost.types import Access

STEPS = 6000
SIZES = (16, 64, 256)
"""Answers that come from behind the same defence, in turn; an attack asks about so many at once."""
EACH = 200
"""Numbers that are imagined for every kind of defence."""
CONTEXT = 128
"""Numbers in which the network sums up a set of answers."""


class InvertBlind(Invert):
    """Learn from imagined answers behind all published kinds of defences, of any usual strength.

    `Invert` takes the attacker to know the defence. This one knows only what has been published,
    so that the two together show what keeping the choice secret is worth. The answers to one call
    are undone together, because together they show what was done to them.
    """

    def idle(self, access: Access, defended: bool) -> str:
        """It needs probabilities; whether they are the victim's own it does not know.

        No defence gives logits, so those are the victim's own.
        """
        return super().idle(access, defended=access is not Access.LOGITS)

    def learn(self, released: Trial, classes: int, seed: int, device: torch.device) -> None:
        """Train the network on what `suspects` release; the run's own defences are not tried."""
        answers = _Answers(released, classes, seed, device)
        with seeded(seed):
            inverse = Inverse(classes, CONTEXT)
        self._inverse = inverse.to(device)
        inverse.measure(answers(MEASURED // SIZES[0], SIZES[0])[0])
        sizes = itertools.cycle(SIZES)

        def gap() -> Tensor:
            sets = BATCH // (size := next(sizes))
            found, logits = answers(sets, size)
            return l1_loss(inverse(found, sets), logits)

        fit(inverse, gap, STEPS)


class _Answers:
    """Imagined answers, each set of them from behind one of the suspects."""

    def __init__(self, released: Trial, classes: int, seed: int, device: torch.device) -> None:
        self._classes = classes
        self._draw = torch.Generator().manual_seed(derive(seed, "suspects"))
        self._random = torch.Generator(device=device).manual_seed(seed)
        self._asks = [
            released.behind(names, derive(seed, f"suspect {place}"))
            for place, names in enumerate(suspects(self._draw))
        ]

    def __call__(self, sets: int, size: int) -> tuple[Float[Tensor, "N K"], Float[Tensor, "N K"]]:
        """What is released, and the logits that it was made of."""
        logits = imagine_sets(sets, size, self._classes, self._random)
        behind = torch.randint(len(self._asks), (sets,), generator=self._draw).tolist()
        parts = zip(behind, torch.split(logits, size), strict=True)
        return torch.cat([scores_of(self._asks[i](part)) for i, part in parts]), logits


def imagine_sets(
    sets: int, size: int, classes: int, random: torch.Generator
) -> Float[Tensor, "N K"]:
    """Logits of `sets` times `size` answers, in that order, with mean 0 over the classes.

    Like `imagine`'s, but those of a set are as alike as the answers of one victim may be: each set
    has a range of its own of how sure the victim is.
    """
    least, most = torch.rand(2, sets, 1, 1, generator=random, device=random.device)
    share = torch.rand(sets, size, 1, generator=random, device=random.device)
    return scaled(torch.lerp(least, most, share).flatten(0, 1), classes, random)


def suspects(random: torch.Generator) -> list[tuple[str, ...]]:
    """Sets of defences as an attacker may expect them: none, or one of any usual strength."""
    found: list[tuple[str, ...]] = []
    for shares in torch.rand(EACH, 5, generator=random).tolist():
        decimals, sigma, beta, epsilon, kept = shares
        found += [
            (),
            (f"rounding:{1 + int(3 * decimals)}",),
            (f"noise:{0.01 * 30**sigma}",),
            (f"reverse-sigmoid:{0.05 + 0.95 * beta}",),
            (f"mad:{0.2 + epsilon}",),
            (f"mad-argmax:{0.2 + kept}",),
        ]
    return found
