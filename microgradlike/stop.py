"""When training ends: rules that look at the history after each epoch, and combine with | and &.

>>> from microgradlike.history import History
>>> rule = TargetLoss(0.1) | NoProgress(patience=2)
>>> rule(History(losses=[0.5, 0.4]))
''
>>> rule(History(losses=[0.5, 0.4, 0.41, 0.42]))
'no progress: the loss was lowest in epoch 2 (0.4), and is 0.42 now, 2 epochs later'
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from microgradlike.checks import real
from microgradlike.history import History

__all__ = [
    "AllOf",
    "AnyOf",
    "GradientNorm",
    "NoProgress",
    "Rule",
    "TargetLoss",
    "TimeLimit",
    "ValidationRises",
]


def __dir__() -> list[str]:
    """What completion offers."""
    return [*__all__, "__doc__"]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        from microgradlike.elsewhere import missing

        raise missing(f"module {__name__!r}", name, __all__, f"dir({__name__}) lists what it has")


class Rule(ABC):
    """Says whether training is to end: called with the history, it gives the reason, or an empty string.

    Rules look at nothing but the history, so an interrupted training goes on as if nothing had happened.
    ``a | b`` ends the training if one of the two would, ``a & b`` if both would.

    >>> from microgradlike.history import History
    >>> class Epochs(Rule):
    ...     def __call__(self, history):
    ...         return "two epochs are enough" if len(history) >= 2 else ""
    >>> Epochs()(History(losses=[0.5])), Epochs()(History(losses=[0.5, 0.4]))
    ('', 'two epochs are enough')
    """

    #: Whether the rule looks at validation losses.
    validates = False
    #: Whether the training is to end with the parameters of the lowest validation loss.
    restores_best = False

    @abstractmethod
    def __call__(self, history: History) -> str:
        """Why to stop now, in words; empty: go on.

        Args:
            history: what has happened so far, one epoch or more.
        """

    @property
    def name(self) -> str:
        """What `History.rule` says if this rule ended the training."""
        return type(self).__name__

    def fired(self, history: History) -> "Rule | None":
        """The rule that has a reason: this one, or one that it is made of; None if there is none.

        Args:
            history: what has happened so far, one epoch or more.
        """
        verdict = self.verdict(history)
        return verdict[0] if verdict else None

    def verdict(self, history: History) -> "tuple[Rule, str] | None":
        """The rule that has a reason, as `fired` gives it, and the reason; None: go on.

        Args:
            history: what has happened so far, one epoch or more.
        """
        reason = self(history)
        return (self, reason) if reason else None

    def __or__(self, other: "Rule") -> "Rule":
        return AnyOf((self, other)) if isinstance(other, Rule) else NotImplemented

    def __and__(self, other: "Rule") -> "Rule":
        return AllOf((self, other)) if isinstance(other, Rule) else NotImplemented


@dataclass(frozen=True)
class TargetLoss(Rule):
    """The loss is small enough.

    Args:
        below: the loss to get below, in the user's units; the mean over the examples counts.

    Raises:
        ValueError: below is no number.

    >>> from microgradlike.history import History
    >>> TargetLoss(0.1)(History(losses=[0.5, 0.0625]))
    'the target was reached: loss 0.0625 is below 0.1'
    """

    below: float

    def __post_init__(self) -> None:
        _check_number("TargetLoss", "below", self.below, least=-math.inf)

    def __call__(self, history: History) -> str:
        loss = history.losses[-1]
        return f"the target was reached: loss {loss:.4g} is below {self.below:g}" * (loss < self.below)


@dataclass(frozen=True)
class NoProgress(Rule):
    """The loss has come to rest.

    Args:
        patience: so many epochs without progress are enough, from 1 on.
        min_delta: progress is to get below the lowest loss before them by more than this, in the units of
            the loss.

    Raises:
        ValueError: patience is no whole number from 1 on, or min_delta no number from 0 on.

    >>> from microgradlike.history import History
    >>> NoProgress(patience=2)(History(losses=[0.5, 0.25, 0.25, 0.25]))
    'no progress: the loss was lowest in epoch 2 (0.25), and is 0.25 now, 2 epochs later'
    """

    patience: int = 100
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        _check_patience("NoProgress", self.patience)
        _check_number("NoProgress", "min_delta", self.min_delta)

    def __call__(self, history: History) -> str:
        best = _best_long_ago(history.losses, self.patience, self.min_delta)
        if best is None:
            return ""
        return f"no progress: {_not_lowered('loss', history.losses, best, self.min_delta)}"


@dataclass(frozen=True)
class ValidationRises(Rule):
    """The loss of the examples that are not trained on no longer falls: early stopping.

    Args:
        patience: so many epochs that do not get below the lowest loss before them are enough, from 1 on.
        min_delta: below means by more than this, in the units of the loss.
        restore_best: whether the training ends with the parameters of the lowest validation loss.

    Raises:
        ValueError: patience is no whole number from 1 on, min_delta no number from 0 on, or restore_best
            neither True nor False.

    Source: Prechelt, "Early stopping – but when?" (1998).

    >>> from microgradlike.history import History
    >>> ValidationRises(patience=1)(History(validation_losses=[0.5, 0.25, 0.375]))
    'the validation loss was lowest in epoch 2 (0.25), and is 0.375 now, 1 epoch later'
    """

    patience: int = 10
    min_delta: float = 0.0
    restore_best: bool = True

    validates = True

    def __post_init__(self) -> None:
        if not isinstance(self.restore_best, bool):
            raise ValueError(f"ValidationRises: restore_best is True or False, not {self.restore_best!r}")
        _check_patience("ValidationRises", self.patience)
        _check_number("ValidationRises", "min_delta", self.min_delta)

    @property
    def restores_best(self) -> bool:  # type: ignore[override]
        return self.restore_best

    def __call__(self, history: History) -> str:
        best = _best_long_ago(history.validation_losses, self.patience, self.min_delta)
        if best is None:
            return ""
        return _not_lowered("validation loss", history.validation_losses, best, self.min_delta)


@dataclass(frozen=True)
class GradientNorm(Rule):
    """The gradient is next to zero: a minimum, or a plateau.

    Args:
        below: the Euclidean length of the gradient to get below; the mean over the epoch's batches counts.
            Where the model has units, it is the gradient of the loss in standard units.

    Raises:
        ValueError: below is no number from 0 on.

    >>> from microgradlike.history import History
    >>> GradientNorm(0.01)(History(gradient_norms=[0.5, 0.001]))
    "the gradient's norm 0.001 is below 0.01"
    """

    below: float

    def __post_init__(self) -> None:
        _check_number("GradientNorm", "below", self.below)

    def __call__(self, history: History) -> str:
        norm = history.gradient_norms[-1]
        return f"the gradient's norm {norm:.4g} is below {self.below:g}" * (norm < self.below)


@dataclass(frozen=True)
class TimeLimit(Rule):
    """Enough time has passed; the epoch that has begun is finished.

    Args:
        seconds: of training, those before an interruption included.

    Raises:
        ValueError: seconds is no number from 0 on.

    >>> from microgradlike.history import History
    >>> TimeLimit(60)(History(seconds=[31.0, 62.0]))
    '62.0 seconds have passed, the limit is 60'
    """

    seconds: float

    def __post_init__(self) -> None:
        _check_number("TimeLimit", "seconds", self.seconds)

    def __call__(self, history: History) -> str:
        took = history.seconds[-1]
        return f"{took:.1f} seconds have passed, the limit is {self.seconds:g}" * (took >= self.seconds)


@dataclass(frozen=True)
class _Several(Rule):
    rules: tuple[Rule, ...]

    @property
    def validates(self) -> bool:  # type: ignore[override]
        return any(rule.validates for rule in self.rules)

    @property
    def restores_best(self) -> bool:  # type: ignore[override]
        return any(rule.restores_best for rule in self.rules)


class AnyOf(_Several):
    """One of several rules has a reason; `a | b` makes it.

    Args:
        rules: a tuple of rules.

    >>> from microgradlike.history import History
    >>> AnyOf((TargetLoss(0.1), TimeLimit(60)))(History(losses=[0.5], seconds=[62.0]))
    '62.0 seconds have passed, the limit is 60'
    """

    def __call__(self, history: History) -> str:
        return next(filter(None, (rule(history) for rule in self.rules)), "")

    def verdict(self, history: History) -> tuple[Rule, str] | None:
        return next(filter(None, (rule.verdict(history) for rule in self.rules)), None)


class AllOf(_Several):
    """Each of several rules has a reason; `a & b` makes it.

    Args:
        rules: a tuple of rules.

    >>> from microgradlike.history import History
    >>> AllOf((TargetLoss(0.1), TimeLimit(60)))(History(losses=[0.5], seconds=[62.0]))
    ''
    """

    def __call__(self, history: History) -> str:
        reasons = [rule(history) for rule in self.rules]
        return ", and ".join(reasons) if all(reasons) else ""

    @property
    def name(self) -> str:
        return " & ".join(rule.name for rule in self.rules)


def _best_long_ago(losses: Sequence[float], patience: int, min_delta: float) -> int | None:
    """The epoch (from 0 on) of the lowest loss, unless the last epochs have got below it."""
    before, since = losses[:-patience], losses[-patience:]
    if before and math.isnan(min(before) + min(since)):  # nan is no progress
        losses = [math.inf if math.isnan(loss) else loss for loss in losses]
        before, since = losses[:-patience], losses[-patience:]
    if not before or min(since) < min(before) - min_delta:
        return None
    return losses.index(min(before))


def _not_lowered(what: str, losses: Sequence[float], best: int, min_delta: float) -> str:
    since = len(losses) - 1 - best
    if min(losses) < losses[best]:
        return (
            f"the {what} was {losses[best]:.4g} in epoch {best + 1}, and the {since} epochs since have "
            f"lowered it by no more than {min_delta:g}, to {min(losses):.4g}"
        )
    return (
        f"the {what} was lowest in epoch {best + 1} ({losses[best]:.4g}), and is {losses[-1]:.4g} now, "
        f"{since} epoch{'s' * (since != 1)} later"
    )


def _check_patience(rule: str, patience: int) -> None:
    if not isinstance(patience, int) or isinstance(patience, bool) or patience < 1:
        raise ValueError(f"{rule}: patience is a number of epochs from 1 on, not {patience!r}")


def _check_number(rule: str, name: str, number: float, least: float = 0.0) -> None:
    try:
        fits = not isinstance(number, bool) and real(number) >= least
    except (TypeError, OverflowError):
        fits = False
    if not fits:
        from_on = " from 0 on" if least == 0 else ""
        raise ValueError(f"{rule}: {name} is a number{from_on}, not {number!r}")
