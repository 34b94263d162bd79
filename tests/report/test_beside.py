"""The files beside a page."""

from __future__ import annotations

from pathlib import Path

from copycost.report.beside import as_csv, write_beside


def test_a_picture_that_is_no_longer_drawn_does_not_stay_beside_its_page(tmp_path: Path) -> None:
    """What it showed is not on the page any more; of another name it is another page's."""
    both = {"svg": b"drawn", "png": b"painted", "csv": b"1"}
    assert write_beside(tmp_path, "one", both) == ["one.svg", "one.png", "one.csv"]
    write_beside(tmp_path, "other", both)
    assert write_beside(tmp_path, "one", {"csv": b"2", "svg": b"again"}) == ["one.csv", "one.svg"]
    left = {path.name: path.read_bytes() for path in tmp_path.glob("one.*")}
    assert left == {"one.csv": b"2", "one.svg": b"again"}
    assert (tmp_path / "other.png").exists()


def test_a_cell_may_hold_a_comma() -> None:
    assert as_csv(["a", "b"], [[1, "2,3"], [None, 0.5]]) == 'a,b\n1,"2,3"\n,0.5\n'
