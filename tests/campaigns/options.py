"""Each command with each pair of options that could name one file, spelt in many ways: all are refused.

    python -m campaigns.options        (in the folder tests; seconds)

Nothing that was there may be touched, and nothing new may appear.
"""

import contextlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import microgradlike as mg
from microgradlike.__main__ import main as run_command
from microgradlike.arguments import FILES, File

#: How else a file may be called, in a folder that has the link ``here`` to itself.
SPELLINGS: dict[str, Callable[[Path], str]] = {
    "itself": str,
    "relative": os.path.relpath,
    "dots": lambda path: f"{path.parent}/../{path.parent.name}/./{path.name}",
    "link to the folder": lambda path: f"{path.parent}/here/{path.name}",
    "link to the file": lambda path: f"{path.parent}/link{path.suffix}",
    "hard link": lambda path: f"{path.parent}/hard{path.suffix}",
    "upper case": lambda path: f"{path.parent}/{path.stem.upper()}{path.suffix}",
    "without the suffix": lambda path: str(path.with_suffix("")),
}


class Case(NamedTuple):
    """A command line, and what is wrong with it: the answer, or what it touched."""

    command: str
    pair: str
    spelling: str
    code: int
    message: str
    touched: list[str]

    @property
    def is_refused(self) -> bool:
        return self.code == 2 and self.message.count("\n") == 1 and not self.touched


def contents(folder: Path) -> dict[str, object]:
    return {
        path.name: path.readlink() if path.is_symlink() else path.read_bytes()
        for path in folder.iterdir()
        if path.name != "here"
    }


def suffix_of(file: File) -> str:
    return {"picture": ".svg", "page": ".html", "table": ".csv"}.get(file.kind, ".json")


def prepare(folder: Path, name: str, exists: bool) -> None:
    (folder / "here").symlink_to(folder)
    mg.MLP(2, [1], seed=1).save(folder / "network.json")
    mg.data.xor().save(folder / "table.csv")
    target = folder / name
    if exists:
        target.write_bytes((folder / ("table.csv" if name == "one.csv" else "network.json")).read_bytes())
        os.link(target, folder / f"hard{target.suffix}")
    (folder / f"link{target.suffix}").symlink_to(target)


def arguments_of(command: str, paths: dict[str, str], folder: Path) -> list[str]:
    """A command line in which these arguments have these paths, and those that are needed have others."""
    line = [command]
    for file in FILES[command]:
        if not file.name.startswith("--"):
            default = folder / ("network.json" if file.name == "the network" else "table.csv")
            line.append(paths.get(file.argument, str(default)))
    for file in FILES[command]:
        if file.name.startswith("--") and file.argument in paths:
            line += [file.name, paths[file.argument]]
    if command in {"draw", "step"}:
        line += ["--inputs", "1,1", "--target", "0"]
    if command == "train":
        line += ["--epochs", "1"]
    return line


def cases() -> Iterator[Case]:
    """All pairs in all spellings, where the file is there already and where it is not."""
    for command, files in FILES.items():
        for one, other in combinations(files, 2):
            if not (one.kind or other.kind):
                continue
            for spelling, spell in SPELLINGS.items():
                for exists in (True, False):
                    if (not exists and spelling == "hard link") or not (
                        exists or (one.kind and other.kind)
                    ):
                        continue
                    suffix = ".svg" if spelling == "without the suffix" else suffix_of(one)
                    picture = other if other.kind == "picture" else one
                    if spelling == "without the suffix" and picture.kind != "picture":
                        continue
                    yield attempt(command, one, other, picture, spelling, spell, suffix, exists)


def attempt(
    command: str,
    one: File,
    other: File,
    picture: File,
    spelling: str,
    spell: Callable[[Path], str],
    suffix: str,
    exists: bool,
) -> Case:
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        folder = Path(name).resolve()
        if other.kind == "picture" and spelling != "without the suffix":
            suffix = ".svg"  # else it is another file, to which a suffix is added
        path = folder / f"one{suffix}"
        prepare(folder, path.name, exists)
        before = contents(folder)
        paths = {one.argument: str(path), other.argument: spell(path)}
        if spelling == "without the suffix":
            paths[picture.argument] = spell(path)
            paths[(one if picture is other else other).argument] = str(path)
        errors = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
            code = run_command(arguments_of(command, paths, folder))
        after = contents(folder)
        touched = [name for name in before | after if before.get(name) != after.get(name)]
        pair = f"{one.name} × {other.name}{'' if exists else ' (new)'}"
        return Case(command, pair, spelling, code, errors.getvalue(), touched)


def main() -> None:
    print(f"{'command':9} {'pair':36} refused, of spellings")
    rows: dict[tuple[str, str], list[Case]] = {}
    for case in cases():
        rows.setdefault((case.command, case.pair), []).append(case)
    for (command, pair), found in rows.items():
        refused = [case for case in found if case.is_refused]
        print(f"{command:9} {pair:36} {len(refused)} of {len(found)}")
        for case in found:
            if not case.is_refused:
                print(f"    {case.spelling}: exit {case.code}, touched {case.touched}, {case.message!r}")


if __name__ == "__main__":
    main()
