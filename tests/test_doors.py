"""Whatever takes numbers takes the same ones and refuses the same, in the same words."""

import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import microgradlike as mg
from microgradlike import Value
from microgradlike.checks import real

ANY: Any = mg  # for calls that a type checker refuses

#: Each is a half, or 1 where the kind has no halves.
NUMBERS = [
    True, 1, 0.5, np.float64(0.5), np.float32(0.5), np.float16(0.5), np.int8(1), np.uint8(1), np.int64(1),
    np.bool_(True), np.longdouble(0.5), Fraction(1, 2), Decimal("0.5"),
]  # fmt: skip

WRONG = [
    "0.5",
    b"1",
    None,
    1j,
    np.complex128(1),
    object(),
    [1.0],
    {"a": 1.0},
    np.array(1.0),
    np.timedelta64(5, "s"),
]


def written(number: Any) -> float:
    v = Value(1.0, "v")
    v.data = number
    return (v * 2.0).data / 2


def written_before_backward(number: Any) -> float:
    v = Value(1.0, "v")
    v.data = number
    v.backward()
    return v.data


def written_and_seen(number: Any) -> float:
    v = Value(1.0, "v")
    v.data = number
    return float(v)


def loaded(number: Any) -> float:
    model = mg.MLP(1, [1])
    model.load_state_dict({"w11": number, "b1": number})
    return model.state_dict()["w11"]


def state(name: str, optimizer: Callable[..., mg.Optimizer], **settings: Any) -> Callable[[Any], float]:
    def door(number: Any) -> float:
        here = optimizer([Value(1.0)], lr=0.1, **settings)
        there = here.state_dict()
        there[name] = [number] if isinstance(there[name], list) else number
        here.load_state_dict(there)
        found = getattr(here, name)
        return float(found[0] if isinstance(found, list) else found)

    return door


ONE = Value(1.0)
TWICE = ONE * 2.0
PROGRAM = mg.compile(lambda a, b: a * b, [1.0, 2.0], backend="python")

DOORS: dict[str, Callable[[Any], Any]] = {
    "Value": lambda x: Value(x).data,
    "data, before an operation": written,
    "data, before backward": written_before_backward,
    "data, before float()": written_and_seen,
    "left operand": lambda x: (Value(0.0) + x).data,
    "right operand": lambda x: (x + Value(0.0)).data,
    "exponent": lambda x: round(math.log2((Value(2.0) ** x).data), 15),
    "base": lambda x: (x ** Value(1.0)).data,
    "a function": ANY.abs,
    "a function of several": lambda x: ANY.dot([x, 1.0], [1.0, 0.0]),
    "a function with a Value": lambda x: ANY.dot([x, Value(0.0)], [1.0, 0.0]).data,
    "a member of a list": lambda x: ANY.sum([x]),
    "softmax": lambda x: 0.5 + 0 * ANY.softmax([x, x])[0],
    "an input": lambda x: 0.5 + 0 * mg.MLP(1, [1])([x]).data,
    "a prediction": lambda x: math.sqrt(ANY.mse_loss([x], [0.0]).data),
    "a target": lambda x: math.sqrt(ANY.mse_loss([Value(0.0)], [x]).data),
    "a rate": lambda x: ANY.jvp(TWICE, [ONE], [x]) / 2,
    "a point": lambda x: 0.5 * bool(mg.gradcheck(lambda a: a * a, [x])),
    "lr": lambda x: ANY.SGD([Value(1.0)], lr=x).lr,
    "momentum": lambda x: ANY.SGD([Value(1.0)], momentum=x).momentum,
    "dampening": lambda x: ANY.SGD([Value(1.0)], dampening=x).dampening,
    "weight_decay": lambda x: ANY.AdamW([Value(1.0)], weight_decay=x).weight_decay,
    "eps": lambda x: ANY.Adam([Value(1.0)], eps=x).eps,
    "a parameter's number": loaded,
    "a state's lr": state("lr", mg.SGD),
    "a state's momentum": state("momentum", mg.SGD),
    "a state's velocities": state("velocities", mg.SGD, momentum=0.9),
    "a state's eps": state("eps", mg.Adam),
    "a state's means": state("means", mg.Adam),
    "a cell of a batch": lambda x: PROGRAM([[x, 1.0]]).loss,
    "a cell of a table": lambda x: mg.data.as_table(([[x]], [1])).rows[0][0],
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: type(number).__name__)
def test_every_door_takes_every_number(door: str, number: Any) -> None:
    assert float(DOORS[door](number)) in {0.5, 1.0}


#: Where a list, or an array, is something else than a wrong number, or words of their own are better.
OTHERWISE = {
    "left operand": (np.ndarray,),
    "right operand": (np.ndarray, np.timedelta64, np.complex128),
    "exponent": (np.ndarray,),
    "base": (np.ndarray, np.timedelta64, np.complex128),
    "a cell of a table": (str, bytes, list, dict, np.generic, np.ndarray),
    "a state's velocities": (type(None),),
    "a state's means": (type(None),),
}
OWN_WORDS = {"a state's velocities": "velocities are no numbers", "a state's means": "means does not fit"}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: type(wrong).__name__)
def test_every_door_refuses_the_rest_in_the_same_words(door: str, wrong: Any) -> None:
    if isinstance(wrong, OTHERWISE.get(door, ())):
        return
    with pytest.raises((TypeError, ValueError)) as caught:
        DOORS[door](wrong)
    said = str(caught.value)
    if door in OWN_WORDS:
        assert OWN_WORDS[door] in said
        return
    with pytest.raises(TypeError) as expected:
        real(wrong)
    words, _, advice = str(expected.value).partition("): ")
    assert words in said
    assert advice in said or "[abs(x) for x in xs]" in said


@pytest.mark.parametrize("number", [10**400, -(10**400), Fraction(10**400, 3)], ids=str)
def test_what_is_too_large_for_a_float_is_so_at_every_door(number: Any) -> None:
    for door in ("Value", "data, before an operation", "left operand", "a function", "lr", "a rate"):
        with pytest.raises(OverflowError, match="too large"):
            DOORS[door](number)


@pytest.mark.parametrize("number", [Decimal("0.1"), Fraction(1, 10), np.float32(0.1), np.int8(3)])
def test_a_number_that_was_written_is_a_float_from_the_first_operation_on(number: Any) -> None:
    w = Value(1.0, "w")
    w.data = number
    y = w * w + mg.exp(w) + mg.dot([w, w, w], [w, w, w])
    assert type(w.data) is float and w.data == float(number)
    assert [d.data for d in mg.grad(y, [w])] == pytest.approx([8 * w.data + math.exp(w.data)])
    y.backward()  # and nothing is taken for a change


def test_float32_steps_train_as_float_steps_do() -> None:
    """The report: p.data -= np.float32(0.1) * p.grad went forward, and not backward."""
    p: Any = Value(1.0, "p")
    for _ in range(3):
        p.grad = 0.0
        ((p - 3.0) ** 2).backward()
        p.data -= np.float32(0.1) * p.grad
    assert p.data == pytest.approx(1.976, rel=1e-6)


def test_a_gradient_of_another_kind_is_accumulated_in_full() -> None:
    v: Any = Value(1.0)
    v.grad = np.float32(0.5)
    (v * 0.1).backward()
    assert type(v.grad) is float and v.grad == 0.6


# ── numpy's whole numbers ─────────────────────────────────────────────────────────────────────────────

SMALL: list[Callable[[Any], Any]] = [
    lambda x: ANY.dot([x], [x]),
    lambda x: ANY.dot([x, x, x], [x, x, x]),
    lambda x: ANY.sum([x, x, x]),
    lambda x: ANY.mean([x, x]),
    lambda x: ANY.prod([x, x, x]),
    lambda x: ANY.hypot(x, x),
    lambda x: ANY.pow(x, 2),
    ANY.sigmoid,
    ANY.softplus,
    ANY.silu,
    ANY.gelu,
    ANY.softsign,
    ANY.abs,
    lambda x: ANY.leaky_relu(x, x),
    lambda x: ANY.clip(x, x, x),
    lambda x: ANY.atan2(x, x),
    lambda x: ANY.where(x, x, x),
    lambda x: ANY.softmax([x, 0])[0],
    lambda x: ANY.logsumexp([x, x]),
    lambda x: ANY.half_squared_error([x], [-1]),
    lambda x: ANY.mse_loss([x, x], [-1, 1]),
    lambda x: ANY.cross_entropy([x, 0, 1], 1),
]  # fmt: skip


@pytest.mark.parametrize("f", SMALL)
@pytest.mark.parametrize(
    "number",
    [
        np.uint8(200),
        np.int8(-128),
        np.int8(100),
        np.uint16(60000),
        np.int64(2**40),
        np.uint64(2**63),
        np.bool_(True),
    ],
    ids=repr,
)
def test_numpy_s_whole_numbers_do_not_go_round(f: Callable[[Any], Any], number: Any) -> None:
    try:
        expected = float(f(int(number)))
    except (ArithmeticError, ValueError) as error:
        with pytest.raises(type(error)):
            f(number)
        return
    assert float(f(number)) == expected
    v = Value(1.0)
    v.data = number
    assert float(f(v)) == pytest.approx(expected, rel=1e-15)


def test_the_cases_of_the_report() -> None:
    assert ANY.dot([np.uint8(200)], [np.uint8(200)]) == 40000.0
    assert ANY.sigmoid(np.uint8(3)) == mg.sigmoid(3.0)
    assert ANY.pow(np.int64(2**40), 2) == ANY.prod([np.int64(2**40)] * 2) == 2.0**80


# ── Comparisons ───────────────────────────────────────────────────────────────────────────────────────


@given(st.floats(allow_nan=True), st.integers(-(10**330), 10**330) | st.integers(-(2**70), 2**70))
def test_a_value_is_compared_with_an_int_as_a_float_is(x: float, n: int) -> None:
    v = Value(x)
    assert (v < n, v <= n, v > n, v >= n) == (x < n, x <= n, x > n, x >= n)
    assert (n < v, n <= v, n > v, n >= v) == (n < x, n <= x, n > x, n >= x)


@pytest.mark.parametrize("one", [1, np.int64(1), np.uint64(1)])
def test_comparisons_beyond_the_floats(one: Any) -> None:
    assert Value(2.0**53) < 2**53 + one and not Value(2.0**53) >= 2**53 + one
    assert Value(1.0) < 10**400 and Value(-1.0) > -(10**400)
    assert not Value(0.1) >= np.float32(0.1)  # which is 0.10000000149


# ── Iterators ─────────────────────────────────────────────────────────────────────────────────────────


def once(things: Any) -> Iterator[Any]:
    return (thing for thing in things)


def numbers(tree: Any) -> Any:
    return [numbers(x) for x in tree] if isinstance(tree, list) else float(tree)


@pytest.mark.parametrize(
    "call",
    [
        lambda form, a, b: mg.grad(a * b, form([a, b])),
        lambda form, a, b: mg.jacobian(form([a * b, a + b]), form([a, b])),
        lambda form, a, b: mg.hessian(a * b * b, form([a, b])),
        lambda form, a, b: mg.jvp(a * b, form([a, b]), form([1.0, 2.0])),
        lambda form, a, b: bool(mg.gradcheck(lambda x, y: x * y, form([1.0, 2.0]))),
        lambda form, a, b: mg.sum(form([a, b])),
        lambda form, a, b: mg.dot(form([a, b]), form([1.0, 2.0])),
        lambda form, a, b: mg.softmax(form([a, b])),
        lambda form, a, b: mg.mse_loss(form([a, b]), form([1.0, 0.0])),
        lambda form, a, b: mg.half_squared_error(form([a, b]), form([1.0, 0.0])),
        lambda form, a, b: mg.hinge_loss(form([a, b]), form([1, -1])),
        lambda form, a, b: mg.binary_cross_entropy(form([a / 4, b / 4]), form([1, 0])),
        lambda form, a, b: mg.binary_cross_entropy_with_logits(form([a, b]), form([1, 0])),
        lambda form, a, b: mg.cross_entropy(form([a, b]), 1),
        lambda form, a, b: mg.cross_entropy(form([form([a, b]), form([b, a])]), form([1, 0])),
        lambda form, a, b: mg.MLP(2, [2])(form([a, b])),
        lambda form, a, b: mg.SGD(form([a, b]), lr=0.5).parameters,
    ],
)
def test_an_iterator_is_a_list(call: Any) -> None:
    a, b = Value(2.0, "a"), Value(3.0, "b")
    expected = numbers(call(list, a, b))
    assert numbers(call(once, a, b)) == expected
    assert numbers(call(lambda xs: iter(tuple(xs)), a, b)) == expected


def test_gradcheck_of_nothing_is_not_true_of_a_map() -> None:
    with pytest.raises(AssertionError, match=r"received 0\.0"):
        mg.gradcheck(lambda a: a.detach() * 2, map(float, [1.0]))
