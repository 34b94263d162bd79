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

from copycost.devices import cores
from copycost.runner.stopping import SIGNALS, Stop
from copycost.settings import SETTINGS
from copycost.sweep.executors.base import Terms, threads_asked
from copycost.sweep.work import Ended, Outcome, Task, perform

PRELOADED = ["__main__", "torch", "torch._dynamo", "copycost.sweep.work"]
"""Modules imported once, in the server that workers are forked from, which saves each worker
seconds. torch._dynamo is among them because a process's first optimiser imports it."""


@dataclass(frozen=True, config=SETTINGS)
class Local:
    """Processes on this machine. By default one for each GPU, else one for each core."""

    @property
    def here(self) -> bool:
        """Always."""
        return True

    @contextmanager
    def open(self, terms: Terms) -> Iterator[LocalPool]:
        """Open the pool; at the end of the block, workers under way stop cleanly.

        Ctrl-C kills workers that were already told to stop, as one may hang in a victim's call.
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
        """Wait until a worker reports or dies, or `seconds` have passed."""
        pipes = [job.pipe for job in self._jobs.values() if not job.ended]
        if pipes:
            wait(pipes, timeout=seconds)
        else:
            time.sleep(seconds)

    def close(self) -> None:
        """Close the pipes to the workers, which asks them to stop, and wait for them."""
        for job in self._jobs.values():
            job.pipe.close()
        try:
            for job in self._jobs.values():
                job.join()
        except KeyboardInterrupt:
            self.kill()
            raise

    def kill(self, *, told: bool = False) -> None:
        """Kill all workers, or with `told` only those that were told to stop and have not."""
        for job in self._jobs.values():
            if not job.ended and (job.told or not told):
                job.kill()


class LocalJob:
    """One process and the pipe to it, which carries a reason to stop one way, the outcome back."""

    def __init__(
        self, context: ForkServerContext, task: Task, gpu: str | None, threads: int
    ) -> None:
        """Start the process at once."""
        self.pipe, theirs = context.Pipe()
        self.ended = self.told = False
        self.process: ForkServerProcess = context.Process(
            target=work, args=(task, theirs, gpu, threads), name=task.name
        )
        _ensure_server()
        with suppress(EOFError, OSError):  # the server died: the worker counts as lost
            self.process.start()
        theirs.close()  # else this side would never notice that the worker has ended

    def outcome(self) -> Outcome | None:
        """The outcome that the worker reported, or `LOST` if it died; None while it runs."""
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
        """Send the worker the reason, once: a pipe that nobody reads fills up and blocks."""
        if self.told:
            return
        self.told = True
        with suppress(OSError):  # the worker is gone
            self.pipe.send(reason)

    def join(self) -> None:
        """Wait for the process to end, if it ever started."""
        if self.process.pid is not None:
            self.process.join()

    def kill(self) -> None:
        """Kill the process, if it ever started."""
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
    """Start the fork server, if it does not run, with the signals in `SIGNALS` blocked.

    Left alone it ignores only SIGINT, and only after its imports: for seconds a terminal's
    Ctrl-C would kill it, and the next worker could not start.
    """
    resource_tracker.ensure_running()  # if started later, it would unblock signals here
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def work(task: Task, pipe: Connection, gpu: str | None, threads: int) -> None:
    """The main function of a worker process."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu  # CUDA has not been used yet, so it counts
    stop = Stop()
    with stop.on_signals():
        # Ctrl-C in a terminal reaches all its processes, but the sweep decides whether to stop.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # blocked by the server
        Thread(target=_listen, args=(pipe, stop), daemon=True).start()
        outcome = perform(task, stop, threads)
        with suppress(OSError):  # the sweep is gone
            pipe.send(outcome)


def _listen(pipe: Connection, stop: Stop) -> None:
    """Ask to stop for the reason that the pipe sends; a closed pipe means that the sweep ended."""
    try:
        stop.ask(pipe.recv())
    except (EOFError, OSError):
        stop.ask("end of the sweep")


def visible_gpus() -> list[str]:
    """The GPUs this process may use, named as in CUDA_VISIBLE_DEVICES, without starting CUDA."""
    count = torch.cuda.device_count()
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    return named[:count] if any(named) else [str(number) for number in range(count)]
