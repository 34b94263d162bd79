"""A CUDA device that is none, so that a machine without one finds what would fail on one.

Tensors "on" it lie in main memory, wrapped. As on a GPU, an operation on tensors of two devices
and random numbers from the other device's generator are errors; what makes the host wait for the
device is counted, by the line of the product that asked for it. It shows nothing of kernels,
memory, speed or a GPU's own rounding, and nothing can be compiled for it.

Run as a script, with the compiled `pretended.cpp` in place before PyTorch is loaded::

    python pretended.py LIBRARY SCRIPT ARGUMENTS...
"""

from __future__ import annotations

import ctypes
import runpy
import sys
import traceback
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

if __name__ == "__main__":
    ctypes.CDLL(sys.argv[1])

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

DEVICE = torch.device("cuda", 0)
PRODUCT = f"{Path('src') / 'copycost'}/"

waits: Counter[str] = Counter()
"""How often the host waited for the device: by the innermost line of the product."""

_aten = torch.ops.aten
_COPIES = (_aten._to_copy.default, _aten.copy_.default)
_MIXED = (*_COPIES, _aten.index.Tensor, _aten.index_put_.default)
"""Operations that take tensors of two devices."""
_READS = (_aten._local_scalar_dense.default, _aten.equal.default)
"""Operations that bring a value to the host."""


class Away(Tensor):
    """A tensor said to be on the device."""

    here: Tensor

    @staticmethod
    def __new__(cls, here: Tensor) -> Away:
        away = Tensor._make_wrapper_subclass(
            cls,
            here.shape,
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=DEVICE,
        )
        away.here = here
        return away

    __torch_function__: Any = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _carry_out(func, args, kwargs or {})


class Pretending(TorchDispatchMode):
    """Within the block, what is made on the device is an `Away`."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _carry_out(func, args, kwargs or {})


def _carry_out(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    values, spec = pytree.tree_flatten((args, kwargs))
    tensors = [value for value in values if isinstance(value, Tensor)]
    named = None if kwargs.get("device") is None else torch.device(kwargs["device"])
    there = named.type == "cuda" if named else any(isinstance(t, Away) for t in tensors)
    _check(func, tensors, values, there)
    if _waits(func, tensors, there, kwargs):
        waits[_line()] += 1
    inner = [value.here if isinstance(value, Away) else value for value in values]
    here_args, here_kwargs = pytree.tree_unflatten(inner, spec)
    if named and there:
        here_kwargs["device"] = torch.device("cpu")
    found = func(*here_args, **{**here_kwargs, **_unpinned(here_kwargs)})
    if (written := _written(func, args, kwargs)) is not None:
        return written
    return pytree.tree_map_only(Tensor, Away, found) if there else found


def _waits(func: Any, tensors: list[Tensor], there: bool, kwargs: dict[str, Any]) -> bool:
    """Whether the host waits: for a value, or for a copy from one to the other, if not put off."""
    away = sum(isinstance(t, Away) for t in tensors)
    if func in _COPIES:
        crosses = away < len(tensors) if there else away > 0
        return crosses and not kwargs.get("non_blocking", False)
    return away > 0 and func in _READS


def _check(func: Any, tensors: list[Tensor], values: list[Any], there: bool) -> None:
    kinds = {isinstance(t, Away) for t in tensors if t.dim() or isinstance(t, Away)}
    if len(kinds) > 1 and func not in _MIXED:
        raise RuntimeError(f"{func}: expected all tensors on one device, got cuda:0 and cpu")
    for random in (value for value in values if isinstance(value, torch.Generator)):
        if (random.device.type == "cuda") != there:
            raise RuntimeError(f"{func}: the generator is on {random.device}, the tensor is not")


def _unpinned(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {"pin_memory": False} if "pin_memory" in kwargs else {}


def _written(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """What an operation returns that writes into its arguments: those themselves."""
    schema, into = func._schema, dict[str, Any]()
    for place, argument in enumerate(schema.arguments):
        if argument.alias_info and argument.alias_info.is_write:
            given = args[place] if place < len(args) else kwargs[argument.name]
            into |= dict.fromkeys(argument.alias_info.before_set, given)
    found = [
        into[next(iter(returned.alias_info.before_set))]
        for returned in schema.returns
        if returned.alias_info and returned.alias_info.is_write
    ]
    return (found[0] if len(found) == 1 else tuple(found)) if found else None


def _line() -> str:
    lines = [f for f in traceback.extract_stack() if PRODUCT in f.filename]
    return f"{lines[-1].filename.split(PRODUCT)[1]}:{lines[-1].lineno}" if lines else "elsewhere"


class _Random(torch.Generator):
    """A generator of the host's numbers that says it is on the device it was made for."""

    said: torch.device

    def __new__(cls, device: torch.device | str = "cpu") -> _Random:
        made = super().__new__(cls, "cpu")  # type: ignore[call-arg]
        made.said = DEVICE if torch.device(device).type == "cuda" else torch.device("cpu")
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return self.said


class _Event:
    """Of a stream on which all is done at once."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def record(self, *_: Any) -> None: ...

    def synchronize(self) -> None:
        waits[_line()] += 1


def pretend() -> None:
    """Make PyTorch and Fabric believe, for good, that this process has one such device."""
    import lightning_fabric.accelerators.cuda as fabric

    cuda: Any = torch.cuda
    cuda._lazy_init = lambda: None
    cuda.is_available = cuda.is_initialized = cuda.is_bf16_supported = lambda *_, **__: True
    fabric.num_cuda_devices = cuda.device_count = lambda: 1
    fabric.is_cuda_available = lambda: True
    cuda.current_device = lambda: 0
    cuda.get_device_capability = lambda *_: (9, 0)
    cuda.get_device_name = lambda *_: "pretended"
    cuda.set_device = cuda.empty_cache = cuda.reset_peak_memory_stats = lambda *_: None
    cuda.memory_allocated = cuda.max_memory_allocated = lambda *_: 0
    cuda.synchronize = lambda *_: waits.update([_line()])
    cuda.current_stream = lambda *_: SimpleNamespace(synchronize=lambda: None)
    cuda.stream, cuda.Event = nullcontext, _Event
    cuda.amp.common.amp_definitely_not_available = lambda: False
    _pretend_beside_cuda()


def _pretend_beside_cuda() -> None:
    """Parts of PyTorch that pass over `Away`, and have to be led to it."""
    given: Any = torch
    # A wrapped tensor cannot be one of inference mode's, and takes a parameter's place whole.
    given.inference_mode = torch.no_grad
    torch.__future__.set_swap_module_params_on_conversion(True)
    given.Generator = _Random
    made, listed = torch.tensor, Tensor.tolist

    def tensor(data: Any, *, device: Any = None, **kwargs: Any) -> Tensor:
        return made(data, **kwargs).to(device or "cpu")

    def tolist(self: Tensor) -> Any:
        return listed(self.cpu())

    given.tensor, given.Tensor.tolist = tensor, tolist


if __name__ == "__main__":
    sys.argv = sys.argv[2:]
    sys.modules["pretended"] = sys.modules["__main__"]
    pretend()
    with Pretending():
        runpy.run_path(sys.argv[0], run_name="__main__")
