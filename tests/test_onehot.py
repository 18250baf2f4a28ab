"""Choices by a class in the numpy backend: numbers read and written in one place for each example."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import microgradlike as mg
from microgradlike import Value, ops
from microgradlike.compile.onehot import choose, ones_of, picked
from microgradlike.compile.program import Batch

nan, inf = math.nan, math.inf

#: The class of each example; some are none.
CLASSES = [0.0, 2.0, 1.0, -0.0, 7.0, 2.0, nan, 1.0, 0.5, -1.0, inf]


def matrix_of(classes: list[float], n: int) -> Any:
    return (np.array(classes) == np.arange(float(n))[:, None]) * 1.0


@pytest.mark.parametrize("classes", [CLASSES, [0.0, 2.0, 1.0, 1.0], [5.0, 5.0], [2.0]])
def test_numbers_are_picked_and_put_where_the_ones_are(classes: list[float]) -> None:
    mask = matrix_of(classes, 3)
    numbers = np.random.default_rng(0).normal(size=mask.shape)
    row = np.random.default_rng(1).normal(size=(1, len(classes)))
    ones = ones_of(mask)
    assert (picked(ones, numbers) == np.where(mask, numbers, 0.0).sum(axis=0, keepdims=True)).all()
    assert (picked(ones, numbers.copy(order="F")) == picked(ones, numbers)).all()
    assert not np.signbit(picked(ones, np.full(mask.shape, -0.0))).any()
    for new in (0.0, nan, row):
        expected = np.where(mask, new, numbers)
        for out in (numbers.copy(), np.empty_like(numbers)):
            same = out is not numbers and out.tobytes() == numbers.tobytes()
            result = choose(ones, new, out if same else numbers, out)
            assert result is out
            np.testing.assert_array_equal(out, expected)


# ── In programs ───────────────────────────────────────────────────────────────────────────────────────


def rows_for(n: int, *, wild: bool = False) -> Any:
    rows = np.random.default_rng(n).normal(size=(len(CLASSES), n + 1))
    rows[:, -1] = CLASSES
    if wild:
        rows[0, :-1], rows[1, 0], rows[2, 1], rows[3, n - 1] = inf, nan, -inf, 1e308
    return rows


class Recorded:
    """z = w·x for each of n classes, and which one of them t is."""

    def __init__(self, n: int, *, turned: bool = False, constants: list[float] | None = None) -> None:
        self.x = [Value(0.5 + i, f"x{i}") for i in range(n)]
        self.t = Value(1.0, "t")
        self.w = [Value(1.0 + 0.25 * i, f"w{i}") for i in range(n)]
        self.z = [w * x for w, x in zip(self.w, self.x)]
        numbers = constants or [float(i) for i in range(n)]
        self.chosen = [ops.equal(i, self.t) if turned else ops.equal(self.t, i) for i in numbers]

    def where(self, a: Any, b: Any) -> list[Any]:
        lists = (x if isinstance(x, list) else [x] * len(self.z) for x in (a, b))
        return [ops.where(*operands) for operands in zip(self.chosen, *lists)]

    def program(self, loss: Any, backend: str, outputs: Any = (), **options: Any) -> Any:
        options |= {"block": 4} if backend == "numpy" else {}
        inputs = [*self.x, self.t]
        return mg.compile(loss, inputs, self.w, outputs=outputs, backend=backend, allow_nan=True, **options)


FORMS: dict[str, Any] = {
    "one of them": lambda r: mg.sum(r.where(r.z, 0.0)),
    "one of them, and a number for each other": lambda r: mg.sum(r.where(r.z, 0.5)),
    "the same number of each": lambda r: mg.sum(r.where(mg.sin(mg.sum(r.z)), 0.0)),
    "one of the inputs": lambda r: r.w[0] * mg.sum(r.where(r.x, 0.0)),
    "one of the parameters": lambda r: r.x[0] * mg.sum(r.where(r.w, 0.0)),
    "all but one": lambda r: mg.sum(mg.exp(z) for z in r.where(0.0, r.z)),
    "a number in the place of one": lambda r: mg.logsumexp(r.where(-2.5, r.z)),
    "nan in the place of one": lambda r: mg.sum(r.where(nan, r.z)),
    "a sum in the place of one": lambda r: mg.sum(mg.tanh(z) for z in r.where(mg.sum(r.z), r.z)),
    "that input in the place of one": lambda r: mg.sum(mg.sin(z) for z in r.where(r.x[0], r.z)),
    "a parameter in the place of one": lambda r: mg.sum(mg.sin(z) for z in r.where(r.w[1], r.z)),
    "others, needed later": lambda r: mg.sum(
        a * b for a, b in zip(r.where(mg.sum(r.z), [mg.exp(z) for z in r.z]), [mg.exp(z) for z in r.z])
    ),
    "one of them in the place of others": lambda r: mg.sum(
        mg.sin(z) for z in r.where(r.z[-1], r.z[1:] + r.z[:1])
    ),
    "in the place of inputs": lambda r: mg.sum(w * a for w, a in zip(r.w, r.where(0.0, r.x))),
    "in the place of a number": lambda r: mg.sum(mg.cos(a) for a in r.where(mg.sum(r.z), 1.5)),
    "in the place of parameters": lambda r: mg.sum(mg.cos(a) for a in r.where(0.25, r.w)),
    "one of two lists": lambda r: mg.sum(mg.sin(a) for a in r.where(r.z, r.x)),
    "a mask": lambda r: mg.sum(c * z for c, z in zip(r.chosen, r.z)),
    "how many": lambda r: r.w[0] * mg.sum(r.chosen),
    "a condition of all": lambda r: ops.where(mg.sum(r.chosen), mg.prod(r.z), mg.sum(r.z)),
    "cross-entropy": lambda r: mg.cross_entropy(r.z, r.t),
}


def assert_alike(recorded: Recorded, loss: Any, outputs: Any, *, wild: bool) -> Any:
    """That numpy computes what straight-line code does; the numpy backend's statements."""
    rows = rows_for(len(recorded.x), wild=wild)
    expected = recorded.program(loss, "python", outputs)
    program = recorded.program(loss, "numpy", outputs)
    # One by one as well: an example that gives nan hides all the others in a mean.
    one_by_one = [rows[i : i + 1] for i in range(len(rows))]
    for batch in (rows, program.prepare(rows), rows[:3], *one_by_one, program.prepare(rows[:4])):
        plain = batch.rows if isinstance(batch, Batch) else batch
        for got, wanted in zip(program(batch), expected(plain.tolist())):
            np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)
    return program._whole.loop.statements


@pytest.mark.parametrize("wild", [False, True], ids=["finite", "with infinities"])
@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("form", FORMS)
def test_choices_by_a_class(form: str, n: int, wild: bool) -> None:
    for turned in (False, True):
        recorded = Recorded(n, turned=turned)
        loss = FORMS[form](recorded)
        assert_alike(recorded, loss, (), wild=wild)
        assert_alike(recorded, loss, [loss, *recorded.where(0.0, recorded.z), *recorded.chosen], wild=wild)


@given(st.lists(st.sampled_from(sorted(FORMS)), min_size=2, max_size=5), st.integers(2, 4))
def test_choices_side_by_side(forms: list[str], n: int) -> None:
    recorded = Recorded(n)
    parts = [FORMS[form](recorded) for form in forms if form != "nan in the place of one"]
    loss = mg.sum(mg.tanh(part) for part in parts) if parts else recorded.z[0]
    assert_alike(recorded, loss, parts, wild=False)


STEPS: dict[str, Any] = {
    "layer": lambda r, a, _: [mg.dot([mg.sin(w + i) for w in r.w], a) - w for i, w in enumerate(r.w)],
    "relu": lambda r, a, _: [mg.relu(z) for z in a],
    "product": lambda r, a, b: [y * z for y, z in zip(a, b)],
    "in another order": lambda r, a, _: [*reversed(a)],
    "sum": lambda r, a, b: [mg.sum(a) - z for z in b],
    "one or the other": lambda r, a, b: r.where(a, b),
    "a number": lambda r, a, _: r.where(0.0, a),
    "or a number": lambda r, a, _: r.where(a, 0.0),
    "one of them": lambda r, a, b: [mg.sum(r.where(a, 0.0)) * z for z in b],
    "one for all": lambda r, a, b: r.where(a[0], b),
    "a mask": lambda r, a, _: [c * z for c, z in zip(r.chosen, a)],
    "what is above": lambda r, a, b: [ops.greater(y, 0.25) * z for y, z in zip(a, b)],
    "the greater": lambda r, a, b: [ops.where(ops.greater(y, z), y, mg.cos(z)) for y, z in zip(a, b)],
}


@given(
    st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 9), st.integers(0, 9)), max_size=8),
    st.integers(2, 4),
    st.booleans(),
)
def test_choices_one_after_the_other(steps: list[tuple[str, int, int]], n: int, derive: bool) -> None:
    recorded = Recorded(n)
    lists = [recorded.z, recorded.x]
    for step, i, j in steps:
        made = STEPS[step](recorded, lists[i % len(lists)], lists[j % len(lists)])
        lists.append([mg.tanh(z) for z in made])  # so that nothing grows
    loss = mg.sum(mg.sin(z) for z in lists[-1]) + recorded.w[0]
    recorded.w = recorded.w if derive else []
    assert_alike(recorded, loss, lists[len(steps) // 2], wild=False)


def test_an_operand_that_the_book_leaves_out_is_there_when_the_code_runs() -> None:
    """1 − tanh²(z) shows no z, which the code reads in a tail: also where only some rows of z are read."""
    steps = [("a number", 0, 0), ("the greater", 0, 0), ("a mask", 0, 0)]
    steps += [("one for all", 2, 8), ("a mask", 0, 0), ("one for all", 5, 4)]
    test_choices_one_after_the_other.hypothesis.inner_test(steps, 2, True)  # type: ignore[attr-defined]


def test_what_is_read_and_written_in_one_place() -> None:
    recorded = Recorded(5)
    text = "\n".join(assert_alike(recorded, FORMS["cross-entropy"](recorded), (), wild=False))
    assert text.count("picked(") == 1
    assert text.count("choose(") == 2
    assert "np.where(A1" not in text


@pytest.mark.parametrize("constants", [[0.0, -0.0, 1.0], [1.0, 1.0, 2.0], [nan, nan, 1.0]])
def test_two_alike_are_no_classes(constants: list[float]) -> None:
    recorded = Recorded(3, constants=constants)
    for form in ("one of them", "all but one", "a sum in the place of one"):
        statements = assert_alike(recorded, FORMS[form](recorded), (), wild=False)
        assert "picked(" not in "\n".join(statements)


@pytest.mark.parametrize("choose", [lambda c, z: ops.where(c, z, 0.0), lambda c, z: ops.where(c, 0.0, z)])
def test_classes_of_two_kinds(choose: Any) -> None:
    """Different constants, each of which another input may be: both may be met."""
    w, t = [Value(0.5, "w1"), Value(0.25, "w2")], [Value(0.0, "t1"), Value(0.0, "t2")]
    chosen = [ops.equal(t[0], 0.0), ops.equal(t[1], 1.0)]
    loss = mg.sum(mg.sin(choose(c, mg.cos(v) * u)) for c, v, u in zip(chosen, w, t))
    rows = [[a, b] for a in (0.0, 1.0, 2.0) for b in (0.0, 1.0, 2.0)]
    numpy, python = (mg.compile(loss, t, w, backend=backend) for backend in ("numpy", "python"))
    for got, wanted in zip(numpy(rows), python(rows)):
        np.testing.assert_allclose(got, wanted, rtol=1e-14)


def test_a_class_that_is_computed() -> None:
    """Then there are no places beforehand, but a mask."""
    recorded = Recorded(3)
    chosen = [ops.equal(recorded.w[0] * recorded.t, float(i)) for i in range(3)]
    loss = mg.sum(ops.where(c, z, 0.0) for c, z in zip(chosen, recorded.z))
    statements = assert_alike(recorded, loss, (), wild=False)
    assert "picked(" not in "\n".join(statements)


# ── Truths ────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_above_zero_is_asked_at_once() -> None:
    model = mg.MLP(3, [8, 4, 1])
    program: Any = mg.compile(model, [[0.0] * 3], model.parameters(), backend="numpy")
    statements = program._whole.loop.statements
    for i, text in enumerate(statements):
        if "np.greater(" in text:
            relu = statements[i - 1].partition(" = ")[0]
            assert f"np.greater({relu}, 0.0" in text
    assert sum("np.greater(" in text for text in statements) == 2


COMPARED: dict[str, Any] = {
    "a mask": lambda z: [(z[0] > z[1]) * a for a in z],
    "two masks": lambda z: [ops.greater(a, 0.5) * ops.greater(1.0, a) * a for a in z],
    "masks of masks": lambda z: [ops.greater(a, 0.5) * ops.greater(1.0, a) for a in z],
    "choices": lambda z: [ops.where(ops.greater(a, 0.25), mg.exp(a), a) for a in z],
    "choices of a number": lambda z: [ops.where(ops.greater(a, 0.25), 1.0, a) for a in z],
    "a choice by one": lambda z: [ops.where(ops.greater(z[0], z[1]), a, mg.sin(a)) for a in z],
    "a number": lambda z: [ops.greater(a, 0.25) + a for a in z],
    "compared with another": lambda z: [ops.greater(ops.greater(a, 0.25), 0.5 * a) * a for a in z],
    "of two arrays": lambda z: [ops.greater(mg.exp(mg.sin(a)), mg.cos(a)) * b for a, b in pairwise(z)],
    "equal": lambda z: [ops.where(ops.equal(a, 0.0), 2.0, a) * a for a in z],
    "relu and its mask": lambda z: [mg.relu(a) * ops.greater(a, 0.0) for a in z],
    "leaky": lambda z: [mg.leaky_relu(a, 0.1) for a in z],
    "of many layers": lambda z: [mg.relu(mg.relu(a) - b) for a, b in zip(z, reversed(z))],
}


@pytest.mark.parametrize("form", COMPARED)
@pytest.mark.parametrize("n", [1, 2, 5])
def test_truths(form: str, n: int) -> None:
    recorded = Recorded(n)
    z = COMPARED[form](recorded.z if n > 1 else recorded.z * 2)
    assert_alike(recorded, mg.sum(mg.sin(a) for a in z), z, wild=False)
    assert_alike(recorded, mg.sum(mg.sin(a) for a in z), (), wild=True)


def test_truths_that_are_wanted() -> None:
    recorded = Recorded(3)
    masks = [ops.greater(z, 0.25) for z in recorded.z]
    masked = [mask * mg.exp(z) for mask, z in zip(masks, recorded.z)]
    for outputs in (masks, [*masked, *masks], [ops.where(mask, 1.0, 2.0) for mask in masks]):
        assert_alike(recorded, mg.sum(mg.sin(a) for a in masked), outputs, wild=False)
