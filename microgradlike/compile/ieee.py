"""The operations as IEEE 754 has them: where `float` and `math` raise, an infinity or nan comes out.

Compiled code follows this, in every backend: a batch of a million examples does not stop at the one that
asks for log(0).

>>> from microgradlike import ops
>>> ieee(ops.log)(0.0), ieee(ops.div)(-1.0, 0.0), ieee(ops.sqrt)(-1.0)
(-inf, -inf, nan)
"""

import functools
import math
from collections.abc import Callable

from microgradlike.ops import Op

inf, nan = math.inf, math.nan


def _quotient(a: float, b: float) -> float:
    return nan if a == 0 or math.isnan(a) else math.copysign(inf, a) * math.copysign(1.0, b)


def _power(a: float, b: float) -> float:
    # What math.pow refuses: a negative base with a fraction, 0 to a negative power, and overflow.
    odd = b % 2 == 1
    if a < 0 and b != math.floor(b):
        return nan
    return -inf if odd and math.copysign(1.0, a) < 0 else inf


def _logarithm(a: float) -> float:
    return -inf if a == 0 else nan


def _log1p(a: float) -> float:
    return -inf if a == -1 else nan


def _atanh(a: float) -> float:
    return math.copysign(inf, a) if abs(a) == 1 else nan


def _binary_cross_entropy(p: float, t: float) -> float:
    # −t·log(p) − (1 − t)·log(1 − p) at p = 0 or p = 1, of which the target says the opposite
    return inf if 0 <= p <= 1 and 0 <= t <= 1 else nan


def _undefined(*_: float) -> float:
    return nan


#: What comes out where `forward` raises; if a row is not here: nan for a ValueError, else infinity.
_INSTEAD: dict[str, Callable[..., float]] = {
    "div": _quotient,
    "pow": _power,
    "log": _logarithm,
    "log2": _logarithm,
    "log10": _logarithm,
    "log1p": _log1p,
    "atanh": _atanh,
    "mod": _undefined,
    "floor_div": _quotient,
    "sinh": lambda a: math.copysign(inf, a),
    "binary_cross_entropy": _binary_cross_entropy,
}


@functools.lru_cache(256)
def ieee(op: Op) -> Callable[..., float]:
    """The forward function of a row, which raises nothing for any floats."""
    forward, instead = op.forward, _INSTEAD.get(op.name)
    if op.name.startswith("power("):
        exponent = float(op.name[len("power(") : -1])

        def instead(a: float) -> float:
            return _power(a, exponent)

    def function(*operands: float) -> float:
        try:
            return forward(*operands)
        except ValueError:
            return instead(*operands) if instead else nan
        except (OverflowError, ZeroDivisionError):
            if any(map(math.isnan, operands)):
                return nan
            return instead(*operands) if instead else inf

    return function
