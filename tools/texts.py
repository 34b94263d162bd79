"""Victims whose inputs are texts, for docs/texts.md: questions by three models.

The questions are read from the folder in COPYCOST_TEST_DATA. An input is 16 words of a
vocabulary, as numbers from 1, the most frequent; 0 stands for none.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from torch import nn

from copycost import FunctionVictim, InputSpec, Labelled, Modality, ModuleVictim, Target

LENGTH, LEAST = 16, 2
"""Words of a text, of which later ones are cut; and questions that a word must be in."""
CLASSES = 6

Array = np.ndarray[Any, np.dtype[Any]]


class Texts(NamedTuple):
    """Tokens [N, 16] and labels [N] of two parts, and the words that the tokens stand for."""

    tokens: Array
    labels: Array
    held_out: Array
    held_out_labels: Array
    words: list[str]


@cache
def questions() -> Texts:
    """5,952 questions; six kinds of things that they ask for."""
    (texts, labels), (held_out, held_out_labels) = (_part(part) for part in ("train", "test"))
    found = Counter(word for text in texts for word in set(_words(text)))
    kept = [(-times, word) for word, times in found.items() if times >= LEAST]
    words = ["", *(word for _, word in sorted(kept))]
    number = {word: i for i, word in enumerate(words)}
    first, second = (np.array([_tokens(t, number) for t in part]) for part in (texts, held_out))
    return Texts(first, labels, second, held_out_labels, words)


def _part(part: str) -> tuple[list[str], Array]:
    file = pq.read_table(Path(os.environ["COPYCOST_TEST_DATA"]) / "trec" / f"{part}.parquet")
    return file["text"].to_pylist(), np.array(file["label"])


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def _tokens(text: str, number: dict[str, int]) -> list[int]:
    known = [number[word] for word in _words(text) if word in number][:LENGTH]
    return known + [0] * (LENGTH - len(known))


def read(tokens: Array, words: list[str]) -> list[str]:
    """Texts that the tokens [N, 16] stand for."""
    return [" ".join(words[i] for i in row if i) for row in tokens]


SCIKIT = {
    "logistic": lambda: LogisticRegression(C=10, max_iter=2_000),
    "forest": lambda: RandomForestClassifier(random_state=0),
}


@cache
def pipeline(kind: str) -> Target:
    """A model that takes texts as strings: words and pairs of words, weighted, and a classifier."""
    data = questions()
    weights = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), sublinear_tf=True)
    model = make_pipeline(weights, SCIKIT[kind]()).fit(read(data.tokens, data.words), data.labels)

    def ask(x: Array) -> Array:
        """Probabilities [N, K] for tokens [N, 16]."""
        p: Array = model.predict_proba(read(x, data.words))
        return p

    victim = FunctionVictim(ask, _spec(data), CLASSES, "probabilities", name=kind, free=True)
    return _target(victim, data, kind)


class Reader(nn.Module):
    """A bidirectional GRU over embeddings, and the largest value of each unit."""

    def __init__(self, words: int) -> None:
        """For tokens below `words`."""
        super().__init__()
        self.embedding = nn.Embedding(words, 100, padding_idx=0)
        self.gru = nn.GRU(100, 64, batch_first=True, bidirectional=True)
        self.drop, self.last = nn.Dropout(0.5), nn.Linear(128, CLASSES)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens [N, L] to logits [N, K]."""
        states, _ = self.gru(self.drop(self.embedding(tokens)))
        logits: torch.Tensor = self.last(self.drop(states.amax(dim=1)))
        return logits


@cache
def recurrent() -> Target:
    """A recurrent net, trained for ten epochs."""
    data = questions()
    torch.manual_seed(0)
    model = Reader(len(data.words))
    x, y = torch.tensor(data.tokens), torch.tensor(data.labels)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(10):
        for rows in torch.split(torch.randperm(len(x)), 64):
            loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    victim = ModuleVictim(model.eval(), _spec(data), CLASSES, "logits", name="recurrent")
    return _target(victim, data, "recurrent")


def _spec(data: Texts) -> InputSpec:
    return InputSpec((LENGTH,), modality=Modality.TEXT, vocabulary=len(data.words))


def _target(victim: FunctionVictim | ModuleVictim, data: Texts, kind: str) -> Target:
    held_out = Labelled.from_arrays(data.held_out, data.held_out_labels)
    return Target(victim, held_out, "TREC questions", kind)


logistic, forest = (partial(pipeline, kind) for kind in SCIKIT)
