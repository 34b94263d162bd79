"""Batches that go through a generator together come out as if each went by itself."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from copycost.attacks.state import Player
from copycost.engine import Engine
from copycost.nets.apart import PLACES, BatchNorm, each
from copycost.nets.dfme_generator import DFMEGenerator
from copycost.schedules import Constant
from copycost.types import InputSpec

SPEC = InputSpec(shape=(1, 8, 8))
PIXELS = 64


def player(precision: str = "float32") -> Player:
    torch.manual_seed(0)
    generator = DFMEGenerator(SPEC, latent=16, width=8)
    optimizer = torch.optim.Adam(generator.parameters(), fused=True)
    return Player(Engine("cpu", precision), generator, optimizer, Constant())


def noise(batches: int, n: int) -> list[Tensor]:
    torch.manual_seed(1)
    return [torch.randn(n, 16) for _ in range(batches)]


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("float32", 1e-5), ("tf32", 1e-2), ("bfloat16", 1e-1)]
)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("batches", "n"), [(9, 32), (5, 2), (1, 32), (3, 200)])
def test_outputs_and_statistics_are_those_of_one_after_the_other(
    batches, n, training, precision, tolerance
):
    together, alone = player(precision), player(precision)
    many = noise(batches, n)
    for one in (together, alone):
        one.module.train(training)
    with torch.no_grad():
        wanted = [alone(batch) for batch in many]
    found = together.each(many, PIXELS)
    assert len(found) == batches
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=tolerance)
    for name, value in alone.network.state_dict().items():
        ours = together.network.state_dict()[name]
        torch.testing.assert_close(ours, value, atol=tolerance, rtol=tolerance, msg=name)


@pytest.mark.parametrize(
    ("batches", "n", "calls"),
    [
        (9, 32, [96, 96, 96]),  # four would be together, and are evened out
        (9, 64, [128, 128, 128, 128, 64]),
        (2, 64, [128]),
        (3, 65, [65, 65, 65]),
        (1, 1, [1]),
    ],
)
def test_small_batches_go_together_up_to_a_number_of_places(batches, n, calls):
    made = player()
    seen: list[int] = []
    made.network.register_forward_hook(lambda _net, z, _x: seen.append(len(z[0])))
    made.each(noise(batches, n), PIXELS)
    assert seen == calls
    seen.clear()
    made.each(noise(2, 2), PLACES)  # of so large images
    assert seen == [2, 2]


class Other(nn.Module):
    """Norms that know nothing of batches kept apart, as those of several processes."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.Sequential(BatchNorm(1), nn.BatchNorm2d(1))

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norms(x)
        return normed


def test_norms_that_cannot_keep_batches_apart_are_given_one_at_a_time():
    net, many = Other(), [torch.randn(4, 1, 2, 2) for _ in range(3)]
    plain = copy.deepcopy(net)
    sizes: list[int] = []

    def call(x: Tensor) -> Tensor:
        sizes.append(len(x))
        made: Tensor = net(x)
        return made

    with torch.no_grad():
        found, wanted = each(net, call, many, 4), [plain(x) for x in many]
    assert sizes == [4, 4, 4]
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(found, wanted, strict=True))
    net.eval()
    sizes.clear()
    each(net, call, many, 4)
    assert sizes == [12]  # in evaluation mode no norm looks at the batch


def test_afterwards_a_batch_is_one_again_even_if_a_call_failed():
    made = player()
    with pytest.raises(RuntimeError):
        made.each([torch.randn(4, 15), torch.randn(4, 15)], PIXELS)
    z = torch.randn(8, 16)
    images = made(z)
    torch.testing.assert_close(images.mean(dim=(0, 2, 3)), torch.zeros(1), atol=1e-5, rtol=0)
    images.sum().backward()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("affine", [True, False])
def test_a_norm_gives_the_same_bits_as_one_batch_after_the_other(affine, dtype):
    apart, alone = BatchNorm(3, affine=affine), nn.BatchNorm2d(3, affine=affine)
    apart.apart = 4
    x = torch.randn(12, 3, 5, 5, dtype=dtype).to(memory_format=torch.channels_last)
    with torch.no_grad():
        assert torch.equal(apart(x), torch.cat([alone(batch) for batch in x.split(4)]))
    for name, value in alone.state_dict().items():
        assert torch.equal(apart.state_dict()[name], value), name


def test_no_gradient_is_lost_unseen():
    norm = BatchNorm(1)
    norm.apart = 2
    with pytest.raises(RuntimeError, match="automatic differentiation"):
        norm(torch.randn(4, 1, 2, 2))
