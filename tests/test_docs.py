"""What the pages show works: code runs, commands parse, links lead somewhere."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from copycost.attacks import ATTACKS
from copycost.cli import audit as cli_audit
from copycost.cli.app import app
from copycost.cli.data import Fetchable
from copycost.engine import Engine
from copycost.oracle.meter import CountedOracle
from copycost.presets.victims import VICTIMS
from copycost.runner.audit import AuditConfig
from copycost.runner.config import RunConfig
from copycost.runner.copy_model import copy_model
from copycost.runner.own_target import own_target
from copycost.runner.record import read_record
from copycost.settings import read_settings
from copycost.testing import TINY, SpyVictim, TinyNet, tiny_victim

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
METHOD_HEADINGS = (
    "The idea",
    "The arithmetic",
    "Settings",
    "Details and departures",
    "Published results",
    "Reproduced here",
)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return [code for kind, code in FENCE.findall(page.read_text("utf-8")) if kind == language]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
            if not link.startswith(("http://", "https://")):
                yield page, link


def commands() -> list[tuple[str, list[str]]]:
    """Every command line of copycost that a page shows, as (page, its arguments)."""
    found = []
    for page in PAGES:
        lines = [line for code in blocks(page, "sh") for line in code.splitlines()]
        lines += re.findall(r"`(copycost [^`]+)`", " ".join(prose(page).split()))
        words = [shlex.split(line, comments=True) for line in lines]
        found += [(relative(page), arguments) for w in words if (arguments := _arguments(w))]
    return found


def _arguments(words: list[str]) -> list[str]:
    """What `copycost` gets to see of a line; nothing if it is another command's."""
    words = words[: words.index(">")] if ">" in words else words
    if words[:1] == ["copycost"]:
        return words[1:]
    if words[:2] == ["make", "audit"]:
        given = [word.removeprefix("ARGS=") for word in words if word.startswith("ARGS=")]
        return ["audit", *shlex.split(" ".join(given))]
    return []


def parse(command: Any, arguments: list[str], parent: Any = None) -> dict[str, Any]:
    """Parse without running; raises what the command line would complain of.

    A command that is only named is not asked for the arguments that it would need.
    """
    if parent is not None and not arguments:
        return {}
    context = command.make_context(command.name, list(arguments), parent=parent)
    if not hasattr(command, "resolve_command"):
        params: dict[str, Any] = context.params
        return params
    _, chosen, rest = command.resolve_command(context, arguments)
    return parse(chosen, rest, context)


def load(code: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import `code` as a module: pydantic looks a class's annotations up in its module."""
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.stem, module)
    spec.loader.exec_module(module)
    return module


def executed(page: Path) -> dict[str, Any]:
    """The names that the Python of a page leaves."""
    code = "\n".join(blocks(page, "python"))
    scope: dict[str, Any] = {"__name__": page.stem}
    exec(compile(code, page.name, "exec"), scope)
    return scope


def test_the_python_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    scope = executed(ROOT / "README.md")
    assert 0 < scope["record"].spent <= scope["config"].budget
    assert "agreement" in capsys.readouterr().out
    assert (tmp_path / "report.html").stat().st_size > 0


def test_the_function_that_the_docs_ask_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = DOCS / "your-own-model.md"
    alone = load(blocks(page, "python")[0], tmp_path / "regression.py", monkeypatch)
    assert own_target("regression:target", None).content_hash == alone.target().content_hash
    scope = executed(page)
    record = read_record(tmp_path / "runs" / "regression-v1")
    assert record.spent == 400
    assert record.victim.name == "regression-v1"
    # Once as it is, once more for what its users see, as there are no defences, and at the end
    # one in four, to see whether it has changed.
    assert record.accounts["auditor"].spent == 2 * 445 + 112
    assert "agreement" in capsys.readouterr().out
    several = [(record.attack, record.seed, record.spent) for record, _ in scope["found"]]
    attacks = ("frugal", "random-noise")
    assert several == [(attack, seed, 300) for seed in (0, 1) for attack in attacks]
    assert {record.victim.answers_from for record, _ in scope["found"]} == {"regression-v1"}
    assert {record.accounts["auditor"].spent for record, _ in scope["found"]} == {2 * 112}
    assert (tmp_path / "report.html").stat().st_size > 0


def test_the_model_of_a_table_that_the_docs_show_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = blocks(DOCS / "tables.md", "python")
    target = load(code, tmp_path / "tumours.py", monkeypatch).target()
    config = RunConfig(victim="tumours", attack="frugal", student="mlp", budget=100, device="cpu")
    record = copy_model(config, target, tmp_path / "run")
    assert record.victim.accuracy > 0.9
    assert record.result["agreement"] > 0.8


def test_the_model_of_texts_that_the_docs_show_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = blocks(DOCS / "texts.md", "python")
    target = load(code, tmp_path / "complaints.py", monkeypatch).target()
    config = RunConfig(
        victim="complaints", attack="frugal", student="bag-of-tokens", budget=300, device="cpu"
    )
    record = copy_model(config, target, tmp_path / "run")
    assert record.victim.accuracy == record.result["agreement"] == 1.0


def test_the_attack_that_the_docs_add_spends_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = blocks(DOCS / "adding-an-attack.md", "python")
    module = load(code, tmp_path / "extreme_noise.py", monkeypatch)
    attack = read_settings(module.ExtremeNoise, {"batch_size": 16, "bright": 0.3})
    spy = SpyVictim(tiny_victim())
    oracle = CountedOracle(spy, access="label", budget=97)
    attack.check(oracle)
    state = attack.start(TinyNet(TINY, oracle.classes, seed=5), oracle, Engine("cpu"), seed=1)
    while n := attack.affordable(oracle):
        losses = attack.step(state, oracle, n)
        assert bool(losses["student/gap"].isfinite())
    assert spy.count == oracle.spent == 97
    oracle.spec.check_range(attack.samples(state, oracle, 9))
    assert spy.count == 97


USERS_OWN_MYPY = """
[mypy]
strict = True
warn_return_any = False
follow_imports = silent
[mypy-torch.*,numpy.*,sklearn.*,lightning_fabric.*,matplotlib.*,PIL.*]
# Nothing here depends on their types, and reading them takes most of a minute.
follow_imports = skip
ignore_missing_imports = True
"""
WRONG = """
from copycost import RunConfig

RunConfig(access="label", defences=["rounding:2"], budget=100)
RunConfig(budget=[100])
"""


def test_a_users_type_checker_accepts_what_the_pages_show(tmp_path: Path) -> None:
    """Without pydantic's plugin, which a user need not have."""
    (tmp_path / "mypy.ini").write_text(USERS_OWN_MYPY)
    (tmp_path / "wrong.py").write_text(WRONG)
    for page in PAGES:
        name, code = f"{page.stem}.py".replace("-", "_"), "\n".join(blocks(page, "python"))
        if code:
            (tmp_path / name).write_text(code, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", *sorted(path.name for path in tmp_path.glob("*.py"))],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    faults = [line for line in ran.stdout.splitlines() if ": error:" in line]
    assert len(faults) == 1, ran.stdout + ran.stderr
    assert faults[0].startswith("wrong.py:5: ")
    assert '"budget"' in faults[0]


def test_every_relative_link_leads_somewhere() -> None:
    dead = []
    for page, link in links():
        place, _, anchor = link.partition("#")
        file = (page.parent / place).resolve() if place else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            dead.append(f"{relative(page)}: {link}")
    assert not dead


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    """A table that is wrapped like a paragraph is shown as one."""
    torn = []
    for page in PAGES:
        head = 0
        for number, line in enumerate(page.read_text("utf-8").splitlines(), start=1):
            bars = len(re.findall(r"(?<!\\)\|", line)) if line.strip().startswith("|") else 0
            torn += [f"{relative(page)}:{number}"] if head and bars and bars != head else []
            head = (head or bars) if bars else 0
    assert not torn


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in seen:
            seen.add(page)
            targets = (page.parent / link.partition("#")[0] for at, link in links() if at == page)
            ahead += [path.resolve() for path in targets if path.suffix == ".md"]
    assert set(PAGES) <= seen


@pytest.mark.parametrize("name", list(ATTACKS))
def test_every_attack_has_a_page_with_the_fixed_headings(name: str) -> None:
    page = prose(DOCS / "methods" / f"{name}.md")
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert tuple(headings) == METHOD_HEADINGS


@pytest.mark.parametrize("name", list(ATTACKS))
def test_every_setting_of_an_attack_is_on_its_page(name: str) -> None:
    page = prose(DOCS / "methods" / f"{name}.md")
    settings = [field.name for field in dataclasses.fields(ATTACKS[name])]
    assert not [setting for setting in settings if f"`{setting}`" not in page]


def test_commands_are_found() -> None:
    shown = commands()
    assert len(shown) > 10
    assert ("README.md", ["audit", "--seeds", "3"]) in shown


@pytest.mark.parametrize(("page", "arguments"), commands())
def test_every_command_shown_parses(page: str, arguments: list[str]) -> None:
    if "--help" not in arguments:
        options = parse(typer.main.get_command(app), arguments)
        assert options.get("name", "svhn") in {*VICTIMS, *Fetchable}, page


@pytest.mark.parametrize("arguments", [words for _, words in commands() if words[0] == "audit"])
def test_every_audit_shown_is_a_possible_one(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (attack,) = blocks(DOCS / "adding-an-attack.md", "python")
    (tmp_path / "extreme_noise.py").write_text(attack)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "extreme_noise", raising=False)
    read: list[AuditConfig] = []
    monkeypatch.setattr(cli_audit, "_run", lambda values, *_: read.append(AuditConfig.read(values)))
    CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert read
    assert read[0].runs()


def test_a_wrong_command_would_be_noticed() -> None:
    command: Callable[..., Any] = typer.main.get_command(app)
    with pytest.raises(Exception, match=r"[Nn]o such option"):
        parse(command, ["audit", "--sseeds", "3"])
