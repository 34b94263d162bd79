"""The attacker's side. One attack a file; adding one is that file and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from copycost.registry import Entry, Registry

if TYPE_CHECKING:
    from copycost.attacks.base import Attack

ATTACKS: Registry[type[Attack]] = Registry(
    "attack",
    {
        "dfme": Entry(
            "copycost.attacks.dfme:DFME",
            "data-free model extraction (Truong et al. 2021): strictly data-free",
        ),
        "random-noise": Entry(
            "copycost.attacks.random_noise:RandomNoise",
            "queries of random noise: the floor every attack is compared with",
        ),
    },
)
