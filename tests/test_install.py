"""What is installed, and where it runs: without numpy, programs and threads, and in a browser's Python."""

import importlib.metadata
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import microgradlike as mg
from microgradlike import picture
from microgradlike.picture import RendererNotFound, find_program

ROOT = Path(__file__).parent.parent
PACKAGE = Path(mg.__file__).parent
ANYWHERE = Path(__file__).with_name("anywhere.py")

# ── The wheel and the sdist ───────────────────────────────────────────────────────────────────────────


def build(source: Path, kind: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=300)
    [path] = folder.iterdir()
    return path


def copy_of_the_tree(folder: Path) -> Path:
    """The project, and what a working tree gathers: caches, checkpoints of notebooks, other files."""
    folder.mkdir()
    for name in ("LICENSE", "README.md", "pyproject.toml", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    for name in ("microgradlike", "tests", "notebooks"):
        shutil.copytree(ROOT / name, folder / name)
    for junk in (
        "notebooks/.ipynb_checkpoints/01-checkpoint.ipynb",
        "microgradlike/.ipynb_checkpoints/ops-checkpoint.py",
        "microgradlike/__pycache__/ops.pyc",
        "tests/__pycache__/test_ops.pyc",
        ".venv/bin/python",
        "model.json",
    ):
        (folder / junk).parent.mkdir(parents=True, exist_ok=True)
        (folder / junk).write_text("junk")
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="needs hatchling: pip install hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    return build(copy_of_the_tree(folder / "tree"), "wheel", folder / "made")


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="needs hatchling: pip install hatchling")
    folder = tmp_path_factory.mktemp("sdist")
    return build(copy_of_the_tree(folder / "tree"), "sdist", folder / "made")


def files(folder: str, *kinds: str) -> set[str]:
    paths = ((ROOT / folder).rglob(f"*{kind}") for kind in kinds)
    names = {path.relative_to(ROOT).as_posix() for path in itertools.chain(*paths)}
    return {name for name in names if "__pycache__" not in name and "_checkpoints" not in name}


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as content:
        [name] = (name for name in content.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(content.read(name).decode())


def test_the_wheel_holds_the_package_its_licence_and_nothing_else(wheel: Path) -> None:
    about = f"microgradlike-{mg.__version__}.dist-info"
    described = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    assert wheel.name == f"microgradlike-{mg.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as content:
        expected = files("microgradlike", ".py", ".typed") | {f"{about}/{name}" for name in described}
        assert set(content.namelist()) == expected
        assert "microgradlike/py.typed" in expected
        assert content.read(f"{about}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
        assert (
            "microgradlike = microgradlike.__main__:main"
            in content.read(f"{about}/entry_points.txt").decode()
        )


def test_the_metadata_say_what_it_is_and_what_it_needs(wheel: Path) -> None:
    said = metadata(wheel)
    assert said["Version"] == mg.__version__
    assert said["License-Expression"] == "MIT"
    assert said["Requires-Python"] == ">=3.11"
    assert said["Description-Content-Type"] == "text/markdown"
    assert str(said.get_payload()).strip() == (ROOT / "README.md").read_text(encoding="utf-8").strip()
    needed = said.get_all("Requires-Dist", [])
    for requirement in needed:
        # The lowest version is named, and no highest: what comes out tomorrow can be installed.
        assert re.fullmatch(r"[\w-]+>=[\d.]+(; .*)?", requirement), requirement
    always = {re.split("[>;]", line)[0] for line in needed if "extra ==" not in line}
    assert always == {"graphviz", "graphviz-pure", "latex2mathml", "tqdm"}


def test_the_sdist_has_tests_and_notebooks_and_makes_the_same_wheel(
    sdist: Path, wheel: Path, tmp_path: Path
) -> None:
    with tarfile.open(sdist) as content:
        content.extractall(tmp_path / "all", filter="data")
    [source] = (tmp_path / "all").iterdir()
    found = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    besides = {"LICENSE", "README.md", "pyproject.toml", ".gitignore", "PKG-INFO"}
    assert found == besides | (
        files("microgradlike", ".py", ".typed")
        | files("tests", ".py", ".json", ".gz")
        | files("notebooks", ".ipynb", ".svg", ".png")
    )
    assert build(source, "wheel", tmp_path / "again").read_bytes() == wheel.read_bytes()


def test_the_wheel_works_where_it_is_unpacked(wheel: Path, tmp_path: Path, here: tuple[str, Any]) -> None:
    with zipfile.ZipFile(wheel) as content:
        content.extractall(tmp_path)
    (tmp_path / "run").mkdir()
    program = (
        f"import runpy, sys; sys.path.insert(0, {str(tmp_path)!r}); import microgradlike; "
        "assert microgradlike.__file__.startswith(sys.path[0]); "
        f"runpy.run_path({str(ANYWHERE)!r}, run_name='__main__')"
    )
    assert printed([sys.executable, "-c", program], tmp_path / "run") == here


def test_import_is_quick_and_loads_nothing_heavy() -> None:
    """Some 55 ms on a quiet machine: the limit leaves room for a busy one."""
    program = (
        "import sys, time; start = time.process_time(); import microgradlike; "
        "print(time.process_time() - start, *sys.modules)"
    )
    times = []
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        seconds, *modules = done.stdout.split()
        times.append(float(seconds))
        assert not {"numpy", "matplotlib", "jax", "graphviz", "llvmlite", "tqdm"} & set(modules)
    assert min(times) < 0.25, times


# ── Places where something is missing ─────────────────────────────────────────────────────────────────

#: No package besides the required ones, no program to start, no thread.
BARE = """
import importlib.metadata, runpy, subprocess, sys, threading

def refuse(*_, **__):
    raise RuntimeError("there is none")

def distribution(name, found=importlib.metadata.distribution):
    if name == "graphviz-pure":
        raise importlib.metadata.PackageNotFoundError(name)
    return found(name)

for name in ("numpy", "scipy", "pandas", "matplotlib", "llvmlite", "jax", "IPython"):
    sys.modules[name] = None
threading.Thread.start = refuse
subprocess.Popen.__init__ = refuse
importlib.metadata.distribution = distribution
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def printed(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> tuple[str, Any]:
    """What `anywhere.py` prints, and the last line."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **(environment or {})},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert not done.stderr
    said, _, last = done.stdout.rstrip("\n").rpartition("\n")
    return said, json.loads(last)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    return printed([sys.executable, str(ANYWHERE)], tmp_path_factory.mktemp("here"))


def test_all_works_without_numpy_threads_and_programs(tmp_path: Path, here: tuple[str, Any]) -> None:
    (tmp_path / "path").mkdir()
    said, pictures = printed(
        [sys.executable, "-c", BARE, str(ANYWHERE)], tmp_path, {"PATH": str(tmp_path / "path")}
    )
    assert said == here[0]
    assert pictures["kinds"] == ["text/plain"]
    assert not pictures["player"]
    assert "pip install graphviz-pure, or install Graphviz" in pictures["said"]
    assert "digraph" in pictures["said"]


def test_training_starts_no_thread_for_its_progress() -> None:
    """tqdm has one that watches over its bars, silent ones too, and warns where there are no threads."""
    program = (
        "import threading, microgradlike as mg; m = mg.MLP(2, [2, 1]); "
        "mg.fit(m, mg.data.xor(), epochs=2, compile=False); print(threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


# ── A browser's Python ────────────────────────────────────────────────────────────────────────────────


class Viz:
    """The part of @viz-js/viz that is used."""

    formats = ("dot", "svg")

    def renderString(self, source: str, **options: str) -> str:
        if options["engine"] != "dot":
            raise ValueError("no such engine")
        return f"<{options['format']} of {source.split()[1]}>"


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """JavaScript's globalThis."""
    js = SimpleNamespace()
    monkeypatch.setattr(picture, "_BROWSER", True)
    monkeypatch.setitem(sys.modules, "js", js)
    return js


@pytest.mark.parametrize("page", [{}, {"viz": None}, {"viz": "another"}])
def test_a_browser_without_graphviz_says_what_to_load(
    page: dict[str, Any], browser: SimpleNamespace
) -> None:
    vars(browser).update(page)
    a: Any = mg.Value(1.0, name="a")
    with pytest.raises(RendererNotFound, match=r"let the page load @viz-js/viz, and set globalThis\.viz ="):
        mg.draw(a).pipe("svg")
    with pytest.raises(RendererNotFound):
        find_program("svg")
    shown = a._repr_mimebundle_()
    assert shown.keys() == {"text/plain"}
    assert "@viz-js/viz" in shown["text/plain"]
    assert mg.draw(a).pipe("gv").startswith(b"// a")


def test_a_browser_with_graphviz_draws(browser: SimpleNamespace, tmp_path: Path) -> None:
    browser.viz = Viz()
    a: Any = mg.Value(1.0, name="a")
    assert mg.draw(a).pipe("svg", encoding="utf-8") == "<svg of a:>"
    assert mg.draw(a).pipe("svg") == b"<svg of a:>"
    assert Path(mg.draw(a).render(tmp_path / "a.svg")).read_bytes() == b"<svg of a:>"
    assert find_program("svg")
    assert a._repr_mimebundle_() == {"text/plain": repr(a), "image/svg+xml": "<svg of a:>"}
    with pytest.raises(RendererNotFound, match="in a browser no png can be written: take svg"):
        mg.draw(a).pipe("png")
    with pytest.raises(RuntimeError, match="could not draw this as svg: no such engine"):
        mg.draw(a).pipe("svg", engine="neato")


#: Runs anywhere.py in Pyodide, which is CPython as WebAssembly; then has @viz-js/viz draw.
PYODIDE = """
const [modules, site] = process.argv.slice(2);
const get = require("node:module").createRequire(modules + "/");
(async () => {
  const python = await get("pyodide").loadPyodide({ jsglobals: globalThis });
  python.FS.mkdir("/site");
  python.mountNodeFS("/site", site);
  python.runPython(`
import runpy, sys
sys.path.insert(0, "/site")
runpy.run_path("/site/anywhere.py", run_name="__main__")
`);
  globalThis.viz = await get("@viz-js/viz").instance();
  python.runPython("import anywhere; print(anywhere.pictures())");
})();
"""


@pytest.fixture(scope="module")
def npm_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that MICROGRADLIKE_PYODIDE names, or a new one; in it, pyodide and @viz-js/viz."""
    if not shutil.which("node"):
        pytest.skip("needs Node: apt install nodejs npm")
    if named := os.environ.get("MICROGRADLIKE_PYODIDE"):
        return Path(named).absolute()
    if not (npm := shutil.which("npm")):
        pytest.skip("needs npm: apt install npm")
    folder = tmp_path_factory.mktemp("npm")
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1", "--loglevel=error"]
    try:
        subprocess.run(
            [npm, "install", *options, "--prefix", str(folder), "pyodide@>=314.0.7", "@viz-js/viz@3"],
            capture_output=True,
            check=True,
            timeout=120,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm cannot install pyodide: {str(error.stderr or error)[:200]}")
    return folder


def copy_distribution(name: str, folder: Path) -> None:
    """A package of Python only and its metadata, as pip would install it."""
    for file in importlib.metadata.distribution(name).files or []:
        if ".." not in file.parts and "__pycache__" not in file.parts:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(file.locate()), folder / file)


def test_all_works_in_a_browser(npm_packages: Path, here: tuple[str, Any], tmp_path: Path) -> None:
    site = tmp_path / "site"
    for name in ("graphviz", "latex2mathml", "tqdm"):
        copy_distribution(name, site)
    shutil.copytree(PACKAGE, site / "microgradlike", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ANYWHERE, site)
    (tmp_path / "run.cjs").write_text(PYODIDE)
    script = ["node", str(tmp_path / "run.cjs"), str(npm_packages), str(site)]
    said, drawn = printed(script, tmp_path)
    said, _, last = said.rpartition("\n")
    assert said == here[0]
    without = json.loads(last)
    assert without["kinds"] == ["text/plain"]
    assert not without["player"]
    assert "let the page load @viz-js/viz" in without["said"]
    assert drawn == {"kinds": ["image/svg+xml", "text/plain"], "player": True, "said": ""}
