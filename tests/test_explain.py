"""`explain`: a gradient as the sum over chain-rule paths, against backward and against brute force."""

import math
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from campaigns.zeros import campaign
from hypothesis import given
from hypothesis import strategies as st

import microgradlike as mg
from microgradlike import MLP, Value, half_squared_error
from microgradlike.explain import Explanation, explain

PARAMETERS = ["w11", "w12", "b1", "w21", "w22", "b2", "w31", "w32", "b3"]


def document(t: float = 0.0) -> dict[str, Value]:
    """Every value of the document's network on one example, by name."""
    network = MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
    L = half_squared_error(network([0.5, -1.5]), t)
    L.name = "L"
    return {value.name: value for value in mg.topological_order(L)}


def every_path(loss: Value, w: Value) -> Iterator[list[float]]:
    """The factors of every path, by brute force."""
    stack: list[tuple[Value, list[float]]] = [(loss, [])]
    while stack:
        node, factors = stack.pop()
        if node is w:
            yield factors
        else:
            stack += [(parent, [*factors, d]) for parent, d in zip(node.parents, node.partials)]


def gradient_by_backward(loss: Value, w: Value) -> float:
    loss.backward()
    return w.grad


def random_graph(seed: int, size: int) -> tuple[list[Value], Value]:
    """Leaves and a root, with many shared values and parallel edges between them."""
    rng = random.Random(seed)
    leaves = [Value(rng.uniform(-2, 2), name) for name in "abc"]
    values = list(leaves)
    operations: list[Callable[[Value, Value], Value]] = [
        lambda x, y: x + y,
        lambda x, y: x - y,
        lambda x, y: x * y,
        lambda x, y: x * x,
        lambda x, y: mg.tanh(x),
        lambda x, y: mg.relu(x),
        lambda x, y: mg.dot([x, y], [y, 0.5]),
        mg.maximum,
    ]
    for _ in range(size):
        values.append(rng.choice(operations)(*rng.choices(values[-6:], k=2)))
    return leaves, values[-1]


# ── The document ──────────────────────────────────────────────────────────────────────────────────────


def test_each_parameter_has_the_one_path_of_the_document() -> None:
    v = document(t=1.0)
    y, t = v["y"].data, v["t"].data
    dL_dz3 = (y - t) * y * (1 - y)
    symbols, formulas = "∂L/∂y · ∂y/∂z3", "(y − t) · y(1 − y)"
    for i in "12":
        h, w3 = v[f"h{i}"].data, v[f"w3{i}"].data
        hidden = dL_dz3 * w3 * h * (1 - h)
        of_hidden = (
            f"{symbols} · ∂z3/∂h{i} · ∂h{i}/∂z{i}",
            f"{formulas} · w3{i} · h{i}(1 − h{i})",
        )
        expected = {
            f"w3{i}": (f"{symbols} · ∂z3/∂w3{i}", f"{formulas} · h{i}", dL_dz3 * h),
            f"b{i}": (f"{of_hidden[0]} · ∂z{i}/∂b{i}", f"{of_hidden[1]} · 1", hidden),
            f"w{i}1": (f"{of_hidden[0]} · ∂z{i}/∂w{i}1", f"{of_hidden[1]} · x1", hidden * v["x1"].data),
            f"w{i}2": (f"{of_hidden[0]} · ∂z{i}/∂w{i}2", f"{of_hidden[1]} · x2", hidden * v["x2"].data),
            "b3": (f"{symbols} · ∂z3/∂b3", f"{formulas} · 1", dL_dz3),
        }
        for name, (in_symbols, in_formulas, gradient) in expected.items():
            explanation = explain(v["L"], v[name])
            assert explanation.count == 1 and explanation.omitted == 0
            [path] = explanation.paths
            assert (path.symbols, path.formulas) == (in_symbols, in_formulas)
            assert path.value == explanation.gradient == pytest.approx(gradient, rel=1e-12, abs=0)
            assert explanation.reason == explanation.diagnosis == ""


def test_an_input_has_two_paths_one_through_each_hidden_neuron() -> None:
    v = document()
    explanation = explain(v["L"], v["x1"])
    assert explanation.count == 2
    assert {path.nodes[-2].name for path in explanation.paths} == {"z1", "z2"}
    assert abs(explanation.paths[0].value) >= abs(explanation.paths[1].value)
    assert explanation.gradient == gradient_by_backward(v["L"], v["x1"])


def test_text_of_the_network() -> None:
    v = document()
    assert (
        str(explain(v["L"], v["x1"]))
        == """\
∂L/∂x1 = 0.005254 (2 paths)

1.   ∂L/∂y   · ∂y/∂z3   · ∂z3/∂h2  · ∂h2/∂z2    · ∂z2/∂x1
   = (y − t) · y(1 − y) · w32      · h2(1 − h2) · w21
   = 0.4796  · 0.2496   · (−1.229) · 0.09239    · (−1.274) = 0.01732

2.   ∂L/∂y   · ∂y/∂z3   · ∂z3/∂h1 · ∂h1/∂z1    · ∂z1/∂x1
   = (y − t) · y(1 − y) · w31     · h1(1 − h1) · w11
   = 0.4796  · 0.2496   · 0.3556  · 0.1104     · (−2.567) = −0.01206"""
    )
    assert repr(explain(v["L"], v["x1"])) == "<explanation of ∂L/∂x1 = 0.005254, 2 paths>"


# ── Sums, counts and order ────────────────────────────────────────────────────────────────────────────


@given(st.integers(0, 10**6), st.integers(1, 12))
def test_all_paths_of_a_small_graph(seed: int, size: int) -> None:
    leaves, root = random_graph(seed, size)
    for w in [*leaves, *root.parents]:
        paths = list(every_path(root, w))
        products = sorted((abs(math.prod(factors)) for factors in paths), reverse=True)
        everything = explain(root, w, limit=len(paths) + 5)
        assert everything.count == len(everything.paths) == len(paths)
        assert everything.omitted == everything.omitted_sum == 0
        assert everything.zeros == sum(0 in factors for factors in paths)
        assert sorted(path.factors for path in everything.paths) == sorted(paths)
        assert [abs(path.value) for path in everything.paths] == pytest.approx(products, rel=1e-12)
        for limit in (0, 1, 3):
            some = explain(root, w, limit)
            assert [path.edges for path in some.paths] == [path.edges for path in everything.paths[:limit]]
            assert some.omitted == max(len(paths) - limit, 0)
            total = math.fsum([some.omitted_sum, *(path.value for path in some.paths)])
            assert total == pytest.approx(everything.gradient, rel=1e-12, abs=1e-12 * sum(products))


@given(st.integers(0, 10**6), st.integers(1, 60))
def test_the_gradient_is_that_of_backward_to_the_bit(seed: int, size: int) -> None:
    leaves, root = random_graph(seed, size)
    explanations = [explain(root, leaf) for leaf in leaves]
    root.backward()
    for leaf, explanation in zip(leaves, explanations):
        assert explanation.gradient == leaf.grad or (
            math.isnan(explanation.gradient) and math.isnan(leaf.grad)
        )
        assert explanation.reason if leaf.grad == 0 else True
        str(explanation)
        check_latex(explanation)


@given(st.integers(0, 10**6))
def test_a_path_is_a_path(seed: int) -> None:
    [a, *_], root = random_graph(seed, 15)
    for path in explain(root, a).paths:
        assert path.nodes[0] is root and path.nodes[-1] is a
        for edge, node, parent, factor in zip(path.edges, path.nodes, path.nodes[1:], path.factors):
            assert edge.node is node and node.parents[edge.operand] is parent is edge.parent
            assert node.partials[edge.operand] == factor == edge.factor
        assert path.value == math.prod(path.factors)


def test_parallel_edges_are_different_paths() -> None:
    a = Value(3.0, "a")
    assert [p.value for p in explain(a + a, a).paths] == [1.0, 1.0]
    square = explain(a * a, a)
    assert (square.count, square.gradient) == (2, 6.0)
    assert [path.edges[0].operand for path in square.paths] == [0, 1]


def test_between_two_inner_values() -> None:
    v = document()
    explanation = explain(v["y"], v["z1"])
    assert explanation.paths[0].symbols == "∂y/∂z3 · ∂z3/∂h1 · ∂h1/∂z1"
    assert explanation.gradient == mg.grad(v["y"], [v["z1"]])[0].data


def test_by_itself() -> None:
    a = Value(3.0, "a")
    explanation = explain(a, a)
    assert (explanation.gradient, explanation.count) == (1.0, 1)
    [path] = explanation.paths
    assert (path.nodes, path.factors, path.value, path.symbols) == ([a], [], 1.0, "1")
    assert str(explanation) == "∂a/∂a = 1 (1 path)"


def test_ties_come_in_the_order_of_the_operands() -> None:
    w = Value(1.0, "w")
    hs = [w * 2 for _ in range(20)]
    explanation = explain(mg.sum(hs), w, limit=7)
    assert [path.nodes[1] for path in explanation.paths] == hs[:7]


def test_order_where_products_leave_the_range_of_a_float() -> None:
    w = Value(1.0, "w")
    tiny = [w * 1e-200 * c for c in (1e-200, 3e-200, 2e-200)]
    paths = explain(mg.sum(tiny), w).paths
    assert [path.nodes[1] for path in paths] == [tiny[1], tiny[2], tiny[0]]
    assert [path.value for path in paths] == [0.0, 0.0, 0.0]
    explanation = explain(mg.sum([w * 0.0, *tiny]), w)
    assert explanation.zeros == 1 and explanation.paths[-1].factors == [1.0, 0.0]


# ── Large graphs ──────────────────────────────────────────────────────────────────────────────────────


def test_more_paths_than_atoms() -> None:
    w = Value(1.0, "w")
    x = w
    for _ in range(100):
        x = x + x
    explanation = explain(x, w)
    assert explanation.count == 2**100 and explanation.gradient == 2.0**100
    assert len(explanation.paths) == 10 and explanation.omitted == 2**100 - 10
    assert "(about 10³⁰ paths)" in str(explanation)
    assert "10^{30}" in explanation._repr_latex_()


def chain(n: int) -> tuple[Value, Value]:
    w = Value(1.0, "w")
    x = w
    for _ in range(n):
        x = mg.sin(x)
    return x, w


def ladder(n: int) -> tuple[Value, Value]:
    rng = random.Random(1)
    w = Value(1.0, "w")
    x = y = w
    for _ in range(n // 2):
        c, d = rng.uniform(0.4, 0.6), rng.uniform(0.4, 0.6)
        x, y = mg.dot([x, y], [c, d]), mg.dot([x, y], [d, c])
    return x * y, w


def doubling(n: int) -> tuple[Value, Value]:
    w = Value(0.0, "w")
    x = w
    for _ in range(n // 2):
        x = mg.mean([x, x, x]).tanh()  # all paths are equal
    return x, w


def wide(n: int) -> tuple[Value, Value]:
    w = Value(1.0, "w")
    return mg.sum([w * (i / n) for i in range(n)]), w


@pytest.mark.parametrize(
    ("graph", "base", "exponent"),  # no count itself: pytest would write out all its digits
    [(chain, 1, 1), (ladder, 2, 50_001), (doubling, 3, 50_000), (wide, 100_000, 1)],
)
def test_a_hundred_thousand_nodes(
    graph: Callable[[int], tuple[Value, Value]], base: int, exponent: int
) -> None:
    loss, w = graph(100_000)
    count = base**exponent
    start = time.perf_counter()
    explanation = explain(loss, w)
    text = str(explanation)
    check_latex(explanation)
    assert time.perf_counter() - start < 30  # some seconds; the machine may be busy
    assert explanation.count - count == 0
    assert explanation.gradient == gradient_by_backward(loss, w)
    assert len(explanation.paths) == min(count, 10)
    assert len(text) < 10_000 and max(map(len, text.splitlines())) <= 100


# ── Diagnoses ─────────────────────────────────────────────────────────────────────────────────────────


def test_independence() -> None:
    a, b = Value(1.0, "a"), Value(2.0, "b")
    L = a * 2
    L.name = "L"
    explanation = explain(L, b)
    assert (explanation.gradient, explanation.count, explanation.paths) == (0.0, 0, [])
    assert explanation.reason == "independence"
    assert explanation.diagnosis == "L does not depend on b: no path leads from the one to the other."
    assert explain(a, L).reason == "independence"  # not the other way round
    assert str(explanation).startswith("∂L/∂b = 0 (no path)")


def test_a_dead_relu_is_named_with_its_z() -> None:
    network = MLP(2, [2, 1], activation="relu")
    w11, _, b1 = network.layers[0].neurons[0].parameters()
    b1.data, w11.data = -3.0, 1.0
    network.layers[0].neurons[0].w[1].data = 0.5
    y = network([1.0, 1.0])
    explanation = explain(y, w11)
    assert explanation.reason == "zero factor"
    assert (
        explanation.diagnosis
        == "relu at z1 = −1.500 is off: ∂h1/∂z1 = 0, and the only path goes through it."
    )


def test_every_path_through_one_dead_relu() -> None:
    a = Value(-1.2, "z3")
    h = mg.relu(a)
    h.name = "h3"
    assert explain(h * h + h, a).diagnosis == (
        "relu at z3 = −1.200 is off: ∂h3/∂z3 = 0, and every path goes through it."
    )


def test_paths_that_die_at_different_factors() -> None:
    x = Value(1.0, "x")
    L = mg.sum([mg.relu(x * -c) for c in range(1, 7)])
    explanation = explain(L, x)
    assert explanation.reason == "zero factor" and len(explanation.culprits) == 6
    assert explanation.diagnosis == (
        "Every path goes through a factor that is 0: relu at v11 = −1 is off: ∂v12/∂v11 = 0; "
        "relu at v9 = −2 is off: ∂v10/∂v9 = 0; relu at v7 = −3 is off: ∂v8/∂v7 = 0; and 3 more."
    )


@pytest.mark.parametrize(
    ("build", "cause"),
    [
        (lambda a: mg.leaky_relu(a, 0.0), "leaky_relu is flat at a = −3: ∂L/∂a = 0"),
        (mg.hardtanh, "hardtanh is flat at a = −3: ∂L/∂a = 0"),
        (lambda a: mg.clip(a, 0.0, 1.0), "clip is flat at a = −3: ∂L/∂a = 0"),
        (lambda a: mg.maximum(a, 1.0), "maximum does not take a = −3: ∂L/∂a = 0"),
        (lambda a: mg.minimum(a, -9.0), "minimum does not take a = −3: ∂L/∂a = 0"),
        (lambda a: mg.where(0.0, a, 1.0), "where does not take a = −3: ∂L/∂a = 0"),
        (lambda a: mg.where(a, 2.0, 1.0), "where is flat at a = −3: ∂L/∂a = 0"),
        (lambda a: mg.greater(a, 1.0), "greater is flat at a = −3: ∂L/∂a = 0"),
        (mg.sign, "sign is flat at a = −3: ∂L/∂a = 0"),
        (lambda a: a * Value(0.0, "k"), "∂L/∂a = k = 0"),
        (lambda a: (a + 3.0) ** 2, "∂L/∂v1 = 2·v1 = 0"),
    ],
)
def test_other_factors_that_are_zero(build: Callable[[Value], Value], cause: str) -> None:
    a = Value(-3.0, "a")
    explanation = explain(build(a), a)
    assert explanation.reason == "zero factor"
    assert explanation.diagnosis == f"{cause}, and the only path goes through it."


@pytest.mark.parametrize(("z", "op", "name"), [(800.0, mg.sigmoid, "σ"), (-400.0, mg.tanh, "tanh")])
def test_saturation_that_rounds_to_zero(z: float, op: Callable[[Value], Value], name: str) -> None:
    z1 = Value(z, "z1")
    h1 = op(z1)
    h1.name = "h1"
    explanation = explain(h1 * 3, z1)
    assert explanation.reason == "saturation"
    number = f"{z:.0f}".replace("-", "−")
    assert explanation.diagnosis == (
        f"{name} is saturated at z1 = {number}: ∂h1/∂z1 = 0, and the only path goes through it."
    )


def test_saturation_that_is_not_quite_zero() -> None:
    z1 = Value(-700.0, "z1")
    h1 = mg.sigmoid(z1)
    h1.name = "h1"
    explanation = explain(h1 * 1e-30, z1)
    assert explanation.gradient == 0 and explanation.reason == "saturation"
    assert explanation.diagnosis == (
        "σ is saturated at z1 = −700: ∂h1/∂z1 = 9.860e−305, and the product, about 10⁻³³⁴, "
        "is too small for a float."
    )
    explanation = explain(h1, z1)
    assert explanation.gradient > 0 and explanation.reason == "vanishing"
    assert explanation.diagnosis == (
        "The gradient is almost 0: σ is saturated at z1 = −700: ∂h1/∂z1 = 9.860e−305."
    )
    explanation = explain(h1 * 3, z1)
    assert explanation.diagnosis.startswith("The gradient is almost 0; the smallest of the 2 factors: σ is")


def test_underflow() -> None:
    x = Value(1.0, "x")
    y = x
    for _ in range(600):
        y = mg.sigmoid(y)
    explanation = explain(y, x)
    assert explanation.reason == "underflow"
    assert explanation.diagnosis == (
        "No factor is 0, but the product, about 10⁻³⁸⁹, is too small for a float."
    )
    product = explain(x * 1e300 * 1e-200 * 1e-200, x)  # from the loss on, 1e-400 comes first
    assert product.gradient == 0 and product.reason == "underflow"
    assert "about 10⁻¹⁰⁰, is reached by way of numbers too small for a float" in product.diagnosis


def test_cancellation() -> None:
    a, b = Value(2.0, "a"), Value(3.0, "b")
    explanation = explain(a * b - b * a, a)
    assert explanation.reason == "cancellation"
    assert explanation.diagnosis == "The paths cancel: the largest is 3, but the sum of all is 0."


def decay(w: Value) -> Value:
    for _ in range(100):
        w = w - w * 0.999
    return w


@pytest.mark.parametrize(
    ("build", "total"),
    [(lambda w: w * 1.0 - w * (1 - 1e-13), "1.000e−13"), (decay, "1.000e−300")],
)
def test_paths_that_nearly_cancel(build: Callable[[Value], Value], total: str) -> None:
    w = Value(1.0, "w")
    explanation = explain(build(w), w)
    assert explanation.reason == "cancellation" and explanation.culprits == []
    assert explanation.diagnosis == (
        f"The paths nearly cancel: the largest is 1, but the sum of all is {total}."
    )


def test_the_kinds_of_zero_have_different_sentences() -> None:
    a = Value(2.0, "a")
    losses = [Value(1.0) * 1, mg.relu(-a), mg.sigmoid(a * 900), a * 1e-200 * 1e-200, a - a]
    explanations = [explain(loss, a) for loss in losses]
    assert [explanation.gradient for explanation in explanations] == [0.0] * 5
    assert len({explanation.reason for explanation in explanations}) == 5
    assert all(explanation.diagnosis in " ".join(str(explanation).split()) for explanation in explanations)


def test_not_finite() -> None:
    z, a = Value(0.0, "z"), Value(2.0, "a")
    explanation = explain(mg.sqrt(z) * a, z)
    assert explanation.gradient == math.inf and explanation.reason == "infinity"
    assert explanation.diagnosis == (
        "∂v1/∂z = 0.5 / v1 = inf at z = 0: no path through this factor is finite."
    )
    assert explain(mg.sqrt(z) * 0, z).reason == "infinity"  # nan
    n = Value(math.nan, "n")
    explanation = explain(mg.sigmoid(a + n) * 3, a)
    assert math.isnan(explanation.gradient)
    assert explanation.diagnosis == (
        "∂v2/∂v1 = v2(1 − v2) = nan, since n = nan: no path through this factor is finite."
    )
    v = Value(1e-300, "v")
    explanation = explain(v * 1e200 * 1e200, v)
    assert explanation.reason == "overflow"
    assert explanation.diagnosis == (
        "No factor is infinite, but the product, about 10⁴⁰⁰, is too large for a float."
    )


def test_what_is_not_finite_comes_first_and_zeros_last() -> None:
    z = Value(0.0, "z")
    L = mg.sum([z * 0.0, z * 5.0, mg.sqrt(z) * 0.0, mg.sqrt(z)])
    explanation = explain(L, z)
    assert [math.isfinite(path.value) for path in explanation.paths] == [False, False, True, True]
    assert [path.value for path in explanation.paths[2:]] == [5.0, 0.0]
    assert (explanation.omitted, explanation.omitted_sum) == (0, 0.0)
    assert [explain(L, z, limit=n).omitted_sum for n in (1, 2, 3)] == [math.inf, 5.0, 0.0]
    check_latex(explanation)


# ── Names, text and LaTeX ─────────────────────────────────────────────────────────────────────────────


def test_unnamed_values_get_names_that_are_free_and_said() -> None:
    a, v1 = Value(2.0, "a"), Value(-3.0, "v1")
    explanation = explain(mg.tanh(a * v1) + a**2 / (1 - v1), a)
    assert [path.symbols for path in explanation.paths] == [
        "∂L/∂v3 · ∂v3/∂v2 · ∂v2/∂a",
        "∂L/∂v5 · ∂v5/∂v4 · ∂v4/∂a",
    ]
    assert explanation.paths[1].formulas == "1 · (1 − v5·v5) · v1"
    assert "where v2 = a²\n      v3 = v2 / (1 − v1)\n      v4 = a·v1\n      v5 = tanh(v4)\n" in str(
        explanation
    )
    assert explain(a * 2, Value(1.0, "L"))._repr_latex_().count("v_{1}")  # L is taken


def test_no_name_at_all() -> None:
    w = Value(3.0)
    assert str(explain((w * 2) ** 2, w)).endswith("where w = 3\n      v1 = w·2\n      L = v1²")


def test_a_constant_may_be_asked_for() -> None:
    assert str(explain(mg.Constant(2.0), Value(1.0, "x"))).startswith("∂L/∂x = 0 (no path)")
    y = Value(3.0, "x") * 2
    explanation = explain(y, y.parents[1])
    assert explanation.gradient == 3.0 and explanation.count == 1


def test_a_long_path_is_a_table_with_an_ellipsis() -> None:
    x = Value(1.0, "x")
    y = x
    for _ in range(30):
        y = mg.sin(y)
    explanation = explain(y, x)
    [path] = explanation.paths
    assert len(path.factors) == 30
    assert path.symbols.startswith("∂L/∂v29 · ∂v29/∂v28 · ") and " · … · " in path.symbols
    text = str(explanation)
    assert "\n⋮\n" in text and "∂L/∂v29   = cos(v29) = " in text and "\nproduct " in text


def test_a_long_formula_is_left_to_its_symbol() -> None:
    x = Value(0.5, "x")
    [path] = explain(mg.gelu(x), x).paths
    assert path.formulas == path.symbols == "∂L/∂x"


def balanced(latex: str) -> bool:
    depth = 0
    for token in re.findall(r"\\[{}]|[{}]", latex):
        depth += {"{": 1, "}": -1}.get(token, 0)
        if depth < 0:
            return False
    return depth == 0 and latex.count(r"\left") == latex.count(r"\right")


def check_latex(explanation: Explanation) -> None:
    latex = explanation._repr_latex_()
    assert latex.startswith(r"$\displaystyle\begin{aligned}") and latex.endswith(r"\end{aligned}$")
    assert balanced(latex)
    assert not re.search(r"(?<!\\)_(?!\{)", latex)  # an index, or escaped
    assert all(row.count("&") - row.count(r"\&") == 1 for row in latex.split("\\\\[0.7ex]\n"))
    assert latex.isprintable() or "\n" in latex
    assert "\0" not in latex and "\0" not in explanation.diagnosis


def test_latex() -> None:
    v = document()
    latex = explain(v["L"], v["w11"])._repr_latex_()
    assert r"\frac{\partial L}{\partial w_{11}} &= " in latex and r"\text{ (1 path)}" in latex
    assert r"&= \left(y - t\right) \cdot y\left(1 - y\right) \cdot w_{31} \cdot h_{1}" in latex
    named = Value(-2.0, "my_name & co")
    for loss in (mg.leaky_relu(named, 0.0), mg.relu(named) * named, mg.softplus(named)):
        check_latex(explain(loss, named))


def test_each_row_of_the_latex_can_be_typeset() -> None:
    mathtext = pytest.importorskip("matplotlib.mathtext")
    parse = mathtext.MathTextParser("path").parse
    v = document()
    for explanation in [
        explain(v["L"], v["x1"]),
        explain(mg.relu(v["z1"]), v["w11"]),
        explain(v["x1"], v["L"]),
    ]:
        latex = explanation._repr_latex_().removeprefix(r"$\displaystyle\begin{aligned}")
        for row in latex.removesuffix(r"\end{aligned}$").split("\\\\[0.7ex]\n"):
            known = re.sub(r"\\phantom\{=\{\}\}|&", "", row).replace(r"\text{", r"\mathrm{")
            parse(f"${known}$")


# ── What must not happen ──────────────────────────────────────────────────────────────────────────────


def test_nothing_is_modified() -> None:
    v = document()
    values = mg.topological_order(v["L"])
    v["L"].backward()
    before = [(x.data, x.grad, x.op, x.parents, x.evaluation, x.name) for x in values]
    explanation = explain(v["L"], v["x1"])
    str(explanation), explanation._repr_latex_(), repr(explanation.paths)
    assert [(x.data, x.grad, x.op, x.parents, x.evaluation, x.name) for x in values] == before
    fresh = Value(1.0, "a")
    explain(fresh * 2, fresh)
    assert fresh.grad is mg.NOT_COMPUTED


def test_it_works_within_no_grad() -> None:
    v = document()
    outside = str(explain(v["L"], v["x1"]))
    with mg.no_grad():
        assert str(explain(v["L"], v["x1"])) == outside


def test_numbers_that_were_written_over_are_refused() -> None:
    v = document()
    w11 = v["w11"]
    was, w11.data = w11.data, 0.5
    with pytest.raises(RuntimeError, match=rf"w11 was {was} when this graph was recorded and is 0.5 now"):
        explain(v["L"], w11)


def test_it_keeps_the_numbers_that_it_explains() -> None:
    w = Value(-0.5)
    explanation = explain(mg.relu(w * 2), w)
    before = str(explanation), explanation._repr_latex_()
    w.data = 7.0
    assert (str(explanation), explanation._repr_latex_()) == before


def test_arguments() -> None:
    a = Value(1.0, "a")
    with pytest.raises(TypeError, match="w is 'a'"):
        explain(a * 2, "a")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"loss is 2\.0"):
        explain(2.0, a)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="limit is -1: write how many"):
        explain(a * 2, a, limit=-1)
    with pytest.raises(TypeError, match="limit=10"):
        explain(a * 2, a, limit=2.5)  # type: ignore[arg-type]


def test_the_same_text_in_every_process() -> None:
    program = (
        "import microgradlike as mg; from microgradlike.explain import explain\n"
        "x = mg.Value(0.5, 'x1'); y = mg.MLP(2, [16, 16, 1])([x, 1.0]); print(explain(y, x))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1


# ── As a picture ──────────────────────────────────────────────────────────────────────────────────────


def test_the_picture_lights_the_listed_paths() -> None:
    values = document()
    way = {"x1", "z1", "z2", "h1", "h2", "z3", "y", "L"}
    for limit, names in [(10, way), (1, way - {"z1", "h1"}), (0, set())]:  # the path by h2 is the larger
        explanation = explain(values["L"], values["x1"], limit)
        source = explanation.picture().source
        boxes = re.findall(r"^\tv\d+ \[label=.*$", source, re.MULTILINE)
        arrows = re.findall(r"^\tv\d+ -> v\d+.*$", source, re.MULTILINE)
        assert [len(lines) for lines in (boxes, arrows)] == [19, 20]
        assert sum("penwidth=3" in box for box in boxes) == len(names)
        assert sum("penwidth=3" in arrow for arrow in arrows) == len(
            {(a, b) for path in explanation.paths for a, b in zip(path.nodes, path.nodes[1:])}
        )


def test_the_picture_of_a_large_graph_is_folded() -> None:
    x = Value(1.0, "x")
    y = x
    for _ in range(300):
        y = y + x
    assert "folded" in repr(explain(y, x).picture())
    assert "folded" not in repr(explain(y, x).picture(max_nodes=400))


# ── What is said is so ────────────────────────────────────────────────────────────────────────────────


def test_the_cause_that_is_said_is_the_true_one() -> None:
    """A part of the campaign; see `campaigns.zeros`."""
    assert campaign(150, seed=1).wrong == []


@given(st.integers(0, 10**6), st.integers(3, 25), st.integers(0, 8))
def test_what_is_not_listed_is_added_up(seed: int, size: int, limit: int) -> None:
    """Beside listed paths of any size: the small ones are not lost in a difference."""
    values, loss = random_graph(seed, size)
    a = values[0]
    rng = random.Random(seed)
    loss = loss * 10.0 ** rng.randint(-30, 30) + a * 1e17 + a * 3.0
    e = explain(loss, a, limit=limit)
    others = [math.prod(factors) for factors in every_path(loss, a)]
    for path in e.paths:
        others.remove(path.value)
    assert abs(e.omitted_sum - math.fsum(others)) <= 1e-13 * math.fsum(map(abs, others))
    assert e.omitted == len(others)


def test_three_small_paths_beside_a_large_one() -> None:
    w = Value(2.0, "w")
    text = str(explain(w * 1e17 + w + w + w, w, limit=1))
    assert "… and 3 more paths not listed, which sum to 3" in text


@pytest.mark.parametrize("length", [3, 30, 200])
@pytest.mark.parametrize("limit", [1, 10, 40])
def test_every_name_that_is_shown_is_said(length: int, limit: int) -> None:
    rng = random.Random(length)
    w = Value(0.5)
    values = [w]
    for _ in range(length):
        a, b = values[-1], rng.choice(values[-4:])
        values.append(rng.choice([a * b, a + b, mg.tanh(a), mg.dot([a, b], [b, 0.5]), a.sin() * b]))
    e = explain(values[-1], w, limit=limit)
    text = str(e)
    said = set(re.findall(r"^(?:where |      )(\w+) = ", text, re.MULTILINE))
    shown = set(re.findall(r"(?<![\w.])(?:v\d+|w|L)(?![\w.])", text))
    assert shown <= said
    latex = e._repr_latex_()
    assert all(f"\n{name} &= " in latex for name in map(latex_name, said))


def latex_name(name: str) -> str:
    return re.sub(r"v(\d+)", r"v_{\1}", name)


def test_of_paths_that_are_not_listed_the_sum_is_said() -> None:
    w = Value(0.5, "w")
    assert (mg.explain(w, w, 0).omitted, mg.explain(w, w, 0).omitted_sum) == (1, 1.0)
    loss = w * w + 3 * w
    assert mg.explain(loss, w, 0).omitted_sum == mg.explain(loss, w).gradient == 4.0
