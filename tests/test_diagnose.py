"""diagnose: each pathology is named, its cure makes the finding go, and sound networks have none."""

import html.parser
import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from campaigns.diagnoses import campaign

import microgradlike as mg
from microgradlike import MLP, Module, Value
from microgradlike.data import moons, xor
from microgradlike.diagnose import Diagnosis, diagnose
from microgradlike.nn import ACTIVATIONS

Rows = list[list[float]]
Data = tuple[Rows, list[Any]]


def standardised(n: int = 100) -> Data:
    X, t = moons(n)
    columns = []
    for column in zip(*X):
        mean = math.fsum(column) / n
        spread = math.sqrt(math.fsum((x - mean) ** 2 for x in column) / n)
        columns.append([(x - mean) / spread for x in column])
    return [list(row) for row in zip(*columns)], t


X, T = standardised()
LABELS = [2 * t - 1 for t in T]


def network(
    *sizes: int, seed: int = 3, inside: str = "tanh", outside: str = "sigmoid", by: float = 1.0
) -> MLP:
    model = MLP(2, sizes or (4, 1), activation=inside, output_activation=outside, seed=seed)
    for p in model.parameters():
        p.data *= by
    return model


def kinds(diagnosis: Diagnosis) -> set[str]:
    return {finding.kind for finding in diagnosis.findings}


def after_passes(passes: int, *, add_up: bool = False, receipts: bool = False) -> MLP:
    model = network()
    for _ in range(passes):
        losses = [mg.half_squared_error(model(x), t) for x, t in zip(X, T)]
        (mg.sum(losses) if add_up else mg.mean(losses)).backward(receipts=receipts)
    return model


def with_dead_neuron() -> MLP:
    model = network(inside="relu", outside="linear")
    model.layers[0].neurons[1].b.data = -50.0
    return model


def with_weight(number: float) -> MLP:
    model = network()
    model.layers[0].neurons[2].w[1].data = number
    return model


def wrong_and_sure(bias: float) -> MLP:
    model = network()
    model.layers[1].neurons[0].b.data = bias
    return model


def logits_loss_of(function: Callable[[Any], Any]) -> Callable[[Any, Any], mg.Value]:
    return lambda y, t: mg.binary_cross_entropy_with_logits(function(y), t)


def softmax_twice(y: Any, t: Any) -> mg.Value:
    return mg.cross_entropy(mg.softmax(y), t)


Case = tuple[MLP, Data, dict[str, Any]]


def raw(factor: float, shift: float) -> Data:
    return [[factor * x + shift, y] for x, y in X], T


# ── Each pathology, and its cure ──────────────────────────────────────────────────────────────────────

# What is wrong; the sentence must have these words; and what the sentence says to write instead.
DEEP = (8,) * 8 + (1,)
PATHOLOGIES: dict[str, tuple[Callable[[], Case], list[str], Callable[[], Case]]] = {
    "vanishing": (
        lambda: (network(*DEEP, inside="sigmoid", by=0.2), (X, T), {}),
        ["layer 9", "layer 1", "h1, h2", "∂L/∂z", 'activation="relu"'],
        lambda: (network(*DEEP, inside="relu"), (X, T), {}),
    ),
    "exploding": (
        lambda: (network(*DEEP, inside="leaky_relu", outside="linear", by=8), (X, T), {"lr": 0.1}),
        ["∂L/∂z", "layer 9", "layer 1", "more than 1,000 times", "smaller weights"],
        lambda: (network(*DEEP, inside="leaky_relu", outside="linear"), (X, T), {}),
    ),
    "exploding: targets": (
        lambda: (network(outside="linear"), (X, [1e6 * t + 0.5 for t in T]), {}),
        ["its norm is", "layer 2", "the targets"],
        lambda: (network(outside="linear"), (X, T), {}),
    ),
    "dead": (
        lambda: (with_dead_neuron(), (X, T), {}),
        ["dead relu", "h2 (1 of 4 in layer 1)", "at most −4", 'activation="leaky_relu"', "seed"],
        lambda: (network(inside="leaky_relu", outside="linear"), (X, T), {}),
    ),
    "saturated": (
        lambda: (network(by=100), (X, T), {}),
        ["Layer 1", "tanh outputs", "h1", "start from the weights of a new MLP"],
        lambda: (network(), (X, T), {}),
    ),
    "saturated: output": (
        lambda: (wrong_and_sure(20.0), (X, T), {}),
        ["Layer 2", "50 % of its sigmoid outputs are far from their targets", "most of y,"],
        lambda: (wrong_and_sure(0.0), (X, T), {}),
    ),
    "symmetric": (
        lambda: (network(by=0.0), (X, T), {}),
        ["Layer 1", "h1, h2, h3, h4", "all 0", "new MLP"],
        lambda: (network(seed=4), (X, T), {}),
    ),
    "targets": (
        lambda: (network(), (X, LABELS), {}),
        ["50 of 100", "rows[", "−1", "sigmoid", "between 0 and 1", "(t + 1) / 2", '"tanh"'],
        lambda: (network(outside="tanh"), (X, LABELS), {}),
    ),
    "targets: probabilities": (
        lambda: (network(), (X, LABELS), {"loss": mg.binary_cross_entropy}),
        ["probabilities, 0 to 1", "(t + 1) / 2"],
        lambda: (network(), (X, [(t + 1) / 2 for t in LABELS]), {"loss": mg.binary_cross_entropy}),
    ),
    "targets: logits": (
        lambda: (network(outside="linear"), (X, LABELS), {"loss": mg.binary_cross_entropy_with_logits}),
        ["probabilities, 0 to 1"],
        lambda: (network(outside="linear"), (X, T), {"loss": mg.binary_cross_entropy_with_logits}),
    ),
    "targets: classes": (
        lambda: (network(4, 2, outside="linear"), (X, [t + 1 for t in T]), {"loss": mg.cross_entropy}),
        ["cross_entropy", "0 to 1", "rows[", "write t - 1"],
        lambda: (network(4, 2, outside="linear"), (X, T), {"loss": mg.cross_entropy}),
    ),
    "targets: hinge": (
        lambda: (network(outside="linear"), (X, T), {"loss": mg.hinge_loss}),
        ["hinge_loss wants −1 and 1", "2 * t - 1"],
        lambda: (network(outside="linear"), (X, [2 * t - 1 for t in T]), {"loss": mg.hinge_loss}),
    ),
    "targets: relu": (
        lambda: (network(8, 1, outside="relu"), (X, [-2.5 * t for t in T]), {}),
        ["never below 0", 'output_activation="linear"'],
        lambda: (network(8, 1, outside="linear"), (X, [-2.5 * t for t in T]), {}),
    ),
    "targets: tanh": (
        lambda: (network(outside="tanh"), (X, [3.0 * t for t in T]), {}),
        ["between −1 and 1", "−1 … 1", 'output_activation="linear"'],
        lambda: (network(outside="tanh"), (X, T), {}),
    ),
    "logits": (
        lambda: (network(), (X, T), {"loss": mg.binary_cross_entropy_with_logits}),
        ["by a sigmoid", 'output_activation="linear"', "loss=mg.binary_cross_entropy."],
        lambda: (network(outside="linear"), (X, T), {"loss": mg.binary_cross_entropy_with_logits}),
    ),
    "logits: in the loss": (
        lambda: (network(outside="linear"), (X, T), {"loss": logits_loss_of(mg.sigmoid)}),
        ["by a sigmoid", "leave the sigmoid out"],
        lambda: (network(), (X, T), {"loss": mg.binary_cross_entropy}),
    ),
    "logits: sigmoids for classes": (
        lambda: (network(4, 2), (X, T), {"loss": mg.cross_entropy}),
        ["by a sigmoid", "cross_entropy takes logits", 'output_activation="linear".'],
        lambda: (network(4, 2, outside="linear"), (X, T), {"loss": mg.cross_entropy}),
    ),
    "logits: softmax": (
        lambda: (network(4, 2, outside="linear"), (X, T), {"loss": softmax_twice}),
        ["by a softmax", "applies a softmax itself", "leave the softmax out"],
        lambda: (network(4, 2, outside="linear"), (X, T), {"loss": mg.cross_entropy}),
    ),
    "inputs": (
        lambda: (network(), raw(1000.0, 2000.0), {}),
        ["x1 has mean 2e+03 and spread 1e+03", "write (x - 2000) / 1000"],
        lambda: (network(), (X, T), {}),
    ),
    "inputs: small": (
        lambda: (network(), raw(0.001, -7.0), {}),
        ["x1 has mean −7 and spread 0.001", "write (x + 7) / 0.001"],
        lambda: (network(), (X, T), {}),
    ),
    "constant column": (
        lambda: (network(), ([[x, 7.0] for x, _ in X], T), {}),
        ["x2", "never varies", "Leave it out"],
        lambda: (network(), (X, T), {}),
    ),
    "zero_grad": (
        lambda: (after_passes(3), (X, T), {}),
        ["3 passes", "w11.grad", "model.zero_grad()"],
        lambda: (after_passes(1), (X, T), {}),
    ),
    "zero_grad: of the sum": (
        lambda: (after_passes(2, add_up=True), (X, T), {}),
        ["2 passes"],
        lambda: (after_passes(1, add_up=True), (X, T), {}),
    ),
    "learning rate too high": (
        lambda: (network(outside="linear"), (X, T), {"lr": 50}),
        ["learning rate 50", "promises", "write lr=0.391"],
        lambda: (network(outside="linear"), (X, T), {"lr": 0.391}),
    ),
    "learning rate too low": (
        lambda: (network(outside="linear"), (X, T), {"lr": 1e-6}),
        ["learning rate 1e-06", "write lr=0.1."],
        lambda: (network(outside="linear"), (X, T), {"lr": 0.1}),
    ),
    "same outputs": (
        lambda: (network(*DEEP, inside="sigmoid", by=0.2), (X, T), {}),
        ["the same in all 100 examples, 0.5"],
        lambda: (network(), (X, T), {}),
    ),
    "unbalanced": (
        lambda: (network(), (X, [0] * 98 + [1, 1]), {}),
        ["98 % are 0", "Repeat the other rows"],
        lambda: (network(), (X, T), {}),
    ),
    "not finite": (
        lambda: (with_weight(math.inf), (X, T), {"lr": 0.1}),
        ["is made of w32 = inf", "smaller weights"],
        lambda: (with_weight(0.5), (X, T), {"lr": 0.1}),
    ),
}


@pytest.mark.parametrize("name", PATHOLOGIES)
def test_a_pathology_is_named_and_its_cure_ends_the_finding(name: str) -> None:
    sick, words, cured = PATHOLOGIES[name]
    kind = name.partition(":")[0]
    model, data, options = sick()
    diagnosis = diagnose(model, data, **options)
    assert kind in kinds(diagnosis)
    [sentence] = [finding.sentence for finding in diagnosis.findings if finding.kind == kind]
    assert [word for word in words if word not in sentence] == []
    assert sentence.endswith((".", ")")) and " ".join(str(diagnosis).split()).count(sentence) == 1
    model, data, options = cured()
    assert kind not in kinds(diagnose(model, data, **options))


def test_every_kind_is_built_on_purpose() -> None:
    from microgradlike.diagnose import _FINDINGS

    assert {name.partition(":")[0] for name in PATHOLOGIES} == set(_FINDINGS)


# ── No false alarms ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("inside", ACTIVATIONS)
@pytest.mark.parametrize("sizes", [(1,), (2, 1), (8, 1), (8, 8, 1)], ids=str)
def test_new_networks_have_no_findings(inside: str, sizes: tuple[int, ...]) -> None:
    alarms = Counter[str]()
    for seed in range(21):
        for outside, lr in (("sigmoid", 0.5), ("linear", 0.05)):
            model = network(*sizes, inside=inside, outside=outside, seed=seed)
            alarms.update(kinds(diagnose(model, (X[::2], T[::2]), lr=lr)))
    # A relu of a second layer may be dead from the start, and that is true. Half of a hardtanh is flat.
    allowed = (
        {"dead"}
        if inside == "relu" and len(sizes) > 2
        else {"saturated"}
        if inside == "hardtanh"
        else set()
    )
    assert set(alarms) <= allowed
    assert alarms.total() <= 8  # of 42


def test_a_network_that_has_learned_has_no_findings() -> None:
    model = network(8, 1, inside="tanh")
    optimizer = mg.SGD(model.parameters(), lr=1.0)
    for _ in range(150):
        optimizer.zero_grad()
        mg.mean([mg.half_squared_error(model(x), t) for x, t in zip(X, T)]).backward()
        optimizer.step()
    assert diagnose(model, (X, T), lr=1.0).findings == []


def test_a_plateau_is_not_a_learning_rate_too_low() -> None:
    model = MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid", seed=1)
    rows, targets = xor()
    optimizer = mg.SGD(model.parameters(), lr=0.5)
    for _ in range(100):
        optimizer.zero_grad()
        mg.mean([mg.half_squared_error(model(x), t) for x, t in zip(rows, targets)]).backward()
        optimizer.step()
    assert diagnose(model, (rows, targets), lr=0.5).findings == []


def test_gradients_of_a_pass_in_parts_are_no_forgotten_zero_grad() -> None:
    model = network()
    for x, t in zip(X, T):
        mg.half_squared_error(model(x), t).backward(receipts=True)
    assert kinds(diagnose(model, (X, T))) == set()
    mg.half_squared_error(model(X[0]), T[0]).backward(receipts=True)
    assert "101 passes" in str(diagnose(model, (X, T)))  # receipts know


def test_a_rare_number_makes_a_column_vary() -> None:
    rows = [[x, 0.0] for x, _ in standardised(1000)[0]]
    rare = next(i for i in range(1000) if i not in _chosen(rows))
    rows[rare][1] = 1.0
    assert "constant column" not in kinds(diagnose(network(), (rows, [0, 1] * 500)))


def _chosen(rows: Rows) -> list[int]:
    import random

    return random.Random(0).sample(range(len(rows)), 500)


# ── Nothing changes ───────────────────────────────────────────────────────────────────────────────────


class Refuses(MLP):
    """Fails in the middle of everything, after it has spoilt what it can."""

    calls = 0

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        if self.calls == 150:
            for p in self.parameters():
                p.data, p.grad = 7.0, 7.0
            raise KeyError("hostile")
        return super().__call__(x)


def state(model: Module) -> list[tuple[str, int]]:
    return [(p.data.hex(), id(p.grad)) for p in model.parameters()]


@pytest.mark.parametrize("lr", [None, 0.1, 1e9, 1e-9])
def test_nothing_changes(lr: float | None) -> None:
    model = network()
    mg.half_squared_error(model(X[0]), T[0]).backward(receipts=True)
    model.layers[0].neurons[0].b.grad = mg.NOT_COMPUTED
    before = state(model)
    diagnose(model, (X, T), lr=lr)
    assert state(model) == before
    model.zero_grad()
    diagnose(model, (X, T), lr=lr)
    assert all(p.grad is mg.NOT_COMPUTED for p in model.parameters())


def test_nothing_changes_after_an_error() -> None:
    model = Refuses(2, [4, 1], activation="tanh")
    before = state(model)
    with pytest.raises(KeyError, match="hostile"):
        diagnose(model, (X, T), lr=0.1)
    assert state(model) == before
    with pytest.raises(TypeError, match="must be a Value"):
        diagnose(network(), (X, T), lambda y, t: 1.0)  # type: ignore[arg-type, return-value]


def test_values_of_others_keep_their_gradients() -> None:
    strange = Value(2.0, "strange")
    diagnose(network(), (X, T), lambda y, t: strange * mg.half_squared_error(y, t))
    assert strange.grad is mg.NOT_COMPUTED


def test_twice_the_same() -> None:
    data = standardised(1000)
    first, second = (str(diagnose(network(), data, lr=0.1)) for _ in range(2))
    assert first == second
    assert "on 500 of 1,000 examples, chosen by chance: mean loss" in " ".join(first.split())


# ── Odd models and data ───────────────────────────────────────────────────────────────────────────────


class Line(Module):
    def __init__(self) -> None:
        self.slope, self.offset = Value(1.0, "slope"), Value(0.5, "offset")

    def __call__(self, x: Any) -> Value:
        y: Value = self.slope * x[0] + self.offset
        return y


def test_any_module_has_one_row() -> None:
    diagnosis = diagnose(Line(), ([[1.0], [-1.0], [0.5]], [2.0, -2.0, 1.0]), lr=0.1)
    [layer] = diagnosis.layers
    assert (layer.name, layer.neurons, layer.dead, layer.saturated) == ("all", None, None, None)
    assert layer.weights == pytest.approx(math.hypot(1, 0.5))
    assert diagnosis.findings == []
    assert diagnosis.title == "Line on 3 examples: mean loss 0.417"
    assert kinds(diagnose(Line(), ([[1.0], [-1.0]], [2.0, -2.0]), lr=100)) == {"learning rate too high"}


def test_the_numbers_are_those_of_the_engine() -> None:
    model = network(3, 2, 1)
    layers = diagnose(model, (X, T)).layers
    loss = mg.mean([mg.half_squared_error(model(x), t) for x, t in zip(X, T)])
    loss.backward()
    for layer, numbers in zip(model.layers, layers):
        gradients = [p.grad for p in layer.parameters()]
        assert numbers.gradient == pytest.approx(math.hypot(*gradients), rel=1e-12)
        weights = [w.data for neuron in layer.neurons for w in neuron.w]
        assert numbers.weights == pytest.approx(math.hypot(*weights), rel=1e-12)
    assert [layer.neurons for layer in layers] == [3, 2, 1]


def test_one_example_and_no_hidden_layer() -> None:
    assert diagnose(MLP(2, [1]), ([[1.0, -0.5]], [0.5]), lr=0.1).findings == []
    model = network(inside="relu")
    assert "dead" not in kinds(diagnose(model, ([[1.0, -0.5]], [0.5])))  # half are off; that is no death


@pytest.mark.parametrize("size", [5e-324, 1e-300, 1e150, 1e300, 1e307])
@pytest.mark.parametrize("inside", ["tanh", "relu", "gelu"])
def test_numbers_at_the_ends_of_the_range(size: float, inside: str) -> None:
    rows = [[size * x / 3, y] for x, y in X]
    for model in (network(inside=inside, outside="linear"), network(inside=inside, by=size)):
        for targets in (T, [size * t for t in T]):
            diagnosis = diagnose(model, (rows, targets), lr=0.1)
            assert "inputs" in kinds(diagnosis)
            assert str(diagnosis) and diagnosis._repr_html_()


@pytest.mark.parametrize("model", [None, 3, MLP, lambda x: x, "MLP(2, [1])", Module()])
def test_no_model(model: Any) -> None:
    with pytest.raises(TypeError, match=r"^diagnose\(model, data\) examines a Module such as an MLP, not "):
        diagnose(model, (X, T))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((MLP(3, [1]), (X, T)), {}, r"takes 3 inputs, but the rows have 2$"),
        ((MLP(2, [1]), (X, T)), {"lr": 0}, "lr is 0: a learning rate is a finite number above 0"),
        ((MLP(2, [1]), (X, T)), {"lr": math.nan}, "lr is nan"),
        ((MLP(2, [1]), (X, T[1:])), {}, "99 targets"),
    ],
)
def test_wrong_arguments(arguments: tuple[Any, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        diagnose(*arguments, **options)


# ── Shown ─────────────────────────────────────────────────────────────────────────────────────────────

UGLY = "<script>alert(1)</script>\n$x$"


class _Page(html.parser.HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


def hostile() -> Iterator[Diagnosis]:
    class Ugly(MLP):
        def __repr__(self) -> str:
            return UGLY

    model = Ugly(2, [2, 1], activation="relu")
    for neuron in model.layers[0].neurons:
        neuron.name, neuron.b.data = UGLY, -50.0
    yield diagnose(model, (X, T))
    model.layers[0].neurons[0].w[0].data, model.layers[0].neurons[0].w[0].name = math.inf, UGLY
    yield diagnose(model, (X, T))


def test_a_notebook_shows_the_same_and_escapes_names() -> None:
    for diagnosis in hostile():
        page = _Page(diagnosis._repr_html_())
        assert page.tags == {"div", "p", "table", "tr", "th", "td"}
        assert page.text.split() == str(diagnosis).split()
        assert str(diagnosis).count("<script>") > 1 and "\n$x$" not in str(diagnosis)


def test_the_prompt_and_print_show_the_table() -> None:
    diagnosis = diagnose(network(8, 1, inside="relu"), (X, T))
    assert repr(diagnosis) == str(diagnosis)
    title, _, head, first, last, _, end, more = str(diagnosis).splitlines()
    assert "No learning rate was judged" in f"{end} {more}"
    assert title.startswith("MLP(2, [8, 1]")
    assert head.split() == [
        *("layer", "neurons", "activation", "dead", "saturated", "rms", "∂L/∂z", "|gradient|", "|weights|")
    ]
    assert first.split()[:6] == ["1", "8", "relu", "0", "%", "–"]
    assert last.split()[:6] == ["2", "1", "sigmoid", "–", "0", "%"]
    assert end.startswith("All is well")
    assert all(len(line) <= 100 for line in str(diagnosis).splitlines())


# ── What is said is so ────────────────────────────────────────────────────────────────────────────────


def test_healthy_networks_have_no_finding_and_ill_ones_have_theirs() -> None:
    """A part of the campaign; see `campaigns.diagnoses`."""
    result = campaign(
        6, 1, seed=2, only=("vanishing, tanh", "symmetric, 0", "inputs, large", "learning rate")
    )
    assert (result.alarms, result.missed, result.worse) == ([], [], [])


@pytest.mark.parametrize("passes", [2, 3, 30])
@pytest.mark.parametrize("moving", [0.0, 0.01])
def test_a_forgotten_zero_grad_is_known_by_the_examples_in_its_receipts(passes: int, moving: float) -> None:
    model = network()
    for _ in range(passes):
        mg.mean([mg.half_squared_error(model(x), t) for x, t in zip(X, T)]).backward(receipts=True)
        for p in model.parameters():
            p.data -= moving * p.grad
    [finding] = diagnose(model, (X, T)).findings
    assert finding.kind == "zero_grad"
    assert f"in {passes} passes over {100 * passes:,} examples, but there are 100" in finding.sentence


def test_what_the_gradients_do_not_say_is_said_to_be_unknown() -> None:
    model = network()
    for _ in range(20):
        mg.mean([mg.half_squared_error(model(x), t) for x, t in zip(X, T)]).backward()
        for p in model.parameters():
            p.data -= 0.1 * p.grad
    diagnosis = diagnose(model, (X, T))
    assert "zero_grad" not in kinds(diagnosis)
    assert "call loss.backward(receipts=True) and diagnose again" in " ".join(str(diagnosis).split())


def test_the_units_are_those_of_the_training() -> None:
    rows = [[1e4 * x, y] for x, y in X]
    targets = [1e5 * (x - 0.5 * y) + 3e5 for x, y in X]
    model = MLP(2, [6, 1], activation="tanh", seed=1)
    optimizer = mg.Adam(model.parameters(), lr=0.02)
    mg.fit(model, (rows, targets), optimizer=optimizer, epochs=1, standardize=True, progress=False)
    new = diagnose(model, (rows, targets), optimizer=optimizer)
    assert new.findings == [] and new.rate == 0.02
    assert new.loss > 1e9, "the loss is said in the user's units"
    mg.fit(model, (rows, targets), optimizer=optimizer, epochs=200, progress=False)
    assert diagnose(model, (rows, targets), optimizer=optimizer).findings == []


def test_an_optimizer_is_judged_by_its_own_steps_and_not_changed() -> None:
    model = network(outside="linear")
    optimizer = mg.Adam(model.parameters(), lr=1e-7)
    before = optimizer.state_dict()
    [finding] = diagnose(model, (X, T), optimizer=optimizer).findings
    assert finding.kind == "learning rate too low" and "gradient descent" not in finding.sentence
    assert optimizer.state_dict() == before
    with pytest.raises(TypeError, match=r"optimizer is an Optimizer such as Adam"):
        diagnose(model, (X, T), optimizer=0.1)  # type: ignore[arg-type]
