"""Trace: call a function once with Values for an example, and watch that no number leaves the graph.

Compiled code decides once, by this example, whatever the function decides by a number. So each way out of
the graph is watched: ``v.data`` and the like in code outside of this package, float(v), comparisons, text,
pickling, copying, and equality and hashes of the inputs.
"""

import inspect
import linecache
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from pathlib import Path
from threading import Lock
from types import FrameType
from typing import Any

from microgradlike.engine import Constant, Value, topological_order, watched, watching
from microgradlike.formula import with_recording


class NumberTakenError(TypeError):
    """The function used the number of a Value, which compiled code would do once for all examples."""


def trace(
    function: Callable[..., Any], example: Any, outputs: Sequence[Value] = ()
) -> tuple[Value, list[Value], Sequence[Value]]:
    """The loss, the inputs and the outputs of one call.

    Raises:
        NumberTakenError: the function used the number of a Value; the message says where.
        TypeError, ValueError: the example does not fit the function, or it returned no Value.
    """
    if example is None or isinstance(example, str) or not hasattr(example, "__iter__"):
        raise TypeError(
            "a function is compiled with an example of its arguments: compile(f, [[0.5, 1.0], 1.0])"
        )
    if outputs:
        raise TypeError("outputs of a function are what it returns with the loss: (loss, [y1, y2])")
    example = [*example]
    arguments: list[Any] = []
    leaves: list[Value] = []
    for name, argument in zip(_parameter_names(function, example), example):
        if hasattr(argument, "__len__") and not isinstance(argument, str):
            values: list[Value] = [_Input(number, f"{name}{i}") for i, number in enumerate(argument, 1)]
            arguments.append(values)
            leaves += values
        else:
            leaves.append(_Input(argument, name))
            arguments.append(leaves[-1])
    check_unique(leaves)
    result = with_recording(_call_watched, function, *arguments)
    loss, outputs = result if isinstance(result, tuple) and len(result) == 2 else (result, ())
    if not isinstance(loss, Value):
        raise TypeError(f"the function returned {loss!r:.60}, not a Value: the loss of one example")
    return loss, leaves, [outputs] if isinstance(outputs, Value) else outputs


def check_unique(leaves: Sequence[Value]) -> None:
    """Refuse inputs that are given twice, or share a name."""
    names = Counter(leaf.name for leaf in leaves if leaf.name)
    twice = next((name for name, count in names.items() if count > 1), "")
    if len({*leaves}) < len(leaves) or twice:
        raise ValueError(
            f"two inputs are the same{', or have the same name' * bool(twice)}: {twice or 'a leaf'}"
        )


def signature(loss: Value, inputs: Sequence[Value], parameters: Sequence[Value]) -> list[Any]:
    """The operations, operands and constants of a graph, in one order for equal graphs.

    Two traces of a function agree if their signatures are equal; parameters are compared as objects, the
    numbers of inputs and parameters not at all.
    """
    number: dict[Value, int] = {leaf: i for i, leaf in enumerate([*inputs, *parameters])}
    lines: list[Any] = []
    for node in topological_order(loss):
        if node in number:
            continue
        number[node] = len(number)
        if node.op:
            lines.append((node.op, *(_reference(parent, number) for parent in node.parents)))
        else:
            lines.append(_text(node.data))
    lines.append(_reference(loss, number))
    return lines


def _reference(value: Value, number: dict[Value, int]) -> Any:
    return _text(value.data) if type(value) is Constant else number[value]


def _text(data: float) -> str:
    return float(data).hex()  # where nan equals nan, and −0.0 is not 0.0


def _parameter_names(function: Callable[..., Any], example: Sequence[Any]) -> Iterator[str]:
    try:
        parameters = inspect.signature(function)
    except ValueError:  # some builtins have none
        parameters = inspect.Signature()
    else:
        try:
            parameters.bind(*example)
        except TypeError as error:
            s = "" if len(example) == 1 else "s"
            raise TypeError(
                f"the example has {len(example)} argument{s}, but the function takes {parameters}: {error}"
            ) from None
    kinds = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    yield from (p.name for p in parameters.parameters.values() if p.kind in kinds)
    i = 1
    while True:
        yield f"x{i}"
        i += 1


# ── Watching ──────────────────────────────────────────────────────────────────────────────────────────


class _Input(Value):
    """An input. A plain run has a number in its place, so its equality and its hash are watched."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if not _is_ours(sys._getframe(1)):
            float(self)  # which is watched
        return self is other

    def __hash__(self) -> int:
        if not _is_ours(sys._getframe(1)):
            float(self)
        return object.__hash__(self)


def _call_watched(function: Callable[..., Any], *arguments: Any) -> Any:
    # In a context of its own: whatever interrupts it, nobody watches after it.
    return copy_context().run(_call_here, function, *arguments)


def _call_here(function: Callable[..., Any], *arguments: Any) -> Any:
    token = object()
    try:
        try:
            _watch_attributes(token)
            with watched(_refuse):
                return function(*arguments)
        finally:
            _let_go(token)
    finally:  # once more, where Ctrl-C came in the midst of the first
        _let_go(token)


#: The attributes of a Value that hold numbers, as the class has them.
_PLAIN = {name: vars(Value)[name] for name in ("data", "grad", "evaluation", "partials")}
_lock = Lock()
_traces: set[object] = set()  # that are going on, in all threads


def _watch_attributes(token: object) -> None:
    """Notice code outside of this package that reads or writes a number of a Value, until `_let_go`.

    The attributes become properties for so long: outside of a trace, they cost nothing.
    """
    with _lock:
        _traces.add(token)
        for name, watched_attribute in _WATCHED.items():
            setattr(Value, name, watched_attribute)


def _let_go(token: object) -> None:
    with _lock:
        _traces.discard(token)
        if not _traces:
            for name, plain in _PLAIN.items():
                setattr(Value, name, plain)


def _watched_attribute(plain: Any) -> property:
    def get(value: Value) -> Any:
        watch = watching()
        if watch and not _records(sys._getframe(1)):
            watch(value)
        return plain.__get__(value)

    def put(value: Value, number: Any) -> None:
        watch = watching()
        if watch and not _records(sys._getframe(1)):
            watch(value)
        plain.__set__(value, number)

    return property(get, put)


_WATCHED = {name: _watched_attribute(plain) for name, plain in _PLAIN.items()}

#: The modules that read numbers in order to record, or to check targets. Others of this package read them
#: to give them away, as `state_dict` does.
_RECORDERS = {f"microgradlike.{name}" for name in ("engine", "ops", "functions", "losses", "compile.trace")}


def _records(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__") in _RECORDERS


def _is_ours(frame: FrameType) -> bool:
    """Whether it is this package's code: by the module's name, since files may be spelt in many ways."""
    module = frame.f_globals.get("__name__")
    return isinstance(module, str) and module.partition(".")[0] == "microgradlike"


def _refuse(value: Value) -> None:
    if type(value) is Constant:
        return
    frame = sys._getframe(1)
    functions = set()  # of the engine, through which the number left
    while frame.f_back and frame.f_globals.get("__name__") in {__name__, "microgradlike.engine"}:
        functions.add(frame.f_code.co_name)
        frame = frame.f_back
    if "__repr__" in functions and _is_ours(frame):  # for the text of an error
        return
    while frame.f_back and _is_ours(frame):
        frame = frame.f_back
    file, number = frame.f_code.co_filename, frame.f_lineno
    line = linecache.getline(file, number).strip()
    name = value.name or "a Value"
    if "detach" in functions:
        advice = "A detached number would be a constant there. Keep it in the graph, or do not compile."
    else:
        advice = (
            "Write where(greater(v, 0), a, b), maximum, minimum, relu or clip: they are decided for each "
            "example."
        )
    raise NumberTakenError(
        f"line {number} of {Path(file).name} uses the number of {name}"
        + (f": {line}\n" if line else "\n")
        + "In compiled code that would be decided once, by this example, for all others. "
        + advice
    )
