"""Images of random numbers: what each source draws, by statistics that can be worked out."""

from __future__ import annotations

import pytest
import torch

from copycost.attacks import sources
from copycost.attacks.sources import (
    SHAPELESS,
    SOURCES,
    fields,
    knowledge_of,
    leaves,
    levelled,
    normal,
    shapes,
    sparse,
    textured,
    uniform,
)
from copycost.attacks.untrained import (
    _by_winners,
    _convolved,
    composed,
    coordinates,
    of_kinds,
    paled,
    patches,
    untrained,
    winners,
)
from copycost.engine import Engine
from copycost.types import InputSpec, Modality

SPEC = InputSpec((3, 12, 16), low=-1.0, high=3.0)
N = 2_000


@pytest.fixture
def random():
    return Engine("cpu").random(0)


@pytest.mark.parametrize("name", list(SOURCES))
@pytest.mark.parametrize(
    "shape",
    [(3, 12, 16), (2, 7, 3), (1, 3, 3), (1, 2, 2), (1, 1, 5), (1, 5, 1), (3, 1, 1), (1, 1, 1)],
)
def test_every_source_fits_every_shape_and_stays_in_the_range(name, shape, random):
    spec = InputSpec(shape, low=-1.0, high=3.0)
    x = SOURCES[name](spec, 50, random)
    assert x.shape == (50, *shape)
    spec.check_range(x)


@pytest.mark.parametrize("name", list(SOURCES))
@pytest.mark.parametrize("rows", [[5, 0, 2], [3]])
@pytest.mark.parametrize("shape", [(3, 12, 16), (1, 8, 8)])
def test_an_image_does_not_depend_on_which_others_are_drawn(name, rows, shape, random):
    spec, source, among = InputSpec(shape), SOURCES[name], Engine("cpu").random(0)
    kept = torch.tensor(rows, dtype=torch.int64)
    some = source(spec, len(rows), random.of(kept, 6))
    assert torch.allclose(some, source(spec, 6, among)[kept], atol=1e-5)
    assert torch.equal(random.state(), among.state()), "the stream goes on as if all were drawn"


def test_each_image_is_of_one_kind_and_no_more_are_made_than_asked(random):
    drawn = []

    def plain(value):
        def kind(spec, n, random):
            drawn.append(n)
            return value + 0 * random.uniform(n, *spec.shape)

        return kind

    images = of_kinds([plain(0.0), plain(1.0), plain(2.0)], SPEC, 3_000, random)
    first = images[:, 0, 0, 0]
    assert torch.equal(images, first.view(-1, 1, 1, 1).expand_as(images))
    assert sum(drawn) == 3_000
    assert drawn == [int((first == value).sum()) for value in (0, 1, 2)]
    assert drawn == pytest.approx([1_000] * 3, abs=150)


def test_a_rounded_mean_stays_in_the_range(random):
    spec = InputSpec((3, 1, 1), low=-0.3, high=0.85)
    full = torch.full((1_000, 3, 1, 1), 0.85)
    assert full.mean(dim=1).max() > full.max()
    assert paled(full, spec, random).max() == full.max()


@pytest.mark.parametrize("name", list(SOURCES))
def test_images_differ_and_a_seed_repeats_them(name):
    first, again, other = (SOURCES[name](SPEC, 4, Engine("cpu").random(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


@pytest.mark.parametrize("name", list(SOURCES))
def test_what_is_drawn_by_rules_is_no_mere_noise(name):
    drawn = name not in {
        "uniform", "normal", "levelled", "sparse", "untrained", "coordinates", "winners",
    }  # fmt: skip
    holds = "procedural images" if drawn else "strictly data-free"
    assert knowledge_of((SOURCES[name],)) == holds
    assert knowledge_of((SOURCES["uniform"], SOURCES[name])) == holds


def test_uniform_values_are(random):
    x = uniform(SPEC, N, random)
    assert float(x.mean()) == pytest.approx(1.0, abs=0.01)
    assert float(x.var()) == pytest.approx(16 / 12, rel=0.01)


def test_a_third_of_normal_values_lie_at_the_ends(random):
    x = normal(SPEC, N, random)
    outside = 0.3173  # of a normal variable, beyond one standard deviation
    assert float(((x == -1) | (x == 3)).float().mean()) == pytest.approx(outside, abs=0.005)


def test_kinds_for_any_shape_take_any_and_repeat_with_others(random):
    for shape in [(7,), (2, 3), (1,)]:
        spec = InputSpec(shape, low=-1.0, high=3.0, modality=Modality.TABULAR)
        for kind in SHAPELESS:
            x = kind(spec, 50, random)
            assert x.shape == (50, *shape)
            spec.check_range(x)


def test_inputs_have_levels_of_their_own(random):
    x = levelled(InputSpec((400,), modality=Modality.TABULAR), N, random)
    assert float(x.mean(dim=1).std()) > 0.15, "of independent values it would be below 0.015"
    assert 0.45 < float(x.mean()) < 0.55


def test_sparse_inputs_have_few_values_or_many(random):
    x = sparse(InputSpec((400,), low=-1.0, high=3.0, modality=Modality.TABULAR), N, random)
    filled = x > -1.0
    share = filled.float().mean(dim=1)
    assert float(share.mean()) == pytest.approx(1 / 3, abs=0.02)  # of the square of a uniform
    assert float((share < 0.25).float().mean()) == pytest.approx(0.5, abs=0.04)
    assert float(x[filled].mean()) == pytest.approx(1.0, abs=0.02)


def test_fields_are_smooth_and_noise_is_not(random):
    def roughness(x):
        return float((x.diff(dim=-1) ** 2).mean() / (2 * x.var(dim=(1, 2, 3)).mean()))

    assert roughness(uniform(SPEC, N, random)) == pytest.approx(1, abs=0.02)
    assert roughness(fields(SPEC, N, random)) < 0.7


def test_fields_have_lights_and_contrasts_of_their_own(random):
    x = fields(SPEC, N, random)
    lights, contrasts = x.mean(dim=(1, 2, 3)), x.std(dim=(1, 2, 3))
    assert float(lights.std()) > 0.4
    assert float(contrasts.quantile(0.9) / contrasts.quantile(0.1)) > 1.5


def test_leaves_are_flat_and_some_hide_others(random):
    x = leaves(SPEC, 200, random)
    colours = torch.tensor([len(image.flatten(1).unique(dim=1).T) for image in x])
    assert 2 < float(colours.float().mean()) < 13  # 13: the ground and twelve leaves
    assert int(colours.max()) <= 13


def test_a_shape_spans_from_5_to_10_percent_of_a_side(monkeypatch):
    monkeypatch.setattr(sources, "SHAPES", 1)
    x = shapes(InputSpec((1, 100, 100)), 300, Engine("cpu").random(0))
    there = x != x.flatten(1).median(dim=1).values.view(-1, 1, 1, 1)
    for span in (there.any(dim=3).sum(dim=(1, 2)), there.any(dim=2).sum(dim=(1, 2))):
        assert 8 < int(span.max()) < 12
        assert 5 < int(span.median()) < 9


def test_there_are_few_leaves_or_many(random):
    x = leaves(InputSpec((3, 64, 64)), 100, random)
    colours = torch.tensor([len(image.flatten(1).unique(dim=1).T) for image in x])
    assert (int(colours.min()), int(colours.max())) == (3, 13)


@pytest.mark.parametrize("source", [untrained, coordinates, winners])
def test_every_image_has_a_network_of_its_own(source, random):
    x = source(SPEC, 400, random)
    # Images of one network would share their mean image: the mean over images would stand out.
    between = float(x.mean(dim=0).var())
    assert between < 0.02 * float(x.var())


def test_places_run_along_the_lines_of_images_that_are_not_square(random):
    """Where lines were cut elsewhere, every nth step along one would be a jump."""
    x = coordinates(InputSpec((1, 8, 32)), 500, random)
    steps = x.diff(dim=-1).abs().mean(dim=(0, 1, 2))
    assert float(steps.max() / steps.min()) < 1.3


def test_untrained_networks_make_smoother_images_than_noise(random):
    def roughness(x):
        return float((x.diff(dim=-1) ** 2).mean() / (2 * x.var(dim=(1, 2, 3)).mean()))

    assert roughness(untrained(SPEC, N, random)) < 0.5


@pytest.mark.parametrize("source", [untrained, coordinates, winners, composed, patches, textured])
def test_most_colour_images_are_pale_and_some_are_loud(source, random):
    x = source(SPEC, 400, random)
    saturation = (x - x.mean(dim=1, keepdim=True)).std(dim=(1, 2, 3)) / x.std(dim=(1, 2, 3))
    low, high = saturation.quantile(0.25), saturation.quantile(0.95)
    assert float(low) < 0.25 < 0.5 < float(high)


def test_grey_images_have_no_saturation_to_draw(random):
    before, grey = random.state(), torch.rand(4, 1, 8, 8)
    assert paled(grey, InputSpec((1, 8, 8)), random) is grey
    assert torch.equal(random.state(), before)


@pytest.mark.parametrize("sharp", [winners, composed, patches, textured])
def test_flat_things_have_edges(sharp, random):
    def steepest(source):
        x = source(SPEC, 200, random)
        return (x.diff(dim=-1).abs().amax(dim=(1, 2, 3)) / x.std(dim=(1, 2, 3))).median()

    assert float(steepest(sharp)) > 1.2 * float(steepest(untrained))


def test_winners_take_places_whole_with_a_colour_each(random):
    images = _by_winners(SPEC, 200, random, units=8).permute(0, 2, 3, 1)
    colours = [len(image.reshape(-1, 3).unique(dim=0)) for image in images]
    assert max(colours) <= 8
    assert sum(number >= 3 for number in colours) > 150
    beside = (images[:, :, 1:] == images[:, :, :-1]).all(dim=3).float().mean()
    assert float(beside) > 0.5, "most neighbours have one winner"


@pytest.mark.parametrize("most", [2**24, 2 * 9 * 2 * 20, 1])
def test_a_convolution_of_each_image_by_its_own_weights(random, monkeypatch, most):
    monkeypatch.setattr("copycost.attacks.untrained.CPU_PATCHES", most)
    x, weights = random.normal(3, 2, 4, 5), random.normal(3, 6, 9 * 2)
    slow = [
        torch.nn.functional.conv2d(x[i], weights[i].view(6, 2, 3, 3), padding=1) for i in range(3)
    ]
    assert torch.allclose(_convolved(x, weights), torch.stack(slow), atol=1e-5)
