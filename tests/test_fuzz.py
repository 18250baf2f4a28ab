"""Everything that can be done to Values, in any order; `shadow` knows what each may change, and no more.

``MICROGRADLIKE_FUZZ=2000 python -m pytest tests/test_fuzz.py -s`` tries that many examples of each, others
each time, and says what it has done. Without it they are few, and the same in every run.
"""

import copy
import math
import operator
import os
import pickle
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from shadow import UNDEFINED, Shadow, Walk, bits, chain_rule, is_moderate, is_stale, replayed, state
from test_compile_graphs import assert_near, rounding

import microgradlike as mg
from microgradlike import MLP, Constant, Value, ops, topological_order
from microgradlike.engine import NOT_COMPUTED
from microgradlike.gradcheck import central_difference
from microgradlike.ops import OPS, Op

FUZZ = int(os.environ.get("MICROGRADLIKE_FUZZ", "0"))
CASES: Counter[str] = Counter()


def examples(number: int, share: int = 1) -> settings:
    """How many there are, or one for so many of the long run."""
    return settings(
        max_examples=-(-FUZZ // share) or number,
        derandomize=not FUZZ,
        stateful_step_count=50,
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )


@pytest.fixture(scope="module", autouse=True)
def counted() -> Iterator[None]:
    yield
    if FUZZ:
        print("\ncases: " + ", ".join(f"{n:,} {what}" for what, n in CASES.most_common()))


SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    5e-324,
    1e-308,
    1e-16,
    30.0,
    709.0,
    1e16,
    1e308,
    math.inf,
    -math.inf,
    math.nan,
]
moderate = st.floats(-3, 3) | st.integers(-3, 3).map(float)
numbers = moderate | moderate | moderate | st.sampled_from(SPECIAL) | st.floats()
names = st.sampled_from(["", "", "", "w", "w", "x1", "h12", "L", "∂", "a b", "<&>", "$x$", "%d{}"])
names |= st.text(max_size=3)
picks = st.integers(0, 10**4)
rows = st.sampled_from([*OPS.values(), *map(ops.power, (-2.0, -0.5, 0.0, 1 / 3, 1.0, 1.5, 2.0, 3.0))])
OPERATORS: dict[Callable[[Any, Any], Any], Op] = {
    operator.add: ops.add,
    operator.sub: ops.sub,
    operator.mul: ops.mul,
    operator.truediv: ops.div,
}
MOVES = ("next", "next", "back", "goto", "goto value", "run", "reset", "begin")
LOOKS = ("repr", "draw", "folded", "formula", "latex", "explain")


class Machine(RuleBasedStateMachine):
    @initialize(data=st.lists(numbers, min_size=2, max_size=4), tame=st.booleans())
    def start(self, data: list[float], tame: bool) -> None:
        CASES["steps of the machine"] -= 1  # this is none
        self.tame = tame  # half of the examples have no extreme numbers, so that these can be compared
        self.shadow = Shadow()
        self.pool: list[Value] = []  # what the rules choose from
        self.network = MLP(2, [2, 1], activation="tanh")
        self.recorded: dict[Value, float] = {}  # what was there before someone wrote to data
        for p in self.network.parameters():
            self.add(p)
        for i, x in enumerate(data):
            self.add(Value(self.number(x), f"x{i}" if i else ""))

    @invariant()
    def nothing_else_has_changed(self) -> None:
        CASES["steps of the machine"] += 1
        self.shadow.check()

    def number(self, x: float) -> float:
        return x if not self.tame or abs(x) < 5 else 0.5

    def add(self, *values: Value) -> None:
        for v in values:
            if type(v) is Constant:  # of a derivative
                return
            self.shadow.add(v)
        if len(self.pool) < 60:
            self.pool.append(values[-1])

    def pick(self, i: int) -> Value:
        """Often one of the last, so that graphs get deep."""
        return self.pool[-1 - i % min(5, len(self.pool))] if i % 3 else self.pool[i % len(self.pool)]

    def graph(self, i: int) -> list[Value]:
        order = topological_order(self.pick(i))
        place = {v: n for n, v in enumerate(order)}
        assert len(place) == len(order)
        for n, v in enumerate(order):
            assert all(type(p) is Constant or place[p] < n for p in v.parents)
        return order

    def is_refused(self, order: Sequence[Value], reading: Callable[[], Any]) -> bool:
        """A graph with old and new numbers is."""
        if is_stale(order):
            with pytest.raises(RuntimeError, match="run the forward pass again"):
                reading()
        return is_stale(order)

    # ── Making values ─────────────────────────────────────────────────────────────────────────────────

    def made(self, make: Callable[[], Any], op: Op, operands: Sequence[Any]) -> None:
        """Like the same on floats: the number, or the exception, which names what it is about."""
        data = [float(x.data) if isinstance(x, Value) else float(x) for x in operands]
        try:
            expected = float(op.forward(*data))
        except UNDEFINED as error:
            CASES["refusals"] += 1
            with pytest.raises(type(error)) as caught:
                make()
            said = str(caught.value)
            for x, number in zip(operands, data, strict=True):
                if isinstance(x, Value) and x.name:
                    assert f"{x.name} = {x.data!r}" in said
                else:
                    assert repr(abs(number)).removesuffix(".0") in said
            return
        v = make()
        assert type(v.data) is float and v.op is op and v.grad is NOT_COMPUTED
        assert [*map(bits, v.evaluation)] == [*map(bits, (v.data, *data))] and bits(v.data) == bits(
            expected
        )
        assert len(v.partials) == len(operands)
        self.add(v)

    @rule(op=rows, of=st.lists(picks, min_size=5, max_size=5), x=numbers, count=st.integers(1, 5))
    def operation(self, op: Op, of: list[int], x: float, count: int) -> None:
        operands: list[Any] = [self.pick(i) for i in of[: op.arity or count]]
        if op is ops.half_squared_error:
            operands += operands
        if op is ops.cross_entropy:
            operands = [*operands, float(of[0] % len(operands))]
        elif len(operands) > 1 and of[-1] % 3 == 0:
            operands[of[-1] % len(operands)] = self.number(x)
        self.made(lambda: op(*operands), op, operands)

    @rule(python=st.sampled_from(list(OPERATORS)), i=picks, j=picks, x=numbers, kind=st.integers(0, 4))
    def python_operator(self, python: Any, i: int, j: int, x: float, kind: int) -> None:
        x = self.number(x)
        eighths = Fraction(round(x * 8), 8) if abs(x) < 9 else x
        a, b = self.pick(i), [self.pick(j), x, np.float64(x), eighths, kind][kind]
        operands = (a, b) if j % 2 else (b, a)
        self.made(lambda: python(*operands), OPERATORS[python], operands)

    @rule(i=picks, j=picks, x=numbers)
    def neurons(self, i: int, j: int, x: float) -> None:
        with suppress(*UNDEFINED):
            y = self.network([self.pick(i), self.pick(j) if j % 2 else self.number(x)])
            self.add(*topological_order(y))

    @rule(x=numbers, name=names)
    def leaf(self, x: float, name: str) -> None:
        self.add(Value(self.number(x), name))

    @rule(i=picks, how=st.sampled_from(["detach", "no_grad", "forget"]))
    def without_history(self, i: int, how: str) -> None:
        v = self.pick(i)
        if how == "forget":
            self.pool = [w for w in self.pool if w is not v] or self.pool
            return
        with mg.no_grad():
            leaf = v.detach() if how == "detach" else 1.0 * v
        assert leaf.op is None and leaf.parents == () and bits(leaf.data) == bits(v.data)
        self.add(leaf)

    @rule(i=picks, j=picks)
    def another_thread(self, i: int, j: int) -> None:
        a, b, results = self.pick(i), self.pick(j), []
        thread = threading.Thread(target=lambda: results.append(mg.maximum(a, b)))
        with mg.no_grad():  # here, not there
            thread.start()
            thread.join()
        assert results[0].parents == (a, b)
        self.add(*results)

    # ── Writing ───────────────────────────────────────────────────────────────────────────────────────

    @rule(i=picks, x=numbers, kind=st.sampled_from([float, float, int]))
    def write_data(self, i: int, x: float, kind: Any) -> None:
        v, x = self.pick(i), self.number(x)
        if x != v.data:  # −0.0 is no other number than 0.0, but has other bits
            self.recorded.setdefault(v, v.data)
            v.data = kind(x) or x if self.tame else x
        self.shadow.write(v, data=bits(v.data))

    @rule()
    def write_data_back(self) -> None:
        for v, data in self.recorded.items():
            v.data = data
            self.shadow.write(v, data=bits(data))
        self.recorded.clear()

    @rule(i=picks, name=names)
    def write_name(self, i: int, name: str) -> None:
        self.pick(i).name = name
        self.shadow.write(self.pick(i), name=name)

    @rule(i=picks, x=numbers | st.sampled_from([None, 0, 0.0, NOT_COMPUTED, np.float64(0.5)]))
    def write_grad(self, i: int, x: Any) -> None:
        self.pick(i).grad = x
        self.shadow.write_grad(self.pick(i), x)

    @rule(what=st.sampled_from(["zero_grad", "step", "load_state_dict"]))
    def parameters(self, what: str) -> None:
        parameters = self.network.parameters()
        if what == "zero_grad":
            self.network.zero_grad()
            for p in parameters:
                self.shadow.write_grad(p, NOT_COMPUTED)
        elif what == "load_state_dict":
            with suppress(ValueError):  # what is not finite
                self.network.load_state_dict(self.network.state_dict())
        elif any(p.grad not in {0.0, None} for p in parameters):
            before = [(float(p.data), p.grad) for p in parameters]
            mg.SGD(parameters, lr=0.125).step()
            for p, (data, grad) in zip(parameters, before, strict=True):
                self.recorded.setdefault(p, data)
                self.shadow.write(p, data=bits(data - 0.125 * (grad or 0.0)))

    # ── The backward pass ─────────────────────────────────────────────────────────────────────────────

    @rule(i=picks, receipts=st.booleans())
    def backward(self, i: int, receipts: bool) -> None:
        order = self.graph(i)
        totals, _ = chain_rule(order)
        order[-1].backward(receipts=receipts)
        self.shadow.backward(order)
        for v in order:
            if receipts and not v.op:
                kept = mg.receipts(v)
                assert bits(kept.passes[-1].total) == bits(totals.get(v, 0.0)) and str(kept)

    @rule(i=picks)
    def propagate(self, i: int) -> None:
        v = self.pick(i)
        if all(p.grad is not None for p in (v, *v.parents)):
            v.propagate()
            gradients = self.shadow.gradients
            for parent, partial in zip(v.parents, v.partials, strict=True):
                if type(parent) is not Constant:
                    self.shadow.write_grad(parent, gradients[parent] + partial * gradients[v])

    @rule(i=picks, j=picks)
    def grad(self, i: int, j: int) -> None:
        order = self.graph(i)
        y, xs = order[-1], [order[j % len(order)], order[i % len(order)], self.pick(j)]
        if self.is_refused(order, lambda: mg.grad(y, xs)):
            return
        totals, sizes = chain_rule(order)
        gradients = mg.grad(y, xs)
        for x, gradient in zip(xs, gradients, strict=True):
            total, size, forward = totals.get(x, 0.0), sizes.get(x, 0.0), mg.jvp(y, [x], [1.0])
            if size < 1e300:
                assert abs(gradient.data - total) <= 1e-12 * size
                # On the way forward there may be an overflow where there is none on the way back.
                assert abs(forward - total) <= 1e-12 * size or not (self.tame or math.isfinite(forward))
        if len(self.shadow.states) < 150:
            self.add(*topological_order(gradients[0]), gradients[0])

    @rule(i=picks, j=picks)
    def finite_differences(self, i: int, j: int) -> None:
        order = self.graph(i)
        x = order[j % len(order)]
        if x.op or is_stale(order) or not is_moderate(order):
            return
        with suppress(ValueError):  # there is a kink after all
            expected, error = central_difference(lambda at: replayed(order, {x: at}), float(x.data))
            totals, sizes = chain_rule(order)
            if sizes.get(x, 0.0) < 1e4:
                CASES["finite differences"] += 1
                assert abs(totals.get(x, 0.0) - expected) <= 1e-6 * (1 + sizes.get(x, 0.0)) + 2 * error

    # ── Stepping ──────────────────────────────────────────────────────────────────────────────────────

    @rule(i=picks, moves=st.lists(st.tuples(st.sampled_from(MOVES), picks), min_size=1, max_size=8))
    def walk(self, i: int, moves: list[tuple[str, int]]) -> None:
        for how, k in moves:
            walks = self.shadow.walks
            if how == "begin" or not walks:
                made = [v for v in self.pool if v.op] or self.pool
                self.begin(topological_order(made[-1 - (i + k) % len(made)]))
                continue
            walk = walks[k % len(walks)]
            cursor, here = walk.cursor, walk.position
            if (how, here) in {("next", len(cursor)), ("back", 0)}:
                with pytest.raises(IndexError, match=r"no step has been taken yet|is finished"):
                    getattr(cursor, how)()
                continue
            if how == "goto":
                cursor.goto(k % (len(cursor) + 1))
            elif how == "goto value":
                cursor.goto(cursor[k % len(cursor)].node)
            else:
                getattr(cursor, how)()
            there = {"next": here + 1, "back": here - 1, "run": len(cursor), "reset": 0}
            there |= {"goto": k % (len(cursor) + 1), "goto value": k % len(cursor)}
            assert cursor.position == there[how]
            CASES["moves of a cursor"] += 1
            self.shadow.has_walked(walk)
            self.shadow.check()

    def begin(self, order: Sequence[Value]) -> None:
        if not order[-1].op:
            with pytest.raises(ValueError, match="no step to take"):
                mg.steps(order[-1])
        elif not self.is_refused(order, lambda: mg.steps(order[-1])):
            walk = Walk(mg.steps(order[-1]))
            self.shadow.walks = [walk, *self.shadow.walks[:2]]
            self.shadow.has_walked(walk)

    @rule(which=picks, right=st.booleans(), typed=numbers | st.sampled_from(["0.5", "1e3", "", "x", "0x1"]))
    def guess(self, which: int, right: bool, typed: Any) -> None:
        if not (walks := self.shadow.walks):
            return
        walk = walks[which % len(walks)]
        cursor, here = walk.cursor, walk.position
        if not cursor.coming or not cursor.coming.contributions:
            with pytest.raises((IndexError, ValueError), match=r"no step to guess|hands nothing down"):
                cursor.guess(typed)
            return
        assert (
            cursor.question and str(cursor) and repr(cursor) and cursor[which % len(cursor)]._repr_latex_()
        )
        if right:
            after = {c.parent: c.after for c in cursor.coming.contributions}
            normal = all(1e-300 < abs(x) < 1e300 for x in after.values())
            answer = cursor.guess(after)
            assert str(answer) and (answer or not normal or is_stale(topological_order(cursor.loss)))
            assert cursor.position == here + bool(answer)
        else:
            with suppress(ValueError):
                assert str(cursor.guess(typed))
        if cursor.position != here:
            self.shadow.has_walked(walk)

    # ── Looking, which changes nothing ────────────────────────────────────────────────────────────────

    @rule(i=picks, j=picks, how=st.sampled_from(LOOKS))
    def look(self, i: int, j: int, how: str) -> None:
        order = self.graph(i)
        v = order[-1]
        if how == "repr":
            assert repr(v) and f"{v}" and f"{v:.3f}" and bool(v) == bool(v.data) and round(v, 2) is not None
        elif how == "draw":
            picture = mg.draw(v, detail="neurons" if j % 2 else "values", precision=j % 18)
            assert "digraph" in picture.source and repr(picture)
        elif how == "folded":
            assert mg.draw([v, self.pick(j)], max_nodes=1 + j % 5).source
        elif how == "explain":
            self.explain(order, self.pick(j) if j % 2 else order[j % len(order)], j % 4)
        else:
            digits = 1 + i % 17 if j % 2 else None
            assert mg.formula(v, depth=1 + j % 3, digits=digits, latex=how == "latex")

    def explain(self, order: Sequence[Value], w: Value, limit: int) -> None:
        if self.is_refused(order, lambda: mg.explain(order[-1], w)):
            return
        explanation = mg.explain(order[-1], w, limit)
        assert str(explanation) and explanation._repr_latex_() and repr(explanation)
        paths = {w: 1}
        for v in order:
            paths.setdefault(v, sum(paths.get(p, 0) for p in v.parents))
        assert explanation.count == paths[order[-1]]
        totals, sizes = chain_rule(order)
        if sizes.get(w, 0.0) < 1e300:
            listed = math.fsum(path.value for path in explanation.paths) + explanation.omitted_sum
            for number in (explanation.gradient, listed):
                assert abs(number - totals.get(w, 0.0)) <= 1e-12 * sizes.get(w, 0.0)

    @rule(i=picks, j=picks, nudge=numbers.filter(math.isfinite))
    def ripple(self, i: int, j: int, nudge: float) -> None:
        order = self.graph(i)
        L, nudges = order[-1], {order[j % len(order)]: nudge, order[i % len(order)]: 0.25}
        if self.is_refused(order, lambda: mg.ripple(L, nudges)):
            return
        try:
            after = replayed(order, nudges=nudges)
        except UNDEFINED as error:
            with pytest.raises(type(error), match=r"is undefined|too large for a float"):
                mg.ripple(L, nudges)
            return
        effect = mg.ripple(L, nudges)
        assert (bits(effect.before), bits(effect.after)) == (bits(L.data), bits(after)), str(effect)
        assert repr(effect) and effect._repr_html_() and effect.picture().source

    # ── Copies and compiled code ──────────────────────────────────────────────────────────────────────

    @rule(i=picks, how=st.sampled_from([copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))]))
    def copies(self, i: int, how: Callable[[Value], Value]) -> None:
        order = self.graph(i)
        twin = how(order[-1])
        twins = topological_order(twin)
        assert not {*twins} & {*order}
        assert [state(v)._replace(parents=()) for v in twins] == [
            state(v)._replace(parents=()) for v in order
        ]
        place = {v: n for n, v in enumerate([*order])} | {v: n for n, v in enumerate(twins)}
        for v, own in zip(order, twins, strict=True):
            assert [place.get(p) for p in v.parents] == [place.get(p) for p in own.parents]
        for own in twins:
            own.grad = NOT_COMPUTED
        twin.backward()
        totals, _ = chain_rule(order)
        assert [bits(own.grad) for own in twins] == [bits(totals.get(v, 0.0)) for v in order]

    @rule(i=picks, j=picks, backend=st.sampled_from(["python"] * 6 + ["numpy"] * 6 + ["llvm"]), x=moderate)
    def compile(self, i: int, j: int, backend: str, x: float) -> None:
        order = self.graph(i)
        L, leaves = order[-1], [v for v in order if not v.op]
        inputs = [*{v.name: v for n, v in enumerate(leaves) if j >> n & 1 and v.name}.values()]
        options: Any = {"inputs": inputs, "wrt": leaves, "backend": backend, "allow_nan": True}
        if (backend == "llvm" and j % 8) or self.is_refused(order, lambda: mg.compile(L, **options)):
            return
        CASES[f"compiled by {backend}"] += 1
        program = mg.compile(L, outputs=[order[i % len(order)]], **options)
        batch = [[float(v.data) + x * n for v in inputs] for n in range(1 + j % 2)]
        got = program(batch)
        assert str(program) and repr(program)
        with suppress(FloatingPointError):
            mg.compile(L, check=True, **options)(batch)
        expected, tolerance = [0.0] * (1 + len(leaves)), 1e-300
        for row in batch:
            own = {v: Value(float(v.data)) for v in leaves}
            own |= {v: Value(data) for v, data in zip(inputs, row, strict=True)}
            with suppress(*UNDEFINED):
                for v in order:
                    own[v] = v.op(*(own.get(p, p) for p in v.parents)) if v.op else own[v]
            if L not in own or not is_moderate(topological_order(own[L])):
                return
            eager = [own[L], *mg.grad(own[L], [own[v] for v in leaves])]
            expected = [a + b.data / len(batch) for a, b in zip(expected, eager, strict=True)]
            tolerance += 20 * max(map(rounding, eager))
        CASES["compared with compiled code"] += 1
        for number, sum_ in zip([got.loss, *got.gradients], expected, strict=True):
            assert_near(number, sum_, tolerance, f"{backend}, {program}")


Machine.TestCase.settings = examples(100)
TestAnything = Machine.TestCase


# ── One thing at a time ───────────────────────────────────────────────────────────────────────────────


@examples(400)
@given(op=rows, xs=st.lists(numbers | st.floats(), min_size=6, max_size=6), count=st.integers(1, 6))
def test_where_a_row_is_defined_so_are_its_derivatives(op: Op, xs: list[float], count: int) -> None:
    CASES["rows"] += 1
    values = [Value(x, f"x{i}") for i, x in enumerate(xs[: op.arity or count])]
    with suppress(*UNDEFINED):
        op.forward(*(v.data for v in values))
        CASES["rows that are defined"] += 1
        y = op(*values)
        y.backward()
        gradients = mg.grad(y, values)
        assert [bits(0.0 + g.data) for g in gradients] == [bits(0.0 + p) for p in y.partials]
        assert [bits(v.grad) for v in values] == [bits(0.0 + p) for p in y.partials]
        assert all(type(second.data) is float for row in mg.jacobian(gradients, values) for second in row)


activations = st.sampled_from(
    ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "gelu"]
)
layers = st.lists(st.integers(1, 4), min_size=1, max_size=3)
models = st.builds(
    MLP,
    *(st.integers(1, 3), layers),
    activation=activations,
    output_activation=activations,
    seed=st.integers(0, 10**6),
)


@examples(100, share=4)
@given(model=models, seed=st.integers(0, 10**6), x=numbers)
def test_a_model_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, model: MLP, seed: int, x: float
) -> None:
    CASES["models copied"] += 1
    model.parameters()[seed % len(model.parameters())].data = x
    path = tmp_path_factory.getbasetemp() / "model.json"
    twins = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    if math.isfinite(x):
        model.save(path)
        twins += [copy.deepcopy(model), mg.nn.load(path)]
        twins[-2].parameters()[0].data = 7.0
        twins[-2].load(path)
    else:
        with pytest.raises(ValueError, match=r"finite|no number to go on with"):
            model.save(path)
    row = [seed % 7 - 3.0] * model.sizes[0]
    for twin in twins:
        assert not {*twin.parameters()} & {*model.parameters()}
        assert repr(twin.state_dict()) == repr(model.state_dict())
        with suppress(*UNDEFINED):
            assert repr(twin.outputs([row])) == repr(model.outputs([row]))


@examples(8, share=100)
@given(model=models, seed=st.integers(0, 10**6), size=st.integers(1, 6), x=numbers)
def test_training_goes_the_same_way_compiled(model: MLP, seed: int, size: int, x: float) -> None:
    CASES["models trained"] += 1
    X = [[math.sin(seed + i * 7 + j) for j in range(model.sizes[0])] for i in range(size)]
    t = [[math.cos(seed * i + j) for j in range(model.sizes[-1])] for i in range(size)]
    X[0][0] = x
    options: Any = {"epochs": 1 + seed % 3, "batch_size": 1 + seed % size, "progress": False}
    if not math.isfinite(x):
        with pytest.raises(ValueError, match="finite"):
            mg.fit(model, (X, t), **options)
        return
    results = []
    for way in (False, "python", "numpy", "auto"):
        twin = copy.deepcopy(model)
        with suppress(*UNDEFINED, RuntimeError):
            history = mg.fit(twin, (X, t), loss=mg.half_squared_error, compile=way, **options)
            assert str(history) and all(map(math.isfinite, twin.state_dict().values()))
            results.append([*history.losses, *twin.state_dict().values()])
    assert len(results) == 4 or abs(x) > 9
    if abs(x) < 9:
        for result in results:
            assert result == pytest.approx(results[0], rel=1e-7, abs=1e-7)
