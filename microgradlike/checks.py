"""The check of a number, once: what is one, and what to write instead of what is none."""

from collections.abc import Callable
from functools import lru_cache
from numbers import Complex, Real
from typing import Any

# One float object for each int that comes often: a long chain of x + 1 holds it once.
_float: Callable[[int], float] = lru_cache(maxsize=256)(float)


def real(number: Any, each: str = "Value") -> float:
    """The number as a float, if it is a real number and not merely convertible to one.

    An int, a float, a bool, a scalar of numpy, a Fraction and a Decimal are real numbers. Whatever takes
    numbers takes these, and refuses all else in these words.

    Args:
        number: what should be one.
        each: what to call for each member of a list, where one number is needed.

    Raises:
        TypeError: it is no real number; the message says what to write instead.
        OverflowError: it is an int, or a Fraction, too large for a float.

    >>> real(True), real(3)
    (1.0, 3.0)
    """
    if isinstance(number, float):
        return float(number)
    if isinstance(number, int):
        return _float(number)
    if hasattr(number, "apply") and hasattr(number, "parents"):  # a Value, which this file cannot know
        hint = "its number is v.data; a copy of it without history is v.detach()"
    elif isinstance(number, str | bytes):
        hint = "convert it first: float(text)"
    elif isinstance(number, Complex) and not isinstance(number, Real):
        hint = "take its real part or its absolute value: z.real, abs(z)"
    elif hasattr(number, "__len__") and getattr(number, "shape", None) == ():
        hint = "take the number out of it: x.item()"
    elif hasattr(number, "__len__") or hasattr(number, "__iter__"):
        hint = f"write one for each number: [{each}(x) for x in xs]"
    else:
        hint = "give an int or a float"
        try:
            return float(number) if hasattr(number, "__float__") else float(number.__index__())
        except (AttributeError, TypeError):  # as a span of time raises it
            pass
    kind = type(number).__name__
    raise TypeError(f"a real number is needed, not {number!r:.60} ({kind}): {hint}")
