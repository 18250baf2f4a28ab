"""The batch of a call, as a backend takes it: whatever holds a table of numbers, checked."""

import math
from collections.abc import Mapping, Sequence, Set
from itertools import chain
from typing import Any, NoReturn

from microgradlike.engine import real
from microgradlike.notation import visible

#: From so many numbers on, BLAS uses threads.
_MANY = 10_000


def some(names: Sequence[str]) -> str:
    """The names, or the first and the last of many; nothing in them stays invisible."""
    return visible(", ".join(names) if len(names) <= 6 else f"{', '.join(names[:3])}, …, {names[-1]}")


class Lists:
    """Makes of a batch a list of rows of floats.

    Args:
        names: of the columns.
        allow_nan: whether nan is a number like others.
    """

    def __init__(self, names: Sequence[str], allow_nan: bool) -> None:
        self.names, self.allow_nan = names, allow_nan

    def __call__(self, batch: Any) -> Any:
        batch = self.in_rows(batch)
        if hasattr(batch, "tolist"):
            batch = batch.tolist()
        return batch if self._is_plain(batch) else self.checked(batch)

    @staticmethod
    def copy(batch: Any) -> Any:
        """The same rows, which nobody else has."""
        return [[*row] for row in batch]

    def _is_plain(self, batch: Any) -> bool:
        """Whether these are rows of floats without nan: found out fast, by adding them up."""
        try:
            if {*map(len, batch)} != {len(self.names)} or {*map(type, chain.from_iterable(batch))} != {
                float
            }:
                return False
            if not {*map(type, batch)} <= {list, tuple}:
                return False
        except TypeError:
            return False
        return not math.isnan(sum(map(sum, batch)))

    def in_rows(self, batch: Any) -> Any:
        """The batch, row by row where it was given column by column, with their names."""
        if not isinstance(batch, Mapping) and not hasattr(batch, "columns"):
            return batch
        there = [*batch.columns] if hasattr(batch, "columns") else [*batch]
        missing = [name for name in self.names if name not in there]
        if missing:
            raise ValueError(
                f"the batch has no column {some(missing)}; it has {some([*map(str, there)]) or 'none'}"
            )
        for name in self.names:
            if not hasattr(batch[name], "__iter__") or isinstance(batch[name], Mapping | Set | str | bytes):
                raise TypeError(f"column {name} of the batch is {batch[name]!r:.60}, not a list of numbers")
        columns = [list(batch[name]) for name in self.names]
        lengths = {name: len(column) for name, column in zip(self.names, columns)}
        if len({*lengths.values()}) > 1:
            raise ValueError(f"the columns of the batch differ in length: {lengths}")
        return [*map(list, zip(*columns))]

    def checked(self, batch: Any) -> list[list[float]]:
        """The batch as lists of floats, cell by cell."""
        width, names = len(self.names), some(self.names)
        if not hasattr(batch, "__len__") or isinstance(batch, str | bytes | type) or _shape(batch) == ():
            hint = ": write list(…)" if hasattr(batch, "__next__") else ""
            raise TypeError(f"a batch is a table, with a row for each example, not {batch!r:.60}{hint}")
        if len(batch) == 0:
            raise ValueError("the batch has no examples")
        rows = []
        for i, row in enumerate(batch):
            if not hasattr(row, "__len__") or isinstance(row, Mapping | Set | str | bytes):
                raise TypeError(
                    f"a batch is a table, with a row of {width} numbers ({names}) for each example, "
                    f"but row {i} is {row!r:.60}; for one example, write [[…]]"
                )
            if len(row) != width:
                s = "" if len(row) == 1 else "s"
                raise ValueError(
                    f"row {i} of the batch has {len(row)} number{s}, but the inputs are {width}: {names}"
                )
            numbers = []
            for name, cell in zip(self.names, row):
                try:
                    number = real(cell)
                except (TypeError, OverflowError) as error:
                    raise type(error)(f"row {i} of the batch, {name}: {error}") from None
                if math.isnan(number) and not self.allow_nan:
                    self.refuse_nan(i, name)
                numbers.append(number)
            rows.append(numbers)
        return rows

    @staticmethod
    def refuse_nan(row: int, name: str) -> NoReturn:
        raise ValueError(
            f"row {row} of the batch, {name}, is nan: leave such rows out, or compile with allow_nan=True"
        )


class Arrays(Lists):
    """Makes of a batch an array of float64, as which it may come; that takes a microsecond less."""

    def __init__(self, names: Sequence[str], allow_nan: bool) -> None:
        super().__init__(names, allow_nan)
        import numpy as np

        self._np, self._width, self._float64 = np, len(names), np.dtype("float64")

    def __call__(self, batch: Any) -> Any:
        if not (type(batch) is self._np.ndarray and batch.dtype is self._float64 and self._is_table(batch)):
            batch = self._array(batch)
        if not self.allow_nan:
            # Both pass nan on. For a few numbers vdot is the fastest; for many it keeps all cores busy, and
            # for a while after it, too.
            one = self._np.vdot(batch, batch) if batch.size < _MANY else batch.min()
            if math.isnan(one) and self._np.isnan(batch).any():
                self.checked(batch.tolist())
        return batch

    @staticmethod
    def copy(batch: Any) -> Any:
        return batch.copy()

    def _is_table(self, array: Any) -> bool:
        shape = array.shape
        return len(shape) == 2 and shape[1] == self._width and shape[0] > 0

    def _array(self, batch: Any) -> Any:
        np = self._np
        batch = self.in_rows(batch)
        if hasattr(batch, "filled"):  # what is masked is no number
            batch = batch.astype(np.float64).filled(np.nan)
        try:
            array = np.asarray(batch)
        except ValueError:  # ragged
            self.checked(batch)
            raise
        if not self._is_table(array) or array.dtype.kind not in "fiub":
            array = np.array(self.checked(batch))
        return np.asarray(array, np.float64)


def _shape(batch: Any) -> Any:
    return getattr(batch, "shape", None)
