"""The extraction loop: one for all attacks, victims, devices and precisions."""

from __future__ import annotations

from torch import Tensor

from copycost.attacks.base import Attack
from copycost.attacks.state import State
from copycost.errors import RunError, SpecMismatch, VictimFailed
from copycost.oracle.base import Oracle
from copycost.runner.run import Run


def extract(attack: Attack, state: State, oracle: Oracle, run: Run) -> None:
    """Run `attack` from `state` until it has nothing left to do or `run` is stopped.

    The loop owns time, evaluation and storage; the attack owns the arithmetic of one step.
    Time is the share of the budget spent, so one schedule serves every budget.

    Leaves the players as they stand when the budget ends, not at their best: choosing by
    test accuracy would use labels that a data-free attacker does not have.
    """
    run.begin(state)

    with run.saving():
        while not (done := attack.done(state, oracle)) and not run.stopped():
            try:
                losses = advance(attack, state, oracle)
            except (SpecMismatch, VictimFailed):
                run.refuse_lost_weights(state)  # a generator with NaN weights sends NaN
                run.keep(state)
                raise
            run.after_step(state, losses)

        run.finish(state, done)
        if run.finished and run.curve[-1].queries != run.spent:
            run.log(state)
        run.save(state)


def advance(attack: Attack, state: State, oracle: Oracle) -> dict[str, Tensor]:
    """Do the next piece of an attack's work: `study`, which asks nothing, if due, else `step`.

    Raises `RunError` for a step that asks nothing: such an attack would never end.
    """
    if attack.studies(state, oracle):
        return attack.study(state, oracle)
    before, images = oracle.spent, attack.images(state, oracle)
    for player in state.players.values():
        player.set_time(before / oracle.budget)
    losses = attack.step(state, oracle, images)
    if oracle.spent == before:
        raise RunError(
            f"A step of {type(attack).__name__} asked nothing; {images} images were due. Ask in "
            "`step`, and do work that asks nothing in `study`."
        )
    return losses
