"""Gradients that are 0, infinite or nan for a reason that is known: does `explain` say this reason?

    python -m campaigns.zeros 10000      (in the folder tests)

Each case puts an operation, at a place where its derivative is 0, into a random graph all of whose other
factors are ordinary numbers. So the reason is known by construction, and is told in other words.
"""

import math
import random
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import microgradlike as mg
from microgradlike import Value, ops
from microgradlike.explain import explain
from microgradlike.formula import number

Build = Callable[[random.Random, Value], Any]


class Place(NamedTuple):
    """An operation of z at a place where its derivative by z is 0, and what is to be said of it."""

    z: Callable[[random.Random], float]
    build: Build
    says: str


def between(low: float, high: float) -> Callable[[random.Random], float]:
    return lambda rng: rng.uniform(low, high)


def at(z: float) -> Callable[[random.Random], float]:
    return lambda rng: z


def operand(rng: random.Random, low: float = 0.5, high: float = 2.0) -> Value:
    return Value(rng.uniform(low, high), "k")


PLACES: dict[str, Place] = {
    "relu off": Place(between(-9, -0.01), lambda r, z: mg.relu(z), "relu at {z} is off"),
    "leaky": Place(between(-9, -0.01), lambda r, z: mg.leaky_relu(z, 0.0), "leaky_relu is flat at {z}"),
    "hardtanh": Place(between(1.01, 9), lambda r, z: mg.hardtanh(z), "hardtanh is flat at {z}"),
    "clip below": Place(between(-9, -0.01), lambda r, z: mg.clip(z, 0.0, 1.0), "clip is flat at {z}"),
    "clip above": Place(between(1.01, 9), lambda r, z: mg.clip(z, 0.0, 1.0), "clip is flat at {z}"),
    "sign": Place(between(0.1, 9), lambda r, z: mg.sign(z), "sign is flat at {z}"),
    "greater": Place(between(0.1, 9), lambda r, z: mg.greater(z, -1.0), "greater is flat at {z}"),
    "where, condition": Place(between(0.1, 9), lambda r, z: mg.where(z, 2.0, 1.0), "where is flat at {z}"),
    "maximum": Place(between(-3, 0), lambda r, z: mg.maximum(z, operand(r)), "maximum does not take {z}"),
    "maximum, other side": Place(
        between(-3, 0), lambda r, z: mg.maximum(operand(r), z), "maximum does not take {z}"
    ),
    "minimum": Place(between(3, 5), lambda r, z: mg.minimum(z, operand(r)), "minimum does not take {z}"),
    "where, not chosen": Place(
        between(-3, 3), lambda r, z: mg.where(0.0, z, operand(r)), "where does not take {z}"
    ),
    "clip, inner bound": Place(
        between(-3, -1), lambda r, z: mg.clip(operand(r), z, 5.0), "clip does not take {z}"
    ),
    "clip, outer bound": Place(
        between(3, 5), lambda r, z: mg.clip(operand(r), -1.0, z), "clip does not take {z}"
    ),
    "elu, alpha": Place(between(0.2, 3), lambda r, z: ops.elu(operand(r), z), "elu does not take {z}"),
    "leaky, slope": Place(
        between(0.1, 0.5), lambda r, z: ops.leaky_relu(operand(r), z), "leaky_relu does not take {z}"
    ),
    "sigmoid": Place(between(800, 2000), lambda r, z: mg.sigmoid(z), "σ is saturated at {z}"),
    "sigmoid, left": Place(between(-2000, -800), lambda r, z: mg.sigmoid(z), "σ is saturated at {z}"),
    "tanh": Place(between(400, 900), lambda r, z: mg.tanh(z), "tanh is saturated at {z}"),
    "erf": Place(between(30, 90), lambda r, z: mg.erf(z), "erf is saturated at {z}"),
    "exp": Place(between(-2000, -800), lambda r, z: mg.exp(z), "exp is saturated at {z}"),
    "elu": Place(between(-2000, -800), lambda r, z: mg.elu(z, 1.0), "elu is saturated at {z}"),
    "gelu": Place(between(-900, -60), lambda r, z: mg.gelu(z), "gelu is saturated at {z}"),
    "softplus": Place(between(-2000, -800), lambda r, z: mg.softplus(z), "softplus is saturated at {z}"),
    "logits": Place(
        between(800, 2000),
        lambda r, z: mg.binary_cross_entropy_with_logits(z, 1.0),
        "binary_cross_entropy_with_logits is saturated at {z}",
    ),
    "logits, minimum": Place(
        at(0.0),
        lambda r, z: mg.binary_cross_entropy_with_logits(z, 0.5),
        "binary_cross_entropy_with_logits has a minimum at {z}",
    ),
    "cosh": Place(at(0.0), lambda r, z: mg.cosh(z), "cosh has a minimum at {z}"),
    "cos": Place(at(0.0), lambda r, z: mg.cos(z), "cos has a maximum at {z}"),
    "relu, kink": Place(at(0.0), lambda r, z: mg.relu(z), "relu has a kink at {z}"),
    "abs, kink": Place(at(0.0), lambda r, z: mg.abs(z), "abs has a kink at {z}"),
    "hypot, kink": Place(at(0.0), lambda r, z: mg.hypot(z, 0.0), "hypot has a kink at {z}"),
    "sign, jump": Place(at(0.0), lambda r, z: mg.sign(z), "sign jumps at {z}"),
    "factor 0": Place(between(0.5, 2), lambda r, z: z * Value(0.0, "k"), "= k = 0"),
    "square": Place(at(0.0), lambda r, z: z**2, "= 2·z = 0"),
    "half squares": Place(
        between(0.5, 2), lambda r, z: mg.half_squared_error(z, Value(z.data, "k")), "= z − k = 0"
    ),
    "rounded": Place(
        between(0.5, 2),
        lambda r, z: mg.prod([z, Value(1e-200, "k"), Value(1e-200, "l")]),
        "which is too small for a float",
    ),
}


def inner(rng: random.Random, z: float, w: Value) -> Value:
    """A value near that number, and 0 if that is 0, which is made of w with factors that are ordinary."""
    v: Value = rng.choice([w * 1.0, w + 0.0, mg.tanh(w), mg.sigmoid(w), w**2, w / 2.0, mg.exp(w)])
    return (v - v.data) + z


def outer(rng: random.Random, h: Value) -> Value:
    """A loss that is made of h by ways with ordinary factors."""
    loss = h
    for _ in range(rng.randint(0, 3)):
        a, b, c = rng.uniform(0.5, 2), rng.uniform(0.5, 2), rng.uniform(0.5, 2)
        loss = rng.choice(
            [
                loss * a,
                loss * Value(b) + loss * c,
                mg.sin(loss * 1e-3) + loss,
                loss + Value(a),
                mg.dot([loss, loss], [Value(a), b]),
            ]
        )
    return loss


class Result(NamedTuple):
    tried: int
    kinds: Counter[str]
    wrong: list[str]

    def __str__(self) -> str:
        kinds = "\n".join(f"  {kind:22} {count:6,}" for kind, count in sorted(self.kinds.items()))
        return f"{self.tried:,} gradients, {len(self.wrong):,} told wrongly; reasons:\n{kinds}"


def one(rng: random.Random) -> tuple[str, str]:
    """The kind of a case, and what is wrong with what is said of it; or nothing."""
    if rng.random() < 0.3:
        return _not_local(rng)
    kind = rng.choice(list(PLACES))
    place = PLACES[kind]
    w = Value(rng.uniform(0.2, 1.5), "w")
    z = inner(rng, place.z(rng), w)
    z.name = "z"
    h = place.build(rng, z)
    e = explain(outer(rng, h), w)
    says = place.says.format(z=f"z = {number(z.data, 4)}")
    if e.gradient != 0:
        return kind, f"the gradient is {e.gradient!r}, no 0"
    culprits = [edge for edge in e.culprits if edge.node is h and edge.parent is z]
    wrong = not (len(culprits) == len(e.culprits) == 1 and says in e.diagnosis)
    return kind, f"{says!r} is not said: {e.diagnosis!r}" if wrong else ""


def _not_local(rng: random.Random) -> tuple[str, str]:
    """Reasons that are no single factor's."""
    w, c = Value(rng.uniform(0.5, 2), "w"), rng.uniform(0.5, 2)
    tiny = 10.0 ** rng.uniform(-290, -170)
    cases: dict[str, tuple[Callable[[], Value], str]] = {
        "no path": (lambda: Value(c) * 2.0, "no path leads"),
        "cancel": (lambda: w * c - w * c, "The paths cancel"),
        "cancel among four": (lambda: w * 3.0 + w * 0.5 - w * 1.25 - w * 2.25, "The paths cancel"),
        "underflow": (lambda: w * tiny * tiny, "No factor is 0, but the product, about 10"),
        "underflow beside a factor 0": (
            lambda: w * tiny * tiny + mg.relu(-w),
            "1 path of 2 has a factor that is 0. On the other, no factor is 0, but the product",
        ),
        "two relus": (lambda: mg.relu(-w) + mg.relu(-w * c), "Every path goes through a factor that is 0"),
        "infinite factor": (lambda: mg.sqrt(w - w.data) * c, "= inf at v1 = 0: no path"),
        "infinity times 0": (lambda: mg.sqrt(w - w.data) * 0.0, "infinity times 0 is nan"),
        "infinities": (lambda: mg.sqrt(w - w.data) * c - mg.sqrt(w - w.data) * 2.5, "their sum is nan"),
        "overflow of a product": (
            lambda: w * 1e-300 / tiny / tiny,
            "No factor is infinite, but the product, about 10",
        ),
        "overflow of a sum": (
            lambda: mg.sum(*[[v * 1.2e308, v * 1.3e308] for v in [w * 1e-20]]),
            "No path is infinite, but the sum of those to ∂L/∂v1 is too large for a float.",
        ),
        "nan": (lambda: mg.sigmoid(w + Value(math.nan, "n")), "since n = nan"),
    }
    kind = rng.choice(list(cases))
    build, says = cases[kind]
    e = explain(build(), w)
    return kind, "" if says in e.diagnosis else f"{says!r} is not said: {e.diagnosis!r}"


def campaign(count: int, seed: int = 0) -> Result:
    kinds: Counter[str] = Counter()
    wrong = []
    for i in range(count):
        kind, problem = one(random.Random(f"{seed} {i}"))
        kinds[kind] += 1
        if problem:
            wrong.append(f"{i}: {kind}: {problem}")
    return Result(count, kinds, wrong)


if __name__ == "__main__":
    result = campaign(int(sys.argv[1]))
    print(result)
    print("\n".join(result.wrong[:30]))
