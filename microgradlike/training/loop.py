"""fit: training as people expect it: batches, stopping rules, checkpoints, a record of how it went."""

import hashlib
import logging
import math
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib import import_module
from operator import attrgetter, sub
from typing import Any

from microgradlike import ops
from microgradlike.data import Table, as_table
from microgradlike.engine import Value, real
from microgradlike.formula import with_recording
from microgradlike.history import History
from microgradlike.losses import Loss, usual_loss
from microgradlike.nn import MLP, Module
from microgradlike.optim import SGD, Optimizer
from microgradlike.stop import AnyOf, Rule
from microgradlike.task import Task
from microgradlike.training import checkpoints
from microgradlike.training.agreement import DisagreementError, is_our_network, is_ours
from microgradlike.training.gradients import NO_SUM, Computation, Eager
from microgradlike.training.objective import Objective, check_targets, objective_of
from microgradlike.training.state import Best, State
from microgradlike.training.surroundings import undisturbed
from microgradlike.training.task import decide, meets_numbers
from microgradlike.transaction import write
from microgradlike.units import Units

__all__ = ["History", "fit"]

_gradient = attrgetter("grad")

#: A loss that has grown so many times over (and is not just a little more than 0) will not come back.
_DIVERGED = 1e6

_logger = logging.getLogger("microgradlike")


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
            it; False never compiles. The results agree but for the last digits. (Native code fuses a
            product and a sum, so that where a sum is next to 0, it may be on the other side of a kink or
            of a comparison.)
        seed: of the order of the examples, and of which are held out.
        standardize: give the network the units of the data, for an `MLP`: a map of the inputs to mean 0 and
            spread 1, and back of the outputs where targets are numbers to be met. The map is part of the
            model: of what it computes, its file, its picture and its formulas. The parameters are for
            standard units. A network that has units keeps them; ``model.units = None`` forgets them.
        checkpoint: a file that the whole state of the training is written to.
        every: so many epochs lie between two writings.
        resume: go on from that file if it is there: with the same bits as if nothing had happened.

    Ctrl-C ends the training, and keeps what was learned up to the last whole epoch. A loss or a gradient
    that is not finite ends it too, and so does a loss that has grown a million times over;
    ``history.stopped`` then names the first value that went wrong, and its example. (An error in the first
    epoch is raised.) Wherever the last loss is more than twice the first, the parameters and the optimiser
    are those of the lowest loss.

    Losses, stopping rules and reports are in the user's units. The squared losses are minimised in standard
    units where the model has units for its outputs. A loss of the user's own gets outputs and targets in
    the user's units, and is divided by a constant meanwhile, which ``history.notes`` says.

    The model's `task` is decided from the targets: the classes, as they were given, and for one output and
    two classes the threshold between them.

    ``compile="auto"`` gives what ``compile=False`` gives, or goes Value by Value; the history and a line of
    the logger "microgradlike" then say why. The user's code is watched for that: whether it takes a number
    out of the graph (``v.data``, ``float(v)``, a comparison, a text, a copy), draws random numbers, changes
    variables of its own, or computes something else later. For that one example is traced again: before
    each gradient where a callback, a schedule, a rule or an optimiser of the user's runs; else in epochs
    1, 2, 3, 5, 9, …, and after a difference the training goes back to the last of them that agreed. Not
    noticed for sure are a clock or a file that it reads, and what lies in installed packages or in the rows
    of long lists.

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
    settings = _Settings(epochs, batch_size, shuffle, seed, progress, every)
    _check_arguments(model, settings, standardize, resume, loss, schedule, callback, checkpoint, compile)
    table, held_out, numbers = _tables(model, data, validation, seed)
    rules = _rules(stop, held_out)
    optimizer = optimizer if optimizer is not None else SGD(model.parameters(), lr=0.1)
    _check_optimizer(optimizer, model)
    parameters = model.parameters()
    before = vars(model).copy(), [parameter.data for parameter in parameters], model.all_units()
    state: State | None = None
    try:
        try:
            saved = None
            if checkpoint is not None and resume and os.path.exists(checkpoint):
                saved = checkpoints.read(checkpoint)
                _take_over(model, saved, checkpoint)
            objective, notes = with_recording(_decide, model, table, numbers[0], loss, standardize)
            names = {parameter: name for name, parameter in model.named_parameters()}
            state = State(model, optimizer, [names[parameter] for parameter in optimizer.parameters])
            state.history.notes = notes
            training = _Training(
                state, objective, table, held_out, numbers, settings, rules, schedule, callback
            )
            with_recording(training.run, compile, checkpoint, saved)
        except BaseException:
            _put_back(model, parameters, *before, state)
            raise
    except BaseException:  # Ctrl-C may come while the handler above is at work
        _put_back(model, parameters, *before, state)
        raise
    return training.history


# ── Arguments ─────────────────────────────────────────────────────────────────────────────────────────

#: What `fit` decides of a model before it trains it.
_DECIDED = ("task", "features", "units", "_raw_units")


def _take_over(model: Module, saved: dict[str, Any], checkpoint: str | os.PathLike[str]) -> None:
    """Give the model the units and the task of the training that goes on."""
    try:
        if "task" in saved:
            model.task = Task.from_state(saved["task"])
        if "units" in saved:
            model.units = None if saved["units"] is None else Units.from_state(saved["units"])
        inner = saved.get("inner units", {})
        model.set_units({path: Units.from_state(state) for path, state in inner.items()})
    except (AttributeError, ValueError) as error:
        raise ValueError(f"{checkpoint}: this checkpoint is damaged: {error}") from None


def _put_back(
    model: Module,
    parameters: Sequence[Value],
    earlier: dict[str, Any],
    numbers: Sequence[float],
    units: Mapping[str, Units | None],
    state: State | None,
) -> None:
    """If nothing was trained, nothing has changed: give a model back its numbers, and what it was."""
    if state and state.history.losses:
        return
    others = {name: thing for name, thing in vars(model).items() if name not in _DECIDED}
    decided = {name: thing for name, thing in earlier.items() if name in _DECIDED}
    model.set_units(units)
    write(parameters, numbers, model, __dict__=others | decided)


@dataclass(frozen=True)
class _Settings:
    """The settings of a training, as they were given."""

    epochs: int
    batch_size: int | None
    shuffle: bool
    seed: int
    progress: bool
    every: int


def _check_arguments(
    model: Any,
    settings: _Settings,
    standardize: Any,
    resume: Any,
    loss: Any,
    schedule: Any,
    callback: Any,
    checkpoint: Any,
    compile: Any,  # noqa: A002
) -> None:
    if not isinstance(model, Module):
        raise TypeError(f"fit trains a model, such as MLP(2, [2, 1]), not {model!r:.60}")
    numbers = {"epochs": settings.epochs, "every": settings.every}
    if settings.batch_size is not None:
        numbers["batch_size"] = settings.batch_size
    for name, number in numbers.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise ValueError(f"{name} is a whole number from 1 on, not {number!r}")
    switches = {
        "shuffle": settings.shuffle,
        "progress": settings.progress,
        "standardize": standardize,
        "resume": resume,
    }
    for name, switch in switches.items():
        if not isinstance(switch, bool):
            raise TypeError(f"{name} is True or False, not {switch!r:.60}")
    if not isinstance(settings.seed, int) or isinstance(settings.seed, bool):
        raise TypeError(f"seed is a whole number, not {settings.seed!r:.60}")
    for name, function in {"loss": loss, "schedule": schedule, "callback": callback}.items():
        if function is not None and not callable(function):
            raise TypeError(f"{name} is a function, not {function!r:.60}")
    if not isinstance(compile, bool | str):
        raise TypeError(f'compile is True, False, "auto" or the name of a backend, not {compile!r:.60}')
    if resume and checkpoint is None:
        raise ValueError('resume=True goes on from a checkpoint: name it, checkpoint="run.json"')
    if checkpoint is not None:
        checkpoints.check_place(checkpoint)


def _tables(
    model: Module, data: Any, validation: Any, seed: int
) -> tuple[Table, Table | None, Sequence[Sequence[int]]]:
    """The examples to train on, those to validate with, and the number of each in what was given."""
    table = as_table(data)
    if table is data:  # a callback may change it, and lists and arrays were copied, too
        table = table.copy()
    if not table.rows or len(table.targets) != len(table.rows):
        raise ValueError(f"{table.source}: there are no targets to learn")
    for i, row in enumerate(table.rows):
        if not all(map(math.isfinite, row)):
            raise ValueError(f"{table.source}: row {i} has a number that is not finite: {row!r:.100}")
    if model.features:  # those that it was trained with
        table = table.arranged(model.features)
    if validation is None:
        return table, None, [range(len(table))]
    if isinstance(validation, int | float):
        if isinstance(validation, bool) or not 0 < validation < 1:
            raise ValueError(
                f"validation is a fraction between 0 and 1, or examples of their own, not {validation!r}"
            )
        rest, held = table.split_places(validation, seed)
        return table.at(rest), table.at(held), [rest, held]
    held_out = as_table(validation)
    if len(held_out.features) != len(table.features):
        count = len(held_out.features)
        inputs = f"{count} input{'' if count == 1 else 's'}"
        raise ValueError(f"the validation examples have {inputs}, the others {len(table.features)}")
    held_out = held_out.arranged(table.features)
    held_out = _in_classes(held_out, table.classes)
    return table, held_out, [range(len(table)), range(len(held_out))]


def _in_classes(held_out: Table, classes: Sequence[Any]) -> Table:
    """The validation examples, with their classes numbered as those of the others are."""
    if held_out.classes == classes:
        return held_out
    strangers = [name for name in held_out.classes if name not in classes]
    if strangers or not held_out.classes:
        raise ValueError(
            f"the validation examples are of the classes {held_out.classes}, the others of {classes}"
        )
    places = [list(classes).index(name) for name in held_out.classes]
    targets = [places[t] if isinstance(t, int) else t for t in held_out.targets]
    return replace(held_out, classes=list(classes), targets=targets)


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


def _decide(
    model: Any, table: Table, numbers: Sequence[int], loss: Loss | None, standardize: bool
) -> tuple[Objective, tuple[str, ...]]:
    """Decide task, units and loss; the model has the first two from now on."""
    outputs, as_values = _outputs(model, table.rows[0])
    count = len(outputs) if isinstance(outputs, list | tuple) else 1
    chosen = loss or usual_loss(outputs, table.targets[0])
    notes: tuple[str, ...] = ()
    model.task = decide(model.task, table, count, chosen)
    model.features = table.features
    if standardize:
        notes = _set_units(model, table, chosen, count)
    if is_ours(chosen):
        check_targets(chosen, outputs, table.targets, numbers)
    objective = objective_of(model, chosen, table, as_values)
    if objective.note:
        notes = (*notes, objective.note)
    return objective, notes


def _outputs(model: Any, row: Sequence[float]) -> tuple[Any, bool]:
    """The outputs of a model for an example, and whether the model takes Values only."""
    if is_our_network(model):
        return model(row), False
    with undisturbed(model):
        try:
            return model(row), False
        except TypeError:
            # Such a model may differentiate by its inputs, which have to be Values for that.
            try:
                return model([Value(x, f"x{i}") for i, x in enumerate(row, 1)]), True
            except TypeError:
                pass
            raise


def _set_units(model: Any, table: Table, loss: Loss, outputs: int) -> tuple[str, ...]:
    """Give an MLP the units of the data, unless it has some; what is to be said of it."""
    if not isinstance(model, MLP) or type(model).__call__ is not MLP.__call__:
        raise TypeError(
            f"standardize=True is for an MLP, which has units of its own; {type(model).__name__} is "
            "another model: standardise the data before"
        )
    if model.units is not None:
        return ()
    if model._raw_units is not None:
        _rewrite(model, model._raw_units)
        return ("The parameters of this file of version 1 were rewritten for standard units.",)
    numbers = model.output_activation == "linear" and meets_numbers(table, outputs, loss)
    model.units = Units.of(table.rows, table.targets if numbers else ())
    return ()


def _rewrite(model: MLP, units: Units) -> None:
    """Give a network for the user's units these units, so that it computes the same."""
    numbers: dict[Value, float] = {p: p.data for p in model.parameters()}
    for neuron in model.layers[0].neurons:
        numbers[neuron.b] += math.fsum(w.data * mean for w, mean in zip(neuron.w, units.means))
        for w, spread in zip(neuron.w, units.spreads):
            numbers[w] *= spread
    [mean], [spread] = units.target_means, units.target_spreads
    for neuron in model.layers[-1].neurons:
        numbers[neuron.b] = (numbers[neuron.b] - mean) / spread
        for w in neuron.w:
            numbers[w] /= spread
    if (mean, spread) == (0.0, 1.0):  # the targets were classes
        units = replace(units, target_means=(), target_spreads=())
    write([*numbers], [*numbers.values()], model, units=units, _raw_units=None)


# ── Training ──────────────────────────────────────────────────────────────────────────────────────────


class _Training:
    """A training: its state, and what it goes along with."""

    def __init__(
        self,
        state: State,
        objective: Objective,
        table: Table,
        held_out: Table | None,
        numbers: Sequence[Sequence[int]],
        settings: _Settings,
        rules: AnyOf,
        schedule: Callable[[int], float] | None,
        callback: Callable[[History], Any] | None,
    ) -> None:
        self.state, self.optimizer, self.settings = state, state.optimizer, settings
        self.parameters = state.parameters
        self.rules, self.schedule, self.callback = rules, schedule, callback
        self.tables = [objective.prepare(t) for t in (table, held_out) if t is not None]
        self.n = len(table)
        self.batch_size = min(settings.batch_size or self.n, self.n)
        leaves = state.model.parameters()
        self.eager = [
            Eager(objective, self.optimizer, leaves, t, rows) for t, rows in zip(self.tables, numbers)
        ]
        self.own_code = not objective.is_ours
        self.agreed: Any = None  # when compiled code was last seen to be right
        #: Whether user's code runs between two gradients, and may change what the model computes.
        self.is_watched = not all(map(is_ours, self._between()))
        self.own_optimizer = not is_ours(type(self.optimizer))
        # What an interrupted step has moved is put back with its epoch: that need not be done twice.
        plain = type(self.optimizer).step is Optimizer.step
        self.step = self.optimizer._move if plain else self.optimizer.step
        self.history = state.history
        self.given = self.optimizer.state_dict()
        self.bar: Any = None

    def _between(self) -> Iterator[Any]:
        yield type(self.optimizer)
        yield from (type(rule) for rule in _simple_rules(self.rules))
        yield from (function for function in (self.schedule, self.callback) if function)

    # ── Running ───────────────────────────────────────────────────────────────────────────────────────

    def run(
        self,
        compile: str | bool,  # noqa: A002
        checkpoint: str | os.PathLike[str] | None,
        saved: dict[str, Any] | None,
    ) -> None:
        """Train until there is a reason to stop.

        Args:
            compile: how gradients are computed.
            checkpoint: the file to write to, if there is one.
            saved: what is in it, to go on from.
        """
        self.computation = Computation(
            self.eager,
            self.tables,
            self.optimizer,
            compile,
            self.batch_size,
            saved.get("backend") if saved else None,
        )
        self.history.backend = self.computation.backend
        if self.computation.reason:
            self._say(f"It is computed Value by Value, not compiled: {self.computation.reason}.")
        if checkpoint is not None and saved is not None:
            self._load(checkpoint, saved)
        history, state = self.history, self.state
        ended = history.rule == "callback"
        if not ended:
            history.rule = history.stopped = ""
        if history.losses and not ended:
            self._ask()
        elif checkpoint is not None and not ended:  # where nothing can be written, nothing is trained
            self._save(checkpoint)
        try:
            try:
                with _bar(self.settings.epochs, len(history), self.settings.progress) as self.bar:
                    self._epochs(checkpoint)
            except checkpoints.WriteError as error:
                history.rule, history.stopped = "checkpoint", f"the checkpoint cannot be written: {error}"
                checkpoint = None
            except BaseException:
                state.roll_back()
                raise
        except KeyboardInterrupt:  # of an epoch, or while another error was handled above
            state.roll_back()
            epochs = len(history)
            history.rule, history.stopped = "Ctrl-C", f"it was interrupted after epoch {epochs}"
        finally:
            self.bar = None
        if checkpoint is not None:
            self._save(checkpoint)
        self._keep_best()

    def _epochs(self, checkpoint: str | os.PathLike[str] | None) -> None:
        history, state = self.history, self.state
        started = time.perf_counter() - (history.seconds[-1] if history.seconds else 0.0)
        while len(history) < self.settings.epochs and not history.rule:
            if self.schedule:
                self.optimizer.lr = _rate(self.schedule(len(history)), len(history))
            self._check_agreement()
            if not self._epoch(started):
                return
            state.commit()
            if not self.bar.disable:
                self.bar.set_postfix_str(f"loss {history.losses[-1]:.6f}", refresh=False)
                self.bar.update()
            if self.callback:
                answer = self.callback(history)
                if _is_true(answer) and not history.rule:
                    history.rule, history.stopped = "callback", "the callback said so"
                state.commit()
            if checkpoint is not None and len(history) % self.settings.every == 0:
                self._save(checkpoint)
        if not history.rule:
            epochs = self.settings.epochs
            ending = "" if epochs == 1 else "s"
            history.rule, history.stopped = "epochs", f"the limit was reached, {epochs} epoch{ending}"

    def _epoch(self, started: float) -> bool:
        """An update for each batch, and a line of the history; unless it all went wrong."""
        start = self.state.last
        if self.is_watched and self.state.numbers() != start.numbers:  # a schedule has changed them
            start = self.state.snapshot()
        losses, norms = [], []
        for step, indices in enumerate(self._batches(len(self.history))):
            if step and self.own_optimizer:
                self._check_agreement()
            loss, norm = self._gradient(indices)
            if self.history.rule:
                return False
            losses.append(loss * (self.n if indices is None else len(indices)))
            norms.append(norm)
            if indices is None:
                # The loss is that of the parameters as they are: they stay so if it is low enough.
                self._note(loss, norm, start, started)
                if self._ask():
                    return True
            self.step()
        if self.batch_size < self.n:
            loss = ops.sum(*losses) / self.n
            if not math.isfinite(loss):  # as where all examples are one batch
                self._give_up(NO_SUM)
                return False
            if self.own_optimizer:
                self._check_agreement()
            self._note(loss, ops.mean(*norms), start, started)
        changes = [*map(abs, map(sub, self.state.numbers(), start.numbers))]
        try:
            self.history.changes[-1] = math.fsum(changes) / len(changes)
        except OverflowError:  # of numbers next to the largest; `mean` knows how
            self.history.changes[-1] = ops.mean(*changes)
        if self.batch_size < self.n:
            self._ask()
        return True

    def _batches(self, epoch: int) -> Iterator[Sequence[int] | None]:
        if self.batch_size == self.n:
            yield None
            return
        order = [*range(self.n)]
        if self.settings.shuffle:
            random.Random(f"{self.settings.seed} {epoch}").shuffle(order)
        for start in range(0, self.n, self.batch_size):
            yield order[start : start + self.batch_size]

    def _gradient(self, indices: Sequence[int] | None) -> tuple[float, float]:
        """The loss and the length of the gradient; if they are beyond hope, the training is over."""
        state, own = self.state, None
        try:
            loss = self.computation.computed[0].gradient(indices)
            norm = math.hypot(*map(_gradient, self.parameters))
        except (ArithmeticError, TypeError, ValueError) as error:
            loss = norm = math.nan
            own = error
        if not (math.isfinite(loss) and math.isfinite(norm)) and self._is_finite_eager(indices):
            return self._gradient(indices)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            problem, cause = self.eager[0].blame(range(self.n) if indices is None else indices)
            if own and not cause:  # it does not come again
                raise own
            if cause and (not state.history.losses or isinstance(cause, TypeError)):
                raise type(cause)(problem) from None
            self._give_up(problem)
        elif loss > state.ceiling:
            self._give_up(f"the loss is {loss:g}")
        elif state.ceiling == math.inf:
            state.ceiling = _DIVERGED * max(abs(loss), self.eager[0].objective.scale)
        return loss, norm

    def _is_finite_eager(self, indices: Sequence[int] | None) -> bool:
        """Whether the user's code gives a finite gradient where compiled code gives none: then go eager.

        It may catch the error of an operation, of which compiled code knows nothing.
        """
        if self.computation.backend == "eager" or not self.own_code:
            return False
        try:
            loss = self.eager[0].gradient(indices)
        except (ArithmeticError, TypeError, ValueError):
            return False
        if not math.isfinite(loss) or not all(math.isfinite(p.grad) for p in self.parameters):
            return False
        if self.computation.insists:
            raise RuntimeError(
                "the compiled code is not finite where the model itself is, which catches an error. "
                "Write compile=False"
            )
        self._go_eager("it is finite where compiled code is not")
        return True

    def _give_up(self, problem: str) -> None:
        history, state, rate = self.history, self.state, self.optimizer.lr
        history.rule = "not finite"
        if not history.losses:
            state.restore(state.last)
            history.stopped = f"there is no gradient to go along, {problem}"
            return
        history.stopped = (
            f"it diverged in epoch {len(history) + 1}: {problem}. The parameters are those of the lowest "
            f"loss, of epoch {state.best.epoch}; try a smaller learning rate than {rate:g}"
        )
        state.restore(state.best.snapshot)

    def _note(self, loss: float, norm: float, start: Any, started: float) -> None:
        """A line of the history, and whether it is the best so far."""
        history, state = self.history, self.state
        epoch = len(history) + 1
        if loss < state.best.loss:  # measured at the parameters that the epoch began with
            state.best = Best(loss, start, epoch)
        if len(self.eager) > 1:
            validation = self._validation_loss()
            if validation < state.best_validation.loss:
                now = start if self.batch_size == self.n else state.snapshot()
                state.best_validation = Best(validation, now, epoch)
            history.validation_losses.append(validation)
        history.losses.append(loss)
        history.gradient_norms.append(norm)
        history.changes.append(0.0)
        history.seconds.append(time.perf_counter() - started)

    def _validation_loss(self) -> float:
        try:
            loss = self.computation.computed[1].loss()
        except (ArithmeticError, ValueError):
            return math.inf
        return math.inf if math.isnan(loss) else loss

    def _ask(self) -> bool:
        """Whether a rule ends the training; the history then says so."""
        verdict = self.rules.verdict(self.history)
        if verdict:
            rule, self.history.stopped = verdict
            self.history.rule = rule.name
        return bool(verdict)

    def _keep_best(self) -> None:
        """At the end: the parameters of the lowest loss where it got worse, or of the lowest validation."""
        history, state = self.history, self.state
        losses = history.losses
        if not losses:
            return
        if self.rules.restores_best and state.best_validation.loss < math.inf:
            best = state.best_validation
            state.restore(best.snapshot)
            history.stopped += (
                f"; the parameters are those of the lowest validation loss, of epoch {best.epoch}"
            )
        elif history.rule != "not finite" and losses[-1] - losses[0] > abs(losses[0]):
            rate = self.optimizer.lr
            state.restore(state.best.snapshot)
            history.stopped += (
                f"; it got worse, from {losses[0]:.4g} to {losses[-1]:.4g}: the parameters are those of "
                f"the lowest loss, of epoch {state.best.epoch}; try a smaller learning rate than {rate:g}"
            )

    # ── Whether compiled code is still right ──────────────────────────────────────────────────────────

    def _check_agreement(self) -> None:
        """Go on without compiled code if the user's code computes something else now.

        It is asked wherever user's code has run since the last gradient. Where only the model and the loss
        are the user's, which change nothing when they are called, it is asked in the epochs 1, 2, 3, 5, 9
        and so on, doubling: if they disagree after all, the training goes back to the last of these.
        """
        epoch = len(self.history)
        doubling = epoch & (epoch - 1) == 0
        if not self.is_watched and not (self.own_code and (doubling or self.agreed is None)):
            return
        try:
            self.computation.check(epoch)
            self.agreed = self.state.mark()
        except DisagreementError as error:
            if self.computation.insists:
                raise RuntimeError(
                    f"the compiled code does not fit any more: {error}. Write compile=False"
                ) from None
            if not self.is_watched and self.agreed:
                self.state.return_to(self.agreed)
                self.bar.update(len(self.history) - epoch)
            self._go_eager(str(error))

    def _go_eager(self, reason: str) -> None:
        self.computation.go_eager(reason)
        self.history.backend = "eager"
        self._say(f"It goes on Value by Value, not compiled, from epoch {len(self.history) + 1}: {reason}.")

    def _say(self, note: str) -> None:
        """Keep a sentence in the history, and log it."""
        self.history.notes = (*self.history.notes, note)
        if self.bar is not None:
            self.bar.clear()
        _logger.warning("%s", note)

    # ── Checkpoints ───────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _agreed(self) -> dict[str, Any]:
        """The settings that must be the same for a training to go on."""
        return {
            "model": self.state.model.describe(),
            "parameters": len(self.parameters),
            "loss": self.eager[0].objective.name,
            "batch_size": self.batch_size,
            "shuffle": self.settings.shuffle,
            "seed": self.settings.seed,
            "examples": [_fingerprint(table) for table in self.tables],
            **{
                n: v
                for n, v in self.given.items()
                if n != "lr" and isinstance(v, str | float | bool | tuple)
            },
        }

    def _save(self, checkpoint: str | os.PathLike[str]) -> None:
        model = self.state.model
        content = {
            "settings": self._agreed,
            "lr": self.given["lr"],
            "backend": self.history.backend,
            "microgradlike": _version(),
            "task": model.task.state_dict(),
            "units": model.units.state_dict() if model.units else None,
            "inner units": model.inner_units(),
            **self.state.state_dict(),
        }
        checkpoints.save(checkpoint, content)

    def _load(self, checkpoint: str | os.PathLike[str], content: dict[str, Any]) -> None:
        """Go on from what was in a checkpoint; on an error, nothing has changed."""
        checkpoints.check_settings(
            checkpoint, content["settings"], self._agreed, old=content["version"] == 1
        )
        there, own = content.get("backend"), self.computation.backend
        if there is not None and there != own:  # whose last digits differ
            write = "False" if there == "eager" else f'"{there}"'
            raise ValueError(
                f"{checkpoint}: this training is computed by {own}, the checkpoint by {there!s:.60}: "
                f"write compile={write} to go on with the same bits"
            )
        if content.get("microgradlike", _version()) != _version():
            self._say(
                f"The checkpoint is of microgradlike {content['microgradlike']!s:.60}, and this is "
                f"{_version()}: the last digits may differ."
            )
        try:
            # A schedule, a callback, or the training before it in this process may have changed the rate.
            saved = content if content["version"] == 1 else content["training"]
            rates = [*map(real, (content["lr"], saved["optimizer"]["lr"]))]
            if not self.schedule and self.given["lr"] not in rates:
                raise checkpoints.OtherTrainingError(
                    f"this training has lr {self.given['lr']!r}, the checkpoint {rates[0]!r}: resume with "
                    "what it was begun with, or write to another file"
                )
            self.state.load_state_dict(content, self.eager[0].objective.scale)
            self.history = self.state.history
        except checkpoints.OtherTrainingError as error:
            raise ValueError(f"{checkpoint}: {error}") from None
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{checkpoint}: this checkpoint is damaged: {error}") from None


def _version() -> str:
    import microgradlike

    return microgradlike.__version__


def _is_true(answer: Any) -> bool:
    """True as Python or numpy writes it, and nothing else."""
    return answer is True or (type(answer).__name__ in {"bool", "bool_"} and bool(answer))


def _simple_rules(rule: Rule) -> Iterator[Rule]:
    """A rule, and all that it is made of."""
    yield rule
    for part in getattr(rule, "rules", ()):
        yield from _simple_rules(part)


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
    if not wanted or not (in_notebook or _is_terminal(sys.stderr)):
        return _threadless("tqdm")(disable=True)
    bar = _threadless("tqdm.auto")
    return bar(total=epochs, initial=done, unit=" epochs", leave=False, miniters=1)


def _is_terminal(stream: Any) -> bool:
    """Whether someone looks at it; a stream may be None, closed, or know nothing but `write`."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError, OSError):
        return False


@cache
def _threadless(module: str) -> Any:
    """The module's tqdm without the thread that watches over bars, silent ones too.

    A bar that looks at the clock at each epoch (miniters=1) needs none, and a browser has none to give.
    """

    class Bar(import_module(module).tqdm):  # type: ignore[misc]
        monitor_interval = 0

    return Bar
