"""Tables and notes as Markdown, for the generated passages of the docs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from copycost.runner.record import Surroundings

NOT_RUN = "*Not run yet: there is no committed record.*"
"""In place of a passage whose record is missing."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a line for every row of cells."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def measured_on(around: Sequence[Surroundings]) -> str:
    """Where and with what the numbers of a passage were measured."""
    hardware = " and ".join(sorted({a.hardware for a in around}))
    torch = " and ".join(sorted({a.versions.get("torch", "?") for a in around}))
    commits = " and ".join(f"`{short(c)}`" for c in sorted({a.commit for a in around}))
    return f"*Measured on {hardware}, PyTorch {torch}, commit {commits or 'unknown'}.*"


def short(commit: str) -> str:
    """The first 12 characters of a commit, with the '+' that marks changed source."""
    return commit[:12] + ("+" if commit.endswith("+") else "")
