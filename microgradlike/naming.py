"""The names of values: equal names are told apart, and names that look like notation are set apart."""

import re
import unicodedata
from collections.abc import Iterable
from itertools import count
from typing import NamedTuple, Protocol, TypeVar

from microgradlike.notation import FUNCTIONS, visible


class _Named(Protocol):
    @property
    def name(self) -> str: ...


class _Node(_Named, Protocol):
    @property
    def parents(self) -> "tuple[_Node, ...]": ...


_AnyNamed = TypeVar("_AnyNamed", bound=_Named)

_SUBSCRIPTS, _SUPERSCRIPTS = "₀₁₂₃₄₅₆₇₈₉", "⁰¹²³⁴⁵⁶⁷⁸⁹"
_TO_DIGITS = str.maketrans(_SUBSCRIPTS + _SUPERSCRIPTS, 2 * "0123456789")
_TO_SUPERSCRIPTS = str.maketrans("0123456789", _SUPERSCRIPTS)
_MARK = re.compile(rf"⁽([{_SUPERSCRIPTS}]+)⁾$")
_INDEX = re.compile(r"(.*[^\W\d_])_?(\d+(?:,\d+)*)", re.DOTALL)


class Parts(NamedTuple):
    """The parts of a name: w10,3⁽²⁾ is w, 10,3 and 2."""

    base: str
    subscript: str
    number: str


def parts(name: str) -> Parts:
    """A name taken apart: the digits at its end are an index, and ⁽²⁾ is the second of this name.

    >>> parts("w10,3⁽²⁾"), parts("two words")
    (Parts(base='w', subscript='10,3', number='2'), Parts(base='two words', subscript='', number=''))
    """
    marked = _MARK.search(name)
    number = marked[1].translate(_TO_DIGITS) if marked else ""
    name = name[: marked.start()] if marked else name
    indexed = _INDEX.fullmatch(name)
    base, index = (indexed[1], indexed[2]) if indexed else (name, "")
    return Parts(base, index, number)


def numbered(name: str, number: int) -> str:
    """The name of one of several values that are called alike.

    >>> numbered("x", 2)
    'x⁽²⁾'
    """
    return f"{name}⁽{str(number).translate(_TO_SUPERSCRIPTS)}⁾"


def told_apart(values: Iterable[_AnyNamed]) -> dict[_AnyNamed, str]:
    """Other names for those values whose names look alike: x⁽¹⁾, x⁽²⁾, … in the order of the values.

    Names look alike if they are typeset alike, as x1 and x_1. A value that is called like no other is
    not in the result.

    >>> from microgradlike import Value
    >>> list(told_apart([Value(1.0, "x"), Value(2.0, "y"), Value(3.0, "x")]).values())
    ['x⁽¹⁾', 'x⁽²⁾']
    """
    alike: dict[str, list[_AnyNamed]] = {}
    for value in dict.fromkeys(values):
        if value.name:
            alike.setdefault(_look(value.name), []).append(value)
    names: dict[_AnyNamed, str] = {}
    for look, group in alike.items():
        if len(group) > 1:
            free = (number for number in count(1) if numbered(look, number) not in alike)
            names.update((value, numbered(value.name, next(free))) for value in group)
    return names


def _look(name: str) -> str:
    """The look of a name when it is typeset."""
    if name.isascii() and "_" not in name:
        return name
    marked = _MARK.search(name)
    end = marked.start() if marked else len(name)
    word = re.sub(rf"[{_SUBSCRIPTS},]+$", lambda index: index[0].translate(_TO_DIGITS), name[:end])
    base, index, _ = parts(word)
    return base + index + name[end:]


def set_apart(name: str) -> str:
    """A name as it stands in a formula: one that could be read as notation is in angle brackets.

    A plain name is a word: letters, digits, an underscore, a prime, an index with a comma.

    >>> set_apart("w10,3"), set_apart("1 - p"), set_apart("σ"), set_apart("x²")
    ('w10,3', '⟨1 - p⟩', '⟨σ⟩', '⟨x²⟩')
    """
    name = visible(name)
    marked = _MARK.search(name)
    end = marked.start() if marked else len(name)
    word = name[:end]
    if _is_plain(word) or (word.startswith("⟨") and word.endswith("⟩")):
        return name
    return f"⟨{word}⟩{name[end:]}"


def in_words(name: str) -> str:
    """A name that was set apart as it stands in a sentence, where nothing else could be meant.

    >>> in_words("⟨km/h⟩"), in_words("x⁽²⁾")
    ('km/h', 'x⁽²⁾')
    """
    return name.removeprefix("⟨").replace("⟩", "") if name.startswith("⟨") else name


def _is_plain(word: str) -> bool:
    if word in FUNCTIONS or word in {"inf", "nan"} or not word[:1].isalpha():
        return False
    # A dot and a comma stand inside: a.b, and 10,3.
    letters = re.sub(r"(?<=\w)\.(?=\w)|(?<=\d),(?=\d)", "", word)
    return all(map(_is_letter, letters))


def _is_letter(c: str) -> bool:
    known = c.isalpha() or c.isdecimal() or c in _SUBSCRIPTS or c in "_'′"
    return known or unicodedata.category(c).startswith("M")  # the accent of x̂


_AnyNode = TypeVar("_AnyNode", bound=_Node)


def forward_order(*roots: _AnyNode) -> list[_AnyNode]:
    """All values in the order of the forward pass: operands before results, from left to right."""
    order: dict[_AnyNode, None] = {}
    seen: set[_AnyNode] = set()
    stack: list[tuple[_AnyNode, bool]] = [(root, False) for root in reversed(roots)]
    while stack:
        value, is_complete = stack.pop()
        if is_complete:
            order[value] = None
        elif value not in seen:
            seen.add(value)
            stack.append((value, True))
            operands: tuple[_AnyNode, ...] = value.parents  # type: ignore[assignment]
            stack += [(parent, False) for parent in reversed(operands) if parent not in seen]
    return list(order)
