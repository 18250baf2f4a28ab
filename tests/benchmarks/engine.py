"""The engine's speed beside micrograd's, both measured in one run.

    pip install -e ".[bench]"
    python tests/benchmarks/engine.py

Each task is one piece of source code that both engines run, from the same numbers; before it is timed,
loss and gradients of the two are compared. The engines take turns, round by round, and a ratio is that
of one round, so what slows the machine for a while slows both.

Python's cycle collector stays on for both. Closures, of which micrograd's graphs are made, form cycles
that only the collector can free, and what that costs is part of a step. Between the rounds everything
is collected with no clock running, so neither engine pays for the other's garbage.
"""

import math
import os
import platform
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from gc import collect
from importlib.metadata import version
from typing import Any, TypeAlias

import microgradlike as mg

#: One step of a task, which gives the loss, and the leaves whose gradients it leaves behind.
Task: TypeAlias = tuple[Callable[[], float], Sequence[Any]]


@dataclass(frozen=True)
class Engine:
    """What a task needs of an engine."""

    name: str
    Value: Any
    MLP: Any
    sigmoid_network: Callable[[], Any]  # 2-2-1
    loss: Callable[[list[Any], list[float]], Any]  # the mean of ½(y − t)²


def ours() -> Engine:
    def sigmoid_network() -> mg.MLP:
        return mg.MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")

    def loss(ys: list[Any], ts: list[float]) -> mg.Value:
        return mg.half_squared_error(ys, ts) / len(ys)

    return Engine("microgradlike", mg.Value, mg.MLP, sigmoid_network, loss)


def micrograd(sigmoid: str) -> Engine:
    """micrograd has no sigmoid, so its user adds one: composed of an exp, or as one operation."""
    from micrograd.engine import Value
    from micrograd.nn import MLP, Module, Neuron

    def exp(a: Any) -> Any:
        out = Value(math.exp(a.data), (a,), "exp")

        def _backward() -> None:
            a.grad += out.data * out.grad

        out._backward = _backward
        return out

    def one_node(a: Any) -> Any:
        out = Value(1 / (1 + math.exp(-a.data)), (a,), "sigmoid")

        def _backward() -> None:
            a.grad += out.data * (1 - out.data) * out.grad

        out._backward = _backward
        return out

    sigma = {"composed": lambda a: 1 / (1 + exp(-a)), "one node": one_node}[sigmoid]

    class Network(Module):  # type: ignore[misc]  # micrograd has no types
        def __init__(self) -> None:
            self.hidden, self.output = [Neuron(2, nonlin=False) for _ in range(2)], Neuron(2, nonlin=False)

        def __call__(self, x: list[float]) -> Any:
            return sigma(self.output([sigma(neuron(x)) for neuron in self.hidden]))

        def parameters(self) -> list[Any]:
            return [p for neuron in (*self.hidden, self.output) for p in neuron.parameters()]

    def loss(ys: list[Any], ts: list[float]) -> Any:
        return sum((y - t) ** 2 for y, t in zip(ys, ts)) * (0.5 / len(ys))

    return Engine("micrograd", Value, MLP, Network, loss)


# ── The tasks ─────────────────────────────────────────────────────────────────────────────────────────


def moons_step(engine: Engine) -> Task:
    """A step of micrograd's demo: MLP(2, [16, 16, 1]), 100 points, hinge loss, L2 regularisation."""
    Value, (X, y) = engine.Value, moons(100)
    model = seeded(engine.MLP(2, [16, 16, 1]))

    def step() -> float:
        inputs = [list(map(Value, row)) for row in X]
        scores = list(map(model, inputs))
        losses = [(1 + -yi * scorei).relu() for yi, scorei in zip(y, scores)]
        data_loss = sum(losses) * (1.0 / len(losses))
        reg_loss = 1e-4 * sum(p * p for p in model.parameters())
        return update(model, data_loss + reg_loss, learning_rate=0.05)

    return step, model.parameters()


def xor_epoch(engine: Engine) -> Task:
    """A full-batch epoch of a 2-2-1 sigmoid network, the loss the mean of ½(y − t)²."""
    model, loss = seeded(engine.sigmoid_network()), engine.loss
    X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0.0, 1.0, 1.0, 0.0]

    def step() -> float:
        return update(model, loss([model(x) for x in X], y), learning_rate=0.5)

    return step, model.parameters()


def chain(engine: Engine) -> Task:
    """A chain of 10,000 elementary operations, × and + in turn, forward and backward."""
    leaves = start, w, b = engine.Value(1.5), engine.Value(0.999), engine.Value(0.001)

    def step() -> float:
        for leaf in leaves:
            leaf.grad = 0.0
        x = start
        for _ in range(5_000):
            x = x * w
            x = x + b
        x.backward()
        return float(x.data)

    return step, leaves


def update(model: Any, loss: Any, learning_rate: float) -> float:
    model.zero_grad()
    loss.backward()
    for p in model.parameters():
        p.data -= learning_rate * p.grad
    return float(loss.data)


def seeded(model: Any) -> Any:
    rng = random.Random(0)
    for p in model.parameters():
        p.data = rng.uniform(-1, 1)
    return model


def moons(n: int) -> tuple[list[list[float]], list[int]]:
    """Two interleaved half circles, with noise; the labels are −1 and 1."""
    rng, X, y = random.Random(0), [], []
    for i in range(n):
        angle, upper = math.pi * rng.random(), i % 2 == 0
        a, b = math.cos(angle), math.sin(angle)
        a, b = (a, b) if upper else (1 - a, 0.5 - b)
        X.append([a + rng.gauss(0, 0.1), b + rng.gauss(0, 0.1)])
        y.append(1 if upper else -1)
    return X, y


# ── Measuring ─────────────────────────────────────────────────────────────────────────────────────────


def compare(tasks: Sequence[Task]) -> None:
    """Take one step in both engines, and stop if they do not agree on loss and gradients."""
    (loss, gradients), (expected_loss, expected_gradients) = (
        (step(), [float(leaf.grad) for leaf in leaves]) for step, leaves in tasks
    )
    for a, b in zip([loss, *gradients], [expected_loss, *expected_gradients], strict=True):
        if not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9):
            raise SystemExit(f"the engines differ: {a!r} and {b!r}")


def seconds(task: Task, steps: int) -> float:
    """Of one of several steps in a row, long enough for the collector to get into its stride."""
    step, _ = task
    collect()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - start) / steps


def measure() -> None:
    print(f"{'':28}{'micrograd':>12}{'microgradlike':>15}  {'times as fast':25}target")
    for name, task, sigmoid, rounds, steps, unit, scale, target in (
        ("moons step", moons_step, "composed", 7, 10, "ms", 1e3, "40"),
        ("XOR epoch, σ composed", xor_epoch, "composed", 15, 500, "µs", 1e6, "8"),
        ("XOR epoch, σ one node", xor_epoch, "one node", 15, 500, "µs", 1e6, ""),
        ("chain, each operation", chain, "composed", 15, 10, "µs", 1e6 / 10_000, "3.3"),
    ):
        tasks = [task(engine) for engine in (ours(), micrograd(sigmoid))]
        compare(tasks)
        times = [[seconds(task, steps) for task in tasks] for _ in range(rounds)]
        mine, theirs = (scale * statistics.median(column) for column in zip(*times))
        ratios = [b / a for a, b in times]
        ratio = f"{statistics.median(ratios):.1f}  ({min(ratios):.1f} to {max(ratios):.1f})"
        print(f"{name:28}{theirs:9.5g} {unit}{mine:12.4g} {unit}  {ratio:25}{target}", flush=True)


def main() -> None:
    try:
        theirs = version("micrograd")
    except ModuleNotFoundError:
        raise SystemExit('micrograd is not installed: pip install -e ".[bench]"') from None
    print(
        f"microgradlike {mg.__version__}, micrograd {theirs}, {platform.python_implementation()}", end=" "
    )
    print(
        f"{platform.python_version()}, {platform.machine()} {platform.processor()}, {os.cpu_count()} cores"
    )
    # micrograd's backward pass calls itself once for each operation of a chain; ours does not.
    sys.setrecursionlimit(1_000_000)
    threading.stack_size(512 * 1024 * 1024)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(measure).result()


if __name__ == "__main__":
    main()
