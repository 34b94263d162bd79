"""Devices and precisions, handled by Lightning Fabric, which no other module imports."""

from __future__ import annotations

import atexit
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

from copycost.arithmetic import Step, computed_in, computing, default_step, described
from copycost.compiling import Compiled
from copycost.convolutions import fewer_products
from copycost.devices import Devices, check_modes, cores, usable
from copycost.errors import ConfigError
from copycost.noise import Noise
from copycost.parts import in_parts
from copycost.ranks import Ranks, disband, launched
from copycost.switches import full_precision
from copycost.synced_norm import synchronised
from copycost.types import Compile, Precision

MOST_THREADS = 1024
"""With many more threads than this, OpenMP crashes the process."""


class Engine:
    """A device and the precisions to compute in. TF32 is used only where it is asked for."""

    def __init__(
        self,
        device: str = "auto",
        precision: Precision | str = Precision.FLOAT32,
        compile: Compile | str = Compile.OFF,
        *,
        estimate: Precision | str | None = None,
        victim: Precision | str | None = None,
    ) -> None:
        """`device` is auto (CUDA if available), cpu, cuda or cuda:N.

        `precision` is used for training. `estimate` sets the precision of the student at the
        points of a finite difference, `victim` that of a victim in this process; None chooses a
        safe one: see `estimate_precision` and `victim_precision`.

        Under `torchrun` this process is one of several ranks, which share every batch. Raises
        `ConfigError` if the device does not exist or does not support what is asked, or if
        PyTorch's global modes are unsuitable: see `check_modes`.
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
        """Images in one step, if known: networks are compiled for its multiples and divisors."""
        full_precision()
        # Batches come in few sizes, so cuDNN's search for its fastest kernels costs little.
        torch.backends.cudnn.benchmark = True

    @property
    def device(self) -> torch.device:
        """The device that tensors are on."""
        device: torch.device = self.fabric.device
        return device

    def setup(
        self, module: nn.Module, optimizer: torch.optim.Optimizer
    ) -> tuple[nn.Module, torch.optim.Optimizer]:
        """Move both to the device and wrap them for the chosen precision.

        Convolution weights are laid out channels last; with several ranks, batch norms use the
        statistics of the whole batch. On a CPU in float32, generators' convolutions use fewer
        multiplications (`copycost.convolutions`); in others that would change the rounding.
        """
        if self.device.type == "cpu" and self.precision is Precision.FLOAT32:
            module = fewer_products(module)
        module = arranged(module)
        if self.ranks.several:
            module = synchronised(module, self.device)
        wrapped: Any = self.fabric.setup(self.compiled(module), optimizer)
        return wrapped[0], wrapped[1]

    def compiled(self, module: nn.Module) -> nn.Module:
        """`module`, compiled if this engine compiles; both share their weights."""
        if self.compile is Compile.OFF:
            return module
        return Compiled(module, self.compile, self.batch_size)

    def backward(self, loss: Tensor, gradient: Tensor | None = None) -> None:
        """Backpropagate from `loss`; if it is not a scalar, `gradient` has its shape."""
        self.fabric.backward(loss, gradient=gradient)

    def random(self, seed: int) -> Noise:
        """A stream of random numbers on the device; `seed` is the same on all ranks."""
        return Noise(seed, self.device, self.ranks)

    def step(self, epsilon: float | None, dimensions: int) -> Step:
        """A finite difference's step over d `dimensions`; None gives the precision's default."""
        if epsilon is not None:
            return Step(epsilon, dimensions)
        points = self._estimate or self.precision
        return default_step(dimensions, points, self._victim or points)

    def estimate_precision(self, step: Step) -> Precision:
        """Precision of the student at the points of a finite difference.

        It is `estimate` if set, else that of training if the step survives in it, else float32.
        """
        safe = self.precision if step.survives(self.precision) else Precision.FLOAT32
        return self._estimate or safe

    def victim_precision(self, step: Step | None) -> Precision:
        """Precision of a victim in this process: `victim` if set, else the student's at `step`."""
        points = self.precision if step is None else self.estimate_precision(step)
        return self._victim or points

    @contextmanager
    def estimating(
        self, wrapped: nn.Module, step: Step, *, training: bool = False
    ) -> Iterator[Callable[[Tensor], Tensor]]:
        """Yield the network in evaluation or `training` mode, run in `estimate_precision`."""
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
        """The network in the precision of training, without the wrapper that gathers gradients.

        It must be in evaluation mode already.
        """
        network = in_parts(_unwrap(wrapped), self.device)
        return computed_in(self.precision, self.device, network)

    def like_victim(
        self, stand_in: Callable[[Tensor], Tensor], step: Step
    ) -> Callable[[Tensor], Tensor]:
        """`stand_in` in the precision in which a victim in this process answers."""
        return computed_in(self.victim_precision(step), self.device, stand_in)

    def arithmetic(self, step: Step | None = None) -> dict[str, str]:
        """The precisions used, for the record; `step` is None if no gradient was estimated.

        The entry for the victim holds for victims in this process; others' is unknown.
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
    """`module` with its convolution weights in `layout`; channels last is fastest everywhere.

    Only the memory layout changes, not the values.
    """
    return module.to(memory_format=layout)  # type: ignore[call-overload,no-any-return]


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load a saved `state` into `optimizer`."""
    optimizer.load_state_dict(state)
    # Fused optimisers need their averages in the same memory layout as the weights.
    for weight, averages in optimizer.state.items():
        for name, value in averages.items():
            if value.shape == weight.shape:
                averages[name] = torch.empty_like(weight).copy_(value)


def use_threads(threads: int | None = None) -> int:
    """Set how many threads one operation may use, and return the number.

    The default is OMP_NUM_THREADS, else the number of cores this process may run on. PyTorch is
    many times slower if all processes of a machine have more threads than it has cores. Raises
    `ConfigError` for a number outside 1 to 1,024.
    """
    threads = omp_threads() or cores() if threads is None else threads
    if not 1 <= threads <= MOST_THREADS:
        raise ConfigError(f"threads: expected 1 to {MOST_THREADS}, got {threads:,}.")
    torch.set_num_threads(threads)
    return threads


def omp_threads() -> int | None:
    """The number in OMP_NUM_THREADS, the first of a list; None if it holds none."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) or None if first.isdigit() else None


def _join(
    device: str, accelerator: str, devices: Devices, precision: FabricPrecision
) -> tuple[Fabric, Ranks]:
    """Fabric for this process alone, or for its rank among those that `torchrun` started.

    The environment is named, or Fabric would detect a cluster: a Slurm job may be one process.
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
    atexit.register(disband)
    ranks = Ranks(fabric.global_rank, fabric.world_size)
    ranks.wait()  # Rank 0 hosts the rendezvous: if it failed earlier, the others would hang.
    return fabric, ranks


def _not_about_tf32(message: logging.LogRecord) -> bool:
    """Drop Fabric's advice to switch TF32 on: copycost has a setting for it, and records it."""
    return "set_float32_matmul_precision" not in message.getMessage()


def _check_one_device_each(device: str, accelerator: str, processes: int) -> None:
    if ":" in device:
        raise ConfigError(
            f"device: expected cuda, as each of several processes has its own, got {device}."
        )
    present = torch.cuda.device_count()
    if accelerator == "cuda" and processes > present:
        raise ConfigError(
            f"device: {processes} processes here for {present} CUDA devices. Start one for each."
        )


class _FabricTF32(FabricPrecision):
    """Makes Fabric train in TF32: a GPU's own, or emulated elsewhere."""

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
