"""The jax backend: what it computes, as a function in other JAX code, on several devices and processes."""

import functools
import importlib.util
import math
import os
import random
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_compile_graphs as graphs
import test_compile_rows as rows
from hypothesis import example, given, settings
from hypothesis import strategies as st

import microgradlike as mg
from microgradlike import MLP, Program, Value, grad, half_squared_error, ops
from microgradlike.ops import Op

HAS_JAX = importlib.util.find_spec("jax") is not None
needs_jax = pytest.mark.skipif(not HAS_JAX, reason='needs jax: pip install "microgradlike[jax]"')
jax: Any = pytest.importorskip("jax") if HAS_JAX else None
jnp: Any = pytest.importorskip("jax.numpy") if HAS_JAX else None

inf, nan = math.inf, math.nan


# ── Against the eager engine ──────────────────────────────────────────────────────────────────────────


@functools.cache
def is_at_the_ends(op: Op, xs: rows.Numbers) -> bool:
    """Whether XLA's care ends here: numbers below the smallest normal one are zero, 1/b among them."""
    try:
        numbers = [*xs, op.forward(*xs)]
    except (ValueError, OverflowError, ZeroDivisionError):
        numbers = [*xs]
    if any(0 < abs(x) < 1e-307 or 4e307 < abs(x) < inf for x in numbers):
        return True
    if op in {ops.elu, ops.silu, ops.binary_cross_entropy_with_logits, ops.sigmoid_bend}:
        return 708 < abs(xs[0]) < 720  # e⁻⁷⁰⁹
    return op is ops.half_squared_error and rows._is_huge_difference(*xs)


@pytest.fixture
def _ends(monkeypatch: pytest.MonkeyPatch) -> None:
    floors = rows.floors

    def with_rounding(op: Op, xs: rows.Numbers, derivatives: Any) -> list[float]:
        granted = floors(op, xs, derivatives)
        if op is ops.binary_cross_entropy_with_logits and all(map(math.isfinite, xs)):
            # The terms of t·softplus(−z) + (1 − t)·softplus(z) are large, their sum may be small.
            granted[0] += 2 * rows.ULP * abs(xs[1]) * (1 + abs(xs[0]))
            granted[1] += 2 * rows.ULP * (1 + abs(xs[1]))
        return granted

    monkeypatch.setattr(rows, "floors", with_rounding)
    monkeypatch.setattr(rows, "is_otherwise", lambda op, xs, backend: is_at_the_ends(op, xs))


@needs_jax
@pytest.mark.usefixtures("_ends")
@rows.every_row
def test_of_inputs_a_batch_at_a_time(op: Op) -> None:
    rows.test_of_inputs_a_batch_at_a_time(op, "jax")


@needs_jax
@pytest.mark.usefixtures("_ends")
@rows.every_row
def test_of_inputs_and_parameters_one_example_at_a_time(op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    points = rows.defined_points(op)
    some = random.Random(op.name).sample(points, min(len(points), 90))
    monkeypatch.setattr(rows, "defined_points", lambda op: some)
    rows.test_of_inputs_and_parameters_one_example_at_a_time(op, "jax", "odd")


@needs_jax
@pytest.mark.parametrize("op", [ops.logsumexp, ops.hypot, ops.prod], ids=lambda op: op.name)
def test_any_number_of_operands_of_several_results(op: Op) -> None:
    rows.test_any_number_of_operands_of_several_results(op, 3, "two arrays", "jax")
    rows.test_two_results_of_very_many_operands(op, "jax")


REFUSED = {op.name: op for op, *_ in rows.REFUSED}


@needs_jax
@pytest.mark.parametrize("op", REFUSED.values(), ids=REFUSED)
def test_where_the_engine_raises_ieee_754_says_what_comes_out(op: Op) -> None:
    cases = [case for case in rows.REFUSED if case[0] is op]
    for length in {len(xs) for _, xs, *_ in cases}:
        batch = [case for case in cases if len(case[1]) == length]
        operands = [Value(1.5 if op is ops.acosh else 0.5, "abc"[i]) for i in range(length)]
        result = op(*operands)
        wanted = [result, *grad(result, operands)]
        p = mg.compile(result, operands, [], outputs=wanted, backend="jax", allow_nan=True)
        outputs = p([xs for _, xs, *_ in batch]).outputs
        for (_, xs, value, derivatives), got in zip(batch, outputs, strict=True):
            if op is not ops.exp2:  # XLA makes the largest float of 2¹⁰²⁴
                assert all(map(rows.is_near, got, [value, *derivatives], [0.0] * 4)), (xs, got)


@needs_jax
@pytest.mark.parametrize("order", [1, 2])
@settings(max_examples=8, deadline=None)
@given(
    graph=graphs.graphs,
    seed=graphs.numbers,
    size=st.integers(1, 5),
    reduce=st.sampled_from(["mean", "sum"]),
)
def test_any_graph(order: int, graph: graphs.Graph, seed: int, size: int, reduce: str) -> None:
    inner: Any = graphs.test_any_graph
    inner.hypothesis.inner_test("jax", order, graph, seed, size, reduce)


@needs_jax
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**9), size=st.integers(1, 4))
@example(seed=1000001, size=4)  # of a logsumexp the largest was computed twice, with different last bits
def test_any_network(seed: int, size: int) -> None:
    inner: Any = graphs.test_any_network
    inner.hypothesis.inner_test("jax", seed, size)


@needs_jax
def test_what_is_compared_with_a_maximum_is_computed_once() -> None:
    x, w = Value(1.0, "x"), Value(2.0, "w")
    p = mg.compile(mg.maximum(mg.tanh(w * x), mg.sin(w * x)) ** 2, [x], [w], backend="jax")
    statements = "\n".join(next(part for part in p._whole.parts if part.loop).statements)
    for line in p.source.splitlines():
        if "np.tanh" in line or "np.sin" in line or "np.maximum" in line:
            name = line.split()[0]
            assert f"{name} = once({name})" in statements
    assert statements.count("once(") == 3


@needs_jax
def test_numbers_below_the_smallest_normal_one_are_zero() -> None:
    x = Value(1.0, "x")
    p = mg.compile(x, [x], [], outputs=[x * 1e16, ops.sign(x)], backend="jax")
    if jax.default_backend() == "cpu":
        assert (p([[1e-310]]).outputs == 0).all()
    assert [*p([[1e-300]]).outputs[0]] == [1e-284, 1]


# ── A network ─────────────────────────────────────────────────────────────────────────────────────────


def network(backend: str, *, outputs: bool = True, activation: str = "silu", **options: Any) -> Program:
    random.seed(3)
    model = MLP(2, [4, 1], activation=activation)

    def loss(x: Any, t: Any) -> Any:
        y = model(x)
        return half_squared_error(y, t), [y] if outputs else []

    return mg.compile(loss, [[0.5, 1.0], 1.0], model.parameters(), backend=backend, **options)


def examples(n: int) -> Any:
    return np.random.default_rng(n).uniform(-2, 2, (n, 3))


def assert_equal(got: Any, expected: Any, tolerance: float = 1e-12) -> None:
    assert len(got) == len(expected)
    for a, b in zip(got, expected):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


@needs_jax
@pytest.mark.parametrize(
    ("size", "reduce"), [*((n, "mean") for n in (1, 7, 8, 9, 1001, 20_011)), (9, "sum"), (20_011, "sum")]
)
def test_any_size_of_a_batch(size: int, reduce: str) -> None:
    """The last ones are computed in several blocks, and with some examples left."""
    B = examples(size)
    got, expected = network("jax", reduce=reduce)(B), network("numpy", reduce=reduce)(B)
    assert_equal(got, expected, 1e-12 if reduce == "mean" else 1e-12 * size)
    assert type(got.loss) is float
    assert type(got.gradients) is type(got.outputs) is np.ndarray
    assert got.gradients.dtype == got.outputs.dtype == np.float64


@needs_jax
def test_what_does_not_vary() -> None:
    x, w = Value(1.0, "x"), Value(2.0, "w")
    p = mg.compile(w * w, [x], [w], outputs=[w * 3, Value(7.0)], backend="jax")
    loss, gradients, outputs = p([[1.0], [2.0], [3.0]])
    assert (loss, [*gradients], outputs.tolist()) == (4.0, [4.0], [[6.0, 7.0]] * 3)
    p = mg.compile(x * x, [x], [], backend="jax")
    assert p([[1.0], [3.0]]).loss == 5.0
    assert len(p([[1.0]]).gradients) == 0


@needs_jax
def test_data_are_read_at_every_call_and_written_back() -> None:
    p, q = network("jax"), network("numpy")
    B = examples(10)
    for leaf in (*p.parameters, *q.parameters):
        leaf.data *= 0.5
    assert_equal(p(B), q(B))
    theta = np.linspace(-1, 1, len(p.parameters))
    assert_equal(p(B, theta), q(B, theta))
    assert_equal(p(B, jnp.asarray(theta, jnp.float32)), q(B, theta.astype(np.float32)))
    p.assign(jnp.asarray(theta))
    assert [leaf.data for leaf in p.parameters] == pytest.approx([*theta], rel=1e-6)
    assert {type(leaf.data) for leaf in p.parameters} == {float}


@needs_jax
def test_from_several_threads() -> None:
    p = network("jax")
    batches = [examples(n) for n in range(1, 9)] * 4
    expected = [network("numpy")(B) for B in batches]
    with ThreadPoolExecutor(4) as pool:
        for got, right in zip(pool.map(p, batches), expected):
            assert_equal(got, right)


# ── Arrays of jax ─────────────────────────────────────────────────────────────────────────────────────


@needs_jax
@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "int8"])
def test_an_array_of_jax_is_a_batch(dtype: str) -> None:
    B = jnp.asarray(np.round(examples(9) * 4), dtype)
    assert_equal(network("jax")(B), network("numpy")(np.asarray(B, np.float64)))
    value, outputs = network("jax").value(B)
    assert_equal((value, outputs), network("numpy").value(np.asarray(B, np.float64)))


@needs_jax
def test_an_array_of_jax_is_checked_where_it_is() -> None:
    p = network("jax")
    B = examples(9)
    B[4, 1] = nan
    with pytest.raises(ValueError, match=r"row 4 of the batch, x2, is nan: leave such rows out"):
        p(jnp.asarray(B))
    with pytest.raises(ValueError, match=r"row 4 of the batch, x2, is nan: leave such rows out"):
        p(B)
    assert math.isnan(network("jax", allow_nan=True)(jnp.asarray(B)).loss)
    for shape in [(3,), (2, 4), (0, 3), ()]:
        with pytest.raises((TypeError, ValueError), match="batch"):
            p(jnp.zeros(shape))
    assert p(jnp.ones((2, 3), bool)).loss == p(np.ones((2, 3))).loss
    with pytest.raises(TypeError, match="real number"):
        p(jnp.ones((2, 3), jnp.complex64))


@needs_jax
@pytest.mark.parametrize("make", [np.array, "jax"])
def test_check_finds_the_first_example_that_is_not_finite(make: Any) -> None:
    x, w = Value(1.0, "x"), Value(2.0, "w")
    make = jnp.asarray if make == "jax" else make
    p = mg.compile(mg.log(w * x), [x], [w], backend="jax", check=True)
    with pytest.raises(FloatingPointError, match=r"example 5 of the batch: .*log"):
        p(make([[1.0]] * 5 + [[-1.0]] + [[1.0]] * 3))


# ── dtype ─────────────────────────────────────────────────────────────────────────────────────────────


@needs_jax
def test_float64_needs_no_switch_and_leaves_it_alone() -> None:
    assert not jax.config.jax_enable_x64
    assert_equal(network("jax", dtype="float64")(examples(50)), network("numpy")(examples(50)), 1e-14)
    assert not jax.config.jax_enable_x64
    assert jnp.ones(1).dtype == jnp.float32


@needs_jax
@pytest.mark.parametrize("activation", ["relu", "gelu", "selu"])
def test_float32_stays_float32(activation: str) -> None:
    p, q = network("jax", dtype="float32", activation=activation), network("numpy", activation=activation)
    B = examples(5000)
    got, expected = p(B), q(B)
    assert_equal(got, expected, 1e-4)
    assert got.loss != expected.loss
    assert got.gradients.dtype == np.float64  # as of any other program
    assert (got.gradients == got.gradients.astype(np.float32)).all()
    theta = np.array([leaf.data for leaf in p.parameters])
    for x64 in (False, True):
        with with_x64(x64):
            result = p.jax_function(jnp.asarray(theta, jnp.float32), jnp.asarray(B, jnp.float32))
        assert {array.dtype for array in result} == {np.dtype("float32")}


def with_x64(on: bool = True) -> Any:
    return jax.enable_x64(on)


@needs_jax
@pytest.mark.parametrize("op", [op for op in rows.ROWS.values() if op is not ops.cross_entropy], ids=str)
def test_no_row_makes_float64_of_float32(op: Op) -> None:
    """Where jax has both, a number without a dtype in the wrong place would."""
    xs = [Value(1.5 if op is ops.acosh else 0.5, f"x{i}") for i in range(op.arity or 4)]
    for x in xs[3:]:
        x.data = 1.0  # some rows take whole numbers here
    result = op(*xs)
    p = mg.compile(result, xs[:1], xs, outputs=[result, *grad(result, xs)], backend="jax", dtype="float32")
    with with_x64():
        got = jax.eval_shape(
            p.jax_function, np.ones(len(p.parameters), np.float32), np.ones((3, 1), np.float32)
        )
    assert {array.dtype for array in got} == {np.dtype("float32")}


@pytest.mark.parametrize("backend", ["numpy", "python"])
def test_other_backends_have_float64_only(backend: str) -> None:
    assert network(backend, dtype="float64").backend == backend
    with pytest.raises(ValueError, match=f"dtype=.float32. is an option of jax, not of the {backend}"):
        network(backend, dtype="float32")
    with pytest.raises(ValueError, match=f"devices=.* is an option of jax, not of the {backend} backend"):
        network(backend, devices=[])


@needs_jax
def test_other_dtypes_and_devices_are_refused() -> None:
    with pytest.raises(ValueError, match=r'dtype is "float64" or "float32", not .int8.'):
        network("jax", dtype="int8")
    for devices in ([], ["cpu"], "cpu", 2):
        with pytest.raises(TypeError, match="devices is a list of jax devices, or a Mesh, not"):
            network("jax", devices=devices)


# ── In other JAX code ─────────────────────────────────────────────────────────────────────────────────


@needs_jax
class TestJaxFunction:
    @staticmethod
    def case(n: int = 12) -> tuple[Program, Any, Any, Any]:
        p = network("jax")
        theta = np.array([leaf.data for leaf in p.parameters])
        return p, theta, examples(n), network("numpy")

    def test_is_what_a_call_computes(self) -> None:
        p, theta, B, q = self.case(1001)
        with with_x64():
            for function in (p.jax_function, jax.jit(p.jax_function)):
                result = function(jnp.asarray(theta), jnp.asarray(B))
                assert type(result) is type(q(B))
                assert {array.dtype for array in result} == {np.dtype("float64")}
                assert_equal(result, q(B))
        loss, gradients = network("jax", outputs=False, reduce="sum").jax_function(theta, B)
        assert loss.dtype == gradients.dtype == np.dtype("float32")  # as jax is set
        assert_equal((loss, gradients), network("numpy", outputs=False, reduce="sum")(B), 1e-2)

    def test_is_pure(self) -> None:
        p, theta, B, _ = self.case()
        function = jax.jit(p.jax_function)
        before = function(theta, B)
        trace = str(jax.make_jaxpr(p.jax_function)(theta, B))
        for leaf in p.parameters:
            leaf.data = 0.0
        assert_equal(function(theta, B), before, 0.0)
        assert_equal(p.jax_function(theta, B), before, 1e-6)
        assert str(jax.make_jaxpr(p.jax_function)(theta, B)) == trace
        assert function._cache_size() == 1
        assert p.jax_function is p.jax_function  # so that jit, too, knows it again

    def test_under_vmap(self) -> None:
        p, theta, _, q = self.case()
        batches = np.stack([examples(n)[:4] for n in (4, 5, 6)])
        with with_x64():
            each = jax.jit(jax.vmap(p.jax_function, (None, 0)))(theta, batches)
            assert each.outputs.shape == (3, 4, 1)
            for i, B in enumerate(batches):
                assert_equal([array[i] for array in each], q(B))
            models = jax.vmap(p.jax_function, (0, None))(jnp.stack([theta, theta / 2]), batches[0])
            assert_equal([array[1] for array in models], q(batches[0], theta / 2))

    @pytest.mark.parametrize("activation", ["relu", "sigmoid", "elu"])
    @pytest.mark.parametrize("size", [5, 9000])
    def test_under_grad(self, activation: str, size: int) -> None:
        """Differentiated by jax once more, forward and backward, also in several blocks."""
        p = network("jax", activation=activation)
        theta = np.array([leaf.data for leaf in p.parameters])
        B = examples(size)
        with with_x64():
            theirs = jax.jit(jax.grad(lambda t: p.jax_function(t, B).loss))(theta)
            ours = p.jax_function(theta, B).gradients
            assert_equal([theirs], [ours])
            v = np.random.default_rng(1).normal(size=theta.shape)
            _, product = jax.jvp(lambda t: p.jax_function(t, B).gradients, (theta,), (v,))
            twice = jax.grad(lambda t: p.jax_function(t, B).gradients @ v)(theta)
            assert_equal([twice], [product], 1e-9)

    def test_sigmoid_and_its_kin_are_differentiated_at_zero(self) -> None:
        for op, derivative in [(ops.sigmoid, 0.25), (ops.silu, 0.5), (ops.softplus, 0.5), (ops.gelu, 0.5)]:
            x = Value(0.0, "x")
            p = mg.compile(op(x), [x], [], backend="jax")
            slope = jax.grad(lambda b, p=p: p.jax_function(jnp.zeros(0), b).loss)(jnp.zeros((1, 1)))
            assert float(slope[0, 0]) == pytest.approx(derivative)

    def test_with_optax(self) -> None:
        optax = pytest.importorskip("optax", reason="needs optax: pip install optax")
        p, theta, B, _ = self.case(200)
        optimizer = optax.adam(0.05)

        def step(theta: Any, state: Any, batch: Any) -> Any:
            loss, gradients, _ = p.jax_function(theta, batch)
            updates, state = optimizer.update(gradients, state)
            return optax.apply_updates(theta, updates), state, loss

        theta = jnp.asarray(theta, jnp.float32)
        state, step = optimizer.init(theta), jax.jit(step)
        losses = []
        for _ in range(60):
            theta, state, loss = step(theta, state, B)
            losses.append(float(loss))
        assert losses[-1] < 0.9 * losses[0]
        p.assign(theta)
        assert p.value(B)[0] <= 1.01 * losses[-1]

    def test_says_what_is_wrong_with_shapes(self) -> None:
        p, theta, B, _ = self.case()
        with pytest.raises(ValueError, match=r"the parameters are 17 numbers, not an array of shape .16,."):
            p.jax_function(theta[1:], B)
        for wrong in (B[:, 1:], B[0], B[:0]):
            with pytest.raises(ValueError, match="a batch has a row of 3 numbers for each example, not"):
                p.jax_function(theta, wrong)


@pytest.mark.parametrize("backend", ["numpy", "python"])
def test_other_backends_have_no_jax_function(backend: str) -> None:
    p = network(backend)
    assert not hasattr(p, "jax_function")
    with pytest.raises(AttributeError, match=f'jax_function is there for backend="jax"; .* {backend}'):
        p.jax_function


# ── Several devices, several processes ────────────────────────────────────────────────────────────────

DEVICES = """
import math
import sys
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
sys.path.insert(0, TESTS)
from test_compile_jax import assert_equal, examples, network, with_x64
from microgradlike.compile.jax import OnDevices

devices = jax.devices()
assert len(devices) == 8
eight, one = network("jax"), network("jax", devices=devices[:1])
five = network("jax", devices=Mesh(np.array(devices[3:]), ("x",)))
for size in (1, 7, 8, 9, 1001):
    B = examples(size)
    for p in (eight, five):
        assert_equal(p(B), one(B))
        assert_equal(p(jnp.asarray(B, jnp.float32)), one(B.astype(np.float32)))
        prepared = p.prepare(B)
        assert_equal(p(prepared), one(one.prepare(B)))
        assert_equal(p(prepared), one(B))
        assert math.isclose(p.value(prepared)[0], one(B).loss)
assert_equal(network("jax", reduce="sum")(B), network("numpy", reduce="sum")(B), 1e-9)
assert_equal(network("jax", dtype="float32")(B), one(B), 1e-4)

# The work is shared out, and the sums over the batch are all that devices tell each other.
parts, shards, mesh = eight._whole._shared_out(examples(800))
assert shards == 8 and {s.data.shape for s in parts[0].addressable_shards} == {(100, 3)}
theta = np.array([leaf.data for leaf in eight.parameters])
with with_x64():
    code = eight._whole._jitted[shards, mesh].lower(theta, parts).compile().as_text()
assert "all-reduce" in code and "all-to-all" not in code
gathers = [line for line in code.splitlines() if "all-gather" in line]
assert not any("[800," in line or "[8,100" in line for line in gathers)

# An array that is sharded stays where it is.
def refuse(*arguments):
    raise AssertionError("copied to the host")
OnDevices._array = refuse
with with_x64():
    B = examples(1000)
    meshes = [Mesh(np.array(devices), ("batch",)), Mesh(np.array(devices[:4]), ("x",)),
              Mesh(np.array(devices).reshape(4, 2), ("a", "b")), jax.make_mesh((8,), ("e",))]
    for mesh in meshes:
        for p in (eight, five):
            there = jax.device_put(B, NamedSharding(mesh, PartitionSpec(mesh.axis_names[0])))
            assert_equal(p(there), one(jnp.asarray(B)))
            assert_equal(p(p.prepare(there)), one(jnp.asarray(B)))
    there = jax.device_put(B, NamedSharding(meshes[2], PartitionSpec(("a", "b"))))
    assert_equal(eight(there), one(jnp.asarray(B)))
    bad = jax.device_put(np.where(B > 1.99, np.nan, B), NamedSharding(meshes[0], PartitionSpec("batch")))
    try:
        eight(bad)
        raise AssertionError("nan")
    except ValueError as error:
        assert "is nan" in str(error)

    # In other code, where the batch is sharded, too.
    there = jax.device_put(B, NamedSharding(meshes[0], PartitionSpec("batch")))
    function = jax.jit(eight.jax_function)
    assert_equal(function(theta, there), one(jnp.asarray(B)))
    assert_equal(function(theta, B[:13]), one(jnp.asarray(B[:13])))
    code = function.lower(theta, there).compile().as_text()
    assert "all-reduce" in code and "all-gather" not in code and "all-to-all" not in code
print("done")
"""


def run_all(programs: list[str], **environment: str) -> None:
    """At once, each as a process of its own; killed after some minutes."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={
                **os.environ,
                "JAX_PLATFORMS": "cpu",
                **environment,
            },
        )
        for program in programs
    ]
    try:
        printed = [process.communicate(timeout=240)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    for process, text in zip(processes, printed):
        assert process.returncode == 0, text[-3000:]
        assert text.strip().endswith("done"), text[-3000:]


@needs_jax
def test_eight_devices_compute_what_one_does() -> None:
    program = DEVICES.replace("TESTS", repr(str(Path(__file__).parent)))
    run_all([program], XLA_FLAGS="--xla_force_host_platform_device_count=8")


#: How one outgrows a machine: each process has its own examples, and all of them the same program.
PROCESSES = """
import random
import jax, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
import microgradlike as mg

jax.distributed.initialize(ADDRESS, num_processes=2, process_id=ME)
assert jax.process_count() == 2 and len(jax.devices()) == 4 and len(jax.local_devices()) == 2

random.seed(0)  # the same network everywhere
model = mg.MLP(2, [8, 1], activation="tanh")
def loss(x, t):
    y = model(x)
    return mg.half_squared_error(y, t), [y]
program = mg.compile(loss, [[0.0, 0.0], 0.0], model.parameters(), backend="jax")

everything = np.random.default_rng(0).uniform(-1, 1, (1000, 3))
mine = everything[500 * ME : 500 * ME + 500]
expected = mg.compile(loss, [[0.0, 0.0], 0.0], model.parameters(), backend="numpy")

mesh = Mesh(np.array(jax.devices()), ("batch",))
with jax.enable_x64(True):
    batch = jax.make_array_from_process_local_data(NamedSharding(mesh, PartitionSpec("batch")), mine)
assert batch.shape == (1000, 3) and not batch.is_fully_addressable

theta = np.array([p.data for p in model.parameters()])
for _ in range(20):
    got, right = program(batch, theta), expected(everything, theta)
    for a, b in zip(got, right):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    theta -= 0.1 * got.gradients

# A batch of which every process has the whole is shared out, whatever its size.
for size in (1, 3, 4, 7, 999):
    for a, b in zip(program(everything[:size]), expected(everything[:size])):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
print("done")
"""


@needs_jax
def test_two_processes_compute_what_one_does() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    program = PROCESSES.replace("ADDRESS", repr(address))
    run_all(
        [program.replace("ME", str(me)) for me in range(2)],
        XLA_FLAGS="--xla_force_host_platform_device_count=2",
    )


# ── Where jax is missing ──────────────────────────────────────────────────────────────────────────────


def test_without_jax_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "jax" else find_spec(name)
    )
    with pytest.raises(ModuleNotFoundError, match=r'needs jax: pip install "microgradlike\[jax\]"'):
        network("jax")


def test_the_other_backends_do_not_import_jax() -> None:
    program = (
        "import sys, microgradlike as mg; x = mg.Value(1.0, 'x'); "
        "mg.compile(x * x, [x], backend='numpy')([[1.0]]); assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
