"""The promise of `make audit`, measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest


def audited(out: Path, *options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "copycost", "audit", "--json", "--out", str(out)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_embedded_default_then_three_seeds_of_what_it_promises(tmp_path):
    default = audited(tmp_path)
    first = {run["attack"]: run for run in default["runs"]}
    assert set(first) == {"dfme", "frugal", "random-noise"}
    assert default["victim"]["accuracy"] > 0.97
    assert first["frugal"]["agreement"] >= first["dfme"]["agreement"]

    # Frugal's other seeds are in results/digits: they would take most of the time.
    result = audited(tmp_path, "--attack", "dfme", "--attack", "random-noise", "--seeds", "3")
    agreement = {
        attack: [run["agreement"] for run in result["runs"] if run["attack"] == attack]
        for attack in ("dfme", "random-noise")
    }
    assert median(agreement["dfme"]) >= 0.90
    # Another processor's rounding trains another victim, and on one of them noise alone comes to
    # 0.67: a ratio of what the two miss holds on each, a difference of what they reach does not.
    missed = {attack: 1 - median(reached) for attack, reached in agreement.items()}
    assert missed["dfme"] <= missed["random-noise"] / 3
    assert {run["ended"] for run in result["runs"]} == {"finished"}
    assert "too-few-seeds" not in {flag["name"] for flag in result["flags"]}
    again = next(run for run in result["runs"] if run["attack"] == "dfme" and run["seed"] == 0)
    assert again["seconds"] == first["dfme"]["seconds"], "a finished run is not repeated"
