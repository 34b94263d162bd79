"""One audit by two processes that the real `torchrun` started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")


def audit(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TORCHRUN, "-m", "copycost", "audit", "--attack", "dfme", "--out", str(out), *options],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )


@pytest.mark.slow
def test_two_processes_audit_as_one(tmp_path: Path) -> None:
    done = audit(tmp_path, "--budget", "4003", "--evaluations", "2", "--json")
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(done.stdout)["runs"]  # printed once
    assert 4003 - 64 < run["spent"] <= 4003
    assert len(list(tmp_path.rglob("ledger*.sqlite"))) == 2
    assert len(list(tmp_path.rglob("report.html"))) == 1
    assert done.stderr.count("Report:") == 1
    (record,) = tmp_path.rglob("record.json")
    assert json.loads(record.read_text())["surroundings"]["ranks"] == 2


@pytest.mark.slow
def test_a_batch_that_two_cannot_share_is_one_clear_line(tmp_path: Path) -> None:
    done = audit(tmp_path, "--budget", "4003", "--set", "dfme.batch_size=33")
    assert done.returncode != 0
    assert done.stderr.count("33 images cannot be shared evenly by 2 processes") == 1
    assert not list(tmp_path.iterdir()), "no victim was trained for it"
