"""Passages of the docs that hold numbers, written from committed records and never by hand.

A passage stands between `<!-- generated: NAME -->` and `<!-- end -->`; its text comes from the
function that `PASSAGES` lists under NAME. The docstring at the head of a study's file says in a
line `Time:` how long the study took. `python -m tools.passages` writes all of these again; a test
says what is out of date.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from copycost.errors import ConfigError
from copycost.files import write_atomically
from copycost.registry import Entry, Registry
from tools.passages import flags

PASSAGES: Registry[Callable[[Path], str]] = Registry(
    "passage",
    {
        "bench-digits": Entry(
            "tools.passages.bench:digits_passage", "the attacks of bench-digits side by side"
        ),
        "bench-digits-label": Entry(
            "tools.passages.bench:label_passage", "the attacks of bench-digits-label side by side"
        ),
        "bench-digits-pool": Entry(
            "tools.passages.bench:pool_passage", "the attacks of bench-digits-pool side by side"
        ),
        "bench-digits-tuning": Entry(
            "tools.passages.bench:tuning_passage", "how settings were chosen for bench-digits"
        ),
        "bench-digits-label-tuning": Entry(
            "tools.passages.bench:label_tuning_passage",
            "how settings were chosen for bench-digits-label",
        ),
        "bench-digits-pool-tuning": Entry(
            "tools.passages.bench:pool_tuning_passage",
            "how settings were chosen for bench-digits-pool",
        ),
        "defences": Entry(
            "tools.passages.defences:defences_passage", "what defences cost attackers and users"
        ),
        "detection": Entry(
            "tools.passages.detection:detection_passage", "when a detector notices attacks"
        ),
        "ownership": Entry(
            "tools.passages.ownership:ownership_passage", "which models are called copies"
        ),
        "frugal-twentieth": Entry(
            "tools.passages.frugal:twentieth_passage", "Frugal at a twentieth of DFME's queries"
        ),
        "frugal-twentieth-tuning": Entry(
            "tools.passages.bench:twentieth_tuning_passage",
            "how settings were chosen for a twentieth of DFME's queries",
        ),
        "frugal-twentieth-label-tuning": Entry(
            "tools.passages.bench:twentieth_label_tuning_passage",
            "how settings were chosen for a twentieth of the queries, by labels",
        ),
        "frugal-digits-aim": Entry(
            "tools.passages.frugal_lessons:digits_aim_passage",
            "whether Frugal beats the first try at it on digits",
        ),
        "frugal-suited": Entry(
            "tools.passages.frugal_suited:suited_passage", "Frugal with no setting given"
        ),
        "frugal-clip": Entry(
            "tools.passages.frugal_suited:clip_passage", "Frugal into a net without batch norms"
        ),
        "frugal-parts": Entry(
            "tools.passages.frugal_parts:parts_passage",
            "Frugal without one or another of its parts",
        ),
        "frugal-parts-label": Entry(
            "tools.passages.frugal_parts:label_parts_passage",
            "Frugal by labels without one or another of its parts",
        ),
        "frugal-parts-suited": Entry(
            "tools.passages.frugal_parts:suited_parts_passage",
            "Frugal with one setting given, and the others as the budget has them",
        ),
        "frugal-parts-suited-label": Entry(
            "tools.passages.frugal_parts:suited_label_parts_passage",
            "Frugal by labels with one setting given, and the others as the budget has them",
        ),
        "frugal-adjustment": Entry(
            "tools.passages.frugal_labels:adjustment_passage",
            "Frugal by labels, with rare classes learnt as if they were common",
        ),
        "frugal-label-photographs": Entry(
            "tools.passages.frugal_labels:label_photographs_passage",
            "Frugal by labels, against victims of photographs",
        ),
        "frugal-photographs": Entry(
            "tools.passages.frugal:photographs_passage",
            "Frugal's kinds of images, against victims of photographs",
        ),
        "frugal-cifar10": Entry(
            "tools.passages.frugal:cifar10_passage",
            "Frugal's kinds of images, against victims of CIFAR-10 at its own size",
        ),
        "frugal-lessons": Entry(
            "tools.passages.frugal_lessons:lessons_passage",
            "Frugal with more or fewer lessons from each answer",
        ),
        "frugal-losses": Entry(
            "tools.passages.frugal_lessons:losses_passage", "Frugal with one or another loss"
        ),
        "full-scale-runs": Entry(
            "tools.passages.full_scale:runs_passage", "what attacks reached at a paper's scale"
        ),
        "full-scale-estimates": Entry(
            "tools.passages.full_scale:estimates_passage",
            "how good estimated gradients were at a paper's scale",
        ),
        "full-scale-aims": Entry(
            "tools.passages.full_scale:aims_passage",
            "the aims for Frugal at a paper's scale, and which it reached",
        ),
        "performance-aim": Entry(
            "tools.passages.performance:aim_passage",
            "the aim for the speed of one GPU, and the speed reached",
        ),
        "performance-cpu-aim": Entry(
            "tools.passages.performance:cpu_aim_passage",
            "at which batch sizes a CPU reaches the aim for its speed",
        ),
        "performance-kernels": Entry(
            "tools.passages.performance:kernels_passage", "what a step waits for on a GPU"
        ),
        "performance-speed": Entry(
            "tools.passages.performance:speed_passage",
            "queries a second, beside those of a plain loop",
        ),
        "performance-honesty": Entry(
            "tools.passages.performance:honesty_passage",
            "what the account, the record and the display cost",
        ),
        "performance-operations": Entry(
            "tools.passages.operations:operations_passage",
            "operations a query, beside those of a plain loop",
        ),
        "performance-recording": Entry(
            "tools.passages.performance:recording_passage", "what recording every query costs"
        ),
        "precision-correlation": Entry(
            "tools.passages.precision:correlation_passage",
            "correlations of the estimate with the true slope, by step and arithmetic",
        ),
        "precision-short": Entry(
            "tools.passages.precision:short_passage",
            "correlations of the forward estimate at DFME's own size",
        ),
        "precision-cosines": Entry(
            "tools.passages.precision:cosine_passage",
            "cosines with the true gradient, by number of directions",
        ),
        "precision-defaults": Entry(
            "tools.passages.precision:default_passage", "the default steps and what they rest on"
        ),
        "precision-students": Entry(
            "tools.passages.precision:students_passage",
            "copies in each arithmetic at equal queries",
        ),
        "precision-students-earlier": Entry(
            "tools.passages.precision:earlier_passage",
            "copies in each arithmetic, compared on another processor",
        ),
        "precision-verdict": Entry(
            "tools.passages.precision:verdict_passage", "what the comparison of arithmetics says"
        ),
        "noise": Entry("tools.passages.noise:noise_passage", "what copies of random noise reach"),
        "reproduced": Entry(
            "tools.passages.reproduced:short_passage", "a summary of what was reproduced"
        ),
        "reproduced-whole": Entry(
            "tools.passages.reproduced:whole_passage",
            "every statement of every figure and analysis, judged",
        ),
        "scaling-bytes": Entry(
            "tools.passages.scaling:bytes_table", "what processes of one run send each other"
        ),
        "scaling-predicted": Entry(
            "tools.passages.scaling:predicted_passage",
            "steps of two processes, measured and by the formula",
        ),
        "tables": Entry(
            "tools.passages.tables:tables_passage", "what copies of models of rows reach"
        ),
        "texts": Entry(
            "tools.passages.tables:texts_passage", "what copies of models of texts reach"
        ),
        "vanishing-verdict": Entry(
            "tools.passages.vanishing:verdict_passage",
            "what the diagnoses of gradients say, in words",
        ),
        "vanishing-norms": Entry(
            "tools.passages.vanishing:norms_passage",
            "norms of gradients at the start, the middle and the end",
        ),
        "vanishing-cosines": Entry(
            "tools.passages.vanishing:cosines_passage",
            "cosines with the true gradient, by directions, step and arithmetic",
        ),
    },
)
"""Functions from the folder `results` to Markdown."""

FIGURES: Registry[Callable[[Path], str | None]] = Registry(
    "figure",
    {
        "full-scale": Entry(
            "tools.passages.full_scale:curves_figure",
            "accuracy and agreement at a paper's scale",
        ),
        "precision-correlation": Entry(
            "tools.passages.precision_figure:correlation_figure",
            "correlation of the estimate with the true slope over the step",
        ),
        "precision-students": Entry(
            "tools.passages.precision_figure:students_figure",
            "agreement of every copy, by arithmetic",
        ),
        "vanishing-gradients": Entry(
            "tools.passages.vanishing_figure:figure_of_results",
            "norms of gradients, and cosines with the true one, over queries",
        ),
    },
)
"""Functions from the folder `results` to SVG, or None without records: docs/figures/NAME.svg."""

TIMES: Registry[Callable[[Path], dict[str, str]]] = Registry(
    "folder of heads",
    {"kwon2023": Entry("tools.passages.heads:times", "how long each study took")},
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
        raise ConfigError("A passage begins with <!-- generated: NAME --> and has no <!-- end -->.")
    return new


def draw_figures(root: Path) -> None:
    """Write every figure for which there are records."""
    for name in FIGURES:
        svg = FIGURES[name](root / "results")
        if svg is not None:
            write_atomically(root / "docs" / "figures" / f"{name}.svg", svg.encode())


def heads(root: Path) -> dict[Path, str]:
    """The text of every file of a study, by path, with its line `Time:` written anew."""
    lines = {
        root / "src" / "copycost" / "presets" / name / file: f"Time:     {time}"
        for name, times in TIMES.items()
        for file, time in times(root / "results").items()
    }
    return {
        path: re.sub("^Time: .*$", line, path.read_text(encoding="utf-8"), count=1, flags=re.M)
        for path, line in lines.items()
    }


def write_all(root: Path) -> None:
    """Write all passages, heads and figures of the checkout at `root`, and the page on flags."""
    draw_figures(root)
    written = {page: filled(page.read_text("utf-8"), root / "results") for page in pages(root)}
    written |= {root / "docs" / "flags.md": flags.markdown(), **heads(root)}
    for path, new in written.items():
        if new != path.read_text("utf-8"):
            path.write_text(new, encoding="utf-8")
