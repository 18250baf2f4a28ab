"""The architecture of a model as JSON can hold it: what a file says of the model that it was written of."""

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

from microgradlike.engine import Value
from microgradlike.parameters import Parameterized

#: A longer list is data, and no setting.
_LONGEST = 100

_PLAIN = (str, int, float, type(None))


def settings(model: Parameterized, known: frozenset[str], seen: set[int]) -> dict[str, Any]:
    """The settings of a model, and the models in it: from its attributes without those that are known.

    A setting is a number, a text, a function, or a short list or dict of these. An attribute whose name
    begins with _ is none.

    Args:
        model: the model.
        known: attributes that are said otherwise, or that no architecture has.
        seen: the ids of the models that are being described, which are not entered again.
    """
    found: dict[str, Any] = {}
    parts: dict[str, Any] = {}
    for name, thing in vars(model).items():
        if not name.startswith("_") and name not in known:
            _collect(name, thing, found, parts, seen)
    about = {"settings": found, "parts": parts}
    return {name: thing for name, thing in about.items() if thing}


def _collect(path: str, thing: Any, found: dict[str, Any], parts: dict[str, Any], seen: set[int]) -> None:
    if isinstance(thing, Value):
        return
    if isinstance(thing, _PLAIN):
        found[path] = _plain(thing)
    elif callable(thing) and isinstance(getattr(thing, "__qualname__", None), str):
        found[path] = thing.__qualname__
    elif id(thing) in seen:
        return
    elif isinstance(thing, Parameterized):
        parts[path] = _part(thing, {*seen, id(thing)})
    elif isinstance(thing, Mapping) and len(thing) <= _LONGEST:
        for key, item in thing.items():
            _collect(f"{path}[{key!r}]", item, found, parts, {*seen, id(thing)})
    elif isinstance(thing, list | tuple | deque) and thing:
        if all(isinstance(item, _PLAIN) for item in thing):
            if len(thing) <= _LONGEST:
                found[path] = [*map(_plain, thing)]
            return
        for i, item in enumerate(thing):
            if len(thing) <= _LONGEST or isinstance(item, Parameterized):
                _collect(f"{path}[{i}]", item, found, parts, {*seen, id(thing)})


def _part(model: Any, seen: set[int]) -> Any:
    """The description of a model in another one: that of its class, if a user wrote one."""
    written = not type(model).describe.__module__.startswith(f"{__package__}.")
    return model.describe() if written else model._describe(seen)


def _plain(thing: Any) -> Any:
    """As JSON has it: it has no nan and no infinity, and its numbers and texts are those of Python."""
    if isinstance(thing, float):
        return float(thing) if math.isfinite(thing) else str(float(thing))
    if isinstance(thing, str):
        return str(thing)
    return thing if thing is None or isinstance(thing, bool) else int(thing)


def difference(mine: Any, theirs: Any, path: str = "") -> tuple[str, str, str] | None:
    """The first place where two descriptions differ, and what each says there; None if they are alike."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for name in {**mine, **theirs}:
            inner = f"{path}.{name}" if path else name
            found = difference(mine.get(name), theirs.get(name), inner)
            if found:
                return found
        return None
    if type(mine) is type(theirs) and mine == theirs:
        return None
    return path.removeprefix("settings."), f"{mine!r:.60}", f"{theirs!r:.60}"
