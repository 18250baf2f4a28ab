"""Surroundings: what a call of the user's code may change besides giving a result.

A loss may count its calls, draw random numbers, or keep a list of what it saw. Then a call more, such as a
trace is, would change the training. So a snapshot is taken before it: of random generators, and of all
variables that the code reaches through closures, globals and attributes.
"""

import gc
import random
import sys
import sysconfig
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from types import (
    BuiltinMethodType,
    CodeType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any

from microgradlike.engine import Constant, Value

#: So many things are looked at, the nearest first: what lies behind them are data.
_MOST = 2_000

#: A list of more things than this holds data: it is looked at, its rows are not.
_LONG = 100

_NEVER_CHANGE = {
    *(int, float, complex, bool, str, bytes, type(None), type(Ellipsis), range, slice),
    *(CodeType, MemberDescriptorType, Value, Constant),
}

_ABSENT = object()


@dataclass(frozen=True)
class _Place:
    """A thing whose content may change: its name, and how to read and to write the content."""

    name: str  # empty: the content is a dict, whose keys are names
    read: Callable[[], Any]
    write: Callable[[Any], object]


class Surroundings:
    """A snapshot of all that some code can change.

    Args:
        code: functions, and objects that are called or have methods.
        generators: random generators that are looked at, too.

    Attributes:
        iterator: the name of one that the code reaches, of which no snapshot can be taken; or empty.
    """

    def __init__(self, code: Iterable[Any], generators: Iterable[Any] = ()) -> None:
        self.iterator = ""
        places = [place for generator in generators for place in _generator("", generator)]
        self._snapshot = [(place, place.read()) for place in (*places, *self._reached(code))]

    def _reached(self, code: Iterable[Any]) -> Iterator[_Place]:
        seen: dict[int, Any] = {}
        waiting = deque(("", thing) for thing in code)
        while waiting and len(seen) < _MOST:
            name, thing = waiting.popleft()
            if id(thing) in seen:
                continue
            seen[id(thing)] = thing
            if hasattr(type(thing), "__next__"):
                self.iterator = self.iterator or name or "an iterator"
                continue
            for found in _contents(name, thing):
                if isinstance(found, _Place):
                    yield found
                elif type(found[1]) not in _NEVER_CHANGE:
                    waiting.append(found)

    def change(self) -> str:
        """The name of something that has changed since; empty if nothing has."""
        for place, content in self._snapshot:
            now = place.read()
            if not _same(now, content):
                return place.name or next(
                    name for name in [*content, *now] if not _same(now.get(name), content.get(name))
                )
        return ""

    def restore(self) -> None:
        """Put back what has changed since."""
        for place, content in self._snapshot:
            if not _same(place.read(), content):
                place.write(content)


def random_generators() -> list[Any]:
    """Those that there are: Python's and numpy's, the global ones and the private ones."""
    kinds = _with_subclasses(random.Random)
    if numpy_random := sys.modules.get("numpy.random"):
        kinds |= _with_subclasses(numpy_random.BitGenerator)
    return [thing for thing in gc.get_objects() if type(thing) in kinds]


def global_generators() -> list[Any]:
    """Python's and numpy's own, which functions such as `random.random` draw from."""
    numpy_random = sys.modules.get("numpy.random")
    python: random.Random = vars(random)["_inst"]
    return [python, numpy_random.mtrand._rand] if numpy_random else [python]


def _with_subclasses(kind: type) -> set[type]:
    return {kind}.union(*map(_with_subclasses, kind.__subclasses__()))


@contextmanager
def undisturbed(*code: Any) -> Iterator[None]:
    """Put back after the block all that the code changed in it, as if it had not been called."""
    surroundings = Surroundings(code, random_generators())
    try:
        yield
    finally:
        surroundings.restore()


# ── What there is in a thing ──────────────────────────────────────────────────────────────────────────

#: Places, and other things with their names, to look into.
_Found = Iterator[_Place | tuple[str, Any]]


def _contents(name: str, thing: Any) -> _Found:
    """The places of a thing, and what else it leads to."""
    numpy = sys.modules.get("numpy")
    if isinstance(thing, list | deque | bytearray | array):
        yield _Place(name, partial(list, thing), partial(_refill, thing))
        if len(thing) <= _LONG:
            yield from ((name, item) for item in thing)
    elif isinstance(thing, tuple | frozenset):
        yield from ((name, item) for item in thing)
    elif isinstance(thing, random.Random) or str(type(thing).__module__).startswith("numpy.random"):
        yield from _generator(name, thing)
    elif isinstance(thing, dict | set):
        yield _Place(name, thing.copy, partial(_replace, thing))
        yield from ((name, item) for item in (thing.values() if isinstance(thing, dict) else thing))
    elif numpy and isinstance(thing, numpy.ndarray):
        yield _Place(name, thing.copy, partial(thing.__setitem__, ...))
    elif isinstance(thing, FunctionType):
        yield from _of_function(thing) if _is_users(thing.__module__) else ()
    elif isinstance(thing, MethodType):
        yield from ((name, thing.__self__), (name, thing.__func__))
    elif isinstance(thing, BuiltinMethodType):
        yield name, thing.__self__
    elif isinstance(thing, partial):
        yield from ((name, thing.func), (name, thing.args), (name, thing.keywords))
    elif isinstance(thing, staticmethod | classmethod) or "__wrapped__" in getattr(thing, "__dict__", ()):
        yield name, thing.__wrapped__
    elif isinstance(thing, property):
        yield from ((name, function) for function in (thing.fget, thing.fset) if function)
    elif isinstance(thing, type):
        yield from _of_class(thing) if _is_users(thing.__module__) else ()
    elif not isinstance(thing, ModuleType):
        yield from _of_object(name, thing)


def _generator(name: str, thing: Any) -> Iterator[_Place]:
    name = name or "the state of a random generator"
    bits = getattr(thing, "bit_generator", getattr(thing, "_bit_generator", thing))
    if isinstance(thing, random.Random):
        if not isinstance(thing, random.SystemRandom):
            yield _Place(name, thing.getstate, thing.setstate)
    elif hasattr(bits, "state"):
        yield _Place(name, lambda: bits.state, partial(setattr, bits, "state"))


def _of_function(function: FunctionType) -> _Found:
    """Closure, defaults, attributes, and the globals that its code names."""
    code = function.__code__
    for name, cell in zip(code.co_freevars, function.__closure__ or ()):
        yield _Place(name, partial(_cell_content, cell), partial(_set_cell, cell))
        yield from ((name, thing) for thing in _cell_content(cell))
    yield function.__name__, vars(function)
    yield from ((function.__name__, thing) for thing in function.__defaults__ or ())
    yield from (function.__kwdefaults__ or {}).items()
    names = _names(code)
    there = function.__globals__
    yield from _entries(there, names)
    for name in names:
        if isinstance(there.get(name), ModuleType) and _is_users(there[name].__name__):
            yield from _entries(vars(there[name]), names)


def _names(code: CodeType) -> list[str]:
    """The names of globals and attributes in a function, and in those that are written in it."""
    inner = [thing for thing in code.co_consts if isinstance(thing, CodeType)]
    return [*dict.fromkeys([*code.co_names, *(name for one in inner for name in _names(one))])]


def _entries(namespace: dict[str, Any], names: Iterable[str]) -> _Found:
    """Some entries of a namespace."""
    for name in names:
        if not name.startswith("__"):
            yield _Place(name, partial(namespace.get, name, _ABSENT), partial(_set_entry, namespace, name))
            yield name, namespace.get(name)


def _of_class(kind: type) -> _Found:
    for name, thing in vars(kind).items():
        if not name.startswith("__") or callable(thing):
            yield name, thing
        if not name.startswith("__") and not callable(thing) and type(thing) is not MemberDescriptorType:
            yield _Place(name, partial(vars(kind).get, name), partial(setattr, kind, name))


def _of_object(name: str, thing: Any) -> _Found:
    """The attributes of an object, and those of its class; of this package's, no more than the former."""
    kind = type(thing)
    users = [one for one in kind.__mro__ if _is_users(one.__module__)]
    if users or _top(kind.__module__) in {"collections", "types", "microgradlike"}:
        attributes = getattr(thing, "__dict__", None)
        if isinstance(attributes, dict):
            yield _Place("", attributes.copy, partial(_replace, attributes))
            yield from attributes.items() if _top(kind.__module__) != "microgradlike" else ()
    for one in users:
        yield name, one
        slots = one.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if hasattr(thing, slot):
                yield _Place(slot, partial(getattr, thing, slot, None), partial(setattr, thing, slot))
                yield slot, getattr(thing, slot)


# ── Reading, writing, comparing ───────────────────────────────────────────────────────────────────────


def _cell_content(cell: Any) -> list[Any]:
    try:
        return [cell.cell_contents]
    except ValueError:  # it is empty
        return []


def _set_cell(cell: Any, content: list[Any]) -> None:
    if content:
        [cell.cell_contents] = content
    else:
        del cell.cell_contents


def _set_entry(namespace: dict[str, Any], name: str, thing: Any) -> None:
    if thing is _ABSENT:
        namespace.pop(name, None)
    else:
        namespace[name] = thing


def _refill(thing: Any, content: list[Any]) -> None:
    while thing:
        thing.pop()
    thing.extend(content)


def _replace(thing: Any, content: Any) -> None:
    thing.clear()
    thing.update(content)


def _same(a: Any, b: Any) -> bool:
    """Whether two contents are the same; numbers and texts are compared, other things must be identical."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if type(a) in _NEVER_CHANGE:
        return bool(a == b or a != a)  # noqa: PLR0124  # nan
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(thing, b[name]) for name, thing in a.items())
    if isinstance(a, set):
        return {*map(id, a)} == {*map(id, b)} or a == b
    return hasattr(a, "tobytes") and bool(a.tobytes() == b.tobytes())


@cache
def _is_users(module: Any) -> bool:
    """Whether a module is the user's: not this package's, nor Python's, nor an installed one."""
    top = _top(module)
    if top in sys.stdlib_module_names or top == "microgradlike":
        return False
    file = getattr(sys.modules.get(top), "__file__", None) or ""
    return not file.startswith((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))


def _top(module: Any) -> str:
    return str(module).partition(".")[0]
