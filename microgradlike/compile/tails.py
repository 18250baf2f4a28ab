"""The derivatives of sigmoid and tanh of arrays, with all digits also where the result is next to 1.

Such numbers are few in most networks. Only they are computed from the operand, as in `microgradlike.ops`;
all the others as the book has it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from microgradlike import ops


def _with_tails(
    book: Callable[[Any, Any], Any],
    is_near: Callable[[Any], bool],
    tail: Callable[[Any, Any], Any],
    far: Callable[[Any], Any],
) -> Callable[..., Any]:
    """A function of the operand and the result, which may be told where to write.

    Args:
        book: what to write to the array of its second argument, given the result.
        is_near: whether all operands are; of nan, no.
        tail: the numbers for the operands that are far, given these and their results.
        far: which operands are.
    """

    def function(a: Any, y: Any, out: Any = None) -> Any:
        a, y = np.broadcast_arrays(a, y) if np.shape(a) != np.shape(y) else (np.asarray(a), np.asarray(y))
        if is_near(a):
            return book(y, out)
        places = np.nonzero(far(a))
        ends = tail(a[places], y[places])  # before they are written over
        out = book(y, out)
        out[places] = ends
        return out

    return function


def _rest(y: Any, out: Any) -> Any:
    return np.subtract(1.0, y, out=out)


def _times_rest(y: Any, out: Any) -> Any:
    rest = np.subtract(1.0, y, out=None if out is y else out)
    return np.multiply(rest, y, out=out)


def _rest_of_square(y: Any, out: Any) -> Any:
    square = np.multiply(y, y, out=out)
    return np.subtract(1.0, square, out=square)


def _sigmoid_is_near(a: Any) -> bool:
    return bool(a.max() < ops.FAR_SIGMOID)


def _tanh_is_near(a: Any) -> bool:
    return bool(a.max() < ops.FAR_TANH and a.min() > -ops.FAR_TANH)


def _tanh_tail(a: Any, _: Any) -> Any:
    e = np.exp(-2.0 * np.abs(a))
    return 4.0 * e / ((1.0 + e) * (1.0 + e))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sigmoid_slope": _with_tails(
        _times_rest, _sigmoid_is_near, lambda a, y: y * y * np.exp(-a), lambda a: a >= ops.FAR_SIGMOID
    ),
    "sigmoid_rest": _with_tails(
        _rest, _sigmoid_is_near, lambda a, y: y * np.exp(-a), lambda a: a >= ops.FAR_SIGMOID
    ),
    "tanh_slope": _with_tails(
        _rest_of_square, _tanh_is_near, _tanh_tail, lambda a: np.abs(a) >= ops.FAR_TANH
    ),
}
