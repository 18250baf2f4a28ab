"""Losses: how far predictions are from their targets, as one Value to go backward from.

Predictions and targets are single numbers or Values, or lists of the same length. Unless a docstring
says otherwise, the loss of a list is the mean over its elements, as in PyTorch.

All losses keep the same contract. Both arguments are lists (of any kind, or iterators), or neither is. A
prediction is any real number, but for a probability; one that is not finite, or too large, gives a loss
that is not finite, and no error. A target must be one that the loss has a meaning for: `WANTED` says which.
"""

from collections.abc import Callable, Mapping, Sequence, Set, Sized
from dataclasses import dataclass
from typing import Any, SupportsFloat, TypeAlias

from microgradlike import ops
from microgradlike.engine import Value, as_inputs, as_value, numbered, record
from microgradlike.functions import relu
from microgradlike.ops import Op

#: The loss of one example: of a prediction and a target.
Loss: TypeAlias = Callable[[Any, Any], Value]
Numbers: TypeAlias = SupportsFloat | Sequence[SupportsFloat]


@dataclass(frozen=True)
class Wanted:
    """The numbers that a loss takes as targets, or as predictions.

    Attributes:
        what: these numbers, in words.
        fits: whether a number is one of them.
        instead: what to write where others are meant, given the wrong number; None if nobody can know.
    """

    what: str
    fits: Callable[[float], bool]
    instead: Callable[[float], str] | None = None

    def check(self, loss: str, role: str, values: Sequence[Value]) -> None:
        """Refuse values that are none of these numbers.

        Raises:
            ValueError: with the name of the loss, the first wrong number, and what to write.
        """
        for value in values:
            number = float(value.data)
            if not self.fits(number):
                wrong = f"{value.name} = {number:g}" if value.name else f"{number:g}"
                hint = self.instead(number) if self.instead else ""
                raise ValueError(
                    f"the {role} of {loss} are {self.what}, not {wrong}" + (f": {hint}" if hint else "")
                )


def _for_signs(target: float) -> str:
    return "for -1 and 1 write (t + 1) / 2, or take hinge_loss" if target == -1 else ""


def _for_zero(target: float) -> str:
    return "for 0 and 1 write 2 * t - 1" if target == 0 else ""


def _for_logits(prediction: float) -> str:  # noqa: ARG001  # whatever it is
    return "of logits there is binary_cross_entropy_with_logits"


_PROBABILITIES = Wanted("from 0 to 1", lambda t: 0 <= t <= 1, _for_signs)

#: The targets of each loss that does not take any number. Those of `cross_entropy` depend on the logits.
WANTED = {
    "binary_cross_entropy": _PROBABILITIES,
    "binary_cross_entropy_with_logits": _PROBABILITIES,
    "hinge_loss": Wanted("-1 and 1", lambda t: t in {-1.0, 1.0}, _for_zero),
}

#: The predictions, of a loss that does not take any number. (nan is what training has come to: no error.)
_PREDICTED = {
    "binary_cross_entropy": Wanted(
        "probabilities, from 0 to 1",
        lambda p: not (p < 0 or p > 1),
        _for_logits,
    )
}


def half_squared_error(y: Numbers, t: Numbers) -> Value:
    """L = ½(y − t)², so that ∂L/∂y = y − t; for lists the sum, not the mean: L = ½ Σ (yᵢ − tᵢ)².

    Args:
        y: the prediction, a Value or a number; or a list of them.
        t: the target; or a list, as long as that of y.

    Raises:
        TypeError: one of them is a list and the other is not.
        ValueError: the lists are empty, or one is longer than the other.

    Source: Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors" (1986).

    >>> half_squared_error(Value(0.75), 1.0).data
    0.03125
    """
    predictions, targets = _predictions_and_targets("half_squared_error", y, t)
    return record(ops.half_squared_error, (*predictions, *targets))


def mse_loss(y: Numbers, t: Numbers) -> Value:
    """Mean squared error, (1/n) Σ (yᵢ − tᵢ)²; PyTorch's ``mse_loss``.

    Args:
        y: the prediction, a Value or a number; or a list of n of them.
        t: the target; or a list, as long as that of y.

    Raises:
        TypeError: one of them is a list and the other is not.
        ValueError: the lists are empty, or one is longer than the other.

    Source: Gauss, "Theoria combinationis observationum erroribus minimis obnoxiae" (1823).

    >>> mse_loss([Value(1.0), Value(2.0)], [1.0, 4.0]).data
    2.0
    """
    return _of_all(ops.mean, [record(ops.square, (y - t,)) for y, t in _pairs("mse_loss", y, t)])


def binary_cross_entropy(p: Numbers, t: Numbers) -> Value:
    """−t·log(p) − (1 − t)·log(1 − p), for probabilities p; PyTorch's ``binary_cross_entropy``.

    Where the network can give logits, `binary_cross_entropy_with_logits` is more exact.

    Args:
        p: a probability, from 0 to 1, or a list of them: then the mean.
        t: the target, from 0 to 1, usually one of the two; or a list, as long as that of p.

    Raises:
        ValueError: a p or a t is outside of [0, 1]; or the loss is infinite, since p is exactly the
            opposite of a sure target. PyTorch gives 100 there; `binary_cross_entropy_with_logits` gives
            the loss and its gradient.
        TypeError, ValueError: as `half_squared_error`.

    Source: Bishop, "Pattern Recognition and Machine Learning" (2006), equation 4.90.

    >>> round(binary_cross_entropy(Value(0.5), 1.0), 12)
    0.69314718056
    """
    return _of_all(
        ops.mean, [record(ops.binary_cross_entropy, pair) for pair in _pairs("binary_cross_entropy", p, t)]
    )


def binary_cross_entropy_with_logits(z: Numbers, t: Numbers) -> Value:
    """t·softplus(−z) + (1 − t)·softplus(z), the binary cross-entropy of p = σ(z), for any finite z.

    PyTorch's ``binary_cross_entropy_with_logits``. Nothing overflows and, as no term is negative,
    nothing cancels: all digits are right also where σ(z) is next to 0 or 1.

    Args:
        z: a logit, any finite number, or a list of them: then the mean.
        t: the target, from 0 to 1, usually one of the two; or a list, as long as that of z.

    Raises:
        ValueError: a t is outside of [0, 1].
        TypeError, ValueError: as `half_squared_error`.

    Source: log σ(z) = −softplus(−z) in the definition of `binary_cross_entropy`.

    >>> binary_cross_entropy_with_logits(Value(1000.0), 0.0).data
    1000.0
    """
    pairs = _pairs("binary_cross_entropy_with_logits", z, t)
    return _of_all(ops.mean, [record(ops.binary_cross_entropy_with_logits, pair) for pair in pairs])


def cross_entropy(logits: Sequence[Any], target: SupportsFloat | Sequence[SupportsFloat]) -> Value:
    """−log softmax(logits)[target], for any finite logits; PyTorch's ``cross_entropy``.

    Args:
        logits: one for each class; or a list of such lists, one for each example: then the mean.
        target: the index of the right class, from 0 on, as a number or a Value; or a list of them.

    Raises:
        TypeError: the logits are no list; or the targets are a list and the logits no list of lists.
        ValueError: a target is no index of a class, or there is not one for each example.

    Source: Bridle, "Probabilistic interpretation of feedforward classification network outputs" (1990).

    >>> cross_entropy([Value(0.0), Value(1000.0)], 0).data
    1000.0
    """
    logits, target = _listed(logits), _listed(target)
    if not isinstance(target, Sized):
        return _cross_entropy(logits, target)
    logits = [*map(_listed, logits)] if isinstance(logits, list | tuple) else logits
    if not all(isinstance(row, Sized) for row in logits):
        raise TypeError(
            "for a list of targets, logits must be a list of lists, one for each example; "
            "for one example, the target is the number of its class"
        )
    if len(logits) != len(target) or len(target) == 0:
        raise ValueError(f"there are {len(logits)} examples, but {len(target)} targets")
    return _of_all(ops.mean, [_cross_entropy(row, index) for row, index in zip(logits, target)])


def _cross_entropy(logits: Sequence[SupportsFloat], target: Any) -> Value:
    if not isinstance(logits, Sized):
        raise TypeError(
            "cross_entropy takes a list of logits, one for each class; for one output and two classes "
            "there is binary_cross_entropy_with_logits"
        )
    if not len(logits):
        raise ValueError("cross_entropy needs a logit for each class, and got none")
    if (target.data if isinstance(target, Value) else target) not in range(len(logits)):
        raise ValueError(
            f"the target {target!r} is no class: with {len(logits)} logits, 0 is the first and "
            f"{len(logits) - 1} the last"
        )
    t = target if isinstance(target, Value) else Value(target, "t")
    return record(ops.cross_entropy, (*map(as_value, logits), t))


def hinge_loss(score: Numbers, t: Numbers) -> Value:
    """max(0, 1 − t·score), for targets −1 and 1.

    Args:
        score: what is to be above 1 for the target 1, below −1 for −1; or a list: then the mean.
        t: the target; or a list, as long.

    Raises:
        ValueError: a target is neither −1 nor 1.
        TypeError, ValueError: as `half_squared_error`.

    Source: Cortes, Vapnik, "Support-vector networks" (1995).

    >>> hinge_loss(Value(0.25), 1).data
    0.75
    """
    return _of_all(ops.mean, [relu(1 - t * s) for s, t in _pairs("hinge_loss", score, t)])


def usual_loss(outputs: Any, target: Any) -> Callable[[Any, Any], Value]:
    """The loss that suits these outputs and this target: cross_entropy for a class, else ½(y − t)².

    Args:
        outputs: what the model gives for an example, one Value or a list of them.
        target: what it is to give; an int, where there are several outputs, is the index of a class.

    >>> usual_loss([Value(0.0), Value(1.0)], 1).__name__, usual_loss(Value(0.0), 1).__name__
    ('cross_entropy', 'half_squared_error')
    """
    several = isinstance(outputs, list | tuple) and len(outputs) > 1
    return cross_entropy if several and isinstance(target, int) else half_squared_error


def _of_all(op: Op, terms: list[Value]) -> Value:
    return terms[0] if len(terms) == 1 else record(op, tuple(terms))


def _pairs(loss: str, predictions: Any, targets: Any) -> list[tuple[Value, Value]]:
    return [*zip(*_predictions_and_targets(loss, predictions, targets))]


def _predictions_and_targets(loss: str, predictions: Any, targets: Any) -> tuple[list[Value], list[Value]]:
    """Both as lists of Values that the loss takes; a target that is a plain number is an input named t."""
    if type(predictions) is Value and type(targets) is float:  # the usual case, in less time
        lists = False, False
    else:
        predictions, targets = _listed(predictions), _listed(targets)
        lists = _is_list(predictions), _is_list(targets)
    if lists == (False, False):
        values = [as_value(predictions)]
        wanted = as_inputs((targets,), ("t",))
    elif lists != (True, True):
        raise TypeError(
            "predictions and targets must be two numbers or two lists, not one of each: for several "
            "outputs and the number of a class there is cross_entropy"
        )
    elif len(predictions) != len(targets) or len(targets) == 0:
        raise ValueError(f"there are {len(predictions)} predictions and {len(targets)} targets")
    else:
        values = [y if type(y) is Value else as_value(y) for y in predictions]
        wanted = as_inputs(targets, numbered("t", len(targets)))
    if loss in WANTED:
        WANTED[loss].check(loss, "targets", wanted)
    if loss in _PREDICTED:
        _PREDICTED[loss].check(loss, "predictions", values)
    return values, wanted


def _is_list(numbers: Any) -> bool:
    if not hasattr(numbers, "__len__") or isinstance(numbers, str | bytes):
        return False
    return getattr(numbers, "shape", None) != ()  # as an array without an axis has it


def _listed(numbers: Any) -> Any:
    """An iterator as a list, since it has no length and is empty the second time; else the same thing.

    Raises:
        TypeError: it is a dict or a set, whose members have no order to go by.
    """
    if isinstance(numbers, Mapping | Set):
        raise TypeError(f"a loss takes numbers or lists of them, not {numbers!r:.60}")
    return [*numbers] if hasattr(numbers, "__next__") else numbers
