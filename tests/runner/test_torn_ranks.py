"""Several ranks whose files are of different moments, as a crash leaves them (gloo, CPU)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from copycost.engine import Engine
from copycost.oracle.meter import Meter
from copycost.ranks import Ranks
from copycost.runner.checkpoint import load_checkpoint, save_checkpoint
from copycost.runner.making import attack_of
from copycost.runner.record import read_record
from copycost.runner.resuming import own_part
from copycost.runner.run import Run
from copycost.runner.stopping import Stop
from copycost.runner.watchers import Silent
from copycost.testing import tiny_victim
from tests.runner.conftest import tiny_config
from tests.runner.ranks import run_ranks
from tests.runner.test_ranks import FINISHED, SETTINGS


# A crash may come when rank 1 has written its file and rank 0, whose is larger, has not; or first.
@pytest.mark.parametrize("behind", ["", "-rank1", "-rank1 has none"])
def test_checkpoints_of_different_moments_are_not_combined(tmp_path, behind):
    folder, config = tmp_path / "run", {"settings": SETTINGS, "budget": 3000}
    config |= {"evaluations": 2, "defences": ["noise:0.05"]}
    run_ranks(2, folder, config, 500)
    name, _, missing = behind.partition(" ")
    path = folder / f"checkpoint{name}.safetensors"
    older = path.read_bytes()
    run_ranks(2, folder, config, 1300)
    path.write_bytes(older)
    if missing:
        path.unlink()
    at = load_checkpoint(folder / "checkpoint.safetensors")
    assert at is not None
    ahead = read_record(folder).spent - at["spent"]
    assert run_ranks(2, folder, config) == FINISHED
    record = read_record(folder)
    said = f"{ahead:,} queries charged since then brought nothing"
    assert (said in record.resumed[-1]) == (not behind)
    assert record.accounts["attacker"].lost == ahead


@pytest.mark.parametrize("kept", [None, [4, 90], [5, 90], [5, 100]])
def test_a_rank_takes_up_what_it_kept_at_the_moment_of_rank_0_alone(tmp_path, kept):
    path, saved = tmp_path / "c.safetensors", {"moment": [5, 100], "of": 0}
    if kept is not None:
        save_checkpoint(tmp_path / "c-rank1.safetensors", {"moment": kept, "of": 1})
    assert own_part(path, saved, Ranks(0, 2)) is saved
    found = own_part(path, saved, Ranks(1, 2))
    assert found == ({"moment": kept, "of": 1} if kept == saved["moment"] else None)


def test_files_from_before_moments_were_kept_are_taken_as_they_are(tmp_path):
    save_checkpoint(tmp_path / "c-rank1.safetensors", {"of": 1})
    assert own_part(tmp_path / "c.safetensors", {"of": 0}, Ranks(1, 2)) == {"of": 1}


@pytest.mark.parametrize(("mine", "others"), [(True, False), (False, True), (False, False)])
def test_where_one_rank_kept_nothing_none_has_losses_and_it_draws_anew(tmp_path, mine, others):
    """`mine` and `others`: whose file is of another moment."""
    done: list[Any] = []
    api: Any = SimpleNamespace(restore=done.append, draw_anew=done.append)
    ranks: Any = Ranks(1, 2)
    ranks.all = lambda number: [others, number]
    run = Run(
        tmp_path, attack_of(tiny_config()), Meter(tiny_victim(), access="label", budget=9),
        api, None, ranks, evaluations=1, stop=Stop(), watcher=Silent(),
    )  # fmt: skip
    kept = {"moment": [4 if mine else 5, 100], "victim": {"random": "there"}}
    save_checkpoint(
        tmp_path / "checkpoint-rank1.safetensors", kept | {"sums": {"gap": torch.ones(())}}
    )
    state: Any = SimpleNamespace(engine=Engine("cpu"))
    run._restore_own(state, {"moment": [5, 100], "counts": {"gap": 3}})
    assert done == (["crash at 0 queries"] if mine else [{"random": "there"}])
    assert run._counts == ({} if mine or others else {"gap": 3})
    assert run._sums.keys() == run._counts.keys()
