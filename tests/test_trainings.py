"""Compiled training beside Value by Value, and features beside a plain loop: a part of two campaigns."""

import io
import itertools
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from campaigns import features, trainings

import microgradlike as mg
from microgradlike.optim import SGD, Adam
from microgradlike.stop import NoProgress, Rule, TargetLoss, TimeLimit, ValidationRises

# ruff: noqa: PLW0108  # a lambda around a loss is what users write, and is told from the loss

ROWS = [[i / 10 - 1, (i * 7 % 11) / 5 - 1] for i in range(20)]
NUMBERS = [0.5 * a - 0.3 * b for a, b in ROWS]


# ── Two campaigns ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", [2, 7, 13, 22, 23, 33])
def test_each_backend_trains_what_plain_code_trains(seed: int) -> None:
    """A part of the campaign; see `campaigns.trainings`."""
    _, differences, faults, _ = trainings.try_seed(seed)
    assert (differences, faults) == ({}, [])


PAIRS = [
    ("standardize", "lambda"), ("words", "callback saves"), ("bools", "resume"),
    ("restore_best", "batches"), ("shared weights", "resume"), ("generators", "signs"),
    ("two outputs", "standardize"),
    ("own optimizer", "NoProgress"), ("frame", "validation examples"),
]  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS, ids=" × ".join)
def test_features_together_are_what_a_plain_loop_does(pair: tuple[str, str]) -> None:
    """A part of the campaign; see `campaigns.features`."""
    if "frame" in pair:
        pytest.importorskip("pandas")
    differences = features.try_pair(pair)
    assert {*differences.values()} == {""}


# ── S1: what user's code reads, changes and draws ─────────────────────────────────────────────────────


def train(
    loss: Any, how: Any, model: Any = None, data: Any = None, **options: Any
) -> tuple[dict[str, float], mg.History]:
    model = model or mg.MLP(2, [3, 1], activation="tanh")
    history = mg.fit(model, data or (ROWS, NUMBERS), loss=loss, compile=how, **{"epochs": 5} | options)
    return model.state_dict(), history


def both(make: Callable[[], Any], **options: Any) -> mg.History:
    """Train by "auto" and by False, with a loss made anew for each: the numbers must be the same."""
    expected, _ = train(make(), False, **options)
    numbers, history = train(make(), "auto", **options)
    assert numbers == pytest.approx(expected, rel=1e-9, abs=1e-12)
    return history


@pytest.mark.parametrize("leak", trainings.LEAKS)
def test_a_number_that_leaves_the_graph_is_noticed(leak: str) -> None:
    way = trainings.LEAKS[leak]

    def loss(y: Any, t: Any) -> Any:
        return mg.half_squared_error(y, t) * (1 + 0.1 * trainings._squash(way(y)))

    if leak == "constructor":
        pytest.skip("a Value of a Value is refused, compiled or not")
    assert both(lambda: loss).backend == "eager"


@pytest.mark.parametrize("leak", [name for name in trainings.ENTRY_LEAKS if name != "bit_length"])
def test_a_target_that_is_looked_at_is_noticed(leak: str) -> None:
    way = trainings.ENTRY_LEAKS[leak]

    def loss(y: Any, t: Any) -> Any:
        return mg.half_squared_error(y, t) * way(t)

    data = (ROWS, [1, 0] * 10)
    if leak not in {"list.index", "modulo", "floordiv"}:  # plain numbers do more than Values there
        assert both(lambda: loss, data=data).backend in {"eager", "python", "numpy", "llvm"}


def counting(way: str) -> Callable[[Any, Any], Any]:
    """A loss that gets lighter after 30 calls: each calls changes something."""
    count = trainings._counter(way, itertools.count())
    return lambda y, t: mg.half_squared_error(y, t) * (1.0 if count() < 30 else 0.25)


@pytest.mark.parametrize("way", ["nonlocal", "list", "attribute", "iterator", "global"])
def test_a_call_that_changes_something_is_put_back(way: str) -> None:
    history = both(lambda: counting(way))
    assert history.backend == "eager"
    assert any("each call changes" in note or "has an iterator" in note for note in history.notes)


class Counter:
    """State in a slot, in the class, and in an attribute that a first call makes."""

    __slots__ = ("calls", "late")
    total = 0

    def __init__(self, place: str) -> None:
        self.calls, Counter.total = [0], 0
        self.late = place

    def __call__(self, y: Any, t: Any) -> Any:
        if self.late == "class":
            Counter.total += 1
            count = Counter.total
        else:
            self.calls = [self.calls[0] + 1]
            [count] = self.calls
        return mg.half_squared_error(y, t) * (1.0 if count < 30 else 0.25)


@pytest.mark.parametrize("place", ["slot", "class"])
def test_state_in_slots_and_classes_is_put_back(place: str) -> None:
    assert both(lambda: Counter(place)).backend == "eager"


def test_what_a_first_call_sets_up_keeps_nobody_from_compiling() -> None:
    def make() -> Any:
        weights: dict[str, float] = {}

        def loss(y: Any, t: Any) -> Any:
            if not weights:
                weights["w"] = 0.7
            return mg.half_squared_error(y, t) * weights["w"]

        return loss

    assert both(make).backend != "eager"


@pytest.mark.parametrize("kind", trainings.GENERATORS)
@pytest.mark.parametrize("late", [False, True])
def test_random_numbers_are_drawn_as_if_nobody_had_looked(kind: str, late: bool) -> None:
    flag = [False]

    def make() -> Any:
        draw = trainings.generators(kind, 3)
        flag[0] = not late
        return lambda y, t: mg.half_squared_error(y, t) * (0.5 if flag[0] and draw() < 0.05 else 1.0)

    def callback(history: Any) -> None:
        flag[0] = flag[0] or len(history) == 2

    assert both(make, callback=callback).backend == "eager"


class Toggling(SGD):
    """It changes a weight of the loss in each step, and back."""

    cell: trainings.Cell

    def step(self) -> None:
        super().step()
        self.cell.weight = 3.0 - self.cell.weight


@pytest.mark.parametrize("batch_size", [None, 10, 5])
def test_what_an_optimiser_changes_within_an_epoch_is_noticed(batch_size: int | None) -> None:
    results = []
    for how in (False, "auto", True):
        cell, model = trainings.Cell(), mg.MLP(2, [3, 1], activation="tanh")
        optimizer = Toggling(model.parameters(), lr=0.1)
        optimizer.cell = cell

        def loss(y: Any, t: Any, cell: Any = cell) -> Any:
            return mg.half_squared_error(y, t) * cell.weight

        options: dict[str, Any] = {"optimizer": optimizer, "batch_size": batch_size, "validation": 0.2}
        if how is True:
            with pytest.raises(RuntimeError, match="the compiled code does not fit any more"):
                train(loss, how, model, **options)
            continue
        results.append((train(loss, how, model, **options), cell.weight))
    (expected, weight), (found, other) = results
    assert found[0] == pytest.approx(expected[0], rel=1e-9) and other == weight
    assert found[1].validation_losses == pytest.approx(expected[1].validation_losses, rel=1e-9)


class Doubling(Rule):
    """A rule that changes a weight, in the middle of an epoch of one batch."""

    def __init__(self, cell: Any) -> None:
        self.cell = cell

    def __call__(self, history: mg.History) -> str:
        self.cell.weight = 2.0 if len(history) > 1 else 1.0
        return ""


def test_what_a_rule_changes_counts_from_the_next_gradient_on() -> None:
    results = []
    for how in (False, "auto"):
        cell, model = trainings.Cell(), mg.MLP(2, [3, 1], activation="tanh")
        numbers, _ = train(
            lambda y, t, cell=cell: mg.half_squared_error(y, t) * cell.weight, how, model,
            stop=Doubling(cell), optimizer=trainings.Slow(model.parameters(), 0.1),
        )  # fmt: skip
        results.append(numbers)
    assert results[1] == pytest.approx(results[0], rel=1e-9)


def test_parameters_that_an_optimiser_gets_later_are_trained() -> None:
    results = []
    for how in (False, "auto"):
        model = mg.MLP(2, [3, 1], activation="tanh")
        optimizer = SGD(model.layers[1].parameters(), lr=0.1)

        def thaw(history: mg.History, model: Any = model, optimizer: Any = optimizer) -> None:
            if len(history) == 2:
                optimizer.parameters += model.layers[0].parameters()

        numbers, history = train(None, how, model, optimizer=optimizer, callback=thaw)
        results.append(numbers)
    assert results[1] == pytest.approx(results[0], rel=1e-9)
    assert "the optimizer moves other parameters now" in history.notes[-1]


@pytest.mark.parametrize("how", [False, "auto"])
def test_examples_are_those_that_were_given(how: Any) -> None:
    table = mg.data.as_table((ROWS, NUMBERS))
    expected, _ = train(None, how)
    found, _ = train(None, how, data=table, callback=lambda h: table.rows[len(h)].__setitem__(0, 99.0))
    assert found == expected


def test_a_difference_that_nobody_saw_coming_takes_back_the_epochs_since(monkeypatch: Any) -> None:
    """A clock, which no trace moves: at the next comparison the training goes back to the last one."""
    now = [0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    model = mg.MLP(2, [3, 1], activation="tanh")
    steps: list[int] = []

    def loss(y: Any, t: Any) -> Any:
        return mg.half_squared_error(y, t) * (1.0 if time.time() < 5 else 2.0)

    monkeypatch.setattr(SGD, "update", counted(SGD.update, now, len(model.parameters()), steps))
    _, history = train(loss, "auto", model, epochs=12, optimizer=SGD(model.parameters(), lr=0.1))
    assert (history.backend, len(history)) == ("eager", 12)
    assert "from epoch 5: it computes something else now" in history.notes[-1]
    assert len(steps) == 12 + 4  # epochs 5 to 8 again


def counted(update: Any, now: list[int], count: int, steps: list[int]) -> Any:
    """Time goes on with each step."""

    def counted_update(self: Any, i: int, parameter: Any) -> None:
        update(self, i, parameter)
        if i == count - 1:
            now[0] += 1
            steps.append(now[0])

    return counted_update


def test_it_is_said_in_the_log_and_in_the_history(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "microgradlike"):
        _, history = train(counting("list"), "auto")
    [record] = caplog.records
    assert record.getMessage() == history.notes[-1]
    assert record.getMessage() == (
        "It is computed Value by Value, not compiled: each call changes seen, "
        "which compiled code would not."
    )


# ── S2, S6: classes, and the threshold between two ────────────────────────────────────────────────────


class Probability(mg.nn.Module):
    """A model of a user's own that ends in a sigmoid."""

    def __init__(self) -> None:
        self.net = mg.MLP(2, [4, 1], activation="tanh")

    def __call__(self, x: Any) -> Any:
        return mg.sigmoid(self.net(x))


@pytest.mark.parametrize("share", [2, 5])
@pytest.mark.parametrize(
    ("loss", "threshold"),
    [
        (None, 0.5),
        (lambda y, t: mg.half_squared_error(y, t), 0.5),
        (partial(mg.mse_loss), 0.5),
        (lambda y, t: abs(y - t), 0.5),
        (lambda y, t: mg.binary_cross_entropy_with_logits(y, t), 0.0),
    ],
)
@pytest.mark.parametrize("standardize", [False, True])
def test_accuracy_is_what_counting_gives(
    loss: Any, threshold: float, share: int, standardize: bool
) -> None:
    X, t = map(list, mg.data.moons(60))
    t = [int(i % share == 0 and k) for i, k in enumerate(t)]
    model = mg.MLP(2, [4, 1], activation="tanh")
    mg.fit(model, (X, t), loss=loss, epochs=8, standardize=standardize)
    right = sum((model(x).data > threshold) == bool(k) for x, k in zip(X, t))
    assert (model.threshold, mg.accuracy(model, (X, t))) == (threshold, right / 60)
    assert model.predict(X) == [int(model(x).data > threshold) for x in X]


@pytest.mark.parametrize("pair", [(1, 2), (-1, 1), (0, 1), (3, 7)])
def test_whole_numbers_as_classes_come_back(pair: tuple[int, int], tmp_path: Path) -> None:
    t = [pair[int(a > 0)] for a, _ in ROWS]
    model = mg.MLP(2, [3, 1], activation="tanh")
    mg.fit(model, (ROWS, t), epochs=60, optimizer=Adam(model.parameters(), lr=0.1))
    assert {*model.predict(ROWS)} <= {*pair} and model.threshold == sum(pair) / 2
    assert mg.accuracy(model, (ROWS, t)) == sum(map(int.__eq__, model.predict(ROWS), t)) / 20 > 0.7
    model.save(tmp_path / "model.json")
    assert mg.nn.load(tmp_path / "model.json").predict(ROWS) == model.predict(ROWS)


def test_a_model_of_ones_own_that_ends_in_a_sigmoid_is_judged_at_a_half() -> None:
    X, t = map(list, mg.data.moons(60))
    model = Probability()
    mg.fit(model, (X, t), epochs=60, optimizer=Adam(model.parameters(), lr=0.05))
    right = sum((model(x).data > 0.5) == bool(k) for x, k in zip(X, t))
    assert mg.accuracy(model, (X, t)) == right / 60 > 0.8


@pytest.mark.parametrize("targets", [["a"] * 20, [True] * 20])
@pytest.mark.parametrize("outputs", [1, 2])
def test_one_class_is_nothing_to_tell_apart(targets: Any, outputs: int) -> None:
    with pytest.raises(ValueError, match="there is nothing to tell apart"):
        mg.fit(mg.MLP(2, [outputs]), (ROWS, targets))


def test_classes_that_are_negative_numbers_as_words() -> None:
    words = [["-2", "-1", "0"][i % 3] for i in range(20)]
    model = mg.MLP(2, [3])
    mg.fit(model, (ROWS, words), epochs=2)
    by_word = mg.accuracy(model, (ROWS, words))
    assert by_word == mg.accuracy(model, (ROWS, [*map(int, words)])) > 0


# ── S3, S4: where it runs ─────────────────────────────────────────────────────────────────────────────

PROGRAM = """
import os, sys
os.chdir({root!r})
sys.path.insert(0, "./microgradlike/..")
import microgradlike as mg
model = mg.MLP(2, [3, 1], activation="tanh")
history = mg.fit(model, mg.data.moons(30), loss=lambda y, t: mg.half_squared_error(y, t), epochs=3)
assert history.backend != "eager", history.notes
assert mg.compile(lambda x, t: mg.half_squared_error(model(x), t), [[0.5, 1.0], 1.0])
"""


def test_files_may_be_spelt_in_any_way() -> None:
    root = str(Path(mg.__file__).parents[1])
    subprocess.run([sys.executable, "-I", "-c", PROGRAM.format(root=root)], check=True, timeout=120)


class Bare:
    def write(self, text: str) -> None:
        """Take it."""


@pytest.mark.parametrize("stream", ["none", "closed", "bare"])
def test_any_stream_may_stand_for_stderr(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", {"none": None, "closed": closed, "bare": Bare()}[stream])
        _, history = train(None, "auto")
    assert len(history) == 5


# ── U1 to U6: where two features meet ─────────────────────────────────────────────────────────────────


def test_rules_are_in_the_users_units() -> None:
    targets = [1e4 + 500 * t for t in NUMBERS]
    model = mg.MLP(2, [3, 1], activation="tanh")
    found = mg.fit(model, (ROWS, targets), standardize=True, epochs=400, stop=TargetLoss(5000.0))
    by_hand = sum((y - t) ** 2 for y, t in zip(model.outputs(ROWS), targets)) / 40
    assert found.rule == "TargetLoss"
    assert by_hand == pytest.approx(found.losses[-1]) and by_hand < 5000


@pytest.mark.parametrize("loss", [None, lambda y, t: mg.half_squared_error(y, t)])
def test_weights_that_are_set_back_learn_again(loss: Any) -> None:
    targets = [1e4 + 500 * t for t in NUMBERS]
    model = mg.MLP(2, [3, 1], activation="tanh")
    first = model.state_dict()
    losses = []
    for _ in range(2):
        model.load_state_dict(first)
        losses.append(mg.fit(model, (ROWS, targets), loss=loss, standardize=True, epochs=30).losses)
    assert losses[0] == losses[1] and losses[0][-1] < 0.5 * losses[0][0]


@pytest.mark.parametrize("how", [False, "auto", "python", "numpy", "llvm"])
@pytest.mark.parametrize("batch_size", [None, 2])
def test_what_plain_code_refuses_is_refused(how: Any, batch_size: int | None) -> None:
    t = [1] * 12 + [0] * 8
    model = mg.MLP(2, [1])
    before = model.state_dict()
    with pytest.raises(ValueError, match="example 12"):
        mg.fit(model, (ROWS, t), loss=mg.hinge_loss, compile=how, batch_size=batch_size, shuffle=False)
    assert (model.state_dict(), model.classes) == (before, [])


@pytest.mark.parametrize("how", [False, "auto"])
def test_a_row_has_its_number_in_the_users_data(how: Any) -> None:
    rows = [[float(i)] for i in range(60)]
    rows[57] = [-1e9]

    class Log(mg.nn.Module):
        def __init__(self) -> None:
            self.w = mg.Value(1.0, "w")

        def __call__(self, x: Any) -> Any:
            return mg.log(self.w * (x[0] + 1))

    held = mg.data.as_table((rows, [*map(float, range(60))])).split_places(0.2, 0)[1]
    assert 57 not in held
    with pytest.raises(ValueError, match="example 57: "):
        mg.fit(Log(), (rows, [*map(float, range(60))]), validation=0.2, compile=how, epochs=2)


def halving(optimizer: Any) -> Callable[[mg.History], Any]:
    return lambda history: setattr(optimizer, "lr", optimizer.lr / 2)


def resumed(path: Path, stops: Sequence[int], scheduled: bool, ending: bool) -> tuple[Any, mg.History]:
    """A training in several parts, each in a process of its own as it were."""
    for epochs in stops:
        model = mg.MLP(2, [3, 1], activation="tanh")
        optimizer = Adam(model.parameters(), lr=0.1)
        callback = halving(optimizer)
        if ending:
            callback = lambda history: len(history) == 4  # noqa: E731
        _, history = train(
            None, "auto", model, optimizer=optimizer, epochs=epochs, checkpoint=path, resume=True, every=3,
            callback=callback, schedule=(lambda epoch: 0.1 / (1 + epoch)) if scheduled else None,
        )  # fmt: skip
    return model.state_dict(), history


@pytest.mark.parametrize("scheduled", [False, True])
@pytest.mark.parametrize("ending", [False, True])
def test_a_callback_and_a_schedule_go_on_where_they_were(
    tmp_path: Path, scheduled: bool, ending: bool
) -> None:
    whole = resumed(tmp_path / "whole.json", [9], scheduled, ending)
    parts = resumed(tmp_path / "parts.json", [2, 5, 9, 9], scheduled, ending)
    assert parts[0] == whole[0]
    assert (parts[1].losses, parts[1].rule) == (whole[1].losses, whole[1].rule)


@pytest.mark.parametrize(
    "names", [["Height", "width"], ["height"], ["height", "width", "id"], ["width", "width"]]
)
@pytest.mark.parametrize("door", ["validation", "outputs", "accuracy", "fit"])
def test_columns_by_name_are_refused_at_every_door_alike(names: list[str], door: str) -> None:
    pandas = pytest.importorskip("pandas")

    def frame(columns: list[str]) -> Any:
        return pandas.DataFrame(
            [[row[i % 2] for i in range(len(columns))] for row in ROWS], columns=columns
        )

    t = [int(a > 0) for a, _ in ROWS]
    model = mg.MLP(2, [1])
    good = (frame(["width", "height"]), t)
    mg.fit(model, good, epochs=1)
    doors: dict[str, Callable[[Any], Any]] = {
        "validation": lambda X: mg.fit(model, good, validation=(X, t), epochs=1),
        "outputs": model.outputs,
        "accuracy": lambda X: mg.accuracy(model, (X, t)),
        "fit": lambda X: mg.fit(model, (X, t), epochs=1),
    }
    doors[door](frame(["height", "width"]))
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"column|input"):
        doors[door](frame(names))
    assert model.state_dict() == before


@pytest.mark.parametrize("batch_size", [None, 6])
@pytest.mark.parametrize("rule", [None, NoProgress(3)])
def test_where_it_got_worse_the_lowest_loss_comes_back(rule: Any, batch_size: Any) -> None:
    model = mg.MLP(2, [3, 1], activation="tanh")
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9)
    seen: list[tuple[Any, Any]] = [(model.state_dict(), optimizer.state_dict())]

    def callback(history: mg.History) -> None:
        seen.append((model.state_dict(), optimizer.state_dict()))
        optimizer.lr *= 3.0

    history = mg.fit(model, (ROWS, NUMBERS), optimizer=optimizer, epochs=12, callback=callback,
                     stop=rule or (), batch_size=batch_size)  # fmt: skip
    assert "he parameters are those of the lowest loss" in history.stopped
    best = history.losses.index(min(history.losses))
    state, moments = seen[best]
    assert model.state_dict() == state
    assert optimizer.velocities == moments["velocities"]


def test_restore_best_holds_after_a_divergence() -> None:
    model = mg.MLP(2, [3, 1], activation="tanh")
    optimizer = SGD(model.parameters(), lr=0.05)
    states: list[Any] = [model.state_dict()]

    def callback(history: mg.History) -> None:
        states.append(model.state_dict())
        if len(history) == 5:
            optimizer.lr = 1e6

    history = mg.fit(model, (ROWS, NUMBERS), optimizer=optimizer, epochs=40, callback=callback,
                     validation=0.3, stop=ValidationRises(100))  # fmt: skip
    assert history.rule == "not finite"
    best = history.validation_losses.index(min(history.validation_losses))
    assert model.state_dict() == states[best]


# ── U7, U8 ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_callback_that_sleeps_counts_for_a_time_limit() -> None:
    _, history = train(None, "auto", epochs=100, callback=lambda h: time.sleep(0.02), stop=TimeLimit(0.1))
    assert history.rule == "TimeLimit" and len(history) < 30


@pytest.mark.parametrize("answer", [True, np.True_])
def test_true_ends_the_training_as_numpy_writes_it_too(answer: Any) -> None:
    _, history = train(None, "auto", epochs=9, callback=lambda h: answer)
    assert (history.rule, len(history)) == ("callback", 1)


@pytest.mark.parametrize("batch_size", [None, 6])
def test_ctrl_c_beside_a_rule_of_validation_keeps_the_history(batch_size: int | None) -> None:
    def stop(history: mg.History) -> None:
        if len(history) == 3:
            raise KeyboardInterrupt

    _, history = train(None, "auto", callback=stop, validation=0.3, stop=ValidationRises(50),
                       batch_size=batch_size)  # fmt: skip
    assert (history.rule, len(history.losses), len(history.validation_losses)) == ("Ctrl-C", 3, 3)


@pytest.mark.parametrize("form", ["iterators", "map", "zip"])
def test_iterators_are_lists_at_the_door(form: str) -> None:
    expected, _ = train(None, "auto")
    data: dict[str, Any] = {
        "iterators": (iter(ROWS), iter(NUMBERS)),
        "map": (map(tuple, ROWS), map(float, NUMBERS)),
        "zip": zip(ROWS, NUMBERS),
    }
    found, _ = train(None, "auto", data=data[form])
    assert found == expected


def test_a_rate_of_validation_that_is_nan_at_first_is_no_lowest() -> None:
    class Odd(mg.nn.Module):
        def __init__(self) -> None:
            self.w = mg.Value(0.5, "w")

        def __call__(self, x: Any) -> Any:
            return self.w * x[0]

    results = []
    for how in (False, "auto"):
        model = Odd()
        history = mg.fit(
            model, ([[1.0]] * 4, [2.0] * 4), validation=([[1e200]], [0.0]), epochs=30, compile=how,
            optimizer=SGD([model.w], lr=0.1), stop=ValidationRises(5),
        )  # fmt: skip
        results.append((len(history), history.rule, model.w.data))
    assert results[0] == results[1]
