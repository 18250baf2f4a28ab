"""Pictures of graphs and sketches of networks, read back: the DOT text box by box, the SVG as XML."""

import functools
import html
import math
import os
import re
import subprocess
import sys
import time
import tracemalloc
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, distribution
from itertools import product
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import microgradlike as mg
from microgradlike import MLP, Constant, Layer, Module, Neuron, Value, draw, ops
from microgradlike.label import (
    FAINT_INK,
    GRADIENT_INK,
    LINE,
    OUTLINE,
    PILL,
    ROLES,
    number,
    pretty,
    short,
    visible,
)
from microgradlike.ops import OPS, Op
from microgradlike.sketch import NEGATIVE, POSITIVE


def has_graphviz_pure() -> bool:
    try:
        distribution("graphviz-pure")
    except PackageNotFoundError:
        return False
    return True


renders = pytest.mark.skipif(not has_graphviz_pure(), reason="graphviz-pure has no wheel for this machine")


@pytest.fixture(autouse=True)
def no_programs(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A machine with no Graphviz on its PATH: what pip installed has to do, and soon."""
    monkeypatch.setattr(subprocess, "run", functools.partial(subprocess.run, timeout=20))
    monkeypatch.delenv("MICROGRADLIKE_DOT", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path_factory.getbasetemp()))


# ── Reading pictures ──────────────────────────────────────────────────────────────────────────────────


class Cell(NamedTuple):
    text: str
    ink: str
    bold: bool
    size: str


class Box(NamedTuple):
    rows: list[list[Cell]]  # a line across the table is an empty row
    attributes: dict[str, str]
    table: dict[str, str]

    @property
    def texts(self) -> list[list[str]]:
        return [[cell.text for cell in row] for row in self.rows]

    @property
    def words(self) -> list[str]:
        return [cell.text for row in self.rows for cell in row]


class Arrow(NamedTuple):
    start: str
    end: str
    label: str
    attributes: dict[str, str]


ATTRIBUTE = re.compile(r'(\w+)=(<<TABLE.*?</TABLE>>|"(?:\\.|[^"\\])*"|[^\s\]]+)', re.DOTALL)


def attributes_of(text: str) -> dict[str, str]:
    found = {key: said[1:-1] if said[0] in '"<' else said for key, said in ATTRIBUTE.findall(text)}
    assert not ATTRIBUTE.sub("", text).strip(), f"this is no list of attributes: {text}"
    return found


def read_table(markup: str) -> tuple[list[list[Cell]], dict[str, str]]:
    tree = ET.fromstring(markup)
    rows: list[list[Cell]] = []
    for row in tree:
        cells = []
        for td in row:
            [font] = td
            bold = font.find("B")
            text = (font.text if bold is None else bold.text) or ""
            # Graphviz undoes one backslash of two in a label.
            text = re.sub(r"\\\\", r"\\", text).strip()
            cells.append(Cell(text, font.attrib["COLOR"], bold is not None, font.get("POINT-SIZE", "12")))
        rows.append(cells)
    return rows, tree.attrib


def read_dot(picture: Any) -> tuple[dict[str, Box], list[Arrow]]:
    """The boxes by their ids, in order, and the arrows."""
    boxes: dict[str, Box] = {}
    arrows = []
    for line in picture.body:
        match = re.fullmatch(r"\t(\w+)(?: -> (\w+))?(?: \[(.*)\])?\n", line, re.DOTALL)
        assert match, f"neither a node nor an edge: {line!r}"
        start, end, said = match.groups()
        attributes = attributes_of(said or "")
        label = attributes.get("label", "")
        rows, table = read_table(label) if label else ([], {})
        if end:
            arrows.append(Arrow(start, end, " ".join(c.text for row in rows for c in row), attributes))
        else:
            assert start not in boxes, f"{start} stands there twice"
            boxes[start] = Box(rows, attributes, table)
    assert {end for arrow in arrows for end in arrow[:2]} <= boxes.keys()
    return boxes, arrows


SVG = "{http://www.w3.org/2000/svg}"
TITLE = "{http://www.w3.org/1999/xlink}title"


def plain(text: str | None) -> str:
    return (text or "").replace("\N{NO-BREAK SPACE}", " ")


class Seen(NamedTuple):
    """What of a picture's parts stands in the SVG, by their ids: the texts, and what pointing shows."""

    texts: dict[str, list[str]]
    tooltips: dict[str, str]
    edges: list[str]


def read_svg(picture: Any) -> Seen:
    tree = ET.fromstring(picture.pipe("svg", encoding="utf-8"))
    texts: dict[str, list[str]] = {}
    tooltips: dict[str, str] = {}
    edges = []
    for group in tree.iter(f"{SVG}g"):
        if group.get("class") in {"node", "edge"}:
            title = group.findtext(f"{SVG}title") or ""
            texts.setdefault(title, []).extend(plain(text.text) for text in group.iter(f"{SVG}text"))
            for link in group.iter(f"{SVG}a"):
                tooltips[title] = plain(link.attrib[TITLE])
            if group.get("class") == "edge":
                edges.append(title)
    return Seen(texts, tooltips, edges)


def box_with(picture: Any, *words: str) -> tuple[str, Box]:
    """The one box in which all of these words stand, and its id."""
    [found] = [(key, box) for key, box in read_dot(picture)[0].items() if set(words) <= set(box.words)]
    return found


def box_titled(picture: Any, start: str) -> tuple[str, Box]:
    boxes = read_dot(picture)[0]
    [found] = [(key, box) for key, box in boxes.items() if box.words[0].startswith(start)]
    return found


def the_network(target: float = 0.0) -> Value:
    """The loss of the document's 2-2-1 network, after one backward pass."""
    network = MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
    L = mg.half_squared_error(network([1.0, 1.0]), target)
    L.name = "L"
    L.backward()
    return L


def by_name(root: Value) -> dict[str, Value]:
    return {value.name: value for value in mg.topological_order(root) if value.name}


# ── Every value by itself ─────────────────────────────────────────────────────────────────────────────


def mixed_graph() -> Value:
    """Shared values, constants, both operands alike, a neuron, and local derivatives of 1 and not 1."""
    a, b = Value(2.0, name="a"), Value(-3.0, name="b")
    c = a * b + 10
    d = mg.dot([a, b], [c, 0.5], 1.0)
    return mg.tanh((c + c) / 8) + a**2 * d - mg.relu(-b) * 2


@pytest.mark.parametrize("gradients", [False, True])
def test_every_value_and_constant_is_one_box_and_every_operand_one_arrow(gradients: bool) -> None:
    root = mixed_graph()
    # Distinct numbers, so that a box is known by its number: 17 decimals tell all of these apart.
    if gradients:
        root.backward()
    order = mg.topological_order(root)
    values = list(dict.fromkeys(v for node in order for v in (node, *node.parents)))
    assert sum(isinstance(v, Constant) for v in values) == 5
    boxes, arrows = read_dot(draw(root, detail="values", precision=17))

    def kind(v: Value) -> tuple[str, str, str]:
        constant = isinstance(v, Constant)
        gradient = "" if constant else f"grad {number(v.grad, 17)}" if gradients else "grad –"
        return v.op.symbol if v.op else "", v.name, number(v.data, 17) + "/" + gradient

    def drawn(box: Box) -> tuple[str, str, str]:
        cells = box.rows[0]
        symbol = "".join(cell.text for cell in cells if cell.size != "12")
        name = "".join(cell.text for cell in cells if cell.bold)
        return symbol, name, cells[-1].text + "/" + "".join(box.texts[1] if len(box.texts) > 1 else [])

    assert Counter(map(drawn, boxes.values())) == Counter(map(kind, values))
    expected = Counter(
        (kind(parent), kind(node), "" if partial == 1 else short(partial, 17))
        for node in order
        for parent, partial in zip(node.parents, node.partials)
    )
    assert Counter((drawn(boxes[a.start]), drawn(boxes[a.end]), a.label) for a in arrows) == expected


def test_a_box_says_operation_name_number_and_gradient() -> None:
    x, w = Value(2.0, name="x"), Value(-3.0, name="w")
    y = x * w
    y.name = "y"
    y.backward()
    boxes, arrows = read_dot(draw(y))
    assert {key: box.texts for key, box in boxes.items()} == {
        "v0": [["x", "2.0000"], ["grad -3.0000"]],
        "v1": [["w", "-3.0000"], ["grad 2.0000"]],
        "v2": [["×", "y", "-6.0000"], ["grad 1.0000"]],
    }
    assert [arrow[:3] for arrow in arrows] == [("v0", "v2", "-3"), ("v1", "v2", "2")]


@renders
def test_both_arrows_of_a_plus_a_are_drawn() -> None:
    a = Value(2.0, name="a")
    picture = draw(a + a)
    assert [arrow[:3] for arrow in read_dot(picture)[1]] == [("v0", "v1", "")] * 2
    assert read_svg(picture).edges == ["v0->v1"] * 2
    picture = draw(a * a)
    assert [arrow[:3] for arrow in read_dot(picture)[1]] == [("v0", "v1", "2")] * 2
    assert read_svg(picture).texts["v0->v1"] == ["2", "2"]


def some_operands(op: Op) -> list[Value]:
    for n, data in product(
        [op.arity] if op.arity is not None else [3, 2], [(0.5, 0.25, 0.75, 1.0, 2.0), (1.5,)]
    ):
        operands = [Value(x, name=f"a{i}") for i, x in enumerate(data[:n])]
        try:
            op.forward(*(a.data for a in operands))
        except (ValueError, TypeError):
            continue
        return operands
    raise AssertionError(f"{op} is defined nowhere")


@renders
@pytest.mark.parametrize("op", [*OPS.values(), *map(ops.power, (2.0, -1.0, 0.5, -0.5))], ids=repr)
def test_every_row_of_the_op_table_can_be_drawn(op: Op) -> None:
    operands = some_operands(op)
    result: Value = op(*operands)
    assert result.op is op
    result.backward()
    picture = draw(result, detail="values")
    key, box = box_with(picture, op.symbol)
    assert box.words == [op.symbol, number(result.data, 4), "grad 1.0000"]
    seen = read_svg(picture)
    assert seen.texts[key] == box.words
    assert len(seen.edges) == len(operands)
    partials = [short(partial, 4) for partial in result.partials if partial != 1]
    labels = [text for title in dict.fromkeys(seen.edges) for text in seen.texts[title]]
    assert sorted(labels) == sorted(partials)
    if op.symbol in "<>&":
        assert f">{html.escape(op.symbol)}</FONT>" in picture.source


def test_several_values_are_one_picture() -> None:
    a = Value(2.0, name="a")
    b, c = a + 1, a * a
    boxes, arrows = read_dot(draw([b, c, b]))
    assert len(boxes) == 4
    assert len(arrows) == 4
    for leaf in (a, [a], [a, a], (a,)):
        boxes, arrows = read_dot(draw(leaf))
        assert [box.words for box in boxes.values()] == [["a", "2.0000", "grad –"]]
        assert not arrows


def test_a_constant_by_itself_is_a_box() -> None:
    boxes, arrows = read_dot(draw(Constant(2.0)))
    assert [box.words for box in boxes.values()] == [["2.0000"]]
    assert not arrows


# ── Neurons as a person draws them ────────────────────────────────────────────────────────────────────


@renders
def test_the_network_of_the_document_is_one_box_a_neuron() -> None:
    L = the_network()
    values = by_name(L)
    picture = draw(L)
    boxes, arrows = read_dot(picture)

    def texts(name: str) -> list[str]:
        return [f"{values[name].data:.4f}", f"{values[name].grad:.4f}"]

    equations = {
        "z₁ = w₁₁x₁ + w₁₂x₂ + b₁": ["w11", "w12", "b1", "z1"],
        "z₂ = w₂₁x₁ + w₂₂x₂ + b₂": ["w21", "w22", "b2", "z2"],
        "z₃ = w₃₁h₁ + w₃₂h₂ + b₃": ["w31", "w32", "b3", "z3"],
    }
    expected = {
        title: [
            [title],
            ["", "value", "grad"],
            *[[pretty(name), *texts(name)] for name in names[:-1]],
            [],
            [pretty(names[-1]), *texts(names[-1])],
        ]
        for title, names in equations.items()
    }
    for name in ("x1", "x2", "t", "h1", "h2", "y"):
        expected[pretty(name)] = [[pretty(name), *texts(name)]]
    expected["½(y−t)²"] = [["½(y−t)²", "L", *texts("L")]]
    assert {box.words[0]: box.texts for box in boxes.values()} == expected
    assert len(boxes) == len(expected), "no parameter has a box of its own"

    title = {key: box.words[0].partition(" = ")[0].replace("½(y−t)²", "L") for key, box in boxes.items()}
    partial = {name: values[name].data * (1 - values[name].data) for name in ("h1", "h2", "y")}
    assert sorted((title[a.start], title[a.end], a.label) for a in arrows) == sorted(
        [
            *[(x, z, "") for x in ("x₁", "x₂") for z in ("z₁", "z₂")],
            ("z₁", "h₁", f"σ′ = {partial['h1']:.4f}"),
            ("z₂", "h₂", f"σ′ = {partial['h2']:.4f}"),
            *[(h, "z₃", "") for h in ("h₁", "h₂")],
            ("z₃", "y", f"σ′ = {partial['y']:.4f}"),
            ("y", "L", f"{values['y'].data:.4f}"),
            ("t", "L", f"{-values['y'].data:.4f}"),
        ]
    )
    # The same in the image.
    seen = read_svg(picture)
    assert {key: [word for word in words if word.strip()] for key, words in seen.texts.items()} == {
        **{key: [word for word in box.words if word] for key, box in boxes.items()},
        **{f"{a.start}->{a.end}": [a.label] if a.label else [] for a in arrows},
    }
    assert len(seen.edges) == len(arrows)
    z1 = box_titled(picture, "z₁")[0]
    assert seen.tooltips[z1] == f"z1 = {values['z1'].data!r}, gradient {values['z1'].grad!r}"


def test_a_parameter_that_is_used_elsewhere_too_has_a_box() -> None:
    w1, w2, b = Value(0.5, "w1"), Value(-0.5, "w2"), Value(0.25, "b")
    z = mg.dot([w1, w2], [Value(1.0, "x1"), Value(2.0, "x2")], b)
    z.name = "z"
    picture = draw(mg.half_squared_error(z, 1.0) + 0.1 * w1**2)
    assert box_titled(picture, "z =")[1].texts[2:5] == [
        ["w₁", "0.5000", "–"],
        ["w₂", "-0.5000", "–"],
        ["b", "0.2500", "–"],
    ]
    boxes, arrows = read_dot(picture)
    alone = [key for key, box in boxes.items() if box.words == ["w₁", "0.5000", "–"]]
    assert len(alone) == 1
    assert [boxes[a.end].words[0] for a in arrows if a.start == alone[0]] == ["x²"]
    assert not [box for box in boxes.values() if box.words[0] in {"w₂", "b"}]


def test_a_weight_that_is_also_an_input_has_a_box_and_an_arrow() -> None:
    w, v = Value(2.0, "w"), Value(3.0, "v")
    boxes, arrows = read_dot(draw(mg.dot([w], [w])))
    assert [a[:3] for a in arrows] == [("v0", "v1", "")]
    assert boxes["v1"].words[0] == "ww"
    boxes, _ = read_dot(draw([mg.dot([w], [v]), w]))  # what was asked for is shown
    assert ["w", "2.0000", "–"] in [box.words for box in boxes.values()]


def test_a_sum_written_by_hand_is_drawn_node_by_node_also_beside_a_neuron() -> None:
    w, x, b = Value(0.5, "w"), Value(2.0, "x"), Value(1.0, "b")
    hand = w * x + b
    boxes, _ = read_dot(draw(hand))
    assert sorted(box.words[0] for box in boxes.values()) == ["+", "b", "w", "x", "×"]
    assert draw(hand).source == draw(hand, detail="values").source

    v = Value(3.0, "v")
    z = mg.dot([v], [hand])
    boxes, arrows = read_dot(draw(z))
    assert sorted(box.words[0] for box in boxes.values()) == ["+", "b", "w", "w·x", "x", "×"]
    [plus] = [key for key, box in boxes.items() if box.words[0] == "+"]
    [neuron] = [key for key, box in boxes.items() if box.words[0] == "w·x"]
    assert (plus, neuron, "") in [a[:3] for a in arrows]
    assert boxes[neuron].texts[2] == ["v", "3.0000", "–"]


def test_a_weighted_sum_whose_weight_is_computed_is_no_neuron() -> None:
    w, x = Value(0.5, "w"), Value(2.0, "x")
    for z in (mg.dot([w * 2], [x]), mg.dot([w], [x], w + 1), mg.dot([1.0], [x])):
        boxes, arrows = read_dot(draw(z))
        [key] = [key for key, box in boxes.items() if box.words[0] == "w·x"]
        assert boxes[key].words == ["w·x", f"{z.data:.4f}", "grad –"]
        assert sum(a.end == key for a in arrows) == len(z.parents)


def test_a_loss_is_no_activation() -> None:
    y = MLP(2, [1])([1.0, 2.0])  # linear: y is the sum itself
    L = mg.half_squared_error(y, 1.0)
    picture = draw(L)
    assert box_titled(picture, "y = ")[1].words[0] == "y = w₁₁x₁ + w₁₂x₂ + b₁"
    loss = box_titled(picture, "½(y−t)²")[0]
    start = box_titled(picture, "y = ")[0]
    assert (start, loss, short(y.data - 1, 4)) in [a[:3] for a in read_dot(picture)[1]]
    assert "′" not in picture.source


@pytest.mark.parametrize(
    ("activation", "constants"),
    [("leaky_relu", ["0.0100"]), ("elu", ["1.0000"]), ("relu", []), ("gelu", [])],
)
def test_the_arrow_to_an_activation_carries_its_derivative(activation: str, constants: list[str]) -> None:
    neuron = Neuron(1, activation=activation)
    neuron.w[0].data = -1.0
    h = neuron([2.0])
    assert h.op
    picture = draw(h)
    boxes, arrows = read_dot(picture)
    z = box_titled(picture, "z₁ = w₁₁x₁ + b₁")[0]
    [end] = [key for key, box in boxes.items() if box.words[0] == "h₁"]
    assert [a.label for a in arrows if (a.start, a.end) == (z, end)] == [
        f"{h.op.symbol}′ = {short(h.partials[0], 4)}"
    ]
    # The slope of leaky_relu is no part of the network, but it is one of the values.
    assert [a.start for a in arrows if a.end == end] == [z]
    assert len(boxes) == 3
    boxes, arrows = read_dot(draw(h, detail="values"))
    assert [box.words for box in boxes.values() if len(box.words) == 1] == [[c] for c in constants]
    assert sum(boxes[a.end].words[0] == h.op.symbol for a in arrows) == 1 + len(constants)


def test_an_activation_of_what_is_no_neuron_keeps_its_sign() -> None:
    x = Value(0.5, "x")
    boxes, arrows = read_dot(draw(x.sigmoid()))
    assert [box.words[0] for box in boxes.values()] == ["x", "σ"]
    assert [a.label for a in arrows] == [short(x.sigmoid().partials[0], 4)]


def test_weights_shared_across_a_batch_stand_in_every_table() -> None:
    neuron = Neuron(2, activation="tanh")
    batch = [neuron([0.0, 1.0]), neuron([1.0, 0.0]), neuron([1.0, 1.0])]
    boxes, _ = read_dot(draw(mg.mean(batch)))
    tables = [box.texts for box in boxes.values() if box.words[0].startswith("z₁⁽")]
    assert len(tables) == 3
    row = ["w₁₁", f"{neuron.w[0].data:.4f}", "–"]
    assert all(row in table for table in tables)
    assert len(boxes) == 3 * (2 + 1 + 1) + 1


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("n", [1, 2, 4, 5, 11, 12, 13, 14, 100])
def test_a_table_has_twelve_rows_at_most_and_counts_the_others(n: int, bias: bool) -> None:
    ws = [Value(float(i), f"w{i}") for i in range(1, n + 1)]
    z = mg.dot(ws, [Value(1.0, f"x{i}") for i in range(1, n + 1)], *([Value(0.5, "b")] if bias else []))
    z.name = "z"
    picture = draw(z, max_nodes=1000)
    _, box = box_titled(picture, "z = ")
    rows = box.texts[2 : box.texts.index([])]
    everything = [[pretty(w.name), f"{w.data:.4f}", "–"] for w in ws] + [["b", "0.5000", "–"]] * bias
    if len(everything) <= 12:
        assert rows == everything
    else:
        assert len(rows) == 12
        [(i, more)] = [(i, row[0]) for i, row in enumerate(rows) if len(row) == 1]
        assert rows[:i] + rows[i + 1 :] == everything[:i] + everything[i + 1 - len(rows) :]
        assert more == f"… {len(everything) - 11} more"
    assert box.texts[-1] == ["z", f"{z.data:.4f}", "–"]
    assert sum(a.end == box_titled(picture, "z = ")[0] for a in read_dot(picture)[1]) == n
    terms = box.words[0].removeprefix("z = ").split(" + ")
    if n <= 4:
        assert terms == [f"{pretty(f'w{i}')}{pretty(f'x{i}')}" for i in range(1, n + 1)] + ["b"] * bias
    else:
        assert terms == ["w₁x₁", "w₂x₂", "…", f"{pretty(f'w{n}')}{pretty(f'x{n}')}"] + ["b"] * bias


@renders
def test_operands_without_names_have_a_general_equation() -> None:
    ws, xs = [Value(0.5), Value(1.5)], [Value(2.0), Value(3.0)]
    for z, title in ((mg.dot(ws, xs), "w·x"), (mg.dot(ws, xs, Value(1.0)), "w·x + b")):
        picture = draw(z)
        key, box = box_titled(picture, "w·x")
        assert box.words[0] == title
        assert box.texts[2:4] == [["", "0.5000", "–"], ["", "1.5000", "–"]]
        z.name = "z"
        assert box_titled(draw(z), "z")[1].words[0] == f"z = {title}"
        assert read_svg(picture).texts[key][0] == title


def test_names_that_are_words_are_multiplied_visibly() -> None:
    z = mg.dot([Value(0.5, "slope"), Value(1.0, "w 2")], [Value(2.0, "x"), Value(3.0, "x2")])
    assert box_titled(draw(z), "slope")[1].words[0] == "slope·x + w 2·x₂"


# ── Gradients that are there, and that are not ────────────────────────────────────────────────────────


@pytest.mark.parametrize("detail", ["neurons", "values"])
def test_a_gradient_not_computed_looks_unlike_zero(detail: Any) -> None:
    x = Value(-1.0, "x")
    y = x.relu()
    before = draw(y, detail=detail)
    y.backward()
    after = draw(y, detail=detail)
    assert x.grad == 0
    assert [box.rows[1][0][:2] for box in read_dot(before)[0].values()] == [("grad –", FAINT_INK)] * 2
    assert [box.rows[1][0][:2] for box in read_dot(after)[0].values()] == [
        ("grad 0.0000", GRADIENT_INK),
        ("grad 1.0000", GRADIENT_INK),
    ]
    x.grad = None  # type: ignore[assignment]  # as PyTorch's users clear it
    picture = draw(y, detail=detail)
    assert read_dot(picture)[0]["v0"].words == ["x", "-1.0000", "grad –"]
    assert "None" not in picture.source
    Module.zero_grad(Neuron(1))


def test_neurons_show_no_gradient_before_a_backward_pass_and_zero_after_one() -> None:
    neuron = Neuron(2, activation="relu")
    for p in neuron.parameters():
        p.data = -1.0
    h = neuron([1.0, 1.0])
    assert [row[2] for row in box_titled(draw(h), "z₁")[1].texts if len(row) == 3] == ["grad", *"––––"]
    h.backward()
    _, box = box_titled(draw(h), "z₁")
    assert [row[2] for row in box.texts if len(row) == 3] == ["grad", *["0.0000"] * 4]
    neuron.zero_grad()
    _, box = box_titled(draw(h), "z₁")
    assert [row[2] for row in box.texts if len(row) == 3] == ["grad", *"–––", "0.0000"]


def test_a_constant_has_no_gradient() -> None:
    x = Value(2.0, "x")
    y = x * 3
    y.backward()
    boxes, arrows = read_dot(draw(y))
    assert [box.words for box in boxes.values()] == [
        ["x", "2.0000", "grad 3.0000"],
        ["3.0000"],
        ["×", "6.0000", "grad 1.0000"],
    ]
    assert [a[:3] for a in arrows] == [("v0", "v2", "3"), ("v1", "v2", "2")]


# ── The numbers are those that were recorded ──────────────────────────────────────────────────────────


@pytest.mark.parametrize("detail", ["neurons", "values"])
def test_what_was_written_since_stands_beside_what_was_recorded(detail: Any) -> None:
    w, x = Value(3.0, "w"), Value(2.0, "x")
    y = w * x
    y.backward()
    w.data = 5.0
    boxes, arrows = read_dot(draw(y, detail=detail))
    assert [box.words[:-1] for box in boxes.values()] == [
        ["w", "3.0000, now 5.0000"],
        ["x", "2.0000"],
        ["×", "6.0000"],
    ]
    assert [a.label for a in arrows] == ["2", "3"]
    w.data = math.nan
    assert read_dot(draw(y))[0]["v0"].words[1] == "3.0000, now nan"
    w.data = 3.0
    assert "now" not in draw(y).source


def test_also_in_the_table_of_a_neuron() -> None:
    neuron = Neuron(1, activation="tanh")
    neuron.w[0].data = 0.5
    h = neuron([2.0])
    neuron.w[0].data -= 0.25
    neuron.b.data = 1.0
    _, box = box_titled(draw(h), "z₁")
    assert box.texts[2:4] == [["w₁₁", "0.5000, now 0.2500", "–"], ["b₁", "0.0000, now 1.0000", "–"]]
    assert box.texts[-1] == ["z₁", "1.0000", "–"]
    neuron.w[0].data, neuron.b.data = math.nan, 0.0
    h = neuron([2.0])  # nan that was recorded has not changed
    assert "now" not in draw(h).source


# ── Names ─────────────────────────────────────────────────────────────────────────────────────────────

#: A name, and how it is to be read in a picture.
NAMES = {
    '<b>"x"\\n|{}': '<b>"x"\\n|{}',
    '<b>"x"\n|{}': '<b>"x"\\n|{}',
    "a\tb": "a\\tb",
    "a\0b": "a\\x00b",
    "a\ud800b": "a\\ud800b",
    "a\r\x1b[0mb": "a\\r\\x1b[0mb",
    "a\x7f\x85\u2028\u202e\ufffeb": "a\\x7f\\x85\\u2028\\u202e\\ufffeb",
    "Ωé😀": "Ωé😀",
    "משקל": "משקל",
    "重み": "重み",
    "a  b ": "a  b ",
    "&amp;": "&amp;",
    "&": "&",
    "&nbsp;": "&nbsp;",
    "&#65;": "&#65;",
    "&#x1;": "&#x1;",
    "&undefined;": "&undefined;",
    "]]>": "]]>",
    "<!--": "<!--",
    "-->": "-->",
    "<": "<",
    ">": ">",
    "<html>": "<html>",
    "</TABLE>>": "</TABLE>>",
    "\\": "\\",
    "a\\": "a\\",
    '\\"': '\\"',
    "\\\\": "\\\\",
    "\\N": "\\N",
    "\\G": "\\G",
    "\\E": "\\E",
    "\\L": "\\L",
    "\\T": "\\T",
    "\\H": "\\H",
    "\\l\\r": "\\l\\r",
    "\\\\N": "\\\\N",
    "graph": "graph",
    "strict digraph": "strict digraph",
    "a:b:c": "a:b:c",
    "// a": "// a",
    "#a": "#a",
    "%s{}": "%s{}",
}
every_name = pytest.mark.parametrize("name", NAMES, ids=ascii)


@renders
@every_name
def test_a_name_survives_in_boxes_and_tooltips(name: str) -> None:
    value = Value(1.0, name=name)
    picture = draw(value * 2)
    seen = read_svg(picture)
    assert seen.texts["v0"] == [NAMES[name], "1.0000", "grad –"]
    assert seen.tooltips["v0"] == f"{NAMES[name]} = 1.0"
    assert set(seen.texts) == {"v0", "v1", "v2", "v0->v2", "v1->v2"}


@renders
@every_name
def test_a_name_survives_in_equations_sketches_and_titles(name: str) -> None:
    word = NAMES[name]
    z = mg.dot([Value(1.0, name)], [Value(2.0, "x")])
    z.name = name
    seen = read_svg(draw(z))
    [texts] = [texts for texts in seen.texts.values() if "value" in texts]
    assert texts[0] == f"{word}⁽²⁾ = {word}⁽¹⁾·x", "two values of one name are told apart"
    assert texts[4] == f"{word}⁽¹⁾"
    assert texts[-3] == f"{word}⁽²⁾"
    assert word in read_svg(draw(Neuron(1, name=name))).texts["n1_0"]
    # As the root it names the graph, whatever that makes of it; folded, it is in the title, too.
    assert len(read_svg(draw(Value(1.0, name))).texts) == 1
    assert word in read_svg(draw([Value(1.0, name)] + [Value(1.0)] * 3, max_nodes=1)).texts["g0"]
    assert draw(z).source.splitlines()[0].startswith("// ")


@renders
def test_a_long_name_is_cut_in_the_box_and_whole_in_the_tooltip() -> None:
    name = "abcde" * 2000
    picture = draw(Value(1.0, name) * 2)
    seen = read_svg(picture)
    assert seen.texts["v0"][0] == name[:39] + "…"
    assert seen.tooltips["v0"] == f"{name} = 1.0"
    assert len(picture.source.splitlines()[0]) < 100
    assert read_svg(draw(Value(1.0, "b" * 40))).texts["v0"][0] == "b" * 40


def test_without_a_name_there_is_no_empty_cell() -> None:
    assert read_dot(draw(Value(1.0)))[0]["v0"].words == ["1.0000", "grad –"]


def written_out(name: str) -> str:
    """As `visible` is to do it, by the categories of Unicode."""
    escaped = ""
    for c in name:
        printable = c.isprintable()
        escaped += c if printable else c.encode("unicode_escape").decode("ascii")
    return escaped


wild = st.characters(exclude_categories=[]) | st.sampled_from("\\NGEHTLlrn<>&;#x{}|[]\"'%-/ \n\t\0é")


@renders
@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(wild, max_size=12), min_size=1, max_size=12, unique=True))
@example(["\\N", "&#x1;"])
def test_any_name_can_be_drawn(names: list[str]) -> None:
    # The dot keeps digits at the end from becoming an index; it stands there in the tooltip, too.
    values = [Value(1.0, name + ".") for name in names]
    seen = read_svg(draw(mg.sum(values), detail="values"))
    for i, value in enumerate(values):
        word = written_out(value.name)
        assert seen.texts[f"v{i}"][0] == (word if len(word) <= 40 else word[:39] + "…")
        assert seen.tooltips[f"v{i}"] == f"{word} = 1.0"


# ── The same picture for the same graph ───────────────────────────────────────────────────────────────

GALLERY = """
import microgradlike as mg
from microgradlike import MLP, Value, draw

def gallery():
    network = MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
    L = mg.half_squared_error(network([1.0, 1.0]), 0.0) + 0.1 * mg.sum(p**2 for p in network.parameters())
    L.backward()
    wide = MLP(4, [12, 12])
    folded = mg.cross_entropy(wide([0.1, 0.2, 0.3, 0.4]), 1)
    return [draw(L), draw(L, detail="values"), draw(network), draw(wide), draw(folded)]
"""


def test_the_same_graph_has_the_same_source() -> None:
    names: dict[str, Any] = {}
    exec(GALLERY, names)
    first = [picture.source for picture in names["gallery"]()]
    assert first == [picture.source for picture in names["gallery"]()]
    assert len(set(first)) == 5


@renders
def test_the_same_bytes_in_every_process() -> None:
    program = GALLERY + (
        "import hashlib\n"
        "for picture in gallery():\n"
        "    for kind in ('svg', 'png'):\n"
        "        print(kind, hashlib.sha256(picture.pipe(kind)).hexdigest())\n"
    )

    def run(seed: str) -> list[str]:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    first = run("0")
    assert len(set(first)) == 10
    assert all(run(seed) == first for seed in ("1", "4711"))


def test_drawing_changes_nothing() -> None:
    L = the_network()
    network = MLP(3, [12, 2])
    before = [(v.data, v.grad, v.name, v.parents) for v in mg.topological_order(L)]
    state = network.state_dict()
    draw(L), draw(L, detail="values"), draw(L, max_nodes=1), draw(network)
    assert [(v.data, v.grad, v.name, v.parents) for v in mg.topological_order(L)] == before
    assert network.state_dict() == state
    assert all(p.grad is mg.NOT_COMPUTED for p in network.parameters())


# ── Arguments ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("precision", range(18))
def test_precision_is_the_number_of_decimals(precision: int) -> None:
    x = Value(123.0625, "x")
    y = x * 2.5
    y.backward()
    boxes, arrows = read_dot(draw(y, precision=precision))
    assert boxes["v0"].words == ["x", f"{123.0625:.{precision}f}", f"grad {number(2.5, precision)}"]
    assert arrows[0].label == short(2.5, precision)
    network = Neuron(1)
    network.w[0].data, network.b.data = 123.0625, 12.5
    boxes, _ = read_dot(draw(network, precision=precision))
    assert boxes["w0_0_0"].words == [f"{123.0625:.{precision}f}".rstrip("0").rstrip(".")]
    folded, _ = read_dot(draw(y, precision=precision, max_nodes=1))
    assert f"{123.0625:.{precision}f}" in folded["g0"].words


@renders
@pytest.mark.parametrize("max_nodes", [200, 1])
@pytest.mark.parametrize("direction", ["LR", "RL", "TB", "BT"])
def test_arrows_point_in_the_direction_asked_for(direction: Any, max_nodes: int) -> None:
    x = Value(2.0, "x")
    picture = draw(x.exp().sin().cos(), direction=direction, max_nodes=max_nodes)
    assert f"rankdir={direction}" in picture.source
    tree = ET.fromstring(picture.pipe("svg"))
    places = []
    for word in ("x", "cos"):
        [text] = [t for t in tree.iter(f"{SVG}text") if t.text == word]
        places.append((float(text.attrib["x"]), float(text.attrib["y"])))
    (x0, y0), (x1, y1) = places
    dx, dy = x1 - x0, y1 - y0
    axis, sign = {"LR": (dx, 1), "RL": (dx, -1), "TB": (dy, 1), "BT": (dy, -1)}[direction]
    assert axis * sign > 100


def test_neurons_run_to_the_right_and_values_down_by_default() -> None:
    L = the_network()
    assert "rankdir=LR" in draw(L).source
    assert "rankdir=TB" in draw(L, detail="values").source
    assert "rankdir=TB" in draw(Value(1.0) * 2).source
    assert "rankdir=LR" in draw(L, max_nodes=1).source


class Line(Module):
    def __init__(self) -> None:
        self.slope = Value(1.0)


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        ({"detail": "all"}, ValueError, '"neurons" or "values", not \'all\''),
        ({"detail": None}, ValueError, '"neurons" or "values"'),
        ({"detail": ["values"]}, ValueError, '"neurons" or "values"'),
        ({"direction": "left"}, ValueError, "LR, RL, TB, BT, not 'left'"),
        ({"direction": "lr"}, ValueError, "LR, RL, TB, BT"),
        ({"direction": ["LR"]}, ValueError, "LR, RL, TB, BT"),
        ({"precision": -1}, ValueError, "from 0 to 17, not -1"),
        ({"precision": 18}, ValueError, "from 0 to 17"),
        ({"precision": 4.0}, ValueError, "from 0 to 17"),
        ({"precision": "4"}, ValueError, "from 0 to 17"),
        ({"precision": None}, ValueError, "from 0 to 17"),
        ({"max_nodes": 0}, ValueError, "from 1 on, not 0"),
        ({"max_nodes": -5}, ValueError, "from 1 on"),
        ({"max_nodes": math.inf}, ValueError, "from 1 on"),
        ({"max_nodes": None}, ValueError, "from 1 on"),
        ({"value": None}, TypeError, "a Value, a list of Values or a network, not None"),
        ({"value": "x"}, TypeError, "a Value, a list of Values or a network, not 'x'"),
        ({"value": ""}, TypeError, "a Value, a list of Values or a network"),
        ({"value": 1.0}, TypeError, "a Value, a list of Values or a network, not 1.0"),
        ({"value": []}, TypeError, "a Value, a list of Values or a network"),
        ({"value": [1.0]}, TypeError, "a Value, a list of Values or a network"),
        ({"value": [Value(1.0), 2.0]}, TypeError, "a Value, a list of Values or a network"),
        ({"value": MLP}, TypeError, "a Value, a list of Values or a network"),
        ({"value": "x" * 10_000}, TypeError, "a Value, a list of Values or a network"),
        ({"value": Line()}, TypeError, "MLP, Layer and Neuron, not of Line: draw what it gives"),
    ],
)
def test_a_wrong_argument_is_refused_in_words_that_help(
    arguments: dict[str, Any], kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=re.escape(says)) as error:
        draw(**{"value": Value(1.0), **arguments})
    assert type(error.value) is kind
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("data", ["3", None, 10**400], ids=["text", "None", "huge"])
def test_what_is_no_float_in_a_leaf_is_refused_in_words_or_shown(data: Any) -> None:
    w = Value(3.0, "w")
    y = w * 2
    w.data = data
    try:
        assert "now" in draw(y).source
    except (TypeError, OverflowError) as error:
        assert "w.data" in str(error)  # noqa: PT017  # as backward says it


# ── Large graphs are folded ───────────────────────────────────────────────────────────────────────────


def groups_of(picture: Any) -> tuple[dict[tuple[str, ...], str], dict[tuple[str, str], int]]:
    """The ids of the boxes by their words, and the numbers on the arrows."""
    boxes, arrows = read_dot(picture)
    counts = {(a.start, a.end): int(a.label.replace(",", "") or 1) for a in arrows}
    assert len(counts) == len(arrows)
    return {tuple(box.words): key for key, box in boxes.items()}, counts


def members_of(box: Box) -> int:
    counts = [re.fullmatch(r"([\d,]+) (?:values|\w+s)", word) for word in box.words]
    return next((int(count[1].replace(",", "")) for count in counts if count), 1)


@renders
def test_a_network_folds_into_its_layers_with_counts() -> None:
    network = MLP(64, [32, 10])
    L = mg.cross_entropy(network([i / 64 for i in range(64)]), 3)
    started = time.perf_counter()
    picture = draw(L)
    seen = read_svg(picture)
    assert time.perf_counter() - started < 5
    boxes, arrows = read_dot(picture)
    assert len(boxes) < 20

    def group(*words: str) -> str:
        [key] = [key for key, box in boxes.items() if box.words[: len(words)] == list(words)]
        return key

    first, second = group("2,080 parameters", "w₁,₁ … b₃₂"), group("330 parameters", "w₃₃,₁ … b₄₂")
    inputs = group("64 inputs", "x₁ … x₆₄")
    sums, relus = group("w·x", "32 values", "z₁ … z₃₂"), group("relu", "32 values", "h₁ … h₃₂")
    outputs = group("w·x", "10 values", "y₁ … y₁₀")
    labels = {(a.start, a.end): a.label for a in arrows}
    assert labels[first, sums] == "2,080"
    assert labels[inputs, sums] == "2,048"
    assert labels[sums, relus] == "32"
    assert labels[relus, outputs] == "320"
    assert labels[second, outputs] == "330"
    assert seen.texts[f"{first}->{sums}"] == ["2,080"]
    assert boxes[inputs].texts[-2:] == [["value", "0.0000 to 0.9844"], ["grad", "–"]]
    L.backward()
    gradients = [p.grad for p in network.layers[1].parameters()]
    boxes, _ = read_dot(draw(L))
    assert boxes[second].texts[-1] == [
        "grad",
        f"{number(min(gradients), 4)} to {number(max(gradients), 4)}",
    ]
    assert boxes[second].rows[-1][1].ink == GRADIENT_INK


def unrelated_leaf() -> list[Value]:
    x = a = Value(1.0, "a")
    for _ in range(20):
        x = x * a
    return [x, Value(5.0, "unused")]


def batch_loss() -> list[Value]:
    network = MLP(2, [3, 1])
    return [mg.mean(mg.hinge_loss(network([i, j]), 1) for i in range(4) for j in range(4))]


@pytest.mark.parametrize(
    "roots",
    [
        unrelated_leaf(),
        batch_loss(),
        [Value(float(i), f"x{i}") for i in range(30)],
        [mg.sum(Value(float(i)) ** 2 for i in range(30))],
        [mixed_graph()],
        [mixed_graph(), mixed_graph()],
    ],
    ids=["a leaf of no use", "batch", "leaves", "wide", "mixed", "two"],
)
def test_folding_loses_no_value_and_no_arrow(roots: list[Value]) -> None:
    order = mg.topological_order(*roots)
    boxes, arrows = read_dot(draw(roots, max_nodes=5))
    assert sum(map(members_of, boxes.values())) == len(order)
    operands = [parent for node in order for parent in node.parents if not isinstance(parent, Constant)]
    assert sum(int(a.label.replace(",", "") or 1) for a in arrows) == len(operands)


def test_a_long_chain_folds_by_operation() -> None:
    x = start = Value(1.0, "x")
    for _ in range(2500):
        x = x * 1.001
        x = x + start
    boxes, arrows = read_dot(draw(x))
    assert {box.words[0]: members_of(box) for box in boxes.values()} == {"+": 2500, "×": 2500, "x": 1}
    assert sorted((boxes[a.start].words[0], boxes[a.end].words[0], a.label) for a in arrows) == [
        ("+", "×", "2,499"),
        ("x", "+", "2,500"),
        ("x", "×", ""),
        ("×", "+", "2,500"),
    ]


@pytest.mark.parametrize("detail", ["neurons", "values"])
def test_max_nodes_is_how_many_values_are_drawn_unfolded(detail: Any) -> None:
    xs = [Value(float(i), f"x{i}") for i in range(9)]
    y = mg.sum(xs)  # ten values
    assert len(read_dot(draw(y, detail=detail, max_nodes=10))[0]) == 10
    folded = draw(y, detail=detail, max_nodes=9)
    assert [box.words[0] for box in read_dot(folded)[0].values()] in (
        ["9 inputs", "Σ"],
        ["Σ", "9 inputs"],
    )
    assert repr(folded).endswith(": 10 values, folded>")
    values = [Value(float(i)) for i in range(201)]
    assert len(read_dot(draw(mg.sum(values[:199])))[0]) == 200
    assert len(read_dot(draw(mg.sum(values[:200])))[0]) == 2


@renders
@pytest.mark.parametrize("depth", [9, 60])
def test_values_used_again_and_again_do_not_explode(depth: int) -> None:
    x = Value(1.0, "x")
    for _ in range(depth):
        x = x * x
    boxes, arrows = read_dot(draw(x))
    assert (len(boxes), len(arrows)) == (depth + 1, 2 * depth)
    assert len(read_svg(draw(x)).edges) == 2 * depth
    assert len(repr(draw(x))) < 150
    assert len(read_dot(draw(x, max_nodes=1))[0]) <= depth + 1


def test_the_title_of_a_small_graph_is_not_written_out_in_millions() -> None:
    x = Value(1.0, "x")
    for _ in range(9):
        x = mg.mean([x] * 6)
    tracemalloc.start()
    picture = draw(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(repr(picture)) < 150
    assert peak < 5_000_000


@renders
def test_many_different_operations_are_folded_too() -> None:
    x = Value(1.5, "x")
    polynomial = mg.sum(x**i * (1 / (i + 1)) for i in range(400))
    boxes, _ = read_dot(draw(polynomial))
    assert len(boxes) <= 200, "what is folded is no larger than what is drawn unfolded"


def test_many_constants_are_folded_too() -> None:
    x = Value(1.0, "x")
    boxes, _ = read_dot(draw(mg.sum([x, *[1.0] * 3000])))
    assert len(boxes) <= 200


def test_a_large_graph_is_folded_in_a_moment() -> None:
    xs = [Value(i / 1000) for i in range(1000)]
    y = mg.sum(x * w for x in xs for w in xs[:50])
    started = time.perf_counter()
    assert len(read_dot(draw(y))[0]) == 3
    assert time.perf_counter() - started < 5


@renders
def test_two_thousand_values_are_drawn_when_asked_for() -> None:
    network = MLP(20, [30, 20, 10, 1], activation="tanh")
    y = network([0.1] * 20)
    x = Value(1.0, "x")
    for _ in range(387):
        x = x.tanh()
    roots = [y, x]
    assert len(mg.topological_order(*roots)) == 2000
    started = time.perf_counter()
    seen = read_svg(draw(roots, detail="values", max_nodes=2000))
    assert time.perf_counter() - started < 15
    assert sum("->" not in title for title in seen.texts) == 2000
    assert len(seen.edges) == sum(len(node.parents) for node in mg.topological_order(*roots))


@renders
@pytest.mark.parametrize("detail", ["neurons", "values"])
def test_a_weight_used_at_every_step_of_a_long_chain_is_drawn_in_a_moment(detail: Any) -> None:
    w, h = Value(0.5, "w"), Value(0.1, "h")
    for _ in range(90):
        h = mg.tanh(w * h)
    assert len(mg.topological_order(h)) <= 200
    started = time.perf_counter()
    draw(h, detail=detail).pipe("svg")
    assert time.perf_counter() - started < 10


@renders
def test_numbers_beyond_numbers_are_drawn() -> None:
    values = [Value(math.nan, "a"), Value(math.inf, "b"), Value(-math.inf, "c"), Value(-0.0, "d")]
    root = mg.sum(values)
    root.backward()
    values[3].grad = math.nan
    for detail in ("neurons", "values"):
        seen = read_svg(draw(root, detail=detail))
        assert [seen.texts[f"v{i}"][1] for i in range(4)] == ["nan", "∞", "-∞", "-0.0000"]
        assert seen.texts["v3"][2] == "grad nan"
    texts = read_svg(draw(root, max_nodes=1)).texts
    assert any("nan" in text for words in texts.values() for text in words)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_nan_is_not_hidden_in_a_range(place: int) -> None:
    xs = [Value(float(i)) for i in range(3)]
    xs[place].data = math.nan
    boxes, _ = read_dot(draw(mg.sum(xs), max_nodes=1))
    [group] = [box for box in boxes.values() if "3 parameters" in box.words]
    assert "nan" in " ".join(group.words)


def test_a_range_of_one_number_is_that_number() -> None:
    boxes, _ = read_dot(draw(mg.sum([Value(2.5) for _ in range(3)]), max_nodes=1))
    assert ["3 parameters", "value", "2.5000", "grad", "–"] in [box.words for box in boxes.values()]


# ── Numbers and names in words ────────────────────────────────────────────────────────────────────────

precisions = st.integers(0, 17)


@given(st.floats(), precisions)
@example(9_999_999.999_999, 4)
@example(9.9999999e-4, 4)
@example(5e-324, 0)
@example(1.7976931348623157e308, 17)
@example(-0.0, 4)
@example(-0.4, 0)
@example(1.5e308, 0)  # 2e+308 is right, if no float
def test_a_number_keeps_its_sign_and_its_size(data: float, precision: int) -> None:
    for text in (number(data, precision), short(data, precision)):
        if not math.isfinite(data):
            assert text == ("nan" if math.isnan(data) else "∞" if data > 0 else "-∞")
            continue
        assert len(text) <= 30
        shown, exact = Decimal(text), Decimal(data)
        assert shown.is_signed() == exact.is_signed()
        # At most half a unit of the last decimal away, and never so far that 0 or twice the number is seen.
        half = Decimal("0.5000001") * Decimal(10) ** -precision
        assert abs(shown - exact) <= half * max(Decimal(1), abs(exact))
        assert abs(shown - exact) <= Decimal("0.51") * abs(exact)
        assert not exact or shown


@pytest.mark.parametrize(
    ("data", "precision", "long", "brief"),
    [
        (0.35, 4, "0.3500", "0.35"),
        (0.0, 4, "0.0000", "0"),
        (-0.0, 4, "-0.0000", "-0"),
        (100.0, 0, "100", "100"),
        (1200.0, 2, "1200.00", "1200"),
        (-2.5, 1, "-2.5", "-2.5"),
        (1e-9, 4, "1.0000e-09", "1e-09"),
        (1e10, 4, "1.0000e+10", "1e+10"),
        (1e10, 0, "1e+10", "1e+10"),
        (0.0009, 4, "0.0009", "0.0009"),
        (0.00091, 4, "9.1000e-04", "9.1e-04"),
        (0.001, 4, "0.0010", "0.001"),
        (math.nan, 4, "nan", "nan"),
        (-math.inf, 4, "-∞", "-∞"),
    ],
)
def test_numbers_as_they_are_written(data: float, precision: int, long: str, brief: str) -> None:
    assert (number(data, precision), short(data, precision)) == (long, brief)


@pytest.mark.parametrize(
    ("data", "precision", "said"), [(3.0, 0, "3"), (-1.0, 0, "-1"), (0.5, 1, "0.5"), (0.05, 2, "0.05")]
)
def test_a_number_that_its_decimals_show_needs_no_exponent(data: float, precision: int, said: str) -> None:
    assert number(data, precision) == said


@given(st.text(wild))
@example("\ud800")
def test_visible_text_is_printable_and_says_what_was_there(text: str) -> None:
    said = visible(text)
    assert said == written_out(text)
    assert said.isprintable()
    assert visible(said) == said
    if "\\" not in text:
        assert said.encode("ascii", "backslashreplace").decode("unicode_escape") == text


@given(st.text(wild, max_size=60))
@example("\0")
@example("\ud800")
def test_a_pretty_name_is_the_name(name: str) -> None:
    said = pretty(name)
    assert len(said) <= 40
    word = written_out(name)
    back = said.translate(str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789"))
    if not set(name) & set("₀₁₂₃₄₅₆₇₈₉") and len(word) <= 40:
        assert back in {word, re.sub(r"_(?=[\d,]+$)", "", word)}
        if not name.isprintable() and name[-1:] and not name[-1:].isprintable():
            assert said == word, "the digits of an escape are no index"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("w11", "w₁₁"),
        ("x_2", "x₂"),
        ("w10,3", "w₁₀,₃"),
        ("w", "w"),
        ("", ""),
        ("12", "12"),
        ("_1", "_1"),
        ("two words 3", "two words 3"),
        ("a1b", "a1b"),
        ("α7", "α₇"),
        ("w1.5", "w1.5"),
    ],
)
def test_digits_at_the_end_of_a_name_are_an_index(name: str, said: str) -> None:
    assert pretty(name) == said


# ── Colours and fonts ─────────────────────────────────────────────────────────────────────────────────


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2.2."""
    assert re.fullmatch("#[0-9a-f]{6}", colour), f"{colour} is no six-digit colour"
    r, g, b = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (r, g, b))
    return sum(share * c for share, c in zip((0.2126, 0.7152, 0.0722), linear))


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.fixture(scope="module")
def pictures() -> list[Any]:
    """Of every kind of box, line and word."""
    L = the_network()
    x, w = Value(1.0, "x"), Value(2.0, "w")
    y = x * w * 3
    w.data = 4.0
    y.name = "y"
    folded = mg.cross_entropy(MLP(4, [12, 12])([0.1, 0.2, 0.3, 0.4]), 1)
    wide = mg.dot([Value(1.0) for _ in range(20)], [Value(1.0) for _ in range(20)], Value(0.0))
    network = MLP(2, [2, 1])
    network.layers[0].neurons[0].w[0].data = math.nan
    graphs = [L, y, [L, y], y.tanh() * 2, Value(0.0) * 1, wide.relu(), folded]
    return [
        *(draw(g, detail=d) for g in graphs for d in ("neurons", "values")),  # type: ignore[arg-type]
        *(draw(module) for module in (network, MLP(12, [12]), Layer(2, 3), Neuron(2))),
        draw(L, max_nodes=1),
    ]


def test_all_words_can_be_read_on_their_ground(pictures: list[Any]) -> None:
    pairs: set[tuple[str, str]] = set()
    for picture in pictures:
        boxes, arrows = read_dot(picture)
        for box in boxes.values():
            ground = box.attributes.get("fillcolor") or box.table["BGCOLOR"]
            pairs.update((cell.ink, ground) for row in box.rows for cell in row)
        for arrow in arrows:
            if label := arrow.attributes.get("label"):
                rows, table = read_table(label)
                pairs.update((cell.ink, table["BGCOLOR"]) for row in rows for cell in row)
    grounds = {ground for _, ground in pairs}
    assert {colours.fill for colours in ROLES.values()} | {PILL["bgcolor"]} <= grounds, "not all kinds"
    assert {GRADIENT_INK, FAINT_INK} <= {ink for ink, _ in pairs}
    too_faint = {pair: contrast(*pair) for pair in pairs if contrast(*pair) < 4.5}
    assert not too_faint


def test_the_named_inks_are_readable_on_every_ground() -> None:
    for colours in ROLES.values():
        for ink in (colours.ink, GRADIENT_INK, FAINT_INK):
            assert contrast(ink, colours.fill) >= 4.5, (ink, colours)
    for ink in (FAINT_INK, ROLES["inner"].ink):
        assert contrast(ink, PILL["bgcolor"]) >= 4.5
    assert contrast(ROLES["parameter"].ink, ROLES["inner"].fill) >= 4.5
    assert len({colours.fill for colours in ROLES.values()}) == len(ROLES)


@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
def test_lines_show_on_light_and_on_dark_pages(page: str) -> None:
    for line in (LINE, POSITIVE, NEGATIVE):
        assert contrast(line, page) >= 3, line
    assert OUTLINE != LINE


def test_only_colours_and_fonts_that_every_renderer_knows(pictures: list[Any]) -> None:
    for picture in pictures:
        source = picture.source
        assert "bgcolor=transparent" in source, "the ground is the page's"
        colours = re.findall(r'(?i)(?:bg|fill|font|pen)?color="?([^"\s\]]+)', source)
        assert colours
        assert {c for c in colours if not re.fullmatch("#[0-9a-f]{6}", c)} <= {"transparent"}
        fonts = set(re.findall(r'(?i)(?:fontname|face)="?([^"\]]+?)"?(?= \w+=|[\s\]])', source))
        assert fonts == {"Helvetica"} or fonts <= {"Helvetica", "Arial", "Times", "Courier"}
        assert fonts
        assert "currentColor" not in source
        assert not re.search("(?i)<su[bp]>", source)


@renders
def test_boxes_are_opaque_in_the_image(pictures: list[Any]) -> None:
    for picture in pictures[:4]:
        tree = ET.fromstring(picture.pipe("svg"))
        for group in tree.iter(f"{SVG}g"):
            if group.get("class") == "node":
                shape = next(group.iter(f"{SVG}path"))
                assert re.fullmatch("#[0-9a-f]{6}", shape.attrib["fill"])
        texts = [t.attrib["font-family"].partition(",")[0] for t in tree.iter(f"{SVG}text")]
        assert set(texts) == {"Helvetica"}


# ── Sketches of networks ──────────────────────────────────────────────────────────────────────────────


def lines_of(module: Module) -> list[Arrow]:
    return read_dot(draw(module))[1]


@renders
@pytest.mark.parametrize(
    ("module", "circles", "lines"),
    [(MLP(2, [2, 1]), 5, 6), (MLP(3, [4, 5, 2]), 14, 42), (Layer(3, 2), 5, 6), (Neuron(4), 5, 4)],
    ids=repr,
)
def test_a_sketch_has_a_circle_for_each_neuron_and_a_line_for_each_weight(
    module: Module, circles: int, lines: int
) -> None:
    picture = draw(module)
    boxes, arrows = read_dot(picture)
    assert sum(box.attributes.get("shape") == "circle" for box in boxes.values()) == circles
    assert len(arrows) == lines
    assert len({a[:2] for a in arrows}) == lines
    seen = read_svg(picture)
    assert len(seen.edges) == lines
    assert {key for key in seen.texts if re.fullmatch(r"n\d+_\d+", key)} == {
        key for key, box in boxes.items() if box.attributes.get("shape") == "circle"
    }
    weights = [p for name, p in module.named_parameters() if name.startswith("w")]
    labels = [box.words[0] for key, box in boxes.items() if re.fullmatch(r"w\d+_\d+_\d+", key)]
    assert sorted(labels) == (sorted(short(w.data, 4) for w in weights) if lines <= 12 else [])
    assert sorted(seen.tooltips[f"{a.start}->{a.end}"] for a in arrows) == sorted(
        f"{w.name} = {w.data!r}" for w in weights
    )


def test_a_line_leads_from_its_input_to_its_neuron_with_width_and_sign() -> None:
    network = MLP(2, [3, 2])
    weights = {
        (f"n{i}_{j}", f"n{i + 1}_{k}"): w.data
        for i, layer in enumerate(network.layers)
        for k, neuron in enumerate(layer.neurons)
        for j, w in enumerate(neuron.w)
    }
    lines = lines_of(network)
    assert {a[:2] for a in lines} == weights.keys()
    ordered = sorted(lines, key=lambda a: abs(weights[a[:2]]))
    widths = [float(a.attributes["penwidth"]) for a in ordered]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]
    assert widths[0] > 0
    for a in lines:
        assert a.attributes["color"] == (POSITIVE if weights[a[:2]] > 0 else NEGATIVE)
    boxes, _ = read_dot(draw(network))
    assert [boxes[f"n0_{j}"].words for j in range(2)] == [["x₁"], ["x₂"]]
    assert [boxes[f"n1_{k}"].words for k in range(3)] == [[f"h{c}", "b 0"] for c in "₁₂₃"]
    assert [boxes[f"n2_{k}"].words for k in range(2)] == [[f"y{c}", "b 0"] for c in "₁₂"]
    legend = " ".join(boxes["legend"].words)
    assert "MLP 2-3-2, relu, linear, 17 parameters" in legend
    assert "blue: positive, orange: negative" in legend


@pytest.mark.parametrize("n", [10, 11, 64])
def test_a_wide_layer_is_cut_and_says_by_how_much(n: int) -> None:
    boxes, arrows = read_dot(draw(MLP(n, [n, 2])))
    columns = [[key for key in boxes if key.startswith(f"n{i}_")] for i in range(3)]
    if n <= 10:
        assert [len(column) for column in columns] == [n, n, 2]
        assert not any(key.startswith("more") for key in boxes)
    else:
        shown = [0, 1, 2, 3, 4, 5, n - 3, n - 2, n - 1]
        assert columns[:2] == [[f"n{i}_{j}" for j in shown] for i in (0, 1)]
        assert boxes["more0"].words == boxes["more1"].words == [f"… {n - 9} more …"]
        assert "more2" not in boxes
    assert len(arrows) == len(columns[0]) * len(columns[1]) + len(columns[1]) * 2
    # No two circles in the same place.
    places = [box.attributes["pos"] for box in boxes.values()]
    assert len(set(places)) == len(places)


@renders
def test_a_sketch_of_weights_that_are_zero_or_no_numbers() -> None:
    network = MLP(2, [2])
    weights = [w for neuron in network.layers[0].neurons for w in neuron.w]
    for w in weights:
        w.data = 0.0
    widths = {a.attributes["penwidth"] for a in lines_of(network)}
    assert len(widths) == 1
    assert 0 < float(widths.pop()) < 1
    for w, data in zip(weights, (math.nan, math.inf, -1.0, 1e-300)):
        w.data = data
    lines = lines_of(network)
    assert [a.attributes.get("style") for a in lines].count("dashed") == 2
    finite = sorted(
        (float(a.attributes["penwidth"]), a.attributes["color"])
        for a in lines
        if "style" not in a.attributes
    )
    assert [colour for _, colour in finite] == [POSITIVE, NEGATIVE]
    assert finite[0][0] < finite[1][0]
    assert len(read_svg(draw(network)).edges) == 4


def test_a_sketch_shows_the_weights_of_now_and_changes_nothing() -> None:
    network = MLP(2, [2, 1])
    before = draw(network).source
    network([1.0, 2.0]).backward()
    gradients = [p.grad for p in network.parameters()]
    numbers = [p.data for p in network.parameters()]
    draw(network)
    assert [p.data for p in network.parameters()] == numbers
    assert [p.grad for p in network.parameters()] == gradients
    network.layers[1].neurons[0].w[0].data = 100.0
    assert draw(network).source != before
    assert "the thickest: 100" in " ".join(read_dot(draw(network))[0]["legend"].words)


def test_a_sketch_of_a_large_network_stays_small() -> None:
    boxes, arrows = read_dot(draw(MLP(200, [64, 64, 10])))
    assert len(boxes) < 60
    assert len(arrows) < 300


def iterate(values: Sequence[Value]) -> Iterator[Value]:
    yield from values


def test_values_may_come_from_any_iterable() -> None:
    a, b = Value(1.0, "a"), Value(2.0, "b")
    expected = draw([a, b]).source
    for values in ((a, b), {a: 0, b: 0}, iterate([a, b])):
        assert draw(values).source == expected  # type: ignore[arg-type]
