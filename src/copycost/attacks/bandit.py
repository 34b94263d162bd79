"""A gradient bandit over groups of a pool, with the rewards of Knockoff Nets (section 4.1.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

Reward = Literal["certainty", "diversity", "loss"]
ALIKE = 1e-5
"""Rewards of a window that differ by less count as equal: such differences are float32 rounding,
and scaled to [0, 1] they would count as much as real ones."""


class Bandit:
    """Preferences H over groups; a group is drawn with probability softmax(H).

    Computed on the host in float64: one number per group, one update per query.
    """

    def __init__(self, groups: int, rewards: Sequence[Reward], window: int, classes: int) -> None:
        """`rewards` are averaged; each is scaled over the last `window` queries."""
        self._rewards, self._window = tuple(rewards), window
        self.preferences = torch.zeros(groups, dtype=torch.float64)
        self._drawn = torch.zeros(groups, dtype=torch.float64)
        self._recent = torch.empty(0, len(self._rewards), dtype=torch.float64)
        self._answers = torch.empty(0, classes, dtype=torch.float64)

    def policy(self, left: Tensor) -> Tensor:
        """Probability of each group, [G]; 0 for groups with nothing `left` ([G])."""
        return self.preferences.masked_fill(left <= 0, -math.inf).softmax(dim=0)

    def draw(self, uniform: Sequence[float], left: Tensor) -> list[int]:
        """A group for each number in [0, 1), none drawn more often than `left` [G] allows."""
        left, drawn = left.clone(), []
        for u in uniform:
            reach = self.policy(left).cumsum(dim=0)
            place = int(torch.searchsorted(reach, u * float(reach[-1]), right=True))
            # Rounding may point past the last group that has something left.
            drawn.append(min(place, int(left.nonzero().max())))
            left[drawn[-1]] -= 1
        return drawn

    def learn(self, groups: Sequence[int], victim: Tensor, losses: Tensor, left: Tensor) -> None:
        """Update by answers [n, K] (probabilities) to images of `groups`, and their losses [n].

        H_z += (r - r̄) / N(z) · (1 - π_z) for the queried group, H_g -= (r - r̄) / N(z) · π_g for
        the others. Rewards that are not finite change nothing.
        """
        answers, losses = victim.double().cpu(), losses.double().cpu()
        for group, answer, loss in zip(groups, answers, losses, strict=True):
            advantage = self._advantage(answer, float(loss))
            self._drawn[group] += 1
            pull = -self.policy(left)
            pull[group] += 1
            self.preferences += advantage / self._drawn[group] * pull

    def _advantage(self, answer: Tensor, loss: float) -> float:
        """Mean over the rewards, each scaled to [0, 1] over the window, less its mean there."""
        found = torch.tensor(
            [self._reward(kind, answer, loss) for kind in self._rewards], dtype=torch.float64
        )
        if not bool(found.isfinite().all()):
            return 0.0
        self._recent = torch.cat([self._recent, found[None]])[-self._window :]
        self._answers = torch.cat([self._answers, answer[None]])[-self._window :]
        low, high = self._recent.amin(dim=0), self._recent.amax(dim=0)
        # Where all rewards of the window are equal, none is better than another.
        range_ = torch.where(high - low > ALIKE, high - low, torch.inf)
        return float(((found - self._recent.mean(dim=0)) / range_).mean())

    def _reward(self, kind: Reward, answer: Tensor, loss: float) -> float:
        if kind == "certainty":
            first, second = answer.topk(2).values
            return float(first - second)
        if kind == "diversity":
            usual = self._answers.mean(dim=0) if len(self._answers) else answer
            return float((answer - usual).clamp(min=0).sum())
        return loss

    def state(self) -> dict[str, Any]:
        """All that the bandit has learnt."""
        return {
            "preferences": self.preferences,
            "drawn": self._drawn,
            "recent": self._recent,
            "answers": self._answers,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a saved `state`."""
        self.preferences, self._drawn = state["preferences"].clone(), state["drawn"].clone()
        self._recent, self._answers = state["recent"], state["answers"]
