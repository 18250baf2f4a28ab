"""Pictures as files and in notebooks: which program draws, what is written, and what is said if not."""

import functools
import json
import os
import stat
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import graphviz
import pytest

import microgradlike as mg
from microgradlike import MLP, Layer, Neuron, Value, draw, picture
from microgradlike.picture import Picture, RendererNotFound, find_program


def has_graphviz_pure() -> bool:
    try:
        distribution("graphviz-pure")
    except PackageNotFoundError:
        return False
    return True


renders = pytest.mark.skipif(not has_graphviz_pure(), reason="graphviz-pure has no wheel for this machine")
posix = pytest.mark.skipif(sys.platform == "win32", reason="a script with #! is no program on Windows")

KINDS = {"image/svg+xml", "image/png", "text/plain"}
INSTALL = "pip install graphviz-pure, or install Graphviz"


@pytest.fixture(autouse=True)
def no_programs(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No Graphviz on the PATH, and no program that runs for long."""
    monkeypatch.setattr(subprocess, "run", functools.partial(subprocess.run, timeout=20))
    monkeypatch.delenv("MICROGRADLIKE_DOT", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("path")))


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "_graphviz_pure", lambda: None)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory."""
    directory = tmp_path / "place"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory


def square() -> Value:
    a = Value(3.0, name="a")
    loss = a * a
    loss.name = "loss"
    return loss


def files_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def is_svg(content: bytes) -> bool:
    return ET.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"


def png_size(content: bytes) -> tuple[int, int]:
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert content[12:16] == b"IHDR"
    assert content.endswith(b"IEND\xae\x42\x60\x82")
    return int.from_bytes(content[16:20]), int.from_bytes(content[20:24])


def is_png(content: bytes) -> bool:
    return min(png_size(content)) > 10


def is_jpeg(content: bytes) -> bool:
    return content[:3] == b"\xff\xd8\xff" and content[-2:] == b"\xff\xd9"


def is_dot(content: bytes) -> bool:
    return content.startswith(b"// loss: 2 values\ndigraph loss {") and content.endswith(b"}\n")


Script = Callable[[str, str], Path]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Make a program out of lines of Python; it records its arguments and what it reads."""

    def make(name: str, does: str) -> Path:
        path = tmp_path / "programs" / name
        path.parent.mkdir(exist_ok=True)
        Path(f"{path}.py").write_text(
            "import json, sys\n"
            "source = sys.stdin.buffer.read().decode()\n"
            f"with open({str(path) + '.said'!r}, 'w') as file:\n"
            "    json.dump([sys.argv[1:], source], file)\n" + does + "\n",
            encoding="utf-8",
        )
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I "{path}.py" "$@"\n', encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return make


def said_to(program: Path) -> tuple[list[str], str]:
    arguments, source = json.loads(Path(f"{program}.said").read_text())
    return arguments, source


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────────


@renders
@pytest.mark.parametrize(
    ("arguments", "name", "is_it"),
    [
        ({"filename": "loss.png"}, "loss.png", is_png),
        ({"filename": "loss.svg"}, "loss.svg", is_svg),
        ({"filename": "loss.jpg"}, "loss.jpg", is_jpeg),
        ({"filename": "loss.jpeg"}, "loss.jpeg", is_jpeg),
        ({"filename": "loss.gv"}, "loss.gv", is_dot),
        ({"filename": "loss.dot"}, "loss.dot", is_dot),
        ({"filename": "loss.PNG"}, "loss.PNG", is_png),
        ({"filename": "loss", "format": "png"}, "loss.png", is_png),
        ({"filename": "loss", "format": "PNG"}, None, is_png),
        ({"filename": "loss.png", "format": "png"}, "loss.png", is_png),
        ({"filename": "loss.png", "format": "svg"}, "loss.png.svg", is_svg),
        ({"filename": "loss.v2", "format": "svg"}, "loss.v2.svg", is_svg),
        ({"filename": "loss", "format": "gv"}, "loss.gv", is_dot),
        ({"filename": "loss"}, "loss.svg", is_svg),
        ({}, "loss.svg", is_svg),
        ({"format": "png"}, "loss.png", is_png),
        ({"outfile": "other.png"}, "other.png", is_png),
        ({"filename": Path("loss.png")}, "loss.png", is_png),
        ({"filename": "Kurve é 重み 😀.svg"}, "Kurve é 重み 😀.svg", is_svg),
        ({"filename": "a b; $c.png"}, "a b; $c.png", is_png),
        ({"filename": "-o.png"}, "-o.png", is_png),
        ({"filename": "loss.svg", "engine": "neato"}, "loss.svg", is_svg),
        ({"filename": "loss.png", "cleanup": True, "quiet": True}, "loss.png", is_png),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_render_writes_one_file_and_gives_its_path(
    arguments: dict[str, Any], name: str | None, is_it: Callable[[bytes], bool], place: Path
) -> None:
    path = draw(square()).render(**arguments)
    assert type(path) is str
    [written] = files_in(place)
    assert Path(path) == Path(written)
    assert written == (name or written)
    assert written.lower() == (name or "loss.png").lower()
    assert is_it((place / written).read_bytes())


@renders
def test_render_into_a_directory(place: Path) -> None:
    (place / "deep" / "er").mkdir(parents=True)
    path = draw(square()).render("loss.png", directory=Path("deep"))
    assert Path(path) == Path("deep/loss.png")
    path = draw(square()).render("er/loss.svg", "deep")
    assert Path(path) == Path("deep/er/loss.svg")
    path = draw(square()).render(place / "deep" / "absolute.gv", directory="nowhere")
    assert Path(path) == place / "deep" / "absolute.gv"
    found = [file.relative_to(place).as_posix() for file in place.rglob("*") if file.is_file()]
    assert sorted(found) == ["deep/absolute.gv", "deep/er/loss.svg", "deep/loss.png"]


@renders
def test_a_picture_without_a_name_of_its_own_is_a_file_too(place: Path) -> None:
    a = Value(1.0)
    draw(a).render()
    draw(Value(1.0, "a/../b")).render(format="png")
    draw(MLP(2, [2])).render()
    assert files_in(place) == ["MLP.svg", "graph.png", "graph.svg"]


@renders
def test_a_very_long_name_is_no_obstacle(place: Path) -> None:
    path = draw(Value(1.0, "a" * 10_000)).render()
    assert files_in(place) == [Path(path).name]


@renders
def test_a_file_that_was_there_is_replaced(place: Path) -> None:
    (place / "loss.svg").write_text("old")
    draw(square()).render("loss.svg")
    assert is_svg((place / "loss.svg").read_bytes())
    first = (place / "loss.svg").read_bytes()
    draw(square()).render("loss.svg")
    assert (place / "loss.svg").read_bytes() == first
    assert files_in(place) == ["loss.svg"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"filename": "loss.xyz"}, "no format 'xyz': take svg, png"),
        ({"filename": "loss.v2"}, "no format 'v2': take svg, png"),
        ({"filename": "loss", "format": "xyz"}, "no format 'xyz': take svg, png"),
        ({"filename": "loss.png", "format": "-o"}, "no format '-o': take svg, png"),
        ({"filename": "loss", "format": ""}, "no format '': take svg, png"),
    ],
    ids=str,
)
def test_an_unknown_format_is_refused(arguments: dict[str, Any], says: str, place: Path) -> None:
    with pytest.raises(ValueError, match=says):
        draw(square()).render(**arguments)
    assert not files_in(place)
    with pytest.raises(ValueError, match="no format 'xyz'"):
        draw(square()).pipe("xyz")


@pytest.mark.parametrize("name", ["missing/loss.svg", "missing/loss.gv"])
def test_a_missing_directory_is_named_before_anything_is_drawn(
    name: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Picture, "pipe", None)
    with pytest.raises(FileNotFoundError, match=r"there is no directory .*missing"):
        draw(square()).render(name)
    assert not files_in(place)


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory_is_named(place: Path) -> None:
    place.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match=r"loss\.gv"):
            draw(square()).render("loss.gv")
        assert not files_in(place)
    finally:
        place.chmod(0o700)


@pytest.mark.parametrize("earlier", [True, False])
def test_a_disk_that_is_full_leaves_what_was_there(
    earlier: bool, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    if earlier:
        (place / "loss.gv").write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: 'loss\.gv'"):
        draw(square()).render("loss.gv")
    assert files_in(place) == ["loss.gv"] * earlier
    assert not earlier or (place / "loss.gv").read_text() == "old"


@posix
@pytest.mark.parametrize("earlier", [True, False])
@pytest.mark.parametrize(
    ("does", "says"),
    [
        ("sys.exit(3)", "exit code 3"),
        ("sys.exit('no memory left')", "no memory left"),
        ("print('half of a picture'); sys.exit('died')", "died"),
        ("pass", "exit code 0"),
        ("sys.stderr.buffer.write(bytes([255, 254])); sys.exit(1)", "\N{REPLACEMENT CHARACTER}"),
        ("import os; print('half'); sys.stdout.flush(); os.kill(os.getpid(), 9)", "exit code -9"),
    ],
)
def test_a_program_that_fails_leaves_no_file(
    earlier: bool, does: str, says: str, place: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = script("failing", does)
    monkeypatch.setenv("MICROGRADLIKE_DOT", str(program))
    if earlier:
        (place / "loss.png").write_text("old")
    with pytest.raises(RuntimeError, match=says) as error:
        draw(square()).render("loss.png")
    assert "could not draw this as png" in str(error.value)
    assert str(program) in str(error.value)
    assert files_in(place) == ["loss.png"] * earlier
    assert not earlier or (place / "loss.png").read_text() == "old"


@renders
def test_pipe_gives_bytes_or_with_an_encoding_text() -> None:
    pictured = draw(square())
    content = pictured.pipe("svg")
    assert type(content) is bytes
    assert is_svg(content)
    text = pictured.pipe("svg", encoding="utf-8")
    assert type(text) is str
    assert text.encode() == content
    assert pictured.pipe() == content
    assert is_png(pictured.pipe("png"))
    assert is_png(pictured.pipe("PNG"))
    assert pictured.pipe("png", engine="neato") != pictured.pipe("png")
    pictured.format = "png"
    assert is_png(pictured.pipe())


@renders
def test_what_a_picture_is_for_graphviz(place: Path) -> None:
    pictured = draw(square())
    assert isinstance(pictured, graphviz.Digraph)
    pictured.node("extra", "more")  # a user may go on drawing
    assert ">more</text>" in pictured.pipe("svg", encoding="utf-8")
    assert "extra" in pictured.copy().source
    pictured.save("kept.gv")
    assert (place / "kept.gv").read_text(encoding="utf-8") == pictured.source


@renders
def test_view_opens_the_image_that_was_written(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(Picture, "_view", lambda _, path, **kw: opened.append(path), raising=True)
    path = draw(square()).render("loss.png", view=True)
    assert opened == [path]
    draw(square()).render("loss.png")
    assert opened == [path]


# ── Which program draws ───────────────────────────────────────────────────────────────────────────────


@renders
def test_graphviz_pure_is_found_without_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    picture._graphviz_pure.cache_clear()
    program = find_program("svg")
    assert Path(program).stem == "graphviz-pure"
    assert Path(program).is_absolute()
    monkeypatch.delenv("PATH")
    picture._graphviz_pure.cache_clear()
    assert find_program("svg") == program
    assert is_svg(draw(square()).pipe())


@pytest.fixture
def fresh_search() -> Iterator[None]:
    picture._graphviz_pure.cache_clear()
    yield
    picture._graphviz_pure.cache_clear()


def test_where_graphviz_pure_is_not_installed_that_is_noticed(
    monkeypatch: pytest.MonkeyPatch, fresh_search: None
) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.distribution", missing)
    assert picture._graphviz_pure() is None


@pytest.mark.parametrize("files", [None, []])
def test_a_distribution_without_a_program_is_none(
    files: list[Any] | None, monkeypatch: pytest.MonkeyPatch, fresh_search: None
) -> None:
    class Distribution:
        def __init__(self, _: str) -> None:
            self.files = files

    monkeypatch.setattr("importlib.metadata.distribution", Distribution)
    assert picture._graphviz_pure() is None


@posix
def test_the_order_is_the_variable_then_graphviz_pure_then_dot(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    dot, mine, pure = (script(name, f"print({name!r})") for name in ("dot", "mine", "pure"))
    pictured = draw(square())
    monkeypatch.setattr(picture, "_graphviz_pure", lambda: None)
    monkeypatch.setenv("PATH", str(dot.parent))
    assert pictured.pipe("svg") == b"dot\n"
    monkeypatch.setattr(picture, "_graphviz_pure", lambda: str(pure))
    assert pictured.pipe("svg") == b"pure\n"
    assert pictured.pipe("png") == b"pure\n"
    assert pictured.pipe("pdf") == b"dot\n"  # which graphviz-pure does not write
    for named in (str(mine), "mine"):  # a path, or what is on the PATH
        monkeypatch.setenv("MICROGRADLIKE_DOT", named)
        assert pictured.pipe("svg") == b"mine\n"
        assert pictured.pipe("pdf") == b"mine\n"
    monkeypatch.setenv("MICROGRADLIKE_DOT", "")
    assert pictured.pipe("svg") == b"pure\n"


@posix
def test_what_the_program_is_told(
    place: Path, script: Script, nothing_installed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    dot = script("dot", "print('a picture')")
    monkeypatch.setenv("PATH", str(dot.parent))
    pictured = draw(square())
    assert pictured.render("loss.pdf") == "loss.pdf"
    assert (place / "loss.pdf").read_bytes() == b"a picture\n"
    arguments, source = said_to(dot)
    assert {"-Kdot", "-Tpdf", "-q"} <= set(arguments)
    assert not any(argument.startswith("-Gsize") for argument in arguments)
    assert source == pictured.source
    pictured.pipe("png")
    assert "-Gsize=60,60" in said_to(dot)[0]
    pictured.pipe("svg", engine="circo")
    assert "-Kcirco" in said_to(dot)[0]
    draw(MLP(2, [2])).pipe("svg")
    assert "-Kneato" in said_to(dot)[0]
    assert files_in(place) == ["loss.pdf"]


@pytest.mark.parametrize("value", ["no-such-program", "/nowhere/dot", "."])
def test_a_variable_that_names_no_program_is_said(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MICROGRADLIKE_DOT", value)
    with pytest.raises(RendererNotFound, match=f"MICROGRADLIKE_DOT is '{value}'"):
        draw(square()).pipe("svg")


@posix
def test_a_program_that_cannot_be_run_is_said(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "broken"
    program.write_bytes(b"#!/no/such/interpreter\n")
    program.chmod(0o700)
    monkeypatch.setenv("MICROGRADLIKE_DOT", str(program))
    with pytest.raises(RendererNotFound, match="broken cannot be run"):
        draw(square()).render("loss.svg")
    assert not files_in(place)


def test_pdf_without_any_dot_says_what_to_do(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "_graphviz_pure", lambda: "graphviz-pure")
    with pytest.raises(RendererNotFound, match="graphviz-pure writes no pdf: take svg or png, or install"):
        draw(square()).render("loss.pdf")
    assert not files_in(place)


def test_with_no_program_at_all_drawing_works_and_the_message_helps(
    nothing_installed: None, place: Path
) -> None:
    pictured = draw(square())
    assert repr(pictured).endswith(": 2 values>")
    for make in (
        lambda: pictured.pipe("svg"),
        lambda: pictured.pipe("png"),
        lambda: pictured.render("loss.png"),
        pictured.render,
    ):
        with pytest.raises(RendererNotFound, match=INSTALL) as error:
            make()
        assert pictured.source in str(error.value)
        assert isinstance(error.value, graphviz.ExecutableNotFound)
        assert isinstance(error.value, RuntimeError)
    assert not files_in(place)
    with pytest.raises(graphviz.ExecutableNotFound):
        draw(MLP(2, [2])).pipe()
    assert is_dot(Path(pictured.render("loss.gv")).read_bytes())  # for which none is needed


def test_a_long_dot_text_is_shortened_in_the_message(nothing_installed: None) -> None:
    pictured = draw(mg.sum(Value(float(i)) for i in range(150)))
    with pytest.raises(RendererNotFound, match="The DOT text, shortened") as error:
        pictured.pipe()
    assert len(pictured.source) > len(str(error.value))
    assert len(str(error.value)) < 25_000


# ── Notebooks ─────────────────────────────────────────────────────────────────────────────────────────


def bundle(thing: Any, **arguments: Any) -> dict[str, Any]:
    """What a notebook asks for; of a Value no type checker knows that it has it."""
    content: dict[str, Any] = thing._repr_mimebundle_(**arguments)
    return content


def trained() -> Value:
    loss = mg.half_squared_error(MLP(2, [2, 1])([1.0, 2.0]), 0.0)
    loss.backward()
    return loss


THINGS = [square(), trained(), mg.Constant(2.0), Neuron(2), Layer(2, 3), MLP(2, [3, 1]), draw(square())]


@renders
@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: type(thing).__name__)
def test_in_a_notebook_there_is_svg_png_and_text(thing: Any) -> None:
    content = bundle(thing)
    assert content.keys() == KINDS
    assert type(content["image/svg+xml"]) is str
    assert is_svg(content["image/svg+xml"].encode())
    assert type(content["image/png"]) is bytes
    assert min(png_size(content["image/png"])) > 10
    assert content["text/plain"] == repr(thing)
    assert bundle(thing) == content  # stable, to the byte
    if not isinstance(thing, Picture):
        pictured = draw(thing)
        assert content["image/svg+xml"] == pictured.pipe("svg", encoding="utf-8")
        assert content["image/png"] == pictured.pipe("png")


def test_the_text_beside_a_picture_has_no_address_in_it() -> None:
    assert repr(draw(square())) == "<picture of loss: 2 values>"
    assert repr(draw(MLP(2, [1]))) == f"<picture of {MLP(2, [1])!r}>"
    assert " at 0x" not in "".join(map(repr, THINGS))


@renders
@pytest.mark.parametrize("thing", [square(), MLP(2, [1]), draw(square())], ids=["Value", "MLP", "Picture"])
def test_a_notebook_may_ask_for_some_kinds_only(thing: Any) -> None:
    assert bundle(thing, include={"image/png"}).keys() == {"image/png"}
    assert bundle(thing, include=["text/plain"], exclude=None).keys() == {"text/plain"}
    assert bundle(thing, exclude={"image/svg+xml"}).keys() == KINDS - {"image/svg+xml"}
    assert bundle(thing, include=KINDS, exclude=["image/png"]).keys() == KINDS - {"image/png"}
    assert not bundle(thing, include={"text/html"})
    assert bundle(thing, include=None, exclude=None, metadata=True).keys() == KINDS


def test_what_is_not_asked_for_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Picture, "pipe", None)
    assert bundle(square(), include={"text/plain"}) == {"text/plain": "Value(data=9.0, name='loss')"}


@pytest.mark.parametrize("thing", [square(), Neuron(1), draw(square())], ids=["Value", "Neuron", "Picture"])
def test_in_a_notebook_without_a_program_the_text_says_so(thing: Any, nothing_installed: None) -> None:
    content = bundle(thing)
    assert content.keys() == {"text/plain"}
    pictured = thing if isinstance(thing, Picture) else draw(thing)
    assert content["text/plain"].startswith(repr(thing) + "\n")
    assert INSTALL in content["text/plain"]
    assert pictured.source in content["text/plain"]
    assert bundle(thing, include={"image/png"}) == {}


@posix
def test_in_a_notebook_a_program_that_fails_is_no_error(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MICROGRADLIKE_DOT", str(script("failing", "sys.exit('no memory left')")))
    content = bundle(square())
    assert content.keys() == {"text/plain"}
    assert "no memory left" in content["text/plain"]


# ── Bitmaps ───────────────────────────────────────────────────────────────────────────────────────────


@renders
@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_a_large_bitmap_is_scaled_down(direction: Any) -> None:
    wide = draw(
        mg.sum(Value(float(i)) for i in range(400)), max_nodes=1000, direction=direction, detail="values"
    )
    width, height = png_size(wide.pipe("png"))
    assert 5_700 <= max(width, height) <= 5_760
    assert is_jpeg(wide.pipe("jpg"))
    tree = ET.fromstring(wide.pipe("svg"))
    assert max(float(tree.attrib[side].removesuffix("pt")) for side in ("width", "height")) > 60 * 72


@renders
def test_a_small_bitmap_has_its_size() -> None:
    pictured = draw(square())
    tree = ET.fromstring(pictured.pipe("svg"))
    points = [float(tree.attrib[side].removesuffix("pt")) for side in ("width", "height")]
    assert png_size(pictured.pipe("png")) == pytest.approx([p * 96 / 72 for p in points], abs=2)
