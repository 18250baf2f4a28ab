"""The house rules: floors, light imports, public names, and types as a user sees them."""

import ast
import math
import subprocess
import sys
from pathlib import Path

import pytest

import microgradlike as mg

PACKAGE = Path(mg.__file__).parent

# A file imports only from floors below its own.
FLOORS = [
    {"notation", "files", "elsewhere", "checks", "elementwise", "task", "saving"},
    {"naming"},
    {"ops", "receipts"},
    {"engine"},
    {"functions", "table", "history", "transaction", "units"},
    {"parameters"},
    {"architecture"},
    {"nn", "losses", "optim", "formula", "gradcheck", "hand", "paths", "toys", "flatness"},
    {"label", "picture", "data", "stop"},
    {"arguments", "sketch", "report", "plot", "player", "evaluate"},
    {"draw", "compile.batch", "compile.names", "compile.ieee", "compile.writing"},
    {"steps", "explain", "ripple", "compile.scalars", "compile.trace", "compile.tails"},
    {
        "compile.schedule",
        "compile.python",
        "compile.blas",
        "compile.choose",
        "compile.rows",
        "compile.vector",
    },
    {"compile.arrays", "compile.onehot", "compile.tails"},
    {"compile.places", "compile.jax", "compile.llvm"},
    {"compile.numpy"},
    {"compile.program"},
    {"compile.__init__"},
    {"training.__init__", "training.surroundings", "training.checkpoints"},
    {"training.agreement"},
    {"training.task", "training.objective", "training.state"},
    {"training.gradients", "examine"},
    {"diagnose"},
    {"training.loop"},
    {"__init__", "__main__"},
]


def test_every_file_has_a_floor_and_imports_from_below() -> None:
    floor = {name: i for i, names in enumerate(FLOORS) for name in names}
    paths = {path: path.relative_to(PACKAGE).with_suffix("").parts for path in PACKAGE.rglob("*.py")}
    files = {".".join(parts): path for path, parts in paths.items()}
    assert files.keys() == floor.keys()
    for file, path in files.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("microgradlike"):
                inner = (node.module or "").removeprefix("microgradlike").lstrip(".")
                names = [alias.name for alias in node.names]
                inside = [name for name in names if f"{inner}.{name}" in floor]  # files of a package
                imported = [f"{inner}.{name}" for name in inside] or ([inner] if inner else names)
                for other in imported:
                    below = floor.get(other, floor.get(f"{other}.__init__", math.inf))
                    assert below < floor[file], f"{file} imports {other}"


def test_the_engine_needs_the_standard_library_only_and_imports_nothing_heavy() -> None:
    program = (
        "import sys; before = set(sys.modules); import microgradlike; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split())
    assert "microgradlike" in loaded
    foreign = loaded - set(sys.stdlib_module_names) - {"microgradlike"}
    assert not foreign


def test_all_is_what_the_package_offers() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    imported = {a.asname or a.name for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names}
    assert imported - {"TYPE_CHECKING"} == set(mg.__all__)
    assert len(set(mg.__all__)) == len(mg.__all__)


def test_completion_offers_public_names_only() -> None:
    assert set(dir(mg)) == {*mg.__all__, "__doc__", "__version__"}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("adam", "did you mean Adam?"),
        ("Sigmoid", "did you mean sigmoid?"),
        ("binary_crossentropy", "did you mean binary_cross_entropy?"),
        ("quaternion", "dir(microgradlike) lists what it has"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_one(name: str, hint: str) -> None:
    """As Python does in a terminal, where IPython doesn't; and not twice."""
    program = f"import microgradlike; microgradlike.{name}"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    last = result.stderr.splitlines()[-1]
    assert last == f"AttributeError: module 'microgradlike' has no attribute {name!r}: {hint}"
    assert not hasattr(mg, name)


@pytest.mark.parametrize("name", sorted(set(mg.__all__) - {"NOT_COMPUTED"}))
def test_public_names_are_documented_with_an_example(name: str) -> None:
    thing = getattr(mg, name)
    doc = thing.__doc__ or ""
    assert doc.strip(), f"{name} has no docstring"
    if name not in {"Constant", "Optimizer"}:
        assert ">>>" in doc, f"{name} has no example"


USER = """
import microgradlike as mg
from microgradlike.engine import Value
from microgradlike.nn import MLP

a = Value(2.0, name="a")
b = 3 * a**2 - a / 4 + 2**a - (-a) + 1.5
b += mg.tanh(a) + mg.dot([a, a], [1.0, 2.0], 0.5) + a.relu() + abs(a)
c: Value = mg.sum([a, b]) * mg.maximum(a, 0.0)
d: float = mg.exp(1.0) + mg.maximum(1.0, 2.0) + c.data + c.grad
larger: bool = a < b or a >= 1
c.backward()
gradients: list[Value] = mg.grad(c, [a])
curvature: list[list[Value]] = mg.hessian(c, [a])
model = MLP(2, [2, 1])
for p in model.parameters():
    p.data -= 0.1 * p.grad
loss: Value = mg.half_squared_error(model([1.0, a]), 1.0)
optimizer = mg.Adam(model.parameters(), lr=0.01)
optimizer.step()
text: str = mg.formula(c, latex=True) + str(mg.explain(c, a)) + str(mg.ripple(c, {a: 0.1}))
path: str = mg.draw([c, loss], detail="values", direction="LR").render("net.svg")
cursor = mg.steps(c)
right: bool = bool(cursor.guess({"a": "0.10"})) and bool(cursor.guess({a: 0.1}))
walked: list[str] = [str(step) for step in cursor]
train, test = mg.data.flowers().split(0.2)
rule = mg.stop.TargetLoss(0.03) | mg.stop.ValidationRises(patience=30)
history: mg.History = mg.fit(model, train, optimizer=optimizer, epochs=3, validation=0.2, stop=rule)
losses: list[float] = history.losses
share: float = mg.accuracy(model, test)
table: str = str(mg.confusion(model, test)) + str(mg.diagnose(model, test))
program: mg.Program = mg.compile(lambda x, t: mg.half_squared_error(model(x), t), [[0.0, 0.0], 0.0])
source: str = program.source
again: MLP = mg.nn.load("model.json")
with mg.no_grad():
    print(f"{c:.2f}", float(loss), round(c, 2))
"""

WRONG = """
import microgradlike as mg

a = mg.Value("3")
b = mg.Value(1.0) + "x"
c: float = mg.tanh(mg.Value(1.0))
d = mg.dot(mg.Value(1.0), [2.0])
e = mg.adam(mg.Value(1.0))
f = mg.steps(2.0)
g = mg.MLP(2, 1)
"""


def test_a_strict_type_checker_is_content_as_a_user_sees_it(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api", reason="needs mypy: pip install mypy")
    (tmp_path / "user.py").write_text(USER)
    (tmp_path / "wrong.py").write_text(WRONG)
    out, err, code = api.run(["--strict", "--cache-dir", str(tmp_path), str(tmp_path / "user.py")])
    assert code == 0, out + err
    out, _, code = api.run(["--strict", "--cache-dir", str(tmp_path), str(tmp_path / "wrong.py")])
    errors = {int(line.split(":")[1]) for line in out.splitlines() if ": error:" in line}
    assert errors == {4, 5, 6, 7, 8, 9, 10}, out
