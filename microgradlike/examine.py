"""What is seen of a model and its data: what every neuron gave, how steep it was there, what came back.

Each example is recorded once, and its graph is read.
"""

import copy
import dataclasses
import functools
import math
import random
from collections import Counter
from contextlib import nullcontext
from typing import Any, NamedTuple

from microgradlike import losses, ops
from microgradlike.data import Table, as_table
from microgradlike.engine import Value, gradients, no_grad, topological_order
from microgradlike.formula import formula
from microgradlike.label import visible
from microgradlike.losses import Loss
from microgradlike.nn import ACTIVATIONS, MLP, Neuron, one_or_all
from microgradlike.optim import SGD, Optimizer
from microgradlike.training.objective import SQUARED, objective_of
from microgradlike.transaction import Unchanged

FLAT = 0.01  # a derivative below this part of its largest hands on next to nothing
OFF = 0.25  # so far from its target is wrong
FEW = 20  # examples
END = 1e300  # as good as infinity, and a number that every activation takes

_MOST_EXAMPLES, _MOST_WORK = 500, 5_000_000  # to look at; and examples times parameters
_TRIAL = 10  # steps of a trial with a learning rate
_TRIAL_EXAMPLES, _TRIAL_WORK = 100, 200_000  # in a trial; and examples times parameters
_LEARNED = 0.2  # of the loss with targets of other examples: a network with less has learned

#: Of these losses targets are classes, and no numbers that the outputs could be compared with.
OF_CLASSES = (losses.cross_entropy, losses.hinge_loss, losses.binary_cross_entropy_with_logits)


class LayerNumbers(NamedTuple):
    """The numbers of one layer; None is for what has no meaning there, or could not be computed.

    Attributes:
        name: its number, from 1 on; or "all", of a model that is no MLP.
        neurons: how many.
        activation: its name.
        dead: the share of neurons on the flat side of a relu (elu, softplus, …) for all examples.
        saturated: the share of outputs, over examples and neurons, where a sigmoid (tanh, …) is flat.
        signal: ∂L/∂z, root mean square over examples and neurons.
        gradient: the norm of the mean gradient, over weights and biases.
        weights: the norm of the weights; of a model that is no MLP, of all parameters.
    """

    name: str
    neurons: int | None
    activation: str
    dead: float | None
    saturated: float | None
    signal: float | None
    gradient: float | None
    weights: float


def examples(data: Any) -> Table:
    """The data as a table with a target for each row."""
    table = as_table(data)
    if len(table.rows) != len(table.targets) or not table.rows:
        raise ValueError(f"there are {len(table.rows)} rows and {len(table.targets)} targets")
    return table


class _Shape(NamedTuple):
    """What an activation is like, as its row of the op table says it at a few numbers."""

    low: float  # the least output
    high: float
    steepest: float  # the largest derivative
    one_sided: bool  # flat to the left, but not to the right
    saturates: bool  # flat on both sides


@functools.cache
def shape_of(activation: str) -> _Shape:
    op, constants = ACTIVATIONS[activation]
    if not op:
        return _Shape(-math.inf, math.inf, 1.0, one_sided=False, saturates=False)
    zs = (-END, -1.0, 0.0, 1.0, 2.0, END)
    outputs = [op.forward(z, *constants) for z in zs]
    slopes = [abs(op.partials(out, z, *constants)[0]) for out, z in zip(outputs, zs)]
    left, right = (slopes[end] < FLAT * max(slopes) for end in (0, -1))
    return _Shape(min(outputs), max(outputs), max(slopes), left and not right, left and right)


class Unit:
    """A neuron of an MLP, and what was seen of it."""

    def __init__(self, neuron: Neuron, output: int | None) -> None:
        self.neuron, self.name, self.output = neuron, visible(neuron.name), output
        self.op, self.shape = ACTIVATIONS[neuron.activation][0], shape_of(neuron.activation)
        self.sums: list[float] = []  # z, example by example
        self.signals: list[float] = []  # ∂L/∂z
        self.flat = 0  # how often its derivative was next to nothing
        self.deep = 0  # how often it would still be so at half its sum z
        self.stuck = 0  # how often that was so far from the target, and the loss did not make up for it

    @property
    def dead(self) -> bool:
        return self.shape.one_sided and 1 < self.flat == len(self.sums)

    def note(self, z: Value, h: Value, signal: float, target: float | None) -> None:
        self.sums.append(z.data)
        self.signals.append(signal)
        if h is not z and abs(h.partials[0]) < FLAT * self.shape.steepest:
            self.flat += 1
            self.deep += abs(self._slope(z.data / 2)) < FLAT * self.shape.steepest
            off = 0.0 if target is None else abs(h.data - target)
            self.stuck += off > OFF and abs(signal) < FLAT * off

    def _slope(self, z: float) -> float:
        op, constants = ACTIVATIONS[self.neuron.activation]
        return float(op.partials(op.forward(z, *constants), z, *constants)[0]) if op else 1.0


class Seen:
    """All that was seen of a model and its data, for the findings."""

    def __init__(self, model: Any, table: Table, loss: Loss | None, lr: Any, optimizer: Any) -> None:
        features = [*map(visible, table.features)]
        rows, targets = table.rows, table.targets
        self.model, self.lr, self.optimizer = model, lr, optimizer
        self.features, self.total = features, len(rows)
        self.loss: Any = loss  # if None, that which suits the first outputs
        self.parameters: list[Value] = model.parameters()
        if not self.parameters:
            raise ValueError(f"{model!r:.60} has no parameters, so there is nothing to learn")
        most = max(FEW, min(_MOST_EXAMPLES, _MOST_WORK // len(self.parameters)))
        self.chosen = sorted(random.Random(0).sample(range(self.total), min(most, self.total)))
        self.rows, self.targets = ([column[i] for i in self.chosen] for column in (rows, targets))
        if isinstance(model, MLP) and len(features) != model.sizes[0]:
            raise ValueError(f"{model!r} takes {model.sizes[0]} inputs, but the rows have {len(features)}")
        self.columns: list[tuple[str, float, float]] = []  # name, mean, spread, of those that vary
        self.constant: list[str] = []
        for j, column in enumerate(zip(*self.rows)):
            mean = ops.mean(*column)
            spread = math.hypot(*(x - mean for x in column)) / math.sqrt(len(column))
            if max(column) != min(column):
                self.columns.append((features[j], mean, spread))
            elif all(row[j] == column[0] for row in rows):  # some 500 may miss a rare number
                self.constant.append(features[j])
        layers = model.layers if isinstance(model, MLP) else []
        self.units = [
            [Unit(neuron, j if layer is layers[-1] else None) for j, neuron in enumerate(layer.neurons)]
            for layer in layers
        ]
        self.owners = {unit.neuron.b: unit for layer in self.units for unit in layer}
        self.lost = [p for p in self.parameters if not math.isfinite(p.data)]
        self.trouble = ""
        if self.lost:
            self.trouble = f"is made of {name_of(self.lost[0])} = {short(self.lost[0].data)}"
        self.outputs: list[list[float]] = []
        self.endings: set[tuple[str, str]] = set()  # losses from logits, and what made their logits
        self.gradient = dict.fromkeys(self.parameters, 0.0)  # of the mean loss, as training minimises it
        self.uses = dict.fromkeys(self.parameters, 0)  # how often one example uses a parameter
        self._prepare(table)
        looks = zip(self.chosen, self.rows, self._prepared.rows, self._prepared.targets)
        self.mean_loss = ops.sum(*(self._look(*look) for look in looks))
        self.norm = math.hypot(*self.gradient.values())
        self.is_finite = len(self.outputs) == len(self.rows) and math.isfinite(self.mean_loss + self.norm)
        if not self.trouble and not math.isfinite(self.mean_loss + self.norm):
            self.trouble = f"is {short(self.mean_loss)}, the norm of its gradient {short(self.norm)}"
        if self.trouble:
            self.mean_loss = math.nan
        self.layers = [
            self._numbers(str(k), units, layer.parameters(), [w for unit in units for w in unit.neuron.w])
            for k, (layer, units) in enumerate(zip(layers, self.units), 1)
        ] or [self._numbers("all", [], self.parameters, self.parameters)]

    def _prepare(self, table: Table) -> None:
        """The objective as training has it, and the examples as it takes them: in the model's units."""
        try:
            with no_grad():
                prediction = self.model(self.rows[0])
                self.loss = self.loss or losses.usual_loss(prediction, self.targets[0])
                L = self.loss(prediction, self.targets[0])
            if not isinstance(L, Value):
                raise TypeError(f"the loss of an example must be a Value, not {L!r:.60}")
        except (ArithmeticError, ValueError) as error:
            self.trouble = self.trouble or f"of rows[{self.chosen[0]}] cannot be computed: {error}"
        chosen = dataclasses.replace(table, rows=self.rows, targets=self.targets)
        self._objective = objective_of(self.model, self.loss or losses.half_squared_error, chosen)
        self._prepared = self._objective.prepare(chosen)

    def _minimised(self, row: list[float], target: Any) -> Value:
        L = self._objective.function(row, target)
        if isinstance(L, tuple):  # and what is reported
            L, _ = L
        return L  # type: ignore[no-any-return]

    def _look(self, i: int, row: list[float], prepared: list[float], goal: Any) -> float:
        """Record one example and read its graph; its share of the mean loss."""
        try:
            with no_grad():
                self.outputs.append([float(y) for y in as_list(self.model(row))])
            L = self._minimised(prepared, goal)
            order, gradient = topological_order(L), gradients(L)
            for parameter in self.parameters:
                self.gradient[parameter] += gradient.get(parameter, 0.0) / len(self.rows)
            if not any(self.uses.values()):
                used = Counter(parent for node in order for parent in node.parents)
                self.uses = {parameter: used[parameter] for parameter in self.parameters}
        except (ArithmeticError, ValueError) as error:
            self.trouble = self.trouble or f"of rows[{i}] cannot be computed: {error}"
            return 0.0
        if not math.isfinite(L.data):
            first = next(value for value in order if not math.isfinite(value.data))
            cause = f", since {name_of(first)} = {short(first.data)}" if first is not L else ""
            self.trouble = self.trouble or f"of rows[{i}] is {short(L.data)}{cause}"
            return 0.0
        self.endings.update(filter(None, map(_ending, order)))
        is_met = self.loss not in OF_CLASSES and (self.loss in SQUARED or not self._has_target_units)
        goals = as_list(goal) if is_met else []
        owners, sums = self.owners, dict[Value, Unit]()  # a sum is known by its last operand, the bias
        for node in order:
            if node.op is ops.dot and node.parents[-1] in owners:
                sums[node] = owners[node.parents[-1]]
            z = node if node in sums and not sums[node].op else node.parents[0] if node.op else node
            if (unit := sums.get(z)) and node.op is (unit.op or ops.dot):
                met = unit.output is not None and len(goals) == len(self.units[-1])
                unit.note(z, node, gradient[z], goals[unit.output or 0] if met else None)
        return L.data / len(self.rows)

    def _numbers(
        self, name: str, units: list[Unit], parameters: list[Value], weights: list[Value]
    ) -> LayerNumbers:
        activation = units[0].neuron.activation if units else "linear"
        shape, looks = shape_of(activation), sum(len(unit.sums) for unit in units)
        signal = math.hypot(*(s for unit in units for s in unit.signals)) / math.sqrt(looks or 1)
        return LayerNumbers(
            name,
            len(units) or None,
            activation if units else "–",
            sum(unit.dead for unit in units) / len(units) if shape.one_sided else None,
            sum(unit.flat for unit in units) / looks if shape.saturates and looks else None,
            signal if looks and not self.trouble else None,
            None if self.trouble else math.hypot(*(self.gradient[p] for p in parameters)),
            math.hypot(*(w.data for w in weights)),
        )

    @property
    def scale(self) -> float:
        """By what the loss that is minimised is multiplied, to have the user's units."""
        return self._objective.scale

    @property
    def _has_target_units(self) -> bool:
        units = getattr(self.model, "units", None)
        return bool(units and units.target_means)

    @functools.cached_property
    def has_learned(self) -> bool:
        """Whether the outputs fit their own targets far better than those of other examples."""
        n = len(self.outputs)
        if self.trouble or n < 2:
            return False
        shifts = range(1, min(n, 8))
        try:
            own = ops.mean(*(self._loss_of(i, i) for i in range(n)))
            others = ops.mean(*(self._loss_of(i, (i + shift) % n) for shift in shifts for i in range(n)))
        except (ArithmeticError, ValueError):  # infinite, for a target that was ruled out
            return False
        return bool(own <= _LEARNED * others)

    def _loss_of(self, i: int, j: int) -> float:
        """The loss of the outputs for one example with the target of another."""
        outputs = [*map(Value, self.outputs[i])]
        with no_grad():
            return float(self.loss(one_or_all(outputs), self.targets[j]))

    def trial(self, rate: float, steps: int = _TRIAL) -> list[float]:
        """The mean losses of a short training with that learning rate, which is taken back.

        It starts from the parameters as they are, over some of the examples. The first number is the loss
        before it; where a loss is not finite, the last is infinite.
        """
        count = max(FEW, min(_TRIAL_EXAMPLES, _TRIAL_WORK // len(self.parameters)))
        rows, targets = self._prepared.rows[:count], self._prepared.targets[:count]
        means: list[float] = []
        before = Unchanged(self.parameters)
        with before, before:
            optimizer = self._twin(rate)
            while len(means) <= steps:
                is_last = len(means) == steps
                total = dict.fromkeys(self.parameters, 0.0)
                try:
                    with no_grad() if is_last else nullcontext():
                        graphs = [self._minimised(row, target) for row, target in zip(rows, targets)]
                    for gradient in () if is_last else map(gradients, graphs):
                        for parameter in self.parameters:
                            total[parameter] += gradient.get(parameter, 0.0)
                    mean = ops.mean(*(L.data for L in graphs))
                except (ArithmeticError, ValueError):
                    mean = math.inf
                if not math.isfinite(mean + math.hypot(*total.values())):
                    return [*means, math.inf]
                means.append(mean)
                for parameter in self.parameters:
                    parameter.grad = total[parameter] / len(rows)
                try:
                    optimizer.step()
                except (ArithmeticError, ValueError):
                    return [*means, math.inf]
        return means

    def _twin(self, rate: float) -> Optimizer:
        """An optimiser like the one that was used, with a state of its own; or gradient descent."""
        if self.optimizer is None:
            return SGD(self.parameters, lr=rate)
        twin = copy.copy(self.optimizer)
        for name, part in vars(twin).items():
            if name != "parameters":
                setattr(twin, name, copy.copy(part))
        twin.lr = rate
        return twin  # type: ignore[no-any-return]

    def title(self) -> str:
        count = f"{self.total:,} example{'s' * (self.total > 1)}"
        if len(self.rows) < self.total:
            count = f"{len(self.rows)} of {count}, chosen by chance"
        loss = "" if self.trouble else f": mean loss {short(self.mean_loss * self._objective.scale)}"
        kind: Any = type(self.model)
        name = kind.__name__ if kind.__repr__ is object.__repr__ else f"{self.model!r:.200}"
        return visible(f"{name} on {count}{loss}")


def _ending(node: Value) -> tuple[str, str] | None:
    """Of a loss from logits its name, and "sigmoid", "softmax" or "" for what its logits come from."""
    if node.op not in {ops.binary_cross_entropy_with_logits, ops.cross_entropy}:
        return None
    logits = node.parents[:-1]
    ending = ""
    if all(z.op is ops.sigmoid for z in logits):
        ending = "sigmoid"
    elif len(logits) > 1 and all(z.op and z.data >= 0 for z in logits):
        ending = "softmax" if math.isclose(math.fsum(z.data for z in logits), 1.0, rel_tol=1e-9) else ""
    return node.op.name, ending


def name_of(value: Value) -> str:
    return visible(value.name or (formula(value) if value.op else "a value"))[:60]


def short(data: float) -> str:
    return f"{data:.3g}".replace("-", "−")


def as_list(numbers: Any) -> list[Any]:
    return list(numbers) if isinstance(numbers, list | tuple) else [numbers]
