"""The page as a file: complete, escaped, self-contained and the same every time."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from copycost.errors import RunError
from copycost.flags import Flag
from copycost.report.explanations import EXPLANATIONS
from copycost.report.page import write_report

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


@pytest.fixture
def runs(make_run):
    return [
        make_run("dfme", 0, 0.93, samples=True, flags=[Flag("queries-lost", "12 queries")]),
        make_run("random-noise", 0, 0.15),
        make_run("dfme", 1, 0.95, resumed=["from 10,000 queries after SIGTERM; none lost"]),
    ]


def test_everything_a_reader_needs_is_on_the_page(runs, tmp_path):
    path = write_report(runs, tmp_path / "out" / "report.html")
    page = path.read_text()
    assert path == tmp_path / "out" / "report.html"
    for text in (
        "With 150,000 queries, DFME made a copy",
        "cifar10-resnet34",
        "a test machine",
        "0123abc+",
        "attack.epsilon",
        "auditor",
        "210,000",
        "after SIGTERM",
        "Authorised use",
        EXPLANATIONS["queries-lost"].why,
    ):
        assert text in page, text
    for label in ("Agreement with your model", "Accuracy of the copy", "Generator: gradient norm"):
        assert re.search(rf'role="img" aria-label="{label} against queries', page), label


def test_it_is_well_formed_and_its_inner_links_lead_somewhere(runs, tmp_path):
    page = outline(write_report(runs, tmp_path / "report.html").read_text())
    inner = [link[1:] for link in page.links if link.startswith("#")]
    assert {"flag-queries-lost", "flag-too-few-seeds"} <= set(inner)
    assert set(inner) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_it_asks_nothing_of_the_network_and_runs_nothing(runs, tmp_path):
    text = write_report(runs, tmp_path / "report.html").read_text()
    page = outline(text)
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in page.links)
    assert all(target.startswith("#") for target in re.findall(r"url\(['\"]?([^)]*)\)", text))
    assert not re.search(r"https?:|@import|<script|<link", text)
    assert not re.search(r"<[^>]*\son\w+=", text)


def test_the_same_records_give_the_same_bytes(runs, tmp_path):
    first = write_report(runs, tmp_path / "a.html").read_bytes()
    assert write_report(runs, tmp_path / "b.html").read_bytes() == first


def test_the_page_does_not_tell_where_it_was_made(runs, tmp_path):
    assert str(tmp_path) not in write_report(runs, tmp_path / "report.html").read_text()


EVIL = "<script>alert('$1')</script>\"'><img src=x onerror=y> --> ]]>"


def test_strings_from_records_are_text_and_never_markup(make_run, tmp_path):
    runs = [
        make_run(
            EVIL,
            agreement=share,
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


def test_names_from_records_are_safe_inside_figures(make_run, tmp_path):
    names = [f"x{EVIL}", "$\\frac{", "моделька 模型", "_hidden"]
    runs = [make_run(name, agreement=0.5) for name in names]
    page = outline(write_report(runs, tmp_path / "report.html").read_text())
    assert not {"script", "img"} & set(page.tags)


def test_samples_are_shown_where_a_run_left_them(make_run, tmp_path):
    with_one, without = make_run(samples=True), make_run(seed=1)
    text = write_report([with_one, without], tmp_path / "a.html").read_text()
    assert text.count("<img") == 1
    assert 'width="320"' in text, "64 pixels, enlarged by the whole factor 5"
    assert "<img" not in write_report([without], tmp_path / "b.html").read_text()


def test_samples_that_are_no_picture_are_an_error_with_the_way_out(make_run, tmp_path):
    run = make_run()
    (run / "samples.png").write_text("<svg onload=alert()>")
    with pytest.raises(RunError, match="not a PNG picture"):
        write_report([run], tmp_path / "report.html")


def test_the_record_itself_may_be_named_and_counts_once(make_run, tmp_path):
    run = make_run()
    text = write_report([run, run / "..", run][::2], tmp_path / "a.html").read_text()
    assert "from 1 run record " in text
    assert write_report([run / "record.json"], tmp_path / "b.html").exists()


def test_a_record_of_another_version_is_refused_and_nothing_is_written(make_run, tmp_path):
    run = make_run()
    record = run / "record.json"
    record.write_text(record.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(RunError, match=r"record version 2; this copycost reads version 1"):
        write_report([run], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_no_runs_is_an_error(tmp_path):
    with pytest.raises(RunError, match="no runs to report"):
        write_report([], tmp_path / "report.html")


def test_a_run_stopped_before_its_first_measurement_still_has_a_page(make_run, tmp_path):
    run = make_run(curve=[], ended="Ctrl-C", spent=0)
    text = write_report([run], tmp_path / "report.html").read_text()
    assert "nothing can be said" in text
    assert "stopped by Ctrl-C" in text


def test_two_victims_are_kept_apart(make_run, tmp_path):
    runs = [make_run(victim={"name": name}) for name in ("first-model", "second-model")]
    text = write_report(runs, tmp_path / "report.html").read_text()
    assert text.count('class="headline"') == 2
    assert "What it takes to copy first-model and second-model" in text


def test_templates_are_packaged():
    folder = Path(write_report.__code__.co_filename).parent
    assert {path.name for path in folder.glob("*.j2")} == {"page.html.j2", "page.css.j2"}
