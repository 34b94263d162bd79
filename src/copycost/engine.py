"""Devices and arithmetic, by Lightning Fabric: the only module that imports it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.plugins.precision import MixedPrecision
from lightning_fabric.plugins.precision import Precision as FabricPrecision
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn

from copycost.arithmetic import (
    Precision,
    Step,
    computed_in,
    computing,
    default_step,
    described,
)
from copycost.compiling import Compile, Compiled
from copycost.convolutions import fewer_products
from copycost.devices import Devices, check_modes, usable
from copycost.errors import ConfigError
from copycost.noise import Noise
from copycost.parts import in_parts
from copycost.ranks import Ranks, launched
from copycost.switches import full_precision
from copycost.synced_norm import synchronised

MOST_THREADS = 1024
"""OpenMP dies of many more, and takes the process with it."""


class Engine:
    """One device and its arithmetic. Float32 means float32: TF32 is on only where asked for."""

    def __init__(
        self,
        device: str = "auto",
        precision: Precision | str = Precision.FLOAT32,
        compile: Compile | str = Compile.OFF,
        *,
        estimate: Precision | str | None = None,
        victim: Precision | str | None = None,
    ) -> None:
        """`device` is auto (CUDA where there is any), cpu, cuda or cuda:N.

        `precision` is that of training. `estimate` insists on one for the student at the points
        of a finite difference, `victim` on one for a victim in this process; None chooses what
        is safe: see `estimate_precision` and `victim_precision`.

        Under `torchrun` this process is one of several ranks, which share every batch. Raises
        `ConfigError` for a device that is not there, or that cannot do what is asked, and where
        PyTorch computes in other types by default or without gradients.
        """
        check_modes()
        self.precision, self.compile = Precision(precision), Compile(compile)
        self._estimate = Precision(estimate) if estimate else None
        self._victim = Precision(victim) if victim else None
        accelerator, devices = usable(
            device, {self.precision, self._estimate, self._victim}, self.compile
        )
        self.fabric, self.ranks = _join(
            device, accelerator, devices, _fabric_precision(self.precision, accelerator)
        )
        self.batch_size: int | None = None
        """Images of a whole step, where known: networks are compiled for batches of its kind."""
        full_precision()
        # Batches come in few sizes, so cuDNN's search for its fastest kernels costs little.
        torch.backends.cudnn.benchmark = True

    @property
    def device(self) -> torch.device:
        """Where tensors live."""
        device: torch.device = self.fabric.device
        return device

    def setup(
        self, module: nn.Module, optimizer: torch.optim.Optimizer
    ) -> tuple[nn.Module, torch.optim.Optimizer]:
        """Move both to the device and wrap them for the chosen arithmetic.

        Weights of convolutions are laid out channels last, and with several ranks batch norms
        take the statistics of the whole batch. On a CPU, in full precision, a generator convolves
        by fewer products (`copycost.convolutions`); lower precisions would round other values.
        """
        if self.device.type == "cpu" and self.precision is Precision.FLOAT32:
            module = fewer_products(module)
        module = arranged(module)
        if self.ranks.several:
            module = synchronised(module, self.device)
        wrapped: Any = self.fabric.setup(self.compiled(module), optimizer)
        return wrapped[0], wrapped[1]

    def compiled(self, module: nn.Module) -> nn.Module:
        """`module`, compiled if this engine compiles; weights are shared with it."""
        if self.compile is Compile.OFF:
            return module
        return Compiled(module, self.compile, self.batch_size)

    def backward(self, loss: Tensor, gradient: Tensor | None = None) -> None:
        """Backpropagate from `loss`, with `gradient` of its shape if it is not a scalar."""
        self.fabric.backward(loss, gradient=gradient)

    def random(self, seed: int) -> Noise:
        """Random numbers on the device; `seed` is the same on all ranks."""
        return Noise(seed, self.device, self.ranks)

    def step(self, epsilon: float | None, dimensions: int) -> Step:
        """A finite difference's step over d `dimensions`; None is the arithmetic's default."""
        if epsilon is not None:
            return Step(epsilon, dimensions)
        points = self._estimate or self.precision
        return default_step(dimensions, points, self._victim or points)

    def estimate_precision(self, step: Step) -> Precision:
        """Of the student at a finite difference's points: training's, if the step survives it.

        Else float32, unless the engine was told to use another one all the same.
        """
        safe = self.precision if step.survives(self.precision) else Precision.FLOAT32
        return self._estimate or safe

    def victim_precision(self, step: Step | None) -> Precision:
        """Of a victim in this process: the student's at the same points, unless told otherwise."""
        points = self.precision if step is None else self.estimate_precision(step)
        return self._victim or points

    @contextmanager
    def estimating(
        self, wrapped: nn.Module, step: Step, *, training: bool = False
    ) -> Iterator[Callable[[Tensor], Tensor]]:
        """The network in evaluation or `training` mode, in `estimate_precision`'s arithmetic."""
        chosen = self.estimate_precision(step)
        was_training = wrapped.training
        wrapped.train(training)
        own = chosen is self.precision
        network = wrapped if own else _unwrap(wrapped)
        if not training:
            network = in_parts(network, self.device)
        try:
            yield network if own else computed_in(chosen, self.device, network)
        finally:
            wrapped.train(was_training)

    def as_trained(self, wrapped: nn.Module) -> Callable[[Tensor], Tensor]:
        """The network in evaluation mode, in the arithmetic of training.

        It is past the wrapper that gathers gradients.
        """
        network = in_parts(_unwrap(wrapped), self.device)
        return computed_in(self.precision, self.device, network)

    def like_victim(
        self, stand_in: Callable[[Tensor], Tensor], step: Step
    ) -> Callable[[Tensor], Tensor]:
        """`stand_in` in the arithmetic in which a victim in this process answers."""
        return computed_in(self.victim_precision(step), self.device, stand_in)

    def arithmetic(self, step: Step | None = None) -> dict[str, str]:
        """What was used, for the record; `step` None if nothing was estimated.

        The victim's is for victims in this process; of others nothing is known.
        """
        victim = self.victim_precision(step)
        used = {"training": self.precision, "victim": victim}
        if step is not None:
            used["estimate"] = self.estimate_precision(step)
        written = {role: described(precision, self.device) for role, precision in used.items()}
        if step is not None:
            written["epsilon"] = f"{step.epsilon:g}"
        if self.compile is not Compile.OFF:
            written["compile"] = str(self.compile)
        return written | {"tf32": _tf32_state(used.values(), self.device)}


def arranged(module: nn.Module, layout: torch.memory_format = torch.channels_last) -> nn.Module:
    """`module` with its convolutions' weights channels last, the fastest layout everywhere.

    It changes where numbers lie in memory, and nothing else.
    """
    return module.to(memory_format=layout)  # type: ignore[call-overload,no-any-return]


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Let `optimizer` take up a saved `state`."""
    optimizer.load_state_dict(state)
    # Fused optimisers walk through memory: their averages must lie as the weights do.
    for weight, averages in optimizer.state.items():
        for name, value in averages.items():
            if value.shape == weight.shape:
                averages[name] = torch.empty_like(weight).copy_(value)


def use_threads(threads: int | None = None) -> int:
    """Set how many threads one operation may use, and return the number.

    By default OMP_NUM_THREADS, else the cores this process may run on. More threads than
    cores, over all processes of a machine, make PyTorch many times slower. Raises `ConfigError` for
    a number that there cannot be.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = omp_threads() or cores or 1 if threads is None else threads
    if not 1 <= threads <= MOST_THREADS:
        raise ConfigError([f"threads: expected 1 to {MOST_THREADS}, got {threads:,}."])
    torch.set_num_threads(threads)
    return threads


def omp_threads() -> int | None:
    """What OMP_NUM_THREADS says, the first of a list; None if it says nothing."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) or None if first.isdigit() else None


def _join(
    device: str, accelerator: str, devices: Devices, precision: FabricPrecision
) -> tuple[Fabric, Ranks]:
    """Fabric for this process alone, or for its place among those that `torchrun` started.

    Where it runs is named, lest Fabric look for a cluster: a Slurm job may well be one process.
    """
    logging.getLogger("lightning_fabric.utilities.rank_zero").addFilter(_not_about_tf32)
    here, everywhere = launched()
    if everywhere == 1:
        return Fabric(
            accelerator=accelerator, devices=devices, plugins=[precision, LightningEnvironment()]
        ), Ranks()
    _check_one_device_each(device, accelerator, here)
    fabric = Fabric(
        accelerator=accelerator,
        devices=here,
        num_nodes=everywhere // here,
        # Synced norms leave all ranks with the same buffers: DDP need not send rank 0's.
        strategy=DDPStrategy(broadcast_buffers=False),
        plugins=[precision, TorchElasticEnvironment()],
    )
    fabric.launch()
    ranks = Ranks(fabric.global_rank, fabric.world_size)
    ranks.wait()  # Rank 0 holds the meeting place: if it fails sooner, the others never meet.
    return fabric, ranks


def _not_about_tf32(message: logging.LogRecord) -> bool:
    """Fabric advises users of recent GPUs to switch TF32 on, which is named and recorded here."""
    return "set_float32_matmul_precision" not in message.getMessage()


def _check_one_device_each(device: str, accelerator: str, processes: int) -> None:
    if ":" in device:
        raise ConfigError(
            [f"device: {device} is one, and each of several processes has its own. Write cuda."]
        )
    present = torch.cuda.device_count()
    if accelerator == "cuda" and processes > present:
        raise ConfigError(
            [f"device: torchrun started {processes} processes here for {present} CUDA devices."]
        )


class _FabricTF32(FabricPrecision):
    """Tells Fabric to train in TF32, on a GPU's own or emulated."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def forward_context(self) -> AbstractContextManager[Any]:
        return computing(Precision.TF32, self._device)

    def backward(self, tensor: Tensor, model: nn.Module | None, *args: Any, **kwargs: Any) -> None:
        with self.forward_context():
            super().backward(tensor, model, *args, **kwargs)


def _fabric_precision(precision: Precision, accelerator: str) -> FabricPrecision:
    if precision is Precision.TF32:
        return _FabricTF32(torch.device(accelerator))
    if precision is Precision.BFLOAT16:
        return MixedPrecision("bf16-mixed", accelerator)
    return FabricPrecision()


def _tf32_state(used: Iterable[Precision], device: torch.device) -> str:
    if Precision.TF32 not in used:
        return "off"
    return "on where named" if device.type == "cuda" else "emulated where named"


def _unwrap(module: nn.Module) -> nn.Module:
    inner: nn.Module = getattr(module, "module", module)
    return inner
