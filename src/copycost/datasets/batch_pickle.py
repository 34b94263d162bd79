"""Reads CIFAR-10's pickled batches without running anything that a pickle can name.

A pickle is a program: the ordinary loader would run whatever a downloaded file asks for.
CIFAR-10's files need three names. This module replaces each by a class of its own that only
stores its arguments, so that not even NumPy's code runs on unchecked bytes. This also avoids
the files' outdated call of `dtype(…, 0, 1)`, which NumPy 2.4 warns about.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import numpy.typing as npt

from copycost.datasets.sources import bad_data
from copycost.errors import DataError

PIXELS = 3 * 32 * 32
_ADVICE = "fetch the official archive again (`copycost data fetch cifar10`)"


# Each stand-in has its own __setstate__: without one, a pickle's BUILD instruction could set
# any attribute, and on the class itself, which would change it for the whole process.
class _Dtype:
    def __init__(self, code: object = None, *_: object) -> None:
        self.code = code.decode("latin1") if isinstance(code, bytes) else code

    def __setstate__(self, state: object) -> None:
        """Ignore byte order and alignment, which single bytes do not have."""


class _Array:
    def __init__(self, *_: object) -> None:
        self.state: Any = None

    def __setstate__(self, state: object) -> None:
        self.state = state


class _Latin1(bytes):
    """Stands for `codecs.encode`, with which Python 3 writes bytes into an old pickle."""

    def __new__(cls, text: str = "", encoding: str = "latin1") -> _Latin1:
        if encoding != "latin1":
            raise pickle.UnpicklingError(f"encoding {encoding!r}")
        return super().__new__(cls, text.encode("latin1"))

    def __setstate__(self, state: object) -> None:
        """Ignore the state: there is nothing to restore."""


_ALLOWED: dict[tuple[str, str], type] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("_codecs", "encode"): _Latin1,
}


class _Unpickler(pickle.Unpickler):
    """Resolves the names in `_ALLOWED` and no others."""

    def __init__(self, content: bytes, where: str) -> None:
        # 'bytes', as the pixels are a Python 2 string, which is not text in any encoding.
        super().__init__(io.BytesIO(content), encoding="bytes")
        self._where = where

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise bad_data(
                self._where,
                "a CIFAR-10 batch of plain arrays",
                f"a pickle that asks for {module}.{name}, which was not run",
                f"do not trust this file; {_ADVICE}",
            )
        return _ALLOWED[module, name]


def read_batch(content: bytes, where: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Pixels [N, 3072], uint8, and labels [N] in 0..9 of one pickled batch.

    `where` names the file in errors. Raises `DataError` if the pickle names anything but
    arrays, is cut short, or does not hold such pixels and labels.
    """
    found = _unpickle(content, where)
    if not isinstance(found, dict):
        raise _wrong(where, f"a {type(found).__name__}")
    batch = {k.decode("latin1") if isinstance(k, bytes) else k: v for k, v in found.items()}
    pixels, labels = _pixels(batch.get("data"), where), batch.get("labels")
    if not isinstance(labels, list) or any(label not in range(10) for label in labels):
        raise _wrong(where, "labels that are not a list of numbers from 0 to 9")
    if len(labels) != len(pixels):
        raise _wrong(where, f"{len(pixels):,} images and {len(labels):,} labels")
    return pixels, np.array(labels, dtype=np.int64)


def _unpickle(content: bytes, where: str) -> object:
    try:
        return _Unpickler(content, where).load()
    except DataError:
        raise
    # A damaged pickle is a wrong program, and can fail in any way that a program can.
    except Exception as error:
        reason = f"a pickle that cannot be read ({type(error).__name__}: {error})"
        raise _wrong(where, reason) from error


def _pixels(found: object, where: str) -> npt.NDArray[np.uint8]:
    state = found.state if isinstance(found, _Array) else None
    match state:
        case (_, (int(n), int(width)), _Dtype(code="u1"), fortran, bytes(raw)):
            if width == PIXELS and len(raw) == n * width:
                flat = np.frombuffer(raw, dtype=np.uint8)
                return flat.reshape((n, width), order="F" if fortran else "C")
    raise _wrong(where, "no uint8 array [N, 3072] under 'data'")


def _wrong(where: str, came: str) -> DataError:
    return bad_data(where, "a CIFAR-10 batch with 'data' and 'labels'", came, _ADVICE)
