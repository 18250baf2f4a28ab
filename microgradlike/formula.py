"""A value as mathematics: the text of how it was made."""

from collections.abc import Callable

from microgradlike.engine import Value, topological_order


def formula(value: Value, *, digits: int | None = None) -> str:
    """How the value was made, over named values, with the fewest brackets.

    The value itself is written out even if it has a name; what it was made from goes by its name if it
    has one. A leaf without a name is its number.

    Args:
        value: what to write.
        digits: write numbers of so many significant digits in place of the names.

    >>> w, x, b = Value(0.5, "w"), Value(2.0, "x"), Value(1.0, "b")
    >>> y = (w * x + b) ** 2 / (1 - x)
    >>> formula(y)
    '(w·x + b)² / (1 − x)'
    >>> formula(y, digits=3)
    '(0.500·2 + 1)² / (1 − 2)'
    """
    return write(value, digits=digits)[0]


def write(value: Value, *, digits: int | None = None) -> tuple[str, str]:
    """The formula, and how tightly it binds (see `ops.BINDINGS`), for who puts it into a larger one."""
    leaf: Callable[[Value], tuple[str, str]] = (
        _by_name if digits is None else lambda v: _by_number(v, digits)
    )
    written: dict[Value, tuple[str, str]] = {}
    for node in topological_order(value):
        if node.op and (not node.name or node is value):
            operands = [written.get(parent) or leaf(parent) for parent in node.parents]
            text, binding = node.op.write(operands)
            written[node] = text.replace("·(", "("), binding  # y(1 − y), as one writes it
        else:
            written[node] = leaf(node)
    return written.get(value) or leaf(value)


def number(data: float, digits: int = 17) -> str:
    """A number as one writes it in a formula: 2 for 2.0, and a real minus sign.

    >>> number(-0.0821741, 4), number(0.5, 4), number(2.0, 4)
    ('−0.08217', '0.5000', '2')
    """
    if data.is_integer() and abs(data) < 10**digits:
        text = str(int(data))
    else:
        text = repr(data) if digits == 17 else f"{data:#.{digits}g}".removesuffix(".")
    return text.replace("-", "−")


def _by_name(value: Value) -> tuple[str, str]:
    return (value.name, "!") if value.name else _by_number(value, 17)


def _by_number(value: Value, digits: int) -> tuple[str, str]:
    text = number(value.data, digits)
    return text, "+" if text.startswith("−") else "!"
