"""A Ray on this machine, for real: its worker is killed in the middle of a run."""

from __future__ import annotations

import threading
import time

import pytest

from copycost.errors import ConfigError
from copycost.runner.stopping import Stop
from copycost.sweep.executors.base import Terms
from copycost.sweep.executors.ray import Ray
from copycost.sweep.results import RunState
from copycost.sweep.scheduler import Unwatched
from copycost.sweep.work import CopyVictim, Ended, Outcome, Task
from tests.sweep.conftest import sweep_of
from tests.sweep.killing import kill_in_the_middle, saved_at, wait_for_save

# What Ray 2.60 itself leaves behind in the process that uses it.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Tip. In future versions of Ray:FutureWarning"),
]


def test_a_cluster_that_is_not_there_is_one_line(values, tmp_path):
    pytest.importorskip("ray", reason="ray is not installed: pip install 'copycost[ray]'")
    began = time.monotonic()
    with (
        pytest.raises(ConfigError, match=r"no cluster answers at 127.0.0.1:1: ") as caught,
        Ray(address="127.0.0.1:1").open(Terms(tmp_path)),
    ):
        raise AssertionError("there is no cluster")
    assert len(caught.value.problems) == 1
    assert time.monotonic() - began < 60


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_a_stop_is_clean(values, tmp_path, capfd):
    pytest.importorskip("ray", reason="ray is not installed: pip install 'copycost[ray]'")
    axes = {"budget": [16_000], "evaluations": [80]}
    values |= {"attacks": ("dfme",), "settings": {"dfme": values["settings"]["dfme"]}}
    sweep = sweep_of(values | {"axes": axes}, tmp_path)
    folder = sweep._task(0, sweep.look()[0]).folder
    stop = Stop()

    class Intruder(Unwatched):
        """Kills the first worker, and stops the sweep when the second is under way."""

        def __init__(self) -> None:
            self.lost: list[str] = []

        def started(self, task: Task) -> None:
            assert isinstance(task, CopyVictim)
            threading.Thread(target=self._stop if self.lost else self._kill).start()

        def ended(self, task: Task, outcome: Outcome, *, again: bool) -> None:
            if outcome.ended is Ended.LOST:
                assert again
                self.lost.append(outcome.error)

        def _kill(self) -> None:
            kill_in_the_middle(folder)

        def _stop(self) -> None:
            wait_for_save(folder, saved_at(folder))
            stop.ask("Ctrl-C")

    intruder = Intruder()
    terms = Terms(sweep.folder, workers=1, threads=1, gpus=False)
    (stopped,) = sweep.run(Ray(), terms, stop=stop, watcher=intruder)
    assert len(intruder.lost) == 1
    assert "died" in intruder.lost[0]
    assert stopped.state is RunState.STOPPED
    assert stopped.record is not None
    assert stopped.record.ended == "end of the sweep"
    lost = stopped.record.accounts["attacker"].lost
    assert lost > 0
    assert len(stopped.record.resumed) == 1

    (finished,) = sweep.run(Ray(), terms)
    assert finished.state is RunState.FINISHED
    assert finished.record is not None
    assert len(finished.record.resumed) == 2
    assert finished.record.accounts["attacker"].lost == lost  # the stop lost nothing
    assert capfd.readouterr().out == "", "standard output is for results"
