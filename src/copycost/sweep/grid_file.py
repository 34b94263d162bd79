"""A grid as a TOML file. Loads no PyTorch: the values are checked later, by `Grid.read`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from copycost.errors import ConfigError


def read_grid_file(path: Path) -> dict[str, Any]:
    """The values in a TOML file, unchecked; `ConfigError` if it is not TOML or is empty."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:  # invalid TOML or UTF-8
        raise ConfigError(f"{path} is not a TOML file: {error}.") from None
    if not values:
        raise ConfigError(f"{path} is empty: there are no runs in this sweep.")
    return values
