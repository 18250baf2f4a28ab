"""One gradient explained: ∂L/∂w as the sum over all paths from L to w, each a product of local derivatives.

That is the chain rule written out. `Value.backward` computes the same number without looking at a single
path, and it has to: there may be more of them than atoms. Here they are counted, and the largest listed;
how they are found is in `paths.py`.
"""

import itertools
import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from microgradlike import ops
from microgradlike.engine import Constant, Value, check_recorded, topological_order
from microgradlike.flatness import Kind, kind_of_zero
from microgradlike.formula import (
    latex_name,
    names_of,
    number,
    symbolic_partials,
    with_recording,
    write,
    write_partial,
    written_name,
)
from microgradlike.naming import forward_order, set_apart
from microgradlike.notation import as_factor
from microgradlike.ops import Op
from microgradlike.paths import (
    Edge,
    Edges,
    accidents,
    count_paths,
    decimal_exponent,
    edges_between,
    first_zeros,
    gradient_over,
    largest_paths,
    last_zeros,
    product,
    sum_of_others,
)

if TYPE_CHECKING:  # graphviz takes as long to import as all of this package
    from microgradlike.picture import Picture
else:  # for `typing.get_type_hints`
    Picture = Any

_DIGITS = 4
_WIDTH = 100  # columns of text
_HEAD, _TAIL = 6, 5  # what is shown of a path of many factors
_LONG_FORMULA, _LONG_DEFINITION = 40, 80  # letters
_MOST_CULPRITS, _MOST_LOOKS = 3, 100  # that are said; that are looked at
_SATURATED, _VANISHING = 1e-6, 1e-12  # magnitudes, of a local derivative and of a gradient
_CANCELLED = 1e-3  # a gradient beside the largest path: what is less comes of paths that cancel

#: What is said of a derivative that is 0, or next to it; the last two end the sentence themselves.
_WORDS: dict[Kind, str] = {
    "saturated": "is saturated at {at}",
    "flat": "is flat at {at}",
    "not taken": "does not take {at}",
    "minimum": "has a minimum at {at}",
    "maximum": "has a maximum at {at}",
    "level": "has a level place at {at}",
    "kink": "has a kink at {at}, where its derivative is taken to be 0",
    "jump": "jumps at {at}, where its derivative is taken to be 0",
    "alone": "has no values next to {at}, and its derivative is taken to be 0",
}


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
        self.value = product(edges)
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
        edges = edges_between(order, w)
        self.count, self.zeros = count_paths(edges, loss)
        self.gradient = gradient_over(edges, loss) if self.count else 0.0
        # The diagnosis needs the largest path, even where none is to be listed.
        found = largest_paths(edges, loss, w, max(limit, 1)) if self.count else []
        self._largest = found[0] if found else []
        self.reason, self.culprits = self._diagnose(edges)
        self._origin = _first_not_finite(self.culprits[0].node) if self.reason == "infinity" else None

        listed = found[:limit]
        mentioned = self._mentioned(itertools.chain(*listed, self.culprits))
        values = dict.fromkeys((w, *order, loss))
        shown = (value for value in values if value in mentioned)
        self._names = names_of(forward_order(loss, w), shown, {loss: "L", w: "w"})
        self._data = {value: value.data for value in mentioned}  # as it is now, whatever comes later
        notation = self._notation()
        self.paths = [Path(loss, path, notation) for path in listed]
        self.omitted = self.count - len(listed)
        self.omitted_sum = sum_of_others(edges, loss, listed) if self.omitted else 0.0
        self.diagnosis = self._sentence(notation)

    def picture(self, *, precision: int = 4, max_nodes: int = 200) -> "Picture":
        """The graph of the loss with the listed paths lit; the arrows bear their factors.

        Args:
            precision: how many decimals.
            max_nodes: a graph of more values than this is folded, as by `draw`, and nothing in it is lit.

        >>> x, w = Value(2.0, "x"), Value(3.0, "w")
        >>> explain(x * w, w).picture()
        <picture of x·w: 3 values>
        """
        from microgradlike.draw import draw

        lit = {node for path in self.paths for node in path.nodes}
        return draw(self.loss, detail="values", lit=lit, precision=precision, max_nodes=max_nodes)

    def __str__(self) -> str:
        n = self._notation()
        paths = self.paths if self.loss is not self.w else []  # ∂w/∂w = 1 says it all
        labels = [f"{i}. " if len(paths) > 1 else "" for i in range(1, len(paths) + 1)]
        written = [_in_rows(n.factors(path.edges), path.value) for path in paths]
        if any(len(label) + len(line) > _WIDTH for label, lines in zip(labels, written) for line in lines):
            written = [_in_columns(n.factors(path.edges, alone=True), path.value) for path in paths]
        blocks = [
            f"{n.derivative(self.loss, self.w)} = {n.number(self.gradient)} ({n.paths(self.count)})",
            *map(_hanging, labels, written),
            self._left_out(n),
            textwrap.fill(self._sentence(n), _WIDTH, break_long_words=False, break_on_hyphens=False),
        ]
        blocks.insert(-1, _hanging("where ", n.definitions()))
        return "\n\n".join(filter(None, blocks))

    def _repr_latex_(self) -> str:
        n = self._notation(latex=True)
        count = n.sentence(f" ({n.paths(self.count)})")
        rows = [f"{n.derivative(self.loss, self.w)} &= {n.number(self.gradient)} {count}"]
        for i, path in enumerate(self.paths if self.loss is not self.w else [], 1):
            label = rf"{i}.\quad " if len(self.paths) > 1 else ""
            symbols, formulas, numbers = (r" \cdot ".join(row) for row in zip(*n.factors(path.edges)))
            result = f" = {n.number(path.value)}" if len(path.edges) > 1 else ""
            rows += [rf"{label}&\phantom{{={{}}}}{symbols}", f"&= {formulas}", f"&= {numbers}{result}"]
        sentences = [*filter(None, [self._left_out(n), self._sentence(n)])]
        rows += [definition.replace(" = ", " &= ", 1) for definition in n.definitions()]
        rows += [rf"&\phantom{{={{}}}}{n.sentence(sentence)}" for sentence in sentences]
        return r"$\displaystyle\begin{aligned}" + " \\\\[0.7ex]\n".join(rows) + r"\end{aligned}$"

    def __repr__(self) -> str:
        n = self._notation()
        gradient = f"{n.derivative(self.loss, self.w)} = {n.number(self.gradient)}"
        return f"<explanation of {gradient}, {n.paths(self.count)}>"

    def _notation(self, *, latex: bool = False) -> "_Notation":
        return _Notation(self._names, self._data, latex=latex)

    def _mentioned(self, edges: Iterable[Edge | None]) -> set[Value]:
        """The values that are spoken of where these edges are."""
        values = {value for edge in edges if edge for value in (edge.node, edge.parent)}
        return values | {self.loss, self.w, self._origin or self.w}

    def _left_out(self, n: "_Notation") -> str:
        if not self.omitted:
            return ""
        more = f"{n.paths(self.omitted, 'more path' if self.paths else 'path')} not listed"
        total = n.math(n.number(self.omitted_sum))
        return f"… and {more}, which {'is' if self.omitted == 1 else 'sum to'} {total}"

    # ── Diagnosis ─────────────────────────────────────────────────────────────────────────────────────

    def _diagnose(self, edges: Edges) -> tuple[str, list[Edge]]:
        """The reason for a gradient of 0, next to 0 or not finite, and the edges that are to blame."""
        if not self.count:
            return "independence", []
        if not math.isfinite(self.gradient):
            self._accidents = accidents(edges, self.loss)
            for edge in itertools.chain(*edges.values()):
                if not math.isfinite(edge.factor):
                    return "infinity", [edge]
            return "overflow", []
        if abs(self.gradient) >= _VANISHING:
            return "", []
        if self.zeros == self.count:
            zeros = min(last_zeros(edges), first_zeros(edges, self.loss), key=len)
            saturated = all(_is_saturated(edge) for edge in zeros[:_MOST_LOOKS])
            return ("saturation" if saturated else "zero factor"), zeros
        if abs(self.gradient) < _CANCELLED * abs(product(self._largest)):
            return "cancellation", []
        smallest = min(self._largest, key=lambda edge: abs(edge.factor))
        if self.gradient:
            return "vanishing", [smallest]
        return ("saturation", [smallest]) if _is_saturated(smallest) else ("underflow", [])

    def _sentence(self, n: "_Notation") -> str:
        """The diagnosis."""
        said = self.culprits[:_MOST_CULPRITS]
        causes = [*dict.fromkeys(map(n.cause, said))]
        match self.reason:
            case "independence":
                loss, w = n.math(n.name(self.loss)), n.math(n.name(self.w))
                return f"{loss} does not depend on {w}: no path leads from the one to the other."
            case "zero factor" | "saturation" if self.zeros == self.count:
                if len(self.culprits) == 1:
                    all_paths = "the only path" if self.count == 1 else "every path"
                    return f"{causes[0]}, and {all_paths} goes through it."
                more = len(self.culprits) - len(said)
                end = f"; and {more:,} more" if more else ""
                return f"Every path goes through a factor that is 0: {'; '.join(causes)}{end}."
            case "saturation":
                return f"{self._dead(n)}{causes[0]}, and {self._product(n, 'small')}"
            case "underflow":
                no_factor = "no factor is 0" if self.zeros else "No factor is 0"
                return f"{self._dead(n)}{no_factor}, but {self._product(n, 'small')}"
            case "overflow":
                return self._overflow(n)
            case "cancellation":
                largest, total = (n.math(n.number(x)) for x in (product(self._largest), self.gradient))
                cancel = "nearly cancel" if self.gradient else "cancel"
                return f"The paths {cancel}: the largest is {largest}, but the sum of all is {total}."
            case "vanishing":
                if len(self._largest) == 1:
                    return f"The gradient is almost 0: {causes[0]}."
                factors = f"{len(self._largest):,} factors{self._whose}"
                return f"The gradient is almost 0; the smallest of the {factors}: {causes[0]}."
            case "infinity":
                return (
                    f"{self._infinity(n, causes[0])}: no path through this factor is finite.{self._nan()}"
                )
        return ""

    def _dead(self, n: "_Notation") -> str:
        """How many paths have a factor 0, where others have none."""
        if not self.zeros:
            return ""
        verb = "has" if self.zeros == 1 else "have"
        rest = "the other" if self.count - self.zeros == 1 else "the others"
        return f"{n.paths(self.zeros)} of {n.count(self.count)} {verb} a factor that is 0. On {rest}, "

    def _infinity(self, n: "_Notation", cause: str) -> str:
        """Where a factor is not finite: at which operands, or since which value."""
        node, operand = self.culprits[0].node, self.culprits[0].parent
        if self._origin and self._origin not in node.parents:
            return f"{cause}, since {n.math(n.equation(self._origin))}"
        named = [p for p in dict.fromkeys(node.parents) if not isinstance(p, Constant)]
        at = [p for p in named if not math.isfinite(p.data)] or named
        if operand not in at and len(at) > _MOST_CULPRITS:
            at = [operand]
        return f"{cause} at {', '.join(n.math(n.equation(p)) for p in at[:_MOST_CULPRITS])}"

    def _nan(self) -> str:
        """How infinity became nan."""
        kinds = {accident.kind for accident in self._accidents} if math.isnan(self.gradient) else set()
        if "zero times infinity" in kinds:
            return " It meets a factor 0, and infinity times 0 is nan."
        if "infinities" in kinds:
            return " Infinite paths of both signs meet, and their sum is nan."
        return ""

    def _overflow(self, n: "_Notation") -> str:
        first = self._accidents[0]
        if first.kind == "sum":
            by = n.math(n.derivative(self.loss, first.edge.parent))
            return (
                f"No path is infinite, but the sum of those to {by} is too large for a float.{self._nan()}"
            )
        if not math.isfinite(product(self._largest)):
            return f"No factor is infinite, but {self._product(n, 'large')}{self._nan()}"
        by = n.math(n.derivative(self.loss, first.edge.parent))
        return f"No factor is infinite, but the product up to {by} is too large for a float.{self._nan()}"

    def _product(self, n: "_Notation", extreme: str) -> str:
        """That no factor is out of the range of a float, but the product is, or what comes before it."""
        exponent = decimal_exponent(self._largest[0].reach)
        leaves = "is" if abs(exponent) > 307 else "is reached by way of numbers"
        about = n.math(n.power_of_ten(exponent))
        return f"the product{self._whose}, about {about}, {leaves} too {extreme} for a float."

    @property
    def _whose(self) -> str:
        return "" if self.count == 1 else " of the largest path"


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


def _is_saturated(edge: Edge) -> bool:
    return abs(edge.factor) < _SATURATED and kind_of_zero(edge.node, edge.operand) == "saturated"


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
        self._partials: dict[Value, tuple[Any, ...]] = {}  # of the nodes that were asked for
        self._said: set[Value] = set()  # the values without a name of their own that were mentioned
        self._stood_in_for: dict[Value, Value] = {}

    def name(self, value: Value) -> str:
        self._said.add(value)
        return written_name(self.names.get(value, value.name), latex=self.latex)[0]

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
        data = self.data.get(value, value.data)  # an operand beside the paths is in no table
        return f"{self.name(value)} = {self.number(data)}"

    def derivative(self, value: Value, by: Value) -> str:
        if self.latex:
            return rf"\frac{{\partial {self.name(value)}}}{{\partial {self.name(by)}}}"
        return f"∂{self.name(value)}/∂{self.name(by)}"

    def paths(self, count: int, noun: str = "path") -> str:
        if not count:
            return "no path"
        return f"{self.count(count)} {noun if count == 1 else noun.replace('path', 'paths')}"

    def count(self, count: int) -> str:
        if count < 10**15:
            return f"{count:,}"
        return f"about {self.math(self.power_of_ten(round(math.log10(count))))}"

    # A sentence is words with mathematics in between; LaTeX must be told which is which.

    def math(self, written: str) -> str:
        return f"\0{written}\0" if self.latex else written

    def sentence(self, sentence: str) -> str:
        parts = enumerate(sentence.split("\0"))
        return "".join(part if i % 2 else rf"\text{{{part}}}" for i, part in parts if part)

    def factors(self, edges: Sequence[Edge], *, alone: bool = False) -> list[_Factor]:
        """The factors, with the brackets that they need in a product, or without, each on its own."""
        is_product = len(edges) > 1 and not alone
        factors = []
        for edge in _ends(edges):
            if edge:
                written = self._formula(edge), write_partial(edge.factor, _DIGITS, latex=self.latex)
                formula, value = (
                    as_factor(operand, latex=self.latex) if is_product else operand[0]
                    for operand in written
                )
                factors.append(_Factor(self.derivative(edge.node, edge.parent), formula, value))
            else:
                factors.append(_Factor(*[r"\cdots"] * 3) if self.latex else _ELLIPSIS)
        return factors or [_Factor("1", "1", "1")]

    def cause(self, edge: Edge) -> str:
        """Why a factor is what it is: small, 0, or not finite."""
        op, derivative = edge.node.op, self.derivative(edge.node, edge.parent)
        value = self.number(edge.factor)
        kind = kind_of_zero(edge.node, edge.operand) if abs(edge.factor) < _SATURATED else "value"
        # The formula of a square says it better than that it has a minimum.
        is_formula = kind in {"minimum", "maximum", "level"} and op and op.binding != "!"
        if op and kind in _WORDS and not is_formula:
            words = _WORDS[kind].format(at=self.math(self.equation(edge.parent)))
            if kind == "flat" and op is ops.relu:
                words = f"at {self.math(self.equation(edge.parent))} is off"
            elif edge.factor:
                words = words.replace("has a m", "is next to a m").replace("is taken to be", "would be")
            return f"{self.math(self.operation(op))} {words}: {self.math(f'{derivative} = {value}')}"
        cause = self.math(" = ".join(dict.fromkeys([derivative, self._formula(edge)[0], value])))
        return f"{cause}, which is too small for a float" if kind == "rounded" else cause

    def definitions(self) -> list[str]:
        """What those values are that were mentioned and have no name of their own."""
        lines = []
        for value in [value for value in self.names if not value.name and value in self._said]:
            if value.op:
                operands = map(self._stand_in_if_said, value.parents, value.evaluation[1:])
                copy = with_recording(value.op, *operands)
                if len(self._write(copy, latex=False)) <= _LONG_DEFINITION:
                    written = self._write(copy, latex=self.latex)
                else:
                    written = self.operation(value.op) + (r"(\dots)" if self.latex else "(…)")
            else:
                written = number(self.data[value], latex=self.latex)
            lines.append(f"{self.name(value)} = {written}")
        return lines

    def _formula(self, edge: Edge) -> tuple[str, str]:
        """Its formula and how tightly it binds; where that would be too long, its symbol."""
        if edge.node not in self._partials:
            self._partials[edge.node] = symbolic_partials(edge.node, self._stand_in)
        partial = self._partials[edge.node][edge.operand]
        text, _ = write_partial(partial, _DIGITS)
        if len(text) > _LONG_FORMULA or "…" in text:
            return self.derivative(edge.node, edge.parent), "!"
        self._mention(partial)
        return write_partial(partial, _DIGITS, latex=self.latex)

    def _write(self, value: Value, *, latex: bool) -> str:
        return write(value, latex=latex, names=self.names)[0]

    def _mention(self, written: Any) -> None:
        """Note the values that stand in a formula."""
        if isinstance(written, Value):
            mentioned = (self._stood_in_for.get(value) for value in topological_order(written))
            self._said.update(value for value in mentioned if value is not None)  # 0 is a number, too

    def _stand_in(self, value: Value, data: float) -> Value:
        """A leaf with the name; but an inner value without one as it is, so that formulas open it up."""
        name = self.names.get(value, value.name)
        if value.op and not name:
            return value
        stand_in = Value(data, set_apart(name) if name else "")
        self._stood_in_for[stand_in] = value
        return stand_in

    def _stand_in_if_said(self, value: Value, data: float) -> Value:
        """The same in a definition, where no name is new."""
        return self._stand_in(value, data) if value.name or value in self._said else value


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
