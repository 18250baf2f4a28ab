"""A picture: a `graphviz.Digraph` that appears on machines without Graphviz, too."""

import importlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import graphviz

from microgradlike.files import checked, is_stream, write_atomically

#: What graphviz-pure writes; for every other format a `dot` is needed.
_PURE = {
    "svg",
    "png",
    "jpg",
    "jpeg",
    "jpe",
    "json",
    "json0",
    "dot_json",
    "xdot",
    "xdot_json",
    "plain",
    "canon",
}
_SOURCE = {"gv", "dot"}  # the DOT text itself, for which no program is needed
_BROWSER = sys.platform == "emscripten"  # there Python, which is Pyodide's, can start no program
_BITMAPS = {"png", "jpg", "jpeg", "jpe", "bmp", "gif", "tif", "tiff", "webp"}
#: The greatest width and height of a bitmap, in inches of 96 pixels: a large graph is scaled down to it,
#: where its true size would take all memory.
_LARGEST = 60
_PATIENCE = 60  # seconds
#: What else graphviz's own `render` takes.
_OPTIONS = {
    "renderer",
    "formatter",
    "neato_no_op",
    "quiet",
    "quiet_view",
    "raise_if_result_exists",
    "overwrite_source",
}


class RendererNotFound(graphviz.ExecutableNotFound):  # type: ignore[misc]  # graphviz has no types
    """There is no program that makes the image; the message says what to install."""

    def __init__(self, message: str) -> None:
        RuntimeError.__init__(self, message)


class Picture(graphviz.Digraph):  # type: ignore[misc]
    """A `graphviz.Digraph`, with all its methods, that brings its own renderer.

    As the last line of a notebook cell it is an image. The program that makes the image is the one that
    the environment variable MICROGRADLIKE_DOT names, else graphviz-pure, which pip installs with this
    package where it can, else a ``dot`` on the PATH. In a browser's Python it is the JavaScript object
    ``globalThis.viz``, if the page has made it with the package @viz-js/viz.

    >>> import microgradlike as mg
    >>> a = mg.Value(2.0, name="a")
    >>> picture = mg.draw(a * a)
    >>> print(picture.source.splitlines()[0])
    // a·a: 2 values
    """

    def render(
        self,
        filename: str | os.PathLike[str] | None = None,
        directory: str | os.PathLike[str] | None = None,
        view: bool = False,
        cleanup: bool = False,  # noqa: ARG002  # nothing is left to clean up; graphviz's users say it
        format: str | None = None,  # noqa: A002  # graphviz's name for it
        *,
        outfile: str | os.PathLike[str] | None = None,
        engine: str | None = None,
        force: bool = False,
        **options: Any,
    ) -> str:
        """Write the image to a file, whole or not at all, and give its path.

        ``render("loss.png")`` writes ``loss.png``, and no other file. So does ``render("loss",
        format="png")``. The suffix gv or dot writes the DOT text, for which no program is needed.

        Args:
            filename: where to; by default the picture's name. A suffix that is no format needs `format`.
            directory: what the filename is relative to.
            view: whether to open the image in the system's viewer.
            cleanup: accepted for the sake of graphviz's users; there is no second file.
            format: svg, png, pdf, …; by default that of the suffix, else that of the picture, svg.
            outfile: another word for filename, as in graphviz.
            engine: another layout program, such as neato.
            force: whether to replace a file that is read-only.
            options: graphviz's others: of these, ``raise_if_result_exists`` is heeded.

        Raises:
            ValueError: no such format.
            RendererNotFound: no program writes the format on this machine.
            OSError: the directory is missing or read-only.
        """
        place = outfile if filename is None else filename
        path = Path(directory or "", self.name or "picture" if place is None else checked(place))
        if unknown := options.keys() - _OPTIONS:
            raise TypeError(f"render has no option {', '.join(sorted(unknown))}")
        format = _check_format(path.suffix[1:] or self.format if format is None else format)  # noqa: A001
        path = destination(path, format)
        if not path.absolute().parent.is_dir():
            raise FileNotFoundError(f"{path}: there is no directory {path.absolute().parent}")
        if path.exists() and options.get("raise_if_result_exists"):
            raise graphviz.FileExistsError(f"{path} is there already")
        write_atomically(path, self.pipe(format, engine=engine), force=force)
        if view:
            self._view(str(path), format=format, quiet=True)
        return str(path)

    def pipe(
        self,
        format: str | None = None,  # noqa: A002
        *_: Any,
        engine: str | None = None,
        encoding: str | None = None,
        **__: Any,
    ) -> Any:
        """The image as bytes or, with an encoding, as text.

        Args:
            format: svg, png, pdf, …; by default that of the picture, svg.
            engine: another layout program, such as neato.
            encoding: of the text wanted.

        Raises:
            ValueError, RendererNotFound: as `render`.
            RuntimeError: the program failed; the message is what it said.
        """
        format = _check_format(format or self.format)  # noqa: A001
        if format in _SOURCE:
            return self.source if encoding else self.source.encode()
        if _BROWSER:
            image = _draw_in_browser(self.source, format, engine or self.engine)
            return image if encoding else image.encode()
        program = find_program(format, self.source)
        arguments = [program, f"-K{engine or self.engine}", f"-T{format}", "-q"]
        if format in _BITMAPS:
            arguments.append(f"-Gsize={_LARGEST},{_LARGEST}")
        try:
            done = subprocess.run(
                arguments,
                input=self.source.encode(),
                capture_output=True,
                check=False,
                timeout=_PATIENCE,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows would flash a console
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(
                f"{program} did not finish within {_PATIENCE} s: draw less, for example with max_nodes=50"
            ) from None
        except OSError as error:
            raise RendererNotFound(f"{program} cannot be run: {error.strerror or error}") from None
        if done.returncode or not done.stdout:
            said = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
            raise RuntimeError(f"{program} could not draw this as {format}: {said}")
        return done.stdout.decode(encoding) if encoding else done.stdout

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None, **_: Any
    ) -> dict[str, Any]:
        """The image as SVG, the same as PNG for where SVG is not trusted, and a line of text."""
        return bundle(self, repr(self), include, exclude)

    def __repr__(self) -> str:
        return f"<picture of {self.comment}>"


def bundle(
    picture: Picture, text: str, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
) -> dict[str, Any]:
    """What a notebook shows; where there is no renderer, the text says so instead of an error."""
    content: dict[str, Any] = {"text/plain": text}
    wanted = {"image/svg+xml", "image/png", "text/plain"}
    wanted = (wanted & set(include) if include else wanted) - set(exclude or ())
    try:
        if "image/svg+xml" in wanted:
            content["image/svg+xml"] = picture.pipe("svg", encoding="utf-8")
        if "image/png" in wanted:
            content["image/png"] = picture.pipe("png")
    except RuntimeError as error:
        if "image/svg+xml" not in content:
            content["text/plain"] += f"\n{error}"
    return {kind: content[kind] for kind in content if kind in wanted}


def destination(path: str | os.PathLike[str], format: str | None = None) -> Path:  # noqa: A002
    """The path that a picture is written to: with the suffix of its format, unless it has that already.

    >>> str(destination("loss")), str(destination("loss.png")), str(destination("loss.png", "svg"))
    ('loss.svg', 'loss.png', 'loss.png.svg')
    """
    path = Path(path)
    format = format or format_of(path)  # noqa: A001
    if path.suffix[1:].lower() == format or is_stream(path):
        return path
    return path.with_name(f"{path.name}.{format}")


def format_of(path: str | os.PathLike[str]) -> str:
    """The format that the suffix of a file's name stands for; svg without one.

    Raises:
        ValueError: it stands for none.
    """
    return _check_format(Path(path).suffix[1:] or "svg")


def find_program(format: str, source: str = "") -> str:  # noqa: A002
    """The Graphviz program for a format: $MICROGRADLIKE_DOT, else graphviz-pure, else `dot`.

    For DOT text itself no program is needed, and the answer is "". In a browser it is "viz".

    Raises:
        RendererNotFound: there is none; the message says what to install and gives the DOT source.
    """
    if format in _SOURCE:
        return ""
    if _BROWSER:
        _viz(format, source)
        return "viz"
    if named := os.environ.get("MICROGRADLIKE_DOT"):
        if program := shutil.which(named):
            return program
        problem = f"MICROGRADLIKE_DOT is {named!r}, and there is no such program"
        raise RendererNotFound(problem + _appended(source))
    if (pure := _graphviz_pure()) and format in _PURE:
        return pure
    if program := shutil.which("dot"):
        return program
    if pure:
        problem = (
            f"graphviz-pure writes no {format}: take svg or png, or install Graphviz "
            "(apt install graphviz, brew install graphviz, winget install graphviz)"
        )
    else:
        problem = (
            "no program to draw with: pip install graphviz-pure, or install Graphviz "
            "(apt install graphviz, brew install graphviz, winget install graphviz)"
        )
    raise RendererNotFound(problem + _appended(source))


def _viz(format: str, source: str) -> Any:  # noqa: A002
    """Graphviz as JavaScript, if the page has it."""
    viz: Any = getattr(importlib.import_module("js"), "viz", None)
    if not hasattr(viz, "renderString"):
        problem = (
            "a browser's Python can start no program to draw with: let the page load @viz-js/viz, and set "
            "globalThis.viz = await Viz.instance()"
        )
    elif format not in list(viz.formats):
        problem = f"in a browser no {format} can be written: take svg"
    else:
        return viz
    raise RendererNotFound(problem + _appended(source))


def _draw_in_browser(source: str, format: str, engine: str) -> str:  # noqa: A002
    viz = _viz(format, source)
    try:
        return str(viz.renderString(source, format=format, engine=engine))
    except Exception as error:  # a JavaScript error, whose class is there in browsers only
        raise RuntimeError(f"viz.js could not draw this as {format}: {error}") from None


def _appended(source: str) -> str:
    if not source:
        return ""
    return f". The DOT text{', shortened' * (len(source) > _LONGEST_SOURCE)}:\n{source[:_LONGEST_SOURCE]}"


_LONGEST_SOURCE = 20_000


@cache
def _graphviz_pure() -> str | None:
    # By its own record: a notebook's kernel often has no PATH to the environment's programs.
    try:
        files = importlib.metadata.distribution("graphviz-pure").files or []
    except importlib.metadata.PackageNotFoundError:
        return None
    programs = (Path(os.path.normpath(file.locate())) for file in files if file.stem == "graphviz-pure")
    return next((str(program) for program in programs if program.is_file()), None)


def _check_format(format: str) -> str:  # noqa: A002
    known = graphviz.FORMATS
    if not isinstance(format, str) or format.lower() not in known:
        raise ValueError(f"there is no format {format!r}: take svg, png, pdf or gv")
    return format.lower()
