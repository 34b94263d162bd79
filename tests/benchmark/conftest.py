from __future__ import annotations

import pytest

from copycost.benchmark.plan import Plan
from copycost.benchmark.settings import Setting

TINY = Setting("tiny", (1, 8, 8), "lenet", "gap-cnn", {"width": 8, "latent": 8, "student_steps": 2})


@pytest.fixture
def plan() -> Plan:
    """A plan that takes no time at all."""
    return Plan(TINY, 16, "float32", "off", "cpu", repetitions=3, seconds=0.01)
