import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from copycost.datasets import fashion_mnist, load
from copycost.datasets.fashion_mnist import (
    CLASS_NAMES,
    DEBIAN,
    load_fashion_mnist,
    load_small_fashion_mnist,
    read_fashion_mnist,
)
from copycost.errors import DataError

SIZES = (12, 5)
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def pixel(n, row, column):
    """A value that no other place near it has, so that no two axes can be mixed up."""
    return (n * 97 + row * 31 + column * 7) % 256


def image_bytes(count):
    """An IDX file written out byte by byte, as Zalando's are."""
    values = [pixel(n, r, c) for n in range(count) for r in range(28) for c in range(28)]
    head = [0, 0, 8, 3, *length(count), 0, 0, 0, 28, 0, 0, 0, 28]
    return bytes(head + values)


def label_bytes(count):
    return bytes([0, 0, 8, 1, *length(count), *((n * 3) % 10 for n in range(count))])


def length(count):
    return 0, 0, *divmod(count, 256)


CONTENT = {
    IMAGES: image_bytes(SIZES[0]),
    LABELS: label_bytes(SIZES[0]),
    TEST_IMAGES: image_bytes(SIZES[1]),
    TEST_LABELS: label_bytes(SIZES[1]),
}


@pytest.fixture
def folder(tmp_path):
    for name, content in CONTENT.items():
        write(tmp_path, name, content)
    return tmp_path


def write(folder, name, content):
    (folder / f"{name}.gz").write_bytes(gzip.compress(content))


def test_pixels_and_labels_are_where_the_files_have_them(folder: Path) -> None:
    data = read_fashion_mnist(folder, SIZES)
    assert (len(data.train), len(data.test)) == SIZES
    assert data.spec.shape == (1, 28, 28)
    for n, row, column in [(0, 0, 0), (11, 27, 5), (3, 6, 20)]:
        assert data.train.inputs[n, 0, row, column] == pixel(n, row, column)
    assert data.test.inputs[4, 0, 2, 1] == pixel(4, 2, 1)
    assert data.train.labels.tolist() == [0, 3, 6, 9, 2, 5, 8, 1, 4, 7, 0, 3]
    assert data.test.labels.tolist() == [0, 3, 6, 9, 2]


def test_it_knows_what_it_is(folder: Path) -> None:
    data = read_fashion_mnist(folder, SIZES)
    assert (data.name, data.provenance) == ("fashion-mnist", "Fashion-MNIST")
    assert data.class_names[0] == "T-shirt/top"
    assert data.class_names[9] == "Ankle boot"
    assert data.classes == 10


def test_unpacked_files_are_the_same(folder: Path) -> None:
    packed = read_fashion_mnist(folder, SIZES)
    for name, content in CONTENT.items():
        (folder / f"{name}.gz").unlink()
        (folder / name).write_bytes(content)
    plain = read_fashion_mnist(folder, SIZES)
    assert torch.equal(plain.train.inputs, packed.train.inputs)
    assert torch.equal(plain.test.labels, packed.test.labels)


def test_missing_files_are_named_at_once_with_every_way_to_get_them(folder: Path) -> None:
    (folder / f"{IMAGES}.gz").unlink()
    (folder / f"{TEST_LABELS}.gz").unlink()
    with pytest.raises(DataError) as caught:
        read_fashion_mnist(folder, SIZES)
    message = str(caught.value)
    assert f"no {IMAGES}.gz, {TEST_LABELS}.gz;" in message
    for way in ("apt install dataset-fashion-mnist", "data fetch fashion-mnist", "fashion-mnist:/"):
        assert way in message


@pytest.mark.parametrize("name", CONTENT)
@pytest.mark.parametrize("end", [0, 10, -9, -1])
def test_a_cut_gzip_file_is_refused(folder: Path, name: str, end: int) -> None:
    path = folder / f"{name}.gz"
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(DataError, match=name):
        read_fashion_mnist(folder, SIZES)


@pytest.mark.parametrize(
    ("where", "said"), [(0, "Not a gzipped file"), (10, "invalid block type"), (-6, "CRC")]
)
def test_a_damaged_gzip_file_is_refused(folder: Path, where: int, said: str) -> None:
    path = folder / f"{TEST_LABELS}.gz"
    content = bytearray(path.read_bytes())
    content[where] = 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{TEST_LABELS}\.gz: expected a whole file, .*{said}"):
        read_fashion_mnist(folder, SIZES)


@pytest.mark.parametrize(
    ("content", "came"),
    [
        (b"", "one that starts with nothing"),
        (CONTENT[LABELS][:6], "one that starts with 00 00 08 01 00 00"),
        (b"\0\0\x0d" + CONTENT[LABELS][3:], "one that starts with 00 00 0d 01"),  # floats
        (CONTENT[IMAGES], r"one of uint8 \[12, 28, 28\]"),
        (CONTENT[TEST_LABELS], r"one of uint8 \[5\]"),
    ],
)
def test_another_head_is_refused(folder: Path, content: bytes, came: str) -> None:
    write(folder, LABELS, content)
    expected = rf"{LABELS}\.gz: expected an IDX file of uint8 \[12\], got {came}"
    with pytest.raises(DataError, match=expected):
        read_fashion_mnist(folder, SIZES)


@pytest.mark.parametrize(
    ("content", "came"), [(CONTENT[LABELS][:-1], "19"), (CONTENT[LABELS] + b"\0", "more")]
)
def test_a_length_other_than_the_head_says_is_refused(
    folder: Path, content: bytes, came: str
) -> None:
    write(folder, LABELS, content)
    with pytest.raises(DataError, match=rf"{LABELS}\.gz: expected 20 bytes unpacked, got {came};"):
        read_fashion_mnist(folder, SIZES)


def test_a_label_beyond_the_classes_is_refused(folder: Path) -> None:
    write(folder, TEST_LABELS, CONTENT[TEST_LABELS][:-1] + b"\x0a")
    with pytest.raises(
        DataError, match=rf"{TEST_LABELS}\.gz: expected labels from 0 to 9, got .*10"
    ):
        read_fashion_mnist(folder, SIZES)


def test_part_of_fashion_mnist_is_not_fashion_mnist(folder: Path) -> None:
    with pytest.raises(DataError, match=r"\[60000, 28, 28\], got one of uint8 \[12, 28, 28\]"):
        load(f"fashion-mnist:{folder}")


def test_debians_folder_comes_before_the_usual_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(fashion_mnist, "read_fashion_mnist", asked.append)
    monkeypatch.setenv("COPYCOST_DATA", "/usual")
    for debian in (folder, folder / "not-installed"):
        monkeypatch.setattr(fashion_mnist, "DEBIAN", debian)
        load_fashion_mnist(None)
        load_fashion_mnist(Path("/mine"))
    assert asked == [folder, Path("/mine"), Path("/usual/fashion-mnist"), Path("/mine")]


def test_the_small_one_is_framed_then_halved(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read_fashion_mnist(folder, SIZES)
    monkeypatch.setattr(fashion_mnist, "load_fashion_mnist", lambda path: whole)
    small = load_small_fashion_mnist(None)
    assert small.spec.shape == (1, 16, 16)
    assert small.name == "fashion-mnist-16"
    assert small.provenance.startswith("part of Fashion-MNIST")
    assert small.origin == whole.origin
    assert torch.equal(small.train.labels, whole.train.labels)
    image = small.train.inputs[3, 0]
    assert not image[0].any()
    assert not image[:, 15].any()
    # Row 4 and column 9 of the small image are rows 8, 9 and columns 18, 19 with the frame.
    four = [pixel(3, row, column) for row in (6, 7) for column in (16, 17)]
    assert image[4, 9] == round(sum(four) / 4)


@pytest.fixture(scope="module")
def debian() -> Path:
    if not DEBIAN.is_dir():
        pytest.skip(f"Debian's package dataset-fashion-mnist is not installed: no {DEBIAN}")
    return DEBIAN


def test_the_real_files(debian: Path) -> None:
    data = read_fashion_mnist(debian)
    assert data.train.labels.bincount().tolist() == [6_000] * 10
    assert data.test.labels.bincount().tolist() == [1_000] * 10
    # Published by others for the training set as the mean to normalise by.
    assert float(data.train.inputs.double().mean()) / 255 == pytest.approx(0.2860, abs=1e-4)
    assert [data.class_names[label] for label in data.train.labels[:3]] == [
        "Ankle boot",
        "T-shirt/top",
        "T-shirt/top",
    ]


def test_the_real_small_ones(debian: Path) -> None:
    data = load(f"fashion-mnist-16:{debian}")
    assert (len(data.train), len(data.test)) == (12_000, 2_000)
    counts = np.array([part.labels.bincount().tolist() for part in (data.train, data.test)])
    assert counts.min(1).tolist() == [1_122, 188]
    assert counts.max(1).tolist() == [1_244, 219]
    assert counts.shape == (2, len(CLASS_NAMES))
