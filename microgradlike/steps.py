"""steps: a cursor on the backward pass, forth and back, with the mathematics of each step."""

import html
import operator
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias, overload

from microgradlike.draw import draw_with_places
from microgradlike.engine import NOT_COMPUTED, Constant, Value, check_recorded, topological_order
from microgradlike.files import write_atomically
from microgradlike.formula import (
    formula,
    latex_name,
    names_for,
    number,
    symbolic_partials,
    without_sign,
    write,
    write_partial,
)
from microgradlike.hand import Answer, Guess, Handed, Link, judge, slips, with_shown_digits
from microgradlike.label import number as gradient_text
from microgradlike.notation import fill
from microgradlike.player import Frame, Row, equations, page, player

Typed: TypeAlias = float | str
_DIGITS = 4
_MOST_FRAMES = 500  # in a page; a longer pass is cut off there
_LONGEST_LIST = 1000  # steps in print(cursor)
_LONGEST_FACTOR, _LONGEST_EQUATION = 80, 400  # letters
_MOST_LINES = 12  # of a step's text; a node of more operands has the others left out
_HALF = re.compile(r"½|(?<![\d.])0\.5(?!\d)|/ 2(?![\d.])")
_ADDED = "The leaves had gradients before this pass; these are added now."


def steps(loss: Value) -> "Steps":
    """The backward pass as a cursor: one step for each value that was made by an operation.

    A step is one application of the chain rule: it hands the gradient of a value down to its operands.
    Every step writes the gradients that it computes to ``grad``, as `Value.propagate` does, and at the end
    they are what ``loss.backward()`` leaves, to the last bit. Going back restores what was there before.

    As with ``backward()``, leaves accumulate. A leaf keeps the gradient that it has until the pass reaches
    it, then shows what the pass has brought so far, and the last step adds the two: so a walk after
    ``backward()`` ends with twice the gradient, unless it was cleared. Another cursor does not count what
    a walk has brought so far; ``backward()`` does: finish the walk before it, or `reset` it.

    Args:
        loss: the value to differentiate.

    Returns:
        A `Steps`; ``help(type(cursor))`` has it whole:

        * ``next()``, ``back()``: one step on, one back; ``goto(3)``, ``goto("w31")``: to before a step;
          ``run()``, ``run(until="w31")``: all that are left, or some; ``reset()``: back to the beginning
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
        text = fill("[0*]", [self._written()])
        return text if len(text) <= _LONGEST_FACTOR else self.symbol

    @property
    def latex(self) -> str:
        """The factor as LaTeX."""
        written = self._written(latex=True)
        return fill("[0*]", [written], latex=True) if len(written[0]) <= 4 * _LONGEST_FACTOR else r"\dots"

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
        upstream, before = self._upstream, self._cursor._before[self.index]
        so_far: dict[Value, float] = dict(zip(node.parents, before))
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
            for value, before in dict(zip(node.parents, cursor._before[self.index])).items()
            if before is not NOT_COMPUTED
        ]
        more = f", … {len(shown) - _MOST_LINES} more" if len(shown) > _MOST_LINES else ""
        return f"{name(node)} = {self._equation()} with {', '.join(shown[:_MOST_LINES])}{more}"

    @property
    def _upstream(self) -> float:
        return self._cursor._upstream[self.index]

    def _equation(self, *, latex: bool = False) -> str:
        node, name = self.node, self._cursor.name
        op: Any = node.op
        operands = [
            write(parent, latex=latex)
            if isinstance(parent, Constant)
            else (latex_name(name(parent)) if latex else name(parent), "!")
            for parent in node.parents
        ]
        text = without_sign(op.write(operands, latex=latex)[0])
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


class _SoFar(float):
    """The gradient of a leaf during a walk, and what the leaf had before it.

    Nobody who finds a walk half-way must take its part of a gradient for an earlier gradient.
    """

    __slots__ = ("before",)
    before: float


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
        self._names = names_for(order, {value.name for value in order}, {loss: "L"})
        self._answered: set[Value] = set()  # in hand mode, of the coming step
        self._left: dict[Value, tuple[float, float]] = {}  # in a leaf at the end, and what it had before
        # The whole pass is taken once; from then on the cursor moves over its record. So whatever others
        # do to the gradients in the meantime, those that it writes are right.
        self._upstream: list[float] = []
        self._before: list[tuple[float, ...]] = []
        self._after: list[tuple[float, ...]] = []
        gradients = self._gradients()
        for node in self._nodes:
            upstream = gradients[node]
            self._upstream.append(upstream)
            self._before.append(tuple(gradients.get(parent, NOT_COMPUTED) for parent in node.parents))
            for parent, partial in zip(node.parents, node.partials):
                if parent in gradients:  # and so no Constant
                    gradients[parent] += partial * upstream
            self._after.append(tuple(gradients.get(parent, NOT_COMPUTED) for parent in node.parents))
        self._show()

    def _gradients(self) -> dict[Value, float]:
        """Of each value, what the steps that have been taken made of its gradient."""
        values = (*self._leaves, *self._nodes)
        gradients: dict[Value, float] = {**dict.fromkeys(values, NOT_COMPUTED), self.loss: 1.0}
        for node, after in zip(self._nodes[: self.position], self._after):
            gradients.update(zip(node.parents, after))
        return gradients

    def _show(self) -> None:
        for value, gradient in self._gradients().items():
            self._write(value, gradient)

    def _write(self, value: Value, gradient: float) -> None:
        if value.op:
            value.grad = gradient
            return
        earlier = self._earlier(value)
        if gradient is NOT_COMPUTED:
            value.grad = earlier
        elif self.position < len(self):
            value.grad = so_far = _SoFar(gradient)
            so_far.before = earlier
        else:
            total = gradient + earlier
            self._left[value] = total, earlier  # first, so that Ctrl-C in between does no harm
            value.grad = total

    def _earlier(self, leaf: Value) -> float:
        """What a leaf had before the walk; what others wrote to it in the meantime counts."""
        grad: Any = leaf.grad
        if isinstance(grad, _SoFar):
            grad = grad.before
        if leaf in self._left and grad is self._left[leaf][0]:
            return self._left[leaf][1]
        if grad is None:  # as someone clears it who is used to PyTorch
            return NOT_COMPUTED
        earlier: float = grad
        return earlier

    @property
    def _adds(self) -> bool:
        return any(self._earlier(leaf) for leaf in self._leaves)

    def name(self, value: Value) -> str:
        """What a value of the graph is called in equations: its name, or v1, v2, … where it has none."""
        return value.name or self._names.get(value) or number(value.data, _DIGITS)

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
        here, self.position = self.position, target
        self._answered.clear()
        between = min(here, target)
        # One step changes only the gradients of its operands, and of a large graph that is little; but
        # the last one also adds what the leaves had before.
        if abs(target - here) == 1 and max(here, target) < len(self) and self._is_shown(here, between):
            record = self._after if target > here else self._before
            for parent, gradient in zip(self._nodes[between].parents, record[between]):
                self._write(parent, gradient)
        else:
            self._show()

    def _is_shown(self, here: int, index: int) -> bool:
        """Whether the gradients around a step are still those that the cursor left there.

        Another cursor or a backward pass may have written to them.
        """
        node, operands = self._nodes[index], self._after if here > index else self._before
        expected = [(node, self._upstream[index]), *zip(node.parents, operands[index])]
        return all(value.grad is g or value.grad == g for value, g in expected if value.op)

    def goto(self, place: "int | Value | str") -> None:
        """Move to before a step: the one of that number, or the first that has to do with that value.

        Args:
            place: how many steps have been taken then; or a value of the graph, or its name.

        Raises:
            IndexError: there is no such step; as many as there are means after the last one.
            ValueError: the value is not in the graph.
        """
        target = self._place(place) if isinstance(place, Value | str) else operator.index(place)
        if not 0 <= target <= len(self):
            raise IndexError(f"there are {len(self)} steps: goto takes 0 to {len(self)}, not {place!r}")
        self._move(target)

    def run(self, until: Value | str | None = None) -> None:
        """Take all steps that are left, or those up to before the next one that has to do with a value.

        Args:
            until: the value, or its name.

        Raises:
            ValueError: the value is not in the graph.
        """
        target = len(self)
        if until is not None:
            value = self._in_graph(until)
            self._place(value)
            places = range(self.position, len(self))
            target = next((i for i in places if value in (self._nodes[i], *self._nodes[i].parents)), target)
        self._move(target)

    def reset(self) -> None:
        """Back to before the first step; the leaves have again what they had before."""
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
        meaning = "" if parent.name else formula(parent)
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

    def _place(self, key: Value | str) -> int:
        """Before which step a value comes first."""
        value = self._in_graph(key)
        if value in self._index:
            return self._index[value]
        for i, node in enumerate(self._nodes):
            if value in node.parents:
                return i
        raise ValueError(f"{value!r:.60} is not in the graph of {self.name(self.loss)}")

    def _in_graph(self, key: Value | str) -> Value:
        """A value as it is, or the one of the graph that has this name."""
        values = (value for node in self._nodes for value in (node, *node.parents))
        value = key if isinstance(key, Value) else self._named(key, values)
        if value is None:
            raise ValueError(f"{key!r:.60} is not in the graph of {self.name(self.loss)}")
        return value

    def _named(self, key: str, values: Iterable[Value]) -> Value | None:
        return next((value for value in values if self.name(value) == key), None)

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
        title = f"the backward pass of {self.name(self.loss)}, step by step"
        write_atomically(path, page(self._player(detail, 0), title), force=force)

    def _repr_html_(self) -> str:
        return self._player("neurons", self.position)

    def _player(self, detail: Literal["neurons", "values"], position: int) -> str:
        earlier = {leaf: self._earlier(leaf) for leaf in self._leaves}
        kept = [(value, value.grad) for value in (*self._leaves, *self._nodes)]
        last: dict[Value, float] = {self.loss: 1.0}
        for node, after in zip(self._nodes, self._after):
            last.update(zip(node.parents, after))
        finally_ = {leaf: last[leaf] + gradient for leaf, gradient in earlier.items() if gradient}
        try:  # the picture is that of the end
            for value, gradient in {**last, **finally_}.items():
                value.grad = gradient
            picture, boxes, places = draw_with_places(self.loss, detail=detail)
        finally:
            for value, gradient in kept:
                value.grad = gradient
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

        start = [item for value in places for item in shown(value, earlier.get(value, NOT_COMPUTED))]
        loss = self.name(self.loss)
        first, written = f"∂{loss}/∂{loss} = 1", latex_name(loss)
        one = Row(rf"\frac{{\partial {written}}}{{\partial {written}}}", ["= 1"], first)
        frames = [
            Frame(boxes.get(self.loss, ""), [], start + shown(self.loss, 1.0), [first], equations([one]))
        ]
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
        if len(frames) == len(self) + 1:  # and so none was left out
            more = [item for leaf in finally_.items() for item in shown(*leaf)]
            frames[-1] = frames[-1]._replace(gradients=[*frames[-1].gradients, *more])
        return player(
            svg, frames, f"the backward pass of {loss}, step by step", min(position, len(frames) - 1)
        )

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
