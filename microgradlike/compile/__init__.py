"""compile: the graph of one example, recorded with plain Values, comes back as code for whole batches."""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from microgradlike.compile.choose import choose
from microgradlike.compile.program import Batch, Program, Result, ResultWithOutputs, load
from microgradlike.compile.scalars import NoRuleError, NotNativeError, Scalars, lower
from microgradlike.compile.trace import check_unique, trace
from microgradlike.engine import Constant, Value, adjoints, as_value, check_recorded, topological_order
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
            Value, as in ``if v > 0`` or ``v.data``: that would be decided once, for all examples.
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
        loss, leaves, outputs = trace(loss, inputs, outputs)
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
    check_unique(leaves)
    return leaves
