"""The tables of reproduced figures in the README and the docs, from committed records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from copycost.claims.final import Reaches
from copycost.presets import PRESETS
from copycost.presets.kwon2023 import SCALES, STUDIES
from copycost.presets.study import Series, Study
from copycost.report import wording
from copycost.report.groups import spread
from copycost.reproduce.answers import progress
from copycost.reproduce.result import StudyResult
from copycost.reproduce.tables import (
    MAY_BE_CHANCE,
    NOT_COMPARABLE,
    Verdict,
    hardware,
    minutes,
    reported,
    verdicts,
)
from copycost.runner.record import Record
from tools.passages.markdown import table
from tools.passages.matching import committed, matched, once, studied
from tools.passages.published import PUBLISHED, Published

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
"""What a scale is called beside its numbers. The tiny scale, which shows nothing, is left out."""
HEADLINE = "figure-5"
"""The figure whose numbers the paper quotes; the others are counted."""

_QUOTED = "dfme"
"""How the names of the presets begin whose numbers are in the README too."""


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
    result = matched(name, study, SCALES["full"], records)
    (verdict,) = verdicts(result)
    holds = wording.MISSING if number is None else _holds(result, verdict)
    setting = "; ".join([published.setting, *_coarse(result)])
    return _line(result, setting, study.statement, _numbers(result, verdict), holds)


def _lines(result: StudyResult) -> list[list[str]]:
    """One line per claim; a single line for all before every series has a run."""
    if not result.findings:
        setting = _setting(result, list(result.stand_ins.values()))
        return [_line(result, setting, result.study.statement, _nothing(result), wording.MISSING)]
    return [
        _line(
            result,
            _setting(result, verdict.places),
            _claim(verdict),
            _numbers(result, verdict),
            _holds(result, verdict),
        )
        for verdict in verdicts(result)
    ]


def _setting(result: StudyResult, places: Sequence[str]) -> str:
    return "; ".join([SETTINGS[result.scale.name], *places, *_coarse(result)])


def _counted(name: str, results: Sequence[StudyResult]) -> list[str]:
    """One line for several figures: for how many all claims hold, or are not comparable."""
    known = [result for result in results if result.complete]
    records = [r for result in known for one in result.series for r in one.records]
    notes = dict.fromkeys(
        words for one in results for words in [*one.stand_ins.values(), *_coarse(one)]
    )
    setting = "; ".join([SETTINGS[results[0].scale.name], *notes])
    holding = [result for result in known if result.holds is True]
    lucky = sum(result.chance for result in holding)
    found = f"{len(known)} of {len(results)} run" if known else NOT_RUN
    open_ = sum(result.holds is None for result in known)
    holds = f"{len(holding)} of {len(known)}" if known else wording.MISSING
    holds += f", {lucky} of which {MAY_BE_CHANCE}" if lucky else ""
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


def _numbers(result: StudyResult, verdict: Verdict) -> str:
    return "; ".join(f"{name}: {value}" for name, value in verdict.numbers) or _nothing(result)


def _nothing(result: StudyResult) -> str:
    done, planned = progress(result)
    return f"{done} of {planned} runs" if done else NOT_RUN


def _holds(result: StudyResult, verdict: Verdict) -> str:
    if not verdict.comparable:
        return NOT_COMPARABLE
    if not result.findings or verdict.holds is None:
        return wording.MISSING
    said = "yes" if verdict.holds else "**no**"
    said += f", {MAY_BE_CHANCE}" if verdict.overlap else ""
    return said if result.complete else f"{said}, so far"


def _cell(text: str) -> str:
    """`text`, escaped so that it cannot end its table cell."""
    return text.replace("|", "\\|").replace("\n", " ")
