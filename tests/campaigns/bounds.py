"""Inputs that ask for more memory than there is: what each takes, and what is answered.

    python -m campaigns.bounds                (in the folder tests; a minute, and up to 8 GB)
    python -m campaigns.bounds 100            (a hundredth of each size, as the suite does)

Each runs in a process of its own, which may take 8 GB. For another version of the package, put its folder
into PYTHONPATH. The peak of memory is what Linux says of the process.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

LIMIT = 8 * 2**30


def one_line(path: Path, scale: int) -> None:
    with path.open("w") as file:
        for _ in range(100):
            file.write("1," * (10**6 // scale))


def blank_lines(path: Path, scale: int) -> None:
    path.write_text("\n" * (38_000_000 // scale) + "a,b\n1,2\n3,4\n")


def open_quote(path: Path, scale: int) -> None:
    with path.open("w") as file:
        file.write("a,b\n1,")
        for _ in range(10):
            file.write('"1\n",' * (10**6 // scale))


def deep_json(path: Path, scale: int) -> None:
    path.write_text('{"format": "microgradlike model", "x": [' + "0," * (10**7 // scale) + "0]}")


def nothing(path: Path, scale: int) -> None:
    pass


#: By name: what writes a file, and the arguments of the command, in which FILE is its path.
INPUTS: dict[str, tuple[Callable[[Path, int], None], list[str]]] = {
    "a line of 10⁸ cells": (one_line, ["train", "FILE"]),
    "38 MB of blank lines": (blank_lines, ["train", "FILE", "--epochs", "1"]),
    "a row of 10⁷ lines": (open_quote, ["train", "FILE"]),
    "a model of 10⁷ numbers": (deep_json, ["evaluate", "FILE", "FILE"]),
    "--sizes 2,1000000000,1": (nothing, ["train", "--sizes", "2,1000000000,1"]),
    "--hidden 30000,30000": (nothing, ["train", "--hidden", "30000,30000"]),
    "/dev/zero as a table": (nothing, ["train", "/dev/zero"]),
    "/dev/zero as a model": (nothing, ["step", "--load", "/dev/zero"]),
}


class Answer(NamedTuple):
    """The memory and time that one input took, and the last line of the answer."""

    size: int
    code: int
    peak: int
    seconds: float
    message: str


def ask(name: str, scale: int = 1) -> Answer:
    write, arguments = INPUTS[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        write(path, scale)
        size = path.stat().st_size if path.exists() else 0
        program = (
            f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({LIMIT}, {LIMIT})); import sys; "
            "from microgradlike.__main__ import main; code = main(sys.argv[1:]); "
            "status = open('/proc/self/status').read().split('VmHWM:')[1]; "
            "print(status.split()[0], file=sys.stderr); sys.exit(code)"
        )
        line = [str(path) if argument == "FILE" else argument for argument in arguments]
        begun = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", program, *line],
            capture_output=True,
            text=True,
            cwd=folder,
            check=False,
            timeout=300,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        seconds = time.perf_counter() - begun
        *lines, last = done.stderr.splitlines() or [""]
        if not last.isdigit():  # a traceback
            lines, last = [last], str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
        message = lines[-1] if lines else "done"
        return Answer(size, done.returncode, int(last) * 1024, seconds, message)


def main() -> None:
    scale = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    print(f"{'input':24} {'file':>8} {'peak':>8} {'time':>7}  exit  answer")
    for name in INPUTS:
        try:
            size, code, peak, seconds, message = ask(name, scale)
        except subprocess.TimeoutExpired:
            print(f"{name:24} no answer in 300 s")
            continue
        took = f"{size / 1e6:5.0f} MB {peak / 1e6:5.0f} MB {seconds:5.1f} s"
        print(f"{name:24} {took}  {code:4}  {message:.150}")


if __name__ == "__main__":
    main()
