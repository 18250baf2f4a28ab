"""The README's pictures are what the code draws now, and appear without any installed Graphviz."""

import contextlib
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib.util import find_spec
from pathlib import Path

import pytest

import microgradlike as mg
from microgradlike.__main__ import main
from microgradlike.picture import RendererNotFound, find_program

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "notebooks" / "pictures"


def renders() -> bool:
    try:
        return bool(find_program("svg"))
    except RendererNotFound:
        return False


pytestmark = pytest.mark.skipif(not renders(), reason="no program that draws on this machine")


def content(svg: Path) -> list[tuple[str, ...]]:
    """The nodes, the edges and every word of a picture, without coordinates, which are the renderer's."""
    groups = ET.parse(svg).iter("{http://www.w3.org/2000/svg}g")
    return sorted(
        (group.get("class", ""), *(text.strip() for text in group.itertext() if text.strip()))
        for group in groups
        if group.get("class") in {"node", "edge"}
    )


def network(path: Path) -> None:
    assert main(["draw", "-o", str(path)]) == 0


def expression(path: Path) -> None:
    a, b = mg.Value(2.0, name="a"), mg.Value(-3.0, name="b")
    c = mg.tanh(a * b) + a**2 / (1 - b)
    c.backward()
    mg.draw(c).render(path)


def sketch(path: Path) -> None:
    model = path.with_name("model.json")
    assert main(["--save", str(model)]) == 0
    assert main(["draw", "--load", str(model), "-o", str(path)]) == 0


def document() -> tuple[mg.MLP, mg.Value]:
    network = mg.MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
    L = mg.half_squared_error(network([1.0, 1.0]), 0.0)
    L.name = "L"
    L.backward()
    return network, L


def ripple(path: Path) -> None:
    network, L = document()
    mg.ripple(L, network.layers[0].neurons[0].w[0], 0.1).picture().render(path)


def explain(path: Path) -> None:
    _, L = document()
    [x1] = (value for value in mg.topological_order(L) if value.name == "x1")
    mg.explain(L, x1).picture().render(path)


def compiled(path: Path) -> None:
    """The sketch of the network, and beside it the heart of its matrix code."""
    network, _ = document()
    picture = mg.draw(network)
    loss = lambda x, t: mg.half_squared_error(network(x), t)  # noqa: E731
    program = mg.compile(loss, [[0.0, 0.0], 0.0], network.parameters(), backend="numpy")
    lines = [line for line in program.source.splitlines()[2:] if "sum" not in line and "/=" not in line]
    picture.node(
        *("code", "".join(f"{line.strip()}\\l" for line in lines)),
        shape="note",
        pos="7,0!",
        width="3",
        style="filled",
        fillcolor="#fbfaf7",
        fontname="DejaVu Sans Mono,monospace",
        fontcolor="#33302a",
        color="#d5d0c4",
    )
    picture.edge("n2_0", "code", dir="forward", style="dashed")
    picture.render(path)


DRAWN = [network, expression, sketch, ripple, explain, compiled]


@pytest.mark.parametrize("draw", DRAWN, ids=lambda draw: draw.__name__)
def test_a_picture_of_the_readme_is_what_is_drawn_now(draw, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / f"{draw.__name__}.svg"
    draw(path)
    kept = PICTURES / path.name
    if "MICROGRADLIKE_KEEP" in os.environ:  # how the pictures in notebooks/pictures are made
        kept.write_bytes(path.read_bytes())
    assert content(path) == content(kept)


def blocks(language: str) -> list[str]:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", readme, flags=re.DOTALL | re.MULTILINE)


def test_the_shell_commands_of_the_readme_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of the package; the two that install are what CI and a newcomer run."""
    mg.data.flowers().save(tmp_path / "flowers.csv")  # as the line beneath them says
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    commands = [line.split()[1:] for line in lines if line.startswith("microgradlike ")]
    assert [command[0] for command in commands] == ["train", "predict", "evaluate"]
    with contextlib.chdir(tmp_path):
        for command in commands:
            assert main(command) == 0, command
    said = capsys.readouterr()
    assert not said.err
    assert "setosa" in said.out and "150 right" in said.out


def test_the_row_that_the_readme_shows_is_that_of_the_table() -> None:
    [row] = blocks("text")
    table = (ROOT / "microgradlike" / "ops.py").read_text(encoding="utf-8")
    assert "".join(row.split()) in "".join(table.split())


def test_every_picture_is_shown_and_every_shown_picture_is_there() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for picture in PICTURES.iterdir():
        assert f"](notebooks/pictures/{picture.name})" in readme


@pytest.mark.skipif(not find_spec("nbclient"), reason="nbclient is not installed")
def test_a_notebook_shows_pictures_without_graphviz(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    cells = [
        "import os; os.environ['PATH'] = ''\nimport microgradlike as mg",
        "network = mg.MLP(2, [2, 1], activation='sigmoid', output_activation='sigmoid')\nnetwork",
        "L = mg.half_squared_error(network([1.0, 1.0]), 0.0)\nL.backward()\nmg.draw(L)",
        "L",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])  # type: ignore[no-untyped-call]
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    for cell in notebook.cells[1:]:
        [output] = cell.outputs
        assert output.data.keys() == {"image/svg+xml", "image/png", "text/plain"}
    assert "σ′" in notebook.cells[2].outputs[0].data["image/svg+xml"]


def test_import_alone_loads_no_renderer() -> None:
    program = "import sys, microgradlike; assert not {'graphviz', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
