"""Compiled training beside Value by Value, and features beside a plain loop: a part of two campaigns."""

import itertools
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from campaigns import features, trainings

import microgradlike as mg
from microgradlike.optim import SGD
from microgradlike.stop import Rule

ROWS = [[i / 10 - 1, (i * 7 % 11) / 5 - 1] for i in range(20)]
NUMBERS = [0.5 * a - 0.3 * b for a, b in ROWS]


# ── Two campaigns ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", [2, 7, 13, 22, 23, 33])
def test_each_backend_trains_what_plain_code_trains(seed: int) -> None:
    """A part of the campaign; see `campaigns.trainings`."""
    _, differences, faults, _ = trainings.try_seed(seed)
    assert (differences, faults) == ({}, [])


PAIRS = [
    ("standardize", "lambda"), ("words", "callback saves"), ("bools", "resume"), ("restore_best", "batches"),
    ("shared weights", "resume"), ("generators", "signs"), ("two outputs", "standardize"),
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
    assert (found[0], other) == (pytest.approx(expected[0], rel=1e-9), weight)
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
    model, steps = mg.MLP(2, [3, 1], activation="tanh"), []

    def loss(y: Any, t: Any) -> Any:
        return mg.half_squared_error(y, t) * (1.0 if time.time() < 5 else 2.0)

    monkeypatch.setattr(SGD, "update", counted(SGD.update, now, len(model.parameters()), steps))
    numbers, history = train(loss, "auto", model, epochs=12, optimizer=SGD(model.parameters(), lr=0.1))
    assert (history.backend, len(history)) == ("eager", 12)
    assert "from epoch 5: it computes something else now" in history.notes[-1]
    assert len(steps) == 12 + 4  # epochs 5 to 8 again
    del numbers


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
        "It is computed Value by Value, not compiled: each call changes seen, which compiled code would not."
    )
