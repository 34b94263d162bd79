import hashlib
from pathlib import Path

import matplotlib
import pytest
import torch

from copycost.datasets import house_numbers as module
from copycost.datasets.base import Labelled
from copycost.datasets.house_numbers import house_numbers, load_small_house_numbers
from copycost.errors import DataError


def _digest(data: Labelled) -> str:
    return hashlib.sha256(data.inputs.numpy().tobytes() + data.labels.numpy().tobytes()).hexdigest()


def test_the_same_seed_gives_the_same_bytes() -> None:
    one, two, other = house_numbers(60, 40), house_numbers(60, 40), house_numbers(60, 40, seed=1)
    assert _digest(one.train) == _digest(two.train) != _digest(other.train)
    assert _digest(one.test) == _digest(two.test) != _digest(other.test)


def test_a_smaller_set_begins_a_larger_one() -> None:
    small, large = house_numbers(30, 10), house_numbers(520, 20)
    assert torch.equal(small.train.inputs, large.train.inputs[:30])
    assert torch.equal(small.test.labels, large.test.labels[:10])


def test_shape_names_and_balance() -> None:
    data = house_numbers(500, 10)
    assert data.spec.shape == (3, 32, 32)
    assert data.provenance == "synthetic house numbers"
    assert "svhn" not in (data.name + data.provenance).lower()
    assert data.train.labels.bincount().tolist() == [50] * 10


def test_the_small_ones_are_means_of_four_values() -> None:
    whole, small = house_numbers(3, 2), load_small_house_numbers()
    assert small.spec.shape == (3, 16, 16)
    assert "halved" in small.provenance
    assert small.origin == whole.origin
    assert (len(small.train), len(small.test)) == (8_000, 2_000)
    blocks = whole.train.inputs.float().reshape(3, 3, 16, 2, 16, 2).mean(dim=(3, 5))
    assert torch.equal(small.train.inputs[:3], blocks.round().to(torch.uint8))
    assert torch.equal(small.train.labels[:3], whole.train.labels)


def test_train_and_test_share_no_image() -> None:
    data = house_numbers(40, 40)
    train = {image.numpy().tobytes() for image in data.train.inputs}
    assert len(train) == 40
    assert train.isdisjoint(image.numpy().tobytes() for image in data.test.inputs)


def test_every_image_has_contrast_in_its_middle() -> None:
    data = house_numbers(500, 10)
    luma = (data.train.values() * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)
    middle = luma[:, 4:28, 8:24].flatten(1)
    spread = middle.quantile(0.95, dim=1) - middle.quantile(0.05, dim=1)
    assert float(spread.min()) > 0.08


def test_missing_fonts_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module._glyphs.cache_clear()
    monkeypatch.setattr(matplotlib, "get_data_path", lambda: str(tmp_path))
    with pytest.raises(DataError, match=r"\.ttf: expected a font of matplotlib"):
        house_numbers(10, 10)
