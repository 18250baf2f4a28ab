"""The task that a table sets: classes or numbers, and where one output divides two classes.

`decide` is asked once, by `fit`, with the raw targets. The answer stays with the model as its `task`, and
accuracy, predict, confusion, plots, diagnosis and the command line read it there.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from microgradlike import losses
from microgradlike.data import Table
from microgradlike.engine import Value, no_grad
from microgradlike.losses import Loss
from microgradlike.task import Task
from microgradlike.training.agreement import is_ours
from microgradlike.training.surroundings import undisturbed

#: These losses take the logit or the score of the second class.
_OF_SCORES = (losses.binary_cross_entropy_with_logits, losses.hinge_loss)


# ── What fit asks ─────────────────────────────────────────────────────────────────────────────────────


def decide(before: Task, table: Table, outputs: int, loss: Loss) -> Task:
    """The task of a model after this call of `fit`.

    Args:
        before: the task that it had; what the data say nothing of stays.
        table: the examples, with raw targets.
        outputs: how many the model has.
        loss: of a prediction and a target.

    Raises:
        ValueError: the classes are others than the model's, are too few, or do not fit the outputs.
    """
    classes = _classes_of(table, outputs, loss)
    if classes:
        _check_classes(table, classes, outputs)
    if before.classes:
        _check_known(table, classes, before.classes)
        classes = before.classes
    pair = _two_targets(table) if outputs == 1 else None
    threshold = _threshold_between(loss, *pair) if pair else None
    return Task(classes, before.threshold if threshold is None else threshold)


def meets_numbers(table: Table, outputs: int, loss: Loss) -> bool:
    """Whether the targets are numbers to be met, and not classes: they may have units then."""
    if _classes_of(table, outputs, loss) or (outputs == 1 and _two_targets(table) in _USUAL):
        return False
    if loss in {*_OF_SCORES, losses.binary_cross_entropy, losses.cross_entropy}:
        return False
    return all((len(t) if isinstance(t, list) else 1) == outputs for t in table.targets)


def _classes_of(table: Table, outputs: int, loss: Loss) -> tuple[Any, ...]:
    """The classes of these examples as they were given; empty if nothing says that there are any."""
    if table.classes:
        return tuple(table.classes)
    whole = all(isinstance(t, int) for t in table.targets) or loss is losses.hinge_loss
    if not whole or any(isinstance(t, list) for t in table.targets):
        return ()
    if outputs > 1:
        # Where one is none of 0, 1, …, the loss will say so.
        return tuple(range(outputs)) if all(t in range(outputs) for t in table.targets) else ()
    pair = _two_targets(table)
    if pair is None or not all(t == int(t) for t in pair):
        return ()
    # Other numbers may be meant as numbers, as 10 and 20 are in two examples of a line.
    often = min(table.targets.count(t) for t in pair) > 1
    return (int(pair[0]), int(pair[1])) if pair in _USUAL or often else ()


_USUAL = ((0, 1), (-1, 1))


def _two_targets(table: Table) -> tuple[float, float] | None:
    """The two different numbers that the targets are, the smaller one first; None if there are not two."""
    if any(isinstance(t, list) for t in table.targets):
        return None
    different = sorted(set(table.targets))
    return (different[0], different[1]) if len(different) == 2 else None


def _check_classes(table: Table, classes: Sequence[Any], outputs: int) -> None:
    if table.classes and len(set(map(repr, table.targets))) < 2:
        raise ValueError(
            f"{table.source}: every target is {table.labels[0]!r:.60}: there is nothing to tell apart"
        )
    right, needed = {len(classes)}, str(len(classes))
    if len(classes) == 2:
        right, needed = {1, 2}, "one output, or 2"
    if outputs not in right:
        raise ValueError(
            f"there are {len(classes)} classes, {_listed(classes, 60)}, for which a model needs "
            f"{needed} outputs, not {outputs}"
        )


def _check_known(table: Table, classes: Sequence[Any], known: Sequence[Any]) -> None:
    """Refuse examples of other classes than those that the model knows."""
    if classes:
        # Words and numbers are compared as texts, since a file has words where a list has numbers.
        alike = [*map(str, classes)] == [*map(str, known)]
        numbered = not table.classes and tuple(classes) in (*_USUAL, tuple(range(len(known))))
        wrong = not alike and not numbered
    else:
        places = {-1, *range(len(known)), *known}
        wrong = any(not isinstance(t, list) and t not in places for t in table.targets)
    if wrong:
        found = f"classes are {_listed(classes, 100)}" if classes else "targets are numbers"
        raise ValueError(
            f"{table.source}: the {found}; the model knows {_listed(known, 100)}, in this order: for a new "
            "start, write model.classes = []"
        )


def _listed(classes: Sequence[Any], letters: int) -> str:
    return ", ".join(map(str, classes))[:letters]


def _threshold_between(loss: Loss, no: float, yes: float) -> float | None:
    """The output that stands between two targets, as the loss means it; None if that cannot be said.

    Most losses are lowest where the output is the target: then it is midway. Others take a logit or a
    score, and fall further beyond the target: then it is 0.
    """
    middle = no + (yes - no) / 2
    if loss in _OF_SCORES:
        return 0.0
    if is_ours(loss):
        return middle
    with undisturbed(loss), no_grad():
        # The loss at each target, and as far beyond it as the other target lies before it.
        pairs = [
            (_number(loss, target, target), _number(loss, target + step, target))
            for target, step in ((no, no - yes), (yes, yes - no))
        ]
    rises = any(beyond > at for at, beyond in pairs)
    falls = any(beyond < at for at, beyond in pairs)
    if falls:
        return None if rises else 0.0
    return middle if rises else None


def _number(loss: Loss, output: float, target: float) -> float:
    """A loss; infinite where it is undefined, as a cross-entropy is outside of 0 to 1."""
    try:
        number = float(loss(Value(output), target))
    except Exception:  # a user's function may raise anything
        return math.inf
    return math.inf if math.isnan(number) else number


# ── What the command line asks ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Goal:
    """The needs of a loss: how the network ends, and how a class is written as its target.

    Attributes:
        loss: the function of `microgradlike.losses`.
        ending: the output activation, where the targets are classes; else it is linear.
        no: the target that says "not this class", beside 1 for "this class".
        meets_numbers: whether targets may also be numbers to be met, and not classes.
    """

    loss: Loss
    ending: str
    no: float = 0.0
    meets_numbers: bool = False


LOSSES = {
    "half_squared_error": Goal(losses.half_squared_error, "sigmoid", meets_numbers=True),
    "mse_loss": Goal(losses.mse_loss, "sigmoid", meets_numbers=True),
    "binary_cross_entropy": Goal(losses.binary_cross_entropy, "sigmoid"),
    "binary_cross_entropy_with_logits": Goal(losses.binary_cross_entropy_with_logits, "linear"),
    "hinge_loss": Goal(losses.hinge_loss, "linear", no=-1.0),
    "cross_entropy": Goal(losses.cross_entropy, "linear"),
}


class Problem:
    """A table as something to learn.

    Attributes:
        table: the examples, with targets as the loss wants them.
        classes: the names of the classes; empty if the targets are numbers to be met (regression).
        loss, goal: the name of the loss, and what belongs to it.
        outputs: how many the network needs.
        ending: the activation of the outputs.
    """

    def __init__(self, table: Table, loss: str | None) -> None:
        self.classes = table.classes
        if len({*map(str, table.targets)}) < 2:
            raise ValueError(
                f"{table.source}, column {table.target:.60}: every target is {table.labels[0]!r:.60}: "
                f"there is nothing to tell apart"
            )
        if len(table) == len(self.classes) > 2 and not all(map(_is_number, self.classes)):
            raise ValueError(
                f"{table.source}, column {table.target:.60}: {len(table)} different words for {len(table)} "
                f"examples are no classes to learn: name another column with --target, or say --header yes "
                f"if line 1 names the columns"
            )
        if not self.classes and loss is not None and not LOSSES[loss].meets_numbers:
            raise ValueError(
                f"{table.source}, column {table.target:.60}: {loss} is for classes, but these targets are "
                f"numbers: say --task classes if they are names of classes"
            )
        self.loss = loss or ("cross_entropy" if len(self.classes) > 2 else "half_squared_error")
        self.goal = LOSSES[self.loss]
        several = len(self.classes) > 2 or self.loss == "cross_entropy"
        self.outputs = len(self.classes) if several else 1
        self.ending = self.goal.ending if self.classes else "linear"
        self.table = self.written(table)

    def written(self, table: Table) -> Table:
        """A table of such examples, with targets as the loss wants them."""
        if not self.classes or self.loss == "cross_entropy":
            return table
        return dataclasses.replace(table, targets=[*map(self._write, table.targets)])

    def _write(self, index: int) -> Any:
        if self.outputs == 1:
            return 1.0 if index else self.goal.no
        return [1.0 if i == index else self.goal.no for i in range(self.outputs)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
