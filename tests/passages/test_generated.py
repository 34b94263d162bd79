"""Passages of the docs are what the committed records say."""

from __future__ import annotations

from pathlib import Path

import pytest

from copycost.errors import ConfigError
from tools.passages import generated
from tools.passages.generated import filled, heads, pages

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", pages(ROOT), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_is_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert filled(text, ROOT / "results") == text, "python -m tools.passages"


@pytest.mark.parametrize("head", heads(ROOT).items(), ids=lambda head: head[0].name)
def test_the_head_of_a_study_says_how_long_its_records_took(head: tuple[Path, str]) -> None:
    path, text = head
    assert path.read_text(encoding="utf-8") == text, "python -m tools.passages"


def test_a_passage_is_replaced_and_the_rest_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generated, "PASSAGES", {"place": lambda results: f"**{results}**"})
    text = "a\n<!-- generated: place -->\nold\nold\n<!-- end -->\nb\n"
    expected = "a\n<!-- generated: place -->\n**here**\n<!-- end -->\nb\n"
    assert filled(text, Path("here")) == expected


def test_unknown_or_unclosed_passages_are_errors() -> None:
    with pytest.raises(ConfigError, match="no passage 'nonsense'"):
        filled("<!-- generated: nonsense -->\n<!-- end -->\n", ROOT)
    with pytest.raises(ConfigError, match="no <!-- end -->"):
        filled("<!-- generated: nonsense -->\n", ROOT)
