"""The losses and their gradients against their definitions at 800 digits.

A definition is written as it stands in a textbook, without any trick: 800 digits make 1 − σ(745) exact.
"""

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

import microgradlike as mg
from microgradlike import Value
from microgradlike.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    half_squared_error,
    hinge_loss,
    mse_loss,
)

ELEMENTWISE = [
    half_squared_error,
    mse_loss,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    hinge_loss,
]
LOGITS = [0.0, 1e-300, 1e-9, 0.5, 1.0, 7.3, 20.0, 36.7, 40.0, 700.0, 745.0, 1e3, 1e15, 1e308]
LOGITS += [-z for z in LOGITS]
PROBABILITIES = [1e-300, 1e-16, 1e-3, 0.25, 0.5, 0.9, 1 - 1e-9, 1 - 2**-53]


def assert_close(actual: float, exact: Any, scale: Any = None) -> None:
    """Relative error at most 1e-12; below the normal floats, as exact as floats are there.

    Where exact is a difference of larger terms, scale says how large they are: operands that are rounded
    to floats cannot give more.
    """
    error = abs(mpf(actual) - exact)
    assert error <= mpf("1e-12") * abs(exact if scale is None else scale) + mpf(10) ** -322, (
        f"received {actual!r}, expected {mp.nstr(exact, 17)}"
    )


@pytest.fixture(autouse=True)
def digits() -> Any:
    with mp.workdps(800):
        yield


def sigma(z: float) -> Any:
    return 1 / (1 + mp.exp(-mpf(z)))


def mp_softmax(logits: list[float]) -> list[Any]:
    powers = [mp.exp(mpf(z)) for z in logits]
    return [power / mp.fsum(powers) for power in powers]


def loss_and_gradient(loss: Callable[..., Value], prediction: float, target: float) -> tuple[float, float]:
    y = Value(prediction)
    L = loss(y, target)
    L.backward()
    return L.data, y.grad


# ── One prediction ────────────────────────────────────────────────────────────────────────────────────

NUMBERS = [0.0, 1e-160, 0.3, -0.75, 1e3, -1e3, 1e15, -1e15, 1e150]


@pytest.mark.parametrize("t", NUMBERS)
@pytest.mark.parametrize("y", NUMBERS)
def test_squared_errors(y: float, t: float) -> None:
    error = mpf(y) - mpf(t)
    L, gradient = loss_and_gradient(half_squared_error, y, t)
    assert_close(L, error**2 / 2)
    assert_close(gradient, error)
    L, gradient = loss_and_gradient(mse_loss, y, t)
    assert_close(L, error**2)
    assert_close(gradient, 2 * error)


def test_half_squared_error_does_not_overflow_where_the_loss_is_a_float() -> None:
    L, gradient = loss_and_gradient(half_squared_error, 1.8e154, 0.0)
    assert_close(L, mpf(1.8e154) ** 2 / 2)
    assert gradient == 1.8e154


@pytest.mark.parametrize("t", [0.0, 1.0])
@pytest.mark.parametrize("z", LOGITS)
def test_binary_cross_entropy_with_logits(z: float, t: float) -> None:
    L, gradient = loss_and_gradient(binary_cross_entropy_with_logits, z, t)
    p = sigma(z)
    exact = -mp.log(p if t else 1 - p) if abs(z) < 1e3 else mpf(max(-z if t else z, 0.0))
    assert_close(L, exact)
    assert_close(gradient, p - mpf(t) if abs(z) < 1e3 else mpf((z > 0) - t))


@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("z", [z for z in LOGITS if abs(z) < 1e3])
def test_binary_cross_entropy_with_logits_between_the_classes(z: float, t: float) -> None:
    """The gradient σ(z) − t vanishes at σ(z) = t: there its condition number is infinite.

    So its error is measured against its terms, (1 − t)·σ(z) and t·σ(−z).
    """
    L, gradient = loss_and_gradient(binary_cross_entropy_with_logits, z, t)
    p = sigma(z)
    assert_close(L, -mpf(t) * mp.log(p) - (1 - mpf(t)) * mp.log(1 - p))
    assert_close(gradient, p - mpf(t), scale=p * (1 - mpf(t)) + mpf(t) * (1 - p))


@pytest.mark.parametrize("t", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("z", [1e308, -1e308])
def test_binary_cross_entropy_of_the_largest_logits(z: float, t: float) -> None:
    L, gradient = loss_and_gradient(binary_cross_entropy_with_logits, z, t)
    assert pytest.approx(abs(z) * (1 - t if z > 0 else t), rel=1e-15) == L
    assert gradient == (z > 0) - t


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("p", PROBABILITIES)
def test_binary_cross_entropy(p: float, t: float) -> None:
    """The gradient (p − t) / (p(1 − p)) vanishes at p = t, so its error is measured against its terms."""
    L, gradient = loss_and_gradient(binary_cross_entropy, p, t)
    exact_p, exact_t = mpf(p), mpf(t)
    assert_close(L, -exact_t * mp.log(exact_p) - (1 - exact_t) * mp.log(1 - exact_p))
    terms = (1 - exact_t) / (1 - exact_p), exact_t / exact_p
    assert_close(gradient, terms[0] - terms[1], scale=sum(terms))


@pytest.mark.parametrize(("sure", "gradient"), [(0.0, 1.0), (1.0, -1.0)])
def test_binary_cross_entropy_where_a_sure_prediction_is_right(sure: float, gradient: float) -> None:
    """The limits at p = t: ∂L/∂p = 1 / (1 − p) for t = 0, and −1 / p for t = 1."""
    assert loss_and_gradient(binary_cross_entropy, sure, sure) == (0.0, gradient)


def test_binary_cross_entropy_of_a_saturated_sigmoid_goes_backward() -> None:
    z = Value(-800.0)
    binary_cross_entropy(z.sigmoid(), 0.0).backward()
    assert z.grad == 0.0


@pytest.mark.parametrize("t", [-1, 1])
@pytest.mark.parametrize("score", [*LOGITS, 1 - 1e-9, -1 + 1e-9])
def test_hinge(score: float, t: int) -> None:
    margin = 1 - t * mpf(score)
    L, gradient = loss_and_gradient(hinge_loss, score, t)
    assert_close(L, max(mpf(0), margin))
    assert gradient == (-t if margin > 0 else 0)


# ── Cross-entropy ─────────────────────────────────────────────────────────────────────────────────────

CLASSES = [
    [0.0],
    [0.0, 0.0],
    [40.0, 0.0],
    [0.0, 40.0, -3.0],
    [20.0, 0.0, 0.0],
    [1.0, 2.0, 3.0],
    [700.0, 0.0, 699.0],
    [1e3, -1e3, 1e3],
    [0.1, 1e3 / 3],
    [1e15, 1e15 + 1, 1e15 - 3],
    [-1e15, -1e15 + 2.5],
    [5.0, 5.0, 5.0 - 2**-50],
]
CLASSES += [
    [rng.uniform(-width, width) for _ in range(4)]
    for rng, width in ((random.Random(width), width) for width in (1, 10, 30, 200))
]


@pytest.mark.parametrize("logits", CLASSES, ids=str)
def test_cross_entropy(logits: list[float]) -> None:
    """Each class is the target once; ∂L/∂zᵢ = softmax(z)ᵢ − [i is the target].

    No slack for a condition number: the difference is a sum of probabilities, that of the other classes.
    """
    probabilities = mp_softmax(logits)
    for target in range(len(logits)):
        zs = [Value(z) for z in logits]
        L = cross_entropy(zs, target)
        L.backward()
        assert_close(L.data, -mp.log(probabilities[target]))
        for i, z in enumerate(zs):
            others = probabilities[:target] + probabilities[target + 1 :]
            assert_close(z.grad, -mp.fsum(others) if i == target else probabilities[i])


def test_cross_entropy_of_a_saturated_softmax() -> None:
    """In floats softmax([40, 0]) is exactly [1, 4.2e-18], and −log(1) would be 0."""
    zs = [Value(40.0), Value(0.0)]
    L = cross_entropy(zs, 0)
    L.backward()
    assert L.data == pytest.approx(4.248354255291589e-18, rel=1e-15)
    assert [z.grad for z in zs] == pytest.approx([-4.248354255291589e-18, 4.248354255291589e-18], rel=1e-15)


@pytest.mark.parametrize(
    ("logits", "target", "loss", "gradient"),
    [
        ([1e308, 0.0], 0, 0.0, [0.0, 0.0]),
        ([1e308, 0.0], 1, 1e308, [1.0, -1.0]),
        ([-1e308, 0.0], 0, 1e308, [-1.0, 1.0]),
        ([-0.75e308, 0.75e308], 0, 1.5e308, [-1.0, 1.0]),
        ([1e308, -1e308], 0, 0.0, [0.0, 0.0]),
        ([1e308, 1e308], 0, math.log(2), [-0.5, 0.5]),
        ([1e308, -1e308], 1, math.inf, [1.0, -1.0]),
    ],
)
def test_cross_entropy_of_the_largest_logits(
    logits: list[float], target: int, loss: float, gradient: list[float]
) -> None:
    zs = [Value(z) for z in logits]
    L = cross_entropy(zs, target)
    L.backward()
    assert L.data == pytest.approx(loss, rel=1e-15, abs=0.0)
    assert [z.grad for z in zs] == pytest.approx(gradient, rel=1e-15, abs=0.0)


def test_cross_entropy_of_a_batch_is_the_mean() -> None:
    rows = [[Value(z) for z in logits] for logits in ([1.0, 2.0, 3.0], [0.5, -1.0, 0.0])]
    L = cross_entropy(rows, [2, 0])
    L.backward()
    singly = [cross_entropy([Value(z.data) for z in row], i) for row, i in zip(rows, [2, 0])]
    assert L.data == pytest.approx(sum(loss.data for loss in singly) / 2, rel=1e-14)
    exact = [p / 2 for row in rows for p in mp_softmax([z.data for z in row])]
    exact[2] -= mpf(1) / 2
    exact[3] -= mpf(1) / 2
    for z, gradient in zip([z for row in rows for z in row], exact):
        assert_close(z.grad, gradient)


def test_cross_entropy_takes_numpy_integers() -> None:
    y: Any = np.array([1, 0])
    assert cross_entropy([[1.0, 2.0], [3.0, 4.0]], y).data == pytest.approx(0.8132616875182228, rel=1e-15)
    assert cross_entropy([1.0, 2.0], y[0]).data == pytest.approx(0.3132616875182228, rel=1e-15)


# ── Lists ─────────────────────────────────────────────────────────────────────────────────────────────

PREDICTIONS, TARGETS = [0.9, 0.2, 0.6], [1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (mse_loss, 0.07),
        (binary_cross_entropy, 0.2797765635793423),
        (binary_cross_entropy_with_logits, 0.5255935648665219),
    ],
)
def test_a_list_gives_the_mean(loss: Callable[..., Value], expected: float) -> None:
    """The numbers are those of PyTorch 2.13."""
    assert loss(list(map(Value, PREDICTIONS)), TARGETS).data == pytest.approx(expected, rel=1e-14)
    singly = [loss(Value(y), t).data for y, t in zip(PREDICTIONS, TARGETS)]
    assert loss(PREDICTIONS, TARGETS).data == pytest.approx(sum(singly) / 3, rel=1e-14)


def test_hinge_loss_takes_signs_only() -> None:
    """0 for the other class, a common slip, would give a loss of 1 and no gradient at all."""
    assert hinge_loss([0.9, 0.2, 0.6], [1, -1, 1]).data == pytest.approx((0.1 + 1.2 + 0.4) / 3, rel=1e-14)
    assert hinge_loss(np.array([0.5]), np.array([-1])).data == 1.5
    for wrong in (0, 0.5, 2, math.nan):
        with pytest.raises(ValueError, match="targets of hinge_loss are -1 and 1"):
            hinge_loss(Value(0.3), wrong)


def test_half_squared_error_of_a_list_is_the_sum() -> None:
    ys = list(map(Value, PREDICTIONS))
    L = half_squared_error(ys, TARGETS)
    L.backward()
    assert L.data == pytest.approx((0.1**2 + 0.2**2 + 0.4**2) / 2, rel=1e-14)
    assert [y.grad for y in ys] == pytest.approx([-0.1, 0.2, -0.4], rel=1e-14)


@pytest.mark.parametrize("loss", ELEMENTWISE)
def test_a_list_of_one_is_the_one(loss: Callable[..., Value]) -> None:
    assert loss([Value(0.3)], [1.0]).data == loss(Value(0.3), 1.0).data


SOFT = [loss for loss in ELEMENTWISE if loss is not hinge_loss]


@pytest.mark.parametrize("loss", SOFT)
def test_numpy_arrays_tuples_and_targets_that_are_values(loss: Callable[..., Value]) -> None:
    expected = loss(PREDICTIONS, TARGETS).data
    assert loss(np.array(PREDICTIONS), np.array(TARGETS, dtype=np.int64)).data == expected
    assert loss(tuple(PREDICTIONS), tuple(map(Value, TARGETS))).data == expected


@pytest.mark.parametrize("loss", SOFT)
def test_the_gradient_of_a_target(loss: Callable[..., Value]) -> None:
    """Targets may be Values, and then have a gradient, as in distillation; here by a difference."""
    t, step = Value(0.3), 1e-6
    loss(Value(0.6), t).backward()
    difference = loss(0.6, 0.3 + step).data - loss(0.6, 0.3 - step).data
    assert t.grad == pytest.approx(difference / (2 * step), rel=1e-6)


@pytest.mark.parametrize(
    ("loss", "prediction", "target", "expected"),
    [
        (binary_cross_entropy_with_logits, 1e308, 0.0, 1e308),
        (hinge_loss, 1e308, -1, 1e308),
        (mse_loss, 1.2e154, 0.0, 1.44e308),
    ],
)
def test_a_mean_does_not_overflow_where_it_is_a_float(
    loss: Callable[..., Value], prediction: float, target: float, expected: float
) -> None:
    assert loss([prediction] * 3, [target] * 3).data == pytest.approx(expected, rel=1e-15)


def test_the_target_of_a_picture_is_named_t() -> None:
    """A plain target becomes an input of the picture, ``t``, or ``t1``, ``t2`` in a list."""
    assert half_squared_error(Value(0.75), 1.0).parents[1].name == "t"
    two = half_squared_error([Value(0.75), Value(0.5)], [1.0, 2.0])
    assert [operand.name for operand in two.parents] == ["", "", "t1", "t2"]


@pytest.mark.parametrize("loss", ELEMENTWISE)
def test_a_loss_of_one_prediction_has_no_sum_of_one(loss: Callable[..., Value]) -> None:
    """∂L/∂y = y − t is one edge in the document, so it is one edge here."""
    L = loss(Value(0.6), 1.0)
    assert L.op is not None
    assert L.op.name != "sum"
    assert all(parent.op is None or parent.op.name != "sum" for parent in L.parents)


# ── What must not happen ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("loss", ELEMENTWISE)
@pytest.mark.parametrize(
    ("predictions", "targets", "error", "message"),
    [
        ([0.5, 0.5], [1.0], ValueError, "2 predictions and 1 targets"),
        ([], [], ValueError, "0 predictions and 0 targets"),
        ([0.5], 1.0, TypeError, "not one of each"),
        (0.5, [1.0], TypeError, "not one of each"),
        ("a", "b", TypeError, "a real number is needed, not 'a'"),
        (0.5, None, TypeError, "a real number is needed, not None"),
        (1j, 1.0, TypeError, "a real number is needed, not 1j"),
        ([[0.5]], [[1.0]], TypeError, r"a real number is needed, not \[0.5\]"),
    ],
)
def test_bad_arguments(
    loss: Callable[..., Value], predictions: Any, targets: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        loss(predictions, targets)


@pytest.mark.parametrize(
    ("p", "t"), [(1.5, 0.0), (1.5, 1.0), (-0.5, 0.0), (-0.5, 1.0), (1.0, 0.0), (0.0, 1.0), (1.0, 0.5)]
)
def test_no_probability(p: float, t: float) -> None:
    """The docstring: p outside of [0, 1], or the opposite of a sure target."""
    message = rf"p = {p}, t = {t}" if 0 <= p <= 1 else f"from 0 to 1, not p = {p}: of logits there is"
    with pytest.raises(ValueError, match=message):
        binary_cross_entropy(Value(p, name="p"), t)


@pytest.mark.parametrize("t", [-1.0, 1.5, 2.0])
def test_a_target_that_is_no_probability_is_refused_or_follows_the_formula(t: float) -> None:
    """Labels −1 and 1 are a common slip here; what must not happen is that a term is dropped silently."""
    try:
        L = binary_cross_entropy(Value(0.75), t).data
    except ValueError:
        return
    assert pytest.approx(-t * math.log(0.75) - (1 - t) * math.log(0.25), rel=1e-14) == L


@pytest.mark.parametrize(
    ("logits", "target", "error", "message"),
    [
        ([1.0, 2.0], 2, ValueError, "the target 2 is no class"),
        ([1.0, 2.0], -1, ValueError, "the target -1 is no class"),
        ([1.0, 2.0], 0.5, ValueError, "the target 0.5 is no class"),
        ([1.0, 2.0], None, (TypeError, ValueError), "the target None is no class"),
        ([[1.0, 2.0]], [[0]], (TypeError, ValueError), r"the target \[0\] is no class"),
        ([[1.0, 2.0]], [0, 1], ValueError, "1 examples, but 2 targets"),
        ([[1.0, 2.0], [3.0, 4.0]], [0], ValueError, "2 examples, but 1 targets"),
        ([[1.0, 2.0]], 0, TypeError, "a real number is needed"),
        ([1.0, 2.0], [0, 1], TypeError, "for one example, the target is the number of its class"),
        ([], [], ValueError, "at least one|0 examples"),
        ([], 0, ValueError, "needs a logit"),
    ],
)
def test_bad_classes(logits: Any, target: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        cross_entropy(logits, target)


# ── One contract for all ──────────────────────────────────────────────────────────────────────────────

OF_PROBABILITIES = (binary_cross_entropy, binary_cross_entropy_with_logits)
WRONG_TARGETS: list[tuple[Callable[..., Value], float]] = [
    *((loss, t) for loss in OF_PROBABILITIES for t in (-1.0, 2.0, 1.0000001, -1e-300, math.nan, math.inf)),
    *((hinge_loss, t) for t in (0.0, 0.5, -0.9999999, math.nan, math.inf)),
]


@pytest.mark.parametrize(("loss", "t"), WRONG_TARGETS)
@pytest.mark.parametrize(
    "form", [float, Value, np.float64, lambda t: [t, 1.0], lambda t: np.array([1.0, t])]
)
def test_a_target_without_a_meaning_is_refused_by_all(loss: Any, t: float, form: Any) -> None:
    target = form(t)
    prediction: Any = [0.5, 0.5] if hasattr(target, "__len__") else Value(0.5)
    with pytest.raises(
        ValueError, match=f"^the targets of {loss.__name__} are .*, not .*{t:g}".replace("+", ".")
    ):
        loss(prediction, target)


def test_a_wrong_target_is_answered_with_what_to_write() -> None:
    for loss in OF_PROBABILITIES:
        with pytest.raises(ValueError, match=r"for -1 and 1 write \(t \+ 1\) / 2, or take hinge_loss$"):
            loss(Value(0.5), -1)
    with pytest.raises(ValueError, match=r"not t2 = 0: for 0 and 1 write 2 \* t - 1$"):
        hinge_loss([0.5, 0.5], [1, 0])


@pytest.mark.parametrize("loss", [*ELEMENTWISE, half_squared_error])
@pytest.mark.parametrize("prediction", [1e200, -1e200, 1.7e308, math.inf, -math.inf, math.nan])
def test_a_prediction_out_of_all_bounds_is_no_error(loss: Any, prediction: float) -> None:
    """Training that diverges must be able to see it; of a probability only nan is such a prediction."""
    if loss is binary_cross_entropy and not math.isnan(prediction):
        with pytest.raises(ValueError, match="of logits there is binary_cross_entropy_with_logits"):
            loss(prediction, 1.0)
        return
    y = Value(prediction)
    L = loss(y, 1.0)
    assert L.data >= 0 or math.isnan(L.data)
    L.backward()


def test_mse_loss_is_infinite_where_half_squared_error_is() -> None:
    y = Value(1e200)
    L = mse_loss([y, 1.0], [0.0, 0.0])
    assert L.data == half_squared_error([y, 1.0], [0.0, 0.0]).data == math.inf
    L.backward()
    assert y.grad == 1e200


def test_a_loss_from_logits_no_longer_runs_away_with_labels_of_signs() -> None:
    """The report: with labels −1 and 1 the loss ran to −52, and training reported success."""
    X, t = [[-1.0], [1.0]], [-1.0, 1.0]
    model = mg.MLP(1, [1])
    for way in ("auto", False):
        with pytest.raises(ValueError, match="targets of binary_cross_entropy_with_logits are from 0 to 1"):
            mg.fit(
                model, (X, t), loss=binary_cross_entropy_with_logits, epochs=3, progress=False, compile=way
            )
