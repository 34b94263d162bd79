"""Saved models: what is saved is what is loaded, and anything else is refused by name."""

from __future__ import annotations

import json
import pickle
import shutil

import pytest
import safetensors.torch
import torch
from torch import nn

from copycost.errors import RunError, SpecMismatch
from copycost.nets import ARCHITECTURES
from copycost.nets.normalised import Normalised
from copycost.nets.seeded import build
from copycost.types import InputSpec
from copycost.victims import saved
from copycost.victims.saved import Card, content_hash, export_onnx, load_model, save_model

SPEC = InputSpec((2, 8, 8), low=-1.0, high=2.0)


def make(name="lenet", seed=0, normalised=False):
    module = build(ARCHITECTURES[name], SPEC, 3, seed)
    if normalised:
        module = Normalised(module, torch.tensor([0.1, 0.2]), torch.tensor([0.3, 0.4]))
    card = Card(architecture=name, spec=SPEC, classes=3, normalised=normalised, seed=seed)
    return module, card


@pytest.fixture
def folder(tmp_path):
    save_model(tmp_path / "model", *make())
    return tmp_path / "model"


def edit_card(folder, **changes):
    path = folder / "card.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **changes}))


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("name", ["gap-cnn", "lenet", "small-resnet"])
def test_round_trip(tmp_path, name, normalised):
    module, card = make(name, normalised=normalised)
    card = card.model_copy(
        update={"recipe": {"epochs": 3, "deep": [1.5, None]}, "class_names": ("a", "b", "c")}
    )
    module(torch.rand(9, 2, 8, 8))  # so that batch norm has statistics to be kept
    state = torch.random.get_rng_state()
    written = save_model(tmp_path / "a" / "model", module, card)
    loaded, read = load_model(tmp_path / "a" / "model")

    assert torch.equal(torch.random.get_rng_state(), state)
    assert read == written == card.model_copy(update={"content_hash": content_hash(module)})
    assert read.created_by.startswith("copycost ")
    assert not any(m.training for m in loaded.modules())
    assert all(p.requires_grad and p.device.type == "cpu" for p in loaded.parameters())
    x = torch.rand(4, 2, 8, 8)
    assert torch.equal(loaded(x), module.eval()(x))
    assert sorted(p.name for p in (tmp_path / "a").rglob("*")) == [
        "card.json",
        "model",
        "model.safetensors",
    ]


def test_a_module_in_channels_last_or_half_a_graph_is_saved_by_value(tmp_path):
    module, card = make("gap-cnn")
    plain = content_hash(module)
    module.to(memory_format=torch.channels_last)
    assert content_hash(module) == plain
    assert save_model(tmp_path / "model", module, card).content_hash == plain


def test_content_hash_sees_names_shapes_types_and_every_byte():
    class Holder(nn.Module):
        def __init__(self, name, tensor):
            super().__init__()
            self.register_buffer(name, tensor)

    zeros = torch.zeros(2, 3)
    other = zeros.clone()
    other[1, 2] = 1e-45  # one bit
    kinds = [
        ("a", zeros),
        ("b", zeros),
        ("a", zeros.reshape(3, 2)),
        ("a", zeros.reshape(6)),
        ("a", zeros.to(torch.int32)),
        ("a", zeros.to(torch.bfloat16)),
        ("a", torch.tensor(0.0)),
        ("a", other),
    ]
    assert len({content_hash(Holder(*kind)) for kind in kinds}) == len(kinds)
    assert content_hash(Holder("a", zeros.T.contiguous().T)) == content_hash(Holder("a", zeros))


def test_saving_again_replaces_the_model(folder):
    module, card = make(seed=1)
    save_model(folder, module, card)
    assert load_model(folder)[1].content_hash == content_hash(module)
    assert [p.name for p in folder.parent.iterdir()] == ["model"]


def test_saving_never_deletes_what_is_not_a_model(folder):
    (folder / "ledger.sqlite").write_text("precious")
    with pytest.raises(RunError, match=r"ledger\.sqlite"):
        save_model(folder, *make(seed=1))
    assert (folder / "ledger.sqlite").read_text() == "precious"
    load_model(folder)


def test_saving_over_a_file_is_refused(tmp_path):
    (tmp_path / "model").write_text("precious")
    with pytest.raises(RunError, match="cannot become a saved model"):
        save_model(tmp_path / "model", *make())


@pytest.mark.parametrize("calls", [1, 2])
def test_a_crash_while_writing_leaves_the_earlier_model(folder, monkeypatch, calls):
    left = [calls]

    def failing(path, content):
        left[0] -= 1
        if not left[0]:
            raise OSError("disk full")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    before = load_model(folder)[1]
    monkeypatch.setattr(saved, "write_atomically", failing)
    with pytest.raises(OSError, match="disk full"):
        save_model(folder, *make(seed=1))
    assert load_model(folder)[1] == before
    assert [p.name for p in folder.parent.iterdir()] == ["model"]


def test_a_crash_between_the_renames_leaves_the_earlier_model(folder):
    before = load_model(folder)[1]
    folder.rename(folder.with_name(".model.previous"))
    assert load_model(folder)[1] == before
    save_model(folder, *make(seed=1))
    assert load_model(folder)[1].seed == 1
    assert [p.name for p in folder.parent.iterdir()] == ["model"]


def test_saving_a_module_that_is_not_the_cards_is_refused(tmp_path):
    module, _ = make("lenet")
    _, card = make("gap-cnn")
    with pytest.raises(SpecMismatch, match="declares another architecture"):
        save_model(tmp_path / "model", module, card)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["card.json", "model.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(RunError, match=name):
        load_model(folder)


def test_a_missing_folder_is_said_to_be_no_model(tmp_path):
    with pytest.raises(RunError, match="nowhere is not a saved model"):
        load_model(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["card.json", "model.safetensors"])
def test_truncated_at_any_length_is_refused(folder, name):
    whole = (folder / name).read_bytes()
    short = len(whole.rstrip())
    for length in [0, 1, 7, 8, 9, 100, short // 2, short - 1]:
        (folder / name).write_bytes(whole[:length])
        with pytest.raises(RunError, match=r"truncated|damaged"):
            load_model(folder)


def test_one_changed_bit_is_refused(folder):
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(SpecMismatch, match="content hash"):
        load_model(folder)


def test_weights_of_another_model_are_refused(folder, tmp_path):
    save_model(tmp_path / "other", *make(seed=1))
    shutil.copy(tmp_path / "other" / "model.safetensors", folder / "model.safetensors")
    with pytest.raises(SpecMismatch, match="changed after saving"):
        load_model(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": 4},
        {"architecture": "gap-cnn"},
        {"normalised": True},
        {"spec": {"shape": [1, 8, 8]}},
        {"classes": 1_000_000_000},  # built without storage, so refused without 340 GB
    ],
)
def test_a_card_that_does_not_fit_its_weights_is_refused(folder, changes):
    edit_card(folder, **changes)
    with pytest.raises(SpecMismatch, match="the card declares another"):
        load_model(folder)


def test_weights_of_another_type_are_refused(folder):
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    halved = {name: tensor.half() for name, tensor in weights.items()}
    safetensors.torch.save_file(halved, folder / "model.safetensors")
    edit_card(folder, content_hash=saved._hash(halved))
    with pytest.raises(SpecMismatch, match="float16"):
        load_model(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format 2"),
        ({"architecture": "transformer"}, "no architecture 'transformer'"),
        ({"colour": "red"}, "colour"),
        ({"classes": 1}, "classes"),
        ({"test_accuracy": 97.0}, "test_accuracy"),
        ({"class_names": ["a"]}, "1 class names for 3 classes"),
        ({"spec": {"shape": []}}, "spec"),
    ],
)
def test_a_foreign_card_is_refused_with_its_reason(folder, changes, message):
    edit_card(folder, **changes)
    with pytest.raises(RunError, match=message):
        load_model(folder)


@pytest.mark.parametrize("content", [b"[]", b"null", b"\xff\xfe", b"not json", b'"card"'])
def test_a_card_that_is_no_card_is_refused(folder, content):
    (folder / "card.json").write_bytes(content)
    with pytest.raises(RunError, match=r"card\.json"):
        load_model(folder)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("the pickle was executed",))


def test_a_pickle_is_never_executed(folder):
    (folder / "model.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(RunError, match="not a safetensors file"):
        load_model(folder)


@pytest.mark.parametrize("name", ["gap-cnn", "lenet", "small-resnet"])
def test_onnx_gives_the_same_logits_for_any_batch(tmp_path, name):
    runtime = pytest.importorskip("onnxruntime")
    module, _ = make(name, normalised=True)
    module(torch.rand(16, 2, 8, 8))
    export_onnx(module.train(), SPEC, tmp_path / "model.onnx")
    assert module.training
    session = runtime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    module.eval()
    for count in (1, 7):
        x = torch.rand(count, 2, 8, 8) * 3 - 1
        (found,) = session.run(["logits"], {"input": x.numpy()})
        torch.testing.assert_close(torch.from_numpy(found), module(x), atol=1e-4, rtol=0)


def test_an_export_leaves_evaluation_mode_as_it_was(tmp_path):
    module, _ = make()
    export_onnx(module.eval(), SPEC, tmp_path / "model.onnx")
    assert not module.training
