"""Every attack on a device that is not the CPU, on machines that have none."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from copycost.attacks import ATTACKS
from tests.devices.all_attacks import carry_out

HERE = Path(__file__).parent
PYTORCH = Path(torch.__file__).parent
NEVER_WAIT = ["dfme", "disguide", "dual-student", "maze", "dfms-hl", "frugal", "random-noise"]
"""The attacks whose images, answers and memories stay on the device; the others keep a pool, or
all answers, in main memory, and fetch from there at every step."""

pytestmark = pytest.mark.slow


class Away(NamedTuple):
    """What the process with the pretended device gave out."""

    attacks: dict[str, Any]
    err: str


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Away:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ here: the pretended device's C++ cannot be compiled")
    library = tmp_path_factory.mktemp("device") / "pretended.so"
    place = [f"-I{PYTORCH}/include", f"-L{PYTORCH}/lib", f"-Wl,-rpath,{PYTORCH}/lib"]
    source = [str(HERE / "pretended.cpp"), "-lc10", "-ltorch_cpu"]
    how = ["-shared", "-fPIC", "-std=c++20"]
    subprocess.run([compiler, *how, *place, *source, "-o", str(library)], check=True)
    done = subprocess.run(
        [sys.executable, HERE / "pretended.py", library, HERE / "all_attacks.py"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return Away(json.loads(done.stdout), done.stderr)


@pytest.mark.parametrize("name", list(ATTACKS))
def test_an_attack_does_there_what_it_does_on_a_cpu(name: str, away: Away) -> None:
    there, here = away.attacks[name], carry_out(name, "cpu", Counter())
    assert (there["device"], there["spent"]) == ("cuda", here["spent"])
    moved, wanted = torch.tensor(there["moved"]), torch.tensor(here["moved"])
    # On a CPU a generator convolves by fewer products, and what is replayed is rounded to bytes.
    assert (moved - wanted).norm() < 0.1 * wanted.norm()


@pytest.mark.parametrize("name", NEVER_WAIT)
def test_its_steps_do_not_wait_for_the_device(name: str, away: Away) -> None:
    assert away.attacks[name]["waits"] == {}


def test_waiting_is_seen_where_there_is_some(away: Away) -> None:
    assert any(line.startswith("pool.py:") for line in away.attacks["knockoff"]["waits"])


def test_nobody_is_told_to_switch_tf32_on(away: Away) -> None:
    assert "Tensor Cores" not in away.err
