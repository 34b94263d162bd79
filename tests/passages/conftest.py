"""Records are made up as they are for the report."""

from __future__ import annotations

from tests.report.conftest import make_record

__all__ = ["make_record"]
