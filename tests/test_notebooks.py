"""Every notebook runs in a fresh kernel, and gives what is committed: text, HTML and pictures.

MICROGRADLIKE_KEEP=1 pytest tests/test_notebooks.py runs them and writes what they give now.

A cell may be tagged "timing": what it gives is another each time; "needs-torch", and the like: it is run
where that is installed; "raises-exception": it fails, and is to.
"""

import json
import os
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)

#: Nothing else about a notebook depends on who ran it last.
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def missing(cell: Any) -> bool:
    """Whether a cell needs what is not installed."""
    tags = cell.metadata.get("tags", [])
    return any(tag.startswith("needs-") and not find_spec(tag.removeprefix("needs-")) for tag in tags)


def run(path: Path, folder: Path) -> Any:
    """The notebook with the outputs that it has now."""
    notebook = nbformat.read(path, as_version=4)
    cells = notebook.cells
    notebook.cells = [cell for cell in cells if not missing(cell)]
    client = nbclient.NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        coalesce_streams=True,  # how often a kernel flushes depends on how busy the machine is
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env={**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline"})
    notebook.cells = cells
    notebook.metadata = nbformat.from_dict(_METADATA)
    for cell in cells:
        cell.metadata.pop("execution", None)
    return notebook


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.hidden += tag in {"script", "style"}

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in {"script", "style"}

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.words += data.split()


def words(html: str) -> list[str]:
    parser = _Words()
    parser.feed(html)
    return parser.words


def drawn(svg: str) -> list[tuple[str, ...]]:
    """The words of a picture, box by box and arrow by arrow; where they stand is the renderer's."""
    groups = ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}g")
    return sorted(
        (group.get("class", ""), *(text.strip() for text in group.itertext() if text.strip()))
        for group in groups
        if group.get("class") in {"node", "edge"}
    )


def plain(text: str) -> str:
    """Without the addresses of objects."""
    return re.sub(r"0x[0-9a-f]{6,}", "0x…", text)


def content(output: Any) -> Any:
    """What of an output is to be the same every time."""
    if output.output_type == "stream":
        return output.name, plain(output.text)
    if output.output_type == "error":
        return output.ename, plain(output.evalue)
    same: dict[str, Any] = {"image/png": True, "application/javascript": True}
    how = {"image/svg+xml": drawn, "text/html": words}
    return {kind: same.get(kind) or how.get(kind, plain)(text) for kind, text in output.data.items()}


@pytest.fixture(scope="module")
def fonts() -> None:
    """The first import of matplotlib on a machine looks for fonts; where that takes long, it says so."""
    if find_spec("matplotlib"):
        import_module("matplotlib.font_manager")


@every_notebook
def test_a_notebook_gives_what_is_committed(path: Path, tmp_path: Path, fonts: None) -> None:
    notebook = run(path, tmp_path)
    if "MICROGRADLIKE_KEEP" in os.environ:  # how the outputs in notebooks/ are made
        nbformat.write(notebook, path)
    committed = nbformat.read(path, as_version=4)
    for now, before in zip(notebook.cells, committed.cells, strict=True):
        if now.cell_type == "code" and not missing(now) and "timing" not in now.metadata.get("tags", []):
            where = f"{path.name}, the cell that begins {now.source[:60]!r}"
            assert [*map(content, now.outputs)] == [*map(content, before.outputs)], where


@every_notebook
def test_a_notebook_is_short_and_says_what_it_shows(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    first, *cells = notebook.cells
    assert first.cell_type == "markdown" and first.source.startswith("# ")
    assert len(cells) < 28
    assert [cell.source for cell in cells if cell.cell_type == "code" and not cell.source.strip()] == []
    numbers = [cell.execution_count for cell in cells if cell.cell_type == "code"]
    assert numbers == [*range(1, len(numbers) + 1)]  # run from top to bottom
    assert json.loads(path.read_text(encoding="utf-8"))["metadata"] == _METADATA


@every_notebook
def test_a_notebook_is_a_page_without_a_kernel(path: Path) -> None:
    nbconvert = pytest.importorskip("nbconvert", reason="nbconvert is not installed")
    page, _ = nbconvert.HTMLExporter().from_filename(str(path))
    assert "<svg" in page or "image/png" in page
    assert "Traceback" not in page or "raises-exception" in path.read_text(encoding="utf-8")
