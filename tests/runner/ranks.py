"""Several processes that work on one run, started as `torchrun` starts them but sooner."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partialmethod
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.strategies.ddp import DDPStrategy

from copycost.errors import CopycostError, Interrupted
from copycost.runner.auditor import Auditor
from copycost.runner.copy_model import copy_model
from copycost.runner.held_out import HeldOutAnswers
from copycost.runner.stopping import SIGNALS, Stop
from copycost.runner.target import Target
from copycost.runner.watchers import Silent
from tests.runner.conftest import tiny_config, tiny_target

PATIENCE = 120


class StopAt(Silent):
    """Sends SIGTERM to its own process after so many queries of all ranks."""

    def __init__(self, spent: int | None) -> None:
        self.at = spent

    def step(self, spent: int) -> None:
        if self.at is not None and spent >= self.at:
            os.kill(os.getpid(), signal.SIGTERM)
            self.at = None


def take_longer_than_the_group_waits(seconds: float) -> None:
    """In this process: collectives give up after `seconds`, and the auditor takes longer."""
    impatient = partialmethod(DDPStrategy.__init__, timeout=timedelta(seconds=seconds))
    DDPStrategy.__init__ = impatient  # type: ignore[method-assign, assignment]
    for kind, name in ((HeldOutAnswers, "_ask_all"), (Auditor, "evaluate"), (Auditor, "close")):
        setattr(kind, name, late(getattr(kind, name), 1.5 * seconds))


def late(method: Callable[..., Any], seconds: float) -> Callable[..., Any]:
    """`method`, so many seconds later the first time."""
    left = [seconds]

    def wait_and_do(*arguments: Any) -> Any:
        time.sleep(left.pop() if left else 0)
        return method(*arguments)

    return wait_and_do


def work(
    rank: int,
    count: int,
    port: int,
    folder: Path,
    config: dict[str, Any],
    stop_at: int | None,
    patience: float | None,
    target: Callable[[], Target],
) -> None:
    """What one rank does; it leaves its outcome in a file beside the run."""
    torch.set_num_threads(1)
    # A sweep in this process may have started the fork server, whose deafness is inherited.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "GROUP_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "test",
    }
    if patience is not None:
        take_longer_than_the_group_waits(patience)
    stop = Stop()
    watcher = StopAt(stop_at)  # rank 0 alone has a watcher that is called
    if stop_at == rank == 0:
        stop.ask("SIGTERM")
    try:
        with stop.on_signals():
            record = copy_model(tiny_config(**config), target(), folder, stop=stop, watcher=watcher)
        outcome = record.ended
    except Interrupted:
        outcome = "Interrupted"
    except CopycostError as error:
        outcome = f"{type(error).__name__}: {error}"
    outcome_file(folder, rank).write_text(outcome)
    os._exit(0)  # without waiting for the others, who may have failed


def outcome_file(folder: Path, rank: int) -> Path:
    return folder.with_name(f"{folder.name}-outcome{rank}")


def run_ranks(
    count: int,
    folder: Path,
    config: dict[str, Any],
    stop_at: int | None = None,
    patience: float | None = None,
    target: Callable[[], Target] = tiny_target,
) -> list[str]:
    """Run `config` in `folder` with `count` ranks; how it ended for each.

    `stop_at` 0 is before the auditor asks. `patience`: seconds after which collectives give up,
    for an auditor that takes longer. `target` is called by each rank.
    """
    for rank in range(count):
        outcome_file(folder, rank).unlink(missing_ok=True)
    # A fork server that has imported PyTorch: a fresh process costs 0.1 s instead of 5.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "torch._dynamo", "tests.runner.ranks"])
    port = free_port()
    start: Callable[[int], BaseProcess] = lambda rank: context.Process(  # noqa: E731
        target=work, args=(rank, count, port, folder, config, stop_at, patience, target)
    )
    processes = [start(rank) for rank in range(count)]
    for process in processes:
        process.start()
    deadline = time.monotonic() + PATIENCE
    for process in processes:
        process.join(max(0.1, deadline - time.monotonic()))
    hanging = [process for process in processes if process.is_alive()]
    for process in hanging:
        process.kill()
    assert not hanging, "a rank waited for ever"
    return [outcome_file(folder, rank).read_text() for rank in range(count)]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port
