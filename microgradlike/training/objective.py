"""Objective: the loss of one example as training minimises it, and as it is reported.

Where a model has units, its layers see inputs in standard units, which are computed once, not in each call.
The squared losses are minimised in standard units too, so that a learning rate means the same for
millimetres and for kilometres. They are reported in the user's units.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from microgradlike import losses
from microgradlike.data import Table
from microgradlike.engine import Value, no_grad
from microgradlike.losses import Loss
from microgradlike.nn import MLP, one_or_all
from microgradlike.training.agreement import is_our_network, is_ours
from microgradlike.training.surroundings import undisturbed

SQUARED: tuple[Loss, ...] = (losses.half_squared_error, losses.mse_loss)

_TRIED = 100  # examples, to find out how large a user's loss is


@dataclass(frozen=True)
class Objective:
    """The loss that is minimised, for one example.

    Attributes:
        function: of the inputs and the target of an example, both as `prepare` gives them: the Value to
            minimise; or a pair of it and the Value that is reported.
        name: that of the loss.
        code: the model and the loss, as the user gave them.
        is_ours: whether it runs this package's code alone.
        prepare: gives the examples of a table as the function takes them.
        reports: whether the function gives such a pair.
        scale: where the function gives one Value, the reported loss is so many times as large.
        note: what a user should know of it, or nothing.
    """

    function: Callable[[Any, Any], Any]
    prepare: Callable[[Table], Table]
    name: str
    code: tuple[Any, ...]
    is_ours: bool
    scale: float = 1.0
    reports: bool = False
    note: str = ""


def objective_of(model: Any, loss: Loss, table: Table, as_values: bool = False) -> Objective:
    """The objective of a model, with the units that it has now.

    Args:
        model: the model.
        loss: of a prediction and a target.
        table: the examples to train on.
        as_values: whether the model gets Values for inputs, since it refuses numbers.
    """
    name = getattr(loss, "__qualname__", type(loss).__qualname__)

    code = (model, loss)
    ours = is_ours(loss) and is_our_network(model)

    def checked(result: Any) -> Value:
        if not isinstance(result, Value):
            raise TypeError(f"the loss of an example is a Value, and {name} gave {result!r:.60}")
        return result

    if model.units is None or type(model).__call__ is not MLP.__call__:

        def plain(x: Any, t: Any) -> Value:
            if as_values:
                x = [v if isinstance(v, Value) else Value(v, f"x{i}") for i, v in enumerate(x, 1)]
            return checked(loss(model(x), t))

        return Objective(plain, lambda table: table, name, code, ours)

    units = model.units
    if not units.target_means:

        def standard_inputs(u: Any, t: Any) -> Value:
            outputs = model.standard_outputs(u)
            return checked(loss(one_or_all(outputs), t))

        return Objective(standard_inputs, partial(_prepared, units=units, targets=False), name, code, ours)

    spreads = units.target_spreads
    if loss in SQUARED:
        same = len(set(spreads)) == 1

        def standard(u: Any, t: Any) -> Any:
            outputs = model.standard_outputs(u)
            minimised = loss(one_or_all(outputs), t)
            if same:
                return minimised
            weighted = [[spread * number for spread, number in zip(spreads, side)] for side in (outputs, t)]
            return minimised, loss(*weighted)

        # Of spreads next to the largest floats the loss is infinite, which the training then says.
        scale = spreads[0] * spreads[0] if same else 1.0
        return Objective(
            standard, partial(_prepared, units=units, targets=True), name, code, ours, scale, not same
        )

    names = [neuron.name for neuron in model.layers[-1].neurons]
    constant = _size_of(loss, units.target_means, table.targets)

    def own(u: Any, t: Any) -> Value:
        outputs = units.leave(model.standard_outputs(u), names)
        result = checked(loss(one_or_all(outputs), t))
        return result if constant == 1 else result / constant

    note = ""
    if constant != 1:
        note = (
            f"The loss is divided by {constant:.4g} while it is minimised, so that the learning rate does "
            "not depend on units: that is its mean where each prediction is the mean of the targets."
        )
    return Objective(
        own, partial(_prepared, units=units, targets=False), name, code, ours, constant, note=note
    )


def _prepared(table: Table, units: Any, targets: bool) -> Table:
    goals = [*map(units.target, table.targets)] if targets else table.targets
    return replace(table, rows=[*map(units.row, table.rows)], targets=goals)


def _size_of(loss: Loss, means: Sequence[float], targets: Sequence[Any]) -> float:
    """The mean loss of predicting the mean of the targets; 1 where that is no number above 0."""
    step = -(-len(targets) // _TRIED)
    total, count = 0.0, 0
    try:
        with undisturbed(loss), no_grad():
            for t in targets[::step]:
                values = [Value(mean) for mean in means]
                total += loss(one_or_all(values), t).data
                count += 1
    except Exception:  # whatever it is, the training will meet it, and say where
        return 1.0
    return total / count if 0 < total < math.inf else 1.0


def check_targets(loss: Loss, outputs: Any, targets: Sequence[Any], numbers: Sequence[int]) -> None:
    """Refuse targets that one of this package's losses refuses, which compiled code would not notice.

    Args:
        loss: the loss.
        outputs: what the model gives for one example.
        targets: of all examples.
        numbers: the number of each example, for the message.

    Raises:
        TypeError, ValueError: what the loss says, with the number of the first example.
    """
    if loss in SQUARED:
        return
    seen = set()
    for t, number in zip(targets, numbers):
        key = tuple(t) if isinstance(t, list) else t
        if key in seen:
            continue
        seen.add(key)
        try:
            with no_grad():
                loss(outputs, t)
        except (TypeError, ValueError) as error:
            raise type(error)(f"example {number}: {error}") from None
