"""Networks for tokens, of which 0 stands for none: texts shorter than L end in zeros."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from copycost.errors import SpecMismatch
from copycost.types import InputSpec

WIDTHS, MAPS, EMBEDDING = (2, 3, 4), 100, 128
"""Tokens under a filter of `TextCNN`, filters of each width, and numbers that stand for a token."""


class BagOfTokens(nn.Module):
    """A perceptron on the sum of what the tokens of a text stand for, in whatever order."""

    def __init__(self, spec: InputSpec, classes: int) -> None:
        """Raises `SpecMismatch` where `spec` is not of tokens."""
        super().__init__()
        self.embedding = _embedding(spec, EMBEDDING)
        self.layers = nn.Sequential(
            nn.BatchNorm1d(EMBEDDING),
            nn.ReLU(inplace=True),
            nn.Linear(EMBEDDING, EMBEDDING),
            nn.BatchNorm1d(EMBEDDING),
            nn.ReLU(inplace=True),
            nn.Linear(EMBEDDING, classes),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens [N, *shape] to logits [N, K]."""
        logits: Tensor = self.layers(self.embedding(tokens.flatten(1)).sum(dim=1))
        return logits


class TextCNN(nn.Module):
    """Filters over neighbouring tokens, the largest value of each, and a linear layer.

    Kim (2014), "Convolutional neural networks for sentence classification", with filters of two to
    four tokens in place of three to five, batch norm in place of dropout, and smaller embeddings,
    which start from random numbers.
    """

    def __init__(self, spec: InputSpec, classes: int) -> None:
        """Raises `SpecMismatch` where `spec` is not of tokens."""
        super().__init__()
        self.embedding = _embedding(spec, EMBEDDING)
        self.filters = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(EMBEDDING, MAPS, width, padding=width - 1, bias=False),
                nn.BatchNorm1d(MAPS),
                nn.ReLU(inplace=True),
            )
            for width in WIDTHS
        )
        self.last = nn.Linear(MAPS * len(WIDTHS), classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens [N, *shape] to logits [N, K]."""
        meanings = self.embedding(tokens.flatten(1)).transpose(1, 2)  # [N, 128, L]
        found = [filters(meanings).amax(dim=2) for filters in self.filters]
        logits: Tensor = self.last(torch.cat(found, dim=1))
        return logits


def _embedding(spec: InputSpec, size: int) -> nn.Embedding:
    if spec.vocabulary is None:
        raise SpecMismatch(
            "a victim of tokens",
            f"one of {spec.modality} without a vocabulary",
            "choose mlp for numbers, gap-cnn or another convolutional net for images; of tokens "
            "declare the vocabulary",
        )
    embedding = nn.Embedding(spec.vocabulary, size, padding_idx=0)
    # Tokens are asked rarely: larger random numbers would outweigh what is learnt of them.
    nn.init.normal_(embedding.weight[1:], std=spec.size**-0.5)
    return embedding
