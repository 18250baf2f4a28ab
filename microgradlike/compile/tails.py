"""The derivatives of sigmoid and tanh of arrays, with all digits also where the result is next to 1.

Such numbers are few in most networks. Only they are computed from the operand, as in `microgradlike.ops`;
all the others as the book has it.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from microgradlike import ops


def sigmoid(a: Any, out: Any = None) -> Any:
    """σ(a), as in `microgradlike.compile.rows`, with fewer new arrays."""
    e = np.abs(a)
    np.exp(np.negative(e, out=e), out=e)  # never overflows
    result = np.where(a >= 0, 1.0, e)
    return np.divide(result, np.add(e, 1.0, out=e), out=result if out is None else out)


def sigmoid_slope(a: Any, y: Any, out: Any = None) -> Any:
    """y(1 − y) for y = σ(a).

    Args:
        a: the operand.
        y: the result.
        out: where to write, which may be one of them.
    """
    ends = None if a.max() < ops.FAR_SIGMOID else _far(a >= ops.FAR_SIGMOID, _sigmoid_slope_far, a, y)
    rest = np.subtract(1.0, y, out=None if out is y else out)
    return _with(ends, np.multiply(rest, y, out=out))


def sigmoid_rest(a: Any, y: Any, out: Any = None) -> Any:
    """1 − y for y = σ(a); the arguments are those of `sigmoid_slope`."""
    ends = None if a.max() < ops.FAR_SIGMOID else _far(a >= ops.FAR_SIGMOID, _sigmoid_rest_far, a, y)
    return _with(ends, np.subtract(1.0, y, out=out))


def tanh_slope(a: Any, y: Any, out: Any = None) -> Any:
    """1 − y² for y = tanh(a); the arguments are those of `sigmoid_slope`."""
    is_near = a.max() < ops.FAR_TANH and a.min() > -ops.FAR_TANH
    ends = None if is_near else _far(np.abs(a) >= ops.FAR_TANH, _tanh_slope_far, a, y)
    square = np.multiply(y, y, out=out)
    return _with(ends, np.subtract(1.0, square, out=square))


#: Where numbers belong, and the numbers; None: nowhere.
_Ends: TypeAlias = tuple[Any, Any] | None


def _far(is_far: Any, function: Callable[[Any, Any], Any], a: Any, y: Any) -> _Ends:
    """The numbers of a function where its operand is far from 0, before both are written over."""
    places = np.flatnonzero(is_far)  # few: to take and to put them is faster than by a mask
    return places, function(a.take(places), y.take(places))


def _with(ends: _Ends, out: Any) -> Any:
    if ends:
        out.put(*ends)
    return out


def _sigmoid_slope_far(a: Any, y: Any) -> Any:
    return y * y * np.exp(-a)


def _sigmoid_rest_far(a: Any, y: Any) -> Any:
    return y * np.exp(-a)


def _tanh_slope_far(a: Any, _: Any) -> Any:
    e = np.exp(-2.0 * np.abs(a))
    return 4.0 * e / ((1.0 + e) * (1.0 + e))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function for function in (sigmoid, sigmoid_slope, sigmoid_rest, tanh_slope)
}
