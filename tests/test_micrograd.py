"""Code written for micrograd runs with only its import changed.

The sources below are micrograd's own: its tests and its demo, with plots and prints left out. They are
executed as text, once as they stand, where micrograd is installed, and once with microgradlike's import.
"""

import random
from typing import Any

import numpy as np
import pytest

from microgradlike.engine import Value
from microgradlike.nn import MLP, Layer, Neuron

SANITY_CHECK = """
from micrograd.engine import Value

x = Value(-4.0)
z = 2 * x + 2 + x
q = z.relu() + z * x
h = (z * z).relu()
y = h + q + q * x
y.backward()
numbers = [y.data, x.grad]
"""

MORE_OPS = """
from micrograd.engine import Value

a = Value(-4.0)
b = Value(2.0)
c = a + b
d = a * b + b**3
c += c + 1
c += 1 + c + (-a)
d += d * 2 + (b + a).relu()
d += 3 * d + (b - a).relu()
e = c - d
f = e**2
g = f / 2.0
g += 10.0 / f
g.backward()
numbers = [g.data, a.grad, b.grad]
"""

DEMO_MODEL = """
from micrograd.engine import Value
from micrograd.nn import Neuron, Layer, MLP

model = MLP(2, [16, 16, 1]) # 2-layer neural network

# loss function
def loss(batch_size=None):

    # inline DataLoader :)
    if batch_size is None:
        Xb, yb = X, y
    else:
        ri = np.random.permutation(X.shape[0])[:batch_size]
        Xb, yb = X[ri], y[ri]
    inputs = [list(map(Value, xrow)) for xrow in Xb]

    # forward the model to get scores
    scores = list(map(model, inputs))

    # svm "max-margin" loss
    losses = [(1 + -yi*scorei).relu() for yi, scorei in zip(yb, scores)]
    data_loss = sum(losses) * (1.0 / len(losses))
    # L2 regularization
    alpha = 1e-4
    reg_loss = alpha * sum((p*p for p in model.parameters()))
    total_loss = data_loss + reg_loss

    # also get accuracy
    accuracy = [(yi > 0) == (scorei.data > 0) for yi, scorei in zip(yb, scores)]
    return total_loss, sum(accuracy) / len(accuracy)
"""

DEMO_TRAINING = """
for k in range(steps):

    # forward
    total_loss, acc = loss()

    # backward
    model.zero_grad()
    total_loss.backward()

    # update (sgd)
    learning_rate = 1.0 - 0.9*k/100
    for p in model.parameters():
        p.data -= learning_rate * p.grad

    history.append((total_loss.data, [p.data for p in model.parameters()]))
"""

DEMO_BOUNDARY = """
h = 0.25
x_min, x_max = X[:, 0].min() - 1, X[:, 0].max() + 1
y_min, y_max = X[:, 1].min() - 1, X[:, 1].max() + 1
xx, yy = np.meshgrid(np.arange(x_min, x_max, h),
                     np.arange(y_min, y_max, h))
Xmesh = np.c_[xx.ravel(), yy.ravel()]
inputs = [list(map(Value, xrow)) for xrow in Xmesh]
scores = list(map(model, inputs))
Z = np.array([s.data > 0 for s in scores])
Z = Z.reshape(xx.shape)
"""

# The losses of the demo's first steps with micrograd 0.1.0, on moons(40) from `demo_weights`.
DEMO_LOSSES = [
    1.1970646936413256,
    3.1025401829272243,
    0.8455191839963626,
    0.7715396843792826,
    0.544225449549676,
    0.5661732740773258,
    0.6480741282431491,
    0.38598466396757897,
    0.34524965271178476,
    0.41967814787894026,
]


def run(source: str, package: str, namespace: dict[str, Any]) -> dict[str, Any]:
    exec(source.replace("from micrograd.", f"from {package}."), namespace)
    return namespace


def moons(n: int) -> tuple[Any, Any]:
    """Two interleaving half circles with noise, and labels −1 and 1, as numpy arrays."""
    noise = np.random.RandomState(1337).normal(scale=0.1, size=(n, 2))  # a frozen stream, by promise
    angle = np.linspace(0, np.pi, n // 2)
    upper = np.c_[np.cos(angle), np.sin(angle)]
    lower = np.c_[1 - np.cos(angle), 0.5 - np.sin(angle)]
    return np.r_[upper, lower] + noise, np.repeat([-1, 1], n // 2)


def demo_weights() -> list[float]:
    """Weights uniform in ±1 as micrograd draws them, here for biases too."""
    rng = random.Random(1337)
    return [rng.uniform(-1, 1) for _ in range(337)]


def demo(package: str, *, steps: int, n: int, weights: list[float] | None = None) -> dict[str, Any]:
    X, y = moons(n)
    namespace = run(DEMO_MODEL, package, {"np": np, "X": X, "y": y, "steps": steps, "history": []})
    if weights:
        for p, weight in zip(namespace["model"].parameters(), weights, strict=True):
            p.data = weight
    return run(DEMO_TRAINING, package, namespace)


# ── Its tests ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (SANITY_CHECK, [-20.0, 46.0]),
        (MORE_OPS, [24.70408163265306, 138.83381924198252, 645.5772594752187]),
    ],
)
def test_expressions(source: str, expected: list[float]) -> None:
    """The expected numbers are micrograd's, which its tests compare with PyTorch's."""
    assert run(source, "microgradlike", {})["numbers"] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("source", [SANITY_CHECK, MORE_OPS])
def test_expressions_beside_micrograd(source: str) -> None:
    pytest.importorskip("micrograd")
    theirs = run(source, "micrograd", {})["numbers"]
    assert run(source, "microgradlike", {})["numbers"] == pytest.approx(theirs, rel=1e-14)


# ── Its demo ──────────────────────────────────────────────────────────────────────────────────────────


def test_demo_gives_the_losses_of_micrograd() -> None:
    ours = demo("microgradlike", steps=len(DEMO_LOSSES), n=40, weights=demo_weights())
    assert [loss for loss, _ in ours["history"]] == pytest.approx(DEMO_LOSSES, rel=1e-9)


def test_demo_beside_micrograd() -> None:
    """Losses and all parameters, step by step, from equal weights."""
    pytest.importorskip("micrograd")
    ours, theirs = (
        demo(package, steps=5, n=40, weights=demo_weights()) for package in ("microgradlike", "micrograd")
    )
    assert ours["acc"] == theirs["acc"]
    for (our_loss, our_parameters), (their_loss, their_parameters) in zip(
        ours["history"], theirs["history"], strict=True
    ):
        assert our_loss == pytest.approx(their_loss, rel=1e-9)
        assert our_parameters == pytest.approx(their_parameters, rel=1e-9, abs=1e-9)


def test_demo_learns() -> None:
    """From our own initial weights, in half of the demo's steps, and with the boundary of its picture."""
    ours = demo("microgradlike", steps=50, n=100)
    losses = [loss for loss, _ in ours["history"]]
    assert ours["acc"] > 0.9
    assert losses[-1] < losses[0] / 3

    run(DEMO_BOUNDARY, "microgradlike", ours)
    assert ours["Z"].dtype == bool
    assert 0.2 < ours["Z"].mean() < 0.8


def test_demo_with_random_batches() -> None:
    X, y = moons(40)
    namespace = run(DEMO_MODEL, "microgradlike", {"np": np, "X": X, "y": y})
    run("total_loss, acc = loss(batch_size=8)\ntotal_loss.backward()", "microgradlike", namespace)
    assert namespace["acc"] * 8 in range(9)
    assert any(p.grad for p in namespace["model"].parameters())


def test_numpy_scalars_become_python_floats() -> None:
    X, y = moons(2)
    namespace = run("from micrograd.engine import Value", "microgradlike", {"x": X[0, 0], "label": y[0]})
    run("v = Value(x)\nproduct = -label*v\nsum_ = x + v", "microgradlike", namespace)
    assert [type(namespace[name].data) for name in ("v", "product", "sum_")] == [float] * 3
    assert namespace["product"].data == X[0, 0]
    assert namespace["sum_"].data == 2 * X[0, 0]


# ── Its attributes ────────────────────────────────────────────────────────────────────────────────────


def test_neuron() -> None:
    linear, relu = Neuron(3, nonlin=False), Neuron(3)
    assert isinstance(linear.w, list)
    assert len(linear.w) == 3
    assert linear.b.data == 0
    assert linear.parameters() == [*linear.w, linear.b]
    x = [-w.data for w in linear.w]  # w·x is negative
    assert linear(x).data == pytest.approx(-sum(w.data**2 for w in linear.w), rel=1e-14)
    x = [-w.data for w in relu.w]
    assert relu(x).data == 0.0


@pytest.mark.parametrize("nonlin", [True, False])
def test_layer(nonlin: bool) -> None:
    layer = Layer(2, 3, nonlin=nonlin)
    assert [len(neuron.w) for neuron in layer.neurons] == [2, 2, 2]
    assert layer.parameters() == [p for neuron in layer.neurons for p in neuron.parameters()]
    outs = [out.data for x in ([1.0, 2.0], [-1.0, -2.0]) for out in layer(x)]
    assert (min(outs) >= 0) == nonlin


def test_one_value_for_one_output_else_a_list() -> None:
    for one in (Layer(2, 1), MLP(2, [3, 1])):
        assert isinstance(one([1.0, 2.0]), Value)
    for several in (Layer(2, 3), MLP(2, [2, 3])):
        assert [type(out) for out in several([1.0, 2.0])] == [Value] * 3


def test_mlp() -> None:
    model = MLP(2, [16, 16, 1])
    assert len(model.parameters()) == 337
    assert [len(layer.neurons) for layer in model.layers] == [16, 16, 1]
    assert model.parameters() == [p for layer in model.layers for p in layer.parameters()]
    inner, last = model.layers[0], model.layers[-1]
    assert min(out.data for out in inner([1.0, -1.0])) == 0.0, "relu inside"
    assert last([-w.data for w in last.neurons[0].w]).data < 0, "a linear output"


def test_zero_grad() -> None:
    model = MLP(2, [3, 1])
    model([1.0, 2.0]).backward()
    assert any(p.grad for p in model.parameters())
    model.zero_grad()
    assert [p.grad for p in model.parameters()] == [0] * len(model.parameters())


def test_gradients_accumulate_in_leaves() -> None:
    source = """
from micrograd.engine import Value

a = Value(3.0)
for _ in range(2):
    b = a * a
    b.backward()
"""
    assert run(source, "microgradlike", {})["a"].grad == 12.0
