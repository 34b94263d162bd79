"""The passages of `docs/precision.md`, from the records under `results/precision`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import correlation, median

from copycost.arithmetic import DEFAULT_STEP, SMALLEST_STEP, default_step
from copycost.presets.precision import COMPARISONS, MEANINGS, NEARLY_ZERO
from copycost.runner.record import RECORD_FILE, Record, read_record, records_in
from copycost.studies.precision_record import Cell, PairFacts, PrecisionRecord, read_precision
from copycost.types import Precision
from tools.passages.markdown import NOT_RUN, measured_on, table

NETS = ("small", "resnet")
FORMS = ("forward", "central")
CORRELATION_FIGURE = (
    "![Correlation with the true slope over the step per value, by arithmetic and form]"
    "(figures/precision-correlation.svg)"
)
STUDENTS_FIGURE = (
    "![Agreement of every run with the victim, by arm](figures/precision-students.svg)"
)
SWEPT = 480_000
"""Queries of the runs on CIFAR-10 at its own size."""
ENOUGH_ARMS = 5
"""Fewer do not say how two of their quantities go together."""
CLEAR = 0.05
"""Medians of agreement closer than this are called alike; seeds differ by as much."""


def tables(results: Path) -> list[PrecisionRecord]:
    """The committed records of `copycost precision table`."""
    paths = [results / "precision" / f"{nets}.json" for nets in NETS]
    return [read_precision(path) for path in paths if path.exists()]


def runs(results: Path, name: str) -> dict[str, list[Record]]:
    """The records of `copycost precision students` by arm, in the order of the arms."""
    folder = results / "precision" / name
    found = {arm: sorted(folder.glob(f"{arm}-seed*/{RECORD_FILE}")) for arm in MEANINGS}
    return {arm: [read_record(path) for path in paths] for arm, paths in found.items() if paths}


def correlation_passage(results: Path) -> str:
    """One table per pair: correlations over ε, forward and central, for each arithmetic."""
    found = [_pair_tables(record) for record in tables(results)]
    return "\n\n".join([CORRELATION_FIGURE, *found]) if found else NOT_RUN


def short_passage(results: Path) -> str:
    """For DFME's page: forward differences at its own number of values."""
    for record in tables(results):
        for facts in _pairs(record):
            if facts.dimensions == 3 * 32 * 32 and facts.pair != "digits-enlarged":
                return _sized(record, facts, ("forward",))
    return NOT_RUN


def cosine_passage(results: Path) -> str:
    """By number of directions: mean cosine as a share of what exact slopes would give."""
    found = [_cosine_table(record) for record in tables(results)]
    return "\n\n".join(found) or NOT_RUN


def default_passage(results: Path) -> str:
    """The defaults, and what was measured at the nearest steps."""
    rows = []
    for precision in (Precision.TF32, Precision.BFLOAT16):
        sizes = (64, 3072)
        steps = ", ".join(
            f"{default_step(d, precision).epsilon:.2g} at {d:,} values" for d in sizes
        )
        rows.append(
            [
                f"`{precision}`",
                f"{DEFAULT_STEP[precision]:g} · √d: {steps}",
                f"{SMALLEST_STEP[precision]:g} · √d",
                _near_default(results, precision),
            ]
        )
    head = ["arithmetic", "default ε", "smallest ε", "correlation at the steps nearest to it"]
    return table(head, rows)


def students_passage(results: Path) -> str:
    """A table for each victim, one row per arm: the results of its copies at equal queries."""
    found = [f"On `{victim}`:\n\n{_by_arm(arms)}" for victim, arms in compared(results).items()]
    return "\n\n".join([STUDENTS_FIGURE, *found]) if found else NOT_RUN


def compared(results: Path) -> dict[str, dict[str, list[Record]]]:
    """The arms of each victim that has any."""
    found = {victim: runs(results, victim) for victim in COMPARISONS}
    return {victim: arms for victim, arms in found.items() if arms} | swept(results)


def swept(results: Path) -> dict[str, dict[str, list[Record]]]:
    """The arms on CIFAR-10 at its own size, by victim: runs of `tools/cifar10.sh`.

    The faithful one is also what Frugal is compared with.
    """
    records = [
        *(r for r in records_in(results / "frugal" / "cifar10") if r.attack == "dfme"),
        *records_in(results / "precision" / "cifar10"),
    ]
    found: dict[str, dict[str, list[Record]]] = {}
    for arm in MEANINGS:
        for record in records:
            if record.budget == SWEPT and _arm(record) == arm:
                found.setdefault(record.victim.name, {}).setdefault(arm, []).append(record)
    return found


def _arm(record: Record) -> str:
    settings = record.config["settings"]
    if settings["generator_lr"] <= NEARLY_ZERO["generator_lr"]:
        return "frozen"
    if settings["estimator"] == "random":
        return "random"
    return str(record.config["precision"])


def earlier_passage(results: Path) -> str:
    """Earlier runs on digits, on another processor; results that both confirm are the firmer."""
    found = runs(results, "earlier-runs")
    return _by_arm(found) if found else NOT_RUN


def _by_arm(found: dict[str, list[Record]]) -> str:
    head = ["arm", "meaning", "agreement", "accuracy", "correlation"]
    head += ["student's loss", "`estimate-drowned`"]
    rows = [[f"`{arm}`", MEANINGS[arm], *_outcome(records)] for arm, records in found.items()]
    first = next(iter(found.values()))[0]
    seeds = max(len(records) for records in found.values())
    spreads = [v for records in found.values() for v in _ends(records, "generator/spread")]
    fewer = [f"`{arm}` ({len(r)})" for arm, r in found.items() if len(r) < seeds]
    but = f", fewer for {', '.join(fewer)}," if fewer else ""
    note = (
        f"Medians and ranges over {seeds} seeds{but} at {first.budget:,} queries each; victim "
        f"`{first.victim.name}` ({first.victim.accuracy:.1%}), student `{first.student}`. "
        "Correlation: of the estimate on the stand-in, at the end. Loss: of the student on its "
        "last images. The last column counts runs that carry the flag. The spread between the "
        f"generator's images, as a share of the range, ends between {min(spreads):.3f} and "
        f"{max(spreads):.3f} in all of these runs."
    )
    made = _made(r for records in found.values() for r in records)
    return "\n\n".join([table(head, rows), note, made])


def verdict_passage(results: Path) -> str:
    """What the comparisons say, as sentences that follow from their numbers."""
    found = compared(results)
    return "\n\n".join(_verdicts(*one) for one in found.items()) or NOT_RUN


def _verdicts(victim: str, arms: dict[str, list[Record]]) -> str:
    found = {arm: _agreement(records) for arm, records in arms.items()}
    pairs = (
        ("tf32-unsafe", "float32"),
        ("bfloat16-unsafe", "float32"),
        ("bfloat16", "float32"),
        ("bfloat16", "float32-wide"),
        ("float32-wide", "float32"),
        ("random", "float32"),
        ("frozen", "float32"),
        ("random", "frozen"),
        ("preset-rate-bfloat16", "preset-rate-float32"),
        ("preset-rate-random", "preset-rate-float32"),
        ("frozen", "preset-rate-float32"),
        ("tuned-random", "tuned-float32"),
    )
    lines = [
        f"- `{one}` against `{other}`: {_compared(found[one], found[other])}"
        for one, other in pairs
        if one in found and other in found
    ]
    return "\n".join([f"On `{victim}`:", "", *lines, *_harder(arms)])


def _harder(arms: dict[str, list[Record]]) -> list[str]:
    """Whether arms whose images are harder for the student make better copies."""
    if len(arms) < ENOUGH_ARMS:
        return []
    losses, agreements = (
        _ranks([median(_ends(records, name)) for records in arms.values()])
        for name in ("student/gap", "agreement")
    )
    found = f"{correlation(losses, agreements):+.2f}".replace("-", "−")
    return [
        f"- Over the {len(arms)} arms, the rank correlation of the student's loss with agreement "
        f"is {found}."
    ]


def _ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 0; equal values share the mean of theirs."""
    return [sum(o < v for o in values) + (values.count(v) - 1) / 2 for v in values]


def _compared(one: Sequence[float], other: Sequence[float]) -> str:
    if len(one) != len(other):
        return f"{len(one)} and {len(other)} seeds: not enough to compare."
    difference = median(one) - median(other)
    words = "alike" if abs(difference) < CLEAR else "higher" if difference > 0 else "lower"
    apart = min(one) > max(other) or max(one) < min(other)
    ranges = "do not overlap" if apart else "overlap"
    return f"{words}: {difference * 100:+.1f} points of median agreement; the ranges {ranges}."


def _pair_tables(record: PrecisionRecord) -> str:
    parts = [
        f"**{facts.pair}**, {_who(record, facts)}\n\n{_sized(record, facts, FORMS)}"
        for facts in _pairs(record)
    ]
    return "\n\n".join([*parts, _made([record])])


def _who(record: PrecisionRecord, facts: PairFacts) -> str:
    seeds = sum(other.pair == facts.pair for other in record.pairs)
    nets = f"`{facts.student}` against `{facts.stand_in}`"
    return (
        f"{facts.dimensions:,} values; {nets} on {facts.dataset}, accuracies "
        f"{facts.student_accuracy:.1%} and {facts.stand_in_accuracy:.1%} (seed {facts.seed}); "
        f"{record.points} inputs, {seeds} {'seed' if seeds == 1 else 'seeds, medians'}:"
    )


def _sized(record: PrecisionRecord, facts: PairFacts, forms: Sequence[str]) -> str:
    """Correlations of one pair: one row per ε, one column per arithmetic and form."""
    columns = [(name, form) for name in _arithmetics(record) for form in forms]
    plain = len(forms) == 1
    head = ["ε", "ε/√d", *(name if plain else f"{name}, {form}" for name, form in columns)]
    cells = [c for c in record.cells if c.pair == facts.pair]
    rows = []
    for epsilon in sorted({c.epsilon for c in cells}):
        per_value = f"{epsilon / facts.dimensions**0.5:.1g}"
        values = [_median(cells, epsilon, *column, lambda c: c.correlation) for column in columns]
        rows.append([f"{epsilon:g}", per_value, *(_signed(v) for v in values)])
    return table(head, rows)


def _cosine_table(record: PrecisionRecord) -> str:
    facts = _pairs(record)[-1]
    columns = [(name, m) for name in _arithmetics(record) for m in sorted(facts.exact_cosines)]
    cells = [c for c in record.cells if c.pair == facts.pair]
    rows = [
        [
            form,
            f"{epsilon:g}",
            *(_share(cells, epsilon, form, *column, facts) for column in columns),
        ]
        for form in FORMS
        for epsilon in sorted({c.epsilon for c in cells})
    ]
    head = ["form", "ε", *(f"{name}, m = {m}" for name, m in columns)]
    exact = ", ".join(f"{cosine:.3f} at m = {m}" for m, cosine in facts.exact_cosines.items())
    return f"**{facts.pair}**; exact slopes: a mean cosine of {exact}.\n\n{table(head, rows)}"


def _share(
    cells: Iterable[Cell], epsilon: float, form: str, name: str, m: int, facts: PairFacts
) -> str:
    cosine = _median(cells, epsilon, name, form, lambda c: c.cosines[m])
    return _signed(cosine / facts.exact_cosines[m])


def _near_default(results: Path, precision: Precision) -> str:
    """Per pair, the correlations at the measured steps to each side of the default."""
    said = [
        f"{facts.pair}: {values}"
        for record in tables(results)
        for facts in _pairs(record)
        if (values := _around_default(record, facts, precision))
    ]
    return "; ".join(said) or "not measured yet"


def _around_default(record: PrecisionRecord, facts: PairFacts, precision: Precision) -> str:
    default = default_step(facts.dimensions, precision).epsilon
    cells = [
        c
        for c in record.cells
        if c.pair == facts.pair and c.form == "forward" and c.arithmetic.startswith(precision)
    ]
    steps = sorted({c.epsilon for c in cells})
    near = [e for e in steps if e <= default][-1:] + [e for e in steps if e > default][:1]
    return ", ".join(
        f"{_signed(median(c.correlation for c in cells if c.epsilon == e))} at {e:g}" for e in near
    )


def _outcome(records: Sequence[Record]) -> list[str]:
    drowned = sum(any(f.name == "estimate-drowned" for f in r.flags) for r in records)
    return [
        _spread(_agreement(records)),
        _spread(_ends(records, "accuracy")),
        _signed(median(_ends(records, "estimate/correlation"))),
        f"{median(_ends(records, 'student/gap')):.2f}",
        f"{drowned} of {len(records)}",
    ]


def _agreement(records: Iterable[Record]) -> list[float]:
    return _ends(records, "agreement")


def _ends(records: Iterable[Record], name: str) -> list[float]:
    return [record.result[name] for record in records]


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.3f} ({min(values):.3f}–{max(values):.3f})"


def _median(
    cells: Iterable[Cell], epsilon: float, name: str, form: str, value: Callable[[Cell], float]
) -> float:
    return median(
        value(c) for c in cells if (c.epsilon, c.arithmetic, c.form) == (epsilon, name, form)
    )


def _pairs(record: PrecisionRecord) -> list[PairFacts]:
    """The facts of every pair at its first seed."""
    return list({facts.pair: facts for facts in reversed(record.pairs)}.values())[::-1]


def _arithmetics(record: PrecisionRecord) -> list[str]:
    return list(dict.fromkeys(c.arithmetic for c in record.cells))


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") if value < 0.985 else f"{value:.3f}"


def _made(records: Iterable[PrecisionRecord | Record]) -> str:
    return measured_on([record.surroundings for record in records])
