"""The chain-rule paths from a loss down to w: their sum, their number, and the largest of them.

There may be more paths than atoms, so they are never all listed: each value on the way is visited once,
and what is known of the paths that go on from it is reused.
"""

import decimal
import functools
import heapq
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from microgradlike.engine import Value, gradients

# Numbers with so wide an exponent that no product over- or underflows, and more digits than a float.
_wide = decimal.Context(prec=40, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX, traps=[])
_ZERO, _ONE, _INFINITE = Decimal(0), Decimal(1), Decimal("Infinity")


class Edge(NamedTuple):
    """A step of a path, from a value to one of its operands.

    Attributes:
        node: the value.
        operand: which of its operands, from 0 on; the two edges of a·a differ in nothing else.
        parent: that operand.
        factor: the local derivative ∂node/∂parent.
        reach: the magnitude of the largest product that a path to w can have from this edge on.
    """

    node: Value
    operand: int
    parent: Value
    factor: float
    reach: Decimal


#: For each value on a path, operands before results, so w first: its edges that lead on to w.
Edges: TypeAlias = dict[Value, list[Edge]]


def product(path: Sequence[Edge]) -> float:
    """The product of its factors."""
    return math.prod([edge.factor for edge in path], start=1.0)


def decimal_exponent(magnitude: Decimal) -> int:
    """The exponent of the power of ten that is next to a magnitude; of 0, for want of one, 0."""
    return round(_wide.log10(magnitude)) if magnitude else 0


def edges_between(order: Sequence[Value], w: Value) -> Edges:
    """The edges of all paths to w, where the order is topological."""
    edges: Edges = {w: []}
    reach = {w: _ONE}
    for node in order:
        if node is not w and any(parent in edges for parent in node.parents):
            edges[node] = [
                Edge(node, i, parent, factor, _times(_magnitude(factor), reach[parent]))
                for i, (parent, factor) in enumerate(zip(node.parents, node.partials))
                if parent in edges
            ]
            reach[node] = max(edge.reach for edge in edges[node])
    return edges


def gradient_over(edges: Edges, loss: Value) -> float:
    """∂loss/∂w: what the edges that lead to w hand down to it, in the order of `Value.backward`."""
    w = next(iter(edges))
    if w is loss:
        return 1.0
    gradient, total = gradients(loss), 0.0
    for node in reversed(edges):
        for edge in edges[node]:
            if edge.parent is w:
                total += edge.factor * gradient[node]
    return total


def count_paths(edges: Edges, loss: Value) -> tuple[int, int]:
    """The number of paths, and of those with a factor 0."""
    if loss not in edges:
        return 0, 0
    # How many paths lead from the loss to a value, and how many of these have a factor 0. There may be no
    # end of digits, so a number is dropped after use; and where all paths meet in one value, those above it
    # and those below it are counted apart, and multiplied in the end.
    counts, dead = {loss: 1}, {loss: 0}
    counted, alive = [1], [1]
    for node in reversed(edges):
        count, zeros = counts.pop(node), dead.pop(node)
        if not counts:
            counted.append(count)
            alive.append(count - zeros)
            count, zeros = 1, 0
        for _, _, parent, factor, _ in edges[node]:
            through = zeros if factor else count
            counts[parent] = counts[parent] + count if parent in counts else count  # 0 + count is a copy
            dead[parent] = dead[parent] + through if parent in dead else through
    total = _product(counted)
    return total, total - _product(alive)


def _product(factors: Sequence[int]) -> int:
    """Their product, made of factors of one size, which is fast where they have many digits."""
    while len(factors) > 1:
        factors = [math.prod(factors[i : i + 2]) for i in range(0, len(factors), 2)]
    return factors[0]


def largest_paths(edges: Edges, loss: Value, w: Value, limit: int) -> list[list[Edge]]:
    """The largest paths in magnitude, the largest first.

    From any value on, the largest path follows the edges of the greatest `reach`. Every other path leaves
    the course of a larger one at some edge and from there on is the largest possible: so each path that
    is found gives, at each of its edges, candidates for those that come after it.

    Source: Hoffman, Pavley, "A Method for the Solution of the Nth Best Path Problem" (1959).
    """
    best = {node: max(ways, key=lambda edge: edge.reach) for node, ways in edges.items() if ways}
    paths: list[list[Edge]] = []
    # A candidate: its magnitude, negative for the heap; its number, so that equal ones come in the order
    # in which they were found; a path that it follows, for how many edges, their product; its next edge.
    candidates: list[tuple[Decimal, int, list[Edge], int, Decimal, Edge]] = []
    numbers = itertools.count()
    path: list[Edge] = []
    start, so_far = 0, _ONE
    while True:
        node = path[-1].parent if path else loss
        while node is not w:
            path.append(best[node])
            node = best[node].parent
        paths.append(path)
        found = _departures(edges, path, start, so_far)
        missing = limit - len(paths)
        for size, i, before, edge in heapq.nsmallest(missing, found, key=itemgetter(0)):
            heapq.heappush(candidates, (size, next(numbers), path, i, before, edge))
        if not missing or not candidates:
            return paths
        _, _, other, i, before, edge = heapq.heappop(candidates)
        path, start = [*other[:i], edge], i + 1
        so_far = _times(before, _magnitude(edge.factor))


def _departures(
    edges: Edges, path: list[Edge], start: int, so_far: Decimal
) -> Iterator[tuple[Decimal, int, Decimal, Edge]]:
    """Each other edge that could be taken from ``start`` on, where the product so far is given.

    Of each: the magnitude, negative, of the largest path over it; where it leaves the path; the product
    up to there; and the edge.
    """
    for i in range(start, len(path)):
        taken = path[i]
        for edge in edges[taken.node]:
            if edge is not taken:
                yield _times(so_far, edge.reach).copy_negate(), i, so_far, edge
        so_far = _times(so_far, _magnitude(taken.factor))


def sum_of_others(edges: Edges, loss: Value, listed: Sequence[Sequence[Edge]]) -> float:
    """The sum of all paths but those listed, added up: nothing is lost beside a large one that is listed.

    A path that is not listed goes with a listed one for a while, and leaves it by another edge. From there
    on all paths are others.
    """
    total: dict[Value, Decimal] = {}  # of all paths from a value to w
    for node, ways in edges.items():
        total[node] = _sum(_wide.multiply(_decimal(edge.factor), total[edge.parent]) for edge in ways)
        if not ways:  # it is w
            total[node] = _ONE
    if not listed:  # also where w is the loss, and its path has no edge to leave by
        return float(total[loss])
    courses: _Courses = {}
    for path in listed:
        course = courses
        for edge in path:
            course = course.setdefault(edge.operand, {})
    terms = []
    stack = [(loss, _ONE, courses)]
    while stack:
        node, so_far, course = stack.pop()
        for edge in edges[node]:
            times = _wide.multiply(so_far, _decimal(edge.factor))
            if edge.operand in course:
                stack.append((edge.parent, times, course[edge.operand]))
            else:
                terms.append(_wide.multiply(times, total[edge.parent]))
    return float(_sum(terms))


_Courses: TypeAlias = "dict[int, _Courses]"  # by which operands the listed paths go on from a value


class Accident(NamedTuple):
    """Where a backward pass leaves the finite numbers: what happens, and at which edge."""

    kind: str  # "product", "sum", "zero times infinity" or "infinities"
    edge: Edge


def accidents(edges: Edges, loss: Value) -> list[Accident]:
    """The accidents of a backward pass in its order, of each kind the first.

    A product or a sum of finite numbers is too large for a float; infinity times 0, and infinity minus
    infinity, are nan. That a factor is not finite by itself is none of these.
    """
    found: dict[str, Accident] = {}
    so_far = {loss: 1.0}
    for node in reversed(edges):
        upstream = so_far.get(node, 0.0)
        for edge in edges[node]:
            before, added = so_far.get(edge.parent, 0.0), edge.factor * upstream
            after = so_far[edge.parent] = before + added
            for kind, happens in (
                ("product", _is_first_not_finite(added, edge.factor, upstream)),
                ("sum", _is_first_not_finite(after, before, added)),
                ("zero times infinity", _is_first_nan(added, edge.factor, upstream)),
                ("infinities", _is_first_nan(after, before, added)),
            ):
                if happens:
                    found.setdefault(kind, Accident(kind, edge))
    return list(found.values())


def _is_first_not_finite(result: float, *of: float) -> bool:
    return not math.isfinite(result) and all(map(math.isfinite, of))


def _is_first_nan(result: float, *of: float) -> bool:
    return math.isnan(result) and not any(map(math.isnan, of))


def first_zeros(edges: Edges, loss: Value) -> list[Edge]:
    """Of each path, the factor 0 that is next to the loss."""
    zeros, reached = [], {loss}
    for node in reversed(edges):
        if node in reached:
            for edge in edges[node]:
                if edge.factor:
                    reached.add(edge.parent)
                else:
                    zeros.append(edge)
    return zeros


def last_zeros(edges: Edges) -> list[Edge]:
    """Of each path, the factor 0 that is next to w."""
    alive = {node for node, ways in edges.items() if not ways or any(edge.reach for edge in ways)}
    downwards = itertools.chain(*reversed(edges.values()))
    return [edge for edge in downwards if not edge.factor and edge.parent in alive]


def _decimal(factor: float) -> Decimal:
    return _wide.create_decimal_from_float(factor)


def _sum(terms: Iterable[Decimal]) -> Decimal:
    return functools.reduce(_wide.add, terms, _ZERO)


def _magnitude(factor: float) -> Decimal:
    return _wide.create_decimal_from_float(abs(factor)) if math.isfinite(factor) else _INFINITE


def _times(a: Decimal, b: Decimal) -> Decimal:
    """The magnitude of a product. What is not finite stays so even times 0, and comes first of all."""
    times = _wide.multiply(a, b)
    return _INFINITE if times.is_nan() else times
