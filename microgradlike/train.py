"""Training: full-batch gradient descent as the document does it, with a record of how it went."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from microgradlike.engine import Value
from microgradlike.functions import sum as total
from microgradlike.nn import Module
from microgradlike.optim import Optimizer

#: An example: the inputs, and the target as the loss wants it.
Example = tuple[Sequence[float], Any]

# The losses of so many examples share one graph; their gradients add up in the leaves.
_CHUNK = 256

# A loss that has grown so many times over (and is not just a little more than 0) will not come back.
_DIVERGED = 1e6


@dataclass
class History:
    """What happened in training, epoch by epoch.

    Attributes:
        losses: the mean loss over the examples, before the update of each epoch.
        gradient_norms: the Euclidean length of the mean gradient, of each epoch.
        changes: the mean absolute change of a parameter, in each epoch.
        stopped: why training ended, as a sentence.
        reached: whether it ended because the target was reached.
        interrupted: whether it ended because of Ctrl-C.
    """

    losses: list[float] = field(default_factory=list)
    gradient_norms: list[float] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)
    stopped: str = ""
    reached: bool = False
    interrupted: bool = False

    def phases(self) -> list[tuple[str, range]]:
        """The epochs (from 0 on) of the early, the middle and the late phase.

        Early is until 10 % of the whole loss reduction has happened, late is after 90 % of it: the
        document's "large adjustments", "subtle refinements" and "fine-tuning" as numbers.

        >>> History(losses=[1.0, 0.95, 0.8, 0.5, 0.2, 0.05, 0.02, 0.0]).phases()
        [('early', range(0, 2)), ('middle', range(2, 5)), ('late', range(5, 8))]
        """
        if not self.losses:
            return []
        start, gained = self.losses[0], self.losses[0] - min(self.losses)
        middle = next(
            (i for i, loss in enumerate(self.losses) if start - loss > 0.1 * gained), len(self.losses)
        )
        late = next(
            (i for i, loss in enumerate(self.losses) if start - loss > 0.9 * gained), len(self.losses)
        )
        return [
            ("early", range(middle)),
            ("middle", range(middle, late)),
            ("late", range(late, len(self.losses))),
        ]

    def flat(self) -> bool:
        """Whether the loss has come to rest: the second half of many epochs lowered it by less than 1 %."""
        half = self.losses[len(self.losses) // 2 :]
        return len(self.losses) >= 200 and half[0] - half[-1] < 0.01 * half[0]


def gradient_descent(
    model: Module,
    examples: Sequence[Example],
    loss: Callable[[Any, Any], Value],
    optimizer: Optimizer,
    *,
    epochs: int,
    target: float | None = None,
    on_epoch: Callable[[History], None] | None = None,
) -> History:
    """Train on all examples at once: one update an epoch, along the mean of the examples' gradients.

    Args:
        model: what gives a prediction for the inputs of an example.
        examples: pairs of inputs and target.
        loss: of a prediction and a target, as in `microgradlike.losses`.
        optimizer: what moves the model's parameters.
        epochs: how many passes over the examples, at most.
        target: stop as soon as the mean loss is below this.
        on_epoch: called after each epoch with the history so far.

    A loss that is not finite, or has grown a million times over, stops the training, and the parameters
    go back to those of the lowest loss. Ctrl-C stops it too, and keeps what was learned.
    ``history.stopped`` says what happened.
    """
    history = History()
    parameters = model.parameters()
    before = best = [parameter.data for parameter in parameters]
    lowest = ceiling = math.inf
    try:
        for epoch in range(1, epochs + 1):
            optimizer.zero_grad()
            try:
                mean_loss = _accumulate(model, examples, loss)
                norm = math.hypot(*(parameter.grad for parameter in parameters))
                fine = math.isfinite(mean_loss) and math.isfinite(norm) and mean_loss <= ceiling
                problem = "" if fine else f"the loss is {mean_loss:g}"
            except (ArithmeticError, ValueError) as error:
                problem = str(error)
            if problem:
                _restore(parameters, best)
                history.stopped = (
                    f"it diverged in epoch {epoch}: {problem}. The parameters are those of the lowest "
                    f"loss; try a smaller learning rate than {optimizer.lr:g}"
                )
                return history
            before = [parameter.data for parameter in parameters]
            if mean_loss < lowest:
                lowest, best = mean_loss, before
            if not history.losses:
                ceiling = _DIVERGED * max(abs(mean_loss), 1.0)
            history.losses.append(mean_loss)
            history.gradient_norms.append(norm)
            if target is not None and mean_loss < target:
                history.changes.append(0.0)
                history.reached = True
                history.stopped = f"the target was reached: loss {mean_loss:.4g} is below {target:g}"
                return history
            optimizer.step()
            moves = (abs(parameter.data - number) for parameter, number in zip(parameters, before))
            history.changes.append(math.fsum(moves) / len(parameters))
            if on_epoch:
                on_epoch(history)
    except KeyboardInterrupt:
        if len(history.changes) < len(history.losses):  # in the middle of an update
            _restore(parameters, before)
            del history.losses[-1:], history.gradient_norms[len(history.losses) :]
        history.interrupted = True
        history.stopped = f"it was interrupted after epoch {len(history.losses)}"
        return history
    history.stopped = f"the limit was reached, {epochs} epochs"
    return history


def _accumulate(model: Any, examples: Sequence[Example], loss: Callable[[Any, Any], Value]) -> float:
    """The mean loss; its gradient is added to that of the parameters."""
    mean = 0.0
    for start in range(0, len(examples), _CHUNK):
        losses = [loss(model(x), t) for x, t in examples[start : start + _CHUNK]]
        share = total(losses) / len(examples)
        share.backward()
        mean += share.data
    return mean


def _restore(parameters: Sequence[Value], numbers: Sequence[float]) -> None:
    for parameter, number in zip(parameters, numbers):
        parameter.data = number
