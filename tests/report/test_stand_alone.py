"""Figures as files of their own."""

from __future__ import annotations

import io

from matplotlib.figure import Figure
from PIL import Image

from copycost.report.figures import FAINT, INK, NOISE, queries_across
from copycost.report.stand_alone import on_paper, png, svg


def drawn() -> Figure:
    figure = Figure(figsize=(4, 3))
    axes = figure.add_subplot()
    axes.plot([0, 1_000], [0.1, 0.9])
    queries_across(axes)
    return figure


def test_a_file_of_svg_is_dark_on_white_and_has_nothing_that_git_would_change() -> None:
    with on_paper("salt"):
        text = svg(drawn(), "A title")
    assert "<dc:title>A title</dc:title>" in text
    assert not [line for line in text.splitlines() if line != line.rstrip()]
    assert "fill: #ffffff" in text
    assert not [colour for colour in (INK, FAINT, NOISE) if colour in text]
    assert "<dc:date>" not in text
    assert text.count("#222222") > 1


def test_a_file_of_png_tells_no_program_and_is_of_its_size_in_inches() -> None:
    with on_paper("salt"):
        content = png(drawn())
    picture = Image.open(io.BytesIO(content))
    assert picture.size == (4 * 150, 3 * 150)
    assert "Software" not in picture.info
    assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
