"""What is chosen by one of several classes: numbers read and written in one place of each column."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from microgradlike import ops
from microgradlike.compile.schedule import Elementwise, Instruction, Loaded, View


class Ones(NamedTuple):
    """Where a matrix of ones and zeros has its ones: at most one in each column.

    Attributes:
        places: in the matrix, read row by row; from the first column to the last.
        columns: those that have one.
    """

    places: Any
    columns: Any


def is_one_hot(instruction: Instruction, constants: Mapping[int, float]) -> bool:
    """Whether it compares a row with different constants, so that at most one of them is met."""
    if not isinstance(instruction, Elementwise) or instruction.op is not ops.equal:
        return False
    known = [o.array.members for o in instruction.operands if isinstance(o, Loaded)]
    compared = [o.rows for o in instruction.operands if isinstance(o, View)]
    if len(known) != 1 or compared != [1]:
        return False
    rows = instruction.out.rows
    return len({constants.get(n) for n in known[0]} - {None}) == rows > 1


def ones_of(matrix: Any) -> Ones:
    starts, steps = _counted(*matrix.shape)
    start = starts @ matrix  # of the row that has the one; 0: there is none
    has_one = slice(None) if start.all() else np.flatnonzero(start)
    return Ones((start + steps).astype(np.intp)[has_one], has_one)


@lru_cache(maxsize=8)
def _counted(rows: int, columns: int) -> tuple[Any, Any]:
    """Where each row starts, counted from 1, and how far from there a place is, counted from 0."""
    return np.arange(float(rows)) * columns + 1.0, np.arange(-1.0, columns - 1.0)


def picked(ones: Ones, matrix: Any) -> Any:
    """A row: of each column the number at the one, 0 where there is none."""
    # Zeros are added, as in the sum of all rows: −0.0 becomes 0.0.
    numbers = matrix.take(ones.places)
    if len(numbers) == matrix.shape[1]:
        return numbers[None] + 0.0
    row = np.zeros((1, matrix.shape[1]))
    row[0, ones.columns] += numbers
    return row


def choose(ones: Ones, row: Any, matrix: Any, out: Any) -> Any:
    """The matrix, but the numbers of the row, or the one number, at the ones; `out` has no gaps."""
    numbers = row if isinstance(row, float) else row[0, ones.columns]
    if matrix is not out:
        numbers = np.array(numbers)  # which may be a row of `out`
        np.copyto(out, matrix)
    out.reshape(-1)[ones.places] = numbers
    return out
