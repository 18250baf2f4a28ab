"""Neurons, layers, networks: their names, their first weights, their files."""

import copy
import json
import math
import os
import pickle
import random
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

import microgradlike
from microgradlike import MLP, Layer, Module, Neuron, Value, topological_order
from microgradlike.nn import ACTIVATIONS


def names(module: Module) -> list[str]:
    return [name for name, _ in module.named_parameters()]


def node_names(values: list[Value]) -> set[str]:
    return {node.name for node in topological_order(*values)}


# ── Names ─────────────────────────────────────────────────────────────────────────────────────────────


def test_names_of_the_document() -> None:
    network = MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
    parameters = ["w11", "w12", "b1", "w21", "w22", "b2", "w31", "w32", "b3"]
    assert names(network) == parameters
    assert [parameter.name for parameter in network.parameters()] == parameters
    y = network([1.0, 2.0])
    assert node_names([y]) == {*parameters, "x1", "x2", "z1", "h1", "z2", "h2", "z3", "y"}
    assert y.name == "y"


def test_a_linear_neuron_has_no_z() -> None:
    assert node_names([MLP(1, [1])([1.0])]) == {"w11", "b1", "x1", "y"}


def test_several_outputs_are_numbered() -> None:
    ys = MLP(1, [1, 2], output_activation="sigmoid")([1.0])
    assert [y.name for y in ys] == ["y1", "y2"]
    assert {"z1", "h1", "z2", "z3"} < node_names(ys)
    assert "h2" not in node_names(ys)


def test_from_neuron_ten_on_a_comma_parts_the_numbers() -> None:
    found = names(MLP(3, [9, 2]))
    assert found[:4] == ["w11", "w12", "w13", "b1"]
    assert found[-20:-16] == ["w10,1", "w10,2", "w10,3", "w10,4"]
    assert found[-11:-8] == ["b10", "w11,1", "w11,2"]
    assert found[-1] == "b11"


def test_from_input_ten_on_a_comma_parts_the_numbers() -> None:
    assert names(MLP(10, [1])) == [f"w1,{i}" for i in range(1, 11)] + ["b1"]
    assert names(MLP(9, [1])) == [f"w1{i}" for i in range(1, 10)] + ["b1"]


def test_names_are_unique() -> None:
    found = names(MLP(12, [11, 3, 12, 2]))
    assert len(found) == 13 * 11 + 12 * 3 + 4 * 12 + 13 * 2
    assert len(set(found)) == len(found)


def test_names_of_values_that_go_in_stay() -> None:
    a, b = Value(1.0, name="height"), Value(2.0)
    assert node_names([Neuron(2)([a, b])]) == {"w11", "w12", "b1", "height", "", "z1", "h1"}


def test_names_of_a_layer_and_a_neuron_alone() -> None:
    assert [h.name for h in Layer(2, 2)([1.0, 2.0])] == ["h1", "h2"]
    assert names(Layer(1, 2, first=4)) == ["w41", "b4", "w51", "b5"]
    assert Neuron(1, number=7, name="out")([1.0]).name == "out"


def test_repr_is_what_to_write() -> None:
    for module in (
        MLP(2, [3, 1], activation="tanh", output_activation="sigmoid"),
        Layer(2, 3, activation="elu"),
        Neuron(2, nonlin=False),
    ):
        assert repr(eval(repr(module))) == repr(module)


# ── What goes in ──────────────────────────────────────────────────────────────────────────────────────

MODULES = [MLP(2, [3, 1]), Layer(2, 3), Neuron(2)]


@pytest.mark.parametrize("module", MODULES, ids=repr)
@pytest.mark.parametrize("x", [[], [1.0], [1.0, 2.0, 3.0]])
def test_the_wrong_number_of_inputs(module: Any, x: list[float]) -> None:
    with pytest.raises(ValueError, match=rf"{re.escape(repr(module))} takes 2 inputs, got {len(x)}"):
        module(x)


@pytest.mark.parametrize("module", MODULES, ids=repr)
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (1.0, r"write \[x\], not x"),
        (Value(1.0), r"write \[x\], not x"),
        (np.int64(1), r"write \[x\], not x"),
        (["a", "b"], "a real number is needed, not 'a'"),
        ([[1.0, 2.0], [3.0, 4.0]], "a real number is needed"),
        ([1.0, None], "a real number is needed, not None"),
    ],
    ids=repr,
)
def test_what_is_no_list_of_numbers(module: Any, x: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        module(x)


@pytest.mark.parametrize("module", MODULES, ids=repr)
def test_numbers_of_every_kind(module: Any) -> None:
    def out(x: Any) -> list[float]:
        y = module(x)
        return [v.data for v in y] if isinstance(y, list) else [y.data]

    expected = out([1.0, 2.0])
    for x in (
        (1, 2),
        [True, Value(2)],
        np.array([1.0, 2.0]),
        np.array([1, 2]),
        np.array([1, 2], dtype=np.float32),
    ):
        assert out(x) == expected


def test_inputs_get_a_gradient() -> None:
    neuron, x = Neuron(1, nonlin=False), Value(3.0)
    neuron([x]).backward()
    assert x.grad == neuron.w[0].data


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("x", [-1.5, 0.25])
def test_activations(activation: str, x: float) -> None:
    """Each is the function of that name, at its usual constants."""
    neuron = Neuron(1, activation=activation)
    neuron.w[0].data, neuron.b.data = 2.0, 0.5
    z = 2.0 * x + 0.5
    expected = z if activation == "linear" else getattr(microgradlike, activation)(z)
    assert neuron([x]).data == expected
    assert Neuron(1, activation=activation, nonlin=False).activation == "linear"


def test_layers_are_joined_in_order() -> None:
    network = MLP(2, [3, 2], activation="tanh")
    hidden, last = network.layers
    assert [y.data for y in network([0.5, -1.0])] == [y.data for y in last(hidden([0.5, -1.0]))]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: MLP(2, []), ValueError, r"an MLP needs a layer: MLP\(2, \[1\]\)"),
        (lambda: MLP(0, [1]), ValueError, "inputs must be a whole number from 1 on, not 0"),
        (lambda: MLP(2, [2, 0]), ValueError, "outputs must be a whole number from 1 on, not 0"),
        (lambda: MLP(2, [-1]), ValueError, "outputs must be a whole number from 1 on, not -1"),
        (lambda: MLP(2.5, [1]), (TypeError, ValueError), "inputs must be a whole number .*2.5"),  # type: ignore[arg-type]
        (lambda: MLP(2, 3), (TypeError, ValueError), r"\[3\]|list"),  # type: ignore[arg-type]
        (
            lambda: MLP(2, [1, 1], activation="sigmoide"),
            ValueError,
            "'sigmoide': choose one of linear, sig",
        ),
        (lambda: MLP(2, [1], output_activation="Tanh"), ValueError, "no activation is called 'Tanh'"),
        (lambda: Layer(2, 2, activation=""), ValueError, "no activation is called ''"),
    ],
)
def test_bad_shapes_and_activations(make: Callable[[], Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        make()


# ── The first weights ─────────────────────────────────────────────────────────────────────────────────


def test_weights_of_seed_0() -> None:
    """They are the same on every machine and in every version."""
    assert MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid", seed=0).state_dict() == {
        "w11": 3.3746311700039833,
        "w12": 2.5274266564321186,
        "b1": 0.0,
        "w21": -0.778236392161312,
        "w22": -2.3621237892568874,
        "b2": 0.0,
        "w31": 0.031889727742927754,
        "w32": -0.2688868642726412,
        "b3": 0.0,
    }


def test_seeds() -> None:
    assert MLP(3, [4, 2], seed=5).state_dict() == MLP(3, [4, 2], seed=5).state_dict()
    assert MLP(3, [4, 2]).state_dict() == MLP(3, [4, 2]).state_dict()
    # Neurons and layers of their own differ from one another, unless they are told where to begin.
    assert Layer(3, 4).state_dict() != Layer(3, 4).state_dict()
    assert Neuron(3).state_dict() != Neuron(3).state_dict()
    first, second = (Neuron(3, rng=random.Random(7)).state_dict() for _ in range(2))
    assert first == second
    assert MLP(3, [4, 2], seed=5).state_dict() != MLP(3, [4, 2], seed=6).state_dict()


def test_the_global_random_state_is_left_alone() -> None:
    random.seed(1)
    expected = random.random()
    random.seed(1)
    MLP(3, [4, 2])
    assert random.random() == expected


def test_weights_differ_from_one_another() -> None:
    weights = [p.data for p in MLP(5, [5, 5]).parameters() if p.name.startswith("w")]
    assert len(set(weights)) == len(weights) == 50


N, M = 30, 40
HE, GLOROT = math.sqrt(6 / N), math.sqrt(6 / (N + M))
LIMITS = {
    "linear": GLOROT,
    "tanh": GLOROT,
    "softsign": GLOROT,
    "hardtanh": GLOROT,
    "sigmoid": 4 * GLOROT,
    "relu": HE,
    "leaky_relu": HE,
    "elu": HE,
    "softplus": HE,
    "silu": HE,
    "gelu": HE,
    "selu": math.sqrt(3 / N),
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_initialisation_suits_the_activation(activation: str) -> None:
    """Weights uniform in ±limit, as the docstring of MLP says, and biases 0."""
    assert_uniform(MLP(N, [M, 1], activation=activation).layers[0], LIMITS[activation])
    assert_uniform(MLP(N, [M], output_activation=activation).layers[0], GLOROT)


def assert_uniform(layer: Layer, limit: float) -> None:
    weights = [w.data for neuron in layer.neurons for w in neuron.w]
    assert 0.99 * limit < max(weights) <= limit
    assert -limit <= min(weights) < -0.99 * limit
    mean_square = sum(w * w for w in weights) / len(weights)
    assert mean_square == pytest.approx(limit**2 / 3, rel=0.1)
    assert {neuron.b.data for neuron in layer.neurons} == {0.0}


# ── Modules of your own ───────────────────────────────────────────────────────────────────────────────


class Everything(Module):
    def __init__(self) -> None:
        self.title = "no parameter"
        self.rate = 0.1
        self.w = Value(1.0)
        self.list = [Value(2.0), 7, [Value(3.0)]]
        self.table = {"a": Value(4.0), "b": (Value(5.0), None)}
        self.inner = Line(6.0)
        self.lines = [Line(7.0), Line(8.0)]
        self.network = MLP(1, [1])
        self.result = self.w * 2

    def __call__(self, x: float) -> Value:
        return self.network([self.inner.slope * x])  # type: ignore[no-any-return]


class Line(Module):
    def __init__(self, slope: float) -> None:
        self.slope = Value(slope, name="named for a picture")


def test_parameters_are_found_in_attributes_lists_dicts_and_modules() -> None:
    model = Everything()
    state = model.state_dict()
    assert list(state) == [
        "w",
        "list.0",
        "list.2.0",
        "table.a",
        "table.b.0",
        "inner.slope",
        "lines.0.slope",
        "lines.1.slope",
        "network.w11",
        "network.b1",
    ]
    assert list(state.values())[:8] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    assert [p.data for p in model.parameters()] == list(state.values())


def test_zero_grad_reaches_every_parameter() -> None:
    model = Everything()
    for parameter in model.parameters():
        parameter.grad = 3.0
    model.zero_grad()
    assert [parameter.grad for parameter in model.parameters()] == [0.0] * 10
    assert "grad" not in repr(model.w), "not computed, which is not a gradient of 0"


def test_a_module_without_parameters() -> None:
    assert Module().parameters() == []
    assert Module().state_dict() == {}


def test_a_shared_parameter_is_one_parameter() -> None:
    """Else an optimiser would move it twice a step."""

    class Tied(Module):
        def __init__(self) -> None:
            self.encoder = Line(2.0)
            self.decoder = self.encoder

    model = Tied()
    assert model.parameters() == [model.encoder.slope]


def test_a_model_of_your_own_saves_and_loads(tmp_path: Path) -> None:
    model, other = Everything(), Everything()
    for i, parameter in enumerate(model.parameters()):
        parameter.data = i / 3
    model.save(tmp_path / "model.json")
    other.load(tmp_path / "model.json")
    assert other.state_dict() == model.state_dict()
    with pytest.raises(ValueError, match="its model is 'Everything', that of this model 'Line'"):
        Line(1.0).load(tmp_path / "model.json")


# ── Numbers in and out ────────────────────────────────────────────────────────────────────────────────


def test_load_state_dict_takes_any_real_numbers() -> None:
    neuron = Neuron(2)
    neuron.load_state_dict({"b1": 1, "w12": np.float64(0.5), "w11": Value(0.25)})
    assert neuron.state_dict() == {"w11": 0.25, "w12": 0.5, "b1": 1.0}
    assert [type(parameter.data) for parameter in neuron.parameters()] == [float] * 3


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"b1": None}, TypeError, "b1: a real number is needed, not None"),
        ({"b1": "1.0"}, TypeError, "b1: a real number is needed, not '1.0'"),
        ({"b1": [1.0]}, TypeError, r"b1: a real number is needed, not \[1.0\]"),
        ({"b1": math.nan}, ValueError, "b1 is nan"),
        ({"b1": -math.inf}, ValueError, "b1 is -inf"),
        ({"b1": 10**400}, ValueError, "b1"),
        ({"b2": 1.0}, KeyError, "the model has no parameter b2; it has w11, b1"),
    ],
    ids=lambda x: repr(x)[:20],
)
def test_load_state_dict_refuses(change: dict[str, Any], error: type[Exception], message: str) -> None:
    neuron = Neuron(1)
    before = neuron.state_dict()
    with pytest.raises(error, match=message):
        neuron.load_state_dict({**before, "w11": 7.0, **change})
    assert neuron.state_dict() == before


def test_load_state_dict_names_what_is_missing() -> None:
    with pytest.raises(KeyError, match=r"no number for w11, w12, b1, w21, w22, b2 and 3 more"):
        MLP(2, [2, 1]).load_state_dict({})


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────────

AWKWARD = [0.1, 1 / 3, -0.0, 5e-324, 1.7976931348623157e308, 2**-1022, -123456789.123456789, 1e22, 3.0]


@pytest.fixture
def network() -> MLP:
    network = MLP(2, [2, 1], activation="tanh", output_activation="sigmoid")
    for parameter, number in zip(network.parameters(), AWKWARD, strict=True):
        parameter.data = number
    return network


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.json"


def bits(module: Module) -> list[str]:
    """The parameters to the bit, the sign of zero included."""
    return [parameter.data.hex() for parameter in module.parameters()]


def fresh() -> MLP:
    return MLP(2, [2, 1], activation="tanh", output_activation="sigmoid", seed=3)


def test_save_and_load_give_the_same_bits(network: MLP, path: Path) -> None:
    network.save(path)
    other = fresh()
    other.load(path)
    assert bits(other) == bits(network)


def test_from_file(network: MLP, path: Path) -> None:
    network.save(str(path))
    other = MLP.from_file(str(path))
    assert bits(other) == bits(network)
    assert repr(other) == repr(network)
    assert names(other) == names(network)


@pytest.mark.parametrize("module", [Layer(2, 3), Neuron(3, activation="elu"), MLP(1, [11, 2])], ids=repr)
def test_every_module_saves_and_loads(module: Module, path: Path) -> None:
    expected = bits(module)
    module.save(path)
    for parameter in module.parameters():
        parameter.data = 9.0
    module.load(path)
    assert bits(module) == expected


def test_a_path_with_spaces_and_every_alphabet(network: MLP, tmp_path: Path) -> None:
    path = tmp_path / "моя модель – höhe 高さ"
    path.mkdir()
    network.save(path / "a b ½.json")
    assert bits(MLP.from_file(path / "a b ½.json")) == bits(network)
    assert os.listdir(path) == ["a b ½.json"]


def test_the_file_is_readable_json(network: MLP, path: Path) -> None:
    network.save(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["format"] == "microgradlike model"
    assert content["version"] == 2
    assert content["sizes"] == [2, 2, 1]
    assert content["parameters"] == network.state_dict()


def test_a_name_given_for_a_picture_does_not_spoil_the_file(network: MLP, path: Path) -> None:
    """``Value.name`` is for pictures and free; the names in a file are those of the structure."""
    for parameter in network.parameters():
        parameter.name = "w"
    network.save(path)
    assert bits(MLP.from_file(path)) == bits(network)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_what_is_not_finite_is_not_saved(network: MLP, path: Path, number: float) -> None:
    network.save(path)
    before = path.read_bytes()
    network.parameters()[4].data = number
    with pytest.raises(ValueError, match=f"w22 is {number}"):
        network.save(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_a_save_that_is_interrupted_leaves_the_old_file(
    network: MLP, path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise error

    network.save(path)
    before = path.read_bytes()
    network.parameters()[0].data = 7.0
    with monkeypatch.context() as patch:
        patch.setattr(step, interrupt)
        with pytest.raises(type(error)):
            network.save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["model.json"]
    network.save(path)
    assert path.read_bytes() != before


def test_no_reader_sees_half_a_file(network: MLP, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the last step the old file stands; that step is a replacement, not a write."""
    network.save(path)
    before, seen = path.read_bytes(), []
    replace = Path.replace

    def watch(self: Path, target: Path) -> Path:
        seen.append(path.read_bytes())
        return replace(self, target)

    monkeypatch.setattr("pathlib.Path.replace", watch)
    network.parameters()[0].data = 7.0
    network.save(path)
    assert seen == [before]
    assert path.read_bytes() != before


@pytest.mark.skipif(os.name != "posix", reason="links and modes are POSIX's")
def test_a_link_is_followed_and_the_mode_stays(network: MLP, tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    network.save(link)
    assert link.is_symlink()
    assert bits(MLP.from_file(target)) == bits(network)
    assert target.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("do", [Module.save, Module.load, lambda _, path: MLP.from_file(path)])
def test_a_missing_directory(network: MLP, tmp_path: Path, do: Callable[[Module, Path], Any]) -> None:
    path = tmp_path / "missing" / "model.json"
    with pytest.raises(FileNotFoundError) as caught:
        do(network, path)
    assert caught.value.filename in {path, str(path)}
    assert str(caught.value) == f"[Errno 2] No such file or directory: {str(path)!r}"


@pytest.mark.parametrize("do", [Module.save, Module.load, lambda _, path: MLP.from_file(path)])
def test_a_directory_is_no_file(network: MLP, tmp_path: Path, do: Callable[[Module, Path], Any]) -> None:
    with pytest.raises(OSError, match=re.escape(str(tmp_path))):
        do(network, tmp_path)
    assert os.listdir(tmp_path) == []


def assert_refused(path: Path, message: str = ".") -> None:
    """By `load` and by `from_file`, with a ValueError that names the file; the model stays."""
    network = fresh()
    before = bits(network)
    for read in (network.load, MLP.from_file):
        with pytest.raises(ValueError, match=message) as caught:
            read(path)
        assert str(path) in str(caught.value)
    assert bits(network) == before


def test_a_file_that_is_cut_off_at_any_byte(network: MLP, path: Path) -> None:
    network.save(path)
    content = path.read_bytes()
    assert content.endswith(b"}\n")
    for size in range(len(content) - 1):  # without its last byte, a newline, the file is whole
        path.write_bytes(content[:size])
        assert_refused(path, "cut off|no model file")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"[]",
        b"3",
        b"null",
        b'{"format": "something else"}',
        bytes(range(256)) * 4,
        b"\x89PNG\r\n\x1a\n\x00\x00",
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"format":' * 100_000,
    ],
    ids=lambda content: repr(content[:12]),
)
def test_what_is_no_model_file(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert_refused(path)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ('"0.5"', "w21 is '0.5', not a number"),
        ("null", "w21 is None, not a number"),
        ("true", "w21 is True, not a number"),
        ("[0.5]", r"w21 is \[0.5\], not a number"),
        ("{}", "w21 is {}, not a number"),
        ("NaN", "w21 is nan"),
        ("Infinity", "w21 is inf"),
        ("-Infinity", "w21 is -inf"),
        ("1e999", "w21 is inf"),
        ("1" + "0" * 400, "w21"),
        ("1" + "0" * 5000, "."),
    ],
    ids=lambda x: x[:12],
)
def test_a_parameter_that_is_no_number(network: MLP, path: Path, number: str, message: str) -> None:
    network.save(path)
    text, count = re.subn(r'("w21": )[^,]+', rf"\g<1>{number}", path.read_text(encoding="utf-8"))
    assert count == 1
    path.write_text(text, encoding="utf-8")
    assert_refused(path, message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 3}, "version 3 of the format is unknown here"),
        ({"version": "1"}, "version '1' of the format is unknown"),
        ({"version": None}, "version None of the format is unknown"),
        ({"format": "other"}, "no model file"),
        ({"model": "Layer"}, "its model is 'Layer'"),
        ({"sizes": [2, 3, 1]}, r"\[2, 3, 1\]"),
        ({"sizes": [2, 2, 1, 1]}, r"\[2, 2, 1, 1\]"),
        ({"sizes": []}, "."),
        ({"sizes": None}, "."),
        ({"sizes": "ab"}, "."),
        ({"sizes": [2, -3]}, "."),
        ({"sizes": [2.0, 2, 1.5]}, "."),
        ({"sizes": [2, [2], 1]}, "."),
        ({"sizes": [10**9, 10**9, 1]}, "."),
        ({"sizes": [10**400, 1]}, "."),
        ({"activation": []}, "."),
        ({"activation": "unheard of"}, "unheard of"),
        ({"output_activation": None}, "."),
        ({"parameters": None}, "it has no parameters"),
        ({"parameters": [1.0]}, "it has no parameters"),
        ({"parameters": {}}, "no number for w11|0 parameters do not fit"),
        ({"parameters": {f"v{i}": 1.0 for i in range(9)}}, "no number for w11|no parameter v0"),
    ],
    ids=lambda x: repr(x)[:40],
)
def test_a_file_of_something_else(network: MLP, path: Path, change: dict[str, Any], message: str) -> None:
    network.save(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, **change}), encoding="utf-8")
    assert_refused(path, message)


def test_sizes_are_checked_before_anything_is_built(
    network: MLP, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 → 10⁹ → −2 → −11 takes 2·10⁹ − 2(10⁹ + 1) + 11 = 9 parameters, and all of the memory."""
    network.save(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "sizes": [1, 10**9, -2, -11]}), encoding="utf-8")

    def build(*_: object, **__: object) -> NoReturn:
        pytest.fail("a neuron was built")

    monkeypatch.setattr("microgradlike.nn.Neuron", build)
    with pytest.raises(ValueError, match=re.escape(str(path))):
        MLP.from_file(path)


@pytest.mark.parametrize("key", ["format", "version", "model", "sizes", "activation", "parameters"])
def test_a_file_without_a_key(network: MLP, path: Path, key: str) -> None:
    network.save(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    del content[key]
    path.write_text(json.dumps(content), encoding="utf-8")
    assert_refused(path)


@pytest.mark.parametrize(
    "other",
    [
        MLP(2, [3, 1], activation="tanh", output_activation="sigmoid"),
        MLP(2, [2, 1], activation="relu", output_activation="sigmoid"),
        MLP(2, [2, 1], activation="tanh"),
        Layer(2, 3),
    ],
    ids=repr,
)
def test_the_file_of_another_model(network: MLP, path: Path, other: Module) -> None:
    other.save(path)
    before = bits(network)
    with pytest.raises(ValueError, match=r"its (model|sizes|activation|output_activation) is"):
        network.load(path)
    assert bits(network) == before


# ── Copies ────────────────────────────────────────────────────────────────────────────────────────────


def through_pickle(network: MLP) -> MLP:
    copied = pickle.loads(pickle.dumps(network))
    assert isinstance(copied, MLP)
    return copied


@pytest.mark.parametrize("copy_of", [copy.deepcopy, through_pickle])
def test_deepcopy_and_pickle(network: MLP, copy_of: Callable[[MLP], MLP]) -> None:
    network([0.5, -1.0]).backward()
    copied = copy_of(network)
    assert bits(copied) == bits(network)
    assert names(copied) == names(network)
    assert [p.grad for p in copied.parameters()] == [p.grad for p in network.parameters()]
    assert repr(copied) == repr(network)
    assert copied([0.5, -1.0]).data == network([0.5, -1.0]).data

    before = bits(network)
    for parameter in copied.parameters():
        parameter.data += 1.0
    assert bits(network) == before, "a copy shares nothing"


@pytest.mark.parametrize("copy_of", [copy.deepcopy, through_pickle])
def test_copies_know_that_no_gradient_is_computed(network: MLP, copy_of: Callable[[MLP], MLP]) -> None:
    """The repr of a parameter shows a gradient only where one was computed."""
    assert [repr(p) for p in copy_of(network).parameters()] == [repr(p) for p in network.parameters()]
    assert "grad" not in repr(copy_of(network).parameters()[0])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_ordinary_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        MLP(2, [1]).save(pipe)
        assert b'"w11"' in os.read(reader, 65536)
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_several_outputs_are_a_list_that_says_so() -> None:
    outputs = MLP(2, [3, 2])([1.0, 2.0])
    assert isinstance(outputs, list) and repr(outputs) == repr(list(outputs))
    for name in ["backward", "data", "grad"]:
        with pytest.raises(AttributeError, match=rf"these are 2 outputs, a list.* outputs\[0\]\.{name},"):
            getattr(outputs, name)
    with pytest.raises(AttributeError, match="a list of outputs has no attribute 'shape'"):
        outputs.shape  # type: ignore[attr-defined]
    assert [y.data for y in copy.deepcopy(outputs)] == [y.data for y in outputs]
    assert [y.data for y in pickle.loads(pickle.dumps(outputs))] == [y.data for y in outputs]


@pytest.mark.parametrize("layers", [3, 2.0, Value(2.0), None])
def test_layers_that_are_no_list(layers: object) -> None:
    with pytest.raises(TypeError, match="the layers of an MLP are a list of numbers: write"):
        MLP(2, layers)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"activation": "sigmiod"}, {"output_activation": "Sigmoid"}])
def test_an_activation_that_no_layer_uses_is_checked_too(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="no activation is called"):
        MLP(2, [1], **options)  # type: ignore[arg-type]
