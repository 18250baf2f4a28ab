"""Nothing stays behind: each feature again and again, and as much memory, as many objects as before.

A repetition that keeps anything keeps at least one block of memory, so the blocks grow by the number of
repetitions or more. The collector is off, so that cycles count, too, where a feature should have none.

MICROGRADLIKE_REPETITIONS=10000 python -m pytest tests/test_leaks.py repeats each so often (8 minutes).
"""

import copy
import gc
import os
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import microgradlike as mg
from microgradlike import Value

TABLE = mg.data.xor()
BATCH = [[0.0, 0.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]


def graph() -> tuple[Value, Value]:
    """A loss and a leaf of it."""
    x, w = Value(0.5, "x"), Value(2.0, "w")
    y = mg.softmax([x * w, (x**2).tanh(), mg.maximum(x, 3), 1 - w])[0] + mg.dot([x, w], [w, 1.0]) ** 1.5
    return y, w


def network(**settings: Any) -> mg.MLP:
    return mg.MLP(2, [2, 1], activation="tanh", **settings)


def build_and_backward() -> None:
    y, _ = graph()
    y.backward()
    y.backward()


def derivatives() -> None:
    y, w = graph()
    [dy] = mg.grad(y, [w])
    dy.backward()
    mg.hessian(y, [w])
    mg.jvp(y, [w], [1.0])


def walk() -> None:
    y, w = graph()
    cursor = mg.steps(y)
    for step in cursor:
        str(step)
    while cursor.position:
        cursor.back()
    cursor.goto(w)
    cursor.guess(3.0)
    cursor.reset()


def explanation() -> None:
    why = mg.explain(*graph())
    str(why), repr(why), why._repr_latex_(), why.paths[0].formulas
    why.picture().source


def effect() -> None:
    effect = mg.ripple(*graph(), 0.1)
    str(effect), effect._repr_html_()
    effect.picture().source


def receipted() -> None:
    y, w = graph()
    for _ in range(2):
        y.backward(receipts=True)
    str(mg.receipts(w))


def written() -> None:
    y, _ = graph()
    mg.formula(y, depth=2), mg.formula(y, latex=True, digits=3), repr(y)


def drawn() -> None:
    y, _ = graph()
    mg.draw(y).source, mg.draw(y, detail="values").source, mg.draw(y, max_nodes=3).source
    mg.draw(network()).source


def shown() -> None:
    y, _ = graph()
    things: list[Any] = [y, network()]
    for thing in things:
        thing._repr_mimebundle_(include=["text/plain"])
    mg.steps(y)[0]._repr_latex_()


def not_recorded() -> None:
    y, w = graph()
    with mg.no_grad():
        mg.tanh(w * w)
    y.detach()


def thrown() -> None:
    y, w = graph()
    with suppress(ValueError):
        mg.log(y * w - 100.0)
    with suppress(ZeroDivisionError):
        y / (w - w)
    with suppress(TypeError):
        y + "1"  # type: ignore[arg-type]
    w.data = 3.0
    with suppress(RuntimeError):
        mg.grad(y, [w])
    with suppress(ValueError), mg.no_grad():
        mg.sqrt(-w)


def exponents_that_differ() -> None:
    """In a computation, an exponent may be another number each time."""
    counter[0] += 1
    x = Value(1.5)
    (x ** (1.0 + counter[0] / 2**20)).backward()


counter = [0]


def copied() -> None:
    y, _ = graph()
    model = network()
    copy.deepcopy(y), copy.copy(y), pickle.loads(pickle.dumps(y))
    copy.deepcopy(model), pickle.loads(pickle.dumps(model))


def optimised() -> None:
    model = network()
    for optimizer in (mg.SGD(model.parameters(), lr=0.1, momentum=0.5), mg.Adam(model.parameters())):
        optimizer.zero_grad()
        mg.mse_loss([model(x) for x in TABLE.rows], [0, 1, 1, 0]).backward()
        optimizer.step()


def trained(backend: str | bool) -> Callable[[], None]:
    def train() -> None:
        model = network()
        sgd = mg.SGD(model.parameters(), lr=0.1)
        repr(mg.fit(model, TABLE, optimizer=sgd, epochs=2, batch_size=2, validation=0.5, compile=backend))

    return train


def diagnosed() -> None:
    str(mg.diagnose(network(), TABLE))


def checked() -> None:
    mg.gradcheck(lambda a, b: a * b.tanh(), [0.5, 1.5])


def compiled(backend: str) -> Callable[[], None]:
    def make() -> None:
        model = network()
        loss = lambda x, t: mg.half_squared_error(model(x), t)  # noqa: E731
        program = mg.compile(loss, [[0.0, 0.0], 1.0], model.parameters(), backend=backend)
        program(BATCH), program.value(BATCH), str(program)

    return make


def called(backend: str) -> Callable[[], None]:
    model = network()
    loss = lambda x, t: mg.half_squared_error(model(x), t)  # noqa: E731
    program = mg.compile(loss, [[0.0, 0.0], 1.0], model.parameters(), backend=backend, check=True)

    def call() -> None:
        program(BATCH), program.value(BATCH), program(BATCH * 30)
        with suppress(ValueError):
            program([[1.0]])
        with suppress(FloatingPointError):
            program([[1e300, 1e300, 1e300]])

    return call


def saved() -> None:
    model = network()
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.json")
        model.save(path)
        model.load(path)
        mg.nn.load(path)


#: What, how often, and how many objects may wait for the collector each time: some are left in cycles by
#: json, by tqdm, and by the search for what is not finite.
FEATURES: dict[str, tuple[Callable[[], None], int, int]] = {
    "build and backward": (build_and_backward, 500, 0),
    "grad, hessian, jvp": (derivatives, 100, 0),
    "steps": (walk, 50, 0),
    "explain": (explanation, 50, 0),
    "ripple": (effect, 50, 0),
    "receipts": (receipted, 100, 0),
    "formula": (written, 100, 0),
    "draw": (drawn, 50, 0),
    "display": (shown, 50, 0),
    "no_grad": (not_recorded, 500, 0),
    "exceptions": (thrown, 100, 0),
    "exponents": (exponents_that_differ, 2000, 0),
    "deepcopy and pickle": (copied, 50, 0),
    "optimisers": (optimised, 50, 0),
    "gradcheck": (checked, 50, 0),
    "diagnose": (diagnosed, 30, 0),
    "models and files": (saved, 30, 50),
    "fit": (trained(False), 50, 10),
    "fit, compiled to Python": (trained("python"), 30, 10),
    "compile to Python": (compiled("python"), 50, 0),
    "calls of Python code": (called("python"), 100, 10),
}
if find_spec("numpy"):
    FEATURES["fit, compiled to numpy"] = trained("numpy"), 20, 10
    FEATURES["compile to numpy"] = compiled("numpy"), 20, 0
    FEATURES["calls of numpy code"] = called("numpy"), 100, 10
if find_spec("numpy") and find_spec("llvmlite"):
    FEATURES["calls of native code"] = called("llvm"), 100, 10


def memory() -> tuple[int, int]:
    """How many blocks and objects there are, where Python's own stores of freed objects are full."""
    for size in range(21):
        [*map(tuple, [[None] * size] * 2500)], [[] for _ in range(100)], [{} for _ in range(100)]
    [float(i) for i in range(200)]
    return sys.getallocatedblocks(), len(gc.get_objects())


def growth(action: Callable[[], None], repetitions: int) -> tuple[int, int, int]:
    """By how many blocks and objects memory grows over so many repetitions, and what was in cycles."""
    gc.disable()
    try:
        for _ in range(max(5, repetitions // 10)):  # the first calls fill caches
            action()
        gc.collect()
        blocks, objects = memory()
        for _ in range(repetitions):
            action()
        in_cycles = gc.collect()
        blocks_then, objects_then = memory()
        return blocks_then - blocks, objects_then - objects, in_cycles
    finally:
        gc.enable()


@pytest.mark.parametrize(("action", "times", "waiting"), FEATURES.values(), ids=FEATURES.keys())
def test_memory_stays_as_it_is(action: Callable[[], None], times: int, waiting: int) -> None:
    times = int(os.environ.get("MICROGRADLIKE_REPETITIONS", times))
    for _ in range(10):  # Python's own stores grow, too, but not for ever
        blocks, objects, in_cycles = growth(action, times)
        if blocks < times:
            break
    assert blocks < times
    assert objects < times / 2
    assert in_cycles <= waiting * times


def test_a_leak_is_noticed() -> None:
    kept: list[Any] = []

    def leaks() -> None:
        y, w = graph()
        y.backward()
        kept.append(w)

    def cycles() -> None:
        y, w = graph()
        w.name = y  # type: ignore[assignment]

    blocks, objects, in_cycles = growth(leaks, 100)
    assert blocks >= 100
    assert objects >= 100
    assert in_cycles == 0
    _, _, in_cycles = growth(cycles, 100)
    assert in_cycles >= 100


def resident() -> int:
    """The bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="this system does not tell a process's memory"
)
@pytest.mark.parametrize("make", [compiled("llvm"), trained("llvm")], ids=["compile", "fit"])
def test_native_code_is_freed(make: Callable[[], None]) -> None:
    """Without the collector, which does not know how much memory it is."""
    pytest.importorskip("llvmlite")
    gc.disable()
    try:
        for _ in range(5):
            make()
        before = resident()
        for _ in range(15):
            make()
        growth = resident() - before
    finally:
        gc.enable()
    assert growth / 15 < 400_000
