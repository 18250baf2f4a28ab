"""Data: the document's XOR, and tables from CSV files.

Every complaint about a file names the file, the line, the column and what stands there.
"""

import csv
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Table:
    """Examples to learn from: a row of numbers each, and a target.

    Attributes:
        source: where it comes from, for messages.
        features: the names of the columns, without the target.
        rows: one list of finite numbers for each example, as long as `features`.
        targets: what stands in the target column, one string for each example.
        target: the name of that column.
        notes: what was noticed while reading, in sentences.
    """

    source: str
    features: list[str]
    rows: list[list[float]]
    targets: list[str]
    target: str
    notes: tuple[str, ...] = ()

    def numbers(self) -> list[float] | None:
        """The targets as finite numbers; None if one of them is a word."""
        numbers = [_number(text) for text in self.targets]
        return None if any(number is None for number in numbers) else [n for n in numbers if n is not None]

    def classes(self) -> list[str]:
        """The different targets: in the order of numbers if all are numbers, else of the alphabet."""
        different = set(self.targets)
        if self.numbers() is None:
            return sorted(different)
        return sorted(different, key=float)


def xor() -> Table:
    """The four examples of exclusive or.

    >>> xor().rows, xor().targets
    ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ['0', '1', '1', '0'])
    """
    rows = [[a, b] for a in (0.0, 1.0) for b in (0.0, 1.0)]
    return Table("XOR", ["x1", "x2"], rows, [str(int(a != b)) for a, b in rows], "t")


def read_csv(path: str | os.PathLike[str], target: str | int = -1, header: bool | None = None) -> Table:
    """A table from a CSV file of numbers; the target column may hold words, the names of classes.

    Commas, semicolons, tabs and bars are recognised as delimiters. Blank lines are passed over, and so
    is the row number that pandas writes into an unnamed first column.

    Args:
        path: the file, in UTF-8.
        target: the target column, by its name in the header or by its number (0 the first, −1 the last).
        header: whether the first line names the columns. None: it does if no feature in it is a number,
            if the features in it count 0, 1, 2, …, or if its target is the only one that is a word.

    Raises:
        ValueError: a line is longer or shorter than the first, a feature is empty, a word, NaN or
            infinite, or there is no data, or no such target column.
        OSError: the file cannot be read.
    """
    lines = _lines(path)
    try:
        number_of_first, first = next(lines)
    except StopIteration:
        raise ValueError(f"{path}: there is no data in it") from None
    width = len(first)
    if width < 2:
        raise ValueError(f"{path}, line {number_of_first}: one column only, where features and a target go")
    column = _target_column(path, target, first, header)
    names = [cell.strip() for cell in first]
    features = [i for i in range(width) if i != column]
    guess = header is None
    if header is None:
        header = all(_number(first[i]) is None for i in features) or _counts(names, column)
    if not header:
        names = [f"x{i + 1}" if i in features else "t" for i in range(width)]

    rows: list[list[float]] = []
    targets: list[str] = []

    def take(line: int, cells: Sequence[str]) -> None:
        if len(cells) != width:
            raise ValueError(
                f"{path}, line {line}: {len(cells)} cells, but line {number_of_first} has {width}"
            )
        rows.append([_feature(path, line, i, names[i], cells[i]) for i in features])
        targets.append(_target_cell(path, line, column, names[column], cells[column]))

    if not header:
        try:
            take(number_of_first, first)
        except ValueError as error:
            raise ValueError(
                f"{error} (if this line names the columns: header=True, --header yes)"
            ) from None
    for line, cells in lines:
        take(line, cells)
    if not rows:
        raise ValueError(f"{path}: there is no data below the header")

    words = [_number(text) is None for text in targets]
    if guess and not header and words[0] and len(words) > 1 and not any(words[1:]):
        return read_csv(path, target, header=True)  # line 1 names a column of numbers
    if not any(words):
        targets = [repr(float(text)).removesuffix(".0") for text in targets]  # 1 and 1.0 are one class
    notes: tuple[str, ...] = ()
    counts_rows = width > 2 and features[0] == 0 and all(row[0] == i for i, row in enumerate(rows))
    if header and not names[0] and counts_rows:
        del features[0]
        rows = [row[1:] for row in rows]
        notes = ("The first column has no name and counts the rows: it is left out.",)
    return Table(os.fspath(path), [names[i] for i in features], rows, targets, names[column], notes)


def _counts(cells: Sequence[str], target: int) -> bool:
    """Whether a line is 0, 1, 2, …, as pandas writes it for columns without names (but for the target)."""
    wanted, word = [str(i) for i in range(len(cells))], _number(cells[target]) is None
    if word:
        wanted[target] = cells[target]
    return list(cells) == wanted and len(cells) > (2 if word else 3)


def _lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, list[str]]]:
    """The rows of the file that are not blank, each with the number of its line."""
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        try:
            start = file.readline()
            while start and not start.strip():
                start = file.readline()
            file.seek(0)
            delimiter = max(_DELIMITERS, key=start.count)
            reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
            for cells in reader:
                if any("\0" in cell for cell in cells):
                    raise ValueError(f"{path}, line {reader.line_num}: a zero byte, which no text has")
                if any(cell.strip() for cell in cells):
                    yield reader.line_num, cells
        except csv.Error as error:
            raise ValueError(f"{path}, line {reader.line_num}: {error}") from None
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{path}: byte {error.start} is not UTF-8 text: save it as CSV in UTF-8"
            ) from None


def _target_column(
    path: str | os.PathLike[str], target: str | int, first: Sequence[str], header: bool | None
) -> int:
    names = [cell.strip() for cell in first]
    if isinstance(target, str) and target in names and header is not False:
        return names.index(target)
    try:
        return range(len(first))[int(target)]
    except (ValueError, IndexError):
        there = ", ".join(filter(None, names)) if header is not False else f"0 to {len(first) - 1}"
        raise ValueError(f"{path}: there is no target column {target!r}; there are {there:.200}") from None


def _feature(path: str | os.PathLike[str], line: int, column: int, name: str, cell: str) -> float:
    data = _number(cell)
    if data is None or not math.isfinite(data):
        problem = (
            "is empty" if not cell.strip() else f"holds {cell.strip()!r:.60}, which is no finite number"
        )
        raise ValueError(f"{path}, line {line}, column {column + 1} ({name}): it {problem}")
    return data


def _target_cell(path: str | os.PathLike[str], line: int, column: int, name: str, cell: str) -> str:
    text = cell.strip()
    data = _number(text)
    if not text or (data is not None and not math.isfinite(data)):
        problem = f"holds {text!r}, which is no target" if text else "is empty"
        raise ValueError(f"{path}, line {line}, column {column + 1} ({name}): it {problem}")
    return text


def _number(cell: str) -> float | None:
    try:
        return float(cell) if "_" not in cell else None  # Python reads 1_000 as a number, nobody else does
    except ValueError:
        return None
