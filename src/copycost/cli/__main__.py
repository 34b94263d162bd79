"""`python -m copycost.cli`."""

from __future__ import annotations

from copycost.cli import main

main()
