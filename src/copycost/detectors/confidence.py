"""Confidence: the model is as sure of a customer's queries as it is of other customers'."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.stats import ks_2samp

from copycost.detectors.base import Detector, Look, Seen, Stream
from copycost.errors import ConfigError

WINDOW = 100
"""Latest queries that are compared with customers'."""
EVERY = 10
"""Queries between two looks."""
DECIMALS = 6
"""Of probabilities. The same one computed in two ways may be off by a bit, and equals count."""


class Confidence(Detector):
    """How sure the model is of the latest queries, beside how sure it is of customers'.

    The suspicion is the statistic of the test of Kolmogorov and Smirnov, the largest distance
    between the two distribution functions of the first choice's probability: in [0, 1]. HODA
    (Sadeghzadeh et al. 2021, arXiv:2106.11424) compares 100 queries with customers' by how late in
    training the model settled on its answer, for which the model's earlier states are needed; this
    compares what the model itself says.
    """

    def __init__(self) -> None:
        """Knows no customer yet."""
        self._usual: npt.NDArray[np.float32] | None = None

    def study(self, stream: Stream) -> None:
        """Note how sure the model is of an honest customer's queries."""
        self._usual = np.concatenate([_sure(seen) for seen in stream])

    def looks(self, stream: Stream) -> Iterator[Look]:
        """Compare the latest `WINDOW` queries after every `EVERY`."""
        assert self._usual is not None, "it studies an honest customer first"
        latest: deque[float] = deque(maxlen=WINDOW)
        queries = 0
        for seen in stream:
            for sure in _sure(seen).tolist():
                latest.append(sure)
                queries += 1
                if len(latest) == WINDOW and queries % EVERY == 0:
                    apart = ks_2samp(latest, self._usual, method="asymp").statistic
                    yield Look(queries, float(apart))


def _sure(seen: Seen) -> npt.NDArray[np.float32]:
    if seen.sure is None:
        raise ConfigError(
            "confidence needs the model's own probabilities. They are recorded at probabilities, "
            "logits or top-k access, without defences: leave other runs out."
        )
    return seen.sure.float().cpu().numpy().round(DECIMALS)
