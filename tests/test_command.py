"""The command line as a person meets it: the main job, real data, and what goes wrong."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import microgradlike as mg
from microgradlike.__main__ import main
from microgradlike.nn import MLP, load


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        code = main(arguments)
    except SystemExit as stop:  # argparse's own way to end
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def test_the_main_job_trains_xor_and_shows_how(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys)
    assert (code, err) == (0, "")
    lines = iter(out.splitlines())
    # In this order: the network before, one example worked out in the document's order, the training.
    for start in (
        "Network: 2-2-1, sigmoid inside, sigmoid at the end",
        "  z1:   w11 = ",
        "  z3:   w31 = ",
        "  z1 = w11·x1 + w12·x2 + b1 = ",
        "  z2 = w21·x1 + w22·x2 + b2 = ",
        "  h1 = σ(z1) = ",
        "  h2 = σ(z2) = ",
        "  z3 = w31·h1 + w32·h2 + b3 = ",
        "  y = σ(z3) = ",
        "  L = ½(y − t)² = ",
        "  ∂L/∂y = y − t = ",
        "  ∂y/∂z3 = y(1 − y) = ",
        "  ∂L/∂w31 = ∂L/∂y · ∂y/∂z3 · h1 = ",
        "  ∂L/∂w32 = ∂L/∂y · ∂y/∂z3 · h2 = ",
        "  ∂L/∂b3 = ∂L/∂y · ∂y/∂z3 = ",
        "  ∂L/∂h1 = ∂L/∂y · ∂y/∂z3 · w31 = ",
        "  ∂L/∂z1 = ∂L/∂h1 · h1(1 − h1) = ",
        "  ∂L/∂w11 = ∂L/∂z1 · x1 = ",
        "  ∂L/∂b2 = ∂L/∂z2 = ",
        "Training stopped after ",
        "  early ",
        "  middle ",
        "  late ",
        "After training:",
        "  x = (0, 0): ",
        "  x = (1, 1): ",
        "  4 of 4 right",
    ):
        assert any(line.startswith(start) for line in lines), f"missing, or out of order: {start}"
    assert "the target was reached" in out


def test_a_worked_line_is_true(capsys: pytest.CaptureFixture[str]) -> None:
    """The numbers of ∂L/∂w31 multiply to the result that the line gives."""
    _, out, _ = run(capsys, "train", "--epochs", "1")
    [line] = [line for line in out.splitlines() if line.startswith("  ∂L/∂w31")]
    _, _, numbers, result = line.split(" = ")
    product = 1.0
    for factor in numbers.split(" · "):
        product *= float(factor.strip("()").replace("−", "-"))
    assert product == pytest.approx(float(result.replace("−", "-")), rel=1e-3)


def test_a_run_that_is_stuck_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--seed", "0", "--epochs", "6000")
    assert code == 0
    assert "wrong" in out and "It is stuck" in out and "local minimum" in out


def test_a_rate_that_diverges_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "line.csv"
    path.write_text("".join(f"{x},{3.25 * x + 0.5}\n" for x in range(20)))
    code, out, _ = run(capsys, "train", str(path), "--lr", "1e6", "--activation", "linear")
    assert code == 0
    assert "it diverged in epoch" in out and "smaller learning rate" in out and "= nan" not in out


IRIS_LIKE = "a,b,kind\n" + "".join(
    f"{center + 0.01 * i},{2 * center - 0.02 * i},{kind}\n"
    for i in range(8)
    for center, kind in ((0.0, "setosa"), (2.0, "versicolor"), (4.0, "virginica"))
)


def test_a_csv_file_with_three_classes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "flowers.csv"
    path.write_text(IRIS_LIKE)
    code, out, err = run(capsys, "train", str(path), "--epochs", "200")
    assert (code, err) == (0, "")
    assert "classes: setosa, versicolor, virginica" in out
    assert "24 of 24 right" in out


def test_iris_as_scikit_learn_writes_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    datasets = pytest.importorskip(
        "sklearn.datasets", reason="needs scikit-learn: pip install scikit-learn"
    )
    pytest.importorskip("pandas", reason="needs pandas: pip install pandas")
    path = tmp_path / "iris.csv"
    datasets.load_iris(as_frame=True).frame.to_csv(path)  # with pandas' column of row numbers
    code, out, _ = run(capsys, "train", str(path), "--epochs", "100")
    assert code == 0
    assert "it is left out" in out
    assert int(out.split(" of 150 right")[0].split()[-1]) >= 140


def test_iris_is_learned_to_95_percent_of_held_out_flowers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    datasets = pytest.importorskip(
        "sklearn.datasets", reason="needs scikit-learn: pip install scikit-learn"
    )
    iris = datasets.load_iris()
    path = tmp_path / "iris.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [[*iris.feature_names, "species"]]
            + [[*row, iris.target_names[t]] for row, t in zip(iris.data.tolist(), iris.target)]
        )
    right = 0
    for seed in range(5):
        code, out, err = run(
            capsys, "train", str(path), "--target", "species", "--validation", "0.2", "--seed", str(seed)
        )
        assert (code, err) == (0, "")
        found = re.search(r"(\d+) of 30 held-out examples right", out)
        assert found
        right += int(found[1])
    assert right >= 0.95 * 150


@pytest.mark.parametrize(
    "loss",
    [
        "half_squared_error",
        "mse_loss",
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
        "hinge_loss",
        "cross_entropy",
    ],
)
def test_every_loss_learns_xor(capsys: pytest.CaptureFixture[str], loss: str) -> None:
    code, out, _ = run(
        capsys, "--loss", loss, "--lr", "0.5", "--sizes", f"2,6,{1 + (loss == 'cross_entropy')}"
    )
    assert code == 0
    assert "4 of 4 right" in out


def test_a_straight_line_is_met(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Regression in units far from 1: the file the network is saved to takes and gives raw numbers."""
    path, model = tmp_path / "line.csv", tmp_path / "model.json"
    path.write_text(
        "size,price\n" + "".join(f"{1000 + x},{3e6 + 2e4 * x + 0.5}\n" for x in range(0, 100, 5))
    )
    code, out, _ = run(
        capsys,
        "train",
        str(path),
        "--activation",
        "linear",
        "--lr",
        "0.1",
        "--until",
        "1e-12",
        "--save",
        str(model),
    )
    assert code == 0 and "target: price" in out
    assert MLP.from_file(model)([1050]).data == pytest.approx(4e6, rel=1e-4)


def test_save_then_load_goes_on(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = tmp_path / "a model.json"
    first = run(capsys, "--epochs", "50", "--save", str(model))
    assert first[0] == 0 and f"Saved to {model}" in first[1]
    numbers = json.loads(model.read_text())["parameters"]
    code, out, _ = run(capsys, "--load", str(model), "--epochs", "1")
    assert code == 0 and f"w11 = {numbers['w11']:8.4f}" in out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "there is no data in it"),
        ("\n \n", "there is no data in it"),
        ("a,b\n", "no data below the header"),
        ("1\n2\n", "line 1: one column only"),
        ("1,2\n3\n", "line 2: 1 cell, but line 1 has 2"),
        ("a,b,t\n1,2,0\n1,2,3,1\n", "line 3: 4 cells, but line 1 has 3"),
        ("1,2,0\n3,four,1\n", "line 2, column 2 (x2): it holds 'four'"),
        ("a,b,t\n1,2,0\n\n3,,1\n", "line 4, column 2 (b): it is empty"),
        ("1,2,0\n3,nan,1\n", "line 2, column 2 (x2): it holds 'nan'"),
        ("1,inf,0\n3,4,1\n", "line 1, column 2 (x2): it holds 'inf'"),
        ("1,2,0\n3,4,NaN\n", "line 2, column 3 (t): it holds 'NaN'"),
        ("1,2,0\n3,4,\n", "line 2, column 3 (t): it is empty"),
        ("1,2,yes\n3,4,yes\n", "every target is 'yes'"),
        ("1,2,a\n3,4,b\n5,6,c\n7,8,d\n", "4 different words for 4 examples"),
        ("1,2,t\n", "every target is 't'"),
        ("1,setosa,0\n3,4,1\n", "--header yes"),
    ],
)
def test_bad_files_are_one_line_with_the_place(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "my data.csv"
    path.write_text(content)
    code, out, err = run(capsys, "train", str(path))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"microgradlike: {path}") and message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "no such file.csv"], "no such file.csv: No such file"),
        (["train", "."], "Is a directory"),
        (["--load", "absent.json"], "absent.json: No such file"),
        (["--sizes", "3,2,1"], "the sizes 3,2,1 do not fit: XOR has 2 inputs"),
        (["--sizes", "2,2,4"], "needs 1 outputs"),
        (["--sizes", "2"], "'2' is no list of layer sizes"),
        (["--sizes", "2,x"], "'2,x' is no list of layer sizes"),
        (["--lr", "0"], "'0' is not a number above 0"),
        (["--lr", "nan"], "'nan' is not a number above 0"),
        (["--epochs", "1.5"], "'1.5' is not a whole number"),
        (["--loss", "l2"], "invalid choice"),
        (["--activation", "sgn"], "invalid choice"),
        (["--save", "no/such/place.json"], "there is no directory"),
        (["--save", "."], "this is a directory"),
        (["--target", "x"], "XOR has none"),
        (["--task", "numbers", "--loss", "hinge_loss"], "hinge_loss is for classes"),
        (["--unknown"], "unrecognized arguments"),
    ],
)
def test_bad_arguments_are_one_line(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not list(tmp_path.iterdir())


def test_the_data_are_not_overwritten(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(IRIS_LIKE)
    code, _, err = run(capsys, "train", str(path), "--save", str(path))
    assert code == 2 and "this is the data" in err and path.read_text() == IRIS_LIKE


def test_whole_numbers_can_be_met_as_numbers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    path.write_text("".join(f"{i / 8},{i // 8}\n" for i in range(40)))
    assert "classes: 0, 1, 2, 3, 4" in run(capsys, "train", str(path), "--epochs", "2")[1]
    assert "target: t" in run(capsys, "train", str(path), "--epochs", "2", "--task", "numbers")[1]


def test_stuck_is_said_of_what_has_come_to_rest_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert "stuck" not in run(capsys, "--seed", "0", "--epochs", "150")[1]
    assert "without a hidden layer" in run(capsys, "--sizes", "2,1", "--epochs", "2000")[1]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_no_minus_sign_is_lost_where_the_terminal_has_none(encoding: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "microgradlike", "--epochs", "1"],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )
    out = result.stdout.decode(encoding)
    assert "dL/dw31 = dL/dy" in out and "(y - t)" in out and "?" not in out


def test_a_damaged_model_file_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = tmp_path / "model.json"
    run(capsys, "--epochs", "1", "--save", str(model))
    model.write_text(model.read_text()[:100])
    code, _, err = run(capsys, "--load", str(model))
    assert code == 2 and err.count("\n") == 1 and "cut off" in err and "line" in err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
def test_ctrl_c_keeps_what_was_trained(tmp_path: Path) -> None:
    model = tmp_path / "model.json"
    command = [sys.executable, "-u", "-m", "microgradlike", "--seed", "0", "--epochs", "100000000"]
    with subprocess.Popen(
        [*command, "--save", str(model)],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        # What is started in the background of a shell ignores it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        assert process.stdout
        while not process.stdout.readline().startswith("Numbers are shown"):
            assert process.poll() is None, "the program ended before it trained"
        time.sleep(1.5)  # it trains now
        process.send_signal(signal.SIGINT)
        out = process.stdout.read()
    assert process.returncode == 130
    assert "interrupted after epoch" in out and "Saved to" in out
    assert MLP.from_file(model).sizes == [2, 2, 1]


def test_a_closed_pipe_ends_it_quietly() -> None:
    command = f'"{sys.executable}" -m microgradlike --epochs 2 | head -n 1'
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert result.stdout.startswith("Data: XOR")
    assert result.stderr == ""


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert "train" in run(capsys, "--help")[1]
    assert "--sizes" in run(capsys, "train", "--help")[1]
    assert run(capsys, "--version")[1].startswith("microgradlike ")


# ── draw and step ─────────────────────────────────────────────────────────────────────────────────────


def test_the_main_job_draws_its_example(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "net.gv"
    code, out, err = run(capsys, "--epochs", "5", "--picture", str(path))
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].endswith(f"is drawn in {path}.")
    assert "z₁ = w₁₁x₁ + w₁₂x₂ + b₁" in path.read_text(encoding="utf-8")


def test_draw_says_where_and_what(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path, model = tmp_path / "net.gv", tmp_path / "model.json"
    MLP(3, [4, 2]).save(model)
    for arguments, what, inside in (
        ([], "at x = (1, 1), t = (0).", "½(y−t)²"),
        (["--inputs", "0,1", "--target", "1"], "at x = (0, 1), t = (1).", "σ′ = "),
        (["--detail", "values"], "at x = (1, 1)", "w·x"),
        (["--load", str(model)], "MLP(3, [4, 2]", "MLP 3-4-2"),
        (["--load", str(model), "--inputs", "1,2,3", "--precision", "2"], "at x = (1, 2, 3).", "relu′ = "),
    ):
        code, out, err = run(capsys, "draw", "-o", str(path), *arguments)
        assert (code, err) == (0, "")
        assert out.startswith(f"Drawn in {path}: ") and what in out
        assert inside in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["draw", "-o", "net.xyz"], "there is no format 'xyz'"),
        (["draw", "-o", "missing/net.gv"], "there is no directory"),
        (["draw", "--inputs", "1,2,3"], "takes 2 inputs, got 3"),
        (["draw", "--target", "0,1"], "--target needs one number for each output, so 1"),
        (["draw", "--inputs", "1,x"], "no list of numbers"),
        (["draw", "--load", "missing.json"], "missing.json"),
        (["draw", "--precision", "99"], "precision"),
        (["--picture", "missing/net.gv"], "there is no directory"),
        (["--picture", "net.xyz"], "there is no format"),
        (["step", "--inputs", "1"], "takes 2 inputs, got 1"),
        (["step", "--inputs", "nan,1"], "'nan,1' has a number that is not finite"),
        (["step", "--inputs", "1e400,1"], "'1e400,1' has a number that is not finite"),
        (["step", "--save", "missing/steps.html"], "missing/steps.html"),
    ],
)
def test_bad_pictures_and_steps_are_one_line(
    arguments: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert says in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_step_prints_all_steps_where_nobody_can_type(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = run(capsys, "step")
    assert (code, err) == (0, "")
    assert out.count("step ") == 7 and "∂L/∂z3 += ∂L/∂y · ∂y/∂z3 = ∂L/∂y · y(1 − y) = " in out
    page = tmp_path / "steps.html"
    code, out, _ = run(capsys, "step", "--save", str(page))
    assert code == 0 and str(page) in out
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_step_in_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter(["b", "", "0.378", "0.089", "back", "abc", *[""] * 7, "b", "?", "", "Q"])
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return next(typed)

    monkeypatch.setattr("builtins.input", answer)
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    code, out, _ = run(capsys, "step")
    assert code == 0
    assert asked[:6] == [
        "∂L/∂y = ? ",
        "∂L/∂y = ? ",
        "∂L/∂z3 = ? ",
        "∂L/∂z3 = ? ",
        "∂L/∂w31 = ? ",
        "∂L/∂z3 = ? ",
    ]
    assert "that leaves out y(1 − y)" in out and "∂L/∂z3 = 0.08883: right" in out
    assert "'abc' is no number" in out and "There is no step that way" in out
    assert asked[-1] == "That was all. "
    assert out.count("step 7 of 7: z2 = ") == 2, "b from the end says again what is asked"
    assert ", ∂L/∂x1 so far " in out and out.count("q quits, ? says this.") == 3


def test_a_picture_never_replaces_a_network(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = tmp_path / "m.json"
    MLP(2, [2, 1]).save(model)
    before = model.read_text(encoding="utf-8")
    code, _, err = run(capsys, "draw", "--load", str(model), "-o", str(model))
    assert code == 2 and "--load names this file, too" in err
    assert model.read_text(encoding="utf-8") == before
    both = tmp_path / "k.json"
    code, _, err = run(capsys, "--epochs", "2", "--save", str(both), "--picture", str(both))
    assert code == 2 and "--save names this file, too" in err and not both.exists()


def test_a_list_may_begin_with_a_minus(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "net.gv"
    code, out, _ = run(capsys, "draw", "--inputs", "-1,0", "--target", "-.5", "-o", str(path))
    assert code == 0 and "at x = (-1, 0), t = (-0.5)" in out


# ── A whole way: train, predict, evaluate ─────────────────────────────────────────────────────────────


def flowers(path: Path) -> Path:
    mg.data.flowers(150, seed=1).save(path)
    return path


def test_train_predict_evaluate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data, model, out = flowers(tmp_path / "flowers.csv"), tmp_path / "model.json", tmp_path / "said.csv"
    code, text, err = run(
        capsys, "train", str(data), "--hidden", "8,8", "--target", "species", "--validation", "0.2",
        "--save", str(model), "--seed", "1",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "Network: 4-8-8-3" in text and "30 examples are held out for validation." in text
    held_out = re.search(r"(\d+) of 30 held-out examples right", text)
    assert held_out and int(held_out[1]) >= 28
    network = load(model)
    assert list(network.features) == ["sepal length", "sepal width", "petal length", "petal width"]
    assert list(network.classes) == ["setosa", "versicolor", "virginica"]
    assert network.units is not None

    code, said, _ = run(capsys, "predict", str(model), str(data))
    lines = [*csv.reader(said.splitlines())]
    assert lines[0] == ["sepal length", "sepal width", "petal length", "petal width", "prediction"]
    rows = [*csv.reader(data.read_text().splitlines())][1:]
    assert [line[-1] for line in lines[1:]] == network.predict([[*map(float, row[:4])] for row in rows])
    right = sum(line[-1] == row[-1] for line, row in zip(lines[1:], rows))
    code, text, _ = run(capsys, "evaluate", str(model), str(data), "--target", "species")
    assert text.startswith(f"{right} of 150 right")

    # The columns in another order, with others between; to a file.
    mixed = tmp_path / "mixed.csv"
    with mixed.open("w", newline="") as file:
        csv.writer(file).writerows(
            [["id", "petal width", "sepal width", "sepal length", "petal length"]]
            + [[i, row[3], row[1], row[0], row[2]] for i, row in enumerate(rows)]
        )
    code, text, _ = run(capsys, "predict", str(model), str(mixed), "-o", str(out))
    assert text == f"150 predictions are in {out}.\n"
    assert [line[-1] for line in csv.reader(out.read_text().splitlines())][1:] == [
        line[-1] for line in lines[1:]
    ]

    # No names at all.
    bare = tmp_path / "bare.csv"
    bare.write_text("\n".join(",".join(row[:4]) for row in rows))
    code, text, _ = run(capsys, "predict", str(model), str(bare))
    assert [line.split(",")[-1] for line in text.splitlines()][1:] == [line[-1] for line in lines[1:]]


def test_numbers_are_learned_and_evaluated_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data, model = flowers(tmp_path / "flowers.csv"), tmp_path / "model.json"
    columns = "sepal length,sepal width,petal length"
    code, text, err = run(
        capsys, "train", str(data), "--columns", columns, "--target", "petal width", "--save", str(model)
    )
    assert (code, err) == (0, "") and "target: petal width" in text
    code, text, _ = run(capsys, "evaluate", str(model), str(data), "--target", "petal width")
    found = re.fullmatch(
        r"150 examples: mean \|y − t\| = [\d.]+, mean \(y − t\)² = [\d.]+, R² = ([\d.]+)\n", text
    )
    assert found and float(found[1]) > 0.8


def test_a_training_from_the_shell_goes_on(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data = flowers(tmp_path / "flowers.csv")
    files = []
    for name, stops in (("whole", [20]), ("parts", [7, 13, 20])):
        files.append(tmp_path / f"{name}.json")
        for epochs in stops:
            code, _, err = run(
                capsys, "train", str(data), "--epochs", str(epochs), "--optimizer", "adam", "--batch", "16",
                "--checkpoint", str(tmp_path / f"{name} run.json"), "--resume", "--save", str(files[-1]),
            )  # fmt: skip
            assert (code, err) == (0, "")
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "DATA", "--resume"], "--resume goes on from a checkpoint: say --checkpoint FILE, too"),
        (["train", "DATA", "--patience", "3"], "say --validation 0.2, too"),
        (["train", "DATA", "--validation", "1"], "'1' is no share between 0 and 1"),
        (["train", "DATA", "--hidden", "8,0"], "'8,0' is no list of layer sizes such as 8,8"),
        (["train", "DATA", "--hidden", "8", "--sizes", "4,8,3"], "leave out --hidden"),
        (["train", "DATA", "--columns", "sepal,x"], "sepal"),
        (["train", "--columns", "x1"], "XOR has none"),
        (["train", "DATA", "--checkpoint", "DATA"], "this is the data"),
        (["predict", "MODEL"], "required: file"),
        (["predict", "MODEL", "no.csv"], "no.csv: No such file"),
        (["predict", "no.json", "DATA"], "no.json: No such file"),
        (["predict", "DATA", "DATA"], "no JSON"),
        (["predict", "MODEL", "NARROW"], "there is no column 'sepal length'; there are a, b"),
        (["predict", "MODEL", "DATA", "-o", "MODEL"], "names this file, too"),
        (["predict", "MODEL", "DATA", "-o", "DATA"], "this is the data"),
        (["evaluate", "MODEL", "DATA", "--target", "kind"], "no target column 'kind'"),
        (["evaluate", "MODEL", "STRANGE"], "'rose' is no class of the model"),
    ],
)  # fmt: skip
def test_what_goes_wrong_with_files(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], message: str
) -> None:
    files = {name: tmp_path / f"{name}.csv" for name in ("DATA", "MODEL", "NARROW", "STRANGE")}
    text = flowers(files["DATA"]).read_text()
    files["NARROW"].write_text("a,b\n1,2\n3,4\n")
    files["STRANGE"].write_text(text.replace("virginica", "rose"))
    model = mg.MLP(4, [3])
    model.features, model.classes = (
        text.splitlines()[0].split(",")[:4],
        ["setosa", "versicolor", "virginica"],
    )
    model.save(files["MODEL"])
    before = {name: path.read_bytes() for name, path in files.items()}
    code, _, err = run(capsys, *(str(files.get(argument, argument)) for argument in arguments))
    assert code == 2 and message in err and err.count("\n") == 1
    assert {name: path.read_bytes() for name, path in files.items()} == before
