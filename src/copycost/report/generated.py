"""Passages of the docs that hold numbers, written from committed records and never by hand.

A passage stands between `<!-- generated: NAME -->` and `<!-- end -->`; its text comes from the
function that `PASSAGES` lists under NAME. The heads of studies say how long these took, in a line
`Time:`. `python -m copycost.report.generated` writes it all again; a test says what is out of date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from copycost.errors import ConfigError
from copycost.files import write_atomically
from copycost.registry import Entry, Registry

PASSAGES: Registry[Callable[[Path], str]] = Registry(
    "passage",
    {
        "bench-digits": Entry(
            "copycost.bench.passage:digits_passage", "the attacks of the preset side by side"
        ),
        "bench-digits-label": Entry("copycost.bench.passage:label_passage", "the same by labels"),
        "bench-digits-pool": Entry("copycost.bench.passage:pool_passage", "the same with a pool"),
        "bench-digits-tuning": Entry(
            "copycost.bench.passage:tuning_passage", "how their settings were chosen"
        ),
        "bench-digits-label-tuning": Entry(
            "copycost.bench.passage:label_tuning_passage", "how those by labels were"
        ),
        "bench-digits-pool-tuning": Entry(
            "copycost.bench.passage:pool_tuning_passage", "how those with a pool were"
        ),
        "frugal-twentieth": Entry(
            "copycost.report.frugal:twentieth_passage", "Frugal at a twentieth of DFME's queries"
        ),
        "frugal-twentieth-tuning": Entry(
            "copycost.bench.passage:twentieth_tuning_passage", "how its settings were chosen"
        ),
        "frugal-twentieth-label-tuning": Entry(
            "copycost.bench.passage:twentieth_label_tuning_passage", "how those by labels were"
        ),
        "frugal-digits-aim": Entry(
            "copycost.report.frugal_lessons:digits_aim_passage",
            "whether the first try is beaten on digits",
        ),
        "frugal-suited": Entry(
            "copycost.report.frugal_suited:suited_passage", "Frugal with no setting given"
        ),
        "frugal-parts": Entry(
            "copycost.report.frugal_parts:parts_passage", "Frugal without each of its parts"
        ),
        "frugal-parts-label": Entry(
            "copycost.report.frugal_parts:label_parts_passage", "the same by labels"
        ),
        "frugal-adjustment": Entry(
            "copycost.report.frugal_labels:adjustment_passage",
            "Frugal by labels with rare classes learnt as if they were common",
        ),
        "frugal-label-photographs": Entry(
            "copycost.report.frugal_labels:label_photographs_passage",
            "Frugal by labels of photographs",
        ),
        "frugal-photographs": Entry(
            "copycost.report.frugal:photographs_passage", "kinds of images against photographs"
        ),
        "frugal-cifar10": Entry(
            "copycost.report.frugal:cifar10_passage", "the same at CIFAR-10's own size"
        ),
        "frugal-lessons": Entry(
            "copycost.report.frugal_lessons:lessons_passage",
            "Frugal by how it learns from an answer",
        ),
        "frugal-losses": Entry(
            "copycost.report.frugal_lessons:losses_passage", "Frugal by the norm of its loss"
        ),
        "full-scale-runs": Entry(
            "copycost.report.full_scale:runs_passage", "what attacks reached at a paper's scale"
        ),
        "full-scale-estimates": Entry(
            "copycost.report.full_scale:estimates_passage", "how good estimated gradients were"
        ),
        "full-scale-aims": Entry(
            "copycost.report.full_scale:aims_passage", "what Frugal is to reach there"
        ),
        "performance-aim": Entry(
            "copycost.report.performance:aim_passage", "what one GPU is to do, and does"
        ),
        "performance-cpu-aim": Entry(
            "copycost.report.performance:cpu_aim_passage", "where a CPU does what it is to do"
        ),
        "performance-kernels": Entry(
            "copycost.report.performance:kernels_passage", "what a step waits for on a GPU"
        ),
        "performance-speed": Entry(
            "copycost.report.performance:speed_passage", "queries a second against a plain loop"
        ),
        "performance-honesty": Entry(
            "copycost.report.performance:honesty_passage", "the cost of account, record, display"
        ),
        "performance-operations": Entry(
            "copycost.report.operations:operations_passage", "what a CPU computes of its products"
        ),
        "performance-recording": Entry(
            "copycost.report.performance:recording_passage", "the cost of recording every query"
        ),
        "precision-correlation": Entry(
            "copycost.report.precision:correlation_passage", "correlations over step and arithmetic"
        ),
        "precision-short": Entry(
            "copycost.report.precision:short_passage", "the same, forward, at DFME's own size"
        ),
        "precision-cosines": Entry(
            "copycost.report.precision:cosine_passage", "cosines over the number of directions"
        ),
        "precision-defaults": Entry(
            "copycost.report.precision:default_passage", "the default steps and what they rest on"
        ),
        "precision-students": Entry(
            "copycost.report.precision:students_passage", "copies at equal queries, arm by arm"
        ),
        "precision-students-earlier": Entry(
            "copycost.report.precision:earlier_passage", "the same comparison, on another processor"
        ),
        "precision-verdict": Entry(
            "copycost.report.precision:verdict_passage", "what the comparison of arms says"
        ),
        "reproduced": Entry(
            "copycost.reproduce.summary:short_passage", "the paper's figures, in a few lines"
        ),
        "reproduced-whole": Entry(
            "copycost.reproduce.summary:whole_passage", "every claim of every figure and analysis"
        ),
        "scaling-bytes": Entry(
            "copycost.report.scaling:bytes_table", "what processes of one run send each other"
        ),
        "scaling-predicted": Entry(
            "copycost.report.scaling:predicted_passage", "steps of two processes, by the formula"
        ),
        "vanishing-verdict": Entry(
            "copycost.report.vanishing:verdict_passage", "what diagnoses of gradients say"
        ),
        "vanishing-norms": Entry(
            "copycost.report.vanishing:norms_passage", "norms at the start, the middle and the end"
        ),
        "vanishing-cosines": Entry(
            "copycost.report.vanishing:cosines_passage", "cosines over directions, step, arithmetic"
        ),
    },
)
"""Functions from the folder `results` to Markdown."""

FIGURES: Registry[Callable[[Path], str | None]] = Registry(
    "figure",
    {
        "full-scale": Entry(
            "copycost.report.full_scale:curves_figure", "accuracy over queries at a paper's scale"
        ),
        "precision-correlation": Entry(
            "copycost.report.precision_figure:correlation_figure", "correlation over the step"
        ),
        "precision-students": Entry(
            "copycost.report.precision_figure:students_figure", "agreement of every run by arm"
        ),
        "vanishing-gradients": Entry(
            "copycost.report.vanishing_figure:figure_of_results", "norms and cosines over queries"
        ),
    },
)
"""Functions from the folder `results` to SVG, or None without records: docs/figures/NAME.svg."""

TIMES: Registry[Callable[[Path], dict[str, str]]] = Registry(
    "folder of heads",
    {"kwon2023": Entry("copycost.reproduce.heads:times", "how long each study took")},
)
"""Functions from the folder `results` to what the `Time:` of each file in presets/NAME says."""

_PASSAGE = re.compile(
    r"^<!-- generated: (?P<name>[\w-]+) -->\n.*?^<!-- end -->$", re.MULTILINE | re.DOTALL
)


def pages(root: Path) -> list[Path]:
    """All pages of a checkout that may hold passages."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]


def filled(text: str, results: Path) -> str:
    """`text` with every passage in it written anew; `ConfigError` for one that is not listed."""

    def passage(match: re.Match[str]) -> str:
        name = match["name"]
        return f"<!-- generated: {name} -->\n{PASSAGES[name](results).strip()}\n<!-- end -->"

    new = _PASSAGE.sub(passage, text)
    if text.count("<!-- generated:") != len(_PASSAGE.findall(text)):
        raise ConfigError(
            ["A passage begins with <!-- generated: NAME --> and has no <!-- end -->."]
        )
    return new


def draw_figures(root: Path) -> None:
    """Write every figure that there are records for."""
    for name in FIGURES:
        svg = FIGURES[name](root / "results")
        if svg is not None:
            write_atomically(root / "docs" / "figures" / f"{name}.svg", svg.encode())


def heads(root: Path) -> dict[Path, str]:
    """By file of the package that has such a line, its text with the line written anew."""
    lines = {
        root / "src" / "copycost" / "presets" / name / file: f"Time:     {time}"
        for name, times in TIMES.items()
        for file, time in times(root / "results").items()
    }
    return {
        path: re.sub("^Time: .*$", line, path.read_text(encoding="utf-8"), count=1, flags=re.M)
        for path, line in lines.items()
    }


def main() -> None:
    """Write all passages, heads and figures of the folder that is named, by default this one."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    draw_figures(root)
    written = {page: filled(page.read_text("utf-8"), root / "results") for page in pages(root)}
    for path, new in (written | heads(root)).items():
        if new != path.read_text("utf-8"):
            path.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
