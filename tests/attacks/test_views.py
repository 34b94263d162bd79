"""Views of images: what they change, how far, and that nothing else is changed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from copycost.attacks import views as made
from copycost.attacks.views import _bent, _cut, _recoloured, _whole_pixels, strong, weak
from copycost.noise import Noise
from copycost.types import InputSpec

CPU = torch.device("cpu")
SPEC = InputSpec((1, 64, 64), low=-1.0, high=3.0)


def test_a_bent_view_is_turned_sheared_or_zoomed_and_one_of_them_alone():
    maps = _bent(3_000, 1.0, Noise(0, CPU))
    maps = maps[
        (maps - torch.eye(2)).abs().amax(dim=(1, 2)) > 0.01
    ]  # of small ones none tells its kind
    (a, b), (c, d) = maps.permute(1, 2, 0)
    still = torch.isclose(a, torch.ones(()), atol=1e-6) & torch.isclose(
        d, torch.ones(()), atol=1e-6
    )
    turned = (
        torch.isclose(a * d - b * c, torch.ones(()), atol=1e-5)
        & torch.isclose(b, -c, atol=1e-6)
        & ~still
    )
    sheared = still & (c == 0)
    zoomed = (b == 0) & (c == 0) & (a == d) & ~still
    assert bool((turned ^ sheared ^ zoomed).all())
    for kind in (turned, sheared, zoomed):
        assert 850 < int(kind.sum()) < 1_100
    assert float(torch.atan2(c, a)[turned].abs().max()) == pytest.approx(math.pi / 6, rel=0.02)
    assert float(b[sheared].abs().max()) == pytest.approx(0.3, rel=0.02)
    assert float(a[zoomed].max()) == pytest.approx(1.4, rel=0.02)
    assert float(a[zoomed].min()) == pytest.approx(1 / 1.4, rel=0.02)


def test_a_recoloured_view_has_another_contrast_or_another_brightness():
    """Of each image alone, by shares of the range, here 4 wide."""
    middle = torch.linspace(0.7, 1.3, 400).view(-1, 1, 1, 1)
    x = middle + 0.1 * (torch.rand(400, 1, 8, 8, generator=torch.Generator().manual_seed(0)) - 0.5)
    seen = _recoloured(x, SPEC, Noise(0, CPU))
    moved = (seen - x).flatten(1)
    brighter = (moved.amax(1) - moved.amin(1)) < 1e-5
    contrast = (seen - x).mean(dim=(1, 2, 3)).abs() < 1e-5
    assert bool((brighter ^ contrast).all())
    assert 150 < int(brighter.sum()) < 250
    assert float(moved[brighter].abs().max()) == pytest.approx(0.4 * 4, rel=0.05)
    spreads = (seen.std(dim=(1, 2, 3)) / x.std(dim=(1, 2, 3)))[contrast]
    assert float(spreads.max()) == pytest.approx(3, rel=0.1)
    assert float(spreads.min()) == pytest.approx(1 / 3, rel=0.1)


def test_what_is_cut_out_is_mid_grey_and_no_more_than_half_a_side():
    seen = _cut(torch.full((500, 1, 64, 64), 2.5), SPEC, Noise(0, CPU))
    assert set(seen.unique().tolist()) == {1.0, 2.5}
    gone = seen[:, 0] == 1.0
    for sides in (gone.any(dim=1).sum(dim=1), gone.any(dim=2).sum(dim=1)):
        assert 28 < int(sides.max()) <= 32


def test_strong_views_are_cut_into():
    views = strong(torch.full((200, 1, 64, 64), 2.5), SPEC, Noise(0, CPU), 0.125, True)
    assert int((views.flatten(1).amax(1) > views.flatten(1).amin(1)).sum()) > 150


def test_a_view_shows_the_image_mirrored_past_its_edge():
    x = torch.full((50, 1, 8, 8), 2.0)
    assert torch.allclose(
        weak(x, InputSpec((1, 8, 8), low=-1.0, high=3.0), Noise(0, CPU), 0.5, False), x
    )


def test_every_move_by_whole_pixels_is_as_likely():
    far = (torch.arange(5_000) + 0.5) / 2_500 - 1
    moves = _whole_pixels(far, side=8, shift=0.25) * 8 / 2  # a side is 2 long
    assert moves.unique(return_counts=True)[0].tolist() == [-2, -1, 0, 1, 2]
    assert moves.unique(return_counts=True)[1].tolist() == [1_000] * 5


def test_no_move_is_longer_than_the_longest():
    assert (_whole_pixels(torch.tensor([-1.0, 1.0]), 8, 0.125) * 8 / 2).tolist() == [-1, 1]


@pytest.mark.parametrize("flip", [False, True])
def test_weak_views_are_all_the_windows_of_the_mirrored_image(flip):
    """By up to two pixels: 1.5 and 2.5 are both rounded to 2. Images may be mirrored sideways."""
    x = torch.rand(2, 6, 10, generator=torch.Generator().manual_seed(0))
    wide = torch.from_numpy(np.pad(x.numpy(), ((0, 0), (2, 2), (2, 2)), mode="symmetric"))
    windows = [
        wide[:, down : down + 6, right : right + 10] for down in range(5) for right in range(5)
    ]
    if flip:
        windows += [window.flip(2) for window in windows]
    spec = InputSpec((2, 6, 10))
    seen = weak(x.expand(2_000, 2, 6, 10), spec, Noise(0, CPU), 0.25, flip)
    gaps = torch.stack([(seen - window).abs().amax(dim=(1, 2, 3)) for window in windows])
    found = gaps < 1e-4
    assert bool((found.sum(dim=0) == 1).all())
    counts, expected = found.sum(dim=1), 2_000 / len(windows)
    assert 0.4 * expected < int(counts.min()) <= int(counts.max()) < 1.6 * expected


def test_a_disc_in_a_wide_image_stays_one_when_it_is_turned(monkeypatch):
    for later in ("_recoloured", "_cut"):
        monkeypatch.setattr(made, later, lambda x, *_: x)
    down, across = torch.arange(32) - 15.5, torch.arange(64) - 31.5
    disc = (-(down[:, None] ** 2 + across**2) / 50).exp()
    spec = InputSpec((1, 32, 64))
    seen = strong(disc.expand(600, 1, 32, 64), spec, Noise(0, CPU), 0.0, False)
    still = (seen - disc).abs().amax(dim=(1, 2, 3)) < 0.02
    # A third is turned, which a disc does not show; few are sheared or zoomed as little.
    assert 0.33 < float(still.float().mean()) < 0.5


def test_contrast_is_of_all_channels_together():
    x = torch.tensor([0.9, 1.1]).view(1, 2, 1, 1).expand(400, 2, 4, 4)
    low, high = _recoloured(x, SPEC, Noise(0, CPU))[:, :, 0, 0].T
    spread = (high - low - 0.2).abs() > 1e-5
    assert 150 < int(spread.sum()) < 250
    torch.testing.assert_close((low + high)[spread] / 2, torch.ones(int(spread.sum())))


@pytest.mark.parametrize("level", [-1.0, 2.9])
def test_a_recoloured_view_stays_in_range(level):
    SPEC.check_range(_recoloured(torch.full((100, 1, 4, 4), level), SPEC, Noise(0, CPU)))


def test_cuts_are_anywhere_of_any_size_and_as_wide_as_they_are_high_in_shares():
    gone = _cut(torch.full((1_000, 1, 32, 64), 2.5), SPEC, Noise(0, CPU))[:, 0] == 1.0
    high, wide = gone.any(dim=2).sum(dim=1), gone.any(dim=1).sum(dim=1)
    assert bool(gone.any(dim=0).all())
    inside = ~(
        gone[:, 0].any(1) | gone[:, -1].any(1) | gone[:, :, 0].any(1) | gone[:, :, -1].any(1)
    )
    assert int(((wide[inside] - 2 * high[inside]).abs() <= 2).sum()) == int(inside.sum())
    # Sides are uniform up to half the image's.
    assert float((wide[inside] <= 8).float().mean()) > 0.2


def test_strong_views_are_recoloured_before_they_are_cut_in_mid_grey():
    seen = strong(torch.full((200, 1, 32, 32), 2.5), SPEC, Noise(0, CPU), 0.125, True)
    colours = [set((view * 1_000).round().int().unique().tolist()) for view in seen]
    assert all(len(colour - {1_000}) <= 1 for colour in colours)
    assert sum(1_000 in colour for colour in colours) > 150
    assert 50 < sum(2_500 not in colour for colour in colours) < 150
