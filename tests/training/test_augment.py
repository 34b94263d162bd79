"""Augmentation against the obvious way: pad one image, cut one window, turn it over."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import pad

from copycost.training.augment import augment, mirror, shift


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


def images(count, shape, seed=0):
    return torch.randint(0, 256, (count, *shape), generator=chance(seed), dtype=torch.uint8)


def shift_one(image, down, right, most):
    height, width = image.shape[1:]
    padded = pad(image[None].double(), (most,) * 4, mode="reflect")[0].to(image.dtype)
    top, left = most + down, most + right
    return padded[:, top : top + height, left : left + width]


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 6),
    shape=st.tuples(st.integers(1, 3), st.integers(3, 9), st.integers(3, 9)),
    most=st.integers(1, 2),
    seed=st.integers(0, 99),
)
def test_shift_equals_padding_and_cropping_row_by_row(count, shape, most, seed):
    x = images(count, shape, seed)
    down, right = torch.randint(-most, most + 1, (2, count), generator=chance(seed))
    expected = [shift_one(x[i], int(down[i]), int(right[i]), most) for i in range(count)]
    found = shift(x, down, right, most)
    assert found.dtype == torch.uint8
    assert torch.equal(found, torch.stack(expected))


def test_mirror_turns_over_only_the_marked():
    x = images(4, (2, 3, 5))
    which = torch.tensor([True, False, False, True])
    expected = [row.flip(2) if turn else row for row, turn in zip(x, which, strict=True)]
    assert torch.equal(mirror(x, which), torch.stack(expected))


def offsets(crop, count=3000):
    """Shifts read back from an image whose pixels count rows and columns."""
    rows, columns = torch.meshgrid(torch.arange(9), torch.arange(11), indexing="ij")
    x = torch.stack([rows, columns]).to(torch.uint8).expand(count, 2, 9, 11)
    centre = augment(x, crop, False, chance())[:, :, 4, 5].int()
    return centre[:, 0] - 4, centre[:, 1] - 5


@pytest.mark.parametrize("crop", [1, 3])
def test_crops_cover_every_offset_alike_and_no_other(crop):
    for found in offsets(crop):
        values, counts = found.unique(return_counts=True)
        assert values.tolist() == list(range(-crop, crop + 1))
        share = 3000 / (2 * crop + 1)
        assert (counts - share).abs().max() < 5 * share**0.5
    down, right = (found.double() for found in offsets(crop))
    assert abs(torch.corrcoef(torch.stack([down, right]))[0, 1]) < 0.1


def test_half_of_the_images_are_mirrored():
    x = torch.tensor([0, 1], dtype=torch.uint8).expand(4000, 1, 1, 2)
    turned = augment(x, 0, True, chance())[:, 0, 0, 0].double().mean()
    assert abs(turned - 0.5) < 5 * 0.5 / 4000**0.5


def test_nothing_asked_changes_nothing_and_draws_nothing():
    generator = chance()
    before = generator.get_state()
    x = images(3, (1, 4, 4))
    assert torch.equal(augment(x, 0, False, generator), x)
    assert torch.equal(generator.get_state(), before)


def test_values_and_the_original_stay_as_they_are():
    x = images(50, (3, 8, 8))
    kept = x.clone()
    found = augment(x, 2, True, chance())
    assert torch.equal(x, kept)
    for before, after in zip(x.flatten(1), found.flatten(1), strict=True):
        assert set(after.tolist()) <= set(before.tolist())


def test_a_generator_state_gives_the_same_images_and_another_state_others():
    x = images(20, (1, 8, 8))
    one, same = (augment(x, 2, True, chance(1)) for _ in range(2))
    assert torch.equal(one, same)
    assert not torch.equal(one, augment(x, 2, True, chance(2)))


def test_more_than_there_is_to_reflect_is_refused():
    with pytest.raises(ValueError, match="crops of 4 pixels"):
        augment(images(1, (1, 8, 4)), 4, False, chance())
