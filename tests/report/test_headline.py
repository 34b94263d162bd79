"""The sentence must never say more than the records do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from copycost.flags import Flag
from copycost.report.doubts import by_flag, doubts
from copycost.report.groups import group_records
from copycost.report.headline import Headline, headlines
from copycost.runner.record import Point, Record
from copycost.types import Access

MakeRecord = Callable[..., Record]


def only(records: list[Record]) -> Headline:
    (found,) = headlines(group_records(records))
    return found


def words(text: str) -> str:
    return text.replace("\u00a0", " ")


def seeds(make: MakeRecord, attack: str, *agreements: float, **changes: object) -> list[Record]:
    return [make(attack, seed, share, **changes) for seed, share in enumerate(agreements)]


def test_an_attack_that_works(make_record: MakeRecord) -> None:
    found = only(
        seeds(make_record, "random-noise", 0.123, 0.12, 0.13)
        + seeds(make_record, "maze", 0.5, 0.6, 0.7)
        + seeds(make_record, "dfme", 0.951, 0.941, 0.92)
    )
    assert words(found.sentence) == (
        "With 150,000 queries, DFME made a copy that agrees with your model on 94.1 % of held-out "
        "inputs (median of 3 seeds, 92.0–95.1 %); random noise reached 12.3 %."
    )
    assert [words(detail) for detail in found.details] == [
        "The API released probabilities.",
        "The copy classifies 91.3 % of held-out inputs correctly; your model, 95.5 %.",
    ]


def test_the_strongest_attack_is_that_with_the_best_median(make_record: MakeRecord) -> None:
    """One of the other's seeds did better than any of its own."""
    found = only(
        seeds(make_record, "maze", 0.5, 0.5, 0.99) + seeds(make_record, "dfme", 0.8, 0.8, 0.8)
    )
    assert found.sentence.startswith("With 150,000 queries, DFME made a copy")


def test_one_seed_is_said_to_be_one(make_record: MakeRecord) -> None:
    found = only([make_record("dfme", 0, 0.9)])
    assert words(found.sentence).endswith("on 90.0 % of held-out inputs (one seed).")
    assert any("No run of random noise has finished" in detail for detail in found.details)


def test_the_same_seed_twice_is_not_two_seeds(make_record: MakeRecord) -> None:
    found = only([make_record("dfme", 0, 0.9), make_record("dfme", 0, 0.9)])
    assert "median of 2 runs of 1 seed," in found.sentence


def test_noise_that_does_as_well_is_the_news(make_record: MakeRecord) -> None:
    records = seeds(make_record, "dfme", 0.14) + seeds(make_record, "random-noise", 0.12)
    found = only(records)
    assert words(found.sentence) == (
        "No attack did clearly better than random noise: with 150,000 queries, the copy made by "
        "DFME agrees with your model on 14.0 % of held-out inputs (one seed), and the one made by "
        "random noise on 12.0 %."
    )
    assert any("does not show that your model is safe" in detail for detail in found.details)


def test_one_attack_that_beats_noise_is_enough(make_record: MakeRecord) -> None:
    found = only(
        seeds(make_record, "maze", 0.12)
        + seeds(make_record, "dfme", 0.6)
        + seeds(make_record, "random-noise", 0.12)
    )
    assert found.sentence.startswith("With 150,000 queries, DFME")


def test_the_best_result_may_be_no_better_than_noise_in_its_own_setting(
    make_record: MakeRecord,
) -> None:
    found = only(
        [make_record(attack, 0, share, budget=1000) for attack, share in small]
        + [make_record(attack, 0, share) for attack, share in large]
    )
    assert "With 150,000 queries, DFME" in found.sentence
    assert (
        "In this setting the attack did not do clearly better than random noise." in found.details
    )
    assert any("strongest result of 2 settings" in detail for detail in found.details)


small = (("dfme", 0.5), ("random-noise", 0.1))
large = (("dfme", 0.93), ("random-noise", 0.9))


def test_noise_that_was_stopped_early_is_not_what_an_attack_failed_to_beat(
    make_record: MakeRecord,
) -> None:
    """In the smaller budget noise did as well; in the larger it never came to its end."""
    small = [make_record(name, 0, 0.6, budget=1000) for name in ("dfme", "random-noise")]
    large = [make_record("dfme", 0, 0.9, budget=9000)]
    large += [make_record("random-noise", 0, 0.3, budget=9000, spent=1500, ended="SIGTERM")]
    found = only(small + large)
    assert words(found.sentence).endswith("on 90.0 % of held-out inputs (one seed).")
    assert found.sentence.startswith("With 9,000 queries, DFME made a copy")


def test_an_attack_beside_which_noise_was_stopped_has_beaten_no_noise(
    make_record: MakeRecord,
) -> None:
    found = only(
        [make_record(name, 0, 0.9) for name in ("dfme", "random-noise")]
        + [make_record("dfme", 0, 0.8, budget=9000)]
        + [make_record("random-noise", 0, 0.1, budget=9000, spent=1500, ended="SIGTERM")]
    )
    assert found.sentence.startswith("No attack did clearly better than random noise")


def test_an_attack_that_was_stopped_has_beaten_nothing(make_record: MakeRecord) -> None:
    found = only(
        [
            make_record("dfme", 0, 0.14),
            make_record("maze", 0, 0.5, ended="SIGTERM", spent=48_000),
            make_record("random-noise", 0, 0.12),
        ]
    )
    assert found.sentence.startswith("No attack did clearly better than random noise")


@pytest.mark.parametrize(
    ("attack", "noise"),
    [
        ({"top_k": 1}, {"top_k": 10}),
        ({}, {"victim": {"dataset": "other data"}}),
    ],
)
def test_noise_of_another_setting_is_no_measure(
    make_record: MakeRecord, attack: dict[str, Any], noise: dict[str, Any]
) -> None:
    def of(name: str, share: float, how: dict[str, Any]) -> Record:
        k = how.get("top_k")
        if k is None:
            return make_record(name, 0, share, **how)
        config = {"seed": 0, "attack": {"name": name}, "top_k": k}
        return make_record(name, 0, share, access=Access.TOP_K, config=config)

    records = [of("dfme", 0.6, attack), of("random-noise", 0.7, noise)]
    found = headlines(group_records(records))[0]
    assert "DFME made a copy" in found.sentence
    assert "noise-does-as-well" not in by_flag(doubts(group_records(records)))
    if attack:
        assert found.details[0] == "The API released top-k (k = 1)."


def test_the_best_noise_is_the_measure(make_record: MakeRecord) -> None:
    """As in the sentence, which names it."""
    noise = [make_record("random-noise", 0, share, epsilon=share) for share in (0.8, 0.2)]
    groups = group_records([make_record("dfme", 0, 0.7), *noise])
    assert "noise-does-as-well" in by_flag(doubts(groups))


def test_of_two_kinds_of_noise_the_better_is_named(make_record: MakeRecord) -> None:
    noise = [make_record("random-noise", 0, share, epsilon=share) for share in (0.2, 0.3)]
    found = only([make_record("dfme", 0, 0.9), *noise])
    assert words(found.sentence).endswith("; random noise reached 30.0 %.")


def test_where_noise_itself_did_best_other_noise_is_no_baseline(make_record: MakeRecord) -> None:
    noise = [make_record("random-noise", 0, share, epsilon=share) for share in (0.742, 0.18)]
    found = only(noise)
    assert words(found.sentence) == (
        "With 150,000 queries, random noise made a copy that agrees with your model on 74.2 % of "
        "held-out inputs (one seed)."
    )
    assert found.noise is None


def test_of_several_choices_of_settings_the_best_is_named(make_record: MakeRecord) -> None:
    records = [make_record("dfme", 0, share, epsilon=share) for share in (0.6, 0.9, 0.7)]
    for some in (records, records[:2]):
        assert (
            f"DFME was run with {len(some)} choices of its settings; this is the best of them: "
            "settings.epsilon 0.9." in only(some).details
        )
    assert not any("choices" in detail for detail in only(records[:1]).details)


@pytest.mark.parametrize(
    ("knowledge", "said"),
    [
        ("in-distribution", "the model's own training images without their labels"),
        ("proxy", "images that are somewhat like the model's data, from which queries are made"),
        ("three examples", "three examples"),
    ],
)
def test_an_attacker_who_held_data_is_said_to_have_held_them(
    make_record: MakeRecord, knowledge: str, said: str
) -> None:
    found = only([make_record("knockoff", 0, 0.98, knowledge=knowledge)])
    assert f"Besides the API, the attacker held {said}." in found.details


def test_one_model_judged_on_two_sets_of_data_is_two_findings(make_record: MakeRecord) -> None:
    """Agreements on different inputs are not to be compared, and neither is better."""
    victims = [
        {"dataset": "easy", "accuracy": 0.95},
        {"dataset": "hard", "accuracy": 0.6},
        {"dataset": "easy", "name": "another"},
    ]
    found = headlines(group_records([make_record(victim=victim) for victim in victims]))
    titles = ["cifar10-resnet34 on easy", "cifar10-resnet34 on hard", "another"]
    assert [headline.victim for headline in found] == titles
    assert "your model, 60.0 %" in words(found[1].details[1])
    assert not any("settings compared" in detail for one in found for detail in one.details)


def test_two_models_of_one_name_are_told_apart_by_their_weights(make_record: MakeRecord) -> None:
    records = [make_record(victim={"content_hash": digit * 64}) for digit in "ab"]
    found = headlines(group_records(records))
    titles = ["cifar10-resnet34 aaaaaaaa", "cifar10-resnet34 bbbbbbbb"]
    assert [headline.victim for headline in found] == titles


def test_where_a_pool_runs_out_the_price_is_what_was_spent(make_record: MakeRecord) -> None:
    flags = [Flag("budget-not-spent", "1,648 of 3,000 queries were left unspent")]
    runs = [
        make_record("knockoff", seed, 0.9, budget=3000, spent=spent, flags=flags)
        for seed, spent in enumerate((1300, 1352, 1500))
    ]
    assert only(runs).sentence.startswith("With 1,352 queries, ")


def test_what_a_stopped_run_left_unspent_is_not_the_price_of_the_others(
    make_record: MakeRecord,
) -> None:
    left: dict[str, Any] = {"flags": [Flag("budget-not-spent", "102,000 of 150,000 queries")]}
    stopped = make_record("dfme", 1, 0.5, ended="SIGTERM", spent=48_000, **left)
    finished = make_record("dfme", 0, 0.9, spent=149_999)
    assert only([finished, stopped]).sentence.startswith("With 150,000 queries, ")


def test_an_api_that_releases_labels_is_said_to_release_nothing_else(
    make_record: MakeRecord,
) -> None:
    found = only([make_record("dfme", 0, 0.9, access=Access.LABEL)])
    assert found.details[0] == "The API released the label only."


def test_a_stopped_run_is_left_out_and_mentioned(make_record: MakeRecord) -> None:
    stopped = make_record("dfme", 1, 0.99, ended="SIGTERM", spent=48_000)
    found = only([make_record("dfme", 0, 0.9), stopped])
    assert "90.0" in found.sentence
    assert "1 of 2 runs did not finish and is left out of the medians." in found.details


def test_if_nothing_finished_the_sentence_begins_with_that(make_record: MakeRecord) -> None:
    found = only([make_record("dfme", 0, 0.4, ended="Ctrl-C", spent=48_000)])
    assert words(found.sentence) == (
        "No run has finished. Stopped after 48,000 of 150,000 queries, DFME had made a copy that "
        "agrees with your model on 40.0 % of held-out inputs (one seed)."
    )


def test_what_was_stopped_is_shown_where_nothing_finished(make_record: MakeRecord) -> None:
    found = only(seeds(make_record, "dfme", 0.4, 0.5, ended="Ctrl-C", spent=48_000))
    assert found.details[-1] == (
        "2 of 2 runs did not finish and are shown as they were when stopped."
    )
    found = only([make_record("dfme", 0, 0.4, ended="Ctrl-C", spent=48_000)])
    assert found.details[-1] == "1 of 1 run did not finish and is shown as it was when stopped."


def test_finished_noise_does_not_hide_that_the_attack_was_stopped(make_record: MakeRecord) -> None:
    stopped = make_record("dfme", 0, 0.9, ended="SIGTERM", spent=1000)
    found = only([stopped, make_record("random-noise", 0, 0.12)])
    assert words(found.sentence) == (
        "With 150,000 queries, random noise made a copy that agrees with your model on 12.0 % of "
        "held-out inputs (one seed)."
    )
    assert any("No attack but random noise has finished" in detail for detail in found.details)
    assert any("1 of 2 runs did not finish" in detail for detail in found.details)


def test_what_became_of_stopped_runs_is_told_of_each_group(make_record: MakeRecord) -> None:
    """MAZE's number is that of a stopped run, DFME's is not."""
    stopped: dict[str, Any] = {"ended": "Ctrl-C", "spent": 48_000}
    records = [make_record("dfme", 0, 0.9), make_record("maze", 0, 0.4, **stopped)]
    assert only(records).details[-1] == (
        "1 of 2 runs did not finish and is shown as it was when stopped."
    )
    records += seeds(make_record, "dfme", 0.8, 0.7, **stopped)
    assert only(records).details[-1] == (
        "3 of 4 runs did not finish: 2 are left out of the medians, and 1 is shown as it was when "
        "stopped."
    )


def test_noise_that_was_stopped_is_not_said_to_have_finished(make_record: MakeRecord) -> None:
    found = only([make_record("random-noise", 0, 0.2, ended="Ctrl-C", spent=48_000)])
    assert found.sentence.startswith("No run has finished.")
    assert (
        "No attack but random noise has measured anything yet, and noise is the weakest test."
        in found.details
    )


def test_nothing_measured_is_nothing_said(make_record: MakeRecord) -> None:
    found = only([make_record(curve=[], ended="SIGTERM", spent=0)])
    assert "nothing can be said" in found.sentence
    assert found.group is None


def test_defences_and_their_price_are_named(make_record: MakeRecord) -> None:
    victim = {"defences": ("rounding(1)", "noise(0.1)"), "defended_accuracy": 0.91}
    details = [words(detail) for detail in only([make_record(victim=victim)]).details]
    assert "The API released probabilities, behind rounding(1) → noise(0.1)." in details
    assert any("your model, 95.5 %, and 91.0 % with its defences." in d for d in details)


def test_flags_of_groups_are_raised_from_finished_runs_in_one_setting(
    make_record: MakeRecord,
) -> None:
    groups = group_records(
        seeds(make_record, "dfme", 0.2, 0.2, 0.2)
        + seeds(make_record, "random-noise", 0.9, 0.9, 0.9, budget=1000)
        + [make_record("random-noise", 3, 0.95, ended="SIGTERM")]
    )
    found = by_flag(doubts(groups))
    assert "noise-does-as-well" not in found, "another budget, or not finished"
    groups = group_records(
        seeds(make_record, "dfme", 0.2, 0.22) + seeds(make_record, "random-noise", 0.2)
    )
    found = by_flag(doubts(groups))
    assert [doubt.where for doubt in found["noise-does-as-well"]] == ["DFME"]
    assert [doubt.where for doubt in found["too-few-seeds"]] == ["DFME", "random noise"]
    assert found["too-few-seeds"][0].flag.detail == "2 of at least 3 seeds"


def test_a_seed_that_was_stopped_is_not_among_those_a_result_rests_on(
    make_record: MakeRecord,
) -> None:
    stopped = make_record("dfme", 2, 0.1, ended="SIGTERM", spent=1000)
    found = doubts(group_records([*seeds(make_record, "dfme", 0.9, 0.9), stopped]))
    assert [doubt.flag.detail for doubt in found] == ["2 of at least 3 seeds"]


def test_a_flag_of_a_run_that_was_stopped_is_shown_though_its_result_does_not_count(
    make_record: MakeRecord,
) -> None:
    lost = [Flag("queries-lost", "12 queries")]
    stopped = make_record("dfme", 1, 0.1, ended="SIGTERM", spent=1000, flags=lost)
    found = by_flag(doubts(group_records([make_record("dfme", 0, 0.9), stopped])))
    assert [doubt.where for doubt in found["queries-lost"]] == ["DFME, seed 1"]


def test_the_best_noise_is_that_with_the_best_median(make_record: MakeRecord) -> None:
    """Seed by seed the other begins higher."""
    groups = group_records(
        seeds(make_record, "dfme", 0.7, 0.7, 0.7)
        + seeds(make_record, "random-noise", 0.8, 0.1, 0.1, epsilon=1.0)
        + seeds(make_record, "random-noise", 0.7, 0.7, 0.7, epsilon=2.0)
    )
    found = by_flag(doubts(groups))
    assert [doubt.where for doubt in found["noise-does-as-well"]] == ["DFME"], "and not noise"


def test_an_attack_beats_noise_by_its_agreement_not_by_its_accuracy(
    make_record: MakeRecord,
) -> None:
    def of(attack: str, accuracy: float) -> Record:
        values = {"agreement": 0.5, "accuracy": accuracy}
        return make_record(attack, curve=[Point(queries=150_000, seconds=9.0, values=values)])

    groups = group_records([of("dfme", 0.9), of("random-noise", 0.1)])
    assert "noise-does-as-well" in by_flag(doubts(groups))
