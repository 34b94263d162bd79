"""Round a saved victim's weights to float16: packed, it then travels in half the bytes.

    python tools/round_victim.py FOLDER DATA DEVICE

It is measured anew and saved in place, in float32: what comes home is what was attacked.
"""

from __future__ import annotations

import sys
from pathlib import Path

from copycost.datasets import load
from copycost.training.train import accuracy
from copycost.victims.saved import load_model, save_model


def main(folder: Path, data: str, device: str) -> None:
    """Do it; print both accuracies."""
    module, card = load_model(folder)
    module.half().float()
    found = accuracy(module, load(data).test, device)
    save_model(folder, module.cpu(), card.model_copy(update={"test_accuracy": found}))
    said = f"{folder}: test accuracy {card.test_accuracy:.4f}, rounded to float16 {found:.4f}"
    sys.stdout.write(said + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
