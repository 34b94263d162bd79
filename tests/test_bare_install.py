"""What a user has, who installs copycost without the tools of its developers, is enough."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distributions, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

BARE = """
import sys
from importlib.machinery import PathFinder

find_spec, absent = PathFinder.find_spec, {absent!r}

def without(name, path=None, target=None):
    return None if name.partition(".")[0] in absent else find_spec(name, path, target)

PathFinder.find_spec = without
sys.argv = ["copycost", *{arguments!r}]
from copycost.cli import main
main()
"""
AUDIT = (
    "audit", "--victim", "digits-lenet", "--student", "lenet", "--budget", "600", "--seeds", "1",
    "--attack", "dfme", "--evaluations", "2", "--device", "cpu", "--threads", "1",
    "--set", "dfme.batch_size=32", "--set", "dfme.width=8", "--set", "dfme.latent=8",
)  # fmt: skip


def installed_with_copycost() -> set[NormalizedName]:
    """Names of what pip brings for copycost alone, with what that needs in turn."""
    needs = {canonicalize_name(d.metadata["Name"]): d.requires or [] for d in distributions()}
    found: set[NormalizedName] = set()
    left = [canonicalize_name("copycost")]
    while left:
        name = left.pop()
        if name in found or name not in needs:
            continue
        found.add(name)
        for requirement in map(Requirement, needs[name]):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                left.append(canonicalize_name(requirement.name))
    return found


@pytest.mark.slow
def test_an_audit_needs_nothing_that_pip_does_not_bring(tmp_path: Path) -> None:
    brought = installed_with_copycost()
    absent = {
        package
        for package, names in packages_distributions().items()
        if not brought & {canonicalize_name(name) for name in names}
    }
    assert {"pytest", "hypothesis"} <= absent
    script = BARE.format(absent=absent, arguments=[*AUDIT, "--out", str(tmp_path)])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("dfme-*/student.onnx"))
