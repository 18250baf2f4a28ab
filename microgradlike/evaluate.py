"""How often a model is right, and what it mistakes for what."""

from collections.abc import Callable, Sequence
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
        ValueError: the targets are no classes, or a class is none of the model's; or columns have other
            names than those that the model was trained with.

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
        classes: the classes, as they were given.
        counts: a row for each class that the examples have, a column for each that was predicted.
    """

    classes: list[Any]
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
        names = [visible(str(name)) for name in self.classes]
        head = ["", *names]
        rows = [[name, *map(str, row)] for name, row in zip(names, self.counts)]
        widths = [max(map(len, column)) for column in zip(head, *rows)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in [head, *rows]]
        share = f"{self.right} of {self.total} right, {self.accuracy:.1%}"
        return "\n".join([f"{share}; rows: what it is, columns: what is predicted", *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        names = [escape(visible(str(name))) for name in self.classes]
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
    outputs = model.outputs(table.rows)
    predicted = [*map(model.class_of, outputs)]
    expected, classes = _expected(model, table, one_output=not isinstance(outputs[0], list))
    size = max(len(classes), max(expected) + 1, max(predicted) + 1)
    classes += [str(i) for i in range(len(classes), size)]
    counts = [[0] * size for _ in range(size)]
    for row, column in zip(expected, predicted):
        counts[row][column] += 1
    return Confusion(classes, counts)


def _expected(model: Module, table: Table, one_output: bool) -> tuple[list[int], list[Any]]:
    """The places of the examples' classes, as the model counts them, and the classes."""
    known = model.classes
    if not table.classes:
        place_of = _by_number(known) if known else _of_nameless(model, table, one_output)
        classes = known
    elif known:
        places = {str(name): i for i, name in enumerate(known)}
        strangers = [name for name in table.classes if str(name) not in places]
        if strangers:
            raise ValueError(
                f"{table.source}: {strangers[0]!r:.60} is no class of the model, which knows "
                f"{_named(known)}"
            )
        order = dict(enumerate(places[str(name)] for name in table.classes))
        place_of, classes = (lambda t: order[_place(t) or 0]), known
    else:
        place_of, classes = _place, list(table.classes)
    expected = []
    for i, target in enumerate(table.targets):
        try:
            place = place_of(target)
        except (KeyError, IndexError):
            place = None
        if place is None or (classes and place >= len(classes)):
            of = f" of the model, which knows {_named(classes)}" if classes else ""
            raise ValueError(
                f"{table.source}: the target of example {i} is {target!r:.60}, which is no class{of}"
            )
        expected.append(place)
    return expected, classes


def _place(target: Any) -> int | None:
    """The class that a target stands for by itself: its number, or the place of the largest in a list."""
    if isinstance(target, list):
        return target.index(max(target))
    if target == -1:
        return 0
    return int(target) if target == int(target) and target >= 0 else None


def _by_number(known: Sequence[Any]) -> Callable[[Any], int | None]:
    """Numbers as targets: the classes themselves, if all classes are numbers; else their places."""
    try:
        numbers = {float(name): i for i, name in enumerate(known)}
    except ValueError:
        return _place

    def place_of(target: Any) -> int | None:
        if isinstance(target, list) or (target == -1 and -1 not in numbers):
            return _place(target)
        return numbers[target]

    return place_of


def _of_nameless(model: Module, table: Table, one_output: bool) -> Callable[[Any], int | None]:
    """The classes of a model that knows none: 0 and 1, or −1 and 1, or those that its threshold divides."""
    different = {t for t in table.targets if not isinstance(t, list)}
    if not one_output or different <= {0, 1} or different <= {-1, 1}:
        return _place
    threshold = model.threshold
    if threshold is not None and len(different) == 2:
        return lambda t: int(t > threshold)
    return lambda t: _place(t) if t in {0, 1} else None


def _named(classes: Sequence[Any]) -> str:
    return ", ".join(map(str, classes))[:200]
