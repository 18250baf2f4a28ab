"""A recorded graph as a list of scalar instructions, of which the backends print code.

Common subexpressions occur once, constants are folded, sums of products are gathered into dot products.
Every instruction belongs to one of three phases: what depends on parameters alone is computed once
``BEFORE`` the batch, what depends on inputs for ``EACH`` example, and what is made of means over the batch
``AFTER`` it. No instruction knows any calculus: the gradient was a graph already.
"""

import functools
import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from microgradlike import ops
from microgradlike.compile.ieee import ieee
from microgradlike.engine import Constant, Value, topological_order
from microgradlike.ops import Op

BEFORE, EACH, AFTER = range(3)

#: Of these the mean over the batch is made from the means of the operands.
_LINEAR = frozenset({ops.add, ops.sub, ops.neg, ops.sum, ops.mean})

#: In any order of the operands the same.
COMMUTATIVE = frozenset({ops.add, ops.mul, ops.sum, ops.prod, ops.mean, ops.minimum, ops.maximum})
COMMUTATIVE |= {ops.logsumexp, ops.hypot}

#: Operands a₁, a₂, …, then b₁, b₂, …, which belong together in pairs.
PAIRED = frozenset({ops.dot, ops.half_squared_error})

#: What a sum of products is gathered from.
_GATHERED = frozenset({ops.add, ops.sum, ops.dot, ops.mul})


class NotNativeError(ValueError):
    """A graph is not made for native code; the message says why."""


class NoRuleError(ValueError):
    """A backend has no translation of a row of the op table."""

    def __init__(self, backend: str, row: str, file: str) -> None:
        super().__init__(
            f"the {backend} backend has no rule for {row}: add one to microgradlike/compile/{file}"
        )


@dataclass(frozen=True)
class Line:
    """A line of a source: what it makes, of which shape, and how many scalar operations that stands for.

    The number of columns is None where there is one for each example.
    """

    name: str
    expression: str
    shape: tuple[int, int | None]
    nodes: int


@dataclass(eq=False)
class Scalars:
    """Instructions, in an order in which they can be computed; each is known by its number in the lists.

    An instruction without an operation is a leaf: an input, a parameter, a constant, or the mean over
    the batch of an earlier instruction or of the product of two.
    """

    operations: list[Op | None] = field(default_factory=list)
    operands: list[tuple[int, ...]] = field(default_factory=list)
    phases: list[int] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    adjoints: dict[int, int] = field(default_factory=dict)  # of what this is the gradient
    constants: dict[int, float] = field(default_factory=dict)
    means: dict[int, tuple[int, ...]] = field(default_factory=dict)
    inputs: list[int] = field(default_factory=list)
    parameters: list[int] = field(default_factory=list)
    leaves: list[Value] = field(default_factory=list)  # the Values of the parameters
    wrt: list[int] = field(default_factory=list)
    loss: int = -1
    gradients: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    _known: dict[Any, int] = field(default_factory=dict)
    _uses: list[int] = field(default_factory=list)  # by other instructions for each example
    _mean: dict[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.operations)

    # ── Building ──────────────────────────────────────────────────────────────────────────────────────

    def _new(self, op: Op | None, operands: tuple[int, ...], phase: int) -> int:
        self.operations.append(op)
        self.operands.append(operands)
        self.phases.append(phase)
        self._uses.append(0)
        for operand in operands:
            self._uses[operand] += 1
        return len(self.operations) - 1

    def leaf(self, phase: int, name: str = "") -> int:
        number = self._new(None, (), phase)
        if name:
            self.names[number] = name
        return number

    def constant(self, number: float) -> int:
        key = (number, math.copysign(1.0, number)) if number == number else "nan"  # noqa: PLR0124
        if key not in self._known:
            self._known[key] = self._new(None, (), BEFORE)
            self.constants[self._known[key]] = number
        return self._known[key]

    def instruction(self, op: Op, operands: Sequence[int]) -> int:
        """The instruction that applies this operation, which may exist already."""
        if op is ops.mul:
            a, b = operands = sorted(operands, key=self._parameters_first)
            if self.constants.get(a) == 1.0:
                return b
        elif op in {ops.div, ops.quotient} and self.constants.get(operands[1]) == 1.0:
            return operands[0]
        elif op is ops.add:
            operands = sorted(operands, key=self._parameters_first)
        operands = tuple(operands)
        key = _key(op, operands)
        if key in self._known:
            return self._known[key]
        if all(operand in self.constants for operand in operands):
            number = self.constant(ieee(op)(*(self.constants[operand] for operand in operands)))
        else:
            number = self._new(op, operands, max(self.phases[operand] for operand in operands))
        self._known[key] = number
        return number

    def _parameters_first(self, number: int) -> tuple[int, int]:
        return self.phases[number] == EACH, number

    def sum_of(self, terms: Iterable[tuple[int, ...]]) -> int:
        """Σ of numbers (a,) and of products (a, b), in as few instructions as it takes.

        The products of a parameter and a varying number are one dot product, with what does not vary
        as its bias: of such a matrix product is made.
        """
        fixed: list[int] = []
        weighted: list[tuple[int, int]] = []
        products: list[tuple[int, int]] = []
        rest: list[int] = []
        for term in terms:
            varying = [self.phases[factor] == EACH for factor in term]
            if not any(varying):
                fixed.append(term[0] if len(term) == 1 else self.instruction(ops.mul, term))
            elif len(term) == 1:
                rest.append(term[0])
            elif all(varying):
                products.append((term[0], term[1]))
            else:
                weighted.append((term[0], term[1]) if varying[1] else (term[1], term[0]))
        parts = []
        fixed = [number for number in fixed if self.constants.get(number) != 0.0]
        if weighted:
            bias = [self._sum(fixed)] if fixed else []
            parts.append(self._dot(weighted, bias))
        elif fixed:
            parts.append(self._sum(fixed))
        if products:
            parts.append(self._dot(products, []))
        if parts and len(rest) > 1:
            known = self._known.get(_key(_sum_op(rest), tuple(rest)))  # as the forward part may have it
            rest = rest if known is None else [known]
        return self._sum(parts + rest) if parts or rest else self.constant(0.0)

    def _dot(self, products: list[tuple[int, int]], bias: list[int]) -> int:
        if len(products) == 1 and not bias:
            return self.instruction(ops.mul, products[0])
        return self.instruction(ops.dot, [a for a, _ in products] + [b for _, b in products] + bias)

    def _sum(self, terms: list[int]) -> int:
        return self.instruction(_sum_op(terms), terms) if len(terms) > 1 else terms[0]

    # ── Means over the batch ──────────────────────────────────────────────────────────────────────────

    def mean(self, number: int) -> int:
        """The mean over the batch, taken as far inside as it goes.

        The mean of a sum is the sum of the means, and a parameter is a factor of both; so what remains
        are means of single numbers and of products: G Xᵀ, the matrix of the gradients of weights. What
        another instruction needs is there for each example anyway, and stays whole.
        """
        opened: list[int] = []
        stack = [number]
        while stack:
            n = stack.pop()
            if n not in self._mean and self.phases[n] == EACH and not self._uses[n] and self._inside(n):
                self._mean[n] = -1
                opened.append(n)
                if not self._is_product(n):  # the factors of a product are needed as they are
                    for operand in self._inside(n):
                        self._uses[operand] -= 1
                    stack.extend(self._inside(n))
        for n in sorted(opened):
            self._mean[n] = self._mean_inside(n)
        return self._mean_as_it_is(number)

    def _inside(self, n: int) -> Sequence[int]:
        """The operands by which the mean of this instruction is made; none, if it has to stay whole."""
        op, operands = self.operations[n], self.operands[n]
        half = len(operands) // 2
        if op in _LINEAR:
            return operands
        if op in {ops.mul, ops.dot}:
            return operands[half : 2 * half]
        if op is ops.div and self.phases[operands[1]] != EACH:
            return operands[:1]
        return ()

    def _is_product(self, n: int) -> bool:
        return self.operations[n] in {ops.mul, ops.dot} and self.phases[self.operands[n][0]] == EACH

    def _mean_inside(self, n: int) -> int:
        op, operands = self.operations[n], self.operands[n]
        assert op
        if self._is_product(n):
            half = len(operands) // 2
            pairs = zip(operands[:half], operands[half:])
            return self._sum([self._mean_of((max(pair), min(pair))) for pair in pairs])
        return self.instruction(op, [self._mean_as_it_is(a) for a in operands])

    def _mean_as_it_is(self, n: int) -> int:
        if n in self._mean:
            return self._mean[n]
        return self._mean_of((n,)) if self.phases[n] == EACH else n

    def _mean_of(self, factors: tuple[int, ...]) -> int:
        key = ("mean", factors)
        if key not in self._known:
            self._known[key] = self.leaf(AFTER)
            self.means[self._known[key]] = factors
        return self._known[key]

    # ── Reading ───────────────────────────────────────────────────────────────────────────────────────

    def needed(self, roots: Iterable[int]) -> list[int]:
        """The instructions that these are made of, and these, in order; nothing dead."""
        seen = set(roots)
        stack = list(seen)
        while stack:
            number = stack.pop()
            for operand in self.means.get(number, self.operands[number]):
                if operand not in seen:
                    seen.add(operand)
                    stack.append(operand)
        return sorted(seen)

    def count(self, number: int) -> int:
        """How many scalar operations an instruction is: a dot product, as many as it has terms."""
        operands, op = self.operands[number], self.operations[number]
        if op is None:
            return 1 if number in self.means else 0
        if op.book:
            return size_in_the_book(op)
        return max(1, len(operands) // 2 if op is ops.dot else len(operands) - 1)


@functools.cache
def size_in_the_book(op: Op) -> int:
    """How many scalar operations a row is as it is written: 2 for y·(1 − y)."""
    return len(topological_order(op.book(Value(0.5)))) - 1 if op.book else 1


def lower(
    loss: Value,
    inputs: Sequence[Value],
    wrt: Sequence[Value],
    gradients: Sequence[Value],
    adjoints: Mapping[Value, Any],
    outputs: Sequence[Value],
) -> Scalars:
    """The scalar instructions of a loss, of its gradients by ``wrt``, and of outputs.

    Leaves that are no inputs are parameters, of which the number is read at every call.
    """
    scalars = Scalars()
    lowering = _Lowering(scalars)
    number = lowering.number
    for value in inputs:
        number[value] = scalars.leaf(EACH, value.name)
        scalars.inputs.append(number[value])
    order = topological_order(loss, *gradients, *outputs)
    for value in dict.fromkeys((*wrt, *(v for v in order if not v.op))):
        if value not in number and not value.op:
            number[value] = scalars.leaf(BEFORE, value.name)
            scalars.parameters.append(number[value])
            scalars.leaves.append(value)
    lowering.run(order, {loss, *gradients, *outputs})
    for value, adjoint in adjoints.items():
        if isinstance(adjoint, Value) and adjoint in number and value in number:
            scalars.adjoints.setdefault(number[adjoint], number[value])
    scalars.wrt = [number.get(value, -1) for value in wrt]
    scalars.outputs = [lowering.of(value) for value in outputs]
    scalars.loss = scalars.mean(lowering.of(loss))
    scalars.gradients = [scalars.mean(lowering.of(value)) for value in gradients]
    return scalars


class _Lowering:
    """From Values to the numbers of instructions."""

    def __init__(self, scalars: Scalars) -> None:
        self.scalars = scalars
        self.number: dict[Value, int] = {}
        self.gathered: set[Value] = set()

    def of(self, value: Value) -> int:
        return self.scalars.constant(value.data) if type(value) is Constant else self.number[value]

    def run(self, order: Sequence[Value], roots: Container[Value]) -> None:
        self.gathered |= _gathered(order, roots)
        for value in order:
            if value.op and value not in self.gathered:
                self.number[value] = self.lower(value, value.op)
                if value.name:
                    self.scalars.names.setdefault(self.number[value], value.name)

    def lower(self, value: Value, op: Op) -> int:
        if op in _GATHERED:
            return self.scalars.sum_of(self.terms(value))
        if op.composed:
            operands = {Value(parent.data): self.of(parent) for parent in value.parents}
            whole: Any = op.forward(*operands)
            self.number |= operands
            order = topological_order(whole)
            self.run(order, {*order})  # nothing is gathered: derivatives are made of the same numbers
            return self.number[whole]
        return self.scalars.instruction(op, [self.of(parent) for parent in value.parents])

    def terms(self, value: Value) -> Iterator[tuple[int, ...]]:
        """The terms of a sum, those of sums within it included: numbers, and products of two."""
        stack = [value]
        while stack:
            node = stack.pop()
            if node is not value and node not in self.gathered:
                yield (self.of(node),)
            elif node.op in {ops.add, ops.sum}:
                stack.extend(reversed(node.parents))
            else:  # a product, or a dot product, which may have a bias
                operands = [self.of(parent) for parent in node.parents]
                half = len(operands) // 2
                yield from zip(operands[:half], operands[half : 2 * half])
                yield from ((bias,) for bias in operands[2 * half :])


def _sum_op(terms: Sequence[int]) -> Op:
    return ops.add if len(terms) == 2 else ops.sum


def _key(op: Op, operands: tuple[int, ...]) -> Any:
    """The same for instructions that make the same, whatever order their operands are in."""
    if op in PAIRED:
        half = len(operands) // 2
        pairs = sorted(zip(operands[:half], operands[half : 2 * half]))
        return op, *pairs, *operands[2 * half :]
    return op, *(sorted(operands) if op in COMMUTATIVE else operands)


def _gathered(order: Sequence[Value], roots: Container[Value]) -> set[Value]:
    """Sums and products that are used once, by a sum, and have no name: they become terms of it."""
    uses: dict[Value, int] = {}
    for value in order:
        for parent in value.parents:
            uses[parent] = uses.get(parent, 0) + 1
    return {
        parent
        for value in order
        if value.op in {ops.add, ops.sum}
        for parent in value.parents
        if parent.op in _GATHERED and uses[parent] == 1 and not parent.name and parent not in roots
    }
