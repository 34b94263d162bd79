"""Runs against victims whose inputs are tokens, from start to end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from copycost.bench.adversarial import transfer_rate
from copycost.datasets.base import Labelled
from copycost.engine import Engine
from copycost.metrics.transferability import PGD
from copycost.nets.seeded import build
from copycost.nets.text import BagOfTokens
from copycost.oracle.ledger import Ledger
from copycost.report.page import write_report
from copycost.runner.auditor import Auditor, auditors_account
from copycost.runner.config import RunConfig
from copycost.runner.copy_model import copy_model
from copycost.runner.folder import LEDGER_FILE, ONNX_FILE, STUDENT_FOLDER
from copycost.runner.keeper import FileKeeper
from copycost.runner.record import SAMPLES_FILE
from copycost.runner.stopping import Stop
from copycost.runner.target import Target
from copycost.runner.transfers import read_transfer_set
from copycost.types import InputSpec
from copycost.victims.module import ModuleVictim
from copycost.victims.saved import load_model
from tests.runner.conftest import TEXTS, text_target
from tests.stops import StopAt

FRUGAL: dict[str, Any] = {"attack": "frugal", "budget": 900, "settings": {"student_steps": 20}}
NOISE: dict[str, Any] = {"attack": "random-noise", "budget": 300}


def config(**more: Any) -> RunConfig:
    return RunConfig.read({"student": "bag-of-tokens", "device": "cpu", "evaluations": 2} | more)


def test_frugal_copies_a_model_of_texts_and_leaves_all_but_a_picture(tmp_path: Path) -> None:
    victims = text_target()
    record = copy_model(config(**FRUGAL, record_queries="bytes"), victims, tmp_path)
    assert record.victim.accuracy == 1.0
    assert record.result["agreement"] > 0.8
    assert not (tmp_path / SAMPLES_FILE).exists()
    student, _ = load_model(tmp_path / STUDENT_FOLDER)
    texts = victims.held_out.values()
    with torch.no_grad():
        logits = student(texts)
    right = float((logits.argmax(1) == victims.held_out.labels).float().mean())
    assert right == pytest.approx(record.result["accuracy"])
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(tmp_path / ONNX_FILE, providers=["CPUExecutionProvider"])
    (exported,) = session.run(["logits"], {"input": texts.numpy()})
    torch.testing.assert_close(torch.from_numpy(exported), logits, rtol=1e-4, atol=1e-4)
    asked = torch.cat([part.inputs for part in read_transfer_set(tmp_path).chunks(100)])
    TEXTS.check_shape(asked)
    assert len(asked) == 900
    assert "text, 8, of 40 tokens" in write_report([tmp_path], tmp_path / "r").read_text()


@pytest.mark.parametrize("run", [FRUGAL, NOISE], ids=["frugal", "random-noise"])
def test_pixels_by_number_are_copied_and_drawn_as_no_picture(
    run: dict[str, Any], tmp_path: Path
) -> None:
    spec = InputSpec((1, 2, 4), vocabulary=40)
    module = build(BagOfTokens, spec, 3, seed=7)
    held_out = Labelled(text_target().held_out.inputs.view(200, 1, 2, 4), torch.zeros(200).long())
    victims = Target(ModuleVictim(module, spec, classes=3, name="pixels"), held_out, "pixels")
    assert copy_model(config(**run), victims, tmp_path).finished
    assert not (tmp_path / SAMPLES_FILE).exists()


@pytest.mark.parametrize("run", [FRUGAL, NOISE], ids=["frugal", "random-noise"])
@pytest.mark.parametrize("access", ["probabilities", "label"])
def test_tokens_are_resumed_bit_for_bit(run: dict[str, Any], access: str, tmp_path: Path) -> None:
    asked = config(**run, access=access)
    whole = copy_model(asked, text_target(), tmp_path / "whole")
    stop, parts = Stop(), tmp_path / "parts"
    watcher = StopAt(stop, run["budget"] // 3)
    assert not copy_model(asked, text_target(), parts, stop=stop, watcher=watcher).finished
    assert copy_model(asked, text_target(), parts).student_hash == whole.student_hash


def test_no_token_is_a_little_larger_than_another(tmp_path: Path) -> None:
    victims = text_target()
    copy_model(config(**NOISE), victims, tmp_path)
    engine, stop = Engine("cpu"), Stop()
    with Ledger(tmp_path / LEDGER_FILE) as ledger:
        account = auditors_account(ledger, victims)
        auditor = Auditor(victims, (), 0, account, tmp_path / "again", engine.device, stop)
        spent = account.spent
        keeper = FileKeeper(tmp_path / "trial", stop)
        with keeper.until_done():
            rate = transfer_rate(tmp_path, auditor, PGD(), engine, 0, keeper)
        assert (rate.tried, rate.on_victim, rate.asked) == (0, None, 0)
        assert account.spent - spent <= len(victims.held_out), "only the held-out texts were asked"
