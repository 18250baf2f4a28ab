"""Scalar instructions batched into array instructions: the matrix form of a graph.

Scalars of one depth and one operation, whose operands lie in the same arrays, are the rows of one array;
dot products that share their varying operands are one matrix product W X + b; means over the batch of
products are G Xᵀ. Rows are ordered so that operands are slices. This is operation batching (Neubig,
Goldberg, Dyer, "On-the-fly Operation Batching in Dynamic Computation Graphs", 2017), done once.

Every array has a row for each scalar that it stands for and, for what varies, a column for each example.
"""

import builtins
import keyword
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any, TypeAlias

from microgradlike import ops
from microgradlike.compile.names import Names, stem
from microgradlike.compile.scalars import AFTER, BEFORE, COMMUTATIVE, EACH, PAIRED, Scalars
from microgradlike.ops import Op

#: As many terms a sum of matrix products may have; more arrays than that are put together first.
_TERMS = 4


@dataclass(eq=False)
class Array:
    """Numbers in rows, with the scalar instructions that they are; −1 for what nobody asked for.

    An array that varies has a column for each example; any other has ``columns`` of them, and its
    members lie row by row.
    """

    rows: int
    members: Sequence[int]
    columns: int | None = None
    name: str = ""
    named: bool = False  # after something that has a name in the graph

    @property
    def shape(self) -> tuple[int, int | None]:
        return self.rows, self.columns


@dataclass(frozen=True)
class View:
    """Rows of arrays, one below the other; a single row counts as often as is needed."""

    parts: tuple[tuple[Array, Sequence[int]], ...]

    @property
    def rows(self) -> int:
        return sum(len(rows) for _, rows in self.parts)


@dataclass(frozen=True)
class Loaded:
    """An array of numbers that were known before, or its transpose."""

    array: Array
    transposed: bool = False


Operand: TypeAlias = View | Loaded


@dataclass(frozen=True, eq=False)
class Elementwise:
    """The operation, row by row."""

    out: Array
    op: Op
    operands: tuple[Operand, ...]


@dataclass(frozen=True, eq=False)
class OverRows:
    """The operation with all rows of a view as its operands; a dot product has two views, maybe a bias."""

    out: Array
    op: Op
    operands: tuple[Operand, ...]


@dataclass(frozen=True, eq=False)
class MatrixProduct:
    """Σ W X + b."""

    out: Array
    terms: tuple[tuple[Loaded, View], ...]
    bias: Loaded | None

    @property
    def operands(self) -> tuple[Operand, ...]:
        flat = [operand for term in self.terms for operand in term]
        return (*flat, self.bias) if self.bias else tuple(flat)


@dataclass(frozen=True, eq=False)
class OverBatch:
    """Sums over the batch: of rows, of each row of one by each of another (G Xᵀ), or of row by row."""

    out: Array
    kind: str  # "rows", "matrix", "pairs"
    operands: tuple[View, ...]


Instruction: TypeAlias = Elementwise | OverRows | MatrixProduct | OverBatch


@dataclass(eq=False)
class Block:
    """The array instructions of one phase, and the arrays of known numbers that they need."""

    instructions: list[Instruction] = field(default_factory=list)
    loaded: list[Array] = field(default_factory=list)


@dataclass(eq=False)
class Schedule:
    """What an array backend prints: three blocks, and where inputs come from and results go to.

    Numbers that do not vary have a place in one vector of known numbers: parameters, constants, the
    results ``before``, the sums over the batch, the results ``after``, in this order.
    """

    scalars: Scalars
    inputs: list[tuple[Array, list[int]]]  # and the columns of the batch
    before: Block
    each: Block
    after: Block
    outputs: View | None
    constants: list[float]
    place: dict[int, int]  # in the vector of known numbers, for each scalar that does not vary
    length: int  # of that vector
    sums: list[OverBatch]

    @property
    def loop(self) -> list[Instruction]:
        """What is done for every block: a sum at once after what it needs, which is in the cache then."""
        place = {instruction.out: i for i, instruction in enumerate(self.each.instructions)}
        steps: list[tuple[int, Instruction]] = list(enumerate(self.each.instructions))
        steps += [(max(place.get(array, -1) for array in arrays_of(total)), total) for total in self.sums]
        return [instruction for _, instruction in sorted(steps, key=lambda step: step[0])]

    def slice_of(self, array: Array) -> slice:
        """Where the members of an array that does not vary are in the vector."""
        i, member = next((i, n) for i, n in enumerate(array.members) if n >= 0)
        start = self.place[member] - i
        return slice(start, start + len(array.members))


def schedule(scalars: Scalars, roots: Iterable[int], outputs: Sequence[int]) -> Schedule:
    """Batch the instructions that these roots need, and those of the outputs, a row for each example."""
    needed = scalars.needed([*roots, *outputs])
    known = _Known(scalars, needed)
    before = _Phase(scalars, BEFORE, known, needed)
    before.run()
    known.append(before.block.instructions)
    each = _Phase(scalars, EACH, known, needed)
    inputs = each.take_inputs()
    each.run()
    sums = each.sums([number for number in needed if number in scalars.means])
    view = each.rows_of(outputs) if outputs else None
    known.append(sums)
    after = _Phase(scalars, AFTER, known, needed)
    after.run()
    known.append(after.block.instructions)
    each.block.instructions = _in_order(each.block.instructions, sums, view)
    result = Schedule(
        scalars,
        inputs,
        before.block,
        each.block,
        after.block,
        view,
        known.constants,
        known.place,
        known.length,
        sums,
    )
    _name(result)
    return result


class _Known:
    """The vector of numbers that do not vary, and arrays that are loaded from it."""

    def __init__(self, scalars: Scalars, needed: Sequence[int]) -> None:
        constants = sorted((n for n in needed if n in scalars.constants), key=scalars.constants.__getitem__)
        self.place = {number: i for i, number in enumerate((*scalars.parameters, *constants))}
        self.constants = [scalars.constants[number] for number in constants]
        self.length = len(self.place)
        #: Where known numbers come from: of numbers from one source, arrays are made.
        self.source = dict.fromkeys(scalars.parameters, -1) | dict.fromkeys(constants, -2)
        self._sources = 2

    def append(self, instructions: Sequence[Instruction]) -> None:
        for instruction in instructions:
            self._sources += 1
            for number in instruction.out.members:
                if number >= 0:
                    self.place[number], self.source[number] = self.length, -self._sources
                self.length += 1


class _Phase:
    """Batches the scalars of one phase, depth by depth."""

    def __init__(self, scalars: Scalars, phase: int, known: _Known, needed: Sequence[int]) -> None:
        self.scalars, self.phase, self.known = scalars, phase, known
        self.numbers = [n for n in needed if scalars.phases[n] == phase]
        self.arrays: list[Array] = []
        self.at: dict[int, tuple[int, int]] = {}  # the array and the row of what has been computed
        self.block = Block()
        self._loaded: dict[tuple[int, tuple[int, ...]], Array] = {}

    def take_inputs(self) -> list[tuple[Array, list[int]]]:
        """Inputs whose names begin alike lie in one array: x1, x2 in X, t in T."""
        inputs: list[tuple[Array, list[int]]] = []
        stems = [stem(self.scalars.names.get(number, "")) or "x" for number in self.scalars.inputs]
        for letter in dict.fromkeys(stems):
            columns = [i for i, other in enumerate(stems) if other == letter]
            members = [self.scalars.inputs[i] for i in columns]
            inputs.append((self._place(Array(len(members), members)), columns))
        return inputs

    def run(self) -> None:
        depth: dict[int, int] = {}
        levels: list[list[int]] = []
        for n in self.numbers:
            if self.scalars.operations[n]:
                d = depth[n] = 1 + max((depth.get(a, 0) for a in self.scalars.operands[n]), default=0)
                while len(levels) < d:
                    levels.append([])
                levels[d - 1].append(n)
        for level in levels:
            self._batch(level)

    def _place(self, array: Array) -> Array:
        for row, member in enumerate(array.members):
            self.at[member] = len(self.arrays), row
        self.arrays.append(array)
        return array

    def _result(self, members: Sequence[int]) -> Array:
        return self._place(Array(len(members), members, None if self.phase == EACH else 1))

    # ── One depth ─────────────────────────────────────────────────────────────────────────────────────

    def _batch(self, level: Sequence[int]) -> None:
        products: dict[tuple[int, ...], list[tuple[list[int], list[int], int]]] = {}
        rest: dict[tuple[Any, ...], list[tuple[tuple[int, ...], int]]] = {}
        for n in level:
            op, operands = self.scalars.operations[n], self.scalars.operands[n]
            assert op
            if op in {ops.mul, ops.dot}:
                half = len(operands) // 2
                pairs = list(zip(operands[:half], operands[half : 2 * half]))
                if all(a not in self.at and b in self.at for a, b in pairs):
                    pairs.sort(key=lambda pair: self.at[pair[1]])
                    weights, xs = [a for a, _ in pairs], tuple(b for _, b in pairs)
                    products.setdefault(xs, []).append((weights, [*operands[2 * half :]], n))
                    continue
            self._add(rest, op, operands, n)
        # A product alone with its operands is a row among others of its kind: of products with one
        # operand, or with the same weights, as in a convolution.
        alone = Counter(tuple(rows[0][0]) for rows in products.values() if len(rows) == 1)
        for xs, rows in products.items():
            if len(rows) == 1 and (len(xs) == 1 or alone[tuple(rows[0][0])] > 1):
                [(weights, bias, n)] = rows
                op = ops.mul if len(xs) == 1 and not bias else ops.dot
                self._add(rest, op, (*weights, *xs, *bias), n)
            else:
                self._matrix_product(xs, rows)
        for key, members in rest.items():
            self._elementwise(key[0], members)

    def _add(
        self,
        groups: dict[tuple[Any, ...], list[tuple[tuple[int, ...], int]]],
        op: Op,
        operands: tuple[int, ...],
        n: int,
    ) -> None:
        if op in COMMUTATIVE:
            operands = tuple(sorted(operands, key=self._order))
        elif op in PAIRED and len(operands) > 3:
            half = len(operands) // 2
            pairs = sorted(
                zip(operands[:half], operands[half : 2 * half]),
                key=lambda pair: (self._order(pair[0]), self._order(pair[1])),
            )
            operands = (*(a for a, _ in pairs), *(b for _, b in pairs), *operands[2 * half :])
        key = (op, *(self.at[a][0] if a in self.at else self.known.source[a] for a in operands))
        groups.setdefault(key, []).append((operands, n))

    def _order(self, n: int) -> tuple[int, int]:
        return self.at.get(n) or (-1, self.known.place[n])

    def _matrix_product(self, xs: tuple[int, ...], rows: list[tuple[list[int], list[int], int]]) -> None:
        place = self.known.place
        rows.sort(key=lambda row: ([place[w] for w in row[0]], row[2]))
        biased = [row for row in rows if row[1]]
        if biased and len(biased) < len(rows):  # some have a bias and some have none
            self._matrix_product(xs, biased)
            rows = [row for row in rows if not row[1]]
        out = self._result([n for _, _, n in rows])
        parts = self.rows_of(xs).parts
        if len(parts) > _TERMS:
            matrix = [w for weights, _, _ in rows for w in weights]
            terms = [(self._load(matrix, len(xs)), View(parts))]
        else:
            terms, i = [], 0
            for part in parts:
                j = i + len(part[1])
                matrix = [w for weights, _, _ in rows for w in weights[i:j]]
                terms.append((self._load(matrix, j - i), View((part,))))
                i = j
        bias = self._load([row[1][0] for row in rows], 1) if rows[0][1] else None
        self.block.instructions.append(MatrixProduct(out, tuple(terms), bias))

    def _elementwise(self, op: Op, members: list[tuple[tuple[int, ...], int]]) -> None:
        members.sort(key=lambda member: [self._order(a) for a in member[0]])
        out = self._result([n for _, n in members])
        operands = members[0][0]
        if len(members) == 1 and op.arity is None and len(operands) > 2 and self._share(op, operands):
            half = len(operands) // 2
            lists = [operands]
            if op in PAIRED:
                lists = [operands[:half], operands[half : 2 * half], operands[2 * half :]]
            views = tuple(self._column(numbers, alike=False) for numbers in lists if numbers)
            self.block.instructions.append(OverRows(out, op, views))
        else:
            columns = zip(*(operands for operands, _ in members))
            self.block.instructions.append(Elementwise(out, op, tuple(map(self._column, columns))))

    def _share(self, op: Op, operands: tuple[int, ...]) -> bool:
        """Whether several of the operands are rows of one array."""
        return op in PAIRED or len({self._order(a)[0] for a in operands}) < len(operands)

    # ── Operands ──────────────────────────────────────────────────────────────────────────────────────

    def _column(self, numbers: Sequence[int], *, alike: bool = True) -> Operand:
        """The operands of the rows of an array, in order; one that all rows share is a single row."""
        if alike and all(n == numbers[0] for n in numbers):
            numbers = numbers[:1]
        if not any(n in self.at for n in numbers):
            return self._load(numbers, 1)
        return self.rows_of(numbers)

    def rows_of(self, numbers: Sequence[int]) -> View:
        """These rows, in order; known numbers among them are rows of their own."""
        parts: list[tuple[Array, Sequence[int]]] = []
        for array, run in groupby(numbers, key=lambda n: self.at[n][0] if n in self.at else -1):
            if array < 0:
                loaded = self._load([*run], 1, turned=False).array
                parts.append((loaded, range(loaded.rows)))
            else:
                parts.append((self.arrays[array], _as_range([self.at[n][1] for n in run])))
        return View(tuple(parts))

    def _load(self, numbers: Sequence[int], columns: int, *, turned: bool = True) -> Loaded:
        key = columns, tuple(numbers)
        if key in self._loaded:
            return Loaded(self._loaded[key])
        rows = len(numbers) // columns
        transposed = rows, tuple(n for i in range(columns) for n in numbers[i::columns])
        if turned and transposed in self._loaded and len(numbers) > 1:
            return Loaded(self._loaded[transposed], transposed=True)
        array = self._loaded[key] = Array(rows, key[1], columns)
        self.block.loaded.append(array)
        return Loaded(array)

    # ── Sums over the batch ───────────────────────────────────────────────────────────────────────────

    def sums(self, means: Sequence[int]) -> list[OverBatch]:
        totals: dict[int, list[tuple[int, int]]] = {}
        products: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        for n in means:
            if len(self.scalars.means[n]) == 1:
                [a] = self.scalars.means[n]
                array, row = self.at[a]
                totals.setdefault(array, []).append((row, n))
            else:
                (array, row), (other, column) = sorted(
                    (self.at[a] for a in self.scalars.means[n]), reverse=True
                )
                products.setdefault((array, other), []).append((row, column, n))
        result = []
        for array, members in totals.items():
            members.sort()
            view = self._part(array, [row for row, _ in members])
            result.append(OverBatch(Array(len(members), [n for _, n in members], 1), "rows", (view,)))
        for (array, other), triples in products.items():
            triples.sort()
            rows, columns = sorted({i for i, _, _ in triples}), sorted({j for _, j, _ in triples})
            if 4 * len(triples) >= len(rows) * len(columns):
                at = {(i, j): n for i, j, n in triples}
                matrix = [at.get((i, j), -1) for i in rows for j in columns]
                views = self._part(array, rows), self._part(other, columns)
                result.append(OverBatch(Array(len(rows), matrix, len(columns)), "matrix", views))
            else:
                views = (
                    self._part(array, [i for i, _, _ in triples]),
                    self._part(other, [j for _, j, _ in triples]),
                )
                numbers = [n for _, _, n in triples]
                result.append(OverBatch(Array(len(numbers), numbers, 1), "pairs", views))
        return sorted(result, key=lambda total: min(n for n in total.out.members if n >= 0))

    def _part(self, array: int, rows: list[int]) -> View:
        return View(((self.arrays[array], _as_range(rows)),))


def _as_range(rows: list[int]) -> Sequence[int]:
    """The same rows as a range, which is a slice, if they lie evenly."""
    if len(rows) == 1:
        return range(rows[0], rows[0] + 1)
    step = rows[1] - rows[0]
    if step > 0 and all(b - a == step for a, b in pairwise(rows)):
        return range(rows[0], rows[-1] + 1, step)
    return tuple(rows)


def arrays_of(instruction: Instruction) -> list[Array]:
    """The arrays that an instruction reads."""
    return arrays_in(instruction.operands)


def arrays_in(operands: Iterable[Operand]) -> list[Array]:
    """The arrays that these operands are parts of."""
    arrays = []
    for operand in operands:
        if isinstance(operand, Loaded):
            arrays.append(operand.array)
        else:
            arrays += [array for array, _ in operand.parts]
    return arrays


def _in_order(
    instructions: Sequence[Instruction], sums: Sequence[OverBatch], outputs: View | None
) -> list[Instruction]:
    """Each as late as it can be: the forward pass, then the backward pass, with nothing in between."""
    makes = {instruction.out: instruction for instruction in instructions}
    done: dict[Instruction, None] = {}
    wanted = [array for total in sums for array in arrays_of(total)]
    wanted += [array for array, _ in outputs.parts] if outputs else []
    for root in wanted:
        stack: list[tuple[Array, bool]] = [(root, False)]
        while stack:
            array, ready = stack.pop()
            instruction = makes.get(array)
            if instruction is None or instruction in done:
                continue
            if ready:
                done[instruction] = None
            else:
                stack.append((array, True))
                stack.extend((operand, False) for operand in reversed(arrays_of(instruction)))
    return list(done)


# ── Names ─────────────────────────────────────────────────────────────────────────────────────────────


def _name(s: Schedule) -> None:
    """Name arrays as the texts do: Z1 = W1 X + b1; dZ1 is the gradient of the loss by Z1."""
    scalars, names = s.scalars, Names(_TAKEN)
    inputs = [array for array, _ in s.inputs]
    loaded = [array for block in (s.before, s.each, s.after) for array in block.loaded]
    results = [i.out for block in (s.before, s.each, s.after) for i in block.instructions]
    # By the names of the members: several arrays of one stem are numbered.
    stems = {array: _stem_of(array, scalars.names) for array in (*inputs, *loaded, *results)}
    often = Counter(stems.values())
    for array, letter in stems.items():
        if letter:
            array.name = names.new(letter) if often[letter] == 1 else names.numbered(letter)
            array.named = True
    for array in inputs:
        array.name = array.name or names.new("X")
    # By what they are the gradients of.
    home = {n: array for array in (*inputs, *results, *loaded) for n in array.members}
    for array in results:
        of = [scalars.adjoints.get(n, -1) for n in array.members]
        primal = home.get(of[0])
        if not array.name and primal and primal.name and list(primal.members) == of:
            array.name, array.named = names.new(f"d{primal.name}"), True
    # Loss and gradients, after what they are the gradients of. Where one is made of a sum over the batch
    # of which nothing else is made, that sum has its name before it.
    by = dict(zip(scalars.gradients, scalars.wrt))
    matrices = {tuple(array.members): array for array in reversed(loaded) if array.name}
    uses = Counter(array for i in s.after.instructions for array in arrays_of(i))
    sums = {tuple(total.out.members): total.out for total in s.sums}
    for instruction in (*s.sums, *s.after.instructions):
        out = instruction.out
        primal = matrices.get(tuple(by.get(n, -1) for n in out.members))
        if scalars.loss in out.members or primal:
            out.name = names.new(f"d{primal.name}" if primal else "loss")
            for source in arrays_of(instruction):
                total = sums.get(tuple(source.members))
                if total and not total.name and uses[source] == 1:
                    source.name = total.name = out.name
                    break
    known = set(loaded)
    for array in (*results, *loaded, *sums.values()):
        if not array.name:
            letter = "A" if array not in known else "P"
            array.name = names.numbered("C" if scalars.constants.keys() >= {*array.members} else letter)


#: What the code of a backend calls by itself.
_OWN = (
    "np", "blocks", "choose", "first", "matmul", "memory", "n", "ones", "ones_of", "outer", "outputs",
    "picked", "rows", "stack", "with_ones", "zeros",
)  # fmt: skip
_TAKEN = (*keyword.kwlist, *dir(builtins), *ops.OPS, *_OWN)


def _stem_of(array: Array, names: Mapping[int, str]) -> str:
    """A capital for a matrix, a small letter for a column; nothing if the members have no common stem."""
    stems = {stem(names.get(n, "")) for n in array.members}
    common = stems.pop() if len(stems) == 1 else ""
    return (common[:1].lower() if array.columns == 1 else common[:1].upper()) + common[1:]
