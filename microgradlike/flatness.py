"""Why a local derivative is 0 or next to it: what the operation is like around its operands.

Nothing here knows an operation by its name. The rule of the operation is asked at other numbers of one
operand: at the next floats, a little further, and far away.
"""

import math
import struct
from collections.abc import Callable
from typing import Literal, TypeAlias

from microgradlike import ops
from microgradlike.engine import Value

#: The ways in which a local derivative comes to be 0, or next to it, as a function of one operand:
#: - saturated: it tends to 0 to one side, as that of a sigmoid;
#: - flat: it is 0 all around, and not only next to 0, as that of a relu that is off;
#: - not taken: the same, where the result comes from another operand, as that of a maximum does;
#: - minimum, maximum, level: it is 0 here and not on either side;
#: - kink, jump, alone: it does not exist, and is 0 by convention; alone: there are no results close by;
#: - rounded: it is a number too small for a float;
#: - value: the other operands make it 0, as a factor of 0 does.
Kind: TypeAlias = Literal[
    "saturated",
    "flat",
    "not taken",
    "minimum",
    "maximum",
    "level",
    "kink",
    "jump",
    "alone",
    "rounded",
    "value",
]

_CLOSE, _FAR = (
    (1e-9, 1e-6, 1e-4, 1e-2),
    (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 1e2, 1e3, 1e6, 1e20, 1e100, 1e300),
)
_SMALLER = (1e-2, 1e-5, 1e-10, 1e-20, 1e-50, 1e-100, 1e-150, 1e-200, 1e-300)
_MORE = 10.0  # times as steep is steep
_ABRUPT = 1e-3  # of the slope further on: where less comes first, the slope sets in smoothly
_SIDES = (-1.0, 1.0)


def kind_of_zero(node: Value, operand: int) -> Kind:
    """Why the local derivative of a node by one of its operands is 0, or next to it."""
    return _Surroundings(node, operand).kind()


class _Surroundings:
    """An operation as a function of one operand, the others being what they were."""

    def __init__(self, node: Value, operand: int) -> None:
        assert node.op
        self.op, self.operand = node.op, operand
        self.out, *self.numbers = node.evaluation
        self.x = self.numbers[operand]
        self.partials = node.partials
        self.slope_here = abs(self.partials[operand])

    def kind(self) -> Kind:
        if self.op is ops.where:  # its condition is no number that could be a little more
            return "not taken" if self.operand else "flat"
        if self.slope_here == 0 and not any(map(math.isfinite, map(self._result, map(self._next, _SIDES)))):
            return "alone"
        if self.slope_here == 0 and any(map(self._jumps, _SIDES)):
            return "jump"
        if self.slope_here == 0 and any(map(self._is_steep_at_once, _SIDES)):
            return "kink"
        if turn := self._turn():
            return turn
        rises = [self._rise(side) for side in _SIDES]
        if not any(rises):
            return self._without_a_rise()
        if self.slope_here == 0 and "smooth" not in rises:
            return self._flat_or_not_taken()
        return self._saturated() if None in rises and "smooth" in rises else "value"

    # ── The function and its slope elsewhere ──────────────────────────────────────────────────────────

    def _ask(self, rule: Callable[..., float], x: float, j: int) -> float:
        """The result of a rule with another number for an operand; nan where it is not defined."""
        numbers = [*self.numbers]
        numbers[j] = x
        try:
            return float(rule(*numbers))
        except (ArithmeticError, ValueError):
            return math.nan

    def _slope(self, x: float, j: int | None = None) -> float:
        """The local derivative, its size, with another number for this operand or for the one given."""
        rule = lambda *numbers: self.op.partials(self.op.forward(*numbers), *numbers)[self.operand]  # noqa: E731
        return self._ask(rule, x, self.operand if j is None else j)

    def _result(self, x: float) -> float:
        return self._ask(self.op.forward, x, self.operand)

    def _next(self, side: float) -> float:
        return math.nextafter(self.x, side * math.inf)

    def _distances(self, steps: tuple[float, ...]) -> list[float]:
        """An operation changes over the size of its operand, or over 1: both are tried."""
        sizes = {1.0, abs(self.x)} - {0.0}
        return sorted(step * size for step in steps for size in sizes if step * size < 1e300)

    # ── What it is like here ──────────────────────────────────────────────────────────────────────────

    def _jumps(self, side: float) -> bool:
        """Whether the result changes at once."""
        here = self._result(self.x)
        return abs(self._result(self._next(side)) - here) > 0.25 * (1 + abs(here))

    def _is_steep_at_once(self, side: float) -> bool:
        """Whether the slope at the next float is as large as further on: a straight line ends here."""
        size = abs(self.x) or 1.0
        at_once, further = abs(self._slope(self._next(side))), abs(self._slope(self.x + side * 1e-6 * size))
        return at_once > 0.5 * further > 0

    def _turn(self) -> Kind | None:
        """Whether the slope is 0 here alone, or next to here."""
        for distance in self._distances(_CLOSE):
            left, right = (self._slope(self.x + side * distance) for side in _SIDES)
            if min(abs(left), abs(right)) > _MORE * self.slope_here:
                if left * right > 0:
                    return "level"
                return "minimum" if left < 0 else "maximum"
        return None

    def _rise(self, side: float) -> Literal["smooth", "abrupt"] | None:
        """The way in which the slope sets in to one side; None where it stays as it is."""
        points = [self.x + side * distance for distance in self._distances(_CLOSE + _FAR)]
        if side * self.x < 0:  # towards 0 there are as many floats again
            before, beyond = ([p for p in points if p * self.x * sign > 0] for sign in (1, -1))
            points = [*before, *(self.x * size for size in _SMALLER), 0.0, *beyond]
        slopes = [abs(self._slope(point)) for point in points]
        steep = [i for i, slope in enumerate(slopes) if slope > _MORE * self.slope_here]
        if not steep:
            return None
        low, high = _ordinal(points[steep[0] - 1] if steep[0] else self.x), _ordinal(points[steep[0]])
        while abs(high - low) > 1:  # between two floats that are neighbours, it sets in
            middle = (low + high) // 2
            if abs(self._slope(_float(middle))) > _MORE * self.slope_here:
                high = middle
            else:
                low = middle
        steepest = max(slopes[i] for i in steep)
        return "abrupt" if abs(self._slope(_float(high))) > _ABRUPT * steepest else "smooth"

    # ── What that means ───────────────────────────────────────────────────────────────────────────────

    def _without_a_rise(self) -> Kind:
        """The operand does not matter: the others make the derivative what it is."""
        if self.slope_here == 0 and self._stays_zero():
            return self._flat_or_not_taken()
        return self._rounded_or_value()

    def _stays_zero(self) -> bool:
        """Whether the derivative is still 0 if the other operands are a little different."""
        return not any(
            self._slope(x + side * max(1e-3 * abs(x), 1e-3), j)
            for j, x in enumerate(self.numbers)
            if j != self.operand
            for side in _SIDES
        )

    def _flat_or_not_taken(self) -> Kind:
        is_argument = self.operand == 0 and self.op.arity is not None
        others = (slope for j, slope in enumerate(self.partials) if j != self.operand)
        return "not taken" if not is_argument and any(others) else "flat"

    def _saturated(self) -> Kind:
        return "saturated" if self.op.binding == "!" else self._rounded_or_value()

    def _rounded_or_value(self) -> Kind:
        """Rounded is what no operand makes 0: none is 0, and none of another size would help."""
        if self.slope_here or not all(self.numbers):
            return "value"
        near = [
            self._slope(x * factor, j)
            for j, x in enumerate(self.numbers)
            for factor in (0.5, 0.999, 1.001, 2)
        ]
        return "value" if any(near) else "rounded"


def _ordinal(x: float) -> int:
    """The place of a float among all floats: neighbours differ by 1."""
    bits: int = struct.unpack("<q", struct.pack("<d", x))[0]
    return bits if bits >= 0 else -(bits & (2**63 - 1))


def _float(ordinal: int) -> float:
    size: float = struct.unpack("<d", struct.pack("<q", abs(ordinal)))[0]
    return math.copysign(size, ordinal)
