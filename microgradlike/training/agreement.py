"""Agreement: whether compiled code still computes what the user's own code computes.

A compiled loss is what one call of the user's function did. Another call may do something else: it may draw
random numbers, count its calls, read a variable that a schedule changes, or branch on a number. This file
finds that out: by what a call changes, and by traces that differ.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FunctionType
from typing import Any

from microgradlike.compile.trace import signature, trace
from microgradlike.engine import topological_order
from microgradlike.nn import MLP, Layer, Module, Neuron
from microgradlike.training.surroundings import Surroundings, global_generators, random_generators


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


# ── Traces ────────────────────────────────────────────────────────────────────────────────────────────


class DisagreementError(Exception):
    """Compiled code would compute something else than the user's code; the message says why."""


class Traces:
    """The traces of a function of an example, which must be alike for compiled code to be right.

    Args:
        function: of the inputs and the target of an example.
        example: such a pair.
        code: the user's code that the function calls.

    Attributes:
        size: how many values the graph of an example has.

    Raises:
        DisagreementError: the traces differ, or a call changes something; that is put back then.
        Exception: what the function raised.
    """

    def __init__(self, function: Callable[..., Any], example: Sequence[Any], code: Sequence[Any]) -> None:
        self._function, self._code = function, code
        generators = random_generators() if code else []
        before = Surroundings(code, generators)
        if before.iterator:
            raise DisagreementError(f"it has an iterator, {before.iterator}, which a call may move on")
        try:
            first, inputs, _ = trace(function, example)  # a first call may set something up
            with self.unchanged(generators):
                second, others, _ = trace(function, example)
            again = {*topological_order(second)}
            self.size = len(topological_order(first))
            #: Leaves that a call does not make anew: their data are read whenever the compiled code runs.
            self._leaves = [v for v in topological_order(first) if not v.op and v in again]
            self._signature = signature(first, inputs, self._leaves)
            if signature(second, others, self._leaves) != self._signature:
                raise DisagreementError("two calls for the same example compute something different")
        except BaseException:
            before.restore()
            raise

    @contextmanager
    def unchanged(self, generators: Sequence[Any] = ()) -> Iterator[None]:
        """Calls of the user's code that must change nothing; if they do, or fail, it is put back.

        Args:
            generators: random generators that are looked at, too.

        Raises:
            DisagreementError: something has changed.
        """
        before = Surroundings(self._code, generators or (global_generators() if self._code else ()))
        try:
            yield
            if change := before.change():
                raise DisagreementError(f"each call changes {change}, which compiled code would not")
        except BaseException:
            before.restore()
            raise

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
