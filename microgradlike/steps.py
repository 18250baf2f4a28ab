"""steps: a cursor on the backward pass, forth and back, with the mathematics of each step."""

import html
import operator
import os
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias, overload

from microgradlike.draw import draw_with_places
from microgradlike.engine import NOT_COMPUTED, Constant, Value, check_recorded, topological_order
from microgradlike.files import write_atomically
from microgradlike.formula import (
    formula,
    latex_name,
    names_of,
    number,
    symbolic_partials,
    write,
    write_partial,
    written_name,
)
from microgradlike.hand import Answer, Guess, Handed, Link, judge, slips, with_shown_digits
from microgradlike.label import number as gradient_text
from microgradlike.naming import forward_order, set_apart
from microgradlike.notation import as_factor
from microgradlike.player import Frame, Row, equations, page, player

Typed: TypeAlias = float | str
_DIGITS = 4
_MOST_FRAMES = 500  # in a page; a longer pass is cut off there
_LONGEST_LIST = 1000  # steps in print(cursor)
_LONGEST_FACTOR, _LONGEST_EQUATION = 80, 400  # letters
_MOST_NAMES = 6  # in a message
_MOST_LINES = 12  # of a step's text; a node of more operands has the others left out
_HALF = re.compile(r"½|(?<![\d.])0\.5(?!\d)|/ 2(?![\d.])")
_ADDED = "The leaves had gradients before this pass; in their grad, the two are added now."


def steps(loss: Value) -> "Steps":
    """The backward pass as a cursor: one step for each value that was made by an operation.

    A step is one application of the chain rule: it hands the gradient of a value down to its operands.
    The cursor keeps the gradients of its walk: ``cursor.gradient(w)`` gives one, and the text and the
    picture show them.

    No ``grad`` is written before the last step. The first time that a walk comes to its end, it does once
    what ``loss.backward()`` does: leaves accumulate, so clear them before, as between training steps. Going
    back changes no ``grad``, and coming to the end again does not either: for a second pass open a
    second cursor. Other cursors and backward passes in between make no difference.

    Args:
        loss: the value to differentiate.

    Returns:
        A `Steps`; ``help(type(cursor))`` has it whole:

        * ``next()``, ``back()``: one step on, one back; ``goto(3)``: to where three steps have been taken;
          ``goto("w31")``: to before the first step that has to do with w31;
          ``run()``, ``run(until="w31")``: all that are left, or some; ``reset()``: back to the beginning
        * ``gradient("w31")``: ∂L/∂w31 as far as the walk has come; ``gradients``: those of all values
        * ``question``, ``guess(0.38)``, ``guess({"w31": 0.009, "b3": "0.10"})``: hand mode, in which you
          work the next gradient out, and are told whether it is right, or which slip it shows
        * ``coming``, ``position``, ``len(cursor)``, ``cursor[0]``, ``for step in cursor``: the steps; each
          has ``node`` and ``contributions``, and prints as its equations
        * ``save("steps.html")``: a page with a slider and keys; in a notebook the cursor shows it

    Raises:
        TypeError: it is not one Value.
        ValueError: nothing was computed there, so there is nothing to step through.
        RuntimeError: someone wrote to ``data`` since the graph was recorded.

    >>> h, w, b = Value(0.5, name="h1"), Value(0.25, name="w31"), Value(1.0, name="b3")
    >>> z = w * h + b
    >>> z.name = "z3"
    >>> y = z.sigmoid()
    >>> y.name = "y"
    >>> cursor = steps(y)
    >>> len(cursor)
    3
    >>> print(cursor.next())
    step 1 of 3 · y = σ(z3)
    ∂y/∂z3 += y(1 − y) = 0.1850
    >>> cursor.run()
    >>> w.grad == 0.5 * z.grad
    True
    >>> print(cursor.back())
    step 3 of 3 · v1 = w31·h1
    ∂y/∂w31 += ∂y/∂v1 · ∂v1/∂w31 = ∂y/∂v1 · h1 = 0.1850 · 0.5000 = 0.09251
    ∂y/∂h1 += ∂y/∂v1 · ∂v1/∂h1 = ∂y/∂v1 · w31 = 0.1850 · 0.2500 = 0.04625
    """
    return Steps(loss)


@dataclass(frozen=True)
class Contribution:
    """What a step hands down to one operand: ∂L/∂parent += ∂L/∂node · ∂node/∂parent.

    Attributes:
        parent: the operand.
        partial: the local derivative ∂node/∂parent.
        upstream: the gradient ∂L/∂node.
        amount: their product.
        before: ∂L/∂parent before it is added; `NOT_COMPUTED` where this is the first contribution.
        after: ∂L/∂parent with it.
        operand: which of the node's operands the parent is, from 0 on.
        symbol: the local derivative in symbols, such as ∂z3/∂w31.
        rule: the local derivative as the op table's rule gives it for named values: a Value, or a number.
    """

    parent: Value
    partial: float
    upstream: float
    amount: float
    before: float
    after: float
    operand: int
    symbol: str
    rule: Any

    @property
    def formula(self) -> str:
        """The local derivative as a formula, such as y − t."""
        return self._written()[0]

    @property
    def factor(self) -> str:
        """The formula as a factor of a product, (y − t); one too long to be read is its symbol."""
        text = as_factor(self._written())
        return text if len(text) <= _LONGEST_FACTOR else self.symbol

    @property
    def latex(self) -> str:
        """The factor as LaTeX."""
        written = self._written(latex=True)
        return as_factor(written, latex=True) if len(written[0]) <= 4 * _LONGEST_FACTOR else r"\dots"

    def _written(self, *, latex: bool = False) -> tuple[str, str]:
        return write_partial(self.rule, _DIGITS, latex=latex)


class Step:
    """One application of the chain rule; ``str(step)`` is what one writes on paper.

    Attributes:
        index: which step it is, from 0 on.
        node: the value whose gradient is handed down.
    """

    def __init__(self, cursor: "Steps", index: int) -> None:
        self._cursor = cursor
        self.index = index
        self.node = cursor._nodes[index]

    @cached_property
    def contributions(self) -> list[Contribution]:
        """One for each operand that is no `Constant`; an operand that stands there twice has two."""
        node, name = self.node, self._cursor.name
        rules = symbolic_partials(
            node,
            lambda value, data: data if isinstance(value, Constant) else Value(data, name(value)),
        )
        upstream = self._upstream
        so_far = {parent: self._cursor._gradient(parent, self.index) for parent in node.parents}
        contributions = []
        for operand, (parent, partial, rule) in enumerate(zip(node.parents, node.partials, rules)):
            if isinstance(parent, Constant):
                continue
            amount, earlier = partial * upstream, so_far[parent]
            so_far[parent] = earlier + amount
            contributions.append(
                Contribution(
                    parent=parent,
                    partial=partial,
                    upstream=upstream,
                    amount=amount,
                    before=earlier,
                    after=so_far[parent],
                    operand=operand,
                    symbol=f"∂{name(node)}/∂{name(parent)}",
                    rule=rule,
                )
            )
        return contributions

    def lines(self) -> list[str]:
        """The equation of the node, then a line for each contribution."""
        cursor, node = self._cursor, self.node
        loss, upstream = cursor.name(cursor.loss), cursor.name(node)
        lines = [f"step {self.index + 1} of {len(cursor)} · {upstream} = {self._equation()}"]
        for c in self.contributions[:_MOST_LINES]:
            line = f"∂{loss}/∂{cursor.name(c.parent)} += "
            if node is not cursor.loss:  # where ∂L/∂L = 1 would only be in the way
                line += (
                    f"∂{loss}/∂{upstream} · {c.symbol} = ∂{loss}/∂{upstream} · {c.factor} "
                    f"= {_bracketed(c.upstream)} · {_bracketed(c.partial)} = {number(c.amount, _DIGITS)}"
                )
            else:
                formula = c.formula if len(c.formula) <= _LONGEST_FACTOR else c.symbol
                line += " = ".join(dict.fromkeys([formula, number(c.amount, _DIGITS)]))
            if c.before is not NOT_COMPUTED:
                line += f", with the {number(c.before, _DIGITS)} there: {number(c.after, _DIGITS)}"
            lines.append(line)
        return lines + self._remarks()

    def _remarks(self) -> list[str]:
        remarks = []
        if left_out := len(self.contributions[_MOST_LINES:]):
            remarks.append(f"… and {left_out} more operand{'s' * (left_out > 1)}")
        if self.index == len(self._cursor) - 1 and self._cursor._adds:
            remarks.append(_ADDED)
        return remarks

    def given(self) -> str:
        """What one needs to work the step out: the equation, the numbers in it, and what += adds to."""
        cursor, node, name = self._cursor, self.node, self._cursor.name
        numbers = {name(value): data for value, data in zip((node, *node.parents), node.evaluation)}
        shown = [
            f"{word} = {number(data, _DIGITS)}"
            for word, data in [(f"∂{name(cursor.loss)}/∂{name(node)}", self._upstream), *numbers.items()]
            if word != number(data, _DIGITS)
        ]
        shown += [
            f"{cursor._total(value)} so far {number(before, _DIGITS)}"
            for value in dict.fromkeys(node.parents)
            if (before := cursor._gradient(value, self.index)) is not NOT_COMPUTED
        ]
        more = f", … {len(shown) - _MOST_LINES} more" if len(shown) > _MOST_LINES else ""
        return f"{name(node)} = {self._equation()} with {', '.join(shown[:_MOST_LINES])}{more}"

    @property
    def _upstream(self) -> float:
        return self._cursor._gradient(self.node, self.index)

    def _equation(self, *, latex: bool = False) -> str:
        node, name = self.node, self._cursor.name
        assert node.op
        operands = [
            write(parent, latex=latex)
            if isinstance(parent, Constant)
            else written_name(name(parent), latex=latex)
            for parent in node.parents
        ]
        text, _ = node.op.write(operands, latex=latex, brief=True)
        if len(text) <= _LONGEST_EQUATION * (1 + latex):
            return text
        return r"\dots" if latex else f"{text[:_LONGEST_EQUATION]} …"

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def __repr__(self) -> str:
        return f"<step {self.index + 1} of {len(self._cursor)}: {self._cursor.name(self.node)}>"

    def _repr_latex_(self) -> str:
        remark = r"\text{%s}"
        rows = [f"{row.left} &{' '.join(row.right) or remark % row.text}" for row in self.rows()]
        return "$\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}$"

    def rows(self) -> list[Row]:
        """The lines as LaTeX, too; without the step's number."""
        cursor, name = self._cursor, self._cursor.name
        loss, upstream = latex_name(name(cursor.loss)), latex_name(name(self.node))

        def by(value: str, of: str = loss) -> str:
            return rf"\frac{{\partial {of}}}{{\partial {value}}}"

        first, *lines = self.lines()
        rows = [Row(upstream, [f"= {self._equation(latex=True)}"], first.partition(" · ")[2])]
        for c, line in zip(self.contributions, lines):
            parent = latex_name(name(c.parent))
            above, local = (_bracketed(x, latex=True) for x in (c.upstream, c.partial))
            amount = number(c.amount, _DIGITS, latex=True)
            if self.node is not cursor.loss:
                factor = by(parent, upstream) if c.factor == c.symbol else c.latex
                terms = [
                    rf"{by(upstream)} \cdot {by(parent, upstream)}",
                    rf"{by(upstream)} \cdot {factor}",
                    rf"{above} \cdot {local}",
                    amount,
                ]
            else:
                formula = c._written(latex=True)[0]
                terms = [by(parent) if len(c.formula) > _LONGEST_FACTOR else formula, amount]
            right = [f"= {term}" for term in dict.fromkeys(terms)]
            right[0] = rf"\mathrel{{+}}{right[0]}"
            if c.before is not NOT_COMPUTED:
                before, after = (number(x, _DIGITS, latex=True) for x in (c.before, c.after))
                right[-1] += rf",\quad \text{{with the }} {{{before}}} \text{{ there: }} {{{after}}}"
            rows.append(Row(by(parent), right, line))
        return rows + [Row("", [], remark) for remark in self._remarks()]


class _Total(NamedTuple):
    """The gradient of a value once a step has added to it."""

    step: int
    gradient: float


_STEP = operator.attrgetter("step")


def _record(loss: Value, nodes: Sequence[Value], leaves: Sequence[Value]) -> dict[Value, list[_Total]]:
    """The backward pass: for each value of the graph, its gradient after each step that adds to it."""
    record: dict[Value, list[_Total]] = {value: [] for value in (*nodes, *leaves)}
    record[loss].append(_Total(-1, 1.0))
    for step, node in enumerate(nodes):
        upstream = record[node][-1].gradient
        for parent, partial in zip(node.parents, node.partials):
            totals = record.get(parent)
            if totals is None:  # a Constant
                continue
            before = totals[-1].gradient if totals else NOT_COMPUTED
            total = _Total(step, before + partial * upstream)
            if totals and totals[-1].step == step:  # the operand stands there twice
                totals[-1] = total
            else:
                totals.append(total)
    return record


class Steps:
    """A cursor on the backward pass of a loss; see `steps`.

    ``cursor[i]`` is a step, ``cursor[i:j]`` a list of them, ``len(cursor)`` their number; a loop over the
    cursor takes the steps that are left, one by one.

    Attributes:
        loss: the value that is differentiated.
        position: how many steps have been taken.
    """

    def __init__(self, loss: Value) -> None:
        if not isinstance(loss, Value):
            raise TypeError(f"steps walks back from one Value, not from {loss!r:.60}")
        order = topological_order(loss)
        check_recorded(order)
        self.loss, self.position = loss, 0
        self._nodes = [node for node in reversed(order) if node.op]
        if not self._nodes:
            raise ValueError(f"{loss!r:.60} was not computed from anything: there is no step to take")
        self._leaves = [leaf for leaf in order if not leaf.op]
        self._index = {node: i for i, node in enumerate(self._nodes)}
        self._values = forward_order(loss)
        self._names = names_of(self._values, order, {loss: "L"})
        self._answered: set[Value] = set()  # in hand mode, of the coming step
        self._is_written = False  # whether the graph has the gradients of this walk
        self._adds_to_earlier = False  # whether it had others before
        # The whole pass is taken once, and the cursor moves over its record. So nothing that others do to
        # the graph in the meantime can change what it shows.
        self._record = _record(loss, self._nodes, self._leaves)

    def gradient(self, value: Value | str) -> float:
        """∂L/∂value as far as the walk has come; `NOT_COMPUTED` where it has not come yet.

        Args:
            value: a value of the graph, or its name.

        Raises:
            ValueError: the value is not in the graph.

        >>> w, x = Value(3.0, "w"), Value(2.0, "x")
        >>> cursor = steps(w * x)
        >>> cursor.gradient("w") is NOT_COMPUTED
        True
        >>> step = cursor.next()
        >>> cursor.gradient("w"), cursor.gradient(x)
        (2.0, 3.0)
        """
        return self._gradient(self._in_graph(value), self.position)

    @property
    def gradients(self) -> dict[Value, float]:
        """∂L/∂v as far as the walk has come, for each value v that it has come to."""
        return self._gradients(self.position)

    def _gradients(self, position: int) -> dict[Value, float]:
        reached = ((value, self._gradient(value, position)) for value in self._record)
        return {value: gradient for value, gradient in reached if gradient is not NOT_COMPUTED}

    def _gradient(self, value: Value, position: int) -> float:
        """The gradient of a value after so many steps."""
        totals = self._record.get(value, [])
        taken = bisect_left(totals, position, key=_STEP)
        return totals[taken - 1].gradient if taken else NOT_COMPUTED

    @property
    def _adds(self) -> bool:
        """Whether the last step adds to gradients that the leaves have, or did so."""
        return self._adds_to_earlier if self._is_written else any(leaf.grad for leaf in self._leaves)

    def name(self, value: Value) -> str:
        """What a value of the graph is called in equations.

        That is its name; of several values of one name x⁽¹⁾, x⁽²⁾, …; v1, v2, … where it has none.
        """
        name = self._names.get(value, value.name)
        return set_apart(name) if name else number(value.data, _DIGITS)

    # ── Moving ────────────────────────────────────────────────────────────────────────────────────────

    def next(self) -> Step:
        """Take the coming step.

        Raises:
            IndexError: all steps have been taken.
        """
        if self.position == len(self):
            raise IndexError("the backward pass is finished: back() undoes a step, reset() begins anew")
        self._move(self.position + 1)
        return self[self.position - 1]

    def back(self) -> Step:
        """Undo the last step, to the bit, and give it.

        Raises:
            IndexError: no step has been taken.
        """
        if not self.position:
            raise IndexError("no step has been taken yet: next() takes one")
        self._move(self.position - 1)
        return self[self.position]

    def _move(self, target: int) -> None:
        if target == len(self) and not self._is_written:
            self._write()
        self.position = target
        self._answered.clear()

    def _write(self) -> None:
        """Do one backward pass, and remember that it is done: both, or after Ctrl-C neither."""
        before = [leaf.grad for leaf in self._leaves]
        try:
            try:
                adds = self._adds
                self.loss.backward()
                self._is_written, self._adds_to_earlier = True, adds
            except BaseException:
                self._take_back(before)
                raise
        except BaseException:  # Ctrl-C may come while the handler above is at work
            self._take_back(before)
            raise

    def _take_back(self, gradients: Sequence[float]) -> None:
        self._is_written = False
        for leaf, gradient in zip(self._leaves, gradients):
            leaf.grad = gradient

    def goto(self, place: "int | Value | str") -> None:
        """Move to where so many steps have been taken, or to before the step of a value.

        The step of a value hands its gradient down. A leaf has none: its place is before the first step
        that hands something to it.

        Args:
            place: how many steps have been taken then, so that ``goto(2)`` comes before "step 3"; or a
                value of the graph, or its name.

        Raises:
            IndexError: there is no such step; as many as there are means after the last one.
            ValueError: the value is not in the graph.
        """
        target = self._place(place, 0) if isinstance(place, Value | str) else operator.index(place)
        if target is None or not 0 <= target <= len(self):
            raise IndexError(f"there are {len(self)} steps: goto takes 0 to {len(self)}, not {place!r}")
        self._move(target)

    def run(self, until: Value | str | None = None) -> None:
        """Take all steps that are left, or those up to before the step of a value.

        It stops where `goto` goes to; for a leaf, before the next step that hands something to it.

        Args:
            until: the value, or its name.

        Raises:
            ValueError: the value is not in the graph.
        """
        target = len(self) if until is None else self._place(until, self.position)
        self._move(len(self) if target is None else target)

    def reset(self) -> None:
        """Back to before the first step."""
        self._move(0)

    # ── Hand mode ─────────────────────────────────────────────────────────────────────────────────────

    def guess(
        self,
        answer: "Typed | Mapping[Any, Typed]",
    ) -> Answer:
        """Compare what a learner worked out for the coming step; right answers move the cursor on.

        Args:
            answer: the gradient of the step's next operand, as it stands after the step; or a dict of
                such, by value or by name. A number is right if it is so to the digits that were typed
                (a string keeps its zeros), or if it was computed with the four digits shown.

        Returns:
            An `Answer`, which is true if all is right, and whose text names a known slip: that h(1 − h)
            is left out or there twice, or taken at the activation, that the sign is turned, … A slip is
            known by the number that it gives on this very graph. Where so few digits were typed that the
            number is more than 5 % off, or may come from a slip as well, the answer asks for one more.

        Raises:
            IndexError: all steps have been taken.
            ValueError: the step has no such operand, or it is no number.

        >>> w, x = Value(3.0, "w"), Value(2.0, "x")
        >>> L = (w * x) ** 2
        >>> L.name = "L"
        >>> cursor = steps(L)
        >>> print(cursor.guess(-12))
        ∂L/∂v1: the sign is turned
        >>> print(cursor.guess(12))
        ∂L/∂v1 = 12: right
        >>> print(cursor.guess({"w": 24, "x": 3}))
        ∂L/∂w = 24: right
        ∂L/∂x: that is ∂v1/∂x alone: multiply by the gradient of v1
        """
        step = self.coming
        if not step:
            raise IndexError("the backward pass is finished: there is no step to guess")
        asked = dict.fromkeys(c.parent for c in step.contributions)
        if not asked:
            raise ValueError("this step hands nothing down to anyone: take it with next()")
        if isinstance(answer, Mapping) and not answer:
            raise ValueError(f"there is no number in {{}}: this step asks for {self.question}")
        if isinstance(answer, Mapping):
            guesses = {self._operand(key, list(asked)): Guess.of(typed) for key, typed in answer.items()}
        else:
            following = next(value for value in asked if value not in self._answered)
            guesses = {following: Guess.of(answer)}
        answers = [self._judge(step, value, guess) for value, guess in guesses.items()]
        self._answered |= {value for value, said in zip(guesses, answers) if said}
        messages = [said.message for said in answers]
        if self._answered >= asked.keys():
            messages += [_ADDED] if self.position == len(self) - 1 and self._adds else []
            self.next()
        slip = next((said.slip for said in answers if said.slip), "")
        return Answer(all(answers), "\n".join(messages), slip)

    @property
    def question(self) -> str:
        """What `guess` wants next, such as ∂L/∂w31; empty when all steps have been taken.

        Where an operand has a gradient already, it is said, since the step adds to it.
        """
        step = self.coming
        asked = [c for c in step.contributions if c.parent not in self._answered] if step else []
        if not asked:
            return ""
        parent, before = asked[0].parent, asked[0].before
        question = self._total(parent)
        if before is not NOT_COMPUTED:
            question += f" (so far {number(before, _DIGITS)})"
        meaning = "" if parent.name else write(parent, names=self._names)[0]
        return f"{question}, where {self.name(parent)} = {meaning}" if 0 < len(meaning) <= 40 else question

    def _total(self, value: Value) -> str:
        return f"∂{self.name(self.loss)}/∂{self.name(value)}"

    def _operand(self, key: Value | str, asked: Sequence[Value]) -> Value:
        value = key if isinstance(key, Value) else self._named(key, asked)
        if value is not None and value in asked:
            return value
        raise ValueError(
            f"the coming step asks for {', '.join(map(self.name, asked))}, not for {key!r:.60}"
        )

    def _judge(self, step: Step, value: Value, guess: Guess) -> Answer:
        mine = [c for c in step.contributions if c.parent is value]
        others = [c for c in step.contributions if c.parent is not value][:_MOST_LINES]
        total = self._total(value)
        handed = Handed(
            link=self._link(step.node, mine),
            upstream=mine[0].upstream,
            before=mine[0].before,
            amounts=[c.amount for c in mine],
            after=mine[-1].after,
        )
        texts = formula(self.loss), formula(step.node), handed.link.formula
        known = slips(
            handed,
            self._above(step.node),
            self._below(value),
            [self._link(step.node, [c]) for c in others],
            self.name(self.loss),
            halved=any(map(_HALF.search, texts)),
        )
        shown = with_shown_digits(step.node, [c.operand for c in mine], handed)
        said = judge(guess, handed, shown, known)
        if said:
            return Answer(True, f"{total} = {number(handed.after, _DIGITS)}: right")
        message = f"{total}: {said.message}" if said.message else f"{total} is not {guess.number:g}"
        return Answer(False, message, said.slip)

    def _link(self, node: Value, contributions: Sequence[Contribution]) -> Link:
        """Of an operand that stands there twice, both contributions are one link."""
        return Link(
            node,
            contributions[0].operand,
            sum(c.partial for c in contributions),
            contributions[0].symbol,
            contributions[0].factor
            if len(contributions) == 1
            else f"({' + '.join(c.formula for c in contributions)})",
            self.name,
        )

    def _above(self, node: Value) -> Link | None:
        """By what the gradient of a node came, if it came by one way only."""
        ways = [i for i in range(self._index[node]) if node in self._nodes[i].parents]
        if len(ways) != 1:
            return None
        by = [c for c in self[ways[0]].contributions if c.parent is node]
        return self._link(self._nodes[ways[0]], by) if len(by) == 1 else None

    def _below(self, value: Value) -> Link | None:
        """What the next step on from an operand would multiply by, if there is no choice."""
        if value not in self._index:
            return None
        on = self[self._index[value]].contributions
        return self._link(value, on) if len(on) == 1 else None

    def _place(self, key: Value | str, start: int) -> int | None:
        """Before which step the place of a value is, from a position on; None where none is left."""
        value = self._in_graph(key)
        if value in self._index:
            index = self._index[value]
            return index if index >= start else None
        places = range(start, len(self))
        return next((i for i in places if value in self._nodes[i].parents), None)

    def _in_graph(self, key: Value | str) -> Value:
        """A value as it is, or the one of the graph that has this name."""
        value: Value | None
        if isinstance(key, Value):
            value = key if key in self._record or key in self._values else None
        else:
            value = self._named(key, self._values)
        if value is None:
            raise ValueError(f"{key!r:.60} is not in the graph of {self.name(self.loss)}")
        return value

    def _named(self, key: str, values: Iterable[Value]) -> Value | None:
        """The value that is called so.

        Raises:
            ValueError: several are, and so each has a name of its own.
        """
        found = [v for v in dict.fromkeys(values) if key in {self.name(v), self._names.get(v, v.name)}]
        found = found or [v for v in dict.fromkeys(values) if v.name == key]
        if len(found) > 1:
            names = [self.name(value) for value in found]
            some = ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")
            raise ValueError(f"{key!r:.60} is the name of {len(names)} values: write one of {some}")
        return found[0] if found else None

    # ── Like a sequence ───────────────────────────────────────────────────────────────────────────────

    @property
    def coming(self) -> Step | None:
        """The step that `next` will take; None after the last one."""
        return self[self.position] if self.position < len(self) else None

    def __len__(self) -> int:
        return len(self._nodes)

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> list[Step]: ...
    def __getitem__(self, index: int | slice) -> Step | list[Step]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        if not -len(self) <= index < len(self):
            raise IndexError(f"there are {len(self)} steps, so there is no step {index}")
        return Step(self, index % len(self))

    def __iter__(self) -> Iterator[Step]:
        while self.position < len(self):
            yield self.next()

    # ── In a notebook, and in a browser ───────────────────────────────────────────────────────────────

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        detail: Literal["neurons", "values"] = "neurons",
        force: bool = False,
    ) -> None:
        """Write a page that plays the steps in any browser; it needs no other file and no network.

        Args:
            path: of the file, which is made or replaced.
            detail: whether a neuron is one box, or each value.
            force: whether to replace a file that is read-only.

        Raises:
            ValueError: an unknown detail.
            OSError: the file cannot be written; an earlier file of that name stays as it is.
        """
        title = f"the backward pass of {self.loss.name or self.name(self.loss)}, step by step"
        write_atomically(path, page(self._player(detail, 0), title), force=force)

    def _repr_html_(self) -> str:
        return self._player("neurons", self.position)

    def _player(self, detail: Literal["neurons", "values"], position: int) -> str:
        picture, boxes, places = draw_with_places(self.loss, self._gradients(len(self)), detail=detail)
        try:
            svg = picture.pipe("svg", encoding="utf-8")
        except RuntimeError as error:  # without a program to draw with, the steps remain
            svg = f"<svg></svg><pre>{html.escape(str(error))}</pre>"
        if len(self) > _MOST_FRAMES:
            svg += f"<p>The first {_MOST_FRAMES} of {len(self)} steps:</p>"

        def shown(value: Value, gradient: float) -> list[tuple[str, int, str]]:
            word = "grad " if detail == "values" else ""
            text = "–" if gradient is NOT_COMPUTED else gradient_text(gradient, _DIGITS)
            return [(box, which, word + text) for box, which in places.get(value, [])]

        start = [item for value in places for item in shown(value, self._gradient(value, 0))]
        loss = self.name(self.loss)
        first, written = f"∂{loss}/∂{loss} = 1", latex_name(loss)
        one = Row(rf"\frac{{\partial {written}}}{{\partial {written}}}", ["= 1"], first)
        frames = [Frame(boxes.get(self.loss, ""), [], start, [first], equations([one]))]
        for i in range(min(len(self), _MOST_FRAMES)):
            step = self[i]
            contributions = step.contributions
            frames.append(
                Frame(
                    boxes.get(step.node, ""),
                    [
                        (boxes[c.parent], boxes[step.node])
                        for c in contributions
                        if {c.parent, step.node} <= boxes.keys()
                    ],
                    [item for c in contributions for item in shown(c.parent, c.after)],
                    step.lines(),
                    equations(step.rows()),
                )
            )
        title = f"the backward pass of {self.loss.name or loss}, step by step"
        return player(svg, frames, title, min(position, len(frames) - 1))

    def __str__(self) -> str:
        """All steps, or as many as anyone reads."""
        shown = [str(self[i]) for i in range(min(len(self), _LONGEST_LIST))]
        if len(self) > len(shown):
            shown.append(f"… and {len(self) - len(shown):,} more steps")
        return "\n\n".join(shown)

    def __repr__(self) -> str:
        return (
            f"<cursor on the backward pass of {self.name(self.loss)}: {self.position} of {len(self)} steps>"
        )


def _bracketed(data: float, *, latex: bool = False) -> str:
    text = number(data, _DIGITS, latex=latex)
    return f"({text})" if text[:1] in {"−", "-"} else text
