"""Error messages that say what to write, for names and habits from elsewhere."""

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import microgradlike as mg
from microgradlike import elsewhere, ops

MODEL = mg.MLP(4, [2, 1])
ANY: Any = mg  # for calls that a type checker refuses


@pytest.mark.parametrize(
    ("owner", "name", "answer"),
    [
        (mg, "tensor", "[mg.Value(x) for x in xs]"),
        (mg, "array", "[mg.Value(x) for x in xs]"),
        (mg, "Linear", "mg.MLP(2, [2, 1]"),
        (mg, "MSELoss", "mg.mse_loss(y, t)"),
        (mg, "load", "mg.nn.load(path)"),
        (mg, "save", "model.save(path)"),
        (mg, "manual_seed", "seed="),
        (mg, "value_and_grad", "mg.grad(y, [x])"),
        (mg, "jit", "mg.compile("),
        (mg, "RELU", "did you mean relu?"),
        (mg, "logsigmoid", "mg.log_sigmoid(x) is the same"),
        (mg, "arctan2", "mg.atan2(y, x) is the same"),
        (mg, "relu6", "mg.clip(x, 0.0, 6.0), whose derivative"),
        (mg, "celu", "alpha * mg.elu(x / alpha)"),
        (mg, "coth", "1 / mg.tanh(x)"),
        (mg, "var", "divides by n"),
        (mg, "nll_loss", "takes log-probabilities"),
        (mg, "minimun", "did you mean minimum?"),
        (mg, "sigmoidd", "did you mean sigmoid?"),
        (mg, "softpuls", "did you mean softplus?"),
        (mg, "binary_cross_entropi", "did you mean binary_cross_entropy?"),
        (mg.nn, "Linear", "mg.MLP(2, [2, 1]"),
        (mg.nn, "ReLU", "mg.relu(v)"),
        (mg.nn, "functional", "mg.relu(v)"),
        (mg.nn, "CrossEntropyLoss", "mg.cross_entropy(logits, target)"),
        (mg.nn, "mlp", "did you mean MLP?"),
        (mg.nn, "sigmoid", "in the package itself"),
        (mg.stop, "EarlyStopping", "ValidationRises"),
        (mg.stop, "Plateau", "dir(microgradlike.stop) lists what it has"),
        (mg.stop, "TimeLimits", "did you mean TimeLimit?"),
        (MODEL, "forward", "call it: model(x)"),
        (MODEL, "eval", "there is nothing to switch"),
        (MODEL, "weights", "model.parameters()"),
        (MODEL, "w31", "dict(model.named_parameters())['w31']"),
        (MODEL, "fit", "mg.fit(model, data)"),
        (MODEL, "backward", "loss.backward()"),
        (MODEL, "cuda", "there is nothing to move"),
        (MODEL, "paramters", "did you mean parameters?"),
    ],
)
def test_a_name_from_elsewhere_is_answered_with_what_to_write(owner: Any, name: str, answer: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(owner, name)
    message = str(caught.value)
    assert f"has no attribute {name!r}: " in message
    assert answer in message
    assert caught.value.obj is None  # else Python would add a hint of its own


#: Functions of other packages, near by their letters to one of this package that is another function.
OTHERS = [
    *("log3", "logn", "exp3", "expi", "cosm1", "sinpi", "cospi", "cott", "tand", "atan3", "acoth", "asech"),
    *(
        "erfi",
        "erfcx",
        "erfinv",
        "lgamma",
        "digamma",
        "gamma",
        "rrelu",
        "crelu",
        "relu7",
        "glu",
        "softmin2",
    ),
    *("hardshrink", "softshrink", "huber_loss", "squared_hinge", "l2_loss", "log_loss", "msle_loss"),
    *("cross_entropy2", "kl_div", "argmax", "nanmean", "cummax", "maximum2", "logcumsumexp", "logaddexp2"),
    *("cosine_similarity", "signbit", "powi", "cbrt3", "dots", "prods", "hypot3", "sums", "gradgrad"),
    *("adamax", "nadam"),
]


@pytest.mark.parametrize("name", [name for name in OTHERS if not hasattr(mg, name)])
def test_no_hint_leads_to_another_function(name: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(mg, name)
    assert "did you mean" not in str(caught.value)


def test_hints_that_compose_a_function_give_its_numbers() -> None:
    """Each text that says "write …" is run, beside the function as its paper or its package defines it."""
    definitions: dict[str, Callable[[float], float]] = {
        "square": lambda x: x**2,
        "reciprocal": lambda x: x**-1,
        "rsqrt": lambda x: x**-0.5,
        "exp10": lambda x: 10**x,
        "cot": lambda x: math.cos(x) / math.sin(x),
        "sec": lambda x: 1 / math.cos(x),
        "csc": lambda x: 1 / math.sin(x),
        "coth": lambda x: math.cosh(x) / math.sinh(x),
        "sech": lambda x: 2 / (math.exp(x) + math.exp(-x)),
        "csch": lambda x: 2 / (math.exp(x) - math.exp(-x)),
        "relu6": lambda x: min(max(0, x), 6),
        "celu": lambda x: max(0, x) + min(0, 2 * (math.exp(x / 2) - 1)),
        "prelu": lambda x: max(0, x) + 0.25 * min(0, x),
        "mish": lambda x: x * math.tanh(math.log(1 + math.exp(x))),
        "hardsigmoid": lambda x: min(max(x + 3, 0), 6) / 6,
        "hardswish": lambda x: x * min(max(x + 3, 0), 6) / 6,
        "tanhshrink": lambda x: x - math.tanh(x),
        "heaviside": lambda x: float(x > 0),
        "step": lambda x: float(x > 0),
    }
    for name, function in definitions.items():
        text = elsewhere.ELSEWHERE[name].removeprefix("write ").split(", w")[0]
        for x in (-7.5, -1.25, 0.5, 1.0, 3.5, 8.0):
            if name == "rsqrt" and x < 0:
                continue
            got = eval(text, {"mg": mg, "x": x, "alpha": 2.0, "slope": 0.25})
            assert got == pytest.approx(function(x), rel=1e-12, abs=1e-12), (name, x)


@pytest.mark.parametrize("owner", [mg, mg.nn, mg.stop, MODEL])
def test_a_name_that_starts_with_an_underscore_is_plainly_missing(owner: Any) -> None:
    with pytest.raises(AttributeError, match=r"has no attribute '__wrapped__'$"):
        owner.__wrapped__


@pytest.mark.parametrize("module", [mg.data, mg.nn, mg.plot, mg.stop])
def test_completion_offers_the_public_names_of_a_module(module: Any) -> None:
    assert set(dir(module)) == {*module.__all__, "__doc__"}
    assert all(hasattr(module, name) for name in module.__all__)


def test_a_model_is_copied_and_pickled_as_ever() -> None:
    for again in (copy.copy(MODEL), copy.deepcopy(MODEL), pickle.loads(pickle.dumps(MODEL))):
        assert again.state_dict() == MODEL.state_dict()
    assert not hasattr(MODEL, "forward")
    assert not hasattr(MODEL, "w99")
    assert not hasattr(MODEL.__class__.__new__(mg.MLP), "layers")  # half made


def test_the_table_has_no_name_that_the_package_has() -> None:
    assert not elsewhere.ELSEWHERE.keys() & {*mg.__all__} - {"fit"}  # a model has no fit


def cube(a: float) -> float:
    return a * a * a


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: MODEL.predict([5.0, 3.4, 1.5, 0.2]), TypeError,
         "predict takes a list of rows: for one, [[5.0, 3.4, 1.5, 0.2]]"),
        (lambda: ANY.grad(cube, [mg.Value(1.0)]), TypeError, "call it first: grad(f(x), [x])"),
        (lambda: ANY.hessian(cube, [mg.Value(1.0)]), TypeError, "call it first: grad(f(x), [x])"),
        (lambda: ANY.exp([1.0]), TypeError,
         "exp: a real number is needed, not [1.0] (list): "
         "write one for each number: [exp(x) for x in xs]"),
        (lambda: ANY.dot([1.0], [[2.0]]), TypeError, "dot: a real number is needed, not [2.0] (list): "
         "write one for each number: [Value(x) for x in xs]"),
        (lambda: ANY.maximum(1.0, "2"), TypeError,
         "maximum: a real number is needed, not '2' (str): convert it first: float(text)"),
        (lambda: mg.log(0), ValueError, "log(0.0) is undefined"),
        (lambda: mg.sqrt(-1), ValueError, "sqrt(-1.0) is undefined"),
        (lambda: mg.acos(2.0), ValueError, "acos(2.0) is undefined"),
        (lambda: mg.pow(-2.0, 0.5), ValueError, "(-2.0)^0.5 is undefined"),
        (lambda: mg.pow(0.0, -1.0), ZeroDivisionError, "0.0^(-1.0) is undefined"),
        (lambda: mg.exp(710.0), OverflowError, "exp(710.0) is too large for a float"),
        (lambda: mg.exp(10**400), OverflowError, "int too large to convert to float"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_to_write(
    call: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).endswith(message)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.fixture
def cubed(monkeypatch: pytest.MonkeyPatch) -> mg.Value:
    """The cube of w·x, by a row that someone has added to the table, and no backend knows."""
    row = ops._row("cube", cube, lambda out, a: (3 * a * a,))
    monkeypatch.setitem(ops.OPS, "cube", row)
    result: mg.Value = row(mg.Value(2.0, "w") * mg.Value(1.0, "x"))
    return result


def test_auto_goes_on_to_a_backend_that_knows_all_rows(cubed: mg.Value) -> None:
    w, x = cubed.parents[0].parents
    program = mg.compile(cubed, inputs=[x], wrt=[w])
    assert program.backend == "python"
    assert program([[1.0], [3.0]]) == (112.0, [168.0])


@pytest.mark.parametrize(
    ("backend", "needs", "file"),
    [("numpy", "numpy", "rows.py"), ("llvm", "llvmlite", "llvm.py"), ("jax", "jax", "rows.py")],
)
def test_a_backend_says_which_rule_it_lacks(cubed: mg.Value, backend: str, needs: str, file: str) -> None:
    pytest.importorskip(needs)
    w, x = cubed.parents[0].parents
    message = f"^the {backend} backend has no rule for cube: add one to microgradlike/compile/{file}$"
    with pytest.raises(ValueError, match=message):
        mg.compile(cubed, inputs=[x], wrt=[w], backend=backend)


def test_a_new_row_of_any_number_of_operands_is_for_python_too() -> None:
    w, x = mg.Value(2.0, "w"), mg.Value(1.0, "x")
    row = ops._row("total", lambda *terms: sum(terms), lambda out, *terms: (1.0,) * len(terms))
    program = mg.compile(row(w, x, w * x), inputs=[x], wrt=[w])
    assert program.backend == "python"
    assert program([[3.0]]) == (11.0, [4.0])
