"""Lets an attacker's adaptations learn what they need of the defences, before the first query."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from copycost.adaptations.base import Adaptation, Ask
from copycost.errors import ConfigError, told_as_faults
from copycost.nets.seeded import derive
from copycost.oracle.rehearsal import Rehearsal
from copycost.runner.config import RunConfig
from copycost.runner.stopping import Stop
from copycost.runner.trying import two_inputs
from copycost.types import Access, Answer, InputSpec, Modality

LARGEST = 1000.0
"""Imagined logits are from minus this to this."""


def learn(
    adaptations: Sequence[Adaptation],
    config: RunConfig,
    classes: int,
    device: torch.device,
    stop: Stop | None = None,
) -> None:
    """Let each of them try the run's defences on imagined logits of K = `classes`.

    The attacker is taken to know their formulas and numbers. Their random numbers are secret, so
    those of the trial are others. Raises `ConfigError` if one fails, as a user's own may, and
    `Interrupted` when `stop` is asked: for a thousand classes, learning takes minutes.
    """
    stop = stop or Stop()
    with told_as_faults(_named(config)):
        for place, adaptation in enumerate(adaptations):
            seed = derive(config.seed, f"adaptation {place}")
            trial = _Trial(config, classes, adaptations[:place], stop)
            adaptation.learn(trial, classes, seed, device)


def check_adapted(
    adaptations: Sequence[Adaptation],
    config: RunConfig,
    spec: InputSpec,
    classes: int,
    device: torch.device,
) -> None:
    """Raise `ConfigError` unless they make an answer of what is released for inputs of `spec`.

    The victim imagined here has no preference. Nothing is asked.
    """
    released = Access(config.access)
    ask = Rehearsal(spec, classes, released, config.top_k, config.defences, adaptations)
    x = two_inputs(spec).to(device)
    with told_as_faults(_named(config)):
        answer = ask(lambda x: torch.zeros(len(x), classes, device=device))(x)
        for adaptation in adaptations:
            released = adaptation.gives(released)
        shape = [len(x)] if released is Access.LABEL else [len(x), classes]
        fault = _fault(answer, released, shape)
    if fault:
        wanted = f"an Answer of finite {released} {shape}"
        raise ConfigError(f"{_named(config)}: expected {wanted} for two inputs, got {fault}.")


def _fault(answer: Answer, access: Access, shape: list[int]) -> str:
    """How `answer` differs from one at `access` that is packed in `shape`; '' if it does not."""
    if not isinstance(answer, Answer):
        return f"a {type(answer).__name__}"
    packed = list(answer.pack().shape)
    if answer.access is not access or packed != shape:
        return f"{answer.access} {packed}"
    if list(answer.labels.shape) != shape[:1]:
        return f"labels {list(answer.labels.shape)}"
    return "" if bool(answer.pack().isfinite().all()) else "NaN or infinity"


def _named(config: RunConfig) -> str:
    return f"adaptations: {' + '.join(config.adaptations)}"


class _Trial:
    """An imagined victim behind defences, as the next of several adaptations sees it."""

    def __init__(
        self, config: RunConfig, classes: int, before: Sequence[Adaptation], stop: Stop
    ) -> None:
        self._config, self._classes, self._before, self._stop = config, classes, before, stop
        self._own = self.behind(config.defences, derive(config.seed, "trial of the defences"))

    def __call__(self, logits: Tensor) -> Answer:
        return self._own(logits)

    def behind(self, defences: Sequence[str], seed: int) -> Ask:
        rehearsal = Rehearsal(
            InputSpec((self._classes,), -LARGEST, LARGEST, Modality.TABULAR),
            self._classes,
            Access(self._config.access),
            self._config.top_k,
            defences,
            self._before,
            seed,
        )
        return rehearsal(self._unless_stopped)

    def _unless_stopped(self, logits: Tensor) -> Tensor:
        self._stop.heed()
        return logits
