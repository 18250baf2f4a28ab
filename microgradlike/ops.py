"""The op table: every primitive operation, once.

An operation is one row: its name, its symbol in a picture, how its number is made (``forward``), its
local derivatives (``partials``), and how it is written as text and as LaTeX.

``partials(out, a, b, …)`` gets the result first, then the operands, and returns the derivative of the
result by each operand. Such a rule is ordinary arithmetic and calls of other rows, so it is written once
and read in several ways: numbers in, numbers out, and it gives the local derivatives of the backward
pass; Values in, and it gives the graph of the derivative, to be differentiated again, printed or
compiled.

Three habits keep the rules right:

* A rule uses the result where that is cheaper and more exact: (eᵃ)′ is ``out``.
* A rule never branches with ``if``: a graph could not remember that. It asks ``greater``, ``equal``,
  ``sign`` and ``where``, which are operations too.
* Where a derivative is infinite (√a at 0), a rule divides with ``quotient``, which gives the infinity
  that Python's ``/`` refuses.

At a kink the derivative is a convention: relu′(0) = 0, abs′(0) = 0, hypot′ at the origin is 0; where
several operands of ``minimum`` or ``maximum`` tie, they share the derivative equally.
"""

import functools
import inspect
import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

    def __call__(self, *operands: Any) -> Any:
        """Apply it: to plain numbers, which gives a number, or where a Value is among them, a Value."""
        others = False
        for operand in operands:
            if not isinstance(operand, float):
                if hasattr(operand, "apply"):
                    return operand.apply(self, operands)
                others = True
        try:
            if (
                others
            ):  # first, since numpy's whole numbers go round where they are too large for their type
                return float(self.forward(*map(real, operands)))
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
    # b·aᵇ⁻¹ = b·out/a and out·log(a), but at a = 0 their limits, since 0/0 and log(0) say nothing.
    zero = equal(a, 0.0)
    at_zero = where(equal(b, 1.0), 1.0, where(greater(1.0, b) * greater(b, 0.0), math.inf, 0.0))
    by_base = where(zero, at_zero, b * out / (a + zero))
    positive = greater(a, 0.0)
    log_a = log(where(positive, a, 1.0))
    by_exponent = out * where(positive, log_a, where(zero, 0.0, math.nan))
    return by_base, by_exponent


def _sign(a: float) -> float:
    return math.copysign(1.0, a) if a and not math.isnan(a) else a  # ±0 and nan are their own sign


def _sum(*terms: float) -> float:
    # Rounded once: the same bits in any order of the terms, and in any version of Python.
    try:
        return math.fsum(terms)
    except (OverflowError, ValueError):  # fsum's word for infinity, and for inf − inf
        return functools.reduce(operator.add, terms)


def _mean(*operands: float) -> float:
    n = len(operands)
    mean = _sum(*operands) / n
    return mean if math.isfinite(mean) else _sum(*(a / n for a in operands))


def _prod(*operands: float) -> float:
    return math.prod(operands, start=1.0)


def _dot(*operands: float) -> float:
    n = len(operands) // 2
    weights = operands[:n] + (1.0,)  # noqa: RUF005  # a bias, if there is one, counts as 1 · bias
    inputs = operands[n:]
    try:
        return math.fsum(map(operator.mul, weights, inputs))
    except (OverflowError, ValueError):  # as in _sum, which this repeats to be fast
        return _sum(*map(operator.mul, weights, inputs))


def _dot_partials(out: Any, *operands: Any) -> tuple[Any, ...]:
    n = len(operands) // 2
    if len(operands) % 2:  # there is a bias
        return operands[n:-1] + operands[:n] + (1.0,)
    return operands[n:] + operands[:n]


def _prod_partials(out: Any, *operands: Any) -> tuple[Any, ...]:
    # The product of all the others, without a division, which a zero among them would break.
    before: list[Any] = [1.0]
    for operand in operands[:-1]:
        before.append(before[-1] * operand)
    partials, after = [], 1.0
    for product, operand in zip(reversed(before), reversed(operands), strict=True):
        partials.append(product * after)
        after = operand * after
    return tuple(reversed(partials))


def _maximum(*operands: float) -> float:
    return math.nan if any(map(math.isnan, operands)) else max(operands)


def _minimum(*operands: float) -> float:
    return math.nan if any(map(math.isnan, operands)) else min(operands)


def _extremum_partials(out: Any, *operands: Any) -> tuple[Any, ...]:
    chosen = [equal(a, out) for a in operands]
    ties = sum(*chosen)
    return tuple(quotient(c, ties) for c in chosen)


def _hypot_partials(out: Any, *operands: Any) -> tuple[Any, ...]:
    length = out + equal(out, 0.0)  # 1 at the origin, so that the derivative there is 0
    return tuple(a / length for a in operands)


def _atan2_partials(out: Any, y: Any, x: Any) -> tuple[Any, Any]:
    r = hypot(y, x)  # dividing twice by r instead of once by r² neither overflows nor underflows
    length = r + equal(r, 0.0)
    return x / length / length, -(y / length) / length


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
    # eᵃ⁻ᵒᵘᵗ. Beside large operands `out` is rounded coarsely; that error is common to all of them, and
    # dividing by their sum takes it away.
    shares = [exp(a - out) for a in operands]
    total = sum(*shares)
    return tuple(share / total for share in shares)


def _sigmoid(a: float) -> float:
    if a >= 0.0:  # Python compares two floats sooner than a float and an int
        return 1.0 / (1.0 + math.exp(-a))
    e = math.exp(a)
    return e / (1.0 + e)


def _softplus(a: float) -> float:
    return a + math.log1p(math.exp(-a)) if a > 0 else math.log1p(math.exp(a))


def _relu(a: float) -> float:
    return 0.0 if a <= 0 else a


def _leaky_relu(a: float, slope: float) -> float:
    return a * slope if a <= 0 else a


def _elu(a: float, alpha: float) -> float:
    return alpha * math.expm1(a) if a <= 0 else a


def _elu_partials(out: Any, a: Any, alpha: Any) -> tuple[Any, Any]:
    left = minimum(a, 0.0)  # both sides are computed, and e⁸⁰⁰ on the unused one would be refused
    return where(greater(a, 0.0), 1.0, alpha * exp(left)), expm1(left)


def _selu(a: float) -> float:
    return _SELU_SCALE * _elu(a, _SELU_ALPHA)


def _silu(a: Any) -> Any:
    return a * sigmoid(a)


def _silu_partial(a: Any) -> Any:
    s = sigmoid(a)
    return s * (1 + a * (1 - s))


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
    def share(part: Any, probability: Any) -> Any:  # 0 where both are 0
        return quotient(part, probability + equal(part, 0.0))

    # By t it is log(1 − p) − log(p), infinite at a sure p, where log(0) must not be asked for.
    zero, one = equal(p, 0.0), equal(p, 1.0)
    inside = where(zero + one, 0.5, p)
    by_t = where(zero, math.inf, where(one, -math.inf, log1p(-inside) - log(inside)))
    return share(1 - t, 1 - p) - share(t, p), by_t


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
# SELU: Klambauer, Unterthiner, Mayr, Hochreiter, "Self-Normalizing Neural Networks" (2017).
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


# ── The table ─────────────────────────────────────────────────────────────────────────────────────────
# A table is read by its columns, so the formatter keeps off. Rules may mention rows further down.
sign: Op
where: Op
quotient: Op
cos: Op
cosh: Op
hypot: Op

# fmt: off

# Arithmetic
add = _row("add", operator.add,     lambda out, a, b: (1.0, 1.0),        "+", "[0+] + [1+]", "[0+] + [1+]", binding="+")
sub = _row("sub", operator.sub,     lambda out, a, b: (1.0, -1.0),       "−", "[0+] − [1/]", "[0+] - [1/]", binding="+")
mul = _row("mul", operator.mul,     lambda out, a, b: (b, a),            "×", "[0*]·[1*]", r"[0*] \cdot [1*]", binding="*")
div = _row("div", operator.truediv, lambda out, a, b: (1 / b, -out / b), "÷", "[0*] / [1^]", r"\frac{[0]}{[1]}", binding="/", latex_binding="*")
neg = _row("neg", operator.neg,     lambda out, a: (-1.0,),              "−", "−[0/]", "-[0/]", binding="*")
abs = _row("abs", math.fabs,        lambda out, a: (sign(a),),           "|x|", "|[0]|", r"\left|[0]\right|")
pow = _row("pow", _pow,             _pow_partials,                       "xʸ", "[0!]^[1!]", "[0!]^{[1]}", binding="^")

# What rules use in place of `if` and of a division that may be by zero
sign     = _row("sign",     _sign,                            lambda out, a: (0.0,))
greater  = _row("greater",  lambda a, b: float(a > b),        lambda out, a, b: (0.0, 0.0), ">", "[[0] > [1]]", "[[0] > [1]]")
equal    = _row("equal",    lambda a, b: float(a == b),       lambda out, a, b: (0.0, 0.0), "=", "[[0] = [1]]", "[[0] = [1]]")
where    = _row("where",    lambda c, a, b: a if c else b,    lambda out, c, a, b: (0.0, where(c, 1.0, 0.0), where(c, 0.0, 1.0)))
quotient = _row("quotient", _quotient, lambda out, a, b: (quotient(1.0, b), -quotient(out, b)), "÷", "[0*] / [1^]", r"\frac{[0]}{[1]}", binding="/", latex_binding="*")

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
asin  = _row("asin",  math.asin,  lambda out, a: (quotient(1.0, sqrt((1 - a) * (1 + a))),))
acos  = _row("acos",  math.acos,  lambda out, a: (-quotient(1.0, sqrt((1 - a) * (1 + a))),))
atan  = _row("atan",  math.atan,  lambda out, a: (1 / (1 + a * a),))
atan2 = _row("atan2", math.atan2, _atan2_partials)
sinh  = _row("sinh",  math.sinh,  lambda out, a: (cosh(a),))
cosh  = _row("cosh",  math.cosh,  lambda out, a: (sinh(a),))
tanh  = _row("tanh",  math.tanh,  lambda out, a: (1 - out * out,))
asinh = _row("asinh", math.asinh, lambda out, a: (1 / hypot(a, 1.0),))
acosh = _row("acosh", math.acosh, lambda out, a: (quotient(1.0, sqrt(a - 1) * sqrt(a + 1)),))
atanh = _row("atanh", math.atanh, lambda out, a: (1 / ((1 - a) * (1 + a)),))
erf   = _row("erf",   math.erf,   lambda out, a: (2 / math.sqrt(math.pi) * exp(-a * a),))
erfc  = _row("erfc",  math.erfc,  lambda out, a: (-2 / math.sqrt(math.pi) * exp(-a * a),))

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
sigmoid    = _row("sigmoid",    _sigmoid,    lambda out, a: (out * (1.0 - out),), "σ", "σ([0])", r"\sigma\left([0]\right)")
relu       = _row("relu",       _relu,       lambda out, a: (greater(a, 0.0),))
leaky_relu = _row("leaky_relu", _leaky_relu, lambda out, a, slope: (where(greater(a, 0.0), 1.0, slope), minimum(a, 0.0)))
elu        = _row("elu",        _elu,        _elu_partials)
selu       = _row("selu",       _selu,       lambda out, a: (_SELU_SCALE * _elu_partials(out, a, _SELU_ALPHA)[0],))
softplus   = _row("softplus",   _softplus,   lambda out, a: (sigmoid(a),))
silu       = _row("silu",       _silu,       lambda out, a: (_silu_partial(a),), composed=True)
gelu       = _row("gelu",       _gelu,       lambda out, a: (_normal_cdf(a) + a * _normal_pdf(a),))
softsign   = _row("softsign",   _softsign,   lambda out, a: (1 / (1 + abs(a)) / (1 + abs(a)),))
hardtanh   = _row("hardtanh",   _hardtanh,   lambda out, a: (greater(1.0, abs(a)),))
clip       = _row("clip",       _clip,       _clip_partials)

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


OPS: dict[str, Op] = {value.name: value for value in list(globals().values()) if isinstance(value, Op)}


def named(name: str) -> Op:
    """The row of that name.

    >>> named("tanh") is tanh
    True
    """
    if name.startswith("power("):
        return power(float(name[len("power(") : -1]))
    return OPS[name]
