"""PRADA: honest customers' queries lie at normally distributed distances from each other."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.stats import shapiro

from copycost.detectors.base import Detector, Look, Stream
from copycost.errors import ConfigError

Floats = npt.NDArray[np.float32]

EVERY = 10
"""Queries between two tests."""
LEAST = 100
"""Distances that a test takes more than."""
LEAST_OF_A_CLASS = 10
"""Distances of a class before they count."""
OUTLIERS = 3.0
"""Standard deviations from the mean beyond which a distance is left out."""


class Prada(Detector):
    """Juuti et al., EuroS&P 2019 (arXiv:1805.02628), algorithm 3, as its authors' code has it.

    The distance of a query is that to the nearest of the earlier queries of its class that were
    kept; those are kept which lie farther apart than usual. The distances of all classes together
    are tested for a normal distribution: the suspicion is 1 - W, with W the statistic of Shapiro
    and Wilk, so the authors' threshold delta on W is 1 - delta here.
    """

    def looks(self, stream: Stream) -> Iterator[Look]:
        """Test after every `EVERY` queries, from more than `LEAST` distances on.

        Raises `ConfigError` for tokens.
        """
        classes: dict[int, _Class] = {}
        queries = 0
        for inputs, labels, _ in stream:
            if not inputs.is_floating_point():
                raise ConfigError(
                    "prada compares distances between inputs, and tokens have none. Choose "
                    "confidence."
                )
            flat = inputs.flatten(1).float().cpu().numpy()
            for x, label in zip(flat, labels.tolist(), strict=True):
                classes.setdefault(label, _Class()).see(x)
                queries += 1
                if queries % EVERY == 0:
                    found = [c.distances for c in classes.values()]
                    w = normality([d for one in found if len(one) >= LEAST_OF_A_CLASS for d in one])
                    if w is not None:
                        yield Look(queries, 1 - w)


def normality(distances: list[float]) -> float | None:
    """Shapiro and Wilk's W of `distances` without outliers; None for too few."""
    kept = np.asarray(distances)
    if len(kept):
        kept = kept[np.abs(kept - kept.mean()) < OUTLIERS * kept.std()]
    if len(kept) <= LEAST:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of more than 5,000 values, only the p-value is inexact
        return float(shapiro(kept).statistic)


class _Class:
    """The queries of one class."""

    def __init__(self) -> None:
        self.distances: list[float] = []
        self._kept: Floats | None = None
        self._size = 0
        self._apart = [0.0]
        self._threshold = 0.0

    def see(self, x: Floats) -> None:
        """Note the distance of `x` to the nearest that is kept, and keep it if that is far."""
        if self._kept is None:
            self._keep(x)
            return
        nearest = float(np.sqrt(((self._kept[: self._size] - x) ** 2).sum(axis=1).min()))
        self.distances.append(nearest)
        if nearest > self._threshold:
            self._keep(x)
            self._apart.append(nearest)
            usual = float(np.mean(self._apart) - np.std(self._apart))
            self._threshold = max(self._threshold, usual)

    def _keep(self, x: Floats) -> None:
        if self._kept is None:
            self._kept = np.empty((16, len(x)), np.float32)
        if self._size == len(self._kept):
            self._kept = np.concatenate([self._kept, np.empty_like(self._kept)])
        self._kept[self._size] = x
        self._size += 1
