"""Pages that set a paper's claims beside measurements: no scripts, network access or dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from copycost.files import write_atomically
from copycost.presets.kwon2023 import SCALES
from copycost.report import wording
from copycost.report.beside import write_beside
from copycost.report.doubts import Doubt
from copycost.report.figures import Drawing
from copycost.report.page import templates
from copycost.report.vanishing_seeds import Seeds
from copycost.reproduce import figures, tables
from copycost.reproduce.answers import answer, progress
from copycost.reproduce.causes import causes
from copycost.reproduce.diagnosis_page import diagnosed
from copycost.reproduce.result import StudyResult

INDEX = "index.html"


@dataclass(frozen=True)
class Shown:
    """Everything the pages show of one study."""

    result: StudyResult
    heading: str
    verdict: str
    holds: bool | None
    short: str
    """Which runs or seeds it lacks; '' if none."""
    answer: list[str]
    verdicts: list[tables.Verdict]
    causes: list[str]
    drawings: list[Drawing]
    rows: list[tables.Row]
    made_with: list[tuple[str, str]]
    doubts: list[Doubt]
    files: list[str]
    """Names of the files beside the page."""

    @property
    def page(self) -> str:
        """Name of an analysis's own page."""
        return f"analysis-{self.result.key}.html"


def write_pages(results: Sequence[StudyResult], folder: Path, diagnoses: Seeds = ()) -> Path:
    """Write figures, numbers and pages of `results` into `folder`; return its `index.html`.

    An unfinished study is listed with the runs that it has, and its earlier figures are removed.
    `diagnoses` are the finished ones of the study that asks for them, one per seed.
    """
    shown = [_shown(result, _write_files(result, folder)) for result in results]
    found = diagnosed(diagnoses)
    for study in shown:
        if study.result.study.figure is None:
            name = study.result.scale.name
            page = render("analysis.html.j2", name, study=study, diagnosed=found)
            write_atomically(folder / study.page, page.encode())
    write_atomically(folder / INDEX, index(shown).encode())
    return folder / INDEX


def index(shown: Sequence[Shown]) -> str:
    """The page that leads to all others."""
    stand_ins = dict.fromkeys(w for s in shown for w in s.result.stand_ins.values())
    of_paper = [study for study in shown if study.result.study.figure is not None]
    return render(
        "index.html.j2",
        shown[0].result.scale.name,
        headline=_headline(of_paper),
        stand_ins=list(stand_ins),
        figures=of_paper,
        analyses=[study for study in shown if study.result.study.figure is None],
    )


def render(template: str, scale: str, **values: Any) -> str:
    """A template of this package, filled; every string in it is escaped."""
    environment = templates(Path(__file__).parent)
    page: str = environment.get_template(template).render(
        scale=scale, scale_words=SCALES.summary(scale), **values
    )
    return page


def _shown(result: StudyResult, files: list[str]) -> Shown:
    return Shown(
        result=result,
        heading=figures.heading(result),
        verdict=verdict(result),
        holds=result.holds,
        short=_short(result),
        answer=answer(result),
        verdicts=tables.verdicts(result),
        causes=causes(result),
        drawings=figures.drawings(result),
        rows=tables.rows(result),
        made_with=tables.made_with(result),
        doubts=_doubts(result),
        files=files,
    )


def verdict(result: StudyResult) -> str:
    """Whether all claims of a study hold, in words."""
    done, planned = progress(result)
    if not result.findings:
        return f"{tables.NOT_KNOWN} ({done} of {planned} runs)"
    said = tables.in_a_word(result.holds, result.comparable)
    said += tables.OVERLAP if result.chance else ""
    said = said if result.complete else f"{said}, so far ({done} of {planned} runs)"
    return tables.and_diverged(said, result.diverged)


def _short(result: StudyResult) -> str:
    """Which runs or seeds a study lacks, and how many runs diverged; '' if none."""
    done, planned = progress(result)
    if not result.complete:
        found = tables.and_diverged(f"{done} of {planned} runs are there", result.diverged)
        return f"Unfinished: {found}. It is drawn when all of them came to an end."
    seeds, meant = min(one.ended for one in result.series), result.study.seeds
    lost = wording.plural(result.diverged, "run")
    said = {
        f"With {wording.plural(seeds, 'seed')} in place of {meant}.": seeds < meant,
        f"{lost} of {planned} diverged, which counts as having learnt nothing.": result.diverged,
    }
    return " ".join(words for words, applies in said.items() if applies)


def _headline(of_paper: Sequence[Shown]) -> str:
    """For how many of the paper's figures all claims hold, and for how many this is unknown."""
    if not of_paper:
        return "Analyses that go further than the paper's figures."
    known = [study for study in of_paper if study.result.complete]
    holding = [study for study in known if study.holds is True]
    measured = wording.plural(len(known), "figure")
    said = f"What the paper says holds in full for {len(holding)} of {measured} measured"
    lucky = sum(study.result.chance for study in holding)
    said += f", which {tables.MAY_BE_CHANCE} for {lucky} of them" if lucky else ""
    open_ = sum(study.holds is None for study in known)
    counts = {tables.NOT_COMPARABLE: open_, tables.NOT_KNOWN: len(of_paper) - len(known)}
    return "; ".join([said, *(f"{n} {words}" for words, n in counts.items() if n)]) + "."


def _write_files(result: StudyResult, folder: Path) -> list[str]:
    """Write the study's figure and numbers, remove outdated pictures, return the files' names."""
    contents = {**figures.files(result), "csv": tables.csv_of(result).encode()}
    return write_beside(folder, result.key, contents)


def _doubts(result: StudyResult) -> list[Doubt]:
    return [
        Doubt(flag, f"{tables.called(result, series.label)}, seed {record.seed}")
        for series in result.series
        for record in series.records
        for flag in record.flags
    ]
