import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from copycost.datasets.base import Dataset, Labelled
from copycost.errors import DataError, SpecMismatch
from copycost.types import InputSpec, Modality


def _labelled(n: int = 4, shape: tuple[int, ...] = (3, 2, 5), top: int = 1) -> Labelled:
    inputs = torch.arange(n * shape[0] * shape[1] * shape[2]).reshape(n, *shape) % 256
    return Labelled(inputs.to(torch.uint8), torch.arange(n) % (top + 1))


def test_floats_are_the_bytes_over_255() -> None:
    data = _labelled()
    assert len(data) == 4
    floats = data.values()
    assert floats.dtype == torch.float32
    assert torch.equal((floats * 255).round().to(torch.uint8), data.inputs)
    assert float(data.values().max()) <= 1


def test_floats_of_a_slice_and_of_indices() -> None:
    data = _labelled()
    assert torch.equal(data.values(slice(1, 3), "cpu"), data.values()[1:3])
    assert torch.equal(data.values(torch.tensor([2, 0])), data.values()[[2, 0]])


def test_labelled_names_every_fault_at_once() -> None:
    with pytest.raises(DataError) as caught:
        Labelled(torch.zeros(3, 1, 2, 2).half(), torch.zeros(2, dtype=torch.int32))
    message = str(caught.value)
    assert "images as uint8 [N, C, H, W], numbers as float32 [N, ...] or tokens" in message
    assert "int64" in message
    assert "each of 3 inputs, got 2" in message


def test_arrays_are_told_where_they_are_taken() -> None:
    images: Any = np.zeros((2, 1, 2, 2), dtype=np.uint8)
    labels: Any = np.arange(2)
    pairs: list[Any] = [(images, labels), (torch.from_numpy(images), [0, 1])]
    for inputs, given in pairs:
        with pytest.raises(DataError, match=r"expected tensors, got .*Labelled.from_arrays"):
            Labelled(inputs, given)
    data = Labelled.from_arrays(images, labels.astype(np.uint8))
    assert data.labels.tolist() == [0, 1]


@pytest.mark.parametrize("labels", [np.array([0.0, 1.9]), np.array([True, False]), ["a", "b"]])
def test_labels_are_not_cut_off(labels: Any) -> None:
    images: Any = np.zeros((2, 1, 2, 2), dtype=np.uint8)
    with pytest.raises(DataError, match="or tokens, and integer labels, got uint8 and"):
        Labelled.from_arrays(images, labels)
    with pytest.raises(DataError, match="got bool and int64"):
        Labelled.from_arrays(images.astype(bool), np.arange(2))


def test_tokens_are_kept_as_they_are_and_are_no_images_or_numbers() -> None:
    tokens: Any = np.array([[0, 5], [2, 300], [7, 0]], dtype=np.uint16)
    data = Labelled.from_arrays(tokens, np.array([0, 1, 1]))
    assert data.values(torch.tensor([1, 0])).tolist() == [[2, 300], [0, 5]]
    text = InputSpec((2,), modality=Modality.TEXT, vocabulary=301)
    assert torch.equal(data.in_range(text).values(), torch.tensor(tokens.astype(int)))
    with pytest.raises(SpecMismatch, match=r"tokens from 0 to 299, got tokens from 0 to 300"):
        data.in_range(replace(text, vocabulary=300))
    with pytest.raises(SpecMismatch, match=r"expected floating-point values, got torch\.int64"):
        data.in_range(InputSpec((2,), modality=Modality.TABULAR))
    rows = Labelled(torch.rand(3, 2), data.labels)
    with pytest.raises(SpecMismatch, match=r"expected token numbers, got torch\.float32"):
        rows.in_range(text)
    pixels = Labelled(torch.zeros(3, 1, 4, 4, dtype=torch.uint8), data.labels)
    with pytest.raises(SpecMismatch, match=r"expected token numbers, got torch\.float32"):
        pixels.in_range(InputSpec((1, 4, 4), vocabulary=256))
    with pytest.raises(DataError, match=r"torch\.uint8 \[3, 2\] \(.*: convert tokens to int64"):
        Labelled(torch.zeros(3, 2, dtype=torch.uint8), data.labels)


def test_numbers_are_kept_as_they_are_in_any_shape() -> None:
    rows: Any = np.array([[-1.0, 0.1], [2.5, 3.0], [0.0, 1 / 3]])
    data = Labelled.from_arrays(rows, np.array([0, 1, 1]))
    assert data.inputs.dtype == torch.float32
    assert data.shape == (2,)
    assert torch.equal(data.values(torch.tensor([2, 0])), torch.tensor(rows[[2, 0]]).float())
    spec = InputSpec((2,), low=-1.0, high=3.0, modality=Modality.TABULAR)
    assert torch.equal(data.in_range(spec).values(), torch.tensor(rows).float())
    with pytest.raises(SpecMismatch, match=r"inputs in \[0, 1\], got values from -1 to 3"):
        data.in_range(InputSpec((2,), modality=Modality.TABULAR))
    with pytest.raises(DataError, match=r"got torch.float32 \[3\]"):
        Labelled(torch.rand(3), torch.zeros(3, dtype=torch.int64))


def test_no_images_is_an_error() -> None:
    with pytest.raises(DataError, match="at least one input"):
        Labelled(torch.zeros(0, 1, 2, 2, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64))


def test_dataset_knows_its_spec() -> None:
    data = Dataset("tiny", "Tiny (made up)", ("a", "b"), _labelled(), _labelled(2))
    assert data.classes == 2
    assert data.spec.shape == (3, 2, 5)
    data.spec.check_range(data.test.values())


def test_dataset_refuses_labels_out_of_range_and_other_shapes() -> None:
    with pytest.raises(DataError) as caught:
        Dataset("t", "Tiny", ("a", "b"), _labelled(top=2), _labelled(shape=(1, 2, 5)))
    message = str(caught.value)
    assert message.startswith("Tiny: ")
    assert "train labels from 0 to 1, got 0 to 2" in message
    assert "[3, 2, 5] and [1, 2, 5]" in message


def test_one_class_is_no_data_set() -> None:
    with pytest.raises(DataError, match="2 or more classes"):
        Dataset("t", "Tiny", ("a",), _labelled(top=0), _labelled(top=0))


def test_listing_and_fetching_do_not_import_torch() -> None:
    code = (
        "import sys, copycost.datasets as d, copycost.datasets.fetch;"
        "[d.DATASETS.summary(n) for n in d.DATASETS];"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
