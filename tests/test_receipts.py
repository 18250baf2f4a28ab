"""Receipts: who added how much to a leaf's gradient, in which backward pass."""

import copy
import pickle
from typing import Any

import pytest

import microgradlike as mg
from microgradlike import Value
from microgradlike.receipts import Receipted


def network_and_loss(x: float = 1.0) -> tuple[mg.MLP, Value]:
    model = mg.MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
    return model, mg.half_squared_error(model([x, 1.0]), 0.0)


def passes(leaf: Value) -> list[float]:
    return [part.total for part in mg.receipts(leaf).passes]


def test_a_forgotten_zero_grad_reads_as_a_list() -> None:
    model, first = network_and_loss()
    second = mg.half_squared_error(model([0.0, 1.0]), 1.0)
    w = model.layers[1].neurons[0].w[0]
    first.backward(receipts=True)
    alone = w.grad
    second.backward(receipts=True)
    text = str(mg.receipts(w))
    assert text.splitlines()[0].startswith(f"w31.grad = {alone:.4g} (1st backward) ")
    assert "(2nd backward)" in text and " by z3" in text
    assert passes(w) == [alone, pytest.approx(w.grad - alone, rel=1e-12)]


def test_gradients_are_the_same_bits_with_and_without() -> None:
    gradients = []
    for receipts in (False, True):
        model, loss = network_and_loss(0.3)
        loss.backward(receipts=receipts)
        mg.half_squared_error(model([0.7, -1.0]), 1.0).backward(receipts=receipts)
        gradients.append([float(p.grad).hex() for p in model.parameters()])
    assert gradients[0] == gradients[1]


def test_each_place_in_an_operation_has_its_receipt() -> None:
    a = Value(3.0, "a")
    z = a * a + a
    z.backward(receipts=True)
    [only] = mg.receipts(a).passes
    assert sorted(receipt.amount for receipt in only.receipts) == [1.0, 3.0, 3.0]
    assert only.total == a.grad == 7.0


def test_zero_grad_and_any_other_write_throw_them_away() -> None:
    model, loss = network_and_loss()
    [w, *_] = model.parameters()
    writes = (lambda: setattr(w, "grad", 0.0), lambda: setattr(w, "grad", w.grad * 0.5))
    for clear in (model.zero_grad, *writes):
        loss.backward(receipts=True)
        assert mg.receipts(w)
        clear()
        with pytest.raises(ValueError, match=r"w11\.grad has no receipts"):
            mg.receipts(w)


def test_off_by_default_and_nothing_is_kept() -> None:
    model, loss = network_and_loss()
    loss.backward()
    assert not any(isinstance(p.grad, Receipted) for p in model.parameters())
    assert "receipts" not in str(Value.__slots__)


def test_what_was_there_before_is_a_term_of_its_own() -> None:
    w = Value(2.0, "w")
    (w * 3.0).backward()
    (w * 4.0).backward(receipts=True)
    assert str(mg.receipts(w)).splitlines()[0] == "w.grad = 3 (before) + 4 (1st backward)"


def test_a_negative_term_is_subtracted() -> None:
    w = Value(2.0, "w")
    (w * 3.0).backward(receipts=True)
    (w * -4.0).backward(receipts=True)
    assert str(mg.receipts(w)).splitlines()[0] == "w.grad = 3 (1st backward) − 4 (2nd backward)"


def test_it_is_written_as_formula_writes_it() -> None:
    w = Value(2.0, "w")
    (w * -1.5 + 0.25).backward(receipts=True)
    (w + -1.5).backward(receipts=True)
    assert str(mg.receipts(w)).splitlines() == [
        "w.grad = −1.5 (1st backward) + 1 (2nd backward)",
        "  (1st backward) −1.5 by w(−1.5)",
        "  (2nd backward) +1 by w − 1.5",
    ]


@pytest.mark.parametrize("thing", [3.0, "w11", None])
def test_receipts_of_no_value(thing: Any) -> None:
    with pytest.raises(TypeError, match=rf"such as a weight; {thing!r} is no Value$"):
        mg.receipts(thing)


def test_receipts_of_no_leaf() -> None:
    _, loss = network_and_loss()
    loss.backward(receipts=True)
    with pytest.raises(TypeError, match=r"^y is no leaf: receipts are kept of leaves"):
        mg.receipts(loss.parents[0])


def test_copies_keep_them() -> None:
    w = Value(2.0, "w")
    (w * 3.0).backward(receipts=True)
    for twin in (copy.deepcopy(w), pickle.loads(pickle.dumps(w))):
        assert str(mg.receipts(twin)) == str(mg.receipts(w))
