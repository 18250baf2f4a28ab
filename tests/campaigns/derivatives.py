"""Value, first and second derivative of every row of the op table, beside mpmath's numbers.

    python tests/campaigns/derivatives.py                # at the stored points: each row's worst errors
    python tests/campaigns/derivatives.py --points 2000  # as many new points of each row, computed now
    python tests/campaigns/derivatives.py --write        # compute the stored numbers again: some minutes

The operands are ordinary numbers, numbers of any size from 1e-300 to the end of the range with both signs,
and numbers in tails and next to 0 and 1. An error is relative to the number. Rows in CANCELLING are sums
that go through 0: there it is relative to the number, or to the sum of the sizes of the terms, as
`oracles.sensitivity` measures it, whichever is larger. Kinks stand in a table of their own, in
`test_derivatives.py`.
"""

import argparse
import gzip
import json
import math
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from mpmath import mp
from oracles import DOMAINS, convention, derivative, oracle, sensitivity

import microgradlike as mg
from microgradlike import Value, grad, ops
from microgradlike.ops import OPS, Op

STORED = Path(__file__).parent.parent / "data" / "derivatives.json.gz"
EXPONENTS = (-3.0, -2.0, -1.0, -0.5, 0.0, 1 / 3, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 7.0)
ROWS = {op.name: op for op in [*OPS.values(), *map(ops.power, EXPONENTS), ops.sinc_derivative(1)]}
POINTS = 200

#: Rows that are a sum with terms of both signs, or of which a derivative is one.
CANCELLING = frozenset(
    {
        *("add", "sub", "sum", "mean", "dot", "half_squared_error", "atan2", "inverse_point"),
        *("sinc", "sinc_derivative(1)", "silu", "gelu"),
        *("binary_cross_entropy", "binary_cross_entropy_with_logits"),
    }
)

SMALLEST_NORMAL = 2.0**-1022
UNDEFINED = (ValueError, ZeroDivisionError, OverflowError)


@dataclass(frozen=True)
class Point:
    """Operands, the value there, and the derivatives; None where there is a kink.

    Attributes:
        numbers: the value, the first derivatives, and the second ones by operands i ≤ j.
        sizes: of what these are sums of; the numbers themselves where nothing cancels.
    """

    operands: tuple[float, ...]
    numbers: tuple[float | None, ...]
    sizes: tuple[float, ...]


# ── Points ────────────────────────────────────────────────────────────────────────────────────────────


def any_number(rng: random.Random) -> float:
    sign = rng.choice((1.0, -1.0))
    kinds: tuple[Callable[[], float], ...] = (
        lambda: rng.uniform(-5, 5),
        lambda: rng.uniform(0, 1),
        lambda: sign * 10 ** rng.uniform(-300, 308),
        lambda: sign * 10 ** rng.uniform(-20, 20),
        lambda: rng.uniform(-40, 40),
        lambda: rng.uniform(-745, 745),
        lambda: sign + rng.choice((1, -1)) * 10 ** rng.uniform(-16, -1),
        lambda: rng.choice((0.0, 1.0, -1.0, 0.5, 2.0)),
    )
    return float(f"{rng.choice(kinds)():.17g}")


def operands_of(op: Op, rng: random.Random) -> list[float]:
    count = op.arity or rng.choice((2, 3))
    if op is ops.half_squared_error:
        count = 2 * rng.choice((1, 2))
    xs = [any_number(rng) for _ in range(count)]
    if count > 1 and rng.random() < 0.1:
        xs[1] = xs[0]
    if op is ops.cross_entropy:
        xs[-1] = float(rng.randrange(count - 1))
    elif op.book:
        xs[1] = result_for(op)(xs[0])
    elif op in {ops.monomial, ops.monomial_log}:
        xs[3:] = [float(rng.randrange(4)) for _ in xs[3:]]
    elif op in {ops.binary_cross_entropy, ops.binary_cross_entropy_with_logits} and rng.random() < 0.4:
        xs[1] = rng.choice((0.0, 1.0))
    return xs


def result_for(op: Op) -> Op:
    """The function of which a row that is written as in the book is a derivative."""
    return ops.tanh if op is ops.tanh_slope else ops.sigmoid


def is_comparable(op: Op, xs: Sequence[float]) -> bool:
    try:
        value = op.forward(*xs)
    except UNDEFINED:
        return False
    domain = DOMAINS.get(op.name) if op is not ops.prod else None
    return math.isfinite(value) and (domain is None or domain(*xs))


def points_of(op: Op, count: int, seed: str = "") -> Iterator[Point]:
    rng = random.Random(f"{op.name}{seed}, derivatives")
    for _ in range(1000 * count):
        xs = operands_of(op, rng)
        if is_comparable(op, xs):
            point = expected(op, xs)
            if point:
                yield point
                count -= 1
        if not count:
            return
    raise SystemExit(f"{op.name} is defined at too few points")


# ── mpmath's numbers ──────────────────────────────────────────────────────────────────────────────────


def by(op: Op, xs: Sequence[float]) -> list[int]:
    """The operands by which is differentiated."""
    if op.book:
        return [0]
    return [*range(min(len(xs), 3))] if op in {ops.monomial, ops.monomial_log} else [*range(len(xs))]


def expected(op: Op, xs: Sequence[float]) -> Point | None:
    f, special, places = oracle(op), convention(op, xs), by(op, xs)
    numbers: list[Any] = []
    sizes: list[Any] = []
    with mp.workdps(40):
        orders: list[tuple[int, ...]] = [(), *((i,) for i in places)]
        orders += [(i, j) for i in places for j in places if i <= j]
        for order in orders:
            known = [special[i] for i in order if special[i] is not None]
            if not order:
                number = f(*map(mp.mpf, xs))
            elif known:
                number = known[0] if len(order) == 1 else None
            else:
                number = derivative(f, xs, *order)
            if isinstance(number, mp.mpc):
                return None  # next to the end of the domain
            if number is not None and 1e308 < abs(number) < math.inf:
                number = None  # what is infinite as a float, a rule may get from a number that is not
            numbers.append(None if number is None else float(number))
            size = abs(number or 0)
            if op.name in CANCELLING and number is not None and mp.isfinite(number):
                size = max(size, sensitivity(f, xs, *order))
            sizes.append(float(size))
    return Point(tuple(xs), tuple(numbers), tuple(sizes))


# ── Ours ──────────────────────────────────────────────────────────────────────────────────────────────


def graph_of(op: Op, xs: Sequence[float]) -> tuple[list[Value], list[Value]]:
    """The operands that are leaves, and the value with its derivatives in the order of a `Point`."""
    values = [Value(x, f"x{i}") for i, x in enumerate(xs)]
    if op.book:
        values[1] = result_for(op)(values[0])
    result = op(*values)
    leaves = [values[i] for i in by(op, xs)]
    firsts = grad(result, leaves)
    seconds = [d for i, first in enumerate(firsts) for d in grad(first, leaves)[i:]]
    return [v for v in values if not v.op], [result, *firsts, *seconds]


def eager(op: Op, points: Sequence[Point]) -> list[list[float]]:
    return [[v.data for v in graph_of(op, point.operands)[1]] for point in points]


def compiled(backend: str) -> Callable[[Op, Sequence[Point]], list[list[float]]]:
    def numbers(op: Op, points: Sequence[Point]) -> list[list[float]]:
        leaves, wanted = graph_of(op, points[0].operands)
        program = mg.compile(wanted[0], leaves, [], outputs=wanted, backend=backend, allow_nan=True)
        rows = [point.operands[: len(leaves)] for point in points]
        return [[*map(float, row)] for row in program(rows).outputs]

    def of_one_length(op: Op, points: Sequence[Point]) -> list[list[float]]:
        lengths: dict[int, list[Point]] = {}
        for point in points:
            lengths.setdefault(len(point.operands), []).append(point)
        found = {length: iter(numbers(op, some)) for length, some in lengths.items()}
        return [next(found[len(point.operands)]) for point in points]

    return of_one_length


ENGINES = {"eager": eager, "python": compiled("python"), "numpy": compiled("numpy")}


def error(got: float, number: float | None, size: float) -> float:
    """The relative error; infinite where one is finite and the other is not."""
    if number is None or (math.isnan(got) and math.isnan(number)) or got == number:
        return 0.0
    if abs(number) < SMALLEST_NORMAL:
        return 0.0 if abs(got) < 2 * SMALLEST_NORMAL or abs(got) <= 1e-12 * size else math.inf
    if not (math.isfinite(got) and math.isfinite(number)):
        return math.inf
    return abs(got - number) / max(abs(number), size)


@dataclass
class Worst:
    """The largest error of a row's values, first and second derivatives, and where they are."""

    errors: list[float]
    places: list[tuple[float, ...]]


def worst(op: Op, points: Sequence[Point], engine: str) -> Worst:
    result = Worst([0.0] * 3, [()] * 3)
    for point, numbers in zip(points, ENGINES[engine](op, points), strict=True):
        count = len(by(op, point.operands))
        for i, (got, number, size) in enumerate(zip(numbers, point.numbers, point.sizes, strict=True)):
            order = 0 if i == 0 else 1 if i <= count else 2
            off = error(got, number, size)
            if off > result.errors[order]:
                result.errors[order], result.places[order] = off, (*point.operands, i, got, number or 0.0)
    return result


# ── Stored ────────────────────────────────────────────────────────────────────────────────────────────


def write(rows: dict[str, Op]) -> None:
    table = {}
    for name, op in rows.items():
        table[name] = [
            [
                point.operands,
                point.numbers,
                [size if size > abs(n or 0) else 0 for size, n in zip(point.sizes, point.numbers)],
            ]
            for point in points_of(op, POINTS)
        ]
        print(name, flush=True)
    STORED.parent.mkdir(exist_ok=True)
    with gzip.GzipFile(STORED, "wb", mtime=0) as file:
        file.write(json.dumps(table, separators=(",", ":")).encode())


def stored() -> dict[str, list[Point]]:
    with gzip.open(STORED) as file:
        table = json.loads(file.read())
    return {
        name: [
            Point(
                tuple(xs),
                tuple(numbers),
                tuple(max(size, abs(n or 0)) for size, n in zip(sizes, numbers, strict=True)),
            )
            for xs, numbers, sizes in points
        ]
        for name, points in table.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--points", type=int, default=0)
    parser.add_argument("--rows", default="")
    parser.add_argument("--where", action="store_true", help="where the worst errors are")
    options = parser.parse_args()
    rows = {name: op for name, op in ROWS.items() if not options.rows or name in options.rows.split(",")}
    if options.write:
        write(rows)
        return
    kept = {} if options.points else stored()
    print(f"{'row':34}{'points':>7}" + "".join(f"{name:^30}" for name in ENGINES))
    print(" " * 41 + f"{'value':>10}{'first':>10}{'second':>10}" * len(ENGINES))
    for name, op in rows.items():
        points = [*points_of(op, options.points, " new")] if options.points else kept[name]
        found = [worst(op, points, engine) for engine in ENGINES]
        cells = "".join(f"{e:10.1e}" for w in found for e in w.errors)
        print(f"{name:34}{len(points):7}{cells}", flush=True)
        if options.where:
            for w in found:
                print("   ", *(p for p, e in zip(w.places, w.errors) if e > 1e-12))


if __name__ == "__main__":
    with np.errstate(all="ignore"):
        main()
