"""Features of training in pairs: is each pair trained as a plain loop of some thirty lines trains it?

    python tests/campaigns/features.py              # all pairs; --backends auto; --share 0.1; --verbose

Each pair of features is one training, by `fit` with each backend, and by `by_hand`, a loop of plain
operations of the engine that knows neither `fit` nor `units`. Compared are the outputs in the user's units,
losses, validation losses, what ended it and when, predictions and accuracy, and the model that a callback
saved or that a checkpoint resumed. The table says how many cells were tried, and how many differ.
"""

# ruff: noqa: PLW0108  # a lambda around a loss is what users write, and is told from the loss
import argparse
import functools
import importlib
import itertools
import logging
import math
import operator
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import microgradlike as mg
from microgradlike.stop import NoProgress, TargetLoss, ValidationRises

BACKENDS: tuple[Any, ...] = (False, "auto", "python", "numpy", "llvm")
TOLERANCE = 1e-9
_N = 23


@dataclass
class Job:
    """A training, as features describe it."""

    targets: str = "numbers"
    loss: Any = None  # None: the default
    sizes: tuple[int, ...] = (3,)
    form: str = "lists"
    standardize: bool = False
    validation: str = ""
    rules: list[str] = field(default_factory=list)
    batch_size: int | None = None
    schedule: bool = False
    callback: str = ""
    saves: bool = False
    checkpoint: str = ""
    optimizer: str = "sgd"
    model: str = "mlp"
    fits: int = 1
    reload: bool = False
    epochs: int = 9
    seed: int = 0


#: What each feature sets. Two that set the same thing are no pair.
FEATURES: dict[str, dict[str, Any]] = {
    "standardize": {"standardize": True},
    "words": {"targets": "words"},
    "three words": {"targets": "three words"},
    "ints": {"targets": "ints"},
    "bools": {"targets": "bools"},
    "signs": {"targets": "signs"},
    "one and two": {"targets": "one and two"},
    "two outputs": {"targets": "two outputs"},
    "mse_loss": {"loss": "mse_loss"},
    "lambda": {"loss": "lambda"},
    "partial": {"loss": "partial"},
    "huber": {"loss": "huber"},
    "validation share": {"validation": "share"},
    "validation examples": {"validation": "examples"},
    "restore_best": {"rules": ["restore_best"]},
    "batches": {"batch_size": 7},
    "single examples": {"batch_size": 1},
    "schedule": {"schedule": True},
    "callback ends": {"callback": "ends"},
    "callback changes lr": {"callback": "changes lr"},
    "callback saves": {"saves": True},
    "checkpoint": {"checkpoint": "only"},
    "resume": {"checkpoint": "resume"},
    "TargetLoss": {"rules": ["TargetLoss"]},
    "NoProgress": {"rules": ["NoProgress"]},
    "ValidationRises": {"rules": ["ValidationRises"]},
    "shared weights": {"model": "shared"},
    "own model": {"model": "own"},
    "deep": {"sizes": (4, 3)},
    "linear": {"sizes": ()},
    "frame": {"form": "frame"},
    "generators": {"form": "generators"},
    "arrays": {"form": "arrays"},
    "pairs": {"form": "pairs"},
    "table": {"form": "table"},
    "adam": {"optimizer": "adam"},
    "momentum": {"optimizer": "momentum"},
    "large lr": {"optimizer": "large lr"},
    "own optimizer": {"optimizer": "own"},
    "last layer": {"optimizer": "last layer"},
    "second fit": {"fits": 2},
    "second fit of a loaded model": {"fits": 2, "reload": True},
    "seed": {"seed": 4},
}
CLASSES: dict[str, list[Any]] = {
    "words": ["no", "yes"],
    "three words": ["a", "b", "c"],
    "ints": [0, 1],
    "bools": [False, True],
    "signs": [-1, 1],
    "one and two": [1, 2],
}


def pairs() -> Iterator[tuple[str, ...]]:
    """The names of features that go together, one or two."""
    yield from ((name,) for name in FEATURES)
    for a, b in itertools.combinations(FEATURES, 2):
        same = FEATURES[a].keys() & FEATURES[b].keys() - {"rules"}
        own = {"shared weights", "own model"} & {a, b}
        # Units are an MLP's; one layer has nothing to share; a divergence is what the loop does not know.
        wrong = (own and {"standardize", "linear"} & {a, b}) or {a, b} == {"single examples", "large lr"}
        if not same and not wrong:
            yield a, b


def job_of(features: Sequence[str]) -> Job:
    job = Job()
    for name in features:
        for key, setting in FEATURES[name].items():
            setattr(job, key, [*job.rules, *setting] if key == "rules" else setting)
    if {"restore_best", "ValidationRises"} & {*job.rules} and not job.validation:
        job.validation = "share"
    return job


# ── Data, models, losses ──────────────────────────────────────────────────────────────────────────────


def examples(job: Job) -> tuple[list[list[float]], list[Any]]:
    """Rows and targets as a user has them: in units of their own where they are standardised."""
    rng = random.Random(8)
    rows = [[rng.gauss(0, 1), rng.gauss(0, 1)] for _ in range(_N)]
    scores = [a - 0.7 * b + 0.3 * rng.gauss(0, 1) for a, b in rows]
    order = sorted(scores)
    targets: list[Any]
    if job.targets in CLASSES:
        names = CLASSES[job.targets]
        targets = [names[order.index(s) * len(names) // _N] for s in scores]
    elif job.targets == "two outputs":
        targets = [[math.sin(s), 0.3 * s * s] for s in scores]
    else:
        targets = [math.sin(s) for s in scores]
    if job.standardize:
        rows = [[100 + 30 * a, 0.01 * b] for a, b in rows]
        if job.targets == "numbers":
            targets = [1000 + 50 * t for t in targets]
        elif job.targets == "two outputs":
            targets = [[1000 + 50 * a, 0.1 * b] for a, b in targets]
    return rows, targets


def numbers_of(job: Job, targets: Sequence[Any]) -> list[Any]:
    """Targets as a loss takes them: words and truths by their place."""
    names = CLASSES.get(job.targets, [])
    return [names.index(t) if isinstance(t, str | bool) else t for t in targets]


def outputs_of(job: Job) -> int:
    return {"three words": 3, "two outputs": 2}.get(job.targets, 1)


class Own(mg.nn.Module):
    """A model of a user's own; with shared weights, each input goes through the same small network."""

    def __init__(self, job: Job, shared: bool) -> None:
        n = 1 if shared else 2
        self.net = mg.MLP(n, [*job.sizes, outputs_of(job)], activation="tanh", seed=5)
        self.gain, self.shared = mg.Value(0.8, "gain"), shared

    def __call__(self, x: Any) -> Any:
        if not self.shared:
            y = self.net(x)
            return [v * self.gain for v in y] if isinstance(y, list) else y * self.gain
        one, other = self.net(x[:1]), self.net(x[1:])
        if isinstance(one, list):
            return [a - b * self.gain for a, b in zip(one, other)]
        return one - other * self.gain


def model_of(job: Job) -> Any:
    if job.model != "mlp":
        return Own(job, job.model == "shared")
    return mg.MLP(2, [*job.sizes, outputs_of(job)], activation="tanh", seed=5)


def huber(y: Any, t: Any) -> Any:
    """A loss of the user's own, which branches on a number."""
    total: Any = 0.0
    for a, b in zip(y, t) if isinstance(y, list) else [(y, t)]:
        d = a - b
        total = total + (0.5 * d * d if abs(d.data) < 1 else abs(d) - 0.5)
    return total


def loss_of(job: Job) -> Any:
    if job.targets == "three words":
        plain = mg.cross_entropy
        return {None: None, "lambda": lambda y, t: mg.cross_entropy(y, t)}.get(job.loss, plain)
    return {
        None: None,
        "mse_loss": mg.mse_loss,
        "lambda": lambda y, t: mg.mse_loss(y, t),
        "partial": functools.partial(mg.mse_loss),
        "huber": huber,
    }[job.loss]


class Signs(mg.SGD):
    """An optimiser of a user's own, with a state of its own."""

    def __init__(self, parameters: Any, lr: float) -> None:
        super().__init__(parameters, lr)
        self.sums = [0.0] * len(self.parameters)

    def update(self, i: int, parameter: Any) -> None:
        self.sums[i] = 0.7 * self.sums[i] + parameter.grad
        parameter.data -= self.lr * self.sums[i] / (abs(self.sums[i]) + 0.5)


def optimizer_of(job: Job, model: Any) -> Any:
    parameters = model.parameters()
    if job.optimizer == "last layer":
        parameters = parameters[-outputs_of(job) :]
    make: dict[str, Callable[[Any], Any]] = {
        "sgd": lambda p: mg.SGD(p, lr=0.1),
        "last layer": lambda p: mg.SGD(p, lr=0.1),
        # Where a gradient is exactly 0, Adam's usual eps makes a step of the rounding of its sum.
        "adam": lambda p: mg.Adam(p, lr=0.05, eps=1e-3),
        "momentum": lambda p: mg.SGD(p, lr=0.05, momentum=0.9),
        "large lr": lambda p: mg.SGD(p, lr=0.8),
        "own": lambda p: Signs(p, lr=0.1),
    }
    return make[job.optimizer](parameters)


def schedule(epoch: int) -> float:
    return 0.2 / (1 + 0.3 * epoch)


def target_loss(job: Job) -> float:
    """A loss that is reached in some epochs, in the user's units."""
    return {"numbers": 250.0, "two outputs": 250.0}.get(job.targets, 0.11) if job.standardize else 0.11


# ── By hand ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Result:
    losses: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    rule: str = ""
    outputs: list[list[float]] = field(default_factory=list)
    saved: list[list[float]] = field(default_factory=list)
    predictions: list[Any] = field(default_factory=list)
    accuracy: float | None = None
    error: str = ""


def mean_and_spread(numbers: Sequence[float]) -> tuple[float, float]:
    mean = sum(numbers) / len(numbers)
    return mean, math.sqrt(sum((x - mean) ** 2 for x in numbers) / len(numbers))


def by_hand(job: Job) -> Result:
    """The training, with the operations of the engine alone."""
    rows, raw = examples(job)
    targets = numbers_of(job, raw)
    names = CLASSES.get(job.targets)
    model, loss = model_of(job), loss_of(job)
    optimizer, count = optimizer_of(job, model), outputs_of(job)
    plain = loss or (mg.cross_entropy if count > 2 else mg.half_squared_error)
    squared = loss in (None, mg.mse_loss) and count <= 2

    train = [*range(_N)]
    held: list[int] = []
    if job.validation == "share":
        index = mg.data.Table("", ["i"], [[float(i)] for i in range(_N)], [*targets], "t",
                              [*names] if names and isinstance(names[0], str | bool) else [])  # fmt: skip
        held = [int(x[0]) for x in index.split(0.3, job.seed)[1].rows]
        train = [i for i in train if i not in held]
    elif job.validation == "examples":
        train, held = train[:-6], train[-6:]

    # Units: the inputs have mean 0 and spread 1, and so have targets that are numbers.
    inputs = [mean_and_spread([rows[i][k] for i in train]) for k in (0, 1)]
    goals = [(0.0, 1.0)] * count
    if job.standardize and not names:
        columns = zip(*(targets[i] if count == 2 else [targets[i]] for i in train))
        goals = [*map(mean_and_spread, columns)]

    def standard(x: Sequence[float]) -> Any:
        return [(a - m) / s for a, (m, s) in zip(x, inputs)] if job.standardize else x

    def call(x: Sequence[float]) -> list[Any]:
        y = model(standard(x))
        return [v * s + m if job.standardize else v for v, (m, s) in zip(y if count > 1 else [y], goals)]

    def shaped(numbers: Sequence[Any]) -> Any:
        return numbers if count > 1 else numbers[0]

    constant = 1.0
    if job.standardize and not names and not squared:
        means = shaped([mg.Value(m) for m, _ in goals])
        constant = sum(plain(means, targets[i]).data for i in train) / len(train)

    def losses_of(i: int) -> tuple[Any, float]:
        """The loss of an example as it is minimised, and as it is reported."""
        y, t = call(rows[i]), targets[i]
        reported = plain(shaped(y), t)
        if job.standardize and squared:
            z = model(standard(rows[i]))
            t = shaped([(b - m) / s for b, (m, s) in zip(t if count > 1 else [t], goals)])
            return plain(z, t), reported.data
        return reported / constant, reported.data

    def validate() -> float:
        return sum(losses_of(i)[1] for i in held) / len(held) if held else math.inf

    def outputs() -> list[list[float]]:
        return [[float(v) for v in call(x)] for x in rows]

    result = Result()
    for number in range(job.fits):
        if number and job.reload:
            optimizer = optimizer_of(job, model)
        result.losses, result.validation, result.rule = [], [], ""
        best, best_validation, started = (math.inf, state(model)), (math.inf, state(model)), state(model)
        while len(result.losses) < job.epochs and not result.rule:
            epoch = len(result.losses)
            started = state(model)
            if job.schedule:
                optimizer.lr = schedule(epoch)
            order = [*range(len(train))]
            if job.batch_size:
                random.Random(f"{job.seed} {epoch}").shuffle(order)
            size, reports = job.batch_size or len(order), []
            for start in range(0, len(order), size):
                model.zero_grad()
                results = [losses_of(train[i]) for i in order[start : start + size]]
                mg.mean(loss for loss, _ in results).backward()
                reports += [report for _, report in results]
                if job.batch_size is None:
                    validation = validate()
                    result.rule = stopped(job, [*result.losses, sum(reports) / len(order)],
                                          [*result.validation, validation])  # fmt: skip
                if not result.rule:
                    optimizer.step()
            result.losses.append(sum(reports) / len(order))
            measured = started if job.batch_size is None else state(model)
            if result.losses[-1] < best[0]:
                best = (result.losses[-1], started)
            if held:
                if job.batch_size is not None:
                    validation = validate()
                result.validation.append(validation)
                if validation < best_validation[0]:
                    best_validation = (validation, measured)
            if job.batch_size is not None:
                result.rule = stopped(job, result.losses, result.validation)
            if job.callback == "changes lr":
                optimizer.lr *= 0.7
            if job.callback == "ends" and len(result.losses) == 6 and not result.rule:
                result.rule = "callback"
            result.saved = outputs()
        result.rule = result.rule or "epochs"
        if "restore_best" in job.rules:
            put(model, best_validation[1])
        elif result.losses[-1] - result.losses[0] > abs(result.losses[0]):
            put(model, best[1])
    result.outputs = outputs()
    if not job.saves:
        result.saved = []
    if names:
        middle = sum(map(float, numbers_of(job, names))) / 2
        result.predictions = [
            names[y.index(max(y)) if count > 1 else int(y[0] > middle)] for y in result.outputs
        ]
        result.accuracy = sum(map(operator.eq, result.predictions, raw)) / _N
    return result


def state(model: Any) -> list[float]:
    return [p.data for p in model.parameters()]


def put(model: Any, numbers: Sequence[float]) -> None:
    for parameter, number in zip(model.parameters(), numbers):
        parameter.data = number


def stopped(job: Job, losses: Sequence[float], validation: Sequence[float]) -> str:
    """The name of the rule that ends the training now."""
    for rule in job.rules:
        if rule == "TargetLoss" and losses[-1] < target_loss(job):
            return "TargetLoss"
        watched, patience = (losses, 2) if rule == "NoProgress" else (validation, 1)
        rises = len(watched) > patience and min(watched[-patience:]) >= min(watched[:-patience])
        if rule != "TargetLoss" and rises:
            return "NoProgress" if rule == "NoProgress" else "ValidationRises"
    return ""


# ── By fit ────────────────────────────────────────────────────────────────────────────────────────────


def shaped_data(job: Job, rows: Any, targets: Any, swapped: bool = False) -> Any:
    """The examples in the form of the job."""
    if job.form == "frame":
        pandas: Any = importlib.import_module("pandas")
        frame = pandas.DataFrame({"width": [x[0] for x in rows], "height": [x[1] for x in rows]})
        if swapped:
            frame = frame[["height", "width"]]
        return frame, (
            pandas.DataFrame(targets) if job.targets == "two outputs" else pandas.Series(targets)
        )
    if job.form == "generators":
        return iter([iter(x) for x in rows]), (t for t in targets)
    if job.form == "arrays":
        import numpy as np

        return np.array(rows), np.array(targets)
    if job.form == "pairs":
        return [*zip(rows, targets)]
    if job.form == "table":
        return mg.data.as_table((rows, targets))
    return rows, targets


def by_fit(job: Job, how: Any, folder: Path) -> Result:
    rows, targets = examples(job)
    result = Result()
    model = model_of(job)
    optimizer = optimizer_of(job, model)
    count = _N - 6 if job.validation == "examples" else _N
    saved = folder / "saved.json"

    def callback(history: Any) -> Any:
        if job.saves:
            model.save(saved)
        if job.callback == "changes lr":
            optimizer.lr *= 0.7
        return job.callback == "ends" and len(history) == 6

    rules: dict[str, Callable[[], Any]] = {
        "TargetLoss": lambda: TargetLoss(target_loss(job)),
        "NoProgress": lambda: NoProgress(2),
        "ValidationRises": lambda: ValidationRises(1, restore_best=False),
        "restore_best": lambda: ValidationRises(1),
    }

    def fit(epochs: int, **options: Any) -> Any:
        if job.validation:
            options["validation"] = 0.3
        if job.validation == "examples":
            options["validation"] = shaped_data(job, rows[count:], targets[count:], swapped=True)
        if job.callback or job.saves:
            options["callback"] = callback
        if job.schedule:
            options["schedule"] = schedule
        return mg.fit(
            model, shaped_data(job, rows[:count], targets[:count]), loss=loss_of(job), optimizer=optimizer,
            epochs=epochs, batch_size=job.batch_size, stop=[rules[name]() for name in job.rules],
            standardize=job.standardize, compile=how, seed=job.seed, progress=False, **options,
        )  # fmt: skip

    path = folder / "run.json"
    try:
        if job.checkpoint == "resume":
            for _ in range(job.fits - 1):
                fit(job.epochs)
            if job.reload:
                optimizer = optimizer_of(job, model)
            first, moments = model.state_dict(), optimizer.state_dict()
            task, units = getattr(model, "task", None), getattr(model, "units", None)
            fit(4, checkpoint=path, every=2)
            model = model_of(job)
            optimizer = optimizer_of(job, model)
            model.load_state_dict(first)
            if job.fits > 1:  # as the training was begun
                optimizer.load_state_dict(moments)
                if task is not None:
                    model.task, model.units = task, units
            history = fit(job.epochs, checkpoint=path, every=2, resume=True)
        else:
            for number in range(job.fits):
                if number and job.reload:
                    model.save(folder / "between.json")
                    model = model_of(job)
                    model.load(folder / "between.json")
                    optimizer = optimizer_of(job, model)
                options = {"checkpoint": path, "every": 2} if job.checkpoint else {}
                history = fit(job.epochs, **options)
    except Exception as error:
        result.error = f"{type(error).__name__}: {error}"
        return result
    result.losses, result.validation, result.rule = history.losses, history.validation_losses, history.rule
    try:
        result.outputs = listed(model.outputs(shown(job, rows)))
        if job.saves:
            other = model_of(job)
            other.load(saved)
            result.saved = listed(other.outputs(shown(job, rows)))
            if (
                job.targets in CLASSES
                and job.callback != "ends"
                and other.predict(rows) != by_outputs(job, result.saved)
            ):
                result.error = "the saved model predicts something else than its outputs"
        if job.targets in CLASSES:
            result.predictions = model.predict(shown(job, rows))
            result.accuracy = mg.accuracy(model, shaped_data(job, rows, targets, swapped=True))
    except Exception as error:
        result.error = f"afterwards: {type(error).__name__}: {error}"
    return result


def by_outputs(job: Job, outputs: Sequence[Sequence[float]]) -> list[Any]:
    names = CLASSES[job.targets]
    middle = sum(map(float, numbers_of(job, names))) / 2
    return [names[[*y].index(max(y)) if len(y) > 1 else int(y[0] > middle)] for y in outputs]


def shown(job: Job, rows: Any) -> Any:
    return shaped_data(job, rows, [0.0] * len(rows), swapped=True)[0] if job.form == "frame" else rows


def listed(outputs: Sequence[Any]) -> list[list[float]]:
    return [y if isinstance(y, list) else [y] for y in outputs]


# ── Comparing ─────────────────────────────────────────────────────────────────────────────────────────


def difference(expected: Result, result: Result, job: Job) -> str:
    if result.error:
        return result.error
    if (result.rule, len(result.losses)) != (expected.rule, len(expected.losses)):
        count = len(expected.losses)
        return f"{result.rule} after {len(result.losses)} epochs for {expected.rule} after {count}"
    for name in ("outputs", "saved"):
        for i, (ours, theirs) in enumerate(
            zip(getattr(result, name), getattr(expected, name), strict=True)
        ):
            if not all(map(close, ours, theirs)):
                return f"{name} of row {i}: {ours} for {theirs}"
    for name in ("losses", "validation"):
        for i, (a, b) in enumerate(zip(getattr(result, name), getattr(expected, name), strict=True)):
            if not close(a, b):
                return f"{name} of epoch {i + 1}: {a} for {b}"
    if result.accuracy != expected.accuracy:
        return f"accuracy {result.accuracy} for {expected.accuracy}"
    if [*map(repr, result.predictions)] != [*map(repr, expected.predictions)]:
        return f"predictions {result.predictions[:3]} for {expected.predictions[:3]}"
    return ""


def close(a: float, b: float) -> bool:
    return a == b or abs(a - b) <= TOLERANCE * max(1.0, abs(b))


def try_pair(features: Sequence[str], backends: Sequence[Any] = BACKENDS) -> dict[Any, str]:
    """For each backend in what it differs from the plain loop; empty if in nothing."""
    job = job_of(features)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = by_hand(job)
        differences = {}
        for how in backends:
            if how not in {False, "auto"} and job.loss == "huber" and job.targets != "three words":
                continue  # it must refuse, which other tests show
            with tempfile.TemporaryDirectory() as folder:
                differences[how] = difference(expected, by_fit(job, how, Path(folder)), job)
    return differences


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--backends", default="")
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--only", default="", help="pairs with this feature")
    arguments = parser.parse_args()
    logging.getLogger("microgradlike").setLevel(logging.ERROR)
    backends = [*map(str, arguments.backends.split(","))] if arguments.backends else BACKENDS
    rng, start = random.Random(0), time.perf_counter()
    tried: Counter[Any] = Counter()
    differing: Counter[Any] = Counter()
    for features in pairs():
        if rng.random() > arguments.share or (arguments.only and arguments.only not in features):
            continue
        differences = try_pair(features, backends)
        tried.update(differences.keys())
        wrong = [how for how, text in differences.items() if text]
        differing.update(wrong)
        if wrong:
            print(f"{' × '.join(features)}: {', '.join(map(str, wrong))}: {differences[wrong[0]]:.200}")
        elif arguments.verbose:
            print(f"{' × '.join(features)}: {len(differences)} alike")
        sys.stdout.flush()
    print(f"\n{'compile':8} {'cells':>6} {'differing':>10}")
    for how in backends:
        print(f"{how!s:8} {tried[how]:6} {differing[how]:10}")
    print(f"{'all':8} {tried.total():6} {differing.total():10}   {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
