"""The optimisers, number by number against PyTorch's documented algorithms.

`sgd`, `adam` and `adamw` below are transcriptions of the pseudocode in the documentation of
``torch.optim.SGD``, ``Adam`` and ``AdamW`` (maximize, amsgrad and foreach left out), in numpy, and share
no code with microgradlike. PyTorch's own numbers, frozen once, check the transcriptions.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from microgradlike import SGD, Adam, AdamW, Optimizer, Value

Array = npt.NDArray[np.float64]
Gradients = Iterable[Array]
STEPS, SIZE = 50, 6


# ── PyTorch's pseudocode ──────────────────────────────────────────────────────────────────────────────


def sgd(
    theta: Array,
    gradients: Gradients,
    *,
    lr: float = 1e-3,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
) -> Array:
    b = np.zeros_like(theta)
    for t, gradient in enumerate(gradients, 1):
        g = gradient.copy()
        if weight_decay != 0:
            g = g + weight_decay * theta
        if momentum != 0:
            b = momentum * b + (1 - dampening) * g if t > 1 else g
            g = g + momentum * b if nesterov else b
        theta = theta - lr * g
    return theta


def adam(
    theta: Array,
    gradients: Gradients,
    *,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
) -> Array:
    beta1, beta2 = betas
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    for t, gradient in enumerate(gradients, 1):
        g = gradient.copy()
        if decoupled:
            theta = theta - lr * weight_decay * theta
        elif weight_decay != 0:
            g = g + weight_decay * theta
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        theta = theta - lr * m_hat / (np.sqrt(v_hat) + eps)
    return theta


def adamw(theta: Array, gradients: Gradients, *, weight_decay: float = 1e-2, **options: Any) -> Array:
    return adam(theta, gradients, weight_decay=weight_decay, decoupled=True, **options)


# ── Ours beside it ────────────────────────────────────────────────────────────────────────────────────

CASES: list[tuple[type[Optimizer], Callable[..., Array], dict[str, Any]]] = [
    (SGD, sgd, {}),
    (SGD, sgd, {"lr": 0.1}),
    (SGD, sgd, {"lr": 0.1, "weight_decay": 0.3}),
    (SGD, sgd, {"lr": 0.1, "momentum": 0.9}),
    (SGD, sgd, {"lr": 0.1, "momentum": 0.9, "dampening": 0.4}),
    (SGD, sgd, {"lr": 0.1, "momentum": 0.8, "nesterov": True}),
    (SGD, sgd, {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.05}),
    (SGD, sgd, {"lr": 0.1, "momentum": 0.8, "dampening": 0.1, "weight_decay": 0.05}),
    (SGD, sgd, {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.05, "nesterov": True}),
    (Adam, adam, {}),
    (Adam, adam, {"lr": 0.1}),
    (Adam, adam, {"lr": 0.1, "betas": (0.5, 0.9)}),
    (Adam, adam, {"lr": 0.1, "betas": (0.0, 0.0)}),
    (Adam, adam, {"lr": 0.1, "eps": 0.2}),
    (Adam, adam, {"lr": 0.1, "weight_decay": 0.3}),
    (Adam, adam, {"lr": 0.1, "betas": (0.7, 0.99), "eps": 1e-3, "weight_decay": 0.1}),
    (AdamW, adamw, {}),
    (AdamW, adamw, {"lr": 0.1, "weight_decay": 0.3}),
    (AdamW, adamw, {"lr": 0.1, "weight_decay": 0.0}),
    (AdamW, adamw, {"lr": 0.1, "betas": (0.7, 0.99), "eps": 1e-3, "weight_decay": 0.1}),
]


def start() -> Array:
    return np.linspace(-2.0, 3.0, SIZE)


def random_gradients() -> list[Array]:
    """Of very different sizes, from 1e-6 to 1e2, as Adam is there to level out."""
    rng = np.random.RandomState(0)
    return [rng.normal(size=SIZE) * 10.0 ** rng.uniform(-6, 2, size=SIZE) for _ in range(STEPS)]


def ours(kind: type[Optimizer], options: dict[str, Any], gradients: Gradients) -> list[float]:
    parameters = [Value(number) for number in start()]
    optimizer = kind(parameters, **options)
    for gradient in gradients:
        for parameter, number in zip(parameters, gradient, strict=True):
            parameter.grad = float(number)
        optimizer.step()
    return [parameter.data for parameter in parameters]


@pytest.mark.parametrize(("kind", "algorithm", "options"), CASES)
def test_fifty_steps(
    kind: type[Optimizer], algorithm: Callable[..., Array], options: dict[str, Any]
) -> None:
    expected = algorithm(start(), random_gradients(), **options)
    assert ours(kind, options, random_gradients()) == pytest.approx(list(expected), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("kind", "algorithm", "options"), CASES)
def test_gradients_of_a_loss(
    kind: type[Optimizer], algorithm: Callable[..., Array], options: dict[str, Any]
) -> None:
    """Here the gradients come from where the steps have led: L = Σ i·(wᵢ − 1)², ∂L/∂wᵢ = 2i·(wᵢ − 1)."""
    parameters = [Value(number) for number in start()]
    optimizer = kind(parameters, **options)
    gradients = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        sum(i * (w - 1) ** 2 for i, w in enumerate(parameters)).backward()  # type: ignore[union-attr]
        gradients.append(np.array([2 * i * (w.data - 1) for i, w in enumerate(parameters)]))
        assert [w.grad for w in parameters] == pytest.approx(list(gradients[-1]), rel=1e-12)
        optimizer.step()
    expected = algorithm(start(), gradients, **options)
    assert [w.data for w in parameters] == pytest.approx(list(expected), rel=1e-12, abs=1e-12)


# ── PyTorch's numbers ─────────────────────────────────────────────────────────────────────────────────

PYTORCH: list[tuple[type[Optimizer], dict[str, Any], list[float]]] = [
    (
        SGD,
        {"lr": 0.1, "momentum": 0.8, "dampening": 0.1, "weight_decay": 0.05},
        [
            -27.379305103434973,
            -23.464838679940776,
            -32.74975109240456,
            -20.41493857827435,
            25.303734648040614,
            50.10157455958441,
        ],
    ),
    (
        SGD,
        {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.05, "nesterov": True},
        [
            -31.884676846310494,
            -24.316950181195164,
            -28.91832393281674,
            -20.66092814059781,
            25.553541408125763,
            50.481926869075195,
        ],
    ),
    (
        Adam,
        {"lr": 0.1, "betas": (0.7, 0.99), "eps": 0.001, "weight_decay": 0.1},
        [
            -1.3430402803150898,
            -1.9586359449338255,
            -0.616463306190549,
            -0.0014799328234157195,
            2.5288943753705255,
            3.124149461872183,
        ],
    ),
    (
        AdamW,
        {"lr": 0.1, "betas": (0.7, 0.99), "eps": 0.001, "weight_decay": 0.1},
        [
            -1.6045384364859014,
            -1.416836347161408,
            -0.3788139135147687,
            -0.06995556623648584,
            1.7199833000683349,
            2.7019574000062723,
        ],
    ),
]


@pytest.mark.parametrize(("kind", "options", "expected"), PYTORCH)
def test_numbers_of_pytorch(kind: type[Optimizer], options: dict[str, Any], expected: list[float]) -> None:
    """What torch 2.13.0 gave in double precision after the fifty steps of `random_gradients`."""
    assert ours(kind, options, random_gradients()) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    ("kind", "defaults"),
    [
        (SGD, {"lr": 1e-3, "momentum": 0, "dampening": 0, "weight_decay": 0, "nesterov": False}),
        (Adam, {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0}),
        (AdamW, {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 1e-2}),
    ],
)
def test_defaults_and_their_order_are_those_of_pytorch(
    kind: Callable[..., Optimizer], defaults: dict[str, Any]
) -> None:
    by_default, by_position = kind([Value(1.0)]), kind([Value(1.0)], *defaults.values())
    for name, default in defaults.items():
        assert getattr(by_default, name) == default
        assert getattr(by_position, name) == default


@pytest.mark.parametrize(
    ("kind", "options", "second", "third"),
    [
        (SGD, {"lr": 0.1, "weight_decay": 0.5}, 1.8, 1.65375),
        (SGD, {"lr": 0.1, "momentum": 0.9}, 1.9, 1.764),
        (Adam, {"lr": 0.1}, 1.900000001, 1.8011833468732457),
        (AdamW, {"lr": 0.1}, 1.898000001, 1.7973041259363893),
    ],
)
def test_a_parameter_without_gradient_stays(
    kind: type[Optimizer], options: dict[str, Any], second: float, third: float
) -> None:
    """What the loss does not depend on has no gradient: no decay, no drift, no counted step.

    The numbers are those of torch 2.13.0, where zero_grad leaves None: w takes part in the first step and
    in the third, and so is at its second step then, for Adam's bias correction.
    """
    u, w = Value(1.0), Value(2.0)
    optimizer = kind([u, w], **options)
    (u * w).backward()
    optimizer.step()
    assert w.data == pytest.approx(second, rel=1e-12)

    optimizer.zero_grad()
    (u * u).backward()
    optimizer.step()
    assert w.data == pytest.approx(second, rel=1e-12)

    optimizer.zero_grad()
    (u * w).backward()
    optimizer.step()
    assert w.data == pytest.approx(third, rel=1e-12)


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW])
def test_without_weight_decay_an_infinite_weight_decays_by_nothing(kind: Callable[..., Optimizer]) -> None:
    w = Value(math.inf)
    w.grad = 1.0
    kind([w], lr=0.5, weight_decay=0.0).step()
    assert w.data == math.inf


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW])
def test_a_forgotten_backward_is_said(kind: Callable[..., Optimizer]) -> None:
    w = Value(2.0)
    optimizer = kind([w], lr=0.5)
    loss = w * w
    with pytest.raises(RuntimeError, match=r"call loss\.backward\(\) before optimizer\.step\(\)"):
        optimizer.step()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    before = w.data, optimizer.steps
    with pytest.raises(RuntimeError, match="no parameter has a gradient"):
        optimizer.step()
    w.grad = None  # type: ignore[assignment]  # as some clear it
    with pytest.raises(RuntimeError, match="no parameter has a gradient"):
        optimizer.step()
    assert (w.data, optimizer.steps) == before


def test_a_gradient_cleared_with_none_is_none() -> None:
    u, w = Value(1.0), Value(2.0)
    (u * w).backward()
    w.grad = None  # type: ignore[assignment]
    SGD([u, w], lr=0.5, weight_decay=0.5).step()
    assert (u.data, w.data) == (1.0 - 0.5 * (2.0 + 0.5), 2.0)


def test_a_gradient_of_zero_is_a_gradient() -> None:
    w = Value(2.0)
    optimizer = SGD([w], lr=0.5, weight_decay=0.5)
    (w * 0.0).backward()
    optimizer.step()
    assert w.data == 2.0 - 0.5 * 0.5 * 2.0


# ── Use ───────────────────────────────────────────────────────────────────────────────────────────────

ANY: list[Callable[..., Optimizer]] = [SGD, Adam, AdamW]


@pytest.mark.parametrize("kind", ANY)
def test_zero_grad(kind: Callable[..., Optimizer]) -> None:
    w, other = Value(2.0), Value(1.0)
    optimizer = kind([w])
    (w * other).backward()
    optimizer.zero_grad()
    assert w.grad == 0
    assert other.grad == 2.0, "only its own parameters"
    assert repr(w) == "Value(data=2.0)", "not computed, which is not a gradient of 0"


@pytest.mark.parametrize("kind", ANY)
def test_the_learning_rate_may_change_between_steps(kind: Callable[..., Optimizer]) -> None:
    w = Value(2.0)
    optimizer = kind([w], lr=0.5)
    w.grad = 1.0
    optimizer.lr = 0.0
    optimizer.step()
    assert w.data == 2.0
    optimizer.lr = 0.5
    optimizer.step()
    assert w.data < 1.6
    assert optimizer.steps == 2


@pytest.mark.parametrize("kind", ANY)
def test_parameters_may_come_from_a_generator(kind: Callable[..., Optimizer]) -> None:
    w = Value(2.0)
    optimizer = kind((v for v in [w]), lr=0.1)
    w.grad = 1.0
    for before in (2.0, 1.95):
        assert w.data <= before
        optimizer.step()
    assert w.data < 1.85


@pytest.mark.parametrize("kind", ANY)
@pytest.mark.parametrize("gradient", [1e-300, 1e160, -1e308])
def test_extreme_gradients(kind: Callable[..., Optimizer], gradient: float) -> None:
    """g² leaves the floats in both directions; no exception, and no parameter that is not a number."""
    w = Value(0.0)
    optimizer = kind([w], lr=1e-3)
    w.grad = gradient
    optimizer.step()
    assert math.isfinite(w.data)


@pytest.mark.parametrize("kind", ANY)
def test_minimum_of_a_parabola(kind: Callable[..., Optimizer]) -> None:
    w = Value(1.0)
    optimizer = kind([w], lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        ((w - 3) ** 2).backward()
        optimizer.step()
    assert w.data == pytest.approx(3.0, abs=0.05)


def test_an_optimiser_of_your_own() -> None:
    class SignDescent(Optimizer):
        def update(self, i: int, parameter: Value) -> None:
            parameter.data -= self.lr * math.copysign(1.0, parameter.grad)

    w = Value(2.0)
    optimizer = SignDescent([w], lr=0.25)
    w.grad = -7.0
    optimizer.step()
    assert w.data == 2.25


# ── What must not happen ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ANY)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -0.1}, "lr must not be negative, but is -0.1"),
        ({"lr": math.nan}, "lr must be a number from 0 on, but is nan"),
        ({"weight_decay": -1.0}, "weight_decay must not be negative, but is -1.0"),
    ],
)
def test_bad_numbers(kind: Callable[..., Optimizer], options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind([Value(1.0)], **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentum": -0.1}, "momentum must not be negative"),
        ({"nesterov": True}, "nesterov needs a momentum"),
        ({"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "no dampening"),
    ],
)
def test_bad_options_of_sgd(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SGD([Value(1.0)], **options)


@pytest.mark.parametrize("kind", [Adam, AdamW])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"betas": (1.0, 0.9)}, "betas must be .* below 1, not 1.0"),
        ({"betas": (0.9, 1.5)}, "betas must be .* below 1, not 1.5"),
        ({"betas": (-0.1, 0.9)}, "betas must be from 0 on .* not -0.1"),
        ({"betas": (0.9, math.nan)}, "betas must be .* not nan"),
        ({"eps": -1e-8}, "eps must not be negative"),
    ],
)
def test_bad_options_of_adam(kind: Callable[..., Optimizer], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind([Value(1.0)], **options)


@pytest.mark.parametrize("kind", ANY)
def test_bad_parameters(kind: Callable[..., Optimizer]) -> None:
    w = Value(2.0)
    with pytest.raises(ValueError, match="needs parameters"):
        kind([])
    with pytest.raises(TypeError, match="only leaf Values"):
        kind([w, w * w])
    with pytest.raises(TypeError, match=r"only leaf Values can be moved, not 2\.0"):
        kind([2.0])


@pytest.mark.parametrize("kind", ANY)
def test_a_parameter_given_twice_does_not_move_twice(kind: Callable[..., Optimizer]) -> None:
    """PyTorch warns of it; a refusal or one move will do here."""
    w, twice = Value(2.0), Value(2.0)
    once = kind([w], lr=0.1)
    try:
        optimizer = kind([twice, twice], lr=0.1)
    except ValueError:
        return
    w.grad = twice.grad = 1.0
    once.step()
    optimizer.step()
    assert twice.data == w.data


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (lambda p: SGD(p, momentum=0.5), {"momentum": -5.0}),
        (lambda p: SGD(p, momentum=0.5), {"momentum": math.inf}),
        (lambda p: SGD(p, momentum=0.5), {"weight_decay": -1.0}),
        (lambda p: SGD(p, momentum=0.5), {"dampening": math.nan}),
        (lambda p: SGD(p, momentum=0.5, nesterov=True), {"momentum": 0.0}),
        (lambda p: SGD(p, momentum=0.5, nesterov=True), {"dampening": 0.1}),
        (Adam, {"weight_decay": -1.0}),
        (Adam, {"eps": math.inf}),
    ],
)
def test_settings_that_the_constructor_refuses_are_not_loaded(make: Any, change: dict[str, Any]) -> None:
    optimizer = make([Value(1.0)])
    before = optimizer.state_dict()
    with pytest.raises(ValueError, match=r"[a-z]"):
        optimizer.load_state_dict(before | change)
    assert optimizer.state_dict() == before


@pytest.mark.parametrize("make", [SGD, Adam, AdamW])
def test_a_step_is_computed_in_floats_whatever_was_written(make: Any) -> None:
    from decimal import Decimal
    from fractions import Fraction

    import numpy as np

    data: Any
    grad: Any
    for data, grad in (
        (Decimal("0.1"), 1.0),
        (np.float16(300), 1.0),
        (np.float32(1), 1e-9),
        (Fraction(1, 3), np.float16(300)),
        (3, 2),
        (np.uint8(200), np.int8(-100)),
    ):
        v, w = Value(0.0, "v"), Value(float(data), "w")
        v.data, v.grad = data, grad
        w.grad = float(grad)
        for p in (v, w):
            make([p], lr=0.1).step()
        assert type(v.data) is float and v.data == w.data
    array = np.array(2.0)
    cases = ((array, 1.0, "data"), (1j, 1.0, "data"), ("a", 1.0, "data"), (1.0, 1j, "grad"))
    for data, grad, name in cases:
        v = Value(1.0, "v")
        v.data, v.grad = data, grad
        with pytest.raises(TypeError, match=rf"v\.{name}: a real number is needed, not "):
            make([v], lr=0.1).step()
    assert array == 2.0
