"""One audit by two processes that the real `torchrun` started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

THREADS = Path("/proc/self/task")
LEFT = f"""
import atexit, os
from pathlib import Path


def note():
    threads = [(place / "comm").read_text() for place in Path("{THREADS}").iterdir()]
    Path(__file__).with_name("threads-" + os.environ["RANK"]).write_text("".join(threads))


if "RANK" in os.environ and Path("{THREADS}").exists():
    atexit.register(note)  # first, so that it is called last
"""
"""Python imports it before all else: it notes the threads that are left at a process's end."""
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")


def audit(out: Path, *options: str, first: Path | None = None) -> subprocess.CompletedProcess[str]:
    given = os.environ.get("PYTHONPATH", "")
    path = f"{first}{os.pathsep}{given}" if first else given
    return subprocess.run(
        [*TORCHRUN, "-m", "copycost", "audit", "--attack", "dfme", "--out", str(out), *options],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        check=False,
    )


@pytest.mark.slow
def test_two_processes_audit_as_one(tmp_path: Path) -> None:
    first, out = tmp_path / "first", tmp_path / "out"
    first.mkdir()
    (first / "sitecustomize.py").write_text(LEFT)
    done = audit(out, "--budget", "4003", "--evaluations", "2", "--json", first=first)
    assert done.returncode == 0, done.stderr
    if THREADS.exists():  # threads of the group that outlive it abort a process now and then
        left = [(first / f"threads-{rank}").read_text() for rank in (0, 1)]
        assert all("python" in names and "gloo" not in names for names in left), left
    (run,) = json.loads(done.stdout)["runs"]  # printed once
    assert 4003 - 64 < run["spent"] <= 4003
    assert len(list(out.rglob("ledger*.sqlite"))) == 2
    assert len(list(out.rglob("report.html"))) == 1
    assert done.stderr.count("Report:") == 1
    (record,) = out.rglob("record.json")
    assert json.loads(record.read_text())["surroundings"]["ranks"] == 2


@pytest.mark.slow
def test_a_batch_that_two_cannot_share_is_one_clear_line(tmp_path: Path) -> None:
    done = audit(tmp_path, "--budget", "4003", "--set", "dfme.batch_size=33")
    assert done.returncode != 0
    assert done.stderr.count("33 images cannot be shared evenly by 2 processes") == 1
    assert not list(tmp_path.iterdir()), "no victim was trained for it"
