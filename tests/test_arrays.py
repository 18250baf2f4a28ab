"""Arrays of Values, numpy's and those of pandas, with a Value or a number, on both sides of operators."""

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import microgradlike as mg
from microgradlike import Value, ops
from microgradlike.elementwise import METHODS

OPERATORS: list[Callable[[Any, Any], Any]] = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow,
    operator.lt, operator.le, operator.gt, operator.ge,
]  # fmt: skip
X = [0.25, 0.5, 2.0]
ANY: Any = np  # for calls that a type checker refuses


def values(xs: Any = X) -> Any:
    return np.array([Value(x) for x in xs], dtype=object)


def numbers(result: Any) -> Any:
    """The same in floats and bools."""
    if isinstance(result, Value):
        return result.data
    if isinstance(result, np.ndarray) and result.shape == ():
        return numbers(result.item())
    return [numbers(x) for x in result] if hasattr(result, "__len__") else result


ARRAYS: dict[str, Callable[[], Any]] = {
    "Values": values,
    "a table": lambda: values().reshape(3, 1),
    "floats": lambda: np.array(X),
    "float32": lambda: np.array(X, np.float32),
    "whole numbers": lambda: np.array([1, 2, 3]),
    "uint8": lambda: np.array([100, 200, 255], np.uint8),
    "longdouble": lambda: np.array(X, np.longdouble),
    "no axis": lambda: np.array(0.5),
    "mixed": lambda: np.array([Value(0.25), 0.5, 2], dtype=object),
    "empty": lambda: np.array([], dtype=object),
}


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("op", OPERATORS)
def test_every_operator_on_both_sides(op: Callable[[Any, Any], Any], name: str) -> None:
    array, v = ARRAYS[name](), Value(1.5)
    plain = np.array(numbers(array), dtype=float)
    for result, expected in ((op(array, v), op(plain, 1.5)), (op(v, array), op(1.5, plain))):
        assert np.ravel(numbers(result)).tolist() == pytest.approx(np.ravel(expected).tolist(), rel=1e-15)
        if op in OPERATORS[:5] and name not in {"no axis", "empty"}:
            assert result.dtype == object and all(type(x) is not float for x in result.flat)


@pytest.mark.parametrize("op", OPERATORS[:5])
def test_gradients_through_arrays_are_those_of_loops(op: Callable[[Any, Any], Any]) -> None:
    for swap in (False, True):
        A, v = values(), Value(1.5)
        loss = ((op(v, A) if swap else op(A, v)) ** 2).sum()
        B, w = [Value(x) for x in X], Value(1.5)
        expected = mg.sum([(op(w, b) if swap else op(b, w)) ** 2 for b in B])
        assert isinstance(loss, Value) and loss.data == pytest.approx(expected.data, rel=1e-15)
        loss.backward()
        expected.backward()
        assert [a.grad for a in [*A, v]] == pytest.approx([b.grad for b in [*B, w]], rel=1e-14)


@pytest.mark.parametrize(
    "scalar", [np.float64(2), np.float32(2), np.int64(2), np.uint8(2), np.longdouble(2)]
)
def test_a_scalar_of_numpy_and_a_value_make_a_value(scalar: Any) -> None:
    v = Value(3.0)
    for result, expected in (
        (scalar * v, 6.0), (v * scalar, 6.0), (scalar - v, -1.0), (scalar**v, 8.0), (v**scalar, 9.0),
        (scalar / v, 2 / 3),
    ):  # fmt: skip
        assert isinstance(result, Value) and result.data == pytest.approx(expected, rel=1e-15)
    assert (v**scalar).op is ops.power(2.0)


# numpy's functions of one argument; those that go by an operator, or a method that there has always been.
OTHERS = {
    "absolute": "abs", "exp": "exp", "log": "log", "sqrt": "sqrt", "sin": "sin", "cos": "cos",
    "tanh": "tanh", "negative": "neg",
}  # fmt: skip
#: What numpy makes of comparisons and products.
BY_OPERATORS = {"sign", "square"}
UNARY = {
    name: row for name, row in (METHODS | OTHERS).items() if row in ops.OPS and ops.OPS[row].arity == 1
}


@pytest.mark.parametrize("name", UNARY)
def test_numpy_s_functions(name: str) -> None:
    function, row = getattr(np, name), ops.OPS[UNARY[name]]
    x = 1.25 if name == "arccosh" else 0.25
    a, b = values([x, x]), Value(x)
    for result in (function(a)[1], function(b)):
        assert isinstance(result, Value) and result.op is row
        assert result.data == pytest.approx(float(function(x)), rel=1e-15)
    assert numbers(function(a.reshape(2, 1))) == [[function(b).data]] * 2


def test_numpy_has_no_other_function_of_one_argument_that_this_engine_has() -> None:
    """Each ufunc that asks objects for a method: there is one, or no row for it."""
    alike = {"acos", "acosh", "asin", "asinh", "atan", "atanh", "abs"}  # other names of the same ufuncs
    for name in dir(np):
        ufunc = getattr(np, name)
        if not isinstance(ufunc, np.ufunc) or ufunc.nin != 1 or "O->O" not in ufunc.types:
            continue
        wanted = ufunc.__name__
        if wanted in ops.OPS or name in ops.OPS:
            assert wanted in UNARY or name in alike or wanted in BY_OPERATORS, name


def test_functions_of_two_arguments_and_of_whole_arrays() -> None:
    A: Any = values()
    v: Any = Value(1.5)
    assert numbers(np.hypot(A, v)) == pytest.approx([math.hypot(x, 1.5) for x in X])
    assert numbers(np.arctan2(v, A)) == pytest.approx([math.atan2(1.5, x) for x in X])
    assert numbers(np.maximum(A, v)) == [1.5, 1.5, 2.0]
    assert numbers(np.square(A)) == [x * x for x in X]
    assert numbers(np.reciprocal(v)) == 1 / 1.5
    assert (A @ A).data == np.dot(A, A).data == np.vecdot(A, A).data == sum(x * x for x in X)
    assert numbers(np.outer(A, A)) == [[x * y for y in X] for x in X]
    assert numbers(np.multiply.outer(A, v)) == [1.5 * x for x in X]
    assert A.mean().data == pytest.approx(sum(X) / 3)
    assert numbers(np.where([True, False, True], A, v)) == [0.25, 1.5, 2.0]
    A *= v
    assert numbers(A) == [1.5 * x for x in X]


def test_the_report_s_expressions() -> None:
    A, v = np.array([Value(1.0), Value(2.0)]), Value(3.0)
    assert numbers(A * v) == [3.0, 6.0] and numbers(A - v) == [-2.0, -1.0]
    assert numbers(np.array([1.0, 2.0]) * v) == [3.0, 6.0]
    assert ((A - v) ** 2).sum().data == 5.0
    assert numbers(np.log1p(A)) == [math.log1p(1.0), math.log1p(2.0)]
    assert numbers(np.arctan(A)) == [math.atan(1.0), math.atan(2.0)]


@pytest.mark.parametrize(
    "function", [np.isnan, np.isfinite, np.logaddexp2, np.heaviside, np.signbit, np.copysign]
)
def test_where_numpy_has_no_way_the_error_says_what_to_write(function: Any) -> None:
    name = function.__name__
    instead = rf"\[mg\.exp\(v\) for v in A\]; .*np\.{name}\(\[v\.data for v in A\]\)"
    message = rf"np\.{name} does not take Values: .*{instead}"
    with pytest.raises(TypeError, match=message):
        function(*[Value(1.0)] * function.nin)


@pytest.mark.parametrize(
    "wrong", [np.array(["a", "b"]), np.array([1j, 2.0]), np.array([None], dtype=object), np.clongdouble(1j)]
)
def test_an_array_of_something_else_is_refused(wrong: Any) -> None:
    v = Value(1.0)
    for op in OPERATORS[:5]:
        for left, right in ((v, wrong), (wrong, v)):
            with pytest.raises(TypeError, match=r"a real number is needed|does not take Values"):
                op(left, right)


def test_errors_within_name_the_values() -> None:
    with pytest.raises(ZeroDivisionError, match="at v = 0"):
        values() / Value(0.0, "v")
    with pytest.raises(ValueError, match="at v = -1"):
        ANY.log(Value(-1.0, "v"))


# ── pandas ────────────────────────────────────────────────────────────────────────────────────────────


class Series:
    """As a Series of pandas is to others: an array in a coat, which hands numpy's functions on to it."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def __array_ufunc__(self, function: Any, method: str, *inputs: Any, **options: Any) -> Any:
        arrays = [x.array if isinstance(x, Series) else x for x in inputs]
        return Series(getattr(function, method)(*arrays, **options))

    def __mul__(self, other: Any) -> Any:
        return Series(self.array * other)

    def __rsub__(self, other: Any) -> Any:
        return Series(other - self.array)


def test_a_coat_around_an_array() -> None:
    s, v = Series(values()), Value(1.5)
    assert numbers((s * v).array) == [1.5 * x for x in X]
    assert numbers((v - s).array) == [1.5 - x for x in X]


def test_series_of_pandas() -> None:
    pd = pytest.importorskip("pandas")
    s, v = pd.Series([Value(x) for x in X]), Value(1.5)
    for op in OPERATORS:
        assert numbers(list(op(s, v))) == pytest.approx([op(x, 1.5) for x in X])
        assert numbers(list(op(v, s))) == pytest.approx([op(1.5, x) for x in X])
    assert ((s - v) ** 2).sum().data == pytest.approx(sum((x - 1.5) ** 2 for x in X))
    assert numbers(list(np.exp(s))) == [math.exp(x) for x in X]
    assert numbers(list(pd.Series(X) * v)) == [1.5 * x for x in X]
