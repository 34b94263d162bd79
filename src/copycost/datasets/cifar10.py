"""CIFAR-10 from its official files: the Python or the binary version, packed or not."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from copycost.datasets.base import Dataset, Labelled
from copycost.datasets.batch_pickle import PIXELS, read_batch
from copycost.datasets.sources import bad_data, official_path, require_files

CLASS_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
_PYTHON = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
_BINARY = tuple(f"{name}.bin" for name in _PYTHON)
_PLACES = (
    "cifar-10-batches-py",
    "cifar-10-batches-bin",
    "cifar-10-python.tar.gz",
    "cifar-10-binary.tar.gz",
)
_ADVICE = "fetch it again: `copycost data fetch cifar10`"
# Twice an official batch: an archive that claims more is refused before it fills memory.
_MOST_BYTES = 64 * 2**20


def load_cifar10(path: Path | None) -> Dataset:
    """CIFAR-10 at `path`, or in the usual folder if None; see `read_cifar10`."""
    return read_cifar10(official_path("cifar10", path))


def read_cifar10(path: Path, per_file: int = 10_000) -> Dataset:
    """CIFAR-10 from an archive, its unpacked folder, or a folder that holds one of these.

    Images are [N, 3, 32, 32]; 50,000 to train and 10,000 to test. `per_file` is the number
    of images that each of the six files must hold: part of CIFAR-10 is not CIFAR-10.

    Raises:
        DataError: a file is missing, cut short, or not what its name says.
    """
    source = _find(path)
    files = _unpack(source) if source.is_file() else _read_folder(source)
    names = _BINARY if any(name in files for name in _BINARY) else _PYTHON
    require_files(source, (name for name in names if name not in files), _ADVICE)

    parts = [_read_file(files.pop(name), f"{source}/{name}", per_file) for name in names]
    images = np.concatenate([pixels for pixels, _ in parts]).reshape(-1, 3, 32, 32)
    labels = np.concatenate([numbers for _, numbers in parts])
    train, test = (slice(None, -per_file), slice(-per_file, None))
    return Dataset(
        name="cifar10",
        provenance="CIFAR-10",
        class_names=CLASS_NAMES,
        train=Labelled.from_arrays(images[train], labels[train]),
        test=Labelled.from_arrays(images[test], labels[test]),
    )


def _find(path: Path) -> Path:
    if path.is_file() or any((path / name).exists() for name in _PYTHON + _BINARY):
        return path
    for name in _PLACES:
        if (path / name).exists():
            return path / name
    looked = f"none of {', '.join(_PLACES)}"
    copied = any(path.rglob("*.parquet"))
    advice = f"for a copy in Parquet files write `parquet:{path}`" if copied else _ADVICE
    raise bad_data(path, "the official CIFAR-10 files", looked, advice)


def _read_folder(folder: Path) -> dict[str, bytes]:
    paths = (folder / name for name in _PYTHON + _BINARY)
    return {path.name: path.read_bytes() for path in paths if path.is_file()}


def _unpack(archive: Path) -> dict[str, bytes]:
    files = {}
    try:
        # 'r|gz' reads once from front to back; seeking in gzip unpacks from the start again.
        with tarfile.open(archive, "r|gz") as tar:
            for member in tar:
                name = Path(member.name).name
                wanted = name in _PYTHON + _BINARY and 0 < member.size <= _MOST_BYTES
                content = tar.extractfile(member) if wanted else None
                if content is not None:
                    files[name] = content.read()
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        reason = f"an archive that is cut short or damaged ({error})"
        raise bad_data(archive, "a whole .tar.gz of CIFAR-10", reason, _ADVICE) from error
    return files


def _read_file(
    content: bytes, where: str, per_file: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    if not where.endswith(".bin"):
        pixels, labels = read_batch(content, where)
    else:
        pixels, labels = _read_records(content, where, per_file)
    if len(labels) != per_file:
        raise bad_data(where, f"{per_file:,} images", f"{len(labels):,}", _ADVICE)
    return pixels, labels


def _read_records(
    content: bytes, where: str, per_file: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    # One record: the label's byte, then 32×32 red, green and blue bytes.
    size = per_file * (1 + PIXELS)
    if len(content) != size:
        came = f"{len(content):,} bytes"
        raise bad_data(where, f"{size:,} bytes ({per_file:,} images)", came, _ADVICE)
    records = np.frombuffer(content, dtype=np.uint8).reshape(per_file, 1 + PIXELS)
    labels = records[:, 0].astype(np.int64)
    if labels.max() > 9:
        raise bad_data(where, "labels from 0 to 9", f"a label {labels.max()}", _ADVICE)
    return records[:, 1:], labels
