"""The files beside a page: figures, and numbers as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from copycost.files import write_atomically

PICTURES = ("svg", "png")


def write_beside(folder: Path, name: str, contents: Mapping[str, bytes]) -> list[str]:
    """Write `contents`, by file ending, into `folder` as NAME.ENDING; return the files' names.

    An earlier picture is removed if there is none among them.
    """
    for ending in PICTURES:
        if ending not in contents:
            (folder / f"{name}.{ending}").unlink(missing_ok=True)
    for ending, content in contents.items():
        write_atomically(folder / f"{name}.{ending}", content)
    return [f"{name}.{ending}" for ending in contents]


def as_csv(columns: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """A table as CSV, with `columns` for its head."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *lines])
    return text.getvalue()
