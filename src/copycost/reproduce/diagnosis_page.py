"""What the pages show of diagnoses: the true gradient beside the estimate."""

from __future__ import annotations

from dataclasses import dataclass

from copycost.report import vanishing
from copycost.report.figures import Drawing, values_figure
from copycost.report.vanishing import Rows
from copycost.report.vanishing_seeds import Seeds
from copycost.report.vanishing_verdict import verdict


@dataclass(frozen=True)
class Diagnosed:
    """Finished diagnoses, one per seed, ready for a page."""

    title: str
    said: list[str]
    drawings: list[Drawing]
    tables: list[tuple[str, Rows]]
    """Each with its caption."""


def diagnosed(records: Seeds) -> Diagnosed | None:
    """The diagnoses of one configuration, seed by seed; None without any."""
    if not records:
        return None
    title = "Cosine of the estimate with the true gradient"
    apart = "; in brackets how far apart seeds were at the most" if len(records) > 1 else ""
    return Diagnosed(
        title=vanishing.title(records),
        said=verdict(records),
        drawings=[
            values_figure("Norms of gradients", vanishing.norm_curves(records)),
            values_figure(title, vanishing.cosine_curves(records)),
        ],
        tables=[
            (
                f"Norms at the start, the middle and the end: {vanishing.brackets(records)}",
                vanishing.norm_rows(records),
            ),
            (
                f"Cosine with the true gradient at the start / the middle / the end{apart}",
                vanishing.cosine_rows(records),
            ),
        ],
    )
