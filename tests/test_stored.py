"""Files that earlier versions wrote: each still loads, and gives what it gave."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from make_version1 import Line, trainings

import microgradlike as mg

FOLDER = Path(__file__).parent / "stored" / "version1"
EXPECTED: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))


def close(expected: Any) -> Any:
    """The same but for the last digits, in which the libraries of two machines may differ."""
    if isinstance(expected, list):
        return [*map(close, expected)]
    return expected if isinstance(expected, str) else pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", EXPECTED["models"])
def test_a_model_of_version_1_predicts_as_it_did(name: str) -> None:
    expected, path = EXPECTED["models"][name], FOLDER / f"model_{name}.json"
    model: Any = Line() if name == "own_class" else mg.nn.load(path)
    if name == "own_class":
        model.load(path)
    assert model.state_dict() == expected["parameters"]  # bits
    assert model.outputs(expected["rows"]) == close(expected["outputs"])
    assert model.predict(expected["rows"]) == close(expected["predictions"])


@pytest.mark.parametrize("name", EXPECTED["checkpoints"])
def test_a_checkpoint_of_version_1_goes_on(tmp_path: Path, name: str) -> None:
    path = Path(shutil.copy(FOLDER / f"checkpoint_{name}.json", tmp_path))
    model, history = trainings()[name](15, progress=False, compile=False, checkpoint=path, resume=True)
    expected = EXPECTED["checkpoints"][name]
    units = model.units
    scale = units.target_spreads[0] ** 2 if units else 1.0  # version 1 had losses in standard units
    assert history.losses == close([loss * scale for loss in expected["losses"]])
    if not units:  # whose parameters were not for standard units
        assert model.state_dict() == {name: close(p) for name, p in expected["parameters"].items()}
