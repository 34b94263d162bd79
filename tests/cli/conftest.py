"""What several tests of the command line need."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def own_modules(tmp_path, monkeypatch) -> Iterator[Callable[..., Path]]:
    """A function that puts the user's modules, texts by name, where Python looks for modules.

    Child processes look there, too. Returns the folder.
    """
    place: Path = tmp_path / "own"
    place.mkdir()
    monkeypatch.syspath_prepend(place)
    monkeypatch.setenv("PYTHONPATH", str(place), prepend=":")

    def put(**texts: str) -> Path:
        for name, text in texts.items():
            (place / f"{name}.py").write_text(text)
        return place

    yield put
    for file in place.glob("*.py"):
        sys.modules.pop(file.stem, None)
