"""The facts of one run, as its part of the page tells them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.report.conftest import MakeRecord, MakeRun, victim_facts

from copycost.report.runs import accounts, facts, measured, read_run, settings
from copycost.report.runs import victim_facts as told
from copycost.runner.record import SAMPLES_FILE, AccountFacts, Point, PoolFacts, TransferFacts
from copycost.types import InputSpec, Modality


def words(text: str) -> str:
    return text.replace("\u00a0", " ")


def test_of_an_account_the_budget_comes_first_then_what_was_spent_and_lost(
    make_record: MakeRecord,
) -> None:
    record = make_record(
        accounts={
            "attacker": AccountFacts(budget=9_000, spent=8_000, lost=70),
            "auditor": AccountFacts(budget=None, spent=600, lost=5),
        }
    )
    assert accounts(record) == [
        ("attacker", "9,000", "8,000", "70"),
        ("auditor", "no limit", "600", "5"),
    ]


def test_what_a_run_did_not_have_is_not_told(make_record: MakeRecord) -> None:
    found = dict(facts(make_record()))
    assert not {"Pool", "Training steps", "Queries kept"} & found.keys()
    assert found["Student's weights (sha256)"] == "not saved"
    assert found["Device"] == "cpu, 1 thread"


@pytest.mark.parametrize(
    ("conversion", "said"),
    [("", "1 image of a picture"), ("cut to 8x8", "1 image of a picture, cut to 8x8")],
)
def test_a_pool_that_fitted_as_it_was_is_of_no_conversion(
    make_record: MakeRecord, conversion: str, said: str
) -> None:
    record = make_record(pool=PoolFacts(name="a picture", size=1, conversion=conversion))
    assert dict(facts(record))["Pool"] == said


@pytest.mark.parametrize(
    ("missing", "said"), [(0, "1,500 as exact"), (4, "1,500 as exact, 4 missing")]
)
def test_queries_that_are_missing_are_told_where_there_are_any(
    make_record: MakeRecord, missing: int, said: str
) -> None:
    kept = TransferFacts(folder="transfer", encoding="exact", queries=1_500, missing=missing)
    assert dict(facts(make_record(transfer=kept)))["Queries kept"] == said


def test_the_last_measurements_are_each_in_its_unit(make_record: MakeRecord) -> None:
    curve = [
        Point(queries=at, seconds=1.0, values={"agreement": 0.25 * at, "kl": 1.5 * at})
        for at in (1, 2)
    ]
    found = [(name, words(value)) for name, value in measured(make_record(curve=curve))]
    assert found == [("agreement", "50.0 %"), ("kl", "3")]


def test_which_settings_were_given_is_told(make_record: MakeRecord) -> None:
    record = make_record(given={"seed": 0, "settings": {"epsilon": 1e-3}})
    given = {line.name for line in settings(record) if line.given}
    assert given == {"seed", "settings.epsilon"}


def front(**changes: Any) -> tuple[str, str]:
    """What is told of one victim behind its defences, if any."""
    lines = [(name, words(said)) for name, said in told([victim_facts(**changes)])]
    (found,) = [line for line in lines if "agreement with itself" in line[1]]
    return found


def test_what_users_get_is_told_with_how_true_to_itself_it_is() -> None:
    """Defences that leave the probabilities alone move them by 0, which is a measurement."""
    seen = {"defended_accuracy": 0.9, "self_agreement": 0.97}
    said = "accuracy 90.0 %, agreement with itself 97.0 %"
    assert front(**seen) == ("Undefended", said)
    assert front(**seen, defences=("a:1", "b:2"), perturbation=0.0) == (
        "Behind a:1 → b:2",
        f"{said}, probabilities changed by 0.00 (L1, mean; at most 2)",
    )


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (InputSpec((3, 8, 9), low=-1.0, high=2.5), "image, 3 × 8 × 9, values in [-1, 2.5]"),
        (InputSpec((16,), modality=Modality.TEXT, vocabulary=30_000), "text, 16, of 30,000 tokens"),
    ],
)
def test_what_a_model_takes_is_told(spec: InputSpec, said: str) -> None:
    assert dict(told([victim_facts(spec=spec)]))["Input"] == said


@pytest.mark.parametrize(
    ("wide", "high", "shown"),
    [(64, 32, 320), (100, 400, 300), (320, 8, 320), (400, 100, 400)],
)
def test_narrow_pictures_are_enlarged_by_a_whole_factor_and_no_other(
    make_run: MakeRun, wide: int, high: int, shown: int
) -> None:
    folder, buffer = make_run(), io.BytesIO()
    Image.new("RGB", (wide, high)).save(buffer, format="PNG")
    (folder / SAMPLES_FILE).write_bytes(buffer.getvalue())
    samples = read_run(folder).samples
    assert samples is not None
    assert samples.width == shown


def test_only_the_end_of_a_runs_path_is_told_whichever_way_it_is_named(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_run()
    monkeypatch.chdir(folder)
    for place in (folder, folder / "record.json", Path()):
        assert read_run(place).folder == folder.name
