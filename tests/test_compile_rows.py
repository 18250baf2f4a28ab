"""Every row of the op table, compiled for every backend, against the eager engine."""

import functools
import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from oracles import DOMAINS
from test_ops import BEYOND, EDGES, EXTREMES, OF_RULES, fitted, is_defined, points

import microgradlike as mg
from microgradlike import Value, grad, ops
from microgradlike.ops import OPS, Op

inf, nan = math.inf, math.nan
EXPONENTS = (0.0, 1.0, 2.0, 3.0, -1.0, -2.0, 0.5, 1 / 3, 2.5, -0.5)
ROWS = {op.name: op for op in [*OPS.values(), *map(ops.power, EXPONENTS)]}
BACKENDS = ("python", "numpy")
every_row = pytest.mark.parametrize("op", ROWS.values(), ids=ROWS)
every_backend = pytest.mark.parametrize("backend", BACKENDS)

ULP = 2.0**-52
TINIEST = 5e-324
SMALLEST_NORMAL = 2.0**-1022  # below it floats have few digits
Numbers = tuple[float, ...]


# ── Points ────────────────────────────────────────────────────────────────────────────────────────────


def operands_of(op: Op, count: int, number: Callable[[], float]) -> list[float]:
    xs = [number() for _ in range(count)]
    if op is ops.cross_entropy and math.isfinite(xs[-1]):  # the last operand is the index of another
        xs[-1] = float(int(abs(xs[-1])) % (count - 1))
    return xs


def edges(op: Op) -> Iterator[Numbers]:
    """±0, ±inf, nan, kinks, ties, ends of domains, subnormal and huge numbers, in all combinations."""
    numbers = [*EDGES, *EXTREMES, 1.5e154, *(-x for x in EXTREMES), *BEYOND]  # 1.5e154² overflows
    rng = random.Random(f"{op.name}, edges")
    if op.arity in {1, 2}:
        yield from (tuple(fitted(op, rng, [*xs])) for xs in itertools.product(numbers, repeat=op.arity))
        return
    for _ in range(600):
        count = op.arity or 2 * rng.randint(1, 2)
        some = rng.choice((numbers, rng.sample(numbers, 2)))  # of two numbers, so that there are ties
        yield tuple(operands_of(op, count, functools.partial(rng.choice, some)))


@functools.cache
def defined_points(op: Op) -> list[Numbers]:
    """Where the engine raises nothing."""
    domain = DOMAINS.get(op.name) if op in {ops.prod, *OF_RULES} else None
    at_edges = (xs for xs in edges(op) if is_defined(op, xs))
    return [*points(op)[:150], *(xs for xs in at_edges if domain is None or domain(*xs))]


def by_length(all_points: Sequence[Numbers]) -> dict[int, list[Numbers]]:
    lengths: dict[int, list[Numbers]] = {}
    for xs in all_points:
        lengths.setdefault(len(xs), []).append(xs)
    return lengths


# ── Numbers ───────────────────────────────────────────────────────────────────────────────────────────


def rounding(op: Op, xs: Numbers) -> float:
    """An ulp of what a sum is made of, without the signs: its rounding errors are of that size."""
    n = len(xs) // 2
    if op in {ops.add, ops.sub, ops.sum}:
        return sum(abs(x * ULP) for x in xs)
    if op is ops.mean:
        return sum(abs(x / len(xs) * ULP) for x in xs)
    if op is ops.dot:
        return sum(abs(w * ULP * x) for w, x in zip(xs, xs[n:])) + sum(abs(b * ULP) for b in xs[2 * n :])
    return 0.0


def floors(op: Op, xs: Numbers, derivatives: Sequence[float]) -> list[float]:
    """The absolute error that the result and each derivative may have besides 1e-12 of its size.

    Backends differ in the last bit of elementary functions. Where a rule subtracts, as the document's
    1 − out² does near saturation, that bit of the terms is all of the difference.
    """
    granted = [SMALLEST_NORMAL] * (len(xs) + 1)
    if math.isfinite(rounding(op, xs)):
        granted[0] += 4 * len(xs) * rounding(op, xs)
    if op is ops.hypot and 0 < math.hypot(*xs) < SMALLEST_NORMAL:
        return [len(xs) * TINIEST, *[len(xs) * TINIEST / math.hypot(*xs)] * len(xs)]  # a / out
    return granted


def _is_huge_difference(*xs: float) -> bool:
    return any(1.3e154 < abs(y - t) < 2e154 for y, t in zip(xs, xs[len(xs) // 2 :]))


#: Where numpy's numbers are others, and that is accepted.
OTHERWISE_IN_NUMPY: dict[str, Callable[..., bool]] = {
    "power(0.5)": lambda a: a == -inf,  # numpy takes the root, which is nan; C's pow says inf
    "half_squared_error": _is_huge_difference,  # ½·d² where d² alone is too large for a float
}


def is_otherwise(op: Op, xs: Numbers, backend: str) -> bool:
    return backend == "numpy" and op.name in OTHERWISE_IN_NUMPY and OTHERWISE_IN_NUMPY[op.name](*xs)


def is_near(got: float, expected: float, floor: float) -> bool:
    if math.isnan(expected) or math.isinf(expected):
        return got == expected or (math.isnan(got) and math.isnan(expected))
    return abs(got - expected) <= 1e-12 * abs(expected) + floor


def eager(op: Op, xs: Numbers) -> list[float]:
    operands = [Value(x) for x in xs]
    result = op(*operands)
    result.backward()
    return [result.data, *(operand.grad for operand in operands)]


def assert_same(op: Op, xs: Numbers, got: Sequence[float], where: str) -> None:
    expected = eager(op, xs)
    assert len(got) == len(expected)
    for i, (a, b, floor) in enumerate(zip(got, expected, floors(op, xs, expected[1:]))):
        size = 0.0
        if op.name == "inverse_point" and i and 1e-150 < math.hypot(*xs) < 1e150:
            size = math.hypot(*xs) ** -2  # of (b² − a²)/r⁴ the terms cancel where |a| is |b|
        what = f"the derivative by operand {i - 1}" if i else "the value"
        assert is_near(float(a), b, floor + 1e-12 * size), (
            f"{what} of {op.name}{xs} is {b!r}, not {float(a)!r}: {where}"
        )


# ── Against the eager engine ──────────────────────────────────────────────────────────────────────────


@every_backend
@every_row
def test_of_inputs_a_batch_at_a_time(op: Op, backend: str) -> None:
    for batch in by_length(defined_points(op)).values():
        operands = [Value(x, f"a{i}") for i, x in enumerate(batch[0])]
        result = op(*operands)
        program = mg.compile(
            result,
            operands,
            operands,
            outputs=[result, *grad(result, operands)],
            backend=backend,
            allow_nan=True,
        )
        for rows in (batch, program.prepare(batch)):
            for xs, got in zip(batch, program(rows).outputs, strict=True):
                if not is_otherwise(op, xs, backend):
                    assert_same(op, xs, got, "an output")


@every_backend
@every_row
@pytest.mark.parametrize("mixture", ["inputs", "parameters", "odd", "even"])
def test_of_inputs_and_parameters_one_example_at_a_time(op: Op, backend: str, mixture: str) -> None:
    def is_input(i: int) -> bool:
        return mixture == "inputs" or (mixture != "parameters" and i % 2 == (mixture == "odd"))

    for batch in by_length(defined_points(op)[:: 9 if backend == "numpy" else 3]).values():
        operands = [Value(x, "abcdefgh"[i]) for i, x in enumerate(batch[0])]
        inputs = [operand for i, operand in enumerate(operands) if is_input(i)]
        fixed = [operand for i, operand in enumerate(operands) if not is_input(i)]
        program = mg.compile(op(*operands), inputs, operands, backend=backend, allow_nan=True)
        for xs in batch:
            for operand, x in zip(operands, xs):
                operand.data = x
            loss, gradients = program([[operand.data for operand in inputs]])
            if not is_otherwise(op, xs, backend):
                assert_same(op, xs, [loss, *gradients], f"parameters: {[v.name for v in fixed]}")


@pytest.mark.parametrize(
    ("op", "xs", "value"),
    [
        pytest.param(
            *(ops.power(0.5), (-inf,), nan),
            marks=pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.3.0", reason="has ∞"),
        ),
        (ops.half_squared_error, (1.5e154, 0.0), inf),
    ],
)
def test_what_is_otherwise_in_numpy(op: Op, xs: Numbers, value: float) -> None:
    operands = [Value(x, "abc"[i]) for i, x in enumerate(xs)]
    result = op(*operands)
    assert is_otherwise(op, xs, "numpy")
    assert not is_near(value, result.data, 0.0)
    many = mg.compile(result, operands, [], backend="numpy", allow_nan=True, outputs=[result])
    assert all(is_near(got, value, 0.0) for [got] in many([xs] * 100).outputs)


VARIADIC = [op for op in OPS.values() if op.arity is None]


@every_backend
@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("op", VARIADIC, ids=lambda op: op.name)
@pytest.mark.parametrize("names", ["one array", "two arrays", "an array each"])
def test_any_number_of_operands_of_several_results(op: Op, count: int, names: str, backend: str) -> None:
    """Alone a row is one instruction over rows; several of them are one, row by row."""
    if (op is ops.half_squared_error and count % 2) or (op is ops.cross_entropy and count == 1):
        count += 1
    rng = random.Random(f"{op.name} {count}")

    def name(i: int) -> str:
        if names == "an array each":
            return "abcdefghijklmnopqrstuvwxyz"[i % 26] * (1 + i // 26)
        return f"a{i}" if names == "one array" else f"{'ab'[i % 2]}{i}"

    for results, mixed in itertools.product([1, 2, 3], [False, True]):
        rows = []
        for _ in range(5):
            groups = [operands_of(op, count, lambda: rng.uniform(-2, 2)) for _ in range(results)]
            rows.append([group[i] for i in range(count) for group in groups])
        operands = [Value(x, name(i)) for i, x in enumerate(rows[0])]
        losses = [op(*operands[i::results]) for i in range(results)]
        loss = ops.sum(*losses)
        is_fixed = [mixed and i % 3 == 0 for i in range(len(operands))]
        inputs = [v for v, fixed in zip(operands, is_fixed) if not fixed]
        wanted = [*losses, *grad(loss, operands)]
        program = mg.compile(loss, inputs, operands, outputs=wanted, backend=backend)
        rows = [[first if fixed else x for first, x, fixed in zip(rows[0], row, is_fixed)] for row in rows]
        batch = [[x for x, fixed in zip(row, is_fixed) if not fixed] for row in rows]
        for row, got in zip(rows, program(batch).outputs, strict=True):
            for i in range(results):
                one = [got[i], *got[results:][i::results]]
                assert_same(op, tuple(row[i::results]), one, f"result {i} of {results}, mixed: {mixed}")


@every_backend
@pytest.mark.parametrize("op", VARIADIC, ids=lambda op: op.name)
def test_two_results_of_very_many_operands(op: Op, backend: str) -> None:
    """Python's parser takes 200 nested brackets, and some thousand terms."""
    rng = random.Random(op.name)
    count = 250
    rows = [operands_of(op, count, lambda: rng.uniform(0.9, 1.1)) for _ in range(2)]
    interleaved = [row[i] for i in range(count) for row in rows]
    operands = [Value(x, f"a{i}") for i, x in enumerate(interleaved)]
    losses = [op(*operands[::2]), op(*operands[1::2])]
    loss = ops.sum(*losses)
    wanted = [*losses, *grad(loss, operands)]
    program = mg.compile(loss, operands, operands, outputs=wanted, backend=backend)
    for got in program([interleaved] * 2).outputs:
        for i, row in enumerate(rows):
            assert_same(op, tuple(row), [got[i], *got[2:][i::2]], f"result {i} of 2")


# ── Where the engine raises ───────────────────────────────────────────────────────────────────────────

#: What IEEE 754 says there: the value, and the derivative by each operand.
REFUSED: list[tuple[Op, Numbers, float, Numbers]] = [
    (ops.log, (0.0,), -inf, (inf,)),
    (ops.log, (-0.0,), -inf, (-inf,)),
    (ops.log, (-1.0,), nan, (-1.0,)),  # the rule is 1/a, which is defined
    (ops.log2, (0.0,), -inf, (inf,)),
    (ops.log2, (-1.0,), nan, (-1 / math.log(2),)),
    (ops.log10, (0.0,), -inf, (inf,)),
    (ops.log10, (-1.0,), nan, (-1 / math.log(10),)),
    (ops.log1p, (-1.0,), -inf, (inf,)),
    (ops.log1p, (-2.0,), nan, (-1.0,)),
    (ops.div, (1.0, 0.0), inf, (inf, -inf)),
    (ops.div, (1.0, -0.0), -inf, (-inf, -inf)),
    (ops.div, (-1.0, 0.0), -inf, (inf, inf)),
    (ops.div, (0.0, 0.0), nan, (inf, nan)),
    (ops.div, (nan, 0.0), nan, (inf, nan)),
    (ops.div, (inf, 0.0), inf, (inf, -inf)),
    (ops.exp, (1000.0,), inf, (inf,)),
    (ops.exp2, (1024.0,), inf, (inf,)),
    (ops.expm1, (1000.0,), inf, (inf,)),
    (ops.sinh, (1000.0,), inf, (inf,)),
    (ops.sinh, (-1000.0,), -inf, (inf,)),
    (ops.cosh, (-1000.0,), inf, (-inf,)),
    (ops.sqrt, (-1.0,), nan, (nan,)),
    (ops.sin, (inf,), nan, (nan,)),
    (ops.cos, (-inf,), nan, (nan,)),
    (ops.tan, (inf,), nan, (nan,)),
    (ops.asin, (2.0,), nan, (nan,)),
    (ops.acos, (-2.0,), nan, (nan,)),
    (ops.acosh, (0.5,), nan, (nan,)),
    (ops.atanh, (1.0,), inf, (inf,)),
    (ops.atanh, (-1.0,), -inf, (inf,)),
    (ops.atanh, (2.0,), nan, (-1 / 3,)),
    (ops.pow, (0.0, -1.0), inf, (-inf, -inf)),
    (ops.pow, (-0.0, -1.0), -inf, (-inf, -inf)),
    (ops.pow, (-0.0, -2.0), inf, (-inf, -inf)),
    (ops.pow, (-8.0, 1 / 3), nan, (nan, nan)),
    (ops.pow, (10.0, 1000.0), inf, (inf, inf)),
    (ops.pow, (-10.0, 1001.0), -inf, (inf, nan)),
    (ops.power(-1.0), (0.0,), inf, (-inf,)),
    (ops.power(-1.0), (-0.0,), -inf, (-inf,)),
    (ops.power(-2.0), (0.0,), inf, (-inf,)),
    (ops.power(-0.5), (0.0,), inf, (-inf,)),
    (ops.power(1 / 3), (-8.0,), nan, (nan,)),
    (ops.power(0.5), (-1.0,), nan, (nan,)),
    (ops.power(2.5), (-1.0,), nan, (nan,)),
    (ops.power(2.0), (1e200,), inf, (2e200,)),
    (ops.power(3.0), (-1e200,), -inf, (inf,)),
    (ops.quotient, (0.0, 0.0), nan, (inf, nan)),
    (ops.sum, (inf, -inf), nan, (1.0, 1.0)),
    (ops.sum, (inf, -inf, 1.0), nan, (1.0, 1.0, 1.0)),
    (ops.binary_cross_entropy, (0.0, 1.0), inf, (-inf, inf)),
    (ops.binary_cross_entropy, (1.0, 0.0), inf, (inf, -inf)),
    (ops.binary_cross_entropy, (0.0, 0.5), inf, (-inf, inf)),
    (ops.binary_cross_entropy, (-0.5, 0.0), nan, (1 / 1.5, nan)),
    (ops.binary_cross_entropy, (1.5, 1.0), nan, (-1 / 1.5, nan)),
    (ops.binary_cross_entropy, (0.5, 2.0), nan, (-6.0, 0.0)),
]


@every_backend
@pytest.mark.parametrize(
    ("op", "xs", "value", "derivatives"), REFUSED, ids=[f"{op.name}{xs}" for op, xs, *_ in REFUSED]
)
def test_where_the_engine_raises_ieee_754_says_what_comes_out(
    op: Op, xs: Numbers, value: float, derivatives: Numbers, backend: str
) -> None:
    assert op is ops.sum or op is ops.quotient or not is_defined(op, xs)
    for mixture in range(1 << len(xs)):
        operands = [Value(1.5 if op is ops.acosh else 0.5, "abc"[i]) for i in range(len(xs))]
        inputs = [v for i, v in enumerate(operands) if mixture >> i & 1]
        program = mg.compile(op(*operands), inputs, operands, backend=backend, allow_nan=True)
        for operand, x in zip(operands, xs):
            operand.data = x
        row = [v.data for v in inputs]
        loss, gradients = program([row])
        for got, expected in zip([loss, *gradients], [value, *derivatives], strict=True):
            assert is_near(float(got), expected, 0.0), (mixture, loss, [*gradients])
        assert is_near(program.value([row]), value, 0.0)
