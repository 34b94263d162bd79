"""Where the runs of a sweep are done: this machine, a Slurm cluster, a Ray cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from copycost.registry import Entry, Registry

if TYPE_CHECKING:
    from copycost.sweep.executors.base import Executor

_HERE = "copycost.sweep.executors"

EXECUTORS: Registry[type[Executor]] = Registry(
    "executor",
    {
        "local": Entry(
            f"{_HERE}.local:Local", "processes on this machine, each with a GPU where there are any"
        ),
        "slurm": Entry(f"{_HERE}.slurm:Slurm", "jobs of a Slurm cluster; needs copycost[slurm]"),
        "ray": Entry(
            f"{_HERE}.ray:Ray",
            "tasks of a Ray cluster, or of Ray on this machine; needs copycost[ray]",
        ),
    },
)
"""Loads no PyTorch, and no package that an executor needs."""

__all__ = ["EXECUTORS"]
