"""Inputs of very different sizes, brought to one size for training, and forgotten after it.

A first layer that sees (x − mean) / spread computes what another first layer computes from x itself:
w·(x − mean)/spread + b = (w/spread)·x + (b − w·mean/spread). So a network can be trained on standardised
inputs, and then be rewritten to take the raw ones; the same holds for a linear output.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from microgradlike.nn import MLP


@dataclass(frozen=True)
class Scaling:
    """The mean and the spread (standard deviation; 1 where that is 0) of each input and of the target."""

    means: list[float]
    spreads: list[float]
    target_mean: float = 0.0
    target_spread: float = 1.0

    @classmethod
    def of(cls, rows: Sequence[Sequence[float]], targets: Sequence[float] = ()) -> Self:
        """That of these examples; without targets, targets stay as they are."""
        columns = [_mean_and_spread(column) for column in zip(*rows)]
        target = _mean_and_spread(targets) if targets else (0.0, 1.0)
        return cls([mean for mean, _ in columns], [spread for _, spread in columns], *target)

    @classmethod
    def none(cls, inputs: int) -> Self:
        """The one that changes nothing."""
        return cls([0.0] * inputs, [1.0] * inputs)

    def inputs(self, row: Sequence[float]) -> list[float]:
        """The row in standard units."""
        return [(x - mean) / spread for x, mean, spread in zip(row, self.means, self.spreads)]

    def target(self, t: float) -> float:
        """The target in standard units."""
        return (t - self.target_mean) / self.target_spread

    def enter(self, network: MLP) -> None:
        """Rewrite a network for raw numbers into one for standard units."""
        for neuron in network.layers[0].neurons:
            neuron.b.data += math.fsum(w.data * mean for w, mean in zip(neuron.w, self.means))
            for w, spread in zip(neuron.w, self.spreads):
                w.data *= spread
        for neuron in network.layers[-1].neurons:
            neuron.b.data = (neuron.b.data - self.target_mean) / self.target_spread
            for w in neuron.w:
                w.data /= self.target_spread

    def leave(self, network: MLP) -> None:
        """Rewrite a network for standard units into one for raw numbers: the reverse of `enter`."""
        for neuron in network.layers[-1].neurons:
            neuron.b.data = neuron.b.data * self.target_spread + self.target_mean
            for w in neuron.w:
                w.data *= self.target_spread
        for neuron in network.layers[0].neurons:
            for w, spread in zip(neuron.w, self.spreads):
                w.data /= spread
            neuron.b.data -= math.fsum(w.data * mean for w, mean in zip(neuron.w, self.means))


def _mean_and_spread(numbers: Sequence[float]) -> tuple[float, float]:
    if max(numbers) == min(numbers):  # rounding makes a spread of it that no later number would respect
        return numbers[0], 1.0
    mean = math.fsum(x / len(numbers) for x in numbers)
    spread = math.hypot(*(x - mean for x in numbers)) / math.sqrt(len(numbers))
    # In units of an infinite spread nothing is left of numbers; by a tiny one, no weight can be divided.
    return (mean, spread) if 1e-300 < spread < math.inf else (0.0, 1.0)
