"""compile: the graph of one example, recorded with plain Values, comes back as code for whole batches."""

import gc
import inspect
import linecache
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from microgradlike.compile.choose import choose
from microgradlike.compile.program import Batch, Program, Result, ResultWithOutputs, load
from microgradlike.compile.scalars import NoRuleError, NotNativeError, Scalars, lower
from microgradlike.engine import (
    Constant,
    Value,
    adjoints,
    as_value,
    check_recorded,
    topological_order,
    watched,
)
from microgradlike.formula import with_recording

__all__ = ["Batch", "Program", "Result", "ResultWithOutputs", "compile"]


def compile(  # noqa: A001
    loss: Value | Callable[..., Any],
    inputs: Sequence[Any] | None = None,
    wrt: Sequence[Value] | None = None,
    *,
    outputs: Sequence[Value] = (),
    reduce: str = "mean",
    backend: str = "auto",
    allow_nan: bool = False,
    check: bool = False,
    dtype: str | None = None,
    devices: Any = None,
    threads: int | None = None,
    block: int | None = None,
) -> Program:
    """Code that computes a loss and its gradients for a whole batch, from the graph of one example.

    The graph decides what is computed, never how fast: with the "numpy" backend the scalar graph of a
    network comes back as its matrix form, a dozen array instructions that `Program.source` shows.

    Args:
        loss: a Value; or a function of Values that returns it, or a pair (loss, list of outputs).
        inputs: for a Value, the leaves that the columns of a batch stand for, in their order. For a
            function, one example of its arguments, each of them a number or a list of numbers: the
            function is called once, with Values for them. Their names are those of the parameters; the
            members of a list x are x1, x2, and so on.
        wrt: the Values to differentiate by, such as ``model.parameters()``; by default all leaves that
            are no inputs, in topological order. Those are parameters: their ``data`` are read at each call.
        outputs: Values of which the program returns the numbers for each example: predictions.
        reduce: "mean" or "sum", over the examples, of loss and gradients.
        backend: "numpy" (``pip install "microgradlike[compile]"``), "python" (the standard library
            alone; faster for a few examples of a small graph), "llvm" (``microgradlike[native]``; machine
            code for graphs of up to 20,000 operations), "jax" (``microgradlike[jax]``; for
            accelerators and many devices, and inside other JAX code: `Program.jax_function`), or "auto":
            the fastest that is installed, by measurement: llvm where that takes no longer than a second
            to compile or where the graph is no network, else numpy, else python; ``print(program)`` says
            why.
        allow_nan: take nan in a batch for a number like others.
        check: stop with a FloatingPointError where loss or gradients are not finite, with the name of the
            first such value and the index of the example.
        dtype: for "jax", what it computes in: "float64" (the default on a CPU; jax need not be set to it)
            or "float32" (the default on accelerators). The other backends compute in "float64".
        devices: for "jax", the devices that a batch is sharded over: a list, or a Mesh; by default all.
        threads: for "llvm", how many compute a large batch; by default, and at most, one for each core.
        block: for "numpy" and "jax", how many examples are computed at once; by default, what fits into
            the processor's cache, and for "jax" on accelerators the whole batch.

    Raises:
        TypeError, ValueError: an argument is not what is said above; or the function uses the number of a
            Value, as in ``if v > 0``: that would be decided once, for all examples. (What it reads from
            the ``data`` of a result is not noticed, and becomes a constant.)
        RuntimeError: someone wrote to ``data`` since the graph was recorded.
        ModuleNotFoundError: the backend is not installed.

    >>> from microgradlike import MLP, Value, half_squared_error
    >>> network = MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
    >>> def loss(x, t):
    ...     return half_squared_error(network(x), t)
    >>> program = compile(loss, [[0.0, 0.0], 1.0], network.parameters(), backend="numpy")
    >>> print(program.source)
    loss = dW1 = db1 = dW2 = db2 = 0.0
    for X, T in blocks:
        Z1 = W1 @ X + b1
        H = sigmoid(Z1)
        Z2 = W2 @ H + b2
        Y = sigmoid(Z2)
        loss += (0.5 * (Y - T)**2).sum(axis=1, keepdims=True)
        dY = Y - T
        dZ2 = dY * (Y * (1.0 - Y))
        dW2 += dZ2 @ H.T
        db2 += dZ2.sum(axis=1, keepdims=True)
        dH = W2.T * dZ2
        dZ1 = dH * (H * (1.0 - H))
        dW1 += dZ1 @ X.T
        db1 += dZ1.sum(axis=1, keepdims=True)
    loss /= n
    dW1 /= n
    db1 /= n
    dW2 /= n
    db2 /= n
    >>> result = program([[0.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    >>> round(result.loss, 4), len(result.gradients)
    (0.1492, 9)
    """
    if reduce not in {"mean", "sum"}:
        raise ValueError(f'reduce is "mean" or "sum", not {reduce!r}')
    given = {"dtype": dtype, "devices": devices, "threads": threads, "block": block}
    if backend != "auto":
        load(backend)
        _check_options(backend, given)
    if callable(loss):
        loss, leaves, outputs = _trace(loss, inputs, outputs)
    else:
        leaves = _leaves(loss, inputs)
    outputs = _values("outputs", outputs)
    order = topological_order(loss, *outputs)
    check_recorded(order)
    if wrt is None:
        known = set(leaves)
        wrt = [value for value in order if not value.op and value not in known]
    wrt = _values("wrt", wrt)
    with _collector_off():
        scalars = with_recording(_with_gradients, loss, leaves, wrt, outputs)
        reason = ""
        if backend == "auto":
            backend, reason = choose(scalars)
            _check_options(backend, given)
        options = {
            name: value for name, value in given.items() if backend in _KNOWN_BY[name] and value is not None
        }
        arguments: dict[str, Any] = {"reduce": reduce, "allow_nan": allow_nan, "check": check}
        while True:
            try:
                return Program(scalars, backend=backend, options=options, reason=reason, **arguments)
            except (NotNativeError, NoRuleError) as error:
                if not reason:
                    raise
                backend = "python" if backend == "numpy" else "numpy"
                options, reason = {}, str(error).partition(": ")[0]


#: Which backends have which option.
_KNOWN_BY = {"dtype": ("jax",), "devices": ("jax",), "threads": ("llvm",), "block": ("numpy", "jax")}


def _check_options(backend: str, given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if backend not in _KNOWN_BY[name] and value is not None and (name, value) != ("dtype", "float64"):
            others = " and ".join(_KNOWN_BY[name])
            raise ValueError(f"{name}={value!r:.60} is an option of {others}, not of the {backend} backend")
    for name in ("threads", "block"):
        number = given[name]
        if number is not None and (type(number) is not int or number < 1):
            raise ValueError(f"{name} is a number from 1, not {number!r:.60}")
    if given["dtype"] not in {None, "float64", "float32"}:
        raise ValueError(f'dtype is "float64" or "float32", not {given["dtype"]!r:.60}')


def _with_gradients(
    loss: Value, leaves: Sequence[Value], wrt: Sequence[Value], outputs: Sequence[Value]
) -> Scalars:
    gradients = adjoints(loss, wrt)
    return lower(loss, leaves, wrt, [as_value(gradients.get(w, 0.0)) for w in wrt], gradients, outputs)


@contextmanager
def _collector_off() -> Iterator[None]:
    """A large graph becomes millions of objects, in no cycles: nothing for the collector to look for."""
    was_on = gc.isenabled()
    try:
        try:
            gc.disable()
            yield
        finally:
            if was_on:
                gc.enable()
    finally:
        if was_on:  # once more, where Ctrl-C came in the midst of the first
            gc.enable()


def _values(argument: str, values: Any) -> list[Value]:
    if isinstance(values, Value) or not hasattr(values, "__iter__"):
        instead = "[v]" if isinstance(values, Value) else "model.parameters()"
        raise TypeError(f"{argument} is a list of Values, not {values!r:.60}: write {instead}")
    checked: list[Value] = list(values)
    for i, value in enumerate(checked):
        if not isinstance(value, Value):
            raise TypeError(f"{argument}[{i}] is {value!r:.60}, not a Value")
    return checked


def _leaves(loss: Any, inputs: Any) -> list[Value]:
    if not isinstance(loss, Value):
        raise TypeError(f"compile takes a Value or a function that returns one, not {loss!r:.60}")
    if inputs is None:
        raise TypeError("which leaves are inputs? write compile(loss, inputs=[x1, x2, t])")
    if isinstance(inputs, Value) or not hasattr(inputs, "__iter__"):
        raise TypeError(f"inputs is a list of Values, not {inputs!r:.60}: write [v]")
    leaves = _values("inputs", [v for x in inputs for v in (x if isinstance(x, list | tuple) else [x])])
    for i, leaf in enumerate(leaves):
        if leaf.op or type(leaf) is Constant:
            what = "a constant" if not leaf.op else f"the result of {leaf.op.name}"
            raise ValueError(f"inputs[{i}] is {what}, but an input is a leaf, a Value made from a number")
    _check_unique(leaves)
    return leaves


def _check_unique(leaves: Sequence[Value]) -> None:
    names = Counter(leaf.name for leaf in leaves if leaf.name)
    twice = next((name for name, count in names.items() if count > 1), "")
    if len({*leaves}) < len(leaves) or twice:
        raise ValueError(
            f"two inputs are the same{', or have the same name' * bool(twice)}: {twice or 'a leaf'}"
        )


def _trace(
    function: Callable[..., Any], example: Any, outputs: Sequence[Value]
) -> tuple[Value, list[Value], Sequence[Value]]:
    """Call the function once, with Values; nobody may look at their numbers."""
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
    _check_unique(leaves)
    result = with_recording(_watching, function, *arguments)
    loss, outputs = result if isinstance(result, tuple) and len(result) == 2 else (result, ())
    if not isinstance(loss, Value):
        raise TypeError(f"the function returned {loss!r:.60}, not a Value: the loss of one example")
    return loss, leaves, [outputs] if isinstance(outputs, Value) else outputs


_slot: Any = vars(Value)["data"]


class _Input(Value):
    """An input, of which a compiled function must not look at the number."""

    __slots__ = ()

    @property
    def data(self) -> float:
        number: float = _slot.__get__(self)
        if not _is_ours(sys._getframe(1)):
            float(self)  # which is watched
        return number

    @data.setter
    def data(self, number: float) -> None:
        _slot.__set__(self, number)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int | float):  # which a Value never is, whatever its number
            float(self)
        return self is other

    __hash__ = Value.__hash__


def _is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_PACKAGE)


def _watching(function: Callable[..., Any], *arguments: Any) -> Any:
    with watched(_refuse):
        return function(*arguments)


def _parameter_names(function: Callable[..., Any], example: Sequence[Any]) -> Iterator[str]:
    try:
        signature = inspect.signature(function)
    except ValueError:  # some builtins have none
        signature = inspect.Signature()
    else:
        try:
            signature.bind(*example)
        except TypeError as error:
            s = "" if len(example) == 1 else "s"
            raise TypeError(
                f"the example has {len(example)} argument{s}, but the function takes {signature}: {error}"
            ) from None
    parameters = signature.parameters.values()
    yield from (p.name for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD})
    i = 1
    while True:
        yield f"x{i}"
        i += 1


_PACKAGE = str(Path(__file__).parent.parent) + os.sep


def _refuse(value: Value) -> None:
    if type(value) is Constant:
        return
    frame = sys._getframe(1)
    while frame.f_back and _is_ours(frame):
        frame = frame.f_back
    file, number = frame.f_code.co_filename, frame.f_lineno
    line = linecache.getline(file, number).strip()
    name = value.name or "a Value"
    raise TypeError(
        f"line {number} of {Path(file).name} uses the number of {name}"
        + (f": {line}\n" if line else "\n")
        + "In compiled code that would be decided once, by this example, for all others. Write "
        "where(greater(v, 0), a, b), maximum, minimum, relu or clip: they are decided for each example."
    )
