"""The player of the backward pass: the page as it is written, and as a browser shows and drives it."""

import asyncio
import json
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from test_document import Document
from test_ops import moderate_points

from microgradlike import MLP, Value, ops, topological_order
from microgradlike.engine import NOT_COMPUTED
from microgradlike.label import number, pretty
from microgradlike.losses import cross_entropy, half_squared_error
from microgradlike.ops import OPS
from microgradlike.picture import RendererNotFound, find_program
from microgradlike.player import page as whole_page
from microgradlike.steps import Steps, steps

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page


def renders() -> bool:
    try:
        return bool(find_program("svg"))
    except RendererNotFound:
        return False


drawn = pytest.mark.skipif(not renders(), reason="no program that draws on this machine")


def network_loss(seed: int = 0) -> Value:
    """The loss of the document's network, before any backward pass."""
    document = Document.random(seed)
    mlp = MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
    mlp.load_state_dict(document.parameters)
    L = half_squared_error(mlp(document.x), document.t)
    L.name = "L"
    return L


def gradients(loss: Value) -> list[str]:
    return ["–" if v.grad is NOT_COMPUTED else v.grad.hex() for v in topological_order(loss)]


def html_of(cursor: Steps) -> str:
    return cursor._repr_html_()


# ── The page as it is written ─────────────────────────────────────────────────────────────────────────

VOID = {"meta", "br", "input", "link", "img", "hr"}


class Parsed(HTMLParser):
    """Elements, their attributes, and text; an element that is not closed in order is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attributes}
        assert len(said) == len(attributes), f"an attribute of {tag} stands twice"
        self.elements.append((tag, said))
        if tag == "br":
            self.handle_data("\n")
        if tag not in VOID:
            self._open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attributes}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, text: str) -> None:
        for tag in set(self._open):
            self.texts[tag][-1] += text

    def count(self, tag: str) -> int:
        return sum(1 for name, _ in self.elements if name == tag)

    @property
    def frames(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.texts["script"][0])
        return data


def lines_of(cursor: Steps) -> list[str]:
    return [str(cursor[i]) for i in range(len(cursor))]


@pytest.mark.parametrize("detail", ["neurons", "values"])
def test_the_page_is_one_small_file_that_needs_no_other(tmp_path: Path, detail: Any) -> None:
    path = tmp_path / "steps.html"
    steps(network_loss()).save(path, detail=detail)
    text = path.read_text(encoding="utf-8")
    assert [file.name for file in tmp_path.iterdir()] == ["steps.html"]
    assert len(path.read_bytes()) <= 300_000
    assert text.startswith("<!DOCTYPE html>")
    parsed = Parsed(text)
    for tag in ("html", "head", "body", "svg", "ol", "details"):
        assert parsed.count(tag) == 1
    assert ("meta", {"charset": "utf-8"}) in parsed.elements
    assert parsed.texts["title"][0] == "the backward pass of L, step by step"

    for tag, attributes in parsed.elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "image", "use"}
        assert not attributes.keys() & {"src", "srcset", "href", "xlink:href", "data", "action"}
        assert "id" not in attributes, "which must be unique in a page, and this is a part of pages"
    without_namespaces = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)
    assert not re.search(r"https?:|//\w+\.\w|url\(|@import|\bimport\b|fetch\(|XMLHttp", without_namespaces)


@drawn
def test_the_picture_is_one_svg() -> None:
    text = html_of(steps(network_loss()))
    [svg] = re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)
    classes = [group.get("class") for group in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}g")]
    assert classes.count("node") == 10  # x1 x2 z1 z2 h1 h2 z3 y t L; weights stand in tables
    assert classes.count("edge") == 11


def test_the_list_of_all_steps_is_plain_text() -> None:
    cursor = steps(network_loss())
    assert Parsed(html_of(cursor)).texts["li"] == lines_of(cursor)


def test_the_words_of_the_frames_are_those_of_the_steps() -> None:
    cursor = steps(network_loss())
    data = Parsed(html_of(cursor)).frames
    assert ["\n".join(frame["lines"]) for frame in data["frames"]] == ["∂L/∂L = 1", *lines_of(cursor)]
    assert data["position"] == 0


@pytest.mark.parametrize("position", [0, 3, 7])
def test_it_begins_where_the_cursor_is(position: int) -> None:
    cursor = steps(network_loss())
    cursor.goto(position)
    assert Parsed(html_of(cursor)).frames["position"] == position


EVIL = [
    '</script><b>"x"&\n',
    "<script>window.hacked = 1</script>",
    "<img src=x onerror=window.hacked=1>",
    "' onclick='window.hacked=1",
    '" onfocus="window.hacked=1" autofocus="',
    "<!--<script>",
    "]]>",
    "&lt;&amp;&#60;",
    "\u2028</title><style>",
    "${1}`\\u003c\\",
    "</svg></details>",
]


def evil_loss(name: str) -> Value:
    mlp = MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
    L = half_squared_error(mlp([0.5, -0.5]), 1.0)
    for value in topological_order(L):
        value.name = name
    return L


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("detail", ["neurons", "values"])
def test_any_name_is_only_a_name(name: str, detail: Any, tmp_path: Path) -> None:
    plain, evil = tmp_path / "plain.html", tmp_path / "evil.html"
    steps(evil_loss("a")).save(plain, detail=detail)
    cursor = steps(evil_loss(name))
    cursor.save(evil, detail=detail)
    good, bad = Parsed(plain.read_text(encoding="utf-8")), Parsed(evil.read_text(encoding="utf-8"))
    # Whether an empty cell stands there is Graphviz's; what matters is in the page, and no element is new.
    assert {tag for tag, _ in bad.elements} == {tag for tag, _ in good.elements}
    for tag in ("script", "style", "b", "title", "details", "li", "button", "svg"):
        assert bad.count(tag) == good.count(tag)
    for (tag, attributes), (_, expected) in zip(
        [e for e in bad.elements if e[0] not in {"text", "path", "polygon", "g", "a", "br"}],
        [e for e in good.elements if e[0] not in {"text", "path", "polygon", "g", "a", "br"}],
    ):
        assert attributes.keys() == expected.keys(), tag
    title = f"the backward pass of {name}, step by step"
    assert [a["aria-label"] for _, a in bad.elements if a.get("aria-label", "").startswith("the b")] == [
        title
    ] * 2
    assert bad.texts["li"] == lines_of(cursor)
    assert ["\n".join(frame["lines"]) for frame in bad.frames["frames"][1:]] == lines_of(cursor)


# ── The equations ─────────────────────────────────────────────────────────────────────────────────────

MATHML = {"math", "mrow", "mi", "mo", "mn", "mtext", "mspace", "mfrac", "msub", "msup", "msubsup", "msqrt"}
MATHML |= {"mroot", "mstyle"}
ATTRIBUTES = {"class", "displaystyle", "scriptlevel", "stretchy", "form", "width"}


def math_of(cursor: Steps) -> list[ET.Element]:
    """The equations of each frame, which must be XML, too, and nothing but MathML in rows."""
    found = []
    for frame in Parsed(html_of(cursor)).frames["frames"]:
        found.append(ET.fromstring(f"<div>{frame['math']}</div>"))
        for element in found[-1].iter():
            assert element.tag in MATHML | {"div"}
            assert element.attrib.keys() <= ATTRIBUTES
    return found


def flat(element: ET.Element) -> str:
    """An element of MathML as a person would type it."""
    inside = [flat(child) for child in element]
    if element.tag == "mfrac":
        return "/".join(inside)
    if element.tag in {"msup", "msubsup"}:
        return "".join(inside[:-1]) + "^" + inside[-1]
    return (element.text or "") + "".join(inside)


def typed(text: str) -> str:
    """A line of a step in the same way; what is a matter of spacing is left out of both."""
    text = re.sub(r"e(−?)\+?0*(\d)", r"10^\1\2", text).replace("½", "1/2").replace("²", "^2")
    return re.sub(r"[·\s]", "", text)


def cross_entropy_loss() -> Value:
    L = cross_entropy(MLP(3, [4, 3])([0.5, -1.0, 2.0]), 1)
    L.name = "L"
    return L


@pytest.mark.parametrize(("make", "brackets"), [(network_loss, ""), (cross_entropy_loss, "[()]")])
def test_the_equations_are_the_lines_of_the_steps(make: Callable[[], Value], brackets: str) -> None:
    """But for the brackets that a fraction bar makes needless."""
    cursor = steps(make())
    start, *frames = math_of(cursor)
    assert "".join(map(flat, start)) == "∂L/∂L=1"
    for i, frame in enumerate(frames):
        first, *lines = str(cursor[i]).splitlines()
        rows = [flat(left) + flat(right) for left, right in zip(frame[::2], frame[1::2])]
        lines = [first.partition(" · ")[2], *lines]
        assert [re.sub(brackets, "", typed(row)) for row in rows] == [
            re.sub(brackets, "", typed(line)) for line in lines
        ]


def test_a_remark_is_a_row_of_its_own() -> None:
    loss = network_loss()
    loss.backward()
    cursor = steps(loss)
    assert math_of(cursor)[-1][-1].text == (
        "The leaves had gradients before this pass; in their grad, the two are added now."
    )
    wide = math_of(steps(ops.sum(*(Value(1.0, f"x{i}") for i in range(15)))))[-1]
    assert flat(wide[-1]).replace("\u00a0", " ") == "… and 3 more operands"


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_the_library_sets_every_row_of_the_op_table(op: ops.Op) -> None:
    for xs in moderate_points(op, 1):
        L: Value = op(*(Value(x, f"x{i}") for i, x in enumerate(xs))) ** 2.0
        for frame in math_of(steps(L)):
            assert not frame.findall("div[@class='mg-text']")


NAMES = [
    *map(chr, range(32, 127)),
    *EVIL,
    r"\href{javascript:alert(1)}{x}",
    r"\text{<b>}",
    r"\left(",
    r"\frac{",
    "=\\dots",
    "a{b",
    "it's",
    "größe",
    "ü1",
    "learning_rate",
    "5in",
    "\ue000",
    "\ud800",
    "two words",
    "w10,3",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_read_in_the_equations(name: str) -> None:
    printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    for make in (
        lambda a: (a * 3.0).tanh(),
        lambda a: half_squared_error(a, 1.0),
        lambda a: 2 / (1 - a) ** 2,
    ):
        a = Value(0.5, name=name)
        loss = make(a)
        loss.name = name
        for frame in math_of(steps(loss)):
            assert not frame.findall("div[@class='mg-text']")
            shown = flat(frame).replace("\u00a0", " ")
            assert printable.replace("-" if len(name) == 1 else "\0", "−") in shown


@pytest.mark.parametrize("name", ["x" * 500, "\\" * 500, "<b>" * 200])
def test_a_name_too_long_for_an_equation_is_text(name: str) -> None:
    loss = Value(0.5, name=name) * 3.0
    loss.name = "L"
    cursor = steps(loss)
    rows = math_of(cursor)[1]
    first, *lines = str(cursor[0]).splitlines()
    assert [row.text for row in rows] == [first.partition(" · ")[2], *lines]


def test_a_row_that_the_library_refuses_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(latex: str) -> ET.Element:
        raise RecursionError(latex)

    monkeypatch.setattr("latex2mathml.converter.convert_to_element", refuse)
    cursor = steps(network_loss())
    rows = math_of(cursor)[2]
    assert [row.text for row in rows] == ["y = σ(z3)", *str(cursor[1]).splitlines()[1:]]


@pytest.mark.parametrize("position", [0, 2, 7])
@pytest.mark.parametrize("detail", ["neurons", "values"])
def test_to_show_and_to_save_changes_nothing(position: int, detail: Any, tmp_path: Path) -> None:
    loss = network_loss()
    loss.backward()
    cursor = steps(loss)
    cursor.goto(position)
    before = gradients(loss)
    for _ in range(2):
        html_of(cursor)
        cursor.save(tmp_path / "steps.html", detail=detail)
        assert (cursor.position, gradients(loss)) == (position, before)


def test_to_show_and_to_save_changes_nothing_that_others_wrote(tmp_path: Path) -> None:
    loss = network_loss()
    cursor = steps(loss)
    cursor.goto(3)
    loss.backward()
    before = gradients(loss)
    html_of(cursor)
    cursor.save(tmp_path / "steps.html")
    assert gradients(loss) == before


def test_an_unknown_detail_changes_nothing(tmp_path: Path) -> None:
    loss = network_loss()
    cursor = steps(loss)
    cursor.goto(3)
    before = gradients(loss)
    detail: Any = "neuron"
    with pytest.raises(ValueError, match="detail"):
        cursor.save(tmp_path / "steps.html", detail=detail)
    assert (cursor.position, gradients(loss), list(tmp_path.iterdir())) == (3, before, [])


def test_save_writes_a_whole_file_or_none(tmp_path: Path) -> None:
    cursor = steps(network_loss())
    missing = tmp_path / "missing" / "steps.html"
    with pytest.raises(OSError, match="missing"):
        cursor.save(missing)
    assert list(tmp_path.iterdir()) == []
    path = tmp_path / "steps.html"
    path.write_text("earlier")
    cursor.save(str(path))
    once = path.read_bytes()
    assert once.endswith(b"</html>\n")
    cursor.save(path)
    assert path.read_bytes() == once
    assert list(tmp_path.iterdir()) == [path]


def test_without_a_program_to_draw_with_the_steps_remain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MICROGRADLIKE_DOT", "no-such-program")
    loss = network_loss()
    cursor = steps(loss)
    cursor.goto(2)
    before = gradients(loss)
    cursor.save(tmp_path / "steps.html")
    parsed = Parsed((tmp_path / "steps.html").read_text(encoding="utf-8"))
    assert parsed.texts["li"] == lines_of(cursor)
    assert "MICROGRADLIKE_DOT is 'no-such-program'" in parsed.texts["pre"][0]
    assert Parsed(html_of(cursor)).frames["position"] == 2
    assert (cursor.position, gradients(loss)) == (2, before)


def test_a_long_pass_is_cut_off_and_says_so() -> None:
    a = Value(0.5, name="a")
    for _ in range(600):
        a = a * 0.999
    cursor = steps(a)
    cursor.goto(550)
    parsed = Parsed(html_of(cursor))
    assert parsed.texts["li"] == lines_of(cursor)[:500]
    assert parsed.frames["position"] == 500
    assert "The first 500 of 600 steps:" in parsed.texts["p"]
    assert cursor.position == 550


# ── The page as a browser shows it ────────────────────────────────────────────────────────────────────

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))),
    None,
)


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        pytest.skip("there is no chromium, chromium-browser or google-chrome on the PATH")
    if not renders():
        pytest.skip("no program that draws on this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Look:
    """What a player shows now; boxes and arrows by their place in the picture."""

    count: str
    words: str
    slider: str
    play: str
    boxes: list[list[str]]  # the texts of each
    box_marks: list[str]
    arrow_marks: list[str]


LOOK = """root => {
  const get = name => root.querySelector(".mg-" + name);
  const marks = group => {
    const of = shape => shape.classList.contains("mg-lit") ? "lit" :
                        shape.classList.contains("mg-done") ? "done" : "";
    return [...new Set([...group.querySelectorAll("path, polygon")]
      .filter(s => s.getAttribute("fill") !== "#ffffff" || group.classList.contains("node")).map(of))]
      .sort().reverse().slice(0, group.classList.contains("node") ? 1 : 9).join("+");
  };
  return {
    count: get("count").textContent, words: get("words").textContent, slider: get("slider").value,
    play: get("play").textContent,
    boxes: [...root.querySelectorAll("g.node")].map(
      g => [...g.querySelectorAll("text")].map(t => t.textContent)),
    box_marks: [...root.querySelectorAll("g.node")].map(marks),
    arrow_marks: [...root.querySelectorAll("g.edge")].map(marks),
  };
}"""


class Player:
    """One player of a page, driven as a person would."""

    def __init__(self, page: "Page", which: int = 0) -> None:
        self.page, self.root = page, page.locator(".microgradlike-steps").nth(which)

    def look(self) -> Look:
        return Look(**self.root.evaluate(LOOK))

    @property
    def position(self) -> int:
        return int(self.look().count.partition(" / ")[0])

    def click(self, button: str) -> None:
        self.root.locator(f".mg-{button}").click()

    def press(self, *keys: str) -> None:
        self.root.focus()
        for key in keys:
            self.page.keyboard.press(key)


Open = Callable[..., Player]


@pytest.fixture
def open_page(browser: "Browser", tmp_path: Path) -> Iterator[Open]:
    """Show HTML in a page of its own; at the end there must be no error and no request for another file."""
    problems: list[str] = []
    contexts: list[BrowserContext] = []

    def show(html: str, *, clock: bool = False, **settings: Any) -> Player:
        path = tmp_path / f"page{len(contexts)}.html"
        path.write_text(html, encoding="utf-8")
        context = browser.new_context(**settings)
        context.set_default_timeout(5_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.on("request", lambda r: problems.append(r.url) if r.url != path.as_uri() else None)
        if clock:
            page.clock.install()
        page.goto(path.as_uri())
        return Player(page)

    yield show
    for context in contexts:
        context.close()
    assert problems == []


@dataclass
class Drawing:
    """What is known of a picture before a script has touched it: the names of boxes and of arrows."""

    box_of: dict[str, str]  # the box in which a value stands, by the value's name
    boxes: list[str]
    arrows: list[str]

    @classmethod
    def of(cls, html: str, names: list[str]) -> "Drawing":
        [svg] = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
        svg = svg.replace("xlink:", "")
        space = "{http://www.w3.org/2000/svg}"
        nodes, arrows = {}, []
        for group in ET.fromstring(svg).iter(space + "g"):
            title = group.findtext(space + "title") or ""
            if group.get("class") == "node":
                nodes[title] = [text.text or "" for text in group.iter(space + "text")]
            elif group.get("class") == "edge":
                arrows.append(title)
        box_of = {}
        for name in names:
            [box_of[name]] = [title for title, texts in nodes.items() if pretty(name) in texts]
        return cls(box_of, list(nodes), arrows)


def expected_marks(cursor: Steps, position: int, drawing: Drawing) -> tuple[list[str], list[str]]:
    """Which boxes and arrows are lit or done after so many steps."""
    boxes, arrows = dict.fromkeys(drawing.boxes, ""), [""] * len(drawing.arrows)
    if position == 0:
        boxes[drawing.box_of[cursor.loss.name]] = "lit"
    else:
        boxes[drawing.box_of[cursor.loss.name]] = "done"
    for i in range(position):
        node, kind = cursor[i].node, "lit" if i == position - 1 else "done"
        here = drawing.box_of[node.name]
        boxes[here] = kind
        for j, arrow in enumerate(drawing.arrows):
            if any(arrow == f"{drawing.box_of[parent.name]}->{here}" for parent in node.parents):
                arrows[j] = kind
    return list(boxes.values()), arrows


def shown_gradients(look: Look, names: list[str], *, word: str = "") -> dict[str, str]:
    """By name; in a box, a name is followed by its number, and that by its gradient."""
    shown = {}
    for texts in look.boxes:
        for i, text in enumerate(texts):
            for name in names:
                if text == pretty(name):
                    shown[name] = texts[i + 2].removeprefix(word)
    return shown


def expected_gradients(cursor: Steps) -> dict[str, str]:
    """Those of the walk, whatever the graph has."""
    gradients = cursor.gradients
    return {
        value.name: number(gradients[value], 4) if value in gradients else "–"
        for value in topological_order(cursor.loss)
    }


def opened(cursor: Steps, open_page: Open, tmp_path: Path, **settings: Any) -> tuple[Player, str]:
    path = tmp_path / "saved.html"
    cursor.save(path, detail=settings.pop("detail", "neurons"))
    html = path.read_text(encoding="utf-8")
    return open_page(html, **settings), html


def names_in(loss: Value) -> list[str]:
    return [value.name for value in topological_order(loss)]


@pytest.mark.parametrize("detail", ["neurons", "values"])
def test_the_picture_is_that_of_the_cursor_at_every_step_forth_and_back(
    open_page: Open, tmp_path: Path, detail: str
) -> None:
    loss = network_loss()
    cursor = steps(loss)
    player, html = opened(cursor, open_page, tmp_path, detail=detail)
    names = names_in(loss)
    drawing = Drawing.of(html, names)
    word = "grad " if detail == "values" else ""
    here = 0
    for position in [*range(8), *reversed(range(7)), 5, 2, 7, 0]:
        player.press(
            *{1: ["ArrowRight"], -1: ["ArrowLeft"]}.get(
                position - here, ["Home"] + position * ["ArrowRight"]
            )
        )
        here = position
        cursor.goto(position)
        look = player.look()
        assert look.count == f"{position} / 7"
        assert look.slider == str(position)
        assert look.words == (str(cursor[position - 1]) if position else "∂L/∂L = 1")
        assert shown_gradients(look, names, word=word) == expected_gradients(cursor)
        boxes, arrows = expected_marks(cursor, position, drawing)
        assert look.box_marks == boxes
        assert look.arrow_marks == arrows


def test_the_picture_shows_the_gradients_of_the_walk_not_those_from_before(
    open_page: Open, tmp_path: Path
) -> None:
    loss = network_loss()
    loss.backward()
    cursor = steps(loss)
    player, _ = opened(cursor, open_page, tmp_path)
    names = names_in(loss)
    for position in (6, 7, 6, 7):
        player.press("Home", *["ArrowRight"] * position)
        cursor.goto(position)
        assert shown_gradients(player.look(), names) == expected_gradients(cursor)


def test_what_is_lit_is_seen(open_page: Open, tmp_path: Path) -> None:
    player, _ = opened(steps(network_loss()), open_page, tmp_path)
    player.press("ArrowRight", "ArrowRight")
    for kind, colour in (("lit", "rgb(217, 115, 13)"), ("done", "rgb(46, 139, 87)")):
        shapes = player.root.locator(f"svg .mg-{kind}").evaluate_all(
            "shapes => shapes.map(s => [s.closest('g.node') ? 'box' : s.tagName, "
            "getComputedStyle(s).stroke, getComputedStyle(s).fill])"
        )
        assert {shape[0] for shape in shapes} == {"box", "path", "polygon"}
        for what, stroke, fill in shapes:
            assert stroke == colour
            assert what != "polygon" or fill == colour
            assert what != "path" or fill == "none"


def test_a_shorter_gradient_ends_where_the_longest_does(open_page: Open, tmp_path: Path) -> None:
    player, _ = opened(steps(network_loss()), open_page, tmp_path)
    ends = (
        "root => [...root.querySelectorAll('text[fill=\"#196f3d\"]')]"
        ".map(t => t.getBBox().x + t.getBBox().width)"
    )
    player.press("End")
    at_end = player.root.evaluate(ends)
    player.press("Home")
    assert len(at_end) == 19
    assert player.root.evaluate(ends) == pytest.approx(at_end, abs=0.5)


def test_buttons(open_page: Open, tmp_path: Path) -> None:
    player, _ = opened(steps(network_loss()), open_page, tmp_path)
    seen = []
    for button in ["back", "next", "next", "back", "next", "next", "first", *["next"] * 9, "back", "first"]:
        player.click(button)
        seen.append(player.position)
    assert seen == [0, 1, 2, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 6, 0]


def test_keys(open_page: Open, tmp_path: Path) -> None:
    player, _ = opened(steps(network_loss()), open_page, tmp_path)
    seen = []
    for key in [
        "ArrowLeft",
        "ArrowRight",
        "ArrowRight",
        "ArrowLeft",
        "End",
        "ArrowRight",
        "ArrowLeft",
        "Home",
    ]:
        player.press(key)
        seen.append(player.position)
    assert seen == [0, 1, 2, 1, 7, 7, 6, 0]
    player.press("Control+ArrowRight", "Alt+End", "a", "Shift")
    assert player.position == 0


@pytest.mark.parametrize("control", ["slider", "next", "play"])
def test_a_key_in_a_control_moves_once(open_page: Open, tmp_path: Path, control: str) -> None:
    player, _ = opened(steps(network_loss()), open_page, tmp_path)
    player.root.locator(f".mg-{control}").focus()
    seen = []
    for key in ["ArrowRight", "ArrowRight", "ArrowLeft", "End", "Home"]:
        player.page.keyboard.press(key)
        seen.append((player.position, player.look().slider))
    assert seen == [(1, "1"), (2, "2"), (1, "1"), (7, "7"), (0, "0")]


def test_slider(open_page: Open, tmp_path: Path) -> None:
    cursor = steps(network_loss())
    player, _ = opened(cursor, open_page, tmp_path)
    slider = player.root.locator(".mg-slider")
    assert (slider.get_attribute("min"), slider.get_attribute("max")) == ("0", "7")
    for position in (5, 2, 7, 0):
        slider.fill(str(position))
        look = player.look()
        assert look.count == f"{position} / 7"
        assert look.words == (str(cursor[position - 1]) if position else "∂L/∂L = 1")
    box = slider.bounding_box()
    assert box
    player.page.mouse.click(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
    assert player.position == 7


def test_play_and_pause(open_page: Open, tmp_path: Path) -> None:
    player, _ = opened(steps(network_loss()), open_page, tmp_path, clock=True)
    wait = player.page.clock.run_for
    assert player.look().play == "play"
    player.click("play")
    assert player.look().play == "pause"
    wait(1250)
    assert player.position == 1
    wait(2400)
    assert player.position == 3
    player.click("play")
    assert player.look().play == "play"
    wait(5000)
    assert player.position == 3

    player.click("play")
    wait(1250)
    player.press("ArrowLeft")  # whoever moves takes over
    assert (player.position, player.look().play) == (3, "play")
    wait(5000)
    assert player.position == 3

    player.click("play")
    wait(20_000)
    assert (player.position, player.look().play) == (7, "play")
    player.click("play")  # from the beginning again
    assert player.position == 0
    wait(1250)
    assert player.position == 1
    player.root.evaluate("root => root.remove()")
    wait(5000)


def test_for_screen_readers(open_page: Open, tmp_path: Path) -> None:
    player, _ = opened(steps(network_loss()), open_page, tmp_path)
    title = "the backward pass of L, step by step"
    group = player.page.get_by_role("group", name=title).first
    assert group.get_attribute("tabindex") == "0"
    assert player.page.get_by_role("img", name=title).is_visible()
    assert player.root.locator(".mg-words").get_attribute("aria-live") == "polite"
    player.page.get_by_role("button", name="next step").click()
    assert player.position == 1
    player.page.get_by_role("button", name="previous step").click()
    player.page.get_by_role("slider", name="step").fill("4")
    player.page.get_by_role("button", name="to the beginning").click()
    assert player.position == 0


def test_a_screen_reader_hears_that_the_button_pauses(open_page: Open, tmp_path: Path) -> None:
    player, _ = opened(steps(network_loss()), open_page, tmp_path, clock=True)
    player.page.get_by_role("button", name="play", exact=True).click()
    assert player.page.get_by_role("button", name="pause").count() == 1


def test_a_value_that_stands_twice_lights_both_arrows(open_page: Open, tmp_path: Path) -> None:
    a = Value(3.0, name="a")
    L = a + a
    L.name = "L"
    cursor = steps(L)
    player, html = opened(cursor, open_page, tmp_path)
    assert Drawing.of(html, ["a", "L"]).arrows == ["v0->v1"] * 2
    assert player.look().arrow_marks == ["", ""]
    player.click("next")
    look = player.look()
    assert look.arrow_marks == ["lit", "lit"]
    assert shown_gradients(look, ["a", "L"]) == {"a": "2.0000", "L": "1.0000"}


def test_two_players_do_not_disturb_each_other(open_page: Open) -> None:
    one, other = steps(network_loss(1)), steps(network_loss(2))
    other.goto(4)
    first = open_page(whole_page(html_of(one) + html_of(other), "two"))
    second = Player(first.page, 1)
    assert (first.position, second.position) == (0, 4)
    at_four = second.look()
    first.press("ArrowRight", "ArrowRight")
    assert second.look() == at_four
    assert first.position == 2
    at_two = first.look()
    assert at_two.words == str(one[1])
    second.press("End")
    second.click("back")
    assert (second.position, second.look().words) == (6, str(other[5]))
    assert first.look() == at_two


def test_two_players_of_the_same_loss(open_page: Open) -> None:
    loss = network_loss()
    cursor = steps(loss)
    html = html_of(cursor)
    first = open_page(whole_page(html + html + html, "three"))
    players = [first, Player(first.page, 1), Player(first.page, 2)]
    for player, position in zip(players, (3, 5, 1)):
        player.press(*["ArrowRight"] * position)
    names = names_in(loss)
    drawing = Drawing.of(html, names)
    for player, position in zip(players, (3, 5, 1)):
        cursor.goto(position)
        look = player.look()
        assert look.count == f"{position} / 7"
        assert shown_gradients(look, names) == expected_gradients(cursor)
        assert (look.box_marks, look.arrow_marks) == expected_marks(cursor, position, drawing)
    player = players[1]
    player.press("Home")
    assert [p.position for p in players] == [3, 0, 1]


def test_a_player_within_a_player_or_put_in_later(open_page: Open) -> None:
    """A notebook puts an output into the page when it comes, and then runs the scripts in it."""
    html = html_of(steps(network_loss()))
    first = open_page(whole_page(html, "a notebook"))
    first.press("ArrowRight")
    first.page.evaluate(
        """html => {
          const output = document.createElement("div");
          document.body.append(output);
          output.innerHTML = html;
          for (const old of output.querySelectorAll("script")) {
            const script = document.createElement("script");
            for (const { name, value } of old.attributes) script.setAttribute(name, value);
            script.textContent = old.textContent;
            old.replaceWith(script);
          }
        }""",
        html,
    )
    second = Player(first.page, 1)
    assert (first.position, second.position) == (1, 0)
    second.press("ArrowRight", "ArrowRight", "ArrowRight")
    first.click("next")
    assert (first.position, second.position) == (2, 3)


def test_the_equations_of_the_step_are_seen_beneath_the_picture(open_page: Open, tmp_path: Path) -> None:
    cursor = steps(network_loss())
    player, _ = opened(cursor, open_page, tmp_path)
    picture = player.root.locator("svg").bounding_box()
    assert picture
    math, words = player.root.locator(".mg-math"), player.root.locator(".mg-words")
    expected = math_of(cursor)
    for position in range(8):
        assert math.text_content() == "".join(expected[position].itertext())
        elements = math.locator("math")
        assert elements.count() == len(list(expected[position].iter("math")))
        for i in range(elements.count()):
            box = elements.nth(i).bounding_box()
            assert box
            assert box["width"] > 5
            assert box["height"] > 5
            assert box["y"] > picture["y"] + picture["height"]
        player.click("next")
    # A fraction is set as one, and heard once.
    player.press("Home", "ArrowRight", "ArrowRight")
    fraction = math.locator("mfrac").first.bounding_box()
    assert fraction
    assert fraction["height"] > 25
    assert math.get_attribute("aria-hidden") == "true"
    assert words.text_content() == str(cursor[1])
    hidden = words.bounding_box()
    assert hidden
    assert (hidden["width"], hidden["height"]) == (1, 1)


@pytest.mark.parametrize("name", ["w", "a rather long name of a parameter", "x" * 500])
def test_a_long_equation_does_not_widen_the_page(open_page: Open, name: str) -> None:
    loss = Value(2.0, name=name) * Value(3.0, name="x") + Value(1.0, name="b")
    wide = ops.sum(*(Value(1.0, f"x{i}") for i in range(40)))
    page = whole_page(html_of(steps(loss * 2.0)) + html_of(steps(wide)), "narrow")
    first = open_page(page, viewport={"width": 420, "height": 700})
    for player in (first, Player(first.page, 1)):
        player.press("ArrowRight", "ArrowRight")
        assert first.page.evaluate("document.documentElement.scrollWidth") <= 420
    math = Player(first.page, 1).root.locator(".mg-math")
    assert math.evaluate("e => e.scrollWidth > e.clientWidth && getComputedStyle(e).overflowX") == "auto"


def test_without_scripts_a_still_picture_and_the_list_are_seen(open_page: Open) -> None:
    loss = network_loss()
    cursor = steps(loss)
    html = html_of(cursor)
    player = open_page(whole_page(html, "no scripts"), java_script_enabled=False)
    picture = player.root.locator("svg").bounding_box()
    assert picture
    assert picture["width"] > 300
    assert picture["height"] > 100
    items = player.root.locator("li")
    assert items.count() == 7
    for i in range(7):
        assert items.nth(i).is_visible()
        assert items.nth(i).inner_text() == str(cursor[i])
    assert player.root.locator(".mg-math").text_content() == ""
    assert not player.root.locator(".mg-controls").is_visible()
    cursor.run()
    texts = [player.root.locator("g.node").nth(i).locator("text").all_text_contents() for i in range(10)]
    still = Look("", "", "", "", texts, [], [])
    assert shown_gradients(still, names_in(loss)) == expected_gradients(cursor)


def test_with_scripts_the_list_is_folded_and_can_be_opened(open_page: Open) -> None:
    player = open_page(whole_page(html_of(steps(network_loss())), "scripts"))
    item = player.root.locator("li").first
    assert not item.is_visible()
    player.root.locator("summary").click()
    assert item.is_visible()
    assert player.root.locator(".mg-controls").is_visible()
    assert player.root.locator("script").first.is_visible() is False


def test_no_name_runs(open_page: Open) -> None:
    cursors = [steps(evil_loss(name)) for name in EVIL]
    first = open_page(whole_page("".join(map(html_of, cursors)), EVIL[0]))
    for which, cursor in enumerate(cursors):
        player = Player(first.page, which)
        player.press("End")
        assert player.position == 7
        assert player.root.locator(".mg-words").text_content() == str(cursor[6])
    assert first.page.locator(".microgradlike-steps").count() == len(EVIL)
    assert first.page.evaluate("window.hacked") is None


def test_of_a_graph_too_large_to_be_drawn_value_by_value(open_page: Open) -> None:
    a = Value(0.5, name="a")
    for _ in range(300):
        a = a * 0.999
    cursor = steps(a)
    player = open_page(whole_page(html_of(cursor), "large"))
    player.press("End")
    look = player.look()
    assert (look.count, look.words) == ("300 / 300", str(cursor[299]))
    assert set(look.box_marks) == {""}


def test_without_a_program_to_draw_with_the_player_plays(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MICROGRADLIKE_DOT", "no-such-program")
    cursor = steps(network_loss())
    player = open_page(whole_page(html_of(cursor), "no picture"))
    player.press("ArrowRight")
    assert player.look().words == str(cursor[0])
    assert player.root.locator("pre").is_visible()


CONTRAST = """root => {
  const probe = document.createElement("div");
  probe.style.background = "Canvas";
  root.append(probe);
  const luminance = colour => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number)
      .map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = luminance(getComputedStyle(probe).backgroundColor);
  probe.remove();
  return [ground, ...["math", "count", "list summary", "list li"].map(name => {
    const ink = luminance(getComputedStyle(root.querySelector(".mg-" + name)).color);
    return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
  })];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_equations_and_words_are_readable_on_a_light_and_on_a_dark_page(
    open_page: Open, tmp_path: Path, scheme: str
) -> None:
    player, _ = opened(steps(network_loss()), open_page, tmp_path, color_scheme=scheme)
    ground, *contrasts = player.root.evaluate(CONTRAST)
    assert (ground < 0.05) == (scheme == "dark")
    assert min(contrasts) > 7


# ── In a notebook ─────────────────────────────────────────────────────────────────────────────────────

CELLS = [
    "import microgradlike as mg\n"
    'network = mg.MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")\n'
    'L = mg.half_squared_error(network([1.0, 0.5]), 0.0)\nL.name = "L"\n'
    "from microgradlike.steps import steps",
    "steps(L)",
    "cursor = steps(L)\ncursor.goto(3)\ncursor",
    "cursor[2]",
]


@pytest.fixture(scope="module")
def notebook() -> Any:
    if not (find_spec("nbclient") and find_spec("ipykernel")):
        pytest.skip("nbclient and ipykernel are not installed")
    import nbformat
    from nbclient import NotebookClient

    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]  # type: ignore[no-untyped-call]
    notebook = nbformat.v4.new_notebook(cells=cells)  # type: ignore[no-untyped-call]
    # In a thread of its own: Playwright has an event loop in this one.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, NotebookClient(notebook, timeout=120).async_execute()).result()
    return notebook


def test_a_notebook_has_the_player_and_the_mathematics(notebook: Any) -> None:
    _, fresh, moved, step = (cell.outputs for cell in notebook.cells)
    assert Parsed(fresh[0].data["text/html"]).frames["position"] == 0
    assert Parsed(moved[0].data["text/html"]).frames["position"] == 3
    assert fresh[0].data["text/plain"] == "<cursor on the backward pass of L: 0 of 7 steps>"
    assert step[0].data["text/latex"].startswith("$\\begin{aligned}")


def drive(player: Player) -> None:
    second = Player(player.page, 1)
    assert (player.position, second.position) == (0, 3)
    player.press("ArrowRight", "ArrowRight")
    player.click("next")
    second.click("first")
    assert (player.position, second.position) == (3, 0)
    assert player.look().words.startswith("step 3 of 7 · z3 = w31·h1 + w32·h2 + b3\n∂L/∂w31 += ")


def test_an_exported_notebook_plays(notebook: Any, open_page: Open) -> None:
    outputs = [output for cell in notebook.cells for output in cell.outputs]
    body = "".join(output.data.get("text/html", "") for output in outputs)
    drive(open_page(whole_page(body, "exported")))


@contextmanager
def exported(browser: "Browser", notebook: Any, tmp_path: Path) -> Iterator["Page"]:
    exporter: Any = pytest.importorskip("nbconvert", reason="nbconvert is not installed").HTMLExporter()
    path = tmp_path / "notebook.html"
    path.write_text(exporter.from_notebook_node(notebook)[0], encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri(), wait_until="domcontentloaded")
    yield page
    page.close()


def test_a_notebook_exported_by_nbconvert_plays(notebook: Any, browser: "Browser", tmp_path: Path) -> None:
    with exported(browser, notebook, tmp_path) as page:
        drive(Player(page))
        assert page.locator(".mg-math").first.locator("math").first.is_visible()


def test_the_player_of_the_tutorial_plays_as_it_is_committed(browser: "Browser", tmp_path: Path) -> None:
    import nbformat

    path = Path(__file__).parent.parent / "notebooks" / "02_backprop_by_hand.ipynb"
    with exported(browser, nbformat.read(path, as_version=4), tmp_path) as page:  # type: ignore[no-untyped-call]
        assert page.locator(".microgradlike-steps").count() == 1
        player = Player(page)
        assert player.position == 0
        player.press("ArrowRight", "ArrowRight")
        player.click("next")
        assert player.look().words.startswith("step 3 of 7 · z3 = w31·h1 + w32·h2 + b3\n∂L/∂w31 += ")
        lit = player.root.locator("g.node .mg-lit").first
        assert lit.is_visible()
        player.press("Home", "End")
        player.click("back")
        assert player.position == 6
