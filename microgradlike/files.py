"""Files that are there as a whole or not at all."""

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

fcntl: Any
try:
    import fcntl
except ModuleNotFoundError:  # on Windows, where nobody can remove a file that is open
    fcntl = None

#: A file that is being written. A process that is killed leaves it behind.
_DRAFT = re.compile(r"\.microgradlike-[0-9a-f]{16}\.tmp")

#: Something that is open already, by its number. It may lead to a file, at whose end others go on to write.
_OPEN = re.compile(r"/(?:dev|proc/(?:self|thread-self|\d+))/(?:fd/(\d+)|std(?:in|out|err))")
_STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}


def write_atomically(path: str | os.PathLike[str], content: str | bytes, *, force: bool = False) -> None:
    """Write a file, text as UTF-8, so that nobody ever sees half of it, whatever happens meanwhile.

    The content goes to a new file beside it, reaches the disk, and takes the name in one step; on an error
    an earlier file of that name stays as it was. (A process that is killed may leave the new file behind,
    hidden as ``.microgradlike-….tmp``; the next write in that directory removes it.) A link is followed:
    the file that it points to is replaced. Something that is no ordinary file, such as a pipe or
    /dev/stdout, is written to as it is.

    Args:
        path: of the file.
        content: all of it.
        force: whether to replace a file that is read-only.

    Raises:
        TypeError, ValueError: the path can be none of a file; or the text holds half a character, of which
            there is no UTF-8.
        OSError: the directory is missing or read-only, the disk is full, the file is read-only, …
    """
    path = checked(path)
    try:
        content = content.encode() if isinstance(content, str) else content
    except UnicodeEncodeError as error:
        about = error.object[max(error.start - 20, 0) : error.end]
        raise ValueError(f"{path}: {about!r} ends in half a character, which no file can hold") from None
    try:
        if is_stream(path):
            number = _descriptor(path)
            with open(path if number is None else os.dup(number), "wb") as stream:
                stream.write(content)
        else:
            _replace(Path(os.path.realpath(path)), content, force)
    except OSError as error:  # about the path that was asked for, not about the draft
        raise OSError(error.errno, error.strerror, path) from error


def checked(path: str | os.PathLike[str]) -> str:
    """The path as a text.

    Raises:
        TypeError: it is no path: a number, which would be that of an open file, or bytes.
        ValueError: no file can have it: it is empty, or ends like a directory, or has letters that no name
            has.
    """
    given: object = path
    if not isinstance(given, str | os.PathLike):
        hint = ", which would be an open file" if isinstance(given, int) else ""
        raise TypeError(f"the path of a file is a text, not {given!r:.60}{hint}")
    text: object = os.fspath(path)
    if not isinstance(text, str):
        raise TypeError(f"the path of a file is a text, not {text!r:.60}: write os.fsdecode(path)")
    if not text.strip():
        raise ValueError(f"the path of a file is {text!r}: write the name of the file")
    if "\0" in text:
        raise ValueError(f"{text!r:.100}: a path has no zero byte")
    if text.endswith(("/", os.sep)) or os.path.basename(text) in {".", ".."}:
        raise ValueError(f"{text:.100}: this names a directory: write the name of a file")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise ValueError(f"{text!r:.100}: this has half a character in it, which no name has") from None
    return text


def is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether it is a device, a pipe, or open already, where no file can be replaced."""
    return _descriptor(path) is not None or (
        os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)
    )


def _descriptor(path: str | os.PathLike[str]) -> int | None:
    """The number of the open file that a path is another name of, links followed."""
    place = os.path.abspath(path)
    for _ in range(40):
        if found := _OPEN.fullmatch(place):
            return int(found[1]) if found[1] else _STANDARD.get(place)
        if not os.path.islink(place):
            return None
        place = os.path.normpath(os.path.join(os.path.dirname(place), os.readlink(place)))
    return None


def _replace(target: Path, content: bytes, force: bool) -> None:
    if target.is_symlink():  # links were followed, so this one leads to itself
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
    if mode is not None and not mode & 0o222 and not force and not target.is_dir():
        raise PermissionError(
            errno.EACCES, "this file is read-only, and stays so: make it writable, or write to another file"
        )
    with _draft(target.parent) as (draft, file):
        if mode is not None:  # before there is anything in it that others must not read
            draft.chmod(mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        if fcntl is None:
            file.close()
        draft.replace(target)
    _remove_drafts(target.parent)


@contextlib.contextmanager
def _draft(folder: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """A new file to write to, with a lock on it as long as its writer lives; on an error it is gone."""
    while True:
        # A short name of its own: that of the target may already be as long as names can be.
        draft = folder / f".microgradlike-{os.urandom(8).hex()}.tmp"
        try:
            with open(draft, "xb") as file:
                if _lock(file.fileno()) and not os.fstat(file.fileno()).st_nlink:
                    continue  # someone took it for that of a dead writer, before the lock was on it
                yield draft, file
                return
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise


def _lock(descriptor: int, *, wait: bool = True) -> bool:
    """Lock an open file; False if that cannot be done, or not without waiting."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another process has it, or this file system has no locks
        return False
    return True


def _remove_drafts(folder: Path) -> None:
    """Remove the drafts that no living process holds, of writers that were killed."""
    if fcntl is None:
        return
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _DRAFT.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                _remove_if_dead(entry.path)


def _remove_if_dead(draft: str) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(draft, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if _lock(descriptor, wait=False):
                os.unlink(draft)
        finally:
            os.close(descriptor)
