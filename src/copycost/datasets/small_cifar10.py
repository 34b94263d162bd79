"""CIFAR-10 at half the size, which two processor cores can train on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from copycost.datasets.base import Dataset
from copycost.datasets.cifar10 import load_cifar10
from copycost.datasets.parquet import find_shards, load_parquet


def load_small_cifar10(path: Path | None) -> Dataset:
    """All of CIFAR-10 halved, [N, 3, 16, 16]; the provenance says of which copy.

    `path` is what `load_cifar10` reads, or a folder of Parquet files as `load_parquet` reads
    them; both say which errors they raise.
    """
    parquet = path is not None and find_shards(path, "train")
    whole = load_parquet(path) if parquet else load_cifar10(path)
    return replace(
        whole,
        name="cifar10-16",
        provenance=f"{whole.provenance}, halved to 16×16",
        collection=whole.origin,
        train=whole.train.halved(),
        test=whole.test.halved(),
    )
