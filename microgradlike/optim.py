"""Optimisers: how parameters move along their gradients. Names and definitions are PyTorch's.

>>> w = Value(1.0, name="w")
>>> optimizer = SGD([w], lr=0.1)
>>> for _ in range(100):
...     optimizer.zero_grad()
...     ((w - 3) ** 2).backward()
...     optimizer.step()
>>> round(w, 6)
3.0
"""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from microgradlike.checks import real
from microgradlike.engine import NOT_COMPUTED, Value, check_data
from microgradlike.transaction import attempt, forget_gradients, snapshot, write


class Optimizer(ABC):
    """What moves parameters; a subclass says how, in `update`.

    Args:
        parameters: the Values to move: leaves, each once, such as ``model.parameters()``.
        lr: the learning rate η, 0 or more.

    Attributes:
        parameters: the Values that `step` moves.
        lr: the learning rate η; you may change it between steps.
        steps: how many steps have been taken.

    Raises:
        TypeError: the parameters are no list of leaf Values, or a setting is no number.
        ValueError: there are no parameters, one is given twice, or lr is negative or not finite.

    >>> class SignDescent(Optimizer):
    ...     def update(self, i, parameter):
    ...         parameter.data -= self.lr * (1 if parameter.grad > 0 else -1)
    >>> w = Value(2.0)
    >>> (w * w).backward()
    >>> SignDescent([w], lr=0.5).step()
    >>> w.data
    1.5
    """

    #: The attributes that a step changes, if they are numbers and lists of numbers. A class that does not
    #: say so itself, such as a user's, has None: `step` then keeps all attributes, which takes longer.
    _changing: ClassVar[Sequence[str] | None] = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "_changing" not in vars(cls):
            cls._changing = None

    def __init__(self, parameters: Iterable[Value], lr: float) -> None:
        if not isinstance(parameters, Iterable):
            raise TypeError("an optimizer needs the parameters: SGD(model.parameters(), lr=0.1)")
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError("an optimizer needs parameters: SGD(model.parameters(), lr=0.1)")
        for parameter in self.parameters:
            if not isinstance(parameter, Value) or parameter.parents:
                raise TypeError(f"only leaf Values can be moved, not {parameter!r:.60}")
        if len(set(self.parameters)) < len(self.parameters):
            raise ValueError("a parameter is given twice, and would be moved twice a step")
        self.lr = _at_least_zero(lr, "lr")
        self.steps = 0

    def zero_grad(self) -> None:
        """Forget the gradients of all `parameters`, before the next backward pass adds to them.

        >>> w = Value(2.0)
        >>> (w * w).backward()
        >>> w.grad
        4.0
        >>> SGD([w]).zero_grad()
        >>> w.grad
        0.0
        """
        forget_gradients(self.parameters)

    def step(self) -> None:
        """Move every parameter once, by the gradient it has now; one without a gradient stays.

        If an update raises, or is interrupted, the parameters and the optimizer are as they were before.

        Raises:
            RuntimeError: none of them has a gradient.

        >>> w = Value(2.0)
        >>> (w * w).backward()
        >>> SGD([w], lr=0.25).step()
        >>> w.data
        1.0
        """
        attempt(self._move, snapshot(self.parameters, self, self._changing))

    def _move(self) -> None:
        self.steps += 1
        moves = False
        i = 0
        for parameter in self.parameters:
            grad = parameter.grad
            if grad is not NOT_COMPUTED and grad is not None:  # as PyTorch passes over what has none
                if type(parameter.data) is not float or not isinstance(grad, float):
                    _make_floats(parameter)
                self.update(i, parameter)
                moves = True
            i += 1  # noqa: SIM113  # enumerate takes longer
        if not moves:
            raise RuntimeError(
                "no parameter has a gradient, so none would move: call loss.backward() before "
                "optimizer.step(), of a loss that is computed from these parameters"
            )

    def state_dict(self) -> dict[str, Any]:
        """The settings and what was gathered over the steps, as numbers and lists that JSON can hold.

        What is gathered has a number for each parameter, in their order.

        >>> SGD([Value(2.0)], lr=0.25).state_dict()["lr"]
        0.25
        """
        state = {name: thing for name, thing in vars(self).items() if name != "parameters"}
        return {"optimizer": type(self).__name__, **copy.deepcopy(state)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave, of an optimizer of the same kind for as many parameters.

        Args:
            state: what `state_dict` gave, or the same read from JSON.

        Raises:
            ValueError: it is of another kind, or for another number of parameters, or damaged; the
                optimizer stays as it was.

        >>> first, second = SGD([Value(2.0)], lr=0.25), SGD([Value(3.0)])
        >>> second.load_state_dict(first.state_dict())
        >>> second.lr
        0.25
        """
        own = self.check(state)
        del own["optimizer"]
        attributes = {}
        for name, mine in own.items():
            attributes[name] = _as(mine, copy.deepcopy(state[name]))
        write((), (), self, **attributes)

    def check(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Refuse what `state_dict` of such an optimizer cannot have given, as `load_state_dict` says.

        Args:
            state: what is to be loaded.

        Returns:
            the present state.

        Raises:
            ValueError: as `load_state_dict`.
        """
        own = self.state_dict()
        if not isinstance(state, Mapping) or state.get("optimizer") != own["optimizer"]:
            what = state.get("optimizer") if isinstance(state, Mapping) else state
            raise ValueError(f"this is the state of {what!r:.60}, not of {own['optimizer']}")
        if state.keys() != own.keys():
            raise ValueError(f"this is no state of {own['optimizer']}: it has {', '.join(state)!s:.200}")
        for name, mine in own.items():
            if isinstance(mine, float):
                _number(state[name], name, ValueError)
            elif not _alike(mine, state[name]):
                raise ValueError(
                    f"{name} does not fit {len(self.parameters)} parameters: {state[name]!r:.100}"
                )
        if not 0 <= state["lr"] < math.inf:
            raise ValueError(f"lr is {state['lr']!r}")
        return own

    @abstractmethod
    def update(self, i: int, parameter: Value) -> None:
        """Move one parameter; `step` calls it for each that has a gradient.

        Args:
            i: its place in `parameters`, from 0 on.
            parameter: the Value: read its ``grad``, change its ``data``.
        """

    def __repr__(self) -> str:
        """The kind and its settings.

        >>> SGD([Value(2.0)], lr=0.1, momentum=0.9)
        SGD(lr=0.1, momentum=0.9, dampening=0.0, weight_decay=0.0, nesterov=False)
        """
        settings = (
            f"{name}={thing!r}"
            for name, thing in vars(self).items()
            if isinstance(thing, int | float | tuple) and name != "steps"
        )
        return f"{type(self).__name__}({', '.join(settings)})"


class SGD(Optimizer):
    """Gradient descent, w ← w − η·∂L/∂w, with what PyTorch's ``SGD`` adds to it.

    Args:
        parameters: the Values to move.
        lr: the learning rate η.
        momentum: μ in v ← μ·v + (1 − dampening)·g, w ← w − η·v; the first v is g.
        dampening: the share of g that is left out of v, usually from 0 to 1.
        weight_decay: λ in g = ∂L/∂w + λ·w.
        nesterov: whether w ← w − η·(g + μ·v) instead; it needs momentum, and no dampening.

    Raises:
        TypeError: as `Optimizer`.
        ValueError: as `Optimizer`; or momentum or weight_decay is negative or not finite, or nesterov
            stands without momentum or beside dampening.

    Sources: Polyak, "Some methods of speeding up the convergence of iteration methods" (1964); Sutskever,
    Martens, Dahl, Hinton, "On the importance of initialization and momentum in deep learning" (2013).

    >>> w = Value(2.0)
    >>> (w * w).backward()
    >>> SGD([w], lr=0.25).step()
    >>> w.data
    1.0
    """

    _changing = ("steps", "velocities")

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(parameters, lr)
        self.momentum = _at_least_zero(momentum, "momentum")
        self.dampening = _number(dampening, "dampening")
        self.weight_decay = _at_least_zero(weight_decay, "weight_decay")
        if not isinstance(nesterov, bool):
            raise TypeError(f"nesterov is True or False, not {nesterov!r:.60}")
        self.nesterov = nesterov
        if nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ValueError("nesterov needs a momentum above 0 and no dampening")
        self.velocities: list[float | None] = [None] * len(self.parameters)

    def check(self, state: Mapping[str, Any]) -> dict[str, Any]:
        own = super().check(state)
        if not _are_numbers(state["velocities"]):
            raise ValueError(f"velocities are no numbers: {state['velocities']!r:.100}")
        for name in ("momentum", "weight_decay"):
            if not 0 <= state[name] < math.inf:
                raise ValueError(f"{name} is {state[name]!r}, and must not be negative or infinite")
        if not math.isfinite(state["dampening"]):
            raise ValueError(f"dampening is {state['dampening']!r}")
        if state["nesterov"] and (state["momentum"] == 0 or state["dampening"] != 0):
            raise ValueError("nesterov needs a momentum above 0 and no dampening")
        return own

    def update(self, i: int, parameter: Value) -> None:
        gradient = parameter.grad
        if self.weight_decay:  # 0 · ∞, which is no number, would add to it
            gradient += self.weight_decay * parameter.data
        if self.momentum:
            before = self.velocities[i]
            if before is None:  # the first velocity is the gradient, undampened, as in PyTorch
                velocity = gradient
            else:
                velocity = self.momentum * before + (1 - self.dampening) * gradient
            self.velocities[i] = velocity
            gradient = gradient + self.momentum * velocity if self.nesterov else velocity
        parameter.data -= self.lr * gradient


class Adam(Optimizer):
    """Adam: each parameter's step is scaled by its gradients' running mean and mean square.

    m ← β₁m + (1 − β₁)g and v ← β₂v + (1 − β₂)g²; after step k,
    w ← w − η · (m / (1 − β₁ᵏ)) / (√(v / (1 − β₂ᵏ)) + ε).

    Args:
        parameters: the Values to move.
        lr: the learning rate η.
        betas: (β₁, β₂), each from 0 on and below 1.
        eps: ε, against a division by zero.
        weight_decay: λ in g = ∂L/∂w + λ·w.

    Raises:
        TypeError: as `Optimizer`.
        ValueError: as `Optimizer`; or eps or weight_decay is negative or not finite, or the betas are not
            two numbers from 0 on and below 1.

    Source: Kingma, Ba, "Adam: a method for stochastic optimization" (2015), algorithm 1.

    >>> w = Value(2.0)
    >>> (w * w).backward()
    >>> Adam([w], lr=0.1).step()
    >>> round(w, 6)
    1.9
    """

    _changing = ("steps", "updates", "means", "squares")

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr)
        if not isinstance(betas, Iterable) or isinstance(betas, str):
            raise TypeError(f"betas are two numbers, such as (0.9, 0.999), not {betas!r:.60}")
        self.betas = tuple(_number(beta, "betas") for beta in betas)
        if len(self.betas) != 2:
            raise ValueError(f"betas must be two numbers, not {betas!r}")
        for beta in self.betas:
            if not 0 <= beta < 1:
                raise ValueError(f"betas must be from 0 on and below 1, not {beta!r}")
        self.eps = _at_least_zero(eps, "eps")
        self.weight_decay = _at_least_zero(weight_decay, "weight_decay")
        self.updates = [0] * len(self.parameters)
        self.means = [0.0] * len(self.parameters)
        self.squares = [0.0] * len(self.parameters)

    def check(self, state: Mapping[str, Any]) -> dict[str, Any]:
        own = super().check(state)
        sound = (
            None not in (*state["betas"], *state["updates"], *state["means"], *state["squares"])
            and all(0 <= beta < 1 for beta in state["betas"])
            and 0 <= state["eps"] < math.inf
            and 0 <= state["weight_decay"] < math.inf
            and all(type(count) is int and count >= 0 for count in state["updates"])
            and not any(square < 0 for square in state["squares"])
        )
        if not sound:
            raise ValueError("betas, eps, weight_decay, updates or squares are none that Adam can have")
        return own

    def update(self, i: int, parameter: Value) -> None:
        gradient = parameter.grad
        if self.weight_decay:
            gradient += self.weight_decay * parameter.data
        self.move(i, parameter, gradient)

    def move(self, i: int, parameter: Value, gradient: float) -> None:
        """Algorithm 1 of the paper, for one parameter.

        Args:
            i: its place in `parameters`, from 0 on.
            parameter: the Value to move.
            gradient: g, which need not be the one that the Value has.
        """
        beta1, beta2 = self.betas
        self.updates[i] += 1
        self.means[i] = beta1 * self.means[i] + (1 - beta1) * gradient
        self.squares[i] = beta2 * self.squares[i] + (1 - beta2) * gradient * gradient
        mean = self.means[i] / (1 - beta1 ** self.updates[i])
        square = self.squares[i] / (1 - beta2 ** self.updates[i])
        parameter.data -= self.lr * mean / (math.sqrt(square) + self.eps)


class AdamW(Adam):
    """Adam with decoupled weight decay: w ← w − η·λ·w, then Adam's step by the plain gradient.

    Args:
        parameters: the Values to move.
        lr: the learning rate η.
        betas: (β₁, β₂), each from 0 on and below 1, as in `Adam`.
        eps: ε, against a division by zero, as in `Adam`.
        weight_decay: λ; g is ∂L/∂w alone.

    Raises:
        TypeError, ValueError: as `Adam`.

    Source: Loshchilov, Hutter, "Decoupled weight decay regularization" (2019), algorithm 2.

    >>> w = Value(2.0)
    >>> (w * w).backward()
    >>> AdamW([w], lr=0.1, weight_decay=0.5).step()
    >>> round(w, 6)
    1.8
    """

    _changing = ("steps", "updates", "means", "squares")

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)

    def update(self, i: int, parameter: Value) -> None:
        if self.weight_decay:  # 0 · ∞ is no number
            parameter.data -= self.lr * self.weight_decay * parameter.data
        self.move(i, parameter, parameter.grad)


def _alike(mine: Any, there: Any) -> bool:
    """Whether a thing of a state can stand for another: a number for a number, a list for one as long."""
    if isinstance(mine, list | tuple):
        if not isinstance(there, list | tuple) or len(there) != len(mine):
            return False
        return not all(map(_is_number, mine)) or _are_numbers(there)
    return _is_number(there) or not _is_number(mine)


def _are_numbers(things: Iterable[Any]) -> bool:
    """Whether they are numbers, or None where there is none yet."""
    return all(thing is None or _is_number(thing) for thing in things)


def _is_number(thing: Any) -> bool:
    try:
        real(thing)
    except (TypeError, OverflowError):
        return False
    return True


def _as(mine: Any, there: Any) -> Any:
    """A thing of a state as this optimizer keeps it: numbers of any kind as floats, counts as they are."""
    if isinstance(mine, list | tuple):
        return type(mine)(_as(0.0, thing) for thing in there)
    plain = there is None or isinstance(there, int | str) or not isinstance(mine, float)
    return there if plain else real(there)


def _number(number: Any, name: str, kind: type[Exception] | None = None) -> float:
    try:
        return real(number)
    except (TypeError, OverflowError) as error:
        raise (kind or type(error))(f"{name}: {error}") from None


def _make_floats(parameter: Value) -> None:
    """Make floats of other numbers, so that no step is computed in a type that is narrower.

    Raises:
        TypeError, OverflowError: one of the two is no real number; with the name of the parameter.
    """
    check_data((parameter,))
    try:
        parameter.grad = real(parameter.grad)
    except (TypeError, OverflowError) as error:
        raise type(error)(f"{parameter.name or 'a parameter'}.grad: {error}") from None


def _at_least_zero(number: Any, name: str) -> float:
    data = _number(number, name)
    if math.isnan(data):
        raise ValueError(f"{name} must be a number from 0 on, but is nan")
    if not data >= 0:
        raise ValueError(f"{name} must not be negative, but is {number!r}")
    if math.isinf(data):
        raise ValueError(f"{name} must be finite")
    return data
