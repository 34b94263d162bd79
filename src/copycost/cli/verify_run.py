"""Who agrees with a victim where independent models do not, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from copycost.cli.notice import remind
from copycost.cli.output import STOPPED, console, print_json, say
from copycost.cli.training_lines import TrainingLines
from copycost.engine import Engine
from copycost.errors import ConfigError, Interrupted
from copycost.presets.victims import VICTIMS
from copycost.report import wording
from copycost.runner.own_target import is_own
from copycost.runner.stopping import Stop
from copycost.runner.suspects import suspect_named
from copycost.runner.targets import load_target, preset_named
from copycost.runner.verifying import Verification, verify
from copycost.victims.base import Victim


@dataclass(frozen=True)
class Command:
    """What `copycost verify` was told, but for the models beside the victim."""

    victim: str
    data: str | None
    out: Path
    engine: Engine
    stop: Stop

    def run(
        self,
        suspects: Sequence[str],
        controls: Sequence[str],
        trained: int,
        probes: int,
        seed: int,
        as_json: bool,
    ) -> int:
        """Compare, and print what was found; return the exit status."""
        if self.data is not None and self.victim not in VICTIMS:
            raise ConfigError(
                f"data: {self.victim} is not trained here, so it needs none, got {self.data}. "
                "Leave --data out."
            )
        remind([*suspects, self.victim, *controls])
        models = [suspect_named(place, self.engine) for place in suspects]
        with self.stop.on_signals():
            try:
                victim, beside = self._victim(), self._controls(controls, trained)
                found = verify(
                    victim, models, beside, self.out, probes=probes, seed=seed,
                    device=str(self.engine.device), stop=self.stop,
                )  # fmt: skip
            except Interrupted:
                say(f"Stopped by {self.stop.reason}. Run the same command again to go on.")
                return STOPPED
        show(found)
        if as_json:
            print_json(found.model_dump(mode="json"))
        return 0

    def _controls(self, named: Sequence[str], trained: int) -> list[Victim]:
        if named or self.victim not in VICTIMS:
            return [suspect_named(place, self.engine).model for place in named]
        return [self._trained(1 + number) for number in range(trained)]

    def _victim(self) -> Victim:
        if self.victim in VICTIMS:
            return self._trained(0)
        if not is_own(self.victim) and not Path(self.victim).exists():
            preset_named(self.victim)  # which says what is wrong with the name
        return suspect_named(self.victim, self.engine).model

    def _trained(self, seed: int) -> Victim:
        target = load_target(
            self.victim, self.data, self.out / "victims", self.engine, seed=seed,
            watcher=TrainingLines(f"{self.victim}, seed {seed}"), stop=self.stop,
        )  # fmt: skip
        if seed:
            target.victim.name = f"{self.victim}, seed {seed}"
        return target.victim


def show(found: Verification) -> None:
    """Print the range of the controls, and one line for each suspect."""
    table = Table(title=_title(found), title_justify="left")
    table.add_column("suspect")
    for name in ("agrees on", "p", "queries"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("a copy?", no_wrap=True)
    for one in found.suspects:
        table.add_row(
            one.name,
            wording.percent(one.agreement),
            wording.plain(one.p),
            wording.count(one.queries),
            "yes" if one.copy_of else "no sign of it",
        )
    console.print(table)


def _title(found: Verification) -> str:
    innocent = [one.agreement for one in found.controls]
    return (
        f"{wording.plural(len(innocent), 'independent model')} agree with {found.victim} on "
        f"{wording.percent(min(innocent))} to {wording.percent(max(innocent))} of "
        f"{wording.count(found.probes)} images of untrained networks"
    )
