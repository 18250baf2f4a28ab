"""Data: CSV files as tables; and with them all that makes tables, under one name.

Every complaint about a file names the file, the line, the column and what stands there.

>>> X, t = moons(4)
>>> len(X), t, moons(4).classes
(4, [1, 0, 0, 1], ['0', '1'])
"""

import csv
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from re import fullmatch, sub
from typing import Any, NoReturn, TextIO

from microgradlike.table import (
    Table,
    as_number,
    as_rows,
    as_table,
    counted,
    in_order,
    look_like_classes,
    missing_class,
)
from microgradlike.toys import and_, circles, flowers, moons, or_, spirals, xor, yinyang

__all__ = [
    "Table",
    "and_",
    "as_rows",
    "as_table",
    "circles",
    "flowers",
    "moons",
    "or_",
    "read_csv",
    "spirals",
    "xor",
    "yinyang",
]


def __dir__() -> list[str]:
    """What completion offers."""
    return [*__all__, "__doc__"]


_DELIMITERS = ",;\t|"
_LONGEST_HINT = 40  # letters of a number that is written out
_LONGEST_LINE = 50_000_000  # letters; what is longer is no table of numbers, or one that was turned
_MOST_COLUMNS = 1_000_000
_MOST_LINES = 10_000  # of one row, where cells between quotes have line breaks
_KNOWN = 1000  # different targets that are kept to be shared, and not looked at twice


def read_csv(
    path: str | os.PathLike[str],
    target: str | int | None = -1,
    header: bool | str | None = "auto",
    task: str = "auto",
    columns: Sequence[str] | None = None,
) -> Table:
    r"""A table from a CSV file of numbers; the target column may hold words, the names of classes.

    Commas, semicolons, tabs and bars are recognised as delimiters, and so is Excel's first line, ``sep=;``.
    Blank lines are passed over, and so are the row number that pandas writes into an unnamed first column,
    and an empty column at the end. The table's notes say so, and say what may be meant otherwise: a first
    line of numbers that may name the columns, a class called NA. The file is read line by line.

    Args:
        path: the file, in UTF-8.
        target: the target column, by its name in the header or by its number (0 the first, −1 the last).
            None: there is none, as in examples to predict.
        header: whether the first line names the columns. "auto": it does if no feature in it is a number,
            if the features in it count 0, 1, 2, …, if its target is the only one that is a word, or if
            `target` or `columns` are names in it.
        task: "classes" or "numbers", what the targets are. "auto": classes if there is a word among
            them, or if they are whole numbers and few different ones.
        columns: the names of the features to take, in this order; without it, all but the target. In a
            file without a header they are called x1, x2, … by their place; so these names, if a header
            has none of them, mean all but the target, where there are just as many.

    Raises:
        ValueError: a line is longer or shorter than the first, a feature is empty, a word, NaN or
            infinite, a target is so or does not suit the task, there is no data, or no such column.
        OSError: the file cannot be read.

    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "flowers.csv")
    ...     with open(path, "w") as file:
    ...         _ = file.write("petal,sepal,kind\n1.4,5.1,setosa\n4.7,7.0,versicolor\n")
    ...     table = read_csv(path)
    ...     new = read_csv(path, target=None, columns=["sepal"])
    >>> table.features, table.rows, table.targets, table.classes
    (['petal', 'sepal'], [[1.4, 5.1], [4.7, 7.0]], [0, 1], ['setosa', 'versicolor'])
    >>> new.rows
    [[5.1], [7.0]]
    """
    if header not in ("auto", None, True, False):
        raise ValueError(f"header is {header!r:.60}: write True, False or 'auto'")
    if task not in ("auto", "classes", "numbers"):
        raise ValueError(f"task is {task!r:.60}: write 'classes', 'numbers' or 'auto'")
    if isinstance(columns, str) or columns == []:
        raise ValueError(f"columns is {columns!r:.60}: write a list of names")
    lines = _lines(path)
    try:
        number_of_first, first = next(lines)
    except StopIteration:
        raise ValueError(f"{path}: there is no data in it") from None
    notes: list[str] = []
    if second := next(lines, None):
        lines = chain([second], lines)
        width = _width(first, second[1])
        if width < max(len(first), len(second[1])):
            notes.append("The lines end with a delimiter and nothing behind it: this column is left out.")
            first, lines = first[:width], _narrowed(path, lines, width)
    names = [cell.strip() for cell in first]
    guess = header in ("auto", None)
    column, named = _target_column(path, target, names, None if guess else bool(header))
    others = [i for i in range(len(names)) if i != column]
    if not others:
        raise ValueError(f"{path}, line {number_of_first}: one column only, where features and a target go")
    if guess:
        header = (
            named
            or (columns is not None and {*columns} <= {*names})
            or (task == "numbers" and column is not None and as_number(names[column]) is None)
            or all(as_number(names[i]) is None for i in others)
            or _counts(names, column)
        )
    if not header:
        names = [f"x{i + 1}" if i != column else "t" for i in range(len(names))]
    nameless = columns is not None and [*columns] == [f"x{i + 1}" for i in range(len(others))]
    if columns is None or (nameless and not {*columns} & {*names}):
        picks = others
    else:
        places: dict[str, list[int]] = {}
        for i, name in enumerate(names):
            places.setdefault(name, []).append(i)
        picks = [_pick(path, name, places, column, header) for name in columns]

    rows: list[list[float]] = []
    targets: list[Any] = []  # as texts at first, unless they must be numbers
    known: dict[str, Any] = {}
    word: tuple[int, str] | None = None  # the first target that is one, below the first
    try:
        for line, cells in lines if header else chain([(number_of_first, first)], lines):
            if len(cells) != len(names):
                raise ValueError(
                    f"{path}, line {line}: {counted(len(cells), 'cell')}, "
                    f"but line {number_of_first} has {len(names)}"
                )
            rows.append(_features(path, line, names, picks, cells))
            if column is None:
                continue
            found = known.get(cells[column])
            if found is None:
                found = _target(path, line, names[column], column, cells[column], task)
                if len(rows) > 1 and len(known) < _KNOWN:
                    known[cells[column]] = found
                if len(rows) > 1 and not word and isinstance(found, str) and as_number(found) is None:
                    word = line, found
            targets.append(found)
    except ValueError as error:
        if header or rows:
            raise
        raise ValueError(f"{error} (if this line names the columns: header=True, --header yes)") from None
    if not rows:
        raise ValueError(f"{path}: there is no data below the header")

    first_is_word = bool(targets) and isinstance(targets[0], str) and as_number(targets[0]) is None
    if guess and not header and columns is None and first_is_word and not word and len(rows) > 1:
        header, first_is_word = True, False  # line 1 names a column of numbers
        names = [cell.strip() for cell in first]
        del rows[0], targets[0]
    known.clear()
    classes: list[str] = []
    is_only_number = False  # the target of line 1, where all others are words
    if column is not None and task != "numbers":
        is_only_number = (
            word is not None
            and as_number(targets[0]) is not None
            and all(as_number(text) is None for text in targets[1:])
        )
        classes = _name_classes(targets, task, first_is_word or word is not None)
        numbers = [number for name in classes if (number := as_number(name)) is not None]
        some = word and task == "auto" and 2 * len(numbers) > len(classes)
        if word and some and not look_like_classes(numbers, len(rows)):
            line, text = word
            raise ValueError(
                f"{path}, line {line}, column {column + 1} ({names[column]:.60}): it holds {text!r:.60}, "
                f"but most targets are numbers{_hint(text)} (if all are names of classes: task='classes')"
            )
    unnamed = header and columns is None and not names[0] and picks[0] == 0 and len(picks) > 1
    # pandas counts from 0, R from 1; and when rows were drawn or shuffled, their numbers went with them.
    if unnamed and len({row[0] for row in rows if row[0].is_integer()}) == len(rows):
        for row in rows:
            del row[0]
        del picks[0]
        notes.append("The first column has no name and counts the rows: it is left out.")
    if guess and not header and (is_only_number or _looks_like_names(rows)):
        line_1 = ", ".join(first if len(first) <= 6 else [*first[:3], "…", first[-1]])
        notes.append(
            f"Line {number_of_first}, {line_1:.200}, is taken for an example; if it names the columns, "
            "write header=True."
        )
    if note := missing_class(classes, targets):
        notes.append(note)
    features = [names[i] or f"x{i + 1}" for i in picks]
    name = "" if column is None else names[column] or "t"
    return Table(os.fspath(path), features, rows, targets, name, classes, tuple(notes))


def _name_classes(targets: list[Any], task: str, words: bool) -> list[str]:
    """Put its class or its number in place of each text; the names of the classes, if they are such."""
    if words:
        classes = in_order(targets)
        indices = {text: i for i, text in enumerate(classes)}
        for i, text in enumerate(targets):
            targets[i] = indices[text]
        return classes
    if task == "auto" and not look_like_classes(map(float, targets), len(targets)):
        for i, text in enumerate(targets):  # one by one, so that a text goes when its number comes
            targets[i] = float(text)
        return []
    spelt: dict[float, str] = {}  # 1 and 1.0 are one class, called as it is written first
    for text in targets:
        spelt.setdefault(float(text), text)
    numbers = {number: i for i, number in enumerate(sorted(spelt))}
    for i, text in enumerate(targets):
        targets[i] = numbers[float(text)]
    return [spelt[number] for number in numbers]


def _width(first: Sequence[str], second: Sequence[str]) -> int:
    """How many columns there are, without those at the end that are blank in both of the first lines."""
    width = max(len(first), len(second))
    while width > 2 and not "".join([*first[width - 1 : width], *second[width - 1 : width]]).strip():
        width -= 1
    return width


def _narrowed(
    path: str | os.PathLike[str], lines: Iterator[tuple[int, list[str]]], width: int
) -> Iterator[tuple[int, list[str]]]:
    """The lines without the blank cells at their ends."""
    for line, cells in lines:
        for i, cell in enumerate(cells[width:], width + 1):
            if cell.strip():
                raise ValueError(
                    f"{path}, line {line}, column {i}: it holds {cell.strip()!r:.60}, where the first "
                    "lines have nothing"
                )
        yield line, cells[:width]


def _looks_like_names(rows: Sequence[Sequence[float]]) -> bool:
    """Whether the first row may name the columns: years, say, above measurements."""
    first, others = rows[0], rows[1:_KNOWN]
    if len(others) < 2 or len(first) < 2 or not all(x.is_integer() for x in first):
        return False
    if _is_consecutive(first) and not any(map(_is_consecutive, others)):
        return len(first) > 2 or min(first) > 1000
    return len({*first}) == len(first) and all(map(_is_far_off, first, zip(*others)))


def _is_consecutive(row: Sequence[float]) -> bool:
    return all(b - a == 1 for a, b in pairwise(row))


def _is_far_off(x: float, column: Sequence[float]) -> bool:
    """Whether a number is further from all others than these are from each other."""
    low, high = min(column), max(column)
    return not 2 * low - high <= x <= 2 * high - low


def _counts(cells: Sequence[str], target: int | None) -> bool:
    """Whether a line is 0, 1, 2, …, as pandas writes it for columns without names (but for the target)."""
    wanted = [str(i) for i in range(len(cells))]
    word = target is not None and as_number(cells[target]) is None
    if target is not None and word:
        wanted[target] = cells[target]
    return list(cells) == wanted and len(cells) > (2 if word else 3)


def _lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, list[str]]]:
    """The rows of the file that are not blank, each with the number of its line."""
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        try:
            texts = _texts(path, file)
            blank, start = 0, ""  # up to the first line with something in it: a pipe cannot be wound back
            for start in texts:
                if start.strip():
                    break
                blank += 1
            plain = sub(r'"[^"]*("|$)', "", start)
            delimiter = max(_DELIMITERS, key=plain.count)
            if excel := fullmatch(r'"?sep=(.)"?\s*', start):  # it says so in a line above
                delimiter, start = excel[1], "\n"
            if plain.count(delimiter) >= _MOST_COLUMNS:
                raise ValueError(
                    f"{path}, line {blank + 1}: {plain.count(delimiter) + 1:,} cells, where a table has at "
                    f"most {_MOST_COLUMNS:,} columns: write one example to a line"
                )
            pending = _Pending(path, chain([start], texts))
            reader = csv.reader(pending, delimiter=delimiter, skipinitialspace=True)
            line = blank + 1
            for cells in reader:
                last = blank + reader.line_num
                pending.lines = 0
                text = "".join(cells)
                if "\0" in text:
                    raise ValueError(f"{path}, line {last}: a zero byte, which no text has")
                if last > line and "\n" in text.strip():
                    raise ValueError(
                        f"{path}, line {line}: a quote opens here, and is not closed before line {last}"
                    )
                if text and not text.isspace():
                    yield last, cells
                line = last + 1
        except csv.Error as error:
            raise ValueError(f"{path}, line {blank + reader.line_num}: {error}") from None
        except UnicodeDecodeError:
            _refuse_encoding(path)


def _texts(path: str | os.PathLike[str], file: TextIO) -> Iterator[str]:
    """The lines of a file, none of which is longer than memory bears."""
    for number, text in enumerate(iter(partial(file.readline, _LONGEST_LINE + 1), ""), 1):
        if len(text) > _LONGEST_LINE:
            raise ValueError(
                f"{path}, line {number}: it is longer than {_LONGEST_LINE:,} letters: write one example to "
                "a line"
            )
        yield text


class _Pending:
    """Lines that are counted, since a row may go over many: so many at most."""

    def __init__(self, path: str | os.PathLike[str], texts: Iterator[str]) -> None:
        self.path, self.texts, self.lines = path, texts, 0

    def __iter__(self) -> Iterator[str]:
        for text in self.texts:
            self.lines += 1
            if self.lines > _MOST_LINES:
                raise ValueError(
                    f"{self.path}: a row goes over more than {_MOST_LINES:,} lines: a quote is not closed"
                )
            yield text


def _refuse_encoding(path: str | os.PathLike[str]) -> NoReturn:
    where = str(path)
    if Path(path).is_file():
        with Path(path).open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    line.decode()
                except UnicodeDecodeError as error:
                    where = f"{path}, line {number}, byte {error.start + 1}: {line[error.start]:#x}"
                    break
    raise ValueError(f"{where} is not UTF-8 text: save it as CSV in UTF-8") from None


def _target_column(
    path: str | os.PathLike[str], target: str | int | None, names: Sequence[str], header: bool | None
) -> tuple[int | None, bool]:
    """The place of the target column, and whether it was found by its name in the first line."""
    if target is None:
        return None, False
    place: int | None
    try:
        place = range(len(names))[int(target)]
    except (ValueError, IndexError, TypeError):
        place = None
    if isinstance(target, str) and target in names and header is not False:
        words = all(as_number(name) is None for name in names if name != target)
        if header or place is None or words:  # else "1" is a number, and what it is in line 1 is data
            return names.index(target), True
    if place is None:
        there = ", ".join(filter(None, names)) if header is not False else f"0 to {len(names) - 1}"
        raise ValueError(f"{path}: there is no target column {target!r:.60}; there are {there:.200}")
    return place, False


def _pick(
    path: str | os.PathLike[str],
    name: str,
    places: Mapping[str, Sequence[int]],
    target: int | None,
    header: bool | str | None,
) -> int:
    """The place of the feature of this name."""
    found = places.get(name, ())
    if len(found) != 1:
        many = f"are {len(found)} columns" if found else "is no column"
        there = "name them apart" if found else f"there are {', '.join(filter(None, places)):.200}"
        hint = "" if header else " (line 1 is data and names no columns)"
        raise ValueError(f"{path}: there {many} {name!r:.60}; {there}{hint}")
    if found[0] == target:
        raise ValueError(f"{path}: the column {name!r:.60} is the target, and cannot be a feature as well")
    return found[0]


def _features(
    path: str | os.PathLike[str],
    line: int,
    names: Sequence[str],
    picks: Sequence[int],
    cells: Sequence[str],
) -> list[float]:
    try:
        row = [float(cells[i]) for i in picks]
        if math.isfinite(sum(row)) and "_" not in "".join(cells):
            return row
    except ValueError:
        pass
    return [_feature(path, line, i, names[i], cells[i]) for i in picks]


def _feature(path: str | os.PathLike[str], line: int, column: int, name: str, cell: str) -> float:
    data, text = as_number(cell), cell.strip()
    if data is None or not math.isfinite(data):
        problem = f"holds {text!r:.60}, which is no finite number{_hint(text)}" if text else "is empty"
        raise ValueError(f"{path}, line {line}, column {column + 1} ({name:.60}): it {problem}")
    return data


def _hint(text: str) -> str:
    """What to write for a number with a comma."""
    if len(text) > _LONGEST_HINT:
        return ""
    if fullmatch(r"[+-]?\d{1,3}(,\d{3})+", text):
        return f": write {text.replace(',', '')}, or a point for the comma if it is one"
    return f": write {text.replace(',', '.')}" if fullmatch(r"[+-]?\d*,\d+", text) else ""


def _target(path: str | os.PathLike[str], line: int, name: str, column: int, cell: str, task: str) -> Any:
    """The text of a target, or its number if targets must be numbers."""
    text = cell.strip()
    data = as_number(text)
    problem = "" if text else "is empty"
    if data is not None and not math.isfinite(data):
        problem = f"holds {text!r:.60}, which is no target"
    if data is None and text and task == "numbers":
        hint = _hint(text) or ": task='classes' if it is a class"
        problem = f"holds {text!r:.60}, but the targets must be numbers{hint}"
    if problem:
        raise ValueError(f"{path}, line {line}, column {column + 1} ({name:.60}): it {problem}")
    return data if task == "numbers" else text
