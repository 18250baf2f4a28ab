"""Units: an affine map from the user's units to standard units (mean 0, spread 1), and back.

A network trains well on numbers around 0 of spread 1. Data have other units: millimetres, thousands of
euros. So a network may hold a map: its layers see u = (x − mean) / spread, and the output that they give,
v, becomes y = spread·v + mean. The map is part of the model: of its graph, its pictures, its formulas and
its file. Its parameters are for standard units.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from microgradlike import ops
from microgradlike.engine import Constant, Value, numbered, record


@dataclass(frozen=True)
class Units:
    """The mean and the spread of each input, and of each output if targets have units too.

    Attributes:
        means: of the inputs, in the user's units.
        spreads: of the inputs: standard deviations, above 0; 1 where an input never varies.
        target_means: of the outputs; empty if outputs are as the last layer gives them.
        target_spreads: of the outputs.

    >>> units = Units.of([[100.0, 5.0], [300.0, 5.0]], [10.0, 30.0])
    >>> units
    Units(means=(200.0, 5.0), spreads=(100.0, 1.0), target_means=(20.0,), target_spreads=(10.0,))
    >>> units.row([100.0, 5.0]), units.target(30.0)
    ([-1.0, 0.0], 1.0)
    """

    means: tuple[float, ...]
    spreads: tuple[float, ...]
    target_means: tuple[float, ...] = ()
    target_spreads: tuple[float, ...] = ()

    @classmethod
    def of(cls, rows: Sequence[Sequence[float]], targets: Sequence[Any] = ()) -> Self:
        """The units of these examples.

        Args:
            rows: the inputs of the examples.
            targets: a number for each, or a list of numbers; without them, outputs have no units.
        """
        inputs = [*map(_mean_and_spread, zip(*rows))]
        outputs = [*map(_mean_and_spread, zip(*map(_as_list, targets)))]
        return cls(
            tuple(mean for mean, _ in inputs),
            tuple(spread for _, spread in inputs),
            tuple(mean for mean, _ in outputs),
            tuple(spread for _, spread in outputs),
        )

    # ── Numbers ───────────────────────────────────────────────────────────────────────────────────────

    def row(self, x: Sequence[float]) -> list[float]:
        """The inputs of an example in standard units."""
        return [(number - mean) / spread for number, mean, spread in zip(x, self.means, self.spreads)]

    def target(self, t: Any) -> Any:
        """A target, a number or a list of them, in standard units."""
        if not self.target_means:
            return t
        numbers = [
            (number - mean) / spread
            for number, mean, spread in zip(_as_list(t), self.target_means, self.target_spreads)
        ]
        return numbers if isinstance(t, list) else numbers[0]

    # ── Values: the map as a part of the graph ────────────────────────────────────────────────────────

    def enter(self, inputs: Sequence[Value]) -> list[Value]:
        """The inputs in standard units, named u1, u2, …

        >>> u, _ = Units.of([[100.0, 5.0], [300.0, 5.0]]).enter([Value(150.0, "x1"), Value(5.0, "x2")])
        >>> u
        Value(data=-0.5, name='u1')
        """
        names = numbered("u", len(self.means))
        return [
            record(ops.div, (record(ops.sub, (x, Constant(mean))), Constant(spread)), name)
            for x, mean, spread, name in zip(inputs, self.means, self.spreads, names)
        ]

    def leave(self, outputs: Sequence[Value], names: Sequence[str]) -> list[Value]:
        """The outputs in the user's units, with these names."""
        if not self.target_means:
            return list(outputs)
        return [
            record(ops.add, (record(ops.mul, (Constant(spread), v)), Constant(mean)), name)
            for v, mean, spread, name in zip(outputs, self.target_means, self.target_spreads, names)
        ]

    def lines(self, most: int = 6) -> list[str]:
        """The map in words, an equation for each input and output, the first so many of each.

        >>> Units((504.0,), (863.0,), (-2.5,), (4.0,)).lines()
        ['u1 = (x1 − 504) / 863', 'y = 4·v − 2.5']
        """
        lines = [
            f"u{i} = (x{i} {_added(-mean)}) / {spread:.4g}"
            for i, (mean, spread) in enumerate(zip(self.means[:most], self.spreads), 1)
        ]
        if len(self.means) > most:
            lines.append(f"… and {len(self.means) - most} more inputs")
        several = len(self.target_means) > 1
        for i, (mean, spread) in enumerate(zip(self.target_means[:most], self.target_spreads), 1):
            number = str(i) if several else ""
            lines.append(f"y{number} = {spread:.4g}·v{number} {_added(mean)}")
        if len(self.target_means) > most:
            lines.append(f"… and {len(self.target_means) - most} more outputs")
        return lines

    # ── Files ─────────────────────────────────────────────────────────────────────────────────────────

    def state_dict(self) -> dict[str, list[float]]:
        """The numbers as lists by name: what JSON can hold, and `from_state` takes."""
        return {name: list(numbers) for name, numbers in vars(self).items()}

    @classmethod
    def from_state(cls, state: Any) -> Self:
        """The units that gave this `state_dict`.

        Raises:
            ValueError: it is none; the message says why.
        """
        names = ("means", "spreads", "target_means", "target_spreads")
        if not isinstance(state, Mapping) or {*state} != {*names}:
            raise ValueError(f"units are lists of numbers by the names {', '.join(names)}")
        for name in names:
            numbers = state[name]
            if not isinstance(numbers, list) or not all(map(_is_finite, numbers)):
                raise ValueError(f"{name} of the units are {numbers!r:.60}, not a list of finite numbers")
            if "spreads" in name and not all(number > 0 for number in numbers):
                raise ValueError(f"{name} of the units are {numbers!r:.60}: spreads are above 0")
        for means, spreads in (names[:2], names[2:]):
            count, other = len(state[means]), len(state[spreads])
            if count != other:
                raise ValueError(f"the units have {count} {means}, but {other} {spreads}")
        return cls(*(tuple(map(float, state[name])) for name in names))


def _added(number: float) -> str:
    sign = "−" if number < 0 else "+"
    return f"{sign} {abs(number):.4g}"


def _as_list(t: Any) -> Sequence[float]:
    return t if isinstance(t, list | tuple) else [t]


def _is_finite(number: Any) -> bool:
    return type(number) in {int, float} and -sys.float_info.max <= number <= sys.float_info.max


def _mean_and_spread(numbers: Sequence[float]) -> tuple[float, float]:
    if max(numbers) == min(numbers):  # rounding makes a spread of it that no later number would respect
        return float(numbers[0]), 1.0
    mean = math.fsum(x / len(numbers) for x in numbers)
    spread = math.hypot(*(x - mean for x in numbers)) / math.sqrt(len(numbers))
    # In units of an infinite spread nothing is left of numbers; by a tiny one, no number can be divided.
    return (mean, spread) if 1e-300 < spread < math.inf else (0.0, 1.0)
