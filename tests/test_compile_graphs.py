"""Random graphs, compiled, against the mean over `backward` of each example."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import microgradlike as mg
from microgradlike import Value, grad, ops

ULP = 2.0**-52
Choice = tuple[int, int, int, int]


# ── Random graphs ─────────────────────────────────────────────────────────────────────────────────────

#: Rows that are defined for every number, and what of their results is known: |f(a)| ≤ bound(|a|).
UNARY: list[tuple[Any, Any]] = [
    (ops.sin, lambda a: 1.0),
    (ops.cos, lambda a: 1.0),
    (ops.tanh, lambda a: 1.0),
    (ops.sigmoid, lambda a: 1.0),
    (ops.atan, lambda a: 2.0),
    (ops.erf, lambda a: 1.0),
    (ops.softsign, lambda a: 1.0),
    (ops.asinh, lambda a: a),
    (ops.softplus, lambda a: a + 1),
    (ops.silu, lambda a: a + 1),
    (ops.gelu, lambda a: a + 1),
    (ops.neg, lambda a: a),
    (ops.power(2.0), lambda a: a * a),
    (ops.power(3.0), lambda a: a**3),
    (lambda v: ops.log(1.5 + v * v), lambda a: a + 1),
    (lambda v: ops.sqrt(1.5 + v * v), lambda a: a + 2),
    (lambda v: (2 + v * v) ** -0.5, lambda a: 1.0),
    (lambda v: ops.exp(ops.sin(v)), lambda a: 3.0),
]
BINARY: list[tuple[Any, Any]] = [
    (ops.add, lambda a, b: a + b),
    (ops.sub, lambda a, b: a + b),
    (ops.mul, lambda a, b: a * b),
    (lambda v, w: v / (1.5 + w * w), lambda a, b: a),
    (lambda v, w: ops.atan2(v, 1.5 + w * w), lambda a, b: 2.0),
    (lambda v, w: ops.pow(1.5 + ops.sin(v), ops.cos(w)), lambda a, b: 3.0),
    (lambda v, w: ops.hypot(v, w, 1.5), lambda a, b: a + b + 2),
    (ops.half_squared_error, lambda a, b: (a + b) ** 2),
    (lambda v, w: ops.binary_cross_entropy_with_logits(v, ops.sigmoid(w)), lambda a, b: a + 1),
]
#: At a kink the last bit decides, so each of these gets a constant of its own to be away from it.
KINKED: list[tuple[Any, Any]] = [
    (lambda v, w, c: ops.relu(v + c), lambda a, b: a + 4),
    (lambda v, w, c: ops.abs(v + c), lambda a, b: a + 4),
    (lambda v, w, c: ops.leaky_relu(v + c, 0.1), lambda a, b: a + 4),
    (lambda v, w, c: ops.elu(v + c, 0.7), lambda a, b: a + 4),
    (lambda v, w, c: ops.maximum(v + c, w, -v), lambda a, b: a + b + 4),
    (lambda v, w, c: ops.minimum(v + c, w), lambda a, b: a + b + 4),
    (lambda v, w, c: ops.where(ops.greater(v, w + c), v, w), lambda a, b: a + b),
    (lambda v, w, c: ops.clip(v + c, -1.0, 1.0), lambda a, b: 1.0),
]
VARIADIC: list[tuple[Any, Any]] = [
    (ops.sum, sum),
    (ops.mean, max),
    (ops.prod, math.prod),
    (lambda *vs: ops.logsumexp(*vs, 0.5), lambda bounds: sum(bounds) + 4),
    (lambda *vs: ops.dot(*vs, *reversed(vs)), lambda bounds: sum(b * b for b in bounds)),
    (lambda *vs: ops.dot(*vs, *vs[1:], vs[0], vs[-1]), lambda bounds: sum(b * b for b in bounds) * 2),
]


@dataclass
class Graph:
    """The leaves, and a recipe that makes the graph from numbers again and again."""

    leaves: int
    choices: list[Choice]

    def record(self, numbers: Sequence[float]) -> tuple[list[Value], list[Value]]:
        """The leaves and all results."""
        leaves = [Value(x, "abcwxyz"[i % 7] + str(i) if i % 3 else "") for i, x in enumerate(numbers)]
        nodes, bounds = [*leaves], [4.0] * len(leaves)
        for n, (kind, i, j, k) in enumerate(self.choices):
            # Late nodes are chosen more often, so that graphs are deep, but all may be shared.
            a, b = -1 - i % min(len(nodes), 6), j % len(nodes)
            v, w = nodes[a], nodes[b]
            shift = math.sqrt(2) + n / 97
            if kind % 4 == 0:
                function, bound = UNARY[k % len(UNARY)]
                node, size = function(v), bound(bounds[a])
            elif kind % 4 == 1:
                function, bound = BINARY[k % len(BINARY)]
                if k % 5 == 0:
                    node, size = function(v, shift), bound(bounds[a], shift)
                else:
                    node, size = function(v, w), bound(bounds[a], bounds[b])
            elif kind % 4 == 2:
                function, bound = KINKED[k % len(KINKED)]
                node, size = function(v, w, shift), bound(bounds[a], bounds[b])
            else:
                chosen = [(a + m * (j % 3 + 1)) % len(nodes) for m in range(1 + k % 4)]
                function, bound = VARIADIC[k % len(VARIADIC)]
                node = function(*(nodes[m] for m in chosen))
                size = bound([bounds[m] for m in chosen])
            if size > 30:
                node, size = ops.sin(node), 1.0
            if k % 7 == 0:
                node.name = f"v{n}"
            nodes.append(node)
            bounds.append(size)
        return leaves, nodes[len(leaves) :]

    def loss(self, results: Sequence[Value]) -> Value:
        return mg.sum(results[-3:])


numbers = st.integers(0, 10**6)
graphs = st.builds(
    Graph,
    leaves=st.integers(1, 6),
    choices=st.lists(st.tuples(numbers, numbers, numbers, numbers), min_size=1, max_size=50),
)


def rounding(value: Value) -> float:
    """What an ulp in each operand and in each result on the way moves a value by, to first order."""
    value.backward()
    moved, stack, seen = 0.0, [value], {value}
    while stack:
        node = stack.pop()
        if node.grad:  # an infinity that nothing takes, as in a choice, moves nothing
            moved += abs(node.grad * node.data)
        for parent in node.parents:
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return moved * ULP


def assert_near(got: float, expected: float, ulps: float, what: object) -> None:
    # Backends add in another order and differ in the last bits of elementary functions.
    tolerance = max(1e-12 * abs(expected), 50 * ulps)
    assert abs(float(got) - expected) <= tolerance, f"{what}: {float(got)!r} is not {expected!r}"


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("backend", ["python", "numpy"])
@settings(max_examples=60)
@example(graph=Graph(6, [(3, 1, 0, 81827)]), seed=0, size=1, reduce="mean")
@example(
    graph=Graph(4, [(3, 3, 254, 45083), (3, 202, 1, 401), *[(0, 0, 0, 0)] * 4, (1, 160, 1, 1004)]),
    seed=9981,
    size=1,
    reduce="mean",
)
@given(graph=graphs, seed=numbers, size=st.integers(1, 5), reduce=st.sampled_from(["mean", "sum"]))
def test_any_graph(backend: str, order: int, graph: Graph, seed: int, size: int, reduce: str) -> None:
    if order == 2:
        graph.choices = graph.choices[:12]
    rng = random.Random(seed)

    def target(leaves: Sequence[Value], results: Sequence[Value]) -> Value:
        loss = graph.loss(results)
        return loss if order == 1 else grad(loss, [leaves[seed % len(leaves)]])[0]

    examples = [[rng.uniform(-3, 3) for _ in range(graph.leaves)] for _ in range(size)]
    is_input = [rng.random() < 0.6 for _ in range(graph.leaves)]
    examples = [
        [x if each else fixed for x, fixed, each in zip(row, examples[0], is_input)] for row in examples
    ]
    leaves, results = graph.record(examples[0])
    loss = target(leaves, results)
    wrt = rng.choices(leaves, k=3) + results[:1]
    outputs = rng.choices(results, k=2)
    inputs = [leaf for leaf, each in zip(leaves, is_input) if each]
    program = mg.compile(loss, inputs, wrt, outputs=outputs, reduce=reduce, backend=backend)
    batch = [[x for x, each in zip(row, is_input) if each] for row in examples]
    prepared = program.prepare(batch)
    got, again = program(batch), program(prepared)

    # The same eagerly, one example at a time.
    at = {node: i for i, node in enumerate([*leaves, *results])}
    total, total_ulps = [0.0] * (1 + len(wrt)), [0.0] * (1 + len(wrt))
    output_ulps: list[list[float]] = []
    for row, *both in zip(examples, got.outputs, again.outputs, strict=True):
        own_leaves, own_results = graph.record(row)
        own = [*own_leaves, *own_results]
        own_loss = target(own_leaves, own_results)
        output_ulps.append([rounding(own[at[output]]) for output in outputs])
        for got_outputs in both:
            for output, number in zip(outputs, got_outputs, strict=True):
                node = own[at[output]]
                assert_near(number, node.data, rounding(node), "an output")
        own_wrt = [own[at[w]] for w in wrt]
        gradients = grad(own_loss, own_wrt)
        for node in own:
            node.grad = 0.0
        own_loss.backward()
        for w, gradient in zip(own_wrt, gradients):
            assert math.isclose(w.grad, gradient.data, rel_tol=1e-9, abs_tol=1e-9)
        expected = [own_loss.data, *(w.grad for w in own_wrt)]
        ulps = [rounding(v) for v in (own_loss, *gradients)]
        total = [a + b for a, b in zip(total, expected)]
        total_ulps = [a + b + abs(c) * ULP for a, b, c in zip(total_ulps, ulps, expected)]
    scale = 1 if reduce == "sum" else size
    for result in (got, again):
        for i, number in enumerate([result.loss, *result.gradients]):
            assert_near(number, total[i] / scale, total_ulps[i] / scale, f"the loss or gradient {i}")
    for each in (batch, prepared):
        value, of_value = program.value(each)
        assert_near(value, total[0] / scale, total_ulps[0] / scale, "the value")
        # The forward part alone may batch other rows together, and add in another order.
        for row, other, ulps in zip(of_value, got.outputs, output_ulps, strict=True):
            for number, wanted, ulp in zip(row, other, ulps, strict=True):
                assert_near(number, wanted, 2 * ulp, "an output of value")


# ── Random networks ───────────────────────────────────────────────────────────────────────────────────

ACTIVATIONS: list[Callable[[Value], Value]] = [
    *(ops.tanh, ops.sigmoid, ops.softplus, ops.sin),
    *(lambda z: z, lambda z: z * z * 0.1),
]


def random_network(rng: random.Random, inputs: Sequence[Value], parameters: Sequence[Value]) -> list[Value]:
    """Layers of dot products, whole or with gaps, of weights that may be shared, with skips and biases."""
    earlier = [*inputs]
    before = [*inputs]
    for layer in range(rng.randint(1, 4)):
        dense, shared, biased = rng.random() < 0.5, rng.random() < 0.4, rng.random() < 0.7
        pool = rng.sample(parameters, min(len(parameters), 6)) if shared else parameters
        activation = rng.choice(ACTIVATIONS)
        sources = before if dense else rng.sample(earlier, rng.randint(1, min(len(earlier), 5)))
        now = []
        for neuron in range(rng.randint(1, 5)):
            chosen = sources if rng.random() < 0.8 else rng.choices(earlier, k=rng.randint(1, 6))
            weights = rng.choices(pool, k=len(chosen))
            if rng.random() < 0.1:
                weights = [w * 0.5 + 0.25 for w in weights]  # made of parameters, before the batch
            bias = [rng.choice(parameters)] if biased or rng.random() < 0.2 else []
            z = ops.dot(*weights, *chosen, *bias)
            if rng.random() < 0.2:
                z = mg.sum([w * x for w, x in zip(weights, chosen)] + bias)
            h: Value = activation(z / (len(chosen) + 1))
            if rng.random() < 0.3:
                h = h + rng.choice(earlier)
            if rng.random() < 0.7:
                h.name = f"h{layer}{neuron}"
            now.append(h)
        earlier += now
        before = now
    results = rng.choices(earlier, k=rng.randint(1, 6))
    loss = rng.choice(
        [
            mg.sum((y - 0.5) ** 2 for y in results),
            mg.logsumexp(results) - results[0],
            mg.dot(results, reversed(results)),
            mg.half_squared_error(results, [0.25] * len(results)),
            mg.mean(results) + 0.01 * mg.sum(p * p for p in parameters),
        ]
    )
    return [loss, *results]


@pytest.mark.parametrize("backend", ["python", "numpy"])
@settings(max_examples=60)
@given(seed=st.integers(0, 10**9), size=st.integers(1, 4))
def test_any_network(backend: str, seed: int, size: int) -> None:
    rng = random.Random(seed)
    count = rng.randint(1, 5)
    batch = [[rng.uniform(-2, 2) for _ in range(count)] for _ in range(size)]
    parameters = [Value(rng.uniform(-1, 1), f"w{i}") for i in range(rng.randint(1, 30))]
    inputs = [Value(x, f"x{i}") for i, x in enumerate(batch[0])]
    loss, *outputs = random_network(random.Random(seed), inputs, parameters)
    block = rng.choice([None, 1, 2]) if backend == "numpy" else None
    wrt = [*parameters, *inputs]
    program = mg.compile(loss, inputs, wrt, outputs=outputs, backend=backend, block=block)
    got, again = program(batch), program(program.prepare(batch))

    total, ulps = [0.0] * (1 + len(parameters) + count), [0.0] * (1 + len(parameters) + count)
    for row, *both in zip(batch, got.outputs, again.outputs, strict=True):
        own = [Value(x) for x in row]
        own_loss, *own_outputs = random_network(random.Random(seed), own, parameters)
        for numbers in both:
            for number, node in zip(numbers, own_outputs, strict=True):
                assert_near(number, node.data, rounding(node), "an output")
        for i, value in enumerate([own_loss, *grad(own_loss, [*parameters, *own])]):
            total[i] += value.data / size
            ulps[i] += rounding(value) / size
    for result in (got, again):
        numbers = [result.loss, *result.gradients]
        for i, (number, expected, ulp) in enumerate(zip(numbers, total, ulps, strict=True)):
            assert_near(number, expected, ulp, f"the loss or gradient {i}")
