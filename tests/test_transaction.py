"""Several writes as one: after an error or an interrupt, the state is the old or the new one."""

from pathlib import Path

import pytest
from campaigns import interrupts

import microgradlike as mg
from microgradlike import transaction
from microgradlike.engine import Value


@pytest.mark.parametrize("name", interrupts.tasks(Path()))
def test_after_an_interrupt_the_state_is_the_old_or_the_new_one(tmp_path: Path, name: str) -> None:
    """At every hundredth point; ``python -m campaigns.interrupts`` goes through all of them."""
    old, _, between = interrupts.count(interrupts.tasks(tmp_path)[name], 101)
    assert old
    assert between == []


@pytest.mark.parametrize("kind", interrupts.TRAININGS)
def test_an_interrupted_training_is_that_after_a_whole_epoch(tmp_path: Path, kind: str) -> None:
    counts = interrupts.count_training(tmp_path, kind, 2503)
    assert counts.raised + counts.returned
    assert counts.wrong == []


def test_the_campaign_finds_what_is_half_written() -> None:
    def make() -> interrupts.Task:
        network = mg.MLP(2, [2, 1])

        def act() -> None:
            for p in network.parameters():
                p.data = 0.5
                network.zero_grad()

        return interrupts.Task(act, lambda: [p.data for p in network.parameters()])

    assert interrupts.count(make, 10).between


def test_a_write_checks_first() -> None:
    a, b = Value(1.0), Value(2.0)
    with pytest.raises(ValueError, match="2 Values cannot take 1 numbers"):
        transaction.write([a, b], [3.0])
    assert (a.data, b.data) == (1.0, 2.0)


def test_what_a_snapshot_holds_is_out_of_reach_of_later_changes() -> None:
    numpy = pytest.importorskip("numpy")

    class State:
        pass

    w, state = Value(1.0), State()
    same = [1, [2, 3]]
    vars(state).update(
        numbers=[1.0, 2.0], nested={w: {"m": [0.0]}}, pair=(same, same), array=numpy.ones(2), kept={1}
    )
    vars(state)["cycle"] = cycle = [0]
    cycle.append(cycle)  # type: ignore[arg-type]
    before = transaction.snapshot([w], state)
    vars(state)["numbers"][0] = 5.0
    vars(state)["nested"][w]["m"].append(1.0)
    vars(state)["array"][0] = 7.0
    vars(state)["kept"].add(2)
    same.append(4)
    vars(state)["more"] = w.data = 9.0
    transaction.restore(before)
    things = vars(state)
    assert w.data == 1.0 and "more" not in things
    assert (
        things["numbers"] == [1.0, 2.0] and things["nested"] == {w: {"m": [0.0]}} and things["kept"] == {1}
    )
    assert things["array"].tolist() == [1.0, 1.0]
    assert things["pair"] == ([1, [2, 3]], [1, [2, 3]]) and things["pair"][0] is things["pair"][1]
    assert things["cycle"][1] is things["cycle"]
