"""Shapes are checked in tests: jaxtyping and beartype are switched on before the first import."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

Cli = Callable[..., tuple[int, str, str]]
CHECKED = ("losses", "recovery", "gradients", "metrics")
install_import_hook([f"copycost.{name}" for name in CHECKED], "beartype.beartype")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    # Several test processes side by side would otherwise fight for the two cores.
    torch.set_num_threads(1)


@pytest.fixture
def copycost(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run the command line in this process: exit status, standard output, standard error."""
    from copycost.cli import main

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["copycost", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        code = ended.value.code
        return (code if isinstance(code, int) else int(code is not None)), out, err

    return run


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data, where this machine has it."""
    folder = os.environ.get("COPYCOST_TEST_DATA")
    if not folder:
        pytest.skip("COPYCOST_TEST_DATA is not set: no real data on this machine")
    return Path(folder)
