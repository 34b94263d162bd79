"""The docs say what the code says: every flag, every field of a record."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from pathlib import Path

import pytest

from copycost import flags
from copycost.flags import Flag
from copycost.report.explanations import EXPLANATIONS, UNKNOWN, explanation
from copycost.runner.record import (
    AccountFacts,
    Point,
    PoolFacts,
    Record,
    Surroundings,
    TransferFacts,
    VictimFacts,
)
from copycost.types import InputSpec
from tools.passages.flags import markdown

DOCS = Path(__file__).parents[2] / "docs"
FIELDS = {
    model.__name__: set(model.model_fields)
    for model in (Record, VictimFacts, AccountFacts, Surroundings, TransferFacts, PoolFacts, Point)
} | {
    "InputSpec": {field.name for field in dataclasses.fields(InputSpec)},
    "Flag": {field.name for field in dataclasses.fields(Flag)},
}


def flag_names() -> set[str]:
    """The first argument of every `Flag(...)` in flags.py."""
    calls = [n for n in ast.walk(ast.parse(inspect.getsource(flags))) if isinstance(n, ast.Call)]
    return {
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id == "Flag"
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def sections(page: str) -> dict[str, str]:
    """The text under each second-level heading."""
    _, *parts = re.split(r"^## (.*)$", page, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_every_flag_is_explained_and_every_explanation_has_its_flag() -> None:
    assert len(flag_names()) == 13
    assert set(EXPLANATIONS) == flag_names()


def test_the_docs_page_is_the_one_the_explanations_give() -> None:
    page = (DOCS / "flags.md").read_text(encoding="utf-8")
    assert page == markdown(), "python -m tools.passages"
    assert set(sections(page)) == flag_names()


def test_a_flag_of_another_version_does_not_break_the_page() -> None:
    assert explanation("of-the-future") is UNKNOWN


@pytest.mark.parametrize("model", FIELDS)
def test_every_field_of_a_record_is_described_and_nothing_else(model: str) -> None:
    described = re.findall(
        r"^\| `(\w+)` \|", sections((DOCS / "record.md").read_text())[model], re.M
    )
    assert set(described) == FIELDS[model]
    assert len(described) == len(set(described))


def test_no_model_of_a_record_is_left_out() -> None:
    assert set(sections((DOCS / "record.md").read_text())) == set(FIELDS)
