"""`copycost train-victim`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from copycost.cli import options
from copycost.cli.output import STOPPED, print_json, say
from copycost.cli.training_lines import TrainingLines
from copycost.errors import Interrupted
from copycost.presets.victims import VICTIMS


def train_command(
    name: Annotated[str, typer.Argument(help="A preset from `copycost list victims`.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the saved model; by default where audits look for it."),
    ] = None,
    data: Annotated[str | None, typer.Option(help="Data set as NAME or NAME:PATH.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the training.")] = 0,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs, in place of the preset's.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads to compute with.")] = None,
    deadline: options.Deadline = None,
) -> None:
    """Train a victim, save it as a folder, and print its card as JSON.

    To resume after a stop, run the same command again.
    Exit status: 0 done, 2 an error to mend, 3 stopped before the end.
    """
    preset = VICTIMS[name]
    # Imported late: they import PyTorch, which takes seconds that a wrong name need not cost.
    from copycost.cli.stopping import stop_at  # noqa: PLC0415
    from copycost.engine import Engine, use_threads  # noqa: PLC0415
    from copycost.runner.targets import train_victim, victim_folder  # noqa: PLC0415

    use_threads(threads)
    recipe = replace(preset.recipe, epochs=epochs) if epochs else preset.recipe
    reference = data or preset.dataset
    folder = out or victim_folder(Path("runs") / "victims", name, reference, seed)

    stop = stop_at(deadline)
    with stop.on_signals():
        try:
            lines = TrainingLines(name)
            card = train_victim(
                recipe, reference, folder, Engine(device), seed=seed, watcher=lines, stop=stop
            )
        except Interrupted:
            say(f"Stopped by {stop.reason}. Run the same command again to go on.")
            raise typer.Exit(STOPPED) from None
    say(f"Saved in {folder}; test accuracy {card.test_accuracy:.4f} on {card.dataset}.")
    print_json(card.model_dump(mode="json"))
