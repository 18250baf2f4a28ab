"""Several threads, asyncio tasks and processes at once; and Ctrl-C at any line."""

import asyncio
import contextvars
import copy
import gc
import math
import multiprocessing
import pickle
import random
import sys
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import microgradlike as mg
from microgradlike import Value

THREADS = 6


@pytest.fixture(autouse=True)
def threads_that_take_turns_often() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_threads(work: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """What work(0), work(1), … give, all at once, each in a thread of its own."""
    results: list[Any] = [None] * threads
    start = threading.Barrier(threads)

    def one(i: int) -> None:
        start.wait()
        try:
            results[i] = work(i)
        except BaseException as error:
            results[i] = error

    running = [threading.Thread(target=one, args=(i,)) for i in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


# ── Work that has nothing to do with that of others ───────────────────────────────────────────────────


def graph(i: int) -> tuple[Value, list[Value]]:
    """A loss that shares its inner values and uses many operations; and its leaves."""
    rng = random.Random(i)
    leaves = [Value(rng.uniform(0.5, 1.5), f"x{j}") for j in range(6)]
    values = [*leaves]
    for _ in range(60):
        a, b = rng.choice(values), rng.choice(values)
        values.append(rng.choice([a * b, a + b, a.tanh(), (a - b) / 2, mg.maximum(a, b), abs(a) ** 1.5]))
    return mg.mean(mg.tanh(v) for v in values[-20:]) + mg.logsumexp(values[-3:]), leaves


def backward(i: int) -> Any:
    loss, leaves = graph(i)
    for _ in range(3):
        loss.backward()
    return loss.data, [leaf.grad for leaf in leaves]


def derivatives(i: int) -> Any:
    loss, leaves = graph(i)
    hessian = mg.hessian(loss, leaves[:3])
    return [[d.data for d in row] for row in hessian], mg.jvp(loss, leaves, [1.0] * len(leaves))


def readings(i: int) -> Any:
    loss, leaves = graph(i)
    leaf = next(v for v in mg.topological_order(loss) if v in leaves)
    loss.backward(receipts=True)
    texts = [str(mg.receipts(leaf))]
    cursor = mg.steps(loss)
    texts += [str(step) for step in cursor]  # the last one is a backward pass, without receipts
    cursor.goto(2)
    texts += [str(cursor.coming), mg.formula(loss), str(mg.explain(loss, leaf))]
    return [*texts, str(mg.ripple(loss, leaf, 0.125)), mg.draw(loss).source]


def training(i: int, backend: str | bool = False) -> Any:
    model = mg.MLP(2, [4, 1], activation="tanh", seed=i)
    adam = mg.Adam(model.parameters(), lr=0.01)
    history = mg.fit(model, mg.data.xor(), optimizer=adam, epochs=12, batch_size=3, seed=i, compile=backend)
    return history.losses, history.backend, [p.data for p in model.parameters()]


def files(i: int) -> Any:
    model = mg.MLP(2, [3, 1], seed=i)
    again = pickle.loads(pickle.dumps(model))
    third = copy.deepcopy(again)
    return third.state_dict(), third.predict([[0.5, float(i)]])


WORK: dict[str, Callable[[int], Any]] = {
    "backward": backward,
    "derivatives": derivatives,
    "readings": readings,
    "gradcheck": lambda i: mg.gradcheck(lambda x, y: (x * y).tanh() + x**1.5, [0.5 + i, 0.25]),
    "exponents": lambda i: [(Value(1.5) ** (j / 7)).data for j in range(i, i + 200)],
    "fit, Value by Value": training,
    "fit, compiled to Python": lambda i: training(i, "python"),
    "fit, compiled to numpy": lambda i: training(i, "numpy"),
    "files": files,
    "data": lambda i: mg.data.moons(50, seed=i),
    "no_grad": lambda i: mg.MLP(2, [5, 1], seed=i).outputs([[0.1 * j, 1.0] for j in range(30)]),
}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK.keys())
def test_threads_of_their_own_give_the_same_bits_as_one(work: Callable[[int], Any]) -> None:
    alone = [work(i) for i in range(THREADS)]
    assert repr(in_threads(work)) == repr(alone)  # nan is like nan there, and −0 unlike 0


def test_native_code_is_made_in_several_threads_at_once() -> None:
    pytest.importorskip("llvmlite")
    alone = [training(i, "llvm") for i in range(3)]
    assert in_threads(lambda i: training(i, "llvm"), threads=3) == alone


# ── One model for all ─────────────────────────────────────────────────────────────────────────────────


def test_one_model_is_read_by_many_threads() -> None:
    """`grad` writes to nobody's .grad; `backward` would add to the parameters of all."""
    model = mg.MLP(3, [6, 6, 1], activation="tanh")

    def work(i: int) -> Any:
        seen: list[Any] = []
        for j in range(20):
            loss = mg.half_squared_error(model([i / 7, j / 20, 1.0]), 0.5)
            seen.append((loss.data, [g.data for g in mg.grad(loss, model.parameters())]))
            seen.append(model.outputs([[i / 7, j / 20, 1.0]]))
        return seen

    alone = [work(i) for i in range(THREADS)]
    assert in_threads(work) == alone
    assert {p.grad for p in model.parameters()} == {mg.NOT_COMPUTED}


def test_a_copy_for_each_thread_and_backward() -> None:
    """What a thread adds to are the leaves of its own copy; the sum is made at the end."""
    model = mg.MLP(2, [4, 1], activation="tanh")

    def work(i: int) -> list[float]:
        mine = copy.deepcopy(model)
        for j in range(20):
            mg.half_squared_error(mine([i, j / 20]), 1.0).backward()
        return [p.grad for p in mine.parameters()]

    alone = [work(i) for i in range(THREADS)]
    assert in_threads(work) == alone


# ── no_grad, thread by thread and task by task ────────────────────────────────────────────────────────


def records() -> bool:
    w = Value(3.0)
    return bool((w * w).parents)


def test_no_grad_is_of_one_thread() -> None:
    inside, outside = threading.Event(), threading.Event()

    def work(i: int) -> list[bool]:
        if i:
            inside.wait()
            seen = [records()]
            outside.set()
            return seen
        with mg.no_grad():
            inside.set()
            outside.wait()
            seen = [records()]
        return [*seen, records()]

    assert in_threads(work, threads=2) == [[False, True], [True]]


def test_no_grad_is_of_one_task() -> None:
    async def evaluates() -> list[bool]:
        seen = []
        for _ in range(5):
            with mg.no_grad():
                seen.append(records())
                await asyncio.sleep(0)
                seen.append(records())
            await asyncio.sleep(0)
        return [*seen, not records()]

    async def trains() -> list[bool]:
        seen = []
        for _ in range(20):
            seen.append(records())
            await asyncio.sleep(0)
        return seen

    async def both() -> list[list[bool]]:
        return [*await asyncio.gather(evaluates(), trains(), evaluates())]

    assert asyncio.run(both()) == [[False] * 11, [True] * 20, [False] * 11]


def test_a_task_that_is_begun_within_no_grad_stays_so() -> None:
    async def main() -> tuple[bool, bool]:
        async def task() -> bool:
            await asyncio.sleep(0)
            return records()

        with mg.no_grad():
            begun = asyncio.create_task(task())
        return await begun, records()

    assert asyncio.run(main()) == (False, True)


def evaluations() -> Generator[bool, None, None]:
    with mg.no_grad():
        yield records()
        yield records()


ORDERS = {
    "one after the other": [0, 0, 0, 1, 1, 1],
    "nested": [0, 1, 1, 1, 0, 0],
    "interleaved, first in, first out": [0, 1, 0, 0, 1, 1],
    "three": [0, 1, 2, 0, 2, 1, 0, 1, 2],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
def test_generators_leave_no_grad_in_any_order(order: list[int]) -> None:
    generators = [evaluations() for _ in range(3)]
    for i in order:
        assert next(generators[i], False) is False
    assert records()


def test_a_generator_is_closed_early_or_in_a_context_that_it_never_entered() -> None:
    for _ in evaluations():
        break
    assert records()
    generator = evaluations()
    contextvars.copy_context().run(next, generator)
    generator.close()
    assert records()


def test_no_grad_ends_with_an_exception() -> None:
    with pytest.raises(ValueError, match="undefined"), mg.no_grad(), mg.no_grad():
        mg.log(Value(-1.0))
    assert records()


def test_no_grad_as_a_decorator() -> None:
    @mg.no_grad()
    def evaluate(depth: int) -> bool:
        if depth == 0:
            raise KeyError
        return evaluate(depth - 1) if depth > 1 else records()

    assert evaluate(3) is False
    with pytest.raises(KeyError):
        evaluate(0)
    assert records()
    assert in_threads(lambda i: evaluate(i + 1)) == [False] * THREADS


def generator() -> Iterator[bool]:
    yield records()


async def coroutine() -> bool:
    return records()


async def asynchronous_generator() -> AsyncIterator[bool]:
    yield records()


@pytest.mark.parametrize("function", [generator, coroutine, asynchronous_generator])
def test_no_grad_decorates_nothing_that_runs_later(function: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=rf"{function.__name__} goes on after its call returns: write"):
        mg.no_grad()(function)


def test_a_compiled_function_sees_the_context_of_its_user() -> None:
    rate = contextvars.ContextVar("rate", default=1.0)
    w = Value(3.0, "w")

    def work(i: int) -> Any:
        rate.set(i + 2.0)
        with mg.no_grad():
            program = mg.compile(lambda x: x * w * rate.get(), [1.0], [w], backend="python")
            assert not records()
        return program([[1.0]]).loss

    assert in_threads(work, threads=2) == [6.0, 9.0]


# ── Processes ─────────────────────────────────────────────────────────────────────────────────────────


def gradients_in_a_process(model: mg.MLP) -> Any:
    loss = mg.half_squared_error(model([0.25, 0.5]), 1.0)
    loss.backward()
    return loss.data, [p.grad for p in model.parameters()], records()


@pytest.mark.parametrize(
    "how", [m for m in ("spawn", "forkserver") if m in multiprocessing.get_all_start_methods()]
)
def test_a_model_goes_to_another_process_and_back(how: str) -> None:
    model = mg.MLP(2, [3, 1], activation="tanh")
    with ProcessPoolExecutor(1, multiprocessing.get_context(how)) as pool, mg.no_grad():
        there = pool.submit(gradients_in_a_process, model).result()
    assert there == gradients_in_a_process(model)


# ── Ctrl-C ────────────────────────────────────────────────────────────────────────────────────────────

PACKAGE = str(Path(mg.__file__).parent)


def interrupted(action: Callable[[], Any], at: int) -> bool:
    """Whether Ctrl-C came before the package's line number ``at`` that the action executes."""
    left = at

    def line(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line":
            left -= 1
            if left < 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return line

    earlier = sys.gettrace()
    sys.settrace(line)
    try:
        action()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(earlier)
    return False


def lines_of(action: Callable[[], Any], step: int = 1) -> Iterator[int]:
    """Interrupt the action at each line, or at each of so many, and tell where it was."""
    at = 0
    while interrupted(action, at):
        yield at
        at += step
    assert at > 10 * step, "it was hardly interrupted"
    assert gc.isenabled()
    assert records()


@pytest.mark.parametrize("receipts", [False, True])
def test_backward_is_done_or_not(receipts: bool) -> None:
    a, b, c = Value(2.0, "a"), Value(3.0, "b"), Value(5.0, "c")
    loss = (a * b + c) * a
    (a * a).backward(receipts=receipts)
    b.grad = 7.0
    for _ in lines_of(lambda: loss.backward(receipts=receipts)):
        assert (a.grad, b.grad, c.grad) == (4.0, 7.0, 0.0)
    assert (a.grad, b.grad, c.grad) == (4.0 + 17.0, 7.0 + 4.0, 2.0)


def test_a_walk_can_be_undone() -> None:
    a, b = Value(2.0, "a"), Value(3.0, "b")
    loss = (a * b).tanh() * a
    a.grad = 5.0
    cursor = mg.steps(loss)
    twin_a, twin_b = Value(2.0, "a"), Value(3.0, "b")
    twin_a.grad = 5.0
    ((twin_a * twin_b).tanh() * twin_a).backward()
    before, after = (5.0, mg.NOT_COMPUTED), (twin_a.grad, twin_b.grad)
    for _ in lines_of(cursor.run):
        cursor.reset()
        assert (a.grad, b.grad) in (before, after)  # the last step is one backward pass, once


def test_reading_changes_nothing() -> None:
    loss, leaves = graph(0)
    loss.backward()
    before = [(v.data, v.grad, v.parents, v.evaluation) for v in mg.topological_order(loss)]

    def read() -> None:
        mg.explain(loss, leaves[0], limit=1)
        mg.ripple(loss, leaves[0], 0.5)
        mg.grad(loss, leaves)
        mg.draw(loss).source
        mg.compile(loss, leaves[:2], backend="python")([[1.0, 1.0]])

    for _ in lines_of(read, step=4999):
        assert [(v.data, v.grad, v.parents, v.evaluation) for v in mg.topological_order(loss)] == before


def test_the_collector_is_on_after_an_interrupted_compilation() -> None:
    x = mg.Value(0.5, "x")
    y = mg.tanh(x)
    for _ in lines_of(lambda: mg.compile(y, [x], backend="python")):
        assert gc.isenabled()


@pytest.mark.parametrize("backend", [False, "python"])
def test_a_training_ends_after_a_whole_update(backend: Any) -> None:
    table = mg.data.xor()

    def train(epochs: int) -> mg.MLP:
        model = mg.MLP(2, [2, 1], activation="tanh")
        adam = mg.Adam(model.parameters(), lr=0.1)
        mg.fit(model, table, optimizer=adam, epochs=epochs, compile=backend)
        return model

    trajectory = [mg.MLP(2, [2, 1], activation="tanh").state_dict()]
    trajectory += [train(epochs).state_dict() for epochs in (1, 2, 3)]
    ended = set()
    model = mg.MLP(2, [2, 1], activation="tanh")

    def action() -> None:
        nonlocal model
        model = mg.MLP(2, [2, 1], activation="tanh")
        adam = mg.Adam(model.parameters(), lr=0.1)
        history = mg.fit(model, table, optimizer=adam, epochs=3, compile=backend)
        ended.add((history.rule, len(history)))
        assert len(history.losses) == len(history.changes) == len(history.seconds) == len(history)
        assert all(map(math.isfinite, history.losses))
        if history.rule == "Ctrl-C":
            raise KeyboardInterrupt

    for _ in lines_of(action, step=61):
        assert model.state_dict() in trajectory
    assert {rule for rule, _ in ended} == {"Ctrl-C", "epochs"}
    assert len(ended) > 2
