"""Every formula of the document (backpropagation of a 2-2-1 sigmoid network), against the engine.

The class `Document` writes the formulas out with plain floats, in the document's notation and order;
nothing in it comes from microgradlike. ``dL_dw31`` stands for ∂L/∂w31.
"""

import math
import random
from collections.abc import Callable

import pytest

from microgradlike import MLP, SGD, Value, grad, mean, topological_order
from microgradlike.losses import half_squared_error

PARAMETERS = ["w11", "w12", "b1", "w21", "w22", "b2", "w31", "w32", "b3"]
SEEDS = range(60)


def close(expected: float) -> object:
    """Equal but for the last digits, relative to what is expected; there is no absolute slack."""
    return pytest.approx(expected, rel=1e-12, abs=0.0)


def sigma(z: float) -> float:
    return 1 / (1 + math.exp(-z))


class Document:
    """The document's network on one example, computed by hand."""

    def __init__(self, parameters: dict[str, float], x: list[float], t: float) -> None:
        self.parameters, self.x, self.t = parameters, x, t
        w11, w12, b1, w21, w22, b2, w31, w32, b3 = parameters.values()
        x1, x2 = x

        # Forward 1: hidden layer inputs
        self.z1 = w11 * x1 + w12 * x2 + b1
        self.z2 = w21 * x1 + w22 * x2 + b2
        # Forward 2: hidden layer outputs
        h1 = self.h1 = sigma(self.z1)
        h2 = self.h2 = sigma(self.z2)
        # Forward 3: output layer input
        self.z3 = w31 * h1 + w32 * h2 + b3
        # Forward 4: network output
        y = self.y = sigma(self.z3)
        # Forward 5: loss
        self.L = 1 / 2 * (y - t) ** 2

        # Backward 1: output layer error gradients
        self.dL_dy = y - t
        self.dy_dz3 = y * (1 - y)
        # Backward 2: output layer weight and bias gradients
        self.dL_dw31 = self.dL_dy * self.dy_dz3 * h1
        self.dL_dw32 = self.dL_dy * self.dy_dz3 * h2
        self.dL_db3 = self.dL_dy * self.dy_dz3
        # Backward 3: hidden layer error gradients, "including activation derivatives"
        self.document_dL_dh1 = self.dL_dy * self.dy_dz3 * w31 * h1 * (1 - h1)
        self.document_dL_dh2 = self.dL_dy * self.dy_dz3 * w32 * h2 * (1 - h2)
        # Backward 4: hidden layer weight and bias gradients
        self.dL_dw11 = self.document_dL_dh1 * x1
        self.dL_dw12 = self.document_dL_dh1 * x2
        self.dL_db1 = self.document_dL_dh1
        self.dL_dw21 = self.document_dL_dh2 * x1
        self.dL_dw22 = self.document_dL_dh2 * x2
        self.dL_db2 = self.document_dL_dh2

    @classmethod
    def random(cls, seed: int) -> "Document":
        rng = random.Random(seed)
        parameters = {name: rng.uniform(-2, 2) for name in PARAMETERS}
        return cls(parameters, [rng.uniform(-2, 2), rng.uniform(-2, 2)], rng.random())

    def gradient(self, parameter: str) -> float:
        number: float = getattr(self, f"dL_d{parameter}")
        return number


class Engine:
    """The same network at the same numbers, by microgradlike: ``engine["z3"]`` is the node z3."""

    def __init__(self, document: Document) -> None:
        self.network = MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
        self.network.load_state_dict(document.parameters)
        self.L = self.loss(document.x, document.t)
        self.L.backward()
        self.nodes = {node.name: node for node in topological_order(self.L)}

    def loss(self, x: list[float], t: float) -> Value:
        L = half_squared_error(self.network(x), t)
        L.name = "L"
        return L

    def __getitem__(self, name: str) -> Value:
        return self.nodes[name]


@pytest.fixture(params=SEEDS)
def document(request: pytest.FixtureRequest) -> Document:
    return Document.random(request.param)


@pytest.fixture
def engine(document: Document) -> Engine:
    return Engine(document)


def test_the_graph_has_the_nodes_of_the_document_and_no_others() -> None:
    engine = Engine(Document.random(0))
    hidden_and_output = ["z1", "h1", "z2", "h2", "z3", "y"]
    assert sorted(engine.nodes) == sorted(["x1", "x2", "t", "L", *PARAMETERS, *hidden_and_output])
    assert len(topological_order(engine.L)) == len(engine.nodes)


# ── Forward ───────────────────────────────────────────────────────────────────────────────────────────


def test_forward_1_hidden_layer_inputs(document: Document, engine: Engine) -> None:
    assert engine["z1"].data == close(document.z1)
    assert engine["z2"].data == close(document.z2)


def test_forward_2_hidden_layer_outputs(document: Document, engine: Engine) -> None:
    assert engine["h1"].data == close(document.h1)
    assert engine["h2"].data == close(document.h2)


def test_forward_3_output_layer_input(document: Document, engine: Engine) -> None:
    assert engine["z3"].data == close(document.z3)


def test_forward_4_network_output(document: Document, engine: Engine) -> None:
    assert engine["y"].data == close(document.y)


def test_forward_5_loss(document: Document, engine: Engine) -> None:
    assert engine.L.data == close(document.L)


# ── Backward ──────────────────────────────────────────────────────────────────────────────────────────


def test_backward_1_output_layer_error_gradients(document: Document, engine: Engine) -> None:
    assert engine["y"].grad == close(document.dL_dy)
    assert engine["y"].partials == (close(document.dy_dz3),)


def test_backward_2_output_layer_weight_and_bias_gradients(document: Document, engine: Engine) -> None:
    assert engine["w31"].grad == close(document.dL_dw31)
    assert engine["w32"].grad == close(document.dL_dw32)
    assert engine["b3"].grad == close(document.dL_db3)


@pytest.mark.parametrize("i", [1, 2])
def test_backward_3_hidden_layer_error_gradients(document: Document, engine: Engine, i: int) -> None:
    """What the document calls ∂L/∂h1 is ∂L/∂z1: it has the activation's derivative in it.

    The document writes ∂L/∂h1 = ∂L/∂y · ∂y/∂z3 · w31 · h1(1 − h1). But ∂h1/∂z1 = h1(1 − h1) is the step
    from h1 down to z1. The derivative by h1 itself ends before it, at w31 = ∂z3/∂h1; that is what the
    engine leaves in ``h1.grad``, and the document's product in ``z1.grad``.
    """
    weight = document.parameters[f"w3{i}"]
    h_number = {1: document.h1, 2: document.h2}[i]
    document_dL_dh = {1: document.document_dL_dh1, 2: document.document_dL_dh2}[i]
    h, z = engine[f"h{i}"], engine[f"z{i}"]

    assert z.grad == close(document_dL_dh)
    assert h.grad == close(document.dL_dy * document.dy_dz3 * weight)
    assert h.grad != close(document_dL_dh)
    assert h.partials == (close(h_number * (1 - h_number)),)


@pytest.mark.parametrize("name", ["w11", "w12", "b1", "w21", "w22", "b2"])
def test_backward_4_hidden_layer_weight_and_bias_gradients(
    document: Document, engine: Engine, name: str
) -> None:
    assert engine[name].grad == close(document.gradient(name))


def test_the_gradient_as_a_graph_has_the_same_numbers(document: Document, engine: Engine) -> None:
    gradients = grad(engine.L, engine.network.parameters())
    assert [g.data for g in gradients] == [close(document.gradient(name)) for name in PARAMETERS]


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_formulas_are_the_slopes_of_the_loss(name: str) -> None:
    """The two sides above could be wrong in the same way; a difference quotient would show it."""
    document, step = Document.random(7), 1e-5

    def loss(nudge: float) -> float:
        engine = Engine(document)
        engine.network.load_state_dict({**document.parameters, name: document.parameters[name] + nudge})
        return engine.loss(document.x, document.t).data

    difference_quotient = (loss(step) - loss(-step)) / (2 * step)
    assert difference_quotient == pytest.approx(document.gradient(name), rel=1e-6)


# ── The chain rule, the update, the batch ─────────────────────────────────────────────────────────────


def test_chain_rule() -> None:
    """dy/dx = dy/du · du/dx."""
    x = Value(0.7)
    u = x * x * x
    y = u.sin()
    y.backward()
    dy_du, du_dx = math.cos(0.7**3), 3 * 0.7**2
    assert u.grad == close(dy_du)
    assert x.grad == close(dy_du * du_dx)


def by_hand(network: MLP, eta: float) -> None:
    for w in network.parameters():
        w.data -= eta * w.grad


def by_sgd(network: MLP, eta: float) -> None:
    SGD(network.parameters(), lr=eta).step()


@pytest.mark.parametrize("update", [by_hand, by_sgd])
def test_update(document: Document, engine: Engine, update: Callable[[MLP, float], None]) -> None:
    """w ← w − η ∂L/∂w, for every weight and bias at once, by the gradients at the old weights."""
    eta = 0.5
    update(engine.network, eta)
    new = {name: w - eta * document.gradient(name) for name, w in document.parameters.items()}
    assert engine.network.state_dict() == {name: close(w) for name, w in new.items()}


def test_small_updates_for_each_example_minimise_the_loss() -> None:
    document = Document.random(3)
    engine = Engine(document)
    losses = []
    for _ in range(50):
        L = engine.loss(document.x, document.t)
        losses.append(L.data)
        engine.network.zero_grad()
        L.backward()
        by_hand(engine.network, 0.5)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] / 4


def test_an_update_of_w11_ripples_to_the_error_gradient(document: Document, engine: Engine) -> None:
    """w11 changes z1, h1, z3, y and the error gradient, and nothing of the second hidden neuron."""
    before = {name: node.data for name, node in engine.nodes.items()}
    engine["w11"].data += 0.25
    L = engine.loss(document.x, document.t)
    after = {node.name: node.data for node in topological_order(L)}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"w11", "z1", "h1", "z3", "y", "L"}
    assert after["z1"] == pytest.approx(document.z1 + 0.25 * document.x[0])
    L.backward()
    [y] = (node for node in topological_order(L) if node.name == "y")
    assert y.grad != engine["y"].grad


@pytest.fixture
def batch(document: Document) -> list[Document]:
    """Seven examples, all with the weights of the first."""
    others = [Document.random(1000 + i) for i in range(6)]
    return [document, *(Document(document.parameters, other.x, other.t) for other in others)]


def batch_gradient(batch: list[Document]) -> dict[str, object]:
    """∂L/∂w = (1/n) Σ ∂Lᵢ/∂w. The terms may cancel, so the last digits are those of the largest."""
    gradient: dict[str, object] = {}
    for name in PARAMETERS:
        terms = [example.gradient(name) for example in batch]
        gradient[name] = pytest.approx(sum(terms) / len(batch), rel=0.0, abs=1e-13 * max(map(abs, terms)))
    return gradient


def test_batch_gradient_is_that_of_the_mean_loss(batch: list[Document], engine: Engine) -> None:
    engine.network.zero_grad()
    mean([engine.loss(example.x, example.t) for example in batch]).backward()
    assert {name: engine[name].grad for name in PARAMETERS} == batch_gradient(batch)


def test_batch_gradient_is_the_mean_of_accumulated_gradients(batch: list[Document], engine: Engine) -> None:
    engine.network.zero_grad()
    for example in batch:
        engine.loss(example.x, example.t).backward()
    assert {name: engine[name].grad / len(batch) for name in PARAMETERS} == batch_gradient(batch)
