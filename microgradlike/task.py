"""The task of a model: which classes its outputs stand for, and what one output says of two classes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Task:
    """The meaning of a model's outputs. `microgradlike.training.task` decides it, once, from the data.

    Attributes:
        classes: the classes that the outputs stand for, as they were given: words, whole numbers, or
            False and True; empty if outputs are numbers to be met, or if nobody named any classes.
        threshold: above it, one output stands for the second of two classes; None: not known.

    >>> task = Task(("no", "yes"), 0.5)
    >>> task.class_of([0.7]), task.class_of([0.1, 0.9])
    (1, 1)
    """

    classes: tuple[Any, ...] = ()
    threshold: float | None = None

    def class_of(self, outputs: Sequence[float], threshold: float = 0.0) -> int:
        """The place of the class that the outputs of one example stand for.

        Args:
            outputs: a number for each output.
            threshold: what counts where the task knows no threshold.

        Raises:
            ValueError: an output is nan, which stands for nothing.
        """
        if any(map(math.isnan, outputs)):
            raise ValueError("the output is nan, which stands for no class")
        if len(outputs) > 1:
            return outputs.index(max(outputs))
        return int(outputs[0] > (threshold if self.threshold is None else self.threshold))

    def state_dict(self) -> dict[str, Any]:
        """The task as JSON can hold it: as much of it as is known."""
        state: dict[str, Any] = {}
        if self.classes:
            state["classes"] = list(self.classes)
        if self.threshold is not None:
            state["threshold"] = self.threshold
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The task of this `state_dict`; other keys are passed over.

        Raises:
            ValueError: the classes or the threshold are none.
        """
        classes, threshold = state.get("classes", []), state.get("threshold")
        if not isinstance(classes, list) or not {*map(type, classes)} <= {str, int, bool}:
            raise ValueError(
                f"its classes are {classes!r:.60}, not a list of words, whole numbers, or False and True"
            )
        if len(set(classes)) < len(classes):
            raise ValueError(f"its classes are {classes!r:.60}, where one stands twice")
        if threshold is not None and not (
            type(threshold) in {int, float} and -math.inf < threshold < math.inf
        ):
            raise ValueError(f"its threshold is {threshold!r:.60}, not a finite number")
        return cls(tuple(classes), threshold)
