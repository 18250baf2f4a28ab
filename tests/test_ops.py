"""Every row of the op table, against mpmath: a new row is tested without another line here."""

import contextlib
import copy
import dataclasses
import functools
import itertools
import math
import pickle
import random
import re
from collections.abc import Callable, Iterator, Sequence
from string import ascii_lowercase
from typing import Any

import pytest
from mpmath import mp
from oracles import CONVENTIONS, DOMAINS, convention, derivative, oracle, sensitivity

from microgradlike import ops
from microgradlike.engine import Value, grad
from microgradlike.notation import BINDINGS
from microgradlike.ops import OPS, Op

EXPONENTS = (-3.0, -2.0, -1.0, -0.5, 0.0, 1 / 3, 0.5, 1.0, 1.5, 2.0, 3.0, 7.0)
ROWS = {
    op.name: op
    for op in [*OPS.values(), *map(ops.power, EXPONENTS), ops.sinc_derivative(1), ops.sinc_derivative(2)]
}
every_row = pytest.mark.parametrize("op", ROWS.values(), ids=ROWS)

POINTS = 1000
UNDEFINED = (ValueError, ZeroDivisionError, OverflowError)  # what float and math raise, and no other
ULP = 2.0**-52
TINIEST = 5e-324
SMALLEST_NORMAL = 2.0**-1022  # results below it need only be below it


@pytest.fixture(autouse=True)
def forty_digits() -> Iterator[None]:
    with mp.workdps(40):
        yield


# ── Points ────────────────────────────────────────────────────────────────────────────────────────────

EDGES = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0)
EXTREMES = (TINIEST, 1e-308, 2.3e-308, 1e-16, 1.0 - 2**-53, 1.0 + 2**-52, 30.0, 709.0, 746.0, 1e16, 1e308)
BEYOND = (math.inf, -math.inf, math.nan)


#: Where a rule that is right elsewhere may go wrong: such points are looked at besides the random ones.
PITFALLS: dict[str, list[tuple[float, ...]]] = {
    "logsumexp": [(1e17, 1e17)],  # log(2) is less than half an ulp of the operands
    "binary_cross_entropy": [(0.0, 0.0), (1.0, 1.0)],  # a perfect prediction, and no 0·log(0)
}


def any_number(rng: random.Random) -> float:
    sign = rng.choice((1.0, -1.0))
    kinds: tuple[Callable[[], float], ...] = (
        lambda: rng.uniform(-5, 5),
        lambda: rng.uniform(0, 1),
        lambda: rng.uniform(-750, 750),
        lambda: sign * 10 ** rng.uniform(-308, 308),
        lambda: sign * 10 ** rng.uniform(-17, 17),
        lambda: rng.choice(EDGES) + sign * 10 ** rng.uniform(-17, -1),
        lambda: rng.choice(EDGES),
        lambda: sign * rng.choice(EXTREMES),
    )
    return rng.choice(kinds)()


def is_defined(op: Op, xs: Sequence[float]) -> bool:
    try:
        op.forward(*xs)
    except UNDEFINED:
        return False
    return True


def is_comparable(op: Op, xs: Sequence[float]) -> bool:
    domain = DOMAINS.get(op.name)
    return is_defined(op, xs) and (domain is None or domain(*xs))


def fitted(op: Op, rng: random.Random, xs: list[float]) -> list[float]:
    """The operands of a row, of which one may have to be the index, or the result, of another."""
    if op is ops.cross_entropy and len(xs) > 1:
        xs[-1] = float(rng.randrange(len(xs) - 1))
    elif op.book:
        xs[1] = (ops.tanh if op is ops.tanh_slope else ops.sigmoid)(xs[0])
    elif op in WHOLE:
        xs[3:] = [float(rng.randrange(4)) for _ in xs[3:]]
    return xs


#: The operands after the third are whole numbers.
WHOLE = {ops.monomial, ops.monomial_log}


def number_of_operands(op: Op, rng: random.Random, most: int = 5) -> int:
    return op.arity or rng.randint(1, most)


@functools.cache
def points(op: Op) -> list[tuple[float, ...]]:
    """Where the row is defined: the same points in every run, from all over its domain."""
    rng = random.Random(op.name)
    found = list(PITFALLS.get(op.name, ()))
    for _ in range(100 * POINTS):
        xs = [any_number(rng) for _ in range(number_of_operands(op, rng))]
        if rng.random() < 0.1:
            xs[-1] = xs[0]  # a tie
        if is_comparable(op, fitted(op, rng, xs)):
            found.append(tuple(xs))
        if len(found) == POINTS:
            return found
    raise AssertionError(f"{op.name} is defined at only {len(found)} of the points tried")


def moderate_points(op: Op, count: int) -> Iterator[tuple[float, ...]]:
    """Points in the interior, where nothing is huge, tiny or at a kink."""
    rng = random.Random(f"{op.name}, moderate")
    for _ in range(100 * count):
        xs = [
            rng.choice((rng.uniform(-3, 3), rng.uniform(0, 1))) for _ in range(number_of_operands(op, rng))
        ]
        if is_comparable(op, fitted(op, rng, xs)):
            yield tuple(xs)
            count -= 1
        if not count:
            return
    raise AssertionError(f"{op.name} is undefined at too many points")


# ── Numbers ───────────────────────────────────────────────────────────────────────────────────────────

# The exceptions to a relative error of 1e-14 in a result and of 1e-12 in a derivative.

#: In e^(−a²/2), an error of 2⁻⁵² in a, such as the rounding of a/√2 makes, is one of a²·2⁻⁵². Four times
#: as much as such an error in the operands moves the result is granted. So it is where a class has nearly
#: all of the probability, and its loss is e^(−478).
ILL_CONDITIONED_RESULT = {"gelu", "cross_entropy", "sinc_derivative(1)", "sinc_derivative(2)"}
#: Likewise for derivatives, of which these, (p − t)/(p − p²) and σ(z) − t, go through 0.
ILL_CONDITIONED_DERIVATIVE = {
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "sinc",
    "inverse_point",
}
#: What only rules call has the digits of a derivative.
OF_RULES = {ops.monomial, ops.monomial_log, ops.power_log, *(op for op in OPS.values() if op.book)}

#: What the rounding of the result does to a rule that reads it, as an absolute error.
READS_RESULT: dict[str, Callable[..., tuple[float, ...]]] = {}


def is_near(got: float, expected: Any, tolerance: Any) -> bool:
    if isinstance(expected, mp.mpc):
        return False  # the row has left the domain of its definition
    if math.isnan(got) or mp.isnan(expected):
        return math.isnan(got) and bool(mp.isnan(expected))
    if math.isinf(got) or mp.isinf(expected):
        return got == float(expected)  # what is too large for a float is infinite
    return bool(abs(got - expected) <= tolerance)


@every_row
def test_result(op: Op) -> None:
    f = oracle(op)
    for xs in points(op):
        got, expected = op.forward(*xs), f(*map(mp.mpf, xs))
        tolerance = (1e-12 if op in OF_RULES else 1e-14) * abs(expected) + SMALLEST_NORMAL
        if not is_near(got, expected, tolerance) and op.name in ILL_CONDITIONED_RESULT:
            tolerance += 4 * ULP * sensitivity(f, xs)
        assert is_near(got, expected, tolerance), f"{op.name}{xs} is {expected}, not {got}"


@every_row
def test_local_derivatives(op: Op) -> None:
    f, rounding = oracle(op), READS_RESULT.get(op.name)
    for xs in points(op):
        out = op.forward(*xs)
        partials = op.partials(out, *xs)
        granted = rounding(out, *xs) if rounding else [0.0] * len(xs)
        assert len(partials) == len(xs)
        for i, (got, special) in enumerate(zip(partials, convention(op, xs))):
            expected = derivative(f, xs, i) if special is None else special
            tolerance = 1e-12 * abs(expected) + granted[i] + SMALLEST_NORMAL
            if not is_near(got, expected, tolerance) and op.name in ILL_CONDITIONED_DERIVATIVE:
                tolerance += 4 * ULP * sensitivity(f, xs, i)
            assert is_near(got, expected, tolerance), (
                f"the derivative of {op.name}{xs} by operand {i} is {expected}, not {got}"
            )


def test_every_convention_is_met() -> None:
    for name in CONVENTIONS:
        special = [convention(ROWS[name], xs) for xs in points(ROWS[name])]
        assert any(expected is not None for each in special for expected in each), name


def test_negative_zero() -> None:
    """mpmath has no −0, so the two rows that tell it from 0 are looked at here."""
    assert ops.quotient(1.0, -0.0) == math.inf  # it divides by what cannot be negative
    assert ops.quotient.partials(math.inf, 1.0, -0.0) == (math.inf, -math.inf)
    assert ops.atan2(-0.0, -2.0) == -math.pi
    assert ops.atan2.partials(-math.pi, -0.0, -2.0) == (-0.5, 0.0)


@every_row
def test_a_rule_gives_the_same_bits_with_values(op: Op) -> None:
    for xs in points(op)[:300]:
        values = [Value(x) for x in xs]
        numbers = op.partials(op.forward(*xs), *xs)
        graphs = op.partials(op(*values), *values)
        assert [float(d).hex() for d in graphs] == [float(d).hex() for d in numbers], xs


@every_row
def test_second_derivatives(op: Op) -> None:
    f = oracle(op)
    for xs in moderate_points(op, 20):
        values = [Value(x) for x in xs]
        leaves = values
        if op.book:  # the second operand is the result for the first
            values[1] = (ops.tanh if op is ops.tanh_slope else ops.sigmoid)(values[0])
            leaves = values[:1]
        elif op in WHOLE:
            leaves = values[:3]
        for i, first in enumerate(grad(op(*values), leaves)):
            for j, second in enumerate(grad(first, leaves)):
                expected = derivative(f, xs, i, j)
                tolerance = 1e-10 * abs(expected) + SMALLEST_NORMAL
                if not is_near(second.data, expected, tolerance):
                    tolerance += 4 * ULP * sensitivity(f, xs, i, j)
                assert is_near(second.data, expected, tolerance), (
                    f"∂² {op.name}{xs} by operands {i} and {j} is {expected}, not {second.data}"
                )


# ── Writing ───────────────────────────────────────────────────────────────────────────────────────────

NAMES = tuple(ascii_lowercase)
DIGITS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
PYTHON = {
    "sinc′′": "sinc_2",
    "sinc′": "sinc_1",
    "·": "*",
    "−": "-",
    "^": "**",
    "½": "0.5*",
    "σ": "sigmoid",
    "[": "mpf(",
    "]": ")",
    " = ": " == ",
}


def evaluated(text: str, numbers: Sequence[float]) -> Any:
    """The number that a text over the names a, b, c, … says, by the oracles."""
    text = re.sub("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda digits: "**" + digits[0].translate(DIGITS), text)
    text = re.sub(r"\|([^|]*)\|", r"abs(\1)", text)
    for written, python in PYTHON.items():
        text = text.replace(written, python)
    functions = {name: oracle(row) for name, row in OPS.items()}
    functions |= {f"sinc_{n}": oracle(ops.sinc_derivative(n)) for n in (1, 2)}
    names = dict(zip(NAMES, map(mp.mpf, numbers)))
    return eval(text, {"mpf": mp.mpf, **functions, **names})


@every_row
def test_text(op: Op) -> None:
    for xs in moderate_points(op, 20):
        text, _ = op.write([(name, "!") for name in NAMES[: len(xs)]])
        assert math.isclose(evaluated(text, xs), op.forward(*xs), rel_tol=1e-12, abs_tol=1e-15), text


def insert(items: Sequence[Any], place: int, count: int, join: Callable[..., Any]) -> list[Any]:
    """The operands of an outer row, one of them made by join from the items at that place."""
    return [*items[:place], join(items[place : place + count]), *items[place + count :]]


@every_row
def test_brackets(op: Op) -> None:
    """A row within a row, at every place: the text says the number that the rows give."""
    rng = random.Random(f"{op.name}, nested")
    tried = 0
    places = [1] if op.book else range(op.arity or 4)  # of such a row the last operand stands in the text
    for inner, place in itertools.product(ROWS.values(), places):
        if op is inner is ops.abs:
            continue  # ||a|| is plain to the eye, but not to `evaluated`
        count = inner.arity or 4
        for _ in range(30):  # some pairs fit nowhere, such as acos within acosh
            numbers = [rng.uniform(-2, 2) for _ in range((op.arity or 4) - 1 + count)]
            numbers = fitted(op, rng, numbers)
            numbers[place : place + count] = fitted(inner, rng, numbers[place : place + count])
            if not is_comparable(inner, numbers[place : place + count]):
                continue
            operands = insert(numbers, place, count, lambda xs, row=inner: row.forward(*xs))
            if op in WHOLE and (operands[1] == 0 or operands[-1] < 0):
                continue  # 0 by convention, which the text does not say
            if op.book:  # which is a function of the last operand alone
                expected = op.book(operands[-1])
            elif is_comparable(op, operands) and math.isfinite(op.forward(*operands)):
                expected = op.forward(*operands)
            else:
                continue
            names = [(name, "!") for name in NAMES[: len(numbers)]]
            text, _ = op.write(insert(names, place, count, inner.write))
            try:
                found = evaluated(text, numbers)
            except ZeroDivisionError:  # 0/0, which is 0 by convention, as the text does not say
                assert inner in {ops.direction, ops.inverse_point, ops.share}
                continue
            assert math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12), text
            tried += 1
            break
    assert tried > len(ROWS) / 2


@every_row
def test_latex(op: Op) -> None:
    for binding, count in itertools.product(BINDINGS, [op.arity] if op.arity else [2, 4, 5]):
        names = [f"x_{{{i}}}" for i in range(count)]
        if not is_defined(op, [0.5] * count):
            continue
        latex, _ = op.write([(name, binding) for name in names], latex=True)
        assert all(name in latex for name in (names[-1:] if op.book else names))
        assert latex.count(r"\left") == latex.count(r"\right")
        depth = list(itertools.accumulate({"{": 1, "}": -1}.get(character, 0) for character in latex))
        assert min(depth) == depth[-1] == 0


# ── Every float ───────────────────────────────────────────────────────────────────────────────────────


def extreme_points(op: Op, numbers: Sequence[float]) -> Iterator[tuple[float, ...]]:
    rng = random.Random(f"{op.name}, extreme")
    if op.arity in {1, 2}:
        yield from itertools.product(numbers, repeat=op.arity)
    else:
        for _ in range(2000):
            yield tuple(rng.choice(numbers) for _ in range(number_of_operands(op, rng)))


@every_row
def test_where_a_row_is_defined_so_is_its_derivative(op: Op) -> None:
    for xs in extreme_points(op, [*EDGES, *EXTREMES, *(-x for x in EXTREMES)]):
        if is_defined(op, xs):
            assert len(op(*map(Value, xs)).partials) == len(xs)


@every_row
def test_infinity_and_nan_are_numbers_or_refused(op: Op) -> None:
    for xs in extreme_points(op, [*BEYOND, *EDGES]):
        with contextlib.suppress(*UNDEFINED):
            assert len(op(*map(Value, xs)).partials) == len(xs)


# ── The table ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("op", [*ROWS.values(), ops.power(1e-5), ops.power(1e16)], ids=lambda op: op.name)
def test_a_row_is_one_object(op: Op) -> None:
    assert ops.named(op.name) is op
    assert pickle.loads(pickle.dumps(op)) is op
    assert copy.copy(op) is op
    assert copy.deepcopy(op) is op


def test_a_row_without_an_oracle_says_where_to_write_one() -> None:
    row = dataclasses.replace(ops.exp, name="unheard_of")
    with pytest.raises(LookupError, match="no function unheard_of: write what this row means to ORACLES"):
        oracle(row)
