"""The numpy backend: array instructions over blocks of the batch that stay in the processor's cache."""

from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from microgradlike import ops
from microgradlike.compile.arrays import ArrayProgram, Printer, execute
from microgradlike.compile.batch import Arrays
from microgradlike.compile.rows import functions
from microgradlike.compile.scalars import Scalars
from microgradlike.compile.schedule import (
    Array,
    Elementwise,
    Instruction,
    Loaded,
    MatrixProduct,
    Operand,
    Schedule,
    View,
    arrays_of,
)
from microgradlike.ops import Op

#: What the arrays of a block may take, in bytes: what a processor has close by.
_CACHE = 5 << 19

#: As many examples a block has at most.
_MOST = 8192

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


#: What numpy has for an operator, and can be told where to write.
_UFUNCS: dict[Op, str] = {
    ops.add: "add",
    ops.sub: "subtract",
    ops.mul: "multiply",
    ops.div: "divide",
    ops.neg: "negative",
}


class InMemory(Printer):
    """Prints statements that write to arrays which are there already.

    To get memory and to give it back takes as long as the arithmetic, and what was written last is still
    in the cache. So the place of an array is taken as soon as nobody needs what is in it: by a relu that
    of its operand, and by a product with a derivative that of the gradient.

    Attributes:
        memory: of each array that is to be there, how many rows it has.
        new: how many rows there are of what statements make themselves.
    """

    memory: list[int]
    new: int

    def __init__(
        self,
        instructions: Sequence[Instruction],
        results: Container[Array],
        constants: Mapping[int, float],
        namespace: dict[str, Any],
    ) -> None:
        super().__init__([*_after_relu(instructions, constants)], results, constants, namespace)

    def execute(self, instructions: Sequence[Instruction]) -> list[str]:
        self.memory, self.new = [], 0
        reads = [self.reads(instruction) for instruction in instructions]
        last = {array: i for i, arrays in enumerate(reads) for array in arrays}
        places: dict[Array, int] = {}
        free: defaultdict[int, list[int]] = defaultdict(list)  # places, by their numbers of rows
        statements = []
        for i, instruction in enumerate(instructions):
            out = instruction.out
            done = [array for array in reads[i] if last[array] == i and array in places]
            if out.columns is not None or out in self.results or not self.written_to("", instruction):
                statements.append(self.statement(instruction))
                self.new += out.rows if out.columns is None else 0
            else:
                if not isinstance(instruction, MatrixProduct):  # which can't write to what it reads
                    while done:
                        array = done.pop()
                        free[array.rows].append(places[array])
                if not free[out.rows]:
                    free[out.rows].append(len(self.memory))
                    self.memory.append(out.rows)
                places[out] = free[out.rows].pop()
                statements.append(self.written_to(f"memory[{places[out]}]", instruction))
            for array in done:
                free[array.rows].append(places[array])
        return statements

    def reads(self, instruction: Instruction) -> list[Array]:
        """The arrays that a statement reads, also those of which is made what stands within it."""
        arrays: dict[Array, None] = {}
        stack = [*arrays_of(instruction)]
        while stack:
            array = stack.pop()
            if array not in arrays:
                arrays[array] = None
                if array in self.inner:
                    stack.extend(arrays_of(self.inner[array][0]))
        return [*arrays]

    def written_to(self, place: str, instruction: Instruction) -> str:
        """A statement that writes its result there; nothing, if numpy has none."""
        out = instruction.out.name
        if isinstance(instruction, MatrixProduct):
            (weights, x), *more = instruction.terms
            inner = weights.array.rows if weights.transposed else weights.array.columns
            factors = f"{self.operand(weights)[0]}, {self.operand(x)[0]}"
            text = f"{out} = np.{'multiply' if inner == 1 else 'matmul'}({factors}, out={place})"
            terms = [self.product(*term) for term in more]
            terms += [self.operand(instruction.bias)] if instruction.bias else []
            return "; ".join([text, *(f"{out} += {term}" for term, _ in terms)])
        if not isinstance(instruction, Elementwise) or View not in map(type, instruction.operands):
            return ""
        op, operands = instruction.op, self.written(instruction)
        if op is ops.add and operands[1][1] == "+":  # as an expression it is added from left to right
            return ""
        written = [text for text, _ in operands]
        if op is ops.relu:
            written, name = [written[0], "zeros"], "maximum"  # faster than with the number 0.0
        else:
            name = _UFUNCS.get(op) or ("" if op.name in self.namespace else op.name)
        if getattr(getattr(np, name, None), "nin", 0) != len(written):
            return ""
        return f"{out} = np.{name}({', '.join(written)}, out={place})"

    def statement(self, instruction: Instruction) -> str:
        text = super().statement(instruction)
        if isinstance(instruction, Elementwise) and instruction.op.arity is None:
            # The least of one number is itself: the name of another array, whose place may be taken later.
            name, _, expression = text.partition(" = ")
            return f"{name} = np.array({expression})" if len(instruction.operands) == 1 else text
        return text


def _after_relu(
    instructions: Sequence[Instruction], constants: Mapping[int, float]
) -> Iterator[Instruction]:
    """The same, but what is above 0 is asked of a relu, not of its operand, whose place is free then."""
    relus: dict[Operand, View] = {}
    for instruction in instructions:
        if isinstance(instruction, Elementwise):
            operand, *other = instruction.operands
            if instruction.op is ops.relu:
                relus[operand] = View(((instruction.out, range(instruction.out.rows)),))
            elif instruction.op is ops.greater and operand in relus:
                [zero] = other
                if isinstance(zero, Loaded) and [constants.get(n) for n in zero.array.members] == [0.0]:
                    instruction = replace(instruction, operands=(relus[operand], zero))  # noqa: PLW2901
        yield instruction


class Numpy(ArrayProgram):
    """A program for numpy.

    Args:
        scalars, roots, outputs: as for every backend.
        block: how many examples are computed at once; by default, as many as stay in the cache.
    """

    reads = Arrays
    printer = InMemory

    def __init__(
        self, scalars: Scalars, roots: Sequence[int], outputs: Sequence[int], block: int | None = None
    ) -> None:
        self._memory: list[int] = []
        self._new = 0
        super().__init__(scalars, roots, outputs, {**_NAMESPACE})
        rows = sum(array.rows for array, _ in self.schedule.inputs) + sum(self._memory) + self._new
        self.block = block or min(max(_CACHE // (8 * rows or 1) // 64 * 64, 64), _MOST)
        self.where = f", blocks of {self.block:,} examples"
        self._places = {
            array: self.schedule.slice_of(array) for part in self.parts for array in part.results
        }
        self._spare: list[_Memory] = []

    def _print(self, instructions: Sequence[Instruction], results: Container[Array]) -> InMemory:
        printer = super()._print(instructions, results)
        assert isinstance(printer, InMemory)
        self._memory += printer.memory
        self._new += printer.new
        return printer

    def run(self, batch: Any, parameters: Sequence[float]) -> tuple[Any, Any]:
        """The wanted numbers, one array; and the outputs, a row for each example (None: there are none)."""
        s = self.schedule
        try:
            memory = self._spare.pop()
        except IndexError:
            memory = _Memory(s, {**self.namespace}, self._memory)
        names, known, sums = memory.names, memory.known, memory.all_sums
        names["n"], names["outputs"] = len(batch), []
        known[: len(parameters)] = parameters
        sums.fill(0.0)
        with np.errstate(all="ignore"):
            for part in self.parts:
                for array, places in part.loaded:
                    names[array.name] = known[places]
                _, body, _ = part.code
                if part.loop:  # head and tail in less time: what is added up is in its place already
                    names |= memory.sums
                    for _ in self._blocks(batch, memory):
                        execute(body, names)
                    sums /= len(batch)
                else:
                    execute(body, names)
                    for array in part.results:
                        known[self._places[array]] = names[array.name].ravel()
        numbers, outputs = known[self.wanted], names.pop("outputs")
        self._spare.append(memory)
        if not s.outputs:
            return numbers, None
        outputs = np.concatenate(outputs, axis=1).T
        if len(outputs) < len(batch):  # nothing in them varies
            outputs = np.repeat(outputs[:1], len(batch), axis=0)
        return numbers, outputs

    def _blocks(self, batch: Any, memory: "_Memory") -> Iterator[None]:
        """Set the input arrays, block after block; what they are of is not ours to keep."""
        names = memory.names
        size = -(-len(batch) // -(-len(batch) // self.block))  # of one size, as far as it goes
        for start in range(0, len(batch), size):
            block = batch[start : start + size].T
            for (array, _), columns in zip(self.schedule.inputs, self.columns):
                x = block[columns]
                names[array.name] = np.ascontiguousarray(x) if len(x) < _NARROW else x
            memory.make_room(block.shape[1])
            yield
        for array, _ in self.schedule.inputs:
            names.pop(array.name, None)


class _Memory:
    """What a run leaves for the next one. Each thread takes its own.

    Args:
        schedule: of the program.
        names: what the code calls.
        rows: of the arrays that it writes to.

    Attributes:
        names: for the code.
        known: the vector of known numbers.
        sums: the sums over the batch, by name: parts of the vector.
        all_sums: the part of the vector with all of them.
    """

    def __init__(self, schedule: Schedule, names: dict[str, Any], rows: Sequence[int]) -> None:
        self.names, self._rows = names, rows
        self.known = np.zeros(schedule.length)
        first = len(schedule.scalars.parameters)
        self.known[first : first + len(schedule.constants)] = schedule.constants
        arrays = [total.out for total in schedule.sums]
        places = [schedule.slice_of(array) for array in arrays]
        self.sums = {a.name: self.known[place].reshape(a.rows, -1) for a, place in zip(arrays, places)}
        self.all_sums = self.known[places[0].start : places[-1].stop] if places else self.known[:0]
        self._room: list[Any] = []
        self._columns = self._most = 0

    def make_room(self, columns: int) -> None:
        """Set what the code takes from outside, for a block of so many examples."""
        if columns == self._columns:
            return
        if columns > self._most:
            self._room, self._most = [np.empty(rows * columns) for rows in self._rows], columns
        # Not the first columns of wider arrays: numpy 2.4 negates some arrays with gaps wrongly.
        self.names["memory"] = [
            room[: rows * columns].reshape(rows, columns) for rows, room in zip(self._rows, self._room)
        ]
        self.names["ones"], self.names["zeros"] = np.ones((columns, 1)), np.zeros(columns)
        self._columns = columns
