"""The options with which earlier commands made records, so that their studies stay shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from copycost.presets.kwon2023 import SCALES
from copycost.presets.study import Scale, Values, varied
from copycost.reproduce.sources import HOUSE_NUMBERS
from copycost.runner.record import Record
from copycost.studies.vanishing_record import VanishingRecord

_OPTIONS = ("precision", "compile", "device")
"""Settings of a run that the command applies to both base runs."""


def ways(scale: Scale, records: Iterable[Record | VanishingRecord]) -> list[Scale]:
    """`scale` with every set of options that `records` were made with, the commonest first.

    Options are arithmetic, compiling, device, the place of the data, and SVHN's stand-in.
    """
    configs = [record.config for record in records]
    given = Counter(tuple((n, c[n]) for n in _OPTIONS if n in c) for c in configs)
    cifar10 = _bases(scale.cifar10, configs)
    svhn = _bases(scale.svhn, configs, SCALES[scale.name].svhn["victim"], HOUSE_NUMBERS)
    return [
        replace(scale, cifar10=varied(one, **dict(options)), svhn=varied(other, **dict(options)))
        for (options, _), one, other in product(given.most_common(), cifar10, svhn)
    ]


def _bases(base: Values, configs: Sequence[Mapping[str, Any]], *others: str) -> list[Values]:
    """`base` with every victim, its own or one of `others`, and data in `configs`; else itself."""
    victims = (base["victim"], *others)
    used = Counter((c["victim"], c.get("data")) for c in configs if c["victim"] in victims)
    found = [varied(base, victim=victim, data=data) for (victim, data), _ in used.most_common()]
    return found or [base]
