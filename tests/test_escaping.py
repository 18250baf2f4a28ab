"""Names are anyone's: in a page, a picture or a formula they are text, whatever they look like."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from test_player import Open, browser, drawn, open_page

import microgradlike as mg
from microgradlike.__main__ import main
from microgradlike.label import visible
from microgradlike.player import page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "open_page"]  # the fixtures

EVIL = [
    "<script>window.hacked=1</script>",
    '"><img src=x onerror=window.hacked=1>',
    "'><svg onload=window.hacked=1>",
    "</title><script>window.hacked=1</script>",
    "</text></g></svg><b>out</b>",
    "<!--<script>",
    "-->",
    "--&gt;",
    "]]>",
    "<![CDATA[x]]>",
    "<?xml version='1.0'?>",
    "<!ENTITY x SYSTEM 'file:///etc/passwd'>",
    "&lt;b&gt;&amp;&#60;&#x3c;&nbsp;&x;",
    "javascript:window.hacked=1",
    "{{window.hacked=1}}${window.hacked=1}`",
    r"\N\G\E\T\H\L\l\r\n\\",
    "<b>bold</b><br/>",
    "<<TABLE><TR><TD>x</TD></TR></TABLE>>",
    '"]; evil [URL="javascript:window.hacked=1"',
    "}; subgraph { a -> b }; //",
    "a\n];b\r\tc",
    "nul\0esc\x1b[2Jdel\x7f\x85",
    "turned\u202eround\u2028half\ud800",
    r"$\input{/etc/passwd}$ \(x\)",
    r"\href{javascript:window.hacked=1}{x}",
    r"}\end{aligned}$<b>x</b>%",
    "__import__('os').abort()",
]


def loss(name: str) -> mg.Value:
    """Of a network in which everything bears this name."""
    model = network(name)
    L = mg.half_squared_error(model([mg.Value(0.5), mg.Value(-0.5)]), 1.0)
    for value in mg.topological_order(L):
        value.name = name
    L.backward()
    return L


def network(name: str) -> mg.MLP:
    model = mg.MLP(2, [1, 1], activation="tanh")
    for layer in model.layers:
        for neuron in layer.neurons:
            neuron.name = neuron.w[0].name = neuron.b.name = name
    return model


def first_leaf(L: mg.Value) -> mg.Value:
    return mg.topological_order(L)[0]


def confusion(name: str) -> str:
    model = mg.MLP(2, [1], output_activation="sigmoid")
    model.classes = [name, "other"]
    return mg.confusion(model, ([[0.0, 1.0], [1.0, 0.0]], [name, "other"]))._repr_html_()


def diagnosis(name: str) -> str:
    model = network(name)
    model.layers[0].neurons[0].b.data = -50.0
    model.layers[0].neurons[0].w[0].data = 1e6
    table = mg.data.Table(name, [name, name + "2"], [[1000.0, 2.0], [3000.0, 2.0]], [0.5, 1.5], name)
    return mg.diagnose(model, table)._repr_html_()


def svg(picture: Any) -> str:
    text: str = picture.pipe("svg", encoding="utf-8")
    return text[text.index("<svg") :]


#: What makes HTML, or SVG to stand in HTML, of a name; and whether the whole name is seen in it.
OUTPUTS: dict[str, tuple[Callable[[str], str], bool]] = {
    "draw, neurons": (lambda name: svg(mg.draw(loss(name))), True),
    "draw, values": (lambda name: svg(mg.draw(loss(name), detail="values")), True),
    "draw, folded": (lambda name: svg(mg.draw(loss(name), max_nodes=1)), True),
    "sketch": (lambda name: svg(mg.draw(network(name))), True),
    "ripple": (lambda name: mg.ripple(L := loss(name), first_leaf(L), 0.1)._repr_html_(), False),
    "ripple, picture": (lambda name: svg(mg.ripple(L := loss(name), first_leaf(L), 0.1).picture()), True),
    "explain, picture": (lambda name: svg(mg.explain(L := loss(name), first_leaf(L)).picture()), True),
    "steps": (lambda name: mg.steps(loss(name))._repr_html_(), True),
    "confusion": (confusion, True),
    "diagnosis": (diagnosis, False),
}

ALIEN = """() => ({
  hacked: window.hacked,
  elements: [...document.querySelectorAll(
    "img, iframe, object, embed, link, base, form, foreignObject, image, use, b, br:not(li br), " +
    "[onload], [onerror]"
  )].map(e => e.outerHTML),
  links: [...document.querySelectorAll("[href], [src]")].map(e => e.outerHTML),
  scripts: [...document.scripts].filter(s => !s.closest(".microgradlike-steps")).length,
  sections: [...document.querySelectorAll("body > section")].map(
    s => [...s.querySelectorAll("text, p, td, th, li, math *")].map(t => t.textContent)),
})"""


@drawn
@pytest.mark.parametrize("output", OUTPUTS)
def test_a_name_is_text_in_a_browser(output: str, open_page: Open) -> None:
    write, whole = OUTPUTS[output]
    sections = "".join(f"<section>{write(name)}</section>" for name in EVIL)
    there = open_page(page(sections, EVIL[0])).page
    found = there.evaluate(ALIEN)
    assert found["hacked"] is None
    assert (found["elements"], found["links"], found["scripts"]) == ([], [], 0)
    assert there.title() == EVIL[0]
    assert len(found["sections"]) == len(EVIL)
    for name, texts in zip(EVIL, found["sections"]):
        shown = visible(name)[: 39 if whole else 15]
        assert any(shown in text.replace("\xa0", " ") for text in texts), (name, texts)


@drawn
def test_a_name_is_text_in_a_picture_that_is_opened_by_itself(browser: "Browser", tmp_path: Path) -> None:
    asked: list[str] = []
    context = browser.new_context()
    there = context.new_page()
    there.on("request", lambda request: asked.append(request.url))
    for i, name in enumerate(EVIL):
        path = tmp_path / f"{i}.svg"
        mg.draw(loss(name)).render(path)
        there.goto(path.as_uri())
        assert there.evaluate("window.hacked") is None
        texts = there.evaluate("[...document.querySelectorAll('text')].map(t => t.textContent)")
        assert any(visible(name)[:39] in text.replace("\xa0", " ") for text in texts)
    assert asked == [(tmp_path / f"{i}.svg").as_uri() for i in range(len(EVIL))]
    context.close()


@pytest.mark.parametrize("name", EVIL)
def test_a_name_ends_no_line_of_dot(name: str) -> None:
    for make in (loss, network):
        source, plain = mg.draw(make(name)).source, mg.draw(make("plain")).source
        assert source.count("\n") == plain.count("\n")
        assert source.startswith("// ")


@pytest.mark.parametrize("name", EVIL)
def test_a_name_is_text_in_latex(name: str) -> None:
    r"""Commands are those of a plain name and of \backslash{} and its like; braces come in pairs."""
    known = {"backslash", "sim", "hat", "lt", "gt", "langle", "rangle"}

    def written(name: str) -> list[str]:
        L = loss(name)
        return [
            mg.explain(L, first_leaf(L))._repr_latex_(),
            mg.formula(L, latex=True, depth=9),
            mg.steps(L)[1]._repr_latex_(),
        ]

    for plain, evil in zip(written("plain"), written(name)):
        commands, allowed = (set(re.findall(r"\\[a-zA-Z]+", text)) for text in (evil, plain))
        assert {command[1:] for command in commands - allowed} <= known | {"mathrm"}
        bare, usual = (re.sub(r"\\[^a-zA-Z]", "", text) for text in (evil, plain))  # no \{, \$, …
        assert [bare.count(sign) for sign in "$&#%<>"] == [usual.count(sign) for sign in "$&#%<>"]
        depth = 0
        for letter in bare:
            depth += (letter == "{") - (letter == "}")
            assert depth >= 0
        assert depth == 0


def test_no_name_controls_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, model = tmp_path / "table.csv", tmp_path / "model.json"
    table.write_text('x\x1b[2J,y,"k\x1bind"\n1,2,r\x1b[31med\n2,1,b\x1b]0;x\x07lue\n')
    assert main(["train", str(table), "--epochs", "2", "--save", str(model)]) == 0
    assert main(["evaluate", str(model), str(table)]) == 0
    table.write_text("x\x1b[2J,y,k\n1,2,red\nthree\x1b[2J,1,blue\n")
    assert main(["train", str(table)]) == 2
    said = "".join(capsys.readouterr())
    assert "red" in said and "three" in said
    assert not set(said) & {"\x1b", "\x07"}


@pytest.mark.parametrize(
    "name", ["a\x1b[31mb\u202e", "t\tn\u2028", "x\u200bz", "a\nb", "x" * 1100, "\ud800"]
)
def test_no_output_has_letters_that_are_not_seen(name: str) -> None:
    w, x = mg.Value(2.0, name), mg.Value(3.0, f"x{name}")
    loss = mg.tanh(w * x) + 1
    loss.name = f"L{name}"
    loss.backward()
    table = mg.data.Table(f"of {name}", [name, "b"], [[1.0, 2.0], [2.0, 3.0]], [0, 1], name, [name, "d"])
    program = mg.compile(loss, inputs=[x], wrt=[w], backend="python")
    for thing in (
        mg.steps(loss), mg.explain(loss, w), mg.ripple(loss, {w: 0.1}), table, program, mg.draw(loss),
        mg.formula(loss), program.source,
    ):  # fmt: skip
        for text in (str(thing), repr(thing)):
            assert all(letter.isprintable() or letter in "\n\t" for letter in text), repr(text)
        assert not {"\u202e", "\x1b", "\u2028", "\u200b"} & {*str(thing)}
    assert all(letter.isprintable() for letter in mg.formula(loss))


@pytest.mark.parametrize("backend", ["python", "numpy", "llvm"])
def test_long_names_are_names_in_every_backend(backend: str) -> None:
    pytest.importorskip("llvmlite" if backend == "llvm" else "numpy")
    names = ["x" * 1100, "x" * 1100 + "y", "x" * 100_000, "é" * 3000, "x" * 59 + "1", "x" * 60 + "1"]
    leaves = [mg.Value(float(i + 1), name) for i, name in enumerate(names)]
    x = mg.Value(2.0, "x" * 2000)
    program = mg.compile(mg.sum(leaf * x for leaf in leaves), inputs=[x], wrt=leaves, backend=backend)
    loss, gradients = program([[2.0]])
    assert loss == 42.0 and [*gradients] == [2.0] * 6
