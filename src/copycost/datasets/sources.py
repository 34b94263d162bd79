"""Where a data set's files are, and how to say what is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from copycost.errors import ConfigError, DataError

MOST_CLASSES = 100_000
"""For labels without names: larger numbers are hardly classes, but something like row numbers."""


def bad_data(where: Path | str, expected: str, came: str, advice: str) -> DataError:
    """The error for a damaged or foreign file: where, what was expected, what came, advice."""
    return DataError(f"{where}: expected {expected}, got {came}; {advice}")


def usual_folder(name: str) -> Path:
    """The folder of a downloaded data set: `$COPYCOST_DATA/name`, else `data/name`."""
    return Path(os.environ.get("COPYCOST_DATA") or "data") / name


def official_path(name: str, path: Path | None) -> Path:
    """`path`, or the usual folder of `name` if None; `DataError` if it does not exist."""
    place = path or usual_folder(name)
    if place.exists():
        return place
    advice = (
        f"check the path after '{name}:'"
        if path
        else f"run `copycost data fetch {name}`, or say where it is: `{name}:/path`"
    )
    raise bad_data(place, f"the {name} files", "nothing there", advice)


def given_path(name: str, path: Path | None, what: str) -> Path:
    """`path`, which must be given and exist. `what` says what it should be: 'a folder with …'.

    Raises:
        ConfigError: no path was given.
        DataError: there is nothing at the path.
    """
    if path is None:
        raise ConfigError(f"The data set {name!r} needs {what}: write `{name}:/path`.")
    if not path.exists():
        raise bad_data(path, what, "nothing there", f"check the path after '{name}:'")
    return path


def counted_names(where: Path, highest: int) -> tuple[str, ...]:
    """Names for the classes of labels from 0 to `highest`; `DataError` if they are too many."""
    if highest >= MOST_CLASSES:
        raise bad_data(
            where,
            f"labels from 0, one number a class, at most {MOST_CLASSES:,}",
            f"{highest:,}",
            "number the classes from 0",
        )
    return tuple(str(i) for i in range(highest + 1))


def refuse_path(name: str, path: Path | None) -> None:
    """Raise `ConfigError` if a path was given to a data set that is made here."""
    if path is not None:
        raise ConfigError(
            f"The data set {name!r} takes no path, got {str(path)!r}. Write just `{name}`."
        )


def require_files(where: Path, missing: Iterable[str], advice: str) -> None:
    """Raise one `DataError` naming every file that is `missing` from `where`, if any is."""
    names = list(missing)
    if names:
        raise bad_data(where, "all of its files", f"no {', '.join(names)}", advice)
