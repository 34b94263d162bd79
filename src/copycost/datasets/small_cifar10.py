"""CIFAR-10 at half the size, which two processor cores can train on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from copycost.datasets.base import Dataset
from copycost.datasets.cifar10 import CLASS_NAMES, load_cifar10
from copycost.datasets.parquet import find_shards, load_parquet
from copycost.datasets.sources import bad_data

_SHAPE = (3, 32, 32)


def load_small_cifar10(path: Path | None) -> Dataset:
    """All of CIFAR-10 halved, [N, 3, 16, 16]; the provenance names the copy that was read.

    `path` is what `load_cifar10` reads, or a folder of Parquet files as `load_parquet` reads
    them. Raises what these raise, and `DataError` for Parquet files whose images are not
    3×32×32, or whose classes are not ten.
    """
    if path is not None and find_shards(path, "train"):
        whole = load_parquet(path)
        _check(whole, path)
    else:
        whole = load_cifar10(path)
    return replace(
        whole,
        name="cifar10-16",
        provenance=f"{whole.provenance}, halved to 16×16",
        collection=whole.origin,
        train=whole.train.halved(),
        test=whole.test.halved(),
    )


def _check(found: Dataset, path: Path) -> None:
    """Refuse Parquet files of other images, which must not be called CIFAR-10."""
    if found.spec.shape != _SHAPE or found.classes != len(CLASS_NAMES):
        raise bad_data(
            path,
            f"CIFAR-10: images {list(_SHAPE)} of {len(CLASS_NAMES)} classes",
            f"images {list(found.spec.shape)} of {found.classes} classes",
            f"load another data set by `parquet:{path}`",
        )
