"""Takes as long to import as PyTorch, for a Ctrl-C to come meanwhile."""

from __future__ import annotations

import time

time.sleep(1)
