"""fit: batches, stopping, phases, checkpoints, Ctrl-C, what goes wrong, and the same bits again."""

import itertools
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import microgradlike as mg
from microgradlike import SGD, Adam, AdamW, History, Value, fit
from microgradlike.data import Table
from microgradlike.stop import (
    GradientNorm,
    NoProgress,
    Rule,
    TargetLoss,
    TimeLimit,
    ValidationRises,
)
from microgradlike.task import Task
from microgradlike.units import Units

XOR = [([0.0, 0.0], 0.0), ([0.0, 1.0], 1.0), ([1.0, 0.0], 1.0), ([1.0, 1.0], 0.0)]
HOW: list[Any] = [False, "python", "numpy"]
every_way = pytest.mark.parametrize("how", HOW, ids=str)


def network(activation: str = "sigmoid") -> mg.MLP:
    return mg.MLP(2, [2, 1], activation=activation, output_activation="sigmoid")


class Line(mg.Module):
    """y = w·x, or what `form` makes of it."""

    def __init__(self, w: float = 1.0, form: Callable[[Value, Any], Any] = lambda w, x: w * x[0]) -> None:
        self.w, self.form = Value(w, "w"), form

    def __call__(self, x: Sequence[Any]) -> Any:
        return self.form(self.w, x)


# ── Gradients ─────────────────────────────────────────────────────────────────────────────────────────


@every_way
def test_an_epoch_is_one_step_along_the_mean_gradient(how: Any) -> None:
    model, twin = network(), network()
    history = fit(model, XOR, optimizer=SGD(model.parameters(), lr=0.5), epochs=1, compile=how)
    loss = mg.mean(mg.half_squared_error(twin(x), t) for x, t in XOR)
    loss.backward()
    gradient = [p.grad for p in twin.parameters()]
    for moved, p in zip(model.parameters(), twin.parameters()):
        assert moved.data == pytest.approx(p.data - 0.5 * p.grad, rel=1e-13)
    assert history.losses == pytest.approx([loss.data], rel=1e-13)
    assert history.gradient_norms == pytest.approx([math.hypot(*gradient)], rel=1e-13)
    assert history.changes == pytest.approx([0.5 * sum(map(abs, gradient)) / 9], rel=1e-12)


@every_way
@pytest.mark.parametrize("batch_size", [1, 3, 4, 7, 50, 51, 1000])
def test_batches_by_hand(how: Any, batch_size: int) -> None:
    """Each update is along the mean gradient of its batch; the last batch is what is left."""
    table = mg.data.moons(51)
    model, twin = network("tanh"), network("tanh")
    optimizer, own = SGD(model.parameters(), lr=0.1, momentum=0.9), SGD(twin.parameters(), 0.1, 0.9)
    history = fit(
        model, table, optimizer=optimizer, epochs=2, batch_size=batch_size, shuffle=False, compile=how
    )
    examples = [*zip(*table)]
    losses, norms = [], []
    for _ in range(2):
        sums, lengths = [], []
        for start in range(0, 51, batch_size):
            batch = examples[start : start + batch_size]
            twin.zero_grad()
            loss = mg.mean(mg.half_squared_error(twin(x), t) for x, t in batch)
            loss.backward()
            sums.append(loss.data * len(batch))
            lengths.append(math.hypot(*(p.grad for p in twin.parameters())))
            own.step()
        losses.append(sum(sums) / 51)
        norms.append(sum(lengths) / len(lengths))
    assert [p.data for p in model.parameters()] == pytest.approx(
        [p.data for p in twin.parameters()], rel=1e-11
    )
    assert history.losses == pytest.approx(losses, rel=1e-11)
    assert history.gradient_norms == pytest.approx(norms, rel=1e-11)
    assert optimizer.steps == own.steps


def test_shuffling_uses_each_example_once_and_another_order_each_epoch() -> None:
    seen: list[float] = []

    def loss(y: Value, t: Any) -> Value:
        seen.append(float(t))
        return mg.half_squared_error(y, t)

    examples = [([float(i)], float(i)) for i in range(10)]
    for seed in (0, 0, 1):
        line = Line()
        fit(
            line, examples, loss=loss, optimizer=SGD([line.w], lr=1e-6), epochs=3, batch_size=4,
            compile=False, seed=seed,
        )  # fmt: skip
    runs = [seen[i : i + 30] for i in (0, 30, 60)]
    assert runs[0] == runs[1] != runs[2]
    for run in runs:
        epochs = [run[i : i + 10] for i in (0, 10, 20)]
        assert all(sorted(epoch) == [float(i) for i in range(10)] for epoch in epochs)
        assert epochs[0] != epochs[1] != epochs[2]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=2),
    activation=st.sampled_from(["tanh", "sigmoid", "relu", "silu", "softplus"]),
    kind=st.sampled_from(["sgd", "momentum", "adam", "adamw"]),
    batch_size=st.sampled_from([None, 1, 5, 8]),
    standardize=st.booleans(),
    backend=st.sampled_from(["auto", "python", "numpy"]),
)
def test_eager_and_compiled_agree(
    seed: int,
    sizes: list[int],
    activation: str,
    kind: str,
    batch_size: int | None,
    standardize: bool,
    backend: str,
) -> None:
    table = mg.data.moons(23, noise=0.3, seed=seed)
    results = []
    for how in (False, backend):
        model = mg.MLP(2, [*sizes, 1], activation=activation, output_activation="sigmoid", seed=seed)
        make: Any = {
            "sgd": lambda p: SGD(p, lr=0.05),
            "momentum": lambda p: SGD(p, lr=0.02, momentum=0.9, nesterov=True, weight_decay=1e-3),
            "adam": lambda p: Adam(p, lr=0.01),
            "adamw": lambda p: AdamW(p, lr=0.01),
        }[kind]
        history = fit(
            model, table, optimizer=make(model.parameters()), epochs=8, batch_size=batch_size, compile=how,
            validation=0.25, standardize=standardize, seed=seed,
        )  # fmt: skip
        assert len(history) == 8
        results.append((model.state_dict(), history))
    (eager, first), (compiled, second) = results
    assert first.backend == "eager" != second.backend
    for name, number in eager.items():
        assert compiled[name] == pytest.approx(number, rel=1e-9, abs=1e-9)
    assert second.losses == pytest.approx(first.losses, rel=1e-9)
    assert second.validation_losses == pytest.approx(first.validation_losses, rel=1e-9)


def test_only_what_the_optimizer_was_given_is_trained() -> None:
    for how in (False, "numpy"):
        model = network()
        before = model.state_dict()
        fit(model, XOR, optimizer=SGD(model.layers[1].parameters(), lr=1.0), epochs=5, compile=how)
        moved = {name for name, number in model.state_dict().items() if number != before[name]}
        assert moved == {"w31", "w32", "b3"}


def test_gradients_from_before_do_not_count() -> None:
    twins = [network(), network()]
    for p in twins[0].parameters():
        p.grad = 1e6
    for model in twins:
        fit(model, XOR, optimizer=SGD(model.parameters(), lr=1.0), epochs=3, compile=False)
    assert twins[0].state_dict() == twins[1].state_dict()


# ── compile= ──────────────────────────────────────────────────────────────────────────────────────────


def by_cases(w: Value, x: Any) -> Any:
    return w * x[0] if float(x[0]) > 0 else w * w * x[0]


def by_data(w: Value, x: Any) -> Any:
    """Not noticed when it is traced: the number of a result becomes a constant."""
    z = w * x[0]
    return z * z.data


def noisy(w: Value, x: Any) -> Any:
    return w * x[0] * random.random()


@pytest.mark.parametrize("form", [by_cases, by_data, noisy])
def test_what_cannot_be_compiled_goes_value_by_value(form: Any) -> None:
    examples = [([-1.0], 0.5), ([2.0], 1.0), ([0.5], 2.0)]
    line = Line(form=form)
    history = fit(line, examples, optimizer=SGD([line.w], lr=0.01), epochs=2)
    assert history.backend == "eager"
    with pytest.raises((TypeError, RuntimeError), match=r"of|random"):
        fit(line, examples, optimizer=SGD([line.w], lr=0.01), epochs=2, compile=True)
    if form is not noisy:
        twin = Line(form=form)
        fit(twin, examples, optimizer=SGD([twin.w], lr=0.01), epochs=2, compile=False)
        assert twin.w.data == line.w.data


def test_small_work_is_done_in_plain_python_and_large_work_is_not() -> None:
    pytest.importorskip("numpy")
    model = network()
    assert fit(model, XOR, epochs=1).backend == "python"
    assert fit(model, mg.data.moons(500), epochs=1).backend in {"numpy", "llvm"}


def test_gradients_of_the_parameters_are_as_they_were_if_fit_refuses() -> None:
    model = network()
    with pytest.raises(ValueError, match="no backend 'fortran'"):
        fit(model, XOR, compile="fortran")
    assert all(p.grad is mg.NOT_COMPUTED for p in model.parameters())


# ── The history ───────────────────────────────────────────────────────────────────────────────────────


def test_phases_split_the_loss_reduction() -> None:
    history = History(losses=[1.0, 0.95, 0.5, 0.2, 0.05, 0.0], changes=[1, 3, 4, 8, 16, 32])
    assert [(name, [*epochs]) for name, epochs in history.phases()] == [
        ("early", [0, 1]),
        ("middle", [2, 3]),
        ("late", [4, 5]),
    ]
    assert history.changes_by_phase() == {"early": 2, "middle": 6, "late": 24}
    assert History().phases() == []
    assert [e for _, epochs in History(losses=[0.3]).phases() for e in epochs] == [0]


def test_flat_is_a_loss_that_no_longer_falls() -> None:
    assert History(losses=[1.0] + [0.5] * 400).flat()
    assert not History(losses=[1.0] + [0.5] * 40).flat()  # too few epochs to tell
    assert not History(losses=[1 / n for n in range(1, 400)]).flat()


def test_the_documents_claim_holds_for_xor() -> None:
    """Early and middle epochs move the weights far, late ones fine-tune."""
    model = network()
    history = fit(model, XOR, optimizer=SGD(model.parameters(), lr=2.0), epochs=3000)
    changes = history.changes_by_phase()
    assert changes["late"] < 0.3 * min(changes["early"], changes["middle"])
    text = repr(history)
    assert text.startswith("3000 epochs: the limit was reached, 3000 epochs.")
    assert all(phase in text for phase in ("early", "middle", "late"))


def test_a_history_of_nothing_is_a_sentence() -> None:
    assert repr(History()) == "0 epochs: not stopped yet."
    assert History()  # it is there, if empty


@pytest.mark.parametrize("batch_size", [None, 2])
def test_the_lists_of_a_history_have_a_number_for_each_epoch(batch_size: int | None) -> None:
    model = network()
    history = fit(model, XOR, epochs=7, batch_size=batch_size, validation=XOR[:2])
    lists = [thing for thing in vars(history).values() if isinstance(thing, list)]
    assert {*map(len, lists)} == {7}
    assert history.seconds == sorted(history.seconds)
    assert History.from_state(json.loads(json.dumps(history.state_dict()))) == history


# ── Stopping ──────────────────────────────────────────────────────────────────────────────────────────


def test_it_stops_at_the_target_or_at_the_limit() -> None:
    model = network()
    optimizer = SGD(model.parameters(), lr=2.0)
    history = fit(model, XOR, optimizer=optimizer, epochs=5000, stop=TargetLoss(0.05))
    assert history.rule == "TargetLoss" and history.losses[-1] < 0.05 <= min(history.losses[:-1])
    assert history.stopped == f"the target was reached: loss {history.losses[-1]:.4g} is below 0.05"
    # The last loss is that of the parameters as they are.
    loss = mg.mean(mg.half_squared_error(model(x), t) for x, t in XOR)
    assert history.losses[-1] == pytest.approx(loss.data, rel=1e-12)
    assert history.changes[-1] == 0
    history = fit(model, XOR, optimizer=optimizer, epochs=3, stop=TargetLoss(1e-9))
    assert (history.rule, len(history), history.stopped) == ("epochs", 3, "the limit was reached, 3 epochs")


@pytest.mark.parametrize(
    ("rule", "history", "reason"),
    [
        (TargetLoss(0.5), History([0.5]), ""),
        (TargetLoss(0.5), History([0.6, 0.49]), "the target was reached: loss 0.49 is below 0.5"),
        (TargetLoss(-2.0), History([-2.5]), "the target was reached: loss -2.5 is below -2"),
        (NoProgress(2), History([3.0, 3.0]), ""),
        (NoProgress(2), History([3.0, 3.0, 3.0]), "lowest in epoch 1 (3), and is 3 now, 2 epochs later"),
        (NoProgress(2), History([3.0, 2.0, 2.5, 1.9]), ""),
        (NoProgress(2), History([3.0, 2.0, 2.5, 2.1]), "lowest in epoch 2 (2)"),
        (NoProgress(2, 0.5), History([3.0, 2.9, 2.4]), ""),  # together they are progress
        (NoProgress(2, 0.5), History([3.0, 2.8, 2.6]), "have lowered it by no more than 0.5, to 2.6"),
        (ValidationRises(1), History([9.0], [1.0]), ""),
        (ValidationRises(1), History([9.0, 8.0], [1.0, 1.5]), "epoch 1 (1), and is 1.5 now, 1 epoch later"),
        (ValidationRises(3), History([9.0] * 4, [1.0, 1.5, 2.0, 0.9]), ""),
        (GradientNorm(0.1), History([1.0], gradient_norms=[0.1]), ""),
        (GradientNorm(0.1), History([1.0], gradient_norms=[0.01]), "norm 0.01 is below 0.1"),
        (TimeLimit(10), History([1.0], seconds=[9.9]), ""),
        (TimeLimit(10), History([1.0], seconds=[10.0]), "10.0 seconds have passed, the limit is 10"),
        (TargetLoss(1) | TimeLimit(1), History([2.0], seconds=[2.0]), "2.0 seconds have passed"),
        (TargetLoss(1) & TimeLimit(1), History([2.0], seconds=[2.0]), ""),
        (TargetLoss(1) & TimeLimit(1), History([0.5], seconds=[2.0]), "is below 1, and 2.0 seconds"),
    ],
)  # fmt: skip
def test_each_rule(rule: Rule, history: History, reason: str) -> None:
    said = rule(history)
    assert reason in said and bool(said) == bool(reason)
    assert bool(rule.fired(history)) == bool(reason)


def test_the_history_names_the_rule_that_ended_it() -> None:
    model = network()
    rule = (TargetLoss(1e-9) | GradientNorm(1e6)) & TargetLoss(10)
    assert fit(model, XOR, epochs=5, stop=rule).rule == "AnyOf & TargetLoss"
    assert fit(model, XOR, epochs=5, stop=TargetLoss(1e-9) | GradientNorm(1e6)).rule == "GradientNorm"
    assert fit(model, XOR, epochs=5, stop=[TimeLimit(0.0), TargetLoss(10)]).rule == "TimeLimit"
    assert fit(model, XOR, epochs=5, callback=lambda h: len(h) == 3).rule == "callback"
    assert fit(model, XOR, epochs=5, callback=len).rule == "epochs"  # only True ends it


@pytest.mark.parametrize(
    "make",
    [
        lambda: NoProgress(0),
        lambda: NoProgress(2.5),  # type: ignore[arg-type]
        lambda: NoProgress(min_delta=-1),
        lambda: ValidationRises(patience=True),
        lambda: TargetLoss(math.nan),
        lambda: GradientNorm(-1),
        lambda: TimeLimit("10"),  # type: ignore[arg-type]
    ],
)
def test_rules_refuse_nonsense(make: Callable[[], Rule]) -> None:
    with pytest.raises(ValueError, match=r"^\w+: (patience|min_delta|below|seconds) is a number"):
        make()


@pytest.mark.parametrize("batch_size", [None, 8])
def test_early_stopping_keeps_the_best_parameters(batch_size: int | None) -> None:
    """A network that is too large learns the noise: validation rises."""
    table = mg.data.moons(40, noise=0.5, seed=1)
    results = {}
    for restore in (True, False):
        model = mg.MLP(2, [16, 1], activation="tanh", output_activation="sigmoid")
        history = fit(
            model, table, loss=mg.binary_cross_entropy, optimizer=Adam(model.parameters(), lr=0.05),
            epochs=2000, validation=0.5, batch_size=batch_size,
            stop=ValidationRises(20, restore_best=restore),
        )  # fmt: skip
        assert history.rule == "ValidationRises" and len(history) < 2000
        _, held_out = table.split(0.5, 0)
        own = [mg.binary_cross_entropy(model(x), t).data for x, t in zip(*held_out)]
        results[restore] = math.fsum(own) / len(own), history
    lowest = min(results[True][1].validation_losses)
    assert results[True][0] == pytest.approx(lowest, rel=1e-9) != results[False][0]
    epoch = results[True][1].validation_losses.index(lowest) + 1
    assert results[True][1].stopped.endswith(f"of the lowest validation loss, of epoch {epoch}")
    assert results[True][1].validation_losses == results[False][1].validation_losses


# ── What goes wrong ───────────────────────────────────────────────────────────────────────────────────


@every_way
def test_divergence_keeps_the_best_parameters(how: Any) -> None:
    line = Line()
    history = fit(
        line, [([1.0], 3.0)], loss=mg.mse_loss, optimizer=SGD([line.w], lr=1e3), epochs=10_000, compile=how
    )
    assert history.rule == "not finite" and "it diverged in epoch 2: the loss is" in history.stopped
    assert "try a smaller learning rate than 1000" in history.stopped
    assert line.w.data == 1.0  # the first was the best
    assert len(history) == 1  # and the second, a million times as large, was enough to see it


def test_a_learning_rate_that_makes_it_worse_is_recognised() -> None:
    table = mg.data.moons()
    model = mg.MLP(2, [8, 2], activation="tanh")
    history = fit(model, table, optimizer=SGD(model.parameters(), lr=1000.0), epochs=60)
    assert "it got worse" in history.stopped and "smaller learning rate than 1000" in history.stopped
    losses = [mg.cross_entropy(model(x), t).data for x, t in zip(*table)]
    assert math.fsum(losses) / len(losses) == pytest.approx(min(history.losses), rel=1e-9)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_loss_that_begins_at_zero_or_below_is_no_divergence(sign: int) -> None:
    line = Line(0.0, lambda w, x: w)
    history = fit(
        line, [([0.0], 1.0)], loss=lambda y, t: sign * y * t, optimizer=SGD([line.w], lr=1.0), epochs=50
    )
    assert len(history) == 50


@every_way
def test_the_first_value_that_went_wrong_is_named_with_its_example(how: Any) -> None:
    line = Line(2.0, lambda w, x: mg.log(w - x[0]))
    examples = [([0.0], 1.0), ([1.0], 1.0), ([0.5], 1.0)]
    history = fit(
        line, examples, loss=lambda y, t: y * t, optimizer=SGD([line.w], lr=0.4), epochs=9, compile=how
    )
    assert history.rule == "not finite"
    assert "it diverged in epoch 3: example 1: log(w − x1) is undefined at" in history.stopped or (
        "it diverged in epoch" in history.stopped and "example 1: log(" in history.stopped
    )
    assert math.isfinite(line.w.data) and line.w.data > 1


@every_way
def test_a_value_that_overflows_is_named(how: Any) -> None:
    def square(w: Value, x: Any) -> Any:
        z = w * x[0]
        z.name = "z"
        y = z * z
        y.name = "y"
        return y

    line = Line(1.0, square)
    examples = [([1.0], 1.0), ([1e200], 1.0), ([2.0], 1.0)]
    history = fit(line, examples, loss=lambda y, t: y * t, optimizer=SGD([line.w], 0.1), compile=how)
    assert (history.rule, len(history), line.w.data) == ("not finite", 0, 1.0)
    assert history.stopped == ("there is no gradient to go along, example 1: y = z·z is inf at z = 1e+200")


@every_way
def test_an_error_in_the_first_epoch_is_raised_with_its_example(how: Any) -> None:
    model = mg.MLP(2, [3])
    examples = [([0.0, 1.0], 0), ([1.0, 1.0], 2), ([1.0, 0.0], 3)]
    before = model.state_dict()
    with pytest.raises(ValueError, match="example 2: the target 3 is no class: with 3 logits"):
        fit(model, examples, loss=mg.cross_entropy, compile=how)
    assert model.state_dict() == before


def test_validation_that_is_infinite_is_not_the_end() -> None:
    line = Line(2.0, lambda w, x: mg.log(w * x[0]))
    history = fit(
        line,
        [([1.0], 1.0)],
        epochs=3,
        validation=[([-1.0], 1.0)],
        optimizer=SGD([line.w], 0.01),
        compile=False,
    )
    assert history.validation_losses == [math.inf] * 3


@pytest.mark.parametrize("moment", ["forward", "update", "callback"])
@pytest.mark.parametrize("batch_size", [None, 2])
def test_ctrl_c_leaves_whole_steps(moment: str, batch_size: int | None) -> None:
    model, calls = network(), 0

    class Optimizer(SGD):
        def update(self, i: int, parameter: Value) -> None:
            if moment == "update" and self.steps == 5 and i == 4:
                raise KeyboardInterrupt
            super().update(i, parameter)

    def loss(y: Any, t: Any) -> Value:
        nonlocal calls
        calls += 1
        if moment == "forward" and calls == 4 * 4 + 3:
            raise KeyboardInterrupt
        return mg.half_squared_error(y, t)

    def callback(history: History) -> None:
        if moment == "callback" and len(history) == 4:
            raise KeyboardInterrupt

    history = fit(
        model, XOR, loss=loss, optimizer=Optimizer(model.parameters(), lr=1.0), epochs=9, callback=callback,
        compile=False, batch_size=batch_size, shuffle=False,
    )  # fmt: skip
    assert history.rule == "Ctrl-C"
    assert history.stopped == f"it was interrupted after epoch {len(history)}"
    assert {len(t) for t in vars(history).values() if isinstance(t, list) and t} == {len(history)}
    steps = {"forward": 4, "update": 4, "callback": 4}[moment] if batch_size is None else None
    twin = network()
    own = SGD(twin.parameters(), lr=1.0)
    for i in itertools.count():
        if model.state_dict() == twin.state_dict():
            break
        assert i < 20, "no whole number of steps leads there"
        batch = XOR if batch_size is None else XOR[2 * (i % 2) : 2 * (i % 2) + 2]
        fit(twin, batch, optimizer=own, epochs=1, compile=False)
    assert steps is None or i == steps


def test_ctrl_c_in_standard_units_leaves_a_model_for_raw_numbers() -> None:
    rows, targets = [[100.0, 1e-3], [200.0, 2e-3], [300.0, 1e-3]], [1.0, 2.0, 3.0]
    table = Table("t", ["a", "b"], rows, targets, "t", [], ())
    model = mg.MLP(2, [3, 1], activation="tanh")

    def stop(history: History) -> None:
        raise KeyboardInterrupt

    fit(model, table, callback=stop, standardize=True)
    units = model.units
    assert units == Units.of(rows, targets)
    outputs = [*map(float, map(model, rows))]
    model.units = None
    expected = [
        model(units.row(row)).data * units.target_spreads[0] + units.target_means[0] for row in rows
    ]
    assert outputs == pytest.approx(expected, rel=1e-12)


# ── What would be wrong without a word ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("share", [2, 10, 100])
@pytest.mark.parametrize(
    "weight",
    [
        lambda t: 20.0 if t == 1 else 1.0,
        lambda t: 1.0 if t != 1 else 20.0,
        lambda t: 20.0 if t in (1, 2) else 1.0,
        lambda t: {1: 20.0}.get(t, 1.0),
        lambda t: 20.0 if isinstance(t, int) and t else 1.0,
    ],
    ids=["==", "!=", "in", "dict", "isinstance"],
)
def test_weights_of_classes_are_not_lost(weight: Callable[[Any], float], share: int) -> None:
    X = [[i / 100 - 1] for i in range(200)]
    t = [int(i % share == 1) for i in range(200)]
    states = []
    for how in (False, "auto"):
        model = mg.MLP(1, [3, 1], activation="tanh")
        history = fit(
            model, (X, t), loss=lambda y, t: weight(t) * mg.half_squared_error(y, t), epochs=3, compile=how
        )
        assert history.backend == "eager"
        states.append(model.state_dict())
    assert states[0] == states[1]


@pytest.mark.parametrize("number", [7.0, 30.3, 54.9, 90.2, -1e6, 1e-300])
def test_a_column_that_never_varies_does_no_harm(number: float) -> None:
    X = [[float(i), number] for i in range(60)]
    t = [math.sin(i * 0.03) for i in range(60)]
    model = mg.MLP(2, [4, 1], activation="tanh")
    history = fit(model, (X, t), standardize=True, epochs=50, optimizer=Adam(model.parameters(), lr=0.01))
    assert model.units is not None
    assert (model.units.means[1], model.units.spreads[1]) == (number, 1.0)
    loss = math.fsum((y - u) ** 2 for y, u in zip(model.outputs(X), t)) / 120
    assert loss == pytest.approx(history.losses[-1], rel=0.2)


@pytest.mark.parametrize(
    ("loss", "targets", "threshold"),
    [
        (None, [0, 1], 0.5),
        (mg.mse_loss, [0, 1], 0.5),
        (mg.half_squared_error, [0.0, 1.0], 0.5),
        (mg.binary_cross_entropy_with_logits, [0, 1], 0.0),
        (mg.hinge_loss, [-1, 1], 0.0),
        (mg.half_squared_error, [-1, 1], 0.0),
        (mg.half_squared_error, [1, 2], 1.5),
        (lambda y, t: (y - t) ** 2, [0, 1], 0.5),
        (lambda y, t: 1.0 * mg.binary_cross_entropy_with_logits(y, t), [0, 1], 0.0),
        (lambda y, t: mg.binary_cross_entropy(mg.sigmoid(y), t), [0, 1], 0.0),
        (lambda y, t: (20.0 if t else 1.0) * mg.half_squared_error(y, t), [0, 1], 0.5),
        (lambda y, t: abs(y - t), [0, 1], 0.5),
        (lambda y, t: mg.hinge_loss(y, 2 * t - 1), [0, 1], 0.0),
    ],
)
def test_one_output_says_yes_above_what_its_loss_means(
    loss: Any, targets: Any, threshold: Any, tmp_path: Path
) -> None:
    model = mg.MLP(1, [1])
    fit(model, ([[0.0], [1.0]] * 5, targets * 5), loss=loss, epochs=2)
    assert model.threshold == threshold
    model.save(tmp_path / "model.json")
    assert mg.nn.load(tmp_path / "model.json").threshold == threshold


def test_xor_by_a_linear_output_is_judged_at_a_half() -> None:
    model = mg.MLP(2, [8, 1], activation="tanh")
    fit(model, mg.data.xor(), epochs=2000)
    assert mg.accuracy(model, mg.data.xor()) == 1.0
    assert model.predict([[0, 0], [0, 1]]) == ["0", "1"]


def frame(columns: dict[str, list[float]]) -> Any:
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(columns)


def test_columns_are_found_by_their_names() -> None:
    table = Table("t", ["height", "weight"], [[1.0, 40.0], [2.0, 30.0], [3.0, 20.0]], [1.5, 2.5, 3.5])
    swapped = Table("t", ["weight", "height"], [[40.0, 1.0], [30.0, 2.0], [20.0, 3.0]], [1.5, 2.5, 3.5])
    model, twin = mg.MLP(2, [1]), mg.MLP(2, [1])
    optimizer, other = SGD(model.parameters(), lr=1e-4), SGD(twin.parameters(), lr=1e-4)
    history = fit(model, table, validation=swapped, epochs=5, optimizer=optimizer)
    assert history.validation_losses == pytest.approx(history.losses)
    fit(twin, table, epochs=5, optimizer=other)
    fit(model, swapped, epochs=5, optimizer=optimizer)
    fit(twin, table, epochs=5, optimizer=other)
    assert model.state_dict() == twin.state_dict()
    assert list(model.features) == ["height", "weight"]
    assert model.predict(swapped) == model.predict(table) == model.predict(table.rows)
    with pytest.raises(ValueError, match="there is no column weight; there are height, size"):
        model.predict(Table("t", ["height", "size"], table.rows, []))


def test_columns_of_a_frame_are_found_by_their_names() -> None:
    model = mg.MLP(2, [1])
    columns = {"height": [1.0, 2, 3, 4], "weight": [40.0, 30, 20, 10]}
    fit(model, (frame(columns), [1.5, 2.5, 3.5, 4.5]), epochs=50, standardize=True)
    expected = model.predict([*map(list, zip(*columns.values()))])
    swapped = {"weight": columns["weight"], "height": columns["height"]}
    assert model.predict(frame(columns)) == model.predict(frame(swapped)) == expected
    with pytest.raises(ValueError, match="there are more columns than the model was trained with, id"):
        model.predict(frame({"id": [9.0] * 4, **swapped}))
    with pytest.raises(ValueError, match=r"no column height; .*: write 'height' for 'Height'"):
        model.predict(frame({"Height": columns["height"], "weight": columns["weight"]}))
    with pytest.raises(ValueError, match="there is no column weight"):
        model.predict(frame({"height": [1.0], "mass": [2.0]}))


def test_a_callback_finds_the_model_as_it_will_be(tmp_path: Path) -> None:
    table = ([[100.0 + i, 5.0 * i] for i in range(50)], [i * 0.5 for i in range(50)])
    model, twin = mg.MLP(2, [1]), mg.MLP(2, [1])
    fit(model, table, epochs=20, standardize=True, callback=lambda _: model.save(tmp_path / "best.json"))
    fit(twin, table, epochs=20, standardize=True)
    assert model.state_dict() == twin.state_dict()  # to look changes nothing
    saved = mg.nn.load(tmp_path / "best.json")
    assert (saved.state_dict(), saved.units, saved.task, saved.features) == (
        model.state_dict(),
        model.units,
        model.task,
        model.features,
    )


def test_what_a_callback_changes_is_not_frozen() -> None:
    class Annealed(mg.Module):
        def __init__(self) -> None:
            self.net, self.k = mg.MLP(2, [3, 1], activation="tanh"), 1.0

        def __call__(self, x: Any) -> Any:
            return self.net(x) * self.k

    results = []
    for how in (False, "auto", True):
        model = Annealed()

        def callback(history: History, model: Annealed = model) -> None:
            model.k = 1.0 + len(history)

        options: dict[str, Any] = {"epochs": 5, "compile": how, "callback": callback}
        if how is True:
            with pytest.raises(RuntimeError, match=r"does not fit any more: it .* now"):
                fit(model, mg.data.moons(60), **options)
            continue
        history = fit(model, mg.data.moons(60), **options)
        assert history.backend == "eager"
        results.append(history.losses)
    assert results[0] == pytest.approx(results[1], rel=1e-9)


def test_standard_units_are_for_networks_that_can_be_rewritten() -> None:
    class Squared(mg.MLP):
        def __call__(self, x: Any) -> Any:
            return super().__call__([x[0] * x[0], x[1]])

    for model in (Squared(2, [3, 1]), Line()):
        with pytest.raises(TypeError, match=r"standardize=True is for an MLP.*; \w+ is another model"):
            fit(model, [([1.0, 2.0], 3.0)], standardize=True)


def test_whole_numbers_to_be_met_are_scaled_like_others() -> None:
    X, t = [[50], [70], [100], [30]], [250000, 310000, 420000, 180000]
    outputs = []
    for targets in (t, [*map(float, t)]):
        model = mg.MLP(1, [4, 1], activation="tanh")
        fit(model, (X, targets), standardize=True, epochs=300)
        outputs.append(model.outputs(X))
    assert outputs[0] == outputs[1] == pytest.approx(t, rel=0.1)


def test_classes_that_are_numbers_are_compared_as_numbers() -> None:
    model, X = mg.MLP(1, [2]), [[0.0], [1.0]] * 10
    fit(model, (X, ["1", "2"] * 10), epochs=500)
    assert mg.accuracy(model, (X, ["1", "2"] * 10)) == mg.accuracy(model, (X, [1, 2] * 10)) == 1.0
    for wrong in (3, 0):
        with pytest.raises(ValueError, match=f"the target of example 1 is {wrong}, which is no class"):
            mg.accuracy(model, (X[:2], [1, wrong]))


def test_nan_stands_for_no_class() -> None:
    model = mg.MLP(2, [3])
    fit(model, mg.data.spirals(30), epochs=1)
    with pytest.raises(ValueError, match="row 1: the output is nan, which stands for no class"):
        model.predict([[0.0, 1.0], [math.nan, 1.0]])


def test_other_classes_are_not_learned_under_the_same_names() -> None:
    model = mg.MLP(1, [2])
    fit(model, ([[0.0], [1.0]], ["cat", "dog"]), epochs=1)
    with pytest.raises(
        ValueError, match=r"the classes are ant, zebra; the model knows cat, dog, .*model\.classes = \[\]"
    ):
        fit(model, ([[0.0], [1.0]], ["ant", "zebra"]), epochs=1)
    model.classes = []
    fit(model, ([[0.0], [1.0]], ["ant", "zebra"]), epochs=1)
    assert model.classes == ["ant", "zebra"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"data": ([[1, 2, 3], [3, 4, 5]], [0.5, 1.5])},
        {"loss": lambda y, t: None},
        {"loss": lambda y, t: 3.0},
        {"loss": "mse_loss"},
        {"schedule": [0.1, 0.2]},
        {"callback": 3},
        {"shuffle": "no"},
        {"standardize": "yes"},
        {"seed": 1.5},
        {"seed": None},
        {"data": Table("t", ["a", "b"], [[1.0, math.nan]], [1.0])},
    ],
)  # fmt: skip
def test_bad_input_changes_nothing_in_standard_units_either(arguments: dict[str, Any]) -> None:
    model = mg.MLP(2, [3, 1])
    before = model.state_dict()
    options: dict[str, Any] = {"data": XOR, "standardize": True, **arguments}
    with pytest.raises((TypeError, ValueError)) as caught:
        fit(model, **options)
    assert not re.search(r"'\w+' object|list index|pop from", str(caught.value))
    assert (model.state_dict(), model.units, model.task, list(model.features)) == (before, None, Task(), [])


def test_an_error_that_does_not_come_again_is_raised_as_it_is() -> None:
    calls = []

    def loss(y: Any, t: Any) -> Value:
        calls.append(t)
        if len(calls) == 200:
            raise ValueError("label file changed on disk")
        return mg.half_squared_error(y, t)

    with pytest.raises(ValueError, match="label file changed on disk"):
        fit(mg.MLP(2, [4, 1]), mg.data.moons(60), loss=loss, epochs=9, compile=False)


# ── Arguments ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": 0}, "epochs is a whole number from 1 on, not 0"),
        ({"epochs": 2.0}, "epochs is a whole number from 1 on, not 2.0"),
        ({"batch_size": 0}, "batch_size is a whole number from 1 on, not 0"),
        ({"batch_size": True}, "batch_size is a whole number from 1 on, not True"),
        ({"every": -1}, "every is a whole number from 1 on, not -1"),
        ({"resume": True}, "resume=True goes on from a checkpoint: name it"),
        ({"validation": 1.5}, "validation is a fraction between 0 and 1"),
        ({"validation": [([1.0], 2.0)]}, "the validation examples have 1 input"),
        ({"stop": ValidationRises()}, "looks at validation losses"),
        ({"stop": TargetLoss(1) | ValidationRises()}, "looks at validation losses"),
        ({"stop": 0.001}, "stop takes a rule such as TargetLoss"),
        ({"stop": ["loss"]}, "stop takes a rule such as TargetLoss"),
        ({"optimizer": "adam"}, "optimizer is one like SGD"),
        ({"optimizer": SGD}, "optimizer is one like SGD"),
        ({"optimizer": SGD([Value(1.0, "v")])}, "the optimizer moves v, which is no parameter of"),
        ({"compile": 3}, "compile is True, False"),
        ({"schedule": lambda epoch: "fast"}, r"schedule\(0\): "),
        ({"schedule": lambda epoch: -1.0}, r"schedule\(0\) is -1.0"),
    ],
)  # fmt: skip
def test_arguments_that_make_no_sense_change_nothing(arguments: dict[str, Any], message: str) -> None:
    model = network()
    before = model.state_dict()
    with pytest.raises((TypeError, ValueError), match=message):
        fit(model, XOR, **arguments)
    assert model.state_dict() == before
    assert all(p.grad is mg.NOT_COMPUTED for p in model.parameters())


@pytest.mark.parametrize("model", [3, None, lambda x: x, "MLP"])
def test_what_is_no_model(model: Any) -> None:
    with pytest.raises(TypeError, match=r"fit trains a model, such as MLP\(2, \[2, 1\]\), not"):
        fit(model, XOR)


def test_classes_need_outputs() -> None:
    with pytest.raises(
        ValueError, match=r"there are 3 classes, yin, yang, dot, for which .* 3 outputs, not 1"
    ):
        fit(mg.MLP(2, [4, 1]), mg.data.yinyang(30))
    with pytest.raises(
        ValueError, match=r"there are 2 classes, 0, 1, for which .* one output, or 2 .*not 3"
    ):
        fit(mg.MLP(2, [4, 3]), mg.data.moons(30))


def test_the_default_loss_suits_the_data() -> None:
    two = mg.MLP(2, [4, 3])
    history = fit(two, mg.data.yinyang(30), epochs=1)
    twin = mg.MLP(2, [4, 3])
    losses = [mg.cross_entropy(twin(x), t).data for x, t in zip(*mg.data.yinyang(30))]
    assert history.losses[0] == pytest.approx(sum(losses) / 30)
    assert (list(two.classes), list(two.features)) == (["yin", "yang", "dot"], ["x1", "x2"])


def test_a_schedule_gives_the_rate_of_each_epoch() -> None:
    line = Line(0.0, lambda w, x: w)
    optimizer = SGD([line.w], lr=5.0)
    rates = []
    fit(
        line, [([0.0], 1.0)], loss=lambda y, t: -y * t, optimizer=optimizer, epochs=3,
        schedule=lambda epoch: 0.5**epoch, callback=lambda h: rates.append((optimizer.lr, line.w.data)),
    )  # fmt: skip
    assert rates == [(1.0, 1.0), (0.5, 1.5), (0.25, 1.75)]


def test_several_targets_for_several_outputs() -> None:
    examples = [([0.0, 1.0], [1.0, 0.0]), ([1.0, 0.0], [0.0, 1.0])]
    for how in HOW:
        model = mg.MLP(2, [3, 2], output_activation="sigmoid")
        history = fit(model, examples, optimizer=SGD(model.parameters(), 0.5), epochs=3, compile=how)
        twin = mg.MLP(2, [3, 2], output_activation="sigmoid")
        losses = [mg.half_squared_error(twin(x), t).data for x, t in examples]
        assert history.losses[0] == pytest.approx(sum(losses) / 2)


@pytest.mark.parametrize("stream", ["terminal", "pipe"])
@pytest.mark.parametrize("progress", [True, False])
def test_progress_is_for_eyes_only(stream: str, progress: bool) -> None:
    code = (
        "import sys, microgradlike as mg\n"
        f"sys.stderr.isatty = lambda: {stream == 'terminal'}\n"
        f"mg.fit(mg.MLP(2, [2, 1]), mg.data.xor(), epochs=30, progress={progress})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert ("30" in done.stderr) == (progress and stream == "terminal")


# ── The same bits again ───────────────────────────────────────────────────────────────────────────────

RUN = """
import sys, microgradlike as mg
model = mg.MLP(2, [4, 1], activation="tanh", output_activation="sigmoid", seed=7)
history = mg.fit(
    model, mg.data.moons(60, seed=5), optimizer=mg.Adam(model.parameters(), lr=0.01), epochs=EPOCHS, seed=2,
    batch_size=BATCH, validation=0.2, compile=COMPILE, standardize=True, checkpoint=CHECKPOINT, every=3,
    resume=True, callback=CALLBACK, stop=mg.stop.ValidationRises(1000),
)
print(history.losses, history.validation_losses, history.changes, history.gradient_norms)
print(model.state_dict())
"""


def script(
    checkpoint: Path | None, epochs: int = 30, batch: Any = 8, how: Any = "auto", slow: bool = False
) -> str:
    callback = "lambda h: __import__('time').sleep(0.004)" if slow else "None"
    return (
        RUN.replace("EPOCHS", str(epochs))
        .replace("BATCH", repr(batch))
        .replace("COMPILE", repr(how))
        .replace("CHECKPOINT", repr(None if checkpoint is None else str(checkpoint)))
        .replace("CALLBACK", callback)
        .replace("resume=True", f"resume={checkpoint is not None}")
    )


def run(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    return done.stdout


@pytest.mark.parametrize("batch", [None, 8])
@pytest.mark.parametrize("how", [False, "auto"])
def test_same_seed_same_bits_in_separate_processes(batch: Any, how: Any) -> None:
    outputs = {run(script(None, batch=batch, how=how), PYTHONHASHSEED=seed) for seed in ("0", "1")}
    assert len(outputs) == 1


@pytest.mark.parametrize("batch", [None, 8])
@pytest.mark.parametrize("how", [False, "auto"])
def test_a_training_goes_on_from_a_checkpoint_with_the_same_bits(
    tmp_path: Path, batch: Any, how: Any
) -> None:
    whole = run(script(None, batch=batch, how=how))
    path = tmp_path / "run.json"
    for epochs in (1, 7, 19, 30, 30):
        last = run(script(path, epochs, batch=batch, how=how))
    assert last == whole


def test_a_training_that_is_killed_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    """SIGKILL at any moment, 20 times and more: a whole checkpoint is there, and nothing is lost."""
    if not hasattr(signal, "SIGKILL"):
        pytest.skip("there is no SIGKILL here")
    whole = run(script(None, epochs=1000, how="python"))
    path, rng = tmp_path / "run.json", random.Random(4)

    def start() -> subprocess.Popen[str]:
        code = script(path, epochs=1000, how="python", slow=True)
        return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)

    def epochs() -> int:  # what is there is whole, at every moment
        return (
            len(json.loads(path.read_text(encoding="utf-8"))["history"]["losses"]) if path.exists() else -1
        )

    for _ in range(25):
        before = epochs()
        process = start()
        while epochs() == before:
            assert process.poll() is None
            time.sleep(0.001)
        time.sleep(0.03 * rng.random())
        process.kill()
        process.communicate()
        assert epochs() % 3 == 0
    assert 0 < epochs() < 1000
    result, _ = start().communicate()
    assert result == whole


@pytest.mark.parametrize("moment", [1, 4, 7])
def test_ctrl_c_writes_a_checkpoint_of_the_last_whole_epoch(tmp_path: Path, moment: int) -> None:
    path = tmp_path / "run.json"

    def train(stop_at: int, resume: bool) -> tuple[History, dict[str, float]]:
        model = network()

        def callback(history: History) -> None:
            if len(history) == stop_at:
                raise KeyboardInterrupt

        optimizer = SGD(model.parameters(), lr=1.0, momentum=0.5)
        history = fit(
            model, XOR, optimizer=optimizer, epochs=9, callback=callback, checkpoint=path, resume=resume
        )
        return history, model.state_dict()

    whole = train(-1, False)
    path.unlink()
    assert train(moment, False)[0].rule == "Ctrl-C"
    assert len(json.loads(path.read_text())["history"]["losses"]) == moment
    history, state = train(-1, True)
    assert state == whole[1]
    assert (history.losses, history.changes, history.rule) == (whole[0].losses, whole[0].changes, "epochs")


def test_a_training_that_has_reached_its_target_is_not_taken_further(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    results = []
    for _ in range(2):
        model = network()
        history = fit(
            model, XOR, optimizer=SGD(model.parameters(), lr=2.0), epochs=5000, stop=TargetLoss(0.05),
            checkpoint=path, resume=True,
        )  # fmt: skip
        results.append((history.losses, history.rule, model.state_dict()))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "this training has seed 1, the checkpoint 0"),
        ({"batch_size": 2}, "this training has batch_size 2, the checkpoint 4"),
        ({"data": [*XOR[:3], ([1.0, 1.0], 0.5)]}, "this training has examples"),
        ({"optimizer": Adam}, "this training has optimizer 'Adam', the checkpoint 'SGD'"),
        ({"optimizer": lambda p, lr: SGD(p, lr=2 * lr)}, "this training has lr 0.2, the checkpoint 0.1"),
        ({"optimizer": lambda p, lr: SGD(p[1:], lr=lr)}, "has parameters 8, the checkpoint 9"),
        ({"loss": mg.mse_loss}, "this training has loss 'mse_loss', the checkpoint 'half_sq"),
        ({"model": lambda: mg.MLP(2, [3, 1])}, "this training has model"),
    ],
)  # fmt: skip
def test_a_checkpoint_of_another_training_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = tmp_path / "run.json"
    fit(network(), XOR, epochs=2, checkpoint=path)
    bytes_before = path.read_bytes()
    model = change.pop("model", network)()
    make = change.pop("optimizer", SGD)
    before = model.state_dict()
    with pytest.raises(ValueError, match=message):
        fit(
            model,
            change.pop("data", XOR),
            optimizer=make(model.parameters(), lr=0.1),
            checkpoint=path,
            resume=True,
            **change,
        )
    assert model.state_dict() == before and path.read_bytes() == bytes_before


def test_a_damaged_checkpoint_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    fit(network(), XOR, epochs=5, checkpoint=path, validation=XOR[:1])
    content = json.loads(path.read_text())
    damaged: list[Any] = [
        "",
        "{}",
        "[]",
        "null",
        path.read_text()[:-20],
        '{"format": "microgradlike model"}',
    ]
    instead: list[Any] = [None, [], {}, "x", [1]]
    for key in ("training", "best", "best validation", "ceiling", "lr", "history"):
        damaged += [json.dumps({**content, key: thing}) for thing in instead]
        damaged.append(json.dumps({k: v for k, v in content.items() if k != key}))
    for key in content["history"]:
        for thing in (None, [1, "x"]):
            history = {**content["history"], key: thing}
            damaged += [json.dumps({**content, "history": history})]
    damaged.append(json.dumps({**content, "version": 3}))
    for part in ("parameters", "optimizer", "moments", "epochs"):
        for thing in instead:
            damaged.append(json.dumps({**content, "training": {**content["training"], part: thing}}))
    parameters = {**content["training"]["parameters"], "w11": "0.5"}
    damaged.append(json.dumps({**content, "training": {**content["training"], "parameters": parameters}}))
    for text in damaged:
        path.write_text(text)
        model = network()
        optimizer = SGD(model.parameters(), lr=0.1)
        before = model.state_dict(), optimizer.state_dict()
        with pytest.raises(ValueError, match=r"run\.json"):
            fit(model, XOR, optimizer=optimizer, checkpoint=path, resume=True, validation=XOR[:1])
        assert (model.state_dict(), optimizer.state_dict()) == before
        assert path.read_text() == text


def test_a_checkpoint_that_cannot_be_written_is_an_error_with_its_path(tmp_path: Path) -> None:
    for place in (tmp_path / "nowhere" / "run.json", tmp_path, 3):
        model = network()
        before = model.state_dict()
        with pytest.raises(
            (TypeError, ValueError), match=r"there is no directory|directory;|name of a file"
        ):
            fit(model, XOR, epochs=3, checkpoint=place)  # type: ignore[arg-type]
        assert model.state_dict() == before


def test_a_disk_that_fills_up_ends_the_training_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, model = tmp_path / "run.json", network()
    written: list[str] = []

    def write(place: Any, text: Any) -> None:
        if len(written) == 3:
            raise OSError(28, "No space left on device", str(place))
        written.append(text)
        path.write_text(text)

    monkeypatch.setattr("microgradlike.training.checkpoints.write_atomically", write)
    history = fit(model, XOR, epochs=50, checkpoint=path, every=5)
    assert (history.rule, len(history)) == ("checkpoint", 15)
    assert "cannot be written" in history.stopped and "No space left on device" in history.stopped
    assert len(json.loads(path.read_text())["history"]["losses"]) == 10


# ── What people train ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "make", [mg.data.moons, mg.data.circles, mg.data.spirals], ids=lambda f: f.__name__
)
def test_the_usual_toys_are_learned(make: Callable[..., Table]) -> None:
    train, test = make(400, seed=1).split(0.25)
    outputs = max(2, len(train.classes))
    model = mg.MLP(2, [24, 24, outputs], activation="tanh")
    fit(
        model,
        train,
        optimizer=Adam(model.parameters(), lr=0.01),
        epochs=150,
        batch_size=32,
        compile="numpy",
    )
    assert mg.accuracy(model, test) >= 0.97


def test_confusion_counts_by_name() -> None:
    table = mg.data.yinyang(60)
    model = mg.MLP(2, [3])
    model.classes = ["dot", "yin", "yang"]  # in another order than the data's
    found = mg.confusion(model, table)
    names = model.predict(table.rows)
    assert found.classes == ["dot", "yin", "yang"]
    for i, expected in enumerate(found.classes):
        for j, said in enumerate(found.classes):
            count = sum(a == expected and b == said for a, b in zip(table.labels, names))
            assert found.counts[i][j] == count
    assert found.right == sum(map(str.__eq__, table.labels, names))
    assert mg.accuracy(model, table) == found.right / 60
    assert str(found).startswith(f"{found.right} of 60 right")
    assert "<table>" in found._repr_html_()
    model.classes = ["<b>", "yin", "yang"]
    with pytest.raises(ValueError, match="'dot' is no class of the model, which knows <b>, yin, yang"):
        mg.confusion(model, table)


@pytest.mark.parametrize(
    ("targets", "share"),
    [([0, 1, 1, 0], 0.75), ([-1, 1, 1, -1], 0.75), ([[1.0, 0], [0, 1.0], [0, 1.0], [1.0, 0]], 0.75)],
)
def test_classes_by_number(targets: Any, share: float) -> None:
    model = mg.MLP(2, [1])
    model.load_state_dict({"w11": 1.0, "w12": 1.0, "b1": -0.5})
    assert mg.accuracy(model, ([x for x, _ in XOR], targets)) == share
    with pytest.raises(ValueError, match=r"the target of example 1 is 0.5, which is no class"):
        mg.accuracy(model, ([x for x, _ in XOR], [0.0, 0.5, 1.0, 1.0]))


# ── A published run, with the public interface alone ──────────────────────────────────────────────────


class Xorshift:
    """The generator of the published run: xorshift64*, of which 24 bits make a float (Vigna 2016)."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def uniform(self, a: float, b: float) -> float:
        mask = 2**64 - 1
        self.state ^= self.state >> 12
        self.state ^= self.state << 25 & mask
        self.state ^= self.state >> 27
        return a + (b - a) * ((self.state * 0x2545F4914F6CDD1D >> 32 & 0xFFFFFFFF) >> 8) / 2**24


def by_hand(
    examples: Sequence[tuple[Sequence[float], int]], theta: list[float], steps: int
) -> tuple[list[float], list[float]]:
    """The published training of an 2-8-3 tanh network in numpy: its losses, and the last parameters."""
    import numpy as np

    X, t = np.array([x for x, _ in examples]), np.array([t for _, t in examples])
    p = np.array(theta)
    m, v, losses = np.zeros(51), np.zeros(51), []
    for k in range(1, steps + 1):
        A, B = p[:24].reshape(8, 3), p[24:].reshape(3, 9)  # neuron by neuron: weights, then the bias
        H = np.tanh(X @ A[:, :2].T + A[:, 2])
        Z = H @ B[:, :8].T + B[:, 8]
        P = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
        losses.append(float(-np.log(P[np.arange(len(t)), t]).mean()))
        D = (P - np.eye(3)[t]) / len(t)
        E = D @ B[:, :8] * (1 - H * H)
        g = np.concatenate([np.c_[E.T @ X, E.sum(axis=0)].ravel(), np.c_[D.T @ H, D.sum(axis=0)].ravel()])
        m, v = 0.9 * m + 0.1 * g, 0.95 * v + 0.05 * g * g
        p = p - 0.1 * (m / (1 - 0.9**k) / (np.sqrt(v / (1 - 0.95**k)) + 1e-8) + 1e-4 * p)
    return losses, p.tolist()


@every_way
def test_the_published_run_on_yin_yang_data(how: Any) -> None:
    """LLM101n's micrograd: 100 points, 80 to train and 10 to validate, MLP(2, [8, 3]), AdamW, 100 steps."""
    rng = Xorshift(42)
    table = mg.data.yinyang(100, random=rng)
    examples = [*zip(*table)]
    model = mg.MLP(2, [8, 3], activation="tanh")
    for layer, inputs in zip(model.layers, (2, 8)):
        for neuron in layer.neurons:
            for w in neuron.w:
                w.data = rng.uniform(-1, 1) * inputs**-0.5
    losses, theta = by_hand(examples[:80], [p.data for p in model.parameters()], 100)
    history = fit(
        model,
        examples[:80],
        validation=examples[80:90],
        loss=mg.cross_entropy,
        optimizer=AdamW(model.parameters(), lr=0.1, betas=(0.9, 0.95), weight_decay=1e-4),
        epochs=100,
        compile=how,
    )
    assert history.losses == pytest.approx(losses, rel=1e-7)
    assert [p.data for p in model.parameters()] == pytest.approx(theta, rel=1e-5, abs=1e-6)
    assert history.losses[0] > 1 and history.losses[-1] < 0.2
    assert mg.accuracy(model, examples[:80]) > 0.9


# ── The user's own code ───────────────────────────────────────────────────────────────────────────────


def test_a_wrapper_of_a_loss_is_the_users_code() -> None:
    import functools

    factor = [1.0]

    @functools.wraps(mg.mse_loss)
    def wrapped(y: Any, t: Any) -> Value:
        return factor[0] * mg.mse_loss(y, t)

    def schedule(epoch: int) -> float:
        factor[0] = 1.0 + epoch
        return 0.1

    states = []
    for how in (False, "auto"):
        model = network()
        history = fit(model, XOR, loss=wrapped, schedule=schedule, epochs=4, compile=how)
        states.append(model.state_dict())
    assert states[0] == states[1] and "it computes something else now" in history.notes[0]


def test_a_model_that_differentiates_by_its_inputs_is_trained_and_asked() -> None:
    class Slope(mg.Module):
        """The error of y′ = y, which a network is to fulfil."""

        def __init__(self) -> None:
            self.net = mg.MLP(1, [4, 1], activation="tanh")

        def __call__(self, x: Any) -> Any:
            y = self.net(x)
            [slope] = mg.grad(y, [x[0]])
            return slope - y

    data = [[i / 10] for i in range(10)], [0.0] * 10
    losses = []
    for how in (False, "auto", "python"):
        model = Slope()
        with mg.no_grad():
            history = fit(model, data, epochs=20, compile=how, validation=0.2)
        assert history.backend == "eager" or how
        losses.append([*history.losses, *history.validation_losses])
        assert losses[-1] == pytest.approx(losses[0], rel=1e-9)
        values = [[Value(x[0], "x1")] for x in data[0]]
        assert model.outputs(values) == [model(x).data for x in values]
    assert history.losses[-1] < history.losses[0]


@pytest.mark.parametrize("batch_size", [None, 8])
@pytest.mark.parametrize("caught", [True, False])
@pytest.mark.parametrize(
    "part",
    [
        lambda y: 1 / (1 + (1e154 * y) ** 2),  # finite again, after a square that is not
        lambda y: 0.1 * mg.sqrt(1.3 - y),
        lambda y: 1 / (1 + mg.exp(600 * y)),
        lambda y: mg.maximum(mg.log(1.3 - y), -5.0),
    ],
)
def test_what_the_engine_refuses_on_the_way_is_refused_compiled_too(
    part: Any, caught: bool, batch_size: int | None
) -> None:
    X = [[i / 20 - 1] for i in range(40)]
    t = [0.5 * x[0] for x in X]
    X[29], t[29] = [3.0], 9.0

    def loss(y: Any, t: Any) -> Any:
        try:
            return 0.5 * (y - t) ** 2 + part(y)
        except (ArithmeticError, ValueError):
            if caught:
                return 0.01 * abs(y - t)
            raise

    results = []
    for how in (False, "auto"):
        model = mg.MLP(1, [1], seed=1)
        model.load_state_dict({"w11": 0.1, "b1": 0.0})
        optimizer = SGD(model.parameters(), lr=0.05)
        history = fit(
            model, (X, t), loss=loss, optimizer=optimizer, epochs=20, compile=how, batch_size=batch_size
        )
        results.append([*model.state_dict().values(), *history.losses])
    assert results[1] == pytest.approx(results[0], rel=1e-9)


def test_units_of_an_inner_network_are_kept(tmp_path: Path) -> None:
    class Wrapped(mg.Module):
        def __init__(self) -> None:
            self.nets = [mg.MLP(2, [3, 1], activation="tanh", seed=1), mg.MLP(2, [1])]

        def __call__(self, x: Any) -> Any:
            return self.nets[0](x) + self.nets[1](x)

    X = [[100.0 + i, 50.0 - i * i % 9] for i in range(10)]
    t = [3e4 + 10 * a - 2 * b for a, b in X]
    model = Wrapped()
    before = model.state_dict()
    fit(model.nets[0], (X, t), standardize=True, epochs=20)
    expected = model.outputs(X)
    model.save(tmp_path / "model.json")
    loaded, copied = Wrapped(), Wrapped()
    loaded.load(tmp_path / "model.json")
    copied.load_state_dict(model.state_dict())
    assert loaded.outputs(X) == copied.outputs(X) == expected
    path = tmp_path / "run.json"
    resumed = Wrapped()
    for one in (model, resumed):
        fit(one, (X, t), optimizer=SGD(one.parameters(), lr=1e-12), epochs=3, checkpoint=path, resume=True)
    assert resumed.outputs(X) == model.outputs(X)
    stranger = Wrapped()
    with pytest.raises(ValueError, match="this training has batch_size 9"):
        fit(stranger, (X[:-1], t[:-1]), epochs=3, checkpoint=path, resume=True)
    assert stranger.nets[0].units is None
    model.load_state_dict(before)  # the parameters are for no units then, and so is the model
    assert model.nets[0].units is None


def test_diagnose_finds_columns_by_their_names() -> None:
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"width": [1e3 * i for i in range(30)], "height": [i % 7 for i in range(30)]})
    t = [0.5 * i + i % 7 for i in range(30)]
    model = mg.MLP(2, [3, 1], activation="tanh")
    fit(model, (X, t), standardize=True, epochs=50)
    assert str(mg.diagnose(model, (X[["height", "width"]], t))) == str(mg.diagnose(model, (X, t)))


def test_rows_with_names_are_taken_by_their_names() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"width": [1.0, 2.0, 3.0, 4.0], "height": [40.0, 30.0, 20.0, 15.0]})
    swapped, t = frame[["height", "width"]], [1.5, 2.5, 3.5, 4.0]
    model = mg.MLP(2, [1])
    fit(model, (frame, t), epochs=20, standardize=True)
    expected = model.predict(frame)
    rows = [row for _, row in swapped.iterrows()]
    records = swapped.to_records(index=False)
    assert model.predict(rows) == model.predict(records) == expected
    assert [model(row).data for row in rows] == [model(record).data for record in records] == expected
    histories = []
    for data in ((frame, t), (swapped, t), [*zip(rows, t)], (rows, t), (records, t)):
        twin = mg.MLP(2, [1])
        twin.features = ["width", "height"]
        histories.append(fit(twin, data, epochs=3, standardize=True).losses)
    assert all(losses == histories[0] for losses in histories)
    with pytest.raises(ValueError, match="the example: there is no column width"):
        model(rows[0].rename({"width": "Width"}))
