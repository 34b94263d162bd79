"""Noise: add independent Gaussian noise to every released probability."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from copycost.defences.base import Defence
from copycost.nets.seeded import derive
from copycost.noise import restore_stream
from copycost.victims.base import Victim


class Noise(Defence):
    """Add N(0, sigma²) to each probability, clip at 0, renormalise.

    Every answer draws new noise, so the victim is no longer deterministic, and averaging repeated
    answers removes the noise, up to the bias of clipping.
    """

    argument: ClassVar[str] = "sigma"
    wanted: ClassVar[str] = "a standard deviation, 0 or more"

    def __init__(self, victim: Victim, sigma: float, seed: int = 0) -> None:
        """`sigma` is the standard deviation, on the scale of probabilities in [0, 1]."""
        super().__init__(victim, f"noise:{sigma:g}")
        self.sigma, self.seed = sigma, seed
        self._random: torch.Generator | None = None
        self._saved: Tensor | None = None

    def perturb(self, p: Tensor) -> Tensor:
        """Add noise to [N, K]."""
        random = self._generator(p.device)
        noise = torch.randn(p.shape, generator=random, device=p.device, dtype=p.dtype)
        return p + self.sigma * noise

    def state(self) -> dict[str, Tensor]:
        """The state of the random numbers, and that of the victim inside."""
        now = self._saved if self._random is None else self._random.get_state()
        return ({} if now is None else {"random": now}) | super().state()

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue the random numbers from a saved `state`, and restore the victim inside."""
        super().restore(state)
        if "random" in state:
            self._saved = state["random"]
            self._random = None

    def draw_anew(self, since: str) -> None:
        """Draw from a new seed, derived from the present one and `since`; so the victim inside."""
        super().draw_anew(since)
        self.seed = derive(self.seed, since)
        self._random = self._saved = None

    def _generator(self, device: torch.device) -> torch.Generator:
        # Made at the first answer, because only then is the device known.
        if self._random is None:
            self._random = torch.Generator(device=device).manual_seed(self.seed)
            if self._saved is not None:
                restore_stream(self._random, self._saved)
        return self._random
