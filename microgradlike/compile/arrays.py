"""What array backends share: array instructions printed as code for numpy, or for a module like it."""

import math
from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from types import CodeType
from typing import Any

import numpy as np

from microgradlike import ops
from microgradlike.compile.scalars import PAIRED, Line, NoRuleError, Scalars, size_in_the_book
from microgradlike.compile.schedule import (
    Array,
    Block,
    Elementwise,
    Instruction,
    Loaded,
    MatrixProduct,
    Operand,
    OverBatch,
    View,
    arrays_in,
    schedule,
)
from microgradlike.compile.writing import IN_THE_BOOK, LINE, OPERATORS, Written
from microgradlike.notation import Template, each, fill
from microgradlike.ops import Op

#: How a row is written, if not as np.name(a, b) or as a call of a function of `microgradlike.compile.rows`.
_TEMPLATES: dict[Op, tuple[Template, str]] = {
    **OPERATORS,
    ops.div: ("[0*] / [1^]", "*"),
    ops.pow: ("np.power([0], [1])", "!"),
    ops.greater: ("([0] > [1]) * 1.0", "*"),
    ops.equal: ("([0] == [1]) * 1.0", "*"),
    ops.asin: ("np.arcsin([0])", "!"),
    ops.acos: ("np.arccos([0])", "!"),
    ops.atan: ("np.arctan([0])", "!"),
    ops.atan2: ("np.arctan2([0], [1])", "!"),
    ops.asinh: ("np.arcsinh([0])", "!"),
    ops.acosh: ("np.arccosh([0])", "!"),
    ops.atanh: ("np.arctanh([0])", "!"),
    ops.prod: (each("[%d^]", " * "), "*"),
    ops.mean: (lambda n: " + ".join(f"[{i}*] / {n}" for i in range(n)), "+"),
    ops.hardtanh: ("clip([0], -1.0, 1.0)", "!"),
    ops.half_squared_error: ("0.5 * ([0+] - [1/])**2", "*"),
    ops.square: ("[0!]**2", "^"),
    ops.mod: ("np.mod([0], [1])", "!"),
    ops.floor_div: ("np.floor_divide([0], [1])", "!"),
    ops.log_or_limit: ("np.log([0])", "!"),
}

#: How a row is written whose operands are the rows of one array, or of two.
_OVER_ROWS: dict[Op, tuple[Template, str]] = {
    ops.sum: ("[0!].sum(axis=0, keepdims=True)", "!"),
    ops.mean: ("mean([0])", "!"),
    ops.prod: ("[0!].prod(axis=0, keepdims=True)", "!"),
    ops.minimum: ("[0!].min(axis=0, keepdims=True)", "!"),
    ops.maximum: ("[0!].max(axis=0, keepdims=True)", "!"),
    ops.logsumexp: ("logsumexp([0])", "!"),
    ops.hypot: ("np.hypot.reduce([0], axis=0, keepdims=True)", "!"),
    ops.dot: ("([0*] * [1^]).sum(axis=0, keepdims=True)", "!"),
    ops.half_squared_error: ("0.5 * (([0+] - [1/])**2).sum(axis=0, keepdims=True)", "*"),
}

_OVER_BATCH: dict[str, tuple[Template, str]] = {
    "rows": ("[0!].sum(axis=1, keepdims=True)", "!"),
    "matrix": ("[0^] @ [1!].T", "*"),
    "pairs": ("([0*] * [1^]).sum(axis=1, keepdims=True)", "!"),
}

_COMPARISONS: dict[Op, str] = {ops.greater: ">", ops.equal: "=="}

_ONE_BY_ONE = frozenset({ops.minimum, ops.maximum, ops.hypot})


# ── Printing ──────────────────────────────────────────────────────────────────────────────────────────

#: More operands than this are not written one after the other: nested expressions have a limit.
_NESTED = 30


class Printer:
    """Prints the instructions of a block; what has no name and is used once stands where it is used.

    Attributes:
        lines: what there is to read.
        statements: the same, to be executed.
    """

    def __init__(
        self,
        instructions: Sequence[Instruction],
        results: Collection[Array],
        constants: Mapping[int, float],
        namespace: dict[str, Any],
    ) -> None:
        self.results, self.constants, self.namespace = results, constants, namespace
        self.is_book = True  # while it is read: what is executed is exact
        self.lines: list[Line] = []
        self.inner: dict[Array, tuple[Instruction, int, Written]] = {}
        self.comparisons = {
            i.out: i for i in instructions if isinstance(i, Elementwise) and i.op in _COMPARISONS
        }
        uses, sliced = _uses(operand for i in instructions for operand in _shown(i))
        for instruction in instructions:
            out = instruction.out
            written = self.write(instruction)
            nodes = sum(n >= 0 for n in out.members)
            if isinstance(instruction, Elementwise):
                nodes *= size_in_the_book(instruction.op)
            nodes += sum(self.inner[a][1] for a in arrays_in(_shown(instruction)) if a in self.inner)
            short = len(written[0]) < LINE
            if short and not out.named and uses[out] == 1 and out not in sliced and out not in results:
                self.inner[out] = instruction, nodes, written
            else:
                self.lines.append(Line(out.name, written[0], out.shape, nodes))
        self.is_book = False
        # The code that is executed also reads the operands that the book leaves out.
        uses, sliced = _uses(operand for i in instructions for operand in i.operands)
        self.inner = {a: line for a, line in self.inner.items() if uses[a] == 1 and a not in sliced}
        self.statements = self.execute(instructions)

    def execute(self, instructions: Sequence[Instruction]) -> list[str]:
        """The statements."""
        for array, (instruction, nodes, _) in self.inner.items():  # not as it is read, but exact
            self.inner[array] = instruction, nodes, self.write(instruction)
        return [
            self.statement(instruction) for instruction in instructions if instruction.out not in self.inner
        ]

    def statement(self, instruction: Instruction) -> str:
        out, (text, _) = instruction.out, self.write(instruction)
        if not isinstance(instruction, OverBatch):
            return f"{out.name} = {text}"
        if instruction.kind == "rows" and out.rows > 1:  # the fastest way to add up rows
            text = fill("[0^] @ ones", [self.operand(instruction.operands[0])])
        return f"{out.name} += {text}"

    def write(self, instruction: Instruction) -> Written:
        if isinstance(instruction, MatrixProduct):
            terms = [self.product(*term) for term in instruction.terms]
            terms += [self.operand(instruction.bias)] if instruction.bias else []
            return (fill(each("[%d+]", " + "), terms), "+") if len(terms) > 1 else terms[0]
        if isinstance(instruction, Elementwise):
            return self.elementwise(instruction.op, self.written(instruction))
        operands = [self.operand(operand) for operand in instruction.operands]
        if isinstance(instruction, OverBatch):
            template, binding = _OVER_BATCH[instruction.kind]
            return fill(template, operands), binding
        template, binding = self.over_rows(instruction.op)
        written = fill(template, operands[:2]), binding
        return (fill("[0+] + [1+]", [written, operands[2]]), "+") if len(operands) > 2 else written

    def written(self, instruction: Elementwise) -> list[Written]:
        """The operands: of a product in another order, and of a comparison maybe its truth, not 1 or 0."""
        operands = instruction.operands
        written = [*map(self.operand, operands)]
        if instruction.op is ops.mul:
            # What has a name comes first, as in h(1 − h).
            by_length = sorted(zip(operands, written), key=lambda pair: len(pair[1][0]))
            operands, written = tuple(a for a, _ in by_length), [b for _, b in by_length]
            masks = [self.comparison(o) if self._is_inner(o) else None for o in operands]
            if sum(mask is not None for mask in masks) == 1:
                written = sorted(
                    (mask or text for mask, text in zip(masks, written)), key=lambda w: w in masks
                )
        if instruction.op is ops.where and self._is_inner(operands[0]):
            written = [self.comparison(operands[0]) or written[0], *written[1:]]
        return written

    def elementwise(self, op: Op, written: list[Written]) -> Written:
        if op is ops.hypot and len(written) == 1:
            op = ops.abs
        if len(written) > (3 if op is ops.half_squared_error else _NESTED):
            half = len(written) // 2
            if op not in PAIRED:
                return self.stacked(op, [written])
            whole = self.stacked(op, [written[:half], written[half : 2 * half]])
            return (fill("[0+] + [1+]", [whole, written[-1]]), "+") if len(written) % 2 else whole
        if op in _ONE_BY_ONE:
            if len(written) == 1:
                return written[0]
            text = reduce(lambda a, b: f"np.{op.name}({a}, {b})", [text for text, _ in written])
            return text, "!"
        if op.book and self.is_book:
            template, binding = IN_THE_BOOK[op]
            return fill(template, written), binding
        if op in _TEMPLATES:
            template, binding = _TEMPLATES[op]
            return fill(template, written), binding
        if op.name.startswith("power("):
            exponent = op.name[len("power(") : -1]
            return (
                (fill("[0!]**2", written), "^")
                if exponent == "2"
                else (f"np.power({written[0][0]}, {exponent})", "!")
            )
        if op.arity is None:
            return self.stacked(op, [written])
        if op.name not in self.namespace and not hasattr(self.namespace["np"], op.name):
            raise self.no_rule(op, "rows.py")
        call = op.name if op.name in self.namespace else f"np.{op.name}"
        return f"{call}({', '.join(text for text, _ in written)})", "!"

    def over_rows(self, op: Op) -> tuple[Template, str]:
        """How a row is written whose operands are the rows of an array."""
        if op not in _OVER_ROWS:
            raise self.no_rule(op, "arrays.py")
        return _OVER_ROWS[op]

    def no_rule(self, op: Op, file: str) -> NoRuleError:
        """The error for a row that nothing here and no function of numpy's is for."""
        return NoRuleError(self.namespace["np"].__name__.partition(".")[0], op.name, file)

    def stacked(self, op: Op, lists: Sequence[Sequence[Written]]) -> Written:
        """Of several arrays, along a new first axis."""
        template, binding = self.over_rows(op)
        stacks = [(f"stack({', '.join(text for text, _ in texts)})", "!") for texts in lists]
        return fill("[0!]", [(fill(template, stacks), binding)]) + "[0]", "!"

    def comparison(self, operand: Operand) -> Written | None:
        """A comparison as it is, which is all that a choice needs, and a product: S * (Z > 0.0)."""
        array = whole_of(operand)
        if array not in self.comparisons:
            return None
        comparison = self.comparisons[array]
        sides = [self.operand(side) for side in comparison.operands]
        return fill(f"([0] {_COMPARISONS[comparison.op]} [1])", sides), "!"

    def _is_inner(self, operand: Operand) -> bool:
        return whole_of(operand) in self.inner

    def product(self, weights: Loaded, x: View) -> Written:
        inner = weights.array.rows if weights.transposed else weights.array.columns
        template = "[0^] * [1^]" if inner == 1 else "[0^] @ [1^]"
        return fill(template, [self.operand(weights), self.operand(x)]), "*"

    def operand(self, operand: Operand) -> Written:
        if isinstance(operand, View):
            parts = [self.part(*part) for part in operand.parts]
            return parts[0] if len(parts) == 1 else (f"rows({', '.join(text for text, _ in parts)})", "!")
        array = operand.array
        if self.is_literal(operand):
            number = self.constants[array.members[0]]
            text = (
                repr(number)
                if math.isfinite(number)
                else f"{number}".replace("nan", "np.nan").replace("inf", "np.inf")
            )
            return text, "+" if text.startswith("-") else "!"
        return array.name + ".T" * operand.transposed, "!"

    def is_literal(self, operand: Operand) -> bool:
        """Whether it is a number that stands in the code."""
        return isinstance(operand, Loaded) and _is_literal(operand.array, self.constants)

    def part(self, array: Array, rows: Sequence[int]) -> Written:
        if _is_literal(array, self.constants):  # among rows, a number is a row
            return f"np.array([[{self.operand(Loaded(array))[0]}]])", "!"
        if _is_whole(array, rows):
            return self.inner[array][2] if array in self.inner else (array.name, "!")
        if isinstance(rows, range):
            step = f":{rows.step}" if rows.step != 1 else ""
            return f"{array.name}[{rows.start}:{rows.stop}{step}]", "!"
        name = f"rows_{len(self.namespace) + 1}"
        self.namespace[name] = np.array(rows)
        return f"{array.name}[{name}]", "!"


def _uses(operands: Iterable[Operand]) -> tuple[Counter[Array], set[Array]]:
    """How often each array is read, and the arrays of which some rows are read alone."""
    views = [operand for operand in operands if isinstance(operand, View)]
    uses = Counter(array for view in views for array, _ in view.parts)
    return uses, {array for view in views for array, rows in view.parts if not _is_whole(array, rows)}


def _shown(instruction: Instruction) -> Sequence[Operand]:
    """The operands that stand in the code: of a row that is written as in the book, the last."""
    is_book = isinstance(instruction, Elementwise) and instruction.op.book
    return instruction.operands[-1:] if is_book else instruction.operands


def whole_of(operand: Operand) -> Array | None:
    """The array of which it is all rows; None if it is none."""
    [(array, rows), *more] = operand.parts if isinstance(operand, View) else [(operand.array, ())]
    return array if not more and _is_whole(array, rows) else None


def _is_whole(array: Array, rows: Sequence[int]) -> bool:
    return rows == range(array.rows)


def _is_literal(array: Array, constants: Container[int]) -> bool:
    return array.shape == (1, 1) and array.members[0] in constants


# ── Programs ───────────────────────────────────────────────────────────────────────────────────────────

#: So many lines are compiled at once: Python takes a kilobyte and more for a line, until it has its code.
_CHUNK = 1000


@dataclass(frozen=True)
class Part:
    """The code of a phase; in a loop, its body is repeated for every block of the batch."""

    loaded: list[tuple[Array, Any]]  # known numbers that it needs, with their places
    results: Sequence[Array]  # known numbers that it leaves
    body: list[str]
    statements: list[str]  # the body, as it is executed
    head: list[str] = field(default_factory=list)
    loop: str = ""
    tail: list[str] = field(default_factory=list)

    @property
    def source(self) -> str:
        body = [self.loop, *(f"    {line}" for line in self.body)] if self.loop else self.body
        return "".join(f"{line}\n" for line in (*self.head, *body, *self.tail))

    @cached_property
    def code(self) -> tuple[list[CodeType], list[CodeType], list[CodeType]]:
        return compiled(self.head), compiled(self.statements), compiled(self.tail)


def compiled(lines: Sequence[str]) -> list[CodeType]:
    """Statements in chunks, for `execute`."""
    chunks = ("\n".join(lines[i : i + _CHUNK]) for i in range(0, len(lines), _CHUNK))
    return [compile(chunk, "<microgradlike.compile>", "exec") for chunk in chunks]


class ArrayProgram:
    """The code of a graph for arrays.

    Args:
        scalars: the lowered graph.
        roots: the numbers that are wanted: the loss, and maybe the gradients.
        outputs: what is wanted of each example.
        namespace: what the code calls: np, and the functions of `microgradlike.compile.rows`.

    Attributes:
        parts: the code of the phases.
        source: the same, to read.
        lines: the instructions, for a table.
        legend: what the arrays hold that the code does not make itself, and which rows it gathers.
        wanted: the places of the roots in the vector of known numbers.
        columns: of the batch, for each input array.
    """

    printer = Printer
    loop: Printer  # of what is done for every block

    def __init__(
        self,
        scalars: Scalars,
        roots: Sequence[int],
        outputs: Sequence[int],
        namespace: dict[str, Any],
    ) -> None:
        s = self.schedule = schedule(scalars, roots, outputs)
        self.namespace = namespace
        self.lines: list[Line] = []
        later = {n for block in (s.each, s.after) for array in block.loaded for n in array.members}
        later.update(roots)
        parts = self._alone(s.before, later), self._over_batch(), self._alone(s.after, later)
        self.parts = [part for part in parts if part]
        self.source = "\n".join(part.source for part in self.parts)
        self.legend = self._legend()
        self.wanted = np.array([s.place[n] for n in roots])
        self.columns = [as_slice(columns) for _, columns in s.inputs]

    def _legend(self) -> dict[str, list[str]]:
        s, scalars = self.schedule, self.schedule.scalars
        made = [i.out for i in (*s.before.instructions, *s.sums, *s.after.instructions)]
        known = {n: f"of {array.name}" for array in made for n in array.members}
        known |= {n: f"{number:g}" for n, number in scalars.constants.items()}
        known |= {n: f"parameter {i}" for i, n in enumerate(scalars.parameters)}
        known |= {n: f"column {i}" for i, n in enumerate(scalars.inputs)} | scalars.names
        loaded = [a for part in self.parts for a, _ in part.loaded]
        legend = {
            array.name: [*dict.fromkeys(known[n] for n in array.members)]
            for array in (*(array for array, _ in s.inputs), *loaded)
            if array not in made
        }
        gathered = {name: rows for name, rows in self.namespace.items() if name.startswith("rows_")}
        legend |= {name: [*map(str, rows)] for name, rows in gathered.items()}
        return {name: members for name, members in legend.items() if members != [f"of {name}"]}

    def _alone(self, block: Block, later: Collection[int]) -> Part | None:
        """The code of what does not vary, of which something is needed later."""
        results = [i.out for i in block.instructions if any(n in later for n in i.out.members)]
        if not results:
            return None
        printer = self._print(block.instructions, results)
        body = [f"{line.name} = {line.expression}" for line in printer.lines]
        return Part(self._loads(block), results, body, printer.statements)

    def _over_batch(self) -> Part | None:
        s = self.schedule
        sums = [total.out for total in s.sums]
        if not sums and not s.outputs:
            return None
        kept = {*sums, *(array for array, _ in (s.outputs.parts if s.outputs else ()))}
        printer = self.loop = self._print(s.loop, kept)
        added = {array.name for array in sums}
        returned = [f"outputs.append({printer.operand(s.outputs)[0]})"] if s.outputs else []
        body = [f"{line.name} {'+' * (line.name in added)}= {line.expression}" for line in printer.lines]
        body += returned
        inputs = ", ".join(array.name for array, _ in s.inputs) + "," * (len(s.inputs) == 1)
        return Part(
            self._loads(s.each),
            sums,
            body,
            [*printer.statements, *returned],
            head=[" = ".join([*(array.name for array in sums), "0.0"])] if sums else [],
            loop=f"for {inputs or '_'} in blocks:",
            tail=[f"{array.name} /= n" for array in sums],
        )

    def _print(self, instructions: Sequence[Instruction], results: Collection[Array]) -> Printer:
        printer = self.printer(instructions, results, self.schedule.scalars.constants, self.namespace)
        self.lines += printer.lines
        return printer

    def _loads(self, block: Block) -> list[tuple[Array, Any]]:
        s = self.schedule
        return [
            (array, np.array([s.place[n] for n in array.members]).reshape(array.rows, array.columns or 1))
            for array in block.loaded
            if not _is_literal(array, s.scalars.constants)
        ]


def execute(code: Sequence[CodeType], names: dict[str, Any]) -> None:
    """Execute the chunks of a part's code, with these names."""
    for chunk in code:
        exec(chunk, names)


def as_slice(columns: list[int]) -> slice | list[int]:
    """The same columns, as a slice if they are next to each other."""
    first, last = columns[0], columns[-1]
    return slice(first, last + 1) if columns == [*range(first, last + 1)] else columns
