"""Memory and time of a long chain of operations: recorded, taken backward, freed.

    pip install -e ".[bench]"
    python tests/benchmarks/memory.py

Each line is a process of its own. Memory is the growth of its peak (resident set) from before the chain
to the end; it counts what the backward pass needs for itself. micrograd's backward pass calls itself
once for each operation, so its chain is shorter, and it gets a stack large enough for that.
"""

import gc
import platform
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

TARGET = 400  # bytes an operation, at most
LENGTH = {"microgradlike": 1_000_000, "micrograd": 100_000}
KINDS: dict[str, Callable[[Any, Any], Any]] = {
    "x * constant": lambda x, w: x * 0.9999999,
    "x + constant": lambda x, w: x + 0.0000001,
    "x + 1": lambda x, w: x + 1,  # the int becomes a float, which takes memory too
    "x * w": lambda x, w: x * w,
    "relu(x)": lambda x, w: x.relu(),
    "tanh(x)": lambda x, w: x.tanh(),  # micrograd has none
}


def peak() -> int:
    """The largest resident set of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure(engine: str, kind: str) -> None:
    Value: Any = import_module({"micrograd": "micrograd.engine"}.get(engine, engine)).Value
    operation, n = KINDS[kind], LENGTH[engine]
    start, w = Value(0.5), Value(0.9999999)
    gc.collect()
    before, times = peak(), [time.perf_counter()]

    x = start
    for _ in range(n):
        x = operation(x, w)
    times.append(time.perf_counter())
    x.backward()
    times.append(time.perf_counter())
    del x
    if engine == "micrograd":
        gc.collect()  # its graphs are full of cycles, and memory waits for the collector
    times.append(time.perf_counter())

    seconds = "".join(f"{b - a:10.2f}" for a, b in pairwise(times))
    print(f"{engine:15}{kind:14}{n:>11,}{(peak() - before) / n:11.0f}{seconds}")


def main() -> None:
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}")
    print(f"at most {TARGET} bytes an operation are wanted of microgradlike")
    print(f"{'':29}{'operations':>11}{'bytes each':>11}{'forward s':>10}{'backward s':>11}{'free s':>9}")
    for engine in LENGTH:
        if not find_spec(engine):
            raise SystemExit(f'{engine} is not installed: pip install -e ".[bench]"')
        for kind in KINDS:
            if (engine, kind) != ("micrograd", "tanh(x)"):
                subprocess.run([sys.executable, __file__, engine, kind], check=True)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        sys.setrecursionlimit(1_000_000)
        threading.stack_size(1024 * 1024 * 1024 - 4096)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(measure, *sys.argv[1:]).result()
