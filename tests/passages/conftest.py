"""Records are made up as they are for the report."""

from __future__ import annotations

from collections.abc import Iterable

from copycost.runner.record import Surroundings
from tests.report.conftest import make_record

__all__ = ["make_record"]

AROUND = Surroundings(
    hardware="a test machine", device="cpu", threads=1, versions={"torch": "2.8"},
    commit="0123abc", arithmetic={},
)  # fmt: skip


def cells_of(rows: Iterable[str]) -> list[list[str]]:
    """The cells of a Markdown table's rows."""
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
