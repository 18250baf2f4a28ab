"""receipts: where a leaf's gradient came from, in each backward pass and by each node."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from microgradlike.naming import forward_order, parts, set_apart, told_apart

_MOST_LINES = 100  # of one pass, as text


class Receipt(NamedTuple):
    """What one node handed to a leaf: ∂L/∂node · ∂node/∂leaf."""

    node: str  # its name, or how it was made: a node itself would keep its whole graph, in a cycle
    amount: float


class Pass(NamedTuple):
    """What one backward pass added to a leaf."""

    loss: str  # "" for what was there before receipts were kept
    total: float
    receipts: tuple[Receipt, ...]


class Receipted(float):
    """A gradient with its receipts. In every calculation it is the number, and the result has none."""

    __slots__ = ("passes",)
    passes: tuple[Pass, ...]


class _Leaf(Protocol):
    name: str
    grad: float
    op: Any


class Receipts:
    """The backward passes that made a leaf's gradient, since it was last cleared; `str` lists them."""

    def __init__(self, name: str, grad: Receipted) -> None:
        self.name, self.grad, self.passes = name, float(grad), grad.passes

    def __str__(self) -> str:
        terms = [
            f"{part.total:.4g} ({_ordinal(i)} backward)" if part.loss else f"{part.total:.4g} (before)"
            for i, part in enumerate(self.passes, 1 - (not self.passes[0].loss))
        ]
        lines = [f"{self.name}.grad = " + " + ".join(terms).replace(" + -", " − ")]
        for term, part in zip(terms, self.passes):
            when = term.partition(" ")[2]
            shown = part.receipts[:_MOST_LINES]
            lines += [f"  {when} {receipt.amount:+.4g} by {receipt.node}" for receipt in shown]
            if more := len(part.receipts) - len(shown):
                lines.append(f"  {when} … and {more:,} more")
        return "\n".join(lines).replace("-", "−")

    __repr__ = __str__


def receipts(w: _Leaf) -> Receipts:
    """Where the gradient of a leaf came from, if it was computed by ``backward(receipts=True)``.

    Two terms where there should be one are a forgotten `zero_grad`. Writing to ``w.grad``, as
    `zero_grad` does, throws the receipts away, and so does a backward pass without them.

    Raises:
        TypeError: w is no leaf of a graph, whose gradient accumulates.
        ValueError: no receipts were kept.

    >>> from microgradlike import Value
    >>> w, x = Value(3.0, "w"), Value(2.0, "x")
    >>> for _ in range(2):
    ...     z = w * x
    ...     z.name = "z"
    ...     (z * w).backward(receipts=True)
    >>> print(receipts(w))
    w.grad = 12 (1st backward) + 12 (2nd backward)
      (1st backward) +6 by z·w
      (1st backward) +6 by z
      (2nd backward) +6 by z·w
      (2nd backward) +6 by z
    """
    if not hasattr(w, "grad"):
        raise TypeError(f"receipts are those of a leaf, such as a weight; {w!r:.60} is no Value")
    name = w.name or "a value"
    if w.op:
        raise TypeError(f"{name} is no leaf: receipts are kept of leaves, whose gradients accumulate")
    if not isinstance(w.grad, Receipted):
        raise ValueError(f"{name}.grad has no receipts: they are kept by loss.backward(receipts=True)")
    return Receipts(name, w.grad)


def keep(root: Any, inner: Iterable[Any], before: Mapping[Any, float]) -> None:
    """Give each leaf's gradient the receipts of the pass that has just been.

    Every inner node still has the gradient that it handed down, so this only looks.
    """
    kept: dict[Any, list[Receipt]] = {leaf: [] for leaf in before}
    names = told_apart(forward_order(root))
    for node in reversed([*inner]):
        said = ""
        for parent, partial in zip(node.parents, node.partials):
            if parent in kept:
                said = said or _written(node, names)
                kept[parent].append(Receipt(said, partial * node.grad))
    for leaf, added in kept.items():
        earlier = before[leaf]
        passes = earlier.passes if isinstance(earlier, Receipted) else ()
        if earlier and not passes:
            passes = (Pass("", earlier, ()),)
        total = 0.0
        for receipt in added:  # in the order of the pass, so to the same bits
            total += receipt.amount
        total = total if added else 1.0  # the leaf is the loss
        leaf.grad = grad = Receipted(leaf.grad)
        grad.passes = (*passes, Pass(_written(root, names), total, tuple(added)))


def _written(node: Any, names: Mapping[Any, str]) -> str:
    """Its name, or how it was made of values with names; shortened."""
    if node.name or not node.op:
        return names.get(node, node.name) or "a value"
    operands = []
    for parent in node.parents[:8]:
        if parent.name:
            name = names.get(parent, parent.name)
            operands.append((set_apart(name), "^" if parts(name).number else "!"))
        else:
            number = "…" if parent.op else f"{parent.data:.4g}".replace("-", "−")
            operands.append((number, "*" if number.startswith("−") else "!"))
    text: str = node.op.write(operands, brief=True)[0] if len(node.parents) <= 8 else node.op.name
    return text if len(text) <= 40 else text[:39] + "…"


def _ordinal(n: int) -> str:
    ending = "th" if n % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"
