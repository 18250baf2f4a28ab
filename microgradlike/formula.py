"""A value as mathematics: how it was made, as text or as LaTeX."""

import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from microgradlike.engine import Value, recording
from microgradlike.naming import forward_order, parts, set_apart, told_apart

_MOST_NODES, _MOST_LETTERS, _SHORT = 1000, 5000, 50  # of a formula; what goes beyond is an ellipsis


def formula(value: Value, *, depth: int = 1, digits: int | None = None, latex: bool = False) -> str:
    r"""How the value was made, over named values, with few brackets.

    The value itself is written out even if it has a name; what it was made from goes by its name if it
    has one. A leaf without a name is its number. What would be longer than anyone reads is an ellipsis.

    Args:
        value: what to write.
        depth: how many named values to open up, one inside the other, the first of which is the value.
        digits: write numbers of so many significant digits in place of the names.
        latex: LaTeX, for between dollar signs, in place of text.

    Raises:
        TypeError: it is no Value.
        ValueError: depth or digits is less than 1.

    >>> w, x, b = Value(0.5, "w1"), Value(2.0, "x1"), Value(1.0, "b")
    >>> z = w * x + b
    >>> z.name = "z"
    >>> y = z**2 / (1 - x)
    >>> formula(y), formula(y, depth=2)
    ('z² / (1 − x1)', '(w1·x1 + b)² / (1 − x1)')
    >>> formula(y, digits=3)
    '2² / (1 − 2)'
    >>> print(formula(y, latex=True))
    \frac{z^{2}}{1 - x_{1}}
    """
    if not isinstance(value, Value):
        raise TypeError(f"formula writes how a Value was made; {value!r:.60} is none")
    if digits is not None and digits < 1:
        raise ValueError(f"digits is {digits}: write how many digits of each number to show, such as 4")
    return write(value, depth=depth, digits=digits, latex=latex)[0]


def write(
    value: Value,
    *,
    depth: int = 1,
    digits: int | None = None,
    latex: bool = False,
    names: Mapping[Value, str] | None = None,
) -> tuple[str, str]:
    """The formula, and how tightly it binds (see `ops.BINDINGS`), for who puts it into a larger one.

    The names are those of values that are called otherwise than by their own name. By default they are
    those that tell apart the values in this formula, where some are called alike.
    """
    if depth < 1:
        raise ValueError(f"depth is {depth}: at 1 the value itself is opened up, at 2 what it is made of")
    writer = _Writer(value, depth, digits, latex, names or {})
    if names is None and digits is None and told_apart(writer.named):
        writer = _Writer(value, depth, digits, latex, told_apart(forward_order(value)))
    return writer.written[value, depth]


class _Writer:
    """Writes a value, and notes which values go by their names."""

    def __init__(
        self, value: Value, depth: int, digits: int | None, latex: bool, names: Mapping[Value, str]
    ) -> None:
        self.digits, self.latex, self.names = digits, latex, names
        self.named: dict[Value, None] = {}
        # What is written: of a value, and how many named values may still be opened up there.
        self.written: dict[tuple[Value, int], tuple[str, str]] = {}
        self._ellipsis = (r"\dots" if latex else "…"), "!"
        self._write(value, depth)

    def _write(self, value: Value, depth: int) -> None:
        written = self.written
        stack = [(value, depth)]
        while stack:
            node, left = stack[-1]
            if not node.op or (node.name and not left):
                written[stack.pop()] = self._atom(node, _recorded(node))
                continue
            if len(node.parents) > _MOST_LETTERS:
                written[stack.pop()] = self._shortened(node)
                continue
            inside = left - 1 if node.name or node is value else left
            operands = [(parent, inside) for parent in node.parents]
            missing = [
                operand
                for operand in operands
                if operand not in written and operand[0].op and (inside or not operand[0].name)
            ]
            if missing and len(stack) + len(missing) <= _MOST_NODES:
                stack += missing
                continue
            texts = [
                self._atom(parent, number)
                if not parent.op or (parent.name and not inside)
                else written.get((parent, inside), self._ellipsis)
                for parent, number in zip(node.parents, node.evaluation[1:])
            ]
            if sum(len(text) for text, _ in texts) > _MOST_LETTERS:
                texts = [text if len(text[0]) < _SHORT else self._ellipsis for text in texts]
            if sum(len(text) for text, _ in texts) > _MOST_LETTERS:
                written[stack.pop()] = self._shortened(node)
            else:
                written[stack.pop()] = node.op.write(texts, latex=self.latex, brief=True)

    def _atom(self, value: Value, recorded: float) -> tuple[str, str]:
        """A name, or the recorded number in place of one."""
        if value.name and self.digits is None:
            self.named[value] = None
            return written_name(self.names.get(value, value.name), latex=self.latex)
        return written_number(recorded, self.digits or 17, latex=self.latex)

    def _shortened(self, node: Value) -> tuple[str, str]:
        assert node.op
        name = latex_name(node.op.name) if self.latex else node.op.name
        return f"{name}({self._ellipsis[0]})", "!"


def _recorded(value: Value) -> float:
    return value.evaluation[0] if value.op else value.data


def written_name(name: str, *, latex: bool = False) -> tuple[str, str]:
    """A name as `Op.write` takes an operand; with ⁽²⁾ at its end it needs brackets in a power."""
    text = latex_name(name) if latex else set_apart(name)
    return text, "^" if parts(name).number else "!"


def written_number(data: float, digits: int = 17, *, latex: bool = False) -> tuple[str, str]:
    """A number as `Op.write` takes an operand."""
    text = number(data, digits, latex=latex)
    return text, "*" if text.startswith(("−", "-")) or r"\cdot" in text else "!"


def number(data: float, digits: int = 17, *, latex: bool = False) -> str:
    r"""A number as one writes it in a formula: 2 for 2.0, and a real minus sign.

    >>> number(-0.0821741, 4), number(0.5, 4), number(2.0, 4)
    ('−0.08217', '0.5000', '2')
    >>> print(number(-1.5e-7, 2, latex=True))
    -1.5 \cdot 10^{-7}
    """
    data = float(data)  # to a Value's data one may write an int, or a number of numpy's
    if data.is_integer() and abs(data) < 10**digits:
        text = str(int(data))
    else:
        text = repr(data) if digits == 17 else f"{data:#.{digits}g}".removesuffix(".").replace(".e", "e")
    if not latex:
        return text.replace("-", "−")
    if not math.isfinite(data):
        return text.replace("inf", r"\infty").replace("nan", r"\mathrm{nan}")
    return re.sub(r"e([+-])0*(\d+)", lambda e: rf" \cdot 10^{{{e[1].strip('+')}{e[2]}}}", text)


def symbolic_partials(node: Value, stand_in: Callable[[Value, float], Any]) -> tuple[Any, ...]:
    """The local derivatives of a node as formulas: the rule of its operation, run on names.

    Args:
        node: the result of an operation.
        stand_in: what the rule gets for the node and for each operand, given the value and its recorded
            number: a leaf with a name, or anything else that a rule can calculate with.

    Returns:
        For each operand what `write_partial` takes: a Value, or a plain number.

    >>> z = Value(0.0, "z")
    >>> h = z.sigmoid()
    >>> h.name = "h"
    >>> [partial] = symbolic_partials(h, lambda value, data: Value(data, value.name))
    >>> formula(partial)
    'h(1 − h)'
    """
    op: Any = node.op
    partials: tuple[Any, ...] = with_recording(
        op.partials, *map(stand_in, (node, *node.parents), node.evaluation)
    )
    return partials


def write_partial(partial: Any, digits: int, *, latex: bool = False) -> tuple[str, str]:
    """A local derivative: its formula or, of a number, so many digits; and how tightly it binds."""
    if isinstance(partial, Value) and (partial.op or partial.name):
        return write(partial, latex=latex)
    return written_number(float(partial), digits, latex=latex)


def with_recording(rule: Callable[..., Any], *operands: Any) -> Any:
    """What a rule gives for these operands, recorded even within `no_grad`."""
    with recording():
        return rule(*operands)


def names_for(values: Iterable[Value], taken: set[str], wishes: Mapping[Value, str]) -> dict[Value, str]:
    """Names for those values that have none: what is wished for, or else v1, v2, …; none that is taken.

    >>> a, b, c = Value(1.0), Value(2.0, "v1"), Value(3.0)
    >>> list(names_for([a, b, c], {"v1"}, {c: "L"}).values())
    ['v2', 'L']
    """
    fresh = (name for i in itertools.count(1) if (name := f"v{i}") not in taken)
    names: dict[Value, str] = {}
    for value in values:
        if not value.name and value not in names:
            wish = wishes.get(value)
            names[value] = wish if wish and wish not in taken else next(fresh)
    return names


def names_of(
    values: Sequence[Value], unnamed: Iterable[Value], wishes: Mapping[Value, str]
) -> dict[Value, str]:
    """Names for the values of a graph, so that no two are called alike: the rule for all readings.

    A value whose name no other has is called so, and is not in the result. Where several have the same
    name, they are x⁽¹⁾, x⁽²⁾, … in the order of the values. Those of the others that have no name are
    called as wished, or else v1, v2, …
    """
    alike = told_apart(values)
    taken = {alike.get(value, value.name) for value in values} | {value.name for value in values}
    return alike | names_for(unnamed, taken, wishes)


def latex_name(name: str) -> str:
    r"""A name as LaTeX: w11 with an index, a word upright.

    >>> print(latex_name("w11"), latex_name("w10,3"), latex_name("learning_rate"))
    w_{11} w_{10,3} \mathrm{learning\_rate}
    """
    base, index, number = parts(set_apart(name))
    base = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in base)
    is_apart = base.startswith("⟨")
    letters = base[1:-1] if is_apart else base
    text = "".join(ESCAPED.get(c, c) for c in letters)
    if len(letters) > 1:
        text = rf"\mathrm{{{text}}}"
    if is_apart:
        text = rf"\langle {text} \rangle"
    if index:
        text += f"_{{{index}}}"
    if number:
        text += f"^{{({number})}}"
    return text


#: How LaTeX writes characters of a name that mean something to it.
ESCAPED = {c: "\\" + c for c in "#$%&_{}"} | {
    "\\": r"\backslash{}",
    "~": r"\sim{}",
    "^": r"\hat{}",
    " ": r"\ ",
    "<": r"\lt{}",
    ">": r"\gt{}",
}
