"""ripple: what changes, all the way to the loss, if a weight is nudged."""

import functools
import html
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsFloat

from microgradlike import label, ops
from microgradlike.engine import (
    Constant,
    Value,
    check_recorded,
    gradients,
    real,
    record,
    topological_order,
)
from microgradlike.formula import number, write, written_name
from microgradlike.naming import forward_order, set_apart, told_apart

if TYPE_CHECKING:  # graphviz takes as long to import as all of this package
    from microgradlike.picture import Picture
else:  # for `typing.get_type_hints`
    Picture = Any


def ripple(
    loss: Value, w: Value | Mapping[Value, SupportsFloat], nudge: SupportsFloat | None = None
) -> "Ripple":
    """What changes, from w to the loss, if w is nudged: every value on the way, before and after.

    The recorded graph is computed anew from the nudged values on, in plain floats. Nothing is modified:
    no data, no gradient, no graph. A value that is used in several places is nudged in all of them.

    A nudge is added to what the value would be without it. An inner value may be nudged, too: what it
    was made from is left alone, and where that moves by a nudge of its own, both effects add up.

    Args:
        loss: the value to follow the nudge to.
        w: the value to nudge; or several, with their nudges: ``ripple(loss, {w11: 0.1, b1: -0.05})``.
        nudge: by how much, if w is one value.

    Raises:
        TypeError: loss or w is not a Value, or a nudge is not a real number.
        ValueError: a nudge is not finite, or there is none.
        ValueError, ZeroDivisionError, OverflowError: an operation is undefined at the new numbers; the
            message is that of the forward pass, with the operation and the numbers.
        RuntimeError: someone wrote to ``data`` since the graph was recorded.

    >>> x, w, b = Value(2.0, "x"), Value(0.5, "w"), Value(1.0, "b")
    >>> L = (w * x + b) ** 2
    >>> print(ripple(L, w, 0.1))
    value       before →  after   change
    w           0.5000 → 0.6000  +0.1000
    w·x         1.0000 → 1.2000  +0.2000
    w·x + b     2.0000 → 2.2000  +0.2000
    (w·x + b)²  4.0000 → 4.8400  +0.8400
    ΔL = 0.8400; predicted by the gradient: ∂L/∂w · Δw = 8 · 0.1000 = 0.8000; difference 0.04000
    >>> ripple(L, {w: 0.1, b: -0.2}).actual
    0.0
    """
    if not isinstance(loss, Value):
        raise TypeError(f"ripple follows a nudge to one Value, not to {loss!r:.60}")
    nudges = _nudges(w, nudge)
    order = topological_order(loss)
    check_recorded(order)
    after = {value: _recorded(value) + by for value, by in nudges.items()}
    for node in order:
        if node.op and not after.keys().isdisjoint(node.parents):
            out = _forward(node, after)
            if node in nudges:
                out += nudges[node]
                del after[node]  # its place is now behind what moves it
            after[node] = out
    return Ripple(
        loss,
        nudges,
        _gradients(loss, nudges),
        [Row(value, _recorded(value), data) for value, data in after.items()],
        _recorded(loss),
        after.get(loss, _recorded(loss)),
    )


class Row(NamedTuple):
    """A value on the way from a nudge to the loss."""

    value: Value
    before: float
    after: float

    @property
    def change(self) -> float:
        """After − before."""
        return self.after - self.before


@dataclass(frozen=True, eq=False, repr=False)
class Ripple:
    """The effect of a nudge: a table in a terminal and in a notebook, and the data of it.

    Attributes:
        loss: the value that the nudge was followed to.
        nudges: by how much each nudged value was nudged.
        gradients: ∂loss/∂w at the recorded numbers, for each nudged value w that the loss depends on.
        rows: a `Row` for each value on the way, operands before results; the nudged values come first,
            in their order, but behind other nudged values that they depend on.
        before: the recorded loss.
        after: the loss with the nudges.

    >>> x, w = Value(3.0, "x"), Value(2.0, "w")
    >>> effect = ripple(w * x, w, 0.5)
    >>> [(row.before, row.after, row.change) for row in effect.rows]
    [(2.0, 2.5, 0.5), (6.0, 7.5, 1.5)]
    >>> effect
    <ripple of w: 2 values, ΔL = 1.500>
    """

    loss: Value
    nudges: Mapping[Value, float]
    gradients: Mapping[Value, float]
    rows: list[Row]
    before: float
    after: float

    @property
    def actual(self) -> float:
        """ΔL: after − before, so of a tiny change beside a large loss only the first digits are right."""
        return self.after - self.before

    @property
    def predicted(self) -> float:
        """What the gradient says that ΔL is: Σ ∂L/∂w · Δw over the nudged values."""
        return float(ops.sum(*(gradient * self.nudges[w] for w, gradient in self.gradients.items())))

    @property
    def difference(self) -> float:
        """Actual − predicted: what the curvature of the loss makes of the nudge."""
        return self.actual - self.predicted

    def picture(self, *, precision: int = 4, max_nodes: int = 200) -> "Picture":
        """The graph of the loss with the changed part lit, and each change in the value's box.

        Args:
            precision: how many decimals.
            max_nodes: a graph of more values than this is folded, as by `draw`, and nothing in it is lit.

        >>> w = Value(2.0, "w")
        >>> ripple(w * w, w, 0.1).picture()
        <picture of w·w: 2 values>
        """
        from microgradlike.draw import draw

        notes = {}
        for row in self.rows:
            sign = "+" if row.change > 0 else ""
            after, change = (label.number(data, precision) for data in (row.after, row.change))
            notes[row.value] = f"→ {after} ({sign}{change})"
        return draw(
            self.loss,
            detail="values",
            lit=notes.keys(),
            notes=notes,
            precision=precision,
            max_nodes=max_nodes,
        )

    def __str__(self) -> str:
        lines = _lines(self.rows, self._names)
        widths = [max(map(len, column)) for column in zip(*lines)]
        text = []
        for line in lines:
            name, before, after, change = (
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(line, widths))
            )
            text.append(f"{name}  {before} {'→' if line[1] else ' '} {after}  {change}".rstrip())
        return "\n".join([*text, self._result()])

    def _repr_html_(self) -> str:
        rows = ""
        for i, (name, *numbers) in enumerate(_lines(self.rows, self._names)):
            tag = "td" if i else "th"
            cells = f'<{tag} style="text-align: left">{html.escape(name)}</{tag}>'
            for text in numbers:
                cells += f'<{tag} style="text-align: right">{text}</{tag}>'
            rows += f"<tr>{cells}</tr>\n"
        # A page in quirks mode would give a table its own ink, black on a dark page, too.
        style = "color: inherit; font-variant-numeric: tabular-nums"
        table = f'<table style="{style}">\n{rows}</table>'
        result = f"<p>{html.escape(self._result())}</p>"
        # The class is MathJax's: a $ in a name begins no formula.
        return f'<div class="tex2jax_ignore mathjax_ignore">{table}{result}</div>'

    def __repr__(self) -> str:
        first, *others = self.nudges
        nudged = _name(first, self._names) + f" and {len(others)} more" * bool(others)
        count = f"{len(self.rows):,} value{'s' * (len(self.rows) != 1)}"
        return f"<ripple of {nudged}: {count}, Δ{self._loss} = {number(self.actual, _DIGITS)}>"

    @property
    def _loss(self) -> str:
        return _name(self.loss, self._names) if self.loss.name else "L"

    @functools.cached_property
    def _names(self) -> dict[Value, str]:
        """Names for values that are called alike."""
        return told_apart(forward_order(self.loss, *self.nudges))

    def _result(self) -> str:
        """The line beneath the table: ΔL, and what the gradient says of it."""
        L = self._loss
        text = f"Δ{L} = {number(self.actual, _DIGITS)}"
        if ws := list(self.gradients):
            if len(ws) <= _MOST_TERMS:
                names = [
                    set_apart(_name(w, self._names)) if w.name else f"({_name(w, self._names)})" for w in ws
                ]
                symbols = " + ".join(f"∂{L}/∂{name} · Δ{name}" for name in names)
                numbers = " + ".join(
                    f"{_factor(self.gradients[w], first=w is ws[0])} · {_factor(self.nudges[w])}"
                    for w in ws
                )
            else:
                symbols, numbers = f"Σ ∂{L}/∂w · Δw", f"a sum of {len(ws):,} products"
            text += (
                f"; predicted by the gradient: {symbols} = {numbers} = {number(self.predicted, _DIGITS)}"
            )
            text += f"; difference {number(self.difference, _DIGITS)}"
        if strangers := [w for w in self.nudges if w not in self.gradients]:
            some = ", ".join(_name(w, self._names) for w in strangers[:_MOST_TERMS])
            some += ", …" * (len(strangers) > _MOST_TERMS)
            text += f"; {L} does not depend on {some}"
        return text


_MOST_ROWS, _MOST_LETTERS, _MOST_TERMS, _DIGITS = 40, 30, 3, 4  # of what is printed


def _nudges(w: Any, nudge: Any) -> dict[Value, float]:
    nudges = w if isinstance(w, Mapping) else {w: nudge} if isinstance(w, Value) else None
    if nudges is None or not all(isinstance(value, Value) for value in nudges):
        raise TypeError(
            f"ripple nudges Values: write ripple(loss, w, 0.1) or ripple(loss, {{w: 0.1}}), not {w!r:.60}"
        )
    if isinstance(w, Mapping) and nudge is not None:
        raise TypeError("each of several values has its own nudge: leave out the one behind them")
    if not nudges:
        raise ValueError("ripple needs a value to nudge: ripple(loss, {w: 0.1})")
    return {value: _finite(value, by) for value, by in nudges.items()}


def _finite(value: Value, nudge: Any) -> float:
    problem = f"the nudge of {_name(value, {})} is a finite real number such as 0.1, not {nudge!r:.60}"
    try:
        by = real(nudge)
    except TypeError:
        raise TypeError(problem) from None
    except (OverflowError, ValueError):
        raise ValueError(problem) from None
    if not math.isfinite(by):
        raise ValueError(problem)
    return by


def _recorded(value: Value) -> float:
    return value.evaluation[0] if value.op else float(value.data)


def _forward(node: Any, after: Mapping[Value, float]) -> float:
    """The node's number at the new numbers of its operands; those that do not move have the recorded."""
    _, *operands = node.evaluation
    numbers = [after.get(parent, operand) for parent, operand in zip(node.parents, operands)]
    try:
        out: float = node.op.forward(*numbers)
    except (ArithmeticError, ValueError):
        # The forward pass at these numbers refuses them, too, and says it well.
        out = record(node.op, tuple(Value(x, parent.name) for x, parent in zip(numbers, node.parents))).data
    return out


def _gradients(loss: Value, nudges: Mapping[Value, float]) -> dict[Value, float]:
    """∂loss/∂w for each nudged w that the loss depends on."""
    gradient = gradients(loss)
    for node in reversed(list(gradient)):
        for parent, partial in zip(node.parents, node.partials):
            if isinstance(parent, Constant) and parent in nudges:
                gradient[parent] = gradient.get(parent, 0.0) + partial * gradient[node]
    return {w: gradient[w] for w in nudges if w in gradient}


# ── As a table ────────────────────────────────────────────────────────────────────────────────────────


def _lines(rows: list[Row], names: Mapping[Value, str]) -> list[tuple[str, str, str, str]]:
    """The cells of a table: value, before, after, change; of a long one the middle is left out."""
    lines = [("value", "before", "after", "change")]
    if len(rows) <= _MOST_ROWS:
        return lines + [_line(row, names) for row in rows]
    half = _MOST_ROWS // 2
    left_out = f"… {len(rows) - 2 * half:,} rows left out …", "", "", ""
    first, last = ([_line(row, names) for row in some] for some in (rows[:half], rows[-half:]))
    return [*lines, *first, left_out, *last]


def _line(row: Row, names: Mapping[Value, str]) -> tuple[str, str, str, str]:
    """Numbers with four decimals, or with more where the change needs them."""
    before, after, change = row.before, row.after, row.change
    size = abs(change)
    if 1e-9 < size < 1e7 and max(abs(before), abs(after)) < 1e9:
        decimals = max(_DIGITS, _DIGITS - 1 - math.floor(math.log10(size)))
        numbers = f"{before:.{decimals}f}", f"{after:.{decimals}f}", f"{change:+.{decimals}f}"
        before_, after_, change_ = (text.replace("-", "−") for text in numbers)
    else:
        before_, after_, change_ = (number(data, _DIGITS) for data in (before, after, change))
        change_ = "+" * (change > 0) + change_
    return _name(row.value, names), before_, after_, change_


def _name(value: Value, names: Mapping[Value, str]) -> str:
    """Its name, or else how it was made; where that is long, only its last operation."""
    text = names.get(value, value.name) or (write(value, names=names)[0] if value.op else "a value")
    if value.op and not value.name and len(text) > _MOST_LETTERS:
        operands = [
            written_name(names.get(parent, parent.name))
            if parent.name
            else ("…", "!")
            if parent.op
            else write(parent)
            for parent in value.parents
        ]
        text, _ = value.op.write(operands, brief=True)
    text = label.visible(text)
    return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 1] + "…"


def _factor(data: float, *, first: bool = False) -> str:
    text = number(data, _DIGITS)
    return f"({text})" if text.startswith("−") and not first else text
