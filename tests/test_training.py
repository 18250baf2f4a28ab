"""Data, scaling, the descent itself and the report: what the main job is built from."""

import math
import random
from pathlib import Path
from typing import Any

import pytest

import microgradlike as mg
from microgradlike.data import Table, read_csv, xor
from microgradlike.formula import formula, number
from microgradlike.report import worked_example
from microgradlike.scaling import Scaling
from microgradlike.train import History, gradient_descent

Examples = list[tuple[list[float], float]]
EXAMPLES: Examples = [([0.0, 0.0], 0.0), ([0.0, 1.0], 1.0), ([1.0, 0.0], 1.0), ([1.0, 1.0], 0.0)]


def network(seed: int = 3) -> mg.MLP:
    return mg.MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid", seed=seed)


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────────


def read(tmp_path: Path, content: str | bytes, **options: Any) -> Table:
    path = tmp_path / "data.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_csv(path, **options)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", ", "])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiters_and_line_ends(tmp_path: Path, delimiter: str, end: str) -> None:
    lines = [["a", "b", "t"], ["1", "-2.5e-3", "yes"], [], ["3", "4", "no"]]
    table = read(tmp_path, end.join(delimiter.join(line) for line in lines))
    assert (table.features, table.target) == (["a", "b"], "t")
    assert table.rows == [[1.0, -0.0025], [3.0, 4.0]]
    assert (table.targets, table.classes(), table.numbers()) == (["yes", "no"], ["no", "yes"], None)


def test_quotes_byte_order_mark_and_umlauts(tmp_path: Path) -> None:
    table = read(tmp_path, '\ufeff"Länge, cm",Art\n"1.5","Märzenbecher, weiß"\n'.encode())
    assert table.features == ["Länge, cm"]
    assert table.targets == ["Märzenbecher, weiß"]


def test_the_target_by_name_or_number(tmp_path: Path) -> None:
    content = "a,b,c\n1,2,3\n4,5,6\n"
    for target in ("b", 1, "1", -2):
        table = read(tmp_path, content, target=target)
        assert (table.target, table.rows, table.numbers()) == ("b", [[1.0, 3.0], [4.0, 6.0]], [2.0, 5.0])
    for target in ("d", 3, -4):
        with pytest.raises(ValueError, match="there is no target column"):
            read(tmp_path, content, target=target)


def test_a_header_is_noticed_and_can_be_denied(tmp_path: Path) -> None:
    assert len(read(tmp_path, "1,2\n3,4\n").rows) == 2
    assert len(read(tmp_path, "1,2\n3,4\n", header=True).rows) == 1
    with pytest.raises(ValueError, match=r"line 1, column 1 \(x1\): it holds 'a'"):
        read(tmp_path, "a,b\n3,4\n", header=False)


def test_classes_that_are_numbers_come_in_the_order_of_numbers(tmp_path: Path) -> None:
    assert read(tmp_path, "1,10\n1,9\n1,10\n").classes() == ["9", "10"]


@pytest.mark.parametrize("header", ["0,1,2,target", "0,1,2,3", "a,b,c,d", "1,2,3,t"])
def test_headers_of_numbers_are_noticed(tmp_path: Path, header: str) -> None:
    table = read(tmp_path, header + "\n5,6,7,1\n8,9,7,0\n")
    assert (table.targets, [*table.features, table.target]) == (["1", "0"], header.split(","))
    assert len(read(tmp_path, "0,1,1\n0,0,0\n").rows) == 2  # a row of XOR is none


def test_a_number_spelt_in_two_ways_is_one_class(tmp_path: Path) -> None:
    assert read(tmp_path, "1,0\n1,1\n1,1.0\n1,1e0\n").classes() == ["0", "1"]


def test_the_row_numbers_of_pandas_are_left_out(tmp_path: Path) -> None:
    table = read(tmp_path, ",a,t\n0,5.0,1\n1,6.0,0\n")
    assert (table.features, table.rows, len(table.notes)) == (["a"], [[5.0], [6.0]], 1)
    named = read(tmp_path, "n,a,t\n0,5.0,1\n1,6.0,0\n")  # a named column is data
    assert named.features == ["n", "a"]


@pytest.mark.parametrize("content", [b"\xff\xfe1,2\n", b"1,2\n\x80,3\n", b"1,2\n3,\x00\n"])
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"data\.csv"):
        read(tmp_path, content)


# ── Scaling ───────────────────────────────────────────────────────────────────────────────────────────


def test_scaling_and_back_changes_nothing_that_the_network_says() -> None:
    rng = random.Random(3)
    rows = [[rng.gauss(50, 10), rng.gauss(-3, 0.01), 7.0] for _ in range(30)]
    targets = [rng.gauss(1e5, 2e4) for _ in rows]
    scaling = Scaling.of(rows, targets)
    units = list(zip(*map(scaling.inputs, rows)))
    for column in units[:2]:
        assert math.fsum(column) == pytest.approx(0, abs=1e-9)
        assert math.fsum(x * x for x in column) / len(column) == pytest.approx(1)
    assert set(units[2]) == {0.0}  # a constant column has no spread to divide by

    model = mg.MLP(3, [4, 1], activation="tanh", seed=5)
    before = [model(row).data for row in rows]
    scaling.enter(model)
    inside = [model(scaling.inputs(row)).data for row in rows]
    assert inside == pytest.approx([scaling.target(y) for y in before])
    scaling.leave(model)
    assert [model(row).data for row in rows] == pytest.approx(before)


# ── The descent ───────────────────────────────────────────────────────────────────────────────────────


def test_an_epoch_is_one_step_along_the_mean_gradient() -> None:
    model, twin = network(), network()
    gradient_descent(model, EXAMPLES, mg.half_squared_error, mg.SGD(model.parameters(), lr=0.5), epochs=1)
    mg.mean(mg.half_squared_error(twin(x), t) for x, t in EXAMPLES).backward()
    for moved, p in zip(model.parameters(), twin.parameters()):
        assert moved.data == pytest.approx(p.data - 0.5 * p.grad, rel=1e-14)


def test_many_examples_share_no_graph_and_the_mean_is_the_same() -> None:
    rng = random.Random(1)
    examples = [([rng.random(), rng.random()], float(rng.random() > 0.5)) for _ in range(600)]
    model, twin = network(), network()
    history = gradient_descent(
        model, examples, mg.half_squared_error, mg.SGD(model.parameters(), lr=0.1), epochs=1
    )
    loss = mg.mean(mg.half_squared_error(twin(x), t) for x, t in examples)
    loss.backward()
    assert history.losses == pytest.approx([loss.data], rel=1e-13)
    assert history.gradient_norms == pytest.approx([math.hypot(*(p.grad for p in twin.parameters()))])


def test_it_stops_at_the_target_or_at_the_limit() -> None:
    model = network()
    optimizer = mg.SGD(model.parameters(), lr=2.0)
    history = gradient_descent(model, EXAMPLES, mg.half_squared_error, optimizer, epochs=5000, target=0.05)
    assert history.reached and history.losses[-1] < 0.05 <= min(history.losses[:-1])
    assert "target was reached" in history.stopped
    history = gradient_descent(model, EXAMPLES, mg.half_squared_error, optimizer, epochs=3, target=1e-9)
    assert not history.reached and len(history.losses) == 3 and "3 epochs" in history.stopped
    assert len(history.losses) == len(history.gradient_norms) == len(history.changes)


def test_divergence_keeps_the_best_parameters() -> None:
    w = mg.Value(1.0, name="w")

    class Line(mg.Module):
        def __init__(self) -> None:
            self.w = w

        def __call__(self, x: list[float]) -> mg.Value:
            return self.w * x[0]

    history = gradient_descent(Line(), [([1.0], 3.0)], mg.mse_loss, mg.SGD([w], lr=1e3), epochs=10_000)
    assert "diverged in epoch" in history.stopped
    assert w.data == 1.0  # the first was the best
    assert len(history.losses) == 1  # and the second, a million times as large, was enough to see it


@pytest.mark.parametrize("sign", [1, -1])
def test_a_loss_that_begins_at_zero_or_below_is_no_divergence(sign: int) -> None:
    w = mg.Value(0.0, name="w")

    class Free(mg.Module):
        def __init__(self) -> None:
            self.w = w

        def __call__(self, x: list[float]) -> mg.Value:
            return self.w

    history = gradient_descent(
        Free(), [([], 1.0)], lambda y, t: sign * y * t, mg.SGD([w], lr=1.0), epochs=50
    )
    assert len(history.losses) == 50


def test_an_exception_of_the_mathematics_ends_the_training_by_name() -> None:
    w = mg.Value(1.0, name="w")

    class Log(mg.Module):
        def __init__(self) -> None:
            self.w = w

        def __call__(self, x: list[float]) -> mg.Value:
            return mg.log(self.w)

    history = gradient_descent(
        Log(), [([], 5.0)], lambda y, t: -y * t, mg.SGD([w], lr=-0.0 + 1.0), epochs=9
    )
    assert history.stopped.startswith("the limit")
    history = gradient_descent(Log(), [([], 5.0)], lambda y, t: y * t, mg.SGD([w], lr=10.0), epochs=9)
    assert "log(w) is undefined at w = " in history.stopped
    assert w.data > 0


@pytest.mark.parametrize("moment", ["forward", "update"])
def test_ctrl_c_leaves_a_whole_step(moment: str) -> None:
    model = network()
    calls = 0

    class Optimizer(mg.SGD):
        def update(self, i: int, parameter: mg.Value) -> None:
            if moment == "update" and self.steps == 3 and i == 4:
                raise KeyboardInterrupt
            super().update(i, parameter)

    def loss(y: Any, t: Any) -> mg.Value:
        nonlocal calls
        calls += 1
        if moment == "forward" and calls == 10:
            raise KeyboardInterrupt
        return mg.half_squared_error(y, t)

    history = gradient_descent(model, EXAMPLES, loss, Optimizer(model.parameters(), lr=1.0), epochs=9)
    twin = network()
    gradient_descent(
        twin, EXAMPLES, mg.half_squared_error, mg.SGD(twin.parameters(), lr=1.0), epochs=len(history.losses)
    )
    assert history.interrupted and len(history.losses) == len(history.changes) == 2
    assert model.state_dict() == twin.state_dict()


def test_phases_split_the_loss_reduction() -> None:
    history = History(losses=[1.0, 0.95, 0.5, 0.2, 0.05, 0.0])
    assert [(name, list(epochs)) for name, epochs in history.phases()] == [
        ("early", [0, 1]),
        ("middle", [2, 3]),
        ("late", [4, 5]),
    ]
    assert History().phases() == []
    covered = [e for _, epochs in History(losses=[0.3]).phases() for e in epochs]
    assert covered == [0]


def test_flat_is_a_loss_that_no_longer_falls() -> None:
    assert History(losses=[1.0] + [0.5] * 400).flat()
    assert not History(losses=[1.0] + [0.5] * 40).flat()  # too few epochs to tell
    assert not History(losses=[1 / n for n in range(1, 400)]).flat()


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
    assert formula(b * b, digits=2) == "(−3)(−3)"
    h = mg.tanh(a)
    h.name = "h"
    assert (formula(h), formula(1 - h * h)) == ("tanh(a)", "1 − h·h")


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


def test_xor_is_what_it_should_be() -> None:
    assert [(row, float(t)) for row, t in zip(xor().rows, xor().targets)] == EXAMPLES
