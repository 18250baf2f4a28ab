"""Files that are saved and read again: JSON that says what it is, with a version and a check sum.

>>> text = document("microgradlike model", 2, {"parameters": {"w": 0.5}})
>>> content = parse(text, "model.json", "microgradlike model", {2})
>>> content["parameters"]
{'w': 0.5}
>>> verify(content, "model.json")
>>> content["parameters"]["w"] = 0.7
>>> verify(content, "model.json")  # doctest: +ELLIPSIS
Traceback (most recent call last):
ValueError: model.json: this model file is damaged: its check sum is crc32:b06b5ffb, ...
"""

import json
import os
import warnings
from binascii import crc32
from collections.abc import Container
from pathlib import Path
from typing import Any

#: No file that is saved is longer; what is, is not read into memory.
_LONGEST = 500_000_000


def document(kind: str, version: int, content: dict[str, Any], indent: int | None = None) -> str:
    """The text of a file.

    Args:
        kind: what it is, such as "microgradlike model".
        version: of its format.
        content: what JSON can hold.
        indent: for each level of it, so many blanks; by default all is one line.

    Raises:
        ValueError: the content cannot be written so that it is read as it is; the message says why.
    """
    try:
        whole = json.loads(json.dumps({"format": kind, "version": version, **content}))
    except (TypeError, RecursionError) as error:
        raise ValueError(f"it has a thing that JSON cannot hold: {error}") from None
    return json.dumps({**whole, "checksum": _sum_of(whole)}, indent=indent) + "\n"


def read(path: str | os.PathLike[str], kind: str, versions: Container[Any]) -> dict[str, Any]:
    """The content of a file of this kind.

    Raises:
        ValueError: it is none, or cut off, or damaged, or of a version that is not among these.
        OSError: the file cannot be read.
    """
    try:
        pieces, length = [], 0
        with Path(path).open(encoding="utf-8-sig") as file:
            while piece := file.read(2**14):
                pieces.append(piece)
                length += len(piece)
                if length > _LONGEST:
                    raise ValueError(
                        f"{path}: this is no {_noun(kind)}: it is longer than {_LONGEST:,} letters"
                    )
    except UnicodeDecodeError:
        raise ValueError(f"{path}: this is no {_noun(kind)}: it is not UTF-8 text") from None
    return parse("".join(pieces), path, kind, versions)


def parse(text: str, path: str | os.PathLike[str], kind: str, versions: Container[Any]) -> dict[str, Any]:
    """The content of a text that `document` made; see `read`."""
    noun = _noun(kind)
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}, line {error.lineno}, column {error.colno}: this is no {noun}: it is no JSON, or it "
            f"is cut off ({error.msg})"
        ) from None
    except (ValueError, RecursionError):  # an integer of thousands of digits; too deep
        raise ValueError(f"{path}: this is no {noun}") from None
    if not isinstance(content, dict) or content.get("format") != kind:
        raise ValueError(f"{path}: this is no {noun}: its format is not {kind!r}")
    version = content.get("version")
    if type(version) is not int or version not in versions:
        raise ValueError(
            f"{path}: version {version!r:.60} of the format is unknown here: a newer microgradlike may "
            "read it"
        )
    return content


def verify(content: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Compare the check sum of a content that `read` gave; it comes after other checks, which say more.

    Without a sum, as in a file that was written by hand, there is a warning, but none from version 1, which
    had no sums.

    Raises:
        ValueError: the sum is another.
    """
    there = content.get("checksum")
    if there is None:
        if content["version"] > 1:
            warnings.warn(f"{path}: it has no check sum: damage to it would not be noticed", stacklevel=3)
        return
    own = _sum_of(content)
    if there != own:
        raise ValueError(
            f"{path}: this {_noun(content['format'])} is damaged: its check sum is {there!s:.60}, that of "
            f'its content is {own} (if you changed it by hand, take out "checksum")'
        )


def _sum_of(content: dict[str, Any]) -> str:
    """The check sum of all that it says, however it is laid out, and however its numbers are spelt."""
    whole = {name: _spelt(thing) for name, thing in content.items() if name != "checksum"}
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"))
    return f"crc32:{crc32(text.encode()):08x}"


def _spelt(thing: Any) -> Any:
    """With 2.0 for 2: other programs write whole floats as integers."""
    if isinstance(thing, dict):
        return {name: _spelt(item) for name, item in thing.items()}
    if isinstance(thing, list):
        return [*map(_spelt, thing)]
    if type(thing) is int and abs(thing) < 2**1000 and float(thing) == thing:
        return float(thing)
    return thing


def is_of_kind(path: str | os.PathLike[str], kind: str) -> bool:
    """Whether a file, which may be damaged, says that it is of this kind."""
    word, before = kind.encode(), b""
    with open(path, "rb") as file:
        while piece := file.read(2**14):
            if word in before + piece:
                return True
            before = piece[-len(word) :]
    return False


def _noun(kind: str) -> str:
    noun = kind.removeprefix("microgradlike ")
    return "model file" if noun == "model" else noun
