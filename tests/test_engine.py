"""Value: a number that behaves like a float, remembers how it was made, and knows the chain rule."""

import copy
import math
import pickle
import random
import struct
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import microgradlike as mg
from microgradlike import ops
from microgradlike.engine import NOT_COMPUTED, Constant, Value, gradients, topological_order
from microgradlike.gradcheck import CannotBeCheckedError, GradientError, central_difference

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def bits(x: float) -> bytes:
    return struct.pack("<d", x)


# ── Random expressions ────────────────────────────────────────────────────────────────────────────────

# Operations that are smooth and stay small on any input, so that finite differences can judge them.
UNARY: list[Callable[[Any], Any]] = [
    mg.tanh,
    mg.sigmoid,
    mg.sin,
    mg.softsign,
    mg.atan,
    lambda a: -a,
    lambda a: 0.5 * a + 0.25,
    lambda a: mg.exp(-a * a),
    lambda a: mg.sqrt(1 + a * a),
    lambda a: mg.log(2 + mg.cos(a)),
    lambda a: a**2 / (1 + a**2),
]
BINARY: list[Callable[[Any, Any], Any]] = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: mg.tanh(a) * mg.tanh(b),
    lambda a, b: a / (2 + mg.sin(b)),
    lambda a, b: mg.dot([0.5, b], [a, 0.25], 0.1),
    lambda a, b: mg.logsumexp([mg.tanh(a), mg.tanh(b)]),
    lambda a, b: mg.hypot(a, b, 1.0),
]
STEPS = st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=120
)
POINT = st.lists(st.floats(-2, 2), min_size=3, max_size=3)


def expression(steps: list[tuple[int, int, int]]) -> Callable[..., Any]:
    """A function of three numbers (or Values) whose intermediate results are used again and again."""

    def f(*inputs: Any) -> Any:
        results = list(inputs)
        for which, i, j in steps:
            a, b = results[i % len(results)], results[-1 - j % min(3, len(results))]
            if which % 3:
                results.append(BINARY[which % len(BINARY)](a, b))
            else:
                results.append(UNARY[which % len(UNARY)](b))
        return mg.tanh(0.1 * results[-1])

    return f


@settings(max_examples=60, deadline=None)
@given(STEPS, POINT)
@example([(4, 0, 0), (0, 0, 0), (1, 0, 1), (77, 5, 50)], [1e-282, 0.0, 0.0])  # (x - c) + c
@example([(0, 0, 0), (0, 0, 0), (1, 0, 1), (77, 5, 50)], [1e-282, 0.0, 0.0])  # (c - x) + x
def test_random_graphs_have_the_gradient_of_finite_differences(
    steps: list[tuple[int, int, int]], point: list[float]
) -> None:
    f = expression(steps)
    values = [Value(x) for x in point]
    y = f(*values)
    assert bits(y.data) == bits(float(f(*point)))  # Values compute what plain floats compute
    assert mg.gradcheck(f, point, rtol=1e-5, atol=1e-8)
    # All four ways to a derivative agree: backward, grad, jvp, and the Jacobian's row.
    y.backward()
    for i, (x, dx) in enumerate(zip(values, mg.grad(y, values))):
        assert math.isclose(x.grad, dx.data, rel_tol=1e-9, abs_tol=1e-12)
        assert math.isclose(x.grad, mg.jvp(y, [values[i]], [1.0]), rel_tol=1e-9, abs_tol=1e-12)


def test_graphs_of_200_operations() -> None:
    rng = random.Random(5)
    for _ in range(5):
        steps = [(rng.randrange(10**6), rng.randrange(10**6), rng.randrange(10**6)) for _ in range(200)]
        assert mg.gradcheck(expression(steps), [0.3, -0.7, 1.1], rtol=1e-5, atol=1e-8)


# ── Like a float ──────────────────────────────────────────────────────────────────────────────────────

OPERATORS: list[Callable[[Any, Any], Any]] = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a / b,
    lambda a, b: a**b,
]


@given(FINITE, FINITE, st.sampled_from(OPERATORS))
@example(-1e56, 5.5, OPERATORS[-1])
def test_operators_give_the_numbers_and_the_exceptions_of_float(
    a: float, b: float, operator: Callable[[Any, Any], Any]
) -> None:
    if operator is OPERATORS[-1] and a < 0 and not b.is_integer():
        with pytest.raises(ValueError, match="undefined"):  # (-8) ** (1/3) must stay on the real line
            operator(Value(a), b)
        return
    try:
        expected = operator(a, b)
    except ArithmeticError as error:
        for x, y in ((Value(a), b), (a, Value(b)), (Value(a), Value(b))):
            with pytest.raises(type(error)):
                operator(x, y)
        return
    for x, y in ((Value(a), b), (a, Value(b)), (Value(a), Value(b))):
        assert bits(operator(x, y).data) == bits(expected)


@given(FINITE, FINITE)
def test_comparisons_are_those_of_the_numbers(a: float, b: float) -> None:
    v, w = Value(a), Value(b)
    assert (v < w, v <= w, v > w, v >= w) == (a < b, a <= b, a > b, a >= b)
    assert (v < b, v <= b, v > b, v >= b) == (a < b, a <= b, a > b, a >= b)
    assert (a < w, a <= w, a > w, a >= w) == (a < b, a <= b, a > b, a >= b)
    assert bool(v) == bool(a)
    assert [x.data for x in sorted([v, w])] == sorted([a, b])


def test_equality_and_hash_are_those_of_identity() -> None:
    a, b = Value(1.0), Value(1.0)
    number: Any = 1.0
    assert a == a and a != b and a != number
    assert len({a, b, a}) == 2


def test_conversions() -> None:
    v = Value(2.5, name="v")
    assert float(v) == 2.5 and int(v) == 2 and round(v) == 2 and round(v, 1) == 2.5
    assert f"{v:.3f}" == "2.500" and f"{v:8.1e}" == " 2.5e+00"
    assert f"{v}" == str(v) == repr(v) == "Value(data=2.5, name='v')"
    assert math.isclose(v, 2.5) and math.floor(v) == 2
    assert +v is v and abs(Value(-2.0)).data == 2.0


@pytest.mark.parametrize(
    "number",
    [
        3,
        True,
        2.5,
        Fraction(1, 3),
        Decimal("0.1"),
        np.float64(1.5),
        np.float32(0.5),
        np.int64(7),
        np.bool_(True),
    ],
    ids=lambda number: type(number).__name__,
)
def test_real_numbers_of_all_kinds_go_in(number: Any) -> None:
    v = Value(number)
    assert type(v.data) is float and v.data == float(number)
    for result in (v + number, number + v, v * number, number * v, v - number, number - v):
        assert isinstance(result, Value) and type(result.data) is float
    assert (number / v).data == 1.0 and (v**number).data == (number**v).data == float(number) ** float(
        number
    )
    assert (v < number, v >= number, number <= v, number > v) == (False, True, True, False)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("3", r"float\(text\)"),
        (None, "int or a float"),
        (1j, "real part"),
        (np.complex128(1), "real part"),
        ([1.0], r"\[Value\(x\) for x in xs\]"),
        ((1.0,), "for each number"),
        (np.array([1.0, 2.0]), "for each number"),
        (np.array(1.0), r"x\.item\(\)"),
        ({"a": 1}, "for each number"),
        (object(), "int or a float"),
    ],
    ids=lambda wrong: type(wrong).__name__,
)
def test_what_is_no_real_number_is_refused_with_a_hint(wrong: Any, hint: str) -> None:
    with pytest.raises(TypeError, match=hint):
        Value(wrong)
    if isinstance(wrong, np.ndarray):  # of which an operation goes through the elements
        return
    for operator in OPERATORS:
        with pytest.raises(TypeError, match=hint):
            operator(Value(1.0), wrong)
    for operator in OPERATORS[:4]:
        with pytest.raises(TypeError):
            operator(wrong, Value(1.0))
    with pytest.raises(TypeError):
        Value(1.0) < wrong


def test_a_value_of_a_value_is_refused() -> None:
    with pytest.raises(TypeError, match=r"detach\(\)"):
        Value(Value(1.0))


def test_errors_name_the_operation_the_operands_and_their_numbers() -> None:
    z1, w = Value(-1.0, name="z1"), Value(0.0, name="w")
    cases: list[tuple[type[Exception], str, Callable[[], Any]]] = [
        (ValueError, "log(z1) is undefined at z1 = -1.0", z1.log),
        (ValueError, "sqrt(z1) is undefined at z1 = -1.0", lambda: mg.sqrt(z1)),
        (ZeroDivisionError, "z1 / w is undefined at z1 = -1.0, w = 0.0", lambda: z1 / w),
        (ZeroDivisionError, "z1 / 0.0 is undefined at z1 = -1.0", lambda: z1 / 0),
        (ZeroDivisionError, "1.0 / w is undefined at w = 0.0", lambda: 1 / w),
        (ZeroDivisionError, "w⁻² is undefined at w = 0.0", lambda: w**-2),
        (ValueError, "z1^0.5 is undefined at z1 = -1.0", lambda: z1**0.5),
        (OverflowError, "exp(1000.0) is too large for a float", lambda: Value(1000.0).exp()),
        (ValueError, "atanh(1.0) is undefined", lambda: mg.atanh(Value(1.0))),
        (ValueError, "(-8.0)^0.5 is undefined", lambda: Value(-8.0) ** 0.5),
    ]
    for kind, message, computation in cases:
        with pytest.raises(kind) as caught:
            computation()
        assert str(caught.value) == message


def test_a_word_written_to_data_is_named() -> None:
    w = Value(1.0, name="w")
    w.data = "0.5"  # type: ignore[assignment]
    operations: list[Callable[[], Value]] = [lambda: w * 2, lambda: w + w, lambda: mg.tanh(w)]
    for wrong in ("0.5", None, Value(0.5), [0.5]):
        w.data = wrong  # type: ignore[assignment]
        for operation in operations:
            with pytest.raises(TypeError, match=r"w\.data: a real number is needed, not .*: "):
                operation().backward()
    w.data = 3  # an int will do
    assert type((w * 2).data) is float


# ── The backward pass ─────────────────────────────────────────────────────────────────────────────────


def test_the_gradient_before_and_after() -> None:
    a = Value(2.0, name="a")
    assert a.grad == 0.0 and a.grad is NOT_COMPUTED and "grad" not in repr(a)
    (a * 0).backward()
    assert a.grad == 0.0 and a.grad is not NOT_COMPUTED and "grad=0.0" in repr(a)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8), st.integers(2, 5))
def test_backward_twice_gives_exactly_twice(data: list[float], times: int) -> None:
    def fresh() -> tuple[list[Value], Value]:
        xs = [Value(x) for x in data]
        return xs, mg.sum(x * y + mg.tanh(x) for x in xs for y in xs)

    once, loss = fresh()
    loss.backward()
    often, loss = fresh()
    for _ in range(times):
        loss.backward()
    total = [0.0] * len(data)
    for _ in range(times):
        total = [t + x.grad for t, x in zip(total, once)]
    assert [x.grad for x in often] == total


def test_inner_nodes_are_cleared_and_leaves_accumulate() -> None:
    a = Value(3.0)
    b = a * a
    c = b * 2
    c.backward()
    c.backward()
    assert (a.grad, b.grad, c.grad) == (24.0, 2.0, 1.0)
    other = b * 5  # a second loss over a shared node
    other.backward()
    assert (a.grad, b.grad) == (54.0, 5.0)


def test_a_gradient_can_be_cleared_in_any_way() -> None:
    a = Value(3.0)
    for cleared in (0, 0.0, None, NOT_COMPUTED):
        a.grad = cleared  # type: ignore[assignment]
        (a * a).backward()
        assert a.grad == 6.0


def test_a_leaf_can_be_its_own_loss() -> None:
    a = Value(3.0)
    a.backward()
    assert a.grad == 1.0


def test_both_operands_of_a_plus_a_are_there() -> None:
    a = Value(3.0)
    b = a + a
    assert b.parents == (a, a) and b.partials == (1.0, 1.0) and b.op is ops.add
    b.backward()
    assert a.grad == 2.0


def test_the_gradient_is_that_of_the_recorded_evaluation() -> None:
    def build() -> tuple[Value, Value, Value, Value]:
        a, b = Value(0.5, name="a"), Value(-1.5, name="b")
        h = mg.sigmoid(a * b)
        return a, b, h, h * h + mg.exp(a)

    a, b, _, loss = build()
    loss.backward()
    a2, b2, h2, loss2 = build()
    a2.data, b2.data, h2.data, loss2.data = 9.0, 8.0, 7.0, 6.0
    loss2.backward()
    assert (a.grad, b.grad) == (a2.grad, b2.grad)


def test_readings_refuse_a_graph_whose_numbers_have_changed() -> None:
    w11 = Value(0.3, name="w11")
    h1 = mg.tanh(w11 + 1)
    h1.name = "h1"
    loss = h1 * h1
    w11.data = 0.5
    message = r"w11 was 0\.3 when this graph was recorded and is 0\.5 now: run the forward pass again"
    with pytest.raises(RuntimeError, match=message):
        mg.grad(loss, [w11])
    w11.data = 0.3  # back again: nothing is stale
    assert mg.grad(loss, [w11])[0].data != 0
    h1.data = 2.0
    with pytest.raises(RuntimeError, match="h1 was"):
        mg.grad(loss, [w11])


def test_nan_is_not_taken_for_a_change() -> None:
    a = Value(math.nan)
    assert math.isnan(mg.grad(a * a, [a])[0].data)


def test_propagate_is_one_application_of_the_chain_rule() -> None:
    x, w, b = Value(2.0), Value(-3.0), Value(1.0)
    z = w * x
    s = z + b
    y = mg.tanh(s)
    loss = y**2
    by_hand = [x, w, b, z, s, y, loss]
    loss.grad = 1.0
    for node in (loss, y, s, z):
        node.propagate()
    received = [v.grad for v in by_hand]
    for v in by_hand:
        v.grad = 0.0
    loss.backward()
    assert received == [v.grad for v in by_hand]
    leaf = Value(1.0)
    leaf.propagate()  # a leaf has nobody to hand it to


def test_topological_order_has_parents_first_and_each_value_once() -> None:
    rng = random.Random(0)
    values = [Value(rng.random()) for _ in range(5)]
    for _ in range(300):
        values.append(rng.choice(values) * rng.choice(values) + rng.random())
    order = topological_order(values[-1])
    position = {v: i for i, v in enumerate(order)}
    assert len(position) == len(order) and order[-1] is values[-1]
    for v in order:
        for parent in v.parents:
            assert isinstance(parent, Constant) or position[parent] < position[v]


# ── Derivatives as graphs ─────────────────────────────────────────────────────────────────────────────


def test_grad_leaves_every_grad_untouched_and_goes_to_any_order() -> None:
    x = Value(0.7, name="x")
    y = mg.sin(x)
    chain = [y]
    for _ in range(6):
        chain += mg.grad(chain[-1], [x])
    s, c = math.sin(0.7), math.cos(0.7)
    assert [v.data for v in chain] == pytest.approx([s, c, -s, -c, s, c, -s], rel=1e-14)
    assert x.grad is NOT_COMPUTED and all(v.grad is NOT_COMPUTED for v in topological_order(chain[-1]))


def test_grad_of_what_does_not_depend_is_zero() -> None:
    a, b = Value(1.0), Value(2.0)
    assert [g.data for g in mg.grad(a * 3, [a, b])] == [3.0, 0.0]
    assert [g.data for g in mg.grad(a, [a, a])] == [1.0, 1.0]


def test_grad_by_inner_values() -> None:
    x = Value(2.0)
    z = x * x
    y = z**3
    assert mg.grad(y, [z, x])[0].data == 48.0


def test_grad_says_what_it_needs() -> None:
    x = Value(1.0)
    with pytest.raises(TypeError, match="jacobian"):
        mg.grad([x], [x])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"write \[x\]"):
        mg.grad(x, x)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"xs\[1\] is 2\.0"):
        mg.grad(x, [x, 2.0])  # type: ignore[list-item]


def test_hessian_and_jacobian_of_a_known_function() -> None:
    # Rosenbrock's function, f = (1 − a)² + 100(b − a²)²
    a, b = Value(-1.2), Value(1.0)
    f = (1 - a) ** 2 + 100 * (b - a**2) ** 2
    gradient = [float(g) for g in mg.jacobian([f], [a, b])[0]]
    assert gradient == pytest.approx([-215.6, -88.0], rel=1e-14)
    hessian = [[float(h) for h in row] for row in mg.hessian(f, [a, b])]
    assert hessian[0] == pytest.approx([1330.0, 480.0], rel=1e-14)
    assert hessian[1] == pytest.approx([480.0, 200.0], rel=1e-14)


def test_jvp_is_forward_mode() -> None:
    a, b = Value(2.0), Value(3.0)
    y = a * b + mg.sin(a)
    assert mg.jvp(y, [a, b], [1.0, 0.0]) == 3.0 + math.cos(2.0)
    assert mg.jvp(y, [a, b], [0.5, 2.0]) == pytest.approx(0.5 * (3.0 + math.cos(2.0)) + 4.0, rel=1e-15)
    assert mg.jvp(y, [Value(1.0)], [1.0]) == 0.0
    assert mg.jvp(a, [a], [7.0]) == 7.0
    with pytest.raises(ValueError, match="2 xs, 1 tangents"):
        mg.jvp(y, [a, b], [1.0])


# ── Without a graph, and copies ───────────────────────────────────────────────────────────────────────


def test_no_grad_records_nothing_and_nests() -> None:
    a = Value(2.0)
    with mg.no_grad():
        with mg.no_grad():
            pass
        y = mg.exp(a) * 3 + a**2
    assert y.parents == () and y.op is None and y.data == math.exp(2.0) * 3 + 4.0
    assert (a * 2).parents

    @mg.no_grad()
    def f(x: Value) -> Value:
        return x * x

    assert f(a).parents == ()
    with pytest.raises(RuntimeError, match="stop"), mg.no_grad():
        raise RuntimeError("stop")
    assert (a * 2).parents


def test_detach_keeps_number_and_name() -> None:
    a = Value(2.0, name="a")
    b = (a * a).detach()
    assert b.data == 4.0 and b.parents == () and a.detach().name == "a"


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
def test_graphs_can_be_copied(duplicate: Callable[[Value], Value]) -> None:
    a = Value(2.0, name="a")
    y = (a**3 + 2 * a) / mg.exp(a**-0.5)
    twin = duplicate(y)
    assert twin is not y and twin.data == y.data
    [leaf] = [v for v in topological_order(twin) if v.name == "a"]
    assert leaf is not a and leaf.grad is NOT_COMPUTED
    twin.backward()
    y.backward()
    assert leaf.grad == a.grad


def test_builtin_sum_and_in_place_operators() -> None:
    xs = [Value(float(i)) for i in range(4)]
    total = sum(xs)
    assert isinstance(total, Value) and total.data == 6.0
    y = first = xs[1]
    y += 2
    y *= xs[2]
    assert y.data == 6.0 and first.data == 1.0


def test_gradcheck_says_which_input_which_point_received_and_expected() -> None:
    def wrong(a: Value, b: Value) -> Value:
        return a * b.detach()

    with pytest.raises(AssertionError) as caught:
        mg.gradcheck(wrong, [Value(1.5, name="a"), Value(2.0, name="b")])
    message = str(caught.value)
    for part in ("by b", "a = 1.5, b = 2.0", "received 0.0", "expected 1.5"):
        assert part in message
    assert mg.gradcheck(lambda a, b: a * b, [1.5, 2.0])


@pytest.mark.parametrize("x", [0.0, 1e-12])
def test_gradcheck_refuses_what_it_cannot_judge(x: float) -> None:
    with pytest.raises(ValueError, match=r"kink|both sides"):
        mg.gradcheck(mg.sqrt if x == 0 else abs, [0.0])


def test_gradcheck_where_the_slope_is_0_and_bends() -> None:
    assert mg.gradcheck(lambda x: x * abs(x), [0.0])
    assert mg.gradcheck(lambda x: x - mg.softsign(x), [0.0])


def test_gradcheck_checks_second_derivatives_too() -> None:
    assert mg.gradcheck(lambda a, b: mg.grad(mg.tanh(a * b) * a, [a])[0], [0.3, -0.8])


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (math.sin, 1e5, math.cos(1e5)),
        (math.sin, 5e-324, 1.0),  # f changes over lengths of 1, however small x is
        (math.log, 1e-8, 1e8),  # … and here over lengths of x
        (math.sqrt, 1e-300, 5e149),
        (lambda x: 1 / x, 1e-12, -1e24),  # a pole nearby
        (lambda x: x**3, 1e100, 3e200),
        (lambda x: x**3, 0.0, 0.0),
        (lambda x: abs(x - 1e-3), 0.0, -1.0),  # a kink nearby
        (lambda x: 7.0, 2.0, 0.0),
        (lambda x: 0.1 + x * x, 1e-322, 0.0),
        (lambda x: (x - 0.1) + 0.1, 1e-282, 1.0),  # a step of the length of x is rounded away
        (lambda x: (1e-282 - x) + x, 0.0, 0.0),  # so is the number, and that makes no kink
        (lambda x: max(x, 0.0), -1e-10, 0.0),  # but here f is flat
        (lambda x: max(x, 0.0), -1e-282, 0.0),
        (lambda x: x if abs(x) > 1e-3 else 0.0, 0.0, 0.0),
        (lambda x: x if abs(x) > 1e-3 else 0.0, 1e-282, 0.0),
    ],
)
def test_central_differences_find_their_step(
    f: Callable[[float], float], x: float, expected: float
) -> None:
    derivative, error = central_difference(f, x)
    assert abs(derivative - expected) <= error + 1e-15 * abs(expected)
    assert error <= 1e-9 * abs(expected) + 1e-12


def test_a_gradient_by_a_constant_that_a_gradient_gave() -> None:
    """The derivative of a straight line is a constant; who goes on from it may ask for it."""
    x = Value(2.0, "x")
    [dy] = mg.grad(3.0 * x, [x])
    z = dy * dy
    assert [d.data for d in mg.grad(z, [dy])] == [6.0] == [mg.jvp(z, [dy], [1.0])]
    assert [d.data for d in mg.grad(z, [x, dy, x])] == [0.0, 6.0, 0.0]
    assert [d.data for d in mg.grad(dy, [dy])] == [1.0]


def test_a_nan_that_was_pickled_is_still_what_was_recorded() -> None:
    y = (Value(math.inf) - math.inf) * 2.0
    copy = pickle.loads(pickle.dumps(y))
    [d] = mg.grad(copy, [copy.parents[0]])
    assert d.data == 2.0
    copy.parents[0].data = 1.0
    with pytest.raises(RuntimeError, match=r"was nan when this graph was recorded and is 1\.0 now"):
        mg.grad(copy, [copy.parents[0]])


# ── The plain loop ────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=60, deadline=None)
@given(STEPS, POINT)
def test_gradients_has_the_bits_of_backward_and_touches_nothing(
    steps: list[tuple[int, int, int]], point: list[float]
) -> None:
    y = expression(steps)(*(Value(x) for x in point))
    order = topological_order(y)
    for i, value in enumerate(order):
        value.grad = float(i)
    plain = gradients(y)
    assert [value.grad for value in order] == list(range(len(order)))
    for value in order:
        value.grad = 0.0
    y.backward()
    assert list(plain) == order
    assert [plain[value].hex() for value in order] == [value.grad.hex() for value in order]


def test_gradients_of_a_leaf_a_constant_and_an_operand_that_stands_there_twice() -> None:
    a, two = Value(3.0), Constant(2.0)
    assert gradients(a) == {a: 1.0}
    assert gradients(two) == {two: 1.0}
    b = a * a
    assert gradients(b + b * two)[a] == 18.0
    assert two not in gradients(b * two)


# ── gradcheck: agree, differ, cannot be checked ───────────────────────────────────────────────────────


def three_for_two(x: Value, scale: float = 1.0, added: float = 0.0) -> Value:
    """The function scale · 2x, with a derivative that says 3 · scale."""
    return scale * (2.0 * x.detach() + 3.0 * (x - x.detach())) + added


@pytest.mark.parametrize("scale", [1e-200, 1e-12, 1.0, 1e12, 1e200])
def test_gradcheck_tells_right_from_wrong_at_every_scale(scale: float) -> None:
    check = mg.gradcheck(lambda x: scale * x**3, [1.5])
    [comparison] = check.comparisons
    assert check and comparison.received == pytest.approx(6.75 * scale)
    assert abs(comparison.expected - 6.75 * scale) <= comparison.error < 1e-9 * scale
    assert f"received {comparison.received!r}" in str(check)
    with pytest.raises(GradientError, match=r"(?s)received [23].*expected [12]") as raised:
        mg.gradcheck(lambda x: three_for_two(x, scale), [1.5])
    assert "give or take" in str(raised.value)


@pytest.mark.parametrize("added", [1e14, 1e15])
def test_gradcheck_says_that_it_cannot_tell_where_rounding_hides_the_slope(added: float) -> None:
    for wrong_or_right in (lambda x: three_for_two(x, added=added), lambda x: 2.0 * x + added):
        with pytest.raises(
            CannotBeCheckedError,
            match=r"by x at x = 1\.5 cannot be checked: received [23]\.0, and the estimate",
        ):
            mg.gradcheck(wrong_or_right, [Value(1.5, "x")])


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: mg.tanh(1e8 * x), 0.0),
        (lambda x: mg.tanh(1e12 * x), 0.0),
        (lambda x: x + 1e-8 * mg.tanh(1e8 * x), 0.0),
        (lambda x: x + 1e-10 * mg.tanh(1e10 * x), 0.0),
        (mg.asin, 1 - 1e-9),
        (mg.acosh, 1 + 1e-12),
        (mg.log, 1e-15),
        (mg.sqrt, 1e-12),
        (lambda x: 1e6 * mg.sin(x), math.pi / 2),
        (lambda x: 1e6 * (x - 1) ** 2, 1.0),
        (lambda x: mg.exp(1e5 * x), 1e-3),
        (lambda x: mg.sin(1e6 * x), 1.0),
    ],
)
def test_gradcheck_finds_the_length_over_which_a_function_changes(f: Callable[..., Any], x: float) -> None:
    assert mg.gradcheck(f, [x])


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (mg.acos, 1 - 1e-14),
        (mg.log1p, -1 + 1e-14),
        (mg.atanh, 1 - 1e-14),
        (mg.logit, 1 - 1e-14),
        (lambda a: mg.log(1 - a), 1 - 1e-14),
        (lambda a: mg.sin(1e9 * a), 1.0),
        (lambda a: mg.sin(1e8 * a), 1.0),
        (lambda a: (a + 1e8) - 1e8, 1.0),
        (mg.sign, 2.0),
        (lambda a: mg.clip(a, 0, 1), 2.0),
        (mg.hardtanh, 5.0),
        (lambda a: a * 0 + 1, 3.0),
    ],
)
def test_gradcheck_agrees_next_to_poles_and_on_flat_ground(f: Any, x: float) -> None:
    """Next to the spacing of floats the steps shrink unevenly, and the extrapolation knows it."""
    assert mg.gradcheck(f, [x])
    with pytest.raises((GradientError, CannotBeCheckedError)):
        mg.gradcheck(lambda a: 2 * f(a) - f(Value(a.data)) + 1e-3 * (a - a.data), [x])


def test_gradcheck_cannot_tell_of_an_infinite_derivative() -> None:
    with pytest.raises(CannotBeCheckedError, match="received inf"):
        mg.gradcheck(mg.cbrt, [0.0])


def test_gradcheck_records_within_no_grad() -> None:
    with mg.no_grad():
        assert mg.gradcheck(lambda a: a**3, [2.0])


def test_a_value_made_as_micrograd_makes_a_node_is_told_how() -> None:
    a = Value(1.0)
    makes: list[Any] = [
        lambda: Value(2.0, (a,), "+"),  # type: ignore[arg-type]
        lambda: Value(2.0, _children=(a,), _op="+"),
        lambda: Value(2.0, {a}),  # type: ignore[arg-type]
    ]
    for make in makes:
        with pytest.raises(TypeError, match=r"an operation makes its Values itself: .* microgradlike\.ops"):
            make()
