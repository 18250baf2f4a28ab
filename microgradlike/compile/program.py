"""A compiled graph, as its user has it: call it with a batch."""

import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence, Set
from functools import cached_property, partial
from operator import attrgetter
from typing import Any, NamedTuple, NoReturn, SupportsFloat

from microgradlike import ops
from microgradlike.compile.batch import some
from microgradlike.compile.ieee import ieee
from microgradlike.compile.scalars import Line, Scalars
from microgradlike.engine import real
from microgradlike.transaction import write

_data = attrgetter("data")

#: What has a length, and is no list of numbers.
_NO_LIST = (Mapping, Set, str, bytes)


class Result(NamedTuple):
    """The loss of a batch, and the gradients in the order of ``wrt``."""

    loss: float
    gradients: Any


class ResultWithOutputs(NamedTuple):
    """The loss, the gradients in the order of ``wrt``, and the outputs, a row for each example."""

    loss: float
    gradients: Any
    outputs: Any


class Source(str):
    """Code, which a notebook shows as it is."""

    __slots__ = ()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ARG002
        printer.text(str(self))


class Batch:
    """Examples that `Program.prepare` has checked, and laid out as that program reads them.

    Attributes:
        rows: the examples: an array, or a list of lists for the python backend. What is written to them
            may be read or not.
    """

    def __init__(self, program: "Program", rows: Any) -> None:
        self._program, self.rows = program, rows
        self._laid_out: dict[Any, Any] = {}

    def _for(self, code: Any) -> Any:
        """As this code reads it: that of loss and gradients, or that of the loss alone."""
        if not hasattr(code, "prepare"):
            return self.rows
        if code not in self._laid_out:
            self._laid_out[code] = code.prepare(self.rows)
        return self._laid_out[code]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> NoReturn:
        raise TypeError(
            "a Batch is taken as a whole: for some of its examples, call the program with batch.rows[…]"
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Batch cannot be pickled or copied: keep its rows, and prepare them again")

    def __repr__(self) -> str:
        return f"<Batch of {len(self):,} example{'s' * (len(self) != 1)} for {self._program!r}>"


class Program:
    """The code of a graph; `microgradlike.compile` makes it.

    Attributes:
        source: the code, in the names of the graph.
        backend: "numpy", "python", "llvm" or "jax".
        inputs: the names of the columns of a batch.
        parameters: the Values whose ``data`` are read at every call: those of ``wrt``, then the others.

    Called with a batch, it gives a named tuple ``(loss, gradients)``, and ``(loss, gradients, outputs)``
    if it was compiled with outputs. A batch is a two-dimensional array, a list of rows, a dict of columns
    by name, or a pandas frame: one row for each example, the columns in the order of the inputs; or it is
    what `prepare` made of one of these. The parameters' ``data`` are read at every call, unless numbers are
    given in their place: a training loop can so keep all of them in one array, and write them back at its
    end with `assign`.

    Sums over operands are rounded once in the engine, and step by step here, so results agree but for the
    last digits, or where digits cancel; or where numbers next to the largest float are added up before
    they cancel; or where the last digit decides a comparison, or which is the largest. On a CPU, JAX takes
    numbers below the smallest normal one for zero. Where the engine raises, since a logarithm is undefined
    or a quotient infinite, compiled code goes on as IEEE 754 has it: with nan and infinities. With
    ``check=True`` it stops instead, and says which value of which example was the first.

    >>> from microgradlike import Value, compile
    >>> w, x = Value(3.0, "w"), Value(1.0, "x")
    >>> program = compile((w * x - 1) ** 2, inputs=[x], wrt=[w], backend="python")
    >>> program([[1.0], [2.0]])
    Result(loss=14.5, gradients=[12.0])
    >>> w.data = 1.0
    >>> program.value([[1.0], [2.0]])
    0.5
    """

    def __init__(
        self,
        scalars: Scalars,
        *,
        backend: str,
        reduce: str,
        allow_nan: bool,
        check: bool,
        options: Mapping[str, Any],
        reason: str = "",
    ) -> None:
        names = [scalars.names.get(n, "") for n in scalars.inputs]
        self.inputs = [name or f"column {i}" for i, name in enumerate(names)]
        self.backend, self._reason = backend, reason
        self._scalars, self._backend = scalars, partial(load(backend), **options)
        self._sum, self._check = reduce == "sum", check
        roots = [scalars.loss, *scalars.gradients]
        self.parameters = scalars.leaves
        self._whole = self._backend(scalars, roots, scalars.outputs)
        self._rows = self._whole.reads(self.inputs, allow_nan)
        self._forward: Any = None
        self.source = Source(self._whole.source.rstrip())

    def __call__(self, batch: Any, parameters: Any = None) -> Any:
        """The loss and the gradients of a batch, and the outputs if there are any.

        Args:
            batch: a row for each example; or what `prepare` made of them.
            parameters: numbers in place of the ``data`` of `parameters`, in their order.

        Raises:
            TypeError, ValueError: the batch is no table of numbers of this width, the message says where;
                or it was prepared for another program.
            FloatingPointError: with ``check=True``, something is not finite.
        """
        numbers, outputs = self._run(self._whole, batch, parameters)
        loss, gradients = float(numbers[0]), numbers[1:]
        if self._scalars.outputs:
            return ResultWithOutputs(loss, gradients, outputs)
        return Result(loss, gradients)

    def value(self, batch: Any, parameters: Any = None) -> Any:
        """The forward part alone: the loss, or the pair (loss, outputs) if there are outputs.

        Arguments and errors are those of the call.
        """
        if self._forward is None:
            self._forward = self._backend(self._scalars, [self._scalars.loss], self._scalars.outputs)
        [loss], outputs = self._run(self._forward, batch, parameters)
        return (float(loss), outputs) if self._scalars.outputs else float(loss)

    def prepare(self, batch: Any) -> Batch:
        """The batch for calls that come again and again, as of an epoch after the other.

        It is copied, checked and laid out once; numpy also computes once what depends on nothing else, as
        which class each example is of, and jax has it on its devices. That takes a few times the memory
        of the batch. For a few numbers it makes no difference.

        Args:
            batch: a row for each example; or what another program prepared.

        Raises:
            TypeError, ValueError: as for a call.

        >>> from microgradlike import Value, compile
        >>> w, x = Value(3.0, "w"), Value(1.0, "x")
        >>> program = compile((w * x - 1) ** 2, inputs=[x], wrt=[w], backend="python")
        >>> batch = program.prepare([[1.0], [2.0]])
        >>> for _ in range(50):
        ...     w.data -= 0.1 * program(batch).gradients[0]
        >>> round(w.data, 6)
        0.6
        """
        rows = batch.rows if isinstance(batch, Batch) else batch
        return Batch(self, self._rows.copy(self._rows(rows)))

    @cached_property
    def jax_function(self) -> Callable[[Any, Any], Any]:
        """For the jax backend, what a call computes as a pure function, to be used inside other JAX code.

        It takes the parameters, one array in the order of `parameters`, and a batch, an array with a row
        for each example; it returns the named tuple of a call, of jax arrays. It looks at no ``data``,
        checks no numbers, and composes with ``jax.jit`` (do that: by itself it is slow), ``jax.vmap``,
        ``jax.grad`` (which differentiates by its own rules: at kinks, ties and ends they are others than
        those of the gradients here) and optax. A batch that is sharded stays so, and gradients are reduced
        by XLA.

        Other than a call, which has float64 on a CPU whatever jax is set to, it computes in the dtype of
        the arrays that it is given: without ``jax.config.update("jax_enable_x64", True)`` that is float32,
        whose products have the precision that jax is set to (``jax_default_matmul_precision``).

        Raises:
            AttributeError: the backend is another.
        """
        if self.backend != "jax":
            raise AttributeError(
                f'jax_function is there for backend="jax"; this program is for {self.backend}'
            )

        def jax_function(parameters: Any, batch: Any) -> Any:
            numbers, outputs = self._whole.pure(parameters, batch)
            numbers = numbers * len(batch) if self._sum else numbers
            if self._scalars.outputs:
                return ResultWithOutputs(numbers[0], numbers[1:], outputs)
            return Result(numbers[0], numbers[1:])

        return jax_function

    def assign(self, numbers: Sequence[SupportsFloat]) -> None:
        """Set the ``data`` of the parameters to these numbers, in the order of `parameters`: all or none.

        >>> from microgradlike import Value, compile
        >>> w, x = Value(3.0, "w"), Value(1.0, "x")
        >>> program = compile((w * x - 1) ** 2, inputs=[x], wrt=[w], backend="python")
        >>> theta = [w.data]
        >>> for _ in range(50):
        ...     loss, [gradient] = program([[1.0], [2.0]], theta)
        ...     theta[0] -= 0.1 * gradient
        >>> program.assign(theta)
        >>> round(w.data, 6)
        0.6
        """
        numbers = self._numbers(numbers)
        numbers = numbers.tolist() if hasattr(numbers, "tolist") else numbers
        write(self.parameters, [*map(real, numbers)])

    def _data(self) -> list[float]:
        numbers = [*map(_data, self.parameters)]
        if {*map(type, numbers)} <= {float}:
            return numbers
        for i, leaf in enumerate(self.parameters):
            try:
                numbers[i] = real(numbers[i])
            except (TypeError, OverflowError) as error:
                raise type(error)(f"{leaf.name or 'a parameter'}.data: {error}") from None
        return numbers

    def _numbers(self, numbers: Any) -> Any:
        is_array = hasattr(numbers, "dtype")
        if not hasattr(numbers, "__len__") or (not is_array and isinstance(numbers, _NO_LIST)):
            raise TypeError(f"parameters are a list or an array of numbers, not {numbers!r:.60}")
        if len(numbers) != len(self.parameters):
            raise ValueError(f"there are {len(self.parameters)} parameters, not {len(numbers)}")
        if not is_array:
            return numbers if {*map(type, numbers)} == {float} else [*map(real, numbers)]
        if numbers.ndim != 1 or numbers.dtype.kind in "cOSUmM":
            raise TypeError(f"parameters are one list of numbers, not {numbers!r:.60}")
        return numbers.tolist() if self.backend == "python" else numbers

    def _run(self, code: Any, batch: Any, numbers: Any) -> tuple[Any, Any]:
        if isinstance(batch, Batch):
            if batch._program is not self:
                raise ValueError(
                    f"this is a {batch!r:.200}, another program: write program.prepare(rows) with this one"
                )
            rows, prepared = batch.rows, batch._for(code)
        else:
            rows = prepared = self._rows(batch)
        parameters = self._data() if numbers is None else self._numbers(numbers)
        numbers, outputs = code.run(prepared, parameters)
        if self._sum:
            n = len(rows)
            numbers = [number * n for number in numbers] if isinstance(numbers, list) else numbers * n
        if self._check and not _finite(numbers):
            self._complain(code, rows, parameters)
        return numbers, outputs

    def _complain(self, code: Any, rows: Any, parameters: Sequence[float]) -> NoReturn:
        """Find the first example, and in it the first value, that is not finite."""
        if self.backend == "jax":  # however the batch is spread over devices
            import numpy as np

            rows = np.asarray(rows)

        def is_finite(start: int, stop: int) -> bool:
            numbers, _ = code.run(rows[start:stop], parameters)
            return _finite(numbers)

        start, stop = 0, len(rows)
        while stop - start > 1:
            middle = (start + stop) // 2
            if is_finite(start, middle):
                start = middle
            else:
                stop = middle
        if is_finite(start, stop):
            raise FloatingPointError(
                "the sum over the batch is not finite, though no example is to blame alone"
            )
        s = self._scalars
        numbers: dict[int, float] = {**s.constants, **dict(zip(s.parameters, parameters))}
        numbers.update(zip(s.inputs, map(float, rows[start])))
        bad = ""
        for n in s.needed([s.loss, *s.gradients]):
            op = s.operations[n]
            if op:
                numbers[n] = ieee(op)(*(numbers[a] for a in s.operands[n]))
            elif n in s.means:  # over one example
                numbers[n] = math.prod(numbers[a] for a in s.means[n])
            if n in numbers and not math.isfinite(numbers[n]) and n not in s.constants:
                name = s.names.get(n, "")
                if not bad or name:
                    bad = self._describe(n, numbers)
                if name:
                    break
        raise FloatingPointError(f"example {start} of the batch: {bad}")

    def _describe(self, n: int, numbers: Mapping[int, float]) -> str:
        s = self._scalars
        named: dict[str, float] = {}

        def write(a: int, depth: int) -> tuple[str, str]:
            op = s.operations[a]
            if a in s.means:
                factors = [write(b, depth + 1) for b in s.means[a]]
                return ops.prod.write(factors)
            if a in s.names and depth:
                named[s.names[a]] = numbers[a]
                return s.names[a], "!"
            if not op or depth > 3:
                return f"{numbers[a]:g}", "+" if numbers[a] < 0 else "!"
            return op.write([write(b, depth + 1) for b in s.operands[a]])

        by = dict(zip(s.gradients, s.wrt)) | s.adjoints
        name = s.names.get(n, "")
        if not name and by.get(n) in s.names:
            name = f"the gradient by {s.names[by[n]]}"
        if not s.operations[n] and n not in s.means:
            return f"{name or 'an input'} is {numbers[n]!r}"
        formula, _ = write(n, 0)
        at = ", ".join(f"{operand} = {number!r}" for operand, number in named.items())
        return f"{name}{' = ' * bool(name)}{formula:.200} is {numbers[n]!r}" + (
            f" at {at:.200}" if at else ""
        )

    def __str__(self) -> str:
        lines: list[Line] = self._whole.lines
        rows = [("instruction", "shape", "scalar operations")]
        for line in lines:
            height, width = line.shape
            shape = f"{height} × n" if width is None else f"{height} × {width}"
            text = f"{line.name} = {line.expression}"
            rows.append((text if len(text) <= 80 else text[:79] + "…", shape, f"{line.nodes:,}"))
        total = sum(line.nodes for line in lines)
        rows.append((f"{len(lines)} instructions", "", f"{total:,}"))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        head = f"{self.backend}: {len(self.inputs)} inputs, {len(self.parameters)} parameters"
        head += getattr(self._whole, "where", "")
        head += f"\nchosen, as {self._reason}" if self._reason else ""
        table = [f"{a:{widths[0]}}  {b:{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        legend: dict[str, list[str]] = getattr(self._whole, "legend", {})
        return "\n".join([head, *(f"{name}: {some(members)}" for name, members in legend.items()), *table])

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Program cannot be pickled or copied: keep the model, and compile it again")

    def __repr__(self) -> str:
        wrt = len(self._scalars.wrt)
        return f"<Program of {some(self.inputs)} for {self.backend}, {wrt} gradient{'s' * (wrt != 1)}>"


def load(backend: str) -> Callable[..., Any]:
    """The class of a backend.

    Raises:
        ValueError: there is none of that name.
        ModuleNotFoundError: what it needs is not installed; the message names the command.
    """
    if backend == "python":
        from microgradlike.compile.python import Python

        return Python
    if backend == "numpy":
        if importlib.util.find_spec("numpy") is None:
            raise ModuleNotFoundError(
                'the numpy backend needs numpy: pip install "microgradlike[compile]"', name="numpy"
            )
        from microgradlike.compile.numpy import Numpy

        return Numpy
    if backend == "jax":
        if importlib.util.find_spec("jax") is None:
            raise ModuleNotFoundError(
                'the jax backend needs jax: pip install "microgradlike[jax]"', name="jax"
            )
        from microgradlike.compile.jax import Jax

        return Jax
    if backend == "llvm":
        if importlib.util.find_spec("numpy") is None or importlib.util.find_spec("llvmlite") is None:
            raise ModuleNotFoundError(
                'the llvm backend needs llvmlite: pip install "microgradlike[native]"', name="llvmlite"
            )
        from microgradlike.compile.llvm import Llvm

        return Llvm
    raise ValueError(
        f'there is no backend {backend!r}: there are "jax", "llvm", "numpy" and "python", '
        'and "auto" chooses'
    )


def _finite(numbers: Any) -> bool:
    if isinstance(numbers, list):
        return all(map(math.isfinite, numbers))
    import numpy as np

    return bool(np.isfinite(numbers).all())
