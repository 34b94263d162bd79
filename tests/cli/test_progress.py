"""The line that moves while a run goes on."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from rich.console import Console

from copycost.cli import progress
from copycost.cli.progress import LiveDisplay
from copycost.runner.config import RunConfig


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch):
    """What a terminal shows last after steps at which so many queries had been spent."""
    monkeypatch.setattr(progress, "REDRAW_SECONDS", 1e-9)
    config = RunConfig(attack="random-noise", victim="digits-cnn", budget=100)

    def after(*spent: int) -> str:
        terminal = StringIO()
        console = Console(file=terminal, force_terminal=True, width=120, color_system=None)
        with LiveDisplay(console).run(config, "1/1") as watcher:
            for queries in spent:
                watcher.step(queries)
        plain = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", terminal.getvalue())
        return [line for line in plain.splitlines() if line.strip()][-1]

    return after


def test_a_run_that_asks_shows_its_speed(shown):
    line = shown(10, 50)
    assert "50/100" in line
    assert "/s" in line
    assert "training" not in line


def test_a_run_that_learns_from_its_last_answers_does_not_claim_to_end_at_once(shown):
    line = shown(50, 100, 100)
    assert "100/100" in line
    assert "training" in line
    assert line.rstrip().endswith("left ?")
