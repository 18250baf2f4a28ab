"""Prints statements for numpy that write to arrays which are there already."""

import re
from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from microgradlike import ops
from microgradlike.compile.arrays import Printer, whole_of
from microgradlike.compile.onehot import is_one_hot
from microgradlike.compile.schedule import (
    Array,
    Elementwise,
    Instruction,
    Loaded,
    MatrixProduct,
    Operand,
    OverBatch,
    OverRows,
    View,
    arrays_of,
)
from microgradlike.compile.tails import FUNCTIONS
from microgradlike.compile.writing import Written
from microgradlike.ops import Op

#: Columns of the batch that are fewer than this are copied, which makes what reads them faster.
NARROW = 8

#: What numpy has for an operator, and can be told where to write.
_UFUNCS: dict[Op, str] = {
    ops.add: "add",
    ops.sub: "subtract",
    ops.mul: "multiply",
    ops.div: "divide",
    ops.neg: "negative",
}

#: What statements may read instead of a comparison that was made beforehand: how its name ends, what it is.
_INSTEAD = {"_true": "{} != 0.0", "_ones": "ones_of({})"}


class InMemory(Printer):
    """Prints statements that write to arrays which are there already.

    To get memory and to give it back takes as long as the arithmetic, and what was written last is still
    in the cache. So the place of an array is taken as soon as nobody needs what is in it: by a relu that
    of its operand, and by a product with a derivative that of the gradient.

    A bias takes no pass of its own: W X + b is [W b] [X; 1], and the gradients by both are G [X; 1]ᵀ. What
    depends on the inputs alone has statements of its own, which need not be repeated for the same examples.

    A comparison of which the truth will do is made as soon as it can be, and takes a byte: what is compared
    is still in the cache then, and its place is sooner free. And what the class of an example chooses, as
    a one-hot matrix does, is taken or put in that one place (see ``onehot.py``).

    Args:
        instructions, results, constants, namespace: as for every printer.

    Attributes:
        memory: of each array that is to be there, how many rows it has.
        ones: which of these have a row of ones below.
        truths: which of these have truths in them.
        zeros: how many rows of zeros statements read; maxima with the number 0.0 take twice the time.
        new: how many rows there are of what statements make themselves.
        given: the statements for what depends on the inputs alone.
        kept: the names that they give to what other statements read, and to results.
        passing: their other names.
        by_example: the names of inputs that meet gradients, with how many rows these have: in memory the
            numbers of an example should then lie side by side, if the product is made of pieces.
        with_ones: of an array, the one that has a row of ones below.
        loaded: the arrays of known numbers that statements read.
        sums: the arrays that the sums over the batch are in.
        totals: those of them that are added to from the first block on; products are written there first.
    """

    def __init__(
        self,
        instructions: Sequence[Instruction],
        results: Collection[Array],
        constants: Mapping[int, float],
        namespace: dict[str, Any],
    ) -> None:
        self.memory: list[int] = []
        self.ones: set[int] = set()
        self.truths: set[int] = set()
        self.zeros: set[int] = set()
        self.new = 0
        self.by_example: defaultdict[str, set[int]] = defaultdict(set)
        self.with_ones: dict[Array, Array] = {}
        self._narrow: dict[Array, Array] = {}  # and back
        instructions = [*_after_relu(instructions, constants)]
        made = {instruction.out for instruction in instructions}
        self._inputs = {
            a for i in instructions for a in arrays_of(i) if a.columns is None and a not in made
        }
        self._given = _given(instructions, self._inputs, constants)
        self._one_hot = {i.out for i in instructions if i.out in self._given and is_one_hot(i, constants)}
        self._asked: set[Array] = set()  # comparisons of which the truth will do
        self._as_truths: set[Array] = set()  # what a choice is given as a truth, once it is executed
        others = [instruction for instruction in instructions if instruction.out not in self._given]
        read = {*results, *(array for instruction in others for array in arrays_of(instruction))}
        super().__init__(instructions, {*results, *(read & self._given)}, constants, namespace)

    def execute(self, instructions: Sequence[Instruction]) -> list[str]:
        # What is read where it is used is executed by itself if it can have a place.
        inner, self.inner = self.inner, {}
        self._as_truths = self._given
        readers = defaultdict(list)
        for i in instructions:
            for array in arrays_of(i):
                if array in self.comparisons or array in inner:
                    readers[array].append(i)
        self._asked = {
            array
            for array in self.comparisons.keys() - self._given - {*self.results}
            if all(self._asks(i, array) for i in readers[array])
        }
        for array, (instruction, nodes, _) in inner.items():
            has_place = array in self._asked or (
                array not in self.comparisons
                and self.function(instruction)
                and not (isinstance(readers[array][0], OverRows) and self._is_pick(instruction))
            )
            if not has_place:
                self.inner[array] = instruction, nodes, self.write(instruction)
        outer = [instruction for instruction in instructions if instruction.out not in self.inner]
        given = [instruction for instruction in outer if instruction.out in self._given]
        others = [i for i in outer if i.out not in self._given]
        others = [*self._biased(self._asked_early(others))]
        sums = [instruction for instruction in others if isinstance(instruction, OverBatch)]
        self.sums = [instruction.out for instruction in sums]
        self.totals = [instruction.out for instruction in sums if instruction.kind != "matrix"]
        reads = [*map(self.reads, others)]
        read = dict.fromkeys(array for arrays in (*map(self.reads, given), *reads) for array in arrays)
        self.loaded = [array for array in read if array.columns is not None]
        statements = [*self._in_places(others, reads)]
        self._give(given, statements)
        return statements

    def _give(self, given: Sequence[Instruction], statements: Iterable[str]) -> None:
        """The statements for what depends on the inputs alone, and which of its names the others read."""
        self.given = [*map(self.statement, given)]
        own = {f"{i.out.name}{ending}" for i in given for ending in ("", *_INSTEAD)}
        names = {name for text in statements for name in re.findall(r"\w+", text) if name in own}
        self.kept: list[str] = []
        self.passing: list[str] = []
        for out in (instruction.out for instruction in given):
            kept = out in self.results or out.name in names
            (self.kept if kept else self.passing).append(out.name)
            for ending, made in _INSTEAD.items():
                name = f"{out.name}{ending}"
                if name in names:
                    self.given.append(f"{name} = {made.format(out.name)}")
                    self.kept.append(name)

    def _asks(self, instruction: Instruction, array: Array) -> bool:
        """Whether it asks of a comparison if it is true, and nothing else."""
        if not isinstance(instruction, Elementwise) or arrays_of(instruction).count(array) > 1:
            return False
        operands = [*map(whole_of, instruction.operands)]
        if instruction.op is ops.where:
            return operands[0] is array
        return instruction.op is ops.mul and [a for a in operands if a in self.comparisons] == [array]

    def _asked_early(self, instructions: Sequence[Instruction]) -> list[Instruction]:
        """The same, but a comparison at once after what it needs."""
        place = {instruction.out: i for i, instruction in enumerate(instructions)}

        def step(instruction: Instruction) -> int:
            needed = self.reads(instruction) if instruction.out in self._asked else ()
            return max((place[array] for array in needed if array in place), default=place[instruction.out])

        return sorted(instructions, key=step)

    def _is_pick(self, instruction: Instruction) -> bool:
        """Whether the sum of its rows is that one for each example which a class chooses."""
        if not isinstance(instruction, Elementwise) or instruction.op is not ops.where:
            return False
        condition, chosen, other = instruction.operands
        array = whole_of(chosen)
        return (
            whole_of(condition) in self._one_hot
            and array is not None
            and array.rows == instruction.out.rows
            and self.operand(other)[0] == "0.0"
        )

    def _in_places(
        self, instructions: Sequence[Instruction], reads: Sequence[Sequence[Array]]
    ) -> Iterator[str]:
        """The statements, each of which writes to a place that is free, if it can."""
        last = {array: i for i, arrays in enumerate(reads) for array in arrays}
        places: dict[Array, int] = {}
        free: defaultdict[Any, list[int]] = defaultdict(list)  # places, by what they have room for

        def room(array: Array) -> tuple[int, bool]:
            return array.rows, array in self._asked

        for i, instruction in enumerate(instructions):
            out = instruction.out
            done = [array for array in reads[i] if last[array] == i and array in places]
            if not self._has_place(instruction):
                self.new += out.rows if out.columns is None else 0
                yield self.statement(instruction)
            else:
                if not isinstance(instruction, MatrixProduct):  # which can't write to what it reads
                    while done:
                        array = done.pop()
                        free[room(array)].append(places[array])
                if not free[room(out)]:
                    free[room(out)].append(len(self.memory))
                    self.memory.append(out.rows)
                place = places[out] = free[room(out)].pop()
                if out in self._asked:
                    self.truths.add(place)
                if out in self.with_ones:
                    self.with_ones[out].name = f"with_ones[{place}]"
                    self.ones.add(place)
                yield self.written_to(f"memory[{place}]", instruction)
            for array in done:
                free[room(array)].append(places[array])

    def _has_place(self, instruction: Instruction) -> bool:
        out = instruction.out
        return out.columns is None and out not in self.results and bool(self.function(instruction))

    def _biased(self, instructions: Sequence[Instruction]) -> Iterator[Instruction]:
        """The same, but biases are columns of matrices, where what these meet can have a row of ones."""
        can_have = {*self._inputs, *(i.out for i in instructions if self._has_place(i))}

        def with_ones(x: View) -> View | None:
            array = whole_of(x)
            if array not in can_have:
                return None
            if array not in self.with_ones:
                wide = self.with_ones[array] = Array(array.rows + 1, (), name=f"_{array.name}_1")
                self._narrow[wide] = array
            return View(((self.with_ones[array], range(array.rows + 1)),))

        totals = {i.operands: i for i in instructions if isinstance(i, OverBatch) and i.kind == "rows"}
        pairs: dict[Instruction, Instruction] = {}
        for i in instructions:
            if isinstance(i, OverBatch) and i.kind == "matrix" and i.operands[:1] in totals:
                gradient, x = i.operands
                if wide := with_ones(x):
                    total = totals.pop((gradient,))
                    both = OverBatch(_side_by_side(i.out, total.out), "matrix", (gradient, wide))
                    pairs[i] = pairs[total] = both
        met = set()
        for i in instructions:
            if i in pairs:
                if pairs[i] in met:  # what the second of both needs is there as well
                    yield pairs[i]
                met.add(pairs[i])
            elif isinstance(i, MatrixProduct) and i.bias and len(i.terms) == 1:
                [(weights, x)] = i.terms
                turns = weights.transposed or weights.array.columns == 1
                if wide := None if turns else with_ones(x):
                    matrix = Loaded(_side_by_side(weights.array, i.bias.array))
                    yield MatrixProduct(i.out, ((matrix, wide),), None)
                else:
                    yield i
            else:
                yield i

    def _is_wide(self, array: Array) -> bool:
        """Whether it is an input that the batch has as it is, maybe with its ones."""
        array = self._narrow.get(array, array)
        return array in self._inputs and array.rows >= NARROW

    def reads(self, instruction: Instruction) -> list[Array]:
        """The arrays that a statement reads, also those of which is made what stands within it."""
        arrays: dict[Array, None] = {}
        stack = arrays_of(instruction)
        while stack:
            wide = stack.pop()
            array = self._narrow.get(wide, wide)
            if array not in arrays:
                arrays[array] = None
                if array in self.inner:
                    stack.extend(arrays_of(self.inner[array][0]))
        return [*arrays]

    def function(self, instruction: Instruction) -> str:
        """What numpy calls it and can be told where to write to; nothing, if there is no such function."""
        if isinstance(instruction, MatrixProduct):
            weights = instruction.terms[0][0]
            inner = weights.array.rows if weights.transposed else weights.array.columns
            return "multiply" if inner == 1 else "matmul"
        if not isinstance(instruction, Elementwise) or View not in map(type, instruction.operands):
            return ""
        op, operands = instruction.op, instruction.operands
        if op.name in FUNCTIONS:
            return op.name
        if op is ops.relu:
            return "maximum"
        if op is ops.where and whole_of(operands[0]) in self._one_hot:
            row = operands[1]
            is_row = isinstance(row, View) and row.rows == 1
            return "choose" if is_row or self.is_literal(row) else ""
        if op is ops.add and self.operand(operands[1])[1] == "+":
            return ""  # as an expression it is added from left to right
        name = _UFUNCS.get(op) or ("" if op.name in self.namespace else op.name)
        return name if getattr(getattr(np, name, None), "nin", 0) == len(operands) else ""

    def written(self, instruction: Elementwise) -> list[Written]:
        operands = super().written(instruction)
        condition = whole_of(instruction.operands[0]) if instruction.op is ops.where else None
        if condition in self._as_truths and instruction.out not in self._as_truths:
            operands[0] = f"{operands[0][0]}_true", "!"
        return operands

    def written_to(self, place: str, instruction: Instruction) -> str:
        """A statement that writes its result there."""
        out, more = instruction.out, ""
        if isinstance(instruction, MatrixProduct):
            (weights, x), *terms = instruction.terms
            operands = [self.operand(weights)[0], self.operand(x)[0]]
            added = [self.product(*term)[0] for term in terms]
            added += [self.operand(instruction.bias)[0]] if instruction.bias else []
            more = "".join(f"; {out.name} += {text}" for text in added)
        else:
            assert isinstance(instruction, Elementwise)
            operands = [text for text, _ in self.written(instruction)]
            if instruction.op is ops.mul:  # of a byte a float is made in less time than of a truth
                truths = [array.name for array in arrays_of(instruction) if array in self._asked]
                operands = [f"{text}.view('b')" if text in truths else text for text in operands]
            if self.function(instruction) == "choose":
                operands[0] = f"{self.operand(instruction.operands[0])[0]}_ones"
            if instruction.op is ops.relu:
                operands.append(f"zeros[{out.rows}]")
                self.zeros.add(out.rows)
        function = self.function(instruction)
        call = function if function in {"matmul", "choose", *FUNCTIONS} else f"np.{function}"
        return f"{out.name} = {call}({', '.join(operands)}, out={place}){more}"

    def statement(self, instruction: Instruction) -> str:
        if isinstance(instruction, OverBatch) and instruction.kind == "matrix":
            gradient, x = instruction.operands
            g, numbers = self.operand(gradient)[0], self.operand(x)[0]
            array = whole_of(x)
            if array and self._is_wide(array):
                numbers = f"{array.name}_by_example"
                self.by_example[array.name].add(sum(len(rows) for _, rows in gradient.parts))
            return f"outer({g}, {numbers}, {instruction.out.name}, first)"
        if isinstance(instruction, OverRows) and instruction.op is ops.sum:
            summed = whole_of(instruction.operands[0])
            choice = self.inner[summed][0] if summed in self.inner else None
            if choice and self._is_pick(choice) and instruction.out not in self._given:
                condition, matrix, _ = choice.operands
                ones, numbers = (self.operand(operand)[0] for operand in (condition, matrix))
                return f"{instruction.out.name} = picked({ones}_ones, {numbers})"
        text = super().statement(instruction)
        if (
            isinstance(instruction, Elementwise)
            and instruction.op.arity is None
            and len(instruction.operands) == 1
        ):
            # The least of one number is itself: the name of another array, whose place may be taken later.
            name, _, expression = text.partition(" = ")
            return f"{name} = np.array({expression})"
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


def _given(
    instructions: Sequence[Instruction], inputs: Container[Array], constants: Container[int]
) -> set[Array]:
    """What depends on the inputs alone."""
    given: set[Array] = set()
    for instruction in instructions:
        if not isinstance(instruction, OverBatch) and all(
            array in given or array in inputs or all(n in constants for n in array.members)
            for array in arrays_of(instruction)
        ):
            given.add(instruction.out)
    return given


def _side_by_side(matrix: Array, column: Array) -> Array:
    members, width = [], matrix.columns
    assert width
    for i, last in enumerate(column.members):
        members += [*matrix.members[i * width : (i + 1) * width], last]
    return Array(matrix.rows, members, width + 1, name=f"_{matrix.name}_{column.name}")
