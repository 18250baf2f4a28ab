"""A scalar autodiff engine to read, to look at, to step through by hand, and to compile.

>>> import microgradlike as mg
>>> x, w = mg.Value(2.0, name="x"), mg.Value(-0.5, name="w")
>>> y = mg.sigmoid(w * x + 1)
>>> y.backward()
>>> w.grad  # ∂y/∂w = y(1 − y) · x
0.5
"""

from typing import TYPE_CHECKING

from microgradlike import data, nn, plot, stop
from microgradlike.compile import Program, compile
from microgradlike.diagnose import diagnose
from microgradlike.draw import draw
from microgradlike.engine import (
    NOT_COMPUTED,
    Constant,
    Value,
    grad,
    hessian,
    jacobian,
    jvp,
    no_grad,
    topological_order,
)
from microgradlike.evaluate import accuracy, confusion
from microgradlike.explain import explain
from microgradlike.formula import formula
from microgradlike.functions import (
    abs,
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    cbrt,
    clip,
    cos,
    cosh,
    degrees,
    dot,
    elu,
    erf,
    erfc,
    exp,
    exp2,
    expm1,
    gelu,
    greater,
    hardtanh,
    hypot,
    leaky_relu,
    log,
    log1p,
    log2,
    log10,
    log_sigmoid,
    log_softmax,
    logaddexp,
    logit,
    logsumexp,
    maximum,
    mean,
    minimum,
    mod,
    pow,
    prod,
    radians,
    relu,
    selu,
    sigmoid,
    sign,
    silu,
    sin,
    sinc,
    sinh,
    softmax,
    softplus,
    softsign,
    sqrt,
    sum,
    tan,
    tanh,
    where,
    xlogy,
)
from microgradlike.gradcheck import gradcheck
from microgradlike.history import History
from microgradlike.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    half_squared_error,
    hinge_loss,
    mse_loss,
)
from microgradlike.nn import MLP, Layer, Module, Neuron
from microgradlike.optim import SGD, Adam, AdamW, Optimizer
from microgradlike.receipts import receipts
from microgradlike.ripple import ripple
from microgradlike.steps import steps
from microgradlike.training.loop import fit

__version__ = "0.1.0"


def __dir__() -> list[str]:
    """What completion offers: the public names, not the files that they come from."""
    return [*__all__, "__doc__", "__version__"]


if not TYPE_CHECKING:  # to a type checker, a module that has this would have every name

    def __getattr__(name: str) -> object:
        from microgradlike.elsewhere import missing

        raise missing("module 'microgradlike'", name, __all__, "dir(microgradlike) lists what it has")


__all__ = [
    "MLP",
    "NOT_COMPUTED",
    "SGD",
    "Adam",
    "AdamW",
    "Constant",
    "History",
    "Layer",
    "Module",
    "Neuron",
    "Optimizer",
    "Program",
    "Value",
    "abs",
    "accuracy",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cbrt",
    "clip",
    "compile",
    "confusion",
    "cos",
    "cosh",
    "cross_entropy",
    "data",
    "degrees",
    "diagnose",
    "dot",
    "draw",
    "elu",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "explain",
    "expm1",
    "fit",
    "formula",
    "gelu",
    "grad",
    "gradcheck",
    "greater",
    "half_squared_error",
    "hardtanh",
    "hessian",
    "hinge_loss",
    "hypot",
    "jacobian",
    "jvp",
    "leaky_relu",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_sigmoid",
    "log_softmax",
    "logaddexp",
    "logit",
    "logsumexp",
    "maximum",
    "mean",
    "minimum",
    "mod",
    "mse_loss",
    "nn",
    "no_grad",
    "plot",
    "pow",
    "prod",
    "radians",
    "receipts",
    "relu",
    "ripple",
    "selu",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "sinc",
    "sinh",
    "softmax",
    "softplus",
    "softsign",
    "sqrt",
    "steps",
    "stop",
    "sum",
    "tan",
    "tanh",
    "topological_order",
    "where",
    "xlogy",
]
