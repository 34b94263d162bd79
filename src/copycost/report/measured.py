"""What the values of a run's curve are called on the page, and what they mean."""

from __future__ import annotations

from collections.abc import Iterable

from copycost.report import wording

_SHARES = ("agreement", "accuracy", "commonest class")
_TITLES = {
    "kl": "divergence from your model's probabilities (KL, nats)",
    "commonest class": "share of inputs given the commonest answer",
}
_MEANINGS = {
    "commonest class": (
        "The share of held-out inputs that get the class which is named most often. Near 100 %, "
        "the network gives one answer to everything."
    ),
    "gap": (
        "The attack's loss: how far the answers to its own queries are from the copy's, as a mean "
        "since the last evaluation. Students learn to close the gap; some generators seek to "
        "widen it."
    ),
    "gradient norm": (
        "The length of the gradient in the last step of a network's training. At 0 it learns "
        "nothing any more."
    ),
    "spread": (
        "The standard deviation between generated inputs, as a share of the range of values. Near "
        "0, the generator makes the same input again and again."
    ),
    "correlation": (
        "How well the gradient that trains the generator is estimated: 1 is perfect, and 0 is "
        "noise. It is taken on a model that stands in for yours, and costs no queries."
    ),
    "norm": "The length of that estimated gradient, as a mean over inputs.",
    "not averaged": (
        "The network as it was trained. The copy that counts is a mean of its weights over time."
    ),
    "ensemble": "The vote of all students. The copy that counts is one of them.",
}
"""What values mean, by a part of their name."""


def title(value: str) -> str:
    """A heading for a value's name: 'generator/gradient norm' is 'Generator: gradient norm'."""
    *whose, name = value.replace("_", " ").split("/")
    return wording.capital(": ".join([*whose, _TITLES.get(name, name)]))


def is_share(value: str) -> bool:
    """Whether a value is a share in [0, 1], whichever network it is of."""
    return value.split("/")[-1] in _SHARES


def written(value: str, number: float) -> str:
    """One measurement: a share as a percentage, anything else to three significant digits."""
    return wording.percent(number) if is_share(value) else wording.plain(number)


def meanings(values: Iterable[str]) -> dict[str, str]:
    """What the parts of these values' names mean, as far as they are of copycost's own attacks."""
    parts = {part for value in values for part in value.split("/")}
    return {wording.capital(part): text for part, text in _MEANINGS.items() if part in parts}
