"""draw: the computation graph of a value as a picture, and a network as a sketch."""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from microgradlike import ops
from microgradlike.engine import NOT_COMPUTED, Constant, Value, check_data, topological_order
from microgradlike.formula import formula
from microgradlike.label import (
    FAINT_INK,
    FONT,
    GRADIENT_INK,
    LINE,
    LIT,
    LIT_INK,
    OUTLINE,
    PILL,
    ROLES,
    cell,
    number,
    pretty,
    short,
    table,
    tooltip,
    visible,
)
from microgradlike.naming import forward_order, told_apart
from microgradlike.nn import ACTIVATIONS, MLP, Layer, Module, Neuron
from microgradlike.sketch import sketch

if TYPE_CHECKING:  # graphviz takes as long to import as all of this package
    from microgradlike.picture import Picture
else:  # for `typing.get_type_hints`
    Picture = Any

_DIRECTIONS = ("LR", "RL", "TB", "BT")


def draw(
    value: Value | Sequence[Value] | Module,
    *,
    detail: Literal["neurons", "values"] = "neurons",
    direction: Literal["LR", "RL", "TB", "BT"] | None = None,
    precision: int = 4,
    max_nodes: int = 200,
    gradients: Mapping[Value, float] | None = None,
    lit: Collection[Value] = (),
    notes: Mapping[Value, str] | None = None,
) -> "Picture":
    """The picture of how a value was made: numbers, gradients, and local derivatives.

    A box is a value: its operation, its name, its number and, in green, the gradient; – where none has
    been computed. An arrow leads from an operand to the result, and bears the local derivative unless
    that is 1. Numbers are those of the evaluation that was recorded; where one has been written to since,
    the present one stands beside it.

    Args:
        value: what to draw, or several values whose graphs belong together, or an `MLP`, `Layer` or
            `Neuron`: of these a sketch with the weights as lines.
        detail: "neurons" draws each weighted sum of parameters as a person would, as one box with its
            equation and a table of the parameters; "values" draws every value by itself.
        direction: where the arrows point: "LR" to the right, "TB" down, "RL", "BT"; by default LR for
            neurons and TB for values.
        precision: how many decimals.
        max_nodes: a graph of more values than this is folded: values that come out of the same
            operation at the same depth, such as the sums of a layer, share a box that counts them.
        gradients: the gradients to show, such as `Steps.gradients`; by default those in ``grad``.
        lit: values to mark: they have a thick outline, and so have the arrows between two of them.
        notes: a line of text for the box of a value. A folded picture shows no marks and no notes.

    Returns:
        A `Picture`, which is a `graphviz.Digraph`: in a notebook the last line of a cell shows it,
        ``.render("loss.png")`` writes a file, ``.source`` is the DOT text.

    Raises:
        TypeError: value is nothing that can be drawn.
        ValueError: an unknown detail or direction, or a number out of range.

    >>> x, w = Value(2.0, name="x"), Value(3.0, name="w")
    >>> y = x * w
    >>> y.backward()
    >>> draw(y)
    <picture of x·w: 3 values>
    """
    _check_detail(detail)
    if direction is not None and direction not in _DIRECTIONS:
        raise ValueError(f"direction is one of {', '.join(_DIRECTIONS)}, not {direction!r}")
    if type(precision) is not int or not 0 <= precision <= 17:
        raise ValueError(f"precision is a number of decimals from 0 to 17, not {precision!r}")
    if type(max_nodes) is not int or max_nodes < 1:
        raise ValueError(f"max_nodes is a whole number from 1 on, not {max_nodes!r}")
    if isinstance(value, Module):
        if gradients is not None or lit or notes:
            raise TypeError(
                "the sketch of a network has no room for gradients, lit or notes: draw its loss"
            )
        return sketch(value, precision=precision)
    roots = [value] if isinstance(value, Value) else list(value) if isinstance(value, Iterable) else []
    if not roots or not all(isinstance(root, Value) for root in roots):
        raise TypeError(f"draw takes a Value, a list of Values or a network, not {value!r:.60}")
    # The order is read from the last one back, see _as_read.
    order = [root for root in roots if isinstance(root, Constant)] + topological_order(*reversed(roots))
    check_data(order)
    if gradients is None:
        gradients = {value: value.grad for value in order}
    if _count(order) > max_nodes:
        return _folded(roots, order, direction or "LR", precision, gradients)
    return _Drawing(roots, order, detail == "neurons", precision, gradients, lit, notes).picture(direction)


def _check_detail(detail: Any) -> None:
    if detail not in ("neurons", "values"):
        raise ValueError(f'detail is "neurons" or "values", not {detail!r}')


def draw_with_places(
    value: Value,
    gradients: Mapping[Value, float],
    *,
    detail: Literal["neurons", "values"] = "neurons",
    max_nodes: int = 200,
) -> "tuple[Picture, dict[Value, str], dict[Value, list[tuple[str, int]]]]":
    """The picture of `draw`, the boxes' names, and where each gradient is: boxes, and which one in each.

    A folded picture has no places.
    """
    _check_detail(detail)
    order = topological_order(value)
    if _count(order) > max_nodes:
        return _folded([value], order, "LR", 4, gradients), {}, {}
    drawing = _Drawing([value], order, detail == "neurons", 4, gradients)
    return drawing.picture(None), drawing.names, drawing.places


def _count(order: Sequence[Value]) -> int:
    """How many values would be drawn, with the constants, which are not in the order."""
    return len(order) + sum(isinstance(parent, Constant) for node in order for parent in node.parents)


def _as_read(order: Sequence[Value]) -> list[Value]:
    """The values from the result back, operands from left to right: so a layout keeps w11 before w12.

    Constants are among them, too.
    """
    read: dict[Value, None] = {}
    for node in reversed(order):
        read.update(dict.fromkeys(parent for parent in node.parents if not parent.parents))
        read[node] = None
    return list(read)


class _Drawing:
    """A graph on its way to a picture: what each value is in it, and how it is labelled."""

    def __init__(
        self,
        roots: Sequence[Value],
        order: Sequence[Value],
        neurons: bool,
        precision: int,
        gradients: Mapping[Value, float],
        lit: Collection[Value] = (),
        notes: Mapping[Value, str] | None = None,
    ) -> None:
        self.roots, self.order, self.precision = roots, order, precision
        self.gradients, self.lit, self.notes = gradients, set(lit), notes or {}
        self.names: dict[Value, str] = {}  # of the boxes
        self.called = told_apart(forward_order(*roots))
        # Where a gradient stands: in which boxes, and as which of the gradients there.
        self.places: dict[Value, list[tuple[str, int]]] = {}
        self._box_name, self._in_box = "", 0
        self.neurons = {node for node in order if neurons and _is_neuron(node)}
        self.leaves = _leaf_roles(order)
        # The numbers of the evaluation that was recorded: gradients and local derivatives belong to these.
        self.recorded: dict[Value, float] = {}
        for node in order:
            for value, data in zip((node, *node.parents), node.evaluation):
                self.recorded[value] = data

    def picture(self, direction: str | None) -> "Picture":
        picture = _picture(self.roots, self.order, direction or ("LR" if self.neurons else "TB"))
        picture.graph_attr["ordering"] = "in"  # operands as they are written: 1 − b is not b − 1
        edges = [edge for node in reversed(self.order) for edge in self._edges(node)]
        if _length(self.order, edges) > _LONG:  # a good layout would take minutes: straight lines instead
            picture.graph_attr |= {"nslimit": "0.5", "splines": "line"}
        # A parameter that stands in the tables of neurons only has no box of its own.
        shown = {
            *self.roots,
            *self.neurons,
            *(end for parent, child, _ in edges for end in (parent, child)),
        }
        names = self.names
        for value in _as_read(self.order):
            if value in shown:
                names[value] = f"v{len(names)}"
                self._node(picture, names[value], value)
        for parent, child, label in edges:
            marks = _LIT if parent in self.lit and child in self.lit else {}
            picture.edge(names[parent], names[child], label, **marks)
        return picture

    def _edges(self, node: Value) -> list[tuple[Value, Value, str]]:
        """From each operand that is not in the node's own table: operand, node, label."""
        if node in self.neurons:
            return [(x, node, "") for x in _split(node)[1]]
        return [
            (parent, node, self._local_derivative(node, parent, partial))
            for parent, partial in zip(node.parents, node.partials)
            # An activation's settings, such as the slope of leaky_relu, are no part of the network.
            if not (self._activates(node) and isinstance(parent, Constant))
        ]

    def _local_derivative(self, node: Value, parent: Value, partial: float) -> str:
        if node.op and self._activates(node) and parent in self.neurons:
            return _pill(f"{node.op.symbol}′ = {short(partial, self.precision)}")
        return "" if partial == 1 else _pill(short(partial, self.precision))

    def _activates(self, node: Value) -> bool:
        """Whether it is the activation of a neuron: then its operation stands on the arrow."""
        return node.op in _ACTIVATIONS and node.parents[0] in self.neurons

    def _node(self, picture: "Picture", name: str, value: Value) -> None:
        fill, ink = ROLES[_role(value, self.roots, self.leaves)]
        self._box_name, self._in_box = name, 0
        rows = self._neuron(value, ink) if value in self.neurons else self._box(value, ink)
        if value in self.notes:
            rows.append([cell(self.notes[value], LIT_INK, colspan=max(map(len, rows)))])
        marks = _LIT if value in self.lit else {}
        tip = tooltip(value, self.gradients.get(value, NOT_COMPUTED))
        picture.node(name, table(rows), fillcolor=fill, tooltip=tip, **marks)

    def _box(self, value: Value, ink: str) -> list[list[str]]:
        symbol = value.op.symbol if value.op and not self._activates(value) else ""
        name = [cell(self._name(value), ink, bold=True, align="LEFT")] if value.name else []
        data = cell(self._number(value), ink, align="RIGHT")
        if isinstance(value, Constant):
            return [[data]]
        if self.neurons:  # flat, in one row
            sign = [cell(symbol, FAINT_INK, size=14)] if symbol else []
            return [[*sign, *name, data, self._gradient(value)]]
        sign = [cell(symbol, FAINT_INK, size=16, rowspan=2)] if symbol else []
        return [[*sign, *name, data], [self._gradient(value, "grad ", colspan=len(name) + 1)]]

    def _neuron(self, node: Value, ink: str) -> list[list[str]]:
        ws, xs, bias = _split(node)
        equation = self._equation(ws, xs, bias)
        title = f"{self._name(node)} = {equation}" if node.name else equation
        value, grad = (cell(word, FAINT_INK, size=9, align="RIGHT") for word in ("value", "grad"))
        parameters = [*ws, *bias]
        left_out = len(parameters) - _ROWS + 1 if len(parameters) > _ROWS else 0
        if left_out:
            del parameters[_ROWS - 3 : -2]
        rows = [self._row(parameter, ROLES["parameter"].ink) for parameter in parameters]
        if left_out:
            rows.insert(_ROWS - 3, [cell(f"… {left_out} more", FAINT_INK, colspan=3, align="LEFT")])
        return [
            [cell(title, ink, colspan=3, align="LEFT")],
            [cell(""), value, grad],
            *rows,
            [],
            self._row(node, ink, bold=True),
        ]

    def _row(self, value: Value, ink: str, bold: bool = False) -> list[str]:
        return [
            cell(self._name(value), ink, bold=bold, align="LEFT"),
            cell(self._number(value), ROLES["inner"].ink, align="RIGHT"),
            self._gradient(value),
        ]

    def _name(self, value: Value) -> str:
        return pretty(self.called.get(value, value.name))

    def _equation(self, ws: Sequence[Value], xs: Sequence[Value], bias: Sequence[Value]) -> str:
        if not all(value.name for value in (*ws, *xs, *bias)):
            return "w·x + b" if bias else "w·x"
        terms = [_product(self._name(w), self._name(x)) for w, x in zip(ws, xs)]
        if len(terms) > 4:
            terms[2:-1] = ["…"]
        return " + ".join([*terms, *map(self._name, bias)])

    def _number(self, value: Value) -> str:
        now = value.data
        then = self.recorded.get(value, now)
        changed = now is not then and now != then  # `is`: nan differs from itself
        return number(then, self.precision) + (f", now {number(now, self.precision)}" if changed else "")

    def _gradient(self, value: Value, word: str = "", **attributes: Any) -> str:
        gradient = self.gradients.get(value, NOT_COMPUTED)
        if gradient is NOT_COMPUTED or gradient is None:
            return cell(word + "–", FAINT_INK, align="RIGHT", **attributes)
        self.places.setdefault(value, []).append((self._box_name, self._in_box))
        self._in_box += 1
        return cell(word + number(gradient, self.precision), GRADIENT_INK, align="RIGHT", **attributes)


def _length(order: Sequence[Value], edges: Sequence[tuple[Value, Value, str]]) -> int:
    """Through how many ranks all arrows lead together, where a leaf stands just before its first use."""
    rank: dict[Value, int] = {}
    for node in order:
        if node.parents:
            rank[node] = 1 + max(rank.get(parent, 0) for parent in node.parents)
            for parent in node.parents:
                rank.setdefault(parent, rank[node] - 1)
    return sum(rank[child] - rank[parent] for parent, child, _ in edges)


_LONG = 1000
_ROWS = 12  # of a neuron's table; more parameters are left out in its middle
_LIT = {"color": LIT, "penwidth": "3"}
_ACTIVATIONS = {op for op, _ in ACTIVATIONS.values() if op}


def _is_neuron(node: Value) -> bool:
    """Whether a node is a weighted sum as a person would draw it: every parameter of it is a leaf."""
    if node.op is not ops.dot:
        return False
    ws, _, bias = _split(node)
    return bool(ws) and not any(isinstance(p, Constant) or p.parents for p in (*ws, *bias))


def _split(node: Value) -> tuple[Sequence[Value], Sequence[Value], Sequence[Value]]:
    """The weights, the inputs, and the bias, if there is one, of a weighted sum."""
    n = len(node.parents) // 2
    return node.parents[:n], node.parents[n : 2 * n], node.parents[2 * n :]


def _product(w: str, x: str) -> str:
    """w₁₁x₁, but weight·input where the eye would not see two factors."""
    letters = all(re.fullmatch(r"[^\W\d_][₀-₉,]*(⁽[⁰¹²³⁴-⁹]+⁾)?", name) for name in (w, x))
    return f"{w}{x}" if letters else f"{w}·{x}"


def _leaf_roles(order: Sequence[Value]) -> dict[Value, str]:
    """What weighted sums say of their leaves."""
    roles: dict[Value, str] = {}
    for node in order:
        if _is_neuron(node):
            ws, xs, bias = _split(node)
            roles.update(dict.fromkeys((*ws, *bias), "parameter"))
            for x in xs:
                if not x.parents:
                    roles.setdefault(x, "input")
    return roles


def _role(value: Value, roots: Sequence[Value], leaves: Mapping[Value, str]) -> str:
    if value.parents:
        return "output" if value.name[:1] == "y" else "result" if value in roots else "inner"
    if isinstance(value, Constant):
        return "constant"
    # A leaf does not say whether it is data or to be learned; its name usually does.
    return leaves.get(value) or ("input" if value.name[:1] in {"x", "t", "y"} else "parameter")


def _picture(roots: Sequence[Value], order: Sequence[Value], direction: str, how: str = "") -> "Picture":
    from microgradlike.picture import Picture

    # Where values are shared, a formula can double with every node that has no name.
    count, unnamed = len(order), sum(1 for node in order if node.op and not node.name)
    said = ", ".join(
        root.name or (formula(root) if unnamed <= 10 or not root.op else root.op.name) for root in roots[:4]
    )
    said = visible(said[:60] + "…" if len(said) > 60 else said)
    return Picture(
        name=roots[0].name[:40] if roots[0].name.isidentifier() else "graph",
        comment=f"{said}: {count:,} value{'s' * (count != 1)}" + f", {how}" * bool(how),
        format="svg",
        graph_attr={"bgcolor": "transparent", "rankdir": direction, "nodesep": "0.2", "ranksep": "0.25"},
        node_attr={
            "shape": "box",
            "style": "rounded,filled",
            "color": OUTLINE,
            "fontname": FONT,
            "fontsize": "12",
            "margin": "0.04,0.02",
            "height": "0",
            "width": "0",
        },
        edge_attr={"color": LINE, "fontname": FONT, "arrowsize": "0.7"},
    )


# ── Graphs too large to be drawn value by value ───────────────────────────────────────────────────────

_MOST_GROUPS = 60


def _folded(
    roots: Sequence[Value],
    order: Sequence[Value],
    direction: str,
    precision: int,
    gradients: Mapping[Value, float],
) -> "Picture":
    """Values that come out of the same operation at the same depth share a box that counts them."""
    leaves = _leaf_roles(order)
    group = _by_depth(order, roots, leaves) or _by_operation(order, roots, leaves)
    members: dict[str, list[Value]] = {}
    arrows: Counter[tuple[str, str]] = Counter()
    for node in _as_read(order):
        if node in group:
            members.setdefault(group[node], []).append(node)
            arrows.update((group[parent], group[node]) for parent in node.parents if parent in group)

    picture = _picture(roots, order, direction, "folded")
    names = {key: f"g{i}" for i, key in enumerate(members)}
    for key, values in members.items():
        role = _role(values[-1], roots, leaves)
        rows = _group_rows(values, role, precision, gradients)
        picture.node(names[key], table(rows), fillcolor=ROLES[role].fill)
    for (start, end), count in arrows.items():
        picture.edge(names[start], names[end], _pill(f"{count:,}") if count > 1 else "")
    return picture


def _by_depth(
    order: Sequence[Value], roots: Sequence[Value], leaves: Mapping[Value, str]
) -> dict[Value, str]:
    """The group of each value, or nothing if there are too many groups: a deep graph, not a wide one.

    An operation's result is one deeper than its deepest operand; a leaf stands beside its first use.
    """
    depth: dict[Value, int] = {}
    group: dict[Value, str] = {}
    for node in order:
        if node.op:
            depth[node] = 1 + max((depth.get(parent, 0) for parent in node.parents), default=0)
            if depth[node] > _MOST_GROUPS:
                return {}
            group[node] = f"{node.op.name} {depth[node]}"
            for leaf in node.parents:
                if not leaf.parents and not isinstance(leaf, Constant) and not group[leaf]:
                    group[leaf] = f"{_role(leaf, roots, leaves)} {depth[node]}"
        else:
            group.setdefault(node, "")  # until its first use is met; a root may have none
    for leaf in [leaf for leaf, key in group.items() if not key]:
        group[leaf] = f"{_role(leaf, roots, leaves)} 0"
    return group if len(set(group.values())) <= _MOST_GROUPS else {}


def _by_operation(
    order: Sequence[Value], roots: Sequence[Value], leaves: Mapping[Value, str]
) -> dict[Value, str]:
    """… whatever the depth; powers with different exponents are one operation here."""
    return {
        node: node.op.name.partition("(")[0] if node.op else f"leaf {_role(node, roots, leaves)}"
        for node in order
    }


def _group_rows(
    values: Sequence[Value], role: str, precision: int, gradients: Mapping[Value, float]
) -> list[list[str]]:
    first, ink = values[0], ROLES[role].ink
    title = f"{len(values):,} {'values' if first.op else role + 's'}" if len(values) > 1 else ""
    names = dict.fromkeys(pretty(value.name) for value in (first, values[-1]) if value.name)
    rows = [
        [cell(text, ink, bold=text is title, colspan=2, align="LEFT")]
        for text in (title, " … ".join(names))
        if text
    ]
    shown = [gradients.get(value, NOT_COMPUTED) for value in values]
    shown = [gradient for gradient in shown if gradient is not NOT_COMPUTED and gradient is not None]
    for word, numbers, colour in (
        ("value", [value.data for value in values], ROLES["inner"].ink),
        ("grad", shown, GRADIENT_INK if shown else FAINT_INK),
    ):
        label = cell(word, FAINT_INK, size=9, align="LEFT")
        rows.append([label, cell(_range(numbers, precision), colour, align="RIGHT")])
    if first.op:
        symbols = {value.op.symbol for value in values if value.op}
        symbol = first.op.symbol if len(symbols) == 1 else first.op.name.partition("(")[0]
        rows[0].insert(0, cell(symbol, FAINT_INK, size=16, rowspan=len(rows)))
    return rows


def _range(numbers: Sequence[float], precision: int) -> str:
    if not numbers:
        return "–"
    real = [data for data in numbers if not math.isnan(data)]
    if not real:
        return "nan"
    low, high = number(min(real), precision), number(max(real), precision)
    return (low if low == high else f"{low} to {high}") + (", some nan" if len(real) < len(numbers) else "")


def _pill(text: str) -> str:
    """Small words on an arrow, on a ground of their own."""
    return table([[cell(text, FAINT_INK, size=9)]], **PILL)


# ── In notebooks ──────────────────────────────────────────────────────────────────────────────────────


def _repr_mimebundle_(value: Any, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, Any]:
    """What a notebook shows for the last line of a cell."""
    from microgradlike.picture import bundle

    return bundle(draw(value), repr(value), include, exclude)


# The engine and the networks know nothing of pictures; they are given theirs here, from above.
for _kind in (Value, Neuron, Layer, MLP):
    setattr(_kind, "_repr_mimebundle_", _repr_mimebundle_)  # noqa: B010  # a type checker knows no other way
