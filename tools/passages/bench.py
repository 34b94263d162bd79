"""The tables of `docs/bench.md`, from the records of the presets' runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from copycost.bench.result import BenchRecord, Interval, read_bench
from copycost.bench.tables import rows
from copycost.claims.base import overlapping
from copycost.pool import IN_DISTRIBUTION
from copycost.report import wording
from copycost.report.groups import spread
from copycost.report.table import in_words
from tools.passages.markdown import NOT_RUN, measured_on, table
from tools.passages.tuning import LABEL_TUNING_FILE, TUNING_FILE, Tuning, read_tuning

HEAD = (
    "attack",
    "queries",
    "agreement, own student",
    "agreement, fresh student",
    "transfer rate",
    "by chance",
    "student updates",
    "seconds",
    "collapsed",
)
TUNING_HEAD = ("attack", "tries", "agreement of all, first seed", "former settings", "chosen")


def digits_passage(results: Path) -> str:
    """Every attack of `bench-digits` at every budget."""
    return _passage(results / "bench" / "digits" / "bench.json")


def label_passage(results: Path) -> str:
    """Every attack of `bench-digits-label` at every budget."""
    return _passage(results / "bench" / "digits-label" / "bench.json")


def pool_passage(results: Path) -> str:
    """Every attack of `bench-digits-pool` at every budget."""
    return _passage(results / "bench" / "digits-pool" / "bench.json")


def tuning_passage(results: Path) -> str:
    """How the settings of `bench-digits` were chosen."""
    return _tuning(results / "bench" / "digits" / TUNING_FILE)


def label_tuning_passage(results: Path) -> str:
    """How the settings of `bench-digits-label` were chosen."""
    return _tuning(results / "bench" / "digits-label" / TUNING_FILE)


def pool_tuning_passage(results: Path) -> str:
    """How the settings of `bench-digits-pool` were chosen."""
    return _tuning(results / "bench" / "digits-pool" / TUNING_FILE)


def twentieth_tuning_passage(results: Path) -> str:
    """How the settings of Frugal, and of DFME at twenty times its queries, were chosen."""
    return _tuning(results / "frugal" / "twentieth" / TUNING_FILE)


def twentieth_label_tuning_passage(results: Path) -> str:
    """How those of Frugal, and of DisGUIDE at twenty times its queries, were chosen by labels."""
    return _tuning(results / "frugal" / "twentieth" / LABEL_TUNING_FILE)


def _tuning(path: Path) -> str:
    if not path.exists():
        return NOT_RUN
    record = read_tuning(path)
    lines = [
        (
            wording.attack_name(attack),
            wording.count(len(tuned.trials)),
            in_words(spread(trial.agreement[0] for trial in tuned.trials)),
            in_words(spread(tuned.trials[0].agreement)),
            "the same" if tuned.best is tuned.trials[0] else in_words(spread(tuned.best.agreement)),
        )
        for attack, tuned in record.attacks.items()
    ]
    note = (
        f"{_budgets(record)} of `{record.victim.name}`; medians and ranges, of what was "
        f"chosen over {wording.plural(len(record.seeds), 'seed')}."
    )
    return "\n\n".join([table(TUNING_HEAD, lines), note, measured_on(record.surroundings)])


def _budgets(record: Tuning) -> str:
    """The shared budget in words, followed by the budgets of attacks with another."""
    others = [
        f"{tuned.budget:,} by {wording.attack_name(attack)}"
        for attack, tuned in record.attacks.items()
        if tuned.budget is not None
    ]
    shared = f"{record.budget:,} queries"
    return f"{shared} ({wording.listing(others)})" if others else shared


def _passage(path: Path) -> str:
    if not path.exists():
        return NOT_RUN
    record = read_bench(path)
    lines = [
        (
            row.attack,
            row.budget,
            row.agreement,
            row.fresh_agreement,
            row.transfer_rate,
            row.by_chance,
            row.updates,
            row.seconds,
            row.collapsed,
        )
        for row in rows(record)
    ]
    worth = _worth_of_queries(record)
    return "\n\n".join([table(HEAD, lines), _note(record), worth, measured_on(record.surroundings)])


def _worth_of_queries(record: BenchRecord) -> str:
    """By budget, whose queries teach a fresh student most, and whose no more than noise's."""
    lines = ["What the queries alone are worth, by the median agreement of fresh students:", ""]
    for queries, found in sorted(_taught(record).items()):
        noise = found.pop(wording.NOISE, None)
        found.pop(IN_DISTRIBUTION, None)
        if found:
            said = [_worth_most(found), *([_worth_little(found, noise)] if noise else [])]
            lines.append(f"- At {queries:,} queries, {' '.join(said)}")
    return "\n".join(lines)


def _taught(record: BenchRecord) -> dict[int, dict[str, Interval]]:
    """What fresh students agree on, by the budget and the attack that asked."""
    taught: dict[int, dict[str, Interval]] = {}
    for attack in record.attacks:
        for budget in attack.budgets:
            if found := budget.fresh["last"].get("agreement"):
                taught.setdefault(budget.budget, {})[attack.attack] = found
    return taught


def _worth_most(found: Mapping[str, Interval]) -> str:
    """The best median; a few seeds do not tell it from medians whose ranges overlap with its."""
    best = max(found, key=lambda name: found[name].median)
    said = (
        f"those of {wording.attack_name(best)} are worth most "
        f"({wording.percent(found[best].median)})"
    )
    alike = _names(name for name in found if name != best and _alike(found[name], found[best]))
    return f"{said}; its range over seeds overlaps with that of {alike}." if alike else f"{said}."


def _worth_little(found: Mapping[str, Interval], noise: Interval) -> str:
    poor = [name for name, one in found.items() if one.median <= noise.median]
    unsure = _names(name for name in found if name not in poor and _alike(found[name], noise))
    said = (
        f"Worth no more than random noise's ({wording.percent(noise.median)}): "
        f"{_names(poor) or 'none'}"
    )
    perhaps = f"; worth more, but perhaps by chance, as ranges overlap: {unsure}" if unsure else ""
    return f"{said}{perhaps}."


def _alike(one: Interval, other: Interval) -> bool:
    return overlapping((one.low, one.high), (other.low, other.high))


def _names(attacks: Iterable[str]) -> str:
    return wording.listing([wording.attack_name(name) for name in attacks])


def _note(record: BenchRecord) -> str:
    seeds = {len(budget.runs) for attack in record.attacks for budget in attack.budgets}
    victim = record.victim.name if record.victim else "none"
    return (
        f"Victim `{victim}`, {record.access} access; medians and ranges over "
        f"{max(seeds)} seeds. Collapsed: share of seeds whose student has learnt nothing. "
        f"Adversarial examples: {_settings(record, 'pgd')}. Fresh students: "
        f"{_settings(record, 'fresh')}."
    )


def _settings(record: BenchRecord, name: str) -> str:
    return ", ".join(f"{setting} {value}" for setting, value in record.config[name].items())
