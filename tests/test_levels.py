"""Images as bytes and back, against arithmetic by hand."""

from __future__ import annotations

import pytest
import torch

from copycost.levels import as_bytes, dequantise, quantise
from copycost.types import InputSpec


def test_scratch_memory_is_used_and_the_callers_tensor_left_alone() -> None:
    spec = InputSpec(shape=(1, 2, 2), low=-1.0, high=1.0)
    x = torch.tensor([-1.0, 0.0, 0.5, 1.0]).view(1, 1, 2, 2)
    levels = quantise(x, spec, torch.empty_like(x))
    assert levels.flatten().tolist() == [0, 128, 191, 255]
    assert x.flatten().tolist() == [-1.0, 0.0, 0.5, 1.0]


def test_inputs_of_low_precision_are_quantised_in_float32() -> None:
    """In bfloat16's own arithmetic many would be put beside their level."""
    spec = InputSpec(shape=(1, 64, 64), low=-1.0, high=1.0)
    x = torch.linspace(-1, 1, 4096).view(1, 1, 64, 64).bfloat16()
    exact = 127.5 * (x.double() + 1)
    assert (quantise(x, spec) - exact).abs().max() < 0.501
    assert ((127.5 * x + 127.5).round() - exact).abs().max() > 0.6


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-2.1, 2.64), (0.0, 0.1)])
def test_levels_are_in_range_and_come_back_as_themselves(low: float, high: float) -> None:
    spec = InputSpec(shape=(1, 16, 16), low=low, high=high)
    levels = torch.arange(256, dtype=torch.uint8)
    values = dequantise(levels, spec)
    spec.check_range(values)
    assert torch.equal(quantise(values, spec), levels)
    assert torch.equal(as_bytes(values, spec), values)


def test_what_a_byte_loses_is_half_a_step_at_most() -> None:
    spec = InputSpec(shape=(1, 16, 16), low=-1.0, high=3.0)
    x = torch.linspace(-1, 3, 1001)
    assert (as_bytes(x, spec) - x).abs().max() <= 4 / 510 + 1e-6
