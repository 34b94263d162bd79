"""Checkpoints without pickles: tensors in a safetensors file, the rest as JSON in its header.

A checkpoint is one file, replaced atomically, so that a crash leaves the old or the new one. A
checksum reveals damage by a disk or a copy: a single wrong weight would show in no other way.
"""

from __future__ import annotations

import json
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from copycost.errors import RunError
from copycost.files import write_atomically

VERSION = "2"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state`: nested dicts, lists and tuples of tensors, numbers, strings and None."""
    _write(path, *_copied(state))


class Saver:
    """Writes checkpoints in a thread; the run only waits for a copy, in a tenth of the time."""

    def __init__(self) -> None:
        """Writing is done in a thread, which ends with the program."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None

    def put(self, path: Path, state: dict[str, Any]) -> None:
        """Copy `state` now and write it in the thread, once the previous checkpoint is written.

        Raises what went wrong with the previous one, such as a full disk.
        """
        self.wait()
        self._writing = self._thread.submit(_write, path, *_copied(state))

    def wait(self) -> None:
        """Wait until all that was put is on the disk; raises what went wrong."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint back, on the CPU; None if there is none.

    Raises `RunError` if the file is damaged or of another version.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _damaged(path, str(error)) from None
    if metadata.get("version") != VERSION:
        raise RunError(
            f"The checkpoint {path} has version {metadata.get('version')!r}; this copycost reads "
            f"version {VERSION}. Finish the run with the release that began it."
        )
    try:
        structure = metadata["structure"]
        if metadata["checksum"] != _checksum(tensors, structure):
            raise ValueError("its checksum is not what was written")
        state: dict[str, Any] = _rebuild(json.loads(structure), tensors)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, repr(error)) from None
    return state


def _damaged(path: Path, how: str) -> RunError:
    return RunError(
        f"The checkpoint {path} is damaged: {how}. Put back a copy of its folder if there is one, "
        "or begin the run again in another folder."
    )


def _copied(state: dict[str, Any]) -> tuple[dict[str, Tensor], str]:
    """Copies of the tensors of `state`, on the host, and JSON for the rest."""
    tensors: dict[str, Tensor] = {}
    return tensors, json.dumps(_flatten(state, "", tensors))


def _write(path: Path, tensors: dict[str, Tensor], structure: str) -> None:
    checksum = _checksum(tensors, structure)
    metadata = {"version": VERSION, "structure": structure, "checksum": checksum}
    write_atomically(path, safetensors.torch.save(tensors, metadata))


def _checksum(tensors: dict[str, Tensor], structure: str) -> str:
    """CRC-32 of all that a checkpoint holds."""
    crc = zlib.crc32(structure.encode())
    for name in sorted(tensors):
        values = tensors[name].reshape(-1).view(torch.uint8)
        crc = zlib.crc32(values.numpy().data, zlib.crc32(name.encode(), crc))
    return f"{crc:08x}"


def _flatten(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """JSON for `value`; its tensors are put into `tensors`, named by their path in it."""
    if isinstance(value, Tensor):
        while name in tensors:  # of {"a/b": …, "a": {"b": …}}, or of the keys 1 and "1"
            name += "'"
        # A copy, because safetensors refuses tensors that share memory.
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        # Keys keep their type: an optimiser counts its weights with integers.
        if any(not isinstance(key, str | int) for key in value):
            raise TypeError(f"cannot save all keys of the dict at {name}: use strings or integers")
        items = [[key, _flatten(v, f"{name}/{key}", tensors)] for key, v in value.items()]
        return {"dict": items}
    if isinstance(value, list | tuple):
        items = [_flatten(v, f"{name}/{i}", tensors) for i, v in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": items}
    if value is None or isinstance(value, bool | int | float | str):
        return {"value": value}
    raise TypeError(f"cannot save {type(value).__name__} at {name}")


def _rebuild(node: dict[str, Any], tensors: dict[str, Tensor]) -> Any:
    ((kind, content),) = node.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _rebuild(v, tensors) for key, v in content}
    if kind == "value":
        return content
    items = [_rebuild(v, tensors) for v in content]
    return tuple(items) if kind == "tuple" else items
