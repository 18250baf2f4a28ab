"""How an operation over written operands is written: templates, and when operands need brackets.

In a template ``[0]`` stands for the first operand as it is, and ``[0*]`` for the first operand, in brackets
if it binds more loosely than a product. A row with any number of operands has a function from that
number to its template.
"""

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

Template: TypeAlias = str | Callable[[int], str]

#: How tightly an expression binds, loosest first: a sum, a quotient on one line (which has brackets in a
#: product, as a reader may take a / b·c for a/(bc)), a product, a power, and what never needs brackets (a
#: name, a call).
BINDINGS = "+/*^!"


def fill(template: Template, operands: Sequence[tuple[str, str]], *, latex: bool = False) -> str:
    """The template with its operands, each a pair of its text and its binding.

    >>> fill("[0*]·[1*]", [("a + b", "+"), ("c", "!")])
    '(a + b)·c'
    """
    if callable(template):
        template = template(len(operands))
    left, right = (r"\left(", r"\right)") if latex else ("(", ")")

    def operand(match: re.Match[str]) -> str:
        written, binding = operands[int(match[1])]
        loose = match[2] and BINDINGS.index(binding) < BINDINGS.index(match[2])
        return left + written + right if loose else written

    return re.sub(r"\[(\d+)([+/*^!]?)\]", operand, template)


def function_call(name: str) -> tuple[Template, Template]:
    """name(a, b, …), as text and as LaTeX."""
    if name in {"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh"}:
        command = "\\" + name
    else:
        command = rf"\operatorname{{{name}}}".replace("_", r"\_")
    return (
        lambda n: f"{name}({_list(n)})",
        lambda n: rf"{command}\left({_list(n)}\right)",
    )


def each(operand: str, separator: str) -> Template:
    """The same for every operand: ``each("[%d+]", " + ")`` is a sum."""
    return lambda n: _list(n, operand, separator)


def _list(n: int, operand: str = "[%d]", separator: str = ", ") -> str:
    return separator.join(operand % i for i in range(n))


def pairs(times: str) -> Template:
    """w₁·x₁ + w₂·x₂ + … over the operands w₁, w₂, …, x₁, x₂, … and maybe a bias."""

    def template(n: int) -> str:
        half = n // 2
        terms = [f"[{i}*]{times}[{half + i}*]" for i in range(half)]
        return " + ".join(terms + [f"[{i}+]" for i in range(2 * half, n)])

    return template


def half_squares(half: str, square: str) -> Template:
    """½(y − t)², or ½((y₁ − t₁)² + (y₂ − t₂)² + …), over the operands y₁, y₂, …, t₁, t₂, …"""

    def template(n: int) -> str:
        squares = [square % (f"[{i}+]", f"[{n // 2 + i}/]") for i in range(n // 2)]
        return half + (squares[0] if n == 2 else f"({' + '.join(squares)})")

    return template
