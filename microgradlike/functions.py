"""The functions of the op table, for Values and for plain numbers alike.

A function of plain numbers gives a float, with the numbers and the exceptions of `math`; as soon as a
Value is among the operands, the result is a Value and the operation is recorded. Names are those of
`math` and, for what `math` does not have, of PyTorch. All of them refuse, with a TypeError, an operand
that is no real number.

What yields several numbers (`softmax`) is composed here; everything else is one row of
`microgradlike.ops`, where its derivative stands.
"""

from collections.abc import Iterable
from typing import Any, TypeVar, overload

from microgradlike import ops
from microgradlike.engine import Value

Number = TypeVar("Number", float, Value)


# ── Functions of one number ───────────────────────────────────────────────────────────────────────────


def abs(x: Number) -> Number:
    """|x|; its derivative is the sign of x, and 0 at 0. The second derivative is 0 everywhere.

    >>> abs(-3.0)
    3.0
    """
    return ops.abs(x)


def sign(x: Number) -> Number:
    """1, −1 or 0, as x is positive, negative or 0; its derivative is 0.

    >>> sign(-3.0)
    -1.0
    """
    return ops.sign(x)


def exp(x: Number) -> Number:
    """The power eˣ; its derivative is eˣ again.

    Raises:
        OverflowError: x is above 709.78.

    >>> exp(0.0)
    1.0
    """
    return ops.exp(x)


def exp2(x: Number) -> Number:
    """The power 2ˣ; its derivative is 2ˣ · log 2.

    Raises:
        OverflowError: x is 1024 or more.

    >>> exp2(10.0)
    1024.0
    """
    return ops.exp2(x)


def expm1(x: Number) -> Number:
    """eˣ − 1, exact also where x is tiny; its derivative is eˣ.

    Raises:
        OverflowError: x is above 709.78.

    >>> expm1(1e-20)
    1e-20
    """
    return ops.expm1(x)


def log(x: Number) -> Number:
    """The natural logarithm; its derivative is 1/x.

    Raises:
        ValueError: x is not above 0.

    >>> log(1.0)
    0.0
    """
    return ops.log(x)


def log2(x: Number) -> Number:
    """The logarithm to base 2; its derivative is 1 / (x · log 2).

    Raises:
        ValueError: x is not above 0.

    >>> log2(8.0)
    3.0
    """
    return ops.log2(x)


def log10(x: Number) -> Number:
    """The logarithm to base 10; its derivative is 1 / (x · log 10).

    Raises:
        ValueError: x is not above 0.

    >>> log10(1000.0)
    3.0
    """
    return ops.log10(x)


def log1p(x: Number) -> Number:
    """log(1 + x), exact also where x is tiny; its derivative is 1 / (1 + x).

    Raises:
        ValueError: x is not above −1.

    >>> log1p(1e-20)
    1e-20
    """
    return ops.log1p(x)


def sqrt(x: Number) -> Number:
    """√x; its derivative is 1 / (2√x), infinite at 0.

    Raises:
        ValueError: x is negative.

    >>> sqrt(9.0)
    3.0
    """
    return ops.sqrt(x)


def cbrt(x: Number) -> Number:
    """The cube root, of negative numbers too. Its derivative at 0 is infinite.

    >>> cbrt(-8.0)
    -2.0
    """
    return ops.cbrt(x)


def sin(x: Number) -> Number:
    """The sine of x, in radians; its derivative is cos x.

    Raises:
        ValueError: x is infinite.

    >>> sin(0.0)
    0.0
    """
    return ops.sin(x)


def cos(x: Number) -> Number:
    """The cosine of x, in radians; its derivative is −sin x.

    Raises:
        ValueError: x is infinite.

    >>> cos(0.0)
    1.0
    """
    return ops.cos(x)


def tan(x: Number) -> Number:
    """The tangent of x, in radians; its derivative is 1 + tan²x.

    Raises:
        ValueError: x is infinite.

    >>> tan(0.0)
    0.0
    """
    return ops.tan(x)


def asin(x: Number) -> Number:
    """The arc sine, in radians, between −π/2 and π/2; its derivative is 1/√(1 − x²), infinite at ±1.

    Raises:
        ValueError: |x| is above 1.

    >>> asin(0.0)
    0.0
    """
    return ops.asin(x)


def acos(x: Number) -> Number:
    """The arc cosine, in radians, between 0 and π; its derivative is −1/√(1 − x²), infinite at ±1.

    Raises:
        ValueError: |x| is above 1.

    >>> acos(1.0)
    0.0
    """
    return ops.acos(x)


def atan(x: Number) -> Number:
    """The arc tangent, in radians, between −π/2 and π/2; its derivative is 1 / (1 + x²).

    >>> atan(0.0)
    0.0
    """
    return ops.atan(x)


def degrees(x: Number) -> Number:
    """An angle in degrees, of one in radians: x · 180/π.

    >>> degrees(3.141592653589793)
    180.0
    """
    return ops.degrees(x)


def radians(x: Number) -> Number:
    """An angle in radians, of one in degrees: x · π/180.

    >>> radians(180.0)
    3.141592653589793
    """
    return ops.radians(x)


def sinc(x: Number) -> Number:
    """sin(πx) / (πx), and 1 at 0: NumPy's and PyTorch's ``sinc``. It is exactly 0 at other whole numbers.

    >>> sinc(0.0), sinc(0.5) == 2 / 3.141592653589793, sinc(2.0)
    (1.0, True, 0.0)
    """
    return ops.sinc(x)


def sinh(x: Number) -> Number:
    """The hyperbolic sine, (eˣ − e⁻ˣ) / 2; its derivative is cosh x.

    Raises:
        OverflowError: |x| is above 710.47.

    >>> sinh(0.0)
    0.0
    """
    return ops.sinh(x)


def cosh(x: Number) -> Number:
    """The hyperbolic cosine, (eˣ + e⁻ˣ) / 2; its derivative is sinh x.

    Raises:
        OverflowError: |x| is above 710.47.

    >>> cosh(0.0)
    1.0
    """
    return ops.cosh(x)


def tanh(x: Number) -> Number:
    """The hyperbolic tangent; its derivative is 1 − tanh²x.

    >>> tanh(0.0)
    0.0
    """
    return ops.tanh(x)


def asinh(x: Number) -> Number:
    """The inverse of `sinh`; its derivative is 1/√(x² + 1).

    >>> asinh(0.0)
    0.0
    """
    return ops.asinh(x)


def acosh(x: Number) -> Number:
    """The inverse of `cosh`; its derivative is 1/√(x² − 1), infinite at 1.

    Raises:
        ValueError: x is below 1.

    >>> acosh(1.0)
    0.0
    """
    return ops.acosh(x)


def atanh(x: Number) -> Number:
    """The inverse of `tanh`; its derivative is 1 / (1 − x²).

    Raises:
        ValueError: |x| is not below 1.

    >>> atanh(0.0)
    0.0
    """
    return ops.atanh(x)


def erf(x: Number) -> Number:
    """The error function, 2/√π · ∫₀ˣ e^(−t²) dt.

    >>> erf(0.0)
    0.0
    """
    return ops.erf(x)


def erfc(x: Number) -> Number:
    """1 − erf(x), exact also where erf(x) is near 1.

    >>> erfc(0.0)
    1.0
    """
    return ops.erfc(x)


def sigmoid(x: Number) -> Number:
    """σ(x) = 1 / (1 + e⁻ˣ), without overflow; its derivative is σ(x)(1 − σ(x)).

    >>> sigmoid(0.0)
    0.5
    """
    return ops.sigmoid(x)


def log_sigmoid(x: Number) -> Number:
    """Log σ(x) = −log(1 + e⁻ˣ), without overflow; its derivative is 1 − σ(x). PyTorch's ``logsigmoid``.

    >>> log_sigmoid(-1000.0)
    -1000.0
    """
    return ops.log_sigmoid(x)


def logit(p: Number) -> Number:
    """log(p / (1 − p)), the inverse of `sigmoid`; its derivative is 1 / (p(1 − p)). PyTorch's ``logit``.

    Args:
        p: a probability, above 0 and below 1.

    Raises:
        ValueError: p is not above 0 and below 1. PyTorch gives −∞ and ∞ at the ends.

    >>> logit(0.5)
    0.0
    """
    return ops.logit(p)


def relu(x: Number) -> Number:
    """max(x, 0); its derivative at 0 is 0, and the second derivative is 0 everywhere.

    >>> relu(-3.0), relu(3.0)
    (0.0, 3.0)
    """
    return ops.relu(x)


def selu(x: Number) -> Number:
    """1.0507 · (x if x > 0 else 1.6733 (eˣ − 1)), with more digits of the two numbers: those of PyTorch.

    Source: Klambauer, Unterthiner, Mayr, Hochreiter, "Self-normalizing neural networks" (2017).

    >>> selu(0.0)
    0.0
    """
    return ops.selu(x)


def softplus(x: Number) -> Number:
    """log(1 + eˣ), without overflow; its derivative is σ(x).

    >>> softplus(1000.0)
    1000.0
    """
    return ops.softplus(x)


def silu(x: Number) -> Number:
    """The product x · σ(x), also called swish.

    Source: Elfwing, Uchibe, Doya, "Sigmoid-weighted linear units …" (2018).

    >>> silu(0.0)
    0.0
    """
    return ops.silu(x)


def gelu(x: Number) -> Number:
    """The product x · Φ(x), where Φ is the normal distribution's, by `erf` and not by an approximation.

    Source: Hendrycks, Gimpel, "Gaussian error linear units (GELUs)" (2016).

    >>> gelu(0.0)
    0.0
    """
    return ops.gelu(x)


def softsign(x: Number) -> Number:
    """The quotient x / (1 + |x|), between −1 and 1; its derivative is 1 / (1 + |x|)².

    >>> softsign(-3.0)
    -0.75
    """
    return ops.softsign(x)


def hardtanh(x: Number) -> Number:
    """x, but not below −1 nor above 1; its derivative at ±1 is 0, as in PyTorch.

    >>> hardtanh(3.0)
    1.0
    """
    return ops.hardtanh(x)


# ── Functions of two or three numbers ─────────────────────────────────────────────────────────────────


@overload
def pow(x: float, y: float) -> float: ...
@overload
def pow(x: Value, y: float | Value) -> Value: ...
@overload
def pow(x: float, y: Value) -> Value: ...
def pow(x: Any, y: Any) -> Any:
    """xʸ, as ``x ** y``, but never a complex number: a ValueError instead.

    Args:
        x: the base.
        y: the exponent: a plain number is a constant of the operation, a Value an operand with a
            derivative of its own.

    At x = y = 0 the derivative by y is 0 by convention, as in PyTorch.

    Raises:
        ValueError: x is negative and y not whole.
        ZeroDivisionError: x is 0 and y negative.
        OverflowError: the result is too large for a float.

    >>> pow(2.0, 3.0)
    8.0
    """
    return x**y if isinstance(x, Value) or isinstance(y, Value) else ops.pow(x, y)


@overload
def mod(a: float, b: float) -> float: ...
@overload
def mod(a: Value, b: float | Value) -> Value: ...
@overload
def mod(a: float, b: Value) -> Value: ...
def mod(a: Any, b: Any) -> Any:
    """The remainder a − b·⌊a/b⌋, as Python's ``a % b``: its sign is that of b.

    So are NumPy's ``mod`` and PyTorch's ``remainder``. The derivative by a is 1 and by b −⌊a/b⌋, also
    where the remainder jumps from b to 0, and all further derivatives are 0.

    Args:
        a: a number or a Value.
        b: what it is divided by, in the same unit.

    Raises:
        ZeroDivisionError: b is 0.

    >>> mod(7.0, 3.0), mod(-7.0, 3.0)
    (1.0, 2.0)
    """
    return ops.mod(a, b)


@overload
def logaddexp(a: float, b: float) -> float: ...
@overload
def logaddexp(a: Value, b: float | Value) -> Value: ...
@overload
def logaddexp(a: float, b: Value) -> Value: ...
def logaddexp(a: Any, b: Any) -> Any:
    """log(eᵃ + eᵇ), without overflow, as `logsumexp` of two; NumPy's and PyTorch's ``logaddexp``.

    Args:
        a: a number or a Value.
        b: the other.

    >>> logaddexp(1000.0, 0.0)
    1000.0
    """
    return ops.logaddexp(a, b)


@overload
def xlogy(x: float, y: float) -> float: ...
@overload
def xlogy(x: Value, y: float | Value) -> Value: ...
@overload
def xlogy(x: float, y: Value) -> Value: ...
def xlogy(x: Any, y: Any) -> Any:
    """x·log(y), but 0 where x is 0, whatever y: PyTorch's ``xlogy``. −xlogy(p, p) is a term of an entropy.

    Its derivatives are log(y) and x/y. At x = y = 0 these are −∞ and 0.

    Args:
        x: the factor.
        y: the logarithm is taken of it.

    Raises:
        ValueError: y is not above 0, and x is not 0.

    >>> xlogy(0.0, 0.0), xlogy(2.0, 1.0)
    (0.0, 0.0)
    """
    return ops.xlogy(x, y)


@overload
def atan2(y: float, x: float) -> float: ...
@overload
def atan2(y: Value, x: float | Value) -> Value: ...
@overload
def atan2(y: float, x: Value) -> Value: ...
def atan2(y: Any, x: Any) -> Any:
    """The angle of the point (x, y), in radians, between −π and π; at the origin its derivatives are 0.

    There is no second derivative at the origin: it is nan.

    Args:
        y: the point's second coordinate; it comes first, as in `math`.
        x: the point's first coordinate, in the same unit.

    >>> atan2(0.0, 1.0)
    0.0
    """
    return ops.atan2(y, x)


@overload
def greater(a: float, b: float) -> float: ...
@overload
def greater(a: Value, b: float | Value) -> Value: ...
@overload
def greater(a: float, b: Value) -> Value: ...
def greater(a: Any, b: Any) -> Any:
    """1 where a > b, else 0. Unlike ``a > b`` it stays in the graph, for `where`.

    Args:
        a: what is to be the greater.
        b: what it is compared with. The derivatives by both are 0.

    >>> greater(3.0, 2.0)
    1.0
    """
    return ops.greater(a, b)


@overload
def where(condition: float, a: float, b: float) -> float: ...
@overload
def where(condition: float | Value, a: Value, b: float | Value) -> Value: ...
@overload
def where(condition: float | Value, a: float, b: Value) -> Value: ...
@overload
def where(condition: Value, a: float, b: float) -> Value: ...
def where(condition: Any, a: Any, b: Any) -> Any:
    """The second operand where the condition is not 0, else the third; the other gets the derivative 0.

    Args:
        condition: a number or a bool, decided once and for all, or a Value, for example
            ``greater(x, 3)``, that stays in the graph. Its derivative is 0.
        a: the result where the condition holds.
        b: the result where it does not.

    Both a and b are computed, whatever the condition is. Where one of them is undefined, give it another
    operand there, by a second ``where``: √x for positive x and else 0 is
    ``where(p, sqrt(where(p, x, 1.0)), 0.0)`` with ``p = greater(x, 0.0)``. (``where(p, sqrt(x), 0.0)``
    raises a ValueError at −1, since √−1 is asked for.)

    >>> where(greater(1.0, 2.0), 10.0, 20.0)
    20.0
    >>> x = Value(-1.0)
    >>> p = greater(x, 0.0)
    >>> where(p, sqrt(where(p, x, 1.0)), 0.0).data
    0.0
    """
    return ops.where(condition, a, b)


def leaky_relu(x: Number, negative_slope: float = 0.01) -> Number:
    """Where x > 0, x; else negative_slope · x. Derivatives at 0 are those of the left side: negative_slope.

    Args:
        x: a number or a Value.
        negative_slope: of the line where x is not positive.

    Source: Maas, Hannun, Ng, "Rectifier nonlinearities improve neural network acoustic models" (2013).

    >>> leaky_relu(-2.0, 0.5)
    -1.0
    """
    return ops.leaky_relu(x, negative_slope)


def elu(x: Number, alpha: float = 1.0) -> Number:
    """Where x > 0, x; else alpha · (eˣ − 1). Derivatives at 0 are those of the left side: alpha.

    Args:
        x: a number or a Value.
        alpha: how far below 0 the result gets, as x → −∞.

    Source: Clevert, Unterthiner, Hochreiter, "Fast and accurate deep network learning by exponential
    linear units (ELUs)" (2015).

    >>> elu(2.0)
    2.0
    """
    return ops.elu(x, alpha)


@overload
def clip(x: float, low: float, high: float) -> float: ...
@overload
def clip(x: Value, low: float | Value, high: float | Value) -> Value: ...
def clip(x: Any, low: Any, high: Any) -> Any:
    """x, but not below low nor above high; its derivative is 1 between and at the bounds, 0 beyond.

    Args:
        x: a number or a Value.
        low: the lower bound; the derivative by it is 1 where it is the result, else 0.
        high: the upper bound; the derivative by it is 1 where it is the result, else 0.

    Where low is above high the result is high whatever x, as with PyTorch's ``clamp``: the derivative by
    high is 1, the others are 0.

    >>> clip(5.0, 0.0, 1.0)
    1.0
    """
    return ops.clip(x, low, high)


# ── Functions of any number of numbers ────────────────────────────────────────────────────────────────
# A checker cannot know that an iterable of floats holds no Value, hence the ignored overlaps.


@overload
def maximum(*xs: float) -> float: ...  # type: ignore[overload-overlap]
@overload
def maximum(*xs: float | Value) -> Value: ...
def maximum(*xs: Any) -> Any:
    """The largest operand; where several are, they share the derivative equally. NaN if one is NaN.

    Args:
        *xs: numbers or Values, one by one.

    Raises:
        ValueError: there is none.
        TypeError: they are in a list: write ``maximum(*xs)``.

    >>> maximum(1.0, 3.0, 2.0)
    3.0
    """
    return ops.maximum(*_one_by_one(xs, "maximum"))


@overload
def minimum(*xs: float) -> float: ...  # type: ignore[overload-overlap]
@overload
def minimum(*xs: float | Value) -> Value: ...
def minimum(*xs: Any) -> Any:
    """The smallest operand; where several are, they share the derivative equally. NaN if one is NaN.

    Args:
        *xs: numbers or Values, one by one.

    Raises:
        ValueError: there is none.
        TypeError: they are in a list: write ``minimum(*xs)``.

    >>> minimum(1.0, 3.0, 2.0)
    1.0
    """
    return ops.minimum(*_one_by_one(xs, "minimum"))


@overload
def hypot(*xs: float) -> float: ...  # type: ignore[overload-overlap]
@overload
def hypot(*xs: float | Value) -> Value: ...
def hypot(*xs: Any) -> Any:
    """The Euclidean length √(x₁² + x₂² + …), without overflow; at the origin its derivatives are 0.

    There is no second derivative at the origin: it is nan. The length of one number is its absolute value.

    Args:
        *xs: numbers or Values, one by one, in the same unit. Of none the length is 0.

    >>> hypot(3.0, 4.0)
    5.0
    """
    return ops.hypot(*xs)


@overload
def sum(xs: Iterable[float]) -> float: ...  # type: ignore[overload-overlap]
@overload
def sum(xs: Iterable[float | Value]) -> Value: ...
def sum(xs: Iterable[Any]) -> Any:
    """Σ xᵢ as a single node, rounded once; Python's own ``sum`` makes a node for every +.

    Args:
        xs: numbers or Values, in a list or anything else to go through. Of none the sum is 0.

    Raises:
        TypeError: xs is a single number or Value.

    >>> sum([0.1] * 10)
    1.0
    """
    return ops.sum(*_all(xs, "sum"))


@overload
def mean(xs: Iterable[float]) -> float: ...  # type: ignore[overload-overlap]
@overload
def mean(xs: Iterable[float | Value]) -> Value: ...
def mean(xs: Iterable[Any]) -> Any:
    """Σ xᵢ / n as a single node, also where Σ xᵢ would overflow.

    Args:
        xs: n numbers or Values, in a list or anything else to go through.

    Raises:
        ValueError: there is none.
        TypeError: xs is a single number or Value.

    >>> mean([1.0, 2.0, 6.0])
    3.0
    """
    return ops.mean(*_some(_all(xs, "mean"), "mean"))


@overload
def prod(xs: Iterable[float]) -> float: ...  # type: ignore[overload-overlap]
@overload
def prod(xs: Iterable[float | Value]) -> Value: ...
def prod(xs: Iterable[Any]) -> Any:
    """x₁ · x₂ · …, as a single node whose derivatives are right also where some xᵢ are 0.

    Args:
        xs: numbers or Values, in a list or anything else to go through. Of none the product is 1.

    Raises:
        TypeError: xs is a single number or Value.

    >>> prod([2.0, 3.0, 4.0])
    24.0
    """
    return ops.prod(*_all(xs, "prod"))


@overload
def dot(ws: Iterable[float], xs: Iterable[float], bias: float | None = None) -> float: ...  # type: ignore[overload-overlap]
@overload
def dot(
    ws: Iterable[float | Value], xs: Iterable[float | Value], bias: float | Value | None = None
) -> Value: ...
def dot(ws: Iterable[Any], xs: Iterable[Any], bias: Any = None) -> Any:
    """w₁x₁ + w₂x₂ + … (+ bias) as a single node: the sum of the products, without rounding between them.

    Args:
        ws: the weights: numbers or Values, in a list or anything else to go through.
        xs: what they are multiplied by, as many.
        bias: a number or Value that is added; None adds nothing.

    Raises:
        ValueError: ws and xs differ in length.
        TypeError: one of them is a single number or Value.

    >>> dot([1.0, 2.0], [10.0, 100.0], 5.0)
    215.0
    """
    ws, xs = _all(ws, "dot"), _all(xs, "dot")
    if len(ws) != len(xs):
        raise ValueError(f"dot needs as many ws as xs: got {len(ws)} and {len(xs)}")
    return ops.dot(*ws, *xs) if bias is None else ops.dot(*ws, *xs, bias)


@overload
def logsumexp(xs: Iterable[float]) -> float: ...  # type: ignore[overload-overlap]
@overload
def logsumexp(xs: Iterable[float | Value]) -> Value: ...
def logsumexp(xs: Iterable[Any]) -> Any:
    """The logarithm of Σ exp(xᵢ), without overflow and without loss of small terms beside the largest.

    Args:
        xs: numbers or Values, in a list or anything else to go through.

    Raises:
        ValueError: there is none.
        TypeError: xs is a single number or Value.

    >>> logsumexp([1000.0, 0.0])
    1000.0
    """
    return ops.logsumexp(*_some(_all(xs, "logsumexp"), "logsumexp"))


@overload
def log_softmax(xs: Iterable[float]) -> list[float]: ...  # type: ignore[overload-overlap]
@overload
def log_softmax(xs: Iterable[float | Value]) -> list[Value]: ...
def log_softmax(xs: Iterable[Any]) -> list[Any]:
    """The logarithms of `softmax`, xᵢ − logsumexp(xs) for each i, in a list.

    The largest x is subtracted from all of them first, which changes nothing in exact arithmetic and
    keeps all digits in floats: also where logits are huge, and where one class has nearly all of the
    probability.

    Args:
        xs: logits, numbers or Values, in a list or anything else to go through.

    Raises:
        ValueError: there is none.
        TypeError: xs is a single number or Value.

    >>> log_softmax([1e15, 1e15])[0] == -log(2.0)
    True
    """
    terms = _some(_all(xs, "log_softmax"), "log_softmax")
    largest = ops.maximum(*terms)
    centred = [ops.sub(x, largest) for x in terms]
    total = ops.logsumexp(*centred)
    return [x - total for x in centred]


@overload
def softmax(xs: Iterable[float]) -> list[float]: ...  # type: ignore[overload-overlap]
@overload
def softmax(xs: Iterable[float | Value]) -> list[Value]: ...
def softmax(xs: Iterable[Any]) -> list[Any]:
    """exp(xᵢ) / Σ exp(xⱼ), for each i, by way of `log_softmax`: a list of numbers that add up to 1.

    Args:
        xs: logits, numbers or Values, in a list or anything else to go through.

    Raises:
        ValueError: there is none.
        TypeError: xs is a single number or Value.

    Source: Bridle, "Probabilistic interpretation of feedforward classification network outputs" (1990).

    >>> softmax([3.0, 3.0])
    [0.5, 0.5]
    """
    return [ops.exp(x) for x in log_softmax(_some(_all(xs, "softmax"), "softmax"))]


def _all(xs: Iterable[Any], function: str) -> tuple[Any, ...]:
    if not isinstance(xs, Iterable):
        raise TypeError(f"{function} takes a list of numbers or Values, not one: write [x]")
    return tuple(xs)


def _some(xs: tuple[Any, ...], function: str) -> tuple[Any, ...]:
    if not xs:
        raise ValueError(f"{function} needs at least one number")
    return xs


def _one_by_one(xs: tuple[Any, ...], function: str) -> tuple[Any, ...]:
    if len(xs) == 1 and isinstance(xs[0], list | tuple):
        raise TypeError(f"{function} takes its operands one by one: {function}(*xs)")
    return _some(xs, function)
