"""What every row of the op table means, in plain mpmath, written independently of `microgradlike.ops`.

A row whose name is that of an mpmath function needs nothing here. The others, and the few of which
mpmath has another idea, stand in `ORACLES`; what a derivative is where there is none, in `CONVENTIONS`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from mpmath import mp

from microgradlike.ops import Op, sigmoid

Oracle = Callable[..., Any]
inf, nan = math.inf, math.nan


def _exp(x: Any) -> Any:
    return mp.exp(x) if x > -2000 else mp.mpf(0)  # far below the smallest float, and slow to compute


def _log_sum_exp(*xs: Any) -> Any:
    largest, *rest = sorted(xs, reverse=True)
    return largest + mp.log1p(mp.fsum(_exp(x - largest) for x in rest))


def _dot(*operands: Any) -> Any:
    n = len(operands) // 2
    return mp.fsum([w * x for w, x in zip(operands, operands[n:])][:n]) + mp.fsum(operands[2 * n :])


def _half_squared_error(*operands: Any) -> Any:
    n = len(operands) // 2
    return mp.fsum((y - t) ** 2 for y, t in zip(operands[:n], operands[n:], strict=True)) / 2


def _softplus(x: Any) -> Any:
    return max(x, mp.mpf(0)) + mp.log1p(_exp(-abs(x)))


def _erfc(x: Any) -> Any:
    return mp.erfc(x) if x < 1000 else mp.mpf(0)  # e^(−10⁶); mpmath refuses 1e308


def _atan2(y: Any, x: Any) -> Any:
    if mp.isinf(y) and mp.isinf(x):  # on a diagonal; mpmath 1.3 has nan there
        y, x = mp.sign(y), mp.sign(x)
    return mp.atan2(y, x)


def _cross_entropy(*operands: Any) -> Any:
    *logits, target = operands
    return _log_sum_exp(*(z - logits[int(target)] for z in logits))


def _monomial(c: Any, a: Any, b: Any, k: Any) -> Any:
    if c == 0:
        return mp.mpf(0)
    if a < 0 and (b % 1 or k % 1):
        return mp.nan
    if a == 0 and b < k:
        return c * mp.inf
    return c * mp.power(a, b - k)


def _monomial_log(c: Any, a: Any, b: Any, k: Any, n: Any) -> Any:
    if n == 0 or c == 0:
        return _monomial(c, a, b, k)
    if a < 0:
        return mp.nan
    if a == 0:
        return mp.mpf(0) if b > k else c * (mp.inf if b < k else 1) * (-mp.inf) ** int(n)
    return _monomial(c, a, b, k) * mp.log(a) ** n


def _floor_div(a: Any, b: Any) -> Any:
    with mp.workprec(2300):  # the digits of 1e308 / 5e-324 before the point
        return mp.floor(a / b)


def _mod(a: Any, b: Any) -> Any:
    with mp.workprec(4600):
        return a - b * mp.floor(a / b)


def _sigmoid_slope(a: Any, _: Any = None) -> Any:
    e = _exp(-abs(a))
    return e / (1 + e) ** 2


def _tanh_slope(a: Any, _: Any = None) -> Any:
    e = _exp(-2 * abs(a))
    return 4 * e / (1 + e) ** 2


def _sinc(x: Any, n: int = 0) -> Any:
    """The n-th derivative of sin(πx)/(πx), by its series, or where that is long, by differentiating."""
    if abs(x) < 1:
        terms = range((n + 1) // 2, 120)
        return mp.fsum(
            (-1) ** k * mp.pi ** (2 * k) * math.perm(2 * k, n) / mp.factorial(2 * k + 1) * x ** (2 * k - n)
            for k in terms
            if x or 2 * k == n
        )
    # The derivatives of the factors sin(πx) and 1/(πx), by Leibniz's rule.
    turn = x % 2
    return mp.fsum(
        math.comb(n, k)
        * mp.pi**k
        * [mp.sinpi, mp.cospi, lambda t: -mp.sinpi(t), lambda t: -mp.cospi(t)][k % 4](turn)
        * (-1) ** (n - k)
        * mp.factorial(n - k)
        / x ** (n - k + 1)
        / mp.pi
        for k in range(n + 1)
    )


def _binary_cross_entropy_loss(p: Any, t: Any) -> Any:
    return -(t * mp.log(p) if t else 0) - ((1 - t) * mp.log1p(-p) if t != 1 else 0)


ORACLES: dict[str, Oracle] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "abs": abs,
    "pow": mp.power,
    "greater": lambda a, b: mp.mpf(a > b),
    "equal": lambda a, b: mp.mpf(a == b),
    "where": lambda c, a, b: a if c != 0 else b,
    "quotient": lambda a, b: a / b if b else a * mp.inf,
    "exp2": lambda a: mp.power(2, a),
    "log2": lambda a: mp.log(a) / mp.log(2),
    "atan2": _atan2,
    "cbrt": lambda a: mp.sign(a) * mp.cbrt(abs(a)),  # mpmath's own takes the complex root of −8
    "erfc": _erfc,
    "sum": lambda *xs: mp.fsum(xs),
    "mean": lambda *xs: mp.fsum(xs) / len(xs),
    "prod": lambda *xs: mp.fprod(xs),
    "dot": _dot,
    "logsumexp": _log_sum_exp,
    "minimum": lambda *xs: min(xs),
    "maximum": lambda *xs: max(xs),
    "hypot": lambda *xs: mp.sqrt(mp.fsum(xs, squared=True)),
    "relu": lambda a: max(a, mp.mpf(0)),
    "leaky_relu": lambda a, slope: a if a > 0 else slope * a,
    "elu": lambda a, alpha: a if a > 0 else alpha * mp.expm1(a),
    # The constants of "Self-Normalizing Neural Networks", as far as a float goes.
    "selu": lambda a: mp.mpf(1.0507009873554804934) * (a if a > 0 else 1.6732632423543772848 * mp.expm1(a)),
    "softplus": _softplus,
    "silu": lambda a: a / (1 + mp.exp(-a)),
    "gelu": lambda a: a * _erfc(-a / mp.sqrt(2)) / 2,
    "softsign": lambda a: a / (1 + abs(a)),
    "hardtanh": lambda a: max(mp.mpf(-1), min(a, mp.mpf(1))),
    "clip": lambda a, low, high: min(max(a, low), high),
    "half_squared_error": _half_squared_error,
    "binary_cross_entropy": _binary_cross_entropy_loss,
    "binary_cross_entropy_with_logits": lambda z, t: t * _softplus(-z) + (1 - t) * _softplus(z),
    "cross_entropy": lambda *operands: _log_sum_exp(
        *(z - operands[int(operands[-1])] for z in operands[:-1])
    ),
    "mod": _mod,
    "floor_div": _floor_div,
    "square": lambda a: a * a,
    "degrees": lambda a: a * 180 / mp.pi,
    "radians": lambda a: a * mp.pi / 180,
    "sinc": _sinc,
    "log_sigmoid": lambda a: -_softplus(-a),
    "logit": lambda p: mp.log(p) - mp.log1p(-p),
    "logaddexp": _log_sum_exp,
    "xlogy": lambda x, y: x * mp.log(y) if x else mp.mpf(0),
    # What rules ask for
    "share": lambda a, b: (a / b if b else a * mp.inf) if a else mp.mpf(0),
    "log_or_limit": lambda a: mp.log(a) if a > 0 else -mp.inf if a == 0 else mp.nan,
    "monomial": _monomial,
    "monomial_log": _monomial_log,
    "power_log": lambda a, b: mp.mpf(0) if a == 0 == b else _monomial_log(1, a, b, 0, 1),
    "one_minus_square": lambda a: 1 - a * a,
    "atan_slope": lambda a: 1 / (1 + a * a),
    "inverse_point": lambda a, b: a / (a * a + b * b) if a or b else mp.mpf(0),
    "direction": lambda a, rest: a / mp.sqrt(a * a + rest * rest) if a or rest else mp.mpf(0),
    "sigmoid_slope": _sigmoid_slope,
    "sigmoid_rest": lambda a, _: 1 / (1 + mp.exp(a)) if a < 2000 else mp.mpf(0),
    "sigmoid_bend": lambda a, _: -mp.tanh(a / 2),
    "tanh_slope": _tanh_slope,
}


def _is_plus_zero(x: float) -> bool:
    return x == 0 and math.copysign(1, x) > 0


#: Where a row is compared with its oracle, if not wherever its forward function is defined.
DOMAINS: dict[str, Callable[..., bool]] = {
    # mpmath has no −0; `test_negative_zero` looks at these two rows there.
    "quotient": lambda a, b: b != 0 or _is_plus_zero(b),
    "atan2": lambda y, x: (y != 0 or _is_plus_zero(y)) and (x != 0 or _is_plus_zero(x)),
    # Factors are multiplied from left to right, as by `math.prod`: where all huge or all tiny ones
    # together leave the range of a float, the result may depend on their order.
    "prod": lambda *xs: sum(abs(math.frexp(x)[1]) for x in xs) < 1000,
    # In its derivative b·aᵇ/a, b·aᵇ is infinite within a factor b of where aᵇ is refused.
    "pow": lambda a, b: a == 0 or b == 0 or math.log(abs(a)) * b + math.log(abs(b)) < 709.7,
    # The second operand is the result of the function, of which this is the derivative.
    "sigmoid_slope": lambda a, y: y == sigmoid(a),
    "sigmoid_rest": lambda a, y: y == sigmoid(a),
    "sigmoid_bend": lambda a, y: y == sigmoid(a),
    "tanh_slope": lambda a, y: y == math.tanh(a),
    # The last operands are whole numbers.
    "monomial": lambda c, a, b, k: k in range(4) and _is_power(c, a, b),
    "monomial_log": lambda c, a, b, k, n: k in range(4) and n in range(4) and _is_power(c, a, b),
    "power_log": lambda a, b: _is_power(1.0, a, b),
    "share": lambda a, b: b != 0 or _is_plus_zero(b),
    "log_or_limit": lambda a: a >= 0,
    "inverse_point": lambda a, b: math.hypot(a, b) == 0 or 1e-75 < math.hypot(a, b) < 1e75,
    "direction": lambda a, rest: not 0 < math.hypot(a, rest) < 1e-290,
    # The derivatives p·(1 − p) and out/(p·(1 − p)) leave the range of a float.
    "logit": lambda p: p > 1e-150,
    # Targets are defined from 0 to 1.
    "binary_cross_entropy": lambda p, t: 0 <= t <= 1,
    "binary_cross_entropy_with_logits": lambda z, t: 0 <= t <= 1,
    # The last operand is the index of a class.
    "cross_entropy": lambda *operands: operands[-1] in range(len(operands) - 1),
}


def _is_power(c: float, a: float, b: float) -> bool:
    """Whether a row of the derivatives of aᵇ is used here: a ≤ 0 is looked at with aᵇ itself."""
    return (
        (1e-60 < a < 1e60 and a != 1 and abs(b) < 1e3)
        and c != 0
        and abs(math.log(abs(c))) + abs(math.log(a)) * (abs(b) + 5) < 690
    )


def oracle(op: Op) -> Oracle:
    if op.name.startswith("sinc_derivative("):
        order = int(op.name[len("sinc_derivative(") : -1])
        return lambda x: _sinc(x, order)
    if op.name.startswith("power("):
        exponent = mp.mpf(float(op.name[len("power(") : -1]))
        return lambda a: mp.power(a, exponent)
    function: Oracle | None = ORACLES.get(op.name) or getattr(mp, op.name, None)
    if function is None:
        raise LookupError(
            f"mpmath has no function {op.name}: write what this row means to ORACLES in {__name__}.py"
        )
    return function


# ── Kinks and infinite derivatives ────────────────────────────────────────────────────────────────────
# For each row, the derivatives by its operands at special points; None where nothing is special and the
# oracle can be differentiated.

Expected = Sequence[float | None]


def _by_share(extremum: Callable[..., float]) -> Callable[..., Expected]:
    def expected(*xs: float) -> Expected:
        ties = xs.count(extremum(xs))
        return [None] * len(xs) if ties == 1 else [(x == extremum(xs)) / ties for x in xs]

    return expected


def _clip(a: float, low: float, high: float) -> Expected:
    if low > high:
        return [0, 0, 1]
    if a in (low, high) or low == high:
        return [low <= a <= high, a < low, a > high]
    return [None, None, None]


def _pow(a: float, b: float) -> Expected:
    if a < 0:
        return [None, nan]  # aᵇ is real at single points b only
    if a == 0:
        return [1 if b == 1 else inf if 0 < b < 1 else 0, 0]
    return [None, None]


def _infinite_at_ends(sign: float) -> Callable[[float], Expected]:
    return lambda a: [sign * inf if abs(a) == 1 else None]


def _binary_cross_entropy(p: float, t: float) -> Expected:
    # At the ends of [0, 1] the loss is defined for the agreeing target only; the derivatives are
    # those from the inside.
    return [None, inf if p == 0 else -inf if p == 1 else None]


def _share(a: float, b: float) -> Expected:
    return [None, None] if b else [inf, -a * inf if a else 0]


def _xlogy(x: float, y: float) -> Expected:
    if x == 0 and y <= 0:
        return [nan if y else -inf, 0]
    return [None, None]


def _nan_at_origin(*xs: float) -> Expected:
    return [None if any(xs) else nan] * len(xs)


CONVENTIONS: dict[str, Callable[..., Expected]] = {
    "mod": lambda a, b: [1, float(-_floor_div(mp.mpf(a), mp.mpf(b)))],
    "floor_div": lambda a, b: [0, 0],
    "share": _share,
    "xlogy": _xlogy,
    "log_or_limit": lambda a: [None if a > 0 else 1 / a if a else inf],
    "inverse_point": _nan_at_origin,
    "direction": _nan_at_origin,
    "monomial_log": lambda c, a, b, k, n: [None, None, None, None, 0],
    "abs": lambda a: [0 if a == 0 else None],
    "sign": lambda a: [0],
    "greater": lambda a, b: [0, 0],
    "equal": lambda a, b: [0, 0],
    "where": lambda c, a, b: [0, None, None],
    "pow": _pow,
    "quotient": lambda a, b: [None, None] if b else [inf, -a * inf],
    "sqrt": lambda a: [inf if a == 0 else None],
    "cbrt": lambda a: [inf if a == 0 else None],
    "asin": _infinite_at_ends(1),
    "acos": _infinite_at_ends(-1),
    "acosh": lambda a: [inf if a == 1 else None],
    "atan2": lambda y, x: [None, None] if y else [1 / x if x else 0, 0],  # y = 0: across the cut too
    "hypot": lambda *xs: [None if any(xs) else 0] * len(xs),
    "minimum": _by_share(min),
    "maximum": _by_share(max),
    "relu": lambda a: [0 if a == 0 else None],
    "leaky_relu": lambda a, slope: [slope, 0] if a == 0 else [None, None],
    "elu": lambda a, alpha: [alpha, 0] if a == 0 else [None, None],
    "selu": lambda a: [1.0507009873554805 * 1.6732632423543772 if a == 0 else None],
    "hardtanh": lambda a: [0 if abs(a) == 1 else None],
    "clip": _clip,
    "binary_cross_entropy": _binary_cross_entropy,
    "cross_entropy": lambda *operands: [*[None] * (len(operands) - 1), 0],
}


def convention(op: Op, xs: Sequence[float]) -> Expected:
    if op.name.startswith("power(") and not any(xs):
        c = float(op.name[len("power(") : -1])
        return [inf if 0 < c < 1 else float(c == 1)]  # the derivative from the right
    special = CONVENTIONS.get(op.name)
    return special(*xs) if special else [None] * len(xs)


def derivative(f: Oracle, xs: Sequence[float], *by: int) -> Any:
    """∂f at xs by the operands of these indices, by `mpmath.diff`: 18 digits, however small it is."""
    order, orders = len(by), tuple(by.count(i) for i in range(len(xs)))
    scales = [0, *(mp.mag(x) for x in xs if x)]
    step = min(scales) - 120
    if f is ORACLES["pow"]:
        step -= max(scales)  # aᵇ varies on the scale of a/b
    bits = 100 + max(scales) - step
    while True:
        with mp.workprec(bits):
            h = mp.ldexp(1, step)
            size = max(abs(f(*map(mp.mpf, xs))), abs(f(*(mp.mpf(x) + h for x in xs))))
            result = mp.diff(f, [mp.mpf(x) for x in xs], orders, h=h)
        # For each operand, mpmath works with more than (order + 1)·bits; 2⁻¹¹⁴⁰ is far below the smallest
        # float.
        noise = mp.mag(size) - order * step - (max(orders, default=0) + 1) * bits
        if noise < max(mp.mag(result) - 60, -1140):
            return result
        bits *= 2


def sensitivity(f: Oracle, xs: Sequence[float], *by: int) -> Any:
    """Σ |xⱼ · ∂g/∂xⱼ|, where g is that derivative of f, or f itself.

    A relative error ε in every operand moves g by ε times this much.
    """
    return sum(abs(x * derivative(f, xs, *by, j)) for j, x in enumerate(xs))
