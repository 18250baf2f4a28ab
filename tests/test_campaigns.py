"""A hundredth of the campaigns that are run by hand: the scripts in the folder campaigns."""

import sys
from pathlib import Path

import pytest
from campaigns import bounds, flips, options

import microgradlike as mg


def test_options_that_name_one_file_are_refused() -> None:
    cases = [*options.cases()]
    assert len(cases) > 100
    assert [case for case in cases if not case.is_refused] == []


@pytest.mark.parametrize("make", [flips.models, flips.checkpoints])
def test_a_flipped_bit_is_found(tmp_path: Path, make: object) -> None:
    files = (flips.models if make is flips.models else flips.checkpoints)(tmp_path)
    counts = flips.count(files, tmp_path, 20)
    assert counts.refused > 15 and counts.other == 0


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux how much memory it took")
@pytest.mark.parametrize("name", ["--sizes 2,1000000000,1", "a row of 10⁷ lines"])
def test_an_input_that_is_too_large_is_refused_in_a_sentence(name: str) -> None:
    answer = bounds.ask(name, 100)
    assert answer.code == 2 and answer.message.startswith("microgradlike: ")
    assert answer.peak < 400e6


@pytest.mark.parametrize("make", [lambda: mg.MLP(2, [10**9, 1]), lambda: mg.nn.Layer(10**5, 10**5)])
def test_a_network_that_is_too_large_is_refused_before_memory_is_taken(make: object) -> None:
    with pytest.raises(ValueError, match=r"this would be [\d,]+ parameters, some [\d,]+ GB; there are at"):
        make()  # type: ignore[operator]


def test_a_file_that_is_something_else_is_not_replaced_unless_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from microgradlike.__main__ import main

    for line, name in (
        (["train", "--epochs", "1", "--save"], "notes.json"),
        (["train", "--epochs", "1", "--picture"], "notes.svg"),
        (["draw", "-o"], "notes.svg"),
        (["step", "--save"], "notes.html"),
        (["train", "--epochs", "1", "--checkpoint"], "notes.json"),
    ):
        path = tmp_path / name
        path.write_text("a,b\n1,2\n")
        assert main([*line, str(path)]) == 2
        error = capsys.readouterr().err
        assert path.read_text() == "a,b\n1,2\n" and "would be lost" in error and error.count("\n") == 1
        if "--checkpoint" not in line:
            assert main([*line, str(path), "--force"]) == 0
            assert main([*line, str(path)]) == 0  # it is one of its own now
            assert path.read_text() != "a,b\n1,2\n"
        path.unlink()
