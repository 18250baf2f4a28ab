"""Agreement: whether compiled code still computes what the user's own code computes.

A compiled loss is what one call of the user's function did. Another call may do something else: it may draw
random numbers, read a variable that a schedule changes, or branch on a number. This file finds that out:
random generators that a call moves, and traces that differ.
"""

import gc
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FunctionType
from typing import Any

from microgradlike.compile.trace import signature, trace
from microgradlike.engine import topological_order
from microgradlike.nn import MLP, Layer, Module, Neuron


def is_ours(thing: Any) -> bool:
    """Whether an object, a function or a class is this package's own."""
    if isinstance(thing, FunctionType):  # where it was written: `functools.wraps` copies ``__module__``
        module = thing.__globals__.get("__name__")
    else:
        module = (thing if isinstance(thing, type) else type(thing)).__module__
    return isinstance(module, str) and module.partition(".")[0] == "microgradlike"


def is_our_network(model: Module) -> bool:
    """Whether a model runs this package's code alone: no subclass, no layer or neuron of the user's own."""
    if type(model) is Neuron:
        return not any(map(callable, vars(model).values()))
    if type(model) is Layer:
        return all(type(neuron) is Neuron for neuron in model.neurons)
    return type(model) is MLP and all(
        type(layer) is Layer and is_our_network(layer) for layer in model.layers
    )


# ── Random numbers ────────────────────────────────────────────────────────────────────────────────────


class Generators:
    """The random generators that there are: Python's and numpy's, the global ones and the private ones."""

    def __init__(self) -> None:
        kinds: tuple[type, ...] = (random.Random,)
        if numpy_random := sys.modules.get("numpy.random"):
            kinds = (*kinds, numpy_random.BitGenerator)
        self._all: list[Any] = [
            thing
            for thing in gc.get_objects()
            if isinstance(thing, kinds) and not isinstance(thing, random.SystemRandom)
        ]

    def states(self) -> list[Any]:
        """What each of them will give, as `restore` takes it."""
        return [g.getstate() if isinstance(g, random.Random) else g.state for g in self._all]

    def moved_since(self, states: Sequence[Any]) -> bool:
        """Whether one of them has given a number since."""
        return [*map(_plain, states)] != [*map(_plain, self.states())]

    def restore(self, states: Sequence[Any]) -> None:
        """Let each go on from that state."""
        for generator, state in zip(self._all, states):
            if isinstance(generator, random.Random):
                generator.setstate(state)
            else:
                generator.state = state


@contextmanager
def undisturbed() -> Iterator[None]:
    """Random numbers that are drawn within it are drawn again after it."""
    generators = Generators()
    states = generators.states()
    try:
        yield
    finally:
        generators.restore(states)


def _plain(state: Any) -> Any:
    """A state as something that can be compared: arrays as bytes."""
    if isinstance(state, dict):
        return {name: _plain(thing) for name, thing in state.items()}
    return state.tobytes() if hasattr(state, "tobytes") else state


# ── Traces ────────────────────────────────────────────────────────────────────────────────────────────


class DisagreementError(Exception):
    """Compiled code would compute something else than the user's code; the message says why."""


class Traces:
    """The traces of a function of an example, which must be alike for compiled code to be right.

    Args:
        function: of the inputs and the target of an example.
        example: such a pair, which is traced twice.

    Attributes:
        size: how many values the graph of an example has.

    Raises:
        DisagreementError: the two traces differ, or random numbers were drawn; their states are restored.
        Exception: what the function raised.
    """

    def __init__(self, function: Callable[..., Any], example: Sequence[Any]) -> None:
        self._function = function
        generators = Generators()
        states = generators.states()
        first, inputs, _ = trace(function, example)
        second, others, _ = trace(function, example)
        moved = generators.moved_since(states)
        if moved:
            generators.restore(states)
            raise DisagreementError("it draws random numbers, which compiled code would do once")
        again = {*topological_order(second)}
        self.size = len(topological_order(first))
        #: Leaves that a call does not make anew: their data are read whenever the compiled code runs.
        self._leaves = [v for v in topological_order(first) if not v.op and v in again]
        self._signature = signature(first, inputs, self._leaves)
        if signature(second, others, self._leaves) != self._signature:
            raise DisagreementError("two calls for the same example compute something different")

    def check(self, example: Sequence[Any]) -> None:
        """Trace another example, and compare.

        Raises:
            DisagreementError: something else is computed now.
        """
        try:
            loss, inputs, _ = trace(self._function, example)
        except Exception as error:
            raise DisagreementError(f"it cannot be traced any more: {first_sentence(error)}") from error
        if signature(loss, inputs, self._leaves) != self._signature:
            raise DisagreementError("it computes something else now than when it was compiled")


def first_sentence(error: BaseException) -> str:
    """The beginning of a message, for a line."""
    text = f"{type(error).__name__}: {error}" if not str(error) else str(error)
    return text.partition("\n")[0].partition(": for ")[0][:160]
