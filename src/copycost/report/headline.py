"""The main finding in one sentence, and the details that qualify it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from copycost.attacks.base import STRICTLY_DATA_FREE
from copycost.report import wording
from copycost.report.doubts import no_better_than_noise, noise_beside
from copycost.report.groups import Group, Spread
from copycost.report.knowledge import held, meaning
from copycost.report.table import access_in_words, attacker, defences


class Subject(NamedTuple):
    """A victim, and the data that its copies were judged on.

    Two sets of held-out data are two subjects: the victim's accuracy differs between them, and an
    agreement on one says nothing of the other.
    """

    victim: str
    victim_hash: str
    data: str

    @classmethod
    def of(cls, group: Group) -> Subject:
        """What the results of `group` are about."""
        setting = group.setting
        return cls(setting.victim, setting.victim_hash, setting.data)


@dataclass(frozen=True)
class Headline:
    """What was found about one victim on one set of held-out data."""

    subject: Subject
    victim: str
    """Its name, with its weights and the data where these tell it from others on the page."""
    sentence: str
    details: tuple[str, ...]
    """What the reader needs to weigh the sentence, one statement each."""
    group: Group | None
    """The group the sentence is about; None if nothing was measured."""
    noise: Group | None
    """The baseline in the same setting."""

    def is_about(self, group: Group) -> bool:
        """Whether `group` copied this victim and was judged on these data."""
        return Subject.of(group) == self.subject


def headlines(groups: Sequence[Group]) -> list[Headline]:
    """One finding for each victim on each set of held-out data, in the order given."""
    subjects: dict[Subject, list[Group]] = {}
    for group in groups:
        subjects.setdefault(Subject.of(group), []).append(group)
    return [_headline(subject, _title(subject, subjects), of) for subject, of in subjects.items()]


def _title(subject: Subject, subjects: Iterable[Subject]) -> str:
    """The victim's name, and whatever else tells `subject` from the other `subjects`."""
    namesakes = [other for other in subjects if other.victim == subject.victim]
    title = subject.victim
    if len({other.victim_hash for other in namesakes}) > 1:
        title = f"{title} {subject.victim_hash[:8]}".strip()
    if len({other.data for other in namesakes}) > 1:
        title = f"{title} on {subject.data}"
    return title


def _headline(subject: Subject, title: str, groups: Sequence[Group]) -> Headline:
    """The finding about the subject of all of `groups`."""
    best = strongest(groups)
    if best is None:
        sentence = "No run has measured anything yet, so nothing can be said about this model."
        return Headline(subject, title, sentence, tuple(_stopped(groups)), None, None)
    # Where noise itself did best, noise with other settings is no baseline to compare it with.
    noise = None if best.attack == wording.NOISE else strongest(noise_beside(best, groups))
    details = (
        *_circumstances(best, groups),
        *_accuracy(best),
        *_about_noise(best, noise, groups),
        *_stopped(groups),
    )
    sentence = _sentence(best, noise, groups)
    return Headline(subject, title, sentence, details, best, noise)


def strongest(groups: Sequence[Group]) -> Group | None:
    """The group a headline is about: finished before stopped, attack before noise, then best."""
    measured = [group for group in groups if group.agreement is not None]
    return max(measured, key=_rank, default=None)


def _rank(group: Group) -> tuple[bool, bool, float]:
    assert group.agreement is not None, "only measured groups are ranked"
    return group.finished, group.attack != wording.NOISE, group.agreement.median


def _sentence(best: Group, noise: Group | None, groups: Sequence[Group]) -> str:
    if not best.finished:
        return _unfinished_sentence(best)
    if noise is not None and noise.finished and _none_beats_noise(groups):
        return _noise_sentence(best, noise)
    found = f"With {_price(best)}, {attacker(best)} made a copy that agrees with your model on "
    found += f"{_share(best)} of held-out inputs{_basis(best)}"
    if noise is None or not noise.finished:
        return f"{found}."
    return f"{found}; random noise reached {_share(noise)}."


def _unfinished_sentence(best: Group) -> str:
    spent = wording.count(best.spent.median)
    return (
        f"No run has finished. Stopped after {spent} of {_planned(best)}, {attacker(best)} had "
        f"made a copy that agrees with your model on {_share(best)} of held-out inputs"
        f"{_basis(best)}."
    )


def _noise_sentence(best: Group, noise: Group) -> str:
    return (
        f"No attack did clearly better than random noise: with {_price(best)}, the copy made by "
        f"{attacker(best)} agrees with your model on {_share(best)} of held-out inputs"
        f"{_basis(best)}, and the one made by random noise on {_share(noise)}."
    )


def _circumstances(best: Group, groups: Sequence[Group]) -> list[str]:
    """What the API released, and which of several settings the sentence is about."""
    setting = best.setting
    behind = f", behind {defences(setting)}" if setting.defences else ""
    released = access_in_words(setting).replace("label", "the label only")
    said = [f"The API released {released}{behind}.", *_holdings(best)]
    settings = {group.setting for group in groups}
    if len(settings) > 1:
        said.append(
            f"This is the strongest result of {len(settings)} settings compared; the table below "
            "lists them all."
        )
    if best.adaptations:
        said.append(f"The attacker adapted to that by {wording.listing(best.adaptations)}.")
    variants = [g for g in groups if _attacker_and_setting(g) == _attacker_and_setting(best)]
    if len(variants) > 1:
        chosen = ", ".join(f"{name} {value}" for name, value in best.variant)
        said.append(
            f"{wording.capital(attacker(best))} was run with {len(variants)} choices of its "
            f"settings; this is the best of them: {chosen}."
        )
    return said


def _attacker_and_setting(group: Group) -> tuple[object, ...]:
    return group.attack, group.adaptations, group.setting


def _holdings(best: Group) -> list[str]:
    """What the attacker held, unless it was nothing but the API."""
    knowledge = held(best.records[0])
    if knowledge == STRICTLY_DATA_FREE:
        return []
    return [f"Besides the API, the attacker held {meaning(knowledge)}."]


def _accuracy(best: Group) -> list[str]:
    """The copy's accuracy beside the original's."""
    if best.accuracy is None:
        return []
    victim = best.victim
    said = (
        f"The copy classifies {wording.percent(best.accuracy.median)} of held-out inputs "
        f"correctly; your model, {wording.percent(victim.accuracy)}"
    )
    if victim.defences:
        said += f", and {wording.percent(victim.defended_accuracy)} with its defences"
    return [f"{said}."]


def _about_noise(best: Group, noise: Group | None, groups: Sequence[Group]) -> list[str]:
    if best.attack == wording.NOISE:
        done = "finished" if best.finished else "measured anything yet"
        return [f"No attack but random noise has {done}, and noise is the weakest test."]
    if noise is None or not noise.finished:
        return [
            "No run of random noise has finished in this setting, so it is unknown how much of the "
            "result is due to the attack."
        ]
    if _none_beats_noise(groups):
        return [
            "An attack that fails does not show that your model is safe; where noise itself does "
            "well, anyone can copy your model."
        ]
    if no_better_than_noise(best, groups):
        return ["In this setting the attack did not do clearly better than random noise."]
    return []


def _stopped(groups: Sequence[Group]) -> list[str]:
    """How many runs did not finish, and whether the numbers are of them: see `Group.counted`."""
    shown = sum(group.unfinished for group in groups if not group.finished)
    left_out = sum(group.unfinished for group in groups) - shown
    if not shown + left_out:
        return []
    total = wording.plural(sum(len(group.records) for group in groups), "run")
    said = f"{shown + left_out} of {total} did not finish"
    out = f"{'is' if left_out == 1 else 'are'} left out of the medians"
    was = f"{'is shown as it was' if shown == 1 else 'are shown as they were'} when stopped"
    if shown and left_out:
        return [f"{said}: {left_out} {out}, and {shown} {was}."]
    return [f"{said} and {was if shown else out}."]


def _none_beats_noise(groups: Sequence[Group]) -> bool:
    """Whether every attack that can be compared with noise fails to beat it; one can be."""
    return all(
        no_better_than_noise(group, groups)
        for group in groups
        if group.attack != wording.NOISE
        and group.finished
        and any(noise.finished for noise in noise_beside(group, groups))
    )


def _planned(group: Group) -> str:
    return wording.plural(group.setting.budget, "query", "queries")


def _price(group: Group) -> str:
    """The budget, or what was spent if that was clearly less: a pool may run out."""
    flags = {flag.name for record in group.counted for flag in record.flags}
    if "budget-not-spent" not in flags:
        return _planned(group)
    return wording.plural(round(group.spent.median), "query", "queries")


def _share(group: Group) -> str:
    return wording.percent(group.agreement.median if group.agreement else None)


def _basis(group: Group) -> str:
    """What the median rests on: ' (median of 3 seeds, 92.0–95.1 %)'."""
    return f" ({_seeds(group, group.agreement)})" if group.agreement else ""


def _seeds(group: Group, shares: Spread) -> str:
    if shares.n == 1:
        return "one seed"
    runs = seeds = wording.plural(len(group.seeds), "seed")
    if shares.n != len(group.seeds):
        runs = f"{shares.n} runs of {seeds}"
    return f"median of {runs}, {wording.percent_range(shares.low, shares.high)}"
