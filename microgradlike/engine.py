"""The engine: a `Value` remembers how it was made, and the chain rule reads that memory backwards.

>>> w, x = Value(-3.0, name="w"), Value(2.0, name="x")
>>> L = (w * x + 7) ** 2
>>> L.backward()
>>> w.grad  # ∂L/∂w = 2(w·x + 7) · x
4.0
"""

import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ContextDecorator, contextmanager
from contextvars import ContextVar
from functools import lru_cache
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from math import isnan
from numbers import Integral
from typing import Any, Final, NoReturn, Self, SupportsFloat, TypeAlias, TypeVar

from microgradlike import elementwise, ops
from microgradlike.checks import real as real  # noqa: PLC0414  # offered here as well
from microgradlike.elsewhere import NamesFromElsewhere, micrograd_symbol
from microgradlike.ops import Op
from microgradlike.receipts import keep


class _NotComputed(float):
    def __reduce__(self) -> str:
        return "NOT_COMPUTED"


#: The gradient before any backward pass: 0.0 in every calculation, and yet not "a gradient of 0".
NOT_COMPUTED: Final = _NotComputed()

_new: Callable[[type], Any] = object.__new__
_Operator: TypeAlias = Callable[["Value", SupportsFloat], "Value"]
_Function = TypeVar("_Function", bound=Callable[..., Any])


def _operator(op: Op) -> "tuple[_Operator, _Operator]":
    """The methods of a Python operator, ``a + b`` and its reflection; they do what `record` does."""

    def method(self: "Value", other: SupportsFloat) -> Any:
        try:
            return record(op, (self, other if isinstance(other, Value) else Constant(other)))
        except TypeError:
            return _left_to_arrays(other)

    def reflected(self: "Value", other: SupportsFloat) -> Any:
        try:
            return record(op, (as_value(other), self))
        except TypeError:
            return _left_to_arrays(other)

    return method, reflected


def _is_array(operand: Any) -> bool:
    """Whether it is an array of numpy, or a Series of pandas: these go through their own elements."""
    kind = type(operand)
    return (
        hasattr(kind, "__array_ufunc__")
        and hasattr(kind, "__len__")
        and not isinstance(operand, str | bytes)
    )


def _left_to_arrays(operand: Any) -> Any:
    """Let an array do the operation; for all else, raise the TypeError that is being handled."""
    if _is_array(operand):
        return NotImplemented
    raise  # noqa: PLE0704


#: From Python 3.13 on a node takes attributes of any name at no cost; before, they cost each node 24 bytes
#: more, so that only the leaves have them which a user makes: see `_Leaf`.
_ATTRIBUTES = ("__dict__",) if sys.version_info >= (3, 13) else ()


class Value(NamesFromElsewhere):
    """A number that remembers how it was made.

    It behaves like a float, with the numbers and the exceptions of `float` and `math`, ``%`` included; only
    ``==`` and ``hash`` are those of identity, since nodes live in sets: ``a.data == b.data`` compares
    numbers. ``float(v)`` leaves the graph, and so does
    what calls it: write ``v.exp()`` or `microgradlike.exp(v)`, not ``math.exp(v)``.

    Args:
        data: a real number (int, float, bool, numpy scalar, Fraction, Decimal), kept as a float.
        name: what pictures, formulas and error messages call it.
        label: the same, in the word of micrograd's lecture.

    Attributes:
        data: the number. You may write any real number to it; the next operation makes it a float.
        grad: the derivative of the loss by this value, once ``loss.backward()`` has run. Before that it
            is `NOT_COMPUTED`, which counts as 0.0.
        op: the operation that made this value; None for a leaf.
        parents: the operands of that operation; empty for a leaf.
        partials: the local derivatives: of this value by each of its parents.
        name: a string, maybe empty.

    You may keep attributes of your own on a Value that you make, such as ``w.momentum = 0.0``, and weak
    references to any Value. Before Python 3.13 the results of operations, and the parameters of
    `microgradlike.nn`, take only the attributes that optimisers usually keep there: see
    `microgradlike.elsewhere.NOTES`.

    An array of numpy that holds Values, or a Series of pandas, works with a Value as with a number:
    ``A * v``, ``v - A``, ``np.exp(A)``.

    Raises:
        TypeError: data is not a real number; the message says what to write instead.

    >>> a = Value(3.0, name="a")
    >>> b = a * a + 1
    >>> b
    Value(data=10.0)
    >>> b.backward()
    >>> a
    Value(data=3.0, grad=6.0, name='a')
    """

    __slots__ = ("__weakref__", "data", "evaluation", "grad", "name", "op", "parents", *_ATTRIBUTES)

    data: float
    grad: float
    op: Op | None
    parents: tuple["Value", ...]
    name: str
    # The numbers of the evaluation that was recorded: (result, *operands). The local derivatives are
    # taken at these, so the gradient is right even if someone has written to `data` since.
    evaluation: tuple[float, ...]

    def __init__(
        self, data: SupportsFloat, name: str = "", _op: str = "", *, label: str = "", _children: Any = ()
    ) -> None:
        if _op or _children or type(name) in {tuple, set, list}:  # as micrograd's code makes a node
            raise TypeError(
                "an operation makes its Values itself: a new one is a row of microgradlike.ops, with its "
                "derivative; or compose it of others, as in (v * w).tanh()"
            )
        if label:
            if name:
                raise TypeError(f"name and label are one: {name!r:.60} and {label!r:.60} are two")
            name = label
        if type(name) is not str:
            raise TypeError(f"the name of a Value is a string, not {name!r:.60}")
        self.data = data if type(data) is float else real(data)
        self.grad = NOT_COMPUTED
        self.op = None
        self.parents = ()
        self.evaluation = ()
        self.name = name

    # ── The backward pass ─────────────────────────────────────────────────────────────────────────────

    @property
    def partials(self) -> tuple[float, ...]:
        """The local derivatives: of this value by each parent, in the evaluation that was recorded."""
        return self.op.partials(*self.evaluation) if self.op else ()

    def propagate(self) -> None:
        """Apply the chain rule once, at this node: ∂L/∂parent += ∂L/∂self · ∂self/∂parent.

        `backward` is this, node by node. By hand: set the gradient of the loss to 1, then propagate
        from the loss towards the leaves.

        >>> a, b = Value(2.0), Value(5.0)
        >>> L = a * b
        >>> L.grad = 1.0
        >>> L.propagate()
        >>> a.grad, b.grad
        (5.0, 2.0)
        """
        if self.op:
            grad = self.grad
            for parent, partial in zip(self.parents, self.op.partials(*self.evaluation)):
                parent.grad += partial * grad

    def backward(self, *, receipts: bool = False) -> None:
        """Compute ∂self/∂v for every value v that this one was made from, and leave it in ``v.grad``.

        Inner nodes get the gradient of this pass. Leaves accumulate: a second pass adds to the first,
        so set their ``grad`` to 0 between training steps (`Module.zero_grad`, `Optimizer.zero_grad`).

        Args:
            receipts: keep with each leaf's gradient which nodes it came from, for `microgradlike.receipts`.

        Raises:
            TypeError: someone wrote what is no number to the ``data`` of a leaf.

        >>> a = Value(2.0)
        >>> (a**3).backward()
        >>> a.grad
        12.0
        """
        leaves, inner = _leaves_and_inner_nodes((self,))
        earlier = []
        for leaf in leaves:
            if type(leaf.data) is not float:
                check_data((leaf,))
            grad = leaf.grad
            if grad:  # it is added in one piece at the end, so two passes give exactly twice
                earlier.append((leaf, grad if isinstance(grad, float) else real(grad)))
        before = {leaf: leaf.grad for leaf in leaves} if receipts else {}
        try:
            for value in leaves:
                value.grad = 0.0
            for value in inner:
                value.grad = 0.0
            self.grad = 1.0
            # This is the loop of `gradients`, to the same bits. Here the gradients are attributes, and
            # nothing is called twice for a node, so it takes about half the time.
            node: Any  # of which we know that it has an operation
            for node in reversed(inner):
                grad = node.grad
                partials = node.op.partials(*node.evaluation)
                i = 0
                for parent in node.parents:
                    parent.grad += partials[i] * grad
                    i += 1  # noqa: SIM113  # enumerate and zip take longer
            for leaf, grad in earlier:
                leaf.grad += grad
            if receipts:
                keep(self, inner, before)
        except BaseException:  # Ctrl-C: half a gradient is none, and must not be added to
            for leaf in leaves:
                leaf.grad = NOT_COMPUTED
            for leaf, grad in earlier:
                leaf.grad = grad
            raise

    def detach(self) -> "Value":
        """A leaf with this value's number and name, and no memory.

        >>> a = Value(2.0, name="a")
        >>> (a * a).detach().parents
        ()
        """
        return Value(_number(self), self.name)

    # ── As micrograd has it ───────────────────────────────────────────────────────────────────────────

    @property
    def label(self) -> str:
        """Another name of `name`, as in micrograd's lecture."""
        return self.name

    @label.setter
    def label(self, label: str) -> None:
        self.name = label

    @property
    def _prev(self) -> "set[Value]":
        return set(self.parents)

    @property
    def _op(self) -> str:
        return micrograd_symbol(self.op.name) if self.op else ""

    # ── Operations ────────────────────────────────────────────────────────────────────────────────────

    __add__, __radd__ = _operator(ops.add)
    __sub__, __rsub__ = _operator(ops.sub)
    __mul__, __rmul__ = _operator(ops.mul)
    __truediv__, __rtruediv__ = _operator(ops.div)
    __mod__, __rmod__ = _operator(ops.mod)
    _pow, __rpow__ = _operator(ops.pow)

    def __pow__(self, exponent: SupportsFloat) -> "Value":
        if isinstance(exponent, Value) or _is_array(exponent):
            return self._pow(exponent)
        return record(ops.power(real(exponent)), (self,))

    def __neg__(self) -> "Value":
        return record(ops.neg, (self,))

    def __pos__(self) -> Self:
        return self

    def __abs__(self) -> "Value":
        return record(ops.abs, (self,))

    def exp(self) -> "Value":
        """eˣ; see `microgradlike.exp`."""
        return record(ops.exp, (self,))

    def log(self) -> "Value":
        """The natural logarithm; see `microgradlike.log`."""
        return record(ops.log, (self,))

    def sqrt(self) -> "Value":
        """The square root; see `microgradlike.sqrt`."""
        return record(ops.sqrt, (self,))

    def sin(self) -> "Value":
        """The sine; see `microgradlike.sin`."""
        return record(ops.sin, (self,))

    def cos(self) -> "Value":
        """The cosine; see `microgradlike.cos`."""
        return record(ops.cos, (self,))

    def tanh(self) -> "Value":
        """The hyperbolic tangent; see `microgradlike.tanh`."""
        return record(ops.tanh, (self,))

    def sigmoid(self) -> "Value":
        """σ(x) = 1 / (1 + e⁻ˣ); see `microgradlike.sigmoid`."""
        return record(ops.sigmoid, (self,))

    def relu(self) -> "Value":
        """max(x, 0); see `microgradlike.relu`."""
        return record(ops.relu, (self,))

    def conjugate(self) -> Self:
        """The Value itself, since it is real: what ``np.vecdot`` asks for."""
        return self

    def __array_ufunc__(self, function: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """The functions and operators of numpy, such as ``A * v`` and ``np.exp(v)``; see `elementwise`."""
        return elementwise.apply(Value, function, method, inputs, options)

    def apply(self, op: Op, operands: Sequence[SupportsFloat]) -> "Value":
        """The hook by which a row of the op table, called with a Value among its operands, records."""
        return record(op, tuple(map(as_value, operands)))

    # ── Like a float ──────────────────────────────────────────────────────────────────────────────────

    def __float__(self) -> float:
        return float(_number(self))

    def __int__(self) -> int:
        return int(_number(self))

    def __bool__(self) -> bool:
        return bool(_number(self))

    def __trunc__(self) -> int:
        return int(_number(self))

    def __round__(self, digits: int | None = None) -> float:
        return round(_number(self), digits)

    def __lt__(self, other: SupportsFloat) -> bool:
        return _compared(self, operator.lt, other)

    def __le__(self, other: SupportsFloat) -> bool:
        return _compared(self, operator.le, other)

    def __gt__(self, other: SupportsFloat) -> bool:
        return _compared(self, operator.gt, other)

    def __ge__(self, other: SupportsFloat) -> bool:
        return _compared(self, operator.ge, other)

    def __format__(self, spec: str) -> str:
        return format(_number(self), spec) if spec else str(self)

    def __repr__(self) -> str:
        data = _outside(self.data, (self,))
        grad = "" if self.grad is NOT_COMPUTED else f", grad={self.grad}"
        name = f", name={self.name!r}" if self.name else ""
        return f"{type(self).__name__}(data={data}{grad}{name})"


def _method(op: Op) -> Callable[..., Value]:
    def method(self: Value, *others: SupportsFloat) -> Value:
        return record(op, (self, *map(as_value, others)))

    method.__doc__ = f"numpy's name of `microgradlike.{op.name}`, for arrays of Values."
    return method


for _name, _row in elementwise.METHODS.items():
    if _row in ops.OPS:
        setattr(Value, _name, _method(ops.OPS[_row]))


if sys.version_info < (3, 13):

    class _Leaf(Value):
        """A Value that a user makes, which takes attributes of any name; to Python, a Value as well."""

        __slots__ = ("__dict__",)

    _Leaf.__name__ = _Leaf.__qualname__ = Value.__name__

    def _new_value(cls: type[Value], *_: object, **__: object) -> Any:
        return _new(_Leaf if cls is Value else cls)

    def _reduce(value: Value, protocol: Any) -> Any:
        if type(value) in {Value, _Leaf}:
            return _empty, (type(value) is _Leaf,), value.__getstate__()
        return object.__reduce_ex__(value, protocol)

    Value.__new__ = _new_value  # type: ignore[method-assign, assignment]
    Value.__reduce_ex__ = _reduce  # type: ignore[method-assign, assignment]


def _empty(with_attributes: bool) -> Value:
    """A Value for `copy` and `pickle` to fill; from one Python to another, too."""
    node: Value = Value.__new__(Value) if with_attributes else _new(Value)
    return node


class Constant(Value):
    """A number that entered a graph without a Value of its own, such as the 2 in ``2 * w``.

    Nobody asks for the derivative by a constant, so none is kept: ``grad`` stays `NOT_COMPUTED`.
    """

    __slots__ = ()

    @property
    def grad(self) -> float:
        return NOT_COMPUTED

    @grad.setter
    def grad(self, gradient: float) -> None:
        """Let go of what the chain rule hands to it."""


def as_value(number: SupportsFloat) -> Value:
    """A Value as it is; any other real number as a `Constant`."""
    return number if isinstance(number, Value) else Constant(number)


def as_inputs(numbers: Iterable[SupportsFloat], names: Sequence[str]) -> list[Value]:
    """Values as they are; any other real number as a leaf with a name.

    >>> as_inputs([0.5, Value(2.0)], numbered("x", 2))
    [Value(data=0.5, name='x1'), Value(data=2.0)]
    """
    values = []
    for number, name in zip(numbers, names):
        if type(number) is float:  # Value(number, name), without the checks and the calls
            leaf = _new(Value)
            leaf.data = number
            leaf.grad = NOT_COMPUTED
            leaf.name = name
            leaf.op = None
            leaf.parents = leaf.evaluation = ()
            values.append(leaf)
        else:
            values.append(number if isinstance(number, Value) else Value(number, name))
    return values


@lru_cache
def numbered(letter: str, n: int) -> tuple[str, ...]:
    """The names x1, x2, …"""
    return tuple(f"{letter}{i}" for i in range(1, n + 1))


_watch: ContextVar[Callable[[Value], object] | None] = ContextVar("_watch", default=None)


@contextmanager
def watched(watch: Callable[[Value], object]) -> Iterator[None]:
    """Within it, watch is called with each Value whose number leaves the graph, as for a comparison."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


def watching() -> Callable[[Value], object] | None:
    """The function that `watched` calls now; None where nobody watches."""
    return _watch.get()


def _number(value: Value) -> float:
    return _outside(_checked(value), (value,))


def _checked(value: Value) -> float:
    """Its number; if someone has written another kind of number to ``data``, it becomes a float.

    Raises:
        TypeError, OverflowError: ``data`` is no real number; with the name of the value.
    """
    data = value.data
    if type(data) is not float:
        try:
            value.data = data = real(data)
        except (TypeError, OverflowError) as error:
            raise type(error)(f"{value.name or 'a value'}.data: {error}") from None
    return data


def _compared(value: Value, compare: Callable[[Any, Any], bool], other: Any) -> bool:
    """Whether the comparison holds; exactly, as Python compares a float with an int of any size."""
    if isinstance(other, Value):
        return compare(_number(value), _number(other))
    try:
        number = int(other) if isinstance(other, Integral) else real(other)
    except TypeError:
        result: bool = _left_to_arrays(other)
        return result
    return compare(_number(value), number)


def _outside(number: float, values: Sequence[Value]) -> float:
    """A number that leaves the graph, and of which values it is made."""
    if watch := _watch.get():
        for value in values:
            watch(value)
    return number


# ── Recording: the forward pass, one node at a time ───────────────────────────────────────────────────

_off: ContextVar[tuple[object, ...]] = ContextVar("_off", default=())  # each `no_grad` that is entered
_outer: ContextVar[tuple[tuple[object, ...], ...]] = ContextVar("_outer", default=())  # of `recording`
_is_off = _off.get
_was_off = False  # whether one has been entered ever: until then, there is nothing to ask
_REFUSALS = (ValueError, ZeroDivisionError, OverflowError, TypeError)


def record(op: Op, parents: tuple[Value, ...], name: str = "") -> Value:
    """The result of an operation on Values, as a new node of their graph.

    Raises:
        ValueError, ZeroDivisionError, OverflowError: what `float` and `math` raise, but with the
            operation, its operands and their numbers.
    """
    forward = op.forward
    evaluation: tuple[float, ...]
    n = len(parents)
    try:
        if n == 1:  # the last branch does for all; one and two operands take less time so
            number = parents[0].data
            if type(number) is not float:
                number = _checked(parents[0])
            out = forward(number)
            evaluation = (out, number)
        elif n == 2:
            left, right = parents
            a, b = left.data, right.data
            if type(a) is not float or type(b) is not float:
                a, b = _checked(left), _checked(right)
            out = forward(a, b)
            evaluation = (out, a, b)
        else:
            numbers = []
            for parent in parents:
                numbers.append(parent.data)  # noqa: PERF401  # before Python 3.12 a comprehension takes longer
            if type(sum(numbers, 0.0)) is not float:  # as it is not with a scalar of numpy among them
                check_data(parents)
                numbers = [parent.data for parent in parents]
            operands = tuple(numbers)
            out = forward(*operands)
            evaluation = (out,) + operands  # noqa: RUF005  # in less time than (out, *operands) takes
    except _REFUSALS as error:
        if check_data(parents):  # someone wrote a Decimal to `data`, which is a float now
            return record(op, parents, name)
        _refuse(op, parents, error)
    if type(out) is not float:  # a row of someone's own gave an int
        out, *_ = evaluation = tuple(map(float, evaluation))
    node: Value = _new(Value)  # __init__ checks what comes from outside; this needs no check
    node.data = out
    node.grad = NOT_COMPUTED
    node.name = name
    if _was_off and _is_off():
        node.data = _outside(out, parents)
        node.op = None
        node.parents = node.evaluation = ()
        return node
    node.op = op
    node.parents = parents
    node.evaluation = evaluation
    return node


class no_grad(ContextDecorator):  # noqa: N801  # as a function is named, since it is used as one
    """Within it, results are plain leaves: nothing is recorded. Also a decorator, ``@no_grad()``.

    It is so for this thread, or this asyncio task and those that it starts within; and where a generator
    yields within it, until it goes on, for who reads that.

    >>> w = Value(3.0)
    >>> with no_grad():
    ...     y = w * w
    >>> y.parents
    ()
    """

    def __enter__(self) -> None:
        global _was_off  # noqa: PLW0603
        _was_off = True
        _off.set((*_off.get(), self))

    def __exit__(self, *_: object) -> None:
        # Not set back: generators leave in any order, maybe in a context that they never entered.
        _off.set(_without(self, _off.get()))
        if levels := _outer.get():
            _outer.set(tuple(_without(self, level) for level in levels))

    def __call__(self, function: _Function) -> _Function:
        if any(ask(function) for ask in (isgeneratorfunction, iscoroutinefunction, isasyncgenfunction)):
            name = getattr(function, "__name__", function)
            raise TypeError(f"{name} goes on after its call returns: write `with no_grad():` inside it")
        return super().__call__(function)


@contextmanager
def recording() -> Iterator[None]:
    """Within it, operations are recorded even inside `no_grad`: for what must record, such as `grad`.

    >>> x = Value(3.0)
    >>> with no_grad(), recording():
    ...     y = x * x
    >>> y.op
    <op mul>
    """
    _outer.set((*_outer.get(), _off.get()))
    _off.set(())
    try:
        yield
    finally:
        *levels, outside = _outer.get()
        _outer.set(tuple(levels))
        _off.set((*outside, *_off.get()))  # a generator may be within a `no_grad` still


def _without(one: object, several: tuple[object, ...]) -> tuple[object, ...]:
    if one not in several:
        return several
    place = several.index(one)
    return several[:place] + several[place + 1 :]


def _refuse(op: Op, parents: tuple[Value, ...], error: Exception) -> NoReturn:
    """Raise the error of `float` or `math` again, in words that say which numbers it was about."""
    said = op.refused([(p.name, "!") if p.name else ops.written(p.data) for p in parents], error)
    named = dict.fromkeys(f"{p.name} = {p.data!r}" for p in parents if p.name)
    raise type(error)(said + (f" at {', '.join(named)}" if named else "")) from None


def check_data(values: Iterable[Value]) -> bool:
    """Make floats of the other real numbers that someone has written to ``data``; whether there was one.

    Raises:
        TypeError, OverflowError: ``data`` is no real number; with the name of the value.
    """
    others = [value for value in values if type(value.data) is not float]
    for value in others:
        _checked(value)
    return bool(others)


# ── Reading the graph ─────────────────────────────────────────────────────────────────────────────────


def gradients(root: Value) -> dict[Value, float]:
    """∂root/∂v for every value v that the root was made from: the chain rule, and nothing else.

    These are the numbers that ``root.backward()`` computes, to the same bits, in the order of
    `topological_order`. No ``grad`` is read or written. A `Constant` has no gradient.

    >>> w, x = Value(-3.0, name="w"), Value(2.0, name="x")
    >>> L = (w * x + 7) ** 2
    >>> gradients(L)[w]
    4.0
    >>> w.grad is NOT_COMPUTED
    True
    """
    order = topological_order(root)
    gradient = dict.fromkeys(order, 0.0)
    gradient[root] = 1.0
    # Results come before operands: when a node's turn comes, its gradient is complete.
    for node in reversed(order):
        for parent, partial in zip(node.parents, node.partials):
            if parent in gradient:
                gradient[parent] += partial * gradient[node]
    return gradient


def topological_order(*roots: Value) -> list[Value]:
    """Every value that the roots were made from, and the roots: parents before children.

    The leaves come first. `Constant` leaves are left out: nobody asks for their gradient. The order
    depends on the graph alone, so it is the same in every process.

    >>> a = Value(2.0, name="a")
    >>> b = a * 3
    >>> [v.data for v in topological_order(a + b)]
    [2.0, 6.0, 8.0]
    """
    leaves, inner = _leaves_and_inner_nodes(roots)
    return leaves + inner


def _leaves_and_inner_nodes(roots: Sequence[Value]) -> tuple[list[Value], list[Value]]:
    leaves: list[Value] = []
    inner: list[Value] = []
    seen: set[Value] = set()
    stack: list[Any] = list(reversed(roots))
    while stack:
        value = stack.pop()
        if value is None:  # all that lay above this mark is in order, so what lies below it follows
            inner.append(stack.pop())
        elif value not in seen:
            seen.add(value)
            if value.op is not None:
                stack.append(value)
                stack.append(None)
                for parent in value.parents:
                    if parent.op is not None:
                        stack.append(parent)
                    elif parent not in seen and type(parent) is not Constant:
                        seen.add(parent)
                        leaves.append(parent)
            elif type(value) is not Constant:
                leaves.append(value)
    return leaves, inner


def check_recorded(order: Sequence[Value]) -> None:
    """Refuse a graph in which someone has written to ``data`` since its forward pass.

    A reading that asks the rules again would mix old and new numbers there.

    Raises:
        RuntimeError: with the name, the recorded and the present number.
    """
    for node in order:
        if not node.op:
            continue
        for value, recorded in zip((node, *node.parents), node.evaluation):
            now = value.data
            if now != recorded and not (isnan(recorded) and isnan(now)):  # nan differs from itself
                raise RuntimeError(
                    f"{value.name or 'a value'} was {recorded!r} when this graph was recorded and is "
                    f"{now!r} now: run the forward pass again"
                )


def grad(y: Value, xs: Iterable[Value]) -> list[Value]:
    """∂y/∂x for each x in xs, as Values: a graph of its own, which can be differentiated again.

    Every ``.grad`` stays as it is. An x that y does not depend on has the derivative 0.

    Raises:
        TypeError: y is not one Value, or xs not a sequence of Values.
        RuntimeError: someone wrote to ``data`` since the graph was recorded.

    >>> x = Value(2.0)
    >>> [dy] = grad(x**3, [x])
    >>> [d2y] = grad(dy, [x])
    >>> dy.data, d2y.data
    (12.0, 12.0)
    """
    if not isinstance(y, Value):
        raise TypeError(
            f"grad differentiates one Value, not {y!r:.60}: "
            + ("call it first: grad(f(x), [x])" if callable(y) else "for several, call jacobian")
        )
    xs = _values(xs)
    gradients = adjoints(y, xs)
    return [as_value(gradients.get(x, 0.0)) for x in xs]


@recording()
def adjoints(y: Value, xs: Iterable[Value]) -> dict[Value, Any]:
    """∂y/∂v for each v that leads from the xs to y: the graph that `grad` gives, with all between.

    A gradient is a Value, or where it depends on nothing, a number.
    """
    wanted = set(_values(xs))
    # Constants are in no order: who asks for one has it from a gradient that is the same everywhere.
    order = [*(x for x in wanted if isinstance(x, Constant)), *topological_order(y)]
    check_recorded(order)
    # Only what leads from the xs to y takes part.
    between: set[Value] = set()
    for node in order:
        if node in wanted or any(parent in between for parent in node.parents):
            between.add(node)
    # Per node: what each child hands down, as (local derivative, upstream gradient).
    handed_down: dict[Value, list[tuple[Any, Any]]] = {y: [(1.0, 1.0)]}
    gradients: dict[Value, Any] = {}
    for node in reversed(order):
        if node not in between:
            continue
        gradient = gradients[node] = _sum_of_products(handed_down.pop(node, []))
        if node.op and not _is(gradient, 0.0):
            for parent, partial in zip(node.parents, node.op.partials(node, *node.parents)):
                if parent in between:
                    handed_down.setdefault(parent, []).append((partial, gradient))
    return gradients


def _sum_of_products(pairs: list[tuple[Any, Any]]) -> Any:
    """Σ a·b, in as few nodes as it takes; plain numbers stay plain, and 0 and 1 leave no node."""
    terms: list[Any] = []
    products: list[tuple[Any, Any]] = []
    for a, b in pairs:
        if _is(a, 0.0) or _is(b, 0.0):
            continue
        if _is(a, 1.0):
            terms.append(b)
        elif _is(b, 1.0):
            terms.append(a)
        elif _is(a, -1.0):
            terms.append(-b)
        elif isinstance(a, float) and isinstance(b, float):
            terms.append(a * b)
        else:
            products.append((a, b))
    if len(products) == 1:
        [(a, b)] = products
        terms.append(a * b)
    elif products:
        terms.append(ops.dot(*(a for a, _ in products), *(b for _, b in products)))
    return terms[0] if len(terms) == 1 else ops.sum(*terms)


def _is(term: Any, number: float) -> bool:
    return isinstance(term, float) and term == number


def jacobian(ys: Iterable[Value], xs: Iterable[Value]) -> list[list[Value]]:
    """Row i, column j: ∂ys[i]/∂xs[j], as Values.

    Raises:
        TypeError, RuntimeError: as `grad`, of each y.

    >>> r, t = Value(2.0), Value(0.0)
    >>> [[float(d) for d in row] for row in jacobian([r * t.cos(), r * t.sin()], [r, t])]
    [[1.0, -0.0], [0.0, 2.0]]
    """
    xs = _values(xs)
    return [grad(y, xs) for y in _values(ys, "ys")]


def hessian(y: Value, xs: Iterable[Value]) -> list[list[Value]]:
    """Row i, column j: ∂²y/∂xs[i]∂xs[j], as Values.

    Raises:
        TypeError, RuntimeError: as `grad`.

    >>> a, b = Value(2.0), Value(3.0)
    >>> [[float(d) for d in row] for row in hessian(a * a * b, [a, b])]
    [[6.0, 4.0], [4.0, 0.0]]
    """
    xs = _values(xs)
    return jacobian(grad(y, xs), xs)


def jvp(y: Value, xs: Iterable[Value], tangents: Iterable[SupportsFloat]) -> float:
    """Forward mode: how fast y changes when the xs change at the rates given as tangents.

    It carries the tangents along the recorded local derivatives, parents before children, and gives
    Σ ∂y/∂xᵢ · tangentᵢ in one pass, however many xs there are.

    Raises:
        ValueError: there is not one tangent for each x.

    >>> a, b = Value(2.0), Value(3.0)
    >>> jvp(a * b, [a, b], [1.0, 10.0])
    23.0
    """
    if not isinstance(y, Value):
        raise TypeError(f"jvp differentiates one Value, not {y!r:.60}")
    xs, rates = _values(xs), [*map(real, tangents)]
    if len(xs) != len(rates):
        raise ValueError(f"jvp needs a tangent for each x: got {len(xs)} xs, {len(rates)} tangents")
    _outside(y.data, (y,))
    tangent: dict[Value, float] = {}
    for x, rate in zip(xs, rates):
        tangent[x] = tangent.get(x, 0.0) + rate
    for node in topological_order(y):
        moving = [
            partial * tangent[parent]
            for parent, partial in zip(node.parents, node.partials)
            if parent in tangent
        ]
        if moving:
            tangent[node] = tangent.get(node, 0.0) + ops.sum(*moving)
    return tangent.get(y, 0.0)


def _values(xs: Iterable[Value], name: str = "xs") -> list[Value]:
    if isinstance(xs, Value):
        raise TypeError(f"{name} is one Value, where a list of them is needed: write [x]")
    if not isinstance(xs, Iterable):
        raise TypeError(f"{name} is {xs!r:.60}, where a list of Values is needed")
    values = [*xs]  # an iterator would be empty the second time
    for i, x in enumerate(values):
        if not isinstance(x, Value):
            raise TypeError(f"{name}[{i}] is {x!r:.60}, not a Value")
    return values
