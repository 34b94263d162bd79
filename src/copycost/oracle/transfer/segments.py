"""Appends frames to segments: whole frames stay, torn ones are cut off."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from copycost.errors import RunError
from copycost.files import clear_partial, sync_folder, write_atomically
from copycost.locks import Lock
from copycost.oracle.transfer.frames import (
    MAGIC,
    Buffer,
    Layout,
    header,
    scanned,
    segment,
    segments,
)

SEGMENT_BYTES = 256 * 2**20
"""A segment takes no further frame that would make it longer than this."""

LOCK_FILE = "lock"

DAMAGED = ".damaged"
"""Suffix of files that hold what was cut off a segment."""

MEND = "Put back a copy of it, or move the run's folder away and make the run again."
"""What to do about a damaged transfer set."""


class Appender:
    """The last segment of a transfer set, open for frames at its end.

    On opening, a tail that a crash tore is cut off after the last whole frame. If further calls
    follow the torn one, as after a power cut or on a bad disk, the tail is kept beside the segment.
    """

    def __init__(self, folder: Path, layout: Layout, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Open or begin the transfer set in `folder`.

        Raises `Busy` if another writer has it, and `RunError` if it has another layout or is
        damaged in a segment before the last.
        """
        folder.mkdir(parents=True, exist_ok=True)
        # Else a frame that another writer is about to finish would be cut off as torn.
        self._lock = Lock(folder / LOCK_FILE, str(folder))
        clear_partial(folder)
        layout.claim(folder)
        self._folder, self._limit = folder, segment_bytes
        places = segments(folder)
        self.recorded, self.torn_bytes = _closed(places[:-1], layout), 0
        self._open(max(0, len(places) - 1))
        self._mend(layout)

    def append(self, first: int, n: int, payload: Sequence[Buffer]) -> None:
        """Write one frame. If that fails, the segment ends where it ended before."""
        parts = [header(first, n, payload), *payload]
        length = sum(len(part) for part in parts)
        if self._size and self._size + length > self._limit:
            self._next()
        try:
            for part in parts:
                _write(self._file, part)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise
        self._size += length
        self.recorded += n

    def sync(self) -> None:
        """Wait until all is on the disk, not only in its cache."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close the segment, and let others append."""
        os.close(self._file)
        self._lock.release()

    def _next(self) -> None:
        self.sync()
        # This segment stays open until the next one is: `close` must find a file to close.
        ended = self._file
        self._open(self._number + 1)
        os.close(ended)

    def _open(self, number: int) -> None:
        path = segment(self._folder, number)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            size = os.fstat(file).st_size
            sync_folder(self._folder)
        except OSError:
            os.close(file)
            raise
        self._number, self._file, self._size = number, file, size

    def _mend(self, layout: Layout) -> None:
        place = segment(self._folder, self._number)
        content = mapped(place)
        queries, whole = scanned(content, layout.row_bytes, check=True)
        self.recorded += queries
        _keep(bytes(content[whole:]), place.with_name(f"{place.stem}-from-{whole}{DAMAGED}"))
        self.torn_bytes = self._size - whole
        if self.torn_bytes:
            os.ftruncate(self._file, whole)
            self._size = whole


def _keep(rest: bytes, place: Path) -> None:
    """Keep a tail about to be cut off if another frame begins in it: its queries were paid for."""
    if rest.find(MAGIC, 1) > 0:
        write_atomically(place, rest)


def _closed(places: Sequence[Path], layout: Layout) -> int:
    """Queries in segments that are complete; `RunError` if one of them is damaged."""
    count = 0
    for place in places:
        content = mapped(place)
        queries, whole = scanned(content, layout.row_bytes, check=False)
        count += queries
        if whole != len(content):
            raise RunError(f"{place} is damaged after {whole:,} bytes. {MEND}")
    return count


def mapped(path: Path) -> memoryview:
    """A memory map of a file, read only where it is accessed; freed with its last view."""
    if not path.stat().st_size:
        return memoryview(b"")
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _write(file: int, part: Buffer) -> None:
    view = memoryview(part)
    while view:
        view = view[os.write(file, view) :]
