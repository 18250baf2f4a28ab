"""Parameters: a leaf Value anywhere in a model is found, named, trained and saved; or something says so."""

import functools
import types
import warnings
from collections import UserDict, UserList, deque, namedtuple
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import microgradlike as mg
from microgradlike import MLP, Value
from microgradlike.nn import Layer, Module, Neuron

Pair = namedtuple("Pair", "first second")


def leaf() -> Value:
    return Value(1.0)


#: Things with two leaf Values in them, and the names of these in the attribute ``a``.
SEEN: dict[str, tuple[Any, list[str]]] = {
    "list": (lambda: [leaf(), leaf()], ["a.0", "a.1"]),
    "nested": (lambda: [[leaf()], {"b": (leaf(),)}], ["a.0.0", "a.1.b.0"]),
    "dict": (lambda: {"x": leaf(), 3: leaf()}, ["a.x", "a.3"]),
    "deque": (lambda: deque([leaf(), leaf()]), ["a.0", "a.1"]),
    "named tuple": (lambda: Pair(leaf(), leaf()), ["a.0", "a.1"]),
    "array": (lambda: np.array([leaf(), leaf()]), ["a.0", "a.1"]),
    "matrix": (lambda: np.array([[leaf()], [leaf()]]), ["a.0.0", "a.1.0"]),
    "array without axes": (lambda: [np.array(leaf()), leaf()], ["a.0", "a.1"]),
    "user's list": (lambda: UserList([leaf(), leaf()]), ["a.0", "a.1"]),
    "user's dict": (lambda: UserDict({"x": leaf(), "y": leaf()}), ["a.x", "a.y"]),
    "proxy": (lambda: types.MappingProxyType({"x": leaf(), "y": leaf()}), ["a.x", "a.y"]),
    "neuron": (lambda: Neuron(1), ["a.w11", "a.b1"]),
    "layers": (lambda: [Layer(1, 1)], ["a.0.w11", "a.0.b1"]),
    "network": (lambda: MLP(1, [1]), ["a.w11", "a.b1"]),
    "among other things": (
        lambda: [1.0, "x", leaf(), None, range(10**9), leaf() * 2, leaf()],
        ["a.2", "a.6"],
    ),
}


class Own(Module):
    pass


class OwnNeuron(Neuron):
    pass


class OwnLayer(Layer):
    pass


class OwnNetwork(MLP):
    pass


#: Models with the names of the parameters that they have by themselves.
MODELS: dict[str, tuple[Any, list[str]]] = {
    "Module": (Own, []),
    "Neuron": (lambda: OwnNeuron(1), ["w11", "b1"]),
    "Layer": (lambda: OwnLayer(1, 1), ["w11", "b1"]),
    "MLP": (lambda: OwnNetwork(1, [1]), ["w11", "b1"]),
    "MLP itself": (lambda: MLP(1, [1]), ["w11", "b1"]),
    "Neuron itself": (lambda: Neuron(1), ["w11", "b1"]),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("thing", SEEN)
def test_a_value_is_found_and_saved_wherever_it_is(tmp_path: Path, model: str, thing: str) -> None:
    def make() -> Any:
        module = MODELS[model][0]()
        module.a = SEEN[thing][0]()
        return module

    first, second = make(), make()
    names = [*MODELS[model][1], *SEEN[thing][1]]
    assert [name for name, _ in first.named_parameters()] == names
    assert first.parameters() == [p for _, p in first.named_parameters()]
    for i, p in enumerate(first.parameters()):
        p.data = 10.0 + i
    first.save(tmp_path / "model.json")
    second.load(tmp_path / "model.json")
    assert [p.data for p in second.parameters()] == [10.0 + i for i in range(len(names))]


def test_a_value_in_a_subclass_of_a_network_is_trained_and_saved() -> None:
    class Scaled(MLP):
        def __init__(self) -> None:
            super().__init__(2, [2, 1])
            self.scale = Value(1.0)

        def __call__(self, x: Any) -> Any:
            return super().__call__(x) * self.scale

    model = Scaled()
    assert [*model.state_dict()][-2:] == ["b3", "scale"]
    mg.fit(model, mg.data.xor(), epochs=3, progress=False)
    assert model.scale.data != 1.0


def test_parts_of_a_network_may_have_parameters_of_their_own() -> None:
    class Steep(Neuron):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.slope = Value(1.0)

    network = MLP(1, [2, 1])
    network.layers[0].neurons[1] = Steep(1, number=2)
    network.layers[0].gain = Value(1.0)  # type: ignore[attr-defined]
    names = [name for name, _ in network.named_parameters()]
    assert names == [
        *("w11", "b1", "w21", "b2", "layers.0.neurons.1.slope", "layers.0.gain", "w31", "w32", "b3"),
    ]
    assert network.parameters() == [p for _, p in network.named_parameters()]


def test_slots_and_attributes_of_classes_are_looked_at() -> None:
    class Slotted(Module):
        __slots__ = ("__hidden", "bare", "unset")

        def __init__(self) -> None:
            self.bare = Value(1.0)
            self.__hidden = [Value(2.0)]

    class Shared(Slotted):
        scale = Value(3.0)
        __slots__ = "single"  # noqa: PLC0205

    model: Any = Shared()
    model.single = Value(4.0)
    names = dict(model.named_parameters())
    assert {name: p.data for name, p in names.items()} == {
        "single": 4.0,
        "_Slotted__hidden.0": 2.0,
        "bare": 1.0,
        "scale": 3.0,
    }
    Shared.scale.data = 3.0
    model.scale = Value(5.0)  # hides that of the class
    assert model.state_dict()["scale"] == 5.0


def test_two_parameters_never_share_a_name(tmp_path: Path) -> None:
    class Keys(Module):
        def __init__(self, keys: list[Any]) -> None:
            self.d = {key: Value(float(i)) for i, key in enumerate(keys)}

    model = Keys([1, "1", "a"])
    assert model.state_dict() == {"d[1]": 0.0, "d['1']": 1.0, "d.a": 2.0}
    model.save(tmp_path / "model.json")
    other = Keys(["1", 1, "a"])  # in another order
    other.load(tmp_path / "model.json")
    assert [p.data for p in other.parameters()] == [1.0, 0.0, 2.0]

    nested = Keys([])
    nested.d = {"a.b": Value(1.0), "a": {"b": Value(2.0)}}  # type: ignore[dict-item]
    assert nested.state_dict() == {"d['a.b']": 1.0, "d['a']['b']": 2.0}

    network = MLP(1, [1, 1])
    network.layers.append(Layer(1, 1))  # its neuron is number 1, too
    assert [*network.state_dict()][-2:] == ["layers[2].neurons[0].w[0]", "layers[2].neurons[0].b"]
    assert len(network.state_dict()) == 6

    class Same:
        def __repr__(self) -> str:
            return "same"

    with pytest.raises(ValueError, match=r"two parameters are called d\[same\]: give their keys"):
        Keys([Same(), Same()]).named_parameters()


def test_a_parameter_in_two_places_is_one() -> None:
    network = MLP(1, [1, 1])
    network.layers[1].neurons[0].b = network.layers[0].neurons[0].b
    network.layers[1].neurons[0].w = network.layers[0].neurons[0].w
    assert [name for name, _ in network.named_parameters()] == ["w11", "b1"]
    assert len(network.parameters()) == 2

    model = Own()
    model.me, model.also = model, [model]  # type: ignore[attr-defined]
    model.loop = []  # type: ignore[attr-defined]
    model.loop.append(model.loop)  # type: ignore[attr-defined]
    assert model.parameters() == []


def test_a_set_is_refused() -> None:
    for things in ({leaf()}, frozenset([leaf()]), {(leaf(), 1)}, {MLP(1, [1])}):
        model = Own()
        model.a = [things]  # type: ignore[attr-defined]
        for ask in (model.parameters, model.named_parameters, model.state_dict, model.zero_grad):
            with pytest.raises(TypeError, match=r"Own\.a\[0\] is a (frozen)?set, .* write a list"):
                ask()
    model = Own()
    model.a, model.b = {1, 2}, {leaf() * 2}  # type: ignore[attr-defined]
    assert model.parameters() == []


def test_of_an_object_that_is_not_looked_into_a_warning_speaks() -> None:
    class Plain:
        def __init__(self, thing: Any) -> None:
            self.thing = thing

    class Slotted:
        __slots__ = ("thing",)

        def __init__(self, thing: Any) -> None:
            self.thing = thing

    @dataclass
    class Data:
        thing: Any

    for make in (Plain, Slotted, Data, lambda thing: types.SimpleNamespace(thing=thing)):
        for thing in (leaf(), [leaf()], {"x": leaf()}, MLP(1, [1]), Plain([leaf()]), np.array([leaf()])):
            model = Own()
            model.a = make(thing)  # type: ignore[attr-defined]
            with pytest.warns(UserWarning, match=r"Own\.a is a .*, which has a Value .* nor saved. Make"):
                model.parameters()
        quiet = Own()
        quiet.a = make([leaf() * 2, 1.0, "x"])  # type: ignore[attr-defined]
        quiet.b = leaf()  # type: ignore[attr-defined]
        quiet.c = make([quiet.b])  # type: ignore[attr-defined]  # found elsewhere
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert quiet.parameters() == [quiet.b]  # type: ignore[attr-defined]


def test_what_is_no_parameter_does_not_disturb() -> None:
    model = MLP(2, [1])
    data = mg.data.xor()
    things: Any = model
    things.table, things.file, things.lock = data, open(__file__), __import__("threading").Lock()  # noqa: SIM115
    things.optimizer = mg.SGD(model.parameters())
    things.function, things.partial = lambda x: x, functools.partial(max, 1)
    things.array, things.walk = np.zeros(10), mg.steps(mg.half_squared_error(model([1.0, 1.0]), 0.0))
    things.program = mg.compile(
        lambda x, t: mg.half_squared_error(model(x), t), [[0.0, 0.0], 0.0], backend="python"
    )
    assert [name for name, _ in model.named_parameters()] == ["w11", "w12", "b1"]
    things.file.close()


def test_parameters_of_code_written_for_micrograd_are_taken() -> None:
    outside = Value(7.0)

    class Block(Module):
        def __init__(self) -> None:
            self.w = Value(1.0)

        def parameters(self) -> list[Value]:
            return [*super().parameters(), outside]

    class Net(Module):
        def __init__(self) -> None:
            self.blocks = [Block(), Block()]

    assert Block().state_dict() == {"w": 1.0, "parameters().1": 7.0}
    assert [p.data for p in Net().parameters()] == [1.0, 7.0, 1.0]
    assert [*Net().state_dict()] == ["blocks.0.w", "blocks.0.parameters().1", "blocks.1.w"]
