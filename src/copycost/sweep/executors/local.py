"""Processes on this machine: a fresh one for each task, so that one task cannot hurt another."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from threading import Thread

import torch
from pydantic.dataclasses import dataclass

from copycost.runner.stopping import Stop
from copycost.settings import SETTINGS
from copycost.sweep.executors.base import Terms, cores, threads_asked
from copycost.sweep.work import Ended, Outcome, Task, perform

PRELOADED = ["__main__", "torch", "torch._dynamo", "copycost.sweep.work"]
"""Imported once, in the server that workers are forked from: seconds for each of them saved.
The first optimiser a process makes imports torch._dynamo."""
STOPPING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
"""What asks a sweep to stop; often a whole group of processes is sent it at once."""


@dataclass(frozen=True, config=SETTINGS)
class Local:
    """Processes on this machine. By default one for each GPU, else one for each core."""

    @property
    def here(self) -> bool:
        """Always."""
        return True

    @contextmanager
    def open(self, terms: Terms) -> Iterator[LocalPool]:
        """Start the fork server; at the end, workers under way stop cleanly.

        Ctrl-C, once they were told to, kills them: one may hang, as in a call of its victim.
        """
        gpus = visible_gpus() if terms.gpus else []
        threads = threads_asked(terms)
        workers = terms.workers or len(gpus) or max(1, cores() // (threads or 1))
        pool = LocalPool(workers, threads or max(1, cores() // workers), gpus)
        try:
            yield pool
        except KeyboardInterrupt:
            pool.kill(told=True)
            raise
        finally:
            pool.close()


class LocalPool:
    """At most `workers` processes at a time, each in a slot that owns a GPU."""

    def __init__(self, workers: int, threads: int, gpus: Sequence[str]) -> None:
        """`gpus` are given to the slots in turn."""
        self.workers: int | None = workers
        self.threads = threads
        self._gpus = [gpus[slot % len(gpus)] if gpus else None for slot in range(workers)]
        self._jobs: dict[int, LocalJob] = {}
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOADED)

    def start(self, task: Task) -> LocalJob:
        """Start a process in a free slot."""
        busy = {slot for slot, job in self._jobs.items() if not job.ended}
        slot = min(set(range(len(self._gpus))) - busy)
        job = self._jobs[slot] = LocalJob(self._context, task, self._gpus[slot], self.threads)
        return job

    def wait(self, seconds: float) -> None:
        """Until a worker says something or dies."""
        pipes = [job.pipe for job in self._jobs.values() if not job.ended]
        if pipes:
            wait(pipes, timeout=seconds)
        else:
            time.sleep(seconds)

    def close(self) -> None:
        """Hang up on the workers, which they take as being asked to stop."""
        for job in self._jobs.values():
            job.pipe.close()
        try:
            for job in self._jobs.values():
                job.join()
        except KeyboardInterrupt:
            self.kill()
            raise

    def kill(self, *, told: bool = False) -> None:
        """End all workers at once, or those alone that were `told` to stop and have not."""
        for job in self._jobs.values():
            if not job.ended and (job.told or not told):
                job.kill()


class LocalJob:
    """One process and the line to it: down it a reason to stop may come, up it the outcome."""

    def __init__(
        self, context: ForkServerContext, task: Task, gpu: str | None, threads: int
    ) -> None:
        """Start at once."""
        self.pipe, theirs = context.Pipe()
        self.ended = self.told = False
        self.process: ForkServerProcess = context.Process(
            target=work, args=(task, theirs, gpu, threads), name=task.name
        )
        _ensure_server()
        with suppress(EOFError, OSError):  # the server died of it: a worker that is lost
            self.process.start()
        theirs.close()  # or its end would never be noticed here

    def outcome(self) -> Outcome | None:
        """What the worker reported, or that it died without a report."""
        if not self.pipe.poll():
            return None
        try:
            found: Outcome = self.pipe.recv()
        except (EOFError, OSError):
            found = Outcome(Ended.LOST, self._last_words())
        self.join()
        self.pipe.close()
        self.ended = True
        return found

    def stop(self, reason: str) -> None:
        """Tell the worker why, once: a pipe that nobody reads is full in the end, and blocks."""
        if self.told:
            return
        self.told = True
        with suppress(OSError):  # it is gone
            self.pipe.send(reason)

    def join(self) -> None:
        """Wait for the end of the process, if there ever was one."""
        if self.process.pid is not None:
            self.process.join()

    def kill(self) -> None:
        """End the process without a goodbye."""
        if self.process.pid is not None:
            self.process.kill()

    def _last_words(self) -> str:
        self.join()
        if self.process.pid is None:
            return "the worker could not be started"
        code = self.process.exitcode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        return f"the worker {how}"


def _ensure_server() -> None:
    """See that the fork server runs, deaf from its first moment to what is the sweep's to hear.

    By itself it ignores SIGINT alone, once it has imported what it preloads: seconds in which a
    terminal's Ctrl-C would kill it, and the next worker's start with it.
    """
    resource_tracker.ensure_running()  # starting, it would unblock signals here
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def work(task: Task, pipe: Connection, gpu: str | None, threads: int) -> None:
    """The whole life of a worker."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu  # CUDA looks when it is first used: not yet
    stop = Stop()
    with stop.on_signals():
        # Ctrl-C in a terminal reaches all its processes; whether to stop is the sweep's to say.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)  # the server's mask is inherited
        Thread(target=_listen, args=(pipe, stop), daemon=True).start()
        outcome = perform(task, stop, threads)
        with suppress(OSError):  # nobody is left to hear it
            pipe.send(outcome)


def _listen(pipe: Connection, stop: Stop) -> None:
    """Pass on the first thing heard; silence on the line means that the sweep is dead."""
    try:
        stop.ask(pipe.recv())
    except (EOFError, OSError):
        stop.ask("end of the sweep")


def visible_gpus() -> list[str]:
    """The GPUs this process may use, as CUDA_VISIBLE_DEVICES names them; CUDA is not started."""
    count = torch.cuda.device_count()
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    return named[:count] if any(named) else [str(number) for number in range(count)]
