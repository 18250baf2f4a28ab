"""Gradients of mean losses: Value by Value, or by compiled code where that gives the same."""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from typing import Any

from microgradlike import ops
from microgradlike.compile import Program
from microgradlike.compile import compile as compile_graph
from microgradlike.data import Table
from microgradlike.engine import Value, no_grad, topological_order
from microgradlike.formula import formula
from microgradlike.functions import sum as total
from microgradlike.optim import Optimizer
from microgradlike.training.agreement import DisagreementError, Traces, first_sentence
from microgradlike.training.objective import Objective

#: Of a model and a batch that are smaller than this, plain Python is the fastest: nodes times examples.
_SMALL = 2_000

#: The losses of so many examples share one graph; their gradients add up in the leaves.
_CHUNK = 256

#: Compiled and eager losses agree to this part of their size, or something else is computed.
_TOLERANCE = 1e-7

#: So many examples are compared at once, compiled and Value by Value.
_COMPARED = 64

#: More different targets than this are no classes.
_MANY_CLASSES = 20

#: Where each example alone is in order.
NO_SUM = "the sum over the examples is not finite"

_REFUSALS = (ArithmeticError, TypeError, ValueError)


class Eager:
    """Mean losses and their gradients, Value by Value.

    Args:
        objective: the loss of an example.
        optimizer: whose parameters get the gradients.
        leaves: all parameters of the model, also those that nobody moves.
        table: the examples, as the objective takes them.
        numbers: the number of each example in the user's data, for messages.
    """

    backend = "eager"

    def __init__(
        self,
        objective: Objective,
        optimizer: Optimizer,
        leaves: Sequence[Value],
        table: Table,
        numbers: Sequence[int],
    ) -> None:
        self.objective, self.parameters, self.leaves = objective, optimizer.parameters, leaves
        self.rows, self.targets = table
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.rows)

    def _losses(self, indices: Sequence[int]) -> tuple[list[Value], list[float]]:
        """The losses of some examples: as they are minimised, and as they are reported."""
        minimised, reported = [], []
        for i in indices:
            result = self.objective.function(self.rows[i], self.targets[i])
            if isinstance(result, tuple):
                minimised.append(result[0])
                reported.append(result[1].data)
            else:
                minimised.append(result)
        return minimised, reported

    def loss(self, indices: Sequence[int] | None = None) -> float:
        """The mean loss of some examples, or of all, as it is reported."""
        indices = range(len(self)) if indices is None else indices
        # A model of the user's own may differentiate inside, for which it has to record.
        with no_grad() if self.objective.is_ours else nullcontext():
            minimised, reported = self._losses(indices)
            if reported:
                return math.fsum(reported) / len(indices)
            return self.objective.scale * (math.fsum(loss.data for loss in minimised) / len(indices))

    def gradient(self, indices: Sequence[int] | None) -> float:
        """The mean loss of some examples, or of all, as reported; the parameters get the gradient."""
        indices = range(len(self)) if indices is None else indices
        for leaf in self.leaves:
            leaf.grad = 0.0
        mean, reports = 0.0, []
        for start in range(0, len(indices), _CHUNK):
            minimised, reported = self._losses(indices[start : start + _CHUNK])
            share = total(minimised) / len(indices)
            share.backward()
            mean += share.data
            reports += reported
        return math.fsum(reports) / len(indices) if reports else self.objective.scale * mean

    def blame(self, indices: Sequence[int]) -> tuple[str, Exception | None]:
        """The first example that goes wrong, and in it the first value; and the error, if there was one."""
        for i in indices:
            where = f"example {self.numbers[i]}"
            try:
                [loss], _ = self._losses([i])
                bad = next((v for v in topological_order(loss) if not math.isfinite(v.data)), None)
                if bad is not None:
                    return f"{where}: {_written(bad)}", None
                self.gradient([i])
            except _REFUSALS as error:
                return f"{where}: {error}", error
            for parameter in self.parameters:
                if not math.isfinite(parameter.grad):
                    return f"{where}: ∂L/∂{parameter.name or 'a parameter'} is {parameter.grad}", None
        return NO_SUM, None


def _written(value: Value) -> str:
    """A value that is not finite, with its operation and its operands."""
    name = f"{value.name} = " if value.name else ""
    if not value.op:
        return f"{value.name or 'a number'} is {value.data}"
    operands = ", ".join(f"{p.name} = {p.data!r}" for p in dict.fromkeys(value.parents) if p.name)
    return f"{name}{formula(value)} is {value.data}" + (f" at {operands}" if operands else "")


class Compiled:
    """The same by compiled code."""

    def __init__(self, program: Program, objective: Objective, optimizer: Optimizer, table: Table) -> None:
        self.program, self.objective, self.parameters = program, objective, optimizer.parameters
        self.backend = program.backend
        rows: Any
        if self.backend == "python":
            rows = [[*x, *(t if isinstance(t, list) else [t])] for x, t in zip(*table)]
        else:
            import numpy as np

            rows = np.column_stack([np.array(column, np.float64) for column in table])
        self.batch = program.prepare(rows)

    def _reported(self, loss: float, outputs: Any) -> float:
        """The mean loss as it is reported: as an output of each example, or by its scale.

        It is nan where an operation is not finite on the way, of which the user's code may know.
        """
        if outputs is not None and not all(math.isfinite(sum(row)) for row in outputs):
            return math.nan
        if outputs is None or not self.objective.reports:
            return loss * self.objective.scale
        return math.fsum(float(row[0]) for row in outputs) / len(outputs)

    def loss(self, indices: Sequence[int] | None = None) -> float:
        result = self.program.value(self._batch(indices))
        loss, outputs = result if isinstance(result, tuple) else (result, None)
        return self._reported(float(loss), outputs)

    def gradient(self, indices: Sequence[int] | None) -> float:
        loss, gradients, *outputs = self.program(self._batch(indices))
        for parameter, gradient in zip(self.parameters, [*map(float, gradients)]):
            parameter.grad = gradient
        return self._reported(float(loss), outputs[0] if outputs else None)

    def _batch(self, indices: Sequence[int] | None) -> Any:
        if indices is None:
            return self.batch
        rows = self.batch.rows
        return [rows[i] for i in indices] if self.backend == "python" else rows[list(indices)]


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with one more output: nan where an operation raises an error in the engine.

    The engine raises for exp(1000) or log(0), and the user's code may catch that. Compiled code has
    infinity or nan there, which a later operation may turn into a number again.
    """

    def guarded(x: Any, t: Any) -> Any:
        result = function(x, t)
        loss, *reported = result if isinstance(result, tuple) else (result,)
        risky = [v * 0.0 for v in topological_order(loss) if v.op and v.op not in _NEVER_RAISE]
        if risky:
            reported.append(total(risky))
        return (loss, reported) if reported else loss

    return guarded


#: Operations that give a number, or infinity, for all numbers.
_NEVER_RAISE = {
    *(ops.add, ops.sub, ops.mul, ops.neg, ops.abs, ops.sum, ops.mean, ops.dot, ops.square, ops.atan),
    *(ops.maximum, ops.minimum, ops.where, ops.greater, ops.equal, ops.sign, ops.clip, ops.erf, ops.erfc),
    *(ops.sigmoid, ops.tanh, ops.relu, ops.leaky_relu, ops.elu, ops.selu, ops.softplus, ops.silu, ops.gelu),
    *(ops.softsign, ops.hardtanh, ops.asinh, ops.cbrt, ops.half_squared_error, ops.cross_entropy),
    ops.binary_cross_entropy_with_logits,
}


class Computation:
    """The way in which losses and gradients are computed, and whether it is still right.

    Args:
        eager: for the examples to train on, and for those to validate with if there are any.
        tables: their examples.
        how: "auto", False, or the name of a backend; True insists on any backend.
        batch_size: examples to an update.
        before: what computed the training that goes on, which "auto" chooses again.

    Attributes:
        backend: what computes: the name of a backend, or "eager".
        reason: why it is eager, where it was to be compiled.
    """

    def __init__(
        self,
        eager: Sequence[Eager],
        tables: Sequence[Table],
        optimizer: Optimizer,
        how: str | bool,
        batch_size: int,
        before: str | None = None,
    ) -> None:
        self.eager = eager
        self.computed: Sequence[Eager | Compiled] = eager
        self.insists, self.reason = how not in {"auto", False}, ""
        self.traces: Traces | None = None
        if how is False or (how == "auto" and before == "eager"):
            return
        leaves = eager[0].leaves
        gradients = [leaf.grad for leaf in leaves]
        try:
            self._compile(tables, optimizer, "auto" if how is True else str(how), batch_size, before)
        except DisagreementError as error:
            if self.insists:
                raise RuntimeError(
                    f"the compiled code gives something else than the model itself: {error}. "
                    "Write compile=False"
                ) from None
            self.reason = str(error)
        except Exception as error:
            if self.insists:
                raise
            self.reason = first_sentence(error)
        finally:
            for leaf, gradient in zip(leaves, gradients):
                leaf.grad = gradient

    @property
    def backend(self) -> str:
        return self.computed[0].backend

    def _compile(
        self,
        tables: Sequence[Table],
        optimizer: Optimizer,
        backend: str,
        batch: int,
        before: str | None,
    ) -> None:
        objective, table = self.eager[0].objective, tables[0]
        example = [table.rows[0], table.targets[0]]
        own_code = not objective.is_ours  # with which compiled code is compared
        traces = Traces(objective.function, example, objective.code if own_code else ())
        with traces.unchanged():
            self._size = _size(self.eager[0])
            if backend == "auto" and before:
                backend = before
            elif not self.insists and traces.size * batch < _SMALL:
                backend = "python"
            function = _guarded(objective.function) if own_code else objective.function
            program = compile_graph(function, example, optimizer.parameters, backend=backend)
            compiled = [Compiled(program, objective, optimizer, table) for table in tables]
            if own_code:
                for ours, theirs in zip(compiled, self.eager):
                    _compare(ours, theirs, self._size)
        self.computed, self.traces = compiled, traces
        self._optimizer, self._moved = optimizer, [*optimizer.parameters]

    def check(self, epoch: int) -> None:
        """Trace one example again, and compare its loss: another one in each epoch.

        Raises:
            DisagreementError: the user's code computes something else now.
        """
        if self.traces:
            if self._optimizer.parameters != self._moved:
                raise DisagreementError("the optimizer moves other parameters now")
            with self.traces.unchanged():
                self._check(self.traces, epoch % len(self.eager[0]))

    def _check(self, traces: Traces, i: int) -> None:
        eager = self.eager[0]
        traces.check([eager.rows[i], eager.targets[i]])
        try:
            loss = eager.loss([i])
        except _REFUSALS:
            return  # the training will meet it, and say where
        if math.isfinite(loss) and not _close(self.computed[0].loss([i]), loss, self._size):
            raise DisagreementError(
                f"it gives another loss for example {eager.numbers[i]} than compiled code"
            )

    def go_eager(self, reason: str) -> None:
        """Compute Value by Value from now on."""
        self.computed, self.traces, self.reason = self.eager, None, reason


def _compare(compiled: Compiled, eager: Eager, size: float) -> None:
    """Compare the losses of all examples, and the gradients of a few, of each class one.

    Raises:
        DisagreementError: they differ.
        ArithmeticError, TypeError, ValueError: the user's code refuses an example.
    """
    n = len(eager)
    for start in range(0, n, _COMPARED):
        some = range(start, min(start + _COMPARED, n))
        try:
            expected = eager.loss(some)
        except _REFUSALS:
            problem, cause = eager.blame(some)
            if cause is None:
                raise
            raise type(cause)(problem) from None
        if math.isfinite(expected) and not _close(compiled.loss(some), expected, size):
            raise DisagreementError("its losses are others for examples that it was not compiled with")
    firsts = {repr(t): i for i, t in reversed([*enumerate(eager.targets)])}
    several = [*firsts.values()] if len(firsts) <= _MANY_CLASSES else range(0, n, -(-n // _MANY_CLASSES))
    for i in sorted({0, n // 2, n - 1, *several}):
        expected_numbers = [eager.gradient([i]), *(p.grad for p in eager.parameters)]
        if not all(map(math.isfinite, expected_numbers)):
            continue
        numbers = [compiled.gradient([i]), *(p.grad for p in eager.parameters)]
        scale = max(map(abs, expected_numbers))
        if not all(_close(a, b, scale) for a, b in zip(numbers, expected_numbers)):
            raise DisagreementError("its gradients are others than those of the compiled code")


def _size(eager: Eager) -> float:
    """The size of losses, which says how exact they can be: of some examples at the start."""
    losses = [0.0]
    for i in sorted({0, len(eager) // 2, len(eager) - 1}):
        with suppress(*_REFUSALS):  # the training will meet it, and say where
            losses.append(abs(eager.loss([i])))
    return max(filter(math.isfinite, losses))


def _close(a: float, b: float, size: float) -> bool:
    return abs(a - b) <= _TOLERANCE * max(size, abs(b))
