"""The table of examples: rows of numbers and their targets, from Python objects of many kinds."""

import csv
import io
import math
import operator
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Self

from microgradlike.engine import Value, real
from microgradlike.files import write_atomically
from microgradlike.notation import visible


@dataclass(frozen=True)
class Table:
    """Examples to learn from: a row of numbers each, and a target. As a pair, it is rows and targets.

    Attributes:
        source: where it comes from, for messages.
        features: the names of the columns, without the target.
        rows: one list of finite numbers for each example, as long as `features`.
        targets: one for each example: the index of its class, or a number, or a list of numbers where
            there are several; none at all where they are to be predicted.
        target: the name of the target column.
        classes: the classes, words or False and True, in the order of their indices; empty if nobody named
            any.
        notes: what was noticed while reading, in sentences.

    >>> table = Table("XOR", ["x1", "x2"], [[0.0, 0.0], [0.0, 1.0]], [0, 1], classes=["0", "1"])
    >>> table
    <Table XOR: 2 examples of x1, x2; 2 classes>
    >>> X, t = table
    >>> X[1], t[1], table.labels[1]
    ([0.0, 1.0], 1, '1')
    """

    source: str
    features: list[str]
    rows: list[list[float]]
    targets: list[Any]
    target: str = "t"
    classes: list[Any] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[list[Any]]:
        return iter((self.rows, self.targets))

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        names = self.features if len(self.features) <= 6 else [*self.features[:3], "…", self.features[-1]]
        about = counted(len(self.classes), "class", "es") if self.classes else f"target {self.target}"
        if not self.targets:
            about = "no target"
        text = f"<Table {self.source}: {counted(len(self), 'example')} of {', '.join(names)}; {about}>"
        return visible(text)

    @property
    def labels(self) -> list[Any]:
        """The targets as people write them: the name of each example's class, or its number."""
        return [self.classes[t] if self.classes and isinstance(t, int) else t for t in self.targets]

    def copy(self) -> Self:
        """The same examples, in lists of their own.

        >>> table = Table("", ["a"], [[1.0]], [0])
        >>> other = table.copy()
        >>> table.rows[0][0] = 5.0
        >>> other.rows
        [[1.0]]
        """
        rows = [row[:] for row in self.rows]
        targets = [t[:] if isinstance(t, list) else t for t in self.targets]
        return replace(self, features=[*self.features], rows=rows, targets=targets, classes=[*self.classes])

    def arranged(self, features: Sequence[str]) -> Self:
        """The same columns in this order; where nobody named them, on one side or the other, as they are.

        Raises:
            ValueError: a column is missing, is there twice, or is none of these; the message says which.

        >>> Table("", ["b", "a"], [[1.0, 2.0]], [0]).arranged(["a", "b"]).rows
        [[2.0, 1.0]]
        """
        order = _places(self.features, features, self.source)
        if order is None:
            return self
        rows = [[row[i] for i in order] for row in self.rows]
        return replace(self, features=list(features), rows=rows)

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write a CSV file that `microgradlike.data.read_csv` reads: whole, or not at all.

        Args:
            path: of the file, which is made or replaced.
            force: whether to replace a file that is read-only.

        Raises:
            ValueError: a name would be read as another one: it has a line break in it, or blanks at an end.
            OSError: the file cannot be written; an earlier one stays as it is.
        """
        several = len(self.targets[0]) if self.targets and isinstance(self.targets[0], list) else 0
        names = [f"{self.target}{i}" for i in range(1, several + 1)] or [self.target] * bool(self.targets)
        for name in (*self.features, *names, *map(str, self.classes)):
            if {"\n", "\r", "\0"} & {*name}:
                raise ValueError(f"{path}: {name!r:.60} has a line break in it: give it another name")
            if name != name.strip().removeprefix("\ufeff"):
                raise ValueError(f"{path}: {name!r:.60} has blanks at an end, which reading takes off")
            if not name:
                raise ValueError(f"{path}: a name is empty, and would be read as another one")
        text = io.StringIO()
        header = [*self.features, *names]
        # Between quotes a delimiter of other tables is none: a;b is one name.
        odd = {*";\t|"} & {*"".join(header)}
        csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL if odd else csv.QUOTE_MINIMAL).writerow(
            header
        )
        writer = csv.writer(text, lineterminator="\n")
        labels = self.labels or [[]] * len(self)
        writer.writerows([*row, *(t if isinstance(t, list) else [t])] for row, t in zip(self.rows, labels))
        write_atomically(path, text.getvalue(), force=force)

    def split(self, fraction: float, seed: int = 0) -> tuple[Self, Self]:
        """The rest, and this fraction of the examples held out by chance; each in the order of the table.

        Of every class the same fraction is held out, and of a class of two or more at least one example;
        an only example of its class stays. Few different whole numbers count as classes without names.

        Args:
            fraction: of the examples, to hold out: more than 0, less than 1.
            seed: of the choice; the same seed holds out the same examples everywhere.

        Raises:
            ValueError: one of the two would have no examples.

        >>> table = Table("even and odd", ["x"], [[float(i)] for i in range(8)], [0, 1] * 4)
        >>> rest, held_out = table.split(0.25)
        >>> len(rest), len(held_out), sorted(held_out.targets)
        (6, 2, [0, 1])
        """
        rest, held = self.split_places(fraction, seed)
        return self.at(rest), self.at(held)

    def split_places(self, fraction: float, seed: int = 0) -> tuple[list[int], list[int]]:
        """The places in this table of the examples that `split` gives; arguments and errors are its own."""
        fraction = number_in("fraction", fraction, lambda x: 0 < x < 1, "a number between 0 and 1")
        rng, count = Random(whole_number("seed", seed)), len(self)
        wanted = _rounded(fraction * count)
        if not 0 < wanted < count:
            some, more = ("none", "larger") if wanted == 0 else ("all", "smaller")
            hint = f"write a {more} fraction" if count > 1 else "there must be two at least"
            raise ValueError(
                f"{self.source}: {fraction} of {counted(count, 'example')} is {some} of them: {hint}"
            )
        groups: dict[Any, list[int]] = {}
        for i, key in enumerate(self._kinds()):
            groups.setdefault(key, []).append(i)
        held: set[int] = set()
        owed = 0.0  # what rounding has left over from the classes before
        for group in groups.values():
            if len(group) > 1:
                owed += fraction * len(group)
                share = _rounded(owed)
                owed -= share
                rng.shuffle(group)
                held.update(group[: max(1, min(share, len(group) - 1))])
        if not held:
            raise ValueError(
                f"{self.source}: each class has one example only: none of them can be held out"
            )
        return [i for i in range(count) if i not in held], sorted(held)

    def _kinds(self) -> list[Any]:
        """For each example what it has in common with others of its class; one for all without classes."""
        keys = [tuple(t) if isinstance(t, list) else (t,) for t in self.targets]
        if self.classes and keys:
            return keys
        classes = _few(len({*keys}), len(self)) and all(float(x).is_integer() for key in keys for x in key)
        return keys if classes and keys else [None] * len(self)

    def at(self, chosen: Sequence[int]) -> Self:
        """The examples at these places."""
        targets = [self.targets[i] for i in chosen] if self.targets else []
        return replace(self, rows=[self.rows[i] for i in chosen], targets=targets)


#: How a missing number or word is written: by R, by pandas, in databases and by hand.
_MISSING = frozenset(
    ("NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None", "NONE", "?", "-", "--", ".")
)


def missing_class(classes: Sequence[Any], targets: Sequence[Any]) -> str:
    """What to note of a class that may be a missing target; empty if there is none.

    >>> missing_class(["NA", "cat", "dog"], [1, 2, 0, 1])
    "The class 'NA' has 1 of 4 examples: if their target is missing, leave them out."
    """
    for i, name in enumerate(classes):
        if name in _MISSING:
            count = sum(target == i for target in targets)
            return (
                f"The class {name!r} has {count} of {counted(len(targets), 'example')}: if their target is "
                "missing, leave them out."
            )
    return ""


def _rounded(number: float) -> int:
    return math.floor(number + 0.5)


def counted(number: int, thing: str, ending: str = "s") -> str:
    return f"{number} {thing}{ending if number != 1 else ''}"


def _few(different: int, count: int) -> bool:
    """Whether so many different whole numbers look like classes of that many examples."""
    return different <= min(20, max(2, count // 5))


def look_like_classes(numbers: Iterable[float], count: int) -> bool:
    """Whether these numbers, of that many examples, do: all whole, and few different ones."""
    different: set[float] = set()
    for number in numbers:
        different.add(number)
        if not number.is_integer() or not _few(len(different), count):
            return False  # early: most targets that are no classes show it soon
    return True


def whole_number(name: str, number: Any, least: int | None = None, most: int | None = None) -> int:
    try:
        whole = operator.index(number)
    except TypeError:
        raise TypeError(f"{name} is {number!r:.60}: write a whole number") from None
    if least is not None and whole < least:
        raise ValueError(f"{name} is {whole}: write a whole number from {least} on")
    if most is not None and whole > most:
        raise ValueError(f"{name} is {whole:,}: write a whole number up to {most:,}")
    return whole


def number_in(name: str, number: Any, fits: Callable[[float], bool], wanted: str) -> float:
    try:
        data = real(number)
    except (TypeError, OverflowError) as error:
        raise type(error)(f"{name}: {error}") from None
    if not fits(data):
        raise ValueError(f"{name} is {data:g}: write {wanted}")
    return data


_FLAT = "[[x] for x in X] if each number is an example, [X] if all are one"


def as_table(data: Any) -> Table:
    """What holds examples, as a table: (X, t), or pairs [(x, t), …], or a table, which stays as it is.

    X has a row for each example: lists, an array, or a frame, whose columns name the features. t has its
    target: words become classes; whole numbers from 0 on, or −1 and 1, stay as they are, since they may be
    classes; other numbers become floats, and rows of several numbers lists of floats.

    Raises:
        TypeError: it is something else, or a cell is no number.
        ValueError: it is empty, its rows differ in length, X and t do so, or a number is not finite.

    >>> as_table(([[5.1, 3.5], [6.2, 2.9]], ["setosa", "virginica"]))
    <Table data: 2 examples of x1, x2; 2 classes>
    >>> as_table([([0, 1], 1.5), ([1, 1], 2)]).targets
    [1.5, 2.0]
    """
    if isinstance(data, Table):
        return data
    if isinstance(data, tuple) and len(data) == 2:
        X, t = data
        features, rows = _rows(X, f"{_FLAT}, and pairs in a list, [(x, t), …]")
    else:
        pairs = _pairs(data)
        X, t = [x for x, _ in pairs], [t for _, t in pairs]
        features, rows = _rows(
            X, "([x], t) for one input, and (X, t) for a list of rows and one of targets"
        )
    targets, classes, name = _targets(t)
    if len(rows) != len(targets):
        raise ValueError(
            f"X has {counted(len(rows), 'row')}, but t has {counted(len(targets), 'target')}: "
            f"each row needs one"
        )
    note = missing_class(classes, targets)
    return Table("data", features, rows, targets, name, classes, (note,) if note else ())


def as_rows(rows: Any) -> list[list[float]]:
    """The rows of X alone, as `as_table` takes them; those of a table without its targets.

    Raises:
        TypeError: it is something else, or a cell is no number.
        ValueError: it is empty, its rows differ in length, or a number is not finite.

    >>> as_rows([(1, 2), (3, 4)])
    [[1.0, 2.0], [3.0, 4.0]]
    """
    if isinstance(rows, Table):
        return rows.rows
    return _rows(rows, _FLAT)[1]


def arranged_rows(rows: Any, features: Sequence[str]) -> Iterable[Any]:
    """Examples row by row, their columns in the order of these features, where both have names.

    Args:
        rows: a table, a frame, an array, or anything that can be listed; rows are not looked into.
        features: the names of the columns that are wanted; empty if nobody knows any.

    Raises:
        TypeError: it is no list of rows.
        ValueError: the names of the columns are others; the message says which.

    >>> arranged_rows(Table("", ["b", "a"], [[1.0, 2.0]], []), ["a", "b"])
    [[2.0, 1.0]]
    """
    if isinstance(rows, Table):
        return rows.arranged(features).rows if features else rows.rows
    names, listed = _columns(rows)
    if hasattr(listed, "tolist"):
        listed = listed.tolist()
    if not hasattr(listed, "__iter__") or isinstance(listed, str | bytes | Mapping | Set):
        raise TypeError(f"examples are a list of rows, not {rows!r:.60}: for one, write [[…]]")
    examples: Iterable[Any] = listed
    order = _places(names, features, "the examples") if names and features else None
    if order is None:
        return examples
    return [[row[i] for i in order] for row in examples]


def _places(names: Sequence[str], features: Sequence[str], source: str) -> list[int] | None:
    """The places of the features among these names; None where they are to be taken as they are.

    Columns are found by their names, always, or where nobody named them, never.
    """
    if list(names) == list(features) or (
        len(names) == len(features) and (_are_nameless(names) or _are_nameless(features))
    ):
        return None
    missing = [name for name in features if name not in names]
    unknown = [name for name in names if name not in features]
    if missing:
        text = f"there is no column {', '.join(missing):.100}; there are {', '.join(names):.100}"
        similar = {name.strip().lower(): name for name in unknown}
        if same := similar.get(missing[0].strip().lower()):
            text += f": write {missing[0]!r:.60} for {same!r:.60}"
    elif unknown:
        text = (
            f"there are more columns than the model was trained with, {', '.join(unknown):.100}: "
            "leave them out"
        )
    elif len(names) > len(features):
        text = _twice(names)
    else:
        return [list(names).index(name) for name in features]
    raise ValueError(f"{source}: {text}")


def _are_nameless(names: Sequence[str]) -> bool:
    """Whether nobody named these columns: x1, x2, …, or the numbers that pandas gives."""
    return list(names) in (
        [f"x{i}" for i in range(1, len(names) + 1)],
        [str(i) for i in range(len(names))],
    )


def _twice(names: Sequence[str]) -> str:
    name = next(name for name in names if list(names).count(name) > 1)
    return f"there are {list(names).count(name)} columns {name!r:.60}: name them apart"


def _pairs(data: Any) -> list[Any]:
    if _is_frame(data):
        *inputs, target = [*data.columns] or ["t"]
        write = f"(frame[{inputs or ['a', 'b']}], frame[{target!r}])"
        raise TypeError(f"the data is a frame, and nothing says which column is the target: write {write}")
    if hasattr(data, "tolist"):
        raise TypeError("the data is an array without targets: write (X, t)")
    pairs = _listed(data)
    if pairs is None:
        hint = "read_csv(path) for a file, or " if isinstance(data, str | os.PathLike) else ""
        raise TypeError(f"the data is {_shown(data)}: write {hint}(X, t), or pairs [(x, t), …]")
    if not pairs:
        raise ValueError("the data is empty: there are no examples to learn from")
    for i, pair in enumerate(pairs):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(
                f"example {i} of the data is {_shown(pair)}, not a pair: write [(x, t), …], "
                f"or (X, t) for a list of rows and one of targets"
            )
    return pairs


def _rows(X: Any, hint: str) -> tuple[list[str], list[list[float]]]:
    names, X = _columns(X)
    rows = _listed(X)
    if rows is None:
        raise TypeError(f"X is {_shown(X)}: write a list with a row for each example, as [[0, 1], [1, 0]]")
    if not rows:
        raise ValueError("X is empty: there are no examples")
    return _matrix("X", names, rows, hint)


def _targets(t: Any) -> tuple[list[Any], list[Any], str]:
    """The targets, their classes if they are words, and the name of their column."""
    name = getattr(t, "name", None)
    columns, t = _columns(t)
    listed = _listed(t)
    if listed is None:
        raise TypeError(f"t is {_shown(t)}: write a list with a target for each row of X")
    targets = [_plain(target) for target in listed]
    name = ", ".join(columns) or (name if isinstance(name, str) else "t")
    cells = [_listed(target) for target in targets]
    if all(row is not None and len(row) == 1 for row in cells):  # a column, as frame[["t"]] is one
        targets = [_plain(row[0]) for row in cells if row]
    elif any(row is not None for row in cells):
        return (
            _matrix("t", columns, targets, "a list of numbers for each, or a number for each")[1],
            [],
            name,
        )
    if targets and all(isinstance(target, bool) for target in targets):
        return [int(target) for target in targets], [False, True], name
    words = [isinstance(target, str) for target in targets]
    if any(words):
        if not all(words):
            odd = words.index(not words[0])
            raise TypeError(
                f"row {odd} of t is {_shown(targets[odd])}, but row 0 is {_shown(targets[0])}: "
                f"write words for classes or numbers, not both"
            )
        texts = [str(target) for target in targets]
        if not all(map(str.strip, texts)):
            raise ValueError(
                f"row {[*map(str.strip, texts)].index('')} of t is empty: write the class there"
            )
        classes = in_order(texts)
        indices = {text: i for i, text in enumerate(classes)}
        return [indices[text] for text in texts], classes, name
    whole = all(isinstance(target, int) for target in targets)
    if whole and (min(targets, default=0) >= 0 or {*targets} == {-1, 1}):
        return [int(target) for target in targets], [], name
    return [_float(target, f"row {i} of t") for i, target in enumerate(targets)], [], name


def arranged_row(x: Any, features: Sequence[str]) -> Any:
    """The inputs of an example in the order of these features, if they have names; else as they are.

    Args:
        x: a Series of pandas, a record of a structured array, or anything else.
        features: the names of the columns that are wanted.

    Raises:
        ValueError: the names are others; the message says which.
    """
    names = _names_in(x)
    order = _places(names, features, "the example") if names else None
    if order is None:
        return x
    cells = x.tolist()
    return [cells[i] for i in order]


def _names_in(row: Any) -> list[str]:
    """The names of the cells of a row: of a Series of pandas, or of a record; else none."""
    dtype = getattr(row, "dtype", None)
    if getattr(dtype, "names", None) and getattr(row, "shape", None) == ():
        return [*row.dtype.names]
    is_series = hasattr(row, "index") and hasattr(row, "to_numpy")
    return [str(name) for name in row.index] if is_series else []


def _columns(X: Any) -> tuple[list[str], Any]:
    """The names of the columns, if they have any, and what can be listed row by row."""
    if getattr(getattr(X, "dtype", None), "names", None):  # a structured array
        return [*X.dtype.names], X
    if isinstance(X, list | tuple) and X and (names := _names_in(X[0])):
        arranged = (arranged_row(row, names) for row in X)
        return names, [row.tolist() if hasattr(row, "tolist") else row for row in arranged]
    if not _is_frame(X):
        return [], X
    names = [str(name) for name in X.columns]
    if len(set(names)) < len(names):
        raise ValueError(_twice(names))
    return names, X.to_numpy() if hasattr(X, "to_numpy") else zip(*(X[name] for name in X.columns))


def _is_frame(X: Any) -> bool:
    return hasattr(X, "columns") and not isinstance(X, Mapping)


def _listed(thing: Any) -> list[Any] | None:
    """What is in it, one after the other; None if that makes no sense."""
    if isinstance(thing, str | bytes | Mapping | Set) or getattr(thing, "shape", None) == ():
        return None
    if hasattr(thing, "tolist"):
        thing = thing.tolist()
    return [*thing] if hasattr(thing, "__iter__") else None


def _matrix(
    what: str, names: Sequence[str], rows: Sequence[Any], hint: str
) -> tuple[list[str], list[list[float]]]:
    """The rows as lists of floats, all of one length, and the names of their columns."""
    matrix: list[list[float]] = []
    columns = list(names)
    for i, row in enumerate(rows):
        cells = row if isinstance(row, list) else _listed(row)
        if cells is None:
            hint = "" if isinstance(row, str | bytes | Mapping | Set) else f": write {hint}"
            raise TypeError(f"row {i} of {what} is {_shown(row)}, not a list of numbers{hint}")
        if i == 0:
            columns = columns or [f"{what.lower()}{j + 1}" for j in range(len(cells))]
        if not cells:
            raise ValueError(f"row {i} of {what} is empty: write the numbers of one example there")
        if len(cells) != len(columns):
            raise ValueError(
                f"row {i} of {what} has {counted(len(cells), 'number')}, but row 0 has {len(columns)}"
            )
        if {*map(type, cells)} == {float} and math.isfinite(sum(cells)):  # found out fast
            matrix.append(cells[:])
        else:
            where = f"row {i} of {what}, column "
            matrix.append([_float(cell, where + name) for cell, name in zip(cells, columns)])
    return columns, matrix


def _float(cell: Any, where: str) -> float:
    cell = _plain(cell)
    if isinstance(cell, str | bytes):
        hint = ": float(text) makes one" if as_number(str(cell)) is not None else ""
        raise TypeError(f"{where}: {cell!r:.60} is a text, where a number is due{hint}")
    if hasattr(cell, "__iter__"):
        raise TypeError(f"{where}: {_shown(cell)}, where a number is due")
    try:
        number = real(cell)
    except (TypeError, ValueError, OverflowError) as error:
        raise type(error)(f"{where}: {error}") from None
    if not math.isfinite(number):
        raise ValueError(f"{where}: {number}, where a finite number is due: mend it, or leave that row out")
    return number


def _plain(cell: Any) -> Any:
    """The number in a Value, in a scalar of numpy, in an array without axes; other things as they are."""
    if isinstance(cell, Value):
        return cell.data
    if isinstance(cell, complex) and cell.imag == 0:  # a real column beside a complex one in an array
        return cell.real
    return cell.item() if getattr(cell, "shape", None) == () and hasattr(cell, "item") else cell


def _shown(thing: Any) -> str:
    return f"{thing!r:.60} ({type(thing).__name__})"


def in_order(texts: Iterable[str]) -> list[str]:
    """The different texts: in the order of numbers if all are numbers, else of the alphabet."""
    different = set(texts)
    numbers = all(as_number(text) is not None for text in different)
    return sorted(different, key=(lambda text: (float(text), text)) if numbers else None)


def as_number(cell: str) -> float | None:
    try:
        return float(cell) if "_" not in cell else None  # Python reads 1_000 as a number, nobody else does
    except ValueError:
        return None
