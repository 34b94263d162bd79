"""How names and numbers are written: on the page, in its figures and in the terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

NOISE = "random-noise"
"""The baseline of every other attack: its queries are random noise."""
MISSING = "–"
HOURS_AS_DAYS = 100
"""From so many hours, a duration is given in days."""
NBSP = "\u00a0"

ATTACK_NAMES = {
    NOISE: "random noise",
    "active-thief": "ActiveThief",
    "dfme": "DFME",
    "dfms-hl": "DFMS-HL",
    "disguide": "DisGUIDE",
    "dual-student": "Dual Student",
    "fixmatch": "FixMatch",
    "frugal": "Frugal",
    "ideal": "IDEAL",
    "jbda": "JBDA",
    "knockoff": "Knockoff",
    "maze": "MAZE",
    "qedg": "QEDG",
}


def attack_name(attack: str) -> str:
    """An attack's name in print; one that `ATTACK_NAMES` lacks keeps its own."""
    return ATTACK_NAMES.get(attack, attack)


def attacker(attack: str, adaptations: Sequence[str]) -> str:
    """An attack, and what it does about defences: 'Frugal + invert'."""
    return " + ".join([attack_name(attack), *adaptations])


def count(number: float | None) -> str:
    """A whole number with thousands separators."""
    return MISSING if number is None else f"{number:,.0f}"


def plural(number: int, one: str, many: str = "") -> str:
    """A count and its noun: '1 seed', '3 seeds'."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def count_range(low: float, high: float) -> str:
    """Two whole numbers as one range."""
    return f"{count(low)}–{count(high)}"


def percent(share: float | None) -> str:
    """A share in [0, 1] as a percentage with one decimal."""
    return MISSING if not _finite(share) else f"{share:.1%}".replace("%", f"{NBSP}%")


def percent_range(low: float, high: float) -> str:
    """Two shares as one range, '92.0–95.1 %'."""
    return f"{low * 100:.1f}–{percent(high)}"


def plain(number: float | None) -> str:
    """A number of no particular unit, to three significant digits."""
    return MISSING if not _finite(number) else f"{number:.3g}"


def plain_range(low: float, high: float) -> str:
    """Two numbers of no particular unit as one range."""
    return f"{plain(low)}–{plain(high)}"


class Unit(NamedTuple):
    """How numbers of one unit are written."""

    one: Callable[[float], str]
    two: Callable[[float, float], str]
    """Two of them as one range."""

    def spread(self, middle: float, low: float, high: float, n: int, *notes: str) -> str:
        """The middle of `n` numbers and the range of several: '94.1 % (92.0–95.1 %; a note)'."""
        told = [self.two(low, high), *notes] if n > 1 else notes
        return f"{self.one(middle)} ({'; '.join(told)})" if told else self.one(middle)


COUNT = Unit(count, count_range)
PERCENT = Unit(percent, percent_range)
PLAIN = Unit(plain, plain_range)


def duration(seconds: float | None) -> str:
    """Seconds in the two largest units that matter, from seconds to days."""
    if seconds is None or not _finite(seconds):
        return MISSING
    if round(seconds) < 60:
        return f"{seconds:.1f}{NBSP}s" if seconds < 10 else f"{seconds:.0f}{NBSP}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{NBSP}min {rest:02d}{NBSP}s"
    hours, rest = divmod(minutes, 60)
    if hours < HOURS_AS_DAYS:
        return f"{hours}{NBSP}h {rest:02d}{NBSP}min"
    return f"{hours // 24:,}{NBSP}d {hours % 24:02d}{NBSP}h"


def dollars(amount: float) -> str:
    """US dollars, with cents below a hundred: 'US$ 9.00', 'US$ 22,500'.

    Amounts below a cent keep two significant digits, as a few queries can be cheap: 'US$ 0.0043'.
    """
    decimals = 0 if amount >= 100 else 2
    if 0 < amount < 0.01:
        decimals = 1 - math.floor(math.log10(amount))
    return f"US${NBSP}{amount:,.{decimals}f}"


def listing(words: Sequence[str]) -> str:
    """Words joined as in a sentence: 'a', 'a and b', 'a, b and c'."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def capital(sentence: str) -> str:
    """The sentence with its first letter in upper case and the rest as it is."""
    return sentence[:1].upper() + sentence[1:]


def _finite(number: float | None) -> bool:
    return number is not None and math.isfinite(number)
