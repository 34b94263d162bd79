"""Reasons to doubt a result, in the manner of AutoAttack's flags.

A flag stands beside a number and never changes it. `docs/flags.md` has a section for each:
raised if, why it matters, what to do. The inputs are plain numbers from records.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import comb
from statistics import median

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from copycost.adaptations import AGAINST_CHANCE
from copycost.defences import DRAWN
from copycost.thresholds import ROUNDING, knows_nothing

SEEDS_ENOUGH = 3
AT_THE_END = 128
"""Most held-out inputs that a function is asked about again at the end of a run. If the model has
changed and answers one in twenty otherwise, that is noticed in 99.9 % of runs."""
CHANCE = 0.01
"""Probability below which chance does not explain what was seen."""
NOISE_MARGIN = 0.05
"""Agreement by which an attack must beat random noise before it counts as working."""
ESTIMATE_FLOOR = 0.5
"""Correlation with the true directional derivative below which an estimate is mostly noise."""
COLLAPSED_SPREAD = 0.01
"""Spread between generated images, as a share of the range, below which they count as one."""
ENOUGH_STEPS = 1_000
"""Steps of the student. With 750 instead of 3,000, a copy of digits lost thirteen points: see the
table of parts on Frugal's page."""
GOOD_COPY = 0.9
"""Agreement from which a copy is good enough, however few its steps."""
BETTER_THAN_CHANCE = 3.0
"""A fresh student whose agreement exceeds chance this many times has seen what it should not."""
NO_CHANCE = 5
"""Held-out inputs that a fresh student must agree on to be flagged. With 1,000 classes and a few
hundred inputs, agreeing on a single one is already three times chance."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Flag:
    """One doubt: `name` is the anchor in `docs/flags.md`, `detail` carries the numbers."""

    name: str
    detail: str


def victim_not_deterministic(self_agreement: float, *, defended: bool) -> list[Flag]:
    """Two answers to the same held-out inputs differ.

    Without defences this bounds the agreement of a copy: if the victim gives an input's classes
    with probabilities p, a copy agrees with probability max p at most, the victim itself with
    Σ p², and E max p ≤ √(E Σ p²). Defences set no bound: agreement is with the undefended model.
    """
    if self_agreement >= 1.0:
        return []
    who = "the API, behind its defences," if defended else "the victim"
    detail = f"{who} agrees with itself on {self_agreement:.4f} of held-out inputs"
    if not defended:
        most = self_agreement**0.5
        detail += f"; no copy can be expected to agree with it on more than {most:.4f}"
    return [Flag("victim-not-deterministic", detail)]


def victim_changed(changed: int, asked: int, self_agreement: float) -> list[Flag]:
    """At the end of a run, more of `asked` inputs got another class than chance explains.

    `self_agreement`: what share of inputs gets the same class if the victim is unchanged.
    """
    p = 1 - self_agreement
    fewer = sum(comb(asked, i) * p**i * self_agreement ** (asked - i) for i in range(changed))
    if not changed or 1 - fewer >= CHANCE:
        return []
    detail = f"at the end, {changed} of {asked} held-out inputs got another class than at the start"
    return [Flag("victim-changed", detail)]


def victim_near_chance(accuracy: float, one_answer: float) -> list[Flag]:
    """The victim hardly beats a constant answer: its inputs may differ from those of training.

    `one_answer`: share of held-out inputs that always giving their commonest class gets right.
    """
    if not knows_nothing(accuracy, one_answer):
        return []
    detail = (
        f"the victim's accuracy is {accuracy:.3f}; "
        f"always naming the commonest class would give {one_answer:.3f}"
    )
    return [Flag("victim-near-chance", detail)]


def budget_not_spent(spent: int, budget: int, step: int) -> list[Flag]:
    """At least the cost of the smallest `step` was left, so the attack ended early."""
    left = budget - spent
    if left < step:
        return []
    return [Flag("budget-not-spent", f"{left:,} of {budget:,} queries were left unspent")]


def queries_lost(lost: int) -> list[Flag]:
    """Queries were charged and brought nothing: the victim failed, or the run crashed."""
    if not lost:
        return []
    return [Flag("queries-lost", f"{lost:,} queries were charged and brought no answer")]


def generator_collapsed(spread: float | None) -> list[Flag]:
    """All generated images are nearly the same; `spread` is a share of the value range."""
    if spread is None or spread >= COLLAPSED_SPREAD:
        return []
    return [Flag("generator-collapsed", f"generated values differ by {spread:.4f} of the range")]


def estimate_drowned(correlation: float | None) -> list[Flag]:
    """The gradient estimate that trains the generator is mostly noise: see `gradients.quality`."""
    if correlation is None or correlation >= ESTIMATE_FLOOR:
        return []
    detail = f"correlation {correlation:.2f} with the true directional derivative on a stand-in"
    return [Flag("estimate-drowned", detail)]


def student_collapsed(accuracy: float, one_answer: float, commonest: float) -> list[Flag]:
    """The copy has learnt nothing.

    `one_answer` is as in `victim_near_chance`; `commonest` is the share of held-out inputs that
    get the class which the copy gives most often.
    """
    if not knows_nothing(accuracy, one_answer):
        return []
    detail = (
        f"the copy's accuracy is {accuracy:.3f}; always naming the commonest class would give "
        f"{one_answer:.3f}; the copy gives one class to {commonest:.3f} of held-out inputs"
    )
    return [Flag("student-collapsed", detail)]


def student_hardly_trained(steps: int, agreement: float) -> list[Flag]:
    """The student took few steps and copied badly; steps cost an attacker no queries."""
    if steps >= ENOUGH_STEPS or agreement >= GOOD_COPY:
        return []
    detail = f"the student took {steps:,} steps and agrees on {agreement:.3f}"
    return [Flag("student-hardly-trained", detail)]


def student_knows_already(agreement: float, classes: int, inputs: int) -> list[Flag]:
    """Before its first query the student agrees with the victim far more than by chance.

    `inputs` is the number of held-out inputs that `agreement` was measured on.
    """
    likely = agreement <= min(0.9, BETTER_THAN_CHANCE / classes)
    if likely or round(agreement * inputs) < NO_CHANCE:
        return []
    detail = f"a fresh student already agrees on {agreement:.3f}; chance is {1 / classes:.3f}"
    return [Flag("student-knows-already", detail)]


def noise_does_as_well(attack: Iterable[float], noise: Iterable[float]) -> list[Flag]:
    """At the same budget, the attack's median agreement hardly exceeds that of random noise."""
    attack, noise = list(attack), list(noise)
    if not attack or not noise or median(attack) + ROUNDING >= median(noise) + NOISE_MARGIN:
        return []
    detail = f"median agreement {median(attack):.3f} against {median(noise):.3f} by random noise"
    return [Flag("noise-does-as-well", detail)]


def no_adaptive_attack(defences: Sequence[str], tried: Sequence[Sequence[str]] = ()) -> list[Flag]:
    """No attacker did anything that can undo the defences.

    `tried` has the adaptations of every attacker in this setting. Of a defence of the user's own it
    is not known whether it draws random numbers, so averaging alone clears it of no doubt.
    """
    drawn = any(_name(text) in DRAWN for text in defences)
    if not defences or any(drawn or not set(map(_name, one)) <= AGAINST_CHANCE for one in tried):
        return []
    detail = f"behind {' + '.join(defences)}"
    if tried:
        texts = dict.fromkeys(text for one in tried for text in one)
        detail += f"; tried: {', '.join(texts)}, which undoes noise alone"
    return [Flag("no-adaptive-attack", detail)]


def _name(text: str) -> str:
    return text.partition(":")[0]


def too_few_seeds(seeds: Sequence[int]) -> list[Flag]:
    """Too few seeds to judge by: those of data-free attacks can differ by tens of points."""
    if len(set(seeds)) >= SEEDS_ENOUGH:
        return []
    return [Flag("too-few-seeds", f"{len(set(seeds))} of at least {SEEDS_ENOUGH} seeds")]
