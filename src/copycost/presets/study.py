"""What a study is: runs to compare, what to draw of them, and what a paper says they show.

A study is data. It is run by `copycost reproduce`, and loads no PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from copycost.claims.base import Claim

Values = Mapping[str, Any]
"""Fields of `RunConfig`, without the seed."""
CIFAR10, SVHN = "CIFAR-10", "SVHN"
"""The paper's data sets, as series are called by them whatever is in their place."""


class Series(NamedTuple):
    """Runs that differ by nothing but the seed."""

    label: str
    """In legends, tables and claims."""
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
    """How large everything is, and what stands for the paper's data."""

    name: str
    cifar10: Values
    """The paper's setting on CIFAR-10 or what stands for it: the base that studies vary."""
    svhn: Values
    """The same for SVHN."""
    budgets: tuple[int, ...]
    """Queries, for the study of budgets."""
    headline: Mapping[str, int]
    """Queries that the paper and DFME name, by the words they are named with."""
    students: tuple[str, ...]
    """Architectures, from smaller than the victim to larger."""
    diagnosed: int
    """Queries of the diagnostic run."""
    besides: tuple[str, ...] = ()
    """Analyses that are done with the figures where nothing is named."""
    looks: Mapping[str, Any] = field(default_factory=dict)
    """When and over what it looks at gradients, where that differs from `studies.vanishing`'s."""


@dataclass(frozen=True)
class Study:
    """A figure of a paper, or an analysis of our own."""

    title: str
    statement: str
    """What the paper says; of an analysis, what is asked."""
    series: Callable[[Scale], tuple[Series, ...]]
    panels: tuple[Panel, ...]
    claims: tuple[Claim, ...] = ()
    figure: int | None = None
    """The figure's number in the paper; None for an analysis."""
    seeds: int = 3
    """Runs of each series, at least."""
    diagnostic: bool = False
    """Whether it also looks at the true gradient, in a run of its own that counts for nothing."""
    causes: tuple[str, ...] = ()
    """What a gap may come from, besides the scale and the data."""
    caveats: tuple[str, ...] = ()
    """What to know before believing what was measured, whatever it is."""


def varied(base: Values, **changes: Any) -> Values:
    """`base` with `changes`; `settings` go over the attack's own, the rest over the run's."""
    settings = {**base["settings"], **changes.pop("settings", {})}
    return {**base, **changes, "settings": settings}


def each(base: Values, setting: str, values: Mapping[str, Any]) -> tuple[Series, ...]:
    """`base` with one of the attack's own settings at each of `values`, which labels name."""
    return tuple(
        Series(label, varied(base, settings={setting: value})) for label, value in values.items()
    )


def both(scale: Scale) -> tuple[Series, ...]:
    """The base runs of both data sets."""
    return (Series(CIFAR10, scale.cifar10), Series(SVHN, scale.svhn))


COURSES = (Panel("accuracy", "accuracy"), Panel("agreement", "agreement"))
"""Both over the run."""
FINALS = (Panel("accuracy", "accuracy", "final"), Panel("agreement", "agreement", "final"))
"""Both at the end, series by series."""
