"""Memory and time of a long chain of operations: recorded, taken backward, freed.

    pip install -e ".[bench]"
    python tests/benchmarks/memory.py
    python tests/benchmarks/memory.py 10_000_000    # microgradlike alone, so many operations
    python tests/benchmarks/memory.py readings      # what else reads a chain of 1,000,000

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

import microgradlike as mg

TARGET = 416  # bytes an operation, at most
LENGTH = {"microgradlike": 1_000_000, "micrograd": 100_000}
KINDS: dict[str, Callable[[Any, Any], Any]] = {
    "x * constant": lambda x, w: x * 0.9999999,
    "x + constant": lambda x, w: x + 0.0000001,
    "x + 1": lambda x, w: x + 1,  # the int becomes a float, which takes memory too
    "x * w": lambda x, w: x * w,
    "relu(x)": lambda x, w: x.relu(),
    "tanh(x)": lambda x, w: x.tanh(),  # micrograd has none
}


def there_and_back(cursor: Any) -> None:
    cursor.run()
    cursor.goto(1)
    cursor.back()


READINGS: dict[str, Callable[[Any, Any], Any]] = {
    "backward": lambda y, _: y.backward(),
    "backward, receipts": lambda y, x: (y.backward(receipts=True), str(mg.receipts(x))),
    "grad": lambda y, x: mg.grad(y, [x]),
    "jvp": lambda y, x: mg.jvp(y, [x], [1.0]),
    "steps: open, next": lambda y, _: str(mg.steps(y).next()),
    "steps: there and back": lambda y, _: there_and_back(mg.steps(y)),
    "explain, all of it": lambda y, x: str(mg.explain(y, x)),
    "ripple": lambda y, x: str(mg.ripple(y, x, 0.1)),
    "formula": lambda y, _: mg.formula(y),
    "draw, folded": lambda y, _: mg.draw(y).source,
    "compile, numpy": lambda y, x: mg.compile(y, [x], backend="numpy")([[0.5]]),
}


def peak() -> int:
    """The largest resident set of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure(engine: str, kind: str, length: str = "") -> None:
    Value: Any = import_module({"micrograd": "micrograd.engine"}.get(engine, engine)).Value
    operation, n = KINDS[kind], int(length or LENGTH[engine])
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


def measure_reading(name: str) -> None:
    x = y = mg.Value(0.5, "x")
    for _ in range(LENGTH["microgradlike"] // 2):
        y = y * 0.9999999 + 0.0000001
    gc.collect()
    before, start = peak(), time.perf_counter()
    READINGS[name](y, x)
    print(f"{name:25}{time.perf_counter() - start:8.2f}{(peak() - before) / 1e6:14,.0f}")


def main(what: str = "") -> None:
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}")
    if what == "readings":
        print(f"{'':25}{'seconds':>8}{'megabytes more':>15}")
        for name in READINGS:
            subprocess.run([sys.executable, __file__, what, name], check=True)
        return
    print(f"at most {TARGET} bytes an operation are wanted of microgradlike")
    print(f"{'':29}{'operations':>11}{'bytes each':>11}{'forward s':>10}{'backward s':>11}{'free s':>9}")
    for engine in ["microgradlike"] if what else LENGTH:
        if not find_spec(engine):
            raise SystemExit(f'{engine} is not installed: pip install -e ".[bench]"')
        for kind in KINDS:
            if (engine, kind) != ("micrograd", "tanh(x)"):
                subprocess.run(
                    [sys.executable, __file__, engine, kind, *([what] if what else [])], check=True
                )


if __name__ == "__main__":
    if len(sys.argv) <= 2:
        main(*sys.argv[1:])
    elif sys.argv[1] == "readings":
        measure_reading(sys.argv[2])
    else:
        sys.setrecursionlimit(1_000_000)
        threading.stack_size(1024 * 1024 * 1024 - 4096)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(measure, *sys.argv[1:]).result()
