"""The docs' job of one run on several machines, on a real Slurm of one: it ends in two sessions."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest

from copycost.runner.record import read_record
from tests.sweep.slurm.cluster import Cluster, missing

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]

PAGE = Path(__file__).parents[3] / "docs" / "scaling.md"
AUDIT = (
    "audit --data digits --student lenet --device cpu --attack dfme --threads 1 --budget 16000 "
    "--set dfme.batch_size=32 --set dfme.width=8 --set dfme.latent=8 --evaluations 60"
)


def example(victim: Path, out: Path) -> str:
    """The script on the page, for two processes on one machine without GPUs."""
    script: str
    (script,) = re.findall(r"```bash\n((?:(?!```).)*torchrun.*?)```", PAGE.read_text(), re.S)
    changes = {
        r"--nodes=2": "--nodes=1",
        r"#SBATCH --gpus-per-node=8": "#SBATCH --cpus-per-task=2",
        r"srun torchrun --nnodes 2 --nproc-per-node 8": (
            f"srun {sys.executable} -m torch.distributed.run --nnodes 1 --nproc-per-node 2"
        ),
        r"audit --preset .* --out \S+": f"{AUDIT} --victim {victim} --out {out}",
    }
    for old, new in changes.items():
        script, times = re.subn(old, new, script)
        assert times == 1, old
    return script


def wait_for(cluster: Cluster, log: Path, pattern: str, out: Path) -> Path:
    deadline = time.monotonic() + 200
    while not (found := list(out.glob(pattern))):
        text = log.read_text() if log.exists() else ""
        queue = cluster.run("squeue", "--noheader")
        assert time.monotonic() < deadline, text
        assert queue, text
        time.sleep(0.1)
    return found[0]


def test_a_job_told_to_stop_queues_itself_again_and_finishes(cluster, victim, tmp_path):
    script, log = tmp_path / "job.sh", tmp_path / "log"
    script.write_text(example(victim, tmp_path / "runs"))
    command = ["sbatch", "--parsable", f"--output={log}", str(script)]
    job = cluster.run(*command).strip()
    saved = wait_for(cluster, log, "runs/dfme-*/checkpoint.safetensors", tmp_path)
    cluster.run("scancel", "--batch", "--signal=TERM", job)
    deadline = time.monotonic() + 200
    while cluster.run("squeue", "--noheader"):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.5)
    record = read_record(saved.parent)
    assert record.finished, log.read_text()
    assert (len(record.resumed), record.accounts["attacker"].lost) == (1, 0)
    assert record.surroundings.ranks == 2
