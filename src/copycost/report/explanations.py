"""What each flag means: one text for the report, which must explain itself, and for the docs."""

from __future__ import annotations

from dataclasses import dataclass

from copycost import flags, thresholds


@dataclass(frozen=True)
class Explanation:
    """One flag in plain English."""

    title: str
    raised_if: str
    why: str
    what_to_do: str


_LITTLE = (
    f"is at most {thresholds.TIMES_ONE_ANSWER:g} times the share of their commonest class, or that "
    f"share plus {100 * thresholds.ABOVE_ONE_ANSWER:g} % of the rest, whichever is less."
)

EXPLANATIONS = {
    "victim-not-deterministic": Explanation(
        title="The victim contradicts itself",
        raised_if=(
            "the victim was asked twice about the same held-out inputs, behind its defences if it "
            "has any, and named different classes for at least one of them. A function is asked "
            "the second time in smaller batches."
        ),
        why=(
            "Agreement compares the copy with one answer of the victim without its defences. If "
            "the victim itself is random, even the best copy disagrees at times: its expected "
            "agreement is at most the square root of the victim's agreement with itself, and the "
            "agreement shown understates the copy. If only the defences are random, there is no "
            "such limit; the share then says how noisy the answers were from which the copy learnt."
        ),
        what_to_do=(
            "If a defence adds noise on purpose, this is the defence at work. If not, look for "
            "dropout or batch normalisation left in training mode (of a function's net, call "
            "eval()), random preprocessing, or several versions of the model behind one address."
        ),
    ),
    "victim-changed": Explanation(
        title="The victim changed while it was copied",
        raised_if=(
            "a function, asked again at the end of the run about up to "
            f"{flags.AT_THE_END} of the held-out inputs, named other classes for more of them than "
            "chance explains: for any at all, if it agreed with itself throughout at the start."
        ),
        why=(
            "The copy learnt from one model and is compared with the answers of another. The "
            "agreement shown is then that with the model before the change."
        ),
        what_to_do=(
            "Find out whether the model behind the function was updated. If it was, give it a new "
            "name and audit it again in another folder. If not, it answers at random: behind "
            "defences of copycost's this is not noticed at the start."
        ),
    ),
    "victim-near-chance": Explanation(
        title="The victim performs near chance on these data",
        raised_if=(f"without defences, the victim's accuracy on the held-out inputs {_LITTLE}"),
        why=(
            "The copy is then compared with answers that are worth nothing. Most often the model "
            "is not asked as it was trained: its inputs have another range of values, lack its "
            "normalisation, or its classes are in another order. Agreement may be low, or high "
            "if the victim gives one answer to everything; neither says what the real model would "
            "cost to copy."
        ),
        what_to_do=(
            "Check the declared range (`InputSpec(shape, low, high)`), what the model does to its "
            "inputs before its first layer, the order of its classes and the held-out labels. "
            "Ask it about a few held-out inputs by hand."
        ),
    ),
    "budget-not-spent": Explanation(
        title="Queries were left unspent",
        raised_if="at the end, enough queries were left for the attack's smallest step.",
        why=(
            "The result is presented as what this budget buys, but part of the budget was not "
            "used. The attack might have copied more with the rest of it."
        ),
        what_to_do=(
            "Check how the run ended. If it was stopped, resume it. If the attack stops early by "
            "design, for example because its pool of inputs is exhausted, quote the queries spent "
            "instead of the budget."
        ),
    ),
    "queries-lost": Explanation(
        title="Some charged queries brought no answer",
        raised_if=(
            "the victim failed to answer a call, or a run was interrupted while queries were "
            "reserved and not yet settled in the ledger."
        ),
        why=(
            "Queries are written to the ledger before they are sent. Those of a failed call, and "
            "those of a reservation that a crash left open, therefore count as spent. The attacker "
            "had fewer answers than it was charged for, which makes the attack look more expensive "
            "than it is. The victim was never sent more queries than the ledger says."
        ),
        what_to_do=(
            "Compare the loss with the budget: a fraction of a per cent does not matter. To "
            "publish an exact number, repeat the run without interruption. If a function asks a "
            "service, let the function retry by itself."
        ),
    ),
    "generator-collapsed": Explanation(
        title="The generator makes the same input again and again",
        raised_if=(
            f"generated inputs differ from one another by less than {flags.COLLAPSED_SPREAD:g} of "
            "the range of values."
        ),
        why=(
            "The copy then learns from what is nearly a single query. Low agreement means that "
            "this run failed, not that the victim is hard to copy."
        ),
        what_to_do=(
            "Look at the pictures of the queries. Before concluding that a defence works, try "
            "other seeds, a lower learning rate for the generator, or a term that rewards "
            "diversity."
        ),
    ),
    "estimate-drowned": Explanation(
        title="The generator was trained on noise",
        raised_if=(
            "the estimated gradient correlates by less than "
            f"{flags.ESTIMATE_FLOOR:g} with the true directional derivative of the undefended "
            "model. The estimate is made with the arithmetic, step size, defences and access of "
            "the run, on a model that stands in for the victim and can be differentiated. This "
            "costs no queries."
        ),
        why=(
            "The attack estimates a gradient from the small change in the victim's answers between "
            "two nearby inputs. In low precision (TF32, bfloat16, float16) that change can be "
            "smaller than the rounding error, and a defence that rounds or adds noise hides it. "
            "There is no error message: the generator learns nothing, and the attack may look "
            "weaker than it is. The flag also marks runs that give the generator random gradients "
            "on purpose, as a control."
        ),
        what_to_do=(
            "Leave epsilon at the default for the arithmetic, make it larger, or compute the "
            "estimate and the victim in float32; then run again. Each run lists the arithmetic "
            "that it used, and docs/precision.md says what each arithmetic resolves."
        ),
    ),
    "student-collapsed": Explanation(
        title="The copy has learnt nothing",
        raised_if=(f"at the end, the copy's accuracy on the held-out inputs {_LITTLE}"),
        why=(
            "The copy is hardly better than a model that always names the commonest class, and "
            "most such copies do give one class to nearly everything. Attacks that train a "
            "generator, above all those by labels alone, collapse with some seeds and not with "
            "others. A collapse says nothing about how hard the victim is to copy."
        ),
        what_to_do=(
            "Quote the share of seeds that collapsed beside the median. Try other seeds, and a "
            "lower learning rate for the student."
        ),
    ),
    "student-hardly-trained": Explanation(
        title="The student took few steps",
        raised_if=(
            f"the student took fewer than {flags.ENOUGH_STEPS:,} steps, and the copy agrees with "
            f"the victim on less than {flags.GOOD_COPY * 100:g} % of held-out inputs."
        ),
        why=(
            "Queries cost the attacker; steps do not. With the same answers, an attacker may train "
            "the copy for as long as they like. Published attacks have settings for millions of "
            "queries, and with a few thousand queries these take only a handful of steps. The "
            "result then says little about how hard the victim is to copy."
        ),
        what_to_do=(
            "Run frugal, whose settings follow the budget, beside the attack. Or take smaller "
            "batches and more steps for each: --set ATTACK.batch_size=…, ATTACK.student_steps=… "
            "or, with a pool, ATTACK.epochs=…"
        ),
    ),
    "student-knows-already": Explanation(
        title="The copy was good before its first query",
        raised_if=(
            "before its first query, the student agrees with the victim on more than "
            f"{flags.BETTER_THAN_CHANCE:g} times the share expected by chance (with few classes, "
            f"on more than 90 %), and on {flags.NO_CHANCE} held-out inputs at least."
        ),
        why=(
            "What the student knew before the first query was not extracted by queries. Either it "
            "did not start fresh, or the victim gives almost every input the same answer."
        ),
        what_to_do=(
            "Check that the student starts from random weights and not from a checkpoint or from "
            "pretraining, and that the victim's answers on the held-out inputs are spread over "
            "the classes."
        ),
    ),
    "noise-does-as-well": Explanation(
        title="Random noise does as well",
        raised_if=(
            "the median agreement of the attack is less than "
            f"{flags.NOISE_MARGIN * 100:g} percentage points above that of random noise with the "
            "same victim, defences, access, student and budget."
        ),
        why=(
            "Queries of random noise need no method at all. An attack that does no better shows "
            "nothing about its method; and if noise does well, the victim is cheap to copy for "
            "anyone."
        ),
        what_to_do=(
            "If both are low, do not report the victim as safe: the attack may be badly "
            "configured, so look at its losses, its other flags and larger budgets. If both are "
            "high, report the result of noise, which is the cheaper attack."
        ),
    ),
    "no-adaptive-attack": Explanation(
        title="No attacker adapted to the defences",
        raised_if=(
            "the victim is behind defences, more than labels are released, and no run with the "
            "same victim, defences, access, student and budget has adaptations. `average` alone "
            "counts only if `noise` is among the defences: answers that do not change are no "
            "better on average."
        ),
        why=(
            "Attackers are to be taken to know a defence. One that can be undone only looks good "
            "until somebody does: most of those in `docs/defences.md` lose most of what they seem "
            "to bring."
        ),
        what_to_do=(
            "Run the attack again with `--adapt invert`, which learns what the defences do and "
            "undoes it, and with `--access label`. Judge the defences by the best of the copies."
        ),
    ),
    "too-few-seeds": Explanation(
        title="Too few seeds",
        raised_if=f"a result rests on fewer than {flags.SEEDS_ENOUGH} different seeds.",
        why=(
            "Attacks that train a generator differ from seed to seed, at times by tens of "
            "percentage points. A single run can be a lucky or an unlucky one."
        ),
        what_to_do=(
            f"Run the same settings with at least {flags.SEEDS_ENOUGH} seeds and quote the median "
            "with the range."
        ),
    ),
}

UNKNOWN = Explanation(
    title="A flag without an explanation",
    raised_if="see the detail.",
    why="This version of copycost does not know the flag; another version wrote the record.",
    what_to_do="Read docs/flags.md of the version named with the run.",
)


def explanation(name: str) -> Explanation:
    """What the flag called `name` means."""
    return EXPLANATIONS.get(name, UNKNOWN)
