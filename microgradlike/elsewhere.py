"""What things are called elsewhere: the answer to a name of PyTorch, JAX, Keras, numpy or micrograd.

An answer is given only where the meaning is the same, or where the text says what differs. A name that
merely looks alike is no answer: relu is not what someone wants who writes relu6.

>>> hint("MSELoss", [])
'mg.mse_loss(y, t)'
>>> hint("Sigmoid", ["relu", "sigmoid"])
'did you mean sigmoid?'
"""

import sys
from collections.abc import Iterable, MutableMapping
from re import findall, fullmatch
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

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
    # functions: the same under another name
    "expit": "mg.sigmoid(x) is the same",
    "swish": "mg.silu(x) is the same",
    "logsigmoid": "mg.log_sigmoid(x) is the same",
    "absolute": "mg.abs(x) is the same",
    "fabs": "mg.abs(x) is the same",
    "power": "mg.pow(x, y), or x ** y",
    "arcsin": "mg.asin(x) is the same",
    "arccos": "mg.acos(x) is the same",
    "arctan": "mg.atan(x) is the same",
    "arctan2": "mg.atan2(y, x) is the same",
    "arcsinh": "mg.asinh(x) is the same",
    "arccosh": "mg.acosh(x) is the same",
    "arctanh": "mg.atanh(x) is the same",
    "clamp": "mg.clip(x, low, high) is the same",
    "average": "mg.mean(xs) is the same",
    "max": "mg.maximum(*xs)",
    "min": "mg.minimum(*xs)",
    "norm": "mg.hypot(*xs), the Euclidean length",
    # functions: composed of those that there are
    "square": "write x * x",
    "reciprocal": "write 1 / x",
    "rsqrt": "write 1 / mg.sqrt(x)",
    "exp10": "write mg.pow(10.0, x)",
    "cot": "write 1 / mg.tan(x)",
    "sec": "write 1 / mg.cos(x)",
    "csc": "write 1 / mg.sin(x)",
    "coth": "write 1 / mg.tanh(x)",
    "sech": "write 1 / mg.cosh(x)",
    "csch": "write 1 / mg.sinh(x)",
    "relu6": "write mg.clip(x, 0.0, 6.0), whose derivative at 0 and at 6 is 1",
    "celu": "write alpha * mg.elu(x / alpha)",
    "prelu": "write mg.leaky_relu(x, slope), with a Value for the slope",
    "mish": "write x * mg.tanh(mg.softplus(x))",
    "hardsigmoid": "write mg.clip(x / 6 + 0.5, 0.0, 1.0)",
    "hardswish": "write x * mg.clip(x / 6 + 0.5, 0.0, 1.0)",
    "tanhshrink": "write x - mg.tanh(x)",
    "softmin": "write mg.softmax([-x for x in xs])",
    "heaviside": "write mg.greater(x, 0.0), which is 0 at 0",
    "step": "write mg.greater(x, 0.0), which is 0 at 0",
    "var": "write mg.mean([(x - m) ** 2 for x in xs]), m the mean: it divides by n, as numpy does",
    "std": "write mg.sqrt(mg.mean([(x - m) ** 2 for x in xs])), m the mean: it divides by n, as numpy does",
    "floor": "its derivative is 0: math.floor(v) gives the number, and leaves the graph",
    "ceil": "its derivative is 0: math.ceil(v) gives the number, and leaves the graph",
    "fmod": "mg.mod(x, y), or x % y, has the sign of y, as in Python; fmod that of x",
    "pi": "it is math.pi, in Python's math",
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
    "mse": "mg.mse_loss(y, t)",
    "mean_squared_error": "mg.mse_loss(y, t)",
    "rmse_loss": "write mg.sqrt(mg.mse_loss(y, t))",
    "bce": "mg.binary_cross_entropy(p, t), of probabilities; of logits it has another name",
    "categorical_crossentropy": "mg.cross_entropy(logits, target), of logits and the number of the class",
    "sparse_categorical_crossentropy": "mg.cross_entropy(logits, target), which takes logits",
    "softmax_cross_entropy": "mg.cross_entropy(logits, target)",
    "nll_loss": "it takes log-probabilities: -logp[target]; mg.cross_entropy(logits, target) takes logits",
    "NLLLoss": "it takes log-probabilities: -logp[target]; mg.cross_entropy(logits, target) takes logits",
    "l1_loss": "write mg.mean([abs(y - t) for y, t in zip(ys, ts)])",
    "L1Loss": "write mg.mean([abs(y - t) for y, t in zip(ys, ts)])",
    "hinge": "mg.hinge_loss(score, t), for targets -1 and 1",
    # training
    "fit": "mg.fit(model, data)",
    "evaluate": "mg.accuracy(model, data)",
    "predict": "a model has it: model.predict(rows)",
    "save": "a model has it: model.save(path)",
    "load": "mg.nn.load(path)",
    "EarlyStopping": _STOPPING,
}


def hint(name: str, names: Iterable[str]) -> str:
    """What to write instead of a name that is not among the names; empty if nobody knows.

    >>> hint("paramters", ["parameters"]), hint("huber_loss", ["hinge_loss"])
    ('did you mean parameters?', '')
    """
    names = [*names]
    if same := [known for known in names if known.lower() == name.lower()]:
        return f"did you mean {same[0]}?"
    if name in ELSEWHERE:
        return ELSEWHERE[name]
    if misspelt := [known for known in names if _is_misspelt(name, known)]:
        return f"did you mean {misspelt[0]}?"
    return ""


def _is_misspelt(name: str, known: str) -> bool:
    """Whether a name is another one with a typing error: a letter too many, too few or another one.

    A short word so near to another is a function of its own: coth, cosh. So is one with other digits.
    """
    words, known_words = name.lower().split("_"), known.lower().split("_")
    if "".join(words) == "".join(known_words):
        return True
    same_shape = len(words) == len(known_words) and findall(r"\d+", name) == findall(r"\d+", known)
    return same_shape and all(map(_is_misspelt_word, words, known_words))


def _is_misspelt_word(word: str, known: str) -> bool:
    errors = 2 if len(known) >= 10 else 1 if len(known) >= 6 else 0
    return abs(len(word) - len(known)) <= errors and _distance(word, known) <= errors


def _distance(a: str, b: str) -> int:
    """How many letters to insert, delete, replace, or swap with their neighbour make b of a.

    Source: Damerau, "A technique for computer detection and correction of spelling errors" (1964).
    """
    before: list[int] = []
    row: list[int] = [*range(len(b) + 1)]
    for i, x in enumerate(a, 1):
        earlier, before, row = before, row, [i]
        for j, y in enumerate(b, 1):
            cost = min(row[-1] + 1, before[j] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and (x, y) == (b[j - 2], a[i - 2]):
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]


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


# ── A Value's names ───────────────────────────────────────────────────────────────────────────────────

_SCALAR = "a Value is one number, and has no shape: it is v.data"
_ALWAYS = "every Value has its derivative taken; v.detach() has no history, mg.no_grad() records none"

#: What to write instead of an attribute that a Value does not have.
OF_A_VALUE = {
    # PyTorch, numpy
    "item": "the number is v.data, or float(v)",
    "numpy": "the number is v.data, or float(v)",
    "tolist": "the number is v.data, or float(v)",
    "value": "the number is v.data",
    "val": "the number is v.data",
    "shape": _SCALAR,
    "size": _SCALAR,
    "ndim": _SCALAR,
    "dim": _SCALAR,
    "view": _SCALAR,
    "reshape": _SCALAR,
    "T": _SCALAR,
    "dtype": "a Value is a Python float, of 64 bits",
    "double": "a Value is a Python float, of 64 bits",
    "float": "float(v) gives the number",
    "int": "int(v) gives the whole part of the number",
    "device": _NO_DEVICE,
    "to": _NO_DEVICE,
    "cpu": _NO_DEVICE,
    "cuda": _NO_DEVICE,
    "requires_grad": _ALWAYS,
    "requires_grad_": _ALWAYS,
    "retain_grad": "every node keeps its gradient, inner nodes too: v.grad after loss.backward()",
    "retain_graph": "a graph stays: loss.backward() may be called again",
    "is_leaf": "a leaf is a Value without parents: not v.parents",
    "grad_fn": "the operation is v.op, its operands are v.parents",
    "zero_grad": "write v.grad = 0.0; a model and an optimizer have zero_grad()",
    "zero_": "write v.grad = 0.0, or v.data = 0.0",
    "clone": "v.detach() is a leaf with this number; an operation on v stays in its graph",
    "copy": "v.detach() is a leaf with this number; copy.deepcopy(v) copies the graph",
    "add_": "write v.data += x",
    "sub_": "write v.data -= x",
    "mul_": "write v.data *= x",
    "rint": "round(v) gives the number, and leaves the graph",
    "fmod": "v % x has the sign of x, as in Python; math.fmod(v, x) gives the number, and leaves the graph",
    "copy_": "write v.data = x",
    "fill_": "write v.data = x",
    "gradient": "after loss.backward() it is v.grad",
    "jacobian": "mg.jacobian(ys, xs)",
    "hessian": "mg.hessian(y, xs)",
    "step": "an optimizer has it: mg.SGD(model.parameters(), lr=0.1).step()",
    "parameters": "a model has it: model.parameters()",
    "clamp": "mg.clip(v, low, high)",
    "square": "write v * v",
    "argmax": "of several Values: max(range(len(ys)), key=lambda i: ys[i].data)",
    # micrograd
    "_backward": "one application of the chain rule is v.propagate(); all of them are loss.backward()",
    "children": "the operands that it was made from are v.parents",
    "_children": "the operands that it was made from are v.parents",
    "prev": "the operands that it was made from are v.parents",
    "draw": "mg.draw(v)",
    "draw_dot": "mg.draw(v)",
}

# Functions of the package that are no methods: of one Value, of a list, of several.
_OF_ONE = (
    "abs acos acosh asin asinh atan atanh elu erf erfc gelu hardtanh leaky_relu log_sigmoid logit selu "
    "sign silu sinc softplus softsign"
)
_OF_A_LIST = "sum mean prod softmax log_softmax logsumexp"
_OF_SEVERAL = {"max": "maximum", "maximum": "maximum", "min": "minimum", "minimum": "minimum"}
OF_A_VALUE |= {name: f"mg.{name}(v)" for name in _OF_ONE.split(" ")}
OF_A_VALUE |= {name: f"mg.{name}([v, …]), of a list of Values" for name in _OF_A_LIST.split(" ")}
OF_A_VALUE |= {name: f"mg.{there}(v, …), of several Values" for name, there in _OF_SEVERAL.items()}
OF_A_VALUE |= {name: f"mg.{name}: see help(mg.{name})" for name in ("pow", "clip", "dot")}

#: Attributes that any Value takes, on any Python: an optimiser written by hand keeps its state in them.
NOTES = (
    *("m", "v", "t", "s", "g", "m_hat", "v_hat", "velocity", "momentum", "momentum_buffer", "exp_avg"),
    *("exp_avg_sq", "square_avg", "grad_avg", "grad_sq", "cache", "buffer", "state", "steps", "history"),
    *("last_grad", "prev_grad", "last_step", "moment1", "moment2", "mean_square", "rms", "mask", "frozen"),
    *("decay", "lr", "note", "notes", "tag", "color"),
)


class _Missing:
    """An attribute that a Value does not have. Python looks it up as a method, so others take no longer."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, value: Any, owner: type) -> NoReturn:
        of = f"{owner.__name__!r} object" if value is not None else f"type object {owner.__name__!r}"
        text = f"{of} has no attribute {self.name!r}: {OF_A_VALUE[self.name]}"
        raise AttributeError(text, name=self.name)


class _Note:
    """An attribute of a Value that has no ``__dict__``: beside it, for as long as the Value lives."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.kept: MutableMapping[Any, Any] = WeakKeyDictionary()

    def _place(self, value: Any) -> tuple[MutableMapping[Any, Any], Any]:
        attributes = getattr(value, "__dict__", None)
        return (self.kept, value) if attributes is None else (attributes, self.name)

    def __get__(self, value: Any, owner: type) -> Any:
        place, key = self._place(value) if value is not None else ({}, "")
        try:
            return place[key]
        except KeyError:
            text = f"{owner.__name__!r} object has no attribute {self.name!r}"
            raise AttributeError(text, name=self.name) from None

    def __set__(self, value: Any, note: Any) -> None:
        place, key = self._place(value)
        place[key] = note

    def __delete__(self, value: Any) -> None:
        self.__get__(value, type(value))
        place, key = self._place(value)
        del place[key]


class NamesFromElsewhere:
    """The base of `Value`: answers the names that other engines have, and costs the others no time."""

    __slots__ = ()

    def __dir__(self) -> list[str]:
        """What completion offers: no name that is only answered."""
        only = {name for name in (*OF_A_VALUE, *NOTES) if not hasattr(self, name)}
        return [name for name in super().__dir__() if name not in only]


for _name in OF_A_VALUE:
    setattr(NamesFromElsewhere, _name, _Missing(_name))
if sys.version_info < (3, 13):  # since then a Value takes attributes of any name
    for _name in NOTES:
        setattr(NamesFromElsewhere, _name, _Note(_name))


_SYMBOLS = {"add": "+", "sub": "-", "neg": "-", "mul": "*", "div": "/", "pow": "**", "relu": "ReLU"}


def micrograd_symbol(name: str) -> str:
    """An operation as micrograd writes it, given its name in the op table.

    >>> micrograd_symbol("mul"), micrograd_symbol("power(2)"), micrograd_symbol("tanh")
    ('*', '**2', 'tanh')
    """
    if power := fullmatch(r"power\((.*)\)", name):
        return "**" + power[1]
    return _SYMBOLS.get(name, name)
