"""The numpy backend: array instructions over blocks of the batch that stay in the processor's cache."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from microgradlike.compile.arrays import ArrayProgram, execute
from microgradlike.compile.batch import Arrays
from microgradlike.compile.rows import functions
from microgradlike.compile.scalars import Scalars

#: What the arrays of a block may take, in bytes: what a processor has close by.
_CACHE = 7 << 20

#: Columns of the batch that are fewer than this are copied, which makes what reads them faster.
_NARROW = 8


def _special() -> Any:
    try:
        from scipy import special
    except ImportError:
        raise ModuleNotFoundError(
            'erf of arrays needs scipy: pip install "microgradlike[compile]"', name="scipy"
        ) from None
    return special


_NAMESPACE = {
    "np": np,
    **functions(np, lambda a: _special().erf(a), lambda a: _special().erfc(a)),
}


class Numpy(ArrayProgram):
    """A program for numpy.

    Args:
        scalars, roots, outputs: as for every backend.
        block: how many examples are computed at once; by default, as many as stay in the cache.
    """

    reads = Arrays

    def __init__(
        self, scalars: Scalars, roots: Sequence[int], outputs: Sequence[int], block: int | None = None
    ) -> None:
        super().__init__(scalars, roots, outputs, {**_NAMESPACE})
        s = self.schedule
        arrays = [array for array, _ in s.inputs] + [i.out for i in s.each.instructions]
        bytes_each = 8 * sum(array.rows for array in arrays) or 1
        self.block = block or min(max(_CACHE // bytes_each // 64 * 64, 64), 8192)
        self.where = f", blocks of {self.block:,} examples"
        self._spare: list[dict[str, Any]] = []

    def run(self, batch: Any, parameters: Sequence[float]) -> tuple[Any, Any]:
        """The wanted numbers, one array; and the outputs, a row for each example (None: there are none)."""
        s, first = self.schedule, len(parameters)
        known = np.zeros(s.length)
        known[:first] = parameters
        known[first : first + len(s.constants)] = s.constants
        # The arrays of a run stay where they are until the next one takes their place: to give memory
        # back and get it again costs more than all the arithmetic. Each thread takes names of its own.
        try:
            names = self._spare.pop()
        except IndexError:
            names = {**self.namespace}
        names["n"], names["outputs"] = len(batch), []
        with np.errstate(all="ignore"):
            for part in self.parts:
                for array, places in part.loaded:
                    names[array.name] = known[places]
                head, body, tail = part.code
                execute(head, names)
                for _ in self._blocks(batch, names) if part.loop else [None]:
                    execute(body, names)
                execute(tail, names)
                for array in part.results:
                    known[s.slice_of(array)] = names[array.name].ravel()
        outputs = names.pop("outputs")
        self._spare.append(names)
        if not s.outputs:
            return known[self.wanted], None
        outputs = np.concatenate(outputs, axis=1).T
        if len(outputs) < len(batch):  # nothing in them varies
            outputs = np.repeat(outputs[:1], len(batch), axis=0)
        return known[self.wanted], outputs

    def _blocks(self, batch: Any, names: dict[str, Any]) -> Iterator[None]:
        """Set the input arrays, block after block; what they are of is not ours to keep."""
        size = -(-len(batch) // -(-len(batch) // self.block))  # of one size, as far as it goes
        for start in range(0, len(batch), size):
            block = batch[start : start + size].T
            for (array, _), columns in zip(self.schedule.inputs, self.columns):
                x = block[columns]
                names[array.name] = np.ascontiguousarray(x) if len(x) < _NARROW else x
            if "ones" not in names or len(names["ones"]) != block.shape[1]:
                names["ones"] = np.ones((block.shape[1], 1))
            yield
        for array, _ in self.schedule.inputs:
            names.pop(array.name, None)
