"""Graphs that are deep, wide, shared, or many: no recursion, no leaks, and the same bits everywhere."""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from functools import reduce
from importlib.util import find_spec

import pytest

import microgradlike as mg
from microgradlike import Value

DEEP = 100_000

# What a program in a process of its own needs. Linux hands ru_maxrss on to who is started, so a large
# pytest would hide the growth; the VmHWM of /proc is the process's own.
TOOLS = """
import gc, sys
import microgradlike as mg

def peak():  # the largest resident set so far, in bytes
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except OSError:
        import resource
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
"""


def run(program: str, **environment: str) -> list[float]:
    """The numbers that a program prints, run by a Python of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", TOOLS + program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [float(word) for word in done.stdout.split()]


# ── Deep ──────────────────────────────────────────────────────────────────────────────────────────────

# Constants are the worst case: each is a node of its own. The derivative is that of n/4 times 1 - x.
CHAIN = """
def chain(n):
    start = x = mg.Value(0.5)
    for _ in range(n // 4):
        x = x * 1.25
        x = x + 0.125
        x = x / 1.25
        x = 1.0 - x
    x.backward()
    return start.grad

chain(20_000)  # fills Python's own stores of freed objects
blocks = sys.getallocatedblocks()
"""


def test_a_million_operations_go_forward_and_backward_and_are_freed() -> None:
    gradient, left_over = run(CHAIN + "print(chain(1_000_000), sys.getallocatedblocks() - blocks)")
    assert math.isclose(gradient, 1.0, rel_tol=1e-9)
    assert left_over < 1_000


@pytest.mark.skipif(not find_spec("resource"), reason="this system does not tell a process's memory")
def test_an_operation_takes_at_most_416_bytes() -> None:
    """Of its two values each has a place for weak references, 8 bytes on this Python."""
    before, after = run(CHAIN + "print(peak()); chain(1_000_000); print(peak())")
    assert (after - before) / 1_000_000 <= 416


def deep(x: Value) -> Value:
    """DEEP operations on x, whose derivative is 1."""
    for _ in range(DEEP // 4):
        x = -((x * 2 + 1) / -2)
    return x


def test_a_deep_graph_is_differentiated_into_a_graph() -> None:
    x = Value(0.5)
    y = x
    for _ in range(DEEP // 2):
        y = (y * y).sqrt()  # = y, with derivatives that depend on y
    [dy] = mg.grad(y, [x])
    assert len(mg.topological_order(dy)) > DEEP
    assert dy.data == 1.0
    dy.backward()
    assert x.grad == 0.0


def test_a_deep_graph_in_forward_mode() -> None:
    x = Value(0.5)
    assert mg.jvp(deep(x), [x], [3.0]) == 3.0


def test_a_deep_computation_without_a_graph() -> None:
    x = Value(0.5)
    with mg.no_grad():
        y = deep(x)
    assert y.parents == ()
    assert y.data == 0.5 + DEEP // 4 * 0.5


# ── Wide, shared ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("total", [mg.sum, sum], ids=["one node", "a node for each term"])
def test_a_wide_sum(total: Callable[..., Value]) -> None:
    xs = [Value(0.5) for _ in range(200_000)]
    y = total(xs)
    y.backward()
    assert y.data == 100_000.0
    assert {x.grad for x in xs} == {1.0}


def test_paths_without_number_are_gone_through_together() -> None:
    start = x = Value(1.0)
    for _ in range(60):
        x = x + x
    assert x.parents[0] is x.parents[1]
    assert len(x.parents) == 2
    assert len(mg.topological_order(x)) == 61
    x.backward()
    assert start.grad == 2.0**60
    [gradient] = mg.grad(x, [start])
    assert gradient.data == 2.0**60
    assert mg.jvp(x, [start], [1.0]) == 2.0**60


def test_paths_are_counted_exactly_however_many_digits_there_are() -> None:
    steps = 15_000  # 2^15000 paths, a number that Python would not print
    x = w = Value(0.5, "w")
    for _ in range(steps):
        x = x + mg.relu(-x)  # on one of two ways is a factor 0
    why = mg.explain(x, w, limit=1)
    assert why.count == 2**steps
    assert why.zeros == 2**steps - 1
    assert why.omitted == 2**steps - 1
    assert (why.gradient, why.omitted_sum) == (1.0, 0.0)
    assert "∂L/∂w = 1 (about 10⁴⁵¹⁵ paths)" in str(why)
    assert "10^{4515}" in why._repr_latex_()


def test_fibonaccis_paths() -> None:
    a, b = first, second = Value(0.5), Value(0.5)
    fibonacci = [0, 1]  # how many paths lead to the first: through two values at a time, never through one
    for _ in range(2000):
        a, b = b, (a + b) / 2
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    assert mg.explain(b, first, limit=0).count == fibonacci[-2]
    assert mg.explain(b, second, limit=0).count == fibonacci[-1]


def receipts(y: Value, x: Value) -> str:
    y.backward(receipts=True)
    return str(mg.receipts(x))


#: What is written or drawn of a graph, and how many letters are enough for one of any size.
WRITTEN: dict[str, tuple[Callable[[Value, Value], str], int]] = {
    "formula": (lambda y, _: mg.formula(y), 6_000),
    "LaTeX": (lambda y, _: mg.formula(y, latex=True), 60_000),
    "draw": (lambda y, _: mg.draw(y).source, 10_000),
    "draw, values": (lambda y, _: mg.draw(y, detail="values").source, 10_000),
    "ripple": (lambda y, x: str(mg.ripple(y, x, 0.5)), 5_000),
    "explain": (lambda y, x: str(mg.explain(y, x, limit=2)), 10_000),
    "step": (lambda y, _: str(mg.steps(y)[-1]), 10_000),
    "receipts": (receipts, 10_000),
}

GRAPHS: dict[str, Callable[[Value], Value]] = {
    "deep": lambda x: reduce(lambda y, _: y * 0.5 - 1, range(3000), x),
    "wide": lambda x: mg.sum([x, *(Value(0.5, f"x{i}") for i in range(6000))]),
    "shared": lambda x: reduce(lambda y, _: y * y + y, range(1000), x),
    "a leaf used by all": lambda x: mg.sum(x * 0.5 for _ in range(6000)),
}


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS.keys())
@pytest.mark.parametrize(("write", "letters"), WRITTEN.values(), ids=WRITTEN.keys())
def test_what_is_written_of_a_large_graph_is_short(
    write: Callable[[Value, Value], str], letters: int, graph: Callable[[Value], Value]
) -> None:
    x = Value(-0.25, "x")
    assert len(write(graph(x), x)) < letters


# ── Many ──────────────────────────────────────────────────────────────────────────────────────────────


def test_training_without_the_garbage_collector_takes_no_more_memory() -> None:
    *growth, unreachable = run("""
X, T = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
network = mg.MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
optimizer = mg.SGD(network.parameters(), lr=1.0, momentum=0.5)

def train(steps):
    for _ in range(steps):
        optimizer.zero_grad()
        mg.half_squared_error([network(x) for x in X], T).backward()
        optimizer.step()
    return sys.getallocatedblocks(), len(gc.get_objects()), peak()

gc.collect()
gc.disable()
before = train(3000)  # by then Python's own stores of freed objects are full
after = train(1000)
print(*(b - a for a, b in zip(before, after)), gc.collect())
""")
    blocks, objects, memory = growth  # a step makes some hundred objects
    assert blocks < 500
    assert objects < 500
    assert memory < 4_000_000
    assert unreachable == 0


def test_no_reading_of_a_graph_leaves_a_reference_cycle() -> None:
    [unreachable] = run("""
def readings():
    x, w = mg.Value(0.5, name="x"), mg.Value(2.0, name="w")
    y = mg.softmax([x * w, (x**2).tanh(), mg.maximum(x, 3), 1 - w])[0] + mg.dot([x, w], [w, 1.0])
    y.backward()
    y.propagate()
    [dy] = mg.grad(y, [x])
    dy.backward()
    mg.hessian(y, [x, w]), mg.jacobian([y, dy], [x, w]), mg.jvp(y, [x], [1.0]), y.detach(), repr(y)
    with mg.no_grad():
        x * w

readings()  # the first call may fill caches
gc.collect()
gc.disable()
readings()
print(gc.collect())
""")
    assert unreachable == 0


# ── The same bits ─────────────────────────────────────────────────────────────────────────────────────


def test_the_same_seed_gives_the_same_bits_in_every_process() -> None:
    program = """
import hashlib, struct
network = mg.MLP(3, [8, 8, 2], activation="tanh", seed=7)
losses = [mg.cross_entropy(network([i / 7, -i / 3, 1 / (i + 1)]), i % 2) for i in range(5)]
loss = mg.mean(losses) + 0.01 * sum(p * p for p in network.parameters())
loss.backward()
numbers = [loss.data, *(p.grad for p in network.parameters())]
digest = hashlib.sha256(struct.pack(f"{len(numbers)}d", *numbers)).hexdigest()
print(len(set(numbers)), *(int(digest[i : i + 8], 16) for i in range(0, 64, 8)))
"""
    results = [run(program, PYTHONHASHSEED=str(seed)) for seed in range(10)]
    assert results[0][0] > 100  # that many different numbers, so there is something to mix up
    assert results == [results[0]] * 10
