"""The page as a file: complete, escaped, self-contained and the same every time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from copycost.errors import RunError
from copycost.flags import Flag
from copycost.report.explanations import EXPLANATIONS
from copycost.report.page import write_report
from copycost.report.runs import settings
from copycost.runner.record import Point, PoolFacts, Record

MakeRecord = Callable[..., Record]
MakeRun = Callable[..., Path]
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Outline(HTMLParser):
    """Checks that tags nest, and collects what tests ask about."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = dict(attrs)
        self.ids += [named["id"] or ""] if "id" in named else []
        self.links += [v or "" for k, v in attrs if k in ("href", "src", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    parser.close()
    assert not parser.open
    return parser


@pytest.fixture(scope="module")
def runs(make_run: MakeRun) -> list[Path]:
    return [
        make_run(
            "dfme", 0, 0.93, moments=9, samples=True, flags=[Flag("queries-lost", "12 queries")]
        ),
        make_run("random-noise", 0, 0.15, moments=9),
        make_run("dfme", 1, 0.95, moments=9, resumed=["from 10,000 queries after SIGTERM"]),
    ]


@pytest.fixture(scope="module")
def page(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "new folder" / "report.html"
    assert write_report(runs, path) == path
    return path.read_text()


def test_everything_a_reader_needs_is_on_the_page(page: str) -> None:
    for text in (
        "With 150,000 queries, DFME made a copy",
        "(median of 2 seeds, 93.0\u2060–\u206095.0\u00a0%)",
        "cifar10-resnet34",
        "a test machine",
        "0123abc+",
        "settings.epsilon",
        "auditor",
        "210,000",
        "after SIGTERM",
        "Authorised use",
        EXPLANATIONS["queries-lost"].what_to_do,
    ):
        assert text in page, text
    assert 'aria-label="Agreement against' not in page, "results are not drawn among the losses"
    for label in ("Agreement with your model", "Accuracy of the copy", "Generator: gradient norm"):
        assert re.search(rf'role="img" aria-label="{label} against queries', page), label


def test_it_is_well_formed_and_its_inner_links_lead_somewhere(page: str) -> None:
    found = outline(page)
    inner = [link[1:] for link in found.links if link.startswith("#")]
    assert {"flag-queries-lost", "flag-too-few-seeds"} <= set(inner)
    assert set(inner) <= set(found.ids)
    assert len(set(found.ids)) == len(found.ids)
    assert found.tags.count("style") == 1, "none of a figure's, which would be of the whole page"


def test_it_asks_nothing_of_the_network_and_runs_nothing(page: str) -> None:
    links = outline(page).links
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    assert all(target.startswith("#") for target in re.findall(r"url\(['\"]?([^)]*)\)", page))
    assert not re.search(r"https?:|@import|<script|<link", page)
    assert not re.search(r"<[^>]*\son\w+=", page)


def test_the_same_records_give_the_same_bytes(runs: list[Path], page: str, tmp_path: Path) -> None:
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.linewidth": 5}):
        again = write_report(runs, tmp_path / "again.html")
    assert again.read_text() == page, "whatever Matplotlib's settings are outside"


def test_the_page_does_not_tell_where_it_was_made(runs: list[Path], page: str) -> None:
    assert all(str(run.parent) not in page for run in runs)


def test_nor_in_which_folders_models_and_data_lay(make_run: MakeRun, tmp_path: Path) -> None:
    paths = {"victim": "/home/me/models/m1", "data": "parquet:/srv/x/photographs", "pool": "digits"}
    run = make_run(given=paths)
    record = json.loads((run / "record.json").read_text())
    record["config"] |= paths
    (run / "record.json").write_text(json.dumps(record))
    page = write_report([run], tmp_path / "report.html").read_text()
    assert "/home/me" not in page
    assert "/srv/x" not in page
    for shown in ("…/m1", "parquet:…/photographs"):
        assert shown in page


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/home/me/models/m1", "…/m1"),
        ("/home/me/a:b/model", "…/model"),
        ("/home/me#1/a/model", "…/model"),
        ("parquet:/home/me/cats#Cats: tabby", "parquet:…/cats#Cats: tabby"),
        ("folder:/home/me#1/a:b/cats", "folder:…/cats"),
        ("folder:/home/me/cats#A/B", "folder:…/B"),
        ("parquet:cats", "parquet:cats"),
        ("my.module:function", "my.module:function"),
        ("digits", "digits"),
        ("/model", "/model"),
    ],
)
def test_of_a_path_only_its_end_is_told(make_record: MakeRecord, path: str, shown: str) -> None:
    record = make_record(config={"victim": path, "data": path})
    told = {setting.name: setting.value for setting in settings(record)}
    assert (told["victim"], told["data"]) == (shown, shown)


EVIL = "<script>alert('$1')</script>\"'><img src=x onerror=y> --> ]]>"


def test_strings_from_records_are_text_and_never_markup(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [
        make_run(
            EVIL,
            curve=[
                Point(queries=at, seconds=1.0, values={"agreement": share, EVIL: share})
                for at in (0, 9)
            ],
            victim={"name": f"{EVIL}{share}", "content_hash": "", "defences": (EVIL,)},
            student=EVIL,
            ended=EVIL,
            knowledge=EVIL,
            config={EVIL: {EVIL: EVIL}, "seed": 0},
            flags=[Flag(EVIL, EVIL)],
            resumed=[EVIL],
        )
        for share in (0.4, 0.5)
    ]
    text = write_report(runs, tmp_path / "report.html").read_text()
    page = outline(text)
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert "&lt;script&gt;" in text


def test_names_from_records_are_safe_inside_figures(make_run: MakeRun, tmp_path: Path) -> None:
    names = [f"x{EVIL}", "$\\frac{", "моделька 模型", "_hidden"]
    runs = [make_run(name, agreement=0.5, moments=2) for name in names]
    page = outline(write_report(runs, tmp_path / "report.html").read_text())
    assert not {"script", "img"} & set(page.tags)


def test_samples_are_shown_where_a_run_left_them(make_run: MakeRun, tmp_path: Path) -> None:
    with_one, without = make_run(samples=True), make_run(seed=1)
    text = write_report([with_one, without], tmp_path / "a.html").read_text()
    assert text.count("<img") == 1
    assert 'width="320"' in text, "64 pixels, enlarged by the whole factor 5"
    assert "<img" not in write_report([without], tmp_path / "b.html").read_text()


@pytest.mark.parametrize("content", [b"<svg onload=alert()>", b"\x89PNG\r\n\x1a\n and no more"])
def test_samples_that_are_no_picture_are_an_error_with_the_way_out(
    make_run: MakeRun, tmp_path: Path, content: bytes
) -> None:
    run = make_run()
    (run / "samples.png").write_bytes(content)
    with pytest.raises(RunError, match="not a PNG picture"):
        write_report([run], tmp_path / "report.html")


def test_the_record_itself_may_be_named_and_counts_once(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    names = [run, run, run / "record.json", run / ".." / run.name]
    text = write_report(names, tmp_path / "a.html").read_text()
    assert "from 1 run record " in text
    assert write_report([run / "record.json"], tmp_path / "b.html").read_text() == text


def test_a_record_of_another_version_is_refused_and_nothing_is_written(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run()
    record = run / "record.json"
    record.write_text(record.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(RunError, match=r"record version 2; this copycost reads version 1"):
        write_report([run], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_no_runs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no runs to report"):
        write_report([], tmp_path / "report.html")


def test_a_run_stopped_before_its_first_measurement_still_has_a_page(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(curve=[], ended="Ctrl-C", spent=0)
    text = write_report([run], tmp_path / "report.html").read_text()
    assert "nothing can be said" in text
    assert "stopped by Ctrl-C" in text


def test_runs_that_failed_are_named_and_none_is_not(runs: list[Path], tmp_path: Path) -> None:
    for failed, said in (((), ""), (("a", "b", "c"), "3 runs failed and are not on this page")):
        text = write_report(runs, tmp_path / "report.html", failed=failed).read_text()
        text = text.replace("\u00a0", " ")
        assert ("not on this page" in text) == bool(said)
        assert said in text
    assert ": a, b and c." in text


def test_two_victims_are_kept_apart(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run(victim={"name": name}) for name in ("first-model", "second-model")]
    text = write_report(runs, tmp_path / "report.html").read_text()
    assert text.count('class="headline"') == 2
    assert "What it takes to copy first-model and second-model" in text
    numbers = text[text.index('id="table"') : text.index('id="costs"')]
    assert numbers.count('<th scope="row">DFME</th>') == 2, "each in its own table alone"


def test_what_differs_between_rows_is_a_column_and_the_rest_is_said_once(
    make_run: MakeRun, tmp_path: Path
) -> None:
    runs = [make_run(student=student) for student in ("lenet", "gap-cnn")]
    text = write_report(runs, tmp_path / "report.html").read_text()
    assert '<th scope="col">Student</th>' in text
    assert "Student: " not in text
    assert "Access: probabilities" in text


def test_what_was_stopped_is_on_no_tile_and_in_no_figure_beside_what_finished(
    make_run: MakeRun, tmp_path: Path
) -> None:
    values = {"agreement": 0.3, "accuracy": 0.3, "generator/spread": 0.2}
    curve = [Point(queries=at, seconds=1.0, values=values) for at in (0, 9)]
    stopped: dict[str, Any] = {"ended": "SIGTERM", "spent": 9, "curve": curve}
    runs = [
        make_run("dfme", 0, moments=3),
        make_run("dfme", 1, **stopped),
        make_run("random-noise", **stopped),
    ]
    text = write_report(runs, tmp_path / "report.html").read_text()
    assert "agreement reached by random noise" not in text
    alone = write_report(runs[:2], tmp_path / "alone.html").read_text()
    assert "<dt>Gap</dt>" in alone
    assert "<dt>Spread</dt>" not in alone, "no figure shows it"


def test_each_set_of_held_out_data_has_its_own_results(make_run: MakeRun, tmp_path: Path) -> None:
    easy, hard = ({"dataset": name, "accuracy": a} for name, a in (("easy", 0.95), ("hard", 0.6)))
    runs = [make_run(victim=victim, moments=3) for victim in (easy, hard)]
    text = write_report(runs, tmp_path / "report.html").read_text()
    assert text.count("<h3>cifar10-resnet34 on hard</h3>") == 4, "curves, numbers, costs, losses"
    for said in ("your model: 95.0\u00a0%", "your model: 60.0\u00a0%"):
        assert said in text, "the level in the figure is of the same data as the curves"


@pytest.mark.parametrize(
    ("commonest", "level"),
    [
        (None, "one in 10, by chance: 10.0\u00a0%"),
        (0.109, "one in 10, by chance: 10.0\u00a0%"),
        (0.11, "always the commonest class: 11.0\u00a0%"),
        (0.6, "always the commonest class: 60.0\u00a0%"),
    ],
)
def test_what_a_copy_reaches_that_knows_nothing_is_drawn_beside_its_agreement(
    make_run: MakeRun, tmp_path: Path, commonest: float | None, level: str
) -> None:
    run = make_run(victim={"commonest_label": commonest}, moments=3)
    assert level in write_report([run], tmp_path / "report.html").read_text()


def test_every_defence_in_front_of_the_victim_is_listed(make_run: MakeRun, tmp_path: Path) -> None:
    defended = {"defences": ("rounding(1)",), "defended_accuracy": 0.875}
    runs = [make_run(), make_run(victim=defended)]
    text = write_report(runs, tmp_path / "report.html").read_text()
    for line in ("Undefended", "Behind rounding(1)", "accuracy 87.5\u00a0%"):
        assert line in text, line
    alone = write_report(runs[1:], tmp_path / "alone.html").read_text()
    assert "accuracy of the copy; your model: 95.5\u00a0%" in alone, "as it is without them"


def test_what_the_attackers_hold_is_said_beside_their_results(
    make_run: MakeRun, tmp_path: Path
) -> None:
    pool = PoolFacts(name="some photographs", size=9_000, conversion="resized to 8x8")
    alone = write_report([make_run("dfme")], tmp_path / "alone.html").read_text()
    assert "The attacker holds: strictly data-free" in alone
    assert '<th scope="col">The attacker holds</th>' not in alone
    runs = [make_run("dfme"), make_run("knockoff", knowledge="pool", pool=pool)]
    both = write_report(runs, tmp_path / "both.html").read_text()
    assert '<th scope="col">The attacker holds</th>' in both
    assert "<td>strictly data-free</td>" in both
    assert "<td>pool</td>" in both
    assert both.count("9,000 images of some photographs, resized to 8x8") == 1


def test_templates_are_packaged() -> None:
    folder = Path(write_report.__code__.co_filename).parent
    names = {path.name for path in folder.glob("*.j2")}
    assert names == {"layout.html.j2", "page.html.j2", "page.css.j2", "macros.html.j2"}
