import os
import pickle
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from copycost.datasets import load, small_cifar10
from copycost.datasets.base import Dataset
from copycost.datasets.batch_pickle import read_batch
from copycost.datasets.cifar10 import read_cifar10
from copycost.errors import DataError

N = 7
NAMES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")


def _content(i: int) -> tuple[np.ndarray, list[int]]:
    rng = np.random.default_rng(i)
    return rng.integers(0, 256, (N, 3072), dtype=np.uint8), rng.integers(10, size=N).tolist()


def _short(text: bytes) -> bytes:
    return b"U" + bytes([len(text)]) + text  # SHORT_BINSTRING, Python 2's str


def _python_2_pickle(pixels: np.ndarray, labels: list[int]) -> bytes:
    """Byte for byte what Python 2 and its NumPy wrote: the form of the official files."""
    raw = pixels.tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85"
        + _short(b"b")
        + b"\x87R"
        b"(K\x01" + b"J" + struct.pack("<i", len(pixels)) + b"M\x00\x0c\x86"
        b"cnumpy\ndtype\n" + _short(b"u1") + b"K\x00K\x01\x87R"
        b"(K\x03" + _short(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89T" + struct.pack("<i", len(raw)) + raw + b"tb"
    )
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    extra = _short(b"batch_label") + _short(b"training batch 1 of 5")
    body = _short(b"data") + array + _short(b"labels") + numbers + extra
    return b"\x80\x02}(" + body + b"u."


def _python_3_pickle(pixels: np.ndarray, labels: list[int]) -> bytes:
    return pickle.dumps({"data": pixels, "labels": labels}, protocol=2)


def _write_python(folder: Path, write: Callable[..., bytes] = _python_2_pickle) -> Path:
    folder.mkdir(parents=True)
    for i, name in enumerate(NAMES):
        (folder / name).write_bytes(write(*_content(i)))
    return folder


def _write_binary(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for i, name in enumerate(NAMES):
        pixels, labels = _content(i)
        records = np.concatenate([np.array(labels, dtype=np.uint8)[:, None], pixels], axis=1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    return folder


def _pack(folder: Path, archive: Path) -> Path:
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, folder.name)
    return archive


def _check(data: Dataset) -> None:
    expected = [_content(i) for i in range(6)]
    images = np.concatenate([pixels for pixels, _ in expected]).reshape(-1, 3, 32, 32)
    labels = [label for _, some in expected for label in some]
    assert np.array_equal(torch.cat([data.train.inputs, data.test.inputs]).numpy(), images)
    assert [*data.train.labels.tolist(), *data.test.labels.tolist()] == labels
    assert (len(data.train), len(data.test)) == (5 * N, N)
    assert data.provenance == "CIFAR-10"
    assert data.class_names[3] == "cat"
    assert data.spec.shape == (3, 32, 32)


@pytest.mark.parametrize("write", [_python_2_pickle, _python_3_pickle])
def test_python_version_round_trip(tmp_path: Path, write: Callable[..., Any]) -> None:
    folder = _write_python(tmp_path / "cifar-10-batches-py", write)
    _check(read_cifar10(folder, N))
    _check(read_cifar10(tmp_path, N))


def test_binary_version_round_trip(tmp_path: Path) -> None:
    folder = _write_binary(tmp_path / "cifar-10-batches-bin")
    _check(read_cifar10(folder, N))
    _check(read_cifar10(tmp_path, N))


@pytest.mark.parametrize(
    ("write", "inner", "name"),
    [
        (_write_python, "cifar-10-batches-py", "cifar-10-python.tar.gz"),
        (_write_binary, "cifar-10-batches-bin", "cifar-10-binary.tar.gz"),
    ],
)
def test_archives_round_trip(
    tmp_path: Path, write: Callable[..., Any], inner: str, name: str
) -> None:
    folder = write(tmp_path / "elsewhere" / inner)
    (tmp_path / "usual").mkdir()
    archive = _pack(folder, tmp_path / "usual" / name)
    _check(read_cifar10(archive, N))
    _check(read_cifar10(archive.parent, N))


class _Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def test_a_malicious_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    folder, marker = _write_python(tmp_path / "cifar-10-batches-py"), tmp_path / "marker"
    (folder / "data_batch_3").write_bytes(pickle.dumps({"data": _Malicious(marker)}, protocol=2))
    with pytest.raises(DataError, match=r"data_batch_3: .*system, which was not run"):
        read_cifar10(folder, N)
    assert not marker.exists()


@pytest.mark.parametrize(
    "program",
    [
        # Each asks for an allowed name and then misuses it, or for one that is near.
        b"\x80\x02cnumpy\nload\n.",
        b"\x80\x02cbuiltins\neval\n.",
        b"\x80\x02cnumpy\ndtype\n}U\x01xK\x01sb.",
        b"\x80\x02c_codecs\nencode\n}U\x01xK\x01sb.",
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00hex\x86R.",
        b"\x80\x02cnumpy\nndarray\n.",
        b"\x80\x02K\x01.",
        b"",
        b"not a pickle at all",
    ],
)
def test_misused_names_are_refused(program: bytes) -> None:
    with pytest.raises(DataError, match="the file"):
        read_batch(program, "the file")


def test_every_truncation_of_a_batch_is_refused() -> None:
    whole = _python_2_pickle(*_content(0))
    read_batch(whole, "whole")
    for end in [*range(0, 200), *range(200, len(whole), 997)]:
        with pytest.raises(DataError, match="cut"):
            read_batch(whole[:end], "cut")


@pytest.mark.parametrize(
    ("data", "labels", "came"),
    [
        (np.zeros((N, 3072), dtype=np.int64), [0] * N, "no uint8 array"),
        (np.zeros((N, 3071), dtype=np.uint8), [0] * N, "no uint8 array"),
        (np.zeros((N, 3072), dtype=np.uint8), [0] * (N - 1), f"{N} images and {N - 1} labels"),
        (np.zeros((N, 3072), dtype=np.uint8), [10] * N, "numbers from 0 to 9"),
        (np.zeros((N, 3072), dtype=np.uint8), None, "numbers from 0 to 9"),
        (None, [0] * N, "no uint8 array"),
    ],
)
def test_other_contents_are_refused(data: Any, labels: list[int] | None, came: str) -> None:
    content = pickle.dumps({"data": data, "labels": labels}, protocol=2)
    with pytest.raises(DataError, match=came):
        read_batch(content, "batch")


def test_missing_files_are_named_at_once(tmp_path: Path) -> None:
    folder = _write_python(tmp_path / "cifar-10-batches-py")
    (folder / "data_batch_2").unlink()
    (folder / "test_batch").unlink()
    with pytest.raises(DataError, match="no data_batch_2, test_batch"):
        read_cifar10(folder, N)


def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz"):
        read_cifar10(tmp_path, N)


def test_a_copy_in_parquet_is_told_how_to_be_named(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").touch()
    with pytest.raises(DataError, match=f"parquet:{tmp_path}"):
        read_cifar10(tmp_path, N)


def test_a_cut_archive_is_refused(tmp_path: Path) -> None:
    folder = _write_python(tmp_path / "cifar-10-batches-py")
    archive = _pack(folder, tmp_path / "a.tar.gz")
    archive.write_bytes(archive.read_bytes()[:40_000])
    with pytest.raises(DataError, match="cut short or damaged"):
        read_cifar10(archive, N)
    archive.write_bytes(b"no gzip")
    with pytest.raises(DataError, match="cut short or damaged"):
        read_cifar10(archive, N)


def test_part_of_cifar_is_not_cifar(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected 10,000 images, got 7"):
        read_cifar10(_write_python(tmp_path / "cifar-10-batches-py"))
    with pytest.raises(DataError, match=r"expected 30,730,000 bytes \(10,000 images\)"):
        read_cifar10(_write_binary(tmp_path / "cifar-10-batches-bin"))


def test_a_binary_label_out_of_range_is_refused(tmp_path: Path) -> None:
    folder = _write_binary(tmp_path / "b")
    path = folder / "test_batch.bin"
    path.write_bytes(b"\x0a" + path.read_bytes()[1:])
    with pytest.raises(DataError, match="a label 10"):
        read_cifar10(folder, N)


def test_the_small_one_is_halved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read_cifar10(_write_binary(tmp_path / "files"), N)
    monkeypatch.setattr(small_cifar10, "load_cifar10", lambda path: read_cifar10(path, N))
    small = load(f"cifar10-16:{tmp_path / 'files'}")
    assert (small.name, small.provenance) == ("cifar10-16", "CIFAR-10, halved to 16×16")
    assert small.origin == whole.origin
    blocks = whole.train.inputs.float().unfold(2, 2, 2).unfold(3, 2, 2).mean(dim=(4, 5))
    assert torch.equal(small.train.inputs, blocks.round().to(torch.uint8))
    assert torch.equal(small.test.labels, whole.test.labels)


def test_the_small_one_needs_files_too(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing"):
        load(f"cifar10-16:{tmp_path / 'nothing'}")


def test_the_small_one_of_a_jpeg_copy_says_that_it_is(real_data: Path) -> None:
    small = load(f"cifar10-16:{real_data / 'cifar10-jpeg'}")
    assert small.provenance == "CIFAR-10 (JPEG q75), halved to 16×16"
    assert small.origin == "CIFAR-10"
    assert (len(small.train), len(small.test)) == (50_000, 10_000)
