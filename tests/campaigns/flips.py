"""One bit of a file flipped: the file is refused, or all that is read from it is as it was.

python -m campaigns.flips 2000         (in the folder tests; so many models and checkpoints; a minute)
"""

import random
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import microgradlike as mg


class Counts(NamedTuple):
    """Count the damaged files that were refused, gave the same, or gave something else without a word."""

    refused: int
    same: int
    other: int

    def __str__(self) -> str:
        return f"{self.refused:6,} refused {self.same:6,} the same {self.other:6,} others"


def models(folder: Path) -> list[tuple[bytes, Callable[[Path], object]]]:
    """Files of models of several kinds, and what is read from such a file."""
    X = [[0.1 * i, 50.0 + (7 * i % 10)] for i in range(12)]
    numbers, words = [3000 * a for a, _ in X], ["high" if a > 0.5 else "low" for a, _ in X]
    networks = [mg.MLP(2, [3, 1], activation="tanh"), mg.MLP(2, [2, 2]), mg.MLP(2, [4, 3, 1], seed=1)]
    mg.fit(networks[0], (X, numbers), standardize=True, epochs=3, progress=False)
    mg.fit(networks[1], (X, words), standardize=True, epochs=3, progress=False)
    files: list[tuple[bytes, Callable[[Path], object]]] = []
    for network in networks:
        network.save(folder / "model.json")

        def read(path: Path) -> object:
            model = mg.nn.load(path)
            about = model.features, model.task, model.units, model.sizes
            return model.state_dict(), about, model.predict(X), model.outputs(X)

        files.append(((folder / "model.json").read_bytes(), read))
    return files


def checkpoints(folder: Path) -> list[tuple[bytes, Callable[[Path], object]]]:
    """Files of trainings of several kinds, and what comes out if they go on."""
    X = [[0.1 * i, 50.0 + (7 * i % 10)] for i in range(8)]
    words = ["high" if a > 0.4 else "low" for a, _ in X]

    def train(path: Path, kind: int, epochs: int) -> object:
        network = mg.MLP(2, [2, 1], activation="tanh")
        optimizer = [mg.SGD, mg.Adam][kind](network.parameters(), lr=0.01)
        options: dict[str, Any] = [{}, {"standardize": True, "batch_size": 3, "validation": 0.25}][kind]
        history = mg.fit(
            network, (X, words), optimizer=optimizer, epochs=epochs, progress=False, compile=False,
            checkpoint=path, resume=True, **options,
        )  # fmt: skip
        return network.state_dict(), network.task, network.units, history.losses, optimizer.state_dict()

    files: list[tuple[bytes, Callable[[Path], object]]] = []
    for kind in (0, 1):
        path = folder / f"run{kind}.json"
        train(path, kind, 3)

        def read(path: Path, kind: int = kind) -> object:
            return train(path, kind, 4)

        files.append((path.read_bytes(), read))
    return files


def count(files: list[tuple[bytes, Callable[[Path], object]]], folder: Path, number: int) -> Counts:
    rng, path = random.Random(0), folder / "damaged.json"
    expected = []
    for content, read in files:
        path.write_bytes(content)
        expected.append(read(path))
    refused = same = other = 0
    for i in range(number):
        content, read = files[i % len(files)]
        damaged = bytearray(content)
        place = rng.randrange(8 * len(content))
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that there is no check sum any more
                found = read(path)
        except ValueError:
            refused += 1
            continue
        if found == expected[i % len(files)]:
            same += 1
        else:
            other += 1
            print(f"bit {place} of {content[place // 8 - 30 : place // 8 + 30]!r}")
    return Counts(refused, same, other)


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as folder:
        for name, make in {"models": models, "checkpoints": checkpoints}.items():
            print(f"{name:12} {count(make(Path(folder)), Path(folder), number)}")


if __name__ == "__main__":
    main()
