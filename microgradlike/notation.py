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


#: Names that a formula writes in front of brackets; `function_call` adds those of the op table.
FUNCTIONS: set[str] = {"σ"}

_PLACE = re.compile(r"( \+ |·| \\cdot |~)?\[(\d+)([+/*^!]?)\]")
_MINUS = ("−", "-")
_LETTER = re.compile(r"[^\W\d_](_\{[\d,]+\})?")


def fill(
    template: Template, operands: Sequence[tuple[str, str]], *, latex: bool = False, brief: bool = False
) -> str:
    """The template with its operands, each a pair of its text and its binding.

    In LaTeX, ``~`` between two factors is a space if both are single letters, and else a dot.

    Args:
        template: the template.
        operands: the operands.
        latex: whether all is LaTeX.
        brief: leave out the signs that a reader does without: y(1 − y) is y·(1 − y), and w − 1 is w + −1.

    >>> fill("[0*]·[1*]", [("−a", "*"), ("a + b", "+")])
    '−a·(a + b)'
    >>> fill("[0*]·[1*]", [("−a", "*"), ("a + b", "+")], brief=True)
    '−a(a + b)'
    """
    if callable(template):
        template = template(len(operands))
    if brief and (latex or not any("^" in text for text, _ in operands)):  # y(1 − y), as below
        template = template.replace("·(", "(").replace(r" \cdot \left(", r"\left(")
    last = ""

    def operand(place: re.Match[str]) -> str:
        nonlocal last
        sign, needed = place[1] or "", place[3]
        written = operands[int(place[2])]
        leads = place.start() == 0 or sign == " + "
        text = _in_brackets(written, needed, leads=leads, latex=latex)
        if brief and sign == " + " and text.startswith(_MINUS):
            return f" {text[0]} {text[1:]}"
        if sign == "~":
            sign = " " if _LETTER.fullmatch(last) and _LETTER.fullmatch(text) else r" \cdot "
        # After x^y a bracket could be taken for a part of the exponent.
        is_plain = latex or "^" not in last
        if brief and sign in {"·", r" \cdot "} and text.startswith(("(", r"\left(")) and is_plain:
            sign = ""
        last = written[0]
        return sign + text

    return _PLACE.sub(operand, template)


def as_factor(operand: tuple[str, str], *, latex: bool = False) -> str:
    """An operand as it stands behind a multiplication sign.

    >>> as_factor(("a + b", "+")), as_factor(("−2", "*")), as_factor(("2", "!"))
    ('(a + b)', '(−2)', '2')
    """
    return _in_brackets(operand, "*", leads=False, latex=latex)


def _in_brackets(operand: tuple[str, str], needed: str, *, leads: bool, latex: bool) -> str:
    """The text of an operand, in brackets where it binds too loosely or its minus is not the first sign."""
    text, binding = operand
    is_loose = needed and BINDINGS.index(binding) < BINDINGS.index(needed)
    if is_loose or (text.startswith(_MINUS) and needed not in {"", "+"} and not leads):
        return rf"\left({text}\right)" if latex else f"({text})"
    return text


def function_call(name: str) -> tuple[Template, Template]:
    """name(a, b, …), as text and as LaTeX."""
    FUNCTIONS.add(name)
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


def visible(text: str) -> str:
    r"""Text with what cannot be seen or would break a line written out.

    >>> visible("a\nb")
    'a\\nb'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
