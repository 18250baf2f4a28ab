"""The op table: every primitive operation, once.

An operation is one row: its name, its symbol in a picture, how its number is made (``forward``), its
local derivatives (``partials``), and how it is written as text and as LaTeX.

``partials(out, a, b, …)`` gets the result first, then the operands, and returns the derivative of the
result by each operand. Such a rule is ordinary arithmetic and calls of other rows, so it is written once
and read in several ways: numbers in, numbers out, and it gives the local derivatives of the backward
pass; Values in, and it gives the graph of the derivative, to be differentiated again, printed or
compiled.

Five habits keep the rules right, at every order and in every tail:

* A rule uses the result where that is cheaper and more exact: (eᵃ)′ is ``out``.
* A rule never branches with ``if``: a graph could not remember that. It asks ``greater``, ``equal``,
  ``sign`` and ``where``, which are operations too.
* A rule is differentiated again, so each of its operations must have the right derivative, too. A guard
  against 0/0 or 0·log 0 is therefore no part of a rule, but of the forward function of a row made for it:
  ``share``, ``monomial``, ``direction``.
* Where digits would cancel (1 − y where y is next to 1), a rule calls a row that is computed from the
  operand. Its ``book`` form, y(1 − y), is how it is written.
* Where a derivative is infinite (√a at 0), a rule divides with ``quotient``, which gives the infinity
  that Python's ``/`` refuses.

At a kink the derivative is a convention, and the next derivatives are exactly those of this convention:

* relu′(0) = 0, abs′(0) = 0, hardtanh′(±1) = 0, and 0 at every further order. clip passes its operand
  at both bounds. Where several operands of ``minimum`` or ``maximum`` tie, they share the derivative
  equally.
* leaky_relu, elu and selu at 0 are those of the left side, at every order.
* The gradients of hypot and atan2 at the origin are 0. There is no second derivative there: it is nan.
* A comparison, ``sign`` and ``floor_div`` have the derivative 0, also where they jump. The derivative of
  a mod b by a is 1, and by b −⌊a/b⌋, also where mod jumps.
* The derivative of aᵇ by b is 0 at a = b = 0.

All these are PyTorch's, but for hypot, of which PyTorch gives nan, and for elu and selu, of which the
second derivative at 0 is JAX's.
"""

import functools
import inspect
import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from weakref import WeakValueDictionary

from microgradlike.checks import real
from microgradlike.notation import Template, each, fill, function_call, half_squares, pairs


@dataclass(frozen=True, eq=False, repr=False)
class Op:
    """One row of the table; how ``text`` and ``latex`` are written is said in `microgradlike.notation`."""

    name: str
    symbol: str
    forward: Callable[..., float]
    partials: Callable[..., tuple[Any, ...]]
    text: Template
    latex: Template
    binding: str = "!"
    latex_binding: str = ""  # if not the same
    composed: bool = False  # forward is made of other rows, so that a reading may take it apart
    # The same in the book's form, for a row that is computed in a more exact one. Its operands are those
    # of a function and the function's result, and the book needs the result alone.
    book: Callable[[Any], Any] | None = None

    def __call__(self, *operands: Any) -> Any:
        """Apply it: to plain numbers, which gives a number, or where a Value is among them, a Value."""
        others = False
        for operand in operands:
            if type(operand) is not float:
                if hasattr(operand, "apply"):
                    return operand.apply(self, operands)
                others = True
        try:
            if others:  # numpy's whole numbers would go round where they are too large for their type
                operands = tuple(map(real, operands))
            return float(self.forward(*operands))
        except (TypeError, ValueError, ArithmeticError) as error:
            raise type(error)(self._refusal(operands, error)) from None

    @functools.cached_property
    def arity(self) -> int | None:
        """The number of operands; None if any number will do."""
        _, *operands = inspect.signature(self.partials).parameters.values()
        variadic = any(operand.kind is operand.VAR_POSITIONAL for operand in operands)
        return None if variadic else len(operands)

    def write(
        self, operands: Sequence[tuple[str, str]], *, latex: bool = False, brief: bool = False
    ) -> tuple[str, str]:
        """The expression over written operands; each is a pair of its text and its binding.

        In brief it has no signs that a reader does without; see `notation.fill`.

        >>> mul.write([("a + b", "+"), ("c", "!")])
        ('(a + b)·c', '*')
        """
        template, binding = (
            (self.latex, self.latex_binding or self.binding) if latex else (self.text, self.binding)
        )
        if self.name == "neg" and operands[0][1] == "/":  # −a / b is a quotient, too
            binding = "/"
        return fill(template, operands, latex=latex, brief=brief), binding

    def _refusal(self, operands: Sequence[Any], error: Exception) -> str:
        """What to say of plain operands that forward refuses."""
        if isinstance(error, TypeError):
            for operand in operands:
                try:
                    real(operand, self.name if self.arity == 1 else "Value")
                except TypeError as refusal:
                    return f"{self.name}: {refusal}"
            return f"{self.name} takes other operands than {', '.join(map(repr, operands))}"
        try:
            numbers = [*map(float, operands)]
        except OverflowError:  # of an int
            return str(error)
        if not numbers:
            return str(error)
        return self.refused([*map(written, numbers)], error, 200)

    def refused(
        self, operands: Sequence[tuple[str, str]], error: Exception, most: int | None = None
    ) -> str:
        """What to say of written operands that forward refuses, of the expression so many letters at most."""
        text, _ = self.write(operands)
        problem = "too large for a float" if isinstance(error, OverflowError) else "undefined"
        return f"{text[:most]} is {problem}"

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __reduce__(self) -> tuple[Callable[..., "Op"], tuple[Any, ...]]:
        return named, (self.name,)


def written(number: float) -> tuple[str, str]:
    """A number as `Op.write` takes an operand."""
    return repr(number), "+" if number < 0 else "!"


def _row(
    name: str,
    forward: Callable[..., float],
    partials: Callable[..., tuple[Any, ...]],
    symbol: str = "",
    text: Template = "",
    latex: Template = "",
    *,
    binding: str = "!",
    latex_binding: str = "",
    composed: bool = False,
    book: Callable[[Any], Any] | None = None,
) -> Op:
    """A row; what is not said of its writing is that of a function call, name(a, b)."""
    call, latex_call = (text, latex) if text and latex else function_call(name)
    return Op(
        name,
        symbol or name,
        forward,
        partials,
        text or call,
        latex or latex_call,
        binding,
        latex_binding,
        composed,
        book,
    )


# ── Forward functions and rules that need more than a line ────────────────────────────────────────────


def _quotient(a: float, b: float) -> float:
    # What rules divide by is never negative, so a zero counts as positive, whatever its sign.
    return a / b if b else a * math.inf


def _pow(a: float, b: float) -> float:
    # float's own ** leaves the real line at (-8) ** (1/3); math.pow raises ValueError there. At zero
    # they differ only in the exception: 0 ** -1 is a ZeroDivisionError in Python.
    return math.pow(a, b) if a else float(a**b)


def _pow_partials(out: Any, a: Any, b: Any) -> tuple[Any, Any]:
    return monomial(b, a, b, 1.0), power_log(a, b)


def _monomial(c: float, a: float, b: float, k: float) -> float:
    # c·aᵇ⁻ᵏ, the k-th derivative of aᵇ by a: 0 where c is 0, and at a = 0 the limit from the right.
    exponent = b - k
    if c == 0:
        return 0.0
    if a == 0:
        if exponent > 0:
            return 0.0
        return c if exponent == 0 else c * math.inf
    if a < 0:
        if b % 1 != 0 or k % 1 != 0:
            return math.nan
        if b % 2 != k % 2:  # asked of b and k: where b is huge, b − k is rounded
            c = -c
        a = -a
    power = _positive_power(a, exponent)
    if 1e-290 < power < 1e290:
        return c * power
    root = _positive_power(a, exponent / 2)  # aᵇ⁻ᵏ leaves the range of a float, but c·aᵇ⁻ᵏ may not
    return c * root * root if root else root  # also where c, made of a large b, is infinite


def _positive_power(a: float, exponent: float) -> float:
    try:
        return math.pow(a, exponent)
    except OverflowError:
        return math.inf


def _monomial_partials(out: Any, c: Any, a: Any, b: Any, k: Any) -> tuple[Any, ...]:
    by_b = monomial_log(c, a, b, k, 1.0)
    return monomial(1.0, a, b, k), monomial(c * (b - k), a, b, k + 1), by_b, -by_b


def _monomial_log(c: float, a: float, b: float, k: float, n: float) -> float:
    # c·aᵇ⁻ᵏ·log(a)ⁿ, for whole n from 0 on
    if n == 0 or c == 0:
        return _monomial(c, a, b, k)
    if n % 1 != 0:
        return math.nan
    if n < 0:  # in n·log(a)ⁿ⁻¹ with n = 0, which is 0
        return 0.0
    if a > 0:
        log = math.log(a)
        power = _positive_power(math.fabs(log), n)
        return _monomial(-c * power if log < 0 and n % 2 else c * power, a, b, k)
    if a == 0:
        return 0.0 if b > k else c * (math.inf if b < k else 1.0) * (-math.inf) ** n
    return math.nan


def _monomial_log_partials(out: Any, c: Any, a: Any, b: Any, k: Any, n: Any) -> tuple[Any, ...]:
    by_a = monomial_log(c * (b - k), a, b, k + 1, n) + monomial_log(c * n, a, b, k + 1, n - 1)
    by_b = monomial_log(c, a, b, k, n + 1)
    return monomial_log(1.0, a, b, k, n), by_a, by_b, -by_b, 0.0


def _power_log(a: float, b: float) -> float:
    # aᵇ·log(a), but by convention 0 at a = b = 0
    return 0.0 if a == 0 == b else _monomial_log(1.0, a, b, 0.0, 1.0)


def _power_log_partials(out: Any, a: Any, b: Any) -> tuple[Any, Any]:
    return monomial(1.0, a, b, 1.0) + monomial_log(b, a, b, 1.0, 1.0), monomial_log(1.0, a, b, 0.0, 2.0)


def _share(a: float, b: float) -> float:
    return _quotient(a, b) if a else a  # 0 of 0 is 0


def _log_or_limit(a: float) -> float:
    if a > 0:
        return math.log(a)
    return -math.inf if a == 0 else math.nan


def _sign(a: float) -> float:
    return math.copysign(1.0, a) if a and not math.isnan(a) else a  # ±0 and nan are their own sign


def _sum(*terms: float) -> float:
    # Rounded once: the same bits in any order of the terms, and in any version of Python.
    try:
        return math.fsum(terms)
    except (OverflowError, ValueError):  # fsum's word for infinity on the way, and for inf − inf
        return _wide_sum(terms, (1.0,) * len(terms))


def _wide_sum(weights: Sequence[float], inputs: Sequence[float]) -> float:
    # Σ weight·input where a product, or a sum on the way, is too large: without any rounding but the last.
    if not all(map(math.isfinite, (*weights, *inputs))):
        total: float = functools.reduce(operator.add, map(operator.mul, weights, inputs))
        return total
    exact = functools.reduce(operator.add, (Fraction(a) * Fraction(b) for a, b in zip(weights, inputs)))
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def _mean(*operands: float) -> float:
    n = len(operands)
    mean = _sum(*operands) / n
    return mean if math.isfinite(mean) else _sum(*(a / n for a in operands))


def _prod(*operands: float) -> float:
    product = math.prod(operands, start=1.0)
    least = math.prod(min(math.fabs(a), 1.0) for a in operands)  # of all products on the way
    return product if least >= _SMALLEST_NORMAL and math.fabs(product) < math.inf else _wide_prod(operands)


def _wide_prod(operands: Sequence[float]) -> float:
    # Where a product on the way leaves the range of a float: mantissas and exponents apart.
    if not all(map(math.isfinite, operands)):
        return math.prod(operands, start=1.0)
    mantissa, exponent = 1.0, 0
    for operand in operands:
        part, power = math.frexp(operand)
        mantissa, more = math.frexp(mantissa * part)
        exponent += power + more
    try:
        return math.ldexp(mantissa, exponent)
    except OverflowError:
        return math.copysign(math.inf, mantissa)


def _dot(*operands: float) -> float:
    n = len(operands) // 2
    weights = operands[:n] + (1.0,)  # noqa: RUF005  # a bias, if there is one, counts as 1 · bias
    inputs = operands[n:]
    try:
        return math.fsum(map(operator.mul, weights, inputs))
    except (OverflowError, ValueError):  # as in _sum, which this repeats to be fast
        return _wide_sum(weights, inputs)


def _dot_partials(out: Any, *operands: Any) -> tuple[Any, ...]:
    n = len(operands) // 2
    if len(operands) % 2:  # there is a bias
        return operands[n:-1] + operands[:n] + (1.0,)
    return operands[n:] + operands[:n]


def _prod_partials(out: Any, *operands: Any) -> tuple[Any, ...]:
    # The product of all the others, without a division, which a zero among them would break.
    if len(operands) <= _FEW:
        return tuple(prod(*operands[:i], *operands[i + 1 :]) for i in range(len(operands)))
    return tuple(before * after for before, after in _before_and_after(mul, 1.0, operands))


def _before_and_after(op: Op, start: float, operands: Sequence[Any]) -> list[tuple[Any, Any]]:
    # For each operand what op makes of those before it, and of those after it, in a number of steps that
    # grows with the number of operands, not with its square.
    before, after = [start], [start]
    for operand in operands[:-1]:
        before.append(op(before[-1], operand))
    for operand in operands[:0:-1]:
        after.append(op(operand, after[-1]))
    return [*zip(before, reversed(after))]


def _maximum(*operands: float) -> float:
    return math.nan if any(map(math.isnan, operands)) else max(operands)


def _minimum(*operands: float) -> float:
    return math.nan if any(map(math.isnan, operands)) else min(operands)


def _extremum_partials(out: Any, *operands: Any) -> tuple[Any, ...]:
    chosen = [equal(a, out) for a in operands]
    ties = sum(*chosen)
    return tuple(quotient(c, ties) for c in chosen)


def _hypot_partials(out: Any, *operands: Any) -> tuple[Any, ...]:
    if len(operands) == 1:
        return (sign(operands[0]),)
    if len(operands) == 2:
        a, b = operands
        return direction(a, b), direction(b, a)
    rests = [hypot(*pair) for pair in _before_and_after(hypot, 0.0, operands)]
    return tuple(map(direction, operands, rests))


def _direction(a: Any, rest: Any) -> Any:
    # a/√(a² + rest²): with the length of all other operands as an operand of its own, the derivatives
    # rest²/r³ and −a·rest/r³ are no differences. By convention 0 at the origin.
    return share(a, hypot(a, rest))


def _direction_partials(out: Any, a: Any, rest: Any) -> tuple[Any, Any]:
    r = hypot(a, rest)
    part = quotient(rest, r)
    curve = quotient(part, r)
    return part * curve, -quotient(a, r) * curve


def _inverse_point(a: Any, b: Any) -> Any:
    # a/(a² + b²), by convention 0 at the origin. Dividing twice by r = √(a² + b²) instead of once by r²
    # neither overflows nor underflows.
    r = hypot(a, b)
    if type(r) is float and 1e-150 < r < 1e150:
        return a / (r * r)  # where a is next to 0, a/r has lost its digits
    return share(share(a, r), r)


def _inverse_point_partials(out: Any, a: Any, b: Any) -> tuple[Any, Any]:
    r = hypot(a, b)
    x, y = quotient(a, r), quotient(b, r)
    return quotient(quotient(y * y - x * x, r), r), -2.0 * out * quotient(y, r)


def _logsumexp(*operands: float) -> float:
    # log Σ eᵃ = m + log(1 + Σ eᵃ⁻ᵐ), the second sum without the largest operand m: nothing overflows,
    # and log1p keeps the digits of what is small beside 1.
    m = _maximum(*operands)
    if not math.isfinite(m):
        return m
    rest = list(operands)
    rest.remove(m)
    return m + math.log1p(math.fsum(math.exp(a - m) for a in rest))


def _logsumexp_partials(out: Any, *operands: Any) -> tuple[Any, ...]:
    # eᵃ / Σ eᵃ, both divided by e to the largest operand. Of a share next to 1, the derivative is then
    # made of the shares of the others, and is no difference.
    largest = maximum(*operands)
    powers = [exp(a - largest) for a in operands]
    total = sum(*powers)
    return tuple(power / total for power in powers)


def _logaddexp_partials(out: Any, a: Any, b: Any) -> tuple[Any, ...]:
    return _logsumexp_partials(out, a, b)


def _sigmoid(a: float) -> float:
    if a >= 0.0:  # Python compares two floats sooner than a float and an int
        return 1.0 / (1.0 + math.exp(-a))
    e = math.exp(a)
    return e / (1.0 + e)


def _sigmoid_partials(out: Any, a: Any) -> tuple[Any]:
    # out·(1 − out), without the call of the row where out is far enough from 1.
    return (out * (1.0 - out),) if type(a) is float and a < FAR_SIGMOID else (sigmoid_slope(a, out),)


def _sigmoid_slope(a: float, out: float) -> float:
    # In σ(a)·(1 − σ(a)), 1 − σ(a) is σ(a)·e⁻ᵃ.
    return out * out * math.exp(-a) if a >= FAR_SIGMOID else out * (1.0 - out)


def _sigmoid_rest(a: float, out: float) -> float:
    return out * math.exp(-a) if a >= FAR_SIGMOID else 1.0 - out


def _tanh_partials(out: Any, a: Any) -> tuple[Any]:
    near = type(a) is float and -FAR_TANH < a < FAR_TANH
    return (1.0 - out * out,) if near else (tanh_slope(a, out),)


def _tanh_slope(a: float, out: float) -> float:
    # 1 − tanh²a = 4e²ᵃ / (e²ᵃ + 1)²
    if -FAR_TANH < a < FAR_TANH:
        return 1.0 - out * out
    e = math.exp(-2.0 * math.fabs(a))
    return 4.0 * e / ((1.0 + e) * (1.0 + e))


def _softplus(a: float) -> float:
    return a + math.log1p(math.exp(-a)) if a > 0 else math.log1p(math.exp(a))


def _relu(a: float) -> float:
    return 0.0 if a <= 0 else a


def _leaky_relu(a: float, slope: float) -> float:
    return a * slope if a <= 0 else a


def _elu(a: float, alpha: float) -> float:
    return alpha * math.expm1(a) if a <= 0 else a


def _elu_partials(out: Any, a: Any, alpha: Any) -> tuple[Any, Any]:
    left = _left_of_0(a)  # both sides are computed, and e⁸⁰⁰ on the unused one would be refused
    return where(greater(a, 0.0), 1.0, alpha * exp(left)), expm1(left)


def _left_of_0(a: Any) -> Any:
    # a, but 0 where a is positive. Unlike minimum(a, 0.0) its derivative at 0 is that of the left side.
    return where(greater(a, 0.0), 0.0, a)


def _selu(a: float) -> float:
    return _SELU_SCALE * _elu(a, _SELU_ALPHA)


def _silu(a: Any) -> Any:
    return a * sigmoid(a)


def _silu_partial(a: Any) -> Any:
    s = sigmoid(a)
    return s * (1 + a * sigmoid_rest(a, s))


def _gelu(a: float) -> float:
    return a * float(_normal_cdf(a))


def _normal_cdf(a: Any) -> Any:
    return 0.5 * erfc(-a / math.sqrt(2))


def _normal_pdf(a: Any) -> Any:
    return exp(-0.5 * a * a) / math.sqrt(2 * math.pi)


def _softsign(a: float) -> float:
    return a / (1 + math.fabs(a))


def _hardtanh(a: float) -> float:
    return _clip(a, -1.0, 1.0)


def _logit(p: Any) -> Any:
    # log(p / (1 − p)), which around ½ is 2·artanh(2p − 1)
    near = greater(0.25, abs(p - 0.5))
    return where(near, 2 * atanh(where(near, 2 * p - 1, 0.0)), log(p) - log1p(-p))


def _logit_partials(out: Any, p: Any) -> tuple[Any]:
    return (1 / (p * (1 - p)),)


def _xlogy(x: Any, y: Any) -> Any:
    zero = equal(x, 0.0) * equal(y, y)  # and y is not nan
    return x * log(where(zero, 1.0, y))


def _sinc_partials(out: Any, a: Any) -> tuple[Any]:
    return (sinc_derivative(1)(a),)


def _clip(a: float, low: float, high: float) -> float:
    return _minimum(_maximum(a, low), high)


def _clip_partials(out: Any, a: Any, low: Any, high: Any) -> tuple[Any, Any, Any]:
    above = greater(maximum(a, low), high)
    below = greater(low, a) * (1.0 - above)
    return 1.0 - below - above, below, above


def _half_squared_error(*operands: float) -> float:
    n = len(operands) // 2  # y₁, y₂, …, then t₁, t₂, …
    return _sum(*[0.5 * (y - t) * (y - t) for y, t in zip(operands[:n], operands[n:], strict=True)])


def _half_squared_error_partials(out: Any, *operands: Any) -> tuple[Any, ...]:
    n = len(operands) // 2
    y, t = operands[:n], operands[n:]
    return tuple(map(operator.sub, operands, t + y))


def _binary_cross_entropy(p: float, t: float) -> float:
    if p < 0 or p > 1 or t < 0 or t > 1:
        raise ValueError("p and t must be from 0 to 1")
    if math.isnan(t):
        return t
    # A sure target leaves one term: where p agrees with it, 0·log(0) must not be asked for.
    loss = 0.0
    if t > 0:
        loss -= t * math.log(p)
    if t < 1:
        loss -= (1 - t) * math.log1p(-p)
    return loss


def _binary_cross_entropy_partials(out: Any, p: Any, t: Any) -> tuple[Any, Any]:
    # By t it is log(1 − p) − log(p), infinite at a sure p.
    return share(1 - t, 1 - p) - share(t, p), log_or_limit(1 - p) - log_or_limit(p)


def _binary_cross_entropy_with_logits(z: float, t: float) -> float:
    return t * _softplus(-z) + (1 - t) * _softplus(z)


def _cross_entropy(*operands: Any) -> Any:
    # −log softmax(logits)[target] = log Σ eᶻ⁻ᵐ − gap. Neither term is negative, so nothing cancels; and
    # where the target is the largest itself, its share is 1, and log1p keeps the digits of all the others.
    chosen, gap, others = _shares(*operands)
    return where(sum(*chosen), log1p(sum(*others) + expm1(gap)) - gap, math.nan)


def _cross_entropy_partials(out: Any, *operands: Any) -> tuple[Any, ...]:
    # softmax(logits)ᵢ − [i is the target]; for the target minus the probability of the others.
    chosen, gap, others = _shares(*operands)
    rest = sum(*others)
    scale = 1.0 / (1.0 + (rest + expm1(gap)))
    return (*(_choose(c, -rest, other) * scale for c, other in zip(chosen, others)), 0.0)


def _shares(*operands: Any) -> tuple[Any, ...]:
    # Which logit is the target's; its gap z − m to the largest, m; and eᶻ⁻ᵐ of all others.
    *logits, target = operands
    largest = maximum(*logits)
    below = [z - largest for z in logits]
    chosen = [equal(target, float(i)) for i in range(len(logits))]
    gap = sum(*(_choose(c, z, 0.0) for c, z in zip(chosen, below)))
    return chosen, gap, [_choose(c, 0.0, exp(z)) for c, z in zip(chosen, below)]


def _choose(c: Any, a: Any, b: Any) -> Any:
    # where, but in less time for a number.
    return (a if c else b) if type(c) is float else where(c, a, b)


_LN2, _LN10 = math.log(2), math.log(10)
_SMALLEST_NORMAL = 2.0**-1022
_DEGREES, _RADIANS = 180 / math.pi, math.pi / 180  # of a radian, of a degree
_FEW = 8  # so many operands, and the rule of a product multiplies all the others for each
#: From here on, 1 − σ(a) and 1 − tanh²a, computed from the result, may lose more than a part of 10¹².
FAR_SIGMOID, FAR_TANH = 7.0, 4.0
_TINY_ANGLE, _SINC_TERMS = 1e-3, 20  # of the series of sinc
# SELU: Klambauer, Unterthiner, Mayr, Hochreiter, "Self-Normalizing Neural Networks" (2017).
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


# ── The table ─────────────────────────────────────────────────────────────────────────────────────────
# A table is read by its columns, so the formatter keeps off. Rules may mention rows further down.
sign: Op
greater: Op
where: Op
quotient: Op
share: Op
monomial: Op
monomial_log: Op
power_log: Op
log_or_limit: Op
cos: Op
cosh: Op
atan_slope: Op
one_minus_square: Op
hypot: Op
maximum: Op
direction: Op
inverse_point: Op
sigmoid_slope: Op
sigmoid_rest: Op
sigmoid_bend: Op
tanh_slope: Op
floor_div: Op

# fmt: off

# Arithmetic
add = _row("add", operator.add,     lambda out, a, b: (1.0, 1.0),        "+", "[0+] + [1+]", "[0+] + [1+]", binding="+")
sub = _row("sub", operator.sub,     lambda out, a, b: (1.0, -1.0),       "−", "[0+] − [1/]", "[0+] - [1/]", binding="+")
mul = _row("mul", operator.mul,     lambda out, a, b: (b, a),            "×", "[0*]·[1*]", r"[0*] \cdot [1*]", binding="*")
div = _row("div", operator.truediv, lambda out, a, b: (1 / b, -out / b), "÷", "[0*] / [1^]", r"\frac{[0]}{[1]}", binding="/", latex_binding="*")
neg = _row("neg", operator.neg,     lambda out, a: (-1.0,),              "−", "−[0/]", "-[0/]", binding="*")
abs = _row("abs", math.fabs,        lambda out, a: (sign(a),),           "|x|", "|[0]|", r"\left|[0]\right|")
mod = _row("mod", operator.mod,     lambda out, a, b: (1.0, -floor_div(a, b)))
pow = _row("pow", _pow,             _pow_partials,                       "xʸ", "[0!]^[1!]", "[0!]^{[1]}", binding="^")

# What rules use in place of `if` and of a division that may be by zero
sign     = _row("sign",     _sign,                            lambda out, a: (0.0,))
greater  = _row("greater",  lambda a, b: float(a > b),        lambda out, a, b: (0.0, 0.0), ">", "[[0] > [1]]", "[[0] > [1]]")
equal    = _row("equal",    lambda a, b: float(a == b),       lambda out, a, b: (0.0, 0.0), "=", "[[0] = [1]]", "[[0] = [1]]")
where    = _row("where",    lambda c, a, b: a if c else b,    lambda out, c, a, b: (0.0, where(c, 1.0, 0.0), where(c, 0.0, 1.0)))
quotient = _row("quotient", _quotient, lambda out, a, b: (quotient(1.0, b), -quotient(out, b)), "÷", "[0*] / [1^]", r"\frac{[0]}{[1]}", binding="/", latex_binding="*")
share    = _row("share",    _share,    lambda out, a, b: (quotient(1.0, b), -share(out, b)),    "÷", "[0*] / [1^]", r"\frac{[0]}{[1]}", binding="/", latex_binding="*")
floor_div = _row("floor_div", operator.floordiv, lambda out, a, b: (0.0, 0.0))
log_or_limit = _row("log_or_limit", _log_or_limit, lambda out, a: (quotient(1.0, a),), "log", "log([0])", r"\log\left([0]\right)")

# The derivatives of aᵇ: c·aᵇ⁻ᵏ, aᵇ·log(a), and c·aᵇ⁻ᵏ·log(a)ⁿ, of which k and n are whole numbers
monomial     = _row("monomial",     _monomial,     _monomial_partials,     "c·xʸ", "[0*]·[1!]^([2+] − [3/])", r"[0*] \cdot [1!]^{[2+] - [3/]}", binding="*")
power_log    = _row("power_log",    _power_log,    _power_log_partials,    "xʸ·log", "[0!]^[1!]·log([0])", r"[0!]^{[1]} \cdot \log\left([0]\right)", binding="*")
monomial_log = _row("monomial_log", _monomial_log, _monomial_log_partials, "c·xʸ·log", "[0*]·[1!]^([2+] − [3/])·log([1])^[4!]",
                    r"[0*] \cdot [1!]^{[2+] - [3/]} \cdot \log\left([1]\right)^{[4]}", binding="*")

# Exponentials, logarithms, roots
exp   = _row("exp",   math.exp,   lambda out, a: (out,), "eˣ")
exp2  = _row("exp2",  math.exp2,  lambda out, a: (out * _LN2,), "2ˣ")
expm1 = _row("expm1", math.expm1, lambda out, a: (exp(a),))
log   = _row("log",   math.log,   lambda out, a: (1 / a,))
log2  = _row("log2",  math.log2,  lambda out, a: (1 / _LN2 / a,), latex=r"\log_2\left([0]\right)")
log10 = _row("log10", math.log10, lambda out, a: (1 / _LN10 / a,), latex=r"\log_{10}\left([0]\right)")
log1p = _row("log1p", math.log1p, lambda out, a: (1 / (1 + a),))
sqrt  = _row("sqrt",  math.sqrt,  lambda out, a: (quotient(0.5, out),), "√", latex=r"\sqrt{[0]}")
cbrt  = _row("cbrt",  math.cbrt,  lambda out, a: (quotient(1 / 3, out * out),), "∛", latex=r"\sqrt[{3}]{[0]}")

# Trigonometric and hyperbolic functions
sin   = _row("sin",   math.sin,   lambda out, a: (cos(a),))
cos   = _row("cos",   math.cos,   lambda out, a: (-sin(a),))
tan   = _row("tan",   math.tan,   lambda out, a: (1 + out * out,))
asin  = _row("asin",  math.asin,  lambda out, a: (quotient(1.0, sqrt(one_minus_square(a))),))
acos  = _row("acos",  math.acos,  lambda out, a: (-quotient(1.0, sqrt(one_minus_square(a))),))
atan  = _row("atan",  math.atan,  lambda out, a: (atan_slope(a),))
atan2 = _row("atan2", math.atan2, lambda out, y, x: (inverse_point(x, y), -inverse_point(y, x)))
sinh  = _row("sinh",  math.sinh,  lambda out, a: (cosh(a),))
cosh  = _row("cosh",  math.cosh,  lambda out, a: (sinh(a),))
tanh  = _row("tanh",  math.tanh,  _tanh_partials)
asinh = _row("asinh", math.asinh, lambda out, a: (1 / hypot(a, 1.0),))
acosh = _row("acosh", math.acosh, lambda out, a: (quotient(1.0, sqrt(a - 1) * sqrt(a + 1)),))
atanh = _row("atanh", math.atanh, lambda out, a: (1 / one_minus_square(a),))
erf   = _row("erf",   math.erf,   lambda out, a: (2 / math.sqrt(math.pi) * exp(-a * a),))
erfc  = _row("erfc",  math.erfc,  lambda out, a: (-2 / math.sqrt(math.pi) * exp(-a * a),))

# … and of their derivatives
one_minus_square = _row("one_minus_square", lambda a: (1 - a) * (1 + a), lambda out, a: (-2 * a,), "1−x²", "(1 − [0/])·(1 + [0+])", r"\left(1 - [0/]\right) \cdot \left(1 + [0+]\right)", binding="*", composed=True)
atan_slope    = _row("atan_slope",    lambda a: 1 / (1 + a * a), lambda out, a: (-2 * (a * out) * out,), "atan′", "1 / (1 + [0*]·[0*])", r"\frac{1}{1 + [0*] \cdot [0*]}", binding="/", latex_binding="*", composed=True)
inverse_point = _row("inverse_point", _inverse_point, _inverse_point_partials, "x/r²", "[0*] / ([0!]² + [1!]²)", r"\frac{[0]}{[0!]^2 + [1!]^2}", binding="/", latex_binding="*", composed=True)
direction     = _row("direction",     _direction,     _direction_partials,     "x/r",  "[0*] / hypot([0], [1])", r"\frac{[0]}{\operatorname{hypot}\left([0], [1]\right)}", binding="/", latex_binding="*", composed=True)
tanh_slope    = _row("tanh_slope",    _tanh_slope, lambda out, a, y: (-2 * y * out, 0.0), "tanh′", "1 − [1*]·[1*]", r"1 - [1*] \cdot [1*]", binding="+", book=lambda y: 1.0 - y * y)

# Any number of operands
sum       = _row("sum",       _sum,       lambda out, *xs: (1.0,) * len(xs), "Σ", each("[%d+]", " + "), each("[%d+]", " + "), binding="+")
prod      = _row("prod",      _prod,      _prod_partials, "Π", each("[%d*]", "·"), each("[%d*]", r" \cdot "), binding="*")
dot       = _row("dot",       _dot,       _dot_partials, "w·x", pairs("·"), pairs("~"), binding="+")
mean      = _row("mean",      _mean,      lambda out, *xs: (1 / len(xs),) * len(xs))
logsumexp = _row("logsumexp", _logsumexp, _logsumexp_partials)
minimum   = _row("minimum",   _minimum,   _extremum_partials, "min")
maximum   = _row("maximum",   _maximum,   _extremum_partials, "max")
hypot     = _row("hypot",     math.hypot, _hypot_partials)

# Activations
sigmoid    = _row("sigmoid",    _sigmoid,    _sigmoid_partials, "σ", "σ([0])", r"\sigma\left([0]\right)")
relu       = _row("relu",       _relu,       lambda out, a: (greater(a, 0.0),))
leaky_relu = _row("leaky_relu", _leaky_relu, lambda out, a, slope: (where(greater(a, 0.0), 1.0, slope), _left_of_0(a)))
elu        = _row("elu",        _elu,        _elu_partials)
selu       = _row("selu",       _selu,       lambda out, a: (_SELU_SCALE * _elu_partials(out, a, _SELU_ALPHA)[0],))
softplus   = _row("softplus",   _softplus,   lambda out, a: (sigmoid(a),))
silu       = _row("silu",       _silu,       lambda out, a: (_silu_partial(a),), composed=True)
gelu       = _row("gelu",       _gelu,       lambda out, a: (_normal_cdf(a) + a * _normal_pdf(a),))
softsign   = _row("softsign",   _softsign,   lambda out, a: (1 / (1 + abs(a)) / (1 + abs(a)),))
hardtanh   = _row("hardtanh",   _hardtanh,   lambda out, a: (greater(1.0, abs(a)),))
clip       = _row("clip",       _clip,       _clip_partials)
log_sigmoid = _row("log_sigmoid", lambda a: -softplus(-a), lambda out, a: (sigmoid_rest(a, sigmoid(a)),), composed=True)
# … and of their derivatives
sigmoid_slope = _row("sigmoid_slope", _sigmoid_slope, lambda out, a, y: (out * sigmoid_bend(a, y), 0.0), "σ′", "[1*]·(1 − [1/])", r"[1*] \cdot \left(1 - [1/]\right)", binding="*", book=lambda y: y * (1.0 - y))
sigmoid_bend  = _row("sigmoid_bend",  lambda a, y: -math.tanh(0.5 * a), lambda out, a, y: (-2 * sigmoid_slope(a, y), 0.0), "1−2y", "1 − 2·[1*]", r"1 - 2 \cdot [1*]", binding="+", book=lambda y: 1.0 - 2.0 * y)
sigmoid_rest  = _row("sigmoid_rest",  _sigmoid_rest, lambda out, a, y: (-sigmoid_slope(a, y), 0.0), "1−y", "1 − [1/]", "1 - [1/]", binding="+", book=lambda y: 1.0 - y)

# Units, logarithms of probabilities
degrees   = _row("degrees",   lambda a: a * _DEGREES, lambda out, a: (_DEGREES,), "°", composed=True)
radians   = _row("radians",   lambda a: a * _RADIANS, lambda out, a: (_RADIANS,), composed=True)
logit     = _row("logit",     _logit, _logit_partials, composed=True)
logaddexp = _row("logaddexp", logsumexp, _logaddexp_partials, composed=True)
xlogy     = _row("xlogy",     _xlogy, lambda out, x, y: (log_or_limit(y), share(x, y)), "x·log", "[0*]·log([1])", r"[0*] \cdot \log\left([1]\right)", binding="*", composed=True)
square    = _row("square",    lambda a: a * a, lambda out, a: (2.0 * a,), "x²", "[0!]²", "[0!]^{2}", binding="^")
sinc      = _row("sinc",      lambda a: _sinc(a, 0), _sinc_partials, composed=True)

# Losses: one equation in a text, one node here. The first is the document's, of any number of predictions.
half_squared_error   = _row("half_squared_error",   _half_squared_error,   _half_squared_error_partials, "½(y−t)²",
                            half_squares("½", "(%s − %s)²"), half_squares(r"\tfrac{1}{2}", r"\left(%s - %s\right)^2"), binding="*")
binary_cross_entropy = _row("binary_cross_entropy", _binary_cross_entropy, _binary_cross_entropy_partials)
binary_cross_entropy_with_logits = _row("binary_cross_entropy_with_logits", _binary_cross_entropy_with_logits,
                                        lambda out, z, t: ((1 - t) * sigmoid(z) - t * sigmoid(-z), -z))
cross_entropy = _row("cross_entropy", _cross_entropy, _cross_entropy_partials, composed=True)
# fmt: on


_TEN, _TEN_IN_LATEX = r"e\+?(-?)0*(\d+)", r" \\cdot 10^{\1\2}"  # 1e+20


_powers: WeakValueDictionary[float, Op] = WeakValueDictionary()  # those that a graph somewhere has


@functools.lru_cache(256)
def power(c: float) -> Op:
    """The operation aᶜ for a constant exponent c: a row of its own for each c, with one operand.

    A constant exponent needs no log(a), which a² at a = −1 must not ask for.
    """
    return _powers.get(c) or _powers.setdefault(c, _power(c))


def _power(c: float) -> Op:
    def partials(out: Any, a: Any) -> tuple[Any]:
        # c·aᶜ⁻¹, in the form that stays finite and defined wherever aᶜ is.
        if c == 0:
            return (0.0,)
        if c == 1:
            return (1.0,)
        if c == 2:
            return (2.0 * a,)
        if c > 1:
            return (c * power(c - 1)(a),)
        if c > 0:
            return (quotient(c, power(1 - c)(a)),)
        return (c * out / a,)

    number = repr(c).removesuffix(".0")
    if number.removeprefix("-").isdecimal():
        exponent = number.translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    else:
        exponent = f"^{number}" if c > 0 else f"^({number.replace('-', '−')})"
    return Op(
        name=f"power({number})",
        symbol="x" + exponent,
        forward=lambda a: _pow(a, c),
        partials=partials,
        text="[0!]" + exponent,
        latex=f"[0!]^{{{re.sub(_TEN, _TEN_IN_LATEX, number)}}}",
        binding="^",
    )


@functools.lru_cache(16)
def sinc_derivative(n: int) -> Op:
    """The n-th derivative of `sinc`, n from 1 on: a row of its own for each n."""
    primes = "sinc" + "′" * n
    return Op(
        name=f"sinc_derivative({n})",
        symbol=primes,
        forward=lambda a: _sinc(a, n),
        partials=lambda out, a: (sinc_derivative(n + 1)(a),),
        text=f"{primes}([0])",
        latex=r"\operatorname{sinc}" + "'" * n + r"\left([0]\right)",
        composed=True,
    )


def _sinc(a: Any, n: int) -> Any:
    # sin(πa)/(πa) and its derivatives f₁, f₂, …: where a is large, by a·fₙ + n·fₙ₋₁ = πⁿ⁻¹·sin⁽ⁿ⁾(πa); near
    # 0, where that is a difference, by the series Σ (−1)ᵏ(πa)²ᵏ/(2k + 1)!
    near = greater(1.0 if n else _TINY_ANGLE, abs(a))
    turns = floor_div(a + 0.5, 1.0)
    angle = a - turns  # from −½ to ½, and no digit is lost: sin(πa) is 0 at whole numbers
    flip = 1.0 - 2.0 * mod(turns, 2.0)
    sine, cosine = flip * sin(math.pi * angle), flip * sin(math.pi * (0.5 - abs(angle)))
    divisor = where(near, 1.0, a)
    result = sine / (math.pi * divisor)
    for k in range(1, n + 1):
        rotated = (sine, cosine, -sine, -cosine)[k % 4]
        result = (math.pi ** (k - 1) * rotated - k * result) / divisor
    series, square = 0.0, where(near, a * a, 0.0)
    for k in range(_SINC_TERMS, (n + 1) // 2 - 1, -1):
        falling = math.perm(2 * k, n) / math.factorial(2 * k + 1)  # of (a²ᵏ)⁽ⁿ⁾
        series = series * square + (-1) ** k * math.pi ** (2 * k) * falling
    return where(near, series * a if n % 2 else series, result)


OPS: dict[str, Op] = {value.name: value for value in list(globals().values()) if isinstance(value, Op)}


def named(name: str) -> Op:
    """The row of that name.

    >>> named("tanh") is tanh
    True
    """
    if name.startswith("power("):
        return power(float(name[len("power(") : -1]))
    if name.startswith("sinc_derivative("):
        return sinc_derivative(int(name[len("sinc_derivative(") : -1]))
    return OPS[name]
