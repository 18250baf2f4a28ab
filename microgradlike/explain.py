"""One gradient explained: ∂L/∂w as the sum over all paths from L to w, each a product of local derivatives.

That is the chain rule written out. `Value.backward` computes the same number without looking at a single
path, and it has to: there may be more of them than atoms. Here they are counted, and the largest listed.
"""

import contextvars
import decimal
import heapq
import itertools
import math
import textwrap
from collections.abc import Callable, Collection, Iterator, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Any, NamedTuple

from microgradlike import ops
from microgradlike.engine import Value, check_recorded, topological_order
from microgradlike.formula import latex_name, number, write
from microgradlike.ops import Op

_DIGITS = 4
_WIDTH = 100  # columns of text
_HEAD, _TAIL = 6, 5  # what is shown of a path of many factors
_LONG_FORMULA, _LONG_DEFINITION = 40, 80  # letters
_MOST_DEFINITIONS, _MOST_CULPRITS = 20, 3
_SATURATED, _VANISHING = 1e-6, 1e-12  # magnitudes, of a local derivative and of a gradient

#: Operations whose derivative tends to 0 somewhere, so that it may round to 0.
_SATURATING = {
    *(ops.sigmoid, ops.tanh, ops.erf, ops.erfc, ops.atan, ops.softsign, ops.exp, ops.exp2, ops.expm1),
    *(ops.softplus, ops.silu, ops.gelu, ops.elu, ops.selu, ops.logsumexp),
    ops.binary_cross_entropy_with_logits,
}
_FLAT = {ops.leaky_relu, ops.hardtanh, ops.clip, ops.sign, ops.greater, ops.equal}
_CHOOSING = {ops.minimum, ops.maximum, ops.where}


class Edge(NamedTuple):
    """A step of a path, from a value to one of its operands.

    Attributes:
        node: the value.
        operand: which of its operands, from 0 on; the two edges of a·a differ in nothing else.
        parent: that operand.
        factor: the local derivative ∂node/∂parent.
        reach: the magnitude of the largest product that a path to w can have from this edge on.
    """

    node: Value
    operand: int
    parent: Value
    factor: float
    reach: Decimal


class Path:
    """A way from the loss down to w, with the local derivative of each step.

    Attributes:
        edges: the steps, a list of `Edge`.
        nodes: the values on the way, from the loss to w.
        factors: the local derivatives.
        value: their product.

    The three properties write the product. Of very many factors those in the middle are an ellipsis.
    """

    def __init__(self, loss: Value, edges: list[Edge], notation: "_Notation") -> None:
        self.edges = edges
        self.nodes = [loss, *(edge.parent for edge in edges)]
        self.factors = [edge.factor for edge in edges]
        self.value = _product(edges)
        self._notation = notation

    @property
    def symbols(self) -> str:
        """In symbols: ∂L/∂y · ∂y/∂z3."""
        return " · ".join(factor.symbol for factor in self._notation.factors(self.edges))

    @property
    def formulas(self) -> str:
        """In formulas: (y − t) · y(1 − y). A factor whose formula is too long stays a symbol."""
        return " · ".join(factor.formula for factor in self._notation.factors(self.edges))

    @property
    def numbers(self) -> str:
        """In numbers: 0.5841 · 0.2429."""
        return " · ".join(factor.number for factor in self._notation.factors(self.edges))

    def __repr__(self) -> str:
        return f"<path {self.symbols} = {number(self.value, _DIGITS)}>"


class Explanation:
    """What `explain` found. ``str`` writes it as one would on paper; in a notebook it is LaTeX.

    Attributes:
        loss, w: the two values.
        gradient: ∂loss/∂w, the sum over all paths, as ``loss.backward()`` computes it.
        count: how many paths there are, exactly.
        zeros: how many of them have a factor that is exactly 0.
        paths: the largest of them in magnitude, the largest first; a list of `Path`.
        omitted: how many are not listed.
        omitted_sum: the sum of those.
        reason: why the gradient is 0, almost 0 or not finite: "independence", "zero factor",
            "saturation", "underflow", "cancellation", "vanishing", "infinity" or "overflow"; or "".
        culprits: the edges that are to blame for it.
        diagnosis: the same as a sentence; or "".
    """

    def __init__(self, loss: Value, w: Value, limit: int) -> None:
        order = topological_order(loss)
        check_recorded(order)
        self.loss, self.w = loss, w
        edges = _edges_between(order, w)
        self.gradient, self.count, self.zeros = _sum_over_paths(edges, loss)
        live = self.count - self.zeros
        # The diagnosis needs the largest path, even where none is to be listed.
        found = _largest_paths(edges, loss, w, max(limit, 1)) if self.count else []
        self._largest = found[0] if found else []
        self.reason, self.culprits = _diagnose(edges, loss, self.gradient, live, self._largest)
        self._origin = _first_not_finite(self.culprits[0].node) if self.reason == "infinity" else None

        listed = found[:limit]
        mentioned = {loss, w, self._origin or w}
        for edge in itertools.chain(*listed, self.culprits):
            mentioned.update((edge.node, edge.parent))
        self._names = _names_for(mentioned, order, loss, w)
        self._data = {value: value.data for value in mentioned}  # as it is now, whatever comes later
        notation = _Notation(self._names, self._data)
        self.paths = [Path(loss, way, notation) for way in listed]
        self.omitted = self.count - len(listed)
        self.omitted_sum: float = self.gradient - ops.sum(*(path.value for path in self.paths))
        if len(listed) >= live and math.isfinite(self.gradient):
            self.omitted_sum = 0.0  # only paths of product 0 are left out; the difference is rounding error
        self.diagnosis = self._sentence(notation)

    def __str__(self) -> str:
        notation = _Notation(self._names, self._data)
        gradient = notation.derivative(self.loss, self.w)
        blocks = [f"{gradient} = {notation.number(self.gradient)} ({notation.paths(self.count)})"]
        paths = self.paths if self.loss is not self.w else []  # ∂w/∂w = 1 says it all
        labels = [f"{i}. " if len(paths) > 1 else "" for i in range(1, len(paths) + 1)]
        written = [_in_rows(notation.factors(path.edges), path.value) for path in paths]
        if any(len(label) + len(line) > _WIDTH for label, lines in zip(labels, written) for line in lines):
            written = [_in_columns(notation.factors(path.edges, alone=True), path.value) for path in paths]
        blocks += map(_hanging, labels, written)
        blocks.append(self._left_out(notation))
        blocks.append(_hanging("where ", notation.definitions(self._shown())))
        blocks.append(textwrap.fill(self.diagnosis, _WIDTH, break_long_words=False, break_on_hyphens=False))
        return "\n\n".join(filter(None, blocks))

    def _repr_latex_(self) -> str:
        notation = _Notation(self._names, self._data, latex=True)
        gradient = notation.derivative(self.loss, self.w)
        count = notation.sentence(f" ({notation.paths(self.count)})")
        rows = [f"{gradient} &= {notation.number(self.gradient)} {count}"]
        for i, path in enumerate(self.paths if self.loss is not self.w else [], 1):
            label = rf"{i}.\quad " if len(self.paths) > 1 else ""
            symbols, formulas, numbers = (
                r" \cdot ".join(row) for row in zip(*notation.factors(path.edges))
            )
            result = f" = {notation.number(path.value)}" if len(path.edges) > 1 else ""
            rows += [rf"{label}&\phantom{{={{}}}}{symbols}", f"&= {formulas}", f"&= {numbers}{result}"]
        rows += [definition.replace(" = ", " &= ", 1) for definition in notation.definitions(self._shown())]
        sentences = filter(None, [self._left_out(notation), self._sentence(notation)])
        rows += [rf"&\phantom{{={{}}}}{notation.sentence(sentence)}" for sentence in sentences]
        return r"$\displaystyle\begin{aligned}" + " \\\\[0.7ex]\n".join(rows) + r"\end{aligned}$"

    def __repr__(self) -> str:
        notation = _Notation(self._names, self._data)
        gradient = notation.derivative(self.loss, self.w)
        return (
            f"<explanation of {gradient} = {notation.number(self.gradient)}, {notation.paths(self.count)}>"
        )

    def _shown(self) -> set[Value]:
        """The values whose names can be seen."""
        edges = itertools.chain(*(_ends(path.edges) for path in self.paths), self.culprits[:_MOST_CULPRITS])
        shown = {value for edge in edges if edge for value in (edge.node, edge.parent)}
        return shown | {self.loss, self.w, self._origin or self.w}

    def _left_out(self, n: "_Notation") -> str:
        if not self.omitted:
            return ""
        more = f"{n.paths(self.omitted, 'more path' if self.paths else 'path')} not listed"
        total = n.math(n.number(self.omitted_sum))
        return f"… and {more}, which {'is' if self.omitted == 1 else 'sum to'} {total}"

    def _sentence(self, n: "_Notation") -> str:
        """The diagnosis."""
        causes = [n.cause(edge) for edge in self.culprits[:_MOST_CULPRITS]]
        whose, all_paths = (
            ("", "the only path") if self.count == 1 else (" of the largest path", "every path")
        )
        reach = self._largest[0].reach if self._largest else _ZERO
        exponent = round(_wide.log10(reach)) if reach and reach.is_finite() else 0
        product = f"product{whose}, about {n.math(n.power_of_ten(exponent))},"
        leaves = "is" if abs(exponent) > 307 else "is reached by way of numbers"
        match self.reason:
            case "independence":
                loss, w = n.math(n.name(self.loss)), n.math(n.name(self.w))
                return f"{loss} does not depend on {w}: no path leads from the one to the other."
            case "zero factor" | "saturation" if self.zeros == self.count:
                if len(self.culprits) == 1:
                    return f"{causes[0]}, and {all_paths} goes through it."
                more = len(self.culprits) - len(causes)
                end = f"; and {more:,} more" if more else ""
                return f"Every path goes through a factor that is 0: {'; '.join(causes)}{end}."
            case "saturation":
                return f"{causes[0]}, and the {product} {leaves} too small for a float."
            case "underflow":
                return f"No factor is 0, but the {product} {leaves} too small for a float."
            case "cancellation":
                largest = n.math(n.number(_product(self._largest)))
                return f"The paths cancel: the largest is {largest}, but the sum of all is 0."
            case "vanishing":
                if len(self._largest) == 1:
                    return f"The gradient is almost 0: {causes[0]}."
                factors = f"{len(self._largest):,} factors{whose}"
                return f"The gradient is almost 0; the smallest of the {factors}: {causes[0]}."
            case "infinity":
                culprit = self.culprits[0]
                where = f" at {n.math(n.equation(culprit.parent))}"
                if self._origin and self._origin not in culprit.node.parents:
                    where = f", since {n.math(n.equation(self._origin))}"
                return f"{causes[0]}{where}: no path through this factor is finite."
            case "overflow":
                return f"No factor is infinite, but the {product} {leaves} too large for a float."
        return ""


def explain(loss: Value, w: Value, limit: int = 10) -> Explanation:
    """The gradient ∂loss/∂w as the sum over chain-rule paths, in symbols, in formulas and in numbers.

    Nothing is changed; every ``.grad`` stays as it is.

    Args:
        loss: what is differentiated, any value.
        w: by what, any value, a leaf or not.
        limit: how many paths to list, the largest in magnitude; all of them are counted and summed.

    Raises:
        TypeError: loss or w is not a Value, or limit not an int.
        ValueError: limit is negative.
        RuntimeError: someone wrote to ``data`` since the graph was recorded.

    Where a value has no name, it is called v1, v2, … (the loss L, and w w) and said below what it is.

    >>> from microgradlike.losses import half_squared_error
    >>> from microgradlike.nn import MLP
    >>> network = MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
    >>> L = half_squared_error(network([1.0, 1.0]), 0.0)
    >>> L.name = "L"
    >>> w11 = network.layers[0].neurons[0].w[0]
    >>> print(explain(L, w11))
    ∂L/∂w11 = 0.002989 (1 path)
    <BLANKLINE>
      ∂L/∂y   · ∂y/∂z3   · ∂z3/∂h1 · ∂h1/∂z1    · ∂z1/∂w11
    = (y − t) · y(1 − y) · w31     · h1(1 − h1) · x1
    = 0.3779  · 0.2351   · 0.3556  · 0.09463    · 1        = 0.002989

    >>> a, b = Value(2.0, "a"), Value(-3.0, "b")
    >>> explanation = explain(a * b + a**2, a)
    >>> [path.formulas for path in explanation.paths], explanation.gradient, explanation.count
    (['1 · 2·a', '1 · b'], 1.0, 2)
    """
    for name, value in [("loss", loss), ("w", w)]:
        if not isinstance(value, Value):
            raise TypeError(f"explain(loss, w) needs two Values, but {name} is {value!r:.60}")
    if not isinstance(limit, int):
        raise TypeError(f"limit is {limit!r:.60}: write how many paths to list, such as limit=10")
    if limit < 0:
        raise ValueError(f"limit is {limit}: write how many paths to list; with 0 they are only counted")
    return Explanation(loss, w, limit)


# ── Paths: their sum, their number, the largest ───────────────────────────────────────────────────────

# Numbers with so wide an exponent that no product over- or underflows, and more digits than a float.
_wide = decimal.Context(prec=40, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX, traps=[])
_ZERO, _ONE, _INFINITE = Decimal(0), Decimal(1), Decimal("Infinity")


def _magnitude(factor: float) -> Decimal:
    return _wide.create_decimal_from_float(abs(factor)) if math.isfinite(factor) else _INFINITE


def _times(a: Decimal, b: Decimal) -> Decimal:
    """The magnitude of a product. What is not finite stays so even times 0, and comes first of all."""
    product = _wide.multiply(a, b)
    return _INFINITE if product.is_nan() else product


def _product(edges: Sequence[Edge]) -> float:
    return math.prod([edge.factor for edge in edges], start=1.0)


def _edges_between(order: Sequence[Value], w: Value) -> dict[Value, list[Edge]]:
    """For each value that w leads to, the edges that lead on to w. It is in order, w first."""
    edges: dict[Value, list[Edge]] = {w: []}
    reach = {w: _ONE}
    for node in order:
        if node is not w and any(parent in edges for parent in node.parents):
            edges[node] = [
                Edge(node, i, parent, factor, _times(_magnitude(factor), reach[parent]))
                for i, (parent, factor) in enumerate(zip(node.parents, node.partials))
                if parent in edges
            ]
            reach[node] = max(edge.reach for edge in edges[node])
    return edges


def _sum_over_paths(edges: dict[Value, list[Edge]], loss: Value) -> tuple[float, int, int]:
    """The gradient, the number of paths, and the number of those with a factor 0.

    It adds up in the order of `Value.backward`, and so to the same bits.
    """
    if loss not in edges:
        return 0.0, 0, 0
    gradients = dict.fromkeys(edges, 0.0)
    gradients[loss] = 1.0
    # How many paths lead from the loss to a value, and how many of these have a factor 0. There may be no
    # end of digits, so a number is dropped after use.
    counts, dead = {loss: 1}, {loss: 0}
    for node in reversed(edges):
        gradient, count, zeros = gradients[node], counts.pop(node), dead.pop(node)
        for _, _, parent, factor, _ in edges[node]:
            gradients[parent] += factor * gradient
            counts[parent] = counts.get(parent, 0) + count
            dead[parent] = dead.get(parent, 0) + (zeros if factor else count)
    return gradient, count, zeros  # of w, which is the last


def _largest_paths(edges: dict[Value, list[Edge]], loss: Value, w: Value, limit: int) -> list[list[Edge]]:
    """The largest paths in magnitude, the largest first.

    From any value on, the largest path follows the edges of the greatest `reach`. Every other path leaves
    the course of a larger one at some edge and from there on is the largest possible: so each path that
    is found gives, at each of its edges, candidates for those that come after it.

    Source: Hoffman, Pavley, "A Method for the Solution of the Nth Best Path Problem" (1959).
    """
    best = {node: max(ways, key=lambda edge: edge.reach) for node, ways in edges.items() if ways}
    paths: list[list[Edge]] = []
    # A candidate: its magnitude, negative for the heap; its number, so that equal ones come in the order
    # in which they were found; a path that it follows, for how many edges, their product; its next edge.
    candidates: list[tuple[Decimal, int, list[Edge], int, Decimal, Edge]] = []
    numbers = itertools.count()
    path: list[Edge] = []
    start, product = 0, _ONE
    while True:
        node = path[-1].parent if path else loss
        while node is not w:
            path.append(best[node])
            node = best[node].parent
        paths.append(path)
        found = _departures(edges, path, start, product)
        missing = limit - len(paths)
        for size, i, before, edge in heapq.nsmallest(missing, found, key=itemgetter(0)):
            heapq.heappush(candidates, (size, next(numbers), path, i, before, edge))
        if not missing or not candidates:
            return paths
        _, _, other, i, before, edge = heapq.heappop(candidates)
        path, start = [*other[:i], edge], i + 1
        product = _times(before, _magnitude(edge.factor))


def _departures(
    edges: dict[Value, list[Edge]], path: list[Edge], start: int, product: Decimal
) -> Iterator[tuple[Decimal, int, Decimal, Edge]]:
    """Each other edge that could be taken from ``start`` on, where the product so far is given.

    Of each: the magnitude, negative, of the largest path over it; where it leaves the path; the product
    up to there; and the edge.
    """
    for i in range(start, len(path)):
        taken = path[i]
        for edge in edges[taken.node]:
            if edge is not taken:
                yield _times(product, edge.reach).copy_negate(), i, product, edge
        product = _times(product, _magnitude(taken.factor))


# ── Diagnosis ─────────────────────────────────────────────────────────────────────────────────────────


def _diagnose(
    edges: dict[Value, list[Edge]],
    loss: Value,
    gradient: float,
    live: int,
    largest: list[Edge],
) -> tuple[str, list[Edge]]:
    """The reason for a gradient of 0, next to 0 or not finite, and the edges that are to blame."""
    if loss not in edges:
        return "independence", []
    if not math.isfinite(gradient):
        for edge in itertools.chain(*edges.values()):
            if not math.isfinite(edge.factor):
                return "infinity", [edge]
        return "overflow", []
    if gradient and abs(gradient) >= _VANISHING:
        return "", []
    if not live:
        zeros = min(_last_zeros(edges), _first_zeros(edges, loss), key=len)
        saturated = all(edge.node.op in _SATURATING for edge in zeros)
        return ("saturation" if saturated else "zero factor"), zeros
    smallest = min(largest, key=lambda edge: abs(edge.factor))
    if gradient:
        return "vanishing", [smallest]
    if _product(largest):
        return "cancellation", []
    return ("saturation", [smallest]) if _is_saturated(smallest) else ("underflow", [])


def _first_zeros(edges: dict[Value, list[Edge]], loss: Value) -> list[Edge]:
    """Of each path, the factor 0 that is next to the loss."""
    zeros, reached = [], {loss}
    for node in reversed(edges):
        if node in reached:
            for edge in edges[node]:
                if edge.factor:
                    reached.add(edge.parent)
                else:
                    zeros.append(edge)
    return zeros


def _last_zeros(edges: dict[Value, list[Edge]]) -> list[Edge]:
    """Of each path, the factor 0 that is next to w."""
    alive = {node for node, ways in edges.items() if not ways or any(edge.reach for edge in ways)}
    downwards = itertools.chain(*reversed(edges.values()))
    return [edge for edge in downwards if not edge.factor and edge.parent in alive]


def _is_saturated(edge: Edge) -> bool:
    return edge.node.op in _SATURATING and abs(edge.factor) < _SATURATED


def _first_not_finite(value: Value) -> Value | None:
    """The value that was the first not to be finite, of those that this one was made from."""
    for node in topological_order(value):
        for candidate in (*node.parents, node):
            if not math.isfinite(candidate.data) and (candidate.name or candidate.op):
                return candidate
    return None


# ── Writing ───────────────────────────────────────────────────────────────────────────────────────────


class _Factor(NamedTuple):
    symbol: str
    formula: str
    number: str


_ELLIPSIS = _Factor("…", "…", "…")


class _Notation:
    """How values and local derivatives are written, as text or as LaTeX.

    Args:
        names: what to call the values that have no name.
        data: the numbers of all values that are mentioned.
        latex: whether as LaTeX.
    """

    def __init__(self, names: dict[Value, str], data: dict[Value, float], *, latex: bool = False) -> None:
        self.names = names
        self.data = data
        self.latex = latex
        self._partials: dict[Value, tuple[Any, ...]] = {}

    def name(self, value: Value) -> str:
        name = self.names.get(value) or value.name
        return latex_name(name) if self.latex else name

    def number(self, data: float) -> str:
        return number(data, _DIGITS, latex=self.latex)

    def power_of_ten(self, exponent: int) -> str:
        if self.latex:
            return f"10^{{{exponent}}}"
        return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))

    def operation(self, op: Op) -> str:
        if op is ops.sigmoid:
            return r"\sigma" if self.latex else "σ"
        return latex_name(op.name) if self.latex else op.name

    def equation(self, value: Value) -> str:
        return f"{self.name(value)} = {self.number(self.data[value])}"

    def derivative(self, value: Value, by: Value) -> str:
        if self.latex:
            return rf"\frac{{\partial {self.name(value)}}}{{\partial {self.name(by)}}}"
        return f"∂{self.name(value)}/∂{self.name(by)}"

    def paths(self, count: int, noun: str = "path") -> str:
        if not count:
            return "no path"
        words = noun if count == 1 else noun.replace("path", "paths")
        if count < 10**15:
            return f"{count:,} {words}"
        return f"about {self.math(self.power_of_ten(round(math.log10(count))))} {words}"

    # A sentence is words with mathematics in between; LaTeX must be told which is which.

    def math(self, written: str) -> str:
        return f"\0{written}\0" if self.latex else written

    def sentence(self, sentence: str) -> str:
        parts = enumerate(sentence.split("\0"))
        return "".join(part if i % 2 else rf"\text{{{part}}}" for i, part in parts if part)

    # A factor's formula is what the rule of its operation says of Values in place of numbers.

    def factors(self, edges: Sequence[Edge], *, alone: bool = False) -> list[_Factor]:
        """The factors, with the brackets that they need in a product, or without, each on its own."""
        if len(edges) == 1:
            alone = True
        factors = []
        for edge in _ends(edges):
            if edge:
                written = self._formula(edge), self._number(edge.factor)
                formula, value = (text if alone else self._in_brackets(text, b) for text, b in written)
                factors.append(_Factor(self.derivative(edge.node, edge.parent), formula, value))
            else:
                factors.append(_Factor(*[r"\cdots"] * 3) if self.latex else _ELLIPSIS)
        return factors or [_Factor("1", "1", "1")]

    def cause(self, edge: Edge) -> str:
        """Why a factor is what it is: small, 0, or not finite."""
        op, at = edge.node.op, self.math(self.equation(edge.parent))
        derivative, value = self.derivative(edge.node, edge.parent), self.number(edge.factor)
        verb = ""
        if _is_saturated(edge):
            verb = f"is saturated at {at}"
        elif edge.factor == 0 and op is ops.relu:
            verb = f"at {at} is off"
        elif edge.factor == 0 and op in _CHOOSING and (op is not ops.where or edge.operand):
            verb = f"does not take {at}"
        elif edge.factor == 0 and op in _FLAT | _CHOOSING:
            verb = f"is flat at {at}"
        if op and verb:
            return f"{self.math(self.operation(op))} {verb}: {self.math(f'{derivative} = {value}')}"
        return self.math(" = ".join(dict.fromkeys([derivative, self._formula(edge)[0], value])))

    def definitions(self, shown: Collection[Value]) -> list[str]:
        """What those values are that have no name of their own."""
        lines = []
        unnamed = (value for value in self.names if value in shown)
        for value in itertools.islice(unnamed, _MOST_DEFINITIONS):
            if value.op:
                copy = _recorded(value.op, *self._stand_ins(value)[1:])
                if len(write(copy)[0]) <= _LONG_DEFINITION:
                    written = write(copy, latex=self.latex)[0]
                else:
                    written = self.operation(value.op) + (r"(\dots)" if self.latex else "(…)")
            else:
                written = number(self.data[value], latex=self.latex)
            lines.append(f"{self.name(value)} = {written}")
        return lines

    def _formula(self, edge: Edge) -> tuple[str, str]:
        """Its formula and how tightly it binds; where that would be too long, its symbol."""
        assert edge.node.op
        if edge.node not in self._partials:
            self._partials[edge.node] = _recorded(edge.node.op.partials, *self._stand_ins(edge.node))
        partial = self._partials[edge.node][edge.operand]
        if not isinstance(partial, Value) or not (partial.op or partial.name):
            return self._number(float(partial))
        text = write(partial)[0]
        if len(text) > _LONG_FORMULA or "…" in text:
            return self.derivative(edge.node, edge.parent), "!"
        return write(partial, latex=self.latex)

    def _number(self, data: float) -> tuple[str, str]:
        return self.number(data), "+" if data < 0 else "!"

    def _in_brackets(self, text: str, binding: str) -> str:
        if binding not in "+/":
            return text
        return rf"\left({text}\right)" if self.latex else f"({text})"

    def _stand_ins(self, node: Value) -> list[Value]:
        """For the value and its operands, leaves with their names and recorded numbers.

        An inner value without a name stays as it is, so that formulas open it up.
        """
        names = [self.names.get(value) or value.name for value in (node, *node.parents)]
        return [
            value if value.op and not name else Value(data, name)
            for value, name, data in zip((node, *node.parents), names, node.evaluation)
        ]


def _recorded(function: Callable[..., Any], *operands: Value) -> Any:
    # In a context of its own, it records even within `no_grad`.
    return contextvars.Context().run(function, *operands)


def _names_for(shown: Collection[Value], order: Sequence[Value], loss: Value, w: Value) -> dict[Value, str]:
    """Names, none of them in use, for those values that are to be shown and have none."""
    taken = {value.name for value in (w, *order)}
    fresh = (name for name in map("v{}".format, itertools.count(1)) if name not in taken)
    names = {}
    for value in dict.fromkeys((w, *order, loss)):
        if value in shown and not value.name:
            wish = "w" if value is w else "L" if value is loss else ""
            names[value] = wish if wish and wish not in taken else next(fresh)
    return names


def _ends(edges: Sequence[Edge]) -> list[Edge | None]:
    """All of them or, where they are many, the first, None, and the last."""
    if len(edges) <= _HEAD + 1 + _TAIL:
        return list(edges)
    return [*edges[:_HEAD], None, *edges[-_TAIL:]]


def _in_rows(factors: Sequence[_Factor], value: float) -> list[str]:
    """A line of symbols, one of formulas and one of numbers, factor below factor."""
    widths = [max(map(len, factor)) for factor in factors]
    symbols, formulas, numbers = (" · ".join(map(str.ljust, row, widths)) for row in zip(*factors))
    result = f" = {number(value, _DIGITS)}" if len(factors) > 1 else ""
    return [f"  {symbols.rstrip()}", f"= {formulas.rstrip()}", f"= {numbers}{result}".rstrip()]


def _in_columns(factors: Sequence[_Factor], value: float) -> list[str]:
    """A line for each factor, where one for all of them would be too long."""
    widths = [max(map(len, column)) for column in zip(*factors)]
    lines = [
        "⋮" if factor == _ELLIPSIS else " = ".join(map(str.ljust, factor, widths)).rstrip()
        for factor in factors
    ]
    return [*lines, f"{'product'.ljust(widths[0] + 3 + widths[1])} = {number(value, _DIGITS)}"]


def _hanging(label: str, lines: Sequence[str]) -> str:
    """The lines beside a label."""
    return "\n".join((" " * len(label) if i else label) + line for i, line in enumerate(lines))
