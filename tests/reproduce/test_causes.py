"""Causes are named where they apply to what was measured, and nowhere else."""

from __future__ import annotations

import pytest

from copycost.reproduce.causes import _names, causes
from copycost.runner.record import Surroundings
from tests.reproduce.made_up import Values, made_up, measured

REPORTED = {"CIFAR-10": 0.8618, "SVHN": 0.9602}


def ends(bump: float = 0.0, **finals: list[float]) -> Values:
    """Curves that end as reported, or by series at what is given for each seed.

    `bump` is how much better the moment before the last is.
    """

    def values(label: str, seed: int, share: float) -> dict[str, float]:
        given = finals.get(label.replace("-", ""))
        final = REPORTED[label] if given is None else given[seed]
        accuracy = {1.0: final, 0.9: final + bump}.get(share, final * share)
        return {**measured(label, seed, share), "accuracy": accuracy}

    return values


def joined(found: list[str]) -> str:
    return " ".join(found).replace("\u00a0", " ")


def test_nothing_is_explained_where_nothing_differs() -> None:
    assert causes(made_up("figure-5", "full", values=ends())) == []
    assert causes(made_up("figure-2")) == [], "it holds, and no number is reported"
    assert causes(made_up("recovery")) == [], "nothing is claimed"
    assert causes(made_up("figure-5", finished=0)) == []


def test_another_scale_is_said_in_full() -> None:
    found = joined(causes(made_up("figure-5")))
    assert "scikit-learn digits in place of CIFAR-10" in found
    assert "synthetic house numbers, halved to 16×16 in place of SVHN" in found
    assert "gap-cnn copied into gap-cnn in place of resnet34-8x into resnet18-8x" in found
    assert "120,000 queries in place of 17,920,000" in found
    assert "in place of 256" in found
    assert "The victim has" not in found, "its accuracy on digits is compared with nothing"


def test_at_the_papers_scale_the_data_may_differ_and_the_arithmetic() -> None:
    low = ends(CIFAR10=[0.80, 0.80, 0.80])
    assert "Another scale" not in joined(causes(made_up("figure-5", "full", values=low)))
    copy = {"dataset": "CIFAR-10 (JPEG q75)"}
    result = made_up("figure-5", "full", values=low, victim=copy)
    assert (
        causes(result)[0]
        == "Another scale than the paper's: CIFAR-10 (JPEG q75) in place of CIFAR-10."
    )
    used = Surroundings(
        hardware="a test machine",
        device="cuda",
        threads=1,
        versions={},
        commit="0123abc",
        arithmetic={"training": "bfloat16", "epsilon": "2.8"},
    )
    said = "bfloat16, with a step of 2.8 for finite differences, in place of float32."
    result = made_up("figure-5", "full", values=low, surroundings=used)
    assert causes(result)[0] == f"Another scale than the paper's: {said}"
    result = made_up("figure-5", "full", values=low, victim=copy, surroundings=used)
    assert causes(result)[0].endswith(f"CIFAR-10 (JPEG q75) in place of CIFAR-10; {said}")


def test_a_spread_larger_than_the_gap_is_named_and_a_smaller_one_not() -> None:
    """Medians 0.87 and 0.85; gaps +0.8 and −1.2 points; seeds 3 points apart, then 1."""
    wide = made_up("figure-5", "full", values=ends(CIFAR10=[0.85, 0.87, 0.88]))
    assert causes(wide) == [
        "Seeds of CIFAR-10 end 3.0 points apart, more than the 0.8 points to be explained."
    ]
    narrow = made_up("figure-5", "full", values=ends(CIFAR10=[0.845, 0.85, 0.855]))
    assert "Seeds of" not in joined(causes(narrow))


def test_the_victims_accuracy_is_compared_with_the_published_one() -> None:
    low = ends(CIFAR10=[0.80, 0.80, 0.80], SVHN=[0.90, 0.90, 0.90])
    found = joined(causes(made_up("figure-5", "full", values=low)))
    assert "95.5 % on SVHN; the published one has 96.2 % [M]" in found
    assert "on CIFAR-10; the published one" not in found, "both have 95.5 %"


def test_the_best_moment_is_set_beside_the_last_where_the_last_falls_short() -> None:
    low = ends(CIFAR10=[0.80, 0.80, 0.80], bump=0.02)
    found = joined(causes(made_up("figure-5", "full", values=low)))
    assert "is 2.0 points better (CIFAR-10, median)" in found
    assert "(SVHN, median)" not in found, "SVHN ends as reported"
    assert "best moment" not in joined(causes(made_up("figure-5")))


def test_a_series_is_concerned_only_where_its_own_name_is_said() -> None:
    """The label "mean" is in "means" and in "is meant", and named in neither."""
    assert _names("mean against minimum: 60.0 %", "mean")
    assert _names("L1 (summed), mean", "L1 (summed)")
    assert not _names("what is meant, by all means", "mean")
    assert not _names("submean", "mean")


@pytest.mark.parametrize(("seeds", "said"), [(1, "Only 1 seed:"), (2, "Only 2 seeds:"), (3, "")])
def test_few_seeds_are_named(seeds: int, said: str) -> None:
    found = [line for line in causes(made_up("figure-5", seeds=seeds)) if "Only" in line]
    assert [line.startswith(said) for line in found] == ([True] if said else [])


def test_the_studys_own_causes_are_those_of_falling_short() -> None:
    own = "as in DFME's code"
    assert own in joined(causes(made_up("figure-5", "full")))
    assert own not in joined(causes(made_up("figure-5"))), "digits are no shortfall of CIFAR-10"
    above = made_up("figure-5", "full", values=ends(CIFAR10=[0.87, 0.87, 0.87]))
    assert own not in joined(causes(above))


def test_a_comparison_that_seeds_could_have_decided_is_named() -> None:
    def close(label: str, seed: int, share: float) -> dict[str, float]:
        final = 0.7 + 0.05 * seed - (0.01 if label == "mean correction" else 0.0)
        return {**measured(label, seed, share), "accuracy": final}

    found = joined(causes(made_up("figure-8", values=close)))
    assert "Seeds of mean correction end 10.0 points apart, more than the 1.0 points" in found
