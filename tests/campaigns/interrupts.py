"""Ctrl-C at every point of what writes more than one number: the state after it is the old or the new one.

A trace function raises KeyboardInterrupt at one point: where a function of the package is called, or begins
a line, or an instruction, or returns. Each point of each task has its turn. Some tasks meet an error of
their own, so that their handlers are interrupted, too.

    python -m campaigns.interrupts          (in the folder tests; some minutes)
    python -m campaigns.interrupts 100      (every hundredth point, as the suite does)
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import microgradlike as mg

PACKAGE = os.path.dirname(mg.__file__)
#: Methods of the classes below that the package calls.
OWN = {"data", "update"}


class Task(NamedTuple):
    """Something that writes, and all that it may change, as something to compare."""

    act: Callable[[], object]
    state: Callable[[], object]


class Counts(NamedTuple):
    """After how many interrupts the state was the old one, the new one, and neither."""

    old: int
    new: int
    between: list[int]


@contextmanager
def interrupted(point: int, *, opcodes: bool = True) -> Iterator[list[int]]:
    """Within it, KeyboardInterrupt is raised at this point; the list says how many have passed.

    Args:
        point: the number of the point, from 1 on.
        opcodes: whether instructions are points, too, and not only lines.
    """
    passed = [0]

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        if not (frame.f_code.co_filename.startswith(PACKAGE) or frame.f_code.co_name in OWN):
            return None
        frame.f_trace_opcodes = opcodes
        passed[0] += 1
        if passed[0] == point:
            raise KeyboardInterrupt
        return trace

    earlier, hook = sys.gettrace(), sys.unraisablehook
    sys.unraisablehook = lambda _: None  # of a generator that is closed, Python says what was raised in it
    sys.settrace(trace)
    try:
        yield passed
    finally:
        sys.settrace(earlier)
        sys.unraisablehook = hook


def count(make: Callable[[], Task], every: int = 1) -> Counts:
    """Interrupt a task at every point, or at every so many."""
    task = make()
    old = task.state()
    with interrupted(-1) as passed:
        run(task)
    new = task.state()
    counts = {"old": 0, "new": 0}
    between = []
    for point in range(1, passed[0] + 1, every):
        task = make()
        assert task.state() == old
        with interrupted(point):
            run(task)
        state = task.state()
        if state == old:
            counts["old"] += 1
        elif state == new:
            counts["new"] += 1
        else:
            between.append(point)
    return Counts(**counts, between=between)


def run(task: Task) -> None:
    with suppress(KeyboardInterrupt, ArithmeticError):
        task.act()


# ── Tasks ─────────────────────────────────────────────────────────────────────────────────────────────


class Refined(mg.Value):
    """A Value whose number is set by a method in Python, which refuses 13."""

    @property
    def data(self) -> float:
        return self._number

    @data.setter
    def data(self, number: float) -> None:
        if number == 13.0:
            raise ArithmeticError("13")
        self._number = number

    __slots__ = ("_number",)


class Model(mg.Module):
    """A model of Values of one's own."""

    def __init__(self, kind: type[mg.Value] = mg.Value) -> None:
        self.w = [kind(float(i), f"w{i}") for i in range(6)]

    def __call__(self, x: Any) -> Any:
        return mg.dot(self.w[:5], [x] * 5, self.w[5])


class Averaged(mg.Optimizer):
    """An optimizer of one's own, with all kinds of state; it may fail at the fourth parameter."""

    def __init__(self, parameters: list[mg.Value], fails: bool = False) -> None:
        super().__init__(parameters, 0.5)
        self.sums: dict[mg.Value, dict[str, list[float]]] = {p: {"g": [0.0]} for p in parameters}
        self.seen: set[int] = set()
        self.fails = fails

    def update(self, i: int, parameter: mg.Value) -> None:
        self.sums[parameter]["g"].append(parameter.grad)
        self.seen.add(i)
        self.largest = max(getattr(self, "largest", 0.0), parameter.grad)
        parameter.data -= self.lr * sum(self.sums[parameter]["g"])
        if self.fails and i == 3:
            raise ArithmeticError("the fourth parameter")


def parameters_of(model: mg.Module) -> Callable[[], object]:
    return lambda: [p.data for p in model.parameters()]


def load_state_dict(kind: type[mg.Value] = mg.Value, last: float = 8.0) -> Task:
    model = Model(kind)
    state = dict.fromkeys(model.state_dict(), 7.0) | {"w.5": last}
    return Task(lambda: model.load_state_dict(state), parameters_of(model))


def load(folder: Path) -> Task:
    path = folder / "model.json"
    if not path.exists():
        other = mg.MLP(2, [2, 1], seed=1)
        other.features, other.classes, other.threshold = ["a", "b"], ["no", "yes"], 0.25
        other.save(path)
    model = mg.MLP(2, [2, 1], seed=2)
    state = parameters_of(model)
    return Task(lambda: model.load(path), lambda: (state(), [*model.features], model.classes))


def save(folder: Path) -> Task:
    path = folder / "saved.json"
    mg.MLP(2, [2, 1], seed=1).save(path)
    model = mg.MLP(2, [2, 1], seed=2)
    return Task(lambda: model.save(path), lambda: path.read_text(encoding="utf-8"))


def assign() -> Task:
    model = Model()
    program = mg.compile(lambda x: model(x[0]), [[1.0]], model.parameters(), backend="python")
    return Task(lambda: program.assign([7.0] * 6), parameters_of(model))


def step(make: Callable[[list[mg.Value]], mg.Optimizer], steps: int = 2) -> Task:
    model = Model()
    optimizer = make(model.parameters())
    for p in model.parameters():
        p.grad = 0.25
    for _ in range(steps):
        optimizer.step()
    numbers = parameters_of(model)

    def state() -> object:
        attributes = {name: thing for name, thing in vars(optimizer).items() if name != "parameters"}
        return numbers(), repr(attributes)

    return Task(optimizer.step, state)


def load_optimizer() -> Task:
    model = Model()
    first, second = (mg.Adam(model.parameters(), lr=lr) for lr in (0.1, 0.2))
    for p in model.parameters():
        p.grad = 0.25
    first.step()
    saved = json.loads(json.dumps(first.state_dict()))
    return Task(lambda: second.load_state_dict(saved), second.state_dict)


def zero_grad() -> Task:
    model = Model()
    for p in model.parameters():
        p.grad = 0.25
    return Task(model.zero_grad, lambda: [p.grad for p in model.parameters()])


def tasks(folder: Path) -> dict[str, Callable[[], Task]]:
    """By name; files lie in this folder."""
    return {
        "load_state_dict": load_state_dict,
        "load_state_dict, Values of one's own": lambda: load_state_dict(Refined),
        "load_state_dict, and an error": lambda: load_state_dict(Refined, 13.0),
        "load": lambda: load(folder),
        "save": lambda: save(folder),
        "Program.assign": assign,
        "SGD.step": lambda: step(lambda p: mg.SGD(p, lr=0.5)),
        "SGD.step, momentum": lambda: step(lambda p: mg.SGD(p, lr=0.5, momentum=0.9)),
        "Adam.step": lambda: step(mg.Adam),
        "AdamW.step": lambda: step(mg.AdamW),
        "step of one's own": lambda: step(Averaged),
        "step of one's own, and an error": lambda: step(lambda p: Averaged(p, fails=True), steps=0),
        "Optimizer.load_state_dict": load_optimizer,
        "zero_grad": zero_grad,
    }


# ── Training ──────────────────────────────────────────────────────────────────────────────────────────

EPOCHS = 3


def train(folder: Path, kind: str, epochs: int = EPOCHS) -> tuple[Any, Any, Callable[[], Any]]:
    """A network, its optimizer, and a training of so many epochs; all kinds end with a lower loss."""
    rows = [[0.1 * i, 50.0 + (7 * i % 10)] for i in range(8)]
    network = mg.MLP(2, [2, 1], activation="tanh")
    parameters = network.parameters()
    optimizer: mg.Optimizer = mg.SGD(parameters, lr=0.01, momentum=0.5)
    options: dict[str, Any] = {"epochs": epochs, "progress": False, "compile": False}
    data: Any = ([[a, b / 60] for a, b in rows], [2 * a - b / 60 for a, b in rows])
    if kind == "batches":
        optimizer = mg.Adam(parameters, lr=0.01)
        options |= {"batch_size": 3, "validation": data}
    if kind == "standardized":
        data = (rows, [3000 * a for a, _ in rows])
        options |= {"standardize": True, "callback": lambda history: None}
    if kind == "words":
        data = (data[0], ["high" if a > 0.4 else "low" for a, _ in rows])
        options |= {"checkpoint": folder / "run.json", "every": 1, "compile": "auto"}
    if kind == "own optimizer":
        optimizer = Averaged(parameters)
        optimizer.lr = 1e-4
        options |= {"schedule": lambda epoch: 1e-4 / (1 + epoch)}
    if kind == "error":
        options |= {"schedule": lambda epoch: 0.01 if epoch < 2 else -1.0}
    return network, optimizer, lambda: mg.fit(network, data, optimizer=optimizer, **options)


def situation(network: Any, optimizer: Any) -> tuple[list[float], str, str]:
    """All that a training changes, but for its history."""
    state = {name: thing for name, thing in vars(optimizer).items() if name not in {"parameters", "lr"}}
    if "sums" in state:  # by parameter
        state["sums"] = [*state["sums"].values()]
    about = repr((network.features, network.task, network.units))
    return [p.data for p in network.parameters()], repr(state), about


class TrainingCounts(NamedTuple):
    """After how many interrupts fit raised, or returned, with a state that belongs to what it said."""

    raised: int
    returned: int
    wrong: list[int]


def count_training(folder: Path, kind: str, every: int = 1) -> TrainingCounts:
    """Interrupt a training at every so many lines: its state is that after whole epochs, as it says."""
    whole: list[Any] = []
    for epochs in range(1, EPOCHS + 1):
        network, optimizer, run_training = train(folder, kind, epochs)
        (folder / "run.json").unlink(missing_ok=True)
        with suppress(ValueError):
            history = run_training()
            whole.append((situation(network, optimizer), history.losses))
    network, optimizer, run_training = train(folder, kind)
    old = situation(network, optimizer)
    with interrupted(-1, opcodes=False) as passed, suppress(ValueError):
        run_training()
    raised, returned, wrong = 0, 0, []
    for point in range(1, passed[0] + 1, every):
        (folder / "run.json").unlink(missing_ok=True)
        network, optimizer, run_training = train(folder, kind)
        history = None
        with interrupted(point, opcodes=False), suppress(KeyboardInterrupt, ValueError):
            history = run_training()
        now = situation(network, optimizer)
        if history is None:
            raised += 1
            right = now == old or any(now == state for state, _ in whole)
        else:
            returned += 1
            n = len(history)
            right = history.losses == whole[n - 1][1] and now == whole[n - 1][0] if n else now[0] == old[0]
        if not right:
            wrong.append(point)
    return TrainingCounts(raised, returned, wrong)


TRAININGS = ["whole", "batches", "standardized", "words", "own optimizer", "error"]


def main() -> None:
    every = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    print(f"{'task':38} {'points':>7} {'old':>7} {'new':>7} {'between':>7}")
    with tempfile.TemporaryDirectory() as folder:
        for name, make in tasks(Path(folder)).items():
            old, new, between = count(make, every)
            print(f"{name:38} {old + new + len(between):7,} {old:7,} {new:7,} {len(between):7,}")
        print(f"\n{'fit, at lines':38} {'points':>7} {'raised':>7} {'ended':>7} {'wrong':>7}")
        for kind in TRAININGS:
            raised, returned, wrong = count_training(Path(folder), kind, every)
            points = raised + returned + len(wrong)
            print(f"{kind:38} {points:7,} {raised:7,} {returned:7,} {len(wrong):7,}")
            if wrong:
                print(f"    {wrong[:20]}")


if __name__ == "__main__":
    main()
