"""A network as a sketch: circles for inputs and neurons, lines for weights."""

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from microgradlike.engine import Value
from microgradlike.label import (
    FAINT_INK,
    FONT,
    LINE,
    OUTLINE,
    PILL,
    ROLES,
    cell,
    pretty,
    short,
    table,
    tooltip,
    visible,
)
from microgradlike.nn import MLP, Layer, Module, Neuron

if TYPE_CHECKING:
    from microgradlike.picture import Picture
else:  # for `typing.get_type_hints`
    Picture = Any

#: The colours of a weight's line by its sign, blue and orange: apart also for the colour-blind, and
#: visible on white and on black.
POSITIVE, NEGATIVE = "#3b82c4", "#d9730d"

_THINNEST, _THICKEST = 0.4, 5.0  # points
_MOST = 10  # circles in a column; of more, the middle is left out
_LABELLED = 12  # weights: so many lines have room for their numbers
_COLUMN, _ROW = 2.2, 0.9  # inches from centre to centre

_Place = tuple[float, float]


def sketch(module: Module, precision: int = 4) -> "Picture":
    """An MLP, a layer or a neuron as circles and lines.

    A line is a weight: the thicker the larger, blue if positive, orange if negative. In a circle stand the
    name of what the neuron gives, and its bias.

    Raises:
        TypeError: the module is none of the three.
    """
    from microgradlike.picture import Picture

    layers = _layers(module)
    picture = Picture(
        name=type(module).__name__,
        comment=visible(repr(module)),
        format="svg",
        engine="neato",  # which leaves the circles where they are put
        graph_attr={"bgcolor": "transparent", "splines": "line", "outputorder": "edgesfirst"},
        node_attr={"color": OUTLINE, "fontname": FONT, "fontsize": "12", "height": "0", "width": "0"},
        edge_attr={"color": LINE, "dir": "none"},
    )
    columns = [list(range(len(layers[0][0].w))), *(list(range(len(layer))) for layer in layers)]
    places = [_column(i, len(column)) for i, column in enumerate(columns)]

    weights = [w for layer in layers for neuron in layer for w in neuron.w]
    largest = max((abs(w.data) for w in weights if math.isfinite(w.data)), default=0.0)
    for i, layer in enumerate(layers):
        for (j, start), (k, end) in itertools.product(places[i].items(), places[i + 1].items()):
            w = layer[k].w[j]
            picture.edge(f"n{i}_{j}", f"n{i + 1}_{k}", tooltip=tooltip(w, w.grad), **_line(w.data, largest))
            if len(weights) <= _LABELLED:
                text = table([[cell(short(w.data, precision), FAINT_INK, size=9)]], **PILL)
                x, y = (a + 0.3 * (b - a) for a, b in zip(start, end))  # beside where lines cross
                picture.node(
                    f"w{i}_{j}_{k}", text, shape="plain", pos=f"{x:g},{y:g}!", tooltip=tooltip(w, w.grad)
                )

    for j, place in places[0].items():
        _circle(picture, f"n0_{j}", place, "input", f"x{j + 1}")
    for i, layer in enumerate(layers, 1):
        role = "output" if i == len(layers) and isinstance(module, MLP) else "inner"
        for k, place in places[i].items():
            _circle(picture, f"n{i}_{k}", place, role, layer[k].name, layer[k].b)
    for i, column in enumerate(columns):
        if left_out := len(column) - len(places[i]):
            text = table([[cell(f"… {left_out} more …", FAINT_INK, size=9)]], **PILL)
            x, y = i * _COLUMN, _height(len(places[i]) + 1, _FIRST)
            picture.node(f"more{i}", text, shape="plain", pos=f"{x:g},{y:g}!")

    rows = max(len(column) + (len(column) < len(whole)) for column, whole in zip(places, columns))
    legend = [
        [cell(_said(module, layers), ROLES["inner"].ink)],
        [
            cell(
                f"blue: positive, orange: negative; the thickest: {short(largest, precision)}",
                FAINT_INK,
                size=9,
            )
        ],
    ]
    if module.units:
        legend += [[cell(line, FAINT_INK, size=9)] for line in module.units.lines()]
    x, y = _COLUMN * len(layers) / 2, -_ROW * rows / 2 - 0.3 - 0.1 * (len(legend) - 2)
    picture.node("legend", table(legend, padding=4, **PILL), shape="plain", pos=f"{x:g},{y:g}!")
    return picture


_FIRST, _LAST = _MOST - 4, 3  # circles above and below what is left out


def _column(i: int, n: int) -> dict[int, _Place]:
    """Where the circles of a column are: of all, or of the first and the last ones."""
    shown = list(range(n)) if n <= _MOST else [*range(_FIRST), *range(n - _LAST, n)]
    gap = n > _MOST
    return {
        j: (i * _COLUMN, _height(len(shown) + gap, row + (gap and row >= _FIRST)))
        for row, j in enumerate(shown)
    }


def _height(rows: int, row: int) -> float:
    return _ROW * ((rows - 1) / 2 - row)


def _line(weight: float, largest: float) -> dict[str, str]:
    if not math.isfinite(weight):
        return {"style": "dashed"}
    share = abs(weight) / largest if largest else 0.0
    width = _THINNEST + (_THICKEST - _THINNEST) * share
    return {"color": POSITIVE if weight >= 0 else NEGATIVE, "penwidth": f"{width:.2f}"}


def _circle(
    picture: "Picture",
    node: str,
    place: _Place,
    role: str,
    name: str,
    bias: Value | None = None,
) -> None:
    fill, ink = ROLES[role]
    rows = [[cell(pretty(name), ink, bold=True)]]
    if bias is not None:
        rows.append([cell(f"b {bias.data:.3g}", FAINT_INK, size=8)])
    picture.node(
        node,
        table(rows, padding=0),
        shape="circle",
        style="filled",
        fillcolor=fill,
        fixedsize="true",
        width="0.6",
        height="0.6",
        pos=f"{place[0]:g},{place[1]:g}!",
        tooltip=tooltip(bias, bias.grad) if bias is not None else visible(name),
    )


def _layers(module: Module) -> list[Sequence[Neuron]]:
    if isinstance(module, MLP):
        return [layer.neurons for layer in module.layers]
    if isinstance(module, Layer):
        return [module.neurons]
    if isinstance(module, Neuron):
        return [[module]]
    raise TypeError(
        f"draw makes sketches of MLP, Layer and Neuron, not of {type(module).__name__}: "
        "draw what it gives, draw(model(x))"
    )


def _said(module: Module, layers: Sequence[Sequence[Neuron]]) -> str:
    sizes = "-".join(str(n) for n in (len(layers[0][0].w), *map(len, layers)))
    kinds = dict.fromkeys(layer[0].activation for layer in layers)
    return f"{type(module).__name__} {sizes}, {', '.join(kinds)}, {len(module.parameters())} parameters"
