"""Gradients checked against numbers: central differences, extrapolated to a step of zero.

This asks no rule of the op table, only for the value of the function, so it is a witness of its own.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Self, SupportsFloat

from microgradlike.checks import real
from microgradlike.engine import Value, grad, recording


class GradientError(AssertionError):
    """A derivative and its numeric estimate disagree."""


class CannotBeCheckedError(ValueError):
    """A derivative has no numeric estimate, or one that is too coarse to tell right from wrong."""


class Comparison(NamedTuple):
    """A derivative beside its numeric estimate: by which input, both numbers, and a bound of the error."""

    name: str
    received: float
    expected: float
    error: float

    def __str__(self) -> str:
        return (
            f"by {self.name}: received {self.received!r}, expected {self.expected!r}, "
            f"give or take {self.error:.1g}"
        )


class Agreement(int):
    """That all derivatives agree with their estimates: it counts as True, and has a `Comparison` for each.

    Attributes:
        comparisons: the numbers, for each input.
    """

    comparisons: tuple[Comparison, ...]

    @classmethod
    def of(cls, comparisons: Sequence[Comparison]) -> Self:
        """An agreement in these."""
        agreement = cls(True)
        agreement.comparisons = tuple(comparisons)
        return agreement

    def __repr__(self) -> str:
        return "\n".join(["agree", *map(str, self.comparisons)])

    __str__ = __repr__


@recording()
def gradcheck(
    f: Callable[..., Value],
    inputs: Iterable[SupportsFloat],
    *,
    rtol: float = 1e-6,
    atol: float | None = None,
) -> Agreement:
    """Compare the gradient of f with central differences, at one point.

    There are three answers, each with its numbers: the derivatives agree, which is a result that counts
    as true; one differs, which is a `GradientError`; one cannot be checked, which is a
    `CannotBeCheckedError`.

    Args:
        f: a function of as many Values as there are inputs, to one Value.
        inputs: the point, as numbers or Values (which are not changed).
        rtol: the relative difference that is still accepted, beyond the estimate's own error.
        atol: the absolute difference that is still accepted; by default 1e-9 of how steep f is around the
            point, so that it is small beside functions of any scale.

    Returns:
        An `Agreement`, if all derivatives agree.

    Raises:
        GradientError: one does not; it says which input, which point, what was received and expected.
        ValueError: f is not defined all around the point, or has a kink there, or is so large beside its
            slope that rounding hides it; it is a `CannotBeCheckedError`.

    Source: Ridders, "Accurate computation of F'(x) and F'(x)F''(x)" (1982): Richardson extrapolation of
    central differences, with the step that shows the least error.

    >>> bool(gradcheck(lambda a, b: a * b.exp(), [2.0, 1.0]))
    True
    >>> gradcheck(lambda a: 3.0 * a + 1e15, [2.0])
    Traceback (most recent call last):
    microgradlike.gradcheck.CannotBeCheckedError: the derivative by input 0 at input 0 = 2.0 cannot be ...
    """
    if isinstance(inputs, Value):
        raise TypeError("inputs is one Value, where a list is needed: write [x]")
    inputs = [*inputs]  # an iterator would be empty the second time
    names = [(isinstance(x, Value) and x.name) or f"input {i}" for i, x in enumerate(inputs)]
    point = [float(x) if isinstance(x, Value) else real(x) for x in inputs]
    values = [Value(x, name) for x, name in zip(point, names)]
    at = ", ".join(f"{name} = {x!r}" for name, x in zip(names, point))
    y = f(*values)
    if not isinstance(y, Value):
        raise TypeError(f"f must give a Value for Values, and gave {y!r:.60}")
    comparisons = []
    unknown = ""
    for i, (name, derivative) in enumerate(zip(names, grad(y, values))):

        def along(x: float, i: int = i) -> float:
            return float(f(*(Value(x if j == i else p) for j, p in enumerate(point))))

        subject, received = f"the derivative by {name} at {at}", derivative.data
        try:
            slope, error = central_difference(along, point[i])
        except ValueError as reason:
            unknown = unknown or f"{subject} cannot be checked: {reason}; received {received!r}"
            continue
        steepness = _steepness(along, point[i])
        tolerance = rtol * abs(slope) + (_TOLERANCE * steepness if atol is None else atol)
        if not abs(received - slope) <= tolerance + error:
            # Before it is called wrong: f may be steep over a length that the first steps ran over.
            short = _estimates(along, point[i], _SHORT_STEPS)
            near = [e for e in short if abs(received - e.slope) <= tolerance + e.error]
            finer = [e for e in near if e.error < _TELLING * abs(e.slope)]
            if finer:
                slope, error, _ = finer[-1]
            elif math.isfinite(received) or error < _TELLING * abs(slope):
                raise GradientError(
                    f"{subject} is wrong:\n"
                    f"  received {received!r}\n"
                    f"  expected {slope!r}, give or take {error:.1g}"
                )
        is_flat = received == slope == 0  # no value around the point differs from any other
        if not is_flat and not error <= max(tolerance, _TELLING * max(abs(slope), steepness)):
            unknown = unknown or (
                f"{subject} cannot be checked: received {received!r}, and the estimate, {slope!r}, is only "
                f"known to within {error:.1g}"
            )
        comparisons.append(Comparison(name, received, slope, error))
    if unknown:  # only now: an input that differs is a surer answer
        raise CannotBeCheckedError(unknown)
    return Agreement.of(comparisons)


#: An error, in proportion to a slope, with which an estimate still tells right from wrong.
_TELLING = 1e-3
_TOLERANCE = 1e-9  # of how steep f is

#: An error of a slope, in proportion, by which it can be told from others.
_GOOD = 1e-6

#: A step in which f does not change is no witness if it is shorter than this: (x - 1) + 1 loses it.
_ROUNDED_AWAY = 2**-26


def central_difference(f: Callable[[float], float], x: float) -> tuple[float, float]:
    """f′(x) from values of f alone, and a bound of its error.

    The step is chosen for this f and this x: from several first steps, Richardson extrapolation goes
    on until rounding outweighs what it gains, and the estimate with the least error is returned.

    Raises:
        ValueError: f is not defined on both sides of x, or has a kink there.

    >>> derivative, error = central_difference(math.exp, 0.0)
    >>> abs(derivative - 1) <= error < 1e-10
    True
    """
    estimates = _estimates(f, x, _STEPS)
    if not any(estimate.error < _EXACT * abs(estimate.slope) for estimate in estimates):
        estimates += _estimates(f, x, _SHORT_STEPS)
    if not estimates:
        raise ValueError("the function is not defined on both sides of the point")
    # The best is best in proportion: a step across a pole has small errors of a wrong, small slope. Where
    # the slope is 0 or nearly so, no proportion is good, and the least error is.
    estimates.sort(key=lambda e: (min(e.error / (abs(e.slope) + e.error or 1.0), _GOOD), e.error, -e.step))
    best = estimates[0]
    candidates = [best]
    if best.slope == best.error == 0.0 and best.step < _ROUNDED_AWAY:
        candidates = [*(e for e in estimates if e.error < _GOOD * abs(e.slope)), best]
    for estimate in candidates:
        if not _has_kink(f, x, estimate):
            return estimate.slope, estimate.error
    raise ValueError("the function has a kink there, or nearly so")


#: First steps, as parts of a scale: the short ones are tried where these tell little.
_STEPS, _SHORT_STEPS = (0.1, 1e-3, 1e-6), (1e-9, 1e-12, 1e-15)
_EXACT = 1e-8


def _estimates(f: Callable[[float], float], x: float, steps: Sequence[float]) -> "list[_Estimate]":
    """The estimates from several first steps, the longest first."""
    # What f changes over may be the size of x (√x), or 1 whatever x is (sin x).
    scales = {abs(x), 1.0} - {0.0}
    lengths = sorted((scale * step for scale in scales for step in steps), reverse=True)
    estimates = [_ridders(f, x, length) for length in lengths]
    return [estimate for estimate in estimates if math.isfinite(estimate.error)]


def _steepness(f: Callable[[float], float], x: float) -> float:
    """The mean slope over a long step, which says how small a slope of 0 is."""
    step = 0.1 * max(abs(x), 1.0)
    slopes = [abs(_defined(f, x + side * step) - f(x)) / step for side in (-1, 1)]
    return max((slope for slope in slopes if math.isfinite(slope)), default=0.0)


class _Estimate(NamedTuple):
    """Of f′(x): the slope, a bound of its error, and the step that gave them."""

    slope: float
    error: float
    step: float


def _ridders(f: Callable[[float], float], x: float, step: float) -> _Estimate:
    """An estimate, by Richardson extrapolation from this step on."""
    shrink = 1.4
    best, least, best_step = math.nan, math.inf, step
    previous: list[float] = []
    steps: list[float] = []  # of the rows in `previous`
    for _ in range(12):
        h = (x + step) - x  # the step that the floats x and x + h are really apart
        step /= shrink
        if h / 4 == 0:  # with which a kink is looked for
            break
        if steps and h >= steps[-1]:
            continue
        above, below = _defined(f, x + h), _defined(f, x - h)
        if not math.isfinite(above - below):
            previous, steps = [], []
            continue
        row = [(above - below) / (2 * h)]
        rounding = 2**-50 * max(abs(above), abs(below)) / h
        # Next to the spacing of floats, steps shrink unevenly: so they are taken as they are.
        for coarser, longer in zip(previous, reversed(steps)):
            row.append(row[-1] + (row[-1] - coarser) / ((longer / h) ** 2 - 1))
        steps.append(h)
        for j in range(1, len(row)):
            error = max(abs(row[j] - row[j - 1]), abs(row[j] - previous[j - 1])) + rounding
            if error < least:
                best, least, best_step = row[j], error, h
        previous = row
    # Where f″ jumps, estimates near the slope only as fast as h does: so much is left of a last change.
    return _Estimate(best, least / (shrink - 1), best_step)


def _has_kink(f: Callable[[float], float], x: float, estimate: _Estimate) -> bool:
    """Whether the slopes to the left and to the right stay apart however short the step is."""
    slope, error, h = estimate
    rounding = 2**-50 * (abs(x) + h) / h  # f computes with x + h, whatever is left of it in the end
    return _bend(f, x, h / 4) > 0.75 * _bend(f, x, h) > 1e-6 * abs(slope) + 8 * error + rounding


def _bend(f: Callable[[float], float], x: float, h: float) -> float:
    """The slope to the right minus the slope to the left."""
    return abs((_defined(f, x + h) - f(x)) - (f(x) - _defined(f, x - h))) / h


def _defined(f: Callable[[float], float], x: float) -> float:
    try:
        return f(x)
    except (ValueError, ArithmeticError):
        return math.nan
