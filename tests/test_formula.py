"""Formulas: read back as text and as LaTeX, and what equal and odd names are called, in every reading."""

import re

import pytest
from campaigns.formulas import campaign

import microgradlike as mg
from microgradlike import Value, formula
from microgradlike.naming import forward_order, set_apart, told_apart


@pytest.mark.parametrize("latex", [False, True])
def test_formulas_are_read_back(latex: bool) -> None:
    """A part of the campaign; see `campaigns.formulas`."""
    assert campaign(200, seed=1, latex=latex).wrong == []


A, B, X = Value(2.0, "a"), Value(3.0, "b"), Value(4.0, "x")


@pytest.mark.parametrize(
    ("value", "text", "latex"),
    [
        ((-A) * B, "−a·b", r"-a \cdot b"),
        (A * -B, "a(−b)", r"a\left(-b\right)"),
        ((-A) / B, "−a / b", r"\frac{-a}{b}"),
        ((A / B) * X, "(a / b)·x", r"\frac{a}{b} \cdot x"),
        (A - (-B), "a − (−b)", r"a - \left(-b\right)"),
        (A + (-B), "a − b", "a - b"),
        ((-A) ** 2, "(−a)²", r"\left(-a\right)^{2}"),
        (-(A**2), "−a²", "-a^{2}"),
        (A - (-A) * B, "a − (−a·b)", r"a - \left(-a \cdot b\right)"),
        (A**B * (A + B), "a^b·(a + b)", r"a^{b}\left(a + b\right)"),
        (mg.dot([2.0, 3.0], [10.0, X]), "2·10 + 3·x", r"2 \cdot 10 + 3 \cdot x"),
        (mg.dot([A, B], [X, A]), "a·x + b·a", "a x + b a"),
        (Value(1.0, "σ") * (A + B), "⟨σ⟩(a + b)", r"\langle σ \rangle\left(a + b\right)"),
        (mg.sigmoid(A + B), "σ(a + b)", r"\sigma\left(a + b\right)"),
        (2 * Value(0.5, "1 - p"), "2·⟨1 - p⟩", r"2 \cdot \langle \mathrm{1\ -\ p} \rangle"),
        (Value(1.0, "x") * X, "x⁽¹⁾·x⁽²⁾", r"x^{(1)} \cdot x^{(2)}"),
        (Value(1.0, "x") ** 2 + X, "(x⁽¹⁾)² + x⁽²⁾", r"\left(x^{(1)}\right)^{2} + x^{(2)}"),
    ],
)
def test_signs_brackets_and_names(value: Value, text: str, latex: str) -> None:
    assert (formula(value), formula(value, latex=True)) == (text, latex)


def test_what_would_be_long_is_an_ellipsis() -> None:
    for op in (mg.sum, mg.mean, mg.prod):
        for count in (4_999, 20_000):
            made = op([Value(1.0, f"abc{i}") for i in range(count)])
            assert len(formula(made)) < 5_000 and "…" in formula(made)
            assert len(formula(made, latex=True)) < 5_000


@pytest.mark.parametrize(
    ("data", "digits", "text"), [(12.3, 1, "1e+01"), (1.5e-7, 1, "1e−07"), (0.5, 1, "0.5")]
)
def test_one_digit(data: float, digits: int, text: str) -> None:
    assert formula(Value(data), digits=digits) in {text, text.replace("1e−07", "2e−07")}


def test_numbers_are_those_of_the_evaluation_even_if_someone_wrote_since() -> None:
    w, x = Value(2.0, "w"), Value(3.0, "x")
    y = (w * x + 1.0) ** 2
    w.data = 77.0
    assert formula(y, digits=3) == "(2·3 + 1)²"


# ── Equal names, by one rule ──────────────────────────────────────────────────────────────────────────


def batch() -> tuple[Value, Value, Value]:
    """The mean loss over two examples: the loss, and the z1 of each."""
    network = mg.MLP(1, [1], activation="sigmoid", output_activation="sigmoid")
    ys = [network([0.5]), network([-1.0])]
    L = mg.mean([mg.half_squared_error(y, 1.0) for y in ys])
    L.name = "L"
    return L, ys[0].parents[0], ys[1].parents[0]


def test_the_examples_of_a_batch_have_names_of_their_own_in_every_reading() -> None:
    L, first, second = batch()
    w = first.parents[0]
    cursor = mg.steps(L)
    assert (cursor.name(first), cursor.name(second), cursor.name(w)) == ("z1⁽¹⁾", "z1⁽²⁾", "w11")
    cursor.goto("z1⁽²⁾")
    assert cursor.coming and cursor.coming.node is second
    assert "∂L/∂z1⁽²⁾" in str(cursor) and "∂L/∂z1 " not in str(cursor)
    assert r"z_{1}^{(2)}" in cursor.coming._repr_latex_()
    assert "∂z1⁽²⁾/∂w11" in str(mg.explain(L, w)) and r"z_{1}^{(2)}" in mg.explain(L, w)._repr_latex_()
    assert {*re.findall(r"^z1\S+", str(mg.ripple(L, w, 0.1)), re.MULTILINE)} == {"z1⁽¹⁾", "z1⁽²⁾"}
    assert all(f"z₁⁽{n}⁾" in mg.draw(L).source for n in "¹²")
    assert all(f"z1⁽{n}⁾" in formula(L, depth=2) for n in "¹²")
    L.backward(receipts=True)
    assert "by z1⁽²⁾" in str(mg.receipts(w))


def test_a_name_that_is_that_of_several_is_refused_with_those_that_tell_them_apart() -> None:
    u, v = Value(2.0, "x"), Value(3.0, "x")
    cursor = mg.steps(u * v)
    for ask in (cursor.goto, cursor.gradient, cursor.run, lambda name: cursor.guess({name: 2})):
        with pytest.raises(ValueError, match=r"^'x' is the name of 2 values: write one of x⁽¹⁾, x⁽²⁾$"):
            ask("x")
    assert cursor.question == "∂L/∂x⁽¹⁾"
    assert cursor.guess({"x⁽²⁾": 2, u: 3})
    assert cursor.gradient("x⁽¹⁾") == 3.0


def test_names_are_told_apart_that_are_typeset_alike_and_no_new_name_is_taken() -> None:
    names = ["x1", "x_1", "y", "z", "z", "z⁽¹⁾"]
    values = [Value(1.0, name) for name in names]
    told = told_apart(values)
    assert [told.get(v, v.name) for v in values] == ["x1⁽¹⁾", "x_1⁽²⁾", "y", "z⁽²⁾", "z⁽³⁾", "z⁽¹⁾"]


def test_the_order_is_that_of_the_forward_pass() -> None:
    h = Value(0.5, "h")
    for _ in range(3):
        h = mg.tanh(h)
        h.name = "h"
    names = mg.steps(h)
    assert formula(h, depth=2) == "tanh(tanh(h))"
    assert names.name(h) == "h⁽⁴⁾"
    left, right = Value(1.0, "p"), Value(2.0, "q")
    assert [v.name for v in forward_order(left * right)] == ["p", "q", ""]


@pytest.mark.parametrize("name", ["w10,3", "x′", "x̂", "loss.mean", "größe", "w₁", "learning_rate", "x⁽²⁾"])
def test_a_word_stands_as_it_is(name: str) -> None:
    assert set_apart(name) == name


@pytest.mark.parametrize(
    "name", ["1 - p", "x²", "a·b", "2", "2x", "nan", "exp", "σ", "|x|", "a, b", "½", " x", "-"]
)
def test_what_looks_like_notation_is_set_apart(name: str) -> None:
    assert set_apart(name) == f"⟨{name}⟩"
    assert formula(Value(2.0, name) * X) == f"⟨{name}⟩·x"
    assert f"∂L/∂⟨{name}⟩" in str(mg.steps(Value(2.0, name) * X))
