"""compile as its user meets it: batches, errors, data that change, threads, checks, blocks of a batch."""

import copy
import math
import pickle
import re
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import microgradlike as mg
from microgradlike import MLP, Program, Value, half_squared_error, ops
from microgradlike.compile.schedule import _TAKEN
from microgradlike.engine import Constant

BACKENDS = ("python", "numpy")
every_backend = pytest.mark.parametrize("backend", BACKENDS)
inf, nan = math.inf, math.nan


def program(backend: str, **options: Any) -> Program:
    """The loss (w·x1 − x2)², its derivative by w, and w·x1."""
    w, x1, x2 = Value(3.0, "w"), Value(1.0, "x1"), Value(2.0, "x2")
    y = w * x1
    return mg.compile((y - x2) ** 2, [x1, x2], [w], outputs=[y], backend=backend, **options)


EXPECTED = ((3 * 1 - 2) ** 2 + (3 * 2 - 5) ** 2) / 2, (2 * 1 * 1 + 2 * 1 * 2) / 2


# ── Batches ───────────────────────────────────────────────────────────────────────────────────────────


class Frame:
    """As much of a pandas frame as counts: columns, and columns by name."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self._columns = columns
        self.columns = [*columns]

    def __getitem__(self, name: str) -> Any:
        return self._columns[name]

    def __len__(self) -> int:
        return len(self._columns[self.columns[0]])


@every_backend
@pytest.mark.parametrize(
    "batch",
    [
        [[1.0, 2.0], [2.0, 5.0]],
        [[1, 2], [2, 5]],
        [(1, 2), (2.0, 5)],
        ((1, 2), (2, 5)),
        [[True, 2], [2, 5.0]],
        [[Fraction(1), 2.0], [2.0, Fraction(5)]],
        [[Fraction(1), Fraction(2)], [Fraction(2), Fraction(5)]],
        [[Decimal(1), 2.0], [2.0, Decimal(5)]],
        [[np.float64(1), np.float32(2)], [np.int8(2), 5.0]],
        [np.array([1, 2]), np.array([2.0, 5.0])],
        np.array([[1.0, 2.0], [2.0, 5.0]]),
        np.array([[1, 2], [2, 5]]),
        np.array([[1, 2], [2, 5]], np.uint8),
        np.array([[1, 2], [2, 5]], np.float32),
        np.array([[1, 2], [2, 5]], np.float16),
        np.array([[1, 2], [2, 5]], object),
        np.array([[1.0, 2.0], [2.0, 5.0]], order="F"),
        np.array([[2.0, 5.0], [1.0, 2.0]])[::-1],
        np.array([[1.0, 2.0], [2.0, 5.0]]).astype(">f8"),
        {"x1": [1, 2], "x2": [2, 5]},
        {"x2": np.array([2, 5]), "more": [0, 0], "x1": np.array([1.0, 2.0])},
        {"x2": (Fraction(2), 5), "x1": (True, 2.0)},
        Frame({"x2": [2, 5], "x1": [1.0, 2.0], "words": ["a", "b"]}),
        Frame({"x1": np.array([1, 2]), "x2": np.array([2.0, 5.0])}),
    ],
    ids=lambda batch: f"{type(batch).__name__} {batch!r:.40}".partition(" at 0x")[0],
)
def test_a_batch_of_every_kind(batch: Any, backend: str) -> None:
    p = program(backend)
    loss, gradients, outputs = p(batch)
    assert (loss, *gradients) == EXPECTED
    assert [*map(float, gradients)] == [EXPECTED[1]]
    assert [[*row] for row in outputs] == [[3.0], [6.0]]
    assert all(isinstance(cell, float) for row in outputs for cell in row)
    value, again = p.value(batch)
    assert value == EXPECTED[0]
    assert [[*row] for row in again] == [[3.0], [6.0]]


@every_backend
def test_the_result_is_a_named_tuple(backend: str) -> None:
    w, x = Value(3.0, "w"), Value(1.0, "x")
    result = mg.compile(w * x, [x], [w], backend=backend)([[1.0]])
    assert isinstance(result, mg.compile.__globals__["Result"])
    assert result._fields == ("loss", "gradients")
    assert type(result.loss) is float
    assert type(result.gradients) is (np.ndarray if backend == "numpy" else list)
    assert program(backend)([[1.0, 2.0]])._fields == ("loss", "gradients", "outputs")


@every_backend
def test_a_batch_is_not_changed_and_results_are_not_shared(backend: str) -> None:
    batch = np.array([[1.0, 2.0], [2.0, 5.0]])
    before = batch.copy()
    p = program(backend)
    first = p(batch)
    kept = [*first.gradients], [[*row] for row in first.outputs]
    second = p(batch * 2)
    assert (batch == before).all()
    assert ([*first.gradients], [[*row] for row in first.outputs]) == kept
    assert [*second.gradients] != kept[0]
    identity = mg.compile(Value(1.0, "w") * (x := Value(1.0, "x")), [x], outputs=[x], backend=backend)
    outputs = identity(rows := np.array([[5.0], [6.0]])).outputs
    rows[:] = 0.0
    assert [*map(list, outputs)] == [[5.0], [6.0]]


WRONG: list[tuple[Any, type[Exception], str]] = [
    ([[1.0, 2.0, 3.0]], ValueError, "row 0 of the batch has 3 numbers, but the inputs are 2: x1, x2"),
    ([[1.0]], ValueError, "row 0 of the batch has 1 number, but the inputs are 2: x1, x2"),
    ([[1.0, 2.0], [1.0]], ValueError, "row 1 of the batch has 1 number, but"),
    ([[1.0, 2.0], []], ValueError, "row 1 of the batch has 0 numbers, but"),
    (np.zeros((3, 4)), ValueError, "row 0 of the batch has 4 numbers, but"),
    (np.zeros((2, 0)), ValueError, "row 0 of the batch has 0 numbers, but"),
    ([[1.0, 2.0], [1.0, "two"]], TypeError, r"row 1 of the batch, x2: .*'two' \(str\): convert it first"),
    (np.array([["1", "2"]]), TypeError, r"row 0 of the batch, x1: .*str"),
    ([[1.0, None]], TypeError, "row 0 of the batch, x2: a real number is needed, not None"),
    ([[1.0, 2j]], TypeError, "row 0 of the batch, x2: .*real part"),
    (np.array([[1.0, 2j]]), TypeError, "row 0 of the batch, x1: .*real part"),
    ([[1.0, Value(2.0)]], TypeError, "row 0 of the batch, x2: .*its number is v.data"),
    ([[1.0, [2.0]]], TypeError, "row 0 of the batch, x2: "),
    ([[1.0, 10**400]], OverflowError, "row 0 of the batch, x2: "),
    ([[1.0, nan]], ValueError, "row 0 of the batch, x2, is nan: .*allow_nan=True"),
    (np.array([[1.0, 2.0], [nan, 2.0]]), ValueError, "row 1 of the batch, x1, is nan"),
    ([[inf, 2.0], [-inf, 2.0], [nan, 2.0]], ValueError, "row 2 of the batch, x1, is nan"),
    ([], ValueError, "the batch has no examples"),
    (np.zeros((0, 2)), ValueError, "the batch has no examples"),
    ({"x1": [], "x2": []}, ValueError, "the batch has no examples"),
    ([1.0, 2.0], TypeError, r"row 0 is 1.0; for one example, write \[\[…\]\]"),
    (np.array([1.0, 2.0]), TypeError, r"row 0 is .*1.0.*; for one example, write \[\[…\]\]"),
    (np.zeros((2, 2, 2)), TypeError, "row 0 of the batch, x1: "),
    (np.float64(3.0), TypeError, "a batch is a table"),
    (np.array(3.0), TypeError, "a batch is a table"),
    (3.0, TypeError, "a batch is a table, with a row for each example, not 3.0"),
    (None, TypeError, "a batch is a table, with a row for each example, not None"),
    ("ab", TypeError, "a batch is a table, with a row for each example, not 'ab'"),
    (["ab", "cd"], TypeError, "row 0 is 'ab'"),
    (([x, 2.0] for x in (1.0, 2.0)), TypeError, "a batch is a table"),
    ({"x1": [1.0]}, ValueError, "the batch has no column x2; it has x1"),
    ({}, ValueError, "the batch has no column x1, x2; it has none"),
    (Frame({"a": [1.0], "x2": [1.0]}), ValueError, "the batch has no column x1; it has a, x2"),
    ({"x1": [1.0], "x2": [1.0, 2.0]}, ValueError, "columns of the batch differ in length"),
    ({"x1": [1.0, "a"], "x2": [1.0, 2.0]}, TypeError, "row 1 of the batch, x1: "),
    ({"x1": [1.0, nan], "x2": [1.0, 2.0]}, ValueError, "row 1 of the batch, x1, is nan"),
    ({"x1": 1.0, "x2": 2.0}, TypeError, "column x1 .*1.0"),
]


@every_backend
@pytest.mark.parametrize(
    ("batch", "error", "message"), WRONG, ids=[f"{b!r:.40}".partition(" at 0x")[0] for b, *_ in WRONG]
)
def test_what_is_no_batch(batch: Any, error: type[Exception], message: str, backend: str) -> None:
    if not hasattr(batch, "__len__") and hasattr(batch, "__next__"):
        batch = ([x, 2.0] for x in (1.0, 2.0))  # a generator lives once
    p = program(backend)
    for call in (p, p.value):
        with pytest.raises(error, match=message):
            call(batch)
    assert tuple(p([[1.0, 2.0], [2.0, 5.0]])[:1]) == EXPECTED[:1]  # and nothing is broken


@every_backend
def test_nan_and_infinities_that_are_allowed(backend: str) -> None:
    p = program(backend, allow_nan=True)
    loss, gradients, outputs = p([[1.0, 2.0], [nan, 2.0]])
    assert math.isnan(loss) and math.isnan(gradients[0])
    assert outputs[0][0] == 3.0 and math.isnan(outputs[1][0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert program(backend)([[inf, 2.0], [-inf, 2.0]]).loss == inf
        assert program(backend)(np.array([[1e308, 2.0], [1e308, 2.0]])).loss == inf
        assert program(backend)(np.array([[inf, 2.0], [-inf, 2.0]])).loss == inf


@every_backend
def test_huge_integers_are_numbers_like_others(backend: str) -> None:
    p = program(backend)
    assert p([[10**200, 0.5]]).loss == inf
    assert p([[2**53 + 1, 0.5]]).outputs[0][0] == 3.0 * 2.0**53


@every_backend
def test_numbers_of_other_types_become_floats(backend: str) -> None:
    a, b = Value(1.0, "a"), Value(2.0, "b")
    p = mg.compile(a * b, [a, b], outputs=[a, b, ops.relu(a)], backend=backend)
    cells = [*p([[Fraction(1, 3), 2.0], [True, 5]]).outputs[0], *p([[3, 5.0]]).outputs[0]]
    assert cells == [1 / 3, 2.0, 1 / 3, 3.0, 5.0, 3.0]
    assert all(isinstance(cell, float) for cell in cells)
    assert p([[10**200, 0.5], [1.0, 2]]).loss == (0.5 * 1e200 + 2) / 2


@every_backend
def test_unnamed_inputs(backend: str) -> None:
    a, b, w = Value(1.0), Value(2.0), Value(3.0)
    p = mg.compile(w * a + b, [a, b], backend=backend)
    assert p.inputs == ["column 0", "column 1"]
    assert p([[1.0, 2.0], [3.0, 4.0]]).loss == 9.0
    with pytest.raises(ValueError, match="the inputs are 2: column 0, column 1"):
        p([[1.0]])


# ── Arguments of compile ──────────────────────────────────────────────────────────────────────────────

w, x = Value(3.0, "w"), Value(2.0, "x")
L = w * x
ARGUMENTS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: mg.compile(3.0, [x], [w]), TypeError, "takes a Value or a function that returns one, not 3.0"),  # type: ignore[arg-type]
    (lambda: mg.compile(L), TypeError, r"which leaves are inputs\? write compile\(loss, inputs="),
    (lambda: mg.compile(L, x, [w]), TypeError, r"inputs is a list of Values, .*: write \[v\]"),  # type: ignore[arg-type]
    (
        lambda: mg.compile(L, [L], [w]),
        ValueError,
        r"inputs\[0\] is the result of mul, but an input is a leaf",
    ),
    (lambda: mg.compile(L, [x, 2.0], [w]), TypeError, r"inputs\[1\] is 2.0, not a Value"),
    (lambda: mg.compile(L, [Constant(2.0)], [w]), ValueError, r"inputs\[0\] is a constant"),
    (lambda: mg.compile(L, [x, x], [w]), ValueError, "two inputs are the same.*x"),
    (lambda: mg.compile(L, [x, [w, x]], [w]), ValueError, "two inputs are the same.*x"),
    (lambda: mg.compile(L, [x, Value(1.0, "x")], [w]), ValueError, "have the same name.*x"),
    (lambda: mg.compile(L, [x], w), TypeError, r"wrt is a list of Values, .*: write \[v\]"),  # type: ignore[arg-type]
    (lambda: mg.compile(L, [x], 3.0), TypeError, "wrt is a list of Values, not 3.0"),  # type: ignore[arg-type]
    (lambda: mg.compile(L, [x], [w, 1.0]), TypeError, r"wrt\[1\] is 1.0, not a Value"),  # type: ignore[list-item]
    (lambda: mg.compile(L, [x], "w"), TypeError, r"wrt\[0\] is 'w', not a Value"),  # type: ignore[arg-type]
    (lambda: mg.compile(L, [x], [w], outputs=L), TypeError, "outputs is a list of Values"),  # type: ignore[arg-type]
    (lambda: mg.compile(L, [x], [w], outputs=[1]), TypeError, r"outputs\[0\] is 1, not a Value"),  # type: ignore[list-item]
    (lambda: mg.compile(L, [x], [w], backend="fortran"), ValueError, "there is no backend 'fortran'"),
    (lambda: mg.compile(L, [x], [w], reduce="max"), ValueError, 'reduce is "mean" or "sum", not \'max\''),
    (lambda: mg.compile(lambda a: a), TypeError, "with an example of its arguments"),
    (lambda: mg.compile(lambda a: a, "1"), TypeError, "with an example of its arguments"),
    (lambda: mg.compile(lambda a: a, 1.0), TypeError, "with an example of its arguments"),  # type: ignore[arg-type]
    (lambda: mg.compile(lambda a: 3.0, [1.0]), TypeError, "the function returned 3.0, not a Value"),
    (lambda: mg.compile(lambda a: None, [1.0]), TypeError, "the function returned None, not a Value"),
    (lambda: mg.compile(lambda a: [a], [1.0]), TypeError, "the function returned .*, not a Value"),
    (lambda: mg.compile(lambda a: (a, 3.0), [1.0]), TypeError, "outputs"),
    (lambda: mg.compile(lambda a: a, [1.0], outputs=[w]), TypeError, "what it returns with the loss"),
    (lambda: mg.compile(lambda a: a, ["one"]), TypeError, "a real number is needed, not 'one'"),
    (
        lambda: mg.compile(lambda a: a * w, [1.0, 2.0], [w]),
        TypeError,
        r"the example has 2 arguments, but the function takes \(a\): too many",
    ),
    (
        lambda: mg.compile(lambda a, b: a * b, [[1.0]]),
        TypeError,
        r"the example has 1 argument, but the function takes \(a, b\): missing .* 'b'",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), ARGUMENTS, ids=range(len(ARGUMENTS)))
def test_arguments_that_are_wrong(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


# ── Functions ─────────────────────────────────────────────────────────────────────────────────────────


@every_backend
def test_a_function_of_numbers_and_lists(backend: str) -> None:
    network = MLP(2, [2, 1], activation="tanh")

    def loss(x: Sequence[Value], t: Value) -> tuple[Value, list[Value]]:
        y = network(x)
        return half_squared_error(y, t), [y, y * 2]

    p = mg.compile(loss, [[0.5, 1.0], 1.0], network.parameters(), backend=backend)
    assert p.inputs == ["x1", "x2", "t"]
    result = p([[0.25, -0.5, 0.75], [1.0, 2.0, 3.0]])
    y = network([0.25, -0.5])
    assert [*result.outputs[0]] == pytest.approx([y.data, 2 * y.data])
    network.zero_grad()
    for row in ([0.25, -0.5, 0.75], [1.0, 2.0, 3.0]):
        half_squared_error(network(row[:2]), row[2]).backward()
    assert [*result.gradients] == pytest.approx([v.grad / 2 for v in network.parameters()], rel=1e-12)
    named = p({"t": [0.75, 3.0], "x2": [-0.5, 2.0], "x1": [0.25, 1.0]})
    assert named.loss == result.loss


@every_backend
def test_a_function_with_one_output_and_arrays_for_an_example(backend: str) -> None:
    v = Value(2.0, "v")
    p = mg.compile(lambda a: (a[0] * v, a[1] * v), [np.array([1.0, 2.0])], [v], backend=backend)
    assert p.inputs == ["a1", "a2"]
    loss, gradients, outputs = p([[3.0, 5.0]])
    assert (loss, *gradients, *outputs[0]) == (6.0, 3.0, 10.0)


def test_functions_of_other_kinds() -> None:
    class Model:
        def __call__(self, a: Value, /, b: Value, *rest: Value) -> Value:
            return mg.sum([a, b, *rest])

    p = mg.compile(Model(), [1.0, 2.0, 3.0, 4.0], [])
    assert p.inputs[:2] == ["a", "b"]
    assert len({*p.inputs}) == 4
    assert p([[1.0, 2.0, 4.0, 8.0]]).loss == 15.0
    assert mg.compile(max_of_two, [1.0, 2.0], [])([[1.0, 2.0], [4.0, 3.0]]).loss == 3.0


def max_of_two(a: Value, b: Value) -> Value:
    return mg.maximum(a, b)


def with_if(v: Value) -> Value:
    if v > 0:  # looks at v
        return v * 2
    return v


def with_max(v: Value, u: Value) -> Value:
    return max(v, u)  # looks at v


def with_float(v: Value) -> Value:
    return v * float(v)  # looks at v


def with_sorted(v: Value, u: Value) -> Value:
    return sorted([u, v])[1] * v  # looks at v


def with_abs(v: Value) -> Value:
    return v * (abs(v) < 1)  # looks at a Value


def with_while(v: Value) -> Value:
    while v < 10:  # looks at v
        v = v * 2
    return v


def with_truth(v: Value) -> Value:
    return v * 3 if v else v * 2  # looks at v


def with_round(v: Value) -> Value:
    return v * round(v)  # looks at v


def with_int(v: Value) -> Value:
    return v * int(v)  # looks at v


def with_math(v: Value) -> Value:
    return v * math.exp(v)  # looks at v


def with_data(v: Value) -> Value:
    return v * [1, 2, 3][int(v + 0.5)]  # looks at a Value


LOOKING = [
    with_if, with_max, with_float, with_sorted, with_abs, with_while, with_truth, with_round, with_int,
    with_math, with_data,
]  # fmt: skip


@pytest.mark.parametrize("function", LOOKING, ids=lambda function: function.__name__)
def test_a_function_that_looks_at_a_number_is_refused(function: Callable[..., Value]) -> None:
    code = function.__code__
    with pytest.raises(TypeError) as caught:
        mg.compile(function, [0.5] * code.co_argcount)
    message = str(caught.value)
    with open(__file__, encoding="utf-8") as file:
        lines = file.read().splitlines()
    [number] = [i for i, _, line in code.co_lines() if line and "# looks at" in lines[line - 1]][:1] and {
        line for _, _, line in code.co_lines() if line and "# looks at" in lines[line - 1]
    }
    assert f"line {number} of test_compile.py uses the number of " in message
    assert lines[number - 1].strip() in message
    assert any(f"of {name}:" in message for name in ("v", "u", "a Value"))
    assert "where(" in message and "maximum" in message and "relu" in message
    assert isinstance(function(*[Value(0.5)] * code.co_argcount).data, float)  # the watch is gone


def test_the_watch_is_for_the_function_alone() -> None:
    v = Value(1.0, "v")
    seen: list[bool] = []

    def elsewhere() -> None:
        seen.append(v > 0)

    def function(a: Value) -> Value:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        return a * v

    mg.compile(function, [1.0], [v])
    assert seen == [True]
    with pytest.raises(ZeroDivisionError):
        mg.compile(lambda a: a * (1 / 0), [1.0])
    assert v > 0
    assert float(v) == 1.0
    mg.compile(lambda a: mg.where(mg.greater(a, 0.0), a, v), [1.0], [v])
    assert mg.compile(lambda a: a * 2, [1.0], [])([[3.0]]).loss == 6.0


@every_backend
def test_within_no_grad(backend: str) -> None:
    v, a = Value(3.0, "v"), Value(2.0, "a")
    product = v * a
    with mg.no_grad():
        graph = mg.compile(product, [a], [v], backend=backend)
        function = mg.compile(lambda x: x * v, [2.0], [v], backend=backend)
        assert not (v * a).parents
    for p in (graph, function):
        assert p([[5.0]]) == (15.0, [5.0])


LOSSES: list[tuple[Callable[[Any, Any], Value], int, list[list[float]]]] = [
    (mg.half_squared_error, 2, [[0.5, -1.0], [2.0, 0.0]]),
    (mg.mse_loss, 2, [[0.5, -1.0], [2.0, 0.0]]),
    (lambda z, t: mg.binary_cross_entropy([mg.sigmoid(y) for y in z], t), 2, [[0.0, 1.0], [0.5, 1.0]]),
    (mg.binary_cross_entropy_with_logits, 2, [[0.0, 1.0], [0.25, 1.0]]),
    (lambda z, t: mg.cross_entropy(z, t[0]), 2, [[0.0], [1.0], [1.0]]),
    (lambda z, t: mg.cross_entropy(z, t[0]), 7, [[float(i)] for i in range(7)]),
    (mg.hinge_loss, 2, [[1.0, -1.0], [-1.0, -1.0]]),
]


@every_backend
@pytest.mark.parametrize(("loss", "width", "targets"), LOSSES, ids=range(len(LOSSES)))
def test_every_loss_with_targets_that_vary(
    loss: Callable[[Any, Any], Value], width: int, targets: list[list[float]], backend: str
) -> None:
    network = MLP(3, [4, width], activation="tanh")
    rng = np.random.default_rng(width)
    batch = [[*rng.normal(size=3).tolist(), *t] for t in targets]

    def of_one_example(row: Sequence[Any]) -> Value:
        return loss(network(row[:3]), row[3:])

    p = mg.compile(of_one_example, [batch[0]], network.parameters(), backend=backend)
    network.zero_grad()
    losses = [of_one_example(row) for row in batch]
    for one in losses:
        one.backward()
    result = p(batch)
    assert result.loss == pytest.approx(math.fsum(one.data for one in losses) / len(batch), rel=1e-13)
    expected = [v.grad / len(batch) for v in network.parameters()]
    assert [*result.gradients] == pytest.approx(expected, rel=1e-11, abs=1e-15)


@every_backend
def test_a_target_that_is_no_class_shows(backend: str) -> None:
    z, t = [Value(1.0, "z1"), Value(2.0, "z2")], Value(1.0, "t")
    p = mg.compile(mg.cross_entropy(z, t), [*z, t], z, backend=backend)
    for target in (2.0, -1.0, 0.5):
        assert math.isnan(p([[1.0, 2.0, 0.0], [1.0, 2.0, target]]).loss)


# ── Without numpy ─────────────────────────────────────────────────────────────────────────────────────

WITHOUT = """
import sys
sys.modules["numpy"] = sys.modules["scipy"] = None
import microgradlike as mg
w, x = mg.Value(3.0, "w"), mg.Value(2.0, "x")
program = mg.compile(mg.erf(w * x), [x], [w])
result = program([[2.0], [1]])
print(program.backend, type(result.gradients).__name__, round(result.loss, 6))
try:
    mg.compile(w * x, [x], [w], backend="numpy")
except ModuleNotFoundError as error:
    print(error, error.name)
"""

WITHOUT_ERF = """
import sys
sys.modules["scipy"] = None
import microgradlike as mg
w, x = mg.Value(3.0, "w"), mg.Value(2.0, "x")
print(mg.compile(mg.tanh(w * x), [x], [w], backend="numpy")([[0.0]]).loss)
try:
    mg.compile(mg.erf(w * x), [x], [w], backend="numpy")([[0.0]])
except ModuleNotFoundError as error:
    print(error)
"""

LIGHT = """
import sys
import microgradlike as mg
w, x = mg.Value(3.0, "w"), mg.Value(2.0, "x")
mg.compile(w * x, [x], [w], backend="python")([[2.0]])
print([name for name in ("numpy", "scipy") if name in sys.modules])
mg.compile(w * x, [x], [w], backend="numpy")([[2.0]])
print([name for name in ("numpy", "scipy") if name in sys.modules])
"""


def run(code: str) -> list[str]:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not result.returncode, result.stderr
    return result.stdout.splitlines()


def test_without_numpy() -> None:
    first, second = run(WITHOUT)
    assert first == f"python list {(math.erf(6.0) + math.erf(3.0)) / 2:.6g}"
    assert 'pip install "microgradlike[compile]"' in second
    assert second.endswith("numpy")


def test_without_scipy() -> None:
    first, second = run(WITHOUT_ERF)
    assert first == "0.0"
    assert 'pip install "microgradlike[compile]"' in second


def test_numpy_is_imported_only_where_it_is_used() -> None:
    assert run(LIGHT) == ["[]", "['numpy']"]


AUTO = """
import sys
MISSING
import microgradlike as mg
from microgradlike import MLP, Value
def program(sizes, **options):
    model = MLP(sizes[0], sizes[1:])
    loss = lambda x, t: mg.cross_entropy(model(x), t)
    return mg.compile(loss, [[0.0] * sizes[0], 0], model.parameters(), **options)
p = program([2, 4, 2])
print(p.backend, "|", str(p).splitlines()[1])
print(program([64, 32, 10]).backend)
"""


@pytest.mark.parametrize(
    ("missing", "small", "reason", "large"),
    [
        ([], "llvm", "scalar operations are native code in less than a second", "numpy"),
        (["llvmlite"], "numpy", 'not installed: pip install "microgradlike[native]"', "numpy"),
        (["llvmlite", "numpy"], "python", 'not installed: pip install "microgradlike[compile]"', "python"),
        (["numpy"], "python", 'not installed: pip install "microgradlike[compile]"', "python"),
    ],
)  # fmt: skip
def test_auto_is_what_is_installed_and_fast(
    missing: list[str], small: str, reason: str, large: str
) -> None:
    if not missing:
        pytest.importorskip("llvmlite")
    first, second = run(AUTO.replace("MISSING", "".join(f"sys.modules[{m!r}] = None;" for m in missing)))
    backend, _, why = first.partition(" | ")
    assert (backend, second) == (small, large)
    assert reason in why


def test_auto_for_large_graphs_looks_at_their_structure() -> None:
    pytest.importorskip("llvmlite")
    model = mg.MLP(16, [100, 10])
    wide = mg.compile(lambda x: mg.mean(model(x)), [[0.0] * 16], model.parameters())
    assert wide.backend == "numpy"
    assert re.search(r"chosen, as \d,\d{3} scalar operations are matrices, about \d{3}", str(wide))
    a, b = Value(0.5, "a"), Value(0.25, "b")
    y = a
    for i in range(1100):
        y = mg.sin(y * b + 1 / (i + 1))
    deep = mg.compile(y, [a], [b])
    assert deep.backend == "llvm"
    assert re.search(r"chosen, as [3-9],\d{3} scalar operations, about 1 to .* are no matrices", str(deep))


def test_auto_falls_back_to_numpy_where_native_code_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    llvm = pytest.importorskip("microgradlike.compile.llvm")
    monkeypatch.setattr(llvm, "_LINES", 10)
    p = mg.compile(L, [x], [w])
    assert p.backend == "numpy"
    assert "chosen, as native code of" in str(p)
    with pytest.raises(ValueError, match="would take long to compile"):
        mg.compile(L, [x], [w], backend="llvm")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "numpy", "threads": 2}, "threads=2 is an option of llvm, not of the numpy backend"),
        ({"backend": "python", "block": 8}, "block=8 is an option of numpy and jax, not of the python"),
        ({"backend": "numpy", "block": 0}, "block is a number from 1, not 0"),
        ({"backend": "numpy", "block": 2.5}, "block is a number from 1, not 2.5"),
        ({"backend": "numpy", "block": True}, "block is a number from 1, not True"),
        ({"dtype": "float32"}, "dtype='float32' is an option of jax, not of the"),
        ({"dtype": "int8"}, "dtype='int8' is an option of jax, not of the"),
    ],
)
def test_options_that_a_backend_has_not(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        mg.compile(L, [x], [w], **options)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_the_block_is_what_is_asked_for(size: int) -> None:
    batch = np.linspace(-1, 1, 100)[:, None]
    one = mg.compile(L, [x], [w], backend="numpy")(batch)
    p = mg.compile(L, [x], [w], backend="numpy", block=size)
    assert f"blocks of {size} examples" in str(p)
    assert p(batch).loss == pytest.approx(one.loss, rel=1e-13)
    assert [*p(batch).gradients] == pytest.approx([*one.gradients], rel=1e-13)


# ── Data that change ──────────────────────────────────────────────────────────────────────────────────


@every_backend
def test_parameters_are_read_at_each_call(backend: str) -> None:
    a, b = Value(3.0, "a"), Value(2.0, "b")
    p = mg.compile(a * a * b, [b], [a], backend=backend)
    assert p([[1.0]]) == (9.0, [6.0])
    numbers: list[Any] = [5, np.float32(0.5), np.int64(4), True, np.float64(0.25), Fraction(1, 2), 0.125]
    for number in numbers:
        a.data = number
        loss, gradients = p([[1.0], [3.0]])
        assert (loss, *gradients) == (2 * float(number) ** 2, 4 * float(number))
        assert type(loss) is float
        assert p.value([[1.0], [3.0]]) == loss
    b.data = 77.0  # an input's own number does not count
    assert p([[1.0]]).loss == 0.125**2


@every_backend
@pytest.mark.parametrize("number", ["3", None, [1.0], 1j, 10**400])
def test_data_that_are_no_numbers(number: Any, backend: str) -> None:
    a, b = Value(3.0, "a"), Value(2.0, "b")
    p = mg.compile(a * b, [b], [a], backend=backend)
    a.data = number
    with pytest.raises((TypeError, OverflowError), match=r"a\b"):
        p([[1.0]])
    a.data = 4.0
    assert p([[1.0]]).loss == 4.0


@every_backend
@pytest.mark.parametrize("kind", [list, tuple, np.array], ids=["list", "tuple", "array"])
def test_numbers_in_place_of_the_parameters_data(kind: Any, backend: str) -> None:
    a, b, c = Value(3.0, "a"), Value(2.0, "b"), Value(0.5, "c")
    p = mg.compile(a * a * b / c, [b], [a], outputs=[a * b], backend=backend)
    assert {*p.parameters} == {a, c}
    by_name = {"a": 4.0, "c": 0.25}
    numbers = kind([by_name[v.name] for v in p.parameters])
    loss, gradients, outputs = p([[1.0]], numbers)
    assert (loss, *gradients, *outputs[0]) == (64.0, 32.0, 4.0)
    assert p.value([[1.0]], numbers)[0] == 64.0
    assert p([[1.0]]).loss == 18.0  # and the data stay
    for wrong in (kind([1.0]), kind([1.0, 2.0, 3.0])):
        with pytest.raises(ValueError, match=f"there are 2 parameters, not {len(wrong)}"):
            p([[1.0]], wrong)
        with pytest.raises(ValueError, match=f"there are 2 parameters, not {len(wrong)}"):
            p.assign(wrong)
    zero = kind([{"a": 1.0, "c": 0.0}[v.name] for v in p.parameters])
    assert p([[1.0]], zero).loss == inf
    p.assign(numbers)
    assert (a.data, c.data) == (4.0, 0.25)
    assert type(a.data) is type(c.data) is float
    for words in (["x", 1.0], [1.0, "x"]):
        with pytest.raises(TypeError):
            p.assign(words)  # type: ignore[arg-type]
        assert (a.data, c.data) == (4.0, 0.25)


@every_backend
def test_a_result_by_parameters_that_are_no_floats(backend: str) -> None:
    a, b = Value(3.0, "a"), Value(2.0, "b")
    p = mg.compile(ops.log(a) * b + 1 / a, [b], [a], outputs=[a], backend=backend)
    numbers: list[Any] = [0, np.float64(0.0), np.float32(0.0), False]
    for number in numbers:
        a.data = number
        loss, _, outputs = p([[1.0]])
        assert math.isnan(loss)  # −inf + inf
        assert isinstance(outputs[0][0], float) and not isinstance(outputs[0][0], bool)


def test_a_graph_that_is_out_of_date() -> None:
    a, b = Value(3.0, "a"), Value(2.0, "b")
    for change in (a, b):
        product = a * b
        output = a + b
        change.data = 7.0
        for arguments in ((product, [b], [a]), (b * 1.0, [b], [a], product)):
            outputs = arguments[3:]
            with pytest.raises(RuntimeError, match=f"{change.name} was .* when this graph was recorded"):
                mg.compile(*arguments[:3], outputs=[*outputs, output])
        assert mg.compile(a * b, [b], [a])([[1.0]]).loss == a.data


# ── Threads ───────────────────────────────────────────────────────────────────────────────────────────


@every_backend
@pytest.mark.parametrize("where", ["everywhere", "outside of its domain"])
def test_four_threads_at_once(backend: str, where: str) -> None:
    """The second: Python's code for IEEE 754 is made at the first call that needs it."""
    a, b = Value(3.0, "a"), Value(2.0, "b")
    p = mg.compile(ops.log(b) * a, [b], [a], backend=backend, allow_nan=True)
    bottom = [0.0] if where == "outside of its domain" else [1.0]
    wrong: list[Any] = []
    start = threading.Barrier(4)

    def work(number: int) -> None:
        rows = [[float(number + 2)]] * (50 * number + 1)
        start.wait()
        for _ in range(100):
            try:
                loss, gradients = p(rows)
                infinite = p([bottom, *rows])
            except Exception as error:
                wrong.append(error)
                return
            expected = math.log(number + 2)
            if not math.isclose(gradients[0], expected) or not math.isclose(loss, 3 * expected):
                wrong.append((number, loss, gradients))
            if where == "outside of its domain" and infinite.loss != -inf:
                wrong.append((number, infinite))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong


@every_backend
def test_a_call_changes_nothing_that_is_printed(backend: str) -> None:
    a, b = Value(3.0, "a"), Value(2.0, "b")
    p = mg.compile(ops.log(b) * ops.sigmoid(a * b) + 1 / b, [b], [a], backend=backend)
    before = str(p), p.source
    p([[0.0], [-1.0], [1.0]])
    p.value([[0.0]])
    assert (str(p), p.source) == before


# ── Checks ────────────────────────────────────────────────────────────────────────────────────────────


def checked(backend: str, **options: Any) -> Program:
    a, b = Value(2.0, "w"), Value(3.0, "x")
    z = ops.log(a * b)
    z.name = "z"
    y = ops.exp(z) * a
    y.name = "y"
    return mg.compile(y * y, [b], [a], backend=backend, check=True, **options)


@every_backend
def test_a_check_names_the_first_value_and_the_example(backend: str) -> None:
    p = checked(backend)
    rows = [[1.0 + i / 1000] for i in range(1000)]
    assert math.isfinite(p(rows).loss)
    rows[700], rows[900] = [-1.0], [0.0]
    for call in (p, p.value):
        with pytest.raises(FloatingPointError, match=r"^example 700 of the batch: z = log\(.*\) is nan"):
            call(rows)
    rows[3] = [0.0]
    with pytest.raises(FloatingPointError, match=r"^example 3 of the batch: z = log\(.*\) is -inf"):
        p(rows)
    with pytest.raises(FloatingPointError, match=r"^example 0 of the batch"):
        p([[-1.0]])
    assert math.isfinite(p([[1.0]]).loss)


@every_backend
def test_a_check_of_a_gradient_that_alone_is_infinite(backend: str) -> None:
    a, b = Value(2.0, "w"), Value(3.0, "x")
    p = mg.compile(ops.sqrt(a * b), [b], [a], backend=backend, check=True)
    with pytest.raises(FloatingPointError, match="example 2 of the batch: "):
        p([[1.0], [2.0], [0.0], [3.0]])
    assert p.value([[1.0], [0.0]]) == math.sqrt(2) / 2


@every_backend
def test_a_check_of_parameters_and_inputs(backend: str) -> None:
    p = checked(backend, allow_nan=True)
    with pytest.raises(FloatingPointError, match="example 1 of the batch: x is nan"):
        p([[1.0], [nan]])
    with pytest.raises(FloatingPointError, match="example 1 of the batch: x is inf"):
        p([[1.0], [inf], [nan]])
    a, b = Value(2.0, "w"), Value(3.0, "x")
    p = mg.compile(a * b, [b], [a], backend=backend, check=True)
    a.data = nan
    with pytest.raises(FloatingPointError, match="w is nan"):
        p([[1.0]])


@every_backend
def test_a_check_of_a_sum_that_alone_is_infinite(backend: str) -> None:
    a, b = Value(1.0, "w"), Value(3.0, "x")
    p = mg.compile(a * b, [b], [a], backend=backend, check=True)
    with pytest.raises(FloatingPointError, match="no example is to blame"):
        p([[1e308], [1e308]])
    unchecked = mg.compile(a * b, [b], [a], backend=backend)
    assert unchecked([[1e308], [1e308]]).loss == inf


# ── Blocks ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("extra", ["1", "2", "block - 1", "block", "block + 1", "3 * block + 7"])
def test_at_the_borders_of_blocks_no_example_is_lost(extra: str) -> None:
    a, b = Value(0.75, "w"), Value(3.0, "x")
    y = ops.tanh(a * b)
    p = mg.compile(y, [b], [a], outputs=[y, b], backend="numpy", reduce="sum")
    block = p._whole.block
    size = eval(extra, {"block": block})
    rows = np.random.default_rng(3).normal(size=(size, 1))
    loss, gradients, outputs = p(rows)
    plain = [math.tanh(0.75 * number) for number in rows[:, 0].tolist()]
    slopes = [number * (1 - y * y) for number, y in zip(rows[:, 0].tolist(), plain)]
    assert loss == pytest.approx(math.fsum(plain), rel=1e-12, abs=1e-12)
    assert gradients[0] == pytest.approx(math.fsum(slopes), rel=1e-12)
    assert outputs.shape == (size, 2)
    assert outputs[:, 0] == pytest.approx(plain, rel=1e-12)
    assert (outputs[:, 1] == rows[:, 0]).all()
    assert p.value(rows)[0] == loss


@every_backend
def test_a_batch_is_the_sum_of_its_examples(backend: str) -> None:
    network = MLP(3, [4, 2], activation="gelu")
    p = mg.compile(
        lambda x, t: mg.mse_loss(network(x), t),
        [[0.1, 0.2, 0.3], [0.4, 0.5]],
        network.parameters(),
        backend=backend,
        reduce="sum",
    )
    rows = np.random.default_rng(5).normal(size=(50, 5))
    whole, parts = p(rows), [p(row[None]) for row in rows]
    assert whole.loss == pytest.approx(math.fsum(part.loss for part in parts), rel=1e-13)
    assert [*whole.gradients] == pytest.approx(
        [math.fsum(column) for column in zip(*(part.gradients for part in parts))], rel=1e-11, abs=1e-14
    )


@pytest.mark.parametrize("backend", ["python", "numpy"])
def test_a_check_of_a_gradient_whose_factors_are_finite(backend: str) -> None:
    w, x = Value(2.0, "w"), Value(1.0, "x")
    p = mg.compile(ops.exp(w * x), [x], [w], backend=backend, check=True)
    with pytest.raises(FloatingPointError, match=r"example 1 .*the gradient by w = .* is inf at .*x = 354"):
        p([[1.0], [354.8]])


@pytest.mark.parametrize(
    "columns",
    [{"a": {0: 1.0}, "b": {0: 2.0}}, {"a": {1.0}, "b": {2.0}}, {"a": "1", "b": "2"}],
)
def test_what_has_no_order_is_no_column(columns: Any) -> None:
    a, b = Value(1.0, "a"), Value(2.0, "b")
    p = mg.compile(a * b, [a, b], [a], backend="python")
    with pytest.raises(TypeError, match="column a of the batch"):
        p(columns)
    with pytest.raises(TypeError, match="row 0"):
        p([{1.0, 2.0}])


def test_a_program_says_that_it_cannot_be_pickled() -> None:
    a = Value(1.0, "a")
    p = mg.compile(a * a, [a], [a], backend="python")
    for copy_ in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="compile it again"):
            copy_(p)


@pytest.mark.parametrize(
    "look",
    [
        lambda x: x.detach(),
        lambda x: (x * x).detach(),
        lambda x: Value(x.data),
        lambda x: x if x.data > 0 else -x,
        lambda x: mg.no_grad()(lambda: x * x)(),
    ],
)
def test_no_number_of_an_example_is_kept_silently(look: Any) -> None:
    w = Value(0.7, "w")
    with pytest.raises(TypeError, match="uses the number of"):
        mg.compile(lambda x, t: (w * look(x) - t) ** 2, [0.5, 1.0], [w], backend="python")
    assert look(Value(2.0)) is not None  # elsewhere all of this is allowed


# ── What hostile readers found ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("backend", ["python", "numpy", "llvm"])
@pytest.mark.parametrize(
    "numbers",
    [["2.5"], [None], [2j], {2.5}, "2", 3, np.array([[2.0]]), np.array([2j]), np.array(["2"]), [[2.0]]],
    ids=str,
)
def test_parameters_that_are_no_numbers(backend: str, numbers: Any) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    p = mg.compile(L, [x], [w], backend=backend)
    with pytest.raises(TypeError):
        p([[1.0]], numbers)
    assert p([[1.0]], [2]) == p([[1.0]], np.array([2], np.int8))


@pytest.mark.parametrize("backend", ["python", "numpy", "llvm"])
def test_what_is_masked_is_no_number(backend: str) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    batch = np.ma.masked_array([[1.0], [100.0]], mask=[[False], [True]])
    with pytest.raises((TypeError, ValueError), match="row 1 of the batch"):
        mg.compile(L, [x], [w], backend=backend)(batch)


LATE = """
import threading, time
import numpy as np
import microgradlike as mg
net = mg.MLP(2, [16, 16, 1])
loss = lambda x, t: mg.half_squared_error(net(x), t)
p = mg.compile(loss, [[0.0, 0.0], 0.0], net.parameters(), backend="llvm")
B = np.random.default_rng(0).random((200000, 3))
def late():
    time.sleep(0.3)
    print(p(B).loss > 0)
threading.Thread(target=late).start()
"""


def test_a_thread_that_outlives_the_program_computes_alone() -> None:
    pytest.importorskip("llvmlite")
    assert run(LATE) == ["True"]


# ── Prepared batches ──────────────────────────────────────────────────────────────────────────────────


@every_backend
def test_a_prepared_batch_is_a_batch(backend: str) -> None:
    p = program(backend)
    rows = [[1.0, 2.0], [2.0, 5.0]]
    batch = p.prepare(rows)
    assert len(batch) == 2
    assert repr(batch) == f"<Batch of 2 examples for {p!r}>"
    for _ in range(2):
        loss, gradients, outputs = p(batch)
        assert (loss, [*gradients], [[*row] for row in outputs]) == (
            EXPECTED[0],
            [EXPECTED[1]],
            [[3.0], [6.0]],
        )
        value, outputs = p.value(batch)
        assert (value, [[*row] for row in outputs]) == (EXPECTED[0], [[3.0], [6.0]])
    assert p(batch, [1.0]).loss == p(rows, [1.0]).loss == 5.0
    summed = program(backend, reduce="sum")
    assert summed(summed.prepare(rows)).loss == 2 * EXPECTED[0]


@every_backend
@pytest.mark.parametrize("kind", ["list", "array", "columns", "column-major"])
def test_what_is_written_after_it_was_prepared_counts_for_nothing(kind: str, backend: str) -> None:
    rows: Any = [[1.0, 2.0], [2.0, 5.0]]
    if kind == "columns":
        rows = {"x1": np.array([1.0, 2.0]), "x2": np.array([2.0, 5.0])}
    elif kind != "list":
        rows = np.array(rows, order="F" if kind == "column-major" else "C")
    p = program(backend)
    batch = p.prepare(rows)
    if kind == "list":
        rows[0][0] = rows[1][1] = 7.0
    else:
        for row in rows.values() if kind == "columns" else rows:
            row[:] = 7.0
    assert p(batch).loss == p.value(batch)[0] == EXPECTED[0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_of_one_column_a_prepared_batch_is_a_copy_too(backend: str) -> None:
    w, x = Value(3.0, "w"), Value(1.0, "x")
    p = mg.compile((w * x - 1) ** 2, [x], [w], backend=backend)
    rows = np.array([[1.0], [2.0]])
    batch = p.prepare(rows)
    rows[:] = 7.0
    assert p(batch).loss == 14.5


@every_backend
def test_a_batch_that_was_prepared_for_another_program(backend: str) -> None:
    p, other = program(backend), program(backend)
    batch = other.prepare([[1.0, 2.0]])
    for call in (p, p.value):
        with pytest.raises(
            ValueError, match=r"another program: write program\.prepare\(rows\) with this one"
        ):
            call(batch)
    for prepared in (p.prepare(batch), p.prepare(p.prepare(batch))):
        assert p(prepared).loss == p([[1.0, 2.0]]).loss
    with pytest.raises(TypeError, match=r"a batch is a table"):
        p.prepare(3.0)
    with pytest.raises(ValueError, match="row 0 of the batch has 1 number"):
        p.prepare([[1.0]])
    with pytest.raises(ValueError, match="row 0 of the batch, x2, is nan"):
        p.prepare([[1.0, nan]])


@every_backend
def test_what_a_prepared_batch_is_not(backend: str) -> None:
    p = program(backend)
    batch: Any = p.prepare([[1.0, 2.0], [2.0, 5.0]])
    for action in (lambda: batch[:1], lambda: [*batch], lambda: p([batch])):
        with pytest.raises(TypeError, match=r"for some of its examples, call the program with batch\.rows"):
            action()
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="a Batch cannot be pickled or copied: keep its rows"):
            copied(batch)
    with pytest.raises(TypeError, match=r"not <generator object .*>: write list"):
        p.prepare(row for row in [[1.0, 2.0]])
    with pytest.raises(TypeError, match=r"a batch is a table, .* not <class 'dict'>"):
        p.prepare(dict)


def test_nothing_of_a_batch_stays_in_memory() -> None:
    x, t = [Value(1.0, f"x{i}") for i in range(9)], Value(1.0, "t")
    p = mg.compile(t * mg.sum(mg.exp(mg.sin(v) + v) for v in x), x, [t], outputs=[x[1]], backend="numpy")
    whole: Any = p._whole
    before = {*whole.namespace}
    p(np.ones((4, 9)))
    p(p.prepare(np.ones((4, 9))))
    left = {*whole._spare[-1].names} - before
    assert left.isdisjoint({"X", *(statement.partition(" ")[0] for statement in whole.loop.given)})


@every_backend
def test_a_check_of_a_prepared_batch(backend: str) -> None:
    p = program(backend, check=True)
    with pytest.raises(FloatingPointError, match=r"example 1 of the batch: .* is inf"):
        p(p.prepare([[1.0, 2.0], [1e200, 1.0]]))


def test_a_prepared_batch_of_many_blocks_in_four_threads() -> None:
    model = MLP(9, [5, 3], activation="relu")
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(size=(50, 9)), rng.integers(0, 3, 50)])
    parameters = model.parameters()

    def loss(x: list[Value], t: Value) -> Value:
        return mg.cross_entropy(model(x), t)

    p = mg.compile(loss, [[0.0] * 9, 0.0], parameters, backend="numpy", block=7)
    batch, results = p.prepare(rows), []
    thetas = [rng.normal(size=len(parameters)) for _ in range(4)]

    def call(theta: Any) -> None:
        results.append([(theta, p(batch, theta)) for _ in range(50)])

    threads = [threading.Thread(target=call, args=[theta]) for theta in thetas]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for theta, result in [pair for pairs in results for pair in pairs]:
        expected = p(rows, theta)
        assert result.loss == pytest.approx(expected.loss, rel=1e-13)
        assert result.gradients == pytest.approx(expected.gradients, rel=1e-12, abs=1e-14)


def test_what_depends_on_inputs_alone_is_computed_once() -> None:
    w, x, t = Value(3.0, "w"), Value(1.0, "x"), Value(1.0, "t")
    loss = (w * mg.sin(x) - mg.exp(t)) ** 2
    p = mg.compile(loss, [x, t], [w], backend="numpy")
    calls = []

    def sin(a: Any) -> Any:
        calls.append(a.shape)
        return np.sin(a)

    whole: Any = p._whole
    assert [*map(str, whole.loop.given)] == ["A1 = np.sin(X)", "A3 = np.exp(T)"]
    whole.namespace["np"] = type(
        "np", (), {"__getattr__": lambda _, name: sin if name == "sin" else getattr(np, name)}
    )()
    rows = [[0.5, 1.0], [0.25, 2.0]]
    batch = p.prepare(rows)
    for _ in range(3):
        p(batch)
    assert calls == [(1, 2)]
    p(rows)
    assert calls == [(1, 2)] * 2


# ── The memory of the numpy backend ───────────────────────────────────────────────────────────────────


def test_places_in_memory_are_taken_again() -> None:
    deep = MLP(4, [16] * 20 + [1])
    whole: Any = mg.compile(deep, [[0.0] * 4], deep.parameters(), backend="numpy")._whole
    # Of each layer the backward pass needs h, in the place of z; besides, only the gradient by one layer.
    truths = [rows for i, rows in enumerate(whole.loop.memory) if i in whole.loop.truths]
    assert truths.count(16) == 20  # of which layers' h are above 0
    assert whole.loop.memory.count(16) - 20 == 20
    forward: Any = mg.compile(deep, [[0.0] * 4], [], backend="numpy")._whole
    assert forward.loop.memory.count(16) == 2


def test_what_is_there_for_the_code_has_names_that_no_array_gets() -> None:
    names = {"first", "zeros", "memory", "outer", "choose", "ones"}
    w = [Value(0.5 + i, name) for i, name in enumerate(sorted([*names, *names]))]
    x = [Value(1.0, "x1"), Value(0.0, "x2")]
    loss = mg.sum(mg.relu(a * x[0] + x[1]) for a in w)
    program = mg.compile(loss, x, w, backend="numpy", block=2)
    rows = [[1.0, 0.5], [-2.0, 1.0], [0.5, 0.25]]
    expected = mg.compile(loss, x, w, backend="python")(rows)
    for batch in (rows, program.prepare(rows)):
        assert program(batch).loss == pytest.approx(expected.loss, rel=1e-14)
        assert program(batch).gradients == pytest.approx(expected.gradients, rel=1e-14)
    whole: Any = program._whole
    [memory] = whole._spare
    schedule = whole.schedule
    blocks = (schedule.before, schedule.each, schedule.after)
    arrays = {array.name for block in blocks for array in block.loaded}
    arrays |= {i.out.name for block in blocks for i in block.instructions}
    arrays |= {array.name for array in (*whole.loop.sums, *whole.loop.loaded)}
    assert not names & arrays
    own = memory.names.keys() - arrays - {"__builtins__"}
    assert {name for name in own if name.isidentifier()} <= {*_TAKEN}


def test_memory_serves_blocks_of_all_sizes() -> None:
    deep = MLP(3, [4, 4, 1])

    def loss(x: list[Value], t: Value) -> Value:
        return half_squared_error(deep(x), t)

    program = mg.compile(loss, [[0.0] * 3, 0.0], deep.parameters(), backend="numpy", block=6)
    expected = mg.compile(loss, [[0.0] * 3, 0.0], deep.parameters(), backend="python")
    whole: Any = program._whole
    rows = np.random.default_rng(0).normal(size=(12, 4))
    sizes = [3, 5, 7, 3, 1, 2, 10, 6, 5, 4, 3, 2, 1, 9, 7, 11, 6, 12, 1, 3]  # 7 = 4 + 3, 11 = 6 + 5
    for n in sizes:
        for got, wanted in zip(program(rows[:n]), expected(rows[:n].tolist())):
            np.testing.assert_allclose(got, wanted, rtol=1e-12)
        [memory] = whole._spare
        assert len(memory._rooms) <= 4
    # The next block of a size that was there has the same views, and all sizes have the same memory.
    program(rows[:11])
    rooms = [memory._rooms[columns] for columns in (6, 5)]
    program(rows[:11])
    assert all(memory._rooms[columns] is room for columns, room in zip((6, 5), rooms))
    assert all(np.shares_memory(rooms[0]["memory"][0], room["memory"][0]) for room in rooms)


def test_a_bias_takes_no_pass_of_its_own() -> None:
    deep = MLP(3, [4, 4, 1])

    def loss(x: list[Value], t: Value) -> Value:
        return half_squared_error(deep(x), t)

    whole: Any = mg.compile(loss, [[0.0] * 3, 0.0], deep.parameters(), backend="numpy")._whole
    [part] = [part for part in whole.parts if part.loop]
    made = [re.findall(r"_dW\d_db\d", statement) for statement in part.statements]
    assert [*filter(None, made)] == [["_dW3_db3"], ["_dW2_db2"], ["_dW1_db1"]]
    assert not any("; " in statement for statement in part.statements)  # where a bias would be added
    assert {array.name for array in whole.loop.loaded} >= {"_W1_b1", "_W2_b2", "_W3_b3"}


@pytest.mark.parametrize("prepared", [False, True])
def test_outputs_that_depend_on_inputs_alone(prepared: bool) -> None:
    x, w = [Value(0.0, f"x{i}") for i in range(3)], Value(2.0, "w")
    outputs = [mg.sin(x[0]), x[1], x[0] * x[1] * x[2], w * x[0], w, mg.exp(x[2])]
    p = mg.compile(w * mg.sin(x[0]), x, [w], outputs=outputs, backend="numpy", block=3)
    rows = np.random.default_rng(0).normal(size=(7, 3))
    a, b, c = rows.T
    expected = np.array([np.sin(a), b, a * b * c, 2 * a, 2 + 0 * a, np.exp(c)]).T
    batch = p.prepare(rows) if prepared else rows
    for _ in range(2):
        assert p(batch).outputs == pytest.approx(expected, rel=1e-14)
        assert p.value(batch)[1] == pytest.approx(expected, rel=1e-14)


def test_a_gradient_that_is_multiplied_by_itself_gives_its_place_back_once() -> None:
    x, w = [Value(0.0, f"x{i}") for i in range(2)], [Value(1.5, f"w{i}") for i in range(2)]
    v, u = w[0] + x[0], x[1] / w[1]  # of v, the sum of v² and the sum of v are added up side by side
    p = mg.compile(v * v + u * u, x, w, backend="numpy")
    rows = np.random.default_rng(0).normal(size=(7, 2))
    [part] = [part for part in p._whole.parts if part.loop]
    assert any("with_ones" in statement for statement in part.statements)
    a, b = rows.T
    v_, u_ = 1.5 + a, b / 1.5
    assert p(rows).loss == pytest.approx((v_**2 + u_**2).mean(), rel=1e-14)
    assert p(rows).gradients == pytest.approx([(2 * v_).mean(), (-2 * u_ * u_ / 1.5).mean()], rel=1e-13)


@every_backend
def test_weights_that_are_tied_to_their_transpose(backend: str) -> None:
    """An autoencoder: h = W x + b, y = Wᵀ h + c."""
    rng = np.random.default_rng(2)
    W = [[Value(float(rng.normal()), f"w{i}{j}") for j in range(3)] for i in range(2)]
    b, c = (
        [Value(float(rng.normal()), f"{name}{i}") for i in range(n)] for name, n in (("b", 2), ("c", 3))
    )
    parameters = [w for row in W for w in row] + b + c

    def loss(x: list[Value]) -> Value:
        h = [mg.tanh(mg.dot(row, x) + b_i) for row, b_i in zip(W, b)]
        y = [mg.dot(column, h) + c_j for column, c_j in zip(zip(*W), c)]
        return half_squared_error(y, [0.5, -0.5, 1.0])

    p = mg.compile(loss, [[0.0] * 3], parameters, backend=backend)
    if backend == "numpy":
        assert "W.T @" in p.source.partition("loss +=")[0]
    rows = rng.normal(size=(7, 3))
    mg.mean([loss([Value(x) for x in row]) for row in rows.tolist()]).backward()
    assert p(rows).gradients == pytest.approx([w.grad for w in parameters], rel=1e-12)


def test_a_call_keeps_nothing_of_the_batch() -> None:
    x, w = [Value(1.0, f"x{i}") for i in range(12)], Value(2.0, "w")
    p = mg.compile(w * mg.sum(v * v for v in x), x, [w], backend="numpy")
    batch = np.ones((5, 12))
    reference = weakref.ref(batch)
    assert p(batch).loss == 24.0
    del batch
    assert reference() is None


@pytest.mark.parametrize("sizes", [(2, 4, 4, 1), (9, 4, 1, 4, 3), (1, 3, 3, 3)], ids=str)
def test_rows_of_ones_stay_so(sizes: tuple[int, ...]) -> None:
    model = MLP(sizes[0], [*sizes[1:]], activation="relu")
    parameters = model.parameters()
    p = mg.compile(
        lambda x: mg.sum(_list(model(x))), [[0.0] * sizes[0]], parameters, backend="numpy", block=4
    )
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(23, sizes[0]))
    for n in (23, 4, 9, 1, 23, 2):
        got = p(rows[:n])
        for parameter in parameters:
            parameter.grad = 0.0
        total = mg.mean(mg.sum(_list(model(row))) for row in rows[:n].tolist())
        total.backward()
        assert got.loss == pytest.approx(total.data, rel=1e-12, abs=1e-13)
        assert got.gradients == pytest.approx([q.grad for q in parameters], rel=1e-12, abs=1e-13)


def _list(outputs: Any) -> list[Value]:
    return outputs if isinstance(outputs, list) else [outputs]


def outputs_of_blocks(function: Callable[[list[Value]], list[Value]]) -> None:
    """Every output, and the gradient of the sum of them, beside those of the engine."""
    x = [Value(0.0, f"x{i}") for i in range(1, 4)]
    w = Value(1.5, "w")
    *outputs, last = function([w * v for v in x])
    program: Any = mg.compile(mg.sum([*outputs, last]), x, [w], outputs=outputs, backend="numpy", block=3)
    rows = np.random.default_rng(0).uniform(-1, 1, (11, 3))
    for n in (5, 11, 2, 1, 7):  # more and fewer blocks, and narrower ones
        result = program(rows[:n])
        expected, gradient = [], 0.0
        for row in rows[:n]:
            twin = Value(1.5)
            values = function([twin * number for number in row.tolist()])
            mg.sum(values).backward()
            expected.append([v.data for v in values[:-1]])
            gradient += twin.grad / n
        assert result.outputs == pytest.approx(np.array(expected), abs=1e-12)
        assert result.gradients == pytest.approx([gradient], abs=1e-12)


@pytest.mark.parametrize(
    "function",
    [
        lambda h: [*h, *(v.exp() for v in h), mg.sum(h)],
        lambda h: [mg.sum(v.exp() * v for v in h), mg.sum(v.relu() + v.sin() for v in h), h[0]],
        lambda h: [v.relu() for v in h],
        lambda h: [*(v.relu() * v for v in h), *(v.relu().exp() for v in h)],
        lambda h: [*(mg.minimum(v.exp()) for v in h), *(v.exp().tanh() for v in h), h[0]],
        lambda h: [*(mg.prod([v.sin()]) for v in h), *(v.sin().exp() for v in h), h[0]],
        lambda h: [mg.where(mg.greater(v.sin(), u), v.exp(), u * v) for u in h for v in h],
        lambda h: [v.relu() + mg.greater(v, c) + ops.equal(v, 0.0) for c in (0.0, -0.25) for v in h],
        lambda h: [mg.maximum(*h), mg.cross_entropy([*h], 1), mg.logsumexp(h), h[2]],
        lambda h: [h[0] * h[1] - h[1] * h[2], (h[0] * h[1]).exp() / (h[1] * h[2]).exp(), h[1]],
    ],
    ids=range(10),
)
def test_what_is_wanted_keeps_its_place(function: Callable[[list[Value]], list[Value]]) -> None:
    outputs_of_blocks(function)


@every_backend
@pytest.mark.parametrize("op", [ops.maximum, ops.minimum, ops.prod, ops.sum, ops.mean])
def test_one_operand_within_an_expression(op: Any, backend: str) -> None:
    x, w = Value(1.0, "x"), Value(2.0, "w")
    for loss, expected in ((3.0 * x * op(x + w), 9.0), (op(x - w) ** 2, 1.0), (x - op(x - w), 2.0)):
        assert mg.compile(loss, [x], [w], backend=backend).value([[1.0]]) == expected


def test_one_example_after_eight() -> None:
    # The first column of arrays of eight numpy 2.4.6 negates wrongly.
    def function(x: list[Value]) -> Value:
        s = [v.sin() for v in x]
        u = [-v for v in s]
        return mg.sum(a.exp() * b + a for a, b in zip(u, s))

    x = [Value(0.0, f"x{i}") for i in range(1, 4)]
    p = mg.compile(function(x), x, [], backend="numpy")
    rows = np.random.default_rng(0).uniform(-1, 1, (8, 3))
    for n in (8, 1):
        s = np.sin(rows[:n])
        assert p.value(rows[:n]) == pytest.approx((np.exp(-s) * s - s).sum() / n, rel=1e-12)


def test_a_result_is_nobody_elses() -> None:
    p = program("numpy", block=1)
    first = p([[1.0, 2.0], [2.0, 5.0]])
    kept = copy.deepcopy(first)
    p([[7.0, 8.0], [9.0, 1.0]])
    assert [*first.gradients] == [*kept.gradients]
    assert first.outputs.tolist() == kept.outputs.tolist()
