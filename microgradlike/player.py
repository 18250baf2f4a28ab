"""A player of the backward pass: some HTML, one picture, and a script that turns its parts on and off.

It needs no kernel, no network and no other file. Where scripts are taken out, a still picture of the end
and the list of all steps remain.
"""

import html
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

from microgradlike.formula import ESCAPED
from microgradlike.label import GRADIENT_INK, LIT

_LONGEST_ROW = 300  # letters; what is longer is text, which wraps


class Frame(NamedTuple):
    """What one step shows.

    Attributes:
        node: the name of the box whose gradient is handed down, "" for none.
        edges: the arrows along which that happens, as (tail, head) of their boxes.
        gradients: what has changed, as (box, which of its gradients, text).
        lines: the step in words.
        math: the step as mathematics, which is HTML; see `equations`.
    """

    node: str
    edges: Sequence[tuple[str, str]]
    gradients: Sequence[tuple[str, int, str]]
    lines: Sequence[str]
    math: str = ""


class Row(NamedTuple):
    """An equation of a step.

    Attributes:
        left: what stands before the sign by which the rows are aligned, as LaTeX.
        right: the rest, as LaTeX; between its parts a browser may begin a new line. None is for a remark.
        text: the whole as plain text.
    """

    left: str
    right: Sequence[str]
    text: str


def equations(rows: Sequence[Row]) -> str:
    """The rows as HTML with MathML in it, which a browser sets without any script."""
    return "".join(map(_equation, rows))


def _equation(row: Row) -> str:
    if row.right and r"= \dots" not in row.right and len(row.text) <= _LONGEST_ROW:
        try:
            left, right = mathml(row.left), " ".join(map(mathml, row.right))
        except Exception:
            # Names are anyone's, and what a library for LaTeX makes of them must not stop the player.
            return _plain(row)
        return f'<div class="mg-side">{left}</div><div>{right}</div>'
    return _plain(row)


def _plain(row: Row) -> str:
    return f'<div class="mg-text">{html.escape(row.text)}</div>'


def mathml(latex: str) -> str:
    r"""LaTeX, as `formula` and `steps` write it, as a MathML element; nothing for nothing.

    >>> mathml("w_{31}")
    '<math displaystyle="true"><msub><mi>w</mi><mn>31</mn></msub></math>'
    >>> mathml(r"\mathrm{\lt{}b\gt{}}")
    '<math displaystyle="true"><mi>&lt;b&gt;</mi></math>'
    """
    if not latex:
        return ""
    from latex2mathml.converter import convert_to_element

    # A word is whatever someone called a Value. The library would cut it into letters and might find
    # commands in it, so it goes through the library as one letter that no name has, as it is private.
    words: list[tuple[str, str]] = []

    def letter(match: re.Match[str]) -> str:
        kind, inside = match[1], match[2]
        if match[0] == _ADDED:
            words.append(("mo", "+="))
        elif kind:
            word = re.sub(_ESCAPE, lambda escape: _ESCAPED[escape[0]], inside)
            words.append(("mtext" if kind == "text" else "mi", word))
        else:
            words.append(("mi", _ESCAPED[match[0]]))
        return chr(_PRIVATE + len(words) - 1)

    math = convert_to_element(re.sub(_WORD, letter, latex))
    math.attrib = {"displaystyle": "true"}
    waiting = [math]
    while waiting:
        element, before = waiting.pop(), ""
        for i in range(len(element)):
            while element[i].tag == "mrow" and len(element[i]) == 1:
                element[i] = element[i][0]
            child = element[i]
            text = child.text or ""
            if len(text) == 1 and 0 <= ord(text) - _PRIVATE < len(words):
                child.tag, text = words[ord(text) - _PRIVATE]
                child.text = text.replace(" ", "\u00a0")  # at the ends, HTML would leave it out
            else:
                child.text = html.unescape(text)  # the library writes its signs as &#x2212;
            if child.tag == "mo":  # a browser knows the rest of what the library says of it
                child.attrib = {key: value for key, value in child.items() if value == "false"}
                if child.text == "−" and before[-1:] in {"(", "=", "·", "\u00a0"}:
                    child.set("form", "prefix")  # of a number, which stands close to it
            before = child.text
        waiting += element
    return ET.tostring(math, encoding="unicode", short_empty_elements=False)


_PRIVATE = 0xE000
_ADDED = r"\mathrel{+}="
_ESCAPED = {escape: c for c, escape in ESCAPED.items()} | {"'": "'"}
_ESCAPE = "|".join(map(re.escape, _ESCAPED))
_WORD = rf"\\(mathrm|operatorname|text){{((?:{_ESCAPE}|[^\\{{}}])*)}}|{_ESCAPE}|{re.escape(_ADDED)}"


def player(svg: str, frames: Sequence[Frame], title: str, position: int = 0) -> str:
    """The HTML of a player.

    Args:
        svg: the picture at the end of the pass, with all gradients.
        frames: the first one is what there is before the first step.
        title: what the picture is of, for screen readers.
        position: the frame to begin with.
    """
    data = {
        "ink": GRADIENT_INK,
        "position": position,
        "frames": [
            {
                "node": frame.node,
                "edges": ["->".join(edge) for edge in frame.edges],
                "set": frame.gradients,
                "lines": frame.lines,
                "math": frame.math,
            }
            for frame in frames
        ],
    }
    steps = "".join(f"<li>{'<br>'.join(map(html.escape, frame.lines))}</li>" for frame in frames[1:])
    return (
        f'<div class="microgradlike-steps" tabindex="0" role="group" aria-label="{html.escape(title)}">'
        f"<style>{_STYLE}</style>"
        f'<div class="mg-picture" role="img" aria-label="{html.escape(title)}">{_inline(svg)}</div>'
        f'<div class="mg-controls" hidden>{_CONTROLS}</div>'
        f'<div class="mg-math" aria-hidden="true"></div>'
        f'<p class="mg-words" aria-live="polite"></p>'
        f'<details open class="mg-list"><summary>all {len(frames) - 1} steps</summary>'
        f"<ol>{steps}</ol></details>"
        f'<script type="application/json" class="mg-data">{_for_script(data)}</script>'
        f"<script>{_SCRIPT}</script></div>"
    )


def page(body: str, title: str) -> str:
    """A whole HTML document around a player."""
    whole = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{html.escape(title)}</title></head>\n<body>{body}</body></html>\n"
    )
    return whole.encode("utf-8", "backslashreplace").decode()  # a name may hold half a character


def _inline(svg: str) -> str:
    """The picture as part of a page: without prolog, and without ids, which must be unique in a page."""
    svg = svg[svg.index("<svg") :]
    return re.sub(r'(<(?:g|svg|a)\b[^>]*?) id="[^"]*"', r"\1", svg)


def _for_script(data: Mapping[str, Any]) -> str:
    # In a script element nothing is escaped, but "</script>" would end it, and "<!--<script>" hide the end.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", r"<\/")
    return re.sub("<(?=[!s])", r"\\u003c", text, flags=re.IGNORECASE)


_CONTROLS = (
    '<button type="button" class="mg-first" aria-label="to the beginning">|◀</button>'
    '<button type="button" class="mg-back" aria-label="previous step">◀</button>'
    '<button type="button" class="mg-play" aria-label="play">play</button>'
    '<button type="button" class="mg-next" aria-label="next step">▶</button>'
    '<input type="range" class="mg-slider" min="0" value="0" aria-label="step">'
    '<output class="mg-count"></output>'
)

_DONE = "#2e8b57"
_STYLE = f"""
.microgradlike-steps {{ font-family: Helvetica, Arial, sans-serif; max-width: 100%; position: relative; }}
.microgradlike-steps .mg-picture {{ overflow-x: auto; }}
.microgradlike-steps svg {{ max-width: max(100%, 640px); height: auto; }}
.microgradlike-steps .mg-controls {{ display: flex; gap: 0.5em; align-items: center; margin: 0.5em 0; }}
.microgradlike-steps .mg-controls[hidden] {{ display: none; }}
.microgradlike-steps .mg-slider {{ flex: 1; max-width: 30em; }}
.microgradlike-steps .mg-math {{
  display: grid; grid-template-columns: max-content 1fr; align-items: baseline; gap: 0.4em 0.3em;
  overflow: auto hidden; margin: 0.5em 0; padding: 0.3em 0;
}}
.microgradlike-steps[data-ready] .mg-math {{ min-height: 9em; align-content: start; }}
.microgradlike-steps .mg-side {{ text-align: right; }}
.microgradlike-steps .mg-text {{ grid-column: 1 / -1; overflow-wrap: anywhere; }}
.microgradlike-steps .mg-words {{
  position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%);
}}
.microgradlike-steps svg a, .microgradlike-steps svg a:hover {{ text-decoration: none; }}
.microgradlike-steps .mg-done {{ stroke: {_DONE}; stroke-width: 2; }}
.microgradlike-steps .mg-lit {{ stroke: {LIT}; stroke-width: 3.5; }}
.microgradlike-steps .mg-done.mg-head {{ fill: {_DONE}; }}
.microgradlike-steps .mg-lit.mg-head {{ fill: {LIT}; }}
"""

_SCRIPT = r"""
(function () {
  for (const root of document.querySelectorAll(".microgradlike-steps:not([data-ready])")) {
    root.setAttribute("data-ready", "");
    const get = (name) => root.querySelector(".mg-" + name);
    const data = JSON.parse(get("data").textContent);
    const boxes = {}, arrows = {};
    for (const group of root.querySelectorAll("g.node, g.edge")) {
      const title = group.querySelector("title"), name = title.textContent;
      title.remove();  // a browser would show it as a tooltip
      if (group.classList.contains("node")) {
        const shape = group.querySelector("path, polygon");
        const texts = [...group.querySelectorAll(`text[fill="${data.ink}"]`)];
        for (const text of texts) {  // so that a shorter one ends in the same place
          const width = text.getComputedTextLength();
          if (width) {
            text.setAttribute("x", Number(text.getAttribute("x")) + width);
            text.setAttribute("text-anchor", "end");
          }
        }
        boxes[name] = { shape, texts };
      } else {
        // The line and its head, but not the white ground of its label.
        const shapes = [...group.querySelectorAll("path, polygon")].filter(
          (shape) => shape.getAttribute("fill") !== "#ffffff");
        for (const shape of shapes) shape.classList.toggle("mg-head", shape.tagName === "polygon");
        (arrows[name] = arrows[name] || []).push(...shapes);
      }
    }
    const mark = (shape, kind) => {
      shape.classList.toggle("mg-lit", kind === "lit");
      shape.classList.toggle("mg-done", kind === "done");
    };
    let position = 0, timer = null;
    const last = data.frames.length - 1;
    const show = (target) => {
      position = Math.max(0, Math.min(last, target));
      for (const box of Object.values(boxes)) mark(box.shape, "");
      for (const shape of Object.values(arrows).flat()) mark(shape, "");
      data.frames.slice(0, position + 1).forEach((frame, i) => {
        const kind = i === position ? "lit" : "done";
        for (const [name, which, text] of frame.set) {
          const found = boxes[name] && boxes[name].texts[which];
          if (found) found.textContent = text;
        }
        if (boxes[frame.node]) mark(boxes[frame.node].shape, kind);
        for (const edge of frame.edges) (arrows[edge] || []).forEach((shape) => mark(shape, kind));
      });
      get("math").innerHTML = data.frames[position].math;
      get("words").textContent = data.frames[position].lines.join("\n");
      get("slider").value = position;
      get("count").textContent = position + " / " + last;
    };
    const label = (word) => {
      get("play").textContent = word;
      get("play").setAttribute("aria-label", word);
    };
    const stop = () => { clearInterval(timer); timer = null; label("play"); };
    const play = () => {
      if (timer) return stop();
      if (position === last) show(0);
      label("pause");
      timer = setInterval(() => {
        if (position === last || !root.isConnected) stop(); else show(position + 1);
      }, 1200);
    };
    get("slider").max = last;
    get("slider").addEventListener("input", (event) => { stop(); show(Number(event.target.value)); });
    get("first").addEventListener("click", () => { stop(); show(0); });
    get("back").addEventListener("click", () => { stop(); show(position - 1); });
    get("next").addEventListener("click", () => { stop(); show(position + 1); });
    get("play").addEventListener("click", play);
    root.addEventListener("keydown", (event) => {
      const move = { ArrowRight: position + 1, ArrowLeft: position - 1, Home: 0, End: last }[event.key];
      if (move === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();  // the slider would move, too
      event.stopPropagation();
      stop();
      show(move);
    });
    get("controls").hidden = false;
    get("list").open = false;
    show(data.position);
  }
})();
"""
