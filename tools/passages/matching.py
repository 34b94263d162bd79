"""Match committed records with studies, and judge the studies by them.

Records match a plan by what was run, on any machine and in any arithmetic. Of those that match
one study, only those in its commonest arithmetic, and of a victim's commonest weights, count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from copycost.presets.kwon2023 import SCALES, STUDIES
from copycost.presets.study import Scale, Series, Study, varied
from copycost.reproduce.result import SeriesResult, StudyResult, is_run_of, judged
from copycost.reproduce.sources import HOUSE_NUMBERS, sourced, stand_ins
from copycost.runner.config import RunConfig
from copycost.runner.record import Record, records_in

FOLDER = "kwon2023"

_ARITHMETIC = ("precision", "estimate_precision", "victim_precision")
_FREE = frozenset(
    {"seed", "data", "device", "evaluations", "compile", "record_queries"}.union(_ARITHMETIC)
)
"""Settings of a run that do not decide which figure it belongs to."""
_OWN_FREE = frozenset({"epsilon"})
"""The same among the attack's own settings: epsilon's default follows the arithmetic."""


def studied(results: Path, scale: str) -> list[StudyResult]:
    """Every study at one scale, as far as the committed records go, on all data it was run on."""
    records = committed(results, scale)
    return [one for key in STUDIES for one in _on_each_data(key, SCALES[scale], records)]


def once(results: Path, scale: str, keys: Sequence[str]) -> list[StudyResult]:
    """Each study once: on the paper's data, unless only its stand-in was run in full."""
    records = committed(results, scale)
    found = (_on_each_data(key, SCALES[scale], records) for key in keys)
    return [max(kinds, key=lambda one: one.complete) for kinds in found]


def committed(results: Path, scale: str) -> list[Record]:
    """The finished runs among the records of one scale, in the order of their folders."""
    found = records_in(results / FOLDER / scale / "records")
    return [record for record in found if record.finished]


def same_run(record: Record, config: RunConfig) -> bool:
    """Whether a record is of this run, apart from the settings in `_FREE` and `_OWN_FREE`."""
    theirs = record.config
    if any(theirs[name] != getattr(config, name) for name in ("budget", "student", "victim")):
        return False  # a quick test that most records fail
    free = {name: theirs[name] for name in _FREE if name in theirs}
    own = {name: theirs["settings"][name] for name in _OWN_FREE if name in theirs["settings"]}
    likened = config.model_copy(update={**free, "settings": {**config.settings, **own}})
    return is_run_of(record, likened)


def matched(key: str, study: Study, scale: Scale, records: Sequence[Record]) -> StudyResult:
    """A study at one scale, judged by those of `records` that belong to it."""
    empty = [_planned(one, study.seeds) for one in study.series(scale)]
    found = [_matching(one, records) for one in empty]
    alike = _alike([record for one in found for record in one])
    series = tuple(
        replace(one, records=_by_seed(filter(alike, of_it)))
        for one, of_it in zip(empty, found, strict=True)
    )
    runs = [config for one in series for config in one.planned]
    return _sure(judged(key, study, scale, series, stand_ins(scale, runs)))


def _sure(result: StudyResult) -> StudyResult:
    """`result` without the numbers of findings that claim nothing, while a seed is missing.

    Records do not say whether this seed diverged or was not run, and the others' medians flatter.
    """
    if result.complete:
        return result
    findings = (
        replace(f, measured={}) if f.holds is None and f.comparable else f for f in result.findings
    )
    return replace(result, findings=tuple(findings))


def _planned(one: Series, seeds: int) -> SeriesResult:
    runs = (RunConfig.read({**one.values, "seed": seed}) for seed in range(seeds))
    return SeriesResult(one.label, tuple(runs), ())


def _matching(one: SeriesResult, records: Sequence[Record]) -> list[Record]:
    first, seeds = one.planned[0], len(one.planned)
    return [record for record in records if record.seed < seeds and same_run(record, first)]


def _on_each_data(key: str, scale: Scale, records: Sequence[Record]) -> list[StudyResult]:
    """One study on SVHN and on house numbers in its place, as far as run; on SVHN if neither is."""
    places = {scale.svhn["victim"]: scale, HOUSE_NUMBERS: sourced(scale, None, house_numbers=True)}
    found = {
        victim: matched(key, STUDIES[key], _as_recorded(place, records), records)
        for victim, place in places.items()
    }
    ran = [one for victim, one in found.items() if victim in _copied(one)]
    return ran or [found[scale.svhn["victim"]]]


def _copied(result: StudyResult) -> set[str]:
    return {record.config["victim"] for one in result.series for record in one.records}


def _as_recorded(scale: Scale, records: Sequence[Record]) -> Scale:
    """`scale` with the data that its records were made with."""
    victims = {record.config["victim"]: record.config.get("data") for record in records}
    cifar10, svhn = (
        varied(base, data=victims.get(base["victim"])) for base in (scale.cifar10, scale.svhn)
    )
    return replace(scale, cifar10=cifar10, svhn=svhn)


def _alike(records: Sequence[Record]) -> Callable[[Record], bool]:
    """A test for records in the commonest arithmetic and of their victim's commonest weights."""
    arithmetic = _commonest(map(_arithmetic, records))
    kept = [record for record in records if _arithmetic(record) == arithmetic]
    weights = {
        name: _commonest(r.victim.content_hash for r in kept if r.config["victim"] == name)
        for name in {record.config["victim"] for record in kept}
    }
    return lambda record: (
        _arithmetic(record) == arithmetic
        and record.victim.content_hash == weights[record.config["victim"]]
    )


def _arithmetic(record: Record) -> tuple[Any, ...]:
    return tuple(record.config[name] for name in _ARITHMETIC)


def _commonest(kinds: Iterable[Any]) -> Any:
    """The most frequent of `kinds`, and of several the first; None if there is none."""
    return next(iter(Counter(kinds).most_common(1)), (None, 0))[0]


def _by_seed(records: Iterable[Record]) -> tuple[Record, ...]:
    """One record per seed, in order; of several, as from two machines, the last folder's."""
    found = {record.seed: record for record in records}
    return tuple(found[seed] for seed in sorted(found))
