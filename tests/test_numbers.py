"""Numbers at their ends: ±0, subnormal, huge, infinite and nan; sums of many; the same bits everywhere.

What must come out of a row is what mpmath says of the exact operands, rounded to a float: an infinity where
that is too large, a zero with the sign where it is too small. Where the engine refuses, compiled code goes
on with that limit. What is otherwise stands in the short tables below: a new row needs no line here.
"""

import functools
import hashlib
import importlib.util
import itertools
import math
import operator
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import pytest
from mpmath import mp
from oracles import DOMAINS, convention, derivative, oracle, sensitivity
from test_compile_rows import OTHERWISE_IN_NUMPY, rounding
from test_compile_rows import floors as all_floors
from test_ops import ILL_CONDITIONED_RESULT, OF_RULES, ROWS, WHOLE, fitted

import microgradlike as mg
from microgradlike import Value, grad, ops
from microgradlike.ops import Op

inf, nan = math.inf, math.nan
TINIEST, SMALLEST_NORMAL, LARGEST = 5e-324, 2.0**-1022, sys.float_info.max
ULP = 2.0**-52
Numbers: TypeAlias = tuple[float, ...]
every_row = pytest.mark.parametrize("op", ROWS.values(), ids=ROWS)


@pytest.fixture(autouse=True)
def forty_digits() -> Iterator[None]:
    with mp.workdps(40):
        yield


# ── Points ────────────────────────────────────────────────────────────────────────────────────────────

SIZES = (0.0, TINIEST, 2.2e-310, 0.5, 1.0, 3.0, 746.0, 1.5e154, 1e308, inf)
#: Where exp and its kin leave the floats, where 1 + x and tanh stop to change, where squares overflow.
THRESHOLDS = (
    1e-308, SMALLEST_NORMAL, 1e-200, 1e-17, 2.0**-53, 1 - 2.0**-53, 1 + ULP, 19.0, 709.78, 709.79, 710.47,
    710.48, 745.0, 800.0, 1024.0, 1075.0, 1.3e154, 1e300, LARGEST,
)  # fmt: skip


def with_signs(sizes: Sequence[float]) -> list[float]:
    return [sign * x for x in sizes for sign in (1.0, -1.0)]


COUNTS = {ops.half_squared_error: [2, 4], ops.cross_entropy: [2, 3, 4]}


@functools.cache
def points(op: Op) -> list[Numbers]:
    numbers = [*with_signs(SIZES), nan]
    if op.arity == 1:
        return [(x,) for x in (*numbers, *with_signs(THRESHOLDS))]
    if op.arity == 2:
        rng = random.Random(f"{op.name}, the ends")
        return [tuple(fitted(op, rng, [*xs])) for xs in itertools.product(numbers, repeat=2)]
    rng = random.Random(f"{op.name}, the ends")
    found: list[Numbers] = []
    for count in [op.arity] if op.arity else COUNTS.get(op, [1, 2, 3]):
        while len(found) % 150 or not found or len(found[-1]) != count:
            some = rng.choice((numbers, rng.sample(numbers, 2)))  # of two numbers, so that there are ties
            xs = fitted(op, rng, [rng.choice(some) for _ in range(count)])
            found.append(tuple(xs))
    return found


# ── What must come out ────────────────────────────────────────────────────────────────────────────────

#: A sum of zeros is +0 in the engine, which sums without rounding, and may be −0 elsewhere.
SIGNLESS = {"sum", "dot", "mean", "sigmoid_slope", "sigmoid_rest", "sigmoid_bend", "xlogy"}

REFUSALS = (ValueError, ZeroDivisionError, OverflowError)


def _power(a: float, b: float) -> Any:
    """Annex F of the standard of C, which IEEE 754 follows; None where a and b are numbers like others."""
    odd = math.isfinite(b) and b % 2 == 1
    if b == 0 or a == 1 or (a == -1 and math.isinf(b)):
        return 1.0  # also of nan
    if math.isnan(a) or math.isnan(b):
        return nan
    if math.isinf(b):
        return inf if (abs(a) > 1) == (b > 0) else 0.0
    if a == 0 or math.isinf(a):
        size = inf if (a == 0) == (b < 0) else 0.0
        return math.copysign(size, a) if odd else size
    if a > 0 or b == math.floor(b):
        exponent = b * math.log2(abs(a))
        if abs(exponent) > 1e5:  # mpmath would take its time
            return mp.ldexp(-1 if a < 0 and odd else 1, 10**6 if exponent > 0 else -(10**6))
    return None


def _angle(y: float, x: float) -> float | None:
    """Annex F again: mpmath has no −0, and no angle for nan."""
    if math.isnan(y) or math.isnan(x):
        return nan
    if y == 0:
        return math.copysign(math.pi if math.copysign(1, x) < 0 else 0.0, y)
    return None


def _any_nan(*xs: float) -> float | None:
    return nan if any(map(math.isnan, xs)) else None


def _floor_div(a: float, b: float) -> float | None:
    if b == 0:
        return a * inf * math.copysign(1, b)
    return _any_nan(a, b) or (a // b if inf in (abs(a), abs(b)) else None)


#: What comes out, if not what mpmath says; None: that.
STATED: dict[str, Callable[..., Any]] = {
    "pow": _power,
    "atan2": _angle,
    "hypot": lambda *xs: inf if any(map(math.isinf, xs)) else _any_nan(*xs),  # as in IEEE 754
    "greater": lambda a, b: float(a > b),
    "equal": lambda a, b: float(a == b),
    "where": lambda c, a, b: a if c else b,  # nan is not 0
    "div": lambda a, b: _any_nan(a, b) or (a * inf * math.copysign(1, b) if b == 0 else None),
    # What rules divide by is never negative, so a zero counts as positive.
    "quotient": lambda a, b: a * inf if b == 0 else _any_nan(a, b),
    # ∞·0, and ∞/∞, are asked for, as in PyTorch; their limits are 0, 0 and ±1.
    "silu": lambda a: nan if a == -inf or math.isnan(a) else None,
    "gelu": lambda a: nan if a == -inf or math.isnan(a) else None,
    "softsign": lambda a: nan if math.isinf(a) or math.isnan(a) else None,
    # An angle that is infinite has no sine: nan, as in numpy.
    "sinc": lambda a: None if math.isfinite(a) else nan,
    "sinc_derivative(1)": lambda a: None if math.isfinite(a) else nan,
    "sinc_derivative(2)": lambda a: None if math.isfinite(a) else nan,
    # As float's own operators, of which mpmath has none for infinity.
    "mod": lambda a, b: _any_nan(a, b) or (a % b if math.inf in (abs(a), abs(b)) and b else None),
    "floor_div": _floor_div,
    "share": lambda a, b: _any_nan(a, b) if a else a,
    "xlogy": lambda x, y: 0.0 if x == 0 and y == y else _any_nan(x, y),
    # What stands on the other side does not matter.
    "leaky_relu": lambda a, slope: a if a > 0 else _any_nan(a, slope),
    "elu": lambda a, alpha: a if a > 0 else _any_nan(a, alpha),
    # An infinite logit of the right class leaves ∞ − ∞.
    "cross_entropy": lambda *xs: nan if inf in xs or set(xs[:-1]) == {-inf} else _cross_entropy(*xs),
    "binary_cross_entropy": lambda p, t: None if 0 <= p <= 1 and 0 <= t <= 1 else nan,
    # 0·∞, where the target is sure, and the logit too.
    "binary_cross_entropy_with_logits": lambda z, t: (
        _any_nan(z, t) or (None if math.isfinite(z) else nan if t == (z > 0) else inf)
    ),
}


def _cross_entropy(*xs: float) -> float | None:
    return _any_nan(*xs) or (inf if xs[int(xs[-1])] == -inf else None)


def expected(op: Op, xs: Numbers) -> Any:
    """A number of mpmath, maybe infinite or nan; a complex one where a row is undefined."""
    exponent = float(op.name[len("power(") : -1]) if op.name.startswith("power(") else None
    stated = _power(xs[0], exponent) if exponent is not None else STATED.get(op.name, _any_nan)(*xs)
    if stated is not None:
        return mp.mpf(stated)
    with mp.workprec(140 if op.arity == 1 else 2500):  # of sums as of 1e308 and 5e-324
        try:
            return oracle(op)(*map(mp.mpf, xs))
        except ZeroDivisionError:
            return mp.nan


def is_too_large(exact: Any) -> bool:
    return bool(abs(exact) >= mp.mpf(2) ** 1024 - mp.mpf(2) ** 970)


#: Numbers so far below the smallest normal one may be lost on the way, and with them so much of the result.
FLOORS: dict[str, Callable[..., float]] = {
    "atan_slope": lambda a: SMALLEST_NORMAL,  # a² is infinite
    "silu": lambda a: 800 * TINIEST,  # a·σ(a): σ(a) is rounded to a multiple of the tiniest
    "dot": lambda *xs: len(xs) * TINIEST,
    "mean": lambda *xs: len(xs) * TINIEST,
    "elu": lambda a, alpha: TINIEST if a > 0 else (1 + abs(alpha)) * TINIEST,
    "binary_cross_entropy": lambda p, t: 800 * TINIEST,
    "binary_cross_entropy_with_logits": lambda z, t: (1 + abs(z)) * TINIEST,
    "half_squared_error": lambda *xs: len(xs) * TINIEST,
}


def floor_of(op: Op, xs: Numbers) -> float:
    return FLOORS[op.name](*xs) if op.name in FLOORS else TINIEST


def _stays_finite(*terms: float) -> bool:
    return math.isfinite(sum(map(abs, terms)))


def _finite_in_domain(name: str) -> Callable[..., bool]:
    domain = DOMAINS.get(name)
    return lambda *xs: all(map(math.isfinite, xs)) and (domain is None or domain(*xs))


#: Where a row is compared, if not everywhere; besides those of `oracles.DOMAINS`, which are finite.
ELSEWHERE: dict[str, Callable[..., bool]] = {
    # What is too large on the way is so at the end: as for float's own +, and for math.prod.
    "sum": _stays_finite,
    "dot": lambda *xs: _stays_finite(*map(operator.mul, (*xs[: len(xs) // 2], 1.0), xs[len(xs) // 2 :])),
    "prod": lambda *xs: all(map(math.isfinite, xs)) and DOMAINS["prod"](*xs),
    "quotient": lambda a, b: True,
    "atan2": lambda y, x: True,
    "pow": lambda a, b: True,
    "log_or_limit": lambda a: a >= 0,
    # The others of those that rules ask for are asked with finite numbers.
    **{op.name: _finite_in_domain(op.name) for op in OF_RULES},
    **{
        name: _finite_in_domain(name)
        for name in ("direction", "inverse_point", "one_minus_square", "share")
    },
}


def is_compared(op: Op, xs: Numbers) -> bool:
    domain = ELSEWHERE.get(op.name) or DOMAINS.get(op.name)
    return domain is None or domain(*xs)


def is_the_limit(got: float, exact: Any, op: Op, xs: Numbers) -> bool:
    """Whether a float is what this number becomes, by sign also where that is 0."""
    if isinstance(exact, mp.mpc) or mp.isnan(exact):
        return math.isnan(got)
    if mp.isinf(exact) or is_too_large(exact):
        return bool(got == inf * mp.sign(exact))
    if exact != 0 and got == 0 and math.copysign(1, got) != mp.sign(exact):
        return op.name in SIGNLESS and is_the_limit(-got, exact, op, xs)
    floor = floor_of(op, xs)
    if abs(got - exact) <= 1e-14 * abs(exact) + floor:
        return True
    return op.name in ILL_CONDITIONED_RESULT and bool(
        abs(got - exact) <= 4 * ULP * sensitivity(oracle(op), xs) + 1e-14 * abs(exact)
    )


@every_row
def test_the_engine_at_the_ends(op: Op) -> None:
    """The number that mpmath says; or an error of the right kind, that names the numbers."""
    for xs in points(op):
        if not is_compared(op, xs):
            continue
        exact = expected(op, xs)
        values = [Value(x, "abcde"[i]) for i, x in enumerate(xs)]
        refusal: Exception | None = None
        try:
            got = op(*values).data
        except REFUSALS as error:
            refusal = error
        if not refusal:
            assert is_the_limit(got, exact, op, xs), f"{op.name}{xs} is {exact}, not {got!r}"
            continue
        undefined = isinstance(exact, mp.mpc) or mp.isnan(exact) or mp.isinf(exact)
        assert undefined or is_too_large(exact), f"{op.name}{xs} is {exact}, not refused: {refusal}"
        assert isinstance(refusal, OverflowError) != undefined, f"{op.name}{xs} is no {refusal!r}"
        assert all(f"{v.name} = {v.data!r}" in str(refusal) for v in values)


UNARY = [op for op in ROWS.values() if op.arity == 1]


@pytest.mark.parametrize("op", UNARY, ids=lambda op: op.name)
def test_the_sign_of_a_zero_is_that_beside_it(op: Op) -> None:
    """f(−0) = −0 where f is negative on the left of 0, and +0 where it is positive."""
    for zero in (0.0, -0.0):
        try:
            at_zero, beside = op.forward(zero), expected(op, (math.copysign(TINIEST, zero),))
        except REFUSALS:
            continue
        if at_zero == 0 and not isinstance(beside, mp.mpc) and beside != 0:
            assert math.copysign(1, at_zero) == mp.sign(beside)


@pytest.mark.parametrize("op", UNARY, ids=lambda op: op.name)
def test_derivatives_at_infinity_are_the_limits(op: Op) -> None:
    for x in (inf, -inf):
        try:
            [got] = op.partials(op.forward(x), x)
        except REFUSALS:
            continue
        if op in {ops.silu, ops.gelu, ops.atan_slope} or op.name.startswith("sinc"):
            assert math.isnan(got)  # ∞·0, as in PyTorch, and an angle that is infinite
            continue
        far = math.copysign(LARGEST, x)
        special = convention(op, (far,))[0]
        limit = derivative(oracle(op), (far,), 0) if special is None else mp.mpf(special)
        if isinstance(limit, mp.mpc):
            continue
        if mp.mag(limit) < -300:
            limit = mp.mpf(0)
        elif mp.mag(limit) > 300:
            limit *= mp.inf
        assert abs(got) == abs(limit) == 0 or is_the_limit(got, limit, op, (x,)), (
            f"{op.name}′({x}) is {limit}"
        )


def test_what_is_lost_at_the_ends() -> None:
    """Less than the smallest normal number, or an ulp of 1: so little that a rule stays a short line."""
    assert ops.atan.partials(math.pi / 2, 1.5e154) == (0.0,)  # 1/(1 + a²), not 4.4e-309: a² is infinite
    assert ops.relu.partials(nan, nan) == (0.0,)  # the value is nan, and says so


# ── Backends ──────────────────────────────────────────────────────────────────────────────────────────

INSTALLED = {
    "python": "math", "numpy": "scipy", "llvm": "llvmlite", "jax": "jax",
}  # fmt: skip
INSTALLED = {name: module for name, module in INSTALLED.items() if importlib.util.find_spec(module)}
BACKENDS = [name for name in INSTALLED if name != "jax"]  # which has a test file of its own
every_backend = pytest.mark.parametrize("backend", BACKENDS)

#: numpy's zeros have other signs also where it compares, or takes roots in place of powers.
SIGNLESS_IN_NUMPY = SIGNLESS | {
    "sign", "relu", "leaky_relu", "elu", "selu", "minimum", "maximum", "clip", "hardtanh", "power(0.5)",
}  # fmt: skip


def is_otherwise(op: Op, xs: Numbers, backend: str) -> bool:
    name = "power(0.5)" if op.name == "power(1.5)" else op.name  # which is in its derivative
    return backend == "numpy" and name in OTHERWISE_IN_NUMPY and OTHERWISE_IN_NUMPY[name](*xs)


def outputs(op: Op, backend: str, rows: Sequence[Numbers]) -> list[list[float]]:
    """The value and the derivatives by a compiled program, a row for each."""
    values = [Value(1.5 if op is ops.acosh else 0.5, "abcde"[i]) for i in range(len(rows[0]))]
    if op is ops.cross_entropy:
        values[-1].data = 0.0
    elif op in WHOLE:
        values[3:] = [Value(1.0, v.name) for v in values[3:]]
    result = op(*values)
    wanted = [result, *grad(result, values)]
    program = mg.compile(result, values, [], outputs=wanted, backend=backend, allow_nan=True)
    return [[float(number) for number in row] for row in program([[*xs] for xs in rows]).outputs]


def is_the_same(got: float, engine: float, tolerance: float, floor: float, *, signed: bool) -> bool:
    if math.isnan(engine) or math.isinf(engine):
        return got == engine or (math.isnan(got) and math.isnan(engine))
    if signed and math.copysign(1, got) != math.copysign(1, engine):
        return False
    return abs(got - engine) <= tolerance * abs(engine) + floor


@every_backend
@every_row
def test_backends_at_the_ends(op: Op, backend: str) -> None:
    """The engine's number, with subnormal digits and the sign of a zero; where it refuses, the limit."""
    signed = op.name not in (SIGNLESS_IN_NUMPY if backend == "numpy" else SIGNLESS)
    for _, group in itertools.groupby(points(op), len):
        some = [*group]
        for xs, (value, *derivatives) in zip(some, outputs(op, backend, some), strict=True):
            granted = 4 * len(xs) * rounding(op, xs) if op.name in SIGNLESS else 0.0
            if is_otherwise(op, xs, backend) or (granted and not math.isfinite(granted)):
                continue
            where = f"{op.name}{xs}, {backend}"
            try:
                engine = op.forward(*xs)
            except REFUSALS:
                if is_compared(op, xs):
                    exact = expected(op, xs)
                    assert is_the_limit(value, exact, op, xs), f"{where}: {exact}, not {value!r}"
                continue
            if op in {ops.prod, *OF_RULES} and not is_compared(op, xs):
                continue  # the order of the factors matters there, or no rule asks for it
            floor = granted + 4 * floor_of(op, xs)
            if backend == "llvm" and op in OF_RULES:
                floor += 2 * ULP  # it computes them as they are written
            tolerance = 1e-13 if op is ops.gelu else 1e-14
            same = is_the_same(value, engine, tolerance, floor, signed=signed)
            assert same, f"{where}: {engine!r}, not {value!r}"
            partials = op.partials(engine, *xs)
            is_written = backend == "llvm" and op in {ops.tanh, ops.sigmoid, ops.log_sigmoid, *OF_RULES}
            floors = [4 * TINIEST + (2 * ULP if is_written else 0)] * len(xs)
            if op is ops.hypot:
                floors = all_floors(op, xs, partials)[1:]
            for i, (got, partial) in enumerate(zip(derivatives, partials, strict=True)):
                same = is_the_same(got, float(partial), 1e-12, floors[i], signed=False)
                assert same, f"{where}, derivative {i}: {partial!r}, not {got!r}"


@every_backend
def test_a_sum_that_is_zero_has_no_sign_of_its_own(backend: str) -> None:
    """Also x + 0.0 is −0 at x = −0 in compiled code, which adds no zeros; the engine's is +0."""
    x = Value(-0.0, "x")
    result = x + 0.0
    [[compiled]] = mg.compile(result, [x], [], outputs=[result], backend=backend)([[-0.0]]).outputs
    assert compiled == result.data == 0
    assert math.copysign(1, result.data) == 1


@pytest.mark.parametrize("backend", ["grad", *BACKENDS])
def test_nothing_times_infinity(backend: str) -> None:
    """√x at 0 has the derivative ∞; what a comparison hands down to it is 0, and nan in `backward`."""
    x = Value(0.0, "x")
    loss = mg.where(mg.greater(mg.sqrt(x), 1.0), 3 * x, 2 * x)
    loss.backward()
    assert math.isnan(x.grad)
    if backend == "grad":  # which leaves out what is 0 by its kind, and so does code made of it
        assert grad(loss, [x])[0].data == 2
    else:
        assert mg.compile(loss, [x], [x], backend=backend)([[0.0]]).gradients[0] == 2


# ── Functions of several numbers ──────────────────────────────────────────────────────────────────────

SOFTMAX: list[tuple[Numbers, list[float], list[float]]] = [  # the shares, and their logarithms
    ((1e308, -1e308), [1, 0], [0, -inf]),  # the difference is too large for a float
    ((800.0, -800.0), [1, 0], [0, -1600]),
    ((-inf, 0.0), [0, 1], [-inf, 0]),  # a class that is ruled out
    ((-1e308, -1e308), [0.5, 0.5], [-math.log(2)] * 2),
    ((TINIEST, -0.0), [0.5, 0.5], [-math.log(2)] * 2),
    ((0.0, -745.0), [1, TINIEST], [-TINIEST, -745]),
    ((inf, 0.0), [nan, nan], [nan, nan]),  # ∞ − ∞, as in PyTorch
    ((-inf, -inf), [nan, nan], [nan, nan]),
]


@pytest.mark.parametrize("backend", ["engine", *BACKENDS])
@pytest.mark.parametrize(("xs", "shares", "logarithms"), SOFTMAX, ids=[str(xs) for xs, *_ in SOFTMAX])
def test_softmax_at_the_ends(
    xs: Numbers, shares: list[float], logarithms: list[float], backend: str
) -> None:
    for function, exact in ((mg.softmax, shares), (mg.log_softmax, logarithms)):
        values = [Value(x, "ab"[i]) for i, x in enumerate(xs if backend == "engine" else (0.25, 0.5))]
        results = function(values)
        derivatives = grad(results[0], values)
        got = [v.data for v in (*results, *derivatives)]
        if backend != "engine":
            wanted = [*results, *derivatives]
            program = mg.compile(results[0], values, [], outputs=wanted, backend=backend, allow_nan=True)
            got = [float(number) for number in program([[*xs]]).outputs[0]]
        assert got[:2] == pytest.approx(exact, rel=1e-15, abs=0, nan_ok=True)
        first, other = shares
        by_first = (other, -other) if function is mg.log_softmax else (first * other, -first * other)
        assert got[2:] == pytest.approx(by_first, rel=1e-15, abs=0, nan_ok=True)


# ── Sums of many ──────────────────────────────────────────────────────────────────────────────────────


@functools.cache
def numbers_to_add(kind: str, n: int) -> list[float]:
    rng = random.Random(kind)
    if kind == "0.1":
        return [0.1] * n
    if kind == "of all sizes":
        return [10 ** rng.uniform(-10, 10) for _ in range(n)]
    if kind == "subnormal":
        return [1e-310] * n
    large = [rng.gauss(0, 1e10) for _ in range(n // 2)]  # that cancel, and leave what is small
    return [x + rng.random() * 1e-3 for x in (*large, *(-x for x in reversed(large)))]


KINDS = ("0.1", "of all sizes", "subnormal", "cancelling")


@pytest.mark.parametrize("kind", ["0.1", "cancelling"])
def test_the_engine_adds_up_a_million_numbers_without_rounding(kind: str) -> None:
    xs = numbers_to_add(kind, 1_000_000)
    exact = math.fsum(xs)  # which rounds once
    assert mg.sum(xs) == exact
    assert mg.mean(xs) == exact / len(xs)
    assert mg.dot(xs, [2.0] * len(xs)) == 2 * exact
    rounding = ULP / 2 * math.fsum(map(abs, xs)) / 3 + TINIEST * len(xs)  # of the products, each for itself
    assert abs(mg.dot(xs, [1 / 3] * len(xs)) - exact / 3) <= rounding + 2 * ULP * abs(exact)


def test_what_cancels_leaves_what_is_small() -> None:
    assert mg.sum([1e16, 1.0, -1e16]) == 1
    assert mg.sum([1e308, 1e308, -1e308, -1e308, 5e-324]) == 5e-324
    assert mg.dot([1e200, 1e200, 1.0], [1e200, -1e200, 3.0]) == 3
    assert mg.sum([1.7e308, 1.7e308]) == inf
    assert math.isnan(mg.sum([inf, -inf]))
    assert mg.dot([1e16, 1.0, 1e16], [1.0, 1.0, -1.0]) == 1
    assert mg.mean([1e308, 1e308, -1.0]) == pytest.approx(1e308 / 3 * 2, rel=ULP)
    assert mg.half_squared_error([Value(1e8), Value(1.0)], [0.0, 0.0]).data == 5e15 + 0.5


@pytest.mark.parametrize("shift", [0.0, -1e6])
def test_logsumexp_and_softmax_of_many(shift: float) -> None:
    rng = random.Random(str(shift))
    xs = [shift + rng.uniform(-30, 30) for _ in range(3_000)]
    with mp.workdps(30):
        shares = [mp.exp(mp.mpf(x) - shift) for x in xs]
        total = mp.fsum(shares)
        exact = float(mp.log(total) + shift)
        assert mg.logsumexp(xs) == pytest.approx(exact, rel=2 * ULP, abs=4 * ULP)
        softmax = mg.softmax(xs)
        for share, got in zip(shares, softmax):
            # The share is e to a number of up to 69, of which the rounding counts so many times.
            assert got == pytest.approx(float(share / total), rel=100 * ULP, abs=0)
    assert math.fsum(softmax) == pytest.approx(1, rel=20 * ULP)
    values = [Value(x) for x in xs]
    mg.logsumexp(values).backward()
    assert math.fsum(v.grad for v in values) == pytest.approx(1, rel=4 * ULP)
    for v, got in zip(values, softmax):
        assert v.grad == pytest.approx(got, rel=200 * ULP, abs=0)
    assert mg.logsumexp([shift] * 100_000) == pytest.approx(shift + math.log(100_000), rel=ULP)


#: By how much of Σ|x| the sum over a batch of n examples may be wrong. Plain Python adds one after the
#: other; the others add in blocks, and then the blocks.
BOUNDS: dict[str, Callable[[int], float]] = {
    "python": lambda n: n * ULP / 2,
    "numpy": lambda n: (8192 + n / 8192) * ULP / 2,
    "llvm": lambda n: (n / 256 / 2 + 256) * ULP / 2,  # pieces, and places of the shortest vector
    "jax": lambda n: (8192 + n / 8192) * ULP / 2,
}


def test_a_gradient_is_added_up_one_after_the_other() -> None:
    """In `backward`, of which the loop has to be fast; `grad` makes one sum of it, and rounds once."""
    xs = numbers_to_add("of all sizes", 20_000)
    w = Value(0.5, "w")
    loss = mg.mean(w * x for x in xs)
    loss.backward()
    exact = math.fsum(xs) / len(xs)
    assert w.grad == pytest.approx(exact, rel=len(xs) * ULP / 2)
    assert grad(loss, [w])[0].data == pytest.approx(exact, rel=4 * ULP)
    assert mg.jvp(loss, [w], [1.0]) == pytest.approx(exact, rel=4 * ULP)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", BOUNDS)
def test_the_mean_over_a_million_examples(backend: str, kind: str) -> None:
    if backend not in INSTALLED:
        pytest.skip(f"{backend} is not installed")
    if (backend, kind) == ("jax", "subnormal"):
        pytest.skip("XLA takes them for 0")
    n = 100_000 if backend == "python" else 1_000_000
    xs = numbers_to_add(kind, n)
    x, w, b = Value(0.5, "x"), Value(1.0, "w"), Value(0.0, "b")
    program = mg.compile(w * x + b, [x], [w, b], backend=backend)
    loss, (by_w, by_b) = program([[x] for x in xs] if backend == "python" else np.array(xs)[:, None])
    exact, size = math.fsum(xs) / n, math.fsum(map(abs, xs)) / n
    for got in (float(loss), float(by_w)):
        assert abs(got - exact) <= BOUNDS[backend](n) * size + TINIEST
    assert by_b == pytest.approx(1, rel=BOUNDS[backend](n))


# ── Training ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("way", [False, *BACKENDS])
@pytest.mark.parametrize("batch_size", [1, 2, None])
def test_losses_whose_sum_is_too_large_end_the_training(batch_size: int | None, way: Any) -> None:
    model, X = mg.MLP(1, [1]), [[float(i)] for i in range(6)]
    targets = [1.3e154 * (-1) ** i for i in range(6)]  # ½·t² = 8.4e307
    history = mg.fit(
        model,
        (X, targets),
        optimizer=mg.SGD(model.parameters(), lr=1e-3),
        epochs=3,
        batch_size=batch_size,
        compile=way,
        progress=False,
    )
    assert history.rule == "not finite"
    assert "the sum over the examples is not finite" in history.stopped


def test_steps_whose_sum_is_too_large_are_a_divergence() -> None:
    model = mg.MLP(2, [3, 1], activation="tanh")
    data = [[0.1, 0.2], [0.3, -0.1], [0.5, 0.5], [1.0, 0.0]], [0.0, 1.0, 0.0, 1.0]
    history = mg.fit(
        model, data, optimizer=mg.SGD(model.parameters(), lr=1e308), compile=False, progress=False
    )
    assert history.rule == "not finite"
    assert history.changes[0] > 1e307
    assert all(map(math.isfinite, history.changes_by_phase().values()))


@pytest.mark.parametrize(
    "column",
    [[1e-320, 2e-320, 3e-310, 0.0], [1e308, -1e308, 1.7e308, 1.6e308], [1e300, 2e300, -1e300, 0.0]],
)
def test_standard_units_of_numbers_at_the_ends(column: list[float]) -> None:
    """Where no weight can be divided by the spread, or the spread is infinite, numbers stay as they are."""
    model = mg.MLP(2, [3, 1], activation="tanh")
    X = [[x, float(i)] for i, x in enumerate(column)]
    history = mg.fit(model, (X, [0.0, 1.0, 0.0, 1.0]), epochs=3, standardize=True, progress=False)
    assert len(history) == 3
    assert all(math.isfinite(p.data) for p in model.parameters())
    assert all(math.isfinite(model(x)) for x in X)


# ── The same bits ─────────────────────────────────────────────────────────────────────────────────────


def pure_arithmetic() -> Iterator[tuple[str, list[float]]]:
    """Graphs of + − × ÷ √, comparisons and sums: IEEE 754 says each bit, on any machine."""
    points = [(i * 37 % 64 / 16 - 2, i * 23 % 64 / 16 - 2) for i in range(20)]
    for loss in (mg.half_squared_error, mg.hinge_loss):
        model = mg.MLP(2, [8, 8, 1], activation="relu")
        optimizer = mg.SGD(model.parameters(), lr=0.05, momentum=0.9)
        for _ in range(3):
            total = mg.mean(loss(model(x), 1 if x[0] * x[1] > 0 else -1) for x in points)
            model.zero_grad()
            total.backward()
            optimizer.step()
        yield loss.__name__, [total.data, *(p.grad for p in model.parameters())]
    x, y = Value(0.7, "x"), Value(-1.3, "y")
    z = mg.sqrt(mg.abs(x * y) + 1 / x) / mg.softsign(y) + mg.maximum(x, y, x * x) * mg.clip(y, -1.0, 1.0)
    z = (
        mg.dot([z, x, y], [x, y, z], mg.prod([x, y, z]))
        + mg.leaky_relu(z)
        - mg.where(mg.greater(x, y), z, x)
    )
    yield "derivatives", [z.data, *(d.data for row in mg.hessian(z, [x, y]) for d in row)]


#: Of all bits of all numbers, the first digits of their SHA-256.
PURE = {
    "half_squared_error": "2f5e867a57efe755",
    "hinge_loss": "c3b8bd4a75562b22",
    "derivatives": "61b09ecd6ee94687",
}


def by_the_c_library() -> Iterator[tuple[str, list[float]]]:
    """Networks of every activation: their last bits are those of exp, log1p, tanh, … of the C library."""
    points = [(i * 37 % 64 / 16 - 2, i * 23 % 64 / 16 - 2) for i in range(20)]
    for name in ("tanh", "sigmoid", "softplus", "elu", "selu", "silu", "gelu"):
        model = mg.MLP(2, [8, 3], activation=name)
        total = mg.mean(mg.cross_entropy(model(x), int(x[0] > 0) + (x[1] > 0)) for x in points)
        total.backward()
        yield name, [total.data, *(p.grad for p in model.parameters())]
    x, y = Value(0.7, "x"), Value(1.3, "y")
    z = sum(op(x) for op in UNARY if op not in {ops.acosh, ops.sign} and "(" not in op.name)
    z = z * mg.hypot(x, y, z) + x**y + mg.atan2(x, y) * mg.acosh(y) + x**3 / y**2.5
    yield "functions", [z.data, *(d.data for row in mg.hessian(z, [x, y]) for d in row)]


def compiled_and_trained() -> Iterator[tuple[str, list[float]]]:
    """What backends compute, and what `fit` does, in the same environment."""
    x, t = mg.data.moons(200)
    for backend in BACKENDS:
        model = mg.MLP(2, [6, 6, 1], activation="tanh")
        program = mg.compile(
            lambda x, t, model=model: mg.half_squared_error(model(x), t),
            [[0.0, 0.0], 0.0],
            model.parameters(),
            backend=backend,
        )
        loss, gradients = program([[*row, target] for row, target in zip(x, t)])
        yield f"compiled, {backend}", [float(loss), *map(float, gradients)]
        yield f"source, {backend}", [int(hashlib.sha256(program.source.encode()).hexdigest()[:13], 16)]
    for way in (False, BACKENDS[-1]):
        model = mg.MLP(2, [6, 1], activation="tanh")
        history = mg.fit(
            model, (x, t), epochs=2, batch_size=32, validation=0.2, compile=way, progress=False
        )
        yield (
            f"fit, {way}",
            [*history.losses, *history.validation_losses, *(p.data for p in model.parameters())],
        )


def digest(numbers: Sequence[float]) -> str:
    return hashlib.sha256(" ".join(float(x).hex() for x in numbers).encode()).hexdigest()[:16]


def test_pure_arithmetic_has_the_same_bits_everywhere() -> None:
    assert {name: digest(numbers) for name, numbers in pure_arithmetic()} == PURE


#: Loss, and length of the gradient.
LIBRARY = {
    "tanh": (1.570779179538151, 0.9777245373897099),
    "sigmoid": (1.3150737601422828, 0.40047480769180965),
    "softplus": (1.9692440660143533, 1.2241737819919027),
    "elu": (2.5546354638257496, 1.9328322634579662),
    "selu": (2.5493613536862805, 2.0823764709966035),
    "silu": (1.9932651062894657, 1.3908570288311672),
    "gelu": (1.9911710608655344, 1.401626369921821),
    "functions": (3973.1254462234506, 16661.361064837303),
}


def test_what_the_c_library_computes_differs_in_last_bits_only() -> None:
    for name, (value, *derivatives) in by_the_c_library():
        assert (value, math.hypot(*derivatives)) == pytest.approx(LIBRARY[name], rel=1e-13), name


def test_another_process_has_the_same_bits() -> None:
    """With other hashes of strings, and objects at other addresses."""
    processes = [
        subprocess.Popen(
            [sys.executable, __file__],
            env={**os.environ, "PYTHONHASHSEED": seed, "OPENBLAS_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "4242")
    ]
    one, other = (process.communicate(timeout=120)[0] for process in processes)
    assert one == other
    assert one.count("\n") > len(PURE) + len(LIBRARY)


if __name__ == "__main__":
    kinds: list[Callable[[], Iterator[tuple[str, list[float]]]]] = [pure_arithmetic, by_the_c_library]
    for kind in [*kinds, compiled_and_trained]:
        try:
            for name, numbers in kind():
                print(kind.__name__, name, digest(numbers), *numbers[:1], math.hypot(*numbers[1:]))
        except ModuleNotFoundError as error:
            print(kind.__name__, error)
