"""A scalar autodiff engine to read, to look at, to step through by hand, and to compile.

>>> import microgradlike as mg
>>> x, w = mg.Value(2.0, name="x"), mg.Value(-0.5, name="w")
>>> y = mg.sigmoid(w * x + 1)
>>> y.backward()
>>> w.grad  # ∂y/∂w = y(1 − y) · x
0.5
"""

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
    log_softmax,
    logsumexp,
    maximum,
    mean,
    minimum,
    pow,
    prod,
    relu,
    selu,
    sigmoid,
    sign,
    silu,
    sin,
    sinh,
    softmax,
    softplus,
    softsign,
    sqrt,
    sum,
    tan,
    tanh,
    where,
)
from microgradlike.gradcheck import gradcheck
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

__version__ = "0.1.0"
