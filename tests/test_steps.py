"""The backward pass step by step: where the cursor is, which bits it leaves, what it says, hand mode."""

import itertools
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from campaigns.walks import campaign
from hypothesis import assume, example, given
from hypothesis import strategies as st
from mpmath import mp
from test_document import PARAMETERS, Document, sigma
from test_ops import NAMES, evaluated, moderate_points

import microgradlike as mg
from microgradlike import MLP, Value, ops, topological_order
from microgradlike.engine import NOT_COMPUTED, Constant, as_value
from microgradlike.hand import Answer
from microgradlike.losses import half_squared_error
from microgradlike.ops import OPS, Op
from microgradlike.steps import Step, Steps, steps

SEEDS = [*range(10), 11, 12]  # in the 10th x2 is −1.00001: to leave it out is to turn the sign
MINUS = "−"


class Network:
    """The document's network, forward only: ``network["z3"]`` is the node z3."""

    def __init__(self, document: Document) -> None:
        mlp = MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
        mlp.load_state_dict(document.parameters)
        self.L = half_squared_error(mlp(document.x), document.t)
        self.L.name = "L"
        self.nodes = {node.name: node for node in topological_order(self.L)}

    def __getitem__(self, name: str) -> Value:
        return self.nodes[name]


def bits(value: Value) -> str:
    """The gradient to the bit; one that has not been computed is another thing than 0."""
    return "–" if value.grad is NOT_COMPUTED else value.grad.hex()


def state(loss: Value) -> list[str]:
    return [bits(value) for value in topological_order(loss)]


def walked(cursor: Steps) -> list[str]:
    """The gradients of the walk, to the bit."""
    gradients = [cursor.gradient(value) for value in topological_order(cursor.loss)]
    return ["–" if gradient is NOT_COMPUTED else gradient.hex() for gradient in gradients]


def names(cursor: Steps) -> list[str]:
    return [cursor[i].node.name for i in range(len(cursor))]


@pytest.fixture
def network() -> Network:
    return Network(Document.random(0))


@pytest.fixture
def cursor(network: Network) -> Steps:
    return steps(network.L)


# ── Like a sequence, and moving in it ─────────────────────────────────────────────────────────────────

BACKWARD = ["L", "y", "z3", "h1", "z1", "h2", "z2"]


def test_there_is_a_step_for_each_value_with_an_operation_in_the_order_of_the_backward_pass(
    network: Network, cursor: Steps
) -> None:
    order = [node.name for node in reversed(topological_order(network.L)) if node.op]
    assert len(cursor) == 7
    assert names(cursor) == order == BACKWARD


def test_a_shared_value_is_one_step() -> None:
    a = Value(2.0, name="a")
    b = a * a
    c = b + b
    assert len(steps(c * b)) == 3


def test_a_step_is_taken_after_all_that_use_its_value() -> None:
    a = Value(0.5, name="a")
    b = a.tanh()
    c = b.sigmoid()
    d = c * b
    e = d + b
    cursor = steps(e * c)
    place = {cursor[i].node: i for i in range(len(cursor))}
    for node, i in place.items():
        assert all(i < place[parent] for parent in node.parents if parent in place)


def test_index(cursor: Steps) -> None:
    assert isinstance(cursor[2], Step)
    assert [cursor[i].index for i in range(7)] == list(range(7))
    assert (cursor[-1].index, cursor[-1].node.name) == (6, "z2")
    assert (cursor[-7].index, cursor[-7].node.name) == (0, "L")
    assert cursor.position == 0


@pytest.mark.parametrize("index", [7, 8, -8, 1000])
def test_there_is_no_such_step(cursor: Steps, index: int) -> None:
    with pytest.raises(IndexError, match=rf"^there are 7 steps, so there is no step {index}$"):
        cursor[index]


def test_iteration_takes_the_steps_that_are_left(network: Network, cursor: Steps) -> None:
    cursor.goto(4)
    seen = [(step.node.name, cursor.position) for step in cursor]
    assert seen == [("z1", 5), ("h2", 6), ("z2", 7)]
    assert list(cursor) == []
    assert network["w11"].grad != 0


def test_iteration_can_be_left_and_taken_up_again(cursor: Steps) -> None:
    for step in cursor:
        if step.node.name == "z3":
            break
    assert cursor.position == 3
    assert [step.node.name for step in cursor] == ["h1", "z1", "h2", "z2"]


def test_next_and_back_give_the_step(cursor: Steps) -> None:
    assert [cursor.next().node.name for _ in range(7)] == BACKWARD
    assert [cursor.back().node.name for _ in range(7)] == BACKWARD[::-1]
    assert cursor.position == 0


def test_beyond_the_ends(network: Network, cursor: Steps) -> None:
    before = state(network.L)
    with pytest.raises(IndexError, match=r"^no step has been taken yet: next\(\) takes one$"):
        cursor.back()
    assert (cursor.position, state(network.L)) == (0, before)
    cursor.run()
    after = state(network.L)
    with pytest.raises(
        IndexError, match=r"^the backward pass is finished: back\(\) undoes a step, reset\(\) begins anew$"
    ):
        cursor.next()
    assert (cursor.position, state(network.L)) == (7, after)


def test_coming(cursor: Steps) -> None:
    coming = []
    while cursor.coming:
        coming.append(cursor.coming.node.name)
        assert cursor.next().index == len(coming) - 1
    assert coming == BACKWARD
    assert cursor.coming is None


def test_goto_a_number(cursor: Steps) -> None:
    for place in [3, 0, 7, 7, 5]:
        cursor.goto(place)
        assert cursor.position == place
    assert cursor.coming
    assert cursor.coming.node.name == "h2"


@pytest.mark.parametrize("place", [-1, 8, 100])
def test_goto_where_no_step_is(network: Network, cursor: Steps, place: int) -> None:
    cursor.goto(2)
    before = state(network.L)
    with pytest.raises(IndexError, match=rf"^there are 7 steps: goto takes 0 to 7, not {place}$"):
        cursor.goto(place)
    assert (cursor.position, state(network.L)) == (2, before)


@pytest.mark.parametrize("start", [0, 4, 7])
@pytest.mark.parametrize(
    ("name", "coming"),
    [("L", "L"), ("y", "y"), ("z2", "z2"), ("w31", "z3"), ("t", "L"), ("w22", "z2"), ("x1", "z1")],
)
def test_goto_a_value(network: Network, cursor: Steps, start: int, name: str, coming: str) -> None:
    """A node: before its own step. A leaf: before the first step that hands something to it."""
    cursor.goto(start)
    cursor.goto(network[name])
    assert cursor.coming
    assert cursor.coming.node.name == coming


@pytest.mark.parametrize("move", [Steps.goto, Steps.run])
def test_a_value_of_another_graph(network: Network, cursor: Steps, move: Callable[..., None]) -> None:
    cursor.goto(2)
    before = state(network.L)
    with pytest.raises(ValueError, match=r"Value\(data=1.0, name='q'\) is not in the graph of L"):
        move(cursor, Value(1.0, name="q"))
    assert (cursor.position, state(network.L)) == (2, before)


@pytest.mark.parametrize(
    ("name", "stops"),
    [
        ("L", ["L"]),
        ("w11", ["z1"]),
        ("h2", ["h2"]),
        ("x1", ["z1", "z2"]),
        ("b3", ["z3"]),
    ],
)
def test_run_until(network: Network, cursor: Steps, name: str, stops: list[str]) -> None:
    """It stops where goto goes to; for a leaf, also at the next step that hands something to it."""
    cursor.goto(name)
    assert cursor.coming and cursor.coming.node.name == stops[0]
    cursor.reset()
    seen = []
    cursor.run(until=network[name])
    while cursor.coming:
        seen.append(cursor.coming.node.name)
        cursor.run(until=network[name])
        assert cursor.coming.node.name == seen[-1], "a step that has to do with it is not run over"
        cursor.next()
        cursor.run(until=network[name])
    assert seen == stops


def test_reset(network: Network, cursor: Steps) -> None:
    fresh = walked(cursor)
    assert fresh == ["–"] * (len(fresh) - 1) + [(1.0).hex()]
    for place in range(8):
        cursor.goto(place)
        cursor.reset()
        assert (cursor.position, walked(cursor)) == (0, fresh)


def test_repr(network: Network, cursor: Steps) -> None:
    cursor.goto(2)
    assert repr(cursor) == "<cursor on the backward pass of L: 2 of 7 steps>"
    assert repr(cursor[2]) == "<step 3 of 7: z3>"
    assert str(cursor) == "\n\n".join(str(cursor[i]) for i in range(7))


@pytest.mark.parametrize("thing", [3, 0.5, None, "L", [Value(1.0)], MLP(2, [1])])
def test_of_one_value_only(thing: Any) -> None:
    with pytest.raises(
        TypeError, match=rf"^steps walks back from one Value, not from {re.escape(repr(thing)[:60])}"
    ):
        steps(thing)


@pytest.mark.parametrize("leaf", [Value(2.0, name="a"), Constant(2.0)])
def test_a_leaf_has_no_step(leaf: Value) -> None:
    leaf.grad = 5.0
    with pytest.raises(ValueError, match="was not computed from anything: there is no step to take"):
        steps(leaf)
    assert leaf.grad == (NOT_COMPUTED if isinstance(leaf, Constant) else 5.0)


# ── Bits ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Recipe:
    """A graph that can be built again and again, each time of new Values, and alike to the bit."""

    leaves: Sequence[float]
    earlier: Sequence[float | None]
    instructions: Sequence[tuple[str, int, int, float]]

    def build(self) -> Value:
        values = [Value(data) for data in self.leaves]
        for leaf, grad in zip(values, self.earlier):
            if grad is not None:
                leaf.grad = grad
        for kind, i, j, c in self.instructions:
            a, b = values[i % len(values)], values[-1 - j % len(values)]
            values.append(KINDS[kind](a, b, c))
        return values[-1]


KINDS: dict[str, Callable[[Value, Value, float], Value]] = {
    "sum": lambda a, b, c: a + b,
    "double": lambda a, b, c: b + b,
    "square": lambda a, b, c: b * b,
    "difference": lambda a, b, c: a - b,
    "product": lambda a, b, c: a * b,
    "scaled": lambda a, b, c: c * b,
    "moved": lambda a, b, c: b + c,
    "power": lambda a, b, c: b**2,
    "tanh": lambda a, b, c: b.tanh(),
    "sigmoid": lambda a, b, c: b.sigmoid(),
    "relu": lambda a, b, c: b.relu(),
    "dot": lambda a, b, c: ops.dot(a, b, b, b, a, c, a),
    "constants": lambda a, b, c: (as_value(c) * 2.0) * b,
}

numbers = st.floats(-3, 3)
instructions = st.tuples(st.sampled_from(sorted(KINDS)), st.integers(0, 30), st.integers(0, 4), numbers)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    leaves = draw(st.lists(numbers, min_size=1, max_size=4))
    earlier = [draw(st.none() | st.floats(-10, 10)) for _ in leaves]
    return Recipe(leaves, earlier, draw(st.lists(instructions, min_size=1, max_size=12)))


def by_hand(recipe: Recipe, position: int) -> list[str]:
    """The gradients after so many applications of the chain rule, by `Value.propagate`."""
    loss = recipe.build()
    order = topological_order(loss)
    for value in order:
        value.grad = NOT_COMPUTED
    loss.grad = 1.0
    for node in [node for node in reversed(order) if node.op][:position]:
        node.propagate()
    return state(loss)


@given(recipes())
def test_the_end_leaves_what_backward_leaves(recipe: Recipe) -> None:
    loss, other = recipe.build(), recipe.build()
    steps(loss).run()
    other.backward()
    assert state(loss) == state(other)


@given(recipes())
def test_every_position_is_so_many_applications_of_the_chain_rule(recipe: Recipe) -> None:
    loss = recipe.build()
    fresh, cursor = state(loss), steps(loss)
    assert walked(cursor) == by_hand(recipe, 0)
    for position in range(1, len(cursor) + 1):
        assert state(loss) == fresh, "nothing is written before the last step"
        cursor.next()
        assert walked(cursor) == by_hand(recipe, position)
    after = state(loss)
    for position in reversed(range(len(cursor))):
        cursor.back()
        assert walked(cursor) == by_hand(recipe, position)
    assert state(loss) == after, "going back writes nothing"


@given(recipes(), st.lists(st.sampled_from(["next", "back", "reset", "show"]) | st.integers(0, 30)))
def test_any_walk_ends_like_a_fresh_cursor(recipe: Recipe, walk: list[str | int]) -> None:
    loss, other = recipe.build(), recipe.build()
    cursor, fresh = steps(loss), steps(other)
    for move in walk:
        if isinstance(move, int):
            cursor.goto(move % (len(cursor) + 1))
        elif move == "next" and cursor.position < len(cursor):
            cursor.next()
        elif move == "back" and cursor.position:
            cursor.back()
        elif move == "reset":
            cursor.reset()
        elif move == "show":
            str(cursor)
        if cursor.position == len(cursor):
            fresh.run()
    fresh.goto(cursor.position)
    assert walked(cursor) == walked(fresh)
    assert state(loss) == state(other)


def test_the_gradients_of_a_walk_by_value_by_name_and_all(network: Network, cursor: Steps) -> None:
    assert cursor.gradients == {network.L: 1.0}
    cursor.goto("h1")
    assert cursor.gradient("z3") == cursor.gradient(network["z3"]) == cursor[1].contributions[0].after
    assert cursor.gradient("z1") is NOT_COMPUTED and network["z1"] not in cursor.gradients
    assert all(cursor.gradient(value) == gradient for value, gradient in cursor.gradients.items())
    for stranger in ("q", Value(1.0, name="q")):
        with pytest.raises(ValueError, match=r"q'.* is not in the graph of L"):
            cursor.gradient(stranger)


@given(recipes(), st.integers(1, 3))
def test_cursors_one_after_another_add_up_like_backward(recipe: Recipe, times: int) -> None:
    loss, other = recipe.build(), recipe.build()
    for _ in range(times):
        steps(loss).run()
        other.backward()
    assert state(loss) == state(other)
    loss.backward()
    other.backward()
    assert state(loss) == state(other)


def test_one_cursor_writes_once_however_often_it_comes_to_its_end(network: Network) -> None:
    expected = Network(Document.random(0))
    expected.L.backward()
    cursor = steps(network.L)
    for rewind in (cursor.reset, lambda: cursor.goto(0), lambda: cursor.goto(network["h1"]), cursor.back):
        cursor.run()
        assert state(network.L) == state(expected.L)
        rewind()
        assert cursor.position < 7
        assert state(network.L) == state(expected.L)


def test_a_backward_pass_between_two_steps_of_a_walk_counts_once() -> None:
    w, x = Value(3.0, name="w"), Value(2.0, name="x")
    L = (w * x) ** 2
    cursor = steps(L)
    cursor.run()
    L.backward()
    cursor.back()
    cursor.next()
    assert w.grad == 48.0


def test_a_new_cursor_and_its_reset_leave_the_gradients_of_an_earlier_pass(network: Network) -> None:
    network.L.backward()
    before = state(network.L)
    cursor = steps(network.L)
    cursor.goto(5)
    cursor.reset()
    assert state(network.L) == before


def test_cursors_and_passes_in_any_order() -> None:
    """A few hundred of the campaign's walks; see `campaigns.walks`."""
    assert campaign(1_000, seed=1).broken == []


def test_steps_are_those_of_the_forward_pass_even_if_weights_move_on_the_way(network: Network) -> None:
    expected = Network(Document.random(0))
    expected.L.backward()
    cursor = steps(network.L)
    network["w31"].data = 99.0
    cursor.run()
    assert state(network.L) == state(expected.L)


def test_numbers_that_were_written_over_are_refused(network: Network) -> None:
    was, network["w31"].data = network["w31"].data, 99.0
    with pytest.raises(RuntimeError, match=rf"^w31 was {was} when this graph was recorded and is 99.0 now"):
        steps(network.L)


# ── What was there before, and what others write in the meantime ──────────────────────────────────────

ADDED = "The leaves had gradients before this pass; in their grad, the two are added now."


def test_gradients_from_before_are_added_at_the_end_and_the_last_step_says_so(network: Network) -> None:
    cursor = steps(network.L)
    assert ADDED not in str(cursor)
    network.L.backward()
    once = network["w31"].grad
    said = str(cursor)
    assert said.splitlines()[-1] == ADDED and said.count(ADDED) == 1
    cursor.goto(6)
    assert network["w31"].grad == once == cursor.gradient("w31")
    assert cursor.guess({c.parent: c.after for c in cursor[6].contributions}).message.endswith(f"\n{ADDED}")
    assert network["w31"].grad == 2 * once
    assert str(cursor) == said
    cursor.back()
    network["w31"].grad = 0.5
    cursor.next()
    assert network["w31"].grad == 0.5, "what it had to write is written"
    other = steps(network.L)
    other.run()
    assert network["w31"].grad == 0.5 + once


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("place", range(1, 8))
def test_a_walk_left_half_way_counts_for_nothing(place: int, before: bool) -> None:
    network, expected = Network(Document.random(0)), Network(Document.random(0))
    for loss in (network.L, expected.L):
        if before:
            loss.backward()
    steps(network.L).goto(place)
    if place == 7:  # that one was finished
        expected.L.backward()
    assert state(network.L) == state(expected.L)
    network.L.backward()
    expected.L.backward()
    assert state(network.L) == state(expected.L)


@pytest.mark.parametrize("nothing", [None, 0.0, NOT_COMPUTED])
def test_a_gradient_may_be_cleared_in_any_way(network: Network, cursor: Steps, nothing: Any) -> None:
    network["w31"].grad = 0.5
    cursor.goto(4)
    network["w31"].grad = nothing
    cursor.run()
    assert network["w31"].grad == cursor.gradient("w31")


def test_a_last_step_that_cannot_be_written_is_not_taken(network: Network, cursor: Steps) -> None:
    cursor.goto(6)
    before = state(network.L)
    network["w31"].data = "x"  # type: ignore[assignment]
    with pytest.raises(TypeError, match=r"^w31\.data"):
        cursor.next()
    assert (cursor.position, state(network.L)) == (6, before)
    network["w31"].data = 0.5
    cursor.next()
    assert network["w31"].grad == cursor.gradient("w31")


def test_it_works_within_no_grad(network: Network) -> None:
    outside = str(steps(network.L))
    with mg.no_grad():
        cursor = steps(network.L)
        assert str(cursor) == outside and "y(1 − y)" in outside
        assert cursor.guess(network["y"].data - network["t"].data)


def test_a_slice_is_a_list_of_steps(cursor: Steps) -> None:
    assert [step.index for step in cursor[1:3]] == [1, 2]
    assert [step.node.name for step in cursor[::-3]] == ["z2", "h1", "L"]
    assert cursor[5:2] == []


# ── What a step says ──────────────────────────────────────────────────────────────────────────────────


def n(number: float) -> str:
    """Four digits, as one writes them."""
    return "1" if number == 1 else f"{number:#.4g}".replace("-", MINUS)


def b(number: float) -> str:
    return f"({n(number)})" if number < 0 else n(number)


def on_paper(d: Document) -> list[list[str]]:
    """The whole backward pass, written by hand from the document's equations."""
    p, (x1, x2) = d.parameters, d.x
    h1, h2 = d.h1, d.h2
    dz3 = d.dL_dy * d.dy_dz3
    dh1, dh2 = dz3 * p["w31"], dz3 * p["w32"]  # without h(1 − h), which the document folds in
    dz1, dz2 = d.document_dL_dh1, d.document_dL_dh2
    first1, first2 = dz1 * p["w11"], dz1 * p["w12"]
    second1, second2 = dz2 * p["w21"], dz2 * p["w22"]
    return [
        [
            "step 1 of 7 · L = ½(y − t)²",
            f"∂L/∂y += y − t = {n(d.dL_dy)}",
            f"∂L/∂t += t − y = {n(-d.dL_dy)}",
        ],
        [
            "step 2 of 7 · y = σ(z3)",
            f"∂L/∂z3 += ∂L/∂y · ∂y/∂z3 = ∂L/∂y · y(1 − y) = {b(d.dL_dy)} · {n(d.dy_dz3)} = {n(dz3)}",
        ],
        [
            "step 3 of 7 · z3 = w31·h1 + w32·h2 + b3",
            f"∂L/∂w31 += ∂L/∂z3 · ∂z3/∂w31 = ∂L/∂z3 · h1 = {b(dz3)} · {n(h1)} = {n(d.dL_dw31)}",
            f"∂L/∂w32 += ∂L/∂z3 · ∂z3/∂w32 = ∂L/∂z3 · h2 = {b(dz3)} · {n(h2)} = {n(d.dL_dw32)}",
            f"∂L/∂h1 += ∂L/∂z3 · ∂z3/∂h1 = ∂L/∂z3 · w31 = {b(dz3)} · {b(p['w31'])} = {n(dh1)}",
            f"∂L/∂h2 += ∂L/∂z3 · ∂z3/∂h2 = ∂L/∂z3 · w32 = {b(dz3)} · {b(p['w32'])} = {n(dh2)}",
            f"∂L/∂b3 += ∂L/∂z3 · ∂z3/∂b3 = ∂L/∂z3 · 1 = {b(dz3)} · 1 = {n(d.dL_db3)}",
        ],
        [
            "step 4 of 7 · h1 = σ(z1)",
            f"∂L/∂z1 += ∂L/∂h1 · ∂h1/∂z1 = ∂L/∂h1 · h1(1 − h1) = {b(dh1)} · {n(h1 * (1 - h1))} = {n(dz1)}",
        ],
        [
            "step 5 of 7 · z1 = w11·x1 + w12·x2 + b1",
            f"∂L/∂w11 += ∂L/∂z1 · ∂z1/∂w11 = ∂L/∂z1 · x1 = {b(dz1)} · {b(x1)} = {n(d.dL_dw11)}",
            f"∂L/∂w12 += ∂L/∂z1 · ∂z1/∂w12 = ∂L/∂z1 · x2 = {b(dz1)} · {b(x2)} = {n(d.dL_dw12)}",
            f"∂L/∂x1 += ∂L/∂z1 · ∂z1/∂x1 = ∂L/∂z1 · w11 = {b(dz1)} · {b(p['w11'])} = {n(first1)}",
            f"∂L/∂x2 += ∂L/∂z1 · ∂z1/∂x2 = ∂L/∂z1 · w12 = {b(dz1)} · {b(p['w12'])} = {n(first2)}",
            f"∂L/∂b1 += ∂L/∂z1 · ∂z1/∂b1 = ∂L/∂z1 · 1 = {b(dz1)} · 1 = {n(d.dL_db1)}",
        ],
        [
            "step 6 of 7 · h2 = σ(z2)",
            f"∂L/∂z2 += ∂L/∂h2 · ∂h2/∂z2 = ∂L/∂h2 · h2(1 − h2) = {b(dh2)} · {n(h2 * (1 - h2))} = {n(dz2)}",
        ],
        [
            "step 7 of 7 · z2 = w21·x1 + w22·x2 + b2",
            f"∂L/∂w21 += ∂L/∂z2 · ∂z2/∂w21 = ∂L/∂z2 · x1 = {b(dz2)} · {b(x1)} = {n(d.dL_dw21)}",
            f"∂L/∂w22 += ∂L/∂z2 · ∂z2/∂w22 = ∂L/∂z2 · x2 = {b(dz2)} · {b(x2)} = {n(d.dL_dw22)}",
            f"∂L/∂x1 += ∂L/∂z2 · ∂z2/∂x1 = ∂L/∂z2 · w21 = {b(dz2)} · {b(p['w21'])} = {n(second1)}"
            f", with the {n(first1)} there: {n(first1 + second1)}",
            f"∂L/∂x2 += ∂L/∂z2 · ∂z2/∂x2 = ∂L/∂z2 · w22 = {b(dz2)} · {b(p['w22'])} = {n(second2)}"
            f", with the {n(first2)} there: {n(first2 + second2)}",
            f"∂L/∂b2 += ∂L/∂z2 · ∂z2/∂b2 = ∂L/∂z2 · 1 = {b(dz2)} · 1 = {n(d.dL_db2)}",
        ],
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_documents_derivation(seed: int) -> None:
    document = Document.random(seed)
    cursor = steps(Network(document).L)
    expected = on_paper(document)
    assert [cursor[i].lines() for i in range(7)] == expected
    assert [str(step) for step in cursor] == ["\n".join(lines) for lines in expected]


def test_the_example_of_the_issue() -> None:
    weights = [0.15, 0.20, 0.35, 0.25, 0.30, 0.35, 0.40, 0.45, 0.60]
    document = Document(dict(zip(PARAMETERS, weights)), [0.05, 0.10], 0.01)
    step = steps(Network(document).L)[2]
    assert str(step).splitlines()[:2] == [
        "step 3 of 7 · z3 = w31·h1 + w32·h2 + b3",
        "∂L/∂w31 += ∂L/∂z3 · ∂z3/∂w31 = ∂L/∂z3 · h1 = 0.1385 · 0.5933 = 0.08217",
    ]


def test_what_a_step_says_is_the_same_wherever_the_cursor_is(cursor: Steps) -> None:
    said = str(cursor)
    for place in (3, 7, 1):
        cursor.goto(place)
        assert str(cursor) == said


@pytest.mark.parametrize("seed", SEEDS)
def test_contributions(seed: int) -> None:
    d = Document.random(seed)
    network = Network(d)
    cursor = steps(network.L)
    z3, z2 = cursor[2].contributions, cursor[6].contributions

    def near(number: float) -> object:
        return pytest.approx(number, rel=1e-12, abs=0.0)

    assert [c.parent.name for c in z3] == ["w31", "w32", "h1", "h2", "b3"]
    assert [c.symbol for c in z3] == ["∂z3/∂w31", "∂z3/∂w32", "∂z3/∂h1", "∂z3/∂h2", "∂z3/∂b3"]
    assert [c.formula for c in z3] == ["h1", "h2", "w31", "w32", "1"]
    assert [c.partial for c in z3] == [
        near(x) for x in (d.h1, d.h2, d.parameters["w31"], d.parameters["w32"], 1)
    ]
    assert [c.upstream for c in z3] == [near(d.dL_db3)] * 5
    assert [c.amount for c in z3] == [c.partial * c.upstream for c in z3]
    assert all(c.before is NOT_COMPUTED and c.after == c.amount for c in z3)

    x1 = z2[2]
    assert x1.parent is network["x1"]
    assert x1.before == near(d.document_dL_dh1 * d.parameters["w11"])
    assert x1.after == x1.before + x1.amount
    [y, t] = cursor[0].contributions
    assert (y.formula, y.factor, t.formula) == ("y − t", "(y − t)", "t − y")
    assert y.upstream == 1.0


def test_a_value_that_stands_there_twice() -> None:
    a = Value(3.0, name="a")
    L = (a + a) * a
    L.name = "L"
    assert str(steps(L)).splitlines() == [
        "step 1 of 2 · L = v1·a",
        "∂L/∂v1 += a = 3",
        "∂L/∂a += v1 = 6",
        "",
        "step 2 of 2 · v1 = a + a",
        "∂L/∂a += ∂L/∂v1 · ∂v1/∂a = ∂L/∂v1 · 1 = 3 · 1 = 3, with the 6 there: 9",
        "∂L/∂a += ∂L/∂v1 · ∂v1/∂a = ∂L/∂v1 · 1 = 3 · 1 = 3, with the 9 there: 12",
    ]
    double = a + a
    double.name = "d"
    assert steps(double)[0].lines() == [
        "step 1 of 1 · d = a + a",
        "∂d/∂a += 1",
        "∂d/∂a += 1, with the 1 there: 2",
    ]


def test_a_gradient_of_zero_is_there_and_one_not_computed_is_not() -> None:
    a = Value(3.0, name="a")
    zero = a * 0.0
    zero.name = "z"
    L = zero.relu() + a.relu() * 0.0
    L.name = "L"
    cursor = steps(L)
    of_a = [line for line in str(cursor).splitlines() if line.startswith("∂L/∂a ")]
    assert [line.partition(", with")[2] for line in of_a] == ["", " the 0 there: 0"]


def test_values_without_a_name_are_numbered_around_the_names_in_use() -> None:
    first, second, third = Value(2.0, name="v1"), Value(3.0), Value(4.0, name="v3")
    cursor = steps((first * second) * third + 1.5)
    assert str(cursor).splitlines() == [
        "step 1 of 3 · L = v5 + 1.5",
        "∂L/∂v5 += 1",
        "",
        "step 2 of 3 · v5 = v4·v3",
        "∂L/∂v4 += ∂L/∂v5 · ∂v5/∂v4 = ∂L/∂v5 · v3 = 1 · 4 = 4",
        "∂L/∂v3 += ∂L/∂v5 · ∂v5/∂v3 = ∂L/∂v5 · v4 = 1 · 6 = 6",
        "",
        "step 3 of 3 · v4 = v1·v2",
        "∂L/∂v1 += ∂L/∂v4 · ∂v4/∂v1 = ∂L/∂v4 · v2 = 4 · 3 = 12",
        "∂L/∂v2 += ∂L/∂v4 · ∂v4/∂v2 = ∂L/∂v4 · v1 = 4 · 2 = 8",
    ]


@given(recipes(), st.lists(st.sampled_from(["", "L", "v1", "v2", "v3", "v7", "w"]), max_size=20))
def test_no_two_values_are_called_alike_unless_they_are_named_alike(
    recipe: Recipe, given_names: list[str]
) -> None:
    loss = recipe.build()
    order = topological_order(loss)
    for value, name in zip(order, given_names):
        value.name = name
    cursor = steps(loss)
    said = [cursor.name(value) for value in order if not value.name]
    assert len(set(said)) == len(said)
    assert all(re.fullmatch(r"L|v[1-9]\d*", name) for name in said)
    assert not set(said) & {value.name for value in order}


def test_a_loss_without_a_name_is_L_unless_that_is_taken() -> None:
    L = Value(1.0, name="L")
    assert steps(L * 2)[0].lines() == ["step 1 of 1 · v1 = L·2", "∂v1/∂L += 2"]
    assert steps(Value(1.0, name="a") * 2)[0].lines() == ["step 1 of 1 · L = a·2", "∂L/∂a += 2"]


def test_negative_local_derivatives_and_constants_are_in_brackets() -> None:
    a, u = Value(2.0, name="a"), Value(0.5, name="u")
    z = u - a
    z.name = "z"
    L = z * -3.0
    L.name = "L"
    assert str(steps(L)).splitlines() == [
        "step 1 of 2 · L = z(−3)",
        "∂L/∂z += −3",
        "",
        "step 2 of 2 · z = u − a",
        "∂L/∂u += ∂L/∂z · ∂z/∂u = ∂L/∂z · 1 = (−3) · 1 = −3",
        "∂L/∂a += ∂L/∂z · ∂z/∂a = ∂L/∂z · (−1) = (−3) · (−1) = 3",
    ]


@pytest.mark.parametrize(("count", "left_out"), [(12, 0), (13, 1), (14, 2), (64, 52)])
def test_many_operands_are_cut(count: int, left_out: int) -> None:
    z = ops.sum(*(Value(0.25, name=f"a{i}") for i in range(1, count + 1)))
    L = z**2
    step = steps(L)[1]
    lines = step.lines()
    assert len(step.contributions) == count
    assert [line.partition(" += ")[0] for line in lines[1:13]] == [f"∂L/∂a{i}" for i in range(1, 13)]
    assert len(lines) == 13 + bool(left_out)
    if left_out:
        assert lines[-1] == f"… and {left_out} more operand{'s' * (left_out > 1)}"


def test_operands_that_are_constants_are_not_counted() -> None:
    z = ops.sum(*(Value(0.25, name=f"a{i}") for i in range(13)), *[1.0] * 20)
    assert steps(z)[0].lines()[-1].startswith("… and 1 more operand")


def test_a_sum_of_thousands_is_no_page_of_text() -> None:
    z = ops.sum(*(Value(0.25, name=f"weight{i}") for i in range(5_000)))
    assert len(str(steps(z)[0])) < 10_000


# ── LaTeX ─────────────────────────────────────────────────────────────────────────────────────────────


def is_balanced(latex: str) -> bool:
    plain = re.sub(r"\\[\\{}]", "", latex)
    depths = list(itertools.accumulate({"{": 1, "}": -1}.get(c, 0) for c in plain))
    lefts = len(re.findall(r"\\left(?![a-z])", plain)), len(re.findall(r"\\right(?![a-z])", plain))
    return min(depths) == depths[-1] == 0 and lefts[0] == lefts[1]


def latex(step: Step) -> str:
    return step._repr_latex_()


def test_latex_of_a_step() -> None:
    d = Document.random(0)
    cursor = steps(Network(d).L)
    dz3 = d.dL_dy * d.dy_dz3
    begin, equation, handed, end = latex(cursor[1]).splitlines()
    assert (begin, end) == (r"$\begin{aligned}", r"\end{aligned}$")
    assert equation == r"y &= \sigma\left(z_{3}\right) \\"
    assert handed == (
        r"\frac{\partial L}{\partial z_{3}} &\mathrel{+}= \frac{\partial L}{\partial y} \cdot "
        r"\frac{\partial y}{\partial z_{3}} = \frac{\partial L}{\partial y} \cdot y"
        rf"\left(1 - y\right) = {n(d.dL_dy)} \cdot {n(d.dy_dz3)} = {n(dz3)}"
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_latex_has_the_numbers_of_the_text(seed: int) -> None:
    cursor = steps(Network(Document.random(seed)).L)
    for i in range(len(cursor)):
        said = latex(cursor[i])
        rows = said.splitlines()[1:-1]
        assert is_balanced(said)
        assert said.count(r"\begin{aligned}") == said.count(r"\end{aligned}") == 1
        assert [row.count("&") for row in rows] == [1] * len(rows)
        assert [row.endswith(r"\\") for row in rows] == [True] * (len(rows) - 1) + [False]
        for row, c in zip(rows[1:], cursor[i].contributions, strict=True):
            amount = n(c.amount).replace(MINUS, "-")
            mantissa, _, exponent = amount.partition("e")
            written = mantissa + (rf" \cdot 10^{{{int(exponent)}}}" if exponent else "")
            assert row.removesuffix(r" \\").partition(r",\quad")[0].endswith(f"= {written}")
            assert (r"with the" in row) == (c.before is not NOT_COMPUTED)
            assert MINUS not in row


@pytest.mark.parametrize(
    "name",
    ["learning_rate", "50%", "a{b", "}", "\\left", "a\\", "x^2", "$", "# & ~", "two words", "σ", "a\nb"],
)
def test_latex_with_any_name(name: str) -> None:
    a = Value(2.0, name=name)
    loss = (a * 3.0).tanh()
    loss.name = name
    cursor = steps(loss)
    for i in range(2):
        said = latex(cursor[i])
        assert is_balanced(said)
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\$", said)) == 2
        assert len(re.findall(r"(?<!\\)&", said)) == 2


# ── Every row of the op table ─────────────────────────────────────────────────────────────────────────

every_row = pytest.mark.parametrize("op", OPS.values(), ids=OPS)


def with_product_signs(text: str) -> str:
    """What a person reads as a product, such as y(1 − y), as one for Python."""
    text = re.sub(r"\binf\b", "(1e9999)", text)
    text = re.sub(r"\bnan\b", "(1e9999 - 1e9999)", text)
    return re.sub(r"(?<=[⁰¹²³⁴⁵⁶⁷⁸⁹\])])\(|(\b(?:[a-z]|\d[\d.]*))\(", r"\1·(", text)


def applied(op: Op, xs: Sequence[float], *, named: int) -> Value:
    """The row, at operands a, b, c, …, the first ones Values and the others constants; its name follows."""
    operands = [Value(x, name=name) if i < named else x for i, (x, name) in enumerate(zip(xs, NAMES))]
    node: Value = op(*operands)
    node.name = NAMES[len(xs)]
    return node


@every_row
def test_formulas_say_the_local_derivatives(op: Op) -> None:
    with mp.workdps(30):
        for xs in moderate_points(op, 8):
            node = applied(op, xs, named=len(xs))
            contributions = steps(node)[0].contributions
            assert [c.parent.name for c in contributions] == list(NAMES[: len(xs)])
            assert [c.partial for c in contributions] == pytest.approx(
                node.partials, nan_ok=True, rel=0, abs=0
            )
            for c in contributions:
                for text in {c.formula, c.factor} - {c.symbol}:  # in place of a factor that is too long
                    says = float(evaluated(with_product_signs(text), [*xs, node.data]))
                    is_number = re.fullmatch(r"\(?−?\d*\.?\d*(e−?\d+)?\)?", text)  # of four digits
                    expected = pytest.approx(
                        c.partial, rel=1e-3 if is_number else 1e-9, abs=1e-12, nan_ok=True
                    )
                    assert says == expected, f"{op.name}{xs}: {text}"


@every_row
def test_every_row_has_a_step(op: Op) -> None:
    for xs in moderate_points(op, 8):
        for named in range(1, len(xs) + 1):
            z = applied(op, xs, named=named)
            L = z * 2.0
            L.name = "L"
            step = steps(L)[1]
            lines = step.lines()
            assert step.node is z
            assert len(step.contributions) == named
            assert len(lines) == 1 + named
            for name, c, line in zip(NAMES, step.contributions, lines[1:]):
                assert line.startswith(
                    f"∂L/∂{name} += ∂L/∂{z.name} · ∂{z.name}/∂{name} = ∂L/∂{z.name} · {c.factor} = 2 · "
                )
                assert c.upstream == 2.0
                assert c.amount == 2.0 * c.partial or math.isnan(c.partial)
            said = latex(step)
            assert is_balanced(said), said
            assert said.count("&") == 1 + named
            assert all(is_balanced(c.latex) for c in step.contributions)


# ── Hand mode: right answers ──────────────────────────────────────────────────────────────────────────


def identity_cursor(gradient: float) -> Steps:
    """One step, which asks for ∂L/∂a, and that is the number given."""
    a = Value(1.0, name="a")
    L = a * gradient
    L.name = "L"
    return steps(L)


@pytest.mark.parametrize(
    ("gradient", "typed"),
    [
        (0.08217, answer)
        for answer in [
            *(0.08217, 0.0822, 0.0821, 0.082, 0.08),
            *("0.08217", "0.0822", "0.0821", "0.082", "0.08", ".0822", "+0.082", " 0.082 ", "0.08217000"),
            *("8.217e-2", "8.22e−2", "8.2E-2", "82.17e-3", "0.0821704123"),
        ]
    ]
    + [
        (-0.08217, answer)
        for answer in [-0.08217, -0.082, "-0.082", "−0.082", "−8.2e−2", "−0.0821", " −.08217 "]
    ]
    + [(0.1, "0.10"), (0.1, 0.1), (0.1, ".1"), (0.104, "0.10"), (0.1, 0.10000000000001)]
    + [(12.0, 12), (12.0, "12"), (12.0, 12.0), (12.3, 12), (12.9, 13), (2.0, "2.000")]
    + [(234.0, "2.3e2"), (1e-7, "1e-7"), (1.234e-7, 1.2e-7), (1.5e20, 1.5e20), (3e200, "3.0e200")]
    + [(0.0, 0), (0.0, "0.000"), (0.0, "−0"), (0.0, -0.0)],
)
def test_right_to_the_digits_that_are_typed(gradient: float, typed: float | str) -> None:
    cursor = identity_cursor(gradient)
    said = cursor.guess(typed)
    assert said.right is True
    assert bool(said)
    assert said.slip == ""
    assert str(said) == said.message
    assert said.message.startswith("∂L/∂a = ")
    assert said.message.endswith(": right")
    assert cursor.position == 1


@pytest.mark.parametrize(
    ("gradient", "typed"),
    [
        (0.08217, answer)
        for answer in [
            0,
            0.0,
            "0",
            "0.0",
            "0.00",
            0.083,
            0.081,
            "0.0820000",
            0.0823,
            0.09,
            1,
            "8.217",
            0.8217,
        ]
    ]
    + [(-0.08217, "0"), (-0.08217, "−0.083"), (-0.08217, "-0.09")]
    + [
        (0.104, "0.11"),
        (0.109, "0.100"),
        (12.9, "12.0"),
        (234.0, 230),
        (0.0, 0.1),
        (0.0, "0.001"),
        (0.0, 1),
    ]
    + [(1e-7, 0), (1e-7, 2e-7), (1.5e20, 1.6e20)],
)
def test_wrong_to_the_digits_that_are_typed(gradient: float, typed: float | str) -> None:
    cursor = identity_cursor(gradient)
    said = cursor.guess(typed)
    assert said.right is False
    assert not said
    assert cursor.position == 0
    assert cursor.loss.parents[0].grad is NOT_COMPUTED


gradients = st.builds(
    lambda mantissa, exponent, sign: sign * mantissa * 10.0**exponent,
    st.floats(1, 9.9999),
    st.integers(-12, 12),
    st.sampled_from([1, -1]),
)


@given(gradients, st.integers(2, 12), st.booleans(), st.booleans())
def test_a_right_answer_rounded_is_right(
    gradient: float, digits: int, capital: bool, typographic: bool
) -> None:
    typed = f"{gradient:.{digits - 1}e}"
    typed = typed.upper() if capital else typed
    typed = typed.replace("-", MINUS) if typographic else typed
    said = identity_cursor(gradient).guess(typed)
    assert said or (digits < 4 and said.message.endswith("give one more digit"))  # 1.0 for 1.03 and for 1
    assert said.slip == ""


@given(gradients, st.integers(2, 12))
def test_a_right_answer_cut_off_is_not_wrong(gradient: float, digits: int) -> None:
    mantissa, e, exponent = f"{gradient:.16e}".partition("e")
    point = mantissa.index(".")
    assume("99999" not in mantissa)  # what is a rounding away from 3 may not be cut off to 2.9
    said = identity_cursor(gradient).guess(mantissa[: point + digits] + e + exponent)
    assert said or said.message.endswith("; give one more digit")


@example(1.0625, 2)  # 1.1 is nearer to the slip 1.0625²
@given(st.floats(1e-9, 9.99) | st.floats(-9.99, -1e-9), st.integers(2, 12))
def test_a_right_answer_rounded_is_right_as_a_float(gradient: float, digits: int) -> None:
    rounded = float(f"{gradient:.{digits - 1}e}")
    said = identity_cursor(gradient).guess(rounded)
    says_less = repr(rounded) == repr(round(rounded)) + ".0"  # 3.0 says 3
    assert said or ((digits < 4 or says_less) and "give one more digit" in said.message)
    assert said.slip == ""


@given(gradients, st.integers(2, 12), st.sampled_from([1, -1]))
def test_off_by_two_in_the_last_digit_is_wrong(gradient: float, digits: int, direction: int) -> None:
    mantissa, _, exponent = f"{gradient:.{digits - 1}e}".partition("e")
    off = float(mantissa) + direction * 2 * 10.0 ** (1 - digits)
    assume(abs(off) >= 1 and abs(off * 10.0 ** int(exponent) - gradient) > 1.6e-3 * abs(gradient))
    assert not identity_cursor(gradient).guess(f"{off:.{digits - 1}f}e{exponent}")


@given(st.integers(0, 10**6), st.integers(2, 12))
def test_a_right_answer_is_never_called_a_slip(seed: int, digits: int) -> None:
    cursor = steps(Network(Document.random(seed)).L)
    for step in (cursor[i] for i in range(7)):
        answers: Any = {c.parent: f"{c.after:.{digits - 1}e}" for c in step.contributions}
        said = cursor.guess(answers)
        assert said.slip == ""
        assert all(line.endswith((": right", "give one more digit")) for line in said.message.splitlines())
        assert len(said.message.splitlines()) == len(answers)
        if digits < 4 and not said:
            said = cursor.guess({c.parent: f"{c.after:.3e}" for c in step.contributions})
        assert said, "four digits are enough"
        assert cursor.position == step.index + 1


@given(recipes())
def test_a_right_answer_is_right_on_any_graph(recipe: Recipe) -> None:
    loss, other = recipe.build(), recipe.build()
    cursor = steps(loss)
    while cursor.coming:
        step = cursor.coming
        after = {c.parent: c.after for c in step.contributions}
        if not after or not all(map(math.isfinite, after.values())):
            cursor.next()
            continue
        for value, gradient in after.items():
            assert cursor.coming.node is step.node
            said = cursor.guess({value: gradient})
            assert (said.right, said.slip) == (True, "")
    other.backward()
    assert state(loss) == state(other)


# ── Hand mode: known slips ────────────────────────────────────────────────────────────────────────────


class ByHand(Document):
    """With the derivatives that the document does not name."""

    def __init__(self, parameters: dict[str, float], x: list[float], t: float) -> None:
        super().__init__(parameters, x, t)
        self.w31, self.w21, self.x1, self.x2 = parameters["w31"], parameters["w21"], x[0], x[1]
        self.dL_dz3 = self.dL_dy * self.dy_dz3
        self.dL_dh1 = self.dL_dz3 * self.w31
        self.dL_dh2 = self.dL_dz3 * parameters["w32"]
        self.dh1, self.dh2 = self.h1 * (1 - self.h1), self.h2 * (1 - self.h2)
        self.dL_dz1, self.dL_dz2 = self.dL_dh1 * self.dh1, self.dL_dh2 * self.dh2


def sigma_prime(z: float) -> float:
    return sigma(z) * (1 - sigma(z))


@dataclass(frozen=True)
class Case:
    slip: str
    node: str  # the step
    asked: str  # the operand
    wrong: Callable[[ByHand], float]
    words: str  # which the sentence must have

    def __str__(self) -> str:
        return f"{self.slip}, {self.asked} from {self.node}, {self.words}"


LEFT_OUT, TWICE, AT_ACTIVATION = "factor left out", "factor twice", "at the activation"
CASES = [
    # h(1 − h) left out, in the step that brings it in, and in the next one
    Case(LEFT_OUT, "y", "z3", lambda d: d.dL_dy, "leaves out y(1 − y), which is ∂y/∂z3"),
    Case(LEFT_OUT, "z3", "w31", lambda d: d.dL_dy * d.h1, "leaves out y(1 − y), which is ∂y/∂z3"),
    Case(LEFT_OUT, "z3", "h1", lambda d: d.dL_dy * d.w31, "leaves out y(1 − y), which is ∂y/∂z3"),
    Case(LEFT_OUT, "z3", "b3", lambda d: d.dL_dy, "leaves out y(1 − y), which is ∂y/∂z3"),
    Case(LEFT_OUT, "h1", "z1", lambda d: d.dL_dh1, "leaves out h1(1 − h1), which is ∂h1/∂z1"),
    Case(LEFT_OUT, "h2", "z2", lambda d: d.dL_dh2, "leaves out h2(1 − h2), which is ∂h2/∂z2"),
    Case(LEFT_OUT, "z1", "w11", lambda d: d.dL_dh1 * d.x1, "leaves out h1(1 − h1), which is ∂h1/∂z1"),
    Case(LEFT_OUT, "z1", "b1", lambda d: d.dL_dh1, "leaves out h1(1 − h1), which is ∂h1/∂z1"),
    Case(LEFT_OUT, "z2", "w22", lambda d: d.dL_dh2 * d.x2, "leaves out h2(1 − h2), which is ∂h2/∂z2"),
    # another factor left out
    Case(LEFT_OUT, "z3", "w31", lambda d: d.dL_dz3, "leaves out h1, which is ∂z3/∂w31"),
    Case(LEFT_OUT, "z3", "h1", lambda d: d.dL_dz3, "leaves out w31, which is ∂z3/∂h1"),
    Case(LEFT_OUT, "z1", "w12", lambda d: d.dL_dz1, "leaves out x2, which is ∂z1/∂w12"),
    # h(1 − h) applied twice
    Case(TWICE, "y", "z3", lambda d: d.dL_dy * d.dy_dz3**2, "has y(1 − y) twice"),
    Case(TWICE, "z3", "w31", lambda d: d.dL_dy * d.dy_dz3**2 * d.h1, "has y(1 − y) twice"),
    Case(TWICE, "h1", "z1", lambda d: d.dL_dh1 * d.dh1**2, "has h1(1 − h1) twice"),
    Case(TWICE, "z1", "w11", lambda d: d.dL_dh1 * d.dh1**2 * d.x1, "has h1(1 − h1) twice"),
    Case(TWICE, "z2", "b2", lambda d: d.dL_dh2 * d.dh2**2, "has h2(1 − h2) twice"),
    # σ′ at the activation instead of at z
    Case(AT_ACTIVATION, "y", "z3", lambda d: d.dL_dy * sigma_prime(d.y), "the derivative taken at y, not"),
    Case(
        AT_ACTIVATION, "z3", "w31", lambda d: d.dL_dy * sigma_prime(d.y) * d.h1, "∂y/∂z3 is taken at y, not"
    ),
    Case(
        AT_ACTIVATION, "h1", "z1", lambda d: d.dL_dh1 * sigma_prime(d.h1), "the derivative taken at h1, not"
    ),
    Case(
        AT_ACTIVATION,
        "z1",
        "w11",
        lambda d: d.dL_dh1 * sigma_prime(d.h1) * d.x1,
        "∂h1/∂z1 is taken at h1, not",
    ),
    Case(AT_ACTIVATION, "z2", "b2", lambda d: d.dL_dh2 * sigma_prime(d.h2), "∂h2/∂z2 is taken at h2, not"),
    # the sign
    Case("sign", "L", "y", lambda d: d.t - d.y, "the sign is turned"),
    Case("sign", "L", "t", lambda d: d.y - d.t, "the sign is turned"),
    Case("sign", "y", "z3", lambda d: -d.dL_dz3, "the sign is turned"),
    Case("sign", "z3", "w32", lambda d: -d.dL_dw32, "the sign is turned"),
    Case("sign", "h1", "z1", lambda d: -d.dL_dz1, "the sign is turned"),
    Case("sign", "z2", "w21", lambda d: -d.dL_dw21, "the sign is turned"),
    # the ½ of the loss
    Case("½ forgotten", "L", "y", lambda d: 2 * (d.y - d.t), "½ forgotten"),
    Case("½ twice", "L", "y", lambda d: (d.y - d.t) / 2, "½ taken twice"),
    Case("½ forgotten", "y", "z3", lambda d: 2 * d.dL_dz3, "½ forgotten"),
    Case("½ twice", "z1", "w11", lambda d: d.dL_dw11 / 2, "½ taken twice"),
    # = instead of += at x1, which both hidden neurons share
    Case("= for +=", "z2", "x1", lambda d: d.dL_dz2 * d.w21, "replaces what ∂L/∂x1 had"),
    # the local derivative instead of the total one
    Case("local for total", "y", "z3", lambda d: d.dy_dz3, "∂y/∂z3 alone: multiply by the gradient of y"),
    Case("local for total", "z3", "w31", lambda d: d.h1, "∂z3/∂w31 alone: multiply by the gradient of z3"),
    Case("local for total", "z3", "b3", lambda d: 1.0, "∂z3/∂b3 alone: multiply by the gradient of z3"),
    Case("local for total", "h1", "z1", lambda d: d.dh1, "∂h1/∂z1 alone: multiply by the gradient of h1"),
    Case("local for total", "z1", "w11", lambda d: d.x1, "∂z1/∂w11 alone: multiply by the gradient of z1"),
    # the other operand's local derivative
    Case("other operand", "z3", "w31", lambda d: d.dL_dz3 * d.w31, "∂z3/∂h1; ∂z3/∂w31 is needed"),
    Case("other operand", "z3", "h1", lambda d: d.dL_dz3 * d.h1, "∂z3/∂w31; ∂z3/∂h1 is needed"),
    Case("other operand", "z1", "w12", lambda d: d.dL_dz1 * d.x1, "∂z1/∂w11; ∂z1/∂w12 is needed"),
]


def right_answer(cursor: Steps, asked: str) -> float:
    assert cursor.coming
    return next(c.after for c in reversed(cursor.coming.contributions) if c.parent.name == asked)


def check_slip(cursor: Steps, asked: str, wrong: float, slip: str, words: str) -> None:
    """The slip is named, in full digits and in four, and nothing moves."""
    before, position = state(cursor.loss), cursor.position
    assert abs(wrong - right_answer(cursor, asked)) > 0.01 * abs(wrong), "this network does not show it"
    for typed in (wrong, repr(wrong).replace("-", MINUS), f"{wrong:.3e}"):
        for key in (asked, next(v for v in topological_order(cursor.loss) if v.name == asked)):
            said = cursor.guess({key: typed})
            assert (said.right, said.slip) == (False, slip), said.message
            assert words in said.message
            assert said.message.startswith(f"∂L/∂{asked}: ")
    assert (cursor.position, state(cursor.loss)) == (position, before)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_slip(case: Case) -> None:
    shown = 0
    for seed in SEEDS:
        document = ByHand.random(seed)
        assert isinstance(document, ByHand)
        network = Network(document)
        cursor = steps(network.L)
        cursor.goto(network[case.node])
        wrong = case.wrong(document)
        if abs(wrong - right_answer(cursor, case.asked)) > 0.01 * abs(wrong):
            check_slip(cursor, case.asked, wrong, case.slip, case.words)
            shown += 1
    assert shown >= len(SEEDS) - 2


@pytest.mark.parametrize("seed", SEEDS)
def test_slip_of_an_updated_weight(seed: int) -> None:
    document = ByHand.random(seed)
    assert isinstance(document, ByHand)
    network = Network(document)
    cursor = steps(network.L)
    cursor.goto(network["z3"])
    network["w31"].data += 0.7
    wrong = document.dL_dz3 * (document.w31 + 0.7)
    check_slip(cursor, "h1", wrong, "updated weight", "that uses w31 as it is now")
    assert cursor.guess({"h1": document.dL_dh1}), "the old weight is the right one"


@pytest.mark.parametrize("seed", [0, 1])
def test_slip_of_an_updated_weight_where_all_have_been_updated(seed: int) -> None:
    """The sentence names the weight that is in the factor, not all that have moved."""
    document = ByHand.random(seed)
    assert isinstance(document, ByHand)
    network = Network(document)
    cursor = steps(network.L)
    cursor.goto(network["z3"])
    for name in PARAMETERS:
        network[name].data += 0.7
    wrong = document.dL_dz3 * (document.w31 + 0.7)
    check_slip(cursor, "h1", wrong, "updated weight", "that uses w31 as it is now")


def test_slip_of_an_updated_weight_without_a_name() -> None:
    w, x = Value(3.0), Value(2.0, name="x")
    L = (w * x) ** 2
    L.name = "L"
    cursor = steps(L)
    cursor.next()
    w.data = 5.0
    said = cursor.guess({x: 12 * 5.0})
    assert said.slip == "updated weight"
    assert f"uses {cursor.name(w)} as it is now" in said.message


@pytest.mark.parametrize("data", [3.0, 0.7, -1.3])
def test_slip_of_replacing_at_a_value_that_stands_twice_in_one_operation(data: float) -> None:
    """a·a hands a·∂L/∂z to a two times; with = in place of += only the last one is left."""
    a = Value(data, name="a")
    z = a * a
    z.name = "z"
    L = z**2
    L.name = "L"
    cursor = steps(L)
    cursor.next()
    said = cursor.guess(2 * data**2 * data)
    assert not said
    assert said.slip == "= for +=", said.message


def test_of_a_value_that_stands_twice_no_factor_1_is_left_out() -> None:
    a = Value(3.0, name="a")
    z = a + a
    z.name = "z"
    L = z**2
    L.name = "L"
    cursor = steps(L)
    cursor.next()
    said = cursor.guess(12)  # 2z · 1, in place of 2z · 1 + 2z · 1
    assert not said
    assert "leaves out 1" not in said.message


def test_a_slip_beside_a_gradient_from_before() -> None:
    """At a shared value a slip is made in what is added; the sum is what is typed."""
    a = Value(0.5, name="a")
    u = a.sigmoid()
    u.name = "u"
    L = u * a
    L.name = "L"
    cursor = steps(L)
    cursor.next()  # ∂L/∂u = a, ∂L/∂a = u
    u0 = sigma(0.5)
    assert cursor.guess(u0 - 0.5 * u0 * (1 - u0)).slip == "sign"
    assert cursor.guess(u0 + 0.5).slip == "factor left out"
    assert cursor.guess(0.5 * u0 * (1 - u0)).slip == "= for +="
    assert cursor.guess(u0 + 0.5 * u0 * (1 - u0))


def test_a_name_with_a_slash_is_said_as_it_is() -> None:
    a = Value(0.5, name="a")
    km = a.sigmoid()
    km.name = "km/h"
    L = km**2
    L.name = "L"
    cursor = steps(L)
    cursor.next()
    said = cursor.guess(sigma_prime(0.5))
    assert said.slip == "local for total"
    assert said.message.endswith("the gradient of km/h")


def test_a_wrong_number_that_no_slip_explains() -> None:
    cursor = steps(Network(Document.random(0)).L)
    said = cursor.guess(17.25)
    assert (said.right, said.slip, said.message) == (False, "", "∂L/∂y is not 17.25")


def test_slips_where_a_derivative_is_zero_or_infinite_or_undefined() -> None:
    """What a slip would give there cannot be computed, or says nothing; no error comes of it."""
    a = Value(-1.0, name="a")
    for z in (a.relu(), (a * 0.0).sqrt(), ops.pow(a, Value(2.0)), a.exp().log(), (a + 1.0) ** 0.5):
        cursor = steps(z * 3.0)
        while cursor.coming:
            place = cursor.position
            if all(math.isfinite(c.after) for c in cursor.coming.contributions):
                assert not cursor.guess(1234.5)
            cursor.goto(place + 1)


@pytest.mark.parametrize("typed", [5, 0, -1e300])
def test_no_number_is_an_infinite_gradient(typed: float) -> None:
    cursor = steps(Value(0.0, name="a").sqrt())
    assert not cursor.guess(typed)


# ── Hand mode: what cannot be told ────────────────────────────────────────────────────────────────────

MORE = "give one more digit"


def one(upstream: float, partial: float) -> Steps:
    """A cursor that asks for ∂L/∂w = upstream · partial."""
    w = Value(1.0, "w")
    L = (w * partial) * upstream
    L.name = "L"
    cursor = steps(L)
    cursor.next()
    return cursor


def two(a: float, b: float) -> Steps:
    """A cursor that asks for ∂L/∂w, where a is there and b comes to it."""
    w = Value(1.0, "w")
    L = w * a + w * b
    L.name = "L"
    cursor = steps(L)
    cursor.goto(2)
    return cursor


@pytest.mark.parametrize(
    ("cursor", "typed"),
    [
        (one(0.8, 1), 1),  # a slip, as exactly as a coarse rounding of 0.8
        (one(1.3, 2), 2),
        (one(0.000198, 1), "0.0001"),
        (one(0.000517, 1), "0.001"),
        (one(0.0009, 1), "0.000"),
        (one(-0.0009, 1), "0.000"),
        (two(0.0002, 0.3755), "0.3755"),  # the += is left out
        (two(-2.91e-5, 0.0178541), "0.0179"),  # of 0.017825
        (one(0.01465, 1), "0.01"),
        (one(123.4, 1), "120"),
        (one(123.4, 1), 120),
        (one(123.4, 1), 1e2),
        (one(12.9, 1), "12"),  # cut off, not rounded
        (one(0.109, 1), "0.10"),
    ],
)
def test_too_few_digits(cursor: Steps, typed: Any) -> None:
    place = cursor.position
    said = cursor.guess(typed)
    assert (said.right, said.slip) == (False, "")
    # 0.000 is no digit of 0.0009, so it is merely wrong
    assert said.message.endswith(MORE) or typed == "0.000"
    assert cursor.position == place


@pytest.mark.parametrize(
    ("gradient", "typed", "words"),
    [
        (0.8, "1", "right so far"),
        (0.01465, "0.01", "right so far"),
        (123.4, "120", "right so far"),
        (123.4, "1e2", "right so far"),
        (12.9, "12", "right so far"),
        (0.08, "0", "too coarse to tell"),
        (-0.4, "0", "too coarse to tell"),
    ],
)
def test_what_is_said_of_too_few_digits(gradient: float, typed: str, words: str) -> None:
    assert one(gradient, 1).guess(typed).message == f"∂L/∂w: {words}; {MORE}"


@pytest.mark.parametrize(
    ("cursor", "typed", "slip"),
    [
        (one(0.8, 1), "1.00", "local for total"),
        (one(1.3, 2), "2.00", "local for total"),
        (two(0.0002, 0.3755), "0.37550", "= for +="),
        (two(1.0, 2.0), -3, "sign"),  # of the sum
        (two(1.0, 2.0), -1, "sign"),  # of what is added
        (two(1.0, 2.0), -2, "sign"),  # of what is added to nothing
        (two(1.0, 2.0), 6, "twice as much"),
    ],
)
def test_enough_digits_tell_a_slip(cursor: Steps, typed: Any, slip: str) -> None:
    said = cursor.guess(typed)
    assert (said.right, said.slip) == (False, slip), said.message


@pytest.mark.parametrize(
    ("cursor", "typed"),
    [
        (one(0.000198, 1), "0.0002"),
        (one(0.01465, 1), "0.015"),
        (two(-0.09076, 0.104847), "0.01404"),  # 0.1048 − 0.09076, with the digits that are shown
        (two(0.0002, 0.3755), "0.3757"),
        (two(0.00002, 0.3755), "0.3755"),  # as it is shown
        (two(-2.91e-5, 0.0178541), "0.01783"),
        (two(0.1, -0.3), "-0.2"),
        (two(0.1 + 0.2, -0.3), "0"),  # but for 5.6e-17
    ],
)
def test_enough_digits_are_right(cursor: Steps, typed: Any) -> None:
    assert cursor.guess(typed), cursor.guess(typed).message


@given(st.integers(0, 10**6))
@example(62656)  # in it w32 is 1.0002, so to leave it out is to compute with 1.000
def test_the_digits_shown_are_enough(seed: int) -> None:
    """Whoever multiplies, and adds, the numbers of four digits that a step shows is right."""
    cursor = steps(Network(Document.random(seed)).L)

    def shown(number: float) -> float:
        return float(f"{number:.4g}")

    for step in cursor[:]:
        for c in step.contributions:
            cursor.goto(step.index)
            typed = shown(c.before) + shown(c.partial) * shown(c.upstream)
            said = cursor.guess({c.parent: typed})
            assert said or (abs(typed - c.after) > 0.05 * abs(c.after) and MORE in said.message)


def shown_answer(cursor: Steps, asked: str) -> float:
    """The right answer to who has the four digits that are shown, and no more."""
    step = cursor.coming
    assert step and step.node.op
    partials = step.node.op.partials(*(float(f"{x:.4g}") for x in step.node.evaluation))
    mine = [c for c in step.contributions if c.parent.name == asked]
    shares = [float(f"{c.upstream:.4g}") * partials[c.operand] for c in mine]
    return float(f"{mine[0].before:.4g}") + math.fsum(shares)


@example(seed=14206, digits=2)  # as near to the right answer as to the slip, and right with four digits
@example(seed=23450, digits=2)
@given(st.integers(0, 10**6), st.integers(2, 3))
def test_a_slip_in_few_digits_is_not_right_unless_the_right_answer_is_nearer(
    seed: int, digits: int
) -> None:
    document = ByHand.random(seed)
    assert isinstance(document, ByHand)
    for case in CASES:
        network = Network(document)
        cursor = steps(network.L)
        cursor.goto(network[case.node])
        wrong, right = case.wrong(document), right_answer(cursor, case.asked)
        typed = f"{wrong:.{digits - 1}e}"
        shown = shown_answer(cursor, case.asked)
        if cursor.guess({case.asked: typed}):
            off = abs(float(typed) - right)
            assert off <= 0.05 * abs(right)
            # Who computes with the four digits that are shown is right, too.
            assert min(off, abs(float(typed) - shown)) <= abs(float(typed) - wrong)


def test_a_saturated_neuron_is_right_with_the_digits_shown() -> None:
    z = Value(6.645, "z")
    h = z.sigmoid()
    h.name = "h"
    cursor = steps(h)
    assert f"{h.data:.4g}" == "0.9987"
    assert cursor.guess(0.9987 * (1 - 0.9987)), "3 % off"


def test_the_nearest_slip_is_named() -> None:
    a, b = Value(2.0, "a"), Value(2.001, "b")
    L = a * b * 3.0
    L.name = "L"
    cursor = steps(L)
    cursor.next()  # ∂L/∂a = 3·2.001, and where b is left out 3
    assert cursor.guess({"a": "2.001"}).slip == "local for total"
    assert cursor.guess({"a": "12.012006"}).slip in {"factor twice", "twice as much"}
    assert cursor.guess({"a": "12.006"}).slip == "twice as much"
    assert cursor.guess({"a": "12.012"}).slip == "factor twice"


@pytest.mark.parametrize(
    ("node", "asked", "wrong", "words"),
    [
        ("z3", "h1", lambda d: d.dL_dz1, "a step too far: h1(1 − h1) comes in ∂L/∂z1"),
        ("z3", "h2", lambda d: d.dL_dz2, "a step too far: h2(1 − h2) comes in ∂L/∂z2"),
        ("L", "y", lambda d: d.dL_dz3, "a step too far: y(1 − y) comes in ∂L/∂z3"),
    ],
)
def test_a_step_too_far(node: str, asked: str, wrong: Callable[[ByHand], float], words: str) -> None:
    """What the document does, in its own notation."""
    document = ByHand.random(3)
    assert isinstance(document, ByHand)
    network = Network(document)
    cursor = steps(network.L)
    cursor.goto(network[node])
    check_slip(cursor, asked, wrong(document), "a step too far", words)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda w: w**3, ("that is twice as much", "that is half as much")),
        (lambda w: w * 3.0, ("that is twice as much", "that is half as much")),
        (lambda w: (w - 1.0) ** 2 * 0.5, ("½ forgotten", "½ taken twice")),
        (lambda w: (w - 1.0) ** 2 / 2, ("½ forgotten", "½ taken twice")),
        (lambda w: w**2 / 2.5, ("that is twice as much", "that is half as much")),
        (lambda w: half_squared_error(w, 1.0), ("½ forgotten", "½ taken twice")),
    ],
)
def test_a_half_is_only_spoken_of_where_there_is_one(
    build: Callable[[Value], Value], said: tuple[str, str]
) -> None:
    w = Value(1.7, "w")
    cursor = steps(build(w))
    cursor.goto(w)
    right = right_answer(cursor, "w")
    for factor, words in zip((2, 0.5), said):
        message = cursor.guess({"w": f"{factor * right:.10f}"}).message
        assert words in message and ("½" in message) == ("½" in words)


def test_what_is_not_finite_is_an_answer() -> None:
    cases: list[tuple[float, float | str, float | str]] = [
        (0.0, "inf", "-inf"),
        (0.0, math.inf, math.nan),
        (math.nan, "nan", "inf"),
    ]
    for x, typed, wrong in cases:
        a = Value(x, "a")
        z = a.sqrt()
        z.name = "z"
        cursor = steps(z * 2)
        cursor.next()
        assert cursor.guess(wrong).message.startswith("∂L/∂a is not ")
        assert not cursor.guess(5)
        assert cursor.guess(typed)
    assert not identity_cursor(0.5).guess("inf")
    assert identity_cursor(-0.5).guess("nan").message == "∂L/∂a is not nan"


def test_the_question_says_what_is_there_already(network: Network, cursor: Steps) -> None:
    cursor.goto(6)
    said = n(cursor[6].contributions[2].before)
    assert cursor.question == "∂L/∂w21" and cursor.coming
    assert f", ∂L/∂x1 so far {said}, " in cursor.coming.given()
    for c in cursor.coming.contributions[:2]:
        assert cursor.guess({c.parent: c.after})
    assert cursor.question == f"∂L/∂x1 (so far {said})"


# ── Hand mode: how it goes on ─────────────────────────────────────────────────────────────────────────


def at_z3(network: Network) -> tuple[Steps, Any]:
    cursor = steps(network.L)
    cursor.goto(2)
    return cursor, {c.parent.name: c.after for c in cursor[2].contributions}


def test_one_number_is_for_the_next_operand(network: Network) -> None:
    cursor, right = at_z3(network)
    for i, (name, gradient) in enumerate(right.items()):
        assert cursor.position == 2
        assert cursor.gradient(name) is NOT_COMPUTED
        said = cursor.guess(gradient)
        assert said.message.startswith(f"∂L/∂{name} = ")
        assert said
        assert cursor.position == (3 if i == 4 else 2)
    assert cursor.gradient("w31") == right["w31"]


def test_a_dict_may_be_a_part_by_value_and_by_name_in_any_order(network: Network) -> None:
    cursor, right = at_z3(network)
    assert cursor.guess({"h2": right["h2"], network["w31"]: right["w31"]})
    assert cursor.position == 2
    assert cursor.guess(right["w32"]).message.startswith("∂L/∂w32 = "), "w31 has been answered"
    assert cursor.guess(right["h1"]).message.startswith("∂L/∂h1 = ")
    assert cursor.position == 2
    assert cursor.guess({network["b3"]: f"{right['b3']:.6f}"})
    assert cursor.position == 3


def test_wrong_and_right_in_one(network: Network) -> None:
    cursor, right = at_z3(network)
    said = cursor.guess({**right, "w32": -right["w32"]})
    assert (said.right, said.slip) == (False, "sign")
    assert [line.endswith(": right") for line in said.message.splitlines()] == [
        True,
        False,
        True,
        True,
        True,
    ]
    assert cursor.position == 2
    assert cursor.guess(right["w32"]), "the one that is still asked for"
    assert cursor.position == 3


def test_all_right_in_one(network: Network) -> None:
    cursor, right = at_z3(network)
    assert isinstance(cursor.guess(right), Answer)
    assert cursor.position == 3
    assert {name: cursor.gradient(name) for name in right} == right


def test_moving_forgets_what_was_answered(network: Network) -> None:
    cursor, right = at_z3(network)
    moves: list[Callable[[], object]] = [lambda: cursor.goto(0), cursor.reset, cursor.run, cursor.back]
    for move in moves:
        cursor.reset()
        cursor.goto(2)
        assert cursor.guess({name: right[name] for name in ("w31", "w32", "h1", "h2")})
        move()
        assert cursor.position != 2
        cursor.goto(2)
        assert cursor.guess({"b3": right["b3"]})
        assert cursor.position == 2


def test_looking_does_not_forget_what_was_answered(network: Network) -> None:
    """In a notebook, the cursor is shown between one number and the next."""
    cursor, right = at_z3(network)
    assert cursor.guess({name: right[name] for name in ("w31", "w32", "h1", "h2")})
    before = state(network.L)
    for look in (str, repr, Steps._repr_html_, len, lambda c: str(c.coming), lambda c: latex(c[2])):
        look(cursor)
        assert (cursor.position, state(network.L)) == (2, before)
    assert cursor.guess({"b3": right["b3"]})
    assert cursor.position == 3


def test_the_whole_pass_by_hand_leaves_what_backward_leaves() -> None:
    network, expected = Network(Document.random(5)), Network(Document.random(5))
    expected.L.backward()
    cursor = steps(network.L)
    while cursor.coming:
        for c in cursor.coming.contributions:
            assert cursor.guess({c.parent: f"{c.after:.3e}"})
    assert state(network.L) == state(expected.L)


def test_earlier_gradients_of_leaves_are_no_part_of_the_answers() -> None:
    network = Network(Document.random(5))
    network.L.backward()
    once = network["w11"].grad
    cursor = steps(network.L)
    cursor.goto(network["z1"])
    assert not cursor.guess({"w11": 2 * once})
    assert cursor.guess({"w11": once})
    cursor.run()
    assert network["w11"].grad == 2 * once


def test_at_the_end_there_is_nothing_to_guess(cursor: Steps) -> None:
    cursor.run()
    answers: list[Any] = [0.5, {"w11": 0.5}, "x", {}]
    for answer in answers:
        with pytest.raises(IndexError, match=r"^the backward pass is finished: there is no step to guess$"):
            cursor.guess(answer)


GARBAGE: list[tuple[Any, type[Exception]]] = [
    ("a lot", ValueError),
    ("", ValueError),
    ("0.5.5", ValueError),
    ("0,5", ValueError),
    ("1/2", ValueError),
    ("2,6", ValueError),
    ("sNaN", ValueError),
    ("1e999", ValueError),
    ("-1e400", ValueError),
    (10**400, ValueError),
    ("9" * 100_000, ValueError),
    (None, TypeError),
    (1j, TypeError),
    ([0.5], TypeError),
    (b"0.5", TypeError),
    (Value(0.5), TypeError),
]


@pytest.mark.parametrize(("garbage", "error"), GARBAGE, ids=lambda thing: repr(thing)[:20])
def test_what_is_no_number_changes_nothing(network: Network, garbage: Any, error: type[Exception]) -> None:
    cursor, right = at_z3(network)
    assert cursor.guess({"w31": right["w31"]})
    before = state(network.L)
    answers: list[Any] = [garbage, {"w32": garbage}, {**right, "b3": garbage}]
    for answer in answers:
        with pytest.raises(error) as raised:
            cursor.guess(answer)
        assert len(str(raised.value)) < 200
        assert (cursor.position, state(network.L)) == (2, before)
    assert cursor.guess(right["w32"]).message.startswith("∂L/∂w32"), "and w31 is still answered"


@pytest.mark.parametrize("key", ["w11", "q", "", "z3", Value(1.0, name="w31"), 3])
def test_what_the_step_does_not_ask_for(network: Network, key: Any) -> None:
    cursor, right = at_z3(network)
    with pytest.raises(
        ValueError, match=r"^the coming step asks for w31, w32, h1, h2, b3, not for "
    ) as error:
        cursor.guess({**right, key: 0.5})
    assert repr(key)[:60] in str(error.value)
    assert cursor.position == 2


def test_a_step_that_hands_nothing_down_has_nothing_to_guess() -> None:
    """Between constants, such as derivatives that do not depend on anything."""
    x = Value(2.0, name="x")
    [slope] = mg.grad(x * 3.0, [x])
    L = x * (slope * 2.0)
    cursor = steps(L)
    cursor.next()
    assert cursor.coming
    assert cursor.coming.contributions == []
    assert cursor.coming.lines()[1:] == []
    with pytest.raises(ValueError, match=r"."):
        cursor.guess(1.0)
    cursor.next()
    assert cursor.coming is None


# ── Large graphs ──────────────────────────────────────────────────────────────────────────────────────


def test_a_deep_graph() -> None:
    """Each of these takes a second or so; anything quadratic would take an hour."""
    start = a = Value(0.5, name="a")
    for _ in range(50_000):
        a = (a * 1.25).tanh()
    begin = time.perf_counter()
    cursor = steps(a)
    assert len(cursor) == 100_000
    cursor.goto(50_000)
    cursor.goto(0)
    cursor.goto(50_000)
    middle = walked(cursor)
    cursor.goto(start)
    assert cursor.position == 99_999
    assert not cursor.guess(17.0)
    assert "step 100000 of 100000" in str(cursor.coming)
    cursor.goto(50_000)
    assert walked(cursor) == middle
    cursor.run(until=start)
    assert start.grad is NOT_COMPUTED
    cursor.run()
    gradient = start.grad
    cursor.reset()
    assert time.perf_counter() - begin < 20
    start.grad = 0.0
    a.backward()
    assert start.grad == gradient


def test_a_wide_graph() -> None:
    """One operation of 10,000 operands, and one leaf with 10,000 uses."""
    shared = Value(0.5, name="a")
    z = ops.sum(*(shared * (1.0 + i / 10_000) for i in range(10_000)))
    L = z**2
    L.name = "L"
    begin = time.perf_counter()
    cursor = steps(L)
    cursor.goto(5_000)
    cursor.goto(1)
    assert not cursor.guess(17.0)
    cursor.next()
    assert not cursor.guess(17.0)
    cursor.run()
    assert shared.grad == pytest.approx(2 * z.data * 1.5 * 10_000, rel=1e-3)
    assert time.perf_counter() - begin < 20


@pytest.mark.parametrize("op", [ops.logsumexp, ops.prod, ops.hypot], ids=repr)
def test_a_wide_operation_is_written_in_reasonable_time(op: Op) -> None:
    z = op(*(Value(1.0 + i / 1e5, name=f"a{i}") for i in range(500)))
    begin = time.perf_counter()
    assert len(steps(z)[0].lines()) == 14
    assert time.perf_counter() - begin < 20


def test_a_long_pass_is_printed_in_part() -> None:
    v = Value(0.5, "x")
    for _ in range(1_200):
        v = v * 1.0
    text = str(steps(v))
    assert text.count("step ") == 1_000
    assert text.endswith("… and 200 more steps")


def test_to_go_somewhere_forgets_what_was_answered_on_the_way() -> None:
    network = mg.MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
    L = half_squared_error(network([1.0, 1.0]), 0.0)
    L.name = "L"
    cursor = steps(L)
    for go in (cursor.reset, lambda: cursor.goto(0), lambda: cursor.goto("L"), lambda: cursor.run("L")):
        assert cursor.guess(0.3779) and cursor.question == "∂L/∂t"
        go()
        assert (cursor.position, cursor.question) == (0, "∂L/∂y")


def test_a_value_may_be_given_by_its_name() -> None:
    x, w = Value(2.0, "x"), Value(3.0, "w")
    cursor = steps((w * x).tanh() + w)
    for name, value in (("w", w), ("x", x), ("L", cursor.loss), ("v1", cursor[-1].node)):
        for move in (cursor.goto, cursor.run):
            places = []
            for key in (value, name):
                cursor.reset()
                move(key)
                places.append(cursor.position)
            assert places[0] == places[1]
    for move in (cursor.goto, cursor.run):
        with pytest.raises(ValueError, match="'q' is not in the graph of L"):
            move("q")


def test_the_question_says_what_a_value_without_a_name_is() -> None:
    x = Value(3.0, "x")
    assert steps(x**2 * x.sin()).question == "∂L/∂v2, where v2 = x²"
