"""Prepares a victim for many queries: the same answers, faster.

As in a serving stack, batch norms are folded into the convolutions before them and weights are
laid out channels last. This is done to a copy: the owner's module is not touched.
"""

from __future__ import annotations

import copy
import io
import pickle
import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node, symbolic_trace
from torch.nn.utils.fusion import fuse_conv_bn_eval

from copycost.engine import Engine, arranged
from copycost.hashes import hash_of
from copycost.parts import in_parts
from copycost.types import InputSpec
from copycost.victims.base import Victim
from copycost.victims.module import ModuleVictim

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)

TRIED = 8
"""Random inputs on which a faster copy must answer as the module itself does."""
TOLERANCE = 1e-3
"""Largest relative difference in scores allowed for rounding; folding makes about 1e-6."""


def quickened(victim: Victim, engine: Engine) -> Victim:
    """A faster version of `victim` where that is possible, else `victim` itself."""
    if type(victim) is not ModuleVictim or victim.spec.vocabulary is not None:
        return victim
    try:
        plain = copy.deepcopy(victim.module).eval()
    except Exception:  # the module's own code: parametrised weights or locks cannot be copied
        return victim
    quick = None if _watched(plain) else _quick(plain, victim.spec, victim.device)
    if quick is None:
        return victim
    return ModuleVictim(
        in_parts(engine.compiled(quick), victim.device),
        victim.spec,
        victim.classes,
        victim.output,
        name=victim.name,
        device=victim.device,
    )


@torch.no_grad()
def _quick(plain: nn.Module, spec: InputSpec, device: torch.device) -> nn.Module | None:
    """The fastest of some copies of `plain` that answers random inputs as it does.

    None for a module that keeps state between calls or draws random numbers: no copy can stand
    in for it. A module that raises is returned as it is, to raise when it is queried.
    """
    chance = torch.Generator(device).manual_seed(0)
    share = torch.rand((TRIED, *spec.shape), generator=chance, device=device)
    x = spec.low + spec.span * share
    before = _memory(plain, device)
    try:
        wanted = plain(x.clone())  # a copy for each call: some normalise in place
    except Exception:  # the module's own code, which may raise anything
        return plain
    if _memory(plain, device) != before:
        return None
    for ways in ((_folded, arranged), (_folded,), (arranged,)):
        try:
            quick = copy.deepcopy(plain)
            for way in ways:
                quick = way(quick)
            if _close(quick(x.clone()), wanted) and _close(plain(x.clone()), wanted):
                return quick
        except Exception:  # it cannot be traced, or it flattens by `view`, which needs a layout
            continue
    return plain


def _watched(module: nn.Module) -> bool:
    """Whether a part of the module has forward hooks, which would not see a copy's calls."""
    return any(part._forward_pre_hooks or part._forward_hooks for part in module.modules())


def _memory(module: nn.Module, device: torch.device) -> list[object]:
    """The state of a module's parts other than weights, and that of the random generators."""
    kept: list[object] = [
        (name, key, _bytes(value))
        for name, part in module.named_modules()
        for key, value in vars(part).items()
        if key not in ("_parameters", "_modules")
    ]
    states = [random.getstate(), np.random.get_state(), torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return kept + [_bytes(state) for state in states]


class _Bytes(pickle.Pickler):
    """Pickles tensors by value: by default their storages get names, which change every time."""

    def persistent_id(self, value: object) -> object:
        """A hash for a tensor or generator; None leaves `value` to pickle."""
        if isinstance(value, torch.Generator):
            value = value.get_state()
        return hash_of(value) if isinstance(value, Tensor) else None


def _bytes(value: object) -> bytes:
    """`value` as bytes; empty if it cannot be pickled, as a lambda cannot."""
    written = io.BytesIO()
    try:
        _Bytes(written).dump(value)
    except Exception:  # classes of the module's own may raise anything
        return b""
    return written.getvalue()


def _folded(module: nn.Module) -> nn.Module:
    """`module` with its norms folded, part by part if it cannot be traced as a whole."""
    if not any(isinstance(part, _NORMS) for part in module.modules()):
        return module  # nothing to fold, and a trace drops the side effects of its code
    try:
        return fold_norms(module)
    except Exception:  # a trace runs the module's own code, which may raise anything
        for name, child in module.named_children():
            setattr(module, name, _folded(child))
        return module


def fold_norms(module: nn.Module) -> GraphModule:
    """`module`, in evaluation mode, with each batch norm that follows a convolution folded in.

    Raises whatever `torch.fx` raises for a module that it cannot trace.
    """
    traced = symbolic_trace(module)
    calls = [node for node in traced.graph.nodes if node.op == "call_module"]
    targets = [node.target for node in calls]
    for norm in calls:
        before = norm.args[0]
        if _foldable(traced, before, norm) and targets.count(before.target) == 1:
            _fold(traced, before, norm)
    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced


def _foldable(traced: GraphModule, convolution: object, norm: Node) -> bool:
    return (
        isinstance(convolution, Node)
        and convolution.op == "call_module"
        and len(convolution.users) == 1
        and isinstance(traced.get_submodule(str(convolution.target)), _CONVOLUTIONS)
        and isinstance(traced.get_submodule(str(norm.target)), _NORMS)
    )


def _fold(traced: GraphModule, convolution: Node, norm: Node) -> None:
    place = str(convolution.target)
    before: Any = traced.get_submodule(place)
    after: Any = traced.get_submodule(str(norm.target))
    folded = fuse_conv_bn_eval(before, after)
    traced.set_submodule(place, folded)
    norm.replace_all_uses_with(convolution)
    traced.graph.erase_node(norm)


def _close(found: Tensor, wanted: Tensor) -> bool:
    scale = float(wanted.float().abs().max())
    return float((found - wanted).float().abs().max()) <= TOLERANCE * max(scale, 1e-6)
