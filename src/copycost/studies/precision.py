"""The quality of a gradient estimate by arithmetic, step, form and number of directions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import torch
from torch import Tensor

from copycost.arithmetic import computed_in, described
from copycost.gradients import ESTIMATORS
from copycost.gradients.estimator import Gap, along, unit_directions
from copycost.gradients.quality import mean_cosine, slope_correlation, true_gradient
from copycost.nets.seeded import derive
from copycost.noise import Noise
from copycost.runner.surroundings import surroundings
from copycost.studies.pairs import Pair, Trained, trained
from copycost.studies.precision_record import Cell, PairFacts, PrecisionRecord
from copycost.types import Precision

EPSILONS = (1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0)
FORMS = ("forward", "central")
CHUNK = 256
"""Points run through a network at a time."""


@dataclass(frozen=True)
class PrecisionGrid:
    """What is measured for each pair."""

    points: int = 128
    directions: tuple[int, ...] = (1, 4)
    """Numbers m of directions for cosines; correlations are always of slopes at m = 1."""
    epsilons: tuple[float, ...] = EPSILONS
    arithmetics: tuple[Precision, ...] = tuple(Precision)


def measure(
    nets: str,
    pairs: Sequence[Pair],
    device: torch.device,
    grid: PrecisionGrid,
    say: Callable[[str], None] = lambda line: None,
) -> PrecisionRecord:
    """Train every pair with each of its seeds and measure all cells; `say` receives progress."""
    began, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    facts: list[PairFacts] = []
    cells: list[Cell] = []
    for pair in pairs:
        for seed in range(pair.seeds):
            bench = _Bench(trained(pair, seed, device), grid)
            facts.append(bench.facts())
            say(f"{time.monotonic() - began:6.0f} s  {pair.name} seed {seed}: trained")
            for cell in bench.cells():
                cells.append(cell)
                say(
                    f"{time.monotonic() - began:6.0f} s  {cell.arithmetic}, epsilon "
                    f"{cell.epsilon:g}, {cell.form}: correlation {cell.correlation:.3f}"
                )
    names = {str(p): described(p, device) for p in grid.arithmetics}
    return PrecisionRecord(
        nets=nets,
        points=grid.points,
        pairs=facts,
        cells=cells,
        surroundings=surroundings(device, {"training": "float32", **names}),
        seconds=time.monotonic() - began,
        started=started,
    )


class _Bench:
    """One trained pair, with its true gradients."""

    def __init__(self, ready: Trained, grid: PrecisionGrid) -> None:
        self.ready, self.grid = ready, grid
        self.x = ready.points(grid.points)
        self.exact = ready.gap(ready.student, ready.stand_in)
        self.true = torch.cat([true_gradient(self.exact, part) for part in _parts(self.x)])

    def facts(self) -> PairFacts:
        """Facts about the pair that is measured."""
        ready, pair = self.ready, self.ready.pair
        student, stand_in = ready.accuracies()
        return PairFacts(
            pair=pair.name,
            seed=ready.seed,
            dataset=ready.dataset.provenance,
            dimensions=ready.dataset.spec.size,
            student=pair.student.architecture,
            stand_in=pair.victim.architecture,
            student_accuracy=student,
            stand_in_accuracy=stand_in,
            gap=float(by_parts(self.exact)(self.x).mean()),
            gradient_norm=float(self.true.flatten(1).norm(dim=1).median()),
            exact_cosines={m: self._exact_cosine(m) for m in self.grid.directions},
        )

    def cells(self) -> Iterator[Cell]:
        """All cells, arithmetic by arithmetic."""
        for precision in self.grid.arithmetics:
            for epsilon in self.grid.epsilons:
                for form in FORMS:
                    yield self._cell(precision, epsilon, form)

    def _cell(self, precision: Precision, epsilon: float, form: str) -> Cell:
        ready, device = self.ready, self.ready.device
        nets = (computed_in(precision, device, n) for n in (ready.student, ready.stand_in))
        measured = by_parts(ready.gap(*nets))
        estimates = {
            m: ESTIMATORS[form](measured, self.x, m, epsilon, self._random())[0]
            for m in {1, *self.grid.directions}
        }
        return Cell(
            pair=ready.pair.name,
            seed=ready.seed,
            arithmetic=described(precision, device),
            epsilon=epsilon,
            form=form,
            correlation=slope_correlation(estimates[1], self.true),
            cosines={m: mean_cosine(estimates[m], self.true) for m in self.grid.directions},
        )

    def _exact_cosine(self, m: int) -> float:
        u = unit_directions(self.x, m, self._random())
        slopes = (u * self.true).flatten(2).sum(dim=2)
        return mean_cosine(along(slopes, u), self.true)

    def _random(self) -> Noise:
        """Random numbers for the directions, the same for every cell, so that these compare."""
        return Noise(derive(self.ready.seed, "directions"), self.ready.device)


def by_parts(f: Gap) -> Gap:
    """`f` without autograd, in batches small enough for any memory."""

    def run(p: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([f(part) for part in _parts(p)])

    return run


def _parts(x: Tensor) -> Sequence[Tensor]:
    return torch.split(x, CHUNK)
