"""Code written for micrograd runs with only its import changed.

The sources below are micrograd's own: its tests and its demo, with plots and prints left out. They are
executed as text, once as they stand, where micrograd is installed, and once with microgradlike's import.
"""

import copy
import pickle
import random
import sys
import weakref
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


# ── Its graph-drawing cell, and its lecture's names ───────────────────────────────────────────────────

GRAPH = """
from graphviz import Digraph

def trace(root):
    nodes, edges = set(), set()
    def build(v):
        if v not in nodes:
            nodes.add(v)
            for child in v._prev:
                edges.add((child, v))
                build(child)
    build(root)
    return nodes, edges

def draw_dot(root, format='svg', rankdir='LR'):
    \"\"\"
    format: png | svg | ...
    rankdir: TB (top to bottom graph) | LR (left to right)
    \"\"\"
    assert rankdir in ['LR', 'TB']
    nodes, edges = trace(root)
    dot = Digraph(format=format, graph_attr={'rankdir': rankdir}) #, node_attr={'rankdir': 'TB'})

    for n in nodes:
        dot.node(name=str(id(n)), label = "{ data %.4f | grad %.4f }" % (n.data, n.grad), shape='record')
        if n._op:
            dot.node(name=str(id(n)) + n._op, label=n._op)
            dot.edge(str(id(n)) + n._op, str(id(n)))

    for n1, n2 in edges:
        dot.edge(str(id(n1)), str(id(n2)) + n2._op)

    return dot
"""

GRAPH_OF_A_NEURON = """
import random
from micrograd import nn
from micrograd.engine import Value

random.seed(1337)
n = nn.Neuron(2)
x = [Value(1.0), Value(-2.0)]
y = n(x)
dot = draw_dot(y)
"""

GRAPH_OF_AN_EXPRESSION = """
from micrograd.engine import Value

a = Value(2.0)
b = Value(-3.0)
c = a * b + b**2
d = c.relu() + a
d.backward()
dot = draw_dot(d)
"""


def pictured(source: str, package: str) -> list[str]:
    source = source.replace("from micrograd import", f"from {package} import")
    dot = run(GRAPH, package, {})
    lines = str(run(source, package, dot)["dot"]).splitlines()
    return sorted(line.partition("[")[2] for line in lines)


def test_its_graph_drawing_cell() -> None:
    pytest.importorskip("micrograd")
    assert pictured(GRAPH_OF_AN_EXPRESSION, "microgradlike") == pictured(
        GRAPH_OF_AN_EXPRESSION, "micrograd"
    )
    assert any("{ data 2.0000 | grad" in line for line in pictured(GRAPH_OF_AN_EXPRESSION, "microgradlike"))


def test_its_graph_of_a_neuron() -> None:
    lines = pictured(GRAPH_OF_A_NEURON, "microgradlike")
    assert {"label=ReLU]", "label=dot]"} <= {*lines}


LECTURE = """
from micrograd.engine import Value

a = Value(2.0, label='a')
b = Value(-3.0, label='b')
c = Value(10.0, label='c')
e = a*b; e.label = 'e'
d = e + c; d.label = 'd'
f = Value(-2.0, label='f')
L = d * f; L.label = 'L'
L.backward()
"""


def test_the_lecture_s_labels_operands_and_operations() -> None:
    names = run(LECTURE, "microgradlike", {})
    L, d, e, f = (names[name] for name in "Ldef")
    assert [v.label for v in (L, d, e, f)] == [v.name for v in (L, d, e, f)] == ["L", "d", "e", "f"]
    assert L._prev == {d, f} and d._prev == {e, names["c"]} and f._prev == set()
    assert (L._op, d._op, f._op) == ("*", "+", "")
    assert [names[name].grad for name in "abcdef"] == [6.0, -4.0, -2.0, -2.0, -2.0, 4.0]
    a = names["a"]
    assert [(a**2)._op, (a / 2)._op, (-a)._op, a.relu()._op, a.tanh()._op] == [
        "**2",
        "/",
        "-",
        "ReLU",
        "tanh",
    ]
    assert (a + a)._prev == {a}
    with pytest.raises(TypeError, match="'a' and 'b' are two"):
        Value(1.0, "a", label="b")
    for name in ("_prev", "_op"):
        with pytest.raises(AttributeError):
            setattr(L, name, None)


# ── Attributes and weak references ────────────────────────────────────────────────────────────────────


def test_attributes_and_weak_references_of_a_value_that_a_user_makes() -> None:
    v: Any = Value(2.0, "v")
    v.m, v.whatever, v.history = 0.5, "mine", [1]
    assert (v.m, v.whatever, v.history) == (0.5, "mine", [1])
    del v.whatever
    with pytest.raises(AttributeError, match="whatever"):
        v.whatever
    alive: Any = weakref.ref(v)()
    assert alive is v
    for twin in (copy.copy(v), copy.deepcopy(v), pickle.loads(pickle.dumps(v))):
        assert (twin.m, twin.history, twin.name, twin.data) == (0.5, [1], "v", 2.0)
        twin.other = 1
    assert type(v).__name__ == "Value" and isinstance(v, Value) and repr(v) == "Value(data=2.0, name='v')"


@pytest.mark.parametrize("make", [lambda: Value(2.0) * 3.0, lambda: MLP(2, [1]).parameters()[0]])
def test_notes_and_weak_references_of_any_value(make: Any) -> None:
    v = make()
    alive: Any = weakref.ref(v)()
    assert alive is v
    del alive
    assert not hasattr(v, "m")
    v.m = v.velocity = 1.5
    v.m += 1.0
    assert (v.m, v.velocity) == (2.5, 1.5)
    assert not hasattr(make(), "m"), "they are its own"
    del v.m
    assert not hasattr(v, "m")
    if sys.version_info >= (3, 13):
        v.anything = 1
    gone = weakref.ref(v)
    del v
    assert gone() is None, "notes keep nothing alive"


def test_a_class_of_one_s_own() -> None:
    class Weight(Value):
        def __init__(self, data: float, fan_in: int) -> None:
            super().__init__(data / fan_in)
            self.fan_in = fan_in

    w = Weight(1.0, fan_in=4)
    assert (type(w), w.data, w.fan_in) == (Weight, 0.25, 4)
    assert (w * 2.0).parents[0] is w and repr(w) == "Weight(data=0.25)"


# ── The training loop of LLM101n ──────────────────────────────────────────────────────────────────────

LLM101N = """
import random
from micrograd.engine import Value
from micrograd.nn import MLP

def cross_entropy(logits, target):
    # subtract the max for numerical stability (avoids overflow)
    max_val = max(val.data for val in logits)
    logits = [val - max_val for val in logits]
    # 1) evaluate elementwise e^x
    ex = [x.exp() for x in logits]
    # 2) compute the sum of the above
    denom = sum(ex)
    # 3) normalize by the sum to get probabilities
    probs = [x / denom for x in ex]
    # 4) log the probabilities at target
    logp = (probs[target]).log()
    # 5) the negative log likelihood loss (invert so we get a loss - lower is better)
    nll = -logp
    return nll

def gen_data(rng, n):
    pts = []
    for _ in range(n):
        x, y = rng.uniform(-2.0, 2.0), rng.uniform(-2.0, 2.0)
        # concentric circles
        label = 0 if x**2 + y**2 < 1 else 1 if x**2 + y**2 < 2 else 2
        pts.append(([x, y], label))
    tr = pts[:int(0.8 * n)]
    val = pts[int(0.8 * n):int(0.9 * n)]
    te = pts[int(0.9 * n):]
    return tr, val, te

# evaluation utility to compute the loss on a given split of the dataset
def eval_split(model, split):
    loss = Value(0)
    for x, y in split:
        logits = model(x)
        loss += cross_entropy(logits, y)
    loss = loss * (1.0/len(split)) # normalize the loss
    return loss.data

# let's train!
train_split, val_split, test_split = gen_data(random.Random(42), n=100)
model = MLP(2, [8, 3])

# optimize using Adam
learning_rate = 1e-1
beta1 = 0.9
beta2 = 0.95
weight_decay = 1e-4
for p in model.parameters():
    p.m = 0.0
    p.v = 0.0

losses, val_losses = [], []
# train
for step in range(steps):
    # evaluate the validation split every few steps
    if step % 10 == 0:
        val_losses.append(eval_split(model, val_split))

    # forward the network (get logits of all training datapoints)
    loss = Value(0)
    for x, y in train_split:
        logits = model(x)
        loss += cross_entropy(logits, y)
    loss = loss * (1.0/len(train_split)) # normalize the loss
    # backward pass (deposit the gradients)
    loss.backward()
    # update with AdamW
    for p in model.parameters():
        p.m = beta1 * p.m + (1 - beta1) * p.grad
        p.v = beta2 * p.v + (1 - beta2) * p.grad**2
        m_hat = p.m / (1 - beta1**(step+1))
        v_hat = p.v / (1 - beta2**(step+1))
        p.data -= learning_rate * (m_hat / (v_hat**0.5 + 1e-8) + weight_decay * p.data)
    model.zero_grad() # never forget to clear those gradients! happens to everyone
    losses.append(loss.data)
"""


def test_the_training_loop_of_llm101n() -> None:
    """Its Adam keeps m and v on the parameters; it gives what `AdamW` gives, and it learns."""
    from microgradlike import AdamW, cross_entropy, mean

    ours = run(LLM101N, "microgradlike", {"steps": 15})
    assert ours["losses"][-1] < 0.7 * ours["losses"][0] and len(ours["val_losses"]) == 2
    model = MLP(2, [8, 3])
    optimizer = AdamW(model.parameters(), lr=0.1, betas=(0.9, 0.95), weight_decay=1e-4)
    for expected in ours["losses"]:
        loss = mean(cross_entropy(model(x), y) for x, y in ours["train_split"])
        assert loss.data == pytest.approx(expected, rel=1e-9)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    m = [p.m for p in ours["model"].parameters()]
    assert m == pytest.approx(optimizer.means, rel=1e-6, abs=1e-12)


def test_values_of_one_s_own_as_parameters_take_its_adam_too() -> None:
    source = LLM101N.replace("model = MLP(2, [8, 3])", "model = own()")

    class Linear:
        def __init__(self) -> None:
            self.w = [[Value(0.1 * (i - j)) for i in range(2)] for j in range(3)]

        def parameters(self) -> list[Value]:
            return [w for row in self.w for w in row]

        def __call__(self, x: list[float]) -> list[Any]:
            return [sum(w * xi for w, xi in zip(row, x)) for row in self.w]

        def zero_grad(self) -> None:
            for p in self.parameters():
                p.grad = 0

    ours = run(source, "microgradlike", {"steps": 5, "own": Linear})
    assert ours["losses"][-1] < ours["losses"][0]


# ── Names that a Value does not have ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("v", [Value(2.0), Value(2.0) * 3.0, MLP(2, [1]).parameters()[0]])
@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("item", "v.data, or float(v)"),
        ("numpy", "v.data, or float(v)"),
        ("requires_grad", "v.detach()"),
        ("retain_grad", "every node keeps its gradient"),
        ("shape", "one number"),
        ("_backward", "v.propagate()"),
        ("children", "v.parents"),
        ("_children", "v.parents"),
        ("grad_fn", "v.op"),
        ("gelu", "mg.gelu(v)"),
        ("softmax", "mg.softmax([v, …])"),
    ],
)
def test_a_missing_name_is_answered_with_what_to_write(v: Any, name: str, answer: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(v, name)
    assert f"'Value' object has no attribute {name!r}: " in str(caught.value)
    assert answer in str(caught.value)
    assert caught.value.obj is None, "else Python would add a hint of its own"
    assert not hasattr(v, name) and name not in dir(v)


def test_no_name_is_answered_that_a_value_has() -> None:
    from microgradlike.elsewhere import NOTES, OF_A_VALUE

    v = Value(2.0)
    assert [name for name in (*OF_A_VALUE, *NOTES) if hasattr(v, name)] == []
    assert {"data", "grad", "backward", "label", "name", "arctan"} <= {*dir(v)}


def test_known_names_cost_a_value_nothing() -> None:
    """No `__getattr__` and no `__setattr__`, which would slow down every read and every write."""
    for kind in type(Value(1.0)).__mro__:
        assert kind is object or not {"__getattr__", "__getattribute__", "__setattr__"} & {*vars(kind)}


def test_an_inner_node_is_16_bytes_larger_than_its_numbers_at_most() -> None:
    class Before:
        __slots__ = ("data", "evaluation", "grad", "name", "op", "parents")

    assert sys.getsizeof(Value(2.0) * 3.0) <= sys.getsizeof(Before()) + 16
    assert not hasattr(Value(2.0) * 3.0, "__dict__") or sys.version_info >= (3, 13)
