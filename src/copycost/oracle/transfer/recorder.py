"""Records queries during a run in a thread of its own, so that the run hardly waits.

The run hands each batch over and goes on; a bounded queue makes it wait only if the disk keeps
falling behind. An error in the thread is raised in the run, at its next call.
"""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from copycost.errors import RunError
from copycost.levels import quantise
from copycost.oracle.transfer.frames import Encoding, Layout
from copycost.oracle.transfer.segments import SEGMENT_BYTES, Appender
from copycost.types import Answer

WAITING = 16
"""Batches that may wait for the disk; this bounds the memory they take."""


class _Batch(NamedTuple):
    """One call of the oracle on its way to the disk: tensors on the host."""

    first: int
    inputs: Tensor
    labels: Tensor
    scores: Tensor | None
    arrived: torch.cuda.Event | None
    """What to wait for until the copies into the tensors are complete; None if they are."""


class Recorder:
    """Writes every input asked and what was released for it. One writer for each folder."""

    def __init__(self, folder: Path, layout: Layout, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Begin or continue the transfer set in `folder`.

        Raises `RunError` if a set of another layout is there, or it cannot be continued.
        """
        self.layout, self.folder = layout, folder
        try:
            self._segments = Appender(folder, layout, segment_bytes)
        except OSError as error:
            raise RunError(f"Queries cannot be recorded in {folder}: {error}.") from None
        self._error: Exception | None = None
        self._queue: queue.Queue[_Batch | threading.Event | None] = queue.Queue(WAITING)
        self._scratch: Tensor | None = None
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    @property
    def recorded(self) -> int:
        """Queries written to disk; some may still be in its cache."""
        return self._segments.recorded

    @property
    def torn_bytes(self) -> int:
        """Bytes cut off on opening: what a crash left of an incomplete frame."""
        return self._segments.torn_bytes

    def put(self, first: int, x: Tensor, answer: Answer) -> None:
        """Hand over inputs [n, *shape] and their answer; `first` queries were charged before.

        The tensors are copied, so the caller may change them afterwards. Raises `RunError` if the
        thread could not write.
        """
        self._complain()
        inputs, labels = _to_host(self._encoded(x)), _to_host(answer.labels.to(torch.int32))
        scores = None if answer.scores is None else _to_host(answer.scores.float())
        self._queue.put(_Batch(first, inputs, labels, scores, _arrival(x.device)))

    def flush(self) -> None:
        """Wait until every batch is on the disk; `RunError` if one could not be written."""
        done = threading.Event()
        self._queue.put(done)
        done.wait()
        self._complain()

    def close(self) -> None:
        """Flush, end the thread and close the file; `RunError` if something was not written."""
        if not self._thread.is_alive():
            return
        try:
            self.flush()
        finally:
            self._queue.put(None)
            self._thread.join()
            self._segments.close()

    def __enter__(self) -> Self:
        """The recorder itself; it is closed at the end of the block."""
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Close; a fault of the disk must not hide the error that is already on its way."""
        try:
            self.close()
        except RunError:
            if error is None:
                raise

    def _complain(self) -> None:
        if self._error is not None:
            raise RunError(
                f"Queries could not be recorded in {self.folder}: {self._error}. "
                f"Recorded so far: {self.recorded:,}; the account is settled. Mend the cause, "
                "and run again to go on."
            ) from self._error

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            try:
                # After a fault the rest is taken and dropped, so that nobody waits for ever.
                if self._error is None:
                    self._do(job)
            except Exception as error:
                self._error = error
            finally:
                if isinstance(job, threading.Event):
                    job.set()

    def _do(self, job: _Batch | threading.Event) -> None:
        if isinstance(job, threading.Event):
            self._segments.sync()
            return
        if job.arrived is not None:
            job.arrived.synchronize()
        kept = [job.inputs, job.labels, *([] if job.scores is None else [job.scores])]
        payload = [_bytes_of(t) for t in kept if t.numel()]
        self._segments.append(job.first, len(job.inputs), payload)

    def _encoded(self, x: Tensor) -> Tensor:
        """Inputs in their stored type, on their device; the memory may be the caller's."""
        if self.layout.encoding is Encoding.BYTES:
            return self._quantised(x)
        tokens = self.layout.spec.vocabulary is not None
        return x.detach().to(torch.int32 if tokens else torch.float32)

    def _quantised(self, x: Tensor) -> Tensor:
        """The nearest of the range's 256 levels, [n, *shape], uint8."""
        if self._scratch is None or self._scratch.shape != x.shape:
            self._scratch = torch.empty(x.shape, device=x.device)
        return quantise(x.detach(), self.layout.spec, self._scratch)


def _bytes_of(t: Tensor) -> memoryview:
    """The memory of a contiguous tensor on the host."""
    array: Any = t.numpy()
    return memoryview(array).cast("B")


def _to_host(t: Tensor) -> Tensor:
    """A copy of `t` on the host, contiguous; from CUDA into pinned memory, without waiting."""
    if t.device.type == "cpu":
        return t.contiguous().clone()
    pinned = torch.empty(t.shape, dtype=t.dtype, pin_memory=t.device.type == "cuda")
    return pinned.copy_(t, non_blocking=True)


def _arrival(device: torch.device) -> torch.cuda.Event | None:
    """A CUDA event after the copies just begun; waiting for it lets the processor sleep."""
    if device.type != "cuda":
        return None
    event: torch.cuda.Event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
    event.record(torch.cuda.current_stream(device))
    return event
