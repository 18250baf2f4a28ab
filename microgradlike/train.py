"""fit: training as people expect it: batches, stopping rules, checkpoints, a record of how it went."""

import dataclasses
import hashlib
import math
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, cached_property
from importlib import import_module
from operator import sub
from typing import Any

from microgradlike import checkpoint as checkpoints
from microgradlike import ops
from microgradlike.compile import Program
from microgradlike.compile import compile as compile_graph
from microgradlike.data import Table, as_table
from microgradlike.engine import Value, no_grad, real, topological_order
from microgradlike.formula import formula
from microgradlike.functions import sum as total
from microgradlike.history import History
from microgradlike.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    half_squared_error,
    hinge_loss,
    mse_loss,
    usual_loss,
)
from microgradlike.nn import MLP, Module
from microgradlike.optim import SGD, Optimizer
from microgradlike.scaling import Scaling
from microgradlike.stop import AnyOf, Rule

__all__ = ["History", "fit"]

#: Of a model and a batch that are smaller than this, plain Python is the fastest: nodes times examples.
_SMALL = 2_000

#: More different targets than this are no classes.
_MANY_CLASSES = 20

#: The losses of so many examples share one graph; their gradients add up in the leaves.
_CHUNK = 256

#: A loss that has grown so many times over (and is not just a little more than 0) will not come back.
_DIVERGED = 1e6

#: Where each example alone is in order.
_NO_SUM = "the sum over the examples is not finite"

Loss = Callable[[Any, Any], Value]


def fit(
    model: Module,
    data: Any,
    *,
    loss: Loss | None = None,
    optimizer: Optimizer | None = None,
    epochs: int = 100,
    batch_size: int | None = None,
    shuffle: bool = True,
    validation: Any = None,
    stop: Rule | Sequence[Rule] = (),
    schedule: Callable[[int], float] | None = None,
    callback: Callable[[History], Any] | None = None,
    progress: bool = True,
    compile: str | bool = "auto",  # noqa: A002
    seed: int = 0,
    standardize: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    every: int = 100,
    resume: bool = False,
) -> History:
    """Train a model: in each epoch one update for each batch, along the mean of its examples' gradients.

    Args:
        model: a `Module` that gives a prediction, one Value or several, for the inputs of an example.
        data: examples: a table of `microgradlike.data`; a pair (X, t) of lists, numpy arrays or pandas
            frames; or a list of pairs (x, t).
        loss: of a prediction and a target, for one example; by default ½(y − t)², or
            `cross_entropy` where the model has several outputs and the targets are classes.
        optimizer: what moves the parameters; only those it was given are trained. By default SGD, lr=0.1.
        epochs: how many passes over the examples, at most.
        batch_size: examples to an update; by default all of them.
        shuffle: whether smaller batches are of other examples in each epoch, in an order that depends on
            the seed and the epoch alone.
        validation: examples that are not trained on, in any form of ``data``; or the fraction of the data,
            such as 0.2, to hold out for that. Their loss is in the history, epoch by epoch.
        stop: a rule of `microgradlike.stop`, or several, of which one is enough.
        schedule: gives the learning rate of an epoch, counted from 0.
        callback: called with the history after each epoch; if it returns True, the training ends.
        progress: whether a terminal or a notebook shows a bar; nothing else ever does.
        compile: how gradients are computed. "auto" compiles where that gives what the model itself gives,
            else goes Value by Value; True or the name of a backend of `microgradlike.compile` insists on
            it; False never compiles. The results agree but for the last digits.
        seed: of the order of the examples, and of which are held out.
        standardize: train with inputs in standard units (mean 0, spread 1), and targets too if they are
            numbers, and rewrite the network for raw ones at the end, so that it takes what the data hold.
            The weights of a network that was not trained so before are those for standard units. For an
            `MLP`.
        checkpoint: a file that the whole state of the training is written to.
        every: so many epochs lie between two writings.
        resume: go on from that file if it is there: with the same bits as if nothing had happened.

    Ctrl-C ends the training, and keeps what was learned. A loss or a gradient that is not finite ends it
    too, and so does a loss that has grown a million times over; ``history.stopped`` then names the first
    value that went wrong, and its example. (An error in the first epoch is raised.) Wherever the last loss
    is more than twice the first, the parameters are those of the lowest loss.

    Returns:
        what happened, epoch by epoch, and why it ended.

    Raises:
        TypeError, ValueError: an argument is not what is said above; nothing has changed then.
        RuntimeError: ``compile`` insists, and the compiled code gives something else than the model.

    >>> import microgradlike as mg
    >>> network = mg.MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
    >>> history = mg.fit(network, mg.data.xor(), optimizer=mg.SGD(network.parameters(), lr=2.0),
    ...                  epochs=5000, stop=mg.stop.TargetLoss(0.001))
    >>> history.rule, round(history.losses[-1], 3), network.predict([[0, 1], [1, 1]])
    ('TargetLoss', 0.001, ['1', '0'])
    """
    if not isinstance(model, Module):
        raise TypeError(f"fit trains a model, such as MLP(2, [2, 1]), not {model!r:.60}")
    table, held_out = _tables(model, data, validation, seed)
    rules = _rules(stop, held_out)
    optimizer = optimizer if optimizer is not None else SGD(model.parameters(), lr=0.1)
    _check_optimizer(optimizer, model)
    for name, number in {"epochs": epochs, "every": every, "batch_size": batch_size}.items():
        if name == "batch_size" and number is None:
            continue
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise ValueError(f"{name} is a whole number from 1 on, not {number!r}")
    switches = {"shuffle": shuffle, "progress": progress, "standardize": standardize, "resume": resume}
    for name, switch in switches.items():
        if not isinstance(switch, bool):
            raise TypeError(f"{name} is True or False, not {switch!r:.60}")
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise TypeError(f"seed is a whole number, not {seed!r:.60}")
    for name, function in {"loss": loss, "schedule": schedule, "callback": callback}.items():
        if function is not None and not callable(function):
            raise TypeError(f"{name} is a function, not {function!r:.60}")
    if resume and checkpoint is None:
        raise ValueError('resume=True goes on from a checkpoint: name it, checkpoint="run.json"')
    if checkpoint is not None:
        checkpoints.check_place(checkpoint)
    scaling = _scaling(model, table, loss) if standardize else None
    training = _Training(model, optimizer, table, held_out, scaling, batch_size, shuffle, seed)
    with training.in_standard_units():
        training.choose(loss, compile)
        if checkpoint is not None and resume and os.path.exists(checkpoint):
            training.load(checkpoint)
        training.run(epochs, rules, schedule, callback, progress, checkpoint, every)
    model.features, model.threshold = table.features, training.threshold
    if table.classes:
        model.classes = table.classes
    return training.history


# ── Arguments ─────────────────────────────────────────────────────────────────────────────────────────


def _tables(model: Module, data: Any, validation: Any, seed: int) -> tuple[Table, Table | None]:
    table = as_table(data)
    if not table.rows or len(table.targets) != len(table.rows):
        raise ValueError(f"{table.source}: there are no targets to learn")
    for i, row in enumerate(table.rows):
        if not all(map(math.isfinite, row)):
            raise ValueError(f"{table.source}: row {i} has a number that is not finite: {row!r:.100}")
    if model.features and {*model.features} == {*table.features}:  # those that it was trained with
        table = table.arranged(model.features)
    if table.classes and model.classes and [*table.classes] != [*model.classes]:
        raise ValueError(
            f"{table.source}: the classes are {', '.join(table.classes):.100}; the model knows "
            f"{', '.join(model.classes):.100}, in this order: for a new start, write model.classes = []"
        )
    if validation is None:
        return table, None
    if isinstance(validation, int | float):
        if isinstance(validation, bool) or not 0 < validation < 1:
            raise ValueError(
                f"validation is a fraction between 0 and 1, or examples of their own, not {validation!r}"
            )
        return table.split(validation, seed)
    held_out = as_table(validation)
    if {*held_out.features} >= {*table.features}:
        held_out = held_out.arranged(table.features)
    if len(held_out.rows[0]) != len(table.rows[0]):
        raise ValueError(
            f"the validation examples have {len(held_out.rows[0])} inputs, the others {len(table.rows[0])}"
        )
    if held_out.classes != table.classes:
        raise ValueError(
            f"the validation examples are of the classes {held_out.classes}, the others of {table.classes}"
        )
    return table, held_out


def _rules(stop: Any, held_out: Table | None) -> AnyOf:
    rules = (stop,) if isinstance(stop, Rule) or not hasattr(stop, "__iter__") else tuple(stop)
    for rule in rules:
        if not isinstance(rule, Rule):
            raise TypeError(f"stop takes a rule such as TargetLoss(0.001), or several, not {rule!r:.60}")
        if rule.validates and held_out is None:
            raise ValueError(f"{rule!r} looks at validation losses: fit(…, validation=0.2) gives some")
    return AnyOf(rules)


def _check_optimizer(optimizer: Any, model: Module) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer is one like SGD(model.parameters(), lr=0.1), not {optimizer!r:.60}")
    own = set(model.parameters())
    if not own:
        raise ValueError(f"{model!r:.60} has no parameters to train")
    strangers = [p for p in optimizer.parameters if p not in own]
    if strangers:
        raise ValueError(
            f"the optimizer moves {strangers[0].name or 'a Value'}, which is no parameter of this model: "
            "make it with SGD(model.parameters(), lr=0.1)"
        )


def _scaling(model: Module, table: Table, loss: Loss | None) -> Scaling:
    if not isinstance(model, MLP) or type(model).__call__ is not MLP.__call__:
        raise TypeError(
            f"standardize=True rewrites the layers of an MLP; {type(model).__name__} is another model"
        )
    numbers = not table.classes and loss in (None, half_squared_error, mse_loss)
    one = model.sizes[-1] == 1 and not any(isinstance(t, list) for t in table.targets)
    if numbers and one and model.output_activation == "linear":
        return Scaling.of(table.rows, table.targets)
    return Scaling.of(table.rows)


def _threshold(loss: Loss, targets: Sequence[Any]) -> float | None:
    """From where on one output stands for class 1, if this loss and these targets say it."""
    if loss in (binary_cross_entropy_with_logits, hinge_loss):
        return 0.0
    different = {t for t in targets if not isinstance(t, list)}
    between = loss in (half_squared_error, mse_loss, binary_cross_entropy) and different == {0, 1}
    return 0.5 if between else None


# ── Gradients ─────────────────────────────────────────────────────────────────────────────────────────


class _Eager:
    """Mean losses and their gradients, Value by Value."""

    backend = "eager"

    def __init__(self, function: Loss, optimizer: Optimizer, model: Module, table: Table) -> None:
        self.function, self.parameters = function, optimizer.parameters
        self.leaves = model.parameters()  # also those that nobody moves
        self.rows, self.targets = table

    def __len__(self) -> int:
        return len(self.rows)

    def _losses(self, indices: Sequence[int]) -> list[Value]:
        return [self.function(self.rows[i], self.targets[i]) for i in indices]

    def loss(self) -> float:
        """The mean loss of all examples."""
        with no_grad():
            return math.fsum(loss.data for loss in self._losses(range(len(self)))) / len(self)

    def agrees(self, compiled: "_Compiled", i: int) -> bool:
        """Whether the compiled code still has the loss of an example."""
        try:
            with no_grad():
                [loss] = self._losses([i])
        except (ArithmeticError, ValueError):
            return True  # the training will meet it, and say where
        number = compiled.program.value(compiled.batch.rows[i : i + 1])
        return not math.isfinite(loss.data) or abs(number - loss.data) <= 1e-6 * max(1.0, abs(loss.data))

    def gradient(self, indices: Sequence[int] | None) -> float:
        """The mean loss of some examples, or of all; the parameters get its gradient."""
        indices = range(len(self)) if indices is None else indices
        for leaf in self.leaves:
            leaf.grad = 0.0
        mean = 0.0
        for start in range(0, len(indices), _CHUNK):
            share = total(self._losses(indices[start : start + _CHUNK])) / len(indices)
            share.backward()
            mean += share.data
        return mean

    def blame(self, indices: Sequence[int]) -> tuple[str, Exception | None]:
        """The first example that goes wrong, and in it the first value; and the error, if there was one."""
        for i in indices:
            try:
                [loss] = self._losses([i])
                bad = next((v for v in topological_order(loss) if not math.isfinite(v.data)), None)
                if bad is not None:
                    return f"example {i}: {_written(bad)}", None
                self.gradient([i])
            except (ArithmeticError, TypeError, ValueError) as error:
                return f"example {i}: {error}", error
            for parameter in self.parameters:
                if not math.isfinite(parameter.grad):
                    return f"example {i}: ∂L/∂{parameter.name or 'a parameter'} is {parameter.grad}", None
        return _NO_SUM, None


def _written(value: Value) -> str:
    """A value that is not finite, with its operation and its operands."""
    name = f"{value.name} = " if value.name else ""
    if not value.op:
        return f"{value.name or 'a number'} is {value.data}"
    operands = ", ".join(f"{p.name} = {p.data!r}" for p in dict.fromkeys(value.parents) if p.name)
    return f"{name}{formula(value)} is {value.data}" + (f" at {operands}" if operands else "")


class _Compiled:
    """The same by compiled code."""

    def __init__(self, program: Program, optimizer: Optimizer, table: Table) -> None:
        self.program, self.parameters = program, optimizer.parameters
        self.backend = program.backend
        rows: Any
        if self.backend == "python":
            rows = [[*x, *(t if isinstance(t, list) else [t])] for x, t in zip(*table)]
        else:
            import numpy as np

            rows = np.column_stack([np.array(column, np.float64) for column in table])
        self.batch = program.prepare(rows)

    def loss(self) -> float:
        return float(self.program.value(self.batch))

    def gradient(self, indices: Sequence[int] | None) -> float:
        batch: Any = self.batch
        if indices is not None:
            rows = batch.rows
            batch = [rows[i] for i in indices] if self.backend == "python" else rows[indices]
        loss, gradients = self.program(batch)
        for parameter, gradient in zip(self.parameters, [*map(float, gradients)]):
            parameter.grad = gradient
        return float(loss)


def _agree(compiled: _Compiled, eager: _Eager) -> bool:
    """Whether both say the same of a few examples, of each class one.

    A model that draws random numbers, or looks at the number of a result, is compiled as it was for one
    example.
    """
    n = len(eager)
    firsts = {repr(t): i for i, t in reversed([*enumerate(eager.targets)])}
    several = [*firsts.values()] if len(firsts) <= _MANY_CLASSES else range(0, n, -(-n // _MANY_CLASSES))
    for i in sorted({0, n // 2, n - 1, *several}):
        try:
            expected = [eager.gradient([i]), *(p.grad for p in eager.parameters)]
        except (ArithmeticError, ValueError):
            continue  # the training will meet it, and say where
        if not all(map(math.isfinite, expected)):
            continue
        got = [compiled.gradient([i]), *(p.grad for p in eager.parameters)]
        scale = max(1.0, *map(abs, expected))
        if not all(abs(a - b) <= 1e-6 * scale for a, b in zip(expected, got)):
            return False
    return True


# ── Training ──────────────────────────────────────────────────────────────────────────────────────────


class _Training:
    """A training and its state, of which a checkpoint holds everything."""

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        table: Table,
        held_out: Table | None,
        scaling: Scaling | None,
        batch_size: int | None,
        shuffle: bool,
        seed: int,
    ) -> None:
        self.model, self.optimizer, self.parameters = model, optimizer, optimizer.parameters
        self.scaling, self.threshold, self.insists = scaling, model.threshold, False
        self.n, self.shuffle, self.seed = len(table), shuffle, seed
        self.batch_size = min(batch_size or self.n, self.n)
        self.tables = [_scaled(t, scaling) if scaling else t for t in (table, held_out) if t is not None]
        self.history = History()
        self.ceiling = self.lowest = self.lowest_validation = math.inf
        self.best = self.best_validation = self._numbers()
        self.computed: Sequence[_Eager | _Compiled] = ()

    # ── Units ─────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def in_standard_units(self) -> Iterator[None]:
        """The network in standard units while it is trained, and for raw inputs after it."""
        if self.scaling is None:
            yield
            return
        model: Any = self.model
        before = [(p, p.data) for p in model.parameters()]
        if model.scaling is not None:  # the initial weights suit inputs in standard units
            self.scaling.enter(model)
        try:
            yield
        except BaseException:
            if not self.history.losses:  # nothing was trained, so nothing has changed
                for parameter, number in before:
                    parameter.data = number
                raise
            self._leave()
            raise
        self._leave()

    def _leave(self) -> None:
        model: Any = self.model
        assert self.scaling
        self.scaling.leave(model)
        model.scaling = dataclasses.asdict(self.scaling)

    def _call(self, callback: Callable[[History], Any]) -> Any:
        """Call the user's function, who finds the model as it will be; and look whether it still is."""
        model: Any = self.model
        if self.scaling is None:
            answer = callback(self.history)
        else:
            inside = [p.data for p in model.parameters()]
            trained_before = model.scaling
            self._leave()
            outside = [p.data for p in model.parameters()]
            try:
                answer = callback(self.history)
            finally:
                if outside == [p.data for p in model.parameters()]:
                    for parameter, number in zip(model.parameters(), inside):
                        parameter.data = number
                else:
                    self.scaling.enter(model)
                model.scaling = trained_before
        self._check_still()
        return answer

    def _check_still(self) -> None:
        """Compiled code is of the model as it was: go on without it if that has changed since."""
        i = len(self.history) % self.n
        compiled, eager = self.computed[0], self.eager[0]
        if not isinstance(compiled, _Compiled) or eager.agrees(compiled, i):
            return
        if self.insists:
            raise RuntimeError(
                "the model gives something else now than the code that it was compiled to: something of it "
                "has changed that is no parameter. Write compile=False"
            )
        self.computed, self.history.backend = self.eager, "eager"

    # ── How gradients are computed ────────────────────────────────────────────────────────────────────

    def choose(self, loss: Loss | None, compile: Any) -> None:  # noqa: A002
        """Compile the model and its loss, where that is wanted and possible."""
        model: Any = self.model
        outputs, target = model(self.tables[0].rows[0]), self.tables[0].targets[0]
        count = len(outputs) if isinstance(outputs, list) else 1
        classes = self.tables[0].classes
        if (
            classes
            and isinstance(target, int)
            and count != (len(classes) if len(classes) > 2 or count > 1 else 1)
        ):
            raise ValueError(
                f"there are {len(classes)} classes, {', '.join(classes)!s:.60}, for which a model needs "
                f"{'one output, or 2' if len(classes) == 2 else len(classes)} outputs, not {count}"
            )
        chosen = loss or usual_loss(outputs, target)
        if count == 1:
            self.threshold = _threshold(chosen, self.tables[0].targets)
        self._loss_name = name = getattr(chosen, "__qualname__", type(chosen).__qualname__)
        self._rates = self.optimizer.state_dict()  # as it was given

        def function(x: Any, t: Any) -> Value:  # knows nothing of self, which knows it: that is no cycle
            result = chosen(model(x), t)
            if not isinstance(result, Value):
                raise TypeError(f"the loss of an example is a Value, and {name} gave {result!r:.60}")
            return result

        self.eager = [_Eager(function, self.optimizer, model, table) for table in self.tables]
        self.insists = compile not in {"auto", False} if isinstance(compile, str | bool) else True
        if compile is True:
            compile = "auto"  # noqa: A001
        if compile is not False and not isinstance(compile, str):
            raise TypeError(f'compile is True, False, "auto" or the name of a backend, not {compile!r:.60}')
        gradients = [leaf.grad for leaf in self.eager[0].leaves]
        try:
            self.computed = self._compiled(function, compile) if compile else self.eager
        finally:
            for leaf, gradient in zip(self.eager[0].leaves, gradients):
                leaf.grad = gradient
        self.history.backend = self.computed[0].backend

    def _compiled(self, function: Loss, backend: str) -> Sequence[_Eager | _Compiled]:
        table, insists = self.tables[0], self.insists
        try:
            if not insists:
                nodes = len(topological_order(function(table.rows[0], table.targets[0])))
                backend = "python" if nodes * self.batch_size < _SMALL else backend
            example = [table.rows[0], table.targets[0]]
            program = compile_graph(function, example, self.parameters, backend=backend)
            compiled = [_Compiled(program, self.optimizer, table) for table in self.tables]
            if all(map(_agree, compiled, self.eager)):
                return compiled
        except (ArithmeticError, TypeError, ValueError):
            if insists:
                raise
        if insists:
            raise RuntimeError(
                "the compiled code gives something else than the model itself, which draws random numbers, "
                "or looks at the number of a result: compiled code does that once. Write compile=False"
            )
        return self.eager

    # ── The loop ──────────────────────────────────────────────────────────────────────────────────────

    def run(
        self,
        epochs: int,
        rules: AnyOf,
        schedule: Callable[[int], float] | None,
        callback: Callable[[History], Any] | None,
        progress: bool,
        checkpoint: str | os.PathLike[str] | None,
        every: int,
    ) -> None:
        """Train until there is a reason to stop."""
        history = self.history
        history.rule = history.stopped = ""
        finished, state = len(history), None  # … of the last epoch that is finished
        if history.losses:
            self._ask(rules)
        elif checkpoint is not None:  # where nothing can be written, nothing is trained
            checkpoints.save(checkpoint, self._state())
        try:
            with _bar(epochs, finished, progress) as bar:
                while finished < epochs and not history.rule:
                    if schedule:
                        self.optimizer.lr = _rate(schedule(finished), finished)
                    if not self._epoch(rules):
                        break
                    finished += 1
                    if checkpoint is not None:
                        state = self._state()
                        if finished % every == 0:
                            checkpoints.save(checkpoint, state)
                    bar.set_postfix_str(f"loss {history.losses[-1]:.6f}", refresh=False)
                    bar.update()
                    if callback and self._call(callback) is True and not history.rule:
                        history.rule, history.stopped = "callback", "the callback said so"
            if not history.rule:
                limit = f"{epochs} epoch{'s' * (epochs != 1)}"
                history.rule, history.stopped = "epochs", f"the limit was reached, {limit}"
        except checkpoints.WriteError as error:
            history.rule, history.stopped = "checkpoint", f"the checkpoint cannot be written: {error}"
            state = None
        except KeyboardInterrupt:
            history.cut(finished)
            history.rule, history.stopped = "Ctrl-C", f"it was interrupted after epoch {finished}"
        if checkpoint is not None and state:
            checkpoints.save(checkpoint, state)
        losses = history.losses
        if history.rule == "epochs" and losses[-1] - losses[0] > abs(losses[0]):
            best = losses.index(min(losses)) + 1
            self._restore(self.best)
            history.stopped += (
                f"; it got worse, from {losses[0]:.4g} to {losses[-1]:.4g}: the parameters are those of "
                f"the lowest loss, of epoch {best}; try a smaller learning rate than {self.optimizer.lr:g}"
            )
        if rules.restores_best and self.lowest_validation < math.inf and history.rule != "not finite":
            best = history.validation_losses.index(self.lowest_validation) + 1
            self._restore(self.best_validation)
            history.stopped += f"; the parameters are those of the lowest validation loss, of epoch {best}"

    def _epoch(self, rules: AnyOf) -> bool:
        """An update for each batch, and a line of the history; unless it all went wrong."""
        started, before = time.perf_counter(), self._numbers()
        losses, norms = [], []
        for indices in self._batches(len(self.history)):
            loss, norm = self._gradient(indices)
            if self.history.rule:
                return False
            losses.append(loss * (self.n if indices is None else len(indices)))
            norms.append(norm)
            if indices is None:
                # The loss is that of the parameters as they are: they stay so if it is low enough.
                self._note(loss, norm, started)
                if self._ask(rules):
                    return True
            self.optimizer.step()
        if self.batch_size < self.n:
            loss = ops.sum(*losses) / self.n
            if not math.isfinite(loss):  # as where all examples are one batch
                self._give_up(_NO_SUM)
                return False
            self._note(loss, ops.mean(*norms), started)
        self.history.changes[-1] = ops.mean(*map(abs, map(sub, self._numbers(), before)))
        if self.batch_size < self.n:
            self._ask(rules)
        return True

    def _batches(self, epoch: int) -> Iterator[Sequence[int] | None]:
        if self.batch_size == self.n:
            yield None
            return
        order = [*range(self.n)]
        if self.shuffle:
            random.Random(f"{self.seed} {epoch}").shuffle(order)
        for start in range(0, self.n, self.batch_size):
            yield order[start : start + self.batch_size]

    def _gradient(self, indices: Sequence[int] | None) -> tuple[float, float]:
        """The loss and the length of the gradient; if they are beyond hope, the training is over."""
        own: Exception | None = None
        try:
            loss = self.computed[0].gradient(indices)
            norm = math.hypot(*(parameter.grad for parameter in self.parameters))
        except (ArithmeticError, TypeError, ValueError) as error:
            loss = norm = math.nan
            own = error
        if not (math.isfinite(loss) and math.isfinite(norm)):
            problem, cause = self.eager[0].blame(range(self.n) if indices is None else indices)
            if own and not cause:  # it does not come again
                raise own
            nothing_learned = self.ceiling == math.inf
            if cause and (nothing_learned or isinstance(cause, TypeError)):
                raise type(cause)(problem) from None
            self._give_up(problem)
        elif loss > self.ceiling:
            self._give_up(f"the loss is {loss:g}")
        elif self.ceiling == math.inf:
            self.ceiling = _DIVERGED * max(abs(loss), 1.0)
        return loss, norm

    def _give_up(self, problem: str) -> None:
        history = self.history
        history.rule = "not finite"
        self._restore(self.best)
        if not history.losses:
            history.stopped = f"there is no gradient to go along, {problem}"
            return
        best = history.losses.index(self.lowest) + 1
        history.stopped = (
            f"it diverged in epoch {len(history) + 1}: {problem}. The parameters are those of the lowest "
            f"loss, of epoch {best}; try a smaller learning rate than {self.optimizer.lr:g}"
        )

    def _note(self, loss: float, norm: float, started: float) -> None:
        history, numbers = self.history, self._numbers()
        if loss < self.lowest:
            self.lowest, self.best = loss, numbers
        if len(self.computed) > 1:
            try:
                validation = self.computed[1].loss()
            except (ArithmeticError, ValueError):
                validation = math.inf
            if validation < self.lowest_validation:
                self.lowest_validation, self.best_validation = validation, numbers
            history.validation_losses.append(validation)
        so_far = history.seconds[-1] if history.seconds else 0.0
        history.losses.append(loss)
        history.gradient_norms.append(norm)
        history.changes.append(0.0)
        history.seconds.append(so_far + time.perf_counter() - started)

    def _ask(self, rules: AnyOf) -> bool:
        """Whether a rule ends the training; the history then says so."""
        rule = rules.fired(self.history)
        if rule:
            self.history.rule, self.history.stopped = rule.name, rule(self.history)
        return bool(rule)

    # ── State ─────────────────────────────────────────────────────────────────────────────────────────

    def _numbers(self) -> list[float]:
        return [parameter.data for parameter in self.parameters]

    def _restore(self, numbers: Sequence[float]) -> None:
        for parameter, number in zip(self.parameters, numbers):
            parameter.data = number

    @cached_property
    def _settings(self) -> dict[str, Any]:
        """What must be the same for a training to go on."""
        return {
            "model": self.model.describe(),
            "parameters": len(self.parameters),
            "loss": self._loss_name,
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "seed": self.seed,
            "examples": [_fingerprint(table) for table in self.tables],
            **{n: v for n, v in self._rates.items() if isinstance(v, str | float | bool | tuple)},
        }

    def _state(self) -> dict[str, Any]:
        return {
            "settings": self._settings,
            "parameters": self._numbers(),
            "optimizer": self.optimizer.state_dict(),
            "best": [self.lowest, self.best, self.lowest_validation, self.best_validation, self.ceiling],
            "history": self.history.state_dict(),
        }

    def load(self, path: str | os.PathLike[str]) -> None:
        """Go on from a checkpoint; on an error, nothing has changed."""
        content = checkpoints.load(path, self._settings)
        try:
            history = History.from_state(content["history"])
            lowest, best, lowest_validation, best_validation, ceiling = content["best"]
            vectors = [[*map(real, numbers)] for numbers in (content["parameters"], best, best_validation)]
            if {*map(len, vectors)} != {len(self.parameters)}:
                raise ValueError("numbers are missing")
            self.lowest, self.lowest_validation, self.ceiling = map(
                real, (lowest, lowest_validation, ceiling)
            )
            for least, losses in (
                (self.lowest, history.losses),
                (self.lowest_validation, history.validation_losses),
            ):
                if least not in losses and least != math.inf:
                    raise ValueError(f"the lowest loss, {least}, is none of the history")
            self.optimizer.load_state_dict(content["optimizer"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{path}: this checkpoint is damaged: {error}") from None
        history.backend = self.history.backend
        self.history, (numbers, self.best, self.best_validation) = history, vectors
        self._restore(numbers)


def _scaled(table: Table, scaling: Scaling) -> Table:
    scaled = scaling.target_mean != 0 or scaling.target_spread != 1
    targets = [*map(scaling.target, table.targets)] if scaled else table.targets
    return dataclasses.replace(table, rows=[*map(scaling.inputs, table.rows)], targets=targets)


def _fingerprint(table: Table) -> str:
    """A few letters that are others for other examples."""
    digest = hashlib.sha256()
    for example in zip(*table):
        digest.update(repr(example).encode())
    return f"{len(table)} examples, {digest.hexdigest()[:16]}"


def _rate(rate: Any, epoch: int) -> float:
    try:
        number = real(rate)
    except TypeError as error:
        raise TypeError(f"schedule({epoch}): {error}") from None
    if not 0 <= number < math.inf:
        raise ValueError(f"schedule({epoch}) is {number!r}, which is no learning rate")
    return number


def _bar(epochs: int, done: int, wanted: bool) -> Any:
    """A progress bar, for eyes only: where there is neither a terminal nor a notebook, it is silent."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    in_notebook = hasattr(shell, "kernel")
    if not wanted or not (in_notebook or sys.stderr.isatty()):
        return _threadless("tqdm")(disable=True)
    bar = _threadless("tqdm.auto")
    return bar(total=epochs, initial=done, unit=" epochs", leave=False, miniters=1)


@cache
def _threadless(module: str) -> Any:
    """The module's tqdm without the thread that watches over bars, silent ones too.

    A bar that looks at the clock at each epoch (miniters=1) needs none, and a browser has none to give.
    """

    class Bar(import_module(module).tqdm):  # type: ignore[misc]
        monitor_interval = 0

    return Bar
