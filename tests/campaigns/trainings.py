"""Random trainings: does each way to compute gradients train what plain Value-by-Value code trains?

    python tests/campaigns/trainings.py             # 300 trainings; --count 30; --seed 7; --verbose

Each training is made anew for `compile=False`, "auto", "python", "numpy" and "llvm", from the same seeds,
and run. With "auto" the parameters, the losses, the task and the predictions must be those of
`compile=False` to 1e-9, or the same error must be raised; where it went Value by Value, a note and a line
of the log must say so. A backend that is insisted on may refuse, but must not train something else.
Accuracy and predictions are compared with counting by hand. The table says how many trainings differed.
"""

# ruff: noqa: E731, PLW0108  # a lambda around a loss is what users write, and is told from the loss
import argparse
import contextlib
import copy
import functools
import io
import itertools
import json
import logging
import math
import operator
import pickle
import random
import statistics
import struct
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import microgradlike as mg
from microgradlike.stop import Rule

BACKENDS = ("auto", "python", "numpy", "llvm")
TOLERANCE = 1e-9


# ── Numbers that leave the graph ──────────────────────────────────────────────────────────────────────

#: Ways by which user's code gets at the number of a Value, or of a plain number.
LEAKS: dict[str, Callable[[Any], Any]] = {
    "data": lambda v: v.data if isinstance(v, mg.Value) else v,
    "attrgetter": lambda v: operator.attrgetter("data")(v) if hasattr(v, "data") else v,
    "getattr": lambda v: getattr(v, "data", v),
    "float": float,
    "comparison": lambda v: 1.0 if v > 0.1 else 0.4,
    "bool": lambda v: 1.0 if v else 0.4,
    "max": lambda v: max(v, 0.1),
    "sorted": lambda v: sorted([v, 0.1, 0.3])[1],
    "f-string": lambda v: float(f"{v:.12f}"),
    "percent": lambda v: float("%.12f" % v),  # noqa: UP031
    "str": lambda v: 0.1 * (len(str(v)) % 5),
    "repr": lambda v: 0.1 * (len(repr(v)) % 5),
    "math": math.atan,
    "math.floor": math.floor,
    "isfinite": lambda v: 0.1 * math.isfinite(v) * (math.copysign(1, v) > 0),
    "fsum": lambda v: math.fsum([v, 0.1]),
    "hypot": lambda v: math.hypot(v, 1.0),
    "fmean": lambda v: statistics.fmean([float(v), 1.0]),
    "int": lambda v: 0.1 * int(10 * v),
    "round": lambda v: round(v, 1),
    "complex": lambda v: abs(complex(v)),
    "numpy scalar": np.float64,
    "numpy array": lambda v: np.asarray([v], dtype=float).sum(),
    "numpy sign": lambda v: np.sign(float(v)),
    "numpy comparison": lambda v: 1.0 if np.all(np.array([v], dtype=object) > 0.1) else 0.4,
    "pickle": lambda v: getattr(pickle.loads(pickle.dumps(v)), "data", v),
    "copy": lambda v: getattr(copy.copy(v), "data", v),
    "deepcopy": lambda v: getattr(copy.deepcopy(v), "data", v),
    "json": lambda v: json.loads(json.dumps([float(v)]))[0],
    "struct": lambda v: struct.unpack("d", struct.pack("d", float(v)))[0],
    "print": lambda v: _printed(v),
    "detach": lambda v: v.detach() if isinstance(v, mg.Value) else v,
    "no_grad": lambda v: _without_graph(v),
    "constructor": lambda v: mg.Value(v),
}
#: The same for targets and inputs, which are plain numbers in a plain run.
ENTRY_LEAKS: dict[str, Callable[[Any], Any]] = {
    "==": lambda t: 1.0 if t == 1 else 0.3,
    "!=": lambda t: 1.0 if t != 1 else 0.3,
    "in": lambda t: 1.0 if t in (1, 2) else 0.3,
    "in set": lambda t: 1.0 if t in {1, 2} else 0.3,
    "dict": lambda t: {1: 1.0}.get(t, 0.3),
    "hash": lambda t: 0.3 * (hash(t) % 3),
    "list.index": lambda t: 0.3 * ([t, 1].index(1) + 1),
    "list.count": lambda t: 0.3 * [1, 1.5].count(t),
    "isinstance int": lambda t: 1.0 if isinstance(t, int) and t else 0.3,
    "isinstance float": lambda t: 1.0 if isinstance(t, float) else 0.3,
    "isinstance Value": lambda t: 1.0 if isinstance(t, mg.Value) else 0.3,
    "type": lambda t: 1.0 if type(t) in (int, float) else 0.3,
    "hasattr": lambda t: 0.3 if hasattr(t, "data") else 1.0,
    "match": lambda t: _matched(t),
    "cache": lambda t: _from_cache(t),
    "bit_length": lambda t: 0.3 * (1 + int(t).bit_length()),
    "is_integer": lambda t: 1.0 if float(t).is_integer() else 0.3,
    "modulo": lambda t: 0.3 + t % 2,
    "floordiv": lambda t: 0.3 + t // 1,
}


def _printed(v: Any) -> float:
    text = io.StringIO()
    print(v, file=text)
    return 0.1 * (len(text.getvalue()) % 5)


def _without_graph(v: Any) -> Any:
    with mg.no_grad():
        return v * 1.0


def _matched(t: Any) -> float:
    match t:
        case 1 | 1.0:
            return 1.0
        case int():
            return 0.6
    return 0.3


@functools.cache
def _by_cache(t: Any) -> float:
    return 0.3 + 0.1 * float(t)


def _from_cache(t: Any) -> float:
    return float(_by_cache(t))


# ── Random numbers ────────────────────────────────────────────────────────────────────────────────────

_global_rng = random.Random(5)


class _Congruential:
    """A generator of someone's own: no class that anyone knows, with its state in an attribute."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def random(self) -> float:
        self.state = (1103515245 * self.state + 12345) % 2**31
        return self.state / 2**31


class _Mine(random.Random):
    """A subclass of Python's."""


def generators(kind: str, seed: int) -> Callable[[], float]:
    """A function that gives random numbers, with its state in one of many places."""
    if kind == "random":
        random.seed(seed)
        return random.random
    if kind == "gauss":
        random.seed(seed)
        return lambda: abs(random.gauss(0.5, 0.3)) % 1
    if kind == "choice":
        random.seed(seed)
        return lambda: random.choice([0.01, 0.2, 0.9])
    if kind == "numpy global":
        np.random.seed(seed)
        return lambda: float(np.random.random())
    if kind == "numpy generator":
        return np.random.default_rng(seed).random
    if kind == "numpy RandomState":
        return np.random.RandomState(seed).random_sample
    if kind == "private closure":
        rng = random.Random(seed)
        return lambda: rng.random()
    if kind == "private subclass":
        return _Mine(seed).random
    if kind == "private global":
        _global_rng.seed(seed)
        return lambda: _global_rng.random()
    if kind == "own list":
        state = [seed]

        def draw() -> float:
            state[0] = (1103515245 * state[0] + 12345) % 2**31
            return state[0] / 2**31

        return draw
    if kind == "own nonlocal":
        number = seed

        def draw_nonlocal() -> float:
            nonlocal number
            number = (1103515245 * number + 12345) % 2**31
            return number / 2**31

        return draw_nonlocal
    assert kind == "own object"
    return _Congruential(seed).random


GENERATORS = (
    "random", "gauss", "choice", "numpy global", "numpy generator", "numpy RandomState", "private closure",
    "private subclass", "private global", "own list", "own nonlocal", "own object",
)  # fmt: skip


# ── Models, rules, optimisers of a user's own ─────────────────────────────────────────────────────────


class Wrapped(mg.nn.Module):
    """A network, and what someone does to its inputs and its outputs."""

    def __init__(self, net: mg.MLP, before: Any = None, after: Any = None) -> None:
        self.net, self.before, self.after = net, before, after
        self.gain = mg.Value(0.9, "gain")

    def __call__(self, x: Any) -> Any:
        if self.before:
            x = [self.before(number) for number in x]
        y = self.net(x)
        y = [v * self.gain for v in y] if isinstance(y, list) else y * self.gain
        if self.after:
            y = [self.after(v) for v in y] if isinstance(y, list) else self.after(y)
        return y


class Cell:
    """A weight that others change."""

    def __init__(self) -> None:
        self.weight = 1.0
        self.items = [1.0]


class Slow(mg.SGD):
    """A custom optimiser with a state in a dict, which ends in a smooth sign."""

    def __init__(self, parameters: Any, lr: float, cell: Cell | None = None, every: int = 1) -> None:
        super().__init__(parameters, lr)
        self.memory: dict[int, float] = {}
        self.cell, self.every = cell, every

    def update(self, i: int, parameter: Any) -> None:
        self.memory[i] = 0.5 * self.memory.get(i, 0.0) + 0.5 * parameter.grad
        parameter.data -= self.lr * self.memory[i] / (abs(self.memory[i]) + 0.1)

    def step(self) -> None:
        super().step()
        if self.cell and self.steps % self.every == 0:
            self.cell.weight = 1.5 if self.cell.weight == 1.0 else 1.0


class Turn(Rule):
    """A rule of a user's own: it has a state, and changes a weight."""

    def __init__(self, cell: Cell, at: int) -> None:
        self.cell, self.at, self.seen = cell, at, 0

    def __call__(self, history: Any) -> str:
        self.seen += 1
        if self.seen == self.at:
            self.cell.weight = 2.0
        return "it is enough" if self.seen > 3 * self.at else ""


# ── Cases ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Case:
    """A training, made for one run."""

    model: Any
    rows: list[list[float]]
    targets: list[Any]  # as the user gives them
    labels: list[Any]  # what predictions are to be; empty for numbers
    threshold: float | None
    options: dict[str, Any]
    parts: list[str] = field(default_factory=list)
    after: Callable[[], Any] = lambda: None  # what else is to agree


CLASSES: dict[str, list[Any]] = {
    "words": ["no", "yes"],
    "ints": [0, 1],
    "bools": [False, True],
    "floats": [0.0, 1.0],
    "one and two": [1, 2],
    "signs": [-1, 1],
    "signs as floats": [-1.0, 1.0],
    "three words": ["a", "b", "c"],
    "three ints": [0, 1, 2],
}


def make(seed: int) -> Case:
    """The training of this seed; each call makes it anew, with the same numbers."""
    rng = random.Random(seed)
    parts: list[str] = []
    d, n = rng.choice([1, 2, 3]), rng.randrange(9, 28)
    rows = [[rng.gauss(0, 1) for _ in range(d)] for _ in range(n)]
    a = [rng.gauss(0, 1) for _ in range(d)]
    scores = [sum(map(operator.mul, a, row)) + rng.gauss(0, 0.4) for row in rows]
    own_model = rng.random() < 0.35
    standardize = not own_model and rng.random() < 0.4
    kind = rng.choice([*CLASSES, "numbers", "numbers", "lists"])
    parts += [kind] + ["standardize"] * standardize
    targets, labels, names = _targets(kind, scores, rng, standardize)
    if rng.random() < 0.3:
        order = sorted(range(n), key=lambda i: (str(targets[i]), i))
        rows, targets, scores = ([things[i] for i in order] for things in (rows, targets, scores))
        labels = [labels[i] for i in order] if labels else []
    if standardize and rng.random() < 0.7:
        rows = [[100 + 30 * x for x in row] for row in rows]
    several = len(names) > 2 or (
        len(names) == 2 and kind in {"words", "ints", "bools"} and rng.random() < 0.25
    )
    outputs = len(names) if several else 2 if kind == "lists" else 1

    # ── The loss, and the threshold that it means ──
    cell = Cell()
    threshold: float | None = None
    ending = "linear"
    if several:
        loss: Any = rng.choice([None, mg.cross_entropy, lambda y, t: mg.cross_entropy(y, t)])
    elif labels:
        low, high = (0, 1) if isinstance(names[0], str) else (float(names[0]), float(names[1]))
        meaning = rng.choice(["squares", "squares", "logits", "hinge", "probability"])
        loss, threshold, ending = _of_two(meaning, low, high, rng)
        parts.append(meaning)
    else:
        loss = rng.choice([None, mg.mse_loss, lambda y, t: _squares(y, t), lambda y, t: _absolute(y, t)])
    base = loss or (mg.cross_entropy if several else mg.half_squared_error)

    # ── The model ──
    hidden = rng.choice([[], [3], [4], [3, 2]])
    net = mg.MLP(
        d, [*hidden, outputs], activation=rng.choice(["tanh", "sigmoid", "relu", "silu"]),
        output_activation=ending, seed=rng.randrange(1000),
    )  # fmt: skip
    model: Any = net

    # ── What someone does to it ──
    tricks = {
        "plain": 3, "leak": 3, "entry": 2, "parameter": 2, "random": 2, "captured": 3, "counter": 1,
        "raises": 1, "toggle": 1, "mutation": 2,
    }  # fmt: skip
    [trick] = rng.choices([*tricks], [*tricks.values()])
    kept: list[Any] = []

    def keep(optimizer: Any) -> Any:
        kept.append(optimizer)
        return optimizer

    options: dict[str, Any] = {}
    schedule_changes: list[Callable[[int], object]] = []
    callback_changes: list[Callable[[int], object]] = []
    if trick == "leak":
        name = rng.choice([*LEAKS])
        leak = LEAKS[name]
        parts.append(f"leak {name}")
        if own_model and not labels:
            model = Wrapped(net, after=lambda v: v * (1 + 0.2 * _squash(leak(v))))
        else:
            loss = lambda y, t: base(y, t) * (1 + 0.2 * _squash(leak(_first(y))))
    elif trick == "entry":
        name = rng.choice([*ENTRY_LEAKS, *(leak for leak in LEAKS if leak not in {"detach", "no_grad"})])
        leak = {**LEAKS, **ENTRY_LEAKS}[name]
        if own_model:
            parts.append(f"input {name}")
            model = Wrapped(net, before=lambda x: x * (1 + 0.2 * _squash(leak(x))))
        else:
            parts.append(f"target {name}")
            loss = lambda y, t: base(y, t) * (1 + 0.2 * _squash(leak(_first(t))))
    elif trick == "parameter":
        name = rng.choice([*LEAKS])
        leak = LEAKS[name]
        parts.append(f"parameter {name}")
        some = rng.sample(net.parameters(), 2)
        loss = lambda y, t: base(y, t) + 0.05 * sum(p * _squash(leak(p)) for p in some)
    elif trick == "random":
        name, rate = rng.choice(GENERATORS), rng.choice([0.05, 0.4])
        draw = generators(name, seed)
        late = rng.choice([0, 0, 3])
        flag = [late == 0]
        parts.append(f"random {name} {rate}" + " late" * bool(late))
        if late:
            callback_changes.append(lambda epoch: flag.__setitem__(0, epoch >= late))

        def drop(v: Any) -> Any:
            return v * 0.5 if flag[0] and draw() < rate else v

        if own_model:
            model = Wrapped(net, before=drop)
        else:
            loss = lambda y, t: drop(base(y, t))
    elif trick == "captured":
        place = rng.choice(["schedule", "callback", "optimizer", "rule", "late", "array", "value", "model"])
        parts.append(f"captured {place}")
        vector, beta = np.array([1.0, 0.5]), mg.Value(1.0, "beta")
        if place == "schedule":
            schedule_changes.append(lambda epoch: setattr(cell, "weight", 1.0 + 0.3 * epoch))
        elif place == "callback":
            callback_changes.append(lambda epoch: setattr(cell, "weight", 0.9**epoch))
        elif place == "late":
            callback_changes.append(lambda epoch: setattr(cell, "weight", 1.0 if epoch < 4 else 3.0))
        elif place == "array":
            callback_changes.append(lambda epoch: vector.__setitem__(0, 1.0 + 0.1 * epoch))
        elif place == "value":
            callback_changes.append(lambda epoch: setattr(beta, "data", 1.0 + 0.1 * epoch))
        elif place == "rule":
            options["stop"] = [Turn(cell, 2)]
        elif place == "model":
            callback_changes.append(lambda epoch: setattr(net.layers[0].neurons[0], "activation", "tanh"))
        if place == "optimizer":
            every = rng.choice([1, 2, 3])
            options["optimizer"] = lambda p: Slow(p, 0.05, cell, every)
        weigh = rng.choice(["factor", "branch"])
        if weigh == "factor":
            loss = lambda y, t: base(y, t) * cell.weight * float(vector[0]) * beta
        else:
            loss = lambda y, t: (
                (base(y, t) if cell.weight == 1.0 else base(y, t) ** 2 * beta) * float(vector[0])
            )
    elif trick == "counter":
        calls, limit = itertools.count(), rng.choice([1, 2, n, 3 * n, 4 * n + 1])
        way = rng.choice(["nonlocal", "list", "attribute", "iterator", "global"])
        parts.append(f"counter {way} at {'n' if limit >= n else ''}{limit}")
        counted = _counter(way, calls)
        loss = lambda y, t: base(y, t) * (1.0 if counted() < limit else 0.25)
    elif trick == "raises":
        parts.append("raises")
        way = rng.choice(["branch", "log"])

        def raising(y: Any, t: Any) -> Any:
            if way == "branch":
                if abs(_first(y)) > 2.0:
                    raise ValueError("this output is too large")
                return base(y, t)
            return base(y, t) + 0.01 * mg.log(_first(y) * 0.1 + 0.2)

        loss = raising
    elif trick == "toggle":
        parts.append("toggle in an epoch")
        options["batch_size"] = max(1, n // 2)
        options["optimizer"] = lambda p: Slow(p, 0.05, cell, 1)
        loss = lambda y, t: base(y, t) * cell.weight
    elif trick == "mutation":
        way = rng.choice(["rows", "thaw", "layer", "parameter", "lr", "log"])
        parts.append(f"mutation {way}")
        if way == "rows":
            callback_changes.append(lambda epoch: rows[3 * epoch % n].__setitem__(0, 9.0))
        elif way == "thaw":
            options["optimizer"] = lambda p: keep(mg.SGD(p[-2:], lr=0.05))
            callback_changes.append(
                lambda epoch: epoch == 2 and kept[0].parameters.extend(model.parameters()[:-2])
            )
        elif way == "layer":
            other = mg.MLP(d, [*hidden, outputs], output_activation=ending, seed=5).layers[0]
            callback_changes.append(lambda epoch: epoch == 3 and net.layers.__setitem__(0, other))
        elif way == "parameter":
            callback_changes.append(lambda epoch: setattr(net.parameters()[0], "data", 0.1 * epoch))
        elif way == "lr":
            options["optimizer"] = lambda p: keep(mg.Adam(p, lr=0.05))
            callback_changes.append(lambda epoch: setattr(kept[0], "lr", 0.05 / epoch))
        else:
            log: list[Any] = []
            loss = lambda y, t: log.append(y) or base(y, t)  # type: ignore[func-returns-value]
            callback_changes.append(
                lambda epoch: setattr(kept[0], "lr", 0.01 + 0.01 * _squash(abs(float(_first(log[-1])))))
            )
            options["optimizer"] = lambda p: keep(mg.SGD(p, lr=0.05))
        table = mg.data.as_table((rows, targets)) if way == "rows" else None
        if table is not None:
            rows = table.rows
            options["data"] = table
    if own_model and model is net:
        model = Wrapped(net)
    if own_model:
        parts.append("own model")

    # ── How it is trained ──
    if rng.random() < 0.4:
        options.setdefault("batch_size", rng.choice([1, 4, 7]))
    if rng.random() < 0.3 and kind != "lists":
        options["validation"] = 0.3
    lr = rng.choice([0.01, 0.05, 0.1])
    make_optimizer = options.pop("optimizer", None) or rng.choice(
        [
            lambda p: mg.SGD(p, lr=lr),
            lambda p: mg.SGD(p, lr=lr / 2, momentum=0.9),
            # Where a gradient is exactly 0, Adam's usual eps makes a step of the rounding of its sum.
            lambda p: mg.Adam(p, lr=lr, eps=1e-3),
            lambda p: mg.AdamW(p, lr=lr, eps=1e-3),
            lambda p: Slow(p, lr),
        ]
    )
    if rng.random() < 0.3 or schedule_changes:

        def schedule(epoch: int) -> float:
            for change in schedule_changes:
                change(epoch)
            return lr / (1 + 0.1 * epoch)

        options["schedule"] = schedule
    if rng.random() < 0.3 or callback_changes:

        def callback(history: Any) -> bool:
            for change in callback_changes:
                change(len(history))
            return len(history) == 7

        options["callback"] = callback
    if standardize:
        options["standardize"] = True
    options |= {"loss": loss, "epochs": rng.choice([5, 8]), "optimizer": make_optimizer, "seed": seed % 3}
    return Case(model, rows, targets, labels, threshold, options, [trick, *parts])


def _targets(
    kind: str, scores: Sequence[float], rng: random.Random, standardize: bool
) -> tuple[list[Any], list[Any], list[Any]]:
    """Targets, labels and classes."""
    if kind in CLASSES:
        names = CLASSES[kind]
        ranks = {i: r for r, i in enumerate(sorted(range(len(scores)), key=scores.__getitem__))}
        share = rng.choice([0.5, 0.5, 0.25]) if len(names) == 2 else 1 / 3
        places = [min(len(names) - 1, int(ranks[i] >= share * len(scores))) for i in range(len(scores))]
        if len(names) == 3:
            places = [min(2, 3 * ranks[i] // len(scores)) for i in range(len(scores))]
        targets = [names[place] for place in places]
        return targets, targets, names
    size = rng.choice([1.0, 50.0, 1e4]) if standardize else 1.0
    numbers = [size * (math.sin(s) + 0.3) for s in scores]
    if kind == "lists":
        return [[number, 0.1 * number * s] for number, s in zip(numbers, scores)], [], []
    return numbers, [], []


def _of_two(meaning: str, low: float, high: float, rng: random.Random) -> tuple[Any, float, str]:
    """A loss for two classes as one output, the threshold that it means, and the output's activation."""
    if meaning == "logits" and (low, high) == (0, 1):
        return (
            rng.choice(
                [
                    mg.binary_cross_entropy_with_logits,
                    lambda y, t: mg.binary_cross_entropy_with_logits(y, t),
                    functools.partial(mg.binary_cross_entropy_with_logits),
                ]
            ),
            0.0,
            "linear",
        )
    if meaning == "hinge" and (low, high) == (-1, 1):
        return rng.choice([mg.hinge_loss, lambda y, t: mg.hinge_loss(y, t)]), 0.0, "linear"
    if meaning == "probability" and (low, high) == (0, 1):
        return (
            rng.choice([mg.binary_cross_entropy, lambda y, t: mg.binary_cross_entropy(y, t)]),
            0.5,
            "sigmoid",
        )
    loss = rng.choice([None, mg.mse_loss, lambda y, t: (y - t) ** 2, _huber])
    return loss, (low + high) / 2, "linear"


def _huber(y: Any, t: Any) -> Any:
    d = y - t
    return 0.5 * d * d if abs(d.data) < 0.5 else 0.5 * (abs(d) - 0.25)


def _squares(y: Any, t: Any) -> Any:
    return mg.mse_loss(y, t)


def _absolute(y: Any, t: Any) -> Any:
    pairs = zip(y, t) if isinstance(y, list) else [(y, t)]
    return mg.sum(abs(a - b) for a, b in pairs)


def _first(y: Any) -> Any:
    return y[0] if isinstance(y, list) else y


def _squash(number: Any) -> Any:
    return number / (1 + abs(number))


def _counter(way: str, calls: Any) -> Callable[[], int]:
    if way == "iterator":
        return lambda: next(calls)
    if way == "list":
        seen: list[int] = []

        def by_list() -> int:
            seen.append(1)
            return len(seen) - 1

        return by_list
    if way == "attribute":
        cell = Cell()
        cell.weight = 0

        def by_attribute() -> int:
            cell.weight += 1
            return int(cell.weight) - 1

        return by_attribute
    if way == "global":
        globals()["_calls"] = 0
        return _count_globally
    number = 0

    def by_cell() -> int:
        nonlocal number
        number += 1
        return number - 1

    return by_cell


_calls = 0


def _count_globally() -> int:
    global _calls  # noqa: PLW0603
    _calls += 1
    return _calls - 1


# ── Running, and comparing ────────────────────────────────────────────────────────────────────────────


@dataclass
class Result:
    """The outcome of a training."""

    error: str = ""
    state: dict[str, float] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    rule: str = ""
    threshold: Any = None
    classes: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    predictions: list[Any] = field(default_factory=list)
    accuracy: float | None = None
    backend: str = ""
    is_said: bool = False
    faults: list[str] = field(default_factory=list)  # beside counting by hand


def run(seed: int, how: Any) -> tuple[Case, Result]:
    """Make the training of a seed, and run it this way."""
    _by_cache.cache_clear()
    random.seed(seed)
    np.random.seed(seed)
    case, result = make(seed), Result()
    log = logging.getLogger("microgradlike")
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    log.addHandler(handler)
    propagate, log.propagate = log.propagate, False
    optimizer = case.options.pop("optimizer")(case.model.parameters())
    try:
        history = mg.fit(
            case.model,
            case.options.pop("data", (case.rows, case.targets)),
            optimizer=optimizer,
            compile=how,
            progress=False,
            **case.options,
        )
    except Exception as error:
        result.error = f"{type(error).__name__}: {error}"
        return case, result
    finally:
        log.removeHandler(handler)
        log.propagate = propagate
    result.state = case.model.state_dict()
    result.losses, result.validation = history.losses, history.validation_losses
    result.rule, result.backend = history.rule, history.backend
    result.is_said = any("Value by Value" in note for note in getattr(history, "notes", ())) and any(
        "Value by Value" in line for line in lines
    )
    result.threshold, result.classes = case.model.threshold, [*case.model.classes]
    with contextlib.suppress(Exception):  # as a loss of random numbers, a model may be random, too
        result.outputs = case.model.outputs(case.rows)
    if not case.options.get("loss") or "random" not in case.parts[0]:
        _count_by_hand(case, result)
    return case, result


def _count_by_hand(case: Case, result: Result) -> None:
    if not case.labels or case.parts[0] == "random":
        return
    names = sorted(set(case.labels))
    found = []
    for row in case.rows:
        y = case.model(row)
        if isinstance(y, list):
            numbers = [v.data for v in y]
            found.append(names[numbers.index(max(numbers))])
        else:
            assert case.threshold is not None
            found.append(names[int(y.data > case.threshold)])
    right = sum(map(operator.eq, found, case.labels)) / len(found)
    try:
        accuracy = mg.accuracy(case.model, (case.rows, case.targets))
        if accuracy != right:
            result.faults.append(f"accuracy {accuracy} for {right}")
        if case.model.classes:
            predictions = case.model.predict(case.rows)
            alike = [*map(type, predictions)] == [*map(type, found)] or isinstance(found[0], float)
            if predictions != found or not alike:
                result.faults.append(f"predictions {predictions[:4]} for {found[:4]}")
    except Exception as error:
        result.faults.append(f"{type(error).__name__}: {error}")


def difference(expected: Result, result: Result, how: str) -> str:
    """In what a training differs from the plain one; empty if in nothing."""
    if how == "auto" and result.error != expected.error:
        return f"error {result.error or 'none'} for {expected.error or 'none'}"
    if result.error or expected.error:
        return "" if result.error else f"no error for {expected.error}"
    if (result.rule, len(result.losses)) != (expected.rule, len(expected.losses)):
        return f"{result.rule} after {len(result.losses)} for {expected.rule} after {len(expected.losses)}"
    for name, number in expected.state.items():
        if not _close(result.state[name], number):
            return f"{name} {result.state[name]!r} for {number!r}"
    for name in ("losses", "validation"):
        for i, (a, b) in enumerate(zip(getattr(result, name), getattr(expected, name))):
            if not _close(a, b):
                return f"{name} of epoch {i + 1}: {a!r} for {b!r}"
    if (result.threshold, result.classes) != (expected.threshold, expected.classes):
        return f"threshold {result.threshold}, classes {result.classes}"
    if how == "auto" and result.backend == "eager" and not result.is_said:
        return UNSAID
    return ""


UNSAID = "it went Value by Value and did not say so"


def _close(a: float, b: float) -> bool:
    return a == b or abs(a - b) <= TOLERANCE * max(1.0, abs(b)) or (math.isnan(a) and math.isnan(b))


def try_seed(
    seed: int, backends: Sequence[str] = BACKENDS
) -> tuple[Case, dict[str, str], list[str], dict[str, str]]:
    """The differences of one training by backend, the faults beside counting, and what computed it."""
    case, expected = run(seed, False)
    differences, went = {}, {}
    for how in backends:
        _, result = run(seed, how)
        if text := difference(expected, result, how):
            differences[how] = text
        went[how] = "error" if result.error else result.backend
    if expected.error:
        went["error"] = expected.error
    return case, differences, expected.faults, went


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    differing: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    compiled: Counter[str] = Counter()
    wrong = errors = unsaid = 0
    start = time.perf_counter()
    for seed in range(arguments.seed, arguments.seed + arguments.count):
        case, differences, faults, went = try_seed(seed)
        name = ", ".join(case.parts)
        for how in BACKENDS:
            tried[how] += 1
            compiled[how] += went[how] not in {"eager", "error"}
        differing.update(how for how, text in differences.items() if text != UNSAID)
        unsaid += UNSAID in differences.values()
        wrong += bool(faults)
        errors += "error" in went
        for how, text in differences.items():
            if text != UNSAID:
                print(f"{seed:4} {how:7} {name}: {text:.150}")
        for text in faults:
            print(f"{seed:4} by hand {name}: {text:.150}")
        if arguments.verbose:
            print(f"{seed:4} {name}: {went}")
        sys.stdout.flush()
    print(f"\n{'way':8} {'tried':>6} {'compiled':>9} {'differing':>10}")
    for how in BACKENDS:
        print(f"{how:8} {tried[how]:6} {compiled[how]:9} {differing[how]:10}")
    print(f"Value by Value without a word: {unsaid}")
    print(f"accuracy or predictions differ from counting by hand: {wrong} of {arguments.count}")
    print(f"trainings that plain code refuses: {errors}; {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
