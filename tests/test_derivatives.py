"""First and second derivatives of every row: mpmath's stored numbers, kinks by a table, what must hold."""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from campaigns import derivatives as campaign
from campaigns.derivatives import ROWS, Point
from oracles import DOMAINS, convention, derivative, oracle

import microgradlike as mg
from microgradlike import Value, grad, hessian, ops
from microgradlike.ops import Op

inf, nan = math.inf, math.nan
every_row = pytest.mark.parametrize("op", ROWS.values(), ids=ROWS)
STORED = campaign.stored()
BACKENDS = ("python", "numpy")


# ── Everywhere ────────────────────────────────────────────────────────────────────────────────────────


def test_every_row_has_stored_numbers() -> None:
    """After a new row: python tests/campaigns/derivatives.py --write"""
    assert STORED.keys() == ROWS.keys()
    assert {len(points) for points in STORED.values()} == {campaign.POINTS}


@pytest.mark.parametrize("engine", campaign.ENGINES)
@every_row
def test_value_and_derivatives_have_all_digits(op: Op, engine: str) -> None:
    worst = campaign.worst(op, STORED[op.name], engine)
    for error, place in zip(worst.errors, worst.places, strict=True):
        assert error <= 1e-12, (op.name, place)


@every_row
def test_stored_numbers_are_those_of_the_oracle(op: Op) -> None:
    for point in STORED[op.name][::100]:
        again = campaign.expected(op, point.operands)
        assert again
        for number, expected in zip(point.numbers, again.numbers, strict=True):
            assert number == expected or (number != number and expected != expected)


def test_a_wrong_digit_is_noticed() -> None:
    [point, *_] = STORED["sin"]
    for i, number in enumerate(point.numbers):
        assert number is not None
        numbers = (*point.numbers[:i], number * (1 + 1e-11), *point.numbers[i + 1 :])
        wrong = Point(point.operands, numbers, tuple(abs(n or 0.0) for n in numbers))
        assert max(campaign.worst(ops.sin, [wrong], "eager").errors) > 1e-12


# ── Kinks ─────────────────────────────────────────────────────────────────────────────────────────────

#: At a kink: the operands, the first derivatives, and the second ones by operands i ≤ j.
KINKS: list[tuple[Op, Sequence[float], Sequence[float], Sequence[float]]] = [
    (ops.abs, [0.0], [0.0], [0.0]),
    (ops.sign, [0.0], [0.0], [0.0]),
    (ops.greater, [1.0, 1.0], [0.0, 0.0], [0.0, 0.0, 0.0]),
    (ops.equal, [1.0, 1.0], [0.0, 0.0], [0.0, 0.0, 0.0]),
    (ops.where, [0.0, 2.0, 3.0], [0.0, 0.0, 1.0], [0.0] * 6),
    (ops.relu, [0.0], [0.0], [0.0]),
    (ops.relu, [-0.0], [0.0], [0.0]),
    (ops.leaky_relu, [0.0, 0.1], [0.1, 0.0], [0.0, 1.0, 0.0]),
    (ops.elu, [0.0, 2.0], [2.0, 0.0], [2.0, 1.0, 0.0]),
    (ops.selu, [0.0], [ops._SELU_SCALE * ops._SELU_ALPHA], [ops._SELU_SCALE * ops._SELU_ALPHA]),
    (ops.softsign, [0.0], [1.0], [0.0]),
    (ops.hardtanh, [1.0], [0.0], [0.0]),
    (ops.hardtanh, [-1.0], [0.0], [0.0]),
    (ops.clip, [1.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0] * 6),
    (ops.clip, [0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0] * 6),
    (ops.clip, [0.5, 2.0, 1.0], [0.0, 0.0, 1.0], [0.0] * 6),
    (ops.maximum, [2.0, 2.0], [0.5, 0.5], [0.0] * 3),
    (ops.minimum, [2.0, 2.0, 3.0], [0.5, 0.5, 0.0], [0.0] * 6),
    (ops.maximum, [1.0, 1.0, 1.0, 1.0], [0.25] * 4, [0.0] * 10),
    (ops.mod, [6.0, 3.0], [1.0, -2.0], [0.0] * 3),
    (ops.mod, [-6.0, 3.0], [1.0, 2.0], [0.0] * 3),
    (ops.floor_div, [6.0, 3.0], [0.0, 0.0], [0.0] * 3),
    (ops.hypot, [0.0], [0.0], [0.0]),
    (ops.hypot, [0.0, 0.0], [0.0, 0.0], [nan] * 3),
    (ops.hypot, [0.0, 3.0], [0.0, 1.0], [1 / 3, 0.0, 0.0]),
    (ops.hypot, [3.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1 / 3, 0.0, 1 / 3]),
    (ops.atan2, [0.0, 0.0], [0.0, 0.0], [nan] * 3),
    (ops.atan2, [0.0, 2.0], [0.5, 0.0], [0.0, -0.25, 0.0]),
    (ops.pow, [0.0, 2.0], [0.0, 0.0], [2.0, 0.0, 0.0]),
    (ops.pow, [0.0, 1.0], [1.0, 0.0], [0.0, -inf, 0.0]),
    (ops.pow, [0.0, 0.0], [0.0, 0.0], [0.0, inf, inf]),
    (ops.pow, [0.0, 0.5], [inf, 0.0], [-inf, nan, 0.0]),
    (ops.xlogy, [0.0, 2.0], [math.log(2), 0.0], [0.0, 0.5, 0.0]),
    (ops.xlogy, [0.0, 0.0], [-inf, 0.0], [0.0, inf, 0.0]),
    (ops.binary_cross_entropy, [0.3, 0.0], [1 / 0.7, math.log(7 / 3)], [1 / 0.49, -1 / 0.21, 0.0]),
    (ops.binary_cross_entropy, [0.3, 1.0], [-1 / 0.3, math.log(7 / 3)], [1 / 0.09, -1 / 0.21, 0.0]),
    (ops.binary_cross_entropy, [0.0, 0.0], [1.0, inf], [1.0, -inf, 0.0]),
    (ops.binary_cross_entropy, [1.0, 1.0], [-1.0, -inf], [1.0, -inf, 0.0]),
    (ops.logsumexp, [1.0, 1.0], [0.5, 0.5], [0.25, -0.25, 0.25]),
    (ops.logsumexp, [1.0] * 3, [1 / 3] * 3, [2 / 9, -1 / 9, -1 / 9, 2 / 9, -1 / 9, 2 / 9]),
    (ops.cross_entropy, [1.0, 1.0, 0.0], [-0.5, 0.5, 0.0], [0.25, -0.25, 0.0, 0.25, 0.0, 0.0]),
    (ops.prod, [0.0, 3.0], [3.0, 0.0], [0.0, 1.0, 0.0]),
    (ops.prod, [0.0, 0.0, 3.0], [0.0] * 3, [0.0, 3.0, 0.0, 0.0, 0.0, 0.0]),
    (ops.sqrt, [0.0], [inf], [-inf]),
    (ops.cbrt, [0.0], [inf], [nan]),  # ∞ from the left, −∞ from the right
    (ops.asin, [1.0], [inf], [inf]),
    (ops.acos, [1.0], [-inf], [-inf]),
    (ops.sinc, [0.0], [0.0], [-(math.pi**2) / 3]),
]


def is_same(got: float, number: float) -> bool:
    if not math.isfinite(number):
        return got == number or (math.isnan(got) and math.isnan(number))
    return math.isclose(got, number, rel_tol=1e-12, abs_tol=1e-15)


@pytest.mark.parametrize("engine", campaign.ENGINES)
@pytest.mark.parametrize(
    ("op", "xs", "first", "second"), KINKS, ids=[f"{op.name}{xs}" for op, xs, *_ in KINKS]
)
def test_at_a_kink_every_order_is_that_of_the_convention(
    op: Op, xs: Sequence[float], first: Sequence[float], second: Sequence[float], engine: str
) -> None:
    point = Point(tuple(xs), (), ())
    [[_, *numbers]] = campaign.ENGINES[engine](op, [point])
    assert len(numbers) == len(first) + len(second)
    assert all(map(is_same, numbers, [*first, *second])), numbers


def test_kinks_do_not_depend_on_the_unit() -> None:
    for scale in (1e-200, 1.0, 1e200):
        x, y = Value(0.0), Value(3.0 * scale)
        [[by_x, _], _] = hessian(ops.hypot(x, y), [x, y])
        assert by_x.data == pytest.approx(1 / (3.0 * scale), rel=1e-15)


# ── Powers ────────────────────────────────────────────────────────────────────────────────────────────


def derivatives_of(function: Callable[[Value], Value], x: float, order: int) -> list[float]:
    """The value, and the derivatives up to that order."""
    leaf = Value(x)
    graphs = [function(leaf)]
    for _ in range(order):
        graphs += grad(graphs[-1], [leaf])
    return [graph.data for graph in graphs]


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
@pytest.mark.parametrize("x", [0.0, 1.0, -1.0, 2.5, -3.0])
@pytest.mark.parametrize("is_operand", [False, True])
def test_whole_powers_to_the_fourth_order(x: float, exponent: float, is_operand: bool) -> None:
    falling = [math.perm(int(exponent), k) for k in range(5)]
    expected = [c * x ** max(exponent - k, 0.0) if c else 0.0 for k, c in enumerate(falling)]
    got = derivatives_of(lambda v: v ** (Value(exponent) if is_operand else exponent), x, 4)
    assert got == pytest.approx(expected, rel=1e-14, abs=0.0)


def test_a_sum_of_powers_at_0() -> None:
    got = derivatives_of(lambda x: x ** Value(0.0) + x ** Value(1.0) + x ** Value(2.0), 0.0, 3)
    assert got == [1.0, 1.0, 2.0, 0.0]


@pytest.mark.parametrize("exponent", [-2.5, -1.0, 0.5, 1 / 3, 2.5])
def test_other_powers_to_the_fourth_order(exponent: float) -> None:
    for x in (0.3, 1.0, 1e-60, 1e60):
        f = oracle(ops.power(exponent))
        expected = [float(derivative(f, (x,), *[0] * k)) for k in range(1, 5)]
        for given in (exponent, Value(exponent)):
            _, *got = derivatives_of(lambda v, given=given: v**given, x, 4)  # type: ignore[misc]
            assert got == pytest.approx(expected, rel=1e-12), x


# ── What must hold for any row ────────────────────────────────────────────────────────────────────────

SPECIAL = (0.0, 1.0, -1.0, 0.5, 0.3, 2.0, -0.7)
#: The rows with kinks, whose numbers there stand in KINKS or in `oracles.CONVENTIONS`.
KINKED = {row for row, *_ in KINKS} | {ops.share, ops.quotient}


def special_points(op: Op) -> list[tuple[float, ...]]:
    if op.book:
        return [(x, campaign.result_for(op)(x)) for x in SPECIAL]
    if op is ops.cross_entropy:
        return [(*zs, t) for zs in itertools.product(SPECIAL, repeat=2) for t in (0.0, 1.0)]
    points: Iterable[tuple[float, ...]] = itertools.product(SPECIAL, repeat=min(op.arity or 2, 3))
    if op in {ops.monomial, ops.monomial_log}:
        points = ((2.0, a, b, *[1.0] * (1 if op is ops.monomial else 2)) for _, a, b in points)
    domain = DOMAINS.get(op.name)
    return [xs for xs in points if domain is None or domain(*xs)]


def gradient(op: Op, xs: Sequence[float]) -> list[float] | None:
    values = [Value(x) for x in xs]
    try:
        if op.book:
            values[1] = campaign.result_for(op)(values[0])
        op(*values).backward()
    except (ValueError, ZeroDivisionError, OverflowError):
        return None
    return [values[i].grad for i in campaign.by(op, xs)]


def slope(op: Op, xs: Sequence[float], j: int, h: float) -> list[float] | None:
    """The finite difference of the gradient, by operand j."""
    above, below = (
        gradient(op, [x + sign * h * (i == j) for i, x in enumerate(xs)]) for sign in (1.0, -1.0)
    )
    return None if above is None or below is None else [(a - b) / (2 * h) for a, b in zip(above, below)]


@every_row
def test_the_hessian_is_symmetric_and_the_difference_of_the_gradient(op: Op) -> None:
    tried = 0
    for xs in special_points(op):
        if gradient(op, xs) is None:
            continue
        leaves, (_, *graphs) = campaign.graph_of(op, xs)
        places = campaign.by(op, xs)
        firsts = graphs[: len(places)]
        rows = [[d.data for d in grad(first, [leaves[i] for i in places])] for first in firsts]
        for (i, row), j in itertools.product(enumerate(rows), range(len(places))):
            other = rows[j][i]
            assert is_same(row[j], other) or not (math.isfinite(row[j]) or math.isfinite(other)), (xs, i, j)
            near, nearer = slope(op, xs, places[j], 1e-4), slope(op, xs, places[j], 2.5e-5)
            if near is None or nearer is None:
                continue  # at the end of the domain
            is_smooth = math.isclose(near[i], nearer[i], rel_tol=1e-3, abs_tol=1e-3)
            if is_smooth and convention(op, xs)[places[i]] is None:
                assert row[j] == pytest.approx(nearer[i], rel=1e-2, abs=1e-2), (xs, i, j)
                tried += 1
            elif math.isfinite(row[j]) and not is_smooth:
                assert op in KINKED, (xs, i, j, row[j], near, nearer)
    assert tried or op in {ops.sign, ops.greater, ops.equal, ops.floor_div, ops.mod}


# ── As they are used ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("p", "t"), [*itertools.product([0.3, 0.9, 1e-9], [0.0, 1.0, 0.25])])
def test_binary_cross_entropy_by_prediction_and_target(p: float, t: float) -> None:
    values = [Value(p, "p"), Value(t, "t")]
    [[_, mixed], [again, _]] = hessian(mg.binary_cross_entropy(*values), values)
    assert mixed.data == again.data == pytest.approx(-1 / p - 1 / (1 - p), rel=1e-14)
    for backend in BACKENDS:
        wanted = [mixed, again]
        program = mg.compile(mixed, values, [], outputs=wanted, backend=backend)
        assert program([[p, t]]).outputs[0] == pytest.approx([mixed.data] * 2, rel=1e-14)


def test_an_entropy_where_a_probability_is_0() -> None:
    ps = [Value(0.0), Value(0.25), Value(0.75)]
    entropy = -mg.sum([mg.xlogy(p, p) for p in ps])
    assert entropy.data == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75), rel=1e-15)
    assert [d.data for d in grad(entropy, ps)] == [
        inf,
        pytest.approx(-math.log(0.25) - 1),
        pytest.approx(-math.log(0.75) - 1),
    ]
    [_, [_, second, _], _] = hessian(entropy, ps)
    assert second.data == pytest.approx(-4.0)


def test_tails_of_a_network_are_those_of_eager_and_as_the_book_has_them() -> None:
    """σ′(z) is y(1 − y) as it is written, but not as it is computed."""
    for activation, expected in ((mg.sigmoid, 4.248354255291589e-18), (mg.tanh, 7.219405551381661e-35)):
        z = Value(40.0, "z")
        y = activation(z)
        y.name = "y"
        [partial] = y.partials
        assert partial == pytest.approx(expected, rel=1e-14)
        for backend in BACKENDS:
            program = mg.compile(y, [z], [z], backend=backend)
            source = program.source.replace("Y", "y")
            assert ("y * (1.0 - y)" in source) or ("1.0 - y * y" in source)
            for batch in ([[40.0]], [[40.0], [40.0]] * 50):
                assert program(batch).gradients[0] == pytest.approx(expected, rel=1e-12)


def written(activation: Any) -> str:
    z = Value(0.5, "z")
    h = activation(z)
    h.name = "h"
    return mg.formula(grad(h, [z])[0])


def test_derivatives_are_written_as_the_book_has_them() -> None:
    assert written(mg.sigmoid) == "h(1 − h)"
    assert written(mg.tanh) == "1 − h·h"
    assert written(mg.atan) == "1 / (1 + z·z)"
    assert written(mg.silu) == "σ(z)(1 + z(1 − σ(z)))"
    assert written(mg.log_sigmoid) == "1 − σ(z)"
    assert written(lambda z: z ** Value(3.0, "n")) == "n·z^(n − 1)"
