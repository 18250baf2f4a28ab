"""Times of training, beside those of another version of this package, in one run.

    git worktree add ../before 93739aa
    python tests/benchmarks/training.py --before ../before         # --rounds 5

Four trainings: XOR by the 2-2-1 sigmoid network, moons by MLP(2, [16, 16, 1]), scikit-learn's digits by
MLP(64, [32, 10]) in batches of 32, and its iris flowers by MLP(4, [8, 3]), standardised. In the first half
only this package's code runs; in the second half the loss is a lambda of the user's. The first epoch is
timed alone, since it holds what is done once; then the mean of the others is that of an epoch.

Each training of each version is a process of its own, and the versions take turns, round by round. The
times are those of the process, which stand still while others use the machine. The shortest time of all
rounds is printed, as that which others disturbed least.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[2]
TASKS = {"XOR": 20_000, "moons": 2000, "digits": 8, "iris": 4000}  # epochs


def train(task: str, own_loss: bool) -> tuple[float, float]:
    """Seconds of the first epoch, and of one of the others."""
    import microgradlike as mg

    epochs, options = TASKS[task], dict[str, Any]()
    loss: Any = mg.half_squared_error
    if task == "XOR":
        model = mg.MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
        data: Any = mg.data.xor()
        optimizer: Any = mg.SGD(model.parameters(), lr=2.0)
    elif task == "moons":
        model, data = mg.MLP(2, [16, 16, 1], activation="tanh"), mg.data.moons(200)
        optimizer = mg.Adam(model.parameters(), lr=0.01)
    else:
        from sklearn.datasets import load_digits, load_iris

        loss = mg.cross_entropy
        X, t = (load_digits if task == "digits" else load_iris)(return_X_y=True)
        if task == "digits":
            model, data = mg.MLP(64, [32, 10]), (X / 16, t)
            optimizer = mg.SGD(model.parameters(), lr=0.05, momentum=0.9)
            options["batch_size"] = 32
        else:
            model, data = mg.MLP(4, [8, 3], activation="tanh"), (X, t)
            optimizer = mg.Adam(model.parameters(), lr=0.01)
            options["standardize"] = True
    built_in = loss
    if own_loss:
        loss = lambda y, t: built_in(y, t)  # noqa: E731, PLW0108
    clock: list[float] = []
    start = time.process_time()
    history = mg.fit(model, data, loss=loss, optimizer=optimizer, epochs=1, progress=False, **options)
    clock.append(time.process_time() - start)
    start = time.process_time()
    mg.fit(model, data, loss=loss, optimizer=optimizer, epochs=epochs, progress=False, **options)
    clock.append(time.process_time() - start)
    assert len(history) == 1
    return clock[0], (clock[1] - clock[0]) / (epochs - 1)


def child(tree: Path, task: str, own_loss: bool) -> tuple[float, float]:
    """The same in a process of its own, with the package of this tree."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", task, str(int(own_loss))],
        env={**os.environ, "PYTHONPATH": str(tree), "OPENBLAS_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    first, each = json.loads(done.stdout)
    return first, each


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--before", type=Path, help="another checkout of this package")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        task, own_loss = arguments.child
        print(json.dumps(train(task, own_loss == "1")))
        return
    trees = [HERE] if arguments.before is None else [arguments.before.resolve(), HERE]
    print(
        f"{'training':8} {'loss':9} {'first epoch, ms':>24} {'ratio':>6} {'an epoch, ms':>24} {'ratio':>6}"
    )
    for own_loss in (False, True):
        for task in TASKS:
            times = [[child(tree, task, own_loss) for tree in trees] for _ in range(arguments.rounds)]
            columns = []
            for part in (0, 1):
                least = [min(turn[k][part] for turn in times) for k in range(len(trees))]
                text = " → ".join(f"{1000 * seconds:.4g}" for seconds in least)
                columns.append(f"{text:>24} {least[-1] / least[0]:6.2f}")
            print(f"{task:8} {'a lambda' if own_loss else 'built-in':9} {' '.join(columns)}", flush=True)


if __name__ == "__main__":
    main()
