from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from copycost.schedules import SCHEDULES, Constant, Cosine, ScheduleSetting, Steps, parse
from copycost.settings import SETTINGS


def test_steps_are_those_of_the_reference():
    steps = Steps(at=(0.1, 0.3, 0.5), factor=0.3)
    shares = (0.0, 0.0999, 0.1, 0.3, 0.4999, 0.5, 0.99)
    expected = (1, 1, 0.3, 0.09, 0.09, 0.027, 0.027)
    assert [round(steps(t), 6) for t in shares] == list(expected)


def test_cosine_and_constant():
    assert Cosine()(0.0) == 1.0
    assert abs(Cosine()(0.5) - 0.5) < 1e-12
    assert Cosine()(0.999) < 1e-4
    assert {Constant()(t) for t in (0.0, 0.5, 0.99)} == {1.0}


@pytest.mark.parametrize("name", sorted(SCHEDULES))
@given(t=st.floats(0, 1, exclude_max=True))
def test_every_schedule_starts_at_one_and_never_rises_above(name, t):
    schedule = SCHEDULES[name]()
    assert schedule(0.0) == 1.0
    assert 0 <= schedule(t) <= 1


@pytest.mark.parametrize(
    "schedule",
    [Constant(), Cosine(), Steps(at=(0.5, 0.8), factor=0.3), Steps((1 / 3, 2 / 3), 0.1 + 0.2)],
)
def test_text_reads_back(schedule):
    assert parse(str(schedule)) == schedule


@pytest.mark.parametrize(
    "text",
    [
        "",
        "linear",
        "steps:0.5",
        "steps:2:0.3",
        "steps:1:0.3",
        "steps:-0.1:0.3",
        "steps:x:0.3",
        "steps:0.5:-1",
        "steps:0.5:0",
        "cosine:1:2",
        "cosine:0.5:0.3",
    ],
)
def test_impossible_texts_are_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        parse(text)


def test_a_share_may_be_the_very_start():
    assert parse("steps:0:0.3")(0.0) == 0.3


def test_the_steps_without_more_are_dfmes():
    assert parse("steps") == Steps(at=(0.1, 0.3, 0.5), factor=0.3)


def test_text_is_as_short_as_it_can_be():
    assert str(Steps(at=(0.0, 0.25), factor=2.0)) == "steps:0,0.25:2"
    assert str(Steps(at=(1 / 3,), factor=0.1 + 0.2)) == f"steps:{1 / 3!r}:{0.1 + 0.2!r}"


def test_steps_without_a_factor_are_told_how_to_be_written():
    with pytest.raises(
        ValueError, match=r"'steps:0\.5' is not a schedule; write .*steps:0\.5,0\.8"
    ):
        parse("steps:0.5")


def test_a_setting_is_a_schedule_or_its_text_and_is_kept_as_text():
    setting: TypeAdapter[object] = TypeAdapter(ScheduleSetting, config=SETTINGS)
    for value in ("steps:0.5:0.2", Steps(at=(0.5,), factor=0.2)):
        found = setting.validate_python(value)
        assert found == Steps(at=(0.5,), factor=0.2)
        assert setting.dump_python(found) == "steps:0.5:0.2"
