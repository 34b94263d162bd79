import torch

from copycost.datasets import load


def test_digits_facts() -> None:
    data = load("digits")
    assert len(data.train) + len(data.test) == 1_797
    assert data.classes == 10
    assert data.spec.shape == (1, 8, 8)
    both = torch.cat([data.train.inputs, data.test.inputs])
    assert (int(both.min()), int(both.max())) == (0, 255)
    assert len(set(both.flatten().tolist())) == 17


def test_a_quarter_of_every_class_is_held_out() -> None:
    data = load("digits")
    held, kept = data.test.labels.bincount(), data.train.labels.bincount()
    assert bool(((held / (held + kept) - 0.25).abs() < 0.01).all())


def test_the_split_is_the_same_each_time() -> None:
    one, two = load("digits"), load("digits")
    assert torch.equal(one.test.inputs, two.test.inputs)
    assert torch.equal(one.train.labels, two.train.labels)
