"""Runs against victims whose inputs are no images: rows of numbers, from start to end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from copycost.datasets.base import Labelled
from copycost.errors import SpecMismatch
from copycost.report.page import write_report
from copycost.runner.config import RunConfig
from copycost.runner.copy_model import copy_model
from copycost.runner.folder import ONNX_FILE, STUDENT_FOLDER
from copycost.runner.record import SAMPLES_FILE
from copycost.runner.stopping import Stop
from copycost.runner.target import Target
from copycost.runner.transfers import read_transfer_set
from copycost.types import InputSpec, Modality
from copycost.victims.module import ModuleVictim
from copycost.victims.saved import load_model
from tests.stops import StopAt

SPEC = InputSpec((12,), low=-1.0, high=1.0, modality=Modality.TABULAR)
FRUGAL: dict[str, Any] = {"attack": "frugal", "budget": 600, "settings": {"student_steps": 20}}
DFME = {"generator": "mlp", "batch_size": 32, "width": 8, "latent": 8, "student_steps": 2}


def linear_target(held_out: Labelled | None = None) -> Target:
    """A linear victim of three classes, and 200 rows that it labels itself."""
    random = torch.Generator().manual_seed(0)
    model = nn.Linear(12, 3, bias=False)
    with torch.no_grad():
        model.weight.copy_(3 * torch.randn(3, 12, generator=random))
    rows = 2 * torch.rand(200, 12, generator=random) - 1
    labels = model(rows).argmax(dim=1)
    victim = ModuleVictim(model, SPEC, classes=3, name="linear")
    return Target(victim, held_out or Labelled(rows, labels), "rows")


def config(**more: Any) -> RunConfig:
    return RunConfig.read({"student": "mlp", "device": "cpu", "evaluations": 2} | more)


def test_frugal_copies_rows_and_leaves_all_but_a_picture(tmp_path: Path) -> None:
    target = linear_target()
    record = copy_model(config(**FRUGAL, record_queries="bytes"), target, tmp_path)
    assert record.result["accuracy"] == record.result["agreement"] > 0.9
    assert record.victim.accuracy == 1.0, "held-out rows were changed"
    assert not (tmp_path / SAMPLES_FILE).exists()
    student, _ = load_model(tmp_path / STUDENT_FOLDER)
    x = target.held_out.values()
    with torch.no_grad():
        logits = student(x)
    assert float((logits.argmax(1) == target.held_out.labels).float().mean()) == pytest.approx(
        record.result["accuracy"]
    )
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(tmp_path / ONNX_FILE, providers=["CPUExecutionProvider"])
    (exported,) = session.run(["logits"], {"input": x.numpy()})
    torch.testing.assert_close(torch.from_numpy(exported), logits, rtol=1e-4, atol=1e-4)
    asked = torch.cat([part.inputs for part in read_transfer_set(tmp_path).chunks(100)])
    assert asked.shape == (600, 12)
    assert len(asked.unique()) > 256, "rows were rounded to bytes"
    assert "tabular, 12, values in [-1, 1]" in write_report([tmp_path], tmp_path / "r").read_text()


@pytest.mark.parametrize(
    "run", [FRUGAL, {"attack": "dfme", "budget": 3001, "settings": DFME}], ids=["frugal", "dfme"]
)
def test_rows_are_resumed_bit_for_bit(run: dict[str, Any], tmp_path: Path) -> None:
    whole = copy_model(config(**run), linear_target(), tmp_path / "whole")
    stop, parts = Stop(), tmp_path / "parts"
    watcher = StopAt(stop, run["budget"] // 3)
    stopped = copy_model(config(**run), linear_target(), parts, stop=stop, watcher=watcher)
    assert not stopped.finished
    assert copy_model(config(**run), linear_target(), parts).student_hash == whole.student_hash


def test_rows_outside_the_range_are_refused() -> None:
    rows = Labelled(torch.full((4, 12), 1.5), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(SpecMismatch, match=r"inputs in \[-1, 1\], got values from 1.5 to 1.5"):
        linear_target(rows)


def test_a_net_for_images_names_one_for_rows(tmp_path: Path) -> None:
    with pytest.raises(SpecMismatch, match="choose mlp for numbers, bag-of-tokens for tok"):
        copy_model(config(**FRUGAL, student="gap-cnn"), linear_target(), tmp_path)
