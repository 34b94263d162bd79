"""Fashion-MNIST (Xiao et al., arXiv:1708.07747) from its official IDX files, packed or not."""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch.nn.functional import pad

from copycost.datasets.base import Dataset, Labelled
from copycost.datasets.sources import bad_data, require_files, usual_folder

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package `dataset-fashion-mnist` puts the files."""
CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_PARTS = ("train", "t10k")
_FILES = tuple(f"{part}-{kind}-ubyte" for part in _PARTS for kind in ("images-idx3", "labels-idx1"))
_SIDE = 28
_ADVICE = (
    "`apt install dataset-fashion-mnist`, run `copycost data fetch fashion-mnist`, or say where "
    "the four files are: `fashion-mnist:/path`"
)


def load_fashion_mnist(path: Path | None) -> Dataset:
    """Fashion-MNIST in the folder `path`; see `read_fashion_mnist`.

    If None, in Debian's folder if that exists, else in the usual one.
    """
    usual = DEBIAN if DEBIAN.is_dir() else usual_folder("fashion-mnist")
    return read_fashion_mnist(path or usual)


def load_small_fashion_mnist(path: Path | None) -> Dataset:
    """The first 12,000 training and 2,000 test images at 16×16, [N, 1, 16, 16], for a CPU.

    Classes are not quite balanced: 1,122 to 1,244 images to train on, 188 to 219 to test on.
    """
    whole = load_fashion_mnist(path)
    return replace(
        whole,
        name="fashion-mnist-16",
        provenance="part of Fashion-MNIST, padded and halved to 16×16",
        collection=whole.provenance,
        train=_small(whole.train, 12_000),
        test=_small(whole.test, 2_000),
    )


def _small(part: Labelled, count: int) -> Labelled:
    # 28×28 halved is 14×14, which is no multiple of 4 as the generator needs. Two more black
    # pixels on each side only extend the background of the articles.
    return Labelled(pad(part.inputs[:count], (2, 2, 2, 2)), part.labels[:count]).halved()


def read_fashion_mnist(folder: Path, sizes: tuple[int, int] = (60_000, 10_000)) -> Dataset:
    """Fashion-MNIST from the four IDX files in `folder`, each with or without its `.gz`.

    Images are [N, 1, 28, 28]. `sizes` are the numbers of images that `train-*` and `t10k-*`
    must hold: part of Fashion-MNIST is not Fashion-MNIST.

    Raises:
        DataError: a file is missing, cut short, or not what its name says.
    """
    paths = {name: _found(folder / name) for name in _FILES}
    missing = (f"{name}.gz" for name, path in paths.items() if not path.is_file())
    require_files(folder, missing, _ADVICE)
    train, test = (
        _read(paths[f"{part}-images-idx3-ubyte"], paths[f"{part}-labels-idx1-ubyte"], size)
        for part, size in zip(_PARTS, sizes, strict=True)
    )
    return Dataset("fashion-mnist", "Fashion-MNIST", CLASS_NAMES, train, test)


def _found(plain: Path) -> Path:
    packed = plain.with_name(f"{plain.name}.gz")
    return packed if packed.is_file() else plain


def _read(images: Path, labels: Path, size: int) -> Labelled:
    pixels = _read_idx(images, (size, _SIDE, _SIDE))
    numbers = _read_idx(labels, (size,))
    if numbers.max() > 9:
        raise bad_data(labels, "labels from 0 to 9", f"a label {numbers.max()}", _ADVICE)
    return Labelled.from_arrays(pixels[:, None], numbers)


def _read_idx(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """The bytes of an IDX file, which must be of `shape`.

    Such a file consists of two zeros, the type (8: uint8), the number of axes, the length of each
    as a big-endian 32-bit integer, and the values.
    """
    header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
    size = len(header) + math.prod(shape)
    content = _unpacked(path, size + 1)  # one byte more shows a file that is too long
    if not content.startswith(header):
        expected = f"an IDX file of uint8 {list(shape)}"
        raise bad_data(path, expected, _announced(content), _ADVICE)
    if len(content) != size:
        came = f"{len(content):,}" if len(content) < size else "more"
        raise bad_data(path, f"{size:,} bytes unpacked", came, _ADVICE)
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape)


def _announced(content: bytes) -> str:
    """The type and shape that a file's header declares, or else its first bytes, in words."""
    axes = content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    lengths = content[4 : 4 + 4 * axes]
    if axes and len(lengths) == 4 * axes:
        return f"one of uint8 {np.frombuffer(lengths, '>u4').tolist()}"
    return f"one that starts with {content[:16].hex(' ') or 'nothing'}"


def _unpacked(path: Path, most: int) -> bytes:
    """The first `most` bytes of a file that may be gzipped: fewer only if it ends there."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return file.read(most)
    except (OSError, EOFError, zlib.error) as error:
        came = f"one that is cut short or damaged ({error})"
        raise bad_data(path, "a whole file", came, _ADVICE) from error
