"""The numpy backend: array instructions over blocks of the batch that stay in the processor's cache."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from microgradlike.compile.arrays import ArrayProgram, Part, as_slice, compiled, execute
from microgradlike.compile.batch import Arrays
from microgradlike.compile.blas import matmul_for, outer_for, part_of, ready_for_pieces, with_ones
from microgradlike.compile.onehot import choose, ones_of, picked
from microgradlike.compile.places import NARROW, InMemory
from microgradlike.compile.rows import functions
from microgradlike.compile.scalars import Scalars
from microgradlike.compile.schedule import Block
from microgradlike.compile.tails import FUNCTIONS

#: What the arrays that the code makes for a block may take, in bytes: what a processor has close by.
_CACHE = 24 << 16

#: As many examples a block has at most.
_MOST = 8192

#: For blocks of so many sizes the views of memory are kept.
_SIZES = 4


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
    **FUNCTIONS,
    "choose": choose,
    "ones_of": ones_of,
    "picked": picked,
}


class Numpy(ArrayProgram):
    """A program for numpy.

    Args:
        scalars, roots, outputs: as for every backend.
        block: how many examples are computed at once; by default, as many as stay in the cache.

    Attributes:
        given: the code for what depends on the inputs alone.
        loaded: for each part, the arrays of known numbers that its statements read, with their places.
        sums: the part of the vector of known numbers that sums are added up in.
    """

    reads = Arrays
    printer = InMemory
    loop: InMemory
    sums = slice(0, 0)

    def __init__(
        self, scalars: Scalars, roots: Sequence[int], outputs: Sequence[int], block: int | None = None
    ) -> None:
        self.loop = InMemory((), (), {}, {})
        super().__init__(scalars, roots, outputs, {**_NAMESPACE})
        s, loop = self.schedule, self.loop
        rows = 8 * (loop.new + max(loop.zeros, default=0))
        rows += sum(height if i in loop.truths else 8 * height for i, height in enumerate(loop.memory))
        self.block = block or min(max(_CACHE // (rows or 1) // 64 * 64, 64), _MOST)
        self.where = f", blocks of {self.block:,} examples"
        self.given = compiled(loop.given)
        read = [*loop.loaded, *(a for a, _ in (s.outputs.parts if s.outputs else ()) if a.columns)]
        self.loaded = [self._loads(Block([], read)) if part.loop else part.loaded for part in self.parts]
        self._results = [
            [] if part.loop else [(array.name, s.slice_of(array)) for array in part.results]
            for part in self.parts
        ]
        wanted = as_slice(self.wanted.tolist())
        self._wanted = wanted if isinstance(wanted, slice) else self.wanted
        self._means = len(self.parts) == 1 and wanted == self.sums  # nothing is made of the sums but means
        self._spare: list[_Memory] = []

    def _over_batch(self) -> Part | None:
        part = super()._over_batch()
        if self.loop.sums:
            # Sums that are added up side by side have other places in the vector than one after the other.
            s = self.schedule
            first = stop = min(s.slice_of(total.out).start for total in s.sums)
            for array in sorted(self.loop.sums, key=lambda a: min(n for n in a.members if n >= 0)):
                s.place.update((n, i) for i, n in enumerate(array.members, stop) if n >= 0)
                stop += len(array.members)
            self.sums = slice(first, stop)
        return part

    def run(self, batch: Any, parameters: Sequence[float]) -> tuple[Any, Any]:
        """The wanted numbers, one array; and the outputs, a row for each example (None: there are none).

        Args:
            batch: an array with a row for each example; or such an array, prepared.
            parameters: their numbers.
        """
        try:
            memory = self._spare.pop()
        except IndexError:
            memory = _Memory(self)
        names, known, sums = memory.names, memory.known, memory.sums
        n = len(batch)
        blocks = batch.blocks if isinstance(batch, _Blocks) else self._blocks(batch, names, turned=False)
        outputs: list[Any] = []
        names["n"], names["outputs"], names["first"] = n, outputs, True
        known[: len(parameters)] = parameters
        for total in memory.totals:
            total.fill(0.0)
        with np.errstate(all="ignore"):
            for i, part in enumerate(self.parts):
                memory.load(i)
                _, body, _ = part.code
                if part.loop:  # head and tail in less time: what is added up is in its place already
                    for columns, arrays in blocks:
                        names |= arrays
                        memory.make_room(columns)
                        execute(body, names)
                        names["first"] = False
                    for name in arrays:  # they are not ours to keep
                        del names[name]
                    if not self._means:
                        sums /= n
                else:
                    execute(body, names)
                    for name, place in self._results[i]:
                        known[place] = names[name].ravel()
        numbers = known[self._wanted] / n if self._means else np.array(known[self._wanted])
        del names["outputs"]
        self._spare.append(memory)
        if not self.schedule.outputs:
            return numbers, None
        rows = np.concatenate(outputs, axis=1).T
        if len(rows) < n:  # nothing in them varies
            rows = np.repeat(rows[:1], n, axis=0)
        return numbers, rows

    def prepare(self, batch: Any) -> "_Blocks":
        """The batch as `run` reads it, block by block, with all that depends on nothing else."""
        memory = _Memory(self)
        for i in range(len(self.parts)):
            memory.load(i)
        with np.errstate(all="ignore"):
            return _Blocks([*self._blocks(batch, memory.names, turned=True)], len(batch))

    def _blocks(self, batch: Any, names: dict[str, Any], *, turned: bool) -> "Iterator[_Block]":
        size = -(-len(batch) // -(-len(batch) // self.block))  # of one size, as far as it goes
        for start in range(0, len(batch), size):
            rows = batch[start : start + size]
            arrays: dict[str, Any] = {}
            for (array, _), columns in zip(self.schedule.inputs, self.columns):
                x, wide = rows[:, columns].T, self.loop.with_ones.get(array)
                turns = turned or len(x) < NARROW
                if wide:
                    arrays[wide.name] = with_ones(x, turned=turns)
                    x = arrays[wide.name][:-1]
                arrays[array.name] = np.ascontiguousarray(x) if turns else x
            for name, heights in self.loop.by_example.items():
                x = arrays[name]
                arrays[f"{name}_by_example"] = ready_for_pieces(x, heights) if turned else x
            if self.given:
                names |= arrays
                execute(self.given, names)
                arrays |= {name: names[name] for name in self.loop.kept}
                for name in self.loop.passing:
                    del names[name]
            yield len(rows), arrays


#: How many examples it has, and its arrays by name.
_Block: TypeAlias = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class _Blocks:
    """A batch, laid out."""

    blocks: list[_Block]
    examples: int

    def __len__(self) -> int:
        return self.examples


class _Memory:
    """What a run leaves for the next one. Each thread takes its own.

    Attributes:
        names: for the code.
        known: the vector of known numbers.
        sums: the part of the vector with the sums over the batch.
        totals: the parts of it that have to be zeros before the first block.
    """

    def __init__(self, program: Numpy) -> None:
        s, self._loop = program.schedule, program.loop
        self.names: dict[str, Any] = {**program.namespace}
        self.known = np.zeros(s.length)
        first = len(s.scalars.parameters)
        self.known[first : first + len(s.constants)] = s.constants
        #: For each part, the arrays that are parts of the vector, by name, and the places of the others.
        self._parts: list[tuple[dict[str, Any], dict[str, Any]]] = []
        for part, loaded in zip(program.parts, program.loaded):
            views = {array.name: part_of(self.known, places) for array, places in loaded}
            gathered = {array.name: places for array, places in loaded if views[array.name] is None}
            if part.loop:
                views |= {a.name: self.known[s.slice_of(a)].reshape(a.rows, -1) for a in self._loop.sums}
            self._parts.append(({name: a for name, a in views.items() if a is not None}, gathered))
        self.sums = self.known[program.sums]
        self.totals = [self.known[s.slice_of(total)] for total in self._loop.totals]
        self._loaded = -1
        heights = enumerate(self._loop.memory)
        self._heights = [rows + (i in self._loop.ones) for i, rows in heights]
        self._flat: list[Any] = []  # what the rooms for blocks of all sizes are views of
        self._rooms: dict[int, dict[str, Any]] = {}
        self._columns = self._most = 0

    def load(self, part: int) -> None:
        """Set the arrays of known numbers that a part reads, and those that it adds up in."""
        views, gathered = self._parts[part]
        if part != self._loaded:
            self.names |= views
            self._loaded = part
        for name, places in gathered.items():
            self.names[name] = self.known[places]

    def make_room(self, columns: int) -> None:
        """Set what the code takes from outside, for a block of so many examples."""
        if columns == self._columns:
            return
        if columns not in self._rooms:
            if columns > self._most or len(self._rooms) == _SIZES:
                self._rooms.clear()
            self._rooms[columns] = self._room_for(columns)
        room = self._rooms[columns]
        for i in self._loop.ones:
            room["with_ones"][i][-1] = 1.0
        self.names |= room
        self._columns = columns

    def _room_for(self, columns: int) -> dict[str, Any]:
        loop, heights = self._loop, self._heights
        if columns > self._most:
            kinds = [bool if i in loop.truths else float for i in range(len(heights))]
            self._flat = [np.empty(rows * columns, kind) for rows, kind in zip(heights, kinds)]
            self._zeros = np.zeros(max(loop.zeros, default=0) * columns)
            self._most = columns
        # Not the first columns of wider arrays: numpy 2.4 negates some arrays with gaps wrongly.
        whole = [a[: rows * columns].reshape(rows, columns) for rows, a in zip(heights, self._flat)]
        return {
            "with_ones": whole,
            "memory": [array[:rows] for rows, array in zip(loop.memory, whole)],
            "zeros": {rows: self._zeros[: rows * columns].reshape(rows, columns) for rows in loop.zeros},
            "ones": np.ones((columns, 1)),
            "matmul": matmul_for(columns),
            "outer": outer_for(),
        }
