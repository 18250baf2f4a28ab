"""The native backend: what it computes, how exactly, in how many threads, and for which processors."""

import importlib.util
import math
import mmap
import os
import platform
import random
import re
import struct
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import test_compile_graphs as graphs
import test_compile_rows as rows
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp

import microgradlike as mg
from microgradlike import MLP, Value, cross_entropy, ops
from microgradlike.compile.ieee import ieee
from microgradlike.ops import OPS, Op

llvm: Any = pytest.importorskip("microgradlike.compile.llvm", reason="llvmlite is not installed")
vector: Any = pytest.importorskip("microgradlike.compile.vector")

inf, nan = math.inf, math.nan


# ── Against the eager engine ──────────────────────────────────────────────────────────────────────────


AS_WRITTEN = {ops.sigmoid, ops.tanh, ops.silu, ops.log_sigmoid, *(op for op in OPS.values() if op.book)}


@pytest.fixture
def _where_rules_subtract(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule (1 − t)·σ(z) − t·σ(−z) subtracts numbers near each other: last bits are what is left.

    So they are of y(1 − y) and 1 − y² where y is next to 1: native code computes them as they are written.
    """
    floors = rows.floors

    def with_last_bits(op: Op, xs: rows.Numbers, derivatives: Sequence[float]) -> list[float]:
        granted = floors(op, xs, derivatives)
        if op is ops.binary_cross_entropy_with_logits and math.isfinite(xs[1]):
            granted[1] += 2 * rows.ULP * (1 + abs(xs[1]))
        if op in AS_WRITTEN:
            granted = [floor + 2 * rows.ULP for floor in granted]
        return granted

    monkeypatch.setattr(rows, "floors", with_last_bits)


@pytest.mark.usefixtures("_where_rules_subtract")
@rows.every_row
def test_of_inputs_a_batch_at_a_time(op: Op) -> None:
    rows.test_of_inputs_a_batch_at_a_time(op, "llvm")


@pytest.mark.usefixtures("_where_rules_subtract")
@rows.every_row
@pytest.mark.parametrize("mixture", ["parameters", "odd"])
def test_of_inputs_and_parameters_one_example_at_a_time(op: Op, mixture: str) -> None:
    rows.test_of_inputs_and_parameters_one_example_at_a_time(op, "llvm", mixture)


@pytest.mark.parametrize("count", [1, 3, 7])
@pytest.mark.parametrize("op", rows.VARIADIC, ids=lambda op: op.name)
def test_any_number_of_operands_of_several_results(op: Op, count: int) -> None:
    rows.test_any_number_of_operands_of_several_results(op, count, "two arrays", "llvm")


@pytest.mark.parametrize(("op", "xs", "value", "derivatives"), rows.REFUSED)
def test_where_the_engine_raises_ieee_754_says_what_comes_out(
    op: Op, xs: rows.Numbers, value: float, derivatives: rows.Numbers
) -> None:
    rows.test_where_the_engine_raises_ieee_754_says_what_comes_out(op, xs, value, derivatives, "llvm")


def test_every_row_has_a_vector_form() -> None:
    rows = {name for name, op in OPS.items() if not op.composed and not op.book}
    assert rows - {"greater", "equal"} == llvm.ROWS.keys()


@pytest.mark.parametrize("order", [1, 2])
@settings(max_examples=25, deadline=None)
@given(
    graph=graphs.graphs,
    seed=graphs.numbers,
    size=st.integers(1, 17),
    reduce=st.sampled_from(["mean", "sum"]),
)
def test_any_graph(order: int, graph: graphs.Graph, seed: int, size: int, reduce: str) -> None:
    inner: Any = graphs.test_any_graph
    inner.hypothesis.inner_test("llvm", order, graph, seed, size, reduce)


UNARY = [op for op in rows.ROWS.values() if op.arity == 1]


@pytest.mark.parametrize("op", UNARY, ids=lambda op: op.name)
def test_negative_zero_is_what_the_engine_says(op: Op) -> None:
    x = Value(1.5 if op is ops.acosh else 0.5, "x")
    result = op(x)
    native = mg.compile(result, [x], [], outputs=[result], backend="llvm")([[-0.0]]).outputs[0, 0]
    expected = ieee(op)(-0.0)
    assert native == expected or math.isnan(expected)
    assert math.copysign(1, native) == math.copysign(1, expected) or math.isnan(expected)


# ── Batches ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [*range(1, 18), 31, 33, 1025, 4095, 4096, 4097, 20_001])
def test_any_size_of_a_batch(size: int) -> None:
    """The numbers are integers, so that nothing is rounded: what is missing in the last vector adds 0."""
    x, y, w = Value(0.0, "x"), Value(1.0, "y"), Value(2.0, "w")
    result = w * x * y + 1 / y
    p = mg.compile(result, [x, y], [w], outputs=[result], reduce="sum", backend="llvm")
    X = np.random.default_rng(size).integers(-9, 9, (size, 2)).astype(float)
    X[:, 1] = np.where(X[:, 1] > 0, 1.0, 0.5)
    loss, [dw], outputs = p(X)
    each = 2 * X[:, 0] * X[:, 1] + 1 / X[:, 1]
    assert (outputs[:, 0] == each).all()
    assert loss == pytest.approx(each.sum(), rel=1e-13)
    assert dw == pytest.approx((X[:, 0] * X[:, 1]).sum(), rel=1e-13)


@pytest.mark.parametrize("size", [1, 5, 8, 11])
@pytest.mark.parametrize("bad", [inf, nan])
def test_an_example_that_is_not_finite_is_counted_once(size: int, bad: float) -> None:
    x = Value(0.0, "x")
    p = mg.compile(x * 1.0, [x], [], outputs=[ops.abs(x)], backend="llvm", allow_nan=True)
    X = np.ones((size, 1))
    assert p(X).loss == 1.0
    X[-1] = bad
    assert p(X).loss == bad or math.isnan(bad)
    assert (p(X).outputs[:-1] == 1).all()


@pytest.mark.parametrize("columns", range(1, 21))
def test_any_number_of_inputs(columns: int) -> None:
    xs = [Value(0.0, f"x{i}") for i in range(columns)]
    used = [x for i, x in enumerate(xs) if i % 5 != 3] or xs
    result = ops.sum(*((i + 1) * x for i, x in enumerate(used)))
    X = np.random.default_rng(columns).integers(-99, 99, (13, columns)).astype(float)
    names = [f"x{i}" for i in range(columns)]
    expected = sum((i + 1) * X[:, names.index(x.name)] for i, x in enumerate(used))
    for batch in (X, np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2]):
        outputs = mg.compile(result, xs, [], outputs=[result], backend="llvm")(batch).outputs
        assert (outputs[:, 0] == expected).all()


def test_what_does_not_vary() -> None:
    w, x = Value(3.0, "w"), Value(1.0, "x")
    p = mg.compile(w * w, [x], [w, x], outputs=[ops.exp(w), ops.exp(w) + x], backend="llvm")
    loss, gradients, outputs = p([[1.0], [2.0]])
    assert (loss, [*gradients]) == (9.0, [6.0, 0.0])
    assert outputs == pytest.approx(np.exp(3) + np.array([[0, 1], [0, 2]]), rel=1e-15)


def network(activation: str = "tanh", sizes: Sequence[int] = (8, 8, 1)) -> tuple[MLP, Any]:
    random.seed(3)
    model = MLP(2, list(sizes), activation=activation)
    return model, mg.compile(
        lambda x, t: ((model(x) - t) ** 2, [model(x)]),
        [[0.0, 0.0], 0.0],
        model.parameters(),
        backend="llvm",
    )


def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llvm, "_WORTH_A_THREAD", 1)
    monkeypatch.setattr(llvm, "_cores", lambda: 3)
    _, p = network()
    X = np.random.default_rng(0).normal(size=(9_999, 3))
    results = []
    for threads in (1, 2, 3):
        p._whole.threads = threads
        results.append(p(X))
    for other in results[1:]:
        assert other.loss == results[0].loss
        assert (other.gradients == results[0].gradients).all()
        assert (other.outputs == results[0].outputs).all()


def test_several_threads_call_one_program() -> None:
    _, p = network()
    batches = [np.random.default_rng(i).normal(size=(100 + 700 * i, 3)) for i in range(8)]
    expected = [p(X).gradients for X in batches]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            for got, gradients in zip(pool.map(lambda X: p(X).gradients, batches), expected):
                assert (got == gradients).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    code = """
import os, numpy as np
import microgradlike as mg
from microgradlike import Value
from microgradlike.compile import llvm
llvm._WORTH_A_THREAD, llvm._cores = 1, lambda: 2
x = Value(1.0, "x")
p = mg.compile(x * x, [x], [x], backend="llvm")
p._whole.threads = 2
X = np.ones((5000, 1))
p(X)
child = os.fork()
loss = p(X).loss
os._exit(loss != 1) if not child else print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.stdout.strip() == "0", result.stderr


# ── Ulps ──────────────────────────────────────────────────────────────────────────────────────────────


def _exp(x: Any) -> Any:
    return mp.exp(x) if x > -2000 else mp.mpf(0)


def _bounded(
    function: Callable[[Any], Any], low: Any, high: Any, size: float = 2000
) -> Callable[[Any], Any]:
    """What mpmath takes long for, or refuses."""
    return lambda x: function(x) if abs(x) < size else mp.mpf(low) if x < 0 else mp.mpf(high)


def _erfc(x: Any) -> Any:
    return _bounded(mp.erfc, 2, 0, 60)(x)


def _wide(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def wide(x: Any) -> Any:
        with mp.workprec(max(150, 150 + mp.mag(x))):
            return function(x)

    return wide


EXACT: dict[str, Callable[[Any], Any]] = {
    "exp": _bounded(mp.exp, 0, inf),
    "exp2": _bounded(lambda x: mp.power(2, x), 0, inf),
    "expm1": _bounded(mp.expm1, -1, inf),
    "log": mp.log,
    "log2": lambda x: mp.log(x) / mp.log(2),
    "log10": mp.log10,
    "log1p": mp.log1p,
    "sin": _wide(mp.sin),
    "cos": _wide(mp.cos),
    "erf": _bounded(mp.erf, -1, 1, 60),
    "erfc": _erfc,
    "tanh": _bounded(mp.tanh, -1, 1),
    "sigmoid": lambda x: 1 / (1 + _exp(-x)) if x > -700 else _exp(x) / (1 + _exp(x)),
    "softplus": lambda x: max(x, mp.mpf(0)) + mp.log1p(_exp(-abs(x))),
    "gelu": lambda x: x * _erfc(-x / mp.sqrt(2)) / 2,
}

#: Functions of the C library, of which nothing is promised here, and of other rows.
POSITIVE = {"log", "log2", "log10"}


def points(name: str, count: int) -> Iterator[float]:
    """Numbers of all sizes, many where something happens: at 0, at multiples of π/2, where results end."""
    rng = random.Random(name)
    while count:
        x = rng.choice(
            [
                struct.unpack("d", rng.randbytes(8))[0],
                rng.uniform(-2, 2),
                rng.uniform(-40, 40),
                rng.uniform(-750, 750),
                rng.gauss(0, 5),
                math.ldexp(rng.uniform(-1, 1), rng.randint(-60, 12)),
                math.nextafter(rng.randint(-600_000, 600_000) * math.pi / 2, rng.choice([-inf, inf])),
                rng.uniform(-1, 1) * 2.0**-1022,
            ]
        )
        x = abs(x) if name in POSITIVE else x
        if x and math.isfinite(x) and (name != "log1p" or x > -1):
            yield x
            count -= 1


def ulps(got: float, exact: Any) -> float:
    """The error in units of the last place that a float of that size has."""
    if math.isinf(got):
        return 0.0 if abs(exact) >= 2**1024 - mp.mpf(2) ** 970 and got * exact > 0 else inf
    place = max(mp.mag(exact) - 1, -1022) - 52 if exact else -1074
    return float(abs(got - exact) / mp.mpf(2) ** place)


def worst(name: str, count: int) -> tuple[float, float]:
    """The largest error of a function, and where it is."""
    x = Value(0.5, "x")
    result = OPS[name](x)
    xs = [*points(name, count)]
    got = mg.compile(result, [x], [], outputs=[result], backend="llvm")([[x] for x in xs]).outputs[:, 0]
    with mp.workprec(150):
        return max((ulps(y, EXACT[name](mp.mpf(x))), x) for x, y in zip(xs, got.tolist()))


#: For processors without a fused multiply-add, and with vectors of other lengths.
PLAIN = {"x86_64": [("x86-64", "+sse2"), ("haswell", "+avx2,+fma")]}.get(platform.machine(), [])


@pytest.fixture(params=["", *PLAIN], ids=["this processor", *(cpu for cpu, _ in PLAIN)])
def _processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param:
        cpu, features = request.param
        machine = llvm._machine
        monkeypatch.setattr(llvm, "_machine", lambda: machine(cpu=cpu, features=features))


@pytest.mark.usefixtures("_processor")
@pytest.mark.parametrize("name", EXACT)
def test_an_error_below_two_ulp(name: str) -> None:
    """100,000 points each, with `python tests/test_compile_llvm.py`, find no more than 1.93."""
    error, x = worst(name, 1500)
    assert error <= 2, f"{name}({x!r}) is wrong by {error} ulp"


@pytest.mark.usefixtures("_processor")
def test_a_network_on_other_processors() -> None:
    model, p = network("gelu")
    array = mg.compile(
        lambda x, t: ((model(x) - t) ** 2, [model(x)]),
        [[0.0, 0.0], 0.0],
        model.parameters(),
        backend="numpy",
    )
    X = np.random.default_rng(0).normal(size=(1_003, 3))
    assert p(X).loss == pytest.approx(array(X).loss, rel=1e-12)
    assert p(X).gradients == pytest.approx(array(X).gradients, rel=1e-12, abs=1e-14)


def test_polynomials_are_chebyshev_interpolations() -> None:
    """What the tables of `vector` say of themselves, computed again; and their error."""

    def at_zero(value: Any, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda z: function(z) if abs(z) > mp.mpf(10) ** -15 else value

    root = mp.sqrt

    def log_erfc(a: Any) -> Any:
        return mp.log(a * mp.erfc(a)) + a * a + mp.mpf("0.625")

    with mp.workdps(60), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # mpmath 1.4 would have the order told
        half_log = mp.log(2) / 2 * mp.mpf("1.001")
        s = ((root(2) - 1) / (root(2) + 1)) ** 2 * mp.mpf("1.001")
        eighth = (mp.pi / 4 * mp.mpf("1.001")) ** 2
        third = mp.mpf(1) / 3
        a = mp.mpf("0.6")
        tables: dict[str, tuple[Callable[[Any], Any], Any, Any]] = {
            "EXP": (at_zero(mp.mpf(0.5), lambda r: (mp.expm1(r) - r) / r**2), -half_log, half_log),
            "LOG": (at_zero(2 * third, lambda z: (2 * mp.atanh(root(z)) / root(z) - 2) / z), 0, s),
            "TANH": (
                at_zero(-third, lambda z: (mp.tanh(root(z)) / root(z) - 1) / z),
                0,
                mp.mpf("0.625") ** 2,
            ),
            "SIN": (at_zero(-third / 2, lambda z: (mp.sin(root(z)) / root(z) - 1) / z), 0, eighth),
            "COS": (at_zero(third / 8, lambda z: (mp.cos(root(z)) - 1 + z / 2) / z**2), 0, eighth),
            "ERF": (at_zero(2 / root(mp.pi) - 1, lambda z: mp.erf(root(z)) / root(z) - 1), 0, 1),
            "NORMAL": (
                at_zero(
                    1 / root(2 * mp.pi) - mp.mpf(0.25),
                    lambda z: mp.erf(root(z / 2)) / 2 / root(z) - mp.mpf(0.25),
                ),
                0,
                mp.mpf("0.72"),
            ),
            "ERFC": (lambda t: log_erfc((1 + t) / (1 - t)), (a - 1) / (a + 1), mp.mpf(27) / 29),
        }
        for name, (function, low, high) in tables.items():
            table = getattr(vector, name)
            coefficients, error = mp.chebyfit(function, [low, high], len(table), error=True)
            assert error < 2.0**-56, name
            # The terms of highest powers hardly matter, and have their last digits from elsewhere.
            assert table == pytest.approx([float(c) for c in coefficients], rel=1e-9), name
        parts = {"LN2": mp.log(2), "LOG10_2": mp.log10(2), "HALF_PI": mp.pi / 2}
        parts |= {"LOG2_E": 1 / mp.log(2), "LOG10_E": 1 / mp.log(10)}
        for name, number in parts.items():
            assert abs(mp.fsum(getattr(vector, name)) - number) < 2.0**-78 * number, name


# ── Code ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_source_is_one_loop_with_the_names_of_the_graph() -> None:
    w, x = Value(3.0, "w"), Value(1.0, "σ")
    y = w * x
    y.name = "y"
    h = ops.tanh(y)
    h.name = "h"
    source = mg.compile(h, [x], [w], backend="llvm").source
    assert source.startswith("define void @loop(")
    width = llvm._machine()[1]
    assert re.search(rf'%y = fmul <{width} x double> %\.\d+, %"σ"', source)
    assert f"%h = call <{width} x double> @vector.tanh(<{width} x double> %y)" in source


def test_a_result_that_is_an_operand_or_a_constant() -> None:
    x, y, w = Value(1.0, "x"), Value(1.0, "y"), Value(2.0, "w")
    one, same, fixed = ops.power(0.0)(x), ops.power(1.0)(y), ops.power(1.0)(w)
    one.name, same.name, fixed.name = "one", "same", "fixed"
    loss = (1 - x) * one + (1 + y) * same + fixed * same + w * one
    program = mg.compile(loss, [x, y], [w], backend="llvm")
    assert program([[3.0, 5.0]]).loss == (1 - 3) + (1 + 5) * 5 + 2 * 5 + 2


def test_the_table_of_a_program() -> None:
    _, p = network()
    assert "scalar operations" in str(p)


@pytest.mark.parametrize(
    ("triple", "cpu", "features", "machine"),
    [("aarch64-unknown-linux-gnu", "", "+neon", 183), ("x86_64-unknown-linux-gnu", "x86-64", "+sse2", 62)],
)
def test_object_code_for_other_processors(triple: str, cpu: str, features: str, machine: int) -> None:
    binding = pytest.importorskip("llvmlite.binding")
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    try:
        target, width = llvm._machine(triple, cpu, features)
    except RuntimeError as error:
        pytest.skip(f"this llvmlite does not know the processor: {error}")
    xs = [Value(x, f"x{i}") for i, x in enumerate([0.5, 0.7, 1.5, 1.0, 2.0])]
    results = [
        op(*(xs[2:3] if op is ops.acosh else xs[: op.arity or 2])) for op in OPS.values() if not op.composed
    ]
    scalars = mg.compile(ops.sum(*results), xs, xs, backend="python")._scalars
    printer = llvm._Printer(scalars, [scalars.loss, *scalars.gradients], [], width)
    code = target.emit_object(binding.parse_assembly(printer.text()))
    assert code[:4] == b"\x7fELF"
    assert int.from_bytes(code[18:20], "little") == machine
    assert len(code) > 10_000


def test_a_graph_too_large_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llvm, "LIMIT", 10)
    with pytest.raises(ValueError, match=r'scalar operations .* limit is 10, .* backend="numpy"'):
        network()


def test_a_function_that_the_c_library_lacks_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llvm.llvm, "address_of_symbol", lambda name: None)
    monkeypatch.setattr(llvm.ctypes, "CDLL", lambda name: object())
    x = Value(0.5, "x")
    with pytest.raises(ValueError, match="no function cbrt in the C library"):
        mg.compile(ops.cbrt(x), [x], [], backend="llvm")
    mg.compile(ops.exp(x), [x], [], backend="llvm")


def test_llvmlite_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "llvmlite" else find(name)
    )
    x = Value(0.5, "x")
    with pytest.raises(ModuleNotFoundError, match=r'pip install "microgradlike\[native\]"'):
        mg.compile(x * x, [x], [], backend="llvm")


def test_llvmlite_is_loaded_when_it_is_needed() -> None:
    code = "import sys, microgradlike.compile; sys.exit('llvmlite' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_programs_that_are_gone_leave_no_memory_behind() -> None:
    def compiled() -> None:
        x = Value(0.5, "x")
        mg.compile(x * x, [x], [x], backend="llvm")([[1.0]])

    def used() -> int:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * mmap.PAGESIZE

    if not os.path.exists("/proc/self/statm"):
        pytest.skip("there is no /proc")
    for _ in range(50):
        compiled()
    before = used()
    for _ in range(200):
        compiled()
    assert used() - before < 200 * 20_000


def test_many_classes() -> None:
    random.seed(0)
    model = MLP(9, [8, 5], activation="silu")
    both = [
        mg.compile(
            lambda x, t: cross_entropy(model(x), t), [[0.0] * 9, 0.0], model.parameters(), backend=backend
        )
        for backend in ("llvm", "numpy")
    ]
    X = np.random.default_rng(0).normal(size=(77, 10))
    X[:, 9] = np.arange(77) % 5
    native, array = (p(X) for p in both)
    assert native.loss == pytest.approx(array.loss, rel=1e-12)
    assert native.gradients == pytest.approx(array.gradients, rel=1e-12, abs=1e-15)


if __name__ == "__main__":
    for name in EXACT:
        error, x = worst(name, 100_000)
        print(f"{name:9} {error:.3f} ulp at {x!r}")
