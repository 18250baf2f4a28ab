"""Saved files can be loaded again, say of which model they are, and show damage."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

import microgradlike as mg
from microgradlike import MLP, Value
from microgradlike.nn import Layer, Module, load


class Power(Module):
    def __init__(self, power: int = 2, function: Any = mg.tanh, inner: Any = None) -> None:
        self.w, self.power, self.function = Value(1.0), power, function
        self.inner = inner or [MLP(1, [2, 1])]
        self._calls = 0

    def __call__(self, x: Any) -> Any:
        self._calls += 1
        return self.function(self.w * x[0]) ** self.power + self.inner[0](x)


def changed_activation() -> MLP:
    network = MLP(2, [2, 1])
    network.layers[0].neurons[1].activation = "tanh"
    return network


def other_attribute() -> MLP:
    network = MLP(2, [2, 1])
    network.activation = "tanh"  # which its neurons don't know
    return network


def appended() -> MLP:
    network = MLP(2, [2, 1])
    network.layers.append(Layer(1, 1, first=4, activation="linear"))
    return network


class Scaled(MLP):
    def __call__(self, x: Any) -> Any:
        return super().__call__(x) * 2.0


@pytest.mark.parametrize(
    ("written", "other", "says"),
    [
        (changed_activation, lambda: MLP(2, [2, 1]), r"its layers is .*, that of this model None"),
        (lambda: MLP(2, [2, 1]), changed_activation, r"its layers is None, that of this model "),
        (other_attribute, lambda: MLP(2, [2, 1]), r"its activation is 'tanh', that of this model 'relu'"),
        (other_attribute, lambda: MLP(2, [2, 1], activation="tanh"), r"its layers is "),
        (appended, lambda: MLP(2, [2, 1]), r"its layers is "),
        (
            lambda: Scaled(2, [2, 1]),
            lambda: MLP(2, [2, 1]),
            r"its model is 'Scaled', that of this model 'MLP'",
        ),
        (lambda: Power(3), Power, r"its power is 3, that of this model 2"),
        (lambda: Power(function=mg.relu), Power, r"its function is 'relu', that of this model 'tanh'"),
        (
            lambda: Power(inner=[MLP(1, [2, 1], activation="tanh")]),
            Power,
            r"its parts.inner\[0\].activation is 'tanh', that of this model 'relu'",
        ),
    ],
)
def test_a_model_of_another_architecture_is_refused_by_name(
    tmp_path: Path, written: Any, other: Any, says: str
) -> None:
    path = tmp_path / "model.json"
    model, stranger = written(), other()
    model.save(path)
    before = stranger.state_dict()
    with pytest.raises(ValueError, match=says):
        stranger.load(path)
    assert stranger.state_dict() == before
    same = written()
    for p in same.parameters():
        p.data += 1.0
    same.load(path)
    assert same.state_dict() == model.state_dict()
    if isinstance(model, MLP) and not says.startswith("its layers is None"):
        with pytest.raises(ValueError, match=r"this is no MLP: its (layers were changed|model is)"):
            load(path)


def test_an_attribute_that_begins_with_an_underscore_is_no_setting(tmp_path: Path) -> None:
    model = Power()
    model([1.0])
    model.save(tmp_path / "model.json")
    Power().load(tmp_path / "model.json")


def test_a_model_that_holds_itself_is_described() -> None:
    model = Power()
    model.inner.append(model)
    assert "Power" in json.dumps(model.describe())


@pytest.mark.parametrize(
    ("name", "thing", "says"),
    [
        ("classes", [0.5, 1], "its classes are"),
        ("classes", ["a", None], "its classes are"),
        ("classes", ["a", "a"], "its classes are .*, where one stands twice"),
        ("threshold", math.nan, "its threshold is nan"),
        ("threshold", "0.5", "its threshold is '0.5'"),
        ("threshold", True, "its threshold is True"),
        ("features", [1, 2], r"its features are \[1, 2\], not a list of names"),
        ("features", ["a"], "1 features do not fit 2 inputs"),
        ("features", ["a", {1}], "a thing that JSON cannot hold"),
        ("units", mg.units.Units((0.0,), (1.0,)), "units of 1 inputs do not fit 2 inputs"),
        ("units", mg.units.Units((0.0, math.nan), (1.0, 1.0)), "means of the units are"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path, name: str, thing: Any, says: str) -> None:
    path, model = tmp_path / "model.json", MLP(2, [2, 1])
    model.save(path)
    before = path.read_bytes()
    setattr(model, name, thing)
    with pytest.raises(
        ValueError, match=rf"model\.json: not saved, since it could not be loaded: .*{says}"
    ):
        model.save(path)
    assert path.read_bytes() == before and [*tmp_path.iterdir()] == [path]


def test_a_file_without_a_check_sum_is_loaded_with_a_word(tmp_path: Path) -> None:
    path, model = tmp_path / "model.json", MLP(2, [2, 1], seed=7)
    model.save(path)
    content = json.loads(path.read_text())
    assert content["version"] == 2 and content.pop("checksum").startswith("crc32:")
    path.write_text(json.dumps(content))
    with pytest.warns(UserWarning, match=r"model\.json: it has no check sum"):
        assert load(path).state_dict() == model.state_dict()


def test_a_checkpoint_of_another_backend_is_refused_or_followed(tmp_path: Path) -> None:
    path = tmp_path / "run.json"

    def train(epochs: int, compile: Any, resume: bool = True) -> mg.History:  # noqa: A002
        network = MLP(2, [2, 1], activation="tanh")
        return mg.fit(
            network, mg.data.xor(), epochs=epochs, compile=compile, progress=False,
            checkpoint=path, resume=resume,
        )  # fmt: skip

    for backend in (False, "python"):
        whole = train(6, backend, resume=False)
        train(3, backend, resume=False)
        other = "python" if backend is False else False
        with pytest.raises(ValueError, match=r"run\.json: this training is computed by .*: write compile="):
            train(6, other)
        resumed = train(6, "auto")
        assert resumed.backend == whole.backend and resumed.losses == whole.losses


def test_a_checkpoint_does_not_replace_a_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("precious")
    with pytest.raises(ValueError, match="this file is no checkpoint, and would be replaced by one"):
        mg.fit(MLP(2, [2, 1]), mg.data.xor(), epochs=1, progress=False, checkpoint=path)
    assert path.read_text() == "precious"
