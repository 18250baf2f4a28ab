"""Checkpoints: all that a training needs to go on exactly where it was, as one JSON file.

A checkpoint is data: to load it executes nothing. Numbers are written so that reading gives the same bits.
"""

import json
import os
from pathlib import Path
from typing import Any

from microgradlike.files import write_atomically

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
    place = Path(path)
    if place.is_dir():
        raise ValueError(f"{path}: this is a directory; checkpoint needs the name of a file")
    if not place.absolute().parent.is_dir():
        raise ValueError(f"{path}: there is no directory {place.absolute().parent}")


def save(path: str | os.PathLike[str], content: dict[str, Any]) -> None:
    """Write a checkpoint: whole, or not at all, also when the process is killed meanwhile.

    Raises:
        WriteError: the file cannot be written; an earlier one stays as it is.
    """
    text = json.dumps({"format": _FORMAT, "version": _VERSION, **content})
    try:
        write_atomically(path, text + "\n")
    except OSError as error:
        raise WriteError(*error.args, os.fspath(path)) from None


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What is in a checkpoint, of whatever training.

    Raises:
        ValueError: the file is no checkpoint; the message says why.
        OSError: the file cannot be read.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(f"{path}: this is no checkpoint; resume=True goes on from one that fit wrote")
    if content.get("version") not in (1, _VERSION) or content["version"] is True:
        raise ValueError(f"{path}: version {content.get('version')!r:.60} of the format is unknown here")
    if not isinstance(content.get("settings"), dict):
        raise ValueError(f"{path}: it has no settings")
    if content["version"] == 1:
        content["lr"] = content["settings"].get("lr")
    return content


def check_settings(path: str | os.PathLike[str], there: dict[str, Any], settings: dict[str, Any]) -> None:
    """Refuse the settings of another training.

    Args:
        path: of the checkpoint, for the message.
        there: its settings.
        settings: those of this training.

    Raises:
        ValueError: they differ; the message says where.
    """
    for name, mine in json.loads(json.dumps(settings)).items():
        if there.get(name) != mine:
            raise ValueError(
                f"{path}: this training has {name} {mine!r:.60}, the checkpoint {there.get(name)!r:.60}: "
                "resume with what it was begun with, or write to another file"
            )
