"""What happened in training, epoch by epoch, and how it splits into an early, a middle and a late phase."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from microgradlike import ops
from microgradlike.engine import real


@dataclass(repr=False)
class History:
    """What happened in training; every list has a number for each epoch.

    `fit` returns it. The attributes are the arguments too, all optional.

    Attributes:
        losses: the mean loss over the examples, in the user's units: if all are one batch, before the
            update, else the mean over the batches, each before its own update.
        validation_losses: the mean loss over the examples that are not trained on: where the others are
            one batch, before the update, else after the epoch's updates. Empty if there are none.
        gradient_norms: the Euclidean length of the gradient that the parameters move along, over all
            parameters; of several batches the mean. Where the model has units, it is that of the loss in
            standard units.
        changes: the mean over the parameters of |w after the epoch − w before it|; 0 for a last epoch
            that ended before its update.
        seconds: from the beginning of the training to the end of the epoch, callbacks included.
        rule: what ended the training: the name of a rule of `microgradlike.stop`, "epochs", "callback",
            "Ctrl-C" or "not finite".
        stopped: the same as a sentence, with numbers.
        backend: what computed the gradients: a backend of `compile`, or "eager", Value by Value.
        notes: what else there is to know, in sentences: why it was not compiled, by what the loss was
            divided.

    >>> History(losses=[1.0, 0.5, 0.25], changes=[0.3, 0.2, 0.1], stopped="the limit was reached, 3 epochs")
    3 epochs: the limit was reached, 3 epochs.
      phase    epochs           mean loss              mean |Δw| an epoch
      early    1 to 1           1.000000 → 1.000000    0.300000
      middle   2 to 2           0.500000 → 0.500000    0.200000
      late     3 to 3           0.250000 → 0.250000    0.100000
    """

    losses: list[float] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)
    gradient_norms: list[float] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    rule: str = ""
    stopped: str = ""
    backend: str = ""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.losses)

    def __bool__(self) -> bool:
        return True

    def cut(self, epochs: int) -> None:
        """Forget all epochs but the first so many.

        Args:
            epochs: how many to keep.

        >>> history = History(losses=[1.0, 0.5, 0.25])
        >>> history.cut(2)
        >>> history.losses
        [1.0, 0.5]
        """
        for thing in vars(self).values():
            if isinstance(thing, list):
                del thing[epochs:]

    def state_dict(self) -> dict[str, Any]:
        """All attributes by name, the lists as copies: what JSON can hold, and `from_state` takes.

        >>> History(losses=[1.0]).state_dict()["losses"]
        [1.0]
        """
        return {name: [*thing] if isinstance(thing, list) else thing for name, thing in vars(self).items()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The history that gave this `state_dict`.

        Args:
            state: what `state_dict` gave, or the same read from JSON.

        Raises:
            TypeError, ValueError, OverflowError: it is none.

        >>> len(History.from_state(History().state_dict()))
        0
        """
        if not isinstance(state, Mapping) or state.keys() | {"notes"} != vars(cls()).keys():
            raise ValueError("this is no history")
        notes = tuple(state.get("notes", ()))  # a list in JSON, and none in a file of version 1
        if not {*map(type, notes)} <= {str}:
            raise TypeError(f"notes are {notes!r:.60}")
        things: dict[str, Any] = {
            name: [*map(real, thing)] if isinstance(thing, list) else thing
            for name, thing in state.items()
            if name != "notes"
        }
        things["notes"] = notes
        history = cls(**things)
        epochs = len(history.losses)
        for name, empty in vars(cls()).items():
            thing = getattr(history, name)
            if type(thing) is not type(empty):
                raise TypeError(f"{name} is {thing!r:.60}")
            if isinstance(thing, list) and len(thing) != epochs and (thing or name != "validation_losses"):
                raise ValueError(f"{name} does not have a number for each of {epochs} epochs")
        return history

    def phases(self) -> list[tuple[str, range]]:
        """The epochs (from 0 on) of the early, the middle and the late phase.

        Early is until 10 % of the whole loss reduction has happened, late is after 90 % of it. (It is
        often said that weights move far in early epochs, less in the middle, and least in late ones:
        `changes_by_phase` has the numbers.)

        >>> History(losses=[1.0, 0.95, 0.8, 0.5, 0.2, 0.05, 0.02, 0.0]).phases()
        [('early', range(0, 2)), ('middle', range(2, 5)), ('late', range(5, 8))]
        """
        if not self.losses:
            return []
        start, gained = self.losses[0], self.losses[0] - min(self.losses)
        ends = [
            next((i for i, loss in enumerate(self.losses) if start - loss > share * gained), len(self))
            for share in (0.1, 0.9)
        ]
        return [
            ("early", range(ends[0])),
            ("middle", range(*ends)),
            ("late", range(ends[1], len(self))),
        ]

    def changes_by_phase(self) -> dict[str, float]:
        """The mean of `changes` in each phase that has epochs.

        >>> History(losses=[1.0, 0.5, 0.0], changes=[0.25, 0.75, 0.5]).changes_by_phase()
        {'early': 0.25, 'middle': 0.75, 'late': 0.5}
        """
        if len(self.changes) < len(self):
            return {}
        return {
            phase: ops.mean(*(self.changes[i] for i in epochs)) for phase, epochs in self.phases() if epochs
        }

    def flat(self) -> bool:
        """Whether the loss has come to rest: the second half of 200 epochs or more lowered it by < 1 %.

        >>> History(losses=[1.0] + [0.25] * 199).flat(), History(losses=[0.25] * 100).flat()
        (True, False)
        """
        half = self.losses[len(self.losses) // 2 :]
        return len(self.losses) >= 200 and half[0] - half[-1] < 0.01 * half[0]

    def table(self) -> str:
        """A line for each phase: its epochs (from 1 on), the loss, and the mean change of a weight.

        The example of `History` shows it.
        """
        lines = ["  phase    epochs           mean loss              mean |Δw| an epoch"]
        changes = self.changes_by_phase()
        for phase, epochs in self.phases():
            if epochs:
                span = f"{epochs[0] + 1} to {epochs[-1] + 1}"
                loss = f"{_short(self.losses[epochs[0]])} → {_short(self.losses[epochs[-1]])}"
                moved = changes.get(phase)
                change = "–" if moved is None else _short(moved)
                lines.append(f"  {phase:7}  {span:15}  {loss:21}  {change}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        epochs = f"{len(self)} epoch{'s' * (len(self) != 1)}"
        sentences = [f"{epochs}: {self.stopped or 'not stopped yet'}.", *self.notes]
        text = "\n".join(textwrap.fill(sentence, 100) for sentence in sentences)
        return f"{text}\n{self.table()}" if self.losses else text


def _short(number: float) -> str:
    """Six decimals; of what is larger or smaller than they show, four significant digits."""
    return f"{number:.6f}" if number == 0 or 1e-4 <= abs(number) < 1e6 else f"{number:.4g}"
