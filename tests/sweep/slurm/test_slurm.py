"""A real Slurm of one node: a job is preempted, requeued, and its run goes on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from copycost.errors import ConfigError
from copycost.sweep.executors.base import Full, Terms
from copycost.sweep.executors.slurm import PATIENCE, Slurm, SlurmPool
from copycost.sweep.victims import SavedHome
from copycost.sweep.work import Ended, Outcome, TrainVictim
from tests.sweep.slurm.cluster import Cluster, missing

pytest.importorskip("submitit", reason="submitit is not installed: pip install 'copycost[slurm]'")

slow = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]


@pytest.fixture
def sweep(cluster, victim, tmp_path):
    """Start `copycost sweep` over one run, with more options; the process.

    `path`: a folder of programs that go before all others.
    """
    started: list[subprocess.Popen[str]] = []

    def start(*options: str, path: Path | None = None) -> subprocess.Popen[str]:
        environment = {**os.environ, **cluster.environment, "OMP_NUM_THREADS": "1"}
        if path is not None:
            environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}"
        command = [
            sys.executable, "-m", "copycost", "sweep", "--executor", "slurm",
            "--victim", str(victim), "--data", "digits", "--student", "lenet", "--device", "cpu",
            "--attack", "dfme", "--budget", "16000", "--evaluations", "80", "--threads", "1",
            "--set", "dfme.batch_size=32", "--set", "dfme.width=8", "--set", "dfme.latent=8",
            "--with", "partition=main", "--with", "minutes=20",
            "--json", "--out", str(tmp_path), *options,
        ]  # fmt: skip
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def slow_scontrol(cluster: Cluster, tmp_path: Path) -> Path:
    """The folder of an scontrol that is still there when Slurm's SIGTERM reaches the job.

    To requeue a job is to tell all its processes to end, the one that asks for it included.
    """
    folder = tmp_path / "bin"
    folder.mkdir()
    path = cluster.environment.get("PATH", os.environ["PATH"])
    program = folder / "scontrol"
    program.write_text(f'#!/bin/sh\n{shutil.which("scontrol", path=path)} "$@"\nkill -TERM $$\n')
    program.chmod(0o755)
    return folder


def wait_for_checkpoint(process: subprocess.Popen[str], folder: Path) -> None:
    deadline = time.monotonic() + 120
    while not list(folder.glob("dfme-*/checkpoint.safetensors")):
        assert time.monotonic() < deadline, "the run never saved a checkpoint"
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def wait_for_an_empty_queue(cluster: Cluster) -> None:
    deadline = time.monotonic() + 60
    while queue := cluster.run("squeue", "--noheader", "--states=PENDING,RUNNING"):
        assert time.monotonic() < deadline, queue
        time.sleep(0.2)


def finish(process: subprocess.Popen[str], code: int) -> dict[str, Any]:
    """The one run of the JSON object that the sweep prints at its end."""
    out, err = process.communicate(timeout=150)
    assert process.returncode == code, err
    (run,) = json.loads(out)["runs"]
    return dict(run)


class TestOnACluster:
    pytestmark = slow

    def test_a_preempted_run_is_requeued_and_loses_nothing(
        self, cluster, sweep, slow_scontrol, tmp_path
    ):
        process = sweep(path=slow_scontrol)
        wait_for_checkpoint(process, tmp_path)
        cluster.run(
            "sbatch", "--partition=urgent", "--exclusive", "--wrap=true", "--output=/dev/null"
        )
        run = finish(process, 0)
        assert (run["state"], run["resumed"], run["lost"]) == ("finished", 1, 0)
        logs = list(tmp_path.glob("sweep-*/slurm/*_log.out"))
        assert len(logs) == 1, "the requeued job keeps its number"
        text = logs[0].read_text()
        assert "this job is preempted" in logs[0].with_suffix(".err").read_text()
        assert "Requeued job" in text
        assert text.count("Loading pickle") == 2

    def test_a_killed_job_goes_on_in_another(self, cluster, sweep, tmp_path):
        process = sweep()
        wait_for_checkpoint(process, tmp_path)
        (job,) = cluster.run("squeue", "--noheader", "--format=%A").split()
        cluster.run("scancel", "--signal=KILL", job)
        run = finish(process, 0)
        assert (run["state"], run["resumed"]) == ("finished", 1)
        assert len(list(tmp_path.glob("sweep-*/slurm/*_submitted.pkl"))) == 2

    def test_ctrl_c_stops_the_jobs_and_the_same_command_goes_on(self, cluster, sweep, tmp_path):
        process = sweep()
        wait_for_checkpoint(process, tmp_path)
        process.terminate()
        stopped = finish(process, 3)
        assert stopped["state"] == "stopped"
        assert 0 < stopped["spent"] < 16_000
        wait_for_an_empty_queue(cluster)  # the job has said its last word, and is ending
        run = finish(sweep(), 0)
        assert (run["state"], run["resumed"], run["lost"]) == ("finished", 1, 0)

    def test_what_slurm_refuses_is_a_users_error_in_its_own_words(self, sweep):
        process = sweep("--with", "partition=nowhere")
        out, err = process.communicate(timeout=120)
        assert process.returncode == 2
        assert out == ""
        assert "invalid partition specified: nowhere" in err
        assert "Traceback" not in err


class _Sbatch:
    """Takes every job but those of these numbers."""

    def __init__(self, refused: set[int]) -> None:
        self._refused, self._asked = refused, 0

    def submit(self, *_: object) -> SimpleNamespace:
        self._asked += 1
        if self._asked in self._refused:
            raise subprocess.CalledProcessError(1, ["sbatch"], stderr="Socket timed out")
        result = SimpleNamespace(exists=lambda: True)
        return SimpleNamespace(
            job_id="7",
            paths=SimpleNamespace(result_pickle=result, stderr="log"),
            result=lambda: Outcome(Ended.FINISHED),
        )


@pytest.mark.parametrize("idle", [True, False])
def test_a_refusal_that_passes_is_waited_out_and_one_that_stays_is_told(
    tmp_path: Path, idle: bool
) -> None:
    first, last = 2, 1 + PATIENCE
    refused = set(range(first, last + 1)) | set(range(last + 2, 100))
    pool = SlurmPool(_Sbatch(refused), 1, 1)  # type: ignore[arg-type]
    task = TrainVictim("any", SavedHome("any", "digits", tmp_path))
    job = pool.start(task)
    assert job.outcome() == Outcome(Ended.FINISHED)
    for _ in range(PATIENCE):
        with pytest.raises(Full, match="Slurm refused a job"):
            pool.start(task)
    job = pool.start(task)
    if idle:
        job.outcome()
    for _ in range(PATIENCE):
        with pytest.raises(Full):
            pool.start(task)
    with pytest.raises(ConfigError if idle else Full, match="Slurm refused a job"):
        pool.start(task)


def test_without_slurm_it_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="needs Slurm's sbatch") as caught:
        Slurm().open(Terms(tmp_path)).__enter__()
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(("threads", "cpus", "expected"), [(1, 8, 1), (None, 8, 8), (2, None, 2)])
def test_a_run_takes_the_threads_asked_for_and_else_the_jobs_cores(
    tmp_path, monkeypatch, threads, cpus, expected
):
    handed: list[int] = []

    class Executor:
        def submit(self, job: object, task: object, threads: int) -> object:
            handed.append(threads)
            return object()

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(Slurm, "_executor", lambda *_: Executor())
    pool = Slurm(cpus=cpus).open(Terms(tmp_path, threads=threads)).__enter__()
    pool.start(TrainVictim("any", SavedHome("any", "digits", tmp_path)))
    assert handed == [expected]


def test_settings_become_sbatchs_options():
    settings = Slurm(
        partition="gpu", minutes=30, gpus=1, memory_gb=1.5, sbatch={"reservation": "ours"}
    )
    assert settings._options(cpus=4) == {
        "job_name": "copycost", "partition": "gpu", "time": 30, "gpus_per_node": 1,
        "cpus_per_task": 4, "srun_args": ["--cpus-per-task=4"], "mem": "1536MB",
        "signal_delay_s": 90,
        "additional_parameters": {"reservation": "ours"},
    }  # fmt: skip
