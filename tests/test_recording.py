"""Functions that must record do so within `no_grad`, and give what they give outside."""

import asyncio
import contextlib
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import pytest

import microgradlike as mg
from microgradlike import Value
from microgradlike.engine import recording


def cubed() -> tuple[Value, Value]:
    x = Value(2.0, "x")
    return x**3, x


def product() -> tuple[Value, list[Value]]:
    a, b = Value(2.0, "a"), Value(0.5, "b")
    return a * a * b.exp(), [a, b]


def network() -> mg.MLP:
    return mg.MLP(2, [2, 1], activation="tanh", output_activation="sigmoid")


def loss() -> tuple[Value, mg.MLP]:
    model = network()
    return mg.half_squared_error(model([0.5, -1.0]), 1.0), model


def weight(model: mg.MLP) -> Value:
    return model.parameters()[0]


def numbers(tree: Any) -> Any:
    return [numbers(x) for x in tree] if isinstance(tree, list) else float(tree)


def f(a: Value, b: Value) -> Value:
    return a * b.exp() + a**3


def trained(way: Any, **options: Any) -> Any:
    model = network()
    optimizer = mg.SGD(model.parameters(), lr=2.0, momentum=0.5)
    history = mg.fit(
        model, mg.data.xor(), optimizer=optimizer, epochs=5, compile=way, progress=False, **options
    )
    return history.losses, history.stopped, model.state_dict()


def walked(cursor: Any) -> str:
    cursor.run()
    return str(cursor)


def wrong_derivative() -> str:
    with pytest.raises(AssertionError) as caught:
        mg.gradcheck(lambda a: a * a.detach(), [1.5])
    return str(caught.value)


#: The first function is called outside, the second, with its result, within `no_grad`.
READINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "grad": (product, lambda p: numbers(mg.grad(*p))),
    "grad of a grad": (cubed, lambda p: mg.grad(mg.grad(p[0], [p[1]])[0], [p[1]])[0].data),
    "the graph of a grad": (cubed, lambda p: mg.formula(mg.grad(p[0], [p[1]])[0])),
    "jacobian": (product, lambda p: numbers(mg.jacobian([p[0], p[0]], p[1]))),
    "hessian": (product, lambda p: numbers(mg.hessian(*p))),
    "jvp": (product, lambda p: mg.jvp(p[0], p[1], [1.0, 2.0])),
    "gradcheck": (lambda: None, lambda _: str(mg.gradcheck(f, [1.5, 0.5]))),
    "gradcheck of a grad": (
        lambda: None,
        lambda _: str(mg.gradcheck(lambda x: mg.grad(x**3, [x])[0], [1.5])),
    ),
    "gradcheck that fails": (lambda: None, lambda _: wrong_derivative()),
    "fit": (lambda: None, lambda _: trained("auto")),
    "fit, eager": (lambda: None, lambda _: trained(False)),
    "fit, compiled": (lambda: None, lambda _: trained("python")),
    "fit in standard units": (lambda: None, lambda _: trained("auto", standardize=True)),
    "fit with a loss of one's own": (
        lambda: None,
        lambda _: trained(False, loss=lambda y, t: (y - t) ** 2, batch_size=2),
    ),
    "diagnose": (network, lambda model: str(mg.diagnose(model, mg.data.xor(), lr=0.1))),
    "compile of a function": (lambda: None, lambda _: mg.compile(f, [1.5, 0.5], backend="python").source),
    "compile of a Value": (
        product,
        lambda p: mg.compile(p[0], inputs=p[1][:1], wrt=p[1][1:], backend="python").source,
    ),
    "a program": (
        lambda: mg.compile(f, [1.5, 0.5], backend="numpy"),
        lambda program: numbers([program([[1.5, 0.5]]).loss]),
    ),
    "backward": (loss, lambda p: (p[0].backward(), [w.grad for w in p[1].parameters()])),
    "steps": (loss, lambda p: str(mg.steps(p[0]))),
    "steps, walked": (loss, lambda p: walked(mg.steps(p[0]))),
    "steps that were begun": (lambda: mg.steps(loss()[0]), walked),
    "a page": (loss, lambda p: len(mg.steps(p[0])._repr_html_())),
    "explain": (loss, lambda p: str(mg.explain(p[0], weight(p[1])))),
    "ripple": (loss, lambda p: str(mg.ripple(p[0], weight(p[1]), 0.1))),
    "formula": (loss, lambda p: mg.formula(p[0])),
    "draw": (loss, lambda p: str(mg.draw(p[0]))),
    "receipts": (loss, lambda p: (p[0].backward(receipts=True), str(mg.receipts(weight(p[1]))))),
    "accuracy": (network, lambda model: mg.accuracy(model, mg.data.xor())),
}


@pytest.mark.parametrize("reading", READINGS)
def test_a_reading_within_no_grad_is_that_outside(reading: str) -> None:
    prepare, read = READINGS[reading]
    expected = read(prepare())
    there = prepare()
    with mg.no_grad():
        assert read(there) == expected
        with mg.no_grad():
            assert read(prepare_outside(prepare)) == expected
        assert (Value(2.0) * 3.0).op is None  # and no_grad goes on
    assert (Value(2.0) * 3.0).op is not None


def prepare_outside(prepare: Callable[[], Any]) -> Any:
    with recording():
        return prepare()


def test_every_public_function_that_differentiates_is_among_them() -> None:
    covered = " ".join(READINGS)
    for name in (
        "grad",
        "jacobian",
        "hessian",
        "jvp",
        "gradcheck",
        "fit",
        "diagnose",
        "compile",
        "steps",
        "explain",
    ):
        assert name in covered


def test_the_cases_of_the_report() -> None:
    y, x = cubed()
    with mg.no_grad():
        assert numbers(mg.hessian(y, [x])) == [[12.0]]
        losses, _, state = trained("auto")
    assert losses[-1] < losses[0] and state != network().state_dict()


def test_a_loss_may_say_no_grad_itself() -> None:
    """As for a part of a target that is held still: that is not recorded, in `fit` neither."""
    held: list[Any] = []

    def held_still(y: Value, t: float) -> Value:
        with mg.no_grad():
            held.append((y * 2.0).op)
        return (y - t) ** 2

    with mg.no_grad():
        trained(False, loss=held_still)
    assert set(held) == {None}


def test_recording_is_undone_by_an_error() -> None:
    with mg.no_grad():
        with pytest.raises(TypeError):
            mg.grad(Value(1.0), [1.0])  # type: ignore[list-item]
        with pytest.raises(ZeroDivisionError):
            mg.gradcheck(lambda a: a / 0, [1.0])
        assert (Value(2.0) * 3.0).op is None


# ── Generators and tasks, which may leave in any order ────────────────────────────────────────────────


def within() -> Generator[None]:
    with mg.no_grad():
        yield


def is_recorded() -> bool:
    return (Value(2.0) * 3.0).op is not None


def test_a_generator_that_is_entered_outside_and_left_inside() -> None:
    generator = within()
    next(generator)
    with recording():
        assert is_recorded()
        generator.close()
        assert is_recorded()
        with mg.no_grad():
            assert not is_recorded()
        assert is_recorded()
    assert is_recorded()


def test_a_generator_that_is_entered_inside_and_left_outside() -> None:
    with mg.no_grad():
        with recording():
            generator = within()
            next(generator)
            assert not is_recorded()
        assert not is_recorded()
        generator.close()
        assert not is_recorded()
    assert is_recorded()


@pytest.mark.parametrize("seed", range(20))
def test_any_order(seed: int) -> None:
    """Recorded is what no `no_grad` is open for, of those that were entered since `recording` began."""
    rng = np.random.default_rng(seed)
    levels: list[list[Generator[None]]] = [[]]  # the open generators, by the `recording` that they are in

    def walk(depth: int) -> None:
        for _ in range(8):
            choice = rng.integers(4)
            if choice <= 1:
                levels[-1].append(within())
                next(levels[-1][-1])
            elif choice == 2 and depth < 4:
                with recording():
                    levels.append([])
                    assert is_recorded()
                    walk(depth + 1)
                still_open = levels.pop()
                levels[-1] += still_open
            else:
                level = levels[rng.integers(len(levels))]
                if level:
                    level.pop(rng.integers(len(level))).close()
            assert is_recorded() == (not levels[-1])

    walk(0)
    while levels[0]:
        levels[0].pop().close()
    assert is_recorded()


def test_tasks_do_not_see_each_other() -> None:
    async def record_for_a_while() -> list[bool]:
        seen = []
        with recording():
            for _ in range(5):
                await asyncio.sleep(0)
                seen.append(is_recorded())
        return seen

    async def not_for_a_while() -> list[bool]:
        seen = []
        with mg.no_grad():
            for _ in range(5):
                await asyncio.sleep(0)
                seen.append(is_recorded())
        return seen

    async def both() -> Any:
        with mg.no_grad():
            return await asyncio.gather(record_for_a_while(), not_for_a_while())

    assert asyncio.run(both()) == [[True] * 5, [False] * 5]


def test_contexts_of_a_loss_are_kept() -> None:
    """A context variable that a user's function sets stays set."""
    from contextvars import ContextVar

    seen: ContextVar[int] = ContextVar("seen", default=0)

    def counted(a: Value) -> Value:
        seen.set(seen.get() + 1)
        return a * a

    with mg.no_grad(), contextlib.nullcontext():
        mg.gradcheck(counted, [1.0])
    assert seen.get() > 1
