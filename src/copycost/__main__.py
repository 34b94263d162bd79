"""`python -m copycost`."""

from __future__ import annotations

from copycost.cli import main

main()
