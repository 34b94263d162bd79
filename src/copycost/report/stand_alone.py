"""Figures as files of their own: dark on white in every theme, the same bytes every time."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from copycost.report.figures import FAINT, INK, SETTINGS, drawn_with, undated_svg

COLOURS = {INK: "#222222", FAINT: "#888888"}
"""Fixed colours in place of the page's placeholders."""
DOTS_PER_INCH = 150


@contextmanager
def on_paper(salt: str) -> Iterator[None]:
    """Context in which figures are drawn for a file, in fixed colours."""
    fixed = {key: COLOURS.get(str(value), value) for key, value in SETTINGS.items()}
    paper = {"svg.hashsalt": salt, "figure.facecolor": "white", "font.size": 10}
    with drawn_with(fixed | paper):
        yield


def svg(figure: Figure, title: str | None = None) -> str:
    """The figure as an SVG file without a date."""
    # Git and editors would strip the blanks that Matplotlib leaves at the ends of lines.
    return re.sub(r"[ \t]+$", "", undated_svg(figure, title), flags=re.MULTILINE)


def png(figure: Figure) -> bytes:
    """The figure as a PNG file without the name of the program."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()
