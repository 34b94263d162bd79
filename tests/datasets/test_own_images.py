from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, features

from copycost.datasets import load
from copycost.datasets.base import Labelled
from copycost.datasets.images import decode_all
from copycost.errors import DataError


def _png(path: Path, value: int, mode: str = "RGB", size: tuple[int, int] = (5, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode in ("L", "I;16") else (value, 0, 255)).save(path)


def _folder(root: Path) -> Path:
    for part, count in (("train", 3), ("test", 2)):
        for c, name in enumerate(("ant", "bee")):
            for i in range(count):
                _png(root / part / name / f"{i}.png", 10 * c + i)
    return root


def test_folder_round_trip(tmp_path: Path) -> None:
    data = load(f"folder:{_folder(tmp_path / 'insects')}")
    assert (data.name, data.provenance, data.class_names) == ("insects", "insects", ("ant", "bee"))
    assert data.spec.shape == (3, 4, 5)
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.train.inputs[:, 0, 0, 0].tolist() == [0, 1, 2, 10, 11, 12]
    assert set(data.test.inputs[:, 2].flatten().tolist()) == {255}


@pytest.mark.parametrize("place", [".", "..", "../insects"])
def test_a_relative_folder_has_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    root = _folder(tmp_path / "insects")
    monkeypatch.chdir(root / "train" if place == ".." else root)
    data = load(f"folder:{place}")
    assert (data.name, data.provenance, data.origin) == ("insects", "insects", "insects")
    (tmp_path / "current").symlink_to(root)
    assert load(f"folder:{tmp_path / 'current'}").name == "current", "not what a link points to"


def test_hidden_files_are_passed_over(tmp_path: Path) -> None:
    root = _folder(tmp_path)
    (root / "train/ant/.DS_Store").write_bytes(b"x")
    assert len(load(f"folder:{root}").train) == 6


def test_grey_images_have_one_channel(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in ("a", "b"):
            _png(tmp_path / part / name / "0.png", 7, "L")
    assert load(f"folder:{tmp_path}").spec.shape == (1, 4, 5)


def test_the_odd_size_is_named(tmp_path: Path) -> None:
    _png(_folder(tmp_path) / "train/bee/1.png", 0, size=(6, 4))
    with pytest.raises(DataError, match=r"bee/1\.png: expected 4×5 pixels like .*, got 4×6"):
        _ = load(f"folder:{tmp_path}").train.inputs


def test_a_cut_image_is_named(tmp_path: Path) -> None:
    path = _folder(tmp_path) / "test/ant/1.png"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"ant/1\.png: expected a whole image"):
        load(f"folder:{tmp_path}")


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow does not read AVIF")
def test_a_damaged_avif_is_named() -> None:
    """Pillow raises RuntimeError for it."""
    buffer = BytesIO()
    Image.new("RGB", (16, 16), (9, 200, 30)).save(buffer, "AVIF")
    content = bytearray(buffer.getvalue())
    content[content.index(b"pitm") + 9] ^= 0xFF  # the number of the image to show
    with pytest.raises(DataError, match=r"a\.avif: expected a whole image"):
        decode_all([("a.avif", bytes(content))], 1)


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    (_folder(tmp_path) / "train/ant/notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"notes\.txt"):
        _ = load(f"folder:{tmp_path}").train.inputs


def test_what_is_trained_on_is_decoded_when_it_is_looked_at(tmp_path: Path) -> None:
    damaged = _folder(tmp_path) / "train/bee/1.png"
    damaged.write_bytes(damaged.read_bytes()[:-30])
    data = load(f"folder:{tmp_path}")
    smaller = data.train.halved()
    assert (len(data.train), data.train.shape, smaller.shape) == (6, (3, 4, 5), (3, 2, 2))
    for part in (data.train, smaller):
        with pytest.raises(DataError, match=r"bee/1\.png: expected a whole image"):
            _ = part.inputs


def test_what_is_decoded_late_is_the_same(tmp_path: Path) -> None:
    data = load(f"folder:{_folder(tmp_path)}")
    whole = Labelled(data.train.inputs, data.train.labels)
    assert whole.inputs.float().std() > 0
    assert torch.equal(data.train.halved().inputs, whole.halved().inputs)
    assert data.train.inputs is data.train.inputs  # decoded once


def test_missing_parts_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no train/, test/"):
        load(f"folder:{tmp_path}")


def test_a_class_only_in_test_is_refused(tmp_path: Path) -> None:
    _png(_folder(tmp_path) / "test/cat/0.png", 0)
    with pytest.raises(DataError, match="cat, which train/ does not have"):
        load(f"folder:{tmp_path}")


def test_folders_without_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "test" / "a").mkdir(parents=True)
    with pytest.raises(DataError, match="a folder for each class"):
        load(f"folder:{tmp_path}")
    (tmp_path / "train" / "a").mkdir()
    with pytest.raises(DataError, match="images in its folders"):
        load(f"folder:{tmp_path}")


def _encoded(mode: str) -> bytes:
    buffer = BytesIO()
    Image.new(mode, (2, 2)).save(buffer, "TIFF")
    return buffer.getvalue()


def test_grey_among_colour_becomes_rgb_but_not_the_other_way() -> None:
    images = decode_all([("a", _encoded("RGB")), ("b", _encoded("L"))], 2)
    assert images.shape == (2, 3, 2, 2)
    with pytest.raises(DataError, match="b: expected an 8-bit grey image like a, got mode RGB"):
        decode_all([("a", _encoded("L")), ("b", _encoded("RGB"))], 2)


@pytest.mark.parametrize("mode", ["I;16", "F"])
def test_deeper_images_are_refused(mode: str) -> None:
    with pytest.raises(DataError, match="8-bit"):
        decode_all([("a", _encoded(mode))], 1)


def _arrays(shape: tuple[int, ...], dtype: type = np.uint8) -> dict[str, Any]:
    x = (np.arange(np.prod(shape)).reshape(shape) % 200).astype(np.uint8)
    stored = x if dtype is np.uint8 else (x / 255).astype(dtype)
    y = np.arange(shape[0]) % 3
    return {"x_train": stored, "y_train": y, "x_test": stored, "y_test": y[:, None]}


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize(
    ("shape", "spec"),
    [
        ((6, 4, 5), (1, 4, 5)),
        ((6, 4, 5, 3), (3, 4, 5)),
        ((6, 4, 5, 1), (1, 4, 5)),
        ((6, 3, 4, 5), (3, 4, 5)),
    ],
)
def test_npz_layouts(
    tmp_path: Path, shape: tuple[int, ...], spec: tuple[int, ...], dtype: type
) -> None:
    arrays = _arrays(shape, dtype)
    np.savez(tmp_path / "own.npz", **arrays)
    data = load(f"npz:{tmp_path / 'own.npz'}")
    assert data.spec.shape == spec
    assert (data.name, data.classes, len(data.test)) == ("own", 3, 6)
    plain = _arrays(shape)["x_train"]
    last = plain[5, -1, -1, 0] if shape[-1] in (1, 3) else plain[5].flat[-1]
    expected = data.train.inputs[5, 0 if shape[-1] in (1, 3) else -1, -1, -1]
    assert int(expected) == int(last)


@pytest.mark.parametrize(
    ("change", "came"),
    [
        ({"x_test": np.full((6, 4, 5), 1.5)}, "from 1.5 to 1.5"),
        ({"x_test": np.full((6, 4, 5), np.nan)}, "from nan to nan"),
        ({"x_test": np.zeros((6, 4, 5), dtype=np.int64)}, "got int64"),
        ({"x_test": np.zeros((6, 20), dtype=np.uint8)}, r"got \[6, 20\]"),
        ({"x_test": np.zeros((6, 3, 4, 3), dtype=np.uint8)}, r"got \[6, 3, 4, 3\]"),
        ({"y_test": np.zeros((6, 3), dtype=np.int64)}, "not one-hot"),
        ({"y_test": np.zeros(6)}, "got float64"),
        ({"y_test": np.zeros(5, dtype=np.int64)}, "each of 6 inputs, got 5"),
        ({"y_test": np.full(6, -1)}, "got -1 to -1"),
        ({"x_test": np.array([{}])}, "plain arrays"),
    ],
)
def test_other_npz_contents_are_refused(tmp_path: Path, change: dict[str, Any], came: str) -> None:
    np.savez(tmp_path / "own.npz", **(_arrays((6, 4, 5)) | change))
    with pytest.raises(DataError, match=came):
        load(f"npz:{tmp_path / 'own.npz'}")


@pytest.mark.parametrize("part", ["train", "test"])
def test_labels_of_another_number_name_file_and_part(tmp_path: Path, part: str) -> None:
    np.savez(tmp_path / "own.npz", **(_arrays((6, 4, 5)) | {f"y_{part}": np.zeros(5, dtype=int)}))
    with pytest.raises(DataError, match=rf"own\.npz: x_{part} and y_{part}: .* 6 inputs, got 5"):
        load(f"npz:{tmp_path / 'own.npz'}")


def test_missing_arrays_are_named_at_once(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", x_train=np.zeros((2, 4, 4), dtype=np.uint8))
    with pytest.raises(DataError, match="no y_train, x_test, y_test"):
        load(f"npz:{tmp_path / 'own.npz'}")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nonsense", b"nonsense"])
def test_a_damaged_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "own.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"own\.npz: expected a \.npz file"):
        load(f"npz:{tmp_path / 'own.npz'}")


def test_a_single_array_is_no_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "own.npy", np.zeros(3))
    with pytest.raises(DataError, match=r"expected a \.npz file"):
        load(f"npz:{tmp_path / 'own.npy'}")


def test_labels_that_number_no_classes_are_refused_at_once(tmp_path: Path) -> None:
    ids = {"y_test": np.full(6, 10**12)}
    np.savez(tmp_path / "own.npz", **(_arrays((6, 4, 5)) | ids))
    with pytest.raises(DataError, match=r"own\.npz: expected labels from 0.*got 1,000,000,000,000"):
        load(f"npz:{tmp_path / 'own.npz'}")
