"""Several writes as one: all of them happen, or none.

Ctrl-C stops Python between any two of its instructions, and so in the middle of a loop of assignments. Two
things stand against that. A call of a function that is written in C is one instruction: `write` prepares
everything, and then makes all its assignments within such a call. Work that cannot be one call, such as the
step of an optimizer, is an `attempt`: if it does not come to its end, everything is as it was before.

>>> a, b = Value(1.0), Value(2.0)
>>> write([a, b], [3.0, 4.0])
>>> def work():
...     a.data = 5.0
...     b.data = 1 / 0
>>> attempt(work, snapshot([a, b]))
Traceback (most recent call last):
ZeroDivisionError: division by zero
>>> a.data, b.data
(3.0, 4.0)
"""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain, repeat
from typing import Any, TypeAlias

from microgradlike.engine import NOT_COMPUTED, Value

#: Goes through an iterator to its end, and keeps nothing: a loop without an instruction of Python in it.
_exhaust = deque[None](maxlen=0).extend

#: Things that nobody changes in place. (A Value is not copied: a snapshot holds its number.)
_FIXED = {bool, int, float, str, type(None), Value}

#: Values and their numbers; an object and its attributes.
Snapshot: TypeAlias = tuple[Sequence[Value], Sequence[float], object, dict[str, Any]]


def write(
    values: Sequence[Value], numbers: Sequence[float], owner: object = None, /, **attributes: object
) -> None:
    """Set the ``data`` of some Values, and attributes of an object, all of them or none.

    Args:
        values: the Values.
        numbers: a float for each of them, checked already.
        owner: an object that has a ``__dict__``.
        attributes: the new attributes of the owner.

    Raises:
        ValueError: there is not a number for each Value.
    """
    if len(values) != len(numbers):
        raise ValueError(f"{len(values)} Values cannot take {len(numbers)} numbers")
    state = {} if owner is None else {"__dict__": vars(owner).copy()}
    before = values, [value.data for value in values], owner, state
    # An attempt, since a subclass may have attributes that a method of its own sets, in Python.
    attempt(lambda: _assign(values, numbers, owner, attributes), before)


def forget_gradients(values: Sequence[Value]) -> None:
    """Set the ``grad`` of all Values back to `NOT_COMPUTED`, within one instruction."""
    _exhaust(map(setattr, values, repeat("grad"), repeat(NOT_COMPUTED)))


def attempt(action: Callable[[], object], before: Snapshot) -> None:
    """Call a function that writes to Values and to an object; if it raises, take all of it back.

    Args:
        action: the function.
        before: the `snapshot` to go back to.
    """
    try:
        try:
            action()
        except BaseException:
            restore(before)
            raise
    except BaseException:  # Ctrl-C may come while the handler above is at work
        restore(before)
        raise


class Unchanged:
    """A block after which some Values have the ``data`` and the ``grad`` that they had before.

    It stands twice in its ``with``: if Ctrl-C comes while the inner one puts them back, the outer one does.

    Args:
        values: the Values.

    >>> a = Value(1.0)
    >>> before = Unchanged([a])
    >>> with before, before:
    ...     a.data = 2.0
    >>> a.data
    1.0
    """

    def __init__(self, values: Sequence[Value]) -> None:
        self._values = values
        self._numbers = [value.data for value in values]
        self._gradients = [value.grad for value in values]

    def __enter__(self) -> None:
        """Nothing is to be done: it remembers the numbers of when it was made."""

    def __exit__(self, *_: object) -> None:
        data = map(setattr, self._values, repeat("data"), self._numbers)
        _exhaust(chain(data, map(setattr, self._values, repeat("grad"), self._gradients)))


def snapshot(values: Sequence[Value], owner: object = None, names: Sequence[str] | None = None) -> Snapshot:
    """The numbers of some Values and the attributes of an object, as they are now, for `restore`.

    Args:
        values: Values whose ``data`` is kept.
        owner: an object whose attributes are kept, with all numbers in its lists, dicts, sets and arrays.
        names: of those attributes that change, if they are numbers and lists of numbers. By default all
            attributes are kept, which takes longer.
    """
    numbers = [value.data for value in values]
    if owner is None:
        return values, numbers, None, {}
    if names is None:
        return values, numbers, owner, {"__dict__": attributes(owner, values)}
    state: dict[str, Any] = {}
    for name in names:
        thing = getattr(owner, name)
        state[name] = thing[:] if type(thing) is list else thing
    return values, numbers, owner, state


def attributes(owner: object, values: Sequence[Value]) -> dict[str, Any]:
    """The attributes of an object, out of reach of its later changes.

    Lists, dicts, sets and arrays in it are copies; the list of values and other objects are the same ones.
    """
    return copy_of(vars(owner), values)


def copy_of(state: dict[str, Any], values: Sequence[Value] = ()) -> dict[str, Any]:
    """Attributes out of reach of later changes: those that `attributes` gave, again."""
    copied: dict[str, Any] = _copy(state, {id(values): values})
    return copied


def restore(before: Snapshot) -> None:
    """Set everything as it was when `snapshot` was called, in one step.

    The lists of the snapshot are then those of the object: what changes them changes both.
    """
    _assign(*before)


def _assign(
    values: Sequence[Value], numbers: Sequence[float], owner: object, attributes: dict[str, Any]
) -> None:
    """The assignments, within one instruction."""
    numbers_first = map(setattr, values, repeat("data"), numbers)
    _exhaust(chain(numbers_first, map(setattr, repeat(owner), attributes.keys(), attributes.values())))


def _copy(thing: Any, copies: dict[int, Any]) -> Any:
    """A thing whose lists, dicts, sets and arrays are copies; objects of other kinds are the same ones."""
    kind = type(thing)
    if id(thing) in copies:
        return copies[id(thing)]
    if kind is dict:
        copied = copies[id(thing)] = {}
        for key, item in thing.items():
            copied[key] = item if type(item) in _FIXED else _copy(item, copies)
        return copied
    if kind is list:
        if _FIXED.issuperset(map(type, thing)):  # the usual case, in less time
            return thing[:]
        items = copies[id(thing)] = []
        items.extend(_copy(item, copies) for item in thing)
        return items
    if kind is tuple:
        return thing if _FIXED.issuperset(map(type, thing)) else (*(_copy(item, copies) for item in thing),)
    if kind in {set, deque} or hasattr(thing, "__array_interface__"):
        return thing.copy()
    return thing
