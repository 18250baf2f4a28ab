"""Neurons, layers and networks, with the names of a textbook: w, b, z, h, y.

Neurons are numbered through the network. Neuron 3 computes z3 = w31·h1 + w32·h2 + b3, one node, and its
activation h3, or y if it is the output.

>>> network = MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
>>> [name for name, _ in network.named_parameters()]
['w11', 'w12', 'b1', 'w21', 'w22', 'b2', 'w31', 'w32', 'b3']
>>> y = network([0.0, 1.0])
>>> y.name, y.parents[0].name
('y', 'z3')

Written for micrograd's users too: ``from microgradlike.nn import Neuron, Layer, MLP`` is the only line
that changes.
"""

import json
import math
import os
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Self, SupportsFloat

from microgradlike import ops, saving
from microgradlike.architecture import difference, settings
from microgradlike.engine import (
    Constant,
    Value,
    as_inputs,
    no_grad,
    numbered,
    real,
    record,
)
from microgradlike.files import write_atomically
from microgradlike.ops import Op
from microgradlike.parameters import Parameterized
from microgradlike.table import arranged_row, arranged_rows
from microgradlike.task import Task
from microgradlike.transaction import write
from microgradlike.units import Units

__all__ = ["ACTIVATIONS", "MLP", "Layer", "Module", "Neuron", "load"]

#: What ``activation=`` may be called, with the constant operands that the operation takes besides z.
ACTIVATIONS: dict[str, tuple[Op | None, tuple[float, ...]]] = {
    "linear": (None, ()),
    "sigmoid": (ops.sigmoid, ()),
    "tanh": (ops.tanh, ()),
    "relu": (ops.relu, ()),
    "leaky_relu": (ops.leaky_relu, (0.01,)),
    "elu": (ops.elu, (1.0,)),
    "selu": (ops.selu, ()),
    "softplus": (ops.softplus, ()),
    "silu": (ops.silu, ()),
    "gelu": (ops.gelu, ()),
    "softsign": (ops.softsign, ()),
    "hardtanh": (ops.hardtanh, ()),
}

_stream = random.Random(3)  # for neurons and layers of their own: each gets other weights

_FORMAT, _VERSION = "microgradlike model", 2
#: Version 1 had no units and no check sum, and said little of the architecture.
_VERSIONS = {1, 2}

#: What a file may say of the architecture; other things in it are passed over.
_ARCHITECTURE = {
    *("model", "sizes", "activation", "output_activation", "layers"),
    *("inputs", "outputs", "neuron", "neurons", "settings", "parts"),
}


def __dir__() -> list[str]:
    """What completion offers."""
    return [*__all__, "__doc__"]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        from microgradlike.elsewhere import missing

        otherwise = "functions, losses and optimizers are in the package itself, as mg.relu is"
        raise missing(f"module {__name__!r}", name, __all__, otherwise)


class Module(Parameterized):
    """What has parameters: a network, a layer, a neuron, or a model of your own.

    In a subclass, also in one of a network, a layer or a neuron, every leaf `Value` in an attribute is a
    parameter; and so are those in an attribute that is a `Module`, or a list, tuple, deque, dict or array
    of Values and modules. A set is refused, since it has no order. An object of another kind is not looked
    into, and a warning says so if there is a Value in it. A Value that only a function's closure holds is
    not found: keep it in an attribute, too.

    Attributes:
        task: which classes the outputs stand for, a `microgradlike.task.Task`; `fit` decides it.
        classes: the classes of the task, as they were given; write [] to forget them.
        threshold: that of the task: above it, one output stands for the second class. None: 0.5 of a
            sigmoid, which is a probability, and 0 of anything else.
        features: the names of the inputs; `fit` takes them from the data.
        units: the map of an `MLP` into standard units and back, a `microgradlike.units.Units`; None if its
            layers take the inputs as they are. ``fit(…, standardize=True)`` sets it. The parameters are
            for standard units.

    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.slope, self.offset = Value(1.0), Value(0.0)
    ...
    ...     def __call__(self, x):
    ...         return self.slope * x + self.offset
    >>> Line().state_dict()
    {'slope': 1.0, 'offset': 0.0}
    """

    task: Task = Task()
    features: Sequence[str] = ()
    units: Units | None = None
    _raw_units: Units | None = (
        None  # of a file of version 1: it was trained in these, its parameters are not
    )

    @property
    def classes(self) -> list[Any]:
        return list(self.task.classes)

    @classes.setter
    def classes(self, classes: Sequence[Any]) -> None:
        self.task = replace(self.task, classes=tuple(classes))

    @property
    def threshold(self) -> float | None:
        return self.task.threshold

    @threshold.setter
    def threshold(self, threshold: float | None) -> None:
        self.task = replace(self.task, threshold=threshold)

    def class_of(self, outputs: Any) -> int:
        """The number of the class that the outputs for one example stand for.

        Of several outputs it is that of the largest; one output stands for class 1 above the `threshold`.

        Args:
            outputs: what the model gives for one example: a number or Value, or a list of them.

        Raises:
            ValueError: an output is nan, which stands for nothing.

        >>> MLP(2, [3]).class_of([0.1, 0.7, 0.2]), MLP(2, [1]).class_of(-0.3)
        (1, 0)
        """
        several = isinstance(outputs, list | tuple)
        numbers = [*map(float, outputs)] if several else [float(outputs)]
        is_probability = getattr(self, "output_activation", "") == "sigmoid"
        return self.task.class_of(numbers, 0.5 if is_probability else 0.0)

    def outputs(self, rows: Any) -> list[Any]:
        """The outputs for each of some examples: a number, or a list of them.

        Args:
            rows: lists of numbers, a table, a numpy array, or a pandas frame, in the units of the data that
                the model was trained with. Where the columns have names and the model knows `features`,
                columns are found by their names, which must be the same.

        Raises:
            TypeError, ValueError: a row is no list of as many numbers as the model takes; the message
                says which.

        >>> model = MLP(2, [1])
        >>> model.load_state_dict({"w11": 1.0, "w12": -1.0, "b1": 0.0})
        >>> model.outputs([[0.5, 0.25], [0.0, 2.0]])
        [0.25, -2.0]
        """
        outputs = []
        model: Any = self
        # A model of the user's own may differentiate inside, for which it has to record.
        with no_grad() if type(self).__module__ == __name__ else nullcontext():
            for i, row in enumerate(arranged_rows(rows, self.features)):
                try:
                    y = model(row)
                except (TypeError, ValueError) as error:
                    if isinstance(row, int | float) and vars(self).get("sizes", [0])[0] != 1:
                        one = f"[{[*rows]!r:.60}]" if isinstance(rows, list | tuple) else "[[…]]"
                        raise TypeError(f"predict takes a list of rows: for one, {one}") from None
                    raise type(error)(f"row {i}: {error}") from None
                outputs.append([*map(float, y)] if isinstance(y, list) else float(y))
        return outputs

    def predict(self, rows: Any) -> list[Any]:
        """What the model says of examples: their classes, or its outputs if it knows no classes.

        Arguments and errors are those of `outputs`.

        >>> model = MLP(2, [1])
        >>> model.load_state_dict({"w11": 1.0, "w12": -1.0, "b1": 0.0})
        >>> model.classes = ["no", "yes"]
        >>> model.predict([[0.5, 0.25], [0.0, 2.0]])
        ['yes', 'no']
        """
        outputs, classes = self.outputs(rows), self.classes
        if not classes:
            return outputs
        predictions = []
        for i, y in enumerate(outputs):
            try:
                predictions.append(classes[self.class_of(y)])
            except ValueError as error:
                raise ValueError(f"row {i}: {error}") from None
            except IndexError:
                count = len(y) if isinstance(y, list) else 2
                raise ValueError(
                    f"the outputs are for {count} classes, not for {_some([*map(str, classes)])}"
                ) from None
        return predictions

    def state_dict(self) -> dict[str, float]:
        """The numbers of the parameters, by name, in the order of `named_parameters`.

        The dict also knows the units of the model and of the networks in it, for `load_state_dict`.

        >>> [*MLP(2, [1]).state_dict()]
        ['w11', 'w12', 'b1']
        """
        state = _State({name: float(parameter.data) for name, parameter in self.named_parameters()})
        state.units = self.all_units()
        return state

    def load_state_dict(self, state: Mapping[str, SupportsFloat]) -> None:
        """Set the parameters to these numbers, all of them or, on an error, none.

        Args:
            state: a number, or a Value, for the name of each parameter, such as `state_dict` gives. What
                `state_dict` itself gave sets the units too, since parameters are for their units.

        Raises:
            KeyError: a name is missing or unknown.
            TypeError, ValueError: what stands under a name is not a finite real number.

        >>> model = MLP(2, [1])
        >>> model.load_state_dict({"w11": 1.0, "w12": -1.0, "b1": 0.5})
        >>> model([3.0, 2.0]).data
        1.5
        """
        parameters, numbers = self._numbers(state)
        self.set_units(state.units if isinstance(state, _State) else {})
        write(parameters, numbers)

    def all_units(self) -> dict[str, Units | None]:
        """The units of the model and of the networks in it, by the ways to them; "" is the model itself."""
        return {path: module.units for path, module in _modules(self)}

    def inner_units(self) -> dict[str, dict[str, list[float]]]:
        """The units of the networks in the model, as JSON can hold them, by the ways to them."""
        return {path: units.state_dict() for path, units in self.all_units().items() if path and units}

    def set_units(self, units: Mapping[str, Units | None]) -> None:
        """Give the modules in the model their units.

        Args:
            units: by the ways to the modules, such as nets.0, as `all_units` gives them.
        """
        for path, module in _modules(self):
            if path in units and module.units != units[path]:
                module.units = units[path]

    def _numbers(self, state: Mapping[str, SupportsFloat]) -> tuple[list[Value], list[float]]:
        """The parameters, and for each its number in a state; the errors are those of `load_state_dict`."""
        if not isinstance(state, Mapping):
            raise TypeError(f"a dict of names and numbers is needed, not {state!r:.60}")
        parameters = dict(self.named_parameters())
        if missing := [name for name in parameters if name not in state]:
            raise KeyError(f"no number for {_some(missing)}")
        if unknown := [name for name in state if name not in parameters]:
            raise KeyError(f"the model has no parameter {_some(unknown)}; it has {_some(list(parameters))}")
        return [*parameters.values()], [_finite(name, state[name]) for name in parameters]

    #: Attributes that `describe` says otherwise, or that are no settings.
    _known: ClassVar[frozenset[str]] = frozenset({"features", "task", "units"})

    def describe(self) -> dict[str, Any]:
        """The architecture: what a file must agree with, besides the parameters, to be of this model.

        Of a class of your own it is the name of the class, the modules in it, and its settings: attributes
        that are numbers, texts, functions, or short lists and dicts of these. Attributes whose names begin
        with an underscore are none.
        """
        return self._describe({id(self)})

    def _describe(self, seen: set[int]) -> dict[str, Any]:
        """The same, without what is in the modules with these ids, which are being described."""
        return {"model": type(self).__name__} | settings(self, self._known, seen)

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the model to a JSON file: whole, or not at all.

        The numbers are written so that loading gives the same bits. What is written passes all checks that
        `load` makes.

        Args:
            path: of the file, which is made or replaced.
            force: whether to replace a file that is read-only.

        Raises:
            ValueError: a parameter is not finite, or the features, the classes or the threshold are none
                that `load` would take.
            OSError: the file cannot be written; an earlier file of that name stays as it is.

        >>> import os, tempfile
        >>> model = MLP(2, [2, 1], seed=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "model.json")
        ...     model.save(path)
        ...     same = load(path)  # a new network, as `MLP.from_file` makes it
        ...     other = MLP(2, [2, 1], seed=2)
        ...     other.load(path)  # one that is there already
        >>> same, model.state_dict() == same.state_dict() == other.state_dict()
        (MLP(2, [2, 1], activation='relu', output_activation='linear'), True)
        """
        content = self.describe()
        if self.features:
            content["features"] = [*self.features]
        content |= self.task.state_dict()
        if self.units:
            content["units"] = self.units.state_dict()
        if inner := self.inner_units():
            content["inner_units"] = inner
        content["parameters"] = {name: _finite(name, number) for name, number in self.state_dict().items()}
        try:
            text = saving.document(_FORMAT, _VERSION, content, indent=1)
            written = saving.parse(text, path, _FORMAT, _VERSIONS)
            _check(written)
            self._compare(written)
        except ValueError as error:
            raise ValueError(f"{path}: not saved, since it could not be loaded: {error}") from None
        write_atomically(path, text, force=force)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Set the parameters to those of a file that `save` wrote; on an error the model stays as it was.

        The features, the task and the units are taken over too. The example of `save` shows it. A file
        without a check sum, such as one written by hand, gives a warning.

        Args:
            path: of the file.

        Raises:
            ValueError: the file is cut off, damaged, not a model, of another version, or of another model;
                the message says which.
            OSError: the file cannot be read.
        """
        self._take(path, _read_model(path))

    def _take(self, path: str | os.PathLike[str], content: dict[str, Any]) -> None:
        try:
            self._compare(content)
            parameters, numbers = self._numbers(content["parameters"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: {error.args[0]!s:.300}") from None
        inner = _inner_units_in(content)
        modules = [place for place, _ in _modules(self) if place]
        if strangers := [place for place in inner if place not in modules]:
            raise ValueError(f"{path}: it has units for {strangers[0]!r:.60}, which this model has not")
        saving.verify(content, path)
        self.set_units({place: inner.get(place) for place in modules})
        write(
            parameters,
            numbers,
            self,
            features=content.get("features", ()),
            task=Task.from_state(content),
            units=_units_in(content),
            _raw_units=_units_of_version_1(content),
        )

    def _compare(self, content: Mapping[str, Any]) -> None:
        """Refuse a file of a model of another architecture."""
        mine = json.loads(json.dumps(self.describe()))
        theirs = {name: thing for name, thing in content.items() if name in _ARCHITECTURE | mine.keys()}
        if content["version"] == 1:
            mine = {name: mine[name] for name in theirs if name in mine}
            if theirs.get("model") == "MLP" and isinstance(self, MLP):  # as subclasses were called, too
                mine["model"] = "MLP"
        if found := difference(mine, theirs):
            where, own, other = found
            raise ValueError(
                f"its {where} is {other}, that of this model {own}: make them alike before loading. An "
                "attribute that says nothing of the architecture has a name that begins with an underscore"
            )


class _State(dict[str, float]):
    """The numbers of parameters, and the units that they are for, by the paths of the modules."""

    units: Mapping[str, Units | None] = {}


def _modules(thing: Any, path: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Module]]:
    """A model and the modules in it that may have units, each with the way to it, such as nets.0."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(thing, Module):
        if not isinstance(thing, Layer | Neuron):
            yield path, thing
            items = () if type(thing) is MLP else vars(thing).items()
    elif type(thing) is dict:
        items = thing.items()
    elif type(thing) in {list, tuple}:
        items = enumerate(thing)
    for key, item in items:
        if isinstance(item, Module) or type(item) in {dict, list, tuple}:
            yield from _modules(item, f"{path}.{key}" if path else str(key), seen)


class Neuron(Module):
    """z = w·x + b, then an activation.

    Args:
        inputs: how many.
        activation: one of `ACTIVATIONS`.
        nonlin: micrograd's way to say activation="linear": ``nonlin=False``.
        number: the neuron's number in its network, from 1 on, for the names.
        name: the name of what it gives; by default h and its number.
        outputs: how many neurons its layer has; the initial weights depend on it, and on this:
        last: whether it is in the last layer of its network.
        rng: where the initial weights come from; by default a stream that starts alike in every process.

    Attributes:
        w: the weights, a list of Values.
        b: the bias, a Value.

    >>> neuron = Neuron(2, activation="tanh")
    >>> [v.name for v in neuron.parameters()], neuron([1.0, 2.0]).name
    (['w11', 'w12', 'b1'], 'h1')
    """

    def __init__(
        self,
        inputs: int,
        nonlin: bool = True,
        *,
        activation: str = "relu",
        number: int = 1,
        name: str = "",
        outputs: int = 1,
        last: bool = False,
        rng: random.Random | None = None,
    ) -> None:
        _check_count(_positive(inputs, "inputs") + 1)
        self.activation = _known_activation(activation) if nonlin else "linear"
        self.number = number
        self.name = name or f"h{number}"
        self._sum_name = f"z{number}"
        limit = _initial_limit(self.activation, inputs, outputs, last)
        rng = rng or _stream
        *weights, bias = _parameter_names(number, inputs)
        # Leaves of the lightest kind: a graph of one kind of node is read faster than one of two.
        self.w = as_inputs([rng.uniform(-limit, limit) for _ in weights], weights)
        [self.b] = as_inputs([0.0], [bias])

    def __call__(self, x: Sequence[SupportsFloat]) -> Value:
        return self.activate(_inputs(x, numbered("x", len(self.w)), self))

    def activate(self, x: Sequence[Value], name: str = "") -> Value:
        """The output for Values: the call without its checks, with another name if one is given."""
        operands = (*self.w, *x, self.b)
        op, constants = ACTIVATIONS[self.activation]
        if not op:
            return record(ops.dot, operands, name or self.name)
        z = record(ops.dot, operands, self._sum_name)
        return record(op, (z, *map(Constant, constants)) if constants else (z,), name or self.name)

    @property
    def nonlin(self) -> bool:
        """Whether there is an activation, in micrograd's word."""
        return self.activation != "linear"

    _known = Module._known | {"number", "name", "activation", "w", "b"}

    def _describe(self, seen: set[int]) -> dict[str, Any]:
        about = {"model": type(self).__name__, "inputs": len(self.w), "activation": self.activation}
        return about | settings(self, self._known, seen)

    def _textbook(self, attribute: str, items: Sequence[Any]) -> str:
        # Not the names of the Values: those are for pictures, and anyone's to change.
        if attribute == "b" and not items:
            return f"b{self.number}"
        if attribute == "w" and len(items) == 1:
            return _weight_name(self.number, len(self.w), items[0] + 1)
        return ""

    def __repr__(self) -> str:
        return f"Neuron({len(self.w)}, activation={self.activation!r})"


class Layer(Module):
    """Neurons side by side, each with all the inputs.

    Args:
        inputs: how many each neuron has.
        outputs: how many neurons.
        activation, nonlin, last, rng: see `Neuron`.
        first: the number of the first neuron.
        names: what the neurons give is called; by default h and their numbers.

    >>> [h.name for h in Layer(3, 2)([1.0, 2.0, 3.0])]
    ['h1', 'h2']
    """

    _nameless = frozenset({"neurons"})
    _known = Module._known | {"neurons"}

    def _describe(self, seen: set[int]) -> dict[str, Any]:
        about: dict[str, Any] = {"model": type(self).__name__, "outputs": len(self.neurons)}
        neurons = [neuron.describe() for neuron in self.neurons]
        if neurons == [neurons[0]] * len(neurons):
            about["neuron"] = neurons[0]
        else:
            about["neurons"] = neurons
        return about | settings(self, self._known, seen)

    def _leaves(self) -> list[Value] | None:
        return _leaves_of([self])

    def __init__(
        self,
        inputs: int,
        outputs: int,
        nonlin: bool = True,
        *,
        activation: str = "relu",
        first: int = 1,
        names: Sequence[str] = (),
        last: bool = False,
        rng: random.Random | None = None,
    ) -> None:
        _check_count((_positive(inputs, "inputs") + 1) * _positive(outputs, "outputs"))
        self.neurons = [
            Neuron(
                inputs,
                nonlin,
                activation=activation,
                number=first + i,
                name=names[i] if names else "",
                outputs=outputs,
                last=last,
                rng=rng,
            )
            for i in range(outputs)
        ]

    def __call__(self, x: Sequence[SupportsFloat]) -> Any:
        values = _inputs(x, numbered("x", len(self.neurons[0].w)), self)
        outputs = [neuron.activate(values) for neuron in self.neurons]
        return one_or_all(outputs)

    def __repr__(self) -> str:
        first = self.neurons[0]
        return f"Layer({len(first.w)}, {len(self.neurons)}, activation={first.activation!r})"


class MLP(Module):
    """A multi-layer perceptron: layers one after the other.

    Args:
        inputs: how many numbers go in.
        layers: how many neurons each layer has; the last number is that of the outputs.
        activation: of the inner layers, one of `ACTIVATIONS`.
        output_activation: of the last layer.
        seed: of the initial weights; the same seed gives the same network everywhere. With the default
            the usual 2-2-1 network of textbooks learns XOR, where half of all seeds end in a local minimum.

    Called with a list of numbers or Values, it gives one Value for one output, else a list.

    Raises:
        TypeError: the layers are no list.
        ValueError: a size is no whole number from 1 on, or there is no such activation; when called, the
            number of inputs is another.

    The initial weights are uniform in ±limit, the biases 0. With n inputs and m outputs of a layer the
    limit is √(6/n) for relu and its kin (He et al. 2015), √(3/n) for selu (Klambauer et al. 2017),
    4·√(6/(n+m)) for sigmoid, and √(6/(n+m)) for all others and for the last layer (Glorot, Bengio 2010).

    >>> network = MLP(3, [4, 2])
    >>> [y.name for y in network([1.0, -2.0, 3.0])]
    ['y1', 'y2']
    """

    _nameless = frozenset({"layers"})
    _known = Module._known | {"sizes", "activation", "output_activation", "layers"}

    def _leaves(self) -> list[Value] | None:
        if type(self) is not MLP or not self.__dict__.keys() <= _MLP_ATTRIBUTES:
            return None
        return _leaves_of(self.layers)

    def __init__(
        self,
        inputs: int,
        layers: Sequence[int],
        *,
        activation: str = "relu",
        output_activation: str = "linear",
        seed: int = 3,
    ) -> None:
        if not hasattr(layers, "__len__"):
            raise TypeError(f"the layers of an MLP are a list of numbers: write [{layers}], not {layers}")
        if not layers:
            raise ValueError("an MLP needs a layer: MLP(2, [1])")
        self.sizes = [inputs, *layers]
        for i, size in enumerate(self.sizes):
            _positive(size, "outputs" if i else "inputs")
        _check_count(sum((n + 1) * m for n, m in pairwise(self.sizes)))
        self.activation, self.output_activation = map(_known_activation, (activation, output_activation))
        rng = random.Random(seed)
        self.layers: list[Layer] = []
        first = 1
        for n, m in zip(self.sizes, layers):
            last = len(self.layers) == len(layers) - 1
            self.layers.append(
                Layer(
                    n,
                    m,
                    activation=output_activation if last else activation,
                    first=first,
                    names=_output_names(m) if last else (),
                    last=last,
                    rng=rng,
                )
            )
            first += m
        self._input_names = numbered("x", inputs)

    def __call__(self, x: Sequence[SupportsFloat]) -> Any:
        values = _inputs(x, self._input_names, self)
        if self.units:
            return self._in_units(values)
        for layer in self.layers:
            inputs, values = values, []  # as in `record`, a loop takes less time than a comprehension
            for neuron in layer.neurons:
                values.append(neuron.activate(inputs))
        return one_or_all(values)

    def _in_units(self, inputs: Sequence[Value]) -> Any:
        """The outputs for these inputs: the layers stand between the two maps of `units`."""
        assert self.units
        values = self.standard_outputs(self.units.enter(inputs))
        names = [neuron.name for neuron in self.layers[-1].neurons]
        outputs = self.units.leave(values, names)
        return one_or_all(outputs)

    def standard_outputs(self, u: Sequence[SupportsFloat]) -> list[Value]:
        """The outputs of the layers alone, without the map of `units`: a list, in standard units.

        Args:
            u: the inputs in standard units.

        >>> network = MLP(1, [1])
        >>> network.load_state_dict({"w11": 2.0, "b1": 1.0})
        >>> network.units = Units((100.0,), (10.0,), (5.0,), (0.5,))
        >>> network([120.0]).data, network.standard_outputs([2.0])[0].data
        (7.5, 5.0)
        """
        values = _inputs(u, numbered("u", len(u)), self)
        *inner, last = self.layers
        for layer in inner:
            values = [neuron.activate(values) for neuron in layer.neurons]
        names = [neuron.name for neuron in last.neurons]
        if self.units and self.units.target_means:  # then y is what comes out of the map
            names = ["v"] if len(names) == 1 else list(numbered("v", len(names)))
        return [neuron.activate(values, name) for neuron, name in zip(last.neurons, names)]

    def _describe(self, seen: set[int]) -> dict[str, Any]:
        about = {
            "model": type(self).__name__,
            "sizes": self.sizes,
            "activation": self.activation,
            "output_activation": self.output_activation,
        }
        layers = [layer.describe() for layer in self.layers]
        if layers != self._layers_as_made():  # someone has changed them
            about["layers"] = layers
        return about | settings(self, self._known, seen)

    def _layers_as_made(self) -> list[dict[str, Any]]:
        """The descriptions of the layers that a network of these sizes and activations begins with."""
        layers: list[dict[str, Any]] = []
        for n, m in pairwise(self.sizes):
            last = len(layers) == len(self.sizes) - 2
            activation = self.output_activation if last else self.activation
            neuron = {"model": "Neuron", "inputs": n, "activation": activation}
            layers.append({"model": "Layer", "outputs": m, "neuron": neuron})
        return layers

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """As `microgradlike.nn.load`: the network of a file that `save` wrote, with sizes and activations.

        Args:
            path: of the file.

        Raises:
            ValueError, OSError: as `load`.
        """
        content = _read_model(path)
        try:
            if content["version"] > 1 and content["model"] != cls.__name__:
                raise ValueError(f"its model is {content['model']!r:.60}: make one, and call its load")
            if "layers" in content:
                raise ValueError("its layers were changed: make it as it was made, and call its load")
            inputs, *layers = sizes = content["sizes"]
            own = cls is MLP and not {"parts", "settings"} & content.keys()
            if own and sum((n + 1) * m for n, m in pairwise(sizes)) != len(content["parameters"]):
                raise ValueError(f"{len(content['parameters'])} parameters do not fit {sizes!r:.60}")
            network = cls(
                inputs,
                layers,
                activation=content["activation"],
                output_activation=content["output_activation"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: this is no {cls.__name__}: {error}") from None
        network._take(path, content)  # what was read: a pipe cannot be read twice
        return network

    if not TYPE_CHECKING:  # here, not in Module: neurons would take longer to find what they have

        def __getattr__(self, name: str) -> object:
            from microgradlike.elsewhere import missing_in_model

            raise missing_in_model(self, name)

    def __repr__(self) -> str:
        return (
            f"MLP({self.sizes[0]}, {self.sizes[1:]}, activation={self.activation!r}, "
            f"output_activation={self.output_activation!r})"
        )


def load(path: str | os.PathLike[str]) -> MLP:
    """The network of a file that its ``save`` wrote: sizes, activations, names, parameters; ready to use.

    (A model of a class of your own: make one, and call its ``load``.)

    Args:
        path: of the file.

    Raises:
        ValueError: the file is cut off, no model, of another version, or no MLP; the message says which.
        OSError: the file cannot be read.

    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.json")
    ...     MLP(2, [3, 1], activation="tanh").save(path)
    ...     load(path)
    MLP(2, [3, 1], activation='tanh', output_activation='linear')
    """
    return MLP.from_file(path)


#: Attributes in which networks, neurons and layers hold no parameters but theirs.
_MLP_ATTRIBUTES = {
    *("sizes", "activation", "output_activation", "layers", "_input_names"),
    *("features", "units", "_raw_units", "task"),
}


_NEURON_ATTRIBUTES = 6
_LAYER_ATTRIBUTES = 1


def _leaves_of(layers: Sequence[Layer]) -> list[Value] | None:
    """Weights and biases of layers that hold nothing else, each once; None if that is not sure."""
    leaves: list[Value] = []
    for layer in layers:
        if type(layer) is not Layer or len(layer.__dict__) > _LAYER_ATTRIBUTES:
            return None
        for neuron in layer.neurons:
            if type(neuron) is not Neuron or len(neuron.__dict__) > _NEURON_ATTRIBUTES:
                return None
            leaves += neuron.w
            leaves.append(neuron.b)
    return leaves if len({*leaves}) == len(leaves) else None


def _inputs(x: Sequence[SupportsFloat], names: tuple[str, ...], module: Module) -> list[Value]:
    if type(x) is not list and module.features:
        x = arranged_row(x, module.features)
    try:
        n = len(x)
    except TypeError:
        if not isinstance(x, Iterable):
            raise TypeError(f"{module!r} takes a list of {len(names)}: write [x], not x") from None
        x = list(x)
        n = len(x)
    if n != len(names):
        raise ValueError(f"{module!r} takes {len(names)} inputs, got {n}")
    return as_inputs(x, names)


class _Outputs(list[Value]):
    """A list, which says what it is where it is taken for one Value."""

    def __getattr__(self, name: str) -> Any:
        if not hasattr(Value, name):
            raise AttributeError(f"a list of outputs has no attribute {name!r}", name=name)
        raise AttributeError(
            f"these are {len(self)} outputs, a list, and only a Value has .{name}: take one, as in "
            f"outputs[0].{name}, or make one, as in loss = mg.mse_loss(outputs, targets)",
            name=name,
        )


def one_or_all(outputs: list[Value]) -> Any:
    """One output as a Value, several as a list of them: what a network gives, and a loss takes."""
    return outputs[0] if len(outputs) == 1 else _Outputs(outputs)


def _parameter_names(neuron: int, inputs: int) -> list[str]:
    return [*(_weight_name(neuron, inputs, i) for i in range(1, inputs + 1)), f"b{neuron}"]


def _weight_name(neuron: int, inputs: int, i: int) -> str:
    comma = "," if neuron > 9 or inputs > 9 else ""
    return f"w{neuron}{comma}{i}"


def _output_names(n: int) -> list[str]:
    return ["y"] if n == 1 else [f"y{i}" for i in range(1, n + 1)]


def _initial_limit(activation: str, inputs: int, outputs: int, last: bool) -> float:
    if last:  # an output that starts wide starts saturated, and learns late or never
        return math.sqrt(6 / (inputs + outputs))
    if activation in {"relu", "leaky_relu", "elu", "softplus", "silu", "gelu"}:
        return math.sqrt(6 / inputs)
    if activation == "selu":
        return math.sqrt(3 / inputs)
    return (4 if activation == "sigmoid" else 1) * math.sqrt(6 / (inputs + outputs))


def _known_activation(name: str) -> str:
    if name not in ACTIVATIONS:
        raise ValueError(f"no activation is called {name!r:.60}: choose one of {', '.join(ACTIVATIONS)}")
    return name


def _positive(number: int, what: str) -> int:
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"{what} must be a whole number from 1 on, not {number!r:.60}")
    return number


#: A network of scalars with more would take gigabytes, and hours for an epoch.
MOST_PARAMETERS = 10_000_000
_BYTES = 250  # of a parameter, its name and its place in a list


def _check_count(count: int) -> None:
    """Refuse a network that is too large, before memory is taken for it."""
    if count > MOST_PARAMETERS:
        raise ValueError(
            f"this would be {count:,} parameters, some {count * _BYTES / 1e9:,.0f} GB; there are at most "
            f"{MOST_PARAMETERS:,}: make the layers smaller"
        )


def _finite(name: str, number: Any) -> float:
    try:
        data = real(float(number) if isinstance(number, Value) else number)
    except OverflowError:
        raise ValueError(f"{name} is too large for a float") from None
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from None
    if not math.isfinite(data):
        raise ValueError(f"{name} is {data}, which is no number to go on with")
    return data


def _some(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _read_model(path: str | os.PathLike[str]) -> dict[str, Any]:
    content = saving.read(path, _FORMAT, _VERSIONS)
    try:
        _check(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return content


def _check(content: dict[str, Any]) -> None:
    """Refuse the content of a file if it says what no model has.

    Raises:
        ValueError: it does; the message says what.
    """
    parameters = content.get("parameters")
    if not isinstance(parameters, dict):
        raise ValueError("it has no parameters")
    for name, number in parameters.items():
        if type(number) not in {int, float}:
            raise ValueError(f"{name:.60} is {number!r:.60}, not a number")
    names = content.get("features", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"its features are {names!r:.60}, not a list of names")
    Task.from_state(content)
    _inner_units_in(content)
    units = [units for units in (_units_in(content), _units_of_version_1(content)) if units]
    if "sizes" in content:
        _check_sizes(content, units)


def _check_sizes(content: dict[str, Any], units: Sequence[Units]) -> None:
    """Refuse sizes that the rest of the file does not fit, before anything is built of them."""
    sizes = content["sizes"]
    if not isinstance(sizes, list) or len(sizes) < 2:
        raise ValueError(f"its sizes are {sizes!r:.60}, not a list of two numbers or more")
    for size in sizes:
        _positive(size, "sizes")
    inputs, outputs = sizes[0], sizes[-1]
    features = content.get("features", [])
    if len(features) not in {0, inputs}:
        raise ValueError(f"{len(features)} features do not fit {inputs} inputs")
    for one in units:
        if len(one.means) != inputs:
            raise ValueError(f"units of {len(one.means)} inputs do not fit {inputs} inputs")
        if len(one.target_means) not in {0, outputs}:
            raise ValueError(f"units of {len(one.target_means)} outputs do not fit {outputs} outputs")


def _units_in(content: dict[str, Any]) -> Units | None:
    return Units.from_state(content["units"]) if "units" in content else None


def _inner_units_in(content: dict[str, Any]) -> dict[str, Units]:
    """The units of the networks in a model, by the ways to them."""
    states = content.get("inner_units", {})
    if not isinstance(states, dict):
        raise ValueError(f"its inner units are {states!r:.60}, not units by name")
    return {place: Units.from_state(state) for place, state in states.items()}


def _units_of_version_1(content: dict[str, Any]) -> Units | None:
    """The units that a network of version 1 was trained in; its parameters are for the user's units.

    Raises:
        ValueError: they are none.
    """
    scaling = content.get("scaling") if content["version"] == 1 else None
    if scaling is None:
        return None
    try:
        return Units.from_state(
            {
                "means": scaling["means"],
                "spreads": scaling["spreads"],
                "target_means": [scaling["target_mean"]],
                "target_spreads": [scaling["target_spread"]],
            }
        )
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            f"its scaling is {scaling!r:.60}, not numbers and lists of numbers by name"
        ) from None
