"""Peak memory over a stretch of time."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import torch

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_RESET_PEAK = "5"
"""Written to `clear_refs`, it makes Linux reset the peak resident memory to the current value."""


class PeakMemory:
    """Peak memory since `start`: on CUDA that of one device, elsewhere the whole process's."""

    def __init__(self, device: torch.device, *, graphs: bool = False) -> None:
        """`device` computes. CUDA `graphs` keep memory outside tensors: reserved memory counts."""
        self._device, self._graphs = device, graphs
        self._resets = device.type == "cuda" or _reset_resident()

    @property
    def method(self) -> str:
        """What is measured, in words."""
        if self._graphs:
            return "memory kept for graphs and tensors (max_memory_reserved), less the other loop's"
        if self._device.type == "cuda":
            return "tensors on the device (torch.cuda.max_memory_allocated), less the other loop's"
        if self._resets:
            return "resident memory of the process (VmHWM), PyTorch and the other loop included"
        return "resident memory of the process since it began (ru_maxrss)"

    def start(self) -> None:
        """Reset the peak, where the system allows it."""
        if self._graphs:
            torch.cuda.empty_cache()  # drop memory that the other loop has freed
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        elif self._resets:
            _reset_resident()

    def held(self) -> int:
        """Bytes of tensors on a CUDA device now; 0 elsewhere, where they cannot be told apart."""
        return torch.cuda.memory_allocated(self._device) if self._device.type == "cuda" else 0

    def peak(self) -> int:
        """The peak in bytes since `start`, or since the process began if it cannot be reset."""
        if self._graphs:
            return torch.cuda.max_memory_reserved(self._device)
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        if self._resets:
            return _resident_peak()
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _reset_resident() -> bool:
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def _resident_peak() -> int:
    lines = _STATUS.read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) * 1024
