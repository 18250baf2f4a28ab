"""Gradients checked against numbers: central differences, extrapolated to a step of zero.

This asks no rule of the op table, only for the value of the function, so it is a witness of its own.
"""

import math
from collections.abc import Callable, Sequence
from typing import SupportsFloat

from microgradlike.engine import Value, grad, no_grad


class GradientError(AssertionError):
    """A derivative and its numeric estimate disagree."""


def gradcheck(
    f: Callable[..., Value],
    inputs: Sequence[SupportsFloat],
    *,
    rtol: float = 1e-6,
    atol: float = 1e-9,
) -> bool:
    """Compare the gradient of f with central differences, at one point.

    Args:
        f: a function of as many Values as there are inputs, to one Value.
        inputs: the point, as numbers or Values (which are not changed).
        rtol: the relative difference that is still accepted, beyond the estimate's own error.
        atol: the absolute difference that is still accepted.

    Returns:
        True, if all derivatives agree.

    Raises:
        GradientError: one does not; it says which input, which point, what was received and expected.
        ValueError: f is not defined all around the point, so that nothing can be compared.

    Source: Ridders, "Accurate computation of F'(x) and F'(x)F''(x)" (1982): Richardson extrapolation of
    central differences, with the step that shows the least error.

    >>> gradcheck(lambda a, b: a * b.exp(), [2.0, 1.0])
    True
    """
    point = [float(x) for x in inputs]
    names = [
        (x.name if isinstance(x, Value) else "") or f"input {i}" for i, x in enumerate(inputs)
    ]
    values = [Value(x, name) for x, name in zip(point, names)]
    received = grad(f(*values), values)

    for i, name in enumerate(names):

        def along(x: float, i: int = i) -> float:
            with no_grad():
                return float(f(*(Value(x if j == i else p, n) for j, (p, n) in enumerate(zip(point, names)))))

        expected, uncertainty = central_difference(along, point[i])
        got = received[i].data
        difference = abs(got - expected)
        if not difference <= atol + rtol * abs(expected) + 2 * uncertainty:
            at = ", ".join(f"{n} = {x!r}" for n, x in zip(names, point))
            raise GradientError(
                f"the derivative by {name} at {at}:\n  received {got!r}\n  expected {expected!r} ± {uncertainty:.1g}"
            )
    return True
