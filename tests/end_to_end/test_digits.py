"""The promise of `make audit`, measured."""

from __future__ import annotations

import json
import subprocess
import sys
from statistics import median

import pytest


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_three_seeds_of_the_embedded_default(tmp_path):
    command = [sys.executable, "-m", "copycost.cli", "audit", "--seeds", "3", "--json"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], capture_output=True, text=True, check=True
    )
    result = json.loads(done.stdout)
    agreement = {
        attack: median(r["agreement"] for r in result["runs"] if r["attack"] == attack)
        for attack in ("dfme", "frugal", "random-noise")
    }
    assert result["victim"]["accuracy"] > 0.97
    assert agreement["dfme"] >= 0.90
    assert agreement["dfme"] - agreement["random-noise"] >= 0.30
    assert agreement["frugal"] >= agreement["dfme"]
    assert {r["ended"] for r in result["runs"]} == {"finished"}
    assert "too-few-seeds" not in {flag["name"] for flag in result["flags"]}
