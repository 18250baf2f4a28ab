"""diagnose: what keeps a network from learning, in numbers and in sentences.

What there is to see, `microgradlike.examine` has seen. Each finding is a function in the table `_FINDINGS`.
"""

import functools
import html
import itertools
import math
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, SupportsFloat

from microgradlike import losses
from microgradlike.engine import real, recording
from microgradlike.examine import (
    END,
    FEW,
    LayerNumbers,
    Seen,
    Unit,
    as_list,
    examples,
    name_of,
    shape_of,
    short,
)
from microgradlike.losses import Loss
from microgradlike.nn import MLP, Module
from microgradlike.optim import Optimizer
from microgradlike.receipts import Receipted
from microgradlike.transaction import Unchanged

# Where a finding begins; a test counts how rarely new networks come that far.
_DEAD = 0.25  # the share of a layer's neurons; a single dead one of eight is common in new networks
_SATURATED = 0.6  # the share of a hidden layer's outputs that are flat
_DEEP = 0.5  # the share of these that would be flat at half their sums, too
_STUCK = 0.25  # the share of the last layer's that are flat and far from their targets
_FACTOR, _HUGE = 1e3, 1e3  # by which ∂L/∂z changes from layer to layer in all; |gradient| / |weights|
_LARGE, _SMALL = 10.0, 0.01  # of a column: its root mean square; its spread
_FAR, _APART = 10.0, 100.0  # its mean in spreads, if that is above 1, too; the widest spread in its own
_UNBALANCED = 0.95  # the share of one class
_STANDSTILL, _PROGRESS = 1e-4, 1e-2  # the part of the loss that a trial takes: too little; worth it
_SLOW = 500.0  # times the rate, and a step still takes away more and more
_WORSE = 1.5  # times the loss before it is a trial that went wrong
#: Rates; where such a one stands still, it is not too low: that is a plateau, or the end.
_TYPICAL, _TYPICAL_ADAPTIVE = 0.1, 1e-3
_MOST_RATE, _MOST_TRIES = 100.0, 60  # of rates that are tried

_MOST_NAMES, _WIDTH = 6, 100

_OF_PROBABILITIES = (losses.binary_cross_entropy, losses.binary_cross_entropy_with_logits)


class Finding(NamedTuple):
    """Something that is wrong: of what kind; and where, why it hurts, and what to write instead."""

    kind: str
    sentence: str


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis:
    """What `diagnose` found: a table, and a sentence for each finding, in a terminal and in a notebook.

    Attributes:
        title: the model, the examples that were looked at, and their mean loss.
        layers: a `LayerNumbers` for each layer.
        findings: a `Finding` for each thing that is wrong; none if all is well.
        loss: the mean loss; nan if it could not be computed.
        rate: the learning rate that was judged, if one was.
        unknown: what could not be judged, and what would tell; or "".
    """

    title: str
    layers: list[LayerNumbers]
    findings: list[Finding]
    loss: float
    rate: float | None = None
    unknown: str = ""

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
            numbers = ["–" if x is None else short(x) for x in (signal, gradient, weights)]
            lines.append([name, str(neurons or "–"), activation, *percents, *numbers])
        return lines

    def _sentences(self) -> list[str]:
        if not self.findings:
            judged = (
                "" if self.rate else " (No learning rate was judged: write lr=0.1, or what you train with.)"
            )
            sentences = [
                "All is well: none of the usual things that keep a network from learning was found."
                + judged
            ]
        else:
            sentences = [f"{i}. {finding.sentence}" for i, finding in enumerate(self.findings, 1)]
        return [*sentences, self.unknown] if self.unknown else sentences


_SIDES = "<><>>>>>"  # on which the columns are aligned


@recording()
def diagnose(
    model: Module,
    data: Any,
    loss: Loss | None = None,
    lr: SupportsFloat | None = None,
    *,
    optimizer: Optimizer | None = None,
) -> Diagnosis:
    """What keeps a network from learning: a table of its layers, and a sentence for each thing wrong.

    Nothing is changed: parameters and gradients are as before. Of many examples 500 are looked at, for a
    very large model fewer; they are chosen by chance, but always the same.

    Args:
        model: an `MLP`; of any other `Module` the neurons are unknown, and the rest is judged.
        data: the examples, in a form that `microgradlike.data.as_table` takes, such as a pair (X, t).
        loss: of a prediction and a target, as in `microgradlike.losses`; by default as for `fit`.
        lr: the learning rate to judge, by some steps of gradient descent on the mean loss, which are taken
            back. Without it, and without an optimiser, none is judged.
        optimizer: the optimiser that is used, in place of gradient descent; its rate is judged, or lr. It
            is not changed.

    Raises:
        TypeError: the model is no Module, the loss gives no Value, or the data holds what is no number.
        ValueError: there are no examples, they do not fit each other or the model, a number of them is not
            finite, the model has no parameters, or lr is not a finite number above 0.

    >>> from microgradlike import MLP
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
    if loss is not None and not callable(loss):
        raise TypeError(f"loss is a function such as half_squared_error, not {loss!r:.60}")
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"optimizer is an Optimizer such as Adam(model.parameters()), not {optimizer!r:.60}"
        )
    if lr is None and optimizer is not None:
        lr = optimizer.lr
    rate = None if lr is None else real(lr)
    if rate is not None and not 0 < rate < math.inf:
        raise ValueError(f"lr is {rate:g}: a learning rate is a finite number above 0, such as 0.1")
    before = Unchanged(model.parameters())
    with before, before:
        table = examples(data)
        if model.features:  # columns are found by their names, as in training
            table = table.arranged(model.features)
        seen = Seen(model, table, loss, rate, optimizer)
        found = [Finding(kind, text) for kind, find in _FINDINGS.items() for text in find(seen)]
        loss_value = seen.mean_loss * seen.scale
        return Diagnosis(seen.title(), seen.layers, found, loss_value, rate, _unknown(seen))


# ── Findings: each looks at what was seen, and yields a text or none ──────────────────────────────────


def _not_finite(seen: Seen) -> Iterator[str]:
    if seen.lost and seen.is_finite:
        yield (
            f"The loss {seen.trouble}. No step changes that number any more, and what depends on it has no "
            "gradient. Start anew with smaller weights or a smaller learning rate."
        )
    elif seen.trouble and not any(_targets_out_of_range(seen)):  # which would be the reason
        yield (
            f"The loss {seen.trouble}. No gradient says anything then, and one step would spoil every "
            "weight. If the data is at fault, correct that row or leave it out; if a weight is, start "
            "anew with smaller weights or a smaller learning rate."
        )


def _targets_out_of_range(seen: Seen) -> Iterator[str]:
    activation = seen.layers[-1].activation if seen.units else "linear"
    low, high, *_ = shape_of(activation)
    units = getattr(seen.model, "units", None)
    if units and units.target_means:  # the outputs are those of the activation, in the units of the targets
        ends = [(low * s + m, high * s + m) for m, s in zip(units.target_means, units.target_spreads)]
        low, high = max(low for low, _ in ends), min(high for _, high in ends)
    targets = [(i, u) for i, t in zip(seen.chosen, seen.targets) for u in as_list(t)]
    labels = {u for _, u in targets} == {-1.0, 1.0}
    from_0 = "write (t + 1) / 2, which is 0 or 1" if labels else "scale the targets to 0 … 1"
    fits: Callable[[Any], bool] = lambda u: low <= u <= high  # noqa: E731
    if seen.loss is losses.cross_entropy:
        classes = min(map(len, seen.outputs), default=0)
        why = f"of {classes} outputs cross_entropy wants the number of the right one, 0 to {classes - 1}"
        remedy = "number the classes from 0 on, and give the network an output for each"
        if not any(isinstance(t, list) for t in seen.targets) and {*seen.targets} == {
            *range(1, classes + 1)
        }:
            remedy = "write t - 1"
        targets, fits = [*zip(seen.chosen, seen.targets)], [*range(classes)].__contains__
    elif seen.loss is losses.hinge_loss:
        why, remedy, fits = "hinge_loss wants −1 and 1", "write 2 * t - 1 for 0 and 1", {-1, 1}.__contains__
    elif seen.loss in _OF_PROBABILITIES:
        why, remedy, fits = "this loss wants probabilities, 0 to 1", from_0, lambda u: 0 <= u <= 1
    elif high < END:
        why = f"{activation} outputs stay between {short(low)} and {short(high)}"
        remedy = from_0 if activation == "sigmoid" else "scale the targets to −1 … 1"
        remedy += f', or write output_activation="{"tanh" if labels else "linear"}"'
    else:
        why, remedy = (
            f"{activation} outputs are never below {short(low)}",
            'write output_activation="linear"',
        )
    if wrong := [(i, t) for i, t in targets if not fits(t)]:
        i, t = wrong[0]
        target = t if isinstance(t, list) else short(float(t))
        yield (
            f"Targets are out of range, {len({i for i, _ in wrong})} of {len(seen.rows)}, first that of "
            f"rows[{i}], {target}: {why}. No training can meet them, "
            f"and trying drives the weights off. Instead, {remedy}."
        )


def _probabilities_for_logits(seen: Seen) -> Iterator[str]:
    if len(seen.endings) != 1:
        return
    [(loss, ending)] = seen.endings
    if not ending:
        return
    instead = f"leave the {ending} out"
    if ending == "sigmoid" and isinstance(seen.model, MLP) and seen.model.output_activation == "sigmoid":
        instead = 'write output_activation="linear"'
    if loss == "binary_cross_entropy_with_logits":
        twice, instead = "a sigmoid itself", f"{instead}, or keep it and write loss=mg.binary_cross_entropy"
    else:
        twice = "a softmax itself"
    yield (
        f"The outputs are probabilities, made by a {ending}, but {loss} takes logits and applies {twice}. "
        "Of numbers between 0 and 1 that makes probabilities which are never near 0 or 1, so the loss "
        f"stays high and its gradient small. Instead, {instead}."
    )


def _zero_grad_forgotten(seen: Seen) -> Iterator[str]:
    advice = "Old gradients pull the steps astray. Write model.zero_grad() before loss.backward()."
    receipted = [p for p in seen.parameters if isinstance(p.grad, Receipted) and seen.uses[p]]
    if receipted:
        # A receipt is kept for each use of a parameter, so the receipts count the examples.
        p = receipted[0]
        passes = [part for part in p.grad.passes if part.receipts]  # type: ignore[attr-defined]
        examples = sum(len(part.receipts) for part in passes) / seen.uses[p]
        if examples > seen.total:
            yield (
                f"zero_grad was forgotten: {name_of(p)}.grad is {short(p.grad)}, added up in "
                f"{_count(len(passes), 'pass', 'passes')} over {examples:,.0f} examples, but there are "
                f"{seen.total:,}. One pass over the data gives {short(seen.gradient[p])} at the present "
                f"weights. {advice}"
            )
    elif (times := _times_the_gradient(seen)) > 1:
        first = seen.parameters[0]
        yield (
            f"The gradients are those of {times} passes: {name_of(first)}.grad is {short(first.grad)}, "
            f"and one pass over the data gives {short(seen.gradient[first])}. If the loss is the one given "
            f"here, zero_grad was forgotten. {advice} If it is {times} times as large, this was one pass. "
            "Receipts tell: call loss.backward(receipts=True) and print mg.receipts(w)."
        )


def _times_the_gradient(seen: Seen) -> int:
    """How many times the gradient of one pass the present gradients are; 0 where they are no multiple."""
    if seen.trouble or not seen.norm or len(seen.rows) != seen.total:
        return 0
    now = [0.0 if p.grad is None else float(p.grad) for p in seen.parameters]
    ratio = math.hypot(*now) / seen.norm
    off = math.hypot(*(a - ratio * g for a, g in zip(now, seen.gradient.values())))
    times = round(ratio)
    if times < 2 or off > 1e-6 * ratio * seen.norm or abs(ratio - times) > 1e-6 * ratio:
        return 0
    # A pass of the sum over n examples is n passes of the mean, and no mistake.
    return times // seen.total if times % seen.total == 0 else times


def _unknown(seen: Seen) -> str:
    """What the gradients do not say."""
    if seen.trouble or not seen.norm:
        return ""
    now = [0.0 if p.grad is None else float(p.grad) for p in seen.parameters]
    kept_receipts = any(isinstance(p.grad, Receipted) for p in seen.parameters)
    if kept_receipts or math.hypot(*now) <= 1.5 * seen.norm or _times_the_gradient(seen):
        return ""
    return (
        "Whether zero_grad is called in time cannot be seen: the gradients there are larger than those of "
        "one pass, and of other weights. To know, call loss.backward(receipts=True) and diagnose again."
    )


def _column_constant(seen: Seen) -> Iterator[str]:
    if seen.constant and seen.total > 1:
        yield (
            f"No example differs from another in {_some(seen.constant)}: a column that never varies says "
            "nothing, and its weights only do what the biases do. Leave it out, or look why it is "
            "constant."
        )


def _inputs_not_scaled(seen: Seen) -> Iterator[str]:
    units = getattr(seen.model, "units", None)
    if units is not None or seen.has_learned:  # its layers see standard units, or it did without
        return
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
        said = [f"{n} has mean {short(m)} and spread {short(s)}" for n, m, s in wrong]
        minus = f"{'+' if mean < 0 else '-'} {abs(mean):.4g}"
        yield (
            f"The inputs are not scaled: {_some(said, '; ')}. The weights start out for numbers around 0 "
            "of spread 1; others saturate neurons or go unheard, and no learning rate suits all weights. "
            "Train with fit(…, standardize=True), which gives the network the units of the data; or "
            f"standardise each column: for {name} write (x {minus}) / {spread:.4g}, for new rows, too."
        )


def _classes_unbalanced(seen: Seen) -> Iterator[str]:
    if seen.has_learned:
        return
    [(target, count)] = Counter(map(repr, seen.targets)).most_common(1)
    target, share = target.removesuffix(".0").replace("-", "−"), count / len(seen.rows)
    if len(seen.rows) >= FEW and count == len(seen.rows):
        yield (
            f"All targets are {target}: there is nothing to tell apart, and always to say {target} is what "
            "is learned. Look whether these are the targets that you mean."
        )
    elif len(seen.rows) >= FEW and share > _UNBALANCED:
        yield (
            f"The targets are unbalanced: {_percent(share)} are {target}. Always to say {target} is nearly "
            "always right then, and that is what is learned. Repeat the other rows until they are as "
            "many, and judge the model on each class by itself."
        )


def _symmetric(seen: Seen) -> Iterator[str]:
    if seen.has_learned:
        return
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


def _dead(seen: Seen) -> Iterator[str]:
    if seen.has_learned:
        return
    dead: dict[int, list[Unit]] = {}
    for k, units in enumerate(seen.units, 1):
        gone = [unit for unit in units if unit.dead]
        if len(gone) < len(units):  # else nothing below gets a gradient, and no other step revives them
            gone = [*filter(_is_far_off, gone)]
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
            f"examples their sums z are on the flat side, at most {short(highest)}, so no gradient comes "
            'through and their weights do not change. Write activation="leaky_relu", which is nowhere '
            "flat, or start anew with another seed; if this came in training, with a smaller learning "
            "rate."
        )


def _is_far_off(unit: Unit) -> bool:
    """Whether a dead neuron is so far on the flat side that small steps elsewhere don't revive it."""
    mean = math.fsum(unit.sums) / len(unit.sums)
    spread = math.sqrt(math.fsum((z - mean) ** 2 for z in unit.sums) / len(unit.sums))
    return max(unit.sums) < -spread or not spread


def _saturated(seen: Seen) -> Iterator[str]:
    if seen.has_learned:
        return
    for k, units in enumerate(seen.units, 1):
        # An output may be saturated where it is right. A hidden neuron passes nothing on either way.
        last = units[0].output is not None
        flat = {unit: (unit.stuck if last else unit.flat) * unit.shape.saturates for unit in units}
        deep = sum(unit.deep for unit in units) / max(1, sum(unit.flat for unit in units))
        share = sum(flat.values()) / max(1, sum(len(unit.sums) for unit in units))
        if share >= (_STUCK if last else _SATURATED) and (last or deep >= _DEEP):
            worst = sorted(filter(flat.get, units), key=lambda unit: -flat[unit])
            far = max(abs(z) for unit in worst for z in unit.sums)
            yield (
                f"Layer {k} is saturated: {_percent(share)} of its {units[0].neuron.activation} "
                f"outputs{' are far from their targets, but' * last} have a derivative below 1 % of the "
                f"largest, most of {_names(worst)}, whose sums z go up to ±{short(far)}. Next to no "
                "gradient comes through. Make the sums smaller: standardise the inputs, start from the "
                "weights of a new MLP(…), or train with a smaller learning rate."
            )


def _vanishing(seen: Seen) -> Iterator[str]:
    if seen.has_learned:
        return
    first, last = seen.layers[0].signal, seen.layers[-1].signal
    blocked = any(
        1 in {layer.dead, layer.saturated} or not layer.weights for layer in seen.layers
    )  # which is said elsewhere
    if first is not None and last and not blocked and first < last / _FACTOR:
        yield (
            f"The gradient vanishes: ∂L/∂z is {short(last)} in layer {len(seen.layers)} and "
            f"{short(first)} in layer 1, less than a part in {_FACTOR:,.0f}. So {_names(seen.units[0])} "
            'learn that much more slowly. Take fewer layers, activation="relu" or "tanh", and the weights '
            "that a new MLP(…) draws for it."
        )


def _exploding(seen: Seen) -> Iterator[str]:
    if seen.has_learned:
        return
    first, last = seen.layers[0].signal, seen.layers[-1].signal
    weights = math.hypot(*(p.data for p in seen.parameters))
    how = ""
    if first and last and first > _FACTOR * last:
        how = (
            f"∂L/∂z is {short(last)} in layer {len(seen.layers)} and {short(first)} in layer 1 "
            f"({_names(seen.units[0])}), more than {_FACTOR:,.0f} times that"
        )
    elif not seen.trouble and seen.norm > _HUGE * max(1.0, weights):
        largest = max(seen.layers, key=lambda layer: layer.gradient or 0.0).name
        how = f"its norm is {short(seen.norm)}, that of the weights {short(weights)}; see layer {largest}"
    if how:
        yield (
            f"The gradient explodes: {how}. One step along it throws the weights far off. Start from "
            "smaller weights, as a new MLP(…) draws them, take fewer layers, and standardise the inputs "
            "and, where they are numbers to be met, the targets."
        )


def _outputs_the_same(seen: Seen) -> Iterator[str]:
    ends = [(min(column), max(column)) for column in zip(*seen.outputs)]
    same = all(high - low <= 1e-6 * max(1.0, abs(high)) for low, high in ends)
    if same and not seen.trouble and any(t != seen.targets[0] for t in seen.targets):
        yield (
            f"The outputs are the same in all {len(seen.rows)} examples, "
            f"{_some([short(y) for y, _ in ends])}, though the targets differ: nothing of the inputs "
            "comes through. Where a layer is dead, saturated or symmetric, mend that; else start anew, "
            "from weights that are not 0."
        )


def _learning_rate_too_high(seen: Seen) -> Iterator[str]:
    if seen.trouble or not seen.lr or not seen.norm or any(_exploding(seen)):
        return
    before, after = seen.trial(seen.lr, 1)
    if after <= before:
        return
    went = seen.trial(seen.lr)
    if went[-1] <= _WORSE * before:
        return
    # The rate whose first step goes down furthest, of those with which a short training goes down.
    rate, best, better = seen.lr, seen.lr, [math.inf, math.inf]
    for _ in range(_MOST_TRIES):
        rate /= 2
        losses = seen.trial(rate)
        if losses[1] < before and losses[-1] < before and losses[1] < better[1]:
            best, better = rate, losses
        elif better[1] < before:
            break
    if not better[1] < before:
        return  # this is the bottom, as far as floats can tell
    promised = seen.lr * seen.norm * seen.norm * seen.scale
    yield (
        f"The learning rate {seen.lr:g} is too high: one step takes the mean loss from "
        f"{short(before * seen.scale)} to {short(after * seen.scale)}, where the gradient promises "
        f"{short(promised)} less, and after {len(went) - 1} it is {short(went[-1] * seen.scale)}. It "
        f"jumps over the valley. {best:.3g} would do, and take it to {short(better[-1] * seen.scale)} in "
        f"{len(better) - 1}: write lr={best:.3g}.{_judged(seen)}"
    )


def _learning_rate_too_low(seen: Seen) -> Iterator[str]:
    if seen.trouble or not seen.norm or not seen.lr or seen.has_learned:
        return
    if seen.lr >= (_TYPICAL if seen.optimizer is None else _TYPICAL_ADAPTIVE):
        return
    before, after = seen.trial(seen.lr, 1)
    if not 0 <= before - after < _STANDSTILL * before:
        return
    went = seen.trial(seen.lr)
    after = went[-1]
    # The largest rate that is still a tenth of one that helps, and with which a short training goes down.
    rate, best, helped = seen.lr * 10, before, 0.0
    while rate <= _MOST_RATE:
        first = seen.trial(rate, 1)[1]
        if first >= best:
            break
        rate, best, helped = rate * 10, first, rate
    rate = helped / 10
    while rate > _SLOW / 10 * seen.lr:
        better = seen.trial(rate)
        goes_down = all(b <= a for a, b in itertools.pairwise(better))
        if goes_down and before - better[-1] > _PROGRESS * before:
            yield (
                f"The learning rate {seen.lr:g} is too low: {len(went) - 1} steps lower the mean loss, "
                f"{short(before * seen.scale)}, by {short((before - after) * seen.scale)}. With "
                f"{rate:.3g} they take it to {short(better[-1] * seen.scale)}: write lr={rate:.3g}."
                f"{_judged(seen)}"
            )
            return
        rate /= 10


def _judged(seen: Seen) -> str:
    """With which steps a rate was judged."""
    if seen.optimizer is not None:
        return ""
    return " (Judged by plain gradient descent; for another optimiser, give it: optimizer=….)"


_FINDINGS: dict[str, Callable[[Seen], Iterator[str]]] = {
    "not finite": _not_finite,
    "targets": _targets_out_of_range,
    "logits": _probabilities_for_logits,
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


def _names(units: Sequence[Unit]) -> str:
    return _some([unit.name for unit in units])


def _some(names: Sequence[str], comma: str = ", ") -> str:
    more = len(names) - _MOST_NAMES
    return comma.join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _count(n: int, one: str, several: str) -> str:
    return f"{n:,} {one if n == 1 else several}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
