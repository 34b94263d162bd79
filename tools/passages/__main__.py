"""Write the generated parts of a checkout's docs: `python -m tools.passages [CHECKOUT]`."""

from __future__ import annotations

import sys
from pathlib import Path

from tools.passages.generated import write_all

if __name__ == "__main__":
    write_all(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
