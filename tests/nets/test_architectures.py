"""Contract tests over the registry: whatever is listed must behave as a victim and a student."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from copycost.benchmark.plain import out_of_place
from copycost.errors import SpecMismatch
from copycost.nets import ARCHITECTURES
from copycost.nets.normalised import Normalised
from copycost.nets.residual import ResNet
from copycost.nets.seeded import build, fresh_copy, seeded
from copycost.types import InputSpec, Modality

SPECS = [((1, 8, 8), 10), ((3, 16, 12), 4), ((2, 9, 11), 2)]
LARGE = ("resnet18-8x", "resnet34-8x", "wrn-28-10")  # from 11 M parameters: once is enough
SHAPELESS = ("linear", "mlp")
OF_TOKENS = ("bag-of-tokens", "text-cnn")
FOR_IMAGES = [name for name in ARCHITECTURES if name not in OF_TOKENS]
CASES = [
    (name, shape, classes)
    for name in FOR_IMAGES
    for shape, classes in (SPECS[1:2] if name in LARGE else [*SPECS, ((3, 32, 32), 10)])
]


@pytest.mark.parametrize(("name", "shape", "classes"), CASES)
def test_logits_gradients_and_independence_of_neighbours(name, shape, classes):
    module = build(ARCHITECTURES[name], InputSpec(shape), classes, seed=0)
    x = torch.rand(3, *shape, generator=torch.Generator().manual_seed(0)).requires_grad_()

    logits = module.train()(x)
    assert logits.shape == (3, classes)
    assert logits.dtype == torch.float32
    logits.square().sum().backward()
    for parameter in [x, *module.parameters()]:
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
    assert x.grad is not None
    assert x.grad.any()

    module.eval()
    with torch.no_grad():
        together = module(x)
        alone = torch.cat([module(row[None]) for row in x])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in FOR_IMAGES if name not in SHAPELESS])
def test_images_only(name):
    spec = InputSpec((16,), modality=Modality.TABULAR)
    with pytest.raises(SpecMismatch, match="images"):
        ARCHITECTURES[name](spec, 3)


@pytest.mark.parametrize("name", OF_TOKENS)
def test_tokens_become_logits_and_none_is_nothing(name):
    spec = InputSpec((6,), modality=Modality.TEXT, vocabulary=50)
    module = build(ARCHITECTURES[name], spec, 4, seed=0)
    x = torch.randint(1, 50, (5, 6), generator=torch.Generator().manual_seed(0))
    logits = module.train()(x)
    assert logits.shape == (5, 4)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
    x[:, 4:] = 0
    module.eval()
    with torch.no_grad():
        together = module(x)
        torch.testing.assert_close(together, torch.cat([module(row[None]) for row in x]))
        assert torch.equal(module(x.view(5, 2, 3)), together)
        longer = torch.cat([x, torch.zeros(5, 3, dtype=torch.int64)], dim=1)
        torch.testing.assert_close(module(longer), together)  # none, however often, is nothing
        swapped = module(x[:, [1, 0, *range(2, 6)]])
    assert torch.allclose(swapped, together, atol=1e-5) == (name == "bag-of-tokens")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_tokens_and_numbers_have_different_nets(name):
    tokens = InputSpec((1, 8, 8), modality=Modality.TEXT, vocabulary=50)
    with pytest.raises(SpecMismatch, match=r"bag-of-tokens|choose mlp for numbers, gap-cnn"):
        ARCHITECTURES[name](InputSpec((1, 8, 8)) if name in OF_TOKENS else tokens, 3)


@pytest.mark.parametrize("name", OF_TOKENS)
def test_a_text_has_tokens_only_if_it_has_a_vocabulary(name):
    with pytest.raises(SpecMismatch, match=r"got one of text without a vocabulary; .* declare the"):
        ARCHITECTURES[name](InputSpec((6,), modality=Modality.TEXT), 3)


def count(name, shape=(3, 32, 32), classes=10):
    with torch.device("meta"):
        module = ARCHITECTURES[name](InputSpec(shape), classes)
    return sum(p.numel() for p in module.parameters())


def residual_parameters(channels, classes, widths, blocks):
    """Every convolution has k*k*in*out weights, every batch norm 2 a channel."""
    total = 9 * channels * widths[0] + 2 * widths[0]
    inside = widths[0]
    for outside, depth in zip(widths, blocks, strict=True):
        total += 9 * inside * outside + (2 * depth - 1) * 9 * outside**2 + 2 * depth * 2 * outside
        if inside != outside:
            total += inside * outside + 2 * outside
        inside = outside
    return total + inside * classes + classes


@pytest.mark.parametrize(
    ("name", "widths", "blocks", "published"),
    [
        ("resnet18-8x", (64, 128, 256, 512), (2, 2, 2, 2), 11_173_962),
        ("resnet34-8x", (64, 128, 256, 512), (3, 4, 6, 3), 21_282_122),
        ("resnet20", (16, 32, 64), (3, 3, 3), 272_474),
        ("small-resnet", (16, 32, 64), (1, 1, 1), 78_042),
    ],
)
def test_residual_nets_have_the_parameters_of_their_formula(name, widths, blocks, published):
    assert count(name) == residual_parameters(3, 10, widths, blocks) == published
    assert count(name, (1, 8, 8), 4) == residual_parameters(1, 4, widths, blocks)


def wide_parameters(channels, classes, depth, widen):
    """As above, with a batch norm before each convolution of a block and one at the end."""
    n = (depth - 4) // 6
    total, inside = 9 * channels * 16, 16
    for outside in (16 * widen, 32 * widen, 64 * widen):
        total += 2 * inside + 9 * inside * outside + inside * outside
        total += (n - 1) * (2 * outside + 9 * outside**2) + n * (2 * outside + 9 * outside**2)
        inside = outside
    return total + 2 * inside + inside * classes + classes


@pytest.mark.parametrize(
    ("name", "depth", "widen", "parameters"),
    [("wrn-22-2", 22, 2, 1_079_642), ("wrn-28-10", 28, 10, 36_479_194)],
)
def test_wide_nets_have_the_parameters_of_their_formula(name, depth, widen, parameters):
    assert count(name) == wide_parameters(3, 10, depth, widen) == parameters
    assert count(name, (1, 8, 8), 4) == wide_parameters(1, 4, depth, widen)


def test_small_nets_have_the_parameters_of_their_formula():
    gap = 9 * (1 * 16 + 16 * 32 + 32 * 64) + 2 * (16 + 32 + 64) + (64 * 10 + 10)
    assert count("gap-cnn", (1, 8, 8)) == gap == 24_058
    # On 28x28 grey images: LeCun's 61,706 (fully connected C3 included) and, for the padding,
    # 7x7 instead of 5x5 positions before the first linear layer.
    assert count("lenet", (1, 28, 28)) == 61_706 + 16 * 120 * (49 - 25)


@pytest.mark.parametrize("shape", [(30,), (2, 40), (1,)])
def test_some_nets_take_numbers_of_any_shape(shape):
    spec = InputSpec(shape, modality=Modality.TABULAR)
    for name in SHAPELESS:
        assert build(ARCHITECTURES[name], spec, 3, seed=0)(torch.rand(5, *shape)).shape == (5, 3)
    module = build(ARCHITECTURES["mlp"], spec, 3, seed=0)
    layers = (spec.size * 256 + 256) + (256 * 256 + 256) + (256 * 3 + 3)
    norms = 2 * (256 + 256)
    assert sum(p.numel() for p in module.parameters()) == layers + norms


def test_resnet8x_keeps_an_eighth_of_the_resolution():
    module = ARCHITECTURES["resnet18-8x"](InputSpec((3, 32, 32)), 10).eval()
    assert isinstance(module, ResNet)
    seen: dict[str, torch.Size] = {}
    module.stages.register_forward_hook(lambda _m, _i, out: seen.update(shape=out.shape))
    module(torch.zeros(1, 3, 32, 32))
    assert seen["shape"] == (1, 512, 4, 4)


def test_lenet_refuses_images_that_pooling_would_erase():
    with pytest.raises(SpecMismatch, match="at least 4x4"):
        ARCHITECTURES["lenet"](InputSpec((1, 3, 8)), 2)


def test_weights_depend_on_the_seed_alone_and_global_numbers_go_on():
    spec, builder = InputSpec((1, 8, 8)), ARCHITECTURES["lenet"]
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    one = build(builder, spec, 3, seed=1).state_dict()
    assert torch.equal(torch.rand(4), expected)

    torch.manual_seed(6)
    same = build(builder, spec, 3, seed=1).state_dict()
    other = build(builder, spec, 3, seed=2).state_dict()
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert not any(torch.equal(one[k], other[k]) for k in one)


def test_seeded_restores_after_an_error():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    with pytest.raises(ValueError, match="lost"), seeded(0):
        raise ValueError(f"lost {torch.rand(1)}")
    assert torch.equal(torch.rand(1), expected)


def test_normalised_gives_the_module_standard_inputs_by_channel():
    mean, std = torch.tensor([0.2, 0.6]), torch.tensor([0.5, 0.1])
    module = Normalised(torch.nn.Flatten(), mean, std)
    x = torch.rand(5, 2, 3, 3)
    expected = torch.stack([(x[:, c] - mean[c]) / std[c] for c in range(2)], 1).flatten(1)
    torch.testing.assert_close(module(x), expected)
    assert set(module.state_dict()) == {"mean", "std"}


def test_names_are_listed_without_pytorch():
    code = (
        "import sys, copycost.nets as n, copycost.training.recipe, copycost.presets.victims as v;"
        "list(n.ARCHITECTURES), list(v.VICTIMS), 'dfme' in n.GENERATORS;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["gap-cnn", "small-resnet"])
def test_a_fresh_copy_shares_the_shape_and_nothing_else(name):
    module = build(ARCHITECTURES[name], InputSpec((1, 8, 8)), 3, seed=0)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    copies = [fresh_copy(module, seed).state_dict() for seed in (4, 4, 5)]
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())
    for k, v in module.named_parameters():
        assert torch.equal(copies[0][k], copies[1][k])
        if v.ndim > 1:  # batch norm starts alike, whatever the seed
            assert not torch.equal(copies[0][k], before[k])
            assert not torch.equal(copies[0][k], copies[2][k])


@pytest.mark.parametrize("name", [name for name in FOR_IMAGES if name != "linear"])
@pytest.mark.parametrize("training", [True, False])
def test_working_in_place_changes_no_number_and_not_what_it_is_given(name, training):
    spec = InputSpec((3, 16, 12))
    there, aside = (build(ARCHITECTURES[name], spec, 4, seed=0).train(training) for _ in range(2))
    changed = [layer for layer in aside.modules() if isinstance(layer, nn.ReLU)]
    assert changed
    assert all(layer.inplace for layer in changed)
    out_of_place(aside)
    x = torch.rand(3, *spec.shape, generator=torch.Generator().manual_seed(0))
    given = x.clone()
    scores = [module(x) for module in (there, aside)]
    for score in scores:
        score.square().sum().backward()
    assert torch.equal(x, given)
    assert torch.equal(*scores)
    for ours, theirs in zip(there.parameters(), aside.parameters(), strict=True):
        assert ours.grad is not None
        assert theirs.grad is not None
        assert torch.equal(ours.grad, theirs.grad)
