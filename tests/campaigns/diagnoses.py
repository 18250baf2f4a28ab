"""Healthy and ill networks, before `diagnose`: false alarms, illnesses found, and advice that is followed.

    python -m campaigns.diagnoses 200 10      (in the folder tests: healthy networks; of each illness)

A healthy network is new and in standard units, or has learned: in what units ever, by whatever loss.
"""

import inspect
import math
import random
import re
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import microgradlike as mg
from microgradlike import MLP
from microgradlike.diagnose import Diagnosis
from microgradlike.optim import Optimizer

Data = tuple[list[list[float]], list[Any]]
TAKES_OPTIMIZER = "optimizer" in inspect.signature(mg.diagnose).parameters


def diagnosed(model: Any, data: Data, loss: Any, lr: float | None, optimizer: Any = None) -> Diagnosis:
    if TAKES_OPTIMIZER:
        return mg.diagnose(model, data, loss, lr, optimizer=optimizer)
    return mg.diagnose(model, data, loss, lr)


def kinds(diagnosis: Diagnosis) -> list[str]:
    return [finding.kind for finding in diagnosis.findings]


# ── Healthy networks ──────────────────────────────────────────────────────────────────────────────────

LOSSES: dict[str, tuple[Any, str]] = {
    "half_squared_error": (mg.half_squared_error, "linear"),
    "mse_loss": (mg.mse_loss, "linear"),
    "half_squared_error, classes": (mg.half_squared_error, "sigmoid"),
    "binary_cross_entropy": (mg.binary_cross_entropy, "sigmoid"),
    "binary_cross_entropy_with_logits": (mg.binary_cross_entropy_with_logits, "linear"),
    "hinge_loss": (mg.hinge_loss, "linear"),
    "cross_entropy": (mg.cross_entropy, "linear"),
}


class Healthy(NamedTuple):
    what: str
    model: MLP
    data: Data
    loss: Any
    optimizer: Any


def problem(rng: random.Random, name: str, factor: float, shift: float, size: float) -> Data:
    """Examples that can be learned, with inputs and targets in these units."""
    rows, targets = [], list[Any]()
    for i in range(60):
        x, y = rng.uniform(-1.7, 1.7), rng.uniform(-1.7, 1.7)
        if name == "cross_entropy":
            k = i % 3
            x, y = (
                [(1.2, 0.6), (-1.2, 0.6), (0.0, -1.3)][k][0] + rng.gauss(0, 0.25),
                [0.6, 0.6, -1.3][k] + rng.gauss(0, 0.25),
            )
            targets.append(k)
        elif name in {"half_squared_error", "mse_loss"}:
            targets.append(
                size * (0.8 * x - 0.6 * y + 0.3 * math.sin(2 * x) + rng.gauss(0, 0.03)) + 3 * size
            )
        else:
            k = int(x + 0.7 * y > 0)
            x, y = x + (0.4 if k else -0.4), y + (0.3 if k else -0.3)
            targets.append(2 * k - 1 if name == "hinge_loss" else k)
        rows.append([factor * x + shift, factor * y])
    return rows, targets


def healthy(rng: random.Random) -> Healthy | None:
    name = rng.choice(list(LOSSES))
    loss, outside = LOSSES[name]
    standardise = rng.random() < 0.6
    trained = rng.random() < 0.6
    factor = 10.0 ** rng.uniform(-6, 6) if standardise else 1.0
    size = 10.0 ** rng.uniform(-6, 6) if standardise else 0.5
    data = problem(rng, name, factor, factor * rng.uniform(-5, 5) if standardise else 0.0, size)
    if not standardise and name in {"half_squared_error", "mse_loss"}:
        data = data[0], [t - 3 * size for t in data[1]]
    inside = rng.choice(["tanh", "relu", "sigmoid", "leaky_relu", "elu", "silu"])
    hidden = rng.choice([[8], [8], [6, 6]])
    model = MLP(
        2,
        [*hidden, 3 if name == "cross_entropy" else 1],
        activation=inside,
        output_activation=outside,
        seed=rng.randrange(10**6),
    )
    kind = rng.randrange(3)

    def make() -> Optimizer:
        if kind == 0:
            return mg.Adam(model.parameters(), lr=0.02)
        return (
            mg.SGD(model.parameters(), lr=0.1, momentum=0.9)
            if kind == 1
            else mg.SGD(model.parameters(), lr=0.2)
        )

    optimizer = make()
    if trained or standardise:
        mg.fit(
            model,
            data,
            loss=loss,
            optimizer=optimizer,
            epochs=150 if trained else 1,
            standardize=standardise,
            progress=False,
            compile="numpy",
        )
    if not trained:
        optimizer = make()
        model.zero_grad()
    what = (
        f"{'trained' if trained else 'new'}, {name}, {inside}, {hidden}, units {factor:.0e} and {size:.0e}"
    )
    if trained and not fits(model, data, name):
        return None  # it has not learned, and is not healthy
    return Healthy(what, model, data, loss, optimizer)


def fits(model: MLP, data: Data, name: str) -> bool:
    """Whether it is right, by counting."""
    with mg.no_grad():
        ys: list[Any] = [model(x) for x in data[0]]
    if name in {"half_squared_error", "mse_loss"}:
        return correlation([y.data for y in ys], data[1]) > 0.95
    if name == "cross_entropy":
        right: list[bool] = [
            max(range(3), key=lambda k: float(y[k].data)) == t for y, t in zip(ys, data[1])
        ]
    else:
        middle = 0.5 if LOSSES[name][1] == "sigmoid" else 0.0
        right = [(y.data > middle) == (t > 0) for y, t in zip(ys, data[1])]
    return sum(right) >= 0.95 * len(right)


def correlation(a: list[float], b: list[Any]) -> float:
    if not all(map(math.isfinite, a)):
        return 0.0
    ma, mb = math.fsum(a) / len(a), math.fsum(b) / len(b)
    up = math.fsum((x - ma) * (y - mb) for x, y in zip(a, b))
    down = math.sqrt(math.fsum((x - ma) ** 2 for x in a) * math.fsum((y - mb) ** 2 for y in b))
    return up / down if down else 0.0


# ── Illnesses ─────────────────────────────────────────────────────────────────────────────────────────


class Case(NamedTuple):
    model: MLP
    data: Data
    loss: Any = None
    lr: float | None = None


DEEP = (8,) * 8 + (1,)


def base(rng: random.Random) -> Data:
    """Two moons in standard units, which no straight line divides."""
    rows, targets = mg.data.moons(60, seed=rng.randrange(10**6))
    columns = []
    for column in zip(*rows):
        mean = math.fsum(column) / 60
        spread = math.sqrt(math.fsum((x - mean) ** 2 for x in column) / 60)
        columns.append([(x - mean) / spread for x in column])
    return [list(row) for row in zip(*columns)], targets


def net(
    rng: random.Random, *sizes: int, inside: str = "tanh", outside: str = "sigmoid", by: float = 1.0
) -> MLP:
    model = MLP(
        2, list(sizes or (6, 1)), activation=inside, output_activation=outside, seed=rng.randrange(10**6)
    )
    for p in model.parameters():
        p.data *= by
    return model


def labels(data: Data, change: Callable[[Any], Any]) -> Data:
    return data[0], [change(t) for t in data[1]]


def inputs(data: Data, change: Callable[[float], float]) -> Data:
    return [[change(x), y] for x, y in data[0]], data[1]


def with_bias(model: MLP, layer: int, neurons: int, bias: float) -> MLP:
    for neuron in model.layers[layer].neurons[:neurons]:
        neuron.b.data = bias
    return model


def passed(model: MLP, data: Data, passes: int, receipts: bool, moving: float = 0.0) -> MLP:
    for _ in range(passes):
        mg.mean(mg.half_squared_error(model(x), t) for x, t in zip(*data)).backward(receipts=receipts)
        for p in model.parameters():
            p.data -= moving * p.grad
    return model


def weights(model: MLP, number: float) -> MLP:
    for p in model.parameters():
        p.data = number
    return model


Build = Callable[[random.Random], Case]


def forgotten(*, receipts: bool, moving: float = 0.0) -> Build:
    """Two to thirty passes over the data, added up; with weights that move meanwhile, or not."""

    def build(rng: random.Random) -> Case:
        data = base(rng)
        return Case(passed(net(rng), data, rng.randint(2, 30), receipts, moving), data)

    return build


# ruff: noqa: E501
ILLNESSES: dict[str, tuple[str, Build, Build | None]] = {
    "vanishing, sigmoid": ("vanishing", lambda r: Case(net(r, *DEEP, inside="sigmoid", by=0.3), base(r)), lambda r: Case(net(r, 8, 8, 1, inside="relu"), base(r))),
    "vanishing, tanh": ("vanishing", lambda r: Case(net(r, *DEEP, by=0.15), base(r)), lambda r: Case(net(r, 8, 8, 1), base(r))),
    "exploding, weights": ("exploding", lambda r: Case(net(r, *DEEP, inside="leaky_relu", outside="linear", by=8), base(r)), lambda r: Case(net(r, *DEEP, inside="leaky_relu", outside="linear"), base(r))),
    "exploding, targets": ("exploding", lambda r: Case(net(r, outside="linear"), labels(base(r), lambda t: 1e6 * t + 1e6)), lambda r: Case(net(r, outside="linear"), base(r))),
    "dead, some": ("dead", lambda r: Case(with_bias(net(r, 4, 1, inside="relu", outside="linear"), 0, 2, -40.0), base(r)), lambda r: Case(net(r, 4, 1, inside="leaky_relu", outside="linear"), base(r))),
    "dead, all": ("dead", lambda r: Case(with_bias(net(r, 4, 1, inside="relu", outside="linear"), 0, 4, -40.0), base(r)), lambda r: Case(net(r, 4, 1, inside="leaky_relu", outside="linear"), base(r))),
    "dead, softplus": ("dead", lambda r: Case(with_bias(net(r, 4, 1, inside="softplus", outside="linear"), 0, 4, -60.0), base(r)), lambda r: Case(net(r, 4, 1, inside="leaky_relu", outside="linear"), base(r))),
    "saturated, tanh": ("saturated", lambda r: Case(net(r, by=100), base(r)), lambda r: Case(net(r), base(r))),
    "saturated, sigmoid": ("saturated", lambda r: Case(net(r, inside="sigmoid", by=200), base(r)), lambda r: Case(net(r, inside="sigmoid"), base(r))),
    "saturated, softsign": ("saturated", lambda r: Case(net(r, inside="softsign", by=1000), base(r)), lambda r: Case(net(r, inside="softsign"), base(r))),
    "stuck output": ("saturated", lambda r: Case(with_bias(net(r), 1, 1, 20.0), base(r)), lambda r: Case(net(r), base(r))),
    "symmetric, 0": ("symmetric", lambda r: Case(net(r, by=0.0), base(r)), lambda r: Case(net(r), base(r))),
    "symmetric, constant": ("symmetric", lambda r: Case(weights(net(r), 0.3), base(r)), lambda r: Case(net(r), base(r))),
    "targets, sigmoid": ("targets", lambda r: Case(net(r), labels(base(r), lambda t: 2 * t - 1)), lambda r: Case(net(r), base(r))),
    "targets, tanh": ("targets", lambda r: Case(net(r, outside="tanh"), labels(base(r), lambda t: 3 * t)), lambda r: Case(net(r, outside="linear"), labels(base(r), lambda t: 3 * t))),
    "targets, relu": ("targets", lambda r: Case(net(r, outside="relu"), labels(base(r), lambda t: -2.5 * t)), lambda r: Case(net(r, outside="linear"), labels(base(r), lambda t: -2.5 * t))),
    "targets, probabilities": ("targets", lambda r: Case(net(r), labels(base(r), lambda t: 2 * t - 1), mg.binary_cross_entropy), lambda r: Case(net(r), base(r), mg.binary_cross_entropy)),
    "targets, logits": ("targets", lambda r: Case(net(r, outside="linear"), labels(base(r), lambda t: 2 * t - 1), mg.binary_cross_entropy_with_logits), lambda r: Case(net(r, outside="linear"), base(r), mg.binary_cross_entropy_with_logits)),
    "targets, hinge": ("targets", lambda r: Case(net(r, outside="linear"), base(r), mg.hinge_loss), lambda r: Case(net(r, outside="linear"), labels(base(r), lambda t: 2 * t - 1), mg.hinge_loss)),
    "targets, from 1 on": ("targets", lambda r: Case(net(r, 6, 2, outside="linear"), labels(base(r), lambda t: t + 1), mg.cross_entropy), lambda r: Case(net(r, 6, 2, outside="linear"), base(r), mg.cross_entropy)),
    "inputs, large": ("inputs", lambda r: Case(net(r), inputs(base(r), lambda x: 1000 * x)), lambda r: Case(net(r), base(r))),
    "inputs, small": ("inputs", lambda r: Case(net(r), inputs(base(r), lambda x: 1e-4 * x)), lambda r: Case(net(r), base(r))),
    "inputs, far off": ("inputs", lambda r: Case(net(r), inputs(base(r), lambda x: x + 500)), lambda r: Case(net(r), base(r))),
    "constant column": ("constant column", lambda r: Case(net(r), ([[x, 7.0] for x, _ in base(r)[0]], base(r)[1])), None),
    "zero_grad, receipts": ("zero_grad", forgotten(receipts=True), None),
    "zero_grad, numbers": ("zero_grad", forgotten(receipts=False), None),
    "zero_grad, in training": ("zero_grad", forgotten(receipts=True, moving=0.01), None),
    "learning rate too high": ("learning rate too high", lambda r: Case(net(r, outside="linear"), base(r), lr=10.0 ** r.uniform(1, 3)), None),
    "learning rate too low": ("learning rate too low", lambda r: Case(net(r, outside="linear"), base(r), lr=10.0 ** r.uniform(-8, -5.5)), None),
    "same outputs": ("same outputs", lambda r: Case(net(r, *DEEP, inside="sigmoid", by=0.1), base(r)), lambda r: Case(net(r), base(r))),
    "unbalanced": ("unbalanced", lambda r: Case(net(r), (base(r)[0], [0] * 58 + [1, 1])), None),
    "not finite": ("not finite", lambda r: Case(with_bias(net(r), 0, 1, math.inf), base(r)), lambda r: Case(net(r), base(r))),
}  # fmt: skip


def followed(
    case: Case, sentence: str, cure: Build | None, rng: random.Random
) -> tuple[float, float] | None:
    """The agreement of outputs and targets after a short training: as it was, and with the advice followed."""
    rate = re.search(r"write lr=(\S+?)\.?(?:\s|$)", sentence)
    if rate:
        before, after = (_trained(case, lr) for lr in (case.lr or 0.1, float(rate[1])))
    elif cure:
        before, after = _trained(case, 0.1), _trained(cure(rng), 0.1)
    elif "zero_grad" in sentence:
        before, after = _trained(case, 0.5, 150, clear=False), _trained(case, 0.5, 150)
    else:
        return None
    return before, after


def _trained(case: Case, lr: float, steps: int = 60, *, clear: bool = True) -> float:
    model, (rows, targets) = case.model, case.data
    state, grads = model.state_dict(), [p.grad for p in model.parameters()]
    loss = case.loss or mg.half_squared_error
    optimizer = mg.SGD(model.parameters(), lr=lr)
    try:
        for _ in range(steps):
            if clear:
                optimizer.zero_grad()
            mg.mean(loss(model(x), t) for x, t in zip(rows, targets)).backward()
            optimizer.step()
        with mg.no_grad():
            ys = [model(x) for x in rows]
        outputs = [float(y if not isinstance(y, list) else y[1] - y[0]) for y in ys]
        return correlation(outputs, targets)
    except (ArithmeticError, ValueError, TypeError, IndexError):
        return -1.0
    finally:
        if all(map(math.isfinite, state.values())):
            model.load_state_dict(state)
        for p, grad in zip(model.parameters(), grads):
            p.grad = grad


class Result(NamedTuple):
    healthy: int
    alarms: list[str]
    ill: int
    missed: list[str]
    advice: Counter[str]
    worse: list[str]

    def __str__(self) -> str:
        return (
            f"healthy networks {self.healthy}: with a false finding {len(self.alarms)}\n"
            f"ill networks {self.ill}: not found {len(self.missed)}\n"
            f"advice followed: {dict(self.advice)}"
        )


def campaign(count: int, each: int, seed: int = 0, only: tuple[str, ...] = ("",)) -> Result:
    """So many healthy networks, and so many of each illness whose name begins with one of these."""
    alarms, n, i = [], 0, 0
    while n < count:
        i += 1
        try:
            case = healthy(random.Random(f"{seed} healthy {i}"))
        except ValueError:  # a loss that is infinite for this new network: it is not healthy
            continue
        if case:
            n += 1
            d = diagnosed(case.model, case.data, case.loss, case.optimizer.lr, case.optimizer)
            if d.findings:
                alarms.append(f"{i}: {case.what}: {kinds(d)}: {d.findings[0].sentence[:300]}")
    missed, worse, advice, ill = [], [], Counter[str](), 0
    for name, (kind, build, cure) in ILLNESSES.items():
        for j in range(each if name.startswith(only) else 0):
            rng = random.Random(f"{seed} {name} {j}")
            ill_case = build(rng)
            ill += 1
            d = diagnosed(*ill_case[:3], ill_case.lr)
            found = [finding.sentence for finding in d.findings if finding.kind == kind]
            if not found:
                missed.append(f"{name} {j}: {kinds(d)}")
            elif pair := followed(ill_case, found[0], cure, rng):
                before, after = pair
                verdict = "better" if after > before else "as good" if after > before - 0.02 else "worse"
                advice[verdict] += 1
                if verdict == "worse":
                    worse.append(f"{name} {j}: {before:.3f} → {after:.3f}: {found[0][:200]}")
    return Result(count, alarms, ill, missed, advice, worse)


if __name__ == "__main__":
    result = campaign(int(sys.argv[1]), int(sys.argv[2]))
    print(result)
    for title, lines in (("alarms", result.alarms), ("missed", result.missed), ("worse", result.worse)):
        print(f"── {title}", *lines[:25], sep="\n")
