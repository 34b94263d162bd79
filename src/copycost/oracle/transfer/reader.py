"""Reads a transfer set, call by call or in chunks, with bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from copycost.errors import ConfigError, RunError
from copycost.levels import dequantise
from copycost.oracle.transfer.frames import (
    Arrays,
    Encoding,
    Frame,
    Layout,
    frame_bytes,
    frames,
    read_layout,
    segments,
)
from copycost.oracle.transfer.segments import MEND, mapped


class Asked(NamedTuple):
    """Some queries and what was released for them, as tensors on the CPU."""

    first: int
    """Queries the account had been charged before the first of them."""
    inputs: Tensor
    """[n, *shape], float32 in the spec's range; tokens are int64."""
    labels: Tensor
    """[n], int64."""
    scores: Tensor | None
    """[n, K], float32; None at label access."""


class TransferSet:
    """The queries of a run and what was released for them, in the order of asking."""

    def __init__(self, folder: Path, spent: int | None = None, recorded: int | None = None) -> None:
        """Read the layout and count; `spent` is how many queries the run's account was charged.

        `recorded` is how many queries there must be; None if more may still come. Raises
        `RunError` if there is nothing to read, if a segment before the last is not whole, or if
        the set has another number of queries.
        """
        self.folder, self.spent = folder, spent
        self.layout: Layout = read_layout(folder)
        self.torn_bytes = 0
        """Bytes at the end that are no whole frame: torn by a crash, or still being written."""
        self._count = sum(frame.n for frame in self._frames(check=False))
        # A flipped bit in a header of the last segment looks like a tail that a crash tore.
        if recorded is not None and recorded != self._count:
            raise RunError(
                f"{folder} is damaged: {self._count:,} of {recorded:,} queries can be read. {MEND}"
            )

    def __len__(self) -> int:
        """Queries recorded."""
        return self._count

    @property
    def missing(self) -> int | None:
        """Queries charged and not recorded; after a crash some of them may never have been sent.

        None if there is no account to compare with.
        """
        return None if self.spent is None else self.spent - len(self)

    def raw(self) -> Iterator[tuple[int, Arrays]]:
        """Every call of the oracle as it is stored: `first`, and memory-mapped arrays.

        Each is checked when it is read. Raises `RunError` if a checksum is wrong.
        """
        read = 0
        for frame in self._frames(check=True):
            read += frame.n
            yield frame.first, self.layout.split(frame.payload, frame.n)
        if read < self._count:
            raise RunError(
                f"{self.folder} is damaged after {read:,} of {self._count:,} queries. {MEND}"
            )

    def calls(self) -> Iterator[Asked]:
        """Every call of the oracle, as it was made."""
        for first, arrays in self.raw():
            yield _asked(first, arrays, self.layout)

    def chunks(self, size: int) -> Iterator[Asked]:
        """All queries in chunks of `size`, the last of which may be smaller.

        Calls are cut and joined; a chunk's `first` is that of its first query. One chunk and one
        call are in memory at a time. Raises `ConfigError` for a `size` below 1.
        """
        if size < 1:
            raise ConfigError(f"size: expected chunks of at least one query, got {size}.")
        return self._chunks(size)

    def _chunks(self, size: int) -> Iterator[Asked]:
        held, n = [], 0
        for call in self.calls():
            held.append(call)
            n += len(call.labels)
            if n < size:
                continue
            joined = _joined(held)
            whole = n - n % size
            for at in range(0, whole, size):
                yield _cut(joined, at, at + size)._replace(first=_first(held, at))
            n -= whole
            held = [_cut(call, len(call.labels) - n, len(call.labels))] if n else []
        if n:
            yield _joined(held)

    def _frames(self, *, check: bool) -> Iterator[Frame]:
        places = segments(self.folder)
        for place in places:
            content, whole = mapped(place), 0
            for frame in frames(content, self.layout.row_bytes, check=check):
                whole += frame_bytes(frame)
                yield frame
            torn = len(content) - whole
            if torn and place != places[-1]:
                raise RunError(f"{place} is damaged after {whole:,} bytes. {MEND}")
            self.torn_bytes = torn


def decoded(stored: Tensor, layout: Layout) -> Tensor:
    """Inputs [n, *shape] as `stored`: float32 in the spec's range; tokens are int64."""
    if layout.encoding is Encoding.BYTES:
        return dequantise(stored, layout.spec)
    return stored if layout.spec.vocabulary is None else stored.long()


def _asked(first: int, arrays: Arrays, layout: Layout) -> Asked:
    inputs = decoded(torch.from_numpy(np.array(arrays.inputs)), layout)
    scores = None if arrays.scores is None else torch.from_numpy(np.array(arrays.scores))
    return Asked(first, inputs, torch.from_numpy(np.array(arrays.labels)).long(), scores)


def _joined(parts: list[Asked]) -> Asked:
    scores = [part.scores for part in parts if part.scores is not None]
    return Asked(
        parts[0].first,
        torch.cat([part.inputs for part in parts]),
        torch.cat([part.labels for part in parts]),
        torch.cat(scores) if scores else None,
    )


def _first(parts: list[Asked], row: int) -> int:
    """Queries charged before `row` of the joined parts; some may be missing between parts."""
    for part in parts:
        if row < len(part.labels):
            return part.first + row
        row -= len(part.labels)
    raise IndexError(row)


def _cut(part: Asked, start: int, end: int) -> Asked:
    scores = None if part.scores is None else part.scores[start:end]
    return Asked(part.first + start, part.inputs[start:end], part.labels[start:end], scores)
