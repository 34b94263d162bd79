"""A model or a data file from a stranger is data, never code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import copycost

FOLDERS = (Path(str(copycost.__file__)).parent, Path(__file__).parents[1] / "tools")
SOURCES = sorted(path for folder in FOLDERS for path in folder.rglob("*.py"))
FORBIDDEN = {"torch.load", "torch.save", "pickle.load", "pickle.loads", "pickle.dump", "eval"}


def called(node: ast.Call) -> str:
    """`module.function` for a call of that form, `function` for a plain one."""
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        return f"{node.func.value.id}.{node.func.attr}"
    return node.func.id if isinstance(node.func, ast.Name) else ""


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_nothing_unpickles(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert not FORBIDDEN & {called(call) for call in calls}
    for call in calls:
        if called(call) == "np.load":
            allow = {keyword.arg: keyword.value for keyword in call.keywords}["allow_pickle"]
            assert isinstance(allow, ast.Constant)
            assert allow.value is False
