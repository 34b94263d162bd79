"""Linear models and perceptrons, for inputs whose values have no place, such as a table's rows."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from copycost.errors import ConfigError, SpecMismatch
from copycost.nets.generator import Generator
from copycost.types import InputSpec

HIDDEN = (256, 256)
"""Units of the student's hidden layers."""


def linear(spec: InputSpec, classes: int) -> nn.Sequential:
    """Softmax regression: inputs [N, *shape] to logits [N, K]; `SpecMismatch` for tokens."""
    return nn.Sequential(nn.Flatten(), nn.Linear(_numbers(spec), classes))


def mlp(spec: InputSpec, classes: int) -> nn.Sequential:
    """Linear layers with batch norm and ReLU between: inputs [N, *shape] to logits [N, K].

    Raises `SpecMismatch` for tokens.
    """
    layers: list[nn.Module] = [nn.Flatten()]
    for inside, outside in pairwise((_numbers(spec), *HIDDEN)):
        layers += (nn.Linear(inside, outside), nn.BatchNorm1d(outside), nn.ReLU(inplace=True))
    return nn.Sequential(*layers, nn.Linear(HIDDEN[-1], classes))


def _numbers(spec: InputSpec) -> int:
    """How many numbers one input has, if it has numbers."""
    if spec.vocabulary is not None:
        raise SpecMismatch(
            "a victim of numbers",
            f"one of {spec.vocabulary:,} tokens",
            "tokens have no size; choose bag-of-tokens, text-cnn or a student of your own",
        )
    return spec.size


class MLPGenerator(Generator):
    """Two hidden layers of `width` units: numbers of any shape from latent vectors.

    As in DFME's generator, the last batch norm has no learnt scale or shift, so that the output
    cannot saturate the squash everywhere.
    """

    def __init__(self, spec: InputSpec, latent: int = 256, width: int = 128) -> None:
        """Make inputs of `spec`; raises `ConfigError` where `latent` or `width` is below 1."""
        if latent < 1 or width < 1:
            raise ConfigError(
                f"generator: expected latent and width of at least 1, got {latent} and {width}."
            )
        super().__init__(spec, latent)
        layers: list[nn.Module] = []
        for inside in (latent, width):
            layers += (nn.Linear(inside, width), nn.BatchNorm1d(width), nn.LeakyReLU(0.2, True))
        last = nn.BatchNorm1d(spec.size, affine=False)
        self.layers = nn.Sequential(*layers, nn.Linear(width, spec.size), last)

    def forward(self, z: Tensor) -> Tensor:
        """Map latents [N, Z] to inputs [N, *shape] before the squash, unbounded."""
        inputs: Tensor = self.layers(z).unflatten(1, self.spec.shape)
        return inputs
