"""Kinds of texts to ask about, made of random tokens; token 0 is none."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor

from copycost.attacks.base import STRICTLY_DATA_FREE
from copycost.attacks.sources import names
from copycost.attacks.untrained import Source
from copycost.noise import Noise
from copycost.registry import Entry, Registry
from copycost.settings import choice
from copycost.types import InputSpec


def phrases(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Independent tokens, all equally likely, in the first places, and none in the rest.

    Lengths are uniform in their logarithm, from 1 up to all places: short texts say most of what
    single tokens do.
    """
    return _shortened(random.integers(n, tokens_of(spec), *spec.shape), random)


def zipfian(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Phrases in which token r > 0 is about as likely as 1 / r, if tokens go by falling frequency.

    That is Zipf's law of the words of a language.
    """
    rank = random.uniform(n, *spec.shape).mul(math.log(tokens_of(spec))).exp()
    return _shortened(rank.long().clamp(max=tokens_of(spec) - 1), random)


def _shortened(tokens: Tensor, random: Noise) -> Tensor:
    """Texts [n, *shape] of which the last places are empty, in each as many as it happens."""
    places = tokens[0].numel()
    length = torch.exp(random.uniform(len(tokens), 1) * math.log(places + 1)).floor()
    filled = torch.arange(places, device=random.device) < length
    return torch.where(filled.view_as(tokens), tokens, 0)


def tokens_of(spec: InputSpec) -> int:
    """V, the number of tokens of a victim of texts."""
    assert spec.vocabulary is not None, "texts are for victims of tokens"
    return spec.vocabulary


TEXTS: Registry[Source] = Registry(
    "kind of text",
    {
        "phrases": Entry("copycost.attacks.texts:phrases", "independent tokens, few or many"),
        "zipfian": Entry("copycost.attacks.texts:zipfian", "the same, frequent tokens more often"),
        "uniform": Entry("copycost.attacks.sources:uniform", "independent tokens in all places"),
    },
)


def knowledge_of_texts(kinds: Iterable[Source]) -> str:
    """Knowledge of an attacker who asks about texts of `kinds`."""
    return "word frequencies" if zipfian in kinds else STRICTLY_DATA_FREE


TextsSetting = Annotated[
    tuple[Annotated[Source, choice(TEXTS)], ...], BeforeValidator(names), Field(min_length=1)
]
