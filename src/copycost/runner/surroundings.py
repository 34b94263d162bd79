"""Describes the hardware and software that a run uses."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

import torch

from copycost.runner.record import Surroundings
from copycost.version import __version__

COMMIT = "COPYCOST_COMMIT"
"""Environment variable with the commit of the source; if it is set, git is not asked."""
_PACKAGES = ("torch", "lightning-fabric", "numpy", "safetensors", "pydantic")


def surroundings(device: torch.device, arithmetic: dict[str, str], ranks: int = 1) -> Surroundings:
    """Describe this process, which computed on `device`, in the precisions of `arithmetic`."""
    return Surroundings(
        hardware=_hardware(device),
        device=str(device),
        ranks=ranks,
        threads=torch.get_num_threads(),
        versions=_versions(),
        commit=_commit(),
        arithmetic=arithmetic,
    )


def machine(device: torch.device) -> dict[str, str]:
    """What a run's next session may find changed, by name: hardware, threads, versions."""
    return {"hardware": _hardware(device), "threads": str(torch.get_num_threads())} | _versions()


def _hardware(device: torch.device) -> str:
    # Processors of one name may differ in vector width, and so in speed.
    cpu = f"{os.cpu_count()} x {_cpu_model()} ({torch.backends.cpu.get_cpu_capability()})"
    return f"{torch.cuda.get_device_name(device)}, {cpu}" if device.type == "cuda" else cpu


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _versions() -> dict[str, str]:
    found = {"copycost": __version__, "python": sys.version.split()[0]}
    found["platform"] = platform.platform()
    found |= {package: _version(package) for package in _PACKAGES}
    if torch.version.cuda:
        found["cuda"] = torch.version.cuda
    return found


def _version(package: str) -> str:
    """The version of a package, or of another one that provides its module."""
    try:
        return version(package)
    except PackageNotFoundError:
        others = packages_distributions().get(package.replace("-", "_"), [])
        return f"{version(others[0])}, by {others[0]}" if others else "not installed as a package"


def _commit() -> str:
    """The commit of copycost's own source, with a + if it was changed; '' where none is known."""
    if told := os.environ.get(COMMIT):
        return told
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists() or not (root / "src" / "copycost").is_dir():
        return ""
    head = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return head + ("+" if head and changed else "")


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
