"""What the command line shows of a network: its parameters, one example worked out, its training."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from microgradlike import ops
from microgradlike.engine import Value
from microgradlike.formula import number, write
from microgradlike.nn import MLP, one_or_all

_DIGITS = 4
_MOST = 6  # what goes into one line; twice as many neurons make a table


class Factor(NamedTuple):
    """A factor of a product: in symbols and in numbers, bracketed where it is negative or a sum."""

    symbols: str
    numbers: str


def parameter_table(network: MLP) -> str:
    """A line for each neuron, with its named weights and its bias, and the map of the network's units."""
    neurons = [neuron for layer in network.layers for neuron in layer.neurons]
    lines = []
    for neuron in neurons[: 2 * _MOST]:
        cells = [f"{w.name} = {_fixed(w.data)}" for w in neuron.w[:_MOST]]
        if len(neuron.w) > _MOST:
            cells.append(f"… {len(neuron.w) - _MOST} more")
        lines.append(
            "   ".join([f"  z{neuron.number}:", *cells, f"{neuron.b.name} = {_fixed(neuron.b.data)}"])
        )
    if len(neurons) > 2 * _MOST:
        lines.append(f"  … and {len(neurons) - 2 * _MOST} more neurons")
    if network.units:
        lines += [f"  {line}" for line in network.units.lines(_MOST)]
    return "\n".join(lines)


def worked_example(
    network: MLP, loss: Callable[[Any, Any], Value], inputs: Sequence[float], target: Any
) -> str:
    """The forward and the backward pass of one example, line by line as if written by hand.

    A line reads: symbols = numbers = result. The local derivatives are what the op table's rules say
    of named values, the results are the gradients that `Value.backward` leaves. The network itself is
    not changed.
    """
    network = copy.deepcopy(network)
    network.zero_grad()
    values = [Value(x, f"x{i}") for i, x in enumerate(inputs, 1)]
    mapped = []  # the values of the map into standard units and back
    if network.units:
        values = network.units.enter(values)
        mapped += values
    layers = []  # of each: its neurons, their sums z, their activations h (or outputs y)
    for layer in network.layers:
        names = [neuron.name for neuron in layer.neurons]
        if layer is network.layers[-1] and network.units and network.units.target_means:
            names = [name.replace("y", "v") for name in names]
        values = [neuron.activate(values, name) for neuron, name in zip(layer.neurons, names)]
        sums = [h.parents[0] if h.op is not ops.dot else h for h in values]
        layers.append((layer.neurons, sums, values))
    outputs = values
    if network.units:
        outputs = network.units.leave(values, [neuron.name for neuron in network.layers[-1].neurons])
    L = loss(one_or_all(outputs), target)
    L.name = "L"
    L.backward()

    lines = ["Forward", *map(_forward, mapped)]
    for _, sums, activations in layers:
        lines += [_forward(value) for value in dict.fromkeys([*sums, *activations])]
    lines += [_forward(y) for y in outputs if y not in values]
    lines.append(_forward(L))

    # ∂L/∂z of each neuron of the layer above, as factors, and its weights.
    above: list[tuple[list[Factor], list[Value]]] = []
    for neurons, sums, activations in reversed(layers):
        output = not above
        lines.append("Backward, output layer" if output else "Backward, hidden layer")
        here: list[tuple[list[Factor], list[Value]]] = []
        for i, (z, h) in enumerate(zip(sums, activations)):
            if output:
                y = outputs[i]
                lines.append(_line(f"∂L/∂{y.name}", [[_local(L, y)]] if y in L.parents else [], y.grad))
                if y is not h:
                    product = y.parents[0]
                    by_y = Factor(f"∂L/∂{y.name}", _bracketed(y.grad))
                    lines.append(_line(f"∂L/∂{h.name}", [[by_y, _local(product, h)]], h.grad))
            else:
                lines.append(
                    _line(f"∂L/∂{h.name}", [[*delta, _number(w[i])] for delta, w in above], h.grad)
                )
            delta = [Factor(f"∂L/∂{h.name}", _bracketed(h.grad))]
            if z is not h and output:
                local = _local(h, z)
                lines.append(_line(f"∂{h.name}/∂{z.name}", [[local]], h.partials[0]))
                delta.append(Factor(f"∂{h.name}/∂{z.name}", _bracketed(h.partials[0])))
            elif z is not h:
                lines.append(_line(f"∂L/∂{z.name}", [[*delta, _local(h, z)]], z.grad))
                delta = [Factor(f"∂L/∂{z.name}", _bracketed(z.grad))]
            here.append((delta, neurons[i].w))
        for neuron, z, (delta, _) in zip(neurons, sums, here):
            for w, x in zip(neuron.w, z.parents[len(neuron.w) :]):
                lines.append(_line(f"∂L/∂{w.name}", [[*delta, _number(x)]], w.grad))
            lines.append(_line(f"∂L/∂{neuron.b.name}", [delta], neuron.b.grad))
        above = here
    return "\n".join(lines)


def _forward(value: Value) -> str:
    symbols, numbers = write(value)[0], write(value, digits=_DIGITS)[0]
    return f"  {value.name} = {symbols} = {numbers} = {number(value.data, _DIGITS)}"


def _line(left: str, terms: Sequence[Sequence[Factor]], result: float) -> str:
    """The derivative on the left as a sum of products, and its number."""
    sides = [left]
    if terms:
        sides.append(" + ".join(" · ".join(factor.symbols for factor in term) for term in terms))
        sides.append(" + ".join(" · ".join(factor.numbers for factor in term) for term in terms))
        if len(terms) == 1 and len(terms[0]) == 1:  # alone, it needs no brackets
            sides[-2:] = [
                side.removeprefix("(").removesuffix(")") if side.startswith("(") else side
                for side in sides[-2:]
            ]
    if sides[-1] != number(result, _DIGITS):
        sides.append(number(result, _DIGITS))
    return "  " + " = ".join(sides)


def _local(value: Value, parent: Value) -> Factor:
    """∂value/∂parent, as the rule of the operation says it of the named values."""
    assert value.op
    partial = value.op.partials(value, *value.parents)[value.parents.index(parent)]
    if not isinstance(partial, Value):
        return Factor(number(partial), number(partial))
    return Factor(*(_in_brackets(*write(partial, digits=digits)) for digits in (None, _DIGITS)))


def _number(value: Value) -> Factor:
    return Factor(value.name, _bracketed(value.data))


def _fixed(data: float) -> str:
    return f"{data:8.4f}" if abs(data) < 1e6 else f"{data:8.3g}"


def _bracketed(data: float) -> str:
    text = number(data, _DIGITS)
    return _in_brackets(text, "+" if text.startswith("−") else "!")


def _in_brackets(text: str, binding: str) -> str:
    return f"({text})" if binding == "+" else text
