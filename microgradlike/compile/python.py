"""The plain Python backend: straight-line code, one example at a time, with the standard library alone.

The code computes as fast as Python's floats do, and raises where they raise; then, and only then, the
same instructions run once more as IEEE 754 has them.
"""

import builtins
import copy
import keyword
import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from microgradlike import ops
from microgradlike.compile.batch import Lists
from microgradlike.compile.ieee import ieee
from microgradlike.compile.names import Names
from microgradlike.compile.scalars import AFTER, BEFORE, EACH, Line, Scalars, size_in_the_book
from microgradlike.compile.writing import IN_THE_BOOK, LINE, OPERATORS, Written
from microgradlike.notation import Template, fill
from microgradlike.ops import OPS, Op

#: A sum of more terms than this is `math.fsum`: nested expressions have a limit.
_TERMS = 8

#: What is faster so than as a call, and may raise.
_FAST: dict[Op, tuple[Template, str]] = {
    ops.div: ("[0*] / [1^]", "*"),
    ops.greater: ("float([0+] > [1+])", "!"),
    ops.equal: ("float([0+] == [1+])", "!"),
    ops.where: ("([1] if [0] else [2])", "!"),
    ops.sigmoid: ("1.0 / (1.0 + exp(-[0^]))", "*"),
    ops.half_squared_error: ("0.5 * ([0+] - [1/])**2", "*"),
    ops.square: ("[0^] * [0^]", "*"),
}

#: How a row is computed that is written as in the book: so, where the book's form has all digits.
_EXACT: dict[Op, tuple[Template, str]] = {
    ops.sigmoid_slope: (
        f"([1*] * (1.0 - [1/]) if [0+] < {ops.FAR_SIGMOID} else sigmoid_slope([0], [1]))",
        "!",
    ),
    ops.sigmoid_rest: (
        f"(1.0 - [1/] if [0+] < {ops.FAR_SIGMOID} else sigmoid_rest([0], [1]))",
        "!",
    ),
    ops.tanh_slope: (
        f"(1.0 - [1*] * [1^] if {-ops.FAR_TANH} < [0+] < {ops.FAR_TANH} else tanh_slope([0], [1]))",
        "!",
    ),
}


class Python:
    """A program in plain Python: `source` to read, `lines` for a table, `run` to compute.

    Args:
        scalars: the lowered graph.
        roots: the numbers that are wanted: the loss, and maybe the gradients.
        outputs: what is wanted of each example.
    """

    reads = Lists

    def __init__(self, scalars: Scalars, roots: Sequence[int], outputs: Sequence[int]) -> None:
        self.scalars, self.roots, self.outputs = scalars, roots, outputs
        self.needed = scalars.needed([*roots, *outputs])
        self.names = names_of(scalars, self.needed)
        self.lines: list[Line] = []
        code = self._print(safe=False)
        self._fast = self._compiled(code, safe=False)
        has_book = any(op.book for op in map(scalars.operations.__getitem__, self.needed) if op)
        self.source = self._print(safe=False, book=True) if has_book else code

    def run(
        self, rows: Sequence[Sequence[float]], parameters: Sequence[float]
    ) -> tuple[list[float], list[list[float]]]:
        """The wanted numbers; and the outputs, a list for each example."""
        try:
            result: tuple[list[float], list[list[float]]] = self._fast(rows, *parameters)
        except (ArithmeticError, ValueError):
            result = self._safe(rows, *parameters)
        return result

    @cached_property
    def _safe(self) -> Any:
        twin = copy.copy(self)  # to print changes what it prints from
        return twin._compiled(twin._print(safe=True), safe=True)

    def _compiled(self, source: str, *, safe: bool) -> Any:
        namespace: dict[str, Any] = {}
        for name, op in self._functions.items():
            namespace[name] = ieee(op) if safe else op.forward
        exec(compile(source, "<microgradlike.compile>", "exec"), namespace)
        return namespace.pop("program")  # which would be in a cycle there

    # ── Printing ──────────────────────────────────────────────────────────────────────────────────────

    def _print(self, *, safe: bool, book: bool = False) -> str:
        s, needed = self.scalars, self.needed
        self._is_book = book
        self.lines = []
        self._functions: dict[str, Op] = {"exp": ops.exp}
        self._inner: dict[int, tuple[Written, int]] = {}
        self._uses = Counter(operand for n in needed for operand in s.means.get(n, self._shown(n)))
        self._uses.update([*self.roots, *self.roots, *self.outputs, *self.outputs])
        before = self._statements([n for n in needed if s.phases[n] == BEFORE], safe=safe)
        body = self._statements([n for n in needed if s.phases[n] == EACH], safe=safe)
        sums = [n for n in needed if n in s.means]
        for n in sums:
            written, nodes = self._total(n)
            self.lines.append(Line(self.names[n], written, (1, 1), nodes))
            body.append(f"{self.names[n]} += {written}")
        if self.outputs:
            body.append(f"outputs.append([{', '.join(self._operand(n)[0] for n in self.outputs)}])")
        after = self._statements(
            [n for n in needed if s.phases[n] == AFTER and n not in s.means], safe=safe
        )
        results = ", ".join(self._operand(n)[0] for n in self.roots)
        inputs = ", ".join(self.names[n] for n in s.inputs)
        lines = [*before, "outputs = []"] if self.outputs else before
        lines += [" = ".join([*(self.names[n] for n in sums), "0.0"])] if sums else []
        lines += (
            [f"for {inputs or '_'}{',' * (len(s.inputs) == 1)} in rows:", *(f"    {x}" for x in body)]
            if body
            else []
        )
        lines += ["n = len(rows)"] if sums else []
        lines += [f"{self.names[n]} /= n" for n in sums]
        lines += [*after, f"return [{results}], {'outputs' if self.outputs else '[]'}"]
        head = ", ".join(["rows", *(self.names[n] for n in s.parameters)])
        return "\n    ".join([f"def program({head}):", *lines]) + "\n"

    def _statements(self, numbers: Sequence[int], *, safe: bool) -> list[str]:
        """What has no name and is used once stands where it is used."""
        lines = []
        for n in numbers:
            op = self.scalars.operations[n]
            if not op:
                continue
            operands = self.scalars.operands[n]
            written = self._written(op, [self._operand(a) for a in operands], safe=safe)
            nodes = size_in_the_book(op) + sum(
                self._inner[a][1] for a in self._shown(n) if a in self._inner
            )
            unnamed = n not in self.scalars.names and n not in self.scalars.adjoints
            if unnamed and self._uses[n] == 1 and len(written[0]) < LINE:
                self._inner[n] = written, nodes
            else:
                columns = None if self.scalars.phases[n] == EACH else 1
                self.lines.append(Line(self.names[n], written[0], (1, columns), nodes))
                lines.append(f"{self.names[n]} = {written[0]}")
        return lines

    def _shown(self, n: int) -> Sequence[int]:
        """The operands that stand in the code: of a row that is written as in the book, the last."""
        op, operands = self.scalars.operations[n], self.scalars.operands[n]
        return operands[-1:] if self._is_book and op and op.book else operands

    def _written(self, op: Op, operands: list[Written], *, safe: bool) -> Written:
        if op in {ops.sum, ops.dot} and len(operands) > _TERMS:
            half = len(operands) // 2
            terms = [text for text, _ in operands]
            if op is ops.dot:
                products = [fill("[0*] * [1^]", pair) for pair in zip(operands[:half], operands[half:])]
                terms = products + terms[2 * half :]
            self._functions["sum_of"] = ops.sum
            return f"sum_of({', '.join(terms)})", "!"
        if op.book and (self._is_book or op in _EXACT) and not safe:
            if not self._is_book:
                self._functions[op.name] = op
            template, binding = IN_THE_BOOK[op] if self._is_book else _EXACT[op]
            return fill(template, operands), binding
        known = OPERATORS if safe else {**OPERATORS, **_FAST}
        if op in known and (op is not ops.half_squared_error or len(operands) == 2):
            template, binding = known[op]
            return fill(template, operands), binding
        names = all(text.isidentifier() for text, _ in operands)
        if not safe and op is ops.power(2.0) and names:
            return fill("[0] * [0]", operands), "*"
        if not safe and op is ops.relu and names:
            return fill("(0.0 if [0] <= 0.0 else [0])", operands), "!"
        function = _function(op)
        self._functions[function] = op
        return f"{function}({', '.join(text for text, _ in operands)})", "!"

    def _total(self, n: int) -> tuple[str, int]:
        factors = self.scalars.means[n]
        nodes = 1 + sum(self._inner[a][1] for a in factors if a in self._inner)
        if len(factors) == 1:
            return self._operand(factors[0])[0], nodes
        return fill("[0*] * [1^]", [self._operand(a) for a in factors]), nodes

    def _operand(self, n: int) -> Written:
        if n in self.scalars.constants:
            number = self.scalars.constants[n]
            text = repr(number) if math.isfinite(number) else f"float('{number}')"
            return text, "+" if text.startswith("-") else "!"
        return self._inner[n][0] if n in self._inner else (self.names[n], "!")


#: What the code calls by itself.
_TAKEN = ("rows", "outputs", "program", "n", "sum_of")


def _function(op: Op) -> str:
    """What a row is called in the code; a constant power, power_2."""
    return re.sub(r"\W", "_", op.name.replace("+", "")).rstrip("_")  # 1e+16 is not 1e-16


def names_of(scalars: Scalars, needed: Sequence[int]) -> dict[int, str]:
    """An identifier for each instruction, after the names of the graph; dz1 is the gradient by z1."""
    functions = {_function(op) for op in map(scalars.operations.__getitem__, needed) if op}
    known = Names([*keyword.kwlist, *dir(builtins), *OPS, *functions, *_TAKEN])
    names: dict[int, str] = {}
    gradients = dict(zip(reversed(scalars.gradients), reversed(scalars.wrt)))
    for n in (*scalars.inputs, *scalars.parameters, *(n for n in needed if n in scalars.names)):
        if n not in names:
            name = scalars.names.get(n)
            names[n] = known.new(name) if name else known.numbered("v")
    for n in needed:
        if n not in names and n not in scalars.constants:
            of = gradients.get(n, scalars.adjoints.get(n, -1))
            if n == scalars.loss or of in names:
                names[n] = known.new("loss" if n == scalars.loss else f"d{names[of]}")
            else:
                names[n] = known.numbered("v")
    return names
