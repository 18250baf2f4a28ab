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


class Gradient:
    """What a Value has for a gradient; where a cursor wrote it to a leaf, with the one before its walk."""

    def __init__(self, number: Any, before: "Gradient | None" = None, *, half_way: bool = False) -> None:
        self.number, self.before, self.half_way = number, before, half_way


class Walk:
    """A cursor, where it was last, and what it left in the leaves at its end."""

    def __init__(self, cursor: Steps) -> None:
        self.cursor, self.position = cursor, 0
        self.left: dict[Value, Gradient] = {}
        self.undisturbed = True  # nobody else has written gradients since it moved

    def earlier(self, gradient: Gradient) -> Gradient:
        """What a leaf had before this walk: no walk that is half-way counts, and not this one's end."""
        if gradient.half_way and gradient.before:
            gradient = gradient.before
        if gradient in self.left.values() and gradient.before:
            gradient = gradient.before
        return Gradient(NOT_COMPUTED) if gradient.number is None else gradient


class Shadow:
    """The state that each Value should have."""

    def __init__(self) -> None:
        self.states: dict[Value, State] = {}
        self.gradients: dict[Value, Gradient] = {}
        self.walks: list[Walk] = []

    def add(self, v: Value) -> None:
        if v not in self.states:
            self.states[v], self.gradients[v] = state(v), Gradient(v.grad)

    def check(self) -> None:
        for v, expected in self.states.items():
            assert state(v) == expected, f"{v!r} was {expected}"

    def write(self, v: Value, **changes: Any) -> None:
        self.states[v] = self.states[v]._replace(**changes)

    def write_grad(self, v: Value, gradient: Any, *, of: Walk | None = None) -> None:
        self.gradients[v] = gradient if isinstance(gradient, Gradient) else Gradient(gradient)
        self.write(v, grad=bits(self.gradients[v].number))
        for walk in self.walks:
            walk.undisturbed = walk.undisturbed and walk is of

    def move(self, walk: Walk, only: Sequence[Value] | None = None) -> None:
        """Write what belongs where the cursor is: so many applications of the chain rule."""
        walk.position, order = walk.cursor.position, mg.topological_order(walk.cursor.loss)
        totals, _ = chain_rule(order, walk.position)
        for v in order if only is None else only:
            gradient = Gradient(totals.get(v, NOT_COMPUTED))
            if not v.op:
                before = walk.earlier(self.gradients[v])
                if v not in totals:
                    gradient = before
                elif walk.position < len(walk.cursor):
                    gradient = Gradient(totals[v], before, half_way=True)
                else:
                    gradient = walk.left[v] = Gradient(totals[v] + before.number, before)
            self.write_grad(v, gradient, of=walk)

    def has_walked(self, walk: Walk) -> None:
        """Write what a walk should have done since it was last here."""
        cursor, here, there = walk.cursor, walk.position, walk.cursor.position
        if abs(there - here) == 1 and not walk.undisturbed:
            # Then a single step need not write more than its own operands: look at these, and come back.
            operands = [p for p in cursor[min(here, there)].node.parents if type(p) is not Constant]
            self.move(walk, list(dict.fromkeys(operands)))
            assert all(state(p) == self.states[p] for p in operands)
            cursor.goto(0)
            cursor.goto(len(cursor))
            self.move(walk)
            cursor.goto(there)
        self.move(walk)
        walk.undisturbed = True


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
