"""Hand mode: whether a number worked out on paper is right, and which known slip explains a wrong one."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from microgradlike.engine import Constant, Value, real
from microgradlike.naming import in_words

#: Who computes with the four digits that are shown is off by so much, and right: two factors, each of which
#: may be off by 0.0005 of itself.
_ROUNDING = 1e-3
#: One digit is little: no number that is further off than this is right.
_COARSE = 0.05


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
        try:
            text = typed.strip().replace("−", "-") if isinstance(typed, str) else repr(real(typed))
            decimal = Decimal(text)
            number = float(decimal)
        except (InvalidOperation, ValueError):
            raise ValueError(f"{typed!r:.60} is no number: write one such as 0.0821") from None
        except OverflowError:
            number, decimal = math.inf, Decimal(0)
        exponent = decimal.as_tuple().exponent
        if not isinstance(exponent, int):  # of inf and nan it is a letter
            return cls(number, 0.0)
        if math.isinf(number):
            raise ValueError(f"{typed!s:.20}… is too large for a float")
        if not isinstance(typed, str) and text.endswith(".0"):
            exponent += 1  # 2.0 is how Python says 2
        return cls(number, float(f"1e{exponent}"))

    @property
    def rough_unit(self) -> float:
        """The unit if the zeros at the end are there only to fill up: 120 may be meant as 1.2e2."""
        unit = self.unit
        while unit >= 1 and self.number and self.number % (10 * unit) == 0:
            unit *= 10
        return unit


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


class Handed(NamedTuple):
    """What a step hands down to one operand.

    Attributes:
        link: the local derivative that is asked for.
        upstream: the gradient of the node.
        before: the gradient of the operand before the step.
        amounts: what it gets in the step; more than one where it stands in the operation more than once.
        after: its gradient after the step.
    """

    link: Link
    upstream: float
    before: float
    amounts: Sequence[float]
    after: float


def with_shown_digits(node: Value, operands: Sequence[int], handed: Handed) -> float:
    """What comes out with the four digits that are shown: so the right answer is what a learner has."""
    before, upstream, *numbers = (
        float(f"{x:.4g}") for x in (handed.before, handed.upstream, *node.evaluation)
    )
    partials = _partials(node, *numbers)
    partial = sum(partials[i] for i in operands) if partials else handed.link.partial
    answer = before + upstream * partial
    return answer if math.isfinite(answer) else handed.after


def judge(guess: Guess, handed: Handed, shown: float, known: Iterable[Slip]) -> Answer:
    """Whether a number is right: to its digits, or as computed with the four digits that are shown.

    If the number equals a slip at least as closely, it is not right. Where more digits would tell the one
    from the other, it is not wrong either.
    """
    typed, unit = guess
    expected = handed.after
    if not (math.isfinite(typed) and math.isfinite(expected)):
        return Answer(typed == expected or (math.isnan(typed) and math.isnan(expected)), "")
    half, error, aside = 0.5000001 * unit, abs(typed - expected), abs(typed - shown)
    off = _ROUNDING * (abs(handed.before) + sum(map(abs, handed.amounts)))
    off += abs(shown - expected)  # much, where digits cancel, as in 1 − h at h = 0.9987
    near, nothing = error <= half + off, 1e-9 * off  # what comes of the rounding of floats is nothing

    def by(slip: Slip) -> float:
        return abs(typed - slip.number)

    # What is computed with four digits may hit upon a slip, so a near number must equal the slip.
    slack = 0.0 if near else _ROUNDING
    explained = [
        slip
        for slip in known
        if by(slip) <= min(error, half + slack * abs(slip.number))
        and by(slip) < aside
        and abs(slip.number - expected) > nothing
    ]
    if explained:
        slip = min(explained, key=by)
        apart = abs(slip.number - expected)
        told = apart > 4 * unit if near else apart > unit or error > abs(expected)
        if told and by(slip) < error / 2:
            return Answer(False, slip.message, slip.name)
        if (near and apart > unit) or unit > _ROUNDING * abs(expected):
            return Answer(False, _SO_FAR if typed and error <= half else _TOO_COARSE)
    if error <= max(half, off) and error <= max(_COARSE * abs(expected), nothing):
        return Answer(True, "right")
    unit = guess.rough_unit
    cut_off = error < unit and typed * expected > 0 and abs(typed) < abs(expected)
    if near or error <= unit / 2 or cut_off:
        return Answer(False, _SO_FAR if typed else _TOO_COARSE)
    return Answer(False, "")


_SO_FAR, _TOO_COARSE = "right so far; give one more digit", "too coarse to tell; give one more digit"


def slips(
    handed: Handed,
    above: Link | None,
    below: Link | None,
    others: Sequence[Link],
    loss: str,
    *,
    halved: bool,
) -> Iterator[Slip]:
    """The slips that can be made in a step, and what each would give on this very graph.

    Args:
        handed: what the operand gets.
        above: the only link by which the node's own gradient came, if there is only one.
        below: the only link on from the operand, if there is only one.
        others: the links from the same node to other operands.
        loss: what is differentiated.
        halved: whether there is a ½ that can be forgotten.
    """
    link, _, before, amounts, _ = handed
    amount, name = sum(amounts), link.name
    operand = link.node.parents[link.operand]
    total, so_far = f"∂{loss}/∂{name(operand)}", f"{before:.4g}".replace("-", "−")
    if before:
        yield Slip("= for +=", f"that replaces what {total} had: add the {so_far} from before", amount)
    if len(amounts) > 1:
        for one in amounts:
            yield Slip("= for +=", f"{in_words(name(operand))} stands there twice: add both", before + one)
    for slip, factor in _wrong_amounts(handed, above, below, others, loss, halved=halved):
        yield slip._replace(number=before + slip.number)
        if before:  # the slip may be made in the sum, or there may be two of them
            if factor:
                yield slip._replace(number=factor * (before + amount))
            yield slip._replace(message=f"{slip.message}, and the {so_far} from before is not added")


def _wrong_amounts(
    handed: Handed,
    above: Link | None,
    below: Link | None,
    others: Sequence[Link],
    loss: str,
    *,
    halved: bool,
) -> Iterator[tuple[Slip, float | None]]:
    """The slips as if nothing were there before; and the factor, where one is all that is wrong."""
    link, upstream, _, amounts, _ = handed
    amount, name = sum(amounts), link.name
    yield Slip("sign", "the sign is turned", -amount), -1.0
    if link.partial != 1:
        message = f"that leaves out {link.formula}, which is {link.symbol}"
        yield Slip("factor left out", message, upstream), None
        yield Slip("factor twice", f"that has {link.formula} twice", amount * link.partial), None
    if upstream != 1:
        message = f"that is {link.symbol} alone: multiply by the gradient of {in_words(name(link.node))}"
        yield Slip("local for total", message, link.partial), None
    for wrong in _at_the_result(link):
        message = f"that is the derivative taken at {in_words(name(link.node))}, not at what goes into it"
        yield Slip("at the activation", message, wrong * upstream), None
    if above and above.partial:
        up = upstream / above.partial
        message = f"that leaves out {above.formula}, which is {above.symbol}"
        yield Slip("factor left out", message, up * link.partial), None
        yield Slip("factor twice", f"that has {above.formula} twice", amount * above.partial), None
        for wrong in _at_the_result(above):
            message = (
                f"in it, {above.symbol} is taken at {in_words(name(above.node))}, not at what goes into it"
            )
            yield Slip("at the activation", message, up * wrong * link.partial), None
    if below and below.partial:
        further = f"∂{loss}/∂{name(below.node.parents[below.operand])}"
        message = f"a step too far: {below.formula} comes in {further}"
        yield Slip("a step too far", message, amount * below.partial), below.partial
    for parent, wrong in _at_present_numbers(link):
        message = f"that uses {parent} as it is now, not as it was in the forward pass"
        yield Slip("updated weight", message, wrong * upstream), None
    for other in others:
        message = f"that is made with {other.symbol}; {link.symbol} is needed"
        yield Slip("other operand", message, other.partial * upstream), None
    twice, half = "that is twice as much", "that is half as much"
    if halved:
        yield Slip("½ forgotten", f"{twice}: is a ½ forgotten?", 2 * amount), 2.0
        yield Slip("½ twice", f"{half}: is a ½ taken twice?", amount / 2), 0.5
    else:
        yield Slip("twice as much", twice, 2 * amount), 2.0
        yield Slip("half as much", half, amount / 2), 0.5


def _at_the_result(link: Link) -> Iterator[float]:
    """σ′(h) in place of σ′(z), for an operation of one operand."""
    operands = [parent for parent in link.node.parents if not isinstance(parent, Constant)]
    if len(operands) != 1:
        return
    out, *numbers = link.node.evaluation
    numbers[link.operand] = out
    if partials := _partials(link.node, None, *numbers):
        yield partials[link.operand]


def _at_present_numbers(link: Link) -> Iterator[tuple[str, float]]:
    """The local derivative with a leaf to which someone has written since the forward pass."""
    _, *numbers = link.node.evaluation
    for leaf in dict.fromkeys(parent for parent in link.node.parents if not parent.parents):
        now = [
            leaf.data if parent is leaf else recorded
            for parent, recorded in zip(link.node.parents, numbers)
        ]
        partials = _partials(link.node, None, *now) if now != numbers else ()
        if partials and partials[link.operand] != link.partial:
            yield in_words(link.name(leaf)), partials[link.operand]


def _partials(node: Value, out: float | None, *operands: float) -> tuple[float, ...]:
    """The local derivatives at other numbers, the result of which may be given; () where there are none."""
    op: Any = node.op
    try:
        out = float(op.forward(*operands)) if out is None else out
        partials: tuple[float, ...] = op.partials(out, *operands)
    except (ArithmeticError, ValueError):
        return ()
    return partials
