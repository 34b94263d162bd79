"""Victims whose inputs are rows of numbers, for docs/tables.md: three data sets, three models each.

`cancer` is scikit-learn's; `speech` and `questions` are read from the folder in COPYCOST_TEST_DATA.
Columns are scaled to [0, 1] by the training rows.
"""

from __future__ import annotations

import io
import os
import wave
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from copycost import FunctionVictim, InputSpec, Labelled, Modality, Target

WORDS = 300
"""The most frequent words of the questions, each a column: whether it is there."""
BANDS, WINDOW = 16, 256
"""Bands of frequencies, and samples of one window, of which every second half is new."""
QUIET = 1e-6

Array = np.ndarray[Any, np.dtype[Any]]


class Table(NamedTuple):
    """Rows [N, D] and labels [N] of two parts."""

    rows: Array
    labels: Array
    held_out: Array
    held_out_labels: Array
    name: str


def cancer() -> Table:
    """569 tumours by 30 measurements of cells; two classes; every fourth is held out."""
    rows, labels = load_breast_cancer(return_X_y=True)
    out = np.arange(len(rows)) % 4 == 3
    return Table(rows[~out], labels[~out], rows[out], labels[out], "Wisconsin breast cancer")


def speech() -> Table:
    """3,000 spoken digits by 80 energies; ten classes."""
    (sounds, labels), (held_out, held_out_labels) = (_part("fsdd", p, "audio") for p in _PARTS)
    first, second = (np.array([_energies(s["bytes"]) for s in part]) for part in (sounds, held_out))
    return Table(first, labels, second, held_out_labels, "Free Spoken Digit Dataset")


def questions() -> Table:
    """5,952 questions by the words in them; six classes."""
    (texts, labels), (held_out, held_out_labels) = (_part("trec", p, "text") for p in _PARTS)
    words = CountVectorizer(max_features=WORDS, binary=True).fit(texts)
    first, second = (words.transform(part).toarray().astype(float) for part in (texts, held_out))
    return Table(first, labels, second, held_out_labels, "TREC questions")


_PARTS = ("train", "test")


def _part(folder: str, part: str, column: str) -> tuple[list[Any], Array]:
    file = pq.read_table(Path(os.environ["COPYCOST_TEST_DATA"]) / folder / f"{part}.parquet")
    return file[column].to_pylist(), np.array(file["label"])


def _energies(sound: bytes) -> Array:
    """[80] for a WAV file: the log energies of 16 bands, by mean and deviation over time, and by
    their means in each third of the time."""
    with wave.open(io.BytesIO(sound)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 2**15
    samples = np.pad(samples, (0, max(0, 2 * WINDOW - len(samples))))
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[:: WINDOW // 2]
    power = np.abs(np.fft.rfft(windows * np.hanning(WINDOW)))[:, 1:] ** 2
    bands = np.log(power.reshape(len(power), BANDS, -1).sum(axis=2) + QUIET)
    thirds = [part.mean(axis=0) for part in np.array_split(bands, 3)]
    return np.concatenate([bands.mean(axis=0), bands.std(axis=0), *thirds])


MODELS: dict[str, Callable[[], Any]] = {
    "logistic": lambda: LogisticRegression(max_iter=2_000),
    "forest": lambda: RandomForestClassifier(random_state=0),
    "boosting": lambda: HistGradientBoostingClassifier(random_state=0),
}


@cache
def target(read: Callable[[], Table], kind: str) -> Target:
    """The model of this `kind`, trained on the table that `read` gives."""
    table = read()
    low, high = table.rows.min(axis=0), table.rows.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    first, second = (((part - low) / span).clip(0, 1) for part in (table.rows, table.held_out))
    model = MODELS[kind]().fit(first, table.labels)

    def ask(x: Array) -> Array:
        """Probabilities [N, K] for rows [N, D] in [0, 1]."""
        p: Array = model.predict_proba(x.astype(float))
        p /= p.sum(axis=1, keepdims=True)
        return p

    spec = InputSpec(shape=first.shape[1:], modality=Modality.TABULAR)
    name = f"{read.__name__}-{kind}"
    classes = len(np.unique(table.labels))
    victim = FunctionVictim(ask, spec, classes, output="probabilities", name=name, free=True)
    return Target(victim, Labelled.from_arrays(second, table.held_out_labels), table.name, kind)


cancer_logistic, cancer_forest, cancer_boosting = (partial(target, cancer, k) for k in MODELS)
speech_logistic, speech_forest, speech_boosting = (partial(target, speech, k) for k in MODELS)
questions_logistic, questions_forest, questions_boosting = (
    partial(target, questions, k) for k in MODELS
)
