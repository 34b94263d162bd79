"""A reason to stop that comes after so many looks, and not after so much time."""

from __future__ import annotations

from copycost.runner.stopping import Stop


class Soon(Stop):
    """Asks to stop when it has been looked at so often: some steps into a run."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks

    @property
    def reason(self) -> str:
        self._looks -= 1
        if self._looks <= 0:
            self.ask("time limit")
        return super().reason
