"""Checkpoints: all that a training needs to go on exactly where it was, as one JSON file.

A checkpoint is data: to load it executes nothing. Numbers are written so that reading gives the same bits.
"""

import json
import os
from pathlib import Path
from typing import Any

from microgradlike import saving
from microgradlike.files import checked, write_atomically

_FORMAT, _VERSION = "microgradlike checkpoint", 2


class WriteError(OSError):
    """A checkpoint that cannot be written."""


class OtherTrainingError(ValueError):
    """A checkpoint of another training than this one."""


def check_place(path: str | os.PathLike[str]) -> None:
    """Refuse what is no place for a file.

    Raises:
        TypeError, ValueError: it is no path, or a directory, or its directory is not there.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"checkpoint is the name of a file, not {path!r:.60}")
    place = Path(checked(path))
    if place.is_dir():
        raise ValueError(f"{path}: this is a directory; checkpoint needs the name of a file")
    if not place.absolute().parent.is_dir():
        raise ValueError(f"{path}: there is no directory {place.absolute().parent}")
    if place.is_file() and place.stat().st_size and not saving.is_of_kind(place, _FORMAT):
        raise ValueError(
            f"{path}: this file is no checkpoint, and would be replaced by one: delete it, or write the "
            "checkpoint to another file"
        )


def save(path: str | os.PathLike[str], content: dict[str, Any]) -> None:
    """Write a checkpoint: whole, or not at all, also when the process is killed meanwhile.

    Raises:
        WriteError: the file cannot be written; an earlier one stays as it is.
    """
    try:
        write_atomically(path, saving.document(_FORMAT, _VERSION, content))
    except OSError as error:
        raise WriteError(*error.args, os.fspath(path)) from None


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The content of a checkpoint, of whatever training.

    Raises:
        ValueError: the file is no checkpoint; the message says why.
        OSError: the file cannot be read.
    """
    content = saving.read(path, _FORMAT, {1, _VERSION})
    if not isinstance(content.get("settings"), dict):
        raise ValueError(f"{path}: it has no settings")
    if content["version"] == 1:
        content["lr"] = content["settings"].get("lr")
    saving.verify(content, path)
    return content


def check_settings(
    path: str | os.PathLike[str], there: dict[str, Any], settings: dict[str, Any], *, old: bool = False
) -> None:
    """Refuse the settings of another training.

    Args:
        path: of the checkpoint, for the message.
        there: its settings.
        settings: those of this training.
        old: whether the checkpoint is of version 1.

    Raises:
        ValueError: they differ; the message says where.
    """
    for name, mine in json.loads(json.dumps(settings)).items():
        theirs = there.get(name)
        if old and name == "model" and isinstance(theirs, dict):  # version 1 said less of a model
            mine = {key: mine.get(key) for key in theirs}  # noqa: PLW2901
            if theirs.get("model") == "MLP" and "sizes" in theirs:  # as subclasses were called, too
                mine["model"] = "MLP"
        if theirs != mine:
            raise ValueError(
                f"{path}: this training has {name} {mine!r:.60}, the checkpoint {there.get(name)!r:.60}: "
                "resume with what it was begun with, or write to another file"
            )
