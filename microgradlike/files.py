"""Files that are there as a whole or not at all."""

import contextlib
import os
from pathlib import Path


def write_atomically(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file, text as UTF-8, so that nobody ever sees half of it, whatever happens meanwhile.

    The content goes to a new file beside it, reaches the disk, and takes the name in one step; on an error
    an earlier file of that name stays as it was. A link is followed: what it points to is replaced. What
    is no ordinary file, such as a pipe, is written to as it is.

    Raises:
        OSError: the directory is missing or read-only, the disk is full, …
    """
    target = Path(os.path.realpath(path))
    content = content.encode() if isinstance(content, str) else content
    if target.exists() and not target.is_file():  # a pipe or a device has no whole to replace
        target.write_bytes(content)
        return
    # A short name of its own: that of the target may already be as long as names can be.
    draft = target.with_name(f".{os.urandom(8).hex()}.tmp")
    try:
        with open(draft, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            draft.chmod(target.stat().st_mode & 0o7777)
        draft.replace(target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        if isinstance(error, OSError):  # about the path that was asked for, not about the draft
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise
