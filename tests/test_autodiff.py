"""Questions that HIPS/autograd's tests ask of scalar functions, of operators, of its core and of graphs.

The tests are written for this engine. Derivatives of the first and second order are compared with
differences of function values, which know nothing of any rule.
"""

import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import microgradlike as mg
from microgradlike import Value, grad, hessian, jacobian, jvp

Function = Callable[..., Any]
POINTS = (0.3, 0.71, 1.37, 2.2)
BOTH_SIDES = (*POINTS, *(-x for x in POINTS))


def difference(f: Function, xs: Sequence[float], *by: int) -> float:
    """The derivative by operands of these indices, one or two: differences of the fourth order."""
    if not by:
        return float(f(*xs))
    i, *rest = by
    h = 2e-3

    def moved(steps: float) -> float:
        return difference(f, [x + steps * h * (j == i) for j, x in enumerate(xs)], *rest)

    return (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * h)


def check(f: Function, *xs: float) -> None:
    """Gradient, Jacobian in forward mode, and Hessian of f, given Values, and its value given numbers."""
    values = [Value(x) for x in xs]
    y = f(*values)
    assert isinstance(y, Value)
    assert y.data == float(f(*xs))
    gradients = grad(y, values)
    y.backward()
    for i, (value, gradient) in enumerate(zip(values, gradients)):
        expected = difference(f, xs, i)
        assert gradient.data == pytest.approx(expected, rel=1e-7, abs=1e-7)
        assert value.grad == gradient.data
        direction = [float(i == j) for j in range(len(xs))]
        assert jvp(y, values, direction) == pytest.approx(gradient.data, rel=1e-14, abs=1e-300)
        for j, second in enumerate(grad(gradient, values)):
            assert second.data == pytest.approx(difference(f, xs, i, j), rel=1e-5, abs=1e-5)


# ── Functions of one number ───────────────────────────────────────────────────────────────────────────

EVERYWHERE: list[Function] = [
    *(mg.abs, mg.sign, mg.exp, mg.exp2, mg.expm1, mg.cbrt, mg.sin, mg.cos, mg.tan, mg.atan, mg.sinh),
    *(mg.cosh, mg.tanh, mg.asinh, mg.erf, mg.erfc, mg.sigmoid, mg.relu, mg.selu, mg.softplus, mg.silu),
    *(mg.gelu, mg.softsign, mg.hardtanh, mg.sinc, mg.degrees, mg.radians, mg.log_sigmoid, mg.leaky_relu),
    *(mg.elu, lambda x: x * x, lambda x: x**3, lambda x: -x, lambda x: +x, lambda x: x % 0.4),
    *(lambda x: mg.sinc(x) ** 2, lambda x: mg.tanh(mg.sigmoid(x)), lambda x: mg.clip(x, -1.0, 1.0)),
]
POSITIVE: list[Function] = [
    *(mg.log, mg.log2, mg.log10, mg.log1p, mg.sqrt, lambda x: x**-1.5, lambda x: mg.acosh(1 + x)),
    *(lambda x: mg.xlogy(x, x), lambda x: x**x, lambda x: 2.0**x),
]
INSIDE: list[Function] = [mg.asin, mg.acos, mg.atanh, lambda x: mg.logit(0.5 + x / 2)]


@pytest.mark.parametrize("x", BOTH_SIDES)
@pytest.mark.parametrize("f", EVERYWHERE)
def test_functions_of_any_number(f: Function, x: float) -> None:
    check(f, x)


@pytest.mark.parametrize("x", POINTS)
@pytest.mark.parametrize("f", POSITIVE)
def test_functions_of_positive_numbers(f: Function, x: float) -> None:
    check(f, x)


@pytest.mark.parametrize("x", [0.3, -0.3, 0.8, -0.8])
@pytest.mark.parametrize("f", INSIDE)
def test_functions_of_small_numbers(f: Function, x: float) -> None:
    check(f, x)


@pytest.mark.parametrize(
    ("ours", "numpys"),
    [
        *((mg.sinc, np.sinc), (mg.degrees, np.degrees), (mg.radians, np.radians), (mg.exp2, np.exp2)),
        *((mg.sign, np.sign), (mg.cbrt, np.cbrt), (mg.expm1, np.expm1), (mg.asinh, np.arcsinh)),
    ],
)
def test_values_are_numpys(ours: Function, numpys: Function) -> None:
    for x in BOTH_SIDES:
        assert ours(x) == pytest.approx(float(numpys(x)), rel=1e-15)


# ── Operators and functions of two numbers ────────────────────────────────────────────────────────────

BINARY: list[Function] = [
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.mod, mg.mod, mg.atan2, mg.hypot),
    *(mg.maximum, mg.minimum, mg.logaddexp, lambda a, b: mg.logsumexp([a, b]), mg.greater),
    *(lambda a, b: mg.where(mg.greater(a, b), a * a, b), lambda a, b: mg.dot([a, b], [b, a], a)),
    *(lambda a, b: mg.sum([a, b, a]), lambda a, b: mg.mean([a, b]), lambda a, b: mg.prod([a, b, b])),
    *(lambda a, b: mg.leaky_relu(a * b, 0.1), lambda a, b: mg.clip(a, b, b + 1)),
]


@pytest.mark.parametrize(("a", "b"), [*itertools.product([1.3, -0.7, 2.9], [0.9, -1.1])])
@pytest.mark.parametrize("f", BINARY)
def test_functions_of_two_numbers(f: Function, a: float, b: float) -> None:
    check(f, a, b)


@pytest.mark.parametrize(("a", "b"), [(0.6, 1.7), (2.5, -1.2), (1.4, 3.0)])
@pytest.mark.parametrize("f", [operator.pow, mg.pow, lambda a, b: mg.xlogy(b, a), lambda a, b: a**b * b**2])
def test_powers(f: Function, a: float, b: float) -> None:
    check(f, a, b)


@pytest.mark.parametrize("number", [3, 3.0, True, np.float64(3.0), np.int64(3)])
@pytest.mark.parametrize(
    "operate", [operator.add, operator.sub, operator.mul, operator.truediv, operator.mod, operator.pow]
)
def test_an_operand_may_be_any_number_on_either_side(operate: Function, number: Any) -> None:
    plain = float(number)
    check(lambda a: operate(a, number), 1.7)
    check(lambda a: operate(number, a), 1.7)
    assert operate(number, Value(1.7)).data == operate(plain, 1.7)
    assert operate(Value(1.7), number).data == operate(1.7, plain)


@pytest.mark.parametrize(("a", "b"), [*itertools.product([7.5, -7.5, 0.0, 6.0], [2.0, -2.0, 0.3])])
def test_a_remainder_has_the_sign_of_the_divisor(a: float, b: float) -> None:
    x, y = Value(a), Value(b)
    assert (x % y).data == a % b == float(np.mod(a, b))
    (x % y).backward()
    assert (x.grad, y.grad) == (1.0, -(a // b))
    with pytest.raises(ZeroDivisionError, match=r"mod\(7\.5, 0\.0\)"):
        Value(7.5) % 0.0


def test_equal_is_identity_and_an_order_is_that_of_numbers() -> None:
    a, b = Value(2.0), Value(2.0)
    assert a != b
    assert a == a
    assert a <= b
    assert a >= 2.0
    assert not a < b
    assert len({a, b, a}) == 2


# ── The core ──────────────────────────────────────────────────────────────────────────────────────────


def test_identity_constants_and_what_does_not_take_part() -> None:
    x, unused = Value(3.0), Value(4.0)
    assert [d.data for d in grad(x, [x, unused])] == [1.0, 0.0]
    assert [d.data for d in grad(Value(5.0), [x])] == [0.0]
    assert [d.data for d in grad(x * 0.0 + 7.0, [x])] == [0.0]
    assert [[d.data for d in row] for row in hessian(2 * x + unused, [x, unused])] == [[0.0] * 2] * 2


def test_a_value_used_many_times_adds_up() -> None:
    x = Value(1.1)
    y = x
    for _ in range(5):
        y = y + x * y + y
    _, expected = fanned_out(1.1), difference(fanned_out, [1.1], 0)
    assert grad(y, [x])[0].data == pytest.approx(expected, rel=1e-8)


def fanned_out(x: float) -> float:
    y = x
    for _ in range(5):
        y = y + x * y + y
    return y


def test_a_graph_is_not_changed_by_its_derivatives() -> None:
    x, y = Value(0.5), Value(-1.5)
    z = (x * y).sin() + x
    before = z.data
    first = [d.data for d in grad(z, [x, y])]
    hessian(z, [x, y])
    z.backward()
    assert (z.data, [d.data for d in grad(z, [x, y])]) == (before, first)


def test_derivative_by_an_inner_value() -> None:
    x = Value(0.4)
    h = x.exp()
    y = h * h + x
    assert [d.data for d in grad(y, [h, x])] == [2 * h.data, 2 * h.data * h.data + 1]


def test_the_product_of_hessian_and_vector_is_the_gradient_of_a_product() -> None:
    xs, vector = [Value(0.3), Value(-1.2), Value(0.9)], [0.5, 2.0, -1.0]
    y = mg.tanh(xs[0] * xs[1]) + xs[2] ** 3 * xs[0] + mg.exp(xs[1] - xs[2])
    product = grad(mg.dot(grad(y, xs), vector), xs)
    rows = hessian(y, xs)
    for row, entry in zip(rows, product):
        assert entry.data == pytest.approx(sum(d.data * v for d, v in zip(row, vector)), rel=1e-13)


def test_forward_and_reverse_mode_agree() -> None:
    xs = [Value(0.3), Value(1.7)]
    ys = [xs[0] / xs[1], mg.hypot(*xs), mg.atan2(*xs), xs[0] % xs[1], mg.logaddexp(*xs)]
    for y, row in zip(ys, jacobian(ys, xs)):
        assert jvp(y, xs, [2.0, -3.0]) == pytest.approx(2 * row[0].data - 3 * row[1].data, rel=1e-13)


# ── Graphs ────────────────────────────────────────────────────────────────────────────────────────────


def orders(f: Function, x: float, count: int) -> list[float]:
    leaf = Value(x)
    graphs = [f(leaf)]
    for _ in range(count):
        graphs += grad(graphs[-1], [leaf])
    return [graph.data for graph in graphs]


@pytest.mark.parametrize(
    ("f", "derivatives"),
    [
        (mg.exp, [math.exp] * 6),
        (mg.sin, [math.sin, math.cos, lambda x: -math.sin(x), lambda x: -math.cos(x), math.sin, math.cos]),
        (lambda x: 1 / x, [lambda x, n=n: (-1) ** n * math.factorial(n) / x ** (n + 1) for n in range(6)]),
        (lambda x: x**4, [lambda x, n=n: math.perm(4, n) * x ** max(4 - n, 0) for n in range(6)]),
        (
            mg.log,
            [math.log, *(lambda x, n=n: (-1) ** n * math.factorial(n) / x ** (n + 1) for n in range(5))],
        ),
    ],
)
def test_five_orders(f: Function, derivatives: list[Callable[[float], float]]) -> None:
    for x in (0.7, 1.9):
        assert orders(f, x, 5) == pytest.approx([d(x) for d in derivatives], rel=1e-12)


def test_three_orders_of_tanh_and_sigmoid() -> None:
    for x in (0.0, 0.5, -3.0, 20.0, -20.0):
        t, s = math.tanh(x), 1 / (1 + math.exp(-x))
        sech = 1 / math.cosh(x) ** 2
        expected = [t, sech, -2 * t * sech, sech * (4 * t * t - 2 * sech)]
        assert orders(mg.tanh, x, 3) == pytest.approx(expected, rel=1e-12, abs=0.0)
        slope = math.exp(-abs(x)) / (1 + math.exp(-abs(x))) ** 2
        bend = -math.tanh(x / 2)
        expected = [s, slope, slope * bend, slope * (bend * bend - 2 * slope)]
        assert orders(mg.sigmoid, x, 3) == pytest.approx(expected, rel=1e-12, abs=0.0)


def test_a_gradient_within_a_gradient() -> None:
    """∂/∂x of x · ∂(x·y)/∂y is not confused with a derivative by the inner variable."""

    def inner(x: Value) -> Value:
        y = Value(1.0)
        [derivative] = grad(x * y, [y])
        return x * derivative

    x = Value(3.0)
    assert grad(inner(x), [x])[0].data == 6.0


def test_control_flow_and_loops_are_those_of_the_numbers() -> None:
    def f(x: Any) -> Any:
        total = x
        while total < 10:
            total = total * x + 1 if total > 3 else total * 2
        return total

    for x in (1.6, 2.6, 4.5):
        leaf = Value(x)
        assert grad(f(leaf), [leaf])[0].data == pytest.approx(difference(f, [x], 0), rel=1e-7)


def test_a_value_from_outside_takes_part() -> None:
    w = Value(2.0)

    def scaled(x: Value) -> Value:
        return w * x

    x = Value(5.0)
    assert [d.data for d in grad(scaled(x) * w, [x, w])] == [4.0, 20.0]


def test_lists_and_dicts_hold_values() -> None:
    parameters = {"a": [Value(0.1), Value(0.2)], "b": (Value(0.3),)}
    leaves = [v for values in parameters.values() for v in values]
    y = mg.prod([mg.sum(values) for values in parameters.values()])
    assert [d.data for d in grad(y, leaves)] == pytest.approx([0.3, 0.3, 0.3])


def test_a_float_leaves_the_graph() -> None:
    x = Value(2.0)
    y = x * float(x)
    assert grad(y, [x])[0].data == 2.0
    assert (int(x), math.trunc(Value(-2.7)), round(Value(2.6)), bool(Value(0.0))) == (2, -2, 3, False)


def test_a_deep_graph() -> None:
    x = Value(1.0)
    y = x
    for _ in range(20_000):
        y = y * 0.9999 + x * 0.0001
    assert grad(y, [x])[0].data == pytest.approx(1.0)
