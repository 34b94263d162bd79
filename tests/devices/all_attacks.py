"""Every attack runs for some steps on a device; what became of it goes out as JSON.

`test_pretended.py` runs this in a process of its own, in which a device is pretended.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from copycost.attacks import ATTACKS
from copycost.oracle.meter import CountedOracle
from copycost.runner.extract import advance
from copycost.testing import tiny_victim
from tests.contracts.test_attacks import begin, make, weights

STEPS = 4
"""Of a run; the waiting of the last half counts."""


def carry_out(name: str, device: str, waits: Counter[str]) -> dict[str, Any]:
    """A short run; the victim is on the CPU, as the victims of users often are."""
    attack = make(name)
    budget = STEPS * attack.batch_size * attack.queries_per_image
    oracle = CountedOracle(tiny_victim(), access="probabilities", budget=int(budget))
    state = begin(attack, oracle, device=device)
    before = weights(state)
    while not attack.done(state, oracle):
        if oracle.spent < oracle.budget / 2:
            waits.clear()
        advance(attack, state, oracle)
    moved = weights(state) - before
    waited = {line: n for line, n in waits.items() if not line.startswith("victims/")}
    return {
        "device": moved.device.type,
        "spent": oracle.spent,
        "moved": moved.tolist(),
        "waits": waited,
    }


if __name__ == "__main__":
    # The very module that started this script: it counts.
    counted: Counter[str] = sys.modules["pretended"].waits
    json.dump({name: carry_out(name, "cuda", counted) for name in ATTACKS}, sys.stdout)
