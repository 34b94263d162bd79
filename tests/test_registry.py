from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from copycost.adaptations.stack import read_adaptation
from copycost.attacks import ATTACKS
from copycost.datasets import DATASETS
from copycost.defences import DEFENCES
from copycost.defences.stack import read_defence
from copycost.errors import ConfigError
from copycost.losses import LOSSES
from copycost.nets import ARCHITECTURES, GENERATORS
from copycost.presets import PRESETS
from copycost.presets.victims import VICTIMS
from copycost.recovery import CENTRINGS
from copycost.registry import read_named
from copycost.schedules import SCHEDULES

REGISTRIES = [
    ARCHITECTURES,
    ATTACKS,
    CENTRINGS,
    DATASETS,
    DEFENCES,
    GENERATORS,
    LOSSES,
    PRESETS,
    SCHEDULES,
    VICTIMS,
]


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda r: r.kind)
def test_every_name_leads_somewhere_and_says_what_it_is(registry):
    for name in registry:
        assert registry[name] is not None
        assert len(registry.summary(name)) > 10


def test_unknown_names_list_the_known_and_the_nearest():
    with pytest.raises(ConfigError, match=r"dfme, .*Did you mean 'dfme'"):
        ATTACKS["dfm"]


def test_the_name_of_a_thing():
    assert all(LOSSES.name_of(LOSSES[name]) == name for name in LOSSES)
    with pytest.raises(KeyError):
        LOSSES.name_of(print)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("listed", "listed"),
        ("listed:2:3", "listed"),
        ("listed:word", "listed"),
        ("own.place:Thing", "own.place:Thing"),
        ("own.place:Thing:2:3", "own.place:Thing"),
        ("unknown:2", "unknown"),
        ("unknown", "unknown"),
        ("own.place:", "own.place"),
    ],
)
def test_a_value_follows_the_name_in_one_way_for_all_that_take_one(text, name):
    class Taken(Exception):
        pass

    class Kinds(dict[str, Any]):
        kind = "thing"

        def __getitem__(self, looked_up: str) -> Any:
            raise Taken(looked_up)

    kinds: Any = Kinds(listed=None)
    with pytest.raises(Taken, match=f"^{name}$"):
        read_named(kinds, text)


@pytest.mark.parametrize("value", ["", ":x", ":1:2"])
@pytest.mark.parametrize(
    ("read", "what"), [(read_defence, "defence noise"), (read_adaptation, "adaptation average")]
)
def test_a_wrong_value_is_told_alike_of_all_that_take_one(read, what, value):
    name = what.split()[1]
    shape = rf"^{what}{value} needs .* after its name: {name}:[A-Z]+\.$"
    with pytest.raises(ConfigError, match=shape):
        read(f"{name}{value}")


def test_listing_imports_no_torch():
    code = "import sys, copycost, copycost.cli.app; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
