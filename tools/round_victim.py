"""Round a saved victim's weights to bfloat16 and pack it in a third of the bytes.

    python tools/round_victim.py FOLDER DATA DEVICE ARCHIVE

The rounded model is measured again and saved in place, in float32, so that the archive holds the
very model that is attacked. For a ResNet-34 the archive, a .tar.xz, has about 31 MiB of the 64 MiB
that may travel, together with data and the working tree.
"""

from __future__ import annotations

import lzma
import sys
import tarfile
from pathlib import Path

from copycost.datasets import load
from copycost.training.train import accuracy
from copycost.victims.saved import load_model, save_model

WEIGHTS = [{"id": lzma.FILTER_LZMA2, "preset": 1, "lc": 0, "lp": 2, "pb": 2}]
"""Models each of the four bytes of a value separately, as two of them are always zero."""


def main(folder: Path, data: str, device: str, archive: Path) -> None:
    """Round, measure, save and pack the victim; print its accuracy before and after."""
    module, card = load_model(folder)
    module.bfloat16().float()
    found = accuracy(module, load(data).test, device)
    save_model(folder, module.cpu(), card.model_copy(update={"test_accuracy": found}))
    with lzma.open(archive, "wb", filters=WEIGHTS) as file, tarfile.open(None, "w|", file) as tar:
        tar.add(folder, "victim")
    said = f"{folder}: test accuracy {card.test_accuracy:.4f}, rounded to bfloat16 {found:.4f}"
    sys.stdout.write(said + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]))
