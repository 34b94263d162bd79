"""Steps of the optimisers are counted, and the count survives a stop."""

from __future__ import annotations

from copycost.runner.copy_model import copy_model
from tests.runner.conftest import tiny_config, tiny_target
from tests.stops import Soon


def test_the_record_counts_every_player_s_steps_also_over_a_stop(tmp_path):
    # 960 queries are five steps of 32 images at six queries each: one step of the generator,
    # four of the student.
    config = tiny_config(
        budget=960, settings={"batch_size": 32, "width": 8, "latent": 8, "student_steps": 4}
    )
    whole = copy_model(config, tiny_target(), tmp_path / "whole")
    assert whole.updates == {"student": 20, "generator": 5}
    (flag,) = (flag for flag in whole.flags if flag.name == "student-hardly-trained")
    assert flag.detail.startswith("the student took 20 steps")
    half = copy_model(config, tiny_target(), tmp_path / "half", stop=Soon(looks=5))
    assert not half.finished
    assert 0 < half.updates["generator"] < 5
    rest = copy_model(config, tiny_target(), tmp_path / "half")
    assert rest.finished
    assert rest.updates == whole.updates
    assert rest.student_hash == whole.student_hash
