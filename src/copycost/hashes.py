"""Hashes that identify a configuration, or the data a run or a training began with."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def text_hash(text: str) -> str:
    """sha256 of `text` in UTF-8, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def hash_of(*tensors: Tensor) -> str:
    """sha256 over the types, shapes and values of `tensors`, in their order."""
    total = hashlib.sha256()
    for tensor in tensors:
        total.update(f"{tensor.dtype} {list(tensor.shape)}".encode())
        flat = tensor.detach().cpu().reshape(-1)
        total.update(flat.view(torch.uint8).numpy().data)  # NumPy has no bfloat16
    return total.hexdigest()
