"""Files that are there as a whole or not at all."""

import contextlib
import errno
import os
from pathlib import Path


def write_atomically(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file, text as UTF-8, so that nobody ever sees half of it, whatever happens meanwhile.

    The content goes to a new file beside it, reaches the disk, and takes the name in one step; on an error
    an earlier file of that name stays as it was. (A process that is killed may leave the new file behind,
    hidden as ``.….tmp``; nothing reads it.) A link is followed: what it points to is replaced. What
    is no ordinary file, such as a pipe or /dev/stdout, is written to as it is.

    Raises:
        ValueError: the text holds half a character, of which there is no UTF-8.
        OSError: the directory is missing or read-only, the disk is full, …
    """
    try:
        content = content.encode() if isinstance(content, str) else content
        if is_stream(path):
            place = _OPEN.get(str(path))
            with open(path if place is None else os.dup(place), "wb") as stream:
                stream.write(content)
        else:
            _replace(Path(os.path.realpath(path)), content)
    except UnicodeEncodeError as error:
        about = error.object[max(error.start - 20, 0) : error.end]
        raise ValueError(f"{path}: {about!r} ends in half a character, which no file can hold") from None
    except OSError as error:  # about the path that was asked for, not about the draft
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether it is a device or a pipe, where no file can be replaced."""
    return str(path) in _OPEN or (
        os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)
    )


#: What is open already, also where it leads to a file, at whose end something goes on.
_OPEN = {"/dev/stdout": 1, "/dev/stderr": 2}


def _replace(target: Path, content: bytes) -> None:
    if target.is_symlink():  # links were followed, so this one leads to itself
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    # A short name of its own: that of the target may already be as long as names can be.
    draft = target.with_name(f".{os.urandom(8).hex()}.tmp")
    try:
        with open(draft, "xb") as file:
            if target.exists():  # before there is anything in it that others must not read
                draft.chmod(target.stat().st_mode & 0o7777)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
