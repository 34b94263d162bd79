"""How long the studies took, from committed records, for the docstrings of their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from copycost.presets.kwon2023 import STUDIES
from copycost.reproduce.result import StudyResult
from tools.passages.matching import once
from tools.passages.reproduced import SETTINGS

UNMEASURED = "not measured yet, `--dry-run` estimates it"


def times(results: Path) -> dict[str, str]:
    """By the file of a study, the text of its line `Time:`; the small scale first."""
    scales = sorted(SETTINGS, reverse=True)
    found = zip(*(once(results, scale, list(STUDIES)) for scale in scales), strict=True)
    return {_file(kinds[0]): "; ".join(map(_time, kinds)) for kinds in found}


def _file(result: StudyResult) -> str:
    return f"{result.key.replace('-', '' if result.study.figure else '_')}.py"


def _time(result: StudyResult) -> str:
    """'quick: 6 runs, 5 minutes in all': the sum over runs, even if some ran at the same time."""
    records = [record for one in result.series for record in one.records]
    if not records:
        return f"{result.scale.name}: {UNMEASURED}"
    planned = sum(len(one.planned) for one in result.series)
    runs = f"{planned} runs" if len(records) == planned else f"{len(records)} of {planned} runs"
    minutes = _minutes([record.seconds for record in records])
    return f"{result.scale.name}: {runs}, {minutes} in all"


def _minutes(seconds: Sequence[float]) -> str:
    total = max(1, round(sum(seconds) / 60))
    return f"{total} minute{'s' if total > 1 else ''}"
