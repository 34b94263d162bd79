"""Networks by name: architectures of victims and students, and generators of queries.

Every architecture is a builder `(spec, classes) -> module`, whose module maps inputs
[N, *shape] in the spec's range to logits [N, K]. Importing this package loads no PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from copycost.registry import Entry, Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from copycost.nets.generator import Generator
    from copycost.types import InputSpec


class GeneratorBuilder(Protocol):
    """The interface of the builders that `GENERATORS` lists."""

    def __call__(self, spec: InputSpec, latent: int = 256, width: int = 128) -> Generator:
        """Build a generator of inputs of `spec` from latent vectors [N, `latent`]."""
        ...


ARCHITECTURES: Registry[Callable[[InputSpec, int], nn.Module]] = Registry(
    "architecture",
    {
        "linear": Entry(
            "copycost.nets.perceptron:linear", "softmax regression, for numbers of any shape"
        ),
        "mlp": Entry(
            "copycost.nets.perceptron:mlp",
            "two hidden layers of 256 units with batch norm, for numbers of any shape",
        ),
        "bag-of-tokens": Entry(
            "copycost.nets.text:BagOfTokens", "a perceptron on summed embeddings, for tokens"
        ),
        "text-cnn": Entry(
            "copycost.nets.text:TextCNN",
            "filters over two to four neighbours of Kim (2014), for tokens",
        ),
        "gap-cnn": Entry(
            "copycost.nets.lenet:gap_cnn",
            "three 3x3 convolutions with batch norm, global average pooling; 24 k parameters",
        ),
        "lenet": Entry(
            "copycost.nets.lenet:lenet",
            "LeNet-5 of LeCun et al. (1998) with ReLU and max-pooling, for any image from 4x4",
        ),
        "small-resnet": Entry(
            "copycost.nets.small_resnet:small_resnet",
            "residual net of 16, 32 and 64 channels, one block a stage; 78 k parameters",
        ),
        "resnet20": Entry(
            "copycost.nets.small_resnet:resnet20",
            "ResNet-20 for CIFAR of He et al. (2016), projection shortcuts; 0.27 M parameters",
        ),
        "resnet18-8x": Entry(
            "copycost.nets.resnet8x:resnet18_8x",
            "ResNet-18 without the stem's downsampling, DFME's student; 11.2 M parameters",
        ),
        "resnet34-8x": Entry(
            "copycost.nets.resnet8x:resnet34_8x",
            "ResNet-34 without the stem's downsampling, DFME's victim; 21.3 M parameters",
        ),
        "wrn-22-2": Entry(
            "copycost.nets.wide_resnet:wrn_22_2",
            "wide residual net of 22 layers, twice as wide, MAZE's student; 1.08 M parameters",
        ),
        "wrn-28-10": Entry(
            "copycost.nets.wide_resnet:wrn_28_10",
            "wide residual net of 28 layers, ten times as wide; 36.5 M parameters",
        ),
    },
    own=callable,
)
"""Architectures of victims and students: builders `(spec, classes) -> module`."""

GENERATORS: Registry[GeneratorBuilder] = Registry(
    "generator",
    {
        "dfme": Entry(
            "copycost.nets.dfme_generator:DFMEGenerator",
            "the generator of DFME, DisGUIDE and Dual Student, for sizes that divide by 4",
        ),
        "mlp": Entry(
            "copycost.nets.perceptron:MLPGenerator",
            "two hidden layers with batch norm, for numbers of any shape",
        ),
    },
)
"""Generators, which turn noise into queries: builders `(spec, latent, width) -> Generator`."""

__all__ = ["ARCHITECTURES", "GENERATORS", "GeneratorBuilder"]
