"""A saved victim is judged on data of its own classes, as far as their names tell."""

from pathlib import Path

import pytest
from PIL import Image

from copycost.engine import Engine
from copycost.errors import SpecMismatch
from copycost.nets import ARCHITECTURES
from copycost.runner.target import Target
from copycost.runner.targets import load_target
from copycost.types import InputSpec
from copycost.victims.saved import Card, save_model

_SPEC = InputSpec(shape=(1, 8, 8))


def _data(root: Path, names: tuple[str, ...]) -> str:
    for part in ("train", "test"):
        for number, name in enumerate(names):
            place = root / part / name / "0.png"
            place.parent.mkdir(parents=True)
            Image.new("L", (8, 8), number).save(place)
    return f"folder:{root}"


def _judge(tmp_path: Path, named: tuple[str, ...] | None, data: tuple[str, ...]) -> Target:
    """The target of a model whose card has classes `named`, judged on `data`."""
    net = ARCHITECTURES["lenet"](_SPEC, len(data))
    card = Card(architecture="lenet", spec=_SPEC, classes=len(data), class_names=named)
    save_model(tmp_path / "victim", net, card)
    reference = _data(tmp_path / "pets", data)
    return load_target(str(tmp_path / "victim"), reference, tmp_path, Engine("cpu"))


def test_other_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecMismatch) as caught:
        _judge(tmp_path, ("ant", "bee", "cat", "dog", "eel", "fox"), tuple("abcdef"))
    assert str(caught.value) == (
        "expected data with the classes of victim, 'ant', 'bee', 'cat', 'dog' and 2 more, "
        "got 'a', 'b', 'c', 'd' and 2 more in pets; judge it on data with its own classes in its "
        "own order, or, where only the spelling differs, make the names in its card.json those "
        "of the data"
    )


def test_the_same_names_in_another_order_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecMismatch, match="'cat', 'ant', got 'ant', 'cat' in pets"):
        _judge(tmp_path, ("cat", "ant"), ("ant", "cat"))


@pytest.mark.parametrize("named", [("ant", "cat"), ("0", "1"), None])
def test_the_same_names_and_mere_numbers_are_taken(
    tmp_path: Path, named: tuple[str, ...] | None
) -> None:
    assert _judge(tmp_path, named, ("ant", "cat")).dataset == "pets"


@pytest.mark.parametrize(
    "data", [("0", "1", "3"), tuple(sorted(map(str, range(11)))), ("1", "2", "3")]
)
def test_numbers_that_are_not_those_of_the_victim_are_refused(
    tmp_path: Path, data: tuple[str, ...]
) -> None:
    """A folder that is missing, or is sorted as text, would give images another class's label."""
    with pytest.raises(SpecMismatch, match="expected data with the classes of victim, '0', '1',"):
        _judge(tmp_path, tuple(map(str, range(len(data)))), data)


@pytest.mark.parametrize("named", [("ant", "cat"), ("0", "1"), None])
def test_data_whose_classes_are_numbered_are_taken(
    tmp_path: Path, named: tuple[str, ...] | None
) -> None:
    assert _judge(tmp_path, named, ("0", "1")).dataset == "pets"
