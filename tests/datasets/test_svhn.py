from pathlib import Path

import numpy as np
import pytest
import scipy.io

from copycost.datasets.svhn import read_svhn
from copycost.errors import DataError

SIZES = (12, 5)
NAMES = ("train_32x32.mat", "test_32x32.mat")


def _content(size: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(size)
    x = rng.integers(0, 256, (32, 32, 3, size), dtype=np.uint8)
    return x, (np.arange(size, dtype=np.uint8) % 10 + 1)[:, None]


def _write(folder: Path) -> Path:
    for name, size in zip(NAMES, SIZES, strict=True):
        x, y = _content(size)
        scipy.io.savemat(folder / name, {"X": x, "y": y}, do_compression=True)
    return folder


def test_round_trip(tmp_path: Path) -> None:
    data = read_svhn(_write(tmp_path), SIZES)
    assert (len(data.train), len(data.test)) == SIZES
    assert data.spec.shape == (3, 32, 32)
    assert data.provenance == "SVHN"
    x, _ = _content(SIZES[0])
    for n, c, h, w in [(0, 0, 0, 0), (11, 2, 31, 5), (3, 1, 7, 20)]:
        assert data.train.inputs[n, c, h, w] == x[h, w, c, n]


def test_label_10_means_the_digit_0(tmp_path: Path) -> None:
    data = read_svhn(_write(tmp_path), SIZES)
    assert data.train.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]


def test_missing_files_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"no {NAMES[0]}, {NAMES[1]}; run `copycost data fetch"):
        read_svhn(tmp_path, SIZES)


@pytest.mark.parametrize("end", [0, 10, 200, 5_000])
def test_a_cut_file_is_refused(tmp_path: Path, end: int) -> None:
    path = _write(tmp_path) / NAMES[1]
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(DataError, match=NAMES[1]):
        read_svhn(tmp_path, SIZES)


def test_part_of_svhn_is_not_svhn(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"73257\].*got X uint8 \[32, 32, 3, 12\]"):
        read_svhn(_write(tmp_path))


def test_other_variables_are_refused(tmp_path: Path) -> None:
    scipy.io.savemat(_write(tmp_path) / NAMES[0], {"images": np.zeros(3)})
    with pytest.raises(DataError, match="no X or y"):
        read_svhn(tmp_path, SIZES)


def test_labels_from_0_are_refused(tmp_path: Path) -> None:
    x, y = _content(SIZES[0])
    scipy.io.savemat(_write(tmp_path) / NAMES[0], {"X": x, "y": y - 1})
    with pytest.raises(DataError, match="from 0 to 9"):
        read_svhn(tmp_path, SIZES)
