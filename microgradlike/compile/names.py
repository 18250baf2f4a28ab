"""Names for what code is printed of: identifiers, none of them twice."""

import re
import unicodedata
from collections.abc import Iterable

#: Letters of a name in code: some compilers cut what is longer, and then take two names for one.
_LONGEST = 60


class Names:
    """Gives out names, each once.

    >>> names = Names(["Z1"])
    >>> names.new("Z"), names.numbered("Z"), names.new("Z"), names.new("∂L/∂w")
    ('Z', 'Z2', 'Z_1', 'L__w')
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._count: dict[str, int] = {}

    def new(self, wish: str) -> str:
        """The name that is wished for, as an identifier, or if it is taken, that with a number."""
        name = identifier(wish)
        if name in self._taken:
            return self.numbered(f"{name}_")
        self._taken.add(name)
        return name

    def numbered(self, stem: str) -> str:
        """The next of stem1, stem2, …"""
        while True:
            number = self._count[stem] = self._count.get(stem, 0) + 1
            name = f"{stem}{number}"
            if name not in self._taken:
                self._taken.add(name)
                return name


def identifier(name: str) -> str:
    """What Python reads as a name, in the form in which Python keeps it; of a long name its beginning."""
    name = re.sub(r"\W", "_", unicodedata.normalize("NFKC", name)).lstrip("_")[:_LONGEST]
    return name if name.isidentifier() else f"v_{name}"


def stem(name: str) -> str:
    """What a name begins with: w of w11, x of x1.

    >>> stem("w11"), stem("x_1"), stem("1")
    ('w', 'x', '')
    """
    match = re.match(r"[^\W\d_]+", identifier(name) if name else "")
    return match[0] if match and name and not name[0].isdigit() else ""
