"""A table as something to learn: what goes in, what is wanted, and how a loss wants it written."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from microgradlike import losses
from microgradlike.data import Table
from microgradlike.engine import Value


@dataclass(frozen=True)
class Goal:
    """What a loss wants: how the network ends, and how a class is written as its target.

    Attributes:
        loss: the function of `microgradlike.losses`.
        ending: the output activation, where the targets are classes; else it is linear.
        no: the target that says "not this class", beside 1 for "this class".
        meets_numbers: whether targets may also be numbers to be met, and not classes.
    """

    loss: Callable[[Any, Any], Value]
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
    """What is to be learned from a table.

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
