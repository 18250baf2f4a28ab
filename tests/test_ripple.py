"""ripple: against floats by hand, against fresh forward passes, and what must not happen."""

import gc
import html.parser
import math
import random
import struct
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import microgradlike as mg
from microgradlike import Value, ops, topological_order
from microgradlike.ripple import ripple

UGLY = '<b>"x"\n|{}&amp;$'


def bits(*numbers: float) -> bytes:
    return struct.pack(f"{len(numbers)}d", *numbers)


# ── The network of the document ───────────────────────────────────────────────────────────────────────

NUMBERS = {
    "w11": 0.3, "w12": -0.8, "b1": 0.1,
    "w21": 1.2, "w22": 0.4, "b2": -0.3,
    "w31": 0.7, "w32": -1.1, "b3": 0.2,
}  # fmt: skip
X, T = (1.5, -0.5), 1.0


def by_hand(n: dict[str, float], shift: dict[str, float]) -> dict[str, float]:
    """The cascade in plain floats; shift is what is added to an inner value."""

    def sigma(z: float) -> float:
        return 1 / (1 + math.exp(-z))

    v = dict(n)
    v["z1"] = n["w11"] * X[0] + n["w12"] * X[1] + n["b1"] + shift.get("z1", 0.0)
    v["h1"] = sigma(v["z1"]) + shift.get("h1", 0.0)
    v["z2"] = n["w21"] * X[0] + n["w22"] * X[1] + n["b2"]
    v["h2"] = sigma(v["z2"])
    v["z3"] = n["w31"] * v["h1"] + n["w32"] * v["h2"] + n["b3"] + shift.get("z3", 0.0)
    v["y"] = sigma(v["z3"])
    v["L"] = 0.5 * (v["y"] - T) ** 2
    return v


class Network:
    def __init__(self) -> None:
        self.model = mg.MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
        self.model.load_state_dict(NUMBERS)
        self.L = mg.half_squared_error(self.model(list(X)), T)
        self.L.name = "L"
        self.nodes = {node.name: node for node in topological_order(self.L)}

    def __getitem__(self, name: str) -> Value:
        return self.nodes[name]


@pytest.mark.parametrize(
    ("nudges", "way"),
    [
        ({"w11": 0.1}, "w11 z1 h1 z3 y L"),
        ({"b3": -2.0}, "b3 z3 y L"),
        ({"w22": 1e-6}, "w22 z2 h2 z3 y L"),
        ({"w11": 0.1, "b1": -0.05}, "w11 b1 z1 h1 z3 y L"),
        ({"b3": 0.1, "w11": 0.1}, "b3 w11 z1 h1 z3 y L"),
        ({"h1": 0.25}, "h1 z3 y L"),
        ({"h1": 0.25, "w11": 0.5}, "w11 z1 h1 z3 y L"),
        ({"z3": -1.0, "w11": 0.5, "z1": 0.125}, "w11 z1 h1 z3 y L"),
        ({"L": 0.5}, "L"),
    ],
)
def test_the_cascade_of_the_document(nudges: dict[str, float], way: str) -> None:
    net = Network()
    effect = ripple(net.L, {net[name]: by for name, by in nudges.items()})
    leaves = {name: data + nudges.get(name, 0.0) for name, data in NUMBERS.items()}
    before, after = by_hand(NUMBERS, {}), by_hand(leaves, nudges)
    after["L"] += nudges.get("L", 0.0)

    assert [row.value.name for row in effect.rows] == way.split()
    for row in effect.rows:
        assert row.before == pytest.approx(before[row.value.name], rel=1e-14)
        assert row.after == pytest.approx(after[row.value.name], rel=1e-14)
        assert row.change == row.after - row.before
    assert (effect.before, effect.after) == (effect.rows[-1].before, effect.rows[-1].after)
    assert effect.actual == effect.after - effect.before
    assert effect.difference == effect.actual - effect.predicted

    net.L.backward()
    expected = math.fsum(net[name].grad * by for name, by in nudges.items())
    assert effect.predicted == expected
    assert effect.gradients == {net[name]: net[name].grad for name in nudges}
    forward_mode = mg.jvp(net.L, [net[name] for name in nudges], list(nudges.values()))
    assert effect.predicted == pytest.approx(forward_mode, rel=1e-14)


def test_one_value_and_its_nudge_is_a_dict_of_one() -> None:
    net = Network()
    one, several = ripple(net.L, net["w11"], 0.1), ripple(net.L, {net["w11"]: 0.1})
    assert one.rows == several.rows
    assert one.nudges == several.nudges == {net["w11"]: 0.1}


# ── Any graph ─────────────────────────────────────────────────────────────────────────────────────────

ROWS = [
    ops.add, ops.sub, ops.mul, ops.div, ops.neg, ops.exp, ops.log, ops.sqrt, ops.sin, ops.tanh, ops.sigmoid,
    ops.relu, ops.power(2.0), ops.power(-1.0), ops.pow, ops.sum, ops.dot, ops.prod, ops.maximum, ops.hypot,
    ops.logsumexp, ops.softplus, ops.abs, ops.mean, ops.where, ops.clip,
]  # fmt: skip
SMOOTH = [
    ops.add, ops.sub, ops.mul, ops.sin, ops.tanh, ops.sigmoid, ops.power(2.0), ops.sum, ops.dot,
    ops.softplus,
]  # fmt: skip


class Recipe(NamedTuple):
    """How to make a graph anew: the leaves' numbers, then a row and its operands' indices each."""

    leaves: list[float]
    nodes: list[tuple[ops.Op, list[int]]]

    def make(self, shift: dict[int, float]) -> list[Value]:
        """The values; to each is added what shift says, which makes a node of its own for inner ones."""
        values = [Value(data + shift.get(i, 0.0), f"v{i}") for i, data in enumerate(self.leaves)]
        for op, operands in self.nodes:
            i = len(values)
            value: Value = op(*(values[j] for j in operands))
            if i in shift:
                value = value + shift[i]
            value.name = f"v{i}"
            values.append(value)
        return values


@st.composite
def recipes(draw: Callable[..., Any], rows: Sequence[ops.Op] = ROWS) -> Recipe:
    leaves = draw(st.lists(st.floats(-3, 3), min_size=1, max_size=4))
    nodes: list[tuple[ops.Op, list[int]]] = []
    for _ in range(draw(st.integers(1, 12))):
        op = draw(st.sampled_from(rows))
        count = op.arity or draw(st.integers(1, 4))
        index = st.integers(0, len(leaves) + len(nodes) - 1)
        nodes.append((op, draw(st.lists(index, min_size=count, max_size=count))))
    return Recipe(leaves, nodes)


def made(recipe: Recipe) -> list[Value]:
    try:
        return recipe.make({})
    except (ArithmeticError, ValueError):
        assume(False)
        raise


nudge_lists = st.dictionaries(st.integers(0, 15), st.floats(-2, 2), min_size=1, max_size=4)


@given(recipes(), nudge_lists)
def test_it_is_a_fresh_forward_pass_to_the_bit(recipe: Recipe, by: dict[int, float]) -> None:
    values = made(recipe)
    loss = values[-1]
    shift = {i % len(values): nudge for i, nudge in by.items()}
    graph = set(topological_order(loss))
    try:
        # Nudges beside the graph of the loss do not count there.
        fresh = recipe.make({i: nudge for i, nudge in shift.items() if values[i] in graph})
    except (ArithmeticError, ValueError) as error:
        if all(value in graph for value in values):
            with pytest.raises(type(error)):
                ripple(loss, {values[i]: nudge for i, nudge in shift.items()})
        return
    effect = ripple(loss, {values[i]: nudge for i, nudge in shift.items()})
    assert bits(effect.before, effect.after) == bits(loss.data, fresh[-1].data)
    assert str(effect)
    index = {value: i for i, value in enumerate(values)}
    moved = {row.value for row in effect.rows}
    for row in effect.rows:
        if row.value in graph:
            assert bits(row.before, row.after) == bits(row.value.data, fresh[index[row.value]].data)
        else:
            assert row.after == row.value.data + shift[index[row.value]]
    for i, value in enumerate(values):
        if value in graph and value not in moved:
            assert bits(fresh[i].data) == bits(value.data)
    # Operands before results, no value twice, and the way is just what hangs together.
    assert len(moved) == len(effect.rows)
    for i, row in enumerate(effect.rows):
        later = {other.value for other in effect.rows[i:]}
        assert later.isdisjoint(row.value.parents) or row.value not in graph
        assert index[row.value] in shift or not moved.isdisjoint(row.value.parents)


@given(recipes(), nudge_lists)
def test_predicted_is_the_gradient_times_the_nudge(recipe: Recipe, by: dict[int, float]) -> None:
    values = made(recipe)
    loss = values[-1]
    nudges = {values[i % len(values)]: nudge for i, nudge in by.items()}
    graph = set(topological_order(loss))
    try:
        effect = ripple(loss, nudges)
        loss.backward()
    except (ArithmeticError, ValueError):
        return
    assert effect.gradients.keys() == {w for w in nudges if w in graph}
    for w, gradient in effect.gradients.items():
        assert bits(gradient) == bits(w.grad)
    expected = ops.sum(0.0, *(w.grad * nudge for w, nudge in nudges.items() if w in graph))
    assert bits(effect.predicted) == bits(expected)
    assert all(w.grad is mg.NOT_COMPUTED for w in nudges if w not in graph)


@given(recipes(SMOOTH), st.randoms(use_true_random=False))
def test_what_the_gradient_does_not_predict_is_of_second_order(recipe: Recipe, rng: random.Random) -> None:
    values = made(recipe)
    directions = {w: rng.uniform(-1, 1) for w in rng.sample(values, min(3, len(values)))}

    def relative(step: float) -> float:
        effect = ripple(values[-1], {w: step * by for w, by in directions.items()})
        return abs(effect.difference) / step

    # Where every derivative is moderate, a hundredth of the nudge leaves about a hundredth of it.
    assume(all(abs(value.data) < 100 for value in values) and relative(1e-3) < 1)
    assert relative(1e-5) <= 0.02 * relative(1e-3) + 1e-8


# ── Shared values, inner values ───────────────────────────────────────────────────────────────────────


def test_a_value_counts_everywhere_it_is_used() -> None:
    a = Value(3.0, "a")
    square = ripple(a * a, a, 0.5)
    assert (square.before, square.after, square.predicted) == (9.0, 12.25, 3.0)
    double = ripple(a + a, a, 0.5)
    assert (double.after, double.predicted, double.difference) == (7.0, 1.0, 0.0)
    assert [row.value.name for row in square.rows] == ["a", ""]


def test_an_inner_nudge_is_added_to_what_the_value_would_be() -> None:
    a = Value(3.0, "a")
    b = a * a
    L = b * a
    alone = ripple(L, b, 1.0)
    assert [row.after for row in alone.rows] == [10.0, 30.0]  # a is left alone
    both = ripple(L, {b: 1.0, a: 1.0})
    assert [row.value for row in both.rows] == [a, b, L]
    assert [row.after for row in both.rows] == [4.0, 17.0, 68.0]
    assert both.predicted == 27.0 * 1.0 + 3.0 * 1.0 == mg.jvp(L, [b, a], [1.0, 1.0])


def test_a_constant_can_be_nudged_too() -> None:
    a = Value(3.0, "a")
    L = 2 * a
    effect = ripple(L, L.parents[0], 0.5)
    assert (effect.after, effect.predicted) == (7.5, 1.5)


def test_the_loss_itself_and_a_leaf_as_loss() -> None:
    a = Value(3.0, "a")
    leaf = ripple(a, a, 0.5)
    assert (leaf.before, leaf.after, leaf.predicted, len(leaf.rows)) == (3.0, 3.5, 0.5, 1)
    L = a * 2
    assert [row.value for row in ripple(L, {L: 1.0, a: 1.0}).rows] == [a, L]
    assert ripple(L, {L: 1.0, a: 1.0}).after == 9.0


def test_a_nudge_of_zero_changes_nothing() -> None:
    net = Network()
    effect = ripple(net.L, net["w11"], 0)
    assert {row.change for row in effect.rows} == {0.0}
    assert effect.actual == effect.predicted == 0.0


def test_a_value_that_the_loss_does_not_depend_on() -> None:
    net, stranger = Network(), Value(2.0, "v")
    effect = ripple(net.L, stranger, 0.5)
    assert [(row.value, row.before, row.after) for row in effect.rows] == [(stranger, 2.0, 2.5)]
    assert effect.before == effect.after == net.L.data
    assert effect.actual == effect.predicted == effect.difference == 0.0
    assert effect.gradients == {}
    assert str(effect).splitlines()[1:] == [
        "v      2.0000 → 2.5000  +0.5000",
        "ΔL = 0; L does not depend on v",
    ]
    mixed = ripple(net.L, {net["b3"]: 0.5, stranger: 1.0})
    assert [row.value.name for row in mixed.rows] == ["b3", "v", "z3", "y", "L"]
    assert mixed.actual == ripple(net.L, net["b3"], 0.5).actual
    assert str(mixed).endswith("; L does not depend on v")


def test_a_dead_relu_is_on_the_way_and_nothing_changes() -> None:
    z = Value(-2.0, "z")
    effect = ripple(z.relu(), z, 1.0)
    assert effect.actual == effect.predicted == 0.0
    assert str(effect).splitlines()[2].split() == ["relu(z)", "0", "→", "0", "0"]


# ── Nothing is modified ───────────────────────────────────────────────────────────────────────────────


def state(loss: Value) -> list[Any]:
    nodes = dict.fromkeys(v for node in topological_order(loss) for v in (node, *node.parents))
    return [(v, v.data, v.grad, v.op, v.parents, v.evaluation, v.name) for v in nodes]


@pytest.mark.parametrize("backward", [False, True])
def test_nothing_is_modified(backward: bool) -> None:
    net = Network()
    if backward:
        net.L.backward()
    nudges = {net["w11"]: 0.1, net["h2"]: -0.2}
    before = state(net.L)
    effect = ripple(net.L, nudges)
    str(effect), repr(effect), effect._repr_html_(), effect.predicted
    assert all(a is b for old, new in zip(before, state(net.L)) for a, b in zip(old, new))
    assert nudges == {net["w11"]: 0.1, net["h2"]: -0.2}
    nudges.clear()
    assert len(effect.nudges) == 2


def test_nothing_is_modified_where_an_operation_is_undefined() -> None:
    a = Value(2.0, "a")
    L = a * 3 + mg.log(a)
    before = state(L)
    with pytest.raises(ValueError):
        ripple(L, a, -3)
    assert all(x is y for old, new in zip(before, state(L)) for x, y in zip(old, new))


def test_it_leaves_no_reference_cycle() -> None:
    net = Network()
    str(ripple(net.L, net["w11"], 0.1))  # the first call may fill caches
    gc.collect()
    gc.disable()
    try:
        effect = ripple(net.L, net["w11"], 0.1)
        str(effect), effect._repr_html_()
        del effect
        assert gc.collect() == 0
    finally:
        gc.enable()


# ── Refusals ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("make", "nudge", "error", "message"),
    [
        (mg.log, -3, ValueError, "log(a) is undefined at a = -1.0"),
        (lambda a: mg.log(a * 2), -3, ValueError, "log(-2.0) is undefined"),
        (lambda a: 1 / a, -2, ZeroDivisionError, "1.0 / a is undefined at a = 0.0"),
        (mg.exp, 1000, OverflowError, "exp(a) is too large for a float at a = 1002.0"),
        (lambda a: a**0.5, -3, ValueError, "a^0.5 is undefined at a = -1.0"),
    ],
)
def test_what_is_undefined_at_the_new_numbers(
    make: Callable[[Value], Value], nudge: float, error: type[Exception], message: str
) -> None:
    a = Value(2.0, "a")
    with pytest.raises(error) as caught:
        ripple(make(a) + 1, a, nudge)
    assert str(caught.value) == message
    assert caught.value.__suppress_context__
    with pytest.raises(error) as fresh:
        make(Value(2.0 + nudge, "a"))
    assert str(fresh.value) == message


def test_it_works_where_nothing_is_recorded() -> None:
    a = Value(2.0, "a")
    L = mg.log(a)
    with mg.no_grad():
        assert ripple(L, a, 1.0).after == math.log(3)
        with pytest.raises(ValueError, match="undefined at a = -1"):
            ripple(L, a, -3)


def test_stale_data_is_reported() -> None:
    net = Network()
    net["w11"].data = 0.5
    for w in ("w11", "b3"):
        with pytest.raises(RuntimeError, match=r"w11 was 0\.3 when .* and is 0\.5 now: run the forward"):
            ripple(net.L, net[w], 0.1)
    net["w11"].data = 0.3
    net["h1"].data = 0.0
    with pytest.raises(RuntimeError, match="h1 was"):
        ripple(net.L, net["b3"], 0.1)


@pytest.mark.parametrize(
    ("nudge", "error"),
    [
        *((nudge, TypeError) for nudge in (None, "0.1", 1j, [0.1], Value(0.1))),
        *((nudge, ValueError) for nudge in (math.nan, -math.inf, 10**400, Decimal("sNaN"))),
    ],
)
def test_a_nudge_is_a_finite_real_number(nudge: Any, error: type[Exception]) -> None:
    w = Value(2.0, "w")
    for arguments in ((w, nudge), ({w: nudge},), ({Value(1.0): 0.1, w: nudge},)):
        with pytest.raises(error, match=r"the nudge of w is a finite real number such as 0\.1, not"):
            ripple(w * w, *arguments)


def test_a_number_is_whatever_a_value_takes() -> None:
    w = Value(2.0, "w")
    for nudge in (1, True, Fraction(1), Decimal(1)):
        assert ripple(w * w, w, nudge).after == 9.0


def test_several_nudges_are_there_and_each_stands_in_the_dict() -> None:
    w = Value(2.0, "w")
    with pytest.raises(ValueError, match=r"needs a value to nudge: ripple\(loss, \{w: 0\.1\}\)"):
        ripple(w * w, {})
    with pytest.raises(TypeError, match="each of several values has its own nudge"):
        ripple(w * w, {w: 0.1}, 0.1)


@pytest.mark.parametrize("wrong", ["w", 0.5, None, [Value(1.0)], {"w": 0.1}, {"w": 0.1, Value(1.0): 0.1}])
def test_what_is_no_value_cannot_be_nudged(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"ripple nudges Values: write ripple\(loss, w, 0\.1\) or"):
        ripple(Value(1.0) * 2, wrong, None if isinstance(wrong, dict) else 0.1)


@pytest.mark.parametrize("wrong", [[Value(1.0)], 1.0, "L"])
def test_what_is_no_loss(wrong: Any) -> None:
    with pytest.raises(TypeError, match="ripple follows a nudge to one Value, not to"):
        ripple(wrong, Value(1.0), 0.1)


# ── Large ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("n", [10_000, 100_000])
def test_a_long_chain(n: int) -> None:
    y = x = Value(0.5, "x")
    for _ in range(n // 4):
        y = 1.0 - (y * 1.25 + 0.125) / 1.25
    effect = ripple(y, x, 0.25)
    assert len(effect.rows) == n + 1
    assert effect.after == pytest.approx(y.data + 0.25)
    assert effect.predicted == pytest.approx(0.25)
    lines = str(effect).splitlines()
    assert len(lines) == 1 + 40 + 1 + 1
    assert lines[21] == f"… {n - 39:,} rows left out …"
    assert lines[-2].startswith("1 − …")
    assert len(effect._repr_html_()) < 20_000


def test_paths_without_number_are_gone_through_together() -> None:
    y = x = Value(1.0, "x")
    for _ in range(60):
        y = y + y
    effect = ripple(y, x, 0.5)
    assert (effect.after, effect.predicted) == (1.5 * 2.0**60, 0.5 * 2.0**60)
    assert str(effect)


def test_a_wide_sum() -> None:
    xs = [Value(0.5) for _ in range(50_000)]
    effect = ripple(mg.sum(xs), dict.fromkeys(xs, 0.5))
    assert (effect.after, effect.difference) == (50_000.0, 0.0)
    assert "a sum of 50,000 products" in str(effect)
    assert max(map(len, str(effect).splitlines())) < 200


# ── As text and as HTML ───────────────────────────────────────────────────────────────────────────────


def test_the_table() -> None:
    net = Network()
    assert str(ripple(net.L, net["w11"], 0.1)).splitlines() == [
        "value    before →    after     change",
        "w11      0.3000 →   0.4000    +0.1000",
        "z1       0.9500 →   1.1000    +0.1500",
        "h1      0.72112 →  0.75026   +0.02914",
        "z3     −0.15964 → −0.13924   +0.02040",
        "y      0.460175 → 0.465247  +0.005072",
        "L      0.145705 → 0.142980  −0.002725",
        "ΔL = −0.002725; predicted by the gradient: ∂L/∂w11 · Δw11 = −0.02832 · 0.1000 = −0.002832; "
        "difference 0.0001066",
    ]


def test_the_line_beneath_for_several_nudges() -> None:
    net = Network()
    line = str(ripple(net.L, {net["w11"]: 0.1, net["b1"]: -0.05})).splitlines()[-1]
    assert line == (
        "ΔL = −0.001841; predicted by the gradient: ∂L/∂w11 · Δw11 + ∂L/∂b1 · Δb1 = "
        "−0.02832 · 0.1000 + (−0.01888) · (−0.05000) = −0.001888; difference 4.721e−05"
    )
    line = str(ripple(net.L, dict.fromkeys(net.model.parameters(), 0.1))).splitlines()[-1]
    assert "gradient: Σ ∂L/∂w · Δw = a sum of 9 products = " in line


def test_names_of_what_has_none() -> None:
    a, unnamed = Value(0.5, "a"), Value(0.25)
    E = (a * unnamed + 1).tanh()
    lines = str(ripple(E, {a: 0.5, unnamed: 0.5, a * 2: 1})).splitlines()
    assert [line.split("  ")[0] for line in lines[:-1]] == [
        "value", "a", "a value", "a·2", "a·0.25", "a·0.25 + 1", "tanh(a·0.25 + 1)",
    ]  # fmt: skip
    assert "∂L/∂(a value) · Δ(a value)" in lines[-1]
    assert lines[-1].endswith("L does not depend on a·2")
    E.name = "E"
    assert repr(ripple(E, a, 0.5)) == "<ripple of a: 4 values, ΔE = 0.03898>"
    assert repr(ripple(E, {a: 0.5, unnamed: 1})).startswith("<ripple of a and 1 more: ")


def test_long_names_and_long_formulas_are_shortened() -> None:
    a, long = Value(0.5, "a"), Value(1.0, "n" * 100)
    wide = mg.dot([a] * 50, [1.0] * 50)
    effect = ripple(mg.exp(mg.sin(wide * 0.01) * long + wide), {a: 0.1, long: 0.1})
    assert max(len(line.split("  ")[0]) for line in str(effect).splitlines()[:-1]) == 30
    assert "n…" in str(effect)
    assert "…·0.01" in str(effect)


@pytest.mark.parametrize("data", [1e-300, 1e-12, 1e-7, 0.1, 12345.678, 1e12, 1e300])
@pytest.mark.parametrize("nudge", [1e-300, -1e-12, 1e-7, -0.1, 12345.678, -1e12, 1e300])
def test_numbers_of_every_size_are_readable(data: float, nudge: float) -> None:
    a = Value(data, "a")
    _, line, *_ = str(ripple(a + 1, a, nudge)).splitlines()
    assert len(line) < 60
    _, before, _, after, change = (text.replace("−", "-") for text in line.split())
    assert float(before) == pytest.approx(data, rel=1e-3, abs=6e-5)
    assert float(after) == pytest.approx(data + nudge, rel=1e-3, abs=6e-5)
    assert float(change) == pytest.approx(data + nudge - data, rel=1e-3)
    assert change[0] in "+-" or float(change) == 0


def test_infinite_numbers_have_a_table_too() -> None:
    a = Value(1e308, "a")
    text = str(ripple(a * 1.0, a, 1e308))
    assert "inf" in text
    assert str(ripple(a * math.inf, a, 1.0))  # its change is inf − inf


class _Page(html.parser.HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.append(tag)
        style = dict(attrs).get("style") or ""
        assert "color" not in style.replace("color: inherit", "")
        assert "background" not in style
        if tag in {"tr", "p"}:
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
            assert style == ("text-align: left" if len(self.rows[-1]) == 1 else "text-align: right")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] in {"td", "th"}:
            self.rows[-1][-1] += data
        elif self.open[-1] == "p":
            self.rows[-1].append(data)
        else:
            assert not data.strip()


def test_html_says_what_the_text_says_and_escapes_names() -> None:
    a, b = Value(0.5, UGLY), Value(2.0, "</td></table><script>alert(1)</script>")
    L = a * b + 1
    L.name = "<L>"
    effect = ripple(L, {a: 0.1, b: -0.1})
    page = _Page(effect._repr_html_())
    assert set(page.tags) == {"div", "table", "tr", "th", "td", "p"}
    lines = str(effect).splitlines()
    assert len(lines) == len(page.rows) == 6  # a line break in a name begins no line
    for line, cells in zip(lines[:-1], page.rows):
        name, before, after, change = cells
        assert line.split() == [*name.split(), before, "→", after, change]
    assert [lines[-1]] == page.rows[-1]
    assert page.rows[1][0] == UGLY.replace("\n", "\\n")
    assert lines[-1].startswith("Δ<L> = ")


# ── As a picture ──────────────────────────────────────────────────────────────────────────────────────


def test_the_picture_lights_what_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []

    def draw(value: Value, **options: Any) -> str:
        called.append((value, options))
        return "picture"

    # By its module: microgradlike.draw is the function.
    monkeypatch.setattr(sys.modules["microgradlike.draw"], "draw", draw)
    a, b = Value(0.5, "a"), Value(-2.0, "b")
    L = a * b
    picture: Any = ripple(L, a, 0.125).picture(precision=3, max_nodes=50)
    assert picture == "picture"
    [(value, options)] = called
    assert value is L
    assert set(options.pop("lit")) == {a, L}
    assert options == {
        "detail": "values",
        "notes": {a: "→ 0.625 (+0.125)", L: "→ -1.250 (-0.250)"},
        "precision": 3,
        "max_nodes": 50,
    }


def test_the_picture_is_drawn() -> None:
    net = Network()
    effect = ripple(net.L, {net["w11"]: 0.1, Value(1.0, "v"): 1.0})
    picture = effect.picture()
    assert isinstance(picture, mg.draw(net.L).__class__)
    assert "→ 0.4000 (+0.1000)" in picture.source
    assert "→ 2" not in picture.source
