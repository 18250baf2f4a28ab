"""A player of the backward pass: some HTML, one picture, and a script that turns its parts on and off.

It needs no kernel, no network and no other file. Where scripts are taken out, a still picture of the end
and the list of all steps remain.
"""

import html
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from microgradlike.label import GRADIENT_INK, LIT


class Frame(NamedTuple):
    """What one step shows.

    Attributes:
        node: the name of the box whose gradient is handed down, "" for none.
        edges: the arrows along which that happens, as (tail, head) of their boxes.
        gradients: what has changed, as (box, which of its gradients, text).
        lines: the step in words.
    """

    node: str
    edges: Sequence[tuple[str, str]]
    gradients: Sequence[tuple[str, int, str]]
    lines: Sequence[str]


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
    # In a script element nothing is escaped, but "</script>" would end it.
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


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
.microgradlike-steps {{ font-family: Helvetica, Arial, sans-serif; max-width: 100%; }}
.microgradlike-steps .mg-picture {{ overflow-x: auto; }}
.microgradlike-steps svg {{ max-width: 100%; height: auto; }}
.microgradlike-steps .mg-controls {{ display: flex; gap: 0.5em; align-items: center; margin: 0.5em 0; }}
.microgradlike-steps .mg-controls[hidden] {{ display: none; }}
.microgradlike-steps .mg-slider {{ flex: 1; max-width: 30em; }}
.microgradlike-steps .mg-words {{ white-space: pre-wrap; margin: 0.5em 0; }}
.microgradlike-steps[data-ready] .mg-words {{ min-height: 7em; }}
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
