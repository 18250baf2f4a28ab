"""State: everything that an epoch of training changes, as snapshots that are whole.

A training changes parameters one by one, the optimiser's moments, its learning rate, the history. A
`Snapshot` holds all of them as they were between two epochs, and never changes. So whatever interrupts an
epoch, the training can put back the last snapshot.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple

from microgradlike.engine import Value, real
from microgradlike.history import History
from microgradlike.nn import Module
from microgradlike.optim import Optimizer
from microgradlike.training.agreement import is_ours
from microgradlike.transaction import copy_of, write


class Snapshot(NamedTuple):
    """A training between two epochs.

    Attributes:
        numbers: those of the parameters, in the order of `State.parameters`.
        optimizer: what the optimiser knows.
        epochs: how many were finished.
    """

    numbers: tuple[float, ...]
    optimizer: dict[str, Any]
    epochs: int


class Best(NamedTuple):
    """The lowest loss so far, and the snapshot that it was measured at."""

    loss: float
    snapshot: Snapshot
    epoch: int = 0


@dataclass
class State:
    """A training: what it changes, and how to put it back.

    Attributes:
        model: what is trained.
        optimizer: what moves the parameters.
        names: the names of the parameters in the model, in the order of the optimiser's.
        history: of the epochs that are finished.
        last: the training after the last whole epoch; at first, as it began.
        best: the lowest loss.
        best_validation: the lowest validation loss.
        ceiling: a loss above it has diverged.
    """

    model: Module
    optimizer: Optimizer
    names: list[str]
    history: History = field(default_factory=History)
    ceiling: float = math.inf

    def __post_init__(self) -> None:
        self.parameters: Sequence[Value] = self.optimizer.parameters
        own = vars(self.optimizer)
        self._lists = [name for name in own if isinstance(own[name], list) and name != "parameters"]
        self._is_plain = is_ours(type(self.optimizer))  # numbers, and lists of numbers
        start = self.snapshot()
        self.best = Best(math.inf, start)
        self.best_validation = Best(math.inf, start)
        self.commit(start)

    def numbers(self) -> tuple[float, ...]:
        """Those of the parameters now."""
        return tuple(map(_data, self.parameters))

    def snapshot(self) -> Snapshot:
        """The training as it is now."""
        return Snapshot(self.numbers(), self._copied(vars(self.optimizer)), len(self.history))

    def _copied(self, attributes: dict[str, Any]) -> dict[str, Any]:
        """The attributes of the optimiser, so that nobody else can change them."""
        if not self._is_plain:
            return copy_of(attributes, self.parameters)
        copies = dict(attributes)
        for name in self._lists:
            copies[name] = copies[name][:]
        return copies

    def restore(self, snapshot: Snapshot) -> None:
        """Put parameters and optimiser back, in one step; the history stays."""
        saved = self._copied(snapshot.optimizer) | {"parameters": self.parameters}
        write(self.parameters, snapshot.numbers, self.optimizer, __dict__=saved)

    def commit(self, snapshot: Snapshot | None = None) -> None:
        """An epoch is whole: what comes after it can be taken back to here."""
        # One assignment, so that Ctrl-C does not find one without the others.
        self._whole = snapshot or self.snapshot(), self.best, self.best_validation, self.ceiling

    @property
    def last(self) -> Snapshot:
        return self._whole[0]

    def mark(self) -> tuple[Snapshot, Best, Best, float]:
        """The training after the last whole epoch, for `return_to`."""
        return self._whole

    def return_to(self, mark: tuple[Snapshot, Best, Best, float]) -> None:
        """Forget what came after an epoch that was marked."""
        self._whole = mark
        self.roll_back()

    def roll_back(self) -> None:
        """Forget what came after the last whole epoch; where that is interrupted, it is done again."""
        last, best, best_validation, ceiling = self._whole
        self.history.cut(last.epochs)
        self.best, self.best_validation, self.ceiling = best, best_validation, ceiling
        self.restore(last)

    # ── Checkpoints ───────────────────────────────────────────────────────────────────────────────────

    def state_dict(self) -> dict[str, Any]:
        """All of it after the last whole epoch, as JSON can hold it, parameters and moments by name."""
        return {
            "training": self._written(self.last),
            "best": {
                "loss": self.best.loss,
                "epoch": self.best.epoch,
                **self._written(self.best.snapshot),
            },
            "best validation": {
                "loss": self.best_validation.loss,
                "epoch": self.best_validation.epoch,
                **self._written(self.best_validation.snapshot),
            },
            "ceiling": self.ceiling,
            "history": self.history.state_dict(),
        }

    def _written(self, snapshot: Snapshot) -> dict[str, Any]:
        settings, moments = {}, {}
        for name, thing in snapshot.optimizer.items():
            if name == "parameters":
                continue
            if isinstance(thing, list) and len(thing) == len(self.names):
                moments[name] = dict(zip(self.names, thing))
            else:
                settings[name] = thing
        return {
            "parameters": dict(zip(self.names, snapshot.numbers)),
            "optimizer": settings,
            "moments": moments,
            "epochs": snapshot.epochs,
        }

    def load_state_dict(self, content: dict[str, Any], scale: float = 1.0) -> None:
        """Take over what `state_dict` gave; on an error nothing has changed.

        Args:
            content: the state.
            scale: by which losses are larger now than in version 1, where they were in standard units.

        Raises:
            KeyError, TypeError, ValueError, OverflowError: it is damaged, or of another training.
        """
        if content["version"] == 1:
            content = self._from_version_1(content, scale)
        history = History.from_state(content["history"])
        last = self._read(content["training"])
        if last.epochs != len(history):
            raise ValueError(f"it is of {last.epochs} epochs, and its history of {len(history)}")
        best, best_validation = (
            Best(real(part["loss"]), self._read(part), _whole(part["epoch"]))
            for part in (content["best"], content["best validation"])
        )
        for lowest, losses in ((best, history.losses), (best_validation, history.validation_losses)):
            if lowest.loss not in losses and lowest.loss != math.inf:
                raise ValueError(f"the lowest loss, {lowest.loss}, is none of the history")
        ceiling = real(content["ceiling"])
        for snapshot in (last, best.snapshot, best_validation.snapshot):
            optimizer = {k: v for k, v in snapshot.optimizer.items() if k != "parameters"}
            self.optimizer.check({"optimizer": type(self.optimizer).__name__, **optimizer})
        history.backend, history.notes = self.history.backend, self.history.notes
        self.history, self.ceiling = history, ceiling
        self.best, self.best_validation = best, best_validation
        self.restore(last)
        self.commit(last)

    def _read(self, content: dict[str, Any]) -> Snapshot:
        parameters = content["parameters"]
        if parameters.keys() != {*self.names}:
            raise ValueError("its parameters are others than those of this training")
        optimizer = {**content["optimizer"], "parameters": self.parameters}
        for name, moments in content["moments"].items():
            if moments.keys() != {*self.names}:
                raise ValueError(f"its {name} are of other parameters than those of this training")
            optimizer[name] = [moments[parameter] for parameter in self.names]
        for name, thing in vars(self.optimizer).items():
            if isinstance(thing, tuple) and isinstance(optimizer.get(name), list):
                optimizer[name] = tuple(optimizer[name])
        numbers = tuple(real(parameters[name]) for name in self.names)
        return Snapshot(numbers, optimizer, _whole(content["epochs"]))

    def _from_version_1(self, content: dict[str, Any], scale: float) -> dict[str, Any]:
        """A checkpoint of version 1 in today's form: it has lists, and only one state of the optimiser."""
        lowest, best, lowest_validation, best_validation, ceiling = content["best"]
        lowest, lowest_validation, ceiling = lowest * scale, lowest_validation * scale, ceiling * scale
        history = dict(content["history"])
        for name in ("losses", "validation_losses"):
            history[name] = [loss * scale for loss in history[name]]
        optimizer = {name: thing for name, thing in content["optimizer"].items() if name != "optimizer"}

        def part(numbers: Any, epochs: int) -> dict[str, Any]:
            if len(numbers) != len(self.names):
                raise ValueError("numbers are missing")
            return self._written(Snapshot(tuple(numbers), optimizer, epochs))

        def found(loss: float, losses: list[float]) -> int:
            return losses.index(loss) + 1 if loss in losses else 0

        epoch = found(lowest, history["losses"])
        epoch_validation = found(lowest_validation, history["validation_losses"])
        return {
            "training": part(content["parameters"], len(history["losses"])),
            "best": {"loss": lowest, "epoch": epoch, **part(best, epoch)},
            "best validation": {
                "loss": lowest_validation,
                "epoch": epoch_validation,
                **part(best_validation, epoch_validation),
            },
            "ceiling": ceiling,
            "history": history,
        }


def _whole(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise ValueError(f"{number!r:.60} is no number of epochs")
    return number


_data = attrgetter("data")
