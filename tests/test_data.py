"""Data: tables, examples from formulas, from Python objects and from CSV files."""

import csv
import math
import operator
import os
import random
import subprocess
import sys
import threading
import tracemalloc
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microgradlike import data
from microgradlike.data import Table, as_rows, as_table, read_csv
from microgradlike.engine import Value

GENERATORS = [data.moons, data.circles, data.spirals, data.yinyang]


def read(tmp_path: Path, content: str | bytes, **options: Any) -> Table:
    path = tmp_path / "data.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_csv(path, **options)


# ── Tables ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_table_is_a_pair_with_names() -> None:
    table = Table("flowers", ["a", "b"], [[1.0, 2.0], [3.0, 4.0]], [1, 0], "kind", ["no", "yes"])
    X, t = table
    assert (X, t) == (table.rows, table.targets)
    assert (len(table), table.labels) == (2, ["yes", "no"])
    assert Table("prices", ["a"], [[1.0]], [2.5]).labels == [2.5]


@pytest.mark.parametrize(
    ("table", "shown"),
    [
        (data.moons(), "<Table moons: 200 examples of x1, x2; 2 classes>"),
        (Table("p", ["a"], [[1.0]], [2.5], "price"), "<Table p: 1 example of a; target price>"),
        (Table("p", ["a"], [[1.0]], []), "<Table p: 1 example of a; no target>"),
        (
            Table("p", [*"abcdefgh"], [[0.0] * 8], [0], "t", ["one"]),
            "<Table p: 1 example of a, b, c, …, h; 1 class>",
        ),
    ],
)
def test_a_table_is_shown_in_a_line(table: Table, shown: str) -> None:
    assert repr(table) == shown


@given(
    sizes=st.lists(st.integers(2, 40), min_size=1, max_size=5),
    fraction=st.floats(0.1, 0.9),
    seed=st.integers(0, 99),
    kind=st.sampled_from(["classes", "unnamed", "one-hot", "numbers", "none"]),
)
def test_a_split_is_a_partition(sizes: list[int], fraction: float, seed: int, kind: str) -> None:
    targets: list[Any] = [k for k, size in enumerate(sizes) for _ in range(size)]
    random.Random(seed).shuffle(targets)
    rows = [[float(i)] for i in range(len(targets))]
    if kind == "one-hot":
        targets = [[float(k == t) for k in range(len(sizes))] for t in targets]
    elif kind == "numbers":
        targets = [t + 0.5 for t in targets]
    classes = [*"abcde"[: len(sizes)]] if kind == "classes" else []
    table = Table("s", ["x"], rows, [] if kind == "none" else targets, "y", classes, ("note",))
    if not 0 < math.floor(fraction * len(rows) + 0.5) < len(rows):
        with pytest.raises(ValueError, match="of them: write a"):
            table.split(fraction, seed)
        return
    rest, held = table.split(fraction, seed)
    assert sorted(rest.rows + held.rows) == rows
    for part in (rest, held):
        assert part.rows == sorted(part.rows) and len(part) > 0
        assert (part.source, part.target, part.classes, part.notes) == ("s", "y", classes, ("note",))
        if kind != "none":
            assert part.targets == [targets[int(x)] for (x,) in part.rows]
    few = len(sizes) <= max(2, len(rows) // 5)
    if kind == "classes" or (kind in {"unnamed", "one-hot"} and few):
        for k, size in enumerate(sizes):
            wanted = k if kind != "one-hot" else [float(i == k) for i in range(len(sizes))]
            count = held.targets.count(wanted)
            assert 1 <= count < size
            assert abs(count - fraction * size) <= 1
    else:
        assert len(held) == math.floor(fraction * len(rows) + 0.5)
    assert table.split(fraction, seed) == (rest, held)


def test_a_split_of_thirteen_in_each_of_ten_classes_holds_out_as_many_as_asked() -> None:
    table = Table("s", ["x"], [[0.0]] * 130, [i % 10 for i in range(130)], "t", [*"abcdefghij"])
    assert len(table.split(0.2)[1]) == 26
    assert table.split(0.2, seed=1)[1].targets != []


def test_an_only_example_of_its_class_is_not_held_out() -> None:
    table = Table("s", ["x"], [[float(i)] for i in range(9)], [0] * 8 + [1], "t", ["a", "b"])
    assert all(table.split(0.5, seed)[0].targets[-1] == 1 for seed in range(20))


@pytest.mark.parametrize(
    ("fraction", "message"),
    [
        (0.01, "XOR: 0.01 of 4 examples is none of them: write a larger fraction"),
        (0.99, "XOR: 0.99 of 4 examples is all of them: write a smaller fraction"),
        (0, "fraction is 0: write a number between 0 and 1"),
        (30, "fraction is 30: write a number between 0 and 1"),
        (math.nan, "fraction is nan: write a number between 0 and 1"),
        ("0.2", r"fraction: a real number is needed, not '0\.2' \(str\): convert it first"),
    ],
)
def test_a_split_that_makes_no_sense(fraction: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        data.xor().split(fraction)


def test_a_split_of_too_few() -> None:
    with pytest.raises(ValueError, match="1 example is all of them: there must be two at least"):
        Table("s", ["x"], [[1.0]], [1.5]).split(0.5)
    with pytest.raises(ValueError, match="s: each class has one example only"):
        Table("s", ["x"], [[1.0], [2.0]], [0, 1], "t", ["a", "b"]).split(0.5)


# ── Examples from a formula ───────────────────────────────────────────────────────────────────────────


def test_the_truth_tables() -> None:
    for table, truth in ((data.xor(), operator.ne), (data.and_(), min), (data.or_(), max)):
        assert table.rows == [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
        assert table.targets == [truth(a, b) for a, b in table.rows]
        assert table.labels == [str(t) for t in table.targets]
        assert (table.features, table.target, table.classes) == (["x1", "x2"], "t", ["0", "1"])


@pytest.mark.parametrize("generator", GENERATORS)
def test_the_same_seed_gives_the_same_rows_in_another_process(generator: Any) -> None:
    program = f"from microgradlike import data; print(data.{generator.__name__}(n=31, seed=7).rows)"
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert printed.strip() == repr(generator(n=31, seed=7).rows)
    assert generator(n=31, seed=7) == generator(n=31, seed=7) != generator(n=31, seed=8)


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("n", [3, 10, 200, 301])
def test_classes_are_balanced_and_mixed(generator: Any, n: int) -> None:
    table = generator(n=n)
    sizes = Counter(table.targets)
    assert len(table) == n and set(sizes) == set(range(len(table.classes)))
    assert max(sizes.values()) - min(sizes.values()) <= 1
    assert sizes[0] == max(sizes.values())
    if n >= 200:
        assert table.targets != sorted(table.targets)
        assert set(table.targets[: n // 5]) == set(sizes)


@pytest.mark.parametrize("noise", [0, 0.05])
def test_moons_lie_on_two_half_circles(noise: float) -> None:
    table = data.moons(n=400, noise=noise, seed=3)
    for (x, y), k in zip(*table):
        across, up = (1 - x, 0.5 - y) if k else (x, y)
        assert math.hypot(across, up) == pytest.approx(1, abs=7 * noise + 1e-12)
        assert up >= -6 * noise - 1e-12
    spread = [math.hypot(x, y) - 1 for (x, y), k in zip(*table) if k == 0]
    assert math.sqrt(math.fsum(d * d for d in spread) / 200) == pytest.approx(noise, rel=0.2, abs=1e-12)


def test_moons_are_those_of_scikit_learn() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    X, t = datasets.make_moons(20, shuffle=False)
    theirs = sorted((k, *row) for row, k in zip(X.tolist(), t.tolist()))
    ours = sorted((k, *row) for row, k in zip(*data.moons(20, noise=0)))
    assert ours == [pytest.approx(point) for point in theirs]


def test_circles_lie_on_two_circles() -> None:
    for (x, y), k in zip(*data.circles(n=100, noise=0, factor=0.3)):
        assert math.hypot(x, y) == pytest.approx(0.3 if k else 1)
    angles = sorted(math.atan2(y, x) for (x, y), k in zip(*data.circles(n=100, noise=0)) if k)
    gaps = {round(b - a, 9) for a, b in pairwise(angles)}
    assert gaps == {round(math.tau / 50, 9)}


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("turns", [0.5, 1.0, 2.0])
def test_spirals_wind_outwards(classes: int, turns: float) -> None:
    for (x, y), k in zip(*data.spirals(n=90, classes=classes, turns=turns, noise=0)):
        radius = math.hypot(x, y)
        assert 0.1 - 1e-12 <= radius <= 1 + 1e-12
        expected = turns * (radius - 0.1) / 0.9 + k / classes
        assert math.cos(math.atan2(y, x) - math.tau * expected) == pytest.approx(1)


def test_yinyang_agrees_with_another_way_to_say_it() -> None:
    """In the scaled coordinates: the disc has radius 2, the halves are discs of radius 1 at ±1."""
    table = data.yinyang(n=3000, seed=1)
    assert table.labels[:4] == ["yin", "yang", "dot", "yin"]
    seen = set()
    for (x, y), label in zip(table.rows, table.labels):
        assert x * x + y * y <= 4 + 1e-12
        left, right = (x + 1) ** 2 + y * y, (x - 1) ** 2 + y * y
        if min(left, right) < 0.16:
            wanted = "dot"
        elif left <= 1:
            wanted = "yin"  # the head of yin
        elif right <= 1:
            wanted = "yang"
        else:
            wanted = "yin" if y > 0 else "yang"
        assert label == wanted
        seen.add((label, left <= 1, right <= 1))
    assert len(seen) == 6  # heads, bodies and dots were all met


def test_yinyang_draws_x_then_y_until_the_class_fits() -> None:
    class Script:
        """Gives these numbers, one after the other."""

        def __init__(self, *numbers: float) -> None:
            self.numbers = [*numbers]

        def uniform(self, a: float, b: float) -> float:
            assert (a, b) == (0, 1)
            return self.numbers.pop(0)

    yin, yang, dot, outside = (0.4, 0.7), (0.6, 0.3), (0.27, 0.5), (0.01, 0.01)
    script = Script(*outside, *yang, *yin, *dot, *yang, *yin, *outside, *dot)
    rows = data.yinyang(n=3, random=script).rows
    assert rows == [[(x / 0.5 - 1) * 2, (y / 0.5 - 1) * 2] for x, y in (yin, yang, dot)]
    assert not script.numbers
    assert data.yinyang(n=9, seed=5) == data.yinyang(n=9, random=random.Random(5))


class Stuck:
    def uniform(self, a: float, b: float) -> float:
        return a


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: data.moons(n=1), "n is 1: write a whole number from 2 on"),
        (lambda: data.yinyang(n=2), "n is 2: write a whole number from 3 on"),
        (lambda: data.spirals(n=2), "n is 2: write a whole number from 3 on"),
        (lambda: data.circles(n=-4), "n is -4: write a whole number from 2 on"),
        (lambda: data.moons(n=2.5), r"n is 2\.5: write a whole number"),  # type: ignore[arg-type]
        (lambda: data.moons(n="many"), "n is 'many': write a whole number"),  # type: ignore[arg-type]
        (lambda: data.moons(noise=-0.1), r"noise is -0\.1: write 0 or a number above it"),
        (lambda: data.moons(noise=math.inf), "noise is inf: write 0"),
        (lambda: data.moons(noise="no"), "noise: a real number is needed"),  # type: ignore[arg-type]
        (lambda: data.circles(factor=1), "factor is 1: write a number between 0 and 1"),
        (lambda: data.spirals(classes=4), "classes is 4: write 2 or 3"),
        (lambda: data.spirals(turns=0), "turns is 0: write a number above 0"),
        (lambda: data.moons(seed=None), "seed is None: write a whole number"),  # type: ignore[arg-type]
        (lambda: data.yinyang(random=3), "random is 3: give what has a method"),  # type: ignore[arg-type]
        (lambda: data.yinyang(random=Stuck()), "random gives no point of the class 'yin', in 10000 draws"),
    ],
)
def test_generators_refuse_what_makes_no_sense(make: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        make()


# ── Examples from Python objects ──────────────────────────────────────────────────────────────────────


class Frame:
    """As much of a pandas frame as counts: columns, and columns by name."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self._columns = columns
        self.columns = [*columns]

    def __getitem__(self, name: str) -> list[Any]:
        return self._columns[name]


ROWS = [[1.0, 2.0], [3.0, 5.0]]


@pytest.mark.parametrize(
    "X",
    [
        ROWS,
        [[1, 2], [3, 5]],
        ((1, 2), (3, 5)),
        [(Fraction(1), 2), (3, Decimal(5))],
        [[True, Value(2.0)], [Value(3.0), np.float32(5)]],
        np.array(ROWS),
        np.array(ROWS, dtype="int8"),
        [np.array([1, 2]), np.array([3.0, 5.0])],
        [[np.array(1.0), np.int64(2)], [3, 5]],
        map(tuple, ROWS),
        (row for row in ROWS),
        [range(1, 3), (3, 5)],
        Frame({"x1": [1, 3], "x2": [2.0, 5.0]}),
    ],
)
def test_rows_in_many_forms(X: Any) -> None:
    table = as_table((X, [0, 1]))
    assert (table.rows, table.features) == (ROWS, ["x1", "x2"])
    assert {type(cell) for row in table.rows for cell in row} == {float}


def test_rows_alone() -> None:
    for X in (ROWS, np.array(ROWS), Frame({"a": [1, 3], "b": [2, 5]}), (row for row in ROWS)):
        assert as_rows(X) == ROWS
    assert as_rows(data.xor()) == data.xor().rows
    ours = as_rows(ROWS)
    ours[0][0] = 9.0
    assert ROWS[0][0] == 1.0  # what came from outside is copied


@pytest.mark.parametrize(
    ("t", "targets", "classes"),
    [
        ([0, 1], [0, 1], []),
        ([True, False], [1, 0], [False, True]),
        ([np.int64(3), np.bool_(True)], [3, 1], []),
        (np.array([2, 0], dtype="uint8"), [2, 0], []),
        (np.array([True, False]), [1, 0], [False, True]),
        ([-1, 1], [-1, 1], []),
        ([0.0, 1.0], [0.0, 1.0], []),
        ([0, 0.5], [0.0, 0.5], []),
        ([Fraction(1, 2), Decimal("0.25")], [0.5, 0.25], []),
        ([Value(1.0), 2], [1.0, 2.0], []),
        (["no", "yes"], [0, 1], ["no", "yes"]),
        (["yes", "no"], [1, 0], ["no", "yes"]),
        (["10", "9"], [1, 0], ["9", "10"]),
        (np.array(["b", "a"]), [1, 0], ["a", "b"]),
        ([[1, 0], (0, 1)], [[1.0, 0.0], [0.0, 1.0]], []),
        (np.eye(2), [[1.0, 0.0], [0.0, 1.0]], []),
        ([[1], [0]], [1, 0], []),
        (np.array([[0.5], [1.5]]), [0.5, 1.5], []),
        ([["b"], ["a"]], [1, 0], ["a", "b"]),
        (iter([0, 1]), [0, 1], []),
        (Frame({"u": [1, 2], "v": [3, 4]}), [[1.0, 3.0], [2.0, 4.0]], []),
    ],
)
def test_targets_in_many_forms(t: Any, targets: list[Any], classes: list[str]) -> None:
    table = as_table((ROWS, t))
    assert (table.targets, table.classes) == (targets, classes)
    assert [type(target) for target in table.targets] == [type(target) for target in targets]


def test_pairs_and_tables() -> None:
    table = data.moons()
    assert as_table(table) is table
    for pairs in (
        [([1, 2], "a"), ([3, 5], "b")],
        [[(1, 2), "a"], [(3, 5), "b"]],
        zip(ROWS, "ab"),
        (pair for pair in zip(np.array(ROWS), "ab")),
    ):
        table = as_table(pairs)
        assert (table.rows, table.labels) == (ROWS, ["a", "b"])


def test_frames_and_series_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 3], "b": [2.0, 5.0], "kind": ["v", "u"]})
    table = as_table((frame[["a", "b"]], frame["kind"]))
    assert (table.features, table.rows) == (["a", "b"], ROWS)
    assert (table.target, table.labels, table.classes) == ("kind", ["v", "u"], ["u", "v"])
    assert as_table((frame[["b"]], frame[["kind"]])).labels == ["v", "u"]
    assert as_table((frame[["b"]], frame["kind"].astype("category"))).labels == ["v", "u"]
    assert as_table((frame[["b"]].astype("Float64"), frame["a"])).targets == [1, 3]
    assert as_table((frame[["b"]], frame[["a", "b"]])).target == "a, b"
    assert as_rows(frame[["a", "b"]]) == ROWS
    with pytest.raises(TypeError, match=r"write \(frame\[\['a', 'b'\]\], frame\['kind'\]\)"):
        as_table(frame)
    with pytest.raises(TypeError, match="row 0 of X, column kind: 'v' is a text, where a number is due"):
        as_table((frame, [0, 1]))
    gap = frame[["a"]].astype("Int64").where(frame["a"] > 1)
    with pytest.raises((TypeError, ValueError), match="row 0 of X, column a: "):
        as_table((gap, [0, 1]))


@pytest.mark.parametrize(
    ("something", "message"),
    [
        ([], "the data is empty: there are no examples"),
        (iter([]), "the data is empty"),
        (([], []), "X is empty: there are no examples"),
        (([[]], [1]), "row 0 of X is empty"),
        (None, r"the data is None \(NoneType\): write \(X, t\), or pairs \[\(x, t\), …\]"),
        (3, r"the data is 3 \(int\): write"),
        ("iris.csv", r"the data is 'iris\.csv' \(str\): write read_csv\(path\) for a file, or"),
        (Path("iris.csv"), r"the data is .* write read_csv\(path\)"),
        ({"X": ROWS}, r"the data is \{'X': .*\(dict\): write \(X, t\)"),
        ({1, 2}, r"the data is \{1, 2\} \(set\): write \(X, t\)"),
        (Frame({"a": [1], "b": [2], "t": [0]}), r".* write \(frame\[\['a', 'b'\]\], frame\['t'\]\)"),
        (np.array(ROWS), r"the data is an array without targets: write \(X, t\)"),
        (ROWS, r"row 0 of X is 1\.0 \(float\), not a list of numbers: write \(\[x\], t\)"),
        ([1.0, 2.0], r"example 0 of the data is 1\.0 \(float\), not a pair: write \[\(x, t\), …\]"),
        ([([1], 2), ([1], 2, 3)], r"example 1 of the data is \(\[1\], 2, 3\) \(tuple\), not a pair"),
        (([1.0, 2.0], [0, 1]), r"row 0 of X is 1\.0 \(float\), not .*: write \[\[x\] for x in X\] if each"),
        ((np.array([1.0, 2.0]), [0, 1]), r"row 0 of X is 1\.0 .* write \[\[x\] for x in X\]"),
        (([0.0, 1.0], 1), r"row 0 of X is 0\.0 \(float\), .* \[X\] if all are one"),
        ((([1, 2], 0), ([3, 4], 1)), r"row 1 of X is 0 \(int\), .* pairs in a list, \[\(x, t\), …\]"),
        (("ab", [0, 1]), r"X is 'ab' \(str\): write a list with a row for each example"),
        (({"a": [1]}, [1]), r"X is \{'a': \[1\]\} \(dict\): write a list"),
        ((np.float64(1), [1]), "X is .* write a list with a row"),
        ((["ab"], [0]), r"row 0 of X is 'ab' \(str\), not a list of numbers$"),
        (([[1, 2], [3]], [0, 1]), "row 1 of X has 1 number, but row 0 has 2"),
        (([[1, 2], [3, 4, 5]], [0, 1]), "row 1 of X has 3 numbers, but row 0 has 2"),
        (([[1, 2], [3, "x"]], [0, 1]), "row 1 of X, column x2: 'x' is a text, where a number is due$"),
        (([[1, "1.5"]], [0]), r"row 0 of X, column x2: '1\.5' is a text, .*: float\(text\) makes one"),
        (([[1.0, math.nan]], [0]), "row 0 of X, column x2: nan, where a finite number is due"),
        (([[-math.inf, math.inf]], [0]), "row 0 of X, column x1: -inf, where"),
        ((np.array([[1.0], [math.nan]]), [0, 1]), "row 1 of X, column x1: nan, where"),
        ((Frame({"a": [1], "b": [None]}), [0]), "row 0 of X, column b: a real number is needed, not None"),
        (([[1j]], [0]), "row 0 of X, column x1: a real number is needed, not 1j"),
        (([[10**400]], [0]), "row 0 of X, column x1: int too large"),
        (([[[1.0]]], [0]), r"row 0 of X, column x1: \[1\.0\] \(list\), where a number is due"),
        ((np.zeros((1, 2, 2)), [0]), r"row 0 of X, column x1: \[0\.0, 0\.0\] \(list\), where"),
        ((ROWS, [0, 1, 1]), "X has 2 rows, but t has 3 targets"),
        (([[1.0]], []), "X has 1 row, but t has 0 targets"),
        ((ROWS, 1), r"t is 1 \(int\): write a list with a target for each row of X"),
        ((ROWS, "ab"), r"t is 'ab' \(str\): write"),
        ((ROWS, {"a": 1}), r"t is \{'a': 1\} \(dict\): write"),
        ((ROWS, None), r"t is None \(NoneType\): write"),
        ((ROWS, [0, math.nan]), "row 1 of t: nan, where a finite number is due"),
        ((ROWS, [0, None]), "row 1 of t: a real number is needed, not None"),
        (
            (ROWS, ["a", 1]),
            r"row 1 of t is 1 \(int\), but row 0 is 'a' \(str\): write words for classes or",
        ),
        ((ROWS, ["a", math.nan]), r"row 1 of t is nan \(float\), but row 0 is 'a'"),
        ((ROWS, ["a", " "]), "row 1 of t is empty: write the class there"),
        ((ROWS, [[1, 2], [3]]), "row 1 of t has 1 number, but row 0 has 2"),
        ((ROWS, [[1, 2], 3]), r"row 1 of t is 3 \(int\), not a list of numbers: write"),
        ((ROWS, [[1, 2], [3, "x"]]), "row 1 of t, column t2: 'x' is a text"),
        ((ROWS, [[], []]), "row 0 of t is empty"),
    ],
)
def test_what_is_no_table_is_refused(something: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError), match=f"^{message}"):
        as_table(something)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([1.0, 2.0], r"row 0 of X is 1\.0 .* \[\[x\] for x in X\] .* \[X\]"),
        ([], "X is empty"),
        ("ab", r"X is 'ab' \(str\)"),
        ({"a": 1}, "X is "),
        (3, "X is 3"),
        ([[1, 2], [3]], "row 1 of X has 1 number"),
    ],
)
def test_what_is_no_list_of_rows_is_refused(rows: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        as_rows(rows)


def test_importing_the_data_imports_no_numpy() -> None:
    program = (
        "import sys, microgradlike.data as d; d.as_table(([[1]], [0])); "
        "print('numpy' in sys.modules or 'pandas' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


# ── Examples from a file ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", ", "])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiters_and_line_ends(tmp_path: Path, delimiter: str, end: str) -> None:
    lines = [["a", "b", "t"], ["1", "-2.5e-3", "yes"], [], ["3", "4", "no"]]
    table = read(tmp_path, end.join(delimiter.join(line) for line in lines))
    assert (table.features, table.target) == (["a", "b"], "t")
    assert table.rows == [[1.0, -0.0025], [3.0, 4.0]]
    assert (table.targets, table.classes, table.labels) == ([1, 0], ["no", "yes"], ["yes", "no"])


def test_quotes_byte_order_mark_and_umlauts(tmp_path: Path) -> None:
    table = read(tmp_path, '\ufeff"Länge, cm",Art\n"1.5","Märzenbecher, weiß"\n'.encode())
    assert table.features == ["Länge, cm"]
    assert table.labels == ["Märzenbecher, weiß"]
    assert read(tmp_path, '"a, b, c";t\n1;2\n').features == ["a, b, c"]  # what is quoted delimits nothing


def test_the_target_by_name_or_number(tmp_path: Path) -> None:
    content = "a,b,c\n1,2.5,3\n4,5,6\n"
    for target in ("b", 1, "1", -2):
        table = read(tmp_path, content, target=target)
        assert (table.target, table.rows, table.targets) == ("b", [[1.0, 3.0], [4.0, 6.0]], [2.5, 5.0])
    for target in ("d", 3, -4):
        with pytest.raises(ValueError, match=r"there is no target column .*; there are a, b, c$"):
            read(tmp_path, content, target=target)


def test_a_target_by_number_is_no_name_in_a_row_of_numbers(tmp_path: Path) -> None:
    assert read(tmp_path, "-1,0.5,1\n1,0.25,0\n", target="-1").rows == [[-1.0, 0.5], [1.0, 0.25]]
    table = read(tmp_path, "2019,2020,species\n1,2,setosa\n3,4,virginica\n", target="species")
    assert (table.features, table.classes) == (["2019", "2020"], ["setosa", "virginica"])
    table = read(tmp_path, "5,2020,1\n1,2,3\n", target="2020", header=True)
    assert (table.target, table.features) == ("2020", ["5", "1"])


def test_a_header_is_noticed_and_can_be_denied(tmp_path: Path) -> None:
    for header in ("auto", None):
        assert len(read(tmp_path, "1,2\n3,4\n", header=header)) == 2
    assert len(read(tmp_path, "1,2\n3,4\n", header=True)) == 1
    with pytest.raises(ValueError, match=r"line 1, column 1 \(x1\): it holds 'a'.*header=True"):
        read(tmp_path, "a,b\n3,4\n", header=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"header": "yes"}, "header is 'yes': write True, False or 'auto'"),
        ({"task": "regression"}, "task is 'regression': write 'classes', 'numbers' or 'auto'"),
        ({"columns": "ab"}, "columns is 'ab': write a list of names"),
        ({"columns": []}, r"columns is \[\]: write a list of names"),
    ],
)
def test_options_that_make_no_sense(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        read(tmp_path, "a,b\n1,2\n", **options)


@pytest.mark.parametrize("header", ["0,1,2,target", "0,1,2,3", "a,b,c,d", "1,2,3,t"])
def test_headers_of_numbers_are_noticed(tmp_path: Path, header: str) -> None:
    table = read(tmp_path, header + "\n5,6,7,1\n8,9,7,0\n")
    assert (table.labels, [*table.features, table.target]) == (["1", "0"], header.split(","))
    assert len(read(tmp_path, "0,1,1\n0,0,0\n")) == 2  # a row of XOR is none


def test_classes_that_are_numbers_come_in_the_order_of_numbers(tmp_path: Path) -> None:
    table = read(tmp_path, "1,10\n1,9\n1,10\n")
    assert (table.targets, table.classes) == ([1, 0, 1], ["9", "10"])


def test_a_number_spelt_in_two_ways_is_one_class(tmp_path: Path) -> None:
    assert read(tmp_path, "1,0\n1,1\n1,1.0\n1,1e0\n").classes == ["0", "1"]
    assert read(tmp_path, "1,0.0\n1,1.0\n1,1\n").classes == ["0.0", "1.0"]  # as it is written first


@pytest.mark.parametrize(
    ("column", "task", "targets", "classes"),
    [
        ("0 1 1 0", "auto", [0, 1, 1, 0], ["0", "1"]),
        ("0 1 1 0", "numbers", [0.0, 1.0, 1.0, 0.0], []),
        ("0 1 2 3", "auto", [0.0, 1.0, 2.0, 3.0], []),  # too many for four examples
        ("0 1 2 3", "classes", [0, 1, 2, 3], ["0", "1", "2", "3"]),
        ("-1 1 -1 1", "auto", [0, 1, 0, 1], ["-1", "1"]),
        ("0.5 1.5 0.5 1.5", "auto", [0.5, 1.5, 0.5, 1.5], []),
        ("0.5 1.5 0.5 1.5", "classes", [0, 1, 0, 1], ["0.5", "1.5"]),
        ("b 1 b a", "auto", [2, 0, 2, 1], ["1", "a", "b"]),
    ],
)
def test_classes_or_numbers(
    tmp_path: Path, column: str, task: str, targets: list[Any], classes: list[str]
) -> None:
    table = read(tmp_path, "".join(f"1,{t}\n" for t in column.split()), task=task, header=False)
    assert (table.targets, table.classes) == (targets, classes)
    assert [type(t) for t in table.targets] == [type(t) for t in targets]


def test_a_word_among_many_numbers_is_a_slip(tmp_path: Path) -> None:
    content = "x,price\n" + "".join(f"1,{i + 0.5}\n" for i in range(50))
    for task, words in (("auto", "but most targets are numbers"), ("numbers", "but the targets must be")):
        message = rf"data\.csv, line 52, column 2 \(price\): it holds 'n/a', {words}"
        with pytest.raises(ValueError, match=message):
            read(tmp_path, content + "1,n/a\n1,7\n", task=task)
    assert len(read(tmp_path, content + "1,n/a\n1,7\n", task="classes").classes) == 52
    with pytest.raises(ValueError, match=r"line 3, .* it holds '2,5', but .* numbers: write 2\.5"):
        read(tmp_path, "x;t\n1;1.5\n1;2,5\n1;3.25\n1;4.125\n")
    assert read(tmp_path, "x,t\n1,1\n1,2\n1,other\n1,1\n").classes == ["1", "2", "other"]


def test_a_quote_that_is_not_closed(tmp_path: Path) -> None:
    for content, line, until in (
        ('a,b,k\n1,2,"x\n3,4,z\n5,6,x\n', 2, 4),
        ('a,k\n1,x\n2,"y\n3,y"\n4,x\n', 3, 4),
    ):
        message = rf"data\.csv, line {line}: a quote opens here, and is not closed before line {until}"
        with pytest.raises(ValueError, match=message):
            read(tmp_path, content)


def test_a_comma_in_a_number(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"it holds '1,000', .*: write 1000, or a point for the comma"):
        read(tmp_path, 'a,t\n"1,000",x\n2,y\n')


def test_a_header_over_numbers_to_be_met(tmp_path: Path) -> None:
    assert read(tmp_path, "1,2,t\n3,4,5\n", task="numbers").target == "t"
    assert read(tmp_path, "1,2,t\n3,4,5\n", task="numbers").targets == [5.0]


def test_rows_to_predict_have_no_target(tmp_path: Path) -> None:
    table = read(tmp_path, "a,b\n1,2\n3,5\n", target=None)
    assert (table.rows, table.targets, table.target, table.features) == (ROWS, [], "", ["a", "b"])
    assert read(tmp_path, "1\n2\n", target=None).rows == [[1.0], [2.0]]
    rest, held = table.split(0.5)
    assert (len(rest), len(held), rest.targets) == (1, 1, [])


def test_columns_are_found_by_name_in_any_order(tmp_path: Path) -> None:
    content = "id,b,kind,a\nq7,2,setosa,1\nq8,5,,3\n"
    table = read(tmp_path, content, target=None, columns=["a", "b"])
    assert (table.features, table.rows) == (["a", "b"], ROWS)
    with pytest.raises(ValueError, match=r"line 3, column 3 \(kind\): it is empty"):
        read(tmp_path, content, target="kind", columns=["a", "b"])
    plain = "1,2,setosa\n3,5,virginica\n"
    assert read(tmp_path, plain, target=None, columns=["x1", "x2"]).rows == ROWS
    assert read(tmp_path, "2020,2021,x\n1,2,3\n", target=None, columns=["2021"]).rows == [[2.0]]
    named = "a,b,kind\n1,2,setosa\n3,5,virginica\n"  # a network that knows no names takes them in order
    assert read(tmp_path, named, columns=["x1", "x2"]).rows == ROWS


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (
            "a,b,c\n1,2,3\n",
            {"target": None, "columns": ["a", "d"]},
            "there is no column 'd'; there are a, b, c$",
        ),
        ("1,2\n", {"target": None, "columns": ["a"]}, r"no column 'a'; there are x1, x2 \(line 1 is data"),
        ("a,a\n1,2\n", {"target": None, "columns": ["a"]}, "there are 2 columns 'a'; name them apart"),
        ("a,b\n1,2\n", {"target": "a", "columns": ["a"]}, "the column 'a' is the target"),
        ("a,b,c\n1,2,3\n", {"columns": ["x1"]}, "there is no column 'x1'"),
    ],
)
def test_columns_that_are_not_there(
    tmp_path: Path, content: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=rf"data\.csv: .*{message}"):
        read(tmp_path, content, **options)


def test_the_row_numbers_of_pandas_are_left_out(tmp_path: Path) -> None:
    table = read(tmp_path, ",a,t\n0,5.0,1\n1,6.0,0\n")
    assert (table.features, table.rows, len(table.notes)) == (["a"], [[5.0], [6.0]], 1)
    named = read(tmp_path, "n,a,t\n0,5.0,1\n1,6.0,0\n")  # a named column is data
    assert named.features == ["n", "a"]
    for numbers in ((1, 2), (7, 1)):  # R's; and of rows that were drawn
        assert read(tmp_path, f",a,t\n{numbers[0]},5.0,1\n{numbers[1]},6.0,0\n").features == ["a"]
    for first, second in ((7, 7), (0.5, 1)):
        unnamed = read(tmp_path, f",a,t\n{first},5.0,1\n{second},6.0,0\n")  # no numbers of rows
        assert unnamed.features == ["x1", "a"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "data.csv: there is no data in it"),
        ("\n \n", "data.csv: there is no data in it"),
        ("a,b\n", "data.csv: there is no data below the header"),
        ("a\n1\n", "data.csv, line 1: one column only, where features and a target go"),
        ("a,b\n1,2\n\n3\n", "data.csv, line 4: 1 cell, but line 1 has 2"),
        ("a,b\n1,2\n1,2,3\n", "data.csv, line 3: 3 cells, but line 1 has 2"),
        ("a,b\n1,2\n,3\n", "data.csv, line 3, column 1 (a): it is empty"),
        ("a,b\n1,2\nx,3\n", "data.csv, line 3, column 1 (a): it holds 'x', which is no finite number"),
        ("a,b\n1,2\nnan,3\n", "data.csv, line 3, column 1 (a): it holds 'nan', which is no finite number"),
        (
            "a,b\n1,2\n1_000,3\n",
            "data.csv, line 3, column 1 (a): it holds '1_000', which is no finite number",
        ),
        ("a,b,c\n1e308,1e308,2\n1,inf,3\n", "data.csv, line 3, column 2 (b): it holds 'inf'"),
        (
            "a;b\n1;2\n1,5;3\n",
            "data.csv, line 3, column 1 (a): it holds '1,5', which is no finite number: write 1.5",
        ),
        ("a,b\n1,\n", "data.csv, line 2, column 2 (b): it is empty"),
        ("a,b\n1,nan\n", "data.csv, line 2, column 2 (b): it holds 'nan', which is no target"),
        ("1,2\n3,\0\n", "data.csv, line 2: a zero byte"),
        (b"1,2\n3,caf\xe9\n", "data.csv, line 2, byte 6: 0xe9 is not UTF-8 text: save it as CSV in UTF-8"),
        (b"\xff\xfe1,2\n", "data.csv, line 1, byte 1: 0xff is not UTF-8 text"),
        ("a,b\n1," + "9" * 200_000, "data.csv, line 2: field larger than field limit"),
    ],
)
def test_errors_name_the_file_and_the_place(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(ValueError) as error:
        read(tmp_path, content)
    assert str(error.value).startswith(f"{tmp_path}{os.sep}{message}")


def test_what_is_far_down_in_a_file_is_found_in_its_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"line 5001, byte 3: 0x80 is not UTF-8"):
        read(tmp_path, b"1.5,2.5\n" * 5000 + b"1,\x80\n")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        read_csv(tmp_path / "nothing.csv")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_pipe_is_read_as_well(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("\na,t\n1,u\n2,v\n",))
    writer.start()
    table = read_csv(pipe)
    writer.join()
    assert (table.rows, table.labels) == ([[1.0], [2.0]], ["u", "v"])


WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0,;|", exclude_categories=["Cc", "Cs"]), min_size=1
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(
    rows=st.integers(1, 5).flatmap(
        lambda width: st.lists(st.lists(FLOATS, min_size=width, max_size=width), min_size=1)
    ),
    words=st.lists(WORDS.map("w ".__add__).map(str.strip), min_size=1),
    delimiter=st.sampled_from(",;\t|"),
    numeric=st.booleans(),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[float]],
    words: list[str],
    delimiter: str,
    numeric: bool,
) -> None:
    path = tmp_path_factory.mktemp("round") / "trip.csv"
    words = [f"{word}{delimiter * (i % 2)}x" for i, word in enumerate(words)]  # of the delimiters, its own
    targets: list[Any] = [i + 0.25 if numeric else words[i % len(words)] for i in range(len(rows))]
    header = [*(f"feature {words[i % len(words)]} {i}" for i in range(len(rows[0]))), "the target"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows([header, *([*row, t] for row, t in zip(rows, targets))])
    table = read_csv(path)
    assert (table.rows, table.labels) == (rows, targets)
    assert [*table.features, table.target] == header
    back = read_csv(path, target=None, columns=header[-2::-1])
    assert back.rows == [row[::-1] for row in rows]


def test_a_long_file_is_in_memory_once(tmp_path: Path) -> None:
    """4 floats and a list are 184 bytes a row, and 8 more to point at it; a target is 32 at most."""
    count, rng = 20_000, random.Random(0)
    lines = [f"{rng.random()},{rng.random()},{rng.random()},{rng.random()}" for _ in range(count)]
    for targets, limit in ((["red", "green"], 210), ([f"{i}.5" for i in range(count)], 280)):
        path = tmp_path / "long.csv"
        path.write_text("".join(f"{line},{targets[i % len(targets)]}\n" for i, line in enumerate(lines)))
        tracemalloc.start()
        table = read_csv(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(table) == count
        assert peak < count * limit


@pytest.mark.parametrize(
    "name", ["a;b;c", "a\tb", "a|b", "a,b", 'a"b', "a b", "é½", "a\u2028b", "a'b", "=1+1", "x" * 2000]
)
def test_names_of_a_table_survive_a_round_trip(tmp_path: Path, name: str) -> None:
    table = Table("", [name, "other"], [[1.0, 2.0], [3.0, 4.0]], [0, 1], "t" + name, [name, "k"])
    table.save(tmp_path / "table.csv")
    again = read_csv(tmp_path / "table.csv")
    assert (again.features, again.rows, again.target) == (table.features, table.rows, table.target)
    assert again.labels == table.labels


@pytest.mark.parametrize("name", ["", " a", "a ", "a\t", "\u2028a", "a\u2029", "\xa0a", "\ufeffa", "\x1fa"])
@pytest.mark.parametrize("place", ["feature", "target", "class"])
def test_a_name_that_reading_would_change_is_not_written(tmp_path: Path, name: str, place: str) -> None:
    names = {"feature": "f", "target": "t", "class": "c"} | {place: name}
    table = Table(
        "",
        [names["feature"], "g"],
        [[1.0, 2.0], [3.0, 4.0]],
        [0, 1],
        names["target"],
        [names["class"], "k"],
    )
    with pytest.raises(ValueError, match=r"which reading takes off|a name is empty"):
        table.save(tmp_path / "table.csv")
    assert [*tmp_path.iterdir()] == []


def test_a_table_that_is_saved_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a table.csv"
    for table in (data.flowers(30), data.moons(10), data.xor()):
        table.save(path)
        back = read_csv(path, task="classes")
        assert (back.rows, back.labels, back.features) == (table.rows, table.labels, table.features)
    numbers = as_table(([[1.5, 2.0], [3.0, 4.0]], [0.25, -1e300]))
    numbers.save(path)
    assert read_csv(path).targets == [0.25, -1e300]
    as_table(([[1.0], [2.0]], [[0.5, 1.5], [2.5, 3.5]])).save(path)
    assert path.read_text() == "x1,t1,t2\n1.0,0.5,1.5\n2.0,2.5,3.5\n"
    Table("new", ["a"], [[1.0], [2.0]], []).save(path)
    assert read_csv(path, target=None, columns=["a"]).rows == [[1.0], [2.0]]
    with pytest.raises(OSError, match="nowhere"):
        numbers.save(tmp_path / "nowhere" / "table.csv")


def test_flowers_have_the_measures_of_their_kinds() -> None:
    table = data.flowers(3000)
    assert table.classes == ["setosa", "versicolor", "virginica"]
    for kind, petal in ((0, 1.46), (1, 4.26), (2, 5.55)):
        lengths = [row[2] for row, t in zip(*table) if t == kind]
        assert len(lengths) == 1000
        assert math.fsum(lengths) / 1000 == pytest.approx(petal, abs=0.06)
    assert data.flowers(30).rows == data.flowers(30).rows != data.flowers(30, seed=1).rows


# ── What a file may mean otherwise ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("content", "line_1"),
    [
        ("2019,2020,2021\n1.5,2.5,3.5\n1.1,2.2,3.3\n5,6,7\n", "2019, 2020, 2021"),
        ("1990,2000,2010,kind\n1,2,3,a\n2,3,2,b\n3,1,2,a\n", "1990, 2000, 2010, kind"),
        ("10,20,t\n0.5,0.7,a\n0.1,0.3,b\n0.2,0.6,a\n", "10, 20, t"),
        ("1,2,3,4,t\n0.1,7,5.5,2,a\n3,1,0.5,8,b\n9,9,1,1,a\n", "1, 2, 3, 4, t"),
    ],
)
def test_a_first_line_of_numbers_that_may_be_names_is_noted(
    tmp_path: Path, content: str, line_1: str
) -> None:
    table = read(tmp_path, content)
    [note] = table.notes
    assert note.startswith(f"Line 1, {line_1}, is taken for an example")
    assert "header=True" in note
    named = read(tmp_path, content, header=True)
    assert named.notes == () and len(named) == len(table) - 1
    assert [*named.features, named.target] == line_1.split(", ")


@pytest.mark.parametrize(
    "content",
    [
        "1,2,3,0\n4,5,6,1\n7,8,9,0\n",  # each line is like the first
        "1,2,0\n2,1,1\n3,3,0\n1,1,1\n",
        "5,3,0\n4.9,3.1,0\n5.2,3.3,1\n6.1,2.9,1\n",
        "0.5,20,a\n100,1,b\n",
        "a,b,t\n2019,2020,1\n1,2,0\n",  # the first is the header
    ],
)
def test_a_first_line_like_the_others_is_not(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, content).notes == ()


@pytest.mark.parametrize(
    "content",
    [
        "a,b,t,\n1,2,x,\n3,4,y,\n",
        "a,b,t\n1,2,x,\n3,4,y,\n",
        "a,b,t, \n1,2,x,\n3,4,y,  \n",
        "a;b;t;;\n1;2;x;;\n3;4;y;;\n",
        "a,b,t,\n1,2,x,\n\n3,4,y\n",
    ],
)
def test_an_empty_column_at_the_end_is_left_out(tmp_path: Path, content: str) -> None:
    table = read(tmp_path, content)
    assert (table.features, table.rows) == (["a", "b"], [[1.0, 2.0], [3.0, 4.0]])
    assert (table.target, table.classes) == ("t", ["x", "y"])
    assert table.notes == (
        "The lines end with a delimiter and nothing behind it: this column is left out.",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b,t,\n1,2,x,\n3,4,y,z\n", "line 3, column 4: it holds 'z', where the first lines have nothing"),
        ("1,2,\n3,4,x\n", r"line 1, column 3 \(t\): it is empty"),
        ("a,b,t\n1,2,\n3,4,x\n", r"line 2, column 3 \(t\): it is empty"),
        ("a,b,t\n1,2,x,\n3,4,y,,z\n", "line 3, column 5: it holds 'z'"),
    ],
)
def test_a_cell_beyond_the_others_is_named(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, content)


def test_an_unnamed_target_is_read_as_ever(tmp_path: Path) -> None:
    table = read(tmp_path, "a,b,\n1,2,x\n2,3,y\n")
    assert (table.target, table.classes, table.notes) == ("t", ["x", "y"], ())


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "#"])
@pytest.mark.parametrize("line", ["sep={}\n", '"sep={}"\n', "\ufeffsep={}\r\n", "\nsep={}\n"])
def test_the_first_line_of_excel(tmp_path: Path, delimiter: str, line: str) -> None:
    rows = ["a", "b", "t"], ["1", "2", "x"], ["3", "4", "y"]
    content = line.format(delimiter) + "".join(delimiter.join(row) + "\n" for row in rows)
    table = read(tmp_path, content)
    assert (table.features, table.rows, table.classes) == (["a", "b"], [[1.0, 2.0], [3.0, 4.0]], ["x", "y"])
    with pytest.raises(ValueError, match=f"line {content.count(chr(10)) + 1}: 2 cells"):
        read(tmp_path, content + f"5{delimiter}6\n")


@pytest.mark.parametrize("word", ["NA", "N/A", "<NA>", "null", "None", "?", "-"])
def test_a_class_that_may_be_a_missing_target_is_noted(tmp_path: Path, word: str) -> None:
    note = f"The class {word!r} has 2 of 5 examples: if their target is missing, leave them out."
    for others in (("cat", "dog"), ("0", "1")):
        targets = [others[0], word, others[1], others[1], word]
        lines = [f"{i},{i * i % 7},{target}" for i, target in enumerate(targets)]
        table = read(tmp_path, "a,b,t\n" + "\n".join(lines) + "\n")
        assert table.notes == (note,)
        assert data.as_table(([[float(i)] for i in range(5)], targets)).notes == (note,)


def test_classes_that_merely_begin_so_are_not(tmp_path: Path) -> None:
    assert read(tmp_path, "a,t\n1,NAB\n2,nano\n3,non\n").notes == ()


def test_a_number_above_words_may_be_the_name_of_the_column(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("0,1,2\n1.5,2.5,a\n3.5,4.5,b\n")
    [note] = (note for note in read_csv(path).notes if "header" in note)
    assert note == "Line 1, 0, 1, 2, is taken for an example; if it names the columns, write header=True."
    assert read_csv(path, header=True).classes == ["a", "b"]
    path.write_text("1.5,2.5,a\n3.5,4.5,b\n3.5,4.5,7\n")
    assert not read_csv(path).notes
