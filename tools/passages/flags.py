"""The page `docs/flags.md`, from what the report says of each flag."""

from __future__ import annotations

import textwrap

from copycost.report.explanations import EXPLANATIONS, Explanation

INTRODUCTION = (
    "This page explains every flag: when copycost raises it, why it matters, and what to do. A "
    "flag is a reason to doubt a result. It never changes a number; it stands beside the number in "
    "the run's record, in the terminal and in the report. A result without flags is not proven "
    "right, but a result with a flag should not be quoted without it."
)
SOURCE = (
    "Written by `python -m tools.passages` from `src/copycost/report/explanations.py`; edit that "
    "module."
)


def markdown() -> str:
    """The text of `docs/flags.md`: one section per flag, with its name as heading and anchor."""
    head = f"# Flags\n\n<!-- {SOURCE} -->\n\n{_wrapped(INTRODUCTION)}\n"
    return head + "".join(_section(name, text) for name, text in EXPLANATIONS.items())


def _section(name: str, text: Explanation) -> str:
    paragraphs = (
        f"{text.title}.",
        f"**Raised if** {text.raised_if}",
        f"**Why it matters.** {text.why}",
        f"**What to do.** {text.what_to_do}",
    )
    return f"\n## {name}\n\n" + "\n\n".join(_wrapped(p) for p in paragraphs) + "\n"


def _wrapped(paragraph: str) -> str:
    return textwrap.fill(paragraph, width=96, break_long_words=False, break_on_hyphens=False)
