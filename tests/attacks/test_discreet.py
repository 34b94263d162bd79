"""The attacker that docs/detectors.md measures."""

from __future__ import annotations

import torch

from copycost.attacks.frugal import Frugal
from tools.discreet import Discreet


def test_it_prefers_what_its_student_is_surest_of() -> None:
    p = torch.tensor([[[0.6, 0.4], [0.5, 0.5], [0.9, 0.1]]])
    assert Frugal(members=1).doubt(p).argmax() == 1
    assert Discreet(members=1).doubt(p).argsort(descending=True).tolist() == [2, 0, 1]
