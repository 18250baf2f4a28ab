"""How often a model is right, and what it mistakes for what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from microgradlike.data import Table, as_table
from microgradlike.label import visible
from microgradlike.nn import Module


def accuracy(model: Module, data: Any) -> float:
    """The share of examples whose class the model predicts, from 0 to 1.

    Args:
        model: what predicts; `Module.class_of` says which class its outputs stand for.
        data: examples in any form that `fit` takes. Their targets are classes: names, or their numbers
            from 0 on; −1 and 1 stand for the classes 0 and 1; of a list, the largest place counts.

    Raises:
        ValueError: the targets are no classes, or a class is none of the model's.

    >>> from microgradlike import MLP, data
    >>> model = MLP(2, [1])
    >>> model.load_state_dict({"w11": 1.0, "w12": 1.0, "b1": -0.5})
    >>> accuracy(model, data.xor())
    0.75
    """
    return confusion(model, data).accuracy


@dataclass(frozen=True)
class Confusion:
    """How many examples of each class were taken for which.

    Attributes:
        classes: the names of the classes.
        counts: a row for each class that the examples have, a column for each that was predicted.
    """

    classes: list[str]
    counts: list[list[int]]

    @property
    def total(self) -> int:
        """The number of examples."""
        return sum(map(sum, self.counts))

    @property
    def right(self) -> int:
        """How many were predicted."""
        return sum(row[i] for i, row in enumerate(self.counts))

    @property
    def accuracy(self) -> float:
        """The share of them."""
        return self.right / self.total

    def __str__(self) -> str:
        names = [*map(visible, self.classes)]
        head = ["", *names]
        rows = [[name, *map(str, row)] for name, row in zip(names, self.counts)]
        widths = [max(map(len, column)) for column in zip(head, *rows)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in [head, *rows]]
        share = f"{self.right} of {self.total} right, {self.accuracy:.1%}"
        return "\n".join([f"{share}; rows: what it is, columns: what is predicted", *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        names = [escape(visible(name)) for name in self.classes]
        head = "".join(f"<th>{name}</th>" for name in ["", *names])
        body = "".join(
            f"<tr><th>{name}</th>{''.join(f'<td>{count}</td>' for count in row)}</tr>"
            for name, row in zip(names, self.counts)
        )
        share = f"{self.right} of {self.total} right, {self.accuracy:.1%}"
        told = f"<p>{share}; rows: what it is, columns: what is predicted</p>"
        # As in `ripple`: no formula begins at a $ in a name.
        return (
            f'<div class="tex2jax_ignore mathjax_ignore">{told}<table><tr>{head}</tr>{body}</table></div>'
        )


def confusion(model: Module, data: Any) -> Confusion:
    """What the model takes the examples of each class for.

    Args and errors as `accuracy`.

    >>> from microgradlike import MLP, data
    >>> model = MLP(2, [1])
    >>> model.load_state_dict({"w11": 1.0, "w12": 1.0, "b1": -0.5})
    >>> confusion(model, data.xor())
    3 of 4 right, 75.0%; rows: what it is, columns: what is predicted
       0  1
    0  1  1
    1  0  2
    """
    table = as_table(data)
    if model.features:
        table = table.arranged(model.features)
    if not table.rows or len(table.targets) != len(table.rows):
        raise ValueError(f"{table.source}: there are no targets to compare with")
    predicted = [*map(model.class_of, model.outputs(table.rows))]
    expected, classes = _expected(model, table)
    size = max(len(classes), max(expected) + 1, max(predicted) + 1)
    classes += [str(i) for i in range(len(classes), size)]
    counts = [[0] * size for _ in range(size)]
    for row, column in zip(expected, predicted):
        counts[row][column] += 1
    return Confusion(classes, counts)


def _expected(model: Module, table: Table) -> tuple[list[int], list[str]]:
    """The numbers of the examples' classes, as the model counts them, and the names of the classes."""
    if table.classes and model.classes:
        strangers = [name for name in table.classes if name not in model.classes]
        if strangers:
            raise ValueError(
                f"{table.source}: {strangers[0]!r:.60} is no class of the model, which knows "
                f"{', '.join(model.classes):.200}"
            )
        names = [*model.classes]
        indices = [names.index(name) for name in table.classes]
        return [indices[_class_number(table, i, t)] for i, t in enumerate(table.targets)], names
    names = [*(table.classes or model.classes)]
    places = {} if table.classes else _by_number(names)
    numbers = []
    for i, target in enumerate(table.targets):
        if places and not isinstance(target, list) and target != -1:
            number = places.get(target, len(names))
        else:
            number = _class_number(table, i, target)
        if names and number >= len(names):
            raise ValueError(
                f"{table.source}: the target of example {i} is {target!r:.60}, which is no class of the "
                f"model, which knows {', '.join(names):.200}"
            )
        numbers.append(number)
    return numbers, names


def _by_number(names: Sequence[str]) -> dict[float, int]:
    """The places of classes whose names are numbers, by these; empty if one has another name."""
    try:
        return {float(name): i for i, name in enumerate(names)}
    except ValueError:
        return {}


def _class_number(table: Table, i: int, target: Any) -> int:
    if isinstance(target, list):
        return target.index(max(target))
    if target == -1:
        return 0
    if target != int(target) or target < 0:
        raise ValueError(f"{table.source}: the target of example {i} is {target!r}, which is no class")
    return int(target)
