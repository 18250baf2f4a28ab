"""Cursors, backward passes and cleared gradients in any order, against the rule that `steps` states.

The rule: a walk's gradients are the chain rule's, so many applications of it; the graph changes by
backward passes, by cleared gradients, and by the last step of a walk, which is one backward pass, once.

    python -m campaigns.walks 100000      (in the folder tests; 100,000 interleavings take some minutes)
"""

import random
import sys
from collections import Counter
from typing import Any, NamedTuple

import microgradlike as mg
from microgradlike import Value, topological_order
from microgradlike.engine import NOT_COMPUTED, Constant
from microgradlike.steps import Steps


class Result(NamedTuple):
    """Count the interleavings that were tried, their moves of each kind, and those that broke the rule."""

    tried: int
    moves: Counter[str]
    broken: list[str]

    def __str__(self) -> str:
        kinds = "\n".join(f"  {kind:12} {count:9,}" for kind, count in self.moves.most_common())
        return f"{self.tried:,} interleavings, {len(self.broken):,} broken; moves:\n{kinds}"


MOVES = ["next", "back", "goto", "run", "until", "reset", "guess", "show"]
OTHERS = ["open", "open", "open", "backward", "zero_grad", "write", "none"]


class Interleaving:
    """Two losses with leaves in common, cursors on both, and what the gradients should be."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        leaves = [Value(rng.uniform(-2, 2), f"w{i}") for i in range(3)]
        self.losses = [self._graph(leaves), self._graph(leaves)]
        self.values = list(dict.fromkeys(v for loss in self.losses for v in topological_order(loss)))
        self.expected: dict[Value, Any] = dict.fromkeys(self.values, NOT_COMPUTED)
        self.cursors: list[tuple[Steps, list[bool]]] = []

    def _graph(self, leaves: list[Value]) -> Value:
        rng, values = self.rng, list(leaves)
        for _ in range(rng.randint(2, 6)):
            a, b = rng.choice(values), values[-1]
            made = [a * b, a + b, b * b, b - a, b.tanh(), b * 1.5, b + b, b.relu()]
            values.append(rng.choice(made))
        return values[-1] if values[-1].op else values[-1] * 2.0

    def move(self) -> str:
        """Make a move, keep account of it, and compare."""
        rng = self.rng
        kind = rng.choice(MOVES if self.cursors and rng.random() < 0.75 else OTHERS)
        if kind == "open":
            self.cursors.append((mg.steps(rng.choice(self.losses)), [False]))
        elif kind == "backward":
            loss = rng.choice(self.losses)
            loss.backward()
            self._expect_backward(loss)
        elif kind in OTHERS:
            for value in self.values:
                if not value.op and rng.random() < 0.7:
                    cleared: Any = {"zero_grad": NOT_COMPUTED, "write": rng.uniform(-1, 1), "none": None}[
                        kind
                    ]
                    value.grad = self.expected[value] = cleared
        else:
            cursor, written = rng.choice(self.cursors)
            self._walk(cursor, kind)
            if cursor.position == len(cursor) and not written[0]:
                written[0] = True
                self._expect_backward(cursor.loss)
        self._compare()
        return kind

    def _walk(self, cursor: Steps, kind: str) -> None:
        rng = self.rng
        if (kind == "next" and not cursor.coming) or (kind == "back" and not cursor.position):
            kind = "reset"
        if kind == "goto":
            cursor.goto(rng.randint(0, len(cursor)))
        elif kind == "until":
            cursor.run(until=rng.choice(topological_order(cursor.loss)))
        elif kind == "guess" and cursor.coming:
            cursor.guess({c.parent: c.after for c in cursor.coming.contributions})
        elif kind == "show":
            str(cursor)
        elif kind != "guess":
            getattr(cursor, kind)()

    def _expect_backward(self, loss: Value) -> None:
        order = topological_order(loss)
        brought = chain_rule(loss, len(order))
        for value in order:
            earlier = self.expected[value]
            total = brought.get(value, 0.0)
            self.expected[value] = total if value.op or not earlier else total + earlier

    def _compare(self) -> None:
        for value in self.values:
            assert bits(value.grad) == bits(self.expected[value]), (
                f"{value!r}, not {self.expected[value]!r}"
            )
        for cursor, _ in self.cursors:
            walked = chain_rule(cursor.loss, cursor.position)
            for value in topological_order(cursor.loss):
                got, right = cursor.gradient(value), walked.get(value, NOT_COMPUTED)
                assert bits(got) == bits(right), f"cursor.gradient({value!r}) is {got!r}, not {right!r}"


def chain_rule(loss: Value, steps: int) -> dict[Value, float]:
    """The gradients after so many applications of the chain rule, by hand."""
    gradients = {loss: 1.0}
    for node in [v for v in reversed(topological_order(loss)) if v.op][:steps]:
        for parent, partial in zip(node.parents, node.partials, strict=True):
            if type(parent) is not Constant:
                gradients[parent] = gradients.get(parent, 0.0) + partial * gradients[node]
    return gradients


def bits(gradient: Any) -> str:
    if gradient is NOT_COMPUTED or gradient is None:
        return str(type(gradient))
    return float(gradient).hex()


def campaign(count: int, seed: int = 0) -> Result:
    """So many interleavings of up to twenty moves."""
    moves: Counter[str] = Counter()
    broken = []
    for i in range(count):
        rng = random.Random(f"{seed} {i}")
        interleaving, made = Interleaving(rng), list[str]()
        try:
            for _ in range(rng.randint(4, 20)):
                made.append(interleaving.move())
        except AssertionError as error:
            broken.append(f"{i}: {' '.join(made)}: {error}")
        moves.update(made)
    return Result(count, moves, broken)


if __name__ == "__main__":
    result = campaign(int(sys.argv[1]))
    print(result)
    print("\n".join(result.broken[:10]))
