"""Checkpoints: all that a training needs to go on exactly where it was, as one JSON file.

A checkpoint is data: to load it executes nothing. Numbers are written so that reading gives the same bits.
"""

import json
import os
from pathlib import Path
from typing import Any

from microgradlike.files import write_atomically

_FORMAT, _VERSION = "microgradlike checkpoint", 1


def save(path: str | os.PathLike[str], content: dict[str, Any]) -> None:
    """Write a checkpoint: whole, or not at all, also when the process is killed meanwhile.

    Raises:
        OSError: the file cannot be written; an earlier one stays as it is.
    """
    text = json.dumps({"format": _FORMAT, "version": _VERSION, **content})
    write_atomically(path, text + "\n")


def load(path: str | os.PathLike[str], settings: dict[str, Any]) -> dict[str, Any]:
    """Read a checkpoint of a training with these settings.

    Raises:
        ValueError: the file is no checkpoint, or it was made with other settings; the message says which.
        OSError: the file cannot be read.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(f"{path}: this is no checkpoint; resume=True goes on from one that fit wrote")
    if content.get("version") != _VERSION:
        raise ValueError(f"{path}: version {content.get('version')!r} of the format is unknown here")
    there = content.get("settings")
    if not isinstance(there, dict):
        raise ValueError(f"{path}: it has no settings")
    for name, mine in settings.items():
        if there.get(name) != mine:
            raise ValueError(
                f"{path}: this training has {name} {mine!r:.60}, the checkpoint {there.get(name)!r:.60}: "
                "resume with what it was begun with, or write to another file"
            )
    return content
