"""What things are called elsewhere: the answer to a name of PyTorch, JAX, Keras or numpy.

>>> hint("MSELoss", [])
'mg.mse_loss(y, t)'
>>> hint("Sigmoid", ["relu", "sigmoid"])
'did you mean sigmoid?'
"""

from collections.abc import Iterable
from difflib import get_close_matches
from re import fullmatch
from typing import Any

_VALUES = "write [mg.Value(x) for x in xs]"
_NETWORK = 'mg.MLP(2, [2, 1], activation="relu") has all layers of a network'
_SEED = "weights are the same in every run; others: mg.MLP(2, [2, 1], seed=4)"
_BACKWARD = "a loss has it: loss.backward()"
_NO_MODES = "there is nothing to switch: a model computes the same in training and after it"
_NO_DEVICE = "there is nothing to move: Values are Python's floats; mg.compile makes fast code"
_STOPPING = "mg.stop.ValidationRises(patience=10), or without validation mg.stop.NoProgress(patience=100)"
_SOURCE = "mg.compile(loss, inputs) makes fast code of a graph"

#: What to write instead of a name that this package does not have.
ELSEWHERE = {
    # numbers
    "tensor": _VALUES,
    "Tensor": _VALUES,
    "array": _VALUES,
    "Variable": _VALUES,
    "Parameter": "a leaf is one: mg.Value(0.5, name='w')",
    "zeros": "write [mg.Value(0.0) for _ in range(n)]",
    "ones": "write [mg.Value(1.0) for _ in range(n)]",
    "randn": "write [mg.Value(random.gauss()) for _ in range(n)], with Python's random",
    "rand": "write [mg.Value(random.random()) for _ in range(n)], with Python's random",
    "manual_seed": _SEED,
    "seed": _SEED,
    "random": _SEED,
    "matmul": "write [mg.dot(row, x) for row in rows]",
    # derivatives
    "autograd": "loss.backward(), or mg.grad(loss, [x])",
    "GradientTape": "loss.backward(), or mg.grad(loss, [x])",
    "value_and_grad": "the value is y.data, the gradients are mg.grad(y, [x])",
    "backward": _BACKWARD,
    "zero_grad": "model.zero_grad(), or v.grad = 0.0",
    "jit": _SOURCE,
    # networks
    "Linear": _NETWORK,
    "Dense": _NETWORK,
    "Sequential": _NETWORK,
    "ReLU": 'mg.relu(v), or mg.MLP(2, [2, 1], activation="relu")',
    "functional": "functions are in the package itself: mg.relu(v), mg.cross_entropy(logits, target)",
    "train": _NO_MODES,
    "eval": _NO_MODES,
    "to": _NO_DEVICE,
    "cuda": _NO_DEVICE,
    "cpu": _NO_DEVICE,
    "forward": "call it: model(x)",
    "weights": "model.parameters(), or dict(model.named_parameters())['w31']",
    "weight": "model.parameters(), or dict(model.named_parameters())['w31']",
    "scaling": "model.units has the means and the spreads",
    "summary": "print(model), or mg.draw(model([0.0, 1.0]))",
    # losses
    "MSELoss": "mg.mse_loss(y, t)",
    "BCELoss": "mg.binary_cross_entropy(p, t)",
    "BCEWithLogitsLoss": "mg.binary_cross_entropy_with_logits(z, t)",
    "CrossEntropyLoss": "mg.cross_entropy(logits, target)",
    # training
    "fit": "mg.fit(model, data)",
    "evaluate": "mg.accuracy(model, data)",
    "predict": "a model has it: model.predict(rows)",
    "save": "a model has it: model.save(path)",
    "load": "mg.nn.load(path)",
    "EarlyStopping": _STOPPING,
}


def hint(name: str, names: Iterable[str]) -> str:
    """What to write instead of a name that is not among the names; empty if nobody knows."""
    names = [*names]
    if same := [known for known in names if known.lower() == name.lower()]:
        return f"did you mean {same[0]}?"
    if name in ELSEWHERE:
        return ELSEWHERE[name]
    if close := get_close_matches(name, names, n=1, cutoff=0.75):
        return f"did you mean {close[0]}?"
    return ""


def missing(owner: str, name: str, names: Iterable[str], otherwise: str = "") -> AttributeError:
    """The error for a name that the owner does not have.

    Python adds a hint of its own in a terminal, notebooks do not; with the name alone, it is said once.
    """
    what = "" if name.startswith("_") else hint(name, names) or otherwise
    return AttributeError(f"{owner} has no attribute {name!r}{': ' * bool(what)}{what}", name=name)


def missing_in_model(model: Any, name: str) -> AttributeError:
    """The error for a name that a model does not have."""
    owner = f"{type(model).__name__!r} object"
    if fullmatch(r"[wb]\d[\d,]*", name) and name in dict(model.named_parameters()):
        text = f"{owner} has no attribute {name!r}: dict(model.named_parameters())[{name!r}]"
        return AttributeError(text, name=name)
    return missing(owner, name, [known for known in dir(model) if not known.startswith("_")])
