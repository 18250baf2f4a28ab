"""What stands in the boxes of a picture: names, numbers, colours, and tables of them.

Boxes are opaque with dark ink, and the ground is transparent, so a picture is readable on a light and on a
dark page. The fonts are those whose widths every renderer knows.
"""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from microgradlike.engine import NOT_COMPUTED, Value
from microgradlike.naming import numbered, parts
from microgradlike.notation import visible as visible  # noqa: PLC0414  # for who writes boxes

FONT = "Helvetica"
#: Lines stand on the page itself: a grey that shows on white and on black.
LINE = "#808080"
OUTLINE = "#616161"
GRADIENT_INK = "#196f3d"
FAINT_INK = "#5f6368"
#: Of what a reading points at: the outline, and words about it.
LIT, LIT_INK = "#d9730d", "#9a3412"


class Colours(NamedTuple):
    """Of a box: its ground and its text."""

    fill: str
    ink: str


#: By the role that a value plays in its graph.
ROLES = {
    "input": Colours("#d6eaf8", "#1a5276"),
    "parameter": Colours("#fdebd0", "#7e4a00"),
    "constant": Colours("#eceff1", "#37474f"),
    "inner": Colours("#ffffff", "#212121"),
    "output": Colours("#d5f5e3", "#0b5345"),
    "result": Colours("#fadbd8", "#7b241c"),
}

#: The ground of words that stand on the page itself.
PILL: dict[str, Any] = {"bgcolor": "#ffffff", "style": "rounded"}

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_LONGEST_NAME = 40


def pretty(name: str) -> str:
    """A name as a person would write it, on one line: the digits at its end are an index.

    >>> pretty("w11"), pretty("x_2"), pretty("w10,3"), pretty("two words")
    ('w₁₁', 'x₂', 'w₁₀,₃', 'two words')
    """
    base, index, number = parts(name)
    text = visible(base) + index.translate(_SUBSCRIPTS)
    if number:
        text = numbered(text, int(number))
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"


def number(data: float, precision: int) -> str:
    """A number with so many decimals or, where these would not show it, in scientific notation.

    The minus is that of the keyboard: of the typographic one renderers guess the width, and digits would
    no longer stand below digits.

    >>> number(0.35, 4), number(-2.0, 2), number(1.5e-7, 4)
    ('0.3500', '-2.00', '1.5000e-07')
    """
    if not math.isfinite(data):
        return str(data).replace("inf", "∞")
    fixed = f"{data:.{precision}f}"
    shows = 10.0 ** (1 - precision) <= abs(data) < 1e7 or (float(fixed) == data and abs(data) < 1e7)
    return fixed if shows else f"{data:.{precision}e}"


def short(data: float, precision: int) -> str:
    """The same without zeros at its end, for a place with little room.

    >>> short(0.35, 4), short(-1.0, 4)
    ('0.35', '-1')
    """
    digits, e, exponent = number(data, precision).partition("e")
    return (digits.rstrip("0").rstrip(".") if "." in digits else digits) + e + exponent


def cell(text: str, ink: str = "#212121", *, bold: bool = False, size: int = 0, **attributes: Any) -> str:
    """A cell of a table, in Graphviz's HTML; the text is escaped."""
    text = html.escape(text, quote=False).replace("\\", "\\\\") or " "  # Graphviz reads escapes in it
    if bold:
        text = f"<B>{text}</B>"
    text = f'<FONT COLOR="{ink}"' + (f' POINT-SIZE="{size}"' if size else "") + f">{text}</FONT>"
    return f"<TD{_attributes(attributes)}>{text}</TD>"


def table(rows: Sequence[Sequence[str]], *, padding: int = 2, **attributes: Any) -> str:
    """A table of rows of cells as a label; an empty row is a line across it."""
    said = {"border": 0, "cellborder": 0, "cellspacing": 0, "cellpadding": padding, **attributes}
    lines = "".join(f"<TR>{''.join(row)}</TR>" if row else "<HR/>" for row in rows)
    return f"<<TABLE{_attributes(said)}>{lines}</TABLE>>"


def _attributes(attributes: Mapping[str, Any]) -> str:
    return "".join(f' {key.upper()}="{value}"' for key, value in attributes.items())


def tooltip(value: Value, gradient: float) -> str:
    """All digits, for who points at it."""
    text = f"{value.name or 'value'} = {value.data!r}"
    if gradient is not NOT_COMPUTED and gradient is not None:
        text += f", gradient {gradient!r}"
    text = visible(text)
    # Graphviz reads escapes in it twice, and entities.
    return text.replace("\\", 4 * "\\").replace("&", "&amp;")
