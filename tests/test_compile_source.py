"""What code comes out: the matrix form, names, nothing twice and nothing dead; and how much of it."""

import ast
import builtins
import keyword
import math
import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import microgradlike as mg
from microgradlike import (
    MLP,
    Program,
    Value,
    cross_entropy,
    dot,
    grad,
    half_squared_error,
    maximum,
    mse_loss,
    ops,
    relu,
    sigmoid,
    sin,
    tanh,
)
from microgradlike import sum as sum_of
from microgradlike.compile.scalars import size_in_the_book
from microgradlike.engine import topological_order

BACKENDS = ("python", "numpy")
every_backend = pytest.mark.parametrize("backend", BACKENDS)
Record = Callable[[Sequence[Value]], Value]


def values(letter: str, *shape: int, seed: int = 1) -> Any:
    """Values x1, x2, … or w11, w12, …"""
    rng = random.Random(f"{letter}{shape}{seed}")
    if len(shape) == 1:
        return [Value(rng.uniform(-1, 1), f"{letter}{i}") for i in range(1, shape[0] + 1)]
    rows, columns = shape
    return [
        [Value(rng.uniform(-1, 1), f"{letter}{i}{j}") for j in range(1, columns + 1)]
        for i in range(1, rows + 1)
    ]


def flat(rows: Sequence[Sequence[Value]]) -> list[Value]:
    return [value for row in rows for value in row]


def compiled(
    record: Record, inputs: Sequence[Value], wrt: Sequence[Value], backend: str = "numpy"
) -> Program:
    """The program, once it has given what the mean over eager examples is."""
    program = mg.compile(record(inputs), inputs, wrt, backend=backend)
    rng = random.Random(7)
    batch = [[rng.uniform(-1, 1) for _ in inputs] for _ in range(5)]
    for parameter in wrt:
        parameter.grad = 0.0
    losses = []
    for row in batch:
        loss = record([Value(x) for x in row])
        loss.backward()
        losses.append(loss.data)
    loss_and_gradients = program(batch)
    assert loss_and_gradients.loss == pytest.approx(math.fsum(losses) / 5, rel=1e-12, abs=1e-13)
    assert [*loss_and_gradients.gradients] == pytest.approx(
        [parameter.grad / 5 for parameter in wrt], rel=1e-11, abs=1e-13
    )
    return program


def calls(source: str, function: str) -> int:
    return source.count(f"{function}(")


def statements(program: Program) -> list[str]:
    return [line for line in program.source.splitlines() if line.strip()]


# ── The matrix form ───────────────────────────────────────────────────────────────────────────────────


def documents_network() -> tuple[MLP, Record, list[Value]]:
    network = MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
    inputs = [Value(0.0, "x1"), Value(1.0, "x2"), Value(1.0, "t")]
    return network, lambda v: half_squared_error(network(v[:2]), v[2]), inputs


def test_the_documents_network_is_the_matrix_form_of_backpropagation() -> None:
    network, record, inputs = documents_network()
    program = compiled(record, inputs, network.parameters())
    assert (
        program.source
        == """\
loss = dW1 = db1 = dW2 = db2 = 0.0
for X, T in blocks:
    Z1 = W1 @ X + b1
    H = sigmoid(Z1)
    Z2 = W2 @ H + b2
    Y = sigmoid(Z2)
    loss += (0.5 * (Y - T)**2).sum(axis=1, keepdims=True)
    dY = Y - T
    dZ2 = dY * (Y * (1.0 - Y))
    dW2 += dZ2 @ H.T
    db2 += dZ2.sum(axis=1, keepdims=True)
    dH = W2.T * dZ2
    dZ1 = dH * (H * (1.0 - H))
    dW1 += dZ1 @ X.T
    db1 += dZ1.sum(axis=1, keepdims=True)
loss /= n
dW1 /= n
db1 /= n
dW2 /= n
db2 /= n"""
    )


def test_the_documents_network_in_plain_python() -> None:
    network, record, inputs = documents_network()
    program = compiled(record, inputs, network.parameters(), "python")
    assert (
        program.source
        == """\
def program(rows, w11, w12, b1, w21, w22, b2, w31, w32, b3):
    loss = dw11 = dw12 = db1 = dw21 = dw22 = db2 = dw31 = dw32 = db3 = 0.0
    for x1, x2, t in rows:
        z2 = w21 * x1 + w22 * x2 + b2
        h2 = 1.0 / (1.0 + exp(-z2))
        z1 = w11 * x1 + w12 * x2 + b1
        h1 = 1.0 / (1.0 + exp(-z1))
        z3 = w31 * h1 + w32 * h2 + b3
        y = 1.0 / (1.0 + exp(-z3))
        dy = y - t
        dz3 = dy * (y * (1.0 - y))
        dh1 = w31 * dz3
        dz1 = dh1 * (h1 * (1.0 - h1))
        dh2 = w32 * dz3
        dz2 = dh2 * (h2 * (1.0 - h2))
        loss += 0.5 * (y - t)**2
        dw11 += dz1 * x1
        dw12 += dz1 * x2
        db1 += dz1
        dw21 += dz2 * x1
        dw22 += dz2 * x2
        db2 += dz2
        dw31 += dz3 * h1
        dw32 += dz3 * h2
        db3 += dz3
    n = len(rows)
    loss /= n
    dw11 /= n
    dw12 /= n
    db1 /= n
    dw21 /= n
    dw22 /= n
    db2 /= n
    dw31 /= n
    dw32 /= n
    db3 /= n
    return [loss, dw11, dw12, db1, dw21, dw22, db2, dw31, dw32, db3], []"""
    )


@pytest.mark.parametrize("width", [2, 3, 8, 16])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_layers_are_matrix_products(width: int, depth: int) -> None:
    network = MLP(3, [width] * depth + [2], activation="tanh")
    inputs = [*values("x", 3), *values("t", 2)]
    program = compiled(lambda v: mse_loss(network(v[:3]), v[3:]), inputs, network.parameters())
    source = program.source
    for layer in range(1, depth + 2):
        assert f"W{layer} @ " in source
        assert f" + b{layer}" in source
    assert source.count(".T @ ") == depth  # dH = W.T @ dZ
    assert source.count(" @ X.T") == 1
    assert source.count(".T\n") == depth + 1  # dW = dZ @ H.T
    assert "rows(" not in source
    assert "[" not in source  # neither slices nor gathers


def digits(hidden: int, classes: int) -> Program:
    network = MLP(8, [hidden, classes])
    inputs = [*values("x", 8), Value(1.0, "t")]
    return mg.compile(
        cross_entropy(network(inputs[:8]), inputs[8]), inputs, network.parameters(), backend="numpy"
    )


def test_a_classifier_is_a_few_lines_whatever_its_size() -> None:
    small, large = digits(3, 3), digits(40, 12)
    assert len(statements(small)) == len(statements(large)) <= 30
    assert str(small).count("\n") == str(large).count("\n")
    assert "W1 @ X" in large.source
    assert "W2 @ H" in large.source


@pytest.mark.parametrize("activation", ["sigmoid", "relu", "gelu"])
def test_the_table_accounts_for_every_scalar_operation(activation: str) -> None:
    network = MLP(4, [5, 3], activation=activation)
    inputs = [*values("x", 4), Value(1.0, "t")]
    loss = cross_entropy(network(inputs[:4]), inputs[4])
    for backend in BACKENDS:
        program = mg.compile(loss, inputs, network.parameters(), backend=backend)
        title, *rest = str(program).splitlines()
        assert title.startswith(f"{backend}: 5 inputs, {5 * 5 + 6 * 3} parameters")
        legend = dict(line.split(": ") for line in rest if ": " in line)
        if backend == "numpy":
            assert legend["X"] == "x1, x2, x3, x4"
            assert legend["b2"] == "b6, b7, b8"
        header, *lines, footer = rest[len(legend) :]
        assert header.split() == ["instruction", "shape", "scalar", "operations"]
        assert footer.split()[:2] == [str(len(lines)), "instructions"]
        counts = [int(line.split()[-1].replace(",", "")) for line in lines]
        assert sum(counts) == int(footer.split()[-1].replace(",", "")) == scalar_operations(program)
    shapes = {tuple(line.split()[-4:-1]) for line in lines}  # the last one is numpy's
    assert {("5", "×", "n"), ("5", "×", "4"), ("3", "×", "5"), ("1", "×", "1")} <= shapes


def test_neurons_written_as_sums_of_products_are_the_same_matrix_product() -> None:
    """micrograd's ``sum((wi*xi for wi, xi in zip(w, x)), b)``, as `dot`, and as w1*x1 + w2*x2 + b."""
    w, b, v, c = values("w", 3, 2), values("b", 3), values("v", 3), Value(0.1, "c")
    inputs = [*values("x", 2), Value(0.5, "t")]
    parameters = [*flat(w), *b, *v, c]

    def network(neuron: Callable[[Sequence[Value], Sequence[Value], Value], Value]) -> Record:
        def record(row: Sequence[Value]) -> Value:
            hidden = [tanh(neuron(weights, row[:2], bias)) for weights, bias in zip(w, b)]
            return half_squared_error(neuron(v, hidden, c), row[2])

        return record

    def generator(ws: Sequence[Value], xs: Sequence[Value], bias: Value) -> Value:
        return sum((wi * xi for wi, xi in zip(ws, xs)), bias)

    def bias_last(ws: Sequence[Value], xs: Sequence[Value], bias: Value) -> Value:
        total = ws[0] * xs[0]
        for wi, xi in zip(ws[1:], xs[1:]):
            total = total + xi * wi  # and the factors the other way round
        return total + bias

    sources = {
        compiled(network(neuron), inputs, parameters).source
        for neuron in (dot, generator, bias_last, lambda ws, xs, bias: dot(ws, xs) + bias)
    }
    assert len(sources) == 1
    [source] = sources
    assert "W @ X + b" in source
    assert "V @ " in source


def test_shared_weights_over_time_steps_stay_one_matrix() -> None:
    """A recurrent network: the same U, W, b at each of three steps."""
    u, w, b, v = values("u", 3, 2), values("w", 3, 3), values("b", 3), values("v", 3)
    inputs = [*values("x", 6), Value(0.3, "t")]

    def record(row: Sequence[Value]) -> Value:
        h = [tanh(dot(u[i], row[:2], b[i])) for i in range(3)]
        for step in (2, 4):
            x = row[step : step + 2]
            h = [tanh(dot([*u[i], *w[i]], [*x, *h], b[i])) for i in range(3)]
        return half_squared_error(dot(v, h), row[6])

    program = compiled(record, inputs, [*flat(u), *flat(w), *b, *v])
    assert program.source.count("U @ X[") == 3
    assert program.source.count("W @ ") == 2
    assert program.source.count("W.T @ ") == 2
    compiled(record, inputs, [*flat(u), *flat(w), *b, *v], "python")


@every_backend
def test_a_convolution(backend: str) -> None:
    """The same three weights slide over six inputs."""
    k, b, v = values("k", 3), Value(0.1, "b"), values("v", 4)
    inputs = [*values("x", 6), Value(0.3, "t")]

    def record(row: Sequence[Value]) -> Value:
        h = [relu(dot(k, row[i : i + 3], b)) for i in range(4)]
        return half_squared_error(dot(v, h), row[6])

    program = compiled(record, inputs, [*k, b, *v], backend)
    if backend == "numpy":
        assert calls(program.source, "relu") == 1  # all positions at once


@every_backend
def test_residual_connections(backend: str) -> None:
    w, b = [values("w", 3, 3), values("v", 3, 3)], [values("b", 3), values("c", 3)]
    inputs = [*values("x", 3), Value(0.3, "t")]

    def record(row: Sequence[Value]) -> Value:
        h = [*row[:3]]
        for weights, biases in zip(w, b):
            h = [x + tanh(dot(weights[i], h, biases[i])) for i, x in enumerate(h)]
        return half_squared_error(sum_of(h), row[3])

    program = compiled(record, inputs, [*flat(w[0]), *flat(w[1]), *b[0], *b[1]], backend)
    if backend == "numpy":
        assert program.source.count(" @ ") == 2 + 1 + 2  # forward, W.T @, and the two gradients


@every_backend
@pytest.mark.parametrize("square", [lambda w: w * w, lambda w: w**2], ids=["w*w", "w**2"])
def test_the_sum_of_squared_parameters_in_the_loss(backend: str, square: Any) -> None:
    network = MLP(2, [3, 1], activation="tanh")
    inputs = [*values("x", 2), Value(0.3, "t")]
    weights = [p for p in network.parameters() if p.name.startswith("w")]

    def record(row: Sequence[Value]) -> Value:
        squares: list[Value] = [square(w) for w in weights]
        return mse_loss(network(row[:2]), row[2]) + 0.01 * sum_of(squares)

    program = compiled(record, inputs, network.parameters(), backend)
    if backend == "numpy":  # what does not vary is computed once, not in the loop
        loop = program.source[program.source.index("for ") :]
        assert "0.01" not in "\n".join(line for line in loop.splitlines() if line.startswith("    "))


# ── Losses of every kind ──────────────────────────────────────────────────────────────────────────────

w, u, x, t = Value(3.0, "w"), Value(-2.0, "u"), Value(0.5, "x"), Value(0.25, "t")
ROWS = [[1.0, 2.0], [3.0, -1.0]]  # of x and t


@every_backend
@pytest.mark.parametrize(
    ("loss", "wrt", "mean", "gradients"),
    [
        (w * u, [w, u], -6.0, [-2.0, 3.0]),  # of parameters only
        (x * t, [x, t], -0.5, [0.5, 2.0]),  # of inputs only
        (x * t, [w], -0.5, [0.0]),  # a parameter that is not in it
        (w, [w, u], 3.0, [1.0, 0.0]),  # a parameter
        (x, [x, w], 2.0, [1.0, 0.0]),  # an input
        (x * w, [w, x, w, w], 6.0, [2.0, 3.0, 2.0, 2.0]),  # the same several times
        (x * w, [], 6.0, []),
        (x * w * 0.0, [w, x], 0.0, [0.0, 0.0]),
        (ops.sign(x) * w, [x, w], 3.0, [0.0, 1.0]),
        (w - w, [w], 0.0, [0.0]),
        (ops.greater(x, w), [x, w], 0.0, [0.0, 0.0]),
        (x * w + 2.0, [x * w], 8.0, [0.0]),  # another x·w than that in the loss
    ],
)
def test_any_loss(loss: Value, wrt: list[Value], mean: float, gradients: list[float], backend: str) -> None:
    program = mg.compile(loss, [x, t], wrt, backend=backend)
    for rows in (ROWS, ROWS * 500):
        result = program(rows)
        assert result.loss == mean
        assert [*result.gradients] == gradients
        assert type(result.loss) is float
        assert program.value(rows) == mean
    total = mg.compile(loss, [x, t], wrt, backend=backend, reduce="sum")(ROWS)
    assert total.loss == 2 * mean
    assert [*total.gradients] == [2 * gradient for gradient in gradients]


@every_backend
def test_a_constant_loss(backend: str) -> None:
    [zero] = grad(x * 2.0, [w])  # a Constant
    for loss, number in ((zero, 0.0), (zero + 1.5, 1.5)):
        result = mg.compile(loss, [x, t], [w, x], backend=backend)(ROWS)
        assert result.loss == number
        assert [*result.gradients] == [0.0, 0.0]


@every_backend
def test_without_inputs(backend: str) -> None:
    product = w * u
    program = mg.compile(product, [], [w, u], outputs=[product, w], backend=backend)
    loss, gradients, outputs = program([[], []])
    assert (loss, *gradients) == (-6.0, -2.0, 3.0)
    assert [[*row] for row in outputs] == [[-6.0, 3.0], [-6.0, 3.0]]


@every_backend
def test_with_respect_to_results(backend: str) -> None:
    w, x, t = Value(3.0, "w"), Value(0.5, "x"), Value(0.25, "t")
    h = sigmoid(w * x)
    loss = (h - t) ** 2
    program = mg.compile(loss, [x, t], [h, w, loss, x], backend=backend)
    [by_h, by_w, by_loss, by_x] = program([[0.5, 0.25]]).gradients
    loss.backward()
    assert by_h == pytest.approx(h.grad, rel=1e-14)
    assert by_w == pytest.approx(w.grad, rel=1e-14)
    assert by_loss == 1.0
    assert by_x == pytest.approx(x.grad, rel=1e-14)


@every_backend
def test_by_default_all_parameters(backend: str) -> None:
    loss = (w * x + u - t) ** 2
    wrt = [leaf for leaf in topological_order(loss) if leaf in {w, u}]
    by_default = mg.compile(loss, [x, t], backend=backend)(ROWS).gradients
    assert len({*by_default}) == 2
    assert [*by_default] == [*mg.compile(loss, [x, t], wrt, backend=backend)(ROWS).gradients]


@every_backend
def test_outputs_of_every_kind(backend: str) -> None:
    h = w * x
    program = mg.compile(h * h, [x, t], [w], outputs=[h, w, x, h, u, t * 1.0], backend=backend)
    for rows in (ROWS, ROWS * 5000):
        expected = [[3.0 * a, 3.0, a, 3.0 * a, -2.0, b] for a, b in rows]
        loss, _, outputs = program(rows)
        assert [[*map(float, row)] for row in outputs] == expected
        value, again = program.value(rows)
        assert value == loss
        assert [[*map(float, row)] for row in again] == expected


@every_backend
def test_second_derivatives_compile_like_any_graph(backend: str) -> None:
    loss = sin(w * x) * w
    [slope] = grad(loss, [w])
    result = mg.compile(slope, [x], [w], backend=backend)([[0.5], [2.0]])
    # d/dw (w sin(wx)) = sin(wx) + wx cos(wx), and its derivative is 2x cos(wx) − wx² sin(wx)
    assert result.loss == pytest.approx(
        sum(math.sin(3 * a) + 3 * a * math.cos(3 * a) for a in (0.5, 2)) / 2
    )
    assert [*result.gradients] == pytest.approx(
        [sum(2 * a * math.cos(3 * a) - 3 * a * a * math.sin(3 * a) for a in (0.5, 2)) / 2]
    )


# ── Nothing twice, nothing dead ───────────────────────────────────────────────────────────────────────


@every_backend
def test_common_subexpressions_occur_once(backend: str) -> None:
    source = mg.compile(sin(x * w) * sin(w * x), [x], [w], backend=backend).source
    assert calls(source, "sin") == 1
    assert calls(source, "cos") == 1


@every_backend
def test_a_sum_that_is_there_is_a_term_of_another(backend: str) -> None:
    def record(row: Sequence[Value]) -> Value:
        a, b, c = map(sin, row)
        before = mg.exp(a + b) * mg.cos(c + a + b)
        return w * mg.tanh(2.0 * before + (b + a)) + u * mg.tanh(before * before + (b + a + c))

    source = compiled(record, values("x", 3), [w, u], backend).source
    # Of two sines and of three, each made once; two things are added to them; the loss is w … + u ….
    assert source.count(" + ") == {"python": 1 + 2 + 2 + 1, "numpy": 1 + 2}[backend]


@every_backend
@pytest.mark.parametrize(
    ("function", "weight"),
    [
        (maximum, 2.0),
        (ops.hypot, 3.0),
        (ops.prod, 5.0),
        (ops.logsumexp, 7.0),
        (ops.sum, 11.0),
        (lambda a, b, c: ops.half_squared_error(a, b, c, a), 13.0),
        (lambda a, b, c: ops.dot(a, b, c, a), 17.0),
    ],
)
def test_operands_in_another_order_are_the_same(
    function: Callable[..., Value], weight: float, backend: str
) -> None:
    inputs = values("x", 3)

    def record(row: Sequence[Value]) -> Value:
        a, b, c = row
        return function(a, b, c) * w + function(b, a, c) * u + weight * function(c, b, a)

    compiled(record, inputs, [w, u], backend)


@every_backend
def test_constants_are_folded(backend: str) -> None:
    two = Value(2.0).detach()
    [one] = grad(two * 1.0, [two])
    source = mg.compile(x * (sin(one * 0.5) + 3.0) * w, [x], [w], backend=backend).source
    assert "sin" not in source
    assert repr(math.sin(0.5) + 3.0) in source


@every_backend
@pytest.mark.parametrize("function", [dot, half_squared_error], ids=["dot", "half_squared_error"])
def test_pairs_in_another_order_are_the_same(function: Callable[..., Value], backend: str) -> None:
    inputs = values("x", 4)

    def record(row: Sequence[Value]) -> Value:
        a, b, c, d = row
        return function([a, b], [c, d]) * w + function([b, a], [d, c]) * u

    scalars = compiled(record, inputs, [w, u], backend)._scalars
    assert [sorted(operands) for operands in scalars.operands].count(sorted(scalars.inputs)) == 1


@every_backend
def test_a_parameter_that_is_an_output_twice_and_a_weight_twice(backend: str) -> None:
    inputs = values("x", 2)
    program = mg.compile(tanh(dot([w, w], inputs)), inputs, [w], outputs=[w, w], backend=backend)
    assert [[*row] for row in program([[1.0, 2.0]] * 3).outputs] == [[3.0, 3.0]] * 3


@every_backend
def test_exponents_that_look_alike(backend: str) -> None:
    v = Value(1.0 + 2**-52, "v")
    loss = v**1e16 + 2 * v**1e-16 + 4 * v**-2 + 8 * v**2 + 16 * v**-0.5 + 32 * v**0.5
    loss.backward()
    result = mg.compile(loss * x, [x], [v], backend=backend)([[1.0]])
    assert [result.loss, *result.gradients] == pytest.approx([loss.data, v.grad], rel=1e-12)


@every_backend
@pytest.mark.parametrize(
    "c", [math.inf, -math.inf, math.nan, 0.0, -0.0, 5e-324, 1e308, -1e308, -3.0, 1e22, 0.1, 2.0**53]
)
def test_any_constant(c: float, backend: str) -> None:
    w, x = Value(2.0, "w"), Value(0.5, "x")
    losses = [
        maximum(x * w, c),
        mg.atan2(x * w, c),
        x * w * c,
        c - x * w,
        x * w - c,
        mg.where(mg.greater(x, c), w, c * x),
        sum_of([x, w, c, x * x]),
        maximum(x, w, c, x * w, c),
        dot([x, w, x], [c, c, w], c),
        (-x) ** 2 * c,
        -(x**2) - c,
        (w - c) - (x - (c - w)),
    ]
    for loss in losses:
        w.grad = x.grad = 0.0
        loss.backward()
        program = mg.compile(loss, [x], [w, x], backend=backend, allow_nan=True)
        result = program([[0.5]])
        expected = [loss.data, w.grad, x.grad]
        assert [result.loss, *result.gradients] == pytest.approx(expected, rel=1e-14, abs=0.0, nan_ok=True)


@every_backend
def test_nothing_dead(backend: str) -> None:
    assert "cos(" in mg.compile(sin(w * x), [x], [w], backend=backend).source
    assert "cos(" not in mg.compile(sin(w * x), [x], [], backend=backend).source
    source = mg.compile(sigmoid(w * x + u) * tanh(x), [x], [w, u], backend=backend).source
    stored: set[str] = set()
    loaded: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            (stored if isinstance(node.ctx, ast.Store) else loaded).add(node.id)
    assert stored - loaded <= {"loss", "dw", "du"}  # the results


@every_backend
def test_the_forward_part_alone_computes_no_gradient(backend: str) -> None:
    program = mg.compile(tanh(w * x) ** 2, [x], [w], backend=backend)
    assert program.value([[0.5]]) == pytest.approx(math.tanh(1.5) ** 2)
    assert program._forward.source.count("tanh") == 1
    assert len(program._forward.source) < len(program.source)


# ── Names ─────────────────────────────────────────────────────────────────────────────────────────────

EVIL = [
    *("", "", " ", "x y", "∂L/∂w", "ß", "ſ", "ﬁ", "x", "x", "_", "__class__", "1", "1x", "w1,1"),
    *("; import os", "__import__('os').system(1)", 'a"b', "a'b", "a\nb", "a\\", "#", "{0}", "[0]"),
    *("loss", "outputs", "blocks", "rows", "rows1", "rows2", "rows_1", "stack", "np", "n", "self"),
    *("A1", "C1", "P1", "v1", "v_", "v_1", "dx", "dX", "d", "Z", "T", "e", "sum_of", "power_2", "power__1"),
    *("power_0_5", "math", "len", "range", "float", "print", "wrt", "out", "batch", "inf", "nan"),
    *("W", "X", "[1*]", "exp", "erf", "sigmoid", "None", "True", "lambda", "async", "in", "as"),
    *("program", "é", "e\u0301", "ｘ", "𝐱", "x²", "½"),
]  # fmt: skip
#: Words of Python and of the op table.
ORDINARY = [*keyword.kwlist, *ops.OPS]


@every_backend
@pytest.mark.parametrize("role", ["parameters", "inputs", "results", "all"])
@pytest.mark.parametrize("name", [*dict.fromkeys([*EVIL, *ORDINARY[::9]])])
def test_any_name(name: str, role: str, backend: str) -> None:
    a = Value(1.5, name if role in {"inputs", "all"} else "a")
    b = Value(0.5, "b")
    p, q = (Value(x, name if role in {"parameters", "all"} else "p") for x in (0.25, -0.75))

    def record(row: Sequence[Value]) -> Value:
        z = mg.exp(dot([p, q], row)) * row[0] ** 2 * (row[1] * row[1] + 1) ** 0.5
        if role in {"results", "all"}:
            z.name = name
        sums: list[Value] = [sigmoid(z * k) for k in range(10)]
        return mg.erf(z) + sum_of(sums) + maximum(z, p, row[1], 0.0)

    compiled(record, [a, b], [p, q], backend)


@every_backend
def test_all_names_at_once(backend: str) -> None:
    inputs = [Value(0.01 * i, name) for i, name in enumerate(dict.fromkeys([*EVIL, *ORDINARY])) if name]
    parameters = [Value(0.02 * i - 0.5, name) for i, name in enumerate([*EVIL, *ORDINARY])]

    def record(row: Sequence[Value]) -> Value:
        products = [sin(p * x) for p, x in zip(parameters, row)]
        for i, product in enumerate(products):
            product.name = [*EVIL, *ORDINARY][-i]
        gathered = mg.prod([1.0 + v * v for v in [*row[::5], *row[1::7]]])
        return sum_of(products) + tanh(gathered) + sum_of(p * p for p in parameters)

    program = compiled(record, inputs, parameters, backend)
    nodes = {type(node) for node in ast.walk(ast.parse(program.source))}
    assert nodes.isdisjoint({ast.Import, ast.ImportFrom, ast.Lambda, ast.ClassDef})
    assert "system(" not in program.source


def test_names_are_identifiers_of_which_none_is_python_s() -> None:
    parameters = [Value(0.5, name) for name in [*EVIL, *ORDINARY]]
    source = mg.compile(ops.sum(*(p * x for p in parameters)), [x], parameters, backend="python").source
    [function] = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    arguments = [argument.arg for argument in function.args.args]
    assert len({*arguments}) == len(arguments) == len(EVIL) + len(ORDINARY) + 1
    assert {*arguments}.isdisjoint({*dir(builtins), *keyword.kwlist, *ops.OPS, "n", "outputs"})


@every_backend
def test_three_hundred_inputs(backend: str) -> None:
    inputs, weights = values("x", 300), values("w", 300)
    compiled(lambda row: tanh(dot(weights, row)), inputs, weights, backend)


def test_the_source_shows_as_it_is() -> None:
    program = mg.compile(w * x, [x], [w], backend="numpy")
    assert "\n" in program.source
    assert isinstance(program.source, str)
    assert repr(program) == "<Program of x for numpy, 1 gradient>"


# ── Lowering is near linear, and never recursive ──────────────────────────────────────────────────────


def code_size(backend: str, layers: list[int]) -> tuple[int, int]:
    network = MLP(layers[0], layers[1:], activation="tanh")
    inputs = [*values("x", layers[0]), *values("t", layers[-1])]
    loss = mse_loss(network(inputs[: layers[0]]), inputs[layers[0] :])
    program = mg.compile(loss, inputs, network.parameters(), backend=backend)
    return len(program._scalars), len(statements(program))


def scalar_operations(program: Program) -> int:
    """How many are left after lowering, with the sums over the batch."""
    scalars = program._scalars
    needed = scalars.needed([scalars.loss, *scalars.gradients, *scalars.outputs])
    operations = [scalars.operations[n] for n in needed]
    return sum(size_in_the_book(op) for op in operations if op) + sum(n in scalars.means for n in needed)


@pytest.mark.parametrize(
    "grow", [lambda k: [4, 8 * k, 3], lambda k: [4, *[6] * k, 3]], ids=["wider", "deeper"]
)
def test_the_code_grows_linearly_with_the_graph(grow: Callable[[int], list[int]]) -> None:
    for backend in BACKENDS:
        sizes = [code_size(backend, grow(k)) for k in (1, 2, 3, 4)]
        for which in (0, 1):
            numbers = [size[which] for size in sizes]
            steps = [b - a for a, b in pairwise(numbers)]
            assert max(steps) == min(steps), (backend, numbers)  # a straight line


def test_a_graph_without_structure_grows_linearly() -> None:
    def size(n: int) -> tuple[int, int]:
        rng = random.Random(3)
        nodes = [*values("w", 5), x]
        for _ in range(n):
            a, b = rng.sample(nodes[-8:], 2)
            nodes.append(rng.choice([sin, tanh, sigmoid])(a + a * b))
        program = mg.compile(nodes[-1], [x], nodes[:5], backend="numpy")
        return len(program._scalars), len(statements(program))

    small, large = size(100), size(400)
    assert 3.5 < large[0] / small[0] < 4.5
    assert large[1] / small[1] < 4.5


@pytest.mark.parametrize("examples", [2, 3, 5])
def test_a_matrix_product_as_a_factor_has_brackets(examples: int) -> None:
    """In Python a * B @ C is (a * B) @ C: for some sizes of the batch no error, but another number."""
    v = Value(0.3, "v")

    def record(row: Sequence[Value]) -> Value:
        a, b = row
        h = [dot([v, w], [a, b]), dot([w, v], [a, b]), dot([v, v], [a, b])]
        k = [dot([a, b, b], h), dot([a, a, b], h)]
        g, f = dot([b, b], k), dot([b, a], k)
        return dot([v, w, w], [g, g, f])

    w = Value(0.7, "w")
    inputs = values("x", 2)
    program = mg.compile(record(inputs), inputs, [w, v], backend="numpy")
    batch = np.random.default_rng(1).normal(size=(examples, 2)).tolist()
    w.grad = v.grad = 0.0
    for row in batch:
        record([Value(x) for x in row]).backward()
    expected = [w.grad / examples, v.grad / examples]
    assert [*program(batch).gradients] == pytest.approx(expected, rel=1e-12)


@every_backend
def test_a_quotient_as_a_factor_has_brackets(backend: str) -> None:
    """a * b / c is (a * b) / c, and 1e200 * 1e200 is infinite."""
    w, v, a, b = Value(1e200, "w"), Value(1.0, "v"), Value(1e200, "a"), Value(1e200, "b")
    loss = mg.relu(dot([w, v], [a / b, sin(a)]))
    program = mg.compile(loss, [a, b], [v], backend=backend)
    assert program.value([[1e200, 1e200]]) == pytest.approx(loss.data, rel=1e-12)


@every_backend
def test_a_chain_of_twenty_thousand_operations(backend: str) -> None:
    w, x = Value(3.0, "w"), Value(0.5, "x")
    value = x
    for _ in range(10_000):
        value = sin(value) + w
    program = mg.compile(value, [x], [w], backend=backend)
    value.backward()
    result = program([[0.5]])
    assert result.loss == pytest.approx(value.data, rel=1e-12)
    assert [*result.gradients] == pytest.approx([w.grad], rel=1e-9)


def test_ten_thousand_examples_of_a_gather() -> None:
    """Rows that lie unevenly are gathered, and those are the right rows."""
    inputs = values("x", 12)
    order = [0, 5, 3, 11, 4, 4, 7]

    def record(row: Sequence[Value]) -> Value:
        a = [sin(row[i]) for i in order]
        b = [tanh(v) for v in row]
        return sum_of(p * b[i] * w for p, i in zip(a, reversed(order)))

    program = compiled(record, inputs, [w])
    batch = np.random.default_rng(3).normal(size=(10_000, 12))
    products = np.sin(batch[:, order]) * np.tanh(batch[:, order[::-1]])
    assert program.value(batch) == pytest.approx(3.0 * products.sum() / 10_000, rel=1e-10)
