"""A grid: the runs of a sweep, as one frozen, fully checked object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Annotated, Any, Self

from pydantic import Field, JsonValue, model_validator

from copycost.adaptations.stack import idle
from copycost.attacks import ATTACKS
from copycost.errors import ConfigError
from copycost.runner.audit import AuditConfig, fit
from copycost.runner.config import RunConfig
from copycost.types import Access

Axis = Annotated[tuple[JsonValue, ...], Field(min_length=1)]
"""The values that one setting takes in turn."""

_NOT_AXES = ("attack", "settings", "seed")
"""Fields of `RunConfig` that a grid varies by `attacks`, `variants` and `seeds`."""


class Grid(AuditConfig):
    """An audit's attacks and seeds, over every combination of the values on its axes."""

    axes: dict[str, Axis] = Field(default_factory=dict)
    """Fields of `RunConfig` with their values; they override `shared`."""
    variants: dict[str, dict[str, Axis]] = Field(default_factory=dict)
    """By attack, its own settings with their values; they override `settings`."""

    @model_validator(mode="after")
    def _axes_exist(self) -> Self:
        known = [name for name in RunConfig.model_fields if name not in _NOT_AXES]
        strange = ", ".join(name for name in self.axes if name not in known)
        if strange:
            raise ValueError(f"axes: there is no axis {strange}. Known: {', '.join(known)}")
        return self

    @model_validator(mode="after")
    def _variants_are_used(self) -> Self:
        stray = ", ".join(sorted(set(self.variants) - set(self.attacks)))
        if stray:
            raise ValueError(
                f"variants: there are some of {stray}, which is not to be run. Name it among the "
                "attacks, or leave its variants out"
            )
        return self

    @model_validator(mode="after")
    def _devices_are_not_numbered(self) -> Self:
        devices = [*self.axes.get("device", ()), self.shared.get("device")]
        if any(str(device).startswith("cuda:") for device in devices):
            raise ValueError("device: each worker is given a GPU of its own. Write cuda, or auto")
        return self

    def _pools(self) -> list[JsonValue]:
        return [*super()._pools(), *self.axes.get("pool", ())]

    def _runs(self) -> list[dict[str, Any]]:
        return [
            {
                **fit({**self.shared, **point}, attack),
                "attack": attack,
                "settings": settings,
                "seed": seed,
            }
            for seed in range(self.first_seed, self.first_seed + self.seeds)
            for point in self._points()
            for attack in self.attacks
            for settings in self._settings_of(attack)
        ]

    def _points(self) -> list[dict[str, Any]]:
        """Combinations of the axes, without those in which an adaptation has nothing to do.

        If it has nothing to do in any, they stay, and `RunConfig` says so.
        """
        points = list(_combinations(self.axes))
        return [point for point in points if not _idle({**self.shared, **point})] or points

    def _settings_of(self, attack: str) -> Iterator[dict[str, Any]]:
        for variant in _combinations(self.variants.get(attack, {})):
            yield {**self.settings.get(attack, {}), **variant}


def unique(runs: Sequence[RunConfig]) -> list[RunConfig]:
    """`runs` in order, each kept once, however its configuration is written."""
    found: dict[str, RunConfig] = {}
    for run in runs:
        found.setdefault(run.identity(""), run)
    return list(found.values())


def names(runs: Sequence[RunConfig]) -> list[str]:
    """A name for each run: its attack, the settings in which the runs differ, and its seed."""
    described = [_describe(run) for run in runs]
    values: dict[str, set[str]] = {}
    for parts in described:
        for key, text in parts.items():
            values.setdefault(key, set()).add(text)
    return [
        " ".join(
            [
                run.attack,
                *(f"{key} {text}" for key, text in parts.items() if len(values[key]) > 1),
                f"seed {run.seed}",
            ]
        )
        for run, parts in zip(runs, described, strict=True)
    ]


def _describe(run: RunConfig) -> dict[str, str]:
    """Every setting but attack and seed, as text; the attack's own as 'attack.setting'.

    Leaves out settings that only follow from the budget, and k unless access is top-k.
    """
    full = {**run.model_dump(mode="json"), **run.in_full()}
    if run.access is not Access.TOP_K:
        del full["top_k"]
    own = full.pop("settings")
    follow = ATTACKS[run.attack].suited(run.inputs).keys() - run.settings.keys()
    parts = {key: _text(value) for key, value in full.items() if key not in _NOT_AXES}
    assert isinstance(own, dict), "in_full writes the attack's settings out"
    named = {key: value for key, value in own.items() if key not in follow}
    return parts | {f"{run.attack}.{key}": _text(value) for key, value in named.items()}


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "+".join(map(str, value)) or "none"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _idle(point: Mapping[str, Any]) -> bool:
    """Whether adaptations have nothing to do; False for values that `RunConfig` will refuse."""
    try:
        access = Access(point.get("access", Access.PROBABILITIES))
        defended = bool(point.get("defences"))
        return bool(idle(point.get("adaptations", ()), access, defended=defended))
    except (ConfigError, TypeError, ValueError):
        return False


def _combinations(axes: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Every choice of one value per axis; the last axis changes fastest."""
    for values in product(*axes.values()):
        yield dict(zip(axes, values, strict=True))
