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
            "tools.passages.bench:digits_passage", "the attacks of the preset side by side"
        ),
        "bench-digits-label": Entry("tools.passages.bench:label_passage", "the same by labels"),
        "bench-digits-pool": Entry("tools.passages.bench:pool_passage", "the same with a pool"),
        "bench-digits-tuning": Entry(
            "tools.passages.bench:tuning_passage", "how their settings were chosen"
        ),
        "bench-digits-label-tuning": Entry(
            "tools.passages.bench:label_tuning_passage", "how those by labels were"
        ),
        "bench-digits-pool-tuning": Entry(
            "tools.passages.bench:pool_tuning_passage", "how those with a pool were"
        ),
        "frugal-twentieth": Entry(
            "tools.passages.frugal:twentieth_passage", "Frugal at a twentieth of DFME's queries"
        ),
        "frugal-twentieth-tuning": Entry(
            "tools.passages.bench:twentieth_tuning_passage", "how its settings were chosen"
        ),
        "frugal-twentieth-label-tuning": Entry(
            "tools.passages.bench:twentieth_label_tuning_passage", "how those by labels were"
        ),
        "frugal-digits-aim": Entry(
            "tools.passages.frugal_lessons:digits_aim_passage",
            "whether the first try is beaten on digits",
        ),
        "frugal-suited": Entry(
            "tools.passages.frugal_suited:suited_passage", "Frugal with no setting given"
        ),
        "frugal-clip": Entry(
            "tools.passages.frugal_suited:clip_passage", "Frugal into a net without batch norms"
        ),
        "frugal-parts": Entry(
            "tools.passages.frugal_parts:parts_passage", "Frugal without each of its parts"
        ),
        "frugal-parts-label": Entry(
            "tools.passages.frugal_parts:label_parts_passage", "the same by labels"
        ),
        "frugal-parts-suited": Entry(
            "tools.passages.frugal_parts:suited_parts_passage",
            "Frugal with no setting given but one",
        ),
        "frugal-parts-suited-label": Entry(
            "tools.passages.frugal_parts:suited_label_parts_passage", "the same by labels"
        ),
        "frugal-adjustment": Entry(
            "tools.passages.frugal_labels:adjustment_passage",
            "Frugal by labels with rare classes learnt as if they were common",
        ),
        "frugal-label-photographs": Entry(
            "tools.passages.frugal_labels:label_photographs_passage",
            "Frugal by labels of photographs",
        ),
        "frugal-photographs": Entry(
            "tools.passages.frugal:photographs_passage", "kinds of images against photographs"
        ),
        "frugal-cifar10": Entry(
            "tools.passages.frugal:cifar10_passage", "the same at CIFAR-10's own size"
        ),
        "frugal-lessons": Entry(
            "tools.passages.frugal_lessons:lessons_passage",
            "Frugal by how it learns from an answer",
        ),
        "frugal-losses": Entry(
            "tools.passages.frugal_lessons:losses_passage", "Frugal by the norm of its loss"
        ),
        "full-scale-runs": Entry(
            "tools.passages.full_scale:runs_passage", "what attacks reached at a paper's scale"
        ),
        "full-scale-estimates": Entry(
            "tools.passages.full_scale:estimates_passage", "how good estimated gradients were"
        ),
        "full-scale-aims": Entry(
            "tools.passages.full_scale:aims_passage", "what Frugal is to reach there"
        ),
        "performance-aim": Entry(
            "tools.passages.performance:aim_passage", "what one GPU is to do, and does"
        ),
        "performance-cpu-aim": Entry(
            "tools.passages.performance:cpu_aim_passage", "where a CPU does what it is to do"
        ),
        "performance-kernels": Entry(
            "tools.passages.performance:kernels_passage", "what a step waits for on a GPU"
        ),
        "performance-speed": Entry(
            "tools.passages.performance:speed_passage", "queries a second against a plain loop"
        ),
        "performance-honesty": Entry(
            "tools.passages.performance:honesty_passage", "the cost of account, record, display"
        ),
        "performance-operations": Entry(
            "tools.passages.operations:operations_passage", "what a CPU computes of its products"
        ),
        "performance-recording": Entry(
            "tools.passages.performance:recording_passage", "the cost of recording every query"
        ),
        "precision-correlation": Entry(
            "tools.passages.precision:correlation_passage", "correlations over step and arithmetic"
        ),
        "precision-short": Entry(
            "tools.passages.precision:short_passage", "the same, forward, at DFME's own size"
        ),
        "precision-cosines": Entry(
            "tools.passages.precision:cosine_passage", "cosines over the number of directions"
        ),
        "precision-defaults": Entry(
            "tools.passages.precision:default_passage", "the default steps and what they rest on"
        ),
        "precision-students": Entry(
            "tools.passages.precision:students_passage", "copies at equal queries, arm by arm"
        ),
        "precision-students-earlier": Entry(
            "tools.passages.precision:earlier_passage", "the same comparison, on another processor"
        ),
        "precision-verdict": Entry(
            "tools.passages.precision:verdict_passage", "what the comparison of arms says"
        ),
        "noise": Entry("tools.passages.noise:noise_passage", "how far random noise comes"),
        "reproduced": Entry(
            "tools.passages.reproduced:short_passage", "the paper's figures, in a few lines"
        ),
        "reproduced-whole": Entry(
            "tools.passages.reproduced:whole_passage", "every claim of every figure and analysis"
        ),
        "scaling-bytes": Entry(
            "tools.passages.scaling:bytes_table", "what processes of one run send each other"
        ),
        "scaling-predicted": Entry(
            "tools.passages.scaling:predicted_passage", "steps of two processes, by the formula"
        ),
        "vanishing-verdict": Entry(
            "tools.passages.vanishing:verdict_passage", "what diagnoses of gradients say"
        ),
        "vanishing-norms": Entry(
            "tools.passages.vanishing:norms_passage", "norms at the start, the middle and the end"
        ),
        "vanishing-cosines": Entry(
            "tools.passages.vanishing:cosines_passage", "cosines over directions, step, arithmetic"
        ),
    },
)
"""Functions from the folder `results` to Markdown."""

FIGURES: Registry[Callable[[Path], str | None]] = Registry(
    "figure",
    {
        "full-scale": Entry(
            "tools.passages.full_scale:curves_figure", "accuracy over queries at a paper's scale"
        ),
        "precision-correlation": Entry(
            "tools.passages.precision_figure:correlation_figure", "correlation over the step"
        ),
        "precision-students": Entry(
            "tools.passages.precision_figure:students_figure", "agreement of every run by arm"
        ),
        "vanishing-gradients": Entry(
            "tools.passages.vanishing_figure:figure_of_results", "norms and cosines over queries"
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
        raise ConfigError(
            ["A passage begins with <!-- generated: NAME --> and has no <!-- end -->."]
        )
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
