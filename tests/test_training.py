"""Data, scaling, the descent itself and the report: what the main job is built from."""

import math
import random
from typing import Any

import numpy as np
import pytest

import microgradlike as mg
from microgradlike.formula import formula, number
from microgradlike.report import worked_example
from microgradlike.units import Units

Examples = list[tuple[list[float], float]]
EXAMPLES: Examples = [([0.0, 0.0], 0.0), ([0.0, 1.0], 1.0), ([1.0, 0.0], 1.0), ([1.0, 1.0], 0.0)]


def network(seed: int = 3) -> mg.MLP:
    return mg.MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid", seed=seed)


# ── Scaling ───────────────────────────────────────────────────────────────────────────────────────────


def test_units_are_a_map_in_the_graph() -> None:
    rng = random.Random(3)
    rows = [[rng.gauss(50, 10), rng.gauss(-3, 0.01), 7.0] for _ in range(30)]
    targets = [rng.gauss(1e5, 2e4) for _ in rows]
    units = Units.of(rows, targets)
    columns = list(zip(*map(units.row, rows)))
    for column in columns[:2]:
        assert math.fsum(column) == pytest.approx(0, abs=1e-9)
        assert math.fsum(x * x for x in column) / len(column) == pytest.approx(1)
    assert set(columns[2]) == {0.0}  # a constant column has no spread to divide by

    model = mg.MLP(3, [4, 1], activation="tanh", seed=5)
    inside = [model(units.row(row)).data for row in rows]
    model.units = units
    y = model(rows[0])
    assert (y.name, y.parents[0].parents[1].name) == ("y", "v")
    assert mg.formula(y).startswith(f"{units.target_spreads[0]!r}·v + ")
    [mean], [spread] = units.target_means, units.target_spreads
    assert [model(row).data for row in rows] == pytest.approx([mean + spread * v for v in inside])
    assert [v.data for v in model.standard_outputs(units.row(rows[0]))] == [inside[0]]
    assert [units.target(mean + spread * v) for v in inside] == pytest.approx(inside)
    assert Units.from_state(units.state_dict()) == units


# ── The report ────────────────────────────────────────────────────────────────────────────────────────


def test_the_worked_example_shows_the_gradients_of_backward() -> None:
    model = network()
    text = worked_example(model, mg.half_squared_error, [1.0, 1.0], 0.0)
    assert all(p.grad is mg.NOT_COMPUTED for p in model.parameters())  # the network is not touched
    mg.half_squared_error(model([1.0, 1.0]), 0.0).backward()
    results = {line.split(" = ")[0].strip(): line.split(" = ")[-1] for line in text.splitlines()}
    for name, parameter in model.named_parameters():
        assert results[f"∂L/∂{name}"] == number(parameter.grad, 4)


@pytest.mark.parametrize("activation", ["tanh", "relu", "linear", "gelu"])
def test_the_worked_example_suits_any_network(activation: str) -> None:
    model = mg.MLP(2, [3, 2, 2], activation=activation)
    text = worked_example(model, mg.cross_entropy, [0.5, -1.0], 1)
    assert "∂L/∂h1 = " in text and "∂L/∂w71 = ∂L/∂y2 · h4 = " in text


def test_formula_writes_the_fewest_brackets() -> None:
    a, b, c = (mg.Value(x, name) for x, name in ((2.0, "a"), (-3.0, "b"), (0.5, "c")))
    for value, text in (
        (a - (b - c), "a − (b − c)"),
        (a - b - c, "a − b − c"),
        ((a + b) * c, "(a + b)·c"),
        (a * (b + c), "a(b + c)"),
        (a / (b * c), "a / (b·c)"),
        (a * b / c, "a·b / c"),
        (a / b * c, "(a / b)·c"),
        (a - b / c, "a − b / c"),
        (a / b / c, "(a / b) / c"),
        (-(a / b), "−a / b"),
        (-(a + b), "−(a + b)"),
        ((-a) ** 2, "(−a)²"),
        ((a**2) ** 3, "(a²)³"),
        (2 * a**-0.5, "2·a^(−0.5)"),
        (mg.sigmoid(a * b + 1), "σ(a·b + 1)"),
        (a + -1.5, "a − 1.5"),
        (a + (-b + c), "a − b + c"),
        (-1.5 + a, "−1.5 + a"),
        (mg.sum([a, -1.5, -(b + c)]), "a − 1.5 − (b + c)"),
    ):
        assert formula(value) == text
    assert formula(b * b, digits=2) == "−3(−3)"
    h = mg.tanh(a)
    h.name = "h"
    assert (formula(h), formula(1 - h * h)) == ("tanh(a)", "1 − h·h")


def test_a_formula_has_the_numbers_that_were_written_to_data() -> None:
    v = mg.Value(1.0)
    for data, text in ((3, "2·3"), (np.float64(0.5), "2·0.5"), (np.float64(-1e300), "2(−1e+300)")):
        v.data = data
        assert formula(2 * v) == text


def test_a_formula_opens_named_values_as_deep_as_asked() -> None:
    model = mg.MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
    L = mg.half_squared_error(model([1.0, 1.0]), 0.0)
    assert formula(L, depth=2) == "½(σ(z3) − t)²"
    assert formula(L, depth=3) == "½(σ(w31·h1 + w32·h2 + b3) − t)²"
    assert formula(L, depth=99).count("σ") == 3
    assert formula(L, latex=True) == r"\tfrac{1}{2}\left(y - t\right)^2"
    assert formula(model([1.0, 1.0]).parents[0], latex=True) == "w_{31} h_{1} + w_{32} h_{2} + b_{3}"
    with pytest.raises(ValueError, match="depth is 0"):
        formula(L, depth=0)
    for digits in (0, -1):
        with pytest.raises(ValueError, match=f"digits is {digits}: write how many"):
            formula(L, digits=digits)
    something: Any
    for something in (3.0, None, [L]):
        with pytest.raises(TypeError, match=r"^formula writes how a Value was made; .* is none$"):
            formula(something)


def test_a_formula_in_latex_has_powers_of_ten_and_signs() -> None:
    w = mg.Value(1.0, "w")
    for value, latex in (
        (w**1e20, r"w^{1 \cdot 10^{20}}"),
        (w**-1e-20, r"w^{-1 \cdot 10^{-20}}"),
        (w**-2, "w^{-2}"),
        (w + -1.5, "w - 1.5"),
    ):
        assert formula(value, latex=True) == latex


@pytest.mark.parametrize("latex", [False, True])
def test_a_formula_that_nobody_would_read_is_cut_off(latex: bool) -> None:
    doubled = a = mg.Value(1.0, "a")
    for _ in range(100):
        doubled = doubled * doubled
    long = a
    for _ in range(100_000):
        long = long + 1
    for value in (doubled, long):
        text = formula(value, latex=latex)
        assert 3 <= len(text) < 10_000
        assert (r"\dots" if latex else "…") in text
