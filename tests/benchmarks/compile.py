"""The speed of compiled graphs beside hand-written numpy, five libraries and C, all measured in one run.

    pip install -e ".[compile,native,bench]"
    python tests/benchmarks/compile.py            # --task A, B, C or another; --quick; --cores 1

A: loss and gradient of the mean squared error of MLP(2, [16, 16, 1]).
B: a full-batch step (loss, gradient, update) of MLP(64, [32, 10]), cross-entropy, on scikit-learn's digits.
C: an epoch of the 2-2-1 sigmoid network on XOR, update included.
activations: A, with tanh and with sigmoid in the place of relu.
untuned: MLP(3, [24, 24, 24, 2]) with silu, cross-entropy: a network for which nothing was tuned.
threads: how much faster two threads of native code are than one; needs two cores.
first: seconds from the call of compile to the first gradient by native code, in fresh processes.
lowering: seconds and memory that it takes to compile graphs of many sizes, each in a process of its own.
digits: training to held-out accuracy, compilation included.

All numbers are 64-bit. Each peer computes from the same parameters, and may lay out its data as it likes
before the clock runs; where the size of a block matters, the fastest of several is kept. Before anything
is timed, the loss, every gradient, and the loss of a second step, which shows that the update was made,
are compared with hand-written numpy's. Peers take turns, round by round, and a ratio is that of one
round, so what slows the machine for a while slows all. "ours" is the first line; other backends of ours
have tables of ratios of their own, below. Threads are each library's own choice; hand-written
C has one. Where others use the machine, too, threads that wait for each other make the times of numpy
and torch meaningless: --cores 1 is for that. Then the clock is that of the process, which stands still
while others run. A peer that is not installed is left out, and a line says so.
"""

import argparse
import ctypes
import importlib.metadata
import json
import math
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from gc import collect, freeze
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from engine import micrograd as micrograd_engine

import microgradlike as mg

#: One step of a peer, which gives the loss and the gradients in the peer's own form.
Step: TypeAlias = Callable[[], tuple[float, Any]]


@dataclass(frozen=True)
class Task:
    """A network, a loss, and data; the loss is the mean over the examples."""

    name: str
    sizes: tuple[int, ...]
    loss: str  # "squares": (y − t)²; "half squares": ½(y − t)²; "cross-entropy", where t is a class
    X: Any  # a row for each example
    t: Any
    rate: float = 0.0  # of learning; 0: there is no update
    hidden: str = "relu"  # the activation of all layers but the last: "relu", "sigmoid", "tanh", "silu"
    output: str = ""  # that of the last layer: none, or "sigmoid"

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Of each layer's weights, with the bias as their last column."""
        return [(m, n + 1) for n, m in zip(self.sizes, self.sizes[1:])]

    @property
    def activations(self) -> list[str]:
        """Of each layer."""
        return [self.hidden] * (len(self.sizes) - 2) + [self.output]

    def parameters(self) -> list[Any]:
        """Of each layer a matrix [W b]; a fresh copy, the same in every process."""
        rng = np.random.default_rng(0)
        return [rng.uniform(-1, 1, shape) / math.sqrt(shape[1] / 3) for shape in self.shapes]

    @property
    def targets(self) -> Any:
        """A row of targets for each example: the number, or 1 for the class and 0 for the others."""
        return np.eye(self.sizes[-1])[self.t] if self.loss == "cross-entropy" else self.t[:, None]


@dataclass(frozen=True)
class Peer:
    name: str
    step: Step
    flat: Callable[[Any], Any] = np.asarray  # gradients as one vector: neuron by neuron, weights and bias
    examples: int = 0  # of the first so many examples only
    note: str = ""


def vector(matrices: Sequence[Any]) -> Any:
    return np.concatenate([np.asarray(matrix).ravel() for matrix in matrices])


# ── Ours ──────────────────────────────────────────────────────────────────────────────────────────────


def ours(task: Task, backend: str = "numpy", name: str = "", **options: Any) -> Iterator[list[Peer]]:
    loss, inputs, parameters = recorded(task)
    program = mg.compile(loss, inputs, parameters, backend=backend, **options)
    # Prepared, as the peers have the examples in columns, or on their devices, before the clock runs.
    batch = program.prepare(np.column_stack([task.X, task.t]))
    theta = np.array([p.data for p in parameters])

    def step() -> tuple[float, Any]:
        loss, gradients = program(batch)
        if task.rate:
            for p, gradient in zip(parameters, gradients):
                p.data -= task.rate * gradient
        return loss, gradients

    def array_step() -> tuple[float, Any]:  # the parameters in an array, as those of all the peers are
        nonlocal theta
        loss, gradients = program(batch, theta)
        if task.rate:
            theta = theta - task.rate * gradients
        return loss, gradients

    if backend != "python":
        step = array_step
    note = f"blocks of {program._whole.block:,}" if backend == "numpy" and len(task.X) > 100 else ""
    yield [Peer(f"microgradlike, {name or backend}", step, note=note)]


def recorded(task: Task) -> tuple[Callable[[Any, Any], Any], list[Any], list[Any]]:
    """What is compiled: the loss of one example, such an example, and the parameters."""
    output = task.output or "linear"
    model = mg.MLP(task.sizes[0], task.sizes[1:], activation=task.hidden, output_activation=output)
    parameters = model.parameters()
    for p, number in zip(parameters, vector(task.parameters()).tolist(), strict=True):
        p.data = number
    losses: dict[str, Callable[[Any, Any], Any]] = {
        "squares": lambda x, t: (model(x) - t) ** 2,
        "half squares": lambda x, t: mg.half_squared_error(model(x), t),
        "cross-entropy": lambda x, t: mg.cross_entropy(model(x), t),
    }
    return losses[task.loss], [[0.0] * task.sizes[0], 0.0], parameters


def ours_python(task: Task) -> Iterator[list[Peer]]:
    yield from ours(task, "python")


def ours_llvm(task: Task) -> Iterator[list[Peer]]:
    yield from ours(task, "llvm")


def ours_llvm_alone(task: Task) -> Iterator[list[Peer]]:
    yield from ours(task, "llvm", "llvm, 1 thread", threads=1)


def ours_llvm_pair(task: Task) -> Iterator[list[Peer]]:
    yield from ours(task, "llvm", "llvm, 2 threads", threads=2)


def ours_jax(task: Task) -> Iterator[list[Peer]]:
    """What a user's own JAX code would make of `jax_function`; the arrays are on the device already."""
    import jax as library
    import jax.numpy as jnp

    library.config.update("jax_enable_x64", True)
    loss, inputs, parameters = recorded(task)
    program = mg.compile(loss, inputs, parameters, backend="jax", dtype="float64")
    batch = jnp.asarray(np.column_stack([task.X, task.t]))
    theta = jnp.asarray([p.data for p in parameters])

    def update(theta: Any, batch: Any) -> Any:
        number, gradients = program.jax_function(theta, batch)
        return number, gradients, theta - task.rate * gradients

    plain, moving = library.jit(program.jax_function), library.jit(update)
    state = [theta]

    def step() -> tuple[float, Any]:
        if task.rate:
            number, gradients, state[0] = moving(state[0], batch)
        else:
            number, gradients = plain(theta, batch)
        return float(number), library.block_until_ready(gradients)

    note = f"blocks of {program._whole.block:,}" if len(task.X) > program._whole.block else ""
    yield [Peer("microgradlike, jax", step, note=note)]


# ── Hand-written numpy ────────────────────────────────────────────────────────────────────────────────


def softmax(z: Any) -> Any:
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0)


def activate(name: str, z: Any) -> tuple[Any, Any]:
    """The activation, and what its derivative is made from."""
    if name == "sigmoid":
        h = 1 / (1 + np.exp(-z))
    elif name == "tanh":
        h = np.tanh(z)
    elif name == "silu":
        s = 1 / (1 + np.exp(-z))
        h = z * s
        return h, (h, s)
    else:
        h = np.maximum(z, 0) if name == "relu" else z
    return h, h


def chain(name: str, d: Any, kept: Any) -> Any:
    """The derivative by z, from that by the activation."""
    if name == "sigmoid":
        return d * kept * (1 - kept)
    if name == "tanh":
        return d * (1 - kept * kept)
    if name == "silu":
        h, s = kept
        return d * (s + h * (1 - s))
    return d * (kept > 0) if name == "relu" else d


def numpy_plain(task: Task) -> Iterator[list[Peer]]:
    """As the formulas of a textbook are written; a column for each example."""
    yield [plain(task, len(task.X), "numpy, plain")]


def numpy_blocked(task: Task) -> Iterator[list[Peer]]:
    """The same, block after block."""
    yield [plain(task, block, "numpy, blocked", f"blocks of {block:,}") for block in blocks_of(task)]


def plain(task: Task, block: int, name: str, note: str = "") -> Peer:
    layers, n = task.parameters(), len(task.X)
    weights = [(np.ascontiguousarray(A[:, :-1]), np.ascontiguousarray(A[:, -1:])) for A in layers]
    X, T = np.ascontiguousarray(task.X.T), np.ascontiguousarray(task.targets.T)

    def gradient(X: Any, T: Any) -> tuple[float, Any]:
        """Of the sum, over n."""
        H, kept = [X], []
        for (W, b), activation in zip(weights, task.activations):
            h, k = activate(activation, W @ H[-1] + b)
            H.append(h)
            kept.append(k)
        Y = H.pop()
        if task.loss == "cross-entropy":
            P = softmax(Y)
            loss, D = -np.log((P * T).sum(axis=0)).sum() / n, (P - T) / n
        elif task.loss == "squares":
            loss, D = ((Y - T) ** 2).sum() / n, 2 * (Y - T) / n
        else:
            loss, D = 0.5 * ((Y - T) ** 2).sum() / n, (Y - T) / n
        gradients = []
        for i in range(len(weights) - 1, -1, -1):
            D = chain(task.activations[i], D, kept[i])
            gradients.append((D @ H[i].T, D.sum(axis=1, keepdims=True)))
            if i:
                D = weights[i][0].T @ D
        gradients.reverse()
        return float(loss), gradients

    def step() -> tuple[float, Any]:
        loss, gradients = gradient(X[:, :block], T[:, :block])
        for start in range(block, n, block):
            more, others = gradient(X[:, start : start + block], T[:, start : start + block])
            loss += more
            gradients = [(dW + dV, db + dc) for (dW, db), (dV, dc) in zip(gradients, others)]
        if task.rate:
            for pair, derivatives in zip(weights, gradients):
                for p, derivative in zip(pair, derivatives):
                    np.subtract(p, task.rate * derivative, out=p)
        return loss, gradients

    return Peer(name, step, lambda gradients: vector([np.hstack(pair) for pair in gradients]), note=note)


def numpy_tuned(task: Task) -> Iterator[list[Peer]]:
    """Blocks that stay in the cache, nothing allocated; the bias as its own term, or as a row of ones.

    For relu only.
    """
    yield [
        Peer("numpy, tuned", make(task, block), vector, note=f"blocks of {block:,}, {kind}")
        for kind, make in (("W H + b", blocked_with_bias), ("[W b] [H; 1]", blocked_with_ones))
        for block in blocks_of(task)
    ]


BY_HAND = numpy_plain, numpy_blocked, numpy_tuned


def blocks_of(task: Task) -> list[int]:
    """How many examples a block may have."""
    n = len(task.X)
    some = 256, 450, 512, 900, 1024, 1536, 2048, 2500, 3072, 3400, 4096, 5000, 8192, 16384
    blocks = [b for b in some if b < n and (b >= 1024 or n < 2000)]
    return [*blocks, n] if n < 20_000 else blocks


def blocked_with_bias(task: Task, block: int) -> Step:
    layers, n = task.parameters(), len(task.X)
    X, T = np.ascontiguousarray(task.X.T), np.ascontiguousarray(task.targets.T)
    buffers = [np.empty((m, block)) for m in task.sizes[1:]]
    deltas = [np.empty((m, block)) for m in task.sizes[1:]]
    masks = [np.empty((m, block), bool) for m in task.sizes[1:]]
    zeros = np.zeros((max(task.sizes), block))
    last = len(layers) - 1

    def step() -> tuple[float, Any]:
        weights = [(np.ascontiguousarray(A[:, :-1]), np.ascontiguousarray(A[:, -1:])) for A in layers]
        gradients = [np.zeros_like(A) for A in layers]
        loss = 0.0
        for start in range(0, n, block):
            x, t = X[:, start : start + block], T[:, start : start + block]
            w = x.shape[1]
            H = [x]
            for i, (W, b) in enumerate(weights):
                h = np.matmul(W, H[-1], out=buffers[i][:, :w])
                h += b
                if i < last:
                    np.maximum(h, zeros[: len(h), :w], out=h)
                H.append(h)
            part, d = delta(task, H.pop(), t)
            loss += part
            for i in range(last, -1, -1):
                gradients[i][:, :-1] += d @ H[i].T
                gradients[i][:, -1] += d.sum(axis=1)
                if i:
                    before = deltas[i - 1][:, :w]
                    W = weights[i][0]
                    d = np.multiply(W.T, d, out=before) if len(W) == 1 else np.matmul(W.T, d, out=before)
                    d *= np.greater(H[i], 0, out=masks[i - 1][:, :w])
        return finish(task, layers, loss, gradients)

    return step


def blocked_with_ones(task: Task, block: int) -> Step:
    layers, n = task.parameters(), len(task.X)
    X, T = np.vstack([task.X.T, np.ones(n)]), np.ascontiguousarray(task.targets.T)
    buffers = [np.ones((m + 1, block)) for m in task.sizes[1:]]
    deltas = [np.empty((m, block)) for m in task.sizes[1:]]
    masks = [np.empty((m, block), bool) for m in task.sizes[1:]]
    zeros = np.zeros((max(task.sizes), block))
    last = len(layers) - 1

    def step() -> tuple[float, Any]:
        back = [np.ascontiguousarray(A[:, :-1].T) for A in layers]
        gradients = [np.zeros_like(A) for A in layers]
        loss = 0.0
        for start in range(0, n, block):
            x, t = X[:, start : start + block], T[:, start : start + block]
            w = x.shape[1]
            H = [x]
            for i, A in enumerate(layers):
                h = np.matmul(A, H[-1], out=buffers[i][:-1, :w])
                if i < last:
                    np.maximum(h, zeros[: len(h), :w], out=h)
                H.append(buffers[i][:, :w])
            part, d = delta(task, H.pop()[:-1], t)
            loss += part
            for i in range(last, -1, -1):
                gradients[i] += d @ H[i].T
                if i:
                    before, W = deltas[i - 1][:, :w], back[i]
                    d = np.multiply(W, d, out=before) if len(d) == 1 else np.matmul(W, d, out=before)
                    d *= np.greater(H[i][:-1], 0, out=masks[i - 1][:, :w])
        return finish(task, layers, loss, gradients)

    return step


def delta(task: Task, y: Any, t: Any) -> tuple[float, Any]:
    """The sum of the losses of a block, and its derivative by the outputs, up to a factor; y is used up."""
    if task.loss == "squares":
        y -= t
        return float(np.vdot(y, y)), y
    y -= y.max(axis=0)
    loss = -np.vdot(y, t)
    np.exp(y, out=y)
    total = y.sum(axis=0)
    y /= total
    y -= t
    return float(loss + np.log(total).sum()), y


def finish(task: Task, layers: list[Any], loss: float, gradients: list[Any]) -> tuple[float, Any]:
    n = len(task.X)
    for A, gradient in zip(layers, gradients):
        np.multiply(gradient, (2 if task.loss == "squares" else 1) / n, out=gradient)
        if task.rate:
            np.subtract(A, task.rate * gradient, out=A)
    return loss / n, gradients


# ── Libraries ─────────────────────────────────────────────────────────────────────────────────────────


def micrograd(task: Task) -> Iterator[list[Peer]]:
    if task.output == "sigmoid":
        for sigmoid in ("composed", "one node"):
            yield [micrograd_peer(task, f"micrograd, σ {sigmoid}", sigmoid, len(task.X))]
    else:
        # Of many examples each takes longer: the collector has more to go through.
        yield [micrograd_peer(task, "micrograd", "composed", min(10, len(task.X)))]


def micrograd_peer(task: Task, name: str, sigmoid: str, examples: int) -> Peer:
    engine = micrograd_engine(sigmoid)
    model = engine.sigmoid_network() if task.output else engine.MLP(task.sizes[0], list(task.sizes[1:]))
    parameters = model.parameters()
    for p, number in zip(parameters, vector(task.parameters()).tolist(), strict=True):
        p.data = number
    X, t = task.X[:examples].tolist(), task.t[:examples].tolist()

    def step() -> tuple[float, Any]:
        ys = list(map(model, X))
        loss = sum((y - ti) ** 2 for y, ti in zip(ys, t)) / len(t)
        if task.loss == "half squares":
            loss = loss * 0.5
        model.zero_grad()
        loss.backward()
        if task.rate:
            for p in parameters:
                p.data -= task.rate * p.grad
        return loss.data, parameters

    partly = examples if examples < len(task.X) else 0
    return Peer(name, step, lambda ps: np.array([p.grad for p in ps]), partly)


def node_by_node(
    task: Task, w: Sequence[Any], x: Sequence[Any], t: Sequence[Any], library: Any, maximum: Any
) -> Any:
    """The loss of one example in the scalars of ddx or of casadi."""
    i = 0
    for (m, n), activation in zip(task.shapes, task.activations):
        outputs = []
        for _ in range(m):
            z = w[i + n - 1]
            for j in range(n - 1):
                z = z + w[i + j] * x[j]
            i += n
            if activation == "sigmoid":
                z = 1 / (1 + library.exp(-z))
            elif activation == "relu":
                z = maximum(z, 0.0)
            outputs.append(z)
        x = outputs
    if task.loss == "cross-entropy":
        total, right = library.exp(x[0]), t[0] * x[0]
        for z, ti in zip(x[1:], t[1:]):
            total, right = total + library.exp(z), right + ti * z
        return library.log(total) - right
    return (x[0] - t[0]) ** 2 * (0.5 if task.loss == "half squares" else 1.0)


def ddx(task: Task) -> Iterator[list[Peer]]:
    import ddx as library

    start = vector(task.parameters())
    size, n = len(start), len(task.X)
    X, T = task.X.T, task.targets.T

    @library.equation  # type: ignore[untyped-decorator,unused-ignore]
    def equation() -> Any:
        w = [library.var(f"w{i}") for i in range(size)]
        x = [library.param(f"x{i}") for i in range(len(X))]
        t = [library.param(f"t{i}") for i in range(len(T))]
        return node_by_node(task, w, x, t, library, library.max)

    began = time.perf_counter()
    equation.compile(points=min(64, n), cache_dir="")
    compiled = time.perf_counter() - began

    def peer(block: int) -> Peer:
        w = start.copy()
        data = np.ascontiguousarray(np.vstack([X, T]))
        calls = {}
        for width in {block, n % block} - {0}:
            points = np.empty((size + len(data), width))
            points[:size], points[size:] = w[:, None], data[:, :width]
            calls[width] = equation.buffer(points), np.ones(width)

        def step() -> tuple[float, Any]:
            loss, gradient = 0.0, np.zeros(size)
            if task.rate:
                for call, _ in calls.values():
                    call.x[:size] = w[:, None]
            for i in range(0, n, block):
                call, ones = calls[min(block, n - i)]
                call.x[size:] = data[:, i : i + block]
                call()
                loss += call.value.sum()
                gradient += call.jacobian @ ones
            gradient /= n
            if task.rate:
                np.subtract(w, task.rate * gradient, out=w)
            return loss / n, gradient

        return Peer("ddx-ad, jit", step, note=f"blocks of {block}, {compiled:.1f} s to compile")

    # A block has all the parameters once for each of its examples, so small ones are the faster ones.
    yield [peer(block) for block in (16, 64, 256) if block <= n] or [peer(n)]


def casadi(task: Task) -> Iterator[list[Peer]]:
    import casadi as library

    start = vector(task.parameters())
    n = len(task.X)
    X, T = np.asfortranarray(task.X.T), np.asfortranarray(task.targets.T)
    w, x, t = (library.SX.sym(name, len(rows)) for name, rows in (("w", start), ("x", X), ("t", T)))
    ws, xs, ts = ([symbol[i] for i in range(symbol.shape[0])] for symbol in (w, x, t))
    loss = node_by_node(task, ws, xs, ts, library, library.fmax)
    began = time.perf_counter()
    jit: dict[str, Any] = {
        "jit": True,
        "compiler": "shell",
        "jit_options": {"flags": ["-O3", "-march=native"], "cleanup": False},
        "jit_cleanup": False,
    }
    with tempfile.TemporaryDirectory() as folder:  # where it puts its C
        here = Path.cwd()
        os.chdir(folder)
        try:
            one = library.Function("f", [w, x, t], [loss, library.gradient(loss, w)], jit)
        finally:
            os.chdir(here)
    compiled = time.perf_counter() - began

    def peer(block: int) -> Peer:
        at = start.copy()
        function = one.map("m", "serial", block, [0], [0, 1])
        batches = [(X[:, i : i + block], T[:, i : i + block]) for i in range(0, n, block)]

        def step() -> tuple[float, Any]:
            loss, gradient = 0.0, np.zeros(len(at))
            for x, t in batches:
                part, more = function(at, x, t)
                loss += float(part)
                gradient += more.full().ravel()
            gradient /= n
            if task.rate:
                np.subtract(at, task.rate * gradient, out=at)
            return loss / n, gradient

        note = f"blocks of {block:,}, {compiled:.1f} s to compile"
        return Peer("casadi, map, C jit", step, note=note)

    yield [peer(block) for block in (100, 250, 599, 1000, 1797) if n % block == 0] or [peer(n)]


def torch(task: Task) -> Iterator[list[Peer]]:
    import torch as library

    functions = library.nn.functional
    layers = task.parameters()
    weights = [(library.tensor(A[:, :-1].copy()), library.tensor(A[:, -1].copy())) for A in layers]
    flat = [tensor.requires_grad_() for pair in weights for tensor in pair]
    X, t = library.tensor(task.X), library.tensor(task.t)

    def step() -> tuple[float, Any]:
        h = X
        for (W, b), activation in zip(weights, task.activations):
            h = functions.linear(h, W, b)
            if activation:
                h = getattr(library, activation)(h)
        if task.loss == "cross-entropy":
            loss = functions.cross_entropy(h, t)
        else:
            loss = functions.mse_loss(h[:, 0], t) * (0.5 if task.loss == "half squares" else 1.0)
        gradients = library.autograd.grad(loss, flat)
        if task.rate:
            with library.no_grad():
                for p, gradient in zip(flat, gradients):
                    p.sub_(gradient, alpha=task.rate)
        return loss.item(), gradients

    def vector_of(gradients: Any) -> Any:
        pairs = zip(gradients[::2], gradients[1::2])
        return vector([np.column_stack([dW.numpy(), db.numpy()]) for dW, db in pairs])

    yield [Peer("torch", step, vector_of, note=f"{library.get_num_threads()} threads")]


def jax(task: Task) -> Iterator[list[Peer]]:
    import jax as library
    import jax.numpy as jnp

    library.config.update("jax_enable_x64", True)
    X, t = jnp.asarray(task.X), jnp.asarray(task.t)
    parameters = [(jnp.asarray(A[:, :-1]), jnp.asarray(A[:, -1])) for A in task.parameters()]

    def example(weights: Any, x: Any, t: Any) -> Any:
        for (W, b), activation in zip(weights, task.activations):
            x = W @ x + b
            if activation:
                x = getattr(library.nn, activation)(x)
        if task.loss == "cross-entropy":
            return -library.nn.log_softmax(x)[t]
        return (x[0] - t) ** 2 * (0.5 if task.loss == "half squares" else 1.0)

    def loss(weights: Any, X: Any, t: Any) -> Any:
        return library.vmap(example, (None, 0, 0))(weights, X, t).mean()

    def update(weights: Any, X: Any, t: Any) -> Any:
        number, gradients = library.value_and_grad(loss)(weights, X, t)
        moved = library.tree.map(lambda p, g: p - task.rate * g, weights, gradients)
        return number, gradients, moved

    plain, moving = library.jit(library.value_and_grad(loss)), library.jit(update)
    state = [parameters]

    def step() -> tuple[float, Any]:
        if task.rate:
            number, gradients, state[0] = moving(state[0], X, t)
        else:
            number, gradients = plain(parameters, X, t)
        return float(number), library.block_until_ready(gradients)

    yield [Peer("jax, vmap + jit", step, lambda g: vector([np.column_stack(pair) for pair in g]))]


# ── Hand-written C ────────────────────────────────────────────────────────────────────────────────────

#: `real` is a double, or as many of them as there are lanes: then as many examples go side by side.
C_HEAD = """
#include <math.h>
#include <string.h>
#define N {lanes}
#if N == 1
typedef double real;
#define AT(v, i) (v)
static inline real relu(real z) {{ return z > 0 ? z : 0; }}
static inline real if_positive(real z, real d) {{ return z > 0 ? d : 0; }}
#else
typedef double real __attribute__((vector_size(8 * N)));
typedef long mask __attribute__((vector_size(8 * N)));
#define AT(v, i) (v)[i]
static inline real relu(real z) {{ return (real)((mask)z & (z > 0)); }}
static inline real if_positive(real z, real d) {{ return (real)((mask)d & (z > 0)); }}
#endif
static inline real each_sigmoid(real z) {{
    for (int i = 0; i < N; i++) AT(z, i) = 1 / (1 + exp(-AT(z, i)));
    return z;
}}
static inline real each_tanh(real z) {{
    for (int i = 0; i < N; i++) AT(z, i) = tanh(AT(z, i));
    return z;
}}
/* p: the parameters; g: their gradients; X: the examples; T: a target each. */
double step(double *p, double *g, const real *X, const double *T, long n, double rate) {{
    static real G[{size}];
    double loss = 0;
    memset(G, 0, sizeof G);
    for (long e = 0; e < n; e += N) {{
        const int some = n - e < N ? n - e : N;
        const real *h0 = X + e / N * {inputs};
"""

C_FORWARD = """
        real h{l}[{m}], s{l}[{m}];
        for (int j = 0; j < {m}; j++) {{
            real z = h{k}[0] * p[{at} + j * {n1}];
            for (int i = 1; i < {n}; i++) z += h{k}[i] * p[{at} + j * {n1} + i];
            z += p[{at} + j * {n1} + {n}];
            {activation};
        }}
"""

#: Of an activation: what it is, and the derivative by z from that by h.
C_ACTIVATIONS = {
    "": ("h{l}[j] = z", ""),
    "relu": ("h{l}[j] = relu(z)", "if_positive(h{k}[i], d{k}[i])"),
    "sigmoid": ("h{l}[j] = each_sigmoid(z)", "d{k}[i] * h{k}[i] * (1 - h{k}[i])"),
    "tanh": ("h{l}[j] = each_tanh(z)", "d{k}[i] * (1 - h{k}[i] * h{k}[i])"),
    "silu": (
        "s{l}[j] = each_sigmoid(z); h{l}[j] = z * s{l}[j]",
        "d{k}[i] * (s{k}[i] + h{k}[i] * (1 - s{k}[i]))",
    ),
}

C_LOSS = {
    "squares": """
        real d{l}[1];
        for (int i = 0; i < N; i++) {{
            double r = i < some ? AT(h{l}[0], i) - T[e + i] : 0;
            loss += r * r;
            AT(d{l}[0], i) = 2 * r;
        }}
""",
    "half squares": """
        real d{l}[1];
        for (int i = 0; i < N; i++) {{
            double y = AT(h{l}[0], i), r = i < some ? y - T[e + i] : 0;
            loss += 0.5 * r * r;
            AT(d{l}[0], i) = r * y * (1 - y);
        }}
""",
    "cross-entropy": """
        real d{l}[{m}];
        for (int i = 0; i < N; i++) {{
            double most = AT(h{l}[0], i), total = 0;
            for (int j = 1; j < {m}; j++) if (AT(h{l}[j], i) > most) most = AT(h{l}[j], i);
            for (int j = 0; j < {m}; j++) total += AT(d{l}[j], i) = exp(AT(h{l}[j], i) - most);
            if (i < some) loss += log(total) + most - AT(h{l}[(int)T[e + i]], i);
            for (int j = 0; j < {m}; j++) AT(d{l}[j], i) *= i < some ? 1 / total : 0;
            if (i < some) AT(d{l}[(int)T[e + i]], i) -= 1;
        }}
""",
}

C_BACKWARD = """
        real d{k}[{n}];
        for (int i = 0; i < {n}; i++) d{k}[i] = d{l}[0] * p[{at} + i];
        for (int j = 1; j < {m}; j++)
            for (int i = 0; i < {n}; i++) d{k}[i] += d{l}[j] * p[{at} + j * {n1} + i];
        for (int i = 0; i < {n}; i++) d{k}[i] = {derivative};
"""

C_GRADIENT = """
        for (int j = 0; j < {m}; j++) {{
            for (int i = 0; i < {n}; i++) G[{at} + j * {n1} + i] += d{l}[j] * h{k}[i];
            G[{at} + j * {n1} + {n}] += d{l}[j];
        }}
"""

C_END = """
    }}
    for (int k = 0; k < {size}; k++) {{
        double total = 0;
        for (int i = 0; i < N; i++) total += AT(G[k], i);
        g[k] = total / n;
        p[k] -= rate * g[k];
    }}
    return loss / n;
}}
"""


def c_source(task: Task, lanes: int) -> str:
    size = sum(m * n for m, n in task.shapes)
    texts = [C_HEAD.format(lanes=lanes, size=size, inputs=task.sizes[0])]
    places, at = [], 0
    for l, (m, n1) in enumerate(task.shapes, 1):
        places.append({"l": l, "k": l - 1, "m": m, "n": n1 - 1, "n1": n1, "at": at})
        at += m * n1
    for place, activation in zip(places, task.activations):
        forward = C_ACTIVATIONS[activation][0].format(**place)
        texts.append(C_FORWARD.format(**place, activation=forward))
    texts.append(C_LOSS[task.loss].format(**places[-1]))
    for place in reversed(places):
        texts.append(C_GRADIENT.format(**place))
        if place["k"]:
            derivative = C_ACTIVATIONS[task.hidden][1].format(**place)
            texts.append(C_BACKWARD.format(**place, derivative=derivative))
    return "".join(texts) + C_END.format(size=size)


def c_code(task: Task) -> Iterator[list[Peer]]:
    if not shutil.which("gcc"):
        raise ModuleNotFoundError("gcc")
    yield [c_peer(task, 1)]
    if len(task.X) > 100:
        yield [c_peer(task, lanes) for lanes in (8, 16, 32)]


def c_peer(task: Task, lanes: int) -> Peer:
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "step.c"), Path(folder, "step.so")
        source.write_text(c_source(task, lanes))
        flags = ["-O3", "-march=native", "-shared", "-fPIC", "-Wno-psabi"]
        subprocess.run(["gcc", *flags, "-o", library, source, "-lm"], check=True)
        function = ctypes.CDLL(str(library)).step
    function.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_long, ctypes.c_double]
    function.restype = ctypes.c_double
    n = len(task.X)
    width, blocks = task.sizes[0], -(-n // lanes)
    whole = np.zeros(blocks * lanes * width + 32)  # vectors stand at multiples of their size
    first = -(whole.ctypes.data // 8) % lanes
    X = whole[first : first + blocks * lanes * width]
    padded = np.zeros((blocks * lanes, width))
    padded[:n] = task.X
    X[:] = padded.reshape(blocks, lanes, width).transpose(0, 2, 1).ravel()
    T = np.asarray(task.t, np.float64)
    p = vector(task.parameters())
    g = np.empty_like(p)

    arrays = (p, g, X, T)
    pointers = [array.ctypes.data for array in arrays]

    def step() -> tuple[float, Any]:
        return function(*pointers, n, task.rate), arrays[1]

    if lanes > 1:
        return Peer("C, examples in lanes", step, np.array, note=f"{lanes} lanes")
    return Peer("C, straightforward", step, np.array)


# ── Measuring ─────────────────────────────────────────────────────────────────────────────────────────


def seconds(step: Step, steps: int) -> float:
    """Of one of several steps in a row; one before them is not timed."""
    clock = time.process_time if cores() == 1 else time.perf_counter
    collect()
    step()
    start = clock()
    for _ in range(steps):
        step()
    return (clock() - start) / steps


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check(task: Task, peer: Peer) -> None:
    """Take two steps, and stop if they are not those of hand-written numpy."""
    if peer.examples:
        task = replace(task, X=task.X[: peer.examples], t=task.t[: peer.examples])
    [[reference]] = numpy_plain(task)
    results = []
    for each in (peer, reference):
        loss, gradients = each.step()
        results.append([loss, *each.flat(gradients).tolist(), each.step()[0]])
    for a, b in zip(*results, strict=True):
        if not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9):
            raise SystemExit(f"task {task.name}: {peer.name} gives {a!r}, hand-written numpy {b!r}")


def fastest(candidates: Sequence[Peer], rounds: int) -> Peer:
    if len(candidates) == 1:
        return candidates[0]
    times = [[seconds(peer.step, 1) for peer in candidates] for _ in range(rounds)]
    medians = [statistics.median(column) for column in zip(*times)]
    return candidates[medians.index(min(medians))]


def peers_of(task: Task, makers: Sequence[Callable[[Task], Iterator[list[Peer]]]]) -> Iterator[Peer]:
    for make in makers:
        try:
            for candidates in make(task):
                for peer in candidates:
                    check(task, peer)
                yield fastest(candidates, 3 if len(task.X) > 100_000 else 9)
        except ModuleNotFoundError as error:
            print(f"{make.__name__} is left out: {error.name or error} is not installed")


def short(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"


def ratio_of(ratios: Sequence[float], target: float) -> str:
    """The median and the range, and the target, unless it is 0."""
    ratio = statistics.median(ratios)
    text = f"{short(ratio):>13} ×  {f'{short(min(ratios))} to {short(max(ratios))}':20}"
    return text + (f"{target:g}" + " MISSED" * (ratio < target) if target else "")


def measure(
    task: Task,
    makers: Sequence[Callable[[Task], Iterator[list[Peer]]]],
    unit: str,
    scale: Callable[[float], float],
    targets: Mapping[str, float],
    rounds: int,
    others: Mapping[str, Mapping[str, float]] | None = None,
) -> dict[tuple[str, str], float]:
    """A line for each peer, the first of which is ours; `scale` makes numbers of a unit from seconds.

    `others` are more of ours: for each, the peers that its ratios are shown for, with their targets, or 0.
    These ratios are returned.
    """
    peers = list(peers_of(task, makers))
    collect()
    freeze()  # nobody's collector goes through what the others have loaded
    n = len(task.X)
    # As many steps as take a twentieth of a second; a step over fewer examples counts as if over all.
    steps = [max(1, round(0.05 / seconds(peer.step, 1))) for peer in peers]
    times = [
        [seconds(peer.step, k) * n / (peer.examples or n) for peer, k in zip(peers, steps)]
        for _ in range(rounds)
    ]
    columns = {peer.name: column for peer, column in zip(peers, zip(*times))}

    def ratios(own: str, other: str) -> list[float]:
        return [b / a for a, b in zip(columns[own], columns[other])]

    print(f"{unit:30}{'median':>9}  {'range':22}{'ours is faster':>15}  {'range':20}target")
    for peer in peers:
        numbers = sorted(map(scale, columns[peer.name]))
        median = statistics.median(numbers)
        line = f"{peer.name:30}{short(median):>9}  {f'{short(numbers[0])} to {short(numbers[-1])}':22}"
        if peer is not peers[0]:
            line += ratio_of(ratios(peers[0].name, peer.name), targets.get(peer.name, 0))
        note = f"{peer.examples} examples" if peer.examples else peer.note
        print(f"{line:110}  {note}".rstrip(), flush=True)
    results = {}
    for own, wanted in (others or {}).items():
        shown = [name for name in wanted if own in columns and name in columns]
        if shown:
            print(f"{own:63}{'is faster':>13}    {'range':20}target")
        for name in shown:
            print(f"  than {name:56}{ratio_of(ratios(own, name), wanted[name])}".rstrip(), flush=True)
            results[own, name] = statistics.median(ratios(own, name))
    return results


# ── The tasks ─────────────────────────────────────────────────────────────────────────────────────────


def network_a(n: int, hidden: str = "relu") -> Task:
    rng = np.random.default_rng(1)
    X = rng.uniform(-1, 1, (n, 2))
    name = "A" if hidden == "relu" else f"A with {hidden}"
    return Task(name, (2, 16, 16, 1), "squares", X, np.sin(3 * X[:, 0]) * X[:, 1], hidden=hidden)


def millions(task: Task) -> Callable[[float], float]:
    return lambda s: len(task.X) / s / 1e6


#: Peers that ratios are shown for, with a target or 0.
LLVM, LLVM_ALONE, JAX = (f"microgradlike, {name}" for name in ("llvm", "llvm, 1 thread", "jax"))
PLAIN, BLOCKED, TUNED = "numpy, plain", "numpy, blocked", "numpy, tuned"
TORCH, XLA = "torch", "jax, vmap + jit"
DDX, CASADI, C, LANES = "ddx-ad, jit", "casadi, map, C jit", "C, straightforward", "C, examples in lanes"


def task_a(quick: bool) -> None:
    makers = [ours, ours_llvm, ours_jax, *BY_HAND, micrograd, ddx, casadi, torch, jax, c_code]
    alone = LLVM
    if cores() > 1:  # C has one thread, so it is compared with one of ours
        makers.insert(2, ours_llvm_alone)
        alone = LLVM_ALONE
    for n in (10_000,) if quick else (10_000, 1_000_000):
        print(f"\nA: MLP(2, [16, 16, 1]), loss and gradient over {n:,} examples")
        task = network_a(n)
        targets = {BLOCKED: 1.0, TUNED: 1.0, "micrograd": 1000.0, DDX: 2.0, CASADI: 2.0}
        targets |= {TORCH: 1.0, XLA: 1.0} if n > 10_000 else {}
        llvm = dict.fromkeys((PLAIN, TUNED, DDX, CASADI, TORCH), 0.0)
        others = {LLVM: llvm | {XLA: 3.0 if n == 10_000 else 6.0}}
        others.setdefault(alone, {})[LANES] = 1.0
        others[JAX] = {XLA: 1.0}
        rounds = 3 if quick else 15 if n == 10_000 else 7
        measure(task, makers, "million examples a second", millions(task), targets, rounds, others)


def task_b(quick: bool) -> None:
    print("\nB: MLP(64, [32, 10]), a full-batch step on 1,797 digits")
    X, t = digits()
    task = Task("B", (64, 32, 10), "cross-entropy", X, t, rate=0.5)
    makers = [ours, ours_llvm, ours_jax, *BY_HAND, ddx, casadi, torch, jax, c_code]
    others = {LLVM: dict.fromkeys((PLAIN, TUNED, DDX, CASADI, TORCH, XLA), 0.0), JAX: {XLA: 1.0}}
    rounds = 3 if quick else 15
    measure(task, makers, "milliseconds", lambda s: s * 1e3, {BLOCKED: 1.0, TUNED: 1.0}, rounds, others)


def task_c(quick: bool) -> None:
    print("\nC: the 2-2-1 sigmoid network, an epoch of XOR")
    X, t = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0.0, 1.0, 1.0, 0.0])
    task = Task("C", (2, 2, 1), "half squares", X, t, rate=0.5, hidden="sigmoid", output="sigmoid")
    makers = [ours_python, ours, ours_llvm, numpy_plain, micrograd, ddx, casadi, torch, jax, c_code]
    targets, others = {"micrograd, σ composed": 15.0}, {LLVM: {DDX: 1.0, CASADI: 1.0, XLA: 0.0, C: 0.0}}
    measure(task, makers, "microseconds", lambda s: s * 1e6, targets, 3 if quick else 15, others)


def activations(quick: bool) -> None:
    makers, unit = [ours, ours_llvm, numpy_plain, jax, c_code], "million examples a second"
    for hidden in ("tanh", "sigmoid"):
        print(f"\nactivations: A with {hidden} in place of relu, over 10,000 examples")
        task = network_a(10_000, hidden)
        others = {LLVM: {PLAIN: 0.0, XLA: 1.5, LANES: 0.0}}
        measure(task, makers, unit, millions(task), {}, 3 if quick else 15, others)


def untuned(quick: bool) -> None:
    """The targets are three quarters of A's."""
    makers, unit = [ours, ours_llvm, numpy_plain, jax, c_code], "million examples a second"
    rounds = 3 if quick else 15
    print("\nuntuned: A over 10,000 examples, for its ratios")
    task, shown = network_a(10_000), ("microgradlike, numpy", PLAIN, XLA, LANES)
    measure(task, makers, unit, millions(task), {}, rounds, {LLVM: dict.fromkeys(shown, 0.0)})
    print("\nuntuned: MLP(3, [24, 24, 24, 2]) with silu, cross-entropy, over 10,000 examples")
    X = np.random.default_rng(1).uniform(-1, 1, (10_000, 3))
    t = (np.sin(3 * X[:, 0]) * X[:, 1] > X[:, 2]).astype(int)
    task = Task("untuned", (3, 24, 24, 24, 2), "cross-entropy", X, t, hidden="silu")
    targets = dict.fromkeys(shown, 0.0) | {XLA: 0.75 * 3.0, LANES: 0.75 * 1.0}
    measure(task, makers, unit, millions(task), {}, rounds, {LLVM: targets})


def two_threads(quick: bool) -> None:
    if cores() < 2:
        print("\nthreads: left out, since this process may use one core only")
        return
    makers, unit = [ours_llvm_pair, ours_llvm_alone], "million examples a second"
    for hidden in ("relu", "tanh"):
        print(f"\nthreads: A with {hidden} over 1,000,000 examples, by the clock on the wall")
        task = network_a(1_000_000, hidden)
        measure(task, makers, unit, millions(task), {LLVM_ALONE: 1.6}, 3 if quick else 15)


def digits() -> tuple[Any, Any]:
    from sklearn.datasets import load_digits

    X, t = load_digits(return_X_y=True)
    return X / 16, t


# ── Lowering ──────────────────────────────────────────────────────────────────────────────────────────

#: A case may take so many seconds, from the start of its process on, and so many bytes.
LIMIT, MEMORY = 600, 8 << 30


def lowering(quick: bool) -> None:
    cases = [f"mlp {sizes}" for sizes in ("2-16-16-1", "64-32-10", "64-128-128-10")]
    exponents = range(3, 5) if quick else range(3, 7)
    cases += [f"{kind} {10**e}" for kind in ("layers", "random", "chain") for e in exponents]
    targets = {"mlp 2-16-16-1": 0.05, "mlp 64-128-128-10": 3.0}
    print(
        f'\nlowering: compile(…, backend="numpy"), gradient included; limit {LIMIT} s, {MEMORY >> 30} GiB'
    )
    head = f"{'':22}{'recorded':>10}{'computed':>11}{'lines':>11}{'seconds':>10}{'µs each':>9}"
    print(f"{head}{'MiB before':>12}{'at peak':>9}{'first call':>12}  target")
    for case in cases:
        rounds = 5 if case in targets else 1
        results = [apart("--lower", case) for _ in range(rounds)]
        failed = [result for result in results if isinstance(result, str)]
        if failed:
            print(f"{case:22}{failed[0]}", flush=True)
            continue
        result = sorted(results, key=lambda result: result["seconds"])[rounds // 2]  # type: ignore[index]
        target = targets.get(case)
        assert isinstance(result, dict)
        line = f"{case:22}{result['recorded']:10,}{result['computed']:11,}{result['lines']:11,}"
        line += f"{result['seconds']:10.4g}{result['seconds'] / result['computed'] * 1e6:9.1f}"
        line += f"{result['before']:12,.0f}{result['peak']:9,.0f}{result['call']:10.4g} s"
        line += f"  {target:g}" if target else ""
        print(line + " MISSED" * bool(target and result["seconds"] > target), flush=True)


def apart(option: str, case: str) -> dict[str, Any] | str:
    """What this file prints as JSON in a process of its own, or why there is none."""
    command = [sys.executable, __file__, option, case]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return f"more than {LIMIT} s"
    if done.returncode:
        return f"failed: {(done.stderr.strip().splitlines() or [f'status {done.returncode}'])[-1]:.90}"
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def lower(case: str) -> None:
    """Compile one graph, here, and print what it took as JSON."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    kind, _, size = case.partition(" ")
    if kind == "mlp":
        n, *layers = map(int, size.split("-"))
        model = mg.MLP(n, layers)
        loss = (lambda x, t: mg.cross_entropy(model(x), t)) if n > 2 else (lambda x, t: (model(x) - t) ** 2)
        example = [[0.0] * n, 0.0]
        recorded = len(mg.topological_order(loss([mg.Value(0.0) for _ in range(n)], mg.Value(0.0))))
        before = memory()
        took, program = timed(lambda: mg.compile(loss, example, model.parameters(), backend="numpy"))
        inputs = n + 1
    else:
        value, leaves, wrt = {"layers": layers_graph, "random": random_graph, "chain": chain_graph}[kind](
            int(size)
        )
        recorded = len(mg.topological_order(value))
        before = memory()
        took, program = timed(lambda: mg.compile(value, leaves, wrt, backend="numpy"))
        inputs = len(leaves)
    peak = memory()
    call, _ = timed(lambda: program(np.zeros((100, inputs))))
    lines = program._whole.lines
    print(
        json.dumps(
            {
                "recorded": recorded,
                "computed": sum(line.nodes for line in lines),
                "lines": len(lines),
                "seconds": took,
                "before": before,
                "peak": peak,
                "call": call,
            }
        )
    )


def memory() -> float:
    """The most that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    collect()
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def layers_graph(n: int) -> tuple[Any, list[Any], list[Any]]:
    """A network k-k-k of relu neurons in which each × and each + is an operation of its own."""
    rng, k = random.Random(0), round(math.sqrt(n / 4))
    inputs = h = [mg.Value(0.0) for _ in range(k)]
    parameters = []
    for _ in range(2):
        outputs = []
        for _ in range(k):
            w, b = [mg.Value(rng.gauss(0, 1)) for _ in range(k)], mg.Value(0.0)
            z = b
            for wi, hi in zip(w, h):
                z = z + wi * hi
            outputs.append(mg.relu(z))
            parameters += [*w, b]
        h = outputs
    return mg.mean(h), inputs, parameters


def random_graph(n: int) -> tuple[Any, list[Any], list[Any]]:
    """Operations on any two earlier results, in no order at all; all are needed."""
    rng = random.Random(0)
    inputs, parameters = ([mg.Value(rng.uniform(-1, 1)) for _ in range(8)] for _ in range(2))
    values, used = [*inputs, *parameters], set()
    for _ in range(n // 2):
        i, j = rng.randrange(len(values)), rng.randrange(len(values))
        a, b = values[i], values[j]
        c = (a + b, a * b, a - b)[rng.randrange(3)]
        used |= {i, j}
        values.append((mg.sin, mg.tanh, mg.sigmoid)[rng.randrange(3)](c))
    return mg.mean([v for i, v in enumerate(values) if i not in used]), inputs, parameters


def chain_graph(n: int) -> tuple[Any, list[Any], list[Any]]:
    """× and + in turn, each on the result of the one before."""
    x, w, b = mg.Value(1.5), mg.Value(0.999), mg.Value(0.001)
    y = x
    for _ in range(n // 2):
        y = y * w
        y = y + b
    return y, [x], [w, b]


# ── The first gradient ────────────────────────────────────────────────────────────────────────────────

#: What is imported before the clock runs; numpy always is, and our backend's own file never.
BEFORE = {"llvmlite": "llvmlite imported before", "nothing": "the import of llvmlite included"}


def first(quick: bool) -> None:
    print("\nfirst: seconds from the call of compile to the first gradient of A by llvm, 10,000 examples")
    print(f"{'in a process of its own':34}{'median':>9}  {'range':22}target")
    for before, words in BEFORE.items():
        results = [apart("--first", before) for _ in range(3 if quick else 15)]
        numbers = sorted(result["seconds"] for result in results if isinstance(result, dict))
        failed = [result for result in results if isinstance(result, str)]
        if failed:
            print(f"{words:34}{failed[0]}", flush=True)
            continue
        median = statistics.median(numbers)
        line = f"{words:34}{short(median):>9}  {f'{short(numbers[0])} to {short(numbers[-1])}':22}"
        line += ("0.5" + " MISSED" * (median > 0.5)) if before == "llvmlite" else ""
        print(line.rstrip(), flush=True)


def first_gradient(before: str) -> None:
    """Compile and call once, here, and print the seconds that it took as JSON."""
    if before == "llvmlite":
        import llvmlite.binding  # noqa: F401
    task = network_a(10_000)
    loss, inputs, parameters = recorded(task)
    batch = np.column_stack([task.X, task.t])
    took, result = timed(lambda: mg.compile(loss, inputs, parameters, backend="llvm")(batch))
    check(task, Peer("microgradlike, llvm", lambda: result))
    print(json.dumps({"seconds": took}))


# ── Training ──────────────────────────────────────────────────────────────────────────────────────────


def train_digits(quick: bool) -> None:
    from sklearn.model_selection import train_test_split

    X, t = digits()
    split = train_test_split(X, t, test_size=0.25, stratify=t, random_state=0)
    X_train, X_test, t_train, t_test = split
    train, test = np.column_stack([X_train, t_train]), np.column_stack([X_test, t_test])
    print("\ndigits: MLP(64, [32, 10]) of Values, batches of 32, 20 epochs, SGD with momentum 0.9")
    for seed in range(1 if quick else 3):
        start = time.perf_counter()
        model = mg.MLP(64, [32, 10], seed=seed)
        parameters = model.parameters()

        def loss(x: Any, t: Any, model: mg.MLP = model) -> Any:
            logits = model(x)
            return mg.cross_entropy(logits, t), logits

        program = mg.compile(loss, [[0.0] * 64, 0.0], parameters, backend="numpy")
        compiled = time.perf_counter() - start
        optimizer = mg.SGD(parameters, lr=0.05, momentum=0.9)
        rng = np.random.default_rng(seed)
        for _ in range(20):
            order = rng.permutation(len(train))
            for i in range(0, len(order), 32):
                result = program(train[order[i : i + 32]])
                for p, gradient in zip(parameters, result.gradients.tolist()):
                    p.grad = gradient
                optimizer.step()
        took = time.perf_counter() - start
        right = np.mean(program.value(test)[1].argmax(axis=1) == t_test)
        missed = " MISSED" * bool(right < 0.95 or took > 10)
        print(f"seed {seed}: {right:.1%} of {len(test)} held-out digits (target 95%), ", end="")
        print(f"{took:.2f} s (target 10), of which {compiled:.2f} s are compilation{missed}", flush=True)


# ──────────────────────────────────────────────────────────────────────────────────────────────────────


def machine() -> None:
    cpu = platform.processor()
    if Path("/proc/cpuinfo").exists():
        models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
        cpu = models[0].partition(": ")[2] if models else cpu
    used = f"{cores()} of {os.cpu_count()} cores{', the clock that of the process' * (cores() == 1)}"
    print(f"{platform.machine()}, {cpu}, {used}, load {os.getloadavg()[0]:.1f}")
    print(f"{platform.python_implementation()} {platform.python_version()}, microgradlike {mg.__version__}")
    versions = []
    for name in ("numpy", "llvmlite", "micrograd", "ddx-ad", "casadi", "torch", "jax", "scikit-learn"):
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{name} is not installed")
    if gcc := shutil.which("gcc"):
        said = subprocess.run([gcc, "--version"], capture_output=True, text=True, check=True).stdout
        versions.append(said.splitlines()[0])
    print(", ".join(versions))


TASKS: dict[str, Callable[[bool], None]] = {
    "A": task_a,
    "B": task_b,
    "C": task_c,
    "activations": activations,
    "untuned": untuned,
    "threads": two_threads,
    "first": first,
    "lowering": lowering,
    "digits": train_digits,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--task", choices=TASKS, action="append", help="only this one; may be repeated")
    parser.add_argument("--quick", action="store_true", help="three rounds, and small sizes only")
    parser.add_argument("--cores", type=int, help="run on so many cores only, where the system allows that")
    parser.add_argument("--lower", help=argparse.SUPPRESS)
    parser.add_argument("--first", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.lower:
        lower(options.lower)
        return
    if options.first:
        first_gradient(options.first)
        return
    if options.cores and options.cores < cores():
        # Libraries count the cores when they are imported: begin anew.
        os.sched_setaffinity(0, [*os.sched_getaffinity(0)][: options.cores])
        os.execv(sys.executable, [sys.executable, *sys.argv])
    machine()
    for name in options.task or TASKS:
        try:
            TASKS[name](options.quick)
        except ModuleNotFoundError as error:
            print(f"task {name} is left out: {error.name} is not installed")


if __name__ == "__main__":
    main()
