"""Hand mode: whether a number worked out on paper is right, and which known slip explains a wrong one."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from microgradlike.engine import Constant, Value, real

#: Who computes with the four digits that are shown is off by so much, and right.
_ROUNDING = 1e-3


@dataclass(frozen=True)
class Answer:
    """What hand mode says of a number; true if it is right.

    Attributes:
        right: whether it is.
        message: what to tell the learner.
        slip: for a wrong number that a known slip explains, the name of that slip.
    """

    right: bool
    message: str
    slip: str = ""

    def __bool__(self) -> bool:
        return self.right

    def __str__(self) -> str:
        return self.message


class Guess(NamedTuple):
    """A number as it was typed, and the unit of its last digit."""

    number: float
    unit: float

    @classmethod
    def of(cls, typed: Any) -> "Guess":
        """A number, or a string with its digits, where 0.10 says more than 0.1.

        Raises:
            TypeError, ValueError: it is no number.

        >>> Guess.of("−0.10"), Guess.of(0.5)
        (Guess(number=-0.1, unit=0.01), Guess(number=0.5, unit=0.1))
        """
        text = typed.strip().replace("−", "-") if isinstance(typed, str) else repr(real(typed))
        try:
            decimal = Decimal(text)
        except InvalidOperation:
            raise ValueError(f"{typed!r} is no number: write one such as 0.0821") from None
        exponent = decimal.as_tuple().exponent
        if not isinstance(exponent, int) or not math.isfinite(decimal):
            raise ValueError(f"{typed!r} is not finite: no gradient here is")
        if not isinstance(typed, str) and text.endswith(".0"):
            exponent += 1  # 2.0 is how Python says 2
        return cls(float(decimal), float(Decimal(10) ** exponent))

    def says(self, expected: float) -> bool:
        """Whether it is the expected number, rounded or cut off to as many digits as were typed."""
        if not math.isfinite(expected):
            return False
        off = abs(self.number - expected)
        if off <= _ROUNDING * abs(expected):
            return True
        rounded = off <= 0.5000001 * self.unit
        cut_off = off < self.unit and self.number * expected >= 0 and abs(self.number) <= abs(expected)
        # One digit is little: 0 is no answer where 0.08 is right.
        return (rounded or cut_off) and (off <= abs(expected) / 4 or self.unit <= _ROUNDING)


class Slip(NamedTuple):
    """A known slip: its name, what to say, and the number it gives on this graph."""

    name: str
    message: str
    number: float


class Link(NamedTuple):
    """A place in the chain rule: a node, which of its operands, the local derivative, and both formulas.

    `symbol` is the local derivative in symbols, ∂h1/∂z1, `formula` its rule, h1(1 − h1).
    """

    node: Value
    operand: int
    partial: float
    symbol: str
    formula: str
    name: Callable[[Value], str]


def slips(
    link: Link,
    above: Link | None,
    upstream: float,
    before: float,
    amounts: Sequence[float],
    others: Sequence[Link],
    total: str,
) -> Iterator[Slip]:
    """The slips that can be made in a step, and what each would give on this very graph.

    Args:
        link: the local derivative that is asked for.
        above: the only link by which the node's own gradient came, if there is only one.
        upstream: the gradient of the node.
        before: the gradient of the operand before the step.
        amounts: what it gets in the step; more than one where it stands in the operation more than once.
        others: the links from the same node to other operands.
        total: the derivative that is looked for, in symbols.
    """
    amount = link.partial * upstream
    name = link.name(link.node)

    def instead(slip: str, message: str, other: float) -> Slip:
        return Slip(slip, message, before + other)

    if before:
        yield Slip("= for +=", f"that replaces what {total} had: add the {before:.4g} from before", amount)
    if len(amounts) > 1:
        for one in amounts:
            yield instead(
                "= for +=",
                f"{link.name(link.node.parents[link.operand])} stands there twice: add both",
                one,
            )
    yield instead("sign", "the sign is turned", -amount)
    if link.partial != 1:
        yield instead(
            "factor left out", f"that leaves out {link.formula}, which is {link.symbol}", upstream
        )
        yield instead("factor twice", f"that has {link.formula} twice", amount * link.partial)
    if upstream != 1:
        yield instead(
            "local for total",
            f"that is {link.symbol} alone: multiply by the gradient of {name}",
            link.partial,
        )
    yield from (
        instead(
            "at the activation",
            f"that is the derivative taken at {name}, not at what goes into it",
            wrong * upstream,
        )
        for wrong in _at_the_result(link)
    )
    if above and above.partial:
        up = upstream / above.partial
        yield instead(
            "factor left out",
            f"that leaves out {above.formula}, which is {above.symbol}",
            up * link.partial,
        )
        yield instead("factor twice", f"that has {above.formula} twice", amount * above.partial)
        yield from (
            instead(
                "at the activation",
                f"in it, {above.symbol} is taken at {above.name(above.node)}, not at what goes into it",
                up * wrong * link.partial,
            )
            for wrong in _at_the_result(above)
        )
    yield from (
        instead(
            "updated weight",
            f"that uses {parent} as it is now, not as it was in the forward pass",
            wrong * upstream,
        )
        for parent, wrong in _at_present_numbers(link)
    )
    for other in others:
        yield instead(
            "other operand",
            f"that is made with {other.symbol}; {link.symbol} is needed",
            other.partial * upstream,
        )
    yield instead("½ forgotten", "that is twice as much: is a ½ forgotten?", 2 * amount)
    yield instead("½ twice", "that is half as much: is a ½ taken twice?", amount / 2)


def _at_the_result(link: Link) -> Iterator[float]:
    """σ′(h) in place of σ′(z), for an operation of one operand."""
    op: Any = link.node.op
    operands = [parent for parent in link.node.parents if not isinstance(parent, Constant)]
    if len(operands) != 1:
        return
    out, *numbers = link.node.evaluation
    numbers[link.operand] = out
    try:
        yield op.partials(float(op.forward(*numbers)), *numbers)[link.operand]
    except (ArithmeticError, ValueError):
        return


def _at_present_numbers(link: Link) -> Iterator[tuple[str, float]]:
    """The local derivative with a leaf to which someone has written since the forward pass."""
    op: Any = link.node.op
    _, *numbers = link.node.evaluation
    for leaf in dict.fromkeys(parent for parent in link.node.parents if not parent.parents):
        now = [
            leaf.data if parent is leaf else recorded
            for parent, recorded in zip(link.node.parents, numbers)
        ]
        if now == numbers:
            continue
        try:
            partial = op.partials(float(op.forward(*now)), *now)[link.operand]
        except (ArithmeticError, ValueError):
            continue
        if partial != link.partial:
            yield link.name(leaf), partial
