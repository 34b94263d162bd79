"""Images in Parquet files in Hugging Face's layout: encoded bytes and a label in each row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from copycost.datasets.base import Dataset, Undecoded
from copycost.datasets.cifar10 import CLASS_NAMES
from copycost.datasets.images import undecoded
from copycost.datasets.sources import bad_data, counted_names, given_path, require_files

_IMAGES = ("image", "img")
_ROWS = 1_000
"""Rows read at a time: a few megabytes of encoded images."""

# Well-known copies that are not the official bytes. By folder name: provenance, class names and
# collection.
_KNOWN: dict[str, tuple[str, tuple[str, ...], str]] = {
    "cifar10-jpeg": ("CIFAR-10 (JPEG q75)", CLASS_NAMES, "CIFAR-10")
}


def load_parquet(path: Path | None) -> Dataset:
    """Images and labels of `train.parquet` and `test.parquet` in the folder `path`.

    Shards named `train-*.parquet` are accepted too, also in a subfolder `data`. The image column
    is `image` or `img`, a struct with the encoded file in `bytes`; `label` holds integers from
    0. Class names are taken from Hugging Face's metadata if it is there. The provenance is
    the folder's name, unless it is a known copy's. Training images are decoded when they are
    first looked at.

    Raises:
        ConfigError: no path was given.
        DataError: files or columns are missing or damaged, or the images differ in size or
            colour; for training images after the first, when they are looked at.
    """
    path = given_path("parquet", path, "a folder with train.parquet and test.parquet in it")
    shards = {part: find_shards(path, part) for part in ("train", "test")}
    missing = (f"{part}.parquet" for part, files in shards.items() if not files)
    require_files(path, missing, "a data set needs both parts")
    train, test = (_read(files) for files in shards.values())
    name = path.resolve().name
    provenance, known, collection = _KNOWN.get(name, (name, (), ""))
    highest = max(int(part.labels.max()) for part in (train, test))
    names = known or _class_names(shards["train"][0]) or counted_names(path, highest)
    return Dataset(name, provenance, names, train, test.decoded(), collection)


def find_shards(path: Path, part: str) -> list[Path]:
    """Files of `part` ('train' or 'test') in the folder `path` or its subfolder `data`, sorted.

    A whole file is preferred to shards beside it, which hold the same rows again.
    """
    for folder in (path, path / "data"):
        for names in (f"{part}.parquet", f"{part}-*.parquet"):
            if found := sorted(folder.glob(names)):
                return found
    return []


def _read(files: list[Path]) -> Undecoded:
    labels = np.concatenate([_labels(path, _open(path)) for path in files])
    return undecoded(lambda: (row for path in files for row in _encoded(path, _open(path))), labels)


def _open(path: Path) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        came = f"one that cannot be read ({error})"
        raise bad_data(path, "a whole Parquet file", came, "copy or download it again") from error
    columns = {field.name: field.type for field in file.schema_arrow}
    kind = columns.get(_image_column(file))
    encoded = pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 if kind else False
    if not encoded or not pa.types.is_integer(columns.get("label", pa.null())):
        raise bad_data(
            path,
            "columns `image` or `img` (struct with `bytes`) and `label` (integers)",
            ", ".join(f"{name}: {kind}" for name, kind in columns.items()),
            "rename or convert the columns",
        )
    return file


def _image_column(file: pq.ParquetFile) -> str:
    return next((name for name in _IMAGES if name in file.schema_arrow.names), "")


def _labels(path: Path, file: pq.ParquetFile) -> npt.NDArray[np.int64]:
    found = [batch.column("label") for batch in _batches(path, file, "label")]
    if any(column.null_count for column in found):
        raise bad_data(path, "a label in every row", "empty ones", "drop such rows")
    numbers = [column.to_numpy().astype(np.int64) for column in found]
    return np.concatenate([np.empty(0, dtype=np.int64), *numbers])


def _encoded(path: Path, file: pq.ParquetFile) -> Iterator[tuple[str, bytes]]:
    """A name for errors and the encoded image, row by row."""
    column, row = _image_column(file), 0
    for batch in _batches(path, file, f"{column}.bytes"):
        for image in batch.column(column).field("bytes"):
            # An empty cell becomes empty bytes, which no decoder accepts as an image.
            yield f"{path}, row {row:,}", image.as_py() or b""
            row += 1


def _batches(path: Path, file: pq.ParquetFile, column: str) -> Iterator[Any]:
    try:
        yield from file.iter_batches(batch_size=_ROWS, columns=[column])
    except (pa.ArrowException, OSError) as error:
        came = f"a damaged one ({error})"
        raise bad_data(path, "a whole Parquet file", came, "copy or download it again") from error


def _class_names(path: Path) -> tuple[str, ...]:
    found = (pq.read_schema(path).metadata or {}).get(b"huggingface", b"{}")
    try:
        names = json.loads(found)["info"]["features"]["label"]["names"]
    except (ValueError, KeyError, TypeError):
        return ()  # the metadata is optional, and its layout is not ours
    return tuple(str(name) for name in names)
