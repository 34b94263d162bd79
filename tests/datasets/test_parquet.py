import json
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from copycost.datasets import load
from copycost.errors import DataError


def _image(value: int, size: tuple[int, int] = (4, 3)) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", size, (value, 0, 9)).save(buffer, "PNG")
    return buffer.getvalue()


def _table(values: list[int], column: str = "image", labels: list[Any] | None = None) -> pa.Table:
    images = [{"bytes": _image(value), "path": f"{value}.png"} for value in values]
    return pa.table({column: images, "label": labels or [value % 3 for value in values]})


def _write(folder: Path, column: str = "image") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(_table([0, 1, 2, 3, 4], column), folder / "train.parquet")
    pq.write_table(_table([7, 8], column), folder / "test.parquet")
    return folder


@pytest.mark.parametrize("column", ["image", "img"])
def test_round_trip(tmp_path: Path, column: str) -> None:
    data = load(f"parquet:{_write(tmp_path / 'things', column)}")
    assert (data.name, data.provenance) == ("things", "things")
    assert data.class_names == ("0", "1", "2")
    assert data.spec.shape == (3, 3, 4)
    assert data.train.inputs[:, 0, 2, 3].tolist() == [0, 1, 2, 3, 4]
    assert data.test.labels.tolist() == [1, 2]


def test_a_whole_file_beside_its_shards_is_not_read_twice(tmp_path: Path) -> None:
    folder = _write(tmp_path)
    pq.write_table(_table([0, 1, 2, 3, 4]), folder / "train-00000-of-00001.parquet")
    assert len(load(f"parquet:{folder}").train) == 5


def test_a_label_does_not_make_it_another_collection(tmp_path: Path) -> None:
    plain, named = (load(f"parquet:{_write(tmp_path)}{label}") for label in ("", "#Some things"))
    assert named.provenance == "Some things"
    assert named.origin == plain.origin


@pytest.mark.parametrize("highest", [100_000, 2**40])
def test_labels_that_number_the_rows_of_something_are_refused(tmp_path: Path, highest: int) -> None:
    pq.write_table(_table([7, 8], labels=[0, highest]), _write(tmp_path) / "test.parquet")
    with pytest.raises(DataError, match=f"at most 100,000, got {highest:,}; number the classes"):
        load(f"parquet:{tmp_path}")


def test_class_names_come_from_hugging_face_metadata(tmp_path: Path) -> None:
    folder = _write(tmp_path)
    info = {"info": {"features": {"label": {"names": ["x", "y", "z"], "_type": "ClassLabel"}}}}
    table = _table([0, 1, 2]).replace_schema_metadata({"huggingface": json.dumps(info)})
    pq.write_table(table, folder / "train.parquet")
    assert load(f"parquet:{folder}").class_names == ("x", "y", "z")


def test_shards_are_read_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    pq.write_table(_table([5, 6]), folder / "train-00001-of-00002.parquet")
    pq.write_table(_table([3, 4]), folder / "train-00000-of-00002.parquet")
    pq.write_table(_table([1, 2]), folder / "test-00000-of-00001.parquet")
    data = load(f"parquet:{tmp_path}")
    assert data.train.inputs[:, 0, 0, 0].tolist() == [3, 4, 5, 6]


@pytest.mark.parametrize(
    ("size", "labels", "came"),
    [
        ((4, 3), 10, r"images \[3, 3, 4\] of 10 classes"),
        ((32, 32), 3, r"images \[3, 32, 32\] of 3 classes"),
    ],
)
def test_only_images_like_those_of_cifar10_are_halved_under_its_name(
    tmp_path: Path, size: tuple[int, int], labels: int, came: str
) -> None:
    for part in ("train", "test"):
        images = [{"bytes": _image(value, size), "path": ""} for value in range(labels)]
        table = pa.table({"image": images, "label": list(range(labels))})
        pq.write_table(table, tmp_path / f"{part}.parquet")
    expected = r"CIFAR-10: images \[3, 32, 32\] of 10 classes"
    with pytest.raises(DataError, match=rf"expected {expected}, got {came}; .*`parquet:"):
        load(f"cifar10-16:{tmp_path}")


def test_a_known_copy_says_what_it_is(tmp_path: Path) -> None:
    data = load(f"parquet:{_write(tmp_path / 'cifar10-jpeg')}")
    assert data.provenance == "CIFAR-10 (JPEG q75)"
    assert data.origin == "CIFAR-10"
    assert data.class_names[9] == "truck"


def test_missing_files_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no train\.parquet, test\.parquet"):
        load(f"parquet:{tmp_path}")


@pytest.mark.parametrize("end", [0, 3, 300, -1])
def test_a_cut_file_is_refused(tmp_path: Path, end: int) -> None:
    path = _write(tmp_path) / "test.parquet"
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(DataError, match=r"test\.parquet: expected a whole Parquet file"):
        load(f"parquet:{tmp_path}")


def test_damaged_pages_are_refused(tmp_path: Path) -> None:
    path = _write(tmp_path) / "test.parquet"
    whole = bytearray(path.read_bytes())
    whole[4:60] = bytes(56)
    path.write_bytes(whole)
    with pytest.raises(DataError, match=r"test\.parquet"):
        load(f"parquet:{tmp_path}")


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"text": ["a"], "label": [0]}),
        pa.table({"image": [_image(0)], "label": [0]}),
        _table([0], labels=["cat"]),
        _table([0]).select(["image"]),
    ],
)
def test_other_columns_are_refused(tmp_path: Path, table: pa.Table) -> None:
    pq.write_table(table, _write(tmp_path) / "train.parquet")
    with pytest.raises(DataError, match=r"train\.parquet: expected columns"):
        load(f"parquet:{tmp_path}")


def test_empty_cells_are_refused(tmp_path: Path) -> None:
    path = _write(tmp_path) / "train.parquet"
    pq.write_table(_table([0, 1], labels=[0, None]), path)
    with pytest.raises(DataError, match="a label in every row"):
        load(f"parquet:{tmp_path}")
    images = [{"bytes": _image(0), "path": ""}, None]
    pq.write_table(pa.table({"image": images, "label": [0, 1]}), path)
    with pytest.raises(DataError, match="row 1: expected a whole image"):
        _ = load(f"parquet:{tmp_path}").train.inputs


def test_no_rows_are_refused(tmp_path: Path) -> None:
    pq.write_table(_table([0]).slice(0, 0), _write(tmp_path) / "train.parquet")
    with pytest.raises(DataError, match="at least one image"):
        load(f"parquet:{tmp_path}")


def test_real_cifar10_jpeg(tmp_path: Path) -> None:
    root = os.environ.get("COPYCOST_TEST_DATA")
    folder = Path(root or "") / "cifar10-jpeg"
    if not root or not folder.is_dir():
        pytest.skip("COPYCOST_TEST_DATA names no folder with cifar10-jpeg in it")
    # Its beginning, in which classes alternate: decoding all 60,000 takes ten seconds.
    part = tmp_path / "cifar10-jpeg"
    part.mkdir()
    for name in ("train.parquet", "test.parquet"):
        rows = next(pq.ParquetFile(folder / name).iter_batches(batch_size=3_000))
        pq.write_table(pa.Table.from_batches([rows]), part / name)
    data = load(f"parquet:{part}")
    assert data.provenance == "CIFAR-10 (JPEG q75)"
    assert data.spec.shape == (3, 32, 32)
    assert data.train.labels.bincount().tolist() == [300] * 10
    # CIFAR-10's well-known channel means, as far as 3,000 images can show them.
    means = data.train.values().mean(dim=(0, 2, 3)).tolist()
    assert means == pytest.approx([0.491, 0.482, 0.447], abs=0.02)
