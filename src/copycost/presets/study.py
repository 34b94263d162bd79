"""Types of studies: runs to compare, what to plot of them, and what a paper says they show.

A study is data and loads no PyTorch; `copycost reproduce` runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from copycost.claims.base import Claim

Values = Mapping[str, Any]
"""Fields of `RunConfig`, without the seed."""
CIFAR10, SVHN = "CIFAR-10", "SVHN"
"""The paper's data sets, which name series even where other data stand in for them."""


class Series(NamedTuple):
    """Runs that differ by nothing but the seed."""

    label: str
    """Name in legends, tables and claims."""
    values: Values


class Panel(NamedTuple):
    """One set of axes."""

    title: str
    value: str
    """Name of a value on a run's curve: 'accuracy', 'student/gap', …"""
    kind: Literal["course", "final", "budget"] = "course"
    """`course`: against queries and epochs; `final`: the last values, series by series;
    `budget`: the last values against the budgets of the series."""


@dataclass(frozen=True)
class Scale:
    """The size of all runs, and what stands in for the paper's data."""

    name: str
    cifar10: Values
    """The paper's setting on CIFAR-10 or its stand-in: the base that studies vary."""
    svhn: Values
    """The same for SVHN."""
    budgets: tuple[int, ...]
    """Budgets in queries, for the study of budgets."""
    headline: Mapping[str, int]
    """Budgets that the paper and DFME name, in queries, by their wording."""
    students: tuple[str, ...]
    """Architectures, from smaller than the victim to larger."""
    diagnosed: int
    """Queries of the diagnostic run."""
    besides: tuple[str, ...] = ()
    """Analyses that run besides the figures where the user names none."""
    looks: Mapping[str, Any] = field(default_factory=dict)
    """When and over what the diagnostic run measures gradients, if not by `studies.vanishing`."""


@dataclass(frozen=True)
class Study:
    """A figure of a paper, or an analysis of our own."""

    title: str
    statement: str
    """What the paper says; for an analysis, its question."""
    series: Callable[[Scale], tuple[Series, ...]]
    panels: tuple[Panel, ...]
    claims: tuple[Claim, ...] = ()
    figure: int | None = None
    """The figure's number in the paper; None for an analysis."""
    seeds: int = 3
    """Runs of each series, at least."""
    diagnostic: bool = False
    """Whether a separate run, which is no result of the study, measures the true gradient."""
    causes: tuple[str, ...] = ()
    """Possible causes of a difference from the paper, besides the scale and the data."""
    caveats: tuple[str, ...] = ()
    """What to know before trusting the results, whatever they are."""


def varied(base: Values, **changes: Any) -> Values:
    """`base` with `changes`: `settings` override the attack's, all others the run's."""
    settings = {**base["settings"], **changes.pop("settings", {})}
    return {**base, **changes, "settings": settings}


def each(base: Values, setting: str, values: Mapping[str, Any]) -> tuple[Series, ...]:
    """`base` with the attack's `setting` at each of `values`, whose keys label the series."""
    return tuple(
        Series(label, varied(base, settings={setting: value})) for label, value in values.items()
    )


def both(scale: Scale) -> tuple[Series, ...]:
    """The base runs of both data sets."""
    return (Series(CIFAR10, scale.cifar10), Series(SVHN, scale.svhn))


COURSES = (Panel("accuracy", "accuracy"), Panel("agreement", "agreement"))
"""Accuracy and agreement over the run."""
FINALS = (Panel("accuracy", "accuracy", "final"), Panel("agreement", "agreement", "final"))
"""Accuracy and agreement at the end, series by series."""
