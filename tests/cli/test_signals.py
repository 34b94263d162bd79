"""SIGTERM to the real command: it stops with a checkpoint, and the same command goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest


@pytest.mark.slow
def test_sigterm_and_again(tmp_path):
    command = [
        sys.executable, "-m", "copycost", "audit", "--attack", "dfme", "--json",
        "--budget", "30000", "--evaluations", "50", "--threads", "1", "--out", str(tmp_path),
    ]  # fmt: skip
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("dfme-*/checkpoint.safetensors")):
        assert time.monotonic() < deadline, "the run never saved a checkpoint"
        assert first.poll() is None, first.stderr.read() if first.stderr else ""
        time.sleep(0.05)
    os.kill(first.pid, signal.SIGTERM)
    out, err = first.communicate(timeout=60)
    assert first.returncode == 3, err
    (stopped,) = json.loads(out)["runs"]
    assert stopped["ended"] == "SIGTERM"
    assert 0 < stopped["spent"] < 30_000

    again = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    (finished,) = json.loads(again.stdout)["runs"]
    assert finished["ended"] == "finished"
    assert finished["spent"] > stopped["spent"]
    (record,) = tmp_path.glob("dfme-*/record.json")
    stored = json.loads(record.read_text())
    assert len(stored["resumed"]) == 1
    assert stored["accounts"]["attacker"]["lost"] == 0
