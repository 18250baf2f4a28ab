"""The rows of the op table for arrays, where the name of a row is no function of numpy's.

Numbers are those of the op table, as IEEE 754 has them; of the rules of derivatives nothing is known here.
"""

import math
from collections.abc import Callable
from typing import Any

from microgradlike import ops


def functions(np: Any, erf: Callable[..., Any], erfc: Callable[..., Any]) -> dict[str, Any]:
    """The functions, by name, that the code of an array backend calls.

    Args:
        np: numpy, or a module with functions of the same names.
        erf: the error function, which numpy has not.
        erfc: 1 − erf, likewise.
    """

    def sigmoid(a: Any) -> Any:
        e = np.exp(-np.abs(a))  # never overflows
        return np.where(a >= 0, 1.0, e) / (1.0 + e)

    def softplus(a: Any) -> Any:
        return np.logaddexp(0.0, a)

    def quotient(a: Any, b: Any) -> Any:
        return a / (b + 0.0)  # a zero counts as positive, whatever its sign

    def relu(a: Any) -> Any:
        return np.maximum(a, np.zeros(a.shape[1:]))  # twice as fast as with the number 0.0

    def leaky_relu(a: Any, slope: Any) -> Any:
        return np.where(a <= 0, a * slope, a)

    def elu(a: Any, alpha: Any) -> Any:
        return np.where(a <= 0, alpha * np.expm1(np.minimum(a, 0.0)), a)

    def selu(a: Any) -> Any:
        return ops._SELU_SCALE * elu(a, ops._SELU_ALPHA)

    def gelu(a: Any) -> Any:
        return a * (0.5 * erfc(-a / math.sqrt(2)))

    def softsign(a: Any) -> Any:
        return a / (1 + np.abs(a))

    def clip(a: Any, low: Any, high: Any) -> Any:
        return np.minimum(np.maximum(a, low), high)

    def binary_cross_entropy(p: Any, t: Any) -> Any:
        for_one = np.where(t > 0, t * np.log(p), 0.0)
        for_zero = np.where(t < 1, (1 - t) * np.log1p(-p), 0.0)
        allowed = (p >= 0) & (p <= 1) & (t >= 0) & (t <= 1)
        return np.where(allowed, 0.0 - for_one - for_zero, np.nan)

    def binary_cross_entropy_with_logits(z: Any, t: Any) -> Any:
        return t * softplus(-z) + (1 - t) * softplus(z)

    def share(a: Any, b: Any) -> Any:
        return np.where(a == 0, a, a / np.where(b == 0, 0.0, b))

    def monomial(c: Any, a: Any, b: Any, k: Any) -> Any:
        exponent, size = b - k, np.abs(a)
        odd = np.mod(b, 2.0) != np.mod(k, 2.0)
        whole = (np.mod(b, 1.0) == 0) & (np.mod(k, 1.0) == 0)
        signed = np.where((a < 0) & odd, -c, c)
        power = np.power(size, exponent)
        root = np.power(size, exponent / 2)  # aᵇ⁻ᵏ leaves the range of a float, but c·aᵇ⁻ᵏ may not
        far = np.where(root == 0, 0.0, signed * root * root)
        result = np.where((power > 1e-30) & (power < 1e30), signed * power, far)
        at_zero = np.where(exponent == 0, c, np.where(exponent > 0, 0.0, c * np.inf))
        result = np.where(a == 0, at_zero, np.where((a < 0) & ~whole, np.nan, result))
        return np.where(c == 0, 0.0, np.where(np.isnan(exponent), np.nan, result))

    def monomial_log(c: Any, a: Any, b: Any, k: Any, n: Any) -> Any:
        logs = np.power(np.log(np.where(a > 0, a, 1.0)), n)
        at_zero = np.where(
            b > k, 0.0, c * np.where(b < k, np.inf, 1.0) * np.where(np.mod(n, 2.0) == 1, -np.inf, np.inf)
        )
        result = np.where(a == 0, at_zero, np.where(a > 0, monomial(c * logs, a, b, k), np.nan))
        return np.where((n == 0) | (c == 0), monomial(c, a, b, k), result)

    def power_log(a: Any, b: Any) -> Any:
        return np.where((a == 0) & (b == 0), 0.0, monomial_log(1.0, a, b, 0.0, 1.0))

    def sigmoid_slope(a: Any, y: Any) -> Any:
        return y * sigmoid_rest(a, y)

    def sigmoid_rest(a: Any, y: Any) -> Any:
        far = a >= ops.FAR_SIGMOID
        return np.where(far, y * np.exp(-np.where(far, a, 0.0)), 1.0 - y)

    def sigmoid_bend(a: Any, _: Any) -> Any:
        return -np.tanh(0.5 * a)

    def tanh_slope(a: Any, y: Any) -> Any:
        e = np.exp(-2.0 * np.abs(a))
        return np.where(np.abs(a) < ops.FAR_TANH, 1.0 - y * y, 4.0 * e / ((1.0 + e) * (1.0 + e)))

    def mean(a: Any) -> Any:
        """Of the rows, also where their sum would overflow."""
        return (a / len(a)).sum(axis=0, keepdims=True)

    def logsumexp(a: Any) -> Any:
        """Of the rows: log Σ eᵃ = m + log(1 + Σ eᵃ⁻ᵐ), the second sum without the largest row m."""
        m = a.max(axis=0, keepdims=True)
        rest = np.where(a < m, np.exp(a - m), 0.0).sum(axis=0, keepdims=True)
        ties = (a == m).sum(axis=0, keepdims=True) - 1
        return np.where(np.isfinite(m), m + np.log1p(rest + ties), m)

    def rows(*arrays: Any) -> Any:
        """One array of the rows of several, each as long as the longest."""
        width = max(a.shape[1] for a in arrays)
        return np.concatenate([np.broadcast_to(a, (a.shape[0], width)) for a in arrays])

    def stack(*arrays: Any) -> Any:
        return np.stack(np.broadcast_arrays(*arrays))

    return {
        function.__name__: function
        for function in (
            sigmoid, softplus, quotient, relu, leaky_relu, elu, selu, gelu, softsign, clip, mean,
            binary_cross_entropy, binary_cross_entropy_with_logits, logsumexp, rows, stack,
            share, monomial, monomial_log, power_log,
            sigmoid_slope, sigmoid_rest, sigmoid_bend, tanh_slope,
        )
    } | {"erf": erf, "erfc": erfc}  # fmt: skip
