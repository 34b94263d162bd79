from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from copycost.defences.stack import defend
from copycost.errors import SpecMismatch
from copycost.testing import TINY, ScriptedVictim, TinyNet, tiny_victim
from copycost.types import Access
from copycost.victims.function import FunctionVictim
from copycost.victims.module import ModuleVictim


def images(n):
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(n))


def test_module_is_asked_in_evaluation_mode_whatever_happens_to_it():
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 4))
    victim = ModuleVictim(net, TINY, 4)
    net.train()
    x = images(8)
    assert torch.equal(victim(x), victim(x))


def test_module_weights_are_never_changed():
    net = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(64, 4))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    ModuleVictim(net, TINY, 4)(images(8))
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert all(p.requires_grad for p in net.parameters())


def test_function_gets_numpy_and_may_return_lists():
    seen = []

    def predict(x):
        seen.append(x)
        return [[0.25, 0.75] for _ in x]

    answer = FunctionVictim(predict, TINY, 2, "probabilities")(images(3))
    assert isinstance(seen[0], np.ndarray)
    assert seen[0].dtype == np.float32
    assert answer.tolist() == [[0.25, 0.75]] * 3


def test_function_may_return_labels():
    answer = FunctionVictim(lambda x: np.arange(len(x)), TINY, 4, "label")(images(3))
    assert answer.dtype == torch.int64
    assert answer.tolist() == [0, 1, 2]


@pytest.mark.parametrize("kind", [object, str])
def test_what_numpy_takes_for_no_numbers_is_told_with_its_reason(kind):
    victim = FunctionVictim(lambda x: np.array([0.5, 0.5], dtype=kind), TINY, 2, "label")
    with pytest.raises(SpecMismatch, match=r"whole numbers from 0 \(can't convert np.ndarray"):
        victim(torch.rand(2, 1, 8, 8))


def test_an_answer_stays_as_it_was_where_a_function_uses_its_buffer_again():
    buffer = torch.zeros(2, 4)

    def predict(x):
        buffer.zero_()[:, int(x.max())] = 1
        return buffer

    victim = FunctionVictim(predict, TINY, 4, "probabilities")
    first = victim(torch.zeros(2, 1, 8, 8))
    victim(torch.ones(2, 1, 8, 8))
    assert first.argmax(1).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("output", "row", "message"),
    [
        ("probabilities", [2.0, -1.0, 0.0], "declare output='logits'"),
        ("probabilities", [0.5, 0.2, 0.1], "summing to one"),
        ("logits", [1.0, float("nan"), 0.0], "NaN or infinity in 5 of 5"),
        ("logits", [1.0, float("inf"), 0.0], "NaN or infinity"),
    ],
)
def test_a_wrong_declaration_is_an_error_at_the_first_answer(output, row, message):
    victim = ScriptedVictim(torch.tensor(row), Access(output))
    with pytest.raises(SpecMismatch, match=message):
        victim(images(5))


@pytest.mark.parametrize("output", ["logits", "label"])
def test_complex_answers_are_refused(output):
    shape = (2, 4) if output == "logits" else (2,)
    victim = FunctionVictim(lambda x: np.full(shape, 1j), TINY, 4, output)
    with pytest.raises(SpecMismatch, match=r"real numbers .*, got complex ones"):
        victim(images(2))


def test_one_answer_is_too_few_to_believe_that_logits_are_logits():
    victim = ModuleVictim(nn.Sequential(TinyNet(), nn.Softmax(dim=1)), TINY, 4, "logits")
    assert torch.equal(victim(images(1)), victim(images(1)))
    with pytest.raises(SpecMismatch, match="declare output='probabilities'"):
        victim(images(5))


def test_labels_out_of_range_are_an_error():
    victim = FunctionVictim(lambda x: np.full(len(x), 4), TINY, 4, "label")
    with pytest.raises(SpecMismatch, match="labels from 0 to 3"):
        victim(images(2))


def test_an_answer_that_is_amiss_says_once_what_it_has_cost():
    inner = ScriptedVictim(torch.tensor([0.5, 0.4, -0.2, 0.1]), Access.PROBABILITIES)
    with pytest.raises(SpecMismatch) as caught:
        defend(inner, ["rounding:2", "noise:0.1"])(images(3))
    assert str(caught.value).count("The 3 queries of this call are charged. Mend the answers") == 1
    with pytest.raises(SpecMismatch, match=r"shape \[3, 3\]; check .*\. The 3 queries"):
        FunctionVictim(lambda x: np.zeros((len(x), 3)), TINY, 4, "logits")(images(3))


def test_the_wrong_number_of_classes_says_what_came():
    with pytest.raises(SpecMismatch, match=r"\[6, 5\].*\[6, 4\]"):
        ModuleVictim(TinyNet(), TINY, 5)(images(6))


def test_a_shape_that_changes_later_is_still_caught():
    rows = iter([4, 3])
    victim = FunctionVictim(lambda x: np.zeros((len(x), next(rows))), TINY, 4, "logits")
    victim(images(2))
    with pytest.raises(SpecMismatch):
        victim(images(2))


@pytest.mark.parametrize(("classes", "output"), [(1, "logits"), (4, "top-k")])
def test_impossible_declarations(classes, output):
    with pytest.raises(SpecMismatch):
        ModuleVictim(TinyNet(), TINY, classes, output)


def test_construction_asks_nothing():
    def fail(x):
        raise AssertionError("asked")

    FunctionVictim(fail, TINY, 4, "logits")


def test_tiny_victim_uses_all_classes():
    assert len(tiny_victim()(images(400)).argmax(1).unique()) == 4
