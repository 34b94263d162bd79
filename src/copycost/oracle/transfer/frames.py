"""The format of a transfer set on disk: segments of frames, one frame per call of the oracle.

A frame is a header and a payload, little-endian:

    4 bytes   b"CCQ1"
    u32       n, inputs in this frame
    u64       first: queries the account had been charged before this call
    u32       CRC-32 of the eight bytes of `first`, the four of n, and the payload
    payload   inputs [n, *shape], then labels [n] as int32, then, above label access,
              scores [n, K] as float32

Inputs are uint8 for images (the range's 256 levels), int32 for tokens, and float32 otherwise or
on request. Segments are named 000000.queries and so on; a frame never crosses from one to the
next. Nothing in a segment depends on time, session or machine: a run that was stopped and
resumed leaves the same bytes as one that was not. Positions that no frame covers were charged
and not recorded: a crash lost them.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from copycost.errors import RunError
from copycost.files import write_atomically
from copycost.settings import explained
from copycost.types import Access, InputSpec

MAGIC = b"CCQ1"
HEADER = struct.Struct("<4sIQI")
LAYOUT_FILE = "layout.json"
SUFFIX = ".queries"

Buffer = bytes | memoryview


class Encoding(StrEnum):
    """How inputs are stored."""

    BYTES = "bytes"
    """As uint8: the nearest of the range's 256 levels."""
    EXACT = "exact"
    """Bit for bit, as float32 or as token numbers."""


class Layout(BaseModel):
    """The format of one row, the same for all frames of a transfer set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    spec: InputSpec
    classes: int
    access: Access
    encoding: Encoding

    @classmethod
    def choose(cls, spec: InputSpec, classes: int, access: Access, wanted: Encoding) -> Self:
        """The layout with the `wanted` encoding; only images can be stored as bytes."""
        encoding = wanted if spec.in_levels else Encoding.EXACT
        return cls(spec=spec, classes=classes, access=access, encoding=encoding)

    @property
    def input_type(self) -> np.dtype[Any]:
        """Number format of inputs on disk."""
        if self.encoding is Encoding.BYTES:
            return np.dtype("u1")
        return np.dtype("<f4") if self.spec.vocabulary is None else np.dtype("<i4")

    @property
    def has_scores(self) -> bool:
        """Whether more than labels was released."""
        return self.access is not Access.LABEL

    @property
    def row_bytes(self) -> int:
        """Bytes that one query takes in a payload."""
        scores = 4 * self.classes if self.has_scores else 0
        return self.spec.size * self.input_type.itemsize + 4 + scores

    def split(self, payload: memoryview, n: int) -> Arrays:
        """The arrays in the payload of a frame with `n` inputs, without copying."""
        inputs = np.frombuffer(payload, self.input_type, n * self.spec.size)
        labels = np.frombuffer(payload, "<i4", n, offset=inputs.nbytes)
        scores = None
        if self.has_scores:
            at = inputs.nbytes + labels.nbytes
            scores = np.frombuffer(payload, "<f4", n * self.classes, offset=at)
            scores = scores.reshape(n, self.classes)
        return Arrays(inputs.reshape(n, *self.spec.shape), labels, scores)

    def claim(self, folder: Path) -> None:
        """Write this layout into `folder`; `RunError` if another one is there."""
        if not (folder / LAYOUT_FILE).exists():
            write_atomically(folder / LAYOUT_FILE, self.model_dump_json(indent=1).encode())
        elif read_layout(folder) != self:
            raise RunError(
                f"{folder} holds queries of other inputs, classes, access or encoding. Use another "
                "run folder."
            )


class Arrays(NamedTuple):
    """The content of one frame: views of its bytes."""

    inputs: np.ndarray[Any, Any]
    """[n, *shape], as stored."""
    labels: np.ndarray[Any, Any]
    """[n], int32."""
    scores: np.ndarray[Any, Any] | None
    """[n, K], float32; None at label access."""


class Frame(NamedTuple):
    """One call of the oracle, as bytes."""

    first: int
    n: int
    payload: memoryview


def read_layout(folder: Path) -> Layout:
    """The layout of the frames in `folder`; `RunError` if it is no transfer set of this version."""
    try:
        return Layout.model_validate(json.loads((folder / LAYOUT_FILE).read_bytes()))
    except FileNotFoundError:
        raise RunError(
            f"There is no transfer set in {folder}. Only runs with record_queries keep one."
        ) from None
    except ValueError as error:
        raise RunError(f"{folder / LAYOUT_FILE} cannot be read: {explained(error)}.") from None


def header(first: int, n: int, payload: Sequence[Buffer]) -> bytes:
    """The header of a frame whose payload is the concatenation of `payload`."""
    checksum = zlib.crc32(struct.pack("<QI", first, n))
    for part in payload:
        checksum = zlib.crc32(part, checksum)
    return HEADER.pack(MAGIC, n, first, checksum)


def frames(content: memoryview, row_bytes: int, *, check: bool) -> Iterator[Frame]:
    """The frames of a segment's content, up to its end or to the first that is not whole.

    Without `check` only headers and lengths are checked, not checksums.
    """
    at = 0
    while at + HEADER.size <= len(content):
        magic, n, first, checksum = HEADER.unpack_from(content, at)
        end = at + HEADER.size + n * row_bytes
        if magic != MAGIC or end > len(content):
            return
        payload = content[at + HEADER.size : end]
        if check and HEADER.unpack(header(first, n, [payload]))[3] != checksum:
            return
        yield Frame(first, n, payload)
        at = end


def scanned(content: memoryview, row_bytes: int, *, check: bool) -> tuple[int, int]:
    """How many queries the whole frames of a segment's content hold, and where they end in it."""
    queries = end = 0
    for frame in frames(content, row_bytes, check=check):
        queries, end = queries + frame.n, end + frame_bytes(frame)
    return queries, end


def frame_bytes(frame: Frame) -> int:
    """Bytes that a frame takes in its segment."""
    return HEADER.size + len(frame.payload)


def segments(folder: Path) -> list[Path]:
    """The segments of a transfer set, in order."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def segment(folder: Path, number: int) -> Path:
    """The path of a segment."""
    return folder / f"{number:06d}{SUFFIX}"
