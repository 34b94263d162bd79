"""`copycost benchmark`: the speed of a run against a plain loop, and the cost of honesty."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from copycost.benchmark.settings import TIMED
from copycost.cli import options
from copycost.cli.output import STOPPED, console, print_text, say
from copycost.errors import for_each

if TYPE_CHECKING:
    from copycost.benchmark.plan import Plan
    from copycost.benchmark.result import Benchmark, Overhead, Speed
    from copycost.runner.watchers import Display


def benchmark_command(
    setting: Annotated[
        list[str] | None,
        typer.Option(help=f"What to time: {', '.join(TIMED)}. Repeatable.", show_default="digits"),
    ] = None,
    batch_size: Annotated[
        list[int] | None,
        # Batch norm needs two.
        typer.Option(min=2, help="Images a step, N. Repeatable.", show_default="the setting's"),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            help="Arithmetic of training: float32, tf32 or bfloat16. Repeatable.",
            show_default="float32",
        ),
    ] = None,
    compile_: Annotated[
        list[str] | None,
        typer.Option(
            "--compile",
            help="torch.compile: off, on, or graphs on CUDA. Repeatable.",
            show_default="off",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    repetitions: Annotated[
        int, typer.Option(min=1, help="Timed windows of each loop; the median counts.")
    ] = 5,
    seconds: Annotated[float, typer.Option(help="Length of one window in seconds.")] = 5.0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads to compute with.")] = None,
    overhead: Annotated[
        bool, typer.Option(help="Also time what the account, the record and the display cost.")
    ] = True,
    as_json: options.AsJson = False,
) -> None:
    """Time real runs beside a plain float32 loop of the same attack, on random weights.

    Nothing is downloaded, and no data set is needed. Keep the machine quiet.
    If Ctrl-C or SIGTERM stops it, it reports what it has timed so far.
    """
    chosen = [TIMED[name] for name in setting or ("digits",)]

    # Imported late: they import PyTorch, which takes seconds that --help need not cost.
    from copycost.benchmark.plan import Plan  # noqa: PLC0415
    from copycost.engine import use_threads  # noqa: PLC0415

    use_threads(threads)
    plans = [
        Plan(one, n, arithmetic, mode, device, repetitions, seconds)
        for one in chosen
        for arithmetic in precision or ("float32",)
        for mode in compile_ or ("off",)
        for n in batch_size or (one.batch_size,)
    ]
    result = _run(plans, overhead)
    console.print(speed_table(result.results))
    if result.overhead:
        console.print(overhead_table(result.overhead))
    if as_json:
        print_text(result.model_dump_json(indent=1))
    if len(result.results) < len(plans) or (overhead and not result.overhead):
        say(f"Stopped: {len(result.results)} of {len(plans)} settings are timed.")
        raise typer.Exit(STOPPED)


def _run(plans: list[Plan], overhead: bool) -> Benchmark:
    from copycost.benchmark.plan import Plan  # noqa: PLC0415
    from copycost.benchmark.result import Benchmark  # noqa: PLC0415
    from copycost.engine import Engine  # noqa: PLC0415
    from copycost.runner.surroundings import surroundings  # noqa: PLC0415

    for_each(plans, Plan.check)  # before anything is timed
    around = surroundings(Engine(plans[0].device, plans[0].precision).device, {})
    result = Benchmark(
        results=[], surroundings=around.model_dump(mode="json", exclude={"arithmetic"})
    )
    with Path(os.devnull).open("w") as nowhere, _until_interrupted():
        displays = _displays(Console(file=nowhere, force_terminal=True, width=120))
        for speed in _speeds(plans, displays["bar"]):
            result = result.model_copy(update={"results": [*result.results, speed]})
        if overhead:
            result = result.model_copy(update={"overhead": _overhead(plans[0], displays)})
    return result


def _speeds(plans: list[Plan], display: Display) -> Iterator[Speed]:
    from copycost.benchmark.speed import measure  # noqa: PLC0415

    for number, plan in enumerate(plans, start=1):
        say(f"{number}/{len(plans)} {_name(plan)} …")
        found = measure(plan, display)
        say(f"  {found.queries_per_second:,.0f} queries/s, {found.ratio:.2f} x the plain loop")
        yield found


def _overhead(plan: Plan, displays: dict[str, Display]) -> Overhead:
    from copycost.benchmark.honesty import overhead  # noqa: PLC0415
    from copycost.benchmark.recording import transfer_cost  # noqa: PLC0415

    with TemporaryDirectory() as folder:
        say("Overhead …")
        costs = overhead(plan, displays, Path(folder))
        say("Recording of queries …")
        transfer = transfer_cost(plan, displays["bar"], Path(folder))
    return costs.model_copy(update={"transfer": transfer})


@contextmanager
def _until_interrupted() -> Iterator[None]:
    """End the block at Ctrl-C or SIGTERM, and continue after it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)


def _displays(terminal: Console) -> dict[str, Display]:
    """The displays for a terminal and for a log, both written to the file of `terminal`."""
    from copycost.cli.progress import LiveDisplay  # noqa: PLC0415

    log = Console(file=terminal.file, force_terminal=False, width=120)
    return {"lines": LiveDisplay(log), "bar": LiveDisplay(terminal)}


def _name(plan: Plan) -> str:
    return f"{plan.setting.name}, batch {plan.batch_size}, {plan.precision}, compile {plan.compile}"


def speed_table(results: list[Speed]) -> Table:
    """One line for each setting, batch size and precision."""
    table = Table(title="Speed of a run, against a plain float32 loop", title_justify="left")
    for name in ("setting", "device", "precision"):
        table.add_column(name, no_wrap=True)
    for name in ("batch", "queries/s", "plain", "ratio", "least–most", "of peak", "memory"):
        table.add_column(name, justify="right", no_wrap=True)
    for result in results:
        least, most = result.ratio_range
        table.add_row(
            result.setting,
            result.device,
            result.how,
            f"{result.batch_size:,}",
            f"{result.queries_per_second:,.0f}",
            f"{result.baseline_queries_per_second:,.0f}",
            f"{result.ratio:.2f}",
            f"{least:.2f}–{most:.2f}",
            f"{result.share_of_peak:.1%}",
            f"{result.peak_memory_bytes / 2**20:,.0f} MiB",
        )
    return table


def overhead_table(overhead: Overhead) -> Table:
    """One line for each part of the overhead."""
    rate = f"{overhead.queries_per_second:,.0f} queries/s"
    table = Table(title=f"Cost of honesty, of a step at {rate}", title_justify="left")
    table.add_column("part", no_wrap=True)
    table.add_column("µs a step", justify="right")
    table.add_column("share", justify="right")
    for name, part in overhead.parts.items():
        table.add_row(name, f"{part.seconds_per_step * 1e6:,.1f}", f"{part.share:.3%}")
    table.add_row("account, bookkeeping, display", "", f"{overhead.honesty:.3%}")
    if overhead.transfer:
        cost = overhead.transfer
        table.caption = (
            f"Recording queries: {cost.images_per_second:,.0f} images of 3x32x32 a second; "
            f"{cost.setting} at batch {cost.batch_size} loses {cost.slow_down:.1%} of its speed"
        )
        table.caption_justify = "left"
    return table
