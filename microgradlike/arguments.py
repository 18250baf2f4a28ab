"""The files that a command reads and writes: all of them known in one place, and none named twice."""

import os
import stat
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from microgradlike import saving
from microgradlike.files import checked, is_stream
from microgradlike.picture import RendererNotFound, destination, find_program, format_of


class File(NamedTuple):
    """A file that an argument of a command names.

    Attributes:
        argument: the attribute of the parsed arguments.
        name: what messages call it.
        kind: of what is written: "model", "checkpoint", "picture", "page" or "table"; "" if it is read.
    """

    argument: str
    name: str
    kind: str = ""


#: By command. A new option that names a file needs a row here, and nothing else.
FILES: Mapping[str, Sequence[File]] = {
    "train": (
        File("file", "the data"),
        File("load", "--load"),
        File("save", "--save", "model"),
        File("checkpoint", "--checkpoint", "checkpoint"),
        File("picture", "--picture", "picture"),
    ),
    "predict": (
        File("model", "the network"),
        File("file", "the data"),
        File("output", "--output", "table"),
    ),
    "evaluate": (File("model", "the network"), File("file", "the data")),
    "draw": (File("load", "--load"), File("output", "--output", "picture")),
    "step": (File("load", "--load"), File("save", "--save", "page")),
}

#: How files of some kinds begin, or what stands in their first kilobyte.
_BEGINNINGS = {
    "png": (b"\x89PNG",),
    "jpg": (b"\xff\xd8",),
    "jpeg": (b"\xff\xd8",),
    "pdf": (b"%PDF",),
    "svg": (b"<svg", b"<?xml", b"<!DOCTYPE svg"),
    "gv": (b"digraph", b"graph", b"strict", b"//", b"/*"),
    "dot": (b"digraph", b"graph", b"strict", b"//", b"/*"),
    "page": (b"<!doctype html", b"<!DOCTYPE html", b"<html"),
}


def check_files(command: str, arguments: Any) -> None:
    """Refuse, before anything is done, a file that is named twice, or that cannot or should not be written.

    Args:
        command: the name of the command.
        arguments: its parsed arguments.

    Raises:
        ValueError: the message names the file and the options.
    """
    given = [(file, getattr(arguments, file.argument)) for file in FILES[command]]
    files = [(file, path) for file, path in given if path is not None]
    for file, path in files:
        if file.kind and not os.path.isdir(path):
            checked(path)
    for (one, path), (other, path_of_other) in combinations(files, 2):
        if (one.kind or other.kind) and _are_one(_final(one, path), _final(other, path_of_other)):
            _refuse_two(one, path, other, path_of_other)
    for file, path in files:
        if file.kind:
            _check_place(file, path, _final(file, path), arguments.force)


def _final(file: File, path: str) -> Path:
    """The path that is read or written in the end: a picture's suffix is added."""
    return destination(path) if file.kind == "picture" else Path(path)


def _are_one(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, on whatever system."""
    if _is_device(one) or _is_device(other):
        return False
    if one.exists() and other.exists() and one.samefile(other):
        return True
    # Many systems take A.json and a.json for one file, or é in one letter and in two.
    spelt, spelt_too = (
        unicodedata.normalize("NFKC", os.path.realpath(path)).casefold() for path in (one, other)
    )
    return spelt == spelt_too


def _is_device(path: Path) -> bool:
    """A terminal or /dev/null, which many may read and write."""
    return path.exists() and stat.S_ISCHR(path.stat().st_mode)


def _refuse_two(one: File, path: str, other: File, path_of_other: str) -> None:
    written, path, named = (other, path_of_other, one) if other.kind else (one, path, other)
    if named.name == "the data":
        raise ValueError(f"{path}: this is the data; {written.name} needs another file")
    raise ValueError(f"{path}: {named.name} names this file, too; {written.name} needs another one")


def _check_place(file: File, path: str, target: Path, force: bool) -> None:
    """Refuse a place where nothing could be written, or where something else is."""
    if target.is_dir():
        raise ValueError(f"{path}: this is a directory; {file.name} needs the name of a file")
    if not target.absolute().parent.is_dir():
        raise ValueError(f"{path}: there is no directory {target.absolute().parent}")
    if file.kind == "picture":
        try:
            find_program(format_of(target))
        except RendererNotFound as error:
            raise ValueError(f"{path}: {error}") from None
    if force or is_stream(target) or not target.exists() or not target.stat().st_size:
        return
    if not target.stat().st_mode & 0o222:
        raise ValueError(f"{path}: this file is read-only; {file.name} replaces it with --force")
    if not _is_of_kind(target, file.kind):
        what = f"no {file.kind}" if file.kind != "table" else "a model, a checkpoint, a picture or a page"
        raise ValueError(
            f"{path}: the file that is there is {what}, and would be lost: give {file.name} another name, "
            "or say --force"
        )


def _is_of_kind(path: Path, kind: str) -> bool:
    """Whether a file is what is to replace it."""
    if kind in {"model", "checkpoint"}:
        return saving.is_of_kind(path, f"microgradlike {kind}")
    with path.open("rb") as file:
        beginning = file.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip()
    if kind == "table":
        words = (*(word for words in _BEGINNINGS.values() for word in words), b"{")
        return not beginning.startswith(words) or beginning.startswith((b"graph", b"strict", b"digraph"))
    words = _BEGINNINGS.get(format_of(path) if kind == "picture" else kind, (b"",))
    return beginning.startswith(words)
