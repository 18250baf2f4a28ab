"""How expressions are written in the code of the Python and of the array backends."""

from typing import TypeAlias

from microgradlike import ops
from microgradlike.notation import Template, each
from microgradlike.ops import Op

Written: TypeAlias = tuple[str, str]  # an expression, and how tightly it binds

#: What is longer than this gets a line of its own.
LINE = 60


def _products(n: int) -> str:
    # A second factor that is a product or a quotient has brackets: in Python a * b @ c is (a * b) @ c,
    # and a * b / c is (a * b) / c, which may overflow where b / c does not.
    half = n // 2
    terms = [f"[{i}*] * [{half + i}^]" for i in range(half)]
    return " + ".join([*terms, *(f"[{i}+]" for i in range(2 * half, n))])


#: The rows that are Python's operators, on floats and on arrays, and raise nothing.
OPERATORS: dict[Op, tuple[Template, str]] = {
    ops.add: ("[0+] + [1+]", "+"),
    ops.sub: ("[0+] - [1/]", "+"),
    ops.mul: ("[0*] * [1^]", "*"),
    ops.neg: ("-[0^]", "+"),
    ops.sum: (each("[%d+]", " + "), "+"),
    ops.dot: (_products, "+"),
}

#: The rows that are written as the book has them, whatever computes them.
IN_THE_BOOK: dict[Op, tuple[Template, str]] = {
    ops.sigmoid_slope: ("[1*] * (1.0 - [1/])", "*"),
    ops.sigmoid_rest: ("1.0 - [1/]", "+"),
    ops.sigmoid_bend: ("1.0 - 2.0 * [1^]", "+"),
    ops.tanh_slope: ("1.0 - [1*] * [1^]", "+"),
}
