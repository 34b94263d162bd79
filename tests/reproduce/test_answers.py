"""Answers in words follow from the findings."""

from __future__ import annotations

from copycost.report import wording
from copycost.reproduce.answers import answer, progress
from tests.reproduce.made_up import Values, made_up, measured


def said(key: str, values: Values = measured, seeds: int = 3) -> str:
    return " ".join(answer(made_up(key, values=values, seeds=seeds))).replace(wording.NBSP, " ")


def by_label(finals: dict[str, float], step: float = 0.01) -> Values:
    """Accuracy at `finals`, and a `step` more a seed."""

    def values(label: str, seed: int, share: float) -> dict[str, float]:
        return {**measured(label, seed, share), "accuracy": finals[label] + step * seed}

    return values


NAMES = {"mean": 0.80, "minimum": 0.70, "none": 0.60, "true logits": 0.90}


def ranked(finals: dict[str, float], step: float = 0.01, seeds: int = 3) -> str:
    first, *_ = answer(made_up("recovery", values=by_label(finals, step), seeds=seeds))
    return first.replace(wording.NBSP, " ")


def test_a_ranking_names_best_and_worst_and_what_lies_between() -> None:
    """Best from 90 to 92 %, worst from 60 to 62 %: 28 points lie between them."""
    assert ranked(NAMES) == (
        "With scikit-learn's digits in CIFAR-10's place: best at the end is true logits, with a "
        "median accuracy of 91.0 % and agreement of 82.0 %; worst is none, with a median accuracy "
        "of 61.0 % and agreement of 82.0 %. Their runs do not overlap: 28.0 points lie between "
        "them. Nor does any other overlap with the best."
    )


def test_a_ranking_that_seeds_could_reverse_says_so() -> None:
    assert "overlap, so that this may be chance" in ranked(NAMES, step=0.2)


def test_a_ranking_of_one_seed_each_does_not_speak_of_ranges() -> None:
    assert ranked(NAMES, seeds=1).endswith("of 81.0 %. With one seed this may be chance.")


def test_a_ranking_counts_the_others_that_may_be_as_good() -> None:
    """Best from 90 to 92 %, and one from 89 to 91 %."""
    assert ranked(NAMES | {"mean": 0.89}).endswith(
        "28.0 points lie between them. But seeds do not tell 1 of the 3 others from the best."
    )


def test_a_bound_that_is_passed_is_remarked_on() -> None:
    bound = "nothing ends better than true logits, meant as the upper bound"
    assert said("recovery", by_label(NAMES)).endswith(f"{bound}: yes.")
    passed = by_label(NAMES | {"minimum": 0.95})
    assert said("recovery", passed).endswith(f"{bound}: no.")
    close = by_label(NAMES | {"minimum": 0.91})
    assert said("recovery", close).endswith(f"{bound}: no, by the medians, which may be chance.")


def test_of_two_rates_the_one_that_moves_more_is_named_and_an_optimum_at_the_edge() -> None:
    """Over the generator's rates 60 points lie between best and worst, over the student's 2."""
    best = {"0.0001": 0.9, "0.0005": 0.6, "0.0025": 0.3}
    better = {"0.03": 0.01, "0.1": 0.02, "0.3": 0.0}
    grid = {f"generator {g}, student {s}": best[g] + better[s] for g in best for s in better}

    def values(label: str, seed: int, share: float) -> dict[str, float]:
        accuracy = grid[label]
        return {**measured(label, seed, share), "accuracy": accuracy, "agreement": accuracy / 2}

    _, found = answer(made_up("learning-rates", values=values))
    assert found.endswith(
        "the generator's rate matters more: with the other fixed it moves the median accuracy by "
        "60.0 points, the student's rate by 2.0, and agreement by 30.0 and 1.0 (medians over the "
        "other's values). The best lies at the edge of the grid by the generator's rate, 0.0001, "
        "so that better may lie beyond."
    )
    inside = grid | {"generator 0.0005, student 0.1": 0.95}
    _, found = answer(made_up("learning-rates", values=by_label(inside)))
    assert found.endswith("The best lies inside of the grid.")


def test_the_least_budget_that_reaches_a_share_of_the_victim() -> None:
    """Medians 46, 57, 68, 79 and 90 %; of the victim's 95.5 %: 48, 60, 71, 83 and 94 %."""
    budgets = dict(zip((10_000, 30_000, 60_000, 120_000, 240_000), range(5), strict=True))
    values = by_label({f"{b:,} queries": 0.45 + 0.11 * n for b, n in budgets.items()})
    assert said("budgets", values).endswith(
        "50%: 30,000 queries; 80%: 120,000 queries; 90%: 240,000 queries; "
        "95%: no budget tried (seeds alone: 240,000, 2 seeds at none)."
    )


def test_the_seeds_of_a_budget_are_told_where_they_differ() -> None:
    """Of the victim's 95.5 %, one seed has half with the first budget, and the others not."""

    def values(label: str, seed: int, share: float) -> dict[str, float]:
        late = label == "10,000 queries" and seed > 0
        return {**measured(label, seed, share), "accuracy": 0.4 if late else 0.5}

    assert "50%: 30,000 queries (seeds alone: 10,000 to 30,000); 80%: no" in said("budgets", values)


def test_the_spread_over_seeds_and_the_share_that_learnt_nothing() -> None:
    def values(label: str, seed: int, share: float) -> dict[str, float]:
        final = 0.1 if label == "SVHN" and seed == 0 else 0.8
        return {**measured(label, seed, share), "accuracy": final}

    found = said("initial-values", values, seeds=5)
    assert "(SVHN): over 5 seeds, accuracy ends between 10.0 % and 80.0 % (median 80.0 %)" in found
    assert (
        ", and agreement ends between 81.0 % and 85.0 % (median 83.0 %); 20% of the runs " in found
    )


def test_claims_are_answered_with_yes_or_no() -> None:
    generators = "With scikit-learn's digits in CIFAR-10's place: the generator's loss shrinks "
    assert said("losses").startswith(f"{generators}(CIFAR-10): yes.")
    flat = by_label({"CIFAR-10": 0.5, "SVHN": 0.5})

    def level(label: str, seed: int, share: float) -> dict[str, float]:
        return {**flat(label, seed, share), "generator/gap": 1.0}

    assert said("losses", level).startswith(f"{generators}(CIFAR-10): no.")


def test_an_answer_that_seeds_could_reverse_says_so() -> None:
    def two_ways(label: str, seed: int, share: float) -> dict[str, float]:
        risen = {"student/gap": 1 + share} if seed == 0 else {}
        return {**measured(label, seed, share), **risen}

    first, second, *_ = answer(made_up("losses", values=two_ways))
    assert first.endswith("the generator's loss shrinks (CIFAR-10): yes.")
    assert second.endswith(
        "the student's loss shrinks (CIFAR-10): yes, by the medians, which may be chance."
    )


def test_a_published_number_is_neither_reached_nor_missed_on_other_data() -> None:
    """DFME reports nothing of digits, nor of what 13,400 queries do."""
    first, second, third, _ = answer(made_up("headline"))
    assert first == (
        "With scikit-learn's digits in CIFAR-10's place and 134,000 queries in place of 20 million:"
        " the student reaches 88.10% accuracy, within 1 point (CIFAR-10, DFME's setting, "
        "20 million): not comparable."
    )
    assert second.startswith("With synthetic house numbers of 16×16 in SVHN's place and 13,400 ")
    assert third.startswith("With scikit-learn's digits in CIFAR-10's place and 120,000 queries in")


def test_the_papers_own_data_needs_no_introduction() -> None:
    first, *_ = answer(made_up("headline", "full"))
    assert first == (
        "The student reaches 88.10% accuracy, within 1 point (CIFAR-10, DFME's setting, "
        "20 million): no."
    )


def test_an_unfinished_analysis_is_not_answered() -> None:
    result = made_up("recovery", finished=2)
    assert progress(result) == (8, 12)
    assert answer(result) == ["Not known yet: 8 of 12 runs finished."]
