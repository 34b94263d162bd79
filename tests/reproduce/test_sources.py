"""Where data is looked for, and what is said of data that is not as it should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from copycost.datasets import load
from copycost.datasets.base import Dataset, Labelled
from copycost.errors import DataError
from copycost.reproduce import sources
from copycost.reproduce.plan import Plan, make_plan
from copycost.reproduce.sources import EXTENTS, check_data


def full(folder: Path | None, **asked: Any) -> Plan:
    usual: dict[str, Any] = {"figures": (3,), "scale": "full", "seeds": 1, "data": folder}
    return make_plan(**usual | asked)


def references(plan: Plan) -> dict[str, str | None]:
    return {run.victim: run.data for run in plan.runs}


@pytest.mark.parametrize(
    ("there", "cifar10", "svhn"),
    [
        (["cifar-10-python.tar.gz", "train_32x32.mat"], "cifar10:{}", "svhn:{}"),
        (["cifar10/cifar-10-batches/", "svhn/a_32x32.mat"], "cifar10:{}/cifar10", "svhn:{}/svhn"),
        (["data_batch_1.bin"], "cifar10:{}", "svhn:{}"),
        (["cifar10-jpeg/"], "parquet:{}/cifar10-jpeg", "svhn:{}"),
        (["cifar10-jpeg/", "cifar-10-binary.tar.gz"], "cifar10:{}", "svhn:{}"),
        ([], "cifar10:{}", "svhn:{}"),
    ],
)  # fmt: skip
def test_where_data_is_found(tmp_path, there, cifar10, svhn):
    for name in there:
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir() if name.endswith("/") else place.touch()
    assert references(full(tmp_path)) == {
        "cifar10-resnet34": cifar10.format(tmp_path),
        "svhn-resnet34": svhn.format(tmp_path),
    }


def test_the_folder_of_the_jpeg_copy_may_be_named_itself(tmp_path):
    place = tmp_path / "cifar10-jpeg"
    place.mkdir()
    assert references(full(place))["cifar10-resnet34"] == f"parquet:{place}"
    assert references(full(tmp_path / "cats"))["cifar10-resnet34"] == f"cifar10:{tmp_path / 'cats'}"


def test_the_jpeg_copy_is_called_what_it_is(tmp_path):
    (tmp_path / "cifar10-jpeg").mkdir()
    assert full(tmp_path).stand_ins("figure-3") == {
        "CIFAR-10": "CIFAR-10 (JPEG q75) in CIFAR-10's place"
    }


def test_a_folder_is_kept_as_given_and_left_out_where_data_is_made_here():
    assert references(full(Path("my/data")))["svhn-resnet34"] == "svhn:my/data"
    assert set(references(full(None, scale="quick")).values()) == {None}
    assert set(references(make_plan(figures=(3,), scale="full", seeds=1)).values()) == {None}
    found = references(full(Path("my/data"), house_numbers=True))
    assert found["house-numbers-resnet34"] is None


def test_all_that_is_missing_is_said_at_once_with_where_and_what_to_do(tmp_path):
    with pytest.raises(DataError) as error:
        check_data(full(tmp_path).runs)
    svhn, cifar10 = sorted(str(error.value).split("\n"), key=lambda line: "CIFAR" in line)
    assert f"{tmp_path}: expected all of its files, got no train_32x32.mat, test_32x32.mat" in svhn
    assert ". Or take --house-numbers" in svhn
    assert f"{tmp_path}: expected the official CIFAR-10 files" in cifar10
    assert "`copycost data fetch cifar10`. Or put its JPEG copy" in cifar10
    assert "into a folder cifar10-jpeg" in cifar10


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path}/no: expected the cifar10 files, got nothing"):
        check_data(full(tmp_path / "no", figures=(2,)).runs)


def test_only_what_the_runs_need_is_looked_for(tmp_path):
    with pytest.raises(DataError) as error:
        check_data(full(tmp_path, figures=(2,)).runs)
    assert "svhn" not in str(error.value)
    check_data(make_plan(scale="quick", seeds=1).runs)
    check_data([])


def test_truncated_files_are_named(tmp_path):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"\x1f\x8b half an archive")
    for name in ("train_32x32.mat", "test_32x32.mat"):
        (tmp_path / name).write_bytes(b"MATLAB 5.0")
    with pytest.raises(DataError) as error:
        check_data(full(tmp_path).runs)
    assert "cifar-10-python.tar.gz: expected a whole .tar.gz" in str(error.value)
    assert "train_32x32.mat: expected a whole Matlab 5 file" in str(error.value)
    assert "JPEG" not in str(error.value), "official files come first, broken or not"


def test_a_broken_jpeg_copy_is_no_advice_against_itself(tmp_path):
    (tmp_path / "cifar10-jpeg").mkdir()
    for name in ("train.parquet", "test.parquet"):
        (tmp_path / "cifar10-jpeg" / name).write_bytes(b"half")
    with pytest.raises(DataError) as error:
        check_data(full(tmp_path, figures=(2,)).runs)
    assert str(error.value).endswith("copy or download it again.")


def images(count: int) -> Labelled:
    return Labelled(torch.zeros(count, 3, 32, 32, dtype=torch.uint8), torch.arange(count) % 10)


def test_part_of_a_data_set_is_not_the_data_set(monkeypatch, tmp_path):
    part = Dataset(
        "cifar10-jpeg", "CIFAR-10 (JPEG q75)", tuple("0123456789"), images(50), images(20)
    )
    monkeypatch.setattr(sources, "load", lambda reference: part)
    with pytest.raises(DataError, match=r"expected 50,000 \+ 10,000 images of 3×32×32 of 10"):
        check_data(full(tmp_path, figures=(2,)).runs)


@pytest.mark.parametrize("name", ["digits"])
def test_extents_are_the_data_sets_own(name):
    assert_extent(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["house-numbers-16", "house-numbers"])
def test_extents_of_what_is_drawn_here(name):
    assert_extent(name)


def assert_extent(name: str) -> None:
    found = load(name)
    assert EXTENTS[name] == (tuple(found.spec.shape), len(found.train), len(found.test))


def test_real_copy_of_cifar10(real_data):
    plan = full(real_data, figures=(2,))
    assert references(plan) == {"cifar10-resnet34": f"parquet:{real_data}/cifar10-jpeg"}
