"""Saved models: a folder with the weights, `model.safetensors`, and all the rest, `card.json`.

No pickle is written or read: a model from a stranger is data, never code. The weights are
checked against the hash in the card before anything is built from them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator
from safetensors import SafetensorError
from torch import Tensor, nn

from copycost.errors import RunError, SpecMismatch
from copycost.files import AnyPath, sync_folder, write_atomically
from copycost.nets import ARCHITECTURES
from copycost.nets.modes import evaluated
from copycost.nets.normalised import Normalised
from copycost.types import InputSpec
from copycost.version import __version__

WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "card.json"


class Card(BaseModel):
    """The metadata of a saved model: enough to build it and to say where it came from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    architecture: str
    """A name in `copycost.nets.ARCHITECTURES`."""
    normalised: bool = False
    """Whether the net is wrapped in `Normalised`, whose mean and std are among the weights."""
    spec: InputSpec
    classes: int = Field(ge=2)
    class_names: tuple[str, ...] | None = None
    dataset: str = ""
    """Provenance of the data it was trained on; empty for none, as for a data-free student."""
    recipe: dict[str, JsonValue] = Field(default_factory=dict)
    """Settings it was trained with."""
    seed: int | None = None
    test_accuracy: float | None = Field(default=None, ge=0, le=1)
    """Share of the data set's test split that it gets right, measured at the end."""
    content_hash: str = ""
    """`content_hash` of the weights; filled in by `save_model`."""
    created_by: str = Field(default_factory=lambda: f"copycost {__version__}")

    @model_validator(mode="after")
    def _consistent(self) -> Card:
        if self.architecture not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise ValueError(f"no architecture {self.architecture!r} is known, only {known}")
        if self.class_names is not None and len(self.class_names) != self.classes:
            raise ValueError(f"{len(self.class_names)} class names for {self.classes} classes")
        return self


def content_hash(module: nn.Module) -> str:
    """Return the sha256 of a module's weights, in hexadecimal, whatever device they are on.

    It covers the names in sorted order, each with its type, shape and bytes: two modules with the
    same architecture and hash give the same answers.
    """
    return _hash(module.state_dict())


def save_model(folder: AnyPath, module: nn.Module, card: Card) -> Card:
    """Save `module` and `card` as `folder`, whole or not at all; return the card as saved.

    A saved model that is there already is replaced. Raises `RunError` if `folder` holds anything
    else, `SpecMismatch` if `module` is not what the card declares.
    """
    folder = Path(folder)
    refuse_strangers(folder)
    weights = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in module.state_dict().items()
    }
    _check_fit(weights, _blank(card).state_dict())
    card = card.model_copy(update={"content_hash": _hash(weights)})
    partial = _sibling(folder, f"{os.getpid()}.partial")
    try:
        write_atomically(partial / WEIGHTS_FILE, safetensors.torch.save(weights))
        write_atomically(partial / CARD_FILE, card.model_dump_json(indent=2).encode() + b"\n")
        _swap_in(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return card


def load_model(folder: AnyPath) -> tuple[nn.Module, Card]:
    """Rebuild a saved model on the CPU, in evaluation mode, after checking its content.

    Raises `RunError` if a file is missing, truncated or not in the expected format, and
    `SpecMismatch` if the weights are not those the card was written for.
    """
    folder = Path(folder)
    # A crash between the two renames of `_swap_in` leaves the earlier model beside `folder`.
    place = folder if folder.exists() else _sibling(folder, "previous")
    card = load_card(place if place.exists() else folder)
    weights = _read_weights(place / WEIGHTS_FILE)
    found = _hash(weights)
    if found != card.content_hash:
        raise SpecMismatch(
            f"weights with content hash {card.content_hash or '(none in the card)'} in {folder}",
            found,
            "the weights or the card were changed after saving; get the model afresh",
        )
    module = _blank(card)
    _check_fit(weights, module.state_dict())
    module.load_state_dict(weights, assign=True)
    return module.eval(), card


def load_card(folder: Path) -> Card:
    """Read a saved model's card alone, without its weights; raises `RunError` as `load_model`."""
    path = folder / CARD_FILE
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise RunError(
            f"{folder} is not a saved model: expected a folder of {CARD_FILE} and "
            f"{WEIGHTS_FILE}, but {path} cannot be read ({error.strerror})."
        ) from error
    except ValueError as error:  # of JSON or of UTF-8
        raise RunError(f"{path} is damaged: expected JSON, got {error}.") from error
    if isinstance(content, dict) and content.get("format", 1) != 1:
        raise RunError(
            f"{path} has format {content['format']!r}; this copycost reads format 1. "
            "Update copycost, or save the model again with this one."
        )
    try:
        card = Card.model_validate(content)
    except ValidationError as error:
        raise RunError(f"{path} is not a model's card: {_problems(error)}") from error
    module, own, _ = card.architecture.partition(":")
    if own and module not in sys.modules:  # reading a file must not import code
        raise RunError(
            f"{path} names an architecture of its maker's own, {card.architecture}. If you trust "
            f"that code, import {module} before you load the model."
        )
    return card


def export_onnx(module: nn.Module, spec: InputSpec, path: Path) -> None:
    """Write `module` to `path` as ONNX: `input` [N, *shape] to `logits` [N, K], any N.

    The module is exported in evaluation mode and left in the mode it was in.
    """
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    example = torch.full((2, *spec.shape), spec.middle, device=device)
    if spec.vocabulary is not None:
        example = torch.zeros(2, *spec.shape, dtype=torch.int64, device=device)
    with tempfile.TemporaryDirectory() as held:
        with evaluated(module):
            _export(module, example, Path(held) / "model.onnx")
        write_atomically(path, (Path(held) / "model.onnx").read_bytes())


def _export(module: nn.Module, example: Tensor, path: Path) -> None:
    with warnings.catch_warnings():
        # The exporter that replaces this one needs onnxscript and 13 s on its first call.
        for deprecation in (".*legacy TorchScript-based", "The feature will be removed"):
            warnings.filterwarnings("ignore", deprecation, DeprecationWarning)
        torch.onnx.export(
            module,
            (example,),
            path,
            dynamo=False,
            input_names=["input"],
            output_names=["logits"],
            dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
        )


def _blank(card: Card) -> nn.Module:
    """The card's module without storage, so that an absurd card costs no memory."""
    with torch.device("meta"):
        module = ARCHITECTURES[card.architecture](card.spec, card.classes)
        return Normalised.blank(module, card.spec.shape[0]) if card.normalised else module


def _hash(weights: Mapping[str, Tensor]) -> str:
    total = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        if not isinstance(tensor, Tensor):
            raise SpecMismatch(
                "a module whose state is tensors",
                f"{type(tensor).__name__} at {name}",
                "give a quantised model, or one with state of its own kind, as a FunctionVictim",
            )
        head = [name, str(tensor.dtype).removeprefix("torch."), list(tensor.shape)]
        total.update(json.dumps(head).encode() + b"\n")
        # As bytes, because NumPy has no bfloat16; flat, because 0-d tensors have no view.
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        total.update(flat.view(torch.uint8).numpy().data)
    return total.hexdigest()


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        # Read, not mapped: a file that shrinks under a mapping kills the process.
        return safetensors.torch.load(path.read_bytes())
    except OSError as error:
        raise RunError(
            f"{path.parent} is an incomplete model: {path.name} cannot be read "
            f"({error.strerror}). Get the model afresh."
        ) from error
    except SafetensorError as error:
        raise RunError(
            f"{path} is truncated or not a safetensors file ({error}). Get the model afresh."
        ) from error


def _check_fit(weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Raise `SpecMismatch` unless names, shapes and types are those wanted."""
    found, expected = _shapes(weights), _shapes(wanted)
    differing = sorted(found.items() ^ expected.items())
    if differing:
        name = differing[0][0]
        raise SpecMismatch(
            f"weight {name!r} to be {expected.get(name, 'absent')}",
            found.get(name, "none"),
            "the card declares another architecture, shape, number of classes or "
            f"normalisation than the weights have ({len({n for n, _ in differing})} differ)",
        )


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, str]:
    return {
        name: f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
        for name, tensor in weights.items()
    }


def _sibling(folder: Path, ending: str) -> Path:
    """A hidden path beside `folder`, so that a rename between the two stays on one disk."""
    folder = folder.absolute()
    return folder.with_name(f".{folder.name}.{ending}")


def refuse_strangers(folder: Path) -> None:
    """Raise `RunError` if replacing `folder` would delete anything but a saved model."""
    if not folder.exists():
        return
    if folder.resolve() == Path.cwd():
        raise RunError(
            f"{folder} cannot become a saved model: it is the folder you are in, and a model takes "
            "the place of its folder. Choose another folder."
        )
    strangers = [folder.name] if not folder.is_dir() else [p.name for p in folder.iterdir()]
    strangers = sorted(set(strangers) - {WEIGHTS_FILE, CARD_FILE})
    if strangers:
        raise RunError(
            f"{folder} cannot become a saved model: expected a new or empty folder or a saved "
            f"model to replace, found {', '.join(strangers[:3])}. Choose another folder."
        )


def _swap_in(partial: Path, folder: Path) -> None:
    previous = _sibling(folder, "previous")
    if folder.exists():
        shutil.rmtree(previous, ignore_errors=True)
        folder.rename(previous)
    partial.rename(folder)
    sync_folder(partial.parent)
    shutil.rmtree(previous, ignore_errors=True)


def _problems(error: ValidationError) -> str:
    found = ((".".join(str(part) for part in e["loc"]), e["msg"]) for e in error.errors())
    return "; ".join(f"{place}: {message}" if place else message for place, message in found)
