"""Print the victims that a full-scale reproduction on house numbers copies, one per line.

    python tools/victims_of.py OPTION…

The options are those of `copycost reproduce` that choose figures; others are ignored.
"""

from __future__ import annotations

import argparse
import sys

from copycost.reproduce.plan import make_plan


def main(options: list[str]) -> None:
    """Print the victims for `options`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--figure", type=int, action="append", default=[])
    parser.add_argument("--analysis", action="append", default=[])
    chosen, _ = parser.parse_known_args(options)
    plan = make_plan(
        figures=chosen.figure, analyses=chosen.analysis, scale="full", house_numbers=True
    )
    sys.stdout.writelines(f"{name}\n" for name in sorted({run.victim for run in plan.runs}))


if __name__ == "__main__":
    main(sys.argv[1:])
