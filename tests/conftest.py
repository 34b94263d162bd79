"""Shapes are checked in tests: jaxtyping and beartype are switched on before the first import."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

CHECKED = ("losses", "recovery", "gradients", "metrics")
install_import_hook([f"copycost.{name}" for name in CHECKED], "beartype.beartype")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    # Several test processes side by side would otherwise fight for the two cores.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data, where this machine has it."""
    folder = os.environ.get("COPYCOST_TEST_DATA")
    if not folder:
        pytest.skip("COPYCOST_TEST_DATA is not set: no real data on this machine")
    return Path(folder)
