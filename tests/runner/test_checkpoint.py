from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import safetensors.torch
import torch

from copycost.errors import RunError
from copycost.runner import checkpoint
from copycost.runner.checkpoint import VERSION, Saver, load_checkpoint, save_checkpoint


class Size(NamedTuple):
    """Of a grid."""

    rows: int
    columns: int


def test_everything_comes_back_with_its_type(tmp_path):
    shared = torch.arange(6.0)
    state: dict[str, Any] = {
        "tensor": torch.randn(3, 4),
        "empty": torch.zeros(0),
        "scalar": torch.tensor(3, dtype=torch.int64),
        "twice": [shared, shared[2:4]],
        "optimizer": {0: {"momentum": torch.ones(2)}, 1: {"momentum": None}},
        "betas": (0.9, 0.999),
        "text": "ä",
        "flag": True,
        "infinite": float("inf"),
    }
    save_checkpoint(tmp_path / "c", state)
    loaded = load_checkpoint(tmp_path / "c")
    assert loaded is not None
    assert torch.equal(loaded["tensor"], state["tensor"])
    assert loaded["scalar"].dtype == torch.int64
    assert torch.equal(loaded["twice"][1], shared[2:4])
    assert list(loaded["optimizer"]) == [0, 1]
    assert loaded["optimizer"][1] == {"momentum": None}
    assert loaded["betas"] == (0.9, 0.999)
    assert (loaded["text"], loaded["flag"], loaded["infinite"]) == ("ä", True, float("inf"))


def test_names_that_look_alike_are_two(tmp_path):
    state: Any = {"a/b": torch.tensor(1), "a": {"b": torch.tensor(2)}}
    state |= {"c": {1: torch.tensor(3), "1": torch.tensor(4)}}
    save_checkpoint(tmp_path / "c", state)
    assert load_checkpoint(tmp_path / "c") == state


def test_a_named_tuple_comes_back_as_an_equal_tuple(tmp_path):
    save_checkpoint(tmp_path / "c", {"size": Size(2, 3)})
    assert load_checkpoint(tmp_path / "c") == {"size": Size(2, 3)}


def test_keys_that_could_not_be_read_back_are_refused_at_once(tmp_path):
    with pytest.raises(TypeError, match=r"keys of the dict at /a: use strings or integers"):
        save_checkpoint(tmp_path / "c", {"a": {(1, 2): 3}})


def test_none_where_there_is_none(tmp_path):
    assert load_checkpoint(tmp_path / "c") is None


@pytest.mark.parametrize("cut", [0, 7, 100])
def test_a_damaged_file_is_an_error(tmp_path, cut):
    path = tmp_path / "c"
    save_checkpoint(path, {"tensor": torch.ones(100)})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(RunError, match="damaged"):
        load_checkpoint(path)


def test_one_that_the_disk_does_not_give_is_an_error(tmp_path):
    (tmp_path / "c").mkdir()
    with pytest.raises(RunError, match="damaged"):
        load_checkpoint(tmp_path / "c")


@pytest.mark.parametrize("structure", ["", "[", "[1]", "{}", '{"dict": [["a"]]}', '{"what": 1}'])
def test_so_is_one_whose_structure_is(tmp_path, structure):
    tensors = {"a": torch.ones(1)}
    checksum = checkpoint._checksum(tensors, structure)
    metadata = {"version": VERSION, "structure": structure, "checksum": checksum}
    safetensors.torch.save_file(tensors, tmp_path / "c", metadata)
    with pytest.raises(RunError, match=r"/c is damaged: "):
        load_checkpoint(tmp_path / "c")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.bool])
def test_one_flipped_bit_of_a_tensor_is_damage(tmp_path, dtype):
    path = tmp_path / "c"
    save_checkpoint(path, {"scalar": torch.tensor(1, dtype=dtype), "n": torch.ones(9, dtype=dtype)})
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunError, match="its checksum is not"):
        load_checkpoint(path)


def test_a_number_changed_in_the_header_is_damage(tmp_path):
    path = tmp_path / "c"
    save_checkpoint(path, {"spent": 1234, "tensor": torch.ones(2)})
    path.write_bytes(path.read_bytes().replace(b"1234", b"1235"))
    with pytest.raises(RunError, match="its checksum is not"):
        load_checkpoint(path)


def test_one_without_a_checksum_is_damaged(tmp_path):
    metadata = {"version": VERSION, "structure": '{"dict": []}'}
    safetensors.torch.save_file({"a": torch.ones(1)}, tmp_path / "c", metadata)
    with pytest.raises(RunError, match=r"damaged.*checksum"):
        load_checkpoint(tmp_path / "c")


def test_one_of_another_version_is_named_and_not_read(tmp_path):
    metadata = {"version": "1", "structure": '{"dict": []}'}
    safetensors.torch.save_file({"a": torch.ones(1)}, tmp_path / "c", metadata)
    with pytest.raises(RunError, match=rf"has version '1'; this copycost reads version {VERSION}"):
        load_checkpoint(tmp_path / "c")


def test_what_cannot_be_saved_is_named(tmp_path):
    with pytest.raises(TypeError, match="object at /deep/0"):
        save_checkpoint(tmp_path / "c", {"deep": [object()]})
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_written_behind_is_of_the_moment_it_was_put(tmp_path):
    saver, weights = Saver(), torch.ones(1000)
    saver.put(tmp_path / "c", {"weights": weights})
    weights.zero_()
    saver.wait()
    saved = load_checkpoint(tmp_path / "c")
    assert saved is not None
    assert torch.equal(saved["weights"], torch.ones(1000))


def test_what_went_wrong_behind_is_raised_at_the_next_moment(tmp_path):
    saver = Saver()
    (tmp_path / "file").write_text("not a folder")
    saver.put(tmp_path / "file" / "c", {"weights": torch.ones(3)})
    with pytest.raises(OSError, match="file"):
        saver.put(tmp_path / "c", {"weights": torch.ones(3)})
    saver.put(tmp_path / "c", {"weights": torch.ones(3)})
    saver.wait()
    assert load_checkpoint(tmp_path / "c") is not None
