"""The addresses, sizes and digests of official data sets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RemoteFile:
    """One file to download."""

    name: str
    url: str
    md5: str
    """As published with the data set: it detects damage, not deliberate forgery."""
    size: int


@dataclass(frozen=True)
class Manifest:
    """The files of one data set, and how persistently to request them."""

    files: tuple[RemoteFile, ...]
    attempts: int = 6
    """How often a file may be requested before a cut connection becomes an error."""
    pause: float = 1.0
    """Seconds before the second attempt; doubled before each later one."""
    timeout: float = 30.0
    """Seconds without a byte that count as a cut connection."""


_SVHN = "http://ufldl.stanford.edu/housenumbers"
_FASHION_MNIST = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
MANIFESTS = {
    "cifar10": Manifest(
        (
            RemoteFile(
                "cifar-10-python.tar.gz",
                "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
                "c58f30108f718f92721af3b95e74349a",
                170_498_071,
            ),
        )
    ),
    "svhn": Manifest(
        (
            RemoteFile(
                "train_32x32.mat",
                f"{_SVHN}/train_32x32.mat",
                "e26dedcc434d2e4c54c9b2d4a06d8373",
                182_040_794,
            ),
            RemoteFile(
                "test_32x32.mat",
                f"{_SVHN}/test_32x32.mat",
                "eb5a983be6a315427106f1b164d9cef3",
                64_275_384,
            ),
        )
    ),
    "fashion-mnist": Manifest(
        tuple(
            RemoteFile(name, f"{_FASHION_MNIST}/{name}", md5, size)
            for name, md5, size in (
                ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26_421_880),
                ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe", 29_515),
                ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79", 4_422_102),
                ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310", 5_148),
            )
        )
    ),
}
"""The data sets that can be fetched, by name."""
