"""What a pool is: bytes of the victim's shape, converted by a stated rule, and no labels."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest
import torch

from copycost.attacks import ATTACKS
from copycost.errors import ConfigError
from copycost.pool import Pool
from copycost.runner import pools
from copycost.runner.config import RunConfig
from copycost.settings import read_settings
from copycost.testing import TINY
from copycost.types import InputSpec, Modality

COLOUR = InputSpec(shape=(3, 8, 8))


def images(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).byte()


def test_images_that_fit_are_taken_as_they_are():
    found = images(5, 1, 8, 8)
    pool = Pool.fitting(found, TINY, "five")
    assert torch.equal(pool.images, found)
    assert (len(pool), pool.conversion) == (5, "")


def test_red_green_and_blue_become_grey_by_luma():
    found = torch.zeros(3, 3, 8, 8, dtype=torch.uint8)
    for channel in range(3):
        found[channel, channel] = 255
    pool = Pool.fitting(found, TINY, "colours")
    # 0.299, 0.587 and 0.114 of 255
    assert [int(image[0, 0, 0]) for image in pool.images] == [76, 150, 29]
    assert pool.conversion == "RGB to grey by luma"


def test_grey_becomes_three_equal_channels():
    found = images(4, 1, 8, 8)
    pool = Pool.fitting(found, COLOUR, "grey")
    assert all(torch.equal(pool.images[:, c], found[:, 0]) for c in range(3))
    assert pool.conversion == "grey to 3 channels"


def test_pools_of_the_same_images_in_the_same_order_have_one_hash():
    found = images(6, 1, 8, 8)
    same = Pool(found.clone().transpose(2, 3).contiguous().transpose(2, 3), TINY, "others' name")
    others = [found.flip(0), found[:5], found.reshape(6, 1, 4, 16), images(7, 1, 8, 8)[1:]]
    pools_of = [Pool(x, InputSpec(tuple(x.shape[1:])), "six") for x in [found, *others]]
    assert same.content_hash == pools_of[0].content_hash
    assert len({pool.content_hash for pool in pools_of}) == 5


def test_sizes_are_brought_together_and_the_record_says_so():
    found = torch.zeros(2, 1, 16, 16, dtype=torch.uint8)
    found[:, :, :, 8:] = 200
    pool = Pool.fitting(found, TINY, "halves")
    assert pool.images.shape == (2, 1, 8, 8)
    assert torch.equal(pool.images[0, 0, :, 0], torch.zeros(8, dtype=torch.uint8))
    assert torch.equal(pool.images[0, 0, :, 7], torch.full((8,), 200, dtype=torch.uint8))
    assert pool.conversion == "16×16 to 8×8, bilinear"
    both = Pool.fitting(images(2, 3, 4, 6), TINY, "small")
    assert both.conversion == "RGB to grey by luma; 4×6 to 8×8, bilinear"


def test_what_cannot_be_converted_is_refused():
    with pytest.raises(ConfigError, match="no rule to make 1 of them"):
        Pool.fitting(images(2, 4, 8, 8), TINY, "four channels")
    with pytest.raises(ConfigError, match="at least one image"):
        Pool.fitting(images(0, 1, 8, 8), TINY, "nothing")
    with pytest.raises(ConfigError, match="victim takes tabular"):
        Pool.fitting(images(2, 1, 8, 8), InputSpec((5,), modality=Modality.TABULAR), "rows")
    with pytest.raises(ConfigError, match="expected uint8"):
        Pool(torch.rand(2, 1, 8, 8), TINY, "floats")


def test_floats_are_in_the_range_of_the_spec():
    levels = torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 1, 8, 8)
    pool = Pool(levels, InputSpec((1, 8, 8), low=-1.0, high=3.0), "levels")
    found = pool.floats(torch.tensor([2, 0, 1]))
    assert found[:, 0, 0, 0].tolist() == pytest.approx([3.0, -1.0, -0.2])


def test_labels_are_never_looked_at(monkeypatch):
    # A data set without labels does: whoever asked for them would fail.
    train = SimpleNamespace(inputs=images(6, 1, 8, 8))
    dataset = SimpleNamespace(train=train, provenance="mute", origin="mute")
    monkeypatch.setattr(pools, "load", lambda reference: dataset)
    pools._training_images.cache_clear()
    config = RunConfig.read({"attack": "knockoff", "pool": "digits"})
    attack = read_settings(ATTACKS["knockoff"], {})
    pool = pools.load_pool(config, attack, TINY)
    pools._training_images.cache_clear()
    assert pool is not None
    assert torch.equal(pool.images, images(6, 1, 8, 8))
    assert {field.name for field in dataclasses.fields(pool)} == {
        "images", "spec", "name", "conversion", "origin",
    }  # fmt: skip
