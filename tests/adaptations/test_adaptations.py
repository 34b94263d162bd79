"""Contract tests over the registry: a new adaptation gets them by being listed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from copycost.adaptations import ADAPTATIONS, invert, invert_blind
from copycost.adaptations.base import Adaptation, Ask
from copycost.adaptations.stack import idle, queries_per_input, read_adaptation, read_adaptations
from copycost.defences.base import Defence
from copycost.defences.stack import defend
from copycost.errors import BudgetExceeded, ConfigError, Interrupted
from copycost.oracle.meter import Meter
from copycost.runner.adapting import check_adapted, learn
from copycost.runner.config import RunConfig
from copycost.runner.stopping import Stop
from copycost.testing import TINY, SpyVictim, tiny_victim
from copycost.types import Access, Answer

EXAMPLES = {"invert": "invert", "invert-blind": "invert-blind", "average": "average:3"}
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (invert, invert_blind):
        monkeypatch.setattr(module, "STEPS", 5)
    monkeypatch.setattr(invert_blind, "EACH", 2)


def images(n: int) -> torch.Tensor:
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(n))


def config(*adaptations: str, **more: Any) -> RunConfig:
    values = {"defences": ("rounding:1",), "budget": 300, "attack": "random-noise", "top_k": 2}
    return RunConfig(**values | more, adaptations=adaptations)


def learnt(run: RunConfig, classes: int = 4) -> list[Adaptation]:
    adaptations = read_adaptations(run.adaptations)
    learn(adaptations, run, classes, CPU)
    return adaptations


def metered(run: RunConfig, victim: Any = None) -> Meter:
    return Meter(
        victim or tiny_victim(), access=run.access, budget=run.budget, adaptations=learnt(run),
        defences=run.defences, k=run.top_k,
    )  # fmt: skip


def test_every_adaptation_has_an_example():
    assert set(EXAMPLES) == set(ADAPTATIONS)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
@pytest.mark.parametrize("access", [Access.TOP_K, Access.PROBABILITIES])
def test_an_answer_has_probabilities_and_the_cost_that_was_said(name: str, access: Access) -> None:
    spy = SpyVictim(tiny_victim())
    run = config(EXAMPLES[name], access=access)
    meter = metered(run, spy)
    assert spy.count == 0
    answer = meter.oracle(images(7))
    each = read_adaptation(EXAMPLES[name]).queries_per_input
    assert spy.count == meter.spent == 7 * each == 7 * run.queries_per_input
    assert answer.scores is not None
    assert answer.access is meter.oracle.access
    assert answer.scores.shape == (7, 4)
    assert torch.equal(answer.labels, answer.scores.argmax(dim=1))
    rehearsed = meter.rehearsal(lambda x: x.flatten(1)[:, :4])(images(5))
    assert rehearsed.access is meter.oracle.access
    assert rehearsed.pack().shape == (5, 4)


@pytest.mark.parametrize(("budget", "inputs"), [(3, 1), (5, 1), (97, 32), (300, 100)])
def test_what_an_input_costs_divides_the_budget(budget: int, inputs: int) -> None:
    spy = SpyVictim(tiny_victim())
    meter = metered(config("average:3", budget=budget), spy)
    oracle = meter.oracle
    assert (oracle.budget, oracle.spent, oracle.affords(inputs)) == (inputs, 0, True)
    assert not oracle.affords(inputs + 1)
    with pytest.raises(BudgetExceeded):
        oracle(images(inputs + 1))
    assert meter.spent == 0
    oracle(images(inputs))
    assert (oracle.spent, meter.spent, spy.count) == (inputs, 3 * inputs, 3 * inputs)
    assert not oracle.affords(1)


def test_queries_that_a_crash_lost_are_never_asked_again() -> None:
    """Two of three queries of an input are gone, so it counts as asked about."""
    meter = metered(config("average:3", budget=10))
    meter.forfeit(2)
    assert (meter.oracle.spent, meter.oracle.budget, meter.spent) == (1, 3, 2)
    meter.oracle(images(2))
    assert meter.spent == 8
    assert not meter.oracle.affords(1)


def test_costs_multiply_and_answers_pass_in_order() -> None:
    run = config("average:2", "average:3", "invert")
    assert queries_per_input(read_adaptations(run.adaptations)) == run.queries_per_input == 6
    assert run.inputs == 50
    meter = metered(run)
    assert (meter.oracle.budget, meter.oracle.access) == (50, Access.PROBABILITIES)
    meter.oracle(images(4))
    assert meter.spent == 24


def test_an_average_is_of_answers_to_the_same_input() -> None:
    asked: list[torch.Tensor] = []

    def ask(x: torch.Tensor) -> Answer:
        asked.append(x)
        turn = torch.arange(len(x)) // 5
        p = torch.stack([x[:, 0], 1 - x[:, 0]], dim=1) + turn[:, None]
        return Answer.unpack(Access.PROBABILITIES, p)

    x = torch.rand(5, 3)
    answer = read_adaptation("average:4").through(ask)(x)
    assert answer.scores is not None
    torch.testing.assert_close(answer.scores, torch.stack([x[:, 0], 1 - x[:, 0]], dim=1) + 1.5)
    assert torch.equal(asked[0], torch.cat([x] * 4))


def test_of_labels_the_commonest_is_taken() -> None:
    votes = torch.tensor([[0, 1, 2], [0, 3, 2], [1, 3, 2]])

    def ask(x: torch.Tensor) -> Answer:
        return Answer(Access.LABEL, votes.flatten(), None)

    answer = read_adaptation("average:3").through(ask)(torch.zeros(3, 1))
    assert (answer.access, answer.labels.tolist(), answer.scores) == (Access.LABEL, [0, 3, 2], None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("average", "needs a whole number of times, 2 or more after its name: average:TIMES"),
        ("average:1", "needs a whole number of times, 2 or more"),
        ("average:2.5", "needs a whole number"),
        ("invert:3", "invert:3 needs nothing after its name: invert"),
        ("invrt", "no adaptation 'invrt'.*Did you mean 'invert'"),
        ("avrage:4", "no adaptation 'avrage'.*Did you mean 'average'"),
        ("json:loads", "'json:loads' is no adaptation"),
        ("no_such:Thing", "no adaptation at 'no_such:Thing'"),
    ],
)
def test_what_is_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        config(text)


@pytest.mark.parametrize(
    ("texts", "more", "said"),
    [
        (["invert"], {"access": "label"}, "invert needs probabilities, and only labels"),
        (["invert"], {"defences": ()}, "invert has nothing to undo without defences. Leave it"),
        (["average:2", "invert"], {"access": "label"}, "invert needs probabilities"),
        (["invert-blind"], {"access": "logits", "defences": ()}, "blind has nothing to undo"),
    ],
)
def test_one_with_nothing_to_do_is_refused(texts: list[str], more: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        config(*texts, **more)
    access = Access(more.get("access", "probabilities"))
    (line,) = idle(texts, access, defended="defences" not in more)
    assert said in line


def test_one_may_leave_nothing_to_do_for_the_next() -> None:
    """The first fills in what top-k hides."""
    (line,) = idle(["invert", "invert"], Access.TOP_K, defended=False)
    assert "nothing to undo" in line


def test_top_k_hides_enough_to_be_inverted() -> None:
    run = config("invert", defences=(), access="top-k")
    meter = metered(run)
    answer = meter.oracle(images(9))
    assert (answer.access, meter.oracle.access) == (Access.PROBABILITIES, Access.PROBABILITIES)
    assert answer.scores is not None
    assert bool((answer.scores > 0).all())
    torch.testing.assert_close(answer.scores.sum(dim=1), torch.ones(9))


class Numbered(Defence):
    """Puts its own seed into an answer."""

    def __init__(self, victim: Any, number: float, seed: int = 0) -> None:
        super().__init__(victim, "numbered")
        self.seed = seed

    def perturb(self, p: torch.Tensor) -> torch.Tensor:
        """The seed, as a probability."""
        share = self.seed % 1000 / 1000
        return torch.tensor([share, 1 - share]).expand(len(p), 2)


@pytest.mark.parametrize("seed", [0, 1])
def test_an_attacker_does_not_know_a_defences_random_numbers(seed: int) -> None:
    run = config("invert", defences=(f"{__name__}:Numbered:1",), seed=seed)
    seen: list[torch.Tensor] = []

    class Looks(Adaptation):
        """Notes what the trial released."""

        read = None  # type: ignore[assignment]

        def learn(self, released: Ask, *_: Any) -> None:
            seen.append(released(torch.zeros(1, 2)).pack())

        def through(self, ask: Ask) -> Ask:
            return ask

    learn([Looks()], run, 2, CPU)
    defended = defend(tiny_victim(classes=2), run.defences, seed)
    real = Meter(defended, access="probabilities", budget=9)
    assert not torch.equal(seen[0], real.oracle(images(1)).pack())


class Doubles(Adaptation):
    """Doubles what is released, and notes what a trial released before that."""

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    read = None  # type: ignore[assignment]

    def learn(self, released: Ask, *_: Any) -> None:
        """Of one answer."""
        self.seen.append(released(torch.zeros(1, 4)).pack())

    def through(self, ask: Ask) -> Ask:
        """Twice the scores."""
        return lambda x: Answer.unpack(Access.TOP_K, 2 * ask(x).pack())


def test_each_learns_by_what_those_before_it_make_of_what_is_released() -> None:
    first, second = Doubles(), Doubles()
    run = config(access="top-k", defences=())
    learn([first, second], run, 4, CPU)
    assert [one.seen[0].tolist() for one in (first, second)] == [
        [[0.25, 0.25, 0, 0]],
        [[0.5, 0.5, 0, 0]],
    ]


class Fails(Adaptation):
    """Fails at what it is given."""

    @classmethod
    def read(cls, text: str) -> Fails:
        """Whatever follows."""
        return cls()

    def through(self, ask: Ask) -> Ask:
        """Something that raises."""
        return lambda x: ask(x).missing  # type: ignore[attr-defined]


def tried(run: RunConfig) -> None:
    check_adapted(learnt(run), run, TINY, 4, CPU)


def test_a_users_own_is_named_by_its_place_and_tried_before_anything_is_asked() -> None:
    for text in (f"{__name__}:Fails", f"{__name__}:Fails:3"):
        with pytest.raises(ConfigError, match=r"adaptations: .*:Fails.* raised AttributeError"):
            tried(config(text))


class Own(Fails):
    """One that does as it is told in `value`."""

    value: str

    @classmethod
    def read(cls, text: str) -> Any:
        """Fails at some texts."""
        made = cls()
        made.value = text
        return {"none": None}[text] if text in ("none", "lost") else made

    @property
    def queries_per_input(self) -> Any:
        """A number, or not."""
        return {"free": 0, "half": 0.5}.get(self.value, 1)

    def idle(self, access: Access, defended: bool) -> str:
        """Fails at one text."""
        return str(1 / 0) if self.value == "idle" else ""

    def through(self, ask: Ask) -> Ask:
        """Wrong in one way or another, or right for images only."""

        def asked(x: torch.Tensor) -> Any:
            access, labels, scores = ask(x.flip(3))
            assert scores is not None
            return {
                "image": Answer(access, labels, scores),
                "nothing": None,
                "fewer": Answer.unpack(access, scores[1:]),
                "classes": Answer.unpack(access, scores[:, 1:]),
                "labels": Answer(access, labels[1:], scores),
                "label": Answer(Access.LABEL, labels, None),
                "nan": Answer(access, labels, scores * torch.nan),
            }[self.value]

        return asked


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("lost", r":Own:lost raised KeyError: 'lost'"),
        ("none", r":Own:none: expected `read` to make one, got None"),
        ("free", r":Own:free: expected a whole number of queries per input, 1 or more, got 0"),
        ("half", r":Own:half: expected a whole number of queries per input, 1 or more, got 0\.5"),
        ("idle", r":Own:idle raised ZeroDivisionError"),
    ],
)
def test_faults_of_a_users_own_are_told_with_those_of_the_settings(value: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        RunConfig.read({"adaptations": [f"{__name__}:Own:{value}"], "defences": ["rounding:1"]})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("nothing", "got a NoneType"),
        ("fewer", r"got probabilities \[1, 4\]"),
        ("classes", r"got probabilities \[2, 3\]"),
        ("labels", r"got labels \[1\]"),
        ("label", r"got label \[2\]"),
        ("nan", "got NaN or infinity"),
    ],
)
def test_what_a_users_own_makes_of_answers_is_looked_at(value: str, said: str) -> None:
    wanted = rf"Own:{value}: expected an Answer of finite probabilities \[2, 4\] .*, {said}"
    with pytest.raises(ConfigError, match=wanted):
        tried(config(f"{__name__}:Own:{value}"))


def test_a_users_own_is_tried_on_inputs_of_the_victims_shape() -> None:
    tried(config(f"{__name__}:Own:image"))
    tried(config("average:2", access="label"))
    tried(config("invert", access="top-k"))


def test_a_budget_below_the_cost_of_an_input_is_refused() -> None:
    said = r"with average:2 \+ average:3 an input costs 6 queries, and the budget is 5"
    with pytest.raises(ValidationError, match=said):
        config("average:2", "average:3", budget=5)
    assert config("average:2", "average:3", budget=6).inputs == 1


@pytest.mark.parametrize("name", ["invert", "invert-blind"])
def test_learning_ends_when_the_run_is_to_stop(name: str) -> None:
    run, stop = config(name), Stop()
    stop.ask("Ctrl-C")
    with pytest.raises(Interrupted):
        learn(read_adaptations(run.adaptations), run, 4, CPU, stop)


def test_without_adaptations_a_run_has_the_identity_it_always_had() -> None:
    assert "adaptations" not in config().in_full()
    assert config().identity("v") != config("invert").identity("v")
    assert config("invert").in_full()["adaptations"] == ["invert"]
