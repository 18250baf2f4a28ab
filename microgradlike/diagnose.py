"""diagnose: what keeps a network from learning, in numbers and in sentences.

Each example is recorded once and its graph is read: what every neuron gave, how steep its activation was
there, how much of the gradient came through. Each finding is a function in the table `_FINDINGS`.
"""

import functools
import html
import math
import random
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, SupportsFloat, TypeAlias

from microgradlike import losses, ops
from microgradlike.data import as_table
from microgradlike.engine import Value, no_grad, real, topological_order
from microgradlike.formula import formula
from microgradlike.label import visible
from microgradlike.nn import ACTIVATIONS, MLP, Module, Neuron
from microgradlike.receipts import Receipted

_Loss: TypeAlias = Callable[[Any, Any], Value]

# Where a finding begins. Networks that learn stay well away from these, as a test measures.
_FLAT = 0.01  # a derivative below this part of its largest hands on next to nothing
_DEAD = 0.25  # the share of a layer's neurons; of new networks, too, half have a single dead relu somewhere
_SATURATED = 0.6  # the share of a hidden layer's outputs that are flat
_STUCK, _OFF = 0.25, 0.25  # the share of the last layer's that are flat and so far from their targets
_FACTOR, _HUGE = 1e3, 1e3  # by which ∂L/∂z changes from layer to layer in all; |gradient| / |weights|
_LARGE, _SMALL = 10.0, 0.01  # of a column: its root mean square; its spread
_FAR, _APART = 10.0, 100.0  # its mean in spreads, if that is above 1, too; the widest spread in its own
_UNBALANCED, _FEW = 0.95, 20  # the share of one class, of no fewer examples
_STANDSTILL, _PROGRESS = 1e-4, 1e-2  # the part of the loss that a step takes: too little; worth it
_SLOW = 500.0  # times the rate, and a step still takes away more and more
_TYPICAL = 0.1  # a rate; where such a one stands still, it is not too low: that is a plateau, or the end

_MOST_EXAMPLES, _MOST_WORK = 500, 5_000_000  # to look at; and examples times parameters
_MOST_TRIES, _MOST_NAMES, _WIDTH = 100, 6, 100
_END = 1e300  # as good as infinity, and a number that every activation takes

_OF_PROBABILITIES = (losses.binary_cross_entropy, losses.binary_cross_entropy_with_logits)
_OF_CLASSES = (losses.cross_entropy, losses.hinge_loss, losses.binary_cross_entropy_with_logits)


class Finding(NamedTuple):
    """Something that is wrong: of what kind; and where, why it hurts, and what to write instead."""

    kind: str
    sentence: str


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


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis:
    """What `diagnose` found: a table, and a sentence for each finding, in a terminal and in a notebook.

    Attributes:
        title: the model, the examples that were looked at, and their mean loss.
        layers: a `LayerNumbers` for each layer.
        findings: a `Finding` for each thing that is wrong; none if all is well.
        loss: the mean loss; nan if it could not be computed.
    """

    title: str
    layers: list[LayerNumbers]
    findings: list[Finding]
    loss: float

    def __str__(self) -> str:
        lines = self._lines()
        widths = [max(map(len, column)) for column in zip(*lines)]
        aligned = [[f"{c:{side}{w}}" for c, side, w in zip(line, _SIDES, widths)] for line in lines]
        table = "\n".join("  ".join(cells).rstrip() for cells in aligned)
        wrap = functools.partial(
            textwrap.fill, width=_WIDTH, break_long_words=False, break_on_hyphens=False
        )
        return "\n\n".join([wrap(self.title), table, *map(wrap, self._sentences())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = ""
        for i, line in enumerate(self._lines()):
            tag, cells = "td" if i else "th", ""
            for cell, side in zip(line, _SIDES):
                where = "left" if side == "<" else "right"
                cells += f'<{tag} style="text-align: {where}">{html.escape(cell)}</{tag}>'
            rows += f"<tr>{cells}</tr>\n"
        # As in `ripple`: the ink of the page, light or dark, and no formula begins at a $ in a name.
        table = f'<table style="color: inherit; font-variant-numeric: tabular-nums">\n{rows}</table>'
        title, *sentences = (f"<p>{html.escape(text)}</p>" for text in (self.title, *self._sentences()))
        return f'<div class="tex2jax_ignore mathjax_ignore">{title}{table}{"".join(sentences)}</div>'

    def _lines(self) -> list[list[str]]:
        lines = [
            ["layer", "neurons", "activation", "dead", "saturated", "rms ∂L/∂z", "|gradient|", "|weights|"]
        ]
        for name, neurons, activation, *shares, signal, gradient, weights in self.layers:
            percents = ["–" if share is None else _percent(share) for share in shares]
            numbers = ["–" if x is None else _number(x) for x in (signal, gradient, weights)]
            lines.append([name, str(neurons or "–"), activation, *percents, *numbers])
        return lines

    def _sentences(self) -> list[str]:
        if not self.findings:
            return ["All is well: none of the usual things that keep a network from learning was found."]
        return [f"{i}. {finding.sentence}" for i, finding in enumerate(self.findings, 1)]


_SIDES = "<><>>>>>"  # on which the columns are aligned


def diagnose(
    model: Module,
    data: Any,
    loss: _Loss = losses.half_squared_error,
    lr: SupportsFloat | None = None,
) -> Diagnosis:
    """What keeps a network from learning: a table of its layers, and a sentence for each thing wrong.

    Nothing is changed: parameters and gradients are as before. Of many examples 500 are looked at, for a
    very large model fewer; they are chosen by chance, but always the same.

    Args:
        model: an `MLP`; of any other `Module` the neurons are unknown, and the rest is judged.
        data: the examples, in a form that `microgradlike.data.as_table` takes, such as a pair (X, t).
        loss: of a prediction and a target, as in `microgradlike.losses`.
        lr: the learning rate to judge, by one step of gradient descent on the mean loss, which is taken
            back. Without it none is judged.

    Raises:
        TypeError: the model is no Module, the loss gives no Value, or the data holds what is no number.
        ValueError: there are no examples, they do not fit each other or the model, a number of them is not
            finite, the model has no parameters, or lr is not a finite number above 0.

    >>> X, t = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0]
    >>> network = MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
    >>> diagnose(network, (X, t), lr=0.5)
    MLP(2, [2, 1], activation='sigmoid', output_activation='sigmoid') on 4 examples: mean loss 0.132
    <BLANKLINE>
    layer  neurons  activation  dead  saturated  rms ∂L/∂z  |gradient|  |weights|
    1            2  sigmoid        –        0 %     0.0221     0.00411       3.07
    2            1  sigmoid        –        0 %       0.12      0.0311       1.28
    <BLANKLINE>
    All is well: none of the usual things that keep a network from learning was found.
    """
    if not isinstance(model, Module) or not callable(model):
        raise TypeError(f"diagnose(model, data) examines a Module such as an MLP, not {model!r:.60}")
    if not callable(loss):
        raise TypeError(f"loss is a function such as half_squared_error, not {loss!r:.60}")
    rate = None if lr is None else real(lr)
    if rate is not None and not 0 < rate < math.inf:
        raise ValueError(f"lr is {rate:g}: a learning rate is a finite number above 0, such as 0.1")
    with _kept(model.parameters()):
        seen = _Seen(model, *_examples(data), loss, rate)
        found = [Finding(kind, text) for kind, find in _FINDINGS.items() for text in find(seen)]
        return Diagnosis(seen.title(), seen.layers, found, seen.mean_loss)


# ── Looking ───────────────────────────────────────────────────────────────────────────────────────────


def _examples(data: Any) -> tuple[list[list[float]], list[Any], list[str]]:
    """Rows, targets, and the names of the columns."""
    table = as_table(data)
    if len(table.rows) != len(table.targets) or not table.rows:
        raise ValueError(f"there are {len(table.rows)} rows and {len(table.targets)} targets")
    targets = [[*map(float, t)] if isinstance(t, list) else float(t) for t in table.targets]
    return table.rows, targets, [*map(visible, table.features)]


@contextmanager
def _kept(parameters: Sequence[Value]) -> Iterator[None]:
    """Whatever happens within, the parameters are as before after it."""
    before = [(parameter, parameter.data, parameter.grad) for parameter in parameters]
    try:
        yield
    finally:
        for parameter, data, grad in before:
            parameter.data, parameter.grad = data, grad


class _Shape(NamedTuple):
    """What an activation is like, as its row of the op table says it at a few numbers."""

    low: float  # the least output
    high: float
    steepest: float  # the largest derivative
    one_sided: bool  # flat to the left, but not to the right
    saturates: bool  # flat on both sides


@functools.cache
def _shape(activation: str) -> _Shape:
    op, constants = ACTIVATIONS[activation]
    if not op:
        return _Shape(-math.inf, math.inf, 1.0, one_sided=False, saturates=False)
    zs = (-_END, -1.0, 0.0, 1.0, 2.0, _END)
    outputs = [op.forward(z, *constants) for z in zs]
    slopes = [abs(op.partials(out, z, *constants)[0]) for out, z in zip(outputs, zs)]
    left, right = (slopes[end] < _FLAT * max(slopes) for end in (0, -1))
    return _Shape(min(outputs), max(outputs), max(slopes), left and not right, left and right)


class _Unit:
    """A neuron of an MLP, and what was seen of it."""

    def __init__(self, neuron: Neuron, output: int | None) -> None:
        self.neuron, self.name, self.output = neuron, visible(neuron.name), output
        self.op, self.shape = ACTIVATIONS[neuron.activation][0], _shape(neuron.activation)
        self.sums: list[float] = []  # z, example by example
        self.signals: list[float] = []  # ∂L/∂z
        self.flat = 0  # how often its derivative was next to nothing
        self.stuck = 0  # how often that was so far from the target, and the loss did not make up for it

    @property
    def dead(self) -> bool:
        return self.shape.one_sided and 1 < self.flat == len(self.sums)

    def note(self, z: Value, h: Value, signal: float, target: float | None) -> None:
        self.sums.append(z.data)
        self.signals.append(signal)
        if h is not z and abs(h.partials[0]) < _FLAT * self.shape.steepest:
            self.flat += 1
            off = 0.0 if target is None else abs(h.data - target)
            self.stuck += off > _OFF and abs(signal) < _FLAT * off


class _Seen:
    """All that was seen of a model and its data, for the findings."""

    def __init__(
        self,
        model: Any,
        rows: list[list[float]],
        targets: list[Any],
        features: list[str],
        loss: _Loss,
        lr: Any,
    ) -> None:
        self.model, self.loss, self.lr, self.features, self.total = model, loss, lr, features, len(rows)
        self.parameters: list[Value] = model.parameters()
        if not self.parameters:
            raise ValueError(f"{model!r:.60} has no parameters, so there is nothing to learn")
        most = max(_FEW, min(_MOST_EXAMPLES, _MOST_WORK // len(self.parameters)))
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
            [_Unit(neuron, j if layer is layers[-1] else None) for j, neuron in enumerate(layer.neurons)]
            for layer in layers
        ]
        self.owners = {unit.neuron.b: unit for layer in self.units for unit in layer}
        lost = [p for p in self.parameters if not math.isfinite(p.data)]
        self.trouble = f"is made of {_name(lost[0])} = {_number(lost[0].data)}" if lost else ""
        self.outputs: list[list[float]] = []
        self.gradient = dict.fromkeys(self.parameters, 0.0)  # of the mean loss
        self.mean_loss = ops.sum(*map(self._look, self.chosen, self.rows, self.targets))
        self.norm = math.hypot(*self.gradient.values())
        if not self.trouble and not math.isfinite(self.mean_loss + self.norm):
            self.trouble = f"is {_number(self.mean_loss)}, the norm of its gradient {_number(self.norm)}"
        if self.trouble:
            self.mean_loss = math.nan
        self.layers = [
            self._numbers(str(k), units, layer.parameters(), [w for unit in units for w in unit.neuron.w])
            for k, (layer, units) in enumerate(zip(layers, self.units), 1)
        ] or [self._numbers("all", [], self.parameters, self.parameters)]

    def _look(self, i: int, row: list[float], target: Any) -> float:
        """Record one example and read its graph; its share of the mean loss."""
        try:
            prediction = self.model(row)
            self.outputs.append([float(y) for y in _list(prediction)])
            L = self.loss(prediction, target)
            if not isinstance(L, Value):
                raise TypeError(f"the loss of an example must be a Value, not {L!r:.60}")
            order = topological_order(L)
            gradients = _gradients(L, order)
        except (ArithmeticError, ValueError) as error:
            self.trouble = self.trouble or f"of rows[{i}] cannot be computed: {error}"
            return 0.0
        if not math.isfinite(L.data):
            first = next(value for value in order if not math.isfinite(value.data))
            cause = f", since {_name(first)} = {_number(first.data)}" if first is not L else ""
            self.trouble = self.trouble or f"of rows[{i}] is {_number(L.data)}{cause}"
            return 0.0
        for parameter in self.parameters:
            self.gradient[parameter] += gradients.get(parameter, 0.0) / len(self.rows)
        goals = _list(target) if self.loss not in _OF_CLASSES else []
        owners, sums = self.owners, dict[Value, _Unit]()  # a sum is known by its last operand, the bias
        for node in order:
            if node.op is ops.dot and node.parents[-1] in owners:
                sums[node] = owners[node.parents[-1]]
            z = node if node in sums and not sums[node].op else node.parents[0] if node.op else node
            if (unit := sums.get(z)) and node.op is (unit.op or ops.dot):
                met = unit.output is not None and len(goals) == len(self.units[-1])
                unit.note(z, node, gradients.get(z, 0.0), goals[unit.output or 0] if met else None)
        return L.data / len(self.rows)

    def _numbers(
        self, name: str, units: list[_Unit], parameters: list[Value], weights: list[Value]
    ) -> LayerNumbers:
        activation = units[0].neuron.activation if units else "linear"
        shape, looks = _shape(activation), sum(len(unit.sums) for unit in units)
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

    def loss_after(self, rate: float) -> float:
        """The mean loss after a step of gradient descent, which is taken back; infinite if it has none."""
        mean = 0.0
        with _kept(self.parameters), no_grad():
            for parameter, gradient in self.gradient.items():
                parameter.data -= rate * gradient
            for row, target in zip(self.rows, self.targets):
                try:
                    mean += self.loss(self.model(row), target).data / len(self.rows)
                except (ArithmeticError, ValueError):
                    return math.inf
        return mean if math.isfinite(mean) else math.inf

    def descend(self, rate: float, loss: float, factor: float) -> tuple[float, float]:
        """The lowest loss after one step, and its rate: times the factor for as long as that helps."""
        for _ in range(_MOST_TRIES):
            after = self.loss_after(rate * factor)
            if after >= loss and (loss < self.mean_loss or (after > self.mean_loss and factor > 1)):
                break
            rate, loss = rate * factor, after
        return loss, rate

    def title(self) -> str:
        count = f"{self.total:,} example{'s' * (self.total > 1)}"
        if len(self.rows) < self.total:
            count = f"{len(self.rows)} of {count}, chosen by chance"
        loss = "" if self.trouble else f": mean loss {_number(self.mean_loss)}"
        kind: Any = type(self.model)
        name = kind.__name__ if kind.__repr__ is object.__repr__ else f"{self.model!r:.200}"
        return visible(f"{name} on {count}{loss}")


def _gradients(loss: Value, order: Sequence[Value]) -> dict[Value, float]:
    """∂loss/∂v for each value v, as `Value.backward` computes it, but no ``grad`` is touched."""
    gradients = {loss: 1.0}
    for node in reversed(order):
        if node in gradients:
            for parent, partial in zip(node.parents, node.partials):
                gradients[parent] = gradients.get(parent, 0.0) + partial * gradients[node]
    return gradients


# ── Findings: each looks at what was seen, and yields a text or none ──────────────────────────────────


def _not_finite(seen: _Seen) -> Iterator[str]:
    if seen.trouble and not any(_targets_out_of_range(seen)):  # which would be the reason
        yield (
            f"The loss {seen.trouble}. No gradient says anything then, and one step would spoil every "
            "weight. If the data is at fault, correct that row or leave it out; if a weight is, start "
            "anew with smaller weights or a smaller learning rate."
        )


def _targets_out_of_range(seen: _Seen) -> Iterator[str]:
    activation = seen.layers[-1].activation if seen.units else "linear"
    low, high, *_ = _shape(activation)
    targets = [(i, u) for i, t in zip(seen.chosen, seen.targets) for u in _list(t)]
    labels = {u for _, u in targets} == {-1.0, 1.0}
    from_0 = "write (t + 1) / 2, which is 0 or 1" if labels else "scale the targets to 0 … 1"
    fits: Callable[[Any], bool] = lambda u: low <= u <= high  # noqa: E731
    if seen.loss is losses.cross_entropy:
        classes = min(map(len, seen.outputs), default=0)
        why = f"of {classes} outputs cross_entropy wants the number of the right one, 0 to {classes - 1}"
        remedy = "number the classes from 0 on, and give the network an output for each"
        remedy = (
            "write t - 1"
            if {*map(str, seen.targets)} == {f"{k}.0" for k in range(1, classes + 1)}
            else remedy
        )
        targets, fits = [*zip(seen.chosen, seen.targets)], [*range(classes)].__contains__
    elif seen.loss is losses.hinge_loss:
        why, remedy, fits = "hinge_loss wants −1 and 1", "write 2 * t - 1 for 0 and 1", {-1, 1}.__contains__
    elif seen.loss in _OF_PROBABILITIES:
        why, remedy, fits = "this loss wants probabilities, 0 to 1", from_0, lambda u: 0 <= u <= 1
    elif high < _END:
        why = f"{activation} outputs stay between {_number(low)} and {_number(high)}"
        remedy = from_0 if activation == "sigmoid" else "scale the targets to −1 … 1"
        remedy += f', or write output_activation="{"tanh" if labels else "linear"}"'
    else:
        why, remedy = (
            f"{activation} outputs are never below {_number(low)}",
            'write output_activation="linear"',
        )
    if wrong := [(i, t) for i, t in targets if not fits(t)]:
        i, t = wrong[0]
        yield (
            f"Targets are out of range, {len({i for i, _ in wrong})} of {len(seen.rows)}, first that of "
            f"rows[{i}], {_number(t) if isinstance(t, float) else t}: {why}. No training can meet them, "
            f"and trying drives the weights off. Instead, {remedy}."
        )


def _zero_grad_forgotten(seen: _Seen) -> Iterator[str]:
    n, first = seen.total, seen.parameters[0]
    times = max(len(p.grad.passes) if isinstance(p.grad, Receipted) else 0 for p in seen.parameters)
    if times <= n:  # which may be one for each example; so look at the numbers
        times = 0
        now = [float(p.grad) for p in seen.parameters]
        one = list(seen.gradient.values())
        k = math.hypot(*now) / seen.norm if seen.norm and not seen.trouble and len(seen.rows) == n else 0.0
        near = math.hypot(*(a - k * g for a, g in zip(now, one))) < 1e-6 * k * seen.norm
        if near and round(k) > 1 and abs(k - round(k)) < 1e-6 * k < 0.1:
            # A pass of the sum over n examples is n passes of the mean, and no mistake.
            times = round(k) // n if round(k) % n == 0 else round(k)
    if times > 1:
        yield (
            f"zero_grad was forgotten: the gradients are of {times} passes, added up; {_name(first)}.grad "
            f"is {_number(first.grad)}, and one pass over the data gives {_number(seen.gradient[first])}. "
            "Old gradients pull the steps astray, further each time. Write model.zero_grad() before "
            f"loss.backward(). (Of another loss than the one given here, which is {times} times as large, "
            "one pass would give the same.)"
        )


def _column_constant(seen: _Seen) -> Iterator[str]:
    if seen.constant and seen.total > 1:
        yield (
            f"No example differs from another in {_some(seen.constant)}: a column that never varies says "
            "nothing, and its weights only do what the biases do. Leave it out, or look why it is "
            "constant."
        )


def _inputs_not_scaled(seen: _Seen) -> Iterator[str]:
    widest = min(_LARGE, max((spread for _, _, spread in seen.columns), default=0.0))
    wrong = [
        (name, mean, spread)
        for name, mean, spread in seen.columns
        if math.hypot(mean, spread) > _LARGE
        or abs(mean) > max(1.0, _FAR * spread)
        or spread < max(_SMALL, widest / _APART)
    ]
    if wrong:
        name, mean, spread = wrong[0]
        said = [f"{n} has mean {_number(m)} and spread {_number(s)}" for n, m, s in wrong]
        minus = f"{'+' if mean < 0 else '-'} {abs(mean):.4g}"
        yield (
            f"The inputs are not scaled: {_some(said, '; ')}. The weights start out for numbers around 0 "
            "of spread 1; others saturate neurons or go unheard, and no learning rate suits all weights. "
            f"Standardise each column: for {name} write (x {minus}) / {spread:.4g}, for new rows, too."
        )


def _classes_unbalanced(seen: _Seen) -> Iterator[str]:
    [(target, count)] = Counter(map(repr, seen.targets)).most_common(1)
    target, share = target.removesuffix(".0").replace("-", "−"), count / len(seen.rows)
    if len(seen.rows) >= _FEW and share > _UNBALANCED:
        yield (
            f"The targets are unbalanced: {_percent(share)} are {target}. Always to say {target} is nearly "
            "always right then, and that is what is learned. Repeat the other rows until they are as "
            "many, and judge the model on each class by itself."
        )


def _symmetric(seen: _Seen) -> Iterator[str]:
    for k, units in enumerate(seen.units, 1):
        first, *others = ([*unit.neuron.w, unit.neuron.b] for unit in units)
        alike = all(
            p.data == q.data and math.isclose(seen.gradient[p], seen.gradient[q], rel_tol=1e-9)
            for other in others
            for p, q in zip(first, other)
        )
        if others and alike and not seen.trouble:
            zero = "" if any(p.data for p in first) else ", all 0"
            yield (
                f"Layer {k} is symmetric: its neurons {_names(units)} have the same weights and "
                f"biases{zero}, and the same gradients. So they stay the same, and {len(units)} neurons do "
                "the work of one. Start from weights drawn by chance, which a new MLP(…) has."
            )


def _dead(seen: _Seen) -> Iterator[str]:
    dead: dict[int, list[_Unit]] = {}
    for k, units in enumerate(seen.units, 1):
        gone = [unit for unit in units if unit.dead]
        if len(gone) >= _DEAD * len(units):
            dead[k] = gone
    if dead:
        where = [
            f"{_names(gone)} ({len(gone)} of {len(seen.units[k - 1])} in layer {k})"
            for k, gone in dead.items()
        ]
        highest = max(z for units in dead.values() for unit in units for z in unit.sums)
        kinds = sorted({unit.neuron.activation for units in dead.values() for unit in units})
        yield (
            f"There are dead {' and '.join(kinds)} neurons: {_some(where, '; ')}. In all {len(seen.rows)} "
            f"examples their sums z are on the flat side, at most {_number(highest)}, so no gradient comes "
            'through and their weights do not change. Write activation="leaky_relu", which is nowhere '
            "flat, or start anew with another seed; if this came in training, with a smaller learning "
            "rate."
        )


def _saturated(seen: _Seen) -> Iterator[str]:
    for k, units in enumerate(seen.units, 1):
        # An output may be saturated where it is right. A hidden neuron passes nothing on either way.
        last = units[0].output is not None
        flat = {unit: unit.stuck if last else unit.flat * unit.shape.saturates for unit in units}
        share = sum(flat.values()) / max(1, sum(len(unit.sums) for unit in units))
        if share >= (_STUCK if last else _SATURATED):
            worst = sorted(filter(flat.get, units), key=lambda unit: -flat[unit])
            far = max(abs(z) for unit in worst for z in unit.sums)
            yield (
                f"Layer {k} is saturated: {_percent(share)} of its {units[0].neuron.activation} "
                f"outputs{' are far from their targets, but' * last} have a derivative below 1 % of the "
                f"largest, most of {_names(worst)}, whose sums z go up to ±{_number(far)}. Next to no "
                "gradient comes through. Make the sums smaller: standardise the inputs, start from the "
                "weights of a new MLP(…), or train with a smaller learning rate."
            )


def _vanishing(seen: _Seen) -> Iterator[str]:
    first, last = seen.layers[0].signal, seen.layers[-1].signal
    blocked = any(
        1 in {layer.dead, layer.saturated} or not layer.weights for layer in seen.layers
    )  # which is said elsewhere
    if first is not None and last and not blocked and first < last / _FACTOR:
        yield (
            f"The gradient vanishes: ∂L/∂z is {_number(last)} in layer {len(seen.layers)} and "
            f"{_number(first)} in layer 1, less than a part in {_FACTOR:,.0f}. So {_names(seen.units[0])} "
            'learn that much more slowly. Take fewer layers, activation="relu" or "tanh", and the weights '
            "that a new MLP(…) draws for it."
        )


def _exploding(seen: _Seen) -> Iterator[str]:
    first, last = seen.layers[0].signal, seen.layers[-1].signal
    weights = math.hypot(*(p.data for p in seen.parameters))
    how = ""
    if first and last and first > _FACTOR * last:
        how = (
            f"∂L/∂z is {_number(last)} in layer {len(seen.layers)} and {_number(first)} in layer 1 "
            f"({_names(seen.units[0])}), more than {_FACTOR:,.0f} times that"
        )
    elif not seen.trouble and seen.norm > _HUGE * max(1.0, weights):
        largest = max(seen.layers, key=lambda layer: layer.gradient or 0.0).name
        how = (
            f"its norm is {_number(seen.norm)}, that of the weights {_number(weights)}; see layer {largest}"
        )
    if how:
        yield (
            f"The gradient explodes: {how}. One step along it throws the weights far off. Start from "
            "smaller weights, as a new MLP(…) draws them, take fewer layers, and standardise the inputs "
            "and, where they are numbers to be met, the targets."
        )


def _outputs_the_same(seen: _Seen) -> Iterator[str]:
    ends = [(min(column), max(column)) for column in zip(*seen.outputs)]
    same = all(high - low <= 1e-6 * max(1.0, abs(high)) for low, high in ends)
    if same and not seen.trouble and any(t != seen.targets[0] for t in seen.targets):
        yield (
            f"The outputs are the same in all {len(seen.rows)} examples, "
            f"{_some([_number(y) for y, _ in ends])}, though the targets differ: nothing of the inputs "
            "comes through. Where a layer is dead, saturated or symmetric, mend that; else start anew, "
            "from weights that are not 0."
        )


def _learning_rate_too_high(seen: _Seen) -> Iterator[str]:
    if seen.trouble or not seen.lr or not seen.norm or any(_exploding(seen)):
        return
    after, before = seen.loss_after(seen.lr), seen.mean_loss
    promised = seen.lr * seen.norm * seen.norm
    if after > before:
        lowest, rate = seen.descend(seen.lr, after, 0.5)
        if lowest < before:  # else this is the bottom, as far as floats can tell
            yield (
                f"The learning rate {seen.lr:g} is too high: one step takes the mean loss from "
                f"{_number(before)} to {_number(after)}, where the gradient promises "
                f"{_number(promised)} less. It jumps over the valley. {rate:.3g} would do, "
                f"and take it to {_number(lowest)}: write lr={rate:.3g}."
            )


def _learning_rate_too_low(seen: _Seen) -> Iterator[str]:
    if seen.trouble or not seen.norm or not seen.lr or seen.lr >= _TYPICAL:
        return
    after, before = seen.loss_after(seen.lr), seen.mean_loss
    if 0 <= before - after < _STANDSTILL * before:
        lowest, rate = seen.descend(seen.lr, after, 10.0)
        if before - lowest > _PROGRESS * before and rate > _SLOW * seen.lr:
            yield (
                f"The learning rate {seen.lr:g} is too low: one step lowers the mean loss, "
                f"{_number(before)}, by {_number(before - after)}, less than a part in "
                f"{1 / _STANDSTILL:,.0f}, so that training takes for ever. Even {rate:.3g} would lower it, "
                f"to {_number(lowest)}; a tenth of that is a careful choice: write lr={rate / 10:.3g}."
            )


_FINDINGS: dict[str, Callable[[_Seen], Iterator[str]]] = {
    "not finite": _not_finite,
    "targets": _targets_out_of_range,
    "zero_grad": _zero_grad_forgotten,
    "constant column": _column_constant,
    "inputs": _inputs_not_scaled,
    "unbalanced": _classes_unbalanced,
    "symmetric": _symmetric,
    "dead": _dead,
    "saturated": _saturated,
    "vanishing": _vanishing,
    "exploding": _exploding,
    "same outputs": _outputs_the_same,
    "learning rate too high": _learning_rate_too_high,
    "learning rate too low": _learning_rate_too_low,
}


# ── Writing ───────────────────────────────────────────────────────────────────────────────────────────


def _names(units: Sequence[_Unit]) -> str:
    return _some([unit.name for unit in units])


def _some(names: Sequence[str], comma: str = ", ") -> str:
    more = len(names) - _MOST_NAMES
    return comma.join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _name(value: Value) -> str:
    return visible(value.name or (formula(value) if value.op else "a value"))[:60]


def _number(data: float) -> str:
    return f"{data:.3g}".replace("-", "−")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _list(numbers: Any) -> list[Any]:
    return list(numbers) if isinstance(numbers, list | tuple) else [numbers]
