"""From a recipe to a saved victim whose card says how it came to be."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from copycost.training.recipe import Recipe
from copycost.training.train import OnEpoch, accuracy, train
from copycost.victims.saved import Card, save_model

if TYPE_CHECKING:
    from copycost.datasets.base import Dataset


def train_victim(
    recipe: Recipe,
    dataset: Dataset,
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    seed: int = 0,
    on_epoch: OnEpoch | None = None,
) -> Card:
    """Train `recipe` on `dataset`, measure it once on the test split, save it as `folder`.

    Returns the card as saved. Raises as `train` and `save_model`.
    """
    module = train(recipe, dataset, device, seed, on_epoch)
    card = Card(
        architecture=recipe.architecture,
        normalised=recipe.normalise,
        spec=dataset.spec,
        classes=dataset.classes,
        class_names=dataset.class_names,
        dataset=dataset.provenance,
        recipe=asdict(recipe),
        seed=seed,
        test_accuracy=accuracy(module, dataset.test, device),
    )
    return save_model(folder, module, card)
