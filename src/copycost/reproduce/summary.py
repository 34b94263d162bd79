"""The tables of reproduced figures in the README and the docs, from committed records.

Records are matched with plans by what was run, whatever machine and arithmetic it was run with;
but those of one study are of one arithmetic, and of one and the same victim, as most of them are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from copycost.claims.final import Reaches
from copycost.presets import PRESETS
from copycost.presets.kwon2023 import SCALES, STUDIES
from copycost.presets.published import PUBLISHED, Published
from copycost.presets.study import Scale, Series, Study, varied
from copycost.report import wording
from copycost.report.markdown import table
from copycost.report.table import spread
from copycost.reproduce.answers import progress
from copycost.reproduce.result import SeriesResult, StudyResult, is_run_of, judged
from copycost.reproduce.sources import HOUSE_NUMBERS, sourced, stand_ins
from copycost.reproduce.tables import (
    NOT_COMPARABLE,
    Verdict,
    hardware,
    minutes,
    reported,
    verdicts,
)
from copycost.runner.config import RunConfig
from copycost.runner.record import Record, records_in

FOLDER = "kwon2023"
NOT_RUN = "not run yet"
HEAD = (
    "figure or table",
    "setting",
    "reported, or asked",
    "reproduced: median (range)",
    "holds",
    "seeds",
    "queries",
    "minutes a run",
    "hardware",
)
SETTINGS = {
    "full": "the paper's nets",
    "quick": "**small nets, stand-in data**",
}
"""What a scale is called beside its numbers. The tiny one shows nothing."""
HEADLINE = "figure-5"
"""The figure whose numbers the paper quotes; the others are counted."""

_ARITHMETIC = ("precision", "estimate_precision", "victim_precision")
_FREE = frozenset(
    {"seed", "data", "device", "evaluations", "compile", "record_queries"}.union(_ARITHMETIC)
)
"""Settings of a run that do not decide which figure it belongs to."""
_OWN_FREE = frozenset({"epsilon"})
"""The same among the attack's own: its default follows the arithmetic."""
_QUOTED = "dfme"
"""Whose numbers stand in the README too."""


def short_passage(results: Path) -> str:
    """The README's table: the quoted numbers one by one, the other figures counted."""
    figures = [key for key in STUDIES if STUDIES[key].figure is not None]
    full, quick = (once(results, scale, figures) for scale in SETTINGS)
    quoted = [result for result in full if result.key == HEADLINE]
    others = [result for result in full if result.key != HEADLINE]
    lines = [line for result in quoted for line in _lines(result)]
    lines += [_counted("Figures 2–4, 6–9", others)]
    lines += _presets(results, _QUOTED)
    lines += [_counted("Figures 2–9", quick)]
    return table(HEAD, lines)


def whole_passage(results: Path) -> str:
    """Every claim of every figure and analysis at every scale, and the other presets."""
    parts = []
    for scale, words in SETTINGS.items():
        lines = [line for result in studied(results, scale) for line in _lines(result)]
        parts.append(f"### Scale `{scale}`: {words.strip('*')}\n\n{table(HEAD, lines)}")
    return "\n\n".join(
        [*parts, f"### Other published settings\n\n{table(HEAD, _presets(results))}"]
    )


def studied(results: Path, scale: str) -> list[StudyResult]:
    """Every study at one scale, as far as the committed records go, on all data it was run on."""
    records = committed(results, scale)
    return [one for key in STUDIES for one in _on_each_data(key, SCALES[scale], records)]


def committed(results: Path, scale: str) -> list[Record]:
    """The finished runs among the records of one scale, in the order of their folders."""
    found = records_in(results / FOLDER / scale / "records")
    return [record for record in found if record.finished]


def same_run(record: Record, config: RunConfig) -> bool:
    """Whether a record is of this run but for seed, arithmetic, data and how often it looked."""
    theirs = record.config
    if any(theirs[name] != getattr(config, name) for name in ("budget", "student", "victim")):
        return False  # most records go here, and it is quick
    free = {name: theirs[name] for name in _FREE if name in theirs}
    own = {name: theirs["settings"][name] for name in _OWN_FREE if name in theirs["settings"]}
    likened = config.model_copy(update={**free, "settings": {**config.settings, **own}})
    return is_run_of(record, likened)


def once(results: Path, scale: str, keys: Sequence[str]) -> list[StudyResult]:
    """Each study once: on the paper's data, unless only what stands for it was run in full."""
    records = committed(results, scale)
    found = (_on_each_data(key, SCALES[scale], records) for key in keys)
    return [max(kinds, key=lambda one: one.complete) for kinds in found]


def _on_each_data(key: str, scale: Scale, records: Sequence[Record]) -> list[StudyResult]:
    """One study on SVHN and on house numbers in its place, whichever was run; never none."""
    places = {scale.svhn["victim"]: scale, HOUSE_NUMBERS: sourced(scale, None, house_numbers=True)}
    found = {
        victim: _matched(key, STUDIES[key], _as_recorded(place, records), records)
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


def _matched(key: str, study: Study, scale: Scale, records: Sequence[Record]) -> StudyResult:
    empty = [_planned(one, study.seeds) for one in study.series(scale)]
    found = [_matching(one, records) for one in empty]
    alike = _alike([record for one in found for record in one])
    series = tuple(
        replace(one, records=_by_seed(filter(alike, of_it)))
        for one, of_it in zip(empty, found, strict=True)
    )
    runs = [config for one in series for config in one.planned]
    return judged(key, study, scale, series, stand_ins(scale, runs))


def _planned(one: Series, seeds: int) -> SeriesResult:
    runs = (RunConfig.read({**one.values, "seed": seed}) for seed in range(seeds))
    return SeriesResult(one.label, tuple(runs), ())


def _matching(one: SeriesResult, records: Sequence[Record]) -> list[Record]:
    first, seeds = one.planned[0], len(one.planned)
    return [record for record in records if record.seed < seeds and same_run(record, first)]


def _alike(records: Sequence[Record]) -> Callable[[Record], bool]:
    """Whether a record is in the arithmetic of most, and of its victim's weights as most are."""
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
    """The kind that most are of; of several, the one that came first; None of nothing."""
    return next(iter(Counter(kinds).most_common(1)), (None, 0))[0]


def _by_seed(records: Iterable[Record]) -> tuple[Record, ...]:
    """One record a seed, in order; of two, as on two machines, the last folder's."""
    found = {record.seed: record for record in records}
    return tuple(found[seed] for seed in sorted(found))


def _presets(results: Path, of: str = "") -> list[list[str]]:
    records = committed(results, "full")
    chosen = {name: one for name, one in PUBLISHED.items() if name.startswith(of)}
    return [_preset(name, published, records) for name, published in chosen.items()]


def _preset(name: str, published: Published, records: Sequence[Record]) -> list[str]:
    """One line: the preset's run judged as a study of one series would be."""
    preset = PRESETS[name]
    (attack,) = preset["attacks"]
    values = {**preset["shared"], "attack": attack, "settings": preset["settings"][attack]}
    number = published.reported
    study = Study(
        title=f"{published.source} (`{name}`)",
        statement=published.said if number is None else reported(number),
        series=lambda scale: (Series(published.setting, values),),
        panels=(),
        claims=(Reaches(published.setting, number or 0.0),),
    )
    result = _matched(name, study, SCALES["full"], records)
    (verdict,) = verdicts(result)
    holds = wording.MISSING if number is None else _holds(result, verdict)
    setting = "; ".join([published.setting, *_coarse(result)])
    return _line(result, setting, study.statement, _numbers(verdict), holds)


def _lines(result: StudyResult) -> list[list[str]]:
    """A line a claim; one for all of them before every series has a run."""
    if not result.findings:
        setting = _setting(result, list(result.stand_ins.values()))
        return [_line(result, setting, result.study.statement, _nothing(result), wording.MISSING)]
    return [
        _line(
            result,
            _setting(result, verdict.places),
            _claim(verdict),
            _numbers(verdict),
            _holds(result, verdict),
        )
        for verdict in verdicts(result)
    ]


def _setting(result: StudyResult, places: Sequence[str]) -> str:
    return "; ".join([SETTINGS[result.scale.name], *places, *_coarse(result)])


def _counted(name: str, results: Sequence[StudyResult]) -> list[str]:
    """One line for several figures: of how many all that is said holds, or cannot be said to."""
    known = [result for result in results if result.complete]
    records = [r for result in known for one in result.series for r in one.records]
    notes = dict.fromkeys(
        words for one in results for words in [*one.stand_ins.values(), *_coarse(one)]
    )
    setting = "; ".join([SETTINGS[results[0].scale.name], *notes])
    holding = sum(result.holds is True for result in known)
    found = f"{len(known)} of {len(results)} run" if known else NOT_RUN
    open_ = sum(result.holds is None for result in known)
    holds = f"{holding} of {len(known)}" if known else wording.MISSING
    holds += f", {open_} {NOT_COMPARABLE}" if open_ else ""
    cells = [name, setting, "[each statement](docs/reproduced.md)", found, holds, *_made(records)]
    return [_cell(cell) for cell in cells]


def _coarse(result: StudyResult) -> list[str]:
    """The arithmetic in which students were trained, where it is not float32."""
    trained = (record.config["precision"] for one in result.series for record in one.records)
    return [f"in {precision}" for precision in dict.fromkeys(trained) if precision != "float32"]


def _line(
    result: StudyResult, setting: str, reported: str, reproduced: str, holds: str
) -> list[str]:
    number = result.study.figure
    name = result.study.title if number is None else f"Figure {number}"
    records = [record for one in result.series for record in one.records]
    cells = [name, setting, reported, reproduced, holds, *_made(records)]
    return [_cell(cell) for cell in cells]


def _made(records: Sequence[Record]) -> list[str]:
    """Seeds, queries, minutes and hardware of some runs."""
    if not records:
        return [wording.MISSING] * 4
    seeds = len({record.seed for record in records})
    asked = spread(record.spent for record in records)
    assert asked is not None, "there is a record, and what it spent is a number"
    low, high = wording.count(asked.low), wording.count(asked.high)
    machines = dict.fromkeys(hardware(record) for record in records)
    queries = low if low == high else f"{low}–{high}"
    return [str(seeds), queries, minutes(list(records)), "; ".join(machines)]


def _claim(verdict: Verdict) -> str:
    known = verdict.reported != wording.MISSING
    return f"{verdict.text}: {verdict.reported}" if known else verdict.text


def _numbers(verdict: Verdict) -> str:
    return "; ".join(f"{name}: {value}" for name, value in verdict.numbers) or NOT_RUN


def _nothing(result: StudyResult) -> str:
    done, planned = progress(result)
    return f"{done} of {planned} runs" if done else NOT_RUN


def _holds(result: StudyResult, verdict: Verdict) -> str:
    if not verdict.comparable:
        return NOT_COMPARABLE
    if not result.findings or verdict.holds is None:
        return wording.MISSING
    said = ("yes" if verdict.holds else "**no**") + (", may be chance" if verdict.overlap else "")
    return said if result.complete else f"{said}, so far"


def _cell(text: str) -> str:
    """Text that cannot end its cell."""
    return text.replace("|", "\\|").replace("\n", " ")
