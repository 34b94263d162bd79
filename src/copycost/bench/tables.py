"""A comparison as tables to read, and as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from copycost.bench.result import AttackResult, BenchRecord, BenchRun, BudgetResult, Interval
from copycost.report import wording
from copycost.report.beside import as_csv

CSV_COLUMNS = ("attack", "class", "budget", "seed", "track", "name", "value", "record")
TRACKS = ("own", "fresh, last", "fresh, chosen")


@dataclass(frozen=True)
class Row:
    """An attack at one budget, ready to print."""

    attack: str
    budget: str
    spent: str
    runs: str
    """Finished of planned, such as '2 of 3'."""
    agreement: str
    accuracy: str
    kl: str
    transfer_rate: str
    by_chance: str
    updates: str
    seconds: str
    collapsed: str
    fresh_agreement: str
    fresh_accuracy: str
    chosen_agreement: str


@dataclass(frozen=True)
class AttackTerms:
    """What an attack assumes and costs, ready to print."""

    attack: str
    kind: str
    access: str
    cost: str
    queries_to: dict[str, dict[str, str]]
    """By track and share of the victim's accuracy."""
    collapsed: str


@dataclass(frozen=True)
class Beside:
    """A network of an attack besides the one that counts."""

    attack: str
    budget: str
    name: str
    agreement: str
    accuracy: str


def rows(record: BenchRecord) -> list[Row]:
    """One line for each attack and budget."""
    return [_row(attack, budget) for attack in record.attacks for budget in attack.budgets]


def terms(record: BenchRecord) -> list[AttackTerms]:
    """One line for each attack."""
    return [_terms(attack) for attack in record.attacks]


def beside(record: BenchRecord) -> list[Beside]:
    """Ensembles, members and the like, each under its own name."""
    return [
        Beside(
            attack=wording.attack_name(attack.attack),
            budget=wording.count(budget.budget),
            name=name,
            agreement=shares(budget.own.get(f"{name}/agreement"), len(budget.runs)),
            accuracy=shares(budget.own.get(f"{name}/accuracy"), len(budget.runs)),
        )
        for attack in record.attacks
        for budget in attack.budgets
        for name in dict.fromkeys(n.rpartition("/")[0] for n in budget.own if "/" in n)
    ]


def missing(record: BenchRecord) -> list[str]:
    """One line for each run that failed or diverged, or whose measurement did."""
    return [
        f"{wording.attack_name(attack.attack)}, {budget.budget:,} queries, seed {run.seed}"
        f"{' (diverged)' if run.diverged else ''}: {run.error or run.state}"
        for attack in record.attacks
        for budget in attack.budgets
        for run in budget.runs
        if run.error or run.diverged
    ]


def csv_of(record: BenchRecord) -> str:
    """Every measurement of every run as CSV, in long format and to full precision."""
    lines = (
        (attack.attack, attack.kind, budget.budget, run.seed, *line, run.id or "")
        for attack in record.attacks
        for budget in attack.budgets
        for run in budget.runs
        for line in _lines(run)
    )
    return as_csv(CSV_COLUMNS, lines)


def shares(found: Interval | None, seeds: int) -> str:
    """A median share with its range: '94.1 % (92.0–95.1 %)'.

    Where some of the planned `seeds` are missing: '94.1 % (92.0–95.1 %; 2 of 3 seeds)'.
    """
    return _written(found, seeds, wording.PERCENT)


def plain(found: Interval | None, seeds: int) -> str:
    """A median number with its range, in the format of `shares`."""
    return _written(found, seeds, wording.PLAIN)


def _written(found: Interval | None, seeds: int, unit: wording.Unit) -> str:
    if found is None:
        return wording.MISSING
    notes = [f"{found.n} of {wording.plural(seeds, 'seed')}"] if found.n < seeds else []
    return unit.spread(found.median, found.low, found.high, found.n, *notes)


def _collapsed(result: BudgetResult) -> str:
    """The share, and how many of it diverged: '66.7 % (1 diverged)'."""
    share = wording.percent(result.collapse_rate)
    return f"{share} ({result.diverged} diverged)" if result.diverged else share


def _row(attack: AttackResult, result: BudgetResult) -> Row:
    own, last, chosen = result.own, result.fresh["last"], result.fresh["chosen"]
    seeds = len(result.runs)
    finished = sum(run.id is not None for run in result.runs)
    return Row(
        attack=wording.attack_name(attack.attack),
        budget=wording.count(result.budget),
        spent=wording.count(_middle(own, "spent")),
        runs=f"{finished} of {seeds}",
        agreement=shares(own.get("agreement"), seeds),
        accuracy=shares(own.get("accuracy"), seeds),
        kl=plain(own.get("kl"), seeds),
        transfer_rate=shares(own.get("transfer rate"), seeds),
        by_chance=shares(own.get("transfer rate by chance"), seeds),
        updates=wording.count(_middle(own, "student updates")),
        seconds=wording.duration(_middle(own, "seconds")),
        collapsed=_collapsed(result),
        fresh_agreement=shares(last.get("agreement"), seeds),
        fresh_accuracy=shares(last.get("accuracy"), seeds),
        chosen_agreement=shares(chosen.get("agreement"), seeds),
    )


def _terms(attack: AttackResult) -> AttackTerms:
    queries = wording.plural(attack.queries_per_image, "query", "queries")
    return AttackTerms(
        attack=wording.attack_name(attack.attack),
        kind=attack.kind,
        access=str(attack.access),
        cost=f"{queries} an image, batches of {attack.batch_size}",
        queries_to={
            track: {share: wording.count(budget) for share, budget in found.items()}
            for track, found in attack.queries_to.items()
        },
        collapsed=_collapsed(attack.budgets[-1]),
    )


def _middle(own: Mapping[str, Interval], name: str) -> float | None:
    return own[name].median if name in own else None


def _lines(run: BenchRun) -> Iterator[tuple[str, str, float]]:
    """(track, name, value) of all that was measured of a run."""
    found: Sequence[Mapping[str, float]] = (
        run.quantities,
        run.fresh.last if run.fresh else {},
        (run.fresh.chosen or {}) if run.fresh else {},
    )
    for track, values in zip(TRACKS, found, strict=True):
        yield from ((track, name, value) for name, value in values.items())
