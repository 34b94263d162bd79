import re
from pathlib import Path

import numpy as np
import pytest

from copycost.datasets import DATASETS, fashion_mnist, load
from copycost.errors import ConfigError, DataError

_MADE_HERE = ("digits", "house-numbers", "house-numbers-16")
_OFFICIAL = ("cifar10", "svhn", "fashion-mnist")
_OWN = ("parquet", "folder", "npz")


def _write_npz(path: Path) -> Path:
    x, y = np.zeros((4, 3, 3), dtype=np.uint8), np.arange(4) % 2
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
    return path


def test_every_name_resolves_to_a_loader() -> None:
    assert list(DATASETS) == [*_MADE_HERE, *_OFFICIAL, "fashion-mnist-16", "cifar10-16", *_OWN]
    assert all(callable(DATASETS[name]) for name in DATASETS)


def test_unknown_name_gets_a_hint() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'cifar10'"):
        load("cifar-10")


@pytest.mark.parametrize("name", _MADE_HERE)
def test_what_is_made_here_takes_no_path(name: str) -> None:
    with pytest.raises(ConfigError, match="takes no path"):
        load(f"{name}:/somewhere")


@pytest.mark.parametrize("name", _OWN)
def test_ones_own_data_need_a_path(name: str) -> None:
    with pytest.raises(ConfigError, match=f"`{name}:/path`"):
        load(name)
    with pytest.raises(DataError, match="nothing there"):
        load(f"{name}:/nowhere/at/all")


@pytest.mark.parametrize("name", DATASETS)
def test_a_colon_promises_a_path(name: str) -> None:
    with pytest.raises(ConfigError, match="no path after the colon"):
        load(f"{name}:")


@pytest.mark.parametrize("name", _OFFICIAL)
def test_official_data_not_there_says_how_to_fetch(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COPYCOST_DATA", str(tmp_path))
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "not-installed")
    with pytest.raises(DataError, match=f"copycost data fetch {name}") as caught:
        load(name)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("name", _OFFICIAL)
def test_official_data_default_to_the_working_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COPYCOST_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "not-installed")
    with pytest.raises(DataError, match=str(Path("data") / name)):
        load(name)


def test_a_label_replaces_the_provenance(tmp_path: Path) -> None:
    path = _write_npz(tmp_path / "cats.npz")
    assert load(f"npz:{path}").provenance == "cats"
    assert load(f"npz:{path}#Cats (PNG)").provenance == "Cats (PNG)"


def test_a_path_with_a_hash_is_a_path(tmp_path: Path) -> None:
    path = _write_npz(tmp_path / "a#b.npz")
    assert load(f"npz:{path}").provenance == "a#b"


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    _write_npz(tmp_path / "mine.npz")
    assert load("npz:~/mine.npz").name == "mine"


@pytest.mark.parametrize("reference", ["folder:~nouser-of-copycost/x", "svhn:~nouser-of-copycost"])
def test_a_home_that_is_not_there_is_said(reference: str) -> None:
    place = re.escape(reference.partition(":")[2])
    with pytest.raises(ConfigError, match=f"{place}' begins with ~nouser-of-copycost, but"):
        load(reference)
