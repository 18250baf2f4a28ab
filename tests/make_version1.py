"""Made the files of tests/stored/version1: models and checkpoints of version 1, and what they must give.

It was run once, at commit 93739aa, the last one that wrote version 1. It is kept to be read: today's code
writes another version. Run from the root of the repository: ``python tests/make_version1.py``.
"""

import json
from pathlib import Path
from typing import Any

import microgradlike as mg

FOLDER = Path(__file__).parent / "stored" / "version1"

X: list[list[float]] = [[0.1 * i, (7 * i % 10) / 3.0] for i in range(20)]
ROWS: list[list[float]] = [[0.0, 0.0], [0.25, 1.5], [1.9, 3.0], [-1.0, 0.125]]
LINE = [2.0 * a - b + 0.5 for a, b in X]
FAR = [[1000.0 + 40.0 * a, 0.001 * b] for a, b in X]
FAR_ROWS = [[1000.0, 0.0], [1010.0, 0.0015], [1076.0, 0.003], [960.0, 0.000125]]


class Line(mg.Module):
    """A model of one's own."""

    def __init__(self) -> None:
        self.slope = mg.Value(1.5)
        self.parts: dict[str, Any] = {"offset": mg.Value(-0.25), "more": [mg.Value(0.125)]}

    def __call__(self, x: Any) -> Any:
        return self.slope * x[0] + self.parts["offset"] + self.parts["more"][0] * x[1]


def trained(model: Any, data: Any, **options: Any) -> Any:
    mg.fit(model, data, epochs=20, progress=False, compile=False, **options)
    return model


def words(t: list[float], middle: float) -> list[str]:
    return ["high" if y > middle else "low" for y in t]


def models() -> dict[str, tuple[Any, list[list[float]]]]:
    """By name: a model, and rows to predict."""
    three = ["a" if a < 0.5 else "b" if b < 2 else "c" for a, b in X]
    return {
        "plain": (mg.MLP(2, [3, 1], activation="tanh", seed=5), ROWS),
        "deep": (mg.MLP(2, [12, 3, 2], activation="gelu", output_activation="softplus"), ROWS),
        "numbers": (trained(mg.MLP(2, [4, 1], activation="tanh"), (X, LINE)), ROWS),
        "words": (
            trained(
                mg.MLP(2, [3, 1], activation="tanh"),
                (X, words(LINE, 1.0)),
                loss=mg.binary_cross_entropy_with_logits,
            ),
            ROWS,
        ),
        "three_classes": (trained(mg.MLP(2, [4, 3]), (X, three)), ROWS),
        "threshold": (
            trained(mg.MLP(2, [2, 1]), (X, [int(y > 1.0) for y in LINE]), loss=mg.mse_loss),
            ROWS,
        ),
        "standardized_inputs": (
            trained(
                mg.MLP(2, [3, 1], activation="tanh"),
                (FAR, words(LINE, 1.0)),
                standardize=True,
                loss=mg.binary_cross_entropy_with_logits,
            ),
            FAR_ROWS,
        ),
        "standardized_targets": (
            trained(
                mg.MLP(2, [3, 1], activation="tanh"), (FAR, [1e4 + 50 * y for y in LINE]), standardize=True
            ),
            FAR_ROWS,
        ),
        "own_class": (trained(Line(), (X, LINE)), ROWS),
    }


def trainings() -> dict[str, Any]:
    """By name: a function that trains for some epochs, with a checkpoint or without."""

    def plain(epochs: int, **options: Any) -> tuple[Any, Any]:
        model = mg.MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
        optimizer = mg.SGD(model.parameters(), lr=0.5, momentum=0.9)
        return model, mg.fit(model, mg.data.xor(), optimizer=optimizer, epochs=epochs, **options)

    def batches(epochs: int, **options: Any) -> tuple[Any, Any]:
        model = mg.MLP(2, [4, 1], activation="tanh")
        optimizer = mg.Adam(model.parameters(), lr=0.01)
        return model, mg.fit(
            model, (X, LINE), optimizer=optimizer, epochs=epochs, batch_size=6, validation=0.25, **options
        )

    def standardized(epochs: int, **options: Any) -> tuple[Any, Any]:
        model = mg.MLP(2, [4, 1], activation="tanh")
        optimizer = mg.AdamW(model.parameters(), lr=0.01)
        targets = [1e4 + 50 * y for y in LINE]
        return model, mg.fit(
            model, (FAR, targets), optimizer=optimizer, epochs=epochs, standardize=True, **options
        )

    def compiled(epochs: int, **options: Any) -> tuple[Any, Any]:
        model = mg.MLP(2, [4, 3], activation="tanh")
        optimizer = mg.SGD(model.parameters(), lr=0.1)
        targets = ["a" if a < 0.5 else "b" if b < 2 else "c" for a, b in X]
        return model, mg.fit(
            model, (X, targets), optimizer=optimizer, epochs=epochs, **(options | {"compile": "python"})
        )

    return {"plain": plain, "batches": batches, "standardized": standardized, "compiled": compiled}


def main() -> None:
    """Write the files, and in expected.json what they give."""
    expected: dict[str, Any] = {"models": {}, "checkpoints": {}}
    for name, (model, rows) in models().items():
        model.save(FOLDER / f"model_{name}.json")
        expected["models"][name] = {
            "rows": rows,
            "outputs": model.outputs(rows),
            "predictions": model.predict(rows),
            "parameters": model.state_dict(),
        }
    for name, train in trainings().items():
        train(7, progress=False, compile=False, checkpoint=FOLDER / f"checkpoint_{name}.json")
        model, history = train(15, progress=False, compile=False)
        expected["checkpoints"][name] = {
            "losses": history.losses,
            "parameters": model.state_dict(),
        }
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
