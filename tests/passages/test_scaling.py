"""What docs/scaling.md says of several processes: sums of its formula, and what was counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from copycost.attacks.dfme import DFME
from copycost.nets import ARCHITECTURES
from tools.passages.markdown import NOT_RUN
from tools.passages.scaling import (
    CLASSES,
    SPEC,
    bytes_table,
    gradient_bytes,
    norm_messages,
    predicted_passage,
    terms,
)

RECORDS = sorted((Path(__file__).parents[2] / "results" / "scaling").glob("*.json"))


def record(**more: object) -> dict[str, Any]:
    shared = {"seconds": [3.0, 1.0, 2.0], "messages": {"all_reduce": 490, "all_gather": 10}}
    step = {
        "student": "resnet20",
        "victim": "lenet",
        "batch_size": 16,
        "wait_seconds": None,
        "alone": {"seconds": [0.9, 0.5, 0.7]},
        "shared": {**shared, "calls": 2},
    }
    return {
        "processes": 2,
        "wire": {"latency_seconds": 0.001, "bytes_per_second": 1e7},
        "steps": [step | more],
        "surroundings": {
            "hardware": "2 x Test",
            "versions": {"torch": "9.9"},
            "commit": "0123456789abcdef",
        },
    }


def test_a_step_is_the_sum_of_what_it_computes_sends_and_waits_for() -> None:
    made = record(wait_seconds=0.25)
    sent = gradient_bytes(DFME(), ARCHITECTURES["resnet20"](SPEC, CLASSES))
    assert sent == 4 * (5 * 272_474 + 2_329_091)
    assert list(terms(made, made["steps"][0]).values()) == pytest.approx(
        [0.7, sent / 1e7, 500 * 0.001, 2 * 0.25]
    )
    # Of R processes each sends and receives (R - 1)/R of the sums, twice.
    four = made | {"processes": 4}
    assert terms(four, four["steps"][0])["gradients"] == pytest.approx(1.5 * sent / 1e7)


def test_predicted_stands_beside_measured(tmp_path: Path) -> None:
    (tmp_path / "scaling").mkdir()
    path = tmp_path / "scaling" / "two.json"
    path.write_text(json.dumps(record(wait_seconds=0.25)))
    text = predicted_passage(tmp_path)
    assert "2 x Test, PyTorch 9.9, commit `0123456789ab`" in text
    assert "takes 1.00 ms, many numbers pass at 0.01 GB/s. Seconds of a step, medians of 3:" in text
    expected = "| `resnet20` | `lenet`, 0.25 s a call | 16 | 0.70 | 1.48 | 0.50 | 0.50 | 3.18 "
    assert text.splitlines()[-1] == expected + "| 2.00 (1.00–3.00) | 500 |"
    path.write_text(json.dumps(record()))
    assert "| `lenet` | 16 | 0.70 | 1.48 | 0.50 | 0.00 | 2.68 |" in predicted_passage(tmp_path)


def test_without_a_record_nothing_is_predicted(tmp_path: Path) -> None:
    assert predicted_passage(tmp_path) == NOT_RUN
    assert "| `resnet20` | 272,474 | 2,329,091 | 15 MB | 238 |" in bytes_table(tmp_path)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_processes_were_seen_to_send_what_the_networks_say(path: Path) -> None:
    made = json.loads(path.read_bytes())
    assert len(made["surroundings"]["commit"]) == 40, "made by a clean checkout"
    for step in made["steps"]:
        student = ARCHITECTURES[step["student"]](SPEC, CLASSES)
        of_norms = 2 * norm_messages(DFME(), student)  # a CPU's batch norm sends two for each
        bundles = 1.0 + gradient_bytes(DFME(), student) / 25e6
        sent = step["shared"]["messages"]
        assert sent["all_gather"] == 2
        assert of_norms < sent["all_reduce"] <= of_norms + 2 * 6 + bundles
        assert step["shared"]["calls"] == (2 if step["wait_seconds"] else 0)
