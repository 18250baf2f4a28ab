"""What Values are and what may change in them, kept beside them in plain numbers, for `test_fuzz`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import microgradlike as mg
from microgradlike import Constant, Value, ops
from microgradlike.engine import NOT_COMPUTED
from microgradlike.ops import Op
from microgradlike.steps import Steps

UNDEFINED = (ValueError, ZeroDivisionError, OverflowError)  # what float and math raise
LINEAR = {ops.sum, ops.dot, ops.add, ops.sub, ops.neg}


def bits(x: Any) -> str:
    return "–" if x is NOT_COMPUTED else "None" if x is None else float(x).hex()


class State(NamedTuple):
    """All of a Value, to the bit."""

    data: str
    grad: str
    name: str
    op: Op | None
    parents: tuple[Value, ...]
    evaluation: tuple[str, ...]


def state(v: Value) -> State:
    return State(bits(v.data), bits(v.grad), v.name, v.op, v.parents, tuple(map(bits, v.evaluation)))


class Walk:
    """A cursor, where it was last, and whether it has come to its end and so written its gradients."""

    def __init__(self, cursor: Steps) -> None:
        self.cursor, self.position, self.is_written = cursor, 0, False


class Shadow:
    """The state that each Value should have."""

    def __init__(self) -> None:
        self.states: dict[Value, State] = {}
        self.gradients: dict[Value, Any] = {}
        self.walks: list[Walk] = []

    def add(self, v: Value) -> None:
        if v not in self.states:
            self.states[v], self.gradients[v] = state(v), v.grad

    def check(self) -> None:
        for v, expected in self.states.items():
            assert state(v) == expected, f"{v!r} was {expected}"

    def write(self, v: Value, **changes: Any) -> None:
        self.states[v] = self.states[v]._replace(**changes)

    def write_grad(self, v: Value, gradient: Any) -> None:
        self.gradients[v] = gradient
        self.write(v, grad=bits(gradient))

    def backward(self, order: Sequence[Value]) -> None:
        """Write what a backward pass from the last value leaves: leaves accumulate."""
        totals, _ = chain_rule(order)
        for v in order:
            total, earlier = totals.get(v, 0.0), self.gradients[v]
            self.write_grad(v, total if v.op or not earlier else total + earlier)

    def has_walked(self, walk: Walk) -> None:
        """Write what a walk should have written since it was last here, and look at its own gradients."""
        cursor, order = walk.cursor, mg.topological_order(walk.cursor.loss)
        walk.position = cursor.position
        if walk.position == len(cursor) and not walk.is_written:
            walk.is_written = True
            self.backward(order)
        totals, _ = chain_rule(order, walk.position)
        assert {v: bits(g) for v, g in cursor.gradients.items()} == {v: bits(g) for v, g in totals.items()}
        assert all(bits(cursor.gradient(v)) == bits(totals.get(v, NOT_COMPUTED)) for v in order)


def chain_rule(
    order: Sequence[Value], steps: int | None = None
) -> tuple[dict[Value, float], dict[Value, float]]:
    """The gradients after so many steps back from the last value, and the same of absolute values."""
    gradients, sizes = {order[-1]: 1.0}, {order[-1]: 1.0}
    node: Any
    for node in [v for v in reversed(order) if v.op][:steps]:
        for parent, partial in zip(node.parents, node.op.partials(*node.evaluation), strict=True):
            if type(parent) is not Constant:
                gradients[parent] = gradients.get(parent, 0.0) + float(partial) * gradients[node]
                sizes[parent] = sizes.get(parent, 0.0) + abs(float(partial)) * sizes[node]
    return gradients, sizes


def replayed(
    order: Sequence[Value],
    at: Mapping[Value, float] | None = None,
    nudges: Mapping[Value, float] | None = None,
) -> float:
    """The last value in plain floats, with leaves at other numbers, or with values that are nudged."""
    results = {v: float(v.data) for v in order if not v.op} | dict(at or {})
    for v in order:
        if v.op:
            results[v] = float(v.op.forward(*(results.get(p, p.data) for p in v.parents)))
        if nudges and v in nudges:
            results[v] += nudges[v]
    return results[order[-1]]


def is_stale(order: Sequence[Value]) -> bool:
    """Whether someone has written another number to a value since it was used."""
    return any(
        float(v.data) != number and not (math.isnan(v.data) and math.isnan(number))
        for node in order
        if node.op
        for v, number in zip((node, *node.parents), node.evaluation, strict=True)
    )


def is_moderate(order: Sequence[Value]) -> bool:
    """Whether no number is large, and no local derivative varies much near where it was taken."""
    for node in order:
        if not abs(node.data) < 1e4:
            return False
        if not node.op or node.op in LINEAR:
            continue
        operands = node.evaluation[1:]
        for i, h in [(i, h) for i in range(len(operands)) for h in (1e-5, -1e-5)]:
            moved = [x + h * (i == j) for j, x in enumerate(operands)]
            try:
                near = node.op.partials(node.op.forward(*moved), *moved)
            except UNDEFINED:
                return False
            here = node.op.partials(*node.evaluation)
            if not all(abs(p - q) <= 1e-3 * (1 + abs(p)) < 1e4 for p, q in zip(here, near, strict=True)):
                return False
    return True
