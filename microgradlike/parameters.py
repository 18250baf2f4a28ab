"""The parameters of a model: where they are found, and what each is called.

They are looked for in the attributes of a model and of its class, in its ``__slots__``, and from there in
lists, tuples, deques, dicts, arrays of objects, and other models. The name of a parameter is the way to it,
as in ``blocks.0.w``; a network gives those of a textbook instead.
"""

import warnings
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from types import (
    BuiltinFunctionType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, ClassVar, TypeAlias

from microgradlike.engine import Value
from microgradlike.transaction import forget_gradients

#: The way to a thing: that to its holder (None at the model), the holder, and the attribute or key there.
_Way: TypeAlias = tuple[Any, Any, Any]

#: Things in which no parameter is.
_PLAIN = {
    *(bool, int, float, complex, str, bytes, bytearray, memoryview, range, type(None)),
    *(type, property, classmethod, staticmethod, GetSetDescriptorType, MemberDescriptorType),
    *(FunctionType, BuiltinFunctionType, MethodType, ModuleType),
}

#: How many objects that are no models are searched for a Value that would be overlooked.
_SEARCHED = 1000


class Parameterized:
    """An object with parameters: the leaf Values in it, wherever they are.

    Values that only a function's closure holds are out of reach: keep them in an attribute, too.
    """

    #: Attributes whose parameters have names without the way through them.
    _nameless: ClassVar[frozenset[str]] = frozenset()
    #: Where a user's subclass may hold parameters besides the ``__dict__`` of an object.
    _slots: ClassVar[tuple[str, ...]] = ()
    _classes: ClassVar[tuple[type, ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = [c for c in cls.__mro__ if not c.__module__.startswith(f"{__package__}.") and c is not object]
        cls._classes = tuple(own)
        cls._slots = tuple(name for c in own for name in _slots_of(c))

    def named_parameters(self) -> list[tuple[str, Value]]:
        """Pairs of a unique name and a parameter, in a fixed order.

        Raises:
            TypeError: a Value is in a set, which has no order.
            ValueError: two parameters have the same name, since keys of a dict are written alike.
        """
        found = _find(self, [] if _is_own(self) else self.parameters())
        names = {value: _name(way) for value, way in found.items()}
        count = Counter(names.values())
        for value, name in names.items():
            if count[name] > 1:  # two neurons of one number, or the keys 1 and "1": written as in Python
                names[value] = _expression(found[value])
        if len({*names.values()}) < len(names):
            [(name, _)] = Counter(names.values()).most_common(1)
            raise ValueError(f"two parameters are called {name:.100}: give their keys other names")
        return [(name, value) for value, name in names.items()]

    def parameters(self) -> list[Value]:
        """The Values that training changes, in the order of `named_parameters`.

        >>> from microgradlike.nn import MLP
        >>> len(MLP(2, [2, 1]).parameters())
        9
        """
        leaves = self._leaves()
        return [*_find(self)] if leaves is None else leaves

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters, before the next backward pass adds to them.

        >>> from microgradlike.nn import Neuron
        >>> neuron = Neuron(2, nonlin=False)
        >>> neuron([3.0, 5.0]).backward()
        >>> [w.grad for w in neuron.parameters()]
        [3.0, 5.0, 1.0]
        >>> neuron.zero_grad()
        >>> [w.grad for w in neuron.parameters()]
        [0.0, 0.0, 0.0]
        """
        forget_gradients(self.parameters())

    def _leaves(self) -> list[Value] | None:
        """The parameters without a search, where a class knows that there are no others; else None."""
        return None

    def _textbook(self, attribute: str, items: Sequence[Any]) -> str:  # noqa: ARG002
        """The name that a textbook has for what this attribute holds, at these indices; else nothing."""
        return ""


def _find(model: Parameterized, more: Sequence[Value] = ()) -> dict[Value, _Way]:
    """The parameters in their order, each with the way to it; one that is shared is there once."""
    search = _Search()
    search.look_into(model, None)
    search.look([("parameters()", more)], model, None)
    for thing, way in search.others:
        _complain_of_hidden(model, thing, way, search.found)
    return search.found


def _is_own(model: Parameterized) -> bool:
    """Whether its ``parameters`` is the one above: that of code written for micrograd gives more."""
    return type(model).parameters is Parameterized.parameters


class _Search:
    """A search for leaf Values."""

    def __init__(self) -> None:
        self.found: dict[Value, _Way] = {}
        self.others: list[tuple[Any, _Way]] = []  # objects in which it does not look
        self._seen: dict[int, Any] = {}  # by their ids, which are theirs as long as they are kept

    def look_into(self, model: Parameterized, way: _Way | None) -> None:
        """Look in the attributes of a model, and in those of its classes."""
        self._seen[id(model)] = model
        attributes = vars(model)
        self.look(attributes.items(), model, way)
        if model._classes:
            slots = [(name, getattr(model, name)) for name in model._slots if hasattr(model, name)]
            self.look(slots, model, way)
        for owner in model._classes:
            shared = [(name, thing) for name, thing in vars(owner).items() if name not in attributes]
            self.look(shared, model, way)

    def look(self, items: Iterable[tuple[Any, Any]], holder: Any, before: _Way | None) -> None:
        """Look at things that lie in a holder under some keys, and into them."""
        found, seen = self.found, self._seen
        for key, thing in items:
            kind = type(thing)
            if kind in _PLAIN:
                continue
            if isinstance(thing, Value):
                if not thing.parents and thing not in found:
                    found[thing] = before, holder, key
                continue
            if id(thing) in seen:
                continue
            seen[id(thing)] = thing
            way = before, holder, key
            if kind is list or kind is tuple:
                self.look(enumerate(thing), thing, way)
            elif isinstance(thing, Parameterized):
                if kind.named_parameters is not Parameterized.named_parameters:
                    self.look(thing.named_parameters(), thing, way)
                    continue
                self.look_into(thing, way)
                if not _is_own(thing):
                    self.look([("parameters()", thing.parameters())], thing, way)
            elif isinstance(thing, Mapping):
                self.look(thing.items(), thing, way)
            elif isinstance(thing, Sequence | deque):
                self.look(enumerate(thing), thing, way)
            elif str(getattr(thing, "dtype", "")) == "object" and hasattr(thing, "tolist"):
                listed = thing.tolist()
                self.look(enumerate(listed) if isinstance(listed, list) else [("", listed)], listed, way)
            elif not hasattr(thing, "dtype"):
                self.others.append((thing, way))


# ── Names ─────────────────────────────────────────────────────────────────────────────────────────────


def _steps(way: _Way) -> list[tuple[Any, Any]]:
    steps = []
    next_way: _Way | None = way
    while next_way:
        next_way, holder, key = next_way
        steps.append((holder, key))
    return steps[::-1]


def _name(way: _Way) -> str:
    """The keys on the way, joined by points; or in a network the name of a textbook."""
    dotted: list[str] = []  # the keys so far …
    prefix: list[str] = []  # … and without those that a textbook has not
    model: Parameterized | None = None
    attribute, nameless = "", True
    items: list[Any] = []
    for holder, key in _steps(way):
        if isinstance(holder, Parameterized):
            if not nameless:
                prefix = dotted[:]
            model, attribute, items, nameless = holder, str(key), [], key in holder._nameless
        else:
            items.append(key)
        if key != "":
            dotted.append(str(key))
    name = model._textbook(attribute, items) if model else ""
    return ".".join([*prefix, name] if name else dotted)


def _expression(way: _Way) -> str:
    """The way as Python writes it: ``layers[0].extra['1']``."""
    text = ""
    for holder, key in _steps(way):
        text += f".{key}" if isinstance(holder, Parameterized) else f"[{key!r}]"
    return text.removeprefix(".")


# ── Where nothing is found ────────────────────────────────────────────────────────────────────────────


def _complain_of_hidden(model: Parameterized, thing: Any, way: _Way, found: Mapping[Value, _Way]) -> None:
    """Say it if a thing that is no model and no list holds a Value that is not found elsewhere."""
    if all(value in found for value in _hidden_in(thing)):
        return
    kind, where = type(thing).__name__, f"{type(model).__name__}.{_expression(way)}"
    if isinstance(thing, Set):
        raise TypeError(
            f"{where} is a {kind}, whose order differs from run to run, so that its Values can have no "
            "names: write a list"
        )
    warnings.warn(
        f"{where} is a {kind}, which has a Value that is not looked for there: it will neither be trained "
        f"nor saved. Make {kind} a Module, or keep the Value in an attribute of the model",
        stacklevel=2,
    )


def _hidden_in(thing: Any) -> Iterator[Value]:
    """The leaf Values in an object, in its attributes and in theirs."""
    stack, seen = [thing], {id(thing)}
    while stack and len(seen) < _SEARCHED:
        thing = stack.pop()
        if isinstance(thing, Value):
            if not thing.parents:
                yield thing
            continue
        if isinstance(thing, Parameterized):
            yield from _find(thing)
            continue
        if isinstance(thing, Mapping):
            inside = [*thing.values()]
        elif isinstance(thing, Sequence | Set | deque):
            inside = [*thing]
        elif hasattr(thing, "to_numpy") or hasattr(thing, "dtype"):
            array = thing.to_numpy() if hasattr(thing, "to_numpy") else thing
            inside = array.ravel().tolist() if str(array.dtype) == "object" else []
        elif type(thing).__module__.startswith(f"{__package__}."):  # a cursor, a program, an optimizer
            continue
        else:
            inside = [*getattr(thing, "__dict__", {}).values()]
            names = [name for c in type(thing).__mro__ for name in _slots_of(c)]
            inside += [getattr(thing, name) for name in names if hasattr(thing, name)]
        for item in inside:
            if type(item) not in _PLAIN and id(item) not in seen:
                seen.add(id(item))
                stack.append(item)


def _slots_of(owner: type) -> Iterator[str]:
    """The slots that a class adds, by the names that Python gives them."""
    slots = vars(owner).get("__slots__", ())
    for name in [slots] if isinstance(slots, str) else slots:
        if name.startswith("__") and not name.endswith("__"):
            yield f"_{owner.__name__.lstrip('_')}{name}"
        elif name not in {"__dict__", "__weakref__"}:
            yield name
